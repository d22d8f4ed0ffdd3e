"""Which rows the claims of a study give, and the keys of all rows; nothing heavy is imported here."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ANY_MODEL", "CLAIMS", "FIGURES", "IMAGES", "MNIST", "PAIRS", "WIDTHS", "Asked"]


class Asked(NamedTuple):
    """A row that a claim of a study gives."""

    key: str
    claim: str
    source: str
    statement: str
    authors: str
    headline: str
    control: str = ""
    stand_in: str = ""
    table: str = "study"
    """Which networks: of the "study", of a pair of "middle" difficulty, or of the study with the "last" weights."""


CURVES = "no number (curves)"
ELSEWHERE = "no number (curves); measured independently on Fashion-MNIST, not by the authors: "
FIG2 = "medians read off Fig. 2, folded, easy / hard: A 57.5 / 51.5, B 92 / 68, C 50 / 50, D 52.5 / 50, "
FIG2 += "E 93.5 / 83, F 95.5 / 86, G 52.5 / 51.5 (Fashion-MNIST)"
FIG1 = "signed networks at p = 0, read off Fig. 1: 91 easy, 50 hard (Fashion-MNIST)"
CLAIMS = (
    Asked(
        "probes-03",
        "pruning",
        "Fig. 1a,b",
        "The easy network is robust to pruning, the hard one falls earlier",
        "full networks 97.5 easy, 98.1 hard at p = 0; no number under pruning",
        "points that the full hard network loses by p = 0.6",
        "pruned",
    ),
    Asked(
        "probes-04",
        "collapse",
        "Fig. 1a,b",
        "The signed hard network is at chance before any pruning",
        FIG1,
        "signed hard accuracy",
        "ranked",
    ),
    Asked(
        "probes-04a",
        "collapse",
        "Fig. 1a,b, published code",
        "The signed hard network is at chance before any pruning, with the weights of the last step, which the "
        "published code saves, in the place of those of the best",
        FIG1,
        "signed hard accuracy",
        "ranked",
        table="last",
    ),
    Asked(
        "probes-05",
        "pruning helps",
        "Fig. 1a,b",
        "Pruning raises the signed easy network",
        ELSEWHERE + "92 to 97 at p = 0.4 to 0.5",
        "points gained",
        "pruned easy",
        "probes-05a",
    ),
    Asked(
        "probes-05a",
        "pruning helps",
        "Fig. 1a,b",
        "Pruning raises the signed network of a pair of middling difficulty",
        CURVES,
        "points gained",
        table="middle",
    ),
    Asked(
        "probes-06",
        "transition",
        "Fig. 1a,b",
        "The signed hard network rises abruptly under pruning, to the full one or above",
        ELSEWHERE + "from about 55 at p = 0 to above 94 at p = 0.4 to 0.5",
        "points gained by p = 0.6",
        "pruned hard",
    ),
    Asked(
        "probes-07",
        "noise",
        "Fig. 1c,d",
        "The full easy network is more robust to noise than the hard one",
        ELSEWHERE + "at a = 0.5 easy 85, hard 67",
        "points that hard loses more than easy",
        "noise",
    ),
    Asked(
        "probes-08a",
        "noise peak easy",
        "Fig. 1c,d",
        "The signed easy network peaks under noise at the scale of sigma(w)",
        ELSEWHERE + "+4 points, peak at a = 0.06 to 0.125, sigma(w) 0.08",
        "points gained at the peak",
        "noise easy",
        "probes-08c",
    ),
    Asked(
        "probes-08b",
        "noise peak hard",
        "Fig. 1c,d",
        "The signed hard network peaks under noise at the scale of sigma(w)",
        ELSEWHERE + "+35 points, peak at a = 0.06 to 0.125, sigma(w) 0.08",
        "points gained at the peak",
        "noise hard",
        "probes-08c",
    ),
    Asked(
        "probes-08c",
        "noise peak easy",
        "Fig. 1c,d",
        "The signed network of a pair of middling difficulty peaks under noise at the scale of sigma(w)",
        CURVES,
        "points gained at the peak",
        table="middle",
    ),
    Asked(
        "probes-09a",
        "flip peak easy",
        "Fig. 1e,f",
        "Flipping the signs of the smallest weights raises the signed easy network",
        ELSEWHERE + "92.2 to 96.8 at q = 0.25",
        "points gained at the peak",
        "flips easy",
        "probes-09c",
    ),
    Asked(
        "probes-09b",
        "flip peak hard",
        "Fig. 1e,f",
        "Flipping the signs of the smallest weights raises the signed hard network",
        ELSEWHERE + "54.6 to 91.4 at q = 0.3",
        "points gained at the peak",
        "flips hard",
        "probes-09c",
    ),
    Asked(
        "probes-09c",
        "flip peak easy",
        "Fig. 1e,f",
        "Flipping the signs of the smallest weights raises the signed network of a pair of middling difficulty",
        CURVES,
        "points gained at the peak",
        table="middle",
    ),
    Asked(
        "probes-10",
        "flips for noise",
        "Fig. 1f",
        "Sign flips explain what noise does to the signed hard network",
        "no number",
        "peak under noise minus peak under flips, in points",
        "noise and flips hard",
        "probes-09b",
    ),
    Asked(
        "probes-11a",
        "survivors easy",
        "Fig. 2, Table 1",
        "Of the easy network's null models B, E and F keep the accuracy; A, C, D and G do not",
        FIG2,
        "lowest of B, E, F minus highest of A, C, D, G, in points",
        "nulls easy",
    ),
    Asked(
        "probes-11b",
        "survivors hard",
        "Fig. 2, Table 1",
        "Of the hard network's null models only E and F, and at times B, are clearly above chance",
        FIG2,
        "lower of E, F minus highest of A, C, D, G, in points",
        "nulls hard",
    ),
    Asked(
        "probes-13",
        "B for G",
        "Fig. 2",
        "Signed degrees are not enough: B keeps them and the sign of each edge, G keeps them alone",
        "easy: B 92, G 52.5 (read off, folded, Fashion-MNIST)",
        "B minus G, in points",
        "nulls easy",
    ),
    Asked(
        "probes-14a",
        "pruned nulls easy",
        "Fig. 3",
        "After B, E or F, pruning restores the easy network",
        CURVES,
        "lowest of B, E, F at its best p minus the full network, in points",
        "nulls easy",
    ),
    Asked(
        "probes-14b",
        "pruned nulls hard",
        "Fig. 3",
        "After B, E or F, the hard network shows a transition under pruning",
        CURVES,
        "least gain of B, E, F by p = 0.6, in points",
        "nulls hard",
    ),
    Asked(
        "probes-22a",
        "signs suffice easy",
        "Abstract",
        "Signs alone suffice: easy task",
        "signed easy 91 to 93 of 97.5 (read off)",
        "points lost when signed",
        "ranked easy",
    ),
    Asked(
        "probes-22b",
        "signs suffice hard",
        "Abstract",
        "Signs alone suffice: hard task, as trained",
        "signed hard 50 of 98.1 (read off)",
        "points lost when signed",
        "ranked",
    ),
    Asked(
        "probes-22c",
        "signs suffice hard, pruned",
        "Abstract",
        "Signs alone suffice: hard task, at the best fraction pruned",
        CURVES,
        "points lost when pruned and signed",
        "pruned hard",
    ),
    Asked(
        "probes-22d",
        "signs suffice hard, ranked",
        "Abstract",
        "Signs alone suffice: hard task, threshold moved",
        "not reported",
        "AUC of the signed hard network, in percent",
        "ranked",
    ),
)
"""The rows that the claims of :mod:`nngraph.claims` give."""

IMAGES = ("probes-01", "probes-02")
FIGURES = (
    *(one.key for one in CLAIMS),
    "probes-12",
    *("probes-x1", "probes-x3", "probes-x4", "probes-x5", "probes-x6", "probes-x7"),
)
PAIRS = ("probes-15", "probes-16", "probes-17", "probes-18", "probes-19a", "probes-x2a", "probes-x2b")
MNIST = ("probes-19", "probes-x9")
WIDTHS = ("probes-21a", "probes-21b")
ANY_MODEL = ("probes-23",)
