"""Small spaces of signs on a fixed support, enumerated by brute force."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import stats

CYCLIC = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], dtype=np.int8)
"""Empty diagonal, every node with one edge of each sign: two states, six edges apart."""


def states(signs):
    """All ways to sign the nonzero cells with the same numbers of + in every row and column, by brute force."""
    choices = []
    for row in signs:
        cells = np.flatnonzero(row)
        ways = []
        for plus in itertools.combinations(cells, int((row > 0).sum())):
            way = np.where(row != 0, -1, 0)
            way[list(plus)] = 1
            ways.append(way)
        choices.append(ways)
    target = (signs > 0).sum(axis=0)
    return {
        tuple(np.concatenate(rows).tolist())
        for rows in itertools.product(*choices)
        if np.array_equal(sum((row > 0).astype(int) for row in rows), target)
    }


def margins(rows, columns):
    """A complete sign matrix with these numbers of + (greedy, rows in turn)."""
    left = np.array(columns)
    signs = np.full((len(rows), len(columns)), -1, dtype=np.int8)
    for i, n in enumerate(rows):
        take = np.argsort(-left, kind="stable")[:n]
        signs[i, take] = 1
        left[take] -= 1
    assert not left.any()
    return signs


def random_supports(n, seed, fewest, most):
    """Small random signed supports whose space has between ``fewest`` and ``most`` states."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        shape = rng.integers(3, 6, 2)
        signs = rng.choice([-1, 0, 1], shape, p=[0.3, 0.4, 0.3]).astype(np.int8)
        if (signs == 0).any() and fewest <= len(states(signs)) <= most:
            found.append(signs)
    return found


def p_value(counts, space):
    """Of the hypothesis that the counts are uniform over the space; 0 where a state was missed or invented."""
    if set(counts) != space:
        return 0.0
    return stats.chisquare([counts[state] for state in space]).pvalue
