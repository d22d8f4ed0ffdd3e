"""From the rows of all networks to medians, gaps and peaks, each with the interval of a bootstrap over networks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngraph._rng import child, generator
from nngraph._tables import described
from nngraph.claims import peaks, transition_points

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FACTS",
    "FEW",
    "LEVEL",
    "SHARES",
    "Estimates",
    "Scores",
    "around",
    "estimates",
    "interval",
    "spearman",
    "table",
]

FACTS = ("sigma_w", "chance", "n_classes", "flipped")
"""Metrics that describe a network and are no score."""
LEVEL = 0.95
"""Share of the bootstrap between the ends of an interval."""
FEW = 6
"""With fewer networks the ends are the smallest and the largest resample: a median of five has no 95 % interval."""
SHARES = ("accuracy", "auc", "recalibrated")
"""Metrics in [0, 1], shown in percent; of two classes, one below a half can be folded."""
_RAISED = 0.01  # a curve that gains less than a point above its start has no peak
_CURVES = {"noise": "a_star", "flip": "q_star"}

Estimates = dict[str, np.ndarray]
"""Of one task and metric: the (1 + n_boot,) values of each quantity, the measured one first."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """The scores of the networks of one task by one metric; NaN where one failed."""

    full: np.ndarray
    """(seeds,)"""
    signed: np.ndarray
    sigma: np.ndarray
    nulls: Mapping[str, np.ndarray]
    """(seeds, draws) by kind"""
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    """(grid,) and (seeds, grid) of the signed networks by operation"""
    transitions: np.ndarray
    """(seeds,) p*; NaN where a network has not collapsed"""
    chance: float
    two: bool

    @property
    def n_collapsed(self) -> int:
        return int(np.isfinite(self.transitions).sum())


def estimates(
    values: pd.DataFrame, *, fold: bool, n_boot: int, rng: np.random.SeedSequence
) -> dict[tuple[str, str], tuple[Scores, Estimates]]:
    """Return scores and estimates of each task and metric, in the order of the rows."""
    metrics = list(dict.fromkeys(m for m in values["metric"] if m and m not in FACTS))
    found: dict[tuple[str, str], tuple[Scores, Estimates]] = {}
    for task, rows in values.groupby("task", sort=False):
        n_seeds = int(rows["seed"].max()) + 1
        # one resampling of the networks for all metrics of a task, so that these can be correlated
        draw = generator(child(rng, "bootstrap", task))
        taken = np.vstack([np.arange(n_seeds), draw.integers(n_seeds, size=(n_boot, n_seeds))])
        for metric in [m for m in metrics if (rows["metric"] == m).any()] or metrics:
            scores = _scores(rows, str(task), metric, n_seeds)
            found[str(task), metric] = (
                scores,
                _estimated(scores, taken, child(rng, "draws", task), fold=fold and metric in SHARES),
            )
    return found


def _scores(rows: pd.DataFrame, task: str, metric: str, n_seeds: int) -> Scores:
    valid = rows[rows["status"] == "ok"]
    scored = valid[valid["metric"] == metric]
    plain = scored[(scored["operation"] == "none") & (scored["null"] == "")]
    drawn = scored[(scored["operation"] == "none") & (scored["null"] != "")]
    perturbed = scored[(scored["operation"] != "none") & (scored["null"] == "") & (scored["form"] == "signed")]

    def by_seed(chosen: pd.DataFrame) -> np.ndarray:
        result: np.ndarray = chosen.set_index("seed")["value"].reindex(range(n_seeds)).to_numpy(dtype=float)
        return result

    nulls, curves = {}, {}
    for kind, of_kind in drawn.groupby("null", sort=False):
        nulls[str(kind)] = (
            of_kind.pivot(index="seed", columns="draw", values="value").reindex(range(n_seeds)).to_numpy()
        )
    for operation, points in perturbed.groupby("operation", sort=False):
        wide = points.pivot(index="seed", columns="parameter", values="value").reindex(range(n_seeds))
        curves[str(operation)] = wide.columns.to_numpy(dtype=float), wide.to_numpy(dtype=float)
    share, n_classes = described(valid, task, "chance"), described(valid, task, "n_classes")
    chance = _chance(metric, share, n_classes)
    at = transition_points(valid, task, metric=metric, chance=chance) if "prune" in curves else {}
    return Scores(
        by_seed(plain[plain["form"] == "full"]),
        by_seed(plain[plain["form"] == "signed"]),
        by_seed(valid[valid["metric"] == "sigma_w"]),
        nulls,
        curves,
        np.array([at.get(seed, math.nan) for seed in range(n_seeds)]),
        chance,
        n_classes == 2,
    )


def _chance(metric: str, share: float, n_classes: float) -> float:
    """Return what an answer without knowledge scores, where that is known."""
    if math.isnan(n_classes) or metric == "accuracy":  # that of a score of the user's own is given with it
        return share
    if metric == "recalibrated":  # the shares of the two classes are right, which sample has which is not
        return share**2 + (1 - share) ** 2
    return 0.5 if metric == "auc" else math.nan


def _estimated(scores: Scores, taken: np.ndarray, seed: np.random.SeedSequence, *, fold: bool) -> Estimates:
    """Return every quantity for each row of ``taken``, which says of which networks it is made."""

    def median(values: np.ndarray) -> np.ndarray:
        result = _median(values)
        return np.maximum(result, 1 - result) if fold else result

    fold = fold and scores.two
    full, signed = median(scores.full[taken]), median(scores.signed[taken])
    room = full - scores.chance
    room = np.where(room > 0, room, np.nan)
    found = {"sigma_w": _median(scores.sigma[taken]), "full": full, "signed": signed}
    found["gap_bin"] = full - signed
    found["gap_bin_normalized"] = (full - signed) / room
    for kind, drawn in scores.nulls.items():
        n_draws = drawn.shape[1]
        draw = generator(child(seed, kind)).integers(n_draws, size=(*taken.shape, n_draws))
        draw[0] = np.arange(n_draws)
        kept = median(drawn[taken[:, :, None], draw].reshape(len(taken), -1))
        found[f"gap_{kind}"] = full - kept
        found[f"gap_{kind}_normalized"] = (full - kept) / room
    if "prune" in scores.curves:
        found["p_star"] = _median(scores.transitions[taken])
    for operation, name in _CURVES.items():
        if operation not in scores.curves:
            continue
        grid, curves = scores.curves[operation]
        at = _peak(grid, _median(curves[taken]), _median(scores.signed[taken]))
        found[name] = at
        if operation == "noise":
            found["a_star_over_sigma"] = at / found["sigma_w"]
    return found


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median along the second axis, of what is there."""
    if not np.isnan(values).any():
        result: np.ndarray = np.median(values, axis=1)
        return result
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1, keepdims=True)
    low, high = (np.take_along_axis(ordered, at, axis=1)[:, 0] for at in (np.maximum(count - 1, 0) // 2, count // 2))
    middle: np.ndarray = (low + high) / 2
    return middle


def _peak(grid: np.ndarray, curves: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return where each curve is highest; NaN where that is less than a point above its start."""
    at = np.full(len(curves), np.nan)
    whole = np.isfinite(curves).all(axis=1)
    if whole.any():
        places, heights = peaks(grid, 100 * curves[whole])
        at[whole] = np.where(heights / 100 - start[whole] >= _RAISED, places, np.nan)
    return at


def interval(values: np.ndarray, n_seeds: int) -> tuple[float, float]:
    """Return the percentile interval of a bootstrap, of the resamples in which the quantity exists.

    Of fewer than FEW networks: the smallest and the largest resample.
    """
    there = values[np.isfinite(values)]
    if not len(there):
        return math.nan, math.nan
    if n_seeds < FEW:
        return float(there.min()), float(there.max())
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def around(estimate: float, values: np.ndarray) -> tuple[float, float]:
    """Return the symmetric bootstrap interval of a correlation: LEVEL of the resamples are as near to the estimate."""
    there = values[np.isfinite(values)]
    if not len(there):
        return math.nan, math.nan
    half = float(np.quantile(np.abs(there - estimate), LEVEL))
    return max(estimate - half, -1.0), min(estimate + half, 1.0)


def table(
    values: pd.DataFrame,
    found: Mapping[tuple[str, str], tuple[Scores, Estimates]],
    classes: Mapping[str, tuple[str, str]],
    other: Mapping[tuple[str, str], tuple[Scores, Estimates]],
    ssim: Mapping[str, float],
) -> pd.DataFrame:
    """Return one row for each task and metric: medians, gaps, transitions and peaks with their intervals."""
    import pandas as pd

    status = _statuses(values)
    rows = []
    for (task, metric), (scores, estimated) in found.items():
        n_seeds = int(np.isfinite(scores.full).sum())
        a, b = classes.get(task, ("", ""))
        row: dict[str, object] = {"task": task, "a": a, "b": b, "metric": metric, "seeds": n_seeds}
        row["chance"] = scores.chance
        for name, numbers in estimated.items():
            row |= _with_interval(name, numbers, n_seeds)
            if name == "p_star":
                row["collapsed"] = scores.n_collapsed
        if (task, metric) in other:
            scores, estimated = other[task, metric]
            row |= _with_interval("gap_bin_other_scaling", estimated["gap_bin"], int(np.isfinite(scores.full).sum()))
        if ssim:
            row["ssim"] = ssim.get(task, math.nan)
        row["status"] = status[task]
        rows.append(row)
    return pd.DataFrame(rows)


def _with_interval(name: str, numbers: np.ndarray, n_seeds: int) -> dict[str, float]:
    low, high = interval(numbers[1:], n_seeds) if n_seeds > 1 else (math.nan, math.nan)
    return {name: float(numbers[0]), f"{name}_low": low, f"{name}_high": high}


def _statuses(values: pd.DataFrame) -> dict[str, str]:
    """Say of each task how many of its scores are missing, and why."""
    found = {}
    for task, rows in values[~values["metric"].isin(FACTS)].groupby("task", sort=False):
        odd = rows.loc[rows["status"] != "ok", "status"]
        found[str(task)] = f"{len(odd)} of {len(rows)} scores {odd.iloc[0]}" if len(odd) else "ok"
    return found


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    r"""Return Spearman's rank correlation of each row of (n, tasks) numbers; NaN where a row has one value alone."""
    from scipy.stats import rankdata

    ranks = [rankdata(z, axis=1) for z in (x, y)]
    centred = [r - r.mean(axis=1, keepdims=True) for r in ranks]
    spread = np.sqrt(np.prod([(c**2).sum(axis=1) for c in centred], axis=0))
    with np.errstate(invalid="ignore"):
        rho: np.ndarray = (centred[0] * centred[1]).sum(axis=1) / np.where(spread > 0, spread, np.nan)
    return rho
