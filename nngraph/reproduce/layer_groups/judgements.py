"""What is said of every claim, whichever part of the study judges it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judgement", "counting", "degree", "table_of"]


class Judgement(NamedTuple):
    """A claim of the paper, the rule that judges it, what was found, and the verdict."""

    claim: str
    paper: str
    """What the authors report."""
    rule: str
    """Stated before anything was measured."""
    here: str
    """What was found."""
    verdict: str
    """ "holds", "holds in part", "does not hold" or "undecided"."""
    why: str = ""
    """What the verdict alone does not tell."""
    counts: str = "does not hold"
    """As what it counts where every claim has to hold or not: undecided with the numbers on its side is "in part"."""

    @property
    def said(self) -> str:
        """The verdict with its reason."""
        return self.verdict + (f": {self.why}" if self.why else "")


def degree(found: int, of: int) -> str:
    """Return "holds" where all were found, "does not hold" where none was, else "holds in part".

    Examples
    --------
    >>> degree(2, 2), degree(1, 2), degree(0, 2)
    ('holds', 'holds in part', 'does not hold')
    """
    return "holds" if found == of else "holds in part" if found else "does not hold"


def counting(supported: bool) -> str:  # noqa: FBT001
    """Return as what an undecided claim counts: in part where the numbers are on its side.

    Examples
    --------
    >>> counting(True), counting(False)
    ('holds in part', 'does not hold')
    """
    return "holds in part" if supported else "does not hold"


def table_of(judged: Iterable[Judgement]) -> pd.DataFrame:
    """Return a row for each judgement, with its fields as columns.

    Examples
    --------
    >>> table_of([Judgement("it floats", "by eye", "its top is dry", "wet", "does not hold")]).columns.tolist()
    ['claim', 'paper', 'rule', 'here', 'verdict', 'why', 'counts']
    """
    import pandas as pd

    return pd.DataFrame(list(judged), columns=list(Judgement._fields))
