"""What the measures have in common: a state computed once for each representation, a number for each pair of states."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nngraph._progress import progress
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import Normalize, distances

BUDGET = 2**27
"""Numbers of 8 bytes that the states of a map may take at once: 1 GiB."""


class UndefinedError(ArgumentError):
    """A representation to which a measure gives no value; a map may show NaN instead."""


class Comparison(abc.ABC):
    """A measure with its options."""

    @abc.abstractmethod
    def prepare(self, name: str, x: np.ndarray) -> Any:
        """Return what the measure needs of one (n, d) representation, or raise UndefinedError."""

    @abc.abstractmethod
    def pair(self, a: Any, b: Any) -> float:
        """Return the value of two states, in the measure's own orientation."""

    @abc.abstractmethod
    def size(self, n: int, d: int) -> int:
        """Return how many numbers of 8 bytes one state takes, about."""

    def directed(self, a: Any, b: Any) -> tuple[float, float]:
        """Return the values of (a, b) and of (b, a): the same unless the measure is asymmetric."""
        value = self.pair(a, b)
        return value, value

    def row(self, a: Any, others: list[Any], *, both: bool) -> np.ndarray:
        """Return the values of one state against others; with ``both``, the mean of the two directions."""
        if both:
            return np.array([sum(self.directed(a, b)) / 2 for b in others])
        return np.array([self.pair(a, b) for b in others])


class InnerProducts(Comparison):
    """A measure whose states are vectors of one length, and whose values are their inner products."""

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the inner product, which rounding may have put an ulp outside of [-1, 1]."""
        return float(np.clip(a @ b, -1, 1))

    def size(self, n: int, d: int) -> int:
        """Return the number of pairs of samples."""
        return n * n // 2

    def products(self, rows: list[np.ndarray], columns: list[np.ndarray]) -> np.ndarray:
        """Return all values at once, by matrix products over slices that fit into a cache."""
        found = np.zeros((len(rows), len(columns)))
        for start in range(0, len(rows[0]), 2**15):
            part = slice(start, start + 2**15)
            left = np.stack([v[part] for v in rows])
            found += left @ (left if columns is rows else np.stack([v[part] for v in columns])).T
        return np.clip(found, -1, 1)


Defined = Callable[[str, str], bool]
Row = tuple[str, list[str], np.ndarray]


class Table:
    """The values of all pairs of two sets of taps, or of one set: then of i < j, in both directions where they differ.

    States that do not fit into the budget together are made again for each tile of the table.
    """

    def __init__(
        self,
        comparison: Comparison,
        first: Mapping[str, np.ndarray],
        second: Mapping[str, np.ndarray] | None = None,
        *,
        defined: Defined = lambda one, two: True,
        undefined: str = "raise",
        n_jobs: int = 1,
    ) -> None:
        self.comparison, self.first, self.symmetric = comparison, first, second is None
        self.second = first if second is None else second
        self.defined, self.undefined, self.n_jobs = defined, undefined, n_jobs
        self.reasons: dict[str, str] = {}

    def values(self, label: str) -> np.ndarray:
        """Return the table, NaN where there is no value; its diagonal is NaN where there is one set of taps."""
        i, j = ({name: k for k, name in enumerate(taps)} for taps in (self.first, self.second))
        found = np.full((len(i), len(j)), np.nan)
        tiles = self._tiles()
        for one, others, numbers in progress(self._rows(*tiles), total=len(i) * len(tiles[1]), label=label):
            found[i[one], [j[name] for name in others]] = numbers
        if self.symmetric:
            below = np.tril_indices(len(found), -1)
            found[below] = found.T[below]
        return found

    def _tiles(self) -> tuple[list[list[str]], list[list[str]]]:
        """Return the names of both sides in groups of which two fit into the budget; one group where all do."""
        sides = (self.first,) if self.symmetric else (self.first, self.second)
        room = sum(self.comparison.size(*x.shape) for taps in sides for x in taps.values())
        room = room if room <= BUDGET else BUDGET // 2
        groups: list[list[list[str]]] = []
        for taps in sides:
            groups.append([])
            used = room
            for name, x in taps.items():
                size = self.comparison.size(*x.shape)
                if used + size > room:
                    groups[-1].append([])
                    used = 0
                groups[-1][-1].append(name)
                used += size
        return groups[0], groups[-1]

    def _states(self, taps: Mapping[str, np.ndarray], names: list[str]) -> dict[str, Any]:
        made = {}
        for name in names:
            try:
                made[name] = self.comparison.prepare(name, taps[name])
            except UndefinedError as error:
                if self.undefined == "raise":
                    raise
                self.reasons[name] = str(error)
        return made

    def _rows(self, tiles: list[list[str]], others: list[list[str]]) -> Iterator[Row]:
        for i, names in enumerate(tiles):
            rows = self._states(self.first, names)
            for k, columns in enumerate(others[i:] if self.symmetric else others):
                same = self.symmetric and k == 0
                against = rows if same else self._states(self.second, columns)
                wanted = {
                    one: [two for two in list(against)[r + 1 if same else 0 :] if self.defined(one, two)]
                    for r, one in enumerate(rows)
                }
                yield from self._tile(rows, against, {one: names for one, names in wanted.items() if names})

    def _tile(self, rows: dict[str, Any], against: dict[str, Any], wanted: dict[str, list[str]]) -> Iterator[Row]:
        if not wanted:
            return
        if isinstance(self.comparison, InnerProducts):
            left = list(rows.values())
            products = self.comparison.products(left, left if against is rows else list(against.values()))
            place = {name: k for k, name in enumerate(against)}
            for one, values in zip(rows, products, strict=True):
                names = wanted.get(one, [])
                yield one, names, values[[place[name] for name in names]]
            return
        from joblib import Parallel, delayed

        made = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(self.comparison.row)(rows[one], [against[two] for two in names], both=self.symmetric)
            for one, names in wanted.items()
        )
        for (one, names), numbers in zip(wanted.items(), made, strict=True):
            yield one, names, numbers


def scaled_distances(name: str, x: np.ndarray, normalize: Normalize) -> np.ndarray:
    """Return the distances over their scale; a constant cloud is one that the measure has no value for."""
    constant = normalize in ("mean", "max") and bool((x == x[0]).all())
    try:
        return distances(name, x, normalize=normalize)
    except ArgumentError as error:
        raise (UndefinedError(str(error)) if constant else error) from None
