"""``nngraph reproduce``: the claims of the papers, each with a verdict."""

from __future__ import annotations

import enum
import logging
from pathlib import Path
from typing import Annotated

import typer

from nngraph.cli._common import one_sentence


class Scale(enum.StrEnum):
    """Scales of :func:`nngraph.reproduce.ledger.run`."""

    quick = "quick"
    full = "full"


def reproduce(
    papers: Annotated[
        list[str] | None, typer.Argument(metavar="PAPER", help="By default all; --list names them.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="digits, fashion-mnist or mnist, for the experiments that can choose.")
    ] = None,
    scale: Annotated[
        Scale, typer.Option(help="quick: embedded data, 18 minutes of CPU time on 2 cores; full: hours.")
    ] = Scale.quick,
    out: Annotated[Path | None, typer.Option(help="Folder; by default results/ledger-SCALE, or -SCALE-DATA.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of data files; NNGRAPH_DATA by default.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; by default one for each core.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Root seed of everything random.", min=0)] = 0,
    only: Annotated[
        list[str] | None, typer.Option(help="Keys of rows, as probes-04,probes-05: run what gives them, and no more.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name papers, experiments and rows, and stop.")] = False,
) -> None:
    """Test the claims of the papers: a table, and a report with figures, which say what holds, on which data.

    A run that was stopped goes on where it was when the same command is given again. What failed is tried again.

    Examples: nngraph reproduce; nngraph reproduce probes capacitance; nngraph reproduce --only probes-04;
    nngraph reproduce --scale full --root ~/data --out results/full
    """
    with one_sentence("stopped. The same command goes on behind the last finished experiment."):
        from nngraph.reproduce import _ledger_folder, _ledger_tables, ledger

        if listed:
            typer.echo(_ledger_tables.listing(papers or ledger.PAPERS))
            return
        import joblib

        n_jobs = jobs or joblib.cpu_count()
        keys = [key for text in only or () for key in text.replace(",", " ").split()]
        folder = out or Path("results") / "-".join(["ledger", scale.value, *([data] if data else [])])
        waiting, n, minutes = ledger.minutes_left(
            papers, out=folder, scale=scale.value, n_jobs=n_jobs, only=keys, root=root
        )
        typer.echo(
            f"nngraph: {waiting} of {n} experiments to do, about {_ledger_tables.duration(60 * minutes)}", err=True
        )
        logging.getLogger("nngraph.reproduce.ledger").setLevel(logging.INFO)
        rows = ledger.run(
            papers, out=folder, scale=scale.value, data=data, root=root, n_jobs=n_jobs, rng=seed, only=keys
        )
        asked = {row.key for row in rows}
        kept = _ledger_folder.read(folder)
        typer.echo("\n".join(_ledger_tables.counts({scale.value: kept})))
        typer.echo(f"nngraph: report.html, ledger.md, ledger.csv and ledger.json are in {folder}", err=True)
        broken = sorted({entry.name for entry in kept.entries if entry.failed and entry.row.key in asked})
        if broken:
            typer.echo(f"nngraph: failed: {', '.join(broken)}; the same command tries again.", err=True)
            raise typer.Exit(1)
