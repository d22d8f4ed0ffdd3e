"""Sparse evolution of layers that hold their present edges alone."""

from __future__ import annotations

import weakref
from typing import Any, ClassVar

import numpy as np
import torch

from nngraph.sparse._cells import Exchange, is_in
from nngraph.sparse._layers import Optimizer
from nngraph.sparse.layers import SparseLinear


class EvolvingEdges:
    """A SparseLinear whose edges move: weights, gradient and state of the optimiser go along with theirs."""

    alive: ClassVar[weakref.WeakSet[EvolvingEdges]] = weakref.WeakSet()
    """All that are in use: a layer evolves in one way at a time. A mark on the layer would go into its copies."""

    def __init__(self, name: str, module: SparseLinear) -> None:
        self.name, self.module = name, module
        self.shape = (module.out_features, module.in_features)
        self.alive.add(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.alive.add(self)

    @property
    def cells(self) -> np.ndarray:
        """(n_edges,): read off the layer, whose state may be loaded at any time."""
        return self.module.cells()

    @property
    def parameter(self) -> torch.Tensor:
        """(n_edges,): what the optimiser moves."""
        return self.module.values

    def values(self) -> np.ndarray:
        """Return the weights of the edges."""
        values: np.ndarray = self.parameter.detach().cpu().numpy()
        return values

    def is_finite(self) -> bool:
        """Tell whether all weights are finite."""
        return bool(torch.isfinite(self.parameter.detach()).all())

    def hold(self) -> None:
        """Do nothing: there are no absent weights that an optimiser could move."""

    def revived(self) -> int:
        """Return 0: there are no absent weights."""
        return 0

    def strangers(self) -> int:
        """Return 0: a state brings its own edges."""
        return 0

    def exchange(self, done: Exchange, grown: np.ndarray, optimizer: Optimizer) -> None:
        """Move the edges in place; of those that grew, gradient and state are 0."""
        kept = np.delete(np.arange(self.module.n_edges), done.removed)
        cells = np.concatenate([self.cells[kept], done.added])
        order = np.argsort(cells, kind="stable")
        parameter = self.module.values
        stays, at = (torch.from_numpy(index).to(parameter.device) for index in (kept, order))

        def move(tensor: torch.Tensor, new: torch.Tensor) -> None:
            tensor.copy_(torch.cat([tensor[stays], new])[at])

        zeros = parameter.new_zeros(len(done.added))
        moving = [parameter.grad, *optimizer.state.get(parameter, {}).values()]
        with torch.no_grad():
            move(parameter, torch.from_numpy(grown).to(parameter))
            for tensor in moving:
                if isinstance(tensor, torch.Tensor) and tensor.shape == parameter.shape:
                    move(tensor, zeros.to(tensor))
        self.module.hold_cells(cells[order])

    def restore(self, cells: np.ndarray) -> None:
        """Take other edges; those that were edges already keep their weights."""
        held, old = self.cells, self.parameter.detach()
        values = old.new_zeros(len(cells))
        new_at, old_at = (torch.from_numpy(is_in(a, b)).to(old.device) for a, b in ((held, cells), (cells, held)))
        values[new_at] = old[old_at]
        if len(values) == len(self.parameter):
            with torch.no_grad():
                self.parameter.copy_(values)
        else:
            self.module.values = torch.nn.Parameter(values)
        self.module.hold_cells(cells)

    def release(self, *, masks: bool) -> None:
        """Leave the layer with the edges that it holds."""
        self.alive.discard(self)
