"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations

from nngraph.similarity.measures import INVARIANCES, MEASURES, Measure, compare, cross, matrix

__all__ = ["INVARIANCES", "MEASURES", "Measure", "compare", "cross", "matrix"]
