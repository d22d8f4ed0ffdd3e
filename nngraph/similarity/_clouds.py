"""What every measure takes: point clouds with a row for each sample, checked once, and the distances within one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError

Normalize: TypeAlias = Literal["mean", "max", "none"]
LARGEST = 1e60
"""Largest size of a number, and the inverse of the least: measures take fourth powers, which end at 1e308."""


def cloud(name: str, values: object) -> np.ndarray:
    """Return one representation as a (n, d) array of floats, or say in one sentence why it is none.

    float32 stays float32; integers and booleans become float64; (n,) becomes (n, 1).
    """
    if hasattr(values, "detach"):  # a torch tensor
        tensor = values.detach().cpu()
        values = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor  # which numpy does not have
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ArgumentError(f"tap {name!r}: got values of type {array.dtype}; expected numbers.")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.shape[1]:
        raise ArgumentError(
            f"tap {name!r}: got the shape {array.shape}; expected (samples, dimensions). Flatten what lies behind the "
            "first axis, or take representations(...) with a rule for it."
        )
    if len(array) < 2:
        raise ArgumentError(f"tap {name!r}: got {len(array)} sample; expected at least 2: distances are between two.")
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ArgumentError(
            f"tap {name!r}: got {int(bad.sum())} values that are NaN or infinite, the first at sample {row}, dimension "
            f"{column}; expected finite numbers. Check the model and its inputs, or leave the tap out."
        )
    largest = max(float(array.max()), -float(array.min()))
    if largest > LARGEST or 0 < largest < 1 / LARGEST:
        raise ArgumentError(
            f"tap {name!r}: its largest number is {largest:.3g}; expected one from {1 / LARGEST:g} to {LARGEST:g}, so "
            "that powers of it stay within floating point. Divide the tap by its largest number."
        )
    return array


def clouds(reps: Mapping[str, object], *, same_samples: bool = True) -> dict[str, np.ndarray]:
    """Return all representations checked, by name, in their order; by default all of the same number of samples."""
    if not isinstance(reps, Mapping):
        raise ArgumentError(
            f"representations: got {type(reps).__name__}; expected a mapping from names of taps to (n, d) arrays."
        )
    if not reps:
        raise ArgumentError("representations: got none; expected at least one tap.")
    names = _arguments.texts("representations", reps)
    checked = {name: cloud(name, values) for name, values in zip(names, reps.values(), strict=True)}
    sizes = {name: len(values) for name, values in checked.items()}
    first, n = next(iter(sizes.items()))
    if same_samples and (other := next((name for name in sizes if sizes[name] != n), None)):
        raise ArgumentError(
            f"representations: got {n} samples at {first!r} and {sizes[other]} at {other!r}; expected the same samples "
            "in the same order at all taps."
        )
    return checked


def distances(name: str, x: np.ndarray, *, normalize: Normalize = "mean") -> np.ndarray:
    r"""Return the (n, n) Euclidean distances of a cloud, float64, symmetric, with zeros on the diagonal.

    .. math:: D_{ij} = \lVert x_i - x_j \rVert_2

    divided by the mean of all n^2 entries (``"mean"``), by the largest (``"max"``), or by nothing (``"none"``).
    Differences are taken, not inner products, so that near points do not cancel.
    """
    from scipy.spatial.distance import pdist, squareform

    return scaled(name, squareform(pdist(np.asarray(x, dtype=np.float64))), normalize=normalize)


def scaled(name: str, D: np.ndarray, *, normalize: Normalize) -> np.ndarray:
    """Divide a (n, n) distance matrix, in place, by its mean, its maximum or nothing."""
    if normalize not in ("mean", "max", "none"):
        raise ArgumentError(f"normalize: got {normalize!r}; expected 'mean', 'max' or 'none'.")
    if normalize == "none":
        return D
    scale = D.mean() if normalize == "mean" else D.max()
    if not scale > 0:
        raise ArgumentError(
            f"tap {name!r}: is constant: all {len(D)} samples have the same representation, so its distances are 0 and "
            "cannot be normalised. Leave the tap out, or pass normalize='none'."
        )
    D /= scale
    return D
