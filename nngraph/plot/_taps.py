"""Axes that taps stand along: how wide, where blocks begin, and which names there is room for."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 45
"""Most taps for which a new figure is as wide as a column."""


def _blocks(names: list[str]) -> list[str]:
    return [name.split(".")[0] if re.match(r"\d+\.", name) else "" for name in names]


def block_starts(names: list[str]) -> list[int]:
    """Return where the names of a new block begin."""
    blocks = _blocks(names)
    return [i for i in range(1, len(names)) if blocks[i] != blocks[i - 1]]


def label(axis: Any, names: list[str], points: float) -> None:
    """Label each run of heads of one type once, where the labels of longer runs leave room, on an axis that long."""
    short = [re.sub(r"\d+$", "", name) if re.match(r"\d+\.", name) else name for name in names]
    start, runs = 0, []
    for text, run in groupby(short):
        size = len([*run])
        runs.append((start + (size - 1) / 2, size, text))
        start += size
    font = float(np.clip(0.95 * points / len(runs), 4.5, _style.SMALL))
    kept: list[tuple[float, str]] = []
    for place, _, text in sorted(runs, key=lambda run: -run[1]):
        if all(abs(place - other) * points / len(names) >= font for other, _ in kept):
            kept.append((place, text))
    kept.sort()
    axis.set_ticks([place for place, _ in kept], labels=[text for _, text in kept])
    axis.set_tick_params(labelsize=font, length=2)


def wide(ax: Axes | None, names: list[str], *, height: float) -> Axes:
    """Return the axes given, or new ones as wide as a column, or as a page for more than 45 taps."""
    wide = len(names) > MOST
    return _style.new_axes(ax, width=7.2 if wide else 3.6, height=2 * height if wide and height > 3 else height)


def points(ax: Axes, *, share: float) -> float:
    """Return the width of the axes in points, less what a colour bar and labels will take."""
    return float(72 * share * ax.bbox.width / ax.figure.dpi)
