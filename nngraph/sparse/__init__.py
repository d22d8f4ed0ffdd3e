"""Sparse training on the graph: sparse evolutionary training, lottery tickets, and layers that hold edges alone."""

from nngraph.sparse._precedence import decay_round, departures, precedence
from nngraph.sparse._ticket_measures import MEASURES, against_controls, ticket_measures
from nngraph.sparse.boltzmann import BoltzmannMachine, LogPartition
from nngraph.sparse.evolution import SET
from nngraph.sparse.layers import SparseLinear
from nngraph.sparse.networks import densify, sparse_mlp, sparsify
from nngraph.sparse.supports import Rewiring, erdos_renyi_mask, rewire
from nngraph.sparse.tickets import CONTROLS, Tickets, lottery_tickets, ticket_control

__all__ = [
    "CONTROLS",
    "MEASURES",
    "SET",
    "BoltzmannMachine",
    "LogPartition",
    "Rewiring",
    "SparseLinear",
    "Tickets",
    "against_controls",
    "decay_round",
    "densify",
    "departures",
    "erdos_renyi_mask",
    "lottery_tickets",
    "precedence",
    "rewire",
    "sparse_mlp",
    "sparsify",
    "ticket_control",
    "ticket_measures",
]
