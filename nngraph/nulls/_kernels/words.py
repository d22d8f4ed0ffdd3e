"""Random words and uniform choices: counter-based streams, bounded integers, permutations, subsets of bits.

A stream is a start and an odd increment of its own, both from the numpy seed sequence; word n is a hash of the start
and n increments (splitmix64), so results depend on the seed alone. Bounded integers are exact (Lemire's multiplication
with rejection).
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph.nulls._kernels.compiling import jit

ONE = np.uint64(1)
HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)


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
def shuffle_part(values, first, n, state, step):
    """Permute ``values[first : first + n]`` uniformly (Fisher-Yates, two draws per random word)."""
    i = n
    while i > 2:
        a, b = np.uint64(i), np.uint64(i - 1)
        state += step
        word = mix(state)
        x, y = (word >> HALF) * a, (word & LOW) * b
        if (x & LOW < a and x & LOW < (ONE << HALF) % a) or (y & LOW < b and y & LOW < (ONE << HALF) % b):
            continue
        j, k = first + np.int64(x >> HALF), first + i - 1
        values[j], values[k] = values[k], values[j]
        j, k = first + np.int64(y >> HALF), first + i - 2
        values[j], values[k] = values[k], values[j]
        i -= 2
    if i == 2:
        state, j = below(2, state, step)
        values[first + j], values[first + 1] = values[first + 1], values[first + j]
    return state


@jit
def count_bits(x):
    x = x - ((x >> ONE) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def choose_few(differ, n, k, chosen, state, step):
    """Set in ``chosen`` a uniform k-subset of the n bits of ``differ``, going through them one by one."""
    for w in range(len(differ)):
        bits, taken = differ[w], np.uint64(0)
        while bits:
            lowest = bits & (~bits + ONE)
            bits ^= lowest
            state, x = below(n, state, step)
            if x < k:
                taken |= lowest
                k -= 1
            n -= 1
        chosen[w] = taken
    return state


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
