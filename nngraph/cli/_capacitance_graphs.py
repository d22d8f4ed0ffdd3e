"""The one-number reduction of a weighted graph, and what negative weights do to it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.cli._capacitance_sources import Network, Page
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import igraph
    import numpy as np
    import pandas as pd

    from nngraph.dynamics import Reduction
    from nngraph.graph import NeuralGraph


def reduced(found: Network, state: str | None) -> Page:
    """Return beta_eff of a weighted graph with its parts, x_eff of a state, and the table of nodes."""
    from nngraph.dynamics import reduction
    from nngraph.graph import NeuralGraph

    g = found.graph
    if isinstance(g, NeuralGraph):
        n_edges, directed, weighted = g.n_edges, True, True
    else:
        n_edges, directed, weighted = g.ecount(), g.is_directed(), "weight" in g.es.attributes()
    r = reduction(g)
    nodes = _nodes(g)
    numbers = f"{len(nodes):,} nodes, {n_edges:,} {'directed' if directed else 'undirected'} edges"
    lines = [
        f"beta_eff of {found.name}: {r.beta_eff:.6g} ({numbers})",
        f"  <s> + S H with mean strength <s> = {r.mean_strength:.6g}, symmetry S = {r.symmetry:.4g}, heterogeneity "
        f"H = {r.heterogeneity:.6g}",
    ]
    if state is not None:
        x = _states(nodes, state)
        lines.append(f"  x_eff of {state}: {r.x_eff(x):.6g}; plain mean {x.mean():.6g}")
    if not weighted:
        lines.append("note: edges have no attribute 'weight', so each counts 1.")
    if not n_edges:
        lines.append("warning: the graph has no edges, so beta_eff, a mean over them, is nan.")
    elif not (r.s_in * r.s_out).any():
        lines.append(
            "warning: no node has strength both in and out, as in a network of two parts, so beta_eff is 0 whatever "
            "the weights."
        )
    lines += _on_negative(g, r)
    nodes["s_in"], nodes["s_out"] = r.s_in, r.s_out
    return Page("\n".join(lines), {"nodes": nodes})


def _nodes(g: igraph.Graph | NeuralGraph) -> pd.DataFrame:
    import pandas as pd

    from nngraph.graph import NeuralGraph

    if isinstance(g, NeuralGraph):
        return g.nodes
    return pd.DataFrame({name: g.vs[name] for name in g.vs.attributes()}, index=pd.RangeIndex(g.vcount()))


def _states(nodes: pd.DataFrame, state: str) -> np.ndarray:
    """Return the state of each node."""
    import numpy as np

    if state not in nodes:
        known = ", ".join(map(str, nodes.columns)) or "no attributes"
        raise ArgumentError(f"--state: got {state!r}; the vertices of the graph have {known}.")
    try:
        x: np.ndarray = nodes[state].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        x = np.full(1, np.nan)
    if not np.isfinite(x).all():
        raise ArgumentError(f"--state: the vertex attribute {state!r} is no finite number at every vertex.")
    return x


def _on_negative(g: igraph.Graph | NeuralGraph, r: Reduction) -> list[str]:
    """Say how far the sum of signed weights is from that of their magnitudes, and what beta_eff of these is."""
    import numpy as np

    from nngraph.dynamics import reduction
    from nngraph.graph import NeuralGraph

    if isinstance(g, NeuralGraph):
        weights = g.weights().astype(np.float64)
    else:
        weights = np.array(g.es["weight"] if "weight" in g.es.attributes() else [], dtype=np.float64)
    if not (weights < 0).any():
        return []
    if isinstance(g, NeuralGraph):
        magnitudes = reduction(g.with_weights(np.abs(weights)))
    else:
        copy = g.copy()
        copy.es["weight"] = np.abs(weights)
        magnitudes = reduction(copy)
    left = weights.sum() / np.abs(weights).sum()
    lines = [
        f"warning: {np.mean(weights < 0):.1%} of the weights are negative, for which the reduction was not derived: "
        f"strengths cancel, the weights add up to {left:+.2%} of their magnitudes, and beta_eff, which divides by "
        f"that sum, has a pole where it is 0. Of the magnitudes |w| it is {magnitudes.beta_eff:.6g}."
    ]
    if r.beta_eff != r.beta_eff:
        lines.append("warning: beta_eff is nan, because the weights add up to 0 up to rounding.")
    return lines
