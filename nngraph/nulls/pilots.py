"""How long a chain has to run: the decay of its agreement with the start, measured by pilot chains."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections import Counter

import numpy as np

from nngraph._rng import child
from nngraph.errors import NullModelWarning
from nngraph.nulls._chains import Chain, ChainOf
from nngraph.nulls._edges import KernelEdges

__all__ = ["FEWEST_SWEEPS", "MOST_SWEEPS", "Decay", "decay", "sweeps_to_mix"]

FEWEST_SWEEPS = 20
"""A sweep about halves what the agreement with the start has above its limit, so that 20 leave 1e-6 of it. A 4x4 space
fails a chi-square test of uniformity after 5 sweeps and passes it after 7."""
MOST_SWEEPS = 640
_STEP = 5
_MANY_EDGES, _MOST_PILOTS = 2**20, 8
"""Pilots together follow about so many edges, so that noise is below the usual tolerance, in so many chains at most."""
_SIGMAS = 3.0
"""Standard errors within which an excess, or a fall, is taken for noise."""
_CAUTION = 1.0
"""Standard errors beyond which a fall makes the pilot go on: longer for nothing now and then, too short rarely."""
_STRETCH = 4
"""Where noise hides the tolerance: at most so many times the sweeps that bring the excess into the noise."""


@dataclasses.dataclass(frozen=True)
class Decay:
    """The agreement of pilot chains of one block with their start, sweep by sweep, and what follows from it."""

    sweeps: np.ndarray
    """(n_points,) numbers of sweeps after which the agreement was measured, 0 first."""
    agreement: np.ndarray
    """(n_points,) means over the pilot chains."""
    limit: float
    """Mean of the agreement over the later half of the sweeps."""
    chosen: int
    """Number of sweeps after which the excess over the limit is within the tolerance, at least 20."""
    falling: float
    """How much the agreement still fell over the last quarter of the sweeps, where that is more than noise; else 0."""
    counts: dict[str, int]
    """Moves tried and changed, summed over the pilot chains."""


def sweeps_to_mix(chain: ChainOf, edges: KernelEdges, seed: np.random.SeedSequence, *, tol: float = 1e-3) -> int:
    """Return the number of sweeps after which the agreement with the start is within ``tol`` of its limit.

    A pilot measures it; see :func:`decay`. The draw itself runs a number of sweeps that is fixed beforehand: stopping
    on its own trajectory would bias it.
    """
    return decay(chain, edges, seed, tol=tol, step=_STEP).chosen


def decay(chain: ChainOf, edges: KernelEdges, seed: np.random.SeedSequence, *, tol: float, step: int = 1) -> Decay:
    """Measure how the agreement of a chain with its start decays.

    Parameters
    ----------
    chain : callable
        Start the chain.
    edges : KernelEdges
        The block.
    seed : numpy.random.SeedSequence
        Source of the pilot chains.
    tol : float
        Excess over the limit that may be left.
    step : int
        Sweeps between two measurements, a divisor of 20; it doubles with the length of the pilot.

    Returns
    -------
    Decay

    Notes
    -----
    The pilot is doubled, from 20 sweeps up to 640, until the agreement of its third quarter exceeds that of its fourth
    by no more than one standard error (or ``tol`` times all that has been lost of the start), and the excess over
    their mean is within the tolerance half-way already. The agreement of small blocks is noisy:
    those of less than a million edges have up to eight pilots. Where noise is larger than ``tol`` all the same, the
    sweeps that bring the excess into the noise are extrapolated by a geometric decay, to four times their number at
    most. A pilot that still falls, by three standard errors, after 640 sweeps is
    reported by a NullModelWarning.
    """
    n_pilots = int(np.clip(_MANY_EDGES // max(len(edges.values), 1), 1, _MOST_PILOTS))
    chains = [chain(edges, child(seed, i)) for i in range(n_pilots)]
    times, measured, n = [0], [[1.0] * n_pilots], 0
    while True:
        spacing = step if n == 0 else step * n // FEWEST_SWEEPS
        for _ in range(FEWEST_SWEEPS // step):
            measured.append([_after(one, spacing) for one in chains])
            times.append(times[-1] + spacing)
        n = times[-1]
        late = _Late.of(np.array(times), np.array(measured), len(edges.values))
        still = min(map(min, measured)) == 1 and not chains[0].is_rigid()  # moves exist, and none was made so far
        early = float(np.mean(measured[times.index(n // 2)])) - late.mean > max(tol, _SIGMAS * late.noise)
        if n == MOST_SWEEPS or not (still or early or late.falls(_CAUTION, tol)):
            break
    falling = late.falls(_SIGMAS, tol)
    if falling:
        warnings.warn(
            f"block {edges.name!r}: after {n} sweeps the agreement with the start still falls, by {late.fall:.2g} over "
            f"the last quarter of them; draws run {n} sweeps and were not shown to be within {tol:g} of the limit. "
            "Pass a larger sweeps=.",
            NullModelWarning,
            stacklevel=2,
        )
    agreement = np.mean(measured, axis=1)
    chosen = n if falling else _chosen(np.array(times), agreement - late.mean, late.noise, tol)
    counts: Counter[str] = Counter()
    for one in chains:
        counts.update(one.counts())
    return Decay(np.array(times), agreement, late.mean, chosen, late.fall if falling else 0.0, dict(counts))


def _after(chain: Chain, n_sweeps: int) -> float:
    chain.run(n_sweeps)
    return chain.agreement()


@dataclasses.dataclass(frozen=True)
class _Late:
    """The later half of the pilots."""

    mean: float
    fall: float
    """From the third quarter to the fourth."""
    fall_error: float
    noise: float
    """Standard error of the excess of one point over the mean."""

    @classmethod
    def of(cls, times: np.ndarray, measured: np.ndarray, n_edges: int) -> _Late:
        n, n_pilots = times[-1], measured.shape[1]
        late = measured[2 * times > n]
        mean = float(late.mean())
        variance = mean * (1 - mean) / n_edges  # of independent edges
        if n_pilots > 1:
            variance = max(variance, float(late.var(axis=1, ddof=1).mean()))
        noise = math.sqrt(variance / n_pilots)
        third, fourth = measured[(2 * times > n) & (4 * times <= 3 * n)], measured[4 * times > 3 * n]
        error = noise * math.sqrt(1 / len(third) + 1 / len(fourth))
        return cls(mean, float(third.mean() - fourth.mean()), error, noise * math.sqrt(1 + 1 / len(late)))

    def falls(self, sigmas: float, tol: float) -> bool:
        return self.fall > max(sigmas * self.fall_error, tol * (1 - self.mean))


def _chosen(times: np.ndarray, excess: np.ndarray, noise: float, tol: float) -> int:
    """Return the first number of sweeps with an excess within the tolerance, extrapolated where noise hides it."""
    floor = max(tol, _SIGMAS * noise)
    if excess[0] <= floor:
        return FEWEST_SWEEPS
    first = int(times[np.argmax(excess <= floor)])
    stretch = math.log(excess[0] / tol) / math.log(excess[0] / floor)
    return int(np.clip(math.ceil(first * min(stretch, _STRETCH)), FEWEST_SWEEPS, MOST_SWEEPS))
