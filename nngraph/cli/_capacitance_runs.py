"""Neural capacitance over the epochs of training, and the accuracy that it tells of beside what costs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from nngraph.cli._capacitance_sources import Page, Run, Samples
from nngraph.cli._common import noted
from nngraph.cli._samples import chosen, classes_of, forward_pass, is_model, number_of, outputs_of, rows_of
from nngraph.errors import ArgumentError, CapacitanceWarning

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.dynamics import AccuracyPrediction, Ranking

SHOWN = 15
"""Epochs that are printed; the table has all of them."""
SPAN = (1, 10)
"""First and last epoch that predictions of the networks on digits rest on, out of 40."""


def followed(run: Run, asked: Mapping[str, Any], n: int, start: int | None, stop: int | None, rng: int) -> Page:
    """Follow one training, and predict its final accuracy from some of the epochs."""
    from nngraph._progress import progress
    from nngraph.dynamics import Trajectory, predict_accuracy

    classes_of(run.samples[1])
    known, unknown = _halves(run, rng)
    with forward_pass(run.name, run.samples[0]), noted(CapacitanceWarning) as notes:
        probe = [rows_of(part, n, rng) for part in run.samples]
        trajectory = Trajectory(*probe, backbone=run.backbone, **asked)
        for epoch, model in progress(run.models.items(), total=len(run.models), label="epochs"):
            accuracy, loss = _scores(model, known, run.backbone, asked["loss"])
            trajectory.record(epoch, model, accuracy=accuracy, loss=loss)
        last, model = list(run.models.items())[-1]
        final, _ = _scores(model, unknown, run.backbone, asked["loss"])
    found = predict_accuracy(trajectory, start=start or 0, stop=stop)
    end = last if stop is None else stop
    table = trajectory.table
    predictions = _predictions(found, final if last > end else math.nan)
    if run.test is None:
        of = f"all {number_of(run.samples[0]):,}"
    else:
        of = f"half of {number_of(run.test[0]):,} test samples, the final one of the other half"
    lines = [
        f"{len(table)} epochs of {run.name}, beta_eff on {number_of(probe[0]):,} samples, accuracies of {of}",
        _some(table[["epoch", "beta_eff", "accuracy", "loss", "status"]]),
        f"accuracy told from epochs {start or 0} to {end}, {found.n_epochs} of them with beta_eff, with 95 % interval:",
        predictions.to_string(index=False, float_format=lambda value: f"{value:.4f}", na_rep="-"),
    ]
    if last <= end:
        lines.append(f"note: no epoch after {end} to compare with; take --stop before {last}.")
    elif math.isnan(final):
        lines.append(f"warning: the network of the last epoch, {last}, has diverged: no accuracy to compare with.")
    if run.test is None:
        lines.append(
            "note: without test samples beta_eff, the accuracies over epochs and the final one are of the same samples,"
            " which says little of others; return (epochs, (x, y), (x_test, y_test))."
        )
    lines += _notes(found) + [f"warning: {note}" for note in notes]
    figure = _figure_of_run(run.name, table, found, final if last > end else None)
    return Page("\n".join(lines), {"trajectory": table, "prediction": predictions}, figure)


def _figure_of_run(name: str, table: pd.DataFrame, found: AccuracyPrediction, final: float | None) -> Any:
    from nngraph.plot import _style, accuracy_fit, capacitance_trajectories

    figure, axes = _style.new_figure(None, 1, 2)
    capacitance_trajectories({name: table}, ax=axes[0, 0])
    accuracy_fit(found, final=final, ax=axes[0, 1])
    return figure


def _figure_of_ranking(tables: Mapping[str, pd.DataFrame], ranking: Ranking) -> Any:
    from nngraph.plot import _style, capacitance_trajectories, predicted_accuracies

    figure, axes = _style.new_figure(None, 1, 2)
    capacitance_trajectories(tables, final=ranking.models["final"], ax=axes[0, 0])
    predicted_accuracies(ranking, ax=axes[0, 1])
    return figure


def _halves(run: Run, rng: int) -> tuple[Samples, Samples]:
    """Return samples for the accuracies that are known, and others for the final one; without test data the same."""
    import numpy as np

    from nngraph._rng import child, generator, seed_sequence

    if run.test is None:
        return run.samples, run.samples
    x, y = run.test
    classes = classes_of(y)
    order = generator(child(seed_sequence(rng), "halves")).permutation(len(classes))
    if len(order) < 2:
        raise ArgumentError(f"{run.name}: got 1 test sample; expected at least 2.")
    first, second = (np.sort(half) for half in np.array_split(order, 2))

    return (chosen(x, first), classes[first]), (chosen(x, second), classes[second])


def _scores(model: Any, samples: Samples, backbone: Any, loss: str) -> tuple[float, float]:
    """Return accuracy and loss of a model on a backbone; NaN where it has diverged."""
    import numpy as np

    from nngraph.metrics import accuracy, cross_entropy, mse

    for module in (model, backbone):
        if is_model(module):
            module.eval()
    y = classes_of(samples[1])
    answers = outputs_of(model, samples[0], backbone)
    if answers.ndim != 2 or len(answers) != len(y):
        raise ArgumentError(f"model: gave the shape {answers.shape}; expected ({len(y)}, classes).")
    width = answers.shape[1]
    if y.min() < 0 or y.max() >= width:
        raise ArgumentError(f"y: got classes from {y.min()} to {y.max()}; expected 0 to {width - 1}.")
    if not np.isfinite(answers).all():
        return math.nan, math.nan
    if loss == "squared":
        return accuracy(answers, y), mse(answers, np.eye(width)[y]) * width / 2
    return accuracy(answers, y), cross_entropy(answers, y)


def _some(table: pd.DataFrame) -> str:
    """Return the lines of a table, or some of them, evenly spaced, the ends among them."""
    import numpy as np

    rows = np.unique(np.linspace(0, len(table) - 1, SHOWN).round().astype(int))
    text: str = table.iloc[rows].to_string(index=False, float_format=lambda value: f"{value:.4g}")
    return text


def _predictions(found: AccuracyPrediction, final: float) -> pd.DataFrame:
    """Return each predictor with its value, the interval of the one that has one, and errors of accuracies."""
    import pandas as pd

    low, high = found.interval()
    rows = [
        ("beta_eff = 0", found.value, low, high, True),
        ("last accuracy", found.baselines["last_accuracy"], math.nan, math.nan, True),
        ("best accuracy", found.baselines["best_accuracy"], math.nan, math.nan, True),
        ("mean accuracy", found.baselines["mean_accuracy"], math.nan, math.nan, True),
        ("last loss", found.baselines["last_loss"], math.nan, math.nan, False),
        ("|beta_eff|", found.baselines["abs_beta_eff"], math.nan, math.nan, False),
    ]
    table = pd.DataFrame(
        [(name, value, low, high, final, value - final if of else math.nan) for name, value, low, high, of in rows],
        columns=["predictor", "value", "low", "high", "final", "error"],
    )
    return table if math.isfinite(final) else table.drop(columns=["final", "error"])


def _notes(found: AccuracyPrediction) -> list[str]:
    """Say what the prediction rests on, where it is less than it seems."""
    notes = []
    if math.isnan(found.value):
        notes.append("warning: too few epochs have beta_eff and an accuracy for a line; 3 are needed.")
    elif found.constant:
        notes.append("warning: beta_eff is the same at all epochs, so the prediction is the mean of their accuracies.")
    elif found.extrapolated:
        notes.append("note: 0 lies outside of the beta_eff of these epochs; the line is drawn beyond them.")
    if not 0 <= found.value <= 1 and not math.isnan(found.value):
        notes.append("note: the prediction is no accuracy, which lies from 0 to 1; it is not clipped.")
    return notes


def embedded(n: int, start: int | None, stop: int | None, rng: int) -> Page:
    """Train the multilayer perceptrons of the study on digits, predict the accuracy of each, and rank them."""
    import pandas as pd

    from nngraph._progress import progress
    from nngraph._rng import child, seed_sequence
    from nngraph.dynamics import rank_models
    from nngraph.reproduce.capacitance.candidates import FAMILY, RECORDED, fit
    from nngraph.reproduce.capacitance.runs import TASKS, samples_of
    from nngraph.training import single_thread

    first, last = SPAN[0] if start is None else start, SPAN[1] if stop is None else stop
    if not first <= last < RECORDED[-1]:
        raise ArgumentError(
            f"--start, --stop: got {first} and {last}; expected epochs of which the first is not behind the last, "
            f"before {RECORDED[-1]}, the end of training."
        )
    samples = samples_of("digits", TASKS["digits"])
    networks = {name: candidate for name, candidate in FAMILY.items() if candidate.kind == "MLP"}
    seed = seed_sequence(rng)
    typer.echo(f"nngraph: training {len(networks)} networks on digits, half a minute on a free core ...", err=True)
    with single_thread(), noted(CapacitanceWarning) as notes:
        found = {
            name: fit(candidate, samples, child(seed, name), recorded=RECORDED, n_probe=n)
            for name, candidate in progress(networks.items(), total=len(networks), label="networks")
        }
    tables = {name: pd.DataFrame(one["rows"]).assign(n_parameters=one["n_parameters"]) for name, one in found.items()}
    finals = {name: one["final"] for name, one in found.items()}
    ranking = rank_models(tables, finals, start=first, stop=last, rng=child(seed, "ranking"))
    trajectory = pd.concat([table.assign(model=name) for name, table in tables.items()], ignore_index=True)
    n_train, n_validation, n_test = (len(y) for _, y in samples.halves)
    lines = [
        f"{len(networks)} networks on digits ({n_train:,} samples for training, {n_validation:,} for accuracies over "
        f"epochs, {n_test:,} for the final one), beta_eff on {min(n, n_train):,} of the first",
        f"accuracy at epoch {RECORDED[-1]} told from epochs {first} to {last}:",
        _models_of(ranking),
        "how well predictors rank the final accuracies, with 95 % intervals over networks:",
        _scores_of(ranking),
        _verdict(ranking),
        *(f"warning: {note}" for note in notes),
    ]
    written = {"trajectory": trajectory, "prediction": ranking.models.reset_index(), "ranking": ranking.scores}
    return Page("\n".join(lines), written, _figure_of_ranking(tables, ranking))


def _models_of(ranking: Ranking) -> str:
    """Return the predictions for each network, the best in the end first."""
    shown = ranking.models.sort_values("final", ascending=False, kind="stable").reset_index()
    columns = ["model", "final", "beta_eff = 0", "sd", "last accuracy", "best accuracy", "mean accuracy", "last loss"]
    text: str = shown[columns].to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-")
    return text


def _scores_of(ranking: Ranking) -> str:
    """Return the scores of each predictor with their intervals."""
    import pandas as pd

    def shown(row: Any, name: str) -> str:
        if math.isnan(row[name]):
            return "-"
        return f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"

    rows = [
        {"predictor": row["predictor"], "n": row["n"], **{name: shown(row, name) for name in ("spearman", "mae")}}
        for _, row in ranking.scores.iterrows()
    ]
    text: str = pd.DataFrame(rows).to_string(index=False)
    return text


def _verdict(ranking: Ranking) -> str:
    """Say whether the prediction ranks better than the last accuracy, by the interval of the difference."""
    scores = ranking.scores.set_index("predictor")
    row, mean = scores.loc["beta_eff = 0"], scores.loc["mean accuracy"]
    low, high = row["difference_low"], row["difference_high"]
    what = "better than" if low > 0 else "worse than" if high < 0 else "no better than"
    if math.isnan(row["difference"]):
        return "beta_eff = 0 cannot be compared with the last accuracy: too few networks have both."
    return (
        f"beta_eff = 0 ranks {what} the last accuracy: Spearman {row['spearman']:.3f} against "
        f"{row['spearman'] - row['difference']:.3f} on the same networks, difference {row['difference']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}].\n"
        f"The mean accuracy, which is the ridge without beta_eff, has Spearman {mean['spearman']:.3f} and error "
        f"{mean['mae']:.3f}; beta_eff = 0 has error {row['mae']:.3f}. Its 95 % intervals hold {ranking.coverage():.0%} "
        "of the final accuracies."
    )
