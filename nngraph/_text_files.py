"""Files of texts: found in folders and archives, decoded, and checked line by line."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nngraph.errors import DatasetError, FormatError

FOLDER = "hutto_ICWSM_2014"


def find_file(name: str, root: str | os.PathLike[str] | None) -> tuple[str, bytes]:
    """Look for a file of the snippets in a folder, in an archive, and in an archive within."""
    given = root if root is not None else os.environ.get("NNGRAPH_DATA")
    if given is not None:
        start = Path(given)
        for folder in (start, start / FOLDER, start / "additional_resources", start / "additional_resources" / FOLDER):
            if (folder / name).is_file():
                return str(folder / name), (folder / name).read_bytes()
        archives = [start] if start.is_file() else []
        archives += [p for at in (start, start / "additional_resources") for p in sorted(at.glob("*.tar.gz"))]
        for archive in archives:
            found = _in_archive(archive.read_bytes(), str(archive), name)
            if found is not None:
                return f"{archive}: {name}", found
    where = "NNGRAPH_DATA, which is not set" if given is None else repr(str(given))
    raise DatasetError(
        f"{name}: not found in {where}; get the source archive of vaderSentiment (pip download --no-deps --no-binary "
        f":all: vaderSentiment) and pass its name, or the folder {FOLDER}, as root or as NNGRAPH_DATA."
    )


def _in_archive(raw: bytes, where: str, name: str) -> bytes | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
            for member in archive:
                base = member.name.rsplit("/", 1)[-1]
                if not member.isfile() or not (base == name or base == f"{FOLDER}.tar.gz"):
                    continue
                handle = archive.extractfile(member)
                assert handle is not None
                content = handle.read()
                return content if base == name else _in_archive(content, f"{where}: {base}", name)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FormatError(f"{where}: is no whole tar.gz archive ({error}); fetch it again.") from error
    return None


def file_of(root: str | os.PathLike[str], name: str, what: str) -> Path:
    """Return the path of a file in a folder, or raise."""
    path = Path(root) / name
    if not path.is_file():
        raise DatasetError(f"{path}: is not there; expected {name} of {what} in the folder that is passed as root.")
    return path


def decoded(raw: bytes, where: str | Path) -> str:
    """Return bytes as text."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where}: is no UTF-8 text ({error}).") from error


def lines_of(raw: bytes, where: str | Path) -> list[str]:
    """Return the lines of a file."""
    return decoded(raw, where).replace("\r\n", "\n").rstrip("\n").split("\n")  # splitlines() knows too many ends


def labelled(
    path: Path, pairs: Sequence[tuple[str, str | None]], classes: Mapping[str, int]
) -> tuple[list[str], np.ndarray]:
    """Return texts and classes of pairs (label, text), or raise where one is none."""
    for number, (label, text) in enumerate(pairs, 1):
        if text is None or label not in classes:
            raise FormatError(
                f"{path}, text {number}: got the class {label[:40]!r}{'' if text is not None else ' and no text'}; "
                f"expected a text and one of the classes {', '.join(classes)}."
            )
    if not pairs:
        raise FormatError(f"{path}: has no texts.")
    return [text or "" for _, text in pairs], np.array([classes[label] for label, _ in pairs], dtype=np.int64)
