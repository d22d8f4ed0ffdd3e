"""The measures of how alike two representations are: their values, and maps of all taps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import cloud, clouds
from nngraph.similarity._comparisons import Comparison, Table
from nngraph.similarity._maps import marked
from nngraph.similarity._registry import INVARIANCES, MEASURES, Measure
from nngraph.similarity._representations import Representations, aligned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INVARIANCES", "MEASURES", "Measure", "compare", "cross", "matrix"]

Undefined: TypeAlias = Literal["raise", "nan"]
_log = logging.getLogger(__name__)


def compare(x: object, y: object, measure: str = "cka", **options: Any) -> float:
    r"""Return the value of one measure for two representations, in the measure's own orientation.

    Parameters
    ----------
    x, y : array_like
        (n, d) and (n, e) representations of the same n samples in the same order. Where the measure couples samples
        by itself (``MEASURES[measure].same_n`` is False) they may be different ones.
    measure : str
        A key of ``MEASURES``.
    **options
        Options of the measure, as listed at :func:`matrix`.

    Returns
    -------
    float
        A similarity, or a distance: ``MEASURES[measure].orientation``. "pwcca" weights by ``x``.

    Raises
    ------
    ArgumentError
        If there is no such measure or option, an input is no finite (n, d) array, the two do not fit together, or the
        measure has no value for one of them.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> y = x @ np.linalg.qr(x[:4])[0]
    >>> [round(compare(x, y, name), 6) for name in ("cka", "procrustes")]
    [1.0, 0.0]
    """
    found = _measure(measure)
    comparison = _comparison(found, options)
    first, second = cloud("x", x), cloud("y", y)
    if found.same_n and len(first) != len(second):
        raise ArgumentError(_different_n(found, len(first), len(second)))
    if found.same_d and first.shape[1] != second.shape[1]:
        raise ArgumentError(_different_d(found, ("x", first.shape[1]), ("y", second.shape[1])))
    return comparison.pair(comparison.prepare("x", first), comparison.prepare("y", second))


def matrix(
    reps: Mapping[str, object],
    measure: str = "gw",
    *,
    undefined: Undefined = "raise",
    n_jobs: int = 1,
    **options: Any,
) -> pd.DataFrame:
    r"""Return the distances between all representations of one network.

    .. math:: M_{ij} = d(X_i, X_j), \quad\text{or}\quad 1 - s(X_i, X_j) \text{ where the measure is a similarity}

    Parameters
    ----------
    reps : mapping of str to (n, d) array
        Representations of the same samples by tap, as of ``representations``.
    measure : str
        A key of ``MEASURES``; see Notes.
    undefined : {"raise", "nan"}
        What to do where the measure has no value: say so in an error, or leave NaN. Why a tap has none stands in
        ``attrs["undefined"]`` then.
    n_jobs : int
        Processes (joblib). The result is the same for any number. "rsa" and "cka", matrix products, use one.
    **options
        Options of the measure, see Notes.

    Returns
    -------
    DataFrame
        (L, L) symmetric, by tap, in the order given, with zeros on the diagonal: that of a representation to itself is
        0 by the law of each measure, and not computed. ``attrs`` has measure, options, orientation, n and undefined.

    Raises
    ------
    ArgumentError
        If there is no such measure or option, a representation is no finite (n, d) array, or, unless ``undefined`` is
        "nan", the measure needs one width and got two, or has no value for one of the representations.

    Notes
    -----
    Options and their defaults:

    - "euclidean", "cosine", "rsa": none.
    - "mutual_information": ``bins=16`` between quantiles. 1 less I / sqrt(H H). Not corrected for chance: few entries
      look alike.
    - "rsm": ``normalize="none"`` (or "mean", "max") of the distances.
    - "cca": ``variance=None``, ``components=None``: principal components to keep; "svcca": ``variance=0.99``;
      "pwcca": as "cca". The mean of both directions of "pwcca" is taken. With fewer than r_X + r_Y + 1 samples some
      correlations are 1 whatever the data, with r_X + 1 all of them: the latter has no value.
    - "cka": ``kernel="linear"`` (or "rbf", with ``bandwidth=1.0`` median distances), ``biased=False``. Biased, two
      unrelated clouds score about d / (n + d) instead of 0.
    - "procrustes": ``center=True``, ``normalize=True``.
    - "msid": ``neighbours=5``, ``stochastic=False``, ``probes=100``, ``steps=10``, ``rng=0``.
    - "wasserstein": ``power=1`` (or 2: the square of the 2-Wasserstein distance).
    - "agw": ``alpha=0.5``, ``rounds=10``, ``normalize="mean"``. The better of two local minima.
    - "gw": ``root=False``, and those of ``gromov_map``: ``normalize="mean"``, ``starts=("product", "identity")``,
      ``exact=True``, ``sweeps``, ``folder``, ``rng``. The squared objective, which is no metric; with ``root`` its
      root, which is one up to what the solver leaves.

    What a measure needs of a tap is computed once, the costs are in ``MEASURES[measure].cost``. The states of all taps
    are held at once up to 1 GiB (n^2 / 2 numbers a tap for "rsm", "rsa" and "cka", n d for most), beyond that those of
    two tiles, and made again for each tile.

    References
    ----------
    .. [1] M. Klabunde et al., "Similarity of neural network models: a survey of functional and representational
       measures", arXiv:2305.06329.
    .. [2] "Identifying sub-networks in neural networks via functionally similar representations", arXiv:2410.16484.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> D = matrix({"in": x, "turned": x[:, ::-1], "out": np.maximum(x, 0)}, "procrustes")
    >>> D.round(3)
               in  turned    out
    in      0.000   0.000  0.528
    turned  0.000   0.000  0.528
    out     0.528   0.528  0.000
    """
    found = _measure(measure)
    taps = clouds(reps)
    _check_undefined(undefined)
    n_jobs = _arguments.processes(n_jobs)
    table: np.ndarray
    if found.name == "gw":
        table, reasons = _gromov(taps, None, options, undefined, n_jobs)
    else:
        table, reasons = _distances(found, taps, None, options, undefined, n_jobs)
    return _frame(found, table, taps, taps, options, reasons)


def cross(
    reps1: Mapping[str, object],
    reps2: Mapping[str, object],
    measure: str = "cka",
    *,
    undefined: Undefined = "raise",
    n_jobs: int = 1,
    **options: Any,
) -> pd.DataFrame:
    """Return the distances between the representations of two networks.

    Parameters
    ----------
    reps1, reps2 : mapping of str to (n, d) array
        Representations of the same samples in the same order, as of ``representations``, whose sample ids are compared.
        Where the measure couples samples by itself ("msid", "wasserstein", "agw", "gw") they may be different ones.
    measure : str
        A key of ``MEASURES``.
    undefined, n_jobs, **options
        As of :func:`matrix`.

    Returns
    -------
    DataFrame
        (L1, L2) distances, by tap of the first and of the second. "pwcca" is weighted by the first. ``attrs`` as of
        :func:`matrix`.

    Raises
    ------
    ArgumentError
        As :func:`matrix`, and if the samples of the two are not the same in the same order.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> cross({"in": x}, {"in": x[:, ::-1], "out": x[:, :2]}, "cca")
         in  out
    in  0.0  0.0
    """
    found = _measure(measure)
    first, second = _aligned(found, reps1, reps2)
    _check_undefined(undefined)
    n_jobs = _arguments.processes(n_jobs)
    if found.name == "gw":
        table, reasons = _gromov(first, second, options, undefined, n_jobs)
    else:
        table, reasons = _distances(found, dict(first), dict(second), options, undefined, n_jobs)
    return _frame(found, table, first, second, options, reasons)


def _measure(name: str) -> Measure:
    return MEASURES[_arguments.choice("measure", name, MEASURES)]


def _comparison(measure: Measure, options: Mapping[str, Any]) -> Comparison:
    _check_options(measure, options, list(measure.options))
    return measure.comparison(**options)


def _check_options(measure: Measure, options: Mapping[str, Any], known: list[str]) -> None:
    if unknown := [name for name in options if name not in known]:
        expected = ", ".join(known) or "none"
        raise ArgumentError(f"measure {measure.name!r}: got the option {unknown[0]!r}; its options are: {expected}.")


def _check_undefined(undefined: str) -> None:
    _arguments.choice("undefined", undefined, ("raise", "nan"))


def _aligned(
    measure: Measure, reps1: Mapping[str, object], reps2: Mapping[str, object]
) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    if not measure.same_n:
        one, two = (reps if isinstance(reps, Representations) else clouds(reps) for reps in (reps1, reps2))
        return one, two
    return aligned(reps1, reps2)


def _different_n(measure: Measure, n: int, m: int) -> str:
    free = ", ".join(repr(name) for name, other in MEASURES.items() if not other.same_n)
    return (
        f"measure {measure.name!r}: got {n} and {m} samples; expected the same samples in the same order. Take both "
        f"from the same inputs, or a measure that couples samples by itself: {free}."
    )


def _different_d(measure: Measure, one: tuple[str, int], two: tuple[str, int]) -> str:
    free = ", ".join(repr(name) for name, other in MEASURES.items() if not other.same_d)
    return (
        f"measure {measure.name!r}: got {one[1]} dimensions at {one[0]!r} and {two[1]} at {two[0]!r}, and compares "
        f"dimension with dimension; expected one width. Pass undefined='nan', or take one of {free}."
    )


def _distances(
    measure: Measure,
    first: dict[str, np.ndarray],
    second: dict[str, np.ndarray] | None,
    options: Mapping[str, Any],
    undefined: Undefined,
    n_jobs: int,
) -> tuple[np.ndarray, dict[str, str]]:
    """Return the table of a measure that compares pairs one by one."""
    comparison = _comparison(measure, options)
    columns = first if second is None else second
    width = {name: x.shape[1] for name, x in first.items()}, {name: x.shape[1] for name, x in columns.items()}
    if measure.same_d and undefined == "raise":
        for one, d in width[0].items():
            if two := next((name for name, e in width[1].items() if e != d), None):
                raise ArgumentError(_different_d(measure, (one, d), (two, width[1][two])))
    work = Table(
        comparison,
        first,
        second,
        defined=lambda one, two: not measure.same_d or width[0][one] == width[1][two],
        undefined=undefined,
        n_jobs=n_jobs,
    )
    values = work.values(measure.name)
    if measure.orientation == "similarity":
        values = 1 - values
    if second is None:
        places = [i for i, name in enumerate(first) if name not in work.reasons]
        values[places, places] = 0
    return values, work.reasons


def _gromov(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray] | None,
    options: Mapping[str, Any],
    undefined: Undefined,
    n_jobs: int,
) -> tuple[np.ndarray, dict[str, str]]:
    """Return the table of Gromov-Wasserstein objectives; with ``undefined`` "nan" constant taps are left out of it."""
    from nngraph.similarity.gromov_maps import gromov_map

    _check_options(MEASURES["gw"], options, ["root", "normalize", "starts", "exact", "sweeps", "folder", "rng"])
    asked = dict(options)
    root = asked.pop("root", False)
    reasons: dict[str, str] = {}
    sides: list[Mapping[str, np.ndarray]] = []
    for taps in (first, second):
        constant = [name for name, x in (taps or {}).items() if undefined == "nan" and bool((x == x[0]).all())]
        reasons |= {name: f"tap {name!r}: is constant: its distances are 0." for name in constant}
        left = {name: x for name, x in (taps or {}).items() if name not in constant}
        sides.append(Representations(left, taps.ids) if left and isinstance(taps, Representations) else left)
    columns = first if second is None else second
    table = np.full((len(first), len(columns)), np.nan)
    rows, others = sides[0], sides[0] if second is None else sides[1]
    if rows and others:
        found = gromov_map(rows, None if second is None else others, n_jobs=n_jobs, **asked)
        i, j = [list(first).index(name) for name in rows], [list(columns).index(name) for name in others]
        table[np.ix_(i, j)] = (found.root if root else found.squared).to_numpy()
    return table, reasons


def _frame(
    measure: Measure,
    table: np.ndarray,
    rows: Mapping[str, np.ndarray],
    columns: Mapping[str, np.ndarray],
    options: Mapping[str, Any],
    reasons: dict[str, str],
) -> pd.DataFrame:
    import pandas as pd

    for reason in reasons.values():
        _log.warning("%s", reason)
    frame = pd.DataFrame(table, index=list(rows), columns=list(columns))
    defaults = {} if measure.name == "gw" else measure.options
    frame.attrs = {
        "measure": measure.name,
        "options": {**defaults, **options},
        "orientation": "distance" if measure.orientation == "distance" else "1 - similarity",
        "n": len(next(iter(rows.values()))),
        "undefined": reasons,
    }
    if measure.name == "gw":
        marked(frame, squared=not options.get("root", False))
    return frame
