"""Mutual information of the attributes of nodes, beyond what chance gives to few nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from nngraph._blockwise import check_graph
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats._sides import Sign, among, degrees

__all__ = ["degree_information", "in_out_information", "mutual_information"]

Scale: TypeAlias = Literal["log", "linear"]
KEYS: dict[str, Sign] = {"all": None, "+": "+", "-": "-"}
MOST = 1000
"""Bins of one attribute; the table of two has as many cells as their square."""


def mutual_information(
    x: npt.ArrayLike, z: npt.ArrayLike, *, bins: int = 8, scale: Scale = "log", corrected: bool = True
) -> float:
    r"""Return the mutual information of two attributes of the same nodes, in nats.

    .. math:: I(X; Z) = \sum_{x, z} p(x, z) \ln \frac{p(x, z)}{p(x)\, p(z)}
              \;-\; \mathrm E_\pi \, I(X; Z \circ \pi)

    Parameters
    ----------
    x, z : array_like
        (n,) one value for each node (or edge). On the logarithmic scale those that are not both positive are left out.
    bins : int
        Number of bins of each attribute, of equal width on its scale from the smallest to the largest value.
    scale : "log" or "linear"
        The scale of both attributes.
    corrected : bool
        Subtract the mean over all shuffles of z against x, which is not 0: about (bins - 1)^2 / 2n.

    Returns
    -------
    float
        0 on average for independent attributes; NaN where nothing is left to count.

    Raises
    ------
    ArgumentError
        If x and z differ in shape or are not finite, or another argument is none of those above.

    Notes
    -----
    Exact: the mean over shuffles is a sum over the hypergeometric law of each cell of the table, not a sample. Linear
    in n, plus about the square root of n for each cell.

    References
    ----------
    .. [1] N. X. Vinh, J. Epps, J. Bailey, "Information theoretic measures for clusterings comparison: variants,
       properties, normalization and correction for chance", Journal of Machine Learning Research 11, 2837-2854, 2010.

    Examples
    --------
    >>> import nngraph as nng
    >>> k = [1, 1, 1, 2, 2, 2, 8, 8]
    >>> round(nng.stats.mutual_information(k, k, corrected=False), 3), round(nng.stats.mutual_information(k, k), 3)
    (1.082, 0.702)
    """
    _check("mutual_information", bins, scale)
    try:
        pair = np.asarray(x, np.float64), np.asarray(z, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"mutual_information: got x as {type(x).__name__} and z as {type(z).__name__} that hold what is no number; "
            "expected (n,) numbers for both."
        ) from None
    if pair[0].shape != pair[1].shape or pair[0].ndim != 1:
        raise ArgumentError(
            f"mutual_information: got x and z of shapes {pair[0].shape} and {pair[1].shape}; expected (n,) for both."
        )
    if not all(np.isfinite(values).all() for values in pair):
        raise ArgumentError("mutual_information: got a value that is not finite in x or z; leave such nodes out.")
    kept = (pair[0] > 0) & (pair[1] > 0) if scale == "log" else np.ones(len(pair[0]), bool)
    return _information(_table(pair[0][kept], pair[1][kept], bins, scale), corrected=corrected)


def in_out_information(G: NeuralGraph, *, bins: int = 8, scale: Scale = "log") -> dict[str, float]:
    r"""Return the mutual information of incoming and outgoing degrees over nodes, beyond chance, in nats.

    .. math:: \sum_l \frac{n_l}{n} \left[ I_l(k_\text{in}; k_\text{out}) - \mathrm E_\pi I_l \right]

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    bins : int
        Number of bins of each degree in each part, of equal width on its scale from the smallest to the largest.
    scale : "log" or "linear"
        The scale of degrees.

    Returns
    -------
    dict of str to float
        ``all``, ``+`` and ``-``: of degrees, of positive and of negative degrees. The mean over the parts that have
        incoming and outgoing blocks, weighted by their live nodes: those with both degrees positive. NaN without any.

    Raises
    ------
    ArgumentError
        If an argument is none of those above.

    Notes
    -----
    Exact, the mean over shuffles within each part too; see :func:`mutual_information`. Kinds of null models that keep
    all signed degrees cannot change it. Linear in the number of edges.

    References
    ----------
    .. [1] N. X. Vinh, J. Epps, J. Bailey, "Information theoretic measures for clusterings comparison: variants,
       properties, normalization and correction for chance", Journal of Machine Learning Research 11, 2837-2854, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> first = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    >>> round(nng.stats.in_out_information(nng.from_matrices([first, first.T]))["all"], 3)
    0.462
    """
    _check("in_out_information", bins, scale)
    check_graph("in_out_information", G)

    def tables(sign: Sign) -> Iterator[np.ndarray]:
        for part in G.parts:
            into = [degrees(block, "target", sign) for block in G.blocks if block.target == part.name]
            out = [degrees(block, "source", sign) for block in G.blocks if block.source == part.name]
            if into and out:
                x, z = np.sum(into, axis=0), np.sum(out, axis=0)
                live = (x > 0) & (z > 0)
                yield _table(x[live], z[live], bins, scale)

    return _by_sign(tables)


def degree_information(G: NeuralGraph, *, bins: int = 8, scale: Scale = "log") -> dict[str, float]:
    r"""Return the mutual information of the degrees at the two ends of edges, beyond chance, in nats.

    .. math:: \sum_b \frac{E_b}{E} \left[ I_b(k_\text{source}; k_\text{target}) - \mathrm E_\pi I_b \right]

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    bins : int
        Number of bins of each degree in each block, of equal width on its scale from the smallest to the largest.
    scale : "log" or "linear"
        The scale of degrees.

    Returns
    -------
    dict of str to float
        ``all``, ``+`` and ``-``: over all edges, the positive and the negative, with the degrees of that sign within
        the block of the edge. The mean over blocks, weighted by their edges; NaN without an edge.

    Raises
    ------
    ArgumentError
        If an argument is none of those above.

    Notes
    -----
    What :func:`degree_correlation` shows where it is linear, this shows of any shape. Exact, the mean over shuffles of
    the edges' target ends too; see :func:`mutual_information`. Linear in the number of edges.

    References
    ----------
    .. [1] N. X. Vinh, J. Epps, J. Bailey, "Information theoretic measures for clusterings comparison: variants,
       properties, normalization and correction for chance", Journal of Machine Learning Research 11, 2837-2854, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> W = np.eye(6)
    >>> W[:3, :3] = 1  # nodes of degree 3 joined to each other, and so those of degree 1
    >>> round(nng.stats.degree_information(nng.from_matrices([W]))["all"], 3)
    0.507
    """
    _check("degree_information", bins, scale)
    check_graph("degree_information", G)

    def tables(sign: Sign) -> Iterator[np.ndarray]:
        for block in G.blocks:
            source, target, weight = block.edges()
            if sign is not None:
                chosen = weight > 0 if sign == "+" else weight < 0
                source, target = source[chosen], target[chosen]
            x, z = degrees(block, "source", sign)[source], degrees(block, "target", sign)[target]
            yield _table(x, z, bins, scale)

    return _by_sign(tables)


def _by_sign(tables: Callable[[Sign], Iterable[np.ndarray]]) -> dict[str, float]:
    """Return the mean information of tables, weighted by what they count, of each sign."""
    found = {}
    for key, sign in KEYS.items():
        counted = [(int(table.sum()), _information(table)) for table in tables(sign) if table.any()]
        total = sum(n for n, _ in counted)
        found[key] = sum(n * value for n, value in counted) / total if total else float("nan")
    return found


def _check(where: str, bins: int, scale: Scale) -> None:
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or not 2 <= bins <= MOST:
        raise ArgumentError(f"{where}: bins: got {bins!r}; expected an integer from 2 to {MOST:,}.")
    if not among(scale, ("log", "linear")):
        raise ArgumentError(f"{where}: scale: got {scale!r}; expected 'log' or 'linear'.")


def _table(x: np.ndarray, z: np.ndarray, bins: int, scale: Scale) -> np.ndarray:
    """Return the (bins, bins) counts of pairs of values."""
    cells = _binned(x, bins, scale) * bins + _binned(z, bins, scale)
    counts: np.ndarray = np.bincount(cells, minlength=bins * bins)
    return counts.reshape(bins, bins)


def _binned(values: np.ndarray, bins: int, scale: Scale) -> np.ndarray:
    if not len(values) or values.min() == values.max():
        return np.zeros(len(values), np.int64)
    placed = np.log(values) if scale == "log" else values
    low = placed.min()
    number = (placed - low) * (bins / (placed.max() - low))
    whole: np.ndarray = (number + 1e-9).astype(np.int64)  # a value on an edge, as powers of 2 are, is above it
    return whole.clip(max=bins - 1)


def _information(table: np.ndarray, *, corrected: bool = True) -> float:
    n = int(table.sum())
    if not n:
        return float("nan")
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    i, j = np.nonzero(table)
    counts = table[i, j]
    information = float((counts / n) @ np.log(counts / rows[i] * (n / columns[j])))
    if corrected:
        information -= sum(_expected(int(a), int(b), n) for a in rows[rows > 0] for b in columns[columns > 0])
    return information


def _expected(a: int, b: int, n: int) -> float:
    """Return the mean term of a cell whose row and column count a and b of n, over all shuffles.

    The count k is hypergeometric; more than 12 standard deviations and 40 from its mean it does not show in a double.
    """
    from scipy.special import gammaln

    mean = a * b / n
    reach = 40 + 12 * np.sqrt(mean * (1 - a / n) * (1 - b / n))
    k = np.arange(max(0, a + b - n, int(mean - reach)), min(a, b, int(mean + reach)) + 1)
    logs = -(gammaln(k + 1) + gammaln(a - k + 1) + gammaln(b - k + 1) + gammaln(n - a - b + k + 1))
    law = np.exp(logs - logs.max())
    k, law = k[k > 0], law[k > 0] / law.sum()
    return float((law * (k / n)) @ np.log(k / a * (n / b)))
