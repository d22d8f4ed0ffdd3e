"""Compile every kernel once, or load it from the cache: ``python -m nngraph.nulls._kernels``."""

from __future__ import annotations

import contextlib
import itertools
import time
import warnings

import numpy as np


def main() -> None:
    """Compile every kernel (or load it from the cache) and report the seconds."""
    from nngraph.convert.matrices import from_matrices
    from nngraph.errors import NullModelError, NullModelWarning
    from nngraph.nulls import randomize
    from nngraph.nulls.magnitudes import SIGNED_POLICIES
    from nngraph.nulls.trades import PlaneChain

    warnings.simplefilter("ignore", NullModelWarning)  # of blocks that are too small to move
    began = time.perf_counter()
    W = np.random.default_rng(0).normal(size=(60, 100))  # large enough for planes of bits
    holes = np.where(np.arange(W.size).reshape(W.shape) % 9, W, 0)
    few = np.where(np.arange(W.size).reshape(W.shape) % 7, 0, W)
    fewer = np.zeros((60, 80))
    fewer[:3, :3] = np.diag(W[:3, 0])
    kinds = (*"ABCDEFG", "signed_configuration", "configuration")
    dtypes = (np.float16, np.float32, np.float64)
    for dtype, matrix, kind in itertools.product(dtypes, (W, holes, few, fewer), kinds):
        for view in (matrix, matrix.T):
            with contextlib.suppress(NullModelError):  # of a block in which nothing can change
                randomize(from_matrices([view.astype(dtype)]), kind, rng=0)
    for plane in (np.eye(64, 300, dtype=bool), np.random.default_rng(0).random((64, 300)) < 0.5):
        words = np.packbits(np.pad(plane, ((0, 0), (0, 20))), axis=1, bitorder="little").view(np.uint64)
        for n_threads in (1, 2):
            chain = PlaneChain(np.ascontiguousarray(words.T), 300, np.random.SeedSequence(0))
            chain.run(1, n_threads, large=0)
    for dtype, matrix, policy in itertools.product((np.float32, np.float64), (W, np.sign(few)), SIGNED_POLICIES):
        randomize(from_matrices([matrix.astype(dtype)]), "G", weights=policy, rng=0)
    for dtype in (np.float32, np.float64):
        randomize(from_matrices([W.astype(dtype)]), "maximum_entropy", rng=0)
    print(f"nngraph: kernels ready after {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
