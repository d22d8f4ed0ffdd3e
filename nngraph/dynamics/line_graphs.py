"""The line graph of a network: its nodes are weights, its edges the pairs of weights that pass through one neuron."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch

from nngraph.blocks import Block
from nngraph.dynamics._chains import Chain, degrees, read_chain
from nngraph.dynamics._line_strengths import moved_errors
from nngraph.dynamics._signals import Loss, Signals, probe, signals
from nngraph.dynamics.capacitance import Variant, check_variant
from nngraph.errors import ArgumentError, SizeError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import igraph

__all__ = ["line_graph", "line_graph_size"]

EDGES_REFUSE = 1_000_000
BYTES_PER_EDGE = 100
"""About what igraph 1.0 holds for an edge with one number: 85 measured at a million edges."""


def line_graph_size(G: NeuralGraph | torch.nn.Module) -> int:
    r"""Return the number of edges of the line graph, which is not made.

    .. math:: \sum_v k^\mathrm{in}_v \, k^\mathrm{out}_v

    Parameters
    ----------
    G : NeuralGraph or torch.nn.Module
        A graph, or a multilayer perceptron as :func:`nngraph.dynamics.beta_eff` takes it.

    Returns
    -------
    int

    Notes
    -----
    Exact. Blocks of a graph that are complete are not looked at; others cost a count of their edges. Layers of a model
    that hold their edges alone stay so.

    Examples
    --------
    >>> import nngraph as nng
    >>> line_graph_size(nng.mlp((784, 400, 400, 10), rng=0))
    127040000
    """
    if not isinstance(G, NeuralGraph):
        ends = degrees(G)
        return sum(int(entering @ leaving) for (entering, _), (_, leaving) in itertools.pairwise(ends))
    k_in = {part.name: np.zeros(part.size, dtype=np.int64) for part in G.parts}
    k_out = {part.name: np.zeros(part.size, dtype=np.int64) for part in G.parts}
    for block in G.blocks:
        if block.n_edges == block.n_target * block.n_source:
            k_in[block.target] += block.n_source
            k_out[block.source] += block.n_target
        else:
            edges = block.edges()
            k_in[block.target] += np.bincount(edges.target, minlength=block.n_target)
            k_out[block.source] += np.bincount(edges.source, minlength=block.n_source)
    return sum(int(k_in[part.name] @ k_out[part.name]) for part in G.parts)


def line_graph(
    G: NeuralGraph | torch.nn.Module,
    x: object = None,
    y: object = None,
    *,
    loss: Loss = "cross_entropy",
    variant: Variant = "frozen",
    absolute: bool = False,
    backbone: object = None,
    force: bool = False,
) -> igraph.Graph:
    r"""Return the line graph: an edge from each weight to each weight that leaves the neuron which it enters.

    .. math:: (j \to i) \to (i \to k), \qquad P_{(l,i,j),(l+1,k,i)} \text{ of a model}, \qquad
              |w_{j \to i}| \, |w_{i \to k}| \text{ of a graph}

    Parameters
    ----------
    G : NeuralGraph or torch.nn.Module
        Any graph, or a multilayer perceptron with a probe batch.
    x, y, loss, variant, absolute, backbone
        Of a model, as :func:`nngraph.dynamics.beta_eff` takes them; the variant "hessian" joins weights without a
        common neuron, and is no line graph.
    force : bool
        Go on above 1 M edges.

    Returns
    -------
    igraph.Graph
        Directed. Vertex v is edge v of the graph, with ``block``, ``source`` and ``target`` (global vertex ids) and
        ``weight``. Edges are ordered by their first, then by their second vertex, and have the ``weight`` above:
        ``reduction(line_graph(model, x, y)).beta_eff`` is ``beta_eff(model, x, y).value``.

    Raises
    ------
    SizeError
        Above 1 M edges, with the exact number, unless ``force=True``.
    ArgumentError
        If a graph is given with a probe batch, or a model without, or as for ``beta_eff``.

    Notes
    -----
    Exact; time is proportional to edges times samples. A graph without data has no errors: its weights are the proxy
    with no probe batch.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0]]), np.array([[3.0], [0.5]])])
    >>> g = line_graph(G)
    >>> g.get_edgelist(), g.es["weight"]
    ([(0, 2), (0, 3), (1, 2), (1, 3)], [3.0, 0.5, 6.0, 1.0])
    """
    if isinstance(G, NeuralGraph):
        if x is not None or y is not None or backbone is not None:
            raise ArgumentError("line_graph: got a graph with a probe batch; expected the model, or the graph alone.")
        _guard(G, force=force)
        first, second = _pairs(G)
        magnitudes = np.abs(G.weights().astype(np.float64))
        return _assemble(G, first, second, magnitudes[first] * magnitudes[second])
    if x is None:
        raise ArgumentError(
            "line_graph: got a model without x; expected a probe batch x and y, or nng.from_torch(model)."
        )
    check_variant(variant, loss, absolute=absolute)
    if variant == "hessian":
        raise ArgumentError(
            "variant: got 'hessian', which joins weights that share no neuron; expected 'frozen' or 'hessian_support'."
        )
    chain = read_chain(G)
    graph = _graph(chain)
    _guard(graph, force=force)
    found = signals(chain, probe(chain, x, backbone), y, loss)
    first, second = _pairs(graph)
    return _assemble(graph, first, second, _couplings(chain, found, variant, absolute=absolute))


def _graph(chain: Chain) -> NeuralGraph:
    parts = chain.parts
    blocks = []
    for layer, source, target in zip(chain.layers, parts, parts[1:], strict=False):
        mask = None if layer.mask is None else layer.mask.cpu().numpy() != 0
        blocks.append(Block.from_dense(layer.name, source, target, layer.weight.cpu().numpy().copy(), mask))
    return NeuralGraph(blocks)


def _guard(G: NeuralGraph, *, force: bool) -> None:
    n = line_graph_size(G)
    if n > EDGES_REFUSE and not force:
        raise SizeError(
            f"the line graph of {n:,} edges needs about {n * BYTES_PER_EDGE / 2**30:.1f} GiB; the limit is "
            f"{EDGES_REFUSE:,} edges. beta_eff does without it; go on with line_graph(..., force=True)."
        )


def _pairs(G: NeuralGraph) -> tuple[np.ndarray, np.ndarray]:
    """Return the two weights of each edge, as edge ids of the graph, ordered by the first, then by the second."""
    ids = G._edge_ids()
    by_source = np.argsort(ids[:, 0], kind="stable")
    k_out = np.bincount(ids[:, 0], minlength=G.n_nodes)
    start = np.concatenate([[0], np.cumsum(k_out)[:-1]]).astype(np.int64) if G.n_nodes else np.zeros(0, np.int64)
    repeats = k_out[ids[:, 1]]
    first = np.repeat(np.arange(len(ids)), repeats)
    within = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return first, by_source[start[ids[first, 1]] + within]


def _couplings(chain: Chain, found: Signals, variant: Variant, *, absolute: bool) -> np.ndarray:
    """Return P for each edge in the order of :func:`_pairs`: row by row of each layer, so neuron after neuron."""
    pieces = []
    for h, (layer, above) in enumerate(zip(chain.layers, chain.layers[1:], strict=False)):
        z, slope, error = found.z[h], found.slopes[h], found.errors[h + 1]
        if absolute:
            z, slope, error = z.abs(), slope.abs(), error.abs()
        below_present, above_present = layer.support != 0, above.support != 0
        held = ((i, error) for i in range(slope.shape[1]))
        for i, signal in moved_errors(chain, found, h) if variant == "hessian_support" else held:
            j, k = below_present[i], above_present[:, i]
            P = (z[:, j] * slope[:, i : i + 1]).T @ signal[:, k]
            pieces.append(P.double().cpu().numpy().ravel())
    return np.concatenate(pieces)


def _assemble(G: NeuralGraph, first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> igraph.Graph:
    import igraph

    ids = G._edge_ids()
    g = igraph.Graph(G.n_edges, directed=True)
    g.add_edges(np.column_stack([first, second]))
    g.es["weight"] = weights.tolist()
    g.vs["block"] = [block.name for block in G.blocks for _ in range(block.n_edges)]
    g.vs["source"], g.vs["target"] = ids[:, 0].tolist(), ids[:, 1].tolist()
    g.vs["weight"] = G.weights().tolist()
    return g
