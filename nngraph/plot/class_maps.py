"""Numbers of pairs of classes as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["class_map", "map_size"]


def class_map(
    D: pd.DataFrame,
    *,
    label: str = "",
    digits: int = 1,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a symmetric table of numbers by class and class, each number in its cell.

    Parameters
    ----------
    D : pandas.DataFrame
        (class, class); cells that are NaN stay grey.
    label : str
        What the colours are.
    digits : int
        Decimals of the numbers in the cells.
    limits : (low, high), optional
        Ends of the colours, so that maps compare; by default those of the numbers.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the table is not square with the same classes on its sides, or has no number.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> ax = class_map(pd.DataFrame([[np.nan, 2.0], [2.0, np.nan]], list("ab"), list("ab")), label="gap")
    >>> [text.get_text() for text in ax.texts]
    ['2.0', '2.0']
    """
    values = D.to_numpy(dtype=float)
    if values.shape[0] != values.shape[1] or list(D.index) != list(D.columns) or not np.isfinite(values).any():
        raise ArgumentError(
            f"class_map: got a table of {values.shape[0]} by {values.shape[1]}; expected the same classes on both "
            "sides and at least one number."
        )
    import matplotlib as mpl

    names = [str(name) for name in D.index]
    width, height = map_size(D)
    ax = _style.new_axes(ax, width=width, height=height)
    low, high = limits or (np.nanmin(values), np.nanmax(values))
    colours = mpl.colormaps["cividis"].with_extremes(bad="#EEEEEE")
    image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value < (low + high) / 2
            ax.text(
                j,
                i,
                f"{value:.{digits}f}",
                ha="center",
                va="center",
                fontsize=_style.SMALL - 1,
                color="white" if dark else "black",
            )
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
    bar.ax.tick_params(labelsize=_style.SMALL, length=2)
    bar.set_label(label, fontsize=_style.TEXT)
    bar.outline.set_visible(False)
    _style.dress(ax)
    ax.spines[:].set_visible(False)
    ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    return ax


def map_size(D: pd.DataFrame) -> tuple[float, float]:
    """Return the width and height in inches in which the numbers and names of a map can be read."""
    side = 0.36 * len(D) + 0.5 + 0.055 * max(len(str(name)) for name in D.index)
    return side + 0.7, side
