"""The steps of fine-tuning: which parameters are free, what the loss is, and the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nngraph._passes import Inputs, batch_of, last_positions, output, tensors_of, whole
from nngraph._progress import progress
from nngraph._tensors import Array, as_tensor
from nngraph.depth import blocks_of
from nngraph.errors import ArgumentError, ConvergenceError

Data: TypeAlias = "tuple[Inputs, Array]"
NO_LABEL = -100


def run_steps(
    model: nn.Module,
    samples: tuple[dict[str, torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    order: Sequence[torch.Tensor],
    place: torch.device,
    after_step: Callable[[int, nn.Module], None] | None,
    trainable_from: int | None = None,
) -> np.ndarray:
    """Run all steps; return the loss of each. Running statistics of what is frozen stay as they are."""
    x, y = samples
    still = frozen_norms(model, trainable_from)
    for norm in still:
        norm.eval()
    total, rise = len(order), math.ceil(len(order) / 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: min((done + 1) / rise, (total - done) / (total + 1 - rise))
    )
    losses = []
    for step, rows in enumerate(progress(order, total=total, label="fine-tuning"), 1):
        batch = batch_of(x, rows, model, place)
        loss = _loss(output(model, batch), y[rows].to(place), batch)
        if not bool(loss.isfinite()):
            raise ConvergenceError(
                f"fine-tuning: the loss became NaN or infinite at step {step} of {total}; lower "
                f"lr={optimizer.defaults['lr']} or check the inputs."
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.clear_autocast_cache()  # within torch.autocast the next pass would read the weights before this step
        schedule.step()
        losses.append(float(loss.detach()))
        if after_step is not None:
            after_step(step, model)
            model.train()
            for norm in still:
                norm.eval()
    return np.array(losses)


def _loss(answer: torch.Tensor, y: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    if y.ndim == 1 and answer.ndim == 3:
        answer = last_positions(answer, batch)
    y = y[:, : answer.shape[1]] if y.ndim == 2 and answer.ndim == 3 else y
    known = y[y != NO_LABEL]
    if answer.shape[:-1] != y.shape or not len(known) or int(known.max()) >= answer.shape[-1] or int(known.min()) < 0:
        raise ArgumentError(
            f"data: got logits of shape {tuple(answer.shape)} for labels of shape {tuple(y.shape)} from "
            f"{int(known.min()) if len(known) else 'none'} to {int(known.max()) if len(known) else 'none'}; expected a "
            "class of the model for each row of logits."
        )
    return F.cross_entropy(answer.flatten(0, -2), y.flatten(), ignore_index=NO_LABEL)


def free_parameters(model: nn.Module, trainable_from: int | None) -> list[nn.Parameter]:
    """Return the parameters to train: blocks and head behind the first ones, by the order of parameters."""
    parameters = [p for p in model.parameters() if p.is_floating_point()]
    if trainable_from is None or trainable_from == 0:
        return parameters
    blocks = blocks_of(model)
    whole("trainable_from", trainable_from, 0, len(blocks) + 1)
    inside = {id(p): number for number, block in enumerate(blocks, 1) for p in block.parameters()}
    named = [(name, p) for name, p in model.named_parameters(remove_duplicate=False) if p.is_floating_point()]
    own = [place for place, (_, p) in enumerate(named) if id(p) in inside]
    before, behind = named[: own[0]], named[own[-1] + 1 :]
    if not behind:
        raise ArgumentError(
            f"trainable_from: a {type(model).__name__} registers no parameter behind its blocks, so that its head is "
            "not known; register the head behind the blocks, or pass 0 to train everything."
        )
    embedding = {id(p): name for name, p in before}
    for name, p in behind:
        if id(p) in embedding:
            raise ArgumentError(
                f"trainable_from: the head {name} is tied to {embedding[id(p)]}, which stands before the blocks and "
                "would be frozen with it; untie the two (give the head a copy), or pass 0 to train everything."
            )
    head = len(blocks) + 1
    outside = {id(p): head for _, p in behind}
    return [p for p in parameters if inside.get(id(p), outside.get(id(p), 0)) >= trainable_from]


def frozen_norms(model: nn.Module, trainable_from: int | None) -> list[nn.Module]:
    """Return the modules with running statistics that stand before the first block that is trained."""
    if trainable_from is None or trainable_from == 0:
        return []
    blocks = blocks_of(model)
    trained = {module for block in blocks[trainable_from - 1 :] for module in block.modules()}
    order = list(model.modules())
    last = [place for place, module in enumerate(order) if module in set(blocks.modules())][-1]
    return [m for m in order[: last + 1] if m not in trained and getattr(m, "running_mean", None) is not None]


def samples_of(data: Data, name: str = "data") -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return inputs and labels as tensors, checked."""
    if not isinstance(data, tuple) or len(data) != 2:
        raise ArgumentError(f"{name}: got {type(data).__name__}; expected a pair (x, y).")
    x, y = tensors_of(data[0]), as_tensor(data[1])
    n = len(next(iter(x.values())))
    if y.ndim not in (1, 2) or len(y) != n or y.is_floating_point() or y.is_complex():
        raise ArgumentError(
            f"{name}: got {n} samples with labels of shape {tuple(y.shape)} and type {y.dtype}; expected ({n},) or "
            f"({n}, positions) integers."
        )
    return x, y.long()
