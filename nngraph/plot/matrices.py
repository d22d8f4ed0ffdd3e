"""The score of a model along the probes of its matrices, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["matrix_panels", "matrix_robustness"]

LINES = {
    ("full", "", ""): ("as it is", _style.BLUE, "-"),
    ("signed", "none", ""): ("bare signs", _style.VERMILLION, "-"),
    ("signed", "mean_abs", ""): ("signs, one scale", _style.ORANGE, "--"),
    ("full", "", "A"): ("randomised, A", _style.GREY, ":"),
    ("full", "", "B"): ("randomised, B", _style.GREEN, "-."),
}
MORE = (_style.PURPLE, _style.SKY, _style.BLACK)


def matrix_robustness(
    table: pd.DataFrame,
    matrix: str,
    *,
    probe: str = "prune",
    chance: float | None = None,
    metric: str = "score",
    ax: Axes | None = None,
) -> Axes:
    """Draw the score along one probe of one matrix: as it is, signed, and randomised.

    Lines are medians over draws, bands run from the lowest to the highest of them; the solid grey line is the score of
    the model as it is, the dashed one that of a model that knows nothing.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`nngraph.layer_robustness`.
    matrix : str
        A matrix of the table.
    probe : "prune", "noise" or "flip"
        Which rows; null models are along pruning.
    chance : float, optional
        Score of a model that knows nothing.
    metric : str
        What the score is called.
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
    >>> import nngraph as nng
    >>> model = nng.mlp((4, 3, 2), rng=0)
    >>> table = nng.layer_robustness(model, lambda m: float(m[0].weight.abs().sum()), probes={"prune": [0.1, 0.5]})
    >>> ax = nng.plot.matrix_robustness(table, "0")
    >>> ax.get_xlabel(), len(ax.lines)
    ('fraction of edges pruned, $p$', 4)
    """
    rows = table[(table["matrix"] == matrix) & (table["probe"] == probe) & (table["status"] == "ok")]
    if rows.empty:
        known = ", ".join(repr(name) for name in table["matrix"].unique() if name)
        raise ArgumentError(f"matrix: got {matrix!r}, of which the table has no {probe!r}; it has {known}.")
    ax = _style.new_axes(ax)
    if probe == "noise":
        ax.set_xscale("log")
    more = iter(MORE)
    for key, own in rows.groupby(["form", "scale", "null"], sort=False):
        label, color, style = LINES.get(key) or (f"randomised, {key[2]}", next(more, _style.BLACK), "-")
        values = own.groupby("parameter")["value"]
        line = values.median()
        ax.plot(line.index, line, color=color, linestyle=style, linewidth=1.4, marker=".", markersize=4, label=label)
        ax.fill_between(line.index, values.min(), values.max(), color=color, alpha=0.15, linewidth=0)
    untouched = table.loc[(table["matrix"] == "") & (table["probe"] == "none"), "value"]
    ax.axhline(float(untouched.iloc[0]), color=_style.PALE, linewidth=1, zorder=0)
    if chance is not None:
        ax.axhline(chance, color=_style.PALE, linestyle="--", linewidth=1, zorder=0)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    return _style.dress(ax, x=probe, y=metric)


def matrix_panels(
    table: pd.DataFrame,
    matrices: Sequence[str],
    *,
    probes: Sequence[str] = ("prune",),
    chance: float | None = None,
    metric: str = "score",
    fig: Figure | None = None,
) -> Figure:
    """Draw :func:`matrix_robustness` for several matrices: three panels a row for one probe, else a row for each probe.

    Parameters
    ----------
    table, chance, metric
        As for :func:`matrix_robustness`.
    matrices : sequence of str
        Matrices of the table.
    probes : sequence of str
        One or more of "prune", "noise" and "flip".
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.mlp((4, 3, 2), rng=0)
    >>> table = nng.layer_robustness(model, lambda m: float(m[0].weight.abs().sum()), probes={"prune": [0.1, 0.5]})
    >>> len(nng.plot.matrix_panels(table, ["0", "2"]).axes)
    3
    """
    pairs = [(matrix, probe) for probe in probes for matrix in matrices]
    n_columns = 3
    fig, axes = _style.new_figure(fig, -(-len(pairs) // n_columns), n_columns, sharey=True)
    for ax, (matrix, probe) in zip(axes.flat, pairs, strict=False):
        matrix_robustness(table, matrix, probe=probe, chance=chance, metric=metric, ax=ax)
        ax.set_title(matrix, fontsize=_style.TEXT, loc="left")
        ax.label_outer(remove_inner_ticks=False)
        ax.xaxis.label.set_visible(True)
    for ax in axes.flat[len(pairs) :]:
        ax.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=_style.SMALL, frameon=False)
    return fig
