"""What a sparse evolution has to keep in order to go on later, and how it is read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.sparse._cells import Shape, is_in

COLUMNS = ("step", "block", "removed_positive", "removed_negative", "removed_zero", "added", "n_edges")
KEYS = {"n", "entropy", "spawn_key", "history", "layers"}


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """A moment of an evolution, without weights; arrays are by the name of their layer."""

    n: int
    """Steps, or epochs, until now."""
    seed: np.random.SeedSequence
    history: list[dict[str, Any]]
    """A row for each rewiring of a layer."""
    cells: dict[str, np.ndarray]
    grown: dict[str, np.ndarray]
    """The cells that became edges in the last rewiring."""
    first: dict[str, np.ndarray]
    """The weights that a layer began with, where new edges draw theirs of them."""

    def saved(self, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """Return tensors, numbers and texts alone."""
        entropy = self.seed.entropy
        return {
            "n": self.n,
            "entropy": [int(word) for word in entropy] if isinstance(entropy, (list, tuple)) else entropy,
            "spawn_key": [int(word) for word in self.seed.spawn_key],
            "history": [dict(row) for row in self.history],
            "layers": {
                name: {
                    "shape": list(shape),
                    "cells": torch.from_numpy(self.cells[name].copy()),
                    "grown": torch.from_numpy(self.grown[name].copy()),
                    "first": torch.from_numpy(self.first.get(name, np.zeros(0)).copy()),
                }
                for name, shape in shapes.items()
            },
        }

    @classmethod
    def read(cls, state: object, shapes: Mapping[str, Shape], *, with_first: bool) -> State:
        """Return the state that was saved of layers of these shapes, or say what is wrong with it."""
        if not isinstance(state, Mapping) or (lacking := sorted(KEYS - set(state))):
            got = f"a state without {lacking}" if isinstance(state, Mapping) else type(state).__name__
            raise ArgumentError(f"load_state_dict: got {got}; expected what state_dict() of a SET gave.")
        layers = state["layers"]
        here = {name: list(shape) for name, shape in shapes.items()}
        there = {name: _shape(each) for name, each in layers.items()} if isinstance(layers, Mapping) else layers
        if there != here:
            raise ArgumentError(f"load_state_dict: got a state of the layers {there}; expected {here}.")
        found: dict[str, dict[str, np.ndarray]] = {"cells": {}, "grown": {}, "first": {}}
        for name, shape in shapes.items():
            for what in ("cells", "grown"):
                found[what][name] = _cells(name, what, layers[name], shape)
            if not is_in(found["cells"][name], found["grown"][name]).all():
                raise ArgumentError(f"load_state_dict: layer '{name}': got grown cells that are no edges.")
            if with_first:
                found["first"][name] = _first(name, layers[name])
        return cls(_arguments.whole("load_state_dict: n", state["n"], 0), _seed(state), _history(state), **found)


def _shape(layer: object) -> object:
    shape = layer.get("shape") if isinstance(layer, Mapping) else layer
    return list(shape) if isinstance(shape, (list, tuple, torch.Size)) else shape


def _cells(name: str, what: str, layer: Mapping[str, Any], shape: Shape) -> np.ndarray:
    tensor, n_cells = layer.get(what), shape[0] * shape[1]
    if isinstance(tensor, torch.Tensor) and tensor.dtype is torch.int64 and tensor.dim() == 1:
        cells: np.ndarray = tensor.cpu().numpy().copy()
        if not len(cells) or (cells[0] >= 0 and cells[-1] < n_cells and (np.diff(cells) > 0).all()):
            return cells
    raise ArgumentError(
        f"load_state_dict: layer '{name}': got '{what}' that are no cells of the layer; expected an int64 tensor of "
        f"numbers from 0 to {n_cells - 1}, ascending."
    )


def _first(name: str, layer: Mapping[str, Any]) -> np.ndarray:
    first = layer.get("first")
    if not isinstance(first, torch.Tensor) or first.dim() != 1 or not first.dtype.is_floating_point:
        raise ArgumentError(
            f"load_state_dict: layer '{name}': got 'first' that are no weights; expected a tensor of floats."
        )
    if len(layer["cells"]) and not len(first):
        raise ArgumentError("load_state_dict: got a state without initial weights; regrow='init' needs them.")
    weights: np.ndarray = first.cpu().numpy().copy()
    return weights


def _seed(state: Mapping[str, Any]) -> np.random.SeedSequence:
    entropy, spawn_key = state["entropy"], state["spawn_key"]
    try:
        if entropy is None:  # of which a seed would be drawn
            raise TypeError
        return np.random.SeedSequence(entropy, spawn_key=tuple(spawn_key))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"load_state_dict: got the entropy {entropy!r} and the spawn_key {spawn_key!r}; expected those of a "
            "numpy.random.SeedSequence."
        ) from None


def _history(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = state["history"]
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and set(row) == set(COLUMNS) for row in rows):
        raise ArgumentError(f"load_state_dict: got a history of other columns; expected rows of {', '.join(COLUMNS)}.")
    return [dict(row) for row in rows]
