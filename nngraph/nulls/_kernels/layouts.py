"""Other layouts of the edges of a block: column order, and planes of bits."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import LOW, ONE, SIX, count_bits

SIX_BITS = np.uint64(6)


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
def spread(values, indptr, indices, result):
    """Write values in edge order to their cells."""
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            result[r, np.uint64(indices[e])] = values[e]


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
        for e in range(indptr[r], indptr[r + 1]):
            c = np.uint64(indices[e] if len(indices) else e - indptr[r])
            w, bit = c >> SIX_BITS, c & SIX
            positive[r, w] |= np.uint64(signs[e] > 0) << bit
            signed[r, w] |= np.uint64(signs[e] != 0) << bit
    return positive, signed


@jit
def unpack(positive, signs, indptr, indices):
    """Return the signs that a plane holds, in edge order; an edge of sign 0 keeps it."""
    result = np.empty_like(signs)
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = np.uint64(indices[e] if len(indices) else e - indptr[r])
            bit = np.int8((positive[r, c >> SIX_BITS] >> (c & SIX)) & ONE)
            result[e] = (2 * bit - 1) * (signs[e] != 0)
    return result


@jit
def sign_plane(values, n_source):
    """Return a plane of the positive values of a complete block, and how many values are zero or no number.

    Words go first: bit r % 64 of word r // 64 of lane c is cell (r, c), so that one row of the block is one bit of
    contiguous words. All bits of the padding are 0.
    """
    n_target = len(values) // max(n_source, 1)
    plane = np.zeros(((n_target + 63) // 64, n_source), np.uint64)
    n_unsigned = 0
    for r in range(n_target):
        words, first, bit = plane[r >> 6], r * n_source, np.uint64(r & 63)
        for c in range(n_source):
            value = values[first + c]
            words[c] |= np.uint64(value > 0) << bit
            n_unsigned += not (value > 0 or value < 0)
    return plane, n_unsigned


@jit
def plane_signs(plane, n_target):
    """Return the signs of a complete block that a plane with words first holds, in edge order."""
    n_source = plane.shape[1]
    signs = np.empty(n_target * n_source, np.int8)
    for r in range(n_target):
        words, first, bit = plane[r >> 6], r * n_source, np.uint64(r & 63)
        for c in range(n_source):
            signs[first + c] = np.int8((words[c] >> bit) & ONE) * np.int8(2) - np.int8(1)
    return signs


@jit
def turn_square(square):
    """Turn 64 words of 64 bits over their diagonal in place: exchange off-diagonal quarters of ever smaller squares."""
    width, low = 32, LOW
    while width:
        shift = np.uint64(width)
        for i in range(64):
            if not i & width:
                swap = ((square[i] >> shift) ^ square[i + width]) & low
                square[i + width] ^= swap
                square[i] ^= swap << shift
        width >>= 1
        low ^= low << np.uint64(width)


@jit
def transposed(plane, n_columns):
    """Return a plane with one row for each column of another, words last."""
    n_rows, n_words = plane.shape
    result = np.zeros((n_columns, (n_rows + 63) // 64), np.uint64)
    square = np.empty(64, np.uint64)
    for v in range(result.shape[1]):
        for w in range(n_words):
            n = min(64, n_rows - 64 * v)
            square[:n], square[n:] = plane[64 * v : 64 * v + n, w], 0
            turn_square(square)
            n = min(64, n_columns - 64 * w)
            result[64 * w : 64 * w + n, v] = square[:n]
    return result


@jit
def turn_plane(plane, n_bits):
    """Return a plane with words first whose lanes are the bits of another, and whose bits its lanes."""
    n_words, n_lanes = plane.shape
    turned = np.zeros(((n_lanes + 63) // 64, n_bits), np.uint64)
    square = np.empty(64, np.uint64)
    for w in range(n_words):
        for v in range(turned.shape[0]):
            n = min(64, n_lanes - 64 * v)
            square[:n], square[n:] = plane[w, 64 * v : 64 * v + n], 0
            turn_square(square)
            n = min(64, n_bits - 64 * w)
            turned[v, 64 * w : 64 * w + n] = square[:n]
    return turned
