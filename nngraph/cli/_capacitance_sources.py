"""What a neural capacitance is of: graphs of files, and functions of the user's own that return models and samples."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from nngraph.cli._common import call, is_function
from nngraph.cli._samples import arrays, images_of, is_model, number_of
from nngraph.errors import ArgumentError, NNGraphError, StudyError

if TYPE_CHECKING:
    import igraph
    import pandas as pd
    import torch

    from nngraph.graph import NeuralGraph

Samples: TypeAlias = tuple[Any, Any]


class Network(NamedTuple):
    """A weighted graph."""

    name: str
    graph: igraph.Graph | NeuralGraph


class Model(NamedTuple):
    """A model with the samples that its neural capacitance is measured on."""

    name: str
    model: torch.nn.Module
    samples: Samples
    backbone: Any


class Run(NamedTuple):
    """Models at epochs of one training, samples to measure on, and perhaps others that accuracies are of."""

    name: str
    models: Mapping[int, torch.nn.Module]
    samples: Samples
    test: Samples | None
    backbone: Any


class Page(NamedTuple):
    """What is printed, and what is written."""

    text: str
    tables: Mapping[str, pd.DataFrame]
    figure: Any = None


def source_of(source: str, inputs: str | None, backbone: str | None) -> Network | Model | Run:
    """Read a graph from a file, or call a function; a path is always a file."""
    if is_function(source):
        return _of_function(source, inputs, backbone)
    file = Path(source)
    _refuse(inputs, backbone, f"{source} is no function")
    if file.suffix == ".graphml":
        from nngraph.io.graphml import read_view

        return Network(file.stem, read_view(file))
    if file.suffix == ".nngraph":
        from nngraph.io.native import load

        return Network(file.stem, load(file))
    raise ArgumentError(
        f"{source}: expected a .graphml or .nngraph graph, or pkg.module:function that returns a model with samples. "
        "Weights alone do not say how a model uses them, nor on what."
    )


def _of_function(source: str, inputs: str | None, backbone: str | None) -> Network | Model | Run:
    import igraph

    from nngraph.graph import NeuralGraph

    found = call("SOURCE", source)
    name = source.replace(":", "-")
    if isinstance(found, (igraph.Graph, NeuralGraph)):
        _refuse(inputs, backbone, f"{source} returns a graph")
        return Network(name, found)
    first, *rest = found if isinstance(found, tuple) and found else (found,)
    is_run = isinstance(first, Mapping) and bool(first) and all(map(is_model, first.values()))
    if not (is_run or is_model(first)) or len(rest) > (2 if is_run else 1):
        raise ArgumentError(f"{source}: returned {_shown(found)}; expected one of {_EXPECTED}.")
    pairs = [
        _pair(source, samples, which) for samples, which in zip(rest, ("(x, y)", "(x_test, y_test)"), strict=False)
    ]
    frozen = None if backbone is None else _backbone(backbone)
    if inputs is not None:
        seen_by = frozen if frozen is not None else next(iter(first.values())) if is_run else first
        pairs = [_samples_of(inputs, seen_by), *pairs[1:]]
    if not pairs:
        raise ArgumentError(
            f"{source}: returned {'models' if is_run else 'a model'} alone; expected samples too: pass --inputs, or "
            "return (model, (x, y))."
        )
    if is_run:
        return Run(name, _by_epoch(source, first), pairs[0], pairs[1] if len(pairs) == 2 else None, frozen)
    return Model(name, first, pairs[0], frozen)


_EXPECTED = (
    "a torch module, (module, (x, y)), (mapping from epochs to modules, (x, y)) with (x_test, y_test) or without, a "
    "NeuralGraph, an igraph.Graph"
)


def _refuse(inputs: str | None, backbone: str | None, why: str) -> None:
    for option, value in (("--inputs", inputs), ("--backbone", backbone)):
        if value is not None:
            raise ArgumentError(f"{option}: has no effect, because {why}; leave it out.")


def _shown(found: Any) -> str:
    if isinstance(found, tuple):
        return f"({', '.join(type(part).__name__ for part in found)})"
    return type(found).__name__


def _pair(source: str, given: Any, which: str) -> Samples:
    """Return samples with an answer each."""
    if isinstance(given, tuple) and len(given) == 2:
        x, y = given
        if number_of(x) is not None and number_of(x) == number_of(y):
            return x, y
        raise ArgumentError(
            f"{source}: returned as {which} {number_of(x)} samples with {number_of(y)} answers; expected one each."
        )
    raise ArgumentError(f"{source}: returned {_shown(given)} as {which}; expected a pair of samples and answers.")


def _by_epoch(source: str, models: Mapping[Any, Any]) -> dict[int, Any]:
    for epoch in models:
        if not isinstance(epoch, numbers.Integral) or isinstance(epoch, bool) or epoch < 0:
            raise ArgumentError(
                f"{source}: returned a mapping with the key {epoch!r}; expected epochs, as integers of at least 0."
            )
    return {int(epoch): models[epoch] for epoch in sorted(models)}


def _samples_of(inputs: str, model: Any) -> Samples:
    """Return x and y of an .npz file, or images and labels of a data set."""
    if Path(inputs).suffix not in (".npy", ".npz"):
        return images_of(inputs, model)
    found = arrays(Path(inputs))
    if set(found) != {"x", "y"} or len(found["x"]) != len(found["y"]):
        shapes = ", ".join(f"{name} {array.shape}".strip() for name, array in found.items())
        raise ArgumentError(
            f"--inputs: {inputs} holds {shapes or 'nothing'}; expected an .npz file of the arrays x and y, of one "
            "length."
        )
    return found["x"], found["y"]


def _backbone(name: str) -> Any:
    """Return a module as it is, and a function such that what it raises is said in one sentence."""
    found = call("--backbone", name)
    if is_model(found):
        return found
    if not callable(found):
        raise ArgumentError(f"{name}: returned {type(found).__name__}; expected a torch module or a function of x.")
    function: Callable[[Any], Any] = found

    def features(x: Any) -> Any:
        try:
            return function(x)
        except NNGraphError:
            raise
        except Exception as error:
            raise StudyError(
                f"{name}: the function that it returns fails with {type(error).__name__}: {error}"
            ) from error

    return features
