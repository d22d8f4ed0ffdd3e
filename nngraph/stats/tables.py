"""Many statistics joined into one table: of nodes, of parts, of blocks, or of the whole network."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from nngraph._progress import progress
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, NNGraphError
from nngraph.graph import NeuralGraph
from nngraph.stats.centralities import by_igraph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["table"]

Function: TypeAlias = Callable[[NeuralGraph], Any]
Statistics: TypeAlias = str | Function | Mapping[str, str | Function] | Sequence[str | Function]
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
    "coherence": "no two paths share both ends",
    "degree_correlation": "no edge of the sign",
    "degree_gini": "no such edge",
    "degree_moments": "no node",
    "density": "no cell",
    "disparity": "strength 0",
    "heterogeneity": "no such edge",
    "in_out_correlation": "no part has incoming and outgoing blocks",
    "isolated": "no node",
    "mean_weight": "no such edge",
    "participation": "strength 0",
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
        method of igraph as for :func:`by_igraph`. For blocks and networks it is a number, or several by key, and
        names are those of :data:`nngraph.stats.NETWORK`. Names may carry arguments, as the columns do:
        ``"degree(side=target, sign=+)"``, ``"igraph.pagerank(weights=magnitude)"``, ``"heterogeneity(sign=-)"``. By
        default the signed degrees and strengths on both sides, or what summarises them.
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
    that raises an error of nngraph leaves its cells empty and its message in ``status``; any other error is raised.
    The default table by block reads each weight about 12 times, in chunks: 5 ns for each.

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
    if by not in DEFAULTS:
        raise ArgumentError(f"table: by: got {by!r}; expected one of {', '.join(map(repr, DEFAULTS))}.")
    chosen = _chosen(DEFAULTS[by] if statistics is None else statistics, of_nodes=by in ("node", "part"))
    if by == "block":
        return _of_blocks(G, chosen)
    if not isinstance(G, NeuralGraph):
        raise ArgumentError(f"table: by={by!r}: got {type(G).__name__}; expected a NeuralGraph.")
    if by == "network":
        return _of_graphs([{}], lambda _: G, chosen)
    return (_of_nodes if by == "node" else _of_parts)(G, chosen)


# -------------------------------------------------------------------- statistics by name


class _Statistic(NamedTuple):
    name: str
    function: Function
    renamed: bool
    """True where the name is the user's own: it names the column in the place of the Series' name."""


def _chosen(statistics: Statistics, *, of_nodes: bool) -> list[_Statistic]:
    """Return statistics in the order given."""
    if isinstance(statistics, str) or callable(statistics):
        statistics = [statistics]
    if not isinstance(statistics, (Mapping, Sequence)) or not statistics:
        raise ArgumentError(f"table: statistics: got {statistics!r}; expected names, functions, or a mapping of them.")
    named: list[tuple[Any, Any]] = list(
        statistics.items() if isinstance(statistics, Mapping) else [(None, one) for one in statistics]
    )
    found: dict[str, _Statistic] = {}
    for own, one in named:
        function = _known(one, of_nodes=of_nodes) if isinstance(one, str) else one
        if not callable(function):
            raise ArgumentError(f"table: statistics: got {one!r}; expected a name or a function.")
        name = own or (one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__))
        if name in found:
            raise ArgumentError(f"table: statistics: got {name!r} twice; give a mapping from names of your own.")
        found[name] = _Statistic(name, function, own is not None)
    return list(found.values())


def _known(text: str, *, of_nodes: bool) -> Function:
    """Return the statistic that a text such as "degree(side=target, sign=+)" names."""
    from nngraph.stats import NETWORK, NODE

    registry: Mapping[str, Callable[..., Any]] = NODE if of_nodes else NETWORK
    parsed = re.fullmatch(r"\s*([\w.]+)\s*(?:\((.*)\))?\s*", text)
    if parsed is None:
        raise ArgumentError(f"table: got {text!r}; expected a name, or a name and arguments as 'degree(side=target)'.")
    name, arguments = parsed[1], _arguments(text, parsed[2] or "")
    if of_nodes and name.startswith("igraph."):
        return lambda G: by_igraph(G, name.removeprefix("igraph."), **arguments)
    if name not in registry:
        near = difflib.get_close_matches(name, registry, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(registry)}."
        other = NETWORK if of_nodes else NODE
        level = "blocks and networks" if of_nodes else "nodes and parts"
        hint = f"that is a statistic of {level}." if name in other else hint
        raise ArgumentError(f"table: no statistic of {'nodes' if of_nodes else 'blocks'} is called {name!r}: {hint}")
    takes = list(inspect.signature(registry[name]).parameters)[1:]
    for key in arguments:
        if key not in takes:
            raise ArgumentError(f"table: {name} takes no argument {key!r}; it takes {', '.join(takes) or 'none'}.")
    return partial(registry[name], **arguments)


def _arguments(text: str, inside: str) -> dict[str, Any]:
    """Read "side=target, sign=+"."""
    found: dict[str, Any] = {}
    for piece in filter(None, map(str.strip, inside.split(","))):
        key, equals, value = map(str.strip, piece.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise ArgumentError(f"table: {text!r}: got {piece!r} as an argument; expected name=value.")
        found[key] = _value(value)
    return found


def _value(text: str) -> object:
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text.strip("'\"")


def _why(name: str) -> str:
    base = name.partition("(")[0]
    return f"{base}: {UNDEFINED.get(base, 'undefined')}"


# -------------------------------------------------------------------- blocks and networks


def _of_blocks(G: NeuralGraph | Sequence[Block], chosen: list[_Statistic]) -> pd.DataFrame:
    """Return one row for each block, of which no more than one is held at a time."""
    blocks: Sequence[Block] = G.blocks if isinstance(G, NeuralGraph) else G
    if not isinstance(blocks, Sequence):
        raise ArgumentError(f"table: got {type(G).__name__}; expected a NeuralGraph or a sequence of blocks.")
    rows: list[dict[str, Any]] = [{"block": None, "source": None, "target": None} for _ in range(len(blocks))]

    def graph(number: int) -> NeuralGraph:
        block = blocks[number]
        rows[number] |= {"block": block.name, "source": block.source, "target": block.target}
        return NeuralGraph([block])

    return _of_graphs(rows, graph, chosen)


def _of_graphs(
    rows: list[dict[str, Any]], graph: Callable[[int], NeuralGraph], chosen: list[_Statistic]
) -> pd.DataFrame:
    """Return rows with the statistics of ``graph(number of the row)`` added."""
    import pandas as pd

    keys: dict[str, dict[str, None]] = {one.name: {} for one in chosen}
    cells: list[dict[tuple[str, str], float]] = []
    status = []
    for number in progress(range(len(rows)), total=len(rows), label="statistics"):
        found, reasons = _measured(graph, number, rows[number], chosen)
        for name, key in found:
            keys[name][key] = None
        cells.append(found)
        status.append("; ".join(reasons) or OK)
    columns: dict[str, Any] = {key: [row[key] for row in rows] for key in (rows[0] if rows else _ROW)}
    for name, own in keys.items():
        for key in own or [""]:
            column = f"{name}_{key}" if key else name
            columns[column] = np.array([cell.get((name, key), np.nan) for cell in cells], dtype=np.float64)
    return pd.DataFrame({**columns, "status": np.array(status, dtype=object)})


_ROW = ["block", "source", "target", "n_source", "n_target", "n_edges"]


def _measured(
    graph: Callable[[int], NeuralGraph], number: int, row: dict[str, Any], chosen: list[_Statistic]
) -> tuple[dict[tuple[str, str], float], list[str]]:
    """Return the statistics of one graph by (name, key), and why some have no value; the graph is let go."""
    H = graph(number)
    if "block" in row:
        row |= {"n_source": H.blocks[0].n_source, "n_target": H.blocks[0].n_target, "n_edges": H.n_edges}
    else:
        row |= {"n_parts": len(H.parts), "n_nodes": H.n_nodes, "n_blocks": len(H.blocks), "n_edges": H.n_edges}
    found: dict[tuple[str, str], float] = {}
    reasons: dict[str, None] = {}
    for name, function, _ in chosen:
        try:
            values = function(H)
        except NNGraphError as error:
            reasons[f"{name}: {error}"] = None
            continue
        numbers = _numbers(name, values)
        if any(np.isnan(number) for number in numbers.values()):
            reasons[_why(name)] = None
        found |= {(name, key): number for key, number in numbers.items()}
    return found, list(reasons)


def _numbers(name: str, values: Any) -> dict[str, float]:
    try:
        if hasattr(values, "items") and callable(values.items):
            return {":".join(map(str, k)) if isinstance(k, tuple) else str(k): float(v) for k, v in values.items()}
        return {"": float(values)}
    except (TypeError, ValueError):
        raise ArgumentError(
            f"table: {name} gave {type(values).__name__}; expected a number, or a mapping from keys to numbers."
        ) from None


# ----------------------------------------------------------------------- nodes and parts


def _of_nodes(G: NeuralGraph, chosen: list[_Statistic]) -> pd.DataFrame:
    import pandas as pd

    nodes = G.nodes
    index = pd.MultiIndex.from_arrays([nodes["part"].astype(object), nodes["index"]])
    reasons: dict[str, np.ndarray] = {}
    for one in chosen:
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


def _node_values(G: NeuralGraph, statistic: _Statistic, index: pd.MultiIndex) -> tuple[str, Any, dict[str, np.ndarray]]:
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
    numbers = np.full(len(index), np.nan)
    numbers[~absent] = values[position[~absent]].astype(np.float64)
    return name, numbers, _reasons(found, name, absent, np.isnan(numbers))


def _reasons(found: pd.Series, name: str, absent: np.ndarray, missing: np.ndarray) -> dict[str, np.ndarray]:
    side = re.search(r"side=(\w+)", str(found.name))
    verbs = {"source": "no block leaves its part", "target": "no block enters its part"}
    outside = verbs.get(side[1] if side else "", f"{name}: gives none for its part")
    why = {outside: absent, _why(name): missing & ~absent}
    return {reason: where for reason, where in why.items() if where.any()}


def _of_parts(G: NeuralGraph, chosen: list[_Statistic]) -> pd.DataFrame:
    """Return means and standard deviations over the nodes of each part that have a value."""
    import pandas as pd

    nodes = _of_nodes(G, chosen)
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
