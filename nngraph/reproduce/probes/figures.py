"""Figures 1 to 3 and Table 1: pruning, noise, flips and null models of an easy and a hard pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nngraph._tables import role
from nngraph.claims import Claim, claims, resampled_claims, transitions
from nngraph.reproduce.ledger import Context, Row
from nngraph.reproduce.probes import beyond, table1
from nngraph.reproduce.probes.judging import RULE, judged, picture, spread
from nngraph.reproduce.probes.tasks import LABELS, data_of, named, pair_tasks
from nngraph.reproduce.probes.variants import measured

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CLAIMS", "KEYS", "MIDDLE", "Asked", "claim_rows", "run"]

SEEDS = {"quick": 12, "full": 100}
TWINS = 12
"""Networks of each task, at most, of which variants and controls are evaluated."""
MIDDLE = {"middle": (0, 6)}
"""The pair of digits whose loss when signed was the median of all 45, over four networks of other seeds."""


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
    middle: bool = False


CURVES = "no number (curves)"
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
        "probes-05",
        "pruning helps",
        "Fig. 1a,b",
        "Pruning raises the signed easy network",
        CURVES,
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
        middle=True,
    ),
    Asked(
        "probes-06",
        "transition",
        "Fig. 1a,b",
        "The signed hard network rises abruptly under pruning, to the full one or above",
        CURVES,
        "points gained by p = 0.6",
        "pruned hard",
        "probes-14b",
    ),
    Asked(
        "probes-07",
        "noise",
        "Fig. 1c,d",
        "The full easy network is more robust to noise than the hard one",
        CURVES,
        "points that hard loses more than easy",
        "noise",
    ),
    Asked(
        "probes-08a",
        "noise peak easy",
        "Fig. 1c,d",
        "The signed easy network peaks under noise at the scale of sigma(w)",
        CURVES,
        "points gained at the peak",
        "noise easy",
        "probes-08c",
    ),
    Asked(
        "probes-08b",
        "noise peak hard",
        "Fig. 1c,d",
        "The signed hard network peaks under noise at the scale of sigma(w)",
        CURVES,
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
        middle=True,
    ),
    Asked(
        "probes-09a",
        "flip peak easy",
        "Fig. 1e,f",
        "Flipping the signs of the smallest weights raises the signed easy network",
        CURVES,
        "points gained at the peak",
        "flips easy",
        "probes-09c",
    ),
    Asked(
        "probes-09b",
        "flip peak hard",
        "Fig. 1e,f",
        "Flipping the signs of the smallest weights raises the signed hard network",
        CURVES,
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
        middle=True,
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
KEYS = (*(asked.key for asked in CLAIMS), "probes-12", *beyond.KEYS)


def run(context: Context) -> list[Row]:
    """Train, probe, randomise, vary, judge."""
    from nngraph.plot import perturbations, pruned_randomizations, randomizations
    from nngraph.studies import Study

    data = data_of(context, "fashion-mnist")
    study = Study(pair_tasks(named(data, root=context.root)), seeds=SEEDS[context.scale], rng=context.rng)
    table = study.run(context.folder / "study", n_jobs=context.n_jobs, figures=False)
    middle = Study(pair_tasks(named("digits"), MIDDLE), seeds=TWINS, rng=context.rng)
    between = middle.run(context.folder / "middle", n_jobs=context.n_jobs, figures=False)
    n = min(TWINS, study.seeds)
    networks = context.folder / "study"
    varied = measured(study, networks, context.folder / "variants", n=n, n_jobs=context.n_jobs)
    twins = beyond.Twins(varied, _tasks(table))
    drawn = {
        "probes": picture(perturbations(table), context.folder / "probes.png"),
        "nulls": picture(randomizations(table, fold=True), context.folder / "nulls.png"),
        "pruned nulls": picture(pruned_randomizations(table), context.folder / "pruned-nulls.png"),
        "middle": picture(perturbations(between), context.folder / "middle.png"),
    }
    rows = claim_rows([asked for asked in CLAIMS if not asked.middle], table, LABELS[data], drawn, twins)
    both = _as_both(between)
    label = f"{LABELS['digits']}, {_named(between)}"
    rows += claim_rows([asked for asked in CLAIMS if asked.middle], both, label, {"probes": drawn["middle"]})
    rows.append(table1.row(study, networks, LABELS[data]))
    rows += beyond.rows(twins, table, LABELS[data], context.folder)
    order = {key: i for i, key in enumerate(KEYS)}
    return sorted(rows, key=lambda row: order[row.key])


def claim_rows(
    asked: Sequence[Asked],
    table: pd.DataFrame,
    data: str,
    figures: Mapping[str, str],
    twins: beyond.Twins | None = None,
) -> list[Row]:
    """Return a row for each claim that is asked about, with its interval and the share of resamples behind it.

    Parameters
    ----------
    asked : sequence of Asked
        What to ask.
    table : pandas.DataFrame
        Of a study with an easy and a hard task.
    data : str
        For the column of the row.
    figures : mapping of str to str
        Files, of "probes", "nulls" and "pruned nulls".
    twins : Twins, optional
        Where controls come from.
    """
    found = {claim.key: claim for claim in claims(table)}
    stable = resampled_claims(table)
    n = int(table["seed"].nunique())
    rows = []
    for one in asked:
        claim = found.get(one.claim) or found[one.claim.rsplit(" ", 1)[0]]
        kind = "pruned nulls" if "pruned nulls" in one.claim else "nulls" if "nulls" in one.control else "probes"
        row = Row(
            key=one.key,
            source=one.source,
            statement=one.statement,
            criterion=f"{claim.criterion}. {RULE}",
            authors=one.authors,
            measured=claim.found,
            verdict="does not hold",
            data=data,
            seeds=n,
            control=_control(one, twins),
            figure=figures.get(kind, figures["probes"]),
        )
        rows.append(_judged(row, claim, one, stable, table))
    return rows


def _judged(row: Row, claim: Claim, one: Asked, stable: pd.DataFrame, table: pd.DataFrame) -> Row:
    if claim.verdict == "not testable":
        if not one.stand_in:  # nothing of what the claim says can be seen
            return dataclasses.replace(row, measured=f"not seen: {claim.found}")
        missing = "files of Fashion-MNIST, on which the signed network loses enough (here it does not)"
        return dataclasses.replace(row, verdict="not testable here", missing=missing, stand_in=one.stand_in)
    at = stable.loc[claim.key]
    middle = spread(claim.value, at["low"], at["high"])
    text = f"{claim.found}. {one.headline}: {middle}; met in {100 * at['share']:.0f} % of resamples"
    if one.claim == "transition":
        hard = role(table, "hard") or ""
        p = transitions(table, hard)
        n = table.loc[table["task"] == hard, "seed"].nunique()
        text += f"; {len(p)} of {n} networks collapsed" + (f", p* = {np.median(p):g}" if p else "")
    return dataclasses.replace(
        row,
        measured=text,
        verdict=judged(at["share"]),
        value=claim.value,
        low=float(at["low"]),
        high=float(at["high"]),
    )


def _control(one: Asked, twins: beyond.Twins | None) -> str:
    """Say what the same gives on networks that were not trained, or when edges are chosen at random."""
    if twins is None or not one.control:
        return "the untrained and shuffled networks of the other pairs (row probes-x6) have nothing to lose"
    task = "easy" if "easy" in one.control else "hard"
    signed = twins.of(task, "untrained", form="signed")
    texts = [f"untrained: full {task} {twins.of(task, 'untrained')}, signed {signed}"]
    if one.control == "pruned":
        lost = {name: spread(*twins.lost(name, "prune at random", p)) for name, p in (("easy", 0.8), ("hard", 0.6))}
        texts.append("edges pruned at random: easy loses {easy} at p = 0.8, hard {hard} at p = 0.6".format(**lost))
    elif "pruned" in one.control:
        texts.append(f"edges pruned at random: signed {task} {twins.best(task, 'prune at random')} at best")
    elif "flips" in one.control:
        texts.append(f"signs flipped at random: signed {task} {twins.best(task, 'flip at random')} at best")
    elif "nulls" in one.control:
        folded = ", ".join(f"{kind} {twins.folded(task, 'untrained', kind):.1f}" for kind in "BEFG")
        texts.append(f"null models of untrained networks, folded: {folded}")
    elif "ranked" in one.control:
        texts.append(f"AUC of the untrained signed {task} {twins.of(task, 'untrained', form='signed', metric='auc')}")
    return "; ".join(texts)


def _tasks(table: pd.DataFrame) -> dict[str, str]:
    return {name: role(table, name) or "" for name in ("easy", "hard")}


def _named(table: pd.DataFrame) -> str:
    return str(table["task"].iloc[0])


def _as_both(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of one task as that of an easy task, beside a hard one that is the same."""
    import pandas as pd

    return pd.concat([table.assign(task="easy"), table.assign(task="hard")], ignore_index=True)
