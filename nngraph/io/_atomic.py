"""Write whole files or none: to a temporary name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nngraph.errors import ArgumentError

__all__ = ["named", "replacing"]


def named(path: str | os.PathLike[str]) -> Path:
    """Return the name of a file as a path, or raise for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"path: got {path!r}; expected the name of a file, as text or as a pathlib.Path.")
    return Path(path)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new binary file that takes the place of ``path`` when the body ends, and vanishes when it raises.

    A link stays, and the file that it points to is replaced. What is there and no file (a pipe, a device) is refused.
    """
    path = named(path)
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise ArgumentError(
            f"{path}: the folder {str(target.parent if path.is_symlink() else path.parent)!r} does not "
            "exist; make it first."
        )
    if target.is_dir():
        raise ArgumentError(f"{path}: is a folder; expected the name of a file.")
    if os.path.lexists(target) and not target.is_file():
        raise ArgumentError(f"{path}: is there and no regular file; expected a new name, or that of a file to replace.")
    # opened by name, not by tempfile, so that the file gets the permissions of any other new file; shortened, as the
    # name may be as long as the system allows: 50 characters are at most 200 of 255 bytes
    temporary = target.with_name(f".{target.name[:50]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
