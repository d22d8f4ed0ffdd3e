"""``nngraph capacitance``: beta_eff of models and of weighted graphs, and what it says of accuracy to come."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nngraph.cli._capacitance_graphs import reduced
from nngraph.cli._capacitance_sources import Model, Network, source_of
from nngraph.cli._common import check_out, noted, one_sentence, refuse_unused, write
from nngraph.cli._samples import forward_pass, number_of, rows_of
from nngraph.errors import CapacitanceWarning

if TYPE_CHECKING:
    import pandas as pd


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
_GRAPH = {"state"}
_ALL = _MODEL | _GRAPH


def capacitance(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="pkg.module:function that returns a model in evaluation mode, or (model, (x, y)). Or any weighted "
            "graph: .graphml, .nngraph, or a function that returns one."
        ),
    ],
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
    state: Annotated[
        str | None,
        typer.Option(help="Vertex attribute of a graph that holds the state of each node, for x_eff."),
    ] = None,
    rng: Annotated[int, typer.Option(help="Seed of samples and of training.", min=0)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of tables; by default none."),
    ] = None,
) -> None:
    """Print the neural capacitance beta_eff of a model on samples, or beta_eff of any weighted graph.

    A model: its value with numerator and denominator, by block; --out has blocks.csv, nodes.csv and summary.txt. A
    graph: the one number of Gao, Barzel and Barabasi; --out has nodes.csv and summary.txt.

    Examples: nngraph capacitance mine:net --inputs digits; nngraph capacitance mine:net --loss squared --variant
    hessian --out results/net; nngraph capacitance plants.graphml --state abundance
    """
    with one_sentence():
        if out is not None:
            check_out(out)
        asked: dict[str, Any] = {"loss": loss.value, "variant": variant.value, "absolute": absolute}
        found = source_of(source, inputs, backbone)
        if isinstance(found, Network):
            refuse_unused(context, _GRAPH, _ALL, "a graph")
            text, tables = reduced(found, state)
        else:
            refuse_unused(context, _MODEL, _ALL, "a single model")
            text, tables = _of_model(found, asked, n, rng)
        typer.echo(text)
        if out is not None:
            write(out, tables, None, "capacitance")
            _write_text(out, text)
            typer.echo(f"nngraph: tables and summary.txt are in {out}", err=True)


def _write_text(folder: Path, text: str) -> None:
    from nngraph.io._atomic import replacing

    with replacing(folder / "summary.txt") as file:
        file.write(f"{text}\n".encode())


def _of_model(found: Model, asked: dict[str, Any], n: int, rng: int) -> tuple[str, dict[str, pd.DataFrame]]:
    """Return beta_eff of a model with its parts, and the tables of its blocks and neurons."""
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
    return "\n".join(lines), {"blocks": b.blocks, "nodes": b.nodes.reset_index()}
