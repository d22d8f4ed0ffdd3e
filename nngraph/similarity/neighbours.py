"""Nearest neighbours of samples, and whether they stay the same from tap to tap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from nngraph import _arguments
from nngraph._progress import progress
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import clouds, distances

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["expected_overlap", "neighbour_map", "neighbour_overlap"]

Space = Literal["raw", "tsne"]


def neighbour_overlap(
    reps: Mapping[str, object],
    against: str | None = None,
    *,
    k: int = 5,
    space: Space = "raw",
    perplexity: float | None = None,
    rng: RNG = 0,
) -> pd.DataFrame:
    r"""Return how many of the k nearest neighbours of each sample are the same at a tap and at a reference tap.

    .. math:: J_i = \frac{|N_i \cap N'_i|}{|N_i \cup N'_i|}

    Parameters
    ----------
    reps : mapping from names to arrays (n, d)
        Representations of the same samples.
    against : str, optional
        The reference; by default the first tap.
    k : int
        Number of neighbours, the sample itself left out; below n - 1.
    space : "raw" or "tsne"
        Whether distances are taken at the tap, or in the plane to which t-SNE brings it, as in the paper.
    perplexity : float, optional
        Of t-SNE, below n; by default the smaller of 30 and (n - 1) / 3: 5 for 16 samples.
    rng : None, int, SeedSequence or Generator
        Of the random start of t-SNE, the same for all taps. Another seed gives other planes: see how far the values of
        several seeds agree before reading differences between taps.

    Returns
    -------
    pandas.DataFrame, (n, L - 1)
        The Jaccard index of each sample at every tap but the reference, whose 1 with itself says nothing and would
        raise means (the means published count it).

    Raises
    ------
    ArgumentError
        If a representation is none, there is no such tap, or k or the perplexity is out of range.

    Notes
    -----
    For k = 5 the values are 0, 1/9, 1/4, 3/7, 2/3 and 1. :func:`expected_overlap` is the value for neighbours at
    random. Of equally distant samples the one with the lower number is the nearer.

    References
    ----------
    .. [1] T. Gao et al., "Identifying Sub-networks in Neural Networks via Functionally Similar Representations",
       arXiv:2410.16484.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([0.0, 1, 3, 6, 10])
    >>> neighbour_overlap({"a": x, "b": -x, "c": x[[0, 2, 1, 4, 3]]}, k=1).mean().tolist()
    [1.0, 0.0]
    """
    import pandas as pd

    near = _neighbours("neighbour_overlap", reps, k, space, perplexity, rng)
    first = next(iter(near)) if against is None else against
    if first not in near:
        raise ArgumentError(f"neighbour_overlap: against: got {against!r}; the taps are {', '.join(map(repr, near))}.")
    return pd.DataFrame({name: _jaccard(near[first], one, k) for name, one in near.items() if name != first})


def neighbour_map(
    reps: Mapping[str, object],
    *,
    k: int = 5,
    space: Space = "raw",
    perplexity: float | None = None,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Return the mean overlap of nearest neighbours for every two taps.

    Parameters
    ----------
    reps, k, space, perplexity, rng
        As in :func:`neighbour_overlap`.

    Returns
    -------
    pandas.DataFrame, (L, L)
        Mean Jaccard indices, 1 on the diagonal: a similarity.

    Raises
    ------
    ArgumentError
        As :func:`neighbour_overlap`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([0.0, 1, 3, 6, 10])
    >>> neighbour_map({"a": x, "b": -x, "c": x[[0, 2, 1, 4, 3]]}, k=1).to_numpy().tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    import pandas as pd

    near = _neighbours("neighbour_map", reps, k, space, perplexity, rng)
    means = [[float(_jaccard(one, other, k).mean()) for other in near.values()] for one in near.values()]
    return pd.DataFrame(means, index=list(near), columns=list(near))


def expected_overlap(n: int, k: int = 5) -> float:
    r"""Return the mean Jaccard index of two random sets of k among the n - 1 other samples, exactly.

    .. math:: \mathrm{E} J = \sum_h \frac{h}{2k - h} \binom{k}{h} \binom{n - 1 - k}{k - h} \Big/ \binom{n - 1}{k}

    Parameters
    ----------
    n : int
        Number of samples.
    k : int
        Number of neighbours, below n.

    Returns
    -------
    float

    Raises
    ------
    ArgumentError
        If k is not between 1 and n - 1.

    Examples
    --------
    >>> round(expected_overlap(16, 5), 3)
    0.214
    """
    from math import comb

    n = _arguments.whole("expected_overlap: n", n, 2)
    _check_k("expected_overlap", n, k, beside=0)
    ways = [comb(k, h) * comb(n - 1 - k, k - h) for h in range(k + 1)]
    return sum(h / (2 * k - h) * number for h, number in enumerate(ways)) / comb(n - 1, k)


def _check_k(where: str, n: int, k: int, *, beside: int) -> None:
    """Check that there are k neighbours, and at least k + ``beside`` samples beside each one."""
    _arguments.whole(f"{where}: k", k, of=f" for {n} samples")
    if n - 1 < k + beside:
        raise ArgumentError(f"{where}: k: got {k!r} for {n} samples; expected at least 1 and fewer than the others.")


def _neighbours(
    where: str, reps: Mapping[str, object], k: int, space: Space, perplexity: float | None, rng: RNG
) -> dict[str, np.ndarray]:
    """Return (n, n) membership of the k nearest neighbours by tap."""
    given = clouds(reps)
    n = len(next(iter(given.values())))
    _check_k(where, n, k, beside=1)
    _arguments.choice(f"{where}: space", space, ("raw", "tsne"))
    perplexity = min(30.0, (n - 1) / 3) if perplexity is None else perplexity
    perplexity = _arguments.number(
        f"{where}: perplexity", perplexity, f"more than 0 and less than {n} samples", lambda x: 0 < x < n
    )
    state = int(child(seed_sequence(rng), "t-SNE").generate_state(1)[0])
    near = {}
    for name, x in progress(given.items(), total=len(given), label="neighbours"):
        D = distances(name, _plane(name, x, perplexity, state) if space == "tsne" else x, normalize="none")
        np.fill_diagonal(D, np.inf)
        member = np.zeros((n, n), dtype=bool)
        np.put_along_axis(member, np.argsort(D, axis=1, kind="stable")[:, :k], values=True, axis=1)
        near[name] = member
    return near


def _plane(name: str, x: np.ndarray, perplexity: float, state: int) -> np.ndarray:
    """Return the (n, 2) points of t-SNE from a random start, which is the same for all taps."""
    from sklearn.manifold import TSNE

    if not np.ptp(x, axis=0).any():
        raise ArgumentError(f"tap {name!r}: is constant: t-SNE needs samples that differ. Leave the tap out.")
    tsne = TSNE(2, perplexity=perplexity, init="random", random_state=state)
    x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    points: np.ndarray = tsne.fit_transform(x / np.linalg.norm(x))  # its search for bandwidths depends on the scale
    return points


def _jaccard(one: np.ndarray, other: np.ndarray, k: int) -> np.ndarray:
    both = (one & other).sum(axis=1)
    jaccard: np.ndarray = both / (2 * k - both)
    return jaccard
