"""Sparse training on the graph: sparse evolutionary training, lottery tickets, and layers that hold edges alone."""

from nngraph.sparse.evolution import SET
from nngraph.sparse.supports import Rewiring, erdos_renyi_mask, rewire

__all__ = ["SET", "Rewiring", "erdos_renyi_mask", "rewire"]
