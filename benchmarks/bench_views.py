"""Costs that a user meets before any result: the igraph view, `import nngraph`, `nngraph --help`."""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys

import numpy as np

VIEW = """
import resource, time
import numpy as np
import igraph
import nngraph as nng

rng = np.random.default_rng(0)
sizes = {sizes}
G = nng.from_matrices([rng.normal(size=pair[::-1]).astype(np.float32) for pair in zip(sizes, sizes[1:])])
nng.from_matrices([np.ones((2, 2))]).to_igraph()  # imports
resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
began = time.process_time()
g = G.to_igraph()
seconds = time.process_time() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - resident
assert {{"weight", "sign", "block"}} <= set(g.es.attributes())
assert g.ecount() == G.n_edges
G.to_igraph()  # the second view keeps the topology
began = time.process_time()
third = G.to_igraph()
print(1e6 / G.n_edges * seconds, 1e6 / G.n_edges * peak / 2**20, 1e6 / G.n_edges * (time.process_time() - began))
"""

IMPORT = """
import time
began = time.process_time()
import nngraph
print(time.process_time() - began)
"""

MAXRSS_IS_OF_THE_PARENT = """
import subprocess, sys
sys.stdout.write(subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, text=True, check=True).stdout)
"""


def numbers(code: str) -> list[float]:
    """Run code in a fresh interpreter and return the numbers that it prints."""
    # a child inherits the peak memory of the process that starts it: start it from a small one
    command = [sys.executable, "-c", MAXRSS_IS_OF_THE_PARENT, code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in answer.stdout.split()]


def spread(values: list[float]) -> str:
    return f"{np.median(values):8.3f} ({min(values):.3f}-{max(values):.3f})"


def main(repeats: int = 5) -> None:
    for sizes in ((784, 64, 2), (784, 1000, 1000, 10)):
        name = "-".join(map(str, sizes))
        first, peak, third = zip(*(numbers(VIEW.format(sizes=sizes)) for _ in range(repeats)), strict=True)
        print(f"igraph view of {name}, first, CPU s per million edges   {spread(list(first))}")
        print(f"igraph view of {name}, third, CPU s per million edges   {spread(list(third))}")
        if sizes[1] > 64:  # the peak of 50,304 edges is that of the interpreter
            print(f"igraph view of {name}, peak MiB per million edges       {spread(list(peak))}")
    print(f"import nngraph, CPU s                          {spread([numbers(IMPORT)[0] for _ in range(repeats)])}")
    if importlib.util.find_spec("nngraph.cli") is None:
        return
    helped = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", "from nngraph.cli import app; app(['--help'])"]
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        helped.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"nngraph --help, CPU s of the whole process     {spread(helped)}")


if __name__ == "__main__":
    main()
