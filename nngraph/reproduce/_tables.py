"""Tables of the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nngraph.errors import FormatError
from nngraph.io._atomic import replacing

__all__ = ["markdown", "put"]


def markdown(header: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table of Markdown."""
    return [f"| {' | '.join(str(cell) for cell in cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def put(path: Path, name: str, text: str) -> None:
    """Put a text between the markers of this name in a page, and leave the rest of the page as it is."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise FormatError(f"{path}: has no lines {begin!r} and {end!r}; put them where the tables are to be.")
    with replacing(path) as file:
        file.write(f"{before}{begin}\n\n{text}\n{end}{after}".encode())
