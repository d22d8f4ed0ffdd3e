"""The modular-sum networks 0, E and L: small transformers whose inner quantities are known, trained and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from nngraph.errors import ArgumentError, DatasetError
from nngraph.models import Transformer
from nngraph.reproduce.layer_groups._sums import (
    MODULI,
    SEED,
    accuracy,
    check_name,
    network,
    pairs,
    split,
    targets,
)
from nngraph.reproduce.layer_groups._training import RECIPES, Run, Stage, train

__all__ = [
    "MODULI",
    "RECIPES",
    "SEED",
    "Run",
    "Stage",
    "accuracy",
    "load",
    "network",
    "pairs",
    "record",
    "save",
    "split",
    "stored_steps",
    "targets",
    "train",
]

FOLDER = Path(__file__).parent


def save(run: Run, folder: str | Path) -> list[Path]:
    """Write a run as ``modular_<name>.safetensors`` and its record as ``modular_<name>.json``.

    Parameters
    ----------
    run : Run
        Of :func:`train`.
    folder : str or path
        Where.

    Returns
    -------
    list of pathlib.Path
        The files. Weights are rounded to half precision, those on the way to eight bits by row. The record gets the
        accuracies of what is stored and the SHA-256 of the weights' file.

    Raises
    ------
    ArgumentError
        If rounding to half precision would lower the held-out accuracy.
    """
    from safetensors.torch import save as serialized

    from nngraph.io._atomic import replacing

    name = run.record["name"]
    rounded = {key: value.to(torch.float16).contiguous() for key, value in run.model.state_dict().items()}
    model = network(name)
    model.load_state_dict(rounded)
    trained, held_out = split(run.seed)
    stored = {"trained": accuracy(model, name, trained), "held_out": accuracy(model, name, held_out)}
    if stored["held_out"] < run.record["held_out"]:
        raise ArgumentError(
            f"save: rounding to half precision lowers the held-out accuracy from {run.record['held_out']:.4f} to "
            f"{stored['held_out']:.4f}; train longer."
        )
    on_the_way = {}
    for step, state in run.checkpoints.items():
        small = {f"{step}/{key}": value for key, value in _eight_bits(state).items()}
        rounded |= small
        model.load_state_dict(_from_eight_bits(small, f"{step}/", state))
        on_the_way[step] = accuracy(model, name, held_out)
    data = serialized(rounded)
    facts = run.record | {"stored": stored, "checkpoints": on_the_way, "sha256": hashlib.sha256(data).hexdigest()}
    paths = [Path(folder) / f"modular_{name}{suffix}" for suffix in (".safetensors", ".json")]
    for path, content in zip(paths, (data, (json.dumps(facts, indent=1) + "\n").encode()), strict=True):
        with replacing(path) as file:
            file.write(content)
    return paths


def load(name: str, *, trained: bool = True, step: int | None = None) -> Transformer:
    """Return a stored network, in evaluation mode; it was trained by :func:`train` with its default arguments.

    Parameters
    ----------
    name : "0", "E" or "L"
        See :func:`train`.
    trained : bool
        False gives the untrained twin: the network that training started from.
    step : int, optional
        One of :func:`stored_steps` instead of the end of training; 0 is the untrained twin too.

    Returns
    -------
    Transformer
        float32; the trained weights are those of half precision.

    Raises
    ------
    ArgumentError
        If there is no such network or step.
    DatasetError
        If its file is not there.

    Examples
    --------
    >>> model = load("0")
    >>> import torch
    >>> int(model(torch.tensor([[57, 4]]))[0, -1].argmax())  # (57 + 4) mod 59
    2
    """
    from nngraph.convert.files import load_state

    model = network(name)
    steps = stored_steps(name)
    if step is not None and (isinstance(step, bool) or step not in steps):
        raise ArgumentError(f"step: got {step!r}; expected one of {', '.join(map(str, steps))}, or None for the end.")
    if not trained and step not in (None, 0):
        raise ArgumentError(f"step: got {step!r} with trained=False; expected None or 0, or leave trained=False out.")
    if not trained or step == 0:
        return model
    file = FOLDER / f"modular_{name}.safetensors"
    _check_file(file)
    state = load_state(file)
    if step is None or step == steps[-1]:
        model.load_state_dict({key: state[key] for key in model.state_dict()})
    else:
        model.load_state_dict(_from_eight_bits(state, f"{step}/", model.state_dict()))
    return model


def record(name: str) -> Mapping[str, Any]:
    """Return how the stored network was trained, and how well it does.

    Parameters
    ----------
    name : "0", "E" or "L"
        See :func:`train`.

    Returns
    -------
    mapping
        "held_out" and "trained" (accuracies), "stored" (those of the stored weights), "steps",
        "checkpoints" (held-out accuracy of what is stored from the way, by step), "cpu_seconds",
        "stages" (recipe and accuracies of each), "seed", "torch", "sha256".

    Raises
    ------
    ArgumentError
        If there is no such network.

    Examples
    --------
    >>> record("0")["held_out"]
    1.0
    """
    check_name(name)
    file = FOLDER / f"modular_{name}.json"
    _check_file(file)
    facts: dict[str, Any] = json.loads(file.read_text())
    return facts


def stored_steps(name: str) -> tuple[int, ...]:
    """Return the steps of training at which weights are stored: 0, those on the way, and the last.

    Parameters
    ----------
    name : "0", "E" or "L"
        See :func:`train`.

    Returns
    -------
    tuple of int

    Raises
    ------
    ArgumentError
        If there is no such network.

    Examples
    --------
    >>> stored_steps("0")[0]
    0
    """
    facts = record(name)
    return (0, *map(int, facts["checkpoints"]), facts["steps"])


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise DatasetError(
            f"{file}: is not there; it comes with the package: install it anew, or make it by "
            f"python -m nngraph.reproduce.layer_groups modular --model {file.stem[-1]} --out {file.parent}."
        )


def _eight_bits(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round every row to 255 levels between minus and plus its largest magnitude: a fourth of the size."""
    small: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        scale = value.abs().amax(dim=-1, keepdim=True).clamp(min=1e-30) / 127
        small |= {key: (value / scale).round().to(torch.int8), f"{key}.scale": scale}
    return small


def _from_eight_bits(small: Mapping[str, torch.Tensor], prefix: str, keys: Iterable[str]) -> dict[str, torch.Tensor]:
    return {key: small[f"{prefix}{key}"] * small[f"{prefix}{key}.scale"] for key in keys}
