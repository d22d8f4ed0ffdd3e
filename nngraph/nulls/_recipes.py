"""How many sweeps of trades mix the signs of a fixed support, and whether worms take less time."""

from __future__ import annotations

import numpy as np

from nngraph.nulls._edges import KernelEdges

__all__ = ["PASSES", "sweeps_of_trades"]

PASSES = 5.5
"""Worms alone mix the signs when they have passed each edge so many times, in the mean."""
_LEFT = 3e-4
"""Share of the edges that may have kept their first sign for want of trades."""
_SAMPLE = 256
"""Cells that stand for all."""


def sweeps_of_trades(
    edges: KernelEdges, positive: np.ndarray, movable: np.ndarray, rng: np.random.Generator
) -> int | None:
    r"""Return after how many sweeps of trades few edges have kept their first sign for want of one.

    .. math:: \mathrm{mean}_{ij}\; 2 p_{ij} (1 - p_{ij}) (1 - r_{ij})^n \le \epsilon, \qquad
       r_{ij} = c_j\, \Bigl(1 - \frac{1 - e^{-d_i / 2}}{d_i / 2}\Bigr)\,
       \mathrm{mean}_h \frac{w_h (1 + l_j w_i)}{(1 + l_j w_h)(w_h + w_i)}

    Parameters
    ----------
    edges : KernelEdges
        The block.
    positive, movable : numpy.ndarray
        (n_rows, n_words) planes: positive edges, and edges that can move; rows are the nodes of the smaller side.
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
    degree, up = (np.bitwise_count(plane).sum(axis=1) for plane in (movable, movable & positive))
    columns, columns_up = (
        np.bitwise_count(_kernels.transposed(plane, max(edges.shape))).sum(axis=1)
        for plane in (movable, movable & positive)
    )
    row_odds, column_odds = ((n + 0.5) / (of - n + 0.5) for n, of in ((up, degree), (columns_up, columns)))
    column_odds *= (degree.sum() - up.sum()) / up.sum()
    share = np.maximum(columns - 1.0, 0) / (n_rows - 1)

    at = rng.integers(len(edges.values), size=_SAMPLE)
    targets = np.searchsorted(edges.indptr, at, side="right") - 1
    sources = edges.indices[at] if len(edges.indices) else at - edges.indptr[targets]
    cells = np.stack((targets, sources) if edges.shape[0] <= edges.shape[1] else (sources, targets)).astype(np.int64)
    others = row_odds[rng.choice(np.flatnonzero(degree), _SAMPLE // 4)]
    n_sweeps, differ = _kernels.dealt_after(movable, cells, share, row_odds, column_odds, others, _LEFT)

    n_edges = int(degree.sum())
    trades = n_sweeps * (n_rows // 2) * (30 + 0.7 * n_words + min(5.5 * differ, 40 + 8 * n_words))  # measured ns
    return n_sweeps if trades < PASSES * n_edges * min(15 + 1e-4 * n_edges, 100) else None
