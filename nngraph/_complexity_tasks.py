"""What the complexity is measured of: pairs of classes, tasks, functions that make one, trained models with a score."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nngraph._rng import child
from nngraph._study_arguments import described, named_tasks
from nngraph._units import MakeTask, Unit
from nngraph.datasets import Dataset, Task
from nngraph.errors import ArgumentError
from nngraph.image_distances import RANGES, ssim_distance, ssim_distances

if TYPE_CHECKING:
    import pandas as pd
    import torch

__all__ = ["Given", "Pair", "Rescaled", "Source", "distances", "named_sources", "other_range", "record"]

Score: TypeAlias = "Callable[[torch.nn.Module], float]"


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """Two classes of a data set as a task, made when it is asked for: all pairs at once would not fit in memory."""

    dataset: Dataset
    a: str
    b: str

    def __call__(self, seed: np.random.SeedSequence) -> Task:
        return self.dataset.pair(self.a, self.b, rng=seed)


@dataclasses.dataclass(frozen=True, eq=False)
class Rescaled:
    """A task with its inputs in the other range, [0, 1] against [-1, 1]."""

    data: Task | MakeTask

    def __call__(self, seed: np.random.SeedSequence) -> Task:
        task = self.data(seed) if callable(self.data) else self.data
        low, high = _limits(task)
        name = other_range(task)
        to_low, to_high = RANGES[name]
        factor = (to_high - to_low) / (high - low if high > low else 1.0)

        def moved(x: np.ndarray) -> np.ndarray:
            result: np.ndarray = (x - low) * factor + to_low
            return result.astype(x.dtype if x.dtype.kind == "f" else np.float32, copy=False)

        return dataclasses.replace(
            task, x_train=moved(task.x_train), x_test=moved(task.x_test), meta={**task.meta, "scaling": name}
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """Trained models of one task, and how well one works: a score, or samples for the metrics."""

    models: tuple[torch.nn.Module, ...]
    score: Score | tuple[Any, Any]
    chance: float = float("nan")


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A task by name: what it is made of, and its two classes where it is a pair of a data set."""

    name: str
    data: Task | MakeTask | Given
    classes: tuple[str, str] = ("", "")

    @property
    def fixed(self) -> bool:
        """Whether every seed has the same samples."""
        inner = self.data.data if isinstance(self.data, Rescaled) else self.data
        return isinstance(inner, Task) or (isinstance(inner, Pair) and inner.dataset.test_images is not None)

    def load(self, seed: np.random.SeedSequence) -> Task:
        """Return the task of one seed, or raise where nothing can be learned from it."""
        if isinstance(self.data, Given):
            raise ArgumentError(f"task {self.name!r}: has models that are trained; there are no samples to load.")
        task = Unit("", self.name, 0, self.data, seed).load()
        for half in ("train", "test"):
            x, y = getattr(task, f"x_{half}"), getattr(task, f"y_{half}")
            _check_finite(f"task {self.name!r}", f"x_{half}", x)
            if y.min() == y.max():
                raise ArgumentError(
                    f"task {self.name!r}: got labels of the one class {y[0]} in y_{half}; expected two classes or more."
                )
        return task


def other_range(task: Task) -> str:
    """Return the scaling that inputs have not: "[0,1]" where they go below 0, else "[-1,1]"."""
    return "[0,1]" if _limits(task)[0] < 0 else "[-1,1]"


def named_sources(tasks: Any) -> list[Source]:
    """Return what to measure, by name, or say what is wrong with it."""
    if isinstance(tasks, Dataset):
        names = tasks.class_names
        return _pairs(tasks, [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]])
    if isinstance(tasks, tuple) and len(tasks) == 2 and isinstance(tasks[0], Dataset):
        return _pairs(*tasks)
    if isinstance(tasks, Mapping) and (given := {name: v for name, v in tasks.items() if isinstance(v, tuple)}):
        rest = {name: task for name, task in tasks.items() if name not in given}
        trained = {str(name): Source(str(name), _given(str(name), value)) for name, value in given.items()}
        made = {name: Source(name, task) for name, task in named_tasks(rest).items()} if rest else {}
        if len(named := {**trained, **made}) < len(tasks):
            raise ArgumentError(f"tasks: got {len(tasks)} with {len(named)} names; expected each with its own.")
        return [named[str(name)] for name in tasks]
    sources = [Source(name, task) for name, task in named_tasks(tasks).items()]
    for source in sources:
        source.load(np.random.SeedSequence(0))
    return sources


def distances(
    sources: Sequence[Source], n: int, seed: np.random.SeedSequence
) -> tuple[pd.DataFrame | None, dict[str, float]]:
    """Return the SSIM distances of classes, where tasks are pairs of a data set, and that of each task of images."""
    pairs = {source.name: source.data for source in sources if isinstance(source.data, Pair)}
    whole, found = None, {}
    if pairs and n and next(iter(pairs.values())).dataset.image_shape is not None:
        dataset = next(iter(pairs.values())).dataset
        whole = ssim_distances(dataset, [(pair.a, pair.b) for pair in pairs.values()], n=n, rng=seed)
        found = {name: float(whole.loc[pair.a, pair.b]) for name, pair in pairs.items()}
    for source in sources if n else ():
        if isinstance(source.data, (Pair, Given)):
            continue
        task = source.load(child(seed, "ssim"))
        shape = task.meta.get("image_shape")
        if task.n_classes == 2 and isinstance(shape, tuple):
            low, high = _limits(task)
            a, b = (task.x_train[task.y_train == label].reshape(-1, *shape) for label in (0, 1))
            found[source.name] = ssim_distance(a, b, data_range=high - low, n=n, rng=child(seed, "ssim", source.name))
    return whole, found


def _pairs(dataset: Dataset, pairs: Iterable[Sequence[int | str]]) -> list[Source]:
    for field in ("images", "test_images"):
        if getattr(dataset, field) is not None:
            _check_finite(dataset.name, field, getattr(dataset, field))
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ArgumentError(f"pairs: got {pairs!r}; expected a list of pairs of classes, as [(0, 7), (1, 8)].")
    sources: list[Source] = []
    seen: set[frozenset[str]] = set()
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ArgumentError(f"pairs: got {pair!r}; expected two classes, as (0, 7).")
        a, b = (dataset.class_names[dataset._label(key)] for key in pair)
        if a == b:
            raise ArgumentError(f"pairs: got the class {a!r} twice in one pair; expected two different classes.")
        for key in (a, b):
            label = dataset.class_names.index(key)
            for where, labels in (("labels", dataset.labels), ("test_labels", dataset.test_labels)):
                if labels is not None and not np.any(labels == label):
                    raise ArgumentError(
                        f"{dataset.name}: got no sample of the class {key!r} in {where}; leave its pairs out."
                    )
        if {a, b} in seen:
            raise ArgumentError(f"pairs: got {a!r} and {b!r} more than once; expected each pair once.")
        seen.add(frozenset((a, b)))
        sources.append(Source(f"{dataset.name} {a}-{b}", Pair(dataset, a, b), (a, b)))
    if not sources:
        raise ArgumentError("pairs: got none; expected at least one pair of classes, as [(0, 7)].")
    return sources


def _given(name: str, value: tuple[Any, ...]) -> Given:
    import torch

    expected = (
        "expected (model, score) or (model, (x, y)), with a trained torch module or a list of them, and, third, the "
        "score of an answer by chance if you know it."
    )
    if not 2 <= len(value) <= 3:
        raise ArgumentError(f"task {name!r}: got {len(value)} things; {expected}")
    models, score, chance = (*value, float("nan"))[:3]
    models = (models,) if isinstance(models, torch.nn.Module) else models
    if not isinstance(models, Sequence) or not models or not all(isinstance(m, torch.nn.Module) for m in models):
        raise ArgumentError(f"task {name!r}: got {type(models).__name__} for the model; {expected}")
    if not callable(score) and not (isinstance(score, tuple) and len(score) == 2):
        raise ArgumentError(f"task {name!r}: got {type(score).__name__} for the score; {expected}")
    if not isinstance(chance, (int, float)) or isinstance(chance, bool):
        raise ArgumentError(f"task {name!r}: got {chance!r} for chance; expected a number.")
    if not callable(score):
        for part in score[:1]:
            for key, x in part.items() if isinstance(part, Mapping) else (("x", part),):
                _check_finite(f"task {name!r}", key, np.asarray(x))
    return Given(tuple(models), score, float(chance))


def _limits(task: Task) -> tuple[float, float]:
    """Return the lowest and the highest input: of the scaling where it is known, else of the training samples."""
    known = RANGES.get(str(task.meta.get("scaling")))
    return known or (float(task.x_train.min()), float(task.x_train.max()))


def _check_finite(where: str, name: str, x: np.ndarray) -> None:
    # the sum is finite if all are, and adding is several times faster than testing each
    if x.dtype.kind == "f" and not np.isfinite(x.sum(dtype=np.float64)) and not np.isfinite(x).all():
        bad = int(np.count_nonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1)))
        raise ArgumentError(
            f"{where}: got NaN or infinite inputs in {name}, in {bad:,} of {len(x):,} samples; expected finite "
            "numbers. Leave these samples out or fill them in."
        )


def record(sources: Sequence[Source]) -> dict[str, Any]:
    """Return what the tasks are, as plain data, for the settings of a folder."""
    from nngraph.studies import _task_record

    digests: dict[int, str] = {}
    found: dict[str, Any] = {}
    for source in sources:
        data = source.data.data if isinstance(source.data, Rescaled) else source.data
        if isinstance(data, Pair):
            if id(data.dataset) not in digests:
                digests[id(data.dataset)] = _digest(data.dataset)
            found[source.name] = {"data": digests[id(data.dataset)], "classes": [data.a, data.b]}
        elif isinstance(data, Given):
            found[source.name] = _given_record(data)
        else:
            found[source.name] = _task_record(Unit("", source.name, 0, data, np.random.SeedSequence(0)))
    return found


def _digest(dataset: Dataset) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(dataset.scaling.encode())
    for array in (dataset.images, dataset.labels, dataset.test_images, dataset.test_labels):
        if array is not None:
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)
    return digest.hexdigest()


def _given_record(given: Given) -> dict[str, Any]:
    from nngraph._folders import digest_of

    score = described(given.score) if callable(given.score) else "samples"
    return {"models": [digest_of(model) for model in given.models], "score": score, "chance": str(given.chance)}
