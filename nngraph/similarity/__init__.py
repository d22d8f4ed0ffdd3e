"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations

from nngraph.similarity._representations import Representations, aligned
from nngraph.similarity._tap_sets import Tap
from nngraph.similarity.gromov import Transport, fused_gromov_wasserstein, gromov_wasserstein, lower_bound
from nngraph.similarity.gromov_maps import GromovMap, gromov_map
from nngraph.similarity.taps import representations

__all__ = [
    "GromovMap",
    "Representations",
    "Tap",
    "Transport",
    "aligned",
    "fused_gromov_wasserstein",
    "gromov_map",
    "gromov_wasserstein",
    "lower_bound",
    "representations",
]
