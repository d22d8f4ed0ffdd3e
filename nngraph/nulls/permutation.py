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

    edges = KernelEdges(block)
    stream = _kernels.streams(seed)
    columns = Columns(edges) if within == "source" else None
    values = edges.values if columns is None else columns.gather(edges.values)
    if columns is not None:
        bounds = columns.starts
    else:
        bounds = edges.indptr if within == "target" else edges.whole
    if by_sign:
        _kernels.shuffle_by_sign(values, np.empty(0, np.int8), bounds, *stream)
    else:
        _kernels.shuffle(values, bounds, *stream)
    if columns is not None:
        values = columns.scatter(values)
    return edges.with_values(values)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a contiguous read-only view: one compiled form of a kernel, whoever owns the array."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


class KernelEdges:
    """The edges of a block as the kernels take them.

    Attributes
    ----------
    values : numpy.ndarray
        (n_edges,) weights, a writable copy; float16 is held as float32.
    shape : tuple of int
        (n_target, n_source).
    complete : bool
        Whether every source is joined to every target.
    indptr, indices : numpy.ndarray
        Compressed rows, read-only; ``indices`` is empty for a complete block.
    whole : numpy.ndarray
        Bounds of all edges as one group.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self.shape = block.shape
        self.complete = block.n_edges == block.n_target * block.n_source
        if self.complete:
            indptr, indices, values = np.arange(block.n_target + 1) * block.n_source, np.empty(0, np.int32), block.values
        else:
            indptr, indices, values = block.csr_arrays()
        if values.dtype.itemsize > 8:
            raise ArgumentError(
                f"block {block.name!r}: got weights of type {values.dtype}; null models take up to float64."
            )
        self.indptr, self.indices = read_only(indptr), read_only(indices)
        self._dtype = values.dtype
        self.values = np.array(values, dtype=np.float32 if values.dtype.itemsize < 4 else values.dtype, order="C")
        self.whole = read_only(np.array([0, len(values)]))

    def with_values(self, values: np.ndarray) -> Block:
        """Return the block with other weights."""
        return self._block.with_values(values.astype(self._dtype, copy=False))


class Columns:
    """The edges of a block in column order, and the way back.

    Attributes
    ----------
    starts : numpy.ndarray
        (n_source + 1,) bounds of the columns.
    """

    def __init__(self, edges: KernelEdges) -> None:
        self._edges = edges
        n_target, n_source = edges.shape
        if edges.complete:
            counts = np.full(n_source, n_target)
        else:
            counts = np.bincount(edges.indices, minlength=n_source)
        self.starts = read_only(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def gather(self, per_edge: np.ndarray) -> np.ndarray:
        """Return an array in edge order in column order."""
        from nngraph.nulls import _kernels

        if self._edges.complete:
            return np.ravel(per_edge.reshape(self._edges.shape).T)
        bits = read_only(per_edge.view(f"u{per_edge.dtype.itemsize}"))
        return _kernels.to_columns(bits, self._edges.indptr, self._edges.indices, self.starts).view(per_edge.dtype)

    def scatter(self, per_edge: np.ndarray) -> np.ndarray:
        """Return an array in column order in edge order."""
        from nngraph.nulls import _kernels

        if self._edges.complete:
            return np.ravel(per_edge.reshape(self._edges.shape[::-1]).T)
        bits = read_only(per_edge.view(f"u{per_edge.dtype.itemsize}"))
        return _kernels.from_columns(bits, self._edges.indptr, self._edges.indices, self.starts).view(per_edge.dtype)
