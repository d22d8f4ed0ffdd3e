"""Point clouds, and the layers of a random network, for tests of distances between representations."""

import numpy as np
from scipy.spatial.distance import pdist, squareform


def cloud(n, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def scaled(x):
    D = squareform(pdist(x))
    return D / (D.mean() or 1)


def clouds(n):
    """Points of different kinds, so that costs have no ties, many, near ties, and outliers."""
    rng = np.random.default_rng(n)
    far = rng.normal(size=(n, 3))
    far[0] *= 1e3
    return {
        "gaussian": rng.normal(size=(n, 4)),
        "line": rng.normal(size=(n, 1)),
        "one-hot": np.eye(5)[rng.integers(5, size=n)],
        "grid": rng.integers(0, 3, size=(n, 2)).astype(float),
        "duplicates": np.repeat(rng.normal(size=(n // 2 + 1, 2)), 2, axis=0)[:n],
        "outlier": far,
    }


def layers(n=40, depth=6, width=8, seed=0):
    """Representations of a random network of rectified layers, its input first."""
    rng = np.random.default_rng(seed)
    reps = {"input": rng.normal(size=(n, width))}
    for k in range(1, depth):
        above = list(reps.values())[-1]
        reps[f"layer {k}"] = np.maximum(above @ rng.normal(size=(above.shape[1], width)), 0) + 0.3 * above
    return reps
