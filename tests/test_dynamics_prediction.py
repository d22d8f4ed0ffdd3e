"""Trajectories of neural capacitance, the ridge at beta_eff = 0, and rankings beside the trivial predictors."""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from capacitance_oracle import batch, network
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from torch import nn
from torch.nn.utils import prune

import nngraph as nng
from nngraph.dynamics import Trajectory, beta_eff, predict_accuracy, rank_models, sensitivity
from nngraph.dynamics._ranking import PREDICTORS, kendall, spearman
from nngraph.errors import ArgumentError, CapacitanceWarning

SIZES = (4, 6, 5, 4, 3)
X, Y = batch(SIZES, "cross_entropy")


def table(beta, accuracy, *, first=0, **further):
    n = len(beta)
    return pd.DataFrame({"epoch": np.arange(first, first + n), "beta_eff": beta, "accuracy": accuracy, **further})


def many_tables(n=8, epochs=6, *, seed=0):
    """Trajectories of models of all qualities, with loss and size, and their final accuracies."""
    rng = np.random.default_rng(seed)
    tables, final = {}, {}
    for i in range(n):
        reached = 0.3 + 0.6 * rng.random()
        way = 1 - np.exp(-0.5 * np.arange(epochs))
        noise = 0.02 * rng.normal(size=(3, epochs))
        columns = {"loss": 2 - reached * way + noise[2], "n_parameters": int(rng.integers(50, 5000))}
        tables[f"m{i}"] = table(0.5 - 0.5 * way + noise[0], np.clip(reached * way + noise[1], 0, 1), **columns)
        final[f"m{i}"] = min(reached + 0.05 * rng.normal(), 1)
    return tables, final


TABLES, FINAL = many_tables()


# ------------------------------------------------------------------- recording


@pytest.mark.parametrize("options", [{}, {"absolute": True}, {"variant": "hessian"}, {"loss": "squared"}])
def test_a_row_holds_beta_eff_of_the_model_as_it_is_at_that_epoch(options):
    model, trajectory, wanted = network(SIZES), Trajectory(X, Y, **options), []
    for epoch in (0, 3, 5):
        wanted.append(beta_eff(model, X, Y, **options))
        row = trajectory.record(epoch, model, accuracy=0.1 * epoch, loss=2.0, train_accuracy=0.5)
        assert row["beta_eff"] == wanted[-1].value
        with torch.no_grad():
            model[0].weight.mul_(1.1)
    found = trajectory.table
    assert list(found.columns) == [
        *("epoch", "beta_eff", "numerator", "denominator", "accuracy", "loss", "n_parameters", "status"),
        "train_accuracy",
    ]
    assert list(found["epoch"]) == [0, 3, 5]
    assert list(found["numerator"]) == [b.numerator for b in wanted]
    assert list(found["denominator"]) == [b.denominator for b in wanted]
    assert set(found["n_parameters"]) == {sum(p.numel() for p in model.parameters())}
    assert set(found["status"]) == {"ok"}


def test_models_and_backbones_in_training_mode_are_read_in_evaluation_mode_and_get_their_modes_back():
    layers = list(network(SIZES))
    model = nn.Sequential(layers[0], nn.BatchNorm1d(6).double(), nn.Dropout(0.5), *layers[1:])
    backbone = nn.Sequential(nn.Linear(7, 4).double(), nn.BatchNorm1d(4).double(), nn.Dropout(0.5))
    x = np.random.default_rng(0).normal(size=(len(X), 7))
    model.eval(), backbone.eval()
    wanted = beta_eff(model, x, Y, backbone=backbone).value
    model.train(), backbone.train()
    model[2].eval()
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    trajectory = Trajectory(x, Y, backbone=backbone)
    assert trajectory.record(0, model)["beta_eff"] == wanted
    assert [module.training for module in model] == [i != 2 for i in range(len(model))]
    assert all(module.training for module in backbone)
    assert all(torch.equal(value, backbone.state_dict()[key]) for key, value in state.items())
    everything = sum(p.numel() for module in (model, backbone) for p in module.parameters())
    assert trajectory.table["n_parameters"].item() == everything


def test_parameters_that_a_mask_leaves_out_are_not_counted_and_shared_ones_count_once():
    model = network(SIZES, density=0.5)
    backbone = nn.Linear(4, 4).double()
    prune.custom_from_mask(backbone, "bias", torch.tensor([1, 0, 0, 1]))
    backbone.register_parameter("again", backbone.weight)
    trajectory = Trajectory(X, Y, backbone=backbone)
    edges = sum(int(layer.weight_mask.sum()) for layer in model[::2])
    row = trajectory.record(0, model)
    assert row["n_parameters"] == edges + sum(SIZES[1:]) + 16 + 2
    assert edges < sum(layer.weight.numel() for layer in model[::2])


@pytest.mark.parametrize("place", ["weights", "outputs", "backbone"])
def test_a_network_that_diverged_is_a_row_with_its_status_and_the_next_epoch_is_recorded(place):
    model, backbone = network(SIZES), nn.Linear(4, 4).double()
    trajectory = Trajectory(X, Y, backbone=backbone)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        if place == "weights":
            model[2].weight[0, 0] = math.nan
        elif place == "outputs":
            for layer in model[::2]:
                layer.weight.mul_(1e150)
        else:
            backbone.bias[0] = math.inf
    row = trajectory.record(0, model, accuracy=0.1, loss=math.nan)
    assert (row["status"], row["accuracy"]) == ("diverged", 0.1)
    assert math.isnan(row["beta_eff"])
    model.load_state_dict(kept)
    nn.init.eye_(backbone.weight), nn.init.zeros_(backbone.bias)
    assert trajectory.record(1, model)["beta_eff"] == beta_eff(model, X, Y).value
    assert list(trajectory.table["status"]) == ["diverged", "ok"]


def test_a_denominator_of_zero_is_a_pole_and_no_errors_at_all_are_0_by_0():
    model, sizes = network((4, 6, 5, 3)), (4, 6, 5, 3)
    x = batch(sizes, "squared")[0]
    outputs = model(torch.from_numpy(x)).detach().numpy()
    draw = np.random.default_rng(1)
    one, other = draw.normal(size=(2, *outputs.shape))
    # the denominator is linear in the errors
    first, second = (beta_eff(model, x, outputs + errors, loss="squared").denominator for errors in (one, other))
    errors = one - first / second * other
    pole = Trajectory(x, outputs + errors, loss="squared")
    assert pole.record(0, model)["status"] == "pole"
    assert pole.table["numerator"].abs().item() > 1e-6
    fitted = Trajectory(x, outputs, loss="squared")
    row = fitted.record(0, model)
    assert (row["status"], row["numerator"], row["denominator"]) == ("0/0", 0, 0)
    assert math.isnan(row["beta_eff"])


def test_a_theorem_of_zero_is_said_once_and_makes_the_ridge_the_mean_accuracy():
    sizes = (4, 6, 5, 3)
    model, trajectory = network(sizes), Trajectory(*batch(sizes, "cross_entropy"))
    accuracies = [0.2, 0.5, 0.7, 0.6]
    with pytest.warns(CapacitanceWarning, match="three weight layers"):
        trajectory.record(0, model, accuracy=accuracies[0])
    for epoch, accuracy in enumerate(accuracies[1:], 1):  # here a warning would be an error
        trajectory.record(epoch, model, accuracy=accuracy)
    assert list(trajectory.table["status"]) == ["zero"] * 4
    found = predict_accuracy(trajectory)
    assert found.constant
    assert not found.extrapolated
    assert found.value == pytest.approx(np.mean(accuracies))
    assert found.value == pytest.approx(found.baselines["mean_accuracy"])


def test_classes_that_the_probe_batch_lacks_are_said_once():
    model, few = network(SIZES), Trajectory(X[Y != 1], Y[Y != 1])
    with pytest.warns(CapacitanceWarning, match="1 of 3 classes"):
        few.record(0, model)
    few.record(1, model)  # here a warning would be an error
    assert len(few.table) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, m: (t.record(0, m), t.record(0, m)), "epoch: got 0 twice"),
        (lambda t, m: t.record(-1, m), "epoch: got -1; expected a whole number"),
        (lambda t, m: t.record(0, m, accuracy="high"), "accuracy: got 'high'"),
        (lambda t, m: t.record(0, m, status=1.0), "got the score 'status'"),
        (lambda t, m: t.record(0, m[:1]), "expected at least 2"),
        (lambda t, m: t.record(0, "model"), "expected a torch.nn.Module"),
        (lambda t, m: Trajectory(np.full((3, 4), np.nan), [0, 1, 2]), "x_probe: got numbers that are NaN"),
        (lambda t, m: Trajectory(X, Y, loss=np.ones((3, 3))), "loss: got"),
        (lambda t, m: Trajectory(X, Y, variant="thawed"), "variant: got 'thawed'"),
        (lambda t, m: Trajectory(X, Y, variant="hessian", absolute=True), "absolute: got True"),
        (lambda t, m: Trajectory(X, Y, absolute="no"), "absolute: got 'no'; expected True or False"),
        (
            lambda t, m: Trajectory(np.array([[None]]), Y),
            "x_probe: got values of type object; expected an array of num",
        ),
        (lambda t, m: Trajectory(X, np.array(list("abc"))), "y_probe: got values of type"),
    ],
)
def test_bad_records_are_refused_and_leave_no_row(call, message):
    trajectory, model = Trajectory(X, Y), network(SIZES)
    with pytest.raises(ArgumentError, match=message):
        call(trajectory, model)
    assert len(trajectory.table) == (1 if "twice" in message else 0)


# ------------------------------------------------------------------ prediction


def by_evidence(beta, accuracy):
    """The ridge by a direct search for the largest evidence: value, noise variance, variance of the slope."""
    z = beta / beta.std()
    x, y, n = z - z.mean(), accuracy - accuracy.mean(), len(beta)

    def minus_log_evidence(logs):
        alpha, scale = np.exp(logs)
        variance = np.eye(n) / alpha + np.outer(x, x) / scale
        return 0.5 * (np.linalg.slogdet(variance)[1] + y @ np.linalg.solve(variance, y))

    start = [-math.log(y.var())] * 2
    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000}
    best = optimize.minimize(minus_log_evidence, start, method="Nelder-Mead", options=options)
    alpha, scale = np.exp(best.x)
    slope = alpha * (x @ y) / (scale + alpha * (x @ x))
    return accuracy.mean() - slope * z.mean(), 1 / alpha, 1 / (scale + alpha * (x @ x)), z.mean()


def test_the_prediction_is_the_line_of_largest_evidence_at_zero_and_its_deviation_has_three_parts():
    rng = np.random.default_rng(4)
    beta = 0.02 * rng.random(9) + 0.01
    accuracy = 0.8 - 5 * beta + 0.02 * rng.normal(size=9)
    found = predict_accuracy(table(beta, accuracy))
    value, noise, of_slope, mean = by_evidence(beta, accuracy)
    assert found.value == pytest.approx(value, rel=1e-3)
    assert found.noise == pytest.approx(math.sqrt(noise), rel=0.01)
    assert found.sd == pytest.approx(math.sqrt(noise + noise / 9 + mean**2 * of_slope), rel=0.01)
    fitted = found.epochs["fitted"].to_numpy()
    np.testing.assert_allclose(fitted, found.value + found.slope * beta)
    assert found.extrapolated
    low, high = found.interval(0.9)
    assert (low + high) / 2 == pytest.approx(found.value)
    assert high - low == pytest.approx(2 * stats.norm.ppf(0.95) * found.sd)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from([-1e4, -1.0, 1e-5, 30.0]), st.floats(-0.3, 0.3))
def test_units_of_beta_eff_do_not_matter_and_accuracies_shift_what_they_predict(seed, unit, shift):
    rng = np.random.default_rng(seed)
    beta = rng.normal(size=7)
    accuracy = 0.5 - 0.2 * beta + 0.05 * rng.normal(size=7)
    found = predict_accuracy(table(beta, accuracy))
    other = predict_accuracy(table(unit * beta, accuracy + shift))
    assert other.value == pytest.approx(found.value + shift, abs=1e-6)
    assert other.sd == pytest.approx(found.sd, rel=1e-4)
    assert other.slope * unit == pytest.approx(found.slope, rel=1e-4, abs=1e-9)


def test_intervals_cover_what_comes_at_zero_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        beta = rng.normal(size=12) + 1
        accuracy = 0.7 - 0.2 * beta + 0.05 * rng.normal(size=12)
        low, high = predict_accuracy(table(beta, accuracy)).interval(0.9)
        inside.append(low <= 0.7 + 0.05 * rng.normal() <= high)
    assert 0.8 < np.mean(inside) < 0.97


@pytest.mark.parametrize("beta", [[0.0] * 5, [0.4] * 5, [40.0] * 5, [-0.004] * 5, [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]])
def test_a_constant_beta_eff_of_any_value_gives_the_mean_accuracy_with_the_spread_of_accuracies(beta):
    accuracy = np.array([0.5, 0.6, 0.7, 0.65, 0.72])
    found = predict_accuracy(table(beta, accuracy))
    assert found.constant
    assert found.slope == 0
    assert found.value == pytest.approx(accuracy.mean())
    assert found.noise == pytest.approx(accuracy.std(), rel=1e-3)
    assert found.sd == pytest.approx(accuracy.std() * math.sqrt(1 + 1 / 5), rel=1e-3)
    np.testing.assert_allclose(found.epochs["fitted"], accuracy.mean())


def test_a_beta_eff_that_varies_by_more_than_rounding_is_not_constant():
    assert not predict_accuracy(table([0.3, 0.3, 0.3 * (1 + 1e-6)], [0.5, 0.6, 0.7])).constant


def test_epochs_outside_of_start_and_stop_and_epochs_without_beta_eff_are_not_used():
    rng = np.random.default_rng(2)
    beta, accuracy = rng.normal(size=10), rng.random(10)
    inner = predict_accuracy(table(beta[3:8], accuracy[3:8], first=3))
    whole = table(beta, accuracy, loss=np.arange(10.0))
    found = predict_accuracy(whole.iloc[::-1], start=3, stop=7)
    assert (found.value, found.sd) == (inner.value, inner.sd)
    assert found.baselines == {
        "last_accuracy": accuracy[7],
        "best_accuracy": accuracy[3:8].max(),
        "mean_accuracy": pytest.approx(accuracy[3:8].mean()),
        "last_loss": 7.0,
        "abs_beta_eff": abs(beta[7]),
    }
    gaps = whole.copy()
    gaps.loc[[4, 7], "beta_eff"] = [math.nan, math.inf]
    fewer = predict_accuracy(gaps, start=3, stop=7)
    assert fewer.n_epochs == 3
    assert list(fewer.epochs["epoch"]) == [3, 5, 6]
    assert fewer.value == pytest.approx(predict_accuracy(whole.drop([4, 7]), start=3, stop=6).value)
    assert fewer.baselines["last_accuracy"] == accuracy[7]


def test_too_few_epochs_predict_nothing_but_the_trivial_predictors_are_there():
    found = predict_accuracy(table([0.3, math.nan, 0.1], [0.5, 0.6, 0.7]))
    assert math.isnan(found.value)
    assert math.isnan(found.sd)
    assert found.n_epochs == 2
    assert found.baselines["last_accuracy"] == 0.7


def test_no_prediction_is_clipped():
    found = predict_accuracy(table([0.5, 0.4, 0.3, 0.2], [0.8, 0.85, 0.9, 0.95]))
    assert found.value > 1.04
    assert found.interval()[1] > found.value


@pytest.mark.parametrize(
    ("given_table", "options", "message"),
    [
        (table([0.1], [0.1]), {"start": 3}, "no epoch from 3 on was"),
        (table([0.1] * 4, [0.1] * 4), {"start": 2, "stop": 1}, "stop: got 1"),
        (table([0.1] * 4, [0.1] * 4, first=5), {"stop": 3}, "the trajectory has 5 to 8"),
        (pd.DataFrame({"epoch": [0], "accuracy": [0.1]}), {}, "without the column 'beta_eff'"),
        (table([0.1, 0.2], [0.1, 0.2]).assign(epoch=4), {}, "the epoch 4 twice"),
        ([0.1, 0.2], {}, "got list; expected a Trajectory"),
        (table(list("abcd"), [0.1] * 4), {}, "the column 'beta_eff' of type"),
        (table([0.1] * 4, [0.1] * 4).assign(epoch=list("abcd")), {}, "the column 'epoch' of type"),
        (table([0.1] * 4, [0.1] * 4, loss=list("abcd")), {}, "the column 'loss' of type"),
        (Trajectory(X, Y), {}, "no epoch"),
    ],
)
def test_what_is_no_trajectory_is_refused(given_table, options, message):
    with pytest.raises(ArgumentError, match=message):
        predict_accuracy(given_table, **options)


# --------------------------------------------------------------------- ranking


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_weighted_rank_correlations_are_those_of_repeated_values(seed, ties):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 9))
    if ties:
        x, y = np.round(x), np.round(y)
    weights = rng.integers(0, 3, size=(9, 4)).astype(float)
    for draw in range(4):
        times = weights[:, draw].astype(int)
        a, b = np.repeat(x, times), np.repeat(y, times)
        for ours, theirs in ((spearman, stats.spearmanr), (kendall, stats.kendalltau)):
            found = ours(x, y, weights)[draw]
            if len(set(a)) < 2 or len(set(b)) < 2:
                assert math.isnan(found)
            else:
                assert found == pytest.approx(theirs(a, b).statistic, abs=1e-12)


def test_scores_are_rank_correlations_and_errors_of_the_predictors_in_the_direction_that_is_right():
    found = rank_models(TABLES, FINAL, start=1, stop=4, n_boot=20, rng=0)
    scores, final = found.scores.set_index("predictor"), np.array(list(FINAL.values()))
    assert list(scores.index) == list(PREDICTORS)
    told = {name: predict_accuracy(one, start=1, stop=4) for name, one in TABLES.items()}
    by_hand = {
        "beta_eff = 0": [one.value for one in told.values()],
        "|beta_eff|": [-one.baselines["abs_beta_eff"] for one in told.values()],
        "last accuracy": [one.loc[4, "accuracy"] for one in TABLES.values()],
        "best accuracy": [one.loc[1:4, "accuracy"].max() for one in TABLES.values()],
        "mean accuracy": [one.loc[1:4, "accuracy"].mean() for one in TABLES.values()],
        "last loss": [-one.loc[4, "loss"] for one in TABLES.values()],
        "parameters": [one["n_parameters"].iloc[0] for one in TABLES.values()],
    }
    last = stats.spearmanr(by_hand["last accuracy"], final).statistic
    for name, values in by_hand.items():
        rho = stats.spearmanr(values, final).statistic
        assert scores.loc[name, "spearman"] == pytest.approx(rho)
        assert scores.loc[name, "kendall"] == pytest.approx(stats.kendalltau(values, final).statistic)
        assert scores.loc[name, "difference"] == pytest.approx(rho - last)
        assert scores.loc[name, "regret"] == pytest.approx(final.max() - final[np.argmax(values)])
        error = np.abs(np.array(values) - final).mean() if "acc" in name or "=" in name else math.nan
        assert scores.loc[name, "mae"] == pytest.approx(error, nan_ok=True)
        of_last = np.abs(np.array(by_hand["last accuracy"]) - final).mean()
        assert scores.loc[name, "mae_difference"] == pytest.approx(error - of_last, nan_ok=True)
    assert (scores[["difference_low", "difference_high"]].loc["last accuracy"] == 0).all()
    inside = [abs(one.value - value) <= 1.96 * one.sd for one, value in zip(told.values(), final, strict=True)]
    assert found.coverage() == pytest.approx(np.mean(inside))


def test_of_predictions_that_tie_the_worst_model_counts_as_the_choice():
    tables = {name: one.assign(loss=1.0) for name, one in TABLES.items()}
    best_two = sorted(FINAL, key=FINAL.get)[::7]  # the worst and the best
    for name in best_two:
        tables[name]["loss"] = 0.5
    scores = rank_models(tables, FINAL, stop=4, n_boot=5, rng=0).scores.set_index("predictor")
    assert scores.loc["last loss", "regret"] == pytest.approx(max(FINAL.values()) - min(FINAL.values()))


def test_intervals_are_those_of_models_drawn_with_replacement():
    found = rank_models(TABLES, FINAL, stop=4, n_boot=2000, rng=1).scores.set_index("predictor")
    rng, final = np.random.default_rng(0), np.array(list(FINAL.values()))
    loss = np.array([one.loc[4, "loss"] for one in TABLES.values()])
    last = np.array([one.loc[4, "accuracy"] for one in TABLES.values()])
    drawn = []
    for rows in rng.integers(len(final), size=(800, len(final))):
        of_loss, of_last = (stats.spearmanr(values[rows], final[rows]).statistic for values in (-loss, last))
        drawn.append((of_loss, of_loss - of_last, abs(last - final)[rows].mean()))
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    got = found.loc["last loss"]
    assert [got["spearman_low"], got["difference_low"]] == pytest.approx(low[:2], abs=0.06)
    assert [got["spearman_high"], got["difference_high"]] == pytest.approx(high[:2], abs=0.06)
    assert found.loc["last accuracy", ["mae_low", "mae_high"]].tolist() == pytest.approx([low[2], high[2]], rel=0.1)


def test_groups_are_drawn_whole():
    names = list(TABLES)
    one = rank_models(TABLES, FINAL, stop=4, groups=dict.fromkeys(names, "same"), n_boot=30, rng=0).scores
    np.testing.assert_allclose(one["spearman_low"], one["spearman"])
    np.testing.assert_allclose(one["spearman_high"], one["spearman"])
    doubled = {f"{name} {seed}": TABLES[name] for name in names for seed in range(2)}
    final = {name: FINAL[name.split()[0]] for name in doubled}
    groups = {name: name.split()[0] for name in doubled}
    by_group = rank_models(doubled, final, stop=4, groups=groups, n_boot=400, rng=0).scores
    single = rank_models(TABLES, FINAL, stop=4, n_boot=400, rng=0).scores
    np.testing.assert_allclose(by_group["mae_low"], single["mae_low"])  # copies of a model tell nothing new
    np.testing.assert_allclose(by_group["mae_high"], single["mae_high"])


def test_the_same_seed_gives_the_same_intervals_in_any_order_of_the_models():
    one = rank_models(TABLES, FINAL, stop=4, n_boot=50, rng=3).scores
    other = rank_models(dict(reversed(TABLES.items())), FINAL, stop=4, n_boot=50, rng=3).scores
    pd.testing.assert_frame_equal(one, other)
    assert not one.equals(rank_models(TABLES, FINAL, stop=4, n_boot=50, rng=4).scores)


def test_models_without_a_prediction_are_left_out_of_its_row_and_compared_on_the_rest():
    tables = {name: one.copy() for name, one in TABLES.items()}
    tables["m0"]["beta_eff"] = math.nan
    found = rank_models(tables, FINAL, stop=4, n_boot=20, rng=0)
    scores = found.scores.set_index("predictor")
    assert list(scores["n"]) == [7, 7, 8, 8, 8, 8, 8]
    rest = {name: one for name, one in TABLES.items() if name != "m0"}
    alone = rank_models(rest, FINAL, stop=4, n_boot=20, rng=0).scores.set_index("predictor")
    for column in ("spearman", "mae", "difference"):
        assert scores.loc["beta_eff = 0", column] == pytest.approx(alone.loc["beta_eff = 0", column])
    assert found.models.loc["m0", "n_epochs"] == 0


def test_a_table_without_loss_or_size_has_no_such_predictors():
    tables = {name: one[["epoch", "beta_eff", "accuracy"]] for name, one in TABLES.items()}
    scores = rank_models(tables, FINAL, stop=4, n_boot=20, rng=0).scores.set_index("predictor")
    assert list(scores["n"]) == [8, 8, 8, 8, 8, 0, 0]
    assert scores.loc[["last loss", "parameters"], "spearman":].isna().all(axis=None)


def test_sensitivity_is_a_ranking_for_each_pair_of_epochs_and_each_size():
    sizes = {name: 100 if i < 4 else 20 for i, name in enumerate(TABLES)}
    found = sensitivity(TABLES, FINAL, starts=(0, 1, 3), stops=(2, 5), sizes=sizes, n_boot=20, rng=5)
    cells = found[["n_train", "start", "stop"]].drop_duplicates()
    assert list(cells.itertuples(index=False, name=None)) == [
        (size, *pair) for size in (20, 100) for pair in ((0, 2), (0, 5), (1, 5), (3, 5))
    ]
    small = {name: one for name, one in TABLES.items() if sizes[name] == 20}
    alone = rank_models(small, FINAL, start=1, stop=5, n_boot=20, rng=5).scores
    cell = found[(found["n_train"] == 20) & (found["start"] == 1) & (found["stop"] == 5)]
    pd.testing.assert_frame_equal(cell[alone.columns].reset_index(drop=True), alone)
    assert list(sensitivity(TABLES, FINAL, stops=(3,), n_boot=5, rng=0).columns[:3]) == ["start", "stop", "predictor"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_models({"a": TABLES["m0"]}, FINAL, stop=4), "at least three names"),
        (lambda: rank_models([TABLES["m0"]] * 3, FINAL, stop=4), "got list; expected a mapping"),
        (lambda: rank_models(TABLES, {"m0": 0.4}, stop=4), "final: got nothing for the model 'm1'"),
        (lambda: rank_models(TABLES, FINAL | {"m3": math.nan}, stop=4), "final: got nan; .* for the model 'm3'"),
        (lambda: rank_models(TABLES, FINAL | {"m3": None}, stop=4), "final: got None; expected an accuracy in"),
        (lambda: rank_models(TABLES, FINAL | {"m3": "a"}, stop=4), "final: got 'a'; .* for the model 'm3'"),
        (
            lambda: rank_models(TABLES, {name: 100 * one for name, one in FINAL.items()}, stop=4),
            "final: got .* in .0, 1",
        ),
        (
            lambda: rank_models(TABLES | {"m2": TABLES["m2"] * 100}, FINAL, stop=4),
            "model 'm2': got the accuracy .* perc",
        ),
        (lambda: rank_models(TABLES, list(FINAL.values()), stop=4), "final: got list; expected a mapping"),
        (lambda: rank_models(TABLES, FINAL, stop=4, groups=["a"] * 8), "groups: got list; expected a mapping"),
        (lambda: rank_models(TABLES, FINAL, stop=99), "stop: got 99; expected at most 5"),
        (lambda: rank_models(TABLES, FINAL, stop=4, start=-1), "start: got -1"),
        (lambda: rank_models(TABLES | {"m5": TABLES["m5"][:3]}, FINAL, stop=4), "the epoch 3 of the model 'm0' alone"),
        (lambda: rank_models(TABLES | {"m5": TABLES["m5"].drop(1)}, FINAL, stop=4), "alone, which 'm5' lacks"),
        (lambda: rank_models(TABLES | {"m0": TABLES["m0"][1:]}, FINAL, stop=4), "the epoch 0 of the model 'm1' alone"),
        (lambda: sensitivity(TABLES, FINAL, starts=0, stops=(4,)), "starts: got 0; expected a sequence"),
        (lambda: sensitivity(TABLES, FINAL, stops=("a",)), "stops: got 'a'; expected a whole number"),
        (lambda: sensitivity(TABLES, FINAL, stops=(4,), sizes=[1] * 8), "sizes: got list; expected a mapping"),
        (
            lambda: sensitivity(TABLES, FINAL, stops=(4,), sizes=dict.fromkeys(TABLES, 9) | {"m3": 7}),
            "sizes: got 1 with the size 7, 'm3' among them",
        ),
        (lambda: rank_models(TABLES, FINAL, stop=4, groups={"m0": 1}), "groups: got nothing for the model 'm1'"),
        (
            lambda: rank_models(TABLES, FINAL, start=7, stop=8),
            "model 'm0': got epochs from 0 to 5; expected some from 7",
        ),
        (lambda: rank_models(TABLES, FINAL, stop=4, n_boot=0), "n_boot: got 0"),
        (lambda: rank_models(TABLES, FINAL, stop=4, level=95), "level: got 95"),
        (lambda: sensitivity(TABLES, FINAL, starts=(3,), stops=(4,)), "at least one pair with 3 epochs"),
        (lambda: sensitivity(TABLES, FINAL, stops=(4,), sizes={"m0": 3}), "sizes: got none for the model 'm1'"),
    ],
)
def test_what_cannot_be_ranked_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_a_training_loop_of_torch_is_recorded_and_left_as_it_is():
    x, y = (torch.from_numpy(values) for values in (X, Y))
    ends = []
    for watched in (False, True):
        model, trajectory = network(SIZES), Trajectory(X, Y)
        model.train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for epoch in range(6):
            if watched:
                trajectory.record(epoch, model, accuracy=float((model(x).argmax(1) == y).double().mean()))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        ends.append(model[0].weight.detach().clone())
    assert torch.equal(*ends)
    found = predict_accuracy(trajectory, start=1)
    assert found.n_epochs == 5
    assert found.baselines["last_accuracy"] == trajectory.table["accuracy"].iloc[-1]


# --------------------------------------------------------------------- figures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


RANKED = rank_models(TABLES, FINAL, stop=4, n_boot=20, rng=0)
CELLS = sensitivity(TABLES, FINAL, stops=(2, 3, 5), n_boot=20, rng=0)
FIGURES = {
    "capacitance_trajectories": lambda **k: nng.plot.capacitance_trajectories(TABLES, **k),
    "predicted_accuracies": lambda **k: nng.plot.predicted_accuracies(RANKED, **k),
    "capacitance_sensitivity": lambda **k: nng.plot.capacitance_sensitivity(CELLS, **k),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_axes_given_are_the_axes_returned_and_no_figure_is_made(name):
    ax = plt.figure().subplots()
    before = plt.get_fignums()
    assert FIGURES[name](ax=ax) is ax
    assert plt.get_fignums() == before
    assert FIGURES[name]() is not ax
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.canvas.draw()


def test_figures_show_the_values_of_their_tables():
    ax = nng.plot.capacitance_trajectories(TABLES, final=FINAL)
    lines = {line.get_label(): line for line in ax.lines}
    for name, one in TABLES.items():
        np.testing.assert_array_equal(lines[name].get_xydata(), one[["epoch", "beta_eff"]])
    best, worst = max(FINAL, key=FINAL.get), min(FINAL, key=FINAL.get)
    assert sum(lines[best].get_color()[:3]) > sum(lines[worst].get_color()[:3])  # bright is good
    ax = nng.plot.predicted_accuracies(RANKED)
    points = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(points["last accuracy"].get_ydata(), 100 * RANKED.models["last accuracy"])
    (bars,) = ax.containers
    np.testing.assert_allclose(bars[0].get_xydata(), 100 * RANKED.models[["final", "beta_eff = 0"]])
    np.testing.assert_array_equal(points["equal"].get_xdata(), points["equal"].get_ydata())
    ax = nng.plot.capacitance_sensitivity(CELLS, score="mae", predictors=("last accuracy",))
    wanted = CELLS[CELLS["predictor"] == "last accuracy"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), wanted["mae"])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["2", "3", "5"]


def test_a_column_of_any_name_is_the_label_as_it_is():
    tables = {name: one.assign(**{"a b_% $x^": 1.0}) for name, one in TABLES.items()}
    ax = nng.plot.capacitance_trajectories(tables, column="a b_% $x^")
    ax.figure.canvas.draw()
    assert ax.get_ylabel() == r"a b_% \$x^"


def test_the_legend_of_predicted_accuracies_hides_no_point_and_no_label():
    ax = nng.plot.predicted_accuracies(RANKED)
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert legend.y1 <= ax.xaxis.label.get_window_extent().y0
    assert legend.y0 >= 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nng.plot.capacitance_trajectories({}), "got no trajectory"),
        (lambda: nng.plot.capacitance_trajectories(TABLES["m0"]), "trajectories: got DataFrame; expected a mapping"),
        (lambda: nng.plot.capacitance_trajectories(TABLES, final={}), "final: got nothing for the model 'm0'"),
        (lambda: nng.plot.predicted_accuracies(None), "ranking: got NoneType"),
        (lambda: nng.plot.accuracy_fit(None), "prediction: got NoneType"),
        (lambda: nng.plot.capacitance_trajectories(TABLES, column="x"), "column: got 'x'"),
        (lambda: nng.plot.capacitance_trajectories(TABLES, smallest=0), "smallest: got 0"),
        (lambda: nng.plot.predicted_accuracies(RANKED, baseline="last loss"), "baseline: got 'last loss'"),
        (lambda: nng.plot.capacitance_sensitivity(CELLS, score="status"), "score: got 'status'"),
        (lambda: nng.plot.capacitance_sensitivity(CELLS, x="n_train"), "has no column 'n_train'"),
        (lambda: nng.plot.capacitance_sensitivity(CELLS, x="start"), "several rows of 'beta_eff = 0'"),
        (lambda: nng.plot.capacitance_sensitivity(CELLS, predictors=("luck",)), "predictors: got 'luck'"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
