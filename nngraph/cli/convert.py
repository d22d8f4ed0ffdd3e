"""``nngraph convert``: a graph from one format, or from a function, to another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nngraph.cli._common import CONV, SOURCE, Conv, graph_of, is_function, one_sentence, refuse_conv
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    from nngraph.graph import NeuralGraph
    from nngraph.io._pieces import Written

TABLES = (".csv", ".parquet")
FORMATS = (".gexf", ".graphml", *TABLES, ".nngraph")


def convert(
    source: Annotated[str, typer.Argument(metavar="FILE", help=SOURCE)],
    out: Annotated[Path, typer.Argument(help="Where it goes: .gexf (Gephi), .graphml, .csv, .parquet or .nngraph.")],
    top: Annotated[
        str | None,
        typer.Option(help="Only the strongest edges of each block: so many, as 1000, or a fraction, as 0.05 or 5%."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="GEXF: what ranks the nodes of a layer: index, strength or barycentre.")
    ] = None,
    nodes: Annotated[Path | None, typer.Option(help="CSV and Parquet: a table of the nodes, too.")] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="GraphML in: the attribute that names the parts: part, layer, type or bipartite if not given."
        ),
    ] = None,
    conv: Annotated[Conv | None, typer.Option(help=CONV)] = None,
    force: Annotated[bool, typer.Option("--force", help="Write GEXF or GraphML above 500,000 edges.")] = False,
) -> None:
    """Write a graph in another format. An existing OUT is replaced once the new one is complete.

    Examples: nngraph convert net.nngraph net.gexf --top 1000; nngraph convert weights.safetensors net.graphml;
    nngraph convert net.graphml edges.csv --nodes nodes.csv; nngraph convert mine:net net.gexf --conv channel
    """
    with one_sentence():
        if out.suffix not in FORMATS:
            raise ArgumentError(f"OUT: got {out}; expected a name that ends in {', '.join(FORMATS)}.")
        for option, given, fits in (
            ("--top", top is not None, out.suffix != ".nngraph"),
            ("--order", order is not None, out.suffix == ".gexf"),
            ("--nodes", nodes is not None, out.suffix in TABLES),
            ("--force", force, out.suffix in (".gexf", ".graphml")),
        ):
            if given and not fits:
                raise ArgumentError(f"{option}: has no effect on {out.suffix} files; leave it out.")
        suffix = "" if is_function(source) else Path(source).suffix
        if part is not None and suffix != ".graphml":
            raise ArgumentError(f"--part: has no effect, because {source} is no GraphML file; leave it out.")
        if suffix in (".gexf", *TABLES):
            raise ArgumentError(f"FILE: got {source}; {suffix} is written, but not read. Read .nngraph or .graphml.")
        share = None if top is None else _number(top)
        if part is None:
            G = graph_of(source, conv)[0]
        else:
            from nngraph.io import read_graphml

            refuse_conv(conv, f"{source} is no function")
            G = read_graphml(source, part=part)
        written = _write(G, out, share, order, nodes, force)
        if written is not None and written.n_left_out:
            typer.echo(
                f"nngraph: {out} has {written.n_edges:,} of {G.n_edges:,} edges and {100 * written.share:.1f} % of the "
                "sum of |weight|",
                err=True,
            )


def _number(top: str) -> int | float:
    """Return "1000" as an int, "0.05" and "5%" as a fraction."""
    try:
        if top.endswith("%"):
            return float(top[:-1]) / 100
        return float(top) if "." in top else int(top)
    except ValueError:
        raise ArgumentError(f"--top: got {top!r}; expected a number as 1000, or a fraction as 0.05 or 5%.") from None


def _write(
    G: NeuralGraph, out: Path, top: int | float | None, order: str | None, nodes: Path | None, force: bool
) -> Written | None:
    """Write by the suffix; None where all of a graph is written whatever is asked."""
    from nngraph import io

    if out.suffix == ".gexf":
        return io.write_gexf(G, out, top=top, order=order or "index", force=force)  # type: ignore[arg-type]
    if out.suffix == ".graphml":
        return io.write_graphml(G, out, top=top, force=force)
    if out.suffix in TABLES:
        return io.write_edges(G, out, nodes=nodes, top=top)
    io.save(G, out)
    return None
