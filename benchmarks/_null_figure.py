"""Time to a mixed sample against the number of edges: our chain and our call beside the peers."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._null_runs import CALL, CHAIN, PEERS, TOOLS, Asked, Case
from benchmarks._processes import Rewirer

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "null_models.png"
SIZES = (50, 158, 500, 1581, 5000)
"""Nodes of the smaller side; the larger has four times as many, and every pair has an edge: 1e4 to 1e8 edges."""
LONGEST = 60.0
"""Seconds that a run may take; a peer is asked no further where its own growth says that the next would take longer."""
# Okabe and Ito's colours, told apart by marker and dash as well
STYLES = {
    CHAIN: ("#0072B2", "o", "-"),
    CALL: ("#56B4E9", "s", "-"),
    "networkit GlobalCurveball": ("#D55E00", "^", "--"),
    "pybirewirex": ("#E69F00", "v", "--"),
    "graph-tool": ("#009E73", "D", ":"),
    "igraph": ("#000000", "P", ":"),
    "networkit EdgeSwitching": ("#CC79A7", "X", ":"),
}
LABELS = {CHAIN: "nngraph, chain", CALL: "nngraph,\ngraph to new graph"}


def draw(rewirers: dict[str, Rewirer]) -> None:
    """Measure size by size, and write the picture anew after each: all signs at the effort that mixes."""
    points: dict[str, list[tuple[int, float]]] = {
        name: [] for name in STYLES if name in rewirers and rewirers[name].version
    }
    efforts = {name: TOOLS[name][1] for name in points}
    with tempfile.TemporaryDirectory() as folder:
        for n in SIZES:
            case = Case(n, 4 * n, limit=3 * LONGEST, peers=tuple(PEERS))
            path = str(Path(folder) / "case.npz")
            np.savez(path, *case.planes())
            for name in list(efforts):
                asked = Asked(rewirers[name], case, path)
                asked.result.effort = efforts[name]
                for turn in range(3):
                    asked.time(turn)
                    if not asked.result.seconds < 1:
                        break
                if not asked.runs:
                    del efforts[name]
                    continue
                points[name].append((case.n_edges(), asked.result.seconds))
                print(f"{name}: {case.n_edges():,} edges, {1e3 * asked.result.seconds:.4g} ms", flush=True)
                last = [seconds for _, seconds in points[name][-2:]]
                if name in PEERS and last[-1] * max(10, last[-1] / last[0]) > LONGEST:
                    del efforts[name]
            _plot({name: curve for name, curve in points.items() if curve})


def _plot(points: dict[str, list[tuple[int, float]]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(8.6, 4.4), layout="constrained")
    for name in sorted(points, key=lambda name: -_at(points, name)):  # the legend in the order of the curves
        colour, marker, dash = STYLES[name]
        x, y = zip(*points[name], strict=True)
        label = LABELS.get(name, name.replace(" ", "\n") + ",\nrewiring alone")
        ax.loglog(x, y, dash, color=colour, marker=marker, markersize=6, linewidth=1.8, label=label)
    ax.set_xlabel("edges of a complete signed bipartite graph")
    ax.set_ylabel("seconds to a mixed sample, one thread")
    ax.grid(which="major", color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelspacing=0.9)
    fig.savefig(PICTURE, dpi=160)
    plt.close(fig)


def _at(points: dict[str, list[tuple[int, float]]], name: str) -> float:
    """Return the seconds at a million edges, by which the legend is ordered."""
    return min(points[name], key=lambda point: abs(math.log(point[0] / 1e6)), default=(0, 0.0))[1]
