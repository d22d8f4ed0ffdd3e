r"""A stand-in for the HIGGS data: collisions of which two particles decay, or only look as if they had.

Every event has a heavy object of mass :math:`M = 400 + \mathrm{Exp}(100)`, transverse momentum :math:`\mathrm{Exp}(50)`
in a random direction and rapidity :math:`N(0, 1)`, in GeV. It decays into two objects Y and Z, and each of these into
two particles without mass: all directions are isotropic in the rest frame of what decays. In a signal event Y and Z are
particles, of masses 125 and 91 (normal widths of 4 and 2.5); in a background event their masses are uniform from 40 to
210 and from 31 to 151, with the same means. Three soft particles have transverse momenta
:math:`20 + \mathrm{Exp}(20)`, pseudorapidities :math:`N(0, 1.5)` and any angle. A detector sees
:math:`p_T (1 + s N(0, 1))`, :math:`\eta + 0.3 s N(0, 1)`, :math:`\phi + 0.3 s N(0, 1)` with the smearing s.

Angles around the beam are counted from the first particle, and events are mirrored so that its pseudorapidity and the
angle of the second particle are positive: both classes are symmetric under that. No feature tells the classes apart
well; the masses of the pairs do,

.. math:: m^2 = 2 p_{T1} p_{T2} (\cosh(\eta_1 - \eta_2) - \cos(\phi_1 - \phi_2))
"""

from __future__ import annotations

import numpy as np

from nngraph._rng import RNG, child, generator, seed_sequence

__all__ = ["N_FEATURES", "events", "pair_masses"]

N_FEATURES = 28
"""log p_T and eta of seven particles (those of Y, of Z, and the soft ones, each by falling p_T), cos phi and sin phi of
the last six, and of the missing transverse momentum, which balances all seven, log p_T and cos phi."""


def events(n: int, *, smearing: float = 0.1, rng: RNG = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw events, each signal (1) or background (0) with the same probability.

    Parameters
    ----------
    n : int
        Number of events.
    smearing : float
        Relative resolution of transverse momenta; that of angles is 0.3 of it, in radians.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same events.

    Returns
    -------
    x : (n, 28) float32 array
    y : (n,) int64 array

    Examples
    --------
    >>> x, y = events(1000, smearing=0.0, rng=0)
    >>> masses = pair_masses(x)[y == 1]
    >>> x.shape, bool(abs(masses[:, 0] - 125).max() < 20), bool(abs(masses[:, 1] - 91).max() < 12)
    ((1000, 28), True, True)
    """
    draw = generator(child(seed_sequence(rng), "collisions"))
    y = draw.integers(0, 2, n)
    heavy = _momentum(
        400 + draw.exponential(100, n),
        draw.exponential(50, n),
        draw.normal(size=n),
        draw.uniform(-np.pi, np.pi, n),
    )
    m_y = np.where(y == 1, draw.normal(125, 4, n), draw.uniform(40, 210, n))
    m_z = np.where(y == 1, draw.normal(91, 2.5, n), draw.uniform(31, 151, n))
    particles = []
    for decaying in _decay(heavy, m_y, m_z, draw):
        pair = _decay(decaying, np.zeros(n), np.zeros(n), draw)
        seen = np.stack([_seen(p) for p in pair], axis=1)
        particles.append(np.take_along_axis(seen, np.argsort(-seen[..., :1], axis=1), axis=1))
    soft = np.stack(
        [20 + draw.exponential(20, (n, 3)), draw.normal(0, 1.5, (n, 3)), draw.uniform(-np.pi, np.pi, (n, 3))], axis=2
    )
    particles.append(np.take_along_axis(soft, np.argsort(-soft[..., :1], axis=1), axis=1))
    pt, eta, phi = np.moveaxis(np.concatenate(particles, axis=1), 2, 0)
    noise = smearing * draw.normal(size=(3, n, 7))
    pt = pt * np.maximum(1 + noise[0], 0.1)  # so that the logarithm exists
    eta, phi = eta + 0.3 * noise[1], phi + 0.3 * noise[2]
    return _features(pt, eta, phi).astype(np.float32), y


def _features(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Return what is kept of (n, 7) momenta, after the rotation and the reflections."""
    phi = phi - phi[:, :1]
    eta = eta * np.where(eta[:, :1] < 0, -1, 1)
    phi = phi * np.where(np.sin(phi[:, 1:2]) < 0, -1, 1)
    missing = -np.stack([(pt * np.cos(phi)).sum(axis=1), (pt * np.sin(phi)).sum(axis=1)])
    size = np.hypot(*missing)
    balance = np.stack([np.log(size), missing[0] / size], axis=1)
    return np.concatenate([np.log(pt), eta, np.cos(phi[:, 1:]), np.sin(phi[:, 1:]), balance], axis=1)


def pair_masses(x: np.ndarray) -> np.ndarray:
    """Return the masses that the two pairs of particles have as they are seen: what a network has to find.

    Parameters
    ----------
    x : (n, 28) array
        Of :func:`events`.

    Returns
    -------
    (n, 2) float64 array
        Those of Y and Z, in GeV.
    """
    x = x.astype(np.float64)
    log_pt, eta = x[:, :7], x[:, 7:14]
    ones, zeros = np.ones((len(x), 1)), np.zeros((len(x), 1))
    cosine, sine = np.hstack([ones, x[:, 14:20]]), np.hstack([zeros, x[:, 20:26]])
    masses = []
    for a, b in ((0, 1), (2, 3)):
        angle = cosine[:, a] * cosine[:, b] + sine[:, a] * sine[:, b]
        squared = 2 * np.exp(log_pt[:, a] + log_pt[:, b]) * (np.cosh(eta[:, a] - eta[:, b]) - angle)
        masses.append(np.sqrt(np.maximum(squared, 0)))
    return np.stack(masses, axis=1)


def _momentum(mass: np.ndarray, pt: np.ndarray, rapidity: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Return (n, 4) momenta: energy, x, y, and z along the beam."""
    transverse = np.hypot(mass, pt)
    return np.stack(
        [transverse * np.cosh(rapidity), pt * np.cos(phi), pt * np.sin(phi), transverse * np.sinh(rapidity)], axis=1
    )


def _decay(
    parent: np.ndarray, m_1: np.ndarray, m_2: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the momenta of two products, isotropic in the rest frame of the parent and boosted from there."""
    squared = parent[:, 0] ** 2 - np.square(parent[:, 1:]).sum(axis=1)
    mass = np.sqrt(squared)
    p = np.sqrt((squared - (m_1 + m_2) ** 2) * (squared - (m_1 - m_2) ** 2)) / (2 * mass)
    cosine, phi = draw.uniform(-1, 1, len(parent)), draw.uniform(-np.pi, np.pi, len(parent))
    sine = np.sqrt(1 - cosine**2)
    there = p[:, None] * np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=1)
    return (
        _boosted(np.hypot(p, m_1), there, parent, mass),
        _boosted(np.hypot(p, m_2), -there, parent, mass),
    )


def _boosted(energy: np.ndarray, momentum: np.ndarray, parent: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Return a momentum of the rest frame of the parent in the frame in which the parent is given."""
    along = (parent[:, 1:] * momentum).sum(axis=1)
    seen = (parent[:, 0] * energy + along) / mass
    factor = (along / (parent[:, 0] + mass) + energy) / mass
    return np.concatenate([seen[:, None], momentum + factor[:, None] * parent[:, 1:]], axis=1)


def _seen(p: np.ndarray) -> np.ndarray:
    """Return p_T, eta and phi of momenta."""
    pt = np.hypot(p[:, 1], p[:, 2])
    return np.stack([pt, np.arcsinh(p[:, 3] / pt), np.arctan2(p[:, 2], p[:, 1])], axis=1)
