"""Folders of results and the tables that are written from them."""

from __future__ import annotations

from collections.abc import Sequence

from nngraph._folders import digest_of, opened

__all__ = ["digest_of", "markdown", "opened"]


def markdown(header: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table of Markdown."""
    return [f"| {' | '.join(str(cell) for cell in cells)} |" for cells in (header, ["---"] * len(header), *rows)]
