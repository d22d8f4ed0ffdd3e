"""``nngraph info``: what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nngraph.cli._common import graph_of, one_sentence


def info(
    file: Annotated[Path, typer.Argument(help="A .nngraph or .graphml graph, or .safetensors or state_dict weights.")],
) -> None:
    """Print the graph of a file, or the matrices of a file of weights as graphs of their own.

    Example: nngraph info results/digits/networks/00-easy-0-7-000.nngraph
    """
    with one_sentence():
        G, rest = graph_of(file)
        typer.echo(repr(G))
        if rest:
            typer.echo(f"  no matrices: {', '.join(rest[:12])}{' ...' if len(rest) > 12 else ''}")
