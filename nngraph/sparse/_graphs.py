"""The graph of a model of which some layers have supports that nobody could tell from their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from nngraph.blocks import Block
from nngraph.convert._layers import hold, unwrap
from nngraph.convert.torch import from_torch
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Step
from nngraph.sparse._cells import is_in


def supported(
    model: nn.Module, supports: Mapping[int, np.ndarray], step: Step, options: Mapping[str, Any]
) -> NeuralGraph:
    """Return the graph with only the cells of ``supports``, by the id of a parameter, present in its blocks."""
    if "zeros" in options:
        raise ArgumentError("zeros: got a value; expected none: the masks say which weights of 0 are edges.")
    G = from_torch(model, **options, zeros="keep")
    named = {
        held.name: supports[id(held.tensor)] for held in hold(unwrap(model)).values() if id(held.tensor) in supports
    }
    blocks = [
        _only(block, named[block.origin.parameter])
        if block.origin is not None and block.origin.parameter in named
        else block
        for block in G.blocks
    ]
    return G.replace_blocks(blocks, step)


def _only(block: Block, cells: np.ndarray) -> Block:
    if block.n_edges == block.n_target * block.n_source:
        return block.with_support(as_mask(cells, block.shape).reshape(-1))
    source, target, _ = block.edges()
    return block.with_support(is_in(cells, target.astype(np.int64) * block.n_source + source))


def as_mask(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the (n_target, n_source) bool array that is True at the cells."""
    mask = np.zeros(shape, dtype=bool)
    mask.reshape(-1)[cells] = True
    return mask
