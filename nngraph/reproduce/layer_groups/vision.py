"""The vision networks: residual CNNs of 27 taps on Fashion-MNIST and on colour patches, stand-ins for CIFAR-10."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nngraph import datasets
from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.convert.files import load_weights
from nngraph.errors import ArgumentError
from nngraph.io._atomic import replacing
from nngraph.metrics import accuracy
from nngraph.models import ResNet9, resnet9

__all__ = ["NETWORKS", "data", "load", "outputs", "train"]


class Network(NamedTuple):
    """What a network is trained on, and how."""

    data_set: str
    n_train: int
    epochs: int
    channels: int
    lr: float = 5e-3
    width: int = 16
    seed: int = 0


NETWORKS = {
    "fashion-mnist": Network("fashion-mnist", 10_000, 5, channels=1),
    "patches": Network("colour-patches", 4_000, 8, channels=3),
}
FOLDER = Path(__file__).parent


def _network(name: str) -> Network:
    if name not in NETWORKS:
        raise ArgumentError(f"vision: got the network {name!r}; expected one of {', '.join(map(repr, NETWORKS))}.")
    return NETWORKS[name]


def data(name: str, *, root: str | os.PathLike[str] | None = None) -> datasets.Task:
    """Return the images that a network is trained and tested on, as (n, channels, height, width) arrays in [-1, 1].

    Parameters
    ----------
    name : "fashion-mnist" or "patches"
        Of Fashion-MNIST the training images are 10,000 drawn by the seed of the network.
    root : path, optional
        Folder of the files of Fashion-MNIST.

    Returns
    -------
    Task

    Raises
    ------
    ArgumentError
        If there is no such network.
    DatasetError
        If the files of Fashion-MNIST are not found.

    Examples
    --------
    >>> data("patches")
    Task 'colour-patches': 4,000 training and 1,000 test samples of shape (3, 32, 32), 10 classes, chance 0.100
    """
    network = _network(name)
    found = datasets.load(network.data_set, root=root, download=False)
    assert found.test_images is not None
    assert found.test_labels is not None
    draw = generator(child(seed_sequence(network.seed), "training images"))
    rows = np.sort(draw.permutation(len(found.labels))[: network.n_train])
    shape = (-1, network.channels, *found.image_shape[-2:])
    x, x_test = found.images[rows].reshape(shape), found.test_images.reshape(shape)
    return datasets.Task(network.data_set, x, found.labels[rows], x_test, found.test_labels)


def train(
    name: str, *, root: str | os.PathLike[str] | None = None, path: str | os.PathLike[str] | None = None
) -> tuple[ResNet9, dict[str, Any]]:
    """Train a network from its seed, and keep it.

    Parameters
    ----------
    name : "fashion-mnist" or "patches"
        Which network.
    root : path, optional
        Folder of the files of Fashion-MNIST.
    path : path, optional
        Where the weights, rounded to float16, and the record of the training (.json) go; by default nowhere.

    Returns
    -------
    model : ResNet9
        In evaluation mode, its parameters and statistics rounded to float16 and held as float32.
    record : dict
        Settings, steps, CPU seconds, accuracy on the test images before and after rounding.

    Raises
    ------
    ArgumentError
        If there is no such network.
    DatasetError
        If the files of Fashion-MNIST are not found.

    Notes
    -----
    Adam, cosine learning rate, batches of 128, no augmentation, the weights after the last step: the test images choose
    nothing. About a CPU minute on one core for either network.
    """
    import time

    from nngraph.training import single_thread
    from nngraph.training import train as fit

    network, task = _network(name), data(name, root=root)
    model = load(name, trained=False)
    started = time.process_time()
    with single_thread():
        done = fit(
            model,
            task.x_train,
            task.y_train,
            epochs=network.epochs,
            lr=network.lr,
            validation=None,
            select="last",
            rng=network.seed,
        )
        seconds = time.process_time() - started
        exact = accuracy(outputs(model, task.x_test), task.y_test)
        state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
        model.load_state_dict(state)
        rounded = accuracy(outputs(model, task.x_test), task.y_test)
    record = {
        **network._asdict(),
        "steps": done.steps,
        "cpu_seconds": round(seconds),
        "n_test": len(task.y_test),
        "chance": task.chance,
        "accuracy": exact,
        "accuracy_float16": rounded,
        "torch": torch.__version__,
    }
    if path is not None:
        from safetensors.torch import save

        with replacing(path) as file:
            file.write(save(state))
        with replacing(Path(path).with_suffix(".json")) as file:
            file.write(json.dumps(record, indent=1).encode() + b"\n")
    return model, record


def load(name: str, *, trained: bool = True) -> ResNet9:
    """Return a network as it comes with the package, or its untrained twin: the same seed, no training.

    Parameters
    ----------
    name : "fashion-mnist" or "patches"
        Which network.
    trained : bool
        Whether the weights are those after the training.

    Returns
    -------
    ResNet9
        float32, in evaluation mode.

    Raises
    ------
    ArgumentError
        If there is no such network.

    Notes
    -----
    ``python -m nngraph.reproduce.layer_groups vision --train --out FOLDER`` made the files. The statistics of the batch
    normalisation of an untrained twin are those that torch starts with: mean 0 and variance 1.

    Examples
    --------
    >>> sum(p.numel() for p in load("fashion-mnist").parameters())
    142970
    """
    network = _network(name)
    model = resnet9(network.channels, 10, width=network.width, rng=network.seed)
    if trained:
        load_weights(model, FOLDER / f"vision_{name}.safetensors")
    return model


def record(name: str) -> dict[str, Any]:
    """Return the record of the training of a network that comes with the package."""
    _network(name)
    found: dict[str, Any] = json.loads((FOLDER / f"vision_{name}.json").read_text(encoding="utf-8"))
    return found


def outputs(model: ResNet9, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
    """Return the (n, classes) logits of (n, channels, height, width) images."""
    batches = [x[i : i + batch_size] for i in range(0, len(x), batch_size)]
    with torch.inference_mode():
        return np.concatenate(
            [model(torch.from_numpy(batch)).numpy() for batch in progress(batches, total=len(batches), label="images")]
        )
