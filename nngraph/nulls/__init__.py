"""Null models: a graph in, a random graph out that keeps named properties and randomises the rest."""

from nngraph.nulls.ensembles import ensemble
from nngraph.nulls.entropy import MaximumEntropy, maximum_entropy
from nngraph.nulls.kinds import expected, kept, randomize
from nngraph.nulls.strengths import on_grid, strength_residuals

__all__ = [
    "MaximumEntropy",
    "ensemble",
    "expected",
    "kept",
    "maximum_entropy",
    "on_grid",
    "randomize",
    "strength_residuals",
]
