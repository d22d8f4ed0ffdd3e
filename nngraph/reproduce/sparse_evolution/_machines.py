"""The Boltzmann machines of the study: their images, how they are trained, and which pixels their edges are at."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph import datasets
from nngraph._rng import child, generator, seed_sequence
from nngraph.io._atomic import replacing
from nngraph.reproduce.sparse_evolution import _units
from nngraph.sparse import BoltzmannMachine, erdos_renyi_mask, rewire

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_CHAINS", "SETTINGS", "Settings", "blind", "independent", "samples", "unit"]


FEWEST_CHAINS = 2.0
"""Effective number of chains below which an estimate rests on one of them."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all arms share."""

    data: str = "digits"
    n_train: int = 900
    n_validation: int = 296
    hidden: int = 250
    epsilon: float = 11.0
    epochs: int = 200
    batch: int = 50
    zeta: float = 0.3
    every: int = 100
    """Updates between rewirings."""
    settle: float = 0.2
    """Share of the epochs at the end with a tenth of the learning rate and without rewiring, in every arm."""
    temperatures: int = 2000
    chains: int = 64
    seed: int = 0
    rates: tuple[float, ...] = (0.002, 0.005, 0.02, 0.05, 0.15, 0.5)
    """Learning rates to choose from, by the validation log-likelihood of a machine of a seed of its own."""
    seeds: int = 5
    """Machines of each arm."""


SETTINGS = {
    "digits": Settings(),
    "fashion-mnist": Settings(
        "fashion-mnist",
        n_train=10_000,
        n_validation=2000,
        epochs=20,
        batch=100,
        rates=(0.005, 0.02),
        seeds=3,
    ),
}


def samples(settings: Settings, *, root: str | os.PathLike[str] | None = None) -> dict[str, np.ndarray]:
    """Return "train", "validation" and "test" images of 784 pixels, True where there is more than half of the ink.

    Parameters
    ----------
    settings : Settings
        Its data set and numbers of images.
    root : path, optional
        Folder of the files of the data set.

    Returns
    -------
    dict of str to (n, 784) bool array
        Training images and, of "digits", which has no published split, a random half of each class; those for
        validation are the first of the test half, or follow the training images where there are enough.

    Raises
    ------
    DatasetError
        If the files are not found.

    Examples
    --------
    >>> {name: len(x) for name, x in samples(SETTINGS["digits"]).items()}
    {'train': 900, 'validation': 296, 'test': 600}
    """
    task = datasets.load(settings.data, root=root, scaling="[0,1]").task(rng=settings.seed)
    draw = generator(child(seed_sequence(settings.seed), "images"))
    train, test = (x[draw.permutation(len(x))] > 0.5 for x in (task.x_train, task.x_test))
    cut = settings.n_train
    if len(train) >= cut + settings.n_validation:
        return {"train": train[:cut], "validation": train[cut : cut + settings.n_validation], "test": test}
    return {"train": train[:cut], "validation": test[: settings.n_validation], "test": test[settings.n_validation :]}


def independent(train: np.ndarray, x: np.ndarray) -> float:
    """Return the mean log-likelihood (nats) of samples if units were independent with the means of the training data.

    Parameters
    ----------
    train, x : (n, n_visible) bool arrays
        One is added to the counts of both states of each unit.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> round(independent(np.eye(2, dtype=bool), np.eye(2, dtype=bool)), 4)  # log(1/4)
    -1.3863
    """
    share = (train.sum(axis=0) + 1) / (len(train) + 2)
    return float(np.where(x, np.log(share), np.log1p(-share)).sum(axis=1).mean())


def unit(
    purpose: str,
    arm: str,
    seed: str,
    rate: float,
    *,
    settings: Settings,
    found: Mapping[str, np.ndarray],
    place: Path,
) -> pd.DataFrame:
    """Train a machine and estimate its log-likelihoods, or read what the folder has of it."""
    return _units.kept(
        _units.file_of(place, purpose, arm, seed, rate),
        lambda: _trained(purpose, arm, seed, rate, settings, found, place),
    )


def _support(settings: Settings, seed: str, n_visible: int = 784) -> np.ndarray:
    """Return the support from which the sparse machines of a seed start."""
    entropy = child(seed_sequence(settings.seed), "support", seed)
    return erdos_renyi_mask(settings.hidden, n_visible, settings.epsilon, rng=entropy)


def _trained(
    purpose: str, arm: str, seed: str, rate: float, settings: Settings, found: Mapping[str, np.ndarray], place: Path
) -> list[dict[str, Any]]:
    mask = _support(settings, seed)
    hidden = max(1, round(mask.sum() / mask.shape[1])) if arm == "dense, as many weights" else settings.hidden
    entropy = child(seed_sequence(settings.seed), "machine", seed)
    sparse = mask if arm in ("fixed mask", "SET") else None
    machine = BoltzmannMachine(mask.shape[1], hidden, mask=sparse, rng=entropy)
    zeta, every = (settings.zeta, settings.every) if arm == "SET" else (None, None)
    start, rows = time.process_time(), []
    settle = round(settings.settle * settings.epochs)
    marks = sorted({max(1, settings.epochs // 4), max(1, settings.epochs // 2), settings.epochs - settle})
    done = 0
    for mark in marks:
        machine.train(found["train"], epochs=mark - done, lr=rate, batch_size=settings.batch, zeta=zeta, every=every)
        done = mark
        if mark < settings.epochs - settle:
            rows.append(_scored(machine, settings, found, done))
    if settle:
        machine.train(found["train"], epochs=settle, lr=rate / 10, batch_size=settings.batch)
    rows.append(_scored(machine, settings, found, settings.epochs) | {"cpu_seconds": time.process_time() - start})
    if sparse is not None and purpose == "test":
        variance = found["train"].var(axis=0)
        core = machine.core().block(0)
        graph, core_degrees = machine.mask.sum(axis=0), np.bincount(core.edges().source, minlength=mask.shape[1])
        rows[-1] |= _pixels(graph, core_degrees, variance) | {"rewirings": machine.rewirings}
        if arm == "SET":
            with replacing(place / f"pixels_{seed}.npz") as file:
                np.savez_compressed(file, variance=variance, start=mask.sum(axis=0), graph=graph, core=core_degrees)
    named = {"purpose": purpose, "arm": arm, "seed": seed, "rate": rate, "hidden": hidden, "edges": machine.n_edges}
    return [named | row for row in rows]


def _scored(
    machine: BoltzmannMachine, settings: Settings, found: Mapping[str, np.ndarray], epoch: int
) -> dict[str, float]:
    """Return mean log-likelihoods, before the end of the training with a quarter of the temperatures.

    At the end the temperatures are 4, and then 16, times as many where the effective number of chains is too low.
    """
    for factor in (1, 4, 16) if epoch == settings.epochs else (0.25,):
        n_temperatures = max(1, round(factor * settings.temperatures))
        log_z = machine.log_partition(n_chains=settings.chains, n_temperatures=n_temperatures)
        if log_z.effective >= FEWEST_CHAINS:
            break
    values = {name: float(machine.log_likelihood(x, log_z).mean()) for name, x in found.items()}
    # no infinity in JSON: where all states are summed there are no chains
    sampled = {} if log_z.exact else {"effective": log_z.effective, "temperatures": n_temperatures}
    return {"epoch": epoch, **values, "error": log_z.error} | sampled


def _pixels(degrees: np.ndarray, core: np.ndarray, variance: np.ndarray) -> dict[str, float]:
    from scipy.stats import spearmanr

    half = np.argsort(-variance, kind="stable")[: len(variance) // 2]
    rows = {}
    for name, k in (("pixel", degrees), ("pixel_core", core)):
        rows[f"{name}_rho"] = float(spearmanr(k, variance).statistic)
        rows[f"{name}_share"] = float(k[half].sum() / k.sum())
    return rows


def blind(settings: Settings, seed: str, variance: np.ndarray) -> dict[str, Any]:
    """Rewire the initial support of a machine as often as training did, on weights drawn anew each time."""
    mask = core = _support(settings, seed)
    entropy = child(seed_sequence(settings.seed), "node-blind", seed)
    batches = -(-settings.n_train // settings.batch)
    times = (settings.epochs - round(settings.settle * settings.epochs)) * batches // settings.every
    for turn in range(times):
        drawn = generator(child(entropy, "weights", turn)).standard_normal(mask.shape, dtype=np.float32)
        step = rewire(drawn, mask, zeta=settings.zeta, rng=child(entropy, turn))
        mask, core = step.mask, step.core
    named = {"arm": "node-blind", "seed": seed, "hidden": settings.hidden, "edges": int(mask.sum())}
    return {**named, **_pixels(mask.sum(axis=0), core.sum(axis=0), variance), "rewirings": times}
