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

_COMMON_COLUMNS = 10
"""Below this many common columns per pair of rows, on average, trades have too little to deal with."""


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
    steps: float | None = 3 * n_signed * sweeps / DEFAULT_SWEEPS
    if _common_columns(edges.indptr, indices, signs, n_source) > _COMMON_COLUMNS:
        signs = _traded(edges, signs, math.ceil(sweeps * max(1.0, n_target * n_source / (2 * n_signed))), stream)
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


def _common_columns(indptr: np.ndarray, indices: np.ndarray, signs: np.ndarray, n_columns: int) -> float:
    """Return the mean number of nodes of the longer side at which two nodes of the shorter both have a signed edge."""
    n_rows = len(indptr) - 1
    if n_rows <= n_columns:
        counts = np.bincount(indices[signs != 0], minlength=n_columns)
        short = n_rows
    else:
        counts = np.bincount(np.repeat(np.arange(n_rows), np.diff(indptr))[signs != 0], minlength=n_rows)
        short = n_columns
    return float((counts * (counts - 1.0)).sum() / (short * (short - 1))) if short > 1 else 0.0
