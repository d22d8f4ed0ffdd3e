"""Baselines: edges placed at random on all cells, and weights drawn anew from an initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nngraph._rng import child, generator
from nngraph.blocks import Block
from nngraph.nulls.permutation import permute

__all__ = ["COUNTS", "SCHEMES", "erdos_renyi", "reinitialize"]

COUNTS = ("exact", "expected")


def erdos_renyi(block: Block, seed: np.random.SeedSequence, *, counts: str = "exact") -> Block:
    """Place the edges of a block uniformly at random on its cells.

    Parameters
    ----------
    block : Block
        The block.
    seed : numpy.random.SeedSequence
        Source of the draw.
    counts : "exact" or "expected"
        Keep the numbers of positive and of negative edges and deal the weights of each sign over them; or let every
        cell hold a positive or a negative edge with the block's two densities, independently, and draw each weight from
        the block's own of that sign, with replacement.

    Returns
    -------
    Block
        Another support, unless every cell holds an edge.

    Notes
    -----
    Exact and independent draws. Linear in the number of edges where few cells hold one, in that of cells otherwise.

    References
    ----------
    .. [1] P. Erdos, A. Renyi, "On random graphs I", Publicationes Mathematicae 6, 290-297, 1959.
    """
    n_target, n_source = block.shape
    n_cells = n_target * n_source
    random = generator(child(seed, "cells"))
    if counts == "exact":
        values, n_edges = permute(block, child(seed, "weights"), within=None, by_sign=False).values, block.n_edges
    else:
        # a cell with density p and a value from all the block's own is a cell with densities p+ and p- and a value of
        # that sign
        n_edges = int(random.binomial(n_cells, block.density)) if block.n_edges else 0
        values = random.choice(block.values, n_edges) if n_edges else block.values[:0]
    if n_edges == n_cells:
        return block.with_matrix(values.reshape(block.shape).copy())
    cells = _subset(n_cells, n_edges, random)
    rows, columns = np.divmod(cells, n_source)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_target))])
    return block.with_csr(indptr, columns.astype(np.int32), values.copy())


def _subset(n: int, k: int, random: np.random.Generator) -> np.ndarray:
    """Return a uniform k-subset of range(n), ascending."""
    fewer = random.choice(n, min(k, n - k), replace=False, shuffle=False)
    if 50 * k < n:
        return np.sort(fewer)
    chosen = np.full(n, 2 * k > n)  # where half of all or more are taken, those left out were drawn
    chosen[fewer] ^= True
    return np.flatnonzero(chosen)


def _uniform(bound: Callable[[int, int], float]) -> Callable[..., np.ndarray]:
    def draw(random: np.random.Generator, n: int, fan_in: int, fan_out: int) -> np.ndarray:
        limit = bound(fan_in, fan_out)
        return random.uniform(-limit, limit, n)

    return draw


def _normal(sd: Callable[[int, int], float]) -> Callable[..., np.ndarray]:
    def draw(random: np.random.Generator, n: int, fan_in: int, fan_out: int) -> np.ndarray:
        return random.normal(0.0, sd(fan_in, fan_out), n)

    return draw


SCHEMES: dict[str, Callable[..., np.ndarray] | None] = {
    "torch_default": _uniform(lambda fan_in, fan_out: 1 / math.sqrt(fan_in)),
    "kaiming_uniform": _uniform(lambda fan_in, fan_out: math.sqrt(6 / fan_in)),
    "kaiming_normal": _normal(lambda fan_in, fan_out: math.sqrt(2 / fan_in)),
    "xavier_uniform": _uniform(lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out))),
    "xavier_normal": _normal(lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "matched": None,
}
"""Laws of initial weights by name; "matched" is normal with the block's own standard deviation and mean 0."""


def reinitialize(
    block: Block, seed: np.random.SeedSequence, *, scheme: str = "torch_default", fan_in: int | None = None
) -> Block:
    """Draw the weights of a block anew, as before training, on the same support.

    Parameters
    ----------
    block : Block
        The block.
    seed : numpy.random.SeedSequence
        Source of the draw.
    scheme : str
        A key of :data:`SCHEMES`.
    fan_in : int, optional
        Number of inputs of a target node: by default the source nodes of the block, joined or not, as in torch.

    Returns
    -------
    Block
        The same edges present.

    References
    ----------
    .. [1] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
       2010.
    .. [2] K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.
    """
    if not block.n_edges:
        return block
    random, law = generator(child(seed, "weights")), SCHEMES[scheme]
    if law is None:
        values = random.normal(0.0, float(block.values.std(dtype=np.float64)), block.n_edges)
    else:
        values = law(random, block.n_edges, fan_in or block.n_source, block.n_target)
    return block.with_values(values.astype(block.values.dtype))
