"""The law of parameters: how many weights a layer has against its width."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph._folders import opened
from nngraph._rng import RNG, child, seed_sequence
from nngraph.io._atomic import replacing
from nngraph.reproduce._claims import Claim
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.sparse_evolution import _units
from nngraph.sparse import erdos_renyi_mask

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WIDTHS", "claims", "exponents", "run", "section", "short"]

WIDTHS = (100, 200, 400, 800, 1600, 3200, 6400)
EPSILON = 13.0


def run(
    folder: str | os.PathLike[str], *, widths: Sequence[int] = WIDTHS, epsilon: float = EPSILON, rng: RNG = 0
) -> pd.DataFrame:
    """Count the edges of a layer between two equally wide parts, complete and as SET begins.

    Parameters
    ----------
    folder : path
        Gets the table.
    widths : sequence of int
        Neurons on either side.
    epsilon : float
        Of the Erdős-Rényi support.
    rng : None, int, SeedSequence or Generator
        Of the supports.

    Returns
    -------
    pandas.DataFrame
        ``width``, ``complete``, ``expected`` (epsilon times the number of neurons), ``sparse`` (edges of a support
        that was drawn), ``density``.

    Raises
    ------
    StudyError
        If the folder holds results of other settings.

    Examples
    --------
    >>> import tempfile
    >>> run(tempfile.mkdtemp(), widths=(100, 200))[["width", "complete", "expected"]]
       width  complete  expected
    0    100     10000    2600.0
    1    200     40000    5200.0
    """
    import pandas as pd

    seed = seed_sequence(rng)
    rows = []
    for width in widths:
        sparse = int(erdos_renyi_mask(width, width, epsilon, rng=child(seed, "parameters", width)).sum())
        rows.append((width, width**2, 2 * epsilon * width, sparse, sparse / width**2))
    table = pd.DataFrame(rows, columns=["width", "complete", "expected", "sparse", "density"])
    with replacing(opened(Path(folder), {"widths": list(widths), "epsilon": epsilon}) / "parameters.csv") as content:
        table.to_csv(content, index=False)
    return table


def exponents(table: pd.DataFrame) -> dict[str, float]:
    """Return the slope of the logarithm of "complete" and of "sparse" edges against that of the width."""
    x = np.log(table["width"])
    return {name: float(np.polyfit(x, np.log(table[name]), 1)[0]) for name in ("complete", "sparse")}


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge that parameters grow linearly with the number of neurons.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.

    Returns
    -------
    list of Claim
    """
    slopes = exponents(table)
    off = float((table["sparse"] / table["expected"] - 1).abs().max())
    holds = abs(slopes["sparse"] - 1) < 0.05 and abs(slopes["complete"] - 2) < 0.05 and off < 0.1
    claim = Claim(
        claim="parameters of a layer grow with the number of neurons, not with its square",
        rule="holds where the exponent is within 0.05 of 1 (2 for complete layers) and every count within 10 % of "
        "epsilon times the number of neurons",
        published="quadratically fewer parameters",
        measured=f"exponent {slopes['sparse']:.3f} (complete: {slopes['complete']:.3f}); counts within {off:.1%}",
        verdict="holds" if holds else "does not hold",
        control=f"complete layers: exponent {slopes['complete']:.3f}",
        value=slopes["sparse"],
    )
    return [claim]


def short(table: pd.DataFrame) -> str:
    """Return one sentence on what was found."""
    return f"The number of weights of a layer grows as its width to the power {exponents(table)['sparse']:.3f}."


def section(table: pd.DataFrame, folder: str | os.PathLike[str]) -> str:
    """Return the section on the number of parameters in Markdown.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`run`.
    folder : path
        That it ran in, with its settings.

    Returns
    -------
    str
    """
    rows = [
        [f"{one.width:,}", f"{one.complete:,}", f"{one.expected:,.0f}", f"{one.sparse:,}", f"{one.density:.2%}"]
        for one in table.itertuples()
    ]
    head = ["neurons on either side", "complete", "ε (n + m)", "Erdős–Rényi, drawn", "density"]
    return "\n".join(
        [
            "## Number of parameters",
            "",
            f"Edges of one layer, ε = {_units.settings_of(folder)['epsilon']:g}. "
            "SET keeps the number that was drawn through every rewiring.",
            "",
            *markdown(head, rows),
        ]
    )
