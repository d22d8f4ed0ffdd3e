"""How well candidates are ranked by predictions of their accuracy, beside what is known for nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_record, seed_sequence
from nngraph.dynamics.prediction import LEAST, Recorded, predict_accuracy, recorded
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ranking", "rank_models", "sensitivity"]

BASELINE = "last accuracy"
PREDICTORS = {
    "beta_eff = 0": 1,
    "|beta_eff|": -1,
    BASELINE: 1,
    "best accuracy": 1,
    "mean accuracy": 1,
    "last loss": -1,
    "parameters": 1,
}
"""What the better model is expected to have more (1) or less (-1) of."""
ACCURACIES = ("beta_eff = 0", BASELINE, "best accuracy", "mean accuracy")


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking:
    """Candidates ranked by several predictors of their final accuracy. Made by :func:`rank_models`."""

    scores: pd.DataFrame = dataclasses.field(repr=False)
    """One row for each predictor: predictor, n (models that it is known of), spearman, kendall, mae, difference and
    mae_difference, each followed by its interval (_low, _high), and regret.

    spearman and kendall (tau-b) compare with the final accuracy, the sign such that 1 is right. mae is the mean
    absolute error of those that predict accuracies, NaN for the others. The differences are spearman and mae less those
    of the last accuracy on the same models, their intervals paired. regret is how much less than the best model has the
    one of the best prediction; of predictions that tie the worst one counts."""
    models: pd.DataFrame = dataclasses.field(repr=False)
    """One row for each model: a column for each predictor, sd of the prediction at beta_eff = 0, n_epochs, final."""
    start: int
    stop: int
    level: float
    n_boot: int
    seed: str

    def coverage(self) -> float:
        """Return the share of final accuracies that lie within the interval of the prediction at beta_eff = 0."""
        from scipy.stats import norm

        known = self.models.dropna(subset=["beta_eff = 0", "final"])
        off = (known["final"] - known["beta_eff = 0"]).abs()
        return float((off <= norm.ppf(0.5 + self.level / 2) * known["sd"]).mean())


def rank_models(
    trajectories: Mapping[str, Recorded],
    final: Mapping[str, float],
    *,
    start: int = 0,
    stop: int,
    groups: Mapping[str, object] | None = None,
    level: float = 0.95,
    n_boot: int = 1000,
    rng: RNG = None,
) -> Ranking:
    """Rank models by what their first epochs tell, and compare with the accuracy that each has in the end.

    Parameters
    ----------
    trajectories : mapping of str to Trajectory or DataFrame
        As :func:`predict_accuracy` takes them, for at least three models.
    final : mapping of str to float
        Accuracy of each model at the end of its training, in [0, 1] as those of the trajectories, on samples that no
        trajectory has seen.
    start, stop : int
        First and last epoch that are used, both included: trajectories have to have the same epochs from the one to the
        other, and one of them has to reach the last.
    groups : mapping of str to hashable, optional
        The architecture of each model, where several differ by their seed alone: the bootstrap then draws
        architectures with all of their models. By default every model is drawn by itself.
    level : float
        Of the intervals.
    n_boot : int
        Draws of models with replacement.
    rng : None, int, SeedSequence or Generator
        Seed of the draws.

    Returns
    -------
    Ranking

    Raises
    ------
    ArgumentError
        If there are fewer than three models, or one has no final accuracy, no group, no epoch from start to stop or
        other epochs than the first model, or an accuracy lies outside of [0, 1].

    Notes
    -----
    Predictors: the Bayesian ridge at beta_eff = 0; abs(beta_eff), accuracy and loss at the last epoch; the best and
    the mean accuracy of these epochs, the latter being the ridge without beta_eff; the number of parameters. A model of
    which a predictor is not known (a pole, a divergence) is left out of that row, and n says so. Intervals are
    percentiles of the bootstrap; draws in which all values tie are left out of them.

    The difference from the last accuracy is the one to look at: the ridge is fitted to accuracies, so that it ranks
    nearly as they do even where beta_eff says nothing.

    Examples
    --------
    >>> import pandas as pd
    >>> tables = {f"model {i}": pd.DataFrame({"epoch": [1, 2, 3], "beta_eff": [0.3, 0.2, 0.1],
    ...           "accuracy": [0.1 * i, 0.1 * i + 0.1, 0.1 * i + 0.2]}) for i in range(6)}
    >>> found = rank_models(tables, {f"model {i}": 0.3 + 0.1 * i for i in range(6)}, stop=3, rng=0)
    >>> found.scores.set_index("predictor").loc[["beta_eff = 0", "last accuracy"], ["n", "spearman", "mae"]].round(2)
                   n  spearman  mae
    predictor
    beta_eff = 0   6       1.0  0.0
    last accuracy  6       1.0  0.1
    """
    import pandas as pd

    names = _names(trajectories, final, groups)
    level = _arguments.share("level", level)
    n_boot = _arguments.whole("n_boot", n_boot)
    start = _arguments.whole("start", start, 0)
    stop = _arguments.whole("stop", stop, start)
    seed = seed_sequence(rng)
    tables = {name: _table(name, trajectories[name]) for name in names}
    _check_epochs(tables, start, stop)
    models = pd.DataFrame([_known(table, start, stop) for table in tables.values()], index=names)
    models["final"] = [float(final[name]) for name in names]
    models.index.name = "model"
    weights = _weights([name if groups is None else groups[name] for name in names], n_boot, seed)
    rows = [_score(models, predictor, weights, level) for predictor in PREDICTORS]
    return Ranking(pd.DataFrame(rows), models, start, stop, level, n_boot, seed_record(seed))


def sensitivity(
    trajectories: Mapping[str, Recorded],
    final: Mapping[str, float],
    *,
    starts: Sequence[int] = (0,),
    stops: Sequence[int],
    sizes: Mapping[str, int] | None = None,
    groups: Mapping[str, object] | None = None,
    level: float = 0.95,
    n_boot: int = 200,
    rng: RNG = None,
) -> pd.DataFrame:
    """Return the scores of :func:`rank_models` for every first and last epoch, and every size of the training set.

    Parameters
    ----------
    trajectories, final, groups, level, rng
        As for :func:`rank_models`.
    starts, stops : sequences of int
        First and last epochs; pairs between which fewer than three epochs lie are left out.
    sizes : mapping of str to int, optional
        Number of training samples of each model: those of one number are ranked among themselves.
    n_boot : int
        Draws for each interval.

    Returns
    -------
    pandas.DataFrame
        n_train (only with ``sizes``), start, stop, and the columns of :attr:`Ranking.scores`.

    Raises
    ------
    ArgumentError
        As :func:`rank_models`, or if no pair is left, or a model has no size.

    Notes
    -----
    All cells share their draws of models, so that they can be compared.

    Examples
    --------
    >>> import pandas as pd
    >>> tables = {f"model {i}": pd.DataFrame({"epoch": range(5), "beta_eff": [0.5, 0.4, 0.3, 0.2, 0.1],
    ...           "accuracy": [0.1, 0.1 * i, 0.1 * i, 0.1 * i, 0.2 * i]}) for i in range(4)}
    >>> found = sensitivity(tables, {name: 0.5 for name in tables}, starts=(0, 2), stops=(3, 4), n_boot=10, rng=0)
    >>> sorted(set(zip(found["start"], found["stop"])))
    [(0, 3), (0, 4), (2, 4)]
    """
    import pandas as pd

    starts, stops = _epochs("starts", starts), _epochs("stops", stops)
    pairs = [(start, stop) for start in starts for stop in stops if stop - start + 1 >= LEAST]
    if not pairs:
        raise ArgumentError(
            f"sensitivity: got the starts {list(starts)} and stops {list(stops)}; expected at least one pair with "
            f"{LEAST} epochs from the one to the other."
        )
    if sizes is not None and not hasattr(sizes, "keys"):
        raise ArgumentError(f"sizes: got {type(sizes).__name__}; expected a mapping of the names of models to numbers.")
    if sizes is not None and (missing := [name for name in trajectories if name not in sizes]):
        raise ArgumentError(f"sizes: got none for the model {missing[0]!r}; expected one for each.")
    seed = seed_sequence(rng)
    found = []
    for size in [None] if sizes is None else sorted({sizes[name] for name in trajectories}):
        chosen = {name: one for name, one in trajectories.items() if sizes is None or sizes[name] == size}
        if size is not None and len(chosen) < 3:
            raise ArgumentError(
                f"sizes: got {len(chosen)} with the size {size}, {next(iter(chosen))!r} among them; expected at least "
                "three models of each size."
            )
        for start, stop in pairs:
            one = rank_models(
                chosen, final, start=start, stop=stop, groups=groups, level=level, n_boot=n_boot, rng=seed
            ).scores
            head = {} if size is None else {"n_train": size}
            for at, (name, value) in enumerate({**head, "start": start, "stop": stop}.items()):
                one.insert(at, name, value)
            found.append(one)
    return pd.concat(found, ignore_index=True)


def _epochs(name: str, given: object) -> list[int]:
    """Return several epochs."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ArgumentError(f"{name}: got {given!r}; expected a sequence of epochs.")
    return [_arguments.whole(name, epoch, 0) for epoch in given]


def _names(
    trajectories: Mapping[str, Recorded], final: Mapping[str, float], groups: Mapping[str, object] | None
) -> list[str]:
    if not isinstance(trajectories, Mapping) or len(trajectories) < 3:
        got = len(trajectories) if isinstance(trajectories, Mapping) else type(trajectories).__name__
        raise ArgumentError(f"trajectories: got {got}; expected a mapping of at least three names to trajectories.")
    names = list(trajectories)
    for what, given in {"final": final, **({} if groups is None else {"groups": groups})}.items():
        if not hasattr(given, "keys"):  # a Series has them too
            raise ArgumentError(
                f"{what}: got {type(given).__name__}; expected a mapping of the names of models to values."
            )
        if missing := [name for name in names if name not in given]:
            raise ArgumentError(f"{what}: got nothing for the model {missing[0]!r}; expected a value for each.")
    for name in names:
        _arguments.number(
            "final", final[name], f"an accuracy in [0, 1] for the model {name!r}", lambda value: 0 <= value <= 1
        )
    return names


def _table(name: str, trajectory: Recorded) -> pd.DataFrame:
    """Return the epochs of one model, whose accuracies are shares."""
    try:
        table = recorded(trajectory)
    except ArgumentError as error:
        raise ArgumentError(f"model {name!r}: {error}") from None
    known = table["accuracy"].dropna()
    if len(odd := known[(known < 0) | (known > 1)]):
        raise ArgumentError(f"model {name!r}: got the accuracy {odd.iloc[0]}; expected shares in [0, 1], not percents.")
    return table


def _check_epochs(tables: Mapping[str, pd.DataFrame], start: int, stop: int) -> None:
    """Refuse models that would be compared at epochs of their own, or before the epoch that was asked for."""
    used = {
        name: set(table["epoch"][(table["epoch"] >= start) & (table["epoch"] <= stop)])
        for name, table in tables.items()
    }
    first = next(iter(used))
    for name, epochs in used.items():
        if not epochs:
            ends = f"{int(tables[name]['epoch'].min())} to {int(tables[name]['epoch'].max())}"
            raise ArgumentError(f"model {name!r}: got epochs from {ends}; expected some from {start} to {stop}.")
        if odd := sorted(epochs ^ used[first]):
            which, other = (name, first) if odd[0] in epochs else (first, name)
            raise ArgumentError(
                f"trajectories: got the epoch {odd[0]:g} of the model {which!r} alone, which {other!r} lacks; expected "
                f"the same epochs of all models from {start} to {stop}. Choose others, or leave a model out."
            )
    last = max(int(table["epoch"].max()) for table in tables.values())
    if last < stop:
        raise ArgumentError(f"stop: got {stop}; expected at most {last}, where the trajectories end.")


def _known(table: pd.DataFrame, start: int, stop: int) -> dict[str, float]:
    """Return every predictor of one model."""
    found = predict_accuracy(table, start=start, stop=stop)
    values = (
        found.value,
        found.baselines["abs_beta_eff"],
        found.baselines["last_accuracy"],
        found.baselines["best_accuracy"],
        found.baselines["mean_accuracy"],
        found.baselines["last_loss"],
        float(table["n_parameters"].iloc[-1]) if "n_parameters" in table else np.nan,
    )
    return {**dict(zip(PREDICTORS, values, strict=True)), "sd": found.sd, "n_epochs": found.n_epochs}


def _weights(groups: Sequence[object], n_boot: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Return (models, 1 + n_boot): once each, then how often each is drawn."""
    # by name, so that draws do not hang on the order of the models
    places = {group: at for at, group in enumerate(sorted(set(groups), key=str))}
    draw = generator(child(seed, "models"))
    counts = draw.multinomial(len(places), np.full(len(places), 1 / len(places)), size=n_boot)
    drawn = counts[:, [places[group] for group in groups]].T
    return np.hstack([np.ones((len(groups), 1)), drawn])


def _score(models: pd.DataFrame, predictor: str, weights: np.ndarray, level: float) -> dict[str, object]:
    """Return a row of the table: each number, and its interval."""
    x, last, final = (models[name].to_numpy(dtype=float) for name in (predictor, BASELINE, "final"))
    known = np.isfinite(x)
    x, y, w = PREDICTORS[predictor] * x[known], final[known], weights[known]
    rho = spearman(x, y, w)
    nothing = np.full(len(rho), np.nan)
    mae, baseline = nothing, nothing
    if predictor in ACCURACIES and len(x):
        with np.errstate(invalid="ignore"):
            mae, baseline = (abs(told - y) @ w / w.sum(0) for told in (x, last[known]))
    found = {"spearman": rho, "kendall": kendall(x, y, w), "mae": mae}
    found |= {"difference": rho - spearman(last[known], y, w), "mae_difference": mae - baseline}
    row: dict[str, object] = {"predictor": predictor, "n": int(known.sum())}
    for name, values in found.items():
        drawn = values[1:][np.isfinite(values[1:])]
        tails = ((1 - level) / 2, (1 + level) / 2)
        low, high = np.quantile(drawn, tails) if len(drawn) else (np.nan, np.nan)
        row |= {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    best = y[x == x.max()] if len(x) else y
    return row | {"regret": float(final.max() - best.min()) if len(best) else np.nan}


def spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the rank correlation of (n,) values, of which each counts as often as (n, draws) weights say."""
    ranks = []
    for values in (x, y):
        below = (values[None, :] < values[:, None]) + 0.5 * (values[None, :] == values[:, None])
        ranks.append(below @ weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (rank - (weights * rank).sum(0) / weights.sum(0) for rank in ranks)
        squares = (weights * a * a).sum(0) * (weights * b * b).sum(0)
        found: np.ndarray = np.where(squares > 1e-9, (weights * a * b).sum(0) / np.sqrt(squares), np.nan)
    return found


def kendall(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return tau-b of (n,) values, of which each counts as often as (n, draws) weights say."""
    a, b = (np.sign(values[:, None] - values[None, :]) for values in (x, y))
    both, of_x, of_y = ((weights * (signs @ weights)).sum(0) for signs in (a * b, a * a, b * b))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = np.where(of_x * of_y > 0, both / np.sqrt(of_x * of_y), np.nan)
    return found
