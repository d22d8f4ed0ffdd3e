"""What the paper does not vary: scale, layer, bias, order of edges; on trained networks and on their controls."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph import _parallel, nulls, ops
from nngraph._rng import child, generator
from nngraph._units import Training, Unit
from nngraph.errors import NullModelWarning
from nngraph.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.datasets import Task
    from nngraph.graph import NeuralGraph
    from nngraph.studies import Study

__all__ = ["CONTROLS", "FLIPS", "PRUNED", "measured", "untrained"]

CONTROLS = ("trained", "untrained", "shuffled")
"""Networks: of the study; the same ones at their initialisation; ones trained on labels in random order."""
PRUNED = (0.2, 0.4, 0.5, 0.6, 0.8)
FLIPS = (0.2, 0.25, 0.3, 0.35, 0.4)
_METRICS = ("accuracy", "auc", "recalibrated")
Point: TypeAlias = "tuple[str, float, str, str]"
Order: TypeAlias = Literal["smallest", "largest", "random"]
Make: TypeAlias = "Callable[[NeuralGraph, np.random.SeedSequence], NeuralGraph]"


def measured(study: Study, networks: Path, folder: Path, *, n: int, n_jobs: int = 1) -> pd.DataFrame:
    """Evaluate variants of the first networks of each task of a study, and of their controls.

    Parameters
    ----------
    study : Study
        One that was run, with networks trained by it.
    networks : path
        Its folder.
    folder : path
        For the results; networks that have theirs there are not evaluated again.
    n : int
        Networks for each task.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        The columns of a study. "network" is one of :data:`CONTROLS`; "operation" is "none", "scale" (signs times the
        mean magnitude of the block), "layer 0", "layer 1" (signs of that block alone), "bias zero", "bias kept", "bias
        drawn", "prune", "prune at random", "flip", "flip at random" or "noise" (parameter in units of sigma(w)). The
        metric "same sign" of "layer 0" is the share of its signs that are those at initialisation.
    """
    from nngraph.studies import _versions

    units = [unit for unit in study._units() if unit.seed < n]
    store = Store(folder)
    store.open({**study.settings(), "seeds": n, "variants": [list(point) for point in _points()]}, _versions())
    todo = [unit for unit in units if not store.is_done(unit.name)]
    training = study._plan.network
    assert isinstance(training, Training)
    common = (training, networks.resolve(), folder.resolve())
    for _ in _parallel.unordered(_part, todo, common, folder=folder, n_jobs=n_jobs, label="variants"):
        pass
    return store.merge([unit.name for unit in units])


def untrained(study: Study) -> tuple[str, bool]:
    """Tell the accuracy of the networks of a study before training, full and signed, and whether a full one has any.

    Returns
    -------
    text : str
        Medians with intervals, in percent.
    as_well : bool
        Whether the interval of some task's full networks lies more than 10 points above chance.
    """
    from nngraph.convert.torch import from_torch
    from nngraph.evaluation import Evaluator
    from nngraph.reproduce.probes.judging import medians, spread

    training = study._plan.network
    assert isinstance(training, Training)
    texts, as_well = [], False
    for name in study.tasks:
        values: list[list[float]] = []
        chance = 0.0
        for unit in study._units():
            if unit.task == name:
                task = unit.load()
                first = training.network(task, child(unit.rng, "network"))
                G = from_torch(first)
                with Evaluator(first, (task.x_test, task.y_test), ("accuracy",)) as evaluator:
                    forms = (G, ops.binarize(G, bias="probe"))
                    values.append([100 * float(value) for H in forms for _, value, _ in evaluator.attempt(H)])
                chance = max(chance, 100 * task.chance)
        full, signed = (medians(column) for column in np.array(values).T)
        as_well = as_well or full[1] > chance + 10
        texts.append(f"{name}: full {spread(*full)}, signed {spread(*signed)}")
    return f"untrained, {'; '.join(texts)}", as_well


def _part(unit: Unit, training: Training, networks: Path, folder: Path) -> None:
    from nngraph.training import single_thread

    with single_thread():
        rows = list(_rows(unit, training, networks))
    Store(folder).write_part(unit.name, rows, {})


def _rows(unit: Unit, training: Training, networks: Path) -> Iterator[dict[str, object]]:
    from nngraph.convert.torch import from_torch
    from nngraph.evaluation import Evaluator
    from nngraph.io.native import load

    task = unit.load()
    first = training.network(task, child(unit.rng, "network"))
    order = generator(child(unit.rng, "labels")).permutation(len(task.y_train))
    shuffled: Task = dataclasses.replace(task, y_train=task.y_train[order])
    graphs = {
        "trained": load(networks / "networks" / f"{unit.name}.nngraph"),
        "untrained": from_torch(first),
        "shuffled": from_torch(training(shuffled, child(unit.rng, "shuffled"))),
    }
    with Evaluator(first, (task.x_test, task.y_test), _METRICS) as evaluator:
        for name in CONTROLS:
            keys = {"task": unit.task, "seed": unit.seed, "network": name, "draw": 0}
            G = graphs[name]
            for layer, (a, b) in enumerate(zip(G.blocks, graphs["untrained"].blocks, strict=True)):
                same = float(np.mean(np.sign(a.dense()) == np.sign(b.dense())))
                key = {"operation": f"layer {layer}", "parameter": 0.0, "form": "full", "null": ""}
                yield keys | key | {"metric": "same sign", "value": same, "status": "ok"}
            for (operation, parameter, form, null), make in _points().items():
                H = make(G, child(unit.rng, "variant", name, operation, parameter, null))
                key = {"operation": operation, "parameter": parameter, "form": form, "null": null}
                for metric, value, status in evaluator.attempt(H):
                    yield keys | key | {"metric": metric, "value": float(value), "status": status}


def _points() -> dict[Point, Make]:
    """Return the variants: operation, parameter, form and null model, and how each is made."""
    points: dict[Point, Make] = {
        ("bias kept", 0.0, "signed", ""): lambda G, seed: ops.binarize(G),
        ("scale", 0.0, "signed", ""): lambda G, seed: ops.binarize(G, scale="mean_abs"),
        ("layer 0", 0.0, "signed", ""): lambda G, seed: ops.binarize(G, blocks=0, bias="probe"),
        ("layer 1", 0.0, "signed", ""): lambda G, seed: ops.binarize(G, blocks=1, bias="probe"),
    }
    in_both_forms: dict[tuple[str, float], Make] = {
        ("none", 0.0): lambda G, seed: G,
        ("bias zero", 0.0): lambda G, seed: ops.prune(G, 0, bias="zero"),
        ("bias drawn", 0.0): _other_biases,
    }
    for p in PRUNED:
        in_both_forms["prune", p] = _pruned(p, "smallest")
        in_both_forms["prune at random", p] = _pruned(p, "random")
    for q in FLIPS:
        in_both_forms["flip", q] = _flipped(q, "smallest")
        in_both_forms["flip at random", q] = _flipped(q, "random")
    for times in (0.5, 1.0, 2.0):
        in_both_forms["noise", times] = _noisy(times)
    for point, make in in_both_forms.items():
        points[*point, "full", ""] = make
        points[*point, "signed", ""] = _signed(make)
    for kind in "ABCDEFG":
        points["none", 0.0, "full", kind] = functools.partial(_drawn, kind)
    return points


def _signed(make: Make) -> Make:
    return lambda G, seed: ops.binarize(make(G, seed), bias="probe")


def _pruned(p: float, order: Order) -> Make:
    return lambda G, seed: ops.prune(G, p, order=order, rng=seed)


def _flipped(q: float, order: Order) -> Make:
    return lambda G, seed: ops.flip_signs(G, q, order=order, rng=seed)


def _noisy(times: float) -> Make:
    return lambda G, seed: ops.add_noise(G, times * float(G.weights().std(dtype=np.float64)), rng=seed)


def _drawn(kind: str, G: NeuralGraph, seed: np.random.SeedSequence) -> NeuralGraph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NullModelWarning)  # a small block may leave a null model one state
        return nulls.randomize(G, kind, rng=seed)


def _other_biases(G: NeuralGraph, seed: np.random.SeedSequence) -> NeuralGraph:
    """Draw every bias anew as at initialisation, which the published code does before each probe."""
    blocks = []
    for block in G.blocks:
        draw = generator(child(seed, "bias", block.name))
        bound = 1 / np.sqrt(block.n_source)
        new = draw.uniform(-bound, bound, size=block.n_target).astype(block.values.dtype)
        blocks.append(block if block.bias is None else block.replace(bias=new))
    return G.replace_blocks(blocks)
