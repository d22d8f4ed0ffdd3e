"""Every training of the study, one file each, so that a run that was stopped goes on."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nngraph import datasets
from nngraph._folders import opened
from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.errors import StudyError
from nngraph.io._atomic import replacing
from nngraph.reproduce.capacitance import backbones
from nngraph.reproduce.capacitance.candidates import FAMILY, N_PROBE, RECORDED, Candidate, Samples, fit
from nngraph.reproduce.layer_groups import vision
from nngraph.training import single_thread

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SIZES", "TASKS", "Plan", "made", "samples_of", "stored", "train"]

TASKS = {"fashion-mnist": (5000, 1000, 10_000), "digits": (699, 200, 898), "colour-patches": (3000, 1000, 1000)}
"""Samples for training, validation and test."""
FROZEN = (1500, 500, 1000)
"""At most so many of them on frozen backbones."""
SIZES = (250, 1000)
"""Training samples of the first task in the study of how many are needed, besides all."""
FOLDER = Path(__file__).parent
TABLES = ("runs.csv", "trajectories.csv")
RUN = ("part", "task", "candidate", "kind", "seed", "n_train", "n_parameters", "final", "seconds")
ROW = ("epoch", "beta_eff", "accuracy", "loss", "probe_accuracy", "status", "absolute", "hessian")
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained; by default what the page is about."""

    family: Mapping[str, Candidate] = dataclasses.field(default_factory=lambda: dict(FAMILY))
    tasks: Mapping[str, tuple[int, int, int]] = dataclasses.field(default_factory=lambda: dict(TASKS))
    """The first has every seed and every size; the others one seed."""
    only_frozen: Sequence[str] = ("colour-patches",)
    """Of these, the ones on which the family is not trained."""
    frozen: tuple[int, int, int] = FROZEN
    sizes: Sequence[int] = SIZES
    seeds: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"MLP": 3, "CNN": 2})
    recorded: Sequence[int] = RECORDED
    n_probe: int = N_PROBE

    @property
    def settings(self) -> dict[str, Any]:
        """What results hang on, for the file of settings of a folder."""
        return dataclasses.asdict(self) | {"probe": dataclasses.asdict(backbones.PROBE)}


@dataclasses.dataclass(frozen=True)
class Unit:
    """One training."""

    part: str
    task: str
    candidate: str
    seed: int
    n_train: int

    @property
    def file(self) -> str:
        """Name of its file."""
        return re.sub(r"[^A-Za-z0-9]+", "-", f"{self.part} {self.task} {self.n_train} {self.candidate} {self.seed}")


def made(folder: Path) -> Path:
    """Make a folder, or say why nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "no permission"
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise StudyError(f"{folder}: cannot be written ({reason}); pass another folder.")
    return folder


def samples_of(task: str, n: Sequence[int], *, root: str | os.PathLike[str] | None = None) -> Samples:
    """Return images as (n, channels, height, width) in [-1, 1], in random order, none of which a stored network saw.

    Parameters
    ----------
    task : "fashion-mnist", "digits" or "colour-patches"
        Of Fashion-MNIST those of the training images that the stored ResNet9 was not trained on; digits are split at
        random; validation patches share pixels with training ones, those for testing do not.
    n : three integers
        Samples for training, validation and test.
    root : path, optional
        Folder of the files of Fashion-MNIST.
    """
    found = datasets.load(task, root=root, download=False)
    network = vision.NETWORKS["fashion-mnist"]
    key = "training images" if task == network.data_set else "capacitance"
    order = generator(child(seed_sequence(network.seed), key)).permutation(len(found.labels))
    own = order[network.n_train if task == network.data_set else 0 :]
    shape = (-1, *([1] * (len(found.image_shape) == 2)), *found.image_shape)
    images = found.images.reshape(shape)
    first, second, third = n[0], n[0] + n[1], sum(n)
    train, validation = own[:first], own[first:second]
    if found.test_images is None or found.test_labels is None:
        test = (images[own[second:third]], found.labels[own[second:third]])
    else:
        test = (found.test_images.reshape(shape)[: n[2]], found.test_labels[: n[2]])
    pairs = [(images[rows], found.labels[rows]) for rows in (train, validation)]
    return Samples(pairs[0], pairs[1], test, len(found.class_names))


def train(
    out: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    texts: str | os.PathLike[str] | None = None,
    plan: Plan | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every network of a plan and keep the way of each; what the folder has is not trained again.

    Parameters
    ----------
    out : path
        Folder; gets a file for each training, and runs.csv and trajectories.csv at the end. One that has been finished
        without texts gets that part alone when they are given.
    root : path, optional
        Folder of the files of Fashion-MNIST.
    texts : path, optional
        Where the rated snippets are; without them the part on texts is left out.
    plan : Plan, optional
        What is trained.

    Returns
    -------
    runs : pandas.DataFrame
        run, part ("family", "size", "frozen"), task, candidate, kind, seed, n_train, n_parameters, final.
    trajectories : pandas.DataFrame
        run, epoch, beta_eff, accuracy, loss, probe_accuracy, status, absolute, hessian.

    Raises
    ------
    StudyError
        If the folder holds results of another plan, or cannot be written.
    """
    plan = plan or Plan()
    folder = opened(made(Path(out)), plan.settings)
    known = _read(folder) if all((folder / name).exists() for name in TABLES) else None
    if known is not None and (texts is None or (known[0]["task"] == backbones.TEXTS).any()):
        return known
    (folder / "runs").mkdir(exist_ok=True)
    with single_thread():
        if known is None:
            _images(folder, plan, root)
        if texts is not None:
            _frozen(folder, plan, backbones.TEXTS, backbones.texts(texts, n=plan.frozen))
    return _gathered(folder, without=() if texts is not None else (backbones.TEXTS,))


def _images(folder: Path, plan: Plan, root: str | os.PathLike[str] | None) -> None:
    """Train all that sees images."""
    for at, task in enumerate(task for task in plan.tasks if task not in plan.only_frozen):
        _family(folder, plan, task, samples_of(task, plan.tasks[task], root=root), first=at == 0)
    for task, n in plan.tasks.items():
        fewer = [min(pair) for pair in zip(n, plan.frozen, strict=True)]
        names = [name for name, net in vision.NETWORKS.items() if not task == net.data_set == "colour-patches"]
        _frozen(folder, plan, task, backbones.images(samples_of(task, fewer, root=root), names=names))


def stored() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of :func:`train` that come with the package.

    Examples
    --------
    >>> runs, trajectories = stored()
    >>> len(runs) == trajectories["run"].nunique()
    True
    """
    return _read(FOLDER)


def _family(folder: Path, plan: Plan, task: str, samples: Samples, *, first: bool) -> None:
    """Train the family on one task, with every seed and size if it is the first."""
    n_all = len(samples.train[1])
    everything = ("frozen", "absolute", "hessian")
    jobs = [
        (Unit("family", task, name, seed, n_all), everything if first and not seed else ("frozen",))
        for name, candidate in plan.family.items()
        for seed in range(plan.seeds[candidate.kind] if first else 1)
    ]
    if first:
        jobs += [(Unit("size", task, name, 0, n), ("frozen",)) for n in plan.sizes for name in plan.family]
    for unit, variants in progress(jobs, total=len(jobs), label=task):
        _kept(folder, plan, unit, plan.family[unit.candidate], samples.first(unit.n_train), variants)


def _frozen(folder: Path, plan: Plan, task: str, given: Iterator[tuple[str, Samples]]) -> None:
    """Train the probe network on each of some features of one task."""
    for name, samples in given:
        _kept(folder, plan, Unit("frozen", task, name, 0, len(samples.train[1])), backbones.PROBE, samples, ("frozen",))


def _kept(
    folder: Path, plan: Plan, unit: Unit, candidate: Candidate, samples: Samples, variants: Sequence[str]
) -> None:
    """Train one network, unless its file is there."""
    file = folder / "runs" / f"{unit.file}.json"
    if file.exists():
        return
    # one seed for all sizes of a training set: the same weights at the start
    seed = child(seed_sequence(unit.seed), "capacitance", unit.part == "frozen", unit.task, unit.candidate)
    started = time.process_time()
    found = fit(candidate, samples, seed, variants=variants, recorded=plan.recorded, n_probe=plan.n_probe)
    found |= dataclasses.asdict(unit) | {"kind": candidate.kind if unit.part != "frozen" else "probe network"}
    with replacing(file) as content:
        content.write((json.dumps(found | {"seconds": time.process_time() - started}) + "\n").encode())
    log.info("%s: %.3f", unit.file, found["final"])


def _gathered(folder: Path, *, without: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the two tables of all trainings but those of some tasks, and return them as they can be read.

    A part that was stopped midway stays out until it is asked for again. Numbers are written with four digits.
    """
    import pandas as pd

    runs, rows = [], []
    whole = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "runs").glob("*.json"))]
    for number, found in enumerate(one for one in whole if one["task"] not in without):
        rows += [{"run": number, **row} for row in found.pop("rows")]
        runs.append({"run": number, **{name: found[name] for name in RUN}})
    trajectories = pd.DataFrame(rows, columns=["run", *ROW])
    for table, name in zip((pd.DataFrame(runs), trajectories), TABLES, strict=True):
        with replacing(folder / name) as content:
            content.write(table.to_csv(index=False, float_format="%.4g").encode())
    return _read(folder)


def _read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    runs, trajectories = (pd.read_csv(folder / name) for name in TABLES)
    return runs, trajectories
