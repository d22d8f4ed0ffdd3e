"""``nngraph stats``: statistics of nodes, parts, blocks or the network, as a table."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nngraph.cli._common import CONV, SOURCE, Conv, graph_of, is_function, one_sentence, refuse_conv
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from nngraph.blocks import Block
    from nngraph.graph import NeuralGraph


class By(enum.StrEnum):
    """Rows of :func:`nngraph.stats.table`."""

    block = "block"
    part = "part"
    node = "node"
    network = "network"


def stats(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help=SOURCE),
    ],
    by: Annotated[By, typer.Option(help="What a row of the table is.")] = By.block,
    statistic: Annotated[
        list[str] | None,
        typer.Option(
            help='A statistic by name, with arguments or without, as "degree(side=target, sign=+)"; may be given '
            "several times. By default those that cost little; verdicts on tails of degrees are none of them: ask for "
            "tail_verdict, which costs up to a second for each 1,000 nodes of a block."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the table goes, .csv or .parquet; by default to stdout, as CSV.")
    ] = None,
    conv: Annotated[Conv | None, typer.Option(help=CONV)] = None,
) -> None:
    """Print statistics of the blocks of a network: shapes, edges, degrees, strengths, heterogeneity.

    A file of weights that is larger than memory is read block by block. With --by node, part or network it is read as
    a whole.

    Examples: nngraph stats model.safetensors; nngraph stats net.nngraph --by node --statistic "igraph.pagerank" --out
    nodes.parquet; nngraph stats votes.graphml --by network --statistic balance
    """
    with one_sentence():
        if out is not None and out.suffix not in (".csv", ".parquet"):
            raise ArgumentError(f"--out: got {out}; expected a name that ends in .csv or .parquet.")
        from nngraph.stats import table

        G, rest = _read(source, by, conv)
        if rest:
            typer.echo(f"nngraph: no matrices: {', '.join(rest[:12])}{' ...' if len(rest) > 12 else ''}", err=True)
        _write(table(G, statistic or None, by=by.value), out)


def _read(source: str, by: By, conv: Conv | None) -> tuple[NeuralGraph | Sequence[Block], Sequence[str]]:
    """Return the graph, or the blocks of a file of weights, and what else the file holds."""
    if by is By.block and not is_function(source) and Path(source).suffix not in (".nngraph", ".graphml"):
        from nngraph.convert.files import FileBlocks

        refuse_conv(conv, f"{source} is no function")
        blocks = FileBlocks(Path(source))
        return blocks, blocks.rest
    return graph_of(source, conv)


def _write(table: pd.DataFrame, out: Path | None) -> None:
    if out is None:
        typer.echo(table.to_csv(index=False), nl=False)
        return
    from nngraph.io._atomic import replacing

    with replacing(out) as file:
        if out.suffix == ".csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)
