"""The binary files of CIFAR-10, in their folder or in the archive that they come in: found, checked and read."""

from __future__ import annotations

import os
import tarfile
import zlib
from pathlib import Path

import numpy as np

from nngraph._idx import cache
from nngraph.errors import DatasetError, FormatError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
FOLDER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32  # the label, then the red, the green and the blue plane


def read_cifar(root: str | os.PathLike[str] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training images (n, 3, 32, 32) and labels, and test images and labels, as the files hold them."""
    halves = [_records(content, where) for content, where in _contents(root)]
    images, labels = zip(*halves, strict=True)
    return np.concatenate(images[:5]), np.concatenate(labels[:5]), images[5], labels[5]


def _contents(root: str | os.PathLike[str] | None) -> list[tuple[bytes, str]]:
    """Return what the six files hold, each with its name for messages; nothing is unpacked on the disk."""
    pickled: Path | None = None
    for place in (root, os.environ.get("NNGRAPH_DATA"), cache()):
        if not place:
            continue
        for folder in (Path(place) / FOLDER, Path(place) / "cifar-10", Path(place)):
            if all((folder / file).is_file() for file in FILES):
                return [((folder / file).read_bytes(), str(folder / file)) for file in FILES]
            if (folder / ARCHIVE).is_file():
                return _unpacked(folder / ARCHIVE)
        for folder in (Path(place) / "cifar-10-batches-py", Path(place)):
            if (folder / "data_batch_1").is_file() or (folder / "cifar-10-python.tar.gz").is_file():
                pickled = pickled or folder
    if pickled is not None:
        raise DatasetError(
            f"cifar-10: {pickled} holds the Python version, whose pickles can run code when they are read; get the "
            f"binary version ({ARCHIVE}) from the same page and put it beside."
        )
    raise DatasetError(
        f"cifar-10: neither {ARCHIVE} nor the folder {FOLDER} with its six files was found; get the binary version "
        "from the page of CIFAR-10 of the University of Toronto and pass its folder as root= or in NNGRAPH_DATA, or "
        "use load('colour-patches'), a stand-in that needs no file."
    )


def _unpacked(archive: Path) -> list[tuple[bytes, str]]:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = {Path(member.name).name: member for member in tar if member.isfile()}
            contents = []
            for file in FILES:
                if file not in members:
                    raise FormatError(f"{archive}: has no {file}; expected the binary version of CIFAR-10.")
                opened = tar.extractfile(members[file])
                assert opened is not None
                contents.append((opened.read(), f"{archive}: {file}"))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise FormatError(f"{archive}: no whole tar.gz archive ({error}); delete it and get it again.") from None
    return contents


def _records(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    if not content or len(content) % _RECORD:
        raise FormatError(
            f"{where}: got {len(content):,} bytes; expected a multiple of {_RECORD:,}: a label and 32x32 pixels in 3 "
            "colours for each image."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASS_NAMES):
        raise FormatError(f"{where}: got the label {labels.max()}; expected labels below {len(CLASS_NAMES)}.")
    return records[:, 1:].reshape(-1, *SHAPE), labels
