"""Units of work that a folder keeps, and intervals over the seeds of a study."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nngraph._progress import progress
from nngraph.io._atomic import replacing
from nngraph.reproduce._claims import Claim

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "RULE",
    "Interval",
    "at_least",
    "at_the_edge",
    "concentration",
    "file_of",
    "interval",
    "judged",
    "kept",
    "leaning",
    "paired",
    "settings_of",
    "study",
    "tested",
]

RULE = (
    "holds where the 95 % interval of the paired difference over seeds lies at or above {}, does not hold where it "
    "lies below, else undecided"
)


class Interval(NamedTuple):
    """A mean over seeds with its 95 % interval by Student's t."""

    mean: float
    low: float
    high: float

    def text(self, digits: int = 1, factor: float = 1, sign: str = "") -> str:
        """Write the mean and its interval."""
        mean, low, high = (f"{factor * value:{sign}.{digits}f}" for value in self)
        return f"{mean} [{low}, {high}]"

    @property
    def numbers(self) -> dict[str, float]:
        """As the numbers of a claim."""
        return {"value": self.mean, "low": self.low, "high": self.high}


def interval(values: np.ndarray) -> Interval:
    """Return the mean of values and its interval, infinite for a single one."""
    from scipy.stats import t

    values = np.asarray(values, dtype=np.float64)
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Interval(mean, -math.inf, math.inf)
    half = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def paired(table: pd.DataFrame, value: str, arm: str, other: str) -> Interval:
    """Return the mean difference of a value between two arms of the same seed."""
    wide = table.pivot(index="seed", columns="arm", values=value)
    return interval((wide[arm] - wide[other]).dropna().to_numpy())


def tested(table: pd.DataFrame) -> pd.DataFrame:
    """Return the last epoch of the networks that were not made to choose a learning rate."""
    rows = table[table["purpose"] == "test"]
    return rows[rows["epoch"] == rows["epoch"].max()] if "epoch" in rows else rows


def at_least(difference: Interval, least: float = 0.0) -> str:
    """Return the verdict by ``RULE``."""
    if difference.low >= least:
        return "holds"
    return "does not hold" if difference.high < least else "undecided"


def judged(difference: Interval, least: float = 0.0, **about: Any) -> Claim:
    """Return a claim on a paired difference with its verdict by ``RULE``; ``about`` has what else it is made of."""
    verdict = at_least(difference, least)
    known: dict[str, Any] = {
        "verdict": verdict,
        "counts": leaning(verdict, for_it=difference.mean >= least),
        **difference.numbers,
    }
    return Claim(**known | about)


def leaning(verdict: str, *, for_it: bool) -> str:
    """Return what an undecided claim counts as, by the side on which the mean is; nothing for a decided one."""
    if verdict != "undecided":
        return ""
    return "holds in part" if for_it else "does not hold"


def concentration(degrees: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Return the rank correlation of the degrees of pixels with their variance, of all, and among those that matter.

    The latter are the half of the pixels that varies most, those left out that never vary: to leave pixels that are
    always blank is enough for the first correlation, not for the second.
    """
    from scipy.stats import spearmanr

    most = np.argsort(-variance, kind="stable")[: len(variance) // 2]
    most = most[variance[most] > 0]
    whole, among = (spearmanr(degrees[rows], variance[rows]).statistic for rows in (slice(None), most))
    return float(whole), float(among)


def study(
    unit: Callable[[str, Any, str, float], pd.DataFrame],
    rates: Mapping[Any, Sequence[float]],
    seeds: int,
    *,
    like: Mapping[Any, Any] | None = None,
    n_jobs: int = 1,
) -> list[pd.DataFrame]:
    """Choose the learning rate of every arm, and do all units with them.

    Parameters
    ----------
    unit : callable
        Of purpose ("tuning" or "test"), arm, seed and rate; returns the rows of one training, the last epoch last.
    rates : mapping
        For each arm the learning rates to choose from, by ``validation`` in the last row; the first if it is alone.
    seeds : int
        Units of each arm that are tested.
    like : mapping, optional
        Arms that take the rate of another.
    n_jobs : int
        Processes; a unit hangs on nothing but its arguments.

    Returns
    -------
    list of pandas.DataFrame
        What the units returned: the tried rates, then all arms of the first seed, of the second, and so on.
    """
    like = like or {}
    jobs = [(arm, rate) for arm, some in rates.items() for rate in some if arm not in like and len(some) > 1]
    tables, best = [], {arm: (-math.inf, some[0]) for arm, some in rates.items()}
    tried = _done(unit, [("tuning", arm, "tuning", rate) for arm, rate in jobs], "rates", n_jobs)
    for (arm, rate), table in zip(jobs, tried, strict=True):
        tables.append(table)
        if (reached := float(table["validation"].iloc[-1])) > best[arm][0]:
            best[arm] = reached, rate
    tests = [("test", arm, str(seed), best[like.get(arm, arm)][1]) for seed in range(seeds) for arm in rates]
    return [*tables, *_done(unit, tests, "networks", n_jobs)]


def _done(
    unit: Callable[..., pd.DataFrame], jobs: Sequence[tuple[str, Any, str, float]], label: str, n_jobs: int
) -> Iterator[pd.DataFrame]:
    """Yield what the units return, in the order of the jobs."""
    import joblib

    found = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(joblib.delayed(unit)(*job) for job in jobs)
    yield from progress(found, total=len(jobs), label=label)


def at_the_edge(table: pd.DataFrame) -> str:
    """Say for which arms the rate that was chosen is the smallest or the largest of those tried."""
    tried = table[table["purpose"] == "tuning"].groupby("arm")["rate"]
    ends = {"smallest": tried.min(), "largest": tried.max()}
    used = table[table["purpose"] == "test"].dropna(subset=["rate"]).groupby("arm", sort=False)["rate"].first()
    found: dict[tuple[str, float], list[str]] = {}
    for end, rates in ends.items():
        for arm, rate in used.items():
            if rates.get(arm) == rate:
                found.setdefault((end, rate), []).append(str(arm))
    said = [
        f"the {end} of the rates tried ({rate:g}) was the best for: {'; '.join(a)}" for (end, rate), a in found.items()
    ]
    return f"Rates beyond were not tried, though {', and '.join(said)}." if said else ""


def file_of(folder: Path, *parts: str | float) -> Path:
    """Return the file of a unit, named after what it is."""
    name = " ".join(part if isinstance(part, str) else f"{part:g}" for part in parts)
    return folder / f"{name}.json".replace(",", "").replace(" ", "_")


def settings_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of the results that a folder keeps."""
    found: dict[str, Any] = json.loads((Path(folder) / "settings.json").read_text(encoding="utf-8"))
    return found


def kept(file: Path, make: Callable[[], list[dict[str, Any]]]) -> pd.DataFrame:
    """Return the rows that a finished unit left in its file, or do it and keep them."""
    import pandas as pd

    if not file.exists():
        done = make()
        with replacing(file) as content:
            content.write((json.dumps(done, indent=1) + "\n").encode())
    found = json.loads(file.read_text(encoding="utf-8"))
    return pd.DataFrame(found if isinstance(found, list) else [found])
