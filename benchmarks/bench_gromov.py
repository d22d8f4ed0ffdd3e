"""The Gromov-Wasserstein solver beside POT's default call, pair by pair, on the taps of a transformer.

``python -m benchmarks gromov`` takes the 31 taps of Model 0 of the modular sums. ``NNGRAPH_TAPS`` names an npz file of
(samples, dimensions) arrays to take instead, ``NNGRAPH_SIZES`` the numbers of samples, ``NNGRAPH_PAIRS`` how many
pairs are drawn, with a fixed seed (by default all below 300 samples, else 60).
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist, squareform

from nngraph.reproduce.layer_groups import modular
from nngraph.similarity import gromov_wasserstein, representations
from nngraph.similarity._permutations import Distances, solve

SAME = 1e-6
"""Relative difference of objectives below which they are one."""
SETTINGS: dict[str, tuple[tuple[str, ...], bool]] = {
    "product, no swaps": (("product",), False),
    "product": (("product",), True),
    "product + identity": (("product", "identity"), True),
    "product + identity + local": (("product", "identity", "local"), True),
}
DEFAULT = "product + identity"


def taps(n: int) -> tuple[str, dict[str, np.ndarray]]:
    """Return n samples of every tap and where they come from."""
    if path := os.environ.get("NNGRAPH_TAPS"):
        with np.load(path) as file:
            return os.path.basename(path), {name: file[name][:n] for name in file.files if file[name].ndim == 2}
    pairs = modular.pairs()
    chosen = np.random.default_rng(0).permutation(len(pairs))[:n]
    return "Model 0", dict(representations(modular.load("0"), pairs[chosen], n=None))


def seconds(call: Callable[[], object]) -> tuple[float, object]:
    began = time.process_time()
    found = call()
    return time.process_time() - began, found


def compare(n: int) -> None:
    import ot

    source, clouds = taps(n)
    matrices = []
    for x in clouds.values():
        D = squareform(pdist(x.astype(np.float64)))
        matrices.append(D / D.mean())
    names, ready = list(clouds), [Distances(D) for D in matrices]
    pairs = list(itertools.combinations(range(len(names)), 2))
    wanted = min(int(os.environ.get("NNGRAPH_PAIRS", len(pairs) if n < 300 else 60)), len(pairs))
    pairs = [pairs[k] for k in np.random.default_rng(1).permutation(len(pairs))[:wanted]]
    print(f"\n{source}: {len(names)} taps, {len(pairs)} pairs, n = {n}", flush=True)
    for other in range(1, 5):  # loads compiled code
        solve(ready[0], ready[other], ("product", "identity", "local"))
    theirs, spent = np.zeros(len(pairs)), 0.0
    values, times, front = np.zeros((len(SETTINGS), len(pairs))), np.zeros(len(SETTINGS)), 0.0
    for k, (i, j) in enumerate(pairs):  # in turn, so that a slow spell of the machine meets all
        took, value = seconds(lambda i=i, j=j: ot.gromov.gromov_wasserstein2(matrices[i], matrices[j]))
        spent, theirs[k] = spent + took, value
        for row, (starts, swaps) in enumerate(SETTINGS.values()):
            took, found = seconds(
                lambda i=i, j=j, starts=starts, swaps=swaps: solve(ready[i], ready[j], starts, swaps=swaps)
            )
            times[row], values[row, k] = times[row] + took, found.value
        front += seconds(lambda i=i, j=j: gromov_wasserstein(matrices[i], matrices[j]))[0]
        if k + 1 in (len(pairs) // 4, len(pairs) // 2, len(pairs)):
            print(f"after {k + 1} pairs: POT {1e3 * spent / (k + 1):.1f} ms a pair", flush=True)
            report(theirs[: k + 1], values[:, : k + 1], spent / times)
    print(f"  gromov_wasserstein, checks and bounds included: {spent / front:.1f}x")
    row = list(SETTINGS).index(DEFAULT)
    for k in np.flatnonzero(values[row] > theirs * (1 + SAME)):
        i, j = pairs[k]
        print(f"  above POT: {names[i]}, {names[j]}: {values[row, k]:.8g} beside {theirs[k]:.8g}")


def report(theirs: np.ndarray, values: np.ndarray, ratios: np.ndarray) -> None:
    print(f"  {'starts':30}{'POT / ours':>11}{'not above':>11}{'lower':>8}{'log-ratio':>11}{'mean':>10}")
    for name, ratio, ours in zip(SETTINGS, ratios, values, strict=True):
        not_above, below = np.mean(ours <= theirs * (1 + SAME)), np.mean(ours < theirs * (1 - SAME))
        log_ratio = 100 * np.mean(np.log(ours / theirs))
        print(
            f"  {name:30}{ratio:10.1f}x{100 * not_above:10.1f}%{100 * below:7.1f}%{log_ratio:10.1f}%"
            f"{100 * (ours.mean() / theirs.mean() - 1):9.1f}%",
            flush=True,
        )


def main() -> None:
    for n in os.environ.get("NNGRAPH_SIZES", "150 500").split():
        compare(int(n))


if __name__ == "__main__":
    main()
