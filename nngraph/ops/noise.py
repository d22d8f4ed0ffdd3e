"""Noise: add an independent random number to the weight of each edge present."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nngraph._blockwise import BiasPolicy, BlockNames, change_blocks
from nngraph._rng import RNG, generator, seed_sequence
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Step
from nngraph.ops._ranking import one_of, real_number

__all__ = ["add_noise"]


def add_noise(
    G: NeuralGraph,
    amplitude: float,
    *,
    distribution: Literal["uniform", "normal"] = "uniform",
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    rng: RNG = None,
) -> NeuralGraph:
    r"""Add independent noise to the weight of every edge present.

    .. math:: w' = w + u, \qquad u \sim U(-a, a) \text{ or } u \sim N(0, a^2)

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    amplitude : float
        a, in units of weight, at least 0: half the width of the uniform distribution (whose standard deviation is
        a / sqrt(3)), or the standard deviation of the normal one.
    distribution : "uniform" or "normal"
        The law of the noise.
    blocks : name, position, or a sequence of them, optional
        The blocks to change; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases, add noise to their nonzero entries too, or set biases to zero.
    rng : None, int, SeedSequence or Generator
        Source of the noise.

    Returns
    -------
    NeuralGraph
        The same edges present; with ``amplitude=0`` the same blocks, untouched.

    Raises
    ------
    ArgumentError
        If the amplitude is negative or not finite, a weight would leave the range of its dtype, or a name is unknown.

    Notes
    -----
    Absent edges stay absent. Noise is drawn in the precision of the weights (float32 for 16 bits), and the sum rounded
    to the dtype of the block. One draw per call:
    average over seeds for a curve.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[0.5, -2.0], [0.0, 0.5]])])
    >>> H = nng.ops.add_noise(G, 0.1, rng=7)
    >>> bool(np.all(abs(H.weights() - G.weights()) <= 0.1)), H.n_edges
    (True, 3)
    """
    amplitude = real_number("add_noise: amplitude", amplitude, 0, np.inf)
    one_of("add_noise: distribution", distribution, ("uniform", "normal"))
    seed = seed_sequence(rng)

    def change(block: Block, own_seed: np.random.SeedSequence | None) -> Block:
        if amplitude == 0 or block.n_edges == 0:
            return block
        assert own_seed is not None
        values = block.values
        random = generator(own_seed)
        precision = np.float32 if values.dtype.itemsize <= 4 else np.float64
        with np.errstate(over="ignore", invalid="ignore"):  # told below, by block
            if distribution == "uniform":
                noise = random.random(len(values), dtype=precision)
                noise *= precision(2 * amplitude)
                noise -= precision(amplitude)
            else:
                noise = random.standard_normal(len(values), dtype=precision)
                noise *= precision(amplitude)
            noise += values
            noisy = noise.astype(values.dtype, copy=False)
        if not np.isfinite([noisy.min(), noisy.max()]).all():
            raise ArgumentError(
                f"block {block.name!r}: noise of amplitude {amplitude:g} takes a weight out of the range of "
                f"{values.dtype}; use a smaller amplitude or a wider dtype."
            )
        return block.with_values(noisy)

    parameters = {"amplitude": amplitude, "distribution": distribution, "blocks": blocks, "bias": bias}
    return change_blocks(G, change, Step("add_noise", parameters), blocks=blocks, bias=bias, seed=seed)
