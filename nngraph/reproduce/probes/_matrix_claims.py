"""The claims on six matrices of a transformer, each judged by a rule stated beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from nngraph.reproduce._rows import Row, Verdict
from nngraph.reproduce.probes._cases import LABELS
from nngraph.reproduce.probes._matrices import FIRST, Measured
from nngraph.reproduce.probes.judging import capped

__all__ = ["AUTHORS", "KEYS", "rows_of"]

EARLY, LATE = LABELS[:3], LABELS[3:]
CLOSE = 0.03
RETURN = 0.1
AUTHORS = {
    "signed": (0.000, 0.000, 0.009, 0.860, 0.881, 0.887),
    "A": (0.392, 0.000, 0.570, 0.809, 0.753, 0.043),
    "B": (0.810, 0.628, 0.867, 0.884, 0.886, 0.886),
    "pruned": (0.635, 0.735, 0.878, 0.884, 0.886, 0.886),
    "removed": (0.400, 0.442, 0.777, 0.780, 0.783, 0.000),
}
"""What the authors report for distilbert-NER, F1, in the order of the six matrices; the model as it is has .885."""
UNTOUCHED = 0.885
FIGURE, SHAKEN = "matrices.png", "noise_and_flips.png"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one claim came to."""

    verdict: Verdict
    measured: str
    control: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim, its rule, what the authors report, and the test."""

    key: str
    source: str
    statement: str
    criterion: str
    authors: str
    test: Callable[[Measured], Finding]
    figure: str = FIGURE


def graded(met: int, of: int) -> Verdict:
    """Return the verdict on a claim of which some parts are met: in part from half of them on.

    Examples
    --------
    >>> [graded(met, 6) for met in (6, 3, 2)]
    ['holds', 'holds in part', 'does not hold']
    """
    return "holds" if met == of else "holds in part" if 2 * met >= of else "does not hold"


def listed(labels: Sequence[str], values: Sequence[float]) -> str:
    """Return values by label."""
    return ", ".join(f"{label} {value:.3f}" for label, value in zip(labels, values, strict=True))


def rows_of(measured: Measured) -> list[Row]:
    """Return the rows of the ledger on one transformer, but for that of the published one."""
    case = measured.case
    made = []
    for claim in _CLAIMS:
        found = claim.test(measured)
        made.append(
            Row(
                key=claim.key,
                source=claim.source,
                statement=claim.statement,
                criterion=claim.criterion,
                authors=claim.authors,
                measured=f"{case.name}, {case.metric} {measured.untouched:.3f} as it is: {found.measured}",
                verdict=found.verdict,
                data=case.data,
                seeds=1,
                value=_plain(found.value),
                low=_plain(found.low),
                high=_plain(found.high),
                control=found.control,
                figure=claim.figure,
            )
        )
    return made


def _plain(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)


# -------------------------------------------------------------------- the tests


def _half(m: Measured) -> float:
    return m.case.chance + (m.untouched - m.case.chance) / 2


def _of(m: Measured, labels: Sequence[str], change: str) -> list[float]:
    return [m.case.value(m.counts[label, change]) for label in labels]


def _collapse(m: Measured) -> Finding:
    signed = _of(m, EARLY, "signed")
    worst = EARLY[int(np.argmax(signed))]
    met = sum(m.interval(label, "signed")[1] < _half(m) for label in EARLY)
    beside = f"removed: {listed(EARLY, _of(m, EARLY, 'removed'))}; untrained: {listed(EARLY, _of(m, EARLY, 'twin'))}"
    return Finding(
        graded(met, 3), f"signed: {listed(EARLY, signed)}", beside, max(signed), *m.interval(worst, "signed")
    )


def _spared(m: Measured) -> Finding:
    """Judge by what signs lose, where removing the matrix or its training loses more than what is called close."""
    drops = [m.untouched - value for value in _of(m, LATE, "signed")]
    close = [m.interval(label, "signed", lost=True)[1] <= CLOSE for label in LATE]
    idle = [label for label in LATE if all(m.untouched - _of(m, [label], c)[0] <= CLOSE for c in ("removed", "twin"))]
    verdict = capped(graded(sum(close), 3), control=bool(idle))
    told = f"; within .03 whatever is done to it: {', '.join(idle)}" if idle else ""
    beside = f"removed: {listed(LATE, _of(m, LATE, 'removed'))}; untrained: {listed(LATE, _of(m, LATE, 'twin'))}{told}"
    worst = LATE[int(np.argmax(drops))]
    return Finding(
        verdict,
        f"signed: {listed(LATE, _of(m, LATE, 'signed'))}; largest loss {max(drops):.3f} ({worst})",
        beside,
        max(drops),
        *m.interval(worst, "signed", lost=True),
    )


def _rise(m: Measured) -> Finding:
    label = LABELS[1]
    first = m.values(label, FIRST, null="B")
    later = {p: m.values(label, p, null="B") for p in (0.3, 0.5)}
    best = max(later, key=lambda p: float(np.median(later[p])))
    gain = float(np.median(later[best]) - np.median(first))
    apart = bool(later[best].min() > first.max())
    full = {p: m.value(label, p) for p in (FIRST, best)}
    control = m.value(label, best, null="A") - m.value(label, FIRST, null="A")
    verdict: Verdict = "does not hold" if gain <= 0 else "holds" if apart else "holds in part"
    return Finding(
        capped(verdict, control=control >= gain),
        f"B {np.median(first):.3f} ({first.min():.3f} to {first.max():.3f}) at p = .001, {np.median(later[best]):.3f} "
        f"({later[best].min():.3f} to {later[best].max():.3f}) at p = {best:g}",
        f"pruned and not randomised: {full[FIRST]:.3f} and {full[best]:.3f}; A: {m.value(label, FIRST, null='A'):.3f} "
        f"and {m.value(label, best, null='A'):.3f}" + "; A gains as much" * (control >= gain),
        gain,
        float(later[best].min() - first.max()),
        float(later[best].max() - first.min()),
    )


def _return(m: Measured) -> Finding:
    back = {}
    for label in LABELS:
        curve = m.curve(label, "flip")
        back[label] = float(curve.loc[1.0] - curve[curve.index < 1].min())
    enough = [label for label in LABELS if back[label] > RETURN * (m.untouched - m.case.chance)]
    first = LABELS[0]
    curve = m.curve(first, "flip")
    verdict: Verdict = "does not hold" if first not in enough else "holds" if enough == [first] else "holds in part"
    lowest = float(curve[curve.index < 1].idxmin())
    (removed,) = _of(m, [first], "removed")
    as_well = removed >= float(curve.loc[1.0])
    return Finding(
        capped(verdict, control=as_well),
        f"position embedding {float(curve.loc[lowest]):.3f} at q = {lowest:g}, {float(curve.loc[1.0]):.3f} at q = 1; "
        f"return from the lowest value: {listed(LABELS, list(back.values()))}",
        f"position embedding removed: {removed:.3f}" + ", no less than with all signs flipped" * as_well,
        back[first],
    )


def _signs_matter(m: Measured) -> Finding:
    a, b = ({label: m.values(label, FIRST, null=kind) for label in LABELS} for kind in "AB")
    met = sum(bool(b[label].min() > a[label].max()) for label in LABELS)
    medians = {kind: [float(np.median(values[label])) for label in LABELS] for kind, values in (("A", a), ("B", b))}
    gaps = [y - x for x, y in zip(medians["A"], medians["B"], strict=True)]
    least = LABELS[int(np.argmin(gaps))]
    twins = _of(m, LABELS, "twin")
    as_well = [label for label, b_, twin in zip(LABELS, medians["B"], twins, strict=True) if twin >= b_]
    return Finding(
        capped(graded(met, 6), control=bool(as_well)),
        f"A: {listed(LABELS, medians['A'])}; B: {listed(LABELS, medians['B'])}; smallest gain {min(gaps):.3f}",
        f"untrained matrix: {listed(LABELS, twins)}" + f"; no worse than B: {', '.join(as_well)}" * bool(as_well),
        min(gaps),
        float(b[least].min() - a[least].max()),
        float(b[least].max() - a[least].min()),
    )


def _pruned(m: Measured) -> Finding:
    lost = {label: m.untouched - m.value(label, 0.9) for label in LABELS}
    spared = [lost[label] <= CLOSE for label in LATE]
    hurt = [lost[label] > RETURN for label in LABELS[:2]]
    parts = {graded(sum(spared), 3), graded(sum(hurt), 2)}
    verdict: Verdict = (
        "does not hold" if "does not hold" in parts else "holds" if parts == {"holds"} else "holds in part"
    )
    whole = [m.untouched - value for value in _of(m, LABELS, "removed")]
    idle = [label for label, value in zip(LABELS, whole, strict=True) if label in LATE and value <= CLOSE]
    return Finding(
        capped(verdict, control=bool(idle)),
        f"lost with 90 % pruned: {listed(LABELS, list(lost.values()))}",
        f"lost with all removed: {listed(LABELS, whole)}"
        + f"; within .03 all the same: {', '.join(idle)}" * bool(idle),
        max(lost[label] for label in LATE),
    )


def _removed(m: Measured) -> Finding:
    values = dict(zip(LABELS, _of(m, LABELS, "removed"), strict=True))
    head = values[LABELS[-1]] <= m.case.chance + CLOSE
    third = m.case.chance + (m.untouched - m.case.chance) / 3
    others = [values[label] > third for label in LABELS[:-1]]
    return Finding(
        graded(sum(others), 5) if head else "does not hold",
        f"removed: {listed(LABELS, list(values.values()))}",
        f"untrained: {listed(LABELS, _of(m, LABELS, 'twin'))}",
        values[LABELS[-1]],
        *m.interval(LABELS[-1], "removed"),
    )


def _scaled(m: Measured) -> Finding:
    """Judge whether the matrices that collapse under bare signs collapse under signs of their own mean magnitude."""
    down = [label for label in LABELS if _of(m, [label], "signed")[0] < _half(m)]
    if not down:
        return Finding(
            "does not hold", "no matrix collapses under bare signs, so that there is nothing to tell", "", 0.0
        )
    scaled = _of(m, down, "scaled")
    met = sum(m.interval(label, "scaled")[0] > _half(m) for label in down)
    worst = down[int(np.argmin(scaled))]
    moved = [m.value(label, FIRST, null="A") for label in down]
    as_well = [label for label, a, b in zip(down, moved, scaled, strict=True) if a >= b]
    return Finding(
        capped(graded(met, len(down)), control=bool(as_well)),
        f"bare signs: {listed(down, _of(m, down, 'signed'))}; signs times the mean magnitude: {listed(down, scaled)}",
        f"A, which keeps the magnitudes and not the signs: {listed(down, moved)}"
        + f"; no worse than scaled signs: {', '.join(as_well)}" * bool(as_well),
        min(scaled),
        *m.interval(worst, "scaled"),
    )


def _authors(what: str) -> str:
    return f"{listed(LABELS, AUTHORS[what])}, of .885"


_CLAIMS = (
    Claim(
        "probes-20a",
        "Fig. 5",
        "Early matrices of a transformer collapse when they are binarised: position embedding, first feed-forward pair",
        "with bare signs (p = .001) each of the three keeps less than half of the score above chance, the upper end of "
        "its interval over samples too; in part: two of them",
        "F1 .000, .000, .009 of .885",
        _collapse,
    ),
    Claim(
        "probes-20b",
        "Fig. 5",
        "The feed-forward matrices of the last block and the head can be binarised",
        "each of the three loses at most .03 with bare signs, the upper end of its interval over samples too, and more "
        "when removed or untrained; in part: two of them, or all with one that does nothing",
        "F1 .860, .881, .887 of .885",
        _spared,
    ),
    Claim(
        "probes-20c",
        "Fig. 9",
        "Randomised within signs (B), the first feed-forward matrix of the first block does better if pruned before",
        "all draws at p = .3 or .5 lie above all at p = .001; in part: their medians only, or A gains as much",
        "F1 .628 at p = .001, .868 at .3, .874 at .5",
        _rise,
    ),
    Claim(
        "probes-20d",
        "Fig. 9",
        "With all signs of the position embedding flipped the score returns, and with those of no other matrix",
        "from its lowest value over q < 1 the score rises by over a tenth of what is above chance at q = 1, for the "
        "position embedding alone, and to more than without it; in part: for others too, or to no more",
        "F1 .431 at q = .86, .736 at q = 1",
        _return,
        SHAKEN,
    ),
    Claim(
        "probes-20e",
        "Fig. 5",
        "Randomising within signs (B) costs less than over all edges (A), for each of the six matrices",
        "all draws of B lie above all of A at p = .001, for each matrix, and above an untrained matrix; in part: for "
        "half of them, or where an untrained matrix does no worse",
        f"A: {_authors('A')}; B: {_authors('B')}",
        _signs_matter,
    ),
    Claim(
        "probes-20f",
        "Fig. 5",
        "Nine in ten weights of a late matrix can be pruned, not those of the position embedding and the first layer",
        "at p = .9 each late matrix loses at most .03 (and more with all removed), position embedding and first lin1 "
        "more than .1, of all samples at once (no interval: this edit is not scored sample by sample); in part: at "
        "least half of the late and half of the early ones",
        _authors("pruned"),
        _pruned,
    ),
    Claim(
        "probes-20g",
        "Fig. 5",
        "Of the six matrices only the head cannot be done without",
        "without the head the score is within .03 of chance, without any other over a third of what is above chance "
        "is left; in part: the head, and at least half of the others",
        _authors("removed"),
        _removed,
    ),
    Claim(
        "probes-x8",
        "not in the paper",
        "What collapses under bare signs does so for its scale: with one scale for each matrix it does not",
        "signs times the mean magnitude keep over half of the score above chance, the lower end of the interval too, "
        "for each matrix that bare signs take below half, and more than A; in part: for half of them, or A keeps "
        "as much",
        "no number",
        _scaled,
    ),
)
KEYS = tuple(claim.key for claim in _CLAIMS)
