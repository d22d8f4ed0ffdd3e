"""Networks on Fashion-MNIST: dense, with a fixed random mask, and with a mask that evolves."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._rng import child, seed_sequence
from nngraph.io._atomic import replacing
from nngraph.reproduce._folders import markdown, opened
from nngraph.reproduce.sparse_evolution import _networks
from nngraph.reproduce.sparse_evolution._networks import ARMS, Samples, Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["RATES", "STUDY", "claims", "differences", "figures", "run", "section"]

SETTINGS = Settings()
REGIMES = ("SET, every epoch", "SET, every n steps")
LIKE = {"SET, preferential": "SET, every n steps", "SET, degrees kept": "SET, every n steps"}
"""Arms that take the learning rate of another."""
STUDY: Mapping[float, Sequence[str]] = {
    math.inf: ("dense",),
    13.0: ("fixed mask", *REGIMES, *LIKE),
    2.0: ("fixed mask", *REGIMES),
    0.5: ("fixed mask", "SET, every n steps"),
}
"""By epsilon of the initial supports (infinite: all edges) the arms that are trained."""
RATES = {"dense": (0.01, 0.03, 0.1), "sparse": (0.05, 0.15, 0.45)}
"""Learning rates to choose from. Sparse networks begin with larger weights, and want more."""
TUNING = 0.4
"""Share of the epochs of a training that the learning rates are tried for."""
TEXT = """784-400-400-10 ReLU networks on Fashion-MNIST: {n_train:,} training images, pixels from 0 to 1, {epochs}
epochs of batches of {batch}, stochastic gradient descent with momentum {momentum:g} and weight decay
{weight_decay:g}, the learning rate falling to 0 along half a cosine: the same for all. Weights begin normal with
variance 2 / (mean number of edges into a neuron). All sparse networks of a seed share the initial support and draws,
all networks of a seed the batches. ζ = {zeta:g}; new edges begin at 0.

{arms}

The learning rate of each is the one with the best accuracy on {n_validation:,} other images after {tuning} epochs, from
a seed of its own. Accuracies below are of the 10,000 test images after the last epoch: nothing was chosen by them."""
TOLD = {
    "dense": "all edges",
    "fixed mask": "the Erdős–Rényi support that SET begins with, never rewired",
    "SET, every epoch": "as published, after every epoch ({steps} steps) but the last",
    "SET, every n steps": "every {every} steps, none after 80 % of the training, so that the last edges can learn",
    "SET, preferential": "as *SET, every n steps*, but edges grow where degrees are high; with its learning rate",
    "SET, degrees kept": "as *SET, every n steps*, but every degree stays what it was; with its learning rate",
}
MARGIN = 0.005
"""How much less accurate than a dense network counts as no decrease, in [0, 1]."""
COLUMNS = ("purpose", "epsilon", "arm", "seed", "rate", "epoch", "edges", "loss", "accuracy", "cpu_seconds")


def run(
    folder: str | os.PathLike[str],
    *,
    settings: Settings = SETTINGS,
    study: Mapping[float, Sequence[str]] = STUDY,
    rates: Mapping[str, Sequence[float]] = RATES,
    seeds: int = 5,
    root: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Choose a learning rate for every arm, train every arm from every seed, and return all learning curves.

    Parameters
    ----------
    folder : path
        Keeps each finished training as a table; a run that was stopped goes on.
    settings : Settings
        What all arms share.
    study : mapping of float to sequence of str
        By epsilon of the initial supports, arms of :mod:`._networks`; "dense" at infinity alone.
    rates : mapping
        Learning rates to choose from, of "dense" and of "sparse" networks.
    seeds : int
        Number of trainings of each arm; in each the arms share masks, initial draws and batches.
    root : path, optional
        Folder of the files of the data set.

    Returns
    -------
    pandas.DataFrame
        ``purpose`` ("tuning": accuracies are of validation images; "test"), ``epsilon`` (infinite for "dense"),
        ``arm``, ``seed``, ``rate``, ``epoch``, ``edges``, ``loss``, ``accuracy`` in [0, 1], ``cpu_seconds`` so far.

    Raises
    ------
    DatasetError
        If the files are not found.
    StudyError
        If the folder holds trainings of other settings.

    Notes
    -----
    The rate of an arm is the one with the best validation accuracy at the end of a training of ``TUNING`` of the
    epochs, from a seed of its own. No accuracy of a test image chooses anything.
    """
    import pandas as pd

    place = opened(Path(folder), dataclasses.asdict(settings))
    samples = _networks.images(settings, root=root)
    short = dataclasses.replace(settings, epochs=max(1, round(TUNING * settings.epochs)))
    tables, chosen = [], {}
    cells = [(epsilon, arm) for epsilon, arms in study.items() for arm in arms]
    for epsilon, arm in cells:
        if arm not in LIKE:
            among = rates["dense" if arm == "dense" else "sparse"]
            tried = [_training("tuning", epsilon, arm, "tuning", rate, short, samples, place) for rate in among]
            chosen[epsilon, arm] = among[int(np.argmax([table["accuracy"].iloc[-1] for table in tried]))]
            tables += tried
    for seed in range(seeds):
        for epsilon, arm in cells:
            rate = chosen[epsilon, LIKE.get(arm, arm)]
            tables.append(_training("test", epsilon, arm, seed, rate, settings, samples, place))
    return pd.concat(tables, ignore_index=True)


def _training(
    purpose: str,
    epsilon: float,
    arm: str,
    seed: int | str,
    rate: float,
    settings: Settings,
    samples: Mapping[str, Samples],
    folder: Path,
) -> pd.DataFrame:
    """Train one network, or read the learning curve that the folder has of it."""
    import pandas as pd

    file = folder / f"{purpose} {arm} {epsilon:g} {seed} {rate:g}.csv".replace(",", "").replace(" ", "_")
    if file.exists():
        return pd.read_csv(file, dtype={"seed": str})
    entropy = child(seed_sequence(settings.seed), "training", seed)
    widths = [samples["train"][0].shape[1], *settings.hidden]
    masks = None if arm == "dense" else _networks.initial_masks(widths, epsilon, entropy)
    model = _networks.network(widths, int(samples["train"][1].max()) + 1, entropy, masks)
    evo = _networks.evolution(arm, model, masks, settings, entropy)
    wanted = set(np.geomspace(1, settings.epochs, 9).round().astype(int).tolist())
    rows: list[tuple[Any, ...]] = []
    start = time.process_time()
    curve = _networks.fit(
        model,
        samples["train"],
        settings,
        rate=rate,
        seed=entropy,
        evo=evo,
        every_epoch=ARMS[arm].get("every") == "epoch",
        schedule=_networks.half_cosine,
    )
    for epoch, loss in curve:
        if epoch in wanted or math.isnan(loss):
            scored = _networks.accuracy(model, samples["validation" if purpose == "tuning" else "test"])
            edges = _networks.n_edges(model, evo)
            seconds = round(time.process_time() - start, 1)
            rows.append((purpose, epsilon, arm, str(seed), rate, epoch, edges, loss, scored, seconds))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    with replacing(file) as content:
        table.to_csv(content, index=False)
    return table


def final(table: pd.DataFrame) -> pd.DataFrame:
    """Return the last epoch of every training whose accuracy is of test images."""
    tested = table[table["purpose"] == "test"]
    return tested[tested["epoch"] == tested["epoch"].max()].reset_index(drop=True)


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every sparse arm with the fixed mask and with the dense network, seed by seed.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    pandas.DataFrame
        ``epsilon``, ``arm``, ``against``, ``n`` (seeds that both have), ``mean``, ``low``, ``high``: the mean
        difference of the last test accuracies of the same seed and its 95 % interval (Student's t; NaN for one seed).
    """
    import pandas as pd

    groups = final(table).groupby(["epsilon", "arm"], sort=False)
    last = {cell: group.set_index("seed")["accuracy"] for cell, group in groups}
    rows = []
    for epsilon, arm in last:
        for against in ("fixed mask", "dense"):
            other = (math.inf, "dense") if against == "dense" else (epsilon, against)
            if arm in ("dense", against) or other not in last:
                continue
            gaps = (last[epsilon, arm] - last[other]).dropna().to_numpy()
            rows.append((epsilon, arm, against, len(gaps), *interval(gaps)))
    return pd.DataFrame(rows, columns=["epsilon", "arm", "against", "n", "mean", "low", "high"])


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and the ends of its 95 % interval by Student's t: NaN for fewer than two values."""
    from scipy.stats import t

    if len(values) < 2:
        return float(values.mean()), math.nan, math.nan
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def claims(table: pd.DataFrame) -> pd.DataFrame:
    """Judge what the paper says of the accuracy of SET.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    pandas.DataFrame
        ``claim``, ``rule``, ``published``, ``measured``, ``verdict``, one row for each comparison and epsilon.
    """
    import pandas as pd

    found = differences(table)
    rows = []
    for one in found[found["arm"].isin(REGIMES)].itertuples():
        fixed = one.against == "fixed mask"
        least = 0.0 if fixed else -MARGIN
        words = "more accurate than a fixed random mask" if fixed else "no less accurate than a dense network"
        rows.append(
            (
                f"{one.arm}, ε = {one.epsilon:g}: {words}",
                f"holds where the 95 % interval of the difference lies above {100 * least:g} points, does not hold "
                "where it lies below, else undecided",
                "fixed masks are worse" if fixed else "no decrease in accuracy",
                f"{_points(one)} points ({one.n} seeds)",
                judged(one.low, one.high, least),
            )
        )
    return pd.DataFrame(rows, columns=["claim", "rule", "published", "measured", "verdict"])


def judged(low: float, high: float, least: float) -> str:
    """Return what an interval says of a difference that should be above the least one."""
    return "holds" if low > least else "does not hold" if high < least else "undecided"


def section(table: pd.DataFrame) -> str:
    """Return the section on these networks in Markdown.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    str
    """
    last, tuned = final(table), table[table["purpose"] == "tuning"]
    tuned = tuned[tuned["epoch"] == tuned["epoch"].max()]
    rows = []
    for (epsilon, arm), group in last.groupby(["epsilon", "arm"], sort=False):
        mean, low, high = interval(group["accuracy"].to_numpy())
        rate = group["rate"].iloc[0]
        rows.append(
            (
                _name(epsilon, arm),
                f"{group['edges'].mean():,.0f}",
                f"{rate:g}",
                len(group),
                f"{100 * mean:.2f} [{100 * low:.2f}, {100 * high:.2f}]",
                f"{group['cpu_seconds'].mean():.0f}",
            )
        )
    told = "\n".join(
        f"- *{arm}*: {TOLD[arm].format(steps=SETTINGS.steps, every=SETTINGS.every)}."
        for arm in dict.fromkeys(last["arm"])
    )
    head = ["network", "edges", "learning rate", "seeds", "test accuracy (%)", "CPU seconds"]
    compared = [
        [_name(one.epsilon, one.arm), one.against, one.n, _points(one)] for one in differences(table).itertuples()
    ]
    tried = tuned.pivot_table(index=["epsilon", "arm"], columns="rate", values="accuracy", sort=False)
    tried = tried[sorted(tried.columns)]
    rates = [
        [_name(*cell), *("" if math.isnan(value) else f"{100 * value:.2f}" for value in row)]
        for cell, row in zip(tried.index, tried.to_numpy(), strict=True)
    ]
    return "\n".join(
        [
            "## Accuracy of networks",
            "",
            TEXT.format(tuning=int(tuned["epoch"].max()), arms=told, **dataclasses.asdict(SETTINGS)),
            "",
            *markdown(head, rows),
            "",
            "Paired differences of the last test accuracy (points; mean and 95 % interval over seeds, each interval by "
            "itself):",
            "",
            *markdown(["network", "less", "seeds", "difference"], compared),
            "",
            "![learning curves](pictures/sparse_evolution_curves.png)",
            "",
            "Test accuracy against the epoch: mean over seeds, and the range of seeds.",
            "",
            "![differences](pictures/sparse_evolution_differences.png)",
            "",
            "Each point is one seed; the bar is the 95 % interval of the mean.",
            "",
            "Validation accuracies (%) that the learning rates were chosen by:",
            "",
            *markdown(["network", *(f"{rate:g}" for rate in tried.columns)], rates),
        ]
    )


def figures(table: pd.DataFrame, folder: str | os.PathLike[str]) -> dict[str, Figure]:
    """Return the figures of the section by the names of their files; all of them are drawn from the table."""
    from nngraph import plot

    return {
        "curves": plot.accuracy_curves(table[table["purpose"] == "test"]),
        "differences": plot.paired_differences(final(table)),
    }


def _name(epsilon: float, arm: str) -> str:
    return arm if math.isinf(epsilon) else f"{arm}, ε = {epsilon:g}"


def _points(one: Any) -> str:
    return f"{100 * one.mean:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"
