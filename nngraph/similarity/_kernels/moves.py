"""Steps from one permutation to another, and what they do to G = A @ B[p].

G is half the gradient of f(p) = sum_ij A[i, j] B[p_i, p_j]: G[i, j] is what row i would be paid for the partner j.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit

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
def differences(M, rows, others):
    """Return M[rows] - M[others]."""
    result = np.empty((len(rows), M.shape[1]), M.dtype)
    for t in range(len(rows)):
        one, other = M[rows[t]], M[others[t]]
        for k in range(len(one)):
            result[t, k] = one[k] - other[k]
    return result


@jit
def inverse(p):
    """Return the permutation that undoes p."""
    result = np.empty(len(p), np.int64)
    for i in range(len(p)):
        result[p[i]] = i
    return result


@jit
def followers(cycles):
    """Return the elements that a permutation moves but one of each cycle, and for each the one of its cycle left out.

    What is added up over a cycle of rows that change places is 0, so that one row of each need not be looked at.
    """
    n = len(cycles)
    rows, leaders, seen = np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n, np.bool_)
    count = 0
    for leader in range(n):
        if seen[leader]:
            continue
        i = cycles[leader]
        while i != leader:
            rows[count], leaders[count] = i, leader
            count += 1
            seen[i] = True
            i = cycles[i]
    return rows[:count], leaders[:count]


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
    rows, leaders = followers(inverse(p)[q])
    if len(rows) < 0.8 * len(A):
        G += np.dot(differences(A, rows, leaders).T, differences(B, q[rows], p[rows]))
    else:
        G[:] = np.dot(A, rows_of(B, q))
    return (p != q).sum()


@jit
def step(A, B, G, p, q):
    """Go from p to the assignment q if it pays more, p and G in place; return the number of rows that change."""
    present = paid(G, p)
    if paid(G, q) - present <= GAIN * abs(present):
        return 0
    moved = move(A, B, G, p, q)
    p[:] = q
    return moved
