"""The maximum-entropy ensemble: fit and draw; beside siberia and bicm where they are installed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import time
from collections.abc import Callable

import numpy as np

import nngraph as nng
from nngraph.nulls import entropy

SHAPE = (64, 784)
"""(n_target, n_source) of the comparison."""


def matrix(shape: tuple[int, int], density: float, spread: float = 0.3) -> np.ndarray:
    """Signs with a preference of each node; with a density below 1, an uneven number of edges too."""
    rng = np.random.default_rng(0)

    def offsets() -> np.ndarray:
        return spread * (rng.normal(size=(shape[0], 1)) + rng.normal(size=shape[1]))

    signs = np.where(rng.random(shape) < 1 / (1 + np.exp(-offsets())), 1.0, -1.0)
    if density < 1:
        chance = np.exp(offsets())
        signs *= rng.random(shape) < np.minimum(density * chance / chance.mean(), 1)
    return (signs * rng.uniform(0.5, 1.5, shape)).astype(np.float32)


def cpu(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the least CPU seconds of some calls."""
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return min(seconds)


def fit(block: nng.Block) -> nng.nulls.MaximumEntropy:
    """Fit anew, whatever is remembered."""
    entropy._solution.cache_clear()
    return nng.nulls.maximum_entropy(block)


def siberia_fit(signs: np.ndarray, solver: str) -> np.ndarray:
    from siberia import TSeries

    series = TSeries(signs.copy(), n_jobs=1)
    series.fit("bSCM", solver_type=solver)
    series.predict()
    return np.asarray(series.pit_plus)


def bicm_fit(signs: np.ndarray) -> np.ndarray:
    from bicm import BipartiteGraph

    with contextlib.redirect_stdout(io.StringIO()):
        graph = BipartiteGraph()
        graph.set_biadjacency_matrix((signs > 0).astype(int))
        graph.solve_tool()
        return np.asarray(graph.get_bicm_matrix())


def compare() -> None:
    signs = np.sign(matrix(SHAPE, 1)).astype(np.float64)
    block = nng.from_matrices([signs]).block(0)
    seconds = cpu(lambda: fit(block), 20)
    p = fit(block).p_plus
    print(f"complete {SHAPE[0]}x{SHAPE[1]}: nngraph {1e3 * seconds:.2f} ms")
    peers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "siberia, fixed point": lambda s: siberia_fit(s, "fixed_point"),
        "siberia, least squares": lambda s: siberia_fit(s, "lsq"),
        "bicm": bicm_fit,
    }
    for name, solve in peers.items():
        package = name.split(",")[0]
        if importlib.util.find_spec(package) is None:
            print(f"  {name}: {package} is not installed here")
            continue
        corner = signs[:6, :8]
        solve(corner)  # bicm compiles once in a process, siberia at every fit
        compiling, peer = (cpu(lambda solve=solve, part=part: solve(part), 1) for part in (corner, signs))
        found = solve(signs)
        ends = zip((found.sum(0), found.sum(1)), ((signs > 0).sum(0), (signs > 0).sum(1)), strict=True)
        residual = max(np.abs(one - two).max() for one, two in ends)
        print(
            f"  {name}: {1e3 * peer:.1f} ms ({1e3 * compiling:.1f} ms for 6x8), {peer / seconds:,.0f}x; degrees off by "
            f"{residual:.1e}, probabilities differ from ours by {np.abs(found - p).max():.1e}"
        )


def main() -> None:
    for shape, density in (
        ((64, 784), 1),
        ((3072, 768), 1),
        ((3072, 768), 0.5),
        ((3072, 768), 0.05),
        ((3072, 768), 0.01),
    ):
        G = nng.from_matrices([matrix(shape, density)])
        model = fit(G.block(0))
        took, draw = cpu(lambda G=G: fit(G.block(0))), cpu(lambda G=G: nng.nulls.randomize(G, "maximum_entropy", rng=7))
        print(
            f"{shape[0]}x{shape[1]} at {100 * density:g} %: fit {1e3 * took:.1f} ms ({model.n_iterations} iterations, "
            f"residual {model.residual:.0e}), draw {1e3 * draw:.1f} ms",
            flush=True,
        )
    compare()


if __name__ == "__main__":
    main()
