"""Units of work that a folder keeps, and intervals over the seeds of a study."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "RULE", "Interval", "at_least", "at_the_edge", "chosen", "interval", "kept", "paired", "tested"]

COLUMNS = ("claim", "rule", "published", "measured", "verdict")
"""Of a table of claims."""
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


def chosen(tried: pd.DataFrame, by: str = "validation") -> dict[str, float]:
    """Return for each arm the learning rate whose tuning run was best on the validation samples."""
    tried = tried.reset_index(drop=True)
    best = tried.loc[tried.groupby("arm")[by].idxmax()]
    return dict(zip(best["arm"], best["rate"].astype(float), strict=True))


def at_the_edge(table: pd.DataFrame) -> str:
    """Say for which arms the rate that was chosen is the smallest or the largest of those tried."""
    rates = table.loc[table["purpose"] == "tuning", ["arm", "rate"]]
    used = table[table["purpose"] == "test"].dropna(subset=["rate"]).groupby("arm", sort=False)["rate"].first()
    said = []
    for end, rate in (("smallest", rates["rate"].min()), ("largest", rates["rate"].max())):
        if arms := [str(arm) for arm in used[used == rate].index if len(rates)]:
            said.append(f"the {end} of the rates tried ({rate:g}) was the best for: {'; '.join(arms)}")
    return f"Rates beyond were not tried, though {', and '.join(said)}." if said else ""


def kept(file: Path, make: Callable[[], Mapping[str, Any] | list[dict[str, Any]]]) -> Any:
    """Return what a finished unit left in its file, or do it and keep it."""
    if not file.exists():
        done = make()
        with replacing(file) as content:
            content.write((json.dumps(done, indent=1) + "\n").encode())
    return json.loads(file.read_text(encoding="utf-8"))
