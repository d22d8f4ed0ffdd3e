"""How the rows of a parameter hold the edges of a block, and whether two blocks hold the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nngraph.blocks import Block, Origin
from nngraph.errors import RoundTripError


class Entries(NamedTuple):
    """Entries of a parameter's rows, flat."""

    at: np.ndarray
    """(n,) places of the edges."""
    weights: np.ndarray
    """(n,) weights there."""
    unseen: np.ndarray | None = None
    """For an unrolled convolution, True at the kernel entries that lie in the padding at every place; None: none do."""


def flat_entries(block: Block, origin: Origin) -> Entries | None:
    """Return where the parameter's rows hold the edges; None for a dense block in the plain layouts."""
    if origin.layout == "unrolled":
        return unfolded([block], [origin])
    if origin.layout == "edges":
        return _listed(block, origin)
    if origin.layout == "convolution" and origin.groups > 1:
        source, target, weight = block.edges()
        width = block.n_source // origin.groups
        column = source - (target.astype(np.int64) * origin.groups // block.n_target) * width
        if ((column < 0) | (column >= width)).any():
            raise RoundTripError(
                f"block '{block.name}': got edges between the {origin.groups} groups of '{origin.parameter}', which "
                "has no place for them. Use a null model that keeps the support."
            )
        return Entries(target.astype(np.int64) * width + column, weight)
    if not block.is_sparse:
        return None
    source, target, weight = block.edges()
    if origin.layout == "transposed":
        return Entries(source.astype(np.int64) * block.n_target + target, weight)
    return Entries(target.astype(np.int64) * block.n_source + source, weight)


def _listed(block: Block, origin: Origin) -> Entries:
    """Return where a parameter that has one entry for each edge holds those of a block."""
    if origin.entries is None:
        raise RoundTripError(f"block '{block.name}': its origin lost the map to '{origin.parameter}'.")
    cells = origin.entries[0]
    source, target, weight = block.edges()
    wanted = target.astype(np.int64) * block.n_source + source
    at = np.searchsorted(cells, wanted)
    n_new = int(np.count_nonzero(cells[np.minimum(at, len(cells) - 1)] != wanted)) if len(cells) else len(wanted)
    if n_new:
        raise RoundTripError(
            f"block '{block.name}': got {n_new:,} edges that the sparse layer of '{origin.parameter}' does not have, "
            "and it has no place for others. Use a null model that keeps the support, or write to "
            "nngraph.sparse.densify(model) a graph that was made from it."
        )
    return Entries(at, weight)


def unfolded(blocks: Sequence[Block], origins: Sequence[Origin]) -> Entries:
    """Return the kernel of a convolution that is unrolled, perhaps at several sizes; all copies must agree."""
    first, *others = (folded(block, origin) for block, origin in zip(blocks, origins, strict=True))
    seen, kept, kernel = first
    for block, (more, its_kept, its_kernel) in zip(blocks[1:], others, strict=True):
        both = seen & more
        if not (np.array_equal(kept[both], its_kept[both]) and np.array_equal(kernel[both], its_kernel[both])):
            raise disagreement(blocks[0], block, origins[0].parameter)
        kept, kernel, seen = np.where(more, its_kept, kept), np.where(more, its_kernel, kernel), seen | more
    at = np.flatnonzero(kept)
    return Entries(at, kernel[at], None if seen.all() else ~seen)


def folded(block: Block, origin: Origin) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which kernel entries of an unrolled convolution meet a pixel, which of them are edges, and the kernel."""
    if origin.entries is None:
        raise RoundTripError(f"block '{block.name}': its origin lost the map to '{origin.parameter}'.")
    cells, entry = origin.entries
    source, target, weight = block.edges()
    at = target.astype(np.int64) * block.n_source + source
    place = np.searchsorted(cells, at)
    if (place == len(cells)).any() or not np.array_equal(cells[place], at):
        raise RoundTripError(
            f"block '{block.name}': got edges between pixels that the kernel '{origin.parameter}' does not join. Use a "
            "null model that keeps the support."
        )
    values = np.zeros(len(cells), dtype=weight.dtype)
    values[place] = weight
    present = np.zeros(len(cells), dtype=bool)
    present[place] = True
    n_entries = int(np.prod(origin.shape))
    seen, kept = np.zeros((2, n_entries), dtype=bool)
    kernel = np.zeros(n_entries, dtype=weight.dtype)
    seen[entry], kept[entry], kernel[entry] = True, present, values
    n_bad = int(np.count_nonzero((kernel[entry] != values) | (kept[entry] != present)))
    if n_bad:
        raise RoundTripError(
            f"block '{block.name}': {n_bad:,} of {len(cells):,} edges differ from other copies of their entry of "
            f"'{origin.parameter}'. Only changes that treat all copies alike can be written back; conv='entry' has one "
            "edge per entry."
        )
    return seen, kept, kernel


def present_entries(block: Block, origin: Origin, flat: Entries | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return which entries of the parameter's rows are edges, or are seen by no block."""
    if flat is not None:
        present = np.zeros(int(np.prod(shape)), dtype=bool)
        if flat.unseen is not None:
            present |= flat.unseen
        present[flat.at] = True
        return present.reshape(shape)
    mask = block.mask
    if mask is None:
        return np.ones(shape, dtype=bool)
    return np.ascontiguousarray(mask.T if origin.layout == "transposed" else mask).reshape(shape)


def agree(a: Block, its: Origin, b: Block, others: Origin) -> bool:
    """Tell whether two blocks of the plain layouts show one matrix."""
    if (its.layout == "transposed") != (others.layout == "transposed"):
        b = b.transposed()
    if a.shape != b.shape:
        return False
    return a.same_support(b) and (a.values is b.values or np.array_equal(a.values, b.values))


def disagreement(block: Block, other: Block, parameter: str) -> RoundTripError:
    """Return the error for two blocks that show one parameter differently."""
    return RoundTripError(
        f"blocks '{block.name}' and '{other.name}': both are the parameter '{parameter}' (tied weights), but their "
        "edges differ. Change them together, as the operations of nngraph do."
    )


def block_shape(origin: Origin) -> tuple[int, int]:
    """Return (n_target, n_source) of a block of this origin."""
    n_rows = origin.shape[0] if origin.rows is None else origin.rows[1] - origin.rows[0]
    n_columns = int(np.prod(origin.shape[1:])) * origin.groups
    return (n_columns, n_rows) if origin.layout == "transposed" else (n_rows, n_columns)


def check_shape(block: Block, origin: Origin) -> None:
    """Raise unless the block has the shape that its parameter gives."""
    if origin.layout not in ("unrolled", "channel", "edges") and block.shape != block_shape(origin):
        raise RoundTripError(
            f"block '{block.name}', parameter '{origin.parameter}': got a block of shape {block.shape}; expected "
            f"{block_shape(origin)}."
        )
