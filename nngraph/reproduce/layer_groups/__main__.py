"""``python -m nngraph.reproduce.layer_groups``: train the networks of the study anew, write what was found in them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

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
    tables = verbs.add_parser("targets", help="write the section on modular sums of docs/layer_groups.md")
    tables.add_argument("--page", required=True, help="page that gets the section, between its markers")
    tables.add_argument("--folder", required=True, help="gets every table as it is done; what it has is not done again")
    tables.add_argument("--n", type=int, default=200, help="pairs of tokens in Table 1 and in the maps")
    tables.set_defaults(run=_targets)
    texts = verbs.add_parser("language", help="fine-tune, freeze, drop and skip blocks of language models")
    texts.add_argument("--out", required=True, help="folder of weights and tables; what is there is not done again")
    texts.add_argument("--root", help="where the rated snippets are; NNGRAPH_DATA by default")
    texts.add_argument("--source", help="folder of the encoder; MiniLM by default")
    texts.add_argument("--seeds", type=int, default=1, help="fine-tunings of each row")
    texts.add_argument("--samples", type=int, default=200, help="texts in each map")
    texts.add_argument("--page", help="Markdown page whose tables are written anew")
    texts.set_defaults(run=_language)
    characters = verbs.add_parser("characters", help="train the transformer of bytes and write its weights")
    characters.add_argument("--out", required=True, help="file for the weights")
    characters.add_argument("--rng", type=int, default=0, help="seed; 0 made the stored network")
    characters.set_defaults(run=_characters)
    eyes = verbs.add_parser("vision", help="map the vision networks and write the page, or train them anew")
    eyes.add_argument("--out", required=True, help="folder for maps, tables, pictures and layer_groups_vision.md")
    eyes.add_argument("--train", action="store_true", help="write vision_<network>.safetensors and .json instead")
    eyes.add_argument("--root", help="folder of the files of Fashion-MNIST")
    eyes.add_argument("--jobs", type=int, default=1, help="processes")
    eyes.set_defaults(run=_vision)
    time = verbs.add_parser("dynamics", help="follow the layers of Model 0 through its training, and write the page")
    time.add_argument("--out", required=True, help="folder for maps, the table, the picture and the page")
    time.set_defaults(run=_dynamics)
    options = parser.parse_args(arguments)
    options.run(options)


def _modular(options: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    run = modular.train(options.model, rng=options.rng, checkpoints=options.checkpoints)
    for path in modular.save(run, options.out):
        logging.getLogger(__name__).info("%s", path)


def _targets(options: argparse.Namespace) -> None:
    from nngraph.reproduce.layer_groups import _page

    _page.put(options.page, _page.section(_page.tables(options.folder, n=options.n), n=options.n))


def _language(options: argparse.Namespace) -> None:
    from nngraph.reproduce.layer_groups import language

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    language.run(
        options.out,
        root=options.root,
        source=options.source,
        seeds=options.seeds,
        page=options.page,
        n=options.samples,
    )


def _characters(options: argparse.Namespace) -> None:
    from nngraph.reproduce.layer_groups import characters

    characters.train(options.out, rng=options.rng)


def _vision(options: argparse.Namespace) -> None:
    from nngraph.reproduce.layer_groups import vision, vision_page

    if not options.train:
        vision_page.run(options.out, root=options.root, n_jobs=options.jobs)
        return
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name in vision.NETWORKS:
        vision.train(name, root=options.root, path=folder / f"vision_{name}.safetensors")


def _dynamics(options: argparse.Namespace) -> None:
    from nngraph.reproduce.layer_groups import dynamics

    dynamics.run(options.out)


if __name__ == "__main__":
    main()
