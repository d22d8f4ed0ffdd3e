"""Graph measures of lottery tickets, round by round, beside what chance gives at the same number of edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._progress import progress
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.nulls.measures import Measure, Statistics
from nngraph.nulls.significances import significance
from nngraph.sparse._effects import effects, scale_of
from nngraph.sparse.tickets import Tickets
from nngraph.stats import (
    degree_correlation,
    degree_information,
    degree_moments,
    heterogeneity,
    in_out_correlation,
    in_out_information,
    isolated,
    pathways,
    spanning,
    weight_moments,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURES", "against_controls", "ticket_measures"]

COLUMNS = ["round", "density", "measure", "of", "null", "observed", "mean", "sd", "z", "effect", "scale", "n", "status"]


def _layer_degrees(G: NeuralGraph) -> dict[str, float]:
    """Return moments, isolated nodes, heterogeneity and variance over binomial variance of the degrees of each block.

    The last is the dispersion: var(k) / (n p (1 - p)) for n nodes on the opposite side and the density p.
    """
    found: dict[str, float] = {}
    for block in G.blocks:
        one = G.select([block.name])
        unequal = heterogeneity(one)
        values = degree_moments(one) | {f"{side}_isolated": share for side, share in isolated(one).items()}
        for side in ("source", "target"):
            values[f"{side}_heterogeneity"] = unequal[side]
            by_chance = unequal[f"{side}_binomial"] - 1  # of the squared coefficient of variation; 0 in a whole block
            values[f"{side}_dispersion"] = (unequal[side] - 1) / by_chance if by_chance else float("nan")
        found |= {f"{key}@{block.name}": value for key, value in values.items()}
    return found


def _weights(G: NeuralGraph) -> dict[str, float]:
    """Return <w>, <|w|> and their ratio over all edges, and <w> in each block."""
    whole = weight_moments(G)
    mean, size = whole["mean"], whole["mean_magnitude"]
    found = {"mean": mean, "mean_magnitude": size, "mean_over_magnitude": mean / size if size else float("nan")}
    return found | {f"mean@{block.name}": weight_moments(G.select([block.name]))["mean"] for block in G.blocks}


def _unsigned(values: Mapping[str, float]) -> dict[str, float]:
    """Return what is said of all edges, whatever their sign."""
    return {key: value for key, value in values.items() if key.split(":")[0] == "all"}


def _in_out(G: NeuralGraph) -> dict[str, float]:
    return _unsigned(in_out_correlation(G))


def _degree_correlation(G: NeuralGraph) -> dict[str, float]:
    return _unsigned(degree_correlation(G))


def _information(G: NeuralGraph) -> dict[str, float]:
    return {"in_out": in_out_information(G)["all"], "ends": degree_information(G)["all"]}


MEASURES: dict[str, Any] = {
    "degree": _layer_degrees,
    "weight": _weights,
    "degree_correlation": _degree_correlation,
    "in_out_correlation": _in_out,
    "spanning": spanning,
    "pathways": pathways,
    "information": _information,
}
"""The measures that are taken by default, by name; all are made of :mod:`nngraph.stats`."""


def ticket_measures(
    tickets: Tickets,
    statistics: Statistics = MEASURES,
    *,
    rounds: Sequence[int] | None = None,
    n: int = 100,
    rng: RNG = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    r"""Return graph measures of every round, each with its score against random masks of the same densities.

    .. math:: z = \frac{x - \bar x_\text{null}}{\operatorname{sd}(x_\text{null})}, \qquad
              \text{effect} = \frac{f(x) - f(\bar x_\text{null})}{c}

    Parameters
    ----------
    tickets : Tickets
        Of :func:`lottery_tickets`, or a control of :func:`ticket_control`.
    statistics : callable, str, mapping or sequence
        As :func:`nngraph.nulls.significance` takes them, of the whole graph; by default :data:`MEASURES`.
    rounds : sequence of int, optional
        Which rounds; by default all that were trained.
    n : int
        Random masks for each round, at least 2.
    rng : None, int, SeedSequence or Generator
        Source of the masks; each round has a child seed of its own.
    n_jobs : int
        Number of processes.

    Returns
    -------
    pandas.DataFrame
        One row for each round and measure: ``round``, ``density``, ``measure`` ("statistic:key"), ``of`` ("support", or
        "weights" where the value changes as every edge is given the weight 1), ``null`` ("dealt"), ``observed``,
        ``mean`` and ``sd`` over the masks, ``z``, ``effect`` and its ``scale`` (below), ``n``, ``status`` as of
        :func:`nngraph.nulls.significance`, and the scores of the round.

    Raises
    ------
    ArgumentError
        If an argument is out of range, a round was not trained, or a score has the name of a column.
    NullModelError
        If a statistic fails.

    Notes
    -----
    The null is "erdos_renyi": as many edges in each block on cells drawn uniformly, the trained weights of the block
    dealt over them at random. What depends on the support alone is thereby held against random masks, exactly; what
    depends on the weights against a random place for the same weights, which is not what training would have put
    there, and ``<w>`` and ``<|w|>`` cannot be tested so: their status is "invariant". :func:`against_controls` holds
    all measures against trained controls. Any trained mask differs from random ones, and z grows with the number of
    edges: a large z is not a large effect. Effects do not depend on the unit of the weights. Their scale is "own" for
    shares, correlations and decimal logarithms (f(x) = x, c = 1); "correlation" for information, read as the
    correlation of normal variables that has as much of it, ``f(x) = sign(x) sqrt(1 - exp(-2 |x|))``, c = 1 [2]_;
    "magnitude" for mean weights, relative to the mean magnitude of all weights in the null; and "relative", to the mean
    of the null, ``c = |mean|``, for all others.

    References
    ----------
    .. [1] Kang et al., 2025, on the network measures of lottery tickets: which measures, their formulas are those of
       :mod:`nngraph.stats`.
    .. [2] E. H. Linfoot, "An informational measure of correlation", Information and Control 1, 85-89, 1957.

    Examples
    --------
    >>> import nngraph as nng
    >>> tickets = nng.sparse.lottery_tickets(nng.mlp((12, 9, 3), rng=0), lambda model, seed: None, rounds=2, rng=0)
    >>> found = nng.sparse.ticket_measures(tickets, "spanning", n=10, rng=0)
    >>> found.groupby("round")["measure"].agg(list)[2]
    ['spanning:nodes', 'spanning:edges', 'spanning:pairs']
    """
    import pandas as pd

    if not isinstance(tickets, Tickets):
        raise ArgumentError(f"ticket_measures: got {type(tickets).__name__}; expected Tickets.")
    seed = seed_sequence(rng)
    measure = Measure.of(statistics, (None,))
    rows = tickets.rounds.set_index("round")
    scores = list(rows.columns[rows.columns.get_loc("status") + 1 :])
    if taken := [name for name in scores if name in COLUMNS]:
        raise ArgumentError(f"scores: got the name {taken[0]!r}, a column of this table; expected another name.")
    wanted = tickets.trained if rounds is None else list(rounds)
    tables = []
    for number in progress(wanted, total=len(wanted), label="measures of rounds"):
        G = tickets.graph(number)
        found = _compared(G, statistics, n, child(seed, "masks", number), n_jobs)
        flat = measure(G.with_weights(np.ones(G.n_edges)), f"round {number}")
        unit = [flat[label] for label in zip(found["statistic"], found["block"], found["key"], strict=True)]
        same = np.isclose(found["observed"], unit, rtol=1e-9, atol=0, equal_nan=True)
        names = [f"{name}:{key}" if key else name for name, key in zip(found["statistic"], found["key"], strict=True)]
        given = {
            "round": number,
            "density": rows.loc[number, "density"],
            "measure": names,
            "of": np.where(same, "support", "weights"),
            "null": "dealt",
            **{name: found[name] for name in ("observed", "mean", "sd", "z")},
            "effect": np.nan,
            "scale": [scale_of(name) for name in names],
            **{name: found[name] for name in ("n", "status")},
        }
        table = pd.DataFrame(given | {score: rows.loc[number, score] for score in scores})
        tables.append(table.assign(effect=effects(table)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS + scores)


def _compared(
    G: NeuralGraph, statistics: Statistics, n: int, seed: np.random.SeedSequence, n_jobs: int
) -> pd.DataFrame:
    import warnings

    with warnings.catch_warnings():  # the rows without a z say so in their status
        warnings.filterwarnings("ignore", message=r"significance: \d+ of \d+ rows have no z")
        return significance(G, statistics, "erdos_renyi", n, rng=seed, n_jobs=n_jobs, by="network")


def against_controls(measures: pd.DataFrame, controls: Sequence[pd.DataFrame]) -> pd.DataFrame:
    r"""Hold the measures of tickets against those of trained controls, as random masks trained with other seeds.

    .. math:: t = \frac{x - \bar x}{s \sqrt{1 + 1/n}}, \qquad z = \Phi^{-1}(F_{n-1}(t))

    Parameters
    ----------
    measures : pandas.DataFrame
        Of :func:`ticket_measures`.
    controls : sequence of pandas.DataFrame
        The same of controls, one for each seed, three at least.

    Returns
    -------
    pandas.DataFrame
        As ``measures``, for the rounds that the controls have: ``mean`` and ``sd`` over the controls, ``null``
        "trained", and ``z`` the normal score that is as unlikely as t with n - 1 degrees of freedom. The effect of mean
        weights is NaN unless the tables have the mean magnitude too.

    Raises
    ------
    ArgumentError
        If there are fewer than three controls.

    Notes
    -----
    With few controls a z beyond 3 takes a large t: 6.6 with five of them, 4.8 with eight. The law assumes that the
    values of controls are normal.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"round": 1, "density": 0.5, "measure": "a", "of": "support", "null": "dealt", "observed": 9.0}
    >>> found = against_controls(pd.DataFrame([row]), [pd.DataFrame([row | {"observed": x}]) for x in (1.0, 2.0, 3.0)])
    >>> found[["mean", "sd", "z"]].round(2).to_numpy().tolist()
    [[2.0, 1.0, 2.22]]
    """
    import pandas as pd
    from scipy.special import ndtri, stdtr

    if len(controls) < 3:
        raise ArgumentError(f"controls: got {len(controls)}; expected the measures of at least three seeds.")
    pooled = pd.concat(list(controls)).groupby(["round", "measure"], sort=False)["observed"]
    known = pooled.agg(["mean", "std", "count"]).rename(columns={"std": "sd", "count": "n"})
    table = measures.drop(columns=["mean", "sd", "z", "effect", "scale", "n", "status"], errors="ignore")
    table = table.join(known, on=["round", "measure"], how="inner").reset_index(drop=True)
    difference = table["observed"] - table["mean"]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (difference / (table["sd"] * np.sqrt(1 + 1 / table["n"]))).to_numpy(float)
        z = -np.sign(t) * ndtri(stdtr(table["n"].to_numpy() - 1, -np.abs(t)))
    table["null"], table["effect"] = "trained", effects(table)
    table["scale"] = [scale_of(name) for name in table["measure"]]
    varied = (table["sd"] > 0) & (table["n"] > 2) & np.isfinite(table["observed"])
    table["z"] = np.where(varied, z, np.nan)
    table["status"] = np.where(varied, "ok", "no variation over the controls, or undefined")
    scores = [name for name in table.columns if name not in COLUMNS]
    return table[[*COLUMNS, *scores]]
