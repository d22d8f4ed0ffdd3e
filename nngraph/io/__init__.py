"""Files of graphs."""

from nngraph.io.edges import write_edges
from nngraph.io.gexf import write_gexf
from nngraph.io.graphml import read_graphml, write_graphml
from nngraph.io.native import load, save

__all__ = ["load", "read_graphml", "save", "write_edges", "write_gexf", "write_graphml"]
