"""Heavy tails: the power law of a tail, its goodness of fit, its rivals, and a verdict by a stated rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._progress import progress
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.stats._sides import among
from nngraph.stats._tail_distributions import are_integers, sequence
from nngraph.stats._tail_laws import Law, PowerLaw, Tail, alternatives, vuong
from nngraph.stats._tail_power import distances, fit_power_law
from nngraph.stats._tail_verdicts import FEWEST, LEVEL, Verdict, dispersion, judge

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TailFit", "fit_tail", "fit_tails"]

RATIOS = ("alternative", "R", "p", "better", "log_ratio")
RIVALS = ("lognormal", "exponential", "truncated_power_law", "binomial", "poisson")


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class TailFit:
    """What is known of the tail of a sequence; made by :func:`fit_tail`. What could not be fitted is NaN."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """Why the verdict: each criterion, met or not."""
    alpha: float
    sigma: float
    """Standard error of alpha at this xmin."""
    xmin: float
    ks: float
    """Largest distance of the tail's distribution from that of the power law."""
    p: float | None
    """Share of resamples of the power law that fit as badly: p < 0.1 rules it out. None without resamples."""
    ratios: pd.DataFrame
    """alternative, R, p, better, log_ratio: the power law held against others, R > 0 where it is better."""
    n: int
    n_zero: int
    n_tail: int
    n_distinct: int
    """Distinct values in the tail."""
    decades: float
    """log10 of the largest value over xmin."""
    discrete: bool
    n_opposite: int | None
    dispersion: float
    """Variance of all values, zeros too, over that of the binomial (Poisson) law of their mean; NaN if continuous."""
    dispersion_p: float
    """Chance that this law gives as large a variance."""
    n_boot: int
    laws: Mapping[str, Law]
    """The fitted laws by name, "power_law" first."""

    def ccdf(self, x: Any, law: str = "power_law") -> np.ndarray:
        """Return P(X >= x) by a fitted law, as a share of all values; x >= xmin."""
        at = self._in_tail(x)
        return self._law(law).ccdf(at) * self.n_tail / self.n

    def density(self, x: Any, law: str = "power_law") -> np.ndarray:
        """Return the density (of integers the probability) by a fitted law, as a share of all values; x >= xmin."""
        at = self._in_tail(x)
        return np.asarray(np.exp(self._law(law).log_density(at)) * self.n_tail / self.n)

    def _law(self, law: str) -> Law:
        if not among(law, self.laws):
            raise ArgumentError(f"law: got {law!r}; this fit has {', '.join(map(repr, self.laws)) or 'none'}.")
        return self.laws[law]

    def _in_tail(self, x: Any) -> np.ndarray:
        try:
            at = np.atleast_1d(np.asarray(x, dtype=np.float64))
        except (TypeError, ValueError):
            raise ArgumentError(f"x: got {x!r}; expected numbers of at least xmin = {self.xmin:g}.") from None
        if self.laws and not (at >= self.xmin).all():
            raise ArgumentError(f"x: got {np.min(at)}; the laws hold from xmin = {self.xmin:g} on.")
        return at

    def __repr__(self) -> str:
        zeros = f" ({self.n_zero:,} zero)" if self.n_zero else ""
        lines = [f"TailFit: {self.verdict}", f"  {self.n:,} {'integers' if self.discrete else 'values'}{zeros}"]
        if self.laws:
            p = "not computed" if self.p is None else f"{self.p:.3g} ({self.n_boot} resamples)"
            lines[1] += f"; the tail has {self.n_tail:,} ({self.n_distinct:,} distinct), from {self.xmin:.4g}"
            lines[1] += f", over {self.decades:.2f} decades"
            lines.append(f"  alpha = {self.alpha:.3f} +- {self.sigma:.3f}, KS = {self.ks:.4f}, p = {p}")
            shown = (f"{name} {R:+.2f} (p {q:.2g})" for name, R, q in self.ratios[["alternative", "R", "p"]].to_numpy())
            lines.append("  R against " + ", ".join(shown))
        return "\n".join([*lines, *(f"  - {reason}" for reason in self.reasons)])


def fit_tail(
    values: Any,
    *,
    discrete: bool | None = None,
    n_opposite: int | None = None,
    n_boot: int = 25,
    rng: RNG = None,
    n_jobs: int = 1,
) -> TailFit:
    r"""Fit a power law to the tail of a sequence, test it, hold it against other laws, and give a verdict.

    .. math:: p(x) \propto x^{-\alpha},\ x \ge x_{\min}, \qquad
              R = \frac{\sum_i d_i}{\sqrt{n}\, \operatorname{sd}(d)},\
              d_i = \ln p_{\text{power law}}(x_i) - \ln p_{\text{other}}(x_i), \qquad
              D = \sum_i \frac{(k_i - \bar k)^2}{\bar k (1 - \bar k / N)} \sim \chi^2_{n - 1}

    Parameters
    ----------
    values : Series or array of shape (n,)
        Degrees or strengths of one side of one block, or other values of at least 0. Do not pool blocks of different
        sizes: mixing them makes heavy tails.
    discrete : bool, optional
        Whether the values are integers; by default read from the values.
    n_opposite : int, optional
        For degrees, the number N of nodes on the other side, the largest degree possible. Then the binomial law is the
        law of chance; without it the Poisson law is (N without bound).
    n_boot : int
        Number of resamples behind the p-value: the smallest possible one is 1 / (n_boot + 1), and its error about
        0.5 / sqrt(n_boot). With 0, p is None; with less than 10 the verdict cannot be "heavy-tailed".
    rng : None, int, SeedSequence or Generator
        Source of the resamples, which are the same for any ``n_jobs``.
    n_jobs : int
        Number of worker processes (joblib) for the resamples.

    Returns
    -------
    TailFit
        Its ``verdict`` is "heavy-tailed" only if all of this holds: the tail has at least 50 values and spans a decade;
        1.5 < alpha <= 4; p >= 0.1; R > 0 with p < 0.1 against the exponential law; and for integers the binomial
        (without ``n_opposite`` the Poisson) law is ruled out: R > 0, and the dispersion D of all values is above its
        0.99 quantile. Where all of this holds but the tail has fewer than 10 distinct values, or fewer than 20 and one
        of the other laws is better (R < 0 with p < 0.1), it is "undecided". Else, for integers, D decides: above the
        0.99 quantile "over-dispersed"; from the 0.01 quantile up to it "binomial-like", unless the tail follows the
        power law rather than the binomial (Poisson) one, R > 0 with p < 0.1. All else is "undecided": also a sequence
        that meets the rule but for too few resamples, a constant one, and one of less than 5 positive values.

    Raises
    ------
    ArgumentError
        If a value is NaN, infinite, negative, or larger than ``n_opposite``, or an argument is out of range.

    Notes
    -----
    Zeros are in no tail: they are counted, and are part of the dispersion. alpha, xmin and the Kolmogorov-Smirnov
    distance are those of igraph (plfit): maximum likelihood (exact zeta function for integers), corrected by igraph
    when there are less than 50 values, at the xmin of least distance, which for continuous values is searched among a
    sample of candidates. p = (1 + b) / (n_boot + 1), with b the resamples of a distance at least as large; a resample
    takes each value from the power law with probability n_tail / n, else from the values below xmin, and searches
    its own xmin [1]_. The other laws are fitted to the same tail by maximum likelihood; p of R is two-sided normal
    [2]_; of the truncated power law, in which the power law is nested, it is chi-square with one degree of freedom. R =
    0 with p = 1 means that the other law has become the power law.

    D follows chi-square closely where the mean degree is 0.5 or more; for means below it is above the 0.99 quantile by
    chance in up to 4 % of cases. 1,000 values take 0.01 to 0.03 s of CPU without resamples and 0.05 to 0.35 s with 25
    (most for integers of a binomial law, where many xmin fit as well). A resample costs two fits of igraph: linear in
    the number of integers (0.02 s for 10,000), quadratic in that of distinct continuous values (0.2 s for 10,000, 5 s
    for 50,000).

    References
    ----------
    .. [1] A. Clauset, C. R. Shalizi, M. E. J. Newman, "Power-law distributions in empirical data", SIAM Review 51,
       661-703, 2009.
    .. [2] Q. H. Vuong, "Likelihood ratio tests for model selection and non-nested hypotheses", Econometrica 57,
       307-333, 1989.
    .. [3] R. A. Fisher, "The significance of deviations from expectation in a Poisson series", Biometrics 6, 17-24,
       1950.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> rng = np.random.default_rng(0)
    >>> nng.stats.fit_tail(rng.zipf(2.5, size=2000), rng=7).verdict
    'heavy-tailed'
    >>> nng.stats.fit_tail(rng.binomial(400, 0.06, size=400), n_opposite=400, rng=7).verdict
    'binomial-like'
    """
    array = np.sort(sequence("fit_tail", values))
    discrete = are_integers("fit_tail", array, discrete=discrete)
    _check(array, discrete=discrete, n_opposite=n_opposite, n_boot=n_boot, n_jobs=n_jobs)
    seed = seed_sequence(rng)
    known: dict[str, Any] = {
        "n": len(array),
        "n_zero": int((array == 0).sum()),
        "discrete": discrete,
        "n_opposite": n_opposite,
        "n_boot": int(n_boot),
    }
    known["dispersion"], known["dispersion_p"], lower = dispersion(array, n_opposite) if discrete else (np.nan,) * 3
    positive = array[array > 0]
    known |= _fitted(positive, discrete=discrete, n_opposite=n_opposite, n_boot=int(n_boot), seed=seed, n_jobs=n_jobs)
    if known["laws"]:
        known["decades"] = float(np.log10(positive[-1] / known["xmin"]))
    verdict, reasons = judge(known, positive, lower)
    index: Any = getattr(values, "index", None)
    n_parts = len(index.unique(level=0)) if getattr(index, "nlevels", 1) > 1 else 1
    if n_parts > 1:
        reasons.append(f"values of {n_parts} parts are pooled, which can make a heavy tail: fit_tails takes them apart")
    return TailFit(verdict=verdict, reasons=tuple(reasons), **known)


def fit_tails(
    sequences: Any,
    *,
    discrete: bool | None = None,
    n_opposite: int | Mapping[Any, int] | None = None,
    n_boot: int = 25,
    rng: RNG = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Fit the tails of many sequences, one row each: :func:`fit_tail` for a table.

    Parameters
    ----------
    sequences : mapping, DataFrame or Series
        Sequences by name, the columns of a table, or a Series of :func:`degree` or :func:`strength`, which is taken
        apart by its part.
    discrete, n_boot, rng
        As in :func:`fit_tail`. The seed of a sequence depends on its name, not on the others.
    n_opposite : int or mapping, optional
        As in :func:`fit_tail`, for all sequences or by name.
    n_jobs : int
        Number of worker processes (joblib), over sequences.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``verdict``, ``alpha``, ``sigma``, ``xmin``, ``ks``, ``p`` (NaN if not computed), ``n``, ``n_zero``,
        ``n_tail``, ``n_distinct``, ``decades``, ``dispersion``, ``dispersion_p``, ``R_`` and ``p_`` of each
        alternative (NaN where it does not apply), ``status`` ("ok", or "failed: ..." with the reason, the verdict
        "undecided", NaN and 0), ``reasons`` (one text).

    Raises
    ------
    ArgumentError
        If the sequences are none of these. A sequence that cannot be used is a row that says so.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.ones((3, 40)), np.ones((30, 3))])
    >>> nng.stats.fit_tails(nng.stats.degree(G), n_boot=0)[["name", "verdict", "n", "status"]]
      name    verdict   n status
    0    0  undecided  40     ok
    1    1  undecided   3     ok
    """
    import joblib
    import pandas as pd

    items = _named(sequences)
    _check(np.zeros(0), discrete=True, n_opposite=None, n_boot=n_boot, n_jobs=n_jobs)
    if not isinstance(n_opposite, Mapping):
        n_opposite = {name: n_opposite for name, _ in items}  # type: ignore[misc]
    seed = seed_sequence(rng)
    tasks = (
        joblib.delayed(_row)(
            name,
            values,
            {"discrete": discrete, "n_opposite": n_opposite.get(name), "n_boot": n_boot, "rng": child(seed, str(name))},
        )
        for name, values in items
    )
    rows = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    return pd.DataFrame(list(progress(rows, total=len(items), label="tails")), columns=list(_COLUMNS))


_NUMBERS = (
    "alpha",
    "sigma",
    "xmin",
    "ks",
    "p",
    "n",
    "n_zero",
    "n_tail",
    "n_distinct",
    "decades",
    "dispersion",
    "dispersion_p",
)
_COLUMNS = (
    "name",
    "verdict",
    *_NUMBERS,
    *(f"{what}_{name}" for name in RIVALS for what in ("R", "p")),
    "status",
    "reasons",
)


def _named(sequences: Any) -> list[tuple[Any, Any]]:
    import pandas as pd

    if isinstance(sequences, pd.Series) and sequences.index.nlevels > 1:
        return list(sequences.groupby(level=0, sort=False))
    if isinstance(sequences, (Mapping, pd.DataFrame)):
        return list(sequences.items())
    raise ArgumentError(
        f"fit_tails: sequences: got {type(sequences).__name__}; expected a mapping from names to values, a DataFrame "
        "of columns, or a Series indexed by (part, index). Use fit_tail for one sequence."
    )


def _row(name: Any, values: Any, options: dict[str, Any]) -> dict[str, Any]:
    try:
        fit = fit_tail(values, **options)
    except ArgumentError as error:
        none = dict.fromkeys(("n", "n_zero", "n_tail", "n_distinct"), 0)
        return {"name": name, "verdict": "undecided", **none, "status": f"failed: {error}", "reasons": ""}
    row: dict[str, Any] = {"name": name, "verdict": fit.verdict, "status": "ok", "reasons": "; ".join(fit.reasons)}
    row |= {what: getattr(fit, what) for what in _NUMBERS}
    row["p"] = np.nan if fit.p is None else fit.p
    for law, R, p in fit.ratios[["alternative", "R", "p"]].itertuples(index=False):
        row |= {f"R_{law}": R, f"p_{law}": p}
    return row


def _check(array: np.ndarray, *, discrete: bool, n_opposite: int | None, n_boot: int, n_jobs: int) -> None:
    for what, number, low in (("n_boot", n_boot, 0), ("n_opposite", n_opposite, 1), ("n_jobs", n_jobs, None)):
        if what == "n_opposite" and number is None:
            continue
        whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
        if not whole or (number == 0 if low is None else number < low):  # type: ignore[operator]
            expected = "an integer other than 0" if low is None else f"an integer of at least {low}"
            raise ArgumentError(f"fit_tail: {what}: got {number!r}; expected {expected}.")
    if n_opposite is not None and not discrete:
        raise ArgumentError("fit_tail: n_opposite: got one for values that are no integers; it is for degrees only.")
    if n_opposite is not None and len(array) and array[-1] > n_opposite:
        raise ArgumentError(
            f"fit_tail: n_opposite: got {n_opposite} and a degree of {array[-1]:g}; expected the number of nodes on "
            "the other side, which no degree within a block exceeds."
        )


def _fitted(
    positive: np.ndarray,
    *,
    discrete: bool,
    n_opposite: int | None,
    n_boot: int,
    seed: np.random.SeedSequence,
    n_jobs: int,
) -> dict[str, Any]:
    """Return what follows from fits to the positive values, NaN where there are too few or all are equal."""
    import pandas as pd

    known: dict[str, Any] = dict.fromkeys(("alpha", "sigma", "xmin", "ks", "decades"), np.nan)
    known |= {
        "p": np.nan if n_boot else None,
        "n_tail": 0,
        "n_distinct": 0,
        "laws": {},
        "ratios": pd.DataFrame(columns=list(RATIOS)),
    }
    if len(positive) < FEWEST or positive[0] == positive[-1]:
        return known
    alpha, xmin, ks = fit_power_law(positive, discrete=discrete)
    law = PowerLaw(xmin, discrete, alpha)
    tail = Tail.of(positive, xmin, discrete=discrete, n_opposite=n_opposite)
    known |= {"alpha": alpha, "sigma": float(law.sigma / np.sqrt(tail.n)), "xmin": xmin, "ks": ks, "n_tail": tail.n}
    known["n_distinct"] = len(tail.x)
    if n_boot:
        at_least = distances(positive, law, n_boot, seed, n_jobs) >= ks
        known["p"] = (1 + int(at_least.sum())) / (n_boot + 1)
    others = alternatives(tail, alpha)
    rows = []
    for other in others:
        R, p, log_ratio = vuong(tail, law, other)
        better = "neither" if p >= LEVEL else law.name if R > 0 else other.name
        rows.append((other.name, R, p, better, log_ratio))
    known["ratios"] = pd.DataFrame(rows, columns=list(RATIOS))
    known["laws"] = {one.name: one for one in (law, *others)}
    return known
