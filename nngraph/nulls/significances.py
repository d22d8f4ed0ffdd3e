"""Significance: where statistics of a graph stand among those of the draws of a null model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np

from nngraph._blockwise import check_graph
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import NullModelWarning
from nngraph.graph import NeuralGraph
from nngraph.nulls.draws import Options, settle
from nngraph.nulls.ensembles import check_numbers
from nngraph.nulls.kinds import kind_of
from nngraph.nulls.measures import Label, Measure, Statistics, again, as_argument, measured, scopes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "sampler_of", "significance", "summary"]

COLUMNS = (
    "statistic",
    "block",
    "key",
    "observed",
    "mean",
    "sd",
    "z",
    "p",
    "p_adjusted",
    "n",
    "ess",
    "status",
    "sampler",
)
_SAME = 1e-10
"""Values that differ by less than this share of their size are the same value, summed in another order."""


def significance(
    G: NeuralGraph,
    statistic: Statistics,
    kind: str,
    n: int = 1000,
    *,
    rng: RNG = None,
    n_jobs: int = 1,
    by: Literal["both", "network", "block"] = "both",
    view: Literal["graph", "igraph"] = "graph",
    **options: Unpack[Options],
) -> pd.DataFrame:
    r"""Compare statistics of a graph with those of ``n`` draws of a null model.

    .. math:: z = \frac{x - \bar x_{\text{null}}}{\operatorname{sd}(x_{\text{null}})}, \qquad
              p = \min\left(1,\ 2\,\frac{1 + \min(\#\{x_i \ge x\}, \#\{x_i \le x\})}{n + 1}\right)

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    statistic : callable, str, mapping or sequence
        A function of a NeuralGraph (of an igraph.Graph, with ``view="igraph"``), the name of one in
        :data:`nngraph.stats.NETWORK`, or several of either: a mapping from names of your own, or a sequence. A
        statistic returns a number, a mapping from keys to numbers, or one number per node (a pandas Series or a
        1-d array), the same keys for every draw.
    kind : str
        A kind of :func:`randomize`.
    n : int
        Number of draws, at least 2. All statistics see the same draws.
    rng : None, int, SeedSequence or Generator
        Draw i is draw i of :func:`ensemble` with the same ``rng``, for any ``n_jobs``; :func:`draw` makes it again.
    n_jobs : int
        Number of worker processes (joblib). They draw and evaluate; only numbers come back.
    by : "both", "network" or "block"
        Evaluate on the whole graph, on the graph of each randomized block alone, or both.
    view : "graph" or "igraph"
        What a statistic is given.
    **options
        Keywords of :func:`randomize`.

    Returns
    -------
    pandas.DataFrame
        One row for each statistic, block and key: ``statistic``, ``block`` ("network" for the whole graph), ``key``
        ("" for a number; node (part, index) is "part:index"), ``observed``, ``mean`` and ``sd`` (n - 1) of the draws,
        ``z``, ``p``, ``p_adjusted`` (Benjamini and Hochberg over the keys of the statistic and block), ``n``, ``ess``
        (effective number of draws, from their autocorrelation in order; n when they are independent), ``status``,
        ``sampler`` (kind, weights, sweeps, seed and version). The status is "ok"; "invariant: nothing was tested"
        where no draw changed the value; "undefined for the graph itself", or "undefined for draws: ..." with the first
        of them, where the value is NaN or infinite. Then z and p are NaN.

    Raises
    ------
    ArgumentError
        If an argument is out of range or a name is unknown.
    NullModelError
        If a statistic fails, or changes its keys; the message says how to make that draw again.

    Notes
    -----
    p is two-sided and exact for independent draws: the graph itself counts as one of n + 1, so p is never 0. Under
    "exact_strength" draws are compared with :func:`on_grid` of G, whose strengths they have. Values that differ by less
    than 1e-10 of themselves count as the same, for sums are taken in another order in every draw; a sum that cancels to
    nearly 0 can therefore look as if it varied. An interruption (Ctrl-C) after two draws or more returns what they
    show, with a NullModelWarning. Memory is that of a few draws and n numbers per row.

    References
    ----------
    .. [1] B. Phipson, G. K. Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics
       and Molecular Biology 9, 39, 2010.
    .. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
       Society B 57, 289-300, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.outer([1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 2.0, -3.0])])
    >>> table = nng.nulls.significance(G, "balance", "A", n=99, rng=7, by="network")
    >>> table[["observed", "p", "status"]]
       observed     p status
    0       1.0  0.02     ok
    """
    check_graph("significance", G)
    check_numbers("significance", n, n_jobs, fewest=2)
    blocks = [block.name for block in G.select_blocks(options.get("blocks"))]
    measure = Measure.of(statistic, scopes("significance", by, blocks), view)
    seed = seed_sequence(rng)
    settled = settle(G, kind, options, child(seed, "pilot"))
    observed, values = measured(G, measure, kind, n, seed, n_jobs=n_jobs, options=settled)
    table = summary(
        measure, observed, values, sampler=sampler_of(kind, settled, seed), made=partial(again, kind, seed, settled)
    )
    holes = table[table["status"].str.startswith("undefined for draws")]
    if len(holes):
        first = holes.iloc[0]
        what = ", ".join(repr(first[name]) for name in ("statistic", "block", "key") if first[name])
        warnings.warn(
            f"significance: {len(holes)} of {len(table)} rows have no z, the first is {what}: {first['status']}.",
            NullModelWarning,
            stacklevel=2,
        )
    return table


def sampler_of(kind: str, options: Options, seed: np.random.SeedSequence) -> str:
    """Return the words that say how draws were made."""
    from nngraph import __version__

    known = kind_of(kind).weights
    stated: dict[str, object] = {"weights": known[0]} if known else {}
    stated |= {name: value for name, value in options.items() if value is not None}
    told = "".join(f", {name} {value!r}" for name, value in stated.items())
    if options.get("weights") == "exact_strength":
        told += ", compared with on_grid(G)"
    return f"kind {kind!r}{told}, seed {as_argument(seed)}, nngraph {__version__}"


def summary(
    measure: Measure,
    observed: Mapping[Label, float],
    values: np.ndarray,
    *,
    made: Callable[[int], str],
    sampler: str = "",
) -> pd.DataFrame:
    """Return the table of :func:`significance` from the values of the graph and of the draws.

    ``made(i)`` is the call that makes draw i again.
    """
    import pandas as pd

    rows = [(*label, *_compared(value, values[:, k], made)) for k, (label, value) in enumerate(observed.items())]
    names = ("statistic", "block", "key", "observed", "mean", "sd", "z", "p", "ess", "status")
    table = pd.DataFrame(rows, columns=list(names))
    families = table.groupby(["statistic", "block"], sort=False)["p"]
    table["p_adjusted"] = families.transform(lambda p: _adjusted(p.to_numpy()))
    table["n"], table["sampler"] = len(values), sampler
    by_statistic = {name: number for number, (name, _) in enumerate(measure.statistics)}
    order = np.argsort(table["statistic"].map(by_statistic).to_numpy(), kind="stable")
    return table.loc[order, list(COLUMNS)].reset_index(drop=True)


def _compared(
    observed: float, draws: np.ndarray, made: Callable[[int], str]
) -> tuple[float, float, float, float, float, float, str]:
    """Return observed, mean, sd, z, p, effective number of draws and status."""
    nan = float("nan")
    n = len(draws)
    if not np.isfinite(observed):
        return observed, nan, nan, nan, nan, n, "undefined for the graph itself"
    if n == 0:
        return observed, nan, nan, nan, nan, n, "no draws"
    if not np.isfinite(draws).all():
        holes = np.flatnonzero(~np.isfinite(draws))
        status = f"undefined for draws: {len(holes)} of {n}, the first is {made(int(holes[0]))}"
        return observed, nan, nan, nan, nan, n, status
    with np.errstate(invalid="ignore"):
        same = (draws == observed) | (np.abs(draws - observed) <= _SAME * np.maximum(np.abs(draws), abs(observed)))
    if same.all():
        return observed, observed, 0.0, nan, nan, n, "invariant: nothing was tested"
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    one_side = min(np.count_nonzero((draws >= observed) | same), np.count_nonzero((draws <= observed) | same))
    p = min(1.0, 2 * (1 + one_side) / (n + 1))
    z = (observed - mean) / sd if sd > _SAME * abs(mean) else np.copysign(np.inf, observed - mean)
    return observed, mean, sd, float(z), p, _effective(draws), "ok"


def _effective(draws: np.ndarray) -> float:
    """Return the effective number of draws, n / (1 + 2 sum of autocorrelations), n where none shows beyond noise.

    The sum goes up to the first lag whose autocorrelation is within three standard errors (of independent draws) of 0.
    """
    n = len(draws)
    deviation = draws - draws.mean()
    variance = float(deviation @ deviation)
    if not np.isfinite(variance) or variance == 0:
        return float(n)
    total = 0.0
    for lag in range(1, n // 2):
        rho = float(deviation[lag:] @ deviation[:-lag]) / variance
        if rho < 3 / np.sqrt(n):
            break
        total += rho
    return n / (1 + 2 * total)


def _adjusted(p: np.ndarray) -> np.ndarray:
    """Return the p-values adjusted by Benjamini and Hochberg; NaN stays and does not count."""
    result = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    result[order] = np.minimum(1, np.minimum.accumulate(scaled[::-1])[::-1])
    return result
