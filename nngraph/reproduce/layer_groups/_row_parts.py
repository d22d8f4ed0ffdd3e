"""From judgements to rows of the ledger, and the pictures beside them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nngraph.io._atomic import replacing
from nngraph.reproduce.layer_groups.judgements import Judgement
from nngraph.reproduce.ledger import Row, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw", "judged_row", "number", "untestable_row"]

UNDECIDED = "; undecided counts as in part where the numbers are on the side of the claim, else as not holding"
"""What the ledger, which knows no undecided, makes of it."""


def judged_row(key: str, source: str, judged: Judgement, data: str, **more: Any) -> Row:
    """Return the row of a judgement; an undecided claim counts as its ``counts`` says, and the word stays."""
    undecided = judged.verdict == "undecided"
    word = f"undecided ({judged.why}): " if undecided else f"{judged.why}: " if judged.why else ""
    return Row(
        key=key,
        source=source,
        statement=judged.claim,
        criterion=judged.rule + (UNDECIDED if undecided else ""),
        authors=judged.paper,
        measured=word + judged.here,
        verdict=cast("Verdict", judged.counts if undecided else judged.verdict),
        data=data,
        **more,
    )


def untestable_row(key: str, claim: tuple[str, str, str, str, str]) -> Row:
    """Return the row of a claim on data or a model that cannot be had.

    Parameters
    ----------
    key : str
        Of the row.
    claim : tuple of str
        Source, statement, what the authors report, what is missing, key of the row that was run instead.
    """
    source, statement, authors, missing, stand_in = claim
    return Row(
        key=key,
        source=source,
        statement=statement,
        criterion="that of the stand-in, on the data of the paper",
        authors=authors,
        measured="-",
        verdict="not testable here",
        data="-",
        missing=missing,
        stand_in=stand_in,
    )


def number(value: float | None) -> float | None:
    """Return a finite number as it is, anything else as None: a row has numbers or none."""
    return float(value) if value is not None and math.isfinite(value) else None


def draw(figure: Figure, folder: Path, name: str, *, dpi: int = 90) -> str:
    """Write a figure as PNG into the folder, and return its name."""
    with replacing(folder / name) as file:
        figure.savefig(file, format="png", dpi=dpi)
    return name
