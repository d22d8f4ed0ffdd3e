import csv
import json
import os
import pathlib
import time

import pytest

from nngraph.errors import StudyError
from nngraph.store import COLUMNS, Store

SETTINGS = {"seeds": 2, "ops": {"prune": {"grid": [0.0, 0.5]}}}


def row(**changes):
    base = dict(zip(COLUMNS, ["t", 0, "n", "none", 0.0, "full", "", 0, "accuracy", 0.5, "ok"], strict=True))
    return base | changes


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_part_that_was_written_is_done_and_another_is_not(tmp_path):
    store = Store(tmp_path)
    store.open(SETTINGS)
    store.write_part("a", [row()], {"network": 1.0})
    assert store.is_done("a")
    assert not store.is_done("b")


def test_a_part_with_a_failed_row_is_not_done(tmp_path):
    store = Store(tmp_path)
    store.open(SETTINGS)
    store.write_part("a", [row(), row(status="failed: no")], {})
    assert not store.is_done("a")


def test_a_part_cut_short_is_not_done(tmp_path):
    store = Store(tmp_path)
    store.open(SETTINGS)
    store.write_part("a", [row()], {})
    path = tmp_path / "parts" / "a.parquet"
    for n_bytes in (0, 3, path.stat().st_size // 2):
        path.write_bytes(path.read_bytes()[:n_bytes])
        assert not store.is_done("a")


def test_the_merged_table_has_the_columns_in_order_and_the_rows_in_the_order_of_units(tmp_path):
    store = Store(tmp_path)
    store.open(SETTINGS)
    store.write_part("b", [row(task="b"), row(task="b", draw=1)], {"network": 2.0})
    store.write_part("a", [row(task="a")], {"network": 1.0, "evaluations": 3.0})
    table = store.merge(["a", "b"])
    assert tuple(table.columns) == COLUMNS
    assert list(table["task"]) == ["a", "b", "b"]
    assert (
        tmp_path / "timings.csv"
    ).read_text() == "unit,stage,seconds\na,network,1.0\na,evaluations,3.0\nb,network,2.0\n"


def test_the_merged_files_do_not_depend_on_times(tmp_path):
    content = []
    for seconds in (1.0, 2.0):
        store = Store(tmp_path / str(seconds))
        store.open(SETTINGS)
        store.write_part("a", [row(value=float("nan"))], {"network": seconds})
        store.merge(["a"])
        content.append([(store.folder / name).read_bytes() for name in ("results.parquet", "results.csv")])
    assert content[0] == content[1]


def test_parquet_and_csv_hold_the_same_numbers_to_the_last_bit(tmp_path):
    import pandas as pd

    store = Store(tmp_path)
    store.open(SETTINGS)
    store.write_part("a", [row(value=0.1 + 0.2), row(parameter=2.0**-10 / 3)], {})
    table = store.merge(["a"])
    with (tmp_path / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    for name in ("value", "parameter"):
        assert [float(line[name]) for line in lines] == list(table[name])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), table)


def test_opening_again_with_the_same_settings_changes_nothing(tmp_path):
    store = Store(tmp_path)
    store.open(SETTINGS, {"nngraph": "1"})
    before = (tmp_path / "study.json").read_bytes()
    Store(tmp_path).open(SETTINGS, {"nngraph": "1"})
    assert (tmp_path / "study.json").read_bytes() == before


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seeds": 3, "ops": {"prune": {"grid": [0.0]}}}, "seeds = 2; this one has 3"),
        ({"seeds": 2, "ops": {"prune": {"grid": [0.0]}}}, "ops.prune.grid = [0.0, 0.5]; this one has [0.0]"),
        ({"seeds": 2, "ops": {}}, "ops = none; this one has {}"),
        ({"seeds": 2}, "ops.prune.grid = [0.0, 0.5]; this one has none"),
    ],
)
def test_other_settings_are_refused_naming_the_first_that_differs_and_nothing_is_written(tmp_path, other, named):
    Store(tmp_path).open(SETTINGS)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with pytest.raises(StudyError) as caught:
        Store(tmp_path).open(other)
    assert named in str(caught.value)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "results"
    path.write_text("mine")
    with pytest.raises(StudyError, match="got a file"):
        Store(path).open(SETTINGS)
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused():
    with pytest.raises(StudyError, match="cannot be written to"):
        Store("/proc/nngraph/results").open(SETTINGS)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(StudyError, match="cannot be written to"):
        Store(tmp_path).open(SETTINGS)


def test_a_folder_whose_parent_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StudyError, match="cannot be written to"):
        Store(tmp_path / "file" / "results").open(SETTINGS)


def test_results_of_unknown_origin_are_not_overwritten(tmp_path):
    (tmp_path / "results.csv").write_text("mine")
    with pytest.raises(StudyError, match=r"no study\.json"):
        Store(tmp_path).open(SETTINGS)
    assert files(tmp_path) == ["results.csv"]


@pytest.mark.parametrize("name", ["summary.md", "timings.csv", "networks", "figures"])
def test_files_of_someone_else_that_a_study_would_overwrite_are_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(StudyError, match=f"holds {name} but no study"):
        Store(tmp_path).open(SETTINGS)
    assert (tmp_path / name).read_text() == "mine"


def test_a_process_killed_while_it_opens_a_folder_leaves_one_that_can_be_opened(tmp_path, monkeypatch):
    made = []

    def killed(path, *arguments, **options):
        if path.name == "parts":
            raise KeyboardInterrupt
        made.append(path)
        original(path, *arguments, **options)

    original = pathlib.Path.mkdir
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "mkdir", killed)
        with pytest.raises(KeyboardInterrupt):
            Store(tmp_path / "study").open(SETTINGS)
    assert made
    Store(tmp_path / "study").open(SETTINGS)
    assert (tmp_path / "study" / "parts").is_dir()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2, "settings": {}}', '{"format": 1}'])
def test_a_study_description_that_cannot_be_read_is_refused(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(StudyError):
        Store(tmp_path).open(SETTINGS)
    assert files(tmp_path) == ["study.json"]


def test_other_versions_are_a_warning_and_no_error(tmp_path, caplog):
    Store(tmp_path).open(SETTINGS, {"torch": "1"})
    Store(tmp_path).open(SETTINGS, {"torch": "2"})
    assert "begun with torch 1 and goes on with 2" in caplog.text


def test_settings_are_kept_as_json_that_a_person_can_read(tmp_path):
    Store(tmp_path).open({"hidden": (64, 32), "path": tmp_path})
    assert json.loads((tmp_path / "study.json").read_text())["settings"] == {"hidden": [64, 32], "path": str(tmp_path)}


def test_only_old_temporary_files_are_swept(tmp_path):
    store = Store(tmp_path)
    store.open(SETTINGS)
    store.write_part("a", [row()], {})
    old, new = tmp_path / "parts" / ".a.parquet.1.tmp", tmp_path / "parts" / ".a.parquet.2.tmp"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    store.merge(["a"])
    assert not old.exists()
    assert new.exists()
