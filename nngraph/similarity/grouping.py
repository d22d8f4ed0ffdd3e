"""Groups of taps from the distances between them: contiguous segments, or spectral clusters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.similarity import _segments
from nngraph.similarity._maps import taps_and_distances

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Groups", "adjusted_rand", "groups", "silhouettes"]

Affinity: TypeAlias = Literal["max-D", "gaussian", "inverse"] | Callable[[np.ndarray], np.ndarray]
AFFINITIES = ("max-D", "gaussian", "inverse")


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of taps, numbered in the order in which the network meets them."""

    labels: pd.Series
    """The group of each tap, 0 to k - 1."""
    k: int
    """Number of groups."""
    method: str
    """ "contiguous" or "spectral"."""
    curve: pd.DataFrame
    """By k: the cost of the groups, their mean silhouette, and for "spectral" the gap behind the k-th eigenvalue."""
    silhouettes: pd.Series
    """Of each tap; NaN for one group."""
    p: float
    """Of the largest silhouette under drift alone; NaN where it was not tested."""
    level: float = np.nan
    """Largest p of several groups, where they were tested."""

    @property
    def silhouette(self) -> float:
        """The mean silhouette; NaN for one group."""
        return float(self.silhouettes.mean())

    @property
    def members(self) -> list[list[str]]:
        """The taps of each group."""
        return [list(self.labels.index[self.labels == group]) for group in range(self.k)]

    def __repr__(self) -> str:
        tested = not np.isnan(self.p)
        if self.k == 1:
            why = f"no groups: p={self.p:.3g} is above the level {self.level:g}" if tested else "one group"
            return f"Groups(k=1, method={self.method!r}, {why})"
        p = f", p={self.p:.3g}" if tested else ", not tested"
        return f"Groups(k={self.k}, method={self.method!r}, silhouette={self.silhouette:.3f}{p})"


def groups(
    D: pd.DataFrame,
    k: int | None = None,
    *,
    method: Literal["contiguous", "spectral"] = "contiguous",
    affinity: Affinity = "max-D",
    criterion: Literal["silhouette", "eigengap"] = "silhouette",
    level: float = 0.05,
    draws: int = 199,
    squared: bool | None = None,
    rng: RNG = 0,
) -> Groups:
    r"""Group taps that are near each other.

    Contiguous groups are segments of the order of the taps that minimise, for every k exactly,

    .. math:: \sum_{s} \frac{1}{|s|} \sum_{i < j \in s} D_{ij}^2,

    for Euclidean distances the sum of squares about the centres of the segments. Spectral groups are those of the
    paper: normalised spectral clustering of an affinity, which knows nothing of the order.

    Parameters
    ----------
    D : pandas.DataFrame, (L, L)
        Distances between taps, as of :func:`matrix`.
    k : int, optional
        Number of groups, 1 to L. By default chosen by the criterion among 2 to min(12, L - 1).
    method : "contiguous" or "spectral"
        Whether a group is a run of taps.
    affinity : "max-D", "gaussian", "inverse" or callable
        For "spectral": max(D) - D, exp(-D^2 / (2 m^2)) or 1 / (D + m / 100) with m the median distance, or a function
        of the (L, L) distances. Its diagonal is set to its largest entry.
    criterion : "silhouette" or "eigengap"
        The k of the largest mean silhouette, or, for "spectral", of the largest gap between eigenvalues k and k + 1 of
        the normalised Laplacian.
    level : float
        Contiguous groups with k to be found are one group unless the silhouette is significant at this level.
    draws : int
        Maps drawn for that test; p is at least 1 / (draws + 1). With 0 nothing is tested.
    squared : bool, optional
        Whether D holds squared distances, whose root is then taken. By default D is asked: maps of :func:`matrix` and
        :func:`gromov_map` say whether they are of the squared objective, and any others count as distances. After
        arithmetic on such a map it has to be told.
    rng : None, int, SeedSequence or Generator
        Of the draws and of the k-means of spectral clustering.

    Returns
    -------
    Groups

    Raises
    ------
    ArgumentError
        If D is not a symmetric table of finite distances, or an argument is out of range.

    Notes
    -----
    The segmentation is exact, by dynamic programming in O(k L^2). The test of k = 1 asks whether the map has groups or
    drifts: a draw is the distances of L points of a Gaussian process with stationary increments whose mean squared
    distance at every separation in depth is that of D, in as many dimensions as the points of D fill (the participation
    ratio of the eigenvalues of its Gram matrix), and the largest silhouette over k is taken of every draw as it was of
    D. A steady drift, or a random walk, is thus one group. Measured at the level 0.05 on 100 maps of 13 taps each,
    groups were found in 5 of walks and 8 of points on a line, and in at most 1 of either in 3 or 30 dimensions.

    Spectral groups are not tested, and the gap behind the first eigenvalue does not count: that of a dense affinity is
    always wide. A tap that is a group of its own has silhouette 0.

    References
    ----------
    .. [1] T. Gao et al., "Identifying Sub-networks in Neural Networks via Functionally Similar Representations",
       arXiv:2410.16484.
    .. [2] W. D. Fisher, "On grouping for maximum homogeneity", Journal of the American Statistical Association 53
       (1958).
    .. [3] P. J. Rousseeuw, "Silhouettes", Journal of Computational and Applied Mathematics 20 (1987).
    .. [4] U. von Luxburg, "A tutorial on spectral clustering", Statistics and Computing 17 (2007).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> place = np.array([0, 0.1, 0.2, 5, 5.1, 5.2, 5.3])
    >>> taps = list("abcdefg")
    >>> found = groups(pd.DataFrame(abs(place - place[:, None]), taps, taps), k=2)
    >>> found.members, round(found.silhouette, 2)
    ([['a', 'b', 'c'], ['d', 'e', 'f', 'g']], 0.97)
    """
    import pandas as pd

    taps, distances = taps_and_distances("groups", D, squared=squared)
    L = len(taps)
    _check(L, k, method, criterion, affinity)
    level, draws = _arguments.share("groups: level", level), _arguments.whole("groups: draws", draws, 0)
    seed = seed_sequence(rng)
    unit = float(distances.max()) or 1.0
    distances = distances / unit  # squares of it stay within floating point
    tried = range(2, min(_segments.LARGEST, L - 1) + 1) if k is None else [k]
    gaps: dict[int, float] = {}
    if method == "contiguous":
        found = _segments.segmentations(distances, max(tried, default=1))
    else:
        found, gaps = _spectral(distances, affinity, tried, seed)
    curve = pd.DataFrame(
        [
            (
                n,
                unit * (unit * _segments.cost(distances, found[n])),
                float(np.mean(_segments.silhouettes(distances, found[n]))),
                gaps.get(n, np.nan),
            )
            for n in [1, *(n for n in tried if n > 1)]
        ],
        columns=["k", "cost", "silhouette", "eigengap"],
    ).set_index("k")
    p = np.nan
    if k is None:
        scores = curve["silhouette" if criterion == "silhouette" else "eigengap"]
        k = 1 if scores.isna().all() else int(scores.idxmax())
        if method == "contiguous" and k > 1 and draws:
            p = _segments.drift_p(distances, float(scores[k]), draws, seed)
            k = k if p <= level else 1
    labels = pd.Series(found[k], index=taps, name="group")
    return Groups(labels, k, method, curve, silhouettes(D, labels, squared=squared), p, level)


def silhouettes(
    D: pd.DataFrame, labels: Groups | pd.Series | Mapping[str, int], *, squared: bool | None = None
) -> pd.Series:
    r"""Return how much nearer each tap is to its own group than to the next.

    .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

    with the mean distances :math:`a_i` to the other taps of its group and :math:`b_i` to those of the nearest
    other one.

    Parameters
    ----------
    D : pandas.DataFrame, (L, L)
        Distances between taps.
    labels : Groups, Series or mapping
        The group of every tap.
    squared : bool, optional
        As in :func:`groups`.

    Returns
    -------
    pandas.Series
        In [-1, 1]; 0 for a tap alone in its group, NaN where there is one group.

    Raises
    ------
    ArgumentError
        If D is not a symmetric table of distances, or a tap has no label.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes", Journal of Computational and Applied Mathematics 20 (1987).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> D = pd.DataFrame(abs(np.subtract.outer([0, 1, 4], [0, 1, 4])), list("abc"), list("abc"))
    >>> silhouettes(D, {"a": 0, "b": 0, "c": 1}).round(3).tolist()
    [0.75, 0.667, 0.0]
    """
    import pandas as pd

    taps, distances = taps_and_distances("silhouettes", D, squared=squared)
    _, numbers = np.unique(_of_taps("silhouettes", labels, taps), return_inverse=True)
    return pd.Series(_segments.silhouettes(distances, numbers), index=taps, name="silhouette")


def adjusted_rand(
    first: Groups | pd.Series | Mapping[str, int], second: Groups | pd.Series | Mapping[str, int]
) -> float:
    r"""Return the adjusted Rand index of two groupings of the same taps: 1 for the same groups, 0 expected by chance.

    Parameters
    ----------
    first, second : Groups, Series or mapping
        The group of every tap. What the groups are called does not matter, nor the order of the taps.

    Returns
    -------
    float

    Raises
    ------
    ArgumentError
        If the taps differ.

    Notes
    -----
    Chance is a random relabelling of the taps. Contiguous groups agree by more than that, because both are contiguous;
    two groupings into one group agree by 1 and say nothing.

    References
    ----------
    .. [1] L. Hubert, P. Arabie, "Comparing partitions", Journal of Classification 2 (1985).

    Examples
    --------
    >>> adjusted_rand({"a": 0, "b": 0, "c": 1, "d": 1}, {"a": 5, "b": 5, "c": 2, "d": 2})
    1.0
    """
    from sklearn.metrics import adjusted_rand_score

    given = [_labels("adjusted_rand", one) for one in (first, second)]
    taps = list(given[0])
    if len(given[1]) != len(taps):
        raise ArgumentError(f"adjusted_rand: got {len(taps)} and {len(given[1])} taps; expected the same taps.")
    return float(adjusted_rand_score(*(_of_taps("adjusted_rand", one, taps) for one in given)))


def _check(L: int, k: int | None, method: str, criterion: str, affinity: Affinity) -> None:
    _arguments.choice("groups: method", method, ("contiguous", "spectral"))
    allowed = ("silhouette",) if method == "contiguous" else ("silhouette", "eigengap")
    if criterion not in allowed:
        raise ArgumentError(
            f"groups: criterion: got {criterion!r} for {method} groups; expected {' or '.join(map(repr, allowed))}."
        )
    if k is not None:
        _arguments.whole("groups: k", k, 1, L, of=f" for {L} taps", also=", or None")
    if not callable(affinity) and affinity not in AFFINITIES:
        raise ArgumentError(
            f"groups: affinity: got {affinity!r}; expected {', '.join(map(repr, AFFINITIES))}, or a function of D."
        )


def _labels(where: str, groups: object) -> dict[str, object]:
    """Return the label of each tap, by its name."""
    import pandas as pd

    found = groups.labels if isinstance(groups, Groups) else groups
    if not isinstance(found, (pd.Series, Mapping)):
        raise ArgumentError(
            f"{where}: got labels as a {type(groups).__name__}; expected Groups, or a Series or mapping by tap."
        )
    return dict(zip(_arguments.texts(where, found.keys()), (label for _, label in found.items()), strict=True))


def _of_taps(where: str, labels: object, taps: list[str]) -> np.ndarray:
    given = _labels(where, labels)
    if missing := [tap for tap in taps if tap not in given]:
        raise ArgumentError(
            f"{where}: got no group for the tap {missing[0]!r}; expected a label for each of {len(taps)}."
        )
    chosen = [given[tap] for tap in taps]
    numbers = [isinstance(label, (int, float, np.integer, np.floating)) for label in chosen]
    if not (all(numbers) or all(isinstance(label, str) for label in chosen)):
        raise ArgumentError(f"{where}: got labels of several types; expected numbers or texts for all taps.")
    if odd := [tap for tap, label in zip(taps, chosen, strict=True) if label != label]:
        raise ArgumentError(f"{where}: got the label NaN for the tap {odd[0]!r}; expected a group.")
    return np.array(chosen)


def _spectral(
    D: np.ndarray, affinity: Affinity, tried: range | list[int], seed: np.random.SeedSequence
) -> tuple[dict[int, np.ndarray], dict[int, float]]:
    """Return labels by k, numbered as they come, and the gaps behind the eigenvalues of the normalised Laplacian."""
    from sklearn.cluster import SpectralClustering

    found = {1: np.zeros(len(D), dtype=np.int64), len(D): np.arange(len(D))}
    if not (between := [k for k in tried if 1 < k < len(D)]):
        return found, {}
    A = _affinities(D, affinity)
    degrees = A.sum(axis=1)
    if not (degrees > 0).all():
        raise ArgumentError("groups: affinity: got a tap whose affinity to all is 0; expected a larger one to some.")
    values = np.sort(np.linalg.eigvalsh(np.eye(len(A)) - A / np.sqrt(np.outer(degrees, degrees))))
    for k in between:
        state = int(child(seed, "groups", "spectral", k).generate_state(1)[0])
        labels = (
            SpectralClustering(k, affinity="precomputed", random_state=state, assign_labels="kmeans").fit(A).labels_
        )
        _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
        found[k] = np.argsort(np.argsort(first))[numbers]
    return found, {k: float(values[k] - values[k - 1]) for k in between}


def _affinities(D: np.ndarray, affinity: Affinity) -> np.ndarray:
    middle = float(np.median(D[np.triu_indices(len(D), 1)]))
    if not callable(affinity) and not (D.max() if affinity == "max-D" else middle) > 0:
        raise ArgumentError(
            f"groups: affinity {affinity!r}: got taps of which half, or all, are at one place; expected taps that "
            "differ."
        )
    if callable(affinity):
        A = np.array(affinity(D), dtype=np.float64)
        if A.shape != D.shape or not np.isfinite(A).all() or (A < 0).any() or not np.allclose(A, A.T):
            raise ArgumentError(
                f"groups: affinity: got an array of shape {A.shape}; expected a finite, symmetric one of {D.shape} "
                "with no entry below 0."
            )
    elif affinity == "max-D":
        A = D.max() - D
    elif affinity == "gaussian":
        A = np.exp(-(D**2) / (2 * middle**2))
    else:
        A = 1 / (D + middle / 100)
    np.fill_diagonal(A, A.max())
    return A
