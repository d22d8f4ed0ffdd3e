import itertools
import logging

import numpy as np
import pytest
import torch
from clouds_of_points import layers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform

from nngraph.errors import ArgumentError, SimilarityWarning
from nngraph.similarity import (
    gromov_map,
    gromov_wasserstein,
)
from nngraph.similarity._compositions import candidates


def by_mean(x):
    D = squareform(pdist(x))
    return D / D.mean()


def objective(D, E, plan):
    return np.mean((D - E[np.ix_(plan, plan)]) ** 2)


# --- what a map is


def test_isometric_taps_are_at_distance_zero_from_each_other_and_equally_far_from_a_third():
    x = np.random.default_rng(0).normal(size=(30, 4))
    turned = 3 * x @ np.linalg.qr(x[:4])[0] + 5
    found = gromov_map({"x": x, "turned": turned, "shuffled": x[::-1], "other": np.maximum(x, 0)})
    assert found.root.loc["x", ["turned", "shuffled"]].to_numpy() == pytest.approx(0, abs=1e-12)
    assert found.plan("x", "turned").tolist() == list(range(30))
    assert found.plan("x", "shuffled").tolist() == list(range(30))[::-1]
    assert found.squared["other"].iloc[:3].nunique() <= 3
    assert np.ptp(found.root["other"].iloc[:3]) < 1e-9
    assert found.root.loc["x", "other"] > 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 25), st.integers(1, 6))
def test_every_value_is_the_objective_of_its_plan_and_lies_in_its_bracket(seed, n, depth):
    reps = layers(n=n, depth=depth, width=3, seed=seed)
    found = gromov_map(reps)
    squares = {name: by_mean(x) for name, x in reps.items()}
    for row in reps:
        assert found.squared.loc[row, row] == found.lower.loc[row, row] == found.identity.loc[row, row] == 0
        for column in set(reps) - {row}:
            D, E = squares[row], squares[column]
            plan, value = found.plan(row, column), found.squared.loc[row, column]
            assert sorted(plan) == list(range(n))
            assert value == found.squared.loc[column, row] == pytest.approx(objective(D, E, plan), rel=1e-9, abs=1e-15)
            assert found.identity.loc[row, column] == pytest.approx(np.mean((D - E) ** 2), abs=1e-15)
            bound = np.mean((np.sort(D, axis=None) - np.sort(E, axis=None)) ** 2)
            assert found.lower.loc[row, column] == pytest.approx(bound, abs=1e-15)
            assert found.lower.loc[row, column] <= value * (1 + 1e-12) + 1e-18
            assert value <= found.identity.loc[row, column] * (1 + 1e-12)
            assert found.plan(column, row)[plan].tolist() == list(range(n))
            assert found.coupling(row, column).tolist() == (np.eye(n)[plan] / n).tolist()
    assert np.array_equal(found.root, np.sqrt(found.squared))
    assert found.solved.to_numpy().all()


def test_no_pair_is_above_what_pot_finds_by_default_and_few_are_level_with_it():
    ot = pytest.importorskip("ot")
    reps = layers(n=60, depth=5)
    found = gromov_map(reps)
    ours, pots = [], []
    for i, row in enumerate(reps):
        for column in list(reps)[i + 1 :]:
            ours.append(found.squared.loc[row, column])
            pots.append(ot.gromov_wasserstein2(by_mean(reps[row]), by_mean(reps[column])))
    assert (np.array(ours) <= np.array(pots) * (1 + 1e-6)).all()
    assert np.mean(np.array(ours) < np.array(pots)) > 0.5


@pytest.mark.parametrize(("normalize", "scale"), [("mean", np.mean), ("max", np.max), ("none", lambda D: 1)])
def test_distances_are_divided_by_what_was_asked_for(normalize, scale):
    reps = layers(n=12, depth=2)
    D, E = (squareform(pdist(x)) / scale(squareform(pdist(x))) for x in reps.values())
    found = gromov_map(reps, normalize=normalize)
    assert found.squared.iloc[0, 1] == pytest.approx(objective(D, E, found.plan("input", "layer 1")))
    assert found.identity.iloc[0, 1] == pytest.approx(np.mean((D - E) ** 2))


def test_a_map_of_one_tap_is_a_zero_and_of_two_needs_no_sweep():
    one, two = gromov_map(layers(depth=1)), gromov_map(layers(depth=2))
    assert one.squared.to_numpy().tolist() == [[0]]
    assert (one.sweeps, two.sweeps) == (0, 0)
    assert one.triangle_violations() == two.triangle_violations() == 0
    assert repr(two) == "GromovMap(2 x 2 taps, 4 of 4 entries solved, 0 sweeps)"


# --- sweeps of compositions


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 20), st.integers(3, 7))
def test_after_sweeps_roots_satisfy_the_triangle_inequality_and_no_pair_has_become_worse(seed, n, depth):
    reps = layers(n=n, depth=depth, width=2, seed=seed)
    before, after = gromov_map(reps, sweeps=0), gromov_map(reps)
    assert before.sweeps == 0
    assert after.triangle_violations() == 0
    assert (after.squared <= before.squared * (1 + 1e-12)).all(axis=None)
    gained = (after.squared != before.squared).to_numpy()
    assert all(start.startswith("over ") for start in after.start.to_numpy()[gained])
    assert (after.start.to_numpy() == before.start.to_numpy())[~gained].all()


def test_a_plan_that_a_poor_start_missed_is_found_over_a_third_tap():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 2))
    reps = {f"tap {k}": (x + 0.1 * rng.normal(size=x.shape))[rng.permutation(40)] for k in range(6)}
    alone, composed = (gromov_map(reps, starts=("identity",), sweeps=sweeps) for sweeps in (0, None))
    over = np.char.startswith(composed.start.to_numpy().astype(str), "over ")
    assert over.any()
    assert (composed.squared.to_numpy() < alone.squared.to_numpy() * (1 - 1e-6))[over].all()
    assert (composed.squared.to_numpy() == alone.squared.to_numpy())[~over].all()
    assert composed.triangle_violations() == 0


def test_violations_are_those_that_a_count_over_all_triples_finds():
    rng = np.random.default_rng(0)
    D = rng.uniform(0.1, 1, (9, 9))
    D = np.triu(D, 1) + np.triu(D, 1).T
    found = gromov_map(layers(n=5, depth=9), sweeps=0)
    found.squared[:] = D**2
    expected = sum(
        D[i, j] > D[i, k] + D[k, j] + 1e-9 for i in range(9) for j in range(i) for k in range(9) if k not in (i, j)
    )
    assert found.triangle_violations() == expected > 10


def test_middles_are_left_out_only_where_their_two_roots_rule_them_out():
    points = np.random.default_rng(1).normal(size=(8, 3))
    roots = cdist(points, points)
    everything = ~np.eye(8, dtype=bool)
    found = candidates(roots, everything)
    for i in range(8):
        for j in range(i + 1, 8):
            possible = {k for k in range(8) if k not in (i, j) and abs(roots[i, k] - roots[j, k]) < roots[i, j]}
            assert set(found.get((i, j), [])) == possible
    assert candidates(roots, ~everything) == {}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 6))
def test_the_cheapest_composition_is_that_of_all_below_the_limit(seed, n, count):
    from nngraph.similarity._kernels import cheapest

    rng = np.random.default_rng(seed)
    A, B = (squareform(pdist(rng.normal(size=(n, 2)))) for _ in range(2))
    first, second = (np.array([rng.permutation(n) for _ in range(count)], dtype=np.int32) for _ in range(2))
    sums = [n * n / 2 * objective(A, B, q[p]) for p, q in zip(first, second, strict=True)]
    for limit in (0.5 * min(sums), 1.1 * min(sums) + 1e-9, np.inf):
        k, total = cheapest(A, B, first, second[:], np.arange(count), limit)
        if min(sums) < limit:
            assert sums[k] == pytest.approx(min(sums))
            assert total == pytest.approx(min(sums))
        else:
            assert (k, total) == (-1, limit)


# --- two networks, and distances of one's own


def test_a_map_between_two_networks_of_other_sample_counts_is_solved_by_pot_and_has_couplings():
    reps, others = layers(n=14, depth=2), layers(n=9, depth=3, seed=1)
    found = gromov_map(reps, others)
    assert found.squared.shape == (2, 3)
    assert found.identity.isna().all(axis=None)
    for row in reps:
        for column in others:
            T = found.coupling(row, column)
            assert T.sum(axis=1) == pytest.approx(1 / 14)
            assert T.sum(axis=0) == pytest.approx(1 / 9)
            D, E = by_mean(reps[row]), by_mean(others[column])
            value = ((D[:, None, :, None] - E[None, :, None, :]) ** 2 * T[:, :, None, None] * T).sum()
            assert found.squared.loc[row, column] == pytest.approx(value, rel=1e-6)
            assert found.lower.loc[row, column] <= value
    with pytest.raises(ArgumentError, match=r"no permutation\. Take coupling\('input', 'layer 2'\)"):
        found.plan("input", "layer 2")
    with pytest.raises(ArgumentError, match="between two sets of taps"):
        found.triangle_violations()


def test_a_map_between_a_network_and_itself_is_its_map_without_sweeps():
    reps = layers(n=20, depth=3)
    within, between = gromov_map(reps, sweeps=0), gromov_map(reps, dict(reps))
    assert between.squared.to_numpy() == pytest.approx(within.squared.to_numpy(), rel=1e-6, abs=1e-12)
    assert between.plans.keys() == {(row, column) for row in reps for column in reps}


def test_distances_of_ones_own_take_the_place_of_the_euclidean_ones():
    reps = layers(n=15, depth=3)
    own = {name: squareform(pdist(x, "euclidean")) for name, x in reps.items()}
    expected, found = gromov_map(reps), gromov_map(distances=own)
    assert found.squared.to_numpy() == pytest.approx(expected.squared.to_numpy(), rel=1e-6, abs=1e-12)
    own["input"] = squareform(pdist(reps["input"], "cosine"))
    mixed = gromov_map(reps, distances={"input": own["input"]})
    assert mixed.identity.equals(gromov_map(distances=own).identity)
    assert mixed.identity.loc["input", "layer 1"] != found.identity.loc["input", "layer 1"]
    assert mixed.identity.loc["layer 2", "layer 1"] == found.identity.loc["layer 2", "layer 1"]


def test_distances_that_are_not_euclidean_are_solved_by_pot_and_the_map_says_so_once():
    rng = np.random.default_rng(0)
    odd = rng.uniform(0.2, 1, (12, 12)) ** 4
    own = {"odd": np.triu(odd, 1) + np.triu(odd, 1).T, "input": squareform(pdist(layers(n=12)["input"]))}
    own |= {"other": squareform(pdist(layers(n=12)["layer 3"]))}
    with pytest.warns(SimilarityWarning, match="those of 2 of 3 pairs are not Euclidean; POT solved these") as warned:
        found = gromov_map(distances=own)
    assert len(warned) == 1
    assert found.method.loc["odd"].tolist() == ["", "POT", "POT"]
    assert found.method.loc["input", "other"] == "permutations"
    T = found.coupling("input", "odd")
    assert T.sum(axis=0) == pytest.approx(1 / 12)
    assert found.lower.loc["odd", "input"] <= found.squared.loc["odd", "input"]


def test_taps_of_different_numbers_of_samples_have_a_map_but_no_screened_one():
    own = {name: squareform(pdist(x)) for name, x in (("long", layers(n=9)["input"]), ("short", layers(n=7)["input"]))}
    found = gromov_map(distances=own)
    assert found.coupling("short", "long").shape == (7, 9)
    assert found.lower.loc["long", "short"] <= found.squared.loc["long", "short"]
    with pytest.raises(ArgumentError, match="exact: got False for taps of different numbers of samples"):
        gromov_map(distances=own, exact=False)


def test_distances_with_the_rounding_of_float32_and_of_tensors_are_taken_as_a_pair_of_them_is():
    x, y = layers(n=12, depth=2).values()
    gram = np.float32(x) @ np.float32(x).T
    norms = np.diagonal(gram)
    rough = np.sqrt(np.maximum(norms[:, None] + norms - 2 * gram, 1e-12))
    rough[0, 1] *= 1 + 4e-7
    assert rough.diagonal().all()
    tensor = torch.tensor(squareform(pdist(y)), requires_grad=True)
    found = gromov_map(distances={"x": rough, "y": tensor})
    expected = gromov_map({"x": x, "y": y})
    assert found.method.loc["x", "y"] == "permutations"
    assert found.squared.to_numpy() == pytest.approx(expected.squared.to_numpy(), rel=1e-4)


@pytest.mark.parametrize("units", [(2.0**-100,) * 3, (2.0**100,) * 3, (1e-25, 1e-20, 1.0)])
def test_units_change_the_values_of_a_map_as_they_should_and_nothing_else(units):
    reps = {name: unit * x for unit, (name, x) in zip(units, layers(n=40, depth=3).items(), strict=True)}
    found = gromov_map(reps, normalize="none", sweeps=0)
    for row, column in itertools.combinations(reps, 2):
        pair = gromov_wasserstein(squareform(pdist(reps[row])), squareform(pdist(reps[column])))
        assert found.squared.loc[row, column] == pytest.approx(pair.value, rel=1e-9)
        assert found.start.loc[row, column] == pair.start
    if len(set(units)) == 1:
        unscaled = {name: x / units[0] for name, x in reps.items()}
        swept, plain = (gromov_map(unscaled, normalize="none", exact=exact) for exact in (True, 0.7))
        values = gromov_map(reps, normalize="none").squared.to_numpy() / units[0] ** 2
        assert values == pytest.approx(swept.squared.to_numpy(), rel=1e-12)
        screened = gromov_map(reps, normalize="none", exact=0.7)
        assert (screened.solved == plain.solved).all(axis=None)
        assert screened.squared.to_numpy() / units[0] ** 2 == pytest.approx(plain.squared.to_numpy(), rel=1e-12)


def test_starts_that_do_not_apply_are_left_out_with_a_warning_and_one_that_does_is_needed_before_any_work(tmp_path):
    reps = layers(n=12, depth=3)
    odd = np.random.default_rng(0).uniform(0.2, 1, (12, 12)) ** 4
    own = {"layer 1": np.triu(odd, 1) + np.triu(odd, 1).T}
    with pytest.warns(
        SimilarityWarning, match="starts: 'local' left out of the 2 of 3 pairs that POT solved"
    ) as warned:
        found = gromov_map(reps, distances=own, starts=("product", "local"))
    assert len(warned) == 1
    assert found.start.loc["layer 1"].tolist() == ["product", "", "product"]
    with pytest.raises(ArgumentError, match=r"got \('local',\), of which none applies to 'input' and 'layer 1'"):
        gromov_map(reps, distances=own, starts="local", folder=tmp_path / "map")
    with pytest.raises(ArgumentError, match="of which none applies to 'input' and 'input'; expected 'product'"):
        gromov_map(reps, layers(n=13, depth=2), starts="identity", folder=tmp_path / "map")
    assert not (tmp_path / "map").exists()


# --- bad input


def bad_taps():
    good = np.random.default_rng(0).normal(size=(6, 2))
    hole = good.copy()
    hole[2, 1] = np.nan
    return {
        "constant": ({"a": good, "flat": np.ones((6, 2))}, r"tap 'flat': is constant"),
        "nan": (
            {"a": good, "hole": hole},
            r"tap 'hole': got 1 values that are NaN or infinite, .* sample 2, dimension 1",
        ),
        "counts": ({"a": good, "short": good[:5]}, r"got 6 samples at 'a' and 5 at 'short'"),
        "one sample": ({"a": good[:1]}, r"tap 'a': got 1 sample; expected at least 2"),
        "none": ({}, "representations: got none"),
        "no mapping": ([good], "representations: got list"),
    }


@pytest.mark.parametrize("case", bad_taps())
def test_representations_that_cannot_be_compared_are_named(case):
    reps, message = bad_taps()[case]
    with pytest.raises(ArgumentError, match=message):
        gromov_map(reps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folder": 5}, "folder: got 5; expected the name of a folder"),
        ({"starts": None}, "starts: got None; expected names"),
        ({"distances": [np.zeros((8, 8))]}, "distances: got list; expected a mapping"),
        ({"distances": {"input": [[0, 1], [1]]}}, "distances of 'input': got lists of several lengths"),
        ({"reps": None, "distances": {1: 1 - np.eye(3), "1": 1 - np.eye(3)}}, "distances: got .*1"),
        ({"normalize": "median"}, "normalize: got 'median'"),
        ({"exact": 1.5}, "exact: got 1.5; expected True"),
        ({"exact": "no"}, "exact: got 'no'"),
        ({"sweeps": -1}, "sweeps: got -1; expected"),
        ({"sweeps": True}, "sweeps: got True; expected"),
        ({"starts": 3}, "starts: got 3; expected names"),
        ({"starts": (np.arange(8),)}, "expected names"),
        ({"starts": ()}, "starts: got none"),
        ({"starts": ("middle",)}, "starts: got 'middle'"),
        ({"n_jobs": 0}, "n_jobs: got 0"),
        ({"others": layers(n=8, depth=2), "exact": False}, "exact: got False for a map between two networks"),
        ({"others": layers(n=8, depth=2), "distances": {}}, "distances: got some for a map between two networks"),
        ({"distances": {"nowhere": np.zeros((8, 8))}}, "distances: got some for 'nowhere', which is no tap"),
        ({"distances": {"input": np.zeros((8, 7))}}, r"distances of 'input': got the shape \(8, 7\)"),
        ({"distances": {"input": np.full((8, 8), "x")}}, "distances of 'input': got values of type <U1"),
        ({"distances": {"input": -np.ones((8, 8))}}, "distances of 'input': got the negative entry -1"),
        ({"distances": {"input": np.arange(64.0).reshape(8, 8)}}, "distances of 'input': got 63 on the diagonal"),
        ({"distances": {"input": np.triu(np.ones((8, 8)), 1)}}, "distances of 'input': is not symmetric"),
        ({"distances": {"input": np.zeros((8, 8))}}, "tap 'input': is constant"),
        ({"distances": {"input": 1 - np.eye(7)}}, "got 7 samples at 'input' and 8 at 'layer 1'"),
        ({"rng": -1}, "rng: got the negative seed"),
        ({"reps": None}, "reps: got none"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_before_any_work(tmp_path, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        gromov_map(**{"reps": layers(n=8, depth=2), "folder": tmp_path / "map"} | arguments)
    assert not (tmp_path / "map").exists()


def test_a_constant_tap_has_a_map_where_nothing_is_normalised():
    found = gromov_map({"a": np.arange(5.0), "flat": np.ones(5)}, normalize="none")
    expected = np.mean(squareform(pdist(np.arange(5.0)[:, None])) ** 2)
    assert found.squared.loc["a", "flat"] == found.lower.loc["a", "flat"] == pytest.approx(expected)


def test_plans_of_taps_that_are_not_there_are_refused():
    found = gromov_map(layers(n=6, depth=2))
    with pytest.raises(ArgumentError, match="column: got 'layer 9'; expected a tap of the map: input, layer 1"):
        found.plan("input", "layer 9")
    with pytest.raises(ArgumentError, match="plan: got 'input' twice"):
        found.coupling("input", "input")


def test_the_size_of_the_distances_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="nngraph"):
        gromov_map(layers(n=101, depth=2), sweeps=0)
    assert "the distances of 2 taps take 0.1 MB" in caplog.text
