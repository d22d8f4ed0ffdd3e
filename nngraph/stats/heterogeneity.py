"""How unequal nodes are: moments of degrees, strengths and weights, heterogeneity, and Gini coefficients.

Degrees and strengths here are those within a block. Over several blocks a value is the mean over the nodes on that side
of all blocks that have such edges: blocks of different sizes are never pooled into one distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph
from nngraph.stats import _sides

__all__ = [
    "degree_gini",
    "degree_moments",
    "heterogeneity",
    "isolated",
    "strength_gini",
    "strength_moments",
    "weight_moments",
]

SIDES: tuple[_sides.Side, _sides.Side] = ("source", "target")
OfNodes: TypeAlias = Callable[[Block, _sides.Side, _sides.Sign], np.ndarray]


def heterogeneity(G: NeuralGraph, *, sign: _sides.Sign = None) -> dict[str, float]:
    r"""Return the heterogeneity of degrees on both sides, beside its value for edges placed at random.

    .. math:: H = \frac{\langle k^2 \rangle}{\langle k \rangle^2}, \qquad
              H_{\text{binomial}} = 1 + \frac{1 - p}{n p}, \quad p = \frac{E}{n_{\text{source}} n_{\text{target}}}

    Parameters
    ----------
    G : NeuralGraph
        The graph; n is the number of nodes on the opposite side of a block.
    sign : "+", "-" or None
        Degrees over positive, negative, or all edges.

    Returns
    -------
    dict of str to float
        "source", "source_binomial", "target" and "target_binomial", all at least 1; NaN without an edge of the sign.

    Raises
    ------
    ArgumentError
        If the sign is not one of those above.

    Notes
    -----
    Exact; the cost of the degrees. Over several blocks: the mean over nodes, blocks without such edges left out.

    References
    ----------
    .. [1] R. Pastor-Satorras, A. Vespignani, "Epidemic spreading in scale-free networks", Physical Review Letters 86,
       3200-3203, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])])
    >>> found = nng.stats.heterogeneity(G)
    >>> round(found["target"], 3), round(found["target_binomial"], 3)
    (1.25, 1.167)
    """
    _check("heterogeneity", G, sign)
    found: dict[str, float] = {}
    for side in SIDES:
        blocks = _per_block(G, _sides.degrees, side, sign)
        found[side] = _over_nodes(blocks, lambda k, _: float(np.mean((k / k.mean()) ** 2)))
        found[f"{side}_binomial"] = _over_nodes(blocks, _binomial)
    return found


def _binomial(k: np.ndarray, n_opposite: int) -> float:
    p = k.sum() / (len(k) * n_opposite)
    return float(1 + (1 - p) / (n_opposite * p))


def degree_gini(G: NeuralGraph, *, sign: _sides.Sign = None) -> dict[str, float]:
    r"""Return the Gini coefficient of degrees on both sides.

    .. math:: g = \frac{\sum_{ij} |k_i - k_j|}{2 n^2 \langle k \rangle}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    sign : "+", "-" or None
        Degrees over positive, negative, or all edges.

    Returns
    -------
    dict of str to float
        "source" and "target": 0 where all degrees are the same, 1 - 1/n where one of n nodes has all edges; NaN without
        an edge of the sign.

    Raises
    ------
    ArgumentError
        If the sign is not one of those above.

    Notes
    -----
    Exact; the cost of the degrees, and of sorting them. Over several blocks: the mean over nodes.

    References
    ----------
    .. [1] C. Gini, "Variabilita e mutabilita", 1912.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.degree_gini(nng.from_matrices([np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])]))["target"]
    0.25
    """
    _check("degree_gini", G, sign)
    return {side: _over_nodes(_per_block(G, _sides.degrees, side, sign), _gini) for side in SIDES}


def strength_gini(G: NeuralGraph, *, sign: _sides.Sign = None) -> dict[str, float]:
    r"""Return the Gini coefficient of strengths on both sides.

    .. math:: g = \frac{\sum_{ij} |s_i - s_j|}{2 n^2 \langle s \rangle}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    sign : "+", "-" or None
        Strengths over positive, negative, or all edges.

    Returns
    -------
    dict of str to float
        "source" and "target", in [0, 1); NaN where all strengths are 0.

    Raises
    ------
    ArgumentError
        If the sign is not one of those above.

    Notes
    -----
    The cost of the strengths, and of sorting them. Over several blocks: the mean over nodes.

    References
    ----------
    .. [1] C. Gini, "Variabilita e mutabilita", 1912.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.strength_gini(nng.from_matrices([np.array([[1.0, -2.0], [0.5, 0.5]])]))["target"]
    0.25
    """
    _check("strength_gini", G, sign)
    return {side: _over_nodes(_per_block(G, _sides.strengths, side, sign), _gini) for side in SIDES}


def _gini(values: np.ndarray, _: int) -> float:
    x, n = np.sort(values).astype(np.float64), len(values)
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / (n * x.sum()))


def degree_moments(G: NeuralGraph, *, sign: _sides.Sign = None) -> dict[str, float]:
    """Return the mean, the standard deviation and the maximum of degrees on both sides.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    sign : "+", "-" or None
        Degrees over positive, negative, or all edges.

    Returns
    -------
    dict of str to float
        "source_mean", "source_sd" (over nodes, not an estimate for a larger population), "source_max", and the same
        for the target side; NaN without a node.

    Raises
    ------
    ArgumentError
        If the sign is not one of those above.

    Notes
    -----
    Exact; the cost of the degrees. Over several blocks: means over nodes, and the largest maximum.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> found = nng.stats.degree_moments(nng.from_matrices([np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])]))
    >>> found["target_mean"], found["target_sd"], found["target_max"]
    (2.0, 1.0, 3.0)
    """
    _check("degree_moments", G, sign)
    return _moments(G, _sides.degrees, sign)


def strength_moments(G: NeuralGraph, *, sign: _sides.Sign = None) -> dict[str, float]:
    r"""Return the mean, the standard deviation and the maximum of strengths on both sides.

    .. math:: \text{sd} = \sqrt{\langle (s - \langle s \rangle)^2 \rangle}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    sign : "+", "-" or None
        Strengths over positive, negative, or all edges.

    Returns
    -------
    dict of str to float
        "source_mean", "source_sd" (the fluctuation of a layer [1]_, of strengths on one side), "source_max", and the
        same for the target side; NaN without a node.

    Raises
    ------
    ArgumentError
        If the sign is not one of those above.

    Notes
    -----
    The cost of the strengths. Over several blocks: means over nodes, and the largest maximum.

    References
    ----------
    .. [1] E. La Malfa, G. La Malfa, G. Nicosia, V. Latora, "Characterizing learning dynamics of deep neural networks
       via complex networks", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> found = nng.stats.strength_moments(nng.from_matrices([np.array([[1.0, -2.0], [0.5, 0.5]])]))
    >>> found["target_mean"], found["target_sd"], found["target_max"]
    (2.0, 1.0, 3.0)
    """
    _check("strength_moments", G, sign)
    return _moments(G, _sides.strengths, sign)


def isolated(G: NeuralGraph, *, sign: _sides.Sign = None) -> dict[str, float]:
    """Return the share of nodes without an edge in their block, on both sides.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    sign : "+", "-" or None
        Without a positive, a negative, or any edge.

    Returns
    -------
    dict of str to float
        "source" and "target", in [0, 1]; NaN without a node.

    Raises
    ------
    ArgumentError
        If the sign is not one of those above.

    Notes
    -----
    Exact; the cost of the degrees. Over several blocks: the share of all of their nodes.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.isolated(nng.from_matrices([np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])]))
    {'source': 0.5, 'target': 0.0}
    """
    _check("isolated", G, sign)
    return {
        side: _over_nodes(_per_block(G, _sides.degrees, side, sign, empty=True), lambda k, _: float(np.mean(k == 0)))
        for side in SIDES
    }


def weight_moments(G: NeuralGraph) -> dict[str, float]:
    r"""Return the mean weight, the mean magnitude, and the root mean square of the edges.

    .. math:: \langle w \rangle,\quad \langle |w| \rangle,\quad \sqrt{\langle w^2 \rangle}

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    dict of str to float
        "mean", "mean_magnitude" and "rms", over the edges of all blocks together; NaN without an edge.

    Notes
    -----
    The cost of the strengths on one side, three times. Sums are taken in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.weight_moments(nng.from_matrices([np.array([[1.0, -7.0], [-1.0, 7.0]])]))
    {'mean': 0.0, 'mean_magnitude': 4.0, 'rms': 5.0}
    """
    check_graph("weight_moments", G)
    sums = np.zeros(2)
    for block in G.blocks:
        up, down = (_sides.strengths(block, "target", sign).sum() for sign in ("+", "-"))  # type: ignore[arg-type]
        sums += up - down, up + down
    mean, magnitude = sums / G.n_edges if G.n_edges else np.full(2, np.nan)
    return {"mean": float(mean), "mean_magnitude": float(magnitude), "rms": _rms(G, float(sums[1]))}


def _rms(G: NeuralGraph, total: float) -> float:
    """Return the root mean square of the weights, whose magnitudes have the sum ``total``."""
    if not total:
        return 0.0 if G.n_edges else float("nan")
    if _sides.SQUARES[0] < total < _sides.SQUARES[1]:
        square = sum(float(_sides.strengths(block, "target", None, 2).sum()) for block in G.blocks)
        return float(np.sqrt(square / G.n_edges))
    weights = [np.abs(block.values.astype(np.float64)) for block in G.blocks]
    largest = max(float(w.max(initial=0.0)) for w in weights)
    return largest * float(np.sqrt(sum(float(np.sum((w / largest) ** 2)) for w in weights) / G.n_edges))


def _check(name: str, G: NeuralGraph, sign: object) -> None:
    check_graph(name, G)
    _sides.check_sign(name, sign)


def _moments(G: NeuralGraph, of_nodes: OfNodes, sign: _sides.Sign) -> dict[str, float]:
    found = {}
    for side in SIDES:
        blocks = _per_block(G, of_nodes, side, sign, empty=True)
        found[f"{side}_mean"] = _over_nodes(blocks, lambda values, _: float(values.mean()))
        found[f"{side}_sd"] = _over_nodes(blocks, _sd)
        found[f"{side}_max"] = max((float(values.max()) for values, _ in blocks), default=float("nan"))
    return found


def _sd(values: np.ndarray, _: int) -> float:
    exponent = int(np.frexp(values.max())[1])  # squares of the values may be beyond the range of a float
    return float(np.ldexp(np.ldexp(values.astype(np.float64), -exponent).std(), exponent))


def _per_block(
    G: NeuralGraph, of_nodes: OfNodes, side: _sides.Side, sign: _sides.Sign, *, empty: bool = False
) -> list[tuple[np.ndarray, int]]:
    """Return the values at the nodes of each block, and the number of nodes opposite; all zeros only if ``empty``."""
    pairs = [
        (of_nodes(block, side, sign), block.n_target if side == "source" else block.n_source) for block in G.blocks
    ]
    return [(values, n_opposite) for values, n_opposite in pairs if values.any() or (empty and len(values))]


def _over_nodes(blocks: list[tuple[np.ndarray, int]], measure: Callable[[np.ndarray, int], float]) -> float:
    """Return the mean over nodes of a measure of the values of each block."""
    if not blocks:
        return float("nan")
    return float(np.average([measure(*block) for block in blocks], weights=[len(values) for values, _ in blocks]))
