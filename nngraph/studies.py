"""Studies: train networks on tasks of different difficulty, perturb and randomise their graphs, keep every number."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph import _arguments, _parallel
from nngraph._rng import RNG, child, seed_record, seed_sequence
from nngraph._study_arguments import (
    FLIPPED,
    NOISE,
    PRUNED,
    described,
    named_metrics,
    named_nulls,
    named_ops,
    named_tasks,
)
from nngraph._tables import many
from nngraph._units import MakeTask, Plan, Training, Unit, run_unit
from nngraph.errors import ArgumentError, NNGraphError, StudyError
from nngraph.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from nngraph._blockwise import BiasPolicy
    from nngraph.datasets import Task
    from nngraph.evaluation import Metric

__all__ = ["FLIPPED", "NOISE", "PRUNED", "Study", "Training"]


_DESCRIBING = ("sigma_w", "chance", "n_classes", "flipped")  # metrics that need no evaluation


class Study:
    r"""Probe and randomise the networks of several tasks: one row for each measured number.

    For each task and seed a network is trained and becomes a graph. Each operation is applied over its grid, and the
    network is evaluated before ("full") and after ("signed") every weight is replaced by its sign. Each null model is
    drawn ``draws`` times from the network and, where "prune" is among the operations, ``draws`` times from the pruned
    network at each p: pruning comes first, and the null model keeps the support that it leaves, as published.

    Parameters
    ----------
    tasks : mapping of str to Task or callable, or sequence of Task
        A callable gets a seed sequence and returns the task of that seed, for data that are split at random. A task
        whose name starts with "easy" and one whose name starts with "hard" let the summary check the paper's claims.
    ops : sequence of str, or mapping
        Of "prune", "noise", "flip" (default: all three). A mapping gives for each name a grid of its own, or, for an
        operation of your own, ``f(G, rng) -> G`` or a pair of ``f(G, value, rng) -> G`` and its grid.
    nulls : sequence of str, or mapping
        Kinds of :func:`nngraph.nulls.randomize` (default A to G), or name to ``f(G, rng) -> G``.
    seeds : int
        Number of networks for each task.
    rng : None, int, SeedSequence or Generator
        Every random choice has a seed of its own, keyed by task, seed, operation, parameter and draw.
    draws : int
        Number of draws of each null model for each network.
    network : Training or torch.nn.Module
        How networks are trained; or a trained model, which is used as it is: seeds then vary the random draws only.
    metrics : sequence of str or callable, optional
        As in :func:`nngraph.evaluate`. By default accuracy, area under the ROC curve, cross-entropy and, for two
        classes, the accuracy with the threshold moved ("recalibrated").
    bias : "keep", "probe" or "zero", optional
        What operations do to biases: "keep" by default; "probe", the default with ``as_published``, changes them as the
        weights of one more input that is always 1, so that pruning removes biases too. The signed network takes the
        sign of its biases in any case, as the paper defines it; null models leave biases as they are.
    as_published : bool
        Select the best training step on the test set, let operations change biases as well, and fold accuracies
        below chance of two-class tasks, :math:`\max(a, 1-a)`, in figures and summary. Rows always hold the value as
        measured. By default the step is selected on a validation split, and nothing is folded.

    Notes
    -----
    The noise is drawn once for each network and amplitude. Pruning, flips and signs are deterministic; null models are
    sampled as :func:`nngraph.nulls.randomize` says. By default 649 graphs are evaluated for each network, 1.5 s in all
    for 784-64-2 and 180 test samples; with the 2,000 of a pair of Fashion-MNIST 5 s, beside 5 s of training, or 1.4 s
    with ``network=Training(every=10)``. A function of your own enters the settings of a folder by name only: give
    another folder when its code changes.

    The "flipped" metric of a row is the share of the
    edges present whose sign is opposite to that in the trained network; "sigma_w" is the standard deviation of all
    weights of the trained network, "chance" the share of the largest class, "n_classes" the number of classes.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import nngraph as nng
    >>> digits = nng.datasets.load("digits")
    >>> study = nng.Study({"easy {0,7}": lambda rng: digits.pair(0, 7, rng=rng)}, ops={"prune": [0, 0.5]}, nulls="B",
    ...                   seeds=1, draws=1, network=nng.studies.Training(hidden=(8,), epochs=1))
    >>> study
    Study: 1 task x 1 seed = 1 network, 9 graphs each, 9 evaluations
    """

    def __init__(
        self,
        tasks: Mapping[str, Task | MakeTask] | Sequence[Task],
        *,
        ops: Sequence[str] | Mapping[str, Any] = ("prune", "noise", "flip"),
        nulls: Sequence[str] | Mapping[str, Any] = "ABCDEFG",
        seeds: int = 12,
        rng: RNG = 0,
        draws: int = 3,
        network: Training | torch.nn.Module | None = None,
        metrics: Sequence[Metric] | Metric | None = None,
        bias: BiasPolicy | None = None,
        as_published: bool = False,
    ) -> None:
        for name, number in (("seeds", seeds), ("draws", draws)):
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
                raise ArgumentError(f"{name}: got {number!r}; expected an integer of at least 1.")
        if network is not None and not (isinstance(network, Training) or hasattr(network, "state_dict")):
            raise ArgumentError(f"network: got {network!r}; expected a Training or a trained torch.nn.Module.")
        if bias is None:
            bias = "probe" if as_published else "keep"
        if bias not in ("probe", "keep", "zero"):
            raise ArgumentError(f"bias: got {bias!r}; expected 'probe', 'keep' or 'zero'.")
        self.tasks = named_tasks(tasks)
        self.seeds = int(seeds)
        self.seed = seed_sequence(rng)
        self.bias = bias
        applied, self._ops = named_ops(ops, bias)
        drawn, self._nulls = named_nulls(nulls)
        self._plan = Plan(
            ops=applied,
            nulls=drawn,
            draws=int(draws),
            metrics=named_metrics(metrics),
            as_published=bool(as_published),
            network=Training() if network is None else network,
        )

    @property
    def n_units(self) -> int:
        """Number of networks: the pieces of work that are stored, and resumed, as a whole."""
        return len(self.tasks) * self.seeds

    @property
    def n_evaluations(self) -> int:
        """Number of graphs written back and evaluated over the whole study."""
        return self.n_units * self._plan.n_graphs

    def __repr__(self) -> str:
        return (
            f"Study: {many(len(self.tasks), 'task')} x {many(self.seeds, 'seed')} = {many(self.n_units, 'network')}, "
            f"{many(self._plan.n_graphs, 'graph')} each, {many(self.n_evaluations, 'evaluation')}"
        )

    def settings(self) -> dict[str, Any]:
        """Return what decides the numbers, as plain data: the folder of a study belongs to one such description."""
        plan = self._plan
        network = plan.network
        return {
            "seeds": self.seeds,
            "rng": seed_record(self.seed),
            "draws": plan.draws,
            "metrics": "default" if plan.metrics is None else [described(metric) for metric in plan.metrics],
            "as_published": plan.as_published,
            "bias": self.bias,
            "network": dataclasses.asdict(network) if isinstance(network, Training) else _model_hash(network),
            "ops": self._ops,
            "nulls": self._nulls,
            "tasks": {unit.task: _task_record(unit) for unit in self._units() if unit.seed == 0},
        }

    def _units(self) -> list[Unit]:
        return [
            Unit(f"{i:02d}-{_slug(task)}-{seed:03d}", task, seed, data, child(self.seed, "task", task, "seed", seed))
            for i, (task, data) in enumerate(self.tasks.items())
            for seed in range(self.seeds)
        ]

    def run(self, folder: str | os.PathLike[str], *, n_jobs: int = 1, figures: bool = True) -> pd.DataFrame:
        """Do what is missing in the folder, and return the whole table.

        Parameters
        ----------
        folder : path
            New, empty, or of a study of the same settings that was stopped: only networks without a finished part are
            done then. A network with a failed row is done again.
        n_jobs : int
            Number of processes, each on one thread; the table does not depend on it, bit for bit. Under
            ``joblib.parallel_config(backend="dask")``, or another cluster's backend, all workers of the cluster.
        figures : bool
            Whether to draw ``figures/*.png`` and ``*.pdf``.

        Returns
        -------
        pandas.DataFrame
            Columns task, seed, network (file), operation ("none" for the network as it is), parameter, form ("full" or
            "signed"), null (kind, or ""), draw, metric, value, status ("ok", "failed: " and the error, or "no draw: "
            where a null model has no other graph). The same table is written as ``results.parquet`` and
            ``results.csv``, with ``summary.md`` and, apart because they differ from run to run, ``timings.csv``.

        Raises
        ------
        StudyError
            If the folder is a file, cannot be written to, or belongs to other settings; if a process is killed; and,
            once the tables that say why are written, if every evaluation failed.

        Notes
        -----
        A process may be killed at any moment and two may work in the same folder: every file is renamed into place.
        The workers of a cluster have to see the folder; a network whose worker is lost is done by another.
        """
        from nngraph import reports

        _arguments.processes(n_jobs)
        store = Store(folder)
        given = None
        if not isinstance(self._plan.network, Training):
            from nngraph.convert.torch import from_torch

            given = from_torch(self._plan.network, conv="entry")  # before anything is written
        store.open(self.settings(), _versions())
        units = self._units()
        if given is not None:
            from nngraph.io.native import save

            save(given, store.folder / "networks" / "model.nngraph")
        todo = [unit for unit in units if not store.is_done(unit.name)]
        for _ in _parallel.unordered(
            run_unit, todo, (self._plan, store.folder.resolve()), folder=store.folder, n_jobs=n_jobs, label="networks"
        ):
            pass
        table = store.merge([unit.name for unit in units])
        reports.write(table, store.folder, fold=self._plan.as_published, figures=figures)
        failed = table.loc[table["status"] != "ok", "status"]
        if len(failed) and not (table["status"].eq("ok") & ~table["metric"].isin(_DESCRIBING)).any():
            raise StudyError(
                f"{store.folder}: every evaluation {failed.iloc[0].rstrip('.')}. All errors are in its tables."
            )
        return table


def _task_record(unit: Unit) -> dict[str, Any]:
    try:
        task = unit.load()
    except NNGraphError:
        raise
    except Exception as error:
        raise StudyError(f"task {unit.task!r}: cannot be loaded ({type(error).__name__}: {error}).") from error
    digest = hashlib.blake2b(digest_size=16)
    for array in (task.x_train, task.y_train, task.x_test, task.y_test):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(array.view(np.uint8).reshape(-1).data)
    return {**task.meta, "train": len(task.x_train), "test": len(task.x_test), "data": digest.hexdigest()}


def _model_hash(model: torch.nn.Module) -> str:
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from nngraph import __version__

    return {"nngraph": __version__, "torch": version("torch"), "numpy": version("numpy")}


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split())[:40]
