"""Layers that sparse evolution can change, by what it needs of each; the one here is a Linear layer under a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.hooks import RemovableHandle

from nngraph.errors import ArgumentError
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
        """Return how many absent weights the layer computes with all the same, as they are not 0."""

    def strangers(self) -> int:
        """Return how many absent weights were not 0 before the last step began: a state brought them."""

    def exchange(self, done: Exchange, grown: np.ndarray, optimizer: Optimizer) -> None:
        """Change the edges, give those that grew their weights, and reset what the optimiser knows of both."""

    def restore(self, cells: np.ndarray) -> None:
        """Take other edges, as many or not, and make all other weights exactly 0."""

    def release(self, *, masks: bool) -> None:
        """Let go of the layer, with a pruning mask of torch in place or without."""


def check_ready(optimizer: object, layers: Sequence[Evolving]) -> None:
    """Refuse an optimiser that does not train the layers, and layers that were given weights of another support."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ArgumentError(f"optimizer: got {type(optimizer).__name__}; expected a torch.optim.Optimizer.")
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for layer in layers:
        if id(layer.parameter) not in held:
            raise ArgumentError(
                f"optimizer: got one that does not hold the weights of layer '{layer.name}'; expected the one that "
                "trains this model, made anew where loading a state has changed the number of edges."
            )
        _refuse_absent(layer.name, layer.strangers())


def check_absent(layers: Sequence[Evolving]) -> None:
    """Refuse layers that compute with absent weights."""
    for layer in layers:
        _refuse_absent(layer.name, layer.revived())


def _refuse_absent(name: str, n: int) -> None:
    if n:
        raise ArgumentError(
            f"layer '{name}': got {n:,} absent weights that are not 0, as after loading a state of the model of "
            "another moment. Load evo.state_dict() of the same moment too; evo.load_state_dict(evo.state_dict()) "
            "makes them 0."
        )


class MaskedLinear:
    """A Linear layer whose absent weights are held at 0: a product with its mask after each step.

    Gradients of absent weights are made 0 as they arrive, so that neither the norm of the gradient nor the state of
    the optimiser knows of them. Then is also the time to see whether somebody other than the optimiser has changed the
    weights since the last step.
    """

    def __init__(self, name: str, module: nn.Linear, cells: np.ndarray) -> None:
        self.name, self.module = name, module
        self.shape = (module.out_features, module.in_features)
        self.cells: np.ndarray = cells
        self._handle: RemovableHandle | None = None
        self._strangers, self._version = 0, -1
        self.restore(cells)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_handle": self._handle is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._handle = self._listen() if state["_handle"] else None  # copies of parameters have no hooks

    @property
    def parameter(self) -> torch.Tensor:
        """(n_target, n_source): read off the layer, where another may be put at any time."""
        held: Any = self.module._parameters
        parameter: torch.Tensor = held["weight_orig" if "weight_orig" in held else "weight"]
        return parameter

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
        self._strangers, self._version = 0, self.parameter._version

    def revived(self) -> int:
        """Count the weights outside of the mask that are not 0, nor under a pruning mask of torch."""
        weights, pruned = self.parameter.detach(), self.module._buffers.get("weight_mask")
        weights = weights if pruned is None else weights * pruned
        return int(weights.count_nonzero() - (weights * self._mask()).count_nonzero())

    def strangers(self) -> int:
        """Return what was counted as the last gradient arrived; of a parameter put in place of another, count now."""
        return self._strangers if self._heard is self.parameter else self.revived()

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
        self._version = self.parameter._version
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
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._listen()
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
        self._heard = self.parameter
        handle: RemovableHandle = self._heard.register_post_accumulate_grad_hook(self._mask_gradient)
        return handle

    def _mask_gradient(self, parameter: torch.Tensor) -> None:
        if self._strangers or self._version not in (parameter._version, -1):
            self._strangers = self.revived()
        self._version = -1  # what changes from now on is the optimiser's work
        if parameter.grad is not None:
            parameter.grad.mul_(self._mask())

    def _places(self, cells: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows and columns: unlike places in a flat view they do for a tensor of any memory layout."""
        rows, columns = np.divmod(cells, self.shape[1])
        device = self.parameter.device
        return torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
