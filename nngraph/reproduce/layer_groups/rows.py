"""The experiments of the paper on layer groups, as rows of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.reproduce._rows import always
from nngraph.reproduce.ledger import Experiment

if TYPE_CHECKING:
    from nngraph.reproduce.ledger import Context, Row

__all__ = ["EXPERIMENTS"]


def _targets(context: Context) -> list[Row]:
    from nngraph.reproduce.layer_groups._rows_modular import known_targets

    return known_targets(context)


def _maps(context: Context) -> list[Row]:
    from nngraph.reproduce.layer_groups._rows_maps import maps

    return maps(context)


def _clouds(context: Context) -> list[Row]:
    from nngraph.reproduce.layer_groups._rows_modular import clouds

    return clouds(context)


def _texts(context: Context) -> list[Row]:
    from nngraph.reproduce.layer_groups._rows_language import texts

    return texts(context)


def _training(context: Context) -> list[Row]:
    from nngraph.reproduce.layer_groups._rows_dynamics import training

    return training(context)


def _images(context: Context) -> list[Row]:
    from nngraph.reproduce.layer_groups._rows_vision import images

    return images(context)


def _keys(*numbers: str) -> tuple[str, ...]:
    return tuple(f"layer-groups-{number}" for number in numbers)


EXPERIMENTS = (
    Experiment(
        "targets",
        _keys("01a", "01b", "01c", "04a", "04b", "04c", "04d", "04e"),
        _targets,
        {"quick": 1.0, "full": 4.0},
        always("seed"),
    ),
    Experiment(
        "maps",
        _keys("02a", "02b", "02c", "02d", "03a", "03b", "x1", "x2", "x3"),
        _maps,
        {"quick": 1.2, "full": 10.0},
        always("seed"),
    ),
    Experiment("clouds", _keys("05", "16", "17"), _clouds, {"quick": 0.9, "full": 1.5}, always("seed")),
    Experiment(
        "language",
        _keys(
            *("06", "06a", "07", "07a", "07b", "07c", "08", "08a", "08b", "08c", "09", "09a", "09b", "10", "10a"),
            *("11", "11a", "12", "12a", "13", "13a", "13b", "13c", "15", "15a"),
        ),
        _texts,
        {"quick": 3.1, "full": 25.0},
        always("seed"),
    ),
    Experiment("training", _keys("09c"), _training, {"quick": 0.1, "full": 0.3}, always()),
    Experiment("images", _keys("14", "14a", "14b", "14c"), _images, {"quick": 0.3, "full": 8.0}),
)
"""In the order of the ledger. Minutes of the quick scale are measured, those of the full one reckoned from them."""
