"""Kind G: signs moved on their own support, the signed degrees of both sides kept."""

from __future__ import annotations

import numpy as np

from nngraph.nulls import cycles
from nngraph.nulls._chains import Chain
from nngraph.nulls._edges import KernelEdges

__all__ = ["sign_chain"]


def sign_chain(edges: KernelEdges, seed: np.random.SeedSequence) -> Chain:
    """Start the chain of the signs of a block on its own support, with the signed degrees of both sides kept."""
    return cycles.SupportSigns(edges, seed)
