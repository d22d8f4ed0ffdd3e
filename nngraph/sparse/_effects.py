"""How large a difference from a null is, measure by measure on a scale of its own that no unit of weights enters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["effects", "scale_of"]

OWN = ("spanning", "isolated", "degree_correlation", "in_out_correlation")
"""Statistics all of whose values are shares or correlations."""
INFORMATION = ("information", "in_out_information", "degree_information")
WEIGHT = ("weight", "weight_moments")


def scale_of(measure: str) -> str:
    """Return on which scale differences of a measure ("statistic:key@block") are read.

    "own" for shares, correlations and logarithms; "correlation" for information in nats; "magnitude" for mean weights,
    which have both signs; "relative", to the mean of the null, for all others.
    """
    statistic, _, key = measure.partition(":")
    key = key.split("@")[0]
    if statistic in INFORMATION:
        return "correlation"
    if statistic in WEIGHT and key == "mean":
        return "magnitude"
    shares = key in ("top", "mean_over_magnitude") or key.endswith("isolated") or key.startswith("log10")
    return "own" if shares or statistic in OWN else "relative"


def effects(table: pd.DataFrame) -> np.ndarray:
    """Return the effect of each row of a table with ``round``, ``measure``, ``observed`` and ``mean``."""
    observed, mean = (table[name].to_numpy(float) for name in ("observed", "mean"))
    scale = np.array([scale_of(name) for name in table["measure"]], dtype=object)
    difference, unit = observed - mean, np.ones(len(table))
    nats = scale == "correlation"
    difference[nats] = _as_correlation(observed[nats]) - _as_correlation(mean[nats])
    unit[scale == "relative"] = np.abs(mean[scale == "relative"])
    sizes = {
        (number, name.split(":")[0]): value
        for number, name, value in zip(table["round"], table["measure"], mean, strict=True)
        if name in [f"{statistic}:mean_magnitude" for statistic in WEIGHT]
    }
    for row in np.flatnonzero(scale == "magnitude"):
        unit[row] = sizes.get((table["round"].iloc[row], table["measure"].iloc[row].split(":")[0]), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(difference == 0, 0.0, difference / unit)
    return found


def _as_correlation(nats: np.ndarray) -> np.ndarray:
    """Return the correlation of two normal variables of as much information, negative below 0 (Linfoot 1957)."""
    found: np.ndarray = np.sign(nats) * np.sqrt(-np.expm1(-2 * np.abs(nats)))
    return found
