"""nngraph layers: what is written, what is said, and what is refused."""

import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype("float32")

CODE = """
import nngraph as nng
import numpy as np
X = np.random.default_rng(0).standard_normal((40, 6)).astype("float32")

def net():
    return nng.mlp((6, 12, 8, 3), rng=0).eval()

def net_and_inputs():
    return net(), X

def digits_net():
    return nng.mlp((784, 8, 10), rng=0).eval()

def patches_net():
    return nng.resnet9(3, 10, width=2, rng=0)

def bert_like():
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 2)
        def forward(self, x, shift):
            return self.b(self.a(x + shift))
    return Net().eval()

def in_training():
    return net().train(), X

def graph():
    return nng.from_torch(net())

def broken():
    raise RuntimeError("boom")
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the user's own, with a module of models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine_layers", None)
    (tmp_path / "mine_layers.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("mine_layers", None)


def run(*arguments):
    return CliRunner().invoke(app, ["layers", *map(str, arguments)])


def one_sentence(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def table(folder, name):
    return pd.read_csv(folder / f"{name}.csv", index_col=0, dtype={"tap": str, "previous": str})


def test_the_tables_of_a_model_are_those_of_the_library(here):
    result = run("mine_layers:net_and_inputs", "--measure", "cka", "--n", 30, "--twins", 2, "--k", 2, "--out", "o")
    assert result.exit_code == 0, result.output
    model = nng.mlp((6, 12, 8, 3), rng=0).eval()
    reps = nng.similarity.representations(model, X, n=30, rng=0)
    D = nng.similarity.matrix(reps, "cka")
    found = table(here / "o", "map")
    np.testing.assert_allclose(found, D, rtol=1e-12, atol=1e-15)
    grouped = nng.similarity.groups(D, 2)
    assert list(table(here / "o", "groups")["group"]) == list(grouped.labels)
    steps = table(here / "o", "boundaries")
    np.testing.assert_allclose(steps["distance"], np.diag(D, 1), atol=1e-15)
    assert steps["null_mean"].notna().all()
    assert f"{len(D)} taps of mine_layers-net_and_inputs, 30 samples, measure cka" in result.stdout
    assert "against 2 untrained twins" in result.stdout
    assert sorted(path.name for path in (here / "o").iterdir()) == [
        "boundaries.csv", "groups.csv", "layers.png", "layers.svg", "map.csv",
    ]  # fmt: skip
    assert (here / "o" / "layers.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (here / "o" / "layers.svg").read_bytes()


@pytest.mark.parametrize("mode", ["--exact", "--screened"])
def test_the_gromov_map_comes_with_its_bounds_and_says_what_was_solved(here, mode):
    result = run("mine_layers:net_and_inputs", "--n", 20, "--null", "none", mode, "--out", "o")
    assert result.exit_code == 0, result.output
    squared, lower, identity, root = (table(here / "o", name) for name in ("map", "lower", "identity", "root"))
    off = ~np.eye(len(squared), dtype=bool)
    solved = table(here / "o", "solved").to_numpy() & off
    assert (lower.to_numpy()[solved] <= squared.to_numpy()[solved] + 1e-12).all()
    assert (squared.to_numpy()[solved] <= identity.to_numpy()[solved] + 1e-12).all()
    np.testing.assert_allclose(root**2, squared, atol=1e-12)
    assert mode == "--screened" or solved[off].all()
    np.testing.assert_allclose(table(here / "o", "boundaries")["distance"], np.diag(root, 1), atol=1e-12)
    assert "against no twin" in result.stdout


def test_representations_of_a_file_need_no_model(here):
    reps = {"first": X, "second": X @ RNG.standard_normal((6, 4)), "third": np.tanh(X)}
    np.savez(here / "taps.npz", ids=np.arange(40), **reps)
    result = run("taps.npz", "--measure", "rsa", "--taps", "first", "--taps", "third")
    assert result.exit_code == 0, result.output
    D = nng.similarity.matrix({name: reps[name] for name in ("first", "third")}, "rsa")
    np.testing.assert_allclose(table(here / "results" / "layers-taps", "map"), D, atol=1e-12)
    few = run("taps.npz", "--measure", "rsa", "--n", 10, "--out", "few")
    assert few.exit_code == 0, few.output
    assert "3 taps of taps, 10 samples" in few.stdout


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_inputs_come_from_arrays(here, kind):
    (np.save if kind == "npy" else np.savez)(here / f"x.{kind}", X)
    found = run("mine_layers:net", "--inputs", f"x.{kind}", "--measure", "cka", "--null", "none", "--out", "a")
    given = run("mine_layers:net_and_inputs", "--measure", "cka", "--null", "none", "--out", "b")
    assert (found.exit_code, given.exit_code) == (0, 0), found.output
    pd.testing.assert_frame_equal(table(here / "a", "map"), table(here / "b", "map"))


def test_inputs_by_argument_name_and_taps_by_module(here):
    np.savez(here / "x.npz", x=X, shift=np.ones((40, 6), dtype="float32"))
    result = run(
        "mine_layers:bert_like", "--inputs", "x.npz", "--taps", "a", "--taps", "b", "--measure", "cka", "--out", "o"
    )
    assert result.exit_code == 0, result.output
    assert list(table(here / "o", "map").index) == ["a", "b"]
    assert not (here / "o" / "boundaries.csv").exists()  # of two taps there is nothing to stand out from


@pytest.mark.parametrize(("model", "data"), [("digits_net", "digits"), ("patches_net", "colour-patches")])
def test_a_data_set_has_the_shape_that_the_model_sees(here, model, data):
    result = run(
        f"mine_layers:{model}", "--inputs", data, "--measure", "cka", "--n", 20, "--null", "none", "--out", "o"
    )
    assert result.exit_code == 0, result.output
    assert f"{ {'digits_net': 3, 'patches_net': 27}[model] } taps" in result.stdout


def test_without_a_source_there_is_a_network_to_see(here):
    result = run("--n", 40, "--screened", "--twins", 1)
    assert result.exit_code == 0, result.output
    assert "31 taps of modular-0, 40 samples, measure gw" in result.stdout
    assert "0.attn0" in table(here / "results" / "layers-modular-0", "map").index


# -------------------------------------------------------------------- bad input

BAD = {
    "unknown measure": (["mine_layers:net_and_inputs", "--measure", "gww"], 2, "expected one of"),
    "screened measure": (["mine_layers:net_and_inputs", "--measure", "cka", "--screened"], 2, "has no bounds"),
    "no inputs": (["mine_layers:net"], 2, "pass --inputs"),
    "a graph": (["mine_layers:graph"], 2, "expected a torch module"),
    "weights": (["net.safetensors"], 2, "Weights alone"),
    "missing file": (["none.npz"], 2, "no such file"),
    "damaged file": (["damaged.npz"], 1, "cannot be read as arrays"),
    "damaged inputs": (["mine_layers:net", "--inputs", "damaged.npz"], 1, "cannot be read as arrays"),
    "inputs of a file": (["taps.npz", "--inputs", "digits"], 2, "is no function"),
    "inputs of nothing": (["--inputs", "digits"], 2, "needs a source"),
    "unknown tap": (["taps.npz", "--taps", "fifth"], 2, "the file has first"),
    "unknown tap of a model": (["mine_layers:net_and_inputs", "--taps", "7"], 2, "'7'"),
    "in training mode": (["mine_layers:in_training"], 2, "eval"),
    "a function that fails": (["mine_layers:broken"], 1, "boom"),
    "no such function": (["mine_layers:nothing"], 2, "cannot be imported"),
    "unknown data set": (["mine_layers:net", "--inputs", "cifar"], 2, "'colour-patches'"),
    "a tap of another length": (["uneven.npz", "--measure", "cka"], 2, "samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(here, case):
    np.savez(here / "taps.npz", first=X, second=X[:, :3])
    np.savez(here / "uneven.npz", first=X, second=X[:30])
    (here / "damaged.npz").write_bytes((here / "taps.npz").read_bytes()[:200])
    arguments, code, words = BAD[case]
    assert words in one_sentence(run(*arguments, "--out", "o"), code)
    assert not (here / "o").exists()
