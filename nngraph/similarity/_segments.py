"""Segmentations of a map, how well groups hold together, and whether drift alone makes such ones."""

from __future__ import annotations

import numpy as np

from nngraph._rng import child, generator

LARGEST = 12
"""Most groups that are tried where the number is to be found."""


def _costs(D: np.ndarray) -> np.ndarray:
    """Return (L + 1, L + 1) costs of the segments [i, j), infinite where they are empty."""
    sums = np.zeros((len(D) + 1, len(D) + 1))
    sums[1:, 1:] = (D**2).cumsum(0).cumsum(1)
    sizes = np.subtract.outer(np.arange(len(sums)), np.arange(len(sums))).T
    corners = np.diag(sums)
    costs: np.ndarray = (corners + corners[:, None] - sums - sums.T) / np.maximum(2 * sizes, 1)
    return np.where(sizes > 0, np.maximum(costs, 0), np.inf)


def segmentations(D: np.ndarray, largest: int) -> dict[int, np.ndarray]:
    """Return the labels of the best segmentation into each of 1 to ``largest`` groups."""
    L, costs = len(D), _costs(D)
    best, cuts = costs[0], []
    found = {1: np.zeros(L, dtype=np.int64)}
    for k in range(2, largest + 1):
        totals = best[:, None] + costs
        cuts.append(totals.argmin(axis=0))
        best = totals[cuts[-1], np.arange(L + 1)]
        starts, end = np.zeros(L, dtype=np.int64), L
        for cut in cuts[::-1]:
            end = cut[end]
            starts[end] = 1
        found[k] = starts.cumsum()
    return found


def cost(D: np.ndarray, labels: np.ndarray) -> float:
    """Return the sum over groups of the squared distances within each, over its size."""
    return float(sum((D[np.ix_(own, own)] ** 2).sum() / (2 * own.sum()) for own in (labels == g for g in set(labels))))


def silhouettes(D: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the silhouette of each tap for groups 0 to k - 1; NaN for one group."""
    k = int(labels.max()) + 1
    if k == 1:
        return np.full(len(D), np.nan)
    member = np.eye(k)[labels]
    sizes, sums, taps = member.sum(axis=0), D @ member, np.arange(len(D))
    own = sums[taps, labels] / np.maximum(sizes[labels] - 1, 1)
    means = sums / sizes
    means[taps, labels] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    return np.where((sizes[labels] > 1) & (larger > 0), (other - own) / np.where(larger > 0, larger, 1), 0.0)


def _best_silhouette(D: np.ndarray) -> float:
    found = segmentations(D, min(LARGEST, len(D) - 1))
    return max(float(silhouettes(D, labels).mean()) for k, labels in found.items() if k > 1)


def drift_p(D: np.ndarray, observed: float, draws: int, seed: np.random.SeedSequence) -> float:
    """Return the share of drifts, the map itself among them, whose best segmentation has as large a silhouette."""
    from scipy.linalg import toeplitz
    from scipy.spatial.distance import pdist, squareform

    if not D.any():
        return 1.0
    L, squares = len(D), (D / D.max()) ** 2
    centring = np.eye(L) - 1 / L
    spread = np.maximum(np.linalg.eigvalsh(-centring @ squares @ centring / 2), 0)
    dimensions = max(1, round(spread.sum() ** 2 / (spread**2).sum()))
    by_lag = [0.0] + [float(np.diag(squares, lag).mean()) for lag in range(1, L)]
    values, vectors = np.linalg.eigh(-centring @ toeplitz(by_lag) @ centring / 2)
    root = vectors * np.sqrt(np.maximum(values, 0))
    draw = generator(child(seed, "groups", "drift"))
    reached = 0
    for _ in range(draws):
        points = root @ draw.standard_normal((L, dimensions))
        reached += _best_silhouette(squareform(pdist(points))) >= observed
    return (1 + reached) / (1 + draws)
