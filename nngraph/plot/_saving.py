"""Figures as files, which pyplot then forgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_png"]


def write_png(drawn: Figure | Axes, file: Path, *, dpi: int = 110) -> None:
    """Write a figure, or that of axes, as a PNG, and close it."""
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    figure = drawn.get_figure(root=True) if isinstance(drawn, Axes) else drawn
    assert figure is not None
    with replacing(file) as content:
        figure.savefig(content, format="png", dpi=dpi)
    plt.close(figure)
