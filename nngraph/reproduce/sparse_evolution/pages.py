"""The page of the study: all sections and verdicts, written from tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nngraph.io._atomic import replacing
from nngraph.reproduce import _claims
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.sparse_evolution import boltzmann, convolutions, degrees, mlps, parameters, tabular

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENTS", "write"]

EXPERIMENTS: tuple[tuple[str, ModuleType], ...] = (
    ("parameters", parameters),
    ("mlp", mlps),
    ("degrees", degrees),
    ("boltzmann", boltzmann),
    ("convolutions", convolutions),
    ("tabular", tabular),
)
"""Verbs, which are names of folders too, in the order of the page. Each module has ``run(folder, ...)``,
``section(table, folder)``, ``short(table)``, ``claims(table)``, and ``figures(table, folder)`` if there are any."""
VERDICTS = {
    "holds": "hold",
    "holds in part": "hold in part",
    "does not hold": "do not hold",
    "undecided": "are undecided",
}
INTRODUCTION = """# Sparse evolutionary training

What D. C. Mocanu et al. ("Scalable training of artificial neural networks with adaptive sparse connectivity inspired by
network science", Nature Communications 9, 2383, 2018) say of networks whose edges evolve in training (SET), asked at a
small scale: layers begin as Erdős–Rényi bipartite graphs; again and again a share ζ of the positive and of the negative
weights, those nearest to 0, goes, and as many edges grow at random places. *Core* is the graph after a removal,
*regrown* the one after the growth that follows. The last layer is complete and does not evolve, as published.

All of this page is made by `python -m nngraph.reproduce.sparse_evolution`: no number is typed. `... VERB --out FOLDER`
runs one experiment ({verbs}); `... page --out FOLDER --docs docs` writes the page from what is in the folder.
"""


def write(docs: str | os.PathLike[str], tables: Mapping[str, pd.DataFrame], folder: str | os.PathLike[str]) -> Path:
    """Write ``sparse_evolution.md`` and its pictures.

    Parameters
    ----------
    docs : path
        Folder for the page; its pictures go to ``pictures``.
    tables : mapping of str to pandas.DataFrame
        Of ``run`` of some of ``EXPERIMENTS``, by verb.
    folder : path
        That the experiments were run in, each in a folder of its name.

    Returns
    -------
    pathlib.Path
        The page.
    """
    place = Path(docs)
    (place / "pictures").mkdir(parents=True, exist_ok=True)
    found = [(verb, one) for verb, one in EXPERIMENTS if verb in tables]
    judged = _claims.table([claim for verb, one in found for claim in one.claims(tables[verb])])
    verbs = ", ".join(f"`{verb}`" for verb, _ in found)
    parts = [INTRODUCTION.format(verbs=verbs), *_short(judged, [one.short(tables[verb]) for verb, one in found])]
    parts += ["", *_judged(judged)]
    for verb, one in found:
        parts += ["", one.section(tables[verb], Path(folder) / verb)]
        if hasattr(one, "figures"):
            for kind, figure in one.figures(tables[verb], Path(folder) / verb).items():
                with replacing(place / "pictures" / f"sparse_evolution_{kind}.png") as file:
                    figure.savefig(file, format="png", dpi=110)
    page = place / "sparse_evolution.md"
    with replacing(page) as file:
        file.write(("\n".join(parts) + "\n").encode())
    return page


def _short(judged: pd.DataFrame, told: Sequence[str]) -> Sequence[str]:
    counts = judged["verdict"].value_counts()
    verdicts = ", ".join(f"{counts[one]} {words}" for one, words in VERDICTS.items() if one in counts)
    return [f"In short: of {len(judged)} claims {verdicts}.", "", *(f"- {one}" for one in told)]


def _judged(judged: pd.DataFrame) -> Sequence[str]:
    rows = judged[["claim", "published", "measured", "verdict"]].to_numpy().tolist()
    rules: dict[str, list[str]] = {}
    for number, rule in enumerate(judged["rule"], start=1):
        rules.setdefault(rule, []).append(str(number))
    return [
        "## Claims",
        "",
        *markdown(["", "claim", "published", "here", "verdict"], [[i, *row] for i, row in enumerate(rows, start=1)]),
        "",
        "The rules:",
        "",
        *(f"- {', '.join(numbers)}: {rule}." for rule, numbers in rules.items()),
    ]
