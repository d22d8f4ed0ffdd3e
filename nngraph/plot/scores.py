"""Scores of networks against how many weights they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["scores_by_size"]

_LOOKS = (
    (_style.BLACK, "s"),
    (_style.GREY, "v"),
    (_style.ORANGE, "^"),
    (_style.BLUE, "D"),
    (_style.VERMILLION, "o"),
    (_style.GREEN, "P"),
)


def scores_by_size(
    table: pd.DataFrame, score: str = "accuracy", *, size: str = "weights", label: str = "", ax: Axes | None = None
) -> Axes:
    """Draw the score of every network against its number of weights, one mark for each arm.

    Parameters
    ----------
    table : pandas.DataFrame
        ``arm``, and a column each for score and size. An arm with no size, NaN, is drawn as a line across.
    score : str
        Column of the scores; shares such as "accuracy" are drawn in percent.
    size : str
        Column of the numbers of weights.
    label : str
        Of the score; by default as for other figures, or its name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A pale mark for each network, a full one at the mean of the arm.

    Raises
    ------
    ArgumentError
        If the table has no row, or more arms with a size than there are marks.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("dense", 1000.0, 0.9), ("SET", 100.0, 0.88), ("SET", 100.0, 0.9), ("chance", None, 0.1)]
    >>> ax = scores_by_size(pd.DataFrame(rows, columns=["arm", "weights", "accuracy"]))
    >>> len(ax.get_legend().get_texts())
    3
    """
    rows = table.dropna(subset=[score])
    sized = rows.dropna(subset=[size])
    arms = list(dict.fromkeys(sized["arm"]))
    if not arms or len(arms) > len(_LOOKS):
        raise ArgumentError(
            f"scores_by_size: got {len(arms)} arms with a number of weights; expected 1 to {len(_LOOKS)}."
        )
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax = _style.new_axes(ax, width=5.4, height=2.8)
    factor = _style.scale(score)
    for (color, marker), arm in zip(_LOOKS, arms, strict=False):
        x, y = sized.loc[sized["arm"] == arm, size], factor * sized.loc[sized["arm"] == arm, score]
        ax.plot(x, y, marker, color=color, alpha=0.35, markersize=4, markeredgewidth=0)
        ax.plot(x.mean(), y.mean(), marker, color=color, markersize=6, label=arm, zorder=3)
    across = rows[rows[size].isna()]
    lines = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
    for i, (arm, group) in enumerate(across.groupby("arm", sort=False)):
        level = factor * group[score].mean()
        ax.axhline(level, color=_style.PALE, linestyle=lines[i % 4], linewidth=1, label=arm, zorder=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    _style.dress(ax, x="weights present", y=label or _style.LABELS.get(score, score))
    ax.margins(x=0.1)
    ax.legend(frameon=False, fontsize=_style.SMALL, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
