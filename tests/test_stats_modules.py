"""Modularity, nestedness and cores, against sums over pairs of nodes, full enumerations, igraph and networkx."""

from __future__ import annotations

import itertools

import igraph
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Part
from nngraph.stats import modules, nesting


def network(sizes, density, seed, *, dtype=np.float64):
    rng = np.random.default_rng(seed)
    shapes = [(b, a) for a, b in itertools.pairwise(sizes)]
    weights = [rng.choice([-1.5, -0.5, 0.0, 1.0, 2.0], size=shape).astype(dtype) for shape in shapes]
    return nng.from_matrices(weights, [rng.random(shape) < density for shape in shapes], zeros="keep")


CASES = {
    "complete": network((6, 5, 4), 1, 0),
    "masked, float16": network((6, 7, 5), 0.5, 1, dtype=np.float16),
    "sparse rows": network((50, 40, 30), 0.04, 2),
    "no edge": network((4, 3), 0, 3),
    "one edge": nng.from_matrices([np.array([[0.0, 2.0], [0.0, 0.0]])]),
    "several blocks of a part": NeuralGraph(
        [
            Block.from_dense("a", "x", "y", np.array([[1.0, -2.0, 1.0], [0.0, 1.0, 1.0]])),
            Block.from_dense("b", "x", "y", np.array([[1.0, 1.0, -1.0], [2.0, 1.0, 1.0]])),
            Block.from_dense("c", "x", "z", np.array([[1.0, 0.0, 1.0]]), np.array([[True, False, True]])),
        ],
        [Part("x", 3), Part("y", 2), Part("z", 1), Part("lonely", 2)],
    ),
}
FORMS = ("all", "+", "-", "signed")


def counted(G, form, *, weighted=False):
    """Each block as {(target, source): edge} with vertex ids."""
    found = []
    for block in G.blocks:
        s, t = (G.offsets[part] for part in (block.source, block.target))
        edges = {}
        for j, i, w in zip(*(array.tolist() for array in block.edges()), strict=True):
            if form == "all" or w * {"+": 1, "-": -1}[form] > 0:
                edges[i + t, j + s] = abs(w) if weighted else 1.0
        pairs = [(i + t, j + s) for i in range(block.n_target) for j in range(block.n_source)]
        found.append((edges, pairs))
    return found


def modularity_pair_by_pair(G, labels, form, *, weighted=False):
    if form == "signed":
        totals = {sign: sum(sum(edges.values()) for edges, _ in counted(G, sign, weighted=weighted)) for sign in "+-"}
        if not sum(totals.values()):
            return np.nan
        of = {sign: modularity_pair_by_pair(G, labels, sign, weighted=weighted) for sign in "+-"}
        return sum(factor * totals[sign] * of[sign] for sign, factor in (("+", 1), ("-", -1)) if totals[sign]) / sum(
            totals.values()
        )
    blocks = counted(G, form, weighted=weighted)
    total, q = sum(sum(edges.values()) for edges, _ in blocks), 0.0
    for edges, pairs in blocks:
        m = sum(edges.values())
        into, out = {}, {}
        for (i, j), edge in edges.items():
            into[i], out[j] = into.get(i, 0) + edge, out.get(j, 0) + edge
        for i, j in pairs:
            if labels[i] == labels[j] and m:
                q += edges.get((i, j), 0) - into.get(i, 0) * out.get(j, 0) / m
    return q / total if total else np.nan


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_modularity_is_the_sum_over_pairs_of_nodes_in_one_module(name, weighted):
    G = CASES[name]
    labels = np.random.default_rng(0).integers(0, 3, G.n_nodes)
    found = nng.stats.modularity(G, labels, weighted=weighted)
    assert list(found) == list(FORMS)
    for form in FORMS:
        expected = modularity_pair_by_pair(G, labels, form, weighted=weighted)
        assert found[form] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_cases_are_dense_masked_and_sparse():
    held = {(block.is_sparse, block.mask is None) for G in CASES.values() for block in G.blocks}
    assert held == {(False, True), (False, False), (True, False)}


def test_modularity_of_one_block_is_that_of_igraph_for_directed_edges():
    """Directed modularity expects k_out k_in / m, which is the bipartite expectation where all edges go one way."""
    G = network((20, 15), 0.3, 5)
    labels = np.random.default_rng(1).integers(0, 4, 35)
    expected = G.to_igraph().modularity(labels.tolist(), directed=True)
    assert nng.stats.modularity(G, labels)["all"] == pytest.approx(expected)


def test_labels_may_be_a_series_in_any_order_and_of_any_kind():
    G = CASES["sparse rows"]
    labels = nng.stats.communities(G)
    named = labels.map(lambda number: f"module {number}").sample(frac=1, random_state=0)
    assert nng.stats.modularity(G, named) == pytest.approx(nng.stats.modularity(G, labels.to_numpy()), nan_ok=True)


# ---------------------------------------------------------------------------- the search


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(6))
def test_the_search_comes_close_to_the_largest_modularity_of_all_partitions(form, seed):
    G = network((4, 4), 0.7, 10 + seed)
    apart = np.arange(8)
    together = np.zeros((8, 8))  # what the modularity gains from two nodes in one module
    for i, j in itertools.product(range(4), range(4, 8)):
        labels = np.where(apart == j, i, apart)
        together[i, j] = modularity_pair_by_pair(G, labels, form)
    every = np.array(partitions(8))
    same = every[:, :, None] == every[:, None, :]
    largest = (same * together).sum(axis=(1, 2)).max()
    found = nng.stats.modularity(G, nng.stats.communities(G, form=form))[form]
    assert found == pytest.approx(largest, abs=0.03)
    assert found <= largest + 1e-12


def partitions(n):
    """Every partition of n nodes, as labels of restricted growth."""
    labels = [[0]]
    for _ in range(n - 1):
        labels = [[*one, new] for one in labels for new in range(max(one) + 2)]
    return labels


def planted(sizes, n_modules, seed, *, inside, outside, signed=False):
    rng = np.random.default_rng(seed)
    module = [rng.permutation(np.arange(n) % n_modules) for n in sizes]
    matrices = []
    for a, b in itertools.pairwise(module):
        same = b[:, None] == a
        if signed:
            matrices.append(np.where(rng.random(same.shape) < np.where(same, inside, outside), 1.0, -1.0))
        else:
            matrices.append((rng.random(same.shape) < np.where(same, inside, outside)).astype(float))
    return nng.from_matrices(matrices), np.concatenate(module)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("sizes", [(60, 40), (60, 40, 50, 20)])
def test_planted_modules_are_found_along_chains_of_parts(sizes, signed):
    G, module = planted(sizes, 4, 0, inside=0.8, outside=0.2 if signed else 0.1, signed=signed)
    found = nng.stats.communities(G, form="signed" if signed else "all")
    assert igraph.compare_communities(found.to_list(), module.tolist(), method="adjusted_rand") > 0.97


def test_the_search_ends_no_lower_than_the_planted_modules_and_than_label_swaps():
    G, module = planted((40, 30, 20), 3, 1, inside=0.3, outside=0.15)
    labels = nng.stats.communities(G, form="all").to_numpy()
    found = nng.stats.modularity(G, labels)["all"]
    assert found >= nng.stats.modularity(G, module)["all"]
    for node, label in itertools.product(range(G.n_nodes), range(labels.max() + 1)):
        moved = labels.copy()
        moved[node] = label
        assert nng.stats.modularity(G, moved)["all"] <= found + 1e-9


def test_more_kicks_never_end_lower_and_a_seed_gives_the_same_modules():
    G = network((60, 50, 40), 0.1, 7)
    values = [nng.stats.max_modularity(G, kicks=kicks, rng=3)["all"] for kicks in (0, 5, 20)]
    assert values == sorted(values)
    assert values[0] < values[-1]
    same = [nng.stats.communities(G, rng=rng) for rng in (3, 3, np.random.SeedSequence(3))]
    pd.testing.assert_series_equal(same[0], same[1])
    pd.testing.assert_series_equal(same[0], same[2])


@pytest.mark.parametrize("form", ["all", "signed"])
@pytest.mark.parametrize("name", CASES)
def test_max_modularity_is_the_modularity_of_the_communities(name, form):
    G = CASES[name]
    labels = nng.stats.communities(G, form=form)
    assert list(labels.index) == [(part.name, i) for part in G.parts for i in range(part.size)]
    assert labels.name == f"communities(form={form})"
    expected = nng.stats.modularity(G, labels)[form]
    assert nng.stats.max_modularity(G)[form] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    met = [label for label in dict.fromkeys(labels) if label >= 0]
    assert met == list(range(len(met)))


def test_nodes_without_edges_are_in_no_module():
    G = CASES["several blocks of a part"]
    assert nng.stats.communities(G)["lonely"].tolist() == [-1, -1]
    assert (nng.stats.communities(CASES["no edge"]) == -1).all()
    one = nng.stats.communities(CASES["one edge"], form="all")
    assert one.tolist() == [-1, 0, 0, -1]


def test_a_complete_block_is_one_module_and_of_modularity_0():
    G = nng.from_matrices([np.ones((5, 6)), np.ones((4, 5))])
    assert nng.stats.max_modularity(G) == pytest.approx({"all": 0.0, "signed": 0.0}, abs=1e-12)
    assert set(nng.stats.communities(G, form="all")) == {0}


def test_more_nodes_than_first_modules_still_find_planted_ones(monkeypatch):
    monkeypatch.setattr(modules, "MOST", 12)
    G, module = planted((60, 40), 4, 0, inside=0.8, outside=0.1)
    found = nng.stats.communities(G, form="all")
    assert igraph.compare_communities(found.to_list(), module.tolist(), method="adjusted_rand") > 0.9


@settings(max_examples=25)
@given(graphs())
def test_any_graph_has_modules_cores_and_nestedness(G):
    found = nng.stats.max_modularity(G, kicks=2)
    assert np.isnan(found["all"]) == (G.n_edges == 0)
    for value in (*found.values(), *nng.stats.nestedness(G).values()):
        assert np.isnan(value) or 0 <= value + 1e-9 <= 1 + 2e-9
    assert nng.stats.core_sizes(G).sum() >= G.n_nodes


# ----------------------------------------------------------------------------- nestedness


def nodf_pair_by_pair(G, kept):
    overlap, pairs = 0.0, 0
    for block in G.blocks:
        edges = [(j, i) for j, i, w in zip(*(a.tolist() for a in block.edges()), strict=True) if kept(w)]
        for side in (0, 1):
            neighbours = {}
            for edge in edges:
                neighbours.setdefault(edge[side], set()).add(edge[1 - side])
            for one, other in itertools.combinations(neighbours.values(), 2):
                pairs += 1
                few, many = sorted((one, other), key=len)
                overlap += len(few & many) / len(few) if len(few) < len(many) else 0.0
    return overlap / pairs if pairs else np.nan


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("slab", [2**23, 1])
def test_nestedness_is_the_mean_paired_overlap_of_decreasing_fill(name, slab, monkeypatch):
    monkeypatch.setattr(nesting, "SLAB", slab)
    found = nng.stats.nestedness(CASES[name])
    expected = {
        "all": nodf_pair_by_pair(CASES[name], lambda w: True),
        "+": nodf_pair_by_pair(CASES[name], lambda w: w > 0),
        "-": nodf_pair_by_pair(CASES[name], lambda w: w < 0),
    }
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert list(found) == list(expected)


def test_nestedness_of_a_published_kind_of_matrix():
    """By hand: 3 rows of 3, 2, 1, all nested, and the same by columns, then one edge out of place."""
    nested = np.array([[1.0, 1, 1], [1, 1, 0], [1, 0, 0]])
    assert nng.stats.nestedness(nng.from_matrices([nested]))["all"] == 1.0
    moved = np.array([[1.0, 1, 1], [1, 1, 0], [0, 0, 1]])  # columns have degrees 2, 2, 2
    assert nng.stats.nestedness(nng.from_matrices([moved]))["all"] == pytest.approx((1 + 1 + 0) / 6)


# ---------------------------------------------------------------------------------- cores


@pytest.mark.parametrize("name", [name for name in CASES if name != "several blocks of a part"])
def test_cores_are_those_of_networkx(name):
    G = CASES[name]
    number = nx.core_number(G.to_networkx().to_undirected())
    values = np.array(list(number.values()))
    sizes = nng.stats.core_sizes(G)
    assert sizes.to_dict() == {k: int(np.sum(values >= k)) for k in range(values.max() + 1)}
    assert (sizes.name, sizes.index.name) == ("core_sizes", "k")
    assert nng.stats.cores(G) == {"max": values.max(), "nodes": np.mean(values == values.max())}


def test_parallel_edges_of_two_blocks_count_twice_in_a_core():
    pair = [Block.from_dense(name, "x", "y", np.ones((1, 1))) for name in "ab"]
    assert nng.stats.cores(NeuralGraph(pair)) == {"max": 2.0, "nodes": 1.0}
    assert np.isnan(nng.stats.cores(NeuralGraph([]))["max"])


def core_by_removing_one_node_at_a_time(G, alpha, beta):
    inside = {(part.name, i) for part in G.parts for i in range(part.size)}
    edges = [((b.source, j), (b.target, i)) for b in G.blocks for j, i in zip(*map(list, b.edges()[:2]), strict=True)]
    leave, enter = {b.source for b in G.blocks}, {b.target for b in G.blocks}
    while True:
        kept = [(j, i) for j, i in edges if j in inside and i in inside]
        out, into = ([edge[k] for edge in kept] for k in (0, 1))
        fails = [
            n for n in inside if (n[0] in leave and out.count(n) < alpha) or (n[0] in enter and into.count(n) < beta)
        ]
        if not fails:
            return inside
        inside.remove(min(fails))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("alpha", "beta"), [(0, 1), (1, 1), (2, 3), (3, 2), (9, 9)])
def test_the_alpha_beta_core_is_what_peeling_node_by_node_leaves(name, alpha, beta):
    G = CASES[name]
    found = nng.stats.alpha_beta_core(G, alpha=alpha, beta=beta)
    assert found.name == f"alpha_beta_core(alpha={alpha}, beta={beta})"
    assert {node for node, inside in found.items() if inside} == core_by_removing_one_node_at_a_time(G, alpha, beta)


@given(st.integers(0, 2**32 - 1))
def test_the_1_1_core_of_a_chain_is_its_spanning_subnetwork(seed):
    G = network((8, 7, 6, 5), 0.25, seed)
    core = nng.stats.alpha_beta_core(G, alpha=1, beta=1)
    pd.testing.assert_series_equal(core, nng.stats.spanning_nodes(G), check_names=False)


# --------------------------------------------------------------------------- laws, errors


@given(st.integers(0, 2**32 - 1))
def test_permuting_nodes_and_their_labels_changes_neither_modularity_nor_nestedness(seed):
    rng = np.random.default_rng(seed)
    W, V = (np.where(rng.random(shape) < 0.5, rng.normal(size=shape), 0) for shape in ((7, 6), (5, 7)))
    p, q, r = (rng.permutation(n) for n in (6, 7, 5))
    labels = rng.integers(0, 3, 18)
    G, H = nng.from_matrices([W, V]), nng.from_matrices([W[q][:, p], V[r][:, q]])
    moved = labels[np.concatenate([p, 6 + q, 13 + r])]
    assert nng.stats.modularity(H, moved) == pytest.approx(nng.stats.modularity(G, labels), nan_ok=True)
    assert nng.stats.nestedness(H) == pytest.approx(nng.stats.nestedness(G), nan_ok=True)


@given(st.integers(0, 2**32 - 1))
def test_flipping_all_signs_turns_the_signed_modularity_round(seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(6, 7))
    labels = rng.integers(0, 3, 13)
    plain, flipped = (nng.stats.modularity(nng.from_matrices([s * W]), labels) for s in (1, -1))
    assert flipped["signed"] == pytest.approx(-plain["signed"], abs=1e-12)
    assert flipped["+"] == pytest.approx(plain["-"], abs=1e-12)


def test_arguments_are_checked():
    G = CASES["complete"]
    short = nng.stats.communities(G).iloc[:-1]
    for call, message in (
        (lambda: nng.stats.modularity(G, [0, 1]), r"modularity: labels: got the shape \(2,\); expected \(15,\)"),
        (lambda: nng.stats.modularity(G, short), r"modularity: labels: got none for the node \('2', 3\)"),
        (lambda: nng.stats.modularity(G, pd.concat([short, short])), "modularity: labels: got none for the node"),
        (lambda: nng.stats.modularity(G, [None] * 15), "modularity: labels: got None at position 0; expected a label"),
        (lambda: nng.stats.modularity(G, [0.0] * 14 + [np.nan]), "modularity: labels: got nan at position 14"),
        (
            lambda: nng.stats.modularity(G, np.array([1, "a"] * 7 + [2], object)),
            "labels: got int, str; expected labels",
        ),
        (lambda: nng.stats.communities(G, form=np.ones(2)), "communities: form: got array"),
        (lambda: nng.stats.communities(G, form="x"), "communities: form: got 'x'; expected 'signed'"),
        (lambda: nng.stats.max_modularity(G, kicks=-1), "max_modularity: kicks: got -1; expected an integer"),
        (
            lambda: nng.stats.alpha_beta_core(G, alpha=1.5, beta=1),
            "alpha_beta_core: alpha: got 1.5; expected an integer",
        ),
        (lambda: nng.stats.cores([1]), "cores: got a list; expected a NeuralGraph"),
        (lambda: nng.stats.nestedness(None), "nestedness: got a NoneType; expected a NeuralGraph"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_null_models_are_compared_by_the_names_of_modular_statistics():
    G, _ = planted((20, 16, 12), 2, 0, inside=0.8, outside=0.2, signed=True)
    table = nng.nulls.significance(G, ["max_modularity", "nestedness", "cores"], "G", n=19, rng=7, by="network")
    signed = table[(table["statistic"] == "max_modularity") & (table["key"] == "signed")]
    assert signed["z"].item() > 4
    assert set(table.loc[table["statistic"] == "cores", "status"]) == {"invariant: nothing was tested"}
