"""Distributions of the distances between samples at each tap, and how they change from tap to tap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph._progress import progress
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import Normalize, clouds, distances

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["distance_histograms", "histogram_divergence"]


def distance_histograms(reps: Mapping[str, object], *, bins: int = 50, normalize: Normalize = "mean") -> pd.DataFrame:
    """Return the density of the distances between samples at every tap, on bins that all taps share.

    Parameters
    ----------
    reps : mapping from names to arrays (n, d)
        Representations of the same samples.
    bins : int
        Number of bins, of equal width from 0 to the largest distance of all taps.
    normalize : "mean", "max" or "none"
        What the distances of a tap are divided by.

    Returns
    -------
    pandas.DataFrame, (bins, L)
        Densities: each column, times the width of a bin, sums to 1. The index holds the bins as intervals.

    Raises
    ------
    ArgumentError
        If a representation is none, a tap is constant, or the bins are below 1.

    Notes
    -----
    O(n^2 d) a tap; the n (n - 1) / 2 distances of all taps are held at once, 4 MB a tap for 1000 samples. Means are
    those of all n^2 distances, as in :func:`matrix`.

    Examples
    --------
    >>> import numpy as np
    >>> h = distance_histograms({"a": np.array([0.0, 1, 2]), "b": np.array([0.0, 0, 1])}, bins=2, normalize="max")
    >>> h.to_numpy().tolist()
    [[0.0, 0.666...], [2.0, 1.333...]]
    """
    import pandas as pd

    bins = _arguments.whole("distance_histograms: bins", bins)
    given = clouds(reps)
    upper = np.triu_indices(len(next(iter(given.values()))), 1)
    values = {
        name: distances(name, x, normalize=normalize)[upper]
        for name, x in progress(given.items(), total=len(given), label="distances")
    }
    largest = max(float(one.max()) for one in values.values())
    if not largest > 0:
        raise ArgumentError("distance_histograms: all taps are constant; expected one at least whose samples differ.")
    edges = np.linspace(0, largest, bins + 1)
    return pd.DataFrame(
        {name: np.histogram(one, edges, density=True)[0] for name, one in values.items()},
        index=pd.IntervalIndex.from_breaks(edges, closed="left", name="distance"),
    )


def histogram_divergence(histograms: pd.DataFrame, *, smoothing: float = 1e-3) -> pd.Series:
    r"""Return the Kullback-Leibler divergence of every histogram from the one before, in nats.

    .. math:: \mathrm{KL}(l \,\|\, l-1) = \sum_b p_{l,b} \log \frac{p_{l,b}}{p_{l-1,b}}, \qquad
              p = (1 - s)\, \hat p + s / B

    Parameters
    ----------
    histograms : pandas.DataFrame, (bins, L)
        Of :func:`distance_histograms`, or any table of counts or densities on bins of equal width.
    smoothing : float
        The share s of the uniform law over the B bins that is mixed in, so that empty bins count for something finite:
        no value exceeds log(B / s).

    Returns
    -------
    pandas.Series
        A value for each tap but the first.

    Raises
    ------
    ArgumentError
        If there is one histogram, a value is negative or not finite, or s is not between 0 and 1.

    Notes
    -----
    The values depend on the number of bins and on s, which the paper does not state: compare within one call.

    References
    ----------
    .. [1] T. Gao et al., "Identifying Sub-networks in Neural Networks via Functionally Similar Representations",
       arXiv:2410.16484.

    Examples
    --------
    >>> import pandas as pd
    >>> histogram_divergence(pd.DataFrame({"a": [1, 1], "b": [1, 1], "c": [3, 1]})).round(3).tolist()
    [0.0, 0.131]
    """
    import pandas as pd

    if not isinstance(histograms, pd.DataFrame) or histograms.shape[1] < 2:
        raise ArgumentError("histogram_divergence: expected a DataFrame (bins, taps) of two or more taps.")
    smoothing = _arguments.share("histogram_divergence: smoothing", smoothing)
    mass = histograms.to_numpy(dtype=np.float64)
    if not np.isfinite(mass).all() or (mass < 0).any() or not (mass.sum(axis=0) > 0).all():
        raise ArgumentError(
            "histogram_divergence: got a tap with negative or infinite values or none above 0; expected densities."
        )
    p = (1 - smoothing) * mass / mass.sum(axis=0) + smoothing / len(mass)
    divergence = (p[:, 1:] * np.log(p[:, 1:] / p[:, :-1])).sum(axis=0)
    return pd.Series(divergence, index=histograms.columns[1:], name="KL")
