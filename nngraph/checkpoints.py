"""Training dynamics: how the distances between layers change from checkpoint to checkpoint."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from nngraph import _arguments, _kept_maps
from nngraph._progress import progress
from nngraph._rng import RNG, child, seed_record, seed_sequence
from nngraph._tensors import Array, as_tensor
from nngraph.errors import ArgumentError
from nngraph.metrics import accuracy, cross_entropy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dynamics", "Recorder", "training_dynamics"]

Checkpoint: TypeAlias = "nn.Module | Mapping[str, torch.Tensor] | str | os.PathLike[str]"
Scores: TypeAlias = "Callable[[nn.Module], Mapping[str, float]] | Mapping[int, Mapping[str, float]]"


@dataclasses.dataclass(frozen=True, eq=False)
class Dynamics:
    """Maps of one network at several steps of its training. Made by :func:`training_dynamics`."""

    table: pd.DataFrame = dataclasses.field(repr=False)
    """One row per checkpoint: step, mean_distance (over pairs of different taps), and a column for each score."""
    boundaries: pd.DataFrame = dataclasses.field(repr=False)
    """One row per checkpoint and tap but the first: step, previous, tap, distance."""
    maps: Mapping[int, pd.DataFrame] = dataclasses.field(repr=False)
    """The tap x tap distances at each step."""

    def correlations(self) -> pd.DataFrame:
        r"""Return Spearman correlations of the mean distance with each score, and what is left of them without time.

        .. math:: \rho_{dv \cdot t} = \frac{\rho_{dv} - \rho_{dt} \rho_{vt}}{\sqrt{(1 - \rho_{dt}^2)(1 - \rho_{vt}^2)}}

        Returns
        -------
        pandas.DataFrame
            One row per score and control, in this order: score, control, rho, n. The control "none" correlates the
            values themselves; "step" is the formula above, with the step t held fixed; "differences" correlates the
            changes from each checkpoint to the next. rho is NaN where it is not defined: fewer than 4 values, a
            constant, or a quantity that moves with the step alone.

        Notes
        -----
        Whatever rises in training correlates with whatever else rises or falls: time is a common cause. Only a
        correlation that stays under the two controls speaks of the quantities themselves. No p-values are given, as
        checkpoints of one run are not independent.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"step": [0, 1, 2, 3, 4], "mean_distance": [0.1, 0.3, 0.2, 0.5, 0.45],
        ...                       "loss": [2.0, 1.0, 1.5, 0.2, 0.3]})
        >>> Dynamics(table, pd.DataFrame(), {}).correlations().round(2)
          score      control  rho  n
        0  loss         none -1.0  5
        1  loss         step -1.0  5
        2  loss  differences -1.0  4
        """
        import pandas as pd

        rows = []
        for score in self.table.columns[2:]:
            known = self.table[["step", "mean_distance", score]].dropna().sort_values("step")
            t, d, v = (known[column].to_numpy(dtype=float) for column in known)
            dv, dt, vt = _spearman(d, v), _spearman(d, t), _spearman(v, t)
            left = (1 - dt**2) * (1 - vt**2)
            partial = float(np.clip((dv - dt * vt) / np.sqrt(left), -1, 1)) if left > 1e-12 else np.nan
            rows += [(score, "none", dv, len(t)), (score, "step", partial, len(t))]
            rows.append((score, "differences", _spearman(np.diff(d), np.diff(v)), max(len(t) - 1, 0)))
        return pd.DataFrame(rows, columns=["score", "control", "rho", "n"])


class Recorder:
    """A callback for a training loop: call it with the step and the model, and ask for the result at the end.

    Parameters
    ----------
    inputs, measure, taps, n, labels, scores, rng, folder, **options
        As for :func:`nngraph.training_dynamics`.

    Examples
    --------
    >>> import nngraph as nng
    >>> x = np.random.default_rng(0).standard_normal((20, 5)).astype("float32")
    >>> model = nng.mlp((5, 4, 3), rng=0)
    >>> record = Recorder(x, measure="euclidean", taps=lambda m: {"in": x, "out": x + m[0].bias.sum().item()})
    >>> for step in range(3):  # of a training loop
    ...     _ = record(step, model, loss=1 / (1 + step))
    ...     _ = model[0].bias.data.add_(0.1)
    >>> list(record.result().table.columns)
    ['step', 'mean_distance', 'loss']
    """

    def __init__(
        self,
        inputs: Any,
        *,
        measure: str = "gw",
        taps: Any = "auto",
        n: int | None = 1000,
        labels: Array | None = None,
        scores: Scores | None = None,
        rng: RNG = 0,
        folder: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        if labels is not None and scores is not None:
            raise ArgumentError("training_dynamics: got both labels and scores; expected at most one of them.")
        self.inputs, self.measure, self.taps, self.n, self.options = inputs, measure, taps, n, options
        self.labels = None if labels is None else _classes(labels)
        self.scores = scores
        self.seed = seed_sequence(rng)
        self.folder = None if folder is None else Path(folder)
        self._settings = ""
        if self.folder is not None:
            functions = sorted(name for name, value in options.items() if callable(value))
            if functions:
                raise ArgumentError(
                    f"training_dynamics: got a function as {functions[0]} and a folder; whether the maps of a folder "
                    "were made by the same function cannot be known: leave one of them out."
                )
            if self.folder.exists() and not self.folder.is_dir():
                raise ArgumentError(f"folder: {self.folder} is a file; expected a folder, or a name for a new one.")
            self.folder.mkdir(parents=True, exist_ok=True)
            named = None if callable(taps) else repr(taps)  # what a function gives is in the key itself
            asked = repr((measure, named, n, seed_record(self.seed))).encode()
            chosen = {name: options[name] for name in sorted(options)}
            self._settings = _kept_maps.digest([asked, *_kept_maps.bits(chosen), *_kept_maps.bits(inputs)])
        self._maps: dict[int, pd.DataFrame] = {}
        self._scores: dict[int, dict[str, float]] = {}

    def __call__(self, step: int, model: nn.Module, **given: float) -> pd.DataFrame:
        """Add the map of the model as it is now, with any scores that are known; return the map.

        The model is read in evaluation mode, and gets the modes of its modules back.
        """
        step = _arguments.whole("training_dynamics: step", step, 0)
        if step in self._maps:
            raise ArgumentError(f"training_dynamics: got the step {step} twice; expected each once.")
        if not isinstance(model, nn.Module):
            raise ArgumentError(f"training_dynamics: got {type(model).__name__} at step {step}; expected a model.")
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            D, scores = self._map(step, model), self._scored(step, model)
        finally:
            for module, training in modes.items():
                module.training = training
        first = next(iter(self._maps.values()), D)
        if list(first.index) != list(D.index):
            raise ArgumentError(
                f"training_dynamics: got other taps at step {step} than before: {_differing(first, D)}; expected "
                "checkpoints of one architecture."
            )
        self._maps[step], self._scores[step] = D, {**scores, **_named(given)}
        return D

    def result(self) -> Dynamics:
        """Return what was recorded, by step."""
        import pandas as pd

        if not self._maps:
            raise ArgumentError("training_dynamics: got no checkpoint; expected at least one.")
        rows, edges = [], []
        for step in sorted(self._maps):
            D = self._maps[step]
            values = D.to_numpy()
            off = values[~np.eye(len(values), dtype=bool)]
            mean = float(off.mean()) if len(off) else np.nan
            rows.append({"step": step, "mean_distance": mean, **self._scores[step]})
            names = list(D.index)
            edges += [(step, names[i - 1], names[i], float(values[i - 1, i])) for i in range(1, len(names))]
        boundaries = pd.DataFrame(edges, columns=["step", "previous", "tap", "distance"])
        return Dynamics(pd.DataFrame(rows), boundaries, {step: self._maps[step] for step in sorted(self._maps)})

    def _map(self, step: int, model: nn.Module) -> pd.DataFrame:
        """Return the map of a model, from its file where it was kept."""
        from nngraph.similarity import matrix, representations

        reps = self.taps(model) if callable(self.taps) else None
        file = None if self.folder is None else self.folder / f"step-{step:09d}.npz"
        key = ""
        if file is not None:
            state = [*_kept_maps.bits(model.state_dict()), *_kept_maps.bits(reps)]
            key = _kept_maps.digest([self._settings.encode(), *state])
            if file.exists():
                return _kept_maps.read(file, key)
        if reps is None:  # the same seed: the same samples at every checkpoint
            reps = representations(model, self.inputs, self.taps, n=self.n, rng=child(self.seed, "samples"))
        D = matrix(reps, self.measure, **self.options)
        if file is not None:
            _kept_maps.write(file, key, D)
        return D

    def _scored(self, step: int, model: nn.Module) -> dict[str, float]:
        if self.labels is not None:
            found = _outputs(model, self.inputs)
            if found.ndim != 2 or len(found) != len(self.labels) or found.shape[1] <= self.labels.max():
                raise ArgumentError(
                    f"training_dynamics: got outputs of shape {found.shape} for {len(self.labels)} labels up to "
                    f"{self.labels.max()}; expected (n, classes). For other outputs pass scores=, a function of the "
                    "model."
                )
            return {"loss": cross_entropy(found, self.labels), "accuracy": accuracy(found, self.labels)}
        if self.scores is None:
            return {}
        if isinstance(self.scores, Mapping) and step not in self.scores:
            raise ArgumentError(f"training_dynamics: scores has no step {step}; it has {sorted(self.scores)}.")
        found_scores = self.scores[step] if isinstance(self.scores, Mapping) else self.scores(model)
        return _named(found_scores)


def training_dynamics(
    checkpoints: Mapping[int, Checkpoint] | Iterable[tuple[int, Checkpoint]],
    inputs: Any,
    *,
    model: nn.Module | None = None,
    measure: str = "gw",
    taps: Any = "auto",
    n: int | None = 1000,
    labels: Array | None = None,
    scores: Scores | None = None,
    rng: RNG = 0,
    folder: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Dynamics:
    r"""Map the distances between the layers of a network at several steps of its training.

    .. math:: \bar{D}_t = \frac{1}{L (L - 1)} \sum_{l \neq m} D_t(l, m)

    Parameters
    ----------
    checkpoints : mapping or iterable of pairs
        From steps to models, state dictionaries, or files of weights. An iterator of (step, checkpoint) pairs is taken
        one at a time.
    inputs : array, tensor, or mapping of them
        What every checkpoint sees, as for :func:`nngraph.similarity.representations`.
    model : torch.nn.Module, optional
        The architecture that states and files are loaded into, a copy of it; needed for them alone.
    measure : str
        As for :func:`nngraph.similarity.matrix`; "gw" is the squared objective, as published.
    taps : str, sequence, mapping or callable
        As for :func:`nngraph.similarity.representations`; or a function from a model to its representations, which
        must take the same samples each time.
    n : int or None
        Number of samples, the same at every checkpoint; None for all.
    labels : (n_inputs,) integer array, optional
        Classes of all inputs, from which loss (cross-entropy in nats) and accuracy are computed, for models with
        (n, classes) outputs.
    scores : callable or mapping, optional
        Instead of labels: a function from a model to its scores by name, or a mapping from steps to such scores.
    rng : None, int, SeedSequence or Generator
        Seed of the samples.
    folder : path, optional
        Keeps each finished map, so that a run that was stopped goes on where it was; scores, and what a function as
        ``taps`` gives, are computed again. With ``rng=None`` nothing is found again.
    **options
        For :func:`nngraph.similarity.matrix`.

    Returns
    -------
    Dynamics

    Raises
    ------
    ArgumentError
        If there is no checkpoint, a step comes twice, a state does not fit, the taps differ, labels are no classes
        from 0, a score has the name of another column, or an option is a function and there is a folder.
    StudyError
        If the folder holds maps of other inputs, settings or weights.

    Notes
    -----
    Costs one map per checkpoint. Use :class:`nngraph.checkpoints.Recorder` inside a training loop, to keep no
    checkpoints at all.

    References
    ----------
    "Identifying sub-networks in neural networks via functionally similar representations", arXiv:2410.16484 (2024),
    whose figures 6 and 7 follow the mean distance in fine-tuning.

    Examples
    --------
    >>> import nngraph as nng
    >>> x = np.random.default_rng(0).standard_normal((30, 5)).astype("float32")
    >>> models = {step: nng.mlp((5, 8, 8, 3), rng=step) for step in (0, 10)}
    >>> found = training_dynamics(models, x, measure="cka", labels=np.arange(30) % 3)
    >>> found.table[["step"]].join(found.table["accuracy"] <= 1)
       step  accuracy
    0     0      True
    1    10      True
    """
    pairs: Iterable[Any] = checkpoints.items() if isinstance(checkpoints, Mapping) else checkpoints
    if not isinstance(pairs, Iterable):
        raise ArgumentError(f"checkpoints: got {type(checkpoints).__name__}; expected a mapping from steps to models.")
    total = len(checkpoints) if isinstance(checkpoints, Sized) else 0
    record = Recorder(
        inputs, measure=measure, taps=taps, n=n, labels=labels, scores=scores, rng=rng, folder=folder, **options
    )
    for step, found in _loaded(progress(pairs, total=total, label="checkpoints"), model):
        record(step, found)
    return record.result()


def _loaded(pairs: Iterable[Any], model: nn.Module | None) -> Iterator[tuple[int, nn.Module]]:
    """Yield steps with models; states go into one copy of the model, again and again."""
    from nngraph.convert.files import load_weights

    vessel = None if model is None else copy.deepcopy(model)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ArgumentError(f"checkpoints: got {type(pair).__name__}; expected pairs of a step and a checkpoint.")
        step, found = pair
        if isinstance(found, nn.Module):
            yield step, found
            continue
        if not isinstance(found, (Mapping, str, os.PathLike)):
            raise ArgumentError(
                f"checkpoints: got {type(found).__name__} at step {step}; expected a model, a state dictionary or a "
                "file of weights."
            )
        if vessel is None:
            raise ArgumentError(f"checkpoints: got a state at step {step}; pass model=, to load it into.")
        if not isinstance(found, Mapping):
            yield step, load_weights(vessel, found)
            continue
        try:
            vessel.load_state_dict(found)
        except RuntimeError as error:
            raise ArgumentError(f"checkpoints: the state at step {step} does not fit the model: {error}") from None
        yield step, vessel


def _outputs(model: nn.Module, inputs: Any, *, batch_size: int = 256) -> np.ndarray:
    """Return the outputs for all inputs, batch by batch."""
    if isinstance(inputs, Mapping) or not isinstance(inputs, (np.ndarray, torch.Tensor)):
        raise ArgumentError(
            f"training_dynamics: got labels with inputs of type {type(inputs).__name__}; expected one array or tensor. "
            "For others pass scores=, a function of the model."
        )
    x = as_tensor(inputs)
    like = next(model.parameters(), x)
    with torch.inference_mode():
        found = []
        for batch in x.split(batch_size):
            cast = batch.to(like.device, like.dtype if batch.is_floating_point() else batch.dtype)
            out = model(cast)
            if not isinstance(out, torch.Tensor):
                raise ArgumentError(
                    f"training_dynamics: got labels for a model that returns {type(out).__name__}; expected (n, "
                    "classes) outputs. For others pass scores=, a function of the model."
                )
            found.append(out.float().cpu().numpy())
    return np.concatenate(found)


def _classes(labels: Array) -> np.ndarray:
    found: np.ndarray = as_tensor(labels).cpu().numpy()
    if found.ndim != 1 or found.dtype.kind not in "iub" or min(found, default=0) < 0:
        raise ArgumentError(
            f"labels: got {found.dtype} values of shape {found.shape} from {found.min(initial=0)}; expected one "
            "integer of at least 0 for each input."
        )
    return found.astype(np.int64)


def _named(scores: Mapping[str, float]) -> dict[str, float]:
    taken = [name for name in scores if str(name) in ("step", "mean_distance")]
    if taken:
        raise ArgumentError(f"scores: got one called {taken[0]!r}, which is a column of its own; give it another name.")
    return {str(name): float(value) for name, value in scores.items()}


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return the rank correlation; NaN for fewer than four values, or constants."""
    from scipy.stats import rankdata

    if len(a) < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _differing(first: pd.DataFrame, other: pd.DataFrame) -> str:
    only = first.index.symmetric_difference(other.index, sort=False)
    return ", ".join(map(repr, only[:4])) or "their order"
