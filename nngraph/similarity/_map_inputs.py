"""What a map is made of: its arguments, checked, and the distances of its taps."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.similarity import _clouds, _gromov_arguments
from nngraph.similarity._clouds import Normalize
from nngraph.similarity._gromov_arguments import PERMUTATIONS_ONLY
from nngraph.similarity._map_parts import Side
from nngraph.similarity._representations import Representations, same_order
from nngraph.similarity._screening import SHARE, pairs_of
from nngraph.similarity.gromov import is_euclidean

_log = logging.getLogger("nngraph")


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
    names = [starts] if isinstance(starts, str) else starts
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"starts: got {starts!r}; expected names, as ('product', 'identity').")
    return tuple(str(name) for name in _gromov_arguments.starts(names, 0))


def same_samples(reps: object, others: object) -> bool:
    """Tell whether row k of both is one sample, as far as ids say; the same samples in another order raise."""
    if not (isinstance(reps, Representations) and isinstance(others, Representations)):
        return True
    if np.array_equal(reps.ids, others.ids):
        return True
    same_order(reps, others)
    return False


def usable(starts: tuple[str, ...], rows: Side, columns: Side, *, same: bool) -> tuple[str, ...]:
    """Return the starts that a map can begin at, and say which are left out; each pair needs one of them."""
    used = starts if same else tuple(start for start in starts if start != "identity")
    if used != starts:
        used = used if len(used) > 2 else tuple(start for start in used if start != "midpoint")
        _log.info("starts: 'identity' is left out: the samples of the two networks are not the same")
    permuted = by_permutations(rows, columns)
    for i, j in pairs_of(rows, columns):
        idle = () if permuted[i, j] else PERMUTATIONS_ONLY
        if rows.sizes[i] != columns.sizes[j]:
            idle = (*idle, "identity")
        if all(start in idle for start in used):
            raise ArgumentError(
                f"starts: got {starts!r}, of which none applies to {rows.names[i]!r} and {columns.names[j]!r}; "
                "expected 'product' or 'random:k' among them."
            )
    return used


def by_permutations(rows: Side, columns: Side) -> np.ndarray:
    """Tell of which pairs permutations hold an optimum: (L1, L2)."""
    one_size = np.equal.outer(rows.sizes, columns.sizes)
    return np.asarray(one_size & np.logical_and.outer(rows.euclidean, columns.euclidean))


def check_counts(sweeps: object, n_jobs: object) -> None:
    """Raise for what is no number of sweeps or processes."""
    if sweeps is not None:
        _arguments.whole("sweeps", sweeps, 0, also=", or None: until no pair gains")
    _arguments.processes(n_jobs)


def side(reps: Mapping[str, object] | None, given: Mapping[str, object] | None, normalize: Normalize) -> Side:
    """Return the condensed distances of all taps, each square let go before the next is made."""
    from scipy.spatial.distance import squareform

    if reps is None and given is None:
        raise ArgumentError("reps: got none; expected representations, or distances= for every tap.")
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"distances: got {type(given).__name__}; expected a mapping from names of taps to (n, n) arrays."
        )
    checked = {} if reps is None else _clouds.clouds(reps)
    if unknown := [str(name) for name in given if reps is not None and str(name) not in checked]:
        raise ArgumentError(f"distances: got some for {unknown[0]!r}, which is no tap. Name them as the taps.")
    names = tuple(checked) or tuple(str(name) for name in given)
    own = dict(zip(_arguments.texts("distances", given), given.values(), strict=True))
    sizes, condensed, euclidean = [], [], []
    for name in names:
        if name in own:
            raw = _gromov_arguments.distances(f"distances of {name!r}", own[name])
            square = _clouds.scaled(name, raw, normalize=normalize)
        else:
            square = _clouds.distances(name, checked[name], normalize=normalize)
        sizes.append(len(square))
        condensed.append(squareform(square, checks=False))
        euclidean.append(name not in own or is_euclidean(square))
    if reps is not None and len(set(sizes)) > 1:
        other = next(k for k in range(len(sizes)) if sizes[k] != sizes[0])
        raise ArgumentError(
            f"distances: got {sizes[0]} samples at {names[0]!r} and {sizes[other]} at {names[other]!r}; "
            "expected as many as there are representations."
        )
    return Side(names, tuple(sizes), condensed, tuple(euclidean))


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
