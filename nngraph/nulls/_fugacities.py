"""Fugacities of a bipartite graph whose cells are independent and whose expected margins are given.

A cell (i, j) is in one of S named states, or at rest, with odds ``exp(row[s, i] + column[s, j])`` to 1. The likelihood
of the margins is concave, and of generalised self-concordance: along a step that changes the log-odds within a cell by
at most R, curvature grows by at most exp(R). Shortening a Newton step from R to log(1 + R) is therefore enough for
it never to pass the maximum, and no search along the line is needed.

Nodes of equal margins have equal fugacities, so all is done on classes of nodes with their multiplicities.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from nngraph.nulls._edges import read_only
from nngraph.nulls._forced import possible_states

__all__ = ["Classes", "Fugacities", "Margins", "solve"]

NEWTON_CELLS = 1 << 22
"""Up to so many cells (of classes) the joint Newton step is taken; its matrix takes 8 S^2 bytes for each."""
RIDGE = 1e-12
SLOW = 0.7
"""Alternating steps go on while each sweep leaves less than this share of the residual."""


class Margins(NamedTuple):
    """How many cells of each row and of each column are in each state."""

    rows: np.ndarray
    """(S, n_rows) int64."""
    columns: np.ndarray
    """(S, n_columns) int64."""


class Classes(NamedTuple):
    """Nodes of equal margins."""

    of_node: np.ndarray
    """(n,) class of each node."""
    sizes: np.ndarray
    """(n_classes,) float64 number of nodes."""
    degrees: np.ndarray
    """(S, n_classes) int64."""


@dataclasses.dataclass(frozen=True)
class Fugacities:
    """The solution, by classes of rows and of columns."""

    rows: Classes
    columns: Classes
    log_rows: np.ndarray
    """(S, n_row_classes)."""
    log_columns: np.ndarray
    """(S, n_column_classes)."""
    possible: np.ndarray | None
    """(S + 1, n_row_classes, n_column_classes) bool, rest last; None where every cell can be in every state."""
    residual: float
    """Largest difference between an expected and a given degree."""
    relative_residual: float
    """The same as a share of the degree (of 1 if that is 0)."""
    n_iterations: int

    def probabilities(self, classes: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Return the (S, n, n_column_classes) probabilities of the states, for some classes of rows."""
        possible = None if self.possible is None else self.possible[:, classes]
        return _probabilities(self.log_rows[:, classes], self.log_columns, possible)

    def odds(self, classes: slice | np.ndarray = slice(None)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the odds of some classes of rows and of all classes of columns, and what is possible, for a kernel."""
        possible = None if self.possible is None else self.possible[:, classes]
        return _odds(self.log_rows[:, classes], self.log_columns, possible)

    def is_determined(self) -> bool:
        """Return whether every cell can be in one state only."""
        return self.possible is not None and bool((self.possible.sum(axis=0) == 1).all())


def solve(margins: Margins, *, tol: float, max_iter: int) -> Fugacities:
    """Return the fugacities whose expected margins are the given ones, within ``tol``, or the last after ``max_iter``.

    Alternating steps (each row for itself, then each column) come first; where they are slow, joint Newton steps
    follow.
    """
    rows, columns = _classes(margins.rows), _classes(margins.columns)
    possible = possible_states(rows.degrees, rows.sizes, columns.degrees, columns.sizes)
    state = _State(rows, columns, possible)
    moments = state.moments()
    joint, n_iterations = False, 0
    while moments.residual > tol and n_iterations < max_iter:
        n_iterations += 1
        if joint:
            state.step_jointly(moments)
        else:
            state.step(moments, rows=True)
            state.step(state.moments(), rows=False)
        before, moments = moments.residual, state.moments()
        joint = joint or (moments.residual > SLOW * before and state.n_cells <= NEWTON_CELLS)
    log_rows, log_columns = state.log_rows, state.log_columns
    if possible is None:  # of all equivalent solutions, the one in which the columns have geometric mean 1
        shift = log_columns @ columns.sizes[:, None] / max(columns.sizes.sum(), 1)
        log_rows, log_columns = log_rows + shift, log_columns - shift
    residuals = moments.residual, moments.relative_residual(rows, columns)
    return Fugacities(rows, columns, log_rows, log_columns, possible, *residuals, n_iterations)


def _odds(
    log_rows: np.ndarray, log_columns: np.ndarray, possible: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    everything = np.empty((0, 0, 0), dtype=bool) if possible is None else possible
    return read_only(np.exp(log_rows)), read_only(np.exp(log_columns)), read_only(everything)


def _classes(degrees: np.ndarray) -> Classes:
    unique, of_node, sizes = np.unique(degrees, axis=1, return_inverse=True, return_counts=True)
    return Classes(of_node.reshape(-1), sizes.astype(np.float64), unique)


def _probabilities(log_rows: np.ndarray, log_columns: np.ndarray, possible: np.ndarray | None) -> np.ndarray:
    """Return the (S, n_rows, n_columns) probabilities of the states."""
    odds: np.ndarray = np.exp(log_rows)[:, :, None] * np.exp(log_columns)[:, None, :]
    if possible is not None:
        odds *= possible[:-1]
    total = odds[0] + (1.0 if possible is None else possible[-1])
    for other in odds[1:]:
        total += other
    odds /= total
    return odds


class _Moments(NamedTuple):
    """Gradient and the blocks of the curvature on the diagonal."""

    rows: np.ndarray
    """(S, n_rows) given less expected degrees."""
    columns: np.ndarray
    row_curvature: np.ndarray
    """(n_rows, S, S) covariances of the degrees of each row."""
    column_curvature: np.ndarray

    @property
    def residual(self) -> float:
        return max(float(np.abs(side).max(initial=0)) for side in (self.rows, self.columns))

    def relative_residual(self, rows: Classes, columns: Classes) -> float:
        sides = ((self.rows, rows.degrees), (self.columns, columns.degrees))
        return max(float((np.abs(side) / np.maximum(degrees, 1)).max(initial=0)) for side, degrees in sides)


class _State:
    """Where the solver is."""

    def __init__(self, rows: Classes, columns: Classes, possible: np.ndarray | None) -> None:
        self.rows, self.columns, self.possible = rows, columns, possible
        self.log_rows = _log_odds(rows, columns.sizes.sum())
        self.log_columns = _log_odds(columns, rows.sizes.sum())
        # both sides carry the mean odds: take it from one of them
        weights = columns.sizes / max(columns.sizes.sum(), 1)
        self.log_columns -= (self.log_columns @ weights)[:, None]
        self.n_cells = len(rows.sizes) * len(columns.sizes)

    def moments(self) -> _Moments:
        from nngraph.nulls import _kernels

        rows, columns, row_spread, column_spread = _kernels.cell_moments(
            *_odds(self.log_rows, self.log_columns, self.possible),
            read_only(self.rows.sizes),
            read_only(self.columns.sizes),
        )
        for spread in (row_spread, column_spread):
            for s in range(len(spread)):
                spread[:s, s] = spread[s, :s]
        return _Moments(self.rows.degrees - rows, self.columns.degrees - columns, row_spread.T, column_spread.T)

    def step(self, moments: _Moments, *, rows: bool) -> None:
        """Take one Newton step of every row for itself, or of every column."""
        gradient, curvature = moments[0::2] if rows else moments[1::2]
        scale, blocks, gradient = _scaled(np.ones(gradient.shape[1]), gradient, curvature)
        step = (np.linalg.solve(blocks, gradient[:, :, None])[:, :, 0] * scale).T
        step *= _damping(np.maximum(step.max(axis=0, initial=0), 0) - np.minimum(step.min(axis=0, initial=0), 0))
        if rows:
            self.log_rows += step
        else:
            self.log_columns += step

    def step_jointly(self, moments: _Moments) -> None:
        """Take one Newton step of all rows and columns together, by conjugate gradients on the columns."""
        rows = _scaled(self.rows.sizes, moments.rows, moments.row_curvature)
        columns = _scaled(self.columns.sizes, moments.columns, moments.column_curvature)
        row_step, column_step = _joint_step(rows, columns, self._covariances(), min(0.1, moments.residual))
        highest = row_step.max(axis=1, initial=-np.inf) + column_step.max(axis=1, initial=-np.inf)
        lowest = row_step.min(axis=1, initial=np.inf) + column_step.min(axis=1, initial=np.inf)
        damping = _damping(max(highest.max(initial=0), 0) - min(lowest.min(initial=0), 0))
        self.log_rows += damping * row_step
        self.log_columns += damping * column_step

    def _covariances(self) -> np.ndarray:
        """Return the (S, S, n_rows, n_columns) covariances of the states within a cell, times the nodes' numbers."""
        p = _probabilities(self.log_rows, self.log_columns, self.possible)
        result: np.ndarray = -p[:, None] * p
        for s in range(len(p)):
            result[s, s] += p[s]
        result *= self.rows.sizes[:, None] * self.columns.sizes
        return result


def _log_odds(nodes: Classes, n_cells: float) -> np.ndarray:
    """Return a start: the log-odds of the states in each node's own cells, kept finite."""
    rest = np.maximum(n_cells - nodes.degrees.sum(axis=0), 0.5)
    return np.asarray(np.log(np.maximum(nodes.degrees, 0.5)) - np.log(rest))


def _damping(spread: np.ndarray | float) -> np.ndarray:
    """Return the share of a Newton step that changes log-odds within a cell by ``spread`` which is safe to take."""
    spread = np.maximum(spread, 1e-300)
    return np.asarray(np.log1p(spread) / spread)


class _Scaled(NamedTuple):
    """One side of the Newton equations, in units in which every diagonal entry of the curvature is 1."""

    scale: np.ndarray
    """(n, S) of the unknowns; 0 for one that nothing depends on."""
    blocks: np.ndarray
    """(n, S, S) curvature, and a little on the diagonal: adding to all rows what is taken off all columns is free."""
    gradient: np.ndarray
    """(n, S)."""


def _scaled(sizes: np.ndarray, gradient: np.ndarray, curvature: np.ndarray) -> _Scaled:
    diagonal = sizes[:, None] * np.diagonal(curvature, axis1=1, axis2=2)
    scale = np.divide(1, np.sqrt(np.maximum(diagonal, 0)), out=np.zeros_like(diagonal), where=diagonal > 0)
    blocks = sizes[:, None, None] * curvature * scale[:, :, None] * scale[:, None, :]
    states = np.arange(blocks.shape[1])
    blocks[:, states, states] = 1 + RIDGE
    return _Scaled(scale, blocks, sizes[:, None] * gradient.T * scale)


def _joint_step(rows: _Scaled, columns: _Scaled, covariances: np.ndarray, tol: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the (S, n_rows) and (S, n_columns) steps that solve the Newton equations of both sides.

    The rows are eliminated; conjugate gradients, with the columns' own curvature as preconditioner, go on until the
    gradient is ``tol`` of what it was. Any iterate is the best step of the space searched so far.
    """
    states = range(len(covariances))

    def to_rows(v: np.ndarray) -> np.ndarray:
        v = v * columns.scale
        image = np.stack([sum(covariances[s, t] @ v[:, t] for t in states) for s in states], axis=1)
        return np.asarray(image * rows.scale)

    def to_columns(u: np.ndarray) -> np.ndarray:
        u = u * rows.scale
        image = np.stack([sum(u[:, t] @ covariances[t, s] for t in states) for s in states], axis=1)
        return np.asarray(image * columns.scale)

    first = _solved(rows.blocks, rows.gradient)
    left = columns.gradient - to_columns(first)
    second = np.zeros_like(left)
    ahead = direction = _solved(columns.blocks, left)
    slope = start = float((left * ahead).sum())
    for _ in range(left.size):
        if slope <= tol**2 * start:
            break
        through = _solved(rows.blocks, to_rows(direction))
        image = np.einsum("nst,nt->ns", columns.blocks, direction) - to_columns(through)
        curvature = float((direction * image).sum())
        if curvature <= 0:  # rounding: nothing is left but directions that change no probability
            break
        length = slope / curvature
        second += length * direction
        first -= length * through
        left -= length * image
        ahead = _solved(columns.blocks, left)
        slope, before = float((left * ahead).sum()), slope
        direction = ahead + slope / before * direction
    return (first * rows.scale).T, (second * columns.scale).T


def _solved(blocks: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Solve (n, S, S) blocks for (n, S) vectors."""
    solution: np.ndarray = np.linalg.solve(blocks, vectors[:, :, None])[:, :, 0]
    return solution
