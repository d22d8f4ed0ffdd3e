"""Maps of 93 taps of 1000 x 512 by every measure, on one thread; CKA beside the packages that compute it, in turn.

``python -m benchmarks similarity`` runs all; ``OMP_NUM_THREADS=1 python -m benchmarks.bench_similarity alignment`` a
part (alignment, maps, couplings). Peers under another interpreter: ``NNGRAPH_PEERS=python``. Times: CPU.
"""

from __future__ import annotations

import sys
import tempfile
import time

import numpy as np

from benchmarks._processes import Rewirer
from nngraph.similarity import MEASURES, matrix

QUICK = ("euclidean", "cosine", "mutual_information", "rsm", "rsa", "cka")
SLOW = ("msid", "procrustes", "cca", "svcca", "pwcca")
LIMITS = dict.fromkeys(QUICK, 60) | dict.fromkeys(SLOW, 300)
"""Seconds that the whole map may take."""
PAIRWISE = 6
"""Taps of which every pair is asked for, where a package takes one pair a call."""
TURNS = 3


def taps(n_taps: int = 93, n: int = 1000, d: int = 512) -> dict[str, np.ndarray]:
    """Return layers of a random network with residual steps: neither alike nor unrelated, of full rank."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    found = {}
    for k in range(n_taps):
        if k % 3:
            x = 0.5 * x + np.maximum(x, 0) @ rng.normal(size=(d, d)) / np.sqrt(d / 2)
        else:
            x = x + 0.3 * rng.normal(size=(n, d))
        found[f"tap{k}"] = x
    return found


def seconds(reps: dict[str, np.ndarray], measure: str, **options: object) -> tuple[float, np.ndarray]:
    began = time.process_time()
    table = matrix(reps, measure, **options).to_numpy()
    return time.process_time() - began, table


def maps() -> None:
    reps = taps()
    for name, limit in LIMITS.items():
        took, _ = seconds(reps, name)
        verdict = "within" if took < limit else "NOT WITHIN"
        print(f"{name:20}{took:9.1f} s, {verdict} {limit} s", flush=True)
    took, exact = seconds(reps, "msid")
    took, table = seconds(reps, "msid", stochastic=True)
    off = np.abs(table - exact).max() / exact.max()
    print(f"{'msid by probes':20}{took:9.1f} s, off by at most {100 * off:.1f} % of the largest", flush=True)


def couplings() -> None:
    reps = taps(31, 200)
    for name in ("wasserstein", "agw"):
        took, _ = seconds(reps, name)
        print(f"{name:20}{took:9.1f} s for 31 taps of 200 x 512, {1e3 * took / 465:.1f} ms a pair", flush=True)


def alignment() -> None:
    """Debiased linear CKA, which is what both packages are asked for too."""
    reps = taps()
    pairs = len(reps) * (len(reps) - 1) // 2
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/taps.npy"
        np.save(path, np.stack(list(reps.values())))
        peers = {}
        for name, dtype in (("cka", "float64"), ("cka", "float32"), ("ckatorch", "float64")):
            peer = Rewirer(name, "_cka_peers.py")
            if peer.version is None:
                print(f"{name}: not installed here")
                continue
            peer.ask("load", path=path, dtype=dtype)
            peers[f"{'pytorch-cka' if name == 'cka' else name} {peer.version}, {dtype}"] = (peer, name == "cka")
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    off = dict.fromkeys(peers, 0.0)
    for turn in range(TURNS + 1):  # the first warms up
        took, table = seconds(reps, "cka")
        ours += [took] if turn else []
        for name, (peer, whole) in peers.items():
            answer = peer.ask("run", taps=len(reps) if whole else PAIRWISE, timeout=900)
            if "failed" in answer:
                print(f"{name}: {answer['failed']}")
                continue
            scale = 1 if whole else pairs / (PAIRWISE * (PAIRWISE - 1) // 2)
            theirs[name] += [scale * answer["seconds"]] if turn else []
            values = np.array(answer["values"])
            off[name] = np.abs(1 - values - table[: len(values), : len(values)])[~np.eye(len(values), dtype=bool)].max()
    print(f"debiased linear CKA, {len(reps)} taps of 1000 x 512: nngraph {min(ours):.2f} s (float64)")
    for name, (peer, whole) in peers.items():
        peer.close()
        if theirs[name]:
            ratios = np.array(theirs[name]) / ours
            how = "one call" if whole else f"a call a pair, from {PAIRWISE * (PAIRWISE - 1) // 2} of {pairs} pairs"
            print(
                f"  {name} ({how}): {min(theirs[name]):.2f} s, {np.median(ratios):.1f}x ({min(ratios):.1f}-"
                f"{max(ratios):.1f}); values differ by at most {off[name]:.0e}"
            )


def main(parts: list[str] | None = None) -> None:
    """Run all parts, or those named."""
    assert set(LIMITS) | {"wasserstein", "agw", "gw"} == set(MEASURES)
    for part in parts or ["alignment", "maps", "couplings"]:
        {"maps": maps, "couplings": couplings, "alignment": alignment}[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
