"""The transformer case of the paper: six matrices of a token classifier, one probed at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nngraph.reproduce._rows import Context, Experiment, Row, always

if TYPE_CHECKING:
    from nngraph.reproduce.probes._matrices import Measured

__all__ = ["EXPERIMENTS", "measured", "rows"]

KEYS = (
    "probes-20",
    "probes-20a",
    "probes-20b",
    "probes-20c",
    "probes-20d",
    "probes-20e",
    "probes-20f",
    "probes-20g",
    "probes-x8",
)
MISSING = "dslim/distilbert-NER and the test part of CoNLL-2003 (folders distilbert-NER and conll2003 of the data)"


def measured(context: Context) -> Measured:
    """Probe the transformer that the scale and the files allow, and draw what was found."""
    from nngraph.reproduce.probes._cases import case_of
    from nngraph.reproduce.probes._matrices import measure

    case = case_of(context.scale, context.root, context.rng)
    found = measure(case, context.folder, scale=context.scale, n_jobs=context.n_jobs, rng=context.rng)
    _draw(found, context)
    return found


def rows(found: Measured) -> list[Row]:
    """Return the rows of the ledger: that of the published model, and those of the one that was probed."""
    from nngraph.reproduce.probes._matrix_claims import rows_of

    return [_published(found), *rows_of(found)]


def _run(context: Context) -> list[Row]:
    return rows(measured(context))


def _published(found: Measured) -> Row:
    from nngraph.reproduce.probes import _matrix_claims as claims
    from nngraph.reproduce.probes._cases import LABELS

    row = Row(
        key="probes-20",
        source="Fig. 5, 9",
        statement="Early matrices of distilbert-NER collapse when binarised, those of its end do not",
        criterion="on CoNLL-2003 both probes-20a and probes-20b hold; in part: one of them, or either in part",
        authors=f"signed F1: {claims.listed(LABELS, claims.AUTHORS['signed'])}, of .885",
        measured="-",
        verdict="not testable here",
        data="CoNLL-2003, test",
        missing=MISSING,
        stand_in="probes-20a",
    )
    if found.case.name != "distilbert-NER":
        return row
    early, late = claims.rows_of(found)[:2]
    both = {early.verdict, late.verdict}
    return dataclasses.replace(
        row,
        measured=f"{early.measured}; {late.measured}",
        verdict="holds" if both == {"holds"} else "does not hold" if both == {"does not hold"} else "holds in part",
        control=f"{early.control}; {late.control}",
        missing="",
        stand_in="",
        seeds=1,
        figure=claims.FIGURE,
    )


def _draw(found: Measured, context: Context) -> None:
    from nngraph.plot._saving import write_png
    from nngraph.plot.matrices import matrix_panels
    from nngraph.reproduce.probes._cases import LABELS
    from nngraph.reproduce.probes._matrix_claims import FIGURE, SHAKEN

    for name, probes in ((FIGURE, ("prune",)), (SHAKEN, ("flip", "noise"))):
        fig = matrix_panels(found.table, LABELS, probes=probes, chance=found.case.chance, metric=found.case.metric)
        write_png(fig, context.folder / name)


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("transformer", KEYS, _run, {"quick": 1.1, "full": 6.0}, always("seed", "jobs")),
)
