import numpy as np
import pytest
from clouds_of_points import layers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from nngraph.errors import ArgumentError
from nngraph.similarity import gromov_map
from nngraph.similarity._screening import chosen, estimates


def off_diagonal(table):
    return table.to_numpy()[np.triu_indices(len(table), 1)]


def test_a_screened_map_solves_neighbours_and_the_widest_brackets_and_ranks_pairs_as_the_exact_one():
    reps = layers(n=50, depth=16)
    exact, screened = gromov_map(reps), gromov_map(reps, exact=0.2)
    solved = screened.solved.to_numpy()
    assert solved.sum() == 16 + 2 * 24
    assert np.diagonal(solved, 1).all()
    assert spearmanr(off_diagonal(exact.squared), off_diagonal(screened.squared))[0] >= 0.93
    assert (screened.lower <= screened.squared).all(axis=None)
    assert (screened.squared <= screened.identity * (1 + 1e-12)).all(axis=None)
    assert np.isnan(screened.seconds.to_numpy()[~solved]).all()
    assert (screened.start.to_numpy()[~solved] == "").all()
    row, column = np.argwhere(~solved)[0]
    with pytest.raises(ArgumentError, match="was screened, not solved"):
        screened.plan(*screened.squared.index[[row, column]])


def test_the_share_of_solved_pairs_is_what_was_asked_for_but_neighbours_are_always_solved():
    lower, upper = np.full((11, 11), 0.1), np.full((11, 11), 0.2)
    upper[0, 7] = upper[7, 0] = 0.9
    neighbours = [(k, k + 1) for k in range(10)]
    assert chosen(lower, upper, 0) == neighbours
    assert chosen(lower, upper, 11 / 55) == sorted([*neighbours, (0, 7)])
    assert len(chosen(lower, upper, 0.5)) == 28
    assert len(chosen(lower, upper, 1)) == 55


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.floats(0, 1))
def test_estimates_stay_in_their_brackets_and_rise_with_their_bounds(seed, n_taps, share):
    rng = np.random.default_rng(seed)
    lower, width, at = (np.triu(rng.random((n_taps, n_taps)), 1) for _ in range(3))
    lower, upper = lower + lower.T, (lower + width) + (lower + width).T
    squared = lower + (at + at.T) * (upper - lower)
    solved = chosen(lower, upper, share)
    found = estimates(lower, upper, squared, solved)
    assert (found >= lower).all()
    assert (found <= upper + 1e-15).all()
    assert all(found[pair] == squared[pair] == found[pair[::-1]] for pair in solved)
    free = [(i, j) for i in range(n_taps) for j in range(i + 1, n_taps) if (i, j) not in solved]
    for one in free:
        for other in free:
            if lower[one] <= lower[other] and upper[one] <= upper[other]:
                assert found[one] <= found[other] * (1 + 1e-12)
