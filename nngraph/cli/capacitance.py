"""``nngraph capacitance``: beta_eff of models and of weighted graphs, and what it says of accuracy to come."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nngraph.cli._capacitance_graphs import reduced
from nngraph.cli._capacitance_runs import embedded, followed
from nngraph.cli._capacitance_sources import Model, Network, Page, Run, source_of
from nngraph.cli._common import check_out, noted, one_sentence, refuse_unused, write
from nngraph.cli._samples import forward_pass, number_of, rows_of
from nngraph.errors import CapacitanceWarning


class Variant(enum.StrEnum):
    """Variants of :func:`nngraph.dynamics.beta_eff`."""

    frozen = "frozen"
    hessian = "hessian"
    hessian_support = "hessian_support"


class Loss(enum.StrEnum):
    """Losses of :func:`nngraph.dynamics.beta_eff`."""

    cross_entropy = "cross_entropy"
    squared = "squared"


_MODEL = {"inputs", "backbone", "loss", "variant", "absolute", "n", "rng"}
_USED = {
    Network: ({"state"}, "a graph"),
    Model: (_MODEL, "a single model"),
    Run: (_MODEL | {"start", "stop"}, "models over epochs"),
    type(None): ({"n", "start", "stop", "rng"}, "the networks on digits"),
}
"""Which options, beside the source and --out, each kind of source reads, and what it is called."""


def capacitance(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="pkg.module:function that returns a model in evaluation mode, or (model, (x, y)), or (mapping from "
            "epochs to models, (x, y)) with (x_test, y_test) behind it or without. Or any weighted graph: .graphml, "
            ".nngraph, or a function that returns one. Without it small networks are trained on embedded digits.",
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="Samples in the place of (x, y): an .npz file of the arrays x and y, or the name of a data set: "
            "digits, fashion-mnist, mnist, cifar-10, colour-patches."
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="pkg.module:function that returns what lies in front of the model, frozen: a module, or a function "
            "of x, that gives (n, d) features."
        ),
    ] = None,
    loss: Annotated[
        Loss, typer.Option(help="cross_entropy of logits, or half the squared error.")
    ] = Loss.cross_entropy,
    variant: Annotated[
        Variant,
        typer.Option(
            help="Signals held fixed (frozen), blocks of the Hessian (hessian), or its entries that share a neuron."
        ),
    ] = Variant.frozen,
    absolute: Annotated[bool, typer.Option("--absolute", help="Let no term of the sums cancel another.")] = False,
    n: Annotated[int, typer.Option("-n", "--n", help="Samples to measure on, drawn from those given.", min=1)] = 1000,
    start: Annotated[
        int | None,
        typer.Option(help="First epoch that predictions rest on; by default 0, on digits 1.", min=0),
    ] = None,
    stop: Annotated[
        int | None,
        typer.Option(help="Last epoch that predictions rest on; by default the last, on digits 10.", min=0),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(help="Vertex attribute of a graph that holds the state of each node, for x_eff."),
    ] = None,
    rng: Annotated[int, typer.Option(help="Seed of samples and of training.", min=0)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of tables; by default none for a model or a graph, and results/capacitance-SOURCE for epochs."
        ),
    ] = None,
) -> None:
    """Print the neural capacitance of a model, or predict its accuracy from that of its first epochs.

    A model: beta_eff with numerator and denominator, by block; --out has blocks.csv, nodes.csv and summary.txt.
    Epochs: trajectory.csv, prediction.csv and the figure capacitance.png and .svg; the prediction stands beside the
    last accuracy, the best so far, and the last loss, which cost nothing. Half of the test samples, drawn by --rng,
    give the accuracies over epochs, and the others the final one. A graph: beta_eff of Gao, Barzel and Barabasi.
    Without a source 21 networks are trained on digits, which takes half a minute on a free core.

    Examples: nngraph capacitance; nngraph capacitance mine:net --inputs digits; nngraph capacitance mine:net --loss
    squared --variant hessian --out results/net; nngraph capacitance mine:epochs --stop 10; nngraph capacitance
    plants.graphml --state abundance
    """
    with one_sentence():
        if out is not None:
            check_out(out)
        asked: dict[str, Any] = {"loss": loss.value, "variant": variant.value, "absolute": absolute}
        found = None if source is None else source_of(source, inputs, backbone)
        used, what = _USED[type(found)]
        refuse_unused(context, used, set.union(*(used for used, _ in _USED.values())), what)
        if out is None and (found is None or isinstance(found, Run)):
            out = Path("results") / f"capacitance-{'digits' if found is None else found.name}"
            check_out(out)
        if found is None:
            page = embedded(n, start, stop, rng)
        elif isinstance(found, Network):
            page = reduced(found, state)
        elif isinstance(found, Model):
            page = measured(found, asked, n, rng)
        else:
            page = followed(found, asked, n, start, stop, rng)
        typer.echo(page.text)
        if out is not None:
            write(out, page.tables, page.figure, "capacitance")
            _write_text(out, page.text)
            what = "tables and summary.txt are" if page.figure is None else "tables, summary.txt and figures are"
            typer.echo(f"nngraph: {what} in {out}", err=True)


def _write_text(folder: Path, text: str) -> None:
    from nngraph.io._atomic import replacing

    with replacing(folder / "summary.txt") as file:
        file.write(f"{text}\n".encode())


def measured(found: Model, asked: Mapping[str, Any], n: int, rng: int) -> Page:
    """Return beta_eff of a model with what it is made of, and the tables of its blocks and neurons."""
    from nngraph.dynamics import beta_eff, line_graph_size

    x, y = (rows_of(part, n, rng) for part in found.samples)
    with forward_pass(found.name, x), noted(CapacitanceWarning) as notes:
        b = beta_eff(found.model, x, y, backbone=found.backbone, **asked)
        size = line_graph_size(found.model)
    variant = f"{asked['variant']}{', absolute' if asked['absolute'] else ''}"
    lines = [
        f"beta_eff of {found.name}: {b.value:.6g} ({number_of(x):,} samples, {asked['loss']}, {variant})",
        f"  numerator {b.numerator:.6g}, denominator {b.denominator:.6g}",
        f"  line graph: {b.blocks['n_edges'].sum():,} nodes, one for each weight, and {size:,} edges; not made",
        b.blocks.to_string(index=False, float_format=lambda value: f"{value:.4g}"),
    ]
    if b.value != b.value:
        lines.append(
            "warning: beta_eff is nan, because the denominator cannot be told from rounding; the model in double "
            "precision can tell, and --absolute has no poles."
        )
    lines += [f"warning: {note}" for note in notes]
    return Page("\n".join(lines), {"blocks": b.blocks, "nodes": b.nodes.reset_index()})
