"""The unit of work of a study: one network, trained, saved, perturbed, randomised and measured."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph._rng import child
from nngraph.errors import ArgumentError, NullModelError
from nngraph.store import Store

if TYPE_CHECKING:
    import torch

    from nngraph.datasets import Task
    from nngraph.evaluation import Evaluator, Metric
    from nngraph.graph import NeuralGraph

_ALONE = threading.Lock()  # torch's number of threads and its generators belong to the process, not to a thread

Operation: TypeAlias = "Callable[[NeuralGraph, float, np.random.SeedSequence], NeuralGraph]"
Randomization: TypeAlias = "Callable[[NeuralGraph, np.random.SeedSequence], NeuralGraph]"
MakeTask: TypeAlias = "Callable[[np.random.SeedSequence], Task]"
Row: TypeAlias = dict[str, object]


@dataclasses.dataclass(frozen=True)
class Training:
    """How the networks of a study are trained: one multilayer perceptron for each task and seed.

    Adam, cross-entropy and a cosine schedule; see :func:`nngraph.train`.
    """

    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    bias: bool = True
    epochs: int = 10
    lr: float = 0.01
    batch_size: int | None = None
    """None: 16 below 1,000 training samples, else 128."""
    select: Literal["best", "last"] = "best"
    """The step with the highest accuracy on a fifth of the training samples held out, or the last step."""
    every: int = 1
    """Steps between two evaluations on the samples held out."""

    def __post_init__(self) -> None:
        sizes = [*self.hidden, self.epochs, self.every, *([] if self.batch_size is None else [self.batch_size])]
        if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1 for n in sizes):
            raise ArgumentError(
                f"training: got hidden={self.hidden}, epochs={self.epochs}, batch_size={self.batch_size}, "
                f"every={self.every}; expected integers of at least 1."
            )
        if self.activation not in ("relu", "tanh", "sigmoid"):
            raise ArgumentError(f"activation: got {self.activation!r}; expected 'relu', 'tanh' or 'sigmoid'.")
        if not 0 < self.lr < np.inf:
            raise ArgumentError(f"lr: got {self.lr!r}; expected a positive number.")

    def __call__(self, task: Task, seed: np.random.SeedSequence, *, on_test: bool = False) -> torch.nn.Module:
        """Return a network trained on the task; ``on_test`` selects the best step on the test set, as published."""
        from nngraph.training import train

        return train(
            self.network(task, seed),
            task.x_train,
            task.y_train,
            epochs=self.epochs,
            lr=self.lr,
            batch_size=self.samples_a_step(task),
            validation=(task.x_test, task.y_test) if on_test else 0.2 if self.select == "best" else None,
            select="best" if on_test else self.select,
            every=self.every,
            rng=child(seed, "training"),
        ).model

    def network(self, task: Task, seed: np.random.SeedSequence) -> torch.nn.Sequential:
        """Return a network with the initial weights that belong to the seed."""
        from nngraph.training import mlp

        sizes = [task.x_train.shape[1], *self.hidden, task.n_classes]
        return mlp(sizes, activation=self.activation, bias=self.bias, rng=child(seed, "initial weights"))

    def samples_a_step(self, task: Task) -> int:
        """Return the number of samples in a batch."""
        return self.batch_size or (16 if len(task.x_train) < 1000 else 128)


@dataclasses.dataclass(frozen=True)
class Unit:
    """A task and a seed: what is done, stored and resumed as a whole."""

    name: str
    task: str
    seed: int
    data: Task | MakeTask
    rng: np.random.SeedSequence

    def load(self) -> Task:
        """Return the task, which may depend on the seed."""
        from nngraph.datasets import Task

        task = self.data(child(self.rng, "data")) if callable(self.data) else self.data
        if not isinstance(task, Task):
            raise ArgumentError(f"task {self.task!r}: got {type(task).__name__} from its function; expected a Task.")
        return task


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is done to every network."""

    ops: Mapping[str, tuple[Operation, tuple[float, ...]]]
    nulls: Mapping[str, Randomization]
    draws: int
    metrics: tuple[Metric, ...] | None
    as_published: bool
    network: Training | torch.nn.Module

    @property
    def n_graphs(self) -> int:
        """Number of graphs that are evaluated for one network."""
        pruned = len(self.ops["prune"][1]) if "prune" in self.ops else 0
        return 2 + 2 * sum(len(grid) for _, grid in self.ops.values()) + len(self.nulls) * self.draws * (1 + pruned)


def run_unit(unit: Unit, plan: Plan, folder: Path) -> None:
    """Train, or take, one network, save it, measure everything, and store the rows as one part."""
    from nngraph.convert.torch import from_torch
    from nngraph.io.native import save
    from nngraph.training import single_thread

    store = Store(folder)
    if store.is_done(unit.name):  # by another process, since the list was made
        return
    keys: Row = {"task": unit.task, "seed": unit.seed, "network": ""}
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    try:
        with _ALONE, single_thread():
            task = unit.load()
            if isinstance(plan.network, Training):
                name = f"networks/{unit.name}.nngraph"
                model = plan.network(task, child(unit.rng, "network"), on_test=plan.as_published)
                G = from_torch(model)
                save(G, folder / name)
            else:
                name, model = "networks/model.nngraph", plan.network
                G = from_torch(model, conv="entry")
            keys["network"] = name
            seconds["network"] = time.perf_counter() - start
            rows = list(_measured(unit, plan, task, model, G))
            seconds["evaluations"] = time.perf_counter() - start - seconds["network"]
    except Exception as error:  # one network that cannot be trained must not cost the others
        rows = [_row(("none", 0.0), "full", ("", 0), "", float("nan"), _failed(error))]
    store.write_part(unit.name, [{**keys, **row} for row in rows], seconds)


def _measured(unit: Unit, plan: Plan, task: Task, model: torch.nn.Module, G: NeuralGraph) -> Iterator[Row]:
    """Yield the rows of one network, always in the same order."""
    from nngraph.evaluation import Evaluator

    weights = G.weights().astype(np.float64)
    for metric, value in (
        ("sigma_w", weights.std() if len(weights) else float("nan")),
        ("chance", task.chance),
        ("n_classes", task.n_classes),
    ):
        yield _row(("none", 0.0), "full", ("", 0), metric, value)
    signs = [np.sign(block.dense()) for block in G.blocks]
    metrics = plan.metrics
    data = (task.x_test, task.y_test)
    if metrics is None:
        with Evaluator(model, data) as first:  # a model of the user's own may have more outputs than there are classes
            two = first.outputs(G).shape[1] == 2
        metrics = ("accuracy", "auc", *(("recalibrated",) if two else ()), "cross_entropy")
    with Evaluator(model, data, metrics) as evaluator:
        score = functools.partial(_scored, evaluator, signs)
        yield from score(("none", 0.0), ("", 0), ("full", "signed"), lambda: G)
        for name, (apply, grid) in plan.ops.items():
            for value in grid:
                make = functools.partial(apply, G, value, child(unit.rng, "operation", name, value))
                yield from score((name, value), ("", 0), ("full", "signed"), make)
        apply, grid = plan.ops.get("prune", (_itself, ()))
        for kind, randomize in plan.nulls.items():
            for draw in range(plan.draws):
                seed = child(unit.rng, "null", kind, draw)
                yield from score(("none", 0.0), (kind, draw), ("full",), functools.partial(randomize, G, seed))
                for value in grid:  # the pruned network is randomised, as published, not the randomised one pruned
                    at = child(seed, "prune", value)
                    make = functools.partial(_pruned_then, randomize, functools.partial(apply, G, value, at), at)
                    yield from score(("prune", value), (kind, draw), ("full",), make)


def _itself(G: NeuralGraph, value: float, seed: np.random.SeedSequence) -> NeuralGraph:
    return G


def _pruned_then(
    randomize: Randomization, pruned: Callable[[], NeuralGraph], seed: np.random.SeedSequence
) -> NeuralGraph:
    return randomize(pruned(), seed)


def _scored(
    evaluator: Evaluator,
    signs: Sequence[np.ndarray],
    point: tuple[str, float],
    null: tuple[str, int],
    forms: Sequence[str],
    make: Callable[[], NeuralGraph],
) -> Iterator[Row]:
    """Yield the rows of one graph, as it is and signed; what fails is a row that says so."""
    from nngraph import ops

    try:
        graph = make()
        for form in forms:
            for metric, value, status in evaluator.attempt(
                graph if form == "full" else ops.binarize(graph, bias="probe")
            ):
                yield _row(point, form, null, metric, value, status)
            if form == "full":
                yield _row(point, form, null, "flipped", _flipped(graph, signs))
    except NullModelError as error:  # deterministic: no other graph keeps what the null model keeps
        yield _row(point, forms[0], null, "", float("nan"), f"no draw: {error}")
    except Exception as error:  # one graph that cannot be made must not cost the others
        yield _row(point, forms[0], null, "", float("nan"), _failed(error))


def _flipped(H: NeuralGraph, signs: Sequence[np.ndarray]) -> float:
    """Return the share of the edges present whose sign is opposite to the one in the trained network."""
    opposite = sum(int(np.count_nonzero(block.dense() * sign < 0)) for block, sign in zip(H.blocks, signs, strict=True))
    return opposite / H.n_edges if H.n_edges else float("nan")


def _failed(error: Exception) -> str:
    return f"failed: {' '.join(str(error).split()) or type(error).__name__}"


def _row(
    point: tuple[str, float], form: str, null: tuple[str, int], metric: str, value: float, status: str = "ok"
) -> Row:
    return {
        "operation": point[0],
        "parameter": point[1],
        "form": form,
        "null": null[0],
        "draw": null[1],
        "metric": metric,
        "value": float(value),
        "status": status,
    }
