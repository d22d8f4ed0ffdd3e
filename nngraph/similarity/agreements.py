"""How far maps of the same taps agree: of several seeds, of several measures."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.similarity._maps import taps_and_distances

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["agreement"]


def agreement(*maps: pd.DataFrame | Mapping[str, pd.DataFrame], draws: int = 999, rng: RNG = 0) -> pd.DataFrame:
    r"""Return the rank correlation of every two maps, with the Mantel test of it.

    .. math:: \rho = \operatorname{corr}_{i<j}(\operatorname{rank} D^{(1)}_{ij}, \operatorname{rank} D^{(2)}_{ij})

    Parameters
    ----------
    *maps : DataFrames (L, L), or one mapping from names to them
        Maps of the same taps in the same order; without names they are "0", "1", ...
    draws : int
        Permutations of the taps of the second map; p is at least 1 / (draws + 1). With 0 there is no p.
    rng : None, int, SeedSequence or Generator
        Of the permutations.

    Returns
    -------
    pandas.DataFrame
        A row for every two maps: ``first``, ``second``, ``taps``, ``rho``, ``p`` (one-sided), ``draws``. rho is NaN
        where all distances of a map are the same.

    Raises
    ------
    ArgumentError
        If there are fewer than two maps, a map is no symmetric table of distances, or the taps differ.

    Notes
    -----
    Ranks do not depend on whether a map holds squares. The null hypothesis is that the taps of one map are named at
    random. Any two maps whose distances grow with separation in depth reject it, so that the size of rho says more than
    p: compare it with that of an untrained twin. Taps tied in distance share their mean rank.

    References
    ----------
    .. [1] N. Mantel, "The detection of disease clustering and a generalized regression approach", Cancer Research 27
       (1967).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> D = pd.DataFrame(abs(np.subtract.outer(np.arange(6.0), np.arange(6.0))))
    >>> agreement({"seed 0": D, "seed 1": D**3}).round(3)
        first  second  taps  rho      p  draws
    0  seed 0  seed 1     6  1.0  0.004    999
    """
    import pandas as pd
    from scipy.stats import rankdata

    named = maps[0] if len(maps) == 1 and isinstance(maps[0], Mapping) else dict(enumerate(maps))
    if len(named) < 2:
        raise ArgumentError(f"agreement: got {len(named)} map; expected two or more, or a mapping of two or more.")
    draws = _arguments.whole("agreement: draws", draws, 0)
    _arguments.texts("agreement", named)
    seed = seed_sequence(rng)
    ranks: dict[str, np.ndarray] = {}
    taps: list[str] = []
    for name, D in named.items():
        found, distances = taps_and_distances(f"agreement: map {name!r}", D, squared=False)
        if taps and found != taps:
            raise ArgumentError(f"agreement: map {name!r}: its taps are not those of the first map, in their order.")
        if len(found) < 3:
            raise ArgumentError(f"agreement: map {name!r}: got {len(found)} taps; expected at least 3.")
        taps, upper = found, np.triu_indices(len(found), 1)
        of_pairs = rankdata(distances[upper])
        of_pairs -= of_pairs.mean()
        full = np.zeros_like(distances)
        full[upper] = of_pairs / max(float(np.linalg.norm(of_pairs)), 1e-300)
        ranks[str(name)] = full + full.T
    rows = []
    for first, second in combinations(ranks, 2):
        a, b = ranks[first], ranks[second]
        rho, p = float((a * b).sum() / 2), np.nan
        if not (a.any() and b.any()):
            rho = np.nan
        elif draws:
            draw = generator(child(seed, "agreement", first, second))
            orders = (draw.permutation(len(taps)) for _ in range(draws))
            reached = sum(float((a * b[np.ix_(order, order)]).sum() / 2) >= rho - 1e-12 for order in orders)
            p = (1 + reached) / (1 + draws)
        rows.append((first, second, len(taps), rho, p, draws))
    return pd.DataFrame(rows, columns=["first", "second", "taps", "rho", "p", "draws"])
