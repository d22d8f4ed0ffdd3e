"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations

from nngraph.similarity._representations import Representations, aligned
from nngraph.similarity._tap_sets import Tap
from nngraph.similarity.gromov_maps import GromovMap, gromov_map
from nngraph.similarity.taps import representations

__all__ = [
    "GromovMap",
    "Representations",
    "Tap",
    "aligned",
    "gromov_map",
    "representations",
]
