"""Layers that sparse evolution can change, by what it needs of each; the one here is a Linear layer under a mask."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.hooks import RemovableHandle

from nngraph.sparse._cells import Exchange

Optimizer = torch.optim.Optimizer


class Evolving(Protocol):
    """What evolution needs of a layer; cells count the places of its (n_target, n_source) matrix row by row."""

    name: str
    shape: tuple[int, int]

    @property
    def cells(self) -> np.ndarray:
        """Return the (n_edges,) int64 cells of the present edges, ascending."""

    @property
    def parameter(self) -> torch.Tensor:
        """Return what the optimiser moves."""

    def values(self) -> np.ndarray:
        """Return the (n_edges,) weights of the present edges in the order of their cells."""

    def is_finite(self) -> bool:
        """Tell whether no weight that the layer computes with is NaN or infinite."""

    def hold(self) -> None:
        """Make absent weights exactly 0, whatever the optimiser did to them."""

    def revived(self) -> int:
        """Return how many absent weights are not 0."""

    def exchange(self, done: Exchange, grown: np.ndarray, optimizer: Optimizer) -> None:
        """Change the edges, give those that grew their weights, and reset what the optimiser knows of both."""

    def restore(self, cells: np.ndarray) -> None:
        """Take other edges, as many or not, and make all other weights exactly 0."""

    def release(self, *, masks: bool) -> None:
        """Let go of the layer, with a pruning mask of torch in place or without."""


class MaskedLinear:
    """A Linear layer whose absent weights are held at 0: a product with its mask after each step.

    Gradients of absent weights are made 0 as they arrive, so that neither the norm of the gradient nor the state of
    the optimiser knows of them.
    """

    def __init__(self, name: str, module: nn.Linear, cells: np.ndarray) -> None:
        self.name, self.module, self.parameter = name, module, module.weight
        self.shape = (module.out_features, module.in_features)
        self.cells: np.ndarray = cells
        self._handle: RemovableHandle | None = self._listen()
        self.restore(cells)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_handle": self._handle is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._handle = self._listen() if state["_handle"] else None  # copies of parameters have no hooks

    def values(self) -> np.ndarray:
        """Return the weights of the present edges."""
        flat = self.parameter.detach().reshape(-1)[torch.from_numpy(self.cells).to(self.parameter.device)].cpu()
        return (flat.float() if flat.dtype == torch.bfloat16 else flat).numpy()

    def is_finite(self) -> bool:
        """Tell whether all weights are finite, absent ones too: what multiplies them reaches the output."""
        return bool(torch.isfinite(self.parameter.detach()).all())

    def hold(self) -> None:
        """Multiply the weights by the mask."""
        with torch.no_grad():
            self.parameter.mul_(self._mask())

    def revived(self) -> int:
        """Count the weights outside of the mask that are not 0."""
        weights = self.parameter.detach()
        return int(weights.count_nonzero() - (weights * self._mask()).count_nonzero())

    def exchange(self, done: Exchange, grown: np.ndarray, optimizer: Optimizer) -> None:
        """Change the mask, the weights, and the state of the optimiser at the cells that changed, and nowhere else."""
        mask = self._mask()
        removed, added = self._places(self.cells[done.removed]), self._places(done.added)
        self.cells = done.regrown(self.cells)
        mask[removed] = 0
        mask[added] = 1
        with torch.no_grad():
            self.parameter[removed] = 0
            self.parameter[added] = torch.from_numpy(grown).to(self.parameter)
        for value in optimizer.state.get(self.parameter, {}).values():
            if isinstance(value, torch.Tensor) and value.shape == self.parameter.shape:
                value[removed] = 0
                value[added] = 0

    def restore(self, cells: np.ndarray) -> None:
        """Take other edges and apply the new mask."""
        self.cells = cells
        with torch.no_grad():
            # of the weight's own type: a product with a bool mask takes ten times as long
            self._held = torch.zeros_like(self.parameter)
            self._held[self._places(cells)] = 1
        self.hold()

    def release(self, *, masks: bool) -> None:
        """Stop masking gradients; install a pruning mask, as ``to_torch(G, model, masks=True)`` does."""
        if self._handle is not None:
            self._handle.remove()
        self._handle = None
        if masks and len(self.cells) < self.shape[0] * self.shape[1]:
            prune.custom_from_mask(self.module, "weight", self._mask() != 0)  # type: ignore[no-untyped-call]

    def _mask(self) -> torch.Tensor:
        if self._held.device != self.parameter.device or self._held.dtype != self.parameter.dtype:
            self._held = self._held.to(self.parameter)  # the model was moved
        return self._held

    def _listen(self) -> RemovableHandle:
        handle: RemovableHandle = self.parameter.register_post_accumulate_grad_hook(self._mask_gradient)
        return handle

    def _mask_gradient(self, parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            parameter.grad.mul_(self._mask())

    def _places(self, cells: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows and columns: unlike places in a flat view they do for a tensor of any memory layout."""
        rows, columns = np.divmod(cells, self.shape[1])
        device = self.parameter.device
        return torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
