"""What is done to one matrix: every edit of a probe, in order, each with the row that it becomes."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, cast

import numpy as np

from nngraph import ops
from nngraph._arguments import choice
from nngraph._rng import child
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.nulls.draws import Options, randomize, settle
from nngraph.nulls.kinds import KINDS
from nngraph.ops._ranking import real_number

__all__ = ["OPERATIONS", "PROBES", "TWIN", "Edit", "Point", "checked_probes", "checked_scales", "edits", "points"]

Scale: TypeAlias = Literal["mean_abs"] | None

PRUNED = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)
PROBES: dict[str, tuple[float, ...]] = {
    "prune": (*PRUNED, 1.0),
    "A": PRUNED,
    "B": PRUNED,
    "noise": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    "flip": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "reinitialize": (0.0,),
}
"""What :func:`nngraph.layer_robustness` does by default: the names of probes and the values of their parameters."""
OPERATIONS = ("prune", "noise", "flip")
TWIN = "twin"


class Point(NamedTuple):
    """What a row says of an edit."""

    probe: str
    parameter: float
    form: str = "full"
    scale: str = ""
    null: str = ""
    draw: int = 0


class Edit(NamedTuple):
    """An edit that was not made yet."""

    point: Point
    make: Callable[[], NeuralGraph]


def checked_probes(probes: object) -> dict[str, tuple[float, ...]]:
    """Return the probes with their grids as numbers, or raise for one that is not known."""
    if not isinstance(probes, Mapping) or not probes:
        raise ArgumentError(
            f"probes: got {probes!r}; expected a mapping of at least one probe to the values of its parameter, such as "
            "{'prune': (0.5, 0.9)}."
        )
    found: dict[str, tuple[float, ...]] = {}
    for name, grid in probes.items():
        choice("probes", name, [*OPERATIONS, *KINDS])
        values = [grid] if isinstance(grid, numbers.Real) else grid
        if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)) or not len(values):
            raise ArgumentError(f"probes: got {grid!r} for {name!r}; expected at least one number.")
        most = np.inf if name == "noise" else 1.0
        found[name] = tuple(real_number(f"probes: {name}", value, 0.0, most) for value in values)
        if len(set(found[name])) < len(found[name]):
            raise ArgumentError(f"probes: got {grid!r} for {name!r}; expected each value once.")
    return found


def checked_scales(scales: object) -> tuple[Scale, ...]:
    """Return the scales of signed matrices, or raise for one that :func:`nngraph.ops.binarize` does not know."""
    if isinstance(scales, str) or not isinstance(scales, Sequence):
        raise ArgumentError(f"scales: got {scales!r}; expected a sequence out of None and 'mean_abs'.")
    if odd := [scale for scale in scales if scale not in (None, "mean_abs")]:
        raise ArgumentError(f"scales: got {odd[0]!r}; expected None or 'mean_abs'.")
    return tuple(dict.fromkeys(scales))


def edits(
    G: NeuralGraph,
    probe: str,
    grid: Sequence[float],
    *,
    draws: int,
    scales: Sequence[Scale],
    seed: np.random.SeedSequence,
) -> Iterator[Edit]:
    """Yield every edit of a probe; a null model randomises what pruning has left, on that support.

    The seed is that of the matrix; draws are keyed by probe, parameter and number.
    """
    for value in grid:
        if probe == "noise":
            for draw in range(draws):
                own = child(seed, probe, value, draw)
                noisy = functools.cache(functools.partial(ops.add_noise, G, value, distribution="normal", rng=own))
                yield from _forms(Point(probe, value, draw=draw), noisy, scales)
        elif probe == "flip":
            yield from _forms(Point(probe, value), functools.cache(functools.partial(ops.flip_signs, G, value)), scales)
        else:
            pruned = functools.cache(functools.partial(ops.prune, G, value))
            if probe == "prune":
                yield from _forms(Point(probe, value), pruned, scales if value < 1 else ())
                continue
            at = child(seed, probe, value)
            settled = functools.cache(functools.partial(_settled, pruned, probe, child(at, "pilot")))
            for draw in range(draws):
                make = functools.partial(_drawn, pruned, probe, settled, child(at, "draw", draw))
                yield Edit(Point("prune", value, null=probe, draw=draw), make)


def points(probe: str, probes: Mapping[str, Sequence[float]], *, draws: int, scales: Sequence[Scale]) -> list[Point]:
    """Return what the rows of a probe say of its edits, in their order."""
    if probe == TWIN:
        return [Point(TWIN, 0.0)]
    none = cast(NeuralGraph, None)  # the graph is touched where an edit is made, and none is
    seed = np.random.SeedSequence(0)
    return [edit.point for edit in edits(none, probe, probes[probe], draws=draws, scales=scales, seed=seed)]


def _forms(point: Point, make: Callable[[], NeuralGraph], scales: Sequence[Scale]) -> Iterator[Edit]:
    """Yield an edit as it is and signed."""
    yield Edit(point, make)
    for scale in scales:
        signed = functools.partial(_signed, make, scale)
        yield Edit(point._replace(form="signed", scale="none" if scale is None else scale), signed)


def _signed(make: Callable[[], NeuralGraph], scale: Scale) -> NeuralGraph:
    return ops.binarize(make(), scale=scale)


def _settled(make: Callable[[], NeuralGraph], kind: str, seed: np.random.SeedSequence) -> Options:
    return settle(make(), kind, {}, seed)


def _drawn(
    make: Callable[[], NeuralGraph], kind: str, settled: Callable[[], Options], seed: np.random.SeedSequence
) -> NeuralGraph:
    return randomize(make(), kind, rng=seed, **settled())
