"""The unit of work of task complexity: some networks of one task, trained together, perturbed and scored."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nngraph import _parallel
from nngraph._complexity_tasks import Given, Score, Source, record
from nngraph._rng import child, generator, seed_record
from nngraph._units import Operation, Randomization, Row, Training, _failed, _row, _scored
from nngraph.errors import ArgumentError, ConvergenceError, NNGraphError
from nngraph.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from nngraph.datasets import Task
    from nngraph.evaluation import Metric
    from nngraph.graph import NeuralGraph

__all__ = ["CHUNK", "Networks", "Plan", "measure", "run"]

CHUNK = 10
"""Networks of a task that are one unit of work: enough to train together, few enough to lose if a process is killed."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is done to every network."""

    training: Training
    ops: Mapping[str, tuple[Operation, tuple[float, ...]]]
    nulls: Mapping[str, Randomization]
    draws: int
    metrics: tuple[Metric, ...] | None
    fresh_biases: bool
    device: str | None

    @property
    def n_graphs(self) -> int:
        """Number of graphs that are scored for one network."""
        return 2 + sum(len(grid) for _, grid in self.ops.values()) + len(self.nulls) * self.draws


@dataclasses.dataclass(frozen=True)
class Networks:
    """A task and some of its seeds: what is done, stored and resumed as a whole."""

    name: str
    source: Source
    seeds: tuple[int, ...]
    rng: tuple[np.random.SeedSequence, ...]


class _Scorer(Protocol):
    """What scores graph after graph."""

    def attempt(self, G: NeuralGraph) -> Iterator[tuple[str, float, str]]: ...


class _ByScore:
    """Scores a model with the weights of each graph by a function of the user's own."""

    def __init__(self, model: torch.nn.Module, score: Score) -> None:
        self._model, self._score = model, score
        self._name = getattr(score, "__name__", type(score).__name__)

    def attempt(self, G: NeuralGraph) -> Iterator[tuple[str, float, str]]:
        from nngraph.convert.torch import applied

        try:
            with applied(G, self._model):
                value = float(self._score(self._model))
            if not math.isfinite(value):
                raise NNGraphError(f"the score {self._name} returned {value}; expected a finite number.")
        except Exception as error:
            yield self._name, math.nan, _failed(error)
            return
        yield self._name, value, "ok"


def measure(
    folder: Path,
    sources: Sequence[Source],
    seeds: int,
    seed: np.random.SeedSequence,
    plan: Plan,
    *,
    settings: Mapping[str, Any],
    n_jobs: int,
) -> pd.DataFrame:
    """Do what is missing in the folder, and return the rows of all networks."""
    from nngraph.studies import _slug, _versions

    store = Store(folder)
    store.open({**settings, "seeds": seeds, "rng": seed_record(seed), "tasks": record(sources)}, _versions())
    units = []
    for i, source in enumerate(sources):
        n = len(source.data.models) if isinstance(source.data, Given) else seeds
        for start in range(0, n, CHUNK):
            chosen = tuple(range(start, min(start + CHUNK, n)))
            children = tuple(child(seed, "task", source.name, "seed", s) for s in chosen)
            units.append(Networks(f"{i:03d}-{_slug(source.name)}-{start:03d}", source, chosen, children))
    todo = [unit for unit in units if not store.is_done(unit.name)]
    common = (plan, store.folder.resolve())
    for _ in _parallel.unordered(run, todo, common, folder=store.folder, n_jobs=n_jobs, label="tasks"):
        pass
    return store.merge([unit.name for unit in units])


def run(unit: Networks, plan: Plan, folder: Path) -> None:
    """Train, or take, the networks of a unit, score each in every way, and store the rows as one part."""
    from nngraph.training import single_thread

    store = Store(folder)
    if store.is_done(unit.name):  # by another process, since the list was made
        return
    rows: list[Row] = []
    start = time.perf_counter()
    seconds = {"networks": 0.0}
    measure = _of_given if isinstance(unit.source.data, Given) else _of_trained
    with single_thread():
        for seed, made in measure(unit, plan, seconds):
            keys: Row = {"task": unit.source.name, "seed": seed, "network": ""}
            try:
                rows += [{**keys, **row} for row in made()]
            except Exception as error:  # one network that fails must not cost the others
                rows.append({**keys, **_row(("none", 0.0), "full", ("", 0), "", math.nan, _failed(error))})
    seconds["evaluations"] = time.perf_counter() - start - seconds["networks"]
    store.write_part(unit.name, rows, seconds)


_Made = Callable[[], "list[Row]"]


def _of_given(unit: Networks, plan: Plan, seconds: dict[str, float]) -> Iterator[tuple[int, _Made]]:
    from nngraph.convert.torch import from_torch

    given = unit.source.data
    assert isinstance(given, Given)

    def rows(model: torch.nn.Module, rng: np.random.SeedSequence) -> list[Row]:
        G = from_torch(model, conv="entry")
        facts = {"chance": given.chance}
        if isinstance(given.score, tuple):
            labels = np.asarray(given.score[1])
            if labels.ndim == 1 and labels.dtype.kind in "iub" and labels.min() >= 0:
                counts = np.bincount(labels)
                facts = {"chance": float(counts.max() / len(labels)), "n_classes": float(len(counts))}
            return list(_on_samples(model, given.score, G, plan, rng, facts))
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            return list(_measured(_ByScore(model, given.score), G, plan, rng, facts))
        finally:
            for module, training in modes.items():
                module.training = training

    for seed, rng in zip(unit.seeds, unit.rng, strict=True):
        yield seed, functools.partial(rows, given.models[seed], rng)


def _of_trained(unit: Networks, plan: Plan, seconds: dict[str, float]) -> Iterator[tuple[int, _Made]]:
    from nngraph.convert.torch import from_torch

    start = time.perf_counter()
    tasks = _loaded(unit)
    models = _trained(tasks, [child(rng, "network") for rng in unit.rng], plan)
    seconds["networks"] = time.perf_counter() - start

    def rows(task: Task | Exception, model: torch.nn.Module | Exception, rng: np.random.SeedSequence) -> list[Row]:
        if isinstance(task, Exception):
            raise task
        if isinstance(model, Exception):
            raise model
        if plan.fresh_biases:
            _draw_biases(model, child(rng, "biases"))
        facts = {"chance": task.chance, "n_classes": float(task.n_classes)}
        return list(_on_samples(model, (task.x_test, task.y_test), from_torch(model), plan, rng, facts))

    for seed, rng, task, model in zip(unit.seeds, unit.rng, tasks, models, strict=True):
        yield seed, functools.partial(rows, task, model, rng)


def _loaded(unit: Networks) -> list[Task | Exception]:
    tasks: list[Task | Exception] = []
    for rng in unit.rng:
        if unit.source.fixed and tasks:
            tasks.append(tasks[0])
            continue
        try:
            tasks.append(unit.source.load(rng))
        except Exception as error:
            tasks.append(error)
    return tasks


def _trained(
    tasks: Sequence[Task | Exception], seeds: Sequence[np.random.SeedSequence], plan: Plan
) -> list[torch.nn.Module | Exception]:
    """Train the networks of all seeds at once; one that cannot be trained gives its error."""
    from nngraph.many_trainings import train_many

    good = [(task, seed) for task, seed in zip(tasks, seeds, strict=True) if not isinstance(task, Exception)]
    models: list[torch.nn.Module | Exception] = []
    try:
        runs = train_many(
            [task for task, _ in good], [seed for _, seed in good], training=plan.training, device=plan.device
        )
        models = [run.model for run in runs]
    except (ConvergenceError, ArgumentError):  # of one of them: find out of which
        for task, seed in good:
            try:
                models.append(plan.training(task, seed))
            except (ConvergenceError, ArgumentError) as error:
                models.append(error)
    made = iter(models)
    return [task if isinstance(task, Exception) else next(made) for task in tasks]


def _draw_biases(model: torch.nn.Module, seed: np.random.SeedSequence) -> None:
    """Give every layer the biases of an untrained one, as the published probes did, which did not store biases."""
    import torch

    draw = generator(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Linear) and module.bias is not None:
                bound = 1 / math.sqrt(module.in_features)
                module.bias.copy_(torch.from_numpy(draw.uniform(-bound, bound, module.out_features)))


def _on_samples(
    model: torch.nn.Module,
    data: tuple[np.ndarray, np.ndarray],
    G: NeuralGraph,
    plan: Plan,
    rng: np.random.SeedSequence,
    facts: Mapping[str, float],
) -> Iterator[Row]:
    from nngraph.evaluation import Evaluator

    metrics = plan.metrics
    if metrics is None:
        with Evaluator(model, data, device=plan.device) as first:  # which need not have an output for each class
            two = first.outputs(G).shape[1:] == (2,)
        metrics = ("accuracy", "auc", *(("recalibrated",) if two else ()))
    with Evaluator(model, data, metrics, device=plan.device) as evaluator:
        yield from _measured(evaluator, G, plan, rng, facts)


def _measured(
    scorer: _Scorer, G: NeuralGraph, plan: Plan, rng: np.random.SeedSequence, facts: Mapping[str, float]
) -> Iterator[Row]:
    """Yield the rows of one network, those of :class:`nngraph.Study` as far as complexity is made of them."""
    weights = G.weights().astype(np.float64)
    for name, value in {"sigma_w": weights.std() if len(weights) else math.nan, **facts}.items():
        yield _row(("none", 0.0), "full", ("", 0), name, float(value))
    signs = [np.sign(block.dense()) for block in G.blocks]
    score = functools.partial(_scored, scorer, signs)  # type: ignore[arg-type]
    yield from score(("none", 0.0), ("", 0), ("full", "signed"), lambda: G)
    for name, (apply, grid) in plan.ops.items():
        for value in grid:
            make = functools.partial(apply, G, value, child(rng, "operation", name, value))
            yield from score((name, value), ("", 0), ("signed",), make)
    for kind, randomize in plan.nulls.items():
        for draw in range(plan.draws):
            seed = child(rng, "null", kind, draw)
            yield from score(("none", 0.0), (kind, draw), ("full",), functools.partial(randomize, G, seed))
