"""Measures that compare how two representations relate the same pairs of samples: widths may differ."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import Normalize, distances
from nngraph.similarity._comparisons import Comparison, InnerProducts, UndefinedError, scaled_distances


@lru_cache(maxsize=2)
def _above(n: int) -> np.ndarray:
    """Return where the entries above the diagonal of an (n, n) matrix lie in its memory, row by row."""
    places = np.flatnonzero(np.triu(np.ones((n, n), bool), 1))
    places.flags.writeable = False
    return places


class DistanceDifference(Comparison):
    r"""Euclidean distance of the two vectors of distances between samples (the RSM difference).

    .. math:: d(X, Y) = \Bigl[ \sum_{i < j} (D^X_{ij} - D^Y_{ij})^2 \Bigr]^{1/2}

    The norm is that of the condensed vector: each pair of samples counts once.
    """

    def __init__(self, normalize: Normalize = "none") -> None:
        self.normalize = normalize

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the distances of all pairs i < j."""
        return scaled_distances(name, x, self.normalize).take(_above(len(x)))

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the norm of the difference, taken as such: near representations do not cancel."""
        return float(np.linalg.norm(a - b))

    def size(self, n: int, d: int) -> int:
        """Return the number of pairs."""
        return n * n // 2


class SimilarityCorrelation(InnerProducts):
    r"""Spearman correlation of the similarities of samples (representational similarity analysis, RSA).

    .. math:: s(X, Y) = \operatorname{corr}\bigl( \operatorname{rank} R^X_{i<j},\, \operatorname{rank} R^Y_{i<j}
              \bigr), \quad R^X_{ij} = \operatorname{corr}(x_i, x_j)

    Ties have their mean rank; correlations of samples within 1e-12 of each other are ties.
    """

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the ranks of the correlations, centred and of norm 1."""
        from scipy.stats import rankdata

        x = np.asarray(x, np.float64)
        centred = x - x.mean(1, keepdims=True)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        flat = norms[:, 0] <= 1e-13 * np.linalg.norm(x, axis=1)
        if flat.any():
            raise UndefinedError(
                f"tap {name!r}: {int(flat.sum())} samples, the first of them {int(np.argmax(flat))}, have the same "
                "value in all dimensions, so their correlation with others is undefined. Leave these samples or the "
                "tap out, or take measure='cka'."
            )
        centred /= norms
        similarities = (centred @ centred.T).take(_above(len(x)))
        return _unit(name, rankdata(np.round(similarities, 12)), center=True)


class KernelAlignment(InnerProducts):
    r"""Centred kernel alignment (CKA), debiased unless ``biased``.

    .. math:: s(X, Y) = \frac{\langle \tilde K, \tilde L \rangle}{\lVert \tilde K \rVert \lVert \tilde L \rVert}

    K is the kernel of X, L that of Y: linear, :math:`K_{ij} = \langle x_i, x_j \rangle`, or Gaussian,
    :math:`\exp(-D_{ij}^2 / 2 s^2)` with s ``bandwidth`` times the median distance of two samples. Debiased,

    .. math:: \tilde K_{ij} = K_{ij} - \frac{r_i + r_j}{n - 2} + \frac{\sum_k r_k}{(n - 1)(n - 2)} \quad (i \ne j),
              \qquad \tilde K_{ii} = 0, \qquad r_i = \sum_{j \ne i} K_{ij}

    so that the inner product over n(n - 3) is the U-statistic of HSIC; biased, K is centred by rows and columns.
    """

    def __init__(
        self, kernel: Literal["linear", "rbf"] = "linear", *, biased: bool = False, bandwidth: float = 1.0
    ) -> None:
        _arguments.choice("kernel", kernel, ("linear", "rbf"))
        expected = "a positive number of median distances"
        self.bandwidth = _arguments.number("bandwidth", bandwidth, expected, lambda x: 0 < x < np.inf)
        self.kernel, self.biased = kernel, bool(biased)

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the centred kernel as a vector of norm 1: above the diagonal, then, where biased, on it."""
        n = len(x)
        if n < 4 and not self.biased:
            raise ArgumentError(
                f"tap {name!r}: got {n} samples; debiased CKA needs at least 4. Pass biased=True, or more samples."
            )
        x = np.asarray(x, np.float64)
        centred = x - x.mean(0)
        K = self._gaussian(name, x) if self.kernel == "rbf" else centred @ centred.T
        diagonal = np.diag(K).copy()
        sums = K.sum(0)
        if not self.biased:
            sums -= diagonal
            shift = sums / (n - 2) - sums.sum() / (2 * (n - 1) * (n - 2))
        else:
            shift = sums / n - sums.sum() / (2 * n * n)
        scale = np.abs(K).max()
        K -= shift[:, None]
        K -= shift
        vector = K.take(_above(n))
        if self.biased:
            vector = np.concatenate([np.sqrt(2) * vector, diagonal - 2 * shift])
        return _unit(name, vector, scale=scale)

    def _gaussian(self, name: str, x: np.ndarray) -> np.ndarray:
        D = distances(name, x, normalize="none")
        median = np.median(D.take(_above(len(x))))
        if not median > 0:
            raise UndefinedError(
                f"tap {name!r}: half of the pairs of samples or more are at distance 0, so the bandwidth of the "
                "Gaussian kernel, a multiple of the median distance, is 0. Leave the tap out, or take kernel='linear'."
            )
        D /= self.bandwidth * median
        kernel: np.ndarray = np.exp(-0.5 * D**2)
        return kernel


def _unit(name: str, vector: np.ndarray, *, center: bool = False, scale: float = 0.0) -> np.ndarray:
    """Return the vector over its norm, or say that all pairs of samples are alike in it."""
    if center:
        vector = vector - vector.mean()
    norm = np.linalg.norm(vector)
    if norm <= 1e-12 * scale * np.sqrt(len(vector)):
        raise UndefinedError(
            f"tap {name!r}: all pairs of samples are equally similar (the tap is constant, or its samples are "
            "equidistant), so there is nothing to align. Leave the tap out, or take more samples."
        )
    unit: np.ndarray = vector / norm
    return unit
