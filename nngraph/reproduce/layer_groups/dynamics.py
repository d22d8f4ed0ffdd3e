"""Distances between layers through the training of Model 0, beside its loss and accuracy on held-out pairs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nngraph.checkpoints import Dynamics, training_dynamics
from nngraph.io._atomic import replacing
from nngraph.metrics import accuracy, cross_entropy
from nngraph.reproduce.layer_groups import modular

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claim", "follow", "run"]

COMMAND = "python -m nngraph.reproduce.layer_groups dynamics --out FOLDER"
CONTROLS = ("none", "step", "differences")
SIGNS = {"loss": -1, "accuracy": 1}
"""In which direction the paper sees the mean distance move with a score."""
RULE = """it holds if all correlations have these signs: without a control, with the step held fixed, and of the
differences from each checkpoint to the next; in part if those without a control have them. Where a correlation is not
defined its sign is not there"""


def scores(model: nn.Module) -> dict[str, float]:
    """Return loss (nats) and accuracy of Model 0 on the held-out pairs, read at the last position."""
    rows = modular.split()[1]
    with torch.inference_mode():
        logits = model(torch.from_numpy(modular.pairs()[rows]))[:, -1].numpy()
    answers = modular.targets("0")["c"][rows]
    return {"loss": cross_entropy(logits, answers), "accuracy": accuracy(logits, answers)}


def follow(measure: str = "gw", *, n: int = 100, folder: str | os.PathLike[str] | None = None) -> Dynamics:
    """Map the stored checkpoints of Model 0 on the same pairs.

    Parameters
    ----------
    measure : str
        As for :func:`nngraph.similarity.matrix`.
    n : int
        Number of pairs.
    folder : path, optional
        Keeps each finished map.

    Returns
    -------
    Dynamics
        With loss and accuracy on the held-out pairs.
    """
    checkpoints = ((step, modular.load("0", step=step)) for step in modular.stored_steps("0"))
    return training_dynamics(checkpoints, modular.pairs(), measure=measure, n=n, scores=scores, folder=folder)


def claim(found: Dynamics) -> tuple[str, str]:
    """Return the verdict on "the mean distance grows with the accuracy and falls with the loss", by ``RULE``."""
    table = found.correlations().set_index(["control", "score"])["rho"]
    right = {control: all(sign * table[control, score] > 0 for score, sign in SIGNS.items()) for control in CONTROLS}
    verdict = "holds" if all(right.values()) else "holds in part" if right["none"] else "does not hold"
    parts = [
        f"{control}: " + ", ".join(f"{score} {_number(table[control, score])}" for score in SIGNS)
        for control in CONTROLS
    ]
    return verdict, "; ".join(parts)


def _number(rho: float) -> str:
    return "not defined" if np.isnan(rho) else f"{rho:+.2f}"


def run(out: str | os.PathLike[str], *, sizes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Follow Model 0 under some measures, judge the claim, and write the page with its table and figure.

    Parameters
    ----------
    out : path
        Folder: maps by measure, dynamics.csv, layer_groups_dynamics.md, a picture. A run that was stopped goes on.
    sizes : mapping of str to int, optional
        Number of pairs by measure; by default 100 for "gw" and 1,000 for "cka" and "rsa".

    Returns
    -------
    pandas.DataFrame
        measure, step, mean_distance, loss, accuracy.
    """
    import pandas as pd

    from nngraph import plot

    folder = Path(out)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    sizes = {"gw": 100, "cka": 1000, "rsa": 1000} if sizes is None else sizes
    followed = {measure: follow(measure, n=n, folder=folder / measure) for measure, n in sizes.items()}
    table = pd.concat([found.table.assign(measure=measure) for measure, found in followed.items()], ignore_index=True)
    table = table[["measure", *table.columns[:-1]]]
    with replacing(folder / "dynamics.csv") as file:
        table.to_csv(file, index=False)
    with replacing(folder / "pictures" / "layers_dynamics.png") as file:
        plot.dynamics(followed[next(iter(sizes))]).savefig(file, format="png", dpi=130)
    with replacing(folder / "layer_groups_dynamics.md") as file:
        file.write(_page(followed, sizes).encode())
    return table


def _page(followed: Mapping[str, Dynamics], sizes: Mapping[str, int]) -> str:
    judged = {measure: claim(found) for measure, found in followed.items()}
    claims = [f"| {m} | {sizes[m]:,} | {verdict} | {why} |" for m, (verdict, why) in judged.items()]
    first = next(iter(followed.values())).table
    names = list(followed)
    gaps = np.diff(first["step"])
    rows = [
        f"| {row.step} | {row.loss:.3f} | {row.accuracy:.3f} | "
        + " | ".join(f"{followed[m].table['mean_distance'].iloc[i]:.4f}" for m in names)
        + " |"
        for i, row in enumerate(first.itertuples())
    ]
    return f"""# Distances between layers in training

The paper (arXiv:2410.16484, Figures 6 and 7) sees the mean distance between layers grow with the score of a network and
fall with its loss, in fine-tuning of a language model. Asked here of Model 0, trained from its start, at the
{len(first)} stored checkpoints; loss and accuracy are on held-out pairs. Weights on the way are
stored in 8 bits: their maps and scores are of the rounded weights, those of the last step of half precision, those of
step 0 of full. The checkpoints lie {gaps.min()} to {gaps.max()} steps apart: a difference from
one to the next is not of equal times.
All of this page is made by `{COMMAND}`.

| measure | pairs | the mean distance grows with accuracy and falls with loss | rank correlations, by control |
| --- | --- | --- | --- |
{chr(10).join(claims)}

The rule: {RULE}. Whatever moves through training in one direction
correlates with whatever else does: time is a common cause, which the controls are for. {len(first)} checkpoints of one
run are few, and not independent: there are no p-values.

| step | loss (nats) | accuracy | {" | ".join(f"mean distance, {m}" for m in names)} |
| {" | ".join(["---"] * (3 + len(names)))} |
{chr(10).join(rows)}

![mean distance and scores](pictures/layers_dynamics.png)

Mean distance ({names[0]}; grey: of each tap to the one before), loss and accuracy against the step.
"""
