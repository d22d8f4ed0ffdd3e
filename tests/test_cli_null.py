import csv
import io
import json
import re
import subprocess
import sys
import warnings

import igraph
import networkx as nx
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app
from nngraph.errors import NullModelWarning
from nngraph.io import _pieces, _texts


def run(*arguments):
    return CliRunner().invoke(app, ["null", *map(str, arguments)])


def one_sentence(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def votes(**attributes):
    """A signed bipartite graph with attributes of its own."""
    rng = np.random.default_rng(0)
    g = igraph.Graph(14, [(i, 8 + j) for i in range(8) for j in range(6) if rng.random() < 0.7], directed=False)
    g.vs["type"], g.vs["name"] = [False] * 8 + [True] * 6, [f"v{v}" for v in range(14)]
    g.vs["age"] = [float(v) for v in range(14)]
    g.es["weight"] = (rng.integers(1, 9, g.ecount()) * rng.choice([-0.5, 0.5], g.ecount())).tolist()
    g.es["year"] = [2000.0 + e for e in range(g.ecount())]
    for name, values in attributes.items():
        g.vs[name] = values
    return g


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "votes.graphml"
    votes().write_graphml(str(path))
    return path


def margins(g):
    """Signed degrees of each vertex by name, counted by igraph."""
    result = {}
    for sign in (1, -1):
        part = g.subgraph_edges([e.index for e in g.es if np.sign(e["weight"]) == sign], delete_vertices=False)
        result[sign] = dict(zip(g.vs["name"], part.degree(), strict=True))
    return result


def test_one_draw_is_that_of_randomize_and_keeps_the_margins_the_names_and_the_attributes(file, tmp_path):
    out = tmp_path / "random.graphml"
    result = run(file, "G", "--out", out, "--rng", 7)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    g, h = votes(), igraph.Graph.Read_GraphML(str(out))
    assert margins(h) == margins(g)
    assert sorted(h.es["weight"]) == sorted(g.es["weight"])
    assert h.es["weight"] != g.es["weight"]
    assert h.es["sign"] == np.sign(h.es["weight"]).tolist()
    assert [h.vs[name] for name in ("name", "type", "age")] == [g.vs[name] for name in ("name", "type", "age")]
    assert not h.is_directed()
    assert nng.read_graphml(out) == nng.nulls.randomize(nng.from_igraph(g), "G", rng=7)
    assert h.es["year"] == g.es["year"]  # the same pairs are joined
    assert [step[0] for step in json.loads(h["history"])] == ["randomize"]


def test_several_draws_are_numbered_files_of_one_ensemble_the_same_every_time(file, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert (
            run(file, "G", "--out", tmp_path / folder / "r.graphml", "--n", 3, "--rng", 7, "--sweeps", 5).exit_code == 0
        )
    names = [f"r-000{i}.graphml" for i in (1, 2, 3)]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    draws = nng.nulls.ensemble(nng.from_igraph(votes()), "G", n=3, rng=7, sweeps=5)
    for name, R in zip(names, draws, strict=True):
        assert nng.read_graphml(tmp_path / "a" / name) == R
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_draws_differ_by_seed_and_options_reach_the_null_model(file, tmp_path):
    for rng, sweeps in ((1, 5), (2, 9)):
        out = tmp_path / f"{rng}.graphml"
        assert run(file, "G", "--out", out, "--rng", rng, "--sweeps", sweeps, "--weights", "sign").exit_code == 0
        G = nng.from_igraph(votes())
        assert nng.read_graphml(out) == nng.nulls.randomize(G, "G", rng=rng, sweeps=sweeps, weights="sign")
    assert nng.read_graphml(tmp_path / "1.graphml") != nng.read_graphml(tmp_path / "2.graphml")


@pytest.mark.parametrize("attribute", ["part", "layer", "type", "bipartite"])
def test_parts_are_read_from_any_of_four_attributes(attribute, tmp_path):
    g = votes()
    sides = g.vs["type"]
    del g.vs["type"]
    g.vs[attribute] = [float(side) for side in sides]
    g.write_graphml(str(tmp_path / "in.graphml"))
    assert run(tmp_path / "in.graphml", "B", "--out", tmp_path / "out.graphml").exit_code == 0
    h = igraph.Graph.Read_GraphML(str(tmp_path / "out.graphml"))
    assert h.vs[attribute] == g.vs[attribute]
    assert margins(h) == margins(g)


def test_parts_can_be_named_by_another_attribute(tmp_path):
    g = votes(type=["?"] * 14, role=["voter"] * 8 + ["bill"] * 6)
    g.write_graphml(str(tmp_path / "in.graphml"))
    assert "--part" not in one_sentence(run(tmp_path / "in.graphml", "B", "--out", tmp_path / "no.graphml"), 1)
    result = run(tmp_path / "in.graphml", "B", "--out", tmp_path / "out.graphml", "--part", "role")
    assert result.exit_code == 0, result.output
    h = igraph.Graph.Read_GraphML(str(tmp_path / "out.graphml"))
    assert h.vs["role"] == g.vs["role"]
    assert h.vs["type"] == ["?"] * 14
    assert margins(h) == margins(g)


def test_node_ids_of_networkx_are_names(tmp_path):
    N = nx.davis_southern_women_graph()
    N.graph.clear()
    nx.write_graphml_xml(N, tmp_path / "in.graphml")
    assert run(tmp_path / "in.graphml", "A", "--out", tmp_path / "out.graphml").exit_code == 0
    h = igraph.Graph.Read_GraphML(str(tmp_path / "out.graphml"))
    assert h.vs["name"] == list(N)
    assert {frozenset(h.vs[v]["name"] for v in pair) for pair in h.get_edgelist()} == {frozenset(p) for p in N.edges}
    back = nx.read_graphml(tmp_path / "out.graphml")
    assert sorted(weight for _, _, weight in back.edges(data="weight")) == [1.0] * 89


def test_native_files_and_files_of_weights_are_read_and_native_files_written(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    G = nng.from_torch(model)
    nng.save(G, tmp_path / "in.nngraph")
    assert run(tmp_path / "in.nngraph", "B", "--out", tmp_path / "out.nngraph", "--rng", 3).exit_code == 0
    assert nng.load(tmp_path / "out.nngraph") == nng.nulls.randomize(G, "B", rng=3)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    assert run(tmp_path / "weights.pt", "B", "--out", tmp_path / "weights.graphml").exit_code == 0
    R = nng.read_graphml(tmp_path / "weights.graphml")
    assert sorted(R.block("0.weight").values) == pytest.approx(sorted(G.block("0").values), rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{file}", "Z", "--out", "o.graphml"], 2, "kind: got 'Z'; expected one of 'A', 'B'"),
        (["{file}", "A"], 2, "expected --out FILE for draws, or --statistic NAME"),
        (["{file}", "A", "--out", "o.graphml", "--statistic", "balance"], 2, "one of the two"),
        (["{file}", "A", "--out", "o.gexf"], 2, "--out: got o.gexf; expected a name that ends in .graphml or .nngraph"),
        (["{file}", "A", "--out", "nowhere/o.graphml"], 2, "the folder 'nowhere' does not exist"),
        (["{file}", "A", "--out", "o.graphml", "--part", "team"], 2, "part: got 'team'; .* which has 'age', 'name'"),
        (["{file}", "A", "--out", "o.graphml", "--sweeps", "5"], 2, "kind 'A' is no chain"),
        (["{file}", "G", "--out", "o.graphml", "--weights", "heavy"], 2, "weights: got 'heavy'"),
        (["none.graphml", "A", "--out", "o.graphml"], 1, "none.graphml: there is no such file"),
        (["none.nngraph", "A", "--out", "o.graphml"], 1, "none.nngraph: there is no such file"),
        (["none.nngraph", "A", "--out", "o.graphml", "--part", "x"], 2, "--part: has no effect"),
        (["text.graphml", "A", "--out", "o.graphml"], 1, "text.graphml: is no GraphML file, or a damaged one"),
        (["empty.graphml", "A", "--out", "o.graphml"], 1, "empty.graphml: is no GraphML file"),
        (["cut.graphml", "A", "--out", "o.graphml"], 1, "cut.graphml: is no GraphML file"),
        ([".", "A", "--out", "o.graphml"], 1, "is a folder"),
        (["plain.graphml", "A", "--out", "o.graphml"], 1, "plain.graphml: no vertex attribute names the parts"),
        (["within.graphml", "A", "--out", "o.graphml"], 1, r"within.graphml: edge 1 .* joins two nodes of part '0'"),
        (["nan.graphml", "A", "--out", "o.graphml"], 1, r"nan.graphml: edge 0 .* has the weight nan"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(arguments, code, words, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.graphml").write_text("hello")
    (tmp_path / "empty.graphml").write_text("")
    (tmp_path / "cut.graphml").write_text(file.read_text()[:900])
    igraph.Graph(3, [(0, 1)]).write_graphml("plain.graphml")
    within = igraph.Graph(3, [(0, 2), (0, 1)])
    within.vs["type"] = [0, 0, 1]
    within.write_graphml("within.graphml")
    broken = votes()
    broken.es[0]["weight"] = float("nan")
    broken.write_graphml("nan.graphml")
    before = sorted(tmp_path.iterdir())
    message = one_sentence(run(*[argument.format(file=file) for argument in arguments]), code)
    assert re.search(words, message), message
    assert sorted(tmp_path.iterdir()) == before


def test_graphml_that_would_be_too_large_is_refused_without_force_and_warned_of(file, tmp_path, monkeypatch, caplog):
    out = tmp_path / "o.graphml"
    monkeypatch.setattr(_pieces, "EDGES_WARN", 10)
    monkeypatch.setattr(_pieces, "EDGES_REFUSE", 20)
    message = one_sentence(run(file, "A", "--out", out), 1)
    assert re.search(rf"o.graphml: {votes().ecount()} edges are about .* the limit is 20", message)
    assert not out.exists()
    assert run(file, "A", "--out", out, "--force").exit_code == 0
    assert "Gephi is slow above 10 edges" in caplog.text
    assert nng.read_graphml(out).n_edges == votes().ecount()


def test_the_limits_are_those_of_gephi():
    assert (_pieces.EDGES_WARN, _pieces.EDGES_REFUSE) == (50_000, 500_000)


def test_a_draw_that_is_stopped_leaves_no_file_and_one_sentence(file, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(_texts, "joined", stop)
    before = sorted(tmp_path.iterdir())
    assert one_sentence(run(file, "B", "--out", tmp_path / "o.graphml"), 1) == "nngraph: stopped.\n"
    assert sorted(tmp_path.iterdir()) == before


def test_warnings_of_the_library_are_one_sentence_each_and_the_files_are_written(file, tmp_path, monkeypatch):
    from nngraph import nulls

    def warned(G, kind, **_):
        for _ in range(2):
            warnings.warn("the block is\nas it was", NullModelWarning, stacklevel=1)
        return G

    monkeypatch.setattr(nulls, "randomize", warned)
    assert one_sentence(run(file, "B", "--out", tmp_path / "o.graphml"), 0) == "nngraph: the block is as it was\n"
    assert (tmp_path / "o.graphml").exists()


def test_a_statistic_gives_the_table_of_significance_as_csv(file):
    result = run(file, "G", "--statistic", "balance", "--n", 20, "--rng", 7)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    table = nng.nulls.significance(nng.from_igraph(votes()), ["balance"], "G", n=20, rng=7)
    assert [row["statistic"] for row in rows] == table["statistic"].tolist()
    assert [float(row["observed"]) for row in rows] == pytest.approx(table["observed"].tolist())


def test_the_help_says_what_it_does_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom nngraph.cli import app\n"
        "try:\n    app(['null', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'igraph', 'numba'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for option in ("--out", "--n", "--rng", "--weights", "--sweeps", "--part", "--statistic", "--force"):
        assert option in done.stdout
