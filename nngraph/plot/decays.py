"""How the chains of a null model forget their start."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nngraph.nulls import Mixing

__all__ = ["mixing"]


def mixing(mixed: Mixing, *, ax: Axes | None = None) -> Axes:
    """Draw how far the agreement of each block with its start is from its limit, sweep by sweep.

    Points below the limit, which only noise makes, are hollow. The dashed line is the tolerance, a triangle on the
    lower edge the number of sweeps chosen; where several blocks have the same, theirs stand one above the other.
    Nothing below a tenth of the tolerance is shown.

    Parameters
    ----------
    mixed : Mixing
        Of :func:`nngraph.nulls.mixing`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> W = np.random.default_rng(0).normal(size=(40, 60))
    >>> ax = nng.plot.mixing(nng.nulls.mixing(nng.from_matrices([W]), rng=7))
    >>> ax.get_xlabel()
    'sweeps'
    """
    ax = _style.new_axes(ax)
    ax.set_yscale("log")
    _style.whole_numbers(ax.xaxis)
    colors = (_style.BLUE, _style.VERMILLION, _style.GREEN, _style.ORANGE, _style.SKY, _style.PURPLE)
    stacked: Counter[int] = Counter()
    for number, (name, points) in enumerate(mixed.curve.groupby("block", sort=False)):
        color = colors[number % len(colors)]
        excess = points["agreement"].to_numpy() - mixed.limit[name]
        above = excess > 0
        sweep = points["sweep"].to_numpy()
        ax.plot(sweep, abs(excess), color=color, linewidth=0.8, alpha=0.5)
        ax.plot(sweep[above], excess[above], "o", color=color, markersize=3.5, label=f"block {name}")
        ax.plot(sweep[~above], -excess[~above], "o", color=color, markersize=3.5, markerfacecolor="white")
        chosen = mixed.sweeps[name]
        height = 0.01 + 0.045 * stacked[chosen]
        ax.plot(chosen, height, "^", color=color, transform=ax.get_xaxis_transform(), markersize=6, clip_on=False)
        stacked[chosen] += 1
    ax.axhline(mixed.tol, color=_style.GREY, linestyle="--", linewidth=1, zorder=0, label="tolerance")
    ax.plot([], [], "^", color=_style.GREY, markersize=6, label="sweeps chosen")
    ax.set_ylim(bottom=mixed.tol / 10)
    _style.legend_above(ax, last=["tolerance", "sweeps chosen"])
    return _style.dress(ax, x="sweeps", y="agreement with the start, less limit")
