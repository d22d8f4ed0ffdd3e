"""Networks whose edges evolve in training: accuracies of arms, and what becomes of their degrees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["accuracy_curves", "degree_changes", "paired_differences", "pixel_maps", "variance_ratios"]

_COLORS = (_style.BLACK, _style.GREY, _style.VERMILLION, _style.BLUE, _style.ORANGE, _style.PURPLE, _style.GREEN)
_LINES = ("-", "--", "-", "-", ":", "-.", "--")


def accuracy_curves(table: pd.DataFrame, *, fig: Figure | None = None) -> Figure:
    """Draw the accuracy of each arm against the epoch, one panel for each density.

    Parameters
    ----------
    table : pandas.DataFrame
        ``epsilon`` (infinite for networks with all edges, which are drawn in every panel), ``arm``, ``seed``,
        ``epoch``, ``accuracy`` in [0, 1].
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The mean over seeds, and a band from the smallest to the largest.

    Raises
    ------
    ArgumentError
        If the table has no row.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("SET", 13.0, seed, epoch, 0.8) for seed in range(2) for epoch in (1, 2)]
    >>> fig = accuracy_curves(pd.DataFrame(rows, columns=["arm", "epsilon", "seed", "epoch", "accuracy"]))
    >>> len(fig.axes)
    1
    """
    epsilons = _epsilons("accuracy_curves", table)
    fig, axes = _style.new_figure(fig, 1, len(epsilons))
    fig.set_size_inches(2.8 * len(epsilons), 3.0)
    arms = list(dict.fromkeys(table["arm"]))
    for ax, epsilon in zip(axes[0], epsilons, strict=True):
        shown = table[(table["epsilon"] == epsilon) | np.isinf(table["epsilon"])]
        for arm, rows in shown.groupby("arm", sort=False):
            style = _look(arms, arm)
            seeds = 100 * rows.pivot_table(index="epoch", columns="seed", values="accuracy")
            x = seeds.index.to_numpy()
            ax.plot(x, seeds.mean(axis=1), label=arm, linewidth=1.3, **style)
            ax.fill_between(x, seeds.min(axis=1), seeds.max(axis=1), color=style["color"], alpha=0.13, linewidth=0)
        ax.set_xscale("log")
        _plain_ticks(ax)
        _style.dress(ax, x="epoch", title="" if math.isinf(epsilon) else f"ε = {epsilon:g}")
    axes[0, 0].set_ylabel("test accuracy (%)", fontsize=_style.TEXT)
    found = {line.get_label(): line for ax in axes[0] for line in ax.lines}
    n_columns = min(len(found), 4)  # more are wider than the figure
    fig.legend(found.values(), found, frameon=False, fontsize=_style.SMALL, loc="outside upper center", ncols=n_columns)
    return fig


def paired_differences(last: pd.DataFrame, *, against: str = "fixed mask", fig: Figure | None = None) -> Figure:
    """Draw the difference of accuracy of each arm from another, of the same seed, with 95 % intervals.

    Parameters
    ----------
    last : pandas.DataFrame
        ``epsilon``, ``arm``, ``seed``, ``accuracy``: one row for each network.
    against : str
        The arm whose accuracy is taken off, at the same epsilon.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each epsilon; in it a point for each seed, a bar for Student's interval of the mean.

    Raises
    ------
    ArgumentError
        If no arm can be compared.

    Examples
    --------
    >>> import pandas as pd
    >>> gains = {"fixed mask": 0.0, "SET": 0.01}
    >>> rows = [(arm, 2.0, seed, 0.8 + seed * gain) for arm, gain in gains.items() for seed in (0, 1)]
    >>> fig = paired_differences(pd.DataFrame(rows, columns=["arm", "epsilon", "seed", "accuracy"]))
    >>> [label.get_text() for label in fig.axes[0].get_yticklabels()]
    ['SET']
    """
    from scipy.stats import t

    groups = last.groupby(["epsilon", "arm"], sort=False)
    held = {cell: group.set_index("seed")["accuracy"] for cell, group in groups}
    panels: dict[float, dict[str, np.ndarray]] = {}
    for epsilon in _epsilons("paired_differences", last):
        for other, arm in held:
            if arm != against and (other == epsilon or math.isinf(other)) and (epsilon, against) in held:
                gaps = (100 * (held[other, arm] - held[epsilon, against])).dropna().to_numpy()
                panels.setdefault(epsilon, {})[arm] = gaps
    if not panels:
        raise ArgumentError(f"paired_differences: got no arm beside {against!r}; expected at least one.")
    fig, axes = _style.new_figure(fig, 1, len(panels))
    fig.set_size_inches(1.3 + 2.2 * len(panels), 0.8 + 0.28 * max(map(len, panels.values())))
    for ax, (epsilon, arms) in zip(axes[0], panels.items(), strict=True):
        for place, values in enumerate(arms.values()):
            ax.plot(values, np.full(len(values), place), "o", color=_style.SKY, markersize=3.5, zorder=2)
            half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0
            ax.errorbar(values.mean(), place, xerr=half, fmt="D", color=_style.BLACK, markersize=3, capsize=3, zorder=3)
        ax.axvline(0, color=_style.PALE, linestyle="--", linewidth=1, zorder=0)
        ax.set_yticks(range(len(arms)), arms)
        ax.set_ylim(len(arms) - 0.5, -0.5)
        _style.dress(ax, title="" if math.isinf(epsilon) else f"ε = {epsilon:g}")
    fig.supxlabel(f"test accuracy less that of the {against} (points)", fontsize=_style.TEXT)
    return fig


def variance_ratios(table: pd.DataFrame, *, fig: Figure | None = None) -> Figure:
    """Draw the variance of degrees, over that of the binomial law, against the number of rewirings.

    Parameters
    ----------
    table : pandas.DataFrame
        ``kind``, ``graph``, ``layer`` (a panel each), ``rewiring``, ``variance_ratio``.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        A colour for each kind; a dashed line is the core, before regrowth, a full one the graph after it.

    Raises
    ------
    ArgumentError
        If the table has no row.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("SET", graph, "in", i, 1 + i) for graph in ("core", "regrown") for i in range(3)]
    >>> columns = ["kind", "graph", "layer", "rewiring", "variance_ratio"]
    >>> len(variance_ratios(pd.DataFrame(rows, columns=columns)).axes)
    1
    """
    if not len(table):
        raise ArgumentError("variance_ratios: got no row; expected at least one.")
    layers, kinds = list(dict.fromkeys(table["layer"])), list(dict.fromkeys(table["kind"]))
    columns = min(2, len(layers))
    fig, axes = _style.new_figure(fig, math.ceil(len(layers) / columns), columns, sharex=True)
    colors = dict(zip(kinds, (_style.VERMILLION, _style.BLUE, _style.GREY, _style.GREEN), strict=False))
    for ax, layer in zip(axes.flat, layers, strict=False):
        for (kind, graph), rows in table[table["layer"] == layer].groupby(["kind", "graph"], sort=False):
            style = "--" if graph == "core" else "-"
            label = f"{kind}, {graph}"
            ax.plot(rows["rewiring"], rows["variance_ratio"], style, color=colors[kind], label=label, linewidth=1.2)
        ax.axhline(1, color=_style.PALE, linewidth=0.8, zorder=0)
        ax.set_xscale("symlog", linthresh=1)
        ax.set_yscale("log")
        _plain_ticks(ax, subs=(1, 2, 5))
        _style.dress(ax, title=layer)
    for ax in axes[-1]:
        ax.set_xlabel("rewirings", fontsize=_style.TEXT)
    for ax in axes[:, 0]:
        ax.set_ylabel("variance / binomial", fontsize=_style.TEXT)
    handles, names = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, names, frameon=False, fontsize=_style.SMALL, loc="outside upper center", ncols=2)
    return fig


def pixel_maps(maps: Mapping[str, Any], *, fig: Figure | None = None, columns: int = 4) -> Figure:
    """Draw one number for each pixel of an image, one panel for each name, each with colours of its own.

    Parameters
    ----------
    maps : mapping of str to (height, width) array
        Degrees of the pixels, or their variance.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.
    columns : int
        Panels in a row.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If there is no map, or one is no image.

    Examples
    --------
    >>> import numpy as np
    >>> fig = pixel_maps({"start": np.ones((8, 8)), "end": np.eye(8)})
    >>> [ax.get_title(loc="left") for ax in fig.axes if ax.images]
    ['start', 'end']
    """
    if not maps:
        raise ArgumentError("pixel_maps: got no map; expected at least one.")
    columns = min(columns, len(maps))
    rows = math.ceil(len(maps) / columns)
    fig, axes = _style.new_figure(fig, rows, columns)
    fig.set_size_inches(1.85 * columns, 1.85 * rows)
    for ax in axes.flat[len(maps) :]:
        ax.remove()
    for ax, (name, values) in zip(axes.flat, maps.items(), strict=False):
        if np.ndim(values) != 2:
            raise ArgumentError(
                f"pixel_maps: {name!r}: got an array of shape {np.shape(values)}; expected (height, width)."
            )
        image = ax.imshow(values, cmap="viridis", interpolation="nearest")
        ax.set_title(name, fontsize=_style.SMALL, loc="left")
        ax.set_xticks([])
        ax.set_yticks([])
        bar = fig.colorbar(image, ax=ax, fraction=0.046, pad=0.03)
        bar.ax.tick_params(labelsize=_style.SMALL - 1, length=2)
    return fig


def degree_changes(panels: Mapping[str, tuple[Mapping[str, Any], int]], *, fig: Figure | None = None) -> Figure:
    """Draw the share of nodes with at least k edges, of some degree sequences, each beside its binomial law.

    Parameters
    ----------
    panels : mapping of str to (sequences, n_opposite)
        For each panel the degrees of one side of one block by name, and the number of nodes on the other side.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Points: degrees; lines of the same colour: the binomial law of the same mean. Zeros have no place on a
        logarithmic axis, but count as nodes.

    Raises
    ------
    ArgumentError
        If there is no panel.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> fig = degree_changes({"in": ({"start": rng.binomial(400, 0.05, 300)}, 400)})
    >>> fig.axes[0].get_ylabel()
    'P(K ≥ k)'
    """
    from scipy.stats import binom

    if not panels:
        raise ArgumentError("degree_changes: got no panel; expected at least one.")
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    fig, axes = _style.new_figure(fig, rows, columns)
    fig.set_size_inches(3.6 * columns, 2.6 * rows)
    colors = (_style.GREY, _style.VERMILLION, _style.BLUE, _style.GREEN)
    for ax, (title, (sequences, n_opposite)) in zip(axes.flat, panels.items(), strict=False):
        ends = []
        for (name, values), color in zip(sequences.items(), colors, strict=False):
            k = np.sort(np.asarray(values))
            x, first = np.unique(k, return_index=True)
            share = 1 - first / len(k)
            ax.plot(x[x > 0], share[x > 0], "o", color=color, markersize=2.6, markeredgewidth=0, label=name)
            grid = np.arange(1, k[-1] + 1)
            ax.plot(grid, binom.sf(grid - 1, n_opposite, k.mean() / n_opposite), color=color, linewidth=1)
            ends.append(share[-1])
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(0.5 * min(ends), 1.5)
        ax.legend(frameon=False, fontsize=_style.SMALL, loc="lower left")
        _style.dress(ax, x="degree k", y="P(K ≥ k)", title=title)
    return fig


def _epsilons(where: str, table: pd.DataFrame) -> list[float]:
    """Return the densities that panels are of, those with all edges only where there are no others."""
    if not len(table):
        raise ArgumentError(f"{where}: got no row; expected at least one.")
    found = list(dict.fromkeys(table["epsilon"]))
    return [epsilon for epsilon in found if not math.isinf(epsilon)] or found


def _look(arms: list[Any], arm: Any) -> dict[str, Any]:
    place = arms.index(arm)
    return {"color": _COLORS[place % len(_COLORS)], "linestyle": _LINES[place % len(_LINES)]}


def _plain_ticks(ax: Axes, subs: tuple[int, ...] = (1, 2, 5)) -> None:
    """Label logarithmic axes with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=subs))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
