"""Measures that match samples, and features, by optimal transport: no sample needs to be the same on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG
from nngraph.errors import ConvergenceError
from nngraph.similarity._clouds import Normalize
from nngraph.similarity._comparisons import Comparison, scaled_distances


class Wasserstein(Comparison):
    r"""Cost of the best matching of samples.

    .. math:: d(X, Y) = \min_T \sum_{ij} T_{ij} \lVert x_i - y_j \rVert_2^p

    over couplings T of uniform weights; p = ``power`` is 1, or 2 for the square of the 2-Wasserstein distance.
    """

    def __init__(self, power: int = 1) -> None:
        self.power = _arguments.whole("power", power, 1, 2)

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the representation in double precision."""
        return np.asarray(x, np.float64)

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the cost."""
        from scipy.spatial.distance import cdist

        cost = cdist(a, b, "euclidean" if self.power == 1 else "sqeuclidean")
        return float((coupling(cost) * cost).sum())

    def size(self, n: int, d: int) -> int:
        """Return the number of entries."""
        return n * d


class Augmented(Comparison):
    r"""Augmented Gromov-Wasserstein: couple samples by distances and, with coupled features, by values.

    .. math:: d(X, Y) = \min_{T, S} \; \alpha \sum (D^X_{ik} - D^Y_{jl})^2 T_{ij} T_{kl}
              + (1 - \alpha) \sum (x_{ia} - y_{jb})^2 T_{ij} S_{ab}

    T couples samples and S features, both of uniform weights. Both clouds are over the scale of their distances first
    (``normalize``). T and S are improved in turn, at most ``rounds`` times, from product couplings and, for as many
    samples on both sides, from each sample coupled to itself: a local minimum, and so an upper bound. The value is the
    whole objective at the last couplings of the better search.
    """

    def __init__(self, alpha: float = 0.5, rounds: int = 10, normalize: Normalize = "mean") -> None:
        self.alpha = _arguments.number(
            "alpha", alpha, "a number from 0 (features) to 1 (distances only)", lambda a: 0 <= a <= 1
        )
        self.rounds, self.normalize = _arguments.whole("rounds", rounds), normalize

    def prepare(self, name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cloud and its distances, both over one scale."""
        x = np.asarray(x, np.float64)
        D = scaled_distances(name, x, self.normalize)
        if self.normalize == "none":
            return x, D
        i, j = np.unravel_index(np.argmax(D), D.shape)
        return x * (D[i, j] / np.linalg.norm(x[i] - x[j])), D

    def pair(self, a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
        """Return the smaller of the objectives that two searches end at; one, where the numbers of samples differ."""
        (x, _), (y, _) = a, b
        T, S = (np.full((k, m), 1 / (k * m)) for k, m in zip(x.shape, y.shape, strict=True))
        found = self._search(a, b, T, S)
        if len(x) == len(y):
            T = np.eye(len(x)) / len(x)
            found = min(found, self._search(a, b, T, coupling(entry_costs(x.T, y.T, T)) if self.alpha < 1 else S))
        return found

    def _search(
        self, a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], T: np.ndarray, S: np.ndarray
    ) -> float:
        """Return the objective at the last couplings of a search from T and S."""
        (x, D), (y, E) = a, b
        best = np.inf
        for _ in range(self.rounds):
            T = self._couple_samples(D, E, entry_costs(x, y, S), T)
            S = coupling(entry_costs(x.T, y.T, T)) if self.alpha < 1 else S
            value = self._objective(D, E, entry_costs(x, y, S), T)
            if value >= best - 1e-10 * abs(best):
                break
            best = value
        return float(max(min(best, value), 0.0))

    def _couple_samples(self, D: np.ndarray, E: np.ndarray, M: np.ndarray, T: np.ndarray) -> np.ndarray:
        """Go to the coupling that the gradient prefers until it prefers the present one.

        The objective is concave in T, because Euclidean distances are conditionally negative definite: a full step
        lowers it by at least what the gradient says, and a search along the line has nothing to find.
        """
        for _ in range(200):
            gradient = (1 - self.alpha) * M - 4 * self.alpha * (D @ T @ E)
            new = coupling(gradient)
            if ((new - T) * gradient).sum() >= -1e-11 * np.abs(gradient).max():
                return T
            T = new
        raise ConvergenceError(
            "measure 'agw': the coupling of the samples still changed after 200 steps; take fewer samples, or "
            "another alpha."
        )

    def _objective(self, D: np.ndarray, E: np.ndarray, M: np.ndarray, T: np.ndarray) -> float:
        distortion = float((D**2).mean() + (E**2).mean() - 2 * ((D @ T @ E) * T).sum())
        return self.alpha * distortion + (1 - self.alpha) * float((M * T).sum())

    def size(self, n: int, d: int) -> int:
        """Return the number of entries and of distances."""
        return n * (n + d)


class GromovWasserstein(Comparison):
    """The Gromov-Wasserstein objective of two clouds, or its ``root``: the best found; see ``gromov_wasserstein``."""

    def __init__(
        self,
        *,
        root: bool = False,
        normalize: Normalize = "mean",
        starts: Sequence[str] = ("product", "identity"),
        rng: RNG = None,
    ) -> None:
        self.root, self.normalize, self.starts, self.rng = bool(root), normalize, starts, rng

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the (n, n) distances."""
        return scaled_distances(name, x, self.normalize)

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the best value found."""
        from nngraph.similarity.gromov import gromov_wasserstein

        found = gromov_wasserstein(a, b, starts=self.starts, rng=self.rng)
        return float(found.root if self.root else found.value)

    def size(self, n: int, d: int) -> int:
        """Return the number of distances."""
        return n * n


def entry_costs(x: np.ndarray, y: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Return sum_ab (x_ia - y_jb)^2 S_ab for all i and j."""
    squares: np.ndarray = (x**2 @ S.sum(1))[:, None] + y**2 @ S.sum(0) - 2 * (x @ S @ y.T)
    return squares


def coupling(cost: np.ndarray) -> np.ndarray:
    """Return the cheapest coupling of uniform weights, exactly.

    Costs are made positive, which the solver needs, and at most 1: its tolerances are absolute.
    """
    import ot

    cost = np.ascontiguousarray(cost, np.float64)
    cost = cost - cost.min()
    largest = cost.max()
    cost = cost / largest if largest > 0 else cost
    n, m = cost.shape
    T, log = ot.emd(ot.unif(n), ot.unif(m), cost, numItermax=10_000_000, log=True)
    if log["warning"] is not None or abs(T.sum() - 1) > 1e-6:
        raise ConvergenceError(
            f"optimal transport of {n} and {m} samples: the linear program stopped early ({log['warning']}); take "
            "fewer samples."
        )
    plan: np.ndarray = T
    return plan
