"""The weights of a block by their sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nngraph.graph import NeuralGraph

__all__ = ["weights"]


def weights(G: NeuralGraph, block: str | int, *, bins: int = 60, ax: Axes | None = None) -> Axes:
    """Draw how many edges of a block have which weight, positive and negative ones in colours of their own.

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    block : str or int
        Name or position of the block. Absent edges are not drawn; the legend has the shares of the signs.
    bins : int
        Number of bars, of equal width, from the largest magnitude below zero to the same above: the two sides compare,
        and no bar holds both signs. Numbers of edges stand on a logarithmic axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no such block, it has no edge but of weight 0, or ``bins`` is below 2.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> ax = nng.plot.weights(nng.from_matrices([np.random.default_rng(0).normal(size=(40, 60))]), "0")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['negative: 51.8 %', 'positive: 48.2 %']
    """
    check_graph("weights", G)
    chosen = G.block(block)
    _arguments.whole("weights: bins", bins, 2)
    values = chosen.values.astype(np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    if not 0 < largest < np.inf:
        raise ArgumentError(
            f"weights: block {chosen.name!r}: got {chosen.n_edges:,} edges, the largest magnitude being {largest}; "
            "expected finite weights that are not all 0."
        )
    ax = _style.new_axes(ax)
    side = np.linspace(0, largest, bins // 2 + 1)
    for name, color, sign in (("negative", _style.BLUE, -1), ("positive", _style.VERMILLION, 1)):
        own = values[values * sign > 0]
        ax.hist(
            own,
            sorted(sign * side),
            histtype="stepfilled",
            facecolor=(color, 0.35),
            edgecolor=color,
            linewidth=0.8,
            label=f"{name}: {100 * len(own) / len(values):.3g} %",
        )
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.7)
    ax.axvline(0, color=_style.GREY, linewidth=0.8, linestyle=":")
    ax.legend(frameon=False, fontsize=_style.SMALL, handlelength=1.2)
    zeros = int((values == 0).sum())
    title = f"block {chosen.name}: {chosen.n_edges:,} edges" + (f", {zeros:,} of weight 0" if zeros else "")
    return _style.dress(ax, x="weight", y="edges", title=title)
