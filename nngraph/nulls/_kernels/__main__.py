"""Compile every kernel once, or load it from the cache: ``python -m nngraph.nulls._kernels``."""

from __future__ import annotations

import itertools
import time

import numpy as np


def main() -> None:
    """Compile every kernel (or load it from the cache) and report the seconds."""
    from nngraph.convert.matrices import from_matrices
    from nngraph.nulls import randomize

    began = time.perf_counter()
    W = np.random.default_rng(0).normal(size=(24, 40))
    holes = np.where(np.arange(W.size).reshape(W.shape) % 5, W, 0)
    few = np.where(np.arange(W.size).reshape(W.shape) % 7, 0, W)
    for dtype, matrix, kind in itertools.product((np.float32, np.float64), (W, holes, few), "ABCDEFG"):
        for view in (matrix, matrix.T):
            randomize(from_matrices([view.astype(dtype)]), kind, rng=0)
    for dtype in (np.float32, np.float64):
        randomize(from_matrices([W.astype(dtype)]), "maximum_entropy", rng=0)
    print(f"nngraph: kernels ready after {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
