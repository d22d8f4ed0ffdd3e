"""Worms: reversal of directed cycles of the signs of a fixed support."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph.nulls._kernels.compiling import jit
from nngraph.nulls._kernels.words import below


@jit
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


@jit
def _exchange(other, mate, a, b):
    """Exchange two slots of one node."""
    other[a], other[b] = other[b], other[a]
    mate[a], mate[b] = mate[b], mate[a]
    mate[mate[a]], mate[mate[b]] = a, b


@jit
def worms(starts, n_out, other, mate, eligible, n_worms, state, step):
    """Run worms, in place; return the number of steps taken.

    A worm leaves a uniform eligible row by a uniform out-edge. At each node it reaches it picks a uniform out-edge,
    then reverses the edge it came by, so that exchanging the two slots keeps all out-edges first; at a node without
    out-edges it goes back along that edge. It stops when it first returns to its row.
    """
    n_steps = 0
    for _ in range(n_worms):
        state, x = below(len(eligible), state, step)
        home = eligible[x]
        state, x = below(n_out[home], state, step)
        first = starts[home] + x
        v, arrival = other[first], mate[first]
        while v != home:
            n_steps += 1
            leave = arrival
            if n_out[v]:
                state, x = below(n_out[v], state, step)
                leave = starts[v] + x
            nxt, at = other[leave], mate[leave]
            if leave != arrival:
                _exchange(other, mate, leave, arrival)
            v, arrival = nxt, at
        if arrival != first:
            _exchange(other, mate, arrival, first)
        n_steps += 1
    return n_steps


@jit
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
