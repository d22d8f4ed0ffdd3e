"""How the distances between layers and the scores of a network change in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nngraph.checkpoints import Dynamics

__all__ = ["dynamics"]


def dynamics(found: Dynamics, *, label: str = "mean distance", fig: Figure | None = None) -> Figure:
    """Draw the mean distance between layers and each score against the step, one above the other.

    Parameters
    ----------
    found : Dynamics
        Of :func:`nngraph.training_dynamics`.
    label : str
        Of the distance.
    fig : matplotlib.figure.Figure, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The uppermost panel also has the distance of each tap to the one before, in grey.

    Raises
    ------
    ArgumentError
        If nothing was recorded.

    Examples
    --------
    >>> import pandas as pd
    >>> from nngraph.checkpoints import Dynamics
    >>> table = pd.DataFrame({"step": [0, 10], "mean_distance": [0.1, 0.3], "loss": [2.0, 1.0]})
    >>> edges = pd.DataFrame({"step": [0, 10], "previous": "a", "tap": "b", "distance": [0.1, 0.3]})
    >>> len(dynamics(Dynamics(table, edges, {})).axes)
    2
    """
    if found.table.empty:
        raise ArgumentError("dynamics: got no checkpoint; expected at least one.")
    if fig is None:
        import matplotlib.pyplot as plt

        fig = plt.figure()
    scores = list(found.table.columns[2:])
    fig.set_size_inches(3.6, 0.6 + 1.5 + 0.9 * len(scores))
    fig.set_layout_engine("constrained")
    axes = fig.subplots(1 + len(scores), 1, sharex=True, squeeze=False, height_ratios=[1.6] + [1.0] * len(scores))[:, 0]
    for _, series in found.boundaries.groupby("tap", sort=False):
        axes[0].plot(series["step"], series["distance"], color=_style.PALE, linewidth=0.5)
    steps = found.table["step"].to_numpy()
    axes[0].plot(steps, found.table["mean_distance"], color=_style.BLUE, marker="o", markersize=3, linewidth=1.4)
    _style.dress(axes[0], y=label)
    for ax, score in zip(axes[1:], scores, strict=True):
        ax.plot(steps, found.table[score].to_numpy(dtype=float), color=_style.VERMILLION, marker="o", markersize=3)
        _style.dress(ax, y=score)
    if len(steps) > 2 and steps[-1] > 50 * max(np.diff(steps).min(), 1):
        axes[0].set_xscale("symlog", linthresh=max(int(steps[steps > 0].min()), 1))
    axes[-1].set_xlabel("step of training", fontsize=_style.TEXT)
    return fig
