"""The rows of the ledger on lottery tickets as networks: one study gives them all but the first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.reproduce import _claims
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._rows import always
from nngraph.reproduce.ledger import Context, Experiment, Row

if TYPE_CHECKING:
    from nngraph.reproduce.lottery_tickets.training import Settings

__all__ = ["EXPERIMENTS"]

ADDED = "not in the paper"
ROWS = {
    "02": ("mean weight", "figure of accuracy and mean weight", "measures.png"),
    "03": ("spanning", "figure of the layered network", "subnetwork.png"),
    "04": ("tails", "figure of node degrees", "measures.png"),
    "05": ("information", "figure of mutual information", "measures.png"),
    "06": ("collapse", "the main claim", "measures.png"),
}
"""By number: the claim, where it is from, and its picture."""


def _row(number: str, claim: Claim, source: str, **about: Any) -> Row:
    return _claims.row(claim, key=f"lottery-tickets-{number}", source=source, **about)


def _definitions(context: Context) -> list[Row]:
    """Compare the measures of small random networks with what enumeration of all paths gives."""
    from nngraph.plot import network

    graphs = [_small(context.rng, seed) for seed in range(50)]
    wrong = sum(not _as_enumerated(G) for G in graphs)
    figure: Any = network(graphs[0]).get_figure(root=True)
    claim = Claim(
        claim="Spanning subnetwork, connected pairs and weights of paths are measures of the pruned graph alone",
        rule="on 50 random networks 5-4-3-2 with half of their edges, each is what enumeration of all paths from "
        "inputs to outputs gives, to 1e-9",
        published="an illustration, no number",
        measured=f"{len(graphs) - wrong} of {len(graphs)} networks agree",
        verdict="holds" if not wrong else "does not hold",
        control="enumeration by networkx, which shares no code with the measures",
        seeds=len(graphs),
        value=float(len(graphs) - wrong),
    )
    name = _claims.save(figure, context.folder / "network.png")
    return [_row("01", claim, "figure that illustrates the measures", data="random networks", figure=name)]


def _small(seed: int, number: int) -> Any:
    """Return a network of four parts with half of its edges."""
    from nngraph._rng import child, generator, seed_sequence
    from nngraph.convert.matrices import from_matrices

    draw = generator(child(seed_sequence(seed), "illustration", number))
    shapes = ((4, 5), (3, 4), (2, 3))
    masks = [draw.random(shape) < 0.5 for shape in shapes]
    return from_matrices([draw.standard_normal(shape) for shape in shapes], masks=masks, zeros="keep")


def _as_enumerated(G: Any) -> bool:
    """Tell whether the measures of a graph are those of the list of all its paths."""
    import networkx

    from nngraph.stats import pathways, spanning

    edges = G.edges
    net = networkx.DiGraph()
    net.add_nodes_from(range(G.n_nodes))
    net.add_weighted_edges_from(edges[["source", "target", "weight"]].itertuples(index=False))
    first, last = G.parts[0].size, G.n_nodes - G.parts[-1].size
    pairs = [(source, target) for source in range(first) for target in range(last, G.n_nodes)]
    paths = {pair: list(networkx.all_simple_edge_paths(net, *pair)) for pair in pairs}
    on = {edge for some in paths.values() for path in some for edge in path}
    weight = sum(
        float(np.prod([abs(net.edges[edge]["weight"]) for edge in path])) for some in paths.values() for path in some
    )
    found, whole = spanning(G), pathways(G)
    told = (found["edges"], found["pairs"], whole["paths"], whole["mass"])
    counted = (
        len(on) / max(len(edges), 1),
        sum(bool(some) for some in paths.values()) / len(pairs),
        sum(len(some) for some in paths.values()),
        weight,
    )
    return bool(np.allclose(told, counted, rtol=1e-9, atol=1e-9))


def _settings(context: Context) -> tuple[Settings, dict[str, Any]]:
    """Return what is trained for a data set and scale, and how it is measured."""
    from nngraph.reproduce.lottery_tickets.training import Settings

    data = context.data or ("fashion-mnist" if context.scale == "full" else "digits")
    settings = Settings(data_set=data)
    if data == "digits" or context.scale == "quick":
        settings = dataclasses.replace(settings, n_train=900, epochs=15, batch_size=50)
    if context.scale == "full":
        return settings, {}
    small = dataclasses.replace(settings, rounds=11, fraction=0.35, every=5)
    return small, {"seeds": 5, "control_seeds": 3, "masks": {"tickets": 20, "random": 10}, "n_boot": 10}


def _study(context: Context) -> list[Row]:
    """Prune networks round by round, beside random pruning and other controls, and judge every claim."""
    from nngraph.reproduce.lottery_tickets import figures
    from nngraph.reproduce.lottery_tickets.claims import claims, more_than_chance
    from nngraph.reproduce.lottery_tickets.runs import SEEDS, studied

    settings, options = _settings(context)
    first = context.rng * options.get("seeds", SEEDS)
    study, ticket = studied(
        context.folder / "results",
        settings=settings,
        root=context.root,
        first=first,
        n_jobs=context.n_jobs,
        **options,
    )
    found, data = claims(study), _claims.DATA[settings.data_set]
    drawn = {
        "accuracy.png": figures.accuracies(study),
        "measures.png": figures.measures(study),
        "subnetwork.png": figures.subnetwork(ticket.graph(ticket.trained[-1])),
    }
    for name, figure in drawn.items():
        _claims.save(figure, context.folder / name)
    rows = [_row(number, found[what], source, data=data, figure=name) for number, (what, source, name) in ROWS.items()]
    against = {"data": data, "figure": "accuracy.png", "control": "the other arms are the controls"}
    return [
        *rows,
        _row("x1", found["accuracy"], ADDED, **against),
        _row("x2", more_than_chance(study), ADDED, data=data, figure="measures.png"),
    ]


def _keys(*numbers: str) -> tuple[str, ...]:
    return tuple(f"lottery-tickets-{number}" for number in numbers)


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("definitions", _keys("01"), _definitions, {"quick": 0.1, "full": 0.1}, always("seed")),
    Experiment("tickets", _keys(*ROWS, "x1", "x2"), _study, {"quick": 3.5, "full": 60.0}),
)
