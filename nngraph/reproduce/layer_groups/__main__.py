"""``python -m nngraph.reproduce.layer_groups``: train modular-sum networks anew, write what was found in them."""

from __future__ import annotations

import argparse
import logging

from nngraph.reproduce.layer_groups import _page, modular


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, train, save."""
    parser = argparse.ArgumentParser(prog="python -m nngraph.reproduce.layer_groups", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="WHAT")
    train = verbs.add_parser("modular", help="train a modular-sum network and write weights and record")
    train.add_argument("--model", choices=list(modular.RECIPES), required=True)
    train.add_argument("--out", required=True, help="folder for modular_<model>.safetensors and .json")
    train.add_argument("--rng", type=int, default=0, help="seed; 0 made the stored networks")
    train.add_argument("--checkpoints", type=int, nargs="*", default=(), help="steps to keep on the way")
    train.add_argument("--verbose", action="store_true", help="log the held-out accuracy of every check")
    train.set_defaults(run=_modular)
    tables = verbs.add_parser("targets", help="write the section on modular sums of docs/layer_groups.md")
    tables.add_argument("--page", required=True, help="page that gets the section, between its markers")
    tables.add_argument("--folder", required=True, help="gets every table as it is done; what it has is not done again")
    tables.add_argument("--n", type=int, default=200, help="pairs of tokens in Table 1 and in the maps")
    tables.set_defaults(run=_targets)
    options = parser.parse_args(arguments)
    options.run(options)


def _modular(options: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    run = modular.train(options.model, rng=options.rng, checkpoints=options.checkpoints)
    for path in modular.save(run, options.out):
        logging.getLogger(__name__).info("%s", path)


def _targets(options: argparse.Namespace) -> None:
    _page.put(options.page, _page.section(_page.tables(options.folder, n=options.n), n=options.n))


if __name__ == "__main__":
    main()
