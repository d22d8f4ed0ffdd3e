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
from nngraph.stats.information import degree_information, in_out_information, mutual_information
from nngraph.stats.modules import communities, max_modularity, modularity
from nngraph.stats.nesting import alpha_beta_core, core_sizes, cores, nestedness
from nngraph.stats.paths import DominantPath, dominant_path, path_load, pathways, spanning, spanning_nodes
from nngraph.stats.signed import alpha, balance, coherence, density, motifs
from nngraph.stats.spectra import fluctuation, spectral_gap, spectrum
from nngraph.stats.strengths import disparity, mean_weight, participation, strength
from nngraph.stats.tables import table
from nngraph.stats.tails import TailFit, fit_tail, fit_tails
from nngraph.stats.verdicts import tail_verdict

__all__ = [
    "NETWORK",
    "NODE",
    "VERDICTS",
    "DominantPath",
    "TailFit",
    "alpha",
    "alpha_beta_core",
    "balance",
    "by_igraph",
    "coherence",
    "communities",
    "core_sizes",
    "cores",
    "degree",
    "degree_correlation",
    "degree_gini",
    "degree_information",
    "degree_moments",
    "density",
    "disparity",
    "distribution",
    "dominant_path",
    "fit_tail",
    "fit_tails",
    "fluctuation",
    "heterogeneity",
    "in_out_correlation",
    "in_out_information",
    "isolated",
    "max_modularity",
    "mean_weight",
    "modularity",
    "motifs",
    "mutual_information",
    "nestedness",
    "participation",
    "path_load",
    "pathways",
    "spanning",
    "spanning_nodes",
    "spectral_gap",
    "spectrum",
    "strength",
    "strength_gini",
    "strength_moments",
    "table",
    "tail_verdict",
    "weight_moments",
]

NETWORK: dict[str, Callable[[NeuralGraph], float | dict[str, float]]] = {
    "alpha": alpha,
    "balance": balance,
    "coherence": coherence,
    "cores": cores,
    "degree_correlation": degree_correlation,
    "degree_gini": degree_gini,
    "degree_information": degree_information,
    "degree_moments": degree_moments,
    "density": density,
    "fluctuation": fluctuation,
    "heterogeneity": heterogeneity,
    "in_out_correlation": in_out_correlation,
    "in_out_information": in_out_information,
    "isolated": isolated,
    "max_modularity": max_modularity,
    "motifs": motifs,
    "nestedness": nestedness,
    "pathways": pathways,
    "spanning": spanning,
    "spectral_gap": spectral_gap,
    "strength_gini": strength_gini,
    "strength_moments": strength_moments,
    "weight_moments": weight_moments,
}
"""Statistics of a whole graph, or of one block, by name: each gives a number, or several by name."""

VERDICTS: dict[str, Callable[[NeuralGraph], dict[str, str]]] = {"tail_verdict": tail_verdict}
"""Statistics of a block that give texts, by name: for tables alone, as no null model can compare them."""

NODE: dict[str, Callable[..., Any]] = {
    "communities": communities,
    "degree": degree,
    "disparity": disparity,
    "mean_weight": mean_weight,
    "participation": participation,
    "path_load": path_load,
    "spanning_nodes": spanning_nodes,
    "strength": strength,
}
"""Statistics of nodes by name: each gives a Series indexed by (part, index)."""
