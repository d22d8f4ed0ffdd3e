"""Training that holds only the present edges against masked dense training: time of a step and peak memory.

Each arm is a process of its own. Memory is the peak above what torch, nngraph and the data take, one rewiring included;
time is the CPU time of the fastest step of three runs, the arms in turn. Batches of 100 random samples, one thread, a
dense output layer in every arm. "masks by hand" multiplies weights by bool masks after each step and does nothing else;
"of masked" is against the faster, and against the smaller, of the two masked arms.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NETWORKS = {"3072-4000-1000-4000-10": (0.5, 0.2, 0.1, 0.05, 0.02, 0.01), "784-400-400-10": (0.5, 0.2, 0.1, 0.063, 0.02)}
MASKED, EDGES = ("masks by hand", "SET on masks"), "SET on edges"
REPEATS, BATCH = 3, 100
STEPS = {"3072-4000-1000-4000-10": 12, "784-400-400-10": 100}
BOUND, BOUND_AT = 1 / 3, ("3072-4000-1000-4000-10", "sgd", 0.02)  # memory of masked training, and where it is promised
MASKED_AT = {"3072-4000-1000-4000-10": 0.02, "784-400-400-10": 0.063}  # its cost is that of any density


def main() -> None:
    """Print a row for each network, optimiser and density."""
    for network, densities in NETWORKS.items():
        at = MASKED_AT[network]
        masked = [(arm, at) for arm in MASKED]
        arms = {"sgd": [*masked, *((EDGES, density) for density in densities)], "adam": [*masked, (EDGES, at)]}
        seen: dict[tuple[str, str, float], list[dict[str, float]]] = {}
        for _ in range(REPEATS):
            for optimizer, each in arms.items():
                for arm, density in each:
                    seen.setdefault((optimizer, arm, density), []).append(_run(network, optimizer, arm, density))
        columns = ("ms a step", "of masked", "peak MB", "of masked", "rewiring ms")
        print(f"{network:24}{'optimiser':>10}{'density':>9}{''.join(f'{column:>12}' for column in columns)}")
        for optimizer, each in arms.items():
            ms, mb = (
                min(figures) for figures in zip(*(_best(seen[optimizer, *arm])[:2] for arm in masked), strict=True)
            )
            for arm, density in each:
                its_ms, its_mb, rewiring = _best(seen[optimizer, arm, density])
                print(
                    f"{arm:24}{optimizer:>10}{density:9g}{its_ms:12.2f}{its_ms / ms:12.3f}{its_mb:12.1f}"
                    f"{its_mb / mb:12.3f}{rewiring:12.1f}",
                    flush=True,
                )
                if arm == EDGES and (network, optimizer, density) == BOUND_AT:
                    kept = "within" if its_mb <= BOUND * mb else "NOT WITHIN"
                    print(f"    peak memory {its_mb / mb:.3f} of masked, {kept} {BOUND:.3f}", flush=True)


def _best(runs: list[dict[str, float]]) -> tuple[float, float, float]:
    """Return the fastest step in ms, the middle of the peaks in MB, and the fastest rewiring in ms."""
    return (
        min(run["ms"] for run in runs),
        sorted(run["mb"] for run in runs)[len(runs) // 2],
        min(run["rewiring"] for run in runs),
    )


def _run(network: str, *arm: object) -> dict[str, float]:
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_sparse_training", network, *map(str, arm)],
        env=os.environ | threads,
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _train(network: str, optimizer: str, arm: str, density: float) -> dict[str, float]:
    """Train for a few steps and return the fastest step and the peak of memory."""
    import torch
    from torch import nn

    from nngraph.sparse import SET, SparseLinear, erdos_renyi_mask

    def rule_of(model: nn.Module) -> torch.optim.Optimizer:
        if optimizer == "sgd":
            return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        return torch.optim.Adam(model.parameters())

    def step_of(model: nn.Module, rule: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
        rule.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        rule.step()

    torch.manual_seed(0)
    small = nn.Linear(3, 2)  # loads the parts of torch that wait for the first step: they are torch itself
    step_of(small, rule_of(small), torch.randn(4, 3), torch.zeros(4, dtype=torch.long))
    sizes = [int(n) for n in network.split("-")]
    x, y = torch.randn(10 * BATCH, sizes[0]), torch.randint(0, sizes[-1], (10 * BATCH,))
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here

    modules: list[nn.Module] = []
    masks: dict[str, torch.Tensor] = {}
    for number, (n, m) in enumerate(itertools.pairwise(sizes[:-1])):
        epsilon = density * n * m / (n + m)
        if arm == EDGES:
            modules.append(SparseLinear(n, m, epsilon, rng=number))
        else:
            modules.append(nn.Linear(n, m))
            masks[str(2 * number)] = torch.from_numpy(erdos_renyi_mask(m, n, epsilon, rng=number))
        modules.append(nn.ReLU())
    model = nn.Sequential(*modules, nn.Linear(*sizes[-2:]))
    n_steps = 3 + STEPS[network]
    evo = None
    if arm == EDGES:
        evo = SET(model, every=n_steps, rng=0)
    elif arm == MASKED[1]:
        evo = SET.from_masks(model, masks, every=n_steps, rng=0)
        masks = {}
    else:
        _mask(model, masks)
    rule = rule_of(model)
    seconds = []
    for step in range(n_steps):
        rows = slice(step % 10 * BATCH, (step % 10 + 1) * BATCH)
        began = time.process_time()
        step_of(model, rule, x[rows], y[rows])
        _mask(model, masks)
        if evo is not None:
            evo.after_step(rule)
        seconds.append(time.process_time() - began)
    *steps, last = (1e3 * second for second in seconds[3:])
    return {
        "ms": min(steps),
        "mb": (_memory("VmHWM") - before) / 1024,
        "rewiring": 0.0 if evo is None else max(last - min(steps), 0.0),
    }


def _mask(model, masks) -> None:
    """Put absent edges back to 0, in place: the least that training under a mask takes."""
    for name, mask in masks.items():
        model.get_submodule(name).weight.data.mul_(mask)


def _memory(field: str) -> int:
    """Return a field of the process's memory in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(json.dumps(_train(*sys.argv[1:4], float(sys.argv[4]))))
