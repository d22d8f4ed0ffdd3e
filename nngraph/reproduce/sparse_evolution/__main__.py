"""``python -m nngraph.reproduce.sparse_evolution``: train networks whose edges evolve, and write what was found."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nngraph.reproduce.sparse_evolution.pages import EXPERIMENTS, write

if TYPE_CHECKING:
    import pandas as pd

VERBS = dict(EXPERIMENTS)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser(prog="python -m nngraph.reproduce.sparse_evolution", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="WHAT", dest="verb")
    for verb, experiment in VERBS.items():
        one = verbs.add_parser(verb, help=(experiment.__doc__ or "").splitlines()[0])
        one.add_argument("--out", required=True, help="folder of results; what is there is not done again")
        if "root" in inspect.signature(experiment.run).parameters:
            one.add_argument("--root", help="folder of the files of the data sets; NNGRAPH_DATA by default")
    page = verbs.add_parser(
        "page", help="write sparse_evolution.md and its pictures; what an experiment of the folder lacks is done"
    )
    page.add_argument("--out", required=True, help="folder of results; experiments that have none are left out")
    page.add_argument("--docs", required=True, help="folder for the page")
    page.add_argument("--root", help="folder of the files of the data sets; NNGRAPH_DATA by default")
    options = parser.parse_args(arguments)
    if options.verb != "page":
        _run(options.verb, options)
        return
    there = [verb for verb in VERBS if (Path(options.out) / verb).is_dir()]
    if not there:
        raise SystemExit(f"{options.out}: has none of the folders {', '.join(VERBS)}; run an experiment first.")
    write(options.docs, {verb: _run(verb, options) for verb in there}, options.out)


def _run(verb: str, options: argparse.Namespace) -> pd.DataFrame:
    """Run an experiment in its folder; what is there is read."""
    run = VERBS[verb].run
    known: dict[str, Any] = {"root": options.root} if "root" in inspect.signature(run).parameters else {}
    table: pd.DataFrame = run(Path(options.out) / verb, **known)
    return table


if __name__ == "__main__":
    main()
