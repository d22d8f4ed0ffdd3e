"""The rule that turns what is known of a tail into a verdict; :func:`nngraph.stats.fit_tail` states it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Verdict: TypeAlias = Literal["heavy-tailed", "over-dispersed", "binomial-like", "undecided"]
FEWEST = 5
"""Positive values below which nothing is fitted."""
LEVEL = 0.1
"""Of the power law's own p-value and of the likelihood ratios."""
_TAIL, _DECADES, _FLATTEST, _STEEPEST, _DISPERSION_LEVEL = 50, 1.0, 1.5, 4.0, 0.01
_FEW_DISTINCT, _ENOUGH_DISTINCT = 10, 20
"""Distinct values in a tail: with fewer no shape can be told from others; from so many on any can."""


def dispersion(array: np.ndarray, n_opposite: int | None) -> tuple[float, float, float]:
    """Return the variance over that of chance, and the chances of one as large, and of one as small."""
    if len(array) < 2 or not array[-1] or (n_opposite is not None and array[0] == n_opposite):
        return np.nan, np.nan, np.nan
    from scipy.special import chdtr, chdtrc

    mean = array.mean()
    chance = mean if n_opposite is None else mean * (1 - mean / n_opposite)
    D = float(((array - mean) ** 2).sum() / chance)
    return D / (len(array) - 1), float(chdtrc(len(array) - 1, D)), float(chdtr(len(array) - 1, D))


def judge(known: Mapping[str, Any], positive: np.ndarray, lower: float) -> tuple[Verdict, list[str]]:
    """Return the verdict by the rule of :func:`fit_tail`, and each criterion in words."""
    chance = "binomial" if known["n_opposite"] is not None else "Poisson"
    reasons, met = [], []
    if known["laws"]:
        criteria = _criteria(known, chance)
        met = [holds for holds, _ in criteria]
        reasons = [f"{'met' if holds else 'open' if holds is None else 'not met'}: {text}" for holds, text in criteria]
    elif len(positive) < FEWEST:
        reasons = [f"{len(positive)} positive values: no tail is fitted to less than {FEWEST}"]
    else:
        reasons = [f"all {len(positive):,} positive values are {positive[0]:g}: no tail can be fitted"]
    if met and all(met):
        return "heavy-tailed", reasons
    if False not in met and met:
        if met[-1] is None:
            return "undecided", [*reasons, "so few distinct values cannot tell a power law from other laws"]
        few = f"{known['n_boot']} resamples cannot rule the power law out, so it has not been tested"
        return "undecided", [*reasons, f"{few}: pass n_boot=25 or more"]
    if np.isnan(known["dispersion"]):
        why = "values without variation" if known["discrete"] else "no law of chance for values that are no integers"
        return "undecided", [*reasons, why]
    times = f"variance {known['dispersion']:.3g} times the {chance} one"
    if known["dispersion_p"] < _DISPERSION_LEVEL:
        return "over-dispersed", [*reasons, f"{times}: a larger one has p = {known['dispersion_p']:.2g}"]
    if lower < _DISPERSION_LEVEL:
        advice = "" if known["n_opposite"] is not None else "; give n_opposite to hold degrees against the binomial law"
        return "undecided", [*reasons, f"{times}: a smaller one has p = {lower:.2g}{advice}"]
    if known["n"] < 2 * FEWEST or len(positive) < FEWEST:
        return "undecided", [*reasons, f"{times}, but of {known['n']} values that says little"]
    within = f"{times}: within chance (p = {known['dispersion_p']:.2g})"
    for law, R, q in known["ratios"][["alternative", "R", "p"]].itertuples(index=False):
        if law == chance.lower() and R > 0 and q < LEVEL:
            unlike = f"but the tail follows the power law rather than the {chance} one: R = {R:.2f}, p = {q:.2g}"
            return "undecided", [*reasons, f"{within}, {unlike}"]
    return "binomial-like", [*reasons, within]


def _criteria(known: Mapping[str, Any], chance: str) -> list[tuple[bool | None, str]]:
    ratios = known["ratios"].set_index("alternative")
    p = known["p"]
    testable = 1 / (known["n_boot"] + 1) < LEVEL  # the smallest p that so many resamples can give
    criteria: list[tuple[bool | None, str]] = [
        (known["n_tail"] >= _TAIL, f"the tail has {known['n_tail']:,} values (at least {_TAIL})"),
        (known["decades"] >= _DECADES, f"the tail spans {known['decades']:.2f} decades (at least {_DECADES:g})"),
        (
            _FLATTEST < known["alpha"] <= _STEEPEST,
            f"alpha = {known['alpha']:.2f} (above {_FLATTEST:g}, up to {_STEEPEST:g})",
        ),
        (p >= LEVEL if testable else None, f"p = {'not computed' if p is None else f'{p:.3g}'} (at least {LEVEL:g})"),
    ]
    R, q = ratios.loc["exponential", ["R", "p"]]
    text = f"better than the exponential law: R = {R:.2f}, p = {q:.2g} (R > 0, p < {LEVEL:g})"
    criteria.append((bool(R > 0 and q < LEVEL), text))
    if known["discrete"]:
        R, q = ratios.loc[chance.lower(), "R"], known["dispersion_p"]
        text = f"the {chance} law is ruled out: R = {R:.2f}, dispersion p = {q:.2g} (R > 0, p < {_DISPERSION_LEVEL:g})"
        criteria.append((bool(R > 0 and q < _DISPERSION_LEVEL), text))
    return [*criteria, _distinct(known["n_distinct"], ratios)]


def _distinct(n: int, ratios: pd.DataFrame) -> tuple[bool | None, str]:
    """Return whether the tail has distinct values enough for its shape to be known; if not, that is open."""
    text = f"the tail has {n} distinct values (at least {_FEW_DISTINCT}"
    if n >= _ENOUGH_DISTINCT:
        return True, f"{text})"
    better = ratios.index[(ratios["R"] < 0) & (ratios["p"] < LEVEL)]
    worse = f", of which the {better[0].replace('_', ' ')} law is better" if len(better) else ""
    text = f"{text}, and below {_ENOUGH_DISTINCT} no law may be better than the power law){worse}"
    return (True if n >= _FEW_DISTINCT and not len(better) else None), text
