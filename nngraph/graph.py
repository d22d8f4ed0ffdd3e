"""NeuralGraph: a neural network as a signed, weighted, multipartite graph."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nngraph.blocks import Block, Edges, Origin
from nngraph.errors import ArgumentError, SizeError
from nngraph.parts import Link, Part, Skipped, check, depths, names, parts_of

if TYPE_CHECKING:
    import igraph
    import networkx
    import pandas as pd

__all__ = ["Block", "Edges", "Link", "NeuralGraph", "Origin", "Part", "Skipped", "Step"]

EDGES_WARN = 10_000_000
EDGES_REFUSE = 100_000_000
_log = logging.getLogger("nngraph")


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
        parts = parts_of(blocks) if parts is None else tuple(parts)
        check(blocks, parts, links)
        depth = depths(parts, blocks, links)
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
        raise ArgumentError(f"got the part {name!r}; this graph has {names(self.parts)}.")

    def block(self, key: str | int) -> Block:
        """Return a block by name, or by position."""
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if not -len(self.blocks) <= key < len(self.blocks):
                raise ArgumentError(f"got the block position {key}; this graph has {len(self.blocks)} blocks.")
            return self.blocks[key]
        for block in self.blocks:
            if block.name == key:
                return block
        raise ArgumentError(f"got the block {key!r}; this graph has {names(self.blocks)}.")

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
        if not isinstance(blocks, Collection):  # an iterator would be empty the second time
            raise ArgumentError(f"blocks: got {blocks!r}; expected None, a name, a position, or a sequence of them.")
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

    def to_igraph(
        self, *, like: igraph.Graph | None = None, part: str | None = None, force: bool = False
    ) -> igraph.Graph:
        """Return an igraph graph of the user's own; see :func:`nngraph.convert.igraph.to_igraph`."""
        from nngraph.convert.igraph import to_igraph

        return to_igraph(self, like=like, part=part, force=force)

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
        from nngraph._description import describe

        return describe(self)


def _rebuild(
    blocks: tuple[Block, ...],
    parts: tuple[Part, ...],
    links: tuple[Link, ...],
    skipped: tuple[Skipped, ...],
    history: tuple[Step, ...],
) -> NeuralGraph:
    return NeuralGraph(blocks, parts, links=links, skipped=skipped, history=history)
