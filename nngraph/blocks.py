"""A block: all edges of one weight matrix, held dense with a mask or, when few are present, as compressed rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nngraph._arrays import floating, frozen, zero_outside
from nngraph.errors import ArgumentError
from nngraph.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    import scipy.sparse

__all__ = ["PRODUCTS_SPARSE_BELOW", "SPARSE_BELOW", "Block", "Edges", "Origin"]

SPARSE_BELOW = 0.1
"""Share of present edges below which a block is held as compressed sparse rows: there they take less time but to be
made, and a sixth at most of the memory of a float32 array with its mask."""
PRODUCTS_SPARSE_BELOW = 0.05
"""Density below which a product of two matrices takes less time from compressed rows than from whole matrices."""


class Edges(NamedTuple):
    """The present edges of a block, row-major over (n_target, n_source)."""

    source: np.ndarray
    """(n_edges,) index within the source part."""
    target: np.ndarray
    """(n_edges,) index within the target part."""
    weight: np.ndarray
    """(n_edges,) weight."""


class Block:
    """All edges of one weight matrix, from one source part to one target part. Immutable.

    Make one by :meth:`from_dense` or :meth:`from_csr`; both take over the arrays that they are given. A block whose
    share of present edges is below a tenth (``SPARSE_BELOW``) is held as compressed sparse rows; every method works on
    both.

    Attributes
    ----------
    name, source, target : str
        The block's own name and the names of its two parts.
    shape : tuple of int
        (n_target, n_source), the orientation of a Linear weight.
    n_edges : int
        Number of edges present.
    bias : numpy.ndarray or None
        (n_target,).
    dtype : str
        The model's own dtype; "bfloat16" is held as float32, and new weights are rounded to what bfloat16 can hold.
    origin : Origin or None
        The parameter that the block was read from.
    raw : numpy.ndarray or None
        The parameter's own rows in the parameter's own layout, kept where they differ in any bit from ``weights``
        (values under a mask, negative zeros) and the block was not edited.
    """

    __slots__ = (
        "_csr",
        "_mask",
        "_weights",
        "bias",
        "dtype",
        "n_edges",
        "name",
        "origin",
        "raw",
        "shape",
        "source",
        "target",
    )

    name: str
    source: str
    target: str
    shape: tuple[int, int]
    n_edges: int
    bias: np.ndarray | None
    dtype: str
    origin: Origin | None
    raw: np.ndarray | None
    _weights: np.ndarray | None
    _mask: np.ndarray | None
    _csr: tuple[np.ndarray, np.ndarray, np.ndarray] | None

    def __init__(self) -> None:
        raise TypeError("make a Block by Block.from_dense or Block.from_csr")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Block is immutable; use block.replace({name}=...) for a changed copy")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Block is immutable")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, ({slot: getattr(self, slot) for slot in self.__slots__},))

    # ------------------------------------------------------------------ making

    @classmethod
    def _new(cls, **slots: object) -> Block:
        block = object.__new__(cls)
        for slot, value in slots.items():
            object.__setattr__(block, slot, value)
        return block

    @classmethod
    def from_dense(
        cls,
        name: str,
        source: str,
        target: str,
        weights: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        bias: np.ndarray | None = None,
        dtype: str | None = None,
        origin: Origin | None = None,
        raw: np.ndarray | None = None,
    ) -> Block:
        """Make a block of a (n_target, n_source) array; ``mask`` is True where an edge is present (None: everywhere).

        Examples
        --------
        >>> import numpy as np
        >>> Block.from_dense("fc", "in", "out", np.array([[0.5, -1.0]]))
        Block 'fc': in 2 -> out 1, 2 edges, 50.0 % negative, float64
        """
        weights = floating(np.ascontiguousarray(weights), dtype)
        n_target, n_source = weights.shape
        n_edges = weights.size
        csr = None
        if mask is not None:
            if mask.shape != weights.shape or mask.dtype != bool:
                raise ArgumentError(
                    f"block '{name}': got a mask of shape {mask.shape} and type {mask.dtype}; expected bool of shape "
                    f"{weights.shape}, the shape of its weights."
                )
            n_edges = int(np.count_nonzero(mask))
            if n_edges == weights.size:
                mask = None
            elif n_edges < SPARSE_BELOW * weights.size:
                cells = np.flatnonzero(mask)
                csr = (*_compressed_rows(cells, weights.shape), frozen(weights.reshape(-1)[cells]))
            else:
                weights = zero_outside(mask, weights)
        return cls._new(
            name=name,
            source=source,
            target=target,
            shape=(n_target, n_source),
            n_edges=n_edges,
            bias=None if bias is None else frozen(bias),
            dtype=dtype or str(weights.dtype),
            origin=origin,
            raw=None if raw is None else frozen(raw),
            _weights=None if csr is not None else frozen(weights),
            _mask=None if csr is not None or mask is None else frozen(mask),
            _csr=csr,
        )

    @classmethod
    def from_csr(
        cls,
        name: str,
        source: str,
        target: str,
        shape: tuple[int, int],
        indptr: np.ndarray,
        indices: np.ndarray,
        data: np.ndarray,
        *,
        bias: np.ndarray | None = None,
        dtype: str | None = None,
        origin: Origin | None = None,
        raw: np.ndarray | None = None,
    ) -> Block:
        """Make a block of compressed sparse rows (one row per target, columns sorted, no duplicates)."""
        data = floating(data, dtype)
        n_target, n_source = shape
        csr = weights = mask = None
        if len(data) < SPARSE_BELOW * n_target * n_source:
            csr = (
                frozen(indptr.astype(np.int64, copy=False)),
                frozen(indices.astype(np.int32, copy=False)),
                frozen(data),
            )
        else:
            cells = _cells(indptr, indices, n_source)
            weights = np.zeros(shape, dtype=data.dtype)
            weights.reshape(-1)[cells] = data
            frozen(weights)
            if len(data) < weights.size:
                mask = np.zeros(shape, dtype=bool)
                mask.reshape(-1)[cells] = True
                frozen(mask)
        return cls._new(
            name=name,
            source=source,
            target=target,
            shape=(int(n_target), int(n_source)),
            n_edges=len(data),
            bias=None if bias is None else frozen(bias),
            dtype=dtype or str(data.dtype),
            origin=origin,
            raw=None if raw is None else frozen(raw),
            _weights=weights,
            _mask=mask,
            _csr=csr,
        )

    def replace(self, **changes: object) -> Block:
        """Return a copy with other names, bias, origin or dtype; the edges are shared."""
        unknown = set(changes) - {"name", "source", "target", "bias", "origin", "dtype", "raw"}
        if unknown:
            raise ArgumentError(f"Block.replace: got {sorted(unknown)}; edges change by with_values or with_matrix.")
        bias = changes.get("bias")
        if isinstance(bias, np.ndarray):
            if bias.shape != self.shape[:1]:
                raise ArgumentError(
                    f"block '{self.name}': got a bias of shape {bias.shape}; expected ({self.n_target},), one per "
                    "target node."
                )
            frozen(bias)
        return self._new(**({slot: getattr(self, slot) for slot in self.__slots__} | changes))

    def with_values(self, values: np.ndarray) -> Block:
        """Return the block with the same edges present and other weights, given in edge order (taken over).

        Of a bfloat16 block they are rounded to bfloat16, so that the graph holds what the model will.
        """
        if values.shape != (self.n_edges,):
            raise ArgumentError(
                f"block '{self.name}': got weights of shape {values.shape}; expected ({self.n_edges},), one per edge."
            )
        values = self._rounded(values)
        if self._csr is not None:
            return self._edited(_csr=(*self._csr[:2], values))
        if self._mask is None:
            return self._edited(_weights=values.reshape(self.shape))
        weights = np.zeros(self.shape, dtype=values.dtype)
        weights.reshape(-1)[np.flatnonzero(self._mask)] = values
        return self._edited(_weights=frozen(weights))

    def with_weights(self, weights: np.ndarray) -> Block:
        """Return a block held as an array with other weights, an array of its shape that is 0 where no edge is.

        The array is taken over; that it is 0 there is not checked, which would cost more than the rest.
        """
        if self._csr is not None or weights.shape != self.shape:
            raise ArgumentError(
                f"block '{self.name}': got weights of shape {weights.shape}; expected {self.shape}, and a block that "
                "is held as an array (use with_values for one of compressed rows)."
            )
        return self._edited(_weights=self._rounded(weights))

    def _rounded(self, weights: np.ndarray) -> np.ndarray:
        """Return weights as the block's own type can hold them, read-only."""
        weights = frozen(floating(weights, self.dtype))
        if self.dtype == "bfloat16" and not np.isfinite(weights).all():
            raise ArgumentError(
                f"block '{self.name}': got weights beyond 3.39e+38, the range of bfloat16; expected smaller ones."
            )
        return weights

    def with_support(self, keep: np.ndarray) -> Block:
        """Return the block with only the edges for which ``keep``, a bool array in edge order, is True."""
        if keep.shape != (self.n_edges,) or keep.dtype != bool:
            raise ArgumentError(
                f"block '{self.name}': got a support of shape {keep.shape} and type {keep.dtype}; "
                f"expected ({self.n_edges},) of bool, one per edge."
            )
        if keep.all():
            return self
        if self._csr is not None:
            indptr, indices, data = self._csr
            counts = np.concatenate([[0], np.cumsum(keep)])
            return self._edited(
                n_edges=int(counts[-1]),
                _csr=(frozen(counts[indptr]), frozen(indices[keep]), frozen(data[keep])),
            )
        if self._mask is None:
            mask = keep.reshape(self.shape).copy()
        else:
            mask = np.zeros(self.shape, dtype=bool)
            mask.reshape(-1)[np.flatnonzero(self._mask)] = keep
        return self.with_matrix(self._dense_weights(), mask)

    def with_matrix(self, weights: np.ndarray, mask: np.ndarray | None = None) -> Block:
        """Return the block with other edges, given as a (n_target, n_source) array and its mask (taken over)."""
        if weights.shape != self.shape:
            raise ArgumentError(f"block '{self.name}': got weights of shape {weights.shape}; expected {self.shape}.")
        return Block.from_dense(
            self.name,
            self.source,
            self.target,
            weights,
            mask,
            bias=self.bias,
            dtype=self.dtype,
            origin=self.origin,
        )

    def with_csr(self, indptr: np.ndarray, indices: np.ndarray, data: np.ndarray) -> Block:
        """Return the block with other edges, given as compressed sparse rows (taken over)."""
        return Block.from_csr(
            self.name,
            self.source,
            self.target,
            self.shape,
            indptr,
            indices,
            data,
            bias=self.bias,
            dtype=self.dtype,
            origin=self.origin,
        )

    def transposed(self) -> Block:
        """Return the block with rows and columns exchanged, from its target to its source, without a bias."""
        shape = (self.shape[1], self.shape[0])
        if self._csr is not None:
            _, indices, data = self._csr
            by_column = np.argsort(indices, kind="stable")  # by hand: scipy would turn float16 into float32
            indptr = np.concatenate([[0], np.cumsum(np.bincount(indices, minlength=shape[0]))]).astype(np.int64)
            return self._edited(
                shape=shape,
                source=self.target,
                target=self.source,
                bias=None,
                _csr=(frozen(indptr), frozen(self.rows()[by_column]), frozen(data[by_column])),
            )
        weights, mask = (None if a is None else frozen(np.ascontiguousarray(a.T)) for a in (self._weights, self._mask))
        return self._edited(
            shape=shape, source=self.target, target=self.source, bias=None, _weights=weights, _mask=mask
        )

    def _edited(self, **changes: object) -> Block:
        return self._new(**({slot: getattr(self, slot) for slot in self.__slots__} | {"raw": None} | changes))

    # ----------------------------------------------------------------- reading

    @property
    def n_target(self) -> int:
        """Number of rows: the size of the target part."""
        return self.shape[0]

    @property
    def n_source(self) -> int:
        """Number of columns: the size of the source part."""
        return self.shape[1]

    @property
    def is_sparse(self) -> bool:
        """True when the block is held as compressed sparse rows."""
        return self._csr is not None

    @property
    def density(self) -> float:
        """Share of the n_target * n_source possible edges that are present (0.0 for a block without cells)."""
        cells = self.shape[0] * self.shape[1]
        return self.n_edges / cells if cells else 0.0

    @property
    def values(self) -> np.ndarray:
        """(n_edges,) weights of the present edges in edge order, read-only; no copy for a complete or sparse block."""
        if self._csr is not None:
            return self._csr[2]
        weights = self._dense_weights()
        return weights.reshape(-1) if self._mask is None else frozen(weights.reshape(-1)[np.flatnonzero(self._mask)])

    @property
    def weights(self) -> np.ndarray:
        """(n_target, n_source) weights, 0 where no edge is present, read-only (built on demand for a sparse block)."""
        return self.dense()

    @property
    def mask(self) -> np.ndarray | None:
        """(n_target, n_source) bool, True where an edge is present; None when every edge is."""
        if self._csr is None:
            return self._mask
        mask = np.zeros(self.shape, dtype=bool)
        mask.reshape(-1)[_cells(*self._csr[:2], self.n_source)] = True
        return frozen(mask)

    def _dense_weights(self) -> np.ndarray:
        weights = self._weights
        assert weights is not None
        return weights

    def dense(self) -> np.ndarray:
        """Return the (n_target, n_source) weights, 0 where no edge is present, read-only."""
        if self._csr is None:
            return self._dense_weights()
        weights = np.zeros(self.shape, dtype=self._csr[2].dtype)
        weights.reshape(-1)[_cells(*self._csr[:2], self.n_source)] = self._csr[2]
        return frozen(weights)

    def csr_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (indptr, indices, data): one row per target, columns sorted, present zero weights included."""
        if self._csr is not None:
            return self._csr
        if self._mask is None:
            n_target, n_source = self.shape
            indptr = np.arange(n_target + 1, dtype=np.int64) * n_source
            indices = np.tile(np.arange(n_source, dtype=np.int32), n_target)
            return indptr, indices, self.values
        cells = np.flatnonzero(self._mask)
        return (*_compressed_rows(cells, self.shape), frozen(self._dense_weights().reshape(-1)[cells]))

    def csr(self) -> scipy.sparse.csr_array:
        """Return a scipy ``csr_array`` of shape (n_target, n_source); a present weight of 0 is an explicit zero.

        float16 weights are given as float32, because scipy computes nothing with float16.
        """
        import scipy.sparse

        indptr, indices, data = self.csr_arrays()
        if data.dtype == np.float16:
            data = data.astype(np.float32)
        return scipy.sparse.csr_array((data, indices, indptr), shape=self.shape)

    def rows(self) -> np.ndarray:
        """Return the (n_edges,) target index of each edge, int32."""
        counts: np.ndarray | int = self.shape[1]
        if self._csr is not None:
            counts = np.diff(self._csr[0])
        elif self._mask is not None:
            counts = np.count_nonzero(self._mask, axis=1)
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), counts)

    def edges(self) -> Edges:
        """Return the present edges as (source, target, weight) arrays in edge order."""
        _, indices, data = self.csr_arrays()
        return Edges(indices, self.rows(), data)

    # --------------------------------------------------------------- comparing

    def same_support(self, other: Block) -> bool:
        """Tell whether the same edges are present in both blocks."""
        if self.shape != other.shape or self.n_edges != other.n_edges:
            return False
        if self._csr is None and other._csr is None:
            if self._mask is None or other._mask is None:
                return self._mask is other._mask
            return self._mask is other._mask or bool(np.array_equal(self._mask, other._mask))
        pairs = zip(self.csr_arrays()[:2], other.csr_arrays()[:2], strict=True)
        return all(a is b or np.array_equal(a, b) for a, b in pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Block):
            return NotImplemented
        return (
            (self.name, self.source, self.target, self.dtype) == (other.name, other.source, other.target, other.dtype)
            and self.same_support(other)
            and bool(np.array_equal(self.values, other.values))
            and _same_bias(self.bias, other.bias)
        )

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[object]:
        raise TypeError("a Block is not iterable; use block.edges(), block.values or block.dense()")

    def __repr__(self) -> str:
        n_target, n_source = self.shape
        negative = 100 * np.count_nonzero(self.values < 0) / self.n_edges if self.n_edges else 0.0
        present = "" if self.n_edges == n_target * n_source else f" ({100 * self.density:.3g} % of all pairs)"
        return (
            f"Block {self.name!r}: {self.source} {n_source} -> {self.target} {n_target}, "
            f"{self.n_edges:,} edges{present}, {negative:.1f} % negative, {self.dtype}"
        )


def _cells(indptr: np.ndarray, indices: np.ndarray, n_source: int) -> np.ndarray:
    """Return where edges are among all cells, row-major; one index is several times faster to use than two."""
    cells: np.ndarray = np.repeat(np.arange(len(indptr) - 1) * n_source, np.diff(indptr)) + indices
    return cells


def _compressed_rows(cells: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of the rows and the columns of cells in ascending row-major order."""
    first = np.arange(shape[0] + 1) * shape[1]
    indptr = np.searchsorted(cells, first).astype(np.int64, copy=False)
    indices = (cells - np.repeat(first[:-1], np.diff(indptr))).astype(np.int32)
    return frozen(indptr), frozen(indices)


def _same_bias(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b if a is None or b is None else bool(np.array_equal(a, b))


def _rebuild(slots: dict[str, object]) -> Block:
    for value in slots.values():
        for array in value if isinstance(value, tuple) else (value,):
            if isinstance(array, np.ndarray):
                frozen(array)
    return Block._new(**slots)
