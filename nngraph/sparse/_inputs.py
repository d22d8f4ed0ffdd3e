"""Checks of what sparse layers are given."""

from __future__ import annotations

import numpy as np
import torch

from nngraph.errors import ArgumentError

DTYPES = (torch.float32, torch.float64)


def check_dtype(dtype: object, where: str) -> torch.dtype:
    """Return a type for which there are sparse products."""
    if not isinstance(dtype, torch.dtype) or dtype not in DTYPES:
        raise ArgumentError(
            f"{where}: got the type {dtype}; expected torch.float32 or torch.float64, the types of sparse products. "
            "Convert by model.float() first."
        )
    return dtype


def tensor_of(array: object, where: str) -> torch.Tensor:
    """Return a tensor, or a copy of an array as one."""
    if isinstance(array, torch.Tensor):
        return array
    try:
        return torch.from_numpy(np.array(array))
    except (TypeError, ValueError):
        raise ArgumentError(f"{where}: got {type(array).__name__}; expected a tensor or an array of numbers.") from None


def array_of(array: object, where: str) -> np.ndarray:
    """Return an array, or the values of a tensor as one, on the processor."""
    if isinstance(array, torch.Tensor):
        tensor = array.detach().cpu()
        return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    try:
        return np.asarray(array)
    except ValueError:
        raise ArgumentError(f"{where}: got rows of several lengths; expected an array or a tensor.") from None
