"""Claims of the study of task complexity, each tested on the table of a study with a criterion stated beforehand.

The criteria are those of Fashion-MNIST where they carry over, put as differences in points so that they mean the same
on other data. They need a two-class task whose name starts with "easy" and one whose name starts with "hard".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from nngraph._medians import Medians, Missing, Unlearned
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tables import described, role, rows_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Claim", "claims", "peak", "peaks", "resampled_claims", "transition_points", "transitions"]

_RAISED = 0.01  # a curve that gains less than a point never comes back
Verdict = Literal["holds", "does not hold", "not testable"]


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, how it was tested, what was found, and the verdict."""

    claim: str
    criterion: str
    found: str
    verdict: Verdict
    key: str = ""
    """A short name; "noise peak" stands for "noise peak easy" and "noise peak hard" where there are no rows at all."""
    value: float = float("nan")
    """The number, in points, that the criterion hangs on most; NaN where the claim cannot be tested."""


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
    data = _medians(table)
    return [] if data is None else _all_tested(data)


def resampled_claims(table: pd.DataFrame, *, n_boot: int = 200, rng: RNG = 0) -> pd.DataFrame:
    """Test the claims again and again on networks drawn with replacement: how far do they hang on the seeds.

    Parameters
    ----------
    table : pandas.DataFrame
        As for :func:`claims`.
    n_boot : int
        Number of resamples. The networks of each task are drawn on their own; the draws of null models and noise go
        with their network.
    rng : None, int, SeedSequence or Generator
        Seed of the resamples.

    Returns
    -------
    pandas.DataFrame
        By the key of the claim: low and high, the 2.5th and 97.5th percentiles of its value over resamples; share, of
        the resamples in which it can be tested, those in which it holds; tested, the share in which it can.
    """
    import pandas as pd

    data = _medians(table)
    found: dict[str, list[tuple[float, Verdict]]] = {}
    seed = seed_sequence(rng)
    for i in range(n_boot if data is not None else 0):
        for claim in _all_tested(data.resampled(generator(child(seed, "claims", i)))):  # type: ignore[union-attr]
            found.setdefault(claim.key, []).append((claim.value, claim.verdict))
    rows = []
    for key, results in found.items():
        tested = [(value, verdict) for value, verdict in results if verdict != "not testable"]
        values = np.array([value for value, _ in tested])
        low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
        share = np.mean([verdict == "holds" for _, verdict in tested]) if tested else np.nan
        rows.append((key, float(low), float(high), float(share), len(tested) / n_boot))
    return pd.DataFrame(rows, columns=["key", "low", "high", "share", "tested"]).set_index("key")


def _medians(table: pd.DataFrame) -> Medians | None:
    easy, hard = role(table, "easy"), role(table, "hard")
    if easy is None or hard is None or any(described(table, task, "n_classes") != 2 for task in (easy, hard)):
        return None
    return Medians(table, {"easy": easy, "hard": hard})


def _all_tested(data: Medians) -> list[Claim]:
    return [tested for (key, claim), test in _TESTS.items() for tested in _tested(key, claim, test, data)]


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
    """Return p* of :func:`transitions` by seed, for any metric whose value by chance is known.

    A seed whose signed network is raised by less than a point, or whose full network is no better than chance, has
    none.
    """
    if chance is None:
        chance = described(table, task, "chance")
    full = rows_of(table, task, "none", metric=metric).set_index("seed")["value"]
    found = {}
    for seed, rows in rows_of(table, task, "prune", form="signed", metric=metric).groupby("seed"):
        points = rows.set_index("parameter")["value"].sort_index()
        start = float(points.iloc[0])
        if seed not in full.index or not full[seed] > chance or not start < (chance + full[seed]) / 2:
            continue
        if points.max() - start >= _RAISED - 1e-9:
            halfway = points[points >= (start + points.max()) / 2]
            found[int(seed)] = float(halfway.index[0])
    return found


def _tested(key: str, claim: str, test: Callable[[Medians, str], Iterator[Claim]], data: Medians) -> list[Claim]:
    try:
        return [dataclasses.replace(tested, key=f"{key} {tested.key}".rstrip()) for tested in test(data, claim)]
    except Missing:
        return [Claim(claim, "-", "the study has no such rows", "not testable", key)]
    except Unlearned as error:
        return [Claim(claim, "-", str(error), "not testable", key)]


def _claim(
    claim: str, criterion: str, found: str, holds: object, *, value: float, testable: object = True, task: str = ""
) -> Claim:
    verdict: Verdict = "not testable" if not testable else "holds" if holds else "does not hold"
    return Claim(claim, criterion, found, verdict, task, float(value) if testable else float("nan"))


def _upto(points: pd.Series, p: float) -> pd.Series:
    return points[points.index <= p + 1e-9]


def _near(points: pd.Series, value: float) -> tuple[float, float]:
    at = float(points.index[int(np.argmin(np.abs(points.index.to_numpy() - value)))])
    return at, float(points[at])


def _pruning(data: Medians, claim: str) -> Iterator[Claim]:
    easy, hard = data.curve("easy", "prune"), data.curve("hard", "prune")
    lost, at = data.at("easy") - _upto(easy, 0.8).min(), _near(hard, 0.6)
    yield _claim(
        claim,
        "full easy loses at most 3 points up to p = 0.8; full hard loses at least 3 by p = 0.6",
        f"easy loses {lost:.1f}; hard loses {data.at('hard') - at[1]:.1f}",
        lost <= 3 and data.at("hard") - at[1] >= 3,
        value=data.at("hard") - at[1],
    )


def _collapse(data: Medians, claim: str) -> Iterator[Claim]:
    signed, chance = data.at("hard", "signed"), data.chance("hard")
    yield _claim(
        claim,
        "median below chance + 10 points",
        f"{signed:.1f} (chance {chance:.1f})",
        signed < chance + 10,
        value=signed,
    )


def _pruning_helps(data: Medians, claim: str) -> Iterator[Claim]:
    start, full = data.at("easy", "signed"), data.at("easy")
    p, top = peak(data.curve("easy", "prune", "signed"))
    yield _claim(
        claim,
        "best median at least 1 point above p = 0 (needs a signed network at least 1 point below the full one)",
        f"{start:.1f} to {top:.1f} at p = {p:g}; full {full:.1f}",
        top - start >= 1,
        value=top - start,
        testable=full - start >= 1,
    )


def _transition(data: Medians, claim: str) -> Iterator[Claim]:
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
        value=top - start,
        testable=start < data.chance("hard") + 10,
    )


def _noise(data: Medians, claim: str) -> Iterator[Claim]:
    easy, hard = data.curve("easy", "noise"), data.curve("hard", "noise")
    a, _ = _near(easy, 6 * data.sigma("easy"))
    b, _ = _near(hard, 6 * data.sigma("hard"))
    lost = {"easy": data.at("easy") - easy[a], "hard": data.at("hard") - hard[b]}
    yield _claim(
        claim,
        "at a = 6 sigma(w) (0.5 on Fashion-MNIST) full easy has lost at least 3 points less than full hard",
        f"easy loses {lost['easy']:.1f} at a = {a:.2g}, hard {lost['hard']:.1f} at a = {b:.2g}",
        lost["hard"] - lost["easy"] >= 3,
        value=lost["hard"] - lost["easy"],
    )


def _noise_peak(data: Medians, claim: str) -> Iterator[Claim]:
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
            value=top - start,
            testable=data.at(task) - start >= 3,
            task=task,
        )


def _flip_peak(data: Medians, claim: str) -> Iterator[Claim]:
    for task in ("easy", "hard"):
        start, (q, top) = data.at(task, "signed"), peak(data.curve(task, "flip", "signed"))
        yield _claim(
            f"Flipping the signs of the smallest weights raises the signed {task} network",
            "peak at 0.1 <= q <= 0.45, at least 3 points above q = 0 (needs a signed network at least 3 points below "
            "the full one)",
            f"{start:.1f} to {top:.1f} at q = {q:.2f}",
            0.1 <= q <= 0.45 and top - start >= 3,
            value=top - start,
            testable=data.at(task) - start >= 3,
            task=task,
        )


def _flips_explain_noise(data: Medians, claim: str) -> Iterator[Claim]:
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
        value=by_noise - by_flip,
        testable=min(by_noise, by_flip) - start >= 3,
    )


def _which_survive(data: Medians, claim: str) -> Iterator[Claim]:
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
            value=min(values[kind] for kind in kept) - max(values[kind] for kind in lost),
            task=task,
        )


def _positions(data: Medians, claim: str) -> Iterator[Claim]:
    b, g = data.folded("easy", "B"), data.folded("easy", "G")
    yield _claim(
        "Signed degrees are not enough: B keeps them and the sign of each edge, G keeps them alone",
        "folded medians on the easy task: B at least 30 points above G",
        f"B {b:.1f}, G {g:.1f}",
        b - g >= 30,
        value=b - g,
    )


def _pruned_nulls(data: Medians, claim: str) -> Iterator[Claim]:
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
        value=min(easy.values()) - data.at("easy"),
        task="easy",
    )
    yield _claim(
        "After B, E or F, the hard network shows a transition under pruning",
        "each gains at least 10 points between p = 0 and its best by p = 0.6",
        ", ".join(f"{kind} {start:.1f} to {top:.1f}" for kind, (start, top) in hard.items()),
        all(top - start >= 10 for start, top in hard.values()),
        value=min(top - start for start, top in hard.values()),
        task="hard",
    )


def _signs_suffice(data: Medians, claim: str) -> Iterator[Claim]:
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
        value=full["easy"] - signed["easy"],
        task="easy",
    )
    yield _claim(
        "Signs alone suffice: hard",
        within,
        f"{signed['hard']:.1f} of {full['hard']:.1f}",
        signed["hard"] >= full["hard"] - 10,
        value=full["hard"] - signed["hard"],
        task="hard",
    )
    yield _claim(
        "Signs alone suffice: hard, pruned",
        f"{within} at some p",
        f"{best:.1f} at p = {p:g} of {full['hard']:.1f}",
        best >= full["hard"] - 10,
        value=full["hard"] - best,
        task="hard, pruned",
    )
    yield _claim(
        "Signs alone suffice: hard, with the threshold moved",
        "area under the ROC curve of the signed network at least 95 %",
        f"{ranked:.1f} (re-thresholded accuracy {recalibrated:.1f})",
        ranked >= 95,
        value=ranked,
        task="hard, ranked",
    )


_TESTS: dict[tuple[str, str], Callable[[Medians, str], Iterator[Claim]]] = {
    ("pruning", "The easy network is robust to pruning, the hard one falls earlier"): _pruning,
    ("collapse", "The signed hard network is at chance before pruning"): _collapse,
    ("pruning helps", "Pruning raises the signed easy network"): _pruning_helps,
    ("transition", "The signed hard network rises abruptly under pruning, to the full one or above"): _transition,
    ("noise", "The easy network is more robust to noise than the hard one"): _noise,
    ("noise peak", "Signed networks peak under noise at the scale of sigma(w)"): _noise_peak,
    ("flip peak", "Flipping the signs of the smallest weights raises signed networks"): _flip_peak,
    ("flips for noise", "Sign flips explain the effect of noise"): _flips_explain_noise,
    ("survivors", "B, E and F keep the accuracy; A, C, D and G do not"): _which_survive,
    ("B for G", "With equal signed degrees, signs in place (B) matter and rewired signs (G) do not do"): _positions,
    (
        "pruned nulls",
        "After B, E or F, pruning restores the easy network and shows the transition of the hard one",
    ): _pruned_nulls,
    ("signs suffice", "Signs alone suffice"): _signs_suffice,
}
