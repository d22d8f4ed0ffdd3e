"""How much of a statistic the null models of a ladder explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["ladder"]


def ladder(table: pd.DataFrame, *, block: str = "network", ax: Axes | None = None) -> Axes:
    """Draw the share of each statistic that the null models explain, from the weakest (top) to the strongest.

    0 is the mean of the weakest null model, 1 the graph itself; bars are one standard deviation of the draws. A hollow
    point is invariant: no draw changed the value, and nothing was tested. Statistics without a gap are left out.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`nngraph.nulls.ladder`.
    block : str
        The block, or "network" for the whole graph.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the table has no such block, or none of its statistics has a gap to explain.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.outer([1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 2.0, -3.0])])
    >>> ax = nng.plot.ladder(nng.nulls.ladder(G, "balance", ["A", "B"], n=50, rng=7))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['A', 'B']
    """
    rows = table[table["block"] == block]
    shown = rows[rows["explained"].notna()]
    if shown.empty:
        raise ArgumentError(
            f"ladder: the table has no statistic of {block!r} with a gap that a null model could close."
        )
    policies = rows.groupby("kind")["weights"].nunique()
    names = {
        rung: f"{kind}\n{weights}" if policies[kind] > 1 else str(kind)
        for rung, kind, weights in rows[["rung", "kind", "weights"]].drop_duplicates().itertuples(index=False)
    }
    ax = _style.new_axes(ax, height=1.0 + 0.29 * len(names))
    colors = (_style.BLUE, _style.VERMILLION, _style.GREEN, _style.ORANGE, _style.SKY, _style.PURPLE)
    groups = list(shown.groupby(["statistic", "key"], sort=False))
    place = {rung: number for number, rung in enumerate(names)}
    for number, ((statistic, key), points) in enumerate(groups):
        color = colors[number % len(colors)]
        weakest = points.iloc[0]
        y = points["rung"].map(place) + 0.5 * ((number + 1) / (len(groups) + 1) - 0.5)
        bars = points["sd"] / abs(weakest["observed"] - weakest["mean"])
        fixed = points["status"].str.startswith("invariant").to_numpy()
        ax.plot(points["explained"], y, color=color, linewidth=0.8, alpha=0.4)
        label = f"{statistic} {key}".strip()
        for chosen, face in ((~fixed, color), (fixed, "white")):
            ax.errorbar(
                points["explained"][chosen],
                y[chosen],
                xerr=bars[chosen],
                fmt="osD^vP"[number // len(colors) % 6],
                color=color,
                markerfacecolor=face,
                markersize=4,
                elinewidth=1,
                label=label if face == color else None,
            )
    if shown["status"].str.startswith("invariant").any():
        ax.plot([], [], "o", color=_style.GREY, markerfacecolor="white", markersize=4, label="invariant")
    for rung in sorted(set(names) - set(rows.loc[rows["n"] > 0, "rung"])):
        ax.annotate(
            "does not apply", (0.5, place[rung]), fontsize=_style.SMALL, color=_style.GREY, ha="center", va="center"
        )
    for x, style in ((0, ":"), (1, "--")):
        ax.axvline(x, color=_style.GREY, linestyle=style, linewidth=1, zorder=0)
    ax.set_yticks(np.arange(len(names)), list(names.values()))
    ax.set_ylim(len(names) - 0.5, -0.5)
    _style.legend_above(ax, last=["invariant"])
    return _style.dress(ax, x="share of the gap explained (0: weakest, 1: the graph)")
