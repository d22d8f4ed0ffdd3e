"""Tables of the pages."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["markdown"]


def markdown(header: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table of Markdown."""
    return [f"| {' | '.join(str(cell) for cell in cells)} |" for cells in (header, ["---"] * len(header), *rows)]
