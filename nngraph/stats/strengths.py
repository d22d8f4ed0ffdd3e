"""Strengths and signed strengths of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.graph import NeuralGraph
from nngraph.stats import _sides

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["strength"]


def strength(G: NeuralGraph, *, side: _sides.Sides = "source", sign: _sides.Sign = None) -> pd.Series:
    r"""Return the strength of each node: the sum of the magnitudes of its outgoing or its incoming edges.

    .. math:: s^{\pm}_i = \sum_{e \text{ leaves (enters) } i,\ \pm w_e > 0} |w_e|

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    side : "source" or "target"
        Sum over the edges whose source, or whose target, is the node.
    sign : "+", "-" or None
        Sum over positive, negative, or all edges. The negative strength is a sum of magnitudes.

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
    Linear in the number of edges; sums are taken in float64.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, -4.0]])])
    >>> nng.stats.strength(G, sign="-")
    part  index
    0     0        0.0
          1        6.0
    Name: strength(side=source, sign=-), dtype: float64
    """
    _sides.check("strength", G, side, sign)
    values = _sides.per_part(G, side, lambda block, one: _sides.strengths(block, one, sign))
    return _sides.series(G, values, "strength", side=side, sign=sign)
