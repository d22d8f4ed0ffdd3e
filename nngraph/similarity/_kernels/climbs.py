"""Conditional gradient over permutations, and exchanges where it stops: f(p) = sum_ij A[i, j] B[p_i, p_j] only rises.

G = A @ B[p] is half the gradient of f: G[i, j] is what row i would be paid for the partner j.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.similarity._kernels.assignments import auctions, clean_up, opening
from nngraph.similarity._kernels.swaps import best_swaps, move_columns, permuted, swap_all

GAIN = 1e-10
"""The least gain of an assignment that counts, relative to what the present one pays."""


@jit
def rows_of(M, rows):
    """Return M[rows]."""
    result = np.empty((len(rows), M.shape[1]), M.dtype)
    for t in range(len(rows)):
        result[t] = M[rows[t]]
    return result


@jit
def inverse(p):
    """Return the permutation that undoes p."""
    result = np.empty(len(p), np.int64)
    for i in range(len(p)):
        result[p[i]] = i
    return result


@jit
def assign(G):
    """Solve one assignment exactly; return it, the prices that prove it, the scale of eps and the tolerance."""
    n = len(G)
    v, p, owner = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    scale, size, most = opening(G, v, p, owner)
    tolerance = 1e-12 * size + 1e-15 * most
    auctions(G, v, p, owner, scale, tolerance, n)
    clean_up(G, v, p, owner, tolerance)
    return p, v, scale, tolerance


@jit
def paid(G, p):
    """Return what an assignment pays."""
    total = 0.0
    for i in range(len(G)):
        total += G[i, p[i]]
    return total


@jit
def move(A, B, G, p, q):
    """Bring G = A @ B[p] to q; return the number of rows where q differs from p."""
    rows = np.flatnonzero(p != q)
    if len(rows) < 0.6 * len(A):
        G += np.dot(rows_of(A, rows).T, rows_of(B, q[rows]) - rows_of(B, p[rows]))
    else:
        G[:] = np.dot(A, rows_of(B, q))
    return len(rows)


@jit
def step(A, B, G, p, q):
    """Go from p to the assignment q if it pays more, p and G in place; return the number of rows that change."""
    present = paid(G, p)
    if paid(G, q) - present <= GAIN * abs(present):
        return 0
    moved = move(A, B, G, p, q)
    p[:] = q
    return moved


@jit
def exchange(A, B, G, p):
    """Exchange partners two by two until no exchange gains, p and G in place; return the number of rows that change.

    Exchanges are found from products in float32, and each is made only if its gain in float64 is one.
    """
    n = len(A)
    first = p.copy()
    light = A.astype(np.float32)
    P, H = permuted(B, p, p), permuted(G, np.arange(n), p).astype(np.float32)
    gains, partners = np.empty(n), np.empty(n, np.int64)
    least = 1e-13 * abs(paid(G, p))
    while True:
        best_swaps(A, P, H, gains, partners)
        before = p.copy()
        if not swap_all(A, P, p, np.argsort(-gains), gains, partners, least):
            break
        rows = np.flatnonzero(p != before)
        move_columns(H, rows, inverse(before)[p[rows]])
        change = rows_of(P, rows) - rows_of(P, inverse(p)[before[rows]])
        H += np.dot(rows_of(light, rows).T, change.astype(np.float32))
    return move(A, B, G, first, p)


@jit
def climb(A, B, p, ascend, swaps):
    """Climb from p, in place, and return G there.

    One assignment, or with ``ascend`` as many as pay; then, with ``swaps``, exchanges and assignments in turn until
    neither pays.
    """
    G = np.dot(A, rows_of(B, p))
    q, v, scale, tolerance = assign(G)
    moved = step(A, B, G, p, q)
    while moved or swaps:
        if swaps and not (ascend and moved):
            ascend = False
            swapped = exchange(A, B, G, p)
            if not moved and not swapped:
                break
            moved += swapped
        q = p.copy()
        owner = inverse(q)
        auctions(G, v, q, owner, scale, tolerance, moved)
        clean_up(G, v, q, owner, tolerance)
        moved = step(A, B, G, p, q)
        if not moved and not ascend:
            break
    return G
