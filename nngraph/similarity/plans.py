"""Whether a transport plan matches samples with themselves, or with others of their class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["plan_agreement"]


def plan_agreement(plan: object, labels: object, other: object = None) -> pd.Series:
    r"""Return the share of mass that a plan sends to the same label, beside what a random matching sends there.

    .. math:: s = \sum_{ij} T_{ij} [l_i = m_j], \qquad \mathrm{E}\, s = \frac{1}{n m} \sum_{ij} [l_i = m_j]

    Parameters
    ----------
    plan : array (n,) or (n, m), or Transport
        A permutation, sample i going to plan[i]; a coupling of any total mass; or the result of
        :func:`gromov_wasserstein`.
    labels : sequence (n,)
        Class of each sample of the first side.
    other : sequence (m,), optional
        Those of the second side; by default the same, which needs n = m.

    Returns
    -------
    pandas.Series
        ``same`` (the share s), ``chance``, ``sd`` and ``z`` under uniformly random permutations (n = m; for a plan
        that is none, sd is that of permutations all the same), and ``identity``, the share that stays with its own
        sample (chance 1 / n). NaN where n and m differ or nothing varies.

    Raises
    ------
    ArgumentError
        If the plan is neither a permutation nor a coupling of that many samples.

    Notes
    -----
    sd is exact: of the doubly centred a = [l_i = m_j], it is the square root of sum a^2 / (n^2 (n - 1)) [1].

    References
    ----------
    .. [1] W. Hoeffding, "A combinatorial central limit theorem", Annals of Mathematical Statistics 22 (1951).

    Examples
    --------
    >>> plan_agreement([1, 0, 3, 2], ["a", "a", "b", "b"]).round(3).to_dict()
    {'same': 1.0, 'chance': 0.5, 'sd': 0.289, 'z': 1.732, 'identity': 0.0}
    """
    import pandas as pd

    T = coupling(plan)
    first = np.asarray(labels)
    second = first if other is None else np.asarray(other)
    if first.ndim != 1 or second.ndim != 1:
        raise ArgumentError(f"plan_agreement: got labels of {first.ndim} dimensions; expected a sequence of classes.")
    if (len(first), len(second)) != T.shape:
        raise ArgumentError(
            f"plan_agreement: got {len(first)} and {len(second)} labels for a plan of {T.shape[0]} x {T.shape[1]} "
            "samples; expected one for each."
        )
    alike = (first[:, None] == second[None, :]).astype(np.float64)
    n, m = T.shape
    same, chance, sd, identity = float((T * alike).sum()), float(alike.mean()), np.nan, np.nan
    if n == m:
        centred = alike - alike.mean(axis=0) - alike.mean(axis=1)[:, None] + alike.mean()
        sd = float(np.sqrt((centred**2).sum() / (n**2 * (n - 1))))
        identity = float(np.trace(T))
    z = (same - chance) / sd if sd > 1e-12 else np.nan
    return pd.Series({"same": same, "chance": chance, "sd": sd, "z": z, "identity": identity})


def coupling(plan: object) -> np.ndarray:
    """Return a plan as (n, m) array of mass 1, whichever way it is written."""
    array = np.asarray(plan.coupling() if hasattr(plan, "coupling") else plan)
    if array.ndim == 1:
        n = len(array)
        if array.dtype.kind not in "iu" or not np.array_equal(np.sort(array), np.arange(n)):
            raise ArgumentError(f"plan: got {n} numbers that are no permutation of 0 to {n - 1}; expected each once.")
        array = np.eye(n)[array]
    if array.ndim != 2 or min(array.shape) < 2:
        raise ArgumentError(f"plan: got the shape {array.shape}; expected (n,) or (n, m), of two samples or more.")
    total = float(array.sum()) if array.dtype.kind in "biuf" else np.nan
    if not (np.isfinite(total) and total > 0 and array.min() >= 0):
        raise ArgumentError("plan: got negative, infinite or no mass; expected a coupling of mass above 0.")
    return array / total
