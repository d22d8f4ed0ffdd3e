"""Exchanges of two partners in a permutation p, in float32 and in a state that lies in the order of p.

``B`` here is B[p][:, p], so that row a of A and row a of B belong together, and H = A @ B: H[a, b] is what row a would
be paid for the partner of b. Exchanging the partners of a and b raises sum_ab A[a, b] B[a, b] by

    2 (H[a, b] + H[b, a] - H[a, a] - H[b, b]) + 4 A[a, b] B[a, b].
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit, jit_finite, jit_sums
from nngraph.similarity._kernels.moves import differences, followers, inverse

STRIP = 16
"""Columns of H that are turned into rows at once: one line of the processor's cache in float32."""
LEAST = 1e-10
"""The least gain of an exchange that counts, relative to what p is paid: above the rounding of A and B to float32."""


@jit_finite
def best_swaps(A, B, H, gains, partners):
    """Write for every a the largest half gain of an exchange with some b > a, and that b."""
    n = len(A)
    turned, own = np.empty((STRIP, n), np.float32), np.empty(n, np.float32)
    two, lowest = np.float32(2), np.float32(-np.inf)
    for a in range(n):
        own[a] = H[a, a]
        gains[a] = lowest
        partners[a] = a
    for left in range(0, n, STRIP):
        width = min(STRIP, n - left)
        for a in range(left + width):
            if width == STRIP:  # a number that the compiler knows
                for t in range(STRIP):
                    turned[t, a] = H[a, left + t]
            else:
                for t in range(width):
                    turned[t, a] = H[a, left + t]
        for t in range(width):
            b = np.int32(left + t)
            for a in range(left + t):
                gain = H[b, a] + turned[t, a] + two * (A[b, a] * B[b, a]) - own[b]
                partners[a] = b if gain > gains[a] else partners[a]
                gains[a] = gain if gain > gains[a] else gains[a]
    for a in range(n):
        gains[a] -= own[a]


@jit_sums
def exact_gain(A, B, a, b):
    """Return half the gain of exchanging the partners of a and b, from the rows of A and B alone, in float64."""
    total = 0.0
    for k in range(len(A)):
        total += (np.float64(A[a, k]) - A[b, k]) * (np.float64(B[b, k]) - B[a, k])
    # the sum counts k = a and k = b, where the distance of the two partners stays what it is
    return total + 2.0 * (np.float64(A[a, b]) * B[a, b])


@jit
def swap_all(A, B, p, gains, partners, least):
    """Make, the largest first, every exchange that still gains more than ``least``; return whether there was one."""
    some = False
    hopeful = np.flatnonzero(gains > least)
    for a in hopeful[np.argsort(-gains[hopeful])]:
        b = partners[a]
        if not exact_gain(A, B, a, b) > least:
            continue
        some = True
        p[a], p[b] = p[b], p[a]
        for k in range(len(A)):
            B[a, k], B[b, k] = B[b, k], B[a, k]
        for k in range(len(A)):
            B[k, a], B[k, b] = B[k, b], B[k, a]
    return some


@jit
def move_columns(H, source):
    """Put into every column of H the column ``source`` of it as it was."""
    to = np.flatnonzero(source != np.arange(len(source)))
    kept = np.empty(len(to), np.float32)
    for i in range(len(H)):
        for t in range(len(to)):
            kept[t] = H[i, source[to[t]]]
        for t in range(len(to)):
            H[i, to[t]] = kept[t]


@jit
def exchange(A, B, H, p):
    """Exchange partners two by two until no exchange gains, all in place.

    Exchanges are found in H, and each is made only if its gain, summed in float64, is one.
    """
    n = len(A)
    gains, partners = np.empty(n, np.float32), np.empty(n, np.int32)
    least = 0.0
    for a in range(n):
        least += LEAST * abs(H[a, a])
    while True:
        best_swaps(A, B, H, gains, partners)
        before = p.copy()
        if not swap_all(A, B, p, gains, partners, least):
            break
        source, back = inverse(before)[p], inverse(p)[before]
        move_columns(H, source)
        rows, leaders = followers(source)
        H += np.dot(differences(A, rows, leaders).T, differences(B, rows, back[rows]))


@jit
def ordered(M, p):
    """Return M[p][:, p]."""
    n = len(p)
    result = np.empty((n, n), M.dtype)
    for a in range(n):
        row = M[p[a]]
        for b in range(n):
            result[a, b] = row[p[b]]
    return result
