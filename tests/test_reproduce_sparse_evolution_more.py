"""Boltzmann machines, convolutional networks and the tabular task of the study of sparse evolution, at tiny sizes."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from nngraph import plot
from nngraph._rng import child, generator, seed_sequence
from nngraph.errors import ArgumentError, StudyError
from nngraph.metrics import auc
from nngraph.reproduce.sparse_evolution import (
    _collisions,
    _machines,
    _networks,
    _units,
    boltzmann,
    convolutions,
    pages,
    tabular,
)
from nngraph.reproduce.sparse_evolution._networks import Training
from nngraph.sparse import BoltzmannMachine, LogPartition

MACHINES = boltzmann.Settings(
    n_train=200,
    n_validation=40,
    hidden=30,
    epsilon=4,
    epochs=5,
    every=3,
    temperatures=20,
    chains=6,
    rates=(0.01, 0.1),
    seeds=2,
)
IMAGES = convolutions.Settings(
    "digits",
    n_train=200,
    n_validation=50,
    channels=(2, 3),
    hidden=12,
    epsilon=2,
    training=Training(3, 50, 2),
    rates=(0.005, 0.02, 0.06),
    seeds=2,
)
EVENTS = tabular.Settings(n_train=400, n_validation=100, n_test=200, hidden=16, epsilon=3, training=Training(3, 50, 4))


# ------------------------------------------------------------------ collisions


def test_what_decays_gives_all_of_its_momentum_to_products_of_the_masses_asked_for():
    draw = np.random.default_rng(0)
    parent = _collisions._momentum(np.full(50, 400.0), draw.exponential(50, 50), draw.normal(size=50), np.zeros(50))
    first, second = _collisions._decay(parent, np.full(50, 125.0), np.full(50, 91.0), draw)
    assert np.allclose(first + second, parent)
    for product, mass in ((first, 125), (second, 91)):
        assert np.allclose(product[:, 0] ** 2 - np.square(product[:, 1:]).sum(axis=1), mass**2, rtol=1e-6)


def test_decays_are_isotropic_where_the_parent_is_at_rest():
    n = 4000
    parent = _collisions._momentum(np.full(n, 400.0), np.zeros(n), np.zeros(n), np.zeros(n))
    first, _ = _collisions._decay(parent, np.zeros(n), np.zeros(n), np.random.default_rng(0))
    assert np.allclose(first[:, 0], 200)
    directions = first[:, 1:] / 200
    assert np.abs(directions.mean(axis=0)).max() < 4 / np.sqrt(3 * n)
    assert np.allclose(directions.T @ directions / n, np.eye(3) / 3, atol=0.03)


def test_features_do_not_know_how_an_event_is_turned_or_mirrored():
    draw = np.random.default_rng(0)
    pt, eta, phi = draw.exponential(50, (20, 7)), draw.normal(size=(20, 7)), draw.uniform(-3, 3, (20, 7))
    found = _collisions._features(pt, eta, phi)
    assert found.shape == (20, _collisions.N_FEATURES)
    for other in (
        _collisions._features(pt, eta, phi + 1.7),
        _collisions._features(pt, -eta, phi),
        _collisions._features(pt, eta, -phi),
    ):
        assert np.allclose(found, other)


def test_masses_of_pairs_tell_the_classes_apart_and_single_features_hardly_do():
    x, y = _collisions.events(20_000, rng=0)
    assert np.isfinite(x).all()
    assert binomtest(int(y.sum()), len(y)).pvalue > 1e-4

    def separation(values):
        return auc(np.stack([0 * values, values], axis=1), y)

    singly = [separation(column) for column in x.T.astype(float)]
    assert 0.42 < min(singly) <= max(singly) < 0.58
    masses = _collisions.pair_masses(x)
    for mass, column in zip((125, 91), masses.T, strict=True):
        assert np.median(column[y == 1]) == pytest.approx(mass, rel=0.02)
        assert separation(-np.abs(column - mass)) > 0.8


def test_the_same_seed_gives_the_same_events_and_smearing_blurs_masses():
    x, y = _collisions.events(500, rng=3)
    again, other = _collisions.events(500, rng=3), _collisions.events(500, rng=4)
    assert np.array_equal(x, again[0])
    assert np.array_equal(y, again[1])
    assert not np.array_equal(x, other[0])
    widths = []
    for smearing in (0.0, 0.1, 0.3):
        x, y = _collisions.events(3000, smearing=smearing, rng=0)
        widths.append(_collisions.pair_masses(x)[y == 1, 0].std())
    assert widths[0] == pytest.approx(4, rel=0.1)
    assert widths[0] < widths[1] < widths[2]


# -------------------------------------------------------------- units of work


def test_intervals_are_those_of_student_and_infinite_for_one_value():
    found = _units.interval(np.array([1.0, 2.0, 3.0]))
    assert found.mean == 2
    assert found.high - 2 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)  # the tabulated quantile for 2 degrees
    assert found.low + found.high == pytest.approx(4)
    assert _units.interval(np.array([5.0])) == (5, -np.inf, np.inf)
    assert found.text(1, 100, "+") == "+200.0 [-48.4, +448.4]"


def test_differences_are_paired_by_seed_whatever_the_order_of_rows():
    table = pd.DataFrame(
        {
            "arm": ["a", "b", "b", "a", "a"],
            "seed": ["0", "1", "0", "1", "2"],
            "value": [1.0, 20.0, 0.5, 21.0, 99.0],
        }
    )
    found = _units.paired(table, "value", "a", "b")
    assert found.mean == pytest.approx(0.75)
    assert found == _units.interval(np.array([0.5, 1.0]))


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.3, "holds"), (-0.3, -0.1, "does not hold"), (-0.1, 0.1, "undecided")]
)
def test_a_verdict_follows_from_where_the_interval_lies(low, high, verdict):
    assert _units.at_least(_units.Interval((low + high) / 2, low, high)) == verdict
    assert _units.at_least(_units.Interval((low + high) / 2 + 1, low + 1, high + 1), 1.0) == verdict


def test_all_arms_are_tested_with_the_rate_that_was_best_on_validation_samples():
    reached = {("a", 1.0): 0.2, ("a", 2.0): 0.4, ("a", 3.0): 0.1, ("b", 5.0): np.nan, ("b", 6.0): -7.0}
    done = []

    def unit(purpose, arm, seed, rate):
        done.append((purpose, arm, seed, rate))
        return pd.DataFrame({"validation": [0.9, reached.get((arm, rate), np.nan)]})

    rates = {"a": (1.0, 2.0, 3.0), "b": (5.0, 6.0), "c": (1.0, 3.0), "d": (8.0,)}
    tables = _units.study(unit, rates, 2, like={"c": "a"})
    assert done[:5] == [("tuning", *pair[:1], "tuning", pair[1]) for pair in reached]
    chosen = (("a", 2.0), ("b", 6.0), ("c", 2.0), ("d", 8.0))
    assert done[5:] == [("test", arm, seed, rate) for seed in "01" for arm, rate in chosen]
    assert len(tables) == len(done)


def test_it_is_said_where_the_best_rate_is_the_last_one_tried():
    tuned = [("tuning", arm, rate) for arm in "abc" for rate in (1, 2, 3)]
    rows = [*tuned, ("test", "a", 3), ("test", "b", 2), ("test", "c", 3), ("test", "d", None)]
    table = pd.DataFrame(rows, columns=["purpose", "arm", "rate"])
    assert _units.at_the_edge(table).endswith("the largest of the rates tried (3) was the best for: a; c.")
    assert _units.at_the_edge(table[table["arm"] == "b"]) == ""


def test_a_unit_that_is_done_is_not_done_again(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return [{"value": 0.1}]

    file = _units.file_of(tmp_path, "unit, of", 0.05, "a")
    assert [_units.kept(file, make).to_dict("list") for _ in range(2)] == [{"value": [0.1]}] * 2
    assert calls == [1]
    with pytest.raises(ValueError, match="bad"):
        _units.kept(tmp_path / "other.json", lambda: (_ for _ in ()).throw(ValueError("bad")))
    assert [path.name for path in tmp_path.iterdir()] == ["unit_of_0.05_a.json"]


# ---------------------------------------------------------- Boltzmann machines


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines")
    return folder, boltzmann.run(folder, studies=[MACHINES])


def test_training_validation_and_test_images_are_apart_and_binary():
    found = _machines.samples(MACHINES)
    assert {name: x.shape for name, x in found.items()} == {
        "train": (200, 784),
        "validation": (40, 784),
        "test": (896, 784),
    }
    assert all(x.dtype == bool for x in found.values())


def test_independent_pixels_are_judged_by_the_formula_of_bernoulli():
    draw = np.random.default_rng(0)
    train, x = draw.random((30, 5)) < 0.3, draw.random((10, 5)) < 0.3
    total = 0.0
    for row in x:
        for pixel, value in enumerate(row):
            share = (train[:, pixel].sum() + 1) / 32
            total += np.log(share if value else 1 - share)
    assert _machines.independent(train, x) == pytest.approx(total / 10)


def test_every_arm_is_tuned_and_tested_and_sparse_arms_have_the_same_edges(machines):
    folder, table = machines
    tuned = table[table["purpose"] == "tuning"]
    assert len(tuned) == 4 * 2 * 3
    last = _units.tested(table)
    assert sorted(last["arm"].unique()) == sorted([*boltzmann.ARMS, "independent pixels", "node-blind"])
    edges = last.pivot(index="seed", columns="arm", values="edges").dropna(how="all", axis=1).dropna()
    assert (edges["SET"] == edges["fixed mask"]).all()
    assert (edges["SET"] == edges["node-blind"]).all()
    assert (edges["dense"] == 784 * 30).all()
    small = last[last["arm"] == "dense, as many weights"]
    assert (abs(small["edges"] - edges["SET"].to_numpy()) <= 784 / 2).all()
    assert small["error"].eq(0).all()
    assert small["effective"].isna().all()
    rewirings = last.set_index("arm")["rewirings"]
    assert (rewirings["SET"] == 4 * 4 // 3).all()
    assert (rewirings["node-blind"] == 4 * 4 // 3).all()
    assert (rewirings["fixed mask"] == 0).all()
    for arm, rows in tuned[tuned["epoch"] == 5].groupby("arm"):
        best = rows.loc[rows["validation"].idxmax(), "rate"]
        assert (last.loc[last["arm"] == arm, "rate"] == best).all()
    assert (folder / "digits" / "settings.json").exists()


def test_a_machine_of_the_study_is_what_its_seed_makes(machines):
    _, table = machines
    row = _units.tested(table).query("arm == 'fixed mask' and seed == '1'").iloc[0]
    found = _machines.samples(MACHINES)
    machine = BoltzmannMachine(
        784,
        30,
        mask=_machines._support(MACHINES, "1"),
        rng=child(seed_sequence(MACHINES.seed), "machine", "1"),
    )
    machine.train(found["train"], epochs=4, lr=row["rate"], batch_size=50)
    machine.train(found["train"], epochs=1, lr=row["rate"] / 10, batch_size=50)
    log_z = machine.log_partition(n_chains=6, n_temperatures=int(row["temperatures"]))
    assert machine.log_likelihood(found["test"], log_z).mean() == pytest.approx(row["test"])


@pytest.mark.parametrize(("effective", "asked"), [([5], [20]), ([1, 9], [20, 80]), ([1, 1.9, 1.5], [20, 80, 320])])
def test_where_few_chains_count_log_z_is_estimated_again_with_more_temperatures(monkeypatch, effective, asked):
    left, found = iter(effective), []

    def log_partition(self, *, n_chains, n_temperatures):
        found.append(n_temperatures)
        return LogPartition(0.0, 0.1, next(left), exact=False)

    monkeypatch.setattr(BoltzmannMachine, "log_partition", log_partition)
    row = _machines._scored(BoltzmannMachine(784, 2, rng=0), MACHINES, _machines.samples(MACHINES), 5)
    assert found == asked
    assert (row["effective"], row["temperatures"]) == (effective[-1], asked[-1])


def test_shares_and_correlations_of_pixels_are_of_their_degrees(machines):
    folder, table = machines
    with np.load(folder / "digits" / "pixels_0.npz") as kept:
        degrees, core, variance, start = (kept[name] for name in ("graph", "core", "variance", "start"))
    row = _units.tested(table).query("arm == 'SET' and seed == '0'").iloc[0]
    assert degrees.sum() == start.sum() == row["edges"] > core.sum()
    ranks = [pd.Series(values).rank() for values in (degrees, variance)]
    assert row["pixel_rho"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert row["pixel_share"] == pytest.approx(degrees[np.argsort(-variance, kind="stable")[:392]].sum() / row["edges"])
    assert np.allclose(variance, _machines.samples(MACHINES)["train"].var(axis=0))


def test_machines_that_are_done_are_read_and_other_settings_refused(machines, monkeypatch):
    folder, table = machines
    monkeypatch.setattr(BoltzmannMachine, "train", None)
    pd.testing.assert_frame_equal(boltzmann.run(folder, studies=[MACHINES]), table)
    fewer = boltzmann.run(folder, studies=[dataclasses.replace(MACHINES, seeds=1)])
    assert set(_units.tested(fewer)["seed"].dropna()) == {"0"}
    with pytest.raises(StudyError, match="another hidden"):
        boltzmann.run(folder, studies=[dataclasses.replace(MACHINES, hidden=31)])


def made(test, rho, effective=30.0, among=0.6):
    """A table of claims on machines: SET differs from others by what is given, over three seeds."""
    rows = []
    for seed in range(3):
        common = {"data": "digits", "purpose": "test", "seed": str(seed), "epoch": 9}
        rows += [
            *({**common, "arm": arm, "test": -100.0 + seed} for arm in ("dense", "dense, as many weights")),
            {**common, "arm": "fixed mask", "test": -100.0 + seed}
            | dict.fromkeys(boltzmann.CONCENTRATIONS, 0.01 * seed),
            {**common, "arm": "node-blind"} | dict.fromkeys(boltzmann.CONCENTRATIONS, -0.01 * seed),
            {
                **common,
                "arm": "SET",
                "test": -100.0 + seed + test + 0.1 * seed,
                "effective": effective,
                "pixel_core_rho": rho + 0.01 * seed,
                "pixel_core_among_rho": among + 0.01 * seed,
            },
        ]
    return pd.DataFrame(rows)


def test_verdicts_on_machines_follow_their_rules():
    assert [one.verdict for one in boltzmann.claims(made(5, 0.7))] == ["holds"] * 5
    assert [one.verdict for one in boltzmann.claims(made(5, 0.7, among=0.1))] == ["holds"] * 4 + ["does not hold"]
    assert [one.verdict for one in boltzmann.claims(made(-5, 0.1, among=0.1))] == ["does not hold"] * 5
    assert [one.verdict for one in boltzmann.claims(made(-0.1, 0.7))] == ["undecided"] * 3 + ["holds"] * 2
    assert [one.verdict for one in boltzmann.claims(made(5, 0.7, effective=1.1))] == ["undecided"] * 3 + ["holds"] * 2


def test_the_section_on_machines_has_the_numbers_of_the_table(machines):
    folder, table = machines
    page = boltzmann.section(table, folder)
    last = _units.tested(table)
    for arm in boltzmann.ARMS:
        assert _units.interval(last.loc[last["arm"] == arm, "test"]).text() in page
    for other in ("dense", "fixed mask"):
        assert _units.paired(last, "test", "SET", other).text(1, sign="+") in page
    assert f"{last.loc[last['arm'] == 'independent pixels', 'test'].item():.1f}" in page
    assert "SET rewires 5 times" in page
    assert all(one.rule and one.published and one.control for one in boltzmann.claims(table)[-2:])


def test_the_figures_of_machines_are_drawn(machines):
    folder, table = machines
    found = boltzmann.figures(table, folder)
    assert sorted(found) == ["boltzmann_digits", "pixels_digits"]
    texts = [text.get_text() for text in found["boltzmann_digits"].axes[0].get_legend().get_texts()]
    assert set(texts) == {*boltzmann.ARMS, "independent pixels"}
    with np.load(folder / "digits" / "pixels_0.npz") as kept:
        shown = [ax.images[0].get_array() for ax in found["pixels_digits"].axes if ax.get_title(loc="left")]
        for image, name in zip(shown, ("start", "graph", "core", "variance"), strict=True):
            assert np.array_equal(image.ravel(), kept[name])


# ------------------------------------------------- networks with sparse layers


def test_supports_are_of_all_linear_layers_but_the_last():
    model = _networks.built(convolutions.arms(IMAGES)["SET"].build)
    masks = _networks.supports(model, 2.0, seed_sequence(0))
    assert {name: mask.shape for name, mask in masks.items()} == {"5": (12, 147), "7": (12, 12)}
    n = sum(int(mask.sum()) for mask in masks.values())
    assert _networks.n_weights(model, masks) == 2 * 9 + 3 * 2 * 9 + n + 120
    assert _networks.n_weights(model, {}) == 2 * 9 + 3 * 2 * 9 + 147 * 12 + 144 + 120


def test_weights_begin_with_the_variance_that_keeps_signals_and_biases_at_zero():
    model = nn.Sequential(nn.Linear(400, 300), nn.ReLU(), nn.Linear(300, 2))
    mask = np.random.default_rng(0).random((300, 400)) < 0.05
    _networks.initialize(model, {"0": mask}, seed_sequence(1))
    assert model[0].weight.var().item() == pytest.approx(2 / (mask.sum() / 300), rel=0.02)
    assert model[2].weight.var().item() == pytest.approx(2 / 300, rel=0.2)
    assert not any(layer.bias.any() for layer in (model[0], model[2]))


def test_a_dense_training_is_gradient_descent_with_momentum_on_the_batches_of_the_seed():
    samples = tabular.data(EVENTS)["train"]
    seed, training = seed_sequence(5), Training(epochs=2, batch=150, every=1)
    models = [_networks.built(tabular.arms(EVENTS)["dense"].build) for _ in range(2)]
    for model in models:
        _networks.initialize(model, {}, seed)
    assert [epoch for epoch, _ in _networks.fit(models[0], samples, training, rate=0.05, seed=seed)] == [1, 2]
    velocity = [torch.zeros_like(p) for p in models[1].parameters()]
    for step in range(4):
        order = generator(child(seed, "batches", 1 + step // 2)).permutation(400)
        rows = torch.from_numpy(order[150 * (step % 2) :][:150])
        loss = nn.functional.cross_entropy(models[1](samples[0][rows]), samples[1][rows])
        slopes = torch.autograd.grad(loss, list(models[1].parameters()))
        with torch.no_grad():
            for p, v, slope in zip(models[1].parameters(), velocity, slopes, strict=True):
                v.mul_(0.9).add_(slope + 2e-4 * p)
                p.sub_(0.05 * (1 + np.cos(np.pi * step / 4)) / 2 * v)
    for p, q in zip(*(model.parameters() for model in models), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return folder, convolutions.run(folder, studies=[IMAGES])


@pytest.fixture(scope="module")
def collisions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collisions")
    return folder, tabular.run(folder, settings=EVENTS, rates=(0.02, 0.1), seeds=2)


def test_images_have_the_shape_of_their_set_and_no_image_is_in_two_parts():
    found = convolutions.data(IMAGES)
    assert {name: tuple(x.shape) for name, (x, _) in found.items()} == {
        "train": (200, 1, 28, 28),
        "validation": (50, 1, 28, 28),
        "test": (896, 1, 28, 28),
    }
    flat = [set(map(bytes, x.numpy().reshape(len(x), -1))) for x, _ in found.values()]
    assert len(flat[0] | flat[1]) == 250
    patches = convolutions.data(dataclasses.replace(convolutions.SETTINGS["colour-patches"]))
    assert patches["train"][0].shape == (3500, 3, 32, 32)
    assert convolutions.SETTINGS["cifar-10"].data == "cifar-10"


def test_every_network_is_trained_with_the_rate_chosen_for_its_arm(networks, collisions):
    for (_, table), arms, n_rates in ((networks, convolutions.arms(IMAGES), 3), (collisions, tabular.arms(EVENTS), 2)):
        tuned, last = table[table["purpose"] == "tuning"], _units.tested(table)
        assert len(tuned) == len(arms) * n_rates
        assert tuned["accuracy"].isna().all()
        assert len(last) == 2 * len(arms)
        for arm, rows in tuned.groupby("arm"):
            best = rows.loc[rows["validation"].idxmax(), "rate"]
            assert (last.loc[last["arm"] == arm, "rate"] == best).all()
        weights = last.pivot(index="seed", columns="arm", values="weights")
        assert (weights["SET"] == weights["fixed mask"]).all()
        rewired = last.groupby("arm")["rewirings"].max()
        assert rewired["SET"] > 0
        assert rewired.drop("SET").eq(0).all()


def test_dense_networks_of_the_tabular_task_have_the_weights_that_their_names_say(collisions):
    weights = _units.tested(collisions[1]).groupby("arm")["weights"].mean()
    assert weights["dense"] == 28 * 16 + 2 * 16**2 + 2 * 16
    full = tabular.Settings()
    sizes = {name: _networks.n_weights(_networks.built(arm.build), {}) for name, arm in tabular.arms(full).items()}
    pairs = ((28, 256), (256, 256), (256, 256))
    expected = sum(10 * (a + b) for a, b in pairs) + 2 * 256
    assert sizes["dense, as many weights"] == pytest.approx(expected, rel=0.02)
    assert sizes["dense, 3 times the weights"] == pytest.approx(3 * expected, rel=0.02)


def test_baselines_need_no_network_and_the_masses_tell_most(collisions):
    rows = collisions[1].query("purpose == 'baseline'").set_index("arm")
    assert list(rows.index) == list(tabular.BASELINES)
    assert rows.loc["gradient boosting on the two masses", "accuracy"] > 0.85
    assert rows.loc["logistic regression", "accuracy"] < 0.65


def test_networks_that_are_done_are_read(networks, collisions, monkeypatch):
    monkeypatch.setattr(_networks, "fit", None)
    pd.testing.assert_frame_equal(convolutions.run(networks[0], studies=[IMAGES]), networks[1])
    again = tabular.run(collisions[0], settings=EVENTS, rates=(0.02, 0.1), seeds=2)
    pd.testing.assert_frame_equal(again, collisions[1])
    file = next((networks[0] / "digits").glob("test_SET_0_*.json"))
    assert json.loads(file.read_text())[0]["arm"] == "SET"
    with pytest.raises(TypeError):
        convolutions.run(networks[0], studies=[dataclasses.replace(IMAGES, seeds=3)])


def test_sections_have_the_numbers_of_their_tables_and_verdicts_follow_from_them(networks, collisions):
    for module, (folder, table), n in ((convolutions, networks, 3), (tabular, collisions, 3)):
        page, last = module.section(table, folder), _units.tested(table)
        assert "3 epochs in batches of 50" in page
        for arm, rows in last.groupby("arm"):
            assert f"| {arm} | {rows['weights'].mean():,.0f} |" in page
            assert _units.interval(rows["accuracy"]).text(2, 100) in page
        judged = module.claims(table)
        assert len(judged) == n
        assert judged[0].measured.split(" points")[0] in page
        moved = table.assign(accuracy=0.5)
        moved.loc[moved["arm"] == "SET", "accuracy"] = 1.0
        assert {one.verdict for one in module.claims(moved)} == {"holds"}
        moved.loc[moved["arm"] == "SET", "accuracy"] = 0.0
        assert {one.verdict for one in module.claims(moved)} == {"does not hold"}


def test_the_figures_of_networks_show_every_arm(networks, collisions):
    (picture,) = convolutions.figures(networks[1], networks[0]).values()
    texts = {text.get_text() for text in picture.axes[0].get_legend().get_texts()}
    assert texts == set(convolutions.arms(IMAGES))
    (picture,) = tabular.figures(collisions[1], collisions[0]).values()
    texts = {text.get_text() for text in picture.axes[0].get_legend().get_texts()}
    assert texts == {*tabular.arms(EVENTS), *tabular.BASELINES}


def test_the_page_has_their_sections_claims_and_pictures(machines, networks, collisions, tmp_path):
    tables = {"boltzmann": machines[1], "convolutions": networks[1], "tabular": collisions[1]}
    for verb, (folder, _) in zip(tables, (machines, networks, collisions), strict=True):
        (tmp_path / verb).symlink_to(folder)
    page = pages.write(tmp_path / "docs", tables, tmp_path).read_text(encoding="utf-8")
    folders = {boltzmann: machines[0], convolutions: networks[0], tabular: collisions[0]}
    for module, table in zip((boltzmann, convolutions, tabular), tables.values(), strict=True):
        assert module.section(table, folders[module]) in page
        for one in module.claims(table):
            assert f" | {one.claim} | {one.published} | {one.measured} | {one.verdict} |" in page
    pictures = re.findall(r"\]\((pictures/.*?)\)", page)
    assert len(pictures) == 4
    for picture in pictures:
        content = (tmp_path / "docs" / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 150_000


def test_scores_by_size_draws_every_network_and_refuses_an_empty_table():
    table = pd.DataFrame({"arm": ["a", "a", "b"], "weights": [10.0, 12.0, 100.0], "accuracy": [0.5, 0.7, 0.9]})
    ax = plot.scores_by_size(table)
    drawn = [(line.get_label(), line.get_ydata().tolist()) for line in ax.lines]
    assert ("a", [60.0]) in [(label, np.round(y, 9).tolist()) for label, y in drawn]
    assert sorted(y for label, values in drawn if label not in "ab" for y in values) == pytest.approx([50, 70, 90])
    with pytest.raises(ArgumentError, match="got 0 arms"):
        plot.scores_by_size(table[:0])


def test_the_page_of_the_documentation_has_their_sections_of_the_full_settings_and_small_pictures():
    docs = Path(__file__).parents[1] / "docs"
    page = (docs / "sparse_evolution.md").read_text(encoding="utf-8")
    for module in (boltzmann, convolutions, tabular):
        assert module.TEXT in page
    full, machines = tabular.Settings(), boltzmann.SETTINGS["digits"]
    assert f"{full.n_train:,} training and {full.n_test:,} test events; three hidden layers of {full.hidden}" in page
    assert f"{machines.n_train:,} training images, {machines.epochs} epochs in batches of {machines.batch}" in page
    for name in ("boltzmann_digits", "pixels_digits", "convolutions_colour-patches", "tabular"):
        picture = f"pictures/sparse_evolution_{name}.png"
        assert f"]({picture})" in page
        assert 0 < (docs / picture).stat().st_size < 150_000
