"""Medians with intervals, one line for each name: a forest plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["forest", "forests"]

Intervals: TypeAlias = "Mapping[str, Mapping[str, Sequence[float]]]"
_LOOKS = ((_style.BLUE, "o"), (_style.VERMILLION, "s"), (_style.GREEN, "^"), (_style.PURPLE, "D"), (_style.ORANGE, "v"))


def forest(
    series: Intervals, *, label: str = "accuracy (%)", line: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a median with its interval for each name, of several series side by side.

    Parameters
    ----------
    series : mapping of str to mapping of str to (median, low, high)
        By series, then by name. The names of the first series are drawn from top to bottom; others may lack some.
    label : str
        What the values are, with their unit.
    line : float, optional
        Where to draw a dashed line, such as chance.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure, its height by the number of names.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no series, there are more than five, or an interval does not hold its median.

    Examples
    --------
    >>> import nngraph as nng
    >>> ax = nng.plot.forest({"trained": {"full": (98, 97, 99), "signed": (55, 50, 80)}}, line=50)
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['full', 'signed']
    """
    if not 1 <= len(series) <= len(_LOOKS):
        raise ArgumentError(f"forest: got {len(series)} series; expected one to {len(_LOOKS)}.")
    for values in series.values():
        for name, (middle, low, high) in values.items():
            if not low <= middle <= high:
                raise ArgumentError(
                    f"forest: got {middle:g} from {low:g} to {high:g} for {name!r}; expected it within."
                )
    names = list(next(iter(series.values())))
    ax = _style.new_axes(ax, height=0.9 + 0.24 * len(names))
    if line is not None:
        ax.axvline(line, color=_style.PALE, linestyle="--", linewidth=1, zorder=0)
    for i, ((key, values), (color, marker)) in enumerate(zip(series.items(), _LOOKS, strict=False)):
        there = [name for name in names if name in values]
        middles, lows, highs = np.array([values[name] for name in there], dtype=float).reshape(-1, 3).T
        y = np.array([names.index(name) for name in there]) + 0.22 * (i - (len(series) - 1) / 2)
        style: dict[str, Any] = {"color": color, "fmt": marker, "markersize": 3.5, "linewidth": 1}
        ax.errorbar(middles, y, xerr=[middles - lows, highs - middles], label=key, **style)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    return _style.dress(ax, x=label)


def forests(
    panels: Mapping[str, Intervals],
    *,
    label: str = "accuracy (%)",
    line: float | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw :func:`forest` for each of several panels, side by side.

    Parameters
    ----------
    panels : mapping of str to mapping
        By title, what :func:`forest` takes.
    label, line
        As for :func:`forest`.
    fig : matplotlib.figure.Figure, optional
        An empty figure to draw into; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = max((len(names) for series in panels.values() for names in series.values()), default=1)
    fig, axes = _style.new_figure(fig, 1, max(1, len(panels)), sharey=True, sharex=True)
    fig.set_size_inches(7.2, 1.0 + 0.26 * n)
    for ax, (title, series) in zip(axes.flat, panels.items(), strict=False):
        forest(series, label=label, line=line, ax=ax).set_title(title, fontsize=_style.TEXT, loc="left")
    handles, names = axes.flat[0].get_legend_handles_labels()
    fig.legend(
        handles, names, loc="outside upper center", ncols=max(1, len(names)), frameon=False, fontsize=_style.TEXT
    )
    return fig
