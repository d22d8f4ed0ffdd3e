"""Linear assignment: row i takes column p[i] so that the sum of G[i, p[i]] is largest, with the prices that prove it.

Prices ``v`` of columns; what column j is worth to row i is G[i, j] - v[j]. The assignment is optimal if every row has
a column that is worth most to it. ``owner`` is the inverse of ``p``; -1 marks a free row or column.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit, jit_finite, jit_sums

LANES = 32
"""Columns are compared with those this many further on, lane by lane, so that the processor's vectors are used."""
FEW = 8
"""The lanes that are left when all have been compared, one vector: what remains is done one by one."""


@jit_finite
def compare(worth, lane, tops, seconds):
    """Keep the two largest values that a lane has seen."""
    top, second = tops[lane], seconds[lane]
    lower = worth if worth < top else top
    seconds[lane] = lower if lower > second else second
    tops[lane] = worth if worth > top else top


@jit_finite
def top_two(row, v, tops, seconds):
    """Return the place and the value of the largest row[j] - v[j], and the second largest value."""
    n = len(row)
    for lane in range(LANES):
        tops[lane] = -np.inf
        seconds[lane] = -np.inf
    full, end = n // LANES * LANES, n // FEW * FEW
    for begin in range(0, full, LANES):
        for lane in range(LANES):
            compare(row[begin + lane] - v[begin + lane], lane, tops, seconds)
    for begin in range(full, end, FEW):
        for lane in range(FEW):
            compare(row[begin + lane] - v[begin + lane], lane, tops, seconds)
    for lane in range(n - end):
        compare(row[end + lane] - v[end + lane], lane, tops, seconds)
    for begin in range(FEW, LANES, FEW):
        for lane in range(FEW):
            best = seconds[begin + lane]
            seconds[lane] = best if best > seconds[lane] else seconds[lane]
            compare(tops[begin + lane], lane, tops, seconds)
    j, first, second = 0, -np.inf, -np.inf
    for lane in range(FEW):
        top = tops[lane]
        if top > first:
            j, first, second = lane, top, max(first, seconds[lane])
        elif top > second:
            second = top
    while row[j] - v[j] < first:
        j += FEW
    return j, first, second


@jit_finite
def largest(row, v, tops):
    """Return the largest row[j] - v[j]."""
    n = len(row)
    for lane in range(LANES):
        tops[lane] = -np.inf
    full, end = n // LANES * LANES, n // FEW * FEW
    for begin in range(0, full, LANES):
        for lane in range(LANES):
            worth = row[begin + lane] - v[begin + lane]
            tops[lane] = worth if worth > tops[lane] else tops[lane]
    for begin in range(full, end, FEW):
        for lane in range(FEW):
            worth = row[begin + lane] - v[begin + lane]
            tops[lane] = worth if worth > tops[lane] else tops[lane]
    for lane in range(n - end):
        worth = row[end + lane] - v[end + lane]
        tops[lane] = worth if worth > tops[lane] else tops[lane]
    for begin in range(FEW, LANES, FEW):
        for lane in range(FEW):
            tops[lane] = tops[begin + lane] if tops[begin + lane] > tops[lane] else tops[lane]
    top = -np.inf
    for lane in range(FEW):
        top = tops[lane] if tops[lane] > top else top
    return top


@jit_finite
def auction(G, v, p, owner, eps):
    """Let the free rows bid until there are none: every row then is within ``eps`` of its best column."""
    n = len(G)
    tops, seconds = np.empty(LANES), np.empty(LANES)
    free = np.empty(n, np.int64)
    n_free = 0
    for i in range(n):
        if p[i] < 0:
            free[n_free] = i
            n_free += 1
    head = 0
    while n_free:
        i = free[head]
        j, first, second = top_two(G[i], v, tops, seconds)
        v[j] += first - second + eps
        k = owner[j]
        owner[j] = i
        p[i] = j
        if k >= 0:
            p[k] = -1
            tail = head + n_free
            free[tail if tail < n else tail - n] = k
        else:
            n_free -= 1
        head = head + 1 if head + 1 < n else 0


@jit_finite
def release(G, v, p, owner, slack):
    """Free the rows whose column is worth less than the best by more than ``slack``; return their number."""
    released, tops = 0, np.empty(LANES)
    for i in range(len(G)):
        j = p[i]
        if j >= 0 and largest(G[i], v, tops) - (G[i, j] - v[j]) > slack:
            p[i] = -1
            owner[j] = -1
            released += 1
    return released


@jit_finite
def bid_exactly(G, v, p, owner, n_bids):
    """Let free rows bid without eps; a row of two best columns takes a free one, or stays free where there is none."""
    n = len(G)
    tops, seconds = np.empty(LANES), np.empty(LANES)
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
        j, first, second = top_two(G[i], v, tops, seconds)
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
def relax(row, v, offset, closed, d, before, i):
    """Shorten the distances ``d`` of the open columns by way of row i."""
    for j in range(len(row)):
        through = v[j] - row[j] + offset + closed[j]
        better = through < d[j]
        d[j] = through if better else d[j]
        before[j] = i if better else before[j]


@jit_finite
def nearest(d, taken, lows, free_lows):
    """Return the place and the value of the least distance, and the least of the columns without an owner."""
    n = len(d)
    for lane in range(LANES):
        lows[lane] = np.inf
        free_lows[lane] = np.inf
    full, end = n // LANES * LANES, n // FEW * FEW
    for begin in range(0, full, LANES):
        for lane in range(LANES):
            distance = d[begin + lane]
            free = distance + taken[begin + lane]
            lows[lane] = distance if distance < lows[lane] else lows[lane]
            free_lows[lane] = free if free < free_lows[lane] else free_lows[lane]
    for begin in range(full, end, FEW):
        for lane in range(FEW):
            distance = d[begin + lane]
            free = distance + taken[begin + lane]
            lows[lane] = distance if distance < lows[lane] else lows[lane]
            free_lows[lane] = free if free < free_lows[lane] else free_lows[lane]
    for lane in range(n - end):
        distance = d[end + lane]
        free = distance + taken[end + lane]
        lows[lane] = distance if distance < lows[lane] else lows[lane]
        free_lows[lane] = free if free < free_lows[lane] else free_lows[lane]
    for begin in range(FEW, LANES, FEW):
        for lane in range(FEW):
            lows[lane] = lows[begin + lane] if lows[begin + lane] < lows[lane] else lows[lane]
            free_lows[lane] = free_lows[begin + lane] if free_lows[begin + lane] < free_lows[lane] else free_lows[lane]
    j, low, free_low = 0, np.inf, np.inf
    for lane in range(FEW):
        free_low = free_lows[lane] if free_lows[lane] < free_low else free_low
        if lows[lane] < low:
            j, low = lane, lows[lane]
    while d[j] > low:
        j += FEW
    return j, low, free_low


@jit
def augment(G, v, p, owner, tolerance):
    """Give every free row a column by a shortest path (Dijkstra), ties within ``tolerance`` taken for equal."""
    n = len(G)
    lows, free_lows = np.empty(LANES), np.empty(LANES)
    d, closed, taken = np.empty(n), np.zeros(n), np.empty(n)
    before, scanned, at = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    for j in range(n):
        taken[j] = np.inf if owner[j] >= 0 else 0.0
    for start in range(n):
        if p[start] >= 0:
            continue
        closed[:] = 0.0
        d[:] = np.inf
        n_scanned = 0
        relax(G[start], v, largest(G[start], v, lows), closed, d, before, start)
        j, low, free = nearest(d, taken, lows, free_lows)
        while free > low + tolerance:
            i = owner[j]
            closed[j] = d[j] = np.inf
            scanned[n_scanned], at[n_scanned] = j, low
            n_scanned += 1
            relax(G[i], v, low - (v[j] - G[i, j]), closed, d, before, i)
            j, low, free = nearest(d, taken, lows, free_lows)
        end = 0
        while d[end] + taken[end] > free:
            end += 1
        for s in range(n_scanned):
            v[scanned[s]] += max(free - at[s], 0.0)
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
def opening(G, v, p):
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
    return min(high - low, 30 * centred / (n * n)), size / (n * n), max(high, -low)


@jit
def auctions(G, v, p, owner, scale, tolerance, changed):
    """Bring prices and assignment near to the optimum once ``changed`` rows of G are no longer what they were."""
    n = len(G)
    for eps, share in ((5e-3, 3), (1e-3, 20)):
        if share * changed > n:
            release(G, v, p, owner, eps * scale + tolerance)
            auction(G, v, p, owner, eps * scale + tolerance)


@jit
def clean_up(G, v, p, owner, tolerance):
    """Turn prices and an assignment into optimal ones; no row then misses its best column by over ``tolerance``."""
    release(G, v, p, owner, tolerance)
    bid_exactly(G, v, p, owner, len(G))
    augment(G, v, p, owner, tolerance)
