"""Linear assignment: row i takes column p[i] so that the sum of G[i, p[i]] is largest, with the prices that prove it.

Prices ``v`` of columns; what column j is worth to row i is G[i, j] - v[j]. The assignment is optimal if every row has
a column that is worth most to it. ``owner`` is the inverse of ``p``; -1 marks a free row or column.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit, jit_finite, jit_sums

WIDTH = 32
"""Columns whose maximum is taken at once; only the block that holds the largest value is searched for its place."""


@jit_finite
def top_two(row, v, tops):
    """Return the place and value of the largest row[j] - v[j], and the second largest value."""
    n = len(row)
    n_blocks = (n + WIDTH - 1) // WIDTH
    for block in range(n_blocks):
        top = -np.inf
        for j in range(block * WIDTH, min(n, (block + 1) * WIDTH)):
            worth = row[j] - v[j]
            top = worth if worth > top else top
        tops[block] = top
    where, first, second = 0, -np.inf, -np.inf
    for block in range(n_blocks):
        top = tops[block]
        if top > first:
            where, first, second = block, top, first
        elif top > second:
            second = top
    begin, end = where * WIDTH, min(n, (where + 1) * WIDTH)
    j1 = begin
    while row[j1] - v[j1] < first:
        j1 += 1
    for j in range(begin, end):
        worth = row[j] - v[j] if j != j1 else second
        second = worth if worth > second else second
    return j1, first, second


@jit_finite
def largest(row, v):
    """Return the largest row[j] - v[j]."""
    top = -np.inf
    for j in range(len(row)):
        worth = row[j] - v[j]
        top = worth if worth > top else top
    return top


@jit_finite
def auction(G, v, p, owner, eps):
    """Let the free rows bid until there are none: every row then is within ``eps`` of its best column."""
    n = len(G)
    tops = np.empty((n + WIDTH - 1) // WIDTH)
    free = np.empty(n, np.int64)
    n_free = 0
    for i in range(n):
        if p[i] < 0:
            free[n_free] = i
            n_free += 1
    while n_free:
        i = free[n_free - 1]
        j, first, second = top_two(G[i], v, tops)
        v[j] += first - second + eps
        k = owner[j]
        owner[j] = i
        p[i] = j
        if k >= 0:
            p[k] = -1
            free[n_free - 1] = k
        else:
            n_free -= 1


@jit_finite
def release(G, v, p, owner, slack):
    """Free the rows whose column is worth less than the best by more than ``slack``; return their number."""
    released = 0
    for i in range(len(G)):
        j = p[i]
        if j >= 0 and largest(G[i], v) - (G[i, j] - v[j]) > slack:
            p[i] = -1
            owner[j] = -1
            released += 1
    return released


@jit_finite
def bid_exactly(G, v, p, owner, n_bids):
    """Let free rows bid without eps; a row of two best columns takes a free one, or stays free where there is none."""
    n = len(G)
    tops = np.empty((n + WIDTH - 1) // WIDTH)
    free = np.empty(n, np.int64)
    n_free = 0
    for i in range(n):
        if p[i] < 0:
            free[n_free] = i
            n_free += 1
    while n_free and n_bids:
        n_bids -= 1
        n_free -= 1
        i = free[n_free]
        j, first, second = top_two(G[i], v, tops)
        k = owner[j]
        if first == second and k >= 0:
            for other in range(n):
                if owner[other] < 0 and G[i, other] - v[other] == first:
                    j, k = other, -1
                    break
            if k >= 0:
                continue
        v[j] += first - second
        owner[j] = i
        p[i] = j
        if k >= 0:
            p[k] = -1
            free[n_free] = k
            n_free += 1


@jit_finite
def relax(row, v, offset, closed, taken, before, d, i, tops):
    """Shorten the distances of all columns by the row of ``i``; return the nearest open and the nearest free distance.

    ``closed`` is infinite at columns that are done, ``taken`` at columns that have an owner. ``tops`` keeps the least
    open distance of every block.
    """
    n = len(row)
    nearest, free = np.inf, np.inf
    for block in range((n + WIDTH - 1) // WIDTH):
        low, low_free = np.inf, np.inf
        for j in range(block * WIDTH, min(n, (block + 1) * WIDTH)):
            through = v[j] - row[j] + offset + closed[j]
            better = through < d[j]
            distance = through if better else d[j]
            before[j] = i if better else before[j]
            d[j] = distance
            is_open = distance + closed[j]
            low = is_open if is_open < low else low
            is_free = distance + taken[j]
            low_free = is_free if is_free < low_free else low_free
        tops[block] = low
        nearest = low if low < nearest else nearest
        free = low_free if low_free < free else free
    return nearest, free


@jit
def augment(G, v, p, owner, tolerance):
    """Give every free row a column by a shortest path (Dijkstra), ties within ``tolerance`` taken for equal."""
    n = len(G)
    n_blocks = (n + WIDTH - 1) // WIDTH
    d, closed, taken, tops = np.empty(n), np.zeros(n), np.empty(n), np.empty(n_blocks)
    before, scanned = np.empty(n, np.int64), np.empty(n, np.int64)
    for j in range(n):
        taken[j] = np.inf if owner[j] >= 0 else 0.0
    for start in range(n):
        if p[start] >= 0:
            continue
        closed[:] = 0.0
        d[:] = np.inf
        n_scanned = 0
        nearest, free = relax(G[start], v, largest(G[start], v), closed, taken, before, d, start, tops)
        while free > nearest + tolerance:
            block = 0
            while tops[block] > nearest:
                block += 1
            j = block * WIDTH
            while d[j] + closed[j] > nearest:
                j += 1
            closed[j] = np.inf
            scanned[n_scanned] = j
            n_scanned += 1
            i = owner[j]
            nearest, free = relax(G[i], v, nearest - (v[j] - G[i, j]), closed, taken, before, d, i, tops)
        end = 0
        while d[end] + taken[end] > free:
            end += 1
        for s in range(n_scanned):
            k = scanned[s]
            v[k] += max(free - d[k], 0.0)
        taken[end] = np.inf
        while True:
            i = before[end]
            last = p[i]
            owner[end] = i
            p[i] = end
            if i == start:
                break
            end = last


@jit_sums
def opening(G, v, p, owner):
    """Write prices and an assignment that are optimal for the best product a_i + b_j + x_i y_j near G; return scales.

    Of ordered x and y, rank goes to rank, and the price rises from one column to the next by (y' - y)(x + x') / 2.
    The first scale is the range of G, or 30 mean absolute entries of G without its a_i + b_j where outliers make the
    range far larger; the second is the mean absolute entry of G, the third the largest.
    """
    n = len(G)
    rows, columns = np.zeros(n), np.zeros(n)
    low, high, size = np.inf, -np.inf, 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            entry = G[i, j]
            low = entry if entry < low else low
            high = entry if entry > high else high
            total += entry
            size += abs(entry)
            columns[j] += entry
        rows[i] = total / n
    columns /= n
    mean = rows.mean()
    x, y = np.empty(n), columns - mean
    for _ in range(2):  # power iterations of the matrix without its row and column means
        y /= np.sqrt((y * y).sum()) + 1e-300
        along, ahead = (columns * y).sum(), np.zeros(n)
        for i in range(n):
            dot = 0.0
            for j in range(n):
                dot += G[i, j] * y[j]
            dot -= along
            x[i] = dot
            for j in range(n):
                ahead[j] += dot * (G[i, j] - columns[j])
        y = ahead - ahead.mean()
    x -= x.mean()
    y /= (x * x).sum() + 1e-300
    centred = 0.0
    for i in range(n):
        away = rows[i] - mean
        row = 0.0
        for j in range(n):
            row += abs(G[i, j] - columns[j] - away)
        centred += row
    of_row, of_column = np.argsort(x, kind="mergesort"), np.argsort(y, kind="mergesort")
    price = 0.0
    for k in range(n):
        i, j = of_row[k], of_column[k]
        if k:
            price += (y[j] - y[of_column[k - 1]]) * (x[i] + x[of_row[k - 1]]) / 2
        v[j] = columns[j] + price
        p[i] = j
        owner[j] = i
    return min(high - low, 30 * centred / (n * n)), size / (n * n), max(high, -low)


@jit
def clean_up(G, v, p, owner, tolerance):
    """Turn an assignment that is nearly optimal into one that is optimal within ``tolerance`` for every row."""
    release(G, v, p, owner, tolerance)
    bid_exactly(G, v, p, owner, len(G))
    augment(G, v, p, owner, tolerance)


@jit
def auctions(G, v, p, owner, scale, first):
    """Improve prices and assignment by auctions of falling eps, which keep the rows that are within eps."""
    for eps in (5e-3, 7e-4, 1e-4):
        if eps <= first:
            release(G, v, p, owner, eps * scale)
            auction(G, v, p, owner, eps * scale)
