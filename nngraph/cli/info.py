"""``nngraph info``: what a file holds."""

from __future__ import annotations

from typing import Annotated

import typer

from nngraph.cli._common import CONV, SOURCE, Conv, graph_of, one_sentence


def info(
    source: Annotated[str, typer.Argument(metavar="FILE", help=SOURCE)],
    conv: Annotated[Conv | None, typer.Option(help=CONV)] = None,
) -> None:
    """Print the graph of a file or a function, or the matrices of a file of weights as graphs of their own.

    Examples: nngraph info results/digits/networks/00-easy-0-7-000.nngraph; nngraph info mine:net --conv entry
    """
    with one_sentence():
        G, rest = graph_of(source, conv)
        typer.echo(repr(G))
        if rest:
            typer.echo(f"  no matrices: {', '.join(rest[:12])}{' ...' if len(rest) > 12 else ''}")
