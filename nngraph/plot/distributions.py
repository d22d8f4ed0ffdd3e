"""Distributions of signed degrees and strengths over the nodes on one side of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.plot import _style
from nngraph.plot.tails import ccdf
from nngraph.stats import degree, strength

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from nngraph.graph import NeuralGraph

__all__ = ["degrees", "strengths"]

Side: TypeAlias = Literal["source", "target"]
Kind: TypeAlias = Literal["histogram", "ccdf"]

_COLORS = {"+": _style.VERMILLION, "-": _style.BLUE}
_MOST_BARS = 40


def degrees(
    G: NeuralGraph, block: str | int, *, side: Side = "source", kind: Kind = "histogram", ax: Axes | None = None
) -> Axes:
    r"""Draw the distributions of positive and of negative degrees on one side of a block, beside binomial ones.

    .. math:: P(k^{\pm}) = \frac{\#\{i : k^{\pm}_i = k\}}{n}, \qquad
              B(k) = \binom{N}{k} p^k (1 - p)^{N - k}, \quad p = \frac{\langle k^{\pm} \rangle}{N}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    block : str or int
        Name or position of the block. Blocks are not pooled: mixing layers of different sizes makes heavy tails.
    side : "source" or "target"
        The side whose n nodes have these degrees. Dashed lines are the binomial laws of the N nodes on the other side,
        of the same means: what edges and signs placed by chance would give.
    kind : "histogram" or "ccdf"
        The share of nodes for each degree (a bar that holds several degrees shows their mean), or on logarithmic axes
        the share of nodes of at least this degree, for tails.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no such block, side or kind, no node on the side, or, for the ccdf, no edge with a sign.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.random.default_rng(0).normal(size=(40, 60))])
    >>> ax = nng.plot.degrees(G, "0", side="target")
    >>> ax.get_xlabel()
    'signed degree of a node of 1 (edges)'
    """
    from scipy.stats import binom

    values = _values("degrees", G, block, side, kind)
    n_opposite = G.block(block).shape[1 if side == "target" else 0]
    ax = _style.new_axes(ax)
    lowest, highest = min(int(k.min()) for k in values.values()), max(int(k.max()) for k in values.values())
    width = -(-(highest - lowest + 1) // _MOST_BARS)
    if kind == "histogram":  # room for the law on either side of the data, as far as degrees go
        lowest, highest = max(0, lowest - 2 * width), min(n_opposite, highest + 2 * width)
    edges: np.ndarray = np.arange(lowest, highest + width + 1, width)
    for sign, k in values.items():
        law = binom(n_opposite, k.mean() / n_opposite if n_opposite else 0)
        if kind == "histogram":
            x: np.ndarray = (edges[:-1] + edges[1:] - 1) / 2
            y = np.diff(law.cdf(edges - 1)) / width
            _bars(ax, k, edges - 0.5, sign, "k", 1.0 / (len(k) * width))
        else:
            x = np.arange(max(1, int(k.min())), int(k.max()) + 1)
            y = law.sf(x - 1)
            x, y = x[y > 0.1 / len(k)], y[y > 0.1 / len(k)]
            ccdf(k, color=_COLORS[sign], label=f"$k^{sign}$", ax=ax)
        ax.plot(x, y, color=_COLORS[sign], linestyle="--", linewidth=1.2, zorder=3)
    ax.plot([], [], color=_style.GREY, linestyle="--", linewidth=1.2, label="binomial")
    return _dressed(ax, G, block, side, kind, "degree", "edges")


def strengths(
    G: NeuralGraph, block: str | int, *, side: Side = "source", kind: Kind = "histogram", ax: Axes | None = None
) -> Axes:
    r"""Draw the distributions of positive and of negative strengths on one side of a block.

    .. math:: s^{\pm}_i = \sum_{e \text{ at } i,\ \pm w_e > 0} |w_e|

    Parameters
    ----------
    G, block, side, ax
        As in :func:`degrees`.
    kind : "histogram" or "ccdf"
        The share of nodes in 40 bars of equal width, or on logarithmic axes the share of nodes of at least this
        strength, for tails.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If there is no such block, side or kind, no node on the side, or, for the ccdf, no edge with a sign.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.random.default_rng(0).normal(size=(40, 60))])
    >>> ax = nng.plot.strengths(G, "0", side="target", kind="ccdf")
    >>> ax.get_xscale(), len(ax.lines)
    ('log', 2)
    """
    values = _values("strengths", G, block, side, kind)
    ax = _style.new_axes(ax)
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), _MOST_BARS)
    for sign, s in values.items():
        if kind == "histogram":
            _bars(ax, s, edges, sign, "s", 1.0 / len(s))
        else:
            ccdf(s, color=_COLORS[sign], label=f"$s^{sign}$", ax=ax)
    return _dressed(ax, G, block, side, kind, "strength", "sum of |w|")


def _values(name: str, G: NeuralGraph, block: str | int, side: Side, kind: Kind) -> dict[str, pd.Series]:
    """Return the degrees or strengths by sign; for logarithmic axes those of signs without an edge are left out."""
    check_graph(name, G)
    if side not in ("source", "target"):
        raise ArgumentError(f"{name}: side: got {side!r}; expected 'source' or 'target'.")
    if kind not in ("histogram", "ccdf"):
        raise ArgumentError(f"{name}: kind: got {kind!r}; expected 'histogram' or 'ccdf'.")
    alone = G.select([G.block(block).name])
    measure = degree if name == "degrees" else strength
    values = {"+": measure(alone, side=side, sign="+"), "-": measure(alone, side=side, sign="-")}
    if not len(values["+"]):
        raise ArgumentError(f"{name}: block {G.block(block).name!r} has no node on its {side} side.")
    if kind == "ccdf":
        values = {sign: of_nodes for sign, of_nodes in values.items() if of_nodes.any()}
        if not values:
            raise ArgumentError(
                f"{name}: block {G.block(block).name!r} has no positive and no negative edge; expected one to draw on "
                "logarithmic axes. kind='histogram' draws zeros."
            )
    return values


def _bars(ax: Axes, values: pd.Series, edges: np.ndarray, sign: str, symbol: str, share: float) -> None:
    """Draw a histogram whose bars are counts times ``share``; those of the two signs stay apart without colours."""
    ax.hist(
        values,
        list(edges),
        weights=np.full(len(values), share),
        histtype="stepfilled",
        facecolor=(_COLORS[sign], 0.3),
        edgecolor=_COLORS[sign],
        linewidth=0.8,
        hatch=None if sign == "+" else "////",
        label=f"${symbol}^{sign}$",
        zorder=2,
    )


def _dressed(ax: Axes, G: NeuralGraph, block: str | int, side: Side, kind: Kind, measure: str, unit: str) -> Axes:
    chosen = G.block(block)
    part = chosen.source if side == "source" else chosen.target
    ax.legend(frameon=False, fontsize=_style.SMALL, handlelength=1.6)
    if kind == "histogram":
        ax.set_ylim(bottom=0)
        if measure == "degree":
            _style.whole_numbers(ax.xaxis)
    shares = "share of nodes" if kind == "histogram" else "share of nodes at or above"
    title = f"block {chosen.name}: {G.part(part).size:,} {side} nodes"
    return _style.dress(ax, x=f"signed {measure} of a node of {part} ({unit})", y=shares, title=title)
