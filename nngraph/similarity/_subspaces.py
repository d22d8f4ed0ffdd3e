"""Measures that align two representations of the same samples by linear maps: canonical correlations, Procrustes."""

from __future__ import annotations

import dataclasses

import numpy as np

from nngraph import _arguments
from nngraph.similarity._comparisons import Comparison, UndefinedError


@dataclasses.dataclass(frozen=True)
class Basis:
    """A centred representation of rank r: (n, r) orthonormal vectors, and its columns in terms of them."""

    vectors: np.ndarray
    loadings: np.ndarray | None
    """(r, d) inner products of the vectors with the columns, for weights by them."""


class Canonical(Comparison):
    r"""Mean canonical correlation (CCA).

    .. math:: s(X, Y) = \frac1k \sum_{i \le k} \rho_i, \quad k = \min(r_X, r_Y)

    where :math:`\rho_i` are the singular values of :math:`U_X^T U_Y`, U orthonormal bases of the centred columns, r
    their ranks. Dimensions within the rounding errors of the numbers given do not count (singular values up to 10
    roundings of the largest entry times :math:`\sqrt n + \sqrt d`, so that what a float32 network leaves of a narrow
    layer is no dimension). ``variance`` keeps, of each representation, the leading principal components that hold this
    share of its variance, ``components`` at most so many; None keeps all.
    """

    weighted = False

    def __init__(self, variance: float | None = None, components: int | None = None) -> None:
        self.variance, self.components = variance, components
        if variance is not None:
            expected = "a share of the variance in (0, 1], or None"
            self.variance = _arguments.number("variance", variance, expected, lambda x: 0 < x <= 1)
        if components is not None:
            self.components = _arguments.whole("components", components, also=", or None")

    def prepare(self, name: str, x: np.ndarray) -> Basis:
        """Return an orthonormal basis of the centred columns, truncated as asked."""
        rounding = 10 * np.finfo(x.dtype).eps * float(np.abs(x).max()) * np.sqrt(x.shape).sum()
        x = np.asarray(x, np.float64)
        U, s, V = np.linalg.svd(x - x.mean(0), full_matrices=False)
        rank = int((s > max(rounding, max(x.shape) * np.finfo(np.float64).eps * s[0])).sum())
        if not rank:
            raise UndefinedError(
                f"tap {name!r}: is constant: all {len(x)} samples have the same representation, so it correlates with "
                "nothing. Leave the tap out."
            )
        if self.variance is not None:
            held = np.cumsum(s**2)
            rank = min(rank, int(np.searchsorted(held, self.variance * held[-1] * (1 - 1e-12))) + 1)
        rank = min(rank, self.components or rank)
        if rank >= len(x) - 1:
            raise UndefinedError(
                f"tap {name!r}: got {len(x)} samples for {rank} dimensions; every canonical correlation would be 1. "
                "Take more samples, or fewer dimensions by components= (or variance=)."
            )
        return Basis(U[:, :rank], s[:rank, None] * V[:rank] if self.weighted else None)

    def pair(self, a: Basis, b: Basis) -> float:
        """Return the mean of the canonical correlations, between 0 and 1."""
        return float(np.clip(singular_values(a.vectors.T @ b.vectors), 0, 1).mean())

    def size(self, n: int, d: int) -> int:
        """Return the size of the basis, and of its loadings where they are kept."""
        return min(n, d) * (n + d * self.weighted)


class TruncatedCanonical(Canonical):
    """Mean canonical correlation of the principal components that hold 99 % of the variance (SVCCA)."""

    def __init__(self, variance: float | None = 0.99, components: int | None = None) -> None:
        super().__init__(variance, components)


class WeightedCanonical(Canonical):
    r"""Canonical correlations weighted by how much of the first representation they carry (PWCCA).

    .. math:: s(X, Y) = \frac{\sum_k w_k \rho_k}{\sum_k w_k}, \quad w_k = \sum_j |\langle h_k, x_j \rangle|

    where h_k is the k-th canonical variate of X, of norm 1, and x_j its j-th centred column. Of correlations that are
    equal only the space of their variates is given, not the variates: the value is that of one choice.
    """

    weighted = True

    def pair(self, a: Basis, b: Basis) -> float:
        """Return the value with the weights of the first."""
        return self.directed(a, b)[0]

    def directed(self, a: Basis, b: Basis) -> tuple[float, float]:
        """Return the values with the weights of the first and of the second."""
        if a.vectors.shape[1] > b.vectors.shape[1]:
            second, first = self.directed(b, a)
            return first, second
        M = a.vectors.T @ b.vectors
        U, rho, V = singular_vectors(M)
        weights = [np.abs(variates @ basis.loadings).sum(1) for variates, basis in ((U.T, a), (V, b))]
        first, second = (float(np.clip(np.clip(rho, 0, 1) @ w / w.sum(), 0, 1)) for w in weights)
        return first, second


class Procrustes(Comparison):
    r"""What is left after the best rotation of one representation onto the other.

    .. math:: d(X, Y) = \min_{Q^T Q = 1} \lVert X Q - Y \rVert_F
              = \sqrt{\lVert X \rVert_F^2 + \lVert Y \rVert_F^2 - 2 \lVert X^T Y \rVert_*}

    The narrower one is filled up with zeros. By default both are centred (``center``) and over their Frobenius norms
    (``normalize``).
    """

    def __init__(self, *, center: bool = True, normalize: bool = True) -> None:
        self.center, self.normalize = bool(center), bool(normalize)

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the representation, centred and normalised as asked, turned into at most n dimensions."""
        x = np.asarray(x, np.float64)
        largest = np.abs(x).max()
        x = x - x.mean(0) if self.center else x
        if x.shape[1] > len(x):
            x = np.asarray(np.linalg.qr(x.T, mode="r")).T
        if self.normalize:
            norm = np.linalg.norm(x)
            if norm <= 1e-13 * largest * np.sqrt(x.size):
                raise UndefinedError(
                    f"tap {name!r}: is constant: all {len(x)} samples have the same representation, so it has no norm "
                    "to be divided by. Leave the tap out, or pass normalize=False."
                )
            x = x / norm
        return x

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the distance; where the squares almost cancel, from the residual itself."""
        a, b = (a, b) if a.shape[1] <= b.shape[1] else (b, a)
        product = a.T @ b
        norms = float((a**2).sum() + (b**2).sum())
        squared = norms - 2 * float(singular_values(product).sum())
        if squared > 1e-6 * norms:
            return float(np.sqrt(squared))
        U, _, V = np.linalg.svd(product, full_matrices=False)
        return float(np.linalg.norm(a @ (U @ V) - b))

    def size(self, n: int, d: int) -> int:
        """Return the number of entries."""
        return n * min(n, d)


def singular_values(M: np.ndarray) -> np.ndarray:
    """Return the singular values in any order: by eigenvalues of the smaller product, faster, where these are good.

    An eigenvalue has an error of about 1e-16 of the largest, its root one of 1e-12 where it is above 1e-8 of it.
    """
    squares = np.linalg.eigvalsh(_square(M))
    if squares[0] > 1e-8 * squares[-1]:
        return np.sqrt(squares)
    values: np.ndarray = np.linalg.svd(M, compute_uv=False)
    return values


def singular_vectors(M: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, the singular values, in any order, and V' of a matrix that is not taller than wide; as above."""
    squares, U = np.linalg.eigh(_square(M))
    if squares[0] > 1e-8 * squares[-1]:
        values = np.sqrt(squares)
        return U, values, (U.T @ M) / values[:, None]
    U, values, V = np.linalg.svd(M, full_matrices=False)
    return U, values, V


def _square(M: np.ndarray) -> np.ndarray:
    product: np.ndarray = M @ M.T if len(M) <= M.shape[1] else M.T @ M
    return product
