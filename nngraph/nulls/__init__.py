"""Null models: a graph in, a random graph out that keeps named properties and randomises the rest."""

from nngraph.nulls.ensembles import Mixing, draw, ensemble, mixing
from nngraph.nulls.kinds import kept, randomize
from nngraph.nulls.significances import significance

__all__ = ["Mixing", "draw", "ensemble", "kept", "mixing", "randomize", "significance"]
