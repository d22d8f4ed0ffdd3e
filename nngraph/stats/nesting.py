"""How far the neighbours of nodes are nested within those of others, and cores within cores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats._series import by_node
from nngraph.stats._sides import Sign
from nngraph.stats._supports import support

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["alpha_beta_core", "core_sizes", "cores", "nestedness"]

KEYS: dict[str, Sign] = {"all": None, "+": "+", "-": "-"}
SLAB = 2**23
"""Pairs of nodes that are compared at once."""
BYTES_PER_EDGE = 64
"""Of the undirected view in which cores are found."""


def nestedness(G: NeuralGraph) -> dict[str, float]:
    r"""Return the nestedness by overlap and decreasing fill (NODF), as a share.

    .. math:: \mathrm{NODF} = \frac{\sum_{ij} [k_i > k_j]\, |N_i \cap N_j| / k_j}
              {\sum_b \binom{n^\text{source}_b}{2} + \binom{n^\text{target}_b}{2}}

    Parameters
    ----------
    G : NeuralGraph
        The graph; i and j are two source, or two target, nodes of a block, and N their neighbours in it.

    Returns
    -------
    dict of str to float
        ``all``, ``+`` and ``-``: of all edges, of the positive and of the negative, in [0, 1] (the literature often
        multiplies by 100). 1 where of any two nodes one has fewer neighbours, all of them shared; 0 where degrees do
        not differ, as in a complete block. NaN without two nodes on a side.

    Notes
    -----
    Exact. Nodes without an edge are left out, as rows and columns of zeros are in ecology. One product of the support
    with itself for each side, in slabs of 8 million pairs of nodes where a block is dense.

    References
    ----------
    .. [1] M. Almeida-Neto, P. Guimaraes, P. R. Guimaraes, R. D. Loyola, W. Ulrich, "A consistent metric for nestedness
       analysis in ecological systems: reconciling concept and measurement", Oikos 117, 1227-1239, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.nestedness(nng.from_matrices([np.tril(np.ones((4, 4)))]))["all"]
    1.0
    """
    check_graph("nestedness", G)
    found = {}
    for key, sign in KEYS.items():
        overlap = pairs = 0.0
        for block in G.blocks:
            matrix = support(block, sign, np.float32)  # counts of neighbours are exact below 2**24
            for side in (matrix, matrix.T):
                more, n = _overlap(side)
                overlap += more
                pairs += n * (n - 1) / 2
        found[key] = overlap / pairs if pairs else float("nan")
    return found


def cores(G: NeuralGraph) -> dict[str, float]:
    r"""Return the largest k for which a graph has a k-core, and how large that core is.

    .. math:: \max \{k : \exists\, S \ne \emptyset,\ \min_{i \in S} |N_i \cap S| \ge k\}

    Parameters
    ----------
    G : NeuralGraph
        The graph, its edges without direction.

    Returns
    -------
    dict of str to float
        ``max`` k, and ``nodes``, the share of all nodes in that innermost core; NaN for a graph without nodes.

    Raises
    ------
    SizeError
        If the graph has more than 100 million edges.

    Notes
    -----
    Exact, by igraph; linear in the number of edges. Edges of two blocks between the same two nodes count twice.

    References
    ----------
    .. [1] S. B. Seidman, "Network structure and minimum degree", Social Networks 5, 269-287, 1983.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.cores(nng.from_matrices([np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])]))
    {'max': 2.0, 'nodes': 0.8}
    """
    coreness = _coreness("cores", G)
    if not len(coreness):
        return {"max": float("nan"), "nodes": float("nan")}
    return {"max": float(coreness.max()), "nodes": float(np.mean(coreness == coreness.max()))}


def core_sizes(G: NeuralGraph) -> pd.Series:
    r"""Return the number of nodes of each k-core.

    .. math:: n_k = |\{i : c_i \ge k\}|

    Parameters
    ----------
    G : NeuralGraph
        The graph, its edges without direction; the coreness c of a node is the largest k of a k-core that it is in.

    Returns
    -------
    pandas.Series
        int, indexed by ``k`` from 0 to the largest coreness.

    Raises
    ------
    SizeError
        If the graph has more than 100 million edges.

    Notes
    -----
    Exact, by igraph; linear in the number of edges. Edges of two blocks between the same two nodes count twice.

    References
    ----------
    .. [1] S. B. Seidman, "Network structure and minimum degree", Social Networks 5, 269-287, 1983.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.core_sizes(nng.from_matrices([np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])])).to_dict()
    {0: 5, 1: 5, 2: 4}
    """
    import pandas as pd

    exactly = np.bincount(_coreness("core_sizes", G))
    index = pd.RangeIndex(len(exactly), name="k")
    return pd.Series(np.cumsum(exactly[::-1])[::-1], index=index, name="core_sizes")


def alpha_beta_core(G: NeuralGraph, *, alpha: int, beta: int) -> pd.Series:
    r"""Return which nodes are in the (alpha, beta)-core: all of them keep enough edges, out and in, among each other.

    .. math:: \text{largest } S: \quad |\mathrm{out}(i) \cap S| \ge \alpha, \quad |\mathrm{in}(i) \cap S| \ge \beta

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    alpha : int
        Fewest edges that a node of a part on the source side of a block has to other nodes of the core.
    beta : int
        Fewest edges that a node of a part on the target side of a block has from other nodes of the core.

    Returns
    -------
    pandas.Series
        bool, indexed by (part, index). A node of a part on both sides has to meet both.

    Raises
    ------
    ArgumentError
        If alpha or beta is not an integer of at least 0.

    Notes
    -----
    Exact. In a single block it is the bipartite core of [1]_; in a chain the (1, 1)-core is the spanning subnetwork.
    The cost is the number of edges times the rounds of peeling; edges in two blocks count twice, links do not.

    References
    ----------
    .. [1] B. Liu, L. Yuan, X. Lin, L. Qin, W. Zhang, J. Zhou, "Efficient (alpha, beta)-core computation: an index-based
       approach", The World Wide Web Conference, 1130-1141, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])])
    >>> nng.stats.alpha_beta_core(G, alpha=2, beta=2).tolist()
    [True, True, False, True, True]
    """
    check_graph("alpha_beta_core", G)
    for name, value in (("alpha", alpha), ("beta", beta)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise ArgumentError(f"alpha_beta_core: {name}: got {value!r}; expected an integer of at least 0.")
    ends = G._edge_ids()
    leave, enter = ({getattr(block, side) for block in G.blocks} for side in ("source", "target"))
    least = [
        np.concatenate([np.full(part.size, few * (part.name in side)) for part in G.parts] or [np.zeros(0, np.int64)])
        for side, few in ((leave, alpha), (enter, beta))
    ]
    inside = np.ones(G.n_nodes, bool)
    while True:
        degree = [np.bincount(of, minlength=G.n_nodes) for of in ends.T]
        still = inside & (degree[0] >= least[0]) & (degree[1] >= least[1])
        if (still == inside).all():
            offsets = G.offsets
            of_part = {part.name: inside[offsets[part.name] : offsets[part.name] + part.size] for part in G.parts}
            return by_node(G, of_part, f"alpha_beta_core(alpha={alpha}, beta={beta})")
        inside = still
        ends = ends[inside[ends].all(axis=1)]


def _coreness(where: str, G: NeuralGraph) -> np.ndarray:
    """Return the coreness of each node, in vertex order."""
    check_graph(where, G)
    G.guard("the view of cores", bytes_per_edge=BYTES_PER_EDGE, remedy="the blocks of G.select([...])", force=False)
    import igraph

    g = igraph.Graph(G.n_nodes)
    g.add_edges(G._edge_ids())
    return np.array(g.coreness(), np.int64)


def _overlap(matrix: Any) -> tuple[float, int]:
    """Return the sum of the numerator over pairs of rows, and the number of rows that are not empty."""
    degree = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    live = np.flatnonzero(degree)
    degree = degree[live]
    if not len(live) or degree.min() == degree.max():
        return 0.0, len(live)
    rows = matrix[live] if isinstance(matrix, np.ndarray) else matrix.tocsr()[live]
    total = 0.0
    at_once = max(1, SLAB // len(live))
    for start in range(0, len(live), at_once):
        slab = slice(start, start + at_once)
        shared = rows[slab] @ rows.T
        if isinstance(shared, np.ndarray):
            shared *= degree[slab, None] > degree
            total += float((shared.sum(axis=0, dtype=np.float64) / degree).sum())
        else:
            entries = shared.tocoo()
            i, j = degree[slab][entries.row], degree[entries.col]
            total += float((entries.data / j)[i > j].sum())
    return total, len(live)
