"""Compiled kernels of the null models. The only module that imports numba.

Random numbers are counter-based (splitmix64 with a start and an odd increment of its own per call, both from the
numpy seed sequence), so results depend on the seed alone; bounded integers are exact (Lemire's multiplication with
rejection). Per-edge arrays follow edge order: ``indptr`` bounds the edges of each row, ``indices`` are their columns;
an empty ``indices`` beside edges means that every row holds every column.

``python -m nngraph.nulls._kernels`` compiles every kernel once and reports the seconds.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np

_ONE = np.uint64(1)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def _jit(function: Callable[..., Any]) -> Any:
    """Compile with a cache on disk: beside this file, else in the user's cache folder, else in a temporary folder."""
    compile_ = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return compile_(cache=True)(function)
    except RuntimeError:  # numba finds neither of its two folders writable
        user = os.getuid() if hasattr(os, "getuid") else 0
        folder = os.path.join(tempfile.gettempdir(), f"nngraph-kernels-{user}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != user:  # another user's: never load code from it
            return compile_()(function)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
        try:
            return compile_(cache=True)(function)
        finally:
            numba.config.CACHE_DIR = before


def streams(seed: np.random.SeedSequence) -> tuple[np.uint64, np.uint64]:
    """Return the start and the odd increment of one stream of random words."""
    start, step = seed.generate_state(2, np.uint64)
    return start, step | _ONE


@_jit
def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_jit
def _below(n, state, step):
    """Return the advanced state and a uniform integer of [0, n), n < 2**32."""
    bound = np.uint64(n)
    state += step
    product = (_mix(state) >> _32) * bound
    if product & _LOW < bound:
        rejected = (_ONE << _32) % bound
        while product & _LOW < rejected:
            state += step
            product = (_mix(state) >> _32) * bound
    return state, np.int64(product >> _32)


@_jit
def _shuffle(values, first, n, state, step):
    """Permute ``values[first : first + n]`` uniformly (Fisher-Yates, two draws per random word)."""
    i = n
    while i > 2:
        a, b = np.uint64(i), np.uint64(i - 1)
        state += step
        word = _mix(state)
        x, y = (word >> _32) * a, (word & _LOW) * b
        if (x & _LOW < a and x & _LOW < (_ONE << _32) % a) or (y & _LOW < b and y & _LOW < (_ONE << _32) % b):
            continue
        j, k = first + np.int64(x >> _32), first + i - 1
        values[j], values[k] = values[k], values[j]
        j, k = first + np.int64(y >> _32), first + i - 2
        values[j], values[k] = values[k], values[j]
        i -= 2
    if i == 2:
        state, j = _below(2, state, step)
        values[first + j], values[first + 1] = values[first + 1], values[first + j]
    return state


@_jit
def shuffle(values, bounds, state, step):
    """Permute, in place, the values between each two neighbours of ``bounds``."""
    for g in range(len(bounds) - 1):
        state = _shuffle(values, bounds[g], bounds[g + 1] - bounds[g], state, step)


@_jit
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
        state = _shuffle(pool, 0, i, state, step)
        state = _shuffle(pool, longest + 1, j - longest - 1, state, step)
        i, j = 0, longest + 1
        for e in range(bounds[g], bounds[g + 1]):
            up = signs[e] > 0 if len(signs) else values[e] > 0
            down = signs[e] < 0 if len(signs) else values[e] < 0
            value = pool[i if up else j]
            values[e] = value if up or down else values[e]
            i += up
            j += down


@_jit
def to_columns(values, indptr, indices, starts):
    """Return the values in column order; ``starts`` bounds the columns."""
    result = np.empty_like(values)
    place = starts.copy()
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e]
            result[place[c]] = values[e]
            place[c] += 1
    return result


@_jit
def from_columns(values, indptr, indices, starts):
    """Return values that are in column order in edge order."""
    result = np.empty_like(values)
    place = starts.copy()
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e]
            result[e] = values[place[c]]
            place[c] += 1
    return result


@_jit
def pack(signs, indptr, indices, n_columns):
    """Return two planes of 64-bit words, one bit per cell: positive edges, and edges that have a sign."""
    n_rows = len(indptr) - 1
    positive = np.zeros((n_rows, (n_columns + 63) // 64), np.uint64)
    signed = np.zeros_like(positive)
    for r in range(n_rows):
        current, up, any_ = 0, np.uint64(0), np.uint64(0)
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e] if len(indices) else e - indptr[r]
            if c >> 6 != current:
                positive[r, current], signed[r, current] = up, any_
                current, up, any_ = c >> 6, np.uint64(0), np.uint64(0)
            bit = np.uint64(c & 63)
            up |= np.uint64(signs[e] > 0) << bit
            any_ |= np.uint64(signs[e] != 0) << bit
        if indptr[r + 1] > indptr[r]:
            positive[r, current], signed[r, current] = up, any_
    return positive, signed


@_jit
def unpack(positive, signs, indptr, indices):
    """Return the signs that a plane holds, in edge order; an edge of sign 0 keeps it."""
    result = np.empty_like(signs)
    for r in range(len(indptr) - 1):
        for e in range(indptr[r], indptr[r + 1]):
            c = indices[e] if len(indices) else e - indptr[r]
            bit = np.int8((positive[r, c >> 6] >> np.uint64(c & 63)) & _ONE)
            result[e] = (2 * bit - 1) * (signs[e] != 0)
    return result


@_jit
def _count_bits(x):
    x = x - ((x >> _ONE) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@_jit
def _choose_few(differ, n, k, chosen, state, step):
    """Set in ``chosen`` a uniform k-subset of the n bits of ``differ``, going through them one by one."""
    for w in range(len(differ)):
        bits, taken = differ[w], np.uint64(0)
        while bits:
            lowest = bits & (~bits + _ONE)
            bits ^= lowest
            state, x = _below(n, state, step)
            if x < k:
                taken |= lowest
                k -= 1
            n -= 1
        chosen[w] = taken
    return state


@_jit
def _choose(differ, n, k, chosen, state, step):
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
                chosen[w] |= _mix(state + np.uint64(w + 1) * step)
        else:
            for w in range(n_words):
                chosen[w] &= _mix(state + np.uint64(w + 1) * step)
        state += np.uint64(n_words) * step
    size = 0
    for w in range(n_words):
        chosen[w] &= differ[w]
        size += _count_bits(chosen[w])
    bound = np.uint64(n_words)
    rejected = (_ONE << _32) % bound
    while size != k:
        state += step
        word = _mix(state)
        product = (word >> _32) * bound
        if product & _LOW < rejected:
            continue
        at, bit = np.int64(product >> _32), _ONE << (word & np.uint64(63))
        if size > k and chosen[at] & bit:
            chosen[at] ^= bit
            size -= 1
        elif size < k and differ[at] & ~chosen[at] & bit:
            chosen[at] |= bit
            size += 1
    return state


@_jit
def trade(positive, signed, n_sweeps, state, step):
    """Run sweeps of trades, in place: per sweep a uniform pairing of the rows, and for each pair one trade.

    A trade re-deals, uniformly, the positive signs of two rows over the columns where both have an edge and their
    signs differ, each row keeping its number.
    """
    n_rows, n_words = positive.shape
    order = np.arange(n_rows)
    differ, chosen = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    for _ in range(n_sweeps):
        state = _shuffle(order, 0, n_rows, state, step)
        for pair in range(n_rows // 2):
            i, j = order[2 * pair], order[2 * pair + 1]
            n, k = 0, 0
            for w in range(n_words):
                d = (positive[i, w] ^ positive[j, w]) & signed[i, w] & signed[j, w]
                differ[w] = d
                n += _count_bits(d)
                k += _count_bits(d & positive[i, w])
            if k == 0 or k == n:
                continue
            if n < 48:
                state = _choose_few(differ, n, k, chosen, state, step)
            else:
                state = _choose(differ, n, k, chosen, state, step)
            for w in range(n_words):
                positive[i, w] = (positive[i, w] & ~differ[w]) | chosen[w]
                positive[j, w] = (positive[j, w] & ~differ[w]) | (differ[w] & ~chosen[w])


@_jit
def orient(signs, indptr, indices, n_columns):
    """Return the block as a directed graph: positive edges run from row to column, negative from column to row.

    Nodes are the rows, then the columns. The slots of node v are ``starts[v] : starts[v + 1]``, its ``n_out[v]``
    out-edges first; a slot holds the node at the other end and the slot of the same edge there.
    """
    n_rows = len(indptr) - 1
    n_nodes = n_rows + n_columns
    n_out, starts = np.zeros(n_nodes, np.int64), np.zeros(n_nodes + 1, np.int64)
    for r in range(n_rows):
        for e in range(indptr[r], indptr[r + 1]):
            v = n_rows + indices[e]
            if signs[e] != 0:
                starts[r + 1] += 1
                starts[v + 1] += 1
                n_out[r if signs[e] > 0 else v] += 1
    for v in range(n_nodes):
        starts[v + 1] += starts[v]
    next_out, next_in = starts[:-1].copy(), starts[:-1] + n_out
    other, mate = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.int32)
    for r in range(n_rows):
        for e in range(indptr[r], indptr[r + 1]):
            v = n_rows + indices[e]
            if signs[e] == 0:
                continue
            tail, head = (r, v) if signs[e] > 0 else (v, r)
            a, b = next_out[tail], next_in[head]
            next_out[tail] += 1
            next_in[head] += 1
            other[a], mate[a] = head, b
            other[b], mate[b] = tail, a
    return starts, n_out, other, mate


@_jit
def _exchange(other, mate, a, b):
    """Exchange two slots of one node."""
    other[a], other[b] = other[b], other[a]
    mate[a], mate[b] = mate[b], mate[a]
    mate[mate[a]], mate[mate[b]] = a, b


@_jit
def worms(starts, n_out, other, mate, eligible, n_worms, state, step):
    """Run worms, in place; return the number of steps taken.

    A worm leaves a uniform eligible row by a uniform out-edge. At each node it reaches it picks a uniform out-edge,
    then reverses the edge it came by, so that exchanging the two slots keeps all out-edges first; at a node without
    out-edges it goes back along that edge. It stops when it first returns to its row.
    """
    n_steps = 0
    for _ in range(n_worms):
        state, x = _below(len(eligible), state, step)
        home = eligible[x]
        state, x = _below(n_out[home], state, step)
        first = starts[home] + x
        v, arrival = other[first], mate[first]
        while v != home:
            n_steps += 1
            leave = arrival
            if n_out[v]:
                state, x = _below(n_out[v], state, step)
                leave = starts[v] + x
            nxt, at = other[leave], mate[leave]
            if leave != arrival:
                _exchange(other, mate, leave, arrival)
            v, arrival = nxt, at
        if arrival != first:
            _exchange(other, mate, arrival, first)
        n_steps += 1
    return n_steps


@_jit
def read_signs(starts, n_out, other, signs, indptr, indices, n_columns):
    """Return the signs of a directed graph made by :func:`orient`, in edge order."""
    n_rows = len(indptr) - 1
    result = np.zeros_like(signs)
    seen = np.full(n_columns, -1, np.int64)
    for r in range(n_rows):
        for slot in range(starts[r], starts[r] + n_out[r]):
            seen[other[slot] - n_rows] = r
        for e in range(indptr[r], indptr[r + 1]):
            if signs[e] != 0:
                result[e] = 1 if seen[indices[e]] == r else -1
    return result


def main() -> None:
    """Compile every kernel (or load it from the cache) and report the seconds."""
    from nngraph.convert.matrices import from_matrices
    from nngraph.nulls import randomize

    began = time.perf_counter()
    W = np.random.default_rng(0).normal(size=(24, 40))
    holes = np.where(np.arange(W.size).reshape(W.shape) % 5, W, 0)
    few = np.where(np.arange(W.size).reshape(W.shape) % 7, 0, W)
    for dtype, matrix, kind in itertools.product((np.float32, np.float64), (W, holes, few), "ABCDEFG"):
        for view in (matrix, matrix.T):
            randomize(from_matrices([view.astype(dtype)]), kind, rng=0)
    print(f"nngraph: kernels ready after {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
