"""``nngraph complexity``: how complex the pairs of classes of a data set are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nngraph.cli._clusters import HELP
from nngraph.cli._clusters import cluster as on_cluster
from nngraph.cli._common import call, check_out, noted, one_sentence
from nngraph.cli.study import Scaling
from nngraph.errors import ArgumentError, ComplexityWarning

_EMBEDDED = ("digits", "colour-patches")


def complexity(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="digits, fashion-mnist, mnist, or pkg.module:function that returns a data set, tasks, or a mapping of "
            "names to (model, score)."
        ),
    ] = "digits",
    pairs: Annotated[str | None, typer.Option(help='Pairs of classes, as "0,7 1,8"; by default all.')] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Networks for each task; by default 5 for digits, else 10.", min=1)
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws of each null model for each network.", min=1)] = 3,
    nulls: Annotated[str, typer.Option(help="Null models, as B,E,F.")] = "B,E,F,signed_configuration,configuration",
    curves: Annotated[
        bool, typer.Option("--curves/--no-curves", help="Whether to prune, add noise and flip, for p*, a* and q*.")
    ] = True,
    epochs: Annotated[int, typer.Option(help="Epochs of training.", min=1)] = 10,
    every: Annotated[
        int | None,
        typer.Option(help="Steps between two choices of the best; by default 1 for digits, else 10.", min=1),
    ] = None,
    scaling: Annotated[Scaling, typer.Option(help="Range of the pixels; it decides the result.")] = Scaling.signed,
    scaling_seeds: Annotated[
        int, typer.Option("--scaling-seeds", help="Networks for each task in the other range; 0: none.", min=0)
    ] = 5,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Last step, fresh biases, medians folded at one half.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="Where to train and evaluate, as cuda.")] = None,
    seed: Annotated[int, typer.Option(help="Root seed of everything random.", min=0)] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; by default one for each core.", min=1)] = None,
    cluster: Annotated[str | None, typer.Option(help=HELP)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; by default results/complexity-DATA, with -as-published.")
    ] = None,
) -> None:
    """Measure how complex tasks are: what networks lose without magnitudes, and under null models.

    Without options: all 45 pairs of digits, 5 networks each, in some minutes. What was stopped goes on where it was
    when the same command is given again.

    Examples: nngraph complexity; nngraph complexity --data mnist --nulls B --no-curves; nngraph complexity
    --pairs "0,7 1,8" --seeds 12; nngraph complexity --data mine:models
    """
    with one_sentence("stopped. The same command goes on from the last finished task."):
        if ":" in data and (where := context.get_parameter_source("scaling")) and where.name == "COMMANDLINE":
            raise ArgumentError(f"--scaling: has no effect, because {data} scales its own data; leave it out.")
        folder = out or Path("results") / (
            f"complexity-{data.replace(':', '-')}" + ("-as-published" if as_published else "")
        )
        check_out(folder)
        import joblib

        from nngraph._complexity_pages import summary, write
        from nngraph.complexity import Probes, task_complexity
        from nngraph.studies import Training

        small = data in _EMBEDDED
        with noted(ComplexityWarning) as warned, on_cluster(cluster):
            result = task_complexity(
                _tasks(data, pairs, scaling),
                seeds=seeds or (5 if small else 10),
                rng=seed,
                training=Training(epochs=epochs, every=every or (1 if small else 10)),
                probes=Probes(
                    nulls=tuple(filter(None, nulls.split(","))),
                    draws=draws,
                    ops=("prune", "noise", "flip") if curves else (),
                ),
                as_published=as_published,
                scaling_seeds=scaling_seeds,
                folder=folder / "networks",
                n_jobs=jobs or joblib.cpu_count(),
                device=device,
            )
        write(result, folder)
        typer.echo(summary(result), nl=False)
        for sentence in warned:
            typer.echo(f"nngraph: {sentence}", err=True)
        typer.echo(f"nngraph: tables, summary.md and figures are in {folder}", err=True)
        failed = result.table.loc[result.table["status"].str.contains("failed"), "task"].nunique()
        if failed:
            typer.echo(f"nngraph: scores of {failed} of {result.table['task'].nunique()} tasks failed.", err=True)
            raise typer.Exit(1)


def _tasks(data: str, pairs: str | None, scaling: Scaling) -> Any:
    from nngraph.datasets import Dataset, load

    found = (
        call("--data", data) if ":" in data else load(data, scaling="[-1,1]" if scaling is Scaling.signed else "[0,1]")
    )
    if pairs is None:
        return found
    if not isinstance(found, Dataset):
        raise ArgumentError(f"--pairs: {data} returns no data set whose classes could be chosen.")
    chosen = [[int(key) if key.isdigit() else key for key in pair.split(",")] for pair in pairs.split()]
    return found, chosen
