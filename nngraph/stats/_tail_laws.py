"""Laws of a tail: densities of the values of at least xmin, each fitted by maximum likelihood.

Continuous laws have densities, discrete laws probabilities, both given X >= xmin. Means over the values are taken over
the distinct ones with their counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

DIRECT = 64
"""Terms of a sum over integers that are added one by one; the Euler-Maclaurin formula does the others."""
SAME = 1e-6
"""Two laws whose log densities differ by less, from value to value, are the same law."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)


@dataclasses.dataclass(frozen=True, eq=False)
class Tail:
    """The values of at least xmin, in ascending order without repeats, and how often each occurs."""

    x: np.ndarray
    counts: np.ndarray
    xmin: float
    discrete: bool
    n_opposite: int | None = None

    @classmethod
    def of(cls, values: np.ndarray, xmin: float, *, discrete: bool, n_opposite: int | None = None) -> Self:
        """Take the tail of a sequence."""
        x, counts = np.unique(values[values >= xmin], return_counts=True)
        return cls(x.astype(np.float64), counts, float(xmin), discrete, n_opposite)

    @property
    def n(self) -> int:
        """The number of values."""
        return int(self.counts.sum())

    def mean(self, values: np.ndarray) -> float:
        """Return the mean of a quantity that is known at each distinct value."""
        return float(self.counts @ values / self.n)


@dataclasses.dataclass(frozen=True)
class PowerLaw:
    """p(x) proportional to x^-alpha."""

    name: ClassVar[str] = "power_law"
    xmin: float
    discrete: bool
    alpha: float

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return ln p(x) for x >= xmin."""
        if self.discrete:
            # the zeta function scaled by xmin^alpha: nothing underflows for a steep tail far out
            return np.asarray(-self.alpha * np.log(x / self.xmin) - _log_sum(self.alpha, 0.0, self.xmin))
        return np.asarray(np.log((self.alpha - 1) / self.xmin) - self.alpha * np.log(x / self.xmin))

    def ccdf(self, x: np.ndarray) -> np.ndarray:
        """Return P(X >= x) for x >= xmin."""
        if self.discrete:
            return np.asarray(np.exp(self.log_density(x) + _log_sum(self.alpha, 0.0, x)))
        return (x / self.xmin) ** (1 - self.alpha)

    @property
    def sigma(self) -> float:
        """Standard error of alpha from one value: that of n values is sigma / sqrt(n)."""
        if not self.discrete:
            return self.alpha - 1
        step = 1e-3 * min(1.0, self.alpha - 1)
        below, here, above = (_log_sum(self.alpha + s, 0.0, self.xmin) for s in (-step, 0.0, step))
        return float(step / np.sqrt(below - 2 * here + above))


@dataclasses.dataclass(frozen=True)
class Exponential:
    """p(x) proportional to exp(-rate x): on the integers the geometric law."""

    name: ClassVar[str] = "exponential"
    xmin: float
    discrete: bool
    rate: float

    @classmethod
    def fit(cls, tail: Tail) -> Self:
        """Maximise the likelihood, in closed form."""
        excess = tail.mean(tail.x) - tail.xmin
        return cls(tail.xmin, tail.discrete, float(np.log1p(1 / excess) if tail.discrete else 1 / excess))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return ln p(x) for x >= xmin."""
        scale = -np.expm1(-self.rate) if self.discrete else self.rate
        return np.asarray(np.log(scale) - self.rate * (x - self.xmin))

    def ccdf(self, x: np.ndarray) -> np.ndarray:
        """Return P(X >= x) for x >= xmin."""
        return np.asarray(np.exp(-self.rate * (x - self.xmin)))


@dataclasses.dataclass(frozen=True)
class Lognormal:
    """p(t) proportional to exp(-slope t - curvature t^2) for t = ln(x / low), low the lower end.

    Of the normal law of ln x, with mean mu and standard deviation s, curvature = 1 / (2 s^2) and slope =
    (ln low - mu) / s^2. In these two the log-likelihood is concave, and the power law is the edge curvature = 0, where
    mu itself runs off to minus infinity. Discrete values are rounded: low = xmin - 1/2.
    """

    name: ClassVar[str] = "lognormal"
    xmin: float
    discrete: bool
    slope: float
    curvature: float

    @classmethod
    def fit(cls, tail: Tail) -> Self:
        """Maximise the likelihood."""
        t = np.log(tail.x / (tail.xmin - tail.discrete / 2))
        mean = tail.mean(t)
        variance = tail.mean((t - mean) ** 2)
        starts = ((1 / mean, 1e-3), (-mean / variance, 0.5 / variance))
        return cls(
            tail.xmin,
            tail.discrete,
            *_maximum(lambda p: tail.mean(cls(tail.xmin, tail.discrete, *p).log_density(tail.x)), starts, (None, 1e-9)),
        )

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return ln p(x) for x >= xmin."""
        from scipy.special import log_ndtr

        if self.discrete:
            z, edge = self._z(x - 0.5), self._z(x + 0.5)
            below = _log_difference(log_ndtr(edge), log_ndtr(z)) - log_ndtr(-self._z(self.xmin - 0.5))
            above = _log_difference(self._log_survival(x - 0.5), self._log_survival(x + 0.5))
            return np.asarray(np.where(edge < 0, below, above))  # each is exact on its side of the median
        t = np.log(x / self.xmin)
        u = self.slope / (2 * np.sqrt(self.curvature))
        log_z = 0.5 * np.log(np.pi / (4 * self.curvature)) + _log_erfcx(u)
        return np.asarray(-np.log(x) - self.slope * t - self.curvature * t**2 - log_z)

    def ccdf(self, x: np.ndarray) -> np.ndarray:
        """Return P(X >= x) for x >= xmin."""
        return np.asarray(np.exp(self._log_survival(x - self.discrete / 2)))

    def _z(self, x: Any) -> Any:
        """Return how many standard deviations ln x lies above mu."""
        t = np.log(x / (self.xmin - self.discrete / 2))
        return self.slope / np.sqrt(2 * self.curvature) + np.sqrt(2 * self.curvature) * t

    def _log_survival(self, x: np.ndarray) -> np.ndarray:
        t = np.log(x / (self.xmin - self.discrete / 2))
        root = np.sqrt(self.curvature)
        u = self.slope / (2 * root)
        return np.asarray(-self.slope * t - self.curvature * t**2 + _log_erfcx(u + root * t) - _log_erfcx(u))


@dataclasses.dataclass(frozen=True)
class TruncatedPowerLaw:
    """p(x) proportional to x^-alpha exp(-rate x); the power law is the edge rate = 0."""

    name: ClassVar[str] = "truncated_power_law"
    xmin: float
    discrete: bool
    alpha: float
    rate: float

    @classmethod
    def fit(cls, tail: Tail, alpha: float) -> Self:
        """Maximise the likelihood, from the power law of exponent alpha and from the exponential law."""
        unit = tail.mean(tail.x)  # rates in 1 / unit, so that both parameters are of order 1
        exponential = min(Exponential.fit(tail).rate * unit, 1e3)
        log_x, mean_log = np.log(tail.xmin), tail.mean(np.log(tail.x))

        def log_likelihood(p: np.ndarray) -> float:
            law = cls(tail.xmin, tail.discrete, p[0], p[1] / unit)
            return float(-p[0] * (mean_log - log_x) - law.rate * (unit - tail.xmin) - law._log_norm())

        a, r = _maximum(log_likelihood, ((alpha, 1e-3), (0.5, exponential)), (0.0, 1e-9))
        return cls(tail.xmin, tail.discrete, a, r / unit)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return ln p(x) for x >= xmin."""
        return np.asarray(-self.alpha * np.log(x / self.xmin) - self.rate * (x - self.xmin) - self._log_norm())

    def ccdf(self, x: np.ndarray) -> np.ndarray:
        """Return P(X >= x) for x >= xmin."""
        return np.asarray(np.exp(self.log_density(x) + self._log_norms(x)))

    def _log_norm(self) -> float:
        """Return the logarithm of the sum (integral) of (x / xmin)^-alpha exp(-rate (x - xmin)) from xmin."""
        return float(self._log_norms(self.xmin))

    def _log_norms(self, x: Any) -> Any:
        if self.discrete:
            return _log_sum(self.alpha, self.rate, x)
        return np.log(x * _scaled_expint(self.alpha, self.rate * x))


@dataclasses.dataclass(frozen=True)
class Binomial:
    """Of n_opposite possible edges each is present with probability p; given X >= xmin."""

    name: ClassVar[str] = "binomial"
    xmin: float
    n_opposite: int
    log_odds: float

    @classmethod
    def fit(cls, tail: Tail) -> Self:
        """Maximise the likelihood."""
        assert tail.n_opposite is not None
        n, mean = tail.n_opposite, tail.mean(tail.x)
        k = np.arange(tail.xmin, n + 1)
        weight = _log_choose(n, k)

        def slope(theta: float) -> float:  # of the log-likelihood, an exponential family: decreasing
            p = weight + theta * k
            p = np.exp(p - p.max())
            return float(mean - (k @ p) / p.sum())

        return cls(tail.xmin, n, _root(slope, np.log(mean / max(n - mean, 0.5))))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return ln p(x) for x >= xmin."""
        from scipy.special import logsumexp

        k = np.arange(self.xmin, self.n_opposite + 1)
        log_z = logsumexp(_log_choose(self.n_opposite, k) + self.log_odds * k)
        return np.asarray(_log_choose(self.n_opposite, x) + self.log_odds * x - log_z)

    def ccdf(self, x: np.ndarray) -> np.ndarray:
        """Return P(X >= x) for x >= xmin."""
        k = np.arange(self.xmin, self.n_opposite + 1)
        return _above(x, k, self.log_density(k))


@dataclasses.dataclass(frozen=True)
class Poisson:
    """The limit of the binomial law of many possible edges; given X >= xmin."""

    name: ClassVar[str] = "poisson"
    xmin: float
    log_mean: float

    @classmethod
    def fit(cls, tail: Tail) -> Self:
        """Maximise the likelihood."""
        mean = tail.mean(tail.x)

        def slope(theta: float) -> float:  # E[X | X >= xmin] = m + xmin / S, S = sum_j m^j xmin! / (xmin + j)!
            return float(mean - np.exp(theta) - tail.xmin * np.exp(-_log_series(theta, tail.xmin)))

        return cls(tail.xmin, _root(slope, np.log(mean)))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return ln p(x) for x >= xmin."""
        from scipy.special import gammaln

        log_ratio = (x - self.xmin) * self.log_mean - (gammaln(x + 1) - gammaln(self.xmin + 1))
        return np.asarray(log_ratio - _log_series(self.log_mean, self.xmin))

    def ccdf(self, x: np.ndarray) -> np.ndarray:
        """Return P(X >= x) for x >= xmin."""
        far = max(np.exp(self.log_mean), self.xmin)
        k = np.arange(self.xmin, far + 40 * np.sqrt(far) + 100)
        return _above(x, k, self.log_density(k))


Law: TypeAlias = PowerLaw | Exponential | Lognormal | TruncatedPowerLaw | Binomial | Poisson


def alternatives(tail: Tail, alpha: float) -> list[Law]:
    """Return the laws that a power law is held against, fitted to a tail of two distinct values or more."""
    laws: list[Law] = [Lognormal.fit(tail), Exponential.fit(tail), TruncatedPowerLaw.fit(tail, alpha)]
    if tail.discrete:
        if tail.n_opposite is not None:
            laws.append(Binomial.fit(tail))
        laws.append(Poisson.fit(tail))
    return laws


def vuong(tail: Tail, law: Law, other: Law) -> tuple[float, float, float]:
    """Return the normalised log-likelihood ratio of two laws, its p-value, and the ratio itself.

    Positive where the first law is the better one. Of a law nested in the other the p-value is that of chi-square
    with one degree of freedom.
    """
    from scipy.special import chdtrc, erfc

    difference = law.log_density(tail.x) - other.log_density(tail.x)
    mean = tail.mean(difference)
    spread = np.sqrt(tail.mean((difference - mean) ** 2))
    ratio, sd = tail.n * mean, np.sqrt(tail.n) * spread
    if spread < SAME:
        return 0.0, 1.0, ratio
    p = chdtrc(1, abs(2 * ratio)) if other.name == TruncatedPowerLaw.name else erfc(abs(ratio) / sd / np.sqrt(2))
    return float(ratio / sd), float(p), ratio


def _maximum(
    f: Callable[[Any], float], starts: Iterable[tuple[float, float]], lower: tuple[float | None, float]
) -> tuple[float, float]:
    """Return where a concave function of two variables, bounded below, is largest."""
    from scipy.optimize import minimize

    found = [
        minimize(lambda p: -f(p), start, method="L-BFGS-B", bounds=[(low, None) for low in lower]) for start in starts
    ]
    best = min(found, key=lambda one: one.fun)
    return float(best.x[0]), float(best.x[1])


def _root(slope: Callable[[float], float], start: float) -> float:
    """Return the zero of a decreasing function, or the far end of a search where it has none in reach."""
    from scipy.optimize import brentq

    low, high = start - 1, start + 1
    while slope(low) < 0 and low > start - 500:
        low -= start - low
    while slope(high) > 0 and high < start + 500:
        high += high - start
    return float(brentq(slope, low, high)) if slope(low) >= 0 >= slope(high) else (low if slope(low) < 0 else high)


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    from scipy.special import gammaln

    chosen: np.ndarray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen


def _log_series(log_mean: float, xmin: float) -> float:
    """Return ln sum_j m^j xmin! / (xmin + j)!, which is P(X >= xmin) / P(X = xmin) of a Poisson law of mean m."""
    from scipy.special import gammainc, gammaln, hyp1f1

    mean = float(np.exp(log_mean))
    if mean <= xmin:
        return float(np.log(hyp1f1(1, xmin + 1, mean)))
    return float(np.log(gammainc(xmin, mean)) + mean - xmin * log_mean + gammaln(xmin + 1))


def _above(x: np.ndarray, k: np.ndarray, log_p: np.ndarray) -> np.ndarray:
    """Return the sums of probabilities at integers from each x on."""
    sums = np.append(np.cumsum(np.exp(log_p)[::-1])[::-1], 0)
    return sums[np.searchsorted(k, x)]


def _log_difference(larger: Any, smaller: Any) -> Any:
    """Return ln(exp(larger) - exp(smaller)), finite also where rounding makes them equal."""
    return larger + np.log(-np.expm1(np.minimum(smaller - larger, -1e-300)))


def _log_erfcx(u: Any) -> Any:
    """Return ln(exp(u^2) erfc(u))."""
    from scipy.special import erfcx, log_ndtr

    # exp(u^2) erfc(u) overflows far below 0, where erfc is 2 Phi(-sqrt(2) u)
    return np.where(u > 0, np.log(erfcx(np.maximum(u, 0))), np.log(2) + log_ndtr(-np.sqrt(2) * u) + np.square(u))


def _log_sum(alpha: float, rate: float, x: Any) -> Any:
    """Return ln sum_k ((x + k) / x)^-alpha exp(-rate k), k = 0, 1, ...: near terms, and Euler-Maclaurin beyond them."""
    x = np.asarray(x, dtype=np.float64)
    k = np.arange(DIRECT)
    near = np.exp(-alpha * np.log1p(k / x[..., None]) - rate * k).sum(axis=-1)
    top = x + DIRECT
    f = np.exp(-alpha * np.log1p(DIRECT / x) - rate * DIRECT)
    g = alpha / top + rate  # -f' / f
    third = g**3 + 3 * g * alpha / top**2 + 2 * alpha / top**3  # -f''' / f
    return np.log(near + f * (top * _scaled_expint(alpha, rate * top) + 0.5 + g / 12 - third / 720))


def _scaled_expint(order: float, z: Any) -> Any:
    """Return exp(z) E_order(z), the integral of exp((1 - order) t - z (e^t - 1)) over t from 0, by quadrature."""
    z = np.asarray(z, dtype=np.float64)
    if order > 1 and not z.any():
        return 1 / (order - 1) + z
    end = np.log1p(60 / z)
    if order > 1:
        end = np.minimum(end, 60 / (order - 1))
    t = 0.5 * end[..., None] * (_NODES + 1)
    return 0.5 * end * (np.exp((1 - order) * t - z[..., None] * np.expm1(t)) @ _WEIGHTS)
