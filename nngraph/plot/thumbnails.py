"""What an image becomes from layer to layer, above how far each layer is from the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["feature_maps"]


def feature_maps(
    features: Mapping[str, np.ndarray],
    steps: pd.DataFrame | None = None,
    null: pd.DataFrame | None = None,
    *,
    n_channels: int = 2,
    titles: Mapping[str, str] | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw the feature maps of one image layer by layer, above the distance of each layer to the one before.

    Parameters
    ----------
    features : mapping of str to (channels, height, width) or (d,) array
        What one image becomes at each tap, in the order of the network.
    steps : pandas.DataFrame, optional
        A column for each measure: the distance of each tap to the one before, by tap; NaN where it is not defined.
    null : pandas.DataFrame, optional
        The same of an untrained twin, drawn behind.
    n_channels : int
        Channels shown of each tap: those that vary most over the image, each in its own range.
    titles : mapping of str to str, optional
        Names of the measures, by column.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The thumbnails of a tap stand above its bars. A bar is black where it is above the median of its row by more
        than three standard deviations, estimated by the median absolute deviation, as in
        :func:`nngraph.similarity.boundaries`.

    Raises
    ------
    ArgumentError
        If there is no tap, a feature map has another number of axes, or a row of steps is for no tap.

    Examples
    --------
    >>> import pandas as pd
    >>> features = {"0.conv": np.eye(4)[None], "0.relu": np.ones((2, 4, 4)), "linear": np.arange(3.0)}
    >>> fig = feature_maps(features, pd.DataFrame({"gw": [0.1, 0.7]}, index=["0.relu", "linear"]), n_channels=1)
    >>> len(fig.axes)
    4
    """
    arrays = {str(tap): np.asarray(values, dtype=float) for tap, values in features.items()}
    taps = list(arrays)
    _check(arrays, n_channels, {"steps": steps, "null": null})
    measures = [] if steps is None else list(steps.columns)
    if fig is None:
        import matplotlib.pyplot as plt

        fig = plt.figure()
    width = 1.3 + 0.27 * len(taps)
    thumbnails, bars, bottom = 0.29 * n_channels, 0.42 * len(measures), 0.6
    height = 0.1 + thumbnails + bars + bottom
    fig.set_size_inches(width, height)
    left, right = 1.15 / width, 1 - 0.1 / width
    top = 1 - 0.08 / height
    grid = fig.add_gridspec(
        n_channels,
        len(taps),
        left=left,
        right=right,
        top=top,
        bottom=top - thumbnails / height,
        wspace=0.08,
        hspace=0.08,
    )
    for column, tap in enumerate(taps):
        for row, image in enumerate(_shown(arrays[tap], n_channels)):
            _thumbnail(fig.add_subplot(grid[row, column]), image)
    if not measures:
        for column, tap in enumerate(taps):
            fig.axes[column * n_channels + n_channels - 1].set_xlabel(tap, fontsize=_style.SMALL - 1, rotation=90)
        return fig
    assert steps is not None
    below = fig.add_gridspec(
        len(measures), 1, left=left, right=right, top=(bottom + bars) / height, bottom=bottom / height, hspace=0.35
    )
    for row, measure in enumerate(measures):
        ax = fig.add_subplot(below[row])
        _bars(ax, taps, steps[measure], None if null is None else null.get(measure))
        title = (titles or {}).get(measure, str(measure).replace("_", "\n"))
        ax.text(-0.42 / width, 0.5, title, transform=ax.transAxes, fontsize=_style.SMALL, ha="right", va="center")
    ax.set_xticks(range(len(taps)), taps, fontsize=_style.SMALL, rotation=90)
    return fig


def _check(arrays: Mapping[str, np.ndarray], n_channels: int, tables: Mapping[str, Any]) -> None:
    if not arrays:
        raise ArgumentError("feature_maps: got no tap; expected at least one.")
    _arguments.whole("feature_maps: n_channels", n_channels)
    for tap, values in arrays.items():
        if values.ndim not in (1, 3):
            raise ArgumentError(
                f"feature_maps: tap {tap!r}: got the shape {values.shape}; expected (channels, height, width), or (d,)."
            )
    for name, table in tables.items():
        if table is not None and (unknown := [tap for tap in table.index if tap not in arrays]):
            raise ArgumentError(f"feature_maps: {name}: got the tap {unknown[0]!r}; expected taps of the features.")


def _shown(values: np.ndarray, n: int) -> list[np.ndarray | None]:
    """Return the n channels that vary most, None where there are fewer; a vector is one image of a single column."""
    if values.ndim == 1 or values.shape[1:] == (1, 1):
        return [values.reshape(-1, 1), *[None] * (n - 1)]
    order = np.argsort(-values.var(axis=(1, 2)), kind="stable")[:n]
    return [*(values[channel] for channel in order), *[None] * (n - len(order))]


def _thumbnail(ax: Axes, image: np.ndarray | None) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    if image is None:
        ax.set_axis_off()
        return
    ax.imshow(image, cmap="viridis", aspect="auto" if image.shape[1] == 1 else "equal", interpolation="nearest")
    ax.spines[:].set_linewidth(0.3)


def _bars(ax: Axes, taps: list[str], steps: pd.Series, null: pd.Series | None) -> None:
    """Draw one measure: wide pale bars of the twin behind narrow ones of the network, peaks black."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlim(-0.5, len(taps) - 0.5)
    ax.set_xticks(range(len(taps)), [])
    ax.tick_params(labelsize=_style.SMALL - 1.5, length=1.5, pad=1)
    if null is not None:
        known = null.dropna()
        ax.bar([taps.index(tap) for tap in known.index], known, width=0.9, color=_style.PALE, alpha=0.6)
    known = steps.dropna()
    if known.empty and (null is None or null.dropna().empty):
        ax.set_yticks([])
        ax.text(0.5, 0.5, "not defined", transform=ax.transAxes, fontsize=_style.SMALL, ha="center", va="center")
        return
    middle = known.median()
    peaks = known > middle + 3 * 1.4826 * (known - middle).abs().median()
    colors = [_style.BLACK if peak else _style.SKY for peak in peaks]
    ax.bar([taps.index(tap) for tap in known.index], known, width=0.5, color=colors)
    lowest, largest = ax.get_ylim()
    ax.set_yticks([largest] if lowest >= 0 else [lowest, 0, largest])
    ax.yaxis.set_major_formatter("{x:.3g}")
