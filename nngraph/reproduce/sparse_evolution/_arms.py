"""Networks whose dense layers are complete, have fixed random supports, or evolve: how they start and are trained."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nngraph._progress import progress
from nngraph._rng import child, generator, seed_sequence
from nngraph.metrics import accuracy, auc
from nngraph.reproduce._folders import markdown
from nngraph.reproduce.sparse_evolution import _units
from nngraph.sparse import SET, erdos_renyi_mask
from nngraph.training import single_thread

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "TUNING",
    "Arm",
    "Samples",
    "Training",
    "fit",
    "initialize",
    "lines",
    "n_weights",
    "outputs",
    "study",
    "supports",
]

Samples = tuple[torch.Tensor, torch.Tensor]
TUNING = 0.4
"""Share of the epochs for which learning rates are tried."""


@dataclasses.dataclass(frozen=True)
class Arm:
    """A kind of network that is compared with others."""

    build: Callable[[], nn.Module]
    """Makes the network, on torch's meta device: weights are drawn later."""
    sparse: bool = False
    """Whether its linear layers but the last begin with random supports."""
    evolve: bool = False
    """Whether the supports evolve."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What all arms share: gradient descent with momentum, cross-entropy, learning rate by a half cosine."""

    epochs: int
    batch: int
    every: int
    """Steps between rewirings of SET."""
    zeta: float = 0.3
    stop: float = 0.8
    """Share of the steps after which nothing is rewired."""
    momentum: float = 0.9
    weight_decay: float = 2e-4


def supports(model: nn.Module, epsilon: float, seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
    """Return random supports for all linear layers but the last, by the name of the layer."""
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return {
        name: erdos_renyi_mask(linear[name].out_features, linear[name].in_features, epsilon, rng=child(seed, name))
        for name in list(linear)[:-1]
    }


def initialize(model: nn.Module, masks: Mapping[str, np.ndarray], seed: np.random.SeedSequence) -> None:
    """Draw weights of variance 2 / (mean number of edges into a neuron), the same draws in all arms; biases 0."""
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            nn.init.zeros_(parameter)
            continue
        mask = masks.get(name.removesuffix(".weight"))
        n_in = math.prod(parameter.shape[1:]) if mask is None else max(mask.sum() / len(mask), 1)
        draw = generator(child(seed, "weights", name)).standard_normal(tuple(parameter.shape), dtype=np.float32)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(draw * np.float32(math.sqrt(2 / n_in))))


def fit(
    model: nn.Module,
    samples: Samples,
    training: Training,
    *,
    rate: float,
    masks: Mapping[str, np.ndarray],
    evolve: bool,
    seed: np.random.SeedSequence,
) -> SET | None:
    """Train in place from the weights that are there; return what held the supports, None without any.

    The order of the samples depends on the seed alone, so that all arms of a seed see the same batches.
    """
    steps = training.epochs * (len(samples[1]) // training.batch)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=training.momentum, weight_decay=training.weight_decay
    )
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    evo = None
    if masks:
        stop = round(training.stop * steps) if evolve else 0
        evo = SET.from_masks(
            model, masks, zeta=training.zeta, every=training.every, stop=stop, rng=child(seed, "rewiring")
        )
    model.train()
    with single_thread():
        for epoch in range(training.epochs):
            order = torch.from_numpy(generator(child(seed, "batches", epoch)).permutation(len(samples[1])))
            for rows in order.split(training.batch):
                if len(rows) < training.batch:
                    continue
                optimizer.zero_grad()
                F.cross_entropy(model(samples[0][rows]), samples[1][rows]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                falling.step()
                if evo is not None:
                    evo.after_step(optimizer)
    model.eval()
    return evo


def outputs(model: nn.Module, x: torch.Tensor) -> np.ndarray:
    """Return the logits of samples."""
    with torch.inference_mode():
        return np.concatenate([model(batch).numpy() for batch in x.split(1000)])


def n_weights(model: nn.Module, masks: Mapping[str, np.ndarray]) -> int:
    """Return the number of weights that are present, convolutions with the others, biases left out."""
    return sum(
        int(masks[name.removesuffix(".weight")].sum()) if name.removesuffix(".weight") in masks else parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2
    )


def study(
    place: Path,
    samples: Mapping[str, Samples],
    arms: Mapping[str, Arm],
    training: Training,
    *,
    epsilon: float,
    rates: Sequence[float],
    seeds: int,
) -> pd.DataFrame:
    """Choose a learning rate for each arm on the validation samples, train each from every seed, test the last weights.

    Returns ``purpose`` ("tuning" or "test"), ``arm``, ``seed``, ``rate``, ``weights`` (present), ``validation`` and
    ``accuracy`` (of test samples, only where the purpose is "test"), ``auc`` of two classes, ``cpu_seconds``. Each
    network is kept in a file of ``place``. A rate is chosen by a training of ``TUNING`` of the epochs.
    """
    import pandas as pd

    def unit(purpose: str, arm: str, seed: str, rate: float) -> dict[str, Any]:
        file = place / f"{purpose} {arm} {seed} {rate:g}.json".replace(",", "").replace(" ", "_")
        found: dict[str, Any] = _units.kept(
            file, lambda: _trained(purpose, arm, seed, rate, samples, arms[arm], training, epsilon)
        )
        return found

    best, rows = dict.fromkeys(arms, float(rates[0])), []
    if len(rates) > 1:
        tried = [(arm, rate) for arm in arms for rate in rates]
        rows = [unit("tuning", arm, "tuning", rate) for arm, rate in progress(tried, total=len(tried), label="rates")]
        best = _units.chosen(pd.DataFrame(rows))
    jobs = [(arm, str(seed)) for seed in range(seeds) for arm in arms]
    rows += [unit("test", arm, seed, best[arm]) for arm, seed in progress(jobs, total=len(jobs), label="networks")]
    return pd.DataFrame(rows)


def _trained(
    purpose: str,
    name: str,
    seed: str,
    rate: float,
    samples: Mapping[str, Samples],
    arm: Arm,
    training: Training,
    epsilon: float,
) -> dict[str, Any]:
    entropy = child(seed_sequence(0), "training", seed)
    if purpose == "tuning":
        training = dataclasses.replace(training, epochs=max(1, round(TUNING * training.epochs)))
    with torch.device("meta"):
        model = arm.build()
    model.to_empty(device="cpu")
    masks = supports(model, epsilon, entropy) if arm.sparse else {}
    initialize(model, masks, entropy)
    start = time.process_time()
    evo = fit(model, samples["train"], training, rate=rate, masks=masks, evolve=arm.evolve, seed=entropy)
    row = {"purpose": purpose, "arm": name, "seed": seed, "rate": rate, "weights": n_weights(model, masks)}
    row["cpu_seconds"] = time.process_time() - start
    row["rewirings"] = 0 if evo is None else evo.history["step"].nunique()
    row["validation"] = accuracy(outputs(model, samples["validation"][0]), samples["validation"][1].numpy())
    if purpose == "test":
        logits, labels = outputs(model, samples["test"][0]), samples["test"][1].numpy()
        row["accuracy"] = accuracy(logits, labels)
        if logits.shape[1] == 2:
            row["auc"] = auc(logits, labels)
    return row


def figure(table: pd.DataFrame, score: str = "accuracy", *, size: str = "weights", label: str = "") -> Figure:
    """Return a figure of scores against numbers of weights."""
    from nngraph import plot

    made: Any = plot.scores_by_size(table, score, size=size, label=label).get_figure()
    return made  # type: ignore[no-any-return]


def lines(table: pd.DataFrame, arm: str) -> list[str]:
    """Return a table of all arms in Markdown, and one of the paired differences of an arm to the others."""
    last, rows = _units.tested(table), []
    scores = [column for column in ("accuracy", "auc") if column in table]
    for name, group in last.groupby("arm", sort=False):
        found = [f"{100 * group['validation'].mean():.2f}"]
        found += [_units.interval(group[score]).text(2, 100) for score in scores]
        seconds = f"{group['cpu_seconds'].mean():.0f}"
        rows.append([name, f"{group['weights'].mean():,.0f}", f"{group['rate'].iloc[0]:g}", *found, seconds])
    rows += [
        [one["arm"], "", "", "", *(f"{100 * one[score]:.2f}" for score in scores), ""]
        for one in table[table["purpose"] == "baseline"].to_dict("records")
    ]
    others = [name for name in last["arm"].unique() if name != arm]
    differences = [
        [other, *(_units.paired(last, score, arm, other).text(2, 100, "+") for score in scores)] for other in others
    ]
    titles = [{"accuracy": "test accuracy (%)", "auc": "area under ROC curve (%)"}[score] for score in scores]
    return [
        *markdown(["network", "weights", "rate", "validation accuracy (%)", *titles, "CPU seconds"], rows),
        "",
        f"Means and 95 % intervals over {last['seed'].nunique()} seeds. {_units.at_the_edge(table)}",
        "",
        "Paired differences (points):",
        "",
        *markdown([f"{arm} less", *titles], differences),
    ]
