"""Arrays to tensors, and the devices that they go to."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch

from nngraph.errors import ArgumentError

Array: TypeAlias = "np.ndarray | torch.Tensor"


def as_tensor(values: Array) -> torch.Tensor:
    """Return an array as a tensor that shares its memory, or a copy where it is read-only."""
    if isinstance(values, torch.Tensor):
        return values.detach()
    array = np.ascontiguousarray(values)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device that can compute, or raise before anything is moved to it."""
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except Exception as error:
        raise ArgumentError(f"device: got {device!r}, which cannot be used here ({error}).") from None
    if place.type == "meta":
        raise ArgumentError("device: got 'meta', on which nothing is computed and a model loses its weights.")
    return place
