"""Paths from input to output parts: which nodes they reach, how many there are, how much weight they carry."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats._routes import PartNames, Routes, Scaled, Weighting, pairs, sweep, transposed
from nngraph.stats._series import by_node
from nngraph.stats._sides import among
from nngraph.stats._strongest import strongest, weight_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DominantPath", "dominant_path", "path_load", "pathways", "spanning", "spanning_nodes"]

TOP = 100
"""One pair of an input and an output node in so many is of those that :func:`pathways` calls the top."""


def spanning(G: NeuralGraph, *, inputs: PartNames = None, outputs: PartNames = None) -> dict[str, float]:
    r"""Return how much of a graph its spanning subnetwork holds: what lies on a path from an input to an output.

    .. math:: \frac{|\{i : \text{in} \leadsto i \leadsto \text{out}\}|}{N}, \quad
              \frac{|\{(j, i) \in E : \text{in} \leadsto j,\ i \leadsto \text{out}\}|}{E}, \quad
              \frac{|\{(a, o) : a \leadsto o\}|}{n_\text{in} n_\text{out}}

    Parameters
    ----------
    G : NeuralGraph
        The graph. Paths run along edges that are present, of weight 0 too, and along links, which lead each node to
        its copy; recurrent links, to the next time step, are not followed.
    inputs, outputs : str or sequence of str, optional
        The parts where paths start and end; by default those that no block or link enters, or leaves.

    Returns
    -------
    dict of str to float
        ``nodes``, ``edges`` and ``pairs`` (of an input and an output node that a path joins), shares in [0, 1]; NaN
        where there are none to take a share of.

    Raises
    ------
    ArgumentError
        If parts form a cycle, a part is unknown, or one is both input and output.

    Notes
    -----
    Exact. Nodes and edges take two sweeps over the edges; pairs take one for each node of the smaller end, in slabs of
    64 MB at most.

    References
    ----------
    .. [1] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
       International Conference on Learning Representations, 2019 (on the networks that are left by pruning).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first, second = np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[1.0, 0.0]])
    >>> nng.stats.spanning(nng.from_matrices([first, second]))
    {'nodes': 0.8, 'edges': 0.75, 'pairs': 1.0}
    """
    routes = Routes.of("spanning", G, inputs, outputs)
    matrices = routes.matrices("count")
    on = _on_a_path(routes, matrices)
    n_edges = sum(_edges_between(block, on[block.source], on[block.target]) for block in G.blocks)
    joined = sum(float(found.values.sum()) for found in pairs(routes, matrices, reached=True))
    n_nodes = sum(int(np.count_nonzero(nodes)) for nodes in on.values())
    return {
        "nodes": _share(n_nodes, G.n_nodes),
        "edges": _share(n_edges, G.n_edges),
        "pairs": _share(joined, _n_pairs(routes)),
    }


def spanning_nodes(G: NeuralGraph, *, inputs: PartNames = None, outputs: PartNames = None) -> pd.Series:
    """Return which nodes lie on a path from an input to an output: the nodes of the spanning subnetwork.

    Parameters
    ----------
    G : NeuralGraph
        The graph, read as in :func:`spanning`.
    inputs, outputs : str or sequence of str, optional
        The parts where paths start and end; by default those that no block or link enters, or leaves.

    Returns
    -------
    pandas.Series
        bool, indexed by (part, index); ``.groupby("part").sum()`` counts them part by part.

    Raises
    ------
    ArgumentError
        If parts form a cycle, a part is unknown, or one is both input and output.

    Notes
    -----
    Exact; two sweeps over the edges.

    References
    ----------
    .. [1] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
       International Conference on Learning Representations, 2019 (on the networks that are left by pruning).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first, second = np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[1.0, 0.0]])
    >>> nng.stats.spanning_nodes(nng.from_matrices([first, second])).groupby("part").sum().tolist()
    [2, 1, 1]
    """
    routes = Routes.of("spanning_nodes", G, inputs, outputs)
    return by_node(G, _on_a_path(routes, routes.matrices("count")), "spanning_nodes")


def pathways(G: NeuralGraph, *, inputs: PartNames = None, outputs: PartNames = None) -> dict[str, float]:
    r"""Return what the paths from the input to the output nodes carry: their number, their mass, its concentration.

    .. math:: n = \mathbf 1^T M_L \cdots M_1 \mathbf 1, \quad m = \mathbf 1^T |W_L| \cdots |W_1| \mathbf 1, \quad
              s = \mathbf 1^T W_L \cdots W_1 \mathbf 1

    Parameters
    ----------
    G : NeuralGraph
        The graph; M are the supports and W the weights of its blocks. A link is a step of weight 1 from each node to
        its copy, so that a residual skip adds paths that go around its blocks; recurrent links are not followed.
    inputs, outputs : str or sequence of str, optional
        The parts where paths start and end; by default those that no block or link enters, or leaves.

    Returns
    -------
    dict of str to float
        ``paths`` n, ``mass`` m (the sum of the absolute products of weights along each path), ``signed`` s, ``mean``
        m / n, ``dominant`` (the share of m on :func:`dominant_path`), ``top`` (the share of m between the hundredth of
        the pairs of an input and an output node, rounded up, that carry most), ``log10_paths`` and ``log10_mass``. The
        shares and the mean are NaN without anything to take them of.

    Raises
    ------
    ArgumentError
        If parts form a cycle, a part is unknown, or one is both input and output.

    Notes
    -----
    Exact up to rounding in float64; no path is enumerated. Sums carry an exponent of their own: where ``paths``,
    ``mass`` and ``signed`` are beyond the range of a float (inf), the other values still hold. The cost is three
    sweeps over the edges, and one for each node of the smaller end; memory is 16 to 24 bytes an edge, slabs of 64 MB,
    and a hundredth of the pairs.

    References
    ----------
    .. [1] B. Neyshabur, R. Salakhutdinov, N. Srebro, "Path-SGD: path-normalized optimization in deep neural networks",
       Advances in Neural Information Processing Systems 28, 2015 (on sums of products of weights along paths).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first, second = np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[1.0, 2.0]])
    >>> found = nng.stats.pathways(nng.from_matrices([first, second]))
    >>> found["paths"], found["mass"], found["signed"], found["mean"]
    (3.0, 9.0, 5.0, 3.0)
    >>> round(found["dominant"], 3), round(found["top"], 3)
    (0.667, 0.889)
    """
    routes = Routes.of("pathways", G, inputs, outputs)
    matrices = routes.matrices("magnitude")
    count, signed = (_total(routes, routes.matrices(weighting)) for weighting in ("count", "signed"))
    mass = _total(routes, matrices)
    nothing = not mass.values
    longest, _ = strongest(routes)
    return {
        "paths": _number(count),
        "mass": _number(mass),
        "signed": _number(signed),
        "mean": float(mass.over(count)) if count.values else float("nan"),
        "dominant": float("nan") if nothing else float(np.exp(longest - _log(mass))),
        "top": float("nan") if nothing else _top(routes, matrices, mass),
        "log10_paths": count.log10(),
        "log10_mass": mass.log10(),
    }


def path_load(
    G: NeuralGraph, *, weighting: Weighting = "magnitude", inputs: PartNames = None, outputs: PartNames = None
) -> pd.Series:
    r"""Return the load of each node: the share of what all paths carry that passes through it.

    .. math:: \ell_i = \frac{f_i b_i}{m}, \quad f = |W_l| \cdots |W_1| \mathbf 1, \quad
              b = \mathbf 1^T |W_L| \cdots |W_{l+1}|

    Parameters
    ----------
    G : NeuralGraph
        The graph, read as in :func:`pathways`.
    weighting : "magnitude", "count" or "signed"
        A path carries the absolute product of its weights, 1, or the product.
    inputs, outputs : str or sequence of str, optional
        The parts where paths start and end; by default those that no block or link enters, or leaves.

    Returns
    -------
    pandas.Series
        Indexed by (part, index), over all nodes; NaN where all paths together carry 0. In a chain the loads of each
        part add up to 1.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above, or parts form a cycle.

    Notes
    -----
    Exact up to rounding; two sweeps over the edges, in float64 with exponents of their own.

    References
    ----------
    .. [1] L. C. Freeman, "A set of measures of centrality based on betweenness", Sociometry 40, 35-41, 1977 (the load
       counts all paths of a layered network, weighted, in the place of the shortest ones).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[1.0, 2.0]])])
    >>> nng.stats.path_load(G).round(2).tolist()
    [0.11, 0.89, 0.33, 0.67, 1.0]
    """
    if not among(weighting, ("magnitude", "count", "signed")):
        raise ArgumentError(f"path_load: weighting: got {weighting!r}; expected 'magnitude', 'count' or 'signed'.")
    routes = Routes.of("path_load", G, inputs, outputs)
    matrices = routes.matrices(weighting)
    forward = sweep(routes, matrices, routes.everywhere())
    turned = routes.turned()
    backward = sweep(turned, transposed(matrices), turned.everywhere())
    total = _sum_at(forward, routes.outputs)
    loads = {}
    for name, size in routes.sizes.items():
        both = Scaled(forward[name].values * backward[name].values, forward[name].exponent + backward[name].exponent)
        loads[name] = both.over(total)[:, 0] if total.values else np.full(size, np.nan)
    return by_node(G, loads, f"path_load(weighting={weighting})")


@dataclasses.dataclass(frozen=True)
class DominantPath:
    """The path whose product of weights is largest in magnitude; without nodes where every product is 0."""

    nodes: tuple[tuple[str, int], ...]
    """(part, index) from input to output."""
    steps: tuple[str, ...]
    """The block between each node and the next; a link as "source -> target (kind)"."""
    weight: float
    """The product of the weights along it."""
    log10_magnitude: float
    """The decimal logarithm of the magnitude of the product, where that is beyond the range of a float too."""
    share: float
    """Its share of the mass of all paths; NaN where that is 0."""


def dominant_path(G: NeuralGraph, *, inputs: PartNames = None, outputs: PartNames = None) -> DominantPath:
    r"""Return the path from an input to an output node whose product of weights is largest in magnitude.

    .. math:: \operatorname*{arg\,max}_{\text{paths } p} \prod_{e \in p} |w_e|

    Parameters
    ----------
    G : NeuralGraph
        The graph, read as in :func:`pathways`.
    inputs, outputs : str or sequence of str, optional
        The parts where paths start and end; by default those that no block or link enters, or leaves.

    Returns
    -------
    DominantPath
        Its ``nodes``, ``steps``, ``weight``, ``log10_magnitude`` and ``share``. Of equal paths it is one that is first
        by the order of blocks and nodes.

    Raises
    ------
    ArgumentError
        If parts form a cycle, a part is unknown, or one is both input and output.

    Notes
    -----
    Exact: dynamic programming over sums of logarithms, linear in the number of edges.

    References
    ----------
    .. [1] A. J. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm",
       IEEE Transactions on Information Theory 13, 260-269, 1967.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[1.0, -2.0]])])
    >>> path = nng.stats.dominant_path(G)
    >>> path.nodes, path.weight, round(path.share, 3)
    ((('0', 1), ('1', 1), ('2', 0)), -6.0, 0.667)
    """
    routes = Routes.of("dominant_path", G, inputs, outputs)
    longest, trail = strongest(routes)
    if longest == -np.inf:
        return DominantPath((), (), 0.0, -np.inf, np.nan)
    mass = _total(routes, routes.matrices("magnitude"))
    nodes, steps = trail
    weight = float(
        np.prod([weight_of(step, i, j) for step, (_, j), (_, i) in zip(steps, nodes, nodes[1:], strict=False)])
    )
    names = tuple(
        step.via.name if isinstance(step.via, Block) else f"{step.source} -> {step.target} ({step.via.kind})"
        for step in steps
    )
    return DominantPath(nodes, names, weight, float(longest / np.log(10)), float(np.exp(longest - _log(mass))))


# ------------------------------------------------------------------------ sums over paths


def _on_a_path(routes: Routes, matrices: list) -> dict[str, np.ndarray]:
    """Return by part which nodes the inputs reach and from which the outputs are reached."""
    turned = routes.turned()
    ahead = sweep(routes, matrices, routes.everywhere(), reached=True)
    back = sweep(turned, transposed(matrices), turned.everywhere(), reached=True)
    return {name: ((ahead[name].values > 0) & (back[name].values > 0))[:, 0] for name in routes.sizes}


def _n_pairs(routes: Routes) -> int:
    n_inputs, n_outputs = (sum(routes.sizes[name] for name in ends) for ends in (routes.inputs, routes.outputs))
    return n_inputs * n_outputs


def _edges_between(block: Block, source: np.ndarray, target: np.ndarray) -> int:
    if block.is_sparse:
        ends = block.edges()
        return int(np.count_nonzero(source[ends.source] & target[ends.target]))
    mask = block.mask
    if mask is None:
        return int(np.count_nonzero(source) * np.count_nonzero(target))
    return int(np.count_nonzero(mask[np.ix_(target, source)]))


def _total(routes: Routes, matrices: list) -> Scaled:
    return _sum_at(sweep(routes, matrices, routes.everywhere()), routes.outputs)


def _sum_at(at: dict[str, Scaled], outputs: tuple[str, ...]) -> Scaled:
    return Scaled.sum([at[name].total() for name in outputs], ())


def _top(routes: Routes, matrices: list, mass: Scaled) -> float:
    """Return the share of the mass between the pairs that carry most; those and a slab are all that is held."""
    n_top = -(-_n_pairs(routes) // TOP)
    largest, least = np.zeros(0), 0.0
    for found in pairs(routes, matrices):
        shares = found.over(mass)
        largest = np.concatenate([largest, shares[shares > least]])
        if len(largest) > n_top:
            largest = np.partition(largest, len(largest) - n_top)[-n_top:]
            least = float(largest[0])
    return float(largest.sum())


def _number(value: Scaled) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(value.values, value.exponent))


def _log(value: Scaled) -> float:
    return float(np.log(value.values) + value.exponent * np.log(2.0))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
