"""The networks whose accuracies and degrees are studied: their images, their layers, and the ways they evolve."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from nngraph import datasets
from nngraph._rng import child
from nngraph.reproduce.sparse_evolution import _networks
from nngraph.reproduce.sparse_evolution._networks import Samples, Training
from nngraph.sparse import SET

__all__ = ["ARMS", "Settings", "evolution", "images", "initial_masks", "network"]

ARMS: Mapping[str, Mapping[str, Any]] = {
    "dense": {},
    "fixed mask": {"stop": 0.0},
    "SET, every epoch": {"every": "epoch"},
    "SET, every n steps": {"stop": 0.8},
    "SET, new edges drawn": {"stop": 0.8, "regrow": "normal"},
    "SET, preferential": {"stop": 0.8, "regrowth": "preferential"},
    "SET, degrees kept": {"stop": 0.8, "regrowth": "degree"},
}
"""How the hidden layers get their edges; ``stop`` is the share of all steps after which nothing is rewired."""


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

    @property
    def training(self) -> Training:
        """How the networks are trained."""
        return Training(
            self.epochs, self.batch, self.every, self.zeta, momentum=self.momentum, weight_decay=self.weight_decay
        )


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
        Of the published training images, and the published test images ("digits": a random half).

    Raises
    ------
    DatasetError
        If the files are not found.
    """
    data = datasets.load(settings.data, root=root, scaling="[0,1]")
    return _networks.split(data, settings.n_train, settings.n_validation, settings.seed)


def _layers(widths: Sequence[int]) -> nn.Module:
    pairs = itertools.pairwise(widths)
    layers = [layer for n_source, n_target in pairs for layer in (nn.Linear(n_source, n_target), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def initial_masks(widths: Sequence[int], epsilon: float, seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
    """Return the supports that all sparse arms of a seed start from, by the names of the hidden layers.

    ``widths`` are those of all layers, the classes among them.
    """
    return _networks.supports(_networks.built(lambda: _layers(widths)), epsilon, seed, by="position")


def network(widths: Sequence[int], seed: np.random.SeedSequence, masks: Mapping[str, np.ndarray]) -> nn.Module:
    """Return a ReLU network that is ready to be trained; no masks: all edges."""
    model = _networks.built(lambda: _layers(widths))
    _networks.initialize(model, masks, seed, by="position")
    return model


def evolution(
    arm: str,
    model: nn.Module,
    masks: Mapping[str, np.ndarray],
    settings: Settings,
    seed: np.random.SeedSequence,
    **options: Any,
) -> SET:
    """Return what keeps and rewires the supports of an arm, with ``options`` of SET."""
    how: dict[str, Any] = {"every": settings.every, **ARMS[arm], **options}
    if "stop" in how:
        how["stop"] = round(how["stop"] * settings.epochs * settings.steps)
    return SET.from_masks(model, masks, zeta=settings.zeta, rng=child(seed, "rewiring", arm), **how)
