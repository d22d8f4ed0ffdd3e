"""Statistics of signed, weighted, multipartite graphs: of nodes, and of whole networks or blocks."""

from collections.abc import Callable

from nngraph.graph import NeuralGraph
from nngraph.stats._tail_distributions import distribution
from nngraph.stats.correlations import degree_correlation, in_out_correlation
from nngraph.stats.degrees import degree
from nngraph.stats.information import degree_information, in_out_information, mutual_information
from nngraph.stats.modules import communities, max_modularity, modularity
from nngraph.stats.nesting import alpha_beta_core, core_sizes, cores, nestedness
from nngraph.stats.paths import DominantPath, dominant_path, path_load, pathways, spanning, spanning_nodes
from nngraph.stats.signed import alpha, balance, coherence, density, motifs
from nngraph.stats.spectra import fluctuation, spectral_gap, spectrum
from nngraph.stats.strengths import strength
from nngraph.stats.tails import TailFit, fit_tail, fit_tails

__all__ = [
    "NETWORK",
    "DominantPath",
    "TailFit",
    "alpha",
    "alpha_beta_core",
    "balance",
    "coherence",
    "communities",
    "core_sizes",
    "cores",
    "degree",
    "degree_correlation",
    "degree_information",
    "density",
    "distribution",
    "dominant_path",
    "fit_tail",
    "fit_tails",
    "fluctuation",
    "in_out_correlation",
    "in_out_information",
    "max_modularity",
    "modularity",
    "motifs",
    "mutual_information",
    "nestedness",
    "path_load",
    "pathways",
    "spanning",
    "spanning_nodes",
    "spectral_gap",
    "spectrum",
    "strength",
]

NETWORK: dict[str, Callable[[NeuralGraph], float | dict[str, float]]] = {
    "alpha": alpha,
    "balance": balance,
    "coherence": coherence,
    "cores": cores,
    "degree_correlation": degree_correlation,
    "degree_information": degree_information,
    "density": density,
    "fluctuation": fluctuation,
    "in_out_correlation": in_out_correlation,
    "in_out_information": in_out_information,
    "max_modularity": max_modularity,
    "motifs": motifs,
    "nestedness": nestedness,
    "pathways": pathways,
    "spanning": spanning,
    "spectral_gap": spectral_gap,
}
"""Statistics of a whole graph by name: each gives a number, or several by name."""
