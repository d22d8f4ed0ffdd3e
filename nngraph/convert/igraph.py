"""NeuralGraph to igraph and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.convert._columns import PART_ATTRIBUTES, Columns, assemble, vertices
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import igraph

__all__ = ["from_igraph", "to_igraph"]

BYTES_PER_EDGE = 90
"""32 for the topology, 8 for a list entry and 32 for the number of a weight, 8 each for sign and block."""


def to_igraph(
    G: NeuralGraph, *, like: igraph.Graph | None = None, part: str | None = None, force: bool = False
) -> igraph.Graph:
    """Return an igraph graph of the user's own: directed, or like the one that G was read from.

    Parameters
    ----------
    G : NeuralGraph
        The graph to copy.
    like : igraph.Graph, optional
        The graph that G, or the graph it was made of, was read from: the copy has its vertices, in its order and with
        all of their attributes, its graph attributes, and is directed if it is.
    part : str, optional
        The vertex attribute of ``like`` that names the parts, as for :func:`nngraph.from_igraph`.
    force : bool
        Go on above 100 M edges.

    Returns
    -------
    igraph.Graph
        Vertices ordered by part, then index, with the attributes ``part``, ``index``, ``name`` and ``bias`` (the sum
        of the biases of the blocks that enter the part, for viewing). Edge ids follow the order of ``G.edges``, with
        the attributes ``weight``, ``sign`` (-1, 0 or 1) and ``block``. The graph attribute ``nngraph`` is ``G``
        itself: it holds what igraph cannot (shapes, dtypes, biases of each block, origins), for the way back.

        With ``like``: where the same pairs of vertices are joined, edges keep their order and all attributes but
        ``weight`` and ``sign``; where edges have moved, as null models move them, other attributes have no edge to
        go to and are left out (``block`` is written where there are several blocks).

    Raises
    ------
    ArgumentError
        If ``like`` has other parts than G.
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
    if like is not None:
        return _like(G, like, part)
    if part is not None:
        raise ArgumentError("to_igraph: part names a vertex attribute of like; give like as well, or leave it out.")
    g = _topology(G)
    g.vs["part"] = [part.name for part in G.parts for _ in range(part.size)]
    g.vs["index"] = [index for part in G.parts for index in range(part.size)]
    g.vs["name"] = [name for part in G.parts for name in part.node_names()]
    g.vs["bias"] = G._node_bias().tolist()
    weights = G.weights()
    g.es["weight"] = weights.tolist()
    g.es["sign"] = np.sign(weights).astype(np.int8).tolist()
    g.es["block"] = _block_names(G)
    g["nngraph"] = G
    return g


def _block_names(G: NeuralGraph) -> list[str]:
    """Return the name of each edge's block."""
    names: list[str] = []
    for block in G.blocks:
        names += [block.name] * block.n_edges
    return names


def _like(G: NeuralGraph, g: igraph.Graph, part: str | None) -> igraph.Graph:
    """Return a copy of g with the edges of G."""
    _check(g, "to_igraph: like")
    parts, part_of, local = vertices(_columns(g, part))
    if [(p.name, p.size) for p in parts] != [(p.name, p.size) for p in G.parts]:
        raise ArgumentError(
            f"to_igraph: like has the parts {', '.join(f'{p.name!r} ({p.size})' for p in parts)} and this graph "
            f"{', '.join(f'{p.name!r} ({p.size})' for p in G.parts)}; expected the graph that this one was read from."
        )
    sizes = np.array([p.size for p in parts], dtype=np.int64)
    vertex = np.empty(sizes.sum(), dtype=np.int64)
    vertex[(np.cumsum(sizes) - sizes)[part_of] + local] = np.arange(len(vertex))
    ends, weights = vertex[G._edge_ids()], G.weights()
    new = g.copy()
    order = _same_pairs(_ends(g), ends, directed=g.is_directed())
    if order is None:
        new.delete_edges()
        for name in new.es.attributes():
            del new.es[name]
        new.add_edges(ends)
        order = np.arange(len(ends))
        if len(G.blocks) > 1:
            new.es["block"] = _block_names(G)
    new.es["weight"] = weights[order].tolist()
    new.es["sign"] = np.sign(weights[order]).astype(np.int8).tolist()
    if "nngraph" in new.attributes():
        new["nngraph"] = G
    return new


def _same_pairs(a: np.ndarray, b: np.ndarray, *, directed: bool) -> np.ndarray | None:
    """Return which edge of b is each edge of a; None unless both join the same pairs, each pair once."""
    if len(a) != len(b):
        return None
    a, b = (pairs if directed else np.sort(pairs, axis=1) for pairs in (a, b))
    by_a, by_b = np.lexsort(a.T), np.lexsort(b.T)
    if not np.array_equal(a[by_a], b[by_b]) or (np.diff(a[by_a], axis=0) == 0).all(axis=1).any():
        return None
    order = np.empty(len(a), dtype=np.int64)
    order[by_a] = by_b
    return order


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


def from_igraph(g: igraph.Graph, *, part: str | None = None) -> NeuralGraph:
    """Read any signed, weighted, multipartite igraph graph.

    Parameters
    ----------
    g : igraph.Graph
        Parts are read from the vertex attribute ``part``, else ``layer``, ``type`` or ``bipartite`` (text, whole
        numbers or truth values; numbers in ascending order, False before True, text as met), the order within a part
        from ``index`` where every vertex has one, names from ``name``, biases from ``bias``. A missing weight is 1; a
        weight of 0 is an edge. An undirected edge runs from the earlier part to the later. The edges from one part to
        another are one block, named ``"a->b"``, unless the edge attribute ``block`` names their blocks.
    part : str, optional
        Another vertex attribute that names the parts. The graph attribute ``nngraph`` is then not looked at.

    Returns
    -------
    NeuralGraph
        A graph that :meth:`NeuralGraph.to_igraph` made comes back equal to the graph that it was made from, whatever
        the order of its vertices and edges. Edges that were deleted are absent, weights that were changed are changed,
        and a block without a change stays an untouched block. Then names and biases are those of the graph attribute
        ``nngraph``, and so are nodes whose vertices were deleted.

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
    _check(g, "from_igraph")
    return assemble(_columns(g, part))


def _check(g: object, where: str) -> None:
    import igraph

    if not isinstance(g, igraph.Graph):
        raise ArgumentError(f"{where}: got {type(g).__name__}; expected an igraph.Graph.")


def _ends(g: igraph.Graph) -> np.ndarray:
    """Return the (n_edges, 2) vertices of the edges."""
    return np.fromiter((v for edge in g.get_edgelist() for v in edge), np.int64, 2 * g.ecount()).reshape(-1, 2)


def _columns(g: igraph.Graph, part: str | None) -> Columns:
    """Return a graph column by column, its parts from one attribute."""
    ends = _ends(g)
    on_vertices, on_edges = set(g.vs.attributes()), set(g.es.attributes())
    if part is not None and part not in on_vertices:
        known_names = ", ".join(map(repr, sorted(on_vertices))) or "no vertex attribute"
        raise ArgumentError(f"part: got {part!r}; expected a vertex attribute of the graph, which has {known_names}.")
    known = g["nngraph"] if part is None and "nngraph" in g.attributes() else None
    part = part or next((name for name in PART_ATTRIBUTES if name in on_vertices), None)
    names = g.vs["name"] if "name" in on_vertices else None
    return Columns(
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
