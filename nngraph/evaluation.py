"""How well a model works with the weights of a graph: many graphs, one model, no copy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from nngraph._tensors import Array, as_tensor, usable_device
from nngraph.convert.torch import WriteBack
from nngraph.errors import ArgumentError, NNGraphError
from nngraph.graph import NeuralGraph
from nngraph.metrics import METRICS, Scores, check

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluator", "evaluate"]

Inputs: TypeAlias = "Array | Mapping[str, Array]"
Data: TypeAlias = "tuple[Inputs, Array] | DataLoader"
Metric: TypeAlias = "str | Callable[[np.ndarray, np.ndarray], float]"


def evaluate(
    graphs: NeuralGraph | Iterable[NeuralGraph] | Mapping[str, NeuralGraph],
    model: nn.Module,
    data: Data,
    metrics: Sequence[Metric] | Metric = ("accuracy",),
    *,
    names: Iterable[object] | None = None,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Score a model with the weights of each graph in turn.

    Parameters
    ----------
    graphs : NeuralGraph, iterable of NeuralGraph, or mapping of names to NeuralGraph
        Graphs of ``model``, edited or randomised. An iterator is never held as a whole, and finds the model with its
        own weights whenever it makes the next graph.
    model : torch.nn.Module
        Is given each graph's weights and gets its own back at the end, also after an error.
    data : (x, y) or torch.utils.data.DataLoader
        x: (n, ...) inputs, or a mapping of argument names to such; y: (n,) classes or (n, ...) true values. Inputs of
        a floating type are cast to the model's.
    metrics : sequence of str or callable
        Names of :mod:`nngraph.metrics`: "accuracy", "auc", "recalibrated", "cross_entropy", "mse", "r2"; or any
        function of two arrays, (outputs, y) -> float.
    names : iterable, optional
        What the column "graph" says of each graph; by default its position, or its name in a mapping.
    device : str or torch.device, optional
        Where to compute; the model comes back to its own device. By default there.
    batch_size : int, optional
        Samples in one forward pass; all by default.

    Returns
    -------
    pandas.DataFrame
        One row per graph and metric, in this order: graph, metric, value, status. Where a graph could not be
        evaluated value is NaN and status "failed: " and the error's text; elsewhere status is "ok".

    Raises
    ------
    ArgumentError
        If an argument is wrong whatever the graph: an unknown metric, labels that the outputs do not have.

    Notes
    -----
    The model is in evaluation mode meanwhile. For each graph the blocks that changed are copied into the model's
    parameters, and there is one forward pass.

    Examples
    --------
    >>> import nngraph as nng
    >>> from nngraph.training import mlp
    >>> model = mlp((4, 3, 2), rng=0)
    >>> G = nng.from_torch(model)
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> empty = G.with_support(np.zeros(G.n_edges, dtype=bool))
    >>> nng.evaluate({"trained": G, "empty": empty}, model, (x, y), "accuracy")[["graph", "metric", "status"]]
         graph    metric status
    0  trained  accuracy     ok
    1    empty  accuracy     ok
    """
    import pandas as pd

    if not isinstance(graphs, (NeuralGraph, Iterable)):
        raise ArgumentError(f"graphs: got a {type(graphs).__name__}; expected a NeuralGraph or several of them.")
    rows: list[tuple[object, str, float, str]] = []
    held = isinstance(graphs, (NeuralGraph, Mapping, Sequence))
    with Evaluator(model, data, metrics, device=device, batch_size=batch_size) as evaluator:
        for name, G in _named(graphs, names):
            if not isinstance(G, NeuralGraph):
                raise ArgumentError(f"graphs: got a {type(G).__name__} at {name!r}; expected a NeuralGraph.")
            rows += [(name, *row) for row in evaluator.attempt(G)]
            if not held:  # what makes the next graph may read the model
                evaluator.restore()
    return pd.DataFrame(rows, columns=["graph", "metric", "value", "status"]).astype({"value": float})


class Evaluator:
    """One model and its data, ready to score graph after graph. What :func:`nngraph.evaluate` and studies use.

    The data move to the device once. Until :meth:`close`, the model is in evaluation mode, on that device, and holds
    the weights of the graph scored last; then it gets back what it had. Use it in a ``with`` statement.

    Parameters
    ----------
    model, data, metrics, device, batch_size
        As for :func:`nngraph.evaluate`.

    Examples
    --------
    >>> import nngraph as nng
    >>> from nngraph.training import mlp
    >>> model = mlp((4, 3, 2), rng=0)
    >>> G = nng.from_torch(model)
    >>> with Evaluator(model, (np.eye(4), np.array([0, 1, 0, 1])), ("accuracy", "auc")) as evaluator:
    ...     scores = evaluator.score(G)
    >>> list(scores)
    ['accuracy', 'auc']
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        metrics: Sequence[Metric] | Metric = ("accuracy",),
        *,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.metrics = _functions(metrics)
        if not isinstance(model, nn.Module):
            raise ArgumentError(f"model: got a {type(model).__name__}; expected a torch.nn.Module.")
        reference = next(model.parameters(), None)
        self._home = None if reference is None else reference.device
        place = self._home if device is None else usable_device(device)
        if self._home is not None and self._home.type == "meta":
            raise ArgumentError("model: got parameters on the meta device, which hold no numbers; load weights first.")
        dtype = None if reference is None else reference.dtype
        self._batches, self.y = _batches(data, batch_size, place, dtype)
        self._model = model
        self._modes = [(module, module.training) for module in model.modules()]
        self._writer: WriteBack | None = None
        self._moved = device is not None
        self._open = True
        model.eval()
        try:
            if self._moved:
                model.to(place)
            self._check_outputs()
        except BaseException:
            self.close()
            raise

    def score(self, G: NeuralGraph) -> dict[str, float]:
        """Return the value of each metric with the weights of ``G``.

        Raises
        ------
        NNGraphError
            If the graph does not fit the model, or an output is NaN or infinite.
        """
        scores = Scores(self.outputs(G), self.y)
        return {name: self._value(name, scores) for name in self.metrics}

    def outputs(self, G: NeuralGraph) -> np.ndarray:
        """Return the (n, ...) outputs of the model with the weights of ``G``."""
        if not self._open:
            raise NNGraphError("evaluator: it is closed; make a new one.")
        if self._writer is None:
            self._writer = WriteBack(self._model, G)
        self._writer.write(G)
        if any(module.training for module, _ in self._modes):  # what made the graph may have trained the model
            self._model.eval()
        outputs = self._forward(self._batches)
        # the sum of squares is finite if all are, but for overflow, and takes a fraction of the time of testing each
        if not np.isfinite(np.vdot(outputs, outputs)) and not np.isfinite(outputs).all():
            n_bad = np.count_nonzero(~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1))
            raise NNGraphError(f"model: got NaN or infinite outputs for {n_bad:,} of {len(outputs):,} samples.")
        return outputs

    def attempt(self, G: NeuralGraph) -> Iterator[tuple[str, float, str]]:
        """Yield (metric, value, status); where something fails, value is NaN and status says what."""
        try:
            scores = Scores(self.outputs(G), self.y)
        except Exception as error:
            yield from ((name, np.nan, _failed(error)) for name in self.metrics)
            return
        for name in self.metrics:
            try:
                yield name, self._value(name, scores), "ok"
            except Exception as error:
                yield name, np.nan, _failed(error)

    def restore(self) -> None:
        """Give the model its own weights back until the next graph."""
        if self._writer is not None:
            self._writer.restore()

    def close(self) -> None:
        """Give the model its own weights, device and modes back. May be called twice."""
        if not self._open:
            return
        self._open = False
        self.restore()
        if self._moved:
            self._model.to(self._home)
        for module, training in self._modes:
            module.training = training

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _value(self, name: str, scores: Scores) -> float:
        metric = self.metrics[name]
        if METRICS.get(name) is metric:
            return float(scores[name])
        return float(metric(scores.outputs.copy(), self.y.copy()))  # a user's function may write to its arguments

    def _forward(self, batches: Iterable[object]) -> np.ndarray:
        # no_grad, not inference_mode: what a module caches in its forward pass must stay usable for training
        with torch.no_grad():
            parts = [_array(_called(self._model, batch)) for batch in batches]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _check_outputs(self) -> None:
        """Find out on two samples what the outputs look like, so that a metric they do not suit is an error now."""
        first = self._batches[0]
        few = {k: v[:2] for k, v in first.items()} if isinstance(first, Mapping) else first[:2]
        try:
            outputs = self._forward([few])
        except NNGraphError:
            raise
        except Exception as error:
            given = few if isinstance(few, dict) else {"x": few}
            seen = ", ".join(f"{key} of shape {tuple(t.shape)} and {t.dtype}" for key, t in given.items())
            raise ArgumentError(
                f"model: its forward pass failed on the first samples ({seen}): {' '.join(str(error).split())}. Pass "
                "data of the shape and type that the model takes."
            ) from error
        builtin = [name for name, metric in self.metrics.items() if METRICS.get(name) is metric]
        for name in builtin:
            if len(outputs) != min(2, len(self.y)):
                raise ArgumentError(
                    f"model: got outputs of shape {outputs.shape} for {min(2, len(self.y))} samples; "
                    "expected one row per sample."
                )
            check(name, outputs.shape[1:], self.y)


def _named(
    graphs: NeuralGraph | Iterable[NeuralGraph] | Mapping[str, NeuralGraph], names: Iterable[object] | None
) -> Iterator[tuple[object, NeuralGraph]]:
    if isinstance(graphs, Mapping):
        if names is not None:
            raise ArgumentError("names: got names for a mapping, which has its own; pass one or the other.")
        return iter(graphs.items())
    if isinstance(graphs, NeuralGraph):
        graphs = [graphs]
    if names is None:
        return iter(enumerate(graphs))
    return _zipped(names, graphs)


def _zipped(names: Iterable[object], graphs: Iterable[NeuralGraph]) -> Iterator[tuple[object, NeuralGraph]]:
    try:
        yield from zip(names, graphs, strict=True)
    except ValueError as error:
        raise ArgumentError(f"names: got another number of names than of graphs ({error}).") from None


def _functions(metrics: Sequence[Metric] | Metric) -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Iterable):
        raise ArgumentError(f"metrics: got {metrics!r}; expected a name, a function, or a sequence of them.")
    found: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
        if metric not in METRICS if isinstance(metric, str) else not callable(metric):
            raise ArgumentError(
                f"metrics: got {metric!r}; expected a function (outputs, y) -> float or one of "
                f"{', '.join(map(repr, METRICS))}."
            )
        if name in found:
            raise ArgumentError(
                f"metrics: got two of the name {name!r}; expected each once. Give your functions a __name__ each."
            )
        found[name] = METRICS[metric] if isinstance(metric, str) else metric
    if not found:
        raise ArgumentError("metrics: got none; expected at least one, for example 'accuracy'.")
    return found


def _batches(
    data: Data, batch_size: int | None, device: torch.device | None, dtype: torch.dtype | None
) -> tuple[list[torch.Tensor | dict[str, torch.Tensor]], np.ndarray]:
    """Return the inputs on the device, one entry for each forward pass, and the truth as one array."""
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if batch_size is not None and (not whole or batch_size < 1):
        raise ArgumentError(f"batch_size: got {batch_size!r}; expected an integer of at least 1, or None.")
    if isinstance(data, DataLoader):
        if batch_size is not None:
            raise ArgumentError("batch_size: got one beside a DataLoader, which has its own; leave it out.")
        with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed even when it does not shuffle
            pairs = [_pair(batch) for batch in data]
    else:
        pairs = [_pair(data)]
    if not pairs:
        raise ArgumentError("data: got a DataLoader without a batch; expected at least one sample.")
    batches: list[torch.Tensor | dict[str, torch.Tensor]] = []
    for x, y in pairs:
        named = x if isinstance(x, Mapping) else {"x": x}
        tensors = {key: _tensor(key, value) for key, value in named.items()}
        for key, tensor in tensors.items():
            if tensor.ndim == 0 or len(tensor) != len(y) or not len(y):
                raise ArgumentError(
                    f"data: got {key} of shape {tuple(tensor.shape)} with y of shape {y.shape}; "
                    "expected as many samples in both, and at least one."
                )
            tensors[key] = tensor.to(device, dtype if tensor.is_floating_point() else None)
        size = batch_size or len(y)
        for start in range(0, len(y), size):
            piece = {key: tensor[start : start + size] for key, tensor in tensors.items()}
            batches.append(piece if isinstance(x, Mapping) else piece["x"])
    return batches, np.concatenate([y for _, y in pairs])


def _pair(data: object) -> tuple[Inputs, np.ndarray]:
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ArgumentError(f"data: got a {type(data).__name__}; expected a pair (x, y) or a DataLoader of such pairs.")
    return data[0], _tensor("y", data[1]).cpu().numpy()


def _tensor(name: str, values: Array) -> torch.Tensor:
    try:
        return as_tensor(values)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"data: got {name} that is no array of numbers ({error}); expected numbers.") from None


def _called(model: nn.Module, batch: object) -> object:
    return model(**batch) if isinstance(batch, Mapping) else model(batch)


def _array(outputs: object) -> np.ndarray:
    outputs = getattr(outputs, "logits", outputs)  # as the models of transformers return them
    if not isinstance(outputs, torch.Tensor):
        raise ArgumentError(
            f"model: got a {type(outputs).__name__} from its forward pass; expected a tensor. Wrap the model in a "
            "module that returns one."
        )
    if outputs.dtype == torch.bfloat16:
        outputs = outputs.float()  # numpy has no such type
    return outputs.cpu().numpy()


def _failed(error: Exception) -> str:
    return f"failed: {' '.join(str(error).split()) or type(error).__name__}"
