"""The kinds of null models: what each keeps, and the one function that draws from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np

from nngraph._blockwise import BiasPolicy, BlockNames, change_blocks
from nngraph._rng import RNG, seed_sequence
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Step
from nngraph.nulls.permutation import permute
from nngraph.nulls.trades import DEFAULT_SWEEPS, rewire_signs

__all__ = ["KINDS", "Kind", "kept", "randomize"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of null model."""

    sample: Callable[..., Block]
    """``sample(block, seed)``, with a keyword ``sweeps`` where the kind is a chain."""
    kept: frozenset[str]
    """What every draw shares with its start."""
    chain: bool = False
    """Whether draws come from a Markov chain, rather than independent and exact."""
    weights: tuple[str, ...] = ("sign",)
    """The policies ``weights=`` that the kind knows."""


def _kept(*names: str) -> frozenset[str]:
    signed = {name: (f"{name}+", f"{name}-") for name in ("k_source", "k_target", "s_source", "s_target")}
    always = ("alpha", "support", "weights")
    return frozenset([*always, *(full for name in names for full in signed.get(name, (name,)))])


KINDS: dict[str, Kind] = {
    "A": Kind(partial(permute, within=None, by_sign=False), _kept()),
    "B": Kind(partial(permute, within=None, by_sign=True), _kept("signs", "k_source", "k_target")),
    "C": Kind(partial(permute, within="source", by_sign=False), _kept("k_source", "s_source")),
    "D": Kind(partial(permute, within="target", by_sign=False), _kept("k_target", "s_target")),
    "E": Kind(partial(permute, within="source", by_sign=True), _kept("signs", "k_source", "k_target", "s_source")),
    "F": Kind(partial(permute, within="target", by_sign=True), _kept("signs", "k_source", "k_target", "s_target")),
    "G": Kind(rewire_signs, _kept("k_source", "k_target"), chain=True),
}
"""Every kind by name."""


def kind_of(name: object) -> Kind:
    """Return a kind by name."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ArgumentError(f"kind: got {name!r}; expected one of {', '.join(map(repr, KINDS))}.")
    return kind


def kept(kind: str) -> frozenset[str]:
    """Return what a null model keeps in every draw; everything else is broken in general.

    Parameters
    ----------
    kind : str
        A kind of :func:`randomize`.

    Returns
    -------
    frozenset of str
        Out of "alpha" (share of positive edges), "support" (which edges are present), "signs" (the sign of every
        edge), "weights" (the multiset of weights of each block), "k_source+", "k_source-", "k_target+", "k_target-"
        (signed degrees) and "s_source+", "s_source-", "s_target+", "s_target-" (signed strengths).

    Raises
    ------
    ArgumentError
        If the kind is unknown.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025, Table 1. Its ticks for the sign of each edge in rows
       A, C and D cannot hold: on a fixed support they would fix all four degree sequences.

    Examples
    --------
    >>> import nngraph as nng
    >>> sorted(nng.nulls.kept("B") - nng.nulls.kept("G"))
    ['signs']
    """
    return kind_of(kind).kept


def randomize(
    G: NeuralGraph,
    kind: str,
    *,
    rng: RNG = None,
    weights: str = "sign",
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    sweeps: int | None = None,
) -> NeuralGraph:
    r"""Draw a random graph that keeps named properties of G, block by block.

    .. math:: W' \sim U\{W' : \text{same support, same weights, and what the kind keeps}\}

    ====  ==============================================================================  ======================
    kind  the weights of a block are                                                      kept besides the weights
    ====  ==============================================================================  ======================
    A     permuted over all its edges                                                     alpha
    B     permuted over the edges of their sign                                           signs, degrees
    C     permuted over the edges of their source node                                    source degrees, strengths
    D     permuted over the edges of their target node                                    target degrees, strengths
    E     permuted over the edges of their source node and sign                           signs, source strengths
    F     permuted over the edges of their target node and sign                           signs, target strengths
    G     given new places for their signs, then permuted over the edges of their sign    all signed degrees
    ====  ==============================================================================  ======================

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    kind : "A", "B", "C", "D", "E", "F" or "G"
        The null model; :func:`kept` says what each keeps.
    rng : None, int, SeedSequence or Generator
        Source of the draw. Each block draws from a child seed of its own, keyed by its name.
    weights : "sign"
        How magnitudes are dealt where signs move (G): permuted within each sign.
    blocks : name, position, or a sequence of them, optional
        The blocks to randomize; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases, randomize each bias vector as the edges of a source node of its own, or set biases to zero.
    sweeps : int, optional
        Length of the chain of G, 20 by default. On a complete block, the number of sweeps of trades (one sweep pairs
        all rows and trades once in each pair; for balanced signs each halves what the agreement with the start has
        above its limit). Where edges are absent the number of trades, or of worms, is scaled up so that as many sweeps
        mix about as well.

    Returns
    -------
    NeuralGraph
        The same edges present; the history records the kind and the seed.

    Raises
    ------
    ArgumentError
        If a name is unknown, or an option does not belong to the kind.

    Notes
    -----
    A to F are independent, exactly uniform permutations, linear in the number of edges. G is a Markov chain from the
    signs of the graph itself. On a complete block it runs trades between pairs of rows (or of columns, where those are
    fewer), which connect all states [2]_. Where edges are absent trades alone do not, so worms follow, which reverse
    directed alternating cycles of any length; where rows share few columns (below about 5 % density of a large block)
    worms run alone. At the default length the agreement with the start was within 1e-3 of its limit on random supports
    of 2 to 100 % of 768x3072 and 64x784, on trained and pruned digit networks, and where sparse columns stand beside
    dense ones. It is more where signed degrees are very uneven: 2e-3 to 5e-3 on 768x3072 with a limit of 0.85, where
    ``sweeps=60`` leaves less than 1e-3. Parts of a support that share no node, of very different shapes, can need more
    as well. Agreement at its limit is a necessary sign of mixing, not a proof. The signed degrees are exact at any
    length.

    An edge of weight 0 moves as a weight under A, C and D, and stays where it is under B, E, F and G. Tied blocks are
    one matrix, randomized once.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.
    .. [2] C. J. Carstens, "Proof of uniform sampling of binary matrices with fixed row sums and column sums for the
       fast curveball algorithm", Physical Review E 91, 042812, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, 0.0]])])
    >>> R = nng.nulls.randomize(G, "B", rng=7)
    >>> np.sign(R.weights())
    array([ 1., -1.,  1., -1.,  1.])
    >>> sorted(R.weights().tolist())
    [-4.0, -2.0, 1.0, 3.0, 5.0]
    """
    chosen = kind_of(kind)
    if weights not in chosen.weights:
        raise ArgumentError(f"weights: got {weights!r}; kind {kind!r} takes {', '.join(map(repr, chosen.weights))}.")
    sample = chosen.sample
    parameters: dict[str, object] = {"kind": kind, "weights": weights, "blocks": blocks, "bias": bias}
    if chosen.chain:
        parameters["sweeps"] = sweeps = _checked_sweeps(sweeps)
        sample = partial(sample, sweeps=sweeps)
    elif sweeps is not None:
        raise ArgumentError(f"sweeps: got {sweeps!r}; kind {kind!r} is no chain, its draws are exact: leave it out.")

    def change(block: Block, seed: np.random.SeedSequence | None) -> Block:
        return sample(block, seed)

    return change_blocks(G, change, Step("randomize", parameters), blocks=blocks, bias=bias, seed=seed_sequence(rng))


def _checked_sweeps(sweeps: int | None) -> int:
    if sweeps is None:
        return DEFAULT_SWEEPS
    if isinstance(sweeps, bool) or not isinstance(sweeps, (int, np.integer)) or sweeps < 1:
        raise ArgumentError(f"sweeps: got {sweeps!r}; expected an integer of at least 1.")
    return int(sweeps)
