"""``python -m nngraph.reproduce.capacitance``: train the candidates, judge the claims, write the page."""

from __future__ import annotations

import argparse
import logging

from nngraph.errors import NNGraphError
from nngraph.reproduce.capacitance import page, runs
from nngraph.reproduce.capacitance.claims import Study


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, train or read, write."""
    parser = argparse.ArgumentParser(prog="python -m nngraph.reproduce.capacitance", description=__doc__)
    parser.add_argument("--out", required=True, help="folder of trajectories, tables, pictures and the page")
    parser.add_argument("--root", help="folder of the files of Fashion-MNIST")
    parser.add_argument("--texts", help="where the rated snippets are, for the part on texts, which may be added later")
    parser.add_argument("--stored", action="store_true", help="judge what comes with the package; 20 CPU seconds")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        tables = runs.stored() if options.stored else runs.train(options.out, root=options.root, texts=options.texts)
        page.write(options.out, Study(*tables))
    except NNGraphError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
