"""Kinds A to F: independent uniform permutations of the weights on a fixed support."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import ArgumentError

__all__ = ["permute"]

Side = Literal["source", "target"]


def permute(block: Block, seed: np.random.SeedSequence, *, within: Side | None, by_sign: bool) -> Block:
    """Permute the weights of a block uniformly over its edges, within groups of them.

    Parameters
    ----------
    block : Block
        The block.
    seed : numpy.random.SeedSequence
        Source of the permutation.
    within : None, "source" or "target"
        One group, or one for each source or each target node.
    by_sign : bool
        Whether positive and negative weights are further groups; then every edge keeps its sign.

    Returns
    -------
    Block
        The same edges present.
    """
    if block.n_edges < 2:
        return block
    from nngraph.nulls import _kernels

    stream = _kernels.streams(seed)
    values = kernel_values(block)
    layout = Columns(block) if within == "source" else None
    if layout is not None:
        values, bounds = layout.gather(values), layout.starts
    else:
        bounds = row_bounds(block) if within == "target" else np.array([0, len(values)])
    if by_sign:
        _kernels.shuffle_by_sign(values, np.empty(0, np.int8), read_only(bounds), *stream)
    else:
        _kernels.shuffle(values, read_only(bounds), *stream)
    if layout is not None:
        values = layout.scatter(values)
    return block.with_values(values.astype(block.values.dtype, copy=False))


def kernel_values(block: Block) -> np.ndarray:
    """Return a writable copy of the weights in the precision that the kernels know (float16 is held as float32)."""
    dtype = block.values.dtype
    if dtype.itemsize > 8:
        raise ArgumentError(f"block {block.name!r}: got weights of type {dtype}; null models take up to float64.")
    return np.array(block.values, dtype=np.float32 if dtype.itemsize < 4 else dtype, order="C")


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a contiguous read-only view: one compiled form of a kernel, whoever owns the array."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


def is_complete(block: Block) -> bool:
    """Tell whether every source is joined to every target."""
    return block.n_edges == block.n_target * block.n_source


def row_bounds(block: Block) -> np.ndarray:
    """Return the (n_target + 1,) bounds of the rows within edge order."""
    if is_complete(block):
        return np.arange(block.n_target + 1, dtype=np.int64) * block.n_source
    return block.csr_arrays()[0]


class Columns:
    """The edges of a block in column order, and the way back.

    Attributes
    ----------
    complete : bool
        Whether every edge is present.
    starts : numpy.ndarray
        (n_source + 1,) bounds of the columns.
    """

    def __init__(self, block: Block) -> None:
        self.shape = block.shape
        self.complete = is_complete(block)
        self.indptr, self.indices = kernel_rows(block)
        if self.complete:
            counts = np.full(block.n_source, block.n_target)
        else:
            counts = np.bincount(self.indices, minlength=block.n_source)
        self.starts = read_only(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def gather(self, per_edge: np.ndarray) -> np.ndarray:
        """Return an array in edge order in column order."""
        if self.complete:
            return np.ravel(per_edge.reshape(self.shape).T)
        from nngraph.nulls import _kernels

        bits = per_edge.view(f"u{per_edge.dtype.itemsize}")
        return _kernels.to_columns(read_only(bits), self.indptr, self.indices, self.starts).view(per_edge.dtype)

    def scatter(self, per_edge: np.ndarray) -> np.ndarray:
        """Return an array in column order in edge order."""
        if self.complete:
            return np.ravel(per_edge.reshape(self.shape[::-1]).T)
        from nngraph.nulls import _kernels

        bits = per_edge.view(f"u{per_edge.dtype.itemsize}")
        return _kernels.from_columns(read_only(bits), self.indptr, self.indices, self.starts).view(per_edge.dtype)


def kernel_rows(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Return (indptr, indices) as the kernels take them, read-only; ``indices`` is empty for a complete block."""
    if is_complete(block):
        return read_only(row_bounds(block)), read_only(np.empty(0, np.int32))
    indptr, indices, _ = block.csr_arrays()
    return read_only(indptr), read_only(indices)
