"""The pairs of classes that the paper calls easy and hard, and what is asked of each data set."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nngraph.datasets import Dataset, Task, load

if TYPE_CHECKING:
    import numpy as np

    from nngraph._units import MakeTask
    from nngraph.reproduce.ledger import Context

__all__ = ["LABELS", "PAIRS", "data_of", "named", "pair_tasks"]

PAIRS: dict[str, dict[str, tuple[int, int]]] = {
    "digits": {"easy": (0, 7), "hard": (1, 8)},
    "fashion-mnist": {"easy": (3, 2), "hard": (3, 1)},
    "mnist": {"easy": (0, 7), "hard": (7, 9)},
}
"""As published for the last two; for digits those of our own that behave alike."""
LABELS = {"digits": "digits (canvas)", "fashion-mnist": "Fashion-MNIST", "mnist": "MNIST"}
"""Of data sets, as rows of the ledger name them."""


def data_of(context: Context, full: str) -> str:
    """Return the data set that was asked for, else the embedded digits at quick and ``full`` at full scale."""
    return context.data or ("digits" if context.scale == "quick" else full)


def named(data: str, *, root: str | None = None, scaling: str = "[-1,1]") -> Dataset:
    """Load a data set without asking the network for it."""
    return load(data, root=root, scaling=scaling, download=False)  # type: ignore[arg-type]


def pair_tasks(dataset: Dataset, pairs: Mapping[str, tuple[int, int]] | None = None) -> dict[str, Task | MakeTask]:
    """Return two-class tasks by name, "easy {0,7}"; where there is no published split each seed has one of its own.

    Parameters
    ----------
    dataset : Dataset
        One of those in PAIRS, unless ``pairs`` is given.
    pairs : mapping of str to two labels, optional
        What names start with, and the classes; by default the easy and the hard pair.
    """
    tasks: dict[str, Task | MakeTask] = {}
    for role, pair in (PAIRS[dataset.name] if pairs is None else pairs).items():
        names = [dataset.class_names[label] for label in pair]
        short = all(len(name) == 1 for name in names)
        name = f"{role} " + ("{" + ",".join(names) + "}" if short else "/".join(names))
        if dataset.test_images is None:
            tasks[name] = functools.partial(_split, dataset, pair)
        else:
            tasks[name] = dataclasses.replace(dataset.pair(*pair), name=name)
    return tasks


def _split(dataset: Dataset, pair: tuple[int, int], rng: np.random.SeedSequence) -> Task:
    return dataset.pair(*pair, rng=rng)
