r"""Sweeps of compositions: a plan from i to k, then one from k to j, is a plan from i to j.

Its root is at most the sum of the two roots, as the root of the objective of a permutation is a Frobenius norm. When no
composition is cheaper than the plan of its pair, the roots therefore satisfy the triangle inequality. For the same
reason it is at least their difference, so that most middles are ruled out without a look at them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph.similarity._map_folder import Record
from nngraph.similarity._map_parts import Pair, one_thread, squares
from nngraph.similarity._permutations import cost, exchange

TOLERANCE = 1e-10
"""The relative gain below which a plan is not called cheaper."""


def candidates(roots: np.ndarray, changed: np.ndarray) -> dict[Pair, np.ndarray]:
    """Return, for each pair i < j, the middles that may give a cheaper plan, the most promising first.

    Parameters
    ----------
    roots : (L, L) array
        Roots of the objectives.
    changed : (L, L) array of bool
        Which plans are new since the last sweep: the others have been composed already.
    """
    found = {}
    for i in range(len(roots)):
        for j in range(i + 1, len(roots)):
            possible = (changed[i] | changed[j]) & (np.abs(roots[i] - roots[j]) < roots[i, j])
            possible[[i, j]] = False
            middles = np.flatnonzero(possible)
            if len(middles):
                found[i, j] = middles[np.argsort(roots[i, middles] + roots[j, middles], kind="stable")]
    return found


def sweep_tile(
    condensed: dict[int, np.ndarray],
    pairs: Sequence[Pair],
    plans: np.ndarray,
    squared: np.ndarray,
    middles: dict[Pair, np.ndarray],
) -> Record:
    """Compose plans over the middles, exchange partners in the cheapest of each pair, and return those that gain.

    Parameters
    ----------
    condensed : dict of (n (n - 1) / 2,) arrays
        Distances of the taps of these pairs.
    plans : (L, L, n) array
        ``plans[i, j]`` leads from i to j, ``plans[j, i]`` back.
    squared : (L, L) array
        Their objectives.
    """
    from nngraph.similarity._kernels import cheapest

    taps = squares(condensed)
    n = plans.shape[-1]
    better: list[tuple[Pair, int, float, np.ndarray]] = []
    with one_thread():
        for i, j in pairs:
            A, B = taps[i], taps[j]
            limit = squared[i, j] * (1 - TOLERANCE) * n**2 / 2
            k, total = cheapest(A.D, B.D, plans[i], plans[:, j], middles[i, j], limit)
            if k < 0:
                continue
            composed = plans[k, j][plans[i, k]].astype(np.int64)
            value, exchanged = 2 * total / n**2, composed.copy()
            exchange(A, B, exchanged)
            if (lower := cost(A, B, exchanged)) < value:  # exchanges see distances in float32
                value, composed = lower, exchanged
            better.append(((i, j), int(k), value, composed))
    return {
        "pairs": np.array([pair for pair, *_ in better], dtype=np.int64).reshape(-1, 2),
        "over": np.array([k for _, k, _, _ in better], dtype=np.int64),
        "squared": np.array([value for _, _, value, _ in better]),
        "plans": np.array([plan for *_, plan in better], dtype=np.int32).reshape(-1, n),
    }
