"""Files of graphs."""

from nngraph.io.native import load, save

__all__ = ["load", "save"]
