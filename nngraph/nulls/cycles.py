"""Worms: reversal of directed cycles, which connects all signs of a fixed support with given signed degrees.

Let positive edges run from row to column and negative ones from column to row. Keeping the signed degrees is then
keeping out-degrees, and two such orientations differ by directed cycles, on any support. A worm walks from a row along
out-edges, reversing each edge behind it, until it returns. At each node that it passes, the walk and its reverse both
choose among as many edges as the node has out-edges, so both are equally likely and the uniform law is stationary.
"""

from __future__ import annotations

import math

import numpy as np

from nngraph._rng import child, generator
from nngraph.errors import SizeError
from nngraph.nulls._edges import read_only

__all__ = ["run_worms"]

_PILOT = 16
_FEWEST, _FEWEST_OF_MANY, _MANY = 100, 16, 20_000
"""Worms that run in any case: so many, or fewer where there are many edges and each worm is long."""


def run_worms(
    signs: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    n_columns: int,
    steps: float | None,
    seed: np.random.SeedSequence,
) -> np.ndarray:
    """Return the signs after worms of about ``steps`` steps in all.

    Parameters
    ----------
    signs : numpy.ndarray
        (n_edges,) int8, 1 or -1; an edge of sign 0 takes no part.
    indptr, indices : numpy.ndarray
        Compressed rows of the support.
    n_columns : int
        Number of columns.
    steps : float, optional
        How many edges to pass. It sets the *number* of worms by the mean length of a pilot run that goes before:
        stopping by a total of steps would favour the states that short worms leave. None for a few worms.
    seed : numpy.random.SeedSequence
        Source of the walks.

    Returns
    -------
    numpy.ndarray
        (n_edges,) int8.

    Notes
    -----
    One more worm goes with probability 1/2, so that no parity of the number of worms can show.
    """
    from nngraph.nulls import _kernels

    if 2 * len(signs) >= 2**31 or len(indptr) - 1 + n_columns >= 2**31:
        raise SizeError(f"worms: got {len(signs):,} edges; this null model takes fewer than {2**30:,} in a block.")
    signs, indptr, indices = read_only(signs), read_only(indptr), read_only(indices)
    starts, n_out, other, mate = _kernels.orient(signs, indptr, indices, n_columns)
    n_rows = len(indptr) - 1
    degree = np.diff(starts[: n_rows + 1])
    eligible = np.flatnonzero((n_out[:n_rows] > 0) & (n_out[:n_rows] < degree))
    if len(eligible) == 0:
        return signs
    graph = (starts, n_out, other, mate, eligible)
    n_worms = _FEWEST if len(other) < _MANY else _FEWEST_OF_MANY
    if steps is not None:
        pilot = _kernels.worms(*graph, _PILOT, *_kernels.streams(child(seed, "pilot")))
        n_worms = max(n_worms, math.ceil(steps * _PILOT / pilot))
    n_worms += int(generator(child(seed, "parity")).integers(2))
    _kernels.worms(*graph, n_worms, *_kernels.streams(child(seed, "worms")))
    moved: np.ndarray = _kernels.read_signs(starts, n_out, other, signs, indptr, indices, n_columns)
    return moved
