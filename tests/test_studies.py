import multiprocessing
import os
import pathlib
import signal
import threading

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

import nngraph as nng
from nngraph.datasets import Task
from nngraph.errors import ArgumentError, NNGraphError, StudyError
from nngraph.store import COLUMNS, Store
from nngraph.studies import NOISE, PRUNED, Study, Training

METRICS = ("accuracy", "auc", "recalibrated", "cross_entropy")
TINY = Training(hidden=(5,), epochs=2)
GRIDS = {"prune": [0.0, 0.5], "noise": [0.05], "flip": [0.0, 0.5, 1.0]}


def forked(target, *args, **kwargs):
    """Start a process with everything imported already, and without workers, which an exiting fork would take along."""
    get_reusable_executor().shutdown(wait=True)
    process = multiprocessing.get_context("fork").Process(target=target, args=args, kwargs=kwargs)
    process.start()
    return process


def blobs(rng=0, name="blobs", n=60, d=8, gap=1.0):
    draw = np.random.default_rng(rng)
    y = np.arange(n) % 2
    x = (draw.normal(size=(n, d)) + gap * (2 * y[:, None] - 1)).astype(np.float32)
    return Task(name, x[: n // 2], y[: n // 2], x[n // 2 :], y[n // 2 :])


def small(**changes):
    tasks = {"easy": lambda rng: blobs(rng, gap=1.0), "hard": blobs(3, gap=0.3)}
    return Study(**({"tasks": tasks, "ops": GRIDS, "nulls": "BG", "seeds": 2, "draws": 2, "network": TINY} | changes))


def content(folder, names=("results.parquet", "results.csv", "study.json", "summary.md")):
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, small().run(folder)


def value(table, **keys):
    chosen = np.logical_and.reduce([table[name] == key for name, key in keys.items()])
    return table.loc[chosen, "value"].to_numpy()


# ---------------------------------------------------------------------------------------------------------- the table


def test_the_table_has_the_columns_of_the_contract_and_no_failure(done):
    _, table = done
    assert tuple(table.columns) == COLUMNS
    assert set(table["status"]) == {"ok"}
    assert table[["seed", "draw"]].dtypes.astype(str).tolist() == ["int64", "int64"]


def test_the_number_of_evaluations_is_the_one_announced(done):
    _, table = done
    study = small()
    assert study.n_units == 4
    assert (table["metric"] == "accuracy").sum() == study.n_evaluations == 4 * (2 + 2 * 6 + 2 * 2 * 3)


def test_every_row_is_named_once(done):
    _, table = done
    assert not table.duplicated([name for name in COLUMNS if name not in ("value", "status")]).any()


def test_rows_of_the_network_as_it_is_hold_its_description(done):
    _, table = done
    for task, chance in (("easy", 0.5), ("hard", 0.5)):
        assert set(value(table, task=task, metric="chance")) == {chance}
        assert set(value(table, task=task, metric="n_classes")) == {2.0}
        assert (value(table, task=task, metric="sigma_w") > 0).all()


def test_perturbations_of_size_zero_give_the_values_of_the_network_as_it_is(done):
    _, table = done
    for metric in METRICS:
        for form in ("full", "signed"):
            start = value(table, operation="none", null="", form=form, metric=metric)
            for operation in ("prune", "flip"):
                at_zero = value(table, operation=operation, null="", parameter=0.0, form=form, metric=metric)
                assert np.array_equal(at_zero, start)


def test_the_saved_network_gives_the_values_of_the_table(done):
    folder, table = done
    task = blobs(3, gap=0.3)
    first = table[(table["task"] == "hard") & (table["seed"] == 1)]
    G = nng.load(folder / first["network"].iloc[0])
    hidden, output = G.blocks
    x = np.maximum(task.x_test @ hidden.dense().T + hidden.bias, 0) @ output.dense().T + output.bias
    keys = {"operation": "none", "null": "", "metric": "accuracy"}
    assert value(first, form="full", **keys) == pytest.approx(np.mean(x.argmax(1) == task.y_test))
    signs = np.maximum(task.x_test @ np.sign(hidden.dense()).T + np.sign(hidden.bias), 0) @ np.sign(output.dense()).T
    signed = signs + np.sign(output.bias)
    assert value(first, form="signed", **keys) == pytest.approx(np.mean(signed.argmax(1) == task.y_test))
    assert value(first, metric="sigma_w") == pytest.approx(G.weights().astype(float).std())


def test_flipped_is_the_share_of_signs_that_differ_from_the_trained_network(done):
    _, table = done
    keys = {"null": "", "metric": "flipped", "form": "full"}
    assert set(value(table, operation="none", **keys)) == {0.0}
    assert set(value(table, operation="prune", **keys)) == {0.0}
    assert set(value(table, operation="flip", parameter=1.0, **keys)) == {1.0}
    assert value(table, operation="flip", parameter=0.5, **keys) == pytest.approx(0.5, abs=0.02)
    assert set(value(table, null="B", metric="flipped")) == {0.0}
    assert (value(table, null="G", operation="none", metric="flipped") > 0).any()


def test_each_seed_draws_data_weights_and_null_models_of_its_own(done):
    _, table = done
    for keys in ({"metric": "sigma_w"}, {"metric": "cross_entropy", "null": "B", "operation": "none", "draw": 0}):
        values = value(table, task="easy", **keys)
        assert len(set(values)) == len(values) == 2
    draws = value(table, task="easy", seed=0, metric="cross_entropy", null="B", operation="none")
    assert len(set(draws)) == 2


def test_the_default_grids_are_those_of_the_contract():
    assert {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99} < set(PRUNED)
    assert len(NOISE) == 30
    assert (NOISE[0], NOISE[-1]) == (2.0**-10, 1.0)
    assert np.allclose(np.diff(np.log2(NOISE)), 10 / 29)


def test_with_tanh_and_no_bias_flipping_every_sign_restores_the_decision_exactly(tmp_path):
    network = Training(hidden=(5,), activation="tanh", bias=False, epochs=3)
    table = small(network=network, ops={"flip": [0.0, 1.0]}, nulls=()).run(tmp_path, figures=False)
    for metric in METRICS:
        ends = [value(table, operation="flip", parameter=q, form="full", metric=metric) for q in (0.0, 1.0)]
        assert np.array_equal(*ends)
    assert (value(table, operation="flip", parameter=0.0, metric="accuracy") > 0.5).any()


# ------------------------------------------------------------------------------------------------- resuming and seeds


def test_another_root_seed_gives_other_numbers(done, tmp_path):
    table = small(rng=1).run(tmp_path, figures=False)
    assert not np.array_equal(table["value"], done[1]["value"])


def test_a_rerun_does_nothing_again_and_a_lost_part_is_done_alone(tmp_path):
    small().run(tmp_path, figures=False)
    before = content(tmp_path)
    parts = sorted((tmp_path / "parts").glob("*.parquet"))
    times = [path.stat().st_mtime_ns for path in parts]
    parts[1].unlink()
    small().run(tmp_path, figures=False)
    assert [path.stat().st_mtime_ns == then for path, then in zip(parts, times, strict=True)] == [
        True,
        False,
        True,
        True,
    ]
    assert content(tmp_path) == before


def test_a_study_of_other_settings_is_refused_naming_the_first(done):
    with pytest.raises(StudyError, match="seeds = 2; this one has 3"):
        small(seeds=3).run(done[0])
    with pytest.raises(StudyError, match=r"tasks\.hard\.data"):
        small(tasks={"easy": lambda rng: blobs(rng), "hard": blobs(4, gap=0.3)}).run(done[0])


def run_and_die(where, folder):
    """Run the study in this process, which kills itself at the place named."""

    def die(*arguments, **options):
        os.kill(os.getpid(), signal.SIGKILL)

    write_part = Store.write_part

    def write_first_part_only(self, *arguments):
        if any((self.folder / "parts").iterdir()):
            if where == "mid-unit":
                die()
            pathlib.Path.replace = die
        write_part(self, *arguments)

    if where == "before the first unit":
        Store.is_done = die
    elif where == "between part and merge":
        Store.merge = die
    else:
        Store.write_part = write_first_part_only
    small().run(folder, figures=False)


@pytest.mark.parametrize(
    ("where", "n_parts"),
    [("before the first unit", 0), ("mid-unit", 1), ("while writing a part", 1), ("between part and merge", 4)],
)
def test_a_study_killed_at_any_moment_is_completed_to_the_same_bits(done, tmp_path, where, n_parts):
    folder = tmp_path / "results"
    process = forked(run_and_die, where, folder)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert len(list((folder / "parts").glob("[!.]*"))) == n_parts
    assert bool(list((folder / "parts").glob(".*"))) is (where == "while writing a part")
    assert not (folder / "results.parquet").exists()
    small().run(folder, figures=False)
    assert content(folder) == content(done[0])


def test_two_processes_in_one_folder_at_once_leave_the_same_bits(done, tmp_path):
    both = [forked(small().run, tmp_path, figures=False) for _ in range(2)]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert content(tmp_path) == content(done[0])


def test_the_table_is_the_same_bit_for_bit_for_any_number_of_processes(done, tmp_path):
    small().run(tmp_path, n_jobs=2)
    assert content(tmp_path) == content(done[0])


# ----------------------------------------------------------------------------------------------------------- failures


def only_one(G, rng):
    raise nng.errors.NullModelError("there is no other graph")


def test_a_null_model_without_another_graph_is_a_row_that_says_so_and_no_failure(tmp_path):
    table = small(nulls={"stuck": only_one}, seeds=1).run(tmp_path)
    undrawn = table[table["status"] != "ok"]
    assert set(undrawn["status"]) == {"no draw: there is no other graph"}
    assert set(undrawn["null"]) == {"stuck"}
    assert undrawn["value"].isna().all()
    assert f"**{len(undrawn)} draws of null models could not be made.**" in (tmp_path / "summary.md").read_text()
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*")}
    small(nulls={"stuck": only_one}, seeds=1).run(tmp_path)
    assert parts == {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*")}  # not done again


class Broken:
    """A task that cannot be loaded while a file exists."""

    def __init__(self, path):
        self.path = path

    def __call__(self, rng):
        if self.path.exists() and self.path.read_text() == str(rng.spawn_key):
            raise RuntimeError("no data tonight")
        return blobs(rng)


def test_a_network_that_fails_is_a_row_and_is_done_again_by_a_rerun(tmp_path):
    broken = Broken(tmp_path / "broken")
    study = small(tasks={"easy": broken})
    broken.path.write_text(str(study._units()[1].rng.spawn_key))  # not the seed of the data: nothing fails yet
    folder = tmp_path / "results"
    whole = study.run(folder, figures=False)
    assert set(whole["status"]) == {"ok"}

    from nngraph._rng import child

    broken.path.write_text(str(child(study._units()[1].rng, "data").spawn_key))
    (folder / "parts" / "00-easy-001.parquet").unlink()
    table = study.run(folder, figures=False)
    failed = table[table["status"] != "ok"]
    assert failed[["seed", "status"]].to_numpy().tolist() == [[1, "failed: no data tonight"]]
    assert failed["value"].isna().all()
    assert len(table) == len(whole) // 2 + 1

    broken.path.unlink()
    assert study.run(folder, figures=False).equals(whole)


def test_a_task_that_cannot_be_loaded_at_all_is_said_at_once(tmp_path):
    def lost(rng):
        raise FileNotFoundError("images.gz")

    with pytest.raises(StudyError, match=r"'easy': cannot be loaded \(FileNotFoundError: images\.gz\)"):
        small(tasks={"easy": lost}).run(tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_an_operation_that_fails_at_one_point_leaves_the_other_rows(tmp_path):
    def shaky(G, x, rng):
        if x > 1:
            raise ValueError("too\nmuch")
        return G

    table = small(ops={"shaky": (shaky, [0, 2])}, nulls=(), seeds=1).run(tmp_path, figures=False)
    failed = table[table["status"] != "ok"]
    assert failed[["operation", "parameter", "form", "status"]].drop_duplicates().to_numpy().tolist() == [
        ["shaky", 2.0, "full", "failed: too much"]
    ]
    assert (table.loc[table["parameter"] == 0.0, "status"] == "ok").all()


class Killed:
    """Data whose second seed ends the process that loads them, as the system does when memory runs out."""

    def __init__(self, path):
        self.path = path

    def __call__(self, rng):
        if self.path.exists() and self.path.read_text() == str(rng.spawn_key):
            os.kill(os.getpid(), signal.SIGKILL)
        return blobs(rng)


def test_a_process_that_is_killed_is_an_error_in_words_and_costs_no_finished_network(tmp_path):
    from nngraph._rng import child

    killed = Killed(tmp_path / "killed")
    study = small(tasks={"easy": killed}, nulls="")
    killed.path.write_text(str(child(study._units()[1].rng, "data").spawn_key))
    with pytest.raises(StudyError, match="process was killed"):
        study.run(tmp_path / "results", n_jobs=2, figures=False)
    killed.path.unlink()
    assert set(study.run(tmp_path / "results", figures=False)["status"]) == {"ok"}


def test_what_cannot_be_sent_to_another_process_is_an_error_in_words(tmp_path):
    model = nng.mlp((8, 3, 2), rng=0)
    model.lock = threading.Lock()
    with pytest.raises(StudyError, match=r"cannot be sent to another process \(TypeError.*lock"):
        small(tasks=[blobs()], network=model, nulls="").run(tmp_path, n_jobs=2)


# ---------------------------------------------------------------------------------------------- what users may pass in


def test_operations_and_null_models_of_the_users_own(tmp_path):
    def halved(G, rng):
        return G.with_weights(G.weights() / 2)

    def scaled(G, factor, rng):
        return G.with_weights(G.weights() * np.float32(factor))

    def shuffled(G, rng):
        return G.with_weights(np.random.default_rng(rng).permutation(G.weights()))

    study = small(ops={"halved": halved, "scaled": (scaled, [1.0, 0.5])}, nulls={"mine": shuffled}, bias="keep")
    table = study.run(tmp_path)
    assert set(table["operation"]) == {"none", "halved", "scaled"}
    assert set(table["null"]) == {"", "mine"}
    keys = {"form": "full", "metric": "cross_entropy", "null": ""}
    assert np.array_equal(
        value(table, operation="halved", **keys), value(table, operation="scaled", parameter=0.5, **keys)
    )
    assert (tmp_path / "summary.md").exists()


def test_a_trained_model_is_used_as_it_is_and_stays_as_it_was(tmp_path):
    import torch

    from nngraph.training import mlp

    model = mlp((8, 5, 2), rng=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    table = small(network=model).run(tmp_path, n_jobs=1, figures=False)
    assert set(table["status"]) == {"ok"}
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert set(table["network"]) == {"networks/model.nngraph"}
    assert nng.load(tmp_path / "networks" / "model.nngraph") == nng.from_torch(model)
    hard = table[(table["task"] == "hard") & (table["metric"] == "cross_entropy") & (table["null"] == "")]
    for operation, same in (("none", True), ("prune", True), ("noise", False)):
        seeds = [value(hard, operation=operation, seed=seed) for seed in (0, 1)]
        assert np.array_equal(*seeds) is same


def test_a_trained_model_with_other_weights_is_another_study(tmp_path):
    from nngraph.training import mlp

    small(network=mlp((8, 5, 2), rng=0)).run(tmp_path, figures=False)
    with pytest.raises(StudyError, match="network"):
        small(network=mlp((8, 5, 2), rng=1)).run(tmp_path)


def test_as_published_selects_on_the_test_set_and_keeps_values_as_measured(tmp_path):
    published = small(as_published=True).run(tmp_path, figures=False)
    from nngraph.training import mlp, train

    task, rng = blobs(3, gap=0.3), small()._units()[2].rng
    from nngraph._rng import child

    seed = child(rng, "network")
    model = mlp((8, 5, 2), rng=child(seed, "initial weights"))
    run = train(
        model,
        task.x_train,
        task.y_train,
        epochs=2,
        batch_size=16,
        validation=(task.x_test, task.y_test),
        rng=child(seed, "training"),
    )
    keys = {"task": "hard", "seed": 0, "operation": "none", "null": "", "form": "full", "metric": "accuracy"}
    assert value(published, **keys) == pytest.approx(run.accuracy.max())
    assert published.loc[published["metric"] == "accuracy", "value"].min() < 0.5
    assert "folded" in (tmp_path / "summary.md").read_text()


def test_a_task_of_three_classes_is_measured_without_the_metric_that_needs_two(tmp_path):
    task = blobs(n=90)
    three = Task("three", task.x_train, np.arange(45) % 3, task.x_test, np.arange(45) % 3)
    table = small(tasks=[three]).run(tmp_path)
    assert set(table["status"]) == {"ok"}
    assert set(METRICS) - set(table["metric"]) == {"recalibrated"}
    assert set(value(table, metric="n_classes")) == {3.0}


def test_other_metrics_than_accuracy_make_a_table_and_a_page(tmp_path):
    def margin(outputs, y):
        return float(np.abs(outputs[:, 0] - outputs[:, 1]).mean())

    table = small(metrics=["cross_entropy", margin]).run(tmp_path)
    assert {"cross_entropy", "margin"} < set(table["metric"])
    assert "margin" in (tmp_path / "summary.md").read_text()
    assert small(metrics=["cross_entropy", margin]).run(tmp_path).equals(table)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tasks": {}}, "tasks"),
        ({"tasks": [blobs(), blobs()]}, "tasks"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": True}, "seeds"),
        ({"draws": 1.5}, "draws"),
        ({"bias": "none"}, "bias"),
        ({"ops": ["prun"]}, "ops"),
        ({"ops": {"prune": []}}, "prune"),
        ({"ops": {"prune": [0.1, 0.1]}}, "each once"),
        ({"ops": {"noise": [np.nan]}}, "finite"),
        ({"nulls": "Z"}, "Z"),
        ({"rng": -1}, "rng"),
        ({"tasks": blobs()}, "tasks"),
        ({"tasks": [3]}, "got int"),
        ({"tasks": {"a": 3}}, "got int"),
        ({"metrics": ["acuracy"]}, "metrics"),
        ({"metrics": []}, "metrics"),
        ({"ops": {"prune": [0.0, 2.0]}}, "from 0 to 1"),
        ({"ops": {"flip": 0.5}}, "flip"),
        ({"network": "mlp"}, "network"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(wrong, message):
    with pytest.raises(ArgumentError, match=message):
        small(**wrong)


def test_one_operation_and_one_metric_need_no_list():
    assert small(ops="prune", metrics="accuracy").settings() == small(ops=["prune"], metrics=["accuracy"]).settings()


def test_a_function_that_returns_no_task_is_named(tmp_path):
    with pytest.raises(ArgumentError, match="task 'easy': got int"):
        small(tasks={"easy": lambda rng: 5}).run(tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("n_jobs", [0, 1.5, True])
def test_a_number_of_processes_that_is_none_is_refused_before_anything_is_written(tmp_path, n_jobs):
    with pytest.raises(ArgumentError, match="n_jobs"):
        small().run(tmp_path / "results", n_jobs=n_jobs)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("spoiled", ["NaN", "meta"])
def test_a_model_that_is_no_graph_is_refused_before_anything_is_written(tmp_path, spoiled):
    model = nng.mlp((8, 3, 2), rng=0)
    if spoiled == "meta":
        model = model.to("meta")
    else:
        model[0].weight.data[0, 0] = float("nan")
    with pytest.raises(NNGraphError, match=spoiled):
        small(tasks=[blobs()], network=model).run(tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "wrong", [{"hidden": (0,)}, {"epochs": 0}, {"activation": "step"}, {"lr": 0.0}, {"batch_size": 2.5}]
)
def test_wrong_training_settings_are_refused(wrong):
    with pytest.raises(ArgumentError):
        Training(**wrong)


def test_no_global_random_state_is_touched(tmp_path):
    import random

    import torch

    state = (random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state())  # noqa: NPY002
    small(seeds=1).run(tmp_path, figures=False)
    assert random.getstate() == state[0]
    assert np.array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state[2])
