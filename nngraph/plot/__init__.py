"""Figures of studies and graphs. Functions take an Axes and return it, or make one; nothing is shown or saved."""

from nngraph.plot.accuracy_fits import accuracy_fit
from nngraph.plot.capacitance import capacitance_sensitivity, capacitance_trajectories, predicted_accuracies
from nngraph.plot.class_maps import class_map
from nngraph.plot.complexities import complexity_figures
from nngraph.plot.curves import perturbation, perturbations
from nngraph.plot.decays import mixing
from nngraph.plot.distributions import degrees, strengths
from nngraph.plot.drawing import network
from nngraph.plot.evolutions import accuracy_curves, degree_changes, paired_differences, pixel_maps, variance_ratios
from nngraph.plot.forests import forest, forests
from nngraph.plot.histograms import weights
from nngraph.plot.ladders import ladder
from nngraph.plot.layers import boundaries, layer_map, maps
from nngraph.plot.matrices import matrix_panels, matrix_robustness
from nngraph.plot.overviews import layer_figure
from nngraph.plot.pages import study_figures
from nngraph.plot.randomizations import (
    pruned_randomization,
    pruned_randomizations,
    randomization,
    randomizations,
)
from nngraph.plot.samples import distance_histograms, plan
from nngraph.plot.scatters import in_out
from nngraph.plot.scores import scores_by_size
from nngraph.plot.tails import ccdf, pdf
from nngraph.plot.task_scatters import task_scatter
from nngraph.plot.thumbnails import feature_maps
from nngraph.plot.tickets import ticket_measure, ticket_panels, ticket_scores
from nngraph.plot.trainings import dynamics
from nngraph.plot.violins import violin

__all__ = [
    "accuracy_curves",
    "accuracy_fit",
    "boundaries",
    "capacitance_sensitivity",
    "capacitance_trajectories",
    "ccdf",
    "class_map",
    "complexity_figures",
    "degree_changes",
    "degrees",
    "distance_histograms",
    "dynamics",
    "feature_maps",
    "forest",
    "forests",
    "in_out",
    "ladder",
    "layer_figure",
    "layer_map",
    "maps",
    "matrix_panels",
    "matrix_robustness",
    "mixing",
    "network",
    "paired_differences",
    "pdf",
    "perturbation",
    "perturbations",
    "pixel_maps",
    "plan",
    "predicted_accuracies",
    "pruned_randomization",
    "pruned_randomizations",
    "randomization",
    "randomizations",
    "scores_by_size",
    "strengths",
    "study_figures",
    "task_scatter",
    "ticket_measure",
    "ticket_panels",
    "ticket_scores",
    "variance_ratios",
    "violin",
    "weights",
]
