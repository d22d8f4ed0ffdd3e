"""Which comes first as a network is pruned: that a graph measure departs from chance, or that the network fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["decay_round", "departures", "precedence"]

THRESHOLDS = {"z": 3.0, "effect": 0.1}


def departures(
    measures: pd.DataFrame, *, by: Literal["z", "effect"] = "z", threshold: float | None = None
) -> pd.DataFrame:
    r"""Return the round at which each measure departs from its null.

    .. math:: r^* = \min\{r : |z_r| > 3,\ |z_{r+1}| > 3\}

    Parameters
    ----------
    measures : pandas.DataFrame
        Of :func:`ticket_measures` or :func:`against_controls`, of one run.
    by : "z" or "effect"
        The column whose magnitude is looked at: how unlikely, or how large the difference is.
    threshold : float, optional
        By default 3 for z and 0.1 for effects.

    Returns
    -------
    pandas.DataFrame
        ``measure``, ``null``, ``round`` (the first of two consecutive rounds beyond the threshold; NaN if there is
        none), ``density`` at that round.

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Notes
    -----
    Consecutive are rounds that follow each other in the table. A round without a value is not beyond.

    Examples
    --------
    >>> import pandas as pd
    >>> z = [0.5, 4.0, 1.0, -5.0, -6.0]
    >>> table = pd.DataFrame({"round": range(5), "density": 0.5, "measure": "a", "null": "dealt", "z": z})
    >>> departures(table)["round"].tolist()
    [3.0]
    """
    import pandas as pd

    _arguments.choice("by", by, THRESHOLDS)
    limit = THRESHOLDS[by] if threshold is None else threshold
    limit = _arguments.number("threshold", limit, "a number above 0", lambda x: x > 0)
    rows = []
    for (measure, null), one in measures.groupby(["measure", "null"], sort=False):
        one = one.sort_values("round")
        at = _first_of_two(one[by].abs().to_numpy(float) > limit)
        where = (np.nan, np.nan) if at is None else (one["round"].iloc[at], one["density"].iloc[at])
        rows.append((measure, null, *map(float, where)))
    return pd.DataFrame(rows, columns=["measure", "null", "round", "density"])


def decay_round(rounds: pd.DataFrame, *, score: str = "accuracy", drop: float = 0.01) -> float:
    r"""Return the round at which a score has fallen below that of the whole network.

    .. math:: r^\dagger = \min\{r : a_r < a_0 - \delta,\ a_{r+1} < a_0 - \delta\}

    Parameters
    ----------
    rounds : pandas.DataFrame
        With the columns ``round`` and ``score``, round 0 among them; a table of measures does as well.
    score : str
        The column.
    drop : float
        How far below the score of round 0, in the score's own units; not negative.

    Returns
    -------
    float
        The first of two consecutive rounds below; NaN if there is none.

    Raises
    ------
    ArgumentError
        If a column, round 0 or its score is missing, or ``drop`` is negative.

    Notes
    -----
    A round without a score is not below.

    Examples
    --------
    >>> import pandas as pd
    >>> decay_round(pd.DataFrame({"round": range(5), "accuracy": [0.9, 0.88, 0.9, 0.85, 0.8]}))
    3.0
    """
    if missing := [name for name in ("round", score) if name not in rounds]:
        raise ArgumentError(f"decay_round: got no column {missing[0]!r}; it has {', '.join(map(repr, rounds))}.")
    drop = _arguments.number("drop", drop, "a number of at least 0", lambda x: x >= 0)
    values = rounds.drop_duplicates("round").set_index("round")[score].sort_index()
    if 0 not in values.index:
        raise ArgumentError("decay_round: got no round 0; expected the score of the whole network too.")
    if not np.isfinite(values.loc[0]):
        raise ArgumentError(f"decay_round: got the {score} {values.loc[0]} at round 0; expected that of a network.")
    at = _first_of_two(values.to_numpy(float) < values.loc[0] - drop)
    return float("nan") if at is None else float(values.index[at])


def precedence(
    runs: Sequence[pd.DataFrame],
    *,
    by: Literal["z", "effect"] = "z",
    threshold: float | None = None,
    score: str = "accuracy",
    drop: float = 0.01,
) -> pd.DataFrame:
    r"""Test over seeds, for each measure, that its departure from chance comes before the decay of the score.

    .. math:: p = \sum_{k \ge n_\text{first}} \binom{n}{k} 2^{-n}, \quad n = n_\text{first} + n_\text{later}

    Parameters
    ----------
    runs : sequence of pandas.DataFrame
        One for each seed: measures of all rounds, round 0 among them, with a column of the score, as
        :func:`ticket_measures` gives them.
    by, threshold
        As for :func:`departures`.
    score, drop
        As for :func:`decay_round`.

    Returns
    -------
    pandas.DataFrame
        By measure and null: ``n`` seeds, in how many the departure comes ``first``, with the decay (``tie``), or
        ``later``, in how many neither is seen (``neither``), the median rounds ``departure`` and ``decay`` (what is
        not seen counts as after all rounds; NaN if that is the median), ``p`` of the exact one-sided sign test without
        ties, and ``p_holm``, corrected by Holm over the measures of the table.

    Raises
    ------
    ArgumentError
        If there is no run, or one has no round 0, or no score there.

    Notes
    -----
    Of two events one of which is not seen within the rounds, the other comes first. With n seeds p is 2^-n at least: n
    = 8 is the fewest with which Holm's correction over twelve measures can reach 0.05. The test says that an order is
    no accident of the seed, and nothing of why: a measure that departs in round 1, as any trained mask differs from
    random ones, is first without announcing anything. Hold it against the same test in a random control.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
       65-70, 1979.

    Examples
    --------
    >>> import pandas as pd
    >>> run = pd.DataFrame({"round": range(4), "density": 0.5, "measure": "a", "null": "dealt",
    ...                     "z": [0.0, 4.0, 5.0, 6.0], "accuracy": [0.9, 0.9, 0.8, 0.7]})
    >>> precedence([run] * 5)[["first", "p"]].to_numpy().tolist()
    [[5.0, 0.03125]]
    """
    import pandas as pd
    from scipy.special import bdtrc

    if not len(runs):
        raise ArgumentError("precedence: got no run; expected the measures of each seed.")
    found = []
    for number, run in enumerate(runs):
        one = departures(run, by=by, threshold=threshold)
        found.append(one.assign(seed=number, decay=decay_round(run, score=score, drop=drop)))
    rows = []
    for (measure, null), one in pd.concat(found).groupby(["measure", "null"], sort=False):
        departed, decayed = (one[name].fillna(np.inf).to_numpy() for name in ("round", "decay"))
        first, later = int((departed < decayed).sum()), int((departed > decayed).sum())
        neither = int((np.isinf(departed) & np.isinf(decayed)).sum())
        tie, n = len(one) - first - later - neither, first + later
        p = float(bdtrc(first - 1, n, 0.5)) if first else 1.0
        middle = [float(np.sort(x)[(len(x) - 1) // 2]) for x in (departed, decayed)]
        middle = [x if np.isfinite(x) else np.nan for x in middle]
        rows.append((measure, null, len(one), first, tie, later, neither, *middle, p))
    names = ["measure", "null", "n", "first", "tie", "later", "neither", "departure", "decay", "p"]
    table = pd.DataFrame(rows, columns=names)
    table["p_holm"] = _holm(table["p"].to_numpy())
    return table


def _first_of_two(beyond: np.ndarray) -> int | None:
    """Return the first place that is beyond together with the next."""
    places = np.flatnonzero(beyond[:-1] & beyond[1:])
    return int(places[0]) if len(places) else None


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    return adjusted
