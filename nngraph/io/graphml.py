"""GraphML, the format that Gephi, igraph and networkx read and write."""

from __future__ import annotations

import json
import logging
import os
import warnings
from typing import TYPE_CHECKING

from nngraph.errors import FormatError, SizeError
from nngraph.graph import NeuralGraph
from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    import igraph

__all__ = ["read_graphml", "write_graphml"]

EDGES_WARN = 50_000
EDGES_REFUSE = 500_000
BYTES_PER_EDGE = 200
_log = logging.getLogger("nngraph")


def write_graphml(
    G: NeuralGraph,
    path: str | os.PathLike[str],
    *,
    like: igraph.Graph | None = None,
    part: str | None = None,
    force: bool = False,
) -> None:
    """Write a graph as GraphML.

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
    force : bool
        Go on above 500,000 edges.

    Raises
    ------
    SizeError
        Above 500,000 edges, unless ``force=True``. Above 50,000 a warning is logged: that is where Gephi stops being
        pleasant.

    Notes
    -----
    Edges have ``weight`` (double, 15 digits: enough to give back any float32), ``sign`` and, where G has several,
    ``block``; vertices ``part``, ``index``, ``name`` and ``bias``, or what ``like`` has. The graph attribute
    ``history`` says in JSON which operations made the graph. :func:`nngraph.save` keeps every bit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0]])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nng.write_graphml(G, pathlib.Path(folder) / "net.graphml")
    ...     nng.read_graphml(pathlib.Path(folder) / "net.graphml").weights()
    array([ 1., -2.])
    """
    size = f"{path}: {G.n_edges:,} edges are about {G.n_edges * BYTES_PER_EDGE / 2**20:,.0f} MiB of GraphML"
    if G.n_edges > EDGES_REFUSE and not force:
        raise SizeError(
            f"{size}; the limit is {EDGES_REFUSE:,}. Prune, select blocks, save as .nngraph, or go on with force."
        )
    if G.n_edges > EDGES_WARN:
        _log.warning("%s; Gephi is slow above %s edges", size, f"{EDGES_WARN:,}")
    g = G.to_igraph(like=like, part=part, force=force)
    if "nngraph" in g.attributes():
        del g["nngraph"]  # an object, which no file of text can hold
    if G.history:
        g["history"] = json.dumps(
            [[step.operation, dict(step.parameters), step.seed] for step in G.history], default=str
        )
    with replacing(path) as file:
        g.write_graphml(file)


def read_graphml(path: str | os.PathLike[str], *, part: str | None = None) -> NeuralGraph:
    """Read a signed, weighted, multipartite graph from GraphML.

    Parameters
    ----------
    path : str or path
        The file, of any program.
    part : str, optional
        The vertex attribute that names the parts; by default ``part``, else ``layer``, ``type`` or ``bipartite``. The
        rest is read as :func:`nngraph.from_igraph` reads it. Node ids are names where no attribute is called so.

    Returns
    -------
    NeuralGraph
        Its weights are float64.

    Raises
    ------
    FormatError
        If the file is no GraphML, or its graph not multipartite with finite weights.
    """
    return parse(read_view(path), path, part)


def parse(g: igraph.Graph, path: str | os.PathLike[str], part: str | None) -> NeuralGraph:
    """Make the graph of a file that was read; errors name the file."""
    from nngraph.convert.igraph import from_igraph

    try:
        return from_igraph(g, part=part)
    except FormatError as error:
        raise FormatError(f"{path}: {str(error).removeprefix('from_igraph: ')}") from None


def read_view(path: str | os.PathLike[str]) -> igraph.Graph:
    """Read GraphML as an igraph graph; ids of nodes that say something are names."""
    import igraph

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Could not add vertex ids", category=RuntimeWarning)
            g = igraph.Graph.Read_GraphML(os.fspath(path))
    except igraph.InternalError as error:
        what = str(error).partition(": ")[2] or str(error)
        raise FormatError(
            f"{path}: is no GraphML file, or a damaged one ({what}); expected what Gephi, igraph or "
            "networkx write as GraphML."
        ) from None
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no such file.") from None
    if "id" in g.vs.attributes():
        ids = g.vs["id"]
        if "name" not in g.vs.attributes() and ids != [f"n{v}" for v in range(g.vcount())]:
            g.vs["name"] = ids
        del g.vs["id"]  # the key of a node in its file; igraph gives new ones when it writes
    return g
