"""Binarization: keep the sign of each edge, drop its magnitude."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nngraph._blockwise import BiasPolicy, BlockNames, change_blocks
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph, Step
from nngraph.ops._ranking import one_of

__all__ = ["binarize"]


def binarize(
    G: NeuralGraph,
    *,
    scale: Literal["mean_abs"] | None = None,
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
) -> NeuralGraph:
    r"""Replace each weight by its sign, optionally times the mean magnitude of its block.

    .. math:: w' = s \, \mathrm{sign}(w), \qquad s = 1 \text{ or } s = \langle |w| \rangle_{w \neq 0}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    scale : None or "mean_abs"
        None for a bare sign; "mean_abs" for the mean magnitude of the block's nonzero weights, the s that is closest
        to the block in squared error.
    blocks : name, position, or a sequence of them, optional
        The blocks to binarize; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases, binarize each bias vector on its own, or set biases to zero.

    Returns
    -------
    NeuralGraph
        The same edges present.

    Raises
    ------
    ArgumentError
        If ``scale`` or a name is unknown.

    Notes
    -----
    The sign of 0 is 0: a present edge of weight 0 stays present with weight 0. With ReLU units and biases of zero a
    positive scale per block changes no decision of the network; with biases kept, or with units that saturate, it does.

    References
    ----------
    .. [1] M. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.
    .. [2] M. Rastegari, V. Ordonez, J. Redmon, A. Farhadi, "XNOR-Net: ImageNet classification using binary
       convolutional neural networks", ECCV 2016 (the scale).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[0.5, -2.0], [0.0, 0.5]])])
    >>> nng.ops.binarize(G).weights()
    array([ 1., -1.,  1.])
    >>> nng.ops.binarize(G, scale="mean_abs").weights()
    array([ 1., -1.,  1.])
    """
    one_of("binarize: scale", scale, (None, "mean_abs"))

    def change(block: Block, _: np.random.SeedSequence | None) -> Block:
        values = block.values
        if scale is None:
            return block.with_values(np.sign(values))
        magnitudes = np.abs(values)
        zero = magnitudes == 0
        n = len(values) - np.count_nonzero(zero)
        mean = magnitudes.sum(dtype=np.float64) / n if n else 0.0
        scaled = np.copysign(values.dtype.type(mean), values)
        if n < len(values):
            scaled[zero] = 0
        return block.with_values(scaled)

    parameters = {"scale": scale, "blocks": blocks, "bias": bias}
    return change_blocks(G, change, Step("binarize", parameters), blocks=blocks, bias=bias)
