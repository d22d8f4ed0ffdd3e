"""Cells that are independent, each in one of S states or at rest with odds row times column: moments and draws.

``possible`` is (S + 1, n_rows, n_columns), rest last; empty where every cell can be in every state.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph._compiling import jit
from nngraph.nulls._kernels.words import mix

UNIT = 2.0**-53


@jit
def row_probabilities(r, row_odds, column_odds, possible, p, total):
    """Fill ``p``, (S, n_columns), with the probabilities of the states of one row; ``total`` is scratch."""
    n_states, n_columns = p.shape
    total[:] = 1.0
    if possible.size:
        for j in range(n_columns):
            total[j] = possible[n_states, r, j]
    for s in range(n_states):
        x = row_odds[s, r]
        for j in range(n_columns):
            p[s, j] = x * column_odds[s, j]
        if possible.size:
            for j in range(n_columns):
                p[s, j] *= possible[s, r, j]
        for j in range(n_columns):
            total[j] += p[s, j]
    for s in range(n_states):
        for j in range(n_columns):
            p[s, j] /= total[j]


@jit
def cell_moments(row_odds, column_odds, possible, row_sizes, column_sizes):
    """Return the expected degrees of rows (S, n_rows) and columns, and their covariances (S, S, n_rows), (S, S, n).

    Row r stands for ``row_sizes[r]`` rows, and a column likewise. Covariances are filled for t <= s only.
    """
    (n_states, n_rows), n_columns = row_odds.shape, column_odds.shape[1]
    row_mean, column_mean = np.zeros((n_states, n_rows)), np.zeros((n_states, n_columns))
    row_spread = np.zeros((n_states, n_states, n_rows))
    column_spread = np.zeros((n_states, n_states, n_columns))
    p, total = np.empty((n_states, n_columns)), np.empty(n_columns)
    for r in range(n_rows):
        row_probabilities(r, row_odds, column_odds, possible, p, total)
        size = row_sizes[r]
        for s in range(n_states):
            mean = 0.0
            for j in range(n_columns):
                mean += p[s, j] * column_sizes[j]
                column_mean[s, j] += size * p[s, j]
            row_mean[s, r] = mean
            for t in range(s + 1):
                spread = 0.0
                for j in range(n_columns):
                    covariance = p[s, j] * ((1.0 if s == t else 0.0) - p[t, j])
                    spread += covariance * column_sizes[j]
                    column_spread[s, t, j] += size * covariance
                row_spread[s, t, r] = spread
    return row_mean, column_mean, row_spread, column_spread


@jit
def draw_cells(row_odds, column_odds, possible, column_classes, first_cell, state, step):
    """Return (n_rows, n) int8: the state that each cell is in, n_states for rest.

    Columns of one class share their odds. The random number of a cell depends on its place alone: ``first_cell`` is
    the number of cells before these rows.
    """
    (n_states, n_rows), n_classes = row_odds.shape, column_odds.shape[1]
    n_columns = len(column_classes)
    drawn = np.empty((n_rows, n_columns), np.int8)
    p, total = np.empty((n_states, n_classes)), np.empty(n_classes)
    threshold = np.empty((n_states, n_columns))
    for r in range(n_rows):
        row_probabilities(r, row_odds, column_odds, possible, p, total)
        for s in range(1, n_states):
            for c in range(n_classes):
                p[s, c] += p[s - 1, c]
        if possible.size:
            for c in range(n_classes):
                if not possible[n_states, r, c]:
                    p[n_states - 1, c] = 1.0  # never at rest, whatever the rounding of the sum
        for s in range(n_states):
            for j in range(n_columns):
                threshold[s, j] = p[s, column_classes[j]]
        counter = state + np.uint64(first_cell + r * n_columns) * step
        for j in range(n_columns):
            counter += step
            u = np.float64(mix(counter) >> np.uint64(11)) * UNIT
            chosen = 0
            for s in range(n_states):
                chosen += u >= threshold[s, j]
            drawn[r, j] = chosen
    return drawn
