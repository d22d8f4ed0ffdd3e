"""Null models: a graph in, a random graph out that keeps named properties and randomises the rest."""

from nngraph.nulls.ensembles import ensemble
from nngraph.nulls.kinds import kept, randomize
from nngraph.nulls.strengths import on_grid, strength_residuals

__all__ = ["ensemble", "kept", "on_grid", "randomize", "strength_residuals"]
