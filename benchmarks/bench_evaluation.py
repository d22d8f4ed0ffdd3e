"""Graphs scored by all metrics of a study, beside the bare matrix products that are in it, of the same weights."""

from __future__ import annotations

import numpy as np
import torch

import nngraph as nng
from benchmarks._timing import heading, in_turn, row
from nngraph.evaluation import Evaluator
from nngraph.training import single_thread

SIZES, N_TEST, N_GRAPHS = (784, 64, 2), 2000, 20
METRICS = ("accuracy", "auc", "recalibrated", "cross_entropy")
LIMIT = 1.15


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (N_TEST, SIZES[0])).astype(np.float32), rng.integers(0, 2, N_TEST)
    model = nng.mlp(SIZES, rng=0)
    G = nng.from_torch(model)
    noisy = [nng.ops.add_noise(G, 0.1, rng=i) for i in range(N_GRAPHS)]
    kinds = {
        "complete": noisy,
        "95 % pruned": [nng.ops.prune(H, 0.95) for H in noisy],
        "signs": [nng.ops.binarize(H, bias="probe") for H in noisy],
    }
    inputs = torch.from_numpy(x)
    room = [torch.empty(N_TEST, size) for size in SIZES[1:]]

    def products(weights: list[list[torch.Tensor]]) -> None:
        for first, second in weights:
            torch.mm(inputs, first.t(), out=room[0])
            torch.mm(room[0], second.t(), out=room[1])

    with single_thread(), Evaluator(model, (x, y), METRICS) as evaluator:
        heading(f"ms of CPU per graph of 784-64-2, {N_TEST:,} samples")
        for kind, graphs in kinds.items():
            weights = [[torch.from_numpy(block.dense().copy()) for block in H.blocks] for H in graphs]
            for what, ours in (
                ("written back and run", evaluator.outputs),
                (f"and scored by {len(METRICS)} metrics", lambda H: list(evaluator.attempt(H))),
            ):
                pairs = in_turn(
                    lambda graphs=graphs, ours=ours: [ours(H) for H in graphs],
                    lambda weights=weights: products(weights),
                    repeats=9,
                )
                row(f"{kind}: {what}", pairs, per=N_GRAPHS)
                ratio = float(np.median(pairs.ratios))
                print(f"    {'within' if ratio <= LIMIT else 'NOT WITHIN'} {LIMIT} of the bare products")


if __name__ == "__main__":
    main()
