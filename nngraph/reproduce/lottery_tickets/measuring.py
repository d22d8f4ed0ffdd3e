"""Graph measures of the trained networks, and what the tails of their degrees are, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph import stats
from nngraph._rng import child, seed_sequence
from nngraph.graph import NeuralGraph
from nngraph.io._atomic import replacing
from nngraph.sparse import Tickets, ticket_measures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURED", "POOLED", "measures", "scores", "tails"]

MEASURED = ("tickets", "random")
"""The arms that are trained, and measured, at every round."""
POOLED = "all blocks pooled"


def measures(folder: Path, arms: Mapping[str, Tickets], *, n: Mapping[str, int], seed: int) -> dict[str, pd.DataFrame]:
    """Return the measures of every round of the arms in MEASURED, or read those that are there.

    Parameters
    ----------
    folder : path
        A folder of this seed; gets measures_<arm>_<n>.csv.
    arms : mapping of str to Tickets
        Of :func:`nngraph.reproduce.lottery_tickets.training.run_seed`.
    n : mapping of str to int
        Random masks for each round, by arm.
    seed : int
        Of the masks.

    Returns
    -------
    dict of str to pandas.DataFrame
        By arm, as :func:`nngraph.sparse.ticket_measures` gives them. Round 0 of the control is that of the tickets:
        the same network.
    """
    import pandas as pd

    found = {}
    for arm in MEASURED:
        path = folder / f"measures_{arm}_{n[arm]}.csv"
        if not path.exists():
            rng = child(seed_sequence(seed), "measures", arm)
            _write(ticket_measures(arms[arm], n=n[arm], rng=rng), path)
        found[arm] = pd.read_csv(path)
    whole = found["tickets"][found["tickets"]["round"] == 0]
    return found | {"random": pd.concat([whole, found["random"]], ignore_index=True)}


def scores(arms: Mapping[str, Tickets], *, seed: int) -> pd.DataFrame:
    """Return the rounds of all arms of a seed, with the columns ``arm`` and ``seed`` in front."""
    import pandas as pd

    tables = [found.rounds.assign(arm=arm, seed=seed) for arm, found in arms.items() if len(found.rounds)]
    table = pd.concat(tables, ignore_index=True)
    return table[["arm", "seed", *[name for name in table.columns if name not in ("arm", "seed")]]]


def tails(folder: Path, arms: Mapping[str, Tickets], *, seed: int, every: int, n_boot: int = 25) -> pd.DataFrame:
    """Return what the tails of the degrees of the tickets are: of each block and side, and of all pooled.

    Parameters
    ----------
    folder : path
        A folder of this seed; gets tails_<n_boot>.csv.
    arms : mapping of str to Tickets
        Its arm "tickets" is looked at.
    seed : int
        Of the resamples.
    every : int
        At every so many rounds, and at the last.
    n_boot : int
        Resamples of each fit.

    Returns
    -------
    pandas.DataFrame
        round, density, sequence, verdict, alpha, xmin, n_tail, decades, p. A sequence is the degrees on one side of a
        block ("0 source"), or the degrees of all nodes of all parts pooled, in and out together, which no verdict of
        the study rests on.
    """
    import pandas as pd

    path = folder / f"tails_{n_boot}.csv"
    if not path.exists():
        chosen = sorted({*arms["tickets"].trained[1:][every - 1 :: every], *arms["tickets"].trained[-1:]} - {0})
        rows = [row for number in chosen for row in _tails_of(arms["tickets"].graph(number), number, seed, n_boot)]
        _write(pd.DataFrame(rows), path)
    return pd.read_csv(path)


def _tails_of(G: NeuralGraph, number: int, seed: int, n_boot: int) -> list[dict[str, object]]:
    density = G.n_edges / sum(block.n_source * block.n_target for block in G.blocks)
    sequences: dict[str, tuple[np.ndarray, int | None]] = {POOLED: (_total_degrees(G), None)}
    for block in G.blocks:
        one = G.select([block.name])
        sequences[f"{block.name} source"] = stats.degree(one, side="source").to_numpy(), block.n_target
        sequences[f"{block.name} target"] = stats.degree(one, side="target").to_numpy(), block.n_source
    rows: list[dict[str, object]] = []
    for name, (values, n_opposite) in sequences.items():
        rng = child(seed_sequence(seed), "tails", number, name)
        fit = stats.fit_tail(values, n_opposite=n_opposite, n_boot=n_boot, rng=rng)
        row = {"round": number, "density": density, "sequence": name, "verdict": fit.verdict, "alpha": fit.alpha}
        rows.append(row | {"xmin": fit.xmin, "n_tail": fit.n_tail, "decades": fit.decades, "p": fit.p})
    return rows


def _total_degrees(G: NeuralGraph) -> np.ndarray:
    """Return the degree of every node, incoming and outgoing edges together."""
    degrees: np.ndarray = stats.degree(G, side="both").to_numpy()
    return degrees


def _write(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as file:
        file.write(table.to_csv(index=False).encode())
