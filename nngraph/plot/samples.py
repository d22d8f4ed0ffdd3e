"""What lies behind a map: where plans send samples, and how far samples are from each other at each tap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style, _taps
from nngraph.similarity.plans import coupling, plan_agreement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["distance_histograms", "plan"]

CLASSES = 20
"""Most classes of a plan that lines are drawn between: of more, the lines are most of what is seen."""


def plan(plan: object, labels: object = None, *, ax: Axes | None = None) -> Axes:
    """Draw where a transport plan sends each sample; with labels, the samples stand class by class.

    Parameters
    ----------
    plan : array (n,) or (n, m), or Transport
        As in :func:`nngraph.similarity.plan_agreement`.
    labels : sequence (n,), optional
        Class of each sample, for plans between n and the same n samples.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the plan is neither a permutation nor a coupling, or there is not a label for each sample.

    Notes
    -----
    The area of a point is its mass, relative to the largest. Lines stand between classes, where these are at most 20;
    vermillion points go to another class.

    Examples
    --------
    >>> import nngraph as nng
    >>> nng.plot.plan([1, 0, 3, 2], ["a", "a", "b", "b"]).get_title(loc="left")
    '100 % to the same class (by chance 50 %)'
    """
    T = coupling(plan)
    n, m = T.shape
    ax = _style.new_axes(ax, height=3.4)
    order, other = np.arange(n), np.arange(m)
    title = f"{np.trace(T):.0%} stay with their own sample" if n == m else ""
    if labels is not None:
        found = plan_agreement(plan, labels)
        title = f"{found['same']:.0%} to the same class (by chance {found['chance']:.0%})"
        order = other = np.argsort(np.asarray(labels), kind="stable")
        _, sizes = np.unique(np.asarray(labels), return_counts=True)
        for edge in sizes.cumsum()[:-1] if len(sizes) <= min(CLASSES, n / 2) else ():
            ax.axhline(edge - 0.5, color=_style.PALE, linewidth=0.6, zorder=0)
            ax.axvline(edge - 0.5, color=_style.PALE, linewidth=0.6, zorder=0)
    T = T[np.ix_(order, other)]
    y, x = np.nonzero(T > 1e-12)
    colors: Any = _style.BLUE
    if labels is not None:
        classes = np.asarray(labels)[order]
        colors = np.where(classes[y] == classes[x], _style.BLUE, _style.VERMILLION)
    area = float(np.clip(2000 / max(n, m), 3, 60))
    ax.scatter(x, y, s=area * T[y, x] / T.max(), c=colors, linewidths=0)
    ax.set_xlim(-0.5, m - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_aspect("equal" if n == m else "auto")
    for axis in (ax.xaxis, ax.yaxis):
        _style.whole_numbers(axis)
    by = ", class by class" if labels is not None else ""
    title = title.replace("%", " %")
    return _style.dress(ax, x=f"sample of the second tap{by}", y=f"sample of the first tap{by}", title=title)


def distance_histograms(histograms: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the density of the distances between samples, tap after tap.

    Parameters
    ----------
    histograms : pandas.DataFrame, (bins, L)
        Of :func:`nngraph.similarity.distance_histograms`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the table has no intervals of distances as index.

    Notes
    -----
    Colours are the square root of the density, so that a narrow peak at one tap does not hide the others.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> x = np.random.default_rng(0).normal(size=(30, 4))
    >>> ax = nng.plot.distance_histograms(nng.similarity.distance_histograms({"a": x, "b": x**3}, bins=9))
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['a', 'b']
    """
    import pandas as pd
    from matplotlib.colors import PowerNorm

    if not isinstance(getattr(histograms, "index", None), pd.IntervalIndex):
        raise ArgumentError("distance_histograms: expected the table of nngraph.similarity.distance_histograms.")
    names = [str(name) for name in histograms.columns]
    ax = _taps.wide(ax, names, height=2.8)
    edges = np.append(histograms.index.left, histograms.index.right[-1])
    mesh = ax.pcolormesh(
        np.arange(len(names) + 1) - 0.5, edges, histograms.to_numpy(), cmap="viridis", norm=PowerNorm(0.5, vmin=0)
    )
    for place in _taps.block_starts(names):
        ax.axvline(place - 0.5, color="white", linewidth=0.8, alpha=0.8)
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02)
    bar.ax.tick_params(labelsize=_style.SMALL, length=2)
    bar.set_label("density", fontsize=_style.TEXT)
    bar.outline.set_visible(False)
    _style.dress(ax, y="distance between samples")
    _taps.label(ax.xaxis, names, _taps.points(ax, share=1))
    ax.tick_params(axis="x", rotation=90)
    return ax
