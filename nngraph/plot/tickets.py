"""Lottery tickets: what pruned networks score, and when their measures depart from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ticket_measure", "ticket_panels", "ticket_scores"]

ARMS = {
    "tickets": (_style.BLUE, "o"),
    "random": (_style.VERMILLION, "s"),
    "shuffle": (_style.ORANGE, "^"),
    "degree": (_style.GREEN, "D"),
    "reinitialize": (_style.PURPLE, "v"),
}


def ticket_scores(rounds: pd.DataFrame, *, score: str = "accuracy", drop: float = 0.01, ax: Axes | None = None) -> Axes:
    """Draw a score against density, from the whole network on the left to few edges on the right.

    Lines are means over seeds, bands run from the lowest seed to the highest. The dashed line is ``drop`` below the
    mean of the whole networks.

    Parameters
    ----------
    rounds : pandas.DataFrame
        With columns ``arm``, ``round``, ``density`` and the score: ``Tickets.rounds`` of each seed with its arm.
    score : str
        The column.
    drop : float
        Distance of the dashed line from the whole network.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> rounds = pd.DataFrame({"arm": "tickets", "round": [0, 1], "density": [1.0, 0.5], "accuracy": [0.9, 0.8]})
    >>> ticket_scores(rounds).get_xlabel()
    'density'
    """
    if missing := [name for name in ("arm", "round", "density", score) if name not in rounds]:
        raise ArgumentError(f"ticket_scores: got no column {missing[0]!r}; it has {', '.join(map(repr, rounds))}.")
    ax = _style.new_axes(ax)
    for number, (arm, one) in enumerate(rounds.groupby("arm", sort=False)):
        color, marker = ARMS.get(str(arm), (_style.GREY, "ovsD"[number % 4]))
        _lines(ax, one, score, color=color, marker=marker, label=str(arm))
    whole = rounds.loc[rounds["round"] == 0, score].mean()
    if np.isfinite(whole):
        ax.axhline(
            whole - drop, color=_style.GREY, linestyle="--", linewidth=1, zorder=0, label=f"whole, less {drop:g}"
        )
    _falling(ax)
    _style.legend_above(ax, last=[f"whole, less {drop:g}"])
    return _style.dress(ax, x="density", y=score)


def ticket_measure(
    runs: Mapping[str, Sequence[pd.DataFrame]],
    measure: str,
    *,
    null: str = "dealt",
    decays: Mapping[str, Sequence[float]] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure against density, with what its null gives, and mark where the score decays.

    Lines are means over seeds, bands run from the lowest seed to the highest; the black dotted line is the mean of the
    null of the first arm. Rounds with ``|z| > 3`` in every seed have filled markers. Vertical lines are the densities
    of ``decays``.

    Parameters
    ----------
    runs : mapping of str to sequences of pandas.DataFrame
        By arm, for each seed the table of :func:`nngraph.sparse.ticket_measures`.
    measure, null : str
        Which rows.
    decays : mapping of str to sequences of float, optional
        By arm, for each seed the density at which the score decayed; NaN where it did not.
    title : str
        Of the panel; by default the measure.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If no table has the measure under this null.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"round": [0, 1], "density": [1.0, 0.5], "measure": "a", "null": "dealt",
    ...                       "observed": [1.0, 2.0], "mean": [1.0, 1.1], "z": [0.0, 5.0]})
    >>> len(ticket_measure({"tickets": [table]}, "a").lines)
    4
    """
    import pandas as pd

    ax = _style.new_axes(ax)
    for number, (arm, tables) in enumerate(runs.items()):
        rows = pd.concat([one[(one["measure"] == measure) & (one["null"] == null)] for one in tables])
        if rows.empty:
            raise ArgumentError(f"ticket_measure: got no measure {measure!r} under the null {null!r}.")
        color, marker = ARMS.get(arm, (_style.GREY, "ovsD"[number % 4]))
        middle = _lines(ax, rows, "observed", color=color, marker=None, label=arm)
        beyond = (rows["z"].abs() > 3).groupby(rows["round"]).all().to_numpy()
        points: dict[str, Any] = {"linestyle": "none", "color": color, "markersize": 3.5}
        ax.plot(middle.index[beyond], middle[beyond], marker, **points)
        ax.plot(middle.index[~beyond], middle[~beyond], marker, markerfacecolor="white", **points)
        if number == 0:
            chance = rows.groupby("round")[["density", "mean"]].mean()
            ax.plot(chance["density"], chance["mean"], ":", color=_style.BLACK, linewidth=1.2, label="null")
        for density in (decays or {}).get(arm, ()):
            ax.axvline(density, color=color, linewidth=0.7, alpha=0.6, zorder=0)
    _falling(ax)
    return _style.dress(ax, x="density", title=title or measure)


def ticket_panels(
    runs: Mapping[str, Sequence[pd.DataFrame]],
    panels: Sequence[tuple[str, str, str]],
    *,
    decays: Mapping[str, Sequence[float]] | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw several measures against density, two panels in a row, each as :func:`ticket_measure`.

    Parameters
    ----------
    runs, decays
        As for :func:`ticket_measure`.
    panels : sequence of (measure, null, title)
        What is drawn.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If there is no panel, or no table has a measure.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"round": [0, 1], "density": [1.0, 0.5], "measure": "a", "null": "dealt",
    ...                       "observed": [1.0, 2.0], "mean": [1.0, 1.1], "z": [0.0, 5.0]})
    >>> len(ticket_panels({"tickets": [table]}, [("a", "dealt", "first"), ("a", "dealt", "second")]).axes)
    2
    """
    if not panels:
        raise ArgumentError("ticket_panels: got no panel; expected at least one (measure, null, title).")
    fig, axes = _style.new_figure(fig, -(-len(panels) // 2), 2, sharex=True)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (measure, null, title) in zip(axes.flat, panels, strict=False):
        ticket_measure(runs, measure, null=null, decays=decays, title=title, ax=ax)
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=_style.TEXT)
    return fig


def _lines(ax: Axes, rows: pd.DataFrame, value: str, *, color: str, marker: str | None, label: str) -> pd.Series:
    """Draw the mean over seeds and the band of all seeds; return the means by density."""
    found = rows.groupby("round").agg(
        density=("density", "mean"), mean=(value, "mean"), low=(value, "min"), high=(value, "max")
    )
    ax.plot(found["density"], found["mean"], color=color, marker=marker, markersize=3.5, linewidth=1.3, label=label)
    ax.fill_between(found["density"], found["low"], found["high"], color=color, alpha=0.18, linewidth=0)
    return found.set_index("density")["mean"]


def _falling(ax: Axes) -> None:
    """Let densities fall from left to right, on a logarithmic scale of percent."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_xscale("log")
    if not ax.xaxis_inverted():
        ax.invert_xaxis()
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
    ax.xaxis.set_minor_formatter(NullFormatter())
