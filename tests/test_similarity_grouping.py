"""Groups of taps, boundaries between them, and the agreement of maps."""

from itertools import combinations, pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from sklearn.metrics import silhouette_samples

import nngraph as nng
from nngraph.errors import ArgumentError

S = nng.similarity
AFFINITIES = ["max-D", "gaussian", "inverse", lambda D: 1 / (1 + D)]


def table(D, names=None):
    names = [f"t{i}" for i in range(len(D))] if names is None else names
    return pd.DataFrame(D, names, names)


def cloud(seed, L, d=3):
    return table(squareform(pdist(np.random.default_rng(seed).normal(size=(L, d)))))


def planted(labels, seed=0, noise=0.2, d=6):
    rng = np.random.default_rng(seed)
    centres = 2 * np.eye(max(labels) + 1, d)
    return table(squareform(pdist(centres[list(labels)] + noise * rng.normal(size=(len(labels), d)))))


def cost(D, segments):
    return sum(sum(D[i, j] ** 2 for i, j in combinations(own, 2)) / len(own) for own in segments)


def segmentations(L, k):
    for cuts in combinations(range(1, L), k - 1):
        yield [range(a, b) for a, b in pairwise([0, *cuts, L])]


@pytest.mark.parametrize("L", range(2, 10))
def test_no_segmentation_of_a_small_map_costs_less_than_the_one_found(L):
    rng = np.random.default_rng(L)
    D = rng.random((L, L)) + (rng.random((L, L)) < 0.3)  # no metric: the law is one of costs alone
    D = np.triu(D, 1) + np.triu(D, 1).T
    for k in range(1, L + 1):
        found = S.groups(table(D), k)
        assert [len(own) for own in found.members] == [len([*own]) for own in min(
            segmentations(L, k), key=lambda segments: cost(D, segments)
        )]  # fmt: skip
        assert found.curve.loc[k, "cost"] == pytest.approx(min(cost(D, one) for one in segmentations(L, k)))


def test_the_cost_of_euclidean_points_is_their_sum_of_squares_about_the_centres():
    x = np.random.default_rng(0).normal(size=(12, 4))
    found = S.groups(table(squareform(pdist(x))), 4)
    about = sum(((x[found.labels == g] - x[found.labels == g].mean(axis=0)) ** 2).sum() for g in range(4))
    assert found.curve.loc[4, "cost"] == pytest.approx(about)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 1, 1], [3, 3, 7, 7, 3, 7]])
def test_silhouettes_are_those_of_scikit_learn(labels):
    D = cloud(1, 6)
    found = S.silhouettes(D, dict(zip(D.index, labels, strict=True)))
    assert np.allclose(found, silhouette_samples(D.to_numpy(), labels, metric="precomputed"))


def test_silhouettes_of_one_group_are_undefined_and_points_at_one_place_have_zero():
    D = cloud(1, 4)
    assert S.silhouettes(D, dict.fromkeys(D.index, 5)).isna().all()
    assert (S.silhouettes(D * 0, {"t0": 0, "t1": 0, "t2": 1, "t3": 1}) == 0).all()


@pytest.mark.parametrize(
    "labels", [[0] * 6 + [1] * 3 + [2] * 4, [0] * 8 + [1] + [2] * 4, [0] * 12 + [1] * 10 + [2] * 9]
)
def test_planted_runs_are_found_with_their_number(labels):
    found = S.groups(planted(labels))
    assert found.labels.tolist() == labels
    assert found.k == 3
    assert found.p <= 0.05
    assert found.curve["silhouette"].idxmax() == 3
    assert found.silhouette == pytest.approx(found.silhouettes.mean())


def test_a_steady_drift_is_one_group():
    for L in (5, 13, 31):
        found = S.groups(table(abs(np.subtract.outer(np.arange(L), np.arange(L))) * 1.0), draws=39)
        assert (found.k, found.labels.nunique()) == (1, 1)
        assert found.p > 0.05
        assert np.isnan(found.silhouette)


@pytest.mark.parametrize("d", [1, 3, 30])
def test_random_walks_and_random_points_have_groups_as_seldom_as_the_level_says(d):
    rng = np.random.default_rng(d)
    steps = rng.normal(size=(12, 13, d))
    for points in (steps, steps.cumsum(axis=1)):
        found = [S.groups(table(squareform(pdist(x))), draws=19).k > 1 for x in points]
        assert sum(found) <= 3  # of 12 maps, at level .05


def test_without_draws_the_largest_silhouette_decides_and_nothing_is_tested():
    D = cloud(3, 10, d=1)
    found = S.groups(D, draws=0)
    assert found.k == found.curve["silhouette"].idxmax() > 1
    assert np.isnan(found.p)


@pytest.mark.parametrize("affinity", AFFINITIES)
def test_spectral_groups_need_not_be_runs_and_are_numbered_as_they_come(affinity):
    labels = [0, 1, 1, 0, 2, 2, 1, 0, 2, 0, 1, 2]
    for criterion in ("silhouette", "eigengap"):
        found = S.groups(planted(labels), method="spectral", affinity=affinity, criterion=criterion)
        assert found.labels.tolist() == labels
        assert found.members[1] == ["t1", "t2", "t6", "t10"]


def test_spectral_groups_depend_on_the_seed_alone_and_leave_the_global_one():
    D = cloud(5, 20)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (S.groups(D, 5, method="spectral", rng=7).labels for _ in range(2))
    assert first.equals(second)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_groups_depend_neither_on_units_nor_on_the_direction_of_depth(seed, unit):
    D = cloud(seed, 9)
    labels = S.groups(D, 3).labels
    assert S.groups(D * unit, 3).labels.equals(labels)
    backwards = S.groups(D.iloc[::-1, ::-1], 3).labels
    assert (2 - backwards[labels.index]).equals(labels)


def test_maps_that_say_that_they_are_squared_are_rooted_once():
    D = planted([0, 0, 0, 1, 1, 2, 2])
    squares = D**2
    assert S.groups(squares, 3).silhouette > S.groups(D, 3).silhouette
    squares.attrs["squared"] = True
    assert S.groups(squares, 3).silhouettes.equals(S.groups(D, 3).silhouettes)
    assert S.groups(squares, 3, squared=False).silhouette > S.groups(D, 3).silhouette
    for root, same in ((False, True), (True, False)):
        squares.attrs = {"measure": "gw", "options": {"root": root}}
        assert S.groups(squares, 3).silhouettes.equals(S.groups(D, 3).silhouettes) == same
    squares.attrs = {"measure": "gw"}
    assert np.allclose(S.boundaries(squares)["distance"], S.boundaries(D)["distance"])
    assert np.allclose(S.boundaries(D**2, squared=True)["distance"], S.boundaries(D)["distance"])


@pytest.mark.parametrize("method", ["contiguous", "spectral"])
def test_one_tap_and_two_taps_and_as_many_groups_as_taps_are_allowed(method):
    assert S.groups(cloud(0, 1), method=method).k == 1
    assert S.groups(cloud(0, 2), method=method).k == 1
    assert S.groups(cloud(0, 4), 4, method=method).labels.tolist() == [0, 1, 2, 3]
    assert S.groups(cloud(0, 4), 1, method=method).members == [["t0", "t1", "t2", "t3"]]


@pytest.mark.parametrize(
    ("D", "options", "message"),
    [
        (np.zeros((3, 3)), {}, "expected a DataFrame"),
        (cloud(0, 3).iloc[:2], {}, "2 rows and 3 columns"),
        (cloud(0, 3) * np.nan, {}, "9 distances that are NaN.*Leave the tap out"),
        (-cloud(0, 3), {}, "negative"),
        (cloud(0, 3).astype(str).replace("0.0", "x"), {}, "no numbers"),
        (table(np.triu(np.ones((3, 3)), 1)), {}, "symmetric"),
        (cloud(0, 3), {"k": 4}, "k: got 4 for 3 taps"),
        (cloud(0, 3), {"k": True}, "k: got True"),
        (cloud(0, 3), {"method": "ward"}, "method: got 'ward'"),
        (cloud(0, 3), {"criterion": "eigengap"}, "criterion: got 'eigengap' for contiguous"),
        (cloud(0, 3), {"level": 0}, "level: got 0"),
        (cloud(0, 3), {"level": "a"}, "level: got 'a'"),
        (cloud(0, 3), {"affinity": "x"}, "affinity: got 'x'"),
        (cloud(0, 3), {"squared": "x"}, "squared: got 'x'"),
        (cloud(0, 3), {"draws": -1}, "draws: got -1"),
        (cloud(0, 3), {"method": "spectral", "affinity": "cosine"}, "affinity: got 'cosine'"),
        (cloud(0, 3), {"method": "spectral", "affinity": lambda D: -D}, "no entry below 0"),
        (cloud(0, 3) * 0, {"method": "spectral"}, "taps that differ"),
    ],
)  # fmt: skip
def test_groups_say_in_a_sentence_what_is_wrong(D, options, message):
    with pytest.raises(ArgumentError, match=message):
        S.groups(D, **options)


def test_the_adjusted_rand_index_counts_pairs_and_neither_names_nor_order_matter():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, 10), rng.integers(0, 4, 10)
    pairs = [(a[i] == a[j], b[i] == b[j]) for i, j in combinations(range(10), 2)]
    both, one, other = sum(x and y for x, y in pairs), sum(x for x, _ in pairs), sum(y for _, y in pairs)
    expected = one * other / len(pairs)
    first, second = pd.Series(a, [f"t{i}" for i in range(10)]), {f"t{i}": f"g{b[i]}" for i in reversed(range(10))}
    assert S.adjusted_rand(first, second) == pytest.approx((both - expected) / ((one + other) / 2 - expected))
    D = planted([0, 0, 1, 1, 1])
    assert S.adjusted_rand(S.groups(D, 2), S.groups(D, 2, method="spectral")) == 1
    with pytest.raises(ArgumentError, match="10 and 1 taps"):
        S.adjusted_rand(first, {"t0": 1})
    with pytest.raises(ArgumentError, match="no group for the tap 'b'"):
        S.adjusted_rand({"a": 0, "b": 0}, {"a": 0, "c": 0})


def test_agreement_is_the_rank_correlation_of_the_upper_triangles_and_ignores_monotone_scales():
    maps = {"one": cloud(0, 8), "two": cloud(1, 8), "three": cloud(0, 8) ** 2 + cloud(0, 8)}
    found = S.agreement(maps, draws=9).set_index(["first", "second"])
    upper = np.triu_indices(8, 1)
    rho = spearmanr(maps["one"].to_numpy()[upper], maps["two"].to_numpy()[upper]).statistic
    assert found.loc[("one", "two"), "rho"] == pytest.approx(rho)
    assert found.loc[("one", "three"), "rho"] == pytest.approx(1)
    assert len(found) == 3


def test_the_p_of_the_mantel_test_is_that_of_all_permutations_of_the_taps():
    a, b = cloud(4, 5), cloud(5, 5) + cloud(4, 5)
    upper = np.triu_indices(5, 1)
    rhos = [
        spearmanr(a.to_numpy()[upper], b.to_numpy()[np.ix_(order, order)][upper]).statistic
        for order in map(list, permutations(range(5)))
    ]
    exact = np.mean(np.array(rhos) >= rhos[0] - 1e-12)
    found = S.agreement(a, b, draws=2000).iloc[0]
    assert abs(found["p"] - exact) < 4 * np.sqrt(exact * (1 - exact) / 2000) + 1e-3
    assert S.agreement(a, b, draws=2000).equals(S.agreement(a, b, draws=2000))
    assert np.isnan(S.agreement(a, b, draws=0)["p"][0])


def test_agreement_refuses_other_taps_and_is_undefined_where_all_distances_are_the_same():
    assert np.isnan(S.agreement(cloud(0, 4), table(1 - np.eye(4)))["rho"][0])
    with pytest.raises(ArgumentError, match="got the names 1, '1', which are one text"):
        S.agreement({1: cloud(0, 4), "1": cloud(1, 4)})
    with pytest.raises(ArgumentError, match="got 1 map"):
        S.agreement(cloud(0, 4))
    with pytest.raises(ArgumentError, match="not those of the first"):
        S.agreement(cloud(0, 4), cloud(0, 5))
    with pytest.raises(ArgumentError, match="at least 3"):
        S.agreement(cloud(0, 2), cloud(1, 2))


def line_of(steps, names=None):
    place = np.concatenate([[0], np.cumsum(steps)])
    return table(abs(place - place[:, None]), names)


def twins(m, base, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    return [line_of(base * np.exp(noise * rng.normal(size=len(base)))) for _ in range(m)]


def test_the_series_is_the_first_off_diagonal_and_peaks_exceed_median_and_deviations():
    D = cloud(2, 15)
    found = S.boundaries(D, c=1.5)
    steps = [D.iloc[i, i + 1] for i in range(14)]
    assert found["distance"].tolist() == steps
    assert found.index.tolist() == [f"t{i}" for i in range(1, 15)]
    assert found["previous"].tolist() == [f"t{i}" for i in range(14)]
    limit = np.median(steps) + 1.5 * 1.4826 * np.median(np.abs(steps - np.median(steps)))
    assert found["peak"].tolist() == [step > limit for step in steps]
    assert found.attrs["threshold"] == pytest.approx(limit)
    assert 0 < found["peak"].sum() < 14


@pytest.mark.parametrize("m", [1, 2, 5])
def test_a_boundary_is_a_peak_that_the_untrained_twins_do_not_have(m):
    base = np.ones(20)
    base[5] = 6
    trained = base * np.exp(0.05 * np.random.default_rng(1).normal(size=20))
    trained[12] = 7
    found = S.boundaries(line_of(trained), twins(m, base) if m > 1 else twins(1, base)[0])
    assert found.index[found["peak"]].tolist() == ["t6", "t13"]
    assert found.index[found["boundary"]].tolist() == ["t13"]
    assert found.loc["t13", "ratio"] == pytest.approx(7, rel=0.4)
    assert "times the" in found.loc["t13", "reason"]
    assert found.loc["t6", "p"] > 0.01
    assert not found.loc["t6", "boundary"]
    assert found["null_sd"].isna().all() == (m == 1)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_p_values_of_places_that_training_left_alone_are_those_of_the_null(m):
    rng = np.random.default_rng(m)
    base = np.exp(rng.normal(size=400))
    drawn = [line_of(base * np.exp(0.2 * rng.normal(size=400))) for _ in range(m + 1)]
    found = S.boundaries(drawn[0], drawn[1:])
    for level in (0.01, 0.05, 0.2):
        share = (found["p"] <= level).mean()
        assert share <= level + 3 * np.sqrt(level * (1 - level) / 400)
    assert (found["p"] <= 0.2).mean() > 0.08
    assert not found["boundary"].any()


def test_a_place_where_the_twin_has_more_is_never_a_boundary():
    base = np.full(12, 1.0)
    trained, twin = base.copy(), 5 * base
    trained[4], twin[4] = 4.0, 4.5
    found = S.boundaries(line_of(trained), line_of(twin))
    assert found.loc["t5", "peak"]
    assert found.loc["t5", "reason"] == "peak; no larger than in the untrained twin"
    assert not found["boundary"].any()


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg():
    found = S.boundaries(cloud(0, 30), [cloud(i, 30) for i in (1, 2, 3)])
    p = found["p"].to_numpy()
    adjusted = [min(1, min(q * len(p) / (p <= q).sum() for q in p if q >= own)) for own in p]
    assert np.allclose(found["p_adjusted"], adjusted)


TYPES = ["resid_pre", "k0", "k1", "attn0", "attn1", "resid_post"]


def test_a_change_larger_than_that_of_type_in_other_blocks_is_named_and_is_no_boundary_without_twins():
    names = [f"{block}.{kind}" for block in range(4) for kind in TYPES]
    steps = np.exp(0.1 * np.random.default_rng(0).normal(size=len(names) - 1))
    at = names.index("2.attn0") - 1
    steps[[names.index(f"{block}.attn0") - 1 for block in range(4)]] *= 5
    usual = S.boundaries(line_of(steps, names))
    assert usual["peak"].sum() == 4
    assert not usual["boundary"].any()
    assert usual.loc["2.attn0", "reason"].startswith(
        "peak; usual for this change of type; not tested: no untrained twin"
    )
    steps[at] *= 4
    found = S.boundaries(line_of(steps, names))
    assert not found["boundary"].any()  # 2 heads of a type in 4 blocks: no permutation can be significant
    assert found.index[found["type_p_adjusted"] <= 0.05].tolist() == ["2.attn0"]
    others = [found.loc[f"{block}.attn0", "distance"] for block in (0, 1, 3)]
    assert found.loc["2.attn0", "type_mean"] == pytest.approx(np.mean(others))
    assert found.loc["2.k1", "type_mean"] == pytest.approx(found.loc[["0.k1", "1.k1", "3.k1"], "distance"].mean())
    reason = found.loc["2.attn0", "reason"]
    assert reason.startswith("peak; larger than this change of type in other blocks; not tested: no untrained twin")


def test_a_change_that_training_makes_in_every_block_is_a_boundary_against_the_twins_alone():
    names = [f"{block}.{kind}" for block in range(4) for kind in TYPES]
    rng = np.random.default_rng(0)
    steps = np.exp(0.1 * rng.normal(size=len(names) - 1))
    nulls = [line_of(np.exp(0.1 * rng.normal(size=len(steps))), names) for _ in range(3)]
    steps[[names.index(f"{block}.attn0") - 1 for block in range(4)]] *= 5
    found = S.boundaries(line_of(steps, names), nulls)
    assert found.index[found["boundary"]].tolist() == [f"{block}.attn0" for block in range(4)]
    assert found.loc["1.attn0", "reason"].endswith("the 3 untrained twins; usual for this change of type")


@pytest.mark.parametrize("names", [[f"0.{kind}" for kind in TYPES], list("012345")])
def test_one_block_and_names_without_types_have_no_test_of_types_and_say_so(names):
    found = S.boundaries(line_of([1, 1, 9, 1, 1], names))
    assert found["type_p"].isna().all()
    assert found["peak"].tolist() == [False, False, True, False, False]
    assert not found["boundary"].any()
    assert "not tested" in found["reason"].iloc[2]


def test_boundaries_say_in_a_sentence_what_is_wrong():
    D = cloud(0, 5)
    for null, message in (
        (cloud(0, 4), "null 0: got 4 taps that are not the 5"),
        ([cloud(1, 5), cloud(1, 5)], "the same map twice"),
        (np.ones(3), "expected a DataFrame"),
        (3, "null 0: got int; expected a DataFrame"),
    ):
        with pytest.raises(ArgumentError, match=message):
            S.boundaries(D, null)
    with pytest.raises(ArgumentError, match="at least 3"):
        S.boundaries(cloud(0, 2))
    for options, message in (
        ({"c": -1}, "c: got -1; expected a number of at least 0"),
        ({"c": "a"}, "c: got 'a'"),
        ({"level": "a"}, "level: got 'a'"),
        ({"types": ["k"]}, "types: got a list; expected a mapping"),
        ({"types": {"x": "k"}}, "types: got one of 'x', which is no tap"),
        ({"squared": "x"}, "squared: got 'x'; expected True or False"),
    ):
        with pytest.raises(ArgumentError, match=message):
            S.boundaries(D, **options)


READERS = [
    S.groups,
    S.boundaries,
    lambda D: S.silhouettes(D, {}),
    lambda D: S.agreement(D, D),
]


@pytest.mark.parametrize("read", READERS)
def test_an_empty_table_gets_a_sentence_from_every_reader_of_maps(read):
    with pytest.raises(ArgumentError, match="got an empty table"):
        read(pd.DataFrame())


@pytest.mark.parametrize("unit", [0.0, 1e-300])
def test_taps_at_one_place_are_one_group_and_the_unit_does_not_matter(unit):
    flat = S.groups(cloud(0, 8) * 0)
    assert (flat.k, flat.p) == (1, 1)
    one, other = (S.groups(planted([0] * 5 + [1] * 5) * u) for u in (1.0, unit or 1e300))
    assert one.labels.equals(other.labels)
    assert one.p == other.p


def test_what_is_written_of_groups_says_whether_there_are_any():
    drift = table(abs(np.subtract.outer(np.arange(9.0), np.arange(9.0))))
    found = S.groups(drift, draws=19)
    assert repr(found) == f"Groups(k=1, method='contiguous', no groups: p={found.p:.3g} is above the level 0.05)"
    assert repr(S.groups(drift, 1)) == "Groups(k=1, method='contiguous', one group)"
    assert repr(S.groups(drift, 3)).endswith(", not tested)")
    assert ", p=0.0" in repr(S.groups(planted([0] * 6 + [1] * 6)))


def test_silhouettes_take_groups_as_they_are_found():
    D = planted([0, 0, 0, 1, 1])
    found = S.groups(D, 2)
    assert S.silhouettes(D, found).equals(found.silhouettes)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 1], "got labels as a list; expected Groups, or a Series or mapping"),
        ({"t0": 0, "t1": "a", "t2": 1}, "labels of several types"),
        ({"t0": 0, "t1": np.nan, "t2": 1}, "the label NaN for the tap 't1'"),
    ],
)
def test_labels_that_are_none_get_a_sentence(labels, message):
    with pytest.raises(ArgumentError, match=message):
        S.silhouettes(cloud(0, 3), labels)
    with pytest.raises(ArgumentError, match=message):
        S.adjusted_rand(labels, labels)


def test_one_twin_with_the_same_distance_at_most_places_gives_no_scale_and_no_boundary():
    steps = np.array([1, 1.1, 0.9, 1, 9.0, 1, 1.2, 0.8, 1, 1])
    trained = steps.copy()
    trained[4] = 9.009
    found = S.boundaries(line_of(trained), line_of(steps))
    assert found["peak"].sum() == 1
    assert found["p"].isna().all()
    assert not found["boundary"].any()
    assert "not tested: the ratio to the untrained twin" in found.loc["t5", "reason"]
    rounded = S.boundaries(line_of(trained * (1 + 1e-12 * np.arange(10))), line_of(steps))
    assert rounded["p"].isna().all()


def heads(h, blocks=1, kinds="kq"):
    return [f"{block}.{kind}{i}" for block in range(blocks) for kind in kinds for i in range(h)]


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_p_of_permutations_is_the_share_of_relabellings_that_bring_as_large_a_distance(blocks):
    names = heads(3, blocks)
    D = table(cloud(blocks, len(names)).to_numpy(), names)
    found = S.boundaries(D)
    at = {name: i for i, name in enumerate(names)}
    values = D.to_numpy()
    for tap, row in found.iterrows():
        (b, s), (c, t) = ((int(name[0]), name[2]) for name in (row["previous"], tap))
        reached = []
        for block in permutations(range(blocks)):
            if block[c] - block[b] != c - b:
                continue
            for one, two in {(one, two) for one in permutations(range(3)) for two in permutations(range(3))}:
                two = one if (b, s) == (c, t) else two
                i, j = (at[f"{block[x]}.{kind}{order[int(name[-1])]}"] for x, kind, order, name in (
                    (b, s, one, row["previous"]), (c, t, two, tap)))  # fmt: skip
                reached.append(values[i, j] >= row["distance"])
        assert row["permutation_p"] == pytest.approx(np.mean(reached))
        pairs = 3 * blocks if (b, s) == (c, t) else 9 * (blocks - (c - b))
        assert row["permutation_least"] == pytest.approx(1 / pairs)


def test_permutations_find_the_one_pair_of_many_that_is_far_apart_and_few_heads_can_not():
    for h, significant in ((60, True), (4, False)):
        names = heads(h)
        D = 1 + 0.1 * cloud(1, 2 * h).to_numpy()
        D[h - 1, h] = D[h, h - 1] = 9
        np.fill_diagonal(D, 0)
        found = S.boundaries(table(D, names))
        assert found.loc["0.q0", "permutation_p"] == found.loc["0.q0", "permutation_least"] == 1 / h**2
        assert found.loc["0.q0", "boundary"] == significant
        assert ("cannot be significant" in found.loc["0.q0", "reason"]) != significant


def test_types_are_those_of_known_names_or_given_and_a_type_with_one_member_has_no_p():
    chain = [f"{block}.{i}" for block in range(3) for i in range(4)]
    D = table(cloud(0, 12).to_numpy(), chain)
    untyped = S.boundaries(D)
    assert untyped[["type_p", "permutation_p"]].isna().all(axis=None)
    typed = S.boundaries(D, types={name: "ab"[int(name[-1]) % 2] for name in chain})
    assert typed["permutation_p"].notna().all()
    resnet = [f"{unit}.{step}" for unit in range(3) for step in ("conv", "norm", "relu")] + ["3.linear"]
    found = S.boundaries(table(cloud(0, 10).to_numpy(), resnet))
    assert found.loc["1.norm", "permutation_least"] == pytest.approx(1 / 3)
    assert np.isnan(found.loc["3.linear", "permutation_p"])
    assert found["permutation_p"].notna().sum() == 8
