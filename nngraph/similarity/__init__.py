"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations

from nngraph.similarity._representations import Representations, aligned
from nngraph.similarity._tap_sets import Tap
from nngraph.similarity.taps import representations

__all__ = [
    "Representations",
    "Tap",
    "aligned",
    "representations",
]
