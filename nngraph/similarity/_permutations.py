"""Gromov-Wasserstein over permutations: conditional gradient by exact assignments, then exchanges of two partners.

For n points on both sides, uniform weights and Euclidean distances the objective is concave on couplings, so that a
step of conditional gradient ends at a permutation p. It raises f(p) = sum_ij A[i, j] B[p_i, p_j], and the objective is
(sum A^2 + sum B^2 - 2 f) / n^2. The scales of A and B do not change which p is best.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np

from nngraph._rng import child, generator

Start: TypeAlias = "str | np.ndarray"
"""``"product"``, ``"identity"``, ``"local"``, ``"midpoint"`` (behind two others), ``"random:k"``, or a permutation."""


@dataclasses.dataclass(frozen=True, eq=False)
class Distances:
    """One distance matrix and what every pair that it is part of needs of it, each worked out once.

    ``D`` is (n, n) float64, contiguous, writable, symmetric with zeros on its diagonal: nothing here checks it. Divide
    it by its mean where scales differ by orders of magnitude.
    """

    D: np.ndarray

    @cached_property
    def squares(self) -> float:
        """The sum of all squares."""
        return float(np.vdot(self.D, self.D))

    @cached_property
    def by_size(self) -> np.ndarray:
        """(n,) the points, ordered by the sum of their distances."""
        return np.argsort(self.D.sum(1), kind="stable")

    @cached_property
    def local(self) -> np.ndarray:
        """(n, n) every row sorted: the distribution of the distances from each point."""
        return np.sort(self.D, axis=1)

    @cached_property
    def pairs(self) -> np.ndarray:
        """(n (n - 1) / 2,) the distances of all pairs, sorted."""
        n = len(self.D)
        return np.sort(self.D[~np.tri(n, dtype=bool)])


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """A permutation that no assignment improves, and with swaps no exchange of two partners."""

    plan: np.ndarray
    """(n,) int64: row i of A belongs to row plan[i] of B."""
    value: float
    """mean_ij (A[i, j] - B[p_i, p_j])^2, summed from differences in float64."""
    start: str
    """The start it came from: a name, "random:0", "random:1", ..., or "given"."""


def solve(
    A: Distances,
    B: Distances,
    starts: Sequence[Start] = ("product", "identity"),
    *,
    swaps: bool = True,
    seed: np.random.SeedSequence | None = None,
) -> Solution:
    """Return the best permutation found from the starts, the first of equal ones; nothing is checked.

    solve(A, B) and solve(B, A) are solved in one order, so that they find one value unless a permutation is given.
    """
    if _belongs_behind(A, B):
        turned = [np.argsort(start) if isinstance(start, np.ndarray) else start for start in starts]
        found = solve(B, A, turned, swaps=swaps, seed=seed)
        return dataclasses.replace(found, plan=np.argsort(found.plan))
    from nngraph.similarity import _kernels

    best: Solution | None = None
    ends: list[np.ndarray] = []
    for name, p in _beginnings(A, B, starts, seed, ends):
        # from the product start all the way, as POT goes, so as not to end above it; elsewhere exchanges are cheaper
        ends.append(_kernels.climb(A.D, B.D, p, name == "product" or not swaps, swaps))
        value = cost(A.D, B.D, p)
        if best is None or value < best.value:
            best = Solution(p, value, name)
    assert best is not None
    return best


def _beginnings(
    A: Distances, B: Distances, starts: Sequence[Start], seed: np.random.SeedSequence | None, ends: list[np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a name and a new permutation for every climb; ``ends`` holds what the climbs before it were paid."""
    from nngraph.similarity import _kernels

    n = len(A.D)
    for start in starts:
        if isinstance(start, np.ndarray):
            yield "given", start.astype(np.int64)
        elif start == "identity":
            yield start, np.arange(n)
        elif start == "product":  # its first assignment pays r_i s_j for sums of rows r and s: rank goes to rank
            p = np.empty(n, np.int64)
            p[A.by_size] = B.by_size
            yield start, p
        elif start == "local":
            yield start, _kernels.assign(A.local @ B.local.T)[0]
        elif start == "midpoint":
            yield start, _kernels.assign(ends[0] + ends[1])[0]
        else:
            assert seed is not None
            for k in range(n_random(start)):
                yield f"random:{k}", generator(child(seed, "start", k)).permutation(n)


def n_random(start: str) -> int:
    """Return k of a start "random:k", 1 of "random", and 0 of any other text."""
    kind, _, number = start.partition(":")
    if kind != "random" or not (number or "1").isdecimal():
        return 0
    return int(number or "1")


def cost(D1: np.ndarray, D2: np.ndarray, p: np.ndarray) -> float:
    """Return the squared objective of a permutation."""
    difference = D2[np.ix_(p, p)]
    difference -= D1
    return float(np.vdot(difference, difference) / difference.size)


def lower(A: Distances, B: Distances) -> float:
    """Return the bound of the sorted distances: what no coupling of the two can go below."""
    difference = A.pairs - B.pairs
    return 2 * float(np.vdot(difference, difference)) / A.D.size


def _belongs_behind(A: Distances, B: Distances) -> bool:
    if A.squares != B.squares:
        return A.squares > B.squares
    return A.D.tobytes() > B.D.tobytes()
