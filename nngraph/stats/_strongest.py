"""The path whose product of weights is largest: dynamic programming along the parts of a graph."""

from __future__ import annotations

import numpy as np

from nngraph.blocks import Block
from nngraph.stats._routes import Routes, Step, link_ends

_CELLS = 2**20
"""Cells of a dense block that are looked at together."""


def strongest(routes: Routes) -> tuple[float, tuple[tuple[tuple[str, int], ...], list[Step]]]:
    """Return the largest sum of log magnitudes over a path, and the nodes and steps of a path that has it."""
    best: dict[str, np.ndarray] = {}
    came: dict[str, list[tuple[Step, np.ndarray, np.ndarray]]] = {}
    for name, size in routes.sizes.items():
        best[name] = np.full(size, 0.0 if name in routes.inputs else -np.inf)
        came[name] = []
        for step in routes.steps:
            if step.target == name:
                value, source = _best_step(step, best[step.source])
                better = value > best[name]
                best[name][better] = value[better]
                came[name].append((step, better, source))
    ends = [(float(best[name].max()), name) for name in routes.outputs if routes.sizes[name]]
    longest = max((value for value, _ in ends), default=-np.inf)
    if longest == -np.inf:
        return longest, ((), [])
    name = next(name for value, name in ends if value == longest)
    nodes, steps = [(name, int(np.argmax(best[name])))], list[Step]()
    while True:
        part, i = nodes[-1]
        last = next(((step, source) for step, better, source in reversed(came[part]) if better[i]), None)
        if last is None:
            return longest, (tuple(reversed(nodes)), steps[::-1])
        step, source = last
        steps.append(step)
        nodes.append((step.source, int(source[i])))


def _best_step(step: Step, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each target node the largest sum of a source's value and its edge's log magnitude, and that source."""
    value, source = np.full(step.shape[0], -np.inf), np.zeros(step.shape[0], np.int64)
    if isinstance(step.via, Block):
        if 0 not in step.shape:
            _best_edge(step.via, before, value, source)
    else:
        target, copied = link_ends(step.via, step.shape)
        value[target], source[target] = before[copied], copied
    return value, source


def _best_edge(block: Block, before: np.ndarray, value: np.ndarray, source: np.ndarray) -> None:
    """Fill in the best value, and the source it comes from, of each target node of a block."""
    if block.is_sparse:
        indptr, indices, data = block.csr_arrays()
        counts = np.diff(indptr)
        rows = np.flatnonzero(counts)
        if len(rows):
            scores = before[indices] + _log_magnitude(data)
            value[rows] = np.maximum.reduceat(scores, indptr[rows])
            hits = np.flatnonzero(scores == np.repeat(value, counts))
            found, first = np.unique(block.rows()[hits], return_index=True)
            source[found] = indices[hits[first]]
        return
    weights = block.dense()
    at_once = max(1, _CELLS // block.n_source)
    for start in range(0, block.n_target, at_once):
        rows = np.arange(start, min(start + at_once, block.n_target))
        scores = before + _log_magnitude(weights[rows])
        source[rows] = scores.argmax(axis=1)
        value[rows] = scores[np.arange(len(rows)), source[rows]]


def _log_magnitude(weights: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        logs: np.ndarray = np.log(np.abs(weights), dtype=np.float64)
    return logs


def weight_of(step: Step, target: int, source: int) -> float:
    if not isinstance(step.via, Block):
        return 1.0
    matrix = step.via.csr() if step.via.is_sparse else step.via.dense()
    return float(matrix[target, source])
