import copy
import logging
import pickle

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, SizeError
from nngraph.graph import Link, NeuralGraph, Part, Skipped, Step
from tests.strategies import graphs


def block(name, source, target, shape=(2, 2)):
    return Block.from_dense(name, source, target, np.ones(shape))


def depths(G):
    return {part.name: part.depth for part in G.parts}


# ------------------------------------------------------------------------ laws


@given(graphs())
def test_a_graph_given_its_own_weights_and_support_stays_equal(G):
    assert G.with_weights(G.weights()) == G
    assert G.with_support(np.ones(G.n_edges, dtype=bool)) == G


@given(graphs())
def test_a_graph_survives_pickling_and_copying(G):
    for other in (pickle.loads(pickle.dumps(G)), copy.copy(G), copy.deepcopy(G)):
        assert other == G
        assert (other.links, other.skipped, other.history) == (G.links, G.skipped, G.history)
        assert repr(other) == repr(G)
        assert not any(link.index.flags.writeable for link in other.links if link.index is not None)


@given(graphs())
def test_the_edge_table_lists_every_block_row_major_with_global_vertex_ids(G):
    start, rows = {}, 0
    for part in G.parts:
        start[part.name], rows = rows, rows + part.size
    expected = [
        (b.name, start[b.source] + j, start[b.target] + i, float(b.dense()[i, j]))
        for b in G.blocks
        for i in range(b.n_target)
        for j in range(b.n_source)
        if b.mask is None or b.mask[i, j]
    ]
    edges = G.edges
    assert list(zip(edges["block"], edges["source"], edges["target"], edges["weight"], strict=True)) == expected
    assert edges["sign"].tolist() == [(w > 0) - (w < 0) for *_, w in expected]
    assert (edges["sign"].dtype, edges["source"].dtype) == (np.int8, np.int64)
    assert np.array_equal(edges["weight"], G.weights())
    assert len(edges) == G.n_edges


@given(graphs())
def test_the_node_table_follows_the_parts_and_sums_the_biases_of_all_blocks(G):
    nodes = G.nodes
    assert nodes["name"].tolist() == [name for part in G.parts for name in part.node_names()]
    assert nodes["index"].tolist() == [i for part in G.parts for i in range(part.size)]
    assert nodes["part"].tolist() == [part.name for part in G.parts for _ in range(part.size)]
    assert nodes["depth"].tolist() == [part.depth for part in G.parts for _ in range(part.size)]
    for part in G.parts:
        total = sum((b.bias.astype(float) for b in G.blocks if b.target == part.name and b.bias is not None), 0.0)
        assert np.allclose(nodes.loc[nodes["part"] == part.name, "bias"], total)


@given(graphs(), st.integers(0, 2**32 - 1))
def test_dropping_edges_keeps_the_weights_of_the_others_and_leaves_the_graph_as_it_was(G, seed):
    before, keep = G.weights(), np.random.default_rng(seed).random(G.n_edges) < 0.5
    H = G.with_support(keep)
    assert H.weights().tobytes() == before[keep].astype(H.weights().dtype).tobytes()
    assert np.array_equal(G.weights(), before)
    assert [b.origin for b in H.blocks] == [b.origin for b in G.blocks]
    assert H.history[-1].operation == "with_support"


@given(graphs())
def test_the_picture_of_any_graph_has_one_line_for_each_block(G):
    lines = repr(G).splitlines()
    assert f"{G.n_edges:,} edges" in lines[0]
    for b in G.blocks:
        assert sum(line.startswith(f"  {b.name} ") for line in lines) == 1


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=9))
def test_depth_is_the_longest_path_from_an_input_part_where_there_is_no_cycle(pairs):
    D = nx.DiGraph()
    D.add_nodes_from(range(5))
    D.add_edges_from((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])
    blocks = [block(f"{s}{t}", str(s), str(t)) for s, t in D.edges]
    G = NeuralGraph(blocks, [Part(str(i), 2) for i in range(5)])
    longest = dict.fromkeys(range(5), 0)
    for node in nx.topological_sort(D):
        for before in D.predecessors(node):
            longest[node] = max(longest[node], longest[before] + 1)
    assert depths(G) == {str(node): depth for node, depth in longest.items()}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_depth_grows_along_every_arrow_but_those_that_close_a_cycle(pairs):
    blocks = [block(str(k), str(s), str(t)) for k, (s, t) in enumerate(pairs)]
    depth = depths(NeuralGraph(blocks, [Part(str(i), 2) for i in range(4)]))
    kept = nx.DiGraph()
    kept.add_nodes_from(map(str, range(4)))
    for s, t in ((b.source, b.target) for b in blocks):
        if not nx.has_path(kept, t, s):
            kept.add_edge(s, t)
            assert depth[t] > depth[s]
    assert all(depth[node] == 0 for node in kept if kept.in_degree(node) == 0)


# ----------------------------------------------------------------------- cases


def test_depth_counts_links_except_recurrent_ones():
    blocks = [block("0", "a", "b")]
    parts = [Part(name, 2) for name in "abc"]
    assert depths(NeuralGraph(blocks, parts, links=[Link("b", "c")])) == {"a": 0, "b": 1, "c": 2}
    assert depths(NeuralGraph(blocks, parts, links=[Link("c", "a")])) == {"a": 1, "b": 2, "c": 0}
    assert depths(NeuralGraph(blocks, parts, links=[Link("b", "a", "recurrent")])) == {"a": 0, "b": 1, "c": 0}


def test_depth_ignores_what_a_part_says_and_never_enters_equality():
    a = NeuralGraph([block("0", "a", "b")], [Part("a", 2, depth=7), Part("b", 2)])
    assert depths(a) == {"a": 0, "b": 1}
    assert a == NeuralGraph([block("0", "a", "b")])


def test_equality_compares_parts_and_blocks_but_not_history_links_or_skipped():
    G = NeuralGraph([block("0", "a", "b")])
    same = NeuralGraph(
        G.blocks, links=[Link("a", "b")], skipped=[Skipped("n", "N", "r")], history=[Step("prune", {}, "1")]
    )
    assert same == G
    assert NeuralGraph(G.blocks, [Part("a", 2, ("x", "y")), Part("b", 2)]) != G
    assert NeuralGraph(G.blocks, [Part("b", 2), Part("a", 2)]) != G
    assert NeuralGraph(G.blocks, [*G.parts, Part("c", 0)]) != G
    assert NeuralGraph([block("1", "a", "b")]) != G
    assert G.with_support(np.array([True, True, True, False])) != G
    assert G != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(G)


def test_a_graph_cannot_be_changed_in_place():
    G = NeuralGraph([block("0", "a", "b")])
    for name in NeuralGraph.__slots__:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(G, name, ())
        with pytest.raises(AttributeError, match="immutable"):
            delattr(G, name)
    G.weights()[0] = 5
    assert G.weights()[0] == 1


def test_an_operation_shares_the_blocks_that_it_did_not_touch():
    G = nng.from_matrices([np.ones((2, 2)), np.ones((3, 2))])
    H = G.with_support(np.array([False] + [True] * 9))
    assert H.blocks[1] is G.blocks[1]
    assert H.parts is G.parts


def test_the_picture_of_a_chain_names_its_sizes_and_any_other_graph_counts_its_parts():
    chain = nng.from_matrices([np.ones((3, 2)), np.ones((4, 3))])
    assert repr(chain).startswith("NeuralGraph: 2-3-4, 18 edges, 0.0 % negative")
    skip = NeuralGraph([block("0", "a", "b"), block("1", "b", "c"), block("2", "a", "c")], links=[Link("a", "b")])
    assert repr(skip).startswith("NeuralGraph: 3 parts, 6 nodes, 12 edges")
    assert "links: a -> b (identity)" in repr(skip)
    assert repr(NeuralGraph([])).startswith("NeuralGraph: 0 parts, 0 nodes, 0 edges, no sign")
    swapped = NeuralGraph([block("1", "b", "c"), block("0", "a", "b")], [Part(name, 2) for name in "abc"])
    assert "3 parts" in repr(swapped)


def test_the_picture_of_a_deep_graph_is_cut_short_and_says_by_how_much():
    G = nng.from_matrices([np.ones((2, 2))] * 40)
    assert len(repr(G).splitlines()) < 20
    assert "26 more" in repr(G)
    assert len(G.blocks) == 8 + 26 + 6


def test_a_graph_without_blocks_or_parts_answers_every_question():
    for G in (NeuralGraph([]), NeuralGraph([], [Part("a", 3)]), NeuralGraph([], [Part("a", 0)])):
        assert (G.n_edges, len(G.edges), len(G.nodes)) == (0, 0, G.n_nodes)
        assert G.with_weights(G.weights()) == G
        assert G.select([]).n_edges == 0


def test_blocks_are_found_by_name_and_by_position():
    G = nng.from_matrices([np.ones((2, 2)), np.ones((3, 2))])
    assert G.block("1") is G.block(1) is G.block(-1) is G.block(np.int64(1)) is G.blocks[1]
    assert [b.name for b in G.select(["1", 0]).blocks] == ["0", "1"]
    assert G.select_blocks(None) == G.blocks
    for key in (2, -3, "fc", True, None, 1.0):
        with pytest.raises(ArgumentError, match="this graph has"):
            G.block(key)
    with pytest.raises(ArgumentError, match="'z'; this graph has '0', '1', '2'"):
        G.part("z")


def test_selected_blocks_keep_their_parts_and_the_links_between_them():
    G = NeuralGraph(
        [block("0", "a", "b"), block("1", "b", "c"), block("2", "c", "d")],
        links=[Link("a", "c"), Link("b", "d")],
    )
    H = G.select(["0", "1"])
    assert [part.name for part in H.parts] == ["a", "b", "c"]
    assert H.links == (Link("a", "c"),)
    assert H.history[-1] == Step("select", {"blocks": ["0", "1"]})


@pytest.mark.parametrize(
    ("blocks", "parts", "words"),
    [
        ([block("0", "a", "b"), block("0", "b", "c")], None, "block name '0' twice"),
        ([block("0", "a", "b")], [Part("a", 2), Part("a", 2)], "part name 'a' twice"),
        ([block("0", "a", "b")], [Part("a", 2)], "block '0': its target part 'b' is not among the parts"),
        ([block("0", "a", "b")], [Part("a", 3), Part("b", 2)], "block '0': got 2 source nodes; .* 'a' has 3"),
        ([block("0", "a", "b"), block("1", "b", "c", (2, 5))], None, "block '1': got 5 source nodes"),
        ([], [Part("a", 2, ("x",))], "part 'a': got 1 labels for 2 nodes"),
        ([], [Part("a", -1)], "part 'a': got the size -1"),
        ([Block.from_dense("0", "a", "b", np.ones((2, 2)), bias=np.ones(3))], None, r"bias of shape \(3,\)"),
    ],
)
def test_blocks_and_parts_that_do_not_fit_are_refused_by_name(blocks, parts, words):
    with pytest.raises(ArgumentError, match=words):
        NeuralGraph(blocks, parts)


def test_a_link_to_an_unknown_part_is_refused():
    with pytest.raises(ArgumentError, match="link a -> z: 'z' is not among the parts"):
        NeuralGraph([], [Part("a", 2)], links=[Link("a", "z")])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda G: G.with_weights(np.ones(3)), r"shape \(3,\) .* expected real numbers of shape \(4,\)"),
        (lambda G: G.with_weights(np.ones(4, dtype=complex)), "complex128"),
        (lambda G: G.with_weights(["a"] * 4), "<U1"),
        (lambda G: G.with_weights([0, 1, np.nan, 2]), "nan at edge 2"),
        (lambda G: G.with_weights([0, -np.inf, 0, 2]), "-inf at edge 1"),
        (lambda G: G.with_weights([0, 1e39, 0, 2]), "block '0' holds float32, too narrow for the weight 1e"),
        (lambda G: G.with_support(np.ones(4)), "float64; expected bool"),
        (lambda G: G.with_support(np.ones(5, dtype=bool)), r"\(5,\)"),
        (lambda G: G.replace_blocks([]), "got 0 blocks in the place of 1"),
        (lambda G: G.replace_blocks([G.blocks[0].replace(name="x")]), "expected the same ends"),
        (lambda G: G.select(["x"]), "'x'"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_and_says_why(act, words):
    G = nng.from_matrices([np.ones((2, 2), dtype=np.float32)])
    with pytest.raises(ArgumentError, match=words):
        act(G)


def test_weights_of_blocks_of_several_types_come_back_exactly():
    blocks = [
        Block.from_dense("0", "a", "b", np.array([[0.1]], dtype=np.float16)),
        Block.from_dense("1", "b", "c", np.array([[0.1]], dtype=np.float64)),
        Block.from_dense("2", "c", "d", np.array([[0.1]], dtype=np.float32)),
    ]
    G = NeuralGraph(blocks)
    H = G.with_weights(G.weights())
    assert H == G
    assert [b.values.dtype for b in H.blocks] == [np.float16, np.float64, np.float32]


def test_views_are_guarded_by_the_number_of_edges(monkeypatch, caplog):
    G = nng.from_matrices([np.ones((4, 5))])
    monkeypatch.setattr("nngraph.graph.EDGES_WARN", 10)
    with caplog.at_level(logging.WARNING, logger="nngraph"):
        assert len(G.edges) == 20
    assert "the edge table of 20 edges needs about" in caplog.text
    monkeypatch.setattr("nngraph.graph.EDGES_REFUSE", 19)
    for view in (G.edge_table, G.to_igraph):
        with pytest.raises(SizeError, match=r"20 edges needs about .* GiB; the limit is 19 edges.*force=True"):
            view()
        assert view(force=True) is not None


def test_a_list_of_labels_is_kept_as_a_tuple():
    assert Part("a", 2, ["x", "y"]).labels == ("x", "y")
    assert Part("a", 2).node_names() == ["a:0", "a:1"]


def test_links_are_equal_when_their_ends_kind_and_index_are():
    assert Link("a", "b") == Link("a", "b")
    assert Link("a", "b") != Link("a", "b", "gate")
    assert Link("a", "b", "replica", np.array([0, 1])) == Link("a", "b", "replica", np.array([0, 1]))
    assert Link("a", "b", "replica", np.array([0, 1])) != Link("a", "b", "replica", np.array([1, 0]))
    assert Link("a", "b", "replica", np.array([0, 1])) != Link("a", "b", "replica")
    assert Link("a", "b") != "a"
    assert len({Link("a", "b"), Link("a", "b")}) == 1
