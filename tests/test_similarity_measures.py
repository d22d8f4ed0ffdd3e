"""Every measure does what its entry in the table says; maps of measures."""

import importlib.util
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph.errors import ArgumentError
from nngraph.similarity import INVARIANCES, MEASURES, Representations, _comparisons, compare, cross, matrix

SOLVED = all(importlib.util.find_spec(f"nngraph.similarity.{name}") for name in ("gromov", "gromov_maps"))
NAMES = [name for name in MEASURES if name != "gw" or SOLVED]
PAIRED = [name for name in NAMES if name != "gw"]


def pair(n=24, d=4, seed=0):
    """Two related clouds off the origin, the first with a dimension of little variance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + rng.normal(size=d)
    x[:, 0] *= 0.02
    y = np.tanh(x @ rng.normal(size=(d, d))) + 0.3 * rng.normal(size=(n, d)) + rng.normal(size=d)
    return x, y


def taps(n=24, widths=(4, 4, 4, 4, 4), seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, max(widths)))
    return {f"tap{i}": np.tanh(x @ rng.normal(size=(x.shape[1], d))) + i for i, d in enumerate(widths)}


def rotation(rng, d):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def changes(rng, n, d):
    """One map of clouds for each thing that may be done to them, by its name without "joint" or "second"."""
    Q, shift, order = rotation(rng, d), rng.normal(size=d), rng.permutation(d)
    A, factors, offsets = rng.normal(size=(d, d)), rng.uniform(0.5, 2, (n, 1)), rng.normal(size=(n, 1))
    rows = rng.permutation(n)
    return {
        "permutation": lambda z: z[:, order],
        "orthogonal": lambda z: z @ Q,
        "scale": lambda z: 3.7 * z,
        "translation": lambda z: z + shift,
        "linear": lambda z: z @ A,
        "row_scale": lambda z: factors * z,
        "row_affine": lambda z: factors * z + offsets,
        "monotone": np.sinh,
        "row_permutation": lambda z: z[rows],
    }


def changed(name, x, y):
    """The pairs that a change of this name makes of a pair."""
    which, _, rest = name.partition("_")
    possible = changes(np.random.default_rng(7), *x.shape)
    if which == "joint":
        return [(possible[rest](x), possible[rest](y))]
    if which == "second":
        return [(x, possible[rest](y))]
    return [(possible[name](x), y), (x, possible[name](y))]


def certain(name):
    """A pair, and options with which the value found is the minimum that the measure is defined by."""
    if name == "gw":
        return *pair(7), {"starts": ("product", "identity", "random:40"), "rng": 0}
    return *(pair(7, seed=5) if name == "agw" else pair()), {}


@pytest.mark.parametrize("invariance", INVARIANCES)
@pytest.mark.parametrize("name", NAMES)
def test_a_measure_is_invariant_to_what_it_declares_and_to_nothing_else_that_has_a_name(name, invariance):
    x, y, options = certain(name)
    value = compare(x, y, name, **options)
    moved = [abs(compare(*other, name, **options) - value) / abs(value) for other in changed(invariance, x, y)]
    if invariance in MEASURES[name].invariances:
        assert max(moved) < 1e-8
    else:
        assert max(moved) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_values_are_in_the_declared_range_and_a_representation_is_like_itself(name):
    low, high = MEASURES[name].range
    alike = MEASURES[name].orientation == "similarity"
    for seed in range(5):
        x, y = pair(seed=seed)
        assert low <= compare(x, y, name) <= high
        assert compare(x, x, name) == pytest.approx(1 if alike else 0, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_only_asymmetric_measures_depend_on_the_order_of_the_two(name):
    x, y = pair()
    same = compare(x, y, name) == pytest.approx(compare(y, x, name), rel=1e-9)
    assert same == MEASURES[name].symmetric


@pytest.mark.parametrize("name", ["euclidean", "rsm", "procrustes", "wasserstein"])
@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 5))
def test_distances_that_are_metrics_keep_the_triangle_inequality(name, seed, d):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, d))
    y = x + rng.exponential() * rng.normal(size=(12, d))
    z = rng.exponential() * y + rng.exponential() * rng.normal(size=(12, d))
    assert compare(x, z, name) <= (compare(x, y, name) + compare(y, z, name)) * (1 + 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_widths_and_numbers_of_samples_may_differ_only_where_the_table_says_so(name):
    x, y = pair()
    if MEASURES[name].same_d:
        with pytest.raises(ArgumentError, match=r"got 4 dimensions at 'x' and 3 at 'y'.*'cka'"):
            compare(x, y[:, :3], name)
    else:
        assert np.isfinite(compare(x, y[:, :3], name))
    if MEASURES[name].same_n:
        with pytest.raises(ArgumentError, match=r"got 24 and 20 samples.*'msid'"):
            compare(x, y[:20], name)
    else:
        assert np.isfinite(compare(x, y[:20], name))


@pytest.mark.parametrize("name", NAMES)
def test_a_map_is_symmetric_with_zeros_on_its_diagonal_and_says_how_it_was_made(name):
    D = matrix(taps(), name)
    assert list(D.index) == list(D.columns) == list(taps())
    assert (np.diag(D) == 0).all()
    assert (D.to_numpy() == D.to_numpy().T).all()
    assert (D.to_numpy()[np.triu_indices(5, 1)] > 0).all()
    assert D.attrs["measure"] == name
    assert D.attrs["n"] == 24
    assert D.attrs["undefined"] == {}


@pytest.mark.parametrize("name", PAIRED)
def test_the_entries_of_a_map_are_the_distances_of_pairs(name):
    reps = taps()
    D, C = matrix(reps, name), cross(reps, reps, name)
    for i, one in enumerate(reps):
        for j, two in enumerate(reps):
            value = compare(reps[one], reps[two], name)
            value = 1 - value if MEASURES[name].orientation == "similarity" else value
            assert C.loc[one, two] == pytest.approx(value, abs=1e-12)
            if i != j and MEASURES[name].symmetric:
                assert D.loc[one, two] == pytest.approx(value, abs=1e-12)


def test_a_map_of_pwcca_has_the_mean_of_both_directions():
    reps = taps(widths=(4, 3))
    D, C = matrix(reps, "pwcca"), cross(reps, reps, "pwcca")
    assert C.loc["tap0", "tap1"] != pytest.approx(C.loc["tap1", "tap0"], rel=1e-6)
    assert D.loc["tap0", "tap1"] == pytest.approx((C.loc["tap0", "tap1"] + C.loc["tap1", "tap0"]) / 2, rel=1e-12)


@pytest.mark.parametrize("name", PAIRED)
def test_a_map_does_not_depend_on_the_memory_it_may_take(name, monkeypatch):
    reps = taps(widths=(4,) * 7)
    D, C = matrix(reps, name), cross(taps(seed=3), reps, name)
    size = MEASURES[name].comparison().size(24, 4)
    for states in (1, 4, 6):
        monkeypatch.setattr(_comparisons, "BUDGET", states * size)
        np.testing.assert_allclose(matrix(reps, name), D, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(cross(taps(seed=3), reps, name), C, rtol=1e-12, atol=1e-14)


def test_a_map_does_not_depend_on_the_number_of_processes():
    for name in ("procrustes", "pwcca"):
        assert matrix(taps(), name, n_jobs=2).equals(matrix(taps(), name))


@pytest.mark.parametrize("name", PAIRED)
def test_single_precision_and_transposed_memory_give_the_same_map(name):
    reps = {tap: x.astype(np.float32) for tap, x in taps().items()}
    double = {tap: np.asfortranarray(x, dtype=np.float64) for tap, x in reps.items()}
    np.testing.assert_allclose(matrix(reps, name), matrix(double, name), rtol=1e-6, atol=1e-7)


def test_representations_are_left_as_they_are():
    reps = taps()
    before = {tap: x.copy() for tap, x in reps.items()}
    for name in PAIRED:
        matrix(reps, name)
        assert all((reps[tap] == before[tap]).all() for tap in reps)


@pytest.mark.parametrize("name", [name for name in PAIRED if MEASURES[name].same_d])
def test_taps_of_two_widths_are_named_or_left_open(name):
    reps = taps(widths=(4, 4, 3, 3))
    with pytest.raises(ArgumentError, match=r"got 4 dimensions at 'tap0' and 3 at 'tap2'.*undefined='nan'.*'rsm'"):
        matrix(reps, name)
    D = matrix(reps, name, undefined="nan")
    assert D.isna().to_numpy().tolist() == [[i // 2 != j // 2 for j in range(4)] for i in range(4)]


CONSTANT = {"mutual_information", "rsa", "cca", "svcca", "pwcca", "cka", "procrustes", "agw", "gw"} & set(NAMES)


@pytest.mark.parametrize("name", sorted(CONSTANT))
@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_a_constant_tap_has_no_value_where_a_measure_looks_at_differences(name, value, caplog):
    reps = taps() | {"tap2": np.full((24, 4), value)}
    with pytest.raises(ArgumentError, match="tap 'tap2'"):
        matrix(reps, name)
    with caplog.at_level(logging.WARNING):
        D = matrix(reps, name, undefined="nan")
    assert "tap 'tap2'" in caplog.text
    assert list(D.attrs["undefined"]) == ["tap2"]
    assert D.isna().to_numpy().tolist() == [[2 in (i, j) for j in range(5)] for i in range(5)]
    assert cross(reps, reps, name, undefined="nan").isna().equals(D.isna())


@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_nothing_but_constant_taps_leaves_a_map_of_nothing(name):
    reps = {"a": np.ones((24, 4)), "b": np.zeros((24, 4))}
    assert matrix(reps, name, undefined="nan").isna().all(axis=None)
    assert cross(reps, taps(), name, undefined="nan").isna().all(axis=None)


@pytest.mark.parametrize("name", ["euclidean", "rsm", "wasserstein", "cosine", "msid"])
def test_a_constant_tap_is_a_tap_as_any_other_where_a_measure_has_a_value_for_it(name):
    assert np.isfinite(matrix(taps() | {"tap2": np.full((24, 4), 0.1)}, name)).all(axis=None)


def test_samples_that_spoil_a_measure_are_named():
    x, y = pair()
    x[3] = 0.7
    with pytest.raises(ArgumentError, match=r"tap 'x': 1 samples, the first of them 3, have the same value"):
        compare(x, y, "rsa")
    x[3] = 0
    with pytest.raises(ArgumentError, match=r"tap 'x': sample 3 is 0 in all dimensions"):
        compare(x, y, "cosine")


@pytest.mark.parametrize("name", ["cca", "pwcca", "svcca"])
def test_as_many_dimensions_as_samples_leave_canonical_correlations_nothing_to_say(name):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 30)), rng.normal(size=(20, 2))
    with pytest.raises(ArgumentError, match=r"20 samples for 19 dimensions; every canonical correlation would be 1"):
        compare(x, y, name, variance=None)
    assert compare(x, y, name, components=3) < 0.9
    assert compare(x, y, name, variance=0.5) < 1


def test_equidistant_samples_have_nothing_to_align():
    _, y = pair()
    for name in ("cka", "rsa"):
        with pytest.raises(ArgumentError, match="equally similar"):
            compare(np.eye(24), y, name)


def test_most_pairs_at_one_point_leave_no_bandwidth():
    x, y = pair()
    x[:20] = x[0]
    with pytest.raises(ArgumentError, match="half of the pairs"):
        compare(x, y, "cka", kernel="rbf")


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        ("ckaa", {}, "measure: got 'ckaa'; expected one of 'euclidean'"),
        (["cka"], {}, r"measure: got \['cka'\]; expected one of 'euclidean'"),
        ("cka", {"bias": True}, "got the option 'bias'; its options are: kernel, biased, bandwidth"),
        ("euclidean", {"p": 1}, "its options are: none"),
        ("cka", {"kernel": "cubic"}, "expected one of 'linear', 'rbf'"),
        ("cka", {"bandwidth": 0}, "expected a positive number"),
        ("rsm", {"normalize": "sum"}, "expected 'mean', 'max' or 'none'"),
        ("cca", {"variance": 99}, r"a share of the variance in \(0, 1\]"),
        ("svcca", {"components": 0}, "a whole number of at least 1"),
        ("msid", {"neighbours": 0}, "a whole number of at least 1"),
        ("msid", {"neighbours": 24}, "more than neighbours=24"),
        ("mutual_information", {"bins": 1}, "a whole number from 2 to 256"),
        ("wasserstein", {"power": 3}, "a whole number from 1 to 2"),
        ("agw", {"alpha": 2}, "expected a number from 0"),
        ("agw", {"rounds": 0}, "a whole number of at least 1"),
    ],
)
def test_a_wrong_option_gets_a_sentence(measure, options, message):
    x, y = pair()
    with pytest.raises(ArgumentError, match=message):
        compare(x, y, measure, **options)
    with pytest.raises(ArgumentError, match=message):
        matrix({"x": x, "y": y}, measure, undefined="nan", **options)


def test_what_is_no_representation_gets_a_sentence():
    x, y = pair()
    with pytest.raises(ArgumentError, match="NaN"):
        matrix({"x": x, "y": np.where(y > 0, np.nan, y)}, "cka")
    with pytest.raises(ArgumentError, match="24 samples at 'x' and 20 at 'y'"):
        matrix({"x": x, "y": y[:20]}, "msid")
    with pytest.raises(ArgumentError, match="got 1 sample"):
        compare(x[:1], y[:1], "cka")
    with pytest.raises(ArgumentError, match="debiased CKA needs at least 4"):
        compare(x[:3], y[:3], "cka")
    with pytest.raises(ArgumentError, match="expected one of 'raise', 'nan'"):
        matrix({"x": x, "y": y}, "cka", undefined="skip")
    with pytest.raises(ArgumentError, match="n_jobs: got 0"):
        matrix({"x": x, "y": y}, "procrustes", n_jobs=0)
    with pytest.raises(ArgumentError, match="got the names 1, '1', which are one text"):
        matrix({1: x, "1": y}, "procrustes")


@pytest.mark.parametrize("scale", [1e160, 1e-160])
def test_numbers_whose_powers_leave_floating_point_are_refused_and_zeros_are_not(scale):
    x, y = pair()
    for name in NAMES:
        with pytest.raises(ArgumentError, match="tap 'x': its largest number is"):
            compare(scale * x, y, name)
    assert compare(0 * x, 0 * x, "euclidean") == 0


@pytest.mark.parametrize("name", ["cka", "rsm", "procrustes", "msid", "rsa"])
@pytest.mark.parametrize("scale", [1e-55, 1e55])
def test_values_at_the_ends_of_the_range_of_numbers_are_those_of_the_middle(name, scale):
    x, y = pair()
    unit = scale if name == "rsm" else 1
    assert compare(scale * x, scale * y, name) == pytest.approx(unit * compare(x, y, name), rel=1e-9)


def test_options_of_numpy_are_numbers():
    x, y = pair()
    assert compare(x, y, "agw", alpha=np.float32(0.5), rounds=np.int8(10)) == compare(x, y, "agw")


def test_integers_are_read_as_numbers():
    x = np.arange(48).reshape(24, 2) ** 2 % 17
    for name in ("cka", "wasserstein"):
        assert compare(x, x[::-1], name) == compare(x.astype(float), x[::-1].astype(float), name)


@pytest.mark.skipif(not SOLVED, reason="there is no map of Gromov-Wasserstein distances here")
def test_the_map_of_gromov_wasserstein_is_that_of_its_own_function():
    from nngraph.similarity.gromov_maps import gromov_map

    reps, others = taps(), taps(n=15, widths=(3, 2), seed=2)
    found = gromov_map(reps, normalize="max", sweeps=0)
    np.testing.assert_array_equal(matrix(reps, "gw", normalize="max", sweeps=0), found.squared)
    np.testing.assert_array_equal(matrix(reps, "gw", normalize="max", sweeps=0, root=True), found.root)
    assert cross(reps, others, "gw").to_numpy() == pytest.approx(gromov_map(reps, others).squared.to_numpy())
    with pytest.raises(ArgumentError, match="got the option 'start'; its options are: root, normalize"):
        matrix(reps, "gw", start="product")


def test_one_tap_has_a_map_of_one_zero():
    for name in PAIRED:
        assert matrix({"only": pair()[0]}, name).to_numpy().tolist() == [[0]]


def test_two_networks_may_have_different_samples_only_where_a_measure_couples_them():
    one, two = taps(), taps(n=20, seed=5)
    assert cross(one, two, "msid").shape == (5, 5)
    assert cross(one, two, "wasserstein").shape == (5, 5)
    with pytest.raises(ArgumentError, match="24 in the first and 20 in the second"):
        cross(one, two, "cka")


def test_ids_of_samples_are_compared_where_a_measure_compares_samples():
    one, two = Representations(taps()), Representations(taps(), ids=np.arange(24)[::-1])
    with pytest.raises(ArgumentError, match="the same 24 samples in two orders"):
        cross(one, two, "rsa")
    assert cross(one, two, "msid").equals(cross(one, one, "msid"))
    assert matrix(one, "rsa").equals(matrix(two, "rsa"))
