"""Weight files to tensors: safetensors and state_dict files, never code."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph.errors import FormatError

if TYPE_CHECKING:
    import torch

__all__ = ["load_state", "load_weights"]

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
    path = Path(path)
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
        return _torch_state(path)
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


def _torch_state(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of unusual pickles before it refuses them
            state = torch.load(path, map_location="cpu", weights_only=True)
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


def load_weights(model: torch.nn.Module, path: str | os.PathLike[str]) -> torch.nn.Module:
    """Put the weights of a file into a model, all of them or none.

    Parameters
    ----------
    model : torch.nn.Module
        The model; changed in place.
    path : str or path
        A ``.safetensors`` or state_dict file; see :func:`load_state`.

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
