"""NeuralGraph to igraph and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.convert._columns import PART_ATTRIBUTES, Columns, assemble
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import igraph

__all__ = ["from_igraph", "to_igraph"]

BYTES_PER_EDGE = 90
"""32 for the topology, 8 for a list entry and 32 for the number of a weight, 8 each for sign and block."""


def to_igraph(G: NeuralGraph, *, force: bool = False) -> igraph.Graph:
    """Return a directed igraph graph of the user's own.

    Parameters
    ----------
    G : NeuralGraph
        The graph to copy.
    force : bool
        Go on above 100 M edges.

    Returns
    -------
    igraph.Graph
        Vertices ordered by part, then index, with the attributes ``part``, ``index``, ``name`` and ``bias`` (the sum
        of the biases of the blocks that enter the part, for viewing). Edge ids follow the order of ``G.edges``, with
        the attributes ``weight``, ``sign`` (-1, 0 or 1) and ``block``. The graph attribute ``nngraph`` is ``G``
        itself: it holds what igraph cannot (shapes, dtypes, biases of each block, origins), for the way back.

    Raises
    ------
    SizeError
        Above 100 M edges, unless ``force=True``.

    Notes
    -----
    About 0.4 s and 90 bytes an edge for a million edges. The topology is built by one ``add_edges`` call. From the
    second view of the same support on, a copy of the topology (32 bytes an edge) is kept for as long as a graph with
    that support lives, so that views of reweighted graphs skip the building.

    ``igraph`` writes no graph attribute that is an object: a GraphML file of the view comes without ``nngraph``.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [0.0, 0.5]])])
    >>> g = G.to_igraph()
    >>> g.es["weight"], g.vs["name"]
    ([1.0, -2.0, 0.5], ['0:0', '0:1', '1:0', '1:1'])
    >>> g.strength(weights="weight", mode="in")
    [0.0, 0.0, -1.0, 0.5]
    """
    G.guard("the igraph view", bytes_per_edge=BYTES_PER_EDGE, remedy="G.to_igraph(force=True)", force=force)
    g = _topology(G)
    g.vs["part"] = [part.name for part in G.parts for _ in range(part.size)]
    g.vs["index"] = [index for part in G.parts for index in range(part.size)]
    g.vs["name"] = [name for part in G.parts for name in part.node_names()]
    g.vs["bias"] = G._node_bias().tolist()
    weights = G.weights()
    g.es["weight"] = weights.tolist()
    g.es["sign"] = np.sign(weights).astype(np.int8).tolist()
    names: list[str] = []
    for block in G.blocks:
        names += [block.name] * block.n_edges
    g.es["block"] = names
    g["nngraph"] = G
    return g


def _topology(G: NeuralGraph) -> igraph.Graph:
    """Return a graph with vertices and edges only, from the cache that graphs of one support share.

    The first one is handed over as built: most graphs are viewed once, and a kept copy would cost a third more memory.
    """
    cache = G._igraph_topology
    kept = cache.get("graph")
    if kept is not None:
        return kept.copy()  # type: ignore[attr-defined]
    import igraph

    g = igraph.Graph(G.n_nodes, directed=True)
    g.add_edges(G._edge_ids())
    if cache.get("viewed"):
        cache["graph"] = g.copy()
    cache["viewed"] = True
    return g


def from_igraph(g: igraph.Graph) -> NeuralGraph:
    """Read any signed, weighted, multipartite igraph graph.

    Parameters
    ----------
    g : igraph.Graph
        Parts are read from the vertex attribute ``part``, else ``layer``, ``type`` or ``bipartite`` (text, whole
        numbers or truth values; numbers in ascending order, False before True, text as met), the order within a part
        from ``index`` where every vertex has one, names from ``name``, biases from ``bias``. A missing weight is 1; a
        weight of 0 is an edge. An undirected edge runs from the earlier part to the later. The edges from one part to
        another are one block, named ``"a->b"``, unless the edge attribute ``block`` names their blocks.

    Returns
    -------
    NeuralGraph
        A graph that :func:`to_igraph` made comes back equal to the graph that it was made from, whatever the order of
        its vertices and edges. Edges that were deleted are absent, weights that were changed are changed, and a block
        without a change stays an untouched block. Then names and biases are those of the graph attribute ``nngraph``,
        and so are nodes whose vertices were deleted.

    Raises
    ------
    FormatError
        If no vertex attribute names the parts, an edge stays within a part, edges are parallel within a block, or a
        weight is no finite real number. The message names the first such edge or vertex.

    Notes
    -----
    About 1.5 s and 250 bytes an edge for a million edges, most of it igraph's own edge list; no array of
    n_target x n_source is made for a sparse block.

    Examples
    --------
    >>> import igraph
    >>> import nngraph as nng
    >>> g = igraph.Graph.Bipartite([0, 0, 1], [(0, 2), (1, 2)])
    >>> g.es["weight"] = [0.5, -1.0]
    >>> nng.from_igraph(g)
    NeuralGraph: 2-1, 2 edges, 50.0 % negative
      block  source -> target  shape  edges  present  negative  dtype
      0->1   0 -> 1            1x2        2  100 %       50.0 %  float64
    """
    import igraph

    if not isinstance(g, igraph.Graph):
        raise ArgumentError(f"from_igraph: got {type(g).__name__}; expected an igraph.Graph.")
    ends = np.fromiter((v for edge in g.get_edgelist() for v in edge), np.int64, 2 * g.ecount()).reshape(-1, 2)
    on_vertices, on_edges = set(g.vs.attributes()), set(g.es.attributes())
    part = next((name for name in PART_ATTRIBUTES if name in on_vertices), None)
    known = g["nngraph"] if "nngraph" in g.attributes() else None
    names = g.vs["name"] if "name" in on_vertices else None
    return assemble(
        Columns(
            reader="from_igraph",
            parts=None if part is None else g.vs[part],
            labels=names,
            index=g.vs["index"] if "index" in on_vertices else None,
            bias=g.vs["bias"] if "bias" in on_vertices else None,
            source=ends[:, 0],
            target=ends[:, 1],
            weights=g.es["weight"] if "weight" in on_edges else None,
            blocks=g.es["block"] if "block" in on_edges else None,
            directed=g.is_directed(),
            known=known if isinstance(known, NeuralGraph) else None,
            vertex=lambda v: f"vertex {v}" if names is None else f"vertex {v} ({names[v]!r})",
        )
    )
