"""What a cluster's scheduler adds to a study: one dask worker on loopback against the same units in its own process."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import nngraph as nng
from nngraph import _parallel
from nngraph.studies import Study, Training

LIMIT = 0.05
REPEATS = 5


def nothing(item: int, table: np.ndarray) -> None:
    """Do nothing, with the arguments of a unit."""


def seconds_per_call(n: int) -> float:
    """Return the wall seconds of a call that does nothing, data of 36 MiB beside it."""
    table = np.zeros((12_000, 784), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        for _ in _parallel.unordered(nothing, range(n), (table,), folder=Path(folder), n_jobs=1, label="calls"):
            pass
        return (time.perf_counter() - began) / n


def main() -> None:
    import joblib
    from distributed import Client, LocalCluster

    digits = nng.datasets.load("digits")
    tasks = {"hard {1,8}": lambda rng: digits.pair(1, 8, rng=rng)}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as local,
        Client(local),
        joblib.parallel_config(backend="dask"),
    ):
        seconds_per_call(4)  # the worker imports the package
        empty = [1e3 * seconds_per_call(64) for _ in range(REPEATS)]
    with tempfile.TemporaryDirectory() as folder:
        Study(tasks, seeds=2, rng=0, network=Training()).run(folder, figures=False)
        timings = np.loadtxt(Path(folder) / "timings.csv", delimiter=",", skiprows=1, usecols=2)
    unit = 1e3 * float(timings.sum()) / 2
    share = float(np.median(empty)) / unit
    kept = "within" if share <= LIMIT else "NOT WITHIN"
    print(
        f"a call that does nothing, 36 MiB of data beside it: {np.median(empty):.1f} ms "
        f"({min(empty):.1f}-{max(empty):.1f})"
    )
    print(f"a unit of the default study of digits: {unit:,.0f} ms")
    print(f"scheduling: {share:.2%} of a unit, {kept} {LIMIT:.0%}")
