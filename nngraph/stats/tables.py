"""Many statistics joined into one table: of nodes, of parts, of blocks, or of the whole network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from nngraph._progress import progress
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, NNGraphError
from nngraph.graph import NeuralGraph
from nngraph.stats._named import Statistic, Statistics, chosen
from nngraph.stats._sides import among

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["table"]

By: TypeAlias = Literal["node", "part", "block", "network"]

OF_NODES = tuple(
    f"{name}(side={side}, sign={sign})"
    for name in ("degree", "strength")
    for side in ("source", "target")
    for sign in "+-"
)
OF_BLOCKS = (
    "density",
    "alpha",
    "weight_moments",
    "degree_moments",
    "strength_moments",
    "isolated",
    "heterogeneity",
    "degree_gini",
    "strength_gini",
)
DEFAULTS: dict[By, tuple[str, ...]] = {
    "node": OF_NODES,
    "part": OF_NODES,
    "block": OF_BLOCKS,
    "network": (*OF_BLOCKS, "degree_correlation", "in_out_correlation"),
}
"""The statistics of a table when none are named: those that cost little beside reading the weights."""
UNDEFINED = {
    "alpha": "no edge",
    "balance": "no 4-cycle",
    "coherence": "no two paths of two edges share both ends (links are not followed)",
    "cores": "no node",
    "degree_correlation": "no such edge",
    "degree_gini": "no such edge",
    "degree_information": "no such edge",
    "degree_moments": "no node",
    "density": "no cell",
    "disparity": "strength 0",
    "fluctuation": "a part has no node",
    "heterogeneity": "no such edge",
    "in_out_correlation": "no part has incoming and outgoing blocks",
    "in_out_information": "no node has such incoming and outgoing edges",
    "isolated": "no node",
    "max_modularity": "no such edge",
    "mean_weight": "no such edge",
    "nestedness": "no two nodes on a side have such an edge",
    "participation": "strength 0",
    "path_load": "all paths together carry 0",
    "pathways": "no path, or paths carry no mass",
    "spanning": "no node, edge, or pair of an input and an output node",
    "spectral_gap": "no edge",
    "strength_gini": "strength 0",
    "strength_moments": "no node",
    "weight_moments": "no edge",
}
"""Why a statistic is NaN, for the column ``status``."""
OK = "ok"


def table(
    G: NeuralGraph | Sequence[Block],
    statistics: Statistics | None = None,
    *,
    by: By = "node",
) -> pd.DataFrame:
    """Return many statistics as one tidy table: one row for each node, part, block, or for the network.

    Parameters
    ----------
    G : NeuralGraph or sequence of Block
        The graph. With ``by="block"`` any sequence of blocks will do, such as the matrices of a file that is larger
        than memory, :class:`nngraph.convert.files.FileBlocks`: one block is held at a time.
    statistics : str, callable, or several of them, optional
        Names, functions of a graph, or a mapping from names of your own to either. For nodes and parts a statistic is
        a Series indexed by (part, index), and names are those of :data:`nngraph.stats.NODE`, or ``"igraph."`` and a
        method of igraph as for :func:`by_igraph`. For blocks and networks it is a number or a text (a verdict, say),
        or several by key, and names are those of :data:`nngraph.stats.NETWORK` and :data:`nngraph.stats.VERDICTS`.
        Names may carry arguments, as the columns do: ``"degree(side=target, sign=+)"``,
        ``"igraph.pagerank(weights=magnitude)"``, ``"tail_verdict(sign=-)"``. By default the signed degrees and
        strengths on both sides, or what summarises them; no verdicts on tails, which cost more than all of it.
    by : "node", "part", "block" or "network"
        What a row is.

    Returns
    -------
    pandas.DataFrame
        Columns are what names the row (for nodes those of ``G.nodes``), its sizes, the statistics in the order in
        which they were asked for (each key of one that gives several as ``name_key``; mean and standard deviation over
        the nodes of a part as ``name_mean`` and ``name_sd``), and ``status``: "ok", or why values are missing.

    Raises
    ------
    ArgumentError
        If there is no such statistic (the message has those of a similar name), if it does not take an argument, or
        gives something else than numbers; if blocks without a graph are given for another table.

    Notes
    -----
    A missing value is NaN, or <NA> in a column of whole numbers, and never without a reason in ``status``. A statistic
    that raises an error of nngraph leaves its cells empty and its message in ``status``, unless the error is about an
    argument that its name gives, which is raised as any other error is.
    The default table by block reads each weight about 12 times, in chunks: 4 ns for each weight of a complete
    float32 block, 8 ns where edges are absent.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, 4.0]]), np.array([[0.0, 0.0]])])
    >>> nng.stats.table(G, ["degree", "disparity(side=target)"])[["part", "degree(side=source)", "status"]]
      part  degree(side=source)                     status
    0    0                    2  no block enters its part
    1    0                    2  no block enters its part
    2    1                    0                        ok
    3    1                    0                        ok
    4    2                 <NA>  no block leaves its part; disparity: strength 0
    >>> nng.stats.table(G, ["alpha", "density"], by="block")[["block", "n_edges", "alpha", "density", "status"]]
      block  n_edges  alpha  density          status
    0     0        4   0.75      1.0              ok
    1     1        0    NaN      0.0  alpha: no edge
    """
    if not among(by, DEFAULTS):
        raise ArgumentError(f"table: by: got {by!r}; expected one of {', '.join(map(repr, DEFAULTS))}.")
    named = chosen(DEFAULTS[by] if statistics is None else statistics, of_nodes=by in ("node", "part"))
    if by == "block":
        return _of_blocks(G, named)
    if not isinstance(G, NeuralGraph):
        raise ArgumentError(f"table: by={by!r}: got {type(G).__name__}; expected a NeuralGraph.")
    if by == "network":
        return _of_graphs([{}], lambda _: G, named)
    return (_of_nodes if by == "node" else _of_parts)(G, named)


def _why(name: str) -> str:
    base = name.partition("(")[0]
    return f"{base}: {UNDEFINED.get(base, 'undefined')}"


# -------------------------------------------------------------------- blocks and networks


def _of_blocks(G: NeuralGraph | Sequence[Block], named: list[Statistic]) -> pd.DataFrame:
    """Return one row for each block, of which no more than one is held at a time."""
    blocks: Sequence[Block] = G.blocks if isinstance(G, NeuralGraph) else G
    if not isinstance(blocks, Sequence):
        raise ArgumentError(f"table: got {type(G).__name__}; expected a NeuralGraph or a sequence of blocks.")
    rows: list[dict[str, Any]] = [{"block": None, "source": None, "target": None} for _ in range(len(blocks))]

    def graph(number: int) -> NeuralGraph:
        block = blocks[number]
        if not isinstance(block, Block):
            raise ArgumentError(f"table: got a sequence of {type(block).__name__}; expected blocks, or a NeuralGraph.")
        rows[number] |= {"block": block.name, "source": block.source, "target": block.target}
        return NeuralGraph([block])

    return _of_graphs(rows, graph, named)


def _of_graphs(rows: list[dict[str, Any]], graph: Callable[[int], NeuralGraph], named: list[Statistic]) -> pd.DataFrame:
    """Return rows with the statistics of ``graph(number of the row)`` added."""
    import pandas as pd

    keys: dict[str, dict[str, None]] = {one.name: {} for one in named}
    cells: list[dict[tuple[str, str], float | str]] = []
    reasons: list[list[str]] = []
    for number in progress(range(len(rows)), total=len(rows), label="statistics"):
        found, why = _measured(graph, number, rows[number], named)
        for name, key in found:
            keys[name][key] = None
        cells.append(found)
        reasons.append(why)
    for cell, why in zip(cells, reasons, strict=True):  # of a statistic whose keys are not the same everywhere
        for name in dict.fromkeys(name for name, _ in cell):
            if any((name, key) not in cell for key in keys[name]):
                why.append(f"{name}: no value under some keys")
    columns: dict[str, Any] = {key: [row[key] for row in rows] for key in (rows[0] if rows else _ROW)}
    for name, own in keys.items():
        for key in own or [""]:
            column = f"{name}_{key}" if key else name
            values = [cell.get((name, key), np.nan) for cell in cells]
            text = any(isinstance(value, str) for value in values)
            columns[column] = np.array(values, dtype=object if text else np.float64)
    status = np.array(["; ".join(why) or OK for why in reasons], dtype=object)
    return pd.DataFrame({**columns, "status": status})


_ROW = ["block", "source", "target", "n_source", "n_target", "n_edges"]


def _measured(
    graph: Callable[[int], NeuralGraph], number: int, row: dict[str, Any], named: list[Statistic]
) -> tuple[dict[tuple[str, str], float | str], list[str]]:
    """Return the statistics of one graph by (name, key), and why some have no value; the graph is let go."""
    H = graph(number)
    if "block" in row:
        row |= {"n_source": H.blocks[0].n_source, "n_target": H.blocks[0].n_target, "n_edges": H.n_edges}
    else:
        row |= {"n_parts": len(H.parts), "n_nodes": H.n_nodes, "n_blocks": len(H.blocks), "n_edges": H.n_edges}
    found: dict[tuple[str, str], float | str] = {}
    reasons: dict[str, None] = {}
    for one in named:
        name = one.name
        try:
            values = one.function(H)
        except NNGraphError as error:
            if isinstance(error, ArgumentError) and one.is_about_an_argument(error):
                raise  # nothing of the graph
            reasons[f"{name}: {error}"] = None
            continue
        own = _values(name, values)
        if any(value != value for value in own.values()):  # only NaN is not itself
            reasons[_why(name)] = None
        found |= {(name, key): value for key, value in own.items()}
    return found, list(reasons)


def _values(name: str, values: Any) -> dict[str, float | str]:
    """Return what a statistic gave by key."""
    try:
        if hasattr(values, "items") and callable(values.items):
            return {":".join(map(str, k)) if isinstance(k, tuple) else str(k): _cell(v) for k, v in values.items()}
        return {"": _cell(values)}
    except (TypeError, ValueError):
        raise ArgumentError(
            f"table: {name} gave {type(values).__name__}; expected a number or a text, or a mapping from keys to them."
        ) from None


def _cell(value: Any) -> float | str:
    return value if isinstance(value, str) else float(value)


# ----------------------------------------------------------------------- nodes and parts


def _of_nodes(G: NeuralGraph, named: list[Statistic]) -> pd.DataFrame:
    import pandas as pd

    nodes = G.nodes
    index = pd.MultiIndex.from_arrays([nodes["part"].astype(object), nodes["index"]])
    reasons: dict[str, np.ndarray] = {}
    for one in named:
        column, values, why = _node_values(G, one, index)
        if column in nodes:
            raise ArgumentError(f"table: two columns are called {column!r}; give a mapping from names of your own.")
        nodes[column] = values
        for reason, where in why.items():
            reasons[reason] = reasons[reason] | where if reason in reasons else where
    status = np.full(len(nodes), "", dtype=object)
    for reason, where in reasons.items():
        status[where] = [f"{text}; {reason}" if text else reason for text in status[where]]
    status[status == ""] = OK
    nodes["status"] = status
    return nodes


def _node_values(G: NeuralGraph, statistic: Statistic, index: pd.MultiIndex) -> tuple[str, Any, dict[str, np.ndarray]]:
    """Return the name of a column, one value for each node, and the nodes without a value by reason."""
    import pandas as pd

    name = statistic.name
    try:
        found = statistic.function(G)
    except ArgumentError:
        raise  # of a name or an argument, as for igraph: nothing of the graph
    except NNGraphError as error:
        return name, np.full(len(index), np.nan), {f"{name}: {error}": np.ones(len(index), dtype=bool)}
    if not isinstance(found, pd.Series) or list(found.index.names) != ["part", "index"] or not found.index.is_unique:
        raise ArgumentError(
            f"table: {name} gave {type(found).__name__}; expected a Series indexed by (part, index), a row for a node."
        )
    if not statistic.renamed and found.name is not None:
        name = str(found.name)
    position = found.index.get_indexer(index)
    absent = position < 0
    if (~absent).sum() != len(found):
        raise ArgumentError(f"table: {name} gave values for nodes that the graph does not have.")
    values = found.to_numpy()
    if values.dtype.kind in "iu":
        whole = np.ones(len(index), dtype=np.int64)
        whole[~absent] = values[position[~absent]]
        column: Any = pd.arrays.IntegerArray(whole, absent) if absent.any() else whole
        return name, column, _reasons(found, name, absent, absent)
    if values.dtype.kind == "b" and not absent.any():
        return name, values[position], {}
    numbers = np.full(len(index), np.nan)
    numbers[~absent] = values[position[~absent]].astype(np.float64)
    return name, numbers, _reasons(found, name, absent, np.isnan(numbers))


def _reasons(found: pd.Series, name: str, absent: np.ndarray, missing: np.ndarray) -> dict[str, np.ndarray]:
    side = re.search(r"side=(\w+)", str(found.name))
    verbs = {"source": "leaves", "target": "enters", "both": "leaves or enters"}
    outside = f"no block {verbs[side[1]]} its part" if side and side[1] in verbs else f"{name}: none for its part"
    why = {outside: absent, _why(name): missing & ~absent}
    return {reason: where for reason, where in why.items() if where.any()}


def _of_parts(G: NeuralGraph, named: list[Statistic]) -> pd.DataFrame:
    """Return means and standard deviations over the nodes of each part that have a value."""
    import pandas as pd

    nodes = _of_nodes(G, named)
    part = nodes["part"]
    result = pd.DataFrame(
        {
            "part": [p.name for p in G.parts],
            "depth": [p.depth for p in G.parts],
            "n_nodes": [p.size for p in G.parts],
        }
    )
    for name in nodes.columns[len(G.nodes.columns) : -1]:
        groups = nodes[name].astype(np.float64).groupby(part, observed=False)
        result[f"{name}_mean"] = groups.mean().to_numpy()
        result[f"{name}_sd"] = groups.std(ddof=0).to_numpy()
    counts = nodes[nodes["status"] != OK].groupby(["part", "status"], observed=True).size()
    status = []
    for p in G.parts:
        own = counts.loc[p.name] if p.name in counts.index.get_level_values(0) else {}
        texts = [reason if n == p.size else f"{n} of {p.size} nodes: {reason}" for reason, n in own.items()]
        status.append("; ".join(texts) or ("no node" if p.size == 0 else OK))
    result["status"] = np.array(status, dtype=object)
    return result
