"""Exchanges of two partners in a permutation p, in a state that lies in its order.

``B`` here is B[p][:, p], so that row a of A and row a of B belong together, and H = A @ B: H[a, b] is what row a would
be paid for the partner of b. Exchanging the partners of a and b raises sum_ab A[a, b] B[a, b] by

    2 (H[a, b] + H[b, a] - H[a, a] - H[b, b]) + 4 A[a, b] B[a, b].
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit, jit_finite, jit_sums

STRIP = 16
"""Columns of H that are turned into rows at once: one line of the processor's cache in float32."""


@jit_finite
def best_swaps(A, B, H, gains, partners):
    """Write for every a the largest half gain of an exchange with some b > a, and that b."""
    n = len(A)
    turned = np.empty((STRIP, n), H.dtype)
    own = np.empty(n)
    for a in range(n):
        own[a] = H[a, a]
        gains[a] = -np.inf
        partners[a] = a
    for left in range(0, n, STRIP):
        width = min(STRIP, n - left)
        for a in range(left + width):
            for t in range(width):
                turned[t, a] = H[a, left + t]
        for t in range(width):
            b = left + t
            for a in range(b):
                gain = H[b, a] + turned[t, a] + 2.0 * (A[b, a] * B[b, a]) - own[b]
                partners[a] = b if gain > gains[a] else partners[a]
                gains[a] = gain if gain > gains[a] else gains[a]
    for a in range(n):
        gains[a] -= own[a]


@jit_sums
def exact_gain(A, B, a, b):
    """Return half the gain of exchanging the partners of a and b, from the rows of A and B alone."""
    total = 0.0
    for k in range(len(A)):
        total += (A[a, k] - A[b, k]) * (B[b, k] - B[a, k])
    # the sum counts k = a and k = b, where the distance of the two partners stays what it is
    return total + 2.0 * (A[a, b] * B[a, b])


@jit
def swap_all(A, B, p, order, gains, partners, least):
    """Make, in the order given, every exchange that still gains more than ``least``; return the total half gain."""
    n = len(A)
    total = 0.0
    for a in order:
        if not gains[a] > least:
            break
        b = partners[a]
        gain = exact_gain(A, B, a, b)
        if not gain > least:
            continue
        total += gain
        p[a], p[b] = p[b], p[a]
        for k in range(n):
            B[a, k], B[b, k] = B[b, k], B[a, k]
        for k in range(n):
            B[k, a], B[k, b] = B[k, b], B[k, a]
    return total


@jit
def move_columns(H, to, source):
    """Replace, in every row, the columns ``to`` by the columns ``source`` as they were."""
    kept = np.empty(len(to))
    for i in range(len(H)):
        for t in range(len(to)):
            kept[t] = H[i, source[t]]
        for t in range(len(to)):
            H[i, to[t]] = kept[t]


@jit
def permuted(M, rows, columns):
    """Return M[rows][:, columns]."""
    n = len(rows)
    result = np.empty((n, n))
    for a in range(n):
        i = rows[a]
        for b in range(n):
            result[a, b] = M[i, columns[b]]
    return result
