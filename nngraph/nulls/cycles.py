r"""Signs on a fixed support with the signed degrees of both sides kept, where edges are absent.

Let positive edges run from row to column and negative ones from column to row. Keeping the signed degrees is then
keeping out-degrees, and two such orientations differ by directed cycles, on any support. So the edges that can move
are those within one strongly connected component, and reversing cycles reaches every state.

A *trade* re-deals the signs of two rows over the columns where both have an edge: fast where rows share many columns,
but not enough to reach every state. A *worm* walks from a row along out-edges, reversing each edge behind it, until it
returns. At each node that it passes, the walk and its reverse both choose among as many edges as the node has
out-edges, so both are equally likely and the uniform law is stationary.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

import numpy as np

from nngraph._rng import child, generator
from nngraph.errors import SizeError
from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls._recipes import PASSES, Degrees, sweeps_of_trades
from nngraph.nulls.pilots import FEWEST_SWEEPS

__all__ = ["SupportSigns"]

_PASSES_BESIDE_TRADES = 0.02
"""How often, in the sweeps of a chain of the usual length, the worms that reach what trades cannot pass an edge."""
_FEWEST_STEPS = 100
"""Steps of the worms of a sweep at least (as many as there are edges, where those are fewer)."""
_FEW, _DENSE = 4000, 0.03
"""Up to so many edges, or this share of the cells, there are no planes: worms are as fast there as trades."""
_THREADED = 2**21
"""Bytes of a plane from which threads are worth their start."""

Stream: TypeAlias = tuple[np.uint64, np.uint64]
Graph: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Nodes, edge of each slot, ends of each edge, as the kernel ``orient`` makes them."""


class SupportSigns:
    """The chain of the signs of a fixed support, from a block's own; edges of weight 0 take no part.

    Parameters
    ----------
    edges : KernelEdges
        The block.
    seed : numpy.random.SeedSequence
        Source of the moves.

    Notes
    -----
    A sweep is a number of sweeps of trades with worms after them, or worms alone, whichever is faster: a recipe made
    from the start. The random words of a sweep are a function of the seed and of its number, so that running in
    pieces, or on several threads, changes nothing.
    """

    def __init__(self, edges: KernelEdges, seed: np.random.SeedSequence) -> None:
        self._edges = edges
        self._start = read_only(np.subtract(edges.given > 0, edges.given < 0, dtype=np.int8))
        self._n_signed = int(np.count_nonzero(self._start))
        if self._n_signed >= 2**30 or sum(edges.shape) >= 2**31:
            raise SizeError(
                f"signs of a fixed support: got {self._n_signed:,} edges; this null model takes fewer than {2**30:,} "
                "in a block."
            )
        self._moves = _moves(edges, self._start, self._n_signed, seed)
        self._n_sweeps = 0
        self._counts = Counts()

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps; ``n_jobs`` threads give the same result as one."""
        if self._moves is None:
            return
        for sweep in range(self._n_sweeps, self._n_sweeps + n_sweeps):
            self._moves.sweep(sweep, self._counts, n_jobs)
        self._n_sweeps += n_sweeps

    def agreement(self) -> float:
        """Return the share of the edges whose sign is that of the start (edges of weight 0 apart)."""
        return 1.0 if self._moves is None else 1 - self._moves.n_unlike_start() / self._n_signed

    def is_rigid(self) -> bool:
        """Return whether the signed degrees admit the start alone: no directed cycle."""
        return self._moves is None

    def counts(self) -> dict[str, int]:
        """Return the numbers of trades, of trades that changed a sign, of worms, and of edges that worms passed."""
        return dataclasses.asdict(self._counts)

    def placement(self) -> Placement:
        """Return the support with the signs of now."""
        signs = self._start if self._moves is None else read_only(self._moves.signs())
        return Placement(self._edges.shape, self._edges.indptr, self._edges.indices, signs)


@dataclasses.dataclass
class Counts:
    """What a chain has done."""

    trades: int = 0
    changing_trades: int = 0
    worms: int = 0
    steps: int = 0


class Moves(Protocol):
    """The signs of a block in a layout of their own, and a recipe that moves them."""

    def sweep(self, number: int, counts: Counts, n_jobs: int) -> None:
        """Make the moves of one sweep."""

    def n_unlike_start(self) -> int:
        """Return how many edges have another sign than in the start."""

    def signs(self) -> np.ndarray:
        """Return (n_edges,) signs in edge order."""


@dataclasses.dataclass(frozen=True)
class Worms:
    """The worms of a sweep: how many (and by a coin one more), and where they start."""

    number: int
    homes: np.ndarray
    """(n_homes,) rows."""
    chances: np.ndarray
    """(n_homes,) their cumulative probabilities."""
    stream: Stream

    @classmethod
    def over(cls, n_in: np.ndarray, component: np.ndarray, n_edges: int, passes: float, stream: Stream) -> Worms:
        r"""Return worms that pass each of the movable edges equally often.

        A worm from row h in a component of m edges takes about m / (n_in[h] + 1) steps, since it must meet an edge into
        h. So homes at chances in proportion to (n_in[h] + 1) / (homes in the component) give every component steps in
        proportion to its edges. All this is the same in every state, as a fixed law of homes and a fixed number of
        worms must be; to stop at a total of steps instead would favour the states that short worms leave.

        Parameters
        ----------
        n_in, component : numpy.ndarray
            (n_rows,) movable edges into each row, and its component.
        n_edges : int
            Number of movable edges.
        passes : float
            Mean number of times that an edge is passed in a chain of the usual length.
        stream : Stream
            Source of the walks.
        """
        homes = np.flatnonzero(n_in)
        weights = (n_in[homes] + 1) / np.bincount(component[homes])[component[homes]]
        steps = max(passes / FEWEST_SWEEPS * n_edges, min(n_edges, _FEWEST_STEPS))
        chances = np.cumsum(weights) / weights.sum()
        chances[-1] = 1.0
        return cls(max(0, round(steps * weights.sum() / n_edges - 0.5)), homes, chances, stream)


class OnPlanes:
    """Signs in planes of bits, one row for each node of the smaller side, moved by trades and by worms."""

    def __init__(
        self,
        edges: KernelEdges,
        start: np.ndarray,
        planes: tuple[np.ndarray, np.ndarray],
        degrees: Degrees,
        n_trades: float,
        worms: Worms,
        seed: np.random.SeedSequence,
    ) -> None:
        from nngraph.nulls import _kernels

        self._edges, self._start = edges, start
        self._positive, self._movable = planes
        self._before = self._positive.copy()
        self._ranked = np.argsort(degrees.rows_up / np.maximum(degrees.rows, 1), kind="stable")
        self._n_trades, self._worms = n_trades, worms
        self._pairings, self._trades = (_kernels.streams(child(seed, name)) for name in ("pairings", "trades"))

    def sweep(self, number: int, counts: Counts, n_jobs: int) -> None:
        from nngraph.nulls import _kernels

        planes = self._positive, self._movable
        first, last = (int(n * self._n_trades) for n in (number, number + 1))
        if n_jobs == 1 or self._positive.nbytes < _THREADED:
            counts.changing_trades += _kernels.trade_sweeps(
                *planes, self._ranked, first, last, self._pairings, self._trades
            )
        else:
            for sweep in range(first, last):
                counts.changing_trades += self._threaded(sweep, n_jobs)
        counts.trades += (last - first) * (len(self._positive) // 2)
        worms = self._worms
        moved = _kernels.crawl_planes(*planes, worms.homes, worms.chances, worms.number, number, *worms.stream)
        counts.worms, counts.steps = counts.worms + moved[0], counts.steps + moved[1]

    def _threaded(self, sweep: int, n_jobs: int) -> int:
        """Run one sweep of trades, its pairs dealt to threads."""
        from nngraph.nulls import _kernels

        order = _kernels.pairing(self._ranked, sweep, *self._pairings)
        bounds = np.linspace(0, len(order) // 2, n_jobs + 1).astype(int).tolist()

        def trade(first: int, last: int) -> int:
            changed = _kernels.trade(self._positive, self._movable, order, first, last, sweep, *self._trades)
            return int(changed)

        with ThreadPoolExecutor(n_jobs) as pool:
            return sum(pool.map(trade, bounds[:-1], bounds[1:]))

    def n_unlike_start(self) -> int:
        return int(np.bitwise_count(self._positive ^ self._before).sum())

    def signs(self) -> np.ndarray:
        from nngraph.nulls import _kernels

        n_target, n_source = self._edges.shape
        positive = self._positive
        if n_target > n_source:
            positive = _kernels.transposed(positive, n_target)
        signs: np.ndarray = _kernels.unpack(positive, self._start, self._edges.indptr, self._edges.indices)
        return signs


class OnLists:
    """Signs as a directed graph with a list of edges for each node, moved by worms alone."""

    def __init__(self, start: np.ndarray, where: np.ndarray, graph: Graph, worms: Worms) -> None:
        self._start, self._where = start, where
        self._graph, self._worms = graph, worms

    def sweep(self, number: int, counts: Counts, n_jobs: int) -> None:
        from nngraph.nulls import _kernels

        worms = self._worms
        moved = _kernels.crawl_lists(*self._graph, worms.homes, worms.chances, worms.number, number, *worms.stream)
        counts.worms, counts.steps = counts.worms + moved[0], counts.steps + moved[1]

    def n_unlike_start(self) -> int:
        return int(np.count_nonzero(self._up() != (self._start[self._where] > 0)))

    def signs(self) -> np.ndarray:
        signs = self._start.copy()
        signs[self._where] = 2 * self._up().astype(np.int8) - 1
        return signs

    def _up(self) -> np.ndarray:
        """Return which of the movable edges are positive: those among the out-edges of their row."""
        nodes, _, ends = self._graph
        last_out: np.ndarray = nodes.sum(axis=1, dtype=np.int32)
        up: np.ndarray = ends[:, 1] < last_out[ends[:, 0]]
        return up


def _moves(edges: KernelEdges, start: np.ndarray, n_signed: int, seed: np.random.SeedSequence) -> Moves | None:
    """Return the faster way to move the signs, or None where nothing can move."""
    from nngraph.nulls import _kernels

    stream = _kernels.streams(child(seed, "worms"))
    if n_signed > max(_FEW, _DENSE * edges.shape[0] * edges.shape[1]):
        positive, movable = _planes(edges, start)
        movable = _kernels.trim(positive, movable)
        degrees = Degrees.of(positive, movable, max(edges.shape))
        if not degrees.rows.any():
            return None
        n_trades = sweeps_of_trades(movable, degrees, generator(child(seed, "cells")))
        if n_trades is not None:
            component = np.zeros(len(positive), np.int64)
            if not _kernels.strongly_connected(positive, movable):
                where, _, component = _movable_edges(edges, start)
                moving = np.zeros_like(start)
                moving[where] = start[where]
                _, movable = _planes(edges, moving)
                degrees = Degrees.of(positive, movable, max(edges.shape))
            n_in, n_movable = degrees.rows - degrees.rows_up, int(degrees.rows.sum())
            worms = Worms.over(n_in, component, n_movable, _PASSES_BESIDE_TRADES, stream)
            n_trades_a_sweep = max(n_trades / FEWEST_SWEEPS, 1.0)
            return OnPlanes(edges, start, (positive, movable), degrees, n_trades_a_sweep, worms, seed)
    where, graph, component = _movable_edges(edges, start)
    if len(where) == 0:
        return None
    nodes, edge_at, _ = graph
    n_in = (np.diff(nodes[:, 0], append=len(edge_at)) - nodes[:, 1])[: len(component)]
    return OnLists(start, where, graph, Worms.over(n_in, component, len(where), PASSES, stream))


def _planes(edges: KernelEdges, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes of positive and of signed edges, the nodes of the smaller side as rows."""
    from nngraph.nulls import _kernels

    n_target, n_source = edges.shape
    positive, signed = _kernels.pack(read_only(signs), edges.indptr, edges.indices, n_source)
    if n_target > n_source:
        return _kernels.transposed(positive, n_source), _kernels.transposed(signed, n_source)
    return positive, signed


def _movable_edges(edges: KernelEdges, start: np.ndarray) -> tuple[np.ndarray, Graph, np.ndarray]:
    """Return the edges within a strongly connected component, their directed graph, and the component of each row."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    from nngraph.nulls import _kernels

    n_target, n_source = edges.shape
    where = np.flatnonzero(start)
    targets = np.repeat(np.arange(n_target, dtype=np.int32), np.diff(edges.indptr))[where]
    sources = edges.indices[where] if len(edges.indices) else (where % n_source).astype(np.int32)
    ends = (targets, sources) if n_target <= n_source else (sources, targets)
    shape = min(edges.shape), max(edges.shape)
    graph: Graph = _kernels.orient(*ends, start[where] > 0, *shape)
    bounds, to = _kernels.heads(*graph)
    out_edges = csr_array((np.ones(len(to), np.int8), to, bounds), shape=(sum(shape), sum(shape)))
    _, component = connected_components(out_edges, connection="strong")
    rows, columns = ends
    movable = component[rows] == component[shape[0] + columns]
    if not movable.all():
        where = where[movable]
        graph = _kernels.orient(rows[movable], columns[movable], start[where] > 0, *shape)
    return where, graph, component[: shape[0]]
