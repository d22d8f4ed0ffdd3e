import re
import subprocess
import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app
from nngraph.io import _pieces


def run(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def net():
    rng = np.random.default_rng(0)
    return nng.from_matrices([rng.normal(size=(5, 7)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nng.save(net(), "net.nngraph")
    return tmp_path


@pytest.mark.parametrize("out", ["o.gexf", "o.graphml", "o.csv", "o.parquet", "o.nngraph"])
def test_a_file_is_that_of_the_public_function(out, folder):
    result = run("net.nngraph", out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    writers = {"gexf": nng.write_gexf, "graphml": nng.write_graphml, "nngraph": nng.save}
    writers.get(out.partition(".")[2], nng.write_edges)(net(), folder / f"direct-{out}")
    assert (folder / out).read_bytes() == (folder / f"direct-{out}").read_bytes()


def test_options_reach_the_writers(folder):
    assert run("net.nngraph", "o.gexf", "--order", "barycentre").exit_code == 0
    nng.write_gexf(net(), "p.gexf", order="barycentre")
    assert (folder / "o.gexf").read_bytes() == (folder / "p.gexf").read_bytes()
    assert run("net.nngraph", "e.csv", "--nodes", "n.csv").exit_code == 0
    assert pd.read_csv("n.csv")["Id"].tolist() == list(range(15))


@pytest.mark.parametrize(("top", "n"), [("4", 8), ("0.2", 10), ("20%", 10), ("1.0", 50), ("1", 2)])
def test_top_is_a_number_or_a_fraction_and_what_it_kept_is_said(top, n, folder):
    result = run("net.nngraph", "o.gexf", "--top", top)
    assert result.exit_code == 0, result.output
    assert nx.read_gexf("o.gexf").number_of_edges() == n
    said = re.fullmatch(
        r"nngraph: o.gexf has (\d+) of 50 edges and ([\d.]+) % of the sum of \|weight\|\n", result.stderr
    )
    if n == 50:
        assert result.stderr == ""
    else:
        kept = [np.sort(np.abs(b.values))[::-1][: round(n * b.n_edges / 50) if top != "4" else 4] for b in net().blocks]
        kept = [np.sort(np.abs(b.values))[::-1][:1] for b in net().blocks] if top == "1" else kept
        share = 100 * np.concatenate(kept).sum() / np.abs(net().weights()).sum()
        assert said
        assert int(said[1]) == n
        assert float(said[2]) == pytest.approx(share, abs=0.051)


def test_graphml_and_files_of_weights_are_read(folder):
    nng.write_graphml(net(), "net.graphml")
    assert run("net.graphml", "back.nngraph").exit_code == 0
    assert nng.load("back.nngraph") == net()
    save_file({"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.ones(2, np.float32)}, "w.safetensors")
    assert run("w.safetensors", "w.gexf").exit_code == 0
    assert nx.read_gexf("w.gexf").number_of_edges() == 6


def test_the_attribute_that_names_the_parts_can_be_chosen(folder):
    N = nx.Graph()
    N.add_node("a", role="voter")
    N.add_node("b", role="bill")
    N.add_edge("a", "b", weight=-2.0)
    nx.write_graphml_xml(N, "in.graphml")
    assert run("in.graphml", "o.csv").exit_code == 1
    assert run("in.graphml", "o.csv", "--part", "role").exit_code == 0
    assert pd.read_csv("o.csv")["Signed weight"].tolist() == [-2.0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["net.nngraph", "o.xlsx"], 2, "OUT: got o.xlsx; expected a name that ends in .gexf, .graphml, .csv, .parquet"),
        (["net.nngraph", "o"], 2, "OUT: got o; expected a name that ends in .gexf"),
        (["none.nngraph", "o.gexf"], 1, "none.nngraph: there is no such file"),
        (["none.graphml", "o.gexf"], 1, "none.graphml: there is no such file"),
        (["in.gexf", "o.graphml"], 2, "FILE: got in.gexf; .gexf is written, but not read"),
        (["in.csv", "o.graphml"], 2, "FILE: got in.csv; .csv is written, but not read"),
        (["net.nngraph", "nowhere/o.gexf"], 2, "the folder 'nowhere' does not exist"),
        (["net.nngraph", "o.gexf", "--top", "many"], 2, "--top: got 'many'; expected a number as 1000"),
        (["net.nngraph", "o.gexf", "--top", "0"], 2, "top: got 0; expected a whole number of edges"),
        (["net.nngraph", "o.gexf", "--top", "150%"], 2, "top: got 1.5; expected"),
        (["net.nngraph", "o.gexf", "--order", "size"], 2, "order: got 'size'; expected 'index'"),
        (["net.nngraph", "o.nngraph", "--top", "5"], 2, "--top: has no effect on .nngraph files; leave it out"),
        (["net.nngraph", "o.csv", "--order", "index"], 2, "--order: has no effect on .csv files"),
        (["net.nngraph", "o.gexf", "--nodes", "n.csv"], 2, "--nodes: has no effect on .gexf files"),
        (["net.nngraph", "o.csv", "--force"], 2, "--force: has no effect on .csv files"),
        (["net.nngraph", "o.gexf", "--part", "role"], 2, "--part: has no effect, because net.nngraph is no GraphML"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(arguments, code, words, folder):
    before = sorted(folder.iterdir())
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert re.search(words, result.stderr), result.stderr
    assert sorted(folder.iterdir()) == before


def test_a_file_that_would_be_too_large_is_refused_without_top_or_force(folder, monkeypatch):
    monkeypatch.setattr(_pieces, "EDGES_REFUSE", 40)
    result = run("net.nngraph", "o.gexf")
    assert result.exit_code == 1
    assert "o.gexf: 50 edges are about" in result.stderr
    assert not (folder / "o.gexf").exists()
    assert run("net.nngraph", "o.gexf", "--top", "10").exit_code == 0
    assert run("net.nngraph", "o.gexf", "--force").exit_code == 0


def test_the_help_says_what_it_does_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom nngraph.cli import app\n"
        "try:\n    app(['convert', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'igraph', 'pyarrow'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for option in ("--top", "--order", "--nodes", "--part", "--force"):
        assert option in done.stdout
