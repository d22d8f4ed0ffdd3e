"""Figures of studies and graphs. Functions take an Axes and return it, or make one; nothing is shown or saved."""

from nngraph.plot.curves import perturbation, perturbations
from nngraph.plot.decays import mixing
from nngraph.plot.drawing import network
from nngraph.plot.ladders import ladder
from nngraph.plot.pages import study_figures
from nngraph.plot.randomizations import (
    pruned_randomization,
    pruned_randomizations,
    randomization,
    randomizations,
)
from nngraph.plot.tails import ccdf, pdf

__all__ = [
    "ccdf",
    "ladder",
    "mixing",
    "network",
    "pdf",
    "perturbation",
    "perturbations",
    "pruned_randomization",
    "pruned_randomizations",
    "randomization",
    "randomizations",
    "study_figures",
]
