"""The ways from the input to the output parts of a graph, and sums over all paths along them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from nngraph._blockwise import check_graph
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.parts import Link, names

Weighting: TypeAlias = Literal["count", "magnitude", "signed"]
PartNames: TypeAlias = Sequence[str] | str | None
NEAR = 100
"""Binary orders of magnitude that sums may be from 1 before their exponent takes them up."""
SLAB = 2**23
"""Numbers in a slab: the nodes of the graph times the end nodes that are followed at once."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One way from a part to another: a block, or a link, whose nodes hand on what they get."""

    source: str
    target: str
    via: Block | Link
    shape: tuple[int, int]

    def matrix(self, weighting: Weighting) -> Any:
        """Return the (n_target, n_source) float64 weights of the step, a scipy array where few are present."""
        if isinstance(self.via, Link):
            return self._copies(self.via)
        if self.via.is_sparse:
            matrix = self.via.csr().astype(np.float64)
            if weighting != "signed":
                matrix.data = np.ones_like(matrix.data) if weighting == "count" else np.abs(matrix.data)
            return matrix
        if weighting == "count":
            mask = self.via.mask
            return np.ones(self.shape) if mask is None else mask.astype(np.float64)
        weights = self.via.dense().astype(np.float64)
        return weights if weighting == "signed" else np.abs(weights, out=weights)

    def _copies(self, link: Link) -> Any:
        import scipy.sparse

        target, source = link_ends(link, self.shape)
        return scipy.sparse.csr_array((np.ones(len(target)), (target, source)), shape=self.shape)


def link_ends(link: Link, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the target nodes that a link reaches and the source node of each."""
    index = np.arange(shape[0]) if link.index is None else link.index
    target = np.flatnonzero(index >= 0)
    return target, index[target]


@dataclasses.dataclass(frozen=True)
class Routes:
    """The parts of a graph in the order of paths, the steps between them, and where paths start and end."""

    sizes: Mapping[str, int]
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, where: str, G: NeuralGraph, inputs: PartNames = None, outputs: PartNames = None) -> Routes:
        """Read a graph and the arguments that name its ends; ``where`` opens the messages of errors."""
        check_graph(where, G)
        size = {part.name: part.size for part in G.parts}
        ways: list[Block | Link] = [*G.blocks]
        ways += [link for link in G.links if link.kind != "recurrent"]
        steps = tuple(Step(way.source, way.target, way, (size[way.target], size[way.source])) for way in ways)
        depth = {part.name: part.depth for part in G.parts}
        for step in steps:
            if depth[step.source] >= depth[step.target]:
                raise ArgumentError(
                    f"{where}: the step {step.source!r} -> {step.target!r} closes a cycle of parts, so that paths "
                    "have no end; expected parts in an order. Leave its block out: G.select([...])."
                )
        left, entered = ({getattr(step, side) for step in steps} for side in ("source", "target"))
        routes = cls(
            {name: size[name] for name in sorted(size, key=depth.__getitem__)},
            steps,
            _chosen(where, "inputs", G, inputs, left - entered),
            _chosen(where, "outputs", G, outputs, entered - left),
        )
        both = set(routes.inputs) & set(routes.outputs)
        if both:
            raise ArgumentError(f"{where}: got the part {min(both)!r} as input and as output; expected it as one.")
        return routes

    def turned(self) -> Routes:
        """Return the same ways for walking from the outputs to the inputs; matrices have to be transposed."""
        steps = tuple(Step(step.target, step.source, step.via, step.shape[::-1]) for step in self.steps)
        return Routes(dict(reversed([*self.sizes.items()])), steps, self.outputs, self.inputs)

    def matrices(self, weighting: Weighting) -> list[Any]:
        """Return the matrix of each step."""
        return [step.matrix(weighting) for step in self.steps]

    def everywhere(self) -> dict[str, np.ndarray]:
        """Return a start of 1 at every input node, as the columns that :func:`sweep` takes."""
        return {name: np.ones((self.sizes[name], 1)) for name in self.inputs}

    def slabs(self) -> Iterator[dict[str, Any]]:
        """Give starts of 1 at one input node each, a column for each, in slabs of bounded memory: scipy arrays."""
        from scipy.sparse import csr_array

        total = sum(self.sizes[name] for name in self.inputs)
        at_once = max(1, SLAB // max(1, sum(self.sizes.values())))
        for first in range(0, total, at_once):
            columns = min(at_once, total - first)
            starts, offset = {}, 0
            for name in self.inputs:
                nodes = np.arange(max(0, first - offset), min(self.sizes[name], first - offset + columns))
                ones = (np.ones(len(nodes)), (nodes, nodes + offset - first))
                starts[name] = csr_array(ones, shape=(self.sizes[name], columns))
                offset += self.sizes[name]
            yield starts


def _chosen(where: str, what: str, G: NeuralGraph, given: PartNames, default: set[str]) -> tuple[str, ...]:
    if given is None:
        return tuple(part.name for part in G.parts if part.name in default)
    wanted = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(name, str) for name in wanted):
        raise ArgumentError(f"{where}: {what}: got {given!r}; expected the name of a part as a text, or several names.")
    known = {part.name for part in G.parts}
    for name in wanted:
        if name not in known:
            raise ArgumentError(f"{where}: {what}: got the part {name!r}; this graph has {names(G.parts)}.")
    return tuple(dict.fromkeys(wanted))


@dataclasses.dataclass(frozen=True)
class Scaled:
    """Numbers ``values * 2**exponent``, the largest of ``values`` near 1 in magnitude: sums that cannot overflow."""

    values: np.ndarray
    exponent: int = 0

    @classmethod
    def sum(cls, pieces: Sequence[Scaled], shape: tuple[int, ...]) -> Scaled:
        """Add up; without a piece that is not 0, zeros of a shape."""
        pieces = [piece for piece in pieces if piece.values.any()]
        if not pieces:
            return cls(np.zeros(shape))
        highest = max(piece.exponent for piece in pieces)
        total, *more = (np.ldexp(p.values, p.exponent - highest) if p.exponent < highest else p.values for p in pieces)
        for values in more:
            total = total + values
        shift = int(np.frexp(max(total.max(initial=0.0), -total.min(initial=0.0)))[1])
        if abs(shift) > NEAR:
            return cls(np.ldexp(total, -shift), highest + shift)
        return cls(total, highest)

    def total(self) -> Scaled:
        """Return the sum over the values."""
        return Scaled(np.asarray(self.values.sum()), self.exponent)

    def over(self, other: Scaled) -> np.ndarray:
        """Return the values over a number that is not 0, as plain floats."""
        ratio: np.ndarray = self.values / other.values
        if self.exponent == other.exponent:
            return ratio
        with np.errstate(over="ignore", under="ignore"):
            scaled: np.ndarray = np.ldexp(ratio, self.exponent - other.exponent)
        return scaled

    def log10(self) -> float:
        """Return the decimal logarithm of one number: -inf for 0."""
        value = float(self.values)
        return float(np.log10(value) + self.exponent * np.log10(2.0)) if value else float("-inf")


def sweep(
    routes: Routes, matrices: Sequence[Any], start: Mapping[str, Any], *, reached: bool = False
) -> dict[str, Scaled]:
    """Return at each part the sums over all paths from the start, (n nodes, n columns).

    With ``reached`` the values are 1 where there is a path and 0 elsewhere.
    """
    columns = next(iter(start.values())).shape[1] if start else 1
    at: dict[str, Scaled] = {}
    for name, size in routes.sizes.items():
        pieces = []
        for step, matrix in zip(routes.steps, matrices, strict=True):
            if step.target == name:
                came = at[step.source]
                pieces.append(Scaled(_dense(matrix @ came.values), came.exponent))
        if name in start and not pieces:
            at[name] = Scaled(start[name])  # as it is: where most of a start is 0, so is the work of the first step
            continue
        if name in start:
            pieces.append(Scaled(_dense(start[name])))
        at[name] = Scaled.sum(pieces, (size, columns))
        if reached:
            at[name] = Scaled((at[name].values > 0).astype(np.float64))
    return at


def _dense(values: Any) -> np.ndarray:
    dense: np.ndarray = values if isinstance(values, np.ndarray) else values.toarray()
    return dense


def transposed(matrices: Sequence[Any]) -> list[Any]:
    """Return the matrices for :meth:`Routes.turned`."""
    return [matrix.T for matrix in matrices]


def pairs(routes: Routes, matrices: Sequence[Any], *, reached: bool = False) -> Iterator[Scaled]:
    """Give the sums over the paths between pairs of an input and an output node, slab by slab, from the smaller end."""
    ends = (sum(routes.sizes[name] for name in names) for names in (routes.inputs, routes.outputs))
    if next(ends) > next(ends):
        routes, matrices = routes.turned(), transposed(matrices)
    for start in routes.slabs():
        at = sweep(routes, matrices, start, reached=reached)
        for name in routes.outputs:
            yield at[name]
