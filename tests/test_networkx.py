import logging

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, FormatError, SizeError
from nngraph.graph import NeuralGraph
from tests.strategies import graphs, multipartite


def bipartite(edges, kind=nx.DiGraph):
    N = kind()
    N.add_nodes_from("ab", part=0)
    N.add_nodes_from("xyz", part=1)
    for edge in edges:
        N.add_edge(edge[0], edge[1], **(edge[2] if len(edge) > 2 else {}))
    return N


# ------------------------------------------------------------------------ laws


@given(graphs())
def test_a_graph_comes_back_from_networkx_equal_and_with_its_untouched_blocks(G):
    back = nng.from_networkx(G.to_networkx())
    assert back == G
    assert all(a is b for a, b in zip(back.blocks, G.blocks, strict=True))
    assert (back.links, back.skipped, back.history) == (G.links, G.skipped, G.history)


@given(graphs())
def test_networkx_nodes_and_edges_hold_what_the_tables_hold(G):
    N = G.to_networkx()
    nodes, edges = G.nodes, G.edges
    assert list(N.nodes) == list(range(G.n_nodes))
    for column in ("part", "index", "name", "bias"):
        assert [N.nodes[v][column] for v in N] == nodes[column].tolist()
    rows = zip(edges["source"], edges["target"], edges["weight"], edges["sign"], edges["block"], strict=True)
    expected = sorted((int(s), int(t), float(w), int(sign), str(block)) for s, t, w, sign, block in rows)
    found = sorted((s, t, d["weight"], d["sign"], d["block"]) for s, t, d in N.edges(data=True))
    assert found == expected
    assert all(type(d["weight"]) is float and type(d["sign"]) is int for *_, d in N.edges(data=True))


@given(graphs(), st.integers(0, 2**32 - 1))
def test_removed_and_reweighted_edges_come_back_as_the_same_edit_of_the_graph(G, seed):
    rng = np.random.default_rng(seed)
    keep = rng.random(G.n_edges) < 0.6
    weights = rng.integers(-9, 9, G.n_edges) / 8
    N = G.to_networkx()
    edges = G.edges
    for k, (s, t, name) in enumerate(zip(edges["source"], edges["target"], edges["block"], strict=True)):
        key = (int(s), int(t), name) if N.is_multigraph() else (int(s), int(t))
        N.edges[key]["weight"] = float(weights[k])
        if not keep[k]:
            N.remove_edge(*key)
    assert nng.from_networkx(N) == G.with_weights(weights).with_support(keep)


@given(multipartite())
def test_attributes_alone_are_enough_to_read_weights_ends_and_labels(G):
    N = G.to_networkx()
    del N.graph["nngraph"]
    back = nng.from_networkx(N)
    assert {part.name: part.node_names() for part in back.parts} == {part.name: part.node_names() for part in G.parts}
    assert sorted(b.name for b in back.blocks) == sorted(b.name for b in G.blocks)
    for b in back.blocks:
        assert (b.source, b.target) == (G.block(b.name).source, G.block(b.name).target)
        assert b.same_support(G.block(b.name))
        assert np.array_equal(b.values, G.block(b.name).values)


@given(multipartite())
def test_igraph_and_networkx_read_the_same_graph(G):
    g, N = G.to_igraph(), G.to_networkx()
    del g["nngraph"], N.graph["nngraph"]
    a, b = nng.from_igraph(g), nng.from_networkx(N)
    assert a.parts == b.parts
    assert sorted(a.blocks, key=lambda x: x.name) == sorted(b.blocks, key=lambda x: x.name)


# ----------------------------------------------------------------- to_networkx


def test_degrees_of_networkx_are_the_sums_of_the_matrices():
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal((4, 3)), rng.standard_normal((2, 4))]
    N = nng.from_matrices(matrices).to_networkx()
    strengths = [strength for _, strength in N.in_degree(weight="weight")]
    assert np.allclose(strengths, [0, 0, 0, *matrices[0].sum(1), *matrices[1].sum(1)])


def test_only_blocks_whose_edges_coincide_make_a_multigraph():
    def two(first, second):
        masks = [np.array([[bool(cell) for cell in row]]) for row in (first, second)]
        return NeuralGraph([Block.from_dense(f"b{k}", "a", "b", np.ones((1, 3)), m) for k, m in enumerate(masks)])

    apart, coincident = two((1, 1, 0), (0, 0, 1)), two((1, 1, 0), (0, 1, 1))
    assert type(apart.to_networkx()) is nx.DiGraph
    assert type(coincident.to_networkx()) is nx.MultiDiGraph
    assert list(coincident.to_networkx()[1][3]) == ["b0", "b1"]
    for G in (apart, coincident):
        assert nng.from_networkx(G.to_networkx()) == G


def test_a_large_graph_is_refused_with_its_size_unless_forced(monkeypatch, caplog):
    G = nng.from_matrices([np.ones((4, 5))])
    monkeypatch.setattr("nngraph.convert.networkx.EDGES_WARN", 10)
    with caplog.at_level(logging.WARNING, logger="nngraph"):
        G.to_networkx()
    assert "20 edges needs about 0.0 GiB and 0 s; G.to_igraph()" in caplog.text
    monkeypatch.setattr("nngraph.convert.networkx.EDGES_REFUSE", 19)
    with pytest.raises(SizeError, match=r"the limit is 19 edges.*G\.to_networkx\(force=True\)"):
        G.to_networkx()
    assert G.to_networkx(force=True).number_of_edges() == 20


def test_a_removed_node_is_a_node_without_edges():
    G = nng.from_matrices([np.ones((2, 2))])
    N = G.to_networkx()
    N.remove_node(2)
    assert nng.from_networkx(N).to_matrices()[0].tolist() == [[0, 0], [1, 1]]


# --------------------------------------------------------------- from_networkx


def test_the_southern_women_graph_has_18_women_14_events_and_89_edges():
    women = nx.davis_southern_women_graph()
    G = nng.from_networkx(women)
    assert ([part.size for part in G.parts], G.n_edges) == ([18, 14], 89)
    assert G.parts[0].labels == tuple(women.graph["top"])
    assert G.parts[1].labels == tuple(women.graph["bottom"])
    incidence = nx.bipartite.biadjacency_matrix(women, women.graph["top"], women.graph["bottom"]).toarray()
    assert np.array_equal(G.to_matrices()[0], incidence.T)


@pytest.mark.parametrize("seed", range(3))
def test_random_bipartite_graphs_have_the_matrix_that_networkx_says(seed):
    N = nx.bipartite.random_graph(7, 5, 0.4, seed=seed)
    rng = np.random.default_rng(seed)
    for _, _, data in N.edges(data=True):
        data["weight"] = rng.standard_normal()
    G = nng.from_networkx(N)
    expected = nx.bipartite.biadjacency_matrix(N, range(7), range(7, 12)).toarray()
    assert np.array_equal(G.to_matrices()[0], expected.T)
    assert G.parts[1].labels == ("7", "8", "9", "10", "11")


def test_missing_weights_are_one_and_zero_weights_are_edges():
    G = nng.from_networkx(bipartite([("a", "x"), ("a", "y", {"weight": 0}), ("b", "z", {"weight": -2.5})]))
    assert G.weights().tolist() == [1, 0, -2.5]


def test_undirected_edges_run_from_part_0_whichever_end_comes_first():
    N = bipartite([("x", "a", {"weight": 2}), ("b", "z", {"weight": 3})], nx.Graph)
    assert nng.from_networkx(N).to_matrices()[0].tolist() == [[2, 0], [0, 0], [0, 3]]


def test_edges_both_ways_between_two_parts_are_two_blocks():
    G = nng.from_networkx(bipartite([("a", "x"), ("x", "a")]))
    assert [(b.name, b.n_edges) for b in G.blocks] == [("0->1", 1), ("1->0", 1)]


@pytest.mark.parametrize(
    ("N", "words"),
    [
        (nx.path_graph(3), "no vertex attribute names the parts"),
        (bipartite([("a", "q")]), "node 'q' has the part None"),
        (bipartite([("a", "x"), ("a", "b")]), r"\(node 'a' - node 'b'\) joins two nodes of part '0'"),
        (bipartite([("a", "a")]), r"edge 0 \(node 'a' - node 'a'\) joins"),
        (bipartite([("a", "x")] * 2, nx.MultiDiGraph), r"edge 1 \(node 'a' - node 'x'\) is parallel to edge 0"),
        (bipartite([("a", "x"), ("x", "a")], nx.MultiGraph), "edge 1 .* parallel"),
        (bipartite([("a", "x", {"weight": "heavy"})]), "edge 0 .*weight 'heavy'; expected a real number"),
        (bipartite([("a", "x", {"weight": 1 + 2j})]), r"weight \(1\+2j\)"),
        (bipartite([("a", "x", {"weight": float("nan")})]), "weight nan; expected a finite number"),
        (bipartite([("a", "x", {"weight": 10**400})]), "edge 0 .* too large for float64"),
    ],
)
def test_a_graph_that_is_not_multipartite_with_real_weights_is_refused_at_the_first_offender(N, words):
    with pytest.raises(FormatError, match=words):
        nng.from_networkx(N)


def test_a_node_added_to_a_view_is_refused_with_the_remedy():
    N = nng.from_matrices([np.ones((2, 2))]).to_networkx()
    N.add_node("new", part="0", index=2)
    with pytest.raises(FormatError, match=r"node 'new' has part '0' and index 2.*Delete that attribute"):
        nng.from_networkx(N)


def test_something_else_than_a_networkx_graph_is_refused():
    with pytest.raises(ArgumentError, match="got list; expected a networkx graph"):
        nng.from_networkx([])


def test_graphs_without_edges_or_nodes_are_read():
    assert [part.size for part in nng.from_networkx(bipartite([])).parts] == [2, 3]
    assert nng.from_networkx(nx.Graph()).parts == ()
