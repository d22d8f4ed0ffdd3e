"""Files for viewers beside the writers of networkx and igraph: CPU seconds, peak memory and bytes of an edge."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import igraph
import networkx as nx
import numpy as np

import nngraph as nng
from benchmarks._timing import heading, in_turn, row
from benchmarks.bench_views import numbers, spread

LARGE = """
import logging, os, resource, sys, tempfile, time
import numpy as np
import nngraph as nng

logging.disable()
G = nng.from_matrices([np.random.default_rng(0).standard_normal((768, 3072), dtype=np.float32)])
with tempfile.TemporaryDirectory() as folder:
    path = folder + "/net{suffix}"
    nng.{write}(nng.from_matrices([np.ones((2, 2))]), path)  # imports
    resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    began = time.process_time()
    nng.{write}(G, path{options})
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - resident
    print(1e6 / G.n_edges * seconds, 1e6 / G.n_edges * peak / 2**20, os.path.getsize(path) / G.n_edges)
"""
WRITERS = (
    ("GEXF", "write_gexf", ".gexf", ", force=True"),
    ("GraphML", "write_graphml", ".graphml", ", force=True"),
    ("CSV", "write_edges", ".csv", ""),
    ("Parquet", "write_edges", ".parquet", ""),
)


def peer(path: Path) -> nx.DiGraph:
    """Return what networkx is to write: the graph of a GEXF file of ours, with all of its attributes and looks."""
    N = nx.read_gexf(path)
    for _, _, data in N.edges(data=True):
        del data["id"]  # its reader gives edges an attribute of this name; its writer numbers them by itself
    return N


def main(repeats: int = 5) -> None:
    logging.disable(logging.WARNING)
    rng = np.random.default_rng(0)
    G = nng.from_matrices([rng.standard_normal(shape, dtype=np.float32) for shape in ((64, 784), (2, 64))])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gexf, graphml, other = folder / "net.gexf", folder / "net.graphml", folder / "other"
        nng.write_gexf(G, gexf)
        nng.write_graphml(G, graphml)
        looks, plain, g = peer(gexf), nx.read_graphml(graphml), igraph.Graph.Read_GraphML(str(graphml))
        heading(f"784-64-2, {G.n_edges:,} edges, ms; bare is the peer")
        for what, ours, theirs in (
            ("GEXF, networkx", lambda: nng.write_gexf(G, gexf), lambda: nx.write_gexf(looks, other)),
            ("GraphML, networkx", lambda: nng.write_graphml(G, graphml), lambda: nx.write_graphml_xml(plain, other)),
            ("GraphML, igraph", lambda: nng.write_graphml(G, graphml), lambda: g.write_graphml(str(other))),
        ):
            pairs = in_turn(ours, theirs, repeats=repeats)
            row(what, pairs)
            print(f"{what:44}{np.median(1 / pairs.ratios):10.1f} times as fast")
    for name, write, suffix, options in WRITERS:
        runs = [numbers(LARGE.format(write=write, suffix=suffix, options=options)) for _ in range(repeats)]
        seconds, peak, size = zip(*runs, strict=True)
        print(f"{name:8} of 3072-768, 2.4 million edges, CPU s per million   {spread(list(seconds))}")
        print(f"{name:8} of 3072-768, peak MiB per million                   {spread(list(peak))}")
        print(f"{name:8} of 3072-768, bytes of an edge                       {spread(list(size))}", flush=True)
    logging.disable(logging.NOTSET)


if __name__ == "__main__":
    main()
