"""One shape for what a study says of a claim, and the row of the ledger that follows from it."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nngraph.errors import StudyError
from nngraph.io._atomic import replacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nngraph.reproduce.ledger import Row

__all__ = ["COLUMNS", "DATA", "EQUALLED", "UNDECIDED", "Claim", "row", "save", "table", "untestable"]

COLUMNS = ("claim", "rule", "published", "measured", "verdict")
"""Of a table of claims."""
DATA = {
    "digits": "digits (canvas)",
    "fashion-mnist": "Fashion-MNIST",
    "mnist": "MNIST",
    "colour-patches": "colour patches",
    "cifar-10": "CIFAR-10",
}
"""Names of data sets in rows."""
UNDECIDED = "; undecided counts as in part where the estimate is on the side of the claim, else as not holding"
"""What the ledger, which knows no undecided, makes of it."""
EQUALLED = "; in part at most where the control does as well"
"""Of claims that have a control by which they could fail."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim, the rule that judges it, what was found, and the verdict."""

    claim: str
    rule: str
    measured: str
    verdict: str
    """In the words of the study."""
    published: str = "no number"
    control: str = ""
    """What the trivial way reaches, or the same without what is claimed to matter."""
    seeds: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    """The number that the verdict rests on, if one does, and its interval."""
    counts: str = ""
    """The verdict in the words of the ledger, where ``verdict`` is none of them."""
    equalled: bool | None = None
    """Whether the control does as well as what is claimed; None where the rule has it, or no control says so."""


def table(claims: Sequence[Claim]) -> pd.DataFrame:
    """Return the claims as a table of ``COLUMNS``.

    Examples
    --------
    >>> one = Claim(claim="degrees sum to edges", rule="they do", measured="7 and 7", verdict="holds")
    >>> table([one])[["measured", "verdict"]]
      measured verdict
    0  7 and 7   holds
    """
    import pandas as pd

    return pd.DataFrame([dataclasses.asdict(one) for one in claims], columns=list(COLUMNS))


def row(claim: Claim, **about: Any) -> Row:
    """Return the row of the ledger that a claim makes.

    Parameters
    ----------
    claim : Claim
        What was found.
    **about
        Key, source, data, and whatever else of the row is not in the claim, or is to be said otherwise.

    Returns
    -------
    Row
        An undecided claim counts as its ``counts`` says; the word stays in what was measured, and the rule says so. One
        that holds counts as in part where its control does as well.

    Raises
    ------
    StudyError
        If the verdict is no word of the ledger, and nothing says what it counts as.
    """
    from nngraph.reproduce.ledger import Row, Verdict

    verdict = claim.counts or claim.verdict
    if verdict not in get_args(Verdict):
        raise StudyError(
            f"{claim.claim}: the verdict is {claim.verdict!r}; expected one of {', '.join(get_args(Verdict))}. A study "
            "with fewer rounds or seeds than the claim needs cannot judge it."
        )
    told = claim.verdict != verdict
    if capped := bool(claim.equalled) and verdict == "holds":
        verdict = "holds in part"
    known: dict[str, Any] = {
        "statement": claim.claim,
        "criterion": claim.rule
        + ("" if claim.equalled is None else EQUALLED)
        + (UNDECIDED if claim.verdict == "undecided" else ""),
        "authors": claim.published,
        "measured": (f"{claim.verdict}: " if told else "")
        + claim.measured
        + ("; the control does as well" if capped else ""),
        "verdict": verdict,
        "undecided": claim.verdict == "undecided",
        "seeds": claim.seeds,
        "control": claim.control,
        **{name: _finite(getattr(claim, name)) for name in ("value", "low", "high")},
    }
    return Row(**known | about)


def _finite(value: float | None) -> float | None:
    """Return a number, none where it is infinite or NaN: the interval of one seed."""
    return None if value is None or not math.isfinite(value) else float(value)


def untestable(*, missing: str, stand_in: str, **about: Any) -> Row:
    """Return the row of a claim whose data cannot be had here: the missing files, and the key of what was run instead.

    Parameters
    ----------
    missing : str
        Names of files or models.
    stand_in : str
        Key of a row.
    **about
        Key, source, statement, criterion, authors, data.

    Returns
    -------
    Row
    """
    from nngraph.reproduce.ledger import Row

    known = {"verdict": "not testable here", "measured": f"not measured; see {stand_in}"}
    return Row(missing=missing, stand_in=stand_in, **known | about)


def save(figure: Figure, path: Path) -> str:
    """Write a picture of 64 colours, which takes a third of the space of one of all, and return its name."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    with replacing(path) as file:
        Image.open(drawn).convert("RGB").quantize(64).save(file, format="png", optimize=True)
    return path.name
