"""Weight files to tensors: safetensors and state_dict files, never code."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import FormatError

if TYPE_CHECKING:
    import torch

__all__ = ["FileBlocks", "load_state", "load_weights"]

SAVE_IT = "Save torch.save(model.state_dict(), path) or a safetensors file instead."


def load_state(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read a ``.safetensors`` file, or a state_dict that ``torch.save`` wrote, without running code from it.

    Parameters
    ----------
    path : str or path
        The file. What it holds decides how it is read, not its name.

    Returns
    -------
    dict of str to torch.Tensor
        Tensors on the CPU.

    Raises
    ------
    FormatError
        If the file is missing, empty, cut short or of another kind, if it is a pickle that must run code to be read
        (a whole model), or if it holds more than tensors.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import torch
    >>> import nngraph as nng
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.pt"
    ...     torch.save(torch.nn.Linear(3, 2).state_dict(), path)
    ...     list(nng.load_state(path))
    ['weight', 'bias']
    """
    return _state(Path(path), mapped=False)


def _state(path: Path, *, mapped: bool) -> dict[str, torch.Tensor]:
    """Read a file of weights; ``mapped``: a torch file too stays on disk, to be read piece by piece."""
    if not path.exists():
        raise FormatError(f"{path}: there is no such file.")
    if path.is_dir():
        raise FormatError(f"{path}: is a folder; expected one .safetensors or state_dict file.")
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        raise FormatError(f"{path}: the file is empty; expected a .safetensors or state_dict file.")
    # eight bytes of header length and a JSON object; safetensors allows headers of at most 100 MB
    if (start[8:] == b"{" and int.from_bytes(start[:8], "little") <= 10**8) or path.suffix == ".safetensors":
        return _safetensors_state(path)
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return _torch_state(path, mapped=mapped and start[:1] == b"P")  # torch maps no file of its older format
    raise FormatError(
        f"{path}: is neither a .safetensors nor a torch file (it starts with {start!r}); expected one of the two."
    )


def _safetensors_state(path: Path) -> dict[str, torch.Tensor]:
    import safetensors
    import safetensors.torch

    try:
        return dict(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise FormatError(
            f"{path}: is no whole safetensors file ({error}); it is cut short or damaged. Copy or save it anew."
        ) from None


def _torch_state(path: Path, *, mapped: bool) -> dict[str, torch.Tensor]:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of unusual pickles before it refuses them
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped or None)
    except pickle.UnpicklingError:
        raise FormatError(
            f"{path}: is a pickle that holds more than weights (a whole model, perhaps); to read it would run code "
            f"from the file, which nngraph never does. {SAVE_IT}"
        ) from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise FormatError(
            f"{path}: is no whole torch file ({_first_line(error)}); it is cut short, damaged or of another kind. "
            f"{SAVE_IT}"
        ) from None
    if not isinstance(state, Mapping):
        raise FormatError(f"{path}: holds one {type(state).__name__}; expected a state_dict. {SAVE_IT}")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise FormatError(
                f"{path}: holds {type(value).__name__} under the key {name!r}; expected names and tensors only. If "
                "this is a training checkpoint, save the state_dict inside it to a file of its own."
            )
    return dict(state)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:120] or type(error).__name__


class FileBlocks(Sequence[Block]):
    """The matrices of a file of weights, each as a block between two parts of its own, made when it is asked for.

    Parameters
    ----------
    path : str or path
        A ``.safetensors`` or state_dict file.

    Attributes
    ----------
    rest : tuple of str
        Name and shape of each tensor that is no matrix of floating point numbers, and so no block.

    Raises
    ------
    FormatError
        As for :func:`nngraph.load_state`.

    Notes
    -----
    The file is mapped to memory and not copied: whoever holds one block at a time needs memory for one mask of it,
    for a copy where the type is bfloat16, and for one where weights are negative zeros. A file must not be written to
    while it is mapped.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import torch
    >>> import nngraph as nng
    >>> from nngraph.convert.files import FileBlocks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.pt"
    ...     torch.save({"weight": torch.tensor([[1.0, -2.0], [0.0, 3.0]]), "bias": torch.ones(2)}, path)
    ...     blocks = FileBlocks(path)
    ...     blocks.rest, nng.stats.table(blocks, "alpha", by="block")["n_edges"].tolist()
    (('bias 2',), [3])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        state = _state(Path(path), mapped=True)
        self._matrices = {name: tensor for name, tensor in state.items() if tensor.ndim == 2 and _dtype(tensor)}
        self._names = list(self._matrices)
        self.rest = tuple(
            f"{name} {'x'.join(map(str, tensor.shape)) or 'scalar'}"
            for name, tensor in state.items()
            if name not in self._matrices
        )

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, number: int) -> Block: ...

    @overload
    def __getitem__(self, number: slice) -> list[Block]: ...

    def __getitem__(self, number: int | slice) -> Block | list[Block]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        name = self._names[number]
        tensor = self._matrices[name]
        dtype = _dtype(tensor)
        weights = (tensor.float() if dtype == "bfloat16" else tensor).detach().numpy()
        if dtype == "bfloat16":
            weights += np.float32(0)  # no negative zeros in this copy: the block keeps it instead of making another
        # the dtype last: these are bfloat16 already, and need no rounding
        return Block.from_dense(name, f"{name}:in", f"{name}:out", weights, weights != 0).replace(dtype=dtype)


def _dtype(tensor: torch.Tensor) -> str | None:
    """Return the name of the type of a tensor, None unless a block can hold it."""
    name = str(tensor.dtype).removeprefix("torch.")
    return name if name in ("float16", "float32", "float64", "bfloat16") else None


def load_weights(model: torch.nn.Module, path: str | os.PathLike[str]) -> torch.nn.Module:
    """Put the weights of a file into a model, all of them or none.

    Parameters
    ----------
    model : torch.nn.Module
        The model; changed in place.
    path : str or path
        A ``.safetensors`` or state_dict file; see :func:`nngraph.load_state`.

    Returns
    -------
    torch.nn.Module
        The same model.

    Raises
    ------
    FormatError
        If the file cannot be read, or does not fit: missing and unexpected names, other shapes, types that the model's
        own type cannot hold exactly, different values for a tied tensor, and a model on the meta device are named in
        one message. The model is then as it was.

    Notes
    -----
    A name that is missing because its tensor is tied to another one in the model (safetensors files keep one of
    them) is not missing.
    """
    import torch

    state = load_state(path)
    own = model.state_dict(keep_vars=True)
    wrong = []
    given = {id(own[name]) for name in state if name in own}
    missing = [name for name, value in own.items() if name not in state and id(value) not in given]
    unexpected = [name for name in state if name not in own]
    wrong += [f"missing {', '.join(missing)}"] if missing else []
    wrong += [f"unexpected {', '.join(unexpected)}"] if unexpected else []
    for name in (name for name in state if name in own):
        new, old = state[name], own[name]
        if not isinstance(old, torch.Tensor) or new.shape != old.shape:
            wrong.append(f"{name} has shape {tuple(new.shape)}, the model's {tuple(getattr(old, 'shape', ()))}")
        elif old.is_meta:
            wrong.append(f"{name} is on the meta device in the model; make the model with real tensors first")
        elif torch.promote_types(new.dtype, old.dtype) != old.dtype:
            wrong.append(f"{name} is {new.dtype}, the model's {old.dtype} would round it".replace("torch.", ""))
    wrong += _disagreeing(state, own)
    if wrong:
        raise FormatError(f"{path}: does not fit this {type(model).__name__}: {'; '.join(wrong)}. Nothing was changed.")
    model.load_state_dict(state, strict=False)
    return model


def _disagreeing(state: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> list[str]:
    """Name the tensors of a file that the model ties to one another, but that differ."""
    first: dict[int, str] = {}
    wrong = []
    for name in (name for name in state if name in own):
        other = first.setdefault(id(own[name]), name)
        if other != name and not state[name].equal(state[other]):
            wrong.append(f"{other} and {name} are one tensor in the model, but differ")
    return wrong
