"""What a map is made of: its arguments, checked, and the distances of its taps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.similarity import _clouds
from nngraph.similarity._clouds import Normalize
from nngraph.similarity._map_parts import Side
from nngraph.similarity._screening import SHARE


def share_of(exact: object) -> float:
    """Return the share of pairs to solve."""
    if isinstance(exact, (bool, np.bool_)):
        return 1.0 if exact else SHARE
    if isinstance(exact, (int, float, np.number)) and 0 <= float(exact) <= 1:
        return float(exact)
    raise ArgumentError(
        f"exact: got {exact!r}; expected True (every pair is solved), False (a screened map), or the share of pairs to "
        "solve, between 0 and 1."
    )


def starts_of(starts: object) -> tuple[str, ...]:
    """Return the names of starts, or say which is none."""
    from nngraph.similarity._gromov_arguments import starts as checked

    names = [starts] if isinstance(starts, str) else starts
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"starts: got {starts!r}; expected names, as ('product', 'identity').")
    return tuple(str(name) for name in checked(names, 0))


def check_counts(sweeps: object, n_jobs: object) -> None:
    """Raise for what is no number of sweeps or processes."""
    numbers = {
        name: int(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None
        for name, value in (("sweeps", sweeps), ("n_jobs", n_jobs))
    }
    if sweeps is not None and (numbers["sweeps"] is None or numbers["sweeps"] < 0):
        raise ArgumentError(f"sweeps: got {sweeps!r}; expected a number of at least 0, or None: until no pair gains.")
    if not numbers["n_jobs"]:
        raise ArgumentError(f"n_jobs: got {n_jobs!r}; expected a number of processes, or -1 for one a core.")


def by_permutations(rows: Side, columns: Side) -> bool:
    """Tell whether permutations hold an optimum of every pair."""
    return rows.euclidean and columns.euclidean and len({*rows.sizes, *columns.sizes}) == 1


def side(reps: Mapping[str, object] | None, given: Mapping[str, object] | None, normalize: Normalize) -> Side:
    """Return the condensed distances of all taps, each square let go before the next is made."""
    from scipy.spatial.distance import squareform

    if reps is None and given is None:
        raise ArgumentError("reps: got none; expected representations, or distances= for every tap.")
    given = {} if given is None else given
    checked = {} if reps is None else _clouds.clouds(reps)
    if unknown := [str(name) for name in given if reps is not None and str(name) not in checked]:
        raise ArgumentError(f"distances: got some for {unknown[0]!r}, which is no tap. Name them as the taps.")
    names = tuple(checked) or tuple(str(name) for name in given)
    own = {str(name): values for name, values in given.items()}
    sizes, condensed = [], []
    for name in names:
        square = (
            _own_distances(name, own[name], normalize)
            if name in own
            else _clouds.distances(name, checked[name], normalize=normalize)
        )
        sizes.append(len(square))
        condensed.append(squareform(square, checks=False))
    if reps is not None and len(set(sizes)) > 1:
        other = next(k for k in range(len(sizes)) if sizes[k] != sizes[0])
        raise ArgumentError(
            f"distances: got {sizes[0]} samples at {names[0]!r} and {sizes[other]} at {names[other]!r}; "
            "expected as many as there are representations."
        )
    return Side(names, tuple(sizes), condensed, euclidean=not own)


def _own_distances(name: str, values: object, normalize: Normalize) -> np.ndarray:
    """Return distances that a user computed, checked and normalised."""
    raw = np.asarray(values)
    if raw.dtype.kind not in "biuf":
        raise ArgumentError(f"distances of {name!r}: got the type {raw.dtype}; expected numbers.")
    D = raw.astype(np.float64)
    if D.ndim != 2 or D.shape[0] != D.shape[1] or len(D) < 2:
        raise ArgumentError(f"distances of {name!r}: got the shape {raw.shape}; expected (n, n) numbers, n > 1.")
    if not np.isfinite(D).all() or (D < 0).any():
        raise ArgumentError(f"distances of {name!r}: got some that are negative, NaN or infinite; expected none.")
    if D.diagonal().any() or np.abs(D - D.T).max() > 1e-9 * D.max():
        raise ArgumentError(f"distances of {name!r}: are not symmetric with zeros on the diagonal; expected that.")
    return _clouds.scaled(name, (D + D.T) / 2, normalize=normalize)


def fingerprint(rows: Side, columns: Side) -> dict[str, object]:
    """Return what a folder recognises the input by."""
    sides = (rows,) if columns is rows else (rows, columns)
    return {
        "taps": [side.names for side in sides],
        "samples": [side.sizes for side in sides],
        "distances": [_digest(side) for side in sides],
    }


def _digest(side: Side) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for condensed in side.condensed:
        digest.update(np.ascontiguousarray(condensed).data)
    return digest.hexdigest()
