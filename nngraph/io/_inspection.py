"""What can be told of an XML file before it is parsed: whether it is safe to parse, and which columns it declares."""

from __future__ import annotations

import collections
import os
import re
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from nngraph.errors import FormatError, SizeError

BYTES_REFUSE = 4 * 2**30
"""Largest file that is read without being asked: some 30 M edges, 10 GiB of memory."""
TOKEN = 2**20
"""Bytes: no tag and no text of a graph is that long, and parsers take time with the square of it."""
NODE = re.compile(rb"<node[\s>/]")


def refuse_unsafe(path: str | os.PathLike[str], *, force: bool) -> None:
    """Raise for a file too large, with a document type (entities that expand, or name other files) or a huge token."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > BYTES_REFUSE and not force:
            raise SizeError(
                f"{path}: has {size / 2**30:.1f} GiB, some {2.5 * size / 2**30:.0f} GiB of memory to read; the limit "
                f"is {BYTES_REFUSE / 2**30:.0f} GiB. Save as .nngraph, or go on with force."
            )
        while chunk := file.read(TOKEN):
            if len(chunk) == TOKEN and b"<" not in chunk:
                raise FormatError(
                    f"{path}: has a tag or a text of more than {TOKEN:,} bytes before byte {file.tell():,}; no graph "
                    "has one. Shorten it."
                )
    declared(path)


def declared(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """Return the type of each column (for, attr.name) that GraphML declares before its first node.

    Raises for a document type, which alone can define entities: it has to come before the first tag.
    """
    types: dict[tuple[str, str], str] = {}
    parser = expat.ParserCreate()

    def begin(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "key":
            types[attributes.get("for", "all"), attributes.get("attr.name", "")] = attributes.get("attr.type", "string")
        if tag in ("node", "edge"):
            raise StopIteration

    def refuse(*_: object) -> None:
        raise FormatError(
            f"{path}: has a document type (<!DOCTYPE ...>), which can hide other files and text that expands without "
            "end; delete it."
        )

    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refuse
    try:
        with _opened(path) as file:
            parser.ParseFile(file)
    except (StopIteration, expat.ExpatError, LookupError):  # what is wrong with it, its reader says
        pass
    return types


def node_ids(path: str | os.PathLike[str], n_nodes: int) -> None:
    """Raise where an id of a node is there twice; ``n_nodes`` is how many different ones a reader found.

    Tags are counted, which is fast; only where there are more than nodes are they parsed.
    """
    with _opened(path) as file:
        n_tags, rest = 0, b""
        while chunk := file.read(TOKEN):
            text = rest + chunk
            n_tags += len(NODE.findall(text))
            rest = text[-5:]  # shorter than a tag: what is cut here is found next time, and nothing twice
    if n_tags <= n_nodes:
        return
    seen: collections.Counter[str] = collections.Counter()
    parser = expat.ParserCreate()

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2] == "node":
            seen[attributes.get("id", "")] += 1

    parser.StartElementHandler = begin
    with _opened(path) as file:
        parser.ParseFile(file)
    for name, times in seen.items():
        if times > 1:
            raise FormatError(f"{path}: has {times} nodes with the id {name!r}; expected each node to have its own.")


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise FormatError(f"{path}: is a folder; expected a file.") from None
