import itertools
import math

import numpy as np
import ot
import pytest
import torch
from clouds_of_points import cloud, clouds, scaled
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist, squareform

from nngraph.similarity import _kernels, gromov_wasserstein, lower_bound
from nngraph.similarity._kernels import swaps
from nngraph.similarity._permutations import Distances, assign, solve

STARTS = ("product", "identity", "local", "random:2")


PAIRS = list(itertools.combinations(clouds(2), 2))


def objective(D1, D2, p):
    return np.mean((D1 - D2[np.ix_(p, p)]) ** 2)


def least(D1, D2):
    """The least objective over all permutations."""
    return min(objective(D1, D2, np.array(p)) for p in itertools.permutations(range(len(D1))))


# --- assignments


def costs(n):
    rng = np.random.default_rng(n)
    far = rng.random((n, n))
    far[0] *= 1e4
    one_hot = np.eye(4)[rng.integers(4, size=n)]
    return {
        "uniform": rng.random((n, n)),
        "integers": rng.integers(0, 4, (n, n)).astype(float),
        "one-hot": scaled(one_hot) @ scaled(cloud(n)),
        "one-hot twice": scaled(one_hot) @ scaled(one_hot)[::-1],
        "outlier": far,
        "constant": np.full((n, n), 7.0),
        "zero": np.zeros((n, n)),
        "negative": -rng.random((n, n)) - 5,
        "nearly constant": 1 + 1e-9 * rng.random((n, n)),
        "product": np.outer(rng.random(n), rng.random(n)),
    }


@pytest.mark.parametrize("n", [2, 3, 40, 64, 65, 130])
@pytest.mark.parametrize("kind", costs(2))
def test_an_assignment_pays_what_an_independent_solver_finds_and_its_prices_prove_it(n, kind):
    G = costs(n)[kind]
    p, prices = assign(G)
    v, tolerance = prices.v, prices.tolerance
    assert sorted(p) == list(range(n))
    rows, columns = linear_sum_assignment(-G)
    paid, size = G[np.arange(n), p], np.abs(G).mean() + 1e-300
    assert paid.sum() == pytest.approx(G[rows, columns].sum(), rel=1e-11, abs=1e-11 * size * n)
    worth = (G - v).max(axis=1)  # with the prices v: a feasible dual, tight at p up to the tolerance
    assert (worth - (paid - v[p])).max() <= 2 * n * tolerance + 1e-12 * size
    assert worth.sum() + v.sum() - paid.sum() <= 1e-10 * size * n


@given(st.integers(2, 9).flatmap(lambda n: st.lists(st.integers(-3, 3), min_size=n * n, max_size=n * n)))
def test_an_assignment_of_few_values_is_exact(values):
    n = math.isqrt(len(values))
    G = np.array(values, dtype=float).reshape(n, n)
    rows, columns = linear_sum_assignment(-G)
    p = assign(G)[0]
    assert sorted(p) == list(range(n))
    assert G[np.arange(n), p].sum() == pytest.approx(G[rows, columns].sum(), abs=1e-9)


# --- permutations


@pytest.mark.parametrize("start", ["product", "local"])
@pytest.mark.parametrize("kind", clouds(2))
def test_turned_and_shuffled_points_are_at_distance_zero_of_themselves(start, kind):
    rng = np.random.default_rng(1)
    x = clouds(40)[kind]
    turn = np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0]
    order = rng.permutation(40)
    found = gromov_wasserstein(scaled(x), scaled((x @ turn)[order] + 5), starts=start, rng=0)
    assert found.value == pytest.approx(0, abs=1e-20)
    assert found.lower == pytest.approx(0, abs=1e-20)
    if kind in ("gaussian", "line", "outlier"):  # without symmetries
        assert order[found.plan].tolist() == list(range(40))


@pytest.mark.parametrize("kind", clouds(2))
def test_equal_points_are_at_distance_zero_from_the_identity(kind):
    D = scaled(clouds(40)[kind])
    found = gromov_wasserstein(D, D, starts="identity")
    assert found.value == found.identity == found.lower == 0
    assert found.start == "identity"


def test_random_starts_find_an_isometry_of_few_points():
    x = cloud(6)
    order = np.random.default_rng(1).permutation(6)
    assert gromov_wasserstein(scaled(x), scaled(x[order]), starts="random:60", rng=0).value < 1e-20


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_the_value_lies_between_the_bound_and_the_cost_of_the_identity_and_is_that_of_the_plan(one, two):
    D1, D2 = (scaled(clouds(50)[kind]) for kind in (one, two))
    found = gromov_wasserstein(D1, D2)
    assert found.lower * (1 - 1e-12) <= found.value <= found.identity * (1 + 1e-12)
    assert found.method == "permutations"
    assert found.plan.dtype == np.int64
    assert sorted(found.plan) == list(range(50))
    assert found.value == pytest.approx(objective(D1, D2, found.plan), rel=1e-12)
    assert found.identity == pytest.approx(np.mean((D1 - D2) ** 2), rel=1e-12)
    assert found.root == math.sqrt(found.value)
    T = found.coupling()
    assert T.sum(0) == pytest.approx(np.full(50, 1 / 50), rel=1e-12)
    assert T.sum(1) == pytest.approx(np.full(50, 1 / 50), rel=1e-12)
    assert T[np.arange(50), found.plan] == pytest.approx(1 / 50)


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_no_value_is_below_the_least_of_all_permutations_and_many_starts_mostly_reach_it(n):
    reached = 0
    for seed in range(8):
        D1, D2 = scaled(cloud(n, seed=seed)), scaled(cloud(n, 2, seed=seed + 100))
        best = least(D1, D2)
        for starts in ("product", "identity", "local"):
            assert gromov_wasserstein(D1, D2, starts=starts).value >= best * (1 - 1e-9)
        many = gromov_wasserstein(D1, D2, starts=("product", "identity", "local", "random:30"), rng=seed).value
        assert many >= best * (1 - 1e-9)
        reached += many <= best * (1 + 1e-9)
    assert reached >= 7


def test_no_coupling_that_pot_finds_is_below_the_least_of_all_permutations():
    D1, D2 = scaled(cloud(6)), scaled(cloud(6, 2, seed=1))
    best = least(D1, D2)
    assert lower_bound(D1, D2) <= best
    theirs = gromov_wasserstein(D1, D2, starts=("product", "identity", "random:40"), method="POT", rng=0).value
    assert best * (1 - 1e-9) <= theirs <= 2 * best


@pytest.mark.parametrize("n", [30, 70])
@pytest.mark.parametrize(("one", "two"), [("gaussian", "line"), ("gaussian", "outlier"), ("line", "outlier")])
def test_from_the_product_start_permutations_take_the_way_of_pot_and_exchanges_go_below_it(n, one, two):
    D1, D2 = (scaled(clouds(n)[kind]) for kind in (one, two))
    T = ot.gromov.gromov_wasserstein(D1, D2, symmetric=True)
    theirs = objective(D1, D2, T.argmax(1))
    assert np.allclose(T.max(1) * n, 1)  # a permutation, as the theorem has it
    plain = gromov_wasserstein(D1, D2, starts="product", swaps=False)
    assert plain.value == pytest.approx(theirs, rel=1e-9)
    assert gromov_wasserstein(D1, D2, starts="product").value <= theirs * (1 + 1e-9)


def test_over_many_clouds_the_value_is_almost_never_above_that_of_pot_and_mostly_below():
    above = below = total = 0
    for n in (20, 45):
        kinds = {kind: scaled(x) for kind, x in clouds(n).items()}
        for one, two in PAIRS:
            D1, D2 = kinds[one], kinds[two]
            theirs = ot.gromov.gromov_wasserstein2(D1, D2, symmetric=True)
            ours = gromov_wasserstein(D1, D2).value
            above += ours > theirs * (1 + 1e-6)
            below += ours < theirs * (1 - 1e-6)
            total += 1
    assert above <= 1
    assert below >= 0.6 * total


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("one", "two"), [("gaussian", "line"), ("grid", "outlier"), ("one-hot", "gaussian")])
def test_at_the_end_no_exchange_and_no_assignment_lowers_the_value(start, one, two):
    n = 33
    D1, D2 = (scaled(clouds(n)[kind]) for kind in (one, two))
    found = gromov_wasserstein(D1, D2, starts=start, rng=0)
    for a, b in itertools.combinations(range(n), 2):
        p = found.plan.copy()
        p[[a, b]] = p[[b, a]]
        assert objective(D1, D2, p) >= found.value - 1e-6 * np.mean(D1**2)
    G = D1 @ D2[found.plan]
    rows, columns = linear_sum_assignment(-G)
    assert G[rows, columns].sum() <= G[rows, found.plan].sum() * (1 + 1e-9)


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_the_two_arguments_can_be_exchanged(one, two):
    D1, D2 = (scaled(clouds(40)[kind]) for kind in (one, two))
    starts = (*STARTS, "midpoint")
    there, back = gromov_wasserstein(D1, D2, starts=starts, rng=3), gromov_wasserstein(D2, D1, starts=starts, rng=3)
    assert there.value == pytest.approx(back.value, rel=1e-12)
    assert there.start == back.start
    assert there.plan[back.plan].tolist() == list(range(40))


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units_change_the_value_as_they_should_and_the_plan_not_at_all(unit):
    D1, D2 = scaled(cloud(30)), scaled(cloud(30, 2, seed=1))
    found, other = gromov_wasserstein(D1, D2), gromov_wasserstein(unit * D1, unit * D2)
    assert other.plan.tolist() == found.plan.tolist()
    assert other.value == pytest.approx(unit**2 * found.value, rel=1e-9)
    assert other.lower == pytest.approx(unit**2 * found.lower, rel=1e-9)


def test_a_permutation_given_is_where_the_search_begins_and_more_starts_never_make_it_worse():
    D1, D2 = scaled(cloud(40)), scaled(cloud(40, 2, seed=1))
    found = gromov_wasserstein(D1, D2)
    again = gromov_wasserstein(D1, D2, starts=[found.plan])
    assert again.start == "given"
    assert again.plan.tolist() == found.plan.tolist()
    values = [
        gromov_wasserstein(D1, D2, starts=("product", "identity", "local", "midpoint", "random:4")[:k], rng=0).value
        for k in range(1, 6)
    ]
    assert values == sorted(values, reverse=True)


def test_random_starts_follow_the_seed_alone():
    D1, D2 = scaled(cloud(25)), scaled(cloud(25, 2, seed=1))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    plans = [gromov_wasserstein(D1, D2, starts="random:3", rng=seed).plan.tolist() for seed in (5, 5, 6)]
    assert plans[0] == plans[1] != plans[2]
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_what_the_inputs_hold_stays_as_it_is():
    D1, D2 = scaled(cloud(20)), scaled(cloud(20, 2, seed=1))
    kept = D1.copy(), D2.copy()
    D1.flags.writeable = D2.flags.writeable = False
    gromov_wasserstein(D1, D2)
    assert np.array_equal(D1, kept[0])
    assert np.array_equal(D2, kept[1])


@pytest.mark.parametrize("n", [2, 3])
def test_two_and_three_points_are_solved_exactly(n):
    for seed in range(5):
        D1, D2 = squareform(pdist(cloud(n, seed=seed))), squareform(pdist(cloud(n, seed=seed + 50)))
        assert gromov_wasserstein(D1, D2, starts="random:8", rng=0).value == pytest.approx(least(D1, D2), rel=1e-12)


def test_points_that_are_all_one_are_at_the_mean_square_of_the_other_distances():
    D = scaled(cloud(12))
    for pair in ((np.zeros((12, 12)), D), (D, np.zeros((12, 12)))):
        found = gromov_wasserstein(*pair)
        assert found.value == pytest.approx(np.mean(D**2), rel=1e-12)
        assert found.lower == pytest.approx(np.mean(D**2), rel=1e-12)
    assert gromov_wasserstein(np.zeros((5, 5)), np.zeros((5, 5))).value == 0


def test_integers_float32_torch_tensors_and_lists_are_taken_as_numbers():
    D1 = np.abs(np.subtract.outer(np.arange(6) ** 2, np.arange(6) ** 2))
    D2 = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    expected = gromov_wasserstein(D1.astype(float), D2.astype(float)).value
    for one, two in ((D1, D2), (D1.astype(np.float32), torch.tensor(D2)), (D1.tolist(), D2.astype(np.int8))):
        assert gromov_wasserstein(one, two).value == pytest.approx(expected)
    assert gromov_wasserstein(D1, D2, method="POT").value > 0


def test_the_gain_of_an_exchange_is_what_the_objective_says():
    A, B = scaled(cloud(20)), scaled(cloud(20, 2, seed=1))
    for a, b in itertools.combinations(range(20), 2):
        p = np.arange(20)
        p[[a, b]] = b, a
        gain = (A * B[np.ix_(p, p)]).sum() - (A * B).sum()
        assert 2 * swaps.exact_gain(A, B, a, b) == pytest.approx(gain, abs=1e-10)


def test_no_input_makes_a_kernel_compile_a_form_that_is_not_compiled_ahead():
    for n in (2, 3, 40):
        kinds = [scaled(x) for x in clouds(n).values()]
        for D1, D2 in itertools.product((kinds[0], kinds[0].astype(np.float32), np.asfortranarray(kinds[2])), kinds):
            D2.flags.writeable = False
            gromov_wasserstein(D1, D2, starts=(*STARTS, "midpoint", np.arange(n, dtype=np.int32)), rng=0)
    solve(Distances(scaled(cloud(30))), Distances(scaled(cloud(30, 2))), [np.arange(30)[::-1]], swaps=False)
    solvers = set(_kernels.__all__) - {"cheapest"}  # which maps call
    assert [name for name in solvers if len(getattr(_kernels, name).signatures) != 1] == []


# --- bounds


def quantile_bound(D1, D2):
    """Sorted distances of both, each repeated as often as the other has, side by side."""
    one, two = (np.sort(np.repeat(D.ravel(), other.size)) for D, other in ((D1, D2), (D2, D1)))
    return np.mean((one - two) ** 2)


@pytest.mark.parametrize(("n", "m"), [(6, 6), (5, 7), (2, 9), (8, 4)])
def test_the_lower_bound_is_the_distance_of_the_sorted_distances(n, m):
    D1, D2 = scaled(cloud(n)), scaled(cloud(m, 2, seed=1))
    assert lower_bound(D1, D2) == pytest.approx(quantile_bound(D1, D2), rel=1e-10)
    assert lower_bound(D2, D1) == pytest.approx(lower_bound(D1, D2), rel=1e-12)


def test_weights_of_the_lower_bound_count_as_repeated_points():
    x, y = cloud(4), cloud(6, 2, seed=1)
    times = np.array([1, 3, 2, 4])
    D1, D2 = squareform(pdist(x)), squareform(pdist(y))
    repeated = squareform(pdist(np.repeat(x, times, axis=0)))
    assert lower_bound(D1, D2, weights1=times) == pytest.approx(lower_bound(repeated, D2), rel=1e-10)
    uniform = lower_bound(D2, D2[:, ::-1][::-1], weights1=np.full(6, 1 / 6))
    assert uniform == pytest.approx(0, abs=1e-20)
