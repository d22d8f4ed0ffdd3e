import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_cli import one_sentence, run

import nngraph as nng
from nngraph import _complexity_pages
from nngraph.errors import ArgumentError

QUICK = [
    "--seeds",
    "2",
    "--draws",
    "1",
    "--nulls",
    "B",
    "--no-curves",
    "--epochs",
    "1",
    "--jobs",
    "1",
    "--scaling-seeds",
    "1",
]
MINE = """
import numpy as np
from nngraph.training import mlp

def models():
    x, y = np.eye(4, dtype="float32").repeat(5, axis=0), np.arange(20) % 2
    return {"net": ([mlp((4, 3, 2), rng=seed) for seed in range(2)], (x, y)), "odd": (mlp((4, 2), rng=0), failing)}

def failing(model):
    raise RuntimeError("no score tonight")
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return run("complexity", "--pairs", "0,7 1,8 0,1", *QUICK, "--out", folder), folder


def test_the_command_prints_its_page_and_leaves_tables_and_figures(done):
    result, folder = done
    assert result.exit_code == 0, result.output
    assert result.stdout == (folder / "summary.md").read_text()
    assert "digits 1-8" in result.stdout
    assert "gap_bin and gap_B: Spearman none: 3 tasks; it takes 5" in result.stdout
    assert "the range of 2 networks" in result.stdout
    assert "95 % intervals of a bootstrap over networks" not in result.stdout
    assert "takes 5 networks of each task in both ranges: not tested" in result.stdout
    assert "[0, 1] against [-1, 1]" in result.stdout
    table = pd.read_csv(folder / "complexity.csv")
    assert list(table["task"].unique()) == ["digits 0-7", "digits 1-8", "digits 0-1"]
    values = pd.read_parquet(folder / "values.parquet")
    assert set(values["seed"]) == {0, 1}
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    assert figures == [
        f"{name}.png" for name in ("gap_B", "gap_bin", "gap_bin_auc", "gap_bin_gap_B", "gap_bin_ssim", "ssim")
    ]
    assert not plt.get_fignums()


def test_tasks_are_listed_from_the_hardest_with_numbers_of_the_table(done):
    _, folder = done
    table = pd.read_csv(folder / "complexity.csv")
    rows = table[table["metric"] == "accuracy"].sort_values("gap_bin", ascending=False)
    lines = [line for line in (folder / "summary.md").read_text().splitlines() if line.startswith("| digits")]
    assert [line.split("|")[1].strip() for line in lines[:3]] == list(rows["task"])
    assert f"{100 * rows['gap_bin'].iloc[0]:.1f} (" in lines[0]


def test_other_settings_in_the_same_folder_are_one_sentence(done):
    _, folder = done
    result = run("complexity", "--pairs", "0,7 1,8", *QUICK, "--out", folder)
    assert "holds a study with" in one_sentence(result, 1)


def test_models_of_a_function_are_measured_and_a_failing_score_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"models_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MINE)
    result = run("complexity", "--data", f"{name}:models", *QUICK[2:], "--out", "r")
    assert result.exit_code == 1
    assert "scores of 1 of 2 tasks failed" in result.stderr
    page = (tmp_path / "r" / "summary.md").read_text()
    assert "odd: 3 of 3 scores failed: no score tonight" in page
    assert "| net" in page
    assert "| odd" in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--pairs", "0,12"], "got the class 12"),
        (["--pairs", "0,0"], "twice in one pair"),
        (["--pairs", "0"], "expected two classes"),
        (["--nulls", "Z"], "'Z'"),
        (["--data", "no-such"], "got the data set 'no-such'"),
        (["--data", "m:f", "--scaling", "[0,1]"], "--scaling: has no effect"),
        (["--device", "gpu"], "device: got 'gpu'"),
    ],
)
def test_wrong_options_are_one_sentence_and_leave_nothing(options, sentence, tmp_path):
    result = run("complexity", *options, "--out", tmp_path / "never")
    assert sentence in one_sentence(result, 2)
    assert not (tmp_path / "never").exists()


# ------------------------------------------------------------------------------------------------------------- figures


def test_a_class_map_writes_every_number_and_leaves_missing_ones_empty():
    square = pd.DataFrame([[np.nan, 1.25, 3], [1.25, np.nan, np.nan], [3, np.nan, np.nan]], list("abc"), list("abc"))
    ax = nng.plot.class_map(square, label="gap", digits=2)
    assert sorted(text.get_text() for text in ax.texts) == ["1.25", "1.25", "3.00", "3.00"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list("abc")
    assert ax.images[0].get_clim() == (1.25, 3)
    for wrong in (square.iloc[:2], square * np.nan):
        with pytest.raises(ArgumentError, match="expected the same classes on both sides"):
            nng.plot.class_map(wrong)
    plt.close("all")


def table_of_gaps():
    rows = [
        ("t", "a", "b", "accuracy", 0.1, 0.05, 0.2, 0.3),
        ("u", "a", "c", "accuracy", 0.4, 0.3, 0.45, 0.2),
        ("v", "b", "c", "accuracy", np.nan, np.nan, np.nan, 0.2),
    ]
    columns = ["task", "a", "b", "metric", "gap_bin", "gap_bin_low", "gap_bin_high", "gap_B"]
    return pd.DataFrame(rows, columns=columns)


def test_a_scatter_has_a_point_in_points_for_each_task_with_both_numbers():
    ax = nng.plot.task_scatter(table_of_gaps(), "gap_bin", "gap_B", note="Spearman")
    x, y = ax.lines[-1].get_data()
    assert sorted(x) == pytest.approx([10, 40])
    assert sorted(y) == pytest.approx([20, 30])
    assert sorted(text.get_text() for text in ax.texts) == ["a-b", "a-c"]
    ends = np.sort([segment[:, 0] for segment in ax.collections[0].get_segments()], axis=0)
    assert ends == pytest.approx(np.array([[5, 20], [30, 45]]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("gap after binarisation (points)", "gap after B (points)")
    plt.close("all")


def test_names_of_tasks_in_a_scatter_do_not_cover_each_other():
    crowd = [(f"t{i}", "", "", "accuracy", 0.4 + 0.001 * i, 0.4) for i in range(9)]
    rows = [*crowd, ("far", "", "", "accuracy", 0.0, 0.0)]
    table = pd.DataFrame(rows, columns=["task", "a", "b", "metric", "gap_bin", "gap_B"])
    names = [text.get_text() for text in nng.plot.task_scatter(table, "gap_bin", "gap_B").texts]
    assert len(names) == 2
    assert "far" in names
    plt.close("all")


@pytest.mark.parametrize(("x", "metric"), [("gap_Z", "accuracy"), ("gap_bin", "f1")])
def test_a_scatter_of_what_is_not_there_is_refused(x, metric):
    with pytest.raises(ArgumentError, match="no such column"):
        nng.plot.task_scatter(table_of_gaps(), x, "gap_B", metric=metric)


def test_a_page_without_other_range_or_pairs_is_whole(tmp_path):
    x, y = np.eye(4, dtype=np.float32).repeat(5, axis=0), np.arange(20) % 2
    models = {str(n): (nng.mlp((4, 3, 2), rng=n), (x, y)) for n in range(2)}
    result = nng.task_complexity(models, probes=nng.complexity.Probes(nulls="B", ops=(), draws=1, n_boot=5))
    _complexity_pages.write(result, tmp_path)
    page = (tmp_path / "summary.md").read_text()
    assert "2 tasks, 1 network each" in page
    assert "range of the inputs" not in page
    assert list((tmp_path / "figures").iterdir()) == []
