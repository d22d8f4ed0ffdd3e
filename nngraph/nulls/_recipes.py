"""How many sweeps of trades mix the signs of a fixed support, and whether worms take less time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["PASSES", "Degrees", "sweeps_of_trades"]

PASSES = 5.5
"""Worms alone mix the signs when they have passed each edge so many times, in the mean."""
_LEFT = 3e-4
"""Share of the edges that may have kept their first sign for want of trades."""
_SAMPLE = 1024
"""Cells that stand for all."""


class Degrees(NamedTuple):
    """Numbers of movable and of movable positive edges of the rows and columns of planes: the same in every state."""

    rows: np.ndarray
    rows_up: np.ndarray
    columns: np.ndarray
    columns_up: np.ndarray

    @classmethod
    def of(cls, positive: np.ndarray, movable: np.ndarray, n_columns: int) -> Degrees:
        """Return the degrees of two planes."""
        from nngraph.nulls import _kernels

        rows, columns = _kernels.margins(movable, movable, n_columns)
        rows_up, columns_up = _kernels.margins(positive, movable, n_columns)
        return cls(rows, rows_up, columns, columns_up)


def sweeps_of_trades(movable: np.ndarray, degrees: Degrees, rng: np.random.Generator) -> int | None:
    r"""Return after how many sweeps of trades few edges have kept their first sign for want of one.

    .. math:: \mathrm{mean}_{ij}\; 2 p_{ij} (1 - p_{ij}) (1 - r_{ij})^n \le \epsilon, \qquad
       r_{ij} = c_j\, \Bigl(1 - \frac{1 - e^{-d_i / 2}}{d_i / 2}\Bigr)\,
       \mathrm{mean}_h \frac{w_h (1 + l_j w_i)}{(1 + l_j w_h)(w_h + w_i)}

    Parameters
    ----------
    movable : numpy.ndarray
        (n_rows, n_words) plane of the edges that can move, of which there is one at least.
    degrees : Degrees
        Numbers of them at each node.
    rng : numpy.random.Generator
        Source of the sample of cells. All that is read of them is the same in every state with these signed degrees.

    Returns
    -------
    int or None
        None where worms alone take less time.

    Notes
    -----
    Mean field: row i meets another row with an edge in column j in a share c of the sweeps; the two have d movable
    columns in common, of which a Poisson number, d / 2 in the mean, differ and are dealt among; the sign then goes to
    row h at odds ``w_h : w_i``. Signs count as independent with odds ``l_j w_i`` (p positive), from the signed degrees.
    """
    from nngraph.nulls import _kernels

    n_rows, n_words = movable.shape
    degree, up, columns, columns_up = degrees
    row_odds, column_odds = ((n + 0.5) / (of - n + 0.5) for n, of in ((up, degree), (columns_up, columns)))
    column_odds *= (degree.sum() - up.sum()) / up.sum()
    share = np.maximum(columns - 1.0, 0) / (n_rows - 1)

    n_edges, ends = int(degree.sum()), np.cumsum(degree)
    at = rng.integers(n_edges, size=_SAMPLE)
    rows = np.searchsorted(ends, at, side="right")
    cells = np.stack([rows, at - (ends - degree)[rows]]).astype(np.int64)
    others = row_odds[rng.choice(np.flatnonzero(degree), _SAMPLE // 32)]
    n_sweeps, differ = _kernels.dealt_after(movable, cells, share, row_odds, column_odds, others, _LEFT)

    trades = n_sweeps * (n_rows // 2) * (30 + 0.7 * n_words + min(5.5 * differ, 40 + 8 * n_words))  # measured ns
    return n_sweeps if trades < PASSES * n_edges * min(15 + 1e-4 * n_edges, 100) else None
