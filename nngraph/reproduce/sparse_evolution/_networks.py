"""Networks whose dense layers are complete, have fixed random supports, or evolve: how they start and are trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.datasets import Dataset
from nngraph.errors import ConvergenceError
from nngraph.sparse import SET, erdos_renyi_mask
from nngraph.training import single_thread

__all__ = [
    "TUNING",
    "Samples",
    "Training",
    "built",
    "fit",
    "half_cosine",
    "initialize",
    "n_weights",
    "outputs",
    "split",
    "supports",
]

Samples = tuple[torch.Tensor, torch.Tensor]
Key = Literal["name", "position"]
"""What the random numbers of a layer belong to: its name, or its position among the layers."""
TUNING = 0.4
"""Share of the epochs for which learning rates are tried."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What all arms share: gradient descent with momentum, cross-entropy."""

    epochs: int
    batch: int
    every: int
    """Steps between rewirings of SET."""
    zeta: float = 0.3
    stop: float = 0.8
    """Share of the steps after which nothing is rewired."""
    momentum: float = 0.9
    weight_decay: float = 2e-4


def split(data: Dataset, n_train: int, n_validation: int, seed: int) -> dict[str, Samples]:
    """Return "train" and "validation" samples, drawn from the training ones of a data set, and its "test" samples."""
    task = data.task(rng=seed)
    order = generator(child(seed_sequence(seed), "images")).permutation(len(task.y_train))
    parts = {"train": order[:n_train], "validation": order[n_train : n_train + n_validation]}
    found = {name: (task.x_train[rows], task.y_train[rows]) for name, rows in parts.items()}
    found["test"] = (task.x_test, task.y_test)
    return {name: (torch.from_numpy(x.copy()), torch.from_numpy(y.copy())) for name, (x, y) in found.items()}


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """Make a network without drawing its weights: torch's own random state is left alone."""
    with torch.device("meta"):
        model = build()
    return model.to_empty(device="cpu")


def supports(
    model: nn.Module, epsilon: float, seed: np.random.SeedSequence, *, by: Key = "name"
) -> dict[str, np.ndarray]:
    """Return random supports for all linear layers but the last, by the name of the layer."""
    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    masks = {}
    for layer, (name, module) in enumerate(linear[:-1]):
        entropy = child(seed, name) if by == "name" else child(seed, "mask", epsilon, layer)
        masks[name] = erdos_renyi_mask(module.out_features, module.in_features, epsilon, rng=entropy)
    return masks


def initialize(
    model: nn.Module, masks: Mapping[str, np.ndarray], seed: np.random.SeedSequence, *, by: Key = "name"
) -> None:
    """Draw weights of variance 2 / (mean number of edges into a neuron), the same draws in all arms; biases 0."""
    layer = 0
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            nn.init.zeros_(parameter)
            continue
        mask = masks.get(name.removesuffix(".weight"))
        n_in = math.prod(parameter.shape[1:]) if mask is None else max(mask.sum() / len(mask), 1)
        draw = generator(child(seed, "weights", name if by == "name" else layer))
        values = draw.standard_normal(tuple(parameter.shape), dtype=np.float32) * np.float32(math.sqrt(2 / n_in))
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
        layer += 1


def half_cosine(share: float) -> float:
    """Return the factor of the learning rate: 1 at the start, 0 at the end."""
    return (1 + math.cos(math.pi * share)) / 2


def fit(
    model: nn.Module,
    samples: Samples,
    training: Training,
    *,
    rate: float,
    seed: np.random.SeedSequence,
    evo: SET | None = None,
    every_epoch: bool = False,
    schedule: Callable[[float], float] = half_cosine,
    fused: bool = True,
    first: int = 1,
) -> Iterator[tuple[int, float]]:
    """Train by gradient descent with momentum, and yield the number of each epoch with its mean loss.

    Parameters
    ----------
    model : torch.nn.Module
        Trained in place, from the weights that are there.
    samples : (x, y)
        Training samples; of those left over after the last full batch an epoch makes no use.
    training : Training
        Epochs, size of batches, momentum, weight decay.
    rate : float
        Learning rate.
    seed : SeedSequence
        Of the batches: the same in all arms.
    evo : SET, optional
        Rewires the network.
    every_epoch : bool
        Whether it does so after each epoch but the last; else it is asked after each step.
    schedule : callable
        Factor of the learning rate at a share of all steps.
    fused : bool
        Whether torch updates all parameters in one pass, which rounds otherwise.
    first : int
        Number of the first epoch; the batches of an epoch belong to its number.

    Yields
    ------
    epoch, loss : int, float
        Before the rewiring that ends the epoch, if one does. Where training diverges the loss is NaN, and it ends.
    """
    optimizer = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=training.momentum, weight_decay=training.weight_decay, fused=fused
    )
    n = len(samples[1])
    steps, last = n // training.batch, first + training.epochs - 1
    total = training.epochs * steps
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step / total))
    with single_thread():
        for epoch in progress(range(first, last + 1), total=training.epochs, label="training"):
            losses = torch.zeros(())
            order = generator(child(seed, "batches", epoch)).permutation(n)
            try:
                for rows in torch.from_numpy(order).split(training.batch)[:steps]:
                    optimizer.zero_grad()
                    loss = F.cross_entropy(model(samples[0][rows]), samples[1][rows])
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    falling.step()
                    if evo is not None and not every_epoch:
                        evo.after_step(optimizer)
                    losses += loss.detach()
            except ConvergenceError:
                losses += math.nan
            yield epoch, float(losses) / steps
            if not torch.isfinite(losses):
                return
            if evo is not None and every_epoch and epoch < last:
                evo.after_epoch(optimizer)


def outputs(model: nn.Module, x: torch.Tensor) -> np.ndarray:
    """Return the logits of samples."""
    with torch.inference_mode():
        return np.concatenate([model(batch).numpy() for batch in x.split(1000)])


def n_weights(model: nn.Module, masks: Mapping[str, np.ndarray]) -> int:
    """Return the number of weights that are present, convolutions with the others, biases left out."""
    return sum(
        int(masks[name.removesuffix(".weight")].sum()) if name.removesuffix(".weight") in masks else parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2
    )
