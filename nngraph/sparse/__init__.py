"""Sparse training on the graph: sparse evolutionary training, lottery tickets, and layers that hold edges alone."""

from nngraph.sparse.evolution import SET
from nngraph.sparse.layers import SparseLinear
from nngraph.sparse.networks import densify, sparse_mlp, sparsify
from nngraph.sparse.supports import Rewiring, erdos_renyi_mask, rewire

__all__ = ["SET", "Rewiring", "SparseLinear", "densify", "erdos_renyi_mask", "rewire", "sparse_mlp", "sparsify"]
