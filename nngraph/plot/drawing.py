"""The picture of a graph: parts as columns, signed edges between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nngraph.blocks import Block
    from nngraph.graph import NeuralGraph, Part

__all__ = ["network"]

_MOST_NAMES = 40
"""Nodes of a part that has its names written."""


def network(
    G: NeuralGraph,
    *,
    top: int | None = 300,
    grids: Mapping[str, tuple[int, int]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a graph in layers: parts from left to right by depth, positive edges red, negative edges blue.

    The width and the depth of colour of an edge follow its weight relative to the largest of its block. Below each
    block stands how many of its edges are drawn and their share of the sum of magnitudes. Nodes of the first and the
    last part have their names beside them where they have names and there are at most 40.

    Parameters
    ----------
    G : NeuralGraph
    top : int or None
        Number of edges drawn of each block, the strongest ones; None draws all.
    grids : mapping of str to (rows, columns), optional
        Parts whose nodes are pixels, laid out as a tilted image in place of a column: ``{"input": (28, 28)}``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If ``top`` is below 1, or a grid does not have as many cells as its part has nodes.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [0.5, 0.5]]), np.array([[-1.0, 3.0]])])
    >>> len(nng.plot.network(G, top=3).collections)  # edges of each block; nodes of each part without and with edges
    8
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    if top is not None and top < 1:
        raise ArgumentError(f"network: got top={top}; expected at least 1, or None for all edges.")
    grids = dict(grids or {})
    for name, (rows, columns) in grids.items():
        if rows * columns != G.part(name).size:
            raise ArgumentError(f"part {name!r}: got a grid of {rows}x{columns} for {G.part(name).size} nodes.")
    ax = _style.new_axes(ax)
    places = {part.name: _places(part, grids.get(part.name), _rank(G, part)) for part in G.parts}
    touched = {part.name: np.zeros(part.size, dtype=bool) for part in G.parts}
    for block in G.blocks:
        ends = block.edges()
        strongest = np.argsort(np.abs(ends.weight), kind="stable")
        drawn = strongest[-top:] if top is not None else strongest
        weight = ends.weight[drawn].astype(float)
        touched[block.source][ends.source[drawn]] = touched[block.target][ends.target[drawn]] = True
        lines = np.stack([places[block.source][ends.source[drawn]], places[block.target][ends.target[drawn]]], axis=1)
        strength = _relative(np.abs(weight), complete=len(drawn) == block.n_edges)
        edges = LineCollection(list(lines), linewidths=0.2 + 1.3 * strength, cmap="RdBu_r", norm=Normalize(-1, 1))
        edges.set_array(np.sign(weight) * (0.4 + 0.55 * strength))
        edges.set(alpha=0.85, zorder=1, capstyle="round")
        ax.add_collection(edges)
        _caption(ax, block, weight, places)
    for part in G.parts:
        _nodes(ax, part, places[part.name], touched[part.name])
        _names(ax, G, part, places[part.name])
    if {True, False} <= {bool(up) for block in G.blocks for up in np.unique(block.values > 0)}:
        for label, value in (("positive", 0.9), ("negative", -0.9)):
            ax.plot([], [], color=colormaps["RdBu_r"](Normalize(-1, 1)(value)), linewidth=1.6, label=label)
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.04), "ncols": 2}
        ax.legend(**below, frameon=False, fontsize=_style.SMALL, handlelength=1.4, borderaxespad=0)
    ax.autoscale_view()
    ax.margins(x=0.04)
    ax.set_ylim(-0.66, 0.66)
    ax.set_axis_off()
    return ax


def _rank(G: NeuralGraph, part: Part) -> float:
    """Return the horizontal place of a part: its depth, shifted where several parts share it."""
    same = [other.name for other in G.parts if other.depth == part.depth]
    return part.depth + 0.3 * same.index(part.name)


def _places(part: Part, grid: tuple[int, int] | None, x: float) -> np.ndarray:
    """Return the (size, 2) places of a part's nodes: a column, or a tilted image."""
    if grid is None:
        height = 1.0 if part.size > 8 else 0.12 * max(part.size - 1, 0)
        return np.column_stack([np.full(part.size, x), np.linspace(height / 2, -height / 2, part.size)])
    row, column = np.divmod(np.arange(part.size), grid[1])
    right = column / max(grid[1] - 1, 1) - 0.5
    down = row / max(grid[0] - 1, 1) - 0.5
    return np.column_stack([x + 0.32 * right, -0.72 * down + 0.26 * right])


def _nodes(ax: Axes, part: Part, xy: np.ndarray, on: np.ndarray) -> None:
    """Draw the nodes of a part, those without a drawn edge pale, and write its name above."""
    size = float(np.clip(1100 / max(part.size, 1), 1.5, 70))
    ax.scatter(xy[~on, 0], xy[~on, 1], s=size, color=_style.PALE, linewidths=0, zorder=0)
    ax.scatter(xy[on, 0], xy[on, 1], s=size, color="white", edgecolors=_style.BLACK, linewidths=0.5, zorder=2)
    if not len(xy):
        return
    ax.annotate(
        f"{part.name}: {part.size:,} nodes",
        (float(xy[:, 0].mean()), float(xy[:, 1].max())),
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=_style.TEXT,
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
    )


def _names(ax: Axes, G: NeuralGraph, part: Part, xy: np.ndarray) -> None:
    """Write the names of the nodes of an outer part beside them, where they have names and there is room."""
    depths = [other.depth for other in G.parts]
    if part.labels is None or part.size > _MOST_NAMES or part.depth not in (min(depths), max(depths)):
        return
    away = -1 if part.depth == min(depths) else 1
    for name, (x, y) in zip(part.labels, xy, strict=True):
        ax.annotate(
            name,
            (float(x), float(y)),
            xytext=(6 * away, 0),
            textcoords="offset points",
            ha="right" if away < 0 else "left",
            va="center",
            fontsize=_style.SMALL - 1,
            annotation_clip=False,
        )


def _relative(magnitude: np.ndarray, *, complete: bool) -> np.ndarray:
    """Map magnitudes to [0, 1]; where weak edges are left out, 0 is the weakest one drawn. Equal ones are thin."""
    low, high = magnitude.min(initial=np.inf), magnitude.max(initial=0)
    if low >= high:
        return np.full(len(magnitude), 0.4)
    low = 0.0 if complete else low
    relative: np.ndarray = (magnitude - low) / (high - low)
    return relative


def _caption(ax: Axes, block: Block, drawn: np.ndarray, places: Mapping[str, np.ndarray]) -> None:
    """Say below a block how much of it is drawn."""
    middle = (places[block.source][:, 0].mean() + places[block.target][:, 0].mean()) / 2 if block.n_edges else 0.0
    total = float(np.abs(block.values).sum(dtype=np.float64))
    share = f"\n{100 * float(np.abs(drawn).sum()) / total:.0f} % of strength" if total else ""
    text = (
        f"{len(drawn):,} of {block.n_edges:,} edges{share}"
        if len(drawn) < block.n_edges
        else f"{block.n_edges:,} edges"
    )
    ax.annotate(text, (middle, -0.54), ha="center", va="top", fontsize=_style.SMALL, color=_style.GREY)
