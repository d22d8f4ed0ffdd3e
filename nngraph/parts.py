"""The parts of the multipartite graph, the fixed links between them, and how deep each part lies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import ArgumentError

__all__ = ["Link", "Part", "Skipped"]


@dataclasses.dataclass(frozen=True)
class Part:
    """A set of neurons: one part of the multipartite graph."""

    name: str
    size: int
    labels: tuple[str, ...] | None = None
    """A name for each node; None means ``"part:index"``."""
    depth: int = dataclasses.field(default=0, compare=False)
    """Longest path from an input part; set by the graph, whatever is given."""

    def __post_init__(self) -> None:
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(self.labels))

    def node_names(self) -> list[str]:
        """Return the name of each node."""
        return list(self.labels) if self.labels is not None else [f"{self.name}:{i}" for i in range(self.size)]


@dataclasses.dataclass(frozen=True, eq=False)
class Link:
    """A fixed connection between two parts that is no trained weight, used by path statistics.

    Kinds: "identity" (a residual skip), "replica" (each target node is a copy of source node ``index[node]``: the
    entries of a convolution's window, the pixels of a channel, a pooled map), "gate" (element-wise product with a
    gate) and "recurrent" (the state carried to the next time step; it does not count for depth).
    """

    source: str
    target: str
    kind: str = "identity"
    index: np.ndarray | None = None
    """(target size,) source node of each target node, -1 where it has none (a concatenation has a link from each of
    the parts that it joins); None means node i comes from node i."""

    def __post_init__(self) -> None:
        if self.index is not None:
            self.index.setflags(write=False)

    def __reduce__(self) -> tuple[object, ...]:
        return (Link, (self.source, self.target, self.kind, self.index))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Link):
            return NotImplemented
        same = (self.source, self.target, self.kind) == (other.source, other.target, other.kind)
        if not same or self.index is None or other.index is None:
            return same and self.index is other.index
        return bool(np.array_equal(self.index, other.index))

    def __hash__(self) -> int:
        return hash((self.source, self.target, self.kind))


class Skipped(NamedTuple):
    """A module that holds parameters but is no block, with the reason."""

    module: str
    kind: str
    reason: str


def names(items: Sequence[Part] | Sequence[Block]) -> str:
    """List the names of parts or blocks for a message."""
    return shortened(repr(item.name) for item in items) or "none"


def shortened(texts: Iterable[str], limit: int = 8) -> str:
    """Join texts by commas; past the limit only say how many more there are."""
    texts = list(texts)
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def parts_of(blocks: Sequence[Block]) -> tuple[Part, ...]:
    """Return the parts that blocks name, in the order in which they name them."""
    sizes: dict[str, int] = {}
    for block in blocks:
        for name, size in ((block.source, block.n_source), (block.target, block.n_target)):
            sizes.setdefault(name, size)
    return tuple(Part(name, size) for name, size in sizes.items())


def check(blocks: Sequence[Block], parts: Sequence[Part], links: Sequence[Link]) -> None:
    """Raise when names repeat or sizes disagree."""
    for kind, names in (("part", [part.name for part in parts]), ("block", [block.name for block in blocks])):
        repeated = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if repeated:
            raise ArgumentError(f"got the {kind} name {min(repeated)!r} twice; expected each {kind} to have its own.")
    sizes = {part.name: part.size for part in parts}
    for part in parts:
        if part.size < 0:
            raise ArgumentError(f"part {part.name!r}: got the size {part.size}; expected at least 0.")
        if part.labels is not None and len(part.labels) != part.size:
            raise ArgumentError(f"part {part.name!r}: got {len(part.labels)} labels for {part.size} nodes.")
    for block in blocks:
        for side, name, size in (("source", block.source, block.n_source), ("target", block.target, block.n_target)):
            if name not in sizes:
                raise ArgumentError(f"block {block.name!r}: its {side} part {name!r} is not among the parts.")
            if sizes[name] != size:
                raise ArgumentError(
                    f"block {block.name!r}: got {size} {side} nodes; its {side} part {name!r} has {sizes[name]}."
                )
        if block.bias is not None and block.bias.shape != (block.n_target,):
            raise ArgumentError(
                f"block {block.name!r}: got a bias of shape {block.bias.shape}; expected ({block.n_target},)."
            )
    for link in links:
        for name in (link.source, link.target):
            if name not in sizes:
                raise ArgumentError(f"link {link.source} -> {link.target}: {name!r} is not among the parts.")
        n_source, n_target = sizes[link.source], sizes[link.target]
        if link.index is None:
            fits = n_source == n_target
        else:
            fits = link.index.shape == (n_target,) and bool(((link.index >= -1) & (link.index < n_source)).all())
        if not fits:
            raise ArgumentError(
                f"link {link.source} -> {link.target}: its index does not lead from {n_source} nodes to {n_target}."
            )


def depths(parts: Sequence[Part], blocks: Sequence[Block], links: Sequence[Link]) -> dict[str, int]:
    """Longest path from an input part; arrows that would close a cycle, in block order, are left out."""
    arrows = [(block.source, block.target) for block in blocks]
    arrows += [(link.source, link.target) for link in links if link.kind != "recurrent"]
    successors: dict[str, list[str]] = {part.name: [] for part in parts}
    n_before = dict.fromkeys(successors, 0)
    for source, target in dict.fromkeys(arrows):
        if not _reaches(successors, target, source):
            successors[source].append(target)
            n_before[target] += 1
    depth = dict.fromkeys(successors, 0)
    ready = [name for name, n in n_before.items() if n == 0]
    while ready:
        name = ready.pop()
        for after in successors[name]:
            depth[after] = max(depth[after], depth[name] + 1)
            n_before[after] -= 1
            if n_before[after] == 0:
                ready.append(after)
    return depth


def _reaches(successors: Mapping[str, list[str]], start: str, goal: str) -> bool:
    seen, stack = {start}, [start]
    while stack:
        name = stack.pop()
        if name == goal:
            return True
        fresh = [after for after in successors[name] if after not in seen]
        seen.update(fresh)
        stack.extend(fresh)
    return False
