"""Arrays to tensors."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch

Array: TypeAlias = "np.ndarray | torch.Tensor"


def as_tensor(values: Array) -> torch.Tensor:
    """Return an array as a tensor that shares its memory, or a copy where it is read-only."""
    if isinstance(values, torch.Tensor):
        return values.detach()
    array = np.ascontiguousarray(values)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
