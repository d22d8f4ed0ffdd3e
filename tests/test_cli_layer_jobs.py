"""nngraph layers --do: dynamics, freezing, dropping and interventions are those of the library."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nngraph as nng
from nngraph.checkpoints import training_dynamics
from nngraph.cli import app
from nngraph.interventions import intervention_agreement, interventions

CODE = """
import nngraph as nng
import numpy as np
X = np.random.default_rng(0).standard_normal((40, 6)).astype("float32")
Y = np.arange(40) % 3
TOKENS = np.random.default_rng(0).integers(7, size=(48, 4))

def steps():
    return {step: nng.mlp((6, 12, 8, 3), rng=step).eval() for step in (0, 10, 20, 30)}, (X, Y)

def steps_alone():
    return {step: nng.mlp((6, 12, 8, 3), rng=step).eval() for step in (0, 10)}

def states():
    return {step: model.state_dict() for step, model in steps_alone().items()}, X

def lm(outputs=None):
    return nng.transformer(7, 4, width=8, depth=4, heads=2, outputs=outputs, rng=0).eval()

def decoder():
    return lm(), TOKENS

def task():
    y = (TOKENS[:, 3] > 2).astype("int64")
    return lm(2), (TOKENS[:32], y[:32]), (TOKENS[32:], y[32:])

def untested():
    return task()[:2]

def unlabelled():
    return lm(2), (TOKENS, TOKENS), (TOKENS, TOKENS)

def mlp():
    return nng.mlp((6, 4, 3), rng=0).eval(), X

def mlp_task():
    return nng.mlp((6, 4, 3), rng=0).eval(), (X, Y), (X, Y)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's own in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine_jobs", None)
    (tmp_path / "mine_jobs.py").write_text(CODE)
    import mine_jobs

    yield mine_jobs
    sys.modules.pop("mine_jobs", None)


def run(*arguments):
    return CliRunner().invoke(app, ["layers", *map(str, arguments)])


def table(name, **options):
    return pd.read_csv(f"o/{name}.csv", **options)


def names():
    from pathlib import Path

    return sorted(path.name for path in Path("o").iterdir())


def test_dynamics_follow_the_checkpoints_beside_their_loss_and_accuracy(mine):
    result = run("mine_jobs:steps", "--do", "dynamics", "--measure", "cka", "--n", 20, "--out", "o")
    assert result.exit_code == 0, result.output
    models, (x, y) = mine.steps()
    found = training_dynamics(models, x, measure="cka", n=20, labels=y)
    pd.testing.assert_frame_equal(table("dynamics"), found.table, rtol=1e-9)
    pd.testing.assert_frame_equal(table("correlations", keep_default_na=False, na_values=[""]), found.correlations())
    maps = table("maps", dtype={"tap": str, "other": str})
    last = maps[maps["step"] == 30].pivot(index="tap", columns="other", values="distance")
    np.testing.assert_allclose(last, found.maps[30], atol=1e-12)
    assert names() == [
        "boundaries.csv", "correlations.csv", "dynamics.csv", "dynamics.png", "dynamics.svg", "maps.csv",
    ]  # fmt: skip
    assert "4 steps of mine_jobs-steps, measure cka" in result.stdout


def test_dynamics_without_classes_say_how_to_have_scores(mine, tmp_path):
    np.save(tmp_path / "x.npy", mine.X)
    result = run("mine_jobs:steps_alone", "--do", "dynamics", "--inputs", "x.npy", "--measure", "cka", "--out", "o")
    assert result.exit_code == 0, result.output
    assert "no scores: return (mapping, (x, y))" in result.stdout
    assert list(table("dynamics").columns) == ["step", "mean_distance"]


def test_dynamics_that_were_stopped_go_on_from_the_finished_maps(mine, monkeypatch):
    arguments = ["mine_jobs:steps", "--do", "dynamics", "--measure", "cka", "--out", "o"]
    with monkeypatch.context() as stopped:
        stopped.setattr("nngraph.plot.dynamics", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(*arguments).exit_code == 1
    assert names() == ["unfinished"]
    with monkeypatch.context() as maps:
        maps.setattr("nngraph.similarity.matrix", lambda *_, **__: pytest.fail("made again"))
        result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "unfinished" not in names()


@pytest.mark.parametrize("job", ["freezing", "dropping"])
def test_fine_tuning_by_blocks_is_that_of_the_library(mine, job):
    arguments = ["--seeds", 2, "--epochs", 1, "--lr", 0.01, "--rng", 3, "--out", "o"]
    result = run("mine_jobs:task", "--do", job, *arguments)
    assert result.exit_code == 0, result.output
    model, train, test = mine.task()
    found = getattr(nng.finetuning, job)(model, train, test, seeds=2, epochs=1, lr=0.01, rng=3)
    pd.testing.assert_frame_equal(table(job), found)
    pd.testing.assert_frame_equal(table("intervals"), nng.finetuning.intervals(found))
    assert f"{job} of mine_jobs-task, 32 training and 16 test samples" in result.stdout
    assert names() == sorted([f"{job}.csv", "intervals.csv"])


def test_interventions_are_set_beside_a_measure_and_beside_depth(mine):
    result = run("mine_jobs:decoder", "--do", "interventions", "--measure", "cka", "--out", "o")
    assert result.exit_code == 0, result.output
    model, x = mine.decoder()
    found = interventions(model, x)
    kl = table("divergence", index_col=0)
    np.testing.assert_allclose(kl, found.kl, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(table("skipped")["kl_from_intact"], found.intact, rtol=1e-9)
    reps = nng.similarity.representations(model, x, list(found.kl.index), n=None, tokens="last")
    D = nng.similarity.matrix(reps, "cka")
    np.testing.assert_allclose(table("map", index_col=0), D, atol=1e-12)
    np.testing.assert_allclose(table("agreement")["cka"], intervention_agreement(found.kl, D).rows, atol=1e-12)
    depth = pd.DataFrame(abs(np.subtract.outer(range(4), range(4))), found.kl.index, found.kl.columns)
    assert f"distance in depth {intervention_agreement(found.kl, depth).mean:+.2f}" in result.stdout
    assert {"interventions.png", "interventions.svg"} < set(names())


def test_interventions_skip_blocks_of_the_network_that_comes_with_the_package(mine):
    result = run("--do", "interventions", "--measure", "cka", "--n", 40, "--out", "o")
    assert result.exit_code == 0, result.output
    assert "8 blocks of characters, 40 distributions" in result.stdout
    assert (table("skipped")["kl_from_intact"] > 0).all()


def test_dynamics_of_the_network_that_comes_with_the_package_end_at_full_accuracy(mine):
    result = run("--do", "dynamics", "--measure", "cka", "--n", 30, "--out", "o")
    assert result.exit_code == 0, result.output
    assert table("dynamics")["accuracy"].iloc[-1] == 1


@pytest.mark.parametrize("job", ["freezing", "dropping"])
def test_the_task_that_comes_with_the_package_asks_for_letters_in_text_that_was_not_seen(mine, job):
    from nngraph.cli._layer_sources import Job, source_of
    from nngraph.reproduce.layer_groups import characters

    found = source_of(Job(job), None, None)
    for y in (found.labels, found.test[1]):
        assert y.mean() == 0.5
    seen = {row.tobytes() for row in found.inputs}
    assert not any(row.tobytes() in seen for row in found.test[0])
    text = characters.corpus().other.tobytes()
    for x, y in ((found.inputs, found.labels), found.test):
        for row, letter in zip(x[::40].astype("uint8"), y[::40], strict=True):
            nexts = {text[m.end() : m.end() + 1].isalpha() for m in re.finditer(re.escape(row.tobytes()), text)}
            assert bool(letter) in nexts
    logits = found.model(__import__("torch").from_numpy(found.inputs[:2]))
    assert logits.shape == (2, 64, 2)


BAD = {
    "a model of no steps": (["mine_jobs:mlp", "--do", "dynamics"], 2, "a mapping from steps"),
    "states of no model": (["mine_jobs:states", "--do", "dynamics"], 2, "torch modules"),
    "steps of a map": (["mine_jobs:steps"], 2, "--do dynamics"),
    "no test data": (["mine_jobs:untested", "--do", "freezing"], 2, "(x_test, y_test)"),
    "no classes": (["mine_jobs:unlabelled", "--do", "dropping"], 2, "integer"),
    "no blocks": (["mine_jobs:mlp_task", "--do", "freezing"], 2, "ModuleList"),
    "no language model": (["mine_jobs:mlp", "--do", "interventions"], 2, "ModuleList"),
    "inputs of freezing": (["mine_jobs:task", "--do", "freezing", "--inputs", "digits"], 2, "needs classes"),
    "measure of freezing": (["--do", "freezing", "--measure", "cka"], 2, "--measure: has no effect on --do freezing"),
    "screened dropping": (["--do", "dropping", "--screened"], 2, "--screened: has no effect"),
    "twins of dynamics": (["--do", "dynamics", "--twins", "2"], 2, "--twins: has no effect"),
    "a set of taps": (["--do", "interventions", "--taps", "all"], 2, "one tap for each block"),
    "representations": (["taps.npz", "--do", "interventions"], 2, "needs a model"),
    "no rate": (["mine_jobs:task", "--do", "freezing", "--lr", "0"], 2, "lr"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(mine, tmp_path, case):
    arguments, code, words = BAD[case]
    result = run(*arguments, "--out", "o")
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()
