"""Trades between two rows of a plane of bits: states of two kinds, no cell absent."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import count_bits, mix, shuffle_part


@jit
def redeal(plane, i, j, differ, taken, left, lower, state, step):
    """Trade, in place: deal the bits in which two rows differ anew, each row keeping its number; tell of a change.

    Row i gets the k bits with the smallest of independent uniform numbers, found by their binary digits, all bits of
    a word at once: if no more than k of the undecided bits have a 0 next, they are taken, else only they stay
    undecided. So every k-subset is equally likely, exactly. The last four arguments before ``state`` are room for one
    row each.
    """
    n_words = plane.shape[1]
    n_left, n_first = np.uint64(0), np.uint64(0)
    for w in range(n_words):
        d = plane[i, w] ^ plane[j, w]
        differ[w], left[w], taken[w], lower[w] = d, d, 0, 0
        n_left += np.uint64(count_bits(d))
        n_first += np.uint64(count_bits(d & plane[i, w]))
    n, k = np.int64(n_left), np.int64(n_first)
    if k == 0 or k == n:
        return False
    accept = ~np.uint64(0)  # all ones where the last lower half was taken
    while k != 0 and k != n:
        size = np.uint64(0)
        for w in range(n_words):
            half = lower[w]
            taken[w] |= half & accept
            rest = half ^ (left[w] & accept)
            left[w] = rest
            half = rest & mix(state + np.uint64(w + 1) * step)
            lower[w] = half
            size += np.uint64(count_bits(half))
        state += np.uint64(n_words) * step
        below = np.int64(size)
        if below <= k:
            k, n, accept = k - below, n - below, ~np.uint64(0)
        else:
            n, accept = below, np.uint64(0)
    rest_too = ~np.uint64(0) if k else np.uint64(0)
    changed = np.uint64(0)
    for w in range(n_words):
        half, d = lower[w], differ[w]
        dealt = taken[w] | (half & accept) | ((half ^ (left[w] & accept)) & rest_too)
        before = plane[i, w]
        changed |= dealt ^ (before & d)
        plane[i, w] = (before & ~d) | dealt
        plane[j, w] = (plane[j, w] & ~d) | (d ^ dealt)
    return changed != 0


@jit
def sweep_key(number, state, step):
    """Return the key of one sweep of trades, or of one pass of swaps."""
    return mix(state + np.uint64(number + 1) * step)


@jit
def random_order(n, key, step):
    """Return a uniform permutation of n rows, a function of the key."""
    order = np.arange(n)
    shuffle_part(order, 0, n, key, step)
    return order


@jit
def trade_pairs(plane, order, first, last, key, step):
    """Trade in the pairs ``first`` to ``last`` of neighbours in an order of the rows; return how many changed.

    Each pair has random words of its own, and pairs share no row: parts may run in any order, or at once.
    """
    n_words = plane.shape[1]
    differ, taken = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    left, lower = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    n_changed = 0
    for pair in range(first, last):
        state = mix(key ^ mix(np.uint64(pair + 1) * step))
        i, j = order[2 * pair], order[2 * pair + 1]
        n_changed += redeal(plane, i, j, differ, taken, left, lower, state, step)
    return n_changed


@jit
def trade_plane(plane, first_sweep, n_sweeps, state, step):
    """Run sweeps of trades, in place: per sweep a uniform pairing of the rows; return how many trades changed."""
    n_changed = 0
    for number in range(first_sweep, first_sweep + n_sweeps):
        key = sweep_key(number, state, step)
        order = random_order(plane.shape[0], key, step)
        n_changed += trade_pairs(plane, order, 0, plane.shape[0] // 2, key, step)
    return n_changed
