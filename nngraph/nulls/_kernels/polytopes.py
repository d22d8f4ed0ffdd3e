"""Integer magnitudes with given sums of rows and columns: find some, then move among them.

The graph is the one of :mod:`nngraph.nulls._kernels.strengths`, nodes split by sign. ``q`` holds an integer of
[1, ``most``] for each slot. Nodes are the split rows, then the split columns. Adding e, -e, e, ... along a cycle keeps
all sums, and whatever picks the cycle looks at the graph alone, never at q: with e uniform over what the bounds allow,
the uniform law over all magnitudes with these sums is stationary.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import below, shuffle_part


@jit
def incidence(starts, columns, n_columns):
    """Return the slots of each node, as bounds and slots, and the row of each slot."""
    n_rows = len(starts) - 1
    n = len(columns)
    rows, slots = np.empty(n, np.int32), np.empty(2 * n, np.int32)
    bounds = np.zeros(n_rows + n_columns + 1, np.int64)
    bounds[: n_rows + 1] = starts
    for k in range(n):
        bounds[n_rows + columns[k] + 1] += 1
    for v in range(n_rows, n_rows + n_columns):
        bounds[v + 1] += bounds[v]
    place = bounds[n_rows:-1].copy()
    for r in range(n_rows):
        for k in range(starts[r], starts[r + 1]):
            rows[k], slots[k] = r, k
            slots[place[columns[k]]] = k
            place[columns[k]] += 1
    return bounds, slots, rows


@jit
def prune(bounds, slots, rows, columns, n_rows):
    """Return the slots of each node without edges that lead to a node with no other edge, one after the other."""
    bounds, alive, degree = bounds.copy(), np.ones(len(rows), np.bool_), np.diff(bounds)
    for leaf in range(len(degree)):
        v = leaf
        while degree[v] == 1:
            for at in range(bounds[v], bounds[v + 1]):
                k = slots[at]
                if alive[k]:
                    alive[k] = False
                    degree[v] -= 1
                    v = rows[k] if v >= n_rows else n_rows + columns[k]
                    degree[v] -= 1
                    break
    left, n = np.empty(degree.sum(), np.int32), 0
    for v in range(len(degree)):
        first, bounds[v] = bounds[v], n
        for at in range(first, bounds[v + 1]):
            if alive[slots[at]]:
                left[n] = slots[at]
                n += 1
    bounds[-1] = n
    return bounds, left


@jit
def _reach(q, bounds, slots, rows, columns, n_rows, need, most, level):
    """Set each node's distance from the nearest source over edges with room; return that of the nearest sink, or 0.

    A row is left by raising an edge, a column by lowering one.
    """
    level[:] = -1
    queue = np.empty(len(need), np.int64)
    head, tail = 0, 0
    for v in range(len(need)):
        if need[v] > 0:
            level[v] = 0
            queue[tail] = v
            tail += 1
    sinks = 0
    while head < tail < len(need):
        v = queue[head]
        head += 1
        if sinks and level[v] >= sinks:
            break
        for at in range(bounds[v], bounds[v + 1]):
            k = slots[at]
            w = n_rows + columns[k] if v < n_rows else rows[k]
            if level[w] < 0 and (most - q[k] if v < n_rows else q[k] - 1) > 0:
                level[w] = level[v] + 1
                queue[tail] = w
                tail += 1
                if need[w] < 0:
                    sinks = level[w]
    return sinks


@jit
def balance(q, bounds, slots, rows, columns, n_rows, need, most):
    """Change q, in place, until no node needs anything, as far as that is possible (Dinic's maximum flow).

    ``need`` is what the sum of a row lacks, and what the sum of a column has too much; what is left stays in it.
    """
    level = np.empty(len(need), np.int64)
    path, nodes = np.empty(len(need), np.int64), np.empty(len(need), np.int64)
    while True:
        sinks = _reach(q, bounds, slots, rows, columns, n_rows, need, most, level)
        if not sinks:
            break
        at = bounds[:-1].copy()
        for source in range(len(need)):
            depth, v = 0, source
            while need[source] > 0:
                if need[v] < 0:
                    flow = min(need[source], -need[v])
                    for d in range(depth):
                        k = path[d]
                        flow = min(flow, most - q[k] if nodes[d] < n_rows else q[k] - 1)
                    for d in range(depth):
                        q[path[d]] += flow if nodes[d] < n_rows else -flow
                    need[source] -= flow
                    need[v] += flow
                    depth, v = 0, source
                elif at[v] < bounds[v + 1]:
                    k = slots[at[v]]
                    w = n_rows + columns[k] if v < n_rows else rows[k]
                    room = most - q[k] if v < n_rows else q[k] - 1
                    if room > 0 and level[w] == level[v] + 1 and (need[w] < 0 or level[w] < sinks):
                        path[depth], nodes[depth] = k, v
                        depth, v = depth + 1, w
                    else:
                        at[v] += 1
                elif depth:
                    depth -= 1
                    v = nodes[depth]
                    at[v] += 1
                else:
                    break


@jit
def _common(i, j, starts, columns, place, upper, lower):
    """List the slots of two rows in the columns that both have; return their number."""
    first, last = starts[i], starts[i + 1]
    for a in range(first, last):
        place[columns[a]] = a
    n = 0
    for b in range(starts[j], starts[j + 1]):
        a = place[columns[b]]
        upper[n], lower[n] = a, b
        n += (a >= first) & (a < last)  # else a slot of a row before
    return n


@jit
def _change_pairs(x, y, low, high, most, state, step):
    """Add e, -e, -e, e on the rectangle of columns ``low`` and ``high``, then on those next inside, and so on."""
    while low < high:
        a, b, c, d = np.int64(x[low]), np.int64(x[high]), np.int64(y[low]), np.int64(y[high])
        down = min(min(a, d) - 1, most - max(b, c))
        up = min(min(b, c) - 1, most - max(a, d))
        state, e = below(down + up + 1, state, step)
        e -= down
        x[low], x[high], y[low], y[high] = a + e, b - e, c - e, d + e
        low, high = low + 1, high - 1
    return state


@jit
def rectangles(q, starts, columns, n_columns, most, n_sweeps, state, step):
    """Add e, -e, -e, e on rectangles of edges of one sign, in place; return how many were tried.

    Per sweep the rows of each sign are paired at random. In each pair the columns that both rows have are paired, the
    k-th with the l-th where k + l is a random number modulo their number; four times where there are many, because
    finding them costs more than a round.
    """
    half = (len(starts) - 1) // 2
    order, place = np.empty(half, np.int64), np.full(n_columns, -1, np.int32)
    upper, lower = np.empty(n_columns + 1, np.int32), np.empty(n_columns + 1, np.int32)
    x, y = np.empty(n_columns, np.int32), np.empty(n_columns, np.int32)
    tried = 0
    for sweep in range(2 * n_sweeps):
        for r in range(half):
            order[r] = half * (sweep % 2) + r
        state = shuffle_part(order, 0, half, state, step)
        for pair in range(half // 2):
            n = _common(order[2 * pair], order[2 * pair + 1], starts, columns, place, upper, lower)
            if n < 2:
                continue
            for k in range(n):
                x[k], y[k] = q[upper[k]], q[lower[k]]
            for _ in range(min(4, n // 2)):
                state, total = below(n, state, step)
                state = _change_pairs(x, y, 0, total, most, state, step)
                state = _change_pairs(x, y, total + 1, n - 1, most, state, step)
                tried += (total + 1) // 2 + (n - 1 - total) // 2
            for k in range(n):
                q[upper[k]], q[lower[k]] = x[k], y[k]
    return tried


@jit
def lassos(q, bounds, slots, rows, columns, n_rows, most, n_steps, state, step):
    """Add e, -e, e, ... on random cycles of edges of one sign, in place; return how many.

    From a uniform end of a uniform edge a walk goes on, never straight back, until it comes to a node for the second
    time: that closes the cycle. Every node has two edges or more (:func:`prune`), so it always can. Walks start until
    they have taken ``n_steps`` steps in all; their lengths do not depend on q.
    """
    seen = np.full(len(bounds) - 1, -1, np.int64)
    path, nodes = np.empty(len(seen) + 1, np.int64), np.empty(len(seen) + 1, np.int64)
    n_cycles = 0
    while n_steps > 0 and len(slots):
        n_cycles += 1
        state, x = below(len(slots), state, step)
        k = slots[x]
        v = rows[k] if x < bounds[n_rows] else n_rows + columns[k]
        length = 0
        while seen[v] < 0:
            seen[v] = length
            path[length], nodes[length] = k, v
            length += 1
            v = n_rows + columns[k] if v < n_rows else rows[k]
            state, x = below(bounds[v + 1] - bounds[v] - 1, state, step)
            k = slots[bounds[v] + x] if slots[bounds[v] + x] != k else slots[bounds[v + 1] - 1]
        first = seen[v]
        least, greatest = 1 - most, most - 1
        for d in range(first, length):
            up = (d - first) % 2 == 0
            least = max(least, 1 - q[path[d]] if up else q[path[d]] - most)
            greatest = min(greatest, most - q[path[d]] if up else q[path[d]] - 1)
        state, e = below(greatest - least + 1, state, step)
        e += least
        for d in range(first, length):
            q[path[d]] += e if (d - first) % 2 == 0 else -e
        for d in range(length):
            seen[nodes[d]] = -1
        n_steps -= length
    return n_cycles


@jit
def _grow(bounds, slots, rows, columns, n_rows, parent, above, level, queue, state, step):
    """Grow breadth-first trees from random roots: set the edge to the parent, the parent, and the level of each node.

    A node looks at its edges from a random one on, so that trees differ.
    """
    n_nodes = len(level)
    level[:] = -1
    state, x = below(n_nodes, state, step)
    for t in range(n_nodes):
        root = (x + t) % n_nodes
        if level[root] >= 0:
            continue
        level[root], parent[root], above[root] = 0, -1, -1
        queue[0] = root
        head, tail = 0, 1
        while head < tail:
            v = queue[head]
            head += 1
            n = bounds[v + 1] - bounds[v]
            if n == 0:
                continue
            state, at = below(n, state, step)
            for _ in range(n):
                k = slots[bounds[v] + at]
                at = at + 1 if at + 1 < n else 0
                w = n_rows + columns[k] if v < n_rows else rows[k]
                if level[w] < 0:
                    level[w], parent[w], above[w] = level[v] + 1, k, v
                    queue[tail] = w
                    tail += 1
    return state


@jit
def tree_cycles(q, bounds, slots, rows, columns, n_rows, most, n_trees, state, step):
    """Add e, -e, e, ... on short cycles of edges of one sign, in place.

    Each edge outside a breadth-first tree closes one cycle with it, about as short as any through that edge. The graph
    is a whole one, not pruned.
    """
    n_nodes = len(bounds) - 1
    parent, above = np.empty(n_nodes, np.int32), np.empty(n_nodes, np.int32)
    level, queue = np.empty(n_nodes, np.int32), np.empty(n_nodes, np.int32)
    path = np.empty(n_nodes + 1, np.int64)
    for _ in range(n_trees):
        state = _grow(bounds, slots, rows, columns, n_rows, parent, above, level, queue, state, step)
        for k in range(len(rows)):
            a, b = np.int64(rows[k]), np.int64(n_rows + columns[k])
            if parent[a] == k or parent[b] == k:
                continue
            # raised edges fill the path from the front, lowered ones from the back
            path[0] = k
            up, down = 1, n_nodes + 1
            least, greatest = 1 - q[k], most - q[k]
            raise_a, raise_b = False, False
            while a != b:
                if level[a] > level[b]:
                    edge, raised = parent[a], raise_a
                    a, raise_a = above[a], not raise_a
                else:
                    edge, raised = parent[b], raise_b
                    b, raise_b = above[b], not raise_b
                if raised:
                    path[up] = edge
                    up += 1
                    least, greatest = max(least, 1 - q[edge]), min(greatest, most - q[edge])
                else:
                    down -= 1
                    path[down] = edge
                    least, greatest = max(least, q[edge] - most), min(greatest, q[edge] - 1)
            state, e = below(greatest - least + 1, state, step)
            e += least
            for at in range(up):
                q[path[at]] += e
            for at in range(down, n_nodes + 1):
                q[path[at]] -= e
