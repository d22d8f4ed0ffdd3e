"""Distributions on logarithmic axes, with the laws fitted to their tails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style
from nngraph.stats import TailFit, distribution

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["ccdf", "pdf"]

_LINES = {
    "power_law": ("power law", _style.VERMILLION, "-", 2.6),
    "lognormal": ("lognormal", _style.BLUE, "--", 0.9),
    "truncated_power_law": ("truncated power law", _style.GREEN, "-.", 0.9),
    "exponential": ("exponential", _style.PURPLE, ":", 1.1),
    "binomial": ("binomial", _style.ORANGE, (0, (5, 1)), 0.9),
    "poisson": ("Poisson", _style.ORANGE, (0, (5, 1)), 0.9),
}


def ccdf(
    values: Any,
    *,
    fit: TailFit | None = None,
    color: str = _style.BLACK,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of values that are at least x, on logarithmic axes.

    Parameters
    ----------
    values : Series or array of shape (n,)
        As of :func:`nngraph.stats.distribution`. Zeros have no place on a logarithmic axis: their share is written.
    fit : TailFit, optional
        Of :func:`nngraph.stats.fit_tail` on the same values: draws its laws from xmin (the dotted line) on, with the
        verdict as title.
    color : colour
        Of the points.
    label : str, optional
        Of the points in the legend; by default the name of the Series.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no positive value, or the fit is one of other values.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> degrees = np.random.default_rng(0).zipf(2.5, size=1000)
    >>> ax = nng.plot.ccdf(degrees, fit=nng.stats.fit_tail(degrees, rng=7))
    >>> ax.get_ylabel()
    'P(X ≥ x)'
    """
    table = distribution(values, kind="ccdf")
    return _draw(table[table["value"] > 0], "ccdf", fit, color, label, ax)


def pdf(
    values: Any,
    *,
    fit: TailFit | None = None,
    bins_per_decade: int = 5,
    color: str = _style.BLACK,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the density of values in logarithmic bins, on logarithmic axes.

    Parameters
    ----------
    values, bins_per_decade
        As of :func:`nngraph.stats.distribution`; empty bins are not drawn.
    fit, color, label, ax
        As of :func:`ccdf`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no positive value, or the fit is one of other values.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> ax = nng.plot.pdf(np.random.default_rng(0).lognormal(size=1000), label="strengths")
    >>> ax.get_ylabel()
    'density'
    """
    table = distribution(values, kind="pdf", bins_per_decade=bins_per_decade)
    return _draw(table[table["count"] > 0], "density", fit, color, label, ax)


def _draw(
    table: pd.DataFrame, column: str, fit: TailFit | None, color: str, label: str | None, ax: Axes | None
) -> Axes:
    known = table.attrs
    if table.empty:
        raise ArgumentError(f"plot: all of the {known['n']:,} values are 0; expected some to draw on logarithmic axes.")
    x, y = (table[name].to_numpy(dtype=np.float64) for name in ("value", column))
    if fit is not None and (fit.n, fit.n_zero) != (known["n"], known["n_zero"]):
        raise ArgumentError(
            f"plot: fit: got one of {fit.n:,} values, {fit.n_zero:,} of them 0, for {known['n']:,} values, "
            f"{known['n_zero']:,} of them 0; expected the fit of the same values."
        )
    ax = _style.new_axes(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    name = label or known["name"] or "values"
    if known["n_zero"]:
        name += f" ({100 * known['n_zero'] / known['n']:.2g} % are 0)"
    size = 3.2 if len(x) < 300 else 2.2
    ax.plot(x, y, "o", color=color, markersize=size, markeredgewidth=0, alpha=0.75, label=name, zorder=2)
    if fit is not None:
        if fit.laws:
            low, high = ax.get_ylim()
            top = _laws(ax, fit, x.max(), column)
            ax.set_ylim(low, max(high, 1.3 * top))  # the laws fall out of sight below the last value
        ax.set_title(fit.verdict, fontsize=_style.TEXT, loc="left")
    ax.legend(
        fontsize=_style.SMALL - 1,
        loc="lower left" if column == "ccdf" else "best",
        handlelength=1.8,
        labelspacing=0.3,
        borderpad=0.2,
        framealpha=0.85,
        edgecolor="none",
    )
    _ticks(ax)
    title = ax.get_title(loc="left")
    return _style.dress(ax, x="x", y="P(X ≥ x)" if column == "ccdf" else "density", title=title)


def _ticks(ax: Axes) -> None:
    """Label powers of ten alone, or plain numbers 1, 2, 5, 10 where the axis holds less than two of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (ax.xaxis, ax.yaxis):
        low, high = np.log10(axis.get_view_interval())
        axis.set_minor_formatter(NullFormatter())
        if np.floor(high) - np.ceil(low) < 1:
            axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _laws(ax: Axes, fit: TailFit, largest: float, column: str) -> float:
    """Draw the laws of a fit from xmin to the largest value; return the largest density drawn."""
    top = 0.0
    x = np.geomspace(fit.xmin, max(largest, fit.xmin), 200)
    if fit.discrete:
        x = np.unique(x.round())
    for law in fit.laws:
        if law == "poisson" and "binomial" in fit.laws:
            continue
        name, color, style, width = _LINES[law]
        if law == "power_law":
            p = "" if fit.p is None else f", p = {fit.p:.2g}"
            name = f"{name}, α = {fit.alpha:.2f}{p}"
        y = fit.ccdf(x, law) if column == "ccdf" else fit.density(x, law)
        top = max(top, float(y.max()))
        ax.plot(x[y > 0], y[y > 0], color=color, linestyle=style, linewidth=width, label=name, zorder=3)
    ax.axvline(fit.xmin, color=_style.GREY, linestyle=":", linewidth=0.9, zorder=0)
    ax.annotate(
        f" $x_{{min}}$ = {fit.xmin:.3g}",
        (fit.xmin, 1),
        xycoords=("data", "axes fraction"),
        fontsize=_style.SMALL - 1,
        color=_style.GREY,
        va="top",
    )
    return top
