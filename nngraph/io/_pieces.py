"""The edges of a graph in pieces of bounded size, and which of them a file gets."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nngraph._tables import many
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, SizeError
from nngraph.graph import NeuralGraph
from nngraph.ops._ranking import count_of, ranked

EDGES_WARN = 50_000
EDGES_REFUSE = 500_000
PIECE = 1 << 14
"""Edges in a piece: about 3 MB of text."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""1.2e-38: readers of single precision take a smaller weight for 0, and Gephi cannot bear a weight of 0."""
_log = logging.getLogger("nngraph")


class Piece(NamedTuple):
    """Edges that follow each other in one block."""

    ids: np.ndarray
    """(n,) positions in ``G.edges``."""
    rows: np.ndarray
    """(n,) target nodes within their part."""
    cols: np.ndarray
    """(n,) source nodes within their part."""
    values: np.ndarray
    """(n,) weights."""


class Written(NamedTuple):
    """What a file got of a graph."""

    n_edges: int
    """Edges in the file."""
    n_left_out: int
    """Edges of the graph that are not: beyond ``top``, or of weight 0."""
    share: float
    """Share of the sum of the magnitudes of all weights that the edges in the file have."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """The edges of a graph that a file gets."""

    G: NeuralGraph
    keep: tuple[np.ndarray | None, ...]
    """For each block, which of its edges; None for all."""
    shares: tuple[float, ...]
    """For each block, the share of the sum of |weight| that they have."""
    written: Written
    top: int | float | None

    def pieces(self, number: int) -> Iterator[Piece]:
        """Yield the chosen edges of a block, in edge order, with weights in the precision of the file."""
        first = sum(block.n_edges for block in self.G.blocks[:number])
        keep, dtype = self.keep[number], np.float32 if single(self.G) else np.float64
        for piece in pieces(self.G.blocks[number], first):
            piece = piece._replace(values=piece.values.astype(dtype, copy=False))
            chosen = slice(None) if keep is None else np.flatnonzero(keep[piece.ids - first])
            yield Piece(*(array[chosen] for array in piece))

    def description(self) -> str:
        """Say what the graph is and which of its edges are there."""
        sizes = "-".join(str(part.size) for part in self.G.parts) or "no nodes"
        text = f"NeuralGraph: {sizes}, {many(self.G.n_edges, 'edge')}."
        if self.top is not None:
            which = f"{self.top:,}" if isinstance(self.top, (int, np.integer)) else f"{100 * self.top:g} %"
            shares = ", ".join(
                f"{block.name} {100 * share:.1f} %" for block, share in zip(self.G.blocks, self.shares, strict=True)
            )
            text += (
                f" The strongest {which} of each block: {self.written.n_edges:,} edges with "
                f"{100 * self.written.share:.1f} % of the sum of |weight| ({shares})."
            )
        return text


def pieces(block: Block, first: int = 0) -> Iterator[Piece]:
    """Yield the edges of a block in edge order; ``first`` is the position of its first edge."""
    if block.is_sparse:
        indptr, indices, data = block.csr_arrays()
        for start in range(0, block.n_edges, PIECE):
            stop = min(start + PIECE, block.n_edges)
            ids = np.arange(start, stop)
            rows = np.searchsorted(indptr, ids, side="right") - 1
            yield Piece(first + ids, rows, indices[start:stop], data[start:stop])
        return
    mask, flat = block.mask, block.dense().reshape(-1)
    done = first
    for start in range(0, flat.size, PIECE):
        stop = min(start + PIECE, flat.size)
        cells = np.arange(start, stop) if mask is None else start + np.flatnonzero(mask.reshape(-1)[start:stop])
        rows, cols = np.divmod(cells, block.n_source)
        yield Piece(np.arange(done, done + len(cells)), rows, cols, flat[start:stop] if mask is None else flat[cells])
        done += len(cells)


def select(G: NeuralGraph, path: str | os.PathLike[str], *, top: int | float | None, zeros: bool) -> Selection:
    """Choose the strongest edges of each block and, unless ``zeros``, leave out those that readers take for 0."""
    wanted = counts(G, top)
    keep: list[np.ndarray | None] = []
    shares, sums, n_unseen = [], [], 0
    for block, n in zip(G.blocks, wanted, strict=True):
        chosen = None if n == block.n_edges else ranked(block.values, n, "largest", None)
        total, kept, unseen = _weighed(block, chosen)
        if unseen and not zeros:
            chosen = np.ones(block.n_edges, dtype=bool) if chosen is None else chosen
            for piece in pieces(block):
                chosen[piece.ids] &= np.abs(piece.values, dtype=np.float64) >= SMALLEST
            n_unseen += unseen
        keep.append(chosen)
        sums.append((kept, total))
        shares.append(kept / total if total else 1.0)
    n_edges = sum(wanted) - n_unseen
    if n_unseen:
        _log.warning(
            "%s: left out %s of weight 0, or below %.1e, which readers of single precision take for 0",
            path,
            many(n_unseen, "edge"),
            SMALLEST,
        )
    kept, total = (sum(column) for column in zip(*sums, strict=True)) if sums else (0.0, 0.0)
    written = Written(n_edges, G.n_edges - n_edges, kept / total if total else 1.0)
    return Selection(G, tuple(keep), tuple(shares), written, top)


def _weighed(block: Block, chosen: np.ndarray | None) -> tuple[float, float, int]:
    """Return the sum of |weight| of a block, that of its chosen edges, and how many of those readers take for 0."""
    total = kept = 0.0
    unseen = 0
    for piece in pieces(block):
        size = np.abs(piece.values, dtype=np.float64)
        total += float(size.sum())
        if chosen is not None:
            size = size[chosen[piece.ids]]
        kept += float(size.sum())
        unseen += int(np.count_nonzero(size < SMALLEST))
    return total, kept, unseen


def counts(G: NeuralGraph, top: int | float | None) -> list[int]:
    """Return how many edges of each block ``top`` asks for."""
    sizes = [block.n_edges for block in G.blocks]
    if top is None:
        return sizes
    whole = isinstance(top, (int, np.integer)) and not isinstance(top, bool)
    if whole and top >= 1:
        return [min(int(top), size) for size in sizes]
    if isinstance(top, (float, np.floating)) and 0 < top <= 1:
        return [min(max(count_of(float(top), size), 1), size) for size in sizes]
    raise ArgumentError(
        f"top: got {top!r}; expected a whole number of edges for each block, at least 1, or a fraction of them, in "
        "(0, 1]."
    )


def guard(n_edges: int, path: str | os.PathLike[str], kind: str, bytes_per_edge: int, *, force: bool) -> None:
    """Refuse, or warn about, a file of more edges than a viewer can bear."""
    size = f"{path}: {n_edges:,} edges are about {n_edges * bytes_per_edge / 2**20:,.0f} MiB of {kind}"
    if n_edges > EDGES_REFUSE and not force:
        raise SizeError(
            f"{size}; the limit is {EDGES_REFUSE:,}. Keep the strongest with top, prune, select blocks, save as "
            ".nngraph, or go on with force."
        )
    if n_edges > EDGES_WARN:
        _log.warning("%s; Gephi is slow above %s edges", size, f"{EDGES_WARN:,}")


def single(G: NeuralGraph) -> bool:
    """Tell whether every weight fits into single precision, by the types of the blocks."""
    return bool(G.blocks) and all(block.dtype in ("float16", "bfloat16", "float32") for block in G.blocks)
