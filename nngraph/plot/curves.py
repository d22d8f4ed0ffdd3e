"""Accuracy of full and signed networks under pruning, noise and sign flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nngraph._tables import curve, described, folded, tasks_of
from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["perturbation", "perturbations"]


def perturbation(
    table: pd.DataFrame,
    task: str,
    operation: str,
    *,
    metric: str = "accuracy",
    fold: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the full and the signed networks of a task along the grid of one operation.

    Lines are medians over seeds, bands run from the lower to the upper quartile, the dashed line is chance (the share
    of the largest class), and the dotted line of the noise panel is the standard deviation of the weights.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :meth:`nngraph.Study.run`.
    task, operation, metric : str
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

    Examples
    --------
    >>> import pandas as pd
    >>> import nngraph as nng
    >>> from nngraph.store import COLUMNS
    >>> rows = [("t", 0, "", "prune", p, form, "", 0, "accuracy", 1 - p / 2, "ok")
    ...         for p in (0, 0.5, 1) for form in ("full", "signed")]
    >>> ax = nng.plot.perturbation(pd.DataFrame(rows, columns=COLUMNS), "t", "prune")
    >>> ax.get_xlabel(), len(ax.lines)
    ('fraction of edges pruned, $p$', 2)
    """
    ax = _style.new_axes(ax)
    tasks_of(table, task)
    shown = folded(table) if fold else table
    points = {form: curve(shown, task, operation, form=form, metric=metric) for form in ("full", "signed")}
    if not len(points["full"]):
        raise ArgumentError(f"perturbation: the table has no {metric!r} under {operation!r} for the task {task!r}.")
    factor = _style.scale(metric)
    if operation == "noise":
        ax.set_xscale("log", base=2)
        sigma = described(table, task, "sigma_w")
        if sigma > 0:
            ax.axvline(sigma, color=_style.GREY, linestyle=":", linewidth=1, label=r"$\sigma(w)$", zorder=0)
    _style.chance_line(ax, metric, described(table, task, "chance"))
    for form, color in (("full", _style.BLUE), ("signed", _style.VERMILLION)):
        if len(points[form]):
            _style.band(ax, points[form], factor, color=color, label=form)
    _style.percent_limits(ax, metric)
    return _style.dress(ax, x=operation, y=_style.ylabel(metric, fold=fold))


def perturbations(
    table: pd.DataFrame,
    tasks: str | Sequence[str] | None = None,
    *,
    metric: str = "accuracy",
    fold: bool = False,
    fig: Figure | None = None,
) -> Figure:
    """Draw :func:`perturbation` for each task (rows) and each operation with a grid (columns).

    Parameters
    ----------
    table, metric, fold
        As in :func:`perturbation`.
    tasks : str or sequence of str, optional
        By default all.
    fig : matplotlib.figure.Figure, optional
        An empty figure to draw into; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = tasks_of(table, tasks)
    values = table[(table["metric"] == metric) & (table["status"] == "ok") & table["task"].isin(chosen)]
    grids = values.groupby("operation", sort=False)["parameter"].nunique()
    operations = [name for name in grids.index if name != "none" and grids[name] > 1]
    if not operations:
        raise ArgumentError(f"perturbations: the table has no {metric!r} under an operation with a grid.")
    fig, axes = _style.new_figure(fig, len(chosen), len(operations), sharey="row", sharex="col")
    for row, task in zip(axes, chosen, strict=True):
        lows = []
        for ax, operation in zip(row, operations, strict=True):
            if len(curve(table, task, operation, metric=metric)):
                perturbation(table, task, operation, metric=metric, fold=fold, ax=ax)
            else:
                _style.dress(ax, x=operation, y=_style.ylabel(metric, fold=fold)).annotate(
                    "no values", (0.5, 0.5), xycoords="axes fraction", fontsize=_style.TEXT, ha="center"
                )
            lows.append(ax.get_ylim()[0])
        row[0].set_ylim(bottom=min(lows))
        row[0].set_title(task, fontsize=_style.TEXT + 1, loc="left", fontweight="bold")
    for ax in axes.flat:
        ax.label_outer()
    _style.letters(list(axes.flat))
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    names = [name for name in ("full", "signed", "chance", r"$\sigma(w)$") if name in handles]
    fig.legend(
        [handles[name] for name in names],
        names,
        loc="outside upper center",
        ncols=len(names),
        frameon=False,
        fontsize=_style.TEXT,
    )
    return fig
