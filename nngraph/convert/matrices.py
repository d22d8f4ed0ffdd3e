"""Plain weight matrices to a NeuralGraph (the way back is ``G.to_matrices()``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Part

__all__ = ["from_matrices"]


def from_matrices(
    matrices: Sequence[np.ndarray],
    masks: Sequence[np.ndarray | None] | None = None,
    *,
    biases: Sequence[np.ndarray | None] | None = None,
    zeros: Literal["drop", "keep"] = "drop",
) -> NeuralGraph:
    """Chain weight matrices into a graph: part 0, block "0", part 1, block "1", and so on.

    Parameters
    ----------
    matrices : sequence of (n_target, n_source) arrays
        Rows of one matrix are the columns of the next. Copied. Of a sparse matrix of scipy the stored entries are the
        edges; no dense array is made of it.
    masks : sequence of bool arrays or None, optional
        True where an edge is present; values under False are ignored.
    biases : sequence of (n_target,) arrays or None, optional
        One per matrix.
    zeros : "drop" or "keep"
        Whether a weight of exactly 0 is an edge, where no mask says so (of a sparse matrix, a stored 0).

    Raises
    ------
    ArgumentError
        If shapes do not chain, or a weight is complex, NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.ones((3, 2)), -np.ones((1, 3))])
    >>> [part.size for part in G.parts], G.n_edges
    ([2, 3, 1], 9)
    """
    if zeros not in ("drop", "keep"):
        raise ArgumentError(f"zeros: got {zeros!r}; expected 'drop' or 'keep'.")
    matrices = [_array(i, matrix) for i, matrix in enumerate(matrices)]
    if not matrices:
        raise ArgumentError("matrices: got none; expected at least one (n_target, n_source) array.")
    masks = _one_each("masks", masks, len(matrices))
    biases = _one_each("biases", biases, len(matrices))
    blocks = []
    for i, (matrix, mask, bias) in enumerate(zip(matrices, masks, biases, strict=True)):
        if i and matrix.shape[1] != matrices[i - 1].shape[0]:
            raise ArgumentError(
                f"matrix {i}: got {matrix.shape[1]} columns; expected {matrices[i - 1].shape[0]}, "
                f"the rows of matrix {i - 1}."
            )
        bias = None if bias is None else np.array(bias)
        if bias is not None and (bias.dtype.kind not in "fiub" or not np.isfinite(bias).all()):
            raise ArgumentError(f"bias {i}: got type {bias.dtype}; expected finite real numbers.")
        if not isinstance(matrix, np.ndarray) and mask is not None:
            raise ArgumentError(f"mask {i}: a sparse matrix says itself what is present; pass None.")
        make = _dense if isinstance(matrix, np.ndarray) else _sparse
        block = make(i, matrix, mask, zeros)
        blocks.append(block if bias is None else block.replace(bias=bias.astype(block.dtype)))
    sizes = [matrices[0].shape[1], *(matrix.shape[0] for matrix in matrices)]
    return NeuralGraph(blocks, [Part(str(i), size) for i, size in enumerate(sizes)])


def _array(i: int, given: Any) -> Any:
    """Return a matrix as a real 2-dimensional array, or as compressed rows where it is a sparse one of scipy."""
    if hasattr(given, "tocsr"):
        matrix = given.tocsr(copy=True)
        matrix.sum_duplicates()
    else:
        try:
            matrix = np.asarray(given.detach() if hasattr(given, "detach") else given)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ArgumentError(f"matrix {i}: got what numpy cannot read ({error}); expected a real array.") from None
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise ArgumentError(
            f"matrix {i}: got shape {matrix.shape} and type {matrix.dtype}; expected a real (n_target, n_source) array."
        )
    return matrix


def _dense(i: int, matrix: np.ndarray, mask: np.ndarray | None, zeros: str) -> Block:
    if mask is not None:
        mask = np.array(mask)
        if mask.shape != matrix.shape or mask.dtype != bool:
            raise ArgumentError(
                f"mask {i}: got shape {mask.shape} and type {mask.dtype}; expected bool of shape {matrix.shape}."
            )
    elif zeros == "drop":
        mask = matrix != 0
    _check_finite(i, matrix if mask is None else matrix[mask])
    return Block.from_dense(str(i), str(i), str(i + 1), np.array(matrix, dtype=_dtype(matrix)), mask)


def _sparse(i: int, matrix: Any, _: None, zeros: str) -> Block:
    if zeros == "drop":
        matrix.eliminate_zeros()
    _check_finite(i, matrix.data)
    data = matrix.data.astype(_dtype(matrix))
    return Block.from_csr(str(i), str(i), str(i + 1), matrix.shape, matrix.indptr, matrix.indices, data)


def _dtype(matrix: Any) -> np.dtype:
    return np.dtype(f"f{min(matrix.dtype.itemsize, 8)}" if matrix.dtype.kind == "f" else np.float64)


def _check_finite(i: int, weights: np.ndarray) -> None:
    n_bad = int(np.count_nonzero(~np.isfinite(weights)))
    if n_bad:
        raise ArgumentError(f"matrix {i}: got {n_bad} NaN or infinite weights; expected finite numbers.")


def _one_each(what: str, given: Sequence[np.ndarray | None] | None, n: int) -> Sequence[np.ndarray | None]:
    if given is None:
        return [None] * n
    if len(given) != n:
        raise ArgumentError(f"{what}: got {len(given)} for {n} matrices; expected one each (None where there is none).")
    return given
