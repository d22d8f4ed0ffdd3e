"""Tables of edges and nodes: CSV with the headers that Gephi knows, or Parquet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.io._atomic import named, replacing
from nngraph.io._looks import totals
from nngraph.io._pieces import Selection, Written, select, single

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_edges"]


def write_edges(
    G: NeuralGraph,
    path: str | os.PathLike[str],
    *,
    nodes: str | os.PathLike[str] | None = None,
    top: int | float | None = None,
) -> Written:
    """Write one row per edge and, on request, one per node: CSV, or Parquet where the name ends in ``.parquet``.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    path : str or path
        The table of edges. A file of that name is replaced, once the new one is complete.
    nodes : str or path, optional
        The table of nodes; both tables are there, or none.
    top : int or float, optional
        Write the strongest edges of each block only: so many (int), or this fraction of them (float in (0, 1]).

    Returns
    -------
    Written
        ``n_edges`` in the file, ``n_left_out``, and the ``share`` of the sum of magnitudes that the file has.

    Notes
    -----
    Edges: Source, Target (the Id of a node: its vertex id), Weight (the magnitude), Sign ("+" or "-"), Signed weight,
    Block. Edges of weight 0, or of a magnitude below 1.2e-38, are left out and counted in a warning, because Gephi
    cannot bear them. Nodes: Id, Label, Part, Depth, Index, Bias, Degree, Strength (of all edges of G). CSV follows
    RFC 4180 in UTF-8; numbers are in the fewest digits that give back the same number.

    About 0.2 s and 40 bytes of CSV an edge for a million edges.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0]])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nng.write_edges(G, pathlib.Path(folder) / "edges.csv")
    ...     print((pathlib.Path(folder) / "edges.csv").read_text())
    Written(n_edges=2, n_left_out=0, share=1.0)
    "Source","Target","Weight","Sign","Signed weight","Block"
    0,2,1,"+",1,"0"
    1,2,2,"-",-2,"0"
    <BLANKLINE>
    """
    check_graph("write_edges", G)
    if nodes is not None and named(nodes).resolve() == named(path).resolve():
        raise ArgumentError(f"write_edges: got {path} for edges and for nodes; expected two files.")
    chosen = select(G, path, top=top, zeros=False)
    with contextlib.ExitStack() as files:  # both are renamed when both are complete
        edges = files.enter_context(replacing(path))
        if nodes is not None:
            _write(files.enter_context(replacing(nodes)), nodes, iter([_node_table(G)]))
        _write(edges, path, _edge_tables(chosen))
    return chosen.written


def _edge_tables(chosen: Selection) -> Iterator[pa.Table]:
    """Yield the edges in pieces, first an empty one: a graph without edges has headers and types too."""
    import pyarrow as pa

    G, dtype = chosen.G, np.float32 if single(chosen.G) else np.float64
    names, signs = pa.array([block.name for block in G.blocks], pa.string()), pa.array(["-", "+"])
    offsets = G.offsets

    def table(source: np.ndarray, target: np.ndarray, values: np.ndarray, number: int = 0) -> pa.Table:
        return pa.table(
            {
                "Source": source,
                "Target": target,
                "Weight": np.abs(values),
                "Sign": signs.take(pa.array((values > 0).astype(np.int8))),
                "Signed weight": values,
                "Block": names.take(pa.array(np.full(len(values), number))),
            }
        )

    nothing = np.zeros(0, dtype=np.int64)
    yield table(nothing, nothing, np.zeros(0, dtype=dtype))
    for number, block in enumerate(G.blocks):
        for piece in chosen.pieces(number):
            source, target = piece.cols + np.int64(offsets[block.source]), piece.rows + np.int64(offsets[block.target])
            yield table(source, target, piece.values, number)


def _node_table(G: NeuralGraph) -> pa.Table:
    import pyarrow as pa

    sums = totals(G)
    nodes = G.nodes.astype({"part": object}).rename(columns=str.capitalize)
    nodes.insert(0, "Id", np.arange(G.n_nodes))
    nodes.insert(1, "Label", nodes.pop("Name"))
    nodes = nodes.assign(Degree=sums.degree, Strength=sums.strength)
    strings = [(name, pa.string()) for name in ("Label", "Part")]
    ints, floats = ("Depth", "Index", "Degree"), ("Bias", "Strength")
    types = dict([("Id", pa.int64()), *strings, *((n, pa.int64()) for n in ints), *((n, pa.float64()) for n in floats)])
    return pa.table({name: pa.array(nodes[name], types[name]) for name in nodes})


def _write(file: BinaryIO, path: str | os.PathLike[str], tables: Iterator[pa.Table]) -> None:
    """Write tables of one schema below each other."""
    first = next(tables)
    if Path(path).suffix == ".parquet":
        import pyarrow.parquet

        writer = pyarrow.parquet.ParquetWriter(file, first.schema, compression="zstd")
    else:
        import pyarrow.csv

        writer = pyarrow.csv.CSVWriter(file, first.schema)
    with writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
