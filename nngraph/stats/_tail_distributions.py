"""Empirical distributions of non-negative values, such as degrees and strengths, for logarithmic axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.stats._sides import among

if TYPE_CHECKING:
    import pandas as pd

FINEST = 10_000
"""Bins of a decade; floats span 600 of these."""


def distribution(
    values: Any, *, kind: Literal["ccdf", "pdf"] = "ccdf", discrete: bool | None = None, bins_per_decade: int = 5
) -> pd.DataFrame:
    r"""Return the empirical distribution of values: the complementary cumulative one, or a log-binned density.

    .. math:: P(X \ge x) = \frac{\#\{i : x_i \ge x\}}{n}, \qquad
              p_b = \frac{\#\{i : x_i \in b\}}{n\, |b|}

    Parameters
    ----------
    values : Series or array of shape (n,)
        Degrees, strengths, magnitudes of weights: any values of at least 0. NaN stands for a value not known.
    kind : "ccdf" or "pdf"
        The distribution at each distinct value, or its density in logarithmic bins.
    discrete : bool, optional
        Whether the values are integers; by default read from the values. A bin of integers has as width the number of
        integers in it, and none is empty because it lies between two integers.
    bins_per_decade : int
        Number of bins of the density from 1 to 10, and so on.

    Returns
    -------
    pandas.DataFrame
        For the "ccdf" ``value``, ``count``, ``ccdf``, from the smallest distinct value on, 0 included. For the "pdf"
        ``value`` (geometric centre), ``low``, ``high`` (the bin is [low, high)), ``count``, ``density`` (per unit of
        the value). Its ``attrs`` hold ``n`` (values known), ``n_zero``, ``n_nan``, ``discrete`` and ``name``.

    Raises
    ------
    ArgumentError
        If there is an infinite or negative value (take the two signs of weights apart), or none at all.

    Notes
    -----
    Shares are of all values that are known: a density sums to the share of positive values, since no logarithmic bin
    holds 0. NaN are left out and counted. The cost is that of sorting.

    References
    ----------
    .. [1] M. E. J. Newman, "Power laws, Pareto distributions and Zipf's law", Contemporary Physics 46, 323-351, 2005.

    Examples
    --------
    >>> import nngraph as nng
    >>> table = nng.stats.distribution([0, 1, 1, 4])
    >>> table
       value  count  ccdf
    0      0      1  1.00
    1      1      2  0.75
    2      4      1  0.25
    >>> table.attrs["n_zero"]
    1
    """
    import pandas as pd

    known = sequence("distribution", values, nan=True)
    if not among(kind, ("ccdf", "pdf")):
        raise ArgumentError(f"distribution: kind: got {kind!r}; expected 'ccdf' or 'pdf'.")
    whole = isinstance(bins_per_decade, (int, np.integer)) and not isinstance(bins_per_decade, bool)
    if not whole or not 1 <= bins_per_decade <= FINEST:
        raise ArgumentError(
            f"distribution: bins_per_decade: got {bins_per_decade!r}; expected an integer from 1 to {FINEST:,}."
        )
    n_nan = int(np.isnan(known).sum())
    known = known[~np.isnan(known)]
    if not len(known):
        raise ArgumentError("distribution: got no values; expected at least one that is not NaN.")
    discrete = are_integers("distribution", known, discrete=discrete)
    if kind == "ccdf":
        x, count = np.unique(known, return_counts=True)
        at_least = np.cumsum(count[::-1])[::-1]
        columns = {"value": x.astype(np.int64) if discrete else x, "count": count, "ccdf": at_least / len(known)}
    else:
        columns = _density(known, discrete=discrete, bins_per_decade=int(bins_per_decade))
    table = pd.DataFrame(columns)
    table.attrs = {
        "n": len(known),
        "n_zero": int((known == 0).sum()),
        "n_nan": n_nan,
        "discrete": discrete,
        "name": str(getattr(values, "name", None) or ""),
    }
    return table


def _density(known: np.ndarray, *, discrete: bool, bins_per_decade: int) -> dict[str, np.ndarray]:
    positive = known[known > 0]
    if not len(positive):
        return {
            "value": known[:0],
            "low": known[:0],
            "high": known[:0],
            "count": known[:0].astype(int),
            "density": known[:0],
        }
    first = np.floor(np.log10(positive.min()) * bins_per_decade)
    last = np.ceil(np.log10(positive.max()) * bins_per_decade)
    edges = 10 ** (np.arange(first - 1, last + 2) / bins_per_decade)  # one more on each side: logarithms are rounded
    if discrete:
        edges = np.unique(np.ceil(edges.round(9)))
    place = np.searchsorted(edges, positive, side="right") - 1
    count = np.bincount(place, minlength=len(edges) - 1)[: len(edges) - 1]
    used = slice(place.min(), place.max() + 1)
    low, high, count = edges[:-1][used], edges[1:][used], count[used]
    return {
        "value": np.sqrt(low * (high - 1 if discrete else high)),
        "low": low,
        "high": high,
        "count": count,
        "density": count / (high - low) / len(known),
    }


def sequence(where: str, values: Any, *, nan: bool = False) -> np.ndarray:
    """Return values as a float64 array of shape (n,), or raise where one is not a number of at least 0."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{where}: values: got {type(values).__name__}; expected numbers: a Series or an array of one dimension."
        ) from None
    if array.ndim != 1:
        raise ArgumentError(
            f"{where}: values: got an array of shape {array.shape}; expected one dimension. Ravel it if its entries "
            "are one sample."
        )
    wrong = np.isinf(array) | (array < 0) | (False if nan else np.isnan(array))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ArgumentError(
            f"{where}: values: got {array[i]} at position {i}; expected finite numbers of at least 0. "
            + ("Take the positive and the negative ones apart." if array[i] < 0 else "Leave it out, knowing why.")
        )
    return array


def are_integers(where: str, known: np.ndarray, *, discrete: bool | None) -> bool:
    """Return whether values count as integers, or raise where that was asked for and they are none."""
    integers = bool((known == np.floor(known)).all() and (known <= 2**53).all())
    if discrete is None:
        return integers
    if not isinstance(discrete, (bool, np.bool_)):
        raise ArgumentError(f"{where}: discrete: got {discrete!r}; expected True, False, or None to read the values.")
    if discrete and not integers:
        raise ArgumentError(f"{where}: discrete: got True and values that are no integers; pass discrete=False.")
    return bool(discrete)
