"""One tool that rewires signed edges, run as a process of its own: ``PYTHON _rewirers.py TOOL``.

The process reads one request a line from stdin (JSON) and answers each with one line on stdout. It imports its tool
alone, so that every tool runs under the interpreter that has it, and measures its own processor time and memory.

A case is a file of planes: bool arrays (fewer nodes, more nodes), one of the positive edges where every pair has an
edge (the negative ones are its complement), else one of the positive and one of the negative edges.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import math
import os
import random
import sys
import time
from typing import Any, Protocol

import numpy as np


class Tool(Protocol):
    """What every tool does; only :meth:`rewire` is timed as rewiring."""

    version: str

    def build(self, planes: list[np.ndarray]) -> Any:
        """Return the tool's own graphs."""

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        """Return the rewired graphs. Effort is in the tool's own unit: rounds, or trials for each edge."""

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        """Return the planes of rewired graphs."""


def _ends(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return tails and heads of the directed edges of a plane: the head's ids follow those of the tails."""
    tails, heads = np.nonzero(plane)
    return np.ascontiguousarray(tails), heads + plane.shape[0]  # networkit takes nothing else


def _plane(edges: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a plane of (n, 2) edges; edges within a side, which no plane holds, are left out."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    across = (low < shape[0]) & (high >= shape[0])
    plane = np.zeros(shape, bool)
    plane[low[across], high[across] - shape[0]] = True
    return plane


# ----------------------------------------------------------------------- peers


class Networkit:
    """networkit on the directed graph from the smaller side to the larger, one thread."""

    def __init__(self) -> None:
        import networkit

        self._nk = networkit
        self.version = networkit.__version__
        networkit.setNumberOfThreads(1)

    def build(self, planes: list[np.ndarray]) -> Any:
        return [
            self._nk.GraphFromCoo(_ends(p), n=sum(p.shape), weighted=False, directed=True, edgesIndexed=False)
            for p in planes
        ]

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        n = [g.numberOfEdges() for g in graphs]
        flat = [
            np.fromiter((v for e in g.iterEdges() for v in e), np.int64, 2 * m) for g, m in zip(graphs, n, strict=True)
        ]
        return [_plane(f.reshape(-1, 2), p.shape) for f, p in zip(flat, planes, strict=True)]


class NetworkitCurveball(Networkit):
    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        self._nk.setSeed(seed, False)
        done = []
        for g in graphs:
            curveball = self._nk.randomization.GlobalCurveball(g, int(effort), False, False)
            done.append(curveball.run().getGraph())
        return done


class NetworkitSwitching(Networkit):
    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        self._nk.setSeed(seed, False)
        done = []
        for g in graphs:
            switching = self._nk.randomization.EdgeSwitchingInPlace(g, effort)
            switching.run()
            done.append(switching.getGraph())
        return done


class Igraph:
    """igraph's rewire on the directed graph from the smaller side to the larger."""

    def __init__(self) -> None:
        import igraph

        self._igraph = igraph
        self.version = igraph.__version__

    def build(self, planes: list[np.ndarray]) -> Any:
        return [self._igraph.Graph(sum(p.shape), np.column_stack(_ends(p)), directed=True) for p in planes]

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        random.seed(seed)  # igraph draws from Python's own generator
        for g in graphs:
            g.rewire(math.ceil(effort * g.ecount()))
        return graphs

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        return [_plane(np.array(g.get_edgelist()), p.shape) for g, p in zip(graphs, planes, strict=True)]


class Pybirewirex:
    def __init__(self) -> None:
        from importlib.metadata import version

        import pybirewirex

        self._tool, self.version = pybirewirex, version("pybirewirex")

    def build(self, planes: list[np.ndarray]) -> Any:
        return [p.astype(np.uint8) for p in planes]

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        return [self._tool.rewire_bipartite(m, max_iter=math.ceil(effort * m.sum()), seed=seed) for m in graphs]

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        return [m.astype(bool) for m in graphs]


class GraphTool:
    def __init__(self) -> None:
        import graph_tool
        from graph_tool.generation import random_rewire

        self._tool, self._random_rewire, self.version = graph_tool, random_rewire, graph_tool.__version__.split()[0]

    def build(self, planes: list[np.ndarray]) -> Any:
        graphs = []
        for p in planes:
            g = self._tool.Graph(directed=True)
            g.add_vertex(sum(p.shape))
            g.add_edge_list(np.column_stack(_ends(p)))
            graphs.append(g)
        return graphs

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        self._tool.seed_rng(seed)
        for g in graphs:
            self._random_rewire(g, model="configuration", n_iter=int(effort))
        return graphs

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        return [_plane(g.get_edges(), p.shape) for g, p in zip(graphs, planes, strict=True)]


class Networkx:
    """networkx's double edge swaps: of undirected graphs only, so that edges come to lie within a side."""

    def __init__(self) -> None:
        import networkx

        self._nx, self.version = networkx, networkx.__version__

    def build(self, planes: list[np.ndarray]) -> Any:
        graphs = []
        for p in planes:
            g = self._nx.empty_graph(sum(p.shape))
            g.add_edges_from(zip(*(ends.tolist() for ends in _ends(p)), strict=True))
            graphs.append(g)
        return graphs

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        for g in graphs:
            n = math.ceil(effort * g.number_of_edges())
            self._nx.double_edge_swap(g, nswap=n, max_tries=100 * n, seed=seed)
        return graphs

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        return [_plane(np.array(g.edges), p.shape) for g, p in zip(graphs, planes, strict=True)]


# ------------------------------------------------------------------------ ours


class _Ours:
    """The library. ``turned`` gives it the block with the larger side as rows, as the layer of a network may be."""

    turned = False

    def __init__(self) -> None:
        import nngraph

        self.version = nngraph.__version__

    def _graph(self, planes: list[np.ndarray]) -> Any:
        import nngraph as nng

        rest = ~planes[0] if len(planes) == 1 else planes[1]
        weights = np.random.default_rng(1).random(planes[0].shape, dtype=np.float32) + np.float32(0.5)
        weights *= planes[0].view(np.int8) - rest.view(np.int8)
        return nng.from_matrices([np.ascontiguousarray(weights.T) if self.turned else weights])

    def _planes(self, signs: np.ndarray, planes: list[np.ndarray]) -> list[np.ndarray]:
        signs = signs.T if self.turned else signs
        return [signs > 0] if len(planes) == 1 else [signs > 0, signs < 0]


class NngraphChain(_Ours):
    """The chain alone, on planes that are in memory."""

    def build(self, planes: list[np.ndarray]) -> Any:
        from nngraph.nulls._edges import KernelEdges

        if len(planes) == 1:
            from nngraph.nulls.trades import CompleteSigns as Chain
        else:
            from nngraph.nulls.configuration import SignedConfiguration as Chain
        edges = KernelEdges(self._graph(planes).block(0))
        return lambda seed: Chain(edges, np.random.SeedSequence(seed))

    def start(self, graphs: Any, seed: int) -> Any:
        return graphs(seed)

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        graphs.run(int(effort))
        return graphs

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        placement = graphs.placement()
        if len(placement.indices):
            signs = np.zeros(placement.shape, np.int8)
            rows = np.repeat(np.arange(placement.shape[0]), np.diff(placement.indptr))
            signs[rows, placement.indices] = placement.signs
        else:
            signs = placement.signs.reshape(placement.shape)
        return self._planes(signs, planes)


class NngraphCall(_Ours):
    """The whole public call, from a graph to a new graph with its weights dealt anew."""

    def build(self, planes: list[np.ndarray]) -> Any:
        return self._graph(planes), "G" if len(planes) == 1 else "signed_configuration"

    def rewire(self, graphs: Any, effort: float, seed: int) -> Any:
        import nngraph as nng

        G, kind = graphs
        return nng.nulls.randomize(G, kind, rng=seed, sweeps=int(effort))

    def read(self, graphs: Any, planes: list[np.ndarray]) -> list[np.ndarray]:
        return self._planes(graphs.block(0).dense(), planes)


TOOLS: dict[str, type] = {
    "nngraph chain": NngraphChain,
    "nngraph call": NngraphCall,
    "networkit GlobalCurveball": NetworkitCurveball,
    "pybirewirex": Pybirewirex,
    "graph-tool": GraphTool,
    "igraph": Igraph,
    "networkit EdgeSwitching": NetworkitSwitching,
    "networkx": Networkx,
}
IN_PLACE = {"graph-tool", "igraph", "networkit EdgeSwitching", "networkx"}
"""Tools that change the graph they are given: it is built anew for each run."""


# --------------------------------------------------------------------- process


def _memory(field: str) -> int:
    """Return a field of /proc/self/status in bytes, or 0 where there is none."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next((1024 * int(line.split()[1]) for line in file if line.startswith(field)), 0)
    except OSError:
        return 0


def _trim() -> None:
    """Hand freed memory back, so that what a tool takes next shows as growth."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> None:
    """Let the peak of the resident memory, VmHWM, start anew from what is resident now."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


class Process:
    """The state of one process: a tool, a case, and the tool's graphs of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tool: Any = TOOLS[name]()
        gc.disable()  # no garbage collection within what is timed
        self.planes: list[np.ndarray] = []
        self.graphs: Any = None

    def load(self, path: str, turned: bool) -> dict[str, Any]:
        """Take a case, and build its graphs."""
        self.tool.turned = turned
        with np.load(path) as file:
            self.planes = [file[key] for key in sorted(file.files)]
        self.graphs = None
        _trim()
        resident = _memory("VmRSS")
        build = self._build()
        _trim()
        return {"build": build, "graph": _memory("VmRSS") - resident}

    def _build(self) -> float:
        began = time.process_time()
        self.graphs = self.tool.build(self.planes)
        return time.process_time() - began

    def run(self, effort: float, seed: int, least: float, check: bool) -> dict[str, Any]:
        """Rewire until ``least`` seconds have passed, once at least; give the best time, and what came of the last."""
        seconds: list[float] = []
        spent = peak = build = 0.0
        while not seconds or spent < least:
            if seconds and self.name in IN_PLACE:
                build = self._build()
            if check:  # not where only the time counts: memory that was handed back costs time to get again
                _trim()
                _reset_peak()
            resident = _memory("VmRSS")
            start = self.tool.start(self.graphs, seed) if hasattr(self.tool, "start") else self.graphs
            began = time.process_time()
            done = self.tool.rewire(start, effort, seed)
            seconds.append(time.process_time() - began)
            peak = max(peak, _memory("VmHWM") - resident)
            spent += seconds[-1]
            seed += 1
        answer = {"seconds": min(seconds), "n": len(seconds), "peak": peak, "build": build}
        if check:
            answer |= _compared(self.tool.read(done, self.planes), self.planes)
        del done, start
        if self.name in IN_PLACE:
            answer["build"] = self._build()
        return answer


def _compared(after: list[np.ndarray], before: list[np.ndarray]) -> dict[str, Any]:
    unlike = np.zeros(before[0].shape, bool)
    for new, old in zip(after, before, strict=True):
        unlike |= new ^ old
    exact = all(
        (new.sum(axis=k) == old.sum(axis=k)).all() for new, old in zip(after, before, strict=True) for k in (0, 1)
    )
    conflicts = int((after[0] & after[1]).sum()) if len(after) == 2 else 0
    return {"d": float(unlike.mean()), "exact": bool(exact), "conflicts": conflicts}


def main() -> None:
    # what the tool prints goes to stderr, so that stdout carries answers alone
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        process = Process(sys.argv[1])
    except (ImportError, OSError) as error:
        print(json.dumps({"missing": str(error)}), file=answers, flush=True)
        return
    print(json.dumps({"version": process.tool.version}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        call = getattr(process, request.pop("do"))
        try:
            answer = call(**request)
        except Exception as error:  # whatever a tool does with a case becomes an entry of the table
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
