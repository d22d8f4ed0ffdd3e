"""Two classes of collisions, a stand-in for HIGGS: dense networks, fixed random supports, and supports that evolve."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nngraph._folders import opened
from nngraph._rng import child, seed_sequence
from nngraph.reproduce._claims import Claim
from nngraph.reproduce.sparse_evolution import _arms, _units
from nngraph.reproduce.sparse_evolution._arms import Arm
from nngraph.reproduce.sparse_evolution._collisions import N_FEATURES, events, pair_masses
from nngraph.reproduce.sparse_evolution._networks import Samples, Training

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["RATES", "Settings", "arms", "claims", "data", "figures", "judged", "run", "section", "short", "width_of"]

RATES = (0.02, 0.06, 0.2, 0.6)
COMPARED = (
    (
        "dense, 3 times the weights",
        "is at most 1 point less accurate than a dense network with 3 times the weights",
        -0.01,
        "78.47 % against 78.54 % (HIGGS)",
    ),
    ("dense", "is at most 1 point less accurate than a dense network as wide", -0.01, "no decrease in accuracy"),
    ("fixed mask", "is at least as accurate as a fixed random mask", 0.0, "fixed masks are worse"),
)
"""With what SET is compared, in words, the least difference of accuracies in [0, 1], and what was published."""
TEXT = """## A tabular task in the manner of HIGGS

Not HIGGS, which is not at hand, but a stand-in with its 28 features and two classes: simulated collisions in which two
particles decay, or only look as if they had (its formulas are in `_collisions.py`). No single feature tells much; the
masses of two pairs of particles, which are not given, tell nearly all: *gradient boosting on the two masses* is what a
network could reach that finds them, *gradient boosting* and *logistic regression* (scikit-learn, defaults) have the 28
features, as the networks have. Gradient descent with momentum, learning rate by a half cosine from a rate chosen for
each arm on validation events in trainings of 40 % of the epochs; accuracies are of the last weights. Supports are of
the three hidden layers, the output layer is complete."""
BASELINES = ("logistic regression", "gradient boosting", "gradient boosting on the two masses")


TRAINING = Training(epochs=10, batch=128, every=150)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all arms share."""

    n_train: int = 60_000
    n_validation: int = 10_000
    n_test: int = 30_000
    smearing: float = 0.1
    hidden: int = 256
    """Neurons in each of three hidden layers."""
    epsilon: float = 10.0
    training: Training = TRAINING
    seed: int = 0


def width_of(n_weights: float) -> int:
    """Return the width of three hidden layers of a dense network with about so many weights.

    .. math:: 28 n + 2 n^2 + 2 n = N

    Parameters
    ----------
    n_weights : float
        N.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> width_of(28 * 100 + 2 * 100**2 + 2 * 100)
    100
    """
    linear = N_FEATURES + 2
    return max(1, round((-linear + math.sqrt(linear**2 + 8 * n_weights)) / 4))


def arms(settings: Settings) -> dict[str, Arm]:
    """Return the networks that are compared, by name.

    Parameters
    ----------
    settings : Settings
        Of it the width and epsilon.

    Returns
    -------
    dict of str to Arm
        Two of the dense ones are as wide as gives them as many weights as SET is expected to have, and three times
        as many.
    """
    n = settings.hidden
    pairs = (N_FEATURES, n), (n, n), (n, n)
    expected = sum(min(settings.epsilon * (a + b), a * b) for a, b in pairs) + 2 * n

    def network(width: int) -> Callable[[], nn.Module]:
        return lambda: nn.Sequential(
            nn.Linear(N_FEATURES, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 2),
        )

    return {
        "dense": Arm(network(n)),
        "dense, 3 times the weights": Arm(network(width_of(3 * expected))),
        "dense, as many weights": Arm(network(width_of(expected))),
        "fixed mask": Arm(network(n), sparse=True),
        "SET": Arm(network(n), sparse=True, evolve=True),
    }


def data(settings: Settings) -> dict[str, Samples]:
    """Return "train", "validation" and "test" events, features with mean 0 and variance 1 over the training events.

    Parameters
    ----------
    settings : Settings
        Numbers of events, smearing and seed.

    Returns
    -------
    dict of str to (x, y)
    """
    found = _events(settings)
    mean, sd = found["train"][0].mean(axis=0), found["train"][0].std(axis=0)
    return {name: (torch.from_numpy((x - mean) / sd), torch.from_numpy(y)) for name, (x, y) in found.items()}


def _events(settings: Settings) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    sizes = {"train": settings.n_train, "validation": settings.n_validation, "test": settings.n_test}
    seed = seed_sequence(settings.seed)
    return {name: events(n, smearing=settings.smearing, rng=child(seed, name)) for name, n in sizes.items()}


def run(
    folder: str | os.PathLike[str],
    *,
    settings: Settings = Settings(),
    rates: Sequence[float] = RATES,
    seeds: int = 5,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Choose a learning rate for every arm, train every arm from every seed, and fit what needs no network.

    Parameters
    ----------
    folder : path
        Keeps the numbers of every finished network.
    settings : Settings
        What all arms share.
    rates : sequence of float
        Learning rates to choose from, on the validation events.
    seeds : int
        Networks of each arm; in each the sparse arms share their first supports, and all arms their batches.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        purpose ("tuning", "test" or "baseline"), arm, seed, rate, weights, cpu_seconds, rewirings, validation (accuracy
        on the validation events), accuracy and auc (of the test events).

    Raises
    ------
    StudyError
        If the folder holds results of other settings.
    """
    import pandas as pd

    place = opened(Path(folder), dataclasses.asdict(settings))
    table = _arms.study(
        place,
        data(settings),
        arms(settings),
        settings.training,
        epsilon=settings.epsilon,
        rates=rates,
        seeds=seeds,
        n_jobs=n_jobs,
    )
    fitted = [
        _units.kept(_units.file_of(place, name), functools.partial(_fitted, name, settings)) for name in BASELINES
    ]
    return pd.concat([table, *fitted], ignore_index=True)


def _fitted(name: str, settings: Settings) -> list[dict[str, Any]]:
    """Fit a baseline of scikit-learn with its defaults; the masses of the two pairs are what networks have to find."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from nngraph.metrics import accuracy, auc

    found = _events(settings)
    if name.endswith("masses"):
        found = {half: (pair_masses(x), y) for half, (x, y) in found.items()}
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model = linear if name.startswith("logistic") else HistGradientBoostingClassifier(random_state=settings.seed)
    model.fit(*found["train"])
    x, y = found["test"]
    logits = model.predict_log_proba(x) if name.startswith("logistic") else _log_odds(model.decision_function(x))
    return [{"purpose": "baseline", "arm": name, "accuracy": accuracy(logits, y), "auc": auc(logits, y)}]


def _log_odds(decision: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(decision), decision], axis=1)


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of HIGGS, on the stand-in.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of Claim
    """
    return list(judged(table).values())


def judged(table: pd.DataFrame) -> dict[str, Claim]:
    """Judge SET beside each arm of :func:`run`, by the name of that arm."""
    return _arms.judged(_units.tested(table), "Collisions: SET", COMPARED)


def section(table: pd.DataFrame, folder: str | os.PathLike[str]) -> str:
    """Return the section on these networks in Markdown.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in, with its settings.

    Returns
    -------
    str
    """
    known = _units.settings_of(folder)
    settings = Settings(**known | {"training": Training(**known["training"])})
    told = (
        f"{settings.n_train:,} training and {settings.n_test:,} test events; three hidden layers of "
        f"{settings.hidden} neurons, or fewer where said; ε = {settings.epsilon:g}; "
        f"{_arms.described(settings.training)}"
    )
    picture = "![accuracy against weights](pictures/sparse_evolution_tabular.png)"
    return "\n".join([TEXT, "", told, "", *_arms.lines(table, "SET"), "", picture])


def short(table: pd.DataFrame) -> str:
    """Return one sentence on what was found."""
    return f"Simulated collisions, test accuracy: {_arms.means(table)}."


def figures(table: pd.DataFrame, folder: str | os.PathLike[str]) -> dict[str, Figure]:
    """Return the figures of the section by the ends of the names of their files.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in; not read.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
    """
    return {"tabular": _arms.figure(table[table["purpose"] != "tuning"])}
