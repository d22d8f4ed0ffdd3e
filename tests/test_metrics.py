"""Metrics against scikit-learn, brute force over pairs, and their own definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nngraph.metrics import (
    METRICS,
    Scores,
    _log_odds,
    _ranked_above,
    _sorted,
    accuracy,
    auc,
    cross_entropy,
    mse,
    r2,
    recalibrated,
)

# few distinct values, so that ties are common: what binarized networks give
few = st.integers(-3, 3).map(float)


@st.composite
def classified(draw, least=2, most=4, values=few):
    k = draw(st.integers(least, most))
    y = draw(hnp.arrays(np.int64, st.integers(k, 12), elements=st.integers(0, k - 1)))
    y[:k] = np.arange(k)
    return draw(hnp.arrays(np.float32, (len(y), k), elements=values)), y


@given(classified())
def test_accuracy_counts_the_first_of_equal_outputs(case):
    outputs, y = case
    right = sum(row.index(max(row)) == label for row, label in zip(outputs.tolist(), y, strict=True))
    assert accuracy(outputs, y) == right / len(y)


def test_a_network_without_edges_answers_class_zero():
    assert accuracy(np.zeros((5, 3)), np.array([0, 0, 1, 2, 0])) == 0.6


@given(classified(most=2))
def test_auc_of_two_classes_is_the_share_of_pairs_in_order_with_ties_counted_half(case):
    outputs, y = case
    d = outputs[:, 1].astype(float) - outputs[:, 0]
    pairs = [(d[i] > d[j]) + (d[i] == d[j]) / 2 for i, j in itertools.product(range(len(y)), repeat=2) if y[i] > y[j]]
    assert auc(outputs, y) == pytest.approx(np.mean(pairs), abs=1e-12)


@given(classified(least=3, most=5, values=st.floats(-4, 4, width=32)))
def test_auc_of_many_classes_is_that_of_scikit_learn(case):
    from scipy.special import softmax
    from sklearn.metrics import roc_auc_score

    outputs, y = case
    # rounded as scikit-learn cannot be told of ties that float64 does not keep
    outputs = np.round(outputs.astype(float), 1)
    probability = np.round(softmax(outputs, axis=1), 12)
    expected = np.mean([roc_auc_score(y == label, probability[:, label]) for label in np.unique(y)])
    assert auc(np.log(probability), y) == pytest.approx(expected, abs=1e-9)


def test_auc_ranks_outputs_that_would_overflow_a_softmax():
    y = np.array([0, 1, 2, 0, 1, 2])
    outputs = 1e4 * np.eye(3)[y]
    assert auc(outputs, y) == 1.0
    assert auc(-outputs, y) == 0.0


def test_auc_leaves_out_a_class_without_a_sample():
    outputs = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]])
    assert auc(outputs, np.array([0, 1])) == 1.0


@given(classified(most=2), st.integers(-5, 5), st.integers(1, 4))
def test_auc_and_recalibrated_accuracy_do_not_see_offsets_or_scales(case, offset, scale):
    outputs, y = case
    moved = scale * outputs + np.array([0, offset])
    assert auc(moved, y) == auc(outputs, y)
    assert recalibrated(moved, y) == recalibrated(outputs, y)


@given(classified(most=2))
def test_recalibrated_accuracy_is_the_mean_over_all_ways_to_break_ties(case):
    outputs, y = case
    d = outputs[:, 1] - outputs[:, 0]
    n_positive = int(y.sum())
    fractions = []
    for answered in itertools.combinations(range(len(y)), n_positive):
        chosen = np.isin(np.arange(len(y)), answered)
        if not (chosen.any() and (~chosen).any()) or d[chosen].min() >= d[~chosen].max():
            fractions.append(np.mean(chosen == (y == 1)))
    assert recalibrated(outputs, y) == pytest.approx(np.mean(fractions), abs=1e-12)


def test_recalibrated_accuracy_of_balanced_classes_is_that_of_the_median_threshold():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 50)
    outputs = rng.normal(size=(100, 2)) + 8 + np.outer(y, [0, 1])
    d = outputs[:, 1] - outputs[:, 0]
    assert recalibrated(outputs, y) == np.mean((d > np.median(d)) == y)


def test_a_constant_output_is_at_chance_by_auc_and_after_recalibration():
    y = np.array([0, 0, 0, 1])
    assert auc(np.ones((4, 2)), y) == 0.5
    assert recalibrated(np.ones((4, 2)), y) == 0.75**2 + 0.25**2


@given(classified(values=st.floats(-50, 50, width=32)))
def test_cross_entropy_is_that_of_torch(case):
    import torch

    outputs, y = case
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(outputs.astype(float)), torch.from_numpy(y))
    assert cross_entropy(outputs, y) == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


@given(hnp.arrays(np.float64, (6, 2), elements=st.floats(-9, 9)), st.integers(0, 9))
def test_errors_of_a_regression_are_those_of_scikit_learn(y, seed):
    from sklearn.metrics import mean_squared_error, r2_score

    y[:2] = [[0, 0], [10, 10]]
    outputs = np.random.default_rng(seed).normal(size=y.shape)
    assert mse(outputs, y) == pytest.approx(mean_squared_error(y, outputs))
    assert r2(outputs, y) == pytest.approx(r2_score(y, outputs))
    assert r2(outputs[:, :1], y[:, 0]) == pytest.approx(r2_score(y[:, 0], outputs[:, 0]))


def test_the_mean_as_prediction_explains_no_variance():
    y = np.array([1.0, 2.0, 6.0])
    assert r2(np.full(3, y.mean()), y) == 0.0
    assert r2(y, y) == 1.0


@given(classified(least=3, most=6), st.integers(-50, 50), st.randoms())
def test_auc_of_many_classes_sees_the_ties_of_integer_outputs(case, offset, random):
    """Samples, and copies of another class with two outputs exchanged and an offset: what they share still ties."""
    outputs, y = case
    label = int(y[0])
    others = [k for k in range(outputs.shape[1]) if k != label]
    exchanged = outputs.copy()
    a, b = random.sample(others, 2)
    exchanged[:, [a, b]] = outputs[:, [b, a]]
    both, truth = np.vstack([outputs, exchanged + offset]), np.repeat([label, a], len(outputs))
    # the first class scores the same in both halves, so its share of pairs in order is a half
    assert _ranked_above(*_sorted(_log_odds(both.astype(float))[:, label], truth == label)) == 0.5


@given(classified(least=2, most=4))
def test_metrics_that_share_an_order_of_samples_are_those_computed_alone(case):
    outputs, y = case
    names = ["accuracy", "auc", "cross_entropy"] + ["recalibrated"] * (outputs.shape[1] == 2)
    scores = Scores(outputs, y)
    for name in names:
        assert scores[name] == METRICS[name](outputs, y)


@pytest.mark.parametrize("tied", [False, True])
def test_auc_counts_pairs_with_and_without_ties(tied):
    rng = np.random.default_rng(0)
    for n in range(2, 30):
        y = np.r_[0, 1, rng.integers(0, 2, n - 2)]
        outputs = rng.integers(-2, 3, (n, 2)).astype(float) if tied else rng.normal(size=(n, 2))
        d = outputs[:, 1] - outputs[:, 0]
        assert tied or len(np.unique(d)) == n
        pairs = d[y == 1][:, None] - d[y == 0]
        assert auc(outputs, y) == ((pairs > 0).sum() + 0.5 * (pairs == 0).sum()) / pairs.size
