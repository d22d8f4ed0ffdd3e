"""Kind G: signs moved on a fixed support with the signed degrees of both sides kept, by trades and worms."""

from __future__ import annotations

import math

import numpy as np

from nngraph._rng import child
from nngraph.blocks import Block
from nngraph.nulls._edges import Columns, KernelEdges, read_only
from nngraph.nulls.cycles import run_worms

__all__ = ["DEFAULT_SWEEPS", "rewire_signs"]

DEFAULT_SWEEPS = 20
"""A sweep of trades halves the agreement with the start: 20 leave one part in a million of it."""

_FEWEST_COMMON, _SMALLEST_SHARE = 5, 0.03
"""Up to so many common columns, or so small a share of rows that a column joins, worms mix faster than trades."""


def rewire_signs(block: Block, seed: np.random.SeedSequence, *, sweeps: int = DEFAULT_SWEEPS) -> Block:
    """Move the signs of a block at random, then its magnitudes within each sign.

    The signs are uniform over all ways to sign the edges present in which every node keeps its number of positive
    and of negative edges (in the limit of many sweeps); given the signs, the positive weights are permuted uniformly
    over the positive edges and the negative over the negative. An edge of weight 0 stays where it is.

    Parameters
    ----------
    block : Block
        The block.
    seed : numpy.random.SeedSequence
        Source of the chain and of the permutation.
    sweeps : int
        Length of the chain, see :func:`nngraph.nulls.randomize`.

    Returns
    -------
    Block
        The same edges present.
    """
    if block.n_edges < 2:
        return block
    from nngraph.nulls import _kernels

    edges = KernelEdges(block)
    signs = np.subtract(edges.values > 0, edges.values < 0, dtype=np.int8)
    moved = _moved_signs(edges, signs, sweeps, child(seed, "signs"))
    _kernels.shuffle_by_sign(edges.values, read_only(moved), edges.whole, *_kernels.streams(child(seed, "magnitudes")))
    return edges.with_values(edges.values)


def _moved_signs(edges: KernelEdges, signs: np.ndarray, sweeps: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Return new signs in edge order: trades where rows share enough columns, worms where edges are absent."""
    from nngraph.nulls import _kernels

    n_target, n_source = edges.shape
    n_signed = int(np.count_nonzero(signs))
    stream = _kernels.streams(child(seed, "trades"))
    if n_signed == n_target * n_source:
        return _traded(edges, signs, sweeps, stream)
    indices = read_only(np.tile(np.arange(n_source, dtype=np.int32), n_target)) if edges.complete else edges.indices
    steps: float | None = 7 * n_signed * sweeps / DEFAULT_SWEEPS
    common, share = _overlap(edges, signs)
    if common > _FEWEST_COMMON and share > _SMALLEST_SHARE:
        signs = _traded(edges, signs, math.ceil(sweeps * max(1.0, 0.75 / share)), stream)
        steps = None  # trades have mixed the bulk; a few worms reach what they cannot
    return run_worms(signs, edges.indptr, indices, n_source, steps, child(seed, "worms"))


def _traded(edges: KernelEdges, signs: np.ndarray, n_sweeps: int, stream: tuple[np.uint64, np.uint64]) -> np.ndarray:
    """Return the signs after sweeps of trades between rows, or between columns where those are fewer."""
    from nngraph.nulls import _kernels

    n_target, n_source = edges.shape
    by_column = Columns(edges) if n_target > n_source else None
    indptr, indices, length = edges.indptr, edges.indices, n_source
    if by_column is not None:
        signs = by_column.gather(signs)
        indptr, length = by_column.starts, n_target
        if not edges.complete:
            rows = np.repeat(np.arange(n_target, dtype=np.int32), np.diff(edges.indptr))
            indices = read_only(by_column.gather(rows))
    signs = read_only(signs)
    positive, signed = _kernels.pack(signs, indptr, indices, length)
    _kernels.trade(positive, signed, n_sweeps, *stream)
    signs = _kernels.unpack(positive, signs, indptr, indices)
    return signs if by_column is None else by_column.scatter(signs)


def _overlap(edges: KernelEdges, signs: np.ndarray) -> tuple[float, float]:
    """Return what trades have to deal with: how many columns two rows have in common, and how many rows a column joins.

    Rows are the nodes of the smaller side, and only edges with a sign count. The first number is that of the row at
    the tenth percentile, on average over the other rows; the second, as a share of the rows, that of the column of the
    edge at the tenth percentile: the slow tenth of the edges decides, however dense the rest is.
    """
    n_target, n_source = edges.shape
    targets = np.repeat(np.arange(n_target), np.diff(edges.indptr))[signs != 0]
    sources = (edges.indices if len(edges.indices) else np.tile(np.arange(n_source), n_target))[signs != 0]
    rows, columns, n_rows = (targets, sources, n_target) if n_target <= n_source else (sources, targets, n_source)
    if len(rows) == 0 or n_rows < 2:
        return 0.0, 0.0
    degree = np.bincount(columns)
    share = (degree - 1.0) / (n_rows - 1)
    common = np.bincount(rows, weights=share[columns], minlength=n_rows)
    by_degree = np.sort(degree)
    slow = by_degree[np.searchsorted(np.cumsum(by_degree), 0.1 * len(columns))]
    return float(np.quantile(common, 0.1)), float((slow - 1) / (n_rows - 1))
