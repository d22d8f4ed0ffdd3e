"""What the Markov chains of the null models have in common: one block, its start, and where the chain is now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from nngraph.nulls._edges import KernelEdges, Placement

__all__ = ["Chain", "ChainOf"]


class Chain(Protocol):
    """A Markov chain over the signed supports of one block, which starts from the block's own.

    Its moves keep what the kind keeps, and its stationary law is uniform over all that keep it.
    """

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps; ``n_jobs`` threads give the same result as one."""

    def agreement(self) -> float:
        """Return the share of the start's edges that are present with the same sign now (edges of weight 0 apart)."""

    def is_rigid(self) -> bool:
        """Return whether the start is the only state: no sequence of moves changes it."""

    def counts(self) -> dict[str, int]:
        """Return how many moves were tried and how many changed something, by kind of move."""

    def placement(self) -> Placement:
        """Return where the chain is now."""


ChainOf: TypeAlias = Callable[[KernelEdges, np.random.SeedSequence], Chain]
"""Start a chain from a block's own signs and support."""
