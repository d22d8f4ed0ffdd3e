"""Networks trained together, beside the plain loop over the same tasks and seeds; CPU time of one thread.

Three pairs of ten seeds each stand for 45 pairs, as the networks of a pair train together whatever the number of pairs,
and three epochs for ten, as a step takes as long in each.
"""

from __future__ import annotations

import itertools
import resource

import numpy as np

import nngraph as nng
from benchmarks._timing import heading, in_turn, row
from nngraph.datasets import Task
from nngraph.studies import Training
from nngraph.training import single_thread

PAIRS, SEEDS = 3, 10
N_TRAIN, N_TEST, N_PIXELS = 12_000, 2_000, 784
SETTINGS = {"once an epoch": Training(epochs=3, every=75), "every 10 steps": Training(epochs=3, every=10)}
FASTER = {"own": 1.3, "shared": 2.0}
"""How many times as fast as the plain loop each order is to be, evaluated once an epoch."""


def task(seed: int) -> Task:
    """Return a task of the size of a pair of classes of MNIST."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, N_TRAIN + N_TEST)
    x = rng.uniform(-1, 1, (len(y), N_PIXELS)).astype(np.float32)
    x[:, :50] += 0.5 * (2 * y[:, None] - 1)
    return Task(f"pair {seed}", x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:])


def main() -> None:
    tasks = [task(seed) for seed in range(PAIRS)]
    seeds = [np.random.SeedSequence(seed) for seed in range(SEEDS)]
    with single_thread():
        heading(f"ms of CPU per network of 784-64-2, {SEEDS} at once")
        for often, training in SETTINGS.items():
            for order, target in FASTER.items():
                turns, plain_turns = itertools.cycle(tasks), itertools.cycle(tasks)
                pairs = in_turn(
                    lambda: nng.train_many([next(turns)] * SEEDS, seeds, training=training, order=order),  # noqa: B023
                    lambda: [training(its, seed) for its in [next(plain_turns)] for seed in seeds],  # noqa: B023
                    repeats=PAIRS,
                )
                row(f"evaluated {often}, {order} order", pairs, per=SEEDS)
                faster = 1 / pairs.ratios
                aim = f", target {target}" if often == "once an epoch" else ""
                print(f"    {np.median(faster):.2f} times as fast ({faster.min():.2f}-{faster.max():.2f}){aim}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    inputs = sum(t.x_train.nbytes + t.x_test.nbytes for t in tasks) / 2**20
    print(f"    peak memory of the process {peak:.0f} MiB, {inputs:.0f} of them the tasks")


if __name__ == "__main__":
    main()
