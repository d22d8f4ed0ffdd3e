"""A block as the kernels of the null models take it: flat arrays, by row or by column."""

from __future__ import annotations

import dataclasses
from functools import cached_property

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

    @property
    def complete(self) -> bool:
        """Whether every source is joined to every target."""
        return len(self.signs) == self.shape[0] * self.shape[1]


class KernelEdges:
    """The edges of a block as the kernels take them.

    Attributes
    ----------
    given : numpy.ndarray
        (n_edges,) weights, read-only, the block's own array; float16 is held as float32.
    values : numpy.ndarray
        (n_edges,) weights, a writable copy made when it is asked for.
    shape : tuple of int
        (n_target, n_source).
    name, dtype : str
        The block's own name, and the type of the model's weights.
    complete : bool
        Whether every source is joined to every target.
    indptr, indices : numpy.ndarray
        Compressed rows, read-only; ``indices`` is empty for a complete block.
    whole : numpy.ndarray
        Bounds of all edges as one group.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self.name, self.dtype, self.shape = block.name, block.dtype, block.shape
        self.complete = block.n_edges == block.n_target * block.n_source
        if self.complete:
            indptr, indices, values = (
                np.arange(block.n_target + 1) * block.n_source,
                np.empty(0, np.int32),
                block.values,
            )
        elif block.is_sparse or block.n_edges == 0:
            indptr, indices, values = block.csr_arrays()
        else:
            indptr, indices, values = _compressed(block)
        if values.dtype.itemsize > 8:
            raise ArgumentError(
                f"block {block.name!r}: got weights of type {values.dtype}; null models take up to float64."
            )
        if len(values) >= 2**32:
            raise SizeError(f"block {block.name!r}: got {len(values):,} edges; null models take fewer than {2**32:,}.")
        self.indptr, self.indices = read_only(indptr), read_only(indices)
        self._dtype = values.dtype
        self.given = read_only(values.astype(np.float32) if values.dtype.itemsize < 4 else values)
        self.whole = read_only(np.array([0, len(values)]))

    @cached_property
    def values(self) -> np.ndarray:
        return self.given.copy()

    def with_values(self, values: np.ndarray) -> Block:
        """Return the block with other weights."""
        values = values.astype(self._dtype, copy=False)
        if self._block.is_sparse or self.complete or not len(values):
            return self._block.with_values(values)
        from nngraph.nulls import _kernels

        weights = np.zeros(self.shape, values.dtype)
        bits = f"u{values.dtype.itemsize}"
        _kernels.spread(read_only(values.view(bits)), self.indptr, self.indices, weights.view(bits))
        return self._block.with_weights(weights)

    def placed(self, placement: Placement, values: np.ndarray) -> Block:
        """Return the block with its edges where a null model has put them, and their new weights."""
        rows, columns = (placement.indptr, self.indptr), (placement.indices, self.indices)
        if all(a is b or np.array_equal(a, b) for a, b in (rows, columns)):
            return self.with_values(values)
        return self._block.with_csr(placement.indptr, placement.indices, values.astype(self._dtype, copy=False))


def _compressed(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the compressed rows of a block that is held dense with a mask; some times faster than numpy does."""
    from nngraph.nulls import _kernels

    assert block.mask is not None
    weights = block.dense()
    bits = read_only(weights.reshape(-1).view(f"u{weights.dtype.itemsize}"))
    present = np.zeros(-(-bits.size // 64), np.uint64)
    present.view(np.uint8)[: -(-bits.size // 8)] = np.packbits(block.mask, bitorder="little")
    indptr, indices, values = _kernels.compress(present, bits, block.n_target, block.n_edges)
    return indptr, indices, values.view(weights.dtype)


class Columns:
    """The edges of a block in column order, and the way back.

    Attributes
    ----------
    starts : numpy.ndarray
        (n_source + 1,) bounds of the columns.
    """

    def __init__(self, edges: KernelEdges | Placement) -> None:
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
