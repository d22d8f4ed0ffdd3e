"""Time two ways of doing the same in turn, A B A B, so that a slow spell of the machine meets both."""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Pairs:
    """(repeats, 2) seconds: the first column is nngraph, the second the bare way."""

    cpu: np.ndarray
    wall: np.ndarray

    @property
    def ratios(self) -> np.ndarray:
        """(repeats,) CPU time of nngraph over that of the bare way, pair by pair."""
        return self.cpu[:, 0] / self.cpu[:, 1]


def in_turn(ours: Callable[[], object], bare: Callable[[], object], *, repeats: int) -> Pairs:
    """Run the two in turn; one pair before the first that counts loads compiled code and warms caches."""
    cpu, wall = np.zeros((repeats + 1, 2)), np.zeros((repeats + 1, 2))
    for turn in range(repeats + 1):
        for side, call in enumerate((ours, bare)):
            gc.collect()
            began, clock = time.process_time(), time.perf_counter()
            call()
            cpu[turn, side], wall[turn, side] = time.process_time() - began, time.perf_counter() - clock
    return Pairs(cpu[1:], wall[1:])


def heading(what: str) -> None:
    print(f"{what:44}{'nngraph':>10}{'bare':>10}{'ratio':>8}{'of pairs':>14}{'wall ratio':>12}")


def row(what: str, pairs: Pairs, *, per: int = 1) -> None:
    """Print medians of CPU time in ms for each of ``per`` steps, the median ratio and its range over the pairs."""
    ours, bare = 1e3 * np.median(pairs.cpu, axis=0) / per
    low, high = pairs.ratios.min(), pairs.ratios.max()
    wall = np.median(pairs.wall[:, 0] / pairs.wall[:, 1])
    print(
        f"{what:44}{ours:10.2f}{bare:10.2f}{np.median(pairs.ratios):8.2f}{low:8.2f}-{high:.2f}{wall:12.2f}", flush=True
    )
