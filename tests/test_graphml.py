import json

import igraph
import networkx as nx
import numpy as np
import pytest
from hypothesis import given

import nngraph as nng
from nngraph.errors import FormatError
from tests.strategies import multipartite


@given(multipartite())
def test_a_graph_comes_back_from_graphml_with_weights_to_fifteen_digits(tmp_path_factory, G):
    path = tmp_path_factory.mktemp("graphml") / "g.graphml"
    nng.write_graphml(G, path)
    back = nng.read_graphml(path)
    assert [(p.name, p.node_names()) for p in back.parts] == [(p.name, p.node_names()) for p in G.parts]
    assert sorted(block.name for block in back.blocks) == sorted(block.name for block in G.blocks)
    for block in G.blocks:
        assert back.block(block.name).same_support(block)
        assert np.allclose(back.block(block.name).values, block.values, rtol=1e-14, atol=0)


def test_float32_weights_come_back_to_the_bit(tmp_path):
    W = np.random.default_rng(0).standard_normal((30, 40)).astype(np.float32)
    G = nng.from_matrices([W])
    back = nng.read_graphml(written(G, tmp_path))
    assert np.array_equal(back.block(0).dense().astype(np.float32), W)


def written(G, folder):
    path = folder / "g.graphml"
    nng.write_graphml(G, path)
    return path


def test_vertices_and_edges_have_what_a_viewer_needs_and_the_graph_its_history(tmp_path):
    G = nng.nulls.randomize(nng.from_matrices([np.array([[1.0, -2.0], [0.0, 0.5]])]), "A", rng=7)
    path = written(G, tmp_path)
    N = nx.read_graphml(path)  # an independent reader
    assert N.is_directed()
    assert [data for _, data in N.nodes(data=True)][2] == {"part": "1", "index": 0.0, "name": "1:0", "bias": 0.0}
    assert sorted(weight for *_, weight in N.edges(data="weight")) == [-2.0, 0.5, 1.0]
    assert all(type(weight) is float and sign == np.sign(weight) for *_, weight, sign in edges(N))
    [(operation, parameters, seed)] = json.loads(N.graph["history"])
    assert (operation, parameters["kind"], seed) == ("randomize", "A", "7")


def edges(N):
    return [(a, b, data["weight"], data["sign"]) for a, b, data in N.edges(data=True)]


@pytest.mark.parametrize(("ids", "labels"), [(("n0", "n1"), ["0:0", "1:0"]), (("ann", "bob"), ["ann", "bob"])])
def test_an_id_that_numbers_the_nodes_is_no_name_and_one_that_says_something_is(ids, labels, tmp_path):
    nodes = [f'<node id="{name}"><data key="t">{part}</data></node>' for part, name in enumerate(ids)]
    (tmp_path / "g.graphml").write_text(
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="t" for="node" attr.name="type" attr.type="int"/><graph edgedefault="undirected">'
        f'{"".join(nodes)}<edge source="{ids[1]}" target="{ids[0]}"/></graph></graphml>'
    )
    G = nng.read_graphml(tmp_path / "g.graphml")
    assert [name for part in G.parts for name in part.node_names()] == labels
    assert G.to_matrices()[0].tolist() == [[1.0]]


def test_a_file_that_is_there_survives_a_write_that_fails(tmp_path, monkeypatch):
    G = nng.from_matrices([np.array([[1.0, -2.0]])])
    path = tmp_path / "g.graphml"
    nng.write_graphml(G, path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(igraph.Graph, "write_graphml", fail)
    with pytest.raises(OSError, match="full"):
        nng.write_graphml(nng.ops.binarize(G), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["g.graphml"]


def test_an_error_names_the_file_and_not_the_function(tmp_path):
    path = written(nng.from_matrices([np.array([[1.0, -2.0]])]), tmp_path)
    path.write_text(path.read_text().replace(">-2<", ">NaN<"))
    with pytest.raises(FormatError, match=r"g.graphml: edge 1 \(vertex 1 .*\) has the weight nan"):
        nng.read_graphml(path)
