"""What the layers are of: files of representations, functions of the user's own, and what the package brings."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nngraph.cli._common import call, is_function
from nngraph.cli._samples import arrays, images_of, is_model, labelled
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np


class Job(enum.StrEnum):
    """What ``nngraph layers`` does with the layers."""

    map = "map"
    dynamics = "dynamics"
    freezing = "freezing"
    dropping = "dropping"
    interventions = "interventions"


class Source(NamedTuple):
    """Representations alone, or a model, or its checkpoints, with inputs and perhaps labels and test data."""

    name: str
    reps: Any = None
    model: Any = None
    """A module; of the job "dynamics" a mapping from steps to modules."""
    inputs: Any = None
    labels: Any = None
    test: Any = None
    """(x, y), what accuracies are of."""
    scores: Any = None
    """For checkpoints: a function from a model to its scores."""


def source_of(job: Job, source: str | None, inputs: str | None) -> Source:
    """Read representations from a file, or call a function; a path is always a file, and nothing is what we bring."""
    if source is None:
        if inputs is not None:
            raise ArgumentError("--inputs: needs a source, the model that sees them.")
        return _embedded(job)
    if is_function(source):
        return _of_function(job, source, inputs)
    if inputs is not None:
        raise ArgumentError(f"--inputs: has no effect, because {source} is no function; leave it out.")
    if Path(source).suffix != ".npz":
        raise ArgumentError(
            f"{source}: got a file that does not end in .npz; expected representations, or pkg.module:function "
            "that returns a model. Weights alone do not say how a model uses them."
        )
    if job is not Job.map:
        raise ArgumentError(f"{source}: got representations, of which {job} makes nothing; it needs a model.")
    return Source(Path(source).stem, arrays(Path(source)))


def _embedded(job: Job) -> Source:
    """Return the material that comes with the package: the network of sums, or the one that tells the next byte."""
    from nngraph.reproduce.layer_groups import characters, dynamics, modular

    if job is Job.map:
        return Source("modular-0", model=modular.load("0"), inputs=modular.pairs())
    if job is Job.dynamics:
        steps = {step: modular.load("0", step=step) for step in modular.stored_steps("0")}
        return Source("modular-0", model=steps, inputs=modular.pairs(), scores=dynamics.scores)
    texts = characters.corpus()
    if job is Job.interventions:
        return Source("characters", model=characters.load(), inputs=characters.windows(texts.test, 1000, rng=0)[:, :-1])
    return _letter_or_not(characters, texts.other)


def _letter_or_not(characters: Any, text: np.ndarray) -> Source:
    """Return the transformer of bytes with a head of two classes: whether the byte that follows is a letter.

    It has seen nothing of the text, whose first half is for training and the second for tests; the classes are equal.
    """
    import numpy as np
    import torch

    model = characters.load()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model.unembedding = torch.nn.Linear(model.unembedding.in_features, 2)
    data = []
    for number, (half, n) in enumerate(zip(np.array_split(text, 2), (200, 250), strict=True)):
        drawn = characters.windows(half, 6 * n, rng=number)
        y = np.char.isalpha(drawn[:, -1].astype(np.uint8).view("S1")).astype(np.int64)
        rows = np.concatenate([np.flatnonzero(y == kind)[:n] for kind in (0, 1)])
        data.append((drawn[rows, :-1], y[rows]))
    (x, y), test = data
    return Source("characters", model=model.eval(), inputs=x, labels=y, test=test)


def _of_function(job: Job, source: str, inputs: str | None) -> Source:
    found = call("SOURCE", source)
    given: Any = None
    test = None
    if isinstance(found, tuple) and len(found) in (2, 3) and (is_model(found[0]) or isinstance(found[0], Mapping)):
        found, given, test = (*found, None)[:3]
    _check_model(job, source, found)
    if test is not None and (labelled(test) is None or labelled(given) is None):
        raise ArgumentError(
            f"{source}: returned three things that are not (model, (x, y), (x_test, y_test)); expected in y a class, "
            "an integer, for each sample of x."
        )
    x, labels = labelled(given) or (given, None)
    if inputs is not None:
        if job in (Job.freezing, Job.dropping):
            raise ArgumentError(f"--inputs: has no effect on {job}, which needs classes too; leave it out.")
        x, labels = _inputs(inputs, next(iter(found.values())) if isinstance(found, Mapping) else found), None
    if x is None:
        raise ArgumentError(
            f"{source}: returned a model alone; expected its inputs too: pass --inputs, or return (model, inputs)."
        )
    if job in (Job.freezing, Job.dropping) and test is None:
        raise ArgumentError(
            f"{source}: returned no test data; {job} needs them: return (model, (x, y), (x_test, y_test))."
        )
    return Source(source.replace(":", "-"), model=found, inputs=x, labels=labels, test=test)


def _check_model(job: Job, source: str, found: object) -> None:
    if job is Job.dynamics:
        if not isinstance(found, Mapping) or not found or not all(map(is_model, found.values())):
            raise ArgumentError(
                f"{source}: returned {type(found).__name__}; dynamics expected a mapping from steps of training to "
                "torch modules, alone or as (mapping, inputs) or (mapping, (x, y))."
            )
    elif not is_model(found):
        hint = " For checkpoints take --do dynamics." if isinstance(found, Mapping) else ""
        raise ArgumentError(
            f"{source}: returned {type(found).__name__}; expected a torch module, alone or as (module, inputs).{hint}"
        )


def _inputs(name: str, model: Any) -> Any:
    """Return the inputs of a file, or the images of a data set in the shape that the model sees."""
    if Path(name).suffix in (".npy", ".npz"):
        found = arrays(Path(name))
        return next(iter(found.values())) if len(found) == 1 else found
    return images_of(name, model)[0]
