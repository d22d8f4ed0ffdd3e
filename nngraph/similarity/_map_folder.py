"""A folder that keeps the finished parts of a long map, so that one that was cut short goes on where it was."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nngraph.errors import StudyError
from nngraph.io._atomic import replacing

Record: TypeAlias = dict[str, np.ndarray]
"""What one part found: arrays by name."""


class MapFolder:
    """Parts by name, each a file that is there whole or not at all; without a folder nothing is kept."""

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def open(self, settings: Mapping[str, Any]) -> None:
        """Take the folder for the map of these settings, or go on with it; other settings raise StudyError."""
        if self.folder is None:
            return
        described = self.folder / "map.json"
        settings = json.loads(json.dumps(settings))
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
                return {key: arrays[key] for key in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            return None

    def write(self, name: str, record: Record) -> None:
        """Keep a finished part."""
        if self.folder is not None:
            with replacing(self.folder / f"{name}.npz") as file:
                np.savez(file, **record)  # type: ignore[arg-type]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
