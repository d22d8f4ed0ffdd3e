"""Strengths of nodes, and how the weight at a node is spread over its edges and its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.blocks import Block
from nngraph.graph import NeuralGraph
from nngraph.stats import _sides

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["disparity", "mean_weight", "participation", "strength"]


def strength(G: NeuralGraph, *, side: _sides.Sides = "source", sign: _sides.Sign = None) -> pd.Series:
    r"""Return the strength of each node: the sum of the magnitudes of its outgoing or its incoming edges.

    .. math:: s^{\pm}_i = \sum_{e \text{ leaves (enters) } i,\ \pm w_e > 0} |w_e|

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    side : "source", "target" or "both"
        Sum over the edges whose source, or whose target, is the node, or both.
    sign : "+", "-" or None
        Sum over positive, negative, or all edges. The negative strength is a sum of magnitudes.

    Returns
    -------
    pandas.Series
        Indexed by (part, index), for each node of the parts on that side of a block; summed over its blocks. Its name
        carries the arguments.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    Linear in the number of cells of a dense block, of edges of a sparse one; 0.6 ns for each float32 cell of a dense
    block, 1.5 to 2.5 ns for each edge of a sparse one. Sums are taken in float64, in an order that depends on no number
    of threads. No copy of the weights is made.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, -4.0]])])
    >>> nng.stats.strength(G, sign="-")
    part  index
    0     0        0.0
          1        6.0
    Name: strength(side=source, sign=-), dtype: float64
    """
    _sides.check("strength", G, side, sign)
    values = _sides.per_part(G, side, lambda block, one: _sides.strengths(block, one, sign))
    return _sides.series(G, values, "strength", side=side, sign=sign)


def mean_weight(
    G: NeuralGraph, *, side: _sides.Sides = "source", sign: _sides.Sign = None, magnitude: bool = False
) -> pd.Series:
    r"""Return the mean weight of the edges of each node, signed or of magnitudes.

    .. math:: \langle w \rangle_i = \frac{1}{k_i} \sum_{e \text{ leaves (enters) } i} w_e

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    side : "source", "target" or "both"
        Average over the edges whose source, or whose target, is the node, or both.
    sign : "+", "-" or None
        Average over positive, negative, or all edges (those of weight 0 count).
    magnitude : bool
        Average :math:`|w|` in the place of :math:`w`.

    Returns
    -------
    pandas.Series
        Indexed by (part, index), for each node of the parts on that side of a block; over the edges of all of its
        blocks. NaN for a node without such an edge.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    The cost of :func:`degree` and, for a signed mean over both signs, of :func:`strength` twice. Where positive and
    negative weights nearly cancel, the signed mean is exact to 1e-16 of the mean magnitude, not of itself.

    References
    ----------
    .. [1] A. Barrat, M. Barthelemy, R. Pastor-Satorras, A. Vespignani, "The architecture of complex weighted networks",
       PNAS 101, 3747-3752, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, -4.0]])])
    >>> nng.stats.mean_weight(G, side="target").tolist()
    [-0.5, -0.5]
    >>> nng.stats.mean_weight(G, side="target", magnitude=True).tolist()
    [1.5, 3.5]
    """
    _sides.check("mean_weight", G, side, sign)

    def total(block: Block, one: _sides.Side) -> np.ndarray:
        if magnitude:
            return _sides.strengths(block, one, sign)
        signs: tuple[_sides.Sign, ...] = ("+", "-") if sign is None else (sign,)
        parts = [(1 if each == "+" else -1) * _sides.strengths(block, one, each) for each in signs]
        sums: np.ndarray = np.sum(parts, axis=0)
        return sums

    totals = _sides.per_part(G, side, total)
    counts = _sides.per_part(G, side, lambda block, one: _sides.degrees(block, one, sign))
    values = {part: _ratio(totals[part], counts[part]) for part in totals}
    return _sides.series(G, values, "mean_weight", side=side, sign=sign, magnitude=magnitude or None)


def disparity(G: NeuralGraph, *, side: _sides.Sides = "source", sign: _sides.Sign = None) -> pd.Series:
    r"""Return the disparity of each node: how unevenly its strength is spread over its edges.

    .. math:: Y_i = \sum_{e \text{ leaves (enters) } i} \left(\frac{|w_e|}{s_i}\right)^2

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    side : "source", "target" or "both"
        Over the edges whose source, or whose target, is the node, or both.
    sign : "+", "-" or None
        Over positive, negative, or all edges; the strength is that over the same edges.

    Returns
    -------
    pandas.Series
        Indexed by (part, index), for each node of the parts on that side of a block; over the edges of all of its
        blocks. 1/k where k edges weigh the same, 1 where one edge carries all; NaN where the strength is 0.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    The cost of :func:`strength`, three times; more where squares of float64 weights would overflow or vanish, and each
    weight is divided by the largest of its node first.

    References
    ----------
    .. [1] M. A. Serrano, M. Boguna, A. Vespignani, "Extracting the multiscale backbone of complex weighted networks",
       PNAS 106, 6483-6488, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -1.0], [3.0, 0.0]])])
    >>> nng.stats.disparity(G, side="target").tolist()
    [0.5, 1.0]
    """
    _sides.check("disparity", G, side, sign)
    sums = _sides.per_part(G, side, lambda block, one: _sides.strengths(block, one, sign))
    positive = np.concatenate([s[s > 0] for s in sums.values()] or [np.zeros(0)])
    low, high = _sides.SQUARES
    if ((positive > low) & (positive < high)).all():
        squares = _sides.per_part(G, side, lambda block, one: _sides.strengths(block, one, sign, 2))
        values = {part: _ratio(squares[part], sums[part] ** 2) for part in sums}
    else:
        values = {part: _scaled_disparity(G, side, sign, part, len(sums[part])) for part in sums}
    return _sides.series(G, values, "disparity", side=side, sign=sign)


def _scaled_disparity(G: NeuralGraph, side: _sides.Sides, sign: _sides.Sign, part: str, n: int) -> np.ndarray:
    """Return the disparity of the nodes of a part from weights over the largest of each node."""
    nodes, magnitudes = [], []
    for block, one, at in _sides.ends(G, side):
        if at == part:
            edges = block.edges()
            weight = edges.weight.astype(np.float64)
            chosen = np.ones(len(weight), bool) if sign is None else weight > 0 if sign == "+" else weight < 0
            nodes.append(getattr(edges, one)[chosen])
            magnitudes.append(np.abs(weight[chosen]))
    node, magnitude = np.concatenate(nodes), np.concatenate(magnitudes)
    largest = np.zeros(n)
    np.maximum.at(largest, node, magnitude)
    share = _ratio(magnitude, largest[node])
    share[np.isnan(share)] = 0  # of a node whose weights are all 0
    return _ratio(np.bincount(node, share**2, n), np.bincount(node, share, n) ** 2)


def participation(G: NeuralGraph, *, side: _sides.Sides = "both", sign: _sides.Sign = None) -> pd.Series:
    r"""Return the participation coefficient of each node: how evenly its strength is spread over its blocks.

    .. math:: P_i = 1 - \sum_b \left(\frac{s_{ib}}{s_i}\right)^2

    Parameters
    ----------
    G : NeuralGraph
        The graph; :math:`s_{ib}` is the strength of node i over the edges of block b.
    side : "source", "target" or "both"
        Over the blocks that leave the node's part, that enter it, or both. A block within one part counts once on each
        side.
    sign : "+", "-" or None
        Over positive, negative, or all edges.

    Returns
    -------
    pandas.Series
        Indexed by (part, index), for each node of the parts on that side of a block. 0 where one block carries all,
        1 - 1/n where n blocks carry the same; NaN where the strength is 0.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    The cost of :func:`strength`. In a chain of layers the hidden nodes have two blocks, so that P is at most 1/2, where
    incoming and outgoing strength are the same; the parts of a residual stream have many.

    References
    ----------
    .. [1] R. Guimera, L. A. N. Amaral, "Functional cartography of complex metabolic networks", Nature 433, 895-900,
       2005.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0], [4.0]]), np.array([[-1.0, 0.0]])])
    >>> nng.stats.participation(G).loc["1"].tolist()
    [0.5, 0.0]
    """
    _sides.check("participation", G, side, sign)
    strengths: dict[str, list[np.ndarray]] = {}
    for block, one, part in _sides.ends(G, side):
        strengths.setdefault(part, []).append(_sides.strengths(block, one, sign))
    values = {}
    for part, of_blocks in strengths.items():
        largest = np.max(of_blocks, axis=0)  # squares of the strengths may be beyond the range of a float
        shares = [_ratio(s, largest) for s in of_blocks]
        values[part] = 1 - _ratio(np.sum(np.square(shares), axis=0), np.sum(shares, axis=0) ** 2)
    return _sides.series(G, values, "participation", side=side, sign=sign)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the ratio, NaN where the divisor is 0."""
    ratio = np.full(len(below), np.nan)
    np.divide(above, below, out=ratio, where=below != 0)
    return ratio
