"""Which of the named properties of null models two graphs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats import _sides

__all__ = ["PROPERTIES", "shared"]


def shared(G: NeuralGraph, R: NeuralGraph, *, rtol: float = 1e-12) -> frozenset[str]:
    """Return the named properties that two graphs share, in every block.

    Parameters
    ----------
    G, R : NeuralGraph
        Two graphs with the same names and shapes of blocks, as a graph and a draw of a null model of it.
    rtol : float
        Strengths are the same where they differ by less than this share of the largest of their block and side; the
        default allows for the rounding of sums in float64.

    Returns
    -------
    frozenset of str
        Out of the names of :func:`kept`: "alpha", "support", "signs", "weights" (the multiset of each block),
        "density", degrees ("k_source", "k_target"), signed degrees ("k_source+", ...) and signed strengths
        ("s_source+", ...).

    Raises
    ------
    ArgumentError
        If the blocks differ in name or shape.

    Notes
    -----
    Exact but for strengths. Linear in the number of cells of a dense block, of edges of a sparse one, but for the
    weights, which are sorted.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.random.default_rng(0).normal(size=(8, 9))])
    >>> nng.nulls.shared(G, nng.nulls.randomize(G, "B", rng=7)) >= nng.nulls.kept("B")
    True
    """
    return frozenset(shared_of(PROPERTIES, G, R, rtol=rtol))


def shared_of(names: Iterable[str], G: NeuralGraph, R: NeuralGraph, *, rtol: float) -> list[str]:
    """Return those of the names that the graphs share."""
    for graph in (G, R):
        check_graph("shared", graph)
    ends = [[(block.name, block.shape) for block in graph.blocks] for graph in (G, R)]
    if ends[0] != ends[1]:
        raise ArgumentError(f"shared: got blocks {ends[1]} beside {ends[0]}; expected the same names and shapes.")
    pairs = [(a, b) for a, b in zip(G.blocks, R.blocks, strict=True) if a is not b]
    return [name for name in names if all(PROPERTIES[name](a, b, rtol) for a, b in pairs)]


Same = Callable[[Block, Block, float], bool]


def _n_of_sign(block: Block) -> tuple[int, int]:
    return int(np.count_nonzero(block.values > 0)), block.n_edges


def _same_alpha(a: Block, b: Block, rtol: float) -> bool:
    (up, n), (other_up, other_n) = _n_of_sign(a), _n_of_sign(b)
    return up * other_n == other_up * n


def _same_density(a: Block, b: Block, rtol: float) -> bool:
    return a.n_edges == b.n_edges


def _same_support(a: Block, b: Block, rtol: float) -> bool:
    return a.same_support(b)


def _same_signs(a: Block, b: Block, rtol: float) -> bool:
    return a.same_support(b) and bool(np.array_equal(np.sign(a.values), np.sign(b.values)))


def _same_weights(a: Block, b: Block, rtol: float) -> bool:
    return a.n_edges == b.n_edges and bool(np.array_equal(np.sort(a.values), np.sort(b.values)))


def _degrees(side: _sides.Side, sign: _sides.Sign) -> Same:
    def same(a: Block, b: Block, rtol: float) -> bool:
        return bool(np.array_equal(_sides.degrees(a, side, sign), _sides.degrees(b, side, sign)))

    return same


def _strengths(side: _sides.Side, sign: _sides.Sign) -> Same:
    def same(a: Block, b: Block, rtol: float) -> bool:
        first, second = _sides.strengths(a, side, sign), _sides.strengths(b, side, sign)
        return bool((np.abs(first - second) <= rtol * max(first.max(initial=0.0), second.max(initial=0.0))).all())

    return same


PROPERTIES: dict[str, Same] = {
    "alpha": _same_alpha,
    "density": _same_density,
    "support": _same_support,
    "signs": _same_signs,
    "weights": _same_weights,
    "k_source": _degrees("source", None),
    "k_target": _degrees("target", None),
    "k_source+": _degrees("source", "+"),
    "k_source-": _degrees("source", "-"),
    "k_target+": _degrees("target", "+"),
    "k_target-": _degrees("target", "-"),
    "s_source+": _strengths("source", "+"),
    "s_source-": _strengths("source", "-"),
    "s_target+": _strengths("target", "+"),
    "s_target-": _strengths("target", "-"),
}
"""How each property is compared in two blocks."""
