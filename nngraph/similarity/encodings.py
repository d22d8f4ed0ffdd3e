"""Distances from every tap to known targets, whose encoding decides which tap is the nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph import _arguments
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import Normalize, clouds, distances
from nngraph.similarity._representations import aligned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["encode", "target_distances"]

Encoding = Literal["scalar", "one-hot", "circle"]
ENCODINGS: tuple[Encoding, ...] = ("scalar", "one-hot", "circle")
COLUMNS = ["source", "tap", "target", "encoding", "normalize", "squared", "root", "lower"]


def encode(values: object, encoding: Encoding, *, period: int | None = None) -> np.ndarray:
    r"""Return integers as points: on a line, on the corners of a simplex, or on a circle.

    .. math:: c \mapsto c, \qquad c \mapsto e_c, \qquad c \mapsto (\cos 2 \pi c / p, \sin 2 \pi c / p)

    Parameters
    ----------
    values : sequence of int (n,)
        The target.
    encoding : "scalar", "one-hot" or "circle"
        Where the points lie.
    period : int, optional
        The p of the circle: 59 for sums modulo 59.

    Returns
    -------
    numpy.ndarray, (n, 1), (n, classes) or (n, 2)

    Raises
    ------
    ArgumentError
        If the values are no integers, or the circle has no period.

    Examples
    --------
    >>> encode([0, 1, 3], "circle", period=4).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-0.0, -1.0]]
    """
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        raise ArgumentError(
            f"target: got an array of {array.dtype} of shape {array.shape}; expected (n,) integers to encode."
        )
    _arguments.choice("encoding", encoding, ENCODINGS)
    if encoding == "scalar":
        return array[:, None].astype(np.float64)
    if encoding == "one-hot":
        classes, places = np.unique(array, return_inverse=True)
        return np.eye(len(classes))[places]
    angle = 2 * np.pi * array / _arguments.whole("encoding 'circle': period", period, 2)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def target_distances(
    reps: Mapping[str, object],
    targets: Mapping[str, object],
    *,
    periods: Mapping[str, int] | None = None,
    encodings: Encoding | Sequence[Encoding] = ENCODINGS,
    normalize: Normalize | Sequence[Normalize] = ("mean", "max"),
    untrained: Mapping[str, object] | None = None,
    gaussian: int | None = 128,
    n_jobs: int = 1,
    rng: RNG = 0,
    **options: Any,
) -> pd.DataFrame:
    """Return the Gromov-Wasserstein distance of every tap to every target, in every encoding, beside two controls.

    Parameters
    ----------
    reps : mapping from names to arrays (n, d)
        Representations of n samples.
    targets : mapping from names to sequences of int (n,)
        Targets of the same samples.
    periods : mapping from names of targets to int, optional
        The moduli, for the encoding "circle", which is left out of a target without one.
    encodings : "scalar", "one-hot", "circle", or several
        See :func:`encode`. The paper does not say which it took, and the nearest tap depends on it.
    normalize : "mean", "max", "none", or several
        What distances are divided by, at the taps and at the targets.
    untrained : mapping from names to arrays (n, d), optional
        The same taps of the untrained twin on the same samples: what no training brings a tap to.
    gaussian : int, optional
        Dimensions of a Gaussian cloud that has nothing to do with the samples; None for no such control.
    n_jobs : int
        Processes of joblib; results are the same for any number.
    rng : None, int, SeedSequence or Generator
        Of the Gaussian cloud, and of random starts.
    **options
        For :func:`gromov_wasserstein`, such as ``starts``.

    Returns
    -------
    pandas.DataFrame
        ``source`` ("model", "untrained", "gaussian"), ``tap`` ("" for the cloud), ``target``, ``encoding``,
        ``normalize``, ``squared`` (the objective, as published), ``root`` (the metric) and ``lower`` (a bound of the
        objective from below).

    Raises
    ------
    ArgumentError
        If a representation is none, a target is not made of n integers or takes one value, a tap is constant, or the
        twin was given other samples.

    Notes
    -----
    A small distance says that samples lie in a tap as they do in the target, whichever sample goes where: it is no
    statement about samples one by one, as :func:`probes` make. Values found by a local search are bounds from above.
    For other measures compare the taps with the points of :func:`encode`.

    References
    ----------
    .. [1] T. Gao et al., "Identifying Sub-networks in Neural Networks via Functionally Similar Representations",
       arXiv:2410.16484, Table 1.

    Examples
    --------
    >>> import numpy as np
    >>> c = np.arange(24) % 6
    >>> angle = 2 * np.pi * c / 6
    >>> taps = {"ring": np.column_stack([np.cos(angle), np.sin(angle)]), "line": c[:, None]}
    >>> table = target_distances(taps, {"c": c}, periods={"c": 6}, normalize=["mean"])
    >>> table.loc[table.groupby("encoding")["squared"].idxmin(), ["encoding", "tap"]].to_numpy().tolist()
    [['circle', 'ring'], ['one-hot', 'ring'], ['scalar', 'line']]
    """
    import pandas as pd
    from joblib import Parallel, delayed

    n_jobs, seed = _arguments.processes(n_jobs), seed_sequence(rng)
    _check_options(options)
    normalize = (normalize,) if isinstance(normalize, str) else normalize
    encodings = (encodings,) if isinstance(encodings, str) else encodings
    taps = clouds(reps)
    n = len(next(iter(taps.values())))
    sources = {("model", tap): x for tap, x in taps.items()}
    if untrained is not None:
        sources |= {("untrained", tap): x for tap, x in aligned(reps, untrained)[1].items()}
    if gaussian is not None:
        gaussian = _arguments.whole("gaussian", gaussian, also=", or None")
        draw = generator(child(seed, "gaussian"))
        sources[("gaussian", "")] = draw.standard_normal((n, gaussian))
    points = _points(targets, n, {} if periods is None else periods, encodings)
    near = {
        (target, encoding, how): distances(f"target {target}", x, normalize=how)
        for (target, encoding), x in points.items()
        for how in normalize
    }
    found = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_to_targets)(tap, x, near, child(seed, source, tap), options) for (source, tap), x in sources.items()
    )
    rows = []
    for key, values in zip(sources, progress(found, total=len(sources), label="targets"), strict=True):
        rows += [(*key, *asked, *result) for asked, result in zip(near, values, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise for what the solver does not take."""
    import inspect

    from nngraph.similarity.gromov import gromov_wasserstein

    known = [name for name in inspect.signature(gromov_wasserstein).parameters if name not in ("D1", "D2", "rng")]
    if unknown := [name for name in options if name not in known]:
        raise ArgumentError(f"target_distances: got the option {unknown[0]!r}; its options are: {', '.join(known)}.")


def _to_targets(
    tap: str,
    x: np.ndarray,
    near: dict[tuple[str, str, Normalize], np.ndarray],
    seed: np.random.SeedSequence,
    options: dict[str, Any],
) -> list[tuple[float, float, float]]:
    """Return (squared, root, lower) from one tap to every target."""
    from nngraph.similarity.gromov import gromov_wasserstein

    own = {how: distances(tap, x, normalize=how) for how in dict.fromkeys(how for _, _, how in near)}
    found = [gromov_wasserstein(own[key[2]], D, rng=child(seed, *key), **options) for key, D in near.items()]
    return [(one.value, one.root, one.lower) for one in found]


def _points(
    targets: Mapping[str, object], n: int, periods: Mapping[str, int], encodings: Sequence[Encoding]
) -> dict[tuple[str, str], np.ndarray]:
    """Return the points of every target in every encoding that it has."""
    for what, given in (("targets", targets), ("periods", periods)):
        if not isinstance(given, Mapping):
            raise ArgumentError(f"{what}: got {given!r:.60}; expected a mapping by the names of targets.")
    _arguments.texts("targets", targets)
    points: dict[tuple[str, str], np.ndarray] = {}
    if unknown := [name for name in periods if name not in targets]:
        raise ArgumentError(f"periods: got one of {unknown[0]!r}, which is no target; the targets are {list(targets)}.")
    for name, values in targets.items():
        for encoding in encodings:
            if encoding == "circle" and name not in periods:
                continue
            x = encode(values, encoding, period=periods.get(name))
            if len(x) != n:
                raise ArgumentError(f"target {name!r}: got {len(x)} values for {n} samples; expected one for each.")
            points[str(name), encoding] = x
    if not points:
        raise ArgumentError(
            "target_distances: got no target in any encoding; the circle needs periods={name: modulus}."
        )
    return points
