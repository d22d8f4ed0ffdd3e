"""Supports of sparse layers and one step of their evolution, against brute force and the laws that they obey."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from nngraph.errors import ArgumentError, SparsityWarning
from nngraph.sparse import _cells, erdos_renyi_mask, rewire

REGROWTHS = ("random", "preferential", "degree")


def layer(seed, n_target=12, n_source=9, density=0.3, zeros=0.0):
    """Return weights with ties and exact zeros, and a mask; absent weights are NaN, so that nobody may look."""
    draw = np.random.default_rng(seed)
    mask = draw.random((n_target, n_source)) < density
    weights = np.round(draw.normal(size=mask.shape), 1)
    weights[draw.random(mask.shape) < zeros] = 0.0
    return np.where(mask, weights, np.nan), mask


def weakest(weights, mask, zeta):
    """Return the cells that go by the words of the paper, by sorting: oracle."""
    cells = [cell for cell in range(mask.size) if mask.flat[cell]]
    going = [cell for cell in cells if weights.flat[cell] == 0]
    for sign in (1, -1):
        side = [cell for cell in cells if sign * weights.flat[cell] > 0]
        side.sort(key=lambda cell: abs(weights.flat[cell]))  # stable: of those that tie the first in order goes
        going += side[: int(np.floor(round(zeta * len(side), 9)))]
    return sorted(going)


# ------------------------------------------------------------------- beginnings


@pytest.mark.parametrize(("n_target", "n_source", "epsilon"), [(400, 784, 13), (400, 400, 13), (1000, 300, 1.5)])
def test_an_initial_support_has_as_many_edges_as_its_binomial_law_allows(n_target, n_source, epsilon):
    p = epsilon * (n_target + n_source) / (n_target * n_source)
    n = [int(erdos_renyi_mask(n_target, n_source, epsilon, rng=seed).sum()) for seed in range(10)]
    low, high = stats.binom(10 * n_target * n_source, p).ppf([1e-4, 1 - 1e-4])
    assert low <= sum(n) <= high
    assert len(set(n)) > 1


def test_every_cell_of_an_initial_support_is_as_likely_and_on_its_own():
    masks = np.array([erdos_renyi_mask(3, 4, 0.8, rng=seed) for seed in range(4000)])
    p, n = 0.8 * 7 / 12, masks.size
    counts = masks.sum(axis=0)
    assert stats.chisquare([counts.sum(), n - counts.sum()], [n * p, n * (1 - p)]).pvalue > 0.01
    assert np.abs(counts - 4000 * p).max() < 4 * np.sqrt(4000 * p * (1 - p))
    together = np.cov(masks.reshape(4000, -1), rowvar=False)
    assert np.abs(together - np.diag(np.diag(together))).max() < 4 * p * (1 - p) / np.sqrt(4000)


@pytest.mark.parametrize("epsilon", [6.0, 20.0])
def test_an_epsilon_that_makes_a_layer_complete_is_said_with_the_largest_that_does_not(epsilon):
    with pytest.warns(SparsityWarning, match=r"complete.*72 edges.*Below epsilon=4\.235 it is sparse"):
        assert erdos_renyi_mask(8, 9, epsilon, rng=0).all()
    assert not erdos_renyi_mask(8, 9, 4.0, rng=0).all()


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), "13", True])
def test_an_epsilon_that_is_no_finite_number_above_0_is_refused(epsilon):
    with pytest.raises(ArgumentError, match=r"epsilon: got .*expected a finite number above 0"):
        erdos_renyi_mask(8, 9, epsilon)


@pytest.mark.parametrize(("sizes", "name"), [((0, 3), "n_target"), ((3, 2.5), "n_source")])
def test_a_size_that_is_no_whole_number_is_refused(sizes, name):
    with pytest.raises(ArgumentError, match=f"{name}: got"):
        erdos_renyi_mask(*sizes, epsilon=1)


# --------------------------------------------------------------------- removal


@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.3, 0.5, 0.9]), st.sampled_from([0.0, 0.2]))
def test_the_smallest_of_either_sign_go_and_all_exact_zeros(seed, zeta, zeros):
    weights, mask = layer(seed, density=0.4, zeros=zeros)
    done = rewire(weights, mask, zeta=zeta, rng=seed)
    going = weakest(weights, mask, zeta)
    assert done.removed.tolist() == going
    assert done.n_positive == sum(weights.flat[going] > 0)
    assert done.n_negative == sum(weights.flat[going] < 0)


@given(st.integers(0, 10**6), st.sampled_from(REGROWTHS), st.floats(0.02, 0.5), st.floats(0.05, 0.95))
def test_a_layer_has_as_many_edges_after_a_rewiring_as_before(seed, regrowth, density, zeta):
    weights, mask = layer(seed, density=density)
    done = rewire(weights, mask, zeta=zeta, regrowth=regrowth, rng=seed)
    assert done.mask.sum() == mask.sum() == done.core.sum() + len(done.added)
    assert len(done.removed) == len(done.added) == len(set(done.added.tolist()))
    assert not done.core.flat[done.added].any()
    assert np.array_equal(np.flatnonzero(done.core), np.setdiff1d(np.flatnonzero(mask), done.removed))
    assert np.array_equal(np.flatnonzero(done.mask), np.union1d(np.flatnonzero(done.core), done.added))


@pytest.mark.parametrize("regrowth", REGROWTHS)
def test_the_number_of_edges_stays_over_hundreds_of_rewirings(regrowth):
    mask = erdos_renyi_mask(30, 20, 3, rng=0)
    draw, n = np.random.default_rng(0), mask.sum()
    for step in range(300):
        mask = rewire(draw.normal(size=mask.shape), mask, regrowth=regrowth, rng=step).mask
        assert mask.sum() == n


def test_zeta_counts_as_the_decimal_number_that_it_is_written_as():
    weights = np.concatenate([np.arange(1.0, 101.0), np.zeros(100)])[None]  # 0.29 * 100 is 28.999999999999996
    assert len(rewire(weights, weights != 0, zeta=0.29, rng=0).removed) == 29


def test_where_weights_tie_exactly_as_many_go_and_the_first_in_order():
    weights = np.repeat([1.0, -1.0, 0.0], 10)[None]
    done = rewire(weights, weights != 0, zeta=0.3, rng=0)
    assert done.removed.tolist() == [0, 1, 2, 10, 11, 12]


def test_a_zero_of_either_sign_bit_is_on_neither_list():
    weights = np.array([[0.0, -0.0, 5.0, -5.0, 6.0, -6.0, 7.0, 8.0, 9.0, 9.0]])
    mask = np.arange(10)[None] < 6
    done = rewire(weights, mask, zeta=0.5, rng=0)
    assert done.removed.tolist() == [0, 1, 2, 3]
    assert (done.n_positive, done.n_negative) == (1, 1)


def test_fewer_free_cells_than_edges_that_would_go_are_said_and_zeros_go_first():
    weights, mask = np.ones((4, 10)), np.ones((4, 10), dtype=bool)
    mask[0, :5] = False
    weights[0, 5:7] = 0
    weights[1:3] = -1
    with pytest.warns(SparsityWarning, match="5 free cells, fewer than the 18 edges that would go; 5 of them went"):
        done = rewire(weights, mask, zeta=0.5, rng=0)
    assert {5, 6} <= set(done.removed.tolist())
    assert (done.n_positive, done.n_negative) == (1, 2)
    assert done.mask.sum() == mask.sum()


@pytest.mark.parametrize("regrowth", REGROWTHS)
def test_a_complete_layer_is_left_as_it_is(regrowth):
    with pytest.warns(SparsityWarning, match="0 free cells"):
        done = rewire(np.arange(12.0).reshape(3, 4) - 6, np.ones((3, 4), dtype=bool), regrowth=regrowth, rng=0)
    assert len(done.removed) == 0
    assert done.mask.all()


@pytest.mark.parametrize("regrowth", REGROWTHS)
def test_a_layer_without_edges_stays_without(regrowth):
    done = rewire(np.ones((3, 4)), np.zeros((3, 4), dtype=bool), regrowth=regrowth, rng=0)
    assert not done.mask.any()


# -------------------------------------------------------------------- regrowth


@pytest.mark.parametrize("regrowth", REGROWTHS)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(regrowth):
    weights, mask = layer(0, 40, 30)
    same = [rewire(weights, mask, regrowth=regrowth, rng=5).added.tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert same[0] != rewire(weights, mask, regrowth=regrowth, rng=6).added.tolist()


def sets_drawn(weights, mask, regrowth, n, zeta):
    """Return how often each set of cells grew."""
    counts = {}
    for seed in range(n):
        added = tuple(rewire(weights, mask, zeta=zeta, regrowth=regrowth, rng=seed).added.tolist())
        counts[added] = counts.get(added, 0) + 1
    return counts


def small():
    """Return a layer of which two edges go: cells 0 and 4."""
    weights = np.array([[0.1, 2.0, 0.0], [3.0, 0.2, 4.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    mask = weights != 0
    return weights, mask, np.flatnonzero(weights < 1)  # what is absent from the core


def test_random_regrowth_gives_every_set_of_absent_cells_alike():
    weights, mask, absent = small()
    counts = sets_drawn(weights, mask, "random", 3000, 0.4)
    every = list(itertools.combinations(absent.tolist(), 2))
    assert set(counts) == set(every)
    assert stats.chisquare([counts[pair] for pair in every]).pvalue > 0.01


@pytest.mark.parametrize("poorest", [0.0, 2.0])
def test_preferential_regrowth_draws_cells_one_after_the_other_by_the_degrees_of_the_core(poorest, monkeypatch):
    monkeypatch.setattr(_cells, "POOREST", poorest)  # 0: by throwing draws away alone; 2: one round, then from a list
    weights, mask, absent = small()
    core = mask & (weights > 1)
    k_target, k_source = core.sum(axis=1) + 1, core.sum(axis=0) + 1
    chance = {cell: k_target[cell // 3] * k_source[cell % 3] for cell in absent.tolist()}
    total, expected = sum(chance.values()), {}
    for a, b in itertools.permutations(chance, 2):
        pair = tuple(sorted((a, b)))
        expected[pair] = expected.get(pair, 0) + chance[a] / total * chance[b] / (total - chance[a])
    counts = sets_drawn(weights, mask, "preferential", 3000, 0.4)
    assert set(counts) <= set(expected)
    seen = [counts.get(pair, 0) for pair in expected]
    assert stats.chisquare(seen, [3000 * p for p in expected.values()]).pvalue > 0.01


def test_what_preferential_regrowth_lists_has_the_same_law_as_what_it_draws():
    core, shape = np.array([0, 1, 2, 4, 7]), (3, 3)  # k = 4: all that is absent, whatever the weights
    assert _cells._preferential(core, 4, shape, np.random.default_rng(0)).tolist() == [3, 5, 6, 8]


@pytest.mark.parametrize("k", [1, 2])
def test_the_list_of_preferential_regrowth_is_drawn_by_the_same_probabilities(k, monkeypatch):
    monkeypatch.setattr(_cells, "is_in", lambda cells, sought: np.ones(len(sought), dtype=bool))  # all thrown away
    core, shape, n = np.array([0, 1, 2, 3]), (3, 3), 4000
    chance = {4: 4, 5: 4, 6: 3, 7: 2, 8: 2}  # (k_target + 1)(k_source + 1): rows 3 1 0, columns 2 1 1
    draws = [_cells._preferential(core, k, shape, np.random.default_rng(seed)).tolist() for seed in range(n)]
    if k == 1:
        seen = [draws.count([cell]) for cell in chance]
        assert stats.chisquare(seen, [n * w / 15 for w in chance.values()]).pvalue > 0.01
        return
    pairs = list(itertools.combinations(chance, 2))
    law = [chance[a] * chance[b] / 15 * (1 / (15 - chance[a]) + 1 / (15 - chance[b])) for a, b in pairs]
    assert stats.chisquare([draws.count(list(pair)) for pair in pairs], [n * p for p in law]).pvalue > 0.01


@given(st.integers(0, 10**6), st.floats(0.05, 0.5), st.floats(0.1, 0.9))
def test_degree_preserving_regrowth_gives_every_neuron_its_degree_again(seed, density, zeta):
    weights, mask = layer(seed, 15, 11, density)
    done = rewire(weights, mask, zeta=zeta, regrowth="degree", rng=seed)
    for axis in (0, 1):
        assert np.array_equal(done.mask.sum(axis=axis), mask.sum(axis=axis))


def test_degree_preserving_regrowth_gives_every_support_of_the_same_degrees_alike():
    weights = np.where(np.eye(4, dtype=bool), 0.1, 0.0)
    weights[0, 1], weights[2, 3] = 9.0, 9.0  # two of six edges stay
    mask = weights != 0
    counts = sets_drawn(weights, mask, "degree", 1500, 0.7)
    allowed = [
        tuple(4 * row + column for row, column in enumerate(order))
        for order in itertools.permutations(range(4))
        if order[0] != 1 and order[2] != 3
    ]
    assert set(counts) == set(allowed)
    assert stats.chisquare([counts[each] for each in allowed]).pvalue > 0.01


class Repeated:
    """A generator that draws the same permutation and the same numbers whenever it is asked."""

    def __init__(self, seed):
        self.seed = seed

    def permutation(self, n):
        return np.random.default_rng(self.seed).permutation(n)

    def random(self, n):
        return np.random.default_rng(self.seed + 1).random(n)


def test_a_sweep_of_switches_undoes_itself_so_that_all_supports_are_alike_in_the_long_run(monkeypatch):
    moved = 0
    for seed in range(200):
        mask = np.random.default_rng(seed).random((6, 6)) < 0.4
        cells = np.random.default_rng((seed, 1)).permutation(np.flatnonzero(mask))
        core, removed = np.sort(cells[:4]), np.sort(cells[4:])
        found = []
        for n_sweeps in (1, 2):
            monkeypatch.setattr(_cells, "MOST_SWEEPS", n_sweeps)
            found.append(_cells._switched(core, removed, (6, 6), Repeated(seed)))
        moved += not np.array_equal(found[0], removed)
        assert np.array_equal(found[1], removed)
    assert moved > 100


def test_tensors_rewire_as_arrays_do():
    weights, mask = layer(0)
    weights[~mask] = 0
    parameter = nn.Parameter(torch.from_numpy(weights))
    ours, same = rewire(parameter, torch.from_numpy(mask), rng=0), rewire(weights, mask, rng=0)
    assert np.array_equal(ours.mask, same.mask)
    assert len(ours.removed) > 0
    assert np.array_equal(parameter.detach().numpy(), weights)
    assert rewire(parameter.bfloat16(), mask, rng=0).mask.sum() == mask.sum()
    with pytest.raises(ArgumentError, match="rewire: weights: got rows of several lengths"):
        rewire([[1.0], [2.0, 3.0]], mask)


def test_regrowth_without_regard_to_neurons_is_poisson_in_the_end_whatever_the_beginning():
    n, draw, dispersion = 400, np.random.default_rng(1), []
    mask = np.zeros((n, n), dtype=bool)
    mask[: n // 20] = True  # all edges at one in twenty of the neurons
    for step in range(90):
        mask = rewire(draw.normal(size=mask.shape), mask, rng=step).mask  # survival does not depend on the neuron
        if step >= 30 and step % 12 == 0:  # .7^30 = 2e-5 of the beginning is left, .7^12 = 1.4 % of the last one seen
            dispersion += [k.var() / k.mean() for k in (mask.sum(axis=0), mask.sum(axis=1))]
    # n values of a binomial law: the ratio is 1 - p, with a standard error of sqrt(2 / n) each; 4 of them allowed
    assert abs(np.mean(dispersion) - (1 - 0.05)) < 4 * np.sqrt(2 / n / len(dispersion))


def test_neurons_whose_edges_survive_more_have_as_many_more_of_them_as_the_balance_says():
    n, zeta, draw = 300, 0.3, np.random.default_rng(2)
    mask = erdos_renyi_mask(n, n, 4, rng=3)
    mu, strong = mask.sum() / n, np.arange(n) < n // 3
    degrees, survived, grown = [], [], []
    for step in range(160):
        weights = draw.exponential(size=mask.shape) * np.where(strong, 4.0, 1.0)[:, None]
        done = rewire(weights * draw.choice([-1, 1], size=mask.shape), mask, zeta=zeta, rng=step)
        if step >= 40:
            before, core, after = (m.sum(axis=1) for m in (mask, done.core, done.mask))
            degrees.append([before[strong].mean(), before[~strong].mean()])
            survived.append([core[strong].sum() / before[strong].sum(), core[~strong].sum() / before[~strong].sum()])
            grown.append((after - core).mean())
        mask = done.mask
    balance = zeta * mu / (1 - np.mean(survived, axis=0))
    assert np.mean(grown) == pytest.approx(zeta * mu, rel=0.01)
    assert np.mean(degrees, axis=0) == pytest.approx(balance, rel=0.03)
    assert balance[0] > 1.3 * balance[1]


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize("zeta", [0, 1, -0.1, 1.5, float("nan"), "0.3"])
def test_a_zeta_outside_of_0_to_1_is_refused(zeta):
    with pytest.raises(ArgumentError, match=r"zeta: got .*expected a number between 0 and 1"):
        rewire(np.ones((2, 2)), np.eye(2, dtype=bool), zeta=zeta)


@pytest.mark.parametrize(
    ("weights", "mask"),
    [
        (np.ones((2, 2)), np.ones((2, 3), dtype=bool)),
        (np.ones(4), np.ones(4, dtype=bool)),
        (np.ones((2, 2)), np.ones((2, 2))),
        (np.ones((2, 2), dtype=complex), np.ones((2, 2), dtype=bool)),
    ],
)
def test_weights_and_a_mask_that_do_not_fit_are_refused(weights, mask):
    with pytest.raises(ArgumentError, match="rewire: got weights of shape"):
        rewire(weights, mask)


def test_present_weights_that_are_not_finite_are_refused():
    with pytest.raises(ArgumentError, match="got 2 present weights that are NaN or infinite"):
        rewire(np.array([[np.nan, np.inf, 1.0, np.nan]]), np.array([[True, True, True, False]]))


def test_an_unknown_regrowth_is_refused():
    with pytest.raises(ArgumentError, match="regrowth: got 'uniform'; expected one of 'random'"):
        rewire(np.ones((2, 2)), np.eye(2, dtype=bool), regrowth="uniform")
