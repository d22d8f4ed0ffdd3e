"""Views of the table of a study that figures and summary share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd


def many(n: int, noun: str) -> str:
    """Return "1 task", "2 tasks"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def folded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the accuracy a of two-class tasks replaced by max(a, 1 - a)."""
    binary = [task for task in table["task"].unique() if described(table, task, "n_classes") == 2]
    table = table.copy()
    rows = table["task"].isin(binary) & (table["metric"] == "accuracy")
    table.loc[rows, "value"] = table.loc[rows, "value"].where(table["value"] >= 0.5, 1 - table["value"])
    return table


def rows_of(
    table: pd.DataFrame,
    task: str,
    operation: str,
    *,
    form: str = "full",
    null: str = "",
    metric: str = "accuracy",
) -> pd.DataFrame:
    """Return the valid rows of one task, operation, form, null model and metric."""
    chosen = (table["task"] == task) & (table["form"] == form) & (table["null"] == null) & (table["metric"] == metric)
    return table[chosen & (table["operation"] == operation) & (table["status"] == "ok")]


def curve(
    table: pd.DataFrame, task: str, operation: str, *, form: str = "full", null: str = "", metric: str = "accuracy"
) -> pd.DataFrame:
    """Return n, q25, median and q75 by parameter."""
    rows = rows_of(table, task, operation, form=form, null=null, metric=metric)
    values = rows.groupby("parameter")["value"]
    result = values.quantile([0.25, 0.5, 0.75]).unstack()
    result.columns = ["q25", "median", "q75"][: result.shape[1]]
    return result


def described(table: pd.DataFrame, task: str, metric: str) -> float:
    """Return the median over seeds of a property of the networks of a task, such as "chance" or "sigma_w"."""
    rows = table[(table["task"] == task) & (table["operation"] == "none") & (table["metric"] == metric)]
    return float(rows.loc[(rows["form"] == "full") & (rows["null"] == ""), "value"].median())


def tasks_of(table: pd.DataFrame, tasks: str | Sequence[str] | None = None) -> list[str]:
    """Return the tasks asked for, or all, in the order of the table."""
    there = list(table["task"].unique())
    chosen = there if tasks is None else [tasks] if isinstance(tasks, str) else list(tasks)
    for task in chosen:
        if task not in there:
            raise ArgumentError(f"tasks: got {task!r}; the table has {', '.join(map(repr, there))}.")
    return chosen


def role(table: pd.DataFrame, name: str) -> str | None:
    """Return the first task whose name starts with "easy" or "hard"."""
    return next((task for task in table["task"].unique() if task.lower().startswith(name)), None)
