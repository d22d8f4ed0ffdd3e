"""Mutual information of degrees, against tables counted by hand, shuffles, and the sums of scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information, mutual_info_score

import nngraph as nng
from nngraph.errors import ArgumentError

INFORMATION = nng.stats.mutual_information


def bins_of(values, bins, scale):
    """The number of each value's bin, by comparing with the edges of the bins."""
    space = np.geomspace if scale == "log" else np.linspace
    inner = space(min(values), max(values), bins + 1)[1:-1]
    return [int(np.sum(value >= inner * (1 - 1e-12))) for value in values]


def network(density, seed, *, sizes=(30, 25, 20, 15)):
    rng = np.random.default_rng(seed)
    shapes = [(b, a) for a, b in itertools.pairwise(sizes)]
    fitness = [rng.exponential(size=n) for n in sizes]
    chances = [np.outer(b, a) * density for a, b in itertools.pairwise(fitness)]
    return nng.from_matrices([rng.normal(size=shape) for shape in shapes], [rng.random(p.shape) < p for p in chances])


CASES = {
    "complete": network(1e9, 0),
    "masked": network(0.5, 1),
    "sparse rows": network(0.03, 2, sizes=(80, 70, 60)),
    "no edge": network(0.0, 3),
    "one block": network(0.4, 4, sizes=(30, 20)),
}


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.sampled_from(["log", "linear"]))
def test_information_is_that_of_the_table_less_its_mean_over_shuffles(seed, bins, scale):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    x, z = rng.integers(1, 30, n), rng.integers(1, 12, n)
    a, b = bins_of(x, bins, scale), bins_of(z, bins, scale)
    plain = mutual_info_score(a, b)
    assert INFORMATION(x, z, bins=bins, scale=scale, corrected=False) == pytest.approx(plain, abs=1e-12)
    chance = expected_mutual_information(contingency_matrix(a, b, sparse=True), n)
    assert INFORMATION(x, z, bins=bins, scale=scale) == pytest.approx(plain - chance, abs=1e-9)


def test_the_mean_that_is_subtracted_is_that_of_shuffles():
    rng = np.random.default_rng(0)
    x, z = rng.integers(1, 9, 40), rng.integers(1, 9, 40)
    shuffled = [INFORMATION(x, rng.permutation(z), corrected=False) for _ in range(2000)]
    subtracted = INFORMATION(x, z, corrected=False) - INFORMATION(x, z)
    assert subtracted == pytest.approx(np.mean(shuffled), abs=4 * np.std(shuffled) / np.sqrt(2000))
    assert subtracted > 20 * np.std(shuffled) / np.sqrt(2000)


def test_the_mean_over_shuffles_of_many_is_the_leading_term_of_its_expansion():
    rng = np.random.default_rng(0)
    n = 300_000
    x, z = rng.integers(1, 5, n), rng.integers(1, 4, n)
    subtracted = INFORMATION(x, z, scale="linear", corrected=False) - INFORMATION(x, z, scale="linear")
    assert subtracted == pytest.approx((4 - 1) * (3 - 1) / (2 * n), rel=1e-3)


def test_values_that_are_not_positive_have_no_place_on_a_logarithmic_scale():
    x, z = [0, 1, 2, 4, 8, 5], [1, 1, 2, 4, 8, 0]
    assert INFORMATION(x, z) == INFORMATION(x[1:5], z[1:5]) != INFORMATION(x, z, scale="linear")
    assert np.isnan(INFORMATION([0, 1], [1, 0]))
    assert np.isnan(INFORMATION([], []))


def test_a_value_that_does_not_vary_tells_nothing_and_the_same_values_tell_their_entropy():
    k = np.repeat([1, 2, 4, 8], 25)
    assert INFORMATION(k, np.full(100, 3)) == 0.0
    assert INFORMATION(k, k, corrected=False) == pytest.approx(np.log(4))
    folded = np.abs(2 * k - 9)  # 7, 5, 1, 7
    assert INFORMATION(k, folded, scale="linear", corrected=False) == pytest.approx(np.log(4) - np.log(2) / 2)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_in_out_information_is_the_mean_over_parts_by_their_live_nodes(name, scale):
    G = CASES[name]
    for key, sign in (("all", None), ("+", "+"), ("-", "-")):
        into, out = (nng.stats.degree(G, side=side, sign=sign) for side in ("target", "source"))
        groups = []
        for part in G.parts[1:-1]:
            pairs = np.array([(into[part.name, i], out[part.name, i]) for i in range(part.size)])
            live = pairs[(pairs > 0).all(axis=1)]
            if len(live):
                groups.append((len(live), INFORMATION(live[:, 0], live[:, 1], bins=5, scale=scale)))
        expected = sum(n * value for n, value in groups) / sum(n for n, _ in groups) if groups else np.nan
        found = nng.stats.in_out_information(G, bins=5, scale=scale)
        assert list(found) == ["all", "+", "-"]
        assert found[key] == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_degree_information_is_the_mean_over_blocks_by_their_edges(name, scale):
    G = CASES[name]
    for key, kept in (("all", lambda w: True), ("+", lambda w: w > 0), ("-", lambda w: w < 0)):
        groups = []
        for block in G.blocks:
            edges = [(j, i) for j, i, w in zip(*(a.tolist() for a in block.edges()), strict=True) if kept(w)]
            sources, targets = [j for j, _ in edges], [i for _, i in edges]
            pairs = [(sources.count(j), targets.count(i)) for j, i in edges]
            if pairs:
                groups.append((len(pairs), INFORMATION(*zip(*pairs, strict=True), bins=5, scale=scale)))
        expected = sum(n * value for n, value in groups) / sum(n for n, _ in groups) if groups else np.nan
        found = nng.stats.degree_information(G, bins=5, scale=scale)
        assert list(found) == ["all", "+", "-"]
        assert found[key] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_cases_are_dense_masked_and_sparse_and_tell_something():
    held = {(block.is_sparse, block.mask is None) for G in CASES.values() for block in G.blocks}
    assert held == {(False, True), (False, False), (True, False)}
    assert nng.stats.degree_information(CASES["complete"])["all"] == 0.0
    assert np.isnan(nng.stats.in_out_information(CASES["one block"])["all"])
    assert nng.stats.in_out_information(CASES["masked"])["all"] > 0.1  # degrees follow one fitness on both sides


def test_independent_degrees_tell_nothing_on_average():
    values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        W, V = (np.where(rng.random(shape) < 0.2, 1.0, 0) for shape in ((40, 30), (30, 40)))
        values.append(nng.stats.in_out_information(nng.from_matrices([W, V]))["all"])
    assert abs(np.mean(values)) < 3.5 * np.std(values) / np.sqrt(60)


@given(st.integers(0, 2**32 - 1))
def test_permuting_nodes_or_turning_all_edges_changes_no_information(seed):
    rng = np.random.default_rng(seed)
    W, V = (np.where(rng.random(shape) < 0.5, rng.normal(size=shape), 0) for shape in ((9, 8), (7, 9)))
    p, q = rng.permutation(8), rng.permutation(9)
    before = nng.from_matrices([W, V])
    for after in (nng.from_matrices([W[q][:, p], V[:, q]]), nng.from_matrices([V.T, W.T])):
        for statistic in (nng.stats.in_out_information, nng.stats.degree_information):
            assert statistic(after) == pytest.approx(statistic(before), abs=1e-12, nan_ok=True)


def test_arguments_are_checked():
    G = CASES["masked"]
    for call, message in (
        (lambda: INFORMATION([1, 2], [1]), r"mutual_information: got x and z of shapes \(2,\) and \(1,\)"),
        (lambda: INFORMATION([1, np.nan], [1, 2]), "mutual_information: got a value that is not finite"),
        (lambda: INFORMATION([1], [1], bins=1), "mutual_information: bins: got 1; expected an integer from 2 to 1,000"),
        (lambda: INFORMATION([1], [1], bins=10**9), "mutual_information: bins: got 1000000000; expected an integer"),
        (
            lambda: INFORMATION(["a"], [1]),
            "mutual_information: got x as list and z as list that hold what is no number",
        ),
        (lambda: nng.stats.degree_information(G, scale=np.ones(2)), "degree_information: scale: got array"),
        (lambda: nng.stats.in_out_information(G, bins=True), "in_out_information: bins: got True"),
        (lambda: nng.stats.degree_information(G, scale="x"), "degree_information: scale: got 'x'; expected 'log'"),
        (lambda: nng.stats.degree_information([1]), "degree_information: got a list; expected a NeuralGraph"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
