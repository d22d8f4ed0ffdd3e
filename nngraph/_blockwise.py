"""Apply one change to the blocks of a graph: which blocks, tied matrices once, biases by policy, one seed per block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from nngraph._rng import child, seed_record
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Step

BiasPolicy: TypeAlias = Literal["keep", "probe", "zero"]
BlockNames: TypeAlias = Sequence[str | int] | str | int | None
Change: TypeAlias = Callable[[Block, np.random.SeedSequence | None], Block]


def change_blocks(
    G: NeuralGraph,
    change: Change,
    step: Step,
    *,
    blocks: BlockNames = None,
    bias: BiasPolicy = "keep",
    seed: np.random.SeedSequence | None = None,
) -> NeuralGraph:
    """Return the graph with ``change(block, seed)`` in the place of each chosen block.

    Tied blocks are one matrix: it is changed once, if any of its blocks is chosen, and all of them show it. A bias is
    kept, set to zero, or probed: changed as the edges of one more source node that is always 1 (an entry of exactly 0
    is no edge there). Each block draws from a seed of its own, keyed by its name. A block that ``change`` returns as
    it was keeps its place as an untouched block.
    """
    check_graph(step.operation, G)
    if bias not in ("keep", "probe", "zero"):
        raise ArgumentError(f"bias: got {bias!r}; expected 'keep', 'probe' or 'zero'.")
    chosen = G.select_blocks(blocks)
    names = {block.name for block in chosen}
    matrices = {block.origin.key for block in chosen if block.origin is not None}
    done: dict[object, tuple[Block, Block]] = {}
    result = []
    for block in G.blocks:
        key = block.name if block.origin is None else block.origin.key
        if block.name not in names and key not in matrices:
            result.append(block)
            continue
        if key in done:
            new = _tied(block, *done[key])
        else:
            new = change(block, None if seed is None else child(seed, block.name))
            done[key] = (block, new)
        if block.bias is not None and bias != "keep" and block.name in names:
            new = new.replace(bias=_changed_bias(block, change, bias, seed))
        result.append(new)
    if seed is not None:
        step = step._replace(seed=seed_record(seed))
    return G.replace_blocks(result, step)


def check_graph(where: str, G: object) -> None:
    """Raise unless the first argument of an operation is a graph."""
    if not isinstance(G, NeuralGraph):
        raise ArgumentError(
            f"{where}: got a {type(G).__name__}; expected a NeuralGraph, as nngraph.from_torch(model) or "
            "nngraph.from_matrices(matrices) make it."
        )


def bias_block(block: Block) -> Block:
    """Return a block's bias as the edges of one source node that is always 1; an entry of exactly 0 is no edge."""
    assert block.bias is not None
    column = block.bias[:, None]
    return Block.from_dense(f"{block.name}.bias", "1", block.target, column, column != 0, dtype=block.dtype)


def _changed_bias(
    block: Block, change: Change, bias: BiasPolicy, seed: np.random.SeedSequence | None
) -> np.ndarray | None:
    assert block.bias is not None
    if bias == "zero":
        return np.zeros_like(block.bias)
    edges = bias_block(block)
    return change(edges, None if seed is None else child(seed, edges.name)).dense()[:, 0].copy()


def _tied(block: Block, first: Block, changed: Block) -> Block:
    """Show the changed shared matrix in the orientation of another of its blocks."""
    if changed is first:
        return block
    assert block.origin is not None
    assert first.origin is not None
    if (block.origin.layout == "transposed") == (first.origin.layout == "transposed"):
        view = changed
    else:
        view = changed.transposed()
    return view.replace(name=block.name, source=block.source, target=block.target, bias=block.bias, origin=block.origin)
