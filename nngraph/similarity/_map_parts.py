"""The parts that the work of a map is cut into: tiles of pairs, each a call that another process can make.

Distances are held condensed, the entries (0, 1), (0, 2), ..., (n - 2, n - 1), which is half of a square; a part makes
the squares of the few taps that it needs.
"""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from nngraph import _rng
from nngraph._progress import progress
from nngraph.errors import SimilarityWarning, StudyError
from nngraph.similarity._gromov_arguments import near_one
from nngraph.similarity._map_folder import MapFolder, Record
from nngraph.similarity._permutations import Distances, solve

Pair: TypeAlias = tuple[int, int]
TILE = 4
"""Taps on each side of a tile: a part holds at most 2 x 4 squares and 16 pairs, so that little is lost when a map is
cut short."""


@dataclasses.dataclass(frozen=True)
class Side:
    """The taps along one side of a map: their names, sizes and condensed distances."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    condensed: Sequence[np.ndarray]
    euclidean: tuple[bool, ...]

    def some(self, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        """Return the condensed distances of some taps by position."""
        return {k: self.condensed[k] for k in sorted(set(wanted))}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How pairs are solved."""

    starts: tuple[str, ...]
    permutations: np.ndarray
    """(L1, L2) bool: whether permutations hold an optimum of the pair; else POT solves."""
    seed: np.random.SeedSequence


@dataclasses.dataclass(frozen=True)
class Part:
    """One call: its name in the folder, and what to call."""

    name: str
    call: Callable[..., Record]
    arguments: tuple[Any, ...]


def tiles(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Cut pairs into groups of few taps, whatever pairs they are; the order of the pairs does not matter."""
    groups: dict[Pair, list[Pair]] = {}
    for i, j in sorted(pairs):
        groups.setdefault((i // TILE, j // TILE), []).append((i, j))
    return list(groups.values())


def run(parts: Sequence[Part], *, folder: MapFolder, n_jobs: int, label: str) -> Iterator[Record]:
    """Yield what the parts found, in no order: first those that the folder has, then the others as they are done."""
    from concurrent.futures.process import BrokenProcessPool

    import joblib

    todo = []
    for part in parts:
        kept = folder.read(part.name)
        if kept is None:
            todo.append(part)
        else:
            yield kept
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2 * n_jobs")
    results = parallel(joblib.delayed(_named)(part.name, part.call, *part.arguments) for part in todo)
    try:
        for name, record in progress(results, total=len(todo), label=label):
            folder.write(name, record)
            yield record
    except BrokenProcessPool as error:
        kept_where = "" if folder.folder is None else f" The finished pairs are kept in {folder.folder}."
        raise StudyError(
            f"n_jobs: a process was killed, perhaps for want of memory.{kept_where} Make the map again with fewer "
            "processes, or of fewer samples."
        ) from error


def _named(name: str, call: Callable[..., Record], *arguments: Any) -> tuple[str, Record]:
    return name, call(*arguments)


def solve_tile(
    rows: dict[int, np.ndarray], columns: dict[int, np.ndarray], pairs: Sequence[Pair], recipe: Recipe
) -> Record:
    """Solve some pairs; a plan is a permutation, or the (3, entries) rows, columns and masses of a coupling."""
    from nngraph.similarity._kernels import distortion

    A, B = squares(rows), squares(columns)
    near_a, near_b = ({k: _near_one(D) for k, D in side.items()} for side in (A, B))
    record: dict[str, Any] = {"pairs": pairs, "squared": [], "start": [], "method": [], "seconds": []}
    with one_thread():
        for k, (i, j) in enumerate(pairs):
            began = time.perf_counter()
            seed = _rng.child(recipe.seed, i, j)
            if recipe.permutations[i, j]:
                squared, plan, start = _permute(near_a[i], near_b[j], recipe.starts, seed)
                if near_a[i] is not A[i] or near_b[j] is not B[j]:
                    squared = 2 * float(distortion(A[i].D, B[j].D, plan, np.inf)) / len(plan) ** 2
                method = "permutations"
            else:
                squared, plan, start = _couple(A[i].D, B[j].D, recipe.starts, seed)
                method = "POT"
            record["seconds"].append(time.perf_counter() - began)
            record["squared"].append(squared)
            record["start"].append(start)
            record["method"].append(method)
            record[f"plan-{k}"] = plan.astype(np.int32) if plan.ndim == 1 else plan
    return {name: np.asarray(values) for name, values in record.items()}


def squares(condensed: dict[int, np.ndarray]) -> dict[int, Distances]:
    """Return the square matrices of condensed ones, for the solver."""
    from scipy.spatial.distance import squareform

    return {k: Distances(squareform(D)) for k, D in condensed.items()}


def _near_one(D: Distances) -> Distances:
    scaled = near_one(D.D)
    return D if scaled is D.D else Distances(scaled)


def _permute(
    A: Distances, B: Distances, starts: tuple[str, ...], seed: np.random.SeedSequence
) -> tuple[float, np.ndarray, str]:
    solution = solve(A, B, starts, seed=seed)
    return solution.value, solution.plan, solution.start


def _couple(
    D1: np.ndarray, D2: np.ndarray, starts: tuple[str, ...], seed: np.random.SeedSequence
) -> tuple[float, np.ndarray, str]:
    from nngraph.similarity.gromov import gromov_wasserstein

    with warnings.catch_warnings():  # one is given for the whole map
        warnings.simplefilter("ignore", SimilarityWarning)
        found = gromov_wasserstein(D1, D2, starts=starts, method="POT", rng=seed)
    if found.plan is not None:
        return found.value, found.plan, found.start
    coupling = found.coupling()
    places = np.nonzero(coupling)
    return found.value, np.array([*places, coupling[places]]), found.start


@functools.cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread() -> Any:
    """Hold BLAS at one thread, so that the bits of a result are those of any other number of processes."""
    return _pools().limit(limits=1, user_api="blas")
