"""The study of neural capacitance: what is trained on what, that it goes on, and how claims are judged."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from nngraph.dynamics import beta_eff
from nngraph.errors import DatasetError, StudyError
from nngraph.reproduce.capacitance import __main__ as command
from nngraph.reproduce.capacitance import backbones, claims, page, runs
from nngraph.reproduce.capacitance.candidates import FAMILY, Candidate, Samples, build, fit
from nngraph.reproduce.capacitance.claims import RULES, Study, steady
from nngraph.reproduce.capacitance.runs import Plan, samples_of, stored, train

DOCS = Path(__file__).parents[1] / "docs"
SEED = np.random.SeedSequence(0)
TINY = Plan(
    family={"a": Candidate((4,) * 3), "b": Candidate((3,) * 3, convolutions=(2,))},
    tasks={"digits": (120, 20, 30)},
    frozen=(100, 20, 20),
    sizes=(100,),
    seeds={"MLP": 2, "CNN": 2},
    recorded=(0, 1, 2),
    n_probe=100,
)


def samples(n=60):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, n, 1, 6, 6)).astype(np.float32), np.arange(n) % 3
    x[:, :, 0, 0, 0] += y  # something to learn
    return Samples(*((part, y) for part in x), classes=3)


# ------------------------------------------------------------------ candidates


def test_the_family_has_the_kinds_that_the_study_needs():
    assert len(FAMILY) >= 20
    assert sum(one.kind == "CNN" for one in FAMILY.values()) >= 5
    assert all(len(one.hidden) >= 3 for one in FAMILY.values())  # below four weight layers beta_eff is 0
    assert len(backbones.PROBE.hidden) >= 3


@pytest.mark.parametrize("name", ["MLP 3x128, 2 % of the weights", "CNN 4-8-16", "MLP 5x64 sigmoid"])
def test_a_candidate_is_built_as_it_says(name):
    candidate = FAMILY[name]
    below, head = build(candidate, (1, 28, 28), 10, SEED)
    layers = [module for module in head if isinstance(module, nn.Linear)]
    assert [layer.out_features for layer in layers] == [*candidate.hidden, 10]
    assert {type(module) for module in head} == {
        nn.Linear,
        nn.Sigmoid if candidate.activation == "sigmoid" else nn.ReLU,
    }
    if candidate.convolutions:
        assert [m.out_channels for m in below if isinstance(m, nn.Conv2d)] == list(candidate.convolutions)
        assert head(below(torch.zeros(2, 1, 28, 28))).shape == (2, 10)
    else:
        assert below is None
    for layer in layers[:-1]:
        present = layer.weight_mask.mean().item() if candidate.density < 1 else 1.0
        assert present == pytest.approx(candidate.density, abs=0.003)
    again = build(candidate, (1, 28, 28), 10, SEED)[1]
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in head.state_dict().items())


@pytest.mark.parametrize("candidate", [Candidate((5,) * 3), Candidate((5,) * 3, convolutions=(2,))])
def test_a_trajectory_starts_with_the_untrained_network_and_ends_with_what_the_test_samples_score(candidate):
    data = samples()
    found = fit(candidate, data, SEED, recorded=(0, 2), n_probe=30, variants=("frozen", "absolute", "hessian"))
    below, head = build(candidate, (1, 6, 6), 3, SEED)
    x, y = (torch.from_numpy(values[:30]) for values in data.train)
    first = {
        "beta_eff": beta_eff(head, x if below else x.flatten(1), y, backbone=below).value,
        "absolute": beta_eff(head, x if below else x.flatten(1), y, backbone=below, absolute=True).value,
        "hessian": beta_eff(head, x if below else x.flatten(1), y, backbone=below, variant="hessian").value,
    }
    assert {name: found["rows"][0][name] for name in first} == pytest.approx(first)
    assert [row["epoch"] for row in found["rows"]] == [0, 2]
    other = fit(candidate, dataclasses.replace(data, test=(data.test[0], 0 * data.test[1])), SEED, recorded=(0, 2))
    assert other["rows"][1]["accuracy"] == found["rows"][1]["accuracy"]  # no test sample was looked at on the way
    assert other["final"] != found["final"]


def test_recording_changes_nothing_of_the_training():
    few, many = (fit(Candidate((6,) * 3), samples(), SEED, recorded=at) for at in ((3,), (0, 1, 2, 3)))
    assert few["final"] == many["final"]
    assert few["rows"][-1] == many["rows"][-1]


def test_training_that_diverges_is_kept_with_its_status():
    data = samples()
    data.train[0][:] *= 1e30
    found = fit(Candidate((6,) * 3, lr=1e20), data, SEED, recorded=(0, 1, 2), n_probe=60)
    assert found["rows"][-1]["status"] == "diverged"
    assert math.isnan(found["rows"][-1]["beta_eff"])
    assert 0 <= found["final"] <= 1


# ---------------------------------------------------------------- data sets


def test_samples_for_training_validation_and_test_are_different_ones():
    found = samples_of("digits", (300, 100, 200))
    seen = [{x.tobytes() for x in half} for half, _ in found.halves]
    assert [len(half) for half, _ in found.halves] == [300, 100, 200]
    assert len(set.union(*seen)) == sum(map(len, seen)) == 600
    assert found.train[0].shape[1:] == (1, 28, 28)
    assert set(found.train[1]) == set(range(10))
    assert samples_of("colour-patches", (20, 10, 10)).train[0].shape == (20, 3, 32, 32)


def test_no_image_was_seen_by_the_network_that_is_the_backbone():
    from nngraph.reproduce.layer_groups import vision

    try:
        known = vision.data("fashion-mnist")
    except DatasetError as error:
        pytest.skip(str(error))
    found = samples_of("fashion-mnist", (500, 200, 100))
    trained_on = {x.tobytes() for x in known.x_train}
    mine = [x.tobytes() for half, _ in (found.train, found.validation) for x in half]
    assert sum(x in trained_on for x in mine) <= 0.005 * len(mine)  # the data set has a few images twice
    np.testing.assert_array_equal(found.test[0], known.x_test[:100])


def test_features_are_standardised_on_the_training_samples_alone():
    rng = np.random.default_rng(1)
    data = samples(40)
    features = [rng.normal(3, 2, size=(40, 5)), rng.normal(7, 1, size=(40, 5)), rng.normal(size=(40, 5))]
    found = data.seen_as(features)
    np.testing.assert_allclose(found.train[0].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.train[0].std(0), 1, atol=1e-4)
    scaled = (features[1] - features[0].mean(0)) / features[0].std(0)
    np.testing.assert_allclose(found.validation[0], scaled, atol=1e-4)
    assert found.validation[1] is data.validation[1]


def test_backbones_give_every_unit_of_trained_and_untrained_networks():
    data = samples_of("digits", (30, 10, 10))
    found = dict(backbones.images(data, names=("fashion-mnist",)))
    assert len(found) == 16
    widths = [one.train[0].shape[1] for name, one in found.items() if ", trained" in name]
    assert widths == [16, 32, 32, 32, 64, 64, 64, 32]
    trained, untrained = (found[f"ResNet9 fashion-mnist, {state}, unit 7"] for state in ("trained", "untrained"))
    assert not np.allclose(trained.train[0], untrained.train[0], atol=0.1)
    assert all(np.array_equal(one.test[1], data.test[1]) for one in found.values())


def test_bytes_are_read_at_every_depth_and_texts_one_at_a_time():
    from nngraph.reproduce.layer_groups import characters

    given = ["a film", "a film that is far longer than the sixty-four bytes which the network can see at once", "é"]
    found = backbones._bytes(characters.load(), given)
    assert [values.shape for values in found.values()] == [(3, 48)] * 8
    alone = backbones._bytes(characters.load(), given[1:2])
    np.testing.assert_allclose(found["depth 8"][1:2], alone["depth 8"], atol=1e-5)


# ------------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capacitance")
    return folder, *train(folder, plan=TINY)


def test_every_part_of_a_plan_is_trained(trained):
    _, found, trajectories = trained
    by = found.groupby(["part", "n_train", "seed"]).size().to_dict()
    assert by == {("family", 120, 0): 2, ("family", 120, 1): 2, ("size", 100, 0): 2, ("frozen", 100, 0): 32}
    assert trajectories.groupby("run").size().eq(3).all()
    assert found["final"].between(0, 1).all()
    variants = trajectories.merge(found, on="run").query("epoch == 0")
    first = (variants["part"] == "family") & (variants["seed"] == 0)
    assert variants.loc[first, ["absolute", "hessian"]].notna().all(axis=None)
    assert variants.loc[~first, ["absolute", "hessian"]].isna().all(axis=None)


def test_a_smaller_training_set_has_the_same_weights_at_the_start_and_other_seeds_have_others(trained):
    _, found, trajectories = trained
    rows = trajectories.merge(found, on="run").query("epoch == 0 and candidate == 'a'")
    start = rows.set_index(["part", "seed"])["beta_eff"]
    assert start["size", 0] == start["family", 0]  # the probe batch is the same too
    assert start["family", 1] != start["family", 0]


def test_a_run_that_was_stopped_goes_on_with_the_same_result(trained):
    folder, found, trajectories = trained
    missing, kept = folder / "runs" / "family-digits-120-b-1.json", folder / "runs" / "family-digits-120-a-0.json"
    before, stamp = json.loads(missing.read_text()), kept.stat().st_mtime_ns
    for file in (missing, folder / "runs.csv"):
        file.unlink()
    again, ways = train(folder, plan=TINY)
    after = json.loads(missing.read_text())
    assert after.pop("seconds") > 0
    assert before.pop("seconds") > 0
    assert after == before
    assert kept.stat().st_mtime_ns == stamp
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), found.drop(columns="seconds"))
    pd.testing.assert_frame_equal(ways, trajectories)


def test_a_folder_of_other_settings_is_refused(trained):
    with pytest.raises(StudyError, match="another n_probe"):
        train(trained[0], plan=dataclasses.replace(TINY, n_probe=10))


def given_texts(root, *, n):
    x, y = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 2
    yield "depth 1", Samples((x, y), (x[:20], y[:20]), (x[20:40], y[20:40]), classes=2)


def test_texts_that_come_after_a_finished_run_are_trained_and_nothing_else_is(trained, tmp_path, monkeypatch):
    folder = tmp_path / "finished"
    shutil.copytree(trained[0], folder)
    monkeypatch.setattr(backbones, "texts", given_texts)
    monkeypatch.setattr(runs, "samples_of", None)  # no image is asked for
    found, trajectories = train(folder, plan=TINY, texts="somewhere")
    assert list(found.loc[found["task"] == backbones.TEXTS, "candidate"]) == ["depth 1"]
    assert len(found) == len(trained[1]) + 1
    assert set(trajectories["run"]) == set(found["run"])
    keys = ["part", "task", "candidate", "seed", "n_train", "final"]
    before = trained[1][keys].merge(found[keys], on=keys)
    assert len(before) == len(trained[1])
    monkeypatch.setattr(backbones, "texts", None)  # the part is there, with texts and without them
    for texts in ("somewhere", None):
        pd.testing.assert_frame_equal(train(folder, plan=TINY, texts=texts)[0], found)


def test_a_part_on_texts_that_was_stopped_midway_is_taken_up_when_it_is_asked_for_again(trained, tmp_path, monkeypatch):
    folder = tmp_path / "stopped"
    shutil.copytree(trained[0], folder)

    def stopped(root, *, n):
        yield from given_texts(root, n=n)
        raise KeyboardInterrupt

    monkeypatch.setattr(backbones, "texts", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(folder, plan=TINY, texts="somewhere")
    monkeypatch.setattr(backbones, "texts", lambda root, n: (("depth 2", one) for _, one in given_texts(root, n=n)))
    (folder / "runs.csv").unlink()
    monkeypatch.setattr(runs, "_images", lambda *_: None)  # all of them are there
    assert backbones.TEXTS not in set(train(folder, plan=TINY)[0]["task"])
    found, _ = train(folder, plan=TINY, texts="somewhere")
    assert list(found.loc[found["task"] == backbones.TEXTS, "candidate"]) == ["depth 1", "depth 2"]


@pytest.mark.parametrize("stored_ones", [True, False])
def test_a_folder_that_cannot_be_made_is_said_before_anything_is_done(stored_ones, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runs, "samples_of", None)
    monkeypatch.setattr(Study, "rankings", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        command.main(["--out", str(tmp_path / "file" / "below"), *(["--stored"] if stored_ones else [])])
    assert "below: cannot be written (Not a directory); pass another folder." in capsys.readouterr().err


def test_a_folder_without_permission_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(runs.os, "access", lambda *_: False)  # as for any user but root
    with pytest.raises(StudyError, match=r"there: cannot be written \(no permission\); pass another folder"):
        train(tmp_path / "there", plan=TINY)


# ---------------------------------------------------------------------- claims


def made_up(*, ridge_knows=True, shrinks=True, n=8):
    """Runs whose accuracies lie on lines in beta_eff, or have nothing to do with what comes."""
    rng = np.random.default_rng(0)
    about, rows = [], []
    for run, (part, size, i, seed) in enumerate(
        [("family", 100, i, seed) for i in range(n) for seed in range(2)] + [("size", 50, i, 0) for i in range(n)]
    ):
        final = 0.3 + 0.05 * i + 0.001 * seed
        kept = {"part": part, "task": "made up", "candidate": f"c{i}", "kind": "MLP", "seed": seed}
        about.append({"run": run, **kept, "n_train": size, "n_parameters": 10, "final": final, "seconds": 1.0})
        end = 0.001 if shrinks else 0.5
        for epoch in (*range(13), 40):
            beta = (0.8 - 0.05 * epoch) * (1 + 0.01 * rng.random()) if epoch < 13 else end
            told = final - 0.2 * beta - 0.1 * (i % 3) * beta if ridge_knows else rng.random()
            row = {"run": run, "epoch": epoch, "beta_eff": beta, "accuracy": told, "loss": rng.random()}
            rows.append(row | {"probe_accuracy": 1.0 - 0.5 * (i % 2), "status": "ok", "absolute": np.nan})
    return pd.DataFrame(about), pd.DataFrame(rows).assign(hessian=np.nan)


@pytest.fixture
def few_epochs(monkeypatch):
    """Fewer pairs of a first and a last epoch."""
    monkeypatch.setattr(claims, "STARTS", (1, 8))
    monkeypatch.setattr(claims, "STOPS", (12,))


@pytest.mark.usefixtures("few_epochs")
def test_claims_hold_where_they_are_true():
    found = {one.claim: one for one in Study(*made_up(), n_boot=100).verdicts()}
    assert list(found) == list(RULES)
    verdicts = {re.sub(r" \(.*", "", claim): one.verdict for claim, one in found.items()}
    assert verdicts == {
        next(iter(RULES)): "holds",
        "beta_eff tends to 0 as training ends": "holds",
        "beta_eff = 0 predicts the ranking of seven types of models": "holds",
        "the prediction at beta_eff = 0 is the final accuracy": "holds",
        "the ranking hangs little on the epoch that it starts with": "holds",
        "the ranking hangs little on the size of the training set": "holds",
        "beta_eff ranks candidates on every data set": "holds",
        "beta_eff ranks better than cheaper predictors": "holds",
    }
    beside = [one.control for one in found.values()]
    assert beside[2] == "better than the last accuracy"
    assert beside[4] == beside[5] == "mean accuracy: holds; last accuracy: holds"


@pytest.mark.usefixtures("few_epochs")
def test_claims_do_not_hold_where_epochs_tell_nothing():
    study = Study(*made_up(ridge_knows=False, shrinks=False), n_boot=100)
    verdicts = [one.verdict for one in study.verdicts()]
    beside = [one.control for one in study.verdicts()]
    assert verdicts[0] == "holds"  # of edges, whatever was trained
    assert verdicts[1] == "does not hold"
    assert (verdicts[2], beside[2]) == ("does not hold", "no better than the last accuracy")
    assert verdicts[3] == "does not hold"
    assert (verdicts[6], beside[6]) == ("does not hold", "nowhere better than the last accuracy")
    assert verdicts[7] == "does not hold"


def spread_of(table, final, weights):
    """The spread of rho over cells, each network as often as its weight says, by ranks of the values themselves."""
    rows = np.repeat(np.arange(len(final)), weights)
    return np.ptp([spearmanr(table[at][rows], final[rows]).statistic for at in table])


@pytest.mark.usefixtures("few_epochs")
def test_spreads_and_what_the_ridge_has_more_are_those_of_explicit_draws_of_architectures():
    study = Study(*made_up(ridge_knows=False), n_boot=40)
    last = {start: one.models for (start, stop), one in study.by_epochs.items() if stop == 12}
    final = last[1]["final"].to_numpy()
    weights = np.stack([study.draws[name.split(",")[0]] for name in last[1].index])
    assert weights.shape == (16, 41)
    assert (weights[0::2] == weights[1::2]).all()  # both seeds of an architecture
    assert (weights[0::2].sum(axis=0) == 8).all()
    found = {}
    for name, row in study.spreads["first epochs"].iterrows():
        table = {start: models[name].to_numpy() for start, models in last.items()}
        found[name] = np.array([spread_of(table, final, one) for one in weights.T])
        more = found["beta_eff = 0"] - found[name]
        for column, values in {"spread": found[name], "more": more}.items():
            wanted = [values[0], *np.quantile(values[1:], (0.025, 0.975))]
            assert list(row[[column, f"{column}_low", f"{column}_high"]]) == pytest.approx(wanted, abs=1e-12)
    assert (found["last accuracy"] == 0).all()  # one number whatever the first epoch
    assert found["beta_eff = 0"][0] > 0.1


def test_what_the_ridge_tells_more_is_the_difference_of_ranks_over_explicit_draws_of_architectures():
    study = Study(*made_up(ridge_knows=False), n_boot=40)
    found = study.more("mean accuracy")
    models = study.rankings["family", "made up", 5].models
    weights = np.stack([study.draws[name.split(",")[0]] for name in models.index])
    columns = {name: models[name].to_numpy() for name in ("beta_eff = 0", "mean accuracy")}
    rho = {}
    for name, values in columns.items():
        rows = [np.repeat(np.arange(16), one) for one in weights.T]
        rho[name] = np.array([spearmanr(values[row], models["final"].to_numpy()[row]).statistic for row in rows])
    more = rho["beta_eff = 0"] - rho["mean accuracy"]
    wanted = [more[0], *np.quantile(more[1:], (0.025, 0.975)), rho["beta_eff = 0"][0], rho["mean accuracy"][0], 16]
    assert list(found.values()) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.usefixtures("few_epochs")
def test_the_spread_of_a_control_is_judged_by_the_same_rule():
    about, rows = made_up(n=12)
    told = rows["run"].map(about.set_index("run")["final"]).where(rows["run"].map(about["part"]) == "family")
    backwards = 1 - rows["run"].map(about["final"])  # with few samples, whatever one goes by
    rows["accuracy"] = told.fillna(backwards) * 0.5
    verdicts = {one.claim: (one.verdict, one.control) for one in Study(about, rows, n_boot=100).verdicts()}
    assert verdicts["the ranking hangs little on the size of the training set (Fig. 3c)"] == (
        "does not hold",
        "mean accuracy: does not hold; last accuracy: does not hold",
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0, 0.05, "holds"),
        (0.0, 0.06, "holds in part"),
        (0.02, 0.1, "holds in part"),
        (0.02, 0.3, "undecided"),
        (0.11, 0.3, "does not hold"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_a_spread_is_judged_by_its_interval(low, high, verdict):
    assert steady(pd.Series({"spread": 0.08, "spread_low": low, "spread_high": high})) == verdict


def test_networks_that_fit_are_told_from_those_that_do_not():
    study = Study(*made_up(), n_boot=10)
    assert study.vanished(fits=True) == (8, 1.0)
    assert study.vanished(fits=False) == (8, 1.0)
    values = study.vanishing.set_index("fits")
    assert list(values["n"]) == [8, 8]
    assert values["early"].between(0.6, 0.8).all()
    assert (values["end"] == 0.001).all()


# ------------------------------------------------------------------------ page


def test_what_comes_with_the_package_is_the_whole_study():
    found, trajectories = stored()
    family = found[found["part"] == "family"]
    assert set(family["candidate"]) == set(FAMILY)
    wanted = {("digits", "MLP"): 1, ("digits", "CNN"): 1, ("fashion-mnist", "MLP"): 3, ("fashion-mnist", "CNN"): 2}
    sizes = family.groupby(["task", "kind", "candidate"]).size()
    assert all(sizes[key].eq(n).all() for key, n in wanted.items())
    frozen = found[found["part"] == "frozen"].groupby("task").size()
    assert frozen.to_dict() == {"fashion-mnist": 32, "digits": 32, "colour-patches": 16, backbones.TEXTS: 30}
    assert found.loc[found["part"] == "size", "n_train"].value_counts().eq(len(FAMILY)).all()
    assert list(found["run"]) == list(trajectories["run"].unique())
    assert set(trajectories["status"]) <= {"ok", "pole", "0/0", "diverged"}
    assert sum((runs.FOLDER / name).stat().st_size for name in runs.TABLES) < 300_000
    known = trajectories["status"] == "ok"
    assert trajectories.loc[known, "beta_eff"].notna().all()
    assert trajectories.loc[~known, "beta_eff"].isna().all()


def test_a_stored_run_comes_out_again():
    found, trajectories = stored()
    name = "MLP 3x8"
    row = found[(found["task"] == "digits") & (found["candidate"] == name)].iloc[0]
    seed = runs.child(runs.seed_sequence(0), "capacitance", False, "digits", name)
    again = fit(FAMILY[name], samples_of("digits", runs.TASKS["digits"]), seed, recorded=(0, 1, 2))
    kept = trajectories[trajectories["run"] == row["run"]].iloc[:3]
    np.testing.assert_allclose([one["beta_eff"] for one in again["rows"]], kept["beta_eff"], rtol=0.02)
    np.testing.assert_allclose([one["accuracy"] for one in again["rows"]], kept["accuracy"], atol=0.011)


@pytest.mark.usefixtures("few_epochs")
def test_the_command_writes_the_page_of_the_stored_trajectories(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "Study", lambda *tables: Study(*tables, n_boot=5))
    command.main(["--out", str(tmp_path), "--stored"])
    written = (tmp_path / "capacitance.md").read_text(encoding="utf-8")
    kept = (DOCS / "capacitance.md").read_text(encoding="utf-8")

    def points(text):  # intervals hang on the number of draws
        return re.sub(r"\(-?[\d.]+ to -?[\d.]+\)", "", text)

    rows = [line for line in points(kept).splitlines() if line.startswith("| family") or line.startswith("| frozen")]
    cells = [row.rsplit("|", 3)[0] for row in rows]  # how it ranks beside the last accuracy hangs on the interval
    assert len(cells) > 20
    pairs = [line for line in kept.splitlines() if re.match(r"\| (1 \| 12|8 \| 12|250|1,000|5,000) \|", line)]
    assert len(pairs) == 5
    assert [cell for cell in (*cells, *pairs) if cell not in points(written)] == []
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == [f"capacitance_{name}.png" for name in ("predicted", "sensitivity", "trajectories")]
    assert all((DOCS / "pictures" / name).stat().st_size < 150_000 for name in pictures)
    table = pd.read_csv(tmp_path / "scores.csv")
    assert set(table["predictor"]) == set(page.SHOWN)


def test_a_sum_that_is_not_the_number_of_edges_of_the_line_graph_is_found_by_counting(monkeypatch):
    study = Study(*made_up(), n_boot=10)
    whole = study._edges()
    assert (whole["verdict"], whole["value"]) == ("holds", 1.0)
    assert "7-5-4-3: 200 by the sum, 200 counted, 200 made" in whole["measured"]
    monkeypatch.setattr(claims, "line_graph_size", lambda model: 72)
    part = study._edges()  # the number of one of the small networks
    assert (part["verdict"], part["value"]) == ("holds in part", pytest.approx(1 / 6))
    monkeypatch.setattr(claims, "line_graph_size", lambda model: 0)
    assert study._edges()["verdict"] == "does not hold"
