"""The maximum-entropy ensemble of signed degrees against enumeration, an independent optimizer, and draws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from strategies import blocks

import nngraph as nng
from nngraph.blocks import Block, Origin
from nngraph.errors import ArgumentError, ConvergenceError, NullModelError, NullModelWarning
from nngraph.graph import NeuralGraph
from nngraph.nulls import _fugacities, _kernels, entropy
from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls._fugacities import Margins, solve

SIGNS = ("+", "-")
PAIRS = ("++", "--", "+-", "-+", "same", "opposite", "signed")
DEGREES = tuple(itertools.product(("source", "target"), SIGNS))


def fitted(matrix, **options):
    """The model of one block that holds this matrix, absent where it is 0."""
    return nng.nulls.maximum_entropy(nng.from_matrices([np.asarray(matrix, dtype=np.float64)]), **options)["0"]


def random_signs(shape, seed, density=0.6, spread=0.5):
    """Signs in {-1, 0, 1} with uneven expected degrees on both sides."""
    rng = np.random.default_rng(seed)
    chance = density * np.exp(spread * (rng.normal(size=(shape[0], 1)) + rng.normal(size=shape[1])))
    positive = 1 / (1 + np.exp(-spread * (rng.normal(size=(shape[0], 1)) + rng.normal(size=shape[1]))))
    signs = np.where(rng.random(shape) < positive, 1.0, -1.0)
    return signs * (rng.random(shape) < np.minimum(chance, 1))


def complete_signs(shape, seed, spread=0.5):
    rng = np.random.default_rng(seed)
    logit = spread * (rng.normal(size=(shape[0], 1)) + rng.normal(size=shape[1]))
    return np.where(rng.random(shape) < 1 / (1 + np.exp(-logit)), 1.0, -1.0)


MATRICES = {
    "complete": complete_signs((30, 41), 0),
    "half": random_signs((30, 41), 1),
    "sparse": random_signs((90, 120), 2, density=0.03),
    "uneven": random_signs((60, 25), 3, density=0.3, spread=1.5),
    "positive": np.abs(random_signs((20, 33), 4)),
    "negative": -np.abs(random_signs((33, 20), 5)),
}


def off_by(p, signs):
    """Largest difference between expected and observed signed degrees, straight from the matrices."""
    return max(
        np.abs(probability.sum(axis) - (signs == sign).sum(axis)).max(initial=0)
        for sign, probability in zip((1, -1), p, strict=True)
        for axis in (0, 1)
    )


# ------------------------------------------------------------------------- the fit


@pytest.mark.parametrize("name", MATRICES)
def test_expected_signed_degrees_are_the_observed_ones(name):
    signs = MATRICES[name]
    model = fitted(signs)
    assert model.converged
    assert off_by((model.p_plus, model.p_minus), signs) <= 1e-8
    assert off_by((model.p_plus, model.p_minus), signs) == pytest.approx(model.residual, abs=1e-11)
    assert 0 <= model.relative_residual <= model.residual <= 1e-8
    for side, sign in DEGREES:
        axis = 0 if side == "source" else 1
        observed = (signs == (1 if sign == "+" else -1)).sum(axis)
        np.testing.assert_array_equal(model.observed("degree", side=side, sign=sign), observed)
        np.testing.assert_allclose(model.expected("degree", side=side, sign=sign), observed, rtol=0, atol=1e-8)


def test_a_model_names_its_block_and_how_well_it_fits():
    assert repr(fitted(np.array([[1, -1], [-1, 1]]))) == "MaximumEntropy of block '0': 2x2, residual 0"


def test_the_matrices_are_of_every_kind():
    held = {name: nng.from_matrices([signs]).block(0) for name, signs in MATRICES.items()}
    assert held["complete"].mask is None
    assert held["sparse"].is_sparse
    assert not held["half"].is_sparse
    assert {name: fitted(signs).signs for name, signs in MATRICES.items()} == {
        "complete": (1,),
        "half": (1, -1),
        "sparse": (1, -1),
        "uneven": (1, -1),
        "positive": (1,),
        "negative": (-1,),
    }


@pytest.mark.parametrize("name", ["complete", "half", "positive"])
def test_odds_are_products_of_fugacities(name):
    model = fitted(MATRICES[name])
    x, y, u, v = (model.fugacities[key] for key in ("target+", "source+", "target-", "source-"))
    plus, minus = np.outer(x, y), np.outer(u, v)
    total = plus + minus + (0 if name == "complete" else 1)
    np.testing.assert_allclose(model.p_plus, plus / total, rtol=1e-12)
    np.testing.assert_allclose(model.p_minus, minus / total, rtol=1e-12)
    assert not any(fugacity.flags.writeable for fugacity in model.fugacities.values())
    if name == "half":
        np.testing.assert_allclose(np.log(y).mean(), 0, atol=1e-12)


@pytest.mark.parametrize("seed", [3, 6, 7])
def test_an_independent_optimizer_of_the_likelihood_finds_the_same_probabilities(seed):
    signs = random_signs((12, 14), seed, spread=0.1)
    m, n = signs.shape
    degrees = np.concatenate([(signs == s).sum(axis) for s in (1, -1) for axis in (1, 0)])

    def probabilities(theta):
        a, b, c, d = np.split(theta, [m, m + n, 2 * m + n])
        logs = np.stack([a[:, None] + b, c[:, None] + d])
        log_z = np.logaddexp(0, np.logaddexp(*logs))
        return np.exp(logs - log_z), log_z.sum()

    def loss(theta):
        (plus, minus), log_z = probabilities(theta)
        expected = np.concatenate([p.sum(axis) for p in (plus, minus) for axis in (1, 0)])
        return log_z - theta @ degrees, expected - degrees

    best = optimize.minimize(loss, np.zeros(len(degrees)), jac=True, method="BFGS", options={"gtol": 1e-9})
    model = fitted(signs)
    assert model.solution.possible is None  # where a cell is certain the optimizer would run to infinity
    np.testing.assert_allclose(probabilities(best.x)[0], (model.p_plus, model.p_minus), atol=1e-6)


@pytest.mark.parametrize("name", ["complete", "half", "sparse"])
def test_exchanging_the_two_sides_transposes_the_probabilities(name):
    one, two = fitted(MATRICES[name]), fitted(MATRICES[name].T)
    np.testing.assert_allclose(one.p_plus, two.p_plus.T, atol=1e-8)
    np.testing.assert_allclose(one.p_minus, two.p_minus.T, atol=1e-8)


def test_opposite_signs_exchange_the_probabilities():
    one, two = fitted(MATRICES["half"]), fitted(-MATRICES["half"])
    np.testing.assert_allclose(one.p_plus, two.p_minus, atol=1e-8)
    np.testing.assert_allclose(one.p_minus, two.p_plus, atol=1e-8)


def test_probabilities_of_some_targets_are_rows_of_those_of_all():
    model = fitted(MATRICES["half"])
    plus, minus = model.probabilities(slice(5, 9))
    np.testing.assert_array_equal(plus, model.p_plus[5:9])
    np.testing.assert_array_equal(minus, model.p_minus[5:9])


@given(blocks(), st.sampled_from([None, 0.5, 3.0]))
def test_any_block_without_zero_weights_converges(block, threshold):
    if np.count_nonzero(block.values) != block.n_edges:
        block = block.with_support(block.values != 0)
    if threshold is not None and block.n_edges:
        block = block.with_support(np.abs(block.values) > threshold * np.abs(block.values.astype(float)).mean())
    model = nng.nulls.maximum_entropy(block)
    p = model.p_plus, model.p_minus
    assert off_by(p, np.sign(block.dense())) <= 1e-8
    assert all((one >= 0).all() and (one <= 1).all() for one in p)
    assert (sum(p) <= 1 + 1e-12).all()


def test_margins_far_from_even_need_joint_steps_and_get_them():
    rng = np.random.default_rng(0)
    logit = 4 * (rng.normal(size=(60, 1)) + rng.normal(size=50))
    signs = np.where(rng.random(logit.shape) < 1 / (1 + np.exp(-logit)), 1.0, -1.0)
    model = fitted(signs)
    assert off_by((model.p_plus, model.p_minus), signs) <= 1e-8
    assert model.n_iterations < 60  # alternating steps alone take thousands


@pytest.mark.parametrize("joint", [False, True])
def test_shortened_newton_steps_never_lower_the_likelihood_however_far_the_start(joint):
    signs = random_signs((12, 14), 3, spread=0.1)
    rows, columns = (_fugacities._classes(np.stack([(signs == s).sum(axis) for s in (1, -1)])) for axis in (1, 0))
    state = _fugacities._State(rows, columns, None)
    rng = np.random.default_rng(0)
    state.log_rows = state.log_rows + 4 * rng.normal(size=state.log_rows.shape)

    def log_likelihood():
        odds = np.exp(state.log_rows)[:, :, None] * np.exp(state.log_columns)[:, None]
        linear = (rows.degrees * rows.sizes * state.log_rows).sum() + (
            columns.degrees * columns.sizes * state.log_columns
        ).sum()
        return linear - rows.sizes @ np.log1p(odds.sum(0)) @ columns.sizes

    values = [log_likelihood()]
    for number in range(20):
        if joint:
            state.step_jointly(state.moments())
        else:
            state.step(state.moments(), rows=number % 2 == 0)
        values.append(log_likelihood())
    assert (np.diff(values) > -1e-9 * abs(values[0])).all()
    assert values[-1] > values[0] + 10


def test_a_fit_that_stops_early_raises_and_says_what_to_do():
    with pytest.raises(ConvergenceError, match=r"block '0': .* off by up to .* after 1 iterations.*tol=.*max_iter=1"):
        fitted(MATRICES["uneven"], max_iter=1)
    assert fitted(MATRICES["uneven"], max_iter=1, tol=100).residual > 1e-8


# ------------------------------------------------------------- enumeration, exactly


def all_states(shape, n_signs):
    """Every sign matrix of a shape: signs 1 and 0 (one sign), or 1, -1 and 0."""
    values = (0, 1) if n_signs == 1 else (0, 1, -1)
    return np.array(list(itertools.product(values, repeat=shape[0] * shape[1])), dtype=np.int8).reshape(-1, *shape)


def margins_of(states, n_signs):
    kinds = (1, -1)[:n_signs]
    rows = np.stack([(states == s).sum(2) for s in kinds], axis=1)
    columns = np.stack([(states == s).sum(1) for s in kinds], axis=1)
    return rows, columns


@pytest.mark.parametrize(("shape", "n_signs"), [((2, 2), 1), ((3, 3), 1), ((2, 2), 2), ((2, 3), 2)])
def test_whatever_the_margins_the_fit_converges_and_exactly_the_forced_cells_are_certain(shape, n_signs):
    states = all_states(shape, n_signs)
    rows, columns = margins_of(states, n_signs)
    key = np.concatenate([rows.reshape(len(states), -1), columns.reshape(len(states), -1)], axis=1)
    distinct, which = np.unique(key, axis=0, return_inverse=True)
    cut = n_signs * shape[0]
    for number, margins in enumerate(distinct):
        found = solve(
            Margins(margins[:cut].reshape(n_signs, -1), margins[cut:].reshape(n_signs, -1)), tol=1e-8, max_iter=100
        )
        assert found.residual <= 1e-8
        p = found.probabilities()[:, found.rows.of_node][:, :, found.columns.of_node]
        there = states[which.reshape(-1) == number]
        for s, probability in zip((1, -1), p, strict=False):
            assert ((probability == 0) == (there != s).all(axis=0)).all()
            assert ((probability == 1) == (there == s).all(axis=0)).all()


@pytest.mark.parametrize("signs", [[[1, 0], [-1, 1]], [[1, 0, -1], [0, 1, 1]], [[1, -1, 0], [0, 0, 1]]])
def test_graphs_of_equal_signed_degrees_are_equally_likely(signs):
    model = fitted(signs)
    states = all_states(np.shape(signs), 2)
    chance = state_chances(model, states)
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    rows, columns = margins_of(states, 2)
    key = np.concatenate([rows.reshape(len(states), -1), columns.reshape(len(states), -1)], axis=1)
    _, which = np.unique(key, axis=0, return_inverse=True)
    which = which.reshape(-1)
    assert max(np.bincount(which)) > 1
    for group in np.unique(which):
        np.testing.assert_allclose(chance[which == group], chance[which == group][0], rtol=1e-9, atol=1e-300)


def state_chances(model, states):
    """Probability of each sign matrix under the model, as a product over cells."""
    p = np.stack([model.p_minus, 1 - model.p_plus - model.p_minus, model.p_plus])
    m, n = states.shape[1:]
    return np.maximum(p[states + 1, np.arange(m)[:, None], np.arange(n)], 0).prod(axis=(1, 2))


def moments(values, chance):
    mean = np.tensordot(chance, values, 1)
    return mean, np.tensordot(chance, (values - mean) ** 2, 1)


def pair_counts(states, sign, side):
    """Counts of shared neighbours by sign in each state, by the definition."""
    lines = states.astype(np.int64) if side == "target" else states.transpose(0, 2, 1).astype(np.int64)
    one, two = lines[:, :, None, :], lines[:, None, :, :]
    value = {"+": 1, "-": -1}
    if sign == "signed":
        return (one * two).sum(-1)
    if sign == "same":
        return (one * two == 1).sum(-1)
    if sign == "opposite":
        return (one * two == -1).sum(-1)
    return ((one == value[sign[0]]) & (two == value[sign[1]])).sum(-1)


@pytest.mark.parametrize(
    "signs", [[[1, 0], [-1, 1]], [[1, 0, -1], [0, 1, 1]], [[1, -1, 1], [-1, 1, 1]], [[1, 0], [0, 1]]]
)
def test_expectations_and_variances_equal_those_over_all_states(signs):
    model = fitted(signs)
    states = all_states(np.shape(signs), 2)
    chance = state_chances(model, states)
    observed = np.array([signs], dtype=np.int8)
    cases = []
    for side, sign in DEGREES:
        axis, value = (1 if side == "source" else 2), (1 if sign == "+" else -1)
        cases.append((("degree", {"side": side, "sign": sign}), lambda s, a=axis, v=value: (s == v).sum(a)))
    cases.append((("edges", {"sign": "+"}), lambda s: (s == 1).sum((1, 2))))
    cases.append((("edges", {"sign": "-"}), lambda s: (s == -1).sum((1, 2))))
    for side, sign in itertools.product(("source", "target"), PAIRS):
        cases.append((("pairs", {"side": side, "sign": sign}), lambda s, a=sign, b=side: pair_counts(s, a, b)))
    for (statistic, how), of in cases:
        mean, variance = moments(of(states).astype(np.float64), chance)
        np.testing.assert_allclose(model.expected(statistic, **how), mean, atol=1e-12, err_msg=str((statistic, how)))
        np.testing.assert_allclose(
            model.variance(statistic, **how), variance, atol=1e-12, err_msg=str((statistic, how))
        )
        np.testing.assert_array_equal(model.observed(statistic, **how), of(observed)[0])
        z = model.z(statistic, **how)
        np.testing.assert_array_equal(np.isnan(z), variance < 1e-9)
        free = ~np.isnan(z)
        np.testing.assert_allclose(
            z[free], ((of(observed)[0] - mean) / np.sqrt(np.maximum(variance, 1e-9)))[free], atol=1e-9
        )


def test_moments_of_two_paths_equal_those_over_all_states_of_two_blocks():
    first, then = np.array([[1, 0, -1], [0, 1, 1]]), np.array([[1, -1], [-1, 1]])
    G = nng.from_matrices([first.astype(float), then.astype(float)])
    one, two = nng.nulls.maximum_entropy(G).values()
    before, after = all_states((2, 3), 2), all_states((2, 2), 2)
    joint = np.outer(state_chances(one, before), state_chances(two, after)).ravel()

    def through(a, b, coherent):
        """Paths through each node between: a (target, source) ends there, b starts there."""
        product = a[:, :, None, :] * b.transpose(0, 2, 1)[:, :, :, None]
        return (product == (1 if coherent else -1)).sum((2, 3))

    a, b = np.repeat(before, len(after), axis=0), np.tile(after, (len(before), 1, 1))
    for sign in ("coherent", "incoherent"):
        mean, variance = moments(through(a, b, sign == "coherent").astype(np.float64), joint)
        assert (variance > 0.1).all()
        np.testing.assert_allclose(one.expected("two_paths", sign=sign, then=two), mean, atol=1e-12)
        np.testing.assert_allclose(one.variance("two_paths", sign=sign, then=two), variance, atol=1e-12)
        observed = through(first[None], then[None], sign == "coherent")[0]
        np.testing.assert_array_equal(one.observed("two_paths", sign=sign, then=two), observed)


# --------------------------------------------------------------- margins at their limits


def test_nodes_without_a_choice_get_probabilities_of_exactly_zero_and_one():
    signs = random_signs((8, 9), 3, density=0.6, spread=0.2)
    signs[0], signs[1], signs[2] = 0, 1, -1  # without edges, all positive, all negative
    signs[3] = np.abs(signs[3])
    signs[4] = np.where(signs[4] == 0, -1, signs[4])
    model = fitted(signs)
    assert (model.p_plus[0] == 0).all()
    assert (model.p_minus[0] == 0).all()
    assert (model.p_plus[1] == 1).all()
    assert (model.p_minus[2] == 1).all()
    assert (model.p_minus[3] == 0).all()
    np.testing.assert_allclose((model.p_plus + model.p_minus)[4], 1, rtol=1e-15)
    assert model.fugacities["target+"][0] == 0
    assert model.fugacities["target+"][1] == np.inf
    assert model.fugacities["target-"][2] == np.inf
    for seed in range(20):
        placement = model.placement(np.random.SeedSequence(seed))
        drawn = dense(placement)
        assert not drawn[0].any()
        assert (drawn[1] == 1).all()
        assert (drawn[2] == -1).all()
        assert (drawn[3] >= 0).all()
        assert drawn[4].all()


def possible_by_programming(signs):
    """Whether each cell can be +, - and absent: whether the largest chance of it that the margins allow is above 0."""
    m, n = signs.shape
    cells = np.stack([signs == 1, signs == -1, signs == 0])
    number = np.arange(cells.size).reshape(cells.shape)
    sums = [
        *number.transpose(1, 2, 0).reshape(-1, 3),
        *number.reshape(-1, n),
        *number.transpose(0, 2, 1).reshape(-1, m),
    ]
    equations = np.zeros((len(sums), cells.size))
    for equation, members in zip(equations, sums, strict=True):
        equation[members] = 1
    given = equations @ cells.ravel()
    most = [
        -optimize.linprog(-np.eye(cells.size)[k], A_eq=equations, b_eq=given, bounds=(0, 1)).fun
        for k in range(cells.size)
    ]
    return (np.array(most) > 1e-7).reshape(cells.shape)


CHAINED = np.array(
    [
        [-1, -1, -1, -1, -1],
        [-1, 1, 1, -1, -1],
        [-1, -1, 1, 0, -1],
        [1, 1, 0, 0, 1],
        [0, 1, 1, 0, 0],
        [-1, -1, 1, -1, -1],
    ]
)
"""Some cells are certain only because others are."""


@pytest.mark.parametrize("signs", [CHAINED, CHAINED.T, random_signs((5, 5), 1, density=0.5, spread=2)])
def test_certain_cells_are_those_that_linear_programs_find(signs):
    model = fitted(signs)
    possible = model.solution.possible[:, model.solution.rows.of_node][:, :, model.solution.columns.of_node]
    np.testing.assert_array_equal(possible, possible_by_programming(signs))
    assert possible.any(axis=0).all()
    assert not possible.all()
    assert (possible.sum(axis=0) > 1).any()


def test_a_nested_matrix_is_determined_by_its_degrees():
    signs = np.where(np.arange(5)[:, None] + np.arange(7) < 6, 1.0, -1.0)
    model = fitted(signs)
    np.testing.assert_array_equal(model.p_plus, signs > 0)
    np.testing.assert_array_equal(model.p_minus, signs < 0)
    assert np.isnan(model.z("pairs", sign="same")).all()


def test_a_block_of_certain_cells_between_free_ones_is_found():
    free = np.array([[1.0, -1.0], [-1.0, 1.0]])
    signs = np.block([[np.ones((2, 2)), free], [free, -np.ones((2, 2))]])
    model = fitted(signs)
    np.testing.assert_array_equal(
        model.p_plus, np.block([[np.ones((2, 2)), np.full((2, 2), 0.5)], [np.full((2, 2), 0.5), np.zeros((2, 2))]])
    )


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0), (3, 4)])
def test_blocks_without_edges_have_a_model_and_stay_as_they_are(shape):
    G = nng.from_matrices([np.zeros(shape)])
    model = nng.nulls.maximum_entropy(G)["0"]
    assert model.p_plus.shape == model.p_minus.shape == shape
    assert not model.p_plus.any()
    assert nng.nulls.randomize(G, "maximum_entropy", rng=0) == G


# ------------------------------------------------------------------------ draws


def dense(placement: Placement):
    """The (n_target, n_source) signs of a placement."""
    signs = np.zeros(placement.shape, np.int8)
    rows = np.repeat(np.arange(placement.shape[0]), np.diff(placement.indptr))
    columns = (
        placement.indices if len(placement.indices) else np.tile(np.arange(placement.shape[1]), placement.shape[0])
    )
    signs[rows, columns] = placement.signs
    return signs


@pytest.mark.parametrize("name", ["complete", "half", "negative", "sparse"])
def test_cells_are_drawn_with_their_probabilities(name):
    model, n = fitted(MATRICES[name]), 1500
    plus = np.zeros(model.block.shape)
    minus = np.zeros(model.block.shape)
    for i in range(n):
        signs = dense(model.placement(np.random.SeedSequence(i)))
        plus += signs == 1
        minus += signs == -1
    for counts, p in ((plus, model.p_plus), (minus, model.p_minus)):
        free = (p > 0) & (p < 1)
        np.testing.assert_array_equal(counts[~free], n * p[~free])
        if not free.any():
            continue
        tail = np.minimum(stats.binom.cdf(counts, n, p), stats.binom.sf(counts - 1, n, p))[free]
        assert 2 * tail.min() * free.sum() > 1e-3  # every cell, by Bonferroni
        common = free & (n * p > 10) & (n * (1 - p) > 10)
        z = (counts - n * p)[common] / np.sqrt(n * p * (1 - p))[common]
        if z.size:
            assert 1e-3 < stats.chi2.sf((z**2).sum(), z.size) < 1 - 1e-3


def test_cells_are_drawn_independently():
    model, n = fitted(MATRICES["half"]), 1500
    drawn = np.stack([dense(model.placement(np.random.SeedSequence(i))) for i in range(n)])
    for sign, side in itertools.product(("++", "+-", "signed"), ("target", "source")):
        counts = np.stack([pair_counts(signs[None], sign, side)[0] for signs in drawn]).astype(np.float64)
        mean, variance = model.expected("pairs", sign=sign, side=side), model.variance("pairs", sign=sign, side=side)
        pairs = np.triu(variance > 0.5, 1)
        z = (counts.mean(axis=0) - mean)[pairs] / np.sqrt(variance[pairs] / n)
        assert 2 * stats.norm.sf(np.abs(z).max()) * z.size > 1e-3
        # the sample variance of so many draws is within 5 of its own standard deviations, about sqrt(2 / n)
        assert np.abs(counts.var(axis=0)[pairs] / variance[pairs] - 1).max() < 5.5 * np.sqrt(2 / n)
        assert np.mean(counts.var(axis=0)[pairs] / variance[pairs]) == pytest.approx(1, abs=0.02)


def test_a_draw_does_not_depend_on_the_size_of_tiles(monkeypatch):
    for name in ("complete", "half", "sparse"):
        model = fitted(MATRICES[name])
        whole = model.placement(np.random.SeedSequence(1))
        monkeypatch.setattr(entropy, "TILE", 100)
        parts = model.placement(np.random.SeedSequence(1))
        monkeypatch.undo()
        for a, b in ((whole.indptr, parts.indptr), (whole.indices, parts.indices), (whole.signs, parts.signs)):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_draws_with_exact_degrees_agree_with_the_probabilities():
    """In large blocks the ensembles with exact and with expected degrees have nearly the same marginals."""
    signs = complete_signs((40, 60), 6)
    G = nng.from_matrices([signs * np.arange(1, 2401).reshape(40, 60)])
    model, n = nng.nulls.maximum_entropy(G)["0"], 400
    mean = sum(R.block(0).dense() > 0 for R in nng.nulls.ensemble(G, "G", n=n, rng=1)) / n
    p = model.p_plus
    error = np.sqrt(p * (1 - p) / n)
    assert np.abs(mean - p).max() < (4.5 * error + 2 / 40).max()
    assert np.mean(np.abs(mean - p) / error) < 1.1 * np.sqrt(2 / np.pi) + 0.2
    assert np.corrcoef(mean.ravel(), p.ravel())[0, 1] > 0.95


def test_planted_resemblance_of_two_targets_stands_out():
    signs = random_signs((30, 200), 8, density=0.5, spread=0.3)
    signs[1] = signs[0]
    z = fitted(signs).z("pairs", sign="same")
    others = np.triu(np.ones((30, 30), bool), 1)
    others[0, 1] = False
    assert z[0, 1] > 6 > np.abs(z[others]).max()


# ------------------------------------------------------------------- randomize


def weighted(name, dtype=np.float64):
    rng = np.random.default_rng(9)
    return nng.from_matrices([(MATRICES[name] * rng.uniform(0.5, 2, MATRICES[name].shape)).astype(dtype)])


def test_what_holds_in_expectation_is_told_apart_from_what_is_kept():
    assert nng.nulls.kept("maximum_entropy") == frozenset()
    degrees = {f"k_{side}{sign}" for side, sign in DEGREES}
    assert nng.nulls.expected("maximum_entropy") == degrees | {"k_source", "k_target", "density"}
    assert all(nng.nulls.expected(kind) == frozenset() for kind in "ABCDEFG")
    with pytest.raises(ArgumentError, match="kind: got 'X'"):
        nng.nulls.expected("X")


@pytest.mark.parametrize("name", MATRICES)
def test_a_draw_takes_its_magnitudes_from_the_edges_of_each_sign(name):
    G = weighted(name, np.float32)
    R = nng.nulls.randomize(G, "maximum_entropy", rng=3)
    assert R != G
    for sign in (1, -1):
        own, new = (set(H.weights()[np.sign(H.weights()) == sign].tolist()) for H in (G, R))
        assert new <= own
    assert R.block(0).values.dtype == np.float32
    assert R.weights().all()
    if name == "complete":
        assert R.block(0).same_support(G.block(0))
    assert R.history[-1].parameters["weights"] == "resample"


def test_mean_degrees_over_draws_are_the_observed_ones_and_single_draws_differ():
    G, n = weighted("half"), 300
    model = nng.nulls.maximum_entropy(G)["0"]
    draws = [np.sign(R.block(0).dense()) for R in nng.nulls.ensemble(G, "maximum_entropy", n=n, rng=2)]
    for side, sign in DEGREES:
        axis, value = (0 if side == "source" else 1), (1 if sign == "+" else -1)
        degrees = np.array([(signs == value).sum(axis) for signs in draws])
        observed, variance = (
            model.observed("degree", side=side, sign=sign),
            model.variance("degree", side=side, sign=sign),
        )
        z = (degrees.mean(axis=0) - observed) / np.sqrt(variance / n)
        assert 2 * stats.norm.sf(np.abs(z).max()) * z.size > 1e-3
        assert (degrees != observed).any(axis=0).all()


def test_magnitudes_are_permuted_where_the_number_of_edges_is_kept_and_drawn_anew_elsewhere():
    values = np.array([3.0, 1.0, -2.0, -5.0, -7.0])
    edges = KernelEdges(nng.from_matrices([values[None]]).block(0))

    def dealt(signs, seed):
        placement = Placement(
            (1, len(signs)), np.array([0, len(signs)]), np.empty(0, np.int32), read_only(np.array(signs, np.int8))
        )
        return entropy.resampled(edges, placement, np.random.SeedSequence(seed))

    counts = np.zeros((3, 3))
    for seed in range(900):
        kept = dealt([-1, 1, -1, 1, -1], seed)
        assert sorted(kept) == sorted(values)
        assert (np.sign(kept) == [-1, 1, -1, 1, -1]).all()
        other = dealt([1, -1, -1], seed)
        assert other[0] in (1.0, 3.0)
        counts[[-2, -5, -7].index(other[1]), [-2, -5, -7].index(other[2])] += 1
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3  # independent and uniform


def test_the_same_seed_gives_the_same_draw_for_any_number_of_workers_and_any_choice_of_blocks():
    rng = np.random.default_rng(5)
    G = nng.from_matrices([rng.normal(size=(8, 6)), rng.normal(size=(7, 8))], [None, rng.random((7, 8)) < 0.6])
    alone = list(nng.nulls.ensemble(G, "maximum_entropy", n=4, rng=3))
    assert alone == list(nng.nulls.ensemble(G, "maximum_entropy", n=4, rng=3, n_jobs=2))
    assert len({R.weights().tobytes() for R in alone}) == 4
    everything, one = (nng.nulls.randomize(G, "maximum_entropy", rng=5, blocks=chosen) for chosen in (None, "1"))
    assert one.block("0") is G.block("0")
    assert one.block("1") == everything.block("1")


def test_an_ensemble_fits_each_block_once():
    G = weighted("half")
    entropy._solution.cache_clear()
    list(nng.nulls.ensemble(G, "maximum_entropy", n=5, rng=0))
    assert entropy._solution.cache_info().misses == 1


def test_tied_blocks_are_drawn_as_one_matrix():
    W = np.random.default_rng(0).normal(size=(5, 4))
    tied = [
        Block.from_dense("emb", "v", "h", W.T.copy(), origin=Origin("embedding.weight", (5, 4), "transposed")),
        Block.from_dense("head", "h", "v", W.copy(), origin=Origin("embedding.weight", (5, 4))),
    ]
    R = nng.nulls.randomize(NeuralGraph(tied), "maximum_entropy", rng=1, blocks="head")
    np.testing.assert_array_equal(R.block("head").dense(), R.block("emb").dense().T)
    assert not np.array_equal(R.block("head").dense(), W)


def test_blocks_whose_degrees_leave_no_choice_are_told():
    nested = np.where(np.arange(3)[:, None] + np.arange(4) < 3, 1.0, -1.0) * np.arange(1, 13).reshape(3, 4)
    with pytest.warns(NullModelWarning, match="kind 'maximum_entropy' has no legal move in block '0'"):
        R = nng.nulls.randomize(nng.from_matrices([nested]), "maximum_entropy", rng=0)
    np.testing.assert_array_equal(np.sign(R.block(0).dense()), np.sign(nested))
    assert sorted(R.weights()) == sorted(nested.ravel())
    with pytest.raises(NullModelError, match="nothing to compare with"):
        nng.nulls.randomize(nng.from_matrices([np.eye(1, 1)]), "maximum_entropy", rng=0)


def test_edges_of_weight_zero_are_refused():
    G = nng.from_matrices([np.array([[1.0, 0.0], [-1.0, 2.0]])], zeros="keep")
    for call in (lambda: nng.nulls.maximum_entropy(G), lambda: nng.nulls.randomize(G, "maximum_entropy", rng=0)):
        with pytest.raises(ArgumentError, match=r"block '0': got 1 present edges of weight 0.*G\.with_support"):
            call()
    assert nng.nulls.maximum_entropy(G.with_support(G.weights() != 0))["0"].residual <= 1e-8


def test_bad_arguments_are_refused_with_the_reason():
    G = weighted("half")
    model = nng.nulls.maximum_entropy(G)["0"]
    for call, message in (
        (lambda: nng.nulls.maximum_entropy(np.eye(2)), "got a ndarray; expected a NeuralGraph, or a block"),
        (lambda: nng.nulls.maximum_entropy(G, tol=-1), "tol: got -1; expected a number of at least 0"),
        (lambda: nng.nulls.maximum_entropy(G, tol=np.nan), "tol: got nan"),
        (lambda: nng.nulls.maximum_entropy(G, max_iter=0), "max_iter: got 0"),
        (lambda: model.expected("triangles", sign="+"), "statistic: got 'triangles'; expected 'degree'"),
        (lambda: model.expected("degree", sign="++"), "sign: got '[+][+]'; 'degree' takes '[+]', '-'"),
        (lambda: model.variance("pairs", sign="+"), "sign: got '[+]'; 'pairs' takes"),
        (lambda: model.z("pairs", sign="++", side="left"), "side: got 'left'; expected 'source' or 'target'"),
        (lambda: model.z("two_paths", sign="coherent"), "then: got None for the statistic 'two_paths'"),
        (lambda: model.z("edges", sign="+", then=model), "the others take none"),
        (lambda: model.z("two_paths", sign="coherent", then=model), "expected one that starts from '1'"),
        (lambda: nng.nulls.randomize(G, "maximum_entropy", weights="sign"), "'maximum_entropy' takes 'resample'"),
        (lambda: nng.nulls.randomize(G, "maximum_entropy", sweeps=3), "is no chain"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_all_inputs_share_the_compiled_forms():
    for name, dtype in itertools.product(MATRICES, (np.float16, np.float32, np.float64)):
        G = weighted(name, dtype)
        for H in (G, nng.from_matrices([G.block(0).dense().T])):
            nng.nulls.randomize(H, "maximum_entropy", rng=0)
    assert len(_kernels.cell_moments.signatures) == len(_kernels.draw_cells.signatures) == 1
    assert len(_kernels.resample.signatures) == 2
