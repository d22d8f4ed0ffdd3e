"""Dynamics on the line graph of a network: neural capacitance, and the one-number reduction of any weighted graph."""

from nngraph.dynamics._ranking import Ranking, rank_models, sensitivity
from nngraph.dynamics.capacitance import BetaEff, beta_eff
from nngraph.dynamics.line_graphs import line_graph, line_graph_size
from nngraph.dynamics.prediction import AccuracyPrediction, Trajectory, predict_accuracy
from nngraph.dynamics.resilience import Reduction, reduction

__all__ = [
    "AccuracyPrediction",
    "BetaEff",
    "Ranking",
    "Reduction",
    "Trajectory",
    "beta_eff",
    "line_graph",
    "line_graph_size",
    "predict_accuracy",
    "rank_models",
    "reduction",
    "sensitivity",
]
