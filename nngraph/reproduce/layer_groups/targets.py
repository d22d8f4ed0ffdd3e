"""Tables 1 and 4 of the paper: which taps are near a known target, and what probes read there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph._rng import RNG
from nngraph.reproduce.layer_groups import modular
from nngraph.reproduce.layer_groups.judgements import Judgement, degree

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.similarity import Representations

__all__ = [
    "PUBLISHED_DISTANCES",
    "errors_at_wraps",
    "nearest",
    "representations_of",
    "table1",
    "table1_claims",
    "table4",
    "table4_claims",
    "values_of",
    "verdicts",
]

Tokens = Literal["flatten", "last"]
PERIODS = {"c1": modular.MODULI[0], "c2": modular.MODULI[1], "c": modular.MODULI[2]}
PUBLISHED_DISTANCES = {"c1": ("0.resid_post", 0.02), "c2": ("1.resid_post", 0.03), "c": ("2.resid_post", 0.04)}
"""Table 1: the nearest tap to each target of Model L and its distance; c has many taps at that distance, of which the
last residual stream is one."""
STREAMS = tuple(f"{block}.resid_post" for block in range(3))


def representations_of(
    name: str, *, trained: bool = True, tokens: Tokens = "flatten", n: int | None = None, rng: RNG = 0
) -> Representations:
    """Return all taps of a stored network, or of its untrained twin, on the same pairs.

    Parameters
    ----------
    name : "0", "E" or "L"
        See :func:`nngraph.reproduce.layer_groups.modular.load`.
    trained : bool
        False: the untrained twin.
    tokens : "flatten" or "last"
        Both positions side by side, or the one that is read. The paper does not say which.
    n : int, optional
        Pairs, drawn at random; by default all 3481.
    rng : None, int, SeedSequence or Generator
        Of that draw.

    Returns
    -------
    Representations
        Its ``ids`` are rows of :func:`nngraph.reproduce.layer_groups.modular.pairs`.

    Examples
    --------
    >>> representations_of("0", n=4)["0.resid_post"].shape
    (4, 256)
    """
    from nngraph.similarity import representations

    return representations(modular.load(name, trained=trained), modular.pairs(), n=n, rng=rng, tokens=tokens)


def errors_at_wraps(name: str = "E") -> dict[str, float]:
    """Return how many held-out errors there are, and how many at pairs one step from where a sum wraps.

    The answer is (a + 3b - 59 u - 31 v) mod 17, with u and v the wraps of the first two sums: linear but for steps at
    a + b = 59 and at multiples of 31 of c1 + b, next to which it takes an exact threshold to be right.

    Parameters
    ----------
    name : "E" or "L"
        The network.

    Returns
    -------
    dict of str to float
        "errors", "at_wraps" (of the errors), and "share", that of all held-out pairs that are at wraps.

    Examples
    --------
    >>> found = errors_at_wraps("E")
    >>> found["at_wraps"] / found["errors"] > found["share"]
    True
    """
    import torch

    rows = modular.split()[1]
    tokens = modular.pairs()[rows]
    known = modular.targets(name)
    first, second = tokens.sum(axis=1), (known["c1"] + known["b"])[rows]
    at = (abs(first - modular.MODULI[0] + 0.5) < 1) | ((second >= 30) & np.isin(second % modular.MODULI[1], (0, 30)))
    with torch.no_grad():
        answers = modular.load(name)(torch.from_numpy(tokens))[:, -1].argmax(dim=1).numpy()
    wrong = answers != known["c"][rows]
    return {"errors": int(wrong.sum()), "at_wraps": int((wrong & at).sum()), "share": float(at.mean())}


def table1(
    name: str = "L",
    *,
    n: int = 300,
    tokens: Sequence[Tokens] = ("flatten", "last"),
    taps: Sequence[str] | None = None,
    rng: RNG = 0,
    **options: Any,
) -> pd.DataFrame:
    """Return Gromov-Wasserstein distances of every tap to c1, c2 and c in every encoding, beside two controls.

    Parameters
    ----------
    name : "0", "E" or "L"
        The paper has Model L.
    n : int
        Pairs. The paper has 1000; values fall with n, so compare taps at one n.
    tokens : sequence of "flatten", "last"
        See :func:`representations_of`.
    taps : sequence of str, optional
        By default all.
    rng : None, int, SeedSequence or Generator
        Of the pairs and of the Gaussian cloud.
    **options
        For :func:`nngraph.similarity.target_distances`, such as ``normalize``.

    Returns
    -------
    pandas.DataFrame
        That of :func:`nngraph.similarity.target_distances` behind a column ``tokens``.

    Notes
    -----
    For Model L 93 taps, 3 targets in 3 encodings, 2 normalisations, 2 rules for positions, and as many for the
    untrained twin: 6,696 pairs of clouds.
    """
    import pandas as pd

    from nngraph.similarity import target_distances

    parts = []
    for rule in tokens:
        own, twin = (representations_of(name, trained=trained, tokens=rule, n=n, rng=rng) for trained in (True, False))
        known = modular.targets(name)
        chosen = {target: known[target][own.ids] for target in PERIODS if target in known}
        periods = PERIODS if name != "0" else {"c": modular.MODULI[0]}
        found = target_distances(
            own if taps is None else own.subset(list(taps)),
            chosen,
            periods={target: periods[target] for target in chosen},
            untrained=twin if taps is None else twin.subset(list(taps)),
            rng=rng,
            **options,
        )
        found.insert(0, "tokens", rule)
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def nearest(table: pd.DataFrame) -> pd.DataFrame:
    """Return for every target in every encoding the nearest tap, and how the published one fares.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`table1`.

    Returns
    -------
    pandas.DataFrame
        A row for each target, rule for positions, encoding and normalisation: ``nearest`` and ``squared`` (its
        distance), ``published`` (the tap of Table 1), ``value``, ``rank`` and ``of`` (taps) of that tap, and the
        controls: ``untrained`` (the same tap of the twin), ``untrained_nearest`` (the smallest of the twin's taps) and
        ``gaussian``.
    """
    import pandas as pd

    rows = []
    keys = ["target", "tokens", "encoding", "normalize"]
    for key, part in table.groupby(keys, sort=False):
        own, twin = (part[part["source"] == source].set_index("tap")["squared"] for source in ("model", "untrained"))
        published = PUBLISHED_DISTANCES[key[0]][0]
        gaussian = part.loc[part["source"] == "gaussian", "squared"].min()
        rank = int((own < own[published]).sum()) + 1
        rows.append(
            (
                *key,
                own.idxmin(),
                own.min(),
                published,
                own[published],
                rank,
                len(own),
                twin[published],
                twin.min(),
                gaussian,
            )
        )
    names = ["nearest", "squared", "published", "value", "rank", "of", "untrained", "untrained_nearest", "gaussian"]
    return pd.DataFrame(rows, columns=[*keys, *names])


def table4(
    name: str,
    *,
    trained: bool = True,
    tokens: Tokens = "last",
    deep: Sequence[str] = STREAMS,
    taps: Sequence[str] | None = None,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Return what probes read of c1, c2 and c at every tap, scored on the pairs held out from the network.

    Parameters
    ----------
    name : "E" or "L"
        The network.
    trained : bool
        False: its untrained twin.
    tokens : "last" or "flatten"
        See :func:`representations_of`.
    deep : sequence of str
        Taps that get the logistic and the non-linear probe too; the others get the linear one.
    taps : sequence of str, optional
        Those of the linear probe; by default all.
    rng : None, int, SeedSequence or Generator
        Of the non-linear probes' first weights.

    Returns
    -------
    pandas.DataFrame
        That of :func:`nngraph.similarity.probes`.

    Notes
    -----
    A linear probe takes about 0.1 s of one core, a non-linear one 10 to 60 s.
    """
    import pandas as pd

    from nngraph.similarity import probes

    reps = representations_of(name, trained=trained, tokens=tokens)
    known = {target: values for target, values in modular.targets(name).items() if target != "b"}
    test = modular.split()[1]
    linear = probes(reps if taps is None else reps.subset(list(taps)), known, kinds=["linear"], test=test, rng=rng)
    others = probes(reps.subset(list(deep)), known, kinds=["logistic", "mlp"], test=test, rng=rng) if deep else None
    return linear if others is None else pd.concat([linear, others], ignore_index=True)


def verdicts(near: pd.DataFrame) -> pd.DataFrame:
    """Return for every target whether the published tap is the nearest, at the precision that is published.

    Parameters
    ----------
    near : pandas.DataFrame
        Of :func:`nearest`.

    Returns
    -------
    pandas.DataFrame
        By target: ``published`` (tap) and ``published_value``, ``cells`` (encodings by normalisations by rules for
        positions), ``first`` (in how many of them no tap is nearer, to the two digits that are published),
        ``below_twin`` (in how many it is nearer than every tap of the untrained twin), ``below_gaussian``,
        ``smallest`` and ``largest`` value, and ``verdict``:
        "holds" where that is so in every cell, "does not hold" where in none, else "holds in part".
    """
    import pandas as pd

    rows = []
    for target, part in near.groupby("target", sort=False):
        first = int((part["value"].round(2) <= part["squared"].round(2)).sum())
        verdict = "holds" if first == len(part) else "holds in part" if first else "does not hold"
        tap, value = PUBLISHED_DISTANCES[str(target)]
        below = [int(np.sum(part["value"] < part[control])) for control in ("untrained_nearest", "gaussian")]
        rows.append((target, tap, value, len(part), first, *below, part["value"].min(), part["value"].max(), verdict))
    names = ["cells", "first", "below_twin", "below_gaussian", "smallest", "largest", "verdict"]
    return pd.DataFrame(rows, columns=["target", "published", "published_value", *names])


def table1_claims(near: pd.DataFrame) -> list[Judgement]:
    """Judge Table 1, target by target.

    Parameters
    ----------
    near : pandas.DataFrame
        Of :func:`nearest`.
    """
    return [
        Judgement(
            f"no tap is nearer to {row.target} than {row.published} ({row.published_value:.2f})",
            f"{row.published_value:.2f} at {row.published}",
            "in every encoding, normalisation and rule for positions no tap is nearer, to the two digits that are "
            "published; in part where that is so in some of them",
            f"none nearer, to two digits, in {row.first} of {row.cells} cells; its distance is {row.smallest:.4f} to "
            f"{row.largest:.4f}; below every tap of the untrained twin in {row.below_twin}, below the Gaussian cloud "
            f"in {row.below_gaussian}",
            str(row.verdict),
        )
        for row in verdicts(near).itertuples()
    ]


def values_of(table: pd.DataFrame, target: str, probe: str, metric: str) -> pd.Series:
    """Return one column of :func:`table4`, by tap."""
    chosen = table[(table["target"] == target) & (table["probe"] == probe) & (table["metric"] == metric)]
    return chosen.set_index("tap")["value"]


def table4_claims(layered: pd.DataFrame, whole: pd.DataFrame) -> list[Judgement]:
    """Judge Table 4.

    Parameters
    ----------
    layered, whole : pandas.DataFrame
        Of :func:`table4`, for Model L and Model E.
    """
    judged = []
    for target, tap in zip(("c1", "c2", "c"), STREAMS, strict=True):
        values = values_of(layered, target, "linear", "accuracy")
        others = int((values == 1.0).sum()) - int(values[tap] == 1.0)
        judged.append(
            Judgement(
                f"L: a linear probe reads {target} without error at {tap}",
                "no error there, and at 21 other taps",
                "least squares on one-hot targets tells every held-out pair",
                f"accuracy {values[tap]:.4f}; without error at {others} other taps",
                "holds" if values[tap] == 1.0 else "does not hold",
            )
        )
    linear = {target: values_of(whole, target, "linear", "accuracy") for target in ("c1", "c2")}
    deep = {target: values_of(whole, target, "mlp", "accuracy") for target in ("c1", "c2")}
    failed = sum(float(values.max()) < 1 for values in linear.values())
    read = sum(float(values.max()) == 1 for values in deep.values())
    judged.append(
        Judgement(
            "E: no linear probe reads c1 or c2 (errors .52, .93)",
            "errors .52 and .93",
            "at no tap every held-out pair is told; in part where that is so of one of the two",
            ", ".join(
                f"{t}: accuracy {values.max():.3f} at best, at {values.idxmax()}" for t, values in linear.items()
            ),
            degree(failed, 2),
        )
    )
    judged.append(
        Judgement(
            "E: a non-linear probe reads both exactly",
            "no error",
            "at some residual stream every held-out pair is told; in part where that is so of one of the two",
            ", ".join(f"{t}: {values.max():.3f} at best, at {values.idxmax()}" for t, values in deep.items()),
            degree(read, 2),
        )
    )
    return judged
