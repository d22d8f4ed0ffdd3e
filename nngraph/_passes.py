"""Inputs of models that take arrays or mappings of arrays: checked, cut into batches, run, and all put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from nngraph._tensors import Array, as_tensor
from nngraph.errors import ArgumentError

Inputs: TypeAlias = "Array | Mapping[str, Array]"
Tensors: TypeAlias = dict[str, torch.Tensor]
MASK = "attention_mask"


def tensors_of(x: Inputs) -> Tensors:
    """Return the inputs by argument name, "" for the only one, all with the same number of samples."""
    tensors = {str(name): as_tensor(v) for name, v in x.items()} if isinstance(x, Mapping) else {"": as_tensor(x)}
    lengths = {name: len(value) if value.ndim else 0 for name, value in tensors.items()}
    if not lengths or len(set(lengths.values())) > 1 or not min(lengths.values()):
        raise ArgumentError(f"inputs: got {lengths or 'nothing'} samples; expected at least one, as many everywhere.")
    return tensors


def batch_of(tensors: Tensors, rows: torch.Tensor, model: nn.Module, place: torch.device) -> Tensors:
    """Return some samples on a device, cut behind the last position that any of them attends to."""
    batch = {name: value[rows] for name, value in tensors.items()}
    if MASK in batch:
        mask = batch[MASK]
        n = int(mask.ne(0).any(dim=0).nonzero().max()) + 1 if bool(mask.any()) else mask.shape[1]
        batch = {name: v[:, :n] if v.shape[:2] == mask.shape else v for name, v in batch.items()}
    dtype = next(model.parameters()).dtype
    return {name: (v.to(dtype) if v.is_floating_point() else v).to(place) for name, v in batch.items()}


def output(model: nn.Module, batch: Tensors) -> torch.Tensor:
    """Return the logits of a batch."""
    answer = model(batch[""]) if "" in batch else model(**batch)
    answer = getattr(answer, "logits", answer)
    if not isinstance(answer, torch.Tensor):
        raise ArgumentError(
            f"model: got an output of type {type(answer).__name__}; expected a tensor of logits, or an output that has "
            "them as its attribute 'logits'."
        )
    return answer


def last_positions(answer: torch.Tensor, batch: Tensors) -> torch.Tensor:
    """Return the (n, classes) logits at the last position that each sample attends to."""
    rows = torch.arange(len(answer), device=answer.device)
    if MASK not in batch:
        return answer[:, -1]
    order = torch.arange(1, batch[MASK].shape[1] + 1, device=answer.device)
    return answer[rows, (batch[MASK].ne(0) * order).argmax(dim=1)]


def places(model: nn.Module, device: str | torch.device | None) -> tuple[torch.device, torch.device]:
    """Return where the model is, and where it is to compute."""
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: got a {type(model).__name__}; expected a torch.nn.Module.")
    reference = next(model.parameters(), None)
    if reference is None:
        raise ArgumentError("model: got a module without parameters.")
    return reference.device, reference.device if device is None else torch.device(device)


@contextlib.contextmanager
def at_work(model: nn.Module, device: str | torch.device | None, *, training: bool) -> Iterator[torch.device]:
    """Put a model on a device and in a mode; put its own device and the modes of all its modules back at the end."""
    home, place = places(model, device)
    modes = {module: module.training for module in model.modules()}
    try:
        model.to(place).train(training)
        yield place
    finally:
        model.to(home)
        for module, mode in modes.items():
            module.training = mode


def passes(
    model: nn.Module, x: Inputs, *, batch_size: int, device: str | torch.device | None = None
) -> Iterator[Tensors]:
    """Yield batches while the model is on the device, in evaluation mode, and nothing takes gradients."""
    tensors = tensors_of(x)
    whole("batch_size", batch_size, 1)
    with at_work(model, device, training=False) as place, torch.no_grad():
        for rows in torch.arange(len(next(iter(tensors.values())))).split(batch_size):
            yield batch_of(tensors, rows, model, place)


def whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise unless a value is an integer within its range."""
    good = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not good or value < least or (most is not None and value > most):  # type: ignore[operator]
        span = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ArgumentError(f"{name}: got {value!r}; expected an integer {span}.")
