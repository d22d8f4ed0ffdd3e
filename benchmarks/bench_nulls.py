"""Null models beside the tools of the field that rewire, in turn: time to a mixed sample, memory, and what is kept.

``python -m benchmarks nulls`` runs what is installed (peers under other interpreters: ``NNGRAPH_PEERS=python:python``).
``python -m benchmarks.bench_nulls --markdown docs/nulls.md README.md`` gives the tables in Markdown, and writes them
between the marks of these files; ``--figure`` draws time against edges.
"""

from __future__ import annotations

import argparse
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks._null_runs import CALL, CASES, CHAIN, MIXED, OURS, PEERS, TOOLS, Case, Result, measure
from benchmarks._processes import Rewirer

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
    """Return how far the chain is from one pass over its planes, read and written, for each halving of rho.

    Beside it the memory of the call, and what it is meant to stay below: five planes, the new weights, a pool of them.
    """
    rows = []
    for case, results in found.items():
        chain, call = (next(r for r in results if r.tool == name) for name in (CHAIN, CALL))
        if chain.note or call.note:
            continue
        weights = 4 * case.n_edges()
        one_pass = copy_seconds(case.plane_bytes())
        halving = chain.seconds / -math.log2(max(chain.rho, 1e-4))
        rows.append(
            [
                case.name,
                f"{case.plane_bytes() / 2**20:.2f}",
                f"{1e6 * one_pass:.3g}",
                f"{1e6 * halving:.3g}",
                times(halving / one_pass),
                f"{weights / 2**20:.1f}",
                f"{(5 * case.plane_bytes() / case.n_planes() + 2 * weights) / 2**20:.1f}",
                f"{call.peak / 2**20:.1f}",
            ]
        )
    header = ["case", "planes, MiB", "one pass, us", "chain per halving of rho, us", "distance"]
    header += ["weights, MiB", "5 planes and 2 x weights, MiB", "peak of our call, MiB"]
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
    import torch

    import nngraph as nng

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


def tables(chosen: Sequence[Case], rewirers: dict[str, Rewirer], *, markdown: bool) -> Iterator[tuple[str, str]]:
    """Yield the names and the text of the pieces of the report as they are measured."""
    yield "notes", NOTES.format(cpu=_processor(), mixed=MIXED)
    found: dict[Case, list[Result]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in chosen:
            found[case] = measure(case, rewirers, folder)
            yield case.name, case_table(case, found[case], markdown=markdown)
    yield "short", target_table(found, markdown=markdown)
    yield "floor", floor_table(found, markdown=markdown)
    yield "significance", significance(markdown=markdown)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, Python {platform.python_version()}"


def kept_table() -> str:
    """Return what every kind keeps, in each draw or in expectation, in Markdown."""
    from nngraph.nulls import expected, kept
    from nngraph.nulls.kinds import KINDS

    columns = {"alpha": {"alpha"}, "edges": {"density"}} | {name: {name} for name in ("support", "signs", "weights")}
    columns |= {"degrees": {"k_source", "k_target"}}
    for name, what in (("k", "signed degrees"), ("s", "strengths")):
        columns |= {f"{what}, {side}s": {f"{name}_{side}+", f"{name}_{side}-"} for side in ("source", "target")}

    def word(kind: str, needed: set[str]) -> str:
        return "yes" if needed <= kept(kind) else "expected" if needed <= expected(kind) else ""

    rows = [[kind, *(word(kind, needed) for needed in columns.values())] for kind in KINDS]
    return table(["kind", *columns], rows, markdown=True)


def write_between(path: Path, sections: dict[str, str]) -> None:
    """Put each section whose two marks a file has between them, in the place of what is there."""
    page = path.read_text(encoding="utf-8")
    found = 0
    for name, text in sections.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if page.count(begin) == page.count(end) == 1:
            found += 1
            page = f"{page.split(begin)[0]}{begin}\n\n{text}\n\n{end}{page.split(end)[1]}"
    if not found:
        raise SystemExit(f"{path}: expected lines <!-- NAME: begin --> and <!-- NAME: end -->, NAME of {[*sections]}.")
    path.write_text(page, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Null models beside the peers.")
    parser.add_argument("--figure", action="store_true", help="draw time against edges instead of the tables")
    parser.add_argument("--markdown", nargs="*", metavar="FILE", help="tables in Markdown, and into these files")
    parser.add_argument("--cases", type=int, nargs="*", help="numbers of the cases, from 0; all by default")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[*PEERS], help="which peers; all by default")
    options = parser.parse_args(arguments or [])
    subprocess.run([sys.executable, "-m", "nngraph.nulls._kernels"], check=True)  # compiling is not what is timed
    rewirers = {name: Rewirer(name) for name in [*OURS, *options.peers]}
    try:
        if options.figure:
            from benchmarks._null_figure import draw

            draw(rewirers)
            return
        chosen = CASES if options.cases is None else [CASES[i] for i in options.cases]
        pieces = {}
        for name, piece in tables(chosen, rewirers, markdown=options.markdown is not None):
            pieces[name] = piece
            print(f"{piece}\n", flush=True)
        sections = {"null models": "\n\n".join(pieces.values()), "null models in short": pieces["short"]}
        for path in options.markdown or ():
            write_between(Path(path), sections | {"kept": kept_table()})
    finally:
        for rewirer in rewirers.values():
            rewirer.close()


if __name__ == "__main__":
    main(sys.argv[1:])
