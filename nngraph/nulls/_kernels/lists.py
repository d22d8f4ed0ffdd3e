"""Trades between rows of sorted lists, for blocks so sparse that most words of a plane would be empty.

``codes[indptr[r] : indptr[r + 1]]`` are the edges of row r by ascending column c: 2 c if positive, 2 c + 1 if negative.
Trades keep the signed degrees of the rows, so the bounds never change.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.ternary import is_forced, keyed, row_order, split
from nngraph.nulls._kernels.words import below, mix

SAME, PLUS_ZERO, PLUS_MINUS, ZERO_MINUS = 0, 1, 2, 3
"""Classes of the columns of two rows; the last three are those of :mod:`nngraph.nulls._kernels.ternary`."""


@jit
def write_lists(signs, indptr, indices):
    """Return the lists of edges in edge order, and whether no cell was given twice."""
    codes = np.empty(len(signs), np.int64)
    sound = True
    for r in range(len(indptr) - 1):
        before = np.int64(-1)
        for e in range(indptr[r], indptr[r + 1]):
            c = np.int64(indices[e]) if len(indices) else e - indptr[r]
            if c <= before:
                sound = False
            codes[e] = 2 * c + (signs[e] < 0)
            before = c
    return codes, sound


@jit
def merge(codes, a, a_end, b, b_end, merged, classes):
    """Write the columns of two rows, with the code of either, and their classes in order.

    Return how many there are, the sizes of the three classes in which the rows differ, and how many positive and
    negative edges of the first row are in them.
    """
    n, n1, n2, n3, plus, minus = 0, 0, 0, 0, 0, 0
    while a < a_end or b < b_end:
        first = b == b_end or (a < a_end and codes[a] >> 1 <= codes[b] >> 1)
        second = a == a_end or (b < b_end and codes[b] >> 1 <= codes[a] >> 1)
        code = codes[a] if first else codes[b]
        negative = code & 1
        if first and second:
            kind = SAME if codes[a] == codes[b] else PLUS_MINUS
        else:
            kind = ZERO_MINUS if negative else PLUS_ZERO
        n1 += kind == PLUS_ZERO
        n2 += kind == PLUS_MINUS
        n3 += kind == ZERO_MINUS
        if first and kind != SAME:
            plus += 1 - negative
            minus += negative
        merged[n], classes[n] = code, kind
        n += 1
        a += first
        b += second
    return n, n1, n2, n3, plus, minus


@jit
def trade_lists(codes, a, a_end, b, b_end, merged, classes, left, take, state, step):
    """Trade between two rows, in place; return whether anything changed. The four arrays are room to work in."""
    n, n1, n2, n3, plus, minus = merge(codes, a, a_end, b, b_end, merged, classes)
    if is_forced(n1, n2, n3, plus, minus):
        return False
    state, k2 = split(n1, n2, n3, plus, minus, state, step)
    left[1], left[2], left[3] = n1, n2, n3
    take[1], take[2], take[3] = plus - k2, k2, minus - n2 + k2
    changed = False
    for e in range(n):
        kind, code = classes[e], merged[e]
        to_first = to_second = True
        second = code
        if kind != SAME:
            state, r = below(left[kind], state, step)
            to_first = r < take[kind]
            left[kind] -= 1
            take[kind] -= to_first
            to_second = not to_first
            if kind == PLUS_MINUS:
                code = (code | 1) ^ to_first
                second = code ^ 1
                to_first = to_second = True
        if to_first:
            changed |= codes[a] != code
            codes[a] = code
            a += 1
        if to_second:
            codes[b] = second
            b += 1
    return changed


@jit
def sweep_lists(codes, indptr, sweep, start, step):
    """Trade in each pair of a uniform row_order of the rows; return how many trades changed something."""
    longest = 0
    for r in range(len(indptr) - 1):
        longest = max(longest, indptr[r + 1] - indptr[r])
    merged, classes = np.empty(2 * longest, codes.dtype), np.empty(2 * longest, np.int8)
    left, take = np.zeros(4, np.int64), np.zeros(4, np.int64)
    order = row_order(len(indptr) - 1, sweep, start, step)
    changed = 0
    for pair in range(len(order) // 2):
        i, j = order[2 * pair], order[2 * pair + 1]
        state = keyed(start, sweep, pair)
        ends = indptr[i], indptr[i + 1], indptr[j], indptr[j + 1]
        changed += trade_lists(codes, *ends, merged, classes, left, take, state, step)
    return changed


@jit
def transpose_lists(codes, indptr, n_columns):
    """Return the lists of the columns and their bounds."""
    starts = np.zeros(n_columns + 1, np.int64)
    for code in codes:
        starts[(code >> 1) + 1] += 1
    starts = np.cumsum(starts)
    place, result = starts.copy(), np.empty_like(codes)
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = codes[e] >> 1
            result[place[c]] = 2 * r + (codes[e] & 1)
            place[c] += 1
    return result, starts


@jit
def run_lists(codes, indptr, n_columns, first_sweep, n_sweeps, period, start, step):
    """Run sweeps of trades between rows, in place, and after every ``period`` of them one between columns.

    Return how many trades between rows, and between columns, changed something.
    """
    rows, columns = 0, 0
    apart = mix(start)  # so that columns draw from other streams than the rows of any sweep
    for sweep in range(first_sweep, first_sweep + n_sweeps):
        rows += sweep_lists(codes, indptr, sweep, start, step)
        if (sweep + 1) % period == 0:
            by_column, starts = transpose_lists(codes, indptr, n_columns)
            columns += sweep_lists(by_column, starts, sweep, apart, step)
            codes[:], _ = transpose_lists(by_column, starts, len(indptr) - 1)
    return rows, columns


@jit
def common_codes(codes, others, indptr):
    """Return how many edges two sets of lists with the same bounds have in common, sign included."""
    common = 0
    for r in range(len(indptr) - 1):
        a = b = indptr[r]
        end = indptr[r + 1]
        while a < end and b < end:
            x, y = codes[a], others[b]
            common += x == y
            a += x <= y
            b += y <= x
    return common


@jit
def any_legal_list_trade(codes, indptr):
    """Return whether two rows have another redistribution than their own."""
    longest = 0
    for r in range(len(indptr) - 1):
        longest = max(longest, indptr[r + 1] - indptr[r])
    merged, classes = np.empty(2 * longest, codes.dtype), np.empty(2 * longest, np.int8)
    for i in range(len(indptr) - 1):
        for j in range(i):
            ends = indptr[i], indptr[i + 1], indptr[j], indptr[j + 1]
            if ends[0] == ends[1] or ends[2] == ends[3]:
                continue
            _, n1, n2, n3, plus, minus = merge(codes, *ends, merged, classes)
            if not is_forced(n1, n2, n3, plus, minus):
                return True
    return False
