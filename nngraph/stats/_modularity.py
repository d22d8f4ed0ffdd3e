"""Modularity matrices of blocks, and sums over them by module."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from nngraph.blocks import Block
from nngraph.graph import NeuralGraph

Form: TypeAlias = Literal["all", "+", "-", "signed"]
FORMS: tuple[Form, ...] = ("all", "+", "-", "signed")


@dataclasses.dataclass(frozen=True)
class Matrix:
    """The modularity matrix of one block over the edges of the graph: ``observed - left @ right.T``."""

    source: str
    target: str
    observed: Any
    """(n_target, n_source), a scipy array where the block is held as sparse rows."""
    left: np.ndarray
    """(n_target, 1), or (n_target, 2) with a column for each sign."""
    right: np.ndarray

    def forth(self, labels: np.ndarray, n: int) -> np.ndarray:
        """Return the (n_target, n) gains of targets in each module from the labels of sources."""
        return _gains(self.observed, labels, n, self.left, self.right)

    def back(self, labels: np.ndarray, n: int) -> np.ndarray:
        """Return the (n_source, n) gains of sources in each module from the labels of targets."""
        return _gains(self.observed.T, labels, n, self.right, self.left)


def _gains(observed: Any, labels: np.ndarray, n: int, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(labels >= 0)
    if isinstance(observed, np.ndarray):
        members = np.zeros((len(labels), n))
        members[rows, labels[rows]] = 1
        within = observed @ members
    else:
        import scipy.sparse

        ones = scipy.sparse.csr_array((np.ones(len(rows)), (rows, labels[rows])), shape=(len(labels), n))
        within = (observed @ ones).toarray()
    gains: np.ndarray = within - near @ summed(labels, far, n).T
    return gains


def modularity_matrices(G: NeuralGraph, form: Form, *, weighted: bool) -> list[Matrix]:
    """Return the matrices of the blocks that have an edge of the form."""
    signs: tuple[Form, ...] = ("+", "-") if form == "signed" else (form,)
    by_block = [[(one, _edges(block, one, weighted=weighted)) for one in signs] for block in G.blocks]
    total = sum(float(edges.sum()) for pieces in by_block for _, edges in pieces)
    matrices = []
    for block, pieces in zip(G.blocks, by_block, strict=True):
        observed, left, right = None, [], []
        for one, edges in pieces:
            m = float(edges.sum())
            if m:
                factor = (-1.0 if one == "-" and form == "signed" else 1.0) / total
                left.append(factor / m * np.asarray(edges.sum(axis=1)).ravel())
                right.append(np.asarray(edges.sum(axis=0)).ravel())
                observed = edges * factor if observed is None else observed + edges * factor
        if observed is not None:
            columns = np.stack(left, axis=1), np.stack(right, axis=1)
            matrices.append(Matrix(block.source, block.target, observed, *columns))
    return matrices


def _edges(block: Block, form: Form, *, weighted: bool) -> Any:
    """Return the (n_target, n_source) edges of a form, 1 or their magnitude where present, float64."""
    if block.is_sparse:
        edges = block.csr().astype(np.float64)
        edges.data = _counted(edges.data, form, weighted=weighted)
        return edges
    counted = _counted(block.dense().astype(np.float64), form, weighted=weighted)
    return counted if block.mask is None or weighted else counted * block.mask


def _counted(weights: np.ndarray, form: Form, *, weighted: bool) -> np.ndarray:
    chosen = np.ones(weights.shape) if form == "all" else (weights > 0 if form == "+" else weights < 0)
    counted: np.ndarray = chosen * np.abs(weights) if weighted else chosen.astype(np.float64)
    return counted


def quality_of(matrices: Sequence[Matrix], labels: Mapping[str, np.ndarray]) -> float:
    """Return the modularity of labels by part, numbers from 0 (-1: in no module)."""
    if not matrices:
        return float("nan")
    n = n_modules(labels)
    total = 0.0
    for matrix in matrices:
        source, target = labels[matrix.source], labels[matrix.target]
        total += _within(matrix.observed, target, source)
        total -= float((summed(target, matrix.left, n) * summed(source, matrix.right, n)).sum())
    return total


def _within(observed: Any, target: np.ndarray, source: np.ndarray) -> float:
    """Return the sum of the entries whose row and column have one label."""
    if isinstance(observed, np.ndarray):
        same = (target[:, None] == source[None, :]) & (target >= 0)[:, None]
        return float(observed[same].sum())
    entries = observed.tocoo()
    return float(entries.data[(target[entries.row] == source[entries.col]) & (target[entries.row] >= 0)].sum())


def summed(labels: np.ndarray, columns: np.ndarray, n: int) -> np.ndarray:
    """Return the (n, columns) sums over the nodes of each module."""
    kept = labels >= 0
    return np.stack([np.bincount(labels[kept], column[kept], n) for column in columns.T], axis=1)


def n_modules(labels: Mapping[str, np.ndarray]) -> int:
    """Return one more than the largest label."""
    return 1 + max(int(one.max(initial=-1)) for one in labels.values())
