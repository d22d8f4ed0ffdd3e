"""Statistics of nodes and of their inequality, each against a sum over a list of edges, igraph or networkx."""

from __future__ import annotations

import re

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

import nngraph as nng
from nngraph.blocks import Block, Origin
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Part
from nngraph.stats import _sides
from nngraph.stats.tables import OF_BLOCKS

SIDES = ("source", "target", "both")
SIGNS = ("+", "-", None)


def incident(G, side, sign):
    """(block, weight) of the edges at each node, by a loop over the edges; for the parts on that side of a block."""
    found = {}
    for block in G.blocks:
        ends = [("source", block.source, 0), ("target", block.target, 1)]
        for _, part, k in [end for end in ends if side in (end[0], "both")]:
            for i in range(G.part(part).size):
                found.setdefault((part, i), [])
            for *pair, w in zip(*(a.tolist() for a in block.edges()), strict=True):
                if sign is None or w * {"+": 1, "-": -1}[sign] > 0:
                    found[part, pair[k]].append((block.name, w))
    order = [(part.name, i) for part in G.parts for i in range(part.size)]
    return {node: found[node] for node in order if node in found}


def nan_if_zero(above, below):
    return above / below if below else np.nan


def in_blocks(edges):
    sums = {}
    for block, w in edges:
        sums[block] = sums.get(block, 0) + abs(w)
    return sums


ORACLES = {
    "degree": lambda edges: len(edges),
    "strength": lambda edges: sum(abs(w) for _, w in edges),
    "mean_weight": lambda edges: nan_if_zero(sum(w for _, w in edges), len(edges)),
    "disparity": lambda edges: nan_if_zero(sum(w * w for _, w in edges), sum(abs(w) for _, w in edges) ** 2),
}


def check(found, G, side, sign, oracle):
    edges = incident(G, side, sign)
    assert list(found.index) == list(edges)
    np.testing.assert_allclose(found, [oracle(e) for e in edges.values()], rtol=1e-9, atol=1e-12)


@settings(max_examples=60)
@given(graphs(), st.sampled_from(SIDES), st.sampled_from(SIGNS))
def test_statistics_of_nodes_are_those_of_their_lists_of_edges(G, side, sign):
    """Any graph: dense, masked, sparse and empty blocks, any type, parts of several blocks, weights of 0."""
    for name, oracle in ORACLES.items():
        check(getattr(nng.stats, name)(G, side=side, sign=sign), G, side, sign, oracle)
    check(
        nng.stats.mean_weight(G, side=side, sign=sign, magnitude=True),
        G,
        side,
        sign,
        lambda edges: nan_if_zero(sum(abs(w) for _, w in edges), len(edges)),
    )


def several():
    """A part with two outgoing and two incoming blocks, one of them within the part, one sparse, one empty."""
    rng = np.random.default_rng(3)

    def block(name, source, target, shape, density):
        return Block.from_dense(name, source, target, rng.normal(size=shape), rng.random(shape) < density)

    return NeuralGraph(
        [
            block("up", "x", "y", (8, 5), 1.1),
            block("down", "y", "z", (30, 8), 0.6),
            block("within", "y", "y", (8, 8), 0.5),
            block("few", "x", "z", (30, 5), 0.03),
            block("none", "z", "x", (5, 30), 0.0),
        ]
    )


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("sign", SIGNS)
def test_participation_is_one_minus_the_sum_of_squared_shares_of_the_blocks(side, sign):
    G = several()
    assert {block.is_sparse for block in G.blocks} == {True, False}
    found = nng.stats.participation(G, side=side, sign=sign)
    edges = incident(G, side, sign)
    assert list(found.index) == list(edges)
    for node, value in found.items():
        sums = []
        for block in G.blocks:
            for end, part in (("source", block.source), ("target", block.target)):
                if part == node[0] and side in (end, "both"):
                    one = incident(G.select([block.name]), end, sign)[node]
                    sums.append(sum(in_blocks(one).values()))
        expected = 1 - sum(s**2 for s in sums) / sum(sums) ** 2 if sum(sums) else np.nan
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_node_whose_two_blocks_carry_the_same_participates_in_both():
    G = nng.from_matrices([np.array([[1.0, -1.0]]), np.array([[2.0], [0.0]])])
    assert nng.stats.participation(G).loc["1"].tolist() == [0.5]
    assert nng.stats.participation(G, side="source").loc["1"].tolist() == [0.0]


def test_tied_blocks_count_each_where_it_lies():
    W = np.array([[1.0, -2.0], [3.0, 4.0]])
    tied = [
        Block.from_dense("in", "a", "b", W, origin=Origin("w", (2, 2))),
        Block.from_dense("out", "b", "c", W, origin=Origin("w", (2, 2))),
    ]
    G = NeuralGraph(tied)
    assert nng.stats.strength(G, side="both").loc["b"].tolist() == [3 + 4, 7 + 6]
    assert nng.stats.degree(G, sign="-").tolist() == [0, 1, 0, 1]


def test_changing_a_series_changes_no_other_one():
    G = several()
    first = nng.stats.degree(G)
    first.index.names = ["layer", "unit"]
    first.iloc[:] = 0
    second = nng.stats.degree(G)
    assert second.index.names == ["part", "index"]
    assert second.sum() == G.n_edges


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("power", [1, 2])
def test_blocks_longer_than_one_chunk_sum_as_short_ones_do(monkeypatch, dtype, power):
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(600, 37)).astype(dtype)
    weights[3] = -0.0
    for density in (1.0, 0.5, 0.04):
        mask = rng.random(weights.shape) < density
        block = nng.from_matrices([weights.copy()], [mask]).blocks[0]
        present = np.where(mask, weights, 0).astype(np.float64)
        for at_once in (2**17, 100, 1):
            monkeypatch.setattr(_sides, "_EDGES_AT_ONCE", at_once)
            for axis, side in ((0, "source"), (1, "target")):
                for sign in SIGNS:
                    chosen = mask if sign is None else present > 0 if sign == "+" else present < 0
                    sums = np.where(chosen, np.abs(present) ** power, 0).sum(axis)
                    np.testing.assert_allclose(_sides.strengths(block, side, sign, power), sums, rtol=1e-12)
                    np.testing.assert_array_equal(_sides.degrees(block, side, sign), chosen.sum(axis))


def test_a_row_longer_than_two_bytes_can_count_is_counted():
    ones = np.ones((2, 70_000), dtype=np.float16)
    block = Block.from_dense("b", "x", "y", ones)
    assert _sides.degrees(block, "target", "+").tolist() == [70_000, 70_000]
    assert _sides.degrees(block, "source", "+").tolist() == [2] * 70_000


def test_sums_of_large_float32_and_float16_weights_are_taken_in_float64():
    large = np.full((3, 4), 6e4, dtype=np.float16)
    assert nng.stats.strength(nng.from_matrices([large])).tolist() == [3 * float(large[0, 0])] * 4
    mixed = np.array([[1e8, 1.0, 1.0, 1.0]], dtype=np.float32)
    assert nng.stats.strength(nng.from_matrices([mixed]), side="target").tolist() == [1e8 + 3]


# --------------------------------------------------------------------------- centralities


def chain():
    rng = np.random.default_rng(7)
    return nng.from_matrices([rng.normal(size=(4, 3)), np.where(rng.random((5, 4)) < 0.7, rng.normal(size=(5, 4)), 0)])


def to_nx(G, attribute):
    graph = nx.DiGraph()
    graph.add_nodes_from((part.name, i) for part in G.parts for i in range(part.size))
    for block in G.blocks:
        for j, i, w in zip(*(a.tolist() for a in block.edges()), strict=True):
            graph.add_edge((block.source, j), (block.target, i), weight=attribute(w))
    return graph


def test_betweenness_over_lengths_is_that_of_networkx():
    G = chain()
    expected = nx.betweenness_centrality(to_nx(G, lambda w: 1 / abs(w)), normalized=False, weight="weight")
    found = nng.stats.by_igraph(G, "betweenness", weights="length")
    assert found.name == "igraph.betweenness(weights=length)"
    assert found.to_dict() == pytest.approx(expected)
    products = nng.stats.by_igraph(G, "betweenness", weights=lambda w: -np.log(abs(w) / (2 * abs(w).max())))
    scale = 2 * abs(G.weights()).max()
    expected = nx.betweenness_centrality(to_nx(G, lambda w: -np.log(abs(w) / scale)), normalized=False, weight="weight")
    assert products.to_dict() == pytest.approx(expected)


def test_pagerank_over_magnitudes_is_that_of_networkx():
    G = chain()
    expected = nx.pagerank(to_nx(G, abs), weight="weight", tol=1e-12, max_iter=1000)
    found = nng.stats.by_igraph(G, "pagerank", weights="magnitude")
    assert found.to_dict() == pytest.approx(expected, abs=1e-9)


def test_coreness_and_closeness_are_those_of_networkx_and_undefined_closeness_is_nan():
    G = chain()
    graph = to_nx(G, abs)
    core = nng.stats.by_igraph(G, "coreness")
    assert core.to_dict() == nx.core_number(graph.to_undirected())
    assert core.dtype == np.int64
    close = nng.stats.by_igraph(G, "closeness", mode="in", normalized=False)
    reached = {node: nx.single_source_shortest_path_length(graph.reverse(), node) for node in graph}
    for node, value in close.items():
        total = sum(reached[node].values())
        assert value == pytest.approx(1 / total if total else np.nan, nan_ok=True)
    assert np.isnan(close["0", 0])


def test_a_function_of_the_view_is_a_statistic_too_and_signed_weights_are_those_of_the_graph():
    G = chain()

    def out_weight(g):
        return g.strength(mode="out", weights="weight")

    found = nng.stats.by_igraph(G, out_weight)
    assert found.name == "out_weight"
    pd_signed = nng.stats.by_igraph(G, "strength", weights="signed", mode="out")
    np.testing.assert_allclose(found, pd_signed)
    expected = nng.stats.strength(G, sign="+") - nng.stats.strength(G, sign="-")
    np.testing.assert_allclose(found[expected.index], expected)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("betweeness", {}, "did you mean 'betweenness'"),
        ("vcount", {}, "gave int; expected one number for each vertex"),
        ("get_edgelist", {}, "gave list; expected one number for each vertex"),
        ("coreness", {"weights": "magnitude"}, "igraph gives TypeError"),
        ("betweenness", {"weights": "signed"}, "Lengths have to be positive: weights='length'"),
        ("betweenness", {"weights": "big"}, "weights: got 'big'; expected None, 'magnitude', 'signed', 'length'"),
        ("pagerank", {"weights": lambda w: w[:2]}, r"the function gave shape \(2,\); expected \(\d+,\)"),
        (len, {"mode": "in"}, "got a function and arguments for it"),
    ],
)
def test_what_igraph_cannot_do_is_said_in_one_sentence(method, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        nng.stats.by_igraph(chain(), method, **arguments)


def test_an_edge_of_weight_0_has_no_length():
    G = nng.from_matrices([np.array([[1.0, 0.0]])], zeros="keep")
    with pytest.raises(ArgumentError, match=re.escape("edge 1 has the weight 0")):
        nng.stats.by_igraph(G, "betweenness", weights="length")
    assert len(nng.stats.by_igraph(G.with_support(G.weights() != 0), "betweenness", weights="length")) == 3


# -------------------------------------------------------------------------- heterogeneity


def gini_by_pairs(x):
    x = np.asarray(x, dtype=float)
    return np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) ** 2 * x.mean())


def two_blocks():
    rng = np.random.default_rng(11)
    masks = [rng.random((9, 6)) < 0.6, rng.random((30, 9)) < 0.04, np.zeros((4, 30), bool)]
    return nng.from_matrices([rng.normal(size=mask.shape) for mask in masks], masks)


@pytest.mark.parametrize("sign", SIGNS)
def test_heterogeneity_and_gini_of_blocks_are_their_definitions_and_of_networks_the_mean_over_nodes(sign):
    G = two_blocks()
    names = ("heterogeneity", "degree_gini", "strength_gini", "degree_moments", "strength_moments", "isolated")
    rows = {name: [] for name in names}
    for block in G.blocks:
        one = G.select([block.name])
        row = {name: getattr(nng.stats, name)(one, sign=sign) for name in names}
        for side, n, n_opposite in (("source", *block.shape[::-1]), ("target", *block.shape)):
            k, s = (f(one, side=side, sign=sign).to_numpy() for f in (nng.stats.degree, nng.stats.strength))
            assert row["isolated"][side] == np.mean(k == 0)
            for name, x in (("degree", k), ("strength", s)):
                moments = row[f"{name}_moments"]
                found = [moments[f"{side}_{key}"] for key in ("mean", "sd", "max")]
                assert found == pytest.approx([x.mean(), x.std(), x.max()])
            if not k.sum():
                assert np.isnan(row["heterogeneity"][side])
                assert np.isnan(row["degree_gini"][side])
                assert np.isnan(row["strength_gini"][side])
                continue
            p = k.sum() / (n * n_opposite)
            assert row["heterogeneity"][side] == pytest.approx(np.mean(k**2) / np.mean(k) ** 2)
            assert row["heterogeneity"][f"{side}_binomial"] == pytest.approx(1 + (1 - p) / (n_opposite * p))
            assert row["degree_gini"][side] == pytest.approx(gini_by_pairs(k))
            assert row["strength_gini"][side] == pytest.approx(gini_by_pairs(s))
        for name in names:
            rows[name].append(row[name])
    for name in names:
        whole = getattr(nng.stats, name)(G, sign=sign)
        for key, value in whole.items():
            parts = np.array([row[key] for row in rows[name]])
            weights = np.array([block.shape[0 if "target" in key else 1] for block in G.blocks])
            keep = ~np.isnan(parts)
            expected = parts.max() if key.endswith("max") else np.average(parts[keep], weights=weights[keep])
            assert value == pytest.approx(expected), (name, key)


def test_random_supports_have_the_binomial_heterogeneity():
    rng = np.random.default_rng(0)
    shape = (1500, 1500)
    G = nng.from_matrices([np.ones(shape)], [rng.random(shape) < 0.02])
    found = nng.stats.heterogeneity(G)
    for side in ("source", "target"):
        excess, expected = found[side] - 1, found[f"{side}_binomial"] - 1
        assert abs(excess / expected - 1) < 4 * np.sqrt(2 / 1500)  # the variance of n degrees has the share 2/n


def test_weight_moments_are_those_of_the_list_of_weights():
    G = two_blocks()
    w = G.weights()
    found = nng.stats.weight_moments(G)
    expected = {"mean": w.mean(), "mean_magnitude": np.abs(w).mean(), "rms": np.sqrt((w**2).mean())}
    assert found == pytest.approx(expected)
    empty = nng.stats.weight_moments(nng.from_matrices([np.zeros((2, 3))]))
    assert all(np.isnan(value) for value in empty.values())


def test_a_graph_without_nodes_or_blocks_has_no_values_and_raises_nothing():
    for G in (NeuralGraph([], [Part("x", 3)]), nng.from_matrices([np.zeros((0, 4))]), NeuralGraph([])):
        for name in ("degree", "strength", "disparity", "mean_weight", "participation"):
            assert len(getattr(nng.stats, name)(G)) == sum(part.size for part in G.parts if G.blocks) * bool(G.blocks)
        for name in OF_BLOCKS:
            values = nng.stats.NETWORK[name](G)
            for value in values.values() if isinstance(values, dict) else [values]:
                assert np.isnan(value) or value in (0, 1), name  # all of the nodes are isolated


@pytest.mark.parametrize("name", ["degree", "strength", "mean_weight", "disparity", "participation"])
def test_bad_arguments_of_statistics_of_nodes_are_named(name):
    statistic = getattr(nng.stats, name)
    G = chain()
    for arguments, message in (
        ({"side": "up"}, f"{name}: side: got 'up'; expected 'source', 'target' or 'both'"),
        ({"sign": 1}, f"{name}: sign: got 1; expected '+', '-'"),
    ):
        with pytest.raises(ArgumentError, match=re.escape(message)):
            statistic(G, **arguments)
    with pytest.raises(ArgumentError, match=f"{name}: got a list; expected a NeuralGraph"):
        statistic([])


@pytest.mark.parametrize("name", ["heterogeneity", "degree_gini", "strength_gini", "degree_moments", "isolated"])
def test_bad_arguments_of_statistics_of_blocks_are_named(name):
    with pytest.raises(ArgumentError, match=re.escape(f"{name}: sign: got 'up'; expected '+'")):
        getattr(nng.stats, name)(chain(), sign="up")


@pytest.mark.parametrize("unit", [1e-300, 1e-162, 1e-140, 1.0, 1e140, 1e160, 1e300])
@pytest.mark.parametrize("zeros", ["drop", "keep"])
def test_the_unit_of_weights_changes_no_share_and_scales_every_moment(unit, zeros):
    W = np.array([[1.0, 3.0, 0.0], [-2.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    plain, scaled = (nng.from_matrices([w, w.T], zeros=zeros) for w in (W, W * unit))
    assert nng.stats.disparity(scaled, side="target")["1"].iloc[0] == pytest.approx(0.625)
    for statistic in (nng.stats.disparity, nng.stats.participation):
        for side in ("source", "target", "both"):
            for sign in ("+", "-", None):
                expected = statistic(plain, side=side, sign=sign)
                np.testing.assert_allclose(statistic(scaled, side=side, sign=sign), expected, rtol=1e-12)
    for statistic in (nng.stats.weight_moments, nng.stats.strength_moments):
        for key, value in statistic(scaled).items():
            assert value == pytest.approx(unit * statistic(plain)[key], rel=1e-12)


def test_nodes_of_tiny_and_of_huge_weights_in_one_block_each_have_their_disparity():
    W = np.array([[1e-162, 3e-162], [1e160, 3e160], [1.0, 3.0]])
    assert nng.stats.disparity(nng.from_matrices([W]), side="target").tolist() == pytest.approx([0.625] * 3)
