"""Sparse evolution beside training: one rewiring as a share of an epoch, keeping the masks as a share of a step."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

import numpy as np
import torch

import nngraph as nng
from nngraph.sparse import SET

BATCH = 100
STEPS = 12
ROUNDS = 3
LIMIT = 0.05
NETWORKS = [
    ((784, 400, 400, 10), 13.0, 60_000),
    ((3072, 4000, 1000, 4000, 10), 20.0, 50_000),
]


def seconds(call: object, n: int = 1) -> float:
    began = time.process_time()
    for _ in range(n):
        call()  # type: ignore[operator]
    return (time.process_time() - began) / n


def measure(sizes: Sequence[int], epsilon: float, n_samples: int) -> None:
    """Take steps of a dense network, of the masked one, and rewirings, in turn; the best of each counts."""
    models = [nng.mlp(sizes, rng=0) for _ in range(2)]
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9, weight_decay=2e-4) for m in models]
    evo = SET(models[1], epsilon=epsilon, every=1_000_000, rng=0)
    x = torch.randn(BATCH, sizes[0], generator=torch.Generator().manual_seed(1))
    y = torch.arange(BATCH) % sizes[-1]

    def step(which: int) -> None:
        optimizers[which].zero_grad()
        torch.nn.functional.cross_entropy(models[which](x), y).backward()
        optimizers[which].step()
        if which:
            evo.after_step(optimizers[1])

    taken: dict[str, list[float]] = {"dense": [], "masked": [], "rewiring": []}
    for round_ in range(ROUNDS + 1):
        gc.collect()
        n = STEPS if round_ else 1  # one turn first that warms caches
        times = {"dense": seconds(lambda: step(0), n), "masked": seconds(lambda: step(1), n)}
        times["rewiring"] = seconds(lambda: evo._rewire(optimizers[1]))
        for name, each in times.items():
            taken[name] += [each] if round_ else []
    best = {name: float(np.min(each)) for name, each in taken.items()}
    epoch = best["masked"] * n_samples / BATCH
    upkeep = (best["masked"] - best["dense"]) / best["masked"]
    share = best["rewiring"] / epoch
    n_edges = sum(int(mask.sum()) for mask in evo.masks.values())
    print(
        f"{'-'.join(map(str, sizes)):26} {n_edges:9,} edges: step dense {1e3 * best['dense']:.2f} ms, masked "
        f"{1e3 * best['masked']:.2f} ms ({upkeep:.1%} of it for masks)\n"
        f"    rewiring {1e3 * best['rewiring']:.1f} ms, an epoch of {n_samples:,} samples {epoch:.1f} s: {share:.2%}, "
        f"{'within' if share <= LIMIT else 'NOT WITHIN'} {LIMIT:.0%}",
        flush=True,
    )


def main() -> None:
    """Measure both published shapes."""
    print(f"CPU time, best of {ROUNDS} rounds of {STEPS} steps of {BATCH} samples, SGD with momentum")
    for sizes, epsilon, n_samples in NETWORKS:
        measure(sizes, epsilon, n_samples)


if __name__ == "__main__":
    main()
