"""Pruning: remove a fraction of the edges."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nngraph._blockwise import BiasPolicy, BlockNames, change_blocks, check_graph, first_views
from nngraph._rng import RNG, child, seed_sequence
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph, Step
from nngraph.ops._ranking import Order, count_of, one_of, ranked, real_number

__all__ = ["prune"]


def prune(
    G: NeuralGraph,
    fraction: float,
    *,
    scope: Literal["block", "global"] = "block",
    order: Order = "smallest",
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    rng: RNG = None,
) -> NeuralGraph:
    r"""Remove a fraction of the edges present, by default those of smallest magnitude in each block.

    .. math:: E' = E \setminus \{\text{the } \mathrm{round}(p\,|E|) \text{ edges of lowest rank of } |w|\}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    fraction : float
        p, the share of the edges present to remove, in [0, 1].
    scope : "block" or "global"
        Rank the edges within each block, or over all chosen blocks together.
    order : "smallest", "largest" or "random"
        Which edges go first. Ties of magnitude go by edge order: the earlier edge goes first in either direction.
    blocks : name, position, or a sequence of them, optional
        The blocks to prune; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases; prune each bias vector on its own by the same rule (in either scope; a removed entry is 0); or set
        biases to zero.
    rng : None, int, SeedSequence or Generator
        For ``order="random"``.

    Returns
    -------
    NeuralGraph
        With ``fraction=0`` the same blocks, untouched.

    Raises
    ------
    ArgumentError
        If the fraction is outside [0, 1], or a name is unknown.

    Notes
    -----
    ``round(fraction * n)`` edges are removed, halves to even. Linear in the number of edges: a partition finds the
    threshold, and ties at the threshold are taken in edge order, which equals a stable sort. A present edge of weight
    0 ranks as the smallest. Tied blocks are one matrix, counted and pruned once.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.
    .. [2] S. Han, J. Pool, J. Tran, W. Dally, "Learning both weights and connections for efficient neural networks",
       NeurIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[0.1, -2.0], [3.0, -0.2]])])
    >>> nng.ops.prune(G, 0.5).block(0).dense()
    array([[ 0., -2.],
           [ 3.,  0.]])
    """
    fraction = real_number("prune: fraction", fraction, 0, 1)
    one_of("prune: scope", scope, ("block", "global"))
    one_of("prune: order", order, ("smallest", "largest", "random"))
    check_graph("prune", G)
    seed = seed_sequence(rng)
    removed = _over_all_blocks(G, fraction, order, blocks, seed) if scope == "global" else {}

    def change(block: Block, own_seed: np.random.SeedSequence | None) -> Block:
        if id(block) in removed:
            return block.with_support(~removed[id(block)])
        n = count_of(fraction, block.n_edges)
        return block.with_support(~ranked(block.values, n, order, own_seed)) if n else block

    parameters = {"fraction": fraction, "scope": scope, "order": order, "blocks": blocks, "bias": bias}
    return change_blocks(
        G,
        change,
        Step("prune", parameters),
        blocks=blocks,
        bias=bias,
        seed=seed if order == "random" else None,
    )


def _over_all_blocks(
    G: NeuralGraph, fraction: float, order: Order, blocks: BlockNames, seed: np.random.SeedSequence
) -> dict[int, np.ndarray]:
    """Rank the edges of all chosen matrices together; keyed by the block that stands for each matrix."""
    keys = {block.name if block.origin is None else block.origin.key for block in G.select_blocks(blocks)}
    matrices = [
        block
        for number, (block, first) in enumerate(zip(G.blocks, first_views(G.blocks), strict=True))
        if number == first and (block.name if block.origin is None else block.origin.key) in keys
    ]
    if not matrices:
        return {}
    values = np.concatenate([block.values for block in matrices])
    chosen = ranked(values, count_of(fraction, len(values)), order, child(seed, "global"))
    ends = np.cumsum([block.n_edges for block in matrices])[:-1]
    return {id(block): part for block, part in zip(matrices, np.split(chosen, ends), strict=True)}
