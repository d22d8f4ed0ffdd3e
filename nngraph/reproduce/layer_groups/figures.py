"""Figure 3 of the paper: maps of the modular-sum networks, and what is said of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph._rng import RNG
from nngraph.reproduce.layer_groups.judgements import Judgement, table_of
from nngraph.reproduce.layer_groups.targets import representations_of

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.similarity.gromov_maps import GromovMap

__all__ = ["PUBLISHED_GROUPS", "against_published", "figure3", "figure3_claims", "seconds_by_size"]

FLAT = 0.5
"""Share of the mean objective of a map below which a part of it is flat."""
PUBLISHED_GROUPS = np.repeat([0, 1, 2, 1, 2, 0], [12, 8, 25, 7, 21, 20])
"""Of the 93 taps of Model L, counted from 0: 20-44 with 52-72, 12-19 with 45-51, and both ends."""


def figure3(
    names: Sequence[str] = ("0", "E", "L"), *, n: int = 150, folder: str | Path | None = None, rng: RNG = 0
) -> dict[str, tuple[GromovMap, GromovMap]]:
    """Return the map of every network, and that of its untrained twin, all taps on the same pairs.

    Parameters
    ----------
    names : sequence of "0", "E", "L"
        The networks.
    n : int
        Pairs of tokens; the paper has 1000.
    folder : str or path, optional
        Where maps in progress are kept, so that a run that was ended goes on.
    rng : None, int, SeedSequence or Generator
        Of the pairs.

    Returns
    -------
    dict of str to (GromovMap, GromovMap)
        Trained, untrained.
    """
    from nngraph.similarity.gromov_maps import gromov_map

    found = {}
    for name in names:
        parts = []
        for trained in (True, False):
            reps = representations_of(name, trained=trained, n=n, rng=rng)
            place = None if folder is None else Path(folder) / f"map_{name}_{'trained' if trained else 'untrained'}_{n}"
            parts.append(gromov_map(reps, folder=place, rng=0))
        found[name] = (parts[0], parts[1])
    return found


def figure3_claims(maps: Mapping[str, tuple[GromovMap, GromovMap]]) -> pd.DataFrame:
    """Return what the paper says of its maps, what is measured, and whether it holds.

    Parameters
    ----------
    maps : mapping
        Of :func:`figure3`, for all three networks.

    Returns
    -------
    pandas.DataFrame
        A row for each :class:`~nngraph.reproduce.layer_groups.judgements.Judgement`.
    """
    return table_of([_three_groups(*maps["L"]), _smaller(maps), _flat(*maps["E"]), _steps(*maps["0"])])


def against_published(root: pd.DataFrame, *, squared: bool = False) -> np.ndarray:
    """Return the adjusted Rand index of three spectral groups of a map with the published groups of Model L.

    Parameters
    ----------
    root : pandas.DataFrame, (93, 93)
        Distances between the taps.
    squared : bool
        Whether they are squared.

    Returns
    -------
    (93,) array
        With the published groups as they are, and moved along the taps by 1 to 92, around the end: the latter tell what
        groups of such lengths have by chance.
    """
    from nngraph.similarity import adjusted_rand, groups

    taps = list(root.index)
    labels = groups(root, k=3, method="spectral", squared=squared, rng=0).labels
    moved = (dict(zip(taps, np.roll(PUBLISHED_GROUPS, shift), strict=True)) for shift in range(len(taps)))
    return np.array([adjusted_rand(labels, one) for one in moved])


def seconds_by_size(sizes: Sequence[int] = (3481, 1000, 300), *, name: str = "0") -> pd.DataFrame:
    """Return the CPU seconds that one pair of taps takes, and the value found, by the number of samples.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of pairs of tokens.
    name : "0", "E" or "L"
        The network; its last block gives the taps pre and resid_post.

    Returns
    -------
    pandas.DataFrame
        ``n``, ``seconds`` (without compiling), ``squared``.
    """
    import pandas as pd

    from nngraph.similarity._clouds import distances
    from nngraph.similarity.gromov import gromov_wasserstein

    rows = []
    for n in (50, *sizes):  # the first call compiles
        reps = representations_of(name, n=n)
        pair = [
            distances(tap, reps[tap]) for tap in [tap for tap in reps if tap.endswith((".pre", ".resid_post"))][-2:]
        ]
        cpu = time.process_time()
        found = gromov_wasserstein(*pair, rng=0)
        rows.append((n, time.process_time() - cpu, found.value))
    return pd.DataFrame(rows[1:], columns=["n", "seconds", "squared"])


def _three_groups(trained: GromovMap, untrained: GromovMap) -> Judgement:
    from nngraph.similarity import groups

    scores = [against_published(found.root) for found in (trained, untrained)]
    own, twin = (float(score[0]) for score in scores)
    chance = float(np.quantile(scores[0], 0.95))
    contiguous = groups(trained.root, squared=False, rng=0)
    verdict = "holds" if own >= 0.8 else "holds in part" if own > chance else "does not hold"
    text = (
        f"spectral groups, k = 3: adjusted Rand index {own:.2f} with the published ones ({chance:.2f} is the 95 % "
        f"point of the published ones moved along the taps; untrained twin {twin:.2f}); contiguous segmentation: "
        f"{contiguous.k} groups"
    )
    return Judgement(
        "L: three groups, 20-44 with 52-72, 12-19 with 45-51, and the ends",
        "three groups of the 93 taps, by eye",
        "the adjusted Rand index of three spectral groups of the root with the published ones is at least 0.8; in part "
        "where it is above that of 95 % of the published groups moved along the taps, around the end",
        text,
        verdict,
    )


def _smaller(maps: Mapping[str, tuple[GromovMap, GromovMap]]) -> Judgement:
    means = {name: [_mean(part.squared.to_numpy()) for part in maps[name]] for name in ("E", "L")}
    text = (
        f"mean objective {means['E'][0]:.3f} in E, {means['L'][0]:.3f} in L, {means['L'][1]:.3f} in the untrained twin"
    )
    return Judgement(
        "E: smaller distances than L",
        "by eye",
        "the mean objective over all pairs of taps is smaller",
        text,
        "holds" if means["E"][0] < means["L"][0] else "does not hold",
    )


def _flat(trained: GromovMap, untrained: GromovMap) -> Judgement:
    shares = [
        _mean(found.squared.to_numpy()[64:, 64:]) / _mean(found.squared.to_numpy()) for found in (trained, untrained)
    ]
    text = f"mean objective behind tap 64 over that of the map: {shares[0]:.2f}; {shares[1]:.2f} in the untrained twin"
    return Judgement(
        "E: flat after tap 64",
        "by eye",
        "the mean objective between the taps behind 64 is below half of that of the map",
        text,
        "holds" if shares[0] < FLAT else "does not hold",
    )


def _steps(trained: GromovMap, untrained: GromovMap) -> Judgement:
    from nngraph.similarity import boundaries

    table = boundaries(trained.root, untrained.root, squared=False)
    peaks, twin = (set(part.index[part["peak"]]) for part in (table, boundaries(untrained.root, squared=False)))
    claimed = {"0.attn_pre0", "0.attn0"}
    own = sorted(claimed & set(table.index[table["boundary"]]))
    found = len(claimed & peaks)
    own_peaks, twin_peaks = (", ".join(tap for tap in table.index if tap in some) or "none" for some in (peaks, twin))
    larger = ", ".join(own) or "neither"
    text = f"peaks at {own_peaks}; in the untrained twin at {twin_peaks}; of the two, larger than the twin's: {larger}"
    verdict = ("does not hold", "holds in part", "holds" if own else "holds in part")[found]
    return Judgement(
        "0: steps at taps 13-16 (attn_pre) and 17-20 (attn)",
        "by eye",
        "the distance to the tap before peaks at both, and at one by more than in the untrained twin; in part where it "
        "peaks at one, or at both as much in the untrained twin",
        text,
        verdict,
        "" if own or found < 2 else "as much in the untrained twin",
    )


def _mean(values: np.ndarray) -> float:
    return float(values[np.triu_indices(len(values), 1)].mean())
