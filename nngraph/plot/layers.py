"""Maps of distances between taps, with their groups and boundaries."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style, _taps

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nngraph.similarity import Groups

__all__ = ["boundaries", "layer_map", "maps"]

COLORS = (_style.VERMILLION, _style.SKY, _style.ORANGE, _style.PURPLE, _style.GREEN, _style.BLUE)


def layer_map(
    D: pd.DataFrame,
    groups: Groups | pd.Series | Mapping[str, int] | None = None,
    *,
    label: str = "distance",
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw a map of distances between taps; groups, where there are several, are framed along the diagonal.

    Heads of one type share a label, lines stand between blocks, and each run of a group has its number at the right.

    Parameters
    ----------
    D : pandas.DataFrame, (L1, L2)
        Of :func:`nngraph.similarity.matrix`, or a map between two models.
    groups : Groups, Series or mapping, optional
        The group of each tap.
    label : str
        What the colours are.
    colorbar : bool
        Whether to draw their scale.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If D is no table of numbers, or has groups and different taps on its sides.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import nngraph as nng
    >>> taps = ["0.k0", "0.k1", "0.z0", "0.z1"]
    >>> ax = nng.plot.layer_map(pd.DataFrame(1 - np.eye(4), taps, taps))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['0.k', '0.z']
    """
    rows, columns, values = _table("layer_map", D)
    ax = _taps.wide(ax, rows, height=3.2)
    image = ax.imshow(values, cmap="viridis", interpolation="nearest", aspect="equal" if rows == columns else "auto")
    for name, cut in ((rows, ax.axhline), (columns, ax.axvline)):
        for place in _taps.block_starts(name):
            cut(place - 0.5, color="white", linewidth=0.8, alpha=0.8)
    if groups is not None:
        if rows != columns:
            raise ArgumentError(
                "layer_map: groups: got a map between two models; groups need the same taps on its sides."
            )
        _frame(ax, rows, groups)
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.06 if groups is not None else 0.02)
        bar.ax.tick_params(labelsize=_style.SMALL, length=2)
        bar.set_label(label, fontsize=_style.TEXT)
        bar.outline.set_visible(False)
    _style.dress(ax)
    ax.spines[:].set_visible(False)
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        _taps.label(axis, names, _taps.points(ax, share=0.85))
    ax.tick_params(axis="x", rotation=90)
    return ax


def maps(
    tables: Mapping[str, pd.DataFrame],
    groups: Mapping[str, Groups] | None = None,
    *,
    columns: int = 3,
    fig: Figure | None = None,
) -> Figure:
    """Draw several maps of the same taps side by side, each with colours of its own: measures have scales of their own.

    Parameters
    ----------
    tables : mapping from titles to DataFrames
        Maps, such as one for each measure, checkpoint or seed.
    groups : mapping from titles to Groups, optional
        What to frame in which map.
    columns : int
        Maps in a row.
    fig : matplotlib.figure.Figure, optional
        An empty figure to draw into; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If there is no map, or groups have the title of none.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import nngraph as nng
    >>> D = pd.DataFrame(1 - np.eye(3), list("abc"), list("abc"))
    >>> figure = nng.plot.maps({"GW": D, "CKA": D / 2})
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['GW', 'CKA']
    """
    groups = groups or {}
    if not tables or set(groups) - set(tables):
        raise ArgumentError(
            f"maps: got {len(tables)} maps and groups of {list(groups)}; expected a map for each title."
        )
    width = max(1, min(columns, len(tables)))
    fig, axes = _style.new_figure(fig, -(-len(tables) // width), width)
    fig.set_size_inches(7.2, 0.4 + 7.2 / width * axes.shape[0])
    for number, (ax, (title, D)) in enumerate(zip(axes.flat, tables.items(), strict=False)):
        layer_map(D, groups.get(title), label="", ax=ax)
        ax.set_title(title, fontsize=_style.TEXT, loc="left")
        if number % width and list(D.index) == list(next(iter(tables.values())).index):
            ax.set_yticklabels([])
        if number + width < len(tables):
            ax.set_xticklabels([])
    for ax in axes.flat[len(tables) :]:
        ax.set_visible(False)
    return fig


def boundaries(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the distance of each tap to the one before, what it is without training, and the boundaries.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`nngraph.similarity.boundaries`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the table is another one.

    Notes
    -----
    Hollow points are peaks that are no boundaries: without a null, or no larger than in it. The band is one standard
    deviation of the untrained twins.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import nngraph as nng
    >>> taps = list("abcdef")
    >>> place = np.array([0, 1, 2, 9, 10, 11.0])
    >>> D = pd.DataFrame(abs(place - place[:, None]), taps, taps)
    >>> ax = nng.plot.boundaries(nng.similarity.boundaries(D))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['distance', 'threshold of peaks', 'peak']
    """
    if "boundary" not in getattr(table, "columns", ()) or "threshold" not in table.attrs:
        raise ArgumentError("boundaries: expected the table of nngraph.similarity.boundaries.")
    names = [str(table["previous"].iloc[0]), *map(str, table.index)]
    ax = _taps.wide(ax, names, height=2.8)
    x, y = np.arange(1, len(table) + 1), table["distance"].to_numpy()
    if table.attrs["twins"]:
        mean, sd = table["null_mean"].to_numpy(), table["null_sd"].fillna(0).to_numpy()
        ax.plot(x, mean, color=_style.GREY, linestyle="--", linewidth=1, label="untrained")
        ax.fill_between(x, mean - sd, mean + sd, color=_style.GREY, alpha=0.2, linewidth=0)
    ax.plot(x, y, color=_style.BLUE, linewidth=1.2, marker=".", markersize=3, label="distance")
    ax.axhline(table.attrs["threshold"], color=_style.PALE, linestyle=":", linewidth=1, label="threshold of peaks")
    trained = table["boundary"].to_numpy()
    for chosen, face, name in (
        (table["peak"].to_numpy() & ~trained, "white", "peak"),
        (trained, _style.VERMILLION, "boundary"),
    ):
        if chosen.any():
            ax.plot(x[chosen], y[chosen], "o", color=_style.VERMILLION, markerfacecolor=face, markersize=5, label=name)
    for place in _taps.block_starts(names):
        ax.axvline(place - 0.5, color=_style.PALE, linewidth=0.8, zorder=0)
    _style.legend_above(ax, last=["boundary"])
    _style.dress(ax, y="distance to the tap before")
    ax.set_xlim(0.3, len(names) - 0.3)
    ax.set_ylim(bottom=0)
    _taps.label(ax.xaxis, names, _taps.points(ax, share=1))
    ax.tick_params(axis="x", rotation=90)
    return ax


def _table(where: str, D: pd.DataFrame) -> tuple[list[str], list[str], np.ndarray]:
    try:
        rows, columns, values = list(map(str, D.index)), list(map(str, D.columns)), D.to_numpy(dtype=np.float64)
    except (AttributeError, TypeError, ValueError):
        raise ArgumentError(f"{where}: got {type(D).__name__}; expected a DataFrame of distances, tap x tap.") from None
    if not values.size:
        raise ArgumentError(f"{where}: got an empty table; expected distances, tap x tap.")
    return rows, columns, values


def _frame(ax: Axes, names: list[str], groups: Any) -> None:
    """Frame the runs of each group on the diagonal, with the number of the group at the right."""
    from matplotlib.patches import Rectangle

    given = getattr(groups, "labels", groups)
    of = {str(tap): int(label) for tap, label in given.items()}
    if missing := [name for name in names if name not in of]:
        raise ArgumentError(f"layer_map: groups: got no group for the tap {missing[0]!r}.")
    if len(set(of.values())) == 1:
        return
    start = 0
    for group, run in groupby(of[name] for name in names):
        size, color = len([*run]), COLORS[group % len(COLORS)]
        for line, width in (("white", 3.0), (color, 1.6)):
            ax.add_patch(Rectangle((start - 0.5, start - 0.5), size, size, fill=False, edgecolor=line, linewidth=width))
        ax.annotate(
            str(group),
            (len(names) - 0.5, start + (size - 1) / 2),
            xytext=(3, 0),
            textcoords="offset points",
            color=color,
            fontsize=_style.SMALL,
            fontweight="bold",
            va="center",
            annotation_clip=False,
        )
        start += size
