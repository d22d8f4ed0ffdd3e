import dataclasses
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from study_tables import made_up_table

import nngraph as nng
from nngraph import _complexity_units
from nngraph._complexity_scaling import reversals
from nngraph._complexity_tables import around, estimates, interval, spearman
from nngraph._tables import curve
from nngraph.claims import peak, transition_points, transitions
from nngraph.complexity import Probes, task_complexity
from nngraph.datasets import Dataset, Task
from nngraph.errors import ArgumentError, ComplexityWarning, StudyError
from nngraph.store import COLUMNS
from nngraph.studies import Training

TINY = Training(hidden=(5,), epochs=2, lr=0.05)
BARE = Probes(nulls="B", ops=(), draws=2, n_boot=50, ssim=0)
METRICS = ("accuracy", "auc", "recalibrated")


def blobs(rng=0, gap=1.0, n=40, n_classes=2, low=-1.0, **meta):
    draw = np.random.default_rng(rng)
    y = np.arange(n) % n_classes
    x = np.clip(gap * np.eye(8)[y] - 0.3 + 0.3 * draw.normal(size=(n, 8)), low, 1).astype(np.float32)
    return Task(f"gap {gap}", x, y, x[n // 2 :], y[n // 2 :], meta)


def classes_of_pixels(n_classes=4, n=40, shape=(6, 6), *, split=True, scaling="[-1,1]"):
    """Return a data set whose classes are noisy squares of their own grey."""
    draw = np.random.default_rng(0)
    labels = np.arange(n) % n_classes
    images = np.clip(labels[:, None] / n_classes + 0.2 * draw.normal(size=(n, shape[0] * shape[1])), 0, 1)
    images = (2 * images - 1 if scaling == "[-1,1]" else images).astype(np.float32)
    names = tuple("abcdefgh"[:n_classes])
    test = (images[n // 2 :], labels[n // 2 :]) if split else (None, None)
    return Dataset("squares", images, labels, *test, shape, names, scaling)


def small(tasks=None, **options):
    defaults = {"seeds": 3, "training": TINY, "probes": BARE, "scaling_seeds": 0}
    return task_complexity(tasks or {"easy": blobs(), "hard": blobs(1, 0.3)}, **(defaults | options))


def scores(result, task, metric="accuracy", **keys):
    rows = result.values
    wanted = {"operation": "none", "form": "full", "null": ""} | keys | {"task": task, "metric": metric}
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    return rows["value"].to_numpy()


# ------------------------------------------------------------------------------------------------------------- numbers


def test_gaps_are_differences_of_medians_over_networks_and_draws():
    result = small()
    for row in result.table.itertuples():
        full = np.median(scores(result, row.task, row.metric))
        assert row.full == full
        assert row.gap_bin == pytest.approx(full - np.median(scores(result, row.task, row.metric, form="signed")))
        assert row.gap_B == pytest.approx(full - np.median(scores(result, row.task, row.metric, null="B")))
        room = full - row.chance
        expected = row.gap_B / room if room > 0 else np.nan
        assert row.gap_B_normalized == pytest.approx(expected, nan_ok=True)
    assert list(result.table["metric"]) == 2 * list(METRICS)
    assert len(scores(result, "easy", null="B")) == 3 * 2


def test_networks_and_their_scores_are_those_of_a_study_of_the_same_seed(tmp_path):
    tasks = {"easy": blobs(), "hard": lambda rng: blobs(rng.generate_state(1)[0], 0.3)}
    ops = {"prune": [0.0, 0.5], "noise": [0.1], "flip": [0.2]}
    found = small(tasks, probes=dataclasses.replace(BARE, ops=ops)).values
    study = nng.Study(tasks, ops=ops, nulls="B", seeds=3, draws=2, network=TINY).run(tmp_path, figures=False)
    keys = ["task", "seed", "operation", "parameter", "form", "null", "draw", "metric"]
    both = found.merge(study, on=keys, suffixes=("", "_study"))
    assert len(both) == len(found)
    assert np.allclose(both["value"], both["value_study"], rtol=1e-4)


@pytest.fixture(scope="module")
def published_curves():
    """The gaps of a made-up table of a study: an easy and a hard task, five networks each."""
    values = made_up_table(n_seeds=5)
    return values, estimates(values, fold=False, n_boot=20, rng=np.random.SeedSequence(0))


@pytest.mark.parametrize("task", ["easy one", "hard one"])
def test_transitions_and_peaks_are_those_that_the_summary_of_a_study_reads(published_curves, task):
    values, found = published_curves
    _, measured = found[task, "accuracy"]
    for operation, name in (("noise", "a_star"), ("flip", "q_star")):
        points = 100 * curve(values, task, operation, form="signed")["median"]
        assert measured[name][0] == peak(points)[0]
    at = transitions(values, task)
    assert (measured["p_star"][0] == np.median(at)) if at else np.isnan(measured["p_star"][0])


def test_a_hard_task_has_collapsed_networks_and_an_easy_one_has_none(published_curves):
    _, found = published_curves
    assert [found[task, "accuracy"][0].n_collapsed for task in ("easy one", "hard one")] == [0, 5]
    assert found["hard one", "accuracy"][1]["gap_bin"][0] == pytest.approx(0.44)
    assert found["hard one", "auc"][1]["gap_bin"][0] == 0  # the ranking survives


def test_a_curve_that_is_not_raised_has_no_peak():
    flat = {"noise": {"easy": [0.92] * 11, "hard": [0.54] * 11}, "flip": {"easy": [0.92] * 7, "hard": [0.54] * 7}}
    found = estimates(made_up_table(signed=flat), fold=False, n_boot=5, rng=np.random.SeedSequence(0))
    assert np.isnan(found["easy one", "accuracy"][1]["a_star"]).all()
    assert np.isnan(found["hard one", "accuracy"][1]["q_star"]).all()


def test_medians_below_one_half_are_folded_on_request_alone():
    low = made_up_table(hard={"full": [0.98] * 6, "signed": [0.3] * 6}, n_seeds=1)
    plain, folded = (estimates(low, fold=f, n_boot=2, rng=np.random.SeedSequence(0)) for f in (False, True))
    assert plain["hard one", "accuracy"][1]["gap_bin"][0] == pytest.approx(0.68)
    assert folded["hard one", "accuracy"][1]["gap_bin"][0] == pytest.approx(0.28)


def test_accuracies_of_three_classes_are_never_folded():
    values = made_up_table(hard={"full": [0.98] * 6, "signed": [0.3] * 6}, n_seeds=1)
    values.loc[values["metric"] == "n_classes", "value"] = 3.0
    folded = estimates(values, fold=True, n_boot=2, rng=np.random.SeedSequence(0))
    assert folded["hard one", "accuracy"][1]["gap_bin"][0] == pytest.approx(0.68)


@pytest.mark.parametrize(("n", "least"), [(5, 0.85), (10, 0.88), (25, 0.88)])
def test_the_interval_of_a_gap_covers_the_true_one_as_often_as_it_says(n, least):
    # networks whose full score is normal with median .9 and whose signed one is .7: the true gap is .2
    draw = np.random.default_rng(0)
    rows = []
    for task in range(100):
        for seed in range(n):
            for form, centre in (("full", 0.9), ("signed", 0.7)):
                value = centre + 0.02 * draw.normal()
                rows.append((f"{task}", seed, "", "none", 0.0, form, "", 0, "accuracy", value, "ok"))
    values = pd.DataFrame(rows, columns=list(COLUMNS))
    found = estimates(values, fold=False, n_boot=300, rng=np.random.SeedSequence(1))
    inside = 0
    for _, numbers in found.values():
        low, high = interval(numbers["gap_bin"][1:], n)
        inside += low <= 0.2 <= high
    assert least <= inside / 100


def signed_under_pruning(values, full=0.98):
    """Return p* of one network of a hard task with these signed scores at p = 0, 0.5 and 0.9."""
    rows = [("t", 0, "", "none", 0.0, "full", "", 0, "accuracy", full, "ok")]
    grid = zip((0.0, 0.5, 0.9), values, strict=True)
    rows += [("t", 0, "", "prune", p, "signed", "", 0, "accuracy", value, "ok") for p, value in grid]
    return transition_points(pd.DataFrame(rows, columns=list(COLUMNS)), "t", chance=0.5)


def test_only_networks_that_come_back_have_a_transition():
    assert signed_under_pruning([0.5, 0.8, 0.9]) == {0: 0.5}
    assert signed_under_pruning([0.5, 0.5, 0.5]) == {}
    assert signed_under_pruning([0.5, 0.505, 0.5]) == {}
    assert signed_under_pruning([0.5, 0.51, 0.5]) == {0: 0.5}
    assert signed_under_pruning([0.9, 0.95, 0.95]) == {}  # has not collapsed
    assert signed_under_pruning([0.3, 0.4, 0.45], full=0.45) == {}  # has not learned


@given(st.floats(-1, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_the_interval_of_a_correlation_holds_its_estimate(rho, resamples):
    low, high = around(rho, np.array(resamples))
    assert -1 <= low <= rho <= high <= 1


def test_fewer_than_five_tasks_have_no_rank_correlation_and_the_other_range_has_one():
    few = small(scaling_seeds=1, seeds=1)
    found = few.correlation("gap_bin", "gap_B")
    assert np.isnan([found.rho, found.low, found.high]).all()
    assert "2 tasks; it takes 5" in str(found)
    tasks = {str(gap): blobs(0, gap) for gap in (0.1, 0.3, 0.5, 0.8, 2.0)}
    found = small(tasks, scaling_seeds=2).correlation("gap_bin", "gap_bin_other_scaling")
    assert found.tasks == 5
    assert found.low <= found.rho <= found.high


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=12))
def test_the_rank_correlation_of_ties_is_that_of_scipy(pairs):
    x, y = np.array(pairs, dtype=float).T
    ours = spearman(x[None], y[None])[0]
    if np.ptp(x) and np.ptp(y):
        assert ours == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    else:
        assert np.isnan(ours)


def test_two_columns_in_the_same_order_correlate_to_one_whatever_is_resampled():
    result = small({str(gap): blobs(0, gap) for gap in (0.1, 0.3, 0.5, 0.8, 2.0)})
    for resample in ("seeds", "tasks", "both"):
        found = result.correlation("gap_bin", "gap_bin", resample=resample)
        assert found.rho == pytest.approx(1)
        assert found.low == pytest.approx(1)
    found = result.correlation("gap_bin", ("auc", "gap_B"))
    assert found.low <= found.high
    assert found.tasks == 5


# ------------------------------------------------------------------------------------------------------------ settings


def test_the_same_seed_gives_the_same_table_for_any_number_of_processes():
    options = {"probes": dataclasses.replace(BARE, ops={"noise": [0.1, 0.3]}), "scaling_seeds": 1, "seeds": 2}
    one, two = (small(n_jobs=n_jobs, **options) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    pd.testing.assert_frame_equal(one.values, two.values, check_exact=True)
    other = small(rng=1, **options)
    assert not np.array_equal(one.table["sigma_w"], other.table["sigma_w"])


def test_the_workers_of_a_cluster_give_the_same_table(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    with (
        distributed.Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client,
        joblib.parallel_config(backend="dask", client=client),
    ):
        there = small(folder=tmp_path, seeds=2)
    pd.testing.assert_frame_equal(there.table, small(seeds=2).table, check_exact=True)


def test_a_folder_is_gone_on_from_and_belongs_to_its_settings(tmp_path, monkeypatch):
    first = small(folder=tmp_path)
    part = sorted((tmp_path / "parts").glob("*.parquet"))[0]
    part.unlink()
    done = []
    run = _complexity_units.run
    monkeypatch.setattr(
        _complexity_units,
        "run",
        lambda unit, plan, folder: done.append(unit.source.name) or run(unit, plan, folder),
    )
    again = small(folder=tmp_path)
    assert done == ["easy"]
    pd.testing.assert_frame_equal(first.table, again.table, check_exact=True)
    with pytest.raises(StudyError, match="draws = 2; this one has 3"):
        small(folder=tmp_path, probes=dataclasses.replace(BARE, draws=3))
    with pytest.raises(StudyError, match=r"tasks\.hard"):
        small({"easy": blobs(), "hard": blobs(2, 0.3)}, folder=tmp_path)


def test_resamples_and_folding_are_no_part_of_a_folder(tmp_path):
    wide = small(folder=tmp_path)
    other = small(folder=tmp_path, probes=dataclasses.replace(BARE, n_boot=7, fold=True))
    assert np.array_equal(wide.values["value"], other.values["value"], equal_nan=True)
    assert len(next(iter(other._estimates.values()))["full"]) == 8


def test_as_published_takes_the_last_step_fresh_biases_and_folds():
    published, own = small(as_published=True), small(training=dataclasses.replace(TINY, select="last"))
    assert np.array_equal(published.table["sigma_w"], own.table["sigma_w"])  # the same weights
    assert not np.array_equal(published.values["value"], own.values["value"])  # other biases
    assert (published.table.loc[published.table["metric"] == "accuracy", "signed"] >= 0.5).all()


def test_without_biases_fresh_ones_change_nothing():
    bare = dataclasses.replace(TINY, bias=False, select="last")
    one = small(as_published=True, training=bare, probes=dataclasses.replace(BARE, fold=False))
    two = small(training=bare)
    pd.testing.assert_frame_equal(one.values, two.values, check_exact=True)


def test_one_network_has_medians_and_no_interval():
    result = small(seeds=1)
    assert result.table["gap_bin"].notna().all()
    assert result.table[["gap_bin_low", "gap_bin_high", "full_low"]].isna().all(axis=None)


def test_three_classes_have_no_recalibrated_accuracy_and_chance_of_a_third():
    result = small({"three": blobs(n=60, n_classes=3, gap=2.0)})
    assert list(result.table["metric"]) == ["accuracy", "auc"]
    assert result.table["chance"].tolist() == pytest.approx([1 / 3, 0.5], abs=0.01)


# ------------------------------------------------------------------------------------------------- pairs of a data set


@pytest.mark.parametrize("split", [True, False])
def test_a_data_set_stands_for_all_pairs_of_its_classes(split):
    result = small(classes_of_pixels(3, split=split), seeds=2, probes=dataclasses.replace(BARE, ssim=20))
    assert list(result.table["task"].unique()) == ["squares a-b", "squares a-c", "squares b-c"]
    square = result.matrix("gap_B", metric="auc")
    assert list(square.index) == list(square.columns) == ["a", "b", "c"]
    assert np.isnan(np.diag(square)).all()
    assert square.equals(square.T)
    row = result.table[(result.table["task"] == "squares a-c") & (result.table["metric"] == "auc")].iloc[0]
    assert square.loc["a", "c"] == row["gap_B"]
    assert result.matrix("ssim").loc["a", "c"] == row["ssim"]
    assert result.matrix("ssim").notna().all(axis=None)


def test_pairs_of_a_data_set_are_its_own_tasks():
    data = classes_of_pixels(4)
    pairs = small((data, [("a", 2), (1, "d")]), seeds=2)
    tasks = small({"squares a-c": data.pair(0, 2), "squares b-d": data.pair(1, 3)}, seeds=2)
    pd.testing.assert_frame_equal(pairs.values, tasks.values, check_exact=True)


# ------------------------------------------------------------------------------------------------------ trained models


def logit_sum(model):
    return float(model(torch.ones(1, 8)).detach().sum().abs().clamp(max=1e3))


def test_trained_models_are_scored_by_samples_or_by_a_function():
    task = blobs()
    models = [TINY(task, np.random.SeedSequence(seed)) for seed in range(3)]
    before = [[p.clone() for p in model.parameters()] for model in models]
    samples = (task.x_test, task.y_test)
    result = small({"by samples": (models, samples), "by a function": (models[0], logit_sum, 0.125)})
    found = result.table.set_index(["task", "metric"])
    direct = nng.evaluate([nng.from_torch(model) for model in models[:1]], models[0], samples)["value"].iloc[0]
    assert scores(result, "by samples")[0] == direct
    assert found.loc[("by samples", "accuracy"), "seeds"] == 3
    row = found.loc[("by a function", "logit_sum")]
    assert row["full"] == pytest.approx(logit_sum(models[0]))
    assert row["gap_bin_normalized"] == pytest.approx(row["gap_bin"] / (row["full"] - 0.125))
    for model, there in zip(models, before, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), there, strict=True))


def test_a_convolutional_model_of_many_classes_is_measured_by_any_score():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 5))
    x, y = torch.rand(20, 1, 6, 6), np.arange(20) % 5
    result = small({"convolution": (model, (x, y))})
    assert list(result.table["metric"]) == ["accuracy", "auc"]
    assert (result.table["status"] == "ok").all()


def fails_when_signed(model):
    if set(model[0].weight.detach().abs().unique().tolist()) <= {0.0, 1.0}:
        raise RuntimeError("no score tonight")
    return 0.5


def never(model):
    return float("nan")


def test_a_score_that_fails_is_a_row_and_the_rest_goes_on():
    task = blobs()
    model = TINY(task, np.random.SeedSequence(0))
    result = small({"odd": (model, fails_when_signed), "fine": (model, logit_sum), "nan": (model, never)})
    found = result.table.set_index("task")
    assert found.loc["odd", "full"] == 0.5
    assert np.isnan(found.loc["odd", "gap_bin"])
    assert "failed: no score tonight" in found.loc["odd", "status"]
    assert found.loc["fine", "status"] == "ok"
    assert "never returned nan" in found.loc["nan", "status"]
    with pytest.raises(StudyError, match="every score failed: the score never"):
        small({"nan": (model, never)})


def test_a_network_that_cannot_be_trained_is_a_row_and_leaves_the_others():
    def at_times(rng):
        if rng.generate_state(1)[0] % 2:
            raise RuntimeError("no data tonight")
        return blobs()

    result = small({"at times": at_times, "always": blobs()}, seeds=4)
    row = result.table[result.table["metric"] == "accuracy"].set_index("task").loc["at times"]
    assert 0 < row["seeds"] < 4
    assert "no data tonight" in row["status"]
    assert np.isfinite(row["gap_bin"])


# ------------------------------------------------------------------------------------------------------------- scaling


@pytest.mark.parametrize(
    ("low", "meta", "there"), [(-1.0, {}, (0, 1)), (0.0, {}, (-1, 1)), (0.0, {"scaling": "[-1,1]"}, (0, 1))]
)
def test_inputs_move_to_the_other_range_by_an_affine_map(low, meta, there):
    from nngraph._complexity_tasks import Rescaled

    task = blobs(low=low, **meta)
    moved = Rescaled(task)(np.random.SeedSequence(0))
    slope, start = np.polyfit(task.x_train.ravel(), moved.x_train.ravel(), 1)
    assert np.allclose(slope * task.x_test + start, moved.x_test, atol=1e-5)
    assert moved.x_train.dtype == task.x_train.dtype
    if not meta:
        assert (moved.x_train.min(), moved.x_train.max()) == pytest.approx(there)
    else:
        assert (slope, start) == pytest.approx((0.5, 0.5), abs=1e-5)
    assert moved.meta["scaling"] == f"[{there[0]},{there[1]}]"


def trained_by_range(tasks, seeds, plan):
    """Train nothing: networks that keep all, or lose all, when signed, as the range and the kind of the task say."""
    models = []
    for task in tasks:
        model = nng.mlp((8, 2), rng=0)
        with torch.no_grad():
            for p in model.parameters():
                p.zero_()
            model[0].weight[0, 0] = model[0].weight[1, 1] = 1.0
            if (task.meta["kind"] == "one") == (task.meta["scaling"] == "[-1,1]"):
                model[0].weight[0, 2:] = 1e-3
        models.append(model)
    return models


def test_tasks_that_change_their_order_with_the_range_are_warned_of_once(monkeypatch):
    tasks = {kind: blobs(0, 2.0, kind=kind, scaling="[-1,1]") for kind in ("one", "two")}
    monkeypatch.setattr(_complexity_units, "_trained", trained_by_range)
    with pytest.warns(ComplexityWarning, match=r"1 pair of tasks reverse \(such as two 0\.0 against .* one") as caught:
        result = small(tasks, scaling_seeds=5, seeds=5)
    assert len(caught) == 1
    assert np.isnan(result.scaling.rho)  # of two tasks
    assert result.scaling.compared == 2
    assert result.scaling.reversed == (("two", "one"),)
    rows = result.table.set_index(["task", "metric"])
    assert rows.loc[("one", "accuracy"), "gap_bin"] > 0.1 > rows.loc[("one", "accuracy"), "gap_bin_other_scaling"]


def test_tasks_that_keep_their_order_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = small({"a": blobs(0, 2.0), "b": blobs(0, 2.0)}, scaling_seeds=2, seeds=2)
    assert result.scaling.reversed == ()
    assert result.scaling.seeds == 2
    assert result.scaling.compared == 0  # two networks tell nothing from chance


def simulated_ranges(draw, n_tasks, n, centres=(0.0, 0.0), scatter=1.0):
    scatter = np.broadcast_to(scatter, n_tasks)
    gaps = [
        [c + s * draw.normal(size=n) for c, s in zip(np.broadcast_to(m, n_tasks), scatter, strict=True)]
        for m in centres
    ]
    return [np.array([np.median(g) for g in side]) for side in gaps], gaps


@pytest.mark.parametrize("n", [5, 10])
def test_identical_tasks_are_said_to_reverse_in_at_most_one_experiment_of_twenty(n):
    draw = np.random.default_rng(0)
    names = [str(i) for i in range(12)]
    warned = sum(bool(reversals(names, *simulated_ranges(draw, 12, n))) for _ in range(150))
    assert warned <= 0.05 * 150


def test_tasks_that_differ_in_one_range_alone_are_said_to_reverse_in_at_most_one_experiment_of_twenty():
    draw = np.random.default_rng(1)
    names, apart = [str(i) for i in range(12)], 50.0 * np.arange(12)
    scatter = np.geomspace(0.2, 5, 12)
    warned = sum(bool(reversals(names, *simulated_ranges(draw, 12, 5, (apart, 0.0), scatter))) for _ in range(150))
    assert warned <= 0.05 * 150


def test_tasks_that_reverse_by_far_are_found():
    draw = np.random.default_rng(2)
    there = np.array([0.0, 40.0, 80.0])
    medians, gaps = simulated_ranges(draw, 3, 5, (there, -there))
    assert reversals(["a", "b", "c"], medians, gaps) == [("a", "b"), ("a", "c"), ("b", "c")]


# ----------------------------------------------------------------------------------------------------------- bad input


def with_nan(half):
    task = blobs()
    x = getattr(task, half).copy()
    x[3, 2] = np.nan
    return dataclasses.replace(task, **{half: x})


def images_with_nan():
    data = classes_of_pixels(3)
    data.images[0, 0] = np.inf
    return data


ONE = Task("one", np.zeros((4, 2)), [1, 1, 1, 1], np.zeros((2, 2)), [0, 1])
PAIRS = classes_of_pixels(3)
WRONG = [
    ({"tasks": (PAIRS, [("a", "z")])}, "got the class 'z'; expected a label"),
    ({"tasks": (PAIRS, [("a", "a")])}, "got the class 'a' twice in one pair"),
    ({"tasks": (PAIRS, [("a", "b"), (1, 0)])}, "'b' and 'a' more than once"),
    ({"tasks": (PAIRS, [(1, 2, 0)])}, "expected two classes"),
    ({"tasks": (PAIRS, [])}, "expected at least one pair"),
    ({"tasks": [ONE]}, "task 'one': got labels of the one class 1 in y_train"),
    ({"tasks": [with_nan("x_train")]}, "NaN or infinite inputs in x_train, in 1 of 40 samples"),
    ({"tasks": [with_nan("x_test")]}, "NaN or infinite inputs in x_test"),
    ({"tasks": images_with_nan()}, "squares: got NaN or infinite inputs in images"),
    ({"tasks": {"m": (1, logit_sum)}}, "task 'm': got int for the model; expected"),
    ({"tasks": {"m": (nng.mlp((8, 2), rng=0), 3)}}, "task 'm': got int for the score"),
    ({"tasks": {"m": (nng.mlp((8, 2), rng=0), (np.full((2, 8), np.nan), [0, 1]))}}, "task 'm': got NaN"),
    ({"tasks": 3}, "tasks: got int"),
    ({"tasks": (PAIRS, 7)}, "pairs: got 7"),
    ({"tasks": (PAIRS, None)}, "pairs: got None"),
    ({"tasks": dataclasses.replace(PAIRS, class_names=("a", "b", "c", "d"))}, "no sample of the class 'd' in labels"),
    ({"probes": {"draws": 1}}, "probes: got dict"),
    ({"training": {"epochs": 1}}, "training: got dict"),
    ({"probes": Probes(fold="yes")}, "fold: got 'yes'"),
    ({"probes": Probes(metrics=("accuracy", "cross_entropy"))}, "got 'cross_entropy', a loss"),
    ({"probes": Probes(metrics=nng.metrics.mse)}, "got 'mse', a loss"),
    ({"seeds": 0}, "seeds: got 0"),
    ({"scaling_seeds": -1}, "scaling_seeds: got -1"),
    ({"n_jobs": 0}, "n_jobs: got 0"),
    ({"probes": Probes(nulls="Z")}, "'Z'"),
    ({"probes": Probes(metrics="f1")}, "metrics: got 'f1'"),
    ({"probes": Probes(ops="melt")}, "ops: got 'melt'"),
    ({"probes": Probes(draws=0)}, "draws: got 0"),
    ({"probes": Probes(n_boot=0)}, "n_boot: got 0"),
    ({"device": "gpu"}, "device: got 'gpu'"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_what_cannot_be_measured_is_one_sentence_and_leaves_nothing(wrong, sentence, tmp_path):
    folder = tmp_path / "never"
    with pytest.raises(ArgumentError, match=sentence) as caught:
        small(folder=folder, **wrong)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_refused_before_any_work(tmp_path):
    with pytest.raises(ArgumentError, match="device: got 'cuda', which cannot be used here"):
        small(device="cuda", folder=tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda r: r.correlation("gap_bin", "gap_Z"), "got 'gap_Z'"),
        (lambda r: r.correlation("gap_bin", "gap_B", metric="f1"), "metric: got 'f1'"),
        (lambda r: r.correlation("gap_bin", "gap_B", resample="all"), "resample: got 'all'"),
        (lambda r: r.matrix("gap_bin"), "of pairs of classes"),
    ],
)
def test_columns_that_are_not_there_are_refused(ask, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        ask(small(seeds=1))
