"""The one function that draws from a null model, whatever its kind."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

import numpy as np

from nngraph._blockwise import BIAS_SOURCE, BiasPolicy, BlockNames, bias_name, change_blocks, check_graph
from nngraph._rng import RNG, child, seed_sequence
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, NullModelError, NullModelWarning
from nngraph.graph import NeuralGraph, Step
from nngraph.nulls._edges import KernelEdges
from nngraph.nulls.baselines import COUNTS, SCHEMES
from nngraph.nulls.kinds import checked_policy, kind_of
from nngraph.nulls.magnitudes import POLICIES
from nngraph.nulls.pilots import FEWEST_SWEEPS, sweeps_to_mix

__all__ = ["Options", "randomize", "settle"]

_TRIES = 30
"""Draws that tell a graph that cannot change from one that did not by chance: of two equally likely, 1 in 2**30."""


class Options(TypedDict, total=False):
    """The keywords of :func:`randomize` that an ensemble hands on."""

    weights: str | None
    blocks: BlockNames
    bias: BiasPolicy
    sweeps: int | Mapping[str, int] | None
    scheme: str | None
    counts: str | None


def settle(G: NeuralGraph, kind: str, options: Options, seed: np.random.SeedSequence) -> Options:
    """Check the options of a kind before the first draw, and measure the length of its chains once for all draws."""
    blocks = options.get("blocks")
    randomize(G.select([]), kind, **Options(**{**options, "blocks": []}))
    G.select_blocks(blocks)
    if kind_of(kind).chain is None:
        return options
    return Options(**{**options, "sweeps": chosen_sweeps(G, kind, blocks, options.get("sweeps"), seed)})


def randomize(
    G: NeuralGraph,
    kind: str,
    *,
    rng: RNG = None,
    weights: str | None = None,
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    sweeps: int | Mapping[str, int] | None = None,
    n_jobs: int = 1,
    scheme: str | None = None,
    counts: str | None = None,
) -> NeuralGraph:
    r"""Draw a random graph that keeps named properties of G, block by block.

    .. math:: W' \sim U\{W' : \text{same weights, and what the kind keeps}\}

    On the same support:

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

    Edges free to move to any pair of nodes of their block:

    ====================  ===============================================================  ======================
    kind                  the edges of a block are                                         kept besides the weights
    ====================  ===============================================================  ======================
    signed_configuration  placed anew, positive and negative, then the weights permuted    all signed degrees
                          over the edges of their sign
    configuration         placed anew, then the weights permuted, signs and all, over all  all degrees
                          edges
    erdos_renyi           placed uniformly on all cells, with their weights                alpha
    ====================  ===============================================================  ======================

    "maximum_entropy" draws every cell of a block independently, from the law of largest entropy whose *expected*
    signed degrees are the block's (:func:`maximum_entropy`), and magnitudes from the block's edges of the same sign. A
    draw need not keep anything; in a complete block the support stays. "reinitialize" draws the weights anew, as before
    training, on the same support.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    kind : str
        "A" to "G", "signed_configuration", "configuration", "maximum_entropy", "erdos_renyi" or "reinitialize": the
        null model; :func:`kept` says what each keeps.
    rng : None, int, SeedSequence or Generator
        Source of the draw. Each block draws from a child seed of its own, keyed by its name.
    weights : str, optional
        How magnitudes follow where signs or edges move: permuted within each sign ("sign", the default), within each
        sign and source node ("sign_source") or target node ("sign_target"), within each sign such that all signed
        strengths come close to those of G ("strength", see :func:`strength_residuals`), or drawn on a grid such that
        they are those of ``on_grid(G)`` bit for bit ("exact_strength", which gives up the multiset of weights). The
        unsigned configuration model permutes them over all edges ("all"). Where the number of edges of a sign changes
        (maximum_entropy) they are drawn with replacement from those of the sign ("resample").
    blocks : name, position, or a sequence of them, optional
        The blocks to randomize; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases, randomize each bias vector as the edges of a source node of its own, or set biases to zero.
    sweeps : int or mapping of block names to int, optional
        Length of a chain (G and the configuration models); by default as many as bring the agreement with the start
        within 1e-3 of its limit, by a pilot chain (see :func:`mixing`), at least 20. On a complete block a sweep is one
        of trades (it pairs all rows and trades once in each pair) or as many passes of swaps as do the same: it halves,
        about, what the agreement with the start has above its limit. Where edges are absent the number of trades, or of
        worms, is scaled up so that as many sweeps mix about as well.
    n_jobs : int
        Threads of a chain; -1 for one on each processor. The draw is the same for any number.
    scheme : str, optional
        Law of the weights of "reinitialize": "torch_default" (uniform within 1 / sqrt(n_source), as torch fills a
        Linear layer; the default), "kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal", or "matched"
        (normal, of mean 0 and the block's own standard deviation).
    counts : "exact" or "expected", optional
        Whether "erdos_renyi" keeps the numbers of positive and of negative edges (the default), or only what they are
        on average: each cell holds an edge with the block's density, and a weight drawn from the block's own.

    Returns
    -------
    NeuralGraph
        The same edges present, save in the configuration models; the history records the kind and the seed.

    Raises
    ------
    ArgumentError
        If a name is unknown, or an option does not belong to the kind.
    NullModelError
        If no draw can be another graph than G, or no magnitudes have the strengths that "exact_strength" keeps.
    ConvergenceError
        If the fit of "maximum_entropy" does not reach its tolerance.

    Notes
    -----
    A to F are independent, exactly uniform permutations, linear in the number of edges. G is a Markov chain from the
    signs of the graph itself. On a complete block it turns over the checkerboards of random pairings of rows and
    columns, or, where one sign is rare or the block narrow, trades between pairs of rows; both connect all states [2]_.
    Where edges are absent trades alone do not, so worms go between them, which reverse directed alternating cycles of
    any length; where rows share few columns (below about 4 % density of a large block) worms run alone. A pilot chooses
    the length of a chain: agreement with the start at its limit is a necessary sign of mixing, not a proof. The signed
    degrees are exact at any length.

    Magnitudes that are permuted are uniform over their permutations given the signs, except under "strength", which
    descends greedily and has no stated law. Under "exact_strength" they are the end of a second chain, whose stationary
    law is uniform over the grid. Both cost more than the signs: 0.2 and 0.6 s on a complete 768x3072, against 0.02 s.

    The configuration models are chains of trades between rows, and now and then between columns; on a complete block
    the signed one is G and the other is A. Trades of both sides connect every class of signed margins up to 4x4 and 3x5
    by exhaustive search; no proof for larger sizes is known to us.

    An edge of weight 0 moves as a weight under A, C, D and configuration, stays where it is under B, E, F and G, and is
    refused by signed_configuration, where it must be dropped first. Tied blocks are one matrix, randomized once.

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
    check_graph("randomize", G)
    chosen = kind_of(kind)
    policy = checked_policy(kind, weights)
    sweeps = _checked_sweeps(kind, sweeps, [block.name for block in G.blocks])
    n_threads = _checked_threads(n_jobs)
    seed = seed_sequence(rng)
    parameters: dict[str, Any] = {"kind": kind, "blocks": blocks, "bias": bias}
    if policy is not None:
        parameters["weights"] = policy
    rigid: list[str] = []
    sample = chosen.sample
    given = _checked_options(kind, {"scheme": scheme, "counts": counts})
    if given:
        assert sample is not None
        parameters |= given
        sample = partial(sample, **given)
    fans = {bias_name(block): block.n_source for block in G.blocks} if kind == "reinitialize" else {}
    if chosen.chain is not None:
        pilots = child(seed, "pilot") if sweeps is None or isinstance(sweeps, Mapping) else seed  # else none is run
        parameters["sweeps"] = sweeps = chosen_sweeps(G, kind, blocks, sweeps, pilots)
        sample = partial(_chain_draw, kind=kind, policy=policy, sweeps=sweeps, n_threads=n_threads, rigid=rigid)
    elif chosen.expected and sample is not None:
        sample = partial(sample, determined=rigid)

    def change(block: Block, own: np.random.SeedSequence | None) -> Block:
        assert sample is not None
        if block.name in fans and block.source == BIAS_SOURCE:  # a bias is drawn by the law of the weights beside it
            return sample(block, own, fan_in=fans[block.name])
        return sample(block, own)

    def drawn(seed: np.random.SeedSequence) -> NeuralGraph:
        return change_blocks(G, change, Step("randomize", parameters), blocks=blocks, bias=bias, seed=seed)

    def is_another(i: int) -> bool:
        try:
            return drawn(child(seed, "again", i)) != G
        except NullModelError:  # this one has no magnitudes, so signs have moved
            return True

    R = drawn(seed)
    touched = [block for block in G.select_blocks(blocks) if block.n_edges]
    fixed = set(rigid)
    # the few weights of a small graph fall into their old places now and then; always only where none can move
    same = bool(touched) and all(_alike_at_first(block, R.block(block.name)) for block in touched) and R == G
    if same and not any(map(is_another, range(_TRIES))):
        raise NullModelError(_told_rigid(kind, [block.name for block in touched], less=True))
    names = [block.name for block in touched if block.name in fixed]
    if names:
        told = _told_rigid(kind, names)
        warnings.warn(f"{told}; a draw changes only the weights of its edges.", NullModelWarning, stacklevel=2)
    return R


def _alike_at_first(block: Block, other: Block) -> bool:
    """Return whether the first few weights of two blocks are the same, so that comparing the rest is worth while."""
    if block.is_sparse or other.is_sparse:
        return np.array_equal(block.values[:64], other.values[:64])
    return np.array_equal(block.dense()[:1], other.dense()[:1])


def chosen_sweeps(
    G: NeuralGraph,
    kind: str,
    blocks: BlockNames,
    sweeps: int | Mapping[str, int] | None,
    seed: np.random.SeedSequence,
) -> dict[str, int]:
    """Return the length of the chain of each chosen block: as asked for, else as a pilot run of it has shown."""
    chain = kind_of(kind).chain
    assert chain is not None
    result = {}
    for block in G.select_blocks(blocks):
        asked = sweeps.get(block.name) if isinstance(sweeps, Mapping) else sweeps
        if asked is None:
            few = block.n_edges < 2
            asked = FEWEST_SWEEPS if few else sweeps_to_mix(chain, KernelEdges(block), child(seed, block.name))
        result[block.name] = int(asked)
    return result


def _chain_draw(
    block: Block,
    seed: np.random.SeedSequence,
    *,
    kind: str,
    policy: str | None,
    sweeps: Mapping[str, int],
    n_threads: int,
    rigid: list[str],
) -> Block:
    """Draw the signs and the support of one block by a chain, and deal the magnitudes; note it where nothing moves."""
    start = kind_of(kind).chain
    assert start is not None
    assert policy is not None
    if block.n_edges < 2:
        rigid.extend([block.name] * block.n_edges)
        return block
    edges = KernelEdges(block)
    chain = start(edges, child(seed, "signs"))
    chain.run(sweeps.get(block.name, FEWEST_SWEEPS), n_threads)
    if chain.agreement() == 1 and chain.is_rigid():
        rigid.append(block.name)
    placement = chain.placement()
    del chain  # its planes need not lie beside the weights, old and new
    return edges.placed(placement, POLICIES[policy](edges, placement, child(seed, "magnitudes")))


def _told_rigid(kind: str, names: Sequence[str], *, less: bool = False) -> str:
    """Return the words for blocks whose margins admit one graph only; what to do if the whole draw is that graph."""
    which = f"block{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"
    if kind_of(kind).chain is None and not kind_of(kind).expected:
        what = f"kind {kind!r} changes nothing in {which}: no two different weights may change places"
    else:
        found = "signs and edges" if "k_source+" in kind_of(kind).kept else "edges"
        what = f"kind {kind!r} has no legal move in {which}: what it keeps admits only the {found} that are there"
    if not less:
        return what
    moves = "'A' moves weights that differ, 'configuration' and 'erdos_renyi' edges"
    return f"{what}. There is nothing to compare with: keep less ({moves})."


def _checked_sweeps(
    kind: str, sweeps: int | Mapping[str, int] | None, blocks: Sequence[str]
) -> int | Mapping[str, int] | None:
    if sweeps is None:
        return None
    if "sweeps" not in kind_of(kind).options:
        raise ArgumentError(f"sweeps: got {sweeps!r}; kind {kind!r} is no chain, its draws are exact: leave it out.")
    unknown = [name for name in sweeps if name not in blocks] if isinstance(sweeps, Mapping) and blocks else []
    if unknown:
        raise ArgumentError(f"sweeps: got a length for {unknown[0]!r}; expected blocks out of {', '.join(blocks)}.")
    for number in sweeps.values() if isinstance(sweeps, Mapping) else (sweeps,):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ArgumentError(f"sweeps: got {number!r}; expected an integer of at least 1.")
    return sweeps


def _checked_threads(n_jobs: int) -> int:
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)) or n_jobs == 0:
        raise ArgumentError(
            f"n_jobs: got {n_jobs!r}; expected a number of threads, or -1 for one on each processor, -2 for one less."
        )
    return int(n_jobs) if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + int(n_jobs))


def _checked_options(kind: str, given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the options of a baseline with their defaults filled in; refuse those of other kinds."""
    known = {"scheme": tuple(SCHEMES), "counts": COUNTS}
    result = {}
    for name, value in given.items():
        if name in kind_of(kind).options:
            result[name] = known[name][0] if value is None else value
            if value is not None and value not in known[name]:
                expected = ", ".join(map(repr, known[name]))
                raise ArgumentError(f"{name}: got {value!r}; expected one of {expected}.")
        elif value is not None:
            raise ArgumentError(f"{name}: got {value!r}; kind {kind!r} does not take it: leave it out.")
    return result
