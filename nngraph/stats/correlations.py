"""Correlations of degrees, signed or not: at the two ends of edges, and on the two sides of a part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph
from nngraph.stats._sides import Sign, degrees

__all__ = ["degree_correlation", "in_out_correlation"]

KEYS: dict[str, Sign] = {"all": None, "+": "+", "-": "-"}
Sums: TypeAlias = tuple[float, float, float]


def degree_correlation(G: NeuralGraph) -> dict[str, float]:
    r"""Return the assortativity of degrees: their correlation over all, over the positive, and over the negative edges.

    .. math:: r^{\pm} = \frac{\sum_b \sum_{e \in b^{\pm}} (x_e - \bar x_b)(y_e - \bar y_b)}
              {\sqrt{\sum_b \sum_e (x_e - \bar x_b)^2 \sum_b \sum_e (y_e - \bar y_b)^2}},
              \quad x_e = k^{\pm}_{\text{source}(e)},\ y_e = k^{\pm}_{\text{target}(e)}

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    dict of str to float
        "all" (of unsigned degrees, over all edges), "+" and "-", in [-1, 1]; 0 where the degrees at one end do not vary
        (nothing varies together), NaN without such an edge.

    Notes
    -----
    Degrees are those within the block of the edge. Deviations are taken from the mean of each block, so that blocks of
    different sizes make no correlation. Linear in the number of cells of a dense block, of edges of a sparse one.

    References
    ----------
    .. [1] M. E. J. Newman, "Assortative mixing in networks", Physical Review Letters 89, 208701, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> W = np.array([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    >>> nng.stats.degree_correlation(nng.from_matrices([W]))["+"]
    1.0
    """
    check_graph("degree_correlation", G)
    return {key: _pearson(_over_edges(block, sign) for block in G.blocks) for key, sign in KEYS.items()}


def in_out_correlation(G: NeuralGraph) -> dict[str, float]:
    r"""Return the correlation of degrees through parts: between incoming and outgoing, over nodes.

    .. math:: r^{\pm} = \operatorname{corr}_i(k^{\pm}_{i,\text{in}}, k^{\pm}_{i,\text{out}})

    Parameters
    ----------
    G : NeuralGraph
        The graph.

    Returns
    -------
    dict of str to float
        "all" (of unsigned degrees), "+" and "-", in [-1, 1], over the nodes of all parts that have incoming and
        outgoing blocks, and then the same over each of these parts alone, as "all:hidden", "+:hidden" and "-:hidden";
        0 where the degrees on one side do not vary, NaN where there is no such part, as in a single block.

    Notes
    -----
    Deviations are taken from the mean of each part. Kinds that keep all signed degrees (B, E, F, G) cannot change it.
    Linear in the number of cells of a dense block, of edges of a sparse one.

    References
    ----------
    .. [1] M. E. J. Newman, "Assortative mixing in networks", Physical Review Letters 89, 208701, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first, second = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]), np.array([[1.0, 1.0, -1.0]])
    >>> found = nng.stats.in_out_correlation(nng.from_matrices([first, second]))
    >>> round(found["+"], 3), round(found["+:1"], 3), found["all"]
    (0.866, 0.866, 0.0)
    """
    check_graph("in_out_correlation", G)
    sums = {key: _over_nodes(G, sign) for key, sign in KEYS.items()}
    over_all = {key: _pearson(by_part.values()) for key, by_part in sums.items()}
    return over_all | {f"{key}:{part}": _pearson([sums[key][part]]) for part in sums["all"] for key in KEYS}


def _over_edges(block: Block, sign: Sign) -> Sums | None:
    """Return the sums xy, xx and yy of the centred degrees at the two ends of the edges of a sign, if there are any."""
    source, target = (degrees(block, side, sign).astype(np.float64) for side in ("source", "target"))  # type: ignore
    n = source.sum()
    if not n:
        return None
    x, y = (_centred(k, (k @ k) / n, k[k > 0]) for k in (source, target))
    if block.is_sparse:
        columns, rows, weight = block.edges()
        chosen = slice(None) if sign is None else weight > 0 if sign == "+" else weight < 0
        xy = x[columns[chosen]] @ y[rows[chosen]]
    elif sign is None and block.mask is None:
        xy = x.sum() * y.sum()
    else:
        present = block.mask if sign is None else block.dense() > 0 if sign == "+" else block.dense() < 0
        xy = y @ (present @ x)
    return float(xy), float(source @ (x * x)), float(target @ (y * y))


def _over_nodes(G: NeuralGraph, sign: Sign) -> dict[str, Sums]:
    """Return the sums xy, xx and yy of the centred degrees on the two sides of each part that has both."""
    sums: dict[str, Sums] = {}
    for part in G.parts:
        into = [degrees(block, "target", sign) for block in G.blocks if block.target == part.name]
        out = [degrees(block, "source", sign) for block in G.blocks if block.source == part.name]
        if into and out and part.size:
            x, y = (_centred(k, k.mean(), k) for k in (np.sum(into, axis=0), np.sum(out, axis=0)))
            sums[part.name] = float(x @ y), float(x @ x), float(y @ y)
    return sums


def _centred(k: np.ndarray, mean: float, counted: np.ndarray) -> np.ndarray:
    """Return the deviations of degrees from their mean, exactly 0 where those counted do not vary."""
    return k - mean if (counted != counted[0]).any() else np.zeros(len(k))


def _pearson(sums: Iterable[Sums | None]) -> float:
    """Return the correlation from sums over groups: 0 where one side does not vary, NaN without a group."""
    known = [one for one in sums if one is not None]
    if not known:
        return float("nan")
    xy, xx, yy = np.sum(known, axis=0)
    return float(np.clip(xy / np.sqrt(xx * yy), -1, 1)) if xx > 0 and yy > 0 else 0.0
