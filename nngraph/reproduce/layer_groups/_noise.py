"""The noise of a difference of accuracies, and what may be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MARGIN", "no_worse", "noise_of_difference", "paired_noise"]

MARGIN = 0.05
"""The loss of accuracy that a claim of "nearly as good" allows."""


def noise_of_difference(rows: pd.DataFrame, key: str, one: object, other: object) -> float:
    r"""Return the standard error of the difference of two mean accuracies, NaN where one seed alone is known.

    .. math:: s^2 = \sum_i \frac{a_i (1 - a_i)}{n} + \frac{2 v}{S}

    with the accuracies :math:`a_i` on n texts and the variance v over the S seeds of a row, pooled over all rows. As
    both are of the same texts, and tend to err on the same ones, the first term is an upper bound; where the single
    answers are known, :func:`paired_noise` does better.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns ``key``, accuracy and n_test, a row for each seed.
    key : str
        The column that ``one`` and ``other`` are values of. An ``other`` that has a single row (a control, that knows
        no seed) may be passed as a number, its accuracy.
    """
    grouped = rows.groupby(key)["accuracy"]
    means, n = grouped.mean(), float(rows["n_test"].iloc[0])
    a = [float(value) if isinstance(value, float) else float(means[value]) for value in (one, other)]
    seeds = int(grouped.size().min())
    if seeds < 2:
        return float("nan")
    terms = sum(not isinstance(value, float) for value in (one, other))
    return float(np.sqrt(sum(x * (1 - x) for x in a) / n + terms * float(grouped.var(ddof=1).mean()) / seeds))


def paired_noise(one: np.ndarray, other: np.ndarray) -> float:
    r"""Return the standard error of the difference of mean accuracies from the answers to the same texts.

    .. math:: s^2 = \frac{\operatorname{var}_t \bar d_t}{n} + \frac{\operatorname{var}_s \bar d_s}{S}

    with the differences d, their means over seeds for each text t, and over texts for each seed s.

    Parameters
    ----------
    one, other : (n, S) arrays
        1 where the network of a seed is right. NaN is returned for one seed.
    """
    d = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    n, seeds = d.shape
    if seeds < 2:
        return float("nan")
    return float(np.sqrt(d.mean(axis=1).var(ddof=1) / n + d.mean(axis=0).var(ddof=1) / seeds))


def no_worse(loss: float, noise: float, margin: float = MARGIN) -> str:
    """Return "holds", "does not hold" or "undecided" for a loss of accuracy that is to be at most a margin.

    It holds where the loss and twice its noise are within the margin, does not where the loss less twice its noise is
    beyond, and is undecided in between or where the noise is not known.
    """
    if loss + 2 * noise <= margin:
        return "holds"
    return "does not hold" if loss - 2 * noise > margin else "undecided"
