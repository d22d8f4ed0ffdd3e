"""Degrees and signed degrees of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.graph import NeuralGraph
from nngraph.stats import _sides

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["degree"]


def degree(G: NeuralGraph, *, side: _sides.Sides = "source", sign: _sides.Sign = None) -> pd.Series:
    r"""Return the degree of each node, over its outgoing or its incoming edges.

    .. math:: k^{\pm}_i = \#\{e : e \text{ leaves (enters) node } i,\ \pm w_e > 0\}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    side : "source", "target" or "both"
        Count the edges whose source, or whose target, is the node, or both.
    sign : "+", "-" or None
        Count positive, negative, or all edges (an edge of weight 0 is neither positive nor negative).

    Returns
    -------
    pandas.Series
        Indexed by (part, index), for each node of the parts on that side of a block; summed over its blocks. Its name
        carries the arguments.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    Exact. Linear in the number of cells of a dense block, of edges of a sparse one; 0.3 ns for each cell of a dense
    block, so that signed degrees of 1.8 million edges take half a millisecond. No copy of the weights is made.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, 4.0]])])
    >>> nng.stats.degree(G, side="target", sign="+")
    part  index
    1     0        1
          1        2
    Name: degree(side=target, sign=+), dtype: int64
    """
    _sides.check("degree", G, side, sign)
    values = _sides.per_part(G, side, lambda block, one: _sides.degrees(block, one, sign))
    return _sides.series(G, values, "degree", side=side, sign=sign)
