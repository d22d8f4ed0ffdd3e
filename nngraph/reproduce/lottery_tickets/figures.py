"""The figures of the page: accuracy against density, measures beside their null, the spanning subnetwork."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.graph import NeuralGraph
from nngraph.reproduce.lottery_tickets.claims import Study
from nngraph.stats import spanning_nodes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DRAWN", "PANELS", "accuracies", "measures", "subnetwork"]

PANELS = (
    ("degree:target_dispersion@0", "dealt", "in-degrees of hidden 1, variance over binomial"),
    ("in_out_correlation:all:0", "dealt", "correlation of in- and out-degree, hidden 1"),
    ("spanning:edges", "dealt", "edges on the spanning subnetwork, share"),
    ("spanning:pairs", "dealt", "connected input-output pairs, share"),
    ("pathways:top", "dealt", "path weight of the top 1 % of pairs, share"),
    ("information:in_out", "dealt", "information of in- and out-degree (nats)"),
    ("weight:mean", "trained", "mean weight"),
    ("weight:mean_magnitude", "trained", "mean magnitude of weights"),
)
"""Measure, null, and title of each panel."""
DRAWN = 120
"""Edges of a block in the picture of the spanning subnetwork."""


def accuracies(study: Study) -> Figure:
    """Return accuracy against density of all arms."""
    from nngraph import plot

    return _sized(plot.ticket_scores(study.scores), 4.4, 3.2)


def measures(study: Study) -> Figure:
    """Return the panels of measures, of tickets and of random pruning, with the densities of decay."""
    from nngraph import plot

    return plot.ticket_panels(study.runs, PANELS, decays={arm: study.decay_densities(arm) for arm in study.runs})


def subnetwork(G: NeuralGraph) -> Figure:
    """Return the edges that lie on a path from an input to an output, and which pixels they start at."""
    from nngraph import plot

    on = spanning_nodes(G)
    keep = np.concatenate(
        [
            on[block.source].to_numpy()[block.edges().source] & on[block.target].to_numpy()[block.edges().target]
            for block in G.blocks
        ]
    )
    side = round(G.parts[0].size ** 0.5)
    grids = {G.parts[0].name: (side, side)} if side**2 == G.parts[0].size else {}
    return _sized(plot.network(G.with_support(keep), top=DRAWN, grids=grids), 6.4, 4.0)


def _sized(ax: Axes, width: float, height: float) -> Figure:
    """Return the figure of axes, of this size in inches."""
    fig = ax.get_figure(root=True)
    assert fig is not None
    fig.set_size_inches(width, height)
    return fig
