"""beta_eff and x_eff of any weighted graph, against sums over its adjacency matrix."""

import igraph
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import multipartite

import nngraph as nng
from nngraph.dynamics import reduction
from nngraph.errors import ArgumentError


def random_graph(seed, *, directed, signed):
    """Loops and parallel edges too; A_ij is the weight of j -> i."""
    rng = np.random.default_rng(seed)
    n, m = 7, 20
    ends = rng.integers(n, size=(m, 2))
    w = rng.normal(size=m) + (0 if signed else 5)
    g = igraph.Graph(n, ends.tolist(), directed=directed)
    g.es["weight"] = w.tolist()
    A = np.zeros((n, n))
    for (j, i), value in zip(ends, w, strict=True):
        A[i, j] += value
        if not directed and i != j:
            A[j, i] += value
    return g, A, rng.normal(size=n)


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_both_are_the_ratios_of_sums_over_the_adjacency_matrix(seed, directed, signed):
    g, A, x = random_graph(seed, directed=directed, signed=signed)
    one = np.ones(len(A))
    r = reduction(g)
    assert r.s_in == pytest.approx(A @ one, abs=1e-12)
    assert r.s_out == pytest.approx(one @ A, abs=1e-12)
    total = one @ A @ one
    assert r.beta_eff * total == pytest.approx(one @ A @ (A @ one), rel=1e-9, abs=1e-9)
    assert r.x_eff(x) * total == pytest.approx(one @ A @ x, rel=1e-9, abs=1e-9)


@given(st.integers(0, 10_000))
def test_beta_eff_is_mean_strength_plus_symmetry_times_heterogeneity(seed):
    r = reduction(random_graph(seed, directed=True, signed=False)[0])
    assert r.beta_eff == pytest.approx(r.mean_strength + r.symmetry * r.heterogeneity, rel=1e-12)


@given(multipartite())
def test_a_neural_graph_and_its_igraph_agree(G):
    ours, theirs = reduction(G), reduction(G.to_igraph())
    assert ours.s_in == pytest.approx(theirs.s_in)
    assert ours.s_out == pytest.approx(theirs.s_out)
    assert ours.beta_eff == pytest.approx(theirs.beta_eff, nan_ok=True)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_where_every_node_has_the_same_strength_the_reduction_is_exact(k):
    ring = igraph.Graph.Lattice([12], nei=k, circular=True)
    r = reduction(ring)
    assert (r.beta_eff, r.mean_strength, r.heterogeneity) == (2 * k, 2 * k, 0)
    assert np.isnan(r.symmetry)
    assert r.x_eff(np.full(12, 0.7)) == pytest.approx(0.7)


def test_weights_come_from_the_attribute_asked_for():
    g = igraph.Graph([(0, 1), (1, 2), (2, 1)], directed=True)
    g.es["weight"], g.es["flow"] = [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]
    # node 1: in 1 + 3, out 2; node 2: in 2, out 3
    assert reduction(g).beta_eff == pytest.approx((2 * 4 + 3 * 2) / 6)
    assert reduction(g, weights="flow").beta_eff == pytest.approx(2 * reduction(g, weights=None).beta_eff)
    assert reduction(g, weights=None).beta_eff == pytest.approx((1 * 2 + 1 * 1) / 3)


def test_weights_that_cancel_give_nan():
    g = igraph.Graph([(0, 1), (1, 2)], directed=True)
    g.es["weight"] = [0.1, -0.1]
    assert np.isnan(reduction(g).beta_eff)
    assert np.isnan(reduction(g).x_eff([1, 2, 3]))
    assert np.isnan(reduction(igraph.Graph(3)).beta_eff)
    assert np.isnan(reduction(igraph.Graph()).beta_eff)


def weighted(values):
    g = igraph.Graph([(0, 1), (1, 2)])
    g.es["weight"] = values
    return g


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: reduction(np.eye(3)), "got ndarray"),
        (lambda: reduction(weighted([1.0, np.nan])), "got nan at edge 1"),
        (lambda: reduction(weighted([1.0, "a"])), "no numbers"),
        (lambda: reduction(weighted([1.0, 2.0]), weights="flow"), "'flow'"),
        (lambda: reduction(weighted([1.0, 2.0])).x_eff([1.0]), r"shape \(1,\); expected \(3,\)"),
        (lambda: reduction(weighted([1.0, 2.0])).x_eff(["a"] * 3), r"x: got states that are no numbers"),
        (lambda: reduction(weighted([1.0, 2.0])).x_eff([[1.0], 2.0, 3.0]), r"x: got states that are no numbers"),
    ],
)
def test_bad_input_is_said_in_one_sentence(call, says):
    with pytest.raises(ArgumentError, match=says):
        call()


def test_the_names_are_there():
    assert nng.dynamics.reduction is reduction
