"""Null models beside the tools of the field that rewire, in turn: time to a mixed sample, memory, and what is kept.

``python -m benchmarks nulls`` runs what is installed (peers under other interpreters: ``NNGRAPH_PEERS=python:python``).
``python -m benchmarks.bench_nulls --markdown [FILE]`` gives the tables in Markdown, or writes them between the marks
of a file; ``--figure`` draws time against edges.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._processes import Rewirer

MIXED = 0.01
"""A sample counts as mixed when its likeness to the start, 1 - d/d_inf, is at most this."""
CHAIN, CALL = "nngraph chain", "nngraph call"
PEERS = {  # step and first guess of the effort that mixes: complete, 5 %
    "networkit GlobalCurveball": (1, 7, 8, "rounds"),
    "pybirewirex": (0.25, 5, 2.5, "trials an edge"),
    "graph-tool": (1, 5, 2, "sweeps"),
    "igraph": (0.25, 5, 2.5, "trials an edge"),
    "networkit EdgeSwitching": (1, 5, 3, "switches an edge"),
    "networkx": (1, 1, 1, "swaps an edge"),
}
OURS = {CHAIN: (1, 7, 9, "sweeps"), CALL: (1, 7, 9, "sweeps")}
TOOLS = OURS | PEERS
MARKS = ("<!-- null models: begin -->", "<!-- null models: end -->")


@dataclasses.dataclass(frozen=True)
class Case:
    """One signed bipartite graph, and how much of the machine to spend on it."""

    n_source: int
    n_target: int
    density: float = 1.0
    draws: int = 1
    """Draws over which d is averaged."""
    turns: int = 5
    peers_once: bool = False
    """Whether there is time for one run of each peer only."""
    limit: float = 120
    """Seconds that a peer may take for one answer."""
    peers: tuple[str, ...] = tuple(PEERS)

    @property
    def name(self) -> str:
        return f"{self.n_source}x{self.n_target}, " + (
            "complete" if self.density == 1 else f"{100 * self.density:.0f} %"
        )

    @property
    def complete(self) -> bool:
        return self.density == 1

    def planes(self) -> list[np.ndarray]:
        """Return bool planes with the smaller side as rows: the positive edges and, unless complete, the negative."""
        rng = np.random.default_rng(0)
        n_rows, n_columns = sorted((self.n_source, self.n_target))
        up = rng.normal(0, 0.3, (n_rows, 1)) + rng.normal(0, 0.3, n_columns)
        there = rng.normal(0, 0.3, (n_rows, 1)) + rng.normal(0, 0.3, n_columns)
        positive = np.empty(up.shape, bool)
        present = np.ones(up.shape, bool)
        for r in range(n_rows):
            positive[r] = rng.random(n_columns) < 1 / (1 + np.exp(-up[r]))
            if not self.complete:
                odds = self.density / (1 - self.density) * np.exp(there[r])
                present[r] = rng.random(n_columns) < odds / (1 + odds)
        return [positive] if self.complete else [positive & present, ~positive & present]

    def plane_bytes(self) -> int:
        n_rows, n_columns = sorted((self.n_source, self.n_target))
        return 8 * n_rows * -(-n_columns // 64) * (1 if self.complete else 2)


CASES = (
    Case(784, 64, draws=20),
    Case(768, 3072, turns=3),
    Case(768, 3072, 0.05, draws=3),
    Case(4096, 11008, turns=3, peers_once=True, limit=150, peers=("networkit GlobalCurveball", "pybirewirex")),
)


@dataclasses.dataclass
class Result:
    """What one tool did with one case; ``note`` says why there is nothing."""

    tool: str
    version: str = "-"
    effort: float = 0
    rho: float = math.nan
    seconds: float = math.nan
    build: float = math.nan
    graph: int = 0
    peak: int = 0
    exact: bool = False
    conflicts: int = 0
    note: str = ""


class Asked:
    """One tool with one case loaded."""

    def __init__(self, rewirer: Rewirer, case: Case, path: str) -> None:
        self.rewirer, self.case = rewirer, case
        self.checked = math.nan
        self.result = Result(rewirer.name, rewirer.version or "-", note="" if rewirer.version else "not installed")
        if rewirer.version is not None:
            answer = rewirer.ask("load", case.limit, path=path, turned=case.n_source < case.n_target)
            self.result.note = answer.get("failed", "")
            self.result.build, self.result.graph = answer.get("build", math.nan), answer.get("graph", 0)

    @property
    def only_once(self) -> bool:
        """Whether a tool is so slow here that its one run has to do for everything."""
        return self.result.tool == "networkx" or (self.result.tool in PEERS and self.case.peers_once)

    @property
    def runs(self) -> bool:
        return not self.result.note

    def unlike(self, effort: float, draws: int) -> float:
        """Return d, the share of cells unlike the start, at an effort; it fills in what the result needs of a run."""
        values = []
        for seed in range(draws):
            answer = self._run(effort, seed, check=True)
            if not self.runs:
                return math.nan
            self.result.exact = answer["exact"] and (seed == 0 or self.result.exact)
            self.result.peak = max(self.result.peak, answer["peak"])
            self.result.conflicts = answer["conflicts"]
            self.checked = answer["seconds"]
            values.append(answer["d"])
        return float(np.mean(values))

    def time(self, seed: int) -> None:
        """Take one turn; the best of all counts."""
        answer = self._run(self.result.effort, seed, check=False)
        if self.runs:
            self.result.seconds = float(np.nanmin([self.result.seconds, answer["seconds"]]))

    def _run(self, effort: float, seed: int, *, check: bool) -> dict[str, Any]:
        answer = self.rewirer.ask(
            "run", self.case.limit, effort=effort, seed=seed, least=0 if check else 0.03, check=check
        )
        self.result.note = answer.get("failed", "")
        if answer.get("build"):
            self.result.build = min(self.result.build, answer["build"])
        return answer


def least_effort(asked: Asked, plateau: float) -> None:
    """Find the least effort, in steps of the tool, that mixes; note the likeness that is left there."""
    step, complete, sparse, _ = TOOLS[asked.result.tool]
    case, found = asked.case, {}
    effort: float = complete if case.complete else sparse
    for attempt in range(6):
        found[effort] = 1 - asked.unlike(effort, 1 if asked.only_once else case.draws) / plateau
        if not asked.runs:
            return
        mixed = found[effort] <= MIXED
        if asked.only_once:
            asked.result.seconds = asked.checked
            break
        if mixed and (effort - step in found or effort == step):
            break
        guess = effort + (-step if mixed else step)
        if attempt == 0 and 0.001 < found[effort] < 0.5:
            guess = step * math.ceil(effort * math.log(MIXED) / math.log(found[effort]) / step)
            guess = effort - step if guess >= effort and mixed else guess
        if guess in found:
            break
        effort = guess
    mixing = [x for x, rho in found.items() if rho <= MIXED]
    asked.result.effort = min(mixing) if mixing else max(found)
    asked.result.rho = found[asked.result.effort]


def plateaus(asked: dict[str, Asked], case: Case) -> dict[str, float]:
    """Return d_inf of our space and, where it is another, of the peers', each from runs several times as long."""
    draws = max(case.draws, 3)
    ours = asked[CHAIN].unlike(30 if case.complete else 50, draws) if asked[CHAIN].runs else math.nan
    peers = ours
    if not case.complete or math.isnan(ours):
        for name, (_, complete, sparse, _) in PEERS.items():
            if name in asked and asked[name].runs:
                peers = asked[name].unlike(3 * (complete if case.complete else sparse), draws)
                break
    ours = peers if case.complete and math.isnan(ours) else ours
    return {name: ours if name in OURS else peers for name in asked}


def measure(case: Case, rewirers: dict[str, Rewirer], folder: str) -> list[Result]:
    """Run every tool on a case: effort first, then times in turn."""
    path = str(Path(folder) / "case.npz")
    small = dataclasses.replace(case, n_source=100, n_target=150 if case.n_source < case.n_target else 50)
    np.savez(path, *small.planes())
    names = [*OURS, *case.peers]
    for name in names:  # compiled code is loaded now
        if name != "networkx" and Asked(rewirers[name], small, path).runs:
            rewirers[name].ask("run", effort=2, seed=0, least=0, check=True)
    np.savez(path, *case.planes())
    asked = {name: Asked(rewirers[name], case, path) for name in names if name != "networkx" or case.n_target < 100}
    limits = plateaus(asked, case)
    for name, one in asked.items():
        if one.runs:
            one.result.peak = 0
            least_effort(one, limits[name])
    for turn in range(case.turns):
        for one in asked.values():
            if one.runs and not one.only_once:
                one.time(turn)
    return [one.result for one in asked.values()]


# ---------------------------------------------------------------------- tables


def table(header: list[str], rows: list[list[str]], *, markdown: bool) -> str:
    """Return a table as Markdown, or in columns."""
    if markdown:
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(len(line[k]) for line in [header, *rows]) for k in range(len(header))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(x.rjust(w) for x, w in zip(line[1:], widths[1:], strict=True))])
        for line in [header, *rows]
    )


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:,.0f}"


def times(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2g}x" if value < 10 else f"{value:,.0f}x"


def case_table(case: Case, results: list[Result], *, markdown: bool) -> str:
    """Return the table of one case: ours first, then each peer and how many times longer it takes."""
    chain, call = (next((r.seconds for r in results if r.tool == name), math.nan) for name in (CHAIN, CALL))
    header = [
        case.name,
        "effort",
        "rho",
        "ms",
        "ms to build",
        "x our chain",
        "x our call",
        "built, x our call",
        "MiB of graph",
        "MiB above it",
        "4 margins exact",
        "pairs + and -",
    ]
    rows = []
    for r in results:
        name = r.tool if r.tool in OURS else f"{r.tool} {r.version}"
        if r.note or math.isnan(r.seconds):
            rows.append([name, r.note or "no time taken", *["-"] * (len(header) - 2)])
            continue
        unit = TOOLS[r.tool][3]
        peer = r.tool in PEERS
        rows.append(
            [
                name,
                f"{r.effort:g} {unit}" + ("" if r.rho <= MIXED else " (not mixed)"),
                f"{r.rho:.4f}",
                milliseconds(r.seconds),
                milliseconds(r.build) if peer else "-",
                times(r.seconds / chain) if peer else "-",
                times(r.seconds / call) if peer else "-",
                times((r.seconds + r.build) / call) if peer else "-",
                f"{r.graph / 2**20:.1f}",
                f"{r.peak / 2**20:.1f}",
                "yes" if r.exact else "no",
                "-" if case.complete else f"{r.conflicts:,}",
            ]
        )
    return table(header, rows, markdown=markdown)


TARGETS = {
    "784x64, complete": (100, None),
    "768x3072, complete": (300, 25),
    "768x3072, 5 %": (15, 5),
    "4096x11008, complete": (100, None),
}
"""Case -> how many times faster than the best peer: the chain, and the whole public call."""


def target_table(found: dict[Case, list[Result]], *, markdown: bool) -> str:
    """Return the ratios to the fastest peer that mixed, beside what we mean to reach."""
    rows = []
    for case, results in found.items():
        peers = [r for r in results if r.tool in PEERS and not r.note and r.rho <= MIXED]
        best = min(peers, key=lambda r: r.seconds, default=None)
        for name, what, target in zip((CHAIN, CALL), ("chain", "whole call"), TARGETS[case.name], strict=True):
            own = next((r.seconds for r in results if r.tool == name and not r.note), math.nan)
            ratio = math.nan if best is None else best.seconds / own
            verdict = "-" if target is None or math.isnan(ratio) else "yes" if ratio >= target else "no"
            goal = "-" if target is None else f"{target}x"
            rows.append([case.name, what, best.tool if best else "none ran", times(ratio), goal, verdict])
    return table(["case", "", "fastest peer", "faster", "target", "reached"], rows, markdown=markdown)


def floor_table(found: dict[Case, list[Result]], *, markdown: bool) -> str:
    """Return how far the chain is from one pass over its planes, read and written, for each halving of rho."""
    rows = []
    for case, results in found.items():
        chain = next(r for r in results if r.tool == CHAIN)
        if chain.note:
            continue
        one_pass = copy_seconds(case.plane_bytes())
        halving = chain.seconds / -math.log2(max(chain.rho, 1e-4))
        rows.append(
            [
                case.name,
                f"{case.plane_bytes() / 2**20:.2f}",
                f"{1e6 * one_pass:.3g}",
                f"{1e6 * halving:.3g}",
                times(halving / one_pass),
            ]
        )
    header = ["case", "planes, MiB", "one pass, us", "chain per halving of rho, us", "distance"]
    return table(header, rows, markdown=markdown)


def copy_seconds(n_bytes: int) -> float:
    """Return the time to read so many bytes and write them elsewhere, at best."""
    source = np.arange(max(n_bytes // 8, 1), dtype=np.uint64)
    target = np.zeros_like(source)
    calls = max(1, 2**22 // n_bytes)
    best = math.inf
    for _ in range(20):
        began = time.process_time()
        for _ in range(calls):
            np.copyto(target, source)
        best = min(best, (time.process_time() - began) / calls)
    return best


def significance(*, markdown: bool) -> str:
    """Return the time of 1,000 nulls of a trained network with two statistics."""
    import nngraph as nng

    if not hasattr(nng.nulls, "significance"):
        return "1,000 nulls of a trained 784-64-2 network: this version has no nng.nulls.significance."
    try:
        import torch
    except ImportError:
        return "1,000 nulls of a trained 784-64-2 network: torch is not installed here."
    torch.set_num_threads(1)
    task = nng.datasets.load("digits").pair(1, 8, rng=0)
    model = nng.mlp([784, 64, 2], rng=0)
    nng.train(model, task.x_train, task.y_train, batch_size=16, rng=0)
    G = nng.from_torch(model)
    rows = []
    for kind in ("G", "B"):
        nng.nulls.significance(G, ["degree_correlation", "balance"], kind, n=4, rng=0)  # compiled code is loaded
        for n_jobs in (1, 2):
            began = time.perf_counter()
            nng.nulls.significance(G, ["degree_correlation", "balance"], kind, n=1000, rng=0, n_jobs=n_jobs)
            rows.append([kind, str(n_jobs), f"{time.perf_counter() - began:.1f}"])
    header = ["1,000 nulls of a trained 784-64-2, degree correlation and balance: kind", "processes", "s of wall clock"]
    return table(header, rows, markdown=markdown)


NOTES = """\
One thread, processor time, best of runs in turn ({cpu}). Mixed: rho = 1 - d/d_inf is at most {mixed}, d the share of
cells unlike the start and d_inf its plateau; the effort of each tool is the least that mixes, in its own steps. This
is a necessary test of mixing, not a bound. Signs are Bernoulli(sigmoid(a_i + b_j)), a and b of deviation 0.3. Peers
rewire the directed graph from the smaller side to the larger; on a complete block the positive edges (the negative
are the complement), where edges are absent the positive and the negative apart, which is another space: it holds
pairs that are both. Their time is of the rewiring alone, without the reading back; "built" adds making the graph from
arrays. Our chain runs on planes in memory; our call is all of nng.nulls.randomize, weights dealt and a new graph made.
Memory is resident memory of a process for each tool: its graph, and the peak of a run above that (VmHWM, reset by
/proc/self/clear_refs). networkx swaps edges of undirected graphs only."""


def tables(chosen: Sequence[Case], rewirers: dict[str, Rewirer], *, markdown: bool) -> Iterator[str]:
    """Yield the text of the report, piece by piece as it is measured."""
    yield NOTES.format(cpu=_processor(), mixed=MIXED)
    found: dict[Case, list[Result]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in chosen:
            found[case] = measure(case, rewirers, folder)
            yield case_table(case, found[case], markdown=markdown)
    yield target_table(found, markdown=markdown)
    yield floor_table(found, markdown=markdown)
    yield significance(markdown=markdown)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, Python {platform.python_version()}"


def write_between_marks(path: Path, text: str) -> None:
    """Put the tables between the two marks of a file, in the place of what is there."""
    page = path.read_text(encoding="utf-8")
    if any(page.count(mark) != 1 for mark in MARKS):
        raise SystemExit(f"{path}: expected the lines {MARKS[0]} and {MARKS[1]} once each, around the tables.")
    head, rest = page.split(MARKS[0])
    path.write_text(f"{head}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Null models beside the peers.")
    parser.add_argument("--figure", action="store_true", help="draw time against edges instead of the tables")
    parser.add_argument("--markdown", nargs="?", const="", metavar="FILE", help="tables in Markdown, or into a file")
    parser.add_argument("--cases", type=int, nargs="*", help="numbers of the cases, from 0; all by default")
    options = parser.parse_args(arguments or [])
    rewirers = {name: Rewirer(name) for name in TOOLS}
    try:
        if options.figure:
            from benchmarks._null_figure import draw

            draw(rewirers)
            return
        chosen = CASES if options.cases is None else [CASES[i] for i in options.cases]
        pieces = []
        for piece in tables(chosen, rewirers, markdown=options.markdown is not None):
            pieces.append(piece)
            print(f"{piece}\n", flush=True)
        if options.markdown:
            write_between_marks(Path(options.markdown), "\n\n".join(pieces))
    finally:
        for rewirer in rewirers.values():
            rewirer.close()


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
