"""The rows of the ledger on sparse evolutionary training: which experiments give them, at which settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nngraph.reproduce import _claims
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._rows import always
from nngraph.reproduce.ledger import Context, Experiment, Row

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.reproduce.sparse_evolution import boltzmann
    from nngraph.reproduce.sparse_evolution._perceptrons import Settings

__all__ = ["EXPERIMENTS"]

ADDED = "not in the paper"
CIFAR = "cifar-10-batches-py"
OWN_EPSILON = 4.0
"""Of the small networks on digits; 6,000 of 118,000 weights are left."""


def _row(number: str, claim: Claim, source: str, **about: Any) -> Row:
    return _claims.row(claim, key=f"sparse-evolution-{number}", source=source, **about)


def _beside(claim: Claim, *controls: Claim) -> Claim:
    """Return a claim on SET with whether a control, by what SET has more than it on average, does as well as SET."""
    return dataclasses.replace(claim, equalled=any(one.value is not None and one.value <= 0 for one in controls))


def _parameters(context: Context) -> list[Row]:
    """Count the weights of layers of growing width."""
    from nngraph.plot import _style
    from nngraph.reproduce.sparse_evolution import parameters

    widths = parameters.WIDTHS if context.scale == "full" else parameters.WIDTHS[:-2]
    table = parameters.run(context.folder / "results", widths=widths, rng=context.rng)
    figure, axes = _style.new_figure(None, 1, 1)
    figure.set_size_inches(4, 3)
    for marker, column in (("s-", "complete"), ("o-", "sparse")):
        axes[0, 0].loglog(table["width"], table[column], marker, label=column)
    axes[0, 0].legend(frameon=False)
    _style.dress(axes[0, 0], x="neurons on either side", y="weights of the layer")
    name = _claims.save(figure, context.folder / "parameters.png")
    (claim,) = parameters.claims(table)
    return [_row("01", claim, "Section on the law of parameters", data="none: random supports", figure=name)]


def _machines(context: Context) -> boltzmann.Settings:
    """Return the settings of Boltzmann machines for a data set and scale."""
    from nngraph.reproduce.sparse_evolution.boltzmann import SETTINGS

    data = context.data or "digits"
    whole = SETTINGS["digits"] if data == "digits" else dataclasses.replace(SETTINGS["fashion-mnist"], data=data)
    if context.scale == "full":
        return dataclasses.replace(whole, seed=context.rng)
    return dataclasses.replace(
        SETTINGS["digits"],
        data=data,
        hidden=100,
        epochs=100,
        every=60,
        temperatures=1000,
        rates=(0.05,),
        seeds=4,
        seed=context.rng,
    )


def _boltzmann(context: Context) -> list[Row]:
    """Train Boltzmann machines whose graph evolves, and those they are held against."""
    from nngraph.reproduce.sparse_evolution import boltzmann

    settings, place = _machines(context), context.folder / "results"
    table = boltzmann.run(place, studies=[settings], root=context.root, n_jobs=context.n_jobs)
    figures = boltzmann.figures(table, place)
    likelihoods = _claims.save(figures[f"boltzmann_{settings.data}"], context.folder / "likelihoods.png")
    pixels = _claims.save(figures[f"pixels_{settings.data}"], context.folder / "pixels.png")
    found, data = boltzmann.judged(table, settings.data), _claims.DATA[settings.data]
    beside = {arm: found[arm].measured for arm in ("fixed mask", "dense, as many weights")}
    told = "SET less " + ", ".join(f"{arm}: {one}" for arm, one in beside.items())
    untrained = _independent(table)
    return [
        _row(
            "02",
            _beside(found["dense"], found["fixed mask"]),
            "RBM figures",
            data=data,
            figure=likelihoods,
            control=f"{told}; {untrained}",
        ),
        _row("03", found["pixel_core_rho"], "connectivity maps", data=data, figure=pixels),
        _row("03a", found["pixel_core_among_rho"], "connectivity maps", data=data, figure=pixels),
        _row("x1a", found["fixed mask"], ADDED, data=data, figure=likelihoods, control=untrained),
    ]


def _independent(table: pd.DataFrame) -> str:
    """Say the log-likelihood that needs no machine."""
    value = table.loc[table["arm"] == "independent pixels", "test"].item()
    return f"independent pixels: {value:.1f} nats an image"


def _networks(context: Context) -> tuple[Settings, Mapping[str, Any]]:
    """Return the settings of perceptrons for a data set and scale, and what is trained."""
    from nngraph.reproduce.sparse_evolution import mlps
    from nngraph.reproduce.sparse_evolution._perceptrons import Settings

    data = context.data or ("fashion-mnist" if context.scale == "full" else "digits")
    settings = Settings(data=data, seed=context.rng)
    if data == "digits":
        settings = dataclasses.replace(settings, n_train=700, n_validation=198, epochs=100, batch=20)
    if context.scale == "full":
        return settings, {}
    small = dataclasses.replace(
        settings, n_train=700, n_validation=198, hidden=(128, 128), epochs=60, batch=20, every=100
    )
    study = {math.inf: ("dense",), OWN_EPSILON: ("fixed mask", *mlps.REGIMES)}
    # with 0.1 some of the dense networks diverge
    return small, {"study": study, "rates": {"dense": (0.01, 0.03), "sparse": (0.05, 0.15)}}


def _perceptrons(context: Context) -> list[Row]:
    """Train dense perceptrons, those with a fixed mask, and those that evolve."""
    from nngraph.reproduce.sparse_evolution import mlps

    settings, options = _networks(context)
    table = mlps.run(context.folder / "results", settings=settings, root=context.root, n_jobs=context.n_jobs, **options)
    figures = mlps.figures(table, context.folder / "results")
    figures["curves"].set_size_inches(max(6.0, figures["curves"].get_size_inches()[0]), 3.6)  # room for the legend
    curves = _claims.save(figures["curves"], context.folder / "curves.png")
    gaps = _claims.save(figures["differences"], context.folder / "differences.png")
    found, data = mlps.judged(table), _claims.DATA[settings.data]
    published = max(epsilon for epsilon, _, _ in found), "SET, every epoch"
    others = {key: one for key, one in found.items() if key != (*published, "dense") and key[2] == "dense"}
    fixed = {key: one for key, one in found.items() if key[2] == "fixed mask"}
    beside = "; ".join(f"{arm}, ε = {e:g}: {one.measured} ({one.verdict})" for (e, arm, _), one in others.items())
    return [
        _row(
            "04",
            _beside(found[*published, "dense"], found[*published, "fixed mask"]),
            "Table of MLP accuracies",
            data=data,
            figure=curves,
            control=f"{_from_dense(table, published[0])}; other ways to evolve: {beside}",
        ),
        _row("x1", _against_fixed(fixed, published), ADDED, data=data, figure=gaps),
    ]


def _from_dense(table: pd.DataFrame, epsilon: float) -> str:
    """Say what the fixed mask loses, which owes nothing to evolution."""
    from nngraph.reproduce.sparse_evolution import _units, mlps

    rows = mlps.differences(table).set_index(["epsilon", "arm", "against"])
    mean, low, high = rows.loc[(epsilon, "fixed mask", "dense"), ["mean", "low", "high"]]
    return f"the fixed mask less dense: {_units.Interval(mean, low, high).text(2, 100, '+')} points"


def _against_fixed(fixed: Mapping[tuple[float, str, str], Claim], published: tuple[float, str]) -> Claim:
    """Judge SET against fixed masks by all ways to evolve and all densities."""
    held = [one.verdict == "holds" for one in fixed.values()]
    against = sum(one.verdict == "does not hold" for one in fixed.values())
    told = "; ".join(f"{arm}, ε = {epsilon:g}: {one.measured}" for (epsilon, arm, _), one in fixed.items())
    return dataclasses.replace(
        fixed[*published, "fixed mask"],
        claim="SET is more accurate than the fixed random mask that it starts from, seed by seed",
        rule="for each way to evolve and each density, the 95 % interval of the paired difference over seeds lies at "
        "or above 0 points; in part if some do",
        published="fixed masks are worse",
        measured=f"above in {sum(held)}, below in {against} of {len(held)}: {told}",
        verdict="holds" if all(held) else "holds in part" if any(held) else "does not hold",
        control="the fixed mask is the control: same support, draws and batches",
        counts="",
    )


def _collisions(context: Context) -> list[Row]:
    """Train networks on simulated collisions, the stand-in for HIGGS."""
    from nngraph.reproduce.sparse_evolution import tabular

    settings, options = tabular.Settings(seed=context.rng), dict[str, Any]()
    if context.scale == "quick":
        training = dataclasses.replace(settings.training, epochs=8, batch=64)
        settings = dataclasses.replace(
            settings, n_train=12_000, n_validation=3000, n_test=10_000, hidden=96, epsilon=5.0, training=training
        )
        options = {"rates": (0.06, 0.2), "seeds": 4}
    place = context.folder / "results"
    table = tabular.run(place, settings=settings, n_jobs=context.n_jobs, **options)
    figure = _claims.save(tabular.figures(table, place)["tabular"], context.folder / "collisions.png")
    found, source, data = tabular.judged(table), "slides: HIGGS", "simulated collisions"
    claim = found["dense, 3 times the weights"]
    trivial = table[table["purpose"] == "baseline"].set_index("arm")["accuracy"]
    told = "; ".join(f"{name} {100 * value:.2f} %" for name, value in trivial.items())
    beside = f"SET less the fixed mask: {found['fixed mask'].measured}; {told}"
    higgs = _claims.untestable(
        key="sparse-evolution-04a",
        source=source,
        statement="On HIGGS SET is at most 1 point less accurate than a dense network with 3 times the weights",
        criterion=claim.rule,
        authors="78.47 % with 90 thousand weights, 78.54 % with 3 times as many",
        data="HIGGS",
        missing="HIGGS.csv.gz",
        stand_in="sparse-evolution-04b",
    )
    return [
        higgs,
        _row("04b", _beside(claim, found["fixed mask"]), source, data=data, figure=figure, control=beside),
        _row("x1b", found["fixed mask"], ADDED, data=data, figure=figure, control=told),
    ]


def _convolutions(context: Context) -> list[Row]:
    """Train convolutional networks with heads that evolve: on CIFAR-10 where its files are, and on the stand-in."""
    from nngraph.errors import DatasetError
    from nngraph.reproduce.sparse_evolution import convolutions

    settings = dataclasses.replace(convolutions.SETTINGS["colour-patches"], seed=context.rng)
    if context.scale == "quick":
        training = dataclasses.replace(settings.training, epochs=10, batch=50, every=25)
        settings = dataclasses.replace(
            settings,
            n_train=1000,
            n_validation=300,
            channels=(8, 16),
            hidden=128,
            training=training,
            rates=(0.02, 0.06),
            seeds=4,
        )
    place = context.folder / "results"
    table = convolutions.run(place, studies=[settings], n_jobs=context.n_jobs)
    figure = _claims.save(
        convolutions.figures(table, place)[f"convolutions_{settings.data}"], context.folder / "heads.png"
    )
    found, source, data = convolutions.judged(table, settings.data), "CNN figures", "colour patches"
    told = "; ".join(f"SET less {arm}: {found[arm].measured}" for arm in ("fixed mask", "linear head"))
    rows = [
        _row(
            "05a",
            _beside(found["dense head"], found["fixed mask"], found["linear head"]),
            source,
            data=data,
            figure=figure,
            control=told,
        ),
        _row("x1c", found["fixed mask"], ADDED, data=data, figure=figure, control=f"SET {_less_linear(found)}"),
    ]
    original = dataclasses.replace(convolutions.SETTINGS["cifar-10"], seed=context.rng)
    if context.scale == "full":
        try:
            whole = convolutions.run(place, studies=[original], root=context.root, n_jobs=context.n_jobs)
            every = convolutions.judged(whole, original.data)
            own = _beside(every["dense head"], every["fixed mask"], every["linear head"])
            return [_row("05", own, source, data="CIFAR-10", control="the stand-in: see sparse-evolution-05a"), *rows]
        except DatasetError:
            pass  # the row below says so
    missing = _claims.untestable(
        key="sparse-evolution-05",
        source=source,
        statement="CNN on CIFAR-10: with a SET head is at most 1 point less accurate than with a dense one",
        criterion=found["dense head"].rule,
        authors=found["dense head"].published,
        data="CIFAR-10",
        missing=CIFAR,
        stand_in="sparse-evolution-05a",
    )
    return [missing, *rows]


def _less_linear(found: Mapping[str, Claim]) -> str:
    return f"less no hidden layers at all: {found['linear head'].measured}"


def _degrees(context: Context) -> list[Row]:
    """Look at the degrees of evolved networks: at quick scale those of the record that comes with the package."""
    from nngraph.reproduce.sparse_evolution import degrees

    place = context.folder / "results"
    if context.scale == "quick":
        table, data = degrees.run(place, kinds=("zero", "blind"), n_boot=100, stored=True), "fashion-mnist"
        told = " (stored record of training)"
    else:
        data, told = context.data or "fashion-mnist", ""
        settings = dataclasses.replace(degrees.LONG, data=data, seed=context.rng)
        if data == "digits":
            settings = dataclasses.replace(settings, n_train=800, batch=20)
        table = degrees.run(place, settings=settings, root=context.root)
    figures = degrees.figures(table, place)
    changes = _claims.save(figures["degrees"], context.folder / "degrees.png")
    pixels = _claims.save(figures["pixels"], context.folder / "pixels.png")
    found, name = degrees.judged(table), _claims.DATA[data] + told
    blind, end = found["blind", "regrown", "binomial"], table[table["rewiring"] == table["rewiring"].max()]
    wide = (end["kind"] == "blind") & (end["verdict"] == "heavy-tailed")
    return [
        _row("03b", found["zero", "core", "pixel_rho"], "connectivity maps, of a classifier", data=name, figure=pixels),
        _row(
            "06",
            dataclasses.replace(_scale_free(found), equalled=bool(wide.any())),
            "Figure of hidden degrees",
            data=name,
            figure=changes,
            control=f"node-blind rewiring of the same supports: {_counts(end[end['kind'] == 'blind'])}",
        ),
        _row("x2", _widened(table, blind), ADDED, data=name, figure=changes),
        _row("x2a", blind, ADDED, data=f"{name} (widths alone)", figure=changes, control="is the control of x2"),
    ]


def _scale_free(found: Mapping[tuple[str, str, str], Claim]) -> Claim:
    """Judge all trained kinds and graphs together."""
    parts = {key: one for key, one in found.items() if key[2] == "tails"}
    verdicts = [one.verdict for one in parts.values()]
    first = next(iter(parts.values()))
    whole = all(verdict == "holds" for verdict in verdicts)
    told = [f"{graph}, new edges {_begun(kind)}: {one.measured}" for (kind, graph, _), one in parts.items()]
    return dataclasses.replace(
        first,
        claim="The degrees of hidden layers begin binomial and become scale-free as the graph evolves",
        rule=f"for each graph (core, regrown) and each way to begin new edges: {first.rule}; in part if it does so in "
        "some of these",
        measured="; ".join(told),
        verdict="holds" if whole else "does not hold" if set(verdicts) == {"does not hold"} else "holds in part",
        value=max(one.value or 0.0 for one in parts.values()),
        seeds=len({kind for kind, _, _ in parts}),
    )


def _begun(kind: str) -> str:
    return "at 0" if kind == "zero" else "at random"


def _widened(table: pd.DataFrame, blind: Claim) -> Claim:
    """Judge whether training widens degrees beyond the binomial law, which blind rewiring does not."""
    end = table[table["rewiring"] == table["rewiring"].max()]
    trained, control = end[end["kind"] != "blind"], end[end["kind"] == "blind"]
    wide = trained["verdict"].isin(("over-dispersed", "heavy-tailed"))
    share, ratio = float(wide.mean()), trained["variance_ratio"].median()
    kept = blind.verdict == "holds"
    verdict = "holds" if share == 1 and kept else "holds in part" if share > 0.5 and kept else "does not hold"
    return Claim(
        claim="Evolution makes degrees wider than the binomial law, and does so because training chooses the edges",
        rule="`fit_tail` calls the degrees of every layer, side and graph over-dispersed or heavy-tailed, and "
        "node-blind rewiring keeps them binomial; in part if those of more than half",
        published=ADDED,
        measured=f"{wide.sum()} of {len(wide)} ({_counts(trained)}); median variance over binomial x {ratio:.2f}",
        verdict=verdict,
        control=f"node-blind: {_counts(control)}; median variance x {control['variance_ratio'].median():.2f}",
        seeds=trained["kind"].nunique(),
        value=share,
    )


def _counts(rows: pd.DataFrame) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in rows["verdict"].value_counts().items())


def _keys(*numbers: str) -> tuple[str, ...]:
    return tuple(f"sparse-evolution-{number}" for number in numbers)


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("parameters", _keys("01"), _parameters, {"quick": 0.03, "full": 0.03}, always("seed")),
    Experiment("boltzmann", _keys("02", "03", "03a", "x1a"), _boltzmann, {"quick": 1.0, "full": 8.1}),
    Experiment("perceptrons", _keys("04", "x1"), _perceptrons, {"quick": 0.9, "full": 36.0}),
    Experiment(
        "collisions", _keys("04a", "04b", "x1b"), _collisions, {"quick": 0.6, "full": 5.5}, always("seed", "jobs")
    ),
    Experiment(
        "convolutions", _keys("05", "05a", "x1c"), _convolutions, {"quick": 0.5, "full": 5.0}, always("seed", "jobs")
    ),
    Experiment(
        "degrees",
        _keys("03b", "06", "x2", "x2a"),
        _degrees,
        {"quick": 0.4, "full": 10.0},
        {"quick": (), "full": ("data", "seed")},
    ),
)
