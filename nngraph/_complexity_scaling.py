"""Whether the order of the tasks depends on the range of their inputs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngraph._complexity_tables import LEVEL, SHARES, Estimates, Scores, spearman
from nngraph._tables import many

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAST", "Found", "ScalingCheck", "compared", "reversals", "sentence"]

LEAST = 5
"""Networks of a task, in both ranges, below which no reversal is told from chance."""
Found = Mapping[tuple[str, str], tuple[Scores, Estimates]]


@dataclasses.dataclass(frozen=True)
class ScalingCheck:
    """How the order of the tasks by gap_bin changes with the range of the inputs."""

    rho: float
    """Spearman's correlation of gap_bin in the two ranges, over tasks; NaN for fewer than five tasks."""
    reversed: tuple[tuple[str, str], ...]
    """Pairs of tasks (easier, harder) whose order is the other way round in the other range, beyond chance: medians
    and means of the networks' gaps differ in opposite directions, by Welch's t test at 5 % over all pairs and both
    ranges together (Bonferroni). Only tasks of at least five networks in both ranges are compared."""
    seeds: int
    """Networks of each task in the other range."""
    compared: int
    """Tasks that were compared; fewer than two: no reversal could be found."""
    values: pd.DataFrame = dataclasses.field(repr=False, compare=False)
    """Rows of these networks, as in :attr:`nngraph.complexity.Complexity.values`."""


def compared(here: Found, there: Found, values: pd.DataFrame, seeds: int, least_tasks: int) -> ScalingCheck:
    """Compare gap_bin in both ranges, by the first metric."""
    metric = next(iter(here))[1]
    names = [task for task, m in there if m == metric and (task, m) in here]
    medians = [np.array([found[task, metric][1]["gap_bin"][0] for task in names]) for found in (here, there)]
    gaps = [[_gaps(found[task, metric][0]) for task in names] for found in (here, there)]
    enough = [i for i in range(len(names)) if min(len(side[i]) for side in gaps) >= LEAST]
    turned = reversals(
        [names[i] for i in enough], [side[enough] for side in medians], [[side[i] for i in enough] for side in gaps]
    )
    both = np.isfinite(medians).all(axis=0)
    first, second = (side[None, both] for side in medians)
    rho = float(spearman(first, second)[0]) if both.sum() >= least_tasks else float("nan")
    return ScalingCheck(rho, tuple(turned), seeds, len(enough), values.drop(columns="network"))


def _gaps(scores: Scores) -> np.ndarray:
    """Return full minus signed of each network that has both."""
    gaps = scores.full - scores.signed
    there: np.ndarray = gaps[np.isfinite(gaps)]
    return there


def reversals(
    names: Sequence[str], medians: Sequence[np.ndarray], gaps: Sequence[Sequence[np.ndarray]]
) -> list[tuple[str, str]]:
    """Return the pairs of tasks that two ranges order the other way round, beyond chance.

    A pair counts if its medians reverse and the means of the networks' gaps differ in both ranges, in the same
    directions as the medians. Each of the two tests of each pair has its share of 1 - LEVEL, so that pairs that do
    not reverse are named in at most that share of experiments, however many there are.
    """
    n_tests = max(len(names) * (len(names) - 1), 1)  # pairs, in two ranges
    found = []
    for i, j in itertools.combinations(range(len(names)), 2):
        signs = [np.sign(side[i] - side[j]) for side in medians]
        if signs[0] * signs[1] >= 0:
            continue
        tests = [_welch(side[i], side[j]) for side in gaps]
        if all(way == sign and p * n_tests <= 1 - LEVEL for (way, p), sign in zip(tests, signs, strict=True)):
            found.append((names[i], names[j]) if signs[0] < 0 else (names[j], names[i]))
    return found


def _welch(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the sign of the difference of means and its two-sided p by Welch's test."""
    from scipy.special import stdtr

    more = float(x.mean() - y.mean())
    parts = np.array([x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)])
    if not parts.sum() > 0:  # all networks of each task alike
        return float(np.sign(more)), 0.0 if more else 1.0
    freedom = parts.sum() ** 2 / (parts**2 / [len(x) - 1, len(y) - 1]).sum()
    return float(np.sign(more)), 2 * float(stdtr(freedom, -abs(more) / np.sqrt(parts.sum())))


def sentence(scaling: ScalingCheck, rows: pd.DataFrame) -> str:
    """Return the warning that tasks reverse."""
    easier, harder = scaling.reversed[0]
    gaps = rows.drop_duplicates("task").set_index("task")
    share = gaps["metric"].iloc[0] in SHARES
    factor, unit = (100, " points") if share else (1, "")
    shown = [
        f"{task} {factor * gaps.loc[task, 'gap_bin']:.1f} against "
        f"{factor * gaps.loc[task, 'gap_bin_other_scaling']:.1f}"
        for task in (easier, harder)
    ]
    order = "" if np.isnan(scaling.rho) else f" and Spearman's correlation of the two orders is {scaling.rho:.2f}"
    return (
        "task_complexity: the order of the tasks by gap_bin depends on the range of the inputs: in the other one, with "
        f"{many(scaling.seeds, 'network')} each, {many(len(scaling.reversed), 'pair')} of tasks reverse (such as "
        f"{' and '.join(shown)}{unit}){order} over {gaps['gap_bin_other_scaling'].count()} tasks. "
        "State the range with the result."
    )
