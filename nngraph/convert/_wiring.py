"""Which blocks share a part: values that flow between weights, their sums and products, and the links they leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from nngraph.convert._layers import GATES, Layer, Weight
from nngraph.convert._reading import Space
from nngraph.graph import Link, Part


@dataclasses.dataclass
class Value:
    """The neurons that one weight writes, or that an input or a sum holds. It becomes a part, alone or with others."""

    size: int
    offset: int
    """First of the value's node ids."""
    name: str | None
    fixed: bool = False
    """True for inputs and copies: they keep a part of their own when they are added to something."""
    uses: int = 0
    """How often it is read, added, multiplied, or lost in a step that is not understood."""


@dataclasses.dataclass(frozen=True, eq=False)
class Arrow:
    """A connection between values that is no weight; index as in Link."""

    source: int
    target: int
    kind: str
    index: np.ndarray | None


class Use(NamedTuple):
    """One application of a weight: it becomes a block."""

    weight: Weight
    name: str
    source: int
    target: int
    space: Space | None = None


class Wiring:
    """Collects the uses of weights and what flows between them; ``resolve`` turns it into parts and links.

    A value's neurons have consecutive ids, so that an array of ids tells which neuron each column of a weight reads;
    -1 is unknown. A sum is a value of its own, and what is used nowhere but in the sum shares its part.
    """

    def __init__(self, conv: str | None) -> None:
        self.conv = conv
        self.values: list[Value] = []
        self.arrows: list[Arrow] = []
        self.uses: list[Use] = []
        self._n_ids = 0
        self._offsets: list[int] = []
        self._copies: dict[tuple[object, ...], int] = {}
        self._calls: dict[Layer, int] = {}
        self._results: dict[tuple[object, ...], list[int]] = {}

    # ------------------------------------------------------------------- values

    def value(self, size: int, name: str | None, *, fixed: bool = False) -> int:
        """Add a value and return its number."""
        self.values.append(Value(size, self._n_ids, name, fixed))
        self._offsets.append(self._n_ids)
        self._n_ids += size
        return len(self.values) - 1

    def ids(self, value: int) -> np.ndarray:
        """Return the ids of a value's neurons."""
        start = self.values[value].offset
        return np.arange(start, start + self.values[value].size)

    def owner(self, ids: np.ndarray) -> np.ndarray:
        """Return the value of each id, -1 where it is unknown."""
        return np.where(ids < 0, -1, np.searchsorted(self._offsets, ids, side="right") - 1)

    def used(self, ids: np.ndarray) -> None:
        """Count one use of every value among the ids."""
        for value in np.unique(self.owner(np.unique(ids))):
            if value >= 0:
                self.values[value].uses += 1

    def read(self, ids: np.ndarray | None, size: int, name: str) -> int:
        """Return the value that a weight of ``size`` columns reads: a known one, a copy, or one of its own."""
        known = ids is not None and (ids >= 0).any()
        if not known or ids is None:
            return self.value(size, f"{name}.in", fixed=True)
        owners = self.owner(ids)
        self.used(ids)
        first = int(owners[0])
        if first >= 0 and self.values[first].size == size and np.array_equal(ids, self.ids(first)):
            if self.values[first].name is None:
                self.values[first].name = f"{name}.in"
            return first
        return self.copy(ids, name)

    def copy(self, ids: np.ndarray, name: str) -> int:
        """Return a value whose neurons are copies of those with the given ids, linked to them."""
        key = (len(ids), ids.tobytes())
        if key not in self._copies:
            value = self._copies[key] = self.value(len(ids), f"{name}.in", fixed=True)
            owners = self.owner(ids)
            for source in (int(v) for v in np.unique(owners) if v >= 0):
                index = np.where(owners == source, ids - self.values[source].offset, -1)
                self.arrows.append(Arrow(source, value, "replica", index))
        return self._copies[key]

    def pool(self, ids: np.ndarray) -> int:
        """Return a value whose neurons each pool some of another's, given as (places in a window, neurons) ids."""
        value = self.value(ids.shape[1], None, fixed=True)
        source = int(self.owner(ids.max(keepdims=True))[0, 0])
        for row in ids:
            index = np.where(row < 0, -1, row - self.values[source].offset)
            self.arrows.append(Arrow(source, value, "replica", index))
        self.values[source].uses += 1
        return value

    def combine(self, a: np.ndarray, b: np.ndarray, kind: Literal["identity", "gate"]) -> np.ndarray | None:
        """Return the ids of a sum ("identity") or product ("gate"), given the ids of its two operands at each place."""
        for first, second in ((b, a), (a, b)):
            owner = {int(v) for v in np.unique(self.owner(np.unique(first))) if v >= 0}
            if len(owner) != 1:
                continue
            base = owner.pop()
            held = self.values[base]
            at = first >= 0
            node, other = first[at] - held.offset, second[at]
            index = np.full(held.size, -2)
            index[node] = other
            if (index == -2).any() or not np.array_equal(index[node], other):
                continue
            result = self.value(held.size, None)
            self._flow(self.ids(base), result, kind)
            self._flow(index, result, kind)
            return np.where(at, first - held.offset + self.values[result].offset, -1)
        return self._pairs(a, b, kind)

    def _pairs(self, a: np.ndarray, b: np.ndarray, kind: Literal["identity", "gate"]) -> np.ndarray | None:
        """Return the ids of a sum or product of pieces: one new neuron for each pair, in the order of their places."""
        known = (a >= 0) | (b >= 0)
        pairs = np.stack([a[known], b[known]])
        _, first, inverse = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
        owners = np.unique(self.owner(np.unique(pairs)))
        if len(first) > sum(self.values[int(v)].size for v in owners if v >= 0):
            return None
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        result = self.value(len(first), None)
        for row in pairs[:, np.sort(first)]:
            self._flow(row, result, kind)
        ids = np.full(a.shape, -1)
        ids[known] = self.values[result].offset + rank[inverse.ravel()]
        return ids

    def _flow(self, index: np.ndarray, result: int, kind: str) -> None:
        """Record that each neuron of a sum or product has as one operand the neuron whose id is given."""
        owners = self.owner(index)
        for source in (int(v) for v in np.unique(owners) if v >= 0):
            held = self.values[source]
            found = np.where(owners == source, index - held.offset, -1)
            same = np.array_equal(found, np.arange(held.size))
            link = kind if same or kind == "gate" else "replica"
            self.arrows.append(Arrow(source, result, link, None if same else found))
            held.uses += 1

    # ------------------------------------------------------------------ weights

    def was_called(self, layer: Layer) -> bool:
        """Tell whether a layer has been applied."""
        return layer in self._calls

    def apply(self, layer: Layer, *inputs: np.ndarray | None, space: Space | None = None) -> list[int]:
        """Record one call of a layer on columns with the given ids; return the values that it writes.

        A layer that reads the same value again writes the same value: one block, at other places.
        """
        weights = list(layer.weights.values())
        call = self._calls.get(layer, 0)
        suffix = f"@{call + 1}" if call else ""
        if layer.kind == "recurrent":
            sources = [self.read(inputs[0], layer.weights[next(iter(layer.weights))].n_source, layer.name + suffix)]
        elif layer.kind == "attention":
            sources = [
                self.read(ids, layer.weights[role].n_source, f"{layer.name}{suffix}.{role}")
                for ids, role in zip(inputs, "qkv", strict=True)
            ]
        elif layer.kind == "convolution" and space is None:
            sources = [self._channels(inputs[0], layer, suffix)]
        else:
            n_source = weights[0].n_source if space is None else len(inputs[0])  # type: ignore[arg-type]
            sources = [self.read(inputs[0], n_source, layer.name + suffix)]
        key = (layer, *sources, space)
        if key not in self._results:
            self._calls[layer] = call + 1
            self._results[key] = getattr(self, f"_{layer.kind}")(layer, sources, suffix, space)
        return self._results[key]

    def _use(self, weight: Weight, source: int, target: int, suffix: str, space: Space | None = None) -> int:
        self.uses.append(Use(weight, weight.block + suffix, source, target, space))
        return target

    def _linear(self, layer: Layer, sources: list[int], suffix: str, _: Space | None) -> list[int]:
        weight = layer.weight
        return [self._use(weight, sources[0], self.value(weight.n_target, layer.name + suffix), suffix)]

    _embedding = _sparse = _linear

    def _channels(self, ids: np.ndarray | None, layer: Layer, suffix: str) -> int:
        """Return the value a convolution reads; under conv="entry" it has one neuron per channel and kernel offset."""
        module: Any = layer.module
        n_channels = module.in_channels
        name = layer.name + suffix
        if self.conv != "entry":
            return self.read(ids, n_channels, name)
        if ids is None or (ids < 0).all():
            ids = self.ids(self.value(n_channels, f"{name}.channels", fixed=True))
        self.used(ids)
        return self.copy(np.repeat(ids, int(np.prod(module.kernel_size))), name)

    def _convolution(self, layer: Layer, sources: list[int], suffix: str, space: Space | None) -> list[int]:
        n_out = layer.weight.n_target
        if space is not None:
            n_out *= int(np.prod(space.out))
        return [self._use(layer.weight, sources[0], self.value(n_out, layer.name + suffix), suffix, space)]

    def _attention(self, layer: Layer, sources: list[int], suffix: str, _: Space | None) -> list[int]:
        """Keys and queries end in their own parts; values are mixed over places, so `out` reads the part of `v`."""
        for role, source in zip("qkv", sources, strict=True):
            weight = layer.weights[role]
            target = self.value(weight.n_target, weight.block + suffix)
            self.values[target].uses += 1
            self._use(weight, source, target, suffix)
        out = layer.weights["out"]
        return [self._use(out, target, self.value(out.n_target, out.block + suffix), suffix)]

    def _recurrent(self, layer: Layer, sources: list[int], suffix: str, _: Space | None) -> list[int]:
        """Return the output values, layer by layer, forward before reverse."""
        module: Any = layer.module
        source, outputs = sources[0], list[int]()
        for depth in range(module.num_layers):
            directions = ("", ".reverse")[: 1 + module.bidirectional]
            here = [self._cell(layer, f"l{depth}{end}", source, suffix) for end in directions]
            outputs += here
            source = here[0]
            if len(here) > 1 and depth + 1 < module.num_layers:
                ids = np.concatenate([self.ids(value) for value in here])
                self.used(ids)
                source = self.copy(ids, f"{layer.name}.l{depth + 1}{suffix}")
        return outputs

    def _cell(self, layer: Layer, place: str, source: int, suffix: str) -> int:
        module: Any = layer.module
        hidden, prefix = module.hidden_size, f"{layer.name}.{place}"
        out = self.value(module.proj_size or hidden, prefix + suffix)
        cell = out
        if module.proj_size:
            cell = self.value(hidden, f"{prefix}.cell{suffix}")
        state = self.value(module.proj_size or hidden, f"{prefix}.state{suffix}", fixed=True)
        gates = GATES.get(module.mode, ())
        parts = {gate: self.value(hidden, f"{prefix}.{gate}{suffix}") for gate in gates} or {"": cell}
        for side, start in (("input", source), ("state", state)):
            for gate, target in parts.items():
                role = f"{place}.{side}.{gate}".removesuffix(".")
                self._use(layer.weights[role], start, target, suffix)
        if module.proj_size:
            self._use(layer.weights[f"{place}.proj"], cell, out, suffix)
        for gate in gates:
            # In a GRU the reset gate acts on the candidate state, all others on the output.
            target = parts["n"] if gate == "r" else cell
            self.arrows.append(Arrow(parts[gate], target, "gate", None))
        self.arrows.append(Arrow(out, state, "recurrent", None))
        return out

    # ---------------------------------------------------------------- resolving

    def resolve(self) -> tuple[list[Part], list[Link], list[tuple[Use, str, str]]]:
        """Return the parts, the links between them, and each use of a weight with its source and target part."""
        group = list(range(len(self.values)))

        def find(value: int) -> int:
            while group[value] != value:
                value = group[value]
            return value

        arrows = []
        for arrow in self.arrows:
            held = self.values[arrow.source]
            if arrow.kind == "identity" and held.uses == 1 and not held.fixed:
                group[find(arrow.target)] = find(arrow.source)
            else:
                arrows.append(arrow)
        arrows = self._without_loose_ends(arrows, find)
        names: dict[int, str] = {}
        for number, value in enumerate(self.values):
            root = find(number)
            if value.name is not None:
                names.setdefault(root, value.name)
        links = [Link(str(find(a.source)), str(find(a.target)), a.kind, a.index) for a in arrows]
        order: dict[int, None] = {}
        for use in self.uses:
            source, target = find(use.source), find(use.target)
            order.update(dict.fromkeys([*self._before(source, arrows, find, set()), source, target]))
        for arrow in arrows:
            order.update(dict.fromkeys([find(arrow.source), find(arrow.target)]))
        unique = _unique([(root, names.get(root) or "sum") for root in order])
        parts = [Part(unique[root], self.values[root].size) for root in order]
        renamed = [dataclasses.replace(k, source=unique[int(k.source)], target=unique[int(k.target)]) for k in links]
        ends = [(use, unique[find(use.source)], unique[find(use.target)]) for use in self.uses]
        return parts, renamed, ends

    def _without_loose_ends(self, arrows: list[Arrow], find: Callable[[int], int]) -> list[Arrow]:
        """Drop arrows to sums and products that nothing reads (rotated queries, say): they are parts of no block."""
        named = {find(number) for number, value in enumerate(self.values) if value.name is not None}
        while True:
            read = named | {find(arrow.source) for arrow in arrows}
            kept = [arrow for arrow in arrows if find(arrow.target) in read]
            if len(kept) == len(arrows):
                return kept
            arrows = kept

    def _before(self, root: int, arrows: list[Arrow], find: Callable[[int], int], seen: set[int]) -> list[int]:
        """Return the parts that lead to a part by links, so that they are listed before it."""
        found: list[int] = []
        for arrow in arrows:
            source, target = find(arrow.source), find(arrow.target)
            if target == root and source != root and source not in seen and arrow.kind != "recurrent":
                seen.add(source)
                found += [*self._before(source, arrows, find, seen), source]
        return found


def _unique(named: list[tuple[int, str]]) -> dict[int, str]:
    taken: set[str] = set()
    result = {}
    for root, name in named:
        new, number = name, 1
        while new in taken:
            number += 1
            new = f"{name}@{number}"
        taken.add(new)
        result[root] = new
    return result
