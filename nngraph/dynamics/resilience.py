"""The reduction of dynamics on a weighted graph to one equation (Gao, Barzel, Barabasi 2016)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import igraph

__all__ = ["Reduction", "reduction"]


@dataclasses.dataclass(frozen=True, eq=False)
class Reduction:
    r"""The numbers to which a weighted graph is reduced, with :math:`\beta_\mathrm{eff} = \langle s \rangle + S H`."""

    beta_eff: float
    """<s_out s_in> / <s>; NaN where the weights add up to 0 up to rounding."""
    mean_strength: float
    """<s>: sum of the weights over the number of nodes."""
    symmetry: float
    """S: correlation of in- and out-strength over nodes, -1 to 1; NaN where one of them is constant."""
    heterogeneity: float
    """H: product of the standard deviations of in- and out-strength, over <s>."""
    s_in: np.ndarray = dataclasses.field(repr=False)
    """(n_nodes,) sum of the weights that enter each node, A 1."""
    s_out: np.ndarray = dataclasses.field(repr=False)
    """(n_nodes,) sum of the weights that leave each node, 1^T A."""
    total: float = dataclasses.field(repr=False)
    """Sum of the weights, NaN where it cannot be told from 0."""

    def x_eff(self, x: object) -> float:
        r"""Return the effective state, the mean of states weighted by what nodes send out.

        .. math:: x_\mathrm{eff} = \frac{1^T A x}{1^T A 1} = \frac{\sum_j s^\mathrm{out}_j x_j}{\sum_j s^\mathrm{out}_j}

        Parameters
        ----------
        x : (n_nodes,) array
            State of each node, in vertex order.

        Examples
        --------
        >>> import igraph
        >>> reduction(igraph.Graph([(0, 1), (1, 2)], directed=True)).x_eff([4.0, 2.0, 9.0])
        3.0
        """
        try:
            states = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"x: got states that are no numbers; expected {self.s_out.shape}, a number for each node."
            ) from None
        if states.shape != self.s_out.shape:
            raise ArgumentError(f"x: got the shape {states.shape}; expected {self.s_out.shape}, a state for each node.")
        return float(self.s_out @ states / self.total)


def reduction(g: igraph.Graph | NeuralGraph, *, weights: str | None = "weight") -> Reduction:
    r"""Reduce the dynamics on a weighted graph to one equation of one effective state.

    .. math:: \dot x_i = F(x_i) + \sum_j A_{ij} G(x_i, x_j) \;\to\;
              \dot x_\mathrm{eff} = F(x_\mathrm{eff}) + \beta_\mathrm{eff} G(x_\mathrm{eff}, x_\mathrm{eff}), \qquad
              \beta_\mathrm{eff} = \frac{1^T A s^\mathrm{in}}{1^T A 1}
              = \frac{\langle s^\mathrm{out} s^\mathrm{in} \rangle}{\langle s \rangle} = \langle s \rangle + S H

    Parameters
    ----------
    g : igraph.Graph or NeuralGraph
        A_ij is the weight of the edge j -> i. An undirected edge counts both ways, an undirected loop once; parallel
        edges add up.
    weights : str or None
        Edge attribute of an igraph graph that holds the weights; None, or an attribute that it does not have under the
        default name, gives every edge the weight 1. A NeuralGraph has its own.

    Returns
    -------
    Reduction

    Raises
    ------
    ArgumentError
        If g is neither, a weight is no finite number, or the attribute is missing.

    Notes
    -----
    Exact, linear in the number of edges, sums in float64. The reduction itself was derived for weights that are not
    negative; of signed weights beta_eff is the same ratio, with poles where they add up to 0.

    References
    ----------
    .. [1] J. Gao, B. Barzel, A.-L. Barabasi, "Universal resilience patterns in complex networks", Nature 530 (2016).

    Examples
    --------
    >>> import igraph
    >>> star = reduction(igraph.Graph.Star(5, mode="undirected"))
    >>> star.beta_eff, star.mean_strength  # (16 + 4) / (4 + 4) and (4 + 4) / 5
    (2.5, 1.6)
    """
    n, source, target, w = _edges(g, weights)
    s_in = np.bincount(target, weights=w, minlength=n)
    s_out = np.bincount(source, weights=w, minlength=n)
    total = float(w.sum())
    if not abs(total) > 100 * np.finfo(np.float64).eps * float(np.abs(w).sum()):
        total = float("nan")
    spread = float(s_in.std()) * float(s_out.std()) if n else 0.0
    covariance = float(np.mean((s_in - s_in.mean()) * (s_out - s_out.mean()))) if n else 0.0
    mean = total / n if n else float("nan")
    return Reduction(
        beta_eff=float(s_out @ s_in / total),
        mean_strength=mean,
        symmetry=covariance / spread if spread > 0 else float("nan"),
        heterogeneity=spread / mean,
        s_in=s_in,
        s_out=s_out,
        total=total,
    )


def _edges(g: object, weights: str | None) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return the number of nodes, and of each directed edge the ends and the weight."""
    if isinstance(g, NeuralGraph):
        ids = g._edge_ids()
        return g.n_nodes, ids[:, 0], ids[:, 1], g.weights().astype(np.float64)
    import igraph

    if not isinstance(g, igraph.Graph):
        raise ArgumentError(f"reduction: got {type(g).__name__}; expected an igraph.Graph or a NeuralGraph.")
    ids = np.fromiter((v for edge in g.get_edgelist() for v in edge), np.int64, 2 * g.ecount()).reshape(-1, 2)
    known = g.es.attributes()
    if weights is None or (weights == "weight" and "weight" not in known):
        w = np.ones(len(ids))
    elif weights not in known:
        raise ArgumentError(f"weights: got {weights!r}; the edges of the graph have {known or 'no attributes'}.")
    else:
        try:
            w = np.array(g.es[weights], dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"weights: the edge attribute {weights!r} holds values that are no numbers.") from None
    if not np.isfinite(w).all():
        bad = int(np.flatnonzero(~np.isfinite(w))[0])
        raise ArgumentError(f"weights: got {w[bad]} at edge {bad}; expected finite numbers.")
    if g.is_directed():
        return g.vcount(), ids[:, 0], ids[:, 1], w
    back = ids[:, 0] != ids[:, 1]
    source, target = np.concatenate([ids[:, 0], ids[back, 1]]), np.concatenate([ids[:, 1], ids[back, 0]])
    return g.vcount(), source, target, np.concatenate([w, w[back]])
