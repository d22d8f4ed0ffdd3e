"""Worms: reversal of directed cycles, which connects all signs of a fixed support with given signed degrees.

Let positive edges run from row to column and negative ones from column to row. Keeping the signed degrees is then
keeping out-degrees, and two such orientations differ by directed cycles, on any support. A worm walks from a row along
out-edges, reversing each edge behind it, until it returns. At each node that it passes, the walk and its reverse both
choose among as many edges as the node has out-edges, so both are equally likely and the uniform law is stationary.
"""

from __future__ import annotations

import bisect
import math

import numpy as np

from nngraph._rng import child, generator
from nngraph.errors import SizeError
from nngraph.nulls._edges import Columns, KernelEdges, Placement, read_only

__all__ = ["SupportSigns", "run_worms"]

_PILOT = 16
_FEWEST, _FEWEST_OF_MANY, _MANY = 100, 16, 20_000
"""Worms that run in any case: so many, or fewer where there are many edges and each worm is long."""
_SWEEPS = 20
_LEFT = 5e-4
"""Share of the start that may be left where edges are absent."""
_FEWEST_COMMON, _MOST_SWEEPS = 5, 700
"""Where rows share up to so many columns, or trades would need more sweeps than this, worms mix faster."""


class SupportSigns:
    """Signs on a fixed support. An edge of weight 0 takes no part."""

    def __init__(self, edges: KernelEdges, seed: np.random.SeedSequence) -> None:
        self._edges, self._seed = edges, seed
        self._start = self._signs = read_only(np.subtract(edges.values > 0, edges.values < 0, dtype=np.int8))
        self._runs = 0

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps."""
        if len(self._signs) < 2:
            return
        moved = _moved_signs(self._edges, self._signs, n_sweeps, child(self._seed, self._runs))
        self._signs = read_only(moved)
        self._runs += 1

    def agreement(self) -> float:
        """Return the share of the signs that are as at the start."""
        signed = self._start != 0
        return float((self._signs == self._start)[signed].mean()) if signed.any() else 1.0

    def is_rigid(self) -> bool:
        """Return False: whether the start is the only state is not found out."""
        return False

    def counts(self) -> dict[str, int]:
        """Return nothing: moves are not counted."""
        return {}

    def placement(self) -> Placement:
        """Return the signs where they are now."""
        return Placement(self._edges.shape, self._edges.indptr, self._edges.indices, self._signs)


def run_worms(
    signs: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    n_columns: int,
    steps: float | None,
    seed: np.random.SeedSequence,
) -> np.ndarray:
    """Return the signs after worms of about ``steps`` steps in all.

    Parameters
    ----------
    signs : numpy.ndarray
        (n_edges,) int8, 1 or -1; an edge of sign 0 takes no part.
    indptr, indices : numpy.ndarray
        Compressed rows of the support.
    n_columns : int
        Number of columns.
    steps : float, optional
        How many edges to pass. It sets the *number* of worms by the mean length of a pilot run that goes before:
        stopping by a total of steps would favour the states that short worms leave. None for a few worms.
    seed : numpy.random.SeedSequence
        Source of the walks.

    Returns
    -------
    numpy.ndarray
        (n_edges,) int8.

    Notes
    -----
    One more worm goes with probability 1/2, so that no parity of the number of worms can show.
    """
    from nngraph.nulls import _kernels

    if 2 * len(signs) >= 2**31 or len(indptr) - 1 + n_columns >= 2**31:
        raise SizeError(f"worms: got {len(signs):,} edges; this null model takes fewer than {2**30:,} in a block.")
    signs, indptr, indices = read_only(signs), read_only(indptr), read_only(indices)
    starts, n_out, other, mate = _kernels.orient(signs, indptr, indices, n_columns)
    n_rows = len(indptr) - 1
    degree = np.diff(starts[: n_rows + 1])
    eligible = np.flatnonzero((n_out[:n_rows] > 0) & (n_out[:n_rows] < degree))
    if len(eligible) == 0:
        return signs
    graph = (starts, n_out, other, mate, eligible)
    n_worms = _FEWEST if len(other) < _MANY else _FEWEST_OF_MANY
    if steps is not None:
        pilot = _kernels.worms(*graph, _PILOT, *_kernels.streams(child(seed, "pilot")))
        n_worms = max(n_worms, math.ceil(steps * _PILOT / pilot))
    n_worms += int(generator(child(seed, "parity")).integers(2))
    _kernels.worms(*graph, n_worms, *_kernels.streams(child(seed, "worms")))
    moved: np.ndarray = _kernels.read_signs(starts, n_out, other, signs, indptr, indices, n_columns)
    return moved


def _moved_signs(edges: KernelEdges, signs: np.ndarray, sweeps: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Return new signs in edge order: trades where rows share enough columns, worms where edges are absent."""
    from nngraph.nulls import _kernels

    n_target, n_source = edges.shape
    n_signed = int(np.count_nonzero(signs))
    stream = _kernels.streams(child(seed, "trades"))
    indices = read_only(np.tile(np.arange(n_source, dtype=np.int32), n_target)) if edges.complete else edges.indices
    steps: float | None = 7 * n_signed * sweeps / _SWEEPS
    needed = _sweeps_needed(edges, signs)
    if needed is not None:
        signs = _traded(edges, signs, math.ceil(sweeps * max(1.0, needed / _SWEEPS)), stream)
        steps = None  # trades have mixed the bulk; a few worms reach what they cannot
    return run_worms(signs, edges.indptr, indices, n_source, steps, child(seed, "worms"))


def _traded(edges: KernelEdges, signs: np.ndarray, n_sweeps: int, stream: tuple[np.uint64, np.uint64]) -> np.ndarray:
    """Return the signs after sweeps of trades between rows, or between columns where those are fewer."""
    from nngraph.nulls import _kernels

    n_target, n_source = edges.shape
    by_column = Columns(edges) if n_target > n_source else None
    indptr, indices, length = edges.indptr, edges.indices, n_source
    if by_column is not None:
        signs = by_column.gather(signs)
        indptr, length = by_column.starts, n_target
        if not edges.complete:
            rows = np.repeat(np.arange(n_target, dtype=np.int32), np.diff(edges.indptr))
            indices = read_only(by_column.gather(rows))
    signs = read_only(signs)
    positive, signed = _kernels.pack(signs, indptr, indices, length)
    _kernels.trade(positive, signed, n_sweeps, *stream)
    signs = _kernels.unpack(positive, signs, indptr, indices)
    return signs if by_column is None else by_column.scatter(signs)


def _sweeps_needed(edges: KernelEdges, signs: np.ndarray) -> int | None:
    """Return how many sweeps of trades mix the signs where edges are absent, or None where worms do it faster.

    Rows are the nodes of the smaller side. An edge takes part in a sweep if the other row of its pair has an edge in
    the same column, and half of what is left of its start is then gone (a third where signed degrees are uneven, to be
    safe): over the sweeps (1 - share / 3) ** n, with the share of the rows that its column joins. The mean over the
    edges decides, so a tenth of them in sparse columns counts, however dense the rest is. Edges of a node whose edges
    have one sign cannot move and do not count.
    """
    n_target, n_source = edges.shape
    targets = np.repeat(np.arange(n_target), np.diff(edges.indptr))
    sources = edges.indices if len(edges.indices) else np.tile(np.arange(n_source), n_target)
    movable = signs != 0
    for ends in (targets, sources):
        up, down = (np.bincount(ends[signs == sign], minlength=max(edges.shape)) > 0 for sign in (1, -1))
        movable &= (up & down)[ends]
    rows, columns, n_rows = (targets, sources, n_target) if n_target <= n_source else (sources, targets, n_source)
    rows, columns = rows[movable], columns[movable]
    if len(rows) == 0:
        return None
    degree = np.bincount(columns)
    share = np.maximum(degree - 1.0, 0) / (n_rows - 1)
    common = np.bincount(rows, weights=share[columns])
    if np.count_nonzero((common <= _FEWEST_COMMON)[rows]) > _LEFT * len(rows):
        return None
    weight = degree / len(rows)

    def mixed(n: int) -> bool:
        return float(weight @ (1 - share / 3) ** n) <= _LEFT

    return bisect.bisect_left(range(_MOST_SWEEPS), 1, key=mixed) if mixed(_MOST_SWEEPS) else None
