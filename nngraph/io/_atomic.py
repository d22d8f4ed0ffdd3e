"""Write whole files or none: to a temporary name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nngraph.errors import ArgumentError

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new binary file that takes the place of ``path`` when the body ends, and vanishes when it raises."""
    path = Path(path)
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: the folder {str(path.parent)!r} does not exist; make it first.")
    if path.is_dir():
        raise ArgumentError(f"{path}: is a folder; expected the name of a file.")
    # opened by name, not by tempfile, so that the file gets the permissions of any other new file
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
