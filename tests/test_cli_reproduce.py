"""``nngraph reproduce``: what is asked for, how long it takes, and how it ends."""

import json
import logging

import pytest
from ledgers import a_row, an_experiment, installed
from typer.testing import CliRunner

from nngraph.cli import app


@pytest.fixture(autouse=True)
def papers(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger("nngraph.reproduce.ledger").level
    yield installed(monkeypatch, "cats", "dogs")
    logging.getLogger("nngraph.reproduce.ledger").setLevel(level)


def run(*arguments):
    return CliRunner().invoke(app, ["reproduce", "--jobs", "1", *map(str, arguments)])


def test_it_says_how_long_it_takes_runs_all_papers_and_counts_the_verdicts(tmp_path):
    done = run()
    assert done.exit_code == 0
    assert "nngraph: 2 of 2 experiments to do, about 2 min" in done.stderr
    assert "report.html, ledger.md, ledger.csv and ledger.json are in results/ledger-quick" in done.stderr
    assert "| all | quick | 4 | 4 | 0 | 0 | 0 | 0 | 0 |" in done.stdout
    names = {path.name for path in (tmp_path / "results/ledger-quick").iterdir()}
    assert names == {"cats", "dogs", "ledger.csv", "ledger.json", "ledger.md", "report.html"}
    assert "0 of 2 experiments to do, about 0 s" in run().stderr


def test_options_reach_the_experiments(papers, tmp_path):
    seen = []

    def look(context):
        seen.append(context)
        return [a_row("cats-01")]

    papers["cats"].EXPERIMENTS = (an_experiment("look", ["cats-01"], look), an_experiment("no", ["cats-02"]))
    (tmp_path / "files").mkdir()
    done = run("cats", "--scale", "full", "--data", "mnist", "--seed", "7", "--root", "files", "--only", "cats-01")
    assert done.exit_code == 0
    (context,) = seen
    assert (context.scale, context.data, context.rng, context.root, context.n_jobs) == ("full", "mnist", 7, "files", 1)
    assert "1 of 1 experiments to do, about 2 min" in done.stderr
    about = json.loads((tmp_path / "results/ledger-full-mnist/ledger.json").read_text())
    assert [row["key"] for row in about["rows"]] == ["cats-01"]


def test_several_keys_may_be_given_apart_or_with_commas(tmp_path):
    run("--only", "cats-01,cats-02", "--only", "dogs-01", "--out", "a")
    assert {path.name for path in (tmp_path / "a").iterdir() if path.is_dir()} == {"cats", "dogs"}


def test_a_failure_is_told_and_the_exit_code_is_1_until_it_is_mended(papers):
    def fail(context):
        raise ValueError("no layer")

    papers["cats"].EXPERIMENTS = (an_experiment("bad", ["cats-01"], fail),)
    done = run()
    assert done.exit_code == 1
    assert "failed: cats/bad; the same command tries again." in done.stderr
    assert "| cats | quick | 1 | 0 | 0 | 0 | 0 | 0 | 1 |" in done.stdout
    assert run("dogs").exit_code == 0
    papers["cats"].EXPERIMENTS = (an_experiment("bad", ["cats-01"]),)
    assert run().exit_code == 0


def test_a_run_that_is_stopped_says_how_to_go_on(papers):
    def stop(context):
        raise KeyboardInterrupt

    papers["cats"].EXPERIMENTS = (an_experiment("long", ["cats-01"], stop),)
    done = run()
    assert done.exit_code == 1
    assert done.stderr.strip().endswith("stopped. The same command goes on behind the last finished experiment.")


def test_the_list_names_papers_experiments_rows_and_minutes(tmp_path):
    done = run("--list")
    assert "| cats | first | 1 | 2 | cats-01 cats-02 |" in done.stdout
    assert "dogs" in done.stdout
    assert "dogs" not in run("cats", "--list").stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cow"], "papers: got 'cow'; there is cats, dogs."),
        (
            ["--only", "cats-9"],
            "only: got 'cats-9', which is no row of cats, dogs; the nearest are cats-02, cats-01, dogs-02, "
            "and nngraph reproduce --list names all.",
        ),
        (["--root", "gone"], "root: got 'gone', which is no folder; expected the folder of the data files."),
        (["--data", "imagenet"], "data: got 'imagenet'; expected one of 'digits', 'fashion-mnist', 'mnist'."),
    ],
)
def test_what_does_not_exist_is_one_sentence_that_lists_what_there_is(arguments, sentence, tmp_path):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr.strip().splitlines()[-1] == f"nngraph: {sentence}"
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_seed_is_one_sentence(tmp_path):
    run("--out", "a")
    done = run("--out", "a", "--seed", "1")
    assert done.exit_code == 1
    assert "a: holds a ledger with seed = 0, and this one has 1; give another folder" in done.stderr
