"""What models see: arrays of files, images of data sets, samples of both, and what goes wrong with them."""

from __future__ import annotations

import contextlib
import io
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nngraph.errors import ArgumentError, FormatError, NNGraphError, StudyError

if TYPE_CHECKING:
    import numpy as np


def is_model(value: object) -> bool:
    """Tell whether a value is a torch module."""
    import torch

    return isinstance(value, torch.nn.Module)


def labelled(given: Any) -> tuple[Any, np.ndarray] | None:
    """Return (x, y) where that is what a pair is: y are integers, one for each sample. Else it is two arguments."""
    import numpy as np

    if not isinstance(given, tuple) or len(given) != 2:
        return None
    x, y = given
    labels = as_array(y)
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        return None
    return (x, labels.astype(np.int64)) if number_of(x) == len(labels) else None


def as_array(value: Any) -> np.ndarray:
    """Return an array or a tensor as an array of numpy."""
    import numpy as np
    import torch

    return np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)


def classes_of(y: Any) -> Any:
    """Return answers as integer classes, for accuracies."""
    labels = as_array(y)
    if labels.ndim != 1 or labels.dtype.kind not in "biu":
        raise ArgumentError(
            f"y: got {labels.dtype} of shape {labels.shape}; accuracies over epochs expected (n,) integer classes."
        )
    return labels


def number_of(x: Any) -> int | None:
    """Return the number of samples of an array, or of the first array of a mapping; None where there is none."""
    first: Any = next(iter(x.values()), None) if isinstance(x, Mapping) else x
    shape = getattr(first, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    return len(first) if isinstance(first, Sequence) else None


def arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of an .npz file by name, without running code from it."""
    import numpy as np

    if not path.is_file():
        raise ArgumentError(f"{path}: there is no such file.")
    try:
        held = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)  # a file that fails would stay open
        return {"": held} if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except Exception as error:  # a damaged zip file can fail in any way
        raise FormatError(f"{path}: cannot be read as arrays ({error}); save them with numpy.savez.") from None


def images_of(name: str, model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of a data set, test samples where it has some, in the shape that the model sees."""
    import torch

    from nngraph.datasets import load

    data = load(name)
    images, labels = data.images, data.labels
    if data.test_images is not None and data.test_labels is not None:
        images, labels = data.test_images, data.test_labels
    if is_model(model) and any(isinstance(module, torch.nn.Conv2d) for module in model.modules()):
        channels = data.image_shape[0] if len(data.image_shape) == 3 else 1
        images = images.reshape(-1, channels, *data.image_shape[-2:])
    return images, labels


def rows_of(value: Any, n: int, rng: int) -> Any:
    """Take n rows of an array, or of each array of a mapping, the same of every array of the same length."""
    import numpy as np

    from nngraph._rng import child, generator, seed_sequence

    if isinstance(value, Mapping):
        return {name: rows_of(array, n, rng) for name, array in value.items()}
    size = number_of(value)
    if size is None or size <= n:
        return value
    return chosen(value, np.sort(generator(child(seed_sequence(rng), "rows", size)).permutation(size)[:n]))


def chosen(value: Any, rows: np.ndarray) -> Any:
    """Take some rows of an array or of a list, or of each of a mapping."""
    if isinstance(value, Mapping):
        return {name: chosen(array, rows) for name, array in value.items()}
    return value[rows] if hasattr(value, "shape") else [value[row] for row in rows]


def outputs_of(model: Any, x: Any, backbone: Any) -> np.ndarray:
    """Return what a model in evaluation mode says to samples, behind a backbone that is a module or a function."""
    import torch

    z = x if isinstance(x, Mapping) or as_array(x).dtype.kind not in "biuf" else torch.as_tensor(as_array(x))
    if isinstance(z, torch.Tensor) and not bool(z.isfinite().all()):
        raise ArgumentError("x: got numbers that are NaN or infinite; expected finite ones.")
    with torch.no_grad():
        for part in (backbone, model):
            own = next(part.parameters(), None) if is_model(part) else None
            if own is not None and isinstance(z, torch.Tensor):
                z = z.to(own.device, own.dtype if z.is_floating_point() else z.dtype)
            z = z if part is None else part(z)
            if not (part is None or isinstance(z, torch.Tensor)):
                what = "backbone" if part is backbone else "model"
                raise ArgumentError(f"{what}: gave {type(z).__name__}; expected a tensor with a row for each sample.")
    return as_array(z)


@contextlib.contextmanager
def forward_pass(source: str, inputs: Any) -> Iterator[None]:
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
        named = inputs if isinstance(inputs, Mapping) else {"": inputs}
        shapes = ", ".join(f"{name} {tuple(np.shape(array))}".strip() for name, array in named.items())
        raise StudyError(
            f"{source}: the model fails on its inputs of shape {shapes}, with {type(error).__name__}: {error}"
        ) from error
