"""Centralities of nodes: any method of igraph that gives one number for each vertex."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats import _sides

if TYPE_CHECKING:
    import igraph
    import pandas as pd

__all__ = ["by_igraph"]


def by_igraph(
    G: NeuralGraph,
    method: str | Callable[[igraph.Graph], Any],
    *,
    weights: str | Callable[[np.ndarray], np.ndarray] | None = None,
    force: bool = False,
    **arguments: object,
) -> pd.Series:
    r"""Return what a method of igraph gives for each node: betweenness, closeness, pagerank, coreness, ...

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    method : str or callable
        The name of a method of ``igraph.Graph`` that returns one number for each vertex, or a function of
        ``G.to_igraph()`` that does.
    weights : None, "magnitude", "signed", "length" or callable
        What the method gets as ``weights``: nothing, :math:`|w|`, :math:`w`, or lengths :math:`1/|w|`, so that a strong
        edge is a short one. A function gets the (n_edges,) signed weights in edge order and returns as many numbers,
        as ``lambda w: -np.log(abs(w) / abs(w).max())``, for which the shortest path is the one whose product of
        magnitudes is largest. Methods that sum over shortest paths (betweenness, closeness, harmonic_centrality,
        eccentricity) read weights as lengths, which have to be positive: give "length", never "magnitude".
    force : bool
        Go on above 100 M edges.
    **arguments
        Other arguments of the method, such as ``directed=False`` or ``mode="in"``.

    Returns
    -------
    pandas.Series
        Indexed by (part, index), for each node of the graph; its name carries the arguments. NaN where igraph gives
        none, as for the closeness of a node that reaches no other.

    Raises
    ------
    ArgumentError
        If igraph has no such method, the method refuses the arguments or the weights, it gives something else than
        one number for each vertex, or an edge of weight 0 would have an infinite length.

    Notes
    -----
    The edges are directed from source to target, and igraph's own defaults apply: betweenness counts directed paths,
    coreness both directions. The igraph view costs 0.4 s and 90 bytes an edge for a million edges; most centralities
    cost more than that (betweenness: nodes times edges).

    References
    ----------
    .. [1] G. Csardi, T. Nepusz, "The igraph software package for complex network research", InterJournal, Complex
       Systems, 1695, 2006.
    .. [2] M. E. J. Newman, "Scientific collaboration networks. II. Shortest paths, weighted networks, and centrality",
       Physical Review E 64, 016132, 2001 (the length of an edge as the inverse of its weight).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[4.0, 1.0], [1.0, 2.0]]), np.array([[-2.0, 2.0]])])
    >>> nng.stats.by_igraph(G, "betweenness", weights="length").tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0]
    >>> nng.stats.by_igraph(G, "coreness", mode="in").name
    'igraph.coreness(mode=in)'
    """
    check_graph("by_igraph", G)
    g = G.to_igraph(force=force)
    if callable(method):
        if weights is not None or arguments:
            raise ArgumentError(
                "by_igraph: got a function and arguments for it; expected a function of the graph only."
            )
        name = getattr(method, "__name__", type(method).__name__)
        return _series(G, name, method(g))
    call = _method(g, method)
    name = _sides.title(f"igraph.{method}", weights=_name(weights), **arguments)
    given = dict(arguments) if weights is None else {"weights": _weights(G, weights), **arguments}
    try:
        return _series(G, name, call(**given))
    except ArgumentError:
        raise
    except Exception as error:  # igraph's own, a TypeError, a ValueError, ...
        what = str(error).partition("\n")[0]
        hint = " Lengths have to be positive: weights='length'." if "ositive" in what or "negative" in what else ""
        raise ArgumentError(f"by_igraph: {name}: igraph gives {type(error).__name__}: {what}{hint}") from error


def _method(g: igraph.Graph, method: str) -> Callable[..., Any]:
    known = [name for name in dir(g) if not name.startswith("_") and callable(getattr(g, name))]
    if method not in known:
        near = difflib.get_close_matches(str(method), known, n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
        raise ArgumentError(f"by_igraph: got {method!r}; expected the name of a method of igraph.Graph{hint}")
    found: Callable[..., Any] = getattr(g, method)
    return found


def _name(weights: object) -> object:
    return getattr(weights, "__name__", type(weights).__name__) if callable(weights) else weights


def _weights(G: NeuralGraph, weights: str | Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Return the numbers that a method gets as weights, one for each edge."""
    w = G.weights().astype(np.float64)
    if callable(weights):
        given = np.asarray(weights(w), dtype=np.float64)
        if given.shape != w.shape:
            raise ArgumentError(f"by_igraph: weights: the function gave shape {given.shape}; expected {w.shape}.")
    elif weights == "signed":
        given = w
    elif weights == "magnitude":
        given = np.abs(w)
    elif weights == "length":
        if not w.all():
            raise ArgumentError(
                f"by_igraph: weights='length': edge {int(np.flatnonzero(w == 0)[0])} has the weight 0, and so no "
                "finite length 1/|w|; leave such edges out, as G.with_support(G.weights() != 0), or give a function."
            )
        given = 1 / np.abs(w)
    else:
        raise ArgumentError(
            f"by_igraph: weights: got {weights!r}; expected None, 'magnitude', 'signed', 'length' or a function."
        )
    numbers: list[float] = given.tolist()
    return numbers


def _series(G: NeuralGraph, name: str, result: object) -> pd.Series:
    """Return a result of igraph by node."""
    try:
        array = np.asarray(result)
        numbers = array if array.dtype.kind in "iub" else array.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.zeros(())
    if numbers.shape != (G.n_nodes,):
        raise ArgumentError(f"by_igraph: {name}: gave {type(result).__name__}; expected one number for each vertex.")
    offsets = G.offsets
    values = {part.name: numbers[offsets[part.name] : offsets[part.name] + part.size] for part in G.parts}
    return _sides.series(G, values, name)
