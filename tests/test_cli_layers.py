"""nngraph layers: what is written, what is said, and what is refused."""

import subprocess
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

def both():
    return net(), np.zeros((40, 7), dtype="float32")

class Unknown(__import__("torch").nn.Module):
    def __init__(self):
        import torch
        super().__init__()
        self.a, self.w = torch.nn.Linear(6, 4), torch.nn.Parameter(torch.ones(4))
    def forward(self, x):
        return self.a(x) * self.w

def no_twin():
    return Unknown().eval(), X

def two_inputs():
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 2)
        def forward(self, x, shift):
            return self.b(self.a(x + shift))
    return Net().eval(), (X, X)

def with_classes():
    return net(), (X, np.arange(40) % 3)

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
        "boundaries.csv", "curve.csv", "groups.csv", "layers.png", "layers.svg", "map.csv",
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


def test_one_group_comes_with_its_reason_and_its_p(here):
    rng = np.random.default_rng(1)
    steps = [rng.standard_normal((30, 4)) for _ in range(9)]
    np.savez(here / "drift.npz", **{f"t{i}": np.sum(steps[: i + 1], axis=0) for i in range(9)})
    result = run("drift.npz", "--measure", "cka", "--out", "o")
    assert result.exit_code == 0, result.output
    reps = dict(np.load(here / "drift.npz"))
    grouped = nng.similarity.groups(nng.similarity.matrix(reps, "cka"), rng=0)
    assert grouped.k == 1
    assert f"1 group (contiguous): the best of more, {grouped.curve['silhouette'].idxmax()} groups" in result.stdout
    assert f"is no more than steady drift gives (p = {grouped.p:.3f})" in result.stdout
    curve = pd.read_csv(here / "o" / "curve.csv", index_col="k")
    np.testing.assert_allclose(curve["silhouette"], grouped.curve["silhouette"])


@pytest.mark.parametrize("how", ["mean", "max", "none"])
def test_distances_are_divided_by_what_is_asked(here, how):
    result = run("mine_layers:net_and_inputs", "--n", 12, "--null", "none", "--normalize", how, "--out", "o")
    assert result.exit_code == 0, result.output
    reps = nng.similarity.representations(nng.mlp((6, 12, 8, 3), rng=0).eval(), X, n=12, rng=0)
    np.testing.assert_allclose(
        table(here / "o", "map"), nng.similarity.gromov_map(reps, normalize=how).squared, rtol=1e-9, atol=1e-12
    )


def test_a_pair_is_inputs_and_classes_only_where_the_second_are_classes(here):
    for name, taps in (("with_classes", ("auto",)), ("two_inputs", ("a", "--taps", "b"))):
        result = run(f"mine_layers:{name}", "--measure", "cka", "--null", "none", "--taps", *taps, "--out", name)
        assert result.exit_code == 0, result.output
    assert table(here / "with_classes", "map").equals(_map_of_net(here))


def _map_of_net(here):
    assert run("mine_layers:net_and_inputs", "--measure", "cka", "--null", "none", "--out", "same").exit_code == 0
    return table(here / "same", "map")


def test_a_map_that_was_stopped_goes_on_from_its_parts_which_vanish_in_the_end(here, monkeypatch):
    from nngraph.plot import overviews

    arguments = ["mine_layers:net_and_inputs", "--n", 15, "--twins", 1, "--out", "o"]
    with monkeypatch.context() as stopped:
        stopped.setattr("nngraph.plot.layer_figure", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert "goes on from" in one_sentence(run(*arguments), 1)
    assert {path.name for path in (here / "o" / "unfinished").iterdir()} == {"map", "twin-0"}
    assert not (here / "o" / "map.csv").exists()

    def refuse(*_, **__):
        raise AssertionError("solved again")

    with monkeypatch.context() as solver:
        solver.setattr("nngraph.similarity.gromov_maps.solve_tile", refuse)
        result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert overviews.layer_figure is nng.plot.layer_figure
    assert not (here / "o" / "unfinished").exists()
    other = run("mine_layers:net_and_inputs", "--n", 15, "--twins", 1, "--out", "at-once")
    assert other.stdout == result.stdout
    for name in ("map", "start", "boundaries"):
        pd.testing.assert_frame_equal(table(here / "o", name), table(here / "at-once", name))


def test_the_package_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nngraph", "layers", "--measure", "gww"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nngraph: --measure: got 'gww'")


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
    "sets of taps": (["mine_layers:net_and_inputs", "--taps", "auto", "--taps", "blocks"], 2, "one set alone"),
    "a shape that the model does not take": (["mine_layers:both", "--measure", "cka"], None, "(40, 7)"),
    "channels that the model does not take": (["mine_layers:patches_net", "--inputs", "digits"], None, "model"),
    "two samples": (["taps.npz", "--n", "2"], 2, "at least 3"),
    "normalized cka": (["mine_layers:net_and_inputs", "--measure", "cka", "--normalize", "max"], 2, "normalize"),
    "epochs of a map": (["mine_layers:net_and_inputs", "--epochs", "3"], 2, "--epochs: has no effect on --do map"),
    "a tap of another length": (["uneven.npz", "--measure", "cka"], 2, "samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(here, case):
    np.savez(here / "taps.npz", first=X, second=X[:, :3])
    np.savez(here / "uneven.npz", first=X, second=X[:30])
    (here / "damaged.npz").write_bytes((here / "taps.npz").read_bytes()[:200])
    arguments, code, words = BAD[case]
    result = run(*arguments, "--out", "o")
    assert words in one_sentence(result, result.exit_code if code is None else code)
    assert result.exit_code in (1, 2)
    assert not (here / "o").exists()


@pytest.mark.parametrize("case", ["a file", "below a file", "no folder", "no twin"])
def test_what_cannot_be_written_or_compared_is_said_before_the_map_is_made(here, monkeypatch, case):
    (here / "there").write_text("mine")
    out = {"a file": "there", "below a file": "there/o", "no folder": "/proc/o", "no twin": "o"}[case]

    def refuse(*_, **__):
        raise AssertionError("the map was made")

    monkeypatch.setattr("nngraph.similarity.matrix", refuse)
    source = "no_twin" if case == "no twin" else "net_and_inputs"
    result = run(f"mine_layers:{source}", "--measure", "cka", "--out", out)
    words = "reset_parameters" if case == "no twin" else "--out"
    assert words in one_sentence(result, 1 if case == "no twin" else 2)
    assert sorted(path.name for path in here.iterdir() if path.suffix != ".py" and path.name != "__pycache__") == [
        "there"
    ]
    assert (here / "there").read_text() == "mine"
