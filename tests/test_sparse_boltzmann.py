"""Restricted Boltzmann machines: likelihoods against enumeration, training, and supports that evolve."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.sparse import BoltzmannMachine


def machine(n_visible, n_hidden, *, scale=1.0, rng=0, **options):
    made = BoltzmannMachine(n_visible, n_hidden, scale=scale, rng=rng, **options)
    draw = np.random.default_rng(rng)
    made.visible_bias[:] = draw.normal(size=n_visible)
    made.hidden_bias[:] = draw.normal(size=n_hidden)
    return made


def states(n):
    return np.array(list(itertools.product((0, 1), repeat=n)), dtype=float)


def joint(made):
    """Unnormalised probabilities of all states of both sides, from the energy alone."""
    v, h = states(made.weights.shape[1]), states(made.weights.shape[0])
    w, b, c = (array.astype(float) for array in (made.weights, made.visible_bias, made.hidden_bias))
    return np.exp((v @ b)[:, None] + (h @ c)[None] + v @ w.T @ h.T)


def stripes(n, rng=0):
    """Samples of 6 units whose two halves are copies of one of three patterns."""
    rows = np.array([[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]], dtype=bool)
    return rows[np.random.default_rng(rng).integers(0, 3, n)]


@pytest.mark.parametrize(("n_visible", "n_hidden"), [(1, 1), (3, 5), (6, 2), (7, 7)])
def test_the_partition_function_is_the_sum_over_all_states_of_both_sides(n_visible, n_hidden):
    made = machine(n_visible, n_hidden)
    found = made.log_partition()
    assert found.exact
    assert found.error == 0
    assert found.value == pytest.approx(math.log(joint(made).sum()), rel=1e-6)


def test_more_than_ten_units_are_summed_as_well_as_fewer():
    made = machine(12, 13, scale=0.7)
    w, b, c = (array.astype(float) for array in (made.weights, made.visible_bias, made.hidden_bias))
    h = states(13)
    by_hidden = (h @ c) + np.logaddexp(0, h @ w + b).sum(axis=1)
    assert made.log_partition().value == pytest.approx(np.logaddexp.reduce(by_hidden), rel=1e-6)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_likelihoods_of_all_visible_states_are_those_of_the_joint_law_and_add_up_to_one(n, m, rng, scale):
    made = machine(n, m, scale=scale, rng=rng)
    found = np.exp(made.log_likelihood(states(n)))
    marginal = joint(made).sum(axis=1)
    assert found.sum() == pytest.approx(1, rel=1e-4)
    assert np.allclose(found, marginal / marginal.sum(), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("epsilon", "rng"), [(None, 1), (2.0, 2), (2.0, 3)])
def test_annealed_importance_sampling_finds_the_exact_partition_function_within_its_error(epsilon, rng):
    made = machine(30, 12, scale=0.8, rng=rng, epsilon=epsilon)
    exact = made.log_partition().value
    found = made.log_partition(exact=False, n_chains=300, n_temperatures=600)
    assert not found.exact
    assert 0 < found.error < 0.15
    assert 20 < found.effective <= 300
    assert abs(found.value - exact) < 4 * found.error + 1e-3


def test_too_few_temperatures_leave_few_effective_chains():
    made = machine(60, 30, scale=2.0)
    few, many = (made.log_partition(n_chains=50, n_temperatures=n) for n in (3, 1000))
    assert 1 <= few.effective < 3 < many.effective
    assert few.value < many.value


def test_independent_units_are_known_without_any_weight():
    made = machine(25, 30, scale=0.0)
    b, c = made.visible_bias.astype(float), made.hidden_bias.astype(float)
    exact = np.logaddexp(0, b).sum() + np.logaddexp(0, c).sum()
    assert made.log_partition(n_temperatures=200).value == pytest.approx(exact, abs=0.2)


def test_training_follows_the_gradient_of_the_likelihood_where_chains_are_long():
    """With many Gibbs steps the mean update is the difference of the moments under the data and the machine."""
    x = stripes(30_000)
    made = machine(6, 3, scale=0.5)
    made._base = made.visible_bias.copy()  # keep the biases given
    before = made.weights.copy(), made.visible_bias.copy()
    law = joint(made)
    law /= law.sum()
    v, h = states(6), states(3)
    p_hidden = 1 / (1 + np.exp(-(x @ made.weights.T.astype(float) + made.hidden_bias)))
    slope = p_hidden.T @ x / len(x) - (h.T @ law.T @ v)
    shift = x.mean(axis=0) - law.sum(axis=1) @ v
    made.train(x, epochs=1, lr=1.0, batch_size=len(x), k=30, momentum=0.0, weight_decay=0.0)
    assert np.abs(made.weights - before[0] - slope).max() < 0.02
    assert np.abs(made.visible_bias - before[1] - shift).max() < 0.02


def test_weight_decay_and_momentum_move_weights_as_their_formula_says():
    x = np.zeros((1, 2), dtype=bool)  # hidden units see nothing of the data; biases alone say what the chain does
    made = BoltzmannMachine(2, 1, scale=0.5, rng=0)
    made._base = made.visible_bias.copy()
    made.visible_bias[:] = -50
    start = made.weights.copy()
    made.train(x, epochs=2, lr=0.1, momentum=0.5, weight_decay=0.2)
    first = -0.1 * 0.2 * start
    second = 0.5 * first - 0.1 * 0.2 * (start + first)
    assert np.allclose(made.weights, start + first + second, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"epsilon": 1.5}])
def test_training_raises_the_likelihood_of_samples_not_seen_above_independent_units(options):
    made = BoltzmannMachine(6, 12, rng=0, **options)
    x, unseen = stripes(400), stripes(400, rng=1)
    share = x.mean(axis=0)
    independent = np.where(unseen, np.log(share), np.log1p(-share)).sum(axis=1).mean()
    rewiring = {"zeta": 0.2, "every": 50} if options else {}
    told = made.train(x, epochs=40, lr=0.1, batch_size=20, **rewiring)
    assert made.log_likelihood(unseen).mean() > independent + 1
    assert list(told["epoch"]) == list(range(1, 41))
    assert told["reconstruction"].iloc[-1] < told["reconstruction"].iloc[0]


@given(st.floats(0.05, 0.6), st.integers(1, 7), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_number_of_edges_stays_and_absent_weights_are_zero(zeta, every, rng):
    made = BoltzmannMachine(6, 14, epsilon=2.0, rng=rng)
    n = made.n_edges
    made.train(stripes(60, rng), epochs=3, lr=0.1, batch_size=10, zeta=zeta, every=every)
    assert made.rewirings == 18 // every
    assert made.n_edges == n == made.graph().n_edges
    assert not made.weights[~made.mask].any()
    assert not made._velocity[0][~made.mask].any()


def test_only_rewiring_moves_edges_and_those_that_moved_start_at_rest():
    made = BoltzmannMachine(6, 40, epsilon=2.0, rng=0)
    mask, x = made.mask.copy(), stripes(100)
    made.train(x, epochs=5, lr=0.1)
    assert np.array_equal(made.mask, mask)
    assert made.core() == made.graph()
    weights, velocity = made.weights.copy(), made._velocity[0].copy()
    step = made._rewire(0.3)
    changed = np.zeros(mask.size, dtype=bool)
    changed[np.concatenate([step.removed, step.added])] = True
    changed = changed.reshape(mask.shape)
    assert len(step.added) == math.floor(0.3 * (weights > 0).sum()) + math.floor(0.3 * (weights < 0).sum())
    assert not made.weights[changed].any()
    assert not made._velocity[0][changed].any()
    assert np.array_equal(made.weights[~changed], weights[~changed])
    assert np.array_equal(made._velocity[0][~changed], velocity[~changed])


def test_the_graph_runs_from_visible_to_hidden_units_with_present_edges_of_weight_zero():
    made = BoltzmannMachine(6, 40, epsilon=2.0, rng=0)
    made.train(stripes(100), epochs=1, lr=0.1, zeta=0.3)
    graph, core = made.graph(), made.core()
    assert [(part.name, part.size) for part in graph.parts] == [("visible", 6), ("hidden", 40)]
    block = graph.block(0)
    assert np.array_equal(block.mask, made.mask)
    assert np.array_equal(block.bias, made.hidden_bias)
    assert np.array_equal(np.bincount(block.edges().source, minlength=6), made.mask.sum(axis=0))
    assert (block.edges().weight == 0).sum() == graph.n_edges - core.n_edges > 0
    made.train(stripes(100), epochs=1, lr=0.1)
    assert np.array_equal(block.bias, graph.block(0).bias)
    assert not np.array_equal(block.bias, made.hidden_bias)


def test_two_trainings_are_one_and_the_same_seed_gives_the_same_bits():
    x = stripes(105)
    whole, parts, other = (BoltzmannMachine(6, 20, epsilon=2.0, rng=rng) for rng in (3, 3, 4))
    whole.train(x, epochs=6, lr=0.1, batch_size=10, zeta=0.3, every=7)
    for _ in range(3):
        parts.train(x, epochs=2, lr=0.1, batch_size=10, zeta=0.3, every=7)
    other.train(x, epochs=6, lr=0.1, batch_size=10, zeta=0.3, every=7)
    assert np.array_equal(whole.weights, parts.weights)
    assert np.array_equal(whole.mask, parts.mask)
    assert whole.core() == parts.core()
    assert not np.array_equal(whole.mask, other.mask)
    assert whole.log_partition(exact=False) == parts.log_partition(exact=False)


def test_training_that_diverges_says_so_and_leaves_the_machine_as_it_was():
    made = BoltzmannMachine(6, 20, epsilon=2.0, rng=0)
    made.train(stripes(100), epochs=2, lr=0.1, zeta=0.3)
    weights, mask, bias = made.weights.copy(), made.mask.copy(), made.visible_bias.copy()
    with pytest.raises(ConvergenceError, match="epoch 3; the machine is as it was"):
        made.train(stripes(100), epochs=2, lr=1e30, weight_decay=1e30, zeta=0.3, every=1)
    assert np.array_equal(made.weights, weights)
    assert np.array_equal(made.mask, mask)
    assert np.array_equal(made.visible_bias, bias)
    assert made.rewirings == 2
    made.train(stripes(100), epochs=1, lr=0.1)
    assert np.isfinite(made.weights).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_visible": 0}, "n_visible: got 0"),
        ({"n_hidden": 2.5}, "n_hidden: got 2.5"),
        ({"scale": -1}, "scale: got -1"),
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": 1.0, "mask": np.ones((3, 6), dtype=bool)}, "both epsilon and mask"),
        ({"mask": np.ones((6, 3), dtype=bool)}, r"mask: got shape \(6, 3\)"),
        ({"mask": np.ones((3, 6))}, "type float64; expected bool"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        BoltzmannMachine(**{"n_visible": 6, "n_hidden": 3, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": np.full((3, 6), 0.5)}, "x: got values other than 0 and 1"),
        ({"x": np.full((3, 6), np.nan)}, "x: got values other than 0 and 1"),
        ({"x": np.zeros((3, 5))}, r"x: got the shape \(3, 5\)"),
        ({"x": np.zeros((0, 6))}, r"x: got the shape \(0, 6\)"),
        ({"epochs": 0}, "epochs: got 0"),
        ({"lr": 0}, "lr: got 0"),
        ({"k": 0}, "k: got 0"),
        ({"momentum": 1}, "momentum: got 1"),
        ({"weight_decay": -1}, "weight_decay: got -1"),
        ({"zeta": 1.5}, "zeta: got 1.5"),
        ({"every": 3}, "every: got 3 without zeta"),
        ({"every": 0, "zeta": 0.3}, "every: got 0"),
    ],
)
def test_bad_arguments_of_training_change_nothing(options, message):
    made = BoltzmannMachine(6, 3, rng=0)
    weights = made.weights.copy()
    with pytest.raises(ArgumentError, match=message):
        made.train(**{"x": stripes(20), "epochs": 1, **options})
    assert np.array_equal(made.weights, weights)
    assert not made.visible_bias.any()


def test_a_sum_over_too_many_states_is_refused_with_the_way_out():
    made = BoltzmannMachine(30, 21, rng=0)
    with pytest.raises(ArgumentError, match=r"21 units on the smaller side; expected at most 20\. Pass exact=False"):
        made.log_partition(exact=True)
    with pytest.raises(ArgumentError, match="n_chains: got 1"):
        made.log_partition(n_chains=1)


@pytest.mark.parametrize("partition", [3.0, "exact", (1.0, 0.0)])
def test_a_partition_function_that_is_none_is_refused(partition):
    made = BoltzmannMachine(6, 3, rng=0)
    with pytest.raises(ArgumentError, match=r"partition: got \w+; expected a LogPartition, as log_partition\(\) gives"):
        made.log_likelihood(stripes(5), partition)
