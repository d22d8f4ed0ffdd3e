"""The networks of the study: tickets of LeNet-300-100 on Fashion-MNIST, and the networks they are held against."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nngraph import datasets
from nngraph._folders import opened
from nngraph._rng import child, generator, seed_sequence
from nngraph.sparse import Tickets, lottery_tickets, ticket_control
from nngraph.training import mlp, single_thread

__all__ = ["ARMS", "Settings", "Split", "run_seed", "split"]

ARMS = ("tickets", "random", "shuffle", "degree", "reinitialize")
"""What is trained; "random" at every round, as its measures are taken too, the other controls at some."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is trained, on what, and how long."""

    sizes: tuple[int, ...] = (784, 300, 100, 10)
    n_train: int = 15_000
    rounds: int = 22
    fraction: float = 0.25
    epochs: int = 4
    batch_size: int = 128
    lr: float = 1.2e-3
    """Of the first step of each round; it falls linearly to 0, without which four epochs end at an accuracy that
    varies by more from round to round than what is looked for."""
    every: int = 3
    """The controls "shuffle", "degree" and "reinitialize" are trained at every so many rounds."""
    data_set: str = "fashion-mnist"


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to train on and to test on, as (n, pixels) tensors with their labels.

    Pixels have the mean 0 and the standard deviation 1 over all training images together.
    """

    train: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]


def split(settings: Settings, seed: int, *, root: str | os.PathLike[str] | None = None) -> Split:
    """Return the images of one seed: its own draw from the training images, and all test images.

    Parameters
    ----------
    settings : Settings
        How many images.
    seed : int
        Of the draw.
    root : path, optional
        Folder of the files of the data set.

    Returns
    -------
    Split
        Those for tests of a data set without images for them are all that are not trained on.

    Raises
    ------
    DatasetError
        If the files of the data set are not found.
    """
    found = datasets.load(settings.data_set, root=root, scaling="[0,1]", download=False)
    images = found.images.reshape(len(found.images), -1)
    order = generator(child(seed_sequence(seed), "images")).permutation(len(images))
    rows, others = order[: settings.n_train], order[settings.n_train :]
    shift, scale = images[rows].mean(), images[rows].std()

    def pair(x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy((x.reshape(len(x), -1) - shift) / scale), torch.from_numpy(np.asarray(y, np.int64))

    train = pair(images[rows], found.labels[rows])
    if found.test_images is None or found.test_labels is None:
        return Split(train, pair(images[others], found.labels[others]))
    return Split(train, pair(found.test_images, found.test_labels))


def run_seed(
    folder: Path,
    settings: Settings,
    seed: int,
    *,
    arms: Sequence[str] = ARMS,
    root: str | os.PathLike[str] | None = None,
) -> dict[str, Tickets]:
    """Train the arms of one seed, or read those that are there.

    Parameters
    ----------
    folder : path
        A folder of this seed; each round of each arm is kept as it is done.
    settings : Settings
        What to train.
    seed : int
        Of the images, the initial weights, and the order of images.
    arms : sequence of str
        Which; "tickets" always.
    root : path, optional
        Folder of the files of the data set.

    Returns
    -------
    dict of str to Tickets
        By arm.

    Raises
    ------
    DatasetError
        If the files of the data set are not found.
    StudyError
        If the folder holds rounds of other settings.
    """
    opened(folder, {**dataclasses.asdict(settings), "seed": seed})
    data = split(settings, seed, root=root)
    model = mlp(settings.sizes, rng=child(seed_sequence(seed), "weights"))
    with single_thread():
        found = {
            "tickets": lottery_tickets(
                model,
                _training(data, settings),
                settings.rounds,
                fraction=settings.fraction,
                scores=_scores(data),
                folder=folder / "tickets",
                rng=child(seed_sequence(seed), "tickets"),
            )
        }
        for kind in arms:
            if kind != "tickets":
                step = 1 if kind == "random" else settings.every
                rounds = [number for number in found["tickets"].trained[1:] if number % step == 0]
                found[kind] = ticket_control(found["tickets"], kind, rounds=rounds, folder=folder / kind)
    return found


def _training(data: Split, settings: Settings) -> Callable[[nn.Module, int], Iterator[None]]:
    x, y = data.train

    def train(model: nn.Module, seed: int) -> Iterator[None]:
        draw = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
        n_steps, step = settings.epochs * -(-len(y) // settings.batch_size), 0
        for _ in range(settings.epochs):
            for rows in torch.randperm(len(y), generator=draw).split(settings.batch_size):
                optimizer.param_groups[0]["lr"] = settings.lr * (1 - step / n_steps)
                step += 1
                loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                yield

    return train


def _scores(data: Split) -> Callable[[nn.Module], Mapping[str, float]]:
    def scores(model: nn.Module) -> dict[str, float]:
        outputs, labels = model(data.test[0]), data.test[1]
        loss = nn.functional.cross_entropy(outputs, labels)
        return {"accuracy": float((outputs.argmax(1) == labels).double().mean()), "cross_entropy": float(loss)}

    return scores
