"""The values of a statistic in the draws of null models, beside that of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["violin"]


def violin(
    draws: Mapping[str, Sequence[float] | np.ndarray],
    observed: float,
    *,
    label: str = "value",
    ax: Axes | None = None,
) -> Axes:
    r"""Draw the distribution of a statistic over the draws of each null model, and its value in the graph.

    .. math:: z = \frac{x - \bar x_{\text{null}}}{\operatorname{sd}(x_{\text{null}})}

    Parameters
    ----------
    draws : mapping of str to array of shape (n,)
        The values of the statistic by name of the null model, drawn from top to bottom.
    observed : float
        Its value in the graph: the dashed line.
    label : str
        What the values are, with their unit: the label of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure, its height by the number of null models.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there are no draws, or a value is not a finite number.

    Notes
    -----
    A violin is a Gaussian kernel density (Scott's bandwidth) cut at the smallest and largest draw; the white point is
    their mean and the bar one standard deviation to either side. Below each name stands z; where all draws have one
    value there is a tick in the place of a violin, and no z. For p-values, and draws that need not be kept, use
    :func:`nngraph.nulls.significance`.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.outer([1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 2.0, -3.0])])
    >>> balance = nng.stats.balance
    >>> draws = {kind: [balance(R) for R in nng.nulls.ensemble(G, kind, n=50, rng=7)] for kind in "AB"}
    >>> ax = nng.plot.violin(draws, balance(G), label="balance")
    >>> [text.get_text().split()[0] for text in ax.get_yticklabels()]
    ['A', 'B']
    """
    values = _checked(draws, observed)
    ax = _style.new_axes(ax, height=1.1 + 0.42 * len(values))
    names = []
    for place, (name, x) in enumerate(values.items()):
        mean, sd = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
        if sd <= 1e-10 * abs(mean):  # the same value, summed in another order
            ax.plot([mean], [place], "|", color=_style.BLACK, markersize=14, markeredgewidth=2)
            names.append(f"{name}\nall draws the same")
            continue
        drawn: Any = ax.violinplot(x, [place], orientation="horizontal", widths=0.75, showextrema=False)
        drawn["bodies"][0].set(facecolor=_style.SKY, edgecolor=_style.BLUE, alpha=0.8, linewidth=0.8)
        ax.errorbar(mean, place, xerr=sd, fmt="o", color=_style.BLACK, markerfacecolor="white", markersize=4)
        names.append(f"{name}\nz = {(observed - mean) / sd:.3g}")
    ax.axvline(observed, color=_style.VERMILLION, linestyle="--", linewidth=1.4, label="graph", zorder=3)
    ax.locator_params(axis="x", nbins=5)
    ax.set_yticks(np.arange(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.legend(frameon=False, fontsize=_style.SMALL, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1)
    return _style.dress(ax, x=label)


def _checked(draws: Any, observed: float) -> dict[str, np.ndarray]:
    if not isinstance(draws, Mapping) or not draws:
        raise ArgumentError(f"violin: draws: got {draws!r:.60}; expected a mapping from null models to their values.")
    if not np.isfinite(observed):
        raise ArgumentError(f"violin: observed: got {observed}; expected a finite number.")
    values = {str(name): np.asarray(x, dtype=np.float64) for name, x in draws.items()}
    for name, x in values.items():
        if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
            holes = np.count_nonzero(~np.isfinite(x))
            raise ArgumentError(
                f"violin: draws: {name!r}: got shape {x.shape} of which {holes} are not finite; expected one or "
                "more finite numbers. Leave out draws where the statistic is undefined, and say how many."
            )
    return values
