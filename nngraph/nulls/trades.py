"""Kind G on a complete block: signs moved by trades between rows, the signed degrees of both sides kept."""

from __future__ import annotations

import numpy as np

from nngraph._rng import child
from nngraph.nulls import cycles
from nngraph.nulls._chains import Chain
from nngraph.nulls._edges import KernelEdges, read_only

__all__ = ["CompleteSigns", "sign_chain"]


def sign_chain(edges: KernelEdges, seed: np.random.SeedSequence) -> Chain:
    """Start the chain of the signs of a block on its own support, with the signed degrees of both sides kept."""
    if edges.complete and edges.values.all():
        return CompleteSigns(edges, seed)
    return cycles.SupportSigns(edges, seed)


class CompleteSigns(cycles.SupportSigns):
    """Signs of a complete block."""

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps."""
        from nngraph.nulls import _kernels

        if len(self._signs) < 2:
            return
        stream = _kernels.streams(child(self._seed, self._runs))
        self._signs = read_only(cycles._traded(self._edges, self._signs, n_sweeps, stream))
        self._runs += 1
