"""Medians with intervals, verdicts by the share of resamples, and figures small enough to mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nngraph._rng import generator, seed_sequence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nngraph.reproduce.ledger import Verdict

__all__ = ["RULE", "Median", "bootstrap", "capped", "judged", "medians", "picture", "shift", "spread"]

Median: TypeAlias = tuple[float, float, float]
N_BOOT = 1000
RULE = "Holds if so, and in 9 of 10 resamples of the networks; in part if in half of them"
"""How a criterion that is met or not becomes one of three verdicts."""


def judged(share: float, *, met: bool = True) -> Verdict:
    """Return the verdict of a criterion that is met in this share of the resamples, and by all networks or not.

    Examples
    --------
    >>> [judged(share) for share in (1.0, 0.6, 0.2)]
    ['holds', 'holds in part', 'does not hold']
    >>> judged(0.95, met=False)
    'holds in part'
    """
    return "holds" if met and share >= 0.9 else "holds in part" if share >= 0.5 else "does not hold"


def capped(verdict: Verdict, *, control: bool) -> Verdict:
    """Return the verdict, at most "holds in part" where the control does as well.

    Examples
    --------
    >>> capped("holds", control=True), capped("does not hold", control=True)
    ('holds in part', 'does not hold')
    """
    return "holds in part" if control and verdict == "holds" else verdict


def bootstrap(
    *samples: np.ndarray, statistic: Callable[..., float], n_boot: int | None = None, rng: int = 0
) -> tuple[float, np.ndarray]:
    """Return a statistic of several samples of networks, and its values when each sample is drawn with replacement.

    Parameters
    ----------
    *samples : (n, ...) arrays
        One row for each network.
    statistic : callable
        Of the samples.
    n_boot, rng : int
        Number of resamples (by default 1,000), and seed.

    Examples
    --------
    >>> value, draws = bootstrap(np.array([1.0, 2.0, 9.0]), statistic=np.median, n_boot=100)
    >>> float(value), bool(1 <= draws.min() <= draws.max() <= 9)
    (2.0, True)
    """
    draw, n_boot = generator(seed_sequence(rng)), n_boot or N_BOOT
    chosen = [draw.integers(len(sample), size=(n_boot, len(sample))) for sample in samples]
    values = [statistic(*(s[c[i]] for s, c in zip(samples, chosen, strict=True))) for i in range(n_boot)]
    return float(statistic(*samples)), np.array(values, dtype=float)


def medians(values: np.ndarray, *, n_boot: int | None = None, rng: int = 0) -> Median:
    """Return the median of one value per network, and the 95 % interval of its bootstrap.

    Examples
    --------
    >>> medians(np.full(5, 3.0))
    (3.0, 3.0, 3.0)
    """
    values = np.asarray(values, dtype=float)
    chosen = generator(seed_sequence(rng)).integers(len(values), size=(n_boot or N_BOOT, len(values)))
    low, high = np.quantile(np.median(values[chosen], axis=1), [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


def shift(new: np.ndarray, old: np.ndarray) -> Median:
    """Return the difference of the medians of the same networks in two states, with its interval.

    Examples
    --------
    >>> shift(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    (2.0, 2.0, 2.0)
    """

    def difference(s: np.ndarray) -> float:
        first, second = np.median(s, axis=0)
        return float(first - second)

    value, draws = bootstrap(np.column_stack([new, old]), statistic=difference)
    low, high = np.quantile(draws, [0.025, 0.975])
    return value, float(low), float(high)


def spread(middle: float, low: float, high: float, digits: int = 1) -> str:
    """Return "92.3 (90.1 to 94.0)".

    Examples
    --------
    >>> spread(92.34, 90.1, 94)
    '92.3 (90.1 to 94.0)'
    """
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def picture(drawn: Figure | Axes, file: Path) -> str:
    """Write a figure, or that of axes, as a PNG, and return the name of the file."""
    from nngraph.plot._saving import write_png

    write_png(drawn, file)
    return file.name
