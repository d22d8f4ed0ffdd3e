"""The command line: one file for each verb, each a thin call of one public function."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from nngraph.cli import capacitance, complexity, convert, info, layers, null, reproduce, stats, study

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("study")(study.study)
app.command("info")(info.info)
app.command("convert")(convert.convert)
app.command("null")(null.null)
app.command("stats")(stats.stats)
app.command("layers")(layers.layers)
app.command("capacitance")(capacitance.capacitance)
app.command("complexity")(complexity.complexity)
app.command("reproduce")(reproduce.reproduce)


def _version(asked: bool) -> None:
    if asked:
        from nngraph import __version__

        typer.echo(f"nngraph {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Neural networks as signed, weighted, multipartite graphs.

    Results go to stdout, logs to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    logging.basicConfig(format="nngraph: %(message)s", level=logging.WARNING)
