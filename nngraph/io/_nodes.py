"""What every format writes of a graph besides its edges: its nodes as columns, and its history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.io._pieces import PIECE
from nngraph.io._texts import Column, Texts, column, escaped, text_array

if TYPE_CHECKING:
    import pandas as pd


def names(G: NeuralGraph) -> Texts:
    """Return the name of each node, escaped."""
    where = "the names of nodes"
    return escaped(where, text_array(where, [name for part in G.parts for name in part.node_names()]))


def part_of(G: NeuralGraph) -> np.ndarray:
    """Return the (n_nodes,) position of the part of each node."""
    return np.repeat(np.arange(len(G.parts)), [part.size for part in G.parts])


def history(G: NeuralGraph) -> str:
    """Return the operations that made the graph, as JSON: (operation, parameters, seed) of each."""
    return json.dumps([[step.operation, dict(step.parameters), step.seed] for step in G.history], default=str)


def columns(G: NeuralGraph, attributes: pd.DataFrame | None, **measured: np.ndarray) -> list[Column]:
    """Return part, depth, index and bias, then measured columns, then those of the user."""
    sizes = [part.size for part in G.parts]
    of_part = part_of(G)
    where = "the names of parts"
    texts = escaped(where, text_array(where, [part.name for part in G.parts]))
    depths = np.array([part.depth for part in G.parts], dtype=np.int64)
    index = np.concatenate([np.arange(size) for size in sizes]) if sizes else np.zeros(0, np.int64)
    own = [
        Column("part", "string", texts.take(of_part)),
        column("nodes", "depth", depths[of_part]),
        column("nodes", "index", index),
        column("nodes", "bias", G._node_bias()),
        *(column("nodes", name, values) for name, values in measured.items()),
    ]
    return own + _of_table(G, attributes, taken={"name", "label", "Label", "Id", "id", *(c.name for c in own)})


def _of_table(G: NeuralGraph, table: pd.DataFrame | None, taken: set[str]) -> list[Column]:
    """Return the columns of a user's table, its rows put in the order of ``G.nodes``."""
    if table is None:
        return []
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise ArgumentError(f"attributes: got a {type(table).__name__}; expected a DataFrame with a row for each node.")
    if isinstance(table.index, pd.MultiIndex) and list(table.index.names) == ["part", "index"]:
        nodes = pd.MultiIndex.from_frame(G.nodes[["part", "index"]].astype({"part": object}))
        unknown = table.index.difference(nodes)
        if len(unknown) or not table.index.is_unique:
            what = f"has {tuple(unknown.tolist()[0])!r}, which is no node" if len(unknown) else "names a node twice"
            raise ArgumentError(f"attributes: its index {what} of the graph; expected (part, index), each node once.")
        table = table.reindex(nodes)
    elif len(table) != G.n_nodes:
        raise ArgumentError(
            f"attributes: got {len(table)} rows; expected {G.n_nodes}, one for each row of G.nodes, or an index of "
            "part and index."
        )
    result = []
    for name in table.columns:
        if not isinstance(name, str) or name in taken or list(table.columns).count(name) > 1:
            raise ArgumentError(
                f"attributes: got the column {name!r}; expected text that names no other column of the file."
            )
        series = table[name]
        if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
            result.append(column("attributes", name, series.to_numpy()))
        else:
            values = series.astype(object).where(series.notna(), None).tolist()
            result.append(column("attributes", name, values))
    return result


def slices(n: int) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of pieces of a table of n rows."""
    for start in range(0, n, PIECE):
        yield start, min(PIECE, n - start)
