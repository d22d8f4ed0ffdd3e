"""What the Gromov-Wasserstein functions take, checked: distances, weights, and where a search begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.similarity._permutations import Start, n_random

NAMED = ("product", "identity", "local", "midpoint")
"""Starts that are a name alone."""


PERMUTATIONS_ONLY = ("local", "midpoint")
"""Those that begin at a permutation, and that POT has no use for."""


def numbers(name: str, values: object) -> np.ndarray:
    """Return float64 numbers, all finite, in memory of their own."""
    array = _array(name, values)
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name}: got values of type {array.dtype}; expected numbers.")
    array = np.array(array, dtype=np.float64, order="C")
    if not np.isfinite(array).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise ArgumentError(f"{name}: got {array[where]} at {where}; expected finite numbers.")
    return array


def _array(name: str, values: object) -> np.ndarray:
    if hasattr(values, "detach"):  # a torch tensor
        tensor = values.detach().cpu()
        values = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor  # which numpy does not have
    try:
        return np.asarray(values)
    except ValueError:  # numpy says so of lists of several lengths
        raise ArgumentError(f"{name}: got lists of several lengths; expected an array of numbers.") from None


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


def near_one(D: np.ndarray) -> np.ndarray:
    """Return distances over the power of two nearest their mean: for the solver, whose inner loops are in float32.

    No digit changes, so that a permutation is no better and no worse for it.
    """
    exponent = int(np.frexp(D.mean() * np.sqrt(2))[1]) - 1
    return np.ldexp(D, -exponent) if exponent else D


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


def share(name: str, value: object) -> float:
    """Return a number from 0 to 1."""
    return _arguments.number(name, value, "the share of the distances, from 0 to 1", lambda x: 0 <= x <= 1)


def entropy(epsilon: object) -> float | None:
    """Return the weight of the entropy; None for none."""
    if epsilon is None:
        return None
    expected = "a number above 0, or None for no entropy"
    return _arguments.number("epsilon", epsilon, expected, lambda x: 0 < x < np.inf)


def starts(given: str | Sequence[Start], n: int) -> list[Start]:
    """Return the starts as names and int64 permutations."""
    if not isinstance(given, Iterable):
        raise ArgumentError(f"starts: got {given!r}; expected a sequence, such as ('product', 'identity').")
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
            p = _array("starts", start)
            if p.dtype.kind not in "iu" or p.shape != (n,) or not np.array_equal(np.sort(p), np.arange(n)):
                raise ArgumentError(f"starts: got an array that is no permutation of {n} points.")
            checked.append(p.astype(np.int64))
    if not checked:
        raise ArgumentError("starts: got none; expected at least one, such as 'product'.")
    return checked
