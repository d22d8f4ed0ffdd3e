"""What can be told of an XML file before it is parsed: whether it is safe to parse, and which columns it declares."""

from __future__ import annotations

import collections
import contextlib
import os
import re
from collections.abc import Callable
from typing import BinaryIO
from xml.parsers import expat

from nngraph.errors import FormatError, SizeError
from nngraph.io._atomic import named

BYTES_REFUSE = 4 * 2**30
"""Largest file that is read without being asked: some 30 M edges, 10 GiB of memory."""
TOKEN = 2**20
"""Bytes from one "<" to the next: no tag of a graph is that long with its text, and parsers take the square of it."""
NODES = (re.compile(rb"<node[\s>/]"), re.compile(rb":node[\s>/]"))  # apart, as a pattern of either is slower by ten
HYPEREDGES = (b"<hyperedge", b":hyperedge")
EXPECTED = "expected what Gephi, igraph or networkx write as GraphML, in UTF-8 or UTF-16"


def refuse_unsafe(path: str | os.PathLike[str], *, force: bool) -> None:
    """Raise for a file too large, with a document type (entities that expand, or name other files) or a huge token."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > BYTES_REFUSE and not force:
            raise SizeError(
                f"{path}: has {size / 2**30:.1f} GiB, some {2.5 * size / 2**30:.0f} GiB of memory to read; the limit "
                f"is {BYTES_REFUSE / 2**30:.0f} GiB. Save as .nngraph, or go on with force."
            )
        since = 0  # bytes since the last "<"
        while chunk := file.read(TOKEN):
            first = chunk.find(b"<")
            if since + (first if first >= 0 else len(chunk)) > TOKEN:
                raise FormatError(
                    f"{path}: has a tag or a text of more than {TOKEN:,} bytes before byte {file.tell():,}; no graph "
                    "has one. Shorten it."
                )
            since = len(chunk) - chunk.rfind(b"<") if first >= 0 else since + len(chunk)
    declared(path)


def declared(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """Return the type of each column (for, attr.name) that GraphML declares before its first node.

    Raises for a document type, which alone can define entities: it has to come before the first tag. Raises for what
    cannot be parsed up to the first node: another parser might find a document type there. Raises for a column that
    igraph would leave out: one of nodes and edges alike, or one without a type.
    """
    types: dict[tuple[str, str], str] = {}

    def begin(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "key":
            kind, name = attributes.get("for", "all"), attributes.get("attr.name", "")
            what = f"{path}: the key {attributes.get('id', '')!r} of the attribute {name!r}"
            if kind == "all":
                raise FormatError(f'{what} is for="all"; expected for="node", for="edge" or for="graph". Name one.')
            if name and kind in ("node", "edge", "graph") and "attr.type" not in attributes:
                raise FormatError(f'{what} has no attr.type; expected one, as attr.type="double" for weights.')
            types[kind, name] = attributes.get("attr.type", "string")
        if tag in ("node", "edge"):
            raise StopIteration

    def refuse(*_: object) -> None:
        raise FormatError(
            f"{path}: has a document type (<!DOCTYPE ...>), which can hide other files and text that expands without "
            "end; delete it."
        )

    with contextlib.suppress(StopIteration):
        _parse(path, begin, refuse)
    return types


def node_ids(path: str | os.PathLike[str], n_nodes: int) -> None:
    """Raise for a hyperedge, or where an id of a node is there twice; ``n_nodes`` is how many a reader found.

    Tags are counted, which is fast; only where there are more than nodes are they parsed.
    """
    with _opened(path) as file:
        n_tags, hyper, rest = 0, False, b""
        while chunk := file.read(TOKEN):
            text = rest + chunk.replace(b"\0", b"")  # UTF-16 without its zeros has the same tags
            start = max(len(rest) - len("<node"), 0)  # what is cut before is found now, and nothing twice
            n_tags += sum(len(node.findall(text, start)) for node in NODES)
            hyper = hyper or any(tag in text for tag in HYPEREDGES)
            rest = text[-len("<hyperedge") :]
    if n_tags <= n_nodes and not hyper:
        return
    seen: collections.Counter[str] = collections.Counter()

    def begin(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "hyperedge":
            raise FormatError(f"{path}: has a hyperedge; expected edges of two ends. Delete it, or make edges of it.")
        if tag == "node":
            seen[attributes.get("id", "")] += 1

    _parse(path, begin)
    for name, times in seen.items():
        if times > 1:
            raise FormatError(f"{path}: has {times} nodes with the id {name!r}; expected each node to have its own.")


def _parse(
    path: str | os.PathLike[str],
    begin: Callable[[str, dict[str, str]], None],
    refuse: Callable[..., None] | None = None,
) -> None:
    """Call ``begin`` for each tag of a file, and ``refuse`` for a document type."""
    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refuse
    try:
        with _opened(path) as file:
            while chunk := file.read(TOKEN):  # ParseFile reads so little that a long comment takes the square of it
                parser.Parse(chunk)
            parser.Parse(b"", True)  # noqa: FBT003
    except (expat.ExpatError, LookupError, ValueError, MemoryError) as error:  # of encodings that expat does not know
        what = str(error) or "an encoding that cannot be read"
        raise FormatError(f"{path}: is no GraphML file, or a damaged one ({what}); {EXPECTED}.") from None


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return named(path).open("rb")
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise FormatError(f"{path}: is a folder; expected a file.") from None
