import json
import re
import time
import warnings
import xml.etree.ElementTree as ET

import igraph
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, FormatError, SizeError
from nngraph.graph import NeuralGraph, Part
from nngraph.io import _inspection, _nodes, _pieces, _texts, graphml
from tests.strategies import graphs, multipartite

NS = "{http://graphml.graphdrawing.org/xmlns}"


def written(G, folder, **options):
    path = folder / "g.graphml"
    nng.write_graphml(G, path, **options)
    return path


def read_igraph(path):
    """An independent reader."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Could not add vertex ids", category=RuntimeWarning)
        return igraph.Graph.Read_GraphML(str(path))


def declared(path):
    return {(key.get("for"), key.get("attr.name")): key.get("attr.type") for key in ET.parse(path).iter(f"{NS}key")}


def net(dtype=np.float32):
    rng = np.random.default_rng(0)
    return nng.from_matrices([rng.normal(size=(5, 7)).astype(dtype), rng.normal(size=(3, 5)).astype(dtype)])


# --------------------------------------------------------------------- there and back


@given(multipartite())
def test_a_graph_comes_back_from_graphml_with_every_bit_of_its_weights(tmp_path_factory, G):
    path = written(G, tmp_path_factory.mktemp("graphml"))
    back = nng.read_graphml(path)
    assert [(p.name, p.node_names()) for p in back.parts] == [(p.name, p.node_names()) for p in G.parts]
    assert sorted(block.name for block in back.blocks) == sorted(block.name for block in G.blocks)
    for block in G.blocks:
        assert back.block(block.name).same_support(block)
        assert back.block(block.name).values.tobytes() == block.values.tobytes()
        assert back.block(block.name).dtype == "float64"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_back_to_the_bit_in_the_type_they_had(dtype, tmp_path):
    bits = np.random.default_rng(1).integers(0, 2**64, 6000, dtype=np.uint64).view(dtype)
    W = bits[np.isfinite(bits) & (np.abs(bits) > 1e-40) & (np.abs(bits) < 1e30)][:600].reshape(20, 30)
    back = nng.read_graphml(written(nng.from_matrices([W]), tmp_path)).block(0)
    assert back.dtype == dtype
    assert back.dense().tobytes() == W.tobytes()


def test_a_bias_comes_back_with_its_block(tmp_path):
    W, bias = np.ones((2, 3), dtype=np.float32), np.array([0.1, -0.2], dtype=np.float32)
    G = NeuralGraph([Block.from_dense("fc", "x", "y", W, bias=bias)])
    assert nng.read_graphml(written(G, tmp_path)) == G


@pytest.mark.parametrize(("text", "dtype"), [("0.1", "float32"), ("0.12345678901234567", "float64")])
def test_a_weight_declared_float_is_narrowed_only_where_no_digit_is_lost(text, dtype, tmp_path):
    path = written(nng.from_matrices([np.array([[0.1]], dtype=np.float32)]), tmp_path)
    path.write_text(path.read_text().replace(">0.1<", f">{text}<"))
    back = nng.read_graphml(path).block(0)
    assert back.dtype == dtype
    assert back.values[0] == np.array(float(text), dtype=dtype)


@given(graphs())
@settings(max_examples=60)
def test_networkx_and_igraph_read_every_node_and_edge_of_any_graph(tmp_path_factory, G):
    path = written(G, tmp_path_factory.mktemp("graphml"))
    N, g = nx.read_graphml(path), read_igraph(path)
    table = G.edges
    expected = sorted(zip(*(table[name] for name in ("source", "target", "block", "weight", "sign")), strict=True))
    narrow = (
        np.float32 if len(G.blocks) and {b.dtype for b in G.blocks} <= {"float32", "float16", "bfloat16"} else float
    )
    assert g.ecount() == N.number_of_edges() == G.n_edges
    assert g.get_edgelist() == list(zip(table["source"], table["target"], strict=True))  # in edge order
    if G.n_edges:
        assert np.array_equal(np.array(g.es["weight"]).astype(narrow), G.weights())
        assert g.es["block"] == table["block"].tolist()
        assert g.es["sign"] == table["sign"].tolist()
    found = sorted(
        (int(a[1:]), int(b[1:]), d["block"], narrow(d["weight"]), d["sign"]) for a, b, d in N.edges(data=True)
    )
    assert found == expected
    assert g.is_directed()
    assert list(N) == [f"n{v}" for v in range(G.n_nodes)]
    for v, row in enumerate(G.nodes.itertuples()):
        data = {name: N.nodes[f"n{v}"][name] for name in ("part", "depth", "index", "name", "bias")}
        assert data == {"part": row.part, "depth": row.depth, "index": row.index, "name": row.name, "bias": row.bias}
        assert [type(value) for value in data.values()] == [str, int, int, str, float]
        assert {name: g.vs[v][name] for name in data} == data


def test_places_and_colours_are_read_by_networkx_and_igraph_as_gexf_has_them(tmp_path):
    G = net()
    path = written(G, tmp_path)
    nng.write_gexf(G, tmp_path / "g.gexf")
    looks = nx.read_gexf(tmp_path / "g.gexf", node_type=int).nodes(data="viz")
    N, g = nx.read_graphml(path), read_igraph(path)
    for v, viz in looks:
        place = {"x": viz["position"]["x"], "y": viz["position"]["y"]}
        colour = "#" + "".join(f"{viz['color'][channel]:02x}" for channel in "rgb")
        for data in (N.nodes[f"n{v}"], g.vs[v].attributes()):
            assert {name: data[name] for name in ("x", "y", "color")} == place | {"color": colour}


def test_every_column_has_the_type_it_says_also_in_an_empty_graph(tmp_path):
    nodes = {"part": "string", "depth": "int", "index": "int", "bias": "double", "x": "float", "y": "float"}
    nodes |= {"color": "string", "name": "string"}
    for G, weight in ((net(), "float"), (net(np.float64), "double"), (NeuralGraph([]), "double")):
        edges = {"weight": weight, "sign": "int", "block": "string"}
        assert declared(written(G, tmp_path)) == {
            **{("node", name): kind for name, kind in nodes.items()},
            **{("edge", name): kind for name, kind in edges.items()},
        }
    g = read_igraph(tmp_path / "g.graphml")
    assert (g.vcount(), g.ecount()) == (0, 0)
    assert {"part", "index", "name", "bias"} <= set(g.vs.attributes())
    assert set(g.es.attributes()) == set(edges)


def test_the_graph_has_its_history_and_edges_of_weight_zero_are_written(tmp_path):
    G = nng.nulls.randomize(nng.from_matrices([np.array([[1.0, -2.0], [0.0, 0.5]])], zeros="keep"), "A", rng=7)
    path = written(G, tmp_path)
    N = nx.read_graphml(path)
    assert sorted(weight for *_, weight in N.edges(data="weight")) == [-2.0, 0.0, 0.5, 1.0]
    assert all(type(d["weight"]) is float and d["sign"] == np.sign(d["weight"]) for *_, d in N.edges(data=True))
    [(operation, parameters, seed)] = json.loads(N.graph["history"])
    assert (operation, parameters["kind"], seed) == ("randomize", "A", "7")


def test_names_that_mean_something_in_xml_survive_both_readers(tmp_path):
    labels = ("<&>\"'", "tab\there", "line\nfeed", "carriage\rreturn", "é 漢 🧠", "]]>", "&amp;", "<!--", " a ")
    G = NeuralGraph(
        [Block.from_dense("b<&>\"'\t", "x<&>", "y", np.ones((1, len(labels))))],
        [Part("x<&>", len(labels), labels), Part("y", 1)],
    )
    path = written(G, tmp_path)
    N, g = nx.read_graphml(path), read_igraph(path)
    assert [N.nodes[f"n{i}"]["name"] for i in range(len(labels))] == g.vs["name"][:-1] == list(labels)
    assert {*g.es["block"]} == {block for *_, block in N.edges(data="block")} == {G.blocks[0].name}
    assert nng.read_graphml(path) == G


def test_a_name_that_xml_cannot_hold_is_refused_and_no_file_is_left(tmp_path):
    G = NeuralGraph([Block.from_dense("b", "x", "y", np.ones((1, 1)))], [Part("x", 1, ("a\x07",)), Part("y", 1)])
    with pytest.raises(ArgumentError, match=r"the names of nodes: entry 0, 'a\\x07', has a character that XML cannot"):
        written(G, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_columns_of_the_user_are_there(tmp_path):
    table = pd.DataFrame({"hub": [True, False] * 7 + [True], "score": np.arange(15) / 10})
    path = written(net(), tmp_path, attributes=table)
    N = nx.read_graphml(path)
    assert [N.nodes[f"n{i}"]["hub"] for i in range(15)] == table["hub"].tolist()
    assert [N.nodes[f"n{i}"]["score"] for i in range(15)] == table["score"].tolist()
    assert read_igraph(path).vs["hub"] == table["hub"].tolist()


def test_top_keeps_the_strongest_and_the_graph_says_so(tmp_path):
    G = net()
    result = nng.write_graphml(G, tmp_path / "g.graphml", top=0.2)
    back = nng.read_graphml(tmp_path / "g.graphml")
    for block, kept in zip(G.blocks, back.blocks, strict=True):
        n = round(0.2 * block.n_edges)
        assert sorted(np.abs(kept.values)) == sorted(np.abs(block.values))[-n:]
    assert result.n_edges == back.n_edges == 10
    assert result.share == pytest.approx(np.abs(back.weights()).sum() / np.abs(G.weights()).sum())
    assert f"{100 * result.share:.1f} % of the sum" in nx.read_graphml(tmp_path / "g.graphml").graph["description"]


@given(graphs())
@settings(max_examples=20)
def test_the_same_graph_gives_the_same_bytes_however_it_is_cut_into_pieces(tmp_path_factory, G):
    folder = tmp_path_factory.mktemp("graphml")
    once = written(G, folder).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        for module in (_pieces, _nodes, graphml):
            patch.setattr(module, "PIECE", 4)
        assert written(G, folder).read_bytes() == once


def test_a_graph_that_is_too_large_is_refused_unless_top_or_force(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(_pieces, "EDGES_WARN", 10)
    monkeypatch.setattr(_pieces, "EDGES_REFUSE", 40)
    with pytest.raises(SizeError, match=r"50 edges are about .* the limit is 40"):
        written(net(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert read_igraph(written(net(), tmp_path, top=5)).ecount() == 10
    assert read_igraph(written(net(), tmp_path, force=True)).ecount() == 50
    assert "Gephi is slow above 10 edges" in caplog.text


def test_a_file_that_is_there_survives_a_write_that_fails(tmp_path, monkeypatch):
    G = nng.from_matrices([np.array([[1.0, -2.0]])])
    path = written(G, tmp_path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(_texts, "joined", fail)
    with pytest.raises(OSError, match="full"):
        nng.write_graphml(nng.ops.binarize(G), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["g.graphml"]


# ------------------------------------------------------------------------- with like


def votes(**attributes):
    """A signed bipartite graph with attributes of every type, undirected, its two types in mixed order."""
    rng = np.random.default_rng(0)
    types = rng.permutation([False] * 8 + [True] * 6)
    pairs = [(a, b) for a in np.flatnonzero(~types) for b in np.flatnonzero(types) if rng.random() < 0.7]
    g = igraph.Graph(14, pairs, directed=False)
    g.vs["type"], g.vs["name"] = types.tolist(), [f"<v{v}>" for v in range(14)]
    g.vs["age"], g.vs["height"] = [20 + v for v in range(14)], [1.5 + v / 3 for v in range(14)]
    g.es["weight"] = rng.normal(size=g.ecount()).tolist()
    g.es["year"], g.es["won"] = [2**40 + e for e in range(g.ecount())], [e % 2 == 0 for e in range(g.ecount())]
    g["title"], g["session"], g["open"] = "votes & more", 7, True
    for name, values in attributes.items():
        g.vs[name] = values
    return g


def test_like_writes_every_attribute_of_vertices_edges_and_graph_with_its_type(tmp_path):
    g = votes()
    path = written(nng.from_igraph(g), tmp_path, like=g)
    assert declared(path) == {
        **{("graph", name): kind for name, kind in (("title", "string"), ("session", "int"), ("open", "boolean"))},
        **{("node", name): kind for name, kind in (("type", "boolean"), ("name", "string"), ("age", "int"))},
        **{("node", "height"): "double", ("edge", "weight"): "double", ("edge", "sign"): "int"},
        **{("edge", "year"): "long", ("edge", "won"): "boolean"},
    }
    h, N = read_igraph(path), nx.read_graphml(path)
    assert not h.is_directed()
    assert not N.is_directed()
    assert h.get_edgelist() == g.get_edgelist()
    for name in g.vs.attributes():
        assert h.vs[name] == g.vs[name]
        assert [N.nodes[f"n{v}"][name] for v in range(14)] == g.vs[name]
    for name in g.es.attributes():
        assert h.es[name] == g.es[name]
    assert {name: h[name] for name in g.attributes()} == {name: g[name] for name in g.attributes()}
    assert N.graph["session"] == 7
    assert type(N.nodes["n0"]["age"]) is int
    assert nng.read_graphml(path) == nng.from_igraph(g)


def test_like_and_top_write_the_vertices_of_the_one_and_the_strongest_edges(tmp_path):
    g = votes()
    h = read_igraph(written(nng.from_igraph(g), tmp_path, like=g, top=5))
    assert sorted(h.es["weight"], key=abs) == sorted(g.es["weight"], key=abs)[-5:]
    assert h.vs["name"] == g.vs["name"]


def test_values_that_are_missing_are_left_out_and_come_back_as_missing(tmp_path):
    g = votes(role=["a", None] * 7, score=[0.5, float("nan")] * 7, rank=[1, None] * 7)
    g["place"] = None
    path = written(nng.from_igraph(g), tmp_path, like=g)
    N, h = nx.read_graphml(path), read_igraph(path)
    assert "place" not in N.graph
    assert [N.nodes[f"n{v}"].get("role") for v in range(4)] == ["a", None, "a", None]
    assert [N.nodes[f"n{v}"].get("score") for v in range(4)] == [0.5, None, 0.5, None]
    assert [N.nodes[f"n{v}"].get("rank") for v in range(4)] == [1, None, 1, None]
    assert np.isnan(h.vs["score"][1::2]).all()
    assert h.vs["role"][:2] == ["a", ""]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1]] * 14, "like: the column 'x' holds list; expected one type"),
        ([1, "a"] * 7, "like: the column 'x' holds int and str; expected one type"),
        ([True, 2.5] * 7, "like: the column 'x' holds bool and float; expected one type"),
        ([2**64] * 14, "like: the column 'x' has a whole number beyond 64 bits"),
        (["\x00"] * 14, r"like: the column 'x': entry 0, '\\x00', has a character that XML cannot hold"),
    ],
)
def test_an_attribute_of_like_that_no_file_can_hold_is_refused_by_name(values, words, tmp_path):
    g = votes(x=values)
    with pytest.raises(ArgumentError, match=words):
        written(nng.from_igraph(g), tmp_path, like=g)
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_go_together_are_refused(tmp_path):
    g = votes()
    G = nng.from_igraph(g)
    with pytest.raises(ArgumentError, match="got both like and attributes"):
        written(G, tmp_path, like=g, attributes=pd.DataFrame({"a": range(14)}))
    with pytest.raises(ArgumentError, match="part names a vertex attribute of like"):
        written(G, tmp_path, part="role")


# --------------------------------------------------------------------------- reading


HEAD = (
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><key id="t" for="node" attr.name="type" attr.type="int"/>'
)


def document(body, *, before="", direction="undirected", extra=""):
    return f'{before}{HEAD}{extra}<graph edgedefault="{direction}">{body}</graph></graphml>'


def nodes(*ids):
    return "".join(f'<node id="{name}"><data key="t">{part}</data></node>' for part, name in enumerate(ids))


@pytest.mark.parametrize(("ids", "labels"), [(("n0", "n1"), ["0:0", "1:0"]), (("ann", "bob"), ["ann", "bob"])])
def test_an_id_that_numbers_the_nodes_is_no_name_and_one_that_says_something_is(ids, labels, tmp_path):
    (tmp_path / "g.graphml").write_text(document(f'{nodes(*ids)}<edge source="{ids[1]}" target="{ids[0]}"/>'))
    G = nng.read_graphml(tmp_path / "g.graphml")
    assert [name for part in G.parts for name in part.node_names()] == labels
    assert G.to_matrices()[0].tolist() == [[1.0]]


def test_a_signed_weight_goes_before_the_weight_that_gephi_was_given(tmp_path):
    keys = '<key id="w" for="edge" attr.name="weight" attr.type="double"/>'
    keys += '<key id="s" for="edge" attr.name="signed_weight" attr.type="double"/>'
    edge = '<edge source="a" target="b"><data key="w">2</data><data key="s">-2</data></edge>'
    (tmp_path / "g.graphml").write_text(document(nodes("a", "b") + edge, extra=keys))
    assert nng.read_graphml(tmp_path / "g.graphml").weights().tolist() == [-2.0]


def test_an_error_names_the_file_and_not_the_function(tmp_path):
    path = written(nng.from_matrices([np.array([[1.0, -2.0]])]), tmp_path)
    path.write_text(path.read_text().replace(">-2<", ">NaN<"))
    with pytest.raises(FormatError, match=r"g.graphml: edge 1 \(vertex 1 .*\) has the weight nan"):
        nng.read_graphml(path)


LAUGHS = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha" * 10}">' for i in range(9))
EDGE = '<edge source="a" target="b"/>'
HOSTILE = {
    "laughs": (
        document(nodes("a", "&a8;"), before=f'<?xml version="1.0"?><!DOCTYPE graphml [{LAUGHS}]>'),
        "has a document type",
    ),
    "other files": (
        document(nodes("a", "&x;"), before='<!DOCTYPE graphml [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        "has a document type",
    ),
    "external document type": (
        document(nodes("a", "b"), before='<!DOCTYPE graphml SYSTEM "http://127.0.0.1:9/x.dtd">'),
        "has a document type",
    ),
    "huge attribute": (document(nodes("a" * 3 * 2**20, "b")), "has a tag or a text of more than 1,048,576 bytes"),
    "huge text": (document(nodes("a", "b") + "x" * 3 * 2**20), "has a tag or a text of more than 1,048,576 bytes"),
    "same id": (document(nodes("a", "b") + nodes("a")), "has 2 nodes with the id 'a'"),
    "parallel edges": (document(nodes("a", "b") + EDGE + EDGE), "edge 1 .* is parallel to edge 0"),
    "back and forth": (
        document(nodes("a", "b") + EDGE + '<edge source="b" target="a"/>'),
        "edge 1 .* is parallel to edge 0",
    ),
    "no such node": (document(nodes("a", "b") + '<edge source="a" target="c"/>'), "has the part nan|expected text"),
    "unclosed": (document(nodes("a", "b"))[:-9], "is no GraphML file, or a damaged one"),
    "undefined entity": (document(nodes("a", "&x;")), "is no GraphML file, or a damaged one"),
    "control character": (document(nodes("a", "\x01")), "is no GraphML file, or a damaged one"),
    "another kind of xml": ("<html><body/></html>", "is no GraphML file, or a damaged one"),
    "empty": ("", "is no GraphML file, or a damaged one"),
    "nothing but text": ("hello", "is no GraphML file, or a damaged one"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_malformed_or_hostile_is_refused_at_once_in_one_sentence(name, tmp_path):
    text, words = HOSTILE[name]
    path = tmp_path / "g.graphml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(FormatError, match=words) as caught:
        nng.read_graphml(path)
    assert time.process_time() - began < 1
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_document_type_hidden_by_another_encoding_is_refused_too(tmp_path):
    text = document(nodes("a", "b") + EDGE, before='<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE graphml []>')
    (tmp_path / "g.graphml").write_bytes(text.encode("utf-16"))
    with pytest.raises(FormatError, match="has a document type"):
        nng.read_graphml(tmp_path / "g.graphml")


def test_a_comment_that_shows_a_node_is_no_second_node(tmp_path):
    body = f'<!-- <node id="a"/> --><desc><![CDATA[<node id="b"/>]]></desc>{nodes("a", "b")}{EDGE}'
    (tmp_path / "g.graphml").write_text(document(body))
    assert nng.read_graphml(tmp_path / "g.graphml").n_nodes == 2


@pytest.mark.parametrize("size", range(60, 140, 7))
def test_nodes_are_counted_the_same_wherever_the_file_is_cut(size, tmp_path, monkeypatch):
    monkeypatch.setattr(_inspection, "TOKEN", size)
    path = tmp_path / "g.graphml"
    path.write_text(document(nodes("a", "b", "c")))
    _inspection.node_ids(path, 3)
    path.write_text(document(nodes("a", "b", "c") + nodes("b")))
    with pytest.raises(FormatError, match="has 2 nodes with the id 'b'"):
        _inspection.node_ids(path, 3)
    path.write_text(document(nodes("a", "b", "c") + "<hyperedge/>"))
    with pytest.raises(FormatError, match="has a hyperedge"):
        _inspection.node_ids(path, 3)


@pytest.mark.parametrize("size", range(7, 40))
def test_a_file_whose_nodes_differ_is_not_parsed_again_wherever_it_is_cut(size, tmp_path, monkeypatch):
    path = tmp_path / "g.graphml"
    path.write_text(document(nodes("a", "b", "c")))
    monkeypatch.setattr(_inspection, "TOKEN", size)
    monkeypatch.setattr(_inspection, "_parse", lambda *_: pytest.fail("counted a node twice"))
    _inspection.node_ids(path, 3)


def test_a_file_that_is_too_large_is_refused_unless_force(tmp_path, monkeypatch):
    path = written(net(), tmp_path)
    monkeypatch.setattr(_inspection, "BYTES_REFUSE", 1000)
    with pytest.raises(SizeError, match=r"g.graphml: has .* GiB, .* go on with force"):
        nng.read_graphml(path)
    assert nng.read_graphml(path, force=True) == net()


def test_a_file_of_four_gibibytes_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "g.graphml").open("wb") as file:
        file.truncate(4 * 2**30 + 1)  # a hole, which takes no disk
    with pytest.raises(SizeError, match=re.escape("has 4.0 GiB")):
        nng.read_graphml(tmp_path / "g.graphml")


# ------------------------------------------------------------- columns, encodings, long tags


WEIGHT = '<key id="w" {} attr.name="weight" attr.type="double"/>'
FIVE = '<edge source="a" target="b"><data key="w">-5</data></edge>'


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (WEIGHT.format('for="all"'), "the key 'w' of the attribute 'weight' is for=\"all\"; expected for=\"node\""),
        (WEIGHT.format(""), "the key 'w' of the attribute 'weight' is for=\"all\"; expected for=\"node\""),
        ('<key id="w" for="edge" attr.name="weight"/>', "the key 'w' of the attribute 'weight' has no attr.type"),
        ("", "Unknown attribute key 'w' in a <data> tag"),
        (WEIGHT.format('for="port"'), "Unknown attribute key 'w' in a <data> tag"),
    ],
)
def test_a_weight_that_the_reader_would_leave_out_is_an_error_and_no_weight_of_1(key, words, tmp_path):
    (tmp_path / "g.graphml").write_text(document(nodes("a", "b") + FIVE, extra=key))
    with pytest.raises(FormatError, match=words) as caught:
        nng.read_graphml(tmp_path / "g.graphml")
    assert "\n" not in str(caught.value)
    assert "Location" not in str(caught.value)


def test_a_key_for_both_that_comes_after_the_first_node_is_an_error_too(tmp_path):
    text = document(nodes("a", "b") + FIVE).replace("</graphml>", WEIGHT.format('for="all"') + "</graphml>")
    (tmp_path / "g.graphml").write_text(text)
    with pytest.raises(FormatError, match="'w'"):
        nng.read_graphml(tmp_path / "g.graphml")


@pytest.mark.parametrize("kind", ["port", "endpoint", "hyperedge", "graphml"])
def test_a_key_of_what_no_graph_here_has_changes_nothing(kind, tmp_path):
    extra = WEIGHT.format('for="edge"') + f'<key id="p" for="{kind}" yfiles.type="portgraphics"/>'
    (tmp_path / "g.graphml").write_text(document(nodes("a", "b") + FIVE, extra=extra))
    assert nng.read_graphml(tmp_path / "g.graphml").weights().tolist() == [-5.0]


@pytest.mark.parametrize("prefix", ["", "g:"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_hyperedges_and_nodes_of_one_id_are_found_in_any_encoding_and_with_any_prefix(prefix, encoding, tmp_path):
    path = tmp_path / "g.graphml"
    hyper = '<hyperedge><endpoint node="a"/><endpoint node="b"/></hyperedge>'
    for body, words in (
        (hyper, "has a hyperedge; expected edges of two ends"),
        (nodes("a"), "has 2 nodes with the id"),
    ):
        text = document(nodes("a", "b") + EDGE + body)
        if prefix:
            text = re.sub("(</?)(?=[a-z])", r"\1g:", text).replace("xmlns=", "xmlns:g=")
        path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding))
        with pytest.raises(FormatError, match=words):
            nng.read_graphml(path)


def test_a_comment_that_shows_a_hyperedge_is_none(tmp_path):
    (tmp_path / "g.graphml").write_text(document("<!-- <hyperedge/> -->" + nodes("a", "b") + EDGE))
    assert nng.read_graphml(tmp_path / "g.graphml").n_edges == 1


UNKNOWN = ["utf-7", "gb18030", "shift_jis", "euc-jp", "big5", "utf-32", "ISO-10646-UCS-4", "IBM037", "nonsense"]


@pytest.mark.parametrize("before", ["", "<!DOCTYPE graphml []>"])
@pytest.mark.parametrize("encoding", UNKNOWN)
def test_an_encoding_that_could_hide_a_document_type_is_refused_in_one_sentence(encoding, before, tmp_path):
    text = document(nodes("a", "b") + EDGE, before=f'<?xml version="1.0" encoding="{encoding}"?>{before}')
    codec = {"ISO-10646-UCS-4": "utf-32-be", "nonsense": "ascii"}.get(encoding, encoding)
    path = tmp_path / "g.graphml"
    for content in (text.encode(codec), text.encode("ascii")):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"g.graphml: .*; expected .* in UTF-8 or UTF-16\.$"):
            nng.read_graphml(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_names_in_the_usual_encodings_are_read(encoding, tmp_path):
    declared = encoding.removesuffix("-sig")
    text = document(nodes("é", "b") + EDGE, before=f'<?xml version="1.0" encoding="{declared}"?>')
    text = text.replace('source="a"', 'source="é"')
    (tmp_path / "g.graphml").write_bytes(text.encode(encoding))
    assert nng.read_graphml(tmp_path / "g.graphml").parts[0].node_names() == ["é"]


@pytest.mark.parametrize("error", [ValueError, MemoryError])
def test_what_the_reader_itself_cannot_bear_is_one_sentence(error, tmp_path, monkeypatch):
    def fail(_):
        raise error

    path = written(net(), tmp_path)
    monkeypatch.setattr(igraph.Graph, "Read_GraphML", fail)
    with pytest.raises(FormatError, match=rf"a damaged one \({error.__name__}\)"):
        nng.read_graphml(path)


@pytest.mark.parametrize("offset", [0, 1, 2**19, 2**20 - 1])
def test_a_long_text_is_refused_wherever_it_begins_and_one_at_the_limit_is_read(offset, tmp_path):
    path = tmp_path / "g.graphml"
    tail = f"</desc>{nodes('a', 'b')}{EDGE}</graph></graphml>"
    head = document("<desc>", before=f"<!--{' ' * (offset // 2)}--><!--{' ' * (offset - offset // 2)}-->")
    head = head.removesuffix("</graph></graphml>")
    path.write_text(head + "x" * (2**20 - len("<desc>")) + tail)
    assert nng.read_graphml(path).n_edges == 1
    path.write_text(head + "x" * (2**20 - len("<desc>") + 1) + tail)
    with pytest.raises(FormatError, match="has a tag or a text of more than 1,048,576 bytes"):
        nng.read_graphml(path)


def test_a_long_comment_takes_no_time_to_speak_of(tmp_path):
    path = tmp_path / "g.graphml"
    path.write_text(document(nodes("a", "b") + EDGE, before=f"<!--{'<' * 2**23}-->"))
    began = time.process_time()
    assert nng.read_graphml(path).n_edges == 1
    assert time.process_time() - began < 1.5  # 15 s when it is parsed in pieces of 2 KiB


@pytest.mark.parametrize("path", [3, None, b"g.graphml"])
def test_what_names_no_file_is_refused(path):
    for call in (nng.read_graphml, nng.load, lambda p: nng.write_graphml(net(), p), lambda p: nng.save(net(), p)):
        with pytest.raises(ArgumentError, match=r"path: got .*; expected the name of a file"):
            call(path)


@pytest.mark.parametrize("write", [nng.write_gexf, nng.write_graphml, nng.write_edges, nng.save])
def test_what_is_no_graph_is_refused_and_no_file_is_left(write, tmp_path):
    for thing in (None, [np.ones((2, 2))]):
        with pytest.raises(ArgumentError, match=rf"{write.__name__}: got a .*; expected a NeuralGraph"):
            write(thing, tmp_path / "g")
    assert list(tmp_path.iterdir()) == []
