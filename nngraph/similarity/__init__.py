"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations

from nngraph.similarity.gromov_maps import GromovMap, gromov_map

__all__ = ["GromovMap", "gromov_map"]
