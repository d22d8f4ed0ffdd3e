"""Which cells of a plane of signs can move, those on directed cycles, and how fast trades move them."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph.nulls._kernels.compiling import jit
from nngraph.nulls._kernels.words import ONE, count_bits


@jit
def trim(positive, signed):
    """Return the cells left (a plane) after removing, again and again, nodes without an out-edge or an in-edge.

    Something is left if and only if there is a directed cycle.
    """
    n_rows, n_words = positive.shape
    left = signed.copy()
    columns, ups, downs = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    changed = True
    while changed:
        changed = False
        ups[:], downs[:] = 0, 0
        for r in range(n_rows):
            for w in range(n_words):
                ups[w] |= left[r, w] & positive[r, w]
                downs[w] |= left[r, w] & ~positive[r, w]
        for w in range(n_words):
            columns[w] = ups[w] & downs[w]
        for r in range(n_rows):
            up, down, gone = np.uint64(0), np.uint64(0), np.uint64(0)
            for w in range(n_words):
                kept = left[r, w] & columns[w]
                gone |= left[r, w] ^ kept
                left[r, w] = kept
                up |= kept & positive[r, w]
                down |= kept & ~positive[r, w]
            if (up == 0) != (down == 0):
                left[r] = 0
                gone = up | down
            changed |= gone != 0
    return left


@jit
def strongly_connected(positive, left):
    """Return whether the cells of a plane join their rows and columns into one strongly connected component."""
    n_rows, n_words = positive.shape
    columns, met = np.zeros(n_words, np.uint64), np.empty(n_words, np.uint64)
    occupied = np.zeros(n_rows, np.bool_)
    home = -1
    for r in range(n_rows):
        for w in range(n_words):
            columns[w] |= left[r, w]
            occupied[r] |= left[r, w] != 0
        if occupied[r]:
            home = r
    if home < 0:
        return False
    for backwards in range(2):
        other_way = ~np.uint64(0) if backwards else np.uint64(0)
        fresh, reached = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
        met[:] = 0
        fresh[home] = reached[home] = True
        growing = True
        while growing:
            for r in range(n_rows):
                if fresh[r]:
                    fresh[r] = False
                    for w in range(n_words):
                        met[w] |= left[r, w] & (positive[r, w] ^ other_way)
            growing = False
            for r in range(n_rows):
                if occupied[r] and not reached[r]:
                    hit = np.uint64(0)
                    for w in range(n_words):
                        hit |= left[r, w] & ~(positive[r, w] ^ other_way) & met[w]
                    if hit:
                        fresh[r] = reached[r] = growing = True
        for r in range(n_rows):
            if occupied[r] != reached[r]:
                return False
        for w in range(n_words):
            if met[w] != columns[w]:
                return False
    return True


@jit
def dealt_after(movable, cells, share, row_odds, column_odds, others, left):
    """Return the sweeps of trades after which ``left`` of the edges keep their first sign for want of one (mean field).

    ``cells`` are (2, n_cells): a row, and which of its movable cells in turn. Also returned: in how many columns a row
    and another differ, in the mean.
    """
    n_cells, n_words = cells.shape[1], movable.shape[1]
    stays, weight = np.zeros(n_cells), np.zeros(n_cells)
    common = np.full(len(movable), -1.0)
    differ = 0.0
    for s in range(n_cells):
        i, turn = cells[0, s], cells[1, s]
        if common[i] < 0:
            common[i] = 0
            for w in range(n_words):
                bits = movable[i, w]
                while bits:
                    lowest = bits & (~bits + ONE)
                    bits ^= lowest
                    common[i] += share[64 * w + count_bits(lowest - ONE)]
        w = 0
        while turn >= count_bits(movable[i, w]):
            turn -= count_bits(movable[i, w])
            w += 1
        bits = movable[i, w]
        for _ in range(turn):
            bits &= bits - ONE
        j = 64 * w + count_bits((bits & (~bits + ONE)) - ONE)
        dealt, odds, half = 0.0, column_odds[j] * row_odds[i], max(common[i] / 2, 1e-9)
        for other in others:
            dealt += other * (1 + odds) / ((1 + column_odds[j] * other) * (other + row_odds[i])) / len(others)
        stays[s] = np.log1p(-share[j] * dealt * (1 - (1 - np.exp(-half)) / half))
        weight[s] = 2 * odds / (1 + odds) ** 2
        differ += weight[s] * common[i] / n_cells
    few, many = 0, 1
    while np.sum(weight * np.exp(many * stays)) > left * n_cells and many < 2**31:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        if np.sum(weight * np.exp(middle * stays)) > left * n_cells:
            few = middle
        else:
            many = middle
    return many, differ
