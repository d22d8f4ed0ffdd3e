"""The page and the figures of task complexity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph._tables import many
from nngraph.io._atomic import replacing
from nngraph.reports import _cell, _markdown

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.complexity import Complexity, Correlation

__all__ = ["summary", "write"]

_SHARES = ("accuracy", "auc", "recalibrated")
_POINTS = {"p_star": "p*", "a_star": "a*", "a_star_over_sigma": "a*/sigma", "q_star": "q*", "ssim": "SSIM distance"}


def summary(result: Complexity) -> str:
    """Return one page of Markdown: tasks by their gap, correlations, and how they hang on the range of the inputs."""
    table = result.table
    rows = table.drop_duplicates("task").sort_values("gap_bin", ascending=False)  # by the first metric of each task
    gaps = _gaps(table)
    seeds = many(int(rows["seeds"].max()), "network")
    lines = ["# Task complexity", ""]
    lines += [
        f"{many(len(rows), 'task')}, {seeds} each; {', '.join(rows['metric'].unique())} on the test samples: medians,",
        "of accuracies and areas under the ROC curve in percent with gaps in points; in brackets 95 % intervals of a",
        "bootstrap over networks. gap_bin: lost when weights are replaced by their signs; other gaps: lost under that",
        "null model. p*: fraction pruned at which collapsed networks come back; a*, q*:",
        "noise and flips at the peak.",
        "",
    ]
    shown = [name for name in _POINTS if name in rows]
    header = ["task", "full", "signed", *gaps, *(_POINTS[name] for name in shown)]
    body = []
    for _, row in rows.iterrows():
        factor = 100 if row["metric"] in _SHARES else 1
        cells = [_number(row, name, factor, 1) for name in ("full", "signed")]
        cells += [_number(row, name, factor, 1, ends=name in gaps[:2]) for name in gaps]
        body.append([row["task"], *cells, *(_number(row, name, 1, 2) for name in shown)])
    lines += _markdown(header, body)
    if len(rows) > 2:
        lines += ["", "## Do the gaps order the tasks alike?", ""]
        lines += [f"- {text}: Spearman {found}" for text, found in _correlations(result)]
    if result.scaling is not None:
        lines += ["", "## The range of the inputs", "", *_scaling(result, rows)]
    failed = table.loc[table["status"] != "ok", ["task", "status"]].drop_duplicates()
    if len(failed):
        lines += ["", "## What failed", ""]
        lines += [f"- {_cell(row.task)}: {_cell(row.status)}" for row in failed.itertuples()]
    return "\n".join(lines) + "\n"


def write(result: Complexity, folder: str | os.PathLike[str], *, figures: bool = True) -> None:
    """Write ``complexity.csv``, ``values.parquet``, ``summary.md`` and the figures (PNG and PDF) into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "complexity.csv") as file:
        result.table.to_csv(file, index=False, lineterminator="\n")
    with replacing(folder / "values.parquet") as file:
        result.values.to_parquet(file, index=False)
    with replacing(folder / "summary.md") as file:
        file.write(summary(result).encode())
    if not figures:
        return
    (folder / "figures").mkdir(exist_ok=True)
    from nngraph.plot import complexity_figures

    for name, figure in complexity_figures(result).items():
        for suffix in ("png", "pdf"):
            with replacing(folder / "figures" / f"{name}.{suffix}") as file:
                metadata = {"CreationDate": None} if suffix == "pdf" else None
                figure.savefig(file, format=suffix, dpi=200, metadata=metadata)


def _gaps(table: pd.DataFrame) -> list[str]:
    whole = [name for name in table if name.startswith("gap_") and f"{name}_low" in table]
    return [name for name in whole if not name.endswith(("_normalized", "_other_scaling"))]


def _number(row: pd.Series, name: str, factor: float, digits: int, *, ends: bool = False) -> str:
    value = factor * row[name]
    if math.isnan(value):
        return "-"
    text = f"{value:.{digits}f}"
    if ends and not math.isnan(row[f"{name}_low"]):
        text += f" ({factor * row[f'{name}_low']:.{digits}f} to {factor * row[f'{name}_high']:.{digits}f})"
    return text


def _correlations(result: Complexity) -> Iterator[tuple[str, Correlation]]:
    metric = str(result.table["metric"].iloc[0])
    for gap in _gaps(result.table):
        if gap != "gap_bin":
            for resample in ("seeds", "both"):
                yield f"gap_bin and {gap}", result.correlation("gap_bin", gap, metric=metric, resample=resample)
    if metric == "accuracy" and "auc" in set(result.table["metric"]):
        yield "gap_bin and that of the AUC", result.correlation("gap_bin", ("auc", "gap_bin"))
    if "ssim" in result.table:
        yield "gap_bin and SSIM distance", result.correlation("gap_bin", "ssim", metric=metric)


def _scaling(result: Complexity, rows: pd.DataFrame) -> list[str]:
    scaling = result.scaling
    assert scaling is not None
    lines = [
        f"In the other range ([0, 1] against [-1, 1]), {many(scaling.seeds, 'network')} each: Spearman's correlation",
        f"of gap_bin in both ranges is {scaling.rho:.2f}; {many(len(scaling.reversed), 'pair')} of tasks reverse",
        "beyond chance.",
        "",
    ]
    names = ["gap_bin", "gap_bin_other_scaling"]
    if not set(names) <= set(rows):
        return lines
    body = [[row["task"], *(_number(row, name, 100, 1, ends=True) for name in names)] for _, row in rows.iterrows()]
    return lines + _markdown(["task", "gap_bin", "in the other range"], body)
