"""NeuralGraph to networkx and back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from nngraph.convert._columns import PART_ATTRIBUTES, Columns, assemble
from nngraph.errors import ArgumentError, SizeError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import networkx

__all__ = ["from_networkx", "to_networkx"]

EDGES_WARN = 1_000_000
EDGES_REFUSE = 10_000_000
MIB_PER_EDGE = 350 / 1e6
SECONDS_PER_EDGE = 3.4 / 1e6
_log = logging.getLogger("nngraph")


def to_networkx(G: NeuralGraph, *, force: bool = False) -> networkx.DiGraph:
    """Return a directed networkx graph of the user's own.

    Parameters
    ----------
    G : NeuralGraph
        The graph to copy.
    force : bool
        Go on above 10 M edges.

    Returns
    -------
    networkx.DiGraph or networkx.MultiDiGraph
        Nodes are the vertex ids of ``G.nodes``, with the attributes ``part``, ``index``, ``name`` and ``bias`` (the
        sum of the biases of the blocks that enter the part); edges have ``weight``, ``sign`` (-1, 0 or 1) and
        ``block``. A MultiDiGraph, keyed by block, where two blocks join the same two nodes. The graph attribute
        ``nngraph`` is ``G`` itself, for the way back.

    Raises
    ------
    SizeError
        Above 10 M edges, unless ``force=True``.

    Notes
    -----
    About 3.4 s and 350 MiB for a million edges; ``to_igraph`` takes a tenth of the time. networkx keeps edges by node,
    not in the order of ``G.edges``. Its writers refuse attributes that are objects: ``del N.graph["nngraph"]`` first.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> N = nng.from_matrices([np.array([[1.0, -2.0]])]).to_networkx()
    >>> N.edges[1, 2]
    {'weight': -2.0, 'sign': -1, 'block': '0'}
    """
    _guard(G.n_edges, force=force)
    import networkx as nx

    ids = G._edge_ids()
    N = nx.MultiDiGraph() if _coincide(G) else nx.DiGraph()
    N.graph["nngraph"] = G
    bias = iter(G._node_bias().tolist())
    nodes = ((part.name, index, name) for part in G.parts for index, name in enumerate(part.node_names()))
    N.add_nodes_from(
        (v, {"part": part, "index": index, "name": name, "bias": next(bias)})
        for v, (part, index, name) in enumerate(nodes)
    )
    start = 0
    for block in G.blocks:
        ends = ids[start : start + block.n_edges].tolist()
        signs = np.sign(block.values).astype(np.int8).tolist()
        key = (block.name,) if N.is_multigraph() else ()
        N.add_edges_from(
            (source, target, *key, {"weight": weight, "sign": sign, "block": block.name})
            for (source, target), weight, sign in zip(ends, block.values.tolist(), signs, strict=True)
        )
        start += block.n_edges
    return N


def _guard(n_edges: int, *, force: bool) -> None:
    size = (
        f"the networkx graph of {n_edges:,} edges needs about {n_edges * MIB_PER_EDGE / 1024:.1f} GiB and "
        f"{n_edges * SECONDS_PER_EDGE:.0f} s"
    )
    if n_edges > EDGES_REFUSE and not force:
        raise SizeError(
            f"{size}; the limit is {EDGES_REFUSE:,} edges. Use G.to_igraph(), or go on with G.to_networkx(force=True)."
        )
    if n_edges > EDGES_WARN:
        _log.warning("%s; G.to_igraph() is some ten times faster", size)


def _coincide(G: NeuralGraph) -> bool:
    """Tell whether two blocks hold an edge between the same two nodes."""
    cells: dict[tuple[str, str], np.ndarray] = {}
    for block in G.blocks:
        pair = (block.source, block.target)
        if sum((other.source, other.target) == pair for other in G.blocks) == 1:
            continue
        cell = block.rows().astype(np.int64) * block.n_source + block.csr_arrays()[1]
        if pair in cells and np.isin(cell, cells[pair]).any():
            return True
        cells[pair] = np.concatenate([cells.get(pair, cell[:0]), cell])
    return False


def from_networkx(N: networkx.Graph) -> NeuralGraph:
    """Read any signed, weighted, multipartite networkx graph.

    Parameters
    ----------
    N : networkx.Graph
        Parts are read from the node attribute ``part``, else ``layer``, ``type`` or ``bipartite`` (text, whole numbers
        or truth values; numbers in ascending order, text as met), the order within a part from ``index`` where every
        node has one, biases from ``bias``. A node's label is its ``name``, else the node itself as text. A missing
        weight is 1; a weight of 0 is an edge. An undirected edge runs from the earlier part to the later. The edges
        from one part to another are one block, named ``"a->b"``, unless the edge attribute ``block`` names their
        blocks.

    Returns
    -------
    NeuralGraph
        A graph that :meth:`NeuralGraph.to_networkx` made comes back equal to the graph that it was made from; edges
        that were removed are absent, weights that were changed are changed, and a block without a change stays an
        untouched block. Then names and biases are those of the graph attribute ``nngraph``.

    Raises
    ------
    FormatError
        If a node has no part, an edge stays within a part, edges are parallel within a block, or a weight is no finite
        real number. The message names the first such edge or node.

    Examples
    --------
    >>> import networkx as nx
    >>> import nngraph as nng
    >>> nng.from_networkx(nx.davis_southern_women_graph())
    NeuralGraph: 18-14, 89 edges, 0.0 % negative
      block  source -> target  shape  edges  present  negative  dtype
      0->1   0 -> 1            14x18     89  35.3 %      0.0 %  float64
    """
    import networkx as nx

    if not isinstance(N, nx.Graph):
        raise ArgumentError(f"from_networkx: got {type(N).__name__}; expected a networkx graph.")
    nodes, data = list(N.nodes), [attributes for _, attributes in N.nodes(data=True)]
    number = {node: v for v, node in enumerate(nodes)}
    edges = list(N.edges(data=True))
    source = np.fromiter((number[u] for u, _, _ in edges), np.int64, len(edges))
    target = np.fromiter((number[v] for _, v, _ in edges), np.int64, len(edges))
    part = next((name for name in PART_ATTRIBUTES if any(name in attributes for attributes in data)), None)
    known = N.graph.get("nngraph")
    return assemble(
        Columns(
            reader="from_networkx",
            parts=None if part is None and nodes else [attributes.get(part) for attributes in data],
            labels=[attributes.get("name", node) for node, attributes in zip(nodes, data, strict=True)],
            index=[attributes.get("index") for attributes in data],
            bias=[attributes.get("bias") for attributes in data],
            source=source,
            target=target,
            weights=[attributes.get("weight") for _, _, attributes in edges],
            blocks=[attributes.get("block") for _, _, attributes in edges],
            directed=N.is_directed(),
            known=known if isinstance(known, NeuralGraph) else None,
            vertex=lambda v: f"node {nodes[v]!r}",
        )
    )
