"""NeuralGraph: a neural network as a signed, weighted, multipartite graph."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nngraph.blocks import Block, Edges, Origin
from nngraph.errors import ArgumentError, SizeError

if TYPE_CHECKING:
    import igraph
    import networkx
    import pandas as pd

__all__ = ["Block", "Edges", "Link", "NeuralGraph", "Origin", "Part", "Skipped", "Step"]

EDGES_WARN = 10_000_000
EDGES_REFUSE = 100_000_000
_log = logging.getLogger("nngraph")


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


class Step(NamedTuple):
    """One entry of a graph's history."""

    operation: str
    parameters: Mapping[str, object]
    seed: str | None = None


class NeuralGraph:
    """A neural network as a signed, weighted, multipartite graph. Immutable.

    Edges run from a source part to a target part; every scalar weight is one edge, and all edges of one weight matrix
    are one block. Edge order is one order everywhere: block by block, then row-major over the present edges of the
    (n_target, n_source) matrix.

    Parameters
    ----------
    blocks : iterable of Block
        In the order that edge order follows.
    parts : iterable of Part, optional
        In the order that vertex ids follow; by default as the blocks name them.
    links : iterable of Link
        Fixed connections between parts (residual skips, replicas).
    skipped : iterable of Skipped
        What was left out of the graph, and why.
    history : iterable of Step
        The operations that made the graph.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [0.0, 0.5]]), np.array([[-1.0, 3.0]])])
    >>> G
    NeuralGraph: 2-2-1, 5 edges, 40.0 % negative
      block  source -> target  shape  edges  present  negative  dtype
      0      0 -> 1            2x2        3  75.0 %     33.3 %  float64
      1      1 -> 2            1x2        2  100 %      50.0 %  float64
    >>> G.weights()
    array([ 1. , -2. ,  0.5, -1. ,  3. ])
    """

    __slots__ = ("__weakref__", "_igraph_topology", "blocks", "history", "links", "parts", "skipped")

    parts: tuple[Part, ...]
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    skipped: tuple[Skipped, ...]
    history: tuple[Step, ...]
    _igraph_topology: dict[str, object]

    def __init__(
        self,
        blocks: Iterable[Block],
        parts: Iterable[Part] | None = None,
        *,
        links: Iterable[Link] = (),
        skipped: Iterable[Skipped] = (),
        history: Iterable[Step] = (),
    ) -> None:
        blocks, links = tuple(blocks), tuple(links)
        parts = _parts_of(blocks) if parts is None else tuple(parts)
        _check(blocks, parts, links)
        depth = _depths(parts, blocks, links)
        set_ = object.__setattr__
        set_(self, "parts", tuple(dataclasses.replace(part, depth=depth[part.name]) for part in parts))
        set_(self, "blocks", blocks)
        set_(self, "links", links)
        set_(self, "skipped", tuple(skipped))
        set_(self, "history", tuple(history))
        set_(self, "_igraph_topology", {})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a NeuralGraph is immutable; operations return a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a NeuralGraph is immutable")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.blocks, self.parts, self.links, self.skipped, self.history))

    # ----------------------------------------------------------------- reading

    @property
    def n_nodes(self) -> int:
        """Number of nodes over all parts."""
        return sum(part.size for part in self.parts)

    @property
    def n_edges(self) -> int:
        """Number of edges present over all blocks."""
        return sum(block.n_edges for block in self.blocks)

    @property
    def offsets(self) -> dict[str, int]:
        """First global vertex id of each part."""
        sizes = [part.size for part in self.parts]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return {part.name: int(start) for part, start in zip(self.parts, starts, strict=False)}

    def part(self, name: str) -> Part:
        """Return a part by name."""
        for part in self.parts:
            if part.name == name:
                return part
        raise ArgumentError(f"got the part {name!r}; this graph has {_names(self.parts)}.")

    def block(self, key: str | int) -> Block:
        """Return a block by name, or by position."""
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if not -len(self.blocks) <= key < len(self.blocks):
                raise ArgumentError(f"got the block position {key}; this graph has {len(self.blocks)} blocks.")
            return self.blocks[key]
        for block in self.blocks:
            if block.name == key:
                return block
        raise ArgumentError(f"got the block {key!r}; this graph has {_names(self.blocks)}.")

    def weights(self) -> np.ndarray:
        """Return the (n_edges,) weights of the edges present, in edge order (a copy)."""
        if not self.blocks:
            return np.zeros(0)
        return np.concatenate([block.values for block in self.blocks])

    @property
    def nodes(self) -> pd.DataFrame:
        """One row per node, in vertex order: part, depth, index, name, bias (the sum of its blocks' biases)."""
        import pandas as pd

        names = [part.name for part in self.parts]
        sizes = [part.size for part in self.parts]
        return pd.DataFrame(
            {
                "part": pd.Categorical.from_codes(np.repeat(np.arange(len(names)), sizes), categories=names),
                "depth": np.repeat([part.depth for part in self.parts], sizes).astype(np.int64),
                "index": np.concatenate([np.arange(size) for size in sizes]) if sizes else np.zeros(0, np.int64),
                "name": [name for part in self.parts for name in part.node_names()],
                "bias": self._node_bias(),
            }
        )

    def _node_bias(self) -> np.ndarray:
        """Return the (n_nodes,) sums of the biases of the blocks that enter each node's part."""
        bias = {part.name: np.zeros(part.size) for part in self.parts}
        for block in self.blocks:
            if block.bias is not None:
                bias[block.target] += block.bias
        return np.concatenate(list(bias.values())) if bias else np.zeros(0)

    @property
    def edges(self) -> pd.DataFrame:
        """One row per edge, in edge order; see :meth:`edge_table`."""
        return self.edge_table()

    def edge_table(self, *, force: bool = False) -> pd.DataFrame:
        """Return one row per edge: block, source and target (global vertex ids), weight, sign (int8).

        Above 100 M edges this is refused unless ``force=True``; above 10 M a warning states the size.
        """
        import pandas as pd

        self.guard("the edge table", bytes_per_edge=21, remedy="G.edge_table(force=True)", force=force)
        ids = self._edge_ids()
        weights = self.weights()
        counts = [block.n_edges for block in self.blocks]
        codes = np.repeat(np.arange(len(counts)), counts)
        return pd.DataFrame(
            {
                "block": pd.Categorical.from_codes(codes, categories=[block.name for block in self.blocks]),
                "source": ids[:, 0],
                "target": ids[:, 1],
                "weight": weights,
                "sign": np.sign(weights).astype(np.int8),
            }
        )

    def _edge_ids(self) -> np.ndarray:
        """Return the (n_edges, 2) int64 global vertex ids of the edges, source first, in edge order."""
        ids = np.empty((self.n_edges, 2), dtype=np.int64)
        offsets, start = self.offsets, 0
        for block in self.blocks:
            piece, ends = ids[start : start + block.n_edges], block.edges()
            np.add(ends.source, offsets[block.source], out=piece[:, 0], dtype=np.int64)
            np.add(ends.target, offsets[block.target], out=piece[:, 1], dtype=np.int64)
            start += block.n_edges
        return ids

    def guard(self, what: str, *, bytes_per_edge: int, remedy: str, force: bool) -> None:
        """Refuse, or warn about, a view whose size would surprise its user."""
        size = f"{what} of {self.n_edges:,} edges needs about {self.n_edges * bytes_per_edge / 2**30:.1f} GiB"
        if self.n_edges > EDGES_REFUSE and not force:
            raise SizeError(
                f"{size}; the limit is {EDGES_REFUSE:,} edges. Prune, select blocks, or go on with {remedy}."
            )
        if self.n_edges > EDGES_WARN:
            _log.warning("%s", size)

    # ---------------------------------------------------------------- changing

    def with_weights(self, weights: np.ndarray) -> NeuralGraph:
        """Return the graph with the same edges present and other weights, given in edge order."""
        weights = np.asarray(weights)
        if weights.shape != (self.n_edges,) or weights.dtype.kind not in "fiub":
            raise ArgumentError(
                f"with_weights: got an array of shape {weights.shape} and type {weights.dtype}; expected real numbers "
                f"of shape ({self.n_edges},), one per edge in the order of G.edges."
            )
        if not np.isfinite(weights).all():
            bad = int(np.flatnonzero(~np.isfinite(weights))[0])
            raise ArgumentError(f"with_weights: got {weights[bad]} at edge {bad}; expected finite weights.")
        blocks = []
        for block, piece in zip(self.blocks, self._split(weights), strict=True):
            with np.errstate(over="ignore"):
                values = piece.astype(block.values.dtype)
            if not np.isfinite(values).all():
                worst = float(piece[~np.isfinite(values)][0])
                raise ArgumentError(
                    f"with_weights: block {block.name!r} holds {block.dtype}, too narrow for the weight {worst}."
                )
            blocks.append(block.with_values(values))
        return self.replace_blocks(blocks, Step("with_weights", {}))

    def with_support(self, keep: np.ndarray) -> NeuralGraph:
        """Return the graph with only the edges for which ``keep``, a bool array in edge order, is True."""
        keep = np.asarray(keep)
        if keep.shape != (self.n_edges,) or keep.dtype != bool:
            raise ArgumentError(
                f"with_support: got an array of shape {keep.shape} and type {keep.dtype}; expected bool of shape "
                f"({self.n_edges},), one per edge in the order of G.edges."
            )
        blocks = [block.with_support(piece) for block, piece in zip(self.blocks, self._split(keep), strict=True)]
        return self.replace_blocks(blocks, Step("with_support", {}))

    def select(self, blocks: Sequence[str | int] | str | int) -> NeuralGraph:
        """Return the graph of some blocks, in their order here, with the parts and links between them."""
        chosen = {block.name for block in self.select_blocks(blocks)}
        kept = [block for block in self.blocks if block.name in chosen]
        touched = {name for block in kept for name in (block.source, block.target)}
        return NeuralGraph(
            kept,
            [part for part in self.parts if part.name in touched],
            links=[link for link in self.links if link.source in touched and link.target in touched],
            skipped=self.skipped,
            history=(*self.history, Step("select", {"blocks": [block.name for block in kept]})),
        )

    def select_blocks(self, blocks: Sequence[str | int] | str | int | None) -> tuple[Block, ...]:
        """Return the blocks that an argument ``blocks=`` names: None for all, a name, a position, or a sequence."""
        if blocks is None:
            return self.blocks
        if isinstance(blocks, (str, int, np.integer)):
            blocks = [blocks]
        chosen = {self.block(key).name for key in blocks}
        return tuple(block for block in self.blocks if block.name in chosen)

    def replace_blocks(self, blocks: Iterable[Block], step: Step | None = None) -> NeuralGraph:
        """Return the graph with its blocks replaced one for one (same names, parts and shapes)."""
        blocks = tuple(blocks)
        if len(blocks) != len(self.blocks):
            raise ArgumentError(f"replace_blocks: got {len(blocks)} blocks in the place of {len(self.blocks)}.")
        for new, old in zip(blocks, self.blocks, strict=True):
            if (new.name, new.source, new.target, new.shape) != (old.name, old.source, old.target, old.shape):
                raise ArgumentError(f"replace_blocks: got {new!r} in the place of {old!r}; expected the same ends.")
        graph = object.__new__(NeuralGraph)
        set_ = object.__setattr__
        for slot in ("parts", "links", "skipped"):
            set_(graph, slot, getattr(self, slot))
        set_(graph, "blocks", blocks)
        set_(graph, "history", self.history if step is None else (*self.history, step))
        set_(graph, "_igraph_topology", self._igraph_topology if self._same_support(blocks) else {})
        return graph

    def _same_support(self, blocks: tuple[Block, ...]) -> bool:
        return all(new is old or new.same_support(old) for new, old in zip(blocks, self.blocks, strict=True))

    def _split(self, per_edge: np.ndarray) -> list[np.ndarray]:
        return np.split(per_edge, np.cumsum([block.n_edges for block in self.blocks])[:-1]) if self.blocks else []

    # -------------------------------------------------------------- converting

    def to_igraph(self, *, force: bool = False) -> igraph.Graph:
        """Return a directed igraph graph of the user's own; see :func:`nngraph.convert.igraph.to_igraph`."""
        from nngraph.convert.igraph import to_igraph

        return to_igraph(self, force=force)

    def to_networkx(self, *, force: bool = False) -> networkx.DiGraph:
        """Return a directed networkx graph; see :func:`nngraph.convert.networkx.to_networkx`."""
        from nngraph.convert.networkx import to_networkx

        return to_networkx(self, force=force)

    def to_matrices(self) -> list[np.ndarray]:
        """Return the (n_target, n_source) weights of each block, 0 where no edge is present, read-only."""
        return [block.dense() for block in self.blocks]

    # --------------------------------------------------------------- comparing

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NeuralGraph):
            return NotImplemented
        return self.parts == other.parts and self.blocks == other.blocks

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        weights = [block.values for block in self.blocks]
        n_negative = sum(int(np.count_nonzero(values < 0)) for values in weights)
        share = f"{100 * n_negative / self.n_edges:.1f} % negative" if self.n_edges else "no sign"
        sizes = [part.size for part in self.parts]
        shape = "-".join(map(str, sizes)) if self._is_chain() else f"{len(sizes)} parts, {sum(sizes):,} nodes"
        lines = [f"NeuralGraph: {shape}, {self.n_edges:,} edges, {share}"]
        rows = [("block", "source -> target", "shape", "edges", "present", "negative", "dtype")]
        for block, values in zip(self.blocks, weights, strict=True):
            negative = f"{100 * np.count_nonzero(values < 0) / len(values):.1f} %" if len(values) else "-"
            rows.append(
                (
                    block.name,
                    f"{block.source} -> {block.target}",
                    f"{block.n_target}x{block.n_source}",
                    f"{block.n_edges:,}",
                    f"{100 * block.density:.3g} %" if block.density in (0, 1) else f"{100 * block.density:.1f} %",
                    negative,
                    block.dtype,
                )
            )
        if len(rows) > 16:
            rows = [*rows[:9], ("...", f"{len(rows) - 15} more", "", "", "", "", ""), *rows[-6:]]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        align = ("<", "<", "<", ">", "<", ">", "<")
        for row in rows:
            cells = (f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths, strict=True))
            lines.append("  " + "  ".join(cells).rstrip())
        if self.links:
            lines.append(f"  links: {_shortened(f'{k.source} -> {k.target} ({k.kind})' for k in self.links)}")
        if self.skipped:
            lines.append(f"  not in the graph: {_shortened(f'{s.module} ({s.kind})' for s in self.skipped)}")
        if self.history:
            lines.append(f"  made by: {' -> '.join(step.operation for step in self.history)}")
        return "\n".join(lines)

    def _is_chain(self) -> bool:
        names = [part.name for part in self.parts]
        return len(names) == len(self.blocks) + 1 and all(
            (block.source, block.target) == pair
            for block, pair in zip(self.blocks, itertools.pairwise(names), strict=True)
        )


def _rebuild(
    blocks: tuple[Block, ...],
    parts: tuple[Part, ...],
    links: tuple[Link, ...],
    skipped: tuple[Skipped, ...],
    history: tuple[Step, ...],
) -> NeuralGraph:
    return NeuralGraph(blocks, parts, links=links, skipped=skipped, history=history)


def _names(items: Sequence[Part] | Sequence[Block]) -> str:
    return _shortened(repr(item.name) for item in items) or "none"


def _shortened(texts: Iterable[str], limit: int = 8) -> str:
    texts = list(texts)
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _parts_of(blocks: Sequence[Block]) -> tuple[Part, ...]:
    sizes: dict[str, int] = {}
    for block in blocks:
        for name, size in ((block.source, block.n_source), (block.target, block.n_target)):
            sizes.setdefault(name, size)
    return tuple(Part(name, size) for name, size in sizes.items())


def _check(blocks: Sequence[Block], parts: Sequence[Part], links: Sequence[Link]) -> None:
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


def _depths(parts: Sequence[Part], blocks: Sequence[Block], links: Sequence[Link]) -> dict[str, int]:
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
