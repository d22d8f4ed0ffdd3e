"""Signs of edges, of 4-cycles within blocks, of paths across blocks, and of both by their pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import PRODUCTS_SPARSE_BELOW, Block
from nngraph.graph import NeuralGraph
from nngraph.stats._routes import link_ends
from nngraph.stats._sides import Sign, degrees

__all__ = ["alpha", "balance", "coherence", "density", "motifs"]

SLAB = 2**22
"""Pairs of nodes that are looked at together."""


def alpha(G: NeuralGraph) -> float:
    r"""Return the share of positive edges.

    .. math:: \alpha = E^+ / E

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    float
        In [0, 1]; NaN for a graph without edges.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.alpha(nng.from_matrices([np.array([[1.0, -2.0], [3.0, 4.0]])]))
    0.75
    """
    check_graph("alpha", G)
    return _share(sum(int(degrees(block, "target", "+").sum()) for block in G.blocks), G.n_edges)


def density(G: NeuralGraph) -> float:
    r"""Return the share of the possible edges of the blocks that are present.

    .. math:: E / \sum_b n_b^{\text{target}} n_b^{\text{source}}

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    float
        In [0, 1]; NaN for a graph without blocks.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.density(nng.from_matrices([np.array([[1.0, -2.0], [3.0, 0.0]])]))
    0.75
    """
    check_graph("density", G)
    return _share(G.n_edges, sum(block.n_target * block.n_source for block in G.blocks))


def balance(G: NeuralGraph) -> float:
    r"""Return the share of the 4-cycles within blocks that are balanced: the product of their signs is positive.

    .. math:: B = \frac{1}{2}\left(1 + \frac{\sum_{a<b} (U_{ab}^2 - N_{ab})}{\sum_{a<b} N_{ab}(N_{ab} - 1)}\right),
              \quad U = SS^T,\ N = |S||S|^T,\ S = \operatorname{sign} W

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    float
        In [0, 1], over the 4-cycles of all blocks together; signs at random with equal chances give 1/2. NaN where
        there is no 4-cycle.

    Notes
    -----
    Exact counts. A 4-cycle is two source and two target nodes of a block with all four edges present; edges of weight 0
    take no part. The cost is one product of the sign matrix with itself, over its shorter side, in slabs of 4 million
    pairs of nodes.

    References
    ----------
    .. [1] D. Cartwright, F. Harary, "Structural balance: a generalization of Heider's theory", Psychological Review 63,
       277-293, 1956.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.balance(nng.from_matrices([np.array([[1.0, -2.0], [-3.0, 4.0]])]))
    1.0
    >>> nng.stats.balance(nng.from_matrices([np.array([[1.0, 2.0], [-3.0, 4.0]])]))
    0.0
    """
    check_graph("balance", G)
    counts = []
    for block in G.blocks:
        signs = _signs(block)
        if block.n_target > block.n_source:
            signs = signs.T
        counts.append(_agreeing_pairs(signs, signs.T, within=True))
    return _pooled(counts)


def coherence(G: NeuralGraph) -> float:
    r"""Return the share of pairs of two-edge paths with the same two ends whose sign products agree.

    .. math:: C = \frac{1}{2}\left(1 + \frac{\sum_{ik} (T_{ik}^2 - N_{ik})}{\sum_{ik} N_{ik}(N_{ik} - 1)}\right),
              \quad T = S_2 S_1,\ N = |S_2||S_1|

    Parameters
    ----------
    G : NeuralGraph
        The graph; S1 and S2 are the signs of any two blocks of which the second starts in the part where the first
        ends.

    Returns
    -------
    float
        In [0, 1], over all such pairs of blocks together; signs at random with equal chances give 1/2. NaN where no two
        paths share both ends, as in a single block.

    Notes
    -----
    Exact counts: two such paths are a 4-cycle through two parts, and they agree where it is balanced. Links are not
    followed. The cost is one
    product of sign matrices for each pair of blocks.

    References
    ----------
    .. [1] U. Alon, "Network motifs: theory and experimental approaches", Nature Reviews Genetics 8, 450-461, 2007 (on
       coherent and incoherent paths).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first, second = np.array([[1.0], [-1.0]]), np.array([[2.0, -3.0]])
    >>> nng.stats.coherence(nng.from_matrices([first, second]))
    1.0
    >>> nng.stats.coherence(nng.from_matrices([first, np.abs(second)]))
    0.0
    """
    check_graph("coherence", G)
    signs = {block.name: _signs(block) for block in G.blocks}
    return _pooled(
        _agreeing_pairs(signs[second.name], signs[first.name], within=False)
        for first in G.blocks
        for second in G.blocks
        if first.target == second.source
    )


def motifs(G: NeuralGraph) -> dict[str, float]:
    r"""Return the counts of two small subgraphs by their signs: paths of two edges, and bi-fans.

    .. math:: n_{ab} = \sum_i k^a_{i,\text{in}}\, k^b_{i,\text{out}}, \qquad
              n_0 = \sum_{i<j} \binom{(PP^T)_{ij}}{2},\ \ldots,\ n_4 = \sum_{i<j} \binom{(NN^T)_{ij}}{2}

    Parameters
    ----------
    G : NeuralGraph
        The graph; P and N are the supports of the positive and of the negative edges of a block.

    Returns
    -------
    dict of str to float
        ``path ++``, ``path +-``, ``path -+`` and ``path --``: paths of two edges through a node, or through a node and
        its copies along links, by the signs of the first and the second. ``bifan 0`` to ``bifan 4``: bi-fans, two
        source nodes each joined to the same two target nodes of a block, by their number of negative edges.

    Notes
    -----
    Exact up to 2**53; edges of weight 0 take no part. Links are followed as in :func:`pathways`, recurrent ones and
    those that close a cycle are not. A bi-fan is a 4-cycle: those of 0, 2 and 4 negative edges over
    all of them are :func:`balance`. The cost is four products of a block with itself, over its shorter side, in
    slabs of 4 million pairs of nodes.

    References
    ----------
    .. [1] R. Milo, S. Shen-Orr, S. Itzkovitz, N. Kashtan, D. Chklovskii, U. Alon, "Network motifs: simple building
       blocks of complex networks", Science 298, 824-827, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> found = nng.stats.motifs(nng.from_matrices([np.array([[1.0, -1.0], [2.0, 3.0]]), np.array([[1.0, -2.0]])]))
    >>> found["path ++"], found["path -+"], found["bifan 1"]
    (1.0, 1.0, 1.0)
    """
    check_graph("motifs", G)
    signs: tuple[Sign, Sign] = ("+", "-")
    found = {}
    for first in signs:
        into = _arriving(G, first)
        for second in signs:
            leaving = ((block, degrees(block, "source", second)) for block in G.blocks)
            found[f"path {first}{second}"] = float(sum(into[block.source] @ k for block, k in leaving))
    counts = np.sum([np.zeros(5), *(_bifans(block) for block in G.blocks)], axis=0)
    return found | {f"bifan {n}": float(count) for n, count in enumerate(counts)}


def _arriving(G: NeuralGraph, sign: Sign) -> dict[str, np.ndarray]:
    """Return by part how many edges of a sign enter each node, or a node that links lead to it."""
    size, depth = ({part.name: getattr(part, what) for part in G.parts} for what in ("size", "depth"))
    into = {name: np.zeros(n) for name, n in size.items()}
    for block in G.blocks:
        into[block.target] += degrees(block, "target", sign)
    for link in sorted(G.links, key=lambda link: depth[link.target]):
        if link.kind != "recurrent" and depth[link.source] < depth[link.target]:
            target, source = link_ends(link, (size[link.target], size[link.source]))
            into[link.target][target] += into[link.source][source]
    return into


def _bifans(block: Block) -> np.ndarray:
    """Return the numbers of bi-fans of 0 to 4 negative edges."""
    signs = _signs(block)
    if block.n_target > block.n_source:
        signs = signs.T
    plus, minus = ((signs > 0).astype(np.float64), (signs < 0).astype(np.float64))
    own = [np.asarray(of.sum(axis=1)) for of in (plus, minus)]  # of a node with itself, which is no bi-fan
    ordered = -_pairs_by_signs(own[0], own[1], np.zeros(len(own[0])))
    for p, m in zip(_slabs(plus, len(own[0])), _slabs(minus, len(own[0])), strict=True):
        ordered += _pairs_by_signs(p @ plus.T, m @ minus.T, p @ minus.T + m @ plus.T)
    counts: np.ndarray = ordered / 2
    return counts


def _pairs_by_signs(both: Any, neither: Any, mixed: Any) -> np.ndarray:
    """Return the sums over pairs of nodes of their pairs of neighbours, by the number of negative edges among the four.

    Entries count the neighbours that two nodes share, by sign: both positive, both negative, one of each.
    """

    def twice_pairs(of: Any) -> float:
        return float((of * of).sum() - of.sum())

    return np.array(
        [
            twice_pairs(both) / 2,
            (both * mixed).sum(),
            (both * neither).sum() + twice_pairs(mixed) / 2,
            (neither * mixed).sum(),
            twice_pairs(neither) / 2,
        ],
        dtype=np.float64,
    )


def _signs(block: Block) -> Any:
    """Return the (n_target, n_source) signs as float32, a scipy array where few edges are present.

    Entries of their products are integers up to a side of the block, exact in float32 below 2**24.
    """
    if block.density >= PRODUCTS_SPARSE_BELOW:
        return np.sign(block.dense()).astype(np.float32, copy=False)
    signs = block.csr().astype(np.float32)
    signs.data = np.sign(signs.data)
    signs.eliminate_zeros()
    return signs


def _agreeing_pairs(left: Any, right: Any, *, within: bool) -> tuple[float, float]:
    """Return twice the sum of sign products over pairs of two-edge paths with the same ends, and twice their number.

    Paths run through the inner side of ``left @ right``. ``within`` one block, the ends of a path are two distinct
    nodes of one side, in either order.
    """
    complete = all(isinstance(side, np.ndarray) and np.count_nonzero(side) == side.size for side in (left, right))
    n_ends, n_inner = left.shape[0] * right.shape[1], right.shape[0]
    n_paths, n_squares = (float(n_ends * n_inner), float(n_ends * n_inner * n_inner)) if complete else (0.0, 0.0)
    squares, unsigned = 0.0, None if complete else abs(right)
    for rows in _slabs(left, right.shape[1]):
        squares += _sum_of_squares(rows @ right)
        if unsigned is not None:
            paths = abs(rows) @ unsigned
            n_paths += float(paths.sum(dtype=np.float64))
            n_squares += _sum_of_squares(paths)
    if not within:
        return squares - n_paths, n_squares - n_paths
    degree = np.asarray(abs(left).sum(axis=1), dtype=np.float64)  # there and back: no path between distinct nodes
    own, own_squares = float(degree.sum()), float(degree @ degree)
    n_paths -= own
    return (squares - own_squares - n_paths) / 2, (n_squares - own_squares - n_paths) / 2


def _slabs(matrix: Any, n_columns: int) -> Iterator[Any]:
    """Give the rows of a matrix in slabs whose products have no more entries than memory should hold."""
    at_once = max(1, SLAB // max(1, n_columns))
    rows = matrix if isinstance(matrix, np.ndarray) else matrix.tocsr()
    for start in range(0, matrix.shape[0], at_once):
        yield rows[start : start + at_once]


def _sum_of_squares(matrix: Any) -> float:
    entries = (matrix if isinstance(matrix, np.ndarray) else matrix.data).astype(np.float64).reshape(-1)
    return float(entries @ entries)


def _pooled(counts: Iterable[tuple[float, float]]) -> float:
    agreeing, pairs = np.sum([(0.0, 0.0), *counts], axis=0)
    return _share(pairs + agreeing, 2 * pairs)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
