"""The intrinsic multi-scale distance of two clouds: heat on their neighbourhood graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nngraph import _arguments, _rng
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import distances
from nngraph.similarity._comparisons import Comparison

TIMES = np.geomspace(0.1, 10, 256)
UNIT = 1e6


class HeatTraces(Comparison):
    r"""Largest weighted difference of heat traces (MSID, also called IMD).

    .. math:: d(X, Y) = 10^6 \max_t e^{-2(t + 1/t)} |h_X(t) - h_Y(t)|, \quad
              h(t) = \frac1n \operatorname{tr} e^{-t L}

    L is the normalised Laplacian of the graph that joins each sample with its k nearest ones, and with those it is
    among the k nearest of; t runs over 256 logarithmic steps from 0.1 to 10. The trace is a sum over all eigenvalues
    or, ``stochastic``, an estimate by ``steps`` Lanczos steps from each of ``probes`` vectors of random signs, the same
    ones for all clouds of one size.
    """

    def __init__(
        self,
        neighbours: int = 5,
        *,
        stochastic: bool = False,
        probes: int = 100,
        steps: int = 10,
        rng: _rng.RNG = 0,
    ) -> None:
        for name, value in (("neighbours", neighbours), ("probes", probes), ("steps", steps)):
            _arguments.whole(name, value)
        self.neighbours, self.probes, self.steps = int(neighbours), int(probes), int(steps)
        self.stochastic, self.seed = bool(stochastic), _rng.seed_sequence(rng)

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return (256,) heat traces over n."""
        if len(x) <= self.neighbours:
            raise ArgumentError(
                f"tap {name!r}: got {len(x)} samples; expected more than neighbours={self.neighbours}. Take more "
                "samples or fewer neighbours."
            )
        A = adjacency(distances(name, x, normalize="none"), self.neighbours)
        if self.stochastic:
            return self._estimate(A)
        roots = 1 / np.sqrt(np.asarray(A.sum(0)).ravel())
        eigenvalues = 1 - np.linalg.eigvalsh(roots[:, None] * A.toarray() * roots)
        trace: np.ndarray = np.exp(-np.outer(TIMES, eigenvalues)).mean(1)
        return trace

    def _estimate(self, A: Any) -> np.ndarray:
        """Return the traces: exact for a parabola near exp(-t lambda), by Lanczos quadrature for what it leaves."""
        from scipy.sparse import diags

        n = A.shape[0]
        roots = diags(1 / np.sqrt(np.asarray(A.sum(0)).ravel()))
        S = (roots @ A @ roots).tocsr()
        grid = np.linspace(0, 2, 201)
        parabolas = np.polynomial.polynomial.polyfit(grid, np.exp(-np.outer(grid, TIMES)), 2).T  # (256, 3)
        exact = parabolas @ np.array([1.0, 1.0, 1.0 + S.multiply(S).sum() / n])  # L = 1 - S has traces n, n, n + |S|^2
        signs = _rng.generator(self.seed).choice([-1.0, 1.0], size=(self.probes, n))
        rest = np.zeros(len(TIMES))
        for z in signs:
            nodes, weights = _quadrature(S, z / np.sqrt(n), self.steps)
            values = np.exp(-np.outer(TIMES, nodes)) - np.polynomial.polynomial.polyval(nodes, parabolas.T)
            rest += values @ weights
        trace: np.ndarray = exact + rest / self.probes
        return trace

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the largest weighted difference."""
        return float(UNIT * (np.exp(-2 * (TIMES + 1 / TIMES)) * np.abs(a - b)).max())

    def size(self, n: int, d: int) -> int:
        """Return the number of times."""
        return len(TIMES)


def adjacency(D: np.ndarray, k: int) -> Any:
    """Return the (n, n) CSR graph of the k nearest samples, of either end; the earlier sample first on ties."""
    from scipy.sparse import csr_array

    n = len(D)
    np.fill_diagonal(D, np.inf)
    nearest = np.argsort(D, axis=1, kind="stable")[:, :k]
    A = csr_array((np.ones(n * k), (np.repeat(np.arange(n), k), nearest.ravel())), shape=(n, n))
    return A.maximum(A.T).tocsr()


def _quadrature(S: Any, v: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of Gauss quadrature for v' f(1 - S) v; vectors are orthogonalised twice against all."""
    vectors = [v]
    diagonal, beside = [], []
    for step in range(min(steps, len(v))):
        w = vectors[-1] - S @ vectors[-1]
        diagonal.append(float(w @ vectors[-1]))
        basis = np.array(vectors)
        for _ in range(2):
            w -= (basis @ w) @ basis
        norm = float(np.linalg.norm(w))
        if step + 1 == min(steps, len(v)) or norm < 1e-10:
            break
        beside.append(norm)
        vectors.append(w / norm)
    T = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    nodes, U = np.linalg.eigh(T)
    return nodes, U[0] ** 2
