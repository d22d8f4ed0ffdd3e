"""Cells whose state follows from the degrees of a bipartite graph: what every graph with these degrees shares."""

from __future__ import annotations

import numpy as np

__all__ = ["possible_states"]


def possible_states(
    rows: np.ndarray, row_sizes: np.ndarray, columns: np.ndarray, column_sizes: np.ndarray
) -> np.ndarray | None:
    """Return which states a cell can be in, or None where each can be in all.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        (S, n_rows) and (S, n_columns) numbers of cells in each state, of classes of nodes.
    row_sizes, column_sizes : numpy.ndarray
        Number of nodes in each class.

    Returns
    -------
    numpy.ndarray or None
        (S + 1, n_rows, n_columns) bool, the last for cells in none of the S states.

    Notes
    -----
    Exact for one state. With more, each state is tested against all others taken together, and then rows and columns
    are gone through until nothing changes; a cell whose state follows only from several states and several nodes at
    once is not found. All that are found are right.
    """
    totals = (column_sizes.sum(), row_sizes.sum())
    rows, columns = (
        np.vstack([side, total - side.sum(axis=0)]) for side, total in ((rows, totals[0]), (columns, totals[1]))
    )
    forced = [_forced(r, row_sizes, c, column_sizes) for r, c in zip(rows, columns, strict=True)]
    if all(state is None for state in forced):
        return None
    possible = np.ones((len(rows), len(row_sizes), len(column_sizes)), dtype=bool)
    for s, state in enumerate(forced):
        if state is not None:
            always, never = state
            possible[s] &= ~never
            possible[np.arange(len(rows)) != s] &= ~always
    while _propagate(possible, rows, column_sizes) or _propagate(possible.transpose(0, 2, 1), columns, row_sizes):
        pass
    return possible


def _forced(
    rows: np.ndarray, row_sizes: np.ndarray, columns: np.ndarray, column_sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return in which cells every 0-1 matrix of these margins holds 1, and in which 0; None where in none.

    With rows and columns from the largest degree to the smallest, the first I rows and J columns hold at most I J, so

        sum of the first I rows <= I J + sum of the columns after the first J.

    Where this is an equality, the first rows and columns hold only 1 and the last ones only 0; everything forced is
    forced by such a pair (I, J), by the theorem of Gale and Ryser.
    """
    by_row, by_column = np.argsort(-rows, kind="stable"), np.argsort(-columns, kind="stable")
    first_rows = np.concatenate([[0.0], np.cumsum(row_sizes[by_row])])
    first_columns = np.concatenate([[0.0], np.cumsum(column_sizes[by_column])])
    in_rows = np.concatenate([[0.0], np.cumsum((rows * row_sizes)[by_row])])
    in_columns = np.concatenate([[0.0], np.cumsum((columns * column_sizes)[by_column])])
    after = in_columns[-1] - in_columns
    # for each I the slack is convex in J, and least where the degree of the columns falls to I
    ascending = columns[by_column][::-1]
    least, most = (len(columns) - np.searchsorted(ascending, first_rows, side=side) for side in ("right", "left"))
    tight = first_rows * first_columns[least] + after[least] == in_rows
    inner = (first_rows > 0) & (first_rows < first_rows[-1])
    ends = (most[0] == least[0] == len(columns)) and (most[-1] == least[-1] == 0)
    if ends and not (tight & inner).any():
        return None
    table = np.zeros((len(rows) + 1, len(columns) + 1), dtype=bool)
    for i in np.flatnonzero(tight):
        table[i, least[i] : most[i] + 1] = True
    always_sorted = _any_before(table[1:, 1:][::-1, ::-1])[::-1, ::-1]
    never_sorted = _any_before(table[:-1, :-1])
    always, never = np.empty_like(always_sorted), np.empty_like(never_sorted)
    cells = np.ix_(by_row, by_column)
    always[cells], never[cells] = always_sorted, never_sorted
    return always, never


def _any_before(table: np.ndarray) -> np.ndarray:
    """Return for each cell whether one above and left of it, or itself, is True."""
    return np.logical_or.accumulate(np.logical_or.accumulate(table, axis=0), axis=1)


def _propagate(possible: np.ndarray, degrees: np.ndarray, sizes: np.ndarray) -> bool:
    """Take from the cells of each row, in place, the states that its degrees rule out; return whether any was."""
    before = np.count_nonzero(possible)
    for s in range(len(possible)):
        others = np.arange(len(possible)) != s
        only = possible[s] & ~possible[others].any(axis=0)
        all_taken = possible[s] @ sizes == degrees[s]
        none_left = only @ sizes == degrees[s]
        possible[others] &= ~(possible[s] & all_taken[:, None])
        possible[s] &= only | ~none_left[:, None]
    return int(np.count_nonzero(possible)) != int(before)
