"""Random words and uniform choices: counter-based streams, bounded integers, permutations, subsets of bits.

A stream is a start and an odd increment of its own, both from the numpy seed sequence; word n is a hash of the start
and n increments (splitmix64), so results depend on the seed alone. Bounded integers are exact (Lemire's multiplication
with rejection).
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from nngraph._compiling import jit

ONE = np.uint64(1)
HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
SIX = np.uint64(63)
BLOCK = 128


def streams(seed: np.random.SeedSequence) -> tuple[np.uint64, np.uint64]:
    """Return the start and the odd increment of one stream of random words."""
    start, step = seed.generate_state(2, np.uint64)
    return start, step | ONE


@jit
def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def below(n, state, step):
    """Return the advanced state and a uniform integer of [0, n), n < 2**32."""
    bound = np.uint64(n)
    state += step
    product = (mix(state) >> HALF) * bound
    if product & LOW < bound:
        rejected = (ONE << HALF) % bound
        while product & LOW < rejected:
            state += step
            product = (mix(state) >> HALF) * bound
    return state, np.int64(product >> HALF)


@jit
def draw_block(picks, slot, first, state, step):
    """Set ``picks[slot + t]`` to a uniform integer of [0, first + t], t = 0 ... BLOCK - 1; return the advanced state.

    Two draws per random word, several words in one instruction; the few to be rejected are drawn anew one by one.
    """
    half = BLOCK // 2
    start, at = np.uint64(first + 1), np.uint64(slot)
    close = False
    for t in range(half):
        word = mix(state + np.uint64(t + 1) * step)
        a = start + np.uint64(t)
        b = a + np.uint64(half)
        x, y = (word >> HALF) * a, (word & LOW) * b
        picks[at + np.uint64(t)], picks[at + np.uint64(half + t)] = x >> HALF, y >> HALF
        close |= (x & LOW < a) | (y & LOW < b)
    begin, state = state, state + np.uint64(half) * step
    if close:
        for t in range(half):
            word = mix(begin + np.uint64(t + 1) * step)
            for part in range(2):
                offset = t + part * half
                bound = start + np.uint64(offset)
                bits = word & LOW if part else word >> HALF
                if (bits * bound) & LOW < (ONE << HALF) % bound:
                    state, picks[slot + offset] = below(bound, state, step)
    return state


@jit
def shuffle_part(values, first, n, state, step):
    """Permute ``values[first : first + n]`` uniformly (Fisher-Yates)."""
    if n < 16:
        for i in range(1, n):
            state, j = below(i + 1, state, step)
            values[first + i], values[first + j] = values[first + j], values[first + i]
        return state
    picks = np.empty(BLOCK, np.uint32)
    for done in range(0, n, BLOCK):
        state = draw_block(picks, 0, done, state, step)
        for t in range(min(BLOCK, n - done)):
            last, place = np.uint64(first + done + t), np.uint64(first) + np.uint64(picks[t])
            values[last], values[place] = values[place], values[last]
    return state


@intrinsic
def _ctpop(typing, x):
    """One machine instruction, or several lanes in one, where the processor has it."""
    return types.uint64(types.uint64), lambda context, builder, signature, args: builder.ctpop(args[0])


@intrinsic
def _bitreverse(typing, x):
    return types.uint64(types.uint64), lambda context, builder, signature, args: builder.bitreverse(args[0])


@jit
def count_bits(x):
    return np.int64(_ctpop(x))


@jit
def reverse_bits(x):
    """Return the word with bit b where bit 63 - b was."""
    return _bitreverse(x)


@jit
def rotate(x, n):
    """Return the word with bit b - n (mod 64) where bit b was."""
    n &= SIX
    return (x << n) | (x >> ((np.uint64(64) - n) & SIX))


@jit
def choose(differ, n, k, chosen, state, step):
    """Set in ``chosen`` a uniform k-subset of the n bits of ``differ``, 0 < k < n.

    Each bit is taken with a rate close to k / n, by and/or of at most eight random words; then uniformly chosen bits
    are added or removed until there are k. Given its size a set of independent bits is uniform, and uniform repairs
    keep that, so the result is exact whatever the precision of the rate.
    """
    n_words = len(differ)
    rate = (512 * k + n) // (2 * n)
    chosen[:] = np.uint64(0) if rate < 256 else ~np.uint64(0)
    started = False
    for b in range(8):
        if not started and not (rate >> b) & 1:
            continue
        started = True
        if (rate >> b) & 1:
            for w in range(n_words):
                chosen[w] |= mix(state + np.uint64(w + 1) * step)
        else:
            for w in range(n_words):
                chosen[w] &= mix(state + np.uint64(w + 1) * step)
        state += np.uint64(n_words) * step
    size = 0
    for w in range(n_words):
        chosen[w] &= differ[w]
        size += count_bits(chosen[w])
    bound = np.uint64(n_words)
    rejected = (ONE << HALF) % bound
    while size != k:
        state += step
        word = mix(state)
        product = (word >> HALF) * bound
        if product & LOW < rejected:
            continue
        at, bit = np.int64(product >> HALF), ONE << (word & np.uint64(63))
        if size > k and chosen[at] & bit:
            chosen[at] ^= bit
            size -= 1
        elif size < k and differ[at] & ~chosen[at] & bit:
            chosen[at] |= bit
            size += 1
    return state
