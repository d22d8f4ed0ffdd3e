"""What a JavaScript viewer reads: graphology, the graph library under sigma.js and Gephi Lite."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nngraph as nng
from nngraph.blocks import Block
from nngraph.graph import NeuralGraph, Part
from nngraph.io import _looks

pytestmark = pytest.mark.integration
OFFLINE = re.compile("ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with the readers, installed as package-lock.json pins them."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node is not installed")
    folder = tmp_path_factory.mktemp("js")
    for name in ("package.json", "package-lock.json", "read.js"):
        shutil.copy(Path(__file__).parent / "js" / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("npm cannot reach its registry")
    assert done.returncode == 0, done.stderr
    return folder


def read(reader, path):
    command = ["node", "read.js", str(path)]
    done = subprocess.run(command, cwd=reader, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def G():
    """Two blocks between the same parts, one beyond, names that need escaping, both signs, biases."""
    rng = np.random.default_rng(0)
    blocks = [
        Block.from_dense("a<&>", "in", "h", rng.normal(size=(4, 6)).astype(np.float32), bias=rng.normal(size=4)),
        Block.from_dense("b", "in", "h", rng.normal(size=(4, 6)).astype(np.float32)),
        Block.from_dense("c", "h", "out", rng.normal(size=(2, 4)).astype(np.float32)),
    ]
    labels = ("<&>\"'", "é 漢 🧠", "]]>", "tab\there", "line\nfeed", "plain")
    return NeuralGraph(blocks, [Part("in", 6, labels), Part("h", 4), Part("out", 2)])


def test_gexf_is_read_with_every_value_place_and_colour(reader, G, tmp_path):
    table = pd.DataFrame({"hub": [True, False] * 6, "community": range(12), "score": [0.5, np.nan] * 6})
    nng.write_gexf(G, tmp_path / "g.gexf", attributes=table)
    got = read(reader, tmp_path / "g.gexf")
    sums = _looks.totals(G)
    place, colours = _looks.layout(G, sums.strength, "index"), _looks.part_colours(G)
    assert [node["id"] for node in got["nodes"]] == [str(v) for v in range(G.n_nodes)]
    for v, (node, row) in enumerate(zip(got["nodes"], G.nodes.itertuples(), strict=True)):
        r, g, b = colours[[part.name for part in G.parts].index(row.part)]
        expected = {
            "label": row.name,
            "part": row.part,
            "depth": row.depth,
            "index": row.index,
            "bias": row.bias,
            "degree": sums.degree[v],
            "strength": sums.strength[v],
            "hub": bool(table["hub"][v]),
            "community": v,
            "color": f"rgb({r},{g},{b})",
        }
        assert {name: node[name] for name in expected} == expected
        assert node.get("score") == (0.5 if v % 2 == 0 else None)
        for name, value in (("x", place.x[v]), ("y", place.y[v]), ("size", place.radius[v])):
            assert np.float32(node[name]) == value
    assert len(got["edges"]) == G.n_edges
    for e, row in zip(sorted(got["edges"], key=lambda edge: int(edge["id"])), G.edges.itertuples(), strict=True):
        assert (e["id"], e["source"], e["target"]) == (str(row.Index), str(row.source), str(row.target))
        assert (e["block"], e["sign"]) == (row.block, "+" if row.weight > 0 else "-")
        assert np.float32(e["signed_weight"]) == row.weight
        assert np.float32(e["weight"]) == abs(row.weight)
        red, _, blue = map(int, re.findall(r"\d+", e["color"]))
        assert (red > blue) == (row.weight > 0)


def test_graphml_is_read_with_every_value_and_place(reader, G, tmp_path):
    nng.write_graphml(G, tmp_path / "g.graphml")
    got = read(reader, tmp_path / "g.graphml")
    place = _looks.layout(G, np.zeros(G.n_nodes), "index")
    for v, (node, row) in enumerate(zip(got["nodes"], G.nodes.itertuples(), strict=True)):
        expected = {"id": f"n{v}", "name": row.name, "part": row.part, "depth": row.depth, "index": row.index}
        assert {name: node[name] for name in expected} == expected
        assert (node["bias"], np.float32(node["x"]), np.float32(node["y"])) == (row.bias, place.x[v], place.y[v])
        assert re.fullmatch("#[0-9a-f]{6}", node["color"])
    rows = sorted((f"n{r.source}", f"n{r.target}", r.block, r.weight, r.sign) for r in G.edges.itertuples())
    found = ((e["source"], e["target"], e["block"], np.float32(e["weight"]), e["sign"]) for e in got["edges"])
    assert sorted(found) == rows


def test_a_graph_without_nodes_is_read_too(reader, tmp_path):
    nng.write_gexf(NeuralGraph([]), tmp_path / "g.gexf")
    nng.write_graphml(NeuralGraph([]), tmp_path / "g.graphml")
    for name in ("g.gexf", "g.graphml"):
        assert [read(reader, tmp_path / name)[key] for key in ("nodes", "edges")] == [[], []]
