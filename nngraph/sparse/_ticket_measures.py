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

COLUMNS = ["round", "density", "measure", "of", "null", "observed", "mean", "sd", "z", "effect", "n", "status"]


def _layer_degrees(G: NeuralGraph) -> dict[str, float]:
    """Return moments, isolated nodes and heterogeneity (beside its binomial value) of the degrees of each block."""
    found: dict[str, float] = {}
    for block in G.blocks:
        one = G.select([block.name])
        unequal = heterogeneity(one)
        values = degree_moments(one) | {f"{side}_isolated": share for side, share in isolated(one).items()}
        for side in ("source", "target"):
            values[f"{side}_heterogeneity"] = unequal[side]
            values[f"{side}_excess"] = unequal[side] / unequal[f"{side}_binomial"]
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
              \text{effect} = \frac{x - \bar x_\text{null}}{\max(1, |\bar x_\text{null}|)}

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
        ``mean`` and ``sd`` over the masks, ``z``, ``effect`` (in the measure's own units where the mean is below 1, as
        shares, correlations and nats are, and relative to it above), ``n``, ``status`` as of
        :func:`nngraph.nulls.significance`, and the scores of the round.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or a round was not trained.
    NullModelError
        If a statistic fails.

    Notes
    -----
    The null is "erdos_renyi": as many edges in each block on cells drawn uniformly, the trained weights of the block
    dealt over them at random. What depends on the support alone is thereby held against random masks, exactly; what
    depends on the weights against a random place for the same weights, which is not what training would have put
    there, and <w> and <|w|> cannot be tested so: their status is "invariant". :func:`against_controls` holds all
    measures against trained controls. Any trained mask differs from random ones, and z grows with the number of edges:
    a large z is not a large effect.

    References
    ----------
    .. [1] Kang et al., 2025, on the network measures of lottery tickets: which measures, their formulas are those of
       :mod:`nngraph.stats`.

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
            "effect": _effect(found["observed"], found["mean"]),
            **{name: found[name] for name in ("n", "status")},
        }
        tables.append(pd.DataFrame(given | {score: rows.loc[number, score] for score in scores}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS + scores)


def _compared(
    G: NeuralGraph, statistics: Statistics, n: int, seed: np.random.SeedSequence, n_jobs: int
) -> pd.DataFrame:
    import warnings

    with warnings.catch_warnings():  # the rows without a z say so in their status
        warnings.filterwarnings("ignore", message=r"significance: \d+ of \d+ rows have no z")
        return significance(G, statistics, "erdos_renyi", n, rng=seed, n_jobs=n_jobs, by="network")


def _effect(observed: pd.Series, mean: pd.Series) -> pd.Series:
    return (observed - mean) / np.maximum(1.0, mean.abs())


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
        "trained", and ``z`` the normal score that is as unlikely as t with n - 1 degrees of freedom.

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
    table = measures.drop(columns=["mean", "sd", "z", "effect", "n", "status"], errors="ignore")
    table = table.join(known, on=["round", "measure"], how="inner").reset_index(drop=True)
    difference = table["observed"] - table["mean"]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (difference / (table["sd"] * np.sqrt(1 + 1 / table["n"]))).to_numpy(float)
        z = -np.sign(t) * ndtri(stdtr(table["n"].to_numpy() - 1, -np.abs(t)))
    table["null"], table["effect"] = "trained", _effect(table["observed"], table["mean"])
    varied = (table["sd"] > 0) & (table["n"] > 2) & np.isfinite(table["observed"])
    table["z"] = np.where(varied, z, np.nan)
    table["status"] = np.where(varied, "ok", "no variation over the controls, or undefined")
    scores = [name for name in table.columns if name not in COLUMNS]
    return table[[*COLUMNS, *scores]]
