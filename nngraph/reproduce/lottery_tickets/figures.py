"""The figures of the page: accuracy against density, measures beside their null, the spanning subnetwork."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.graph import NeuralGraph
from nngraph.reproduce.lottery_tickets.claims import Study
from nngraph.stats import spanning_nodes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PANELS", "accuracies", "measures", "subnetwork"]

PANELS = (
    ("degree:target_heterogeneity@0", "dealt", "heterogeneity of in-degrees, hidden 1"),
    ("in_out_correlation:all:0", "dealt", "correlation of in- and out-degree, hidden 1"),
    ("spanning:edges", "dealt", "edges on the spanning subnetwork, share"),
    ("spanning:pairs", "dealt", "connected input-output pairs, share"),
    ("pathways:top", "dealt", "path weight of the top 1 % of pairs, share"),
    ("information:in_out", "dealt", "information of in- and out-degree (nats)"),
    ("weight:mean", "trained", "mean weight"),
    ("weight:mean_magnitude", "trained", "mean magnitude of weights"),
)
"""Measure, null, and title of each panel."""


def accuracies(study: Study) -> Figure:
    """Return accuracy against density of all arms."""
    import matplotlib.pyplot as plt

    from nngraph import plot

    fig: Figure = plt.figure(figsize=(4.4, 3.2), layout="constrained")
    plot.ticket_scores(study.scores, ax=fig.subplots())
    return fig


def measures(study: Study) -> Figure:
    """Return the panels of measures, of tickets and of random pruning, with the densities of decay."""
    import matplotlib.pyplot as plt

    from nngraph import plot

    fig: Figure = plt.figure(figsize=(7.2, 8.6), layout="constrained")
    axes = fig.subplots(4, 2, sharex=True)
    decays = {arm: study.decay_densities(arm) for arm in study.runs}
    for ax, (measure, null, title) in zip(axes.flat, PANELS, strict=True):
        plot.ticket_measure(study.runs, measure, null=null, decays=decays, title=title, ax=ax)
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return fig


def subnetwork(G: NeuralGraph) -> Figure:
    """Return the edges that lie on a path from an input to an output, and which pixels they start at."""
    import matplotlib.pyplot as plt

    from nngraph import plot

    on = spanning_nodes(G)
    keep = np.concatenate(
        [
            on[block.source].to_numpy()[block.edges().source] & on[block.target].to_numpy()[block.edges().target]
            for block in G.blocks
        ]
    )
    fig: Figure = plt.figure(figsize=(6.4, 4.0), layout="constrained")
    side = round(G.parts[0].size ** 0.5)
    grids = {G.parts[0].name: (side, side)} if side**2 == G.parts[0].size else {}
    plot.network(G.with_support(keep), top=None, grids=grids, ax=fig.subplots())
    return fig
