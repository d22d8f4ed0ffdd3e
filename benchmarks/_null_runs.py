"""Cases and tools of the benchmark of null models: the effort that mixes, and times in turn."""

from __future__ import annotations

import dataclasses
import math
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

    def n_planes(self) -> int:
        return 1 if self.complete else 2

    def plane_bytes(self) -> int:
        """Return the bytes of all planes of bits."""
        n_rows, n_columns = sorted((self.n_source, self.n_target))
        return 8 * n_rows * -(-n_columns // 64) * self.n_planes()

    def n_edges(self) -> int:
        return sum(int(plane.sum()) for plane in self.planes()) if not self.complete else self.n_source * self.n_target


CASES = (
    Case(784, 64, draws=10),
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
    names = [name for name in (*OURS, *case.peers) if name in rewirers]
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
