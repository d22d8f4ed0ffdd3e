"""Claims on maps in the language part: steps, groups, neighbours, plans, the way of fine-tuning, data and seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.reproduce.layer_groups.judgements import Judgement, counting
from nngraph.reproduce.layer_groups.language_claims import TUNED, Results, controls
from nngraph.reproduce.layer_groups.language_maps import FEW, cross_of, map_of, steps_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALIKE", "JUDGES", "STEP", "departs_late", "late_only"]

DEPARTS = 1.25
"""A step has departed where it is this many times that before fine-tuning."""
ALIKE, STEP = 0.05, 2.0
"""Range of mean overlaps that are about the same; a step over the median one that is none."""
LATE = (
    "the step over that of the pretrained encoder is largest in the last third and above 1.5, all of the first half "
    "below 1.5"
)
NOT_LEARNED = "an encoder of the row is not above the larger class by two standard errors"


def _listed(series: pd.Series) -> str:
    return ", ".join(f"{value:.2f}" for value in series)


def _grown(table: pd.DataFrame) -> pd.Series:
    """Return the steps of GW in a fine-tuned map over those of the pretrained one."""
    return steps_of(map_of(table, "fine-tuned", "gw")) / steps_of(map_of(table, "pretrained", "gw"))


def learned(found: Results, *encoders: str) -> bool:
    """Return whether each of these encoders is above the larger class by two standard errors of the test set."""
    majority = controls(found)["majority"]
    rows = found.encoders[found.encoders["encoder"].isin(encoders)]
    error = np.sqrt(rows["accuracy"] * (1 - rows["accuracy"]) / rows["n_test"])
    return bool((rows["accuracy"] - 2 * error > majority).all())


def _of_learned(verdict: str, *, known: bool) -> tuple[str, str, str]:
    """Return verdict, reason and what it counts as: of encoders that learned nothing it is undecided."""
    return ("undecided", NOT_LEARNED, counting(verdict != "does not hold")) if not known else (verdict, "", verdict)


def late_only(grown: pd.Series) -> bool:
    """Return whether steps grew in the last third, and nowhere in the first half."""
    place = int(grown.to_numpy().argmax()) + 1
    return place > 2 * len(grown) / 3 and grown.max() > 1.5 and grown.iloc[: len(grown) // 2].max() < 1.5


def flat(found: Results) -> Judgement:
    """Judge the pretrained map, under every measure."""
    table = found.maps["0"]
    ratios = {}
    for measure in dict.fromkeys(table["measure"]):
        D = map_of(table, "pretrained", measure)
        if D.notna().to_numpy().all():
            steps = steps_of(D)
            ratios[measure] = float(steps.max() / steps.median())
    below = [measure for measure, ratio in ratios.items() if ratio < STEP]
    verdict = "does not hold" if "gw" not in below else "holds" if len(below) == len(ratios) else "holds in part"
    return Judgement(
        "the pretrained map has no step from block to block (Figures 5, 12)",
        "flat, 12 blocks of BERT",
        "the largest step over the median step is below 2 under every measure; in part where it is under GW",
        "largest step over the median step: "
        + ", ".join(f"{measure} {ratio:.2f}" for measure, ratio in sorted(ratios.items(), key=lambda item: item[1])),
        verdict,
        f"below 2 under {len(below)} of {len(ratios)} measures" if verdict != "holds" else "",
    )


def late(found: Results) -> Judgement:
    """Judge where fine-tuning made steps."""
    from nngraph.similarity import boundaries

    grown = {name: _grown(table) for name, table in found.maps.items() if name != "amazon"}
    tuned, twin = (map_of(found.maps["0"], name, "gw") for name in ("fine-tuned", "pretrained"))
    table = boundaries(tuned, twin, squared=False)
    marked = ", ".join(table.index[table["boundary"].astype(bool)]) or "none"
    changes = found.changes["0"]
    moved = changes[(changes["encoder"] == "fine-tuned") & (changes["tap"] != "0")]["moved"]
    holds = [late_only(one) for one in grown.values()]
    verdict = "holds" if all(holds) else "holds in part" if any(holds) else "does not hold"
    known = learned(found, "fine-tuned")
    return Judgement(
        "fine-tuning makes steps in the last blocks only (Figures 2, 5)",
        "change from block 9 of 12 on",
        f"{LATE}; in part for some seeds",
        "step over that of the pretrained encoder: "
        + "; ".join(f"seed {name}: {_listed(one)}" for name, one in grown.items())
        + f"; boundaries against the pretrained encoder: {marked}; CKA distance of each block from itself before "
        f"fine-tuning: {_listed(moved)}",
        *_of_learned(verdict, known=known),
    )


def grouped(found: Results) -> Judgement:
    """Judge the groups of blocks, contiguous and spectral."""
    from nngraph.similarity import groups

    maps = {name: map_of(found.maps["0"], name, "gw").iloc[1:, 1:] for name in ("pretrained", "fine-tuned")}
    runs = {name: groups(D, squared=False) for name, D in maps.items()}
    two = {name: groups(D, 2, method="spectral", squared=False) for name, D in maps.items()}
    depth = len(maps["fine-tuned"])
    cut = [int(taps[0]) for taps in two["fine-tuned"].members][1:]
    contiguous = bool(two["fine-tuned"].labels.is_monotonic_increasing)
    spectral = contiguous and cut[0] > 2 * depth / 3
    tested = runs["fine-tuned"].k > 1 and runs["pretrained"].k == 1
    shown = "; ".join(
        f"{name}: contiguous {_members(runs[name].members)} (p {runs[name].p:.3f} against a drift), spectral "
        f"{_members(two[name].members)} (silhouette {two[name].silhouette:.2f})"
        for name in maps
    )
    verdict = "holds" if tested and spectral else "holds in part" if tested or spectral else "does not hold"
    known = learned(found, "fine-tuned")
    return Judgement(
        "fine-tuned blocks form groups, the last ones apart, pretrained ones do not (Figures 5, 13, 14)",
        "{1-8}, {9}, {10-12}; two spectral groups {1-8}, {9-12}; pretrained: one",
        "contiguous groups beyond a drift after fine-tuning and not before, and two spectral groups that part in the "
        "last third; in part where one of both",
        shown,
        *_of_learned(verdict, known=known),
    )


def _members(members: list[list[str]]) -> str:
    return " ".join("{" + ",".join(taps) + "}" for taps in members)


def departs(found: Results) -> Judgement:
    """Judge which block departs first in fine-tuning."""
    steps = found.steps.pivot(index="step", columns="tap", values="distance").sort_index()
    grown = steps / steps.iloc[0]
    first = {tap: int(grown.index[grown[tap] > DEPARTS][0]) for tap in grown if (grown[tap] > DEPARTS).any()}
    order = sorted(first, key=lambda tap: (first[tap], -int(tap)))
    last = max(grown.columns, key=int)
    if not order:
        verdict, why = "undecided", "no step departs"
    else:
        verdict, why = ("holds" if first.get(last) == min(first.values()) else "does not hold"), ""
    return Judgement(
        "in fine-tuning the last block departs first, those before it later (Figure 6)",
        "12 by iteration 300, 9 to 11 by 3,000 to 15,000",
        f"the step to the last block is {DEPARTS} times that before fine-tuning in no later map than that to any other",
        "first of the "
        + f"{len(grown)} maps on the way at which the step to a block is {DEPARTS} times that before: "
        + (", ".join(f"block {tap} at step {first[tap]}" for tap in order) or "none")
        + f"; over that before at the end: {_listed(grown.iloc[-1])}",
        verdict,
        why,
    )


def dynamics(found: Results) -> Judgement:
    """Judge whether the mean distance follows loss and accuracy in fine-tuning."""
    import pandas as pd

    from nngraph.checkpoints import Dynamics
    from nngraph.reproduce.layer_groups.dynamics import RULE, claim

    followed = found.scores[["step", "mean_distance", "loss", "accuracy"]]
    verdict, shown = claim(Dynamics(followed, pd.DataFrame(), {}))
    return Judgement(
        "in fine-tuning the mean distance grows with accuracy and falls with loss (Figure 7)",
        "GW grows with F1 and falls with the loss",
        RULE.replace("\n", " "),
        f"{len(followed)} maps, mean distance {followed['mean_distance'].iloc[0]:.4f} to "
        f"{followed['mean_distance'].iloc[-1]:.4f}; rank correlations, by control: {shown} "
        "(these maps are of one run and not independent)",
        verdict,
    )


def histograms(found: Results) -> Judgement:
    """Judge where the histogram of distances departs."""
    table = found.changes["0"]
    series = {
        name: table[table["encoder"] == name].set_index("tap")["divergence"].dropna()
        for name in ("pretrained", "fine-tuned")
    }
    most = {name: (values.idxmax(), float(values.max())) for name, values in series.items()}
    holds = departs_late(table, "fine-tuned")
    known = learned(found, "fine-tuned")
    return Judgement(
        "the histogram of distances departs where fine-tuning set in (Figures 2, 12)",
        "largest KL .11 pretrained; 1.58 fine-tuned, at block 9",
        "the largest divergence after fine-tuning is over twice that before, in the last third",
        "; ".join(f"{name}: {value:.3f} at block {tap}" for name, (tap, value) in most.items()),
        *_of_learned("holds" if holds else "does not hold", known=known),
    )


def departs_late(table: pd.DataFrame, encoder: str) -> bool:
    """Return whether the largest divergence of an encoder is in the last third, and over twice the pretrained one."""
    series = {name: rows.set_index("tap")["divergence"].dropna() for name, rows in table.groupby("encoder")}
    own = series[encoder]
    return int(own.idxmax()) > 2 * len(own) / 3 and float(own.max()) > 2 * float(series["pretrained"].max())


def overlap(found: Results) -> Judgement:
    """Judge the neighbours of dense and sparse encoders."""
    table = found.changes["0"]
    means = table[table["tap"] != "0"].groupby("encoder")["overlap"].mean()
    spread = float(means[list(TUNED)].max() - means[list(TUNED)].min())
    known = learned(found, *TUNED)
    return Judgement(
        "neighbours change about as much in dense and in sparse encoders (Table 5)",
        "mean Jaccard index with block 0: .22, .20, .20 (the printed .27, .26, .26 count block 0 itself)",
        "those of the fine-tuned encoders are within .05; undecided unless each is above the larger class",
        "; ".join(f"{name} {means[name]:.2f}" for name in ("untrained", "pretrained", *TUNED)),
        *_of_learned("holds" if spread <= ALIKE else "does not hold", known=known),
    )


def planes(found: Results) -> Judgement:
    """Judge the neighbours in the planes of t-SNE."""
    from nngraph.similarity import expected_overlap

    rows = found.near[found.near["encoder"] == "fine-tuned"]
    before, after = rows.iloc[0], rows.iloc[-1]
    noise = float(np.hypot(before["sd"], after["sd"]))
    gap = float(before["overlap"] - after["overlap"])
    verdict = "holds" if gap > 2 * noise else "does not hold" if gap < -2 * noise else "undecided"
    return Judgement(
        "in the planes of t-SNE, neighbours differ the more from those of the embedding the deeper the block "
        "(Figure 10)",
        f"{FEW} texts, 5 neighbours",
        "after fine-tuning the mean Jaccard index of the last block is below that of the first by twice the noise of "
        "starts; undecided where neither is below the other so",
        "; ".join(
            f"{name}: " + ", ".join(f"{r.overlap:.2f} ± {r.sd:.2f}" for r in part.itertuples())
            for name, part in found.near.groupby("encoder", sort=False)
        )
        + f" (± over starts of t-SNE; at random {expected_overlap(FEW, 5):.2f})",
        verdict,
        "the starts of t-SNE differ by more than the blocks do" if verdict == "undecided" else "",
        counting(gap > 0),
    )


def plans(found: Results) -> Judgement:
    """Judge the plans between neighbouring blocks."""
    table = found.near
    share = float(table["permutation"].mean())
    stays = table.groupby("encoder", sort=False)["stays"].apply(_listed)
    alike = "; ".join(
        f"{name}: {part['same'].iloc[-1]:.2f} ({part['chance'].iloc[-1]:.2f} at random)"
        for name, part in table.groupby("encoder", sort=False)
    )
    return Judgement(
        "plans between blocks are permutations of the texts (Figure 11)",
        "a remark that they are, by eye",
        "all are. With as many texts on both sides, equal weights and Euclidean distances this is a theorem, and says "
        "nothing of a network",
        f"{100 * share:.0f} % of {len(table)} plans are; texts that stay with themselves, block by block: "
        + "; ".join(f"{name}: {values}" for name, values in stays.items())
        + f"; mass within a class at the last block: {alike}",
        "holds" if share == 1 else "does not hold",
    )


def crossed(found: Results) -> Judgement:
    """Judge the matrix between the fine-tuned and the pretrained encoder."""
    D = cross_of(found.crosses["0"], "fine-tuned", "pretrained").iloc[1:, 1:]
    nearest, depth = D.idxmin(axis=1), len(D)
    own = nearest.index == nearest
    half, third = own[: depth // 2].all(), ~own[int(np.ceil(2 * depth / 3)) :]
    verdict = "holds" if half and third.all() else "holds in part" if half and third.any() else "does not hold"
    known = learned(found, "fine-tuned")
    return Judgement(
        "early blocks of the fine-tuned encoder match those of the pretrained one, late ones do not (Figures 15 to 17)",
        "a matrix across models, by eye",
        "the nearest pretrained block is the own one for all of the first half, and for none of the last third; in "
        "part where not for all of it",
        "nearest pretrained block of each fine-tuned one: "
        + ", ".join(f"{tap} -> {other}" for tap, other in nearest.items())
        + f"; distance to the own one: {_listed(_diagonal(D))}",
        *_of_learned(verdict, known=known),
    )


def _diagonal(D: pd.DataFrame) -> pd.Series:
    import pandas as pd

    return pd.Series(np.diag(D), index=D.index)


def products(found: Results) -> Judgement:
    """Judge the second data set."""
    grown = _grown(found.maps["amazon"])
    accuracy = float(found.encoders[found.encoders["encoder"] == "amazon"]["accuracy"].iloc[0])
    known = learned(found, "amazon")
    cross = cross_of(found.crosses["amazon"], "fine-tuned", "movies").iloc[1:, 1:]
    return Judgement(
        "fine-tuning on a second data set makes steps in the last blocks too (Figures 15 to 17)",
        "SST-2: blocks 10 and 11, then 12",
        LATE,
        f"second data set, accuracy {accuracy:.3f}: step over that of the pretrained encoder {_listed(grown)}; "
        f"distance of each block from that of the first encoder, on the same texts: {_listed(_diagonal(cross))}",
        *_of_learned("holds" if late_only(grown) else "does not hold", known=known),
    )


def seeds(found: Results) -> Judgement:
    """Judge whether maps of several seeds agree."""
    from nngraph.similarity import agreement

    tuned = {name: map_of(table, "fine-tuned", "gw") for name, table in found.maps.items() if name != "amazon"}
    claim, paper = "maps of several seeds of fine-tuning agree (Figure 18)", "3 seeds, by eye"
    rule = (
        "their rank correlation is at least .9; undecided unless it is above that of a fine-tuned and the pretrained "
        "map: then what agrees may be what all started from"
    )
    if len(tuned) < 2:
        return Judgement(claim, paper, rule, "one seed", "undecided", "maps of one seed")
    between = agreement(tuned, draws=0)["rho"]
    before = map_of(found.maps["0"], "pretrained", "gw")
    with_before = [float(agreement(one, before, draws=0)["rho"].iloc[0]) for one in tuned.values()]
    least, most = float(between.min()), max(with_before)
    verdict = "undecided" if least <= most else "holds" if least >= 0.9 else "does not hold"
    return Judgement(
        claim,
        paper,
        rule,
        f"{len(tuned)} seeds: smallest rank correlation of two maps {least:.3f}; of a fine-tuned and the pretrained "
        f"map, at most {most:.3f}",
        verdict,
        "seeds agree no better than each does with the pretrained map" if verdict == "undecided" else "",
        counting(least >= 0.9),
    )


JUDGES = (
    flat, late, grouped, departs, dynamics, histograms, overlap, planes, plans, crossed, products, seeds,
)  # fmt: skip
"""In the order of the page."""
