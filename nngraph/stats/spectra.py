"""Spectra of supports beside the Ramanujan bound, and how strengths fluctuate over a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph._blockwise import check_graph
from nngraph._rng import generator
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph
from nngraph.stats._sides import degrees
from nngraph.stats._supports import support

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fluctuation", "spectral_gap", "spectrum"]

COLUMNS = ("sigma_1", "sigma_2", "gap", "bound", "margin")
EXACT = 2000
"""Nodes on the shorter side of a block up to which its spectrum is that of a dense matrix."""


def spectrum(G: NeuralGraph) -> pd.DataFrame:
    r"""Return the two largest singular values of the support of each block, beside the Ramanujan bound.

    .. math:: \sigma_2 \le \sqrt{d_1 - 1} + \sqrt{d_2 - 1}

    Parameters
    ----------
    G : NeuralGraph
        The graph; supports are matrices of 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row for each block: ``block``, ``sigma_1`` (the spectral radius of the block as a bipartite graph, which
        grows with nestedness), ``sigma_2``, ``gap`` (sigma_1 - sigma_2), ``bound`` (the right-hand side) and ``margin``
        (bound - sigma_2: at least 0 where the block expands as well as a Ramanujan graph). NaN for a block without
        edges.

    Notes
    -----
    d1 and d2 are the mean degrees over the nodes of each side that have an edge; the bound is a theorem where all
    degrees of a side are equal. A block whose shorter side has at most 2,000 such nodes is solved as a dense
    eigenproblem of its Gram matrix, exact to 1e-7 of sigma_1; a larger one by Lanczos iterations from a fixed start.

    References
    ----------
    .. [1] K. Feng, W.-C. W. Li, "Spectra of hypergraphs and applications", Journal of Number Theory 60, 1-22, 1996.
    .. [2] B. Pal, A. Biswas, S. Kolay, P. Mitra, B. Basu, "A study on the Ramanujan graph property of winning lottery
       tickets", International Conference on Machine Learning, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> cycle = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    >>> nng.stats.spectrum(nng.from_matrices([cycle])).round(6)
      block  sigma_1  sigma_2  gap  bound  margin
    0     0      2.0      1.0  1.0    2.0     1.0
    """
    import pandas as pd

    check_graph("spectrum", G)
    rows = [(block.name, *_spectrum(block)) for block in G.blocks]
    return pd.DataFrame(rows, columns=["block", *COLUMNS])


def spectral_gap(G: NeuralGraph) -> dict[str, float]:
    r"""Return the columns of :func:`spectrum`, averaged over the blocks that have edges.

    .. math:: \frac{1}{B} \sum_b \sigma_1^b, \quad \frac{1}{B} \sum_b \sigma_2^b, \quad
              \frac{1}{B} \sum_b (\sigma_1^b - \sigma_2^b), \ \ldots

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    dict of str to float
        ``sigma_1``, ``sigma_2``, ``gap``, ``bound`` and ``margin``; NaN for a graph without edges.

    Notes
    -----
    As :func:`spectrum`.

    References
    ----------
    .. [1] K. Feng, W.-C. W. Li, "Spectra of hypergraphs and applications", Journal of Number Theory 60, 1-22, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> cycle = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    >>> {name: round(value, 6) for name, value in nng.stats.spectral_gap(nng.from_matrices([cycle])).items()}
    {'sigma_1': 2.0, 'sigma_2': 1.0, 'gap': 1.0, 'bound': 2.0, 'margin': 1.0}
    """
    check_graph("spectral_gap", G)
    rows = [_spectrum(block) for block in G.blocks if block.n_edges] or [(float("nan"),) * len(COLUMNS)]
    return dict(zip(COLUMNS, np.mean(rows, axis=0).tolist(), strict=True))


def fluctuation(G: NeuralGraph) -> dict[str, float]:
    r"""Return how much the strengths of nodes fluctuate over each part.

    .. math:: Y_l = \sqrt{\frac{1}{n_l} \sum_{i \in l} (s_i - \bar s_l)^2}, \quad
              s_i = \sum_{j} w_{ij} + \sum_{k} w_{ki}

    Parameters
    ----------
    G : NeuralGraph
        The graph; the strength of a node is here the signed sum of the weights of its incoming and outgoing edges.

    Returns
    -------
    dict of str to float
        By the name of each part on a side of a block; NaN for a part without nodes.

    Notes
    -----
    Exact; linear in the number of edges, sums in float64.

    References
    ----------
    .. [1] E. La Malfa, G. La Malfa, G. Nicosia, V. Latora, "Characterizing learning dynamics of deep neural networks
       via complex networks", IEEE International Conference on Tools with Artificial Intelligence, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> nng.stats.fluctuation(nng.from_matrices([np.array([[1.0, -2.0], [3.0, 4.0]])]))
    {'0': 1.0, '1': 4.0}
    """
    check_graph("fluctuation", G)
    strengths: dict[str, np.ndarray] = {}
    for block in G.blocks:
        for part, axis in ((block.source, 0), (block.target, 1)):
            matrix = block.csr() if block.is_sparse else block.dense()
            sums = np.asarray(matrix.sum(axis=axis, dtype=np.float64))
            strengths[part] = strengths[part] + sums if part in strengths else sums
    parts = [part.name for part in G.parts if part.name in strengths]
    return {name: float(strengths[name].std()) if len(strengths[name]) else float("nan") for name in parts}


def _spectrum(block: Block) -> tuple[float, ...]:
    """Return the values of the columns for one block."""
    alive = [np.flatnonzero(degrees(block, side, None)) for side in ("target", "source")]  # type: ignore[arg-type]
    n_target, n_source = map(len, alive)
    if not block.n_edges:
        return (float("nan"),) * len(COLUMNS)
    first, second = _largest_two(block, alive)
    bound = float(np.sqrt(block.n_edges / n_target - 1) + np.sqrt(block.n_edges / n_source - 1))
    return first, second, first - second, bound, bound - second


def _largest_two(block: Block, alive: list[np.ndarray]) -> tuple[float, float]:
    n_target, n_source = map(len, alive)
    if block.n_edges == n_target * n_source:
        return float(np.sqrt(n_target * n_source)), 0.0
    matrix = support(block, None, np.float64)[np.ix_(*alive)]
    if n_target > n_source:
        matrix = matrix.T
    if min(n_target, n_source) > EXACT:
        from scipy.sparse.linalg import svds

        start = generator(np.random.SeedSequence(0)).standard_normal(matrix.shape[0])
        values = svds(matrix, k=2, v0=start, return_singular_vectors=False)
        return float(values.max()), float(values.min())
    from scipy.linalg import eigvalsh

    gram = matrix @ matrix.T
    gram = gram if isinstance(gram, np.ndarray) else gram.toarray()
    second, first = eigvalsh(gram, subset_by_index=[len(gram) - 2, len(gram) - 1])
    return float(np.sqrt(first)), float(np.sqrt(max(second, 0.0)))
