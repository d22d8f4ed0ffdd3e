"""Integer magnitudes with fixed sums at all nodes: find some, and move among them."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from nngraph._rng import child

__all__ = ["MOST", "Polytope"]

MOST = 2**24
"""Steps of the largest magnitude that a draw may have: float32 holds every integer up to here."""
CHANGES, PILOT, MOST_SWEEPS = 60, 4, 500
"""Rectangles that an edge is to be part of on average, sweeps that measure how many there are, and the most sweeps."""
TREES = 50
"""Trees whose cycles take the place of rectangles where these are rare."""
STEPS = 0.02
"""Steps along random cycles per edge, and at least a thousand: they connect what the others may not."""


@dataclasses.dataclass
class Polytope:
    """Integer magnitudes on the edges of a graph with nodes split by sign, with fixed sums at all nodes.

    Sums of integers are exact, so the moves keep them bit for bit. Any two such magnitudes differ by a sum of cycles
    along each of which all changes of an edge have one direction; adding these one by one never leaves the bounds. So
    cycles of all lengths connect every polytope, and rectangles alone need not. Short cycles mix faster: the change
    along a cycle is limited by the smallest of its magnitudes.
    """

    q: np.ndarray
    """(n_slots,) int32 of [1, most], in the order of the split rows."""
    starts: np.ndarray
    """(2 n_target + 1,) int64 bounds of the split rows: positive edges of each row, then negative ones."""
    columns: np.ndarray
    """(n_slots,) int32 split columns."""
    n_columns: int
    most: int = MOST

    def balance(self, rows: np.ndarray, columns: np.ndarray) -> tuple[str, int, str] | None:
        """Give the split rows and columns these sums; return a node and sign that cannot have its own, or None."""
        from nngraph.nulls import _kernels

        _, _, row_of_slot = self.incidence
        ends = ((row_of_slot, len(rows)), (self.columns, len(columns)))
        now = [np.bincount(nodes, weights=self.q, minlength=n).astype(np.int64) for nodes, n in ends]
        need = np.concatenate([rows - now[0], now[1] - columns])
        if need.any():
            _kernels.balance(self.q, *self.incidence, self.columns, len(rows), need, self.most)
        if not need.any():
            return None
        node = int(np.flatnonzero(need)[0])
        n_split = (len(rows) // 2, self.n_columns)
        side, at = ("target", node) if node < len(rows) else ("source", node - len(rows))
        half = n_split[side == "source"]
        return side, at % half, "positive" if at < half else "negative"

    def mix(self, seed: np.random.SeedSequence) -> None:
        """Move until an edge has been part of :data:`CHANGES` rectangles on average, then along random cycles.

        Where rectangles are rare because edges are absent, the cycles of :data:`TREES` random trees take their place.
        The choice depends on the graph alone, never on the magnitudes.
        """
        from nngraph.nulls import _kernels

        n_slots = len(self.q)
        if n_slots == 0:
            return
        rows = (self.q, self.starts, self.columns, 2 * self.n_columns, self.most)
        nodes = (self.q, *self.incidence, self.columns, len(self.starts) - 1, self.most)
        tried = _kernels.rectangles(*rows, PILOT, *_kernels.streams(child(seed, "pilot")))
        n_sweeps = math.ceil(PILOT * CHANGES * n_slots / 4 / max(tried, 1))
        stream = _kernels.streams(child(seed, "short"))
        if n_sweeps <= MOST_SWEEPS:
            _kernels.rectangles(*rows, max(n_sweeps - PILOT, 0), *stream)
        else:
            _kernels.tree_cycles(*nodes, TREES, *stream)
        n_steps = max(1000, math.ceil(STEPS * n_slots))
        pruned = _kernels.prune(*nodes[1:-1])
        _kernels.lassos(nodes[0], *pruned, *nodes[3:], n_steps, *_kernels.streams(child(seed, "long")))

    @functools.cached_property
    def incidence(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The slots of each node, as bounds and slots, and the row of each slot."""
        from nngraph.nulls import _kernels

        result: tuple[np.ndarray, np.ndarray, np.ndarray] = _kernels.incidence(
            self.starts, self.columns, 2 * self.n_columns
        )
        return result
