"""Values of the nodes of a graph as a Series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngraph.graph import NeuralGraph

if TYPE_CHECKING:
    import pandas as pd


def by_node(G: NeuralGraph, values: Mapping[str, np.ndarray], name: str) -> pd.Series:
    """Return the values of the nodes of each part as one Series indexed by (part, index), in vertex order."""
    import pandas as pd

    nodes = [(part.name, i) for part in G.parts for i in range(part.size)]
    index = pd.MultiIndex.from_tuples(nodes, names=["part", "index"])
    return pd.Series(np.concatenate([values[part.name] for part in G.parts] or [np.zeros(0)]), index=index, name=name)
