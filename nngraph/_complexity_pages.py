"""The page and the figures of task complexity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nngraph._complexity_scaling import LEAST
from nngraph._complexity_tables import FEW, SHARES
from nngraph._tables import many
from nngraph.io._atomic import replacing
from nngraph.reports import _cell, _markdown

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.complexity import Complexity, Correlation

__all__ = ["summary", "write"]

_POINTS = {"p_star": "p*", "a_star": "a*", "a_star_over_sigma": "a*/sigma", "q_star": "q*", "ssim": "SSIM distance"}

_BOTH = ("gap_bin", "gap_bin_other_scaling")


def summary(result: Complexity) -> str:
    """Return one page of Markdown: tasks by their gap, correlations, and how they hang on the range of the inputs."""
    table = result.table
    rows = table.drop_duplicates("task").sort_values("gap_bin", ascending=False)  # by the first metric of each task
    gaps = _gaps(table)
    seeds = many(int(rows["seeds"].max()), "network")
    lines = ["# Task complexity", ""]
    lines += [
        f"{many(len(rows), 'task')}, {seeds} each; {', '.join(rows['metric'].unique())} on the test samples: medians,",
        "of accuracies and areas under the ROC curve in percent with gaps in points; in brackets",
        f"{_brackets(rows)}. gap_bin: lost when weights are replaced by their signs; other gaps: lost under that",
        "null model. p*: fraction pruned at which collapsed networks come back (how many of them); a*, q*:",
        "noise and flips at the peak.",
        "",
    ]
    shown = [name for name in _POINTS if name in rows]
    header = ["task", "full", "signed", *gaps, *(_POINTS[name] for name in shown)]
    body = []
    for _, row in rows.iterrows():
        factor = _factor(row)
        cells = [_number(row, name, factor, 1) for name in ("full", "signed")]
        cells += [_number(row, name, factor, 1, ends=name in gaps[:2]) for name in gaps]
        body.append([row["task"], *cells, *(_point(row, name) for name in shown)])
    lines += _markdown(header, body)
    if len(rows) > 2:
        lines += ["", "## Do the gaps order the tasks alike?", ""]
        lines += ["In brackets symmetric 95 % intervals of a bootstrap, over what they say.", ""]
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


def _factor(row: pd.Series) -> float:
    return 100.0 if row["metric"] in SHARES else 1.0


def _ends(found: Correlation) -> str:
    return f"{found.low:.2f} to {found.high:.2f} over networks"


def _brackets(rows: pd.DataFrame) -> str:
    """Say what the interval of a number is: with few networks the median of the resamples has no 95 % interval."""
    few = int((rows["seeds"] < FEW).sum())
    if not few:
        return "95 % intervals of a bootstrap over networks"
    fewest, most = (int(n) for n in (rows["seeds"].min(), rows["seeds"].max()))
    if few == len(rows):
        n = str(most) if fewest == most else f"{fewest} to {most}"
        return f"the range of {n} networks (smallest to largest resample)"
    return f"95 % intervals of a bootstrap over networks, or, below {FEW} networks, their range"


def _point(row: pd.Series, name: str) -> str:
    text = _number(row, name, 1, 2)
    if name == "p_star" and text != "-":
        text += f" ({int(row['collapsed'])} of {int(row['seeds'])})"
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
    order = (
        "takes five tasks"
        if math.isnan(scaling.rho)
        else f"is {scaling.rho:.2f} (interval {_ends(result.correlation(*_BOTH, metric=str(rows['metric'].iloc[0])))})"
    )
    turned = (
        f"{many(len(scaling.reversed), 'pair')} of tasks reverse beyond chance (Welch's test, 5 % over all pairs)."
        if scaling.compared > 1
        else f"Which pairs reverse beyond chance takes {LEAST} networks of each task in both ranges: not tested."
    )
    lines = [
        f"In the other range ([0, 1] against [-1, 1]), {many(scaling.seeds, 'network')} each: Spearman's correlation",
        f"of gap_bin in both ranges {order}.",
        turned,
        "",
    ]
    if not set(_BOTH) <= set(rows):
        return lines
    body = [
        [row["task"], *(_number(row, name, _factor(row), 1, ends=True) for name in _BOTH)] for _, row in rows.iterrows()
    ]
    return lines + _markdown(["task", "gap_bin", "in the other range"], body)
