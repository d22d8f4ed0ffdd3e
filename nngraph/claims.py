"""Claims of the study of task complexity, each tested on the table of a study with a criterion stated beforehand.

The criteria are those of Fashion-MNIST where they carry over, put as differences in points so that they mean the same
on other data. They need a two-class task whose name starts with "easy" and one whose name starts with "hard".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from nngraph._tables import curve, described, folded, role, rows_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Claim", "claims", "peak", "peaks", "transition_points", "transitions"]

Verdict = Literal["holds", "does not hold", "not testable"]


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, how it was tested, what was found, and the verdict."""

    claim: str
    criterion: str
    found: str
    verdict: Verdict


def claims(table: pd.DataFrame) -> list[Claim]:
    """Test the claims that the table of a study can test.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :meth:`nngraph.Study.run`, with values as measured.

    Returns
    -------
    list of Claim
        Empty where there is no easy or no hard task of two classes. A claim for which the table lacks rows, or
        whose full network is near chance, is "not testable".

    Notes
    -----
    Numbers are medians over seeds (and draws) of the test accuracy in percent.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025.
    """
    easy, hard = role(table, "easy"), role(table, "hard")
    if easy is None or hard is None or any(described(table, task, "n_classes") != 2 for task in (easy, hard)):
        return []
    data = _Medians(table, {"easy": easy, "hard": hard})
    return [tested for claim, test in _TESTS.items() for tested in _tested(claim, test, data)]


class _Missing(Exception):
    """The table has no rows for what is asked."""


class _Unlearned(Exception):
    """The full networks of a task are near chance, so that nothing can be lost or kept."""


class _Medians:
    """Medians in percent, of the easy and the hard task."""

    def __init__(self, table: pd.DataFrame, tasks: dict[str, str]) -> None:
        self.table = table
        self._names = tasks
        self.table_folded = folded(table)

    def name(self, task: str) -> str:
        """Return the full name of a task whose networks have learned it: 20 points above chance, or half of the way."""
        name = self._names[task]
        full = 100 * rows_of(self.table, name, "none")["value"].median()
        chance = 100 * described(self.table, name, "chance")
        if full < chance + min(20, (100 - chance) / 2):
            raise _Unlearned(
                f"the full {task} network is at {full:.1f} (chance {chance:.1f}): it has not learned the task"
            )
        return name

    def curve(self, task: str, operation: str, form: str = "full", null: str = "") -> pd.Series:
        points = curve(self.table, self.name(task), operation, form=form, null=null)
        if not len(points):
            raise _Missing
        return 100 * points["median"]

    def at(self, task: str, form: str = "full", *, null: str = "", metric: str = "accuracy") -> float:
        return 100 * self._median(self.table, task, form, null, metric)

    def folded(self, task: str, null: str) -> float:
        return 100 * self._median(self.table_folded, task, "full", null, "accuracy")

    def _median(self, table: pd.DataFrame, task: str, form: str, null: str, metric: str) -> float:
        values = rows_of(table, self.name(task), "none", form=form, null=null, metric=metric)["value"]
        if not len(values):
            raise _Missing
        return float(values.median())

    def chance(self, task: str) -> float:
        return 100 * described(self.table, self.name(task), "chance")

    def sigma(self, task: str) -> float:
        return described(self.table, self.name(task), "sigma_w")

    def flipped(self, task: str, amplitude: float) -> float:
        rows = rows_of(self.table, self.name(task), "noise", metric="flipped")
        return float(rows.loc[rows["parameter"] == amplitude, "value"].median())


def peak(points: pd.Series) -> tuple[float, float]:
    """Return where a curve is highest (the middle of the points within 0.1 of the highest), and its height."""
    at, height = peaks(points.index.to_numpy(dtype=float), points.to_numpy(dtype=float)[None])
    return float(at[0]), float(height[0])


def peaks(grid: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each row of (n, grid) curves is highest, as :func:`peak` does, and its height."""
    height = curves.max(axis=1)
    top = curves >= height[:, None] - 0.1
    place = top.cumsum(axis=1) - 1
    middle = (top.sum(axis=1) - 1) // 2
    return grid[(top & (place == middle[:, None])).argmax(axis=1)], height


def transitions(table: pd.DataFrame, task: str) -> list[float]:
    """Return for each collapsed seed p*: the first p at which its signed network is halfway up from p = 0 to its best.

    A seed has collapsed when its signed network at p = 0 is nearer to chance than to its full network.
    """
    return list(transition_points(table, task).values())


def transition_points(
    table: pd.DataFrame, task: str, *, metric: str = "accuracy", chance: float | None = None
) -> dict[int, float]:
    """Return p* of :func:`transitions` by seed, for any metric whose value by chance is known."""
    if chance is None:
        chance = described(table, task, "chance")
    full = rows_of(table, task, "none", metric=metric).set_index("seed")["value"]
    found = {}
    for seed, rows in rows_of(table, task, "prune", form="signed", metric=metric).groupby("seed"):
        points = rows.set_index("parameter")["value"].sort_index()
        start = float(points.iloc[0])
        if seed in full.index and start < (chance + full[seed]) / 2:
            halfway = points[points >= (start + points.max()) / 2]
            found[int(seed)] = float(halfway.index[0])
    return found


def _tested(claim: str, test: Callable[[_Medians, str], Iterator[Claim]], data: _Medians) -> list[Claim]:
    try:
        return list(test(data, claim))
    except _Missing:
        return [Claim(claim, "-", "the study has no such rows", "not testable")]
    except _Unlearned as error:
        return [Claim(claim, "-", str(error), "not testable")]


def _claim(claim: str, criterion: str, found: str, holds: object, *, testable: object = True) -> Claim:
    verdict: Verdict = "not testable" if not testable else "holds" if holds else "does not hold"
    return Claim(claim, criterion, found, verdict)


def _upto(points: pd.Series, p: float) -> pd.Series:
    return points[points.index <= p + 1e-9]


def _near(points: pd.Series, value: float) -> tuple[float, float]:
    at = float(points.index[int(np.argmin(np.abs(points.index.to_numpy() - value)))])
    return at, float(points[at])


def _pruning(data: _Medians, claim: str) -> Iterator[Claim]:
    easy, hard = data.curve("easy", "prune"), data.curve("hard", "prune")
    lost, at = data.at("easy") - _upto(easy, 0.8).min(), _near(hard, 0.6)
    yield _claim(
        claim,
        "full easy loses at most 3 points up to p = 0.8; full hard loses at least 3 by p = 0.6",
        f"easy loses {lost:.1f}; hard loses {data.at('hard') - at[1]:.1f}",
        lost <= 3 and data.at("hard") - at[1] >= 3,
    )


def _collapse(data: _Medians, claim: str) -> Iterator[Claim]:
    signed, chance = data.at("hard", "signed"), data.chance("hard")
    yield _claim(
        claim,
        "median below chance + 10 points",
        f"{signed:.1f} (chance {chance:.1f})",
        signed < chance + 10,
    )


def _pruning_helps(data: _Medians, claim: str) -> Iterator[Claim]:
    start, full = data.at("easy", "signed"), data.at("easy")
    p, top = peak(data.curve("easy", "prune", "signed"))
    yield _claim(
        claim,
        "best median at least 1 point above p = 0 (needs a signed network at least 1 point below the full one)",
        f"{start:.1f} to {top:.1f} at p = {p:g}; full {full:.1f}",
        top - start >= 1,
        testable=full - start >= 1,
    )


def _transition(data: _Medians, claim: str) -> Iterator[Claim]:
    signed, full = data.curve("hard", "prune", "signed"), data.curve("hard", "prune")
    start = data.at("hard", "signed")
    p, top = peak(_upto(signed, 0.6))
    above = [float(q) for q in signed.index if q > 0 and signed[q] >= full.get(q, np.inf) and signed[q] >= start + 30]
    yield _claim(
        claim,
        "at least 30 points up by p = 0.6, and there is a p > 0 where signed >= full (needs the collapse)",
        f"{start:.1f} to {top:.1f} at p = {p:g}; "
        + (f"signed >= full from p = {above[0]:g}" if above else "signed stays below full"),
        top - start >= 30 and above,
        testable=start < data.chance("hard") + 10,
    )


def _noise(data: _Medians, claim: str) -> Iterator[Claim]:
    easy, hard = data.curve("easy", "noise"), data.curve("hard", "noise")
    a, _ = _near(easy, 6 * data.sigma("easy"))
    b, _ = _near(hard, 6 * data.sigma("hard"))
    lost = {"easy": data.at("easy") - easy[a], "hard": data.at("hard") - hard[b]}
    yield _claim(
        claim,
        "at a = 6 sigma(w) (0.5 on Fashion-MNIST) full easy has lost at least 3 points less than full hard",
        f"easy loses {lost['easy']:.1f} at a = {a:.2g}, hard {lost['hard']:.1f} at a = {b:.2g}",
        lost["hard"] - lost["easy"] >= 3,
    )


def _noise_peak(data: _Medians, claim: str) -> Iterator[Claim]:
    for task in ("easy", "hard"):
        signed, sigma = data.curve(task, "noise", "signed"), data.sigma(task)
        start, (a, top) = data.at(task, "signed"), peak(signed)
        below = float((signed[signed.index < sigma / 10] - start).max()) if (signed.index < sigma / 10).any() else 0.0
        loud = float(signed.iloc[-1])
        yield _claim(
            f"The signed {task} network peaks under noise at the scale of sigma(w)",
            "peak between sigma/3 and 3 sigma, at least 3 points above no noise; below sigma/10 no gain of 3 points; "
            "at the loudest noise below chance + 10 (needs a signed network at least 3 points below the full one)",
            f"{start:.1f} to {top:.1f} at a = {a:.2g} = {a / sigma:.1f} sigma; below sigma/10 {below:+.1f}; "
            f"loudest {loud:.1f}",
            sigma / 3 <= a <= 3 * sigma and top - start >= 3 and below < 3 and loud < data.chance(task) + 10,
            testable=data.at(task) - start >= 3,
        )


def _flip_peak(data: _Medians, claim: str) -> Iterator[Claim]:
    for task in ("easy", "hard"):
        start, (q, top) = data.at(task, "signed"), peak(data.curve(task, "flip", "signed"))
        yield _claim(
            f"Flipping the signs of the smallest weights raises the signed {task} network",
            "peak at 0.1 <= q <= 0.45, at least 3 points above q = 0 (needs a signed network at least 3 points below "
            "the full one)",
            f"{start:.1f} to {top:.1f} at q = {q:.2f}",
            0.1 <= q <= 0.45 and top - start >= 3,
            testable=data.at(task) - start >= 3,
        )


def _flips_explain_noise(data: _Medians, claim: str) -> Iterator[Claim]:
    start = data.at("hard", "signed")
    a, by_noise = peak(data.curve("hard", "noise", "signed"))
    q, by_flip = peak(data.curve("hard", "flip", "signed"))
    share = data.flipped("hard", a)
    yield _claim(
        "Sign flips explain the effect of noise (hard)",
        "peaks under noise and flips within 3 points; share of signs flipped at the noise peak within 0.1 of the q of "
        "the flip peak (needs both to be peaks)",
        f"{by_noise:.1f} against {by_flip:.1f}; {share:.2f} of the signs flipped against q = {q:.2f}",
        abs(by_noise - by_flip) <= 3 and abs(share - q) <= 0.1,
        testable=min(by_noise, by_flip) - start >= 3,
    )


def _which_survive(data: _Medians, claim: str) -> Iterator[Claim]:
    easy, hard = ({kind: data.folded(task, kind) for kind in "ABCDEFG"} for task in ("easy", "hard"))
    for task, values in (("easy", easy), ("hard", hard)):
        kept, lost = ("BEF", "ACDG") if task == "easy" else ("EF", "ACDG")
        high, low = (88, 65) if task == "easy" else (60, 60)
        yield _claim(
            "B, E and F keep the easy network's accuracy, A, C, D and G do not"
            if task == "easy"
            else "Of the hard network's null models only E and F, and at times B, are clearly above chance",
            f"folded medians: {', '.join(kept)} at least {high}, {', '.join(lost)} at most {low}",
            ", ".join(f"{kind} {value:.1f}" for kind, value in values.items()),
            all(values[kind] >= high for kind in kept) and all(values[kind] <= low for kind in lost),
        )


def _positions(data: _Medians, claim: str) -> Iterator[Claim]:
    b, g = data.folded("easy", "B"), data.folded("easy", "G")
    yield _claim(
        "Signed degrees are not enough: B keeps them and the sign of each edge, G keeps them alone",
        "folded medians on the easy task: B at least 30 points above G",
        f"B {b:.1f}, G {g:.1f}",
        b - g >= 30,
    )


def _pruned_nulls(data: _Medians, claim: str) -> Iterator[Claim]:
    easy, hard = {}, {}
    for kind in "BEF":
        easy[kind] = float(_upto(data.curve("easy", "prune", null=kind), 0.6).max())
        points = _upto(data.curve("hard", "prune", null=kind), 0.6)
        hard[kind] = (data.at("hard", null=kind), float(points.max()))
    yield _claim(
        "After B, E or F, pruning restores the easy network",
        "best median by p = 0.6 within 3 points of the full network",
        ", ".join(f"{kind} {value:.1f}" for kind, value in easy.items()) + f"; full {data.at('easy'):.1f}",
        all(value >= data.at("easy") - 3 for value in easy.values()),
    )
    yield _claim(
        "After B, E or F, the hard network shows a transition under pruning",
        "each gains at least 10 points between p = 0 and its best by p = 0.6",
        ", ".join(f"{kind} {start:.1f} to {top:.1f}" for kind, (start, top) in hard.items()),
        all(top - start >= 10 for start, top in hard.values()),
    )


def _signs_suffice(data: _Medians, claim: str) -> Iterator[Claim]:
    full = {task: data.at(task) for task in ("easy", "hard")}
    signed = {task: data.at(task, "signed") for task in ("easy", "hard")}
    p, best = peak(data.curve("hard", "prune", "signed"))
    ranked, recalibrated = data.at("hard", "signed", metric="auc"), data.at("hard", "signed", metric="recalibrated")
    within = "signed within 10 points of full"
    yield _claim(
        "Signs alone suffice: easy",
        within,
        f"{signed['easy']:.1f} of {full['easy']:.1f}",
        signed["easy"] >= full["easy"] - 10,
    )
    yield _claim(
        "Signs alone suffice: hard",
        within,
        f"{signed['hard']:.1f} of {full['hard']:.1f}",
        signed["hard"] >= full["hard"] - 10,
    )
    yield _claim(
        "Signs alone suffice: hard, pruned",
        f"{within} at some p",
        f"{best:.1f} at p = {p:g} of {full['hard']:.1f}",
        best >= full["hard"] - 10,
    )
    yield _claim(
        "Signs alone suffice: hard, with the threshold moved",
        "area under the ROC curve of the signed network at least 95 %",
        f"{ranked:.1f} (re-thresholded accuracy {recalibrated:.1f})",
        ranked >= 95,
    )


_TESTS: dict[str, Callable[[_Medians, str], Iterator[Claim]]] = {
    "The easy network is robust to pruning, the hard one falls earlier": _pruning,
    "The signed hard network is at chance before pruning": _collapse,
    "Pruning raises the signed easy network": _pruning_helps,
    "The signed hard network rises abruptly under pruning, to the full one or above": _transition,
    "The easy network is more robust to noise than the hard one": _noise,
    "Signed networks peak under noise at the scale of sigma(w)": _noise_peak,
    "Flipping the signs of the smallest weights raises signed networks": _flip_peak,
    "Sign flips explain the effect of noise": _flips_explain_noise,
    "B, E and F keep the accuracy; A, C, D and G do not": _which_survive,
    "With equal signed degrees, signs in place (B) matter and rewired signs (G) do not do": _positions,
    "After B, E or F, pruning restores the easy network and shows the transition of the hard one": _pruned_nulls,
    "Signs alone suffice": _signs_suffice,
}
