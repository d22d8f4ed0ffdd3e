"""``python -m nngraph.reproduce.lottery_tickets``: train, prune, measure, and write what was found."""

from __future__ import annotations

import argparse

from nngraph.errors import NNGraphError
from nngraph.reproduce.lottery_tickets import page
from nngraph.reproduce.lottery_tickets.runs import SEEDS


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, run, write the page."""
    parser = argparse.ArgumentParser(prog="python -m nngraph.reproduce.lottery_tickets", description=__doc__)
    parser.add_argument("--out", required=True, help="folder of networks and tables; what is there is not done again")
    parser.add_argument("--root", help="folder of the files of Fashion-MNIST")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="networks, four at least")
    parser.add_argument("--control-seeds", type=int, help="how many of them have all controls; all by default")
    options = parser.parse_args(arguments)
    try:
        page.run(options.out, root=options.root, seeds=options.seeds, control_seeds=options.control_seeds)
    except NNGraphError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
