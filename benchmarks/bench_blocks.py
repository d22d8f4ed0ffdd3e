"""Every operation and every null model on one 768x3072 block, beside the best plain numpy line for it, interleaved."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import nngraph as nng

SHAPE = (3072, 768)
"""(n_target, n_source): a feed-forward matrix of a 768-wide transformer."""


def cases(W: np.ndarray) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name -> (call of the library, plain numpy line)."""
    G = nng.from_matrices([W], zeros="keep")
    rng = np.random.default_rng(0)
    n_half, n_most, ops, draw = W.size // 2, int(0.9 * W.size), nng.ops, nng.nulls.randomize

    def prune() -> np.ndarray:
        size = np.abs(W)
        return np.where(size > np.partition(size.ravel(), n_most - 1)[n_most - 1], W, 0)

    def prune_random() -> np.ndarray:
        out = W.copy().ravel()
        out[rng.choice(out.size, n_half, replace=False, shuffle=False)] = 0
        return out.reshape(W.shape)

    def flip() -> np.ndarray:
        size = np.abs(W)
        return np.where(size <= np.partition(size.ravel(), n_half - 1)[n_half - 1], -W, W)

    def by_sign() -> np.ndarray:
        out = W.copy()
        for mask in (W > 0, W < 0):
            out[mask] = rng.permutation(W[mask])
        return out

    def within(axis: int) -> np.ndarray:
        """Order each line by random keys within sign, and deal its values to the places of their sign."""
        sign = (W > 0).astype(np.float32)
        order = np.argsort(2 * sign + rng.random(W.shape, dtype=np.float32), axis=axis)
        places = np.argsort(sign, axis=axis, kind="stable")
        out = np.empty_like(W)
        np.put_along_axis(out, places, np.take_along_axis(W, order, axis), axis)
        return out

    def curveball() -> np.ndarray:
        """Re-deal positive signs between pairs of rows of the shorter side, 20 sweeps, then magnitudes by sign."""
        signs = np.ascontiguousarray((W > 0).T if W.shape[0] > W.shape[1] else W > 0)
        for _ in range(20):
            order = rng.permutation(len(signs))
            for i, j in zip(order[::2], order[1::2], strict=False):
                differ = np.flatnonzero(signs[i] != signs[j])
                dealt = rng.permutation(signs[i, differ])
                signs[i, differ], signs[j, differ] = dealt, ~dealt
        signs = signs.T if W.shape[0] > W.shape[1] else signs
        out = np.empty_like(W)
        out[signs] = rng.permutation(W[W > 0])
        out[~signs] = rng.permutation(W[W <= 0])
        return out

    return {
        "prune .9": (lambda: ops.prune(G, 0.9), prune),
        "prune .5 random": (lambda: ops.prune(G, 0.5, order="random", rng=1), prune_random),
        "binarize": (lambda: ops.binarize(G), lambda: np.sign(W)),
        "binarize mean_abs": (
            lambda: ops.binarize(G, scale="mean_abs"),
            lambda: np.sign(W) * np.float32(np.abs(W).mean(dtype=np.float64)),
        ),
        "add_noise uniform": (
            lambda: ops.add_noise(G, 0.1, rng=1),
            lambda: W + (rng.random(W.shape, dtype=np.float32) - np.float32(0.5)) * np.float32(0.2),
        ),
        "add_noise normal": (
            lambda: ops.add_noise(G, 0.1, distribution="normal", rng=1),
            lambda: W + rng.standard_normal(W.shape, dtype=np.float32) * np.float32(0.1),
        ),
        "flip_signs .5": (lambda: ops.flip_signs(G, 0.5), flip),
        "A": (lambda: draw(G, "A", rng=1), lambda: rng.permutation(W.ravel()).reshape(W.shape)),
        "B": (lambda: draw(G, "B", rng=1), by_sign),
        "C": (lambda: draw(G, "C", rng=1), lambda: rng.permuted(W, axis=0)),
        "D": (lambda: draw(G, "D", rng=1), lambda: rng.permuted(W, axis=1)),
        "E": (lambda: draw(G, "E", rng=1), lambda: within(0)),
        "F": (lambda: draw(G, "F", rng=1), lambda: within(1)),
        "G": (lambda: draw(G, "G", rng=1), curveball),
    }


def main(repeats: int = 7, shape: tuple[int, int] = SHAPE) -> None:
    """Print medians of process time (ms) and ratios, library and plain line taken in turn."""
    W = np.random.default_rng(7).normal(size=shape).astype(np.float32)
    print(
        f"block of {shape[1]} source and {shape[0]} target nodes, float32; medians of {repeats}, ms of processor time"
    )
    print(f"{'':20}{'nngraph':>9}{'numpy':>9}{'ratio':>7}")
    for name, pair in cases(W).items():
        seconds: tuple[list[float], list[float]] = ([], [])
        for turn in range(repeats + 1):
            for call, times in zip(pair, seconds, strict=True):
                began = time.process_time()
                call()
                if turn:  # the first turn loads compiled code and warms caches
                    times.append(time.process_time() - began)
        ours, plain = (1e3 * statistics.median(times) for times in seconds)
        print(f"{name:20}{ours:9.1f}{plain:9.1f}{ours / plain:7.2f}")


if __name__ == "__main__":
    main()
