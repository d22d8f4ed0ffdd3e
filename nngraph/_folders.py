"""Folders of results: one setting each, so that what is in them belongs together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nngraph.errors import FormatError, StudyError
from nngraph.io._atomic import replacing

__all__ = ["digest_of", "opened"]


def opened(folder: Path, settings: Mapping[str, Any]) -> Path:
    """Make a folder for results of these settings, or raise where it has those of others."""
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder}: is a file; expected a folder, or a new name for one.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"{folder}: cannot be made ({error.strerror}); pass a folder that can be written to."
        ) from None
    file, wanted = folder / "settings.json", json.loads(json.dumps(settings))
    if file.exists():
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FormatError(f"{file}: is no JSON ({error}); delete the folder, or pass another.") from None
        if not isinstance(there, dict):
            raise FormatError(f"{file}: holds {there!r}, no settings; delete the folder, or pass another.")
        odd = [key for key in {**there, **wanted} if there.get(key) != wanted.get(key)]
        if odd:
            raise StudyError(
                f"{folder}: holds results of other settings ({file.name} has another {', '.join(odd)}); pass another "
                "folder, or delete it."
            )
        return folder
    if results := sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")):
        raise StudyError(f"{folder}: holds {results[0]} without a {file.name}; pass another folder, or delete it.")
    try:
        with replacing(file) as content:
            content.write((json.dumps(wanted, indent=1) + "\n").encode())
    except OSError as error:
        raise StudyError(f"{folder}: cannot be written to ({error.strerror}); pass another folder.") from None
    return folder


def digest_of(*given: nn.Module | Sequence[str]) -> str:
    """Return a hash of the names and bits of all parameters and buffers of models, or of texts."""
    found = hashlib.sha256()
    for one in given:
        if isinstance(one, nn.Module):
            for name, value in one.state_dict().items():
                found.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
                found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            found.update(json.dumps(list(one)).encode())
    return found.hexdigest()[:16]
