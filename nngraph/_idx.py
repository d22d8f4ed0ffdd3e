"""The idx files of Fashion-MNIST and MNIST: where they are found, how they are fetched, checked and read."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nngraph.errors import DatasetError, FormatError

_log = logging.getLogger("nngraph")

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Source(NamedTuple):
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    addresses: tuple[str, ...]
    sha256: tuple[str, ...]  # of the unpacked files, in the order of FILES
    installed: str | None
    otherwise: str


SOURCES = {
    "fashion-mnist": Source(
        ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        "/usr/share/datasets/fashion-mnist",
        "install Debian's package dataset-fashion-mnist",
    ),
    "mnist": Source(
        tuple("0123456789"),
        ("mnist", "MNIST/raw"),
        ("http://yann.lecun.com/exdb/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        None,
        "use load('digits'), which needs no file",
    ),
}


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nngraph"


def _find(source: Source, root: str | os.PathLike[str] | None) -> Path | None:
    """Return the first folder that holds all four files."""
    for place in (root, os.environ.get("NNGRAPH_DATA"), source.installed, cache()):
        if not place:
            continue
        for folder in (*(Path(place) / inner for inner in source.folders), Path(place)):
            if all(_path(folder, file) is not None for file in FILES):
                return folder
    return None


def _path(folder: Path, file: str) -> Path | None:
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def read_published(
    name: str, root: str | os.PathLike[str] | None, *, download: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the training images and labels and the test images and labels, as the files hold them."""
    source = SOURCES[name]
    folder = _find(source, root) or _download(name, source, root, download=download)
    arrays: list[np.ndarray] = []
    for i, file in enumerate(FILES):
        path = _path(folder, file)
        assert path is not None
        content = _unpacked(path)
        digest = hashlib.sha256(content).hexdigest()
        if digest != source.sha256[i]:
            for other, published in SOURCES.items():
                if digest in published.sha256:
                    theirs = FILES[published.sha256.index(digest)]
                    raise FormatError(f"{path}: holds the {theirs} of {other}; expected the {file} of {name}.")
        try:
            array = _idx(content, path)
        except FormatError as error:
            if digest == source.sha256[i]:
                raise
            reason = str(error).rstrip(".")
            raise FormatError(f"{reason}; its SHA-256 is {digest}, expected {source.sha256[i]}.") from None
        if digest != source.sha256[i]:
            _log.warning(
                "%s differs from the published %s: its results are not comparable (SHA-256 %s, expected %s)",
                path,
                name,
                digest,
                source.sha256[i],
            )
        if array.ndim != (3, 1)[i % 2]:
            raise FormatError(f"{path}: got an array of shape {array.shape}; expected {('images', 'labels')[i % 2]}.")
        if i % 2:
            images, array = arrays[-1], array.astype(np.int64)
            if len(array) != len(images) or not len(array) or array.max() >= len(source.class_names):
                raise FormatError(
                    f"{path}: got {len(array):,} labels up to {array.max(initial=0)} for {len(images):,} images; "
                    f"expected one each, below {len(source.class_names)}."
                )
        arrays.append(array)
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise FormatError(f"{folder}: got images of {arrays[0].shape[1:]} and test images of {arrays[2].shape[1:]}.")
    train, train_labels, test, test_labels = arrays
    return train, train_labels, test, test_labels


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: no whole gzip file ({error}); delete it and get it again.") from None


def _idx(content: bytes, path: Path) -> np.ndarray:
    """Read an idx file of bytes: two zeros, type 8, the number of axes, their lengths as big-endian int32, the data."""
    n_axes = content[3] if len(content) >= 4 and content[:3] == b"\x00\x00\x08" else 0
    start = 4 + 4 * n_axes
    if not n_axes or len(content) < start:
        raise FormatError(f"{path}: no idx file of bytes (it begins with {content[:4].hex() or 'nothing'}).")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", n_axes, 4))
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise FormatError(f"{path}: got {len(content):,} bytes for an array of shape {shape}; expected {expected:,}.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _download(name: str, source: Source, root: str | os.PathLike[str] | None, *, download: bool) -> Path:
    """Fetch the four files into ``root``, NNGRAPH_DATA or the cache folder; return the folder."""
    folder = Path(root or os.environ.get("NNGRAPH_DATA") or cache()) / source.folders[0]
    reason = "downloading is off"
    for address in source.addresses if download else ():
        try:
            for file, sha256 in zip(FILES, source.sha256, strict=True):
                if _path(folder, file) is None:
                    _fetch(f"{address}{file}.gz", folder / f"{file}.gz", sha256)
            return folder
        except (OSError, FormatError) as error:  # URLError, HTTPError and timeouts are OSErrors
            reason = f"{address} gave: {error}"
            _log.info("%s", reason)
    raise DatasetError(
        f"{name}: its four idx files were not found and not downloaded ({reason}); get a network connection and try "
        f"again, or put them into a folder and pass it as root= or in NNGRAPH_DATA, or {source.otherwise}."
    )


def _fetch(address: str, path: Path, sha256: str) -> None:
    import urllib.request

    _log.info("downloading %s", address)
    with urllib.request.urlopen(address, timeout=30) as response:
        content = response.read()
    try:
        unpacked = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"the answer is no gzip file ({error})") from None
    if (digest := hashlib.sha256(unpacked).hexdigest()) != sha256:
        raise FormatError(f"{path.name} has the SHA-256 {digest}; expected {sha256}")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
