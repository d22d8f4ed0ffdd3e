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
def cheapest_two(
    A: np.ndarray,
    B: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    middles: np.ndarray,
    limit: float,
    found: np.ndarray,
    costs: np.ndarray,
) -> None:
    """Write which two middles give the cheapest compositions below the limit (-1 where there is none), cheapest first.

    A composition over the middle k sends sample a to ``second[k, first[k, a]]``. Most are given up after a few rows:
    as soon as their sum is above that of the second best so far.
    """
    found[:] = -1
    costs[:] = limit
    plan = np.empty(len(A), first.dtype)
    for k in middles:
        for a in range(len(A)):
            plan[a] = second[k, first[k, a]]
        cost = distortion(A, B, plan, costs[1])
        if cost < costs[0]:
            found[1], costs[1] = found[0], costs[0]
            found[0], costs[0] = k, cost
        elif cost < costs[1] and cost > costs[0]:
            found[1], costs[1] = k, cost
