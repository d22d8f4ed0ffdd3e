"""From judgements to rows of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.reproduce import _claims

if TYPE_CHECKING:
    from nngraph.reproduce.layer_groups.judgements import Judgement
    from nngraph.reproduce.ledger import Row

__all__ = ["THEOREM", "judged_row", "untestable_row"]

THEOREM = "theorem: needs no network"
"""Source of what holds of every cloud, trained or not: measured is the solver alone."""


def judged_row(
    key: str,
    source: str,
    judged: Judgement,
    data: str,
    *,
    seeds: int = 1,
    interval: tuple[float | None, float | None, float | None] = (None, None, None),
    control: str = "",
    figure: str = "",
    equalled: bool | None = None,
) -> Row:
    """Return the row of a judgement.

    Parameters
    ----------
    key, source, data, seeds, control, figure
        As of :class:`nngraph.reproduce.ledger.Row`.
    equalled : bool, optional
        Whether the control does as well, which leaves a claim at most in part; None where the rule has the control.
    judged : Judgement
        An undecided claim counts as its ``counts`` says, and the word stays.
    interval : tuple
        The headline number, and its interval, where there are any.
    """
    value, low, high = interval
    claim = _claims.Claim(
        claim=judged.claim,
        rule=judged.rule,
        measured=f"{judged.why}: {judged.here}" if judged.why else judged.here,
        verdict=judged.verdict,
        published=judged.paper,
        control=control,
        seeds=seeds,
        value=value,
        low=low,
        high=high,
        counts=judged.counts if judged.verdict == "undecided" else "",
        equalled=equalled,
    )
    return _claims.row(claim, key=key, source=source, data=data, figure=figure)


def untestable_row(key: str, claim: tuple[str, str, str, str], stand_in: str) -> Row:
    """Return the row of a claim on data or a model that cannot be had.

    Parameters
    ----------
    key : str
        Of the row.
    claim : tuple of str
        Source, statement, what the authors report, what is missing.
    stand_in : str
        Key of the row that was run instead.
    """
    source, statement, authors, missing = claim
    about = {"key": key, "source": source, "statement": statement, "authors": authors, "data": "-"}
    return _claims.untestable(
        missing=missing, stand_in=stand_in, criterion="that of the stand-in, on the data of the paper", **about
    )
