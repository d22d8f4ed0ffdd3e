"""The rows of the ledger on neural capacitance: one study of trajectories, and what theorems say of beta_eff."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.reproduce import _claims
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._rows import always
from nngraph.reproduce.ledger import Context, Experiment, Row

if TYPE_CHECKING:
    from nngraph.reproduce.capacitance.claims import Study

__all__ = ["EXPERIMENTS"]

ADDED = "not in the paper"
STORED = " (stored record of training)"
"""Data of rows at quick scale, which trains nothing: the seed of the ledger changes nothing in them."""
IMAGENET = "weights of models trained on ImageNet"
MISSING = {
    "03": (
        "Fig. 3a",
        "beta_eff = 0 predicts the accuracy at epoch 50 of seven types of ImageNet models on CIFAR-10",
        "rho = 0.92 (0.93 with AlexNet; predicted .871, true .868)",
        "CIFAR-10",
        f"{IMAGENET}, cifar-10-batches-py",
        "03a",
    ),
    "04": (
        "Fig. 3b,c",
        "The ranking of ImageNet models on CIFAR-10 hangs little on the first epoch and the size of the training set",
        "curves, no number",
        "CIFAR-10",
        f"{IMAGENET}, cifar-10-batches-py",
        "04a",
    ),
    "05": (
        "Fig. 4",
        "beta_eff ranks 17 ImageNet models on CIFAR-10, CIFAR-100, SVHN, Fashion-MNIST and Birds",
        "rho for each, no number at hand",
        "five data sets",
        f"{IMAGENET}, cifar-10-batches-py, cifar-100-python, train_32x32.mat, CUB_200_2011",
        "05a",
    ),
    "05b": (
        "NAS benchmark",
        "beta_eff ranks architectures of a search space",
        "no number at hand",
        "NAS-Bench-201",
        "NAS-Bench-201-v1_1-096897.pth",
        "03a",
    ),
}
"""Rows whose data cannot be had: source, statement, what the authors report, data, missing files, stand-in."""
ROWS = {
    "01": ("the line graph has an edge", "Fig. 1", "networks of given layers, without samples to learn", ""),
    "02": ("beta_eff tends to 0", "Theorem 1", "", "trajectories.png"),
    "03a": ("beta_eff = 0 predicts the ranking", "stand-in for Fig. 3a", "", "predicted.png"),
    "03b": ("the prediction at beta_eff = 0", "stand-in for Fig. 3a", "", "predicted.png"),
    "04a": ("the ranking hangs little on the epoch", "stand-in for Fig. 3b", "", "sensitivity.png"),
    "04b": ("the ranking hangs little on the size", "stand-in for Fig. 3c", "", "sensitivity.png"),
    "05a": ("beta_eff ranks candidates on every", "stand-in for Fig. 4", "", "predicted.png"),
    "06": ("beta_eff ranks better", "comparison with cheaper predictors", "", "predicted.png"),
}
"""By number: how the claim begins, where it is from, data if not those of the study, and its picture."""
PUBLISHED = {
    "02": "it does",
    "03a": "rho = 0.92",
    "03b": ".871 for .868",
    "05a": "it does",
    "06": "it does",
}


def _row(number: str, claim: Claim, **about: Any) -> Row:
    return _claims.row(claim, key=f"capacitance-{number}", **about)


def _study(context: Context) -> list[Row]:
    """Judge every claim on trajectories: those that come with the package, or at full scale of networks trained here.

    The tasks are those of the study, whatever data set is asked for.
    """
    from nngraph.reproduce.capacitance import page, runs
    from nngraph.reproduce.capacitance.claims import Study

    stored = STORED if context.scale == "quick" else ""
    if context.scale == "quick":
        study = Study(*runs.stored(), n_boot=300)
    else:
        study = Study(*runs.train(context.folder / "results", root=context.root))
    for name, figure in page.figures(study):
        _claims.save(figure, context.folder / f"{name}.png")
    judged = {one.claim: one for one in study.verdicts()}
    every = ", ".join(_claims.DATA.get(task, task) for task in dict.fromkeys(task for _, task in study.settings))
    rows = []
    for number, (start, source, data, picture) in ROWS.items():
        (claim,) = (one for name, one in judged.items() if name.startswith(start))
        statement = claim.claim.replace("seven types of models", "small networks")
        claim = dataclasses.replace(claim, claim=statement, published=PUBLISHED.get(number, "no number"))
        where = data or (every if number in ("02", "05a", "06") else _claims.DATA[study.first_task]) + stored
        rows.append(_row(number, claim, source=source, data=where, figure=picture))
    criteria = {row.key: row.criterion for row in rows}
    rows += [
        _claims.untestable(
            key=f"capacitance-{number}",
            source=source,
            statement=statement,
            criterion=criteria[f"capacitance-{stand_in}"],
            authors=authors,
            data=data,
            missing=missing,
            stand_in=f"capacitance-{stand_in}",
        )
        for number, (source, statement, authors, data, missing, stand_in) in MISSING.items()
    ]
    about = {"source": ADDED, "data": _claims.DATA[study.first_task] + stored, "figure": "predicted.png"}
    rows += [
        _row("x1", _adds(study, "last accuracy"), **about),
        _row("x1a", _adds(study, "mean accuracy"), **about),
    ]
    return rows


def _adds(study: Study, predictor: str) -> Claim:
    """Judge whether the ridge at beta_eff = 0 ranks better than what is known for nothing."""
    found = study.more(predictor)
    told = {name: f"{value:.3f}" for name, value in found.items()}
    low, high = found["more_low"], found["more_high"]
    return Claim(
        claim=f"beta_eff tells more of the accuracy to come than the {predictor} of the same epochs",
        rule="the 95 % interval of rho of the ridge at beta_eff = 0 less rho of the trivial predictor, over draws of "
        "architectures, lies above 0; does not hold otherwise",
        published=ADDED,
        measured=f"{told['more']} ({told['more_low']} to {told['more_high']}): rho {told['rho']}, the {predictor} "
        f"{told['trivial']}" + (", worse" if high < 0 else ""),
        verdict="holds" if low > 0 else "does not hold",
        control=f"the {predictor} is the control"
        + (", itself the ridge without beta_eff" if predictor == "mean accuracy" else ""),
        seeds=int(found["n"]),
        value=found["more"],
        low=low,
        high=high,
    )


def _theorems(context: Context) -> list[Row]:
    """Sum beta_eff over line graphs made edge by edge, where theorems say that it is 0 and where they do not."""
    from nngraph.plot import _style

    cases = list(itertools.product((2, 3, 4), ("cross_entropy", "squared"), range(10)))
    sizes = {(n, loss, seed): _relative(context.rng, n, loss, seed) for n, loss, seed in cases}
    zero = {key: size for key, size in sizes.items() if key[0] == 2 or key[:2] == (3, "cross_entropy")}
    other = {key: size for key, size in sizes.items() if key not in zero}
    holds = max(zero.values()) < 1e-12 and min(other.values()) > 1e-6
    figure, axes = _style.new_figure(None, 1, 1)
    figure.set_size_inches(4.4, 3)
    for marker, loss in (("o", "cross_entropy"), ("x", "squared")):
        shown = [(n, max(size, 1e-20)) for (n, one, _), size in sizes.items() if one == loss]
        axes[0, 0].semilogy(*zip(*shown, strict=True), marker, label=loss.replace("_", "-"), fillstyle="none")
    axes[0, 0].set_xticks([2, 3, 4])
    axes[0, 0].legend(frameon=False)
    _style.dress(axes[0, 0], x="weight layers", y="numerator, relative")
    name = _claims.save(figure, context.folder / "theorems.png")
    claim = Claim(
        claim="beta_eff is 0 whatever the weights with two weight layers, and under cross-entropy with three",
        rule="over line graphs made edge by edge, the sum of s_out s_in is below 1e-12 of the number of weights times "
        "the largest strengths without signs in every such network, and above 1e-6 in every other",
        published=f"{ADDED}; its probe networks have to be deeper",
        measured=f"at most {max(zero.values()):.1g} in {len(zero)} networks",
        verdict="holds" if holds else "does not hold",
        control=f"three layers under the squared error, and four: at least {min(other.values()):.1g} in {len(other)}",
        seeds=len(sizes),
        value=max(zero.values()),
    )
    return [_row("x2", claim, source=ADDED, data="random networks and samples", figure=name)]


def _relative(rng: int, n_layers: int, loss: Any, seed: int) -> float:
    """Return the magnitude of the numerator of beta_eff, by the line graph, over the largest that it could have."""
    from nngraph._rng import child, generator, seed_sequence
    from nngraph.dynamics import line_graph
    from nngraph.errors import CapacitanceWarning
    from nngraph.training import mlp

    own = child(seed_sequence(rng), "theorems", n_layers, seed)
    x = generator(child(own, "samples")).standard_normal((12, 6))
    model = mlp((6, *(5,) * (n_layers - 1), 3), rng=child(own, "weights")).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CapacitanceWarning)  # that it is 0 is what is asked
        g = line_graph(model, x, np.arange(12) % 3, loss=loss)
    ends, weights = np.array(g.get_edgelist()), np.array(g.es["weight"])
    leaving, entering = (np.bincount(ends[:, side], weights, minlength=g.vcount()) for side in (0, 1))
    # strengths without signs, by which sums that cancel are told from sums of little
    sizes = [np.bincount(ends[:, side], np.abs(weights), minlength=g.vcount()) for side in (0, 1)]
    whole = float(sizes[0].max() * sizes[1].max() * g.vcount())
    return abs(float(leaving @ entering)) / whole


def _keys(*numbers: str) -> tuple[str, ...]:
    return tuple(f"capacitance-{number}" for number in numbers)


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "trajectories",
        _keys("01", "02", "03", "03a", "03b", "04", "04a", "04b", "05", "05a", "05b", "06", "x1", "x1a"),
        _study,
        {"quick": 0.3, "full": 9.0},
        always(),
    ),
    Experiment("theorems", _keys("x2"), _theorems, {"quick": 0.1, "full": 0.1}, always("seed")),
)
