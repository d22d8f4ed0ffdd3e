"""Other layouts of the edges of a block: column order, and planes of bits."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph.nulls._kernels.compiling import jit
from nngraph.nulls._kernels.words import ONE, count_bits


@jit
def compress(present, values, n_rows, n_edges):
    """Return bounds of the rows, columns and values of the cells whose bit of ``present`` is set, all row-major."""
    n_columns = len(values) // n_rows
    indptr = np.zeros(n_rows + 1, np.int64)
    indices, result = np.empty(n_edges, np.int32), np.empty(n_edges, values.dtype)
    e, row, first = 0, 0, 0
    for w in range(len(present)):
        bits = present[w]
        while bits:
            cell = 64 * w + count_bits((bits & (~bits + ONE)) - ONE)
            bits &= bits - ONE
            while cell >= first + n_columns:
                row += 1
                first += n_columns
                indptr[row] = e
            indices[e] = cell - first
            result[e] = values[cell]
            e += 1
    indptr[row + 1 :] = e
    return indptr, indices, result


@jit
def to_columns(values, indptr, indices, starts):
    """Return the values in column order; ``starts`` bounds the columns."""
    result = np.empty_like(values)
    place = starts.copy()
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e]
            result[place[c]] = values[e]
            place[c] += 1
    return result


@jit
def from_columns(values, indptr, indices, starts):
    """Return values that are in column order in edge order."""
    result = np.empty_like(values)
    place = starts.copy()
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e]
            result[e] = values[place[c]]
            place[c] += 1
    return result


@jit
def pack(signs, indptr, indices, n_columns):
    """Return two planes of 64-bit words, one bit per cell: positive edges, and edges that have a sign."""
    n_rows = len(indptr) - 1
    positive = np.zeros((n_rows, (n_columns + 63) // 64), np.uint64)
    signed = np.zeros_like(positive)
    for r in range(n_rows):
        current, up, any_ = 0, np.uint64(0), np.uint64(0)
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e] if len(indices) else e - indptr[r]
            if c >> 6 != current:
                positive[r, current], signed[r, current] = up, any_
                current, up, any_ = c >> 6, np.uint64(0), np.uint64(0)
            bit = np.uint64(c & 63)
            up |= np.uint64(signs[e] > 0) << bit
            any_ |= np.uint64(signs[e] != 0) << bit
        if indptr[r + 1] > indptr[r]:
            positive[r, current], signed[r, current] = up, any_
    return positive, signed


@jit
def unpack(positive, signs, indptr, indices):
    """Return the signs that a plane holds, in edge order; an edge of sign 0 keeps it."""
    result = np.empty_like(signs)
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e] if len(indices) else e - indptr[r]
            bit = np.int8((positive[r, c >> 6] >> np.uint64(c & 63)) & ONE)
            result[e] = (2 * bit - 1) * (signs[e] != 0)
    return result
