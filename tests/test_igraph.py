import pickle
import warnings

import igraph
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block, Origin
from nngraph.errors import ArgumentError, FormatError
from nngraph.graph import NeuralGraph, Part
from tests.strategies import graphs, multipartite


def chain():
    rng = np.random.default_rng(0)
    return nng.from_matrices(
        [rng.standard_normal((4, 3)).astype(np.float32), rng.standard_normal((2, 4)).astype(np.float32)],
        biases=[rng.standard_normal(4), None],
    )


def bipartite(edges, *, n=(2, 3), directed=True, **attributes):
    g = igraph.Graph(sum(n), edges, directed=directed)
    g.vs["part"] = [0] * n[0] + [1] * n[1]
    for name, values in attributes.items():
        g.es[name] = values
    return g


# ------------------------------------------------------------------------ laws


@given(graphs())
def test_a_graph_comes_back_from_igraph_equal_and_with_its_untouched_blocks(G):
    back = nng.from_igraph(G.to_igraph())
    assert back == G
    assert all(a is b for a, b in zip(back.blocks, G.blocks, strict=True))
    assert (back.links, back.skipped, back.history) == (G.links, G.skipped, G.history)


@given(graphs())
def test_igraph_edges_and_vertices_follow_the_tables(G):
    g = G.to_igraph()
    edges, nodes = G.edges, G.nodes
    assert g.is_directed()
    assert g.get_edgelist() == list(zip(edges["source"], edges["target"], strict=True))
    for column in ("weight", "sign"):
        assert g.es[column] == edges[column].tolist()
    assert g.es["block"] == edges["block"].astype(str).tolist()
    for column in ("part", "index", "name", "bias"):
        assert g.vs[column] == nodes[column].tolist()
    assert all(type(w) is float for w in g.es["weight"])
    assert all(type(s) is int for s in g.es["sign"])


@given(graphs(), st.integers(0, 2**32 - 1))
def test_deleted_and_reweighted_edges_come_back_as_the_same_edit_of_the_graph(G, seed):
    rng = np.random.default_rng(seed)
    keep = rng.random(G.n_edges) < 0.6
    weights = rng.integers(-9, 9, G.n_edges) / 8
    g = G.to_igraph()
    g.es["weight"] = weights.tolist()
    g.delete_edges(np.flatnonzero(~keep).tolist())
    back = nng.from_igraph(g)
    assert back == G.with_weights(weights).with_support(keep)
    assert [b.origin for b in back.blocks] == [b.origin for b in G.blocks]


@given(graphs(), st.integers(0, 2**32 - 1))
def test_the_order_of_vertices_and_edges_does_not_matter(G, seed):
    rng = np.random.default_rng(seed)
    g = G.to_igraph()
    h = g.permute_vertices(rng.permutation(G.n_nodes).tolist())
    order = rng.permutation(G.n_edges)
    shuffled = igraph.Graph(G.n_nodes, [h.get_edgelist()[i] for i in order], directed=True)
    for name in h.vs.attributes():
        shuffled.vs[name] = h.vs[name]
    for name in h.es.attributes():
        shuffled.es[name] = [h.es[name][i] for i in order]
    shuffled["nngraph"] = h["nngraph"]
    assert nng.from_igraph(shuffled) == G


@given(multipartite())
def test_attributes_alone_are_enough_to_read_weights_ends_and_labels(G):
    g = G.to_igraph()
    del g["nngraph"]
    back = nng.from_igraph(g)
    assert {part.name: (part.size, part.node_names()) for part in back.parts} == {
        part.name: (part.size, part.node_names()) for part in G.parts
    }
    assert sorted(b.name for b in back.blocks) == sorted(b.name for b in G.blocks)
    for b in back.blocks:
        old = G.block(b.name)
        assert (b.source, b.target) == (old.source, old.target)
        assert b.same_support(old)
        assert np.array_equal(b.values, old.values)


@given(multipartite())
def test_graphml_and_back_keeps_weights_to_its_fifteen_digits(tmp_path_factory, G):
    path = tmp_path_factory.mktemp("graphml") / "net.graphml"
    G.to_igraph().write_graphml(str(path))
    if not G.n_edges:
        return
    back = nng.from_igraph(igraph.Graph.Read_GraphML(str(path)))
    assert [part.size for part in back.parts] == [part.size for part in G.parts]
    for b in back.blocks:
        assert b.same_support(G.block(b.name))
        assert np.allclose(b.values, G.block(b.name).values, rtol=1e-14)


# ----------------------------------------------------------------- to_igraph


def test_strengths_of_igraph_are_the_row_and_column_sums_of_the_matrices():
    G = chain()
    first, second = (m.astype(float) for m in G.to_matrices())
    g = G.to_igraph()
    assert np.allclose(g.strength(mode="in", weights="weight"), [0, 0, 0, *first.sum(1), *second.sum(1)])
    assert np.allclose(g.strength(mode="out", weights="weight"), [*first.sum(0), *second.sum(0), 0, 0])


def test_every_view_is_a_copy_of_the_users_own():
    G = chain()
    for _ in range(4):
        g = G.to_igraph()
        assert (g.vcount(), g.ecount()) == (G.n_nodes, G.n_edges)
        assert g.get_edgelist() == list(zip(G.edges["source"], G.edges["target"], strict=True))
        g.delete_vertices([0])
        g.es["weight"] = 3.0
        g.add_edge(0, 1)
    assert nng.from_igraph(G.to_igraph()) == G


def test_graphs_of_one_support_build_their_topology_no_more_than_twice(monkeypatch):
    calls = []
    add_edges = igraph.Graph.add_edges
    monkeypatch.setattr(igraph.Graph, "add_edges", lambda g, ids: (calls.append(len(ids)), add_edges(g, ids))[1])
    G = chain()
    H = G.with_weights(-G.weights())
    views = [graph.to_igraph() for graph in (G, H, G, H, G)]
    assert len(calls) == 2
    assert len({tuple(view.get_edgelist()) for view in views}) == 1
    assert views[1].es["weight"] == [-w for w in views[0].es["weight"]]
    fewer = G.with_support(np.arange(G.n_edges) > 4)
    assert fewer.to_igraph().ecount() == G.n_edges - 5
    assert len(calls) == 3


def test_a_graph_that_was_viewed_once_keeps_no_topology_and_pickles_none():
    G = chain()
    G.to_igraph()
    assert not any(isinstance(value, igraph.Graph) for value in G._igraph_topology.values())
    G.to_igraph()
    assert any(isinstance(value, igraph.Graph) for value in G._igraph_topology.values())
    assert pickle.loads(pickle.dumps(G))._igraph_topology == {}


def test_a_view_survives_pickling_with_the_way_back():
    G = chain()
    assert nng.from_igraph(pickle.loads(pickle.dumps(G.to_igraph()))) == G


def test_a_deleted_vertex_is_a_node_without_edges():
    G = chain()
    g = G.to_igraph()
    g.delete_vertices([4])
    back = nng.from_igraph(g)
    gone = (G.edges["source"] == 4) | (G.edges["target"] == 4)
    assert back == G.with_support(~gone.to_numpy())


def test_an_added_edge_joins_the_only_block_between_its_parts():
    mask = np.ones((2, 2), dtype=bool)
    mask[1, 0] = False
    G = nng.from_matrices([np.ones((2, 2))], [mask])
    g = G.to_igraph()
    g.add_edge(0, 3, weight=-2.0)
    back = nng.from_igraph(g)
    assert back.to_matrices()[0].tolist() == [[1, 1], [-2, 1]]
    assert back.history[-1].operation == "from_igraph"


def test_two_blocks_between_the_same_parts_stay_two():
    blocks = [Block.from_dense(name, "a", "b", np.full((2, 2), k)) for k, name in enumerate("xy", start=1)]
    G = NeuralGraph(blocks)
    g = G.to_igraph()
    assert nng.from_igraph(g) == G
    del g["nngraph"]
    assert nng.from_igraph(g) == G
    del g.es["block"]
    with pytest.raises(FormatError, match=r"edge 4 .* parallel to edge 0 in block 'a->b'"):
        nng.from_igraph(g)


def test_an_untouched_block_keeps_its_raw_bits_and_an_edited_one_loses_them():
    mask = np.array([[True, False]])
    raw = np.array([[1.0, 9.0]])
    origin = Origin("fc.weight", (1, 2))
    G = NeuralGraph([Block.from_dense("fc", "a", "b", raw.copy(), mask, raw=raw.copy(), origin=origin)])
    assert nng.from_igraph(G.to_igraph()).blocks[0].raw is G.blocks[0].raw
    g = G.to_igraph()
    g.es["weight"] = [2.0]
    assert nng.from_igraph(g).blocks[0].raw is None
    assert nng.from_igraph(g).blocks[0].origin is origin


def test_a_sign_of_zero_that_changes_is_a_change():
    G = nng.from_matrices([np.array([[0.0, 1.0]])], zeros="keep")
    g = G.to_igraph()
    g.es["weight"] = [-0.0, 1.0]
    assert np.signbit(nng.from_igraph(g).weights()).tolist() == [True, False]


def test_a_weight_too_large_for_the_type_of_its_block_is_refused():
    g = nng.from_matrices([np.ones((1, 2), dtype=np.float16)]).to_igraph()
    g.es["weight"] = [1.0, 1e6]
    with pytest.raises(FormatError, match=r"edge 1 .*1000000.* too large for float16"):
        nng.from_igraph(g)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda g: g.add_vertex(), r"vertex 9 .*part None and index None.*Delete that attribute"),
        (lambda g: g.vs[2].update_attributes(index=7), "vertex 2 .*index 7"),
        (lambda g: g.vs[2].update_attributes(index=0.5), "vertex 2 .*index 0.5"),
        (lambda g: g.vs[2].update_attributes(index=0), "vertex 2 .*met before"),
        (lambda g: g.vs[2].update_attributes(part="zzz"), "vertex 2 .*part 'zzz'"),
        (lambda g: g.add_edge(0, 8, weight=1.0), r"edge 20 .*from part '0' to part '2' in block None.*no such block"),
        (lambda g: g.es[0].update_attributes(block="zzz"), "edge 0 .*in block 'zzz'"),
        (lambda g: g.es[0].update_attributes(block="1"), "edge 0 .*from part '0' to part '1' in block '1'"),
        (lambda g: g.add_edge(0, 3, weight=1.0), "edge 20 .*parallel to edge 0 in block '0'"),
    ],
)
def test_an_edit_that_leaves_the_graph_it_came_from_is_refused_at_the_first_offender(spoil, words):
    g = chain().to_igraph()
    spoil(g)
    with pytest.raises(FormatError, match=words):
        nng.from_igraph(g)


# --------------------------------------------------------------- from_igraph


@pytest.mark.parametrize("attribute", ["part", "layer", "type", "bipartite"])
@pytest.mark.parametrize("values", [[0, 0, 1, 1, 1], [False, False, True, True, True], [0.0, 0.0, 1.0, 1.0, 1.0]])
def test_parts_are_read_from_any_of_four_attributes_of_any_type(attribute, values):
    g = igraph.Graph(5, [(0, 2), (1, 4)], directed=True)
    g.vs[attribute] = values
    G = nng.from_igraph(g)
    assert [(part.name, part.size) for part in G.parts] == [("0", 2), ("1", 3)]
    assert G.to_matrices()[0].tolist() == [[1, 0], [0, 0], [0, 1]]
    assert [b.name for b in G.blocks] == ["0->1"]


def test_part_comes_before_layer_and_layer_before_type():
    g = bipartite([(0, 2)])
    g.vs["layer"] = list("vwxyz")
    g.vs["type"] = [True] * 5
    assert [part.name for part in nng.from_igraph(g).parts] == ["0", "1"]
    del g.vs["part"]
    assert [part.name for part in nng.from_igraph(g).parts] == list("vwxyz")


@pytest.mark.parametrize("types", [[False, False, True], [True, True, False]])
def test_undirected_bipartite_edges_run_from_part_0_to_part_1(types):
    g = igraph.Graph.Bipartite(types, [(0, 2), (1, 2)])
    g.es["weight"] = [0.5, -1.0]
    G = nng.from_igraph(g)
    assert (G.blocks[0].source, G.blocks[0].target) == ("0", "1")
    expected = [[0.5, -1.0]] if types[2] else [[0.5], [-1.0]]
    assert G.to_matrices()[0].tolist() == expected


def test_an_undirected_incidence_matrix_comes_back():
    matrix = np.random.default_rng(1).integers(0, 2, (6, 9))
    G = nng.from_igraph(igraph.Graph.Biadjacency(matrix.tolist()))
    assert np.array_equal(G.to_matrices()[0].T, matrix)


def test_numbered_parts_are_sorted_and_named_parts_come_as_met():
    g = igraph.Graph(3, [(2, 1), (1, 0)], directed=True)
    g.vs["layer"] = [10, 9, 2]
    assert [part.name for part in nng.from_igraph(g).parts] == ["2", "9", "10"]
    g.vs["layer"] = ["out", "hidden", "in"]
    assert [part.name for part in nng.from_igraph(g).parts] == ["out", "hidden", "in"]


def test_edges_both_ways_between_two_parts_are_two_blocks():
    G = nng.from_igraph(bipartite([(0, 2), (2, 1)], weight=[1.0, -2.0]))
    assert [(b.name, b.source, b.target) for b in G.blocks] == [("0->1", "0", "1"), ("1->0", "1", "0")]
    assert G.to_matrices()[1].tolist() == [[0, 0, 0], [-2, 0, 0]]


def test_names_become_labels_and_biases_go_to_the_first_block_that_enters():
    g = bipartite([(0, 2), (1, 3)])
    g.vs["name"] = list("abcde")
    g.vs["bias"] = [0.0, 0.0, 1.5, -2.0, 0.0]
    G = nng.from_igraph(g)
    assert [part.labels for part in G.parts] == [("a", "b"), ("c", "d", "e")]
    assert G.nodes["bias"].tolist() == g.vs["bias"]
    g.vs["bias"] = 1.0
    with pytest.raises(FormatError, match=r"vertex 0 .*bias, but no edge enters its part '0'"):
        nng.from_igraph(g)


def test_an_index_decides_the_order_within_a_part_whatever_number_it_starts_from():
    g = bipartite([(0, 2), (0, 3), (0, 4)], weight=[2.0, 3.0, 4.0])
    g.vs["index"] = [1.0, 2.0, 3.0, 1.0, 2.0]
    assert nng.from_igraph(g).to_matrices()[0].tolist() == [[3, 0], [4, 0], [2, 0]]
    g.vs["index"] = [1, 2, 3, 1, None]
    assert nng.from_igraph(g).to_matrices()[0].tolist() == [[2, 0], [3, 0], [4, 0]]


def test_a_missing_weight_is_one_and_a_zero_weight_is_an_edge():
    assert nng.from_igraph(bipartite([(0, 2), (1, 2)])).weights().tolist() == [1, 1]
    g = bipartite([(0, 2), (1, 2)], weight=[0.0, 3])
    g.add_edge(0, 3)
    G = nng.from_igraph(g)
    assert G.weights().tolist() == [0, 3, 1]
    assert G.n_edges == 3


def test_a_graph_without_edges_keeps_its_parts():
    G = nng.from_igraph(bipartite([]))
    assert ([part.size for part in G.parts], G.n_edges, len(G.blocks)) == ([2, 3], 0, 0)
    empty = igraph.Graph(0, directed=True)
    empty.vs["part"] = []
    assert nng.from_igraph(empty).parts == ()


def test_other_objects_in_the_graph_attribute_are_ignored():
    g = bipartite([(0, 2)])
    g["nngraph"] = "a note"
    assert nng.from_igraph(g).n_edges == 1


@pytest.mark.parametrize(
    ("g", "words"),
    [
        (igraph.Graph(2, [(0, 1)]), "no vertex attribute names the parts; expected one of 'part', 'layer'"),
        (bipartite([(0, 2), (0, 1)]), r"edge 1 \(vertex 0 - vertex 1\) joins two nodes of part '0'"),
        (bipartite([(0, 2), (3, 3)]), r"edge 1 \(vertex 3 - vertex 3\) joins two nodes of part '1'"),
        (bipartite([(0, 2), (1, 2), (0, 2)]), "edge 2 .* parallel to edge 0 in block '0->1'"),
        (bipartite([(0, 2), (2, 0)], directed=False), "edge 1 .* parallel to edge 0"),
        (bipartite([(0, 2), (1, 2)], weight=[1.0, float("nan")]), "edge 1 .*weight nan; expected a finite number"),
        (bipartite([(0, 2), (1, 2)], weight=[-float("inf"), 1]), "edge 0 .*weight -inf"),
        (bipartite([(0, 2), (1, 2)], weight=[1.0, 1j]), "edge 1 .*weight 1j; expected a real number"),
        (bipartite([(0, 2), (1, 2)], weight=[1.0, "2"]), "edge 1 .*weight '2'"),
        (bipartite([(0, 2), (1, 2)], weight=[[1.0], [2.0]]), r"edge 0 .*weight \[1.0\]"),
        (bipartite([(0, 2), (1, 2)], weight=[[1.0], [2.0, 3.0]]), r"edge 0 .*weight \[1.0\]"),
        (bipartite([(0, 2), (2, 0)], block=["x", "x"]), "edge 1 .*block 'x' runs from part '1' to part '0', unlike"),
    ],
)
def test_a_graph_that_is_not_multipartite_with_real_weights_is_refused_at_the_first_offender(g, words):
    with pytest.raises(FormatError, match=words):
        nng.from_igraph(g)


@pytest.mark.parametrize("value", [None, 0.5, float("nan"), "", (1,)])
def test_a_vertex_without_a_usable_part_is_named(value):
    g = bipartite([(0, 2)])
    g.vs[3]["part"] = value
    with pytest.raises(FormatError, match="vertex 3 has the part"):
        nng.from_igraph(g)


def test_parts_of_mixed_types_are_refused():
    g = bipartite([(0, 2)])
    g.vs[3]["part"] = "1"
    with pytest.raises(FormatError, match="vertex 3 is in part '1' and others in 0; expected one type"):
        nng.from_igraph(g)


def test_something_else_than_an_igraph_graph_is_refused():
    with pytest.raises(ArgumentError, match=r"got list; expected an igraph\.Graph"):
        nng.from_igraph([])


def test_a_large_sparse_graph_is_read_without_a_dense_array():
    n = 20_000
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, n * n, 50_000))
    g = igraph.Graph(2 * n, directed=True)
    g.add_edges(np.stack([cells % n, cells // n + n], axis=1))
    g.vs["part"] = [0] * n + [1] * n
    g.es["weight"] = rng.standard_normal(len(cells)).tolist()
    G = nng.from_igraph(g)
    assert G.blocks[0].is_sparse
    assert np.array_equal(G.weights(), g.es["weight"])
    assert nng.from_igraph(G.to_igraph()) == G


def test_a_graphml_file_of_a_view_is_written_without_the_object_and_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chain().to_igraph().write_graphml(str(tmp_path / "net.graphml"))
    back = nng.from_igraph(igraph.Graph.Read_GraphML(str(tmp_path / "net.graphml")))
    assert [part.size for part in back.parts] == [3, 4, 2]
    assert [part.labels for part in back.parts] == [None] * 3
    assert np.allclose(back.weights(), chain().weights())


def test_parts_named_by_text_that_looks_like_numbers_stay_text():
    G = NeuralGraph([Block.from_dense("b", "10", "9", np.ones((1, 1)))], [Part("10", 1), Part("9", 1)])
    g = G.to_igraph()
    del g["nngraph"]
    assert [part.name for part in nng.from_igraph(g).parts] == ["10", "9"]


# ------------------------------------------------------------------ like another


def weighted(edges=((3, 0), (1, 3), (4, 1)), *, directed=False):
    """Two parts in mixed order, and attributes of all three sorts."""
    g = igraph.Graph(5, edges, directed=directed)
    g.vs["type"], g.vs["colour"] = [0, 0, 0, 1, 1], list("abcde")
    g.es["weight"], g.es["since"] = [0.5 + e for e in range(len(edges))], list(range(len(edges)))
    g["title"] = "mine"
    return g


def test_a_graph_like_its_own_keeps_order_and_attributes_of_edges_where_the_same_pairs_are_joined():
    g = weighted()
    G = nng.from_igraph(g)
    h = G.with_weights(-2 * G.weights()).to_igraph(like=g)
    assert h.get_edgelist() == g.get_edgelist()
    assert h.es["weight"] == [-2 * weight for weight in g.es["weight"]]
    assert (h.es["since"], h.es["sign"], h.vs["colour"], h["title"]) == ([0, 1, 2], [-1, -1, -1], list("abcde"), "mine")
    assert g.es["weight"] == [0.5, 1.5, 2.5]  # the graph itself is left alone


def test_edges_that_have_moved_leave_their_other_attributes_behind():
    g = weighted()
    G = nng.from_igraph(g)
    block = G.block(0)
    W = np.zeros(block.shape)
    W[0, 2], W[1, 0], W[1, 1] = 7, -8, 9
    R = G.replace_blocks([block.with_matrix(W, W != 0)])
    h = R.to_igraph(like=g)
    assert sorted(h.es.attributes()) == ["sign", "weight"]
    assert {frozenset(e.tuple): e["weight"] for e in h.es} == {
        frozenset((2, 3)): 7,
        frozenset((0, 4)): -8,
        frozenset((1, 4)): 9,
    }
    assert (h.vs["colour"], h.is_directed()) == (list("abcde"), False)
    assert nng.from_igraph(h) == R


@given(multipartite(), st.integers(0, 2**32 - 1))
def test_a_graph_like_a_shuffled_view_reads_back_equal(G, seed):
    view = G.to_igraph()
    del view["nngraph"]
    g = view.permute_vertices(np.random.default_rng(seed).permutation(G.n_nodes).tolist())
    read = nng.from_igraph(g)
    h = read.with_weights(read.weights() + 1).to_igraph(like=g)
    assert nng.from_igraph(h) == read.with_weights(read.weights() + 1)
    assert h.vs["name"] == g.vs["name"]


def test_a_view_of_the_library_can_be_the_one_to_be_like():
    G = chain()
    view = G.to_igraph()
    R = G.with_weights(G.weights()[::-1])
    assert nng.from_igraph(R.to_igraph(like=view)) == R


def test_parts_can_be_named_by_any_attribute():
    g = weighted()
    g.vs["role"], g.vs["type"] = ["x", "x", "x", "y", "y"], [None] * 5
    G = nng.from_igraph(g, part="role")
    assert [(part.name, part.size) for part in G.parts] == [("x", 3), ("y", 2)]
    assert G.to_igraph(like=g, part="role").get_edgelist() == g.get_edgelist()
    with pytest.raises(ArgumentError, match=r"part: got 'team'.*which has 'colour', 'role', 'type'"):
        nng.from_igraph(g, part="team")


@pytest.mark.parametrize(
    ("like", "part", "words"),
    [
        (igraph.Graph(3), None, "no vertex attribute names the parts"),
        (bipartite([(0, 2)]), None, r"like has the parts '0' \(2\), '1' \(3\) and this graph '0' \(3\), '1' \(2\)"),
        ("votes", None, "to_igraph: like: got str; expected an igraph.Graph"),
        (None, "role", "part names a vertex attribute of like"),
    ],
)
def test_a_graph_that_this_one_was_not_read_from_is_refused(like, part, words):
    with pytest.raises((ArgumentError, FormatError), match=words):
        nng.from_igraph(weighted()).to_igraph(like=like, part=part)
