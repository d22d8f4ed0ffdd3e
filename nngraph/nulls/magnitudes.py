"""Policies by which the magnitudes of a block follow when its signs or its support have moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from nngraph.nulls._edges import Columns, KernelEdges, Placement, read_only
from nngraph.nulls.strengths import exactly_kept, nearly_kept

__all__ = [
    "POLICIES",
    "SIGNED_POLICIES",
    "Policy",
    "dealt_by_sign",
    "dealt_by_source",
    "dealt_by_target",
    "dealt_over_all",
    "keeps",
    "resampled",
]

Policy: TypeAlias = Callable[[KernelEdges, Placement, np.random.SeedSequence], np.ndarray]
"""``policy(edges, placement, seed)`` returns (n_edges,) weights of the placement's edges, in their edge order.

``edges`` are the block as it was. The placement has as many positive and as many negative edges as the block ("all": as
many edges; "resample": any number of either), and at each node where the policy's name says so.
"""


def dealt_by_sign(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    """Permute the positive weights uniformly over the positive edges, and the negative over the negative."""
    from nngraph.nulls import _kernels

    plane = getattr(placement, "plane", None)
    if plane is not None:
        values, pool = np.empty_like(edges.given), np.empty_like(edges.given)
        n_positive = int(np.bitwise_count(plane).sum(dtype=np.int64))
        _kernels.pool_by_sign(edges.given, n_positive, pool, *_kernels.streams(seed))
        _kernels.place(pool, n_positive, plane, values)
        return values
    values = edges.given.copy()
    _kernels.shuffle_by_sign(values, read_only(placement.signs), edges.whole, *_kernels.streams(seed))
    return values


def dealt_by_target(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    """Permute the weights uniformly over the edges of their target node and sign."""
    from nngraph.nulls import _kernels

    values = edges.values.copy()
    _kernels.shuffle_by_sign(values, read_only(placement.signs), edges.indptr, *_kernels.streams(seed))
    return values


def dealt_by_source(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    """Permute the weights uniformly over the edges of their source node and sign."""
    from nngraph.nulls import _kernels

    before, after = Columns(edges), Columns(placement)
    values, signs = before.gather(edges.values), after.gather(placement.signs)
    _kernels.shuffle_by_sign(values, read_only(signs), before.starts, *_kernels.streams(seed))
    return after.scatter(values)


def dealt_over_all(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    """Permute the weights, with their signs, uniformly over all edges."""
    from nngraph.nulls import _kernels

    values = edges.values.copy()
    _kernels.shuffle(values, edges.whole, *_kernels.streams(seed))
    return values


def resampled(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    """Deal magnitudes of the block's own edges of the same sign onto edges whose number may differ from the block's.

    Of each sign: as many edges as before get the block's own weights in a random order; another number draws from them
    with replacement, so that the multiset of weights is not kept.
    """
    from nngraph.nulls import _kernels

    weights: np.ndarray = _kernels.resample(
        read_only(edges.values), read_only(placement.signs), *_kernels.streams(seed)
    )
    return weights


POLICIES: dict[str, Policy] = {
    "sign": dealt_by_sign,
    "sign_source": dealt_by_source,
    "sign_target": dealt_by_target,
    "strength": nearly_kept,
    "exact_strength": exactly_kept,
    "all": dealt_over_all,
    "resample": resampled,
}
"""Every policy by its name in ``weights=``."""
SIGNED_POLICIES = ("sign", "sign_source", "sign_target", "strength", "exact_strength")
"""The policies of kinds that keep the signed degrees of both sides, the default first."""

_SOURCE, _TARGET = (frozenset({f"s_{side}+", f"s_{side}-"}) for side in ("source", "target"))
_CHANGES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "sign_source": (_SOURCE, frozenset()),
    "sign_target": (_TARGET, frozenset()),
    "exact_strength": (_SOURCE | _TARGET, frozenset({"weights"})),
}


def keeps(kept: frozenset[str], policy: str | None) -> frozenset[str]:
    """Return what is kept in all, given what a kind keeps with the multiset of weights of each sign."""
    added, dropped = _CHANGES.get(policy or "", (frozenset(), frozenset()))
    return (kept | added) - dropped
