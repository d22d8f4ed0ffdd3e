"""Compile every kernel once, or load it from the cache: ``python -m nngraph.similarity._kernels``."""

from __future__ import annotations

import time

import numpy as np


def main() -> None:
    """Compile every kernel (or load it from the cache) and report the seconds."""
    from nngraph.similarity import gromov_map
    from nngraph.similarity._permutations import Distances, solve

    began = time.perf_counter()
    x = np.random.default_rng(0).random((2, 20))
    A, B = (Distances(np.abs(points[:, None] - points)) for points in x)
    solve(A, B, ("product", "identity", "local"))
    gromov_map({str(k): np.random.default_rng(k).random((20, 2)) for k in range(4)}, starts=("identity",))
    gromov_map({str(k): np.random.default_rng(k).random((20, 2)) for k in range(2)}, exact=False)
    print(f"nngraph: kernels of similarity ready after {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
