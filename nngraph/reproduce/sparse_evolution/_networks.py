"""The networks of the study: their data, how they start, and how they are trained."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nngraph import datasets
from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.errors import ConvergenceError
from nngraph.sparse import SET, erdos_renyi_mask
from nngraph.training import single_thread

__all__ = [
    "ARMS",
    "Samples",
    "Settings",
    "accuracy",
    "evolution",
    "fit",
    "half_cosine",
    "images",
    "initial_masks",
    "n_edges",
    "network",
]

ARMS: Mapping[str, Mapping[str, Any]] = {
    "dense": {},
    "fixed mask": {"stop": 0.0},
    "SET, every epoch": {"every": "epoch"},
    "SET, every n steps": {"stop": 0.8},
    "SET, preferential": {"stop": 0.8, "regrowth": "preferential"},
    "SET, degrees kept": {"stop": 0.8, "regrowth": "degree"},
}
"""How the hidden layers get their edges; ``stop`` is the share of all steps after which nothing is rewired."""
Samples = tuple[torch.Tensor, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all arms share."""

    data: str = "fashion-mnist"
    n_train: int = 10_000
    n_validation: int = 5_000
    hidden: tuple[int, ...] = (400, 400)
    epochs: int = 40
    batch: int = 50
    every: int = 500
    """Steps between rewirings, in the arms that do not rewire after every epoch."""
    zeta: float = 0.3
    momentum: float = 0.9
    weight_decay: float = 2e-4
    seed: int = 0

    @property
    def steps(self) -> int:
        """Steps of an epoch: full batches alone."""
        return self.n_train // self.batch


def images(settings: Settings, *, root: str | os.PathLike[str] | None = None) -> dict[str, Samples]:
    """Return "train", "validation" and "test" samples, pixels from 0 to 1 as published.

    Parameters
    ----------
    settings : Settings
        Its data set and numbers of images.
    root : path, optional
        Folder of the files.

    Returns
    -------
    dict of str to (x, y)
        The first training images, those after them, and the published test images ("digits": a random half).

    Raises
    ------
    DatasetError
        If the files are not found.
    """
    task = datasets.load(settings.data, root=root, scaling="[0,1]").task(rng=settings.seed)
    order = generator(child(seed_sequence(settings.seed), "images")).permutation(len(task.y_train))
    cut = settings.n_train
    parts = {"train": order[:cut], "validation": order[cut : cut + settings.n_validation]}
    found = {name: (task.x_train[rows], task.y_train[rows]) for name, rows in parts.items()}
    found["test"] = (task.x_test, task.y_test)
    return {name: (torch.from_numpy(x.copy()), torch.from_numpy(y.copy())) for name, (x, y) in found.items()}


def initial_masks(widths: Sequence[int], epsilon: float, seed: np.random.SeedSequence) -> list[np.ndarray]:
    """Return the supports that all sparse arms of a seed start from, one for each hidden layer."""
    return [
        erdos_renyi_mask(n_target, n_source, epsilon, rng=child(seed, "mask", epsilon, layer))
        for layer, (n_source, n_target) in enumerate(itertools.pairwise(widths))
    ]


def network(
    widths: Sequence[int], n_classes: int, seed: np.random.SeedSequence, masks: Sequence[np.ndarray] | None = None
) -> nn.Sequential:
    """Return a ReLU network, its weights normal with variance 2 / (mean number of edges into a neuron), biases 0."""
    layers: list[nn.Module] = []
    sizes = [*widths, n_classes]
    for layer, (n_source, n_target) in enumerate(itertools.pairwise(sizes)):
        linear = nn.Linear(n_source, n_target, device="meta").to_empty(device="cpu")
        edges = n_source if masks is None or layer == len(masks) else max(masks[layer].sum() / n_target, 1)
        draw = generator(child(seed, "weights", layer)).standard_normal((n_target, n_source), dtype=np.float32)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(draw * np.float32(math.sqrt(2 / edges))))
            linear.bias.zero_()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def evolution(
    arm: str,
    model: nn.Module,
    masks: Sequence[np.ndarray] | None,
    settings: Settings,
    seed: np.random.SeedSequence,
    *,
    regrow: Literal[0, "normal"] = 0,
) -> SET | None:
    """Return what keeps and rewires the supports of an arm; None where every edge is there."""
    if masks is None:
        return None
    how = dict(ARMS[arm])
    stop = how.pop("stop", None)
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return SET.from_masks(
        model,
        dict(zip(linear, masks, strict=False)),
        zeta=settings.zeta,
        every=how.pop("every", settings.every),
        stop=None if stop is None else round(stop * settings.epochs * settings.steps),
        regrow=regrow,
        rng=child(seed, "rewiring", arm),
        **how,
    )


def fit(
    model: nn.Module,
    samples: Samples,
    settings: Settings,
    *,
    rate: float,
    seed: np.random.SeedSequence,
    evo: SET | None = None,
    every_epoch: bool = False,
    schedule: Callable[[float], float] = lambda share: 1.0,
) -> Iterator[tuple[int, float]]:
    """Train by gradient descent with momentum, and yield the number of each epoch with its mean loss.

    Parameters
    ----------
    model : torch.nn.Module
        Trained in place.
    samples : (x, y)
        Training samples.
    settings : Settings
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

    Yields
    ------
    epoch, loss : int, float
        Before the rewiring that ends the epoch, if one does. Where training diverges the loss is NaN, and it ends.
    """
    optimizer = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True
    )
    total = settings.epochs * settings.steps
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step / total))
    with single_thread():
        for epoch in progress(range(1, settings.epochs + 1), total=settings.epochs, label="training"):
            losses = torch.zeros(())
            order = generator(child(seed, "batches", epoch)).permutation(settings.n_train)
            try:
                for rows in torch.from_numpy(order).split(settings.batch)[: settings.steps]:
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
            yield epoch, float(losses) / settings.steps
            if not torch.isfinite(losses):
                return
            if evo is not None and every_epoch and epoch < settings.epochs:
                evo.after_epoch(optimizer)


def half_cosine(share: float) -> float:
    """Return the factor of the learning rate: 1 at the start, 0 at the end."""
    return (1 + math.cos(math.pi * share)) / 2


def accuracy(model: nn.Module, samples: Samples) -> float:
    """Return the share of samples that a model answers rightly."""
    with torch.inference_mode():
        return float((model(samples[0]).argmax(dim=1) == samples[1]).double().mean())


def n_edges(model: nn.Module, evo: SET | None) -> int:
    """Return the number of weights that are present."""
    return sum(p.numel() for p in model.parameters() if p.ndim == 2) if evo is None else evo.graph().n_edges
