"""How the rows of a parameter hold the edges of a block, and whether two blocks hold the same."""

from __future__ import annotations

import numpy as np

from nngraph.blocks import Block, Origin
from nngraph.errors import RoundTripError


def flat_entries(block: Block, origin: Origin) -> tuple[np.ndarray, np.ndarray] | None:
    """Return flat places in the parameter's rows and their weights; None for a dense block in the plain layouts."""
    if origin.layout == "unrolled":
        return folded(block, origin)
    if origin.layout == "convolution" and origin.groups > 1:
        source, target, weight = block.edges()
        width = block.n_source // origin.groups
        column = source - (target.astype(np.int64) * origin.groups // block.n_target) * width
        if ((column < 0) | (column >= width)).any():
            raise RoundTripError(
                f"block '{block.name}': got edges between the {origin.groups} groups of '{origin.parameter}', which "
                "has no place for them. Use a null model that keeps the support."
            )
        return target.astype(np.int64) * width + column, weight
    if not block.is_sparse:
        return None
    source, target, weight = block.edges()
    if origin.layout == "transposed":
        return source.astype(np.int64) * block.n_target + target, weight
    return target.astype(np.int64) * block.n_source + source, weight


def folded(block: Block, origin: Origin) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel entries of an unrolled convolution, all of whose copies must agree."""
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
    kernel = np.zeros(int(np.prod(origin.shape)), dtype=weight.dtype)
    kernel[entry] = values
    kept = np.zeros(len(kernel), dtype=bool)
    kept[entry] = present
    n_bad = int(np.count_nonzero(kernel[entry] != values))
    if n_bad:
        raise RoundTripError(
            f"block '{block.name}': {n_bad:,} of {len(cells):,} edges differ from other copies of their entry of "
            f"'{origin.parameter}'. Only changes that treat all copies alike can be written back; conv='entry' has one "
            "edge per entry."
        )
    where = np.flatnonzero(kept)
    return where, kernel[where]


def present_entries(
    block: Block, origin: Origin, flat: tuple[np.ndarray, np.ndarray] | None, shape: tuple[int, ...]
) -> np.ndarray:
    """Return which entries of the parameter's rows are edges."""
    if flat is not None:
        present = np.zeros(int(np.prod(shape)), dtype=bool)
        present[flat[0]] = True
        return present.reshape(shape)
    mask = block.mask
    if mask is None:
        return np.ones(shape, dtype=bool)
    return np.ascontiguousarray(mask.T if origin.layout == "transposed" else mask).reshape(shape)


def agree(a: Block, its: Origin, b: Block, others: Origin) -> bool:
    if (its.layout == "transposed") != (others.layout == "transposed"):
        b = b.transposed()
    if "unrolled" in (its.layout, others.layout):
        pair = folded(a, its), folded(b, others)
        return all(np.array_equal(x, y) for x, y in zip(*pair, strict=True))
    if a.shape != b.shape:
        return False
    return a.same_support(b) and (a.values is b.values or np.array_equal(a.values, b.values))


def block_shape(origin: Origin) -> tuple[int, int]:
    """Return (n_target, n_source) of a block of this origin."""
    n_rows = origin.shape[0] if origin.rows is None else origin.rows[1] - origin.rows[0]
    n_columns = int(np.prod(origin.shape[1:])) * origin.groups
    return (n_columns, n_rows) if origin.layout == "transposed" else (n_rows, n_columns)


def check_shape(block: Block, origin: Origin) -> None:
    if origin.layout not in ("unrolled", "channel") and block.shape != block_shape(origin):
        raise RoundTripError(
            f"block '{block.name}', parameter '{origin.parameter}': got a block of shape {block.shape}; expected "
            f"{block_shape(origin)}."
        )
