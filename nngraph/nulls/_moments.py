"""Exact means and variances of statistics of a block whose cells are independent, and their observed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nngraph.blocks import PRODUCTS_SPARSE_BELOW
from nngraph.errors import ArgumentError
from nngraph.nulls._fugacities import Classes

if TYPE_CHECKING:
    import scipy.sparse

    from nngraph.nulls.entropy import MaximumEntropy

__all__ = ["NO_VARIANCE", "Degree", "Edges", "Pairs", "Tables", "TwoPaths"]

NO_VARIANCE = 1e-9
"""A count whose variance is below this never changes, but for rounding."""


class Tables(NamedTuple):
    """Probabilities of + and - of the cells of classes of nodes."""

    plus: np.ndarray
    """(n_row_classes, n_column_classes)."""
    minus: np.ndarray
    rows: Classes
    columns: Classes

    def of(self, sign: str) -> np.ndarray:
        """Return the probabilities of one sign."""
        return self.plus if sign == "+" else self.minus

    def turned(self) -> Tables:
        """Return the tables with rows and columns exchanged."""
        return Tables(self.plus.T, self.minus.T, self.columns, self.rows)


def _one_of(what: str, got: str, known: Sequence[str]) -> str:
    if got not in known:
        raise ArgumentError(f"sign: got {got!r}; {what} takes {', '.join(map(repr, known))}.")
    return got


class Degree:
    """Signed degrees of the nodes on one side."""

    def __init__(self, model: MaximumEntropy, sign: str, side: str) -> None:
        self._model, self._side, self._sign = model, side, _one_of("'degree'", sign, ("+", "-"))
        tables = model.tables() if side == "target" else model.tables().turned()
        self._p, self._rows, self._sizes = tables.of(sign), tables.rows, tables.columns.sizes

    def observed(self) -> np.ndarray:
        """(n,) float64."""
        return self._model.degrees[self._side + self._sign].astype(np.float64)

    def mean(self) -> np.ndarray:
        """(n,)."""
        return np.asarray((self._p @ self._sizes)[self._rows.of_node])

    def variance(self) -> np.ndarray:
        """(n,)."""
        return np.asarray(((self._p * (1 - self._p)) @ self._sizes)[self._rows.of_node])


class Edges:
    """The number of edges of one sign."""

    def __init__(self, model: MaximumEntropy, sign: str) -> None:
        _one_of("'edges'", sign, ("+", "-"))
        self._degree = Degree(model, sign, "target")

    def observed(self) -> np.ndarray:
        """() float64."""
        return np.asarray(self._degree.observed().sum())

    def mean(self) -> np.ndarray:
        """()."""
        return np.asarray(self._degree.mean().sum())

    def variance(self) -> np.ndarray:
        """()."""
        return np.asarray(self._degree.variance().sum())


PAIRS = {
    "++": (("+", "+"),),
    "--": (("-", "-"),),
    "+-": (("+", "-"),),
    "-+": (("-", "+"),),
    "same": (("+", "+"), ("-", "-")),
    "opposite": (("+", "-"), ("-", "+")),
}
"""The signs of the two edges that a pattern counts."""


class Pairs:
    """Neighbours that two nodes of one side share, by the signs of the two edges; "signed" is same less opposite.

    Neighbours are independent of each other. With q the chance that one counts for two different nodes,

        mean = sum q,    variance = sum q (1 - q),

    and for "signed", with mu = p+ - p- and a = p+ + p- of each node, sum mu mu' and sum (a a' - mu^2 mu'^2).
    """

    def __init__(self, model: MaximumEntropy, sign: str, side: str) -> None:
        self._sign, self._side, self._block = _one_of("'pairs'", sign, (*PAIRS, "signed")), side, model.block
        tables = model.tables() if side == "target" else model.tables().turned()
        self._p = {"+": tables.plus, "-": tables.minus}
        self._rows, self._sizes = tables.rows, tables.columns.sizes

    def observed(self) -> np.ndarray:
        """(n, n) float64."""
        if self._sign == "signed":
            signs = self._indicator("+") - self._indicator("-")
            return _full(signs @ signs.T)
        terms = [_full(self._indicator(s) @ self._indicator(t).T) for s, t in PAIRS[self._sign]]
        return np.asarray(np.sum(terms, axis=0))

    def _indicator(self, sign: str) -> np.ndarray | scipy.sparse.csr_array:
        """Return (n, n_neighbours) numbers: 1 where an edge of this sign is present. Single precision is exact here."""
        few = self._block.density < PRODUCTS_SPARSE_BELOW
        held = self._block.csr() if few else self._block.dense()
        one = ((held > 0) if sign == "+" else (held < 0)).astype(np.float32)
        return one if self._side == "target" else one.T

    def mean(self) -> np.ndarray:
        """(n, n)."""
        if self._sign == "signed":
            mu = self._p["+"] - self._p["-"]
            return self._of_nodes(self._product(mu, mu), self._present() @ self._sizes)
        terms = [self._product(self._p[s], self._p[t]) for s, t in PAIRS[self._sign]]
        return self._of_nodes(np.sum(terms, axis=0), self._with_itself() @ self._sizes)

    def variance(self) -> np.ndarray:
        """(n, n)."""
        itself = self._present() if self._sign == "signed" else self._with_itself()
        diagonal = (itself * (1 - itself)) @ self._sizes
        if self._sign == "signed":
            square, present = (self._p["+"] - self._p["-"]) ** 2, self._present()
            total = self._product(present, present) - self._product(square, square)
            return self._of_nodes(np.maximum(total, 0), diagonal)
        total = np.zeros((len(self._p["+"]),) * 2)
        for s, t in PAIRS[self._sign]:
            total += self._product(self._p[s], self._p[t])
            for v, w in PAIRS[self._sign]:
                total -= self._product(self._p[s] * self._p[v], self._p[t] * self._p[w])
        return self._of_nodes(np.maximum(total, 0), diagonal)

    def _present(self) -> np.ndarray:
        return np.asarray(self._p["+"] + self._p["-"])

    def _with_itself(self) -> np.ndarray:
        """Return the chance that a neighbour counts for a node with itself: its one edge cannot have two signs."""
        return np.asarray(
            np.sum([self._p[s] if s == t else np.zeros_like(self._p[s]) for s, t in PAIRS[self._sign]], axis=0)
        )

    def _product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product: np.ndarray = (a * self._sizes) @ b.T
        return product

    def _of_nodes(self, between: np.ndarray, itself: np.ndarray) -> np.ndarray:
        """Return (n, n) of (n_classes, n_classes), with the diagonal of its own."""
        of_node = self._rows.of_node
        result: np.ndarray = between[np.ix_(of_node, of_node)]
        np.fill_diagonal(result, itself[of_node])
        return result


def _full(matrix: np.ndarray | scipy.sparse.csr_array) -> np.ndarray:
    dense: np.ndarray = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    return dense.astype(np.float64)


class TwoPaths:
    """Paths of two edges through each node between two blocks, of equal (coherent) or opposite signs (incoherent).

    With the signed degrees A of a node in the first block and B in the second (its signs exchanged for incoherent
    paths), the number is A . B, and since the blocks are independent,

        mean = a . b,    variance = a' Cov(B) a + b' Cov(A) b + tr Cov(A) Cov(B).
    """

    def __init__(self, model: MaximumEntropy, then: MaximumEntropy, sign: str) -> None:
        _one_of("'two_paths'", sign, ("coherent", "incoherent"))
        ends = (model.block.target, model.block.n_target), (then.block.source, then.block.n_source)
        if ends[0] != ends[1]:
            raise ArgumentError(
                f"then: got block {then.block.name!r}, which starts from {ends[1][0]!r} ({ends[1][1]} nodes); expected "
                f"one that starts from {ends[0][0]!r} ({ends[0][1]} nodes), where block {model.block.name!r} ends."
            )
        self._first = _SignedDegrees(model, "target", "+-")
        self._then = _SignedDegrees(then, "source", "+-" if sign == "coherent" else "-+")

    def observed(self) -> np.ndarray:
        """(n,)."""
        return np.asarray(np.einsum("sn,sn->n", self._first.observed, self._then.observed))

    def mean(self) -> np.ndarray:
        """(n,)."""
        return np.asarray(np.einsum("sn,sn->n", self._first.mean(), self._then.mean()))

    def variance(self) -> np.ndarray:
        """(n,)."""
        a, b = self._first.mean(), self._then.mean()
        first, then = self._first.covariance(), self._then.covariance()
        quadratic = np.einsum("sn,stn,tn->n", a, then, a) + np.einsum("sn,stn,tn->n", b, first, b)
        return np.asarray(quadratic + np.einsum("stn,stn->n", first, then))


class _SignedDegrees:
    """Both signed degrees of the nodes of one side, in a given order of signs."""

    def __init__(self, model: MaximumEntropy, side: str, order: str) -> None:
        self.observed = np.stack([model.degrees[side + sign].astype(np.float64) for sign in order])
        tables = model.tables() if side == "target" else model.tables().turned()
        self._p = np.stack([tables.of(sign) for sign in order])
        self._rows, self._sizes = tables.rows, tables.columns.sizes

    def mean(self) -> np.ndarray:
        """(2, n)."""
        return np.asarray((self._p @ self._sizes)[:, self._rows.of_node])

    def covariance(self) -> np.ndarray:
        """(2, 2, n)."""
        p = self._p
        own, across = (p * (1 - p)) @ self._sizes, -(p[0] * p[1]) @ self._sizes
        return np.stack([np.stack([own[0], across]), np.stack([across, own[1]])])[:, :, self._rows.of_node]
