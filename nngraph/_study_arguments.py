"""What a study is given, checked and named: tasks, operations with their grids, null models, metrics."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._units import MakeTask
from nngraph.errors import ArgumentError, NullModelWarning
from nngraph.metrics import METRICS

if TYPE_CHECKING:
    from nngraph._blockwise import BiasPolicy
    from nngraph.datasets import Task
    from nngraph.evaluation import Metric
    from nngraph.graph import NeuralGraph

PRUNED = (*(round(0.05 * i, 2) for i in range(20)), 0.97, 0.99)
"""Fractions p of the edges of each block removed: 0, 0.05, ..., 0.95, 0.97, 0.99."""
NOISE = tuple(float(a) for a in np.logspace(-10, 0, 30, base=2))
"""Amplitudes a of the uniform noise: 30 points from 2**-10 to 1, evenly spaced on a log scale."""
FLIPPED = tuple(float(q) for q in np.linspace(0, 1, 30))
"""Fractions q of the edges of each block whose sign is flipped: 30 points from 0 to 1."""


def named_tasks(tasks: Mapping[str, Task | MakeTask] | Sequence[Task]) -> dict[str, Task | MakeTask]:
    """Return the tasks of a study by name, or say what is wrong with them."""
    from nngraph.datasets import Task

    if not isinstance(tasks, (Mapping, Sequence)):
        raise ArgumentError(
            f"tasks: got {type(tasks).__name__}; expected a list of tasks, or a mapping of names to tasks."
        )
    for task in tasks.values() if isinstance(tasks, Mapping) else tasks:
        if not (isinstance(task, Task) or (callable(task) and isinstance(tasks, Mapping))):
            raise ArgumentError(
                f"tasks: got {type(task).__name__} among them; expected a Task or, in a mapping, a function of a seed "
                "that returns one."
            )
    named: dict[str, Task | MakeTask] = {}
    named.update(
        {str(name): task for name, task in tasks.items()}
        if isinstance(tasks, Mapping)
        else {task.name: task for task in tasks}
    )
    if not named or len(named) != len(tasks):
        raise ArgumentError(
            f"tasks: got {len(tasks)} with {len(named)} names; expected one or more, each with its own."
        )
    return named


def named_ops(ops: Sequence[str] | Mapping[str, Any], bias: BiasPolicy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return for each operation f(G, value, seed) with its grid, and its description."""
    from nngraph.ops import add_noise, flip_signs, prune

    builtin = {
        "prune": (lambda G, p, seed: prune(G, p, bias=bias), PRUNED),
        "noise": (lambda G, a, seed: add_noise(G, a, bias=bias, rng=seed), NOISE),
        "flip": (lambda G, q, seed: flip_signs(G, q, bias=bias), FLIPPED),
    }
    named: dict[str, tuple[Any, tuple[float, ...]]] = {}
    records: dict[str, Any] = {}
    if isinstance(ops, str):
        ops = (ops,)
    for name, given in (ops if isinstance(ops, Mapping) else dict.fromkeys(ops)).items():
        does = "nngraph"
        if callable(given):
            named[name] = (lambda G, value, seed, f=given: f(G, rng=seed), (0.0,))
            does = described(given)
        elif isinstance(given, tuple) and len(given) == 2 and callable(given[0]):
            named[name] = (lambda G, value, seed, f=given[0]: f(G, value, rng=seed), _grid(name, given[1]))
            does = described(given[0])
        elif name in builtin:
            largest = np.inf if name == "noise" else 1.0
            named[name] = (builtin[name][0], builtin[name][1] if given is None else _grid(name, given, largest))
        else:
            raise ArgumentError(
                f"ops: got {name!r}; expected one of {', '.join(map(repr, builtin))}, or a mapping from a name of your "
                "own to f(G, rng) or to a pair (f(G, value, rng), grid)."
            )
        records[name] = {"function": does, "grid": list(named[name][1])}
    return named, records


def _grid(name: str, values: Sequence[float], largest: float | None = None) -> tuple[float, ...]:
    """Check a grid; that of an operation of ours runs from 0 to ``largest``."""
    try:
        grid = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        grid = ()
    if not grid or len(set(grid)) != len(grid) or not np.isfinite(grid).all():
        raise ArgumentError(f"ops: got the grid {values!r} for {name!r}; expected finite numbers, each once.")
    if largest is not None and not (min(grid) >= 0 and max(grid) <= largest):
        raise ArgumentError(f"ops: got the grid {values!r} for {name!r}; expected numbers from 0 to {largest:g}.")
    return grid


def named_metrics(metrics: Sequence[Metric] | Metric | None) -> tuple[Metric, ...] | None:
    """Return the metrics of a study, None for the default, or say which is unknown."""
    if metrics is None:
        return None
    listed: tuple[Metric, ...] = (metrics,) if isinstance(metrics, str) or callable(metrics) else tuple(metrics)
    for metric in listed:
        if not callable(metric) and metric not in METRICS:
            raise ArgumentError(
                f"metrics: got {metric!r}; expected a function (outputs, y) -> float or one of "
                f"{', '.join(map(repr, METRICS))}."
            )
    if not listed:
        raise ArgumentError(
            "metrics: got none; expected at least one, for example 'accuracy', or None for the default."
        )
    return listed


def named_nulls(nulls: Sequence[str] | Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return for each null model f(G, seed), and its description."""
    from nngraph.nulls import kept

    if isinstance(nulls, Mapping):
        named = {name: lambda G, seed, f=draw: f(G, rng=seed) for name, draw in nulls.items()}
        return named, {name: described(draw) for name, draw in nulls.items()}
    for kind in nulls:
        kept(kind)  # raises for a kind that does not exist
    return {kind: partial(_drawn, kind) for kind in nulls}, dict.fromkeys(nulls, "nngraph")


def _drawn(kind: str, G: NeuralGraph, seed: np.random.SeedSequence) -> NeuralGraph:
    """Draw from a null model; a block that what is kept pins down keeps its signs, and a study has many such blocks."""
    from nngraph.nulls import randomize

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NullModelWarning)
        return randomize(G, kind, rng=seed)


def described(function: Any) -> str:
    """Name a function of the user, or a metric: by name only, as code cannot be compared."""
    if isinstance(function, str):
        return function
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"
