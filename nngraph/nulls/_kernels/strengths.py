"""Sums of the magnitudes at each node, and exchanges of magnitudes that bring them to given values.

Splitting every node by sign turns a signed block into an unsigned bipartite graph: positive edges join the first half
of the rows to the first half of the columns, negative edges the second halves. A slot is one edge of it, in the order
of the split rows; ``starts`` bounds their slots and ``columns`` holds the split column of each. Magnitudes are float64.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import below


@jit
def signed_sums(values, indptr, indices, n_columns):
    """Return the signed strengths of the split rows and of the split columns, summed in float64."""
    n_rows = len(indptr) - 1
    rows, columns = np.zeros(2 * n_rows), np.zeros(2 * n_columns)
    for r in range(n_rows):
        up, down = 0.0, 0.0
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e] if len(indices) else e - indptr[r]
            value = np.float64(values[e])
            columns[c + n_columns * (value < 0)] += abs(value)
            up += max(value, 0.0)
            down += max(-value, 0.0)
        rows[r], rows[n_rows + r] = up, down
    return rows, columns


@jit
def split_by_sign(values, indptr, indices, n_columns):
    """Return the graph with nodes split by sign: starts, columns, the edge and the magnitude of each slot.

    Edges of weight 0 have no slot.
    """
    n_rows = len(indptr) - 1
    starts = np.zeros(2 * n_rows + 1, np.int64)
    for r in range(n_rows):
        up, down = 0, 0
        for e in range(indptr[r], indptr[r + 1]):
            up += values[e] > 0
            down += values[e] < 0
        starts[r + 1], starts[n_rows + r + 1] = up, down
    for r in range(2 * n_rows):
        starts[r + 1] += starts[r]
    n = starts[-1]
    columns, edges, magnitudes = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32), np.empty(n + 1)
    for r in range(n_rows):
        i, j = starts[r], starts[n_rows + r]
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e] if len(indices) else e - indptr[r]
            up, down = values[e] > 0, values[e] < 0
            at = i if up else (j if down else n)  # the last place takes what does not count
            columns[at], edges[at], magnitudes[at] = c + n_columns * down, e, abs(values[e])
            i += up
            j += down
    return starts, columns[:n].copy(), edges[:n].copy(), magnitudes[:n].copy()


@jit
def merge_signs(magnitudes, starts, edges, values):
    """Write the magnitudes of the slots back as the weights of their edges, in place."""
    middle = starts[len(starts) // 2]
    for k in range(len(edges)):
        values[edges[k]] = magnitudes[k] if k < middle else -magnitudes[k]


@jit
def exchange(magnitudes, starts, columns, row_excess, column_excess, n_sweeps, state, step):
    """Exchange two magnitudes of a sign wherever that lowers the squared excess of the sums of rows and columns.

    Everything is changed in place. Per sweep each slot is tried once, against a slot of the same sign: a stretch of
    16 to 64 slots of a row against as many from a uniform place of a uniform row. Long stretches are cheap to read,
    short ones even out the rows in fewer sweeps.
    """
    half = (len(starts) - 1) // 2
    rows = np.empty(half, np.int64)
    for sweep in range(2 * n_sweeps):
        n = 0
        for r in range(half * (sweep % 2), half * (sweep % 2) + half):
            rows[n] = r
            n += starts[r + 1] > starts[r]
        for row in range(n):
            i = rows[row]
            stretch = max(16, min(64, (starts[i + 1] - starts[i]) // 16))
            for first in range(starts[i], starts[i + 1], stretch):
                state, x = below(n, state, step)
                j = rows[x]
                state, x = below(starts[j + 1] - starts[j], state, step)
                b = starts[j] + x
                between = row_excess[i] - row_excess[j]
                for a in range(first, min(first + stretch, starts[i + 1])):
                    d = magnitudes[b] - magnitudes[a]
                    p, q = columns[a], columns[b]
                    slope = between + column_excess[p] - column_excess[q]
                    if d * slope < -d * d * ((i != j) + (p != q)):
                        magnitudes[a], magnitudes[b] = magnitudes[b], magnitudes[a]
                        if i != j:
                            row_excess[i] += d
                            row_excess[j] -= d
                            between = row_excess[i] - row_excess[j]
                        column_excess[p] += d
                        column_excess[q] -= d
                    b = b + 1 if b + 1 < starts[j + 1] else starts[j]
