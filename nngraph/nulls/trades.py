"""Kind G: signs moved on a fixed support with the signed degrees of both sides kept, by trades and worms."""

from __future__ import annotations

import math

import numpy as np

from nngraph._rng import child
from nngraph.blocks import Block
from nngraph.nulls.cycles import run_worms
from nngraph.nulls.permutation import Columns, kernel_rows, kernel_values, read_only

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

    values = kernel_values(block)
    signs = np.empty(len(values), np.int8)
    np.subtract(values > 0, values < 0, out=signs, dtype=np.int8)
    moved = _moved_signs(block, signs, sweeps, child(seed, "signs"))
    bounds = read_only(np.array([0, len(values)]))
    _kernels.shuffle_by_sign(values, moved, bounds, *_kernels.streams(child(seed, "magnitudes")))
    return block.with_values(values.astype(block.values.dtype, copy=False))


def _moved_signs(block: Block, signs: np.ndarray, sweeps: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Return new signs in edge order: trades where rows share enough columns, worms where edges are absent."""
    from nngraph.nulls import _kernels

    n_signed = int(np.count_nonzero(signs))
    cells = block.n_target * block.n_source
    if n_signed < cells:
        indptr, indices, _ = block.csr_arrays()
        common = _common_columns(indptr, indices, signs, block.n_source)
        if common > _COMMON_COLUMNS:
            n_sweeps = math.ceil(sweeps * max(1.0, cells / (2 * n_signed)))
            signs = _traded(block, signs, n_sweeps, _kernels.streams(child(seed, "trades")))
            steps = 0.1 * n_signed
        else:
            steps = 3 * n_signed * sweeps / DEFAULT_SWEEPS
        return run_worms(signs, indptr, indices, block.n_source, steps, child(seed, "worms"))
    return _traded(block, signs, sweeps, _kernels.streams(child(seed, "trades")))


def _traded(block: Block, signs: np.ndarray, n_sweeps: int, stream: tuple[np.uint64, np.uint64]) -> np.ndarray:
    """Return the signs after sweeps of trades between rows, or between columns where those are fewer."""
    from nngraph.nulls import _kernels

    if block.n_target <= block.n_source:
        indptr, indices = kernel_rows(block)
        positive, signed = _kernels.pack(read_only(signs), indptr, indices, block.n_source)
        _kernels.trade(positive, signed, n_sweeps, *stream)
        return _kernels.unpack(positive, read_only(signs), indptr, indices)
    columns = Columns(block)
    signs = read_only(columns.gather(signs))
    rows = columns.indices if columns.complete else read_only(columns.gather(block.rows()))
    positive, signed = _kernels.pack(signs, columns.starts, rows, block.n_target)
    _kernels.trade(positive, signed, n_sweeps, *stream)
    return columns.scatter(_kernels.unpack(positive, signs, columns.starts, rows))


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
