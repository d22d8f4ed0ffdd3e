"""Trades of present edges, with their signs, between two rows or two columns of a pair of planes.

``planes[r, 0]`` has a bit for each positive edge of row r and ``planes[r, 1]`` for each negative one; no cell has both.
Two rows differ in three classes of columns, {+,0}, {+,-} and {0,-}. A trade re-deals them uniformly: with y the number
of {+,-} columns that give + to the first row, the numbers of the other two classes follow from its degrees.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import HALF, LOW, ONE, below, count_bits, mix, shuffle_part

NONE, ALL = np.uint64(0), ~np.uint64(0)
NEGLIGIBLE = 2.0**-60


@jit
def keyed(start, sweep, number):
    """Return the state of the stream of one move, a function of the sweep and of its number there alone."""
    return mix(mix(start + np.uint64(sweep)) + np.uint64(number))


@jit
def bounds(n1, n2, n3, plus, minus):
    """Return the least and the most {+,-} columns that can give + to the first row."""
    return max(0, plus - n1, n2 - minus), min(n2, plus, n2 + n3 - minus)


@jit
def odds(y, n1, n2, n3, plus, minus):
    """Return numerator and denominator of p(y + 1) / p(y), see :func:`split`."""
    z = minus - n2 + y
    return (
        np.float64(plus - y) * np.float64(n2 - y) * np.float64(n3 - z),
        np.float64(n1 - plus + y + 1) * np.float64(y + 1) * np.float64(z + 1),
    )


@jit
def split(n1, n2, n3, plus, minus, state, step):
    """Return the advanced state and y, drawn from p(y) ~ C(n1, plus - y) C(n2, y) C(n3, minus - n2 + y).

    The law is log-concave: its mode is found by bisection of the ratio of neighbours, and y by inversion outward
    from the mode, in a number of steps of the order of its standard deviation.
    """
    low, high = bounds(n1, n2, n3, plus, minus)
    if low >= high:
        return state, low
    mode, last = low, high
    while mode < last:
        y = (mode + last) >> 1
        up, down = odds(y, n1, n2, n3, plus, minus)
        if up > down:
            mode = y + 1
        else:
            last = y
    total = 1.0
    for way in (1, -1):
        term, y = 1.0, mode
        while term > NEGLIGIBLE * total and (y < high if way > 0 else y > low):
            up, down = odds(y if way > 0 else y - 1, n1, n2, n3, plus, minus)
            term *= up / down if way > 0 else down / up
            total += term
            y += way
    state += step
    left = np.float64(mix(state) >> np.uint64(11)) * 2.0**-53 * total - 1.0
    if left < 0:
        return state, mode
    for way in (1, -1):
        term, y = 1.0, mode
        while term > NEGLIGIBLE * total and (y < high if way > 0 else y > low):
            up, down = odds(y if way > 0 else y - 1, n1, n2, n3, plus, minus)
            term *= up / down if way > 0 else down / up
            y += way
            left -= term
            if left < 0:
                return state, y
    return state, mode  # beyond the last term that counts, by rounding


@jit
def is_forced(n1, n2, n3, plus, minus):
    """Return whether two rows with these counts have one redistribution only, their own."""
    low, high = bounds(n1, n2, n3, plus, minus)
    k1, k3 = plus - low, minus - n2 + low
    return low > high or (low == high and k1 in (0, n1) and low in (0, n2) and k3 in (0, n3))


@jit
def deal_few(x, y, k, n, taken, state, step):
    """Set in ``taken`` uniform subsets of the three classes of sizes ``n``, of sizes ``k``, column by column."""
    k1, k2, k3 = k
    n1, n2, n3 = n
    for w in range(len(x)):
        bits, here = x[w] | y[w], NONE
        while bits:
            lowest = bits & (~bits + ONE)
            bits ^= lowest
            if not y[w] & lowest:
                state, r = below(n1, state, step)
                take = r < k1
                n1, k1 = n1 - 1, k1 - take
            elif x[w] & lowest:
                state, r = below(n2, state, step)
                take = r < k2
                n2, k2 = n2 - 1, k2 - take
            else:
                state, r = below(n3, state, step)
                take = r < k3
                n3, k3 = n3 - 1, k3 - take
            here |= lowest * np.uint64(take)
        taken[w] = here
    return state


@jit
def masks(rate):
    """Return whether a rate in 32 is 1, and its five bits from the lowest (all set for a rate of 1), as words."""
    one = NONE - np.uint64(rate >> 5)
    return (
        one,
        one | (NONE - np.uint64(rate & 1)),
        one | (NONE - np.uint64(rate >> 1 & 1)),
        one | (NONE - np.uint64(rate >> 2 & 1)),
        one | (NONE - np.uint64(rate >> 3 & 1)),
        one | (NONE - np.uint64(rate >> 4 & 1)),
    )


@jit
def thin(x, y, r1, r2, r3, taken, state, step):
    """Set in ``taken`` each column of the three classes independently, with probability r1, r2 or r3 in 32.

    One stream serves all classes, with five random words for 64 columns: from the lowest bit of its rate to the
    highest a class takes the or of what it has with the next word where the bit is 1, and the and where it is 0.
    """
    p, p0, p1, p2, p3, p4 = masks(r1)
    q, q0, q1, q2, q3, q4 = masks(r2)
    m, m0, m1, m2, m3, m4 = masks(r3)
    n = np.uint64(len(x)) * step
    for w in range(len(x)):  # unrolled, and without arrays of masks: 2.5 times faster
        c2 = x[w] & y[w]
        c1, c3 = x[w] ^ c2, y[w] ^ c2
        at = state + np.uint64(w + 1) * step
        t = (c1 & p) | (c2 & q) | (c3 & m)
        r, gains = mix(at), (c1 & p0) | (c2 & q0) | (c3 & m0)
        t = (t & r) | (gains & (t | r))
        r, gains = mix(at + n), (c1 & p1) | (c2 & q1) | (c3 & m1)
        t = (t & r) | (gains & (t | r))
        r, gains = mix(at + n + n), (c1 & p2) | (c2 & q2) | (c3 & m2)
        t = (t & r) | (gains & (t | r))
        r, gains = mix(at + n + n + n), (c1 & p3) | (c2 & q3) | (c3 & m3)
        t = (t & r) | (gains & (t | r))
        r, gains = mix(at + n + n + n + n), (c1 & p4) | (c2 & q4) | (c3 & m4)
        taken[w] = (t & r) | (gains & (t | r))
    return state + n + n + n + n + n


@jit
def select(bits, rank):
    """Return the bit of the given rank among those set, from the lowest, rank 0; without branches."""
    at = 0
    for width in (32, 16, 8, 4, 2, 1):
        within = count_bits((bits >> np.uint64(at)) & ((ONE << np.uint64(width)) - ONE))
        beyond = rank >= within
        rank -= within * beyond
        at += width * beyond
    return ONE << np.uint64(at)


@jit
def repair(x, y, flip_x, flip_y, taken, excess, state, step):
    """Remove (or add) uniformly chosen columns of one class until ``excess`` is 0, by rejection of words and ranks."""
    turn = NONE if excess > 0 else ALL
    left, most = abs(excess), 0
    for w in range(len(x) if left else 0):
        most = max(most, count_bits((x[w] ^ flip_x) & (y[w] ^ flip_y) & (taken[w] ^ turn)))
    n_words, n_ranks = np.uint64(len(x)), np.uint64(most)
    unfair_word, unfair_rank = (ONE << HALF) % n_words, (ONE << HALF) % max(n_ranks, ONE)
    while left:
        state += step
        word = mix(state)
        first, second = (word >> HALF) * n_words, (word & LOW) * n_ranks
        at, rank = np.int64(first >> HALF), np.int64(second >> HALF)
        pool = (x[at] ^ flip_x) & (y[at] ^ flip_y) & (taken[at] ^ turn)
        if rank >= count_bits(pool) or first & LOW < unfair_word or second & LOW < unfair_rank:
            continue
        taken[at] ^= select(pool, rank)
        left -= 1
    return state


@jit
def tally(planes, i, j, x, y):
    """Compare two rows: set where positive (x) and negative edges (y) differ, and count.

    Return the sizes of the three classes, and how many positive and negative edges of row i are in them.
    """
    plus_i, minus_i, plus_j, minus_j = planes[i, 0], planes[i, 1], planes[j, 0], planes[j, 1]
    n1, n2, n3, plus, minus = 0, 0, 0, 0, 0
    for w in range(len(x)):  # few arrays a loop: with more the compiler gives up on proving that none overlap
        a = plus_i[w] ^ plus_j[w]
        x[w] = a
        plus += count_bits(plus_i[w] & a)
    for w in range(len(x)):
        b = minus_i[w] ^ minus_j[w]
        y[w] = b
        minus += count_bits(minus_i[w] & b)
    for w in range(len(x)):
        n1 += count_bits(x[w] & ~y[w])
        n2 += count_bits(x[w] & y[w])
        n3 += count_bits(y[w] & ~x[w])
    return n1, n2, n3, plus, minus


@jit
def deal_many(x, y, k, n, taken, state, step):
    """Set in ``taken`` uniform subsets as :func:`deal_few` does: independent columns at rates near k / n, then repairs.

    Given its size a set of independent columns is uniform, and uniform repairs keep that, so the law is exact whatever
    the precision of the rates.
    """
    k1, k2, k3 = k
    n1, n2, n3 = n
    r1 = (64 * k1 + n1) // max(2 * n1, 1)
    r2 = (64 * k2 + n2) // max(2 * n2, 1)
    r3 = (64 * k3 + n3) // max(2 * n3, 1)
    state = thin(x, y, r1, r2, r3, taken, state, step)
    s1, s2, s3 = 0, 0, 0
    for w in range(len(x)):
        t = taken[w]
        s1 += count_bits(t & ~y[w])
        s2 += count_bits(t & x[w] & y[w])
        s3 += count_bits(t & ~x[w])
    state = repair(x, y, NONE, ALL, taken, s1 - k1, state, step)
    state = repair(x, y, NONE, NONE, taken, s2 - k2, state, step)
    return repair(x, y, ALL, NONE, taken, s3 - k3, state, step)


@jit
def room(n_words):
    """Return three arrays of the length of a row for :func:`trade_between` to work in."""
    return np.empty(n_words, np.uint64), np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)


@jit
def trade_between(planes, i, j, few, x, y, taken, state, step):
    """Trade between two rows, in place, column by column if fewer than ``few`` differ; return whether it changed any.

    The numbers to deal are within the sizes of their classes for any bits, also for a cell both positive and negative
    (which packing refuses): where no number is possible the rows are left alone.
    """
    n1, n2, n3, plus, minus = tally(planes, i, j, x, y)
    if is_forced(n1, n2, n3, plus, minus):
        return False
    state, k2 = split(n1, n2, n3, plus, minus, state, step)
    k, n = (plus - k2, k2, minus - n2 + k2), (n1, n2, n3)
    if n1 + n2 + n3 < few:
        deal_few(x, y, k, n, taken, state, step)
    else:
        deal_many(x, y, k, n, taken, state, step)
    plus_i, minus_i, plus_j, minus_j = planes[i, 0], planes[i, 1], planes[j, 0], planes[j, 1]
    changed = NONE
    for w in range(len(x)):
        flips = (taken[w] ^ plus_i[w]) & x[w]
        plus_i[w] ^= flips
        plus_j[w] ^= flips
        changed |= flips
    for w in range(len(x)):
        flips = (taken[w] ^ x[w] ^ minus_i[w]) & y[w]
        minus_i[w] ^= flips
        minus_j[w] ^= flips
        changed |= flips
    return changed != NONE


@jit
def row_order(n, sweep, start, step):
    """Return a uniform order of n rows; its neighbours, two by two, trade in this sweep."""
    order = np.arange(n)
    shuffle_part(order, 0, n, keyed(start, sweep, -1), step)
    return order


@jit
def trade_rows(planes, order, first, last, sweep, few, start, step):
    """Trade between the pairs ``first`` to ``last`` of a pairing; return how many trades changed something."""
    x, y, taken = room(planes.shape[2])
    changed = 0
    for pair in range(first, last):
        state = keyed(start, sweep, pair)
        changed += trade_between(planes, order[2 * pair], order[2 * pair + 1], few, x, y, taken, state, step)
    return changed


@jit
def trade_columns(planes, n_columns, n_pairs, sweep, few, start, step):
    """Trade in place between random pairs of columns; return how many trades changed something."""
    n_rows = len(planes)
    before = np.zeros((2, 2, (n_rows + 63) // 64), np.uint64)  # two columns as the rows of small planes
    x, y, taken = room(before.shape[2])
    changed = 0
    for pair in range(n_pairs if n_columns > 1 else 0):
        state = keyed(start, sweep, -2 - pair)
        state, c = below(n_columns, state, step)
        state, d = below(n_columns - 1, state, step)
        ends = (c, d + (d >= c))
        before[:] = NONE
        for r in range(n_rows):
            for k in range(2):
                for side in range(2):
                    bit = (planes[r, side, ends[k] >> 6] >> np.uint64(ends[k] & 63)) & ONE
                    before[k, side, r >> 6] |= bit << np.uint64(r & 63)
        after = before.copy()
        changed += trade_between(after, 0, 1, few, x, y, taken, state, step)
        for side in range(2):
            for w in range(before.shape[2]):
                flips = before[0, side, w] ^ after[0, side, w]  # the same in both columns
                while flips:
                    r = 64 * w + count_bits((flips & (~flips + ONE)) - ONE)
                    for k in range(2):
                        planes[r, side, ends[k] >> 6] ^= ONE << np.uint64(ends[k] & 63)
                    flips &= flips - ONE
    return changed


@jit
def run_ternary(planes, n_columns, first_sweep, n_sweeps, n_pairs, few, start, step):
    """Run sweeps, in place: one trade in each pair of a uniform pairing of the rows, then ``n_pairs`` of columns.

    Return how many trades between rows, and between columns, changed something.
    """
    rows, columns = 0, 0
    for sweep in range(first_sweep, first_sweep + n_sweeps):
        order = row_order(len(planes), sweep, start, step)
        rows += trade_rows(planes, order, 0, len(order) // 2, sweep, few, start, step)
        columns += trade_columns(planes, n_columns, n_pairs, sweep, few, start, step)
    return rows, columns


@jit
def any_legal_trade(planes):
    """Return whether two rows of the planes have another redistribution than their own."""
    x, y, _ = room(planes.shape[2])
    for i in range(len(planes)):
        for j in range(i):
            n1, n2, n3, plus, minus = tally(planes, i, j, x, y)
            if not is_forced(n1, n2, n3, plus, minus):
                return True
    return False
