"""nngraph capacitance: what is printed, what is written, and what is refused."""

import subprocess
import sys

import igraph
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6))
Y = np.arange(60) % 3

CODE = """
import igraph
import numpy as np
import torch
import nngraph as nng

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6))
Y = np.arange(60) % 3

def alone():
    return nng.mlp((6, 12, 10, 8, 3), rng=0).double()

def net():
    return alone(), (X, Y)

def three():
    return nng.mlp((6, 12, 8, 3), rng=0).double(), (X, Y)

def two():
    return nng.mlp((6, 12, 3), rng=0).double(), (X, Y)

def targets():
    return alone(), (X, np.eye(3)[Y])

def tensors():
    return alone(), (torch.from_numpy(X), torch.from_numpy(Y))

def two_classes():
    return alone(), (X, Y % 2)

def blank():
    model = alone()
    torch.nn.init.zeros_(model[6].bias)
    return model, (X, np.eye(3)[Y] * 0 + model(torch.from_numpy(X)).detach().numpy())

def on_digits():
    return nng.mlp((784, 8, 8, 8, 10), rng=0).double()

def convolution():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3)), (X, Y)

def doubled():
    return lambda x: 2 * x

def linear():
    torch.manual_seed(0)
    return torch.nn.Linear(6, 6).double()

def narrow():
    return torch.nn.Linear(5, 6).double()

def fails():
    def function(x):
        raise ValueError("no such input")
    return function

def nothing():
    return None

def graph():
    return nng.from_matrices([np.array([[1.0, 2.0]]), np.array([[3.0], [0.5]])])

def signed():
    g = igraph.Graph([(0, 1), (1, 2), (2, 0), (1, 0)], directed=True)
    g.es["weight"] = [1.0, -2.0, 3.0, 1.5]
    return g

def uneven():
    return alone(), (X, Y[:50])

def triple():
    return alone(), X, Y

def number():
    return 7

def broken():
    raise RuntimeError("boom")

def in_training():
    return torch.nn.Sequential(alone(), torch.nn.Dropout(0.5)).train(), (X, Y)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's own, with a module of models and graphs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine_capacitance", None)
    (tmp_path / "mine_capacitance.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("mine_capacitance", None)


def run(function, *arguments):
    source = [f"mine_capacitance:{function}"] if function and "." not in function else [function] if function else []
    return CliRunner().invoke(app, ["capacitance", *source, *map(str, arguments)])


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def one_sentence(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def model():
    return nng.mlp((6, 12, 10, 8, 3), rng=0).double()


# -------------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--loss", "squared"], {"loss": "squared"}),
        (["--variant", "hessian"], {"variant": "hessian"}),
        (["--variant", "hessian_support", "--loss", "squared"], {"variant": "hessian_support", "loss": "squared"}),
        (["--absolute"], {"absolute": True}),
    ],
)
def test_the_numbers_of_a_model_are_those_of_the_library(here, options, expected):
    b = nng.dynamics.beta_eff(model(), X, Y, **expected)
    text = done("net", *options, "--out", "o")
    first, second, third, *rest = text.splitlines()
    assert first.startswith(f"beta_eff of mine_capacitance-net: {b.value:.6g} (60 samples, ")
    assert expected.get("loss", "cross_entropy") in first
    assert f"{expected.get('variant', 'frozen')}{', absolute' if '--absolute' in options else ''})" in first
    assert second == f"  numerator {b.numerator:.6g}, denominator {b.denominator:.6g}"
    assert f"{6 * 12 + 12 * 10 + 10 * 8 + 8 * 3} nodes" in third
    assert f"{6 * 12 * 10 + 12 * 10 * 8 + 10 * 8 * 3:,} edges" in third
    assert len(rest) == 5  # a head and a line for each of four blocks, no warning
    written = pd.read_csv(here / "o" / "blocks.csv", dtype={"block": str})
    pd.testing.assert_frame_equal(written, b.blocks, rtol=1e-12)
    nodes = pd.read_csv(here / "o" / "nodes.csv", dtype={"part": str}).set_index(["part", "index"])
    pd.testing.assert_frame_equal(nodes, b.nodes, rtol=1e-12)
    assert (here / "o" / "summary.txt").read_text() == text
    assert sorted(path.name for path in (here / "o").iterdir()) == ["blocks.csv", "nodes.csv", "summary.txt"]


def test_nothing_is_written_without_a_folder(here):
    before = {path.name for path in here.iterdir()}
    done("net")
    assert {path.name for path in here.iterdir()} - before <= {"__pycache__"}


def test_tensors_arrays_and_one_hot_targets_are_the_same_samples(here):
    squared = done("net", "--loss", "squared").replace("-net", "")
    assert done("targets", "--loss", "squared").replace("-targets", "") == squared
    assert done("tensors", "--loss", "squared").replace("-tensors", "") == squared


def test_samples_are_drawn_by_the_seed_and_keep_their_answers(here):
    first, same, other = (done("net", "-n", 20, "--rng", seed) for seed in (1, 1, 2))
    assert first == same != other
    assert "(20 samples" in first
    rows = [np.flatnonzero((x == X).all(1))[0] for x in _drawn(1)]
    b = nng.dynamics.beta_eff(model(), X[rows], Y[rows])
    assert f": {b.value:.6g} (20" in first


def _drawn(seed):
    from nngraph.cli._samples import rows_of

    x = rows_of(X, 20, seed)
    assert len(np.unique(x, axis=0)) == 20
    return x


@pytest.mark.parametrize(
    ("function", "words"), [("two", "two weight layers"), ("three", "three weight layers"), ("two_classes", "1 of 3")]
)
def test_what_a_capacitance_does_not_say_is_one_sentence_of_the_page(here, function, words):
    text = done(function, "--out", "o")
    warned = [line for line in text.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1
    assert words in warned[0]
    assert warned[0] in (here / "o" / "summary.txt").read_text()
    assert text.startswith(f"beta_eff of mine_capacitance-{function}: 0 (") == (function != "two_classes")


def test_a_denominator_of_zero_is_nan_and_said(here):
    text = done("blank", "--loss", "squared")
    assert text.startswith("beta_eff of mine_capacitance-blank: nan (")
    assert "warning: beta_eff is nan" in text


def test_samples_come_from_a_file_or_a_data_set(here):
    np.savez(here / "data.npz", x=X, y=Y)
    assert done("alone", "--inputs", "data.npz").replace("-alone", "-net") == done("net")
    data = nng.datasets.load("digits")
    b = nng.dynamics.beta_eff(nng.mlp((784, 8, 8, 8, 10), rng=0).double(), data.images, data.labels)
    assert done("on_digits", "--inputs", "digits", "-n", 5000).startswith(
        f"beta_eff of mine_capacitance-on_digits: {b.value:.6g} (1,797 samples"
    )


def test_a_backbone_is_a_module_or_a_function(here):
    b = nng.dynamics.beta_eff(model(), 2 * X, Y)
    assert f": {b.value:.6g} (60" in done("net", "--backbone", "mine_capacitance:doubled")
    import mine_capacitance

    b = nng.dynamics.beta_eff(model(), X, Y, backbone=mine_capacitance.linear())
    assert f": {b.value:.6g} (60" in done("net", "--backbone", "mine_capacitance:linear")


# -------------------------------------------------------------------- graphs


def test_a_graph_is_reduced_as_the_library_reduces_it(here):
    r = nng.dynamics.reduction(signed())
    lines = done("signed", "--out", "o").splitlines()
    assert lines[0] == f"beta_eff of mine_capacitance-signed: {r.beta_eff:.6g} (3 nodes, 4 directed edges)"
    assert lines[1].endswith(f"heterogeneity H = {r.heterogeneity:.6g}")
    nodes = pd.read_csv(here / "o" / "nodes.csv")
    np.testing.assert_allclose(nodes["s_in"], [4.5, 1.0, -2.0])
    np.testing.assert_allclose(nodes["s_out"], [1.0, -0.5, 3.0])


def signed():
    g = igraph.Graph([(0, 1), (1, 2), (2, 0), (1, 0)], directed=True)
    g.es["weight"] = [1.0, -2.0, 3.0, 1.5]
    return g


def test_what_negative_weights_do_is_said_with_the_value_for_magnitudes(here):
    # A of magnitudes: s_in = (4.5, 1, 2), s_out = (1, 3.5, 3), their product over the sum 7.5
    (line,) = (line for line in done("signed").splitlines() if line.startswith("warning"))
    assert line.startswith("warning: 25.0% of the weights are negative")
    assert f"{(1 + -2 + 3 + 1.5) / 7.5:+.2%}" in line
    assert line.endswith(f"it is {(4.5 * 1 + 1 * 3.5 + 2 * 3) / 7.5:.6g}.")
    assert "warning" not in done("graph")


@pytest.mark.parametrize("kind", ["graphml", "nngraph"])
def test_files_of_graphs_are_read(here, kind):
    G = nng.from_matrices([np.array([[1.0, 2.0]]), np.array([[3.0], [0.5]])])
    (nng.save if kind == "nngraph" else nng.write_graphml)(G, here / f"net.{kind}")
    text = done(f"net.{kind}")
    # only the hidden node has both: 3 enters it, 3.5 leaves it; all weights add up to 6.5
    assert text.startswith(f"beta_eff of net: {3 * 3.5 / 6.5:.6g} (5 nodes, 4 directed edges)")
    assert "warning" not in text


def test_any_weighted_graph_will_do_and_states_have_an_effective_value(here):
    star = igraph.Graph.Star(5, mode="undirected")
    star.vs["abundance"] = [4.0, 1.0, 1.0, 1.0, 1.0]
    star.vs["kind"] = list("abcde")
    star.write_graphml(str(here / "star.graphml"))
    text = done("star.graphml", "--state", "abundance", "--out", "o")
    assert text.startswith("beta_eff of star: 2.5 (5 nodes, 4 undirected edges)")
    assert "x_eff of abundance: 2.5; plain mean 1.6" in text
    assert "each counts 1" in text
    assert list(pd.read_csv(here / "o" / "nodes.csv")) == ["abundance", "kind", "s_in", "s_out"]
    assert "have abundance, kind." in one_sentence(run("star.graphml", "--state", "mass"), 2)
    assert "no finite number" in one_sentence(run("star.graphml", "--state", "kind"), 2)


def test_a_network_of_two_parts_is_zero_and_says_why(here):
    nng.save(nng.from_matrices([np.array([[1.0, 2.0]])]), here / "one.nngraph")
    text = done("one.nngraph")
    assert text.startswith("beta_eff of one: 0 (")
    assert "warning: no node has strength both in and out" in text


# -------------------------------------------------------------------- bad input

BAD = {
    "no samples": (["alone"], 2, "pass --inputs"),
    "as many answers": (["uneven"], 2, "60 samples with 50 answers"),
    "three things": (["triple"], 2, "returned (Sequential, ndarray, ndarray)"),
    "another thing": (["number"], 2, "returned int"),
    "a function that fails": (["broken"], 1, "boom"),
    "no such function": (["lost"], 2, "cannot be imported"),
    "weights": (["net.safetensors"], 2, "Weights alone"),
    "no such file": (["lost.nngraph"], 1, "lost.nngraph"),
    "damaged graph": (["damaged.graphml"], 1, "damaged.graphml"),
    "a convolution": (["convolution"], 1, "backbone"),
    "in training": (["in_training"], 2, "model.eval()"),
    "unknown data set": (["alone", "--inputs", "cifar"], 2, "'digits'"),
    "one array": (["alone", "--inputs", "x.npy"], 2, "the arrays x and y"),
    "inputs of a graph": (["graph", "--inputs", "digits"], 2, "--inputs: has no effect"),
    "backbone of a file": (["g.graphml", "--backbone", "a:b"], 2, "--backbone: has no effect"),
    "variant of a graph": (["graph", "--variant", "hessian"], 2, "--variant: has no effect on a graph"),
    "state of a model": (["net", "--state", "x"], 2, "--state: has no effect on a single model"),
    "targets under cross-entropy": (["targets"], 2, "integer classes"),
    "absolute hessian": (["net", "--absolute", "--variant", "hessian"], 2, "absolute"),
    "a backbone that is nothing": (["net", "--backbone", "mine_capacitance:nothing"], 2, "returned NoneType"),
    "a backbone that fails": (["net", "--backbone", "mine_capacitance:fails"], 1, "no such input"),
    "a backbone of another width": (["net", "--backbone", "mine_capacitance:narrow"], 1, "(60, 6)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(here, case):
    np.save(here / "x.npy", X)
    (here / "damaged.graphml").write_text("<graphml>")
    igraph.Graph.Star(3).write_graphml(str(here / "g.graphml"))
    arguments, code, words = BAD[case]
    assert words in one_sentence(run(*arguments, "--out", "o"), code)
    assert not (here / "o").exists()


@pytest.mark.parametrize("out", ["there", "there/o", "/proc/o"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_computed(here, monkeypatch, out):
    (here / "there").write_text("mine")

    def refuse(*_, **__):
        raise AssertionError("it was computed")

    monkeypatch.setattr("nngraph.dynamics.beta_eff", refuse)
    assert "--out" in one_sentence(run("net", "--out", out), 2)
    assert (here / "there").read_text() == "mine"


def test_the_real_command_prints_its_page_and_shows_no_warning_twice(here):
    command = [sys.executable, "-m", "nngraph", "capacitance", "mine_capacitance:three"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=here, check=True)
    assert ran.stderr == ""
    assert ran.stdout == done("three")
