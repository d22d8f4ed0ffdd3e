"""Worms: reversal of directed cycles of the signs of a fixed support, on lists of edges or on planes of bits.

Positive edges run from their row to their column, negative ones from column to row. A worm leaves its home, a row, by
a uniform out-edge. At each node that it reaches it picks a uniform out-edge, and only then reverses the edge it came
by, which is so never picked. It stops when it first returns home. Every movable edge lies on a directed cycle, before
and after, so every node reached has an out-edge to leave by.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import HALF, LOW, ONE, below, count_bits, mix

_OF_A_SWEEP = np.uint64(40)
"""The worms of every sweep have 2**40 words of their stream to themselves."""


@jit
def orient(rows, columns, positive, n_rows, n_columns):
    """Return edges as a directed graph of slots.

    Returns
    -------
    nodes : numpy.ndarray
        (n_rows + n_columns, 2): the first slot of each node, rows before columns, and its number of out-edges, which
        stand first in its slots.
    edge_at : numpy.ndarray
        (2 n_edges,) edge of each slot.
    ends : numpy.ndarray
        (n_edges, 4): row, its slot, column as a node, its slot.
    """
    n_edges = len(rows)
    nodes = np.zeros((n_rows + n_columns, 2), np.int32)
    n_slots = np.zeros(n_rows + n_columns, np.int32)
    for e in range(n_edges):
        r, c = rows[e], n_rows + columns[e]
        n_slots[r] += 1
        n_slots[c] += 1
        nodes[r if positive[e] else c, 1] += 1
    first = 0
    for v in range(len(nodes)):
        nodes[v, 0] = first
        first += n_slots[v]
    next_out, next_in = nodes[:, 0].copy(), nodes[:, 0] + nodes[:, 1]
    edge_at, ends = np.empty(2 * n_edges, np.int32), np.empty((n_edges, 4), np.int32)
    for e in range(n_edges):
        r, c = rows[e], n_rows + columns[e]
        if positive[e]:
            at_row, at_column = next_out[r], next_in[c]
            next_out[r] += 1
            next_in[c] += 1
        else:
            at_row, at_column = next_in[r], next_out[c]
            next_in[r] += 1
            next_out[c] += 1
        edge_at[at_row] = edge_at[at_column] = e
        ends[e, 0], ends[e, 1], ends[e, 2], ends[e, 3] = r, at_row, c, at_column
    return nodes, edge_at, ends


@jit
def heads(nodes, edge_at, ends):
    """Return the out-edges of a directed graph of slots as compressed rows: bounds, and node at the other end."""
    bounds = np.zeros(len(nodes) + 1, np.int32)
    to = np.empty(len(ends), np.int32)
    n = 0
    for v in range(len(nodes)):
        for slot in range(nodes[v, 0], nodes[v, 0] + nodes[v, 1]):
            e = edge_at[slot]
            to[n] = ends[e, 2] if ends[e, 0] == v else ends[e, 0]
            n += 1
        bounds[v + 1] = n
    return bounds, to


@jit
def _coin(n_worms, sweep, state, step):
    """Return the words of one sweep, and ``n_worms`` or, with probability 1/2, one more: no parity can show."""
    state += (np.uint64(sweep) << _OF_A_SWEEP) * step + step
    return state, n_worms + np.int64(mix(state) & ONE)


@jit
def _home(homes, chances, state, step):
    """Return a row, each at its own chance; ``chances`` are cumulative and end in 1."""
    state += step
    return state, homes[np.searchsorted(chances, np.float64(mix(state) >> np.uint64(11)) * 2.0**-53, side="right")]


@jit
def crawl_lists(nodes, edge_at, ends, homes, chances, n_worms, sweep, state, step):
    """Run the worms of one sweep on slots, in place; return how many, and their steps in all."""
    state, n_worms = _coin(n_worms, sweep, state, step)
    n_steps = 0
    for _ in range(n_worms):
        state, home = _home(homes, chances, state, step)
        state, x = below(nodes[home, 1], state, step)
        first = nodes[home, 0] + x
        e, side = edge_at[first], 2
        while ends[e, side] != home:
            v, arrival = ends[e, side], ends[e, side + 1]
            state, x = below(nodes[v, 1], state, step)
            leave = nodes[v, 0] + x
            nxt = edge_at[leave]
            edge_at[leave], edge_at[arrival] = e, nxt
            ends[e, side + 1], ends[nxt, side + 1] = leave, arrival
            e, side = nxt, 2 - side
            n_steps += 1
        arrival, begun = ends[e, 1], edge_at[first]
        edge_at[first], edge_at[arrival] = e, begun
        ends[e, 1], ends[begun, 1] = first, arrival
        n_steps += 1
    return n_worms, n_steps


@jit
def _leave_row(row, movable, n_words, state, step):
    """Return a uniform set bit of ``row & movable``: at random cells, or by counting where set bits are rare."""
    bound = np.uint64(n_words)
    rejected = (ONE << HALF) % bound
    for _ in range(16 + n_words // 2):
        state += step
        word = mix(state)
        product = (word >> HALF) * bound
        tried, bit = np.int64(product >> HALF), word & np.uint64(63)
        if (row[tried] & movable[tried]) >> bit & ONE and product & LOW >= rejected:
            return state, (tried << 6) + np.int64(bit)
    n = 0
    for w in range(n_words):
        n += count_bits(row[w] & movable[w])
    state, x = below(n, state, step)
    w, bits = 0, row[0] & movable[0]
    while x >= count_bits(bits):
        x -= count_bits(bits)
        w += 1
        bits = row[w] & movable[w]
    for _ in range(x):
        bits &= bits - ONE
    return state, (w << 6) + count_bits((bits & (~bits + ONE)) - ONE)


@jit
def _leave_column(positive, movable, c, state, step):
    """Return a uniform row whose cell in a column is movable and not positive."""
    n_rows = len(positive)
    w, bit = c >> 6, np.uint64(c & 63)
    for _ in range(16 + n_rows // 4):
        state, tried = below(n_rows, state, step)
        if (movable[tried, w] & ~positive[tried, w]) >> bit & ONE:
            return state, tried
    n = 0
    for r in range(n_rows):
        if (movable[r, w] & ~positive[r, w]) >> bit & ONE:
            n += 1
    state, x = below(n, state, step)
    for r in range(n_rows):
        if (movable[r, w] & ~positive[r, w]) >> bit & ONE:
            if x == 0:
                break
            x -= 1
    return state, r


@jit
def crawl_planes(positive, movable, homes, chances, n_worms, sweep, state, step):
    """Run the worms of one sweep on planes, in place; return how many, and their steps in all."""
    state, n_worms = _coin(n_worms, sweep, state, step)
    n_words = positive.shape[1]
    n_steps = 0
    for _ in range(n_worms):
        state, home = _home(homes, chances, state, step)
        r, came = home, np.int64(-1)
        while True:
            state, c = _leave_row(positive[r], movable[r], n_words, state, step)
            if came >= 0:
                positive[r, came >> 6] ^= ONE << np.uint64(came & 63)
            state, after = _leave_column(positive, movable, c, state, step)
            positive[r, c >> 6] ^= ONE << np.uint64(c & 63)
            r, came = after, c
            n_steps += 2
            if r == home:
                positive[r, c >> 6] ^= ONE << np.uint64(c & 63)
                break
    return n_worms, n_steps
