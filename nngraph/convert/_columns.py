"""Vertex and edge columns to a NeuralGraph: what the igraph and networkx readers share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import FormatError
from nngraph.graph import NeuralGraph, Part, Step

__all__ = ["PART_ATTRIBUTES", "Columns", "assemble", "vertices"]

PART_ATTRIBUTES = ("part", "layer", "type", "bipartite")
"""Vertex attributes that may hold the part, in the order in which they are looked for."""


@dataclasses.dataclass
class Columns:
    """A graph of another library, column by column. None stands for an attribute, or a value, that is missing."""

    reader: str
    """The public function, for messages."""
    parts: Sequence[object] | None
    labels: Sequence[object] | None
    index: Sequence[object] | None
    bias: Sequence[object] | None
    source: np.ndarray
    target: np.ndarray
    weights: Sequence[object] | None
    blocks: Sequence[object] | None
    directed: bool
    known: NeuralGraph | None
    """The graph attribute ``nngraph``: the graph that these columns were made from."""
    vertex: Callable[[int], str]
    """How a message calls a vertex."""

    def fail(self, text: str) -> FormatError:
        """Return the error, so that the caller can raise it."""
        return FormatError(f"{self.reader}: {text}")

    def edge(self, i: int) -> str:
        """Return how a message calls an edge."""
        return f"edge {i} ({self.vertex(int(self.source[i]))} - {self.vertex(int(self.target[i]))})"


def assemble(columns: Columns) -> NeuralGraph:
    """Make the graph: parts from the vertices, one block per edge group, each checked and put in edge order."""
    parts, part_of, local = vertices(columns)
    source, target = columns.source, columns.target
    if not columns.directed:
        swap = part_of[source] > part_of[target]
        source, target = np.where(swap, target, source), np.where(swap, source, target)
    weights = _weights(columns)
    blocks = [
        _block(columns, name, parts[a], parts[b], (local[target[ids]], local[source[ids]], weights[ids], ids))
        for name, a, b, ids in _groups(columns, parts, part_of[source], part_of[target])
    ]
    if columns.known is not None:
        untouched = all(new is old for new, old in zip(blocks, columns.known.blocks, strict=True))
        return columns.known if untouched else columns.known.replace_blocks(blocks, Step(columns.reader, {}))
    return NeuralGraph(_with_biases(columns, blocks, parts, part_of, local), parts)


# ------------------------------------------------------------------- vertices


def vertices(columns: Columns) -> tuple[tuple[Part, ...], np.ndarray, np.ndarray]:
    """Return the parts, the part of each vertex, and its index within the part."""
    if columns.parts is None:
        raise columns.fail(
            f"no vertex attribute names the parts; expected one of {', '.join(map(repr, PART_ATTRIBUTES))}, "
            "for example 0 for inputs and 1 for outputs."
        )
    return _read_vertices(columns) if columns.known is None else _known_vertices(columns)


def _read_vertices(columns: Columns) -> tuple[tuple[Part, ...], np.ndarray, np.ndarray]:
    """Read parts, the part of each vertex, and its index within the part, from the attributes alone."""
    values = [_plain(columns, i, value) for i, value in enumerate(columns.parts or ())]
    order = list(dict.fromkeys(values))
    if all(isinstance(value, int) for value in order):
        order.sort()
    elif any(isinstance(value, int) for value in order):
        i = next(i for i, value in enumerate(values) if isinstance(value, int) != isinstance(values[0], int))
        raise columns.fail(
            f"{columns.vertex(i)} is in part {values[i]!r} and others in {values[0]!r}; expected one type."
        )
    code = {value: k for k, value in enumerate(order)}
    part_of = np.fromiter((code[value] for value in values), np.int64, len(values))
    rank = _numbers(columns.index, len(values))
    by_part = np.lexsort((np.zeros(len(values)) if rank is None else rank, part_of))
    sizes = np.bincount(part_of, minlength=len(order))
    local = np.empty(len(values), dtype=np.int64)
    local[by_part] = np.arange(len(values)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pieces = np.split(by_part, np.cumsum(sizes)[:-1]) if order else []
    parts = []
    for value, vertices in zip(order, pieces, strict=True):
        part = Part(str(value), len(vertices))
        labels = None if columns.labels is None else [columns.labels[v] for v in vertices]
        if labels is not None and all(label is not None for label in labels):
            named = tuple(map(str, labels))
            part = part if list(named) == part.node_names() else dataclasses.replace(part, labels=named)
        parts.append(part)
    return tuple(parts), part_of, local


def _plain(columns: Columns, i: int, value: object) -> str | int:
    """Return a part as text, or as an integer where it is a truth value or a whole number (of any type)."""
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    if isinstance(value, str) and value:
        return value
    raise columns.fail(f"{columns.vertex(i)} has the part {value!r}; expected text, a whole number or a truth value.")


def _known_vertices(columns: Columns) -> tuple[tuple[Part, ...], np.ndarray, np.ndarray]:
    """Find each vertex in the graph it came from; vertices may be missing (deleted), and are then without edges."""
    assert columns.known is not None
    assert columns.parts is not None
    parts = columns.known.parts
    code: dict[str | None, int] = {part.name: k for k, part in enumerate(parts)}
    texts = (name if isinstance(name, str) else None for name in columns.parts)
    part_of = np.fromiter((code.get(text, -1) for text in texts), np.int64, len(columns.parts))
    local = np.fromiter(map(_whole, columns.index or [None] * len(part_of)), np.int64, len(part_of))
    sizes = np.array([*(part.size for part in parts), 0])
    place = (np.cumsum(sizes) - sizes)[part_of] + local
    bad = (part_of < 0) | (local < 0) | (local >= sizes[part_of])
    if not bad.any():
        first = np.full(sizes.sum(), -1)
        first[place[::-1]] = np.arange(len(place))[::-1]
        bad = first[place] != np.arange(len(place))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        index = None if columns.index is None else columns.index[i]
        raise columns.fail(
            f"{columns.vertex(i)} has part {columns.parts[i]!r} and index {index!r}, which is no node, or a node met "
            "before, of the graph in the graph attribute 'nngraph'. Delete that attribute to read the graph afresh."
        )
    return parts, part_of, local


def _whole(value: object) -> int:
    """Return a whole number as an int, anything else as -1."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return int(value) if isinstance(value, (int, np.integer)) and 0 <= value < 2**62 else -1


def _numbers(values: Sequence[object] | None, n: int) -> np.ndarray | None:
    """Return one finite number per vertex, or None where any is missing."""
    if values is None or len(values) != n:
        return None
    array = np.array(values)
    return array.astype(np.float64) if array.dtype.kind in "fiub" and np.isfinite(array).all() else None


def _with_biases(
    columns: Columns, blocks: list[Block], parts: tuple[Part, ...], part_of: np.ndarray, local: np.ndarray
) -> list[Block]:
    """Give the vertex attribute ``bias`` to the first block that enters each part, so that the sums are right."""
    bias = _numbers(columns.bias, len(part_of))
    if bias is None:
        return blocks
    waiting = {part.name: k for k, part in enumerate(parts)}
    for i, block in enumerate(blocks):
        k = waiting.pop(block.target, None)
        if k is not None and bias[part_of == k].any():
            values = np.zeros(block.n_target)
            values[local[part_of == k]] = bias[part_of == k]
            blocks[i] = block.replace(bias=values)
    for name, k in waiting.items():
        if bias[part_of == k].any():
            i = int(np.flatnonzero((part_of == k) & (bias != 0))[0])
            raise columns.fail(f"{columns.vertex(i)} has a bias, but no edge enters its part {name!r} to carry it.")
    return blocks


# ---------------------------------------------------------------------- edges


def _weights(columns: Columns) -> np.ndarray:
    """Return the (n_edges,) float64 weights; a missing weight is 1."""
    if columns.weights is None:
        return np.ones(len(columns.source))
    try:
        values = np.array(columns.weights)
    except ValueError:  # sequences of unequal length
        values = np.array([None])
    if values.dtype.kind not in "fiub" or values.ndim != 1:
        filled = [1.0 if weight is None else weight for weight in columns.weights]
        for i, weight in enumerate(filled):
            if not isinstance(weight, (int, float, np.integer, np.floating, np.bool_)):
                raise columns.fail(f"{columns.edge(i)} has the weight {weight!r}; expected a real number.")
            if isinstance(weight, int) and abs(weight) > 10**308:
                raise columns.fail(f"{columns.edge(i)} has a weight that is too large for float64.")
        values = np.array(filled, dtype=np.float64)
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        i = int(np.flatnonzero(~np.isfinite(values))[0])
        raise columns.fail(f"{columns.edge(i)} has the weight {values[i]}; expected a finite number.")
    return values


def _groups(
    columns: Columns, parts: tuple[Part, ...], a: np.ndarray, b: np.ndarray
) -> list[tuple[str, int, int, np.ndarray]]:
    """Sort the edges into blocks: (name, source part, target part, edge numbers), in the order of their first edges."""
    n, known = len(parts), columns.known
    place = {part.name: k for k, part in enumerate(parts)}
    ends: dict[str | None, int] = {}
    if known is not None:
        ends |= {block.name: place[block.source] * n + place[block.target] for block in known.blocks}
    labels: dict[str | None, int] = {None: 0}
    label = np.zeros(len(a), dtype=np.int64)
    if columns.blocks is not None:
        texts = (_block_name(value) for value in columns.blocks)
        label = np.fromiter((labels.setdefault(text, len(labels)) for text in texts), np.int64, len(a))
    kinds, first, kind_of = np.unique(label * n * n + a * n + b, return_index=True, return_inverse=True)
    block_of = np.zeros(len(kinds), dtype=np.int64)
    for k in np.argsort(first).tolist():
        which, pair = divmod(int(kinds[k]), n * n)
        s, t, i = pair // n, pair % n, int(first[k])
        name = list(labels)[which]
        if known is None:
            if s == t:
                raise columns.fail(f"{columns.edge(i)} joins two nodes of part {parts[s].name!r}; expected two parts.")
            name = f"{parts[s].name}->{parts[t].name}" if name is None else name
            ends.setdefault(name, pair)
        elif name is None:
            fitting = [known_name for known_name, end in ends.items() if end == pair]
            name = fitting[0] if len(fitting) == 1 else None
        if ends.get(name) != pair:
            raise columns.fail(_misplaced(columns, i, name, parts[s].name, parts[t].name))
        block_of[k] = list(ends).index(name)
    codes = block_of[kind_of]
    by_block = np.argsort(codes, kind="stable")
    pieces = np.split(by_block, np.cumsum(np.bincount(codes, minlength=len(ends)))[:-1])
    return [
        (str(name), pair // n, pair % n, edges) for (name, pair), edges in zip(ends.items(), pieces, strict=bool(ends))
    ]


def _block_name(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _misplaced(columns: Columns, i: int, name: object, a: str, b: str) -> str:
    if columns.known is None:
        return (
            f"{columns.edge(i)} of block {name!r} runs from part {a!r} to part {b!r}, unlike the first edge of that "
            "block; expected one pair of parts per block. Rename or delete the edge attribute 'block'."
        )
    return (
        f"{columns.edge(i)} runs from part {a!r} to part {b!r} in block {name!r}; the graph in the graph attribute "
        "'nngraph' has no such block. Name its block in the edge attribute 'block', or delete the graph attribute "
        "to read the graph afresh."
    )


def _block(
    columns: Columns,
    name: str,
    source: Part,
    target: Part,
    edges: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> Block:
    """Make one block, in edge order, of (rows, columns, weights, edge numbers); the known one where no bit changed."""
    rows, cols, values, ids = edges
    cell = rows * source.size + cols
    if len(cell) > 1 and not (cell[1:] > cell[:-1]).all():
        order = np.argsort(cell, kind="stable")
        cell, rows, cols, values, ids = cell[order], rows[order], cols[order], values[order], ids[order]
        twice = np.flatnonzero(cell[1:] == cell[:-1])
        if len(twice):
            i = int(twice[np.argmin(ids[twice + 1])]) + 1
            raise columns.fail(
                f"{columns.edge(int(ids[i]))} is parallel to edge {int(ids[i - 1])} in block {name!r}; expected one "
                "edge for each pair of nodes. Merge them, or name two blocks in the edge attribute 'block'."
            )
    indptr = np.zeros(target.size + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=target.size), out=indptr[1:])
    shape = (target.size, source.size)
    if columns.known is None:
        return Block.from_csr(name, source.name, target.name, shape, indptr, cols, values)
    old = columns.known.block(name)
    with np.errstate(over="ignore"):
        data = values.astype(old.values.dtype)
    if not np.isfinite(data).all():
        i = int(np.flatnonzero(~np.isfinite(data))[0])
        raise columns.fail(f"{columns.edge(int(ids[i]))} has the weight {values[i]}, too large for {old.dtype}.")
    new = Block.from_csr(
        name, source.name, target.name, shape, indptr, cols, data, bias=old.bias, dtype=old.dtype, origin=old.origin
    )
    return old if new.same_support(old) and _same_bits(new.values, old.values) else new


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.array_equal(a.view(f"u{a.itemsize}"), b.view(f"u{b.itemsize}")))
