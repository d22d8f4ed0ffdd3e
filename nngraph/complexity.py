"""Task complexity: what trained networks lose when magnitudes are taken away, or shuffled within their signs."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph import _arguments
from nngraph._complexity_scaling import Found, ScalingCheck, compared, sentence
from nngraph._complexity_tables import FACTS, Estimates, around, estimates, spearman, table
from nngraph._complexity_tasks import Given, Pair, Rescaled, Source, distances, named_sources
from nngraph._complexity_units import Plan, measure
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._study_arguments import described, named_metrics, named_nulls, named_ops
from nngraph._tables import many
from nngraph._units import Training
from nngraph.errors import ArgumentError, ComplexityWarning, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.evaluation import Metric

__all__ = ["Complexity", "Correlation", "Probes", "ScalingCheck", "task_complexity"]

FEWEST = 5
"""Tasks below which there is no rank correlation: of four, even a perfect order is one in 24."""
_LOSSES = ("cross_entropy", "mse")
NULLS = ("B", "E", "F", "signed_configuration", "configuration")
Column = str | tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probes:
    """What is done to every network, and how its scores are summed up."""

    nulls: Sequence[str] | Mapping[str, Any] = NULLS
    """Null models, as for :class:`nngraph.Study`; each gives a gap of its own."""
    draws: int = 3
    """Draws of each null model for each network."""
    ops: Sequence[str] | Mapping[str, Any] = ("prune", "noise", "flip")
    """Of these, each over its grid, p*, a* and q* are read; () for none. A mapping gives grids of your own."""
    metrics: Sequence[Metric] | Metric | None = None
    """By default accuracy, area under the ROC curve and, for two outputs, accuracy with the threshold moved."""
    fold: bool | None = None
    """Replace medians a of two-class tasks by max(a, 1 - a); None: only with ``as_published``."""
    n_boot: int = 1000
    """Resamples of the networks behind each interval."""
    ssim: int = 10_000
    """Pairs of images for the SSIM distance of each pair of classes; 0: none."""


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of two columns over tasks, with its bootstrap interval."""

    x: Column
    y: Column
    rho: float
    low: float
    high: float
    tasks: int
    """Number of tasks that have both."""
    resampled: Literal["seeds", "tasks", "both"]

    def __str__(self) -> str:
        if self.tasks < FEWEST:
            return f"none: {many(self.tasks, 'task')}; it takes {FEWEST}"
        what = {"seeds": "networks", "tasks": "tasks", "both": "networks and tasks"}[self.resampled]
        return f"{self.rho:.2f} ({self.low:.2f} to {self.high:.2f} over {what}, {many(self.tasks, 'task')})"


@dataclasses.dataclass(frozen=True, eq=False)
class Complexity:
    """Gaps, transitions and peaks of tasks. Made by :func:`task_complexity`."""

    table: pd.DataFrame
    """One row for each task and metric: task, a, b (the two classes of a pair), metric, seeds (networks that have a
    score), chance, then medians, each with the ends of its interval as _low and _high: sigma_w, full, signed, gap_bin,
    gap_B and so on, each gap also _normalized, p_star, a_star, a_star_over_sigma, q_star; collapsed (how many networks
    p_star is of); gap_bin_other_scaling; ssim; status. Shares lie in [0, 1]."""
    values: pd.DataFrame
    """Every score, as in the table of a study: task, seed, operation, parameter, form, null, draw, metric, value."""
    scaling: ScalingCheck | None
    ssim: pd.DataFrame | None
    """(class, class) SSIM distances, within a class on the diagonal; None where inputs are no images."""
    classes: tuple[str, ...]
    """Names of the classes of the pairs, in the order of their data set; empty for other tasks."""
    _estimates: Mapping[tuple[str, str], Estimates]
    _seed: np.random.SeedSequence

    def __repr__(self) -> str:
        tasks, metrics = self.table["task"].nunique(), list(dict.fromkeys(self.table["metric"]))
        gaps = [name for name in self.table if name.startswith("gap_") and f"{name}_low" in self.table]
        named = ", ".join(name for name in gaps if not name.endswith(("_normalized", "_scaling")))
        seeds = many(int(self.table["seeds"].max()), "seed")
        return f"Complexity: {many(tasks, 'task')} x {seeds}, {', '.join(metrics)}; {named}"

    def correlation(
        self, x: Column, y: Column, *, metric: str = "accuracy", resample: Literal["seeds", "tasks", "both"] = "seeds"
    ) -> Correlation:
        """Return Spearman's correlation of two columns over the tasks.

        Parameters
        ----------
        x, y : str or (metric, column)
            Columns of :attr:`table` that have an interval, or "ssim".
        metric : str
            Of columns given without one.
        resample : "seeds", "tasks" or "both"
            What the interval is about: other networks of the same tasks, other tasks with the same medians, or both.
            All pairs of classes are no sample of pairs; pairs that share a class are no independent ones.

        Returns
        -------
        Correlation

        Raises
        ------
        ArgumentError
            If there is no such column or metric.

        Notes
        -----
        NaN for fewer than five tasks. The interval is symmetric about rho: as wide as 95 % of the resamples are near.
        Medians of resampled networks scatter more than medians, which lowers a correlation; percentiles of the
        resamples would lie low, often below rho itself.
        """
        _arguments.choice("resample", resample, ("seeds", "tasks", "both"))
        first, second = (self._numbers(column, metric) for column in (x, y))
        have = np.isfinite(first[0]) & np.isfinite(second[0])
        n_boot, n_tasks = len(first) - 1, int(have.sum())
        first, second = first[:, have], second[:, have]
        if n_tasks < FEWEST:
            return Correlation(x, y, math.nan, math.nan, math.nan, n_tasks, resample)
        rho = float(spearman(first[:1], second[:1])[0])
        rows = np.arange(1, n_boot + 1) if resample != "tasks" else np.zeros(n_boot, dtype=int)
        draw = generator(child(self._seed, "correlation"))
        taken = np.broadcast_to(np.arange(n_tasks), (n_boot, n_tasks))
        if resample != "seeds":
            taken = draw.integers(n_tasks, size=(n_boot, n_tasks))
        low, high = around(rho, spearman(first[rows[:, None], taken], second[rows[:, None], taken]))
        return Correlation(x, y, rho, low, high, n_tasks, resample)

    def _numbers(self, column: Column, metric: str) -> np.ndarray:
        """Return the (1 + n_boot, tasks) values of a column."""
        metric, name = column if isinstance(column, tuple) else (metric, column)
        rows = self.table[self.table["metric"] == metric]
        if not len(rows):
            known = ", ".join(map(repr, dict.fromkeys(self.table["metric"])))
            raise ArgumentError(f"metric: got {metric!r}; the table has {known}.")
        found = [self._estimates[task, metric].get(name) for task in rows["task"]]
        n_boot = next(len(values) for values in self._estimates[rows["task"].iloc[0], metric].values())
        if any(values is not None for values in found):
            return np.column_stack([np.full(n_boot, np.nan) if v is None else v for v in found])
        if name != "ssim" or name not in rows:
            raise ArgumentError(
                f"column: got {name!r}; expected one with an interval, such as 'gap_bin', or 'ssim' of images."
            )
        return np.broadcast_to(rows[name].to_numpy(dtype=float), (n_boot, len(rows)))

    def matrix(self, column: str, *, metric: str = "accuracy") -> pd.DataFrame:
        """Return a column by class and class, for pairs of a data set; symmetric, NaN where nothing was measured.

        Parameters
        ----------
        column : str
            Of :attr:`table`.
        metric : str
            One of those measured.

        Returns
        -------
        pandas.DataFrame
            (class, class). The diagonal is NaN but for "ssim".

        Raises
        ------
        ArgumentError
            If there is no such column or metric, or tasks are no pairs of classes.
        """
        import pandas as pd

        rows = self.table[(self.table["metric"] == metric) & (self.table["a"] != "")]
        if column not in self.table or not len(rows):
            raise ArgumentError(
                f"matrix: got column {column!r} and metric {metric!r}; expected a column of the table and a metric "
                "that was measured, of pairs of classes of a data set."
            )
        if column == "ssim" and self.ssim is not None:
            return self.ssim
        square = pd.DataFrame(np.nan, index=self.classes, columns=self.classes)
        for a, b, value in zip(rows["a"], rows["b"], rows[column], strict=True):
            square.loc[a, b] = square.loc[b, a] = value
        return square


def task_complexity(
    tasks: Any,
    *,
    seeds: int = 10,
    rng: RNG = 0,
    training: Training | None = None,
    probes: Probes | None = None,
    as_published: bool = False,
    scaling_seeds: int = 5,
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
    device: str | None = None,
) -> Complexity:
    r"""Measure how complex tasks are: how much of the accuracy hangs on the magnitudes of weights.

    .. math:: \mathrm{gap}_\mathrm{bin} = \operatorname{med}_s a(W_s) - \operatorname{med}_s a(\operatorname{sgn} W_s),
        \qquad \mathrm{gap}_B = \operatorname{med}_s a(W_s) - \operatorname{med}_{s,d} a(B_d(W_s))

    over networks s and draws d of the null model B, which shuffles magnitudes among the edges of each sign; the same
    for other null models. Normalised, a gap is divided by what the full network has above chance.

    Parameters
    ----------
    tasks : Dataset, (Dataset, pairs), mapping or sequence of Task, or mapping of trained models
        A data set stands for all pairs of its classes, ``(dataset, [(0, 7), (1, 8)])`` for some of them. A mapping may
        hold functions of a seed that return a Task, as for :class:`nngraph.Study`; and ``(model, score)``, with
        score(model) -> float, or ``(model, (x, y))``, where model is a trained torch module of any kind or a list of
        several, the networks of that task. A third entry is the score of an answer by chance.
    seeds : int
        Networks to train for each task. One gives no intervals.
    rng : None, int, SeedSequence or Generator
        Every random choice has a seed of its own, keyed by task, seed, null model and draw.
    training : Training, optional
        How networks are trained.
    probes : Probes, optional
        Null models and draws, operations and grids, metrics, resamples, folding.
    as_published : bool
        As the published code does: weights after the last step, with biases drawn anew as it did not store them,
        operations that change biases like weights, and medians folded at one half. By default the step is selected
        on held-out training samples, biases are the trained ones, operations leave them, and nothing is folded.
    scaling_seeds : int
        Networks for each task that are trained on the inputs in the other range, [0, 1] against [-1, 1] (of a task
        without a known range: the range of its training samples moved there by an affine map), to see whether the
        order of the tasks depends on it; 0: not checked.
    folder : path, optional
        Keep finished networks there, and go on from them.
    n_jobs : int
        Number of processes, each on one thread; results do not depend on it.
    device : str, optional
        Where to train and evaluate, for example "cuda".

    Returns
    -------
    Complexity

    Raises
    ------
    ArgumentError
        If an argument is wrong: a class that does not exist, inputs that are not finite, one class, no such device.
    StudyError
        If the folder belongs to other settings, or every score failed.

    Warns
    -----
    ComplexityWarning
        If pairs of tasks change their order by gap_bin with the range of the inputs.

    Notes
    -----
    Signs, pruning and flips are deterministic; null models are sampled as :func:`nngraph.nulls.randomize` says, noise
    once for each network and amplitude. By default 99 graphs are scored for each network. Intervals are of a bootstrap
    that resamples networks and, within each, draws: 95 % percentiles from six networks on; with fewer, the smallest and
    the largest resample, the range of the networks and no 95 % interval. Spearman's correlations take five tasks, and
    reversals five networks in both ranges. A score that fails is a row of its own in ``values`` and named in the column
    status; what is there is used.

    p* is the p at which a signed network that has collapsed (nearer to chance than to the full network) is halfway up
    under pruning, if that raises it by a point at least; a* and q* are where the median of the signed networks peaks
    under noise and flips, where that is a point above its start.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import nngraph as nng
    >>> digits = nng.datasets.load("digits")
    >>> network = nng.studies.Training(hidden=(8,), epochs=1)
    >>> few = nng.complexity.Probes(nulls="B", ops=(), ssim=0)
    >>> nng.task_complexity((digits, [(0, 7), (1, 8)]), seeds=2, training=network, probes=few, scaling_seeds=0)
    Complexity: 2 tasks x 2 seeds, accuracy, auc, recalibrated; gap_bin, gap_B
    """
    training, probes = (Training() if training is None else training), (Probes() if probes is None else probes)
    for name, value, kind in (("training", training, Training), ("probes", probes, Probes)):
        if not isinstance(value, kind):
            raise ArgumentError(f"{name}: got {type(value).__name__}; expected {kind.__name__}(...).")
    if probes.fold is not None:
        _arguments.flag("fold", probes.fold)
    _arguments.whole("seeds", seeds)
    _arguments.whole("scaling_seeds", scaling_seeds, 0)
    _arguments.processes(n_jobs)
    sources, seed = named_sources(tasks), seed_sequence(rng)
    plan, settings = _planned(training, probes, device, as_published=as_published)
    fold = as_published if probes.fold is None else probes.fold
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nngraph-"))
        values = measure(Path(folder), sources, seeds, seed, plan, settings=settings, n_jobs=n_jobs)
        other = None
        moved = [dataclasses.replace(s, data=Rescaled(s.data)) for s in sources if not isinstance(s.data, Given)]
        if scaling_seeds and moved:
            bare = dataclasses.replace(plan, ops={}, nulls={})
            note = {**settings, "ops": {}, "nulls": {}, "inputs": "in the other range"}
            at = Path(folder) / "other_scaling"
            other = measure(at, moved, scaling_seeds, seed, bare, settings=note, n_jobs=n_jobs)
    _check_scored(values)
    boot: dict[str, Any] = {"fold": fold, "n_boot": probes.n_boot, "rng": seed}
    here, there = estimates(values, **boot), {} if other is None else estimates(other, **boot)
    matrix, distance = distances(sources, probes.ssim, seed)
    rows = table(values, here, {source.name: source.classes for source in sources}, there, distance)
    scaling = None if other is None else compared(here, there, other, scaling_seeds, FEWEST)
    result = Complexity(
        rows,
        values.drop(columns="network"),
        scaling,
        matrix,
        _classes(sources),
        _with_other(here, there),
        seed,
    )
    if scaling is not None and scaling.reversed:
        warnings.warn(sentence(scaling, result.table), ComplexityWarning, stacklevel=2)
    return result


def _planned(
    training: Training, probes: Probes, device: str | None, *, as_published: bool
) -> tuple[Plan, dict[str, Any]]:
    """Return what is done to every network, and the same as plain data."""
    _arguments.flag("as_published", as_published)
    _arguments.whole("n_boot", probes.n_boot)
    _arguments.whole("draws", probes.draws)
    _arguments.whole("ssim", probes.ssim, 0)
    if device is not None:
        from nngraph._tensors import usable_device

        usable_device(device)
    if as_published:
        training = dataclasses.replace(training, select="last")
    ops, op_records = named_ops(probes.ops, "probe" if as_published else "keep")
    nulls, null_records = named_nulls((probes.nulls,) if probes.nulls in NULLS else probes.nulls)
    metrics = named_metrics(probes.metrics)
    for metric in metrics or ():
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", "")
        if name in _LOSSES:
            raise ArgumentError(
                f"metrics: got {name!r}, a loss; expected scores that are higher for better networks. Pass a function "
                "of your own that returns its negative."
            )
    settings = {
        "draws": probes.draws,
        "metrics": "default" if metrics is None else [described(metric) for metric in metrics],
        "as_published": as_published,
        "training": dataclasses.asdict(training),
        "ops": op_records,
        "nulls": null_records,
    }
    return Plan(training, ops, nulls, probes.draws, metrics, as_published, device), settings


def _check_scored(values: pd.DataFrame) -> None:
    odd = values.loc[values["status"] != "ok", "status"]
    if len(odd) and not (values["status"].eq("ok") & ~values["metric"].isin(FACTS)).any():
        raise StudyError(f"task_complexity: every score {odd.iloc[0].rstrip('.')}.")


def _with_other(here: Found, there: Found) -> dict[tuple[str, str], Estimates]:
    """Return the estimates of each task and metric, with those of gap_bin in the other range."""
    other = {key: {"gap_bin_other_scaling": numbers["gap_bin"]} for key, (_, numbers) in there.items()}
    return {key: {**numbers, **other.get(key, {})} for key, (_, numbers) in here.items()}


def _classes(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the classes of the pairs in the order of their data set."""
    pairs = [source.data for source in sources if isinstance(source.data, Pair)]
    used = {name for pair in pairs for name in (pair.a, pair.b)}
    return tuple(name for name in pairs[0].dataset.class_names if name in used) if pairs else ()
