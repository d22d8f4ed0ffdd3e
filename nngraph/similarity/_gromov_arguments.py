"""What the Gromov-Wasserstein functions take, checked: distances, weights, and where a search begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.similarity._permutations import Start, n_random

NAMED = ("product", "identity", "local", "midpoint")
"""Starts that are a name alone."""


def numbers(name: str, values: object) -> np.ndarray:
    """Return float64 numbers, all finite, in memory of their own."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)  # a torch tensor, perhaps
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name}: got values of type {array.dtype}; expected numbers.")
    array = np.array(array, dtype=np.float64, order="C")
    if not np.isfinite(array).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise ArgumentError(f"{name}: got {array[where]} at {where}; expected finite numbers.")
    return array


def distances(name: str, values: object) -> np.ndarray:
    """Return a matrix of distances, exactly symmetric and with zeros on its diagonal, in memory of its own."""
    D = numbers(name, values)
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise ArgumentError(
            f"{name}: got the shape {D.shape}; expected a square matrix of distances, such as "
            "scipy.spatial.distance.squareform(pdist(x)) of a representation x."
        )
    if len(D) < 2:
        raise ArgumentError(f"{name}: got {len(D)} points; expected at least 2: distances are between two.")
    slack = 1e-6 * np.abs(D).max()  # of distances taken in float32
    if D.min() < -slack:
        raise ArgumentError(f"{name}: got the negative entry {D.min():g}; expected distances. Is it a similarity?")
    if np.abs(np.diagonal(D)).max() > slack:
        raise ArgumentError(
            f"{name}: got {np.abs(np.diagonal(D)).max():g} on the diagonal; expected 0, as of a point to itself."
        )
    if np.abs(D - D.T).max() > slack:
        raise ArgumentError(
            f"{name}: is not symmetric, by up to {np.abs(D - D.T).max():g}; expected D[i, j] = D[j, i]."
        )
    half: np.ndarray = np.maximum((D + D.T) / 2, 0.0)
    np.fill_diagonal(half, 0.0)
    return half


def weights(name: str, values: object, n: int) -> np.ndarray:
    """Return masses that sum to 1; uniform ones for None."""
    if values is None:
        return np.full(n, 1 / n)
    w = numbers(name, values)
    if w.shape != (n,):
        raise ArgumentError(f"{name}: got the shape {w.shape}; expected ({n},), a mass for each point.")
    if w.min() < 0 or not w.sum() > 0:
        raise ArgumentError(
            f"{name}: got masses from {w.min():g} to {w.max():g}; expected none below 0 and some above."
        )
    masses: np.ndarray = w / w.sum()
    return masses


def starts(given: str | Sequence[Start], n: int) -> list[Start]:
    """Return the starts as names and int64 permutations."""
    checked: list[Start] = []
    for start in [given] if isinstance(given, str) else given:
        if isinstance(start, str):
            if start not in NAMED and not n_random(start):
                raise ArgumentError(f"starts: got {start!r}; expected of {NAMED}, 'random:5', or a permutation.")
            if start == "midpoint" and len(checked) < 2:
                raise ArgumentError(
                    "starts: got 'midpoint' behind less than two starts; expected it behind two others."
                )
            checked.append(start)
        else:
            p = np.asarray(start)
            if p.dtype.kind not in "iu" or p.shape != (n,) or not np.array_equal(np.sort(p), np.arange(n)):
                raise ArgumentError(f"starts: got an array that is no permutation of {n} points.")
            checked.append(p.astype(np.int64))
    if not checked:
        raise ArgumentError("starts: got none; expected at least one, such as 'product'.")
    return checked
