"""Operations: a graph in, a graph out, without randomising its structure."""

from nngraph.ops.binarization import binarize
from nngraph.ops.noise import add_noise
from nngraph.ops.pruning import prune
from nngraph.ops.signs import flip_signs

__all__ = ["add_noise", "binarize", "flip_signs", "prune"]
