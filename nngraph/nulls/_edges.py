"""A block as the kernels of the null models take it: flat arrays, by row or by column."""

from __future__ import annotations

import dataclasses

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import ArgumentError, SizeError

__all__ = ["Columns", "KernelEdges", "Placement", "read_only"]


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a contiguous read-only view: one compiled form of a kernel, whoever owns the array."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where the edges of a block are and which sign each has, in edge order; what the magnitudes are dealt onto."""

    shape: tuple[int, int]
    """(n_target, n_source)."""
    indptr: np.ndarray
    """(n_target + 1,) int64 bounds of the rows, read-only."""
    indices: np.ndarray
    """(n_edges,) int32 sources, ascending in each row, read-only; empty where every cell holds an edge."""
    signs: np.ndarray
    """(n_edges,) int8, 1 or -1; 0 for an edge of weight 0. Read-only."""


class KernelEdges:
    """The edges of a block as the kernels take them.

    Attributes
    ----------
    name : str
        The block's own.
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
        self.name = block.name
        self.shape = block.shape
        self.complete = block.n_edges == block.n_target * block.n_source
        if self.complete:
            indptr, indices, values = (
                np.arange(block.n_target + 1) * block.n_source,
                np.empty(0, np.int32),
                block.values,
            )
        else:
            indptr, indices, values = block.csr_arrays()
        if values.dtype.itemsize > 8:
            raise ArgumentError(
                f"block {block.name!r}: got weights of type {values.dtype}; null models take up to float64."
            )
        if len(values) >= 2**32:
            raise SizeError(f"block {block.name!r}: got {len(values):,} edges; null models take fewer than {2**32:,}.")
        self.indptr, self.indices = read_only(indptr), read_only(indices)
        self._dtype = values.dtype
        self.values = np.array(values, dtype=np.float32 if values.dtype.itemsize < 4 else values.dtype, order="C")
        self.whole = read_only(np.array([0, len(values)]))

    def with_values(self, values: np.ndarray) -> Block:
        """Return the block with other weights."""
        return self._block.with_values(values.astype(self._dtype, copy=False))

    def placed(self, placement: Placement, values: np.ndarray) -> Block:
        """Return the block with its edges where a null model has put them, and their new weights."""
        if np.array_equal(placement.indptr, self.indptr) and np.array_equal(placement.indices, self.indices):
            return self.with_values(values)
        return self._block.with_csr(placement.indptr, placement.indices, values.astype(self._dtype, copy=False))


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
        counts = np.full(n_source, n_target) if edges.complete else np.bincount(edges.indices, minlength=n_source)
        self.starts = read_only(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def gather(self, per_edge: np.ndarray) -> np.ndarray:
        """Return an array in edge order in column order."""
        from nngraph.nulls import _kernels

        if self._edges.complete:
            return np.ravel(per_edge.reshape(self._edges.shape).T)
        bits = read_only(per_edge.view(f"u{per_edge.dtype.itemsize}"))
        moved: np.ndarray = _kernels.to_columns(bits, self._edges.indptr, self._edges.indices, self.starts)
        return moved.view(per_edge.dtype)

    def scatter(self, per_edge: np.ndarray) -> np.ndarray:
        """Return an array in column order in edge order."""
        from nngraph.nulls import _kernels

        if self._edges.complete:
            return np.ravel(per_edge.reshape(self._edges.shape[::-1]).T)
        bits = read_only(per_edge.view(f"u{per_edge.dtype.itemsize}"))
        moved: np.ndarray = _kernels.from_columns(bits, self._edges.indptr, self._edges.indices, self.starts)
        return moved.view(per_edge.dtype)
