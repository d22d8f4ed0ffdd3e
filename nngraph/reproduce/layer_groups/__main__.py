"""``python -m nngraph.reproduce.layer_groups modular --model E --out FOLDER``: train a network anew and keep it."""

from __future__ import annotations

import argparse
import logging

from nngraph.reproduce.layer_groups import modular


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
    options = parser.parse_args(arguments)
    options.run(options)


def _modular(options: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    run = modular.train(options.model, rng=options.rng, checkpoints=options.checkpoints)
    for path in modular.save(run, options.out):
        logging.getLogger(__name__).info("%s", path)


if __name__ == "__main__":
    main()
