"""Statistics of signed, weighted, multipartite graphs: of nodes, and of whole networks or blocks."""

from collections.abc import Callable

from nngraph.graph import NeuralGraph
from nngraph.stats._tail_distributions import distribution
from nngraph.stats.correlations import degree_correlation, in_out_correlation
from nngraph.stats.degrees import degree
from nngraph.stats.signed import alpha, balance, coherence, density
from nngraph.stats.strengths import strength
from nngraph.stats.tails import TailFit, fit_tail, fit_tails

__all__ = [
    "NETWORK",
    "TailFit",
    "alpha",
    "balance",
    "coherence",
    "degree",
    "degree_correlation",
    "density",
    "distribution",
    "fit_tail",
    "fit_tails",
    "in_out_correlation",
    "strength",
]

NETWORK: dict[str, Callable[[NeuralGraph], float | dict[str, float]]] = {
    "alpha": alpha,
    "balance": balance,
    "coherence": coherence,
    "degree_correlation": degree_correlation,
    "density": density,
    "in_out_correlation": in_out_correlation,
}
"""Statistics of a whole graph by name: each gives a number, or several by name."""
