"""Degrees and strengths beside igraph, and the memory of ``nngraph stats`` on a file (its MiB as an argument)."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import igraph
import numpy as np

import nngraph as nng
from benchmarks._timing import Pairs, in_turn

SIZES = (784, 1000, 1000, 10)
LARGEST = 256
"""MiB of the largest block of the file."""
NO_FILE = "benchmarks.bench_stats:tiny"
SIGNS = {"+": 1, "-": -1}
MODES = {"source": "out", "target": "in"}


def row(what: str, pairs: Pairs) -> None:
    ours, theirs = 1e3 * pairs.cpu.min(axis=0)
    low, high = (1 / pairs.ratios).min(), (1 / pairs.ratios).max()
    print(
        f"{what:40}{ours:10.2f}{theirs:10.1f}{theirs / ours:10.1f}{low:10.1f}-{high:.1f}",
        flush=True,
    )


def beside_igraph(what: str, G: nng.NeuralGraph, repeats: int) -> None:
    """Compare each signed degree and strength with a ``strength`` of igraph whose list of weights stands ready."""
    g = igraph.Graph(G.n_nodes, directed=True)
    g.add_edges(G._edge_ids())
    w = G.weights().astype(np.float64)
    lists = {("strength", sign): np.maximum(factor * w, 0).tolist() for sign, factor in SIGNS.items()} | {
        ("degree", sign): (factor * w > 0).astype(float).tolist() for sign, factor in SIGNS.items()
    }
    print(f"\n{what}: {G.n_edges:,} edges")
    print(f"{'CPU ms, best of repeats':40}{'nngraph':>10}{'igraph':>10}{'faster':>10}{'in pairs':>14}")
    ours, theirs = [], []
    for name in ("degree", "strength"):
        for side, mode in MODES.items():
            for sign in SIGNS:
                mine, their = _calls(G, g, name, side, mode, sign, lists[name, sign])
                found = mine().reindex(_nodes(G), fill_value=0)
                np.testing.assert_allclose(found, their(), rtol=1e-11)
                row(f"{name} {side} {sign}", in_turn(mine, their, repeats=repeats))
                ours.append(mine)
                theirs.append(their)
    row("all eight", in_turn(lambda: [f() for f in ours], lambda: [f() for f in theirs], repeats=repeats))


def _calls(
    G: nng.NeuralGraph, g: igraph.Graph, name: str, side: str, mode: str, sign: str, weights: list[float]
) -> tuple[Callable, Callable]:
    statistic = getattr(nng.stats, name)
    return lambda: statistic(G, side=side, sign=sign), lambda: g.strength(mode=mode, weights=weights)


def _nodes(G: nng.NeuralGraph) -> list[tuple[str, int]]:
    return [(part.name, i) for part in G.parts for i in range(part.size)]


def dense() -> nng.NeuralGraph:
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(SIZES)
    return nng.from_matrices([rng.normal(size=(b, a)).astype(np.float32) for a, b in pairs])


def sparse() -> nng.NeuralGraph:
    rng = np.random.default_rng(1)
    matrices = [np.where(rng.random((n, n)) < 0.04, rng.normal(size=(n, n)), 0).astype(np.float32) for n in (4000,) * 3]
    return nng.from_matrices(matrices)


def write_file(path: Path, mib: int, *, absent: float) -> None:
    """Write a safetensors file of float32 matrices, one piece at a time."""
    largest = min(LARGEST, mib // 2)
    sizes = [largest] * (mib // largest) + ([mib % largest] if mib % largest else [])
    header, offset = {}, 0
    for number, size in enumerate(sizes):
        end = offset + size * 2**20
        header[f"layer{number}.weight"] = {"dtype": "F32", "shape": [size * 64, 4096], "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    piece = np.random.default_rng(0).normal(size=2**18).astype(np.float32)  # 1 MiB
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        rng = np.random.default_rng(1)
        for _ in range(sum(sizes)):
            rolled = np.roll(piece, rng.integers(2**18))
            file.write(np.where(rng.random(2**18) < absent, np.float32(0), rolled) if absent else rolled)


def peak_of_command(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds of CPU time and its peak of anonymous memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = cpu = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            cpu = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / 100
        except OSError:
            break
        lines = [line for line in status.splitlines() if line.startswith("RssAnon")]
        peak = max([peak, *(int(line.split()[1]) / 1024 for line in lines)])
        time.sleep(0.02)
    if process.wait():
        sys.exit(f"{' '.join(command)} failed")
    return cpu, peak


def of_a_file(mib: int) -> None:
    print(f"\nnngraph stats on a .safetensors file of {mib} MiB, largest block {min(LARGEST, mib // 2)} MiB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        start = [sys.executable, "-c", "from nngraph.cli import app; app()"]
        for what, absent in (
            ("without a file", None),
            ("complete blocks", 0.0),
            ("half absent", 0.5),
            ("97 % absent", 0.97),
        ):
            if absent is not None:
                write_file(path, mib, absent=absent)
            cpu, peak = peak_of_command([*start, "stats", NO_FILE if absent is None else str(path)])
            print(f"{what:24}{cpu:10.1f} s CPU, imports included{peak:10.0f} MiB anonymous", flush=True)


def tiny() -> nng.NeuralGraph:
    return nng.from_matrices([np.ones((2, 2))])


def main(mib: int = 512, repeats: int = 7) -> None:
    beside_igraph("784-1000-1000-10, dense, float32", dense(), repeats)
    beside_igraph("4000-4000-4000-4000, 4 % present, compressed rows", sparse(), repeats)
    of_a_file(mib)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
