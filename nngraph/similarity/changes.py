"""The series of distances from each tap to the one before, its peaks, and which of them training made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.similarity._maps import squaredness, taps_and_distances
from nngraph.similarity._tap_types import Kind, kinds, permutation_p

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["boundaries"]

TO_SD = 1.4826
"""From a median absolute deviation to the standard deviation of a normal law."""
LEAST = 1e-6
"""Least such deviation, of logarithms, that is one of networks: what is smaller is rounding."""


def boundaries(
    D: pd.DataFrame,
    null: pd.DataFrame | Sequence[pd.DataFrame] | None = None,
    *,
    c: float = 3.0,
    level: float = 0.05,
    types: Mapping[str, str] | None = None,
    squared: bool | None = None,
) -> pd.DataFrame:
    r"""Find the taps at which the representation changes, and ask whether training made the change.

    .. math:: b_l = D_{l-1,l}, \qquad
              \text{peak: } b_l > \operatorname{median}(b) + c \cdot 1.4826 \operatorname{MAD}(b)

    Two taps of different types differ in an untrained network too, and by far the largest peaks are of that kind. So a
    peak is a boundary only where it stands out against a null: the untrained twins, or, without them, permutations of
    taps within their types.

    Parameters
    ----------
    D : pandas.DataFrame, (L, L)
        Distances between taps in the order of the network, as of :func:`matrix`.
    null : DataFrame or sequence of DataFrames, optional
        Maps of the untrained twin, of the same taps, measure and samples: one, or better several seeds of it.
    c : float
        How far above the median a peak is.
    level : float
        Largest p, adjusted over all places, of a boundary.
    types : mapping from taps to types, optional
        Which taps are of one type, such as the heads of a layer, for models whose names do not say it; those of
        :func:`nngraph.transformer` and :func:`nngraph.resnet9` do. A tap's block is the first number between dots
        of its name, else 0. Taps that are left out have no type.
    squared : bool, optional
        Whether the maps hold squared distances, whose roots are then taken; by default the maps are asked, as in
        :func:`groups`, and have to say the same.

    Returns
    -------
    pandas.DataFrame
        A row for each tap but the first, with ``previous`` (the tap before), ``distance``, ``peak``; ``null_mean``,
        ``null_sd``, ``ratio`` (distance over null_mean), ``z``, ``p``, ``p_adjusted`` against the twins;
        ``type_mean``, ``type_z``, ``type_p``, ``type_p_adjusted`` against the same change of type in other blocks;
        ``permutation_p``, ``permutation_p_adjusted`` against permutations of taps within their types, and
        ``permutation_least``, the smallest p that these allow; ``boundary``; and ``reason`` in words. NaN where there
        is nothing to compare with. The attributes of the table have the threshold.

    Raises
    ------
    ArgumentError
        If a map is no symmetric table of distances, the taps of a twin differ, one twin is given twice, or one map is
        of squares and another is not.

    Notes
    -----
    All tests are of y = log(b + e), with e a hundredth of the median of b, one-sided, and adjusted over places by
    Benjamini and Hochberg. With m > 1 twins, z = (y - mean) / (s sqrt(1 + 1/m)) is the error of predicting y by the
    twins, with s the larger of their standard deviation at that place and of that of all places pooled, and p is from
    Student's law of (m - 1)(L - 1) degrees of freedom. With one twin, z compares the change of y at a place with the
    changes at all places (median and 1.4826 MAD of them), and p takes them as normal: it finds places that training
    changed more than the rest. Likewise type_z: of the difference between y and its mean over the same change of type
    in the other blocks, against these differences at all places. Types are read from names such as "2.q3": block 2,
    type q. Where there is one block, or a change of type occurs in one block alone, there is no such test; nor where
    half of the differences or more are one and the same, as with a twin that shares frozen blocks: nothing says then
    how far the others vary by chance.

    The permutations are those of the heads of each type within their block, and of the blocks. If training made
    nothing special at a place between the types s and t, its distance is as any other between a tap of s and one of t
    that are as many blocks apart, and p = (1 + number of these at least as large) / (1 + their number): exact, as all
    are counted. Its smallest value, 1 over the number of pairs, is 1/16 for 4 heads of both types in one block and
    1/64 in four: little can be found with few heads. Where a type has one member p is NaN, and taps without a type,
    such as those of numbered chains, have none. Places whose smallest p exceeds the level do not count in the
    adjustment.

    Measured on 300 maps of 9 to 31 taps without any effect, for each number of twins: a boundary was found in 0 to 5 %
    of them with 2, 3 or 5 twins; with one twin in 1 to 3 % where all places vary alike between seeds, but in 11 to 29 %
    where some vary several times as much as others. One twin cannot tell these apart: take two or more. Nor can the
    test against other blocks, which therefore decides nothing: it would have found a boundary in 3 to 5 % of 300 maps
    of 2, 3 and 6 blocks where all changes of type vary alike, in 46 to 79 % where some vary several times as much.
    Permutations assume no spread: of 300 maps each of exchangeable heads, none had a boundary by them in one block of
    4, 12 or 30 heads a type, and p was at most .05 at 4.5 to 4.9 % of the places with 12 or 30 heads.

    A change that training makes in every block is a boundary against the twins and none against types; where both can
    be asked the twins decide, and the reason has both. Distances have to be comparable between networks: those of
    measures that depend on the scale of activations are not.

    References
    ----------
    .. [1] T. Gao et al., "Identifying Sub-networks in Neural Networks via Functionally Similar Representations",
       arXiv:2410.16484.
    .. [2] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B
       57 (1995).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> taps = list("abcdefgh")
    >>> def twin(*steps):
    ...     place = np.cumsum([0, *steps])
    ...     return pd.DataFrame(abs(place - place[:, None]), taps, taps)
    >>> found = boundaries(twin(1, 1, 9, 1.1, 0.9, 9, 1), twin(1.1, 1, 1, 1, 1, 9, 0.9))
    >>> found.loc[found["peak"], ["boundary", "reason"]]
         boundary                                      reason
    tap
    d        True            peak; 9 times the untrained twin
    g       False  peak; no larger than in the untrained twin
    """
    import pandas as pd

    taps, distances = taps_and_distances("boundaries", D, squared=squared)
    if len(taps) < 3:
        raise ArgumentError(
            f"boundaries: got {len(taps)} taps; expected at least 3: peaks stand out from other changes."
        )
    c = _arguments.number("boundaries: c", c, "a number of at least 0", lambda x: 0 <= x < np.inf)
    level = _arguments.share("boundaries: level", level)
    found = kinds(taps, types)
    steps = np.diag(distances, 1)
    middle = float(np.median(steps))
    spread = TO_SD * float(np.median(np.abs(steps - middle)))
    table = pd.DataFrame({"previous": taps[:-1], "distance": steps}, index=pd.Index(taps[1:], name="tap"))
    table["peak"] = steps > middle + c * spread
    floor = middle / 100 if middle > 0 else max(float(steps.max()), 1.0) / 100
    twins = _twins(null, taps, squared=squared, known=squaredness("boundaries", D, told=squared))
    of_twins = _against_twins(steps, twins, floor)
    for name, column in {**of_twins, **_against_types(steps, found, floor)}.items():
        table[name] = column
    table["permutation_p"], table["permutation_least"] = permutation_p(distances, found)
    for name in ("p", "type_p", "permutation_p"):
        p = table[name].to_numpy()
        p = np.where(table["permutation_least"] <= level, p, np.nan) if name == "permutation_p" else p
        table.insert(table.columns.get_loc(name) + 1, f"{name}_adjusted", _adjusted(p))
    deciding = table["p_adjusted" if len(twins) else "permutation_p_adjusted"]
    table["boundary"] = table["peak"] & (deciding <= level)
    table["reason"] = [_reason(row, level, twins=len(twins)) for row in table.itertuples()]
    table.attrs = {"median": middle, "spread": spread, "threshold": middle + c * spread, "c": c, "level": level}
    table.attrs["twins"] = len(twins)
    return table


_SAID = {True: "says that it is squared", False: "says that it is not squared", None: "does not say if it is squared"}


def _twins(
    null: pd.DataFrame | Sequence[pd.DataFrame] | None, taps: list[str], *, squared: bool | None, known: bool | None
) -> np.ndarray:
    """Return the series of the twins (m, L - 1); ``known`` is what the map says of squares, as they have to."""
    given = [] if null is None else list(null) if isinstance(null, (list, tuple)) else [null]
    series: list[np.ndarray] = []
    for number, one in enumerate(given):
        where = f"boundaries: null {number}"
        names, distances = taps_and_distances(where, one, squared=squared)
        said = squaredness(where, one, told=squared)
        if said is not known:
            raise ArgumentError(
                f"{where}: {_SAID[said]}, and the map {_SAID[known]}; expected the same of both. Make both in one way, "
                "or pass squared=True or squared=False for all."
            )
        if names != taps:
            odd = next((name for name in [*names, *taps] if (name in names) != (name in taps)), names[0])
            raise ArgumentError(
                f"boundaries: null {number}: got {len(names)} taps that are not the {len(taps)} of the map ({odd!r} "
                "for one); expected the same taps in the same order."
            )
        steps = np.diag(distances, 1)
        if any(np.array_equal(steps, other) for other in series):
            raise ArgumentError(
                f"boundaries: null {number}: got the same map twice; expected untrained twins with seeds of their own."
            )
        series.append(steps)
    return np.array(series).reshape(len(series), len(taps) - 1)


def _against_twins(steps: np.ndarray, twins: np.ndarray, floor: float) -> dict[str, np.ndarray]:
    from scipy.stats import norm, t

    m, empty = len(twins), np.full(len(steps), np.nan)
    if not m:
        return dict.fromkeys(("null_mean", "null_sd", "ratio", "z", "p"), empty)
    mean = twins.mean(axis=0)
    y, null_y = np.log(steps + floor), np.log(twins + floor)
    if m == 1:
        sd, z = empty, _robust_z(y - null_y[0])
        p = norm.sf(z)
    else:
        sd, variance = twins.std(axis=0, ddof=1), null_y.var(axis=0, ddof=1)
        scale = np.sqrt(np.maximum(variance, variance.mean()) * (1 + 1 / m))
        z = _ratio(y - null_y.mean(axis=0), scale)
        p = t.sf(z, (m - 1) * len(steps))
    p = np.where(steps > mean, p, np.maximum(p, 0.5))  # a change below the twin's is none that training made
    return {"null_mean": mean, "null_sd": sd, "ratio": _ratio(steps, mean), "z": z, "p": p}


def _against_types(steps: np.ndarray, found: list[Kind | None], floor: float) -> dict[str, np.ndarray]:
    from scipy.stats import norm

    pairs = [(before[1], after[1], after[0]) if before and after else None for before, after in pairwise(found)]
    y, others, means = np.log(steps + floor), np.full(len(steps), np.nan), np.full(len(steps), np.nan)
    for place, pair in enumerate(pairs):
        elsewhere = [
            i for i, other in enumerate(pairs) if pair and other and other[:2] == pair[:2] and other[2] != pair[2]
        ]
        if elsewhere:
            others[place], means[place] = y[elsewhere].mean(), steps[elsewhere].mean()
    z = _robust_z(y - others)
    return {"type_mean": means, "type_z": z, "type_p": norm.sf(z)}


def _robust_z(values: np.ndarray) -> np.ndarray:
    """Return how many deviations the values lie above their median; NaN stays and does not count.

    Where half of the values or more are one, up to rounding, the rest has no scale to be large on: all are NaN.
    """
    there = values[~np.isnan(values)]
    if not len(there):
        return values
    spread = TO_SD * float(np.median(np.abs(there - np.median(there))))
    return (values - np.median(there)) / spread if spread > LEAST else np.full(len(values), np.nan)


def _ratio(values: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Divide; 0 / 0 is 0 where nothing differs, and what differs at no scale is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((values == 0) & (np.asarray(scale) == 0), 0.0, values / scale)


def _adjusted(p: np.ndarray) -> np.ndarray:
    from scipy.stats import false_discovery_control

    adjusted = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = false_discovery_control(p[tested])
    return adjusted


def _reason(row: Any, level: float, *, twins: int) -> str:
    """Say why a place is a boundary, or why it is none."""
    noun = "the untrained twin" if twins == 1 else f"the {twins} untrained twins"
    if not row.peak:
        return f"no peak, though {row.ratio:.3g} times {noun}" if twins and row.p_adjusted <= level else "no peak"
    parts = ["peak"]
    if twins and row.p_adjusted <= level:
        parts.append(f"{row.ratio:.3g} times {noun}")
    elif twins and np.isnan(row.p) and row.ratio > 1:
        parts.append(f"not tested: the ratio to {noun} is one and the same at half of the places or more")
    elif twins:
        parts.append(
            f"no larger than in {noun}" if row.ratio <= 1 else f"{row.ratio:.3g} times {noun}, which is not significant"
        )
    if not np.isnan(row.type_p_adjusted):
        larger = row.type_p_adjusted <= level
        parts.append("larger than this change of type in other blocks" if larger else "usual for this change of type")
    if not twins:
        parts.append(_of_permutations(row, level))
    return "; ".join(parts)


def _of_permutations(row: Any, level: float) -> str:
    """Say what permutations within types say of a peak that nothing else tests."""
    if np.isnan(row.permutation_p):
        return "not tested: no untrained twin, and no permutation within types changes it"
    of = f"p={row.permutation_p:.3g} by permutations within types"
    if row.permutation_least > level:
        return (
            f"not tested: no untrained twin, and {of}, of {row.permutation_least:.3g} at least, cannot be significant"
        )
    return (
        f"larger than between others of these types, {of}"
        if row.permutation_p_adjusted <= level
        else (f"usual between these types, {of}")
    )
