"""Kind G: signs moved on a fixed support with the signed degrees of both sides kept, by trades and worms."""

from __future__ import annotations

import bisect
import math

import numpy as np

from nngraph._rng import child
from nngraph.blocks import Block
from nngraph.nulls._edges import Columns, KernelEdges, read_only
from nngraph.nulls.cycles import run_worms

__all__ = ["DEFAULT_SWEEPS", "rewire_signs"]

DEFAULT_SWEEPS = 20
"""A sweep of trades about halves the agreement with the start that is above its limit; :func:`randomize` says more."""

_LEFT = 5e-4
"""Share of the start that may be left where edges are absent."""
_FEWEST_COMMON, _MOST_SWEEPS = 5, 700
"""Where rows share up to so many columns, or trades would need more sweeps than this, worms mix faster."""


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
    needed = _sweeps_needed(edges, signs)
    if needed is not None:
        signs = _traded(edges, signs, math.ceil(sweeps * max(1.0, needed / DEFAULT_SWEEPS)), stream)
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


def _sweeps_needed(edges: KernelEdges, signs: np.ndarray) -> int | None:
    """Return how many sweeps of trades mix the signs where edges are absent, or None where worms do it faster.

    Rows are the nodes of the smaller side. An edge takes part in a sweep if the other row of its pair has an edge in
    the same column, and half of what is left of its start is then gone (a third where signed degrees are uneven, to be
    safe): over the sweeps (1 - share / 3) ** n, with the share of the rows that its column joins. The mean over the
    edges decides, so a tenth of them in sparse columns counts, however dense the rest is. Edges of a node whose edges
    have one sign cannot move and do not count.
    """
    n_target, n_source = edges.shape
    targets = np.repeat(np.arange(n_target), np.diff(edges.indptr))
    sources = edges.indices if len(edges.indices) else np.tile(np.arange(n_source), n_target)
    movable = signs != 0
    for ends in (targets, sources):
        up, down = (np.bincount(ends[signs == sign], minlength=max(edges.shape)) > 0 for sign in (1, -1))
        movable &= (up & down)[ends]
    rows, columns, n_rows = (targets, sources, n_target) if n_target <= n_source else (sources, targets, n_source)
    rows, columns = rows[movable], columns[movable]
    if len(rows) == 0:
        return None
    degree = np.bincount(columns)
    share = np.maximum(degree - 1.0, 0) / (n_rows - 1)
    common = np.bincount(rows, weights=share[columns])
    if np.count_nonzero((common <= _FEWEST_COMMON)[rows]) > _LEFT * len(rows):
        return None
    weight = degree / len(rows)

    def mixed(n: int) -> bool:
        return float(weight @ (1 - share / 3) ** n) <= _LEFT

    return bisect.bisect_left(range(_MOST_SWEEPS), 1, key=mixed) if mixed(_MOST_SWEEPS) else None
