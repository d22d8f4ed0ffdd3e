"""Pairs of planes: ``planes[r, 0]`` has a bit for each positive edge of row r, ``planes[r, 1]`` for each negative."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import ONE, count_bits


@jit
def common_bits(a, b):
    """Return how many bits two pairs of planes have in common."""
    common = 0
    for r in range(len(a)):
        for w in range(a.shape[2]):
            common += count_bits(a[r, 0, w] & b[r, 0, w]) + count_bits(a[r, 1, w] & b[r, 1, w])
    return common


@jit
def pack_ternary(signs, indptr, indices, n_columns, by_column):
    """Return the planes of signs 1 and -1, transposed if ``by_column``, and whether no cell was given twice."""
    n_rows = len(indptr) - 1
    length = n_rows if by_column else n_columns
    planes = np.zeros((n_columns if by_column else n_rows, 2, (length + 63) // 64), np.uint64)
    sound = True
    for r in range(n_rows):
        for e in range(indptr[r], indptr[r + 1]):
            c = np.int64(indices[e]) if len(indices) else e - indptr[r]
            i, j = (c, r) if by_column else (r, c)
            bit = ONE << np.uint64(j & 63)
            if (planes[i, 0, j >> 6] | planes[i, 1, j >> 6]) & bit:
                sound = False
            planes[i, np.int64(signs[e] < 0), j >> 6] |= bit
    return planes, sound


@jit
def unpack_ternary(planes, indptr, by_column):
    """Return the columns and the signs of the edges in edge order; the rows hold as many edges as ``indptr`` says."""
    place = indptr.copy()
    indices, signs = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int8)
    for i in range(len(planes)):
        for w in range(planes.shape[2]):
            minus = planes[i, 1, w]
            bits = planes[i, 0, w] | minus
            while bits:
                lowest = bits & (~bits + ONE)
                bits ^= lowest
                j = 64 * w + count_bits(lowest - ONE)
                r, c = (j, i) if by_column else (i, j)
                indices[place[r]] = c
                signs[place[r]] = -1 if minus & lowest else 1
                place[r] += 1
    return indices, signs
