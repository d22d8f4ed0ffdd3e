"""Kinds of networks that are compared: their trainings, and the tables and figures of what they reached."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nngraph._rng import child, seed_sequence
from nngraph.metrics import accuracy, auc
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.sparse_evolution import _networks, _units
from nngraph.reproduce.sparse_evolution._networks import Samples, Training
from nngraph.sparse import SET

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Arm", "described", "figure", "judged", "lines", "means", "study"]


@dataclasses.dataclass(frozen=True)
class Arm:
    """A kind of network that is compared with others."""

    build: Callable[[], nn.Module]
    """Makes the network; its weights are drawn later."""
    sparse: bool = False
    """Whether its linear layers but the last begin with random supports."""
    evolve: bool = False
    """Whether the supports evolve."""


def study(
    place: Path,
    samples: Mapping[str, Samples],
    arms: Mapping[str, Arm],
    training: Training,
    *,
    epsilon: float,
    rates: Sequence[float],
    seeds: int,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Choose a learning rate for each arm on the validation samples, train each from every seed, test the last weights.

    Returns ``purpose`` ("tuning" or "test"), ``arm``, ``seed``, ``rate``, ``weights`` (present), ``validation`` and
    ``accuracy`` (of test samples, only where the purpose is "test"), ``auc`` of two classes, ``cpu_seconds``. Each
    network is kept in a file of ``place``. A rate is chosen by a training of ``TUNING`` of the epochs.
    """
    import pandas as pd

    def unit(purpose: str, arm: str, seed: str, rate: float) -> pd.DataFrame:
        return _units.kept(
            _units.file_of(place, purpose, arm, seed, rate),
            lambda: [_trained(purpose, arm, seed, rate, samples, arms[arm], training, epsilon)],
        )

    return pd.concat(_units.study(unit, dict.fromkeys(arms, tuple(rates)), seeds, n_jobs=n_jobs), ignore_index=True)


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
        training = dataclasses.replace(training, epochs=max(1, round(_networks.TUNING * training.epochs)))
    model = _networks.built(arm.build)
    masks = _networks.supports(model, epsilon, entropy) if arm.sparse else {}
    _networks.initialize(model, masks, entropy)
    start, evo = time.process_time(), None
    if masks:
        steps = training.epochs * (len(samples["train"][1]) // training.batch)
        stop = round(training.stop * steps) if arm.evolve else 0
        rewiring = child(entropy, "rewiring")
        evo = SET.from_masks(model, masks, zeta=training.zeta, every=training.every, stop=stop, rng=rewiring)
    for _ in _networks.fit(model, samples["train"], training, rate=rate, seed=entropy, evo=evo, fused=False, first=0):
        pass
    row = {"purpose": purpose, "arm": name, "seed": seed, "rate": rate, "weights": _networks.n_weights(model, masks)}
    row["cpu_seconds"] = time.process_time() - start
    row["rewirings"] = 0 if evo is None else evo.history["step"].nunique()
    outputs = {part: _networks.outputs(model, samples[part][0]) for part in ("validation", "test")}
    row["validation"] = accuracy(outputs["validation"], samples["validation"][1].numpy())
    if purpose == "test":
        logits, labels = outputs["test"], samples["test"][1].numpy()
        row["accuracy"] = accuracy(logits, labels)
        if logits.shape[1] == 2:
            row["auc"] = auc(logits, labels)
    return row


def described(training: Training) -> str:
    """Return a sentence on how networks were trained."""
    return (
        f"{training.epochs} epochs in batches of {training.batch}, momentum {training.momentum:g}, weight decay "
        f"{training.weight_decay:g}; SET rewires every {training.every} steps with ζ = {training.zeta:g}, and no more "
        f"after {training.stop:.0%} of the steps."
    )


def means(table: pd.DataFrame) -> str:
    """Return the mean test accuracy of every arm in words."""
    found = _units.tested(table).groupby("arm", sort=False)["accuracy"].mean()
    return "; ".join(f"{arm} {100 * value:.2f} %" for arm, value in found.items())


def judged(last: pd.DataFrame, subject: str, compared: Sequence[tuple[str, str, float, str]]) -> dict[str, Claim]:
    """Return the claims on the accuracy of SET beside other arms, by the other arm.

    Each comparison is another arm, the claim in words, the least difference of accuracies in [0, 1], and what was
    published.
    """
    found = {}
    for other, words, least, published in compared:
        difference = _units.paired(last, "accuracy", "SET", other)
        found[other] = _units.judged(
            difference,
            least,
            claim=f"{subject} {words}",
            rule=_units.RULE.format(f"{100 * least:g} points"),
            published=published,
            measured=f"{difference.text(2, 100, '+')} points",
            seeds=last["seed"].nunique(),
        )
    return found


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
        f"Means and 95 % intervals over {last['seed'].nunique()} seeds. {_units.at_the_edge(table)}".rstrip(),
        "",
        "Paired differences (points):",
        "",
        *markdown([f"{arm} less", *titles], differences),
    ]
