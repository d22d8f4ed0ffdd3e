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

    Tied blocks are one matrix: it is changed once, if any of its blocks is chosen, and all of them show it; so is a
    bias that several blocks share. A kernel that is unrolled at two sizes is changed at each size. A bias is kept, set
    to zero, or probed: changed as the edges of one more source node that is always 1 (an entry of exactly 0
    is no edge there). Each block draws from a seed of its own, keyed by its name. A block that ``change`` returns as
    it was keeps its place as an untouched block.
    """
    check_graph(step.operation, G)
    if bias not in ("keep", "probe", "zero"):
        raise ArgumentError(f"bias: got {bias!r}; expected 'keep', 'probe' or 'zero'.")
    chosen = G.select_blocks(blocks)
    names = {block.name for block in chosen}
    keys = {block.origin.key for block in chosen if block.origin is not None}
    biases = {_bias_key(block) for block in chosen}
    views = first_views(G.blocks)
    done: dict[int, Block] = {}
    new_biases: dict[tuple[object, int], np.ndarray] = {}
    result = []
    for number, block in enumerate(G.blocks):
        new = block
        if block.name in names or (block.origin is not None and block.origin.key in keys):
            first = views[number]
            if first == number:
                new = done[number] = change(block, None if seed is None else child(seed, block.name))
            else:
                new = _tied(block, G.blocks[first], done[first])
        key = _bias_key(block)
        if block.bias is not None and bias != "keep" and key in biases:
            shared = (key, block.n_target)
            if shared not in new_biases:
                new_biases[shared] = _changed_bias(block, change, bias, seed)
            new = new.replace(bias=new_biases[shared])
        result.append(new)
    if seed is not None:
        step = step._replace(seed=seed_record(seed))
    return G.replace_blocks(result, step)


def first_views(blocks: Sequence[Block]) -> list[int]:
    """Return for each block the number of the first one that shows the same matrix in the same way (often its own)."""
    by_key: dict[object, list[int]] = {}
    result = []
    for number, block in enumerate(blocks):
        known = by_key.setdefault(block.name if block.origin is None else block.origin.key, [])
        same = (i for i in known if _same_matrix(blocks[i], block))
        first = next(same, number)
        if first == number:
            known.append(number)
        result.append(first)
    return result


def _same_matrix(a: Block, b: Block) -> bool:
    if a.origin is None or b.origin is None:
        return False
    turned = (a.origin.layout == "transposed") != (b.origin.layout == "transposed")
    return a.shape == (b.shape[::-1] if turned else b.shape) and a.origin.shows_same(b.origin)


def _bias_key(block: Block) -> object:
    """Return what two blocks share when they show one bias."""
    if block.origin is None or block.origin.bias is None:
        return block.name
    return (block.origin.bias, block.origin.bias_rows)


def check_graph(where: str, G: object) -> None:
    """Raise unless the first argument of an operation is a graph."""
    if not isinstance(G, NeuralGraph):
        raise ArgumentError(
            f"{where}: got a {type(G).__name__}; expected a NeuralGraph, as nngraph.from_torch(model) or "
            "nngraph.from_matrices(matrices) make it."
        )


BIAS_SOURCE = "1"


def bias_name(block: Block) -> str:
    """Return the name of :func:`bias_block`, by which its seed is keyed."""
    return f"{block.name}.bias"


def bias_block(block: Block) -> Block:
    """Return a block's bias as the edges of one source node that is always 1; an entry of exactly 0 is no edge."""
    assert block.bias is not None
    column = block.bias[:, None]
    return Block.from_dense(bias_name(block), BIAS_SOURCE, block.target, column, column != 0, dtype=block.dtype)


def _changed_bias(block: Block, change: Change, bias: BiasPolicy, seed: np.random.SeedSequence | None) -> np.ndarray:
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
