"""Sparse evolutionary training redone: its networks, their degrees, the verdicts, and the page."""

import dataclasses
import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from nngraph import plot
from nngraph._rng import child, seed_sequence
from nngraph.errors import ArgumentError, StudyError
from nngraph.reproduce import _claims as judged
from nngraph.reproduce.sparse_evolution import __main__ as command
from nngraph.reproduce.sparse_evolution import _networks, _perceptrons, _units, degrees, mlps, pages, parameters
from nngraph.reproduce.sparse_evolution._perceptrons import ARMS, Settings

TINY = Settings(data="digits", n_train=200, n_validation=100, hidden=(40, 20), epochs=5, batch=20, every=10)
RATES = {"dense": (0.01, 0.05), "sparse": (0.05,)}
EPSILON = 4.0
STUDY = {math.inf: ("dense",), EPSILON: tuple(arm for arm in ARMS if arm != "dense")}
DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlp")
    return folder, mlps.run(folder, settings=TINY, study=STUDY, rates=RATES, seeds=2)


@pytest.fixture(scope="module")
def evolved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("degrees")
    settings = dataclasses.replace(TINY, n_validation=0)
    return folder, degrees.run(folder, settings=settings, epsilon=EPSILON, n_boot=19)


# ------------------------------------------------------------------------------------------------ accuracies


def test_every_arm_is_trained_from_every_seed_and_scored_at_its_last_epoch(trained):
    _, table = trained
    last = _units.tested(table)
    assert sorted(zip(last["arm"], last["seed"], strict=True)) == sorted((arm, seed) for arm in ARMS for seed in "01")
    assert (last["epoch"] == TINY.epochs).all()
    assert last["accuracy"].between(0.2, 1).all()  # ten classes: all of them learn


def test_all_sparse_arms_of_a_seed_have_as_many_edges_at_every_epoch(trained):
    _, table = trained
    sparse = table[(table["purpose"] == "test") & (table["arm"] != "dense")]
    assert (sparse.groupby("seed")["edges"].nunique() == 1).all()
    dense = table[table["arm"] == "dense"]["edges"].unique()
    assert dense.tolist() == [784 * 40 + 40 * 20 + 20 * 10]
    assert sparse["edges"].max() < 0.3 * dense[0]


def test_the_rate_is_the_one_with_the_best_validation_accuracy(trained):
    _, table = trained
    tuned = table[(table["purpose"] == "tuning") & (table["arm"] == "dense")]
    ends = tuned[tuned["epoch"] == tuned["epoch"].max()].set_index("rate")["validation"]
    assert set(_units.tested(table).query("arm == 'dense'")["rate"]) == {ends.idxmax()}


def test_a_run_goes_on_where_it_stopped_and_does_nothing_twice(trained, monkeypatch):
    folder, table = trained
    one = folder / "test_SET_every_epoch_4_1_0.05.json"
    one.unlink()
    trainings = []
    fit = _networks.fit
    monkeypatch.setattr(_networks, "fit", lambda *args, **options: trainings.append(1) or fit(*args, **options))
    again = mlps.run(folder, settings=TINY, study=STUDY, rates=RATES, seeds=2)
    assert len(trainings) == 1
    pd.testing.assert_frame_equal(again.drop(columns="cpu_seconds"), table.drop(columns="cpu_seconds"))


def test_a_folder_of_other_settings_is_refused(trained):
    folder, _ = trained
    with pytest.raises(StudyError, match="batch"):
        mlps.run(folder, settings=dataclasses.replace(TINY, batch=10), study=STUDY, rates=RATES, seeds=2)


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm != "dense"])
def test_the_arms_rewire_when_they_say_so(arm):
    seed = child(seed_sequence(0), "test")
    widths = (784, *TINY.hidden, 10)
    masks = _perceptrons.initial_masks(widths, EPSILON, seed)
    model = _perceptrons.network(widths, seed, masks)
    evo = _perceptrons.evolution(arm, model, masks, TINY, seed)
    samples = _perceptrons.images(TINY)["train"]
    by_epoch = ARMS[arm].get("every") == "epoch"
    for _ in _networks.fit(model, samples, TINY.training, rate=0.1, seed=seed, evo=evo, every_epoch=by_epoch):
        pass
    expected = {"fixed mask": set(), "SET, every epoch": {1, 2, 3, 4}}.get(arm, {10, 20, 30, 40})
    assert set(evo.history["step"]) == expected  # 50 steps: 80 % are 40
    first = model[0].weight.detach().numpy()
    same = np.array_equal(evo.graph().blocks[0].mask, masks["0"])
    assert same == (arm == "fixed mask")
    assert not first[~evo.graph().blocks[0].mask].any()


def test_a_training_that_diverges_ends_with_what_it_has():
    seed = child(seed_sequence(0), "test")
    model = _perceptrons.network((784, *TINY.hidden, 10), seed, {})
    curve = list(_networks.fit(model, _perceptrons.images(TINY)["train"], TINY.training, rate=1e9, seed=seed))
    assert math.isnan(curve[-1][1])
    assert len(curve) < TINY.epochs


def curves(gaps, *, arm="SET, every epoch", dense=0.9):
    """A table of a fixed mask, of an arm that differs from it by some gaps, and of dense networks."""
    rows = []
    for seed, gap in enumerate(gaps):
        fixed = 0.85 + 0.003 * seed
        for name, epsilon, accuracy in (
            ("dense", math.inf, dense),
            ("fixed mask", 2.0, fixed),
            (arm, 2.0, fixed + gap),
        ):
            rows.append(("test", epsilon, name, str(seed), 0.1, 3, 50, 7, 0.5, accuracy, 1.0))
    columns = [
        "purpose",
        "epsilon",
        "arm",
        "seed",
        "rate",
        "epoch",
        "edges",
        "unreached",
        "loss",
        "accuracy",
        "cpu_seconds",
    ]
    return pd.DataFrame(rows, columns=columns)


def test_differences_are_paired_and_their_intervals_those_of_the_paired_t_test():
    gaps = [0.010, 0.014, 0.006, 0.013]
    table = curves(gaps)
    found = mlps.differences(table).set_index(["arm", "against"])
    last = _units.tested(table).pivot_table(index="seed", columns="arm", values="accuracy")
    oracle = stats.ttest_rel(last["SET, every epoch"], last["fixed mask"]).confidence_interval(0.95)
    one = found.loc[("SET, every epoch", "fixed mask")]
    assert one["mean"] == pytest.approx(np.mean(gaps))
    assert (one["low"], one["high"]) == pytest.approx(tuple(oracle))
    assert set(found.index) == {
        ("fixed mask", "dense"),
        ("SET, every epoch", "fixed mask"),
        ("SET, every epoch", "dense"),
    }


@pytest.mark.parametrize(
    ("gaps", "dense", "verdicts"),
    [
        ([0.01, 0.012, 0.011], 0.86, ["holds", "holds"]),
        ([-0.01, -0.012, -0.011], 0.9, ["does not hold", "does not hold"]),
        ([-0.01, 0.012, 0.001], 0.852, ["undecided", "undecided"]),
    ],
)
def test_a_claim_is_judged_by_where_its_interval_lies(gaps, dense, verdicts):
    found = judged.table(mlps.claims(curves(gaps, dense=dense)))
    assert found["verdict"].tolist() == verdicts
    assert "3 seeds" in found["measured"].iloc[0]


def test_one_seed_decides_nothing():
    assert {one.verdict for one in mlps.claims(curves([0.01]))} == {"undecided"}


# --------------------------------------------------------------------------------------------------- degrees


def test_the_number_of_edges_is_that_of_the_start_after_every_regrowth_and_less_in_between(evolved):
    folder, _ = evolved
    for kind in degrees.KINDS:
        record = degrees.Record.load(folder / f"{kind}.npz")
        assert record.rewirings.tolist() == [0, 1, 2, 3, 4]
        for block in (0, 1):
            totals = record.degrees["regrown", block, "source"].sum(axis=1)
            core = record.degrees["core", block, "source"].sum(axis=1)
            assert set(totals) == {totals[0]}
            assert core[0] == totals[0]
            assert (core[1:] < 0.75 * totals[0]).all()
            for graph in degrees.GRAPHS:
                sums = [record.degrees[graph, block, side].sum(axis=1).tolist() for side in ("source", "target")]
                assert sums[0] == sums[1]


def test_all_kinds_start_from_the_same_supports(evolved):
    folder, _ = evolved
    records = [degrees.Record.load(folder / f"{kind}.npz") for kind in degrees.KINDS]
    for key, k in records[0].degrees.items():
        for other in records[1:]:
            np.testing.assert_array_equal(other.degrees[key][0], k[0])
            assert not np.array_equal(other.degrees[key][-1], k[-1])


def test_the_table_has_what_the_degrees_say(evolved):
    folder, table = evolved
    record = degrees.Record.load(folder / "zero.npz")
    row = table.query("kind == 'zero' and graph == 'core' and layer == '784 → 40, out' and rewiring == 4").iloc[0]
    k = record.degrees["core", 0, "source"][-1]
    assert (row["n"], row["n_opposite"], row["isolated"], row["largest"]) == (784, 40, (k == 0).sum(), k.max())
    p = k.mean() / 40
    assert row["variance_ratio"] == pytest.approx(k.var(ddof=1) / (40 * p * (1 - p)))
    assert row["pixel_rho"] == pytest.approx(stats.spearmanr(k, record.pixel_variance).statistic)
    most = record.pixel_variance > np.median(record.pixel_variance)
    among = stats.spearmanr(k[most], record.pixel_variance[most]).statistic
    assert row["pixel_among_rho"] == pytest.approx(among, abs=0.05)  # ties at the median go by position
    assert table[table["layer"] != "784 → 40, out"]["pixel_rho"].isna().all()


def test_a_record_comes_back_from_its_file(tmp_path):
    k = np.arange(12).reshape(3, 4)
    record = degrees.Record(np.array([0, 1, 5]), np.linspace(0, 1, 4), {("core", 1, "target"): k})
    record.save(tmp_path / "record.npz")
    back = degrees.Record.load(tmp_path / "record.npz")
    np.testing.assert_array_equal(back.degrees["core", 1, "target"], k)
    np.testing.assert_array_equal(back.rewirings, record.rewirings)
    np.testing.assert_allclose(back.pixel_variance, record.pixel_variance, rtol=1e-6)


def test_the_distance_from_the_binomial_law_is_the_largest_gap_of_the_two_distribution_functions():
    k, n = np.array([0, 1, 1, 2, 5]), 7
    p = k.mean() / n
    pmf = [math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]
    gaps = [abs((k <= j).mean() - sum(pmf[: j + 1])) for j in range(n + 1)]
    assert degrees.binomial_fit(k, n, n_boot=5, rng=0)[0] == pytest.approx(max(gaps))


def test_the_binomial_test_rejects_a_twentieth_of_binomial_degrees_and_almost_all_wider_ones():
    rng = np.random.default_rng(0)
    ps = [degrees.binomial_fit(rng.binomial(60, 0.1, 150), 60, n_boot=99, rng=i)[1] for i in range(60)]
    assert np.mean(np.array(ps) <= 0.05) < 0.15
    assert 0.35 < np.mean(ps) < 0.75  # discrete: above a half
    wide = [rng.binomial(60, rng.beta(1, 9, 150)) for _ in range(10)]
    assert max(degrees.binomial_fit(k, 60, n_boot=99, rng=0)[1] for k in wide) <= 0.05


def test_rewiring_that_is_blind_to_nodes_keeps_the_variance_of_degrees_binomial():
    settings = Settings(hidden=(300, 300), epochs=61)
    x = torch.zeros(2, 300)
    record = degrees.evolve("blind", settings, (x, x[:, 0].long()))
    late = record.rewirings >= 8
    ratios = []
    for (graph, _, _), k in record.degrees.items():
        p = k.mean(axis=1) / 300
        ratios += (k.var(axis=1, ddof=1) / (300 * p * (1 - p)))[late].tolist() if graph == "regrown" else []
    assert np.mean(ratios) == pytest.approx(1, abs=0.12)  # each has a standard deviation of 0.08
    assert max(np.abs(np.array(ratios) - 1)) < 0.4


def described(verdict, rho, among=0.2, *, kinds=("zero", "blind")):
    """A table of degrees with one verdict and one correlation for the trained kind."""
    rows = [
        {
            "kind": kind,
            "graph": graph,
            "layer": layer,
            "rewiring": rewiring,
            "verdict": verdict if kind == "zero" else "binomial-like",
            "variance_ratio": 1.0,
            "ks_p": 0.5,
            "pixel_rho": (rho if kind == "zero" else 0.1) if layer == "a" else np.nan,
            "pixel_among_rho": (among if kind == "zero" else 0.1) if layer == "a" else np.nan,
        }
        for kind in kinds
        for graph in degrees.GRAPHS
        for layer in ("a", "b")
        for rewiring in (0, 9)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("verdict", "rho", "expected"),
    [
        ("heavy-tailed", 0.6, ["holds", "holds", "undecided"]),
        ("over-dispersed", 0.2, ["does not hold", "undecided", "undecided"]),
        ("binomial-like", 0.05, ["does not hold", "does not hold", "undecided"]),
    ],
)
def test_degrees_are_judged_by_their_tails_and_beside_node_blind_rewiring(verdict, rho, expected):
    found = judged.table(degrees.claims(described(verdict, rho)))
    assert found["verdict"].tolist() == [*expected, *expected, "holds"]


def test_to_leave_blank_pixels_is_no_concentration_on_those_that_matter():
    variance = np.concatenate([np.zeros(60), np.linspace(1, 2, 40)])
    degrees_ = np.concatenate([np.zeros(60), np.full(20, 6.0), np.full(20, 5.0)])
    whole, among = _units.concentration(degrees_, variance)
    assert whole > 0.7
    assert among < -0.5
    assert _units.concentration(np.arange(100), np.arange(100.0)) == pytest.approx((1, 1))


def test_degrees_of_some_layers_that_are_heavy_tailed_are_a_part():
    table = described("over-dispersed", 0.6)
    table.loc[table["layer"] == "b", "verdict"] = "heavy-tailed"
    found = judged.table(degrees.claims(table))
    assert found["verdict"].iloc[0] == "holds in part"
    assert "1 heavy-tailed, 1 over-dispersed of 2" in found["measured"].iloc[0]


@pytest.mark.parametrize("last", [1, 4, 500])
def test_snapshots_begin_with_the_start_and_the_first_and_end_with_the_last_rewiring(last):
    found = degrees.snapshots(last)
    assert (found[0], found[1], found[-1]) == (0, 1, last)
    assert found == sorted(set(found))


def test_the_degrees_that_come_with_the_package_are_those_of_the_long_run():
    record = degrees.Record.load()
    assert record.rewirings.tolist() == degrees.snapshots(degrees.LONG.epochs - 1)
    assert {key[1:] for key in record.degrees} == {(b, side) for b in (0, 1) for side in ("source", "target")}
    totals = record.degrees["regrown", 0, "source"].sum(axis=1)
    assert set(totals) == {totals[0]}
    assert (degrees.FOLDER / "degrees_zero.npz").stat().st_size < 300_000


# ------------------------------------------------------------------------------------------ numbers of edges


def test_parameters_grow_with_the_number_of_neurons(tmp_path):
    table = parameters.run(tmp_path, widths=(100, 200, 400, 800))
    slopes = parameters.exponents(table)
    assert slopes["complete"] == pytest.approx(2)
    assert slopes["sparse"] == pytest.approx(1, abs=0.02)
    deviation = np.sqrt(table["expected"] * (1 - table["expected"] / table["complete"]))
    assert ((table["sparse"] - table["expected"]).abs() < 4 * deviation).all()
    assert [one.verdict for one in parameters.claims(table)] == ["holds"]
    bent = table.assign(sparse=table["complete"] // 5)
    assert [one.verdict for one in parameters.claims(bent)] == ["does not hold"]


# ----------------------------------------------------------------------------------------- page and figures


def test_the_page_has_every_claim_with_its_verdict_and_the_pictures_that_it_shows(trained, evolved, tmp_path):
    tables = {"parameters": parameters.run(tmp_path / "parameters"), "mlp": trained[1], "degrees": evolved[1]}
    for verb, folder in (("mlp", trained[0]), ("degrees", evolved[0])):
        (tmp_path / verb).symlink_to(folder)
    page = pages.write(tmp_path / "docs", tables, tmp_path).read_text(encoding="utf-8")
    made = [one for verb, experiment in pages.EXPERIMENTS if verb in tables for one in experiment.claims(tables[verb])]
    found = judged.table(made)
    for number, one in enumerate(found.itertuples(), start=1):
        assert f"| {number} | {one.claim} | {one.published} | {one.measured} | {one.verdict} |" in page
        (numbers,) = re.findall(rf"^- ([\d, ]+): {re.escape(one.rule)}\.$", page, flags=re.MULTILINE)
        assert str(number) in numbers.split(", ")
    pictures = re.findall(r"\]\((pictures/.*?)\)", page)
    assert len(pictures) == 5
    for picture in pictures:
        assert (tmp_path / "docs" / picture).read_bytes().startswith(b"\x89PNG")
    last = _units.tested(tables["mlp"]).query("arm == 'dense'")["accuracy"]
    assert f"{100 * last.mean():.2f} [" in page
    counts = found["verdict"].value_counts()
    assert f"In short: of {len(found)} claims " in page
    assert f"{counts['does not hold']} do not hold" in page
    for verb, table in tables.items():
        assert f"\n- {dict(pages.EXPERIMENTS)[verb].short(table)}\n" in page


def test_sections_tell_the_settings_of_the_folder(trained, evolved, tmp_path):
    page = mlps.section(trained[1], trained[0])
    assert f"784-40-20-10 ReLU networks on digits: {TINY.n_train} training images" in page
    assert f"every {TINY.every} steps" in page
    page = degrees.section(evolved[1], evolved[0])
    assert f"784-40-20-10 networks, ε = {EPSILON:g}, trained on {TINY.n_train} images of digits" in page
    table = parameters.run(tmp_path, widths=(100, 200), epsilon=5.0)
    assert "ε = 5." in parameters.section(table, tmp_path)


def test_neurons_without_inputs_are_counted(trained):
    rows = trained[1].query("purpose == 'test' and arm == 'fixed mask' and seed == '1'")
    seed = child(seed_sequence(TINY.seed), "training", 1)
    masks = _perceptrons.initial_masks((784, *TINY.hidden, 10), EPSILON, seed).values()
    assert set(rows["unreached"]) == {sum(int((mask.sum(axis=1) == 0).sum()) for mask in masks)}
    assert set(trained[1].query("arm == 'dense'")["unreached"]) == {0}


def test_the_sparsest_networks_are_told_of_where_new_edges_begin_in_both_ways():
    table = pd.concat(
        [curves([0.01, 0.03], arm=arm) for arm in ("SET, every n steps", mlps.DRAWN)], ignore_index=True
    ).assign(unreached=lambda rows: np.where(rows["arm"] == mlps.DRAWN, 3.0, 8.0))
    told = " ".join(mlps._sparsest(table, 60))
    assert "ε = 2 about 50 edges" in told
    assert "8, 3 and 8 of 60 hidden neurons" in told
    assert mlps._sparsest(curves([0.01]), 60) == []


def test_the_command_runs_an_experiment_and_writes_the_page_of_what_is_there(tmp_path):
    out = str(tmp_path / "results")
    command.main(["parameters", "--out", out])
    command.main(["page", "--out", out, "--docs", str(tmp_path / "docs")])
    page = (tmp_path / "docs" / "sparse_evolution.md").read_text(encoding="utf-8")
    assert "## Number of parameters" in page
    assert "## Degrees" not in page


def test_the_page_of_the_documentation_has_every_section_and_small_pictures():
    page = (DOCS / "sparse_evolution.md").read_text(encoding="utf-8")
    for heading in ("## Claims", "## Number of parameters", "## Accuracy of networks", "## Degrees"):
        assert heading in page
    pictures = re.findall(r"\]\((pictures/.*?)\)", page)
    assert len(pictures) >= 5
    assert max((DOCS / picture).stat().st_size for picture in pictures) < 150_000


def test_curves_have_a_panel_for_each_density_with_the_dense_network_in_each():
    table = pd.concat([curves([0.01, 0.02]), curves([0.01, 0.02]).replace({"epsilon": {2.0: 13.0}})])
    fig = plot.accuracy_curves(table)
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["ε = 2", "ε = 13"]
    for ax in fig.axes:
        labels = [line.get_label() for line in ax.lines]
        assert sorted(labels) == ["SET, every epoch", "dense", "fixed mask"]


def test_points_of_differences_are_the_paired_ones():
    (ax,) = plot.paired_differences(_units.tested(curves([0.01, -0.02]))).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert sorted(names) == ["SET, every epoch", "dense"]
    place = names.index("SET, every epoch")
    drawn = [line.get_xdata() for line in ax.lines if set(line.get_ydata()) == {place} and len(line.get_xdata()) == 2]
    assert any(np.allclose(points, [1, -2]) for points in drawn)


def test_lines_of_changed_degrees_are_binomial_laws():
    k = np.array([1, 2, 2, 3, 0])
    ax = plot.degree_changes({"in": ({"end": k}, 9)}).axes[0]
    points, line = ax.lines
    np.testing.assert_allclose(points.get_ydata(), [4 / 5, 3 / 5, 1 / 5])
    np.testing.assert_allclose(line.get_ydata()[0], 1 - (1 - k.mean() / 9) ** 9)


@pytest.mark.parametrize(
    ("draw", "argument"),
    [
        (plot.accuracy_curves, pd.DataFrame()),
        (plot.paired_differences, curves([0.1]).query("arm == 'dense'")),
        (plot.variance_ratios, pd.DataFrame()),
        (plot.pixel_maps, {}),
        (plot.pixel_maps, {"a": np.ones(4)}),
        (plot.degree_changes, {}),
    ],
)
def test_figures_of_nothing_are_refused(draw, argument):
    with pytest.raises(ArgumentError, match=f"{draw.__name__}: "):
        draw(argument)
