"""Ladders: null models from weak to strong, and how much of a statistic each of them explains."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from nngraph._blockwise import check_graph
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError, NNGraphError, NullModelError, NullModelWarning
from nngraph.graph import NeuralGraph
from nngraph.nulls.draws import Options, settle
from nngraph.nulls.ensembles import check_numbers
from nngraph.nulls.kinds import KINDS, kept, kind_of
from nngraph.nulls.measures import Measure, NotDrawn, Statistics, again, measured, reference, scopes
from nngraph.nulls.properties import PROPERTIES, shared_of
from nngraph.nulls.significances import sampler_of, summary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RUNGS", "ladder"]

RUNGS = (
    "erdos_renyi",
    "reinitialize",
    "A",
    "C",
    "D",
    "configuration",
    "maximum_entropy",
    "signed_configuration",
    "signed_configuration/exact_strength",
    "G",
    "G/exact_strength",
    "B",
    "E",
    "F",
)
"""Null models from weak to strong, as "kind" or "kind/weights"."""
COLUMNS = (
    "rung",
    "kind",
    "weights",
    "statistic",
    "block",
    "key",
    "observed",
    "mean",
    "sd",
    "z",
    "p",
    "n",
    "ess",
    "explained",
    "status",
    "sampler",
)
_EVERY = 50
"""All that is kept is verified in the first two draws and in every so many."""


def ladder(
    G: NeuralGraph,
    statistics: Statistics,
    rungs: Sequence[str] | None = None,
    n: int = 200,
    *,
    rng: RNG = None,
    n_jobs: int = 1,
    by: Literal["both", "network", "block"] = "both",
) -> pd.DataFrame:
    r"""Compare statistics of a graph with null models that keep more and more of it.

    .. math:: \text{explained}_r = \frac{\bar x_r - \bar x_{\text{weakest}}}{x - \bar x_{\text{weakest}}}

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    statistics : callable, str, mapping or sequence
        As for :func:`significance`.
    rungs : sequence of str, optional
        Kinds of :func:`randomize` from weak to strong, "kind" or "kind/weights"; by default :data:`RUNGS`.
    n : int
        Number of draws for each rung, at least 2.
    rng : None, int, SeedSequence or Generator
        Source of the draws; each rung has a child seed of its own, keyed by its name.
    n_jobs : int
        Number of worker processes (joblib).
    by : "both", "network" or "block"
        Evaluate on the whole graph, on each block alone, or both.

    Returns
    -------
    pandas.DataFrame
        One row for each rung, statistic, block and key: ``rung`` (from 0), ``kind``, ``weights`` (the policy, or ""),
        ``statistic``, ``block``, ``key``, ``observed``, ``mean``, ``sd``, ``z``, ``p``, ``n``, ``ess`` as in
        :func:`significance`, ``explained``, ``status`` and ``sampler``. ``explained`` is the share of the gap between
        the weakest rung's mean and the graph that the rung closes: 0 for the weakest, 1 where the rung's mean is the
        value observed; NaN where that gap is within three standard errors. A rung that does not apply has n = 0, NaN
        and a status that says why; warnings of a null model stand in the status too.

    Raises
    ------
    ArgumentError
        If an argument is out of range or a name is unknown.
    NullModelError
        If a statistic fails, or a draw does not keep what its kind says.

    Notes
    -----
    Draws are verified before they are used: the first two of each rung and every 50th keep all of
    :func:`kept`, and no rung is used whose draws are all the graph itself. An invariant value is one that the rung
    explains by construction: its ``explained`` is 1 and nothing was tested.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.
    .. [2] P. Mahadevan, D. Krioukov, K. Fall, A. Vahdat, "Systematic topology analysis and generation using degree
       correlations", SIGCOMM 2006 (a series of null models that keep more and more).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.outer([1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 2.0, -3.0])])
    >>> table = nng.nulls.ladder(G, "balance", ["A", "B"], n=50, rng=7)
    >>> table.query("block == 'network'")[["kind", "observed", "explained", "status"]]
      kind  observed  explained                          status
    0    A       1.0        0.0                              ok
    2    B       1.0        1.0  invariant: nothing was tested
    """
    check_graph("ladder", G)
    check_numbers("ladder", n, n_jobs, fewest=2)
    chosen = _rungs(rungs)
    measure = Measure.of(statistics, scopes("ladder", by, [block.name for block in G.blocks]))
    seed = seed_sequence(rng)
    tables: list[pd.DataFrame] = []
    for number, (kind, weights) in enumerate(chosen):
        try:
            table = _rung(G, measure, kind, weights, n, child(seed, "rung", kind, weights), n_jobs)
        except KeyboardInterrupt:
            if not tables:
                raise
            message = f"interrupted: the ladder ends before rung {number}, {kind!r}."
            warnings.warn(message, NullModelWarning, stacklevel=2)
            break
        tables.append(table.assign(rung=number, kind=kind, weights=weights or next(iter(kind_of(kind).weights), "")))
        if 0 < table["n"].iloc[0] < n:
            message = f"interrupted: the ladder ends at rung {number}, {kind!r}."
            warnings.warn(message, NullModelWarning, stacklevel=2)
            break
    return _explained(tables)


def _rungs(rungs: Sequence[str] | None) -> list[tuple[str, str | None]]:
    """Return (kind, weights) of each rung; of the default ones, those that are known."""
    if isinstance(rungs, str) or (rungs is not None and not isinstance(rungs, Sequence)):
        raise ArgumentError(f"ladder: rungs: got {rungs!r}; expected a sequence of kinds, as ['A', 'G'].")
    result: list[tuple[str, str | None]] = []
    for rung in RUNGS if rungs is None else rungs:
        kind, _, weights = rung.partition("/") if isinstance(rung, str) else (rung, "", "")
        known = KINDS[kind].weights if kind in KINDS else ()
        if rungs is None and (kind not in KINDS or (weights and weights not in known)):
            continue
        if weights and weights not in kind_of(kind).weights:
            expected = ", ".join(map(repr, known)) or "none"
            raise ArgumentError(f"ladder: rungs: got {rung!r}; kind {kind!r} knows the policies: {expected}.")
        kind_of(kind)
        result.append((kind, weights or None))
    if not result or len(set(result)) < len(result):
        raise ArgumentError(f"ladder: rungs: got {rungs!r}; expected at least one kind, and none twice.")
    return result


def _rung(
    G: NeuralGraph, measure: Measure, kind: str, weights: str | None, n: int, seed: np.random.SeedSequence, n_jobs: int
) -> pd.DataFrame:
    """Return the table of one rung, or one of NaN whose status says why it does not apply."""
    options = Options() if weights is None else Options(weights=weights)
    check = _Kept(kind, weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NullModelWarning)
        try:
            settled = _settled(G, kind, options, child(seed, "pilot"))
            observed, values = measured(G, measure, kind, n, seed, n_jobs=n_jobs, options=settled, check=check)
            made = partial(again, kind, seed, settled)
            table = summary(measure, observed, values, made=made, sampler=sampler_of(kind, settled, seed))
        except NotDrawn as error:
            observed = measure(G, "the graph itself")
            table = summary(measure, observed, np.empty((0, len(observed))), made=str)
            table["status"] = f"does not apply: {error}"
    notes = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, NullModelWarning))
    for one in caught:
        if not issubclass(one.category, NullModelWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if notes:
        table["status"] = [f"{status}; {' '.join(notes)}" for status in table["status"]]
    return table


def _settled(G: NeuralGraph, kind: str, options: Options, seed: np.random.SeedSequence) -> Options:
    try:
        return settle(G, kind, options, seed)
    except NNGraphError as error:  # the arguments are known to be right: the kind refuses this graph
        raise NotDrawn(str(error)) from error


@dataclasses.dataclass(frozen=True)
class _Kept:
    """Verify that draws keep what their kind says."""

    kind: str
    weights: str | None

    def __call__(self, G: NeuralGraph, R: NeuralGraph, i: int) -> None:
        if i >= 2 and i % _EVERY:
            return
        names = kept(self.kind, self.weights)
        base = reference(G, Options(weights=self.weights))
        found = shared_of(names & set(PROPERTIES), base, R, rtol=1e-12)
        broken = sorted(names - set(found))
        if broken:
            raise NullModelError(
                f"ladder: draw {i} of kind {self.kind!r} did not keep {', '.join(broken)}, which it says that it keeps."
            )


def _explained(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return all rungs in one table, with the share of the gap that each closes."""
    import pandas as pd

    first = next((table for table in tables if table["n"].iloc[0]), tables[0])
    gap = (first["observed"] - first["mean"]).to_numpy()
    noise = 3 * (first["sd"] / np.sqrt(first["n"].clip(lower=1))).to_numpy()
    gap = np.where(np.abs(gap) > np.maximum(noise, 1e-12 * np.abs(first["observed"])), gap, np.nan)
    for table in tables:
        table["explained"] = (table["mean"] - first["mean"]).to_numpy() / gap + 0.0  # no -0.0
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]
