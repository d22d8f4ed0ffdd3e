import itertools
import logging
import math
import warnings

import numpy as np
import ot
import pytest
from clouds_of_points import cloud, scaled
from scipy.spatial.distance import pdist, squareform

from nngraph.errors import ArgumentError, ConvergenceError, SimilarityWarning
from nngraph.similarity import _pot, fused_gromov_wasserstein, gromov_wasserstein

# --- POT


@pytest.mark.parametrize(("n", "m"), [(8, 12), (15, 5)])
def test_points_of_different_number_are_coupled_by_pot(n, m):
    D1, D2 = scaled(cloud(n)), scaled(cloud(m, 2, seed=1))
    found = gromov_wasserstein(D1, D2, starts=("product", "identity", "random:3"), rng=0)
    assert found.method == "POT"
    assert found.plan is None
    assert math.isnan(found.identity)
    T = found.coupling()
    assert T.sum(1) == pytest.approx(np.full(n, 1 / n), abs=1e-9)
    assert T.sum(0) == pytest.approx(np.full(m, 1 / m), abs=1e-9)
    direct = sum(
        (D1[i, k] - D2[j, h]) ** 2 * T[i, j] * T[k, h]
        for i, j, k, h in itertools.product(range(n), range(m), range(n), range(m))
    )
    assert found.value == pytest.approx(direct, rel=1e-9)
    assert found.lower <= found.value <= ot.gromov.gromov_wasserstein2(D1, D2, symmetric=True) * (1 + 1e-9)


def test_a_repeated_point_and_a_point_of_twice_the_mass_are_the_same():
    x, y = cloud(7), cloud(8, 2, seed=1)
    D1, D2 = squareform(pdist(x)), squareform(pdist(y))
    times = np.array([1, 1, 2, 1, 1, 1, 1])
    heavy = gromov_wasserstein(D1, squareform(pdist(np.repeat(x, times, axis=0))), weights1=times, starts="product")
    assert heavy.method == "POT"
    assert heavy.value == pytest.approx(0, abs=1e-9)
    assert gromov_wasserstein(D1, D2, weights2=np.arange(1, 9)).method == "POT"


def test_equal_weights_are_no_reason_to_leave_permutations():
    D1, D2 = scaled(cloud(10)), scaled(cloud(10, 2, seed=1))
    found = gromov_wasserstein(D1, D2, weights1=np.full(10, 3.0), weights2=np.full(10, 0.1))
    assert found.method == "permutations"
    assert found.value == gromov_wasserstein(D1, D2).value


def test_permutations_and_pot_agree_where_both_apply():
    D1, D2 = scaled(cloud(25)), scaled(cloud(25, 2, seed=1))
    for start in ("product", "identity"):
        ours = gromov_wasserstein(D1, D2, starts=start, swaps=False)
        theirs = gromov_wasserstein(D1, D2, starts=start, method="POT")
        assert theirs.method == "POT"
        assert ours.value == pytest.approx(theirs.value, rel=1e-9)
        assert ours.plan.tolist() == theirs.plan.tolist()
        assert ours.identity == pytest.approx(theirs.identity, rel=1e-9)
        assert ours.lower == pytest.approx(theirs.lower, rel=1e-9)


@pytest.mark.parametrize("method", ["auto", "permutations"])
def test_distances_that_are_not_euclidean_fall_back_to_pot_and_say_so(method):
    D1 = scaled(cloud(12))
    path = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    D2 = np.minimum(path, 12 - path) ** 3.0  # cubes of distances along a ring
    with pytest.warns(SimilarityWarning, match="D2: is not conditionally negative definite"):
        found = gromov_wasserstein(D1, D2, method=method)
    assert found.method == "POT"
    assert found.lower <= found.value <= found.identity
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gromov_wasserstein(D1, D2, method="POT").value == found.value


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_that_are_conditionally_negative_definite_are_taken_for_what_they_are(metric, dtype):
    for n, x in itertools.product((2, 3, 60), (cloud(60, 2), np.repeat(cloud(30, 5), 2, axis=0))):
        D = squareform(pdist(x[:n].astype(dtype), metric)).astype(dtype)
        assert gromov_wasserstein(D, D, starts="identity").method == "permutations"


def test_starts_that_pot_has_no_use_for_are_left_out_with_a_warning():
    D1, D2 = scaled(cloud(10)), scaled(cloud(12, 2, seed=1))
    with pytest.warns(SimilarityWarning, match="starts: 'local' and 'midpoint' left out: POT solves"):
        found = gromov_wasserstein(D1, D2, starts=("product", "local", "midpoint"))
    assert found.value == gromov_wasserstein(D1, D2, starts="product").value
    costs = np.ones((10, 12))
    with pytest.warns(SimilarityWarning, match="'local' left out"):
        assert fused_gromov_wasserstein(D1, D2, costs, starts=("product", "local"), alpha=np.float32(0.5)).plan is None


def test_entropy_spreads_the_coupling_and_the_value_is_that_of_the_coupling():
    D1, D2 = scaled(cloud(10)), scaled(cloud(10, 2, seed=1))
    sharp, soft = (gromov_wasserstein(D1, D2, epsilon=eps, starts="product") for eps in (0.02, 1.0))
    assert sharp.plan is None
    assert (soft.coupling() > 1e-4).sum() > (sharp.coupling() > 1e-4).sum()
    T = sharp.coupling()
    assert T.sum() == pytest.approx(1)
    loss = ot.gromov.init_matrix(D1, D2, T.sum(1), T.sum(0))
    assert sharp.value == pytest.approx(ot.gromov.gwloss(*loss, T), rel=1e-6)


def test_the_kl_loss_is_the_sum_that_the_docstring_states_at_the_plan_of_pot():
    n, m = 8, 9
    D1, D2 = scaled(cloud(n)), scaled(cloud(m, 2, seed=1))
    D1, D2 = D1 / 2 + 0.1 * (1 - np.eye(n)), D2 + 0.1 * (1 - np.eye(m))
    found = gromov_wasserstein(D1, D2, loss="kl", starts="product")
    T = found.coupling()
    theirs = ot.gromov.gromov_wasserstein(D1, D2, loss_fun="kl_loss", symmetric=True)
    assert np.allclose(T, theirs, rtol=0, atol=1e-9)
    direct = 0.0
    for i, j, k, h in itertools.product(range(n), range(m), range(n), range(m)):
        a, b = D1[i, k] + 1e-15, D2[j, h] + 1e-15
        direct += (a * math.log(a / b) - a + b) * T[i, j] * T[k, h]
    assert found.value == pytest.approx(direct, rel=1e-9)
    assert math.isnan(found.lower)


def test_features_alone_are_optimal_transport_and_distances_alone_gromov_wasserstein():
    x, y = cloud(9), cloud(9, seed=1)
    D1, D2, M = scaled(x), scaled(y), ot.dist(x, y)
    w = np.full(9, 1 / 9)
    assert fused_gromov_wasserstein(D1, D2, M, alpha=0).value == pytest.approx(ot.emd2(w, w, M), rel=1e-9)
    alone = gromov_wasserstein(D1, D2, method="POT")
    assert fused_gromov_wasserstein(D1, D2, M, alpha=1).value == pytest.approx(alone.value, rel=1e-9)
    theirs = ot.gromov.fused_gromov_wasserstein2(M, D1, D2, alpha=0.3, symmetric=True)
    found = fused_gromov_wasserstein(D1, D2, M, alpha=0.3, starts="product")
    assert found.value == pytest.approx(theirs, rel=1e-9)
    T = found.coupling()
    distances_only = _pot.objective(_pot.Problem(D1, D2, w, w), T)
    assert found.value == pytest.approx(0.7 * (M * T).sum() + 0.3 * distances_only, rel=1e-9)


def test_a_plan_that_is_no_coupling_is_an_error_and_never_a_value(monkeypatch, caplog):
    D1, D2 = scaled(cloud(6)), scaled(cloud(7, seed=1))

    def nothing(*args, **options):
        warnings.warn("infeasible", UserWarning, stacklevel=1)
        return np.zeros((6, 7))

    monkeypatch.setattr(ot.gromov, "gromov_wasserstein", nothing)
    caplog.set_level(logging.INFO)
    with pytest.raises(ConvergenceError, match=r"'product': its plan misses the weights by 1 .* It warned: infeasible"):
        gromov_wasserstein(D1, D2)
    assert "infeasible" in caplog.text


# --- bad input


def spoiled(**changes):
    D = scaled(cloud(5))
    for place, value in changes.values():
        D[place] = value
    return D


GOOD = scaled(cloud(5))
BAD = {
    "not square": ({"D1": np.ones((3, 4))}, r"D1: got the shape \(3, 4\); expected a square matrix"),
    "a condensed vector": ({"D2": np.ones(10)}, r"D2: got the shape \(10,\)"),
    "one point": ({"D1": np.zeros((1, 1))}, "D1: got 1 points; expected at least 2"),
    "NaN": ({"D1": spoiled(a=((1, 2), np.nan))}, r"D1: got nan at \(1, 2\)"),
    "infinite": ({"D2": spoiled(a=((0, 3), np.inf))}, r"D2: got inf at \(0, 3\)"),
    "negative": ({"D1": -GOOD}, "D1: got the negative entry .* Is it a similarity"),
    "a diagonal": ({"D2": GOOD + np.eye(5)}, "D2: got 1 on the diagonal"),
    "not symmetric": ({"D1": spoiled(a=((0, 1), 9.0))}, "D1: is not symmetric"),
    "text": ({"D1": [["a", "b"], ["c", "d"]]}, "D1: got values of type"),
    "complex": ({"D1": GOOD * 1j}, "D1: got values of type complex128"),
    "weights of another length": ({"weights1": np.ones(4)}, r"weights1: got the shape \(4,\); expected \(5,\)"),
    "negative weights": ({"weights2": [1, 1, 1, 1, -1]}, "weights2: got masses from -1 to 1"),
    "no weight": ({"weights1": np.zeros(5)}, "weights1: got masses from 0 to 0"),
    "an unknown start": ({"starts": "prodct"}, "starts: got 'prodct'; expected"),
    "no random start": ({"starts": "random:0"}, "starts: got 'random:0'"),
    "no starts": ({"starts": ()}, "starts: got none"),
    "a midpoint of one": ({"starts": ("product", "midpoint")}, "'midpoint' behind less than two"),
    "no permutation": ({"starts": [np.zeros(5, int)]}, "no permutation of 5 points"),
    "an unknown method": ({"method": "pot"}, "method: got 'pot'"),
    "an unknown loss": ({"loss": "absolute"}, "loss: got 'absolute'"),
    "no epsilon": ({"epsilon": 0}, "epsilon: got 0"),
    "a negative seed": ({"rng": -1}, "rng: got the negative seed"),
    "permutations of other sizes": (
        {"D1": scaled(cloud(6)), "method": "permutations"},
        "method: got 'permutations' with 6 points beside 5",
    ),
    "permutations with entropy": ({"epsilon": 0.1, "method": "permutations"}, "epsilon=0.1; expected equal numbers"),
    "local by POT": ({"starts": "local", "method": "POT"}, r"starts: got \('local',\) where POT solves"),
    "lists of several lengths": ({"D1": [[0, 1], [1]]}, "D1: got lists of several lengths"),
    "weights of several lengths": ({"weights2": [[1], [1, 2]]}, "weights2: got lists of several lengths"),
    "a start of several lengths": ({"starts": [[[0], [1, 2]]]}, "starts: got lists of several lengths"),
    "starts that are none": ({"starts": None}, "starts: got None; expected a sequence"),
    "a start that is none": ({"starts": [None]}, "no permutation of 5 points"),
    "an epsilon of text": ({"epsilon": "a"}, "epsilon: got 'a'; expected a number above 0"),
    "an epsilon without end": ({"epsilon": math.inf}, "epsilon: got inf"),
    "the identity of other sizes": (
        {"D1": scaled(cloud(6)), "starts": "identity"},
        "of equal number and weights",
    ),
    "a permutation of other sizes": ({"D2": scaled(cloud(6)), "starts": [np.arange(5)]}, "points of different number"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence_that_names_it(name):
    arguments, message = BAD[name]
    with pytest.raises(ArgumentError, match=message):
        gromov_wasserstein(**{"D1": GOOD, "D2": GOOD} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"costs": np.ones((5, 4))}, r"costs: got the shape \(5, 4\); expected \(5, 5\)"),
        ({"costs": np.full((5, 5), np.nan)}, r"costs: got nan at \(0, 0\)"),
        ({"costs": np.ones((5, 5)), "alpha": 1.5}, "alpha: got 1.5"),
        ({"costs": np.ones((5, 5)), "alpha": "a"}, "alpha: got 'a'; expected the share of the distances"),
        ({"costs": np.ones((5, 5)), "alpha": math.nan}, "alpha: got nan"),
        ({"costs": [[1], [1, 2]]}, "costs: got lists of several lengths"),
    ],
)
def test_bad_costs_of_features_get_a_sentence_that_names_them(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        fused_gromov_wasserstein(GOOD, GOOD, **arguments)
