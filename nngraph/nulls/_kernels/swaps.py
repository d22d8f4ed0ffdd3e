"""Checkerboard swaps of many 2x2 submatrices at once, 64 pairs of columns in each word.

A lane is a row of the plane as its users see it. Planes lie here with words first, (n_words, n_lanes), so that one word
of many lanes is contiguous and the compiler works on several lanes in one instruction.

Lanes i and d - i (mod n_lanes) are paired, and words w and c - w (mod n_words); bit b of the first word with bit b + r
(mod 64) of the second, or, in a word that is its own partner, with bit e - b. Each of these is an involution without
regard to the state, so exchanging every checkerboard of the pairing is one too: the chain is symmetric and the uniform
law stationary. Bits of the padding are 0 in both lanes, thus never part of a checkerboard.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.planes import sweep_key
from nngraph.nulls._kernels.words import HALF, count_bits, mix, reverse_bits, rotate

EVERY = ~np.uint64(0)


@jit
def _swap_words(plane, w, v, first, last, turn, coins):
    """Swap the checkerboards between words w and v of lanes first + t and last - t where a coin allows it."""
    n_changed = 0
    for t in range((last - first + 1) // 2):
        i, j = np.uint64(first + t), np.uint64(last - t)  # unsigned: numba would test for negative indices
        a, b = plane[w, i], plane[w, j]
        x, y = rotate(plane[v, i], turn), rotate(plane[v, j], turn)
        swap = (a ^ b) & (a ^ x) & (b ^ y) & coins[t]
        plane[w, i], plane[w, j] = a ^ swap, b ^ swap
        back = np.uint64(64) - turn
        plane[v, i], plane[v, j] = rotate(x ^ swap, back), rotate(y ^ swap, back)
        n_changed += count_bits(swap)
    return n_changed


@jit
def _swap_within(plane, w, first, last, turn, coins):
    """Swap the checkerboards within word w of lanes first + t and last - t."""
    n_changed = 0
    for t in range((last - first + 1) // 2):
        i, j = np.uint64(first + t), np.uint64(last - t)
        a, b = plane[w, i], plane[w, j]
        x, y = rotate(reverse_bits(a), turn), rotate(reverse_bits(b), turn)
        coin = coins[t] & rotate(reverse_bits(coins[t]), turn)  # one coin for both bits of a pair
        swap = (a ^ b) & (a ^ x) & (b ^ y) & coin
        plane[w, i], plane[w, j] = a ^ swap, b ^ swap
        n_changed += count_bits(swap)
    return n_changed // 2


@jit
def swap_pass(plane, lazy, first, last, key, step):
    """Run the pairs of words ``first`` to ``last`` of one pass, in place; return the number of swaps.

    Where ``lazy``, every swap is made with probability 1/2 (1/4 within a word), so that one alone, or none, can happen.
    The pairing is a function of the key, and pairs share no cell: parts may run in any order, or at once.
    """
    n_words, n_lanes = plane.shape
    centre = np.int64(((mix(key) >> HALF) * np.uint64(n_words)) >> HALF)
    coins = np.full(n_lanes // 2 + 1, EVERY)
    n_changed = 0
    for pair in range(first, last):
        # the pairs of words: w and c - w for w up to c / 2, then w and c + n_words - w, own partners among them
        w = pair if pair <= centre // 2 else pair + centre - centre // 2
        v = centre - w if pair <= centre // 2 else centre + n_words - w
        state = mix(key + np.uint64(pair + 1) * step)
        middle = np.int64(((state >> HALF) * np.uint64(n_lanes)) >> HALF)
        turn = state & np.uint64(63)
        for low, high in ((0, middle), (middle + 1, n_lanes - 1)):
            if lazy:
                for t in range((high - low + 1) // 2):
                    coins[t] = mix(state + np.uint64(low + t + 1) * step)
            if w == v:
                n_changed += _swap_within(plane, w, low, high, turn, coins)
            else:
                n_changed += _swap_words(plane, w, v, low, high, turn, coins)
    return n_changed


@jit
def n_word_pairs(n_words, key):
    """Return how many pairs of words a pass has, own partners counted."""
    centre = np.int64(((mix(key) >> HALF) * np.uint64(n_words)) >> HALF)
    return centre // 2 + 1 + (n_words - centre) // 2


@jit
def swap(plane, n_passes, first_sweep, n_sweeps, state, step):
    """Run sweeps of ``n_passes`` passes each, the first of them lazy, in place; return the number of swaps."""
    n_changed = 0
    for number in range(first_sweep * n_passes, (first_sweep + n_sweeps) * n_passes):
        key = sweep_key(number, state, step)
        n_changed += swap_pass(plane, number % n_passes == 0, 0, n_word_pairs(plane.shape[0], key), key, step)
    return n_changed
