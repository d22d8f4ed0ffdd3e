"""Null models: a graph in, a random graph out that keeps named properties and randomises the rest."""

from nngraph.nulls.ensembles import ensemble
from nngraph.nulls.kinds import kept, randomize

__all__ = ["ensemble", "kept", "randomize"]
