"""Measures that compare sample i with sample i, entry by entry: both representations need one width."""

from __future__ import annotations

import numpy as np

from nngraph import _arguments
from nngraph.similarity._comparisons import Comparison, UndefinedError


class Euclidean(Comparison):
    r"""Mean distance of a sample to itself.

    .. math:: d(X, Y) = \frac1n \sum_i \lVert x_i - y_i \rVert_2
    """

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the representation in double precision."""
        return np.asarray(x, np.float64)

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the mean of the norms of differences, taken as such: near representations do not cancel."""
        difference = a - b
        return float(np.sqrt(np.einsum("ij,ij->i", difference, difference)).mean())

    def size(self, n: int, d: int) -> int:
        """Return the number of entries."""
        return n * d


class Cosine(Comparison):
    r"""One less the mean cosine of a sample with itself.

    .. math:: d(X, Y) = 1 - \frac1n \sum_i \frac{\langle x_i, y_i \rangle}{\lVert x_i \rVert \lVert y_i \rVert}
    """

    def prepare(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return all rows over their norms, end to end, over sqrt(n)."""
        x = np.asarray(x, np.float64)
        x = x / np.where((largest := np.abs(x).max(1, keepdims=True)) > 0, largest, 1)  # squares may underflow
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        if not norms.all():
            raise UndefinedError(
                f"tap {name!r}: sample {int(np.argmin(norms))} is 0 in all dimensions, so its cosine with anything is "
                "undefined. Leave the sample or the tap out, or take measure='euclidean'."
            )
        return np.ravel(x / norms / np.sqrt(len(x)))

    def pair(self, a: np.ndarray, b: np.ndarray) -> float:
        """Return the mean over samples, between 0 and 2."""
        return float(np.clip(1 - a @ b, 0, 2))

    def size(self, n: int, d: int) -> int:
        """Return the number of entries."""
        return n * d


class MutualInformation(Comparison):
    r"""Normalised mutual information of the entries at the same sample and dimension.

    .. math:: s(X, Y) = \frac{I(X; Y)}{\sqrt{H(X) H(Y)}}, \quad
              I = \sum_{a, b} p_{ab} \ln \frac{p_{ab}}{p_a p_b}

    where p is the table of counts of the n d pairs of entries (x_ij, y_ij) in ``bins`` classes of each side, between
    quantiles of that side: only the order of its entries counts. Equal entries are of one class.
    """

    def __init__(self, bins: int = 16) -> None:
        self.bins = _arguments.whole("bins", bins, 2, 256)

    def prepare(self, name: str, x: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the class of each entry, and their entropy in nats."""
        entries = np.ravel(x)
        edges = np.quantile(entries, np.arange(1, self.bins) / self.bins, method="lower")
        classes = np.searchsorted(np.unique(edges), entries, side="left").astype(np.uint8)
        entropy = _entropy(np.bincount(classes))
        if not entropy > 0:
            raise UndefinedError(
                f"tap {name!r}: all entries fall into one of {self.bins} classes, so they carry no information. Leave "
                "the tap out, or raise bins=."
            )
        return classes, entropy

    def pair(self, a: tuple[np.ndarray, float], b: tuple[np.ndarray, float]) -> float:
        """Return I / sqrt(H H), between 0 and 1."""
        joint = np.bincount(a[0] * np.uint16(self.bins) + b[0], minlength=self.bins**2)
        return float(np.clip((a[1] + b[1] - _entropy(joint)) / np.sqrt(a[1] * b[1]), 0, 1))

    def size(self, n: int, d: int) -> int:
        """Return a byte for each entry."""
        return n * d // 8 + 1


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
