"""Kinds A to F: independent uniform permutations of the weights on a fixed support."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nngraph.blocks import Block
from nngraph.nulls._edges import Columns, KernelEdges, read_only

__all__ = ["permute"]

Side = Literal["source", "target"]


def permute(block: Block, seed: np.random.SeedSequence, *, within: Side | None, by_sign: bool) -> Block:
    """Permute the weights of a block uniformly over its edges, within groups of them.

    Parameters
    ----------
    block : Block
        The block.
    seed : numpy.random.SeedSequence
        Source of the permutation.
    within : None, "source" or "target"
        One group, or one for each source or each target node.
    by_sign : bool
        Whether positive and negative weights are further groups; then every edge keeps its sign.

    Returns
    -------
    Block
        The same edges present.
    """
    if block.n_edges < 2:
        return block
    from nngraph.nulls import _kernels

    edges = KernelEdges(block)
    stream = _kernels.streams(seed)
    columns = Columns(edges) if within == "source" else None
    bounds = {None: edges.whole, "target": edges.indptr, "source": columns.starts if columns else None}[within]
    values = columns.gather(edges.values) if columns else edges.values
    if by_sign:
        _kernels.shuffle_by_sign(values, read_only(np.empty(0, np.int8)), bounds, *stream)
    else:
        _kernels.shuffle(values, bounds, *stream)
    if columns:
        values = columns.scatter(values)
    return edges.with_values(values)
