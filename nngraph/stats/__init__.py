"""Statistics of signed, weighted, multipartite graphs: of nodes, and of whole networks or blocks."""

from collections.abc import Callable

from nngraph.graph import NeuralGraph
from nngraph.stats.correlations import degree_correlation, in_out_correlation
from nngraph.stats.degrees import degree
from nngraph.stats.paths import DominantPath, dominant_path, path_load, pathways, spanning, spanning_nodes
from nngraph.stats.signed import alpha, balance, coherence, density
from nngraph.stats.strengths import strength

__all__ = [
    "NETWORK",
    "DominantPath",
    "alpha",
    "balance",
    "coherence",
    "degree",
    "degree_correlation",
    "density",
    "dominant_path",
    "in_out_correlation",
    "path_load",
    "pathways",
    "spanning",
    "spanning_nodes",
    "strength",
]

NETWORK: dict[str, Callable[[NeuralGraph], float | dict[str, float]]] = {
    "alpha": alpha,
    "balance": balance,
    "coherence": coherence,
    "degree_correlation": degree_correlation,
    "density": density,
    "in_out_correlation": in_out_correlation,
    "pathways": pathways,
    "spanning": spanning,
}
"""Statistics of a whole graph by name: each gives a number, or several by name."""
