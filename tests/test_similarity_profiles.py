"""Histograms of distances, nearest neighbours, transport plans, probes, and distances to known targets."""

import warnings
from itertools import combinations, permutations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import entropy
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NearestNeighbors

import nngraph as nng
from nngraph.errors import ArgumentError

S = nng.similarity


def reps_of(seed=0, n=30, widths=(4, 2, 7)):
    rng = np.random.default_rng(seed)
    return {f"t{i}": rng.normal(size=(n, d)) for i, d in enumerate(widths)}


def turned(x, seed=0):
    """The same cloud, rotated and moved."""
    rng = np.random.default_rng(seed)
    return x @ np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0] + rng.normal(size=x.shape[1])


def test_histograms_are_densities_of_the_normalised_distances_on_bins_that_all_taps_share():
    reps = reps_of()
    found = S.distance_histograms(reps, bins=8)
    width = found.index.length[0]
    assert np.allclose(found.sum() * width, 1)
    largest = max(found.index.right)
    for name, x in reps.items():
        distances = pdist(x) / (2 * pdist(x).sum() / 30**2)
        assert distances.max() <= largest * (1 + 1e-12)
        counted = [((one.left <= distances) & (distances < one.right)).sum() for one in found.index[:-1]]
        assert np.allclose(found[name][:-1] * width * len(distances), counted)


def test_a_rotated_scaled_and_moved_tap_has_the_same_histogram():
    reps = reps_of()
    found = S.distance_histograms({"a": reps["t0"], "b": 3 * turned(reps["t0"])}, bins=8)
    assert np.allclose(found["a"], found["b"], atol=0.02 * found["a"].max())
    raw = S.distance_histograms({"a": reps["t0"], "b": 3 * reps["t0"]}, bins=8, normalize="none")
    assert not np.allclose(raw["a"], raw["b"])


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=4, max_size=4))
def test_the_divergence_is_that_of_the_smoothed_histograms_and_is_bounded(rows):
    counts = pd.DataFrame(np.array(rows) + (np.sum(rows, axis=0) == 0), columns=list("abc"))
    found = S.histogram_divergence(counts, smoothing=0.01)
    p = 0.99 * counts / counts.sum() + 0.01 / 4
    assert found.index.tolist() == ["b", "c"]
    assert found.tolist() == pytest.approx([entropy(p["b"], p["a"]), entropy(p["c"], p["b"])], abs=1e-12)
    assert (found >= -1e-12).all()
    assert (found <= np.log(4 / 0.01)).all()


def test_histograms_and_divergences_say_in_a_sentence_what_is_wrong():
    for call, message in (
        (lambda: S.distance_histograms(reps_of(), bins=0), "bins: got 0"),
        (lambda: S.distance_histograms({"a": np.ones((3, 2))}), "tap 'a': is constant"),
        (lambda: S.distance_histograms({"a": np.ones((3, 2))}, normalize="none"), "all taps are constant"),
        (lambda: S.distance_histograms({"a": np.ones((3, 2)), "b": np.ones((4, 2))}), "3 samples at 'a' and 4"),
        (lambda: S.histogram_divergence(pd.DataFrame({"a": [1, 2]})), "two or more taps"),
        (lambda: S.histogram_divergence(pd.DataFrame({"a": [1, 2], "b": [0, 0]})), "none above 0"),
        (lambda: S.histogram_divergence(pd.DataFrame({"a": [1], "b": [1]}), smoothing=0), "smoothing: got 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_five_neighbours_give_six_values_of_the_jaccard_index():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    found = S.neighbour_overlap({f"t{i}": x + 0.2 * i * rng.normal(size=(60, 3)) for i in range(5)})
    seen = set(np.round(found.to_numpy().ravel(), 12))
    assert seen == {round(v, 12) for v in (0, 1 / 9, 1 / 4, 3 / 7, 2 / 3, 1)}


def test_overlaps_are_those_of_the_neighbours_that_scikit_learn_finds_and_leave_the_reference_out():
    reps = reps_of(n=25)
    near = {name: NearestNeighbors(n_neighbors=4).fit(x).kneighbors(return_distance=False) for name, x in reps.items()}
    for against in (None, "t1"):
        first = against or "t0"
        found = S.neighbour_overlap(reps, against, k=4)
        assert list(found) == [name for name in reps if name != first]
        for name in found:
            sets = [(set(a), set(b)) for a, b in zip(near[first], near[name], strict=True)]
            assert found[name].tolist() == pytest.approx([len(a & b) / len(a | b) for a, b in sets])
    means = S.neighbour_map(reps, k=4)
    assert np.allclose(np.diag(means), 1)
    assert means.equals(means.T)
    assert means.loc["t1", "t2"] == pytest.approx(S.neighbour_overlap(reps, "t1", k=4)["t2"].mean())


def test_an_isometry_keeps_all_neighbours():
    x = reps_of()["t0"]
    assert (S.neighbour_overlap({"a": x, "b": 5 * turned(x)}) == 1).all(axis=None)
    assert (S.neighbour_overlap({"a": x, "b": 5 * turned(x)}, space="tsne") == 1).mean(axis=None) > 0.9


@pytest.mark.parametrize(("n", "k"), [(4, 1), (6, 2), (7, 5), (7, 6), (8, 3)])
def test_the_expected_overlap_is_the_mean_over_all_pairs_of_sets(n, k):
    sets = [set(one) for one in combinations(range(n - 1), k)]
    mean = np.mean([len(a & b) / len(a | b) for a in sets for b in sets])
    assert S.expected_overlap(n, k) == pytest.approx(mean)


def test_unrelated_clouds_overlap_as_expected_by_chance():
    overlaps = [S.neighbour_overlap(reps_of(seed, n=16, widths=(9, 9))).to_numpy().mean() for seed in range(60)]
    error = np.std(overlaps) / np.sqrt(60)
    assert abs(np.mean(overlaps) - S.expected_overlap(16)) < 4 * error


def test_the_plane_of_t_sne_comes_from_the_seed_alone_and_the_global_one_stays():
    reps = reps_of(n=16, widths=(5, 1))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, other, third = (S.neighbour_overlap(reps, space="tsne", rng=seed) for seed in (1, 1, 2))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert one.equals(other)
    assert not one.equals(third)
    groups = np.repeat([0, 1], 8)
    apart = {"a": 50 * groups[:, None] + reps["t0"], "b": 50 * groups[:, None] + reps["t1"]}
    in_plane = S.neighbour_overlap(apart, space="tsne", k=6).mean()["b"]
    assert in_plane > S.expected_overlap(16, 6)


def test_neighbours_say_in_a_sentence_what_is_wrong():
    reps = reps_of(n=6)
    for options, message in (
        ({"k": 5}, "k: got 5 for 6 samples"),
        ({"k": 0}, "k: got 0"),
        ({"against": "x", "k": 2}, "against: got 'x'"),
        ({"space": "umap", "k": 2}, "space: got 'umap'"),
        ({"space": "tsne", "k": 2, "perplexity": 6}, "perplexity: got 6"),
    ):
        with pytest.raises(ArgumentError, match=message):
            S.neighbour_overlap(reps, **options)
    with pytest.raises(ArgumentError, match="'a': is constant"):
        S.neighbour_overlap({"a": np.ones((9, 2))}, space="tsne", k=2)
    with pytest.raises(ArgumentError, match="k: got 6 for 6"):
        S.expected_overlap(6, 6)


def test_chance_and_deviation_of_a_plan_are_those_of_all_permutations():
    labels = ["a", "a", "b", "c", "c"]
    shares = [np.mean([labels[i] == labels[p[i]] for i in range(5)]) for p in permutations(range(5))]
    for p in ([0, 1, 2, 3, 4], [1, 2, 3, 4, 0]):
        found = S.plan_agreement(p, labels)
        assert found["chance"] == pytest.approx(np.mean(shares))
        assert found["sd"] == pytest.approx(np.std(shares))
        assert found["same"] == np.mean([labels[i] == labels[p[i]] for i in range(5)])
        assert found["z"] == pytest.approx((found["same"] - np.mean(shares)) / np.std(shares))
        assert found["identity"] == np.mean(np.arange(5) == p)


def test_a_permutation_its_matrix_of_any_mass_and_a_transport_are_one_plan():
    p = np.array([2, 0, 1, 3])
    T = np.eye(4)[p]
    transport = SimpleNamespace(coupling=lambda: T / 4)
    found = [S.plan_agreement(plan, [0, 0, 1, 1]).to_list() for plan in (p, p.tolist(), T, 7 * T, transport)]
    assert all(one == found[0] for one in found)


def test_a_plan_between_different_numbers_of_samples_has_a_share_and_its_chance():
    found = S.plan_agreement(np.array([[0.25, 0.25, 0.0], [0.0, 0.25, 0.25]]), [0, 1], [0, 1, 1])
    assert found["same"] == 0.75
    assert found["chance"] == 0.5
    assert found[["sd", "z", "identity"]].isna().all()
    assert np.isnan(S.plan_agreement([1, 0], ["a", "a"])["z"])


def test_plans_say_in_a_sentence_what_is_wrong():
    for plan, labels, message in (
        ([0, 0, 1], [0, 0, 1], "no permutation of 0 to 2"),
        ([0.0, 1.0], [0, 1], "no permutation"),
        (np.zeros((2, 2)), [0, 1], "no mass"),
        (-np.eye(2), [0, 1], "mass"),
        (np.eye(2) * np.nan, [0, 1], "mass"),
        (np.eye(3), [0, 1], "got 2 and 2 labels for a plan of 3 x 3"),
        (np.ones((2, 2, 2)), [0, 1], "shape"),
    ):
        with pytest.raises(ArgumentError, match=message):
            S.plan_agreement(plan, labels)


def value(table, **where):
    rows = table
    for column, one in where.items():
        rows = rows[rows[column] == one]
    return rows["value"].item()


def test_a_target_that_is_linear_in_a_tap_is_read_exactly_and_one_that_is_not_is_not():
    y = np.tile(np.arange(4), 40)
    noise = np.random.default_rng(0).normal(size=(160, 3))
    reps = {"one-hot": np.eye(4)[y] @ np.random.default_rng(1).normal(size=(4, 6)), "noise": noise}
    found = S.probes(reps, {"y": y}, kinds=["linear", "logistic"])
    assert value(found, tap="one-hot", probe="linear", metric="error") == pytest.approx(0, abs=1e-12)
    assert value(found, tap="one-hot", probe="linear", metric="accuracy") == 1
    assert value(found, tap="one-hot", probe="logistic") == 1
    assert value(found, tap="noise", probe="linear", metric="error") > 0.9
    assert value(found, tap="noise", probe="logistic") < 0.5
    assert set(found["n_train"]) == {120}
    assert set(found["n_test"]) == {40}


def test_exclusive_or_is_read_by_the_network_alone():
    x = np.random.default_rng(0).uniform(-1, 1, size=(600, 2))
    found = S.probes({"x": x}, {"xor": (x[:, 0] > 0) ^ (x[:, 1] > 0)})
    assert value(found, probe="mlp") > 0.9
    assert value(found, probe="logistic") < 0.65
    assert value(found, probe="linear", metric="accuracy") < 0.65


def test_a_tap_wider_than_its_samples_scores_no_better_than_chance_on_random_targets():
    rng = np.random.default_rng(0)
    found = S.probes(
        {"wide": rng.normal(size=(120, 400))}, {"y": rng.integers(0, 2, 120)}, kinds=["linear", "logistic"]
    )
    assert (found.loc[found["metric"] == "accuracy", "value"] < 0.75).all()
    assert value(found, probe="linear", metric="error") > 1


def test_the_held_out_positions_are_those_scored_and_least_squares_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 5)), rng.integers(0, 3, 50)
    test = np.array([3, 1, 40, 41, 22, 7])
    train = np.setdiff1d(np.arange(50), test)
    found = S.probes({"x": x}, {"y": y}, kinds=["linear"], test=test)
    one_hot = np.eye(3)[y]
    answers = LinearRegression().fit(x[train], one_hot[train]).predict(x[test])
    left = ((one_hot[test] - answers) ** 2).sum() / ((one_hot[test] - one_hot[train].mean(axis=0)) ** 2).sum()
    assert value(found, metric="error") == pytest.approx(left)
    assert value(found, metric="accuracy") == np.mean(answers.argmax(axis=1) == y[test])
    majority = np.bincount(y[train]).argmax()
    assert found["chance"].tolist() == [np.mean(y[test] == majority), 1]
    assert (found["n_train"] == 44).all()


def test_a_class_that_the_fit_has_not_seen_counts_as_wrong():
    y = np.array(["a"] * 10 + ["b"] * 10 + ["c"] * 4)
    x = 10.0 * np.eye(3)[np.searchsorted(["a", "b", "c"], y)]
    found = S.probes({"x": x}, {"y": y}, test=[0, 10, 20, 21, 22, 23], kinds=["linear", "logistic"])
    assert (found.loc[found["metric"] == "accuracy", "value"] == 2 / 6).all()


def test_a_probe_that_has_not_converged_says_so_in_its_row_and_warns_of_nothing():
    x = np.random.default_rng(0).normal(size=(80, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = S.probes({"x": x}, {"y": x[:, 0] > 0})
    assert found.set_index(["probe", "metric"])["converged"].to_dict() == {
        ("linear", "accuracy"): True,
        ("linear", "error"): True,
        ("logistic", "accuracy"): True,
        ("mlp", "accuracy"): False,
    }


def test_probes_are_the_same_for_any_order_and_number_of_processes_and_leave_the_global_seed():
    reps = reps_of(n=40)
    targets = {"y": np.arange(40) % 2, "z": np.arange(40) % 3}
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    keys = ["tap", "target", "metric"]
    for kind, n_jobs in (("mlp", 1), ("linear", 2)):
        found = S.probes(reps, targets, kinds=[kind], rng=3)
        turned_round = dict(reversed(reps.items())), dict(reversed(targets.items()))
        again = S.probes(*turned_round, kinds=[kind], rng=3, n_jobs=n_jobs)
        assert found.set_index(keys).sort_index().equals(again.set_index(keys).sort_index())
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_probes_say_in_a_sentence_what_is_wrong():
    reps = reps_of(n=8)
    y = np.arange(8) % 2
    for targets, options, message in (
        ({"y": y[:7]}, {}, r"target 'y': got an array of int64 of shape \(7,\)"),
        ({"y": y / 2}, {}, "Cut numbers into classes"),
        ({"y": 0 * y}, {}, "one class in the training"),
        ({"y": np.array([1, "a"] * 4, dtype=object)}, {}, "several types"),
        ({}, {}, "targets: got none"),
        ({"y": y}, {"kinds": ["svm"]}, r"kinds: got \['svm'\]"),
        ({"y": y}, {"test": 1.5}, "test: got 1.5"),
        ({"y": y}, {"test": [8]}, "positions 0 to 7"),
        ({"y": y}, {"test": np.arange(8)}, "holds out 8 of 8"),
        ({"y": y}, {"test": 0.01}, "holds out 0 of 8"),
    ):
        with pytest.raises(ArgumentError, match=message):
            S.probes(reps, targets, **options)


def test_encodings_put_classes_on_a_line_a_simplex_and_a_circle():
    c = [0, 3, 1, 3]
    assert pdist(S.encode(c, "scalar")).tolist() == [3, 1, 3, 2, 0, 2]
    assert pdist(S.encode(c, "one-hot")).tolist() == pytest.approx([2**0.5, 2**0.5, 2**0.5, 2**0.5, 0, 2**0.5])
    chord = [2 * np.sin(np.pi * step / 12) for step in (3, 1, 3, 2, 0, 2)]
    assert pdist(S.encode(c, "circle", period=12)).tolist() == pytest.approx(chord)
    assert np.allclose(S.encode([1, 13, -11], "circle", period=12), S.encode([1, 1, 1], "circle", period=12))


def test_a_tap_that_holds_a_target_is_at_distance_zero_of_it_in_that_encoding_alone_and_controls_are_not():
    c = np.arange(24) % 6
    taps = {
        how: 7 * turned(np.pad(S.encode(c, how, period=6), ((0, 0), (0, 2)))) for how in ("scalar", "one-hot", "circle")
    }
    twin = {name: np.random.default_rng(1).normal(size=(24, 4)) for name in taps}
    table = S.target_distances(taps, {"c": c}, periods={"c": 6}, untrained=twin, gaussian=16)
    assert table.groupby("source").size().to_dict() == {"gaussian": 6, "model": 18, "untrained": 18}
    same = (table["source"] == "model") & (table["tap"] == table["encoding"])
    assert (table.loc[same, "squared"] < 1e-9).all()
    assert (table.loc[~same, "squared"] > 1e-3).all()
    assert np.allclose(table["root"] ** 2, table["squared"], atol=1e-12)
    assert (table["lower"] <= table["squared"] + 1e-9).all()


def test_target_distances_have_seeded_controls_and_no_circle_without_a_period():
    c = np.arange(12) % 3
    call = {"targets": {"c": c}, "normalize": ["mean"], "gaussian": 4}
    found = S.target_distances(reps_of(n=12), rng=1, **call)
    assert set(found["encoding"]) == {"scalar", "one-hot"}
    assert found.equals(S.target_distances(reps_of(n=12), rng=1, **call))
    other = S.target_distances(reps_of(n=12), rng=2, **call)
    differ = found["squared"] != other["squared"]
    assert set(found.loc[differ, "source"]) == {"gaussian"}
    assert set(S.target_distances(reps_of(n=12), {"c": c}, gaussian=None)["source"]) == {"model"}


def test_target_distances_say_in_a_sentence_what_is_wrong():
    reps = reps_of(n=6)
    for targets, options, message in (
        ({"c": np.arange(5)}, {}, "target 'c': got 5 values for 6 samples"),
        ({"c": np.arange(6)}, {"untrained": reps_of(n=7)}, "got 6 in the first and 7"),
        ({"c": np.ones(6)}, {}, r"got an array of float64"),
        ({"c": np.ones(6, dtype=int)}, {}, "tap 'target c': is constant"),
        ({"c": np.arange(6)}, {"periods": {"d": 6}}, "got one of 'd', which is no target"),
        ({"c": np.arange(6)}, {"periods": {"c": 1}}, "period: got 1"),
        ({"c": np.arange(6)}, {"encodings": ["binary"]}, "encoding: got 'binary'"),
        ({"c": np.arange(6)}, {"encodings": ["circle"]}, "the circle needs periods"),
        ({"c": np.arange(6)}, {"periods": 5}, "periods: got 5; expected a mapping"),
        ([1, 2], {}, r"targets: got \[1, 2\]; expected a mapping"),
        ({"c": np.arange(6)}, {"foo": 1}, "got the option 'foo'; its options are: weights1"),
        ({"c": np.arange(6)}, {"gaussian": "a"}, "gaussian: got 'a'; expected a whole number of at least 1, or None"),
        ({"c": np.arange(6)}, {"gaussian": 0}, "gaussian: got 0"),
        ({"c": np.arange(6)}, {"n_jobs": 0}, "n_jobs: got 0"),
        ({1: np.arange(6), "1": np.arange(6)}, {}, "which are one text"),
    ):
        with pytest.raises(ArgumentError, match=message):
            S.target_distances(reps, targets, **options)


def test_one_encoding_and_one_scale_may_be_given_by_their_names():
    c, reps = np.arange(6), reps_of(n=6)
    one = S.target_distances(reps, {"c": c}, encodings="scalar", normalize="max", gaussian=None)
    assert one.equals(S.target_distances(reps, {"c": c}, encodings=["scalar"], normalize=["max"], gaussian=None))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: S.neighbour_overlap(reps_of(n=8), k="a"), "neighbour_overlap: k: got 'a' for 8 samples"),
        (lambda: S.neighbour_overlap(reps_of(n=8), space="tsne", perplexity="a"), "perplexity: got 'a'"),
        (lambda: S.expected_overlap(16.0), "expected_overlap: n: got 16.0"),
        (lambda: S.histogram_divergence(pd.DataFrame(np.ones((3, 2))), smoothing=None), "smoothing: got None"),
        (lambda: S.probes(reps_of(n=8), [np.arange(8)]), "targets: got a list; expected a mapping"),
        (lambda: S.probes(reps_of(n=8), {"c": np.arange(8) % 2}, n_jobs=0), "n_jobs: got 0"),
    ],
)
def test_an_argument_of_another_type_gets_a_sentence(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
