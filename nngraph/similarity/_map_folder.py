"""A folder that keeps the finished parts of a long map, so that one that was cut short goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nngraph.errors import ArgumentError, StudyError
from nngraph.io._atomic import replacing
from nngraph.similarity._representations import DAMAGES

Record: TypeAlias = dict[str, np.ndarray]
"""What one part found: arrays by name."""


class MapFolder:
    """Parts by name, each a file that is there whole or not at all; without a folder nothing is kept.

    A part is sealed: it holds a digest of the settings of the map, of its name and of all that it found. One of another
    map or place, or changed since, is as good as none.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        if folder is not None and not isinstance(folder, (str, os.PathLike)):
            raise ArgumentError(f"folder: got {folder!r}; expected the name of a folder, as text or a pathlib.Path.")
        self.folder = None if folder is None else Path(folder)
        self._settings = b""

    def open(self, settings: Mapping[str, Any]) -> None:
        """Take the folder for the map of these settings, or go on with it; other settings raise StudyError."""
        if self.folder is None:
            return
        described = self.folder / "map.json"
        self._settings = json.dumps(settings).encode()
        settings = json.loads(self._settings)
        if self.folder.exists() and not self.folder.is_dir():
            raise StudyError(f"{self.folder}: got a file; expected a folder for the map. Give another name.")
        if described.exists():
            self._compare(described, settings)
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            raise StudyError(f"{self.folder}: is not empty and holds no map. Give a new or an empty folder.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(described) as file:
                file.write(f"{json.dumps({'format': 1, 'settings': settings}, indent=2)}\n".encode())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StudyError(f"{self.folder}: cannot be written to ({reason}). Give a folder of your own.") from error

    def _compare(self, described: Path, settings: Mapping[str, Any]) -> None:
        try:
            found = json.loads(described.read_text(encoding="utf-8"))
            there = dict(found["settings"]) if found["format"] == 1 else None
        except (OSError, ValueError, KeyError, TypeError):
            there = None
        if there is None:
            raise StudyError(f"{described}: is not a map that this version can read. Give another folder.")
        for name in [*settings, *there]:
            if settings.get(name) != there.get(name):
                raise StudyError(
                    f"{self.folder}: holds the map of another {name} ({_short(there.get(name))}; here it is "
                    f"{_short(settings.get(name))}). Give another folder, or the same input to go on with it."
                )

    def read(self, name: str) -> Record | None:
        """Return a finished part; None where it is not there, or damaged (then it is done again)."""
        if self.folder is None:
            return None
        try:
            with (self.folder / f"{name}.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                record = {key: arrays[key] for key in arrays.files}
            seal = record.pop("seal").tobytes()
        except DAMAGES:
            return None
        return record if seal == self._seal(name, record) else None

    def write(self, name: str, record: Record) -> None:
        """Keep a finished part."""
        if self.folder is not None:
            with replacing(self.folder / f"{name}.npz") as file:
                seal = np.frombuffer(self._seal(name, record), np.uint8)
                np.savez(file, seal=seal, **record)  # type: ignore[arg-type]

    def _seal(self, name: str, record: Record) -> bytes:
        digest = hashlib.blake2b(self._settings, digest_size=16)
        for part in (name, *(f"{key} {record[key].dtype.str} {record[key].shape}" for key in sorted(record))):
            digest.update(f"{len(part)} {part}".encode())
        for key in sorted(record):
            digest.update(record[key].tobytes())
        return digest.digest()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
