"""Gromov-Wasserstein over permutations: conditional gradient by assignments, then exchanges of two partners.

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


LIGHT_GAIN = 1e-6
"""The least gain of an assignment from products in float32 that counts, relative to what the present one pays."""


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
    def mean(self) -> float:
        """The mean of all entries, or 1 where all are 0."""
        return float(self.D.mean()) or 1.0

    @cached_property
    def light(self) -> np.ndarray:
        """(n, n) float32 the distances over their mean: exchanges are looked for in these."""
        return (self.D / self.mean).astype(np.float32)

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
        from scipy.spatial.distance import squareform

        return np.sort(squareform(self.D, checks=False))


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
    best: Solution | None = None
    plans: list[np.ndarray] = []
    for name, p in _beginnings(A, B, starts, seed, plans):
        # from the product start all the way, as POT goes, so as not to end above it; elsewhere exchanges are cheaper
        prices = _ascend(A, B, p, exact=name == "product" or not swaps)
        if swaps:
            exchange(A, B, p)
        value = cost(A, B, p)
        if best is None or value < best.value:
            if swaps and _settle(A, B, p, prices):  # not before: most ends that are above another stay above it
                value = cost(A, B, p)
            best = Solution(p, value, name)
        plans.append(p)
    assert best is not None
    return best


@dataclasses.dataclass(frozen=True)
class _Prices:
    """What an assignment leaves to the next one: prices of columns, the scale of eps, and the tolerance."""

    v: np.ndarray
    scale: float
    tolerance: float

    def assign(self, G: np.ndarray, p: np.ndarray, changed: int, *, exact: bool = True) -> None:
        """Turn p into the best assignment of G, in place, or into one near it; ``changed`` rows of G are new."""
        from nngraph.similarity import _kernels

        owner = np.empty_like(p)
        owner[p] = np.arange(len(p))
        _kernels.auctions(G, self.v, p, owner, self.scale, self.tolerance, changed)
        if exact:
            _kernels.clean_up(G, self.v, p, owner, self.tolerance)


def assign(G: np.ndarray, *, exact: bool = True) -> tuple[np.ndarray, _Prices]:
    """Return the assignment that is paid most, sum_i G[i, p_i], or one near it, and the prices that prove it."""
    from nngraph.similarity import _kernels

    v, p = np.empty(len(G)), np.empty(len(G), np.int64)
    scale, size, most = _kernels.opening(G, v, p)
    prices = _Prices(v, scale, 1e-12 * size + 1e-15 * most)
    prices.assign(G, p, len(G), exact=exact)
    return p, prices


def _ascend(A: Distances, B: Distances, p: np.ndarray, *, exact: bool) -> _Prices:
    """Take exact assignments, in place, while one pays more; or a single one near the best, from float32."""
    from nngraph.similarity import _kernels

    if not exact:
        G = (A.light @ B.light[p]).astype(float)
        G *= A.mean * B.mean  # in units of the prices
        q, prices = assign(G, exact=False)
        rows = np.arange(len(p))
        if G[rows, q].sum() > G[rows, p].sum() * (1 + LIGHT_GAIN):
            p[:] = q
        return prices
    G = A.D @ B.D[p]
    q, prices = assign(G)
    while changed := _kernels.step(A.D, B.D, G, p, q):
        q = p.copy()
        prices.assign(G, q, changed)
    return prices


def _settle(A: Distances, B: Distances, p: np.ndarray, prices: _Prices) -> bool:
    """Take assignments and exchanges in turn, in place, until no assignment pays more; return whether one did."""
    from nngraph.similarity import _kernels

    G, moved = A.D @ B.D[p], False
    changed = len(p) // 4  # as if so many rows were new: most prices still hold
    while True:
        q = p.copy()
        prices.assign(G, q, changed)
        changed = _kernels.step(A.D, B.D, G, p, q)
        if not changed:
            return moved
        moved, before = True, p.copy()
        exchange(A, B, p)
        changed += _kernels.move(A.D, B.D, G, before, p)


def exchange(A: Distances, B: Distances, p: np.ndarray) -> None:
    """Exchange partners two by two, in place, until no exchange gains."""
    from nngraph.similarity import _kernels

    P = _kernels.ordered(B.light, p)
    _kernels.exchange(A.light, P, A.light @ P, p)


def _beginnings(
    A: Distances, B: Distances, starts: Sequence[Start], seed: np.random.SeedSequence | None, ends: list[np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a name and a new permutation for every climb; ``ends`` holds the plans that those before it ended at."""
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
            yield start, assign(A.local @ B.local.T)[0]
        elif start == "midpoint":
            yield start, assign(A.D @ (B.D[ends[0]] + B.D[ends[1]]))[0]
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


def cost(A: Distances, B: Distances, p: np.ndarray) -> float:
    """Return the squared objective of a permutation."""
    from nngraph.similarity import _kernels

    return 2 * float(_kernels.distortion(A.D, B.D, p, np.inf)) / len(p) ** 2


def lower(A: Distances, B: Distances) -> float:
    """Return the bound of the sorted distances: what no coupling of the two can go below."""
    difference = A.pairs - B.pairs
    return 2 * float(np.vdot(difference, difference)) / A.D.size


def _belongs_behind(A: Distances, B: Distances) -> bool:
    if A.squares != B.squares:
        return A.squares > B.squares
    return A.D.tobytes() > B.D.tobytes()
