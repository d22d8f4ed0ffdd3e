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

from nngraph._folders import opened
from nngraph._rng import child, seed_sequence
from nngraph.metrics import accuracy
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.sparse_evolution import _networks, _perceptrons, _units
from nngraph.reproduce.sparse_evolution._networks import Samples
from nngraph.reproduce.sparse_evolution._perceptrons import ARMS, Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["RATES", "STUDY", "claims", "differences", "figures", "judged", "run", "section", "short"]

SETTINGS = Settings()
REGIMES = ("SET, every epoch", "SET, every n steps")
DRAWN = "SET, new edges drawn"
LIKE = dict.fromkeys((DRAWN, "SET, preferential", "SET, degrees kept"), "SET, every n steps")
"""Arms that take the learning rate of another."""
STUDY: Mapping[float, Sequence[str]] = {
    math.inf: ("dense",),
    13.0: ("fixed mask", *REGIMES, "SET, preferential", "SET, degrees kept"),
    2.0: ("fixed mask", *REGIMES, DRAWN),
    0.5: ("fixed mask", *REGIMES, DRAWN),
}
"""By epsilon of the initial supports (infinite: all edges) the arms that are trained."""
RATES = {"dense": (0.01, 0.03, 0.1), "sparse": (0.05, 0.15, 0.45, 1.35)}
"""Learning rates to choose from. Sparse networks begin with larger weights, and want more."""
TEXT = """{widths} ReLU networks on {data}: {n_train:,} training images, pixels from 0 to 1, {epochs} epochs of batches
of {batch}, stochastic gradient descent with momentum {momentum:g} and weight decay {weight_decay:g}, the learning rate
falling to 0 along half a cosine: the same for all. Weights begin normal with variance 2 / (mean number of edges into a
neuron). All sparse networks of a seed share the initial support and draws, all networks of a seed the batches. ζ =
{zeta:g}; new edges begin at 0 where nothing else is said.

{arms}

The learning rate of each is the one with the best accuracy on {n_validation:,} other images after {tuning} epochs, from
a seed of its own. Accuracies below are of the test images after the last epoch: nothing was chosen by them."""
TOLD = {
    "dense": "all edges",
    "fixed mask": "the Erdős–Rényi support that SET begins with, never rewired",
    "SET, every epoch": "as published, after every epoch ({steps} steps) but the last",
    "SET, every n steps": "every {every} steps, none after 80 % of the training, so that the last edges can learn",
    DRAWN: "as *SET, every n steps*, but new edges are normal with standard deviation 0.1, the other published way; "
    "with its learning rate",
    "SET, preferential": "as *SET, every n steps*, but edges grow where degrees are high; with its learning rate",
    "SET, degrees kept": "as *SET, every n steps*, but every degree stays what it was; with its learning rate",
}
_N_PIXELS, _N_CLASSES = 784, 10
MARGIN = 0.005
"""How much less accurate than a dense network counts as no decrease, in [0, 1]."""


def run(
    folder: str | os.PathLike[str],
    *,
    settings: Settings = SETTINGS,
    study: Mapping[float, Sequence[str]] = STUDY,
    rates: Mapping[str, Sequence[float]] = RATES,
    seeds: int = 5,
    root: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Choose a learning rate for every arm, train every arm from every seed, and return all learning curves.

    Parameters
    ----------
    folder : path
        Keeps the learning curve of each finished training; a run that was stopped goes on.
    settings : Settings
        What all arms share.
    study : mapping of float to sequence of str
        By epsilon of the initial supports, arms of :mod:`._perceptrons`; "dense" at infinity alone.
    rates : mapping
        Learning rates to choose from, of "dense" and of "sparse" networks.
    seeds : int
        Number of trainings of each arm; in each the arms share masks, initial draws and batches.
    root : path, optional
        Folder of the files of the data set.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        ``purpose`` ("tuning" or "test"), ``epsilon`` (infinite for "dense"), ``arm``, ``seed``, ``rate``, ``epoch``,
        ``edges``, ``unreached`` (hidden neurons that no edge enters), ``loss``, ``validation`` where rates are tried,
        else ``accuracy`` of the test images, both in [0, 1], ``cpu_seconds`` so far.

    Raises
    ------
    DatasetError
        If the files are not found.
    StudyError
        If the folder holds trainings of other settings.

    Notes
    -----
    The rate of an arm is the one with the best validation accuracy at the end of a training of 40 % of the epochs,
    from a seed of its own. No accuracy of a test image chooses anything.
    """
    import pandas as pd

    place = opened(Path(folder), dataclasses.asdict(settings))
    samples = _perceptrons.images(settings, root=root)

    def unit(purpose: str, cell: tuple[float, str], seed: str, rate: float) -> pd.DataFrame:
        epsilon, arm = cell
        table = _units.kept(
            _units.file_of(place, purpose, arm, epsilon, seed, rate),
            lambda: _trained(purpose, epsilon, arm, seed, rate, settings, samples),
        )
        named = {"purpose": purpose, "epsilon": epsilon, "arm": arm, "seed": seed, "rate": rate}
        for column, (name, value) in enumerate(named.items()):
            table.insert(column, name, value)
        return table.astype({"loss": float})

    among = {
        (epsilon, arm): rates["dense" if arm == "dense" else "sparse"]
        for epsilon, arms in study.items()
        for arm in arms
    }
    like = {(epsilon, arm): (epsilon, LIKE[arm]) for epsilon, arm in among if arm in LIKE}
    return pd.concat(_units.study(unit, among, seeds, like=like, n_jobs=n_jobs), ignore_index=True)


def _trained(
    purpose: str,
    epsilon: float,
    arm: str,
    seed: str,
    rate: float,
    settings: Settings,
    samples: Mapping[str, Samples],
) -> list[dict[str, Any]]:
    """Train one network, and return its learning curve."""
    if purpose == "tuning":
        settings = dataclasses.replace(settings, epochs=max(1, round(_networks.TUNING * settings.epochs)))
    entropy = child(seed_sequence(settings.seed), "training", seed if purpose == "tuning" else int(seed))
    widths = [samples["train"][0].shape[1], *settings.hidden, int(samples["train"][1].max()) + 1]
    masks = {} if arm == "dense" else _perceptrons.initial_masks(widths, epsilon, entropy)
    model = _perceptrons.network(widths, entropy, masks)
    evo = _perceptrons.evolution(arm, model, masks, settings, entropy) if masks else None
    scored, part = ("validation", "validation") if purpose == "tuning" else ("accuracy", "test")
    wanted = set(np.geomspace(1, settings.epochs, 9).round().astype(int).tolist())
    rows = []
    start = time.process_time()
    curve = _networks.fit(
        model,
        samples["train"],
        settings.training,
        rate=rate,
        seed=entropy,
        evo=evo,
        every_epoch=ARMS[arm].get("every") == "epoch",
    )
    for epoch, loss in curve:
        if epoch in wanted or math.isnan(loss):
            now = masks if evo is None else evo.masks
            row: dict[str, Any] = {"epoch": epoch, "edges": _networks.n_weights(model, now)}
            row["unreached"] = sum(int((~mask.any(axis=1)).sum()) for mask in now.values())
            row["loss"] = None if math.isnan(loss) else loss  # no NaN in JSON
            row[scored] = accuracy(_networks.outputs(model, samples[part][0]), samples[part][1].numpy())
            rows.append(row | {"cpu_seconds": round(time.process_time() - start, 1)})
    return rows


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
        difference of the last test accuracies of the same seed and its 95 % interval (infinite for one seed).
    """
    import pandas as pd

    groups = _units.tested(table).groupby(["epsilon", "arm"], sort=False)
    last = {cell: group.set_index("seed")["accuracy"] for cell, group in groups}
    rows = []
    for epsilon, arm in last:
        for against in ("fixed mask", "dense"):
            other = (math.inf, "dense") if against == "dense" else (epsilon, against)
            if arm in ("dense", against) or other not in last:
                continue
            gaps = (last[epsilon, arm] - last[other]).dropna().to_numpy()
            rows.append((epsilon, arm, against, len(gaps), *_units.interval(gaps)))
    return pd.DataFrame(rows, columns=["epsilon", "arm", "against", "n", "mean", "low", "high"])


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of the accuracy of SET.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of Claim
        One for each comparison and epsilon.
    """
    return list(judged(table).values())


def judged(table: pd.DataFrame) -> dict[tuple[float, str, str], Claim]:
    """Judge each way to evolve, by epsilon, arm, and what it is held against ("fixed mask" or "dense")."""
    found = differences(table)
    rows = found[found["arm"].isin((*REGIMES, DRAWN))].itertuples()
    return {(one.epsilon, one.arm, one.against): _compared(one) for one in rows}


def _compared(one: Any) -> Claim:
    """Judge the difference of an arm from another."""
    fixed = one.against == "fixed mask"
    least = 0.0 if fixed else -MARGIN
    words = (
        "more accurate than a fixed random mask"
        if fixed
        else f"at most {100 * MARGIN:g} points less accurate than a dense network"
    )
    return _units.judged(
        _interval(one),
        least,
        claim=f"{one.arm}, ε = {one.epsilon:g}: {words}",
        rule=_units.RULE.format(f"{100 * least:g} points"),
        published="fixed masks are worse" if fixed else "no decrease in accuracy",
        measured=f"{_interval(one).text(2, 100, '+')} points ({one.n} seeds)",
        seeds=one.n,
    )


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
    settings = Settings(**_units.settings_of(folder))
    last, tuned = _units.tested(table), table[table["purpose"] == "tuning"]
    tuned = tuned[tuned["epoch"] == tuned["epoch"].max()]
    rows = []
    for (epsilon, arm), group in last.groupby(["epsilon", "arm"], sort=False):
        rate = group["rate"].iloc[0]
        rows.append(
            (
                _name(epsilon, arm),
                f"{group['edges'].mean():,.0f}",
                f"{rate:g}",
                len(group),
                _units.interval(group["accuracy"]).text(2, 100),
                "" if group["unreached"].isna().any() else f"{group['unreached'].mean():.0f}",
                f"{group['cpu_seconds'].mean():.0f}",
            )
        )
    told = "\n".join(
        f"- *{arm}*: {TOLD[arm].format(steps=settings.steps, every=settings.every)}."
        for arm in dict.fromkeys(last["arm"])
    )
    head = ["network", "edges", "learning rate", "seeds", "test accuracy (%)", "neurons without inputs", "CPU seconds"]
    compared = [
        [_name(one.epsilon, one.arm), one.against, one.n, _interval(one).text(2, 100, "+")]
        for one in differences(table).itertuples()
    ]
    tried = tuned.pivot_table(index=["epsilon", "arm"], columns="rate", values="validation", sort=False)
    tried = tried[sorted(tried.columns)]
    rates = [
        [_name(*cell), *("" if math.isnan(value) else f"{100 * value:.2f}" for value in row)]
        for cell, row in zip(tried.index, tried.to_numpy(), strict=True)
    ]
    edge = _units.at_the_edge(table.assign(arm=list(map(_name, table["epsilon"], table["arm"]))))
    return "\n".join(
        [
            "## Accuracy of networks",
            "",
            TEXT.format(
                tuning=int(tuned["epoch"].max()),
                arms=told,
                widths="-".join(map(str, (_N_PIXELS, *settings.hidden, _N_CLASSES))),
                **dataclasses.asdict(settings),
            ),
            "",
            *markdown(head, rows),
            "",
            f"Neurons without inputs: those of the {sum(settings.hidden)} hidden ones that no edge enters at the end, "
            "the mean over seeds; empty where it was not counted.",
            "",
            *_sparsest(last, sum(settings.hidden)),
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
            *(["", edge] if edge else []),
        ]
    )


def _sparsest(last: pd.DataFrame, n_hidden: int) -> list[str]:
    """Return a paragraph on what the smallest epsilon shows, if SET was run with both kinds of new edges there."""
    rows = last[last["epsilon"] == last["epsilon"].min()].groupby("arm")[["accuracy", "unreached", "edges"]]
    reached, spread = rows.mean(), rows.std()["accuracy"]
    if not {"fixed mask", "SET, every n steps", DRAWN} <= set(reached.index):
        return []
    fixed, zero, drawn = (reached.loc[arm] for arm in ("fixed mask", "SET, every n steps", DRAWN))
    return [
        f"With ε = {last['epsilon'].min():g} about {zero['edges']:,.0f} edges are left. New edges at 0 then reach "
        f"{100 * zero['accuracy']:.2f} % (standard deviation over seeds {100 * spread['SET, every n steps']:.2f}), "
        f"drawn ones {100 * drawn['accuracy']:.2f} % ({100 * spread[DRAWN]:.2f}), the fixed mask "
        f"{100 * fixed['accuracy']:.2f} % ({100 * spread['fixed mask']:.2f}), while {zero['unreached']:.0f}, "
        f"{drawn['unreached']:.0f} and {fixed['unreached']:.0f} of {n_hidden} hidden neurons have no edge that "
        "enters them.",
        "",
    ]


def short(table: pd.DataFrame) -> str:
    """Return one sentence on what was found."""
    last = _units.tested(table)
    means = last.groupby(["epsilon", "arm"])["accuracy"].mean()
    told = []
    for epsilon in sorted(set(last["epsilon"]) - {math.inf}, reverse=True):
        here = means[epsilon]
        evolving = [arm for arm in here.index if arm != "fixed mask"]
        best = here[evolving].idxmax()
        told.append(
            f"ε = {epsilon:g}: {100 * here[best]:.2f} % at best ({best}), fixed mask {100 * here['fixed mask']:.2f} %"
        )
    dense = f" (dense: {100 * means[math.inf, 'dense']:.2f} %)" if (math.inf, "dense") in means else ""
    return f"Networks on images{dense}: {'; '.join(told)}."


def figures(table: pd.DataFrame, folder: str | os.PathLike[str]) -> dict[str, Figure]:
    """Return the figures of the section by the names of their files; all of them are drawn from the table."""
    from nngraph import plot

    return {
        "curves": plot.accuracy_curves(table[table["purpose"] == "test"]),
        "differences": plot.paired_differences(_units.tested(table)),
    }


def _name(epsilon: float, arm: str) -> str:
    return arm if math.isinf(epsilon) else f"{arm}, ε = {epsilon:g}"


def _interval(one: Any) -> _units.Interval:
    return _units.Interval(one.mean, one.low, one.high)
