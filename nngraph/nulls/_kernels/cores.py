"""Which cells of a plane of signs can move, those on directed cycles; their degrees; how fast trades move them."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import ONE, count_bits

_DIGITS = 8
"""Binary digits of the numbers that columns are counted in, 64 at once, before they are added up."""
_MOST_SQUARES = 31
"""Sweeps of trades are counted up to two to this."""


@jit
def margins(plane, within, n_columns):
    """Return how many bits of ``plane & within`` each row and each column has."""
    n_rows, n_words = plane.shape
    rows, columns = np.zeros(n_rows, np.int64), np.zeros(64 * n_words, np.int64)
    digits = np.zeros((_DIGITS, n_words), np.uint64)
    for r in range(n_rows):
        n = 0
        for w in range(n_words):
            n += count_bits(plane[r, w] & within[r, w])
        rows[r] = n
        for w in range(n_words):
            carry = plane[r, w] & within[r, w]
            for d in range(_DIGITS):
                digit = digits[d, w]
                digits[d, w] = digit ^ carry
                carry &= digit
        if (r + 1) % (2**_DIGITS - 1) == 0 or r + 1 == n_rows:
            for w in range(n_words):
                for d in range(_DIGITS):
                    bits = digits[d, w]
                    digits[d, w] = 0
                    for b in range(64):
                        columns[64 * w + b] += ((bits >> np.uint64(b)) & ONE) << np.uint64(d)
    return rows, columns[:n_columns]


@jit
def trim(positive, signed):
    """Return the cells left (a plane) after removing, again and again, nodes without an out-edge or an in-edge.

    Something is left if and only if there is a directed cycle.
    """
    n_rows, n_words = positive.shape
    left = signed.copy()
    columns, ups, downs = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    changed = True
    while changed:
        changed = False
        ups[:], downs[:] = 0, 0
        for r in range(n_rows):
            for w in range(n_words):
                ups[w] |= left[r, w] & positive[r, w]
                downs[w] |= left[r, w] & ~positive[r, w]
        for w in range(n_words):
            columns[w] = ups[w] & downs[w]
        for r in range(n_rows):
            up, down, gone = np.uint64(0), np.uint64(0), np.uint64(0)
            for w in range(n_words):
                kept = left[r, w] & columns[w]
                gone |= left[r, w] ^ kept
                left[r, w] = kept
                up |= kept & positive[r, w]
                down |= kept & ~positive[r, w]
            if (up == 0) != (down == 0):
                left[r] = 0
                gone = up | down
            changed |= gone != 0
    return left


@jit
def strongly_connected(positive, left):
    """Return whether the cells of a plane join their rows and columns into one strongly connected component."""
    n_rows, n_words = positive.shape
    columns, met = np.zeros(n_words, np.uint64), np.empty(n_words, np.uint64)
    occupied = np.zeros(n_rows, np.bool_)
    home = -1
    for r in range(n_rows):
        for w in range(n_words):
            columns[w] |= left[r, w]
            occupied[r] |= left[r, w] != 0
        if occupied[r]:
            home = r
    if home < 0:
        return False
    for backwards in range(2):
        other_way = ~np.uint64(0) if backwards else np.uint64(0)
        fresh, reached = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
        met[:] = 0
        fresh[home] = reached[home] = True
        growing = True
        while growing:
            for r in range(n_rows):
                if fresh[r]:
                    fresh[r] = False
                    for w in range(n_words):
                        met[w] |= left[r, w] & (positive[r, w] ^ other_way)
            growing = False
            for r in range(n_rows):
                if occupied[r] and not reached[r]:
                    hit = np.uint64(0)
                    for w in range(n_words):
                        hit |= left[r, w] & ~(positive[r, w] ^ other_way) & met[w]
                    if hit:
                        fresh[r] = reached[r] = growing = True
        for r in range(n_rows):
            if occupied[r] != reached[r]:
                return False
        for w in range(n_words):
            if met[w] != columns[w]:
                return False
    return True


@jit
def dealt_after(movable, cells, share, row_odds, column_odds, others, left):
    """Return the sweeps of trades after which ``left`` of the edges keep their first sign for want of one (mean field).

    ``cells`` are (2, n_cells): a row, and which of its movable cells in turn. Also returned: in how many columns a row
    and another differ, in the mean.
    """
    n_cells, n_words = cells.shape[1], movable.shape[1]
    stays, weight = np.zeros(n_cells), np.zeros(n_cells)
    common = np.full(len(movable), -1.0)
    differ = 0.0
    for s in range(n_cells):
        i, turn = cells[0, s], cells[1, s]
        if common[i] < 0:
            common[i] = 0
            for w in range(n_words):
                bits = movable[i, w]
                while bits:
                    lowest = bits & (~bits + ONE)
                    bits ^= lowest
                    common[i] += share[64 * w + count_bits(lowest - ONE)]
        w = 0
        while turn >= count_bits(movable[i, w]):
            turn -= count_bits(movable[i, w])
            w += 1
        bits = movable[i, w]
        for _ in range(turn):
            bits &= bits - ONE
        j = 64 * w + count_bits((bits & (~bits + ONE)) - ONE)
        dealt, odds, half = 0.0, column_odds[j] * row_odds[i], max(common[i] / 2, 1e-9)
        for other in others:
            dealt += other * (1 + odds) / ((1 + column_odds[j] * other) * (other + row_odds[i]))
        dealt /= len(others)
        stays[s] = 1 - share[j] * dealt * (1 - (1 - np.exp(-half)) / half)
        weight[s] = 2 * odds / (1 + odds) ** 2
        differ += weight[s] * common[i] / n_cells
    return first_power_below(stays, weight, left * n_cells), differ


@jit
def first_power_below(factors, weight, limit):
    """Return the least n from 1 on for which the weighted sum of n-th powers of factors in [0, 1] is at most a limit.

    It stops at 2**31. Powers are products of squares of squares: an exponential for each factor and n tried took longer
    than all else that tells how fast trades mix.
    """
    squares = np.empty((_MOST_SQUARES + 1, len(factors)))  # those not reached take no memory
    squares[0] = factors
    top = 0
    while top < _MOST_SQUARES and np.sum(weight * squares[top]) > limit:
        squares[top + 1] = squares[top] * squares[top]
        top += 1
    if top == 0:
        return 1
    n, power = 1 << (top - 1), squares[top - 1]
    for s in range(top - 2, -1, -1):
        next_ = power * squares[s]
        if np.sum(weight * next_) > limit:
            n, power = n + (1 << s), next_
    return n + 1
