"""What a neural capacitance is of: graphs of files, and functions of the user's own that return models and samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from nngraph.cli._common import call, is_function
from nngraph.cli._samples import arrays, images_of, is_model, number_of
from nngraph.errors import ArgumentError, NNGraphError, StudyError

if TYPE_CHECKING:
    import igraph
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


def source_of(source: str, inputs: str | None, backbone: str | None) -> Network | Model:
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


def _of_function(source: str, inputs: str | None, backbone: str | None) -> Network | Model:
    import igraph

    from nngraph.graph import NeuralGraph

    found = call("SOURCE", source)
    name = source.replace(":", "-")
    if isinstance(found, (igraph.Graph, NeuralGraph)):
        _refuse(inputs, backbone, f"{source} returns a graph")
        return Network(name, found)
    first, *rest = found if isinstance(found, tuple) and found else (found,)
    if not is_model(first) or len(rest) > 1:
        raise ArgumentError(f"{source}: returned {_shown(found)}; expected one of {_EXPECTED}.")
    pairs = [_pair(source, samples) for samples in rest]
    frozen = None if backbone is None else _backbone(backbone)
    if inputs is not None:
        pairs = [_samples_of(inputs, first if frozen is None else frozen)]
    if not pairs:
        raise ArgumentError(
            f"{source}: returned a model alone; expected samples too: pass --inputs, or return (model, (x, y))."
        )
    return Model(name, first, pairs[0], frozen)


_EXPECTED = "a torch module, (module, (x, y)), a NeuralGraph, an igraph.Graph"


def _refuse(inputs: str | None, backbone: str | None, why: str) -> None:
    for option, value in (("--inputs", inputs), ("--backbone", backbone)):
        if value is not None:
            raise ArgumentError(f"{option}: has no effect, because {why}; leave it out.")


def _shown(found: Any) -> str:
    if isinstance(found, tuple):
        return f"({', '.join(type(part).__name__ for part in found)})"
    return type(found).__name__


def _pair(source: str, given: Any) -> Samples:
    """Return samples with an answer each."""
    if isinstance(given, tuple) and len(given) == 2:
        x, y = given
        if number_of(x) is not None and number_of(x) == number_of(y):
            return x, y
        raise ArgumentError(
            f"{source}: returned as (x, y) {number_of(x)} samples with {number_of(y)} answers; expected one each."
        )
    raise ArgumentError(f"{source}: returned {_shown(given)} as (x, y); expected a pair of samples and answers.")


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
