import os
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import nngraph as nng
from nngraph.cli import app

SHORT = ["--seeds", "1", "--draws", "1", "--jobs", "1"]
TINY = [*SHORT, "--hidden", "3", "--epochs", "1"]
MINE = """
import numpy as np
from nngraph.datasets import Task
from nngraph.training import mlp

def net():
    return mlp((6, 4, 2), rng=0)

def other():
    return "no model"

def data():
    x = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("int64")

def tasks():
    x, y = data()
    return {"easy": Task("easy", x, y, x, y), "hard": Task("hard", x, 1 - y, x, 1 - y)}

def broken():
    raise KeyError("oops")
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def one_sentence(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"mine_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MINE)
    return name


def test_help_takes_less_than_half_a_second_and_loads_nothing_heavy():
    code = (
        "import sys, time, typer\n"
        "from nngraph.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'igraph', 'matplotlib', 'joblib', 'numba'} & set(sys.modules)\n"
        "print(sorted(heavy), time.process_time(), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, seconds = done.stderr.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert float(seconds) < 0.5
    for verb in ("study", "info", "convert", "null"):
        assert verb in done.stdout


def test_a_study_prints_its_page_on_stdout_and_leaves_tables_and_figures(tmp_path):
    result = run("study", *TINY, "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert result.stdout == (tmp_path / "r" / "summary.md").read_text()
    assert "## easy {0,7}" in result.stdout
    assert "## hard {1,8}" in result.stdout
    assert str(tmp_path / "r") in result.stderr
    made = {path.name for path in (tmp_path / "r").rglob("*.*")}
    assert {
        "results.parquet",
        "results.csv",
        "timings.csv",
        "study.json",
        "perturbations.png",
        "randomizations.pdf",
    } <= made


def test_the_default_folder_is_named_after_the_data(mine, tmp_path):
    assert run("study", "--data", f"{mine}:tasks", *TINY).exit_code == 0
    assert (tmp_path / "results" / f"{mine}-tasks" / "results.csv").exists()


def test_a_dry_run_says_how_much_there_is_to_do_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("study", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == "Study: 2 tasks x 12 seeds = 24 networks, 649 graphs each, 15,576 evaluations\n"
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_study(tmp_path):
    import json

    options = [
        "--activation",
        "tanh",
        "--no-bias",
        "--scaling",
        "[0,1]",
        "--as-published",
        "--seed",
        "5",
        "--pairs",
        "3,4",
        "--every",
        "4",
    ]
    assert run("study", *TINY, *options, "--hidden", "3,2", "--out", tmp_path / "r").exit_code == 0
    settings = json.loads((tmp_path / "r" / "study.json").read_text())["settings"]
    assert (
        settings["network"] | {"hidden": [3, 2], "activation": "tanh", "bias": False, "epochs": 1, "every": 4}
        == settings["network"]
    )
    assert settings["as_published"] is True
    assert settings["rng"] == "5"
    assert list(settings["tasks"]) == ["{3,4}"]
    assert settings["tasks"]["{3,4}"]["scaling"] == "[0,1]"


def test_a_model_of_the_users_own_with_weights_and_data(mine, tmp_path):
    import torch
    from safetensors.torch import save_file

    from nngraph.training import mlp

    save_file(dict(mlp((6, 4, 2), rng=1).state_dict()), tmp_path / "net.safetensors")
    arguments = ["--model", f"{mine}:net", "--weights", "net.safetensors", "--data", f"{mine}:data", "--out", "r"]
    result = run("study", "--seeds", 2, "--draws", 1, "--jobs", 1, *arguments)
    assert result.exit_code == 0, result.output
    G = nng.load(tmp_path / "r" / "networks" / "model.nngraph")
    assert torch.equal(torch.tensor(np.array(G.block(0).dense())), mlp((6, 4, 2), rng=1)[0].weight.detach())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nonsense"], "digits"),
        (["--data", "{}:missing"], "cannot be imported"),
        (["--data", "no_such_package:data"], "cannot be imported"),
        (["--data", "{}:"], "pkg.module:function"),
        (["--data", "{}:data"], "expected a Dataset"),
        (["--data", "{}:tasks", "--pairs", "0,1"], "--pairs"),
        (["--model", "{}:other", "--data", "{}:data"], "torch.nn.Module"),
        (["--weights", "w.safetensors"], "--model"),
        (["--pairs", "0,7,8"], "--pairs"),
        (["--pairs", "0,77"], "77"),
        (["--pairs", "0,7 0,7 0,7"], "twice"),
        (["--pairs", "0,7 7,0"], "twice"),
        (["--hidden", "wide"], "--hidden"),
        (["--hidden", "0"], "hidden"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(mine, tmp_path, arguments, words):
    before = sorted(tmp_path.iterdir())
    assert words in one_sentence(run("study", *(argument.format(mine) for argument in arguments)), 2)
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "__pycache__"] == before


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--activation", "step"], ["--jobs", "x"], ["--nothing"]])
def test_an_option_that_does_not_exist_or_fit_is_exit_code_2(arguments):
    result = run("study", *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_what_fails_is_one_sentence_and_exit_code_1(mine, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "got a file" in one_sentence(run("study", *TINY, "--out", "file"), 1)
    assert "KeyError" in one_sentence(run("study", "--data", f"{mine}:broken"), 1)
    lost = run("study", "--model", f"{mine}:net", "--weights", "lost.safetensors", "--data", f"{mine}:data")
    assert "lost.safetensors" in one_sentence(lost, 1)


@pytest.mark.parametrize(
    ("text", "words"), [("def f(:", "SyntaxError"), ("raise ValueError('two\\nlines')", "two lines")]
)
def test_a_module_that_fails_when_it_is_imported_is_one_sentence(mine, tmp_path, text, words):
    (tmp_path / f"failing_{mine}.py").write_text(text)
    assert words in one_sentence(run("study", "--data", f"failing_{mine}:data"), 1)


def test_other_settings_in_the_same_folder_are_one_sentence_and_exit_code_1(mine):
    assert run("study", "--data", f"{mine}:tasks", *TINY, "--out", "r").exit_code == 0
    assert "seeds = 1; this one has 2" in one_sentence(
        run("study", "--data", f"{mine}:tasks", *TINY, "--seeds", 2, "--out", "r"), 1
    )


def test_failed_rows_give_exit_code_1_and_the_page_all_the_same(mine, tmp_path):
    spoiled = 'return {"easy": Task("easy", x, y, x, y), "hard": Task("hard", x[:, :5], y, x[:, :5], y)}'
    (tmp_path / f"{mine}.py").write_text(
        MINE.replace(MINE[MINE.index("return {") : MINE.index("def broken")], spoiled + "\n\n")
    )
    result = run("study", "--model", f"{mine}:net", "--data", f"{mine}:tasks", *SHORT, "--out", "r")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "1 row failed" in result.stderr


def test_a_study_in_which_everything_failed_is_one_sentence_and_exit_code_1_and_keeps_its_tables(mine, tmp_path):
    (tmp_path / f"{mine}.py").write_text(MINE.replace("mlp((6, 4, 2)", "mlp((7, 4, 2)"))
    result = run("study", "--model", f"{mine}:net", "--data", f"{mine}:data", *SHORT, "--out", "r")
    assert "every evaluation failed: model: its forward pass failed" in one_sentence(result, 1)
    assert (tmp_path / "r" / "results.csv").exists()


@pytest.mark.parametrize(
    "option", ["--hidden=3", "--activation=tanh", "--no-bias", "--epochs=2", "--every=2", "--scaling=[0,1]"]
)
def test_an_option_that_would_have_no_effect_is_refused(mine, option):
    result = run("study", "--model", f"{mine}:net", "--data", f"{mine}:data", option, "--out", "r")
    assert "has no effect" in one_sentence(result, 2)


def test_a_model_with_more_outputs_than_classes_is_measured_all_the_same(mine, tmp_path):
    (tmp_path / f"{mine}.py").write_text(MINE.replace("mlp((6, 4, 2)", "mlp((6, 4, 3)"))
    assert run("study", "--model", f"{mine}:net", "--data", f"{mine}:data", *SHORT, "--out", "r").exit_code == 0


def test_a_study_as_published_has_a_default_folder_of_its_own(mine, tmp_path):
    for options in ([], ["--as-published"]):
        assert run("study", "--data", f"{mine}:tasks", *TINY, *options).exit_code == 0
    assert (tmp_path / "results" / f"{mine}-tasks-as-published" / "results.csv").exists()


def test_nothing_is_printed_on_stderr_by_a_progress_bar_that_no_one_sees(tmp_path):
    code = "from nngraph.cli import app; app()"
    arguments = [sys.executable, "-c", code, "study", *TINY, "--out", str(tmp_path / "r")]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONWARNINGS": "error"}
    )
    assert done.stderr == f"nngraph: tables, summary.md and figures are in {tmp_path / 'r'}\n"


def test_info_prints_the_graph_of_a_native_file(tmp_path):
    G = nng.from_matrices([np.array([[1.0, -2.0], [0.0, 0.5]])])
    nng.save(G, tmp_path / "net.nngraph")
    assert run("info", tmp_path / "net.nngraph").stdout == f"{G!r}\n"


def test_info_prints_the_graph_of_graphml(tmp_path):
    G = nng.from_matrices([np.array([[1.0, -2.0], [0.0, 0.5]])])
    nng.write_graphml(G, tmp_path / "net.graphml")
    assert run("info", tmp_path / "net.graphml").stdout == f"{G!r}\n"


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_info_prints_the_matrices_of_a_file_of_weights(tmp_path, kind):
    import torch
    from safetensors.torch import save_file

    state = {"fc.weight": torch.tensor([[1.0, -2.0, 0.0]], dtype=torch.bfloat16), "fc.bias": torch.zeros(1)}
    path = tmp_path / f"net.{kind}"
    save_file(state, path) if kind == "safetensors" else torch.save(state, path)
    result = run("info", path)
    assert result.exit_code == 0
    words = result.stdout.split()
    assert {"fc.weight", "1x3", "2", "66.7", "50.0", "bfloat16"} <= set(words)
    assert "fc.bias 1" in result.stdout


def test_info_on_what_is_no_such_file_is_one_sentence_and_exit_code_1(tmp_path):
    (tmp_path / "text.nngraph").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("text.nngraph", "text.safetensors", "lost.nngraph", "lost.safetensors"):
        assert name in one_sentence(run("info", tmp_path / name), 1)


# ------------------------------------------------------------- functions as sources of graphs

NETS = """
import numpy as np
import torch
import nngraph as nng

class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))

def graph(): return nng.from_matrices([np.array([[1.0, -2.0, 0.5]])])
def linear(): torch.manual_seed(0); return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
def convolution(): torch.manual_seed(0); return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3))
def plain(): torch.manual_seed(0); return Plain()
def traced(): return plain(), torch.zeros(1, 4)
def other(): return 3
def pair(): return 3, 4
"""
VERBS = {"info": [], "stats": [], "convert": ["out.nngraph"]}


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """The name of a module of functions, and the module."""
    import importlib

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"nets_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(NETS)
    return name, importlib.import_module(name)


@pytest.mark.parametrize(
    ("function", "conv"),
    [("graph", None), ("linear", None), ("convolution", "channel"), ("convolution", "entry"), ("plain", None)],
)
def test_a_function_is_read_by_every_verb_as_the_library_reads_it(function, conv, nets):
    name, module = nets
    found = getattr(module, function)()
    G = found if isinstance(found, nng.NeuralGraph) else nng.from_torch(found, conv=conv)
    options = [] if conv is None else ["--conv", conv]
    done = {verb: run(verb, f"{name}:{function}", *rest, *options) for verb, rest in VERBS.items()}
    assert [result.exit_code for result in done.values()] == [0, 0, 0], [r.output for r in done.values()]
    assert done["info"].stdout == f"{G!r}\n"
    assert nng.load("out.nngraph") == G
    assert done["stats"].stdout == nng.stats.table(G, by="block").to_csv(index=False)


def test_a_model_with_an_example_input_is_traced(nets):
    name, module = nets
    G = nng.from_torch(module.plain(), example_input=module.traced()[1])
    assert len(G.parts) == 3
    assert len(nng.from_torch(module.plain()).parts) == 4
    assert run("info", f"{name}:traced").stdout == f"{G!r}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_a_policy_for_convolutions_is_asked_for_and_refused_where_it_has_no_effect(verb, nets, tmp_path):
    name, module = nets
    nng.save(module.graph(), "net.nngraph")
    nng.write_graphml(module.graph(), "net.graphml")
    (tmp_path / "net.safetensors").write_bytes(b"")
    conv = ["--conv", "channel"]
    for source, options, words in (
        (f"{name}:convolution", [], "returned a model with convolutions; choose --conv channel or --conv entry"),
        (f"{name}:linear", conv, "--conv: has no effect, because .*:linear returns a model without convolutions"),
        (f"{name}:graph", conv, "--conv: has no effect, because .*:graph returns a graph"),
        ("net.nngraph", conv, "--conv: has no effect, because net.nngraph is no function"),
        ("net.graphml", conv, "--conv: has no effect, because net.graphml is no function"),
        ("net.safetensors", conv, "--conv: has no effect, because net.safetensors is no function"),
        (f"{name}:other", [], "returned int; expected a NeuralGraph or a torch module"),
        (f"{name}:pair", [], "returned tuple; expected a NeuralGraph or a torch module"),
        (f"{name}:lost", [], "cannot be imported"),
    ):
        assert re.search(words, one_sentence(run(verb, source, *VERBS[verb], *options), 2)), source
    assert not (tmp_path / "out.nngraph").exists()


def test_options_of_graphml_are_refused_for_a_function(nets):
    source = f"{nets[0]}:graph"
    message = one_sentence(run("convert", source, "o.csv", "--part", "role"), 2)
    assert f"--part: has no effect, because {source} is no GraphML file" in message
    nng.write_graphml(nets[1].graph(), "net.graphml")
    message = one_sentence(run("convert", "net.graphml", "o.csv", "--part", "part", "--conv", "entry"), 2)
    assert "--conv: has no effect, because net.graphml is no function" in message


def test_a_file_whose_name_has_a_colon_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nng.save(nng.from_matrices([np.ones((2, 2))]), "a:b.nngraph")
    assert run("info", "a:b.nngraph").exit_code == 0
    assert run("convert", "a:b.nngraph", "o.csv").exit_code == 0
