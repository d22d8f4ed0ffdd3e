import csv

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Part
from nngraph.io import _pieces, edges
from tests.strategies import graphs

HEADERS = ["Source", "Target", "Weight", "Sign", "Signed weight", "Block"]


def read_csv(path):
    """A reader whose numbers are exact: Python's own."""
    with path.open(newline="", encoding="utf-8") as file:
        headers, *rows = csv.reader(file)
    columns = dict(zip(headers, zip(*rows, strict=True) if rows else [()] * len(headers), strict=True))
    floats, texts = ("Weight", "Signed weight", "Bias", "Strength"), ("Sign", "Block", "Label", "Part")
    types = dict.fromkeys(headers, int) | dict.fromkeys(floats, float) | dict.fromkeys(texts, str)
    return pd.DataFrame({name: list(map(types[name], values)) for name, values in columns.items()})


def expected(G):
    """The rows by the edge table of the graph."""
    table = G.edges
    table = table[np.abs(table["weight"].to_numpy(dtype=np.float64)) >= _pieces.SMALLEST]
    return pd.DataFrame(
        {
            "Source": table["source"],
            "Target": table["target"],
            "Weight": table["weight"].abs(),
            "Sign": table["sign"].map({-1: "-", 1: "+"}).astype(object),
            "Signed weight": table["weight"],
            "Block": table["block"].astype(object),
        }
    ).reset_index(drop=True)


@given(graphs())
@settings(max_examples=60)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_have_every_edge_that_a_viewer_can_bear_and_every_node(tmp_path_factory, suffix, G):
    folder = tmp_path_factory.mktemp("edges")
    paths = folder / f"e.{suffix}", folder / f"n.{suffix}"
    nng.write_edges(G, paths[0], nodes=paths[1])
    table, nodes = (read_csv(path) if suffix == "csv" else pd.read_parquet(path) for path in paths)
    dtype = G.weights().dtype if G.n_edges else np.float64
    rows = expected(G)
    assert table.columns.tolist() == HEADERS
    for name in HEADERS:
        kind = dtype if "eight" in name else None
        assert np.array_equal(table[name].to_numpy(dtype=kind), rows[name].to_numpy(dtype=kind))
    own = G.nodes
    assert nodes.columns.tolist() == ["Id", "Label", "Part", "Depth", "Index", "Bias", "Degree", "Strength"]
    assert nodes["Id"].tolist() == list(range(G.n_nodes))
    for name, column in (("Label", "name"), ("Part", "part"), ("Depth", "depth"), ("Index", "index"), ("Bias", "bias")):
        assert nodes[name].tolist() == own[column].tolist()
    ends = G.edges[["source", "target"]].to_numpy()
    assert nodes["Degree"].tolist() == np.bincount(ends.ravel(), minlength=G.n_nodes).tolist()
    assert set(table["Source"]) | set(table["Target"]) <= set(nodes["Id"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_csv_gives_back_every_bit(dtype, tmp_path):
    bits = np.random.default_rng(0).integers(0, 2**64, 4000, dtype=np.uint64).view(dtype)
    values = bits[np.isfinite(bits) & (np.abs(bits) >= _pieces.SMALLEST)]
    values = values[np.abs(values.astype(np.float64)) < 1e300][:1500]  # their sum is finite
    assert len(values) == 1500
    nng.write_edges(nng.from_matrices([values[None]]), tmp_path / "e.csv")
    back = read_csv(tmp_path / "e.csv")["Signed weight"].to_numpy(dtype=dtype)
    assert back.tobytes() == values.tobytes()


def test_types_are_those_of_the_numbers_also_in_a_graph_without_edges(tmp_path):
    for G, weight in ((nng.from_matrices([np.zeros((2, 2), np.float32)]), "float"), (NeuralGraph([]), "double")):
        nng.write_edges(G, tmp_path / "e.parquet", nodes=tmp_path / "n.parquet")
        schema = pyarrow.parquet.read_schema(tmp_path / "e.parquet")
        assert schema.names == HEADERS
        assert [str(kind) for kind in schema.types] == ["int64", "int64", weight, "string", weight, "string"]
        nng.write_edges(G, tmp_path / "e.csv", nodes=tmp_path / "n.csv")
        assert (tmp_path / "e.csv").read_text() == ",".join(f'"{name}"' for name in HEADERS) + "\n"
        assert len((tmp_path / "n.csv").read_text().splitlines()) == 1 + G.n_nodes


def test_names_with_commas_quotes_and_line_feeds_survive(tmp_path):
    labels = ('a "quoted" name', "comma, comma", "line\nfeed", "é 漢 🧠", "")
    block = Block.from_dense('b,"1"', "x", "y", np.ones((1, 5)))
    G = NeuralGraph([block], [Part("x", 5, labels), Part("y", 1)])
    nng.write_edges(G, tmp_path / "e.csv", nodes=tmp_path / "n.csv")
    assert read_csv(tmp_path / "n.csv")["Label"].tolist() == [*labels, "y:0"]
    assert set(read_csv(tmp_path / "e.csv")["Block"]) == {'b,"1"'}


def test_top_keeps_the_strongest_edges_of_each_block_and_zeros_are_counted(tmp_path, caplog):
    G = nng.from_matrices([np.array([[1.0, -4.0, 0.0], [2.0, 3.0, 0.0]]), np.array([[5.0, 0.5]])], zeros="keep")
    assert nng.write_edges(G, tmp_path / "e.csv", top=2) == (4, 4, pytest.approx(12.5 / 15.5))
    assert read_csv(tmp_path / "e.csv")["Signed weight"].tolist() == [-4, 3, 5, 0.5]
    assert caplog.text == ""
    assert nng.write_edges(G, tmp_path / "e.csv")[:2] == (6, 2)
    assert "left out 2 edges of weight 0" in caplog.text


def test_both_tables_are_written_or_none(tmp_path, monkeypatch):
    G = nng.from_matrices([np.array([[1.0, -4.0]])])
    nng.write_edges(G, tmp_path / "e.csv", nodes=tmp_path / "n.csv")
    before = [path.read_bytes() for path in (tmp_path / "e.csv", tmp_path / "n.csv")]

    def fail(_):
        raise OSError("the disk is full")
        yield

    monkeypatch.setattr(edges, "_edge_tables", fail)
    with pytest.raises(OSError, match="full"):
        nng.write_edges(nng.from_matrices([np.ones((3, 3))]), tmp_path / "e.csv", nodes=tmp_path / "n.csv")
    assert [path.read_bytes() for path in (tmp_path / "e.csv", tmp_path / "n.csv")] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.csv", "n.csv"]


def test_one_name_for_both_tables_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"got .*e.csv for edges and for nodes; expected two files"):
        nng.write_edges(nng.from_matrices([np.ones((1, 1))]), tmp_path / "e.csv", nodes=tmp_path / "e.csv")
    assert list(tmp_path.iterdir()) == []


def test_two_ways_to_name_one_file_are_refused(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "d" / "e.csv")
    for other in (tmp_path / "d" / ".." / "d" / "e.csv", tmp_path / "link.csv"):
        with pytest.raises(ArgumentError, match="for edges and for nodes; expected two files"):
            nng.write_edges(nng.from_matrices([np.ones((1, 1))]), tmp_path / "d" / "e.csv", nodes=other)
    assert list((tmp_path / "d").iterdir()) == []
