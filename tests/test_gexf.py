import itertools
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, SizeError
from nngraph.graph import NeuralGraph, Part
from nngraph.io import _looks, _nodes, _pieces, _texts
from tests.strategies import graphs

NS = "{http://gexf.net/1.3}"
VIZ = "{http://gexf.net/1.3/viz}"


def written(G, folder, **options):
    path = folder / "g.gexf"
    nng.write_gexf(G, path, **options)
    return path


def read(path):
    """An independent reader; a graph with parallel edges comes as a MultiDiGraph."""
    return nx.read_gexf(path, node_type=int)


def by_id(N):
    return {int(data["id"]): (a, b, data) for a, b, data in N.edges(data=True)}


def net(seed=0):
    rng = np.random.default_rng(seed)
    return nng.from_matrices([rng.normal(size=(5, 7)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)])


def visible(G):
    """The edges that a viewer can bear, by position in G.edges."""
    table = G.edges
    size = np.abs(table["weight"].to_numpy(dtype=np.float64))
    return table[size >= np.finfo(np.float32).tiny]


@given(graphs())
@settings(max_examples=60)
def test_networkx_reads_every_node_and_edge_of_any_graph_with_its_weight_sign_block_and_bits(tmp_path_factory, G):
    N = read(written(G, tmp_path_factory.mktemp("gexf")))
    assert N.is_directed()
    assert sorted(N) == list(range(G.n_nodes))
    expected, found = visible(G), by_id(N)
    assert sorted(found) == expected.index.tolist()
    assert N.number_of_edges() == len(expected)
    dtype = G.weights().dtype if len(G.blocks) else np.float64
    for row in expected.itertuples():
        a, b, data = found[row.Index]
        assert (a, b, data["block"]) == (row.source, row.target, row.block)
        assert np.array(data["signed_weight"]).astype(dtype) == row.weight
        assert data["weight"] == abs(data["signed_weight"]) > 0
        assert data["sign"] == ("+" if row.weight > 0 else "-")


@given(graphs())
def test_nodes_have_what_the_node_table_has_in_python_types_and_their_degree_and_strength(tmp_path_factory, G):
    N = read(written(G, tmp_path_factory.mktemp("gexf")))
    edges, ends = G.edges, G.edges[["source", "target"]].to_numpy()
    for row in G.nodes.itertuples():
        data = {name: N.nodes[row.Index][name] for name in ("part", "depth", "index", "label", "bias", "degree")}
        touching = (ends == row.Index).sum(axis=1)
        assert data == {
            "part": row.part,
            "depth": row.depth,
            "index": row.index,
            "label": row.name,
            "bias": row.bias,
            "degree": touching.sum(),
        }
        assert [type(value) for value in data.values()] == [str, int, int, str, float, int]
        sizes = np.abs(edges["weight"].to_numpy(dtype=np.float64))
        assert N.nodes[row.Index]["strength"] == pytest.approx((touching * sizes).sum(), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_bit_pattern_of_a_normal_number_comes_back(dtype, tmp_path):
    bits = np.random.default_rng(1).integers(0, 2**64, 4000, dtype=np.uint64)
    values = bits.view(dtype)
    values = values[np.isfinite(values)]
    size = np.abs(values.astype(np.float64))
    values = values[(size >= _pieces.SMALLEST) & (size < 1e150)]  # sums of squares are finite
    assert len(values) > 1000
    found = by_id(read(written(nng.from_matrices([values[None]]), tmp_path)))
    back = np.array([found[i][2]["signed_weight"] for i in range(len(values))]).astype(dtype)
    assert back.tobytes() == values.tobytes()


@pytest.mark.parametrize(("dtypes", "kind"), [("ff", "float"), ("ef", "float"), ("fd", "double"), ("", "double")])
def test_weights_are_declared_by_the_widest_block_also_of_an_empty_graph(dtypes, kind, tmp_path):
    matrices = [np.full((2, 2), 0.1, dtype=dtype) for dtype in dtypes]
    path = written(nng.from_matrices(matrices) if matrices else NeuralGraph([], [Part("x", 0)]), tmp_path)
    declared = {a.get("title"): a.get("type") for a in ET.parse(path).iter(f"{NS}attribute")}
    assert declared == {
        "part": "string",
        "depth": "integer",
        "index": "integer",
        "bias": "double",
        "degree": "integer",
        "strength": "double",
        "signed_weight": kind,
        "sign": "string",
        "block": "string",
    }
    assert read(path).number_of_nodes() == (len(dtypes) + 1) * 2 * bool(dtypes)


def test_the_document_is_what_the_format_asks_for(tmp_path):
    root = ET.parse(written(net(), tmp_path)).getroot()
    assert (root.tag, root.get("version")) == (f"{NS}gexf", "1.3")
    graph = root.find(f"{NS}graph")
    assert dict(graph.items()) == {"defaultedgetype": "directed", "idtype": "integer", "mode": "static"}
    assert [child.tag for child in graph] == [f"{NS}{tag}" for tag in ("attributes", "attributes", "nodes", "edges")]


def test_layers_stand_from_left_to_right_evenly_spread_and_centred(tmp_path):
    N = read(written(net(), tmp_path))
    for depth, size in ((0, 7), (1, 5), (2, 3)):
        nodes = [data for _, data in N.nodes(data=True) if data["depth"] == depth]
        assert {data["viz"]["position"]["x"] for data in nodes} == {600.0 * depth}
        y = [data["viz"]["position"]["y"] for data in sorted(nodes, key=lambda data: data["index"])]
        assert y == pytest.approx([1000 * (0.5 - (i + 0.5) / size) for i in range(size)], abs=1e-4)


def test_parts_of_one_depth_are_stacked_with_room_between_and_no_two_nodes_touch():
    shapes = {"q": 4, "k": 3, "v": 6}
    blocks = [Block.from_dense(name, "x", name, np.ones((size, 2))) for name, size in shapes.items()]
    G = NeuralGraph(blocks)
    place = _looks.layout(G, np.ones(G.n_nodes), "index")
    deep = np.flatnonzero(place.x == 600)
    assert len(deep) == 13
    y, radius = place.y[deep], place.radius[deep]
    steps = -np.diff(y)
    assert (steps >= radius[1:] + radius[:-1]).all()
    between = [3, 6]  # after q and after k
    assert steps[between].min() > 1.5 * np.delete(steps, between).max()
    assert y.max() + y.min() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("order", ["index", "strength", "barycentre"])
@given(G=graphs())
@settings(max_examples=15)
def test_no_two_nodes_share_a_place_whatever_the_order(order, G):
    place = _looks.layout(G, _looks.totals(G).strength, order)
    assert len({*zip(place.x.tolist(), place.y.tolist(), strict=True)}) == G.n_nodes
    assert np.abs(place.y).max(initial=0) < 500
    assert ((place.radius > 0) & (place.radius <= 20)).all()


def test_order_by_strength_puts_the_strongest_on_top(tmp_path):
    G = net()
    N = read(written(G, tmp_path, order="strength"))
    for part in G.parts:
        nodes = [data for _, data in N.nodes(data=True) if data["part"] == part.name]
        nodes.sort(key=lambda data: -data["viz"]["position"]["y"])
        strengths = [data["strength"] for data in nodes]
        assert strengths == sorted(strengths, reverse=True)
        sizes = [data["viz"]["size"] for data in nodes]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] == 20
        assert sizes[-1] > 0.3 * 20


def test_order_by_barycentre_is_that_of_the_mean_place_of_the_sources(tmp_path):
    G = net(3)
    y = {
        node: data["viz"]["position"]["y"]
        for node, data in read(written(G, tmp_path, order="barycentre")).nodes.items()
    }
    start = 0
    for W in G.to_matrices():
        n_target, n_source = W.shape
        above = np.array([y[start + i] for i in range(n_source)])
        own = np.array([y[start + n_source + i] for i in range(n_target)])
        centre = np.abs(W) @ above / np.abs(W).sum(axis=1)
        assert np.argsort(-own).tolist() == np.argsort(-centre).tolist()
        start += n_source
    assert [y[i] for i in range(7)] == sorted((y[i] for i in range(7)), reverse=True)


def test_an_unknown_order_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ArgumentError, match="order: got 'random'; expected 'index', 'strength' or 'barycentre'"):
        written(net(), tmp_path, order="random")
    assert list(tmp_path.iterdir()) == []


def test_negative_edges_are_blue_and_positive_ones_vermilion_the_darker_the_heavier(tmp_path):
    sizes = [*np.linspace(0.1, 3, 11), 9]
    weights = np.array([-size for size in sizes] + sizes)
    root = ET.parse(written(nng.from_matrices([weights[None]]), tmp_path))
    colour = {}
    for edge in root.iter(f"{NS}edge"):
        viz = edge.find(f"{VIZ}color")
        colour[int(edge.get("id"))] = tuple(int(viz.get(channel)) for channel in "rgb")
    for i in range(24):
        r, _, b = colour[i]
        assert b > r if weights[i] < 0 else r > b
    for side in (range(12), range(12, 24)):
        brightness = [sum(colour[i]) for i in side]
        assert all(a >= b for a, b in itertools.pairwise(brightness))
        assert brightness[0] > brightness[-1] + 200
    assert colour[11] == (0, 114, 178)  # beyond twice the root mean square
    assert colour[23] == (213, 94, 0)


def test_each_part_has_a_colour_of_its_own_until_they_repeat(tmp_path):
    N = read(written(net(), tmp_path))
    colours = {(data["part"], *data["viz"]["color"].values()) for _, data in N.nodes(data=True)}
    assert len(colours) == 3
    assert len({colour[1:] for colour in colours}) == 3
    assert len(set(_looks.part_colours(nng.from_matrices([np.ones((1, 1))] * 6)))) == 6


def test_weights_of_zero_or_too_small_for_single_precision_are_left_out_and_counted(tmp_path, caplog):
    W = np.array([[1.0, 0.0, -0.0], [1e-300, -1e-39, 1.2e-38]])
    G = nng.from_matrices([W], zeros="keep")
    found = by_id(read(written(G, tmp_path)))
    assert sorted(found) == [0, 5]
    assert found[5][2]["weight"] == 1.2e-38
    assert np.float32(found[5][2]["weight"]) > 0
    assert re.search("g.gexf: left out 4 edges of weight 0, or below 1.2e-38", caplog.text)
    assert nng.write_gexf(G, tmp_path / "again.gexf")[:2] == (2, 4)


def test_nothing_is_said_of_zeros_where_there_are_none(tmp_path, caplog):
    written(net(), tmp_path)
    assert caplog.text == ""


@given(graphs(), st.one_of(st.integers(1, 40), st.floats(0.01, 1)))
def test_top_keeps_the_strongest_of_each_block_ties_by_edge_order(tmp_path_factory, G, top):
    path = tmp_path_factory.mktemp("gexf") / "g.gexf"
    result = nng.write_gexf(G, path, top=top)
    table = G.edges
    table["size"] = np.abs(table["weight"].to_numpy(dtype=np.float64))
    expected, kept = [], 0.0
    for block in G.blocks:
        rows = table[table["block"] == block.name]
        n = top if isinstance(top, int) else max(round(round(top * len(rows), 6)), 1)
        strongest = rows.sort_values("size", ascending=False, kind="stable").head(n)
        kept += strongest["size"].sum()
        expected += strongest.index[strongest["size"] >= _pieces.SMALLEST].tolist()
    assert sorted(by_id(read(path))) == sorted(expected)
    assert (result.n_edges, result.n_left_out) == (len(expected), G.n_edges - len(expected))
    total = table["size"].sum()
    assert result.share == pytest.approx(kept / total if total else 1.0)


def test_the_file_says_what_share_of_the_weight_top_kept_and_which_operations_made_the_graph(tmp_path):
    G = nng.ops.add_noise(nng.from_matrices([np.array([[1.0, -2.0, 0.5, -0.5]])]), amplitude=0, rng=7)
    path = written(G, tmp_path, top=2)
    text = ET.parse(path).find(f"{NS}meta/{NS}description").text
    assert "NeuralGraph: 4-1, 4 edges." in text
    assert "The strongest 2 of each block: 2 edges with 75.0 % of the sum of |weight| (0 75.0 %)" in text
    [(operation, parameters, seed)] = json.loads(text.partition("History: ")[2])
    assert (operation, parameters["amplitude"], seed) == ("add_noise", 0, "7")


@pytest.mark.parametrize("top", [0, -1, 0.0, 1.5, float("nan"), True, "5"])
def test_a_top_that_is_no_number_of_edges_is_refused(top, tmp_path):
    with pytest.raises(ArgumentError, match=re.escape(f"top: got {top!r}; expected a whole number of edges")):
        written(net(), tmp_path, top=top)
    assert list(tmp_path.iterdir()) == []


def test_more_edges_than_a_viewer_can_bear_are_refused_unless_top_or_force(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(_pieces, "EDGES_WARN", 10)
    monkeypatch.setattr(_pieces, "EDGES_REFUSE", 40)
    with pytest.raises(SizeError, match=r"g.gexf: 50 edges are about .* the limit is 40\. Keep the strongest with top"):
        written(net(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert read(written(net(), tmp_path, top=5)).number_of_edges() == 10
    assert caplog.text == ""
    assert read(written(net(), tmp_path, force=True)).number_of_edges() == 50
    assert "Gephi is slow above 10 edges" in caplog.text


NAMES = ["<&>\"'", "tab\there", "line\nfeed", "carriage\rreturn", " spaces ", "é 漢 🧠", "]]>", "&amp;", "<!--", ""]


def test_names_that_mean_something_in_xml_survive_networkx(tmp_path):
    labels = [f"{name}{i}" for i, name in enumerate(NAMES)]
    part = 'a "part" <&>\n'
    block = Block.from_dense("b<&>\"'\t", part, "y", np.ones((1, len(labels))))
    N = read(written(NeuralGraph([block], [Part(part, len(labels), tuple(labels)), Part("y", 1)]), tmp_path))
    assert [N.nodes[i]["label"] for i in range(len(labels))] == labels
    assert {N.nodes[i]["part"] for i in range(len(labels))} == {part}
    assert {block for *_, block in N.edges(data="block")} == {block.name}


@given(st.text(max_size=8), st.sampled_from(["label", "part", "block"]))
@settings(max_examples=80)
def test_a_name_survives_or_is_refused_by_name_and_no_file_is_left(tmp_path_factory, name, where):
    folder = tmp_path_factory.mktemp("gexf")
    label, part, block = (name if where == kind else "ok" for kind in ("label", "part", "block"))
    G = NeuralGraph([Block.from_dense(block, part, "y~", np.ones((1, 1)))], [Part(part, 1, (label,)), Part("y~", 1)])
    bad = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", name)
    if bad:
        with pytest.raises(ArgumentError, match=r"entry 0, .* has a character that XML cannot hold; rename it"):
            written(G, folder)
        assert list(folder.iterdir()) == []
    else:
        N = read(written(G, folder))
        assert (N.nodes[0]["label"], N.nodes[0]["part"], N.edges[0, 1]["block"]) == (label, part, block)


def test_a_lone_surrogate_is_refused_by_name(tmp_path):
    block = Block.from_dense("b", "x", "y", np.ones((1, 2)))
    G = NeuralGraph([block], [Part("x", 2, ("fine", "\ud800")), Part("y", 1)])
    with pytest.raises(ArgumentError, match=r"the names of nodes: entry 1, '\\ud800', has a character"):
        written(G, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_join_the_same_parts_are_kinds_so_that_no_parallel_edge_is_merged(tmp_path):
    G = NeuralGraph([Block.from_dense(name, "x", "y", np.full((2, 2), 3.0)) for name in ("a", "b")])
    path = written(G, tmp_path)
    N = read(path)
    assert N.is_multigraph()
    assert N.number_of_edges() == 8
    assert [edge.get("kind") for edge in ET.parse(path).iter(f"{NS}edge")] == ["a"] * 4 + ["b"] * 4
    assert {edge.get("kind") for edge in ET.parse(written(net(), tmp_path)).iter(f"{NS}edge")} == {None}


def test_columns_of_the_user_keep_their_types_and_missing_values_are_left_out(tmp_path):
    G = nng.from_matrices([np.array([[1.0, -2.0]])])
    table = pd.DataFrame(
        {
            "hub": [True, False, True],
            "community": [1, 2, 2**40],
            "score": [0.1, np.nan, np.inf],
            "kind": ["a<b", None, "c"],
            "group": pd.Categorical(["u", "v", "u"]),
            "count": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    path = written(G, tmp_path, attributes=table)
    N = read(path)
    rows = [{name: N.nodes[i][name] for name in table if name in N.nodes[i]} for i in range(3)]
    assert rows == [
        {"hub": True, "community": 1, "score": 0.1, "kind": "a<b", "group": "u", "count": 1},
        {"hub": False, "community": 2, "group": "v"},
        {"hub": True, "community": 2**40, "score": np.inf, "kind": "c", "group": "u", "count": 3},
    ]
    declared = {a.get("title"): a.get("type") for a in ET.parse(path).iter(f"{NS}attribute")}
    types = {"hub": "boolean", "community": "long", "score": "double", "kind": "string", "group": "string"}
    assert {name: declared[name] for name in table} == types | {"count": "integer"}
    assert 'value="true"' in path.read_text()


def test_a_statistic_of_some_nodes_goes_to_those_nodes(tmp_path):
    G = net()
    table = nng.stats.degree(G, side="target", sign="+").rename("k").to_frame()
    assert len(table) < G.n_nodes
    N = read(written(G, tmp_path, attributes=table.sample(frac=1, random_state=0)))
    found = {(data["part"], data["index"]): data["k"] for _, data in N.nodes(data=True) if "k" in data}
    assert found == table["k"].to_dict()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([1, 2, 3], "attributes: got a list; expected a DataFrame"),
        (pd.DataFrame({"a": [1, 2]}), "attributes: got 2 rows; expected 3"),
        (pd.DataFrame({"a": [1, "x", 2.5]}), "the column 'a' holds float and int and str; expected one type"),
        (pd.DataFrame({"a": [True, 2, 3]}, dtype=object), "the column 'a' holds bool and int; expected one type"),
        (pd.DataFrame({"a": [[1], [2], [3]]}), "the column 'a' holds list; expected one type"),
        (pd.DataFrame({"a": [2**70, 1, 2]}, dtype=object), "the column 'a' has a whole number beyond 64 bits"),
        (pd.DataFrame({"degree": [1, 2, 3]}), "got the column 'degree'; expected text that names no other column"),
        (pd.DataFrame([[1, 2]] * 3, columns=["a", "a"]), "got the column 'a'; expected text that names no other"),
        (pd.DataFrame({0: [1, 2, 3]}), "got the column 0; expected text"),
        (pd.DataFrame({"a": ["x", "\x01", "y"]}), r"the column 'a': entry 1, '\\x01', has a character that XML"),
        (
            pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("0", 9)], names=["part", "index"])),
            r"has \('0', 9\), which is no node",
        ),
        (
            pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("0", 0)] * 2, names=["part", "index"])),
            "names a node twice",
        ),
    ],
)
def test_columns_that_no_file_can_hold_are_refused_by_name_and_no_file_is_left(table, words, tmp_path):
    with pytest.raises(ArgumentError, match=words):
        written(nng.from_matrices([np.array([[1.0, -2.0]])]), tmp_path, attributes=table)
    assert list(tmp_path.iterdir()) == []


@given(graphs())
@settings(max_examples=20)
def test_the_same_graph_gives_the_same_bytes_however_it_is_cut_into_pieces(tmp_path_factory, G):
    folder = tmp_path_factory.mktemp("gexf")
    once = written(G, folder, top=7).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pieces, "PIECE", 4)
        patch.setattr(_nodes, "PIECE", 3)
        assert written(G, folder, top=7).read_bytes() == once


@given(graphs())
def test_pieces_put_together_are_the_edges_in_edge_order(G):
    table, first = G.edges, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pieces, "PIECE", 5)
        for block in G.blocks:
            got = [*_pieces.pieces(block, first)]
            assert all(0 <= len(piece.ids) <= 5 for piece in got)
            ends, offsets = block.edges(), G.offsets
            rows = slice(first, first + block.n_edges)
            for k, expected in enumerate((table.index[rows], ends.target, ends.source, ends.weight)):
                assert np.array_equal(np.concatenate([piece[k] for piece in got] or [[]]), expected)
            assert np.array_equal(table["source"][rows], offsets[block.source] + ends.source)
            first += block.n_edges


def test_a_write_that_is_stopped_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    before = written(net(), tmp_path).read_bytes()
    joined, calls = _texts.joined, []

    def stop(*pieces):
        calls.append(pieces)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return joined(*pieces)

    monkeypatch.setattr(_texts, "joined", stop)
    with pytest.raises(KeyboardInterrupt):
        written(net(1), tmp_path)
    assert (tmp_path / "g.gexf").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["g.gexf"]


FULL = """
import resource, sys
import numpy as np
import nngraph as nng
G = nng.from_matrices([np.random.default_rng(0).normal(size=(50, 400))])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
for write, name in ((nng.write_gexf, "a.gexf"), (nng.write_graphml, "a.graphml"), (nng.write_edges, "a.csv")):
    try:
        write(G, sys.argv[1] + "/" + name)
    except OSError as error:
        print(type(error).__name__, error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_is_full_leaves_no_half_file(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["OSError", "27"] * 3  # the file is too large
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [nng.write_gexf, nng.write_graphml, nng.write_edges])
def test_a_place_that_cannot_be_written_is_one_sentence(write, tmp_path):
    with pytest.raises(ArgumentError, match=r"the folder .* does not exist; make it first"):
        write(net(), tmp_path / "nowhere" / "a.gexf")
    with pytest.raises(ArgumentError, match="is a folder; expected the name of a file"):
        write(net(), tmp_path)
    with pytest.raises(OSError, match=r"nngraph\.csv"):
        write(net(), "/proc/nngraph.csv")
    assert list(tmp_path.iterdir()) == []
