"""The distortion of a plan, and the cheapest of many that lead over a third tap."""

from __future__ import annotations

import numpy as np

from nngraph._compiling import jit, jit_sums


@jit_sums
def distortion(A: np.ndarray, B: np.ndarray, plan: np.ndarray, limit: float) -> float:
    """Return the sum over a < b of (A[a, b] - B[plan[a], plan[b]])^2, or infinity once it is above the limit."""
    n = len(plan)
    total = 0.0
    for a in range(n):
        row, image = A[a], B[plan[a]]
        part = 0.0
        for b in range(a):
            difference = row[b] - image[plan[b]]
            part += difference * difference
        total += part
        if total > limit:
            return np.inf
    return total


@jit
def cheapest(
    A: np.ndarray, B: np.ndarray, first: np.ndarray, second: np.ndarray, middles: np.ndarray, limit: float
) -> tuple[int, float]:
    """Return the middle of the cheapest composition and its sum, or -1 and the limit where none is below that.

    A composition over the middle k sends sample a to ``second[k, first[k, a]]``. Most are given up after a few rows:
    as soon as their sum is above that of the best so far.
    """
    found = -1
    plan = np.empty(len(A), first.dtype)
    for k in middles:
        for a in range(len(A)):
            plan[a] = second[k, first[k, a]]
        total = distortion(A, B, plan, limit)
        if total < limit:
            found, limit = k, total
    return found, limit
