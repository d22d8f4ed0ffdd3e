r"""Brackets of all pairs for the price of a sort, and a map of which only some pairs are solved.

.. math:: \mathrm{SLB} = \frac{2}{n^2} \sum_m (a_{(m)} - b_{(m)})^2 \le \mathrm{GW} \le
          \min(\mathrm{cost(identity)}, \mathrm{cost(ranks)})

with a and b the sorted distances of the two taps, and ranks the plan that matches samples by their mean distances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph.similarity._map_parts import Pair, Side, squares

SHARE = 0.08
"""The share of all pairs that a screened map solves, if not told otherwise."""


def lower_bounds(rows: Side, columns: Side) -> np.ndarray:
    """Return the (L1, L2) lower bounds SLB; zeros on the diagonal where both sides are one."""
    bounds = np.zeros((len(rows.names), len(columns.names)))
    if len({*rows.sizes, *columns.sizes}) > 1:
        from scipy.spatial.distance import squareform

        from nngraph.similarity.gromov import lower_bound

        for i, j in pairs_of(rows, columns):
            bounds[i, j] = lower_bound(squareform(rows.condensed[i]), squareform(columns.condensed[j]))
    else:
        left = [np.sort(D) for D in rows.condensed]
        right = left if columns is rows else [np.sort(D) for D in columns.condensed]
        for i, j in pairs_of(rows, columns):
            bounds[i, j] = _mean_square(left[i], right[j], rows.sizes[i])
    return mirrored(bounds) if columns is rows else bounds


def identity_costs(rows: Side, columns: Side) -> np.ndarray:
    """Return the (L1, L2) costs of leaving every sample where it is; NaN where the numbers of samples differ."""
    costs = np.zeros((len(rows.names), len(columns.names)))
    for i, j in pairs_of(rows, columns):
        same = rows.sizes[i] == columns.sizes[j]
        costs[i, j] = _mean_square(rows.condensed[i], columns.condensed[j], rows.sizes[i]) if same else np.nan
    return mirrored(costs) if columns is rows else costs


def rank_costs(side: Side) -> np.ndarray:
    """Return the (L, L) costs of matching samples by the ranks of their mean distances."""
    from nngraph.similarity._kernels import distortion

    taps = squares(side.some(range(len(side.names))))
    costs = np.zeros((len(taps), len(taps)))
    for i, j in pairs_of(side, side):
        plan = np.empty_like(taps[i].by_size)
        plan[taps[i].by_size] = taps[j].by_size
        costs[i, j] = 2 * distortion(taps[i].D, taps[j].D, plan, np.inf) / len(plan) ** 2
    return mirrored(costs)


def chosen(lower: np.ndarray, upper: np.ndarray, share: float) -> list[Pair]:
    """Return the pairs that a screened map solves: neighbours in depth, then those of the widest brackets.

    Neighbours in depth make the series of boundaries, and are solved whatever the share. The width of a bracket is
    the logarithm of upper over lower; pairs are added by it until the share of all pairs is solved.
    """
    n_taps = len(lower)
    pairs = [(i, j) for i in range(n_taps) for j in range(i + 1, n_taps)]
    size = float(upper.max())
    width = {pair: _log(upper[pair], size) - _log(lower[pair], size) for pair in pairs}
    by_width = sorted(pairs, key=lambda pair: (pair[1] - pair[0] > 1, -width[pair], pair))
    return sorted(by_width[: max(n_taps - 1, round(share * len(pairs)))])


def estimates(lower: np.ndarray, upper: np.ndarray, squared: np.ndarray, solved: Sequence[Pair]) -> np.ndarray:
    r"""Return the map with the pairs that were not solved filled in from their brackets.

    .. math:: \log \widehat{\mathrm{GW}} = a + b \log(\mathrm{lower}) + c \log(\mathrm{upper}), \quad b, c \ge 0

    fitted to the solved pairs by least squares and kept within the bracket, so that the estimate never falls when a
    bound rises. With fewer than three solved pairs it is the geometric mean of the bounds.
    """
    from scipy.optimize import nnls

    size = float(upper.max())
    a, b, c = 0.0, 0.5, 0.5
    if len(solved) > 2:
        at = tuple(np.array(solved).T)
        x, y, z = (_log(values[at], size) for values in (lower, upper, squared))
        (b, c), _ = nnls(np.stack([x - x.mean(), y - y.mean()], axis=1), z - z.mean())
        a = z.mean() - b * x.mean() - c * y.mean()
    filled = np.clip(np.exp(a + b * _log(lower, size) + c * _log(upper, size)), lower, upper)
    np.fill_diagonal(filled, 0)
    for i, j in solved:
        filled[i, j] = filled[j, i] = squared[i, j]
    return np.asarray(filled)


def pairs_of(rows: Side, columns: Side) -> list[Pair]:
    """Return the pairs of a map: those above the diagonal where both sides are one, else all."""
    one = columns is rows
    return [(i, j) for i in range(len(rows.names)) for j in range((i + 1) * one, len(columns.names))]


def mirrored(upper: np.ndarray) -> np.ndarray:
    """Return a symmetric matrix from its entries above the diagonal, with zeros on it."""
    return np.asarray(np.triu(upper, 1) + np.triu(upper, 1).T)


def _mean_square(x: np.ndarray, y: np.ndarray, n: int) -> float:
    difference = x - y
    return 2 * float(difference @ difference) / n**2


def _log(x: np.ndarray, size: float) -> np.ndarray:
    return np.asarray(np.log(np.maximum(x, 1e-12 * size or 1e-12)))  # equal taps have brackets of 0
