"""Supports of sparse layers: how they begin, and one step of their evolution."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError, SparsityWarning
from nngraph.sparse import _cells
from nngraph.sparse._cells import Regrowth
from nngraph.sparse._inputs import array_of

if TYPE_CHECKING:
    from nngraph._tensors import Array

__all__ = ["Rewiring", "erdos_renyi_mask", "rewire"]


@dataclasses.dataclass(frozen=True, eq=False)
class Rewiring:
    """The support of a layer on both sides of regrowth, and what changed."""

    core: np.ndarray = dataclasses.field(repr=False)
    """(n_target, n_source) bool: the edges that stayed, before regrowth."""
    mask: np.ndarray = dataclasses.field(repr=False)
    """(n_target, n_source) bool: the edges after regrowth, as many as before the removal."""
    removed: np.ndarray = dataclasses.field(repr=False)
    """(k,) flat indices of the cells whose edges went, ascending."""
    added: np.ndarray = dataclasses.field(repr=False)
    """(k,) flat indices of the cells that became edges, ascending; some may be among ``removed``."""
    n_positive: int
    n_negative: int
    """How many of the removed edges weighed more, and less, than 0; the others weighed exactly 0."""


def erdos_renyi_mask(n_target: int, n_source: int, epsilon: float, *, rng: RNG = None) -> np.ndarray:
    r"""Return a random bipartite support whose number of edges grows with the number of neurons, not of their pairs.

    .. math:: p = \varepsilon \, \frac{n + m}{n m}, \qquad \langle E \rangle = \varepsilon (n + m)

    Parameters
    ----------
    n_target, n_source : int
        Numbers m and n of neurons on the two sides.
    epsilon : float
        Above 0. 20 and 13 are the published ones.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same mask.

    Returns
    -------
    (n_target, n_source) bool array
        Each cell is True with probability p, on its own.

    Raises
    ------
    ArgumentError
        If a size is not a whole number of at least 1, or epsilon not a finite number above 0.

    Warns
    -----
    SparsityWarning
        If p is 1 or more: the mask is then all True.

    Notes
    -----
    Exact; the cost of the edges and of one bool array. The published code for sparse matrices draws eps (n + m) pairs
    with replacement instead, which gives fewer edges than that.

    References
    ----------
    .. [1] D. C. Mocanu, E. Mocanu, P. Stone, P. H. Nguyen, M. Gibescu, A. Liotta, "Scalable training of artificial
       neural networks with adaptive sparse connectivity inspired by network science", Nature Communications 9 (2018).

    Examples
    --------
    >>> mask = erdos_renyi_mask(400, 784, epsilon=13, rng=0)
    >>> mask.shape, bool(abs(mask.mean() - 13 * (400 + 784) / (400 * 784)) < 0.003)
    ((400, 784), True)
    """
    shape = (_arguments.whole("n_target", n_target), _arguments.whole("n_source", n_source))
    p = _cells.probability(shape, _cells.check_epsilon(epsilon))
    if p >= 1:
        warnings.warn(f"erdos_renyi_mask: {complete(shape, epsilon)}", SparsityWarning, stacklevel=2)
    mask = np.zeros(shape, dtype=bool)
    mask.reshape(-1)[_cells.initial(shape, p, generator(child(seed_sequence(rng), "erdos_renyi_mask")))] = True
    return mask


def complete(shape: tuple[int, int], epsilon: float) -> str:
    """Say that an epsilon makes a layer complete, and which does not."""
    return (
        f"epsilon={epsilon:g} makes a layer of {shape[1]} -> {shape[0]} neurons complete: it has all of its "
        f"{shape[0] * shape[1]:,} edges and nothing to rewire. Below epsilon={_cells.largest_epsilon(shape):.4g} it is "
        "sparse."
    )


def rewire(
    weights: Array, mask: Array, *, zeta: float = 0.3, regrowth: Regrowth = "random", rng: RNG = None
) -> Rewiring:
    r"""Remove the weakest edges of either sign and let as many grow elsewhere: one step of evolution of a layer.

    .. math:: k = \lfloor \zeta E_+ \rfloor + \lfloor \zeta E_- \rfloor + E_0, \qquad |E| \text{ stays}

    Parameters
    ----------
    weights : (n_target, n_source) float array or tensor
        What lies outside of the mask is not looked at.
    mask : (n_target, n_source) bool array or tensor
        True where an edge is present; it may weigh 0.
    zeta : float
        Share of the edges of either sign that go, between 0 and 1.
    regrowth : "random", "preferential" or "degree"
        Where edges grow, among the cells that are absent from the core: anywhere, with the same probability; or drawn
        one after the other with probability in proportion to (k_target + 1)(k_source + 1), in the degrees of the core;
        or so that every neuron, on both sides, has the degree again that it had before the removal.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same bits.

    Returns
    -------
    Rewiring
        The arguments are not changed.

    Raises
    ------
    ArgumentError
        If shapes or types do not fit, an argument is out of its range, or a present weight is NaN or infinite.

    Warns
    -----
    SparsityWarning
        If fewer cells are free than edges would go.

    Notes
    -----
    The floor(zeta E+) smallest of the positive and the floor(zeta E-) closest to 0 of the negative weights go; where
    weights tie the first in order go, so that the numbers are exact. Edges that weigh exactly 0, of either sign bit,
    are on neither list and in neither number: all E0 of them go, as in the published code. An edge that went may grow
    again at once. No more edges go than cells were free before (k would be more above a density of about
    1 / (1 + zeta)): zeros first, then both signs in proportion. A complete layer is therefore left as it is.

    Cost: a few passes over the mask and over the edges; no cell is listed that is no edge, except where preferential
    regrowth meets edges in most of its draws. "random" and "preferential" are exact draws. "degree" keeps both degree
    sequences exactly, though not those of positive edges alone: it begins with the removed edges and switches the
    sources of random pairs about 10 times each, a chain with the uniform distribution over all such supports as its
    limit where switches connect them.

    References
    ----------
    .. [1] D. C. Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
       inspired by network science", Nature Communications 9 (2018).

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.array([[0.1, -0.2, 0.0, 0.0], [0.5, -0.9, 0.0, 0.0]])
    >>> step = rewire(weights, weights != 0, zeta=0.5, rng=0)
    >>> step.removed.tolist(), step.core.sum(), step.mask.sum()
    ([0, 1], np.int64(2), np.int64(4))
    """
    weights, mask = array_of(weights, "rewire: weights"), array_of(mask, "rewire: mask")
    if weights.ndim != 2 or mask.shape != weights.shape or mask.dtype != bool or weights.dtype.kind not in "fiu":
        raise ArgumentError(
            f"rewire: got weights of shape {weights.shape} and type {weights.dtype} and a mask of shape {mask.shape} "
            f"and type {mask.dtype}; expected real (n_target, n_source) weights and a bool mask of the same shape."
        )
    zeta = _arguments.share("zeta", zeta)
    _arguments.choice("regrowth", regrowth, _cells.REGROWTHS)
    shape = (weights.shape[0], weights.shape[1])
    cells = np.flatnonzero(mask)
    values = weights.reshape(-1)[cells]
    _cells.check_values(values)
    done = _cells.exchange(values, cells, shape, zeta, regrowth, generator(child(seed_sequence(rng), "rewire")))
    if done.n_wanted > len(done.removed):
        warnings.warn(f"rewire: {too_dense(done, shape)}", SparsityWarning, stacklevel=2)
    removed = cells[done.removed]
    core = mask.copy()
    core.reshape(-1)[removed] = False
    regrown = core.copy()
    regrown.reshape(-1)[done.added] = True
    return Rewiring(core, regrown, removed, done.added, done.n_positive, done.n_negative)


def none_goes(n_edges: int, zeta: float) -> str:
    """Say that a layer has so few edges of either sign that none is to go."""
    return (
        f"none of its {n_edges:,} edges goes: the share zeta={zeta:g} of those above 0, and of those below, is less "
        "than one edge. Use a larger zeta or more edges."
    )


def too_dense(done: _cells.Exchange, shape: tuple[int, int]) -> str:
    """Say that fewer edges went than should have."""
    return (
        f"a layer of {shape[1]} -> {shape[0]} neurons has {len(done.removed):,} free cells, fewer than the "
        f"{done.n_wanted:,} edges that would go; {len(done.removed):,} of them went. Use a sparser support "
        "or a smaller zeta."
    )
