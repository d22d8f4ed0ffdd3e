"""Convolutional networks whose dense layers are complete, have fixed random supports, or evolve."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from nngraph import datasets
from nngraph._folders import opened
from nngraph.reproduce._claims import Claim
from nngraph.reproduce.sparse_evolution import _arms, _networks, _units
from nngraph.reproduce.sparse_evolution._arms import Arm
from nngraph.reproduce.sparse_evolution._networks import Samples, Training

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["SETTINGS", "Settings", "arms", "claims", "data", "figures", "judged", "run", "section", "short"]

COMPARED = (
    (
        "dense head",
        "is at most 1 point less accurate than with a dense one",
        -0.01,
        "no decrease in accuracy",
    ),
    ("fixed mask", "is at least as accurate as with a fixed random mask", 0.0, "not compared"),
    ("linear head", "is at least as accurate as with no hidden layers at all", 0.0, "not compared"),
)
"""With what a SET head is compared, in words, the least difference of accuracies in [0, 1], and what was published."""
TEXT = """## Convolutional networks with sparse heads

Two convolutions of 3x3 pixels and stride 2, the same in all arms; then two hidden layers that are complete (*dense
head*), have a fixed random support, or evolve (SET); *linear head* has none of them. The output layer is complete.
Colour patches of two photographs stand in for CIFAR-10; the same code reads CIFAR-10 from its files:
`convolutions.run(folder, studies=[convolutions.SETTINGS["cifar-10"]], root=...)`. Gradient descent with momentum,
learning rate by a half cosine from a rate that is chosen for each arm on validation images in trainings of 40 % of the
epochs. Accuracies are of the last weights; weights are counted with those of the convolutions. Test patches are from
parts of the photographs that no training patch shares a pixel with, validation patches are not: hence the gap between
the two."""


TRAINING = Training(epochs=24, batch=100, every=70)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all arms share."""

    data: str = "colour-patches"
    n_train: int = 3500
    n_validation: int = 500
    channels: tuple[int, int] = (16, 32)
    """Of two convolutions of 3x3 pixels and stride 2."""
    hidden: int = 256
    """Neurons in each of the two hidden layers of the head."""
    epsilon: float = 10.0
    training: Training = TRAINING
    seed: int = 0
    rates: tuple[float, ...] = (0.005, 0.02, 0.06, 0.2, 0.6)
    """Learning rates to choose from, on the validation images."""
    seeds: int = 5
    """Networks of each arm; in each the sparse arms share their first supports, and all arms their batches."""


SETTINGS = {
    "colour-patches": Settings(),
    "cifar-10": Settings("cifar-10", n_train=45_000, n_validation=5000, training=Training(100, 100, 450)),
}
"""Colour patches stand in for CIFAR-10, which is read from its own files where they are."""


def data(settings: Settings, *, root: str | os.PathLike[str] | None = None) -> dict[str, Samples]:
    """Return "train", "validation" and "test" images of shape (channels, height, width), scaled to [-1, 1].

    Parameters
    ----------
    settings : Settings
        Its data set and numbers of images.
    root : path, optional
        Folder of the files of the data set.

    Returns
    -------
    dict of str to (x, y)
        Training and validation images are drawn from the published training images.

    Raises
    ------
    DatasetError
        If the files are not found.
    """
    loaded = datasets.load(settings.data, root=root, download=False)
    found = _networks.split(loaded, settings.n_train, settings.n_validation, settings.seed)
    colours, side = _shape(settings)
    return {name: (x.reshape(-1, colours, side, side), y) for name, (x, y) in found.items()}


def _shape(settings: Settings) -> tuple[int, int]:
    """Return the number of colours and the side of the images."""
    return (3, 32) if settings.data in ("colour-patches", "cifar-10") else (1, 28)


def arms(settings: Settings) -> dict[str, Arm]:
    """Return the networks that are compared, by name; all have the same convolutions.

    Parameters
    ----------
    settings : Settings
        Of it data set, channels and width.

    Returns
    -------
    dict of str to Arm
        "linear head" has no hidden layer behind the convolutions.
    """
    colours, side = _shape(settings)
    first, second = settings.channels
    flat = second * (side // 4) ** 2

    def network(*widths: int) -> Callable[[], nn.Module]:
        def build() -> nn.Module:
            layers: list[nn.Module] = [
                nn.Conv2d(colours, first, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(first, second, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Flatten(),
            ]
            n_in = flat
            for width in widths:
                layers += [nn.Linear(n_in, width), nn.ReLU()]
                n_in = width
            return nn.Sequential(*layers, nn.Linear(n_in, 10))

        return build

    head = network(settings.hidden, settings.hidden)
    return {
        "dense head": Arm(head),
        "linear head": Arm(network()),
        "fixed mask": Arm(head, sparse=True),
        "SET": Arm(head, sparse=True, evolve=True),
    }


def run(
    folder: str | os.PathLike[str],
    *,
    studies: Sequence[Settings] = (SETTINGS["colour-patches"],),
    root: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Choose a learning rate for every arm, and train every arm from every seed.

    Parameters
    ----------
    folder : path
        Keeps the numbers of every finished network, in a folder for each data set.
    studies : sequence of Settings
        One for each data set.
    root : path, optional
        Folder of the files of the data set.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        data, purpose ("tuning" or "test"), arm, seed, rate, weights (present, of convolutions too), cpu_seconds,
        rewirings, validation (accuracy on the validation images), accuracy (on the test images).

    Raises
    ------
    DatasetError
        If the files are not found.
    StudyError
        If the folder holds results of other settings.
    """
    import pandas as pd

    tables = []
    for one in studies:
        known = {key: value for key, value in dataclasses.asdict(one).items() if key not in ("rates", "seeds")}
        table = _arms.study(
            opened(Path(folder) / one.data, known),
            data(one, root=root),
            arms(one),
            one.training,
            epsilon=one.epsilon,
            rates=one.rates,
            seeds=one.seeds,
            n_jobs=n_jobs,
        )
        table.insert(0, "data", one.data)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of convolutional networks whose dense layers evolve.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of Claim
    """
    return [claim for name, whole in table.groupby("data", sort=False) for claim in judged(whole, str(name)).values()]


def judged(table: pd.DataFrame, name: str) -> dict[str, Claim]:
    """Judge the networks of one data set; by the arm that SET is held against."""
    return _arms.judged(_units.tested(table), f"CNN on {name}: with a SET head", COMPARED)


def section(table: pd.DataFrame, folder: str | os.PathLike[str]) -> str:
    """Return the section on these networks in Markdown.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in, with its settings.

    Returns
    -------
    str
    """
    lines = [TEXT]
    for name, rows in table.groupby("data", sort=False):
        known = _units.settings_of(Path(folder) / name)
        training = Training(**known["training"])
        lines += [
            "",
            f"### {name}",
            "",
            f"{known['n_train']:,} training images, {' and '.join(map(str, known['channels']))} channels, hidden "
            f"layers of {known['hidden']} neurons, ε = {known['epsilon']:g}; {_arms.described(training)}",
            "",
            *_arms.lines(rows, "SET"),
            "",
            f"![accuracy against weights](pictures/sparse_evolution_convolutions_{name}.png)",
        ]
    return "\n".join(lines)


def short(table: pd.DataFrame) -> str:
    """Return one sentence on what was found."""
    return f"Convolutional networks, test accuracy: {_arms.means(table)}."


def figures(table: pd.DataFrame, folder: str | os.PathLike[str]) -> dict[str, Figure]:
    """Return the figures of the section by the ends of the names of their files.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in; not read.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
    """
    return {
        f"convolutions_{name}": _arms.figure(_units.tested(rows)) for name, rows in table.groupby("data", sort=False)
    }
