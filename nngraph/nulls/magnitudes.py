"""Policies by which the magnitudes of a block follow when its signs or its support have moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls.entropy import resampled

__all__ = ["POLICIES", "Policy", "dealt_by_sign"]

Policy: TypeAlias = Callable[[KernelEdges, Placement, np.random.SeedSequence], np.ndarray]
"""``policy(edges, placement, seed)`` returns the weights of the placement's edges, in their edge order."""


def dealt_by_sign(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    """Permute the positive weights uniformly over the positive edges, and the negative over the negative.

    Parameters
    ----------
    edges : KernelEdges
        The block as it was.
    placement : Placement
        As many positive and as many negative edges as the block.
    seed : numpy.random.SeedSequence
        Source of the permutation.

    Returns
    -------
    numpy.ndarray
        (n_edges,) weights.
    """
    from nngraph.nulls import _kernels

    values = edges.values.copy()
    _kernels.shuffle_by_sign(values, read_only(placement.signs), edges.whole, *_kernels.streams(seed))
    return values


POLICIES: dict[str, Policy] = {"resample": resampled, "sign": dealt_by_sign}
"""Every policy by its name in ``weights=``."""
