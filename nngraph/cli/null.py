"""``nngraph null``: draws from a null model, file in, files out."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nngraph.cli._common import graph_of, one_sentence
from nngraph.errors import ArgumentError, NullModelWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    import igraph

    from nngraph.graph import NeuralGraph
    from nngraph.nulls.draws import Options


def null(
    file: Annotated[Path, typer.Argument(help="A .graphml or .nngraph graph, or .safetensors or state_dict weights.")],
    kind: Annotated[
        str,
        typer.Argument(
            help="A to G, signed_configuration, configuration, maximum_entropy, erdos_renyi or reinitialize."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Where draws go, .graphml or .nngraph; with --n 10 as OUT-0001.graphml and so on."),
    ] = None,
    n: Annotated[int | None, typer.Option(help="Number of draws; by default 1, or 1,000 for a table.", min=1)] = None,
    rng: Annotated[int, typer.Option(help="Seed: the same seed gives the same draws.", min=0)] = 0,
    weights: Annotated[
        str | None,
        typer.Option(
            help="How magnitudes follow where signs move: sign, sign_source, sign_target, strength, exact_strength."
        ),
    ] = None,
    sweeps: Annotated[int | None, typer.Option(help="Length of the chain; measured by default.", min=1)] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Vertex attribute that names the parts: part, layer, type or bipartite if not given."),
    ] = None,
    statistic: Annotated[
        list[str] | None,
        typer.Option(help="Print a table that compares this statistic with --n draws; may be given several times."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    force: Annotated[bool, typer.Option("--force", help="Write GraphML above 500,000 edges.")] = False,
) -> None:
    """Draw random graphs that keep named properties of a signed, weighted, bipartite or multipartite graph.

    Vertices keep their names and all of their attributes. Edges have weight and sign; where edges move, other
    attributes of theirs cannot follow and are left out.

    Examples: nngraph null votes.graphml signed_configuration --out random.graphml --n 10 --rng 7; nngraph null
    net.nngraph G --n 1000 --statistic balance
    """
    with one_sentence(), _warnings_as_sentences():
        if (out is None) == (not statistic):
            raise ArgumentError("null: expected --out FILE for draws, or --statistic NAME for a table: one of the two.")
        if out is not None and out.suffix not in (".graphml", ".nngraph"):
            raise ArgumentError(f"--out: got {out}; expected a name that ends in .graphml or .nngraph.")
        G, view = _read(file, part)
        options: Options = {"weights": weights, "sweeps": sweeps}
        if out is None:
            _compare(G, list(statistic or ()), kind, n or 1000, rng, jobs, options)
        else:
            _write(G, view, kind, out, n or 1, rng, jobs, options, part, force)


def _read(file: Path, part: str | None) -> tuple[NeuralGraph, igraph.Graph | None]:
    """Return the graph of a file and, of GraphML, the igraph graph whose vertices the draws get."""
    if file.suffix != ".graphml":
        if part is not None:
            raise ArgumentError(f"--part: has no effect, because {file} is no GraphML file; leave it out.")
        return graph_of(file)[0], None
    from nngraph.io.graphml import parse, read_view

    view = read_view(file)
    return parse(view, file, part), view


def _compare(G: NeuralGraph, statistic: list[str], kind: str, n: int, rng: int, jobs: int, options: Options) -> None:
    """Print the table of statistics as CSV."""
    from nngraph.nulls import significance

    table = significance(G, statistic, kind, n=n, rng=rng, n_jobs=jobs, **options)
    typer.echo(table.to_csv(index=False), nl=False)


def _write(
    G: NeuralGraph,
    view: igraph.Graph | None,
    kind: str,
    out: Path,
    n: int,
    rng: int,
    jobs: int,
    options: Options,
    part: str | None,
    force: bool,
) -> None:
    """Write one file for each draw; a single draw is that of :func:`nngraph.nulls.randomize` with the same seed."""
    from nngraph.io import save, write_graphml
    from nngraph.nulls import ensemble, randomize

    if n == 1:
        draws = iter([randomize(G, kind, rng=rng, **options)])
    else:
        draws = ensemble(G, kind, n=n, rng=rng, n_jobs=jobs, **options)
    width = max(4, len(str(n)))
    for i, R in enumerate(draws, start=1):
        path = out if n == 1 else out.with_name(f"{out.stem}-{i:0{width}}{out.suffix}")
        if out.suffix == ".nngraph":
            save(R, path)
        else:
            write_graphml(R, path, like=view, part=part, force=force)


@contextlib.contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Show each warning of the library once, as one sentence on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NullModelWarning)
        try:
            yield
        finally:
            for text in dict.fromkeys(str(warning.message) for warning in caught):
                typer.echo(f"nngraph: {' '.join(text.split())}", err=True)
