"""Supports of blocks as matrices for products."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph.blocks import PRODUCTS_SPARSE_BELOW, Block
from nngraph.stats._sides import Sign


def support(block: Block, sign: Sign, dtype: type[np.floating]) -> Any:
    """Return the (n_target, n_source) support of the edges of a sign, 0 and 1, a scipy array where few are present."""
    if block.density < PRODUCTS_SPARSE_BELOW:
        matrix = block.csr().astype(dtype)
        matrix.data = _of_sign(matrix.data, sign).astype(dtype)
        matrix.eliminate_zeros()
        return matrix
    if sign is None:
        mask = block.mask
        return np.ones(block.shape, dtype) if mask is None else mask.astype(dtype)
    return _of_sign(block.dense(), sign).astype(dtype)


def _of_sign(weights: np.ndarray, sign: Sign) -> np.ndarray:
    if sign is None:
        return np.ones(weights.shape, bool)
    chosen: np.ndarray = weights > 0 if sign == "+" else weights < 0
    return chosen
