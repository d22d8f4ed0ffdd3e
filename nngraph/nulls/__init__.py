"""Null models: a graph in, a random graph out that keeps named properties and randomises the rest."""

from nngraph.nulls.draws import randomize
from nngraph.nulls.ensembles import Mixing, draw, ensemble, mixing
from nngraph.nulls.entropy import MaximumEntropy, maximum_entropy
from nngraph.nulls.kinds import expected, kept
from nngraph.nulls.ladders import RUNGS, ladder
from nngraph.nulls.properties import shared
from nngraph.nulls.significances import significance
from nngraph.nulls.strengths import on_grid, strength_residuals

__all__ = [
    "RUNGS",
    "MaximumEntropy",
    "Mixing",
    "draw",
    "ensemble",
    "expected",
    "kept",
    "ladder",
    "maximum_entropy",
    "mixing",
    "on_grid",
    "randomize",
    "shared",
    "significance",
    "strength_residuals",
]
