"""Experiments become rows in a folder: once, whole, checked, and told where they fail."""

import dataclasses
import json
import logging
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from ledgers import a_figure, a_row, an_experiment, installed

from nngraph.errors import ArgumentError, FormatError, StudyError
from nngraph.reproduce import _ledger_folder, ledger
from nngraph.reproduce.ledger import PAPERS, VERDICTS, Context


@pytest.fixture
def papers(monkeypatch):
    return installed(monkeypatch, "cats", "dogs")


def counted(keys, calls, **changes):
    def run(context):
        calls.append(context)
        return [a_row(key, **changes) for key in keys]

    return an_experiment("counted", keys, run)


def keys_of(rows):
    return [row.key for row in rows]


def test_the_module_loads_without_torch_and_pandas():
    code = "import sys, nngraph.reproduce.ledger; print([name for name in ('torch', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_rows_of_all_papers_come_in_order_and_are_kept(papers, tmp_path):
    rows = ledger.run(out=tmp_path / "out")
    assert keys_of(rows) == ["cats-01", "cats-02", "dogs-01", "dogs-02"]
    assert all(row.seconds > 0 for row in rows)
    assert json.loads((tmp_path / "out/cats/first/rows.json").read_text())["rows"][0]["key"] == "cats-01"
    assert ledger.run(out=tmp_path / "out") == rows


def test_a_finished_experiment_is_not_run_again_and_gets_what_was_asked_for(papers, tmp_path):
    calls = []
    papers["cats"].EXPERIMENTS = (counted(["cats-01"], calls),)
    asked = {"out": tmp_path, "scale": "full", "data": "mnist", "root": str(tmp_path), "n_jobs": 2, "rng": 5}
    asked["out"] = tmp_path / "out"
    ledger.run(["cats"], **asked)
    ledger.run(["cats"], **asked)
    assert calls == [Context(tmp_path / "out/cats/counted", "full", "mnist", str(tmp_path), 2, 5)]
    assert calls[0].folder.is_dir()


def test_an_experiment_that_declares_other_rows_than_it_gave_is_run_again(papers, tmp_path):
    ledger.run(["cats"], out=tmp_path)
    papers["cats"].EXPERIMENTS = (an_experiment("first", ["cats-01", "cats-03"]),)
    assert keys_of(ledger.run(["cats"], out=tmp_path)) == ["cats-01", "cats-03"]


def test_an_experiment_that_lacked_files_is_run_again_where_they_may_be(papers, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "nngraph.reproduce.ledger")
    calls, out = [], tmp_path / "out"
    lacking = {"verdict": "not testable here", "missing": "cats.csv", "stand_in": "cats-02"}
    papers["cats"].EXPERIMENTS = (counted(["cats-01"], calls, **lacking), an_experiment("other", ["cats-02"]))
    for times, root in ((1, None), (1, None), (2, tmp_path), (2, tmp_path), (2, None)):
        ledger.run(["cats"], out=out, root=root)
        assert len(calls) == times
    assert caplog.text.count("cats/counted: lacked files") == 1
    monkeypatch.setenv("NNGRAPH_CATS", "elsewhere")
    assert ledger.minutes_left(["cats"], out=out)[:2] == (1, 2)
    broken = an_experiment("counted", ["cats-01"], lambda _: 1 / 0)
    papers["cats"].EXPERIMENTS = (broken, an_experiment("other", ["cats-02"]))
    assert "ZeroDivisionError" in ledger.run(["cats"], out=out)[0].missing


def test_options_that_do_not_reach_an_experiment_are_told(papers, tmp_path, caplog):
    caplog.set_level(logging.INFO, "nngraph.reproduce.ledger")
    fixed = dataclasses.replace(an_experiment("fixed", ["cats-01"], quick=4), takes={"quick": (), "full": ()})
    papers["cats"].EXPERIMENTS = (fixed, an_experiment("free", ["cats-02"], quick=4))
    ledger.run(["cats"], out=tmp_path / "a")
    assert "does not reach" not in caplog.text
    ledger.run(["cats"], out=tmp_path / "b", rng=3, data="mnist")
    assert "data mnist does not reach cats/fixed" in caplog.text
    assert "seed 3 does not reach cats/fixed" in caplog.text
    assert "free (" in caplog.text
    assert "reach cats/free" not in caplog.text
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)
        assert ledger.minutes_left(["cats"], out=tmp_path / "c", n_jobs=2)[2] == 6


def test_seconds_that_a_row_has_stay(papers, tmp_path):
    rows = [a_row("cats-01", seconds=7.5), a_row("cats-02")]
    papers["cats"].EXPERIMENTS = (an_experiment("e", ["cats-01", "cats-02"], lambda _: rows),)
    first, second = ledger.run(["cats"], out=tmp_path)
    assert first.seconds == 7.5
    assert 0 < second.seconds < 7.5


def test_an_experiment_that_raises_gives_rows_that_say_so_and_the_others_go_on(papers, tmp_path, caplog):
    broken = [True]

    def run(context):
        if broken:
            raise KeyError("no such\nlayer")
        return [a_row("cats-01")]

    papers["cats"].EXPERIMENTS = (an_experiment("bad", ["cats-01"], run), an_experiment("good", ["cats-02"]))
    first, second = ledger.run(["cats"], out=tmp_path)
    assert (first.verdict, first.missing) == ("not testable here", "KeyError: 'no such\\nlayer'")
    assert second.verdict == "holds"
    assert "cats/bad failed: KeyError" in caplog.text
    kept = json.loads((tmp_path / "cats/bad.failed.json").read_text())
    assert "Traceback" in kept["traceback"]
    assert not list((tmp_path / "cats/bad").iterdir())
    broken.clear()
    assert [row.verdict for row in ledger.run(["cats"], out=tmp_path)] == ["holds", "holds"]
    assert not (tmp_path / "cats/bad.failed.json").exists()


def test_a_run_that_is_stopped_keeps_what_was_finished(papers, tmp_path):
    calls = []

    def stop(context):
        raise KeyboardInterrupt

    papers["cats"].EXPERIMENTS = (counted(["cats-01"], calls), an_experiment("long", ["cats-02"], stop))
    with pytest.raises(KeyboardInterrupt):
        ledger.run(["cats"], out=tmp_path)
    assert [row["key"] for row in json.loads((tmp_path / "ledger.json").read_text())["rows"]] == ["cats-01"]
    papers["cats"].EXPERIMENTS = (counted(["cats-01"], calls), an_experiment("long", ["cats-02"]))
    assert keys_of(ledger.run(["cats"], out=tmp_path)) == ["cats-01", "cats-02"]
    assert len(calls) == 1


def test_the_folder_tells_of_all_papers_that_were_run_and_the_call_returns_those_asked_for(papers, tmp_path):
    ledger.run(["dogs"], out=tmp_path)
    assert keys_of(ledger.run(["cats"], out=tmp_path)) == ["cats-01", "cats-02"]
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert [(row["paper"], row["key"]) for row in written["rows"]] == [
        ("cats", "cats-01"), ("cats", "cats-02"), ("dogs", "dogs-01"), ("dogs", "dogs-02"),
    ]  # fmt: skip


def test_rows_are_ordered_as_numbered_with_letters_and_those_that_the_paper_lacks_last(papers, tmp_path):
    papers["cats"].EXPERIMENTS = (
        an_experiment("a", ["cats-x1", "cats-11b", "cats-11a"]),
        an_experiment("b", ["cats-02", "cats-01"]),
    )
    ledger.run(["cats"], out=tmp_path)
    written = json.loads((tmp_path / "ledger.json").read_text())["rows"]
    assert [row["key"] for row in written] == ["cats-01", "cats-02", "cats-11a", "cats-11b", "cats-x1"]


def test_only_runs_the_experiments_that_give_the_rows_asked_for(papers, tmp_path):
    papers["cats"].EXPERIMENTS = (an_experiment("a", ["cats-01", "cats-02"]), an_experiment("b", ["cats-03"]))
    assert keys_of(ledger.run(["cats"], out=tmp_path, only=["cats-02"])) == ["cats-02"]
    assert (tmp_path / "cats/a/rows.json").exists()
    assert not (tmp_path / "cats/b").exists()
    with pytest.raises(
        ArgumentError, match=r"only: got 'cats-9', which is no row of cats; the nearest are cats-0.*--list"
    ):
        ledger.run(["cats"], out=tmp_path, only=["cats-9"])


def test_the_time_to_come_leaves_out_what_is_finished_and_is_shared_by_the_cores(papers, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    papers["cats"].EXPERIMENTS = (an_experiment("a", ["cats-01"], quick=3), an_experiment("b", ["cats-02"], quick=5))
    assert ledger.minutes_left(["cats"], out=tmp_path) == (2, 2, 8)
    assert ledger.minutes_left(["cats"], out=tmp_path, n_jobs=2) == (2, 2, 4)
    assert ledger.minutes_left(["cats"], out=tmp_path, n_jobs=-1) == (2, 2, 4)
    assert ledger.minutes_left(["cats"], out=tmp_path, n_jobs=64) == (2, 2, 4)
    assert ledger.minutes_left(["cats"], out=tmp_path, scale="full") == (2, 2, 4)
    ledger.run(["cats"], out=tmp_path, only=["cats-01"])
    assert ledger.minutes_left(["cats"], out=tmp_path) == (1, 2, 5)


def test_each_experiment_is_announced_with_the_time_to_come(papers, tmp_path, caplog):
    caplog.set_level(logging.INFO, "nngraph.reproduce.ledger")
    ledger.run(["cats"], out=tmp_path)
    assert "cats/first (1 of 1; 1 CPU minutes to go)" in caplog.text
    assert "cats/first: 2 rows in 0 s" in caplog.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verdict": "maybe"}, "got the verdict 'maybe'; expected one of 'holds', 'holds in part'"),
        ({"criterion": " "}, "has no criterion"),
        ({"statement": ""}, "has no statement"),
        ({"source": ""}, "has no source"),
        ({"authors": ""}, "has no authors"),
        ({"measured": ""}, "has no measured"),
        ({"data": ""}, "has no data"),
        ({"verdict": "not testable here", "stand_in": "cats-02"}, "does not name the missing file or model"),
        ({"verdict": "not testable here", "missing": "cifar"}, "has the stand-in ''; expected the key of another row"),
        ({"verdict": "not testable here", "missing": "cifar", "stand_in": "cats-09"}, "has the stand-in 'cats-09'"),
        ({"verdict": "not testable here", "missing": "cifar", "stand_in": "cats-01"}, "has the stand-in 'cats-01'"),
        ({"value": math.nan}, "has value = nan; expected a finite number, or None"),
        ({"high": math.inf}, "has high = inf"),
        ({"low": 2, "high": 1}, "has the interval from 2 to 1; expected low <= high"),
        ({"figure": "gone.png"}, "has the figure 'gone.png', which is not in the experiment's folder"),
        ({"figure": "../outside.png"}, "has the figure '../outside.png', which is not in the experiment's folder"),
        ({"figure": "text.png"}, "has the figure 'text.png', which is no PNG"),
    ],
)
def test_a_row_that_no_ledger_may_hold_is_told_with_its_key_and_its_experiment(papers, tmp_path, changes, sentence):
    def run(context):
        (context.folder / "text.png").write_text("no picture")
        (context.folder.parent / "outside.png").write_bytes(a_figure())
        return [a_row("cats-01", **changes), a_row("cats-02")]

    papers["cats"].EXPERIMENTS = (an_experiment("e", ["cats-01", "cats-02"], run),)
    first, second = ledger.run(["cats"], out=tmp_path)
    assert first.verdict == second.verdict == "not testable here"
    assert first.missing.startswith("experiment e, row cats-01: ")
    assert sentence in first.missing


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["cats-01"], "experiment e: lacks the row cats-02; it declares cats-01 cats-02."),
        (["cats-01", "cats-02", "cats-01"], "experiment e: gave the row cats-01 twice; expected each key once."),
        (["cats-01", "cats-02", "cats-03"], "experiment e: gave a row that it does not declare, cats-03;"),
    ],
)
def test_rows_other_than_those_declared_are_told(papers, tmp_path, given, sentence):
    run = lambda _: [a_row(key) for key in given]  # noqa: E731
    papers["cats"].EXPERIMENTS = (an_experiment("e", ["cats-01", "cats-02"], run),)
    assert ledger.run(["cats"], out=tmp_path)[0].missing.startswith(sentence)


def test_what_is_no_list_of_rows_is_told(papers, tmp_path):
    papers["cats"].EXPERIMENTS = (an_experiment("e", ["cats-01"], lambda _: None),)
    assert "gave NoneType; expected a list of rows" in ledger.run(["cats"], out=tmp_path)[0].missing


def test_a_claim_that_cannot_be_tested_here_names_what_is_missing_and_what_was_run_instead(papers, tmp_path):
    untested = {
        "verdict": "not testable here",
        "missing": "CIFAR-10 files",
        "stand_in": "cats-01a",
        "measured": "",
        "data": "",
    }
    rows = [a_row("cats-01", **untested), a_row("cats-01a")]
    papers["cats"].EXPERIMENTS = (an_experiment("e", ["cats-01", "cats-01a"], lambda _: rows),)
    assert [row.missing for row in ledger.run(["cats"], out=tmp_path)] == ["CIFAR-10 files", ""]


def test_rows_come_back_from_their_file_as_they_were_also_with_numbers_of_numpy(papers, tmp_path):
    def run(context):
        (context.folder / "f.png").write_bytes(a_figure())
        numbers = {"value": np.float32(0.5), "low": np.float64(0.25), "high": 1, "seeds": np.int64(3)}
        return [a_row("cats-01", figure="f.png", control="é < ü & 漢", seconds=2.0, **numbers)]

    papers["cats"].EXPERIMENTS = (an_experiment("e", ["cats-01"], run),)
    (row,) = ledger.run(["cats"], out=tmp_path)
    assert row == a_row(
        "cats-01", figure="f.png", control="é < ü & 漢", seconds=2.0, value=0.5, low=0.25, high=1, seeds=3
    )
    assert type(row.value) is float
    assert type(row.seeds) is int


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scale": "full"}, 'holds a ledger with scale = "quick", and this one has "full"; give another folder, or'),
        ({"data": "mnist"}, 'holds a ledger with data = none, and this one has "mnist"'),
        ({"rng": 1}, "holds a ledger with seed = 0, and this one has 1"),
    ],
)
def test_a_folder_of_other_settings_is_refused(papers, tmp_path, changes, sentence):
    ledger.run(["cats"], out=tmp_path)
    before = (tmp_path / "ledger.json").read_bytes()
    with pytest.raises(StudyError, match=sentence):
        ledger.run(["cats"], out=tmp_path, **changes)
    assert (tmp_path / "ledger.json").read_bytes() == before


@pytest.mark.parametrize("name", ["nngraph", "format"])
def test_a_folder_of_another_version_or_format_is_refused(papers, tmp_path, name):
    ledger.run(["cats"], out=tmp_path)
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: "0.0.1"}))
    with pytest.raises(
        StudyError, match=f'holds a ledger with {name} = "0.0.1", and this one has .*give another folder'
    ):
        ledger.run(["cats"], out=tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verdict": "maybe"}, "row 'cats-01': got the verdict 'maybe'; expected one of 'holds'"),
        ({"verdict": None}, "row 'cats-01': has verdict = None; expected text"),
        ({"key": None}, "row None: has key = None; expected text"),
        ({"seeds": [3]}, r"row 'cats-01': has seeds = \[3\]; expected a whole number, or None"),
        ({"value": "1"}, "row 'cats-01': has value = '1'; expected a finite number, or None"),
        ({"low": math.nan}, "row 'cats-01': has low = nan; expected a finite number, or None"),
        ({"seconds": None}, "row 'cats-01': has seconds = None; expected a finite number;"),
        ({"undecided": "no"}, "row 'cats-01': has undecided = 'no'; expected true or false"),
        ({"figure": "../../../secret.png"}, "row 'cats-01': has the figure .*not in the experiment's folder"),
        ({"figure": "/secret.png"}, "row 'cats-01': has the figure .*not in the experiment's folder"),
    ],
)
def test_a_damaged_row_is_told_by_its_file_and_its_key(papers, tmp_path, changes, sentence):
    ledger.run(["cats"], out=tmp_path)
    file = tmp_path / "cats/first/rows.json"
    kept = json.loads(file.read_text())
    kept["rows"][0] |= changes
    file.write_text(json.dumps(kept))
    with pytest.raises(FormatError, match=rf"cats/first/rows\.json, {sentence}"):
        ledger.run(["cats"], out=tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"peak_memory_mib": [1]}, r"has peak_memory_mib = \[1\]; expected names with whole numbers"),
        ({"peak_memory_mib": {"process": "much"}}, "has peak_memory_mib = "),
        ({"scale": ["quick"]}, r'has scale = \["quick"\]; expected one of quick, full'),
        ({"data": 3}, "has data = 3; expected the name of a data set, or null"),
        ({"seed": None}, "has seed = null; expected a whole number"),
        ({"versions": None}, "has versions = null; expected names with versions"),
    ],
)
def test_a_damaged_description_is_told_by_its_file_and_its_field(papers, tmp_path, changes, sentence):
    ledger.run(["cats"], out=tmp_path)
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(FormatError, match=rf"ledger\.json: {sentence}"):
        ledger.run(["cats"], out=tmp_path)
    with pytest.raises(FormatError, match=rf"ledger\.json: {sentence}"):
        _ledger_folder.read(tmp_path)


@pytest.mark.parametrize(("text", "sentence"), [("{", "cannot be read"), ("[]", "no description of a ledger")])
def test_a_description_that_is_none_is_refused(papers, tmp_path, text, sentence):
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(FormatError, match=sentence):
        ledger.run(["cats"], out=tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"), [("{", "cannot be read"), ("{}", "no rows"), ('{"format": 1, "rows": [{}]}', "no row")]
)
def test_kept_rows_that_are_none_are_refused_by_the_name_of_their_file(papers, tmp_path, text, sentence):
    ledger.run(["cats"], out=tmp_path)
    (tmp_path / "cats/first/rows.json").write_text(text)
    with pytest.raises(FormatError, match=rf"rows\.json.*{sentence}"):
        ledger.run(["cats"], out=tmp_path)


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(papers, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StudyError, match=r"holds thesis\.tex and no ledger\.json; give a new folder, or an empty one"):
        ledger.run(out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(StudyError, match="cannot be used as a folder for a ledger"):
        ledger.run(out=tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"papers": ["cow"]}, "papers: got 'cow'; there is cats, dogs"),
        ({"scale": "huge"}, "scale: got 'huge'; expected one of 'quick', 'full'"),
        ({"data": "imagenet"}, "data: got 'imagenet'; expected one of 'digits', 'fashion-mnist', 'mnist'"),
        ({"root": "nowhere"}, "root: got 'nowhere', which is no folder"),
        ({"n_jobs": 0}, "n_jobs: got 0"),
        ({"rng": -1}, "rng: got -1"),
    ],
)
def test_arguments_that_do_not_exist_are_told_before_a_folder_is_made(papers, tmp_path, asked, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        ledger.run(out=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ([("a", ["cats-01"]), ("b", ["cats-01"])], "the key cats-01 is declared twice, by the experiments a, b"),
        ([("a", ["cats-01"]), ("a", ["cats-02"])], "the name a is declared twice"),
        ([("a", ["dogs-01"])], "experiment a: got the key 'dogs-01'; expected cats-01, cats-01a or cats-x1"),
        ([("a", ["cats-1"])], "experiment a: got the key 'cats-1'"),
        ([("a", [])], "experiment a: got the key ''"),
    ],
)
def test_experiments_that_would_mix_up_their_rows_are_refused(papers, declared, sentence):
    papers["cats"].EXPERIMENTS = tuple(an_experiment(name, keys) for name, keys in declared)
    with pytest.raises(StudyError, match=sentence):
        ledger.experiments("cats")


def test_an_experiment_without_minutes_for_a_scale_is_refused(papers):
    papers["cats"].EXPERIMENTS = (dataclasses.replace(an_experiment("a", ["cats-01"]), minutes={"quick": 1}),)
    with pytest.raises(StudyError, match="experiment a: expected minutes for quick and full"):
        ledger.experiments("cats")


def test_the_peak_of_memory_is_recorded_and_the_largest_of_several_runs_stays(papers, tmp_path):
    ledger.run(["cats"], out=tmp_path)
    file = tmp_path / "ledger.json"
    peak = json.loads(file.read_text())["peak_memory_mib"]
    assert set(peak) == {"process", "largest_worker"}
    assert 20 < peak["process"] < 100_000
    file.write_text(json.dumps(json.loads(file.read_text()) | {"peak_memory_mib": {"process": 10**6}}))
    ledger.run(["cats"], out=tmp_path)
    assert json.loads(file.read_text())["peak_memory_mib"]["process"] == 10**6


def test_the_memory_of_workers_that_wait_for_more_is_recorded_too(papers, tmp_path):
    def run(context):
        import joblib

        largest = joblib.Parallel(n_jobs=2)(joblib.delayed(_filled)(size) for size in (1, 300))
        return [a_row("cats-01", value=max(largest))]

    papers["cats"].EXPERIMENTS = (an_experiment("parallel", ["cats-01"], run),)
    before = _ledger_folder._peak_memory()["largest_worker"]
    (row,) = ledger.run(["cats"], out=tmp_path)
    assert row.value == 300
    assert json.loads((tmp_path / "ledger.json").read_text())["peak_memory_mib"]["largest_worker"] >= max(300, before)


def _filled(mebibytes):
    return len(np.ones(mebibytes * 2**17).tobytes()) // 2**20


@pytest.mark.parametrize("paper", PAPERS)
def test_every_claim_of_the_checklist_has_a_row_and_so_has_what_the_paper_lacks(paper):
    keys = [key for experiment in ledger.experiments(paper) for key in experiment.keys]
    numbers = {re.sub("[a-z]$", "", key.removeprefix(f"{paper}-")) for key in keys}
    claims = {f"{number:02d}" for number in range(1, PAPERS[paper].claims + 1)}
    assert {number for number in numbers if number[0] != "x"} == claims
    lacks = {number for number in numbers if number[0] == "x"}
    assert lacks == {f"x{number}" for number in range(1, len(lacks) + 1)}
    assert lacks


@pytest.mark.parametrize("paper", PAPERS)
def test_the_rows_of_a_paper_load_without_torch_and_pandas(paper):
    code = (
        "import sys; from nngraph.reproduce import ledger; "
        f"ledger.experiments({paper!r}); print([name for name in ('torch', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_quick_ledger_is_meant_to_take_a_quarter_of_an_hour_on_two_cores(monkeypatch, tmp_path):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert ledger.minutes_left(out=tmp_path, n_jobs=2)[2] <= 15


def test_papers_of_a_test_leave_the_others_in_their_order():
    before = list(PAPERS)
    with pytest.MonkeyPatch.context() as patch:
        installed(patch, "cats", "dogs")
        assert list(PAPERS) == ["cats", "dogs"]
    assert list(PAPERS) == before


def test_the_verdicts_and_the_papers_are_those_of_the_checklists():
    assert VERDICTS == ("holds", "holds in part", "does not hold", "not testable here")
    assert {name: paper.claims for name, paper in PAPERS.items()} == {
        "probes": 23, "layer-groups": 17, "sparse-evolution": 6, "lottery-tickets": 6, "capacitance": 6,
    }  # fmt: skip
