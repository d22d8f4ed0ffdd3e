"""Sums over the edges of a block at each node of one side, and Series of them over the nodes of a graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import pandas as pd

Side: TypeAlias = Literal["source", "target"]
Sides: TypeAlias = Literal["source", "target", "both"]
Sign: TypeAlias = Literal["+", "-"] | None

SQUARES = 1e-130, 1e150
"""Sums of magnitudes between which those of squares lose nothing to the range of a float."""
_EDGES_AT_ONCE = 2**17
"""Cells of a dense block, or edges of a sparse one, of which temporary arrays are made: they stay in the cache of a
core, and a block that lies in a memory-mapped file is never copied."""
_ROWS_AT_ONCE = 255
"""Rows of a dense block at once: counts of them fit in one byte."""


def degrees(block: Block, side: Side, sign: Sign) -> np.ndarray:
    """Return the numbers of positive, negative, or all edges of each node on one side of a block, int64."""
    n_nodes, n_opposite = _sizes(block, side)
    if sign is None and block.n_edges == n_nodes * n_opposite:
        return np.full(n_nodes, n_opposite, dtype=np.int64)
    if block.is_sparse:
        indptr, indices, data = block.csr_arrays()
        if sign is None:
            return np.diff(indptr) if side == "target" else np.bincount(indices, minlength=n_nodes)
        return _over_rows(block, side, lambda i, j: _of_sign(data[i:j], sign).view(np.uint8), np.int64)
    counts = np.zeros(n_nodes, dtype=np.int64)
    present = block.mask if sign is None else block.dense()
    assert present is not None
    few = np.uint16 if block.n_source < 2**16 else np.int64
    for i in range(0, block.n_target, step := _rows_at_once(block)):
        chunk = present[i : i + step]
        chosen = (chunk if sign is None else _of_sign(chunk, sign)).view(np.uint8)
        if side == "source":
            counts += np.add.reduce(chosen, axis=0, dtype=np.uint8)
        else:
            counts[i : i + step] = np.add.reduce(chosen, axis=1, dtype=few)
    return counts


def strengths(block: Block, side: Side, sign: Sign, power: Literal[1, 2] = 1) -> np.ndarray:
    """Return the sums of magnitudes, or of their squares, of the edges of a sign of each node on one side of a block.

    Sums are taken in float64 and in one order, whatever the number of threads: without BLAS.
    """
    if block.is_sparse:
        data = block.values
        sums = _over_rows(block, side, lambda i, j: _powers(_part(data[i:j], sign), power), np.float64)
        np.abs(sums, out=sums)
        return sums
    sums = np.zeros(_sizes(block, side)[0], dtype=np.float64)
    weights, step = block.dense(), _rows_at_once(block)
    rooms = np.zeros((2, min(step, block.n_target), block.n_source), dtype=f"i{weights.itemsize}")
    for i in range(0, block.n_target, step):
        chunk = weights[i : i + step]
        part = _powers(_part(chunk, sign, rooms[:, : len(chunk)]), power)
        if side == "source":
            sums += np.add.reduce(part, axis=0, dtype=np.float64)
        else:
            np.add.reduce(part, axis=1, dtype=np.float64, out=sums[i : i + step])
    np.abs(sums, out=sums)
    return sums


def _rows_at_once(block: Block) -> int:
    return min(_ROWS_AT_ONCE, max(1, _EDGES_AT_ONCE // max(1, block.n_source)))


def _over_rows(block: Block, side: Side, weigh: Callable[[int, int], np.ndarray], dtype: type) -> np.ndarray:
    """Sum ``weigh(i, j)``, one number for each of the edges i to j, at the nodes of one side of a sparse block."""
    indptr, indices, _ = block.csr_arrays()
    sums: np.ndarray = np.zeros(_sizes(block, side)[0], dtype=dtype)
    row = 0
    while row < block.n_target:
        last = int(np.searchsorted(indptr, indptr[row] + _EDGES_AT_ONCE, side="right")) - 1
        last = max(last, row + 1)  # a row that is longer than a chunk is a chunk of its own
        i, j = int(indptr[row]), int(indptr[last])
        if i < j and side == "source":
            sums += np.bincount(indices[i:j], weights=weigh(i, j), minlength=len(sums)).astype(dtype, copy=False)
        elif i < j:
            filled = row + np.flatnonzero(np.diff(indptr[row : last + 1]))
            sums[filled] = np.add.reduceat(weigh(i, j), indptr[filled] - i, dtype=dtype)
        row = last
    return sums


def _of_sign(weights: np.ndarray, sign: Sign) -> np.ndarray:
    """Return where weights are positive, or negative; read from their bits, where float16 is as fast as the others."""
    if sign == "+":
        positive: np.ndarray = _bits(weights) > 0
        return positive
    bits = weights.view(f"u{weights.itemsize}")
    negative: np.ndarray = bits > bits.dtype.type(1 << (8 * weights.itemsize - 1))  # that number is -0.0
    return negative


def _part(weights: np.ndarray, sign: Sign, rooms: np.ndarray | None = None) -> np.ndarray:
    """Return the positive part of weights, or the negative, or their magnitudes; ``rooms``: zeros, and for the result.

    A float is positive where its bits are a positive integer. Numpy is three times slower beside the number 0 than
    beside an array of zeros.
    """
    bits = _bits(weights)
    zeros, result = np.zeros((2, *bits.shape), dtype=bits.dtype) if rooms is None else rooms
    if sign is None:
        np.bitwise_and(bits, np.iinfo(bits.dtype).max, out=result)
    else:
        (np.maximum if sign == "+" else np.minimum)(bits, zeros, out=result)
    part: np.ndarray = result.view(weights.dtype)
    return part


def _powers(part: np.ndarray, power: int) -> np.ndarray:
    squares: np.ndarray = part if power == 1 else np.multiply(part, part, dtype=np.float64)
    return squares


def _bits(weights: np.ndarray) -> np.ndarray:
    """Return the bits of weights as signed integers."""
    return weights.view(f"i{weights.itemsize}")


def _sizes(block: Block, side: Side) -> tuple[int, int]:
    """Return the number of nodes on one side of a block, and on the other."""
    n_target, n_source = block.shape
    return (n_source, n_target) if side == "source" else (n_target, n_source)


# ----------------------------------------------------------------------------- of graphs


def check(name: str, G: NeuralGraph, side: str, sign: object) -> None:
    """Raise unless these are a graph, a side and a sign."""
    check_graph(name, G)
    if not among(side, ("source", "target", "both")):
        raise ArgumentError(f"{name}: side: got {side!r}; expected 'source', 'target' or 'both'.")
    check_sign(name, sign)


def among(value: object, known: Container[object]) -> bool:
    """Return whether a value is one of some texts, or None; what is neither, as an array, is not compared to them."""
    return (value is None or isinstance(value, str)) and value in known


def check_sign(name: str, sign: object) -> None:
    """Raise unless this is a sign, or None."""
    if not among(sign, ("+", "-", None)):
        raise ArgumentError(f"{name}: sign: got {sign!r}; expected '+', '-', or None for all edges.")


def ends(G: NeuralGraph, side: Sides) -> Iterator[tuple[Block, Side, str]]:
    """Yield each block of a graph with each side asked for and the part on that side."""
    for block in G.blocks:
        if side in ("source", "both"):
            yield block, "source", block.source
        if side in ("target", "both"):
            yield block, "target", block.target


def per_part(G: NeuralGraph, side: Sides, of_block: Callable[[Block, Side], np.ndarray]) -> dict[str, np.ndarray]:
    """Return the sums of ``of_block(block, side)`` over the blocks that have a part on that side, by part."""
    sums: dict[str, np.ndarray] = {}
    for block, one, part in ends(G, side):
        values = of_block(block, one)
        sums[part] = sums[part] + values if part in sums else values
    return sums


def series(G: NeuralGraph, values: dict[str, np.ndarray], name: str, **arguments: object) -> pd.Series:
    """Return values by part as one Series indexed by (part, index), in vertex order; its name carries the arguments."""
    import pandas as pd

    parts = [part for part in G.parts if part.name in values]
    joined = np.concatenate([values[part.name] for part in parts]) if parts else np.zeros(0)
    index = _index(tuple((part.name, part.size) for part in parts)).copy()  # its names are the user's to change
    return pd.Series(joined, index=index, name=title(name, **arguments))


@functools.lru_cache(maxsize=8)
def _index(parts: tuple[tuple[str, int], ...]) -> pd.MultiIndex:
    """Return the (part, index) of nodes; kept, because for a small graph it costs more than the sums."""
    import pandas as pd

    names, sizes = [name for name, _ in parts], [size for _, size in parts]
    return pd.MultiIndex(
        levels=[names, range(max(sizes, default=0))],
        codes=[np.repeat(np.arange(len(parts)), sizes), np.concatenate([np.zeros(0, int), *map(np.arange, sizes)])],
        names=["part", "index"],
        verify_integrity=False,
    )


def title(name: str, **arguments: object) -> str:
    """Return the name of a statistic with its arguments, those that are None left out."""
    given = ", ".join(f"{key}={value}" for key, value in arguments.items() if value is not None)
    return f"{name}({given})" if given else name
