"""The page and the figures of a study."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph._tables import curve, described, folded, many, rows_of, tasks_of
from nngraph.claims import claims, peak, transitions
from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["summary", "write"]

_METRICS = {"accuracy": "accuracy", "auc": "AUC", "recalibrated": "re-thresholded"}


def summary(table: pd.DataFrame, *, fold: bool = False) -> str:
    """Return one page of Markdown: accuracies with quartiles, transitions and peaks, and which claims hold.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :meth:`nngraph.Study.run`.
    fold : bool
        Replace the accuracy a of two-class tasks by max(a, 1 - a) in the numbers of the page, as published. Claims
        are tested on values as measured, except where their criterion says otherwise.

    Returns
    -------
    str
    """
    shown = folded(table) if fold else table
    lines = ["# Study", ""]
    lines += _overview(table, fold=fold)
    for task in tasks_of(table):
        lines += ["", f"## {task}", "", *_accuracies(shown, task)]
        lines += ["", *_points(shown, table, task)]
    lines += ["", "## What holds and what does not", ""]
    tested = claims(table)
    if not tested:
        lines.append('The claims are about an easy and a hard task: name one "easy ..." and another "hard ...".')
    for claim in tested:
        text = f"- **{claim.verdict}**: {claim.claim}. Found: {claim.found}. Criterion: {claim.criterion}."
        lines += textwrap.wrap(text, 100, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def write(table: pd.DataFrame, folder: str | os.PathLike[str], *, fold: bool = False, figures: bool = True) -> None:
    """Write ``summary.md`` and the figures (PNG and PDF) of a study into its folder.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :meth:`nngraph.Study.run`.
    folder : path
        An existing folder; figures go into ``figures/``.
    fold : bool
        As in :func:`summary`.
    figures : bool
        Whether to draw figures.
    """
    folder = Path(folder)
    with replacing(folder / "summary.md") as file:
        file.write(summary(table, fold=fold).encode())
    if not figures:
        return
    (folder / "figures").mkdir(exist_ok=True)
    from nngraph.plot import study_figures

    for name, figure in study_figures(table, fold=fold).items():
        for suffix in ("png", "pdf"):
            with replacing(folder / "figures" / f"{name}.{suffix}") as file:
                metadata = {"CreationDate": None} if suffix == "pdf" else None
                figure.savefig(file, format=suffix, dpi=200, metadata=metadata)


def _overview(table: pd.DataFrame, *, fold: bool) -> list[str]:
    n_tasks, n_seeds = table["task"].nunique(), table["seed"].nunique()
    failed = table[table["status"].str.startswith("failed")]
    undrawn = table[table["status"].str.startswith("no draw")]
    lines = [
        f"{many(n_tasks * n_seeds, 'network')} ({many(n_tasks, 'task')}, {many(n_seeds, 'seed')}), "
        f"{many(len(table), 'number')}.",
        "On the test set, in percent: median over seeds (and draws, for null models), quartiles in brackets.",
    ]
    if fold:
        lines.append("Accuracies a of two-class tasks are folded, max(a, 1 - a), as published.")
    if len(failed):
        n_failed = len(failed[["task", "seed"]].drop_duplicates())
        lines += [
            "",
            f"**Rows of {many(n_failed, 'network')} failed** (a rerun does these again).",
            f"First: {_cell(failed['status'].iloc[0])}",
        ]
    if len(undrawn):
        first = undrawn["status"].iloc[0].removeprefix("no draw: ")
        lines += ["", f"**{many(len(undrawn), 'draw')} of null models could not be made.** First: {_cell(first)}"]
    return lines


def _accuracies(table: pd.DataFrame, task: str) -> list[str]:
    nulls = [kind for kind in table.loc[table["task"] == task, "null"].unique() if kind]
    names = [("full", "full", ""), ("signed", "signed", ""), *((kind, "full", kind) for kind in nulls)]
    present = set(table["metric"])
    metrics = [metric for metric in _METRICS if metric in present]
    metrics += [
        m for m in table["metric"].unique() if m and m not in _METRICS and m not in _DESCRIBE | {"cross_entropy"}
    ]
    rows = []
    for label, form, null in names:
        cells = []
        for metric in metrics:
            values = rows_of(table, task, "none", form=form, null=null, metric=metric)["value"].dropna()
            cells.append(_quartiles(100 * values if metric in _METRICS else values))
        rows.append((label, *cells))
    return _markdown(("network", *(_METRICS.get(metric, metric) for metric in metrics)), rows)


_DESCRIBE = {"sigma_w", "chance", "n_classes", "flipped"}


def _points(shown: pd.DataFrame, table: pd.DataFrame, task: str) -> list[str]:
    """Chance, sigma(w), and of the signed networks the transition p*, the best p, and the peaks a* and q*."""
    chance, sigma = (described(table, task, name) for name in ("chance", "sigma_w"))
    lines = [f"- chance {100 * chance:.1f} %, sigma(w) = {sigma:.3f}"]
    if len(rows_of(table, task, "prune", form="signed")):
        found, n_seeds = transitions(table, task), table.loc[table["task"] == task, "seed"].nunique()
        where = f": p* = {_quartiles(np.array(found), 2)}" if found else ""
        lines.append(f"- pruning transition of the signed network: {len(found)} of {n_seeds} seeds collapsed{where}")
    for operation, symbol in (("prune", "p"), ("noise", "a*"), ("flip", "q*")):
        points = curve(shown, task, operation, form="signed")
        if len(points) > 1:
            at, height = peak(100 * points["median"])
            start = 100 * rows_of(shown, task, "none", form="signed")["value"].median()
            ratio = f" = {at / sigma:.1f} sigma(w)" if operation == "noise" and sigma > 0 else ""
            verb = {"prune": "pruning", "noise": "noise", "flip": "flips"}[operation]
            where = f"up to {height:.1f} % at {symbol} = {at:.2g}{ratio}" if height - start >= 1 else "not raised"
            lines.append(f"- signed median under {verb}: {where} (from {start:.1f} %)")
    return lines


def _quartiles(values: Sequence[float] | np.ndarray | pd.Series, digits: int = 1) -> str:
    if not len(values):
        return "-"
    low, middle, high = np.quantile(np.asarray(values, dtype=float), [0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table whose columns line up in a terminal too."""
    cells = [[_cell(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
