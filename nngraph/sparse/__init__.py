"""Sparse training on the graph: sparse evolutionary training, lottery tickets, and layers that hold edges alone."""

from nngraph.sparse.supports import Rewiring, erdos_renyi_mask, rewire

__all__ = ["Rewiring", "erdos_renyi_mask", "rewire"]
