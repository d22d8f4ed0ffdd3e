"""Sums over the edges of a block at each node of one side, and tables of them over a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import pandas as pd

Side: TypeAlias = Literal["source", "target"]
Sign: TypeAlias = Literal["+", "-"] | None


def degrees(block: Block, side: Side, sign: Sign) -> np.ndarray:
    """Return the numbers of positive, negative, or all edges of each node on one side of a block, int64."""
    if not block.is_sparse:
        present = block.mask if sign is None else _of_sign(block.dense(), sign)
        if present is None:
            present = np.ones(block.shape, bool)
        per_node: np.ndarray = np.count_nonzero(present, axis=_axis(side))
        return per_node.astype(np.int64)
    source, target, weight = block.edges()
    ends = source if side == "source" else target
    return np.bincount(ends if sign is None else ends[_of_sign(weight, sign)], minlength=_size(block, side))


def strengths(block: Block, side: Side, sign: Sign) -> np.ndarray:
    """Return the sums of magnitudes of positive, negative, or all edges of each node on one side of a block."""
    weight = block.values if block.is_sparse else block.dense()
    magnitude = np.abs(weight) if sign is None else np.where(_of_sign(weight, sign), np.abs(weight), 0)
    if not block.is_sparse:
        sums: np.ndarray = magnitude.sum(axis=_axis(side), dtype=np.float64)
        return sums
    source, target, _ = block.edges()
    ends = source if side == "source" else target
    return np.bincount(ends, weights=magnitude.astype(np.float64), minlength=_size(block, side))


def _of_sign(weight: np.ndarray, sign: Sign) -> np.ndarray:
    return weight > 0 if sign == "+" else weight < 0


def _axis(side: Side) -> int:
    return 0 if side == "source" else 1


def _size(block: Block, side: Side) -> int:
    return block.n_source if side == "source" else block.n_target


def per_node(
    G: NeuralGraph, of_block: Callable[[Block, Side, Sign], np.ndarray], name: str, side: Side, sign: Sign
) -> pd.Series:
    """Return the sums over the blocks that have a node on one side, as a Series indexed by (part, index)."""
    import pandas as pd

    check_graph(name, G)
    if side not in ("source", "target"):
        raise ArgumentError(f"{name}: side: got {side!r}; expected 'source' or 'target'.")
    if sign not in ("+", "-", None):
        raise ArgumentError(f"{name}: sign: got {sign!r}; expected '+', '-', or None for all edges.")
    sums: dict[str, np.ndarray] = {}
    for block in G.blocks:
        part = block.source if side == "source" else block.target
        values = of_block(block, side, sign)
        sums[part] = sums[part] + values if part in sums else values
    index = pd.MultiIndex.from_tuples(
        [(part.name, i) for part in G.parts if part.name in sums for i in range(part.size)], names=["part", "index"]
    )
    values = np.concatenate([sums[part.name] for part in G.parts if part.name in sums]) if sums else np.zeros(0)
    return pd.Series(values, index=index, name=f"{name}(side={side}{'' if sign is None else f', sign={sign}'})")
