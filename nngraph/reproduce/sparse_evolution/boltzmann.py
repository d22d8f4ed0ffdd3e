"""Restricted Boltzmann machines whose graph evolves, beside dense and fixed ones, and the pixels that they choose."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._folders import opened
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.sparse_evolution import _arms, _machines, _units
from nngraph.reproduce.sparse_evolution._machines import FEWEST_CHAINS, SETTINGS, Settings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["ARMS", "SETTINGS", "Settings", "claims", "figures", "judged", "run", "section", "short"]

ARMS = ("dense", "dense, as many weights", "fixed mask", "SET")
CORRELATION = 0.3
"""How far a rank correlation of degrees is to lie above its controls to count as a concentration."""
CONCENTRATIONS = {
    "pixel_core_rho": "leave blank pixels for informative ones (all pixels)",
    "pixel_core_among_rho": "concentrate on the most informative pixels (among the half that varies most)",
}
LIKE = {
    "dense": "the dense machine with the same hidden units",
    "dense, as many weights": "a dense machine with as many weights",
    "fixed mask": "the same random support kept fixed",
}
PUBLISHED = {"dense": "it has", "dense, as many weights": "not compared", "fixed mask": "SET is higher"}
PANELS = {"degree at the start": "start", "degree at the end": "graph", "degree, core": "core", "variance": "variance"}
TEXT = """## Restricted Boltzmann machines

Visible units are the 784 pixels of images, on where there is more than half of the ink; the published study has MNIST,
which "digits" on the same canvas stands in for. Contrastive divergence with one Gibbs step, momentum 0.9, weight decay
2e-4. All arms have the same epochs; at the end the learning rate is a tenth and nothing is rewired. The rate of each
arm is the one with the best validation log-likelihood of a machine of its own seed. *Dense, as many weights* has as
many weights as SET and therefore few hidden units, *fixed mask* begins with the supports of SET and keeps them,
*node-blind* rewires them as often on random weights. log Z is by annealed importance sampling from the independent
pixels, or summed over all states. Estimates of log Z are too low, and likelihoods too high, where few chains count;
where fewer than 2 do, there are 4 and then 16 times as many temperatures."""


def run(
    folder: str | os.PathLike[str],
    *,
    studies: Sequence[Settings] = (SETTINGS["digits"],),
    arms: Sequence[str] = ARMS,
    root: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Choose a learning rate for every arm, train every arm from every seed, and estimate log-likelihoods.

    Parameters
    ----------
    folder : path
        Keeps, in a folder for each data set, the numbers of every finished machine and the degrees of the pixels of SET
        (``pixels_<seed>.npz``).
    studies : sequence of Settings
        One for each data set.
    arms : sequence of str
        "dense"; "dense, as many weights": with fewer hidden units; "fixed mask" and "SET": of one initial support.
    root : path, optional
        Folder of the files of the data sets.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        data, purpose ("tuning" or "test"), arm, seed, rate, hidden (units), edges, epoch, mean log-likelihood (nats) of
        train, validation and test images, error (standard error of log Z), effective (number of chains) and
        temperatures, which are 0 or empty where log Z is exact; one row "independent pixels". The last epoch of "SET"
        and "fixed mask", and "node-blind" (the initial support of SET rewired as often on random weights), have also
        ``pixel_rho``, the rank correlation of the degree of a pixel with its variance, ``pixel_among_rho``, the same
        among the half of the pixels that varies most without those that never vary, ``pixel_share``, the share of edges
        at that half, and all three of the core of the last rewiring, ``pixel_core_rho`` and so on.

    Raises
    ------
    DatasetError
        If the files are not found.
    StudyError
        If the folder holds results of other settings.
    """
    import pandas as pd

    return pd.concat([_run(Path(folder) / one.data, one, arms, root, n_jobs) for one in studies], ignore_index=True)


def _run(
    folder: Path, settings: Settings, arms: Sequence[str], root: str | os.PathLike[str] | None, n_jobs: int
) -> pd.DataFrame:
    import pandas as pd

    place, found = opened(folder, _identity(settings)), _machines.samples(settings, root=root)
    variance = found["train"].var(axis=0)
    unit = functools.partial(_machines.unit, settings=settings, found=found, place=place)
    tables = _units.study(unit, dict.fromkeys(arms, settings.rates), settings.seeds, n_jobs=n_jobs)
    rows = {name: _machines.independent(found["train"], x) for name, x in found.items()}
    ending = {"purpose": "test", "epoch": settings.epochs}
    tables.append(pd.DataFrame([{**ending, "arm": "independent pixels", **rows}]))
    if "SET" in arms:
        tables.append(
            pd.DataFrame(
                [{**ending, **_machines.blind(settings, str(seed), variance)} for seed in range(settings.seeds)]
            )
        )
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "data", settings.data)
    return table


def _identity(settings: Settings) -> dict[str, Any]:
    """Return what the machines of a folder share: more seeds and rates can be added to it."""
    return {key: value for key, value in dataclasses.asdict(settings).items() if key not in ("rates", "seeds")}


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of machines whose graph evolves.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of Claim
    """
    return [claim for name, whole in table.groupby("data", sort=False) for claim in judged(whole, str(name)).values()]


def judged(table: pd.DataFrame, name: str) -> dict[str, Claim]:
    """Judge the machines of one data set; by the arm that SET is held against, and by the column of correlations."""
    last = _units.tested(table)
    found = {other: _likelier(name, last, other) for other in LIKE}
    return found | {column: _concentrated(name, last, column) for column in CONCENTRATIONS}


def _likelier(name: str, last: pd.DataFrame, other: str) -> Claim:
    """Judge whether SET has the log-likelihood of another arm."""
    difference = _units.paired(last, "test", "SET", other)
    claim = _units.judged(
        difference,
        claim=f"RBM on {name}: SET has at least the log-likelihood of {LIKE[other]}",
        rule=f"{_units.RULE.format('0 nats')}; also undecided where an estimate for SET has fewer than "
        f"{FEWEST_CHAINS:g} effective chains, as such estimates are too high",
        published=PUBLISHED[other],
        measured=f"{difference.text(1, sign='+')} nats",
        seeds=last["seed"].nunique(),
    )
    if float(last.loc[last["arm"] == "SET", "effective"].min()) < FEWEST_CHAINS:
        return dataclasses.replace(claim, verdict="undecided", counts="does not hold")
    return claim


def _concentrated(name: str, last: pd.DataFrame, column: str) -> Claim:
    """Judge whether the degrees of pixels follow their variance, beyond what they do without training."""
    controls = {other: _units.paired(last, column, "SET", other) for other in ("node-blind", "fixed mask")}
    least = min(controls.values(), key=lambda one: one.low)
    means = last.groupby("arm")[column].mean()
    rho = _units.interval(last.loc[last["arm"] == "SET", column])
    return _units.judged(
        least,
        CORRELATION,
        claim=f"RBM on {name}: visible degrees of the core {CONCENTRATIONS[column]}",
        rule="rank correlation of degree and variance over these pixels, less that of node-blind rewiring and "
        f"less that of the fixed mask, the smaller of the two: {_units.RULE.format(f'{CORRELATION:g}')}",
        published="they do (connectivity maps)",
        measured=f"ρ = {rho.text(2)}, {least.text(2, sign='+')} above the controls",
        control="; ".join(f"{other} ρ = {means[other]:+.2f}" for other in controls),
        seeds=last["seed"].nunique(),
    )


def section(table: pd.DataFrame, folder: str | os.PathLike[str]) -> str:
    """Return the section on these machines in Markdown.

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
    parts = [
        _part(name, rows, _units.settings_of(Path(folder) / name)) for name, rows in table.groupby("data", sort=False)
    ]
    return "\n".join([TEXT, *(line for part in parts for line in part)])


def short(table: pd.DataFrame) -> str:
    """Return one sentence on what was found."""
    means = _units.tested(table).groupby("arm", sort=False)["test"].mean().dropna()
    return f"Boltzmann machines, nats an image: {'; '.join(f'{arm} {value:.1f}' for arm, value in means.items())}."


def _part(name: str, table: pd.DataFrame, known: dict[str, Any]) -> list[str]:
    """Return the lines on one data set."""
    last = _units.tested(table)
    settings = Settings(**known)
    rows, pixels = [], []
    for arm, group in last.groupby("arm", sort=False):
        if group["test"].notna().any():
            one = len(group) == 1
            exact = "" if one else f"{group['error'].mean():.2f}, {group['effective'].min():.1f}"
            rows.append(
                [
                    arm,
                    *("" if one else f"{group[column].mean():,.0f}" for column in ("hidden", "edges")),
                    "" if one else f"{group['rate'].iloc[0]:g}",
                    f"{group['test'].mean():.1f}" if one else _units.interval(group["test"]).text(),
                    f"{group['train'].mean():.1f}",
                    exact if group["effective"].notna().any() else "" if one else "summed",
                ]
            )
        if group["pixel_rho"].notna().any():
            columns = ("pixel_rho", "pixel_core_rho", "pixel_core_among_rho", "pixel_share", "pixel_core_share")
            pixels.append([arm, *(_units.interval(group[column]).text(2) for column in columns)])
    differences = [[other, _units.paired(last, "test", "SET", other).text(1, sign="+")] for other in LIKE]
    rewired = int(last.loc[last["arm"] == "SET", "rewirings"].iloc[0])
    return [
        "",
        f"### {name}",
        "",
        f"{settings.n_train:,} training images, {settings.epochs} epochs in batches of {settings.batch}, the last "
        f"{settings.settle:.0%} with a tenth of the rate; ε = {settings.epsilon:g}, ζ = {settings.zeta:g}; SET rewires "
        f"{rewired} times, {settings.every} updates apart. Log-likelihoods in nats an image, mean and 95 % interval "
        f"over {last['seed'].nunique()} seeds; log Z from {settings.chains} chains of {settings.temperatures:,} "
        "temperatures or more.",
        "",
        *markdown(
            ["machine", "hidden", "weights", "rate", "test", "training", "log Z: error, least effective chains"], rows
        ),
        "",
        *([edge, ""] if (edge := _units.at_the_edge(table)) else []),
        "Paired differences of the test log-likelihood (nats):",
        "",
        *markdown(["SET less", "difference"], differences),
        "",
        f"![log-likelihood against weights](pictures/sparse_evolution_boltzmann_{name}.png)",
        "",
        "Degrees of visible units: rank correlation with the variance of the pixel, over all and among the half of the "
        "pixels that varies most (without those that never vary), and share of the edges at that half (0.5 without "
        "preference).",
        "",
        *markdown(["support", "ρ", "ρ, core", "ρ, core, among the half", "share", "share, core"], pixels),
        "",
        f"![degrees of pixels](pictures/sparse_evolution_pixels_{name}.png)",
    ]


def figures(table: pd.DataFrame, folder: str | os.PathLike[str]) -> dict[str, Figure]:
    """Return the figures of the section by the ends of the names of their files.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in, with the degrees of pixels.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        For each data set the log-likelihoods, and the degrees of pixels of the first seed.
    """
    from nngraph import plot

    found: dict[str, Figure] = {}
    for name, rows in table.groupby("data", sort=False):
        last = _units.tested(rows)
        label = "test log-likelihood (nats an image)"
        found[f"boltzmann_{name}"] = _arms.figure(last, "test", size="edges", label=label)
        with np.load(Path(folder) / name / "pixels_0.npz") as kept:
            side = round(len(kept["variance"]) ** 0.5)
            maps = {title: kept[key].reshape(side, side) for title, key in PANELS.items()}
        found[f"pixels_{name}"] = plot.pixel_maps(maps)
    return found
