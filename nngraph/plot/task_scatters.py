"""One number of each task against another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["task_scatter"]

_NAMED = 6  # tasks named in a figure


def task_scatter(
    table: pd.DataFrame,
    x: str | tuple[str, str],
    y: str | tuple[str, str],
    *,
    metric: str = "accuracy",
    note: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw two columns of the table of task complexity against each other, one point with its intervals for each task.

    Parameters
    ----------
    table : pandas.DataFrame
        :attr:`nngraph.complexity.Complexity.table`.
    x, y : str or (metric, column)
        Columns such as "gap_bin", "gap_B" or "ssim"; gaps are drawn in points.
    metric : str
        Of columns given without one.
    note : str
        Title, such as the correlation.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The outermost tasks are named.

    Raises
    ------
    ArgumentError
        If there is no such column or metric, or no task has both numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("t", "", "", "accuracy", 0.1, 0.2), ("u", "", "", "accuracy", 0.4, 0.3)]
    >>> table = pd.DataFrame(rows, columns=["task", "a", "b", "metric", "gap_bin", "gap_B"])
    >>> ax = task_scatter(table, "gap_bin", "gap_B")
    >>> ax.get_xlabel()
    'gap after binarisation (points)'
    """
    across, along = (_column(table, column, metric) for column in (x, y))
    both = across.add_suffix("_x").join(along.add_suffix("_y")).dropna(subset=["value_x", "value_y"])
    if both.empty:
        raise ArgumentError(f"task_scatter: got no task with both {x!r} and {y!r}; expected one at least.")
    ax = _style.new_axes(ax)
    bars = {
        f"{axis}err": np.abs(both[[f"low_{axis}", f"high_{axis}"]].to_numpy() - both[[f"value_{axis}"]].to_numpy()).T
        for axis in "xy"
    }
    ax.errorbar(both["value_x"], both["value_y"], **bars, fmt="none", ecolor=_style.PALE, elinewidth=0.6, zorder=1)
    ax.plot(both["value_x"], both["value_y"], "o", color=_style.BLUE, markersize=3.5, markeredgewidth=0, zorder=2)
    points = both[["value_x", "value_y"]]
    for name in _apart(points):
        ax.annotate(
            _short(table, name),
            tuple(points.loc[name]),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=_style.SMALL - 1,
        )
    _style.dress(ax, x=_label(x, metric), y=_label(y, metric), title=note)
    ax.margins(0.08)
    return ax


def _apart(points: pd.DataFrame) -> list[str]:
    """Return the tasks to name: from the outermost inwards, those whose names do not cover each other."""
    spread = (points - points.mean()) / (points.max() - points.min()).replace(0, 1)
    named: list[str] = []
    for name in spread.abs().max(axis=1).sort_values(ascending=False).index:
        gaps = (spread.loc[named] - spread.loc[name]).abs()
        if len(named) < _NAMED and not ((gaps["value_x"] < 0.15) & (gaps["value_y"] < 0.08)).any():
            named.append(str(name))
    return named


def _column(table: pd.DataFrame, column: str | tuple[str, str], metric: str) -> pd.DataFrame:
    """Return value, low and high of a column by task."""
    metric, name = column if isinstance(column, tuple) else (metric, column)
    rows = table[table["metric"] == metric].set_index("task")
    if name not in rows or rows.empty:
        raise ArgumentError(
            f"task_scatter: got {name!r} of {metric!r}; the table has the metrics "
            f"{', '.join(map(repr, dict.fromkeys(table['metric'])))} and no such column of it."
        )
    import pandas as pd

    factor = 100.0 if name.startswith("gap_") and metric in _style.PERCENT else 1.0
    value = factor * rows[name]
    ends = {end: factor * rows[f"{name}_{end}"] if f"{name}_{end}" in rows else value for end in ("low", "high")}
    return pd.DataFrame({"value": value, **ends})


def _label(column: str | tuple[str, str], metric: str) -> str:
    metric, name = column if isinstance(column, tuple) else (metric, column)
    if name == "ssim":
        return "SSIM distance"
    if not name.startswith("gap_"):
        return name
    what = "binarisation" if name == "gap_bin" else name.removeprefix("gap_").replace("_", " ")
    of = {"accuracy": "", "auc": " of AUC", "recalibrated": " of re-thresholded accuracy"}.get(metric, f" of {metric}")
    return f"gap{of} after {what}" + (" (points)" if metric in _style.PERCENT else "")


def _short(table: pd.DataFrame, task: str) -> str:
    row = table[table["task"] == task].iloc[0]
    return f"{row['a']}-{row['b']}" if row["a"] else task
