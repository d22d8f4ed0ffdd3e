"""GraphML, the format that Gephi, igraph and networkx read and write."""

from __future__ import annotations

import os
import re
import warnings
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError, FormatError
from nngraph.graph import NeuralGraph
from nngraph.io._atomic import replacing
from nngraph.io._inspection import EXPECTED, declared, node_ids, refuse_unsafe
from nngraph.io._looks import layout, part_colours
from nngraph.io._pieces import PIECE, Selection, Written, counts, guard, select, single

if TYPE_CHECKING:
    import igraph
    import pandas as pd

    from nngraph.io._texts import Column

__all__ = ["read_graphml", "write_graphml"]

BYTES_PER_EDGE = 130
HARMLESS = re.compile("Could not add vertex ids|Attribute target '(graphml|hyperedge|port|endpoint)'")
"""Warnings of igraph that say of nothing here that it is left out of the graph; all others do."""


def write_graphml(
    G: NeuralGraph,
    path: str | os.PathLike[str],
    *,
    like: igraph.Graph | None = None,
    part: str | None = None,
    top: int | float | None = None,
    attributes: pd.DataFrame | None = None,
    force: bool = False,
) -> Written:
    """Write a graph as GraphML, from which :func:`read_graphml` gives it back with the same weights.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    path : str or path
        The file. One of that name is replaced, once the new one is complete.
    like : igraph.Graph, optional
        The graph that G was read from: its vertices are written with all of their attributes; see
        :func:`nngraph.convert.igraph.to_igraph`.
    part : str, optional
        The vertex attribute of ``like`` that names the parts, unless it is one that ``from_igraph`` looks for.
    top : int or float, optional
        Write the strongest edges of each block only: so many (int), or this fraction of them (float in (0, 1]).
    attributes : DataFrame, optional
        More columns of nodes, as for :func:`nngraph.write_gexf`; not with ``like``.
    force : bool
        Go on above 500,000 edges.

    Returns
    -------
    Written
        ``n_edges`` in the file, ``n_left_out``, and the ``share`` of the sum of magnitudes that the file has.

    Raises
    ------
    SizeError
        Above 500,000 edges in the file, unless ``force=True``. Above 50,000 a warning is logged: that is where Gephi
        stops being pleasant.
    ArgumentError
        If a column has more than one type, or a name a character that XML cannot hold (a control character).

    Notes
    -----
    Edges have ``weight``, with its sign, ``sign`` (-1, 0 or 1) and ``block``, or what ``like`` has; edges of weight 0
    are written. Weights are in the fewest digits that give back the same number: declared float where every block is
    float32 or narrower, double otherwise. Nodes have ``part``, ``depth``, ``index``, ``bias``, ``name``, ``x`` and
    ``y`` (layers from left to right) and ``color`` (by part), or what ``like`` has. Node ids are n0, n1, ... in vertex
    order. The graph attribute ``history`` says in JSON which operations made the graph. For Gephi, which draws no
    negative edges, write GEXF. igraph, and so :func:`read_graphml`, refuses weights of a magnitude below 2.2e-308 other
    than 0. :func:`nngraph.save` keeps every bit.

    About 0.3 s, 10 MiB of memory and 130 MB of file for a million edges; with ``like`` about 2 s and 350 MiB. The same
    graph gives the same bytes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0]])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nng.write_graphml(G, pathlib.Path(folder) / "net.graphml")
    ...     nng.read_graphml(pathlib.Path(folder) / "net.graphml").weights()
    Written(n_edges=2, n_left_out=0, share=1.0)
    array([ 1., -2.])
    """
    check_graph("write_graphml", G)
    guard(sum(counts(G, top)), path, "GraphML", BYTES_PER_EDGE, force=force)
    chosen = select(G, path, top=top, zeros=True)
    if like is not None:
        if attributes is not None:
            raise ArgumentError("write_graphml: got both like and attributes; set vertex attributes of like instead.")
        _write_like(chosen, path, like, part)
    elif part is not None:
        raise ArgumentError("write_graphml: part names a vertex attribute of like; give like as well, or leave it out.")
    else:
        _write(chosen, path, attributes)
    return chosen.written


# --------------------------------------------------------------------- writing


def _write(chosen: Selection, path: str | os.PathLike[str], attributes: pd.DataFrame | None) -> None:
    """Write a graph piece by piece."""
    from nngraph.io import _nodes
    from nngraph.io._texts import Column, column, text_array

    G = chosen.G
    places = layout(G, np.zeros(G.n_nodes), "index")
    columns = _nodes.columns(G, attributes, x=places.x, y=places.y)
    colours = text_array("colours", [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in part_colours(G)])
    columns += [Column("color", "string", colours.take(_nodes.part_of(G))), Column("name", "string", _nodes.names(G))]
    values = {"history": _nodes.history(G)} if G.history else {}
    if chosen.top is not None:
        values["description"] = chosen.description()
    on_graph = [column("graph", name, [value]) for name, value in values.items()]
    on_edges = [("weight", "float" if single(G) else "double"), ("sign", "int"), ("block", "string")]
    with replacing(path) as file:
        file.write(_header(on_graph, columns, on_edges, directed=True).encode())
        _write_nodes(file, G.n_nodes, columns)
        for number in range(len(G.blocks)):
            _write_block(file, chosen, number)
        file.write(b"</graph>\n</graphml>\n")


def _header(on_graph: list[Column], on_nodes: list[Column], on_edges: list[tuple[str, str]], *, directed: bool) -> str:
    """Return all that comes before the nodes: the columns with their types, also of a graph without nodes."""
    from nngraph.io._texts import safe

    keys = [
        (f"{kind[0]}{i}", kind, name, type_)
        for kind, names in (
            ("graph", [column[:2] for column in on_graph]),
            ("node", [column[:2] for column in on_nodes]),
            ("edge", on_edges),
        )
        for i, (name, type_) in enumerate(names)
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
        + "".join(
            f'<key id="{key}" for="{kind}" attr.name="{safe("columns", name)}" attr.type="{type_}"/>\n'
            for key, kind, name, type_ in keys
        )
        + f'<graph edgedefault="{"directed" if directed else "undirected"}">\n'
        + "".join(f'<data key="g{i}">{c.texts[0].as_py()}</data>\n' for i, c in enumerate(on_graph))
    )


def _write_nodes(file: BinaryIO, n_nodes: int, columns: list[Column]) -> None:
    from nngraph.io import _nodes
    from nngraph.io._texts import decimals, joined, wrapped

    for start, n in _nodes.slices(n_nodes):
        ids = wrapped('<node id="n', decimals(np.arange(start, start + n)), '">')
        file.write(joined(ids, *_data("n", columns, start, n), "</node>\n"))


def _data(letter: str, columns: list[Column], start: int, n: int) -> list[object]:
    """Return the data elements of a piece of each column; none where a value is missing."""
    from nngraph.io._texts import wrapped

    return [
        wrapped(f'<data key="{letter}{i}">', column.texts.slice(start, n), "</data>")
        for i, column in enumerate(columns)
    ]


def _write_block(file: BinaryIO, chosen: Selection, number: int) -> None:
    """Write the edges of a block: weights are formatted, all else is looked up, as it repeats."""
    from nngraph.io._texts import decimals, joined, safe, text_array, wrapped

    G, block = chosen.G, chosen.G.blocks[number]
    name, first = safe("the name of a block", block.name), G.offsets
    sources = wrapped('<edge source="n', decimals(first[block.source] + np.arange(block.n_source)), '" target="n')
    targets = wrapped("", decimals(first[block.target] + np.arange(block.n_target)), '"><data key="e0">')
    ends = [f'</data><data key="e1">{sign}</data><data key="e2">{name}</data></edge>\n' for sign in (-1, 0, 1)]
    tails = text_array("signs", ends)
    for piece in chosen.pieces(number):
        values = piece.values
        signs = (values > 0).astype(np.int8) - (values < 0) + np.int8(1)
        file.write(joined(sources.take(piece.cols), targets.take(piece.rows), decimals(values), tails.take(signs)))


def _write_like(chosen: Selection, path: str | os.PathLike[str], like: igraph.Graph, part: str | None) -> None:
    """Write the vertices of ``like`` with the chosen edges of the graph, column by column."""
    from nngraph.convert.igraph import _ends
    from nngraph.io import _nodes
    from nngraph.io._texts import column, decimals, joined, wrapped

    G = chosen.G
    if chosen.top is not None:
        keep = [
            np.ones(block.n_edges, bool) if k is None else k for block, k in zip(G.blocks, chosen.keep, strict=True)
        ]
        G = G.with_support(np.concatenate(keep))
    g = G.to_igraph(like=like, part=part, force=True)
    where = "write_graphml: like"
    about = {name: g[name] for name in g.attributes() if g[name] is not None}
    about.pop("nngraph", None)  # an object, which no text can hold
    if G.history:
        about["history"] = _nodes.history(G)
    on_graph = [column(where, name, [value]) for name, value in about.items()]
    on_nodes = [column(where, name, g.vs[name]) for name in g.vs.attributes()]
    single_weights = np.array(g.es["weight"], dtype=np.float32 if single(G) else np.float64)
    edge_values = {name: single_weights if name == "weight" else g.es[name] for name in g.es.attributes()}
    on_edges = [column(where, name, values) for name, values in edge_values.items()]
    ends = _ends(g)
    with replacing(path) as file:
        kinds = [(c.name, c.kind) for c in on_edges]
        file.write(_header(on_graph, on_nodes, kinds, directed=g.is_directed()).encode())
        _write_nodes(file, g.vcount(), on_nodes)
        for start in range(0, len(ends), PIECE):
            piece = ends[start : start + PIECE]
            source = wrapped('<edge source="n', decimals(piece[:, 0]), '"')
            target = wrapped(' target="n', decimals(piece[:, 1]), '">')
            file.write(joined(source, target, *_data("e", on_edges, start, len(piece)), "</edge>\n"))
        file.write(b"</graph>\n</graphml>\n")


# --------------------------------------------------------------------- reading


def read_graphml(path: str | os.PathLike[str], *, part: str | None = None, force: bool = False) -> NeuralGraph:
    """Read a signed, weighted, multipartite graph from GraphML.

    Parameters
    ----------
    path : str or path
        The file, of any program.
    part : str, optional
        The vertex attribute that names the parts; by default ``part``, else ``layer``, ``type`` or ``bipartite``. The
        rest is read as :func:`nngraph.from_igraph` reads it. Node ids are names where no attribute is called so.
        An edge attribute ``signed_weight``, as :func:`nngraph.write_gexf` writes it and Gephi passes it on, goes
        before ``weight``.
    force : bool
        Go on with a file of more than 4 GiB.

    Returns
    -------
    NeuralGraph
        Its weights are float32 if the file declares them as float and no digit is lost by it, else float64.

    Raises
    ------
    FormatError
        If the file is no GraphML, or its graph not multipartite with finite weights; if it has a document type (which
        can define entities), more than a mebibyte from one "<" to the next, two nodes of one id, hyperedges, parallel
        edges in a block, a key for both nodes and edges or without a type, or an encoding other than UTF-8, UTF-16 or
        one of single bytes.
    SizeError
        Above 4 GiB, unless ``force=True``.
    """
    return parse(read_view(path, force=force), path, part)


def parse(g: igraph.Graph, path: str | os.PathLike[str], part: str | None) -> NeuralGraph:
    """Make the graph of a file that was read; errors name the file."""
    from nngraph.convert.igraph import from_igraph

    try:
        G = from_igraph(g, part=part)
    except FormatError as error:
        raise FormatError(f"{path}: {str(error).removeprefix('from_igraph: ')}") from None
    types = declared(path)
    is_float = types.get(("edge", "signed_weight"), types.get(("edge", "weight"))) == "float"
    return _narrowed(G) if is_float else G


def _narrowed(G: NeuralGraph) -> NeuralGraph:
    """Return the graph in float32, if the shortest text of each float32 is that of the number that was read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from nngraph.io._texts import decimals

    blocks = []
    for block in G.blocks:
        with np.errstate(over="ignore"):
            values = block.values.astype(np.float32)
        if not np.array_equal(pc.cast(decimals(values), pa.float64()).to_numpy(), block.values):
            return G
        blocks.append(block.replace(dtype="float32").with_values(values))
    return G.replace_blocks(blocks)


def read_view(path: str | os.PathLike[str], *, force: bool = False) -> igraph.Graph:
    """Read GraphML as an igraph graph; ids of nodes that say something are names."""
    import igraph

    refuse_unsafe(path, force=force)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            g = igraph.Graph.Read_GraphML(os.fspath(path))
        lost = [str(warning.message) for warning in caught if not HARMLESS.match(str(warning.message))]
        if lost:
            raise ValueError(lost[0])
    except (igraph.InternalError, ValueError, MemoryError) as error:
        what = re.sub(r"^Error at [^ ]*: |[.]? Location: .*", "", str(error)) or type(error).__name__
        raise FormatError(f"{path}: is no GraphML file, or a damaged one ({what}); {EXPECTED}.") from None
    node_ids(path, g.vcount())
    if "id" in g.vs.attributes():
        ids = g.vs["id"]
        if "name" not in g.vs.attributes() and ids != [f"n{v}" for v in range(g.vcount())]:
            g.vs["name"] = ids
        del g.vs["id"]  # the key of a node in its file; igraph gives new ones when it writes
    if "signed_weight" in g.es.attributes():
        g.es["weight"] = g.es["signed_weight"]
        del g.es["signed_weight"]
    return g
