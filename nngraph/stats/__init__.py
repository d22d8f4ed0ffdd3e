"""Statistics of signed, weighted, multipartite graphs: of nodes, and of whole networks or blocks."""

from collections.abc import Callable
from typing import Any

from nngraph.graph import NeuralGraph
from nngraph.stats._tail_distributions import distribution
from nngraph.stats.centralities import by_igraph
from nngraph.stats.correlations import degree_correlation, in_out_correlation
from nngraph.stats.degrees import degree
from nngraph.stats.heterogeneity import (
    degree_gini,
    degree_moments,
    heterogeneity,
    isolated,
    strength_gini,
    strength_moments,
    weight_moments,
)
from nngraph.stats.signed import alpha, balance, coherence, density
from nngraph.stats.strengths import disparity, mean_weight, participation, strength
from nngraph.stats.tables import table
from nngraph.stats.tails import TailFit, fit_tail, fit_tails

__all__ = [
    "NETWORK",
    "NODE",
    "TailFit",
    "alpha",
    "balance",
    "by_igraph",
    "coherence",
    "degree",
    "degree_correlation",
    "degree_gini",
    "degree_moments",
    "density",
    "disparity",
    "distribution",
    "fit_tail",
    "fit_tails",
    "heterogeneity",
    "in_out_correlation",
    "isolated",
    "mean_weight",
    "participation",
    "strength",
    "strength_gini",
    "strength_moments",
    "table",
    "weight_moments",
]

NETWORK: dict[str, Callable[[NeuralGraph], float | dict[str, float]]] = {
    "alpha": alpha,
    "balance": balance,
    "coherence": coherence,
    "degree_correlation": degree_correlation,
    "degree_gini": degree_gini,
    "degree_moments": degree_moments,
    "density": density,
    "heterogeneity": heterogeneity,
    "in_out_correlation": in_out_correlation,
    "isolated": isolated,
    "strength_gini": strength_gini,
    "strength_moments": strength_moments,
    "weight_moments": weight_moments,
}
"""Statistics of a whole graph, or of one block, by name: each gives a number, or several by name."""

NODE: dict[str, Callable[..., Any]] = {
    "degree": degree,
    "disparity": disparity,
    "mean_weight": mean_weight,
    "participation": participation,
    "strength": strength,
}
"""Statistics of nodes by name: each gives a Series indexed by (part, index)."""
