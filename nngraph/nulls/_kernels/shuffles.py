"""Permutations of weights within groups of edges, and weights drawn anew for another number of edges."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import ONE, below, shuffle_part


@jit
def shuffle(values, bounds, state, step):
    """Permute, in place, the values between each two neighbours of ``bounds``."""
    for g in range(len(bounds) - 1):
        state = shuffle_part(values, bounds[g], bounds[g + 1] - bounds[g], state, step)


@jit
def shuffle_by_sign(values, signs, bounds, state, step):
    """Permute, in place and within each group of ``bounds``, positive and negative values among themselves.

    The positive values go where ``signs`` is 1 and the negative where it is -1 (as many of each in every group as
    before); an empty ``signs`` means where they are now. Zeros stay.
    """
    longest = 0
    for g in range(len(bounds) - 1):
        longest = max(longest, bounds[g + 1] - bounds[g])
    pool = np.empty(2 * longest + 2, values.dtype)  # positive values, then negative ones
    for g in range(len(bounds) - 1):
        i, j = 0, longest + 1
        for e in range(bounds[g], bounds[g + 1]):  # without branches: the next value overwrites what does not count
            value = values[e]
            pool[i] = value
            pool[j] = value
            i += value > 0
            j += value < 0
        state = shuffle_part(pool, 0, i, state, step)
        state = shuffle_part(pool, longest + 1, j - longest - 1, state, step)
        i, j = 0, longest + 1
        for e in range(bounds[g], bounds[g + 1]):
            up = signs[e] > 0 if len(signs) else values[e] > 0
            down = signs[e] < 0 if len(signs) else values[e] < 0
            value = pool[i if up else j]
            values[e] = value if up or down else values[e]
            i += up
            j += down


@jit
def pool_by_sign(values, n_positive, pool, state, step):
    """Put all positive values at the start of ``pool`` and the others after them, both shuffled."""
    i, j = np.uint64(0), np.uint64(len(values) - 1)
    for e in range(len(values)):
        value = values[np.uint64(e)]
        pool[i] = value  # without branches: the next value overwrites what does not count
        pool[j] = value
        up = np.uint64(value > 0)
        i += up
        j -= np.uint64(1) - up
    state = shuffle_part(pool, 0, n_positive, state, step)
    shuffle_part(pool, n_positive, len(pool) - n_positive, state, step)


@jit
def place(pool, n_positive, plane, values):
    """Give the cells of a plane with words first the values of ``pool``: those with a bit the first ones, in order."""
    n_source = plane.shape[1]
    i, j = np.uint64(0), np.uint64(n_positive)
    for r in range(len(values) // n_source):
        words, first, bit = plane[r >> 6], np.uint64(r * n_source), np.uint64(r & 63)
        for c in range(n_source):
            up = (words[c] >> bit) & ONE
            values[first + np.uint64(c)] = pool[i if up else j]
            i += up
            j += ONE - up


@jit
def resample(values, signs, state, step):
    """Return a weight for each of ``signs``, 1 or -1, out of the values of that sign.

    Where the sign has as many edges as values they are the values in a random order, else drawn with replacement.
    """
    pool = np.empty_like(values)  # positive values from the left, negative ones from the right
    i, j = 0, len(values) - 1
    for value in values:  # without branches: the next value overwrites what does not count
        pool[i] = value
        pool[j] = value
        i += value > 0
        j -= value < 0
    n_positive = 0
    for sign in signs:
        n_positive += sign > 0
    drawn = np.empty(len(signs) + 1, values.dtype)
    state = draw_part(pool, 0, i, drawn, 0, n_positive, state, step)
    state = draw_part(pool, j + 1, len(values) - 1 - j, drawn, n_positive, len(signs) - n_positive, state, step)
    result = np.empty(len(signs), values.dtype)
    i, j = 0, n_positive
    for e in range(len(signs)):
        up = signs[e] > 0
        result[e] = drawn[i if up else j]
        i += up
        j += not up
    return result


@jit
def draw_part(pool, first, n, drawn, start, n_drawn, state, step):
    """Put into ``drawn`` so many of n values: in a random order if it is n of them, else drawn with replacement."""
    if n_drawn == n:
        drawn[start : start + n] = pool[first : first + n]
        return shuffle_part(drawn, start, n, state, step)
    for k in range(start, start + n_drawn):
        state, at = below(n, state, step)
        drawn[k] = pool[first + at]
    return state
