"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations

from nngraph.similarity._representations import Representations, aligned
from nngraph.similarity._tap_sets import Tap
from nngraph.similarity.agreements import agreement
from nngraph.similarity.changes import boundaries
from nngraph.similarity.encodings import encode, target_distances
from nngraph.similarity.gromov import Transport, fused_gromov_wasserstein, gromov_wasserstein, lower_bound
from nngraph.similarity.gromov_maps import GromovMap, gromov_map
from nngraph.similarity.grouping import Groups, adjusted_rand, groups, silhouettes
from nngraph.similarity.histograms import distance_histograms, histogram_divergence
from nngraph.similarity.measures import INVARIANCES, MEASURES, Measure, compare, cross, matrix
from nngraph.similarity.neighbours import expected_overlap, neighbour_map, neighbour_overlap
from nngraph.similarity.plans import plan_agreement
from nngraph.similarity.probing import probes
from nngraph.similarity.taps import representations

__all__ = [
    "INVARIANCES",
    "MEASURES",
    "GromovMap",
    "Groups",
    "Measure",
    "Representations",
    "Tap",
    "Transport",
    "adjusted_rand",
    "agreement",
    "aligned",
    "boundaries",
    "compare",
    "cross",
    "distance_histograms",
    "encode",
    "expected_overlap",
    "fused_gromov_wasserstein",
    "gromov_map",
    "gromov_wasserstein",
    "groups",
    "histogram_divergence",
    "lower_bound",
    "matrix",
    "neighbour_map",
    "neighbour_overlap",
    "plan_agreement",
    "probes",
    "representations",
    "silhouettes",
    "target_distances",
]
