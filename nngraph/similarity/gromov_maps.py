"""The Gromov-Wasserstein distances between all layers, each with its bracket and its plan."""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngraph import _rng
from nngraph._rng import RNG
from nngraph.errors import ArgumentError, SimilarityWarning
from nngraph.similarity import _map_inputs as inputs
from nngraph.similarity._clouds import Normalize
from nngraph.similarity._compositions import candidates, sweep_tile
from nngraph.similarity._gromov_arguments import PERMUTATIONS_ONLY
from nngraph.similarity._map_folder import MapFolder, Record
from nngraph.similarity._map_parts import Pair, Part, Recipe, Side, run, solve_tile, tiles
from nngraph.similarity._maps import marked
from nngraph.similarity._screening import (
    chosen,
    estimates,
    identity_costs,
    lower_bounds,
    pairs_of,
    rank_costs,
)
from nngraph.similarity.plans import coupling

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GromovMap", "gromov_map"]

_log = logging.getLogger("nngraph")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GromovMap:
    """A map: tables of taps by taps, and the plans that the entries were found with.

    Attributes
    ----------
    squared : DataFrame
        The squared objective, the best that was found.
    lower, identity : DataFrame
        The lower bound by sorted distances, and the cost of leaving every sample where it is (NaN where the samples
        of two networks differ). The true distance is between ``lower`` and ``squared`` wherever ``solved``.
    solved : DataFrame of bool
        Which entries were solved; the others are estimated from their bracket (``exact=False``).
    start : DataFrame of str
        The start that won, ``"over <tap>"`` where a composition of two other plans did, "" where nothing was solved.
    method : DataFrame of str
        "permutations", or "POT" where those do not apply; "" where nothing was solved.
    seconds : DataFrame
        Seconds of the solver by the clock, without those of the sweeps; NaN where nothing was solved.
    plans : mapping from pairs of names to arrays
        For each solved pair, row first, the (n,) permutation from the samples of the row to those of the column, or
        (3, entries) rows, columns and masses of a coupling that is none. See :meth:`plan` and :meth:`coupling`.
    sweeps : int
        Sweeps of compositions that were made; the last one found nothing, unless the argument stopped them before.
    """

    squared: pd.DataFrame
    lower: pd.DataFrame
    identity: pd.DataFrame
    solved: pd.DataFrame
    start: pd.DataFrame
    method: pd.DataFrame
    seconds: pd.DataFrame
    plans: Mapping[tuple[str, str], np.ndarray]
    sweeps: int

    @property
    def root(self) -> pd.DataFrame:
        """The square root of the objective: the one of the two that can be a metric."""
        return marked(self.squared**0.5, squared=False)

    def plan(self, row: str, column: str) -> np.ndarray:
        """Return the (n,) permutation that was found: sample a of the row goes to sample ``plan[a]`` of the column."""
        found, turned = self._found(row, column)
        if found.ndim > 1:
            raise ArgumentError(
                f"plan: the coupling of {row!r} and {column!r} is no permutation. Take coupling({row!r}, {column!r})."
            )
        return np.argsort(found) if turned else found.astype(np.int64)

    def coupling(self, row: str, column: str) -> np.ndarray:
        """Return the (n of the row, n of the column) coupling that was found; it sums to 1."""
        found, turned = self._found(row, column)
        if found.ndim == 1:
            dense = coupling(found)
        else:
            places = found[:2].astype(np.int64)
            dense = np.zeros(places.max(axis=1) + 1)  # every sample has mass
            dense[tuple(places)] = found[2]
        return dense.T if turned else dense

    def _found(self, row: str, column: str) -> tuple[np.ndarray, bool]:
        for side, name, known in (("row", row, self.squared.index), ("column", column, self.squared.columns)):
            if name not in known:
                raise ArgumentError(f"{side}: got {name!r}; expected a tap of the map: {', '.join(known)}.")
        if (row, column) in self.plans:
            return self.plans[row, column], False
        if (column, row) in self.plans:
            return self.plans[column, row], True
        if row == column:
            raise ArgumentError(f"plan: got {row!r} twice; expected two taps.")
        raise ArgumentError(
            f"plan: the pair of {row!r} and {column!r} was screened, not solved. Make the map with exact=True."
        )

    def triangle_violations(self, tolerance: float = 1e-9) -> int:
        """Count the pairs i, j and third taps k with root[i, j] > root[i, k] + root[k, j] + tolerance, all solved.

        Each is an error of the solver, as the true distance is a metric; sweeps that ended by themselves leave none.
        """
        root = np.where(self.solved, self.root, np.nan)
        if not self.squared.index.equals(self.squared.columns):
            raise ArgumentError("triangle_violations: got a map between two sets of taps; expected one of one set.")
        count = sum(int((root > root[:, [k]] + root[[k], :] + tolerance).sum()) for k in range(len(root)))
        return count // 2

    def __repr__(self) -> str:
        rows, columns = self.squared.shape
        solved = int(self.solved.to_numpy().sum())
        return f"GromovMap({rows} x {columns} taps, {solved} of {rows * columns} entries solved, {self.sweeps} sweeps)"


def gromov_map(
    reps: Mapping[str, object] | None = None,
    others: Mapping[str, object] | None = None,
    *,
    distances: Mapping[str, object] | None = None,
    normalize: Normalize = "mean",
    starts: Sequence[str] = ("product", "identity"),
    exact: bool | float = True,
    sweeps: int | None = None,
    n_jobs: int = 1,
    folder: str | os.PathLike[str] | None = None,
    rng: RNG = None,
) -> GromovMap:
    r"""Return the Gromov-Wasserstein distances between all taps of a network, or between those of two networks.

    .. math:: \mathrm{GW}(D, E) = \min_T \sum_{ijkl} (D_{ik} - E_{jl})^2 \, T_{ij} T_{kl}

    over the couplings T of samples of uniform weight.

    Parameters
    ----------
    reps : mapping from names to (n, d) arrays, optional
        Representations of the same n samples, as of ``representations``. May be left out where ``distances`` has all.
    others : mapping from names to (m, e) arrays, optional
        Those of another network: the map is then taps of the one by taps of the other, and m may differ from n. Where
        both have sample ids (``Representations``) that differ, there is no ``identity``, as start or as cost.
    distances : mapping from names to (n, n) arrays, optional
        Distances of your own for some taps, or for all, instead of the Euclidean ones. No map between two networks.
    normalize : {"mean", "max", "none"}
        What each distance matrix is divided by: its mean over all n^2 entries, its maximum, or nothing.
    starts : sequence of str
        Where every pair is solved from, the best result is kept: see ``gromov_wasserstein``. One that does not apply
        to a pair is left out there, with a warning or, for "identity", a message of the log.
    exact : bool or float
        Whether every pair is solved. With False, or a number below 1 that is the share of pairs to solve (False is
        0.08), the map is *screened*: solved are neighbours in depth, whatever the share, then the pairs whose bracket
        is widest, as the ratio of the cheaper of two plain plans (samples as they are, samples by the ranks of their
        mean distances) to the lower bound. The others are estimated: :math:`\log` GW as a sum of the logarithms of the
        two bounds with weights of at least 0, fitted to the solved pairs and kept within the bracket.
    sweeps : int, optional
        How often to compose plans: for each pair and every third tap, the plan to that tap and on to the other; the
        cheapest, where it is cheaper than what is known, is improved by exchanges and kept. By default until no pair
        gains; 0 for none. Only where every pair is solved by permutations.
    n_jobs : int
        Processes (joblib), one thread each. The result is the same for any number.
    folder : path, optional
        Keeps what is finished, tile by tile: the same call goes on from there after an interruption. A part that is
        damaged, or not of this map, is made again.
    rng : None, int, SeedSequence or Generator
        For random starts only.

    Returns
    -------
    GromovMap
        With tables ``squared``, ``root``, ``lower``, ``identity``, ``solved``, ``start``, ``seconds``, and the plans.

    Raises
    ------
    ArgumentError
        If a tap has no usable representation or no spread, if sample counts differ within one network, if two networks
        have the same samples in two orders, if no such option exists, if no start applies to a pair, or if a map with
        random starts is to be kept in a folder without a seed.
    StudyError
        If the folder is of another map, or a process was killed.

    Notes
    -----
    No value is claimed to be the global minimum: what is known is the bracket of the lower bound and the best found.
    Once sweeps end by themselves no composition is cheaper than the plan of its pair, so that the roots satisfy the
    triangle inequality up to rounding.

    Pairs of equally many samples with Euclidean distances are solved by permutations, all others by POT.

    Distances are held as float64, 4 n^2 bytes a tap (372 MB for 93 taps of 1000 samples), twice while bounds are
    computed, or with several processes. Solving costs about n^3 a pair, a sweep at most L n^2 / 2 a pair, a screened
    map n^2 log(n) a tap and n^2 a pair, and what the solved pairs cost.

    References
    ----------
    .. [1] F. Mémoli, "Gromov-Wasserstein distances and the metric approach to object matching", Foundations of
       Computational Mathematics 11, 2011.
    .. [2] "Identifying sub-networks in neural networks via functionally similar representations", arXiv:2410.16484.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(30, 5))
    >>> found = gromov_map({"input": x, "turned": x @ np.linalg.qr(x[:5])[0], "rectified": np.maximum(x, 0)})
    >>> found.root.round(3)
               input  turned  rectified
    input      0.000   0.000      0.286
    turned     0.000   0.000      0.286
    rectified  0.286   0.286      0.000
    >>> found.triangle_violations()
    0
    """
    share, starts = inputs.share_of(exact), inputs.starts_of(starts)
    inputs.check_counts(sweeps, n_jobs)
    seed = _rng.seed_sequence(rng)
    if others is not None and (distances is not None or share < 1):
        name, value = ("distances", "some") if distances is not None else ("exact", repr(exact))
        raise ArgumentError(
            f"{name}: got {value} for a map between two networks; expected none: every pair of it is solved, from "
            "Euclidean distances. Take gromov_wasserstein for a pair of other ones."
        )
    is_random = any("random" in start for start in starts)
    if is_random and folder is not None and rng is None:
        raise ArgumentError(
            "rng: got None for random starts in a folder, where a map can only go on with the same seed. Pass for "
            "example rng=7."
        )
    same = others is None or inputs.same_samples(reps, others)
    kept = MapFolder(folder)
    rows = inputs.side(reps, distances, normalize)
    columns = rows if others is None else inputs.side(others, None, normalize)
    if share < 1 and len(set(rows.sizes)) > 1:
        raise ArgumentError(f"exact: got {exact!r} for taps of different numbers of samples; expected True.")
    megabytes = sum(D.nbytes for D in rows.condensed) / 1e6
    _log.info("the distances of %d taps take %.1f MB", len(rows.names), megabytes)
    starts = inputs.usable(starts, rows, columns, same=same)
    if folder is not None:
        settings = {"normalize": normalize, "starts": starts, "share": share, "sweeps": sweeps}
        seed_of_starts = _rng.seed_record(seed) if is_random else None
        kept.open(settings | {"seed": seed_of_starts} | inputs.fingerprint(rows, columns))
    work = _Work(rows, columns, Recipe(starts, inputs.by_permutations(rows, columns), seed), kept, n_jobs)
    lower, identity = lower_bounds(rows, columns), identity_costs(rows, columns)
    if not same:
        identity[:] = np.nan
    if share == 1:
        work.solve(pairs_of(rows, columns))
        n_sweeps = work.sweep(sweeps)
        return work.result(work.squared, lower, identity, n_sweeps)
    upper = np.fmin(identity, rank_costs(rows))
    pairs = chosen(lower, upper, share)
    work.solve(pairs)
    return work.result(estimates(lower, upper, work.squared, pairs), lower, identity, 0)


class _Work:
    """What is known of a map while it is made."""

    def __init__(self, rows: Side, columns: Side, recipe: Recipe, folder: MapFolder, n_jobs: int) -> None:
        self.rows, self.columns, self.recipe, self.folder, self.n_jobs = rows, columns, recipe, folder, n_jobs
        self.one = columns is rows
        shape = len(rows.names), len(columns.names)
        self.squared = np.zeros(shape)
        self.seconds = np.full(shape, np.nan)
        self.start = np.full(shape, "", dtype=object)
        self.method = self.start.copy()
        self.plans: dict[Pair, np.ndarray] = {}

    def solve(self, pairs: Sequence[Pair]) -> None:
        """Solve these pairs from the starts, one tile after the other."""
        parts = []
        for number, tile in enumerate(tiles(pairs)):
            rows = self.rows.some(i for i, _ in tile)
            columns = self.columns.some(j for _, j in tile)
            parts.append(Part(f"pairs-{number}", solve_tile, (rows, columns, tile, self.recipe)))
        for record in run(parts, folder=self.folder, n_jobs=self.n_jobs, label="Gromov-Wasserstein"):
            for k, pair in enumerate(_pairs(record)):
                self._keep(pair, record["squared"][k], str(record["start"][k]), record[f"plan-{k}"])
                for at in self._places(pair):
                    self.seconds[at], self.method[at] = record["seconds"][k], str(record["method"][k])
        self._warn(pairs)

    def _warn(self, pairs: Sequence[Pair]) -> None:
        """Say once what POT solved for want of Euclidean distances, and which starts it had no use for."""
        by_pot = [(i, j) for i, j in pairs if not self.recipe.permutations[i, j]]
        odd = sum(self.rows.sizes[i] == self.columns.sizes[j] for i, j in by_pot)
        idle = [start for start in self.recipe.starts if start in PERMUTATIONS_ONLY]
        said = []
        if odd:
            said.append(
                f"distances: those of {odd} of {len(pairs)} pairs are not Euclidean; POT solved these, more slowly and "
                "without exchanges of partners."
            )
        if by_pot and idle:
            names = " and ".join(map(repr, idle))
            said.append(f"starts: {names} left out of the {len(by_pot)} of {len(pairs)} pairs that POT solved.")
        if said:
            warnings.warn(" ".join(said), SimilarityWarning, stacklevel=4)

    def _places(self, pair: Pair) -> list[Pair]:
        return [pair, pair[::-1]] if self.one else [pair]

    def _keep(self, pair: Pair, squared: float, start: str, plan: np.ndarray) -> None:
        self.plans[pair] = plan
        for at in self._places(pair):
            self.squared[at], self.start[at] = squared, start

    def sweep(self, limit: int | None) -> int:
        """Sweep over compositions until no pair gains, or as often as the limit says; return how often."""
        n_taps = len(self.rows.names)
        if not self.one or n_taps < 3 or any(plan.ndim > 1 for plan in self.plans.values()):
            return 0
        changed = ~np.eye(n_taps, dtype=bool)
        samples = np.arange(self.rows.sizes[0])
        done = 0
        while limit is None or done < limit:
            plans = np.empty((n_taps, n_taps, self.rows.sizes[0]), dtype=np.int32)  # anew: workers may map the last one
            for (i, j), plan in self.plans.items():
                plans[i, j] = plan
                plans[j, i, plan] = samples
            middles = candidates(np.sqrt(self.squared), changed)
            squared, parts = self.squared.copy(), []
            for number, tile in enumerate(tiles(middles)):
                condensed = self.rows.some(k for pair in tile for k in pair)
                arguments = (condensed, tile, plans, squared, {pair: middles[pair] for pair in tile})
                parts.append(Part(f"sweep-{done}-{number}", sweep_tile, arguments))
            done += 1
            changed = np.zeros_like(changed)
            for record in run(parts, folder=self.folder, n_jobs=self.n_jobs, label=f"sweep {done}"):
                for k, pair in enumerate(_pairs(record)):
                    over = self.rows.names[record["over"][k]]
                    self._keep(pair, record["squared"][k], f"over {over}", record["plans"][k])
                    changed[pair] = changed[pair[::-1]] = True
            if not changed.any():
                break
        return done

    def result(self, squared: np.ndarray, lower: np.ndarray, identity: np.ndarray, sweeps: int) -> GromovMap:
        import pandas as pd

        rows, columns = self.rows.names, self.columns.names
        solved = np.eye(len(rows), dtype=bool) if self.one else np.zeros(squared.shape, dtype=bool)
        for pair in self.plans:
            for at in self._places(pair):
                solved[at] = True

        def table(values: np.ndarray) -> pd.DataFrame:
            return pd.DataFrame(values, index=list(rows), columns=list(columns))

        return GromovMap(
            squared=marked(table(squared), squared=True),
            lower=table(lower),
            identity=table(identity),
            solved=table(solved),
            start=table(self.start),
            method=table(self.method),
            seconds=table(self.seconds),
            plans={(rows[i], columns[j]): plan for (i, j), plan in sorted(self.plans.items())},
            sweeps=sweeps,
        )


def _pairs(record: Record) -> Iterator[Pair]:
    return ((int(i), int(j)) for i, j in record["pairs"])
