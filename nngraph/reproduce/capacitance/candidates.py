"""The networks among which is chosen: multilayer perceptrons and small CNNs, some of them poor on purpose."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from nngraph._rng import child, generator
from nngraph.dynamics import Trajectory
from nngraph.training import mlp

__all__ = ["FAMILY", "Candidate", "Samples", "build", "fit"]

RECORDED = (*range(13), 15, 20, 30, 40)
"""Epochs at which a trajectory is recorded; the last is the end of training."""
N_PROBE = 500


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An architecture, and how fast it learns."""

    hidden: tuple[int, ...]
    convolutions: tuple[int, ...] = ()
    """Channels of 3x3 convolutions of stride 2, each with a ReLU, below the dense layers."""
    activation: Any = "relu"
    lr: float = 1e-3
    density: float = 1.0
    """Share of the weights of each hidden layer that are present, at random."""

    @property
    def kind(self) -> str:
        """For tables."""
        return "CNN" if self.convolutions else "MLP"


FAMILY = {
    **{f"MLP 3x{width}": Candidate((width,) * 3) for width in (2, 4, 8, 16, 32, 64, 128, 256)},
    **{f"MLP 4x{width}": Candidate((width,) * 4) for width in (16, 64)},
    **{f"MLP 6x{width}": Candidate((width,) * 6) for width in (8, 64)},
    "MLP 128-6-128": Candidate((128, 6, 128)),
    "MLP 256-64-16": Candidate((256, 64, 16)),
    "MLP 16-64-128": Candidate((16, 64, 128)),
    "MLP 3x64 tanh": Candidate((64,) * 3, activation="tanh"),
    "MLP 3x64 sigmoid": Candidate((64,) * 3, activation="sigmoid"),
    "MLP 5x64 sigmoid": Candidate((64,) * 5, activation="sigmoid"),
    "MLP 3x128, 2 % of the weights": Candidate((128,) * 3, density=0.02),
    "MLP 3x64, slow": Candidate((64,) * 3, lr=2e-5),
    "MLP 3x64, too fast": Candidate((64,) * 3, lr=3e-2),
    "CNN 2-4": Candidate((32,) * 3, convolutions=(2, 4)),
    "CNN 8-16": Candidate((32,) * 3, convolutions=(8, 16)),
    "CNN 8-16, wide head": Candidate((128,) * 3, convolutions=(8, 16)),
    "CNN 8-16, head of 4": Candidate((4,) * 3, convolutions=(8, 16)),
    "CNN 4-8-16": Candidate((32,) * 4, convolutions=(4, 8, 16)),
    "CNN 8-16, slow": Candidate((32,) * 3, convolutions=(8, 16), lr=2e-5),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """What a network is trained, validated and tested on: (n, d) or (n, channels, height, width) inputs, classes."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: int

    @property
    def halves(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Training, validation and test samples."""
        return self.train, self.validation, self.test

    def seen_as(self, features: Sequence[np.ndarray]) -> Samples:
        """Return the same classes with features for inputs: mean 0 and standard deviation 1 on training samples."""
        mean, sd = features[0].mean(0), features[0].std(0) + 1e-6
        scaled = [((x - mean) / sd).astype(np.float32) for x in features]
        pairs = [(x, y) for x, (_, y) in zip(scaled, self.halves, strict=True)]
        return Samples(pairs[0], pairs[1], pairs[2], self.classes)

    def first(self, n: int) -> Samples:
        """Return the same with the first n training samples alone; their order is random."""
        return dataclasses.replace(self, train=(self.train[0][:n], self.train[1][:n]))


def build(
    candidate: Candidate, shape: Sequence[int], classes: int, seed: np.random.SeedSequence
) -> tuple[nn.Module | None, nn.Sequential]:
    """Return the convolutions, if any, and the dense layers on them, for samples of one shape."""
    below: nn.Module | None = None
    d = math.prod(shape)
    if candidate.convolutions:
        channels = [shape[0], *candidate.convolutions]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(generator(child(seed, "convolutions")).integers(2**63)))
            layers: list[nn.Module] = []
            for n_in, n_out in itertools.pairwise(channels):
                layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.ReLU()]
        below = nn.Sequential(*layers, nn.Flatten()).eval()
        with torch.no_grad():
            d = below(torch.zeros(1, *shape)).shape[1]
    head = mlp((d, *candidate.hidden, classes), activation=candidate.activation, rng=child(seed, "dense"))
    if candidate.density < 1:
        draw = generator(child(seed, "masks"))
        for layer in [module for module in head if isinstance(module, nn.Linear)][:-1]:
            present = torch.from_numpy(draw.random(tuple(layer.weight.shape)) < candidate.density)
            prune.custom_from_mask(layer, "weight", present)
    return below, head


def fit(
    candidate: Candidate,
    samples: Samples,
    seed: np.random.SeedSequence,
    *,
    variants: Sequence[str] = ("frozen",),
    recorded: Sequence[int] = RECORDED,
    n_probe: int = N_PROBE,
    batch_size: int = 64,
) -> dict[str, Any]:
    """Train a network by Adam and cross-entropy, its learning rate constant, and record its way.

    Parameters
    ----------
    candidate, samples
        What is trained on what. No sample of the test set is looked at before the end.
    seed : SeedSequence
        Of weights, masks and the order of batches.
    variants : sequence of "frozen", "absolute", "hessian"
        Of beta_eff, on the first ``n_probe`` training samples. "frozen" comes first.
    recorded : sequence of int
        Epochs at which the trajectory is recorded, 0 is before training; training ends with the last.

    Returns
    -------
    dict
        "rows", one for each epoch recorded: epoch, beta_eff, accuracy and loss on the validation samples,
        probe_accuracy, status, and a column for each further variant. "final": accuracy on the test samples at the
        end. "n_parameters".
    """
    x, y = (torch.from_numpy(values) for values in samples.train)
    below, head = build(candidate, samples.train[0].shape[1:], samples.classes, seed)
    if below is None:
        x = x.flatten(1)
    probe = (x[:n_probe], y[:n_probe])
    options: dict[str, dict[str, Any]] = {"absolute": {"absolute": True}, "hessian": {"variant": "hessian"}}
    kept = {name: Trajectory(*probe, backbone=below, **options.get(name, {})) for name in variants}
    model = head if below is None else nn.Sequential(below, head)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=candidate.lr, fused=True)
    draw = generator(child(seed, "batches"))
    rows: list[dict[str, Any]] = []
    for epoch in range(recorded[-1] + 1):
        if epoch:
            model.train()
            for batch in torch.from_numpy(draw.permutation(len(x))).split(batch_size):
                optimizer.zero_grad()
                F.cross_entropy(model(x[batch]), y[batch]).backward()
                optimizer.step()
            model.eval()
        if epoch in recorded:
            accuracy, loss = scores(model, *samples.validation, flat=below is None)
            extra = {"probe_accuracy": scores(model, probe[0], probe[1], flat=False)[0]}
            found = [one.record(epoch, head, accuracy=accuracy, loss=loss, **extra) for one in kept.values()]
            row = {key: found[0][key] for key in ("epoch", "beta_eff", "accuracy", "loss", "probe_accuracy", "status")}
            further = list(zip(kept, found, strict=True))[1:]
            rows.append(row | {name: one["beta_eff"] for name, one in further})
    final, _ = scores(model, *samples.test, flat=below is None)
    return {"rows": rows, "final": final, "n_parameters": found[0]["n_parameters"]}


def scores(model: nn.Module, x: Any, y: Any, *, flat: bool) -> tuple[float, float]:
    """Return accuracy and cross-entropy."""
    inputs, answers = torch.as_tensor(x), torch.as_tensor(y)
    with torch.inference_mode():
        outputs = torch.cat([model(part.flatten(1) if flat else part) for part in inputs.split(1000)])
        loss = float(F.cross_entropy(outputs, answers))
    return float((outputs.argmax(1) == answers).double().mean()), loss
