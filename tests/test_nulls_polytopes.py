"""Integer magnitudes with fixed sums at all nodes: found wherever there are any, and uniform by enumeration."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from nngraph.nulls import _kernels, polytopes
from nngraph.nulls._edges import read_only
from nngraph.nulls.polytopes import Polytope


def seeded(*key):
    return np.random.SeedSequence(key)


def polytope(support, rows, columns, *, most=99):
    """Integer magnitudes of at least 1 on the positive edges of a small support, with given sums."""
    support = np.asarray(support, dtype=np.float64)
    indptr = np.arange(len(support) + 1) * support.shape[1]
    empty = read_only(np.empty(0, np.int32))
    parts = _kernels.split_by_sign(read_only(support.ravel()), read_only(indptr), empty, support.shape[1])
    starts, split, _, ones = parts
    P = Polytope(ones.astype(np.int32), starts, split, support.shape[1], most)
    sums = [np.concatenate([total, np.zeros(len(total))]).astype(np.int64) for total in (rows, columns)]
    return P, P.balance(*sums)


def all_magnitudes(support, rows, columns, most):
    """Every integer matrix of [1, most] on a support with these sums, by brute force row by row."""
    states = [()]
    left = [np.array(columns)]
    for cells, total in zip(np.asarray(support), rows, strict=True):
        n = int(cells.sum())
        ways = [way for way in itertools.product(range(1, min(total, most) + 1), repeat=n) if sum(way) == total]
        grown = []
        for state, rest in zip(states, left, strict=True):
            for way in ways:
                after = rest.copy()
                after[np.flatnonzero(cells)] -= way
                if (after >= 0).all():
                    grown.append(((*state, *way), after))
        states, left = [state for state, _ in grown], [rest for _, rest in grown]
    return {state for state, rest in zip(states, left, strict=True) if not rest.any()}


HEXAGON = 1 - np.eye(3)
"""Empty diagonal: one cycle of six edges and no rectangle."""
POLYTOPES = {
    "2x2": (np.ones((2, 2)), [7, 5], [6, 6], 99),
    "3x3": (np.ones((3, 3)), [5, 6, 4], [5, 5, 5], 99),
    "3x3, with a largest magnitude": (np.ones((3, 3)), [6, 6, 6], [6, 6, 6], 3),
    "2x4": (np.ones((2, 4)), [8, 9], [4, 5, 4, 4], 99),
    "hexagon": (HEXAGON, [9, 8, 10], [9, 9, 9], 99),
    "a hexagon beside a rectangle": (
        [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1]],
        [5, 7, 7],
        [5, 5, 4, 5],
        99,
    ),
    "a node with one edge": ([[1, 1, 1], [0, 1, 1], [0, 1, 1]], [8, 6, 5], [3, 8, 8], 99),
}


@pytest.mark.parametrize("most_sweeps", [0, polytopes.MOST_SWEEPS], ids=["trees", "default"])
@pytest.mark.parametrize("name", POLYTOPES)
def test_magnitudes_are_uniform_over_the_integer_points_of_a_polytope(name, most_sweeps, monkeypatch):
    monkeypatch.setattr(polytopes, "MOST_SWEEPS", most_sweeps)
    support, rows, columns, most = POLYTOPES[name]
    space = all_magnitudes(support, rows, columns, most)
    assert 3 < len(space) < 200
    P, unmet = polytope(support, rows, columns, most=most)
    assert unmet is None
    start, counts = P.q.copy(), Counter()
    for k in range(60 * len(space)):
        P.q[:] = start
        P.mix(seeded(9, k))
        counts[tuple(P.q.tolist())] += 1
    assert set(counts) == space
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("name", ["hexagon", "a hexagon beside a rectangle"])
def test_rectangles_alone_miss_magnitudes_where_edges_are_absent(name):
    support, rows, columns, most = POLYTOPES[name]
    P, _ = polytope(support, rows, columns, most=most)
    seen = set()
    for k in range(500):
        _kernels.rectangles(P.q, P.starts, P.columns, 2 * P.n_columns, most, 20, *_kernels.streams(seeded(k)))
        seen.add(tuple(P.q.tolist()))
    assert seen < all_magnitudes(support, rows, columns, most)


def test_changes_that_are_cut_off_at_the_bounds_fail_the_same_test():
    support, rows, columns, most = POLYTOPES["2x2"]
    space = all_magnitudes(support, rows, columns, most)
    rng, counts, state = np.random.default_rng(0), Counter(), np.array([2, 5, 4, 1])
    for _ in range(60 * len(space)):
        e = np.clip(rng.integers(-3, 4), 1 - min(state[[0, 3]]), min(state[[1, 2]]) - 1)
        state = state + np.array([e, -e, -e, e])
        counts[tuple(state.tolist())] += 1
    assert set(counts) == space
    assert stats.chisquare(list(counts.values())).pvalue < 1e-3


@pytest.mark.parametrize("kernel", ["lassos", "tree_cycles"])
def test_changes_along_cycles_alone_are_uniform_too(kernel):
    support, rows, columns, most = POLYTOPES["a hexagon beside a rectangle"]
    space = all_magnitudes(support, rows, columns, most)
    P, _ = polytope(support, rows, columns, most=most)
    bounds, slots, of_row = P.incidence
    counts = Counter()
    for k in range(100 * len(space)):
        stream = _kernels.streams(seeded(2, k))
        if kernel == "lassos":
            left = _kernels.prune(bounds, slots, of_row, P.columns, 6)
            assert _kernels.lassos(P.q, *left, of_row, P.columns, 6, most, 600, *stream) >= 60
        else:
            _kernels.tree_cycles(P.q, bounds, slots, of_row, P.columns, 6, most, 60, *stream)
        counts[tuple(P.q.tolist())] += 1
    assert set(counts) == space
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@given(st.integers(0, 2**32 - 1))
def test_a_start_is_found_exactly_where_linear_programming_finds_one(seed):
    """With integer sums the vertices of such a polytope are integer, so real magnitudes exist where integers do."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 6, 2))
    support = rng.random(shape) < rng.choice([0.4, 0.7, 1.0])
    total = [support.sum(1) * 2, support.sum(0) * 2]
    for sums in total:  # move sums about, mostly by little, so that both outcomes occur
        for _ in range(rng.integers(0, 6)):
            i, j = rng.integers(0, len(sums), 2)
            if sums[j]:
                sums[i], sums[j] = sums[i] + 1, sums[j] - 1
    P, unmet = polytope(support, *total, most=6)
    cells = np.argwhere(support)
    A = np.array([[side[k] == i for side in cells] for k in (0, 1) for i in range(shape[k])], dtype=float)
    wanted = np.concatenate(total)
    A = A.reshape(len(wanted), len(cells))
    found = len(cells) == 0 or optimize.linprog(np.zeros(len(cells)), A_eq=A, b_eq=wanted, bounds=(1, 6)).success
    if len(cells) == 0:
        found = not wanted.any()
    assert (unmet is None) == found
    if found:
        np.testing.assert_array_equal(A @ P.q, wanted)
        assert P.q.min(initial=1) >= 1
        assert P.q.max(initial=1) <= 6


def test_starts_are_found_for_some_and_refused_for_other_small_supports():
    outcomes = Counter()
    for rows in itertools.product(range(2, 9), repeat=3):
        for columns in ([4, 4, 4], [2, 3, 7], [2, 5, 5]):
            if sum(rows) == 12:
                _, unmet = polytope(HEXAGON, rows, columns)
                assert (unmet is None) == bool(all_magnitudes(HEXAGON, rows, columns, 99))
                outcomes[unmet is None] += 1
    assert min(outcomes[True], outcomes[False]) > 3
