"""Chains over planes of bits with given margins: kind G on a complete block, and supports that are free to move.

A plane is a matrix of two states, one bit a cell. Two moves keep the numbers of ones of all rows and columns, and are
as likely as their way back, so that the uniform law is stationary:

- a **pass of swaps** pairs rows and columns at random and turns over every checkerboard among the 2x2 submatrices so
  paired, some 20 times cheaper than a sweep of trades;
- a **sweep of trades** pairs the rows and deals anew, in each pair, the columns where the two differ. A cell then
  keeps its state with probability 1/2 or so however rare ones are, where swaps find few checkerboards.

Any two planes with the same margins are joined by single swaps (Ryser). The first pass of each sweep swaps with
probability 1/2 each, so a single swap alone, or none, can happen, and a pass undoes itself if drawn twice: the chain is
irreducible and aperiodic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from nngraph.nulls import cycles
from nngraph.nulls._chains import Chain
from nngraph.nulls._edges import KernelEdges, Placement

__all__ = ["CompleteSigns", "PlaneChain", "PlanePlacement", "sign_chain"]

_MOST_PASSES = 14
"""A sweep of trades costs as much as so many passes of swaps, or more."""
_LARGE = 2**27
"""Bytes of a plane from which on threads share a pass. On two processors that share caches, two threads took 1.1 times
as long as one at 128 MB and 1.3 times at 16 MB: memory is the limit, and smaller planes never gain."""
_SHORT = 128
"""With fewer bits in a lane than this, words are filled badly, and there is little choice among partners of a word."""
_PAIRS = 128
"""Pairs of lanes that tell how well swaps would do."""


class PlaneChain:
    r"""Uniform law over all matrices of bits with the margins of a given one, by a Markov chain that starts there.

    .. math:: X' \sim U\{X' \in \{0, 1\}^{n \times m} : X' 1 = X 1, \; 1^T X' = 1^T X\}

    Parameters
    ----------
    plane : numpy.ndarray
        (n_words, n_lanes) uint64, words first: bit b % 64 of word b // 64 of lane c is the cell (b, c); the bits from
        ``n_bits`` on are 0. It is taken over.
    n_bits : int
        Bits of each lane.
    seed : numpy.random.SeedSequence
        Source of the moves. Sweep number n draws from (seed, n): two runs give what one of their total length does.

    Attributes
    ----------
    start : numpy.ndarray
        The plane at the start, never changed.
    n_passes : int
        Passes of swaps in a sweep, or 0 where trades are better: lanes of fewer than 128 bits, a share of ones below
        about 5 % or above 95 %, or very uneven margins.

    Notes
    -----
    In a sweep the agreement with the start halves, about, what it has above its limit. Margins are exact after any
    number of sweeps. A sweep of 768x3072 balanced cells takes some 20 microseconds, as many cells with 2 % of ones
    100.

    References
    ----------
    .. [1] H. J. Ryser, "Combinatorial properties of matrices of zeros and ones", Canadian Journal of Mathematics 9,
       371-377, 1957.
    .. [2] C. J. Carstens, "Proof of uniform sampling of binary matrices with fixed row sums and column sums for the
       fast curveball algorithm", Physical Review E 91, 042812, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> chain = PlaneChain(np.array([[1, 2, 4, 8]], dtype=np.uint64), 4, np.random.SeedSequence(7))
    >>> chain.run(20)
    >>> sorted(chain.plane[0].tolist()), chain.is_rigid()
    ([1, 2, 4, 8], False)
    """

    def __init__(self, plane: np.ndarray, n_bits: int, seed: np.random.SeedSequence) -> None:
        from nngraph.nulls import _kernels

        self.start = plane.copy()
        self._n_bits, self._stream = n_bits, _kernels.streams(seed)
        self._n_sweeps = self._n_changed = 0
        self.n_passes = _passes(plane, n_bits)
        self._turned = self.n_passes == 0 and plane.shape[1] > n_bits
        # trades: one row after the other, and fewer, longer rows
        self._plane = plane if self.n_passes else np.ascontiguousarray(self._turn(plane).T)

    def _turn(self, plane: np.ndarray) -> np.ndarray:
        from nngraph.nulls import _kernels

        return _kernels.turn_plane(plane, self._n_bits) if self._turned else plane

    @property
    def plane(self) -> np.ndarray:
        """(n_words, n_lanes) where the chain is now; do not change it."""
        from nngraph.nulls import _kernels

        if self.n_passes:
            return self._plane
        plane = np.ascontiguousarray(self._plane.T)
        return _kernels.turn_plane(plane, self.start.shape[1]) if self._turned else plane

    def run(self, n_sweeps: int, n_jobs: int = 1, *, large: int = _LARGE) -> None:
        """Go on for so many sweeps; ``n_jobs`` threads share those of planes from ``large`` bytes, with one result."""
        from nngraph.nulls import _kernels

        first, self._n_sweeps = self._n_sweeps, self._n_sweeps + n_sweeps
        if n_jobs > 1 and self._plane.nbytes >= large:
            with ThreadPoolExecutor(n_jobs) as pool:

                def share(work: Callable[[int, int], int], n: int) -> None:
                    bounds = [n * part // n_jobs for part in range(n_jobs + 1)]
                    self._n_changed += sum(pool.map(work, bounds[:-1], bounds[1:]))

                run = self._swap_in_parts if self.n_passes else self._trade_in_parts
                run(range(first, first + n_sweeps), share)
        elif self.n_passes:
            self._n_changed += _kernels.swap(self._plane, self.n_passes, first, n_sweeps, *self._stream)
        else:
            self._n_changed += _kernels.trade_plane(self._plane, first, n_sweeps, *self._stream)

    def _swap_in_parts(self, sweeps: range, share: Callable[[Callable[[int, int], int], int], None]) -> None:
        from nngraph.nulls import _kernels

        for number in range(sweeps.start * self.n_passes, sweeps.stop * self.n_passes):
            key = np.uint64(_kernels.sweep_key(number, *self._stream))
            lazy = number % self.n_passes == 0

            def work(a: int, b: int, key: np.uint64 = key, lazy: bool = lazy) -> int:  # noqa: FBT001
                return int(_kernels.swap_pass(self._plane, lazy, a, b, key, self._stream[1]))

            share(work, _kernels.n_word_pairs(len(self._plane), key))

    def _trade_in_parts(self, sweeps: range, share: Callable[[Callable[[int, int], int], int], None]) -> None:
        from nngraph.nulls import _kernels

        for number in sweeps:
            key = np.uint64(_kernels.sweep_key(number, *self._stream))
            order = _kernels.random_order(len(self._plane), key, self._stream[1])

            def work(a: int, b: int, key: np.uint64 = key, order: np.ndarray = order) -> int:
                return int(_kernels.trade_pairs(self._plane, order, a, b, key, self._stream[1]))

            share(work, len(order) // 2)

    def distance(self) -> int:
        """Return the number of cells unlike the start."""
        return int(np.bitwise_count(self.plane ^ self.start).sum(dtype=np.int64))

    def is_rigid(self) -> bool:
        """Return whether no other plane has these margins: where its rows are nested, and only there.

        The columns of nested rows are as full as columns can be: the n-th fullest has as many ones as there are rows
        with n or more.
        """
        lanes = np.bitwise_count(self.start).sum(axis=0, dtype=np.int64)
        bits = [((self.start >> np.uint64(b)) & np.uint64(1)).sum(axis=1, dtype=np.int64) for b in range(64)]
        sums = np.sort(np.stack(bits, axis=1).reshape(-1)[: self._n_bits])[::-1]
        fullest = len(lanes) - np.searchsorted(np.sort(lanes), np.arange(self._n_bits), side="right")
        return bool(np.array_equal(sums, fullest))

    def counts(self) -> dict[str, int]:
        """Return the passes of swaps and the swaps made, or the trades tried and those that changed something."""
        if self.n_passes:
            return {"passes": self._n_sweeps * self.n_passes, "swaps": self._n_changed}
        return {"trades": self._n_sweeps * (len(self._plane) // 2), "changed": self._n_changed}


def _passes(plane: np.ndarray, n_bits: int) -> int:
    """Return how many passes of swaps, the first one lazy, do what a sweep of trades does; 0 where trades are better.

    Take two rows that differ in n of their columns, the first with k ones there. A trade changes 2 k (n - k) / n cells
    of each on average, which is half of what is left of the start. A pass of swaps changes 2 k (n - k) / N, with the
    padding among the N columns that the row could pair.
    """
    n_words, n_lanes = plane.shape
    half = n_lanes // 2
    some = np.arange(half)[:: max(1, half // _PAIRS)]
    first = plane[:, some]
    differ = first ^ plane[:, some + half]
    n, k = (np.bitwise_count(words).sum(axis=0, dtype=np.float64) for words in (differ, first & differ))
    changed = k * (n - k)
    left = changed @ (1 / np.maximum(n, 1))
    if n_bits < _SHORT or left == 0:
        return 0
    rate = changed.sum() / left / (64 * n_words) / 2
    passes = 1 + round(math.log(0.5 / (1 - rate / 2)) / math.log1p(-rate))
    return passes if passes <= _MOST_PASSES else 0


class PlanePlacement(Placement):
    """Signs of a complete block in a plane of bits; those of single edges are made when they are asked for."""

    plane: np.ndarray
    """(n_words, n_source) uint64 of the positive edges, words first, bits along the targets."""

    def __init__(self, edges: KernelEdges, plane: np.ndarray) -> None:
        for name, value in (
            ("shape", edges.shape),
            ("indptr", edges.indptr),
            ("indices", edges.indices),
            ("plane", plane),
        ):
            object.__setattr__(self, name, value)

    @cached_property
    def signs(self) -> np.ndarray:  # type: ignore[override]
        """(n_edges,) int8, 1 or -1, read-only."""
        from nngraph.nulls import _kernels

        signs: np.ndarray = _kernels.plane_signs(self.plane, self.shape[0])
        signs.setflags(write=False)
        return signs


class CompleteSigns:
    """Signs of a complete block, with the signed degrees of both sides kept.

    Attributes
    ----------
    n_unsigned : int
        Number of edges of weight 0; the chain is for blocks without any.
    """

    def __init__(self, edges: KernelEdges, seed: np.random.SeedSequence) -> None:
        from nngraph.nulls import _kernels

        self._edges = edges
        n_target, n_source = edges.shape
        plane, self.n_unsigned = _kernels.sign_plane(edges.given, n_source)
        self._turned = n_target < min(_SHORT, n_source)
        self.chain = (
            PlaneChain(_kernels.turn_plane(plane, n_target), n_source, seed)
            if self._turned
            else PlaneChain(plane, n_target, seed)
        )

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps; any number of threads gives the same result."""
        self.chain.run(n_sweeps, n_jobs)

    def agreement(self) -> float:
        """Return the share of edges that have their sign of the start."""
        return 1 - self.chain.distance() / max(math.prod(self._edges.shape), 1)

    def is_rigid(self) -> bool:
        """Return whether no other signs have these signed degrees."""
        return self.chain.is_rigid()

    def counts(self) -> dict[str, int]:
        """Return how many moves were tried and how many changed something, by kind of move."""
        return self.chain.counts()

    def placement(self) -> PlanePlacement:
        """Return the signs now."""
        from nngraph.nulls import _kernels

        plane = self.chain.plane
        turned = _kernels.turn_plane(plane, self._edges.shape[1]) if self._turned else plane.copy()
        return PlanePlacement(self._edges, turned)


def sign_chain(edges: KernelEdges, seed: np.random.SeedSequence) -> Chain:
    """Start the chain of the signs of a block on its own support, with the signed degrees of both sides kept."""
    if edges.complete:
        chain = CompleteSigns(edges, seed)
        if chain.n_unsigned == 0:
            return chain
    return cycles.SupportSigns(edges, seed)
