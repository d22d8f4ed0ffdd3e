"""All figures of task complexity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.plot.class_maps import class_map, map_size
from nngraph.plot.task_scatters import task_scatter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nngraph.complexity import Complexity

__all__ = ["complexity_figures"]


def complexity_figures(result: Complexity) -> dict[str, Figure]:
    """Draw what there is of task complexity, by name; pyplot does not know of the figures.

    Parameters
    ----------
    result : Complexity
        Of :func:`nngraph.task_complexity`. The first of its metrics is shown.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        Maps of the pairs of classes "gap_bin", "gap_B" (on one scale) and "ssim"; of more than two tasks the scatters
        "gap_bin_gap_B", "gap_bin_ssim" and "gap_bin_auc" with Spearman's correlation and its interval over networks.
    """
    from matplotlib.figure import Figure

    table, metric = result.table, str(result.table["metric"].iloc[0])
    figures: dict[str, Figure] = {}
    maps = {}
    if result.classes:
        maps = {gap: 100 * result.matrix(gap, metric=metric) for gap in ("gap_bin", "gap_B") if gap in table}
    low = min([0.0, *(float(square.min(axis=None)) for square in maps.values())])
    high = max([0.0, *(float(square.max(axis=None)) for square in maps.values())])
    for gap, square in maps.items():
        figures[gap] = Figure(figsize=map_size(square), layout="constrained")
        label = f"gap after {'binarisation' if gap == 'gap_bin' else 'B'} (points)"
        class_map(square, label=label, limits=(low, high), ax=figures[gap].subplots())
    if result.ssim is not None:
        figures["ssim"] = Figure(figsize=map_size(result.ssim), layout="constrained")
        class_map(result.ssim, label="SSIM distance", digits=2, ax=figures["ssim"].subplots())
    columns: dict[str, str | tuple[str, str]] = {name: name for name in ("gap_B", "ssim") if name in table}
    if metric == "accuracy" and "auc" in set(table["metric"]):
        columns["auc"] = ("auc", "gap_bin")
    for name, column in columns.items() if table["task"].nunique() > 2 else ():
        found = result.correlation("gap_bin", column, metric=metric)
        note = f"Spearman {found.rho:.2f} ({found.low:.2f} to {found.high:.2f})"
        figures[f"gap_bin_{name}"] = Figure(figsize=(3.6, 2.8), layout="constrained")
        task_scatter(table, "gap_bin", column, metric=metric, note=note, ax=figures[f"gap_bin_{name}"].subplots())
    return figures
