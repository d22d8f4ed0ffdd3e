"""Measures: statistics of a graph and of the draws of a null model, evaluated where the draws are made."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nngraph._progress import progress
from nngraph._rng import child
from nngraph.errors import ArgumentError, NNGraphError, NullModelError, NullModelWarning
from nngraph.graph import NeuralGraph
from nngraph.nulls.draws import Options, randomize
from nngraph.nulls.ensembles import Task, in_order
from nngraph.nulls.strengths import on_grid

__all__ = ["Check", "Label", "Measure", "NotDrawn", "Statistics", "again", "as_argument", "drawn", "measured", "scopes"]

Statistics: TypeAlias = (
    str | Callable[[Any], Any] | Mapping[str, str | Callable[[Any], Any]] | Sequence[str | Callable[[Any], Any]]
)
Check: TypeAlias = Callable[[NeuralGraph, NeuralGraph, int], None]
"""``check(G, R, i)`` may raise over draw i."""
WHOLE = "network"
_MOST_AT_ONCE = 25
Label: TypeAlias = tuple[str, str, str]
"""Statistic, block, key."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """Statistics to evaluate, where, and on which view of the graph."""

    statistics: tuple[tuple[str, Callable[[Any], Any]], ...]
    scopes: tuple[str | None, ...]
    """Names of blocks, and None for the whole graph."""
    view: str = "graph"

    @classmethod
    def of(cls, statistics: Statistics, scopes: tuple[str | None, ...], view: str = "graph") -> Measure:
        """Read the arguments of :func:`significance`."""
        if view not in ("graph", "igraph"):
            raise ArgumentError(f"view: got {view!r}; expected 'graph' or 'igraph'.")
        if isinstance(statistics, str) or callable(statistics):
            statistics = [statistics]
        if not isinstance(statistics, (Mapping, Sequence)) or not statistics:
            raise ArgumentError(f"statistic: got {statistics!r}; expected a function, a name, or several of them.")
        named: Iterable[tuple[Any, Any]]
        named = statistics.items() if isinstance(statistics, Mapping) else [(None, one) for one in statistics]
        found: dict[str, Callable[[Any], Any]] = {}
        for name, one in named:
            function = _known(one, view) if isinstance(one, str) else one
            if not callable(function):
                raise ArgumentError(f"statistic: got {one!r}; expected a function or a name.")
            own = one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__)
            own = own if name is None else name
            if own in found:
                raise ArgumentError(f"statistic: got two of the name {own!r}; give them as a mapping from names.")
            found[own] = function
        return cls(tuple(found.items()), scopes, view)

    def __call__(self, G: NeuralGraph, where: str) -> dict[Label, float]:
        """Evaluate on one graph; ``where`` says which in the message of an error."""
        values: dict[Label, float] = {}
        for scope in self.scopes:
            part = G if scope is None else G.select([scope])
            seen = part if self.view == "graph" else part.to_igraph()
            block = WHOLE if scope is None else scope
            for name, function in self.statistics:
                try:
                    found = _numbers(function(seen))
                except Exception as error:
                    raise NullModelError(
                        f"statistic {name!r} failed on {_place(scope)} of {where}: {type(error).__name__}: {error}"
                    ) from error
                values.update({(name, block, key): value for key, value in found.items()})
        return values


def scopes(where: str, by: str, blocks: Sequence[str]) -> tuple[str | None, ...]:
    """Read ``by=``: evaluate on the whole graph (None), on each block alone, or both."""
    if by not in ("both", "network", "block"):
        raise ArgumentError(f"{where}: by: got {by!r}; expected 'both', 'network' or 'block'.")
    return (*((None,) if by != "block" else ()), *(blocks if by != "network" else ()))


def _place(scope: str | None) -> str:
    return "the network" if scope is None else f"block {scope!r}"


def _known(name: str, view: str) -> Callable[[Any], Any]:
    from nngraph.stats import NETWORK

    if name not in NETWORK:
        raise ArgumentError(f"statistic: got {name!r}; expected a function or one of {', '.join(map(repr, NETWORK))}.")
    if view != "graph":
        raise ArgumentError(f"statistic: {name!r} is a function of a NeuralGraph; expected view='graph'.")
    return NETWORK[name]


def _numbers(value: Any) -> dict[str, float]:
    """Return what a statistic returned as numbers by key."""
    if value is None:
        raise TypeError("it returned None; expected a number. Does its last line say return?")
    if hasattr(value, "items") and callable(value.items):  # a mapping or a Series
        pairs = [(_key(key), float(number)) for key, number in value.items()]
        if not pairs or len(dict(pairs)) < len(pairs):
            raise ValueError(f"it gave {'no keys' if not pairs else 'two values for one key'}; expected distinct keys.")
        return dict(pairs)
    array = np.asarray(value, dtype=np.float64)
    if array.ndim > 1 or array.size == 0:
        raise TypeError(f"it gave an array of shape {array.shape}; expected a number, or one number per node.")
    return {"": float(array)} if array.ndim == 0 else {str(i): float(one) for i, one in enumerate(array)}


def _key(key: Any) -> str:
    return ":".join(map(str, key)) if isinstance(key, tuple) else str(key)


def reference(G: NeuralGraph, options: Options) -> NeuralGraph:
    """Return the graph that draws are compared with: G, on the grid where that is what keeps its strengths."""
    return on_grid(G, blocks=options.get("blocks")) if options.get("weights") == "exact_strength" else G


def measured(
    G: NeuralGraph,
    measure: Measure,
    kind: str,
    n: int,
    seed: np.random.SeedSequence,
    *,
    n_jobs: int,
    options: Options,
    check: Check | None = None,
) -> tuple[dict[Label, float], np.ndarray]:
    """Return the values of a measure for the graph, by label, and for the draws, (n draws, n labels).

    ``check(G, R, i)`` may raise over draw i. After an interruption there are fewer draws, at least two.
    """
    observed = measure(reference(G, options), "the graph itself")
    at_once = 1 if n_jobs == 1 else max(1, min(_MOST_AT_ONCE, n // (8 * abs(n_jobs))))
    arguments = (G, measure, kind, seed, options, check, tuple(observed))
    tasks: Iterator[Task[np.ndarray | NullModelError]] = (
        (_rows_or_error, (*arguments, range(i, min(i + at_once, n))), {}) for i in range(0, n, at_once)
    )
    rows: list[np.ndarray] = []
    label = f"null model {kind}"
    try:
        rows.extend(progress(_each(in_order(tasks, n_jobs, taken=True)), total=n, label=label))
    except KeyboardInterrupt:
        if len(rows) < 2:
            raise
        warnings.warn(f"interrupted: the table shows {len(rows)} of {n} draws.", NullModelWarning, stacklevel=3)
    return observed, np.array(rows).reshape(len(rows), len(observed))


def _each(chunks: Iterator[np.ndarray | NullModelError]) -> Iterator[np.ndarray]:
    for chunk in chunks:
        if isinstance(chunk, NullModelError):
            raise chunk
        yield from chunk


def _rows_or_error(*arguments: Any) -> np.ndarray | NullModelError:
    """Return the error of a chunk in the place of its rows: the first draw that fails is the same for any n_jobs."""
    try:
        return _rows(*arguments)
    except NullModelError as error:
        return error


def _rows(
    G: NeuralGraph,
    measure: Measure,
    kind: str,
    seed: np.random.SeedSequence,
    options: Options,
    check: Check | None,
    labels: tuple[Label, ...],
    which: range,
) -> np.ndarray:
    """Draw and measure; the values of draws ``which``, (n draws, n labels)."""
    rows = np.empty((len(which), len(labels)))
    for row, i in zip(rows, which, strict=True):
        R = drawn(G, kind, i, seed, options)
        if check is not None:
            check(G, R, i)
        where = f"draw {i} ({again(kind, seed, options, i)} makes it again)"
        values = measure(R, where)
        if tuple(values) != labels:
            name, _, key = min(set(labels) ^ set(values), default=labels[0])
            raise NullModelError(f"statistic {name!r} gave other keys than for the graph, as {key!r}, of {where}.")
        row[:] = list(values.values())
    return rows


class NotDrawn(NullModelError):
    """A null model has no draw to give."""


def drawn(G: NeuralGraph, kind: str, i: int, seed: np.random.SeedSequence, options: Options) -> NeuralGraph:
    """Return draw i of an ensemble."""
    try:
        return randomize(G, kind, rng=child(seed, "draw", i), **options)
    except NNGraphError as error:
        raise NotDrawn(str(error)) from error


def again(kind: str, seed: np.random.SeedSequence, options: Options, i: int) -> str:
    """Return the call that makes draw i of an ensemble of G once more."""
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"nng.nulls.draw(G, {kind!r}, {i}, rng={as_argument(seed)}{given})"


def as_argument(seed: np.random.SeedSequence) -> str:
    """Return a seed as Python text that makes it again."""
    if isinstance(seed.entropy, int) and not seed.spawn_key:
        return str(seed.entropy)
    return f"numpy.random.SeedSequence({seed.entropy!r}, spawn_key={seed.spawn_key!r})"
