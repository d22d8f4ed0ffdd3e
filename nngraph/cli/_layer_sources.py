"""What the layers are of: files of representations, functions of the user's own, and what the package brings."""

from __future__ import annotations

import contextlib
import enum
import io
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nngraph.cli._common import call, is_function
from nngraph.errors import ArgumentError, FormatError, NNGraphError, StudyError

if TYPE_CHECKING:
    import numpy as np
    import torch


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
    return Source(Path(source).stem, _arrays(Path(source)))


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
    if isinstance(found, tuple) and len(found) in (2, 3) and (_is_model(found[0]) or isinstance(found[0], Mapping)):
        found, given, test = (*found, None)[:3]
    _check_model(job, source, found)
    if test is not None and (_labelled(test) is None or _labelled(given) is None):
        raise ArgumentError(
            f"{source}: returned three things that are not (model, (x, y), (x_test, y_test)); expected in y a class, "
            "an integer, for each sample of x."
        )
    x, labels = _labelled(given) or (given, None)
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


def _is_model(value: object) -> bool:
    import torch

    return isinstance(value, torch.nn.Module)


def _check_model(job: Job, source: str, found: object) -> None:
    if job is Job.dynamics:
        if not isinstance(found, Mapping) or not found or not all(map(_is_model, found.values())):
            raise ArgumentError(
                f"{source}: returned {type(found).__name__}; dynamics expected a mapping from steps of training to "
                "torch modules, alone or as (mapping, inputs) or (mapping, (x, y))."
            )
    elif not _is_model(found):
        hint = " For checkpoints take --do dynamics." if isinstance(found, Mapping) else ""
        raise ArgumentError(
            f"{source}: returned {type(found).__name__}; expected a torch module, alone or as (module, inputs).{hint}"
        )


def _labelled(given: Any) -> tuple[Any, Any] | None:
    """Return (x, y) where that is what a pair is: y are integers, one for each sample. Else it is two arguments."""
    import numpy as np

    if not isinstance(given, tuple) or len(given) != 2:
        return None
    x, y = given
    first: Any = next(iter(x.values()), None) if isinstance(x, Mapping) else x
    labels = np.asarray(y.detach().cpu() if _is_tensor(y) else y)
    if labels.ndim != 1 or labels.dtype.kind not in "biu" or not hasattr(first, "__len__"):
        return None
    return (x, labels.astype(np.int64)) if len(first) == len(labels) else None


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of an .npz file by name, without running code from it."""
    import numpy as np

    if not path.is_file():
        raise ArgumentError(f"{path}: there is no such file.")
    try:
        held = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)  # a file that fails would stay open
        return {"": held} if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except Exception as error:  # a damaged zip file can fail in any way
        raise FormatError(f"{path}: cannot be read as arrays ({error}); save them with numpy.savez.") from None


def _inputs(name: str, model: torch.nn.Module) -> Any:
    """Return the inputs of a file, or the images of a data set in the shape that the model sees."""
    if Path(name).suffix in (".npy", ".npz"):
        found = _arrays(Path(name))
        return next(iter(found.values())) if len(found) == 1 else found
    import torch

    from nngraph.datasets import load

    data = load(name)
    images = data.images if data.test_images is None else data.test_images
    if any(isinstance(module, torch.nn.Conv2d) for module in model.modules()):
        channels = data.image_shape[0] if len(data.image_shape) == 3 else 1
        images = images.reshape(-1, channels, *data.image_shape[-2:])
    return images


def rows_of(value: Any, n: int, rng: int) -> Any:
    """Take n rows of an array, or of each array of a mapping, the same of every array of the same length."""
    import numpy as np

    from nngraph._rng import child, generator, seed_sequence

    if isinstance(value, Mapping):
        return {name: rows_of(array, n, rng) for name, array in value.items()}
    if value.ndim == 0 or len(value) <= n:
        return value
    return value[np.sort(generator(child(seed_sequence(rng), "rows", len(value))).permutation(len(value))[:n])]


@contextlib.contextmanager
def forward_pass(source: Source) -> Iterator[None]:
    """Say in one sentence that a model fails on its inputs; errors from elsewhere pass."""
    import numpy as np

    try:
        yield
    except NNGraphError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).parts[-4:] == ("torch", "nn", "modules", "module.py") for frame in frames):
            raise
        named = source.inputs if isinstance(source.inputs, Mapping) else {"": source.inputs}
        shapes = ", ".join(f"{name} {tuple(np.shape(array))}".strip() for name, array in named.items())
        raise StudyError(
            f"{source.name}: the model fails on its inputs of shape {shapes}, with {type(error).__name__}: {error}"
        ) from error
