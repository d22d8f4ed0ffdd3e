"""Degrees that enter the nodes of a part against those that leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.plot import _style
from nngraph.stats import degree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nngraph.graph import NeuralGraph

__all__ = ["in_out"]

_LOOKS = {None: (_style.BLACK, "o", "$k$"), "+": (_style.VERMILLION, "o", "$k^+$"), "-": (_style.BLUE, "^", "$k^-$")}


def in_out(G: NeuralGraph, part: str, *, sign: Literal["+", "-"] | None = None, ax: Axes | None = None) -> Axes:
    r"""Draw the degree that leaves each node of a part against the one that enters it, and write their correlation.

    .. math:: r = \operatorname{corr}_i(k_{i,\text{in}}, k_{i,\text{out}})

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    part : str
        A part that blocks enter and leave: a hidden layer.
    sign : "+", "-" or None
        Count positive, negative, or all edges. Two calls on the same axes show both signs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no such part or sign, or no block enters, or leaves, the part.

    Notes
    -----
    The area of a point is the number of nodes at it. Where the degrees on one side are all the same, there is no
    correlation, and the legend says so. :func:`nngraph.stats.in_out_correlation` has the number, of both signs, and can
    go into a null model.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first, second = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]), np.array([[1.0, 1.0, -1.0]])
    >>> ax = nng.plot.in_out(nng.from_matrices([first, second]), "1", sign="+")
    >>> ax.get_legend().get_texts()[0].get_text()
    '$k^+$: r = 0.87'
    """
    check_graph("in_out", G)
    if sign not in _LOOKS:
        raise ArgumentError(f"in_out: sign: got {sign!r}; expected '+', '-', or None for all edges.")
    size = G.part(part).size
    if not size or part not in {b.source for b in G.blocks} & {b.target for b in G.blocks}:
        raise ArgumentError(f"in_out: part {part!r}: got {size} nodes; expected a part that blocks enter and leave.")
    k_in, k_out = (degree(G, side=side, sign=sign)[part].to_numpy() for side in ("target", "source"))
    r = f"r = {np.corrcoef(k_in, k_out)[0, 1]:.2f}" if np.ptp(k_in) and np.ptp(k_out) else "r undefined"
    color, marker, symbol = _LOOKS[sign]
    places, count = np.unique(np.column_stack([k_in, k_out]), axis=0, return_counts=True)
    ax = _style.new_axes(ax)
    ax.scatter(
        places[:, 0],
        places[:, 1],
        s=9 * count,
        color=color,
        marker=marker,
        alpha=0.45,
        linewidths=0,
        label=f"{symbol}: {r}",
        clip_on=False,
    )
    for axis in (ax.xaxis, ax.yaxis):
        _style.whole_numbers(axis)
    tight: dict[str, Any] = {"handletextpad": 0.1, "borderaxespad": 0.1, "columnspacing": 0.8}
    legend = ax.legend(frameon=False, fontsize=_style.SMALL, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, **tight)
    for handle in filter(None, legend.legend_handles):
        handle.set(sizes=[16])
    return _style.dress(ax, x="degree in (edges)", y="degree out (edges)", title=f"part {part}: {size:,} nodes")
