"""The layers of one network on one page: their map, its groups, and the steps from each to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.plot.layers import boundaries as draw_boundaries
from nngraph.plot.layers import layer_map

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nngraph.similarity.grouping import Groups

__all__ = ["layer_figure"]


def layer_figure(
    D: pd.DataFrame,
    groups: Groups | None = None,
    boundaries: pd.DataFrame | None = None,
    *,
    fig: Figure | None = None,
) -> Figure:
    """Draw a map of distances between taps beside the series of its steps; pyplot does not know of the figure.

    Parameters
    ----------
    D : pandas.DataFrame, (L, L)
        Of :func:`nngraph.similarity.matrix`.
    groups : Groups, optional
        Of :func:`nngraph.similarity.groups`; framed in the map.
    boundaries : pandas.DataFrame, optional
        Of :func:`nngraph.similarity.boundaries`.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import nngraph as nng
    >>> place, taps = np.array([0.0, 0.1, 0.2, 5.0, 5.1]), list("abcde")
    >>> D = pd.DataFrame(abs(place - place[:, None]), taps, taps)
    >>> fig = layer_figure(D, nng.similarity.groups(D, k=2), nng.similarity.boundaries(D))
    >>> len(fig.axes) >= 2
    True
    """
    from matplotlib.figure import Figure

    fig = Figure() if fig is None else fig
    fig.set_layout_engine("constrained")
    n_panels = 1 if boundaries is None else 2
    fig.set_size_inches(3.9 * n_panels, 3.6)
    axes = fig.subplots(1, n_panels, squeeze=False)[0]
    layer_map(D, groups, label=str(D.attrs.get("measure", "distance")), ax=axes[0])
    if boundaries is not None:
        draw_boundaries(boundaries, ax=axes[1])
    return fig
