"""The kinds of null models: what each keeps, and the one function that draws from them."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypedDict

import numpy as np

from nngraph._blockwise import BIAS_SOURCE, BiasPolicy, BlockNames, bias_name, change_blocks
from nngraph._rng import RNG, child, seed_sequence
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, NullModelError, NullModelWarning
from nngraph.graph import NeuralGraph, Step
from nngraph.nulls._chains import ChainOf
from nngraph.nulls._edges import KernelEdges
from nngraph.nulls.baselines import COUNTS, SCHEMES, erdos_renyi, reinitialize
from nngraph.nulls.magnitudes import POLICIES
from nngraph.nulls.mixing import FEWEST_SWEEPS, sweeps_to_mix
from nngraph.nulls.permutation import permute
from nngraph.nulls.trades import sign_chain

__all__ = ["KINDS", "Kind", "kept", "randomize"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of null model: independent draws of a whole block, or a chain that moves its signs and edges."""

    kept: frozenset[str]
    """What every draw shares with its start, whatever the weights."""
    sample: Callable[..., Block] | None = None
    """``sample(block, seed)`` draws a block, independently and exactly; ``options`` names its further keywords."""
    chain: ChainOf | None = None
    """Start the chain over signs and supports; magnitudes follow by a policy."""
    weights: tuple[str, ...] = ()
    """The policies ``weights=`` that the kind knows, its default first."""
    options: tuple[str, ...] = ()
    """Which of the further keywords of :func:`randomize` the kind takes."""


def _kept(*names: str) -> frozenset[str]:
    signed = {name: (f"{name}+", f"{name}-") for name in ("k_source", "k_target", "s_source", "s_target")}
    always = ("alpha", "support", "weights")
    return frozenset([*always, *(full for name in names for full in signed.get(name, (name,)))])


def _permuted(*names: str, within: Literal["source", "target"] | None, by_sign: bool) -> Kind:
    return Kind(_kept(*names), sample=partial(permute, within=within, by_sign=by_sign))


KINDS: dict[str, Kind] = {
    "A": _permuted(within=None, by_sign=False),
    "B": _permuted("signs", "k_source", "k_target", within=None, by_sign=True),
    "C": _permuted("k_source", "s_source", within="source", by_sign=False),
    "D": _permuted("k_target", "s_target", within="target", by_sign=False),
    "E": _permuted("signs", "k_source", "k_target", "s_source", within="source", by_sign=True),
    "F": _permuted("signs", "k_source", "k_target", "s_target", within="target", by_sign=True),
    "G": Kind(_kept("k_source", "k_target"), chain=sign_chain, weights=("sign",), options=("sweeps",)),
    "erdos_renyi": Kind(frozenset({"alpha", "density", "weights"}), sample=erdos_renyi, options=("counts",)),
    "reinitialize": Kind(
        frozenset({"density", "support", "k_source", "k_target"}), sample=reinitialize, options=("scheme",)
    ),
}
"""Every kind by name."""


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
    weights: str | None = None,
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    sweeps: int | Mapping[str, int] | None = None,
    n_jobs: int = 1,
    scheme: str | None = None,
    counts: str | None = None,
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

    Baselines keep less: "erdos_renyi" places the edges of a block uniformly on all its cells, with their weights;
    "reinitialize" draws the weights anew, as before training, on the same support.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    kind : str
        "A" to "G", "erdos_renyi" or "reinitialize". The null model; :func:`kept` says what each keeps.
    rng : None, int, SeedSequence or Generator
        Source of the draw. Each block draws from a child seed of its own, keyed by its name.
    weights : "sign"
        How magnitudes are dealt where signs move (G): permuted within each sign.
    blocks : name, position, or a sequence of them, optional
        The blocks to randomize; all by default.
    bias : "keep", "probe" or "zero"
        Keep biases, randomize each bias vector as the edges of a source node of its own, or set biases to zero.
    sweeps : int or mapping of block names to int, optional
        Length of the chain of G; by default as many as bring the agreement with the start within 1e-3 of its limit, by
        a pilot chain (see :func:`mixing`), at least 20. On a complete block, the number of sweeps of trades (one sweep
        pairs all rows and trades once in each pair; for balanced signs each halves what the agreement with the start
        has above its limit). Where edges are absent the number of trades, or of worms, is scaled up so that as many
        sweeps mix about as well.
    n_jobs : int
        Threads of a chain.
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
        The same edges present; the history records the kind and the seed.

    Raises
    ------
    ArgumentError
        If a name is unknown, or an option does not belong to the kind.
    NullModelError
        If what the kind keeps admits no graph but G itself.

    Notes
    -----
    A to F are independent, exactly uniform permutations, linear in the number of edges. G is a Markov chain from the
    signs of the graph itself. On a complete block it runs trades between pairs of rows (or of columns, where those are
    fewer), which connect all states [2]_. Where edges are absent trades alone do not, so worms follow, which reverse
    directed alternating cycles of any length; where rows share few columns (below about 5 % density of a large block)
    worms run alone. A
    pilot chooses the length of the chain: agreement with the start at its limit is a necessary sign of mixing, not a
    proof. The signed degrees are exact at any length.

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
    policy = _checked_policy(kind, weights)
    sweeps = _checked_sweeps(kind, sweeps)
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
        parameters["sweeps"] = sweeps = chosen_sweeps(G, kind, blocks, sweeps, child(seed, "pilot"))
        sample = partial(_chain_draw, kind=kind, policy=policy, sweeps=sweeps, n_jobs=n_jobs, rigid=rigid)

    def change(block: Block, own: np.random.SeedSequence | None) -> Block:
        assert sample is not None
        if block.name in fans and block.source == BIAS_SOURCE:  # a bias is drawn by the law of the weights beside it
            return sample(block, own, fan_in=fans[block.name])
        return sample(block, own)

    R = change_blocks(G, change, Step("randomize", parameters), blocks=blocks, bias=bias, seed=seed)
    if rigid:
        _tell_rigid(kind, [name for name in parameters["sweeps"] if name in rigid], unchanged=R == G)
    return R


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
    n_jobs: int,
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
    chain.run(sweeps.get(block.name, FEWEST_SWEEPS), n_jobs)
    if chain.agreement() == 1 and chain.is_rigid():
        rigid.append(block.name)
    placement = chain.placement()
    return edges.placed(placement, POLICIES[policy](edges, placement, child(seed, "magnitudes")))


def _tell_rigid(kind: str, names: Sequence[str], *, unchanged: bool) -> None:
    """Warn of blocks whose margins admit one graph only; raise where the whole draw is the graph itself."""
    if not names:
        return
    which = f"block{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"
    what = f"kind {kind!r} has no legal move in {which}: what it keeps admits only the signs and edges that are there"
    if unchanged:
        raise NullModelError(f"{what}. There is nothing to compare with: keep less, for example by kind 'A' or 'B'.")
    warnings.warn(f"{what}; in a draw only magnitudes move there.", NullModelWarning, stacklevel=3)


def _checked_policy(kind: str, weights: str | None) -> str | None:
    known = kind_of(kind).weights
    if weights is None:
        return known[0] if known else None
    if weights not in known:
        raise ArgumentError(
            f"weights: got {weights!r}; kind {kind!r} takes {', '.join(map(repr, known)) or 'no policy, leave it out'}."
        )
    return weights


def _checked_sweeps(kind: str, sweeps: int | Mapping[str, int] | None) -> int | Mapping[str, int] | None:
    if sweeps is None:
        return None
    if "sweeps" not in kind_of(kind).options:
        raise ArgumentError(f"sweeps: got {sweeps!r}; kind {kind!r} is no chain, its draws are exact: leave it out.")
    for number in sweeps.values() if isinstance(sweeps, Mapping) else (sweeps,):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ArgumentError(f"sweeps: got {number!r}; expected an integer of at least 1.")
    return sweeps


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
