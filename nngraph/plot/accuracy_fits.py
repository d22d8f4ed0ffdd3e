"""The line through accuracies and neural capacitances of one training, and what it tells at 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nngraph.dynamics import AccuracyPrediction

__all__ = ["accuracy_fit"]


def accuracy_fit(
    prediction: AccuracyPrediction, *, final: float | None = None, level: float = 0.95, ax: Axes | None = None
) -> Axes:
    """Draw accuracy against beta_eff at the epochs of a prediction, the line through them, and its value at 0.

    Parameters
    ----------
    prediction : AccuracyPrediction
        Of :func:`nngraph.dynamics.predict_accuracy`.
    final : float, optional
        The accuracy in the end, in [0, 1].
    level : float
        Of the interval at 0.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Later epochs are darker.

    Raises
    ------
    ArgumentError
        If what is given is no prediction.

    Examples
    --------
    >>> import pandas as pd
    >>> import nngraph as nng
    >>> table = pd.DataFrame({"epoch": [1, 2, 3], "beta_eff": [0.5, -0.1, 0.01], "accuracy": [0.1, 0.6, 0.7]})
    >>> ax = nng.plot.accuracy_fit(nng.dynamics.predict_accuracy(table), final=0.9)
    >>> [line.get_label() for line in ax.lines][-2:]
    ['last accuracy', 'final accuracy']
    """
    if not hasattr(prediction, "epochs"):
        raise ArgumentError(
            f"prediction: got {type(prediction).__name__}; expected one of nngraph.dynamics.predict_accuracy."
        )
    ax = _style.new_axes(ax)
    epochs = prediction.epochs
    beta, accuracy = epochs["beta_eff"].to_numpy(), 100 * epochs["accuracy"].to_numpy()
    if np.isfinite(prediction.value):
        ends = np.array([beta.min(initial=0.0), beta.max(initial=0.0)])
        line = 100 * (prediction.value + prediction.slope * ends)
        ax.plot(ends, line, color=_style.VERMILLION, linewidth=1)
        low, high = prediction.interval(level)
        told, half = 100 * prediction.value, 50 * (high - low)
        ax.errorbar(
            [0], [told], yerr=[half], fmt="o", color=_style.VERMILLION, markersize=4, elinewidth=1,
            label=rf"at $\beta_\mathrm{{eff}} = 0$, {100 * level:.0f} %",
        )  # fmt: skip
    shades = [str(shade) for shade in np.linspace(0.75, 0, len(beta))]  # greys, by the name that they have
    ax.scatter(beta, accuracy, s=12, color=shades, linewidth=0, zorder=3)
    last = 100 * prediction.baselines["last_accuracy"]
    ax.axhline(last, color=_style.BLUE, linestyle="--", linewidth=1, label="last accuracy")
    if final is not None:
        ax.axhline(100 * final, color=_style.GREY, linewidth=1, label="final accuracy")
    _style.legend_above(ax, last=("last accuracy", "final accuracy"))
    return _style.dress(ax, x=r"$\beta_\mathrm{eff}$", y="accuracy (%)")
