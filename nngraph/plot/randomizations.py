"""Randomised networks: as drawn, and under pruning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._tables import curve, described, folded, rows_of, tasks_of
from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pruned_randomization", "pruned_randomizations", "randomization", "randomizations"]

_SIGNS: dict[bool | None, tuple[str, str]] = {
    True: (_style.GREEN, "keeps the sign of each edge"),
    False: (_style.PURPLE, "moves signs"),
}
_LINES = ((_style.GREEN, "-"), (_style.ORANGE, "-"), (_style.PURPLE, "-"), (_style.SKY, "-"), (_style.GREEN, "--"))


def randomization(
    table: pd.DataFrame, task: str, *, metric: str = "accuracy", fold: bool = False, ax: Axes | None = None
) -> Axes:
    """Draw each null model's draws: a point for each seed and draw, the median, and whiskers at the quartiles.

    Green null models keep the sign of each edge, purple ones do not. Lines show the median of the full and of the
    signed networks, and chance.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :meth:`nngraph.Study.run`.
    task, metric : str
        As in the table; shares are drawn in percent.
    fold : bool
        Replace the accuracy a of two-class tasks by max(a, 1 - a) before the median, as published.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the table has no such rows.
    """
    ax = _style.new_axes(ax)
    kinds = _kinds(table, task)
    shown = folded(table) if fold else table
    factor = _style.scale(metric)
    for form, color, line in (("full", _style.BLUE, "-"), ("signed", _style.VERMILLION, (0, (4, 2)))):
        original = rows_of(shown, task, "none", form=form, metric=metric)["value"]
        if len(original):
            ax.axhline(factor * original.median(), color=color, linewidth=1.4, linestyle=line, label=form, zorder=1)
    _style.chance_line(ax, metric, described(table, task, "chance"))
    for i, kind in enumerate(kinds):
        rows = rows_of(shown, task, "none", null=kind, metric=metric)
        color, label = _SIGNS.get(_keeps_signs(kind), (_style.BLACK, "null model"))
        values = factor * rows["value"].to_numpy()
        if not len(values):
            continue
        spread = np.linspace(-0.28, 0.28, rows["seed"].nunique() or 1)
        places = i + spread[rows["seed"].rank(method="dense").astype(int).to_numpy() - 1]
        ax.scatter(places, values, s=7, color=color, alpha=0.35, linewidths=0, zorder=2)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        ax.errorbar(
            i,
            middle,
            [[middle - low], [high - middle]],
            fmt="_",
            color=color,
            markersize=17,
            markeredgewidth=2.2,
            elinewidth=1.2,
            capsize=3,
            label=label,
            zorder=3,
        )
    ax.set_xticks(range(len(kinds)), kinds)
    ax.set_xlim(-0.6, len(kinds) - 0.4)
    if metric in _style.PERCENT:
        ax.set_ylim(max(min(ax.dataLim.y0 - 4, 45), -3), 103)
    return _style.dress(ax, x="null model", y=_style.ylabel(metric, fold=fold))


def pruned_randomization(
    table: pd.DataFrame,
    task: str,
    *,
    kinds: Sequence[str] = "BEF",
    metric: str = "accuracy",
    fold: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw null models of the pruned networks, beside the full and the signed networks, along the fraction pruned.

    Parameters
    ----------
    table, task, metric, fold, ax
        As in :func:`randomization`.
    kinds : sequence of str
        Null models drawn in colour with a quartile band; those that the table has besides are thin grey lines.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the table has no such rows.
    """
    ax = _style.new_axes(ax)
    there = _kinds(table, task)
    shown = folded(table) if fold else table
    factor = _style.scale(metric)
    for form, color in (("full", _style.BLUE), ("signed", _style.VERMILLION)):
        points = curve(shown, task, "prune", form=form, metric=metric)
        if len(points):
            ax.plot(points.index, factor * points["median"], color=color, linewidth=1, linestyle="-", label=form)
    curves = {kind: curve(shown, task, "prune", null=kind, metric=metric) for kind in there}
    there = [kind for kind in there if len(curves[kind])]
    rest = [kind for kind in there if kind not in kinds]
    for i, kind in enumerate(rest):
        points = curves[kind]
        label = ", ".join(rest) if i == 0 else "_"
        ax.plot(points.index, factor * points["median"], color=_style.PALE, linewidth=0.9, label=label, zorder=1)
    for kind, (color, line) in zip([kind for kind in there if kind in kinds], _LINES, strict=False):
        points = curves[kind]
        _style.band(ax, points, factor, color=color, label=kind, linestyle=line)
    _style.chance_line(ax, metric, described(table, task, "chance"))
    _style.percent_limits(ax, metric)
    return _style.dress(ax, x="prune", y=_style.ylabel(metric, fold=fold))


def randomizations(
    table: pd.DataFrame,
    tasks: str | Sequence[str] | None = None,
    *,
    metric: str = "accuracy",
    fold: bool = False,
    fig: Figure | None = None,
) -> Figure:
    """Draw :func:`randomization` for each task.

    Parameters
    ----------
    table, metric, fold
        As in :func:`randomization`.
    tasks : str or sequence of str, optional
        By default all.
    fig : matplotlib.figure.Figure, optional
        An empty figure to draw into; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _side_by_side(table, tasks, randomization, fig, metric=metric, fold=fold)


def pruned_randomizations(
    table: pd.DataFrame,
    tasks: str | Sequence[str] | None = None,
    *,
    kinds: Sequence[str] = "BEF",
    metric: str = "accuracy",
    fold: bool = False,
    fig: Figure | None = None,
) -> Figure:
    """Draw :func:`pruned_randomization` for each task.

    Parameters
    ----------
    table, kinds, metric, fold
        As in :func:`pruned_randomization`.
    tasks : str or sequence of str, optional
        By default all.
    fig : matplotlib.figure.Figure, optional
        An empty figure to draw into; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _side_by_side(table, tasks, pruned_randomization, fig, kinds=kinds, metric=metric, fold=fold)


def _side_by_side(
    table: pd.DataFrame,
    tasks: str | Sequence[str] | None,
    draw: Callable[..., Axes],
    fig: Figure | None,
    **options: Any,
) -> Figure:
    chosen = tasks_of(table, tasks)
    n_rows = -(-len(chosen) // 2)
    fig, axes = _style.new_figure(fig, n_rows, min(len(chosen), 2), sharey=True)
    fig.set_size_inches(7.2, 0.7 + 2.5 * n_rows)
    panels = list(axes.flat)
    for ax in panels[len(chosen) :]:
        ax.remove()
    lows = []
    for i, (ax, task) in enumerate(zip(panels, chosen, strict=False)):
        draw(table, task, ax=ax, **options)
        lows.append(ax.get_ylim()[0])
        ax.set_title(task, fontsize=_style.TEXT + 1, loc="left", fontweight="bold")
        if i % 2:
            ax.set_ylabel("")
    panels[0].set_ylim(bottom=min(lows))
    _style.letters(panels[: len(chosen)])
    handles = {
        label: handle
        for ax in panels[: len(chosen)]
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    fig.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=len(handles),
        frameon=False,
        fontsize=_style.TEXT,
        columnspacing=1.4,
    )
    return fig


def _kinds(table: pd.DataFrame, task: str) -> list[str]:
    tasks_of(table, task)
    kinds = [kind for kind in table.loc[table["task"] == task, "null"].unique() if kind]
    if not kinds:
        raise ArgumentError(f"randomization: the table has no null model for the task {task!r}.")
    return kinds


def _keeps_signs(kind: str) -> bool | None:
    """Tell whether a null model keeps the sign of each edge; None for a model of the user's own."""
    from nngraph.nulls import kept

    try:
        return "signs" in kept(kind)
    except ArgumentError:
        return None
