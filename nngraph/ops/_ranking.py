"""Which edges an operation touches: a fraction of them, by the rank of their magnitude or at random."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from nngraph._rng import generator
from nngraph.errors import ArgumentError

Order: TypeAlias = Literal["smallest", "largest", "random"]


def one_of(what: str, got: object, allowed: tuple[object, ...]) -> None:
    """Raise unless an argument is one of its allowed values."""
    if not any(got is value or (isinstance(value, str) and got == value) for value in allowed):
        raise ArgumentError(f"{what}: got {got!r}; expected {' or '.join(repr(value) for value in allowed)}.")


def real_number(what: str, got: object, low: float, high: float) -> float:
    """Return an argument as a float, or raise unless it is a real number of the closed interval."""
    real = isinstance(got, (int, float, np.integer, np.floating)) and not isinstance(got, bool)
    value = float(got) if real else math.nan  # type: ignore[arg-type]
    if not (low <= value <= high and math.isfinite(value)):
        interval = f"between {low:g} and {high:g}" if math.isfinite(high) else f"of at least {low:g}, and finite"
        raise ArgumentError(f"{what}: got {got!r}; expected a number {interval}.")
    return value


def count_of(fraction: float, n: int) -> int:
    """Return round(fraction * n), halves to even; a product that floating point puts beside a half counts as a half."""
    return round(round(fraction * n, 6))


def ranked(values: np.ndarray, n: int, order: Order, seed: np.random.SeedSequence | None) -> np.ndarray:
    """Tell for each edge whether it is among the ``n`` first by ``order``; ties go to the edges that come first.

    The same as the first n of ``np.argsort(abs(values), kind="stable")`` (of ``-abs(values)`` for "largest"), without
    the sort: everything beyond the n-th magnitude, then as many of those equal to it as are still wanted.
    """
    chosen = np.zeros(len(values), dtype=bool)
    if n == 0:
        return chosen
    if order == "random":
        assert seed is not None
        return _random_subset(len(values), n, generator(seed))
    size = np.abs(values, dtype=np.float32) if values.dtype == np.float16 else np.abs(values)
    if order == "smallest":
        limit = np.partition(size, n - 1)[n - 1]
        np.less(size, limit, out=chosen)
    else:
        limit = np.partition(size, len(size) - n)[len(size) - n]
        np.greater(size, limit, out=chosen)
    missing = n - int(np.count_nonzero(chosen))
    chosen[np.flatnonzero(size == limit)[:missing]] = True
    return chosen


def _random_subset(size: int, n: int, random: np.random.Generator) -> np.ndarray:
    """Return a (size,) bool array with n True, uniform over all of them.

    Each entry independently at a rate close to n / size, then uniformly chosen entries added or removed until there
    are n: exact, as a set of independent entries is uniform given its size, and cheaper than drawing n indices.
    """
    chosen = random.random(size, dtype=np.float32) < n / size
    surplus = int(np.count_nonzero(chosen)) - n
    pool = np.flatnonzero(chosen if surplus > 0 else ~chosen)
    chosen[pool[random.choice(len(pool), abs(surplus), replace=False, shuffle=False)]] = surplus < 0
    return chosen
