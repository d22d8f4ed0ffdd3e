"""The types of taps, and what a place between two types is like where taps of one type change places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError

OF_HEADS = ("k", "q", "v", "attn_pre", "attn", "z")
KNOWN = (
    *("resid_pre", "attn_out", "resid_mid", "pre", "post", "mlp_out", "resid_post"),  # of a transformer
    *("conv", "norm", "relu", "pool", "linear"),  # of a residual network
)
"""Types of the taps that are no heads."""

Kind = tuple[int, str]
"""The block of a tap, and its type."""


def kinds(taps: list[str], types: Mapping[str, str] | None) -> list[Kind | None]:
    """Return the block and the type of each tap, None where it has none; by default read from names as "2.q3"."""
    if types is None:
        known = rf"(\d+)\.(?:({'|'.join(OF_HEADS)})\d+|({'|'.join(KNOWN)}))"
        read = [re.fullmatch(known, tap) for tap in taps]
        return [(int(found[1]), found[2] or found[3]) if found else None for found in read]
    if not isinstance(types, Mapping):
        raise ArgumentError(f"boundaries: types: got a {type(types).__name__}; expected a mapping from taps to types.")
    given = dict(zip(_arguments.texts("boundaries: types", types), types.values(), strict=True))
    if unknown := [tap for tap in given if tap not in taps]:
        raise ArgumentError(f"boundaries: types: got one of {unknown[0]!r}, which is no tap of the map.")
    blocks = [re.search(r"(?:^|\.)(\d+)\.", tap) for tap in taps]
    return [
        (int(block[1]) if block else 0, str(given[tap])) if tap in given else None
        for tap, block in zip(taps, blocks, strict=True)
    ]


def permutation_p(D: np.ndarray, found: list[Kind | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return of each place p, NaN where a type has one member, and the smallest p that its pairs allow.

    Every permutation of the heads of a type within their block, and of blocks at the same separation, brings one pair
    of taps of the two types to the place, each pair equally often: the share of permutations is one of pairs.
    """
    p, least = np.full(len(D) - 1, np.nan), np.full(len(D) - 1, np.nan)
    blocks = np.array([kind[0] if kind else -1 for kind in found])
    names = np.array([kind[1] if kind else "" for kind in found])
    typed = np.array([kind is not None for kind in found])
    apart = blocks[None, :] - blocks[:, None]
    for place, (one, two) in enumerate(pairwise(found)):
        if one is None or two is None:
            continue
        first, second = typed & (names == one[1]), typed & (names == two[1])
        pairs = np.outer(first, second) & (apart == two[0] - one[0])
        if one == two:
            pairs = np.triu(pairs, 1)  # a pair and its reverse are one
        if min(first.sum(), second.sum()) > 1 and pairs.sum() > 1:
            p[place] = (D[pairs] >= D[place, place + 1]).mean()  # the place itself is one of the pairs
            least[place] = 1 / pairs.sum()
    return p, least
