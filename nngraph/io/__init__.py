"""Files of graphs."""

from nngraph.io.graphml import read_graphml, write_graphml
from nngraph.io.native import load, save

__all__ = ["load", "read_graphml", "save", "write_graphml"]
