"""The power law of a tail: exponent and lower end, and how often one made of it fits as badly."""

from __future__ import annotations

import random

import numpy as np

from nngraph._progress import progress
from nngraph._rng import child, generator
from nngraph.stats._tail_laws import PowerLaw

_ONE_RESAMPLE = 0.5
"""igraph tests its own fit with 0.25 / precision^2 resamples, and refuses to make none."""
_LARGEST = 1e300
_TABLE = 1024


def fit_power_law(values: np.ndarray, *, discrete: bool) -> tuple[float, float, float]:
    """Return alpha, xmin and the Kolmogorov-Smirnov distance of positive values, two distinct ones at least."""
    import igraph

    state = random.getstate()  # the resample that cannot be switched off draws from Python's global generator
    try:
        fitted = igraph.power_law_fit(
            values.tolist(), method="discrete" if discrete else "continuous", p_precision=_ONE_RESAMPLE
        )
    finally:
        random.setstate(state)
    return float(fitted.alpha), float(fitted.xmin), float(fitted.D)


def distances(values: np.ndarray, law: PowerLaw, n_boot: int, seed: np.random.SeedSequence, n_jobs: int) -> np.ndarray:
    """Return the Kolmogorov-Smirnov distances of resamples, the lower end searched anew in each.

    A resample takes each value from the fitted law with the probability n_tail / n, else at random from the values
    below xmin.
    """
    seeds = (child(seed, "resample", i) for i in range(n_boot))
    if n_jobs == 1:
        found = (_distance(values, law, one) for one in seeds)
        return np.array(list(progress(found, total=n_boot, label="resamples")))
    import joblib

    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    found = parallel(joblib.delayed(_distance)(values, law, one) for one in seeds)
    return np.array(list(progress(found, total=n_boot, label="resamples")))


def _distance(values: np.ndarray, law: PowerLaw, seed: np.random.SeedSequence) -> float:
    rng = generator(seed)
    body = values[values < law.xmin]
    n_tail = rng.binomial(len(values), 1 - len(body) / len(values))
    sample = draw(law, n_tail, rng)
    if len(body):
        sample = np.concatenate([rng.choice(body, len(values) - n_tail), sample])
    if (sample == sample[0]).all():
        return 0.0  # any steep law fits a constant
    return fit_power_law(sample, discrete=law.discrete)[2]


def draw(law: PowerLaw, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return independent values of a power law."""
    u = 1 - rng.random(n)
    with np.errstate(over="ignore"):
        if not law.discrete:
            return np.minimum(law.xmin * u ** (-1 / (law.alpha - 1)), _LARGEST)
        k = law.xmin + np.arange(_TABLE)
        above = law.ccdf(k)
        # the largest k with P(X >= k) >= u; beyond the table the integers are dense enough for the continuous law
        values = k[np.searchsorted(-above, -u, side="right") - 1]
        far = u <= above[-1]
        middle = k[-1] - 0.5
        values[far] = np.floor(np.minimum(middle * (above[-1] / u[far]) ** (1 / (law.alpha - 1)), _LARGEST) + 0.5)
    return values
