"""Trades of signs between pairs of rows of a plane of bits, over the cells that can move."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import ONE, below, choose, count_bits, shuffle_part

_OF_A_PAIRING, _OF_A_TRADE = np.uint64(40), np.uint64(24)
"""Every pairing of rows has 2**40 words of its stream to itself, every trade 2**24."""


@jit
def pairing(ranked, sweep, state, step):
    """Return an order of the rows for one sweep of trades: rows 2 p and 2 p + 1 of it are pair p.

    Even sweeps pair the rows uniformly. Odd ones pair rows of like rank, within windows of a sixth of the rows that
    shift by half: where few rows hold most of the signs that can move, these must meet. Ranks come from the signed
    degrees, which no state changes.
    """
    n_rows = len(ranked)
    order = ranked.copy()
    state += (np.uint64(sweep) << _OF_A_PAIRING) * step
    if sweep % 2 == 0:
        shuffle_part(order, 0, n_rows, state, step)
        return order
    window = max(2, n_rows // 6)
    first = 0
    end = window // 2 if sweep % 4 == 1 else window
    while first < n_rows:
        end = min(end, n_rows)
        state = shuffle_part(order, first, end - first, state, step)
        first, end = end, end + window
    return order


@jit
def deal_few(positive, i, j, differ, filled, n, k, state, step):
    """Give row i a uniform k-subset of the n bits of ``differ``, and row j the others; return whether a bit moved.

    The bits are gone through one by one, in one loop over the words that hold any: loops within loops would end where
    the processor does not foresee it. ``filled`` is room for one row.
    """
    n_filled = 0
    for w in range(len(differ)):
        filled[n_filled] = w  # without branches: the next word overwrites an empty one
        n_filled += differ[w] != 0
    at, w = 0, filled[0]
    bits, taken, changed = differ[w], np.uint64(0), np.uint64(0)
    for left in range(n, 0, -1):
        rest = bits & (bits - ONE)
        state, x = below(left, state, step)
        take = np.uint64(x < k)
        taken |= (bits ^ rest) * take
        k -= np.int64(take)
        bits = rest
        if bits == 0:
            moved = (positive[i, w] & differ[w]) ^ taken
            positive[i, w] ^= moved
            positive[j, w] ^= moved
            changed |= moved
            at = min(at + 1, n_filled - 1)
            w = filled[at]
            bits, taken = differ[w], np.uint64(0)
    return changed != 0


@jit
def trade(positive, movable, order, first, last, sweep, state, step):
    """Trade once in each of the pairs ``first`` to ``last`` of one sweep, in place; return how many changed signs.

    A trade re-deals, uniformly, the positive signs of two rows over the columns where both can move and their signs
    differ, each row keeping its number. Pairs share no row and every trade has random words of its own, so ranges of
    pairs can run in any order, or at once.
    """
    n_words = positive.shape[1]
    differ, chosen = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    filled = np.empty(n_words, np.int64)
    n_changed = 0
    for pair in range(first, last):
        i, j = order[2 * pair], order[2 * pair + 1]
        n, k = 0, 0
        for w in range(n_words):
            d = (positive[i, w] ^ positive[j, w]) & movable[i, w] & movable[j, w]
            differ[w] = d
            n += count_bits(d)
            k += count_bits(d & positive[i, w])
        if k == 0 or k == n:
            continue
        own = state + (np.uint64(sweep * (len(order) // 2) + pair) << _OF_A_TRADE) * step
        if 2 * n < 48 + 5 * n_words:  # few bits by words would need repairs that seldom hit
            n_changed += deal_few(positive, i, j, differ, filled, n, k, own, step)
            continue
        choose(differ, n, k, chosen, own, step)
        changed = np.uint64(0)
        for w in range(n_words):
            moved = (positive[i, w] ^ chosen[w]) & differ[w]
            positive[i, w] ^= moved
            positive[j, w] ^= moved
            changed |= moved
        n_changed += changed != 0
    return n_changed


@jit
def trade_sweeps(positive, movable, ranked, first, last, pairings, trades):
    """Run sweeps ``first`` to ``last`` of trades, in place; return how many trades changed signs.

    ``ranked`` are the rows by their share of positive signs. ``pairings`` and ``trades`` are streams: a start and an
    increment.
    """
    n_changed = 0
    for sweep in range(first, last):
        order = pairing(ranked, sweep, pairings[0], pairings[1])
        n_changed += trade(positive, movable, order, 0, len(order) // 2, sweep, trades[0], trades[1])
    return n_changed
