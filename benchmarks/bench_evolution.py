"""Sparse evolution beside training: masks as a share of a step, one rewiring as a share of an epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

import nngraph as nng
from benchmarks._timing import heading, in_turn, row
from nngraph.sparse import SET

BATCH = 100
LIMIT = 0.05
NETWORKS = [  # sizes, epsilon, samples in an epoch, steps timed at once, how often
    ((784, 400, 400, 10), 13.0, 60_000, 20, 9),
    ((3072, 4000, 1000, 4000, 10), 20.0, 50_000, 2, 9),
]


def measure(sizes: Sequence[int], epsilon: float, n_samples: int, n_steps: int, repeats: int) -> None:
    models = [nng.mlp(sizes, rng=0) for _ in range(2)]
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9, weight_decay=2e-4) for m in models]
    evo = SET(models[0], epsilon=epsilon, every=1_000_000, rng=0)
    x = torch.randn(BATCH, sizes[0], generator=torch.Generator().manual_seed(1))
    y = torch.arange(BATCH) % sizes[-1]

    def step(which: int) -> None:
        optimizers[which].zero_grad()
        torch.nn.functional.cross_entropy(models[which](x), y).backward()
        optimizers[which].step()

    def steps(which: int) -> None:
        for _ in range(n_steps):
            step(which)
            if not which:
                evo.after_step(optimizers[0])

    pairs = in_turn(lambda: steps(0), lambda: steps(1), repeats=repeats)
    row(f"step of {'-'.join(map(str, sizes))}, masked, dense", pairs, per=n_steps)
    upkeep = float(np.median(1 - pairs.cpu[:, 1] / pairs.cpu[:, 0]))
    n_edges = sum(int(mask.sum()) for mask in evo.masks.values())
    epoch = float(np.median(pairs.cpu[:, 0])) / n_steps * n_samples / BATCH
    print(f"    {n_edges:,} edges; {upkeep:.1%} of a masked step for the masks; an epoch takes {epoch:.1f} s")
    masks = evo.masks
    for regrowth in ("random", "preferential", "degree"):
        evo.finish(masks=False)
        evo = SET.from_masks(models[0], masks, every=n_steps, regrowth=regrowth, rng=0)
        took = float(np.median([rewiring(evo, lambda: step(0), optimizers[0], n_steps) for _ in range(5)]))
        kept = "within" if took <= LIMIT * epoch else "NOT WITHIN"
        print(f"    rewiring, {regrowth}: {1e3 * took:.1f} ms, {took / epoch:.2%} of an epoch, {kept} {LIMIT:.0%}")


def rewiring(evo: SET, train: Callable[[], None], optimizer: torch.optim.Optimizer, n_steps: int) -> float:
    """Return seconds of CPU time of the call that rewires all layers, after the last of n steps of training."""
    took = 0.0
    for _ in range(n_steps):
        train()
        began = time.process_time()
        evo.after_step(optimizer)
        took = time.process_time() - began
    return took


def main() -> None:
    """Measure the shapes of the published study, SGD with momentum and weight decay, batches of 100."""
    heading(f"batches of {BATCH}, CPU time in ms")
    for network in NETWORKS:
        measure(*network)


if __name__ == "__main__":
    main()
