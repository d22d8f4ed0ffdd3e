"""Null models: a graph in, a random graph out that keeps named properties and randomises the rest."""

from nngraph.nulls.ensembles import Mixing, draw, ensemble, mixing
from nngraph.nulls.kinds import kept, randomize
from nngraph.nulls.ladders import RUNGS, ladder
from nngraph.nulls.properties import shared
from nngraph.nulls.significances import significance

__all__ = ["RUNGS", "Mixing", "draw", "ensemble", "kept", "ladder", "mixing", "randomize", "shared", "significance"]
