"""Probes: what can be read from each tap about known targets, scored on samples that the probe has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nngraph import _arguments
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.similarity._clouds import clouds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["probes"]

Kind = Literal["linear", "logistic", "mlp"]
KINDS: tuple[Kind, ...] = ("linear", "logistic", "mlp")
COLUMNS = ["tap", "target", "probe", "metric", "value", "chance", "converged", "n_train", "n_test"]


def probes(
    reps: Mapping[str, object],
    targets: Mapping[str, object],
    *,
    kinds: Sequence[Kind] = KINDS,
    test: float | Sequence[int] | np.ndarray = 0.25,
    n_jobs: int = 1,
    rng: RNG = 0,
) -> pd.DataFrame:
    r"""Fit probes of known targets at every tap and score them on held-out samples.

    ``"linear"`` is least squares on one-hot targets, ``"logistic"`` multinomial logistic regression, ``"mlp"`` a
    network of one hidden layer of 100. The error of the linear probe is the share of variance that is left,

    .. math:: e = \frac{\sum_i \lVert y_i - \hat y_i \rVert^2}{\sum_i \lVert y_i - \bar y \rVert^2},

    with the mean of the training targets: 0 is exact, 1 no better than that mean. Accuracies count the largest output.

    Parameters
    ----------
    reps : mapping from names to arrays (n, d)
        Representations of the same samples.
    targets : mapping from names to sequences (n,)
        Classes of the samples: integers, strings or booleans.
    kinds : sequence of "linear", "logistic", "mlp"
        Which probes to fit.
    test : float or array of int
        The share of the samples that is held out, drawn at random once for all; or the positions of those samples, such
        as the held-out samples of the network itself.
    n_jobs : int
        Processes of joblib; results are the same for any number.
    rng : None, int, SeedSequence or Generator
        Of the split and of the networks' first weights.

    Returns
    -------
    pandas.DataFrame
        ``tap``, ``target``, ``probe``, ``metric`` ("accuracy", and "error" of the linear probe), ``value``, ``chance``
        (the accuracy of always answering the most frequent class of the training samples; 1 for the error),
        ``converged``, ``n_train``, ``n_test``.

    Raises
    ------
    ArgumentError
        If a representation is none, a target has another number of samples, has one class, or is no class at all, or
        the split leaves a side without samples.

    Notes
    -----
    Each dimension is divided by its standard deviation and centred, both of the training samples. Least squares takes
    the solution of least norm; with as many dimensions as training samples it fits them exactly, and only held-out
    values mean something. The other two stop after 1,000 and 200 iterations; ``converged`` says whether they were done.
    A class that occurs in the held-out samples alone counts as wrong.

    References
    ----------
    .. [1] G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> found = probes({"x": x, "square": x**2}, {"positive": x[:, 0] > 0}, kinds=["logistic"])
    >>> found[["tap", "metric", "value"]]
          tap    metric  value
    0       x  accuracy   0.99
    1  square  accuracy   0.59
    """
    import pandas as pd

    given = clouds(reps)
    n = len(next(iter(given.values())))
    if isinstance(kinds, str) or not kinds or set(kinds) - set(KINDS):
        raise ArgumentError(f"probes: kinds: got {kinds!r}; expected some of {', '.join(map(repr, KINDS))}.")
    n_jobs, seed = _arguments.processes(n_jobs), seed_sequence(rng)
    if not isinstance(targets, Mapping):
        raise ArgumentError(f"probes: targets: got a {type(targets).__name__}; expected a mapping of names to classes.")
    _arguments.texts("probes: targets", targets)
    held_out = _held_out(test, n, seed)
    classes = {str(name): _classes(str(name), values, n, held_out) for name, values in targets.items()}
    if not classes:
        raise ArgumentError("probes: targets: got none; expected a mapping from names to classes of the samples.")
    from joblib import Parallel, delayed

    tasks = [(tap, target, kind) for tap in given for target in classes for kind in kinds]
    scored = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_scored)(
            kind, given[tap], classes[target], held_out, int(child(seed, tap, target, kind).generate_state(1)[0])
        )
        for tap, target, kind in tasks
    )
    rows = []
    for task, results in zip(tasks, progress(scored, total=len(tasks), label="probes"), strict=True):
        rows += [(*task, *result, int((~held_out).sum()), int(held_out.sum())) for result in results]
    return pd.DataFrame(rows, columns=COLUMNS)


def _held_out(test: object, n: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Return which of the n samples are held out."""
    mask = np.zeros(n, dtype=bool)
    if isinstance(test, (int, float, np.number)) and not isinstance(test, bool):
        expected = "a share between 0 and 1, or positions of samples"
        test = _arguments.number("probes: test", test, expected, lambda x: 0 < x < 1)
        mask[generator(child(seed, "split")).permutation(n)[: round(test * n)]] = True
    else:
        places = np.asarray(test)
        if (
            places.ndim != 1
            or places.dtype.kind not in "iu"
            or not len(places)
            or places.min() < 0
            or places.max() >= n
        ):
            raise ArgumentError(
                f"probes: test: got an array of {places.dtype} of shape {places.shape}; expected positions 0 "
                f"to {n - 1}."
            )
        mask[places] = True
    if mask.sum() < 1 or (~mask).sum() < 2:
        raise ArgumentError(
            f"probes: test: holds out {mask.sum()} of {n} samples; expected one at least, and two left for the fit."
        )
    return mask


def _classes(name: str, values: Any, n: int, held_out: np.ndarray) -> np.ndarray:
    """Return a target as class numbers (n,), those of the training samples first."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.shape != (n,) or array.dtype.kind not in "biuUSO":
        raise ArgumentError(
            f"target {name!r}: got an array of {array.dtype} of shape {array.shape}; expected ({n},) classes: "
            "integers, strings or booleans. Cut numbers into classes first."
        )
    try:
        seen = np.unique(array[~held_out])
    except TypeError:
        raise ArgumentError(f"target {name!r}: got values of several types; expected classes of one type.") from None
    if len(seen) < 2:
        raise ArgumentError(f"target {name!r}: got one class in the training samples; expected two or more.")
    places = np.minimum(np.searchsorted(seen, array), len(seen) - 1)
    return np.where(seen[places] == array, places, len(seen))  # len(seen): a class that no probe can answer


def _scored(
    kind: str, x: np.ndarray, y: np.ndarray, held_out: np.ndarray, state: int
) -> list[tuple[str, float, float, bool]]:
    """Return (metric, value, chance, converged) of one probe."""
    x = x.astype(np.float64)
    scale = x[~held_out].std(axis=0)
    x = (x - x[~held_out].mean(axis=0)) / np.where(scale > 0, scale, 1)
    train, test, y_train, y_test = x[~held_out], x[held_out], y[~held_out], y[held_out]
    chance = float((y_test == np.bincount(y_train).argmax()).mean())
    if kind == "linear":
        one_hot = np.eye(int(y.max()) + 1)
        mean = one_hot[y_train].mean(axis=0)
        answers = test @ np.linalg.lstsq(train, one_hot[y_train] - mean, rcond=None)[0]
        truth = one_hot[y_test] - mean
        error = float(((truth - answers) ** 2).sum() / (truth**2).sum())
        accuracy = float(((answers + mean)[:, : int(y_train.max()) + 1].argmax(axis=1) == y_test).mean())
        return [("accuracy", accuracy, chance, True), ("error", error, 1.0, True)]
    model, converged = _fitted(kind, train, y_train, state)
    return [("accuracy", float((model.predict(test) == y_test).mean()), chance, converged)]


def _fitted(kind: str, x: np.ndarray, y: np.ndarray, state: int) -> tuple[Any, bool]:
    """Return the fitted probe and whether it converged; every other warning is passed on."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    model = LogisticRegression(max_iter=1000) if kind == "logistic" else MLPClassifier(random_state=state)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y)
    failed = [issubclass(one.category, ConvergenceWarning) for one in caught]
    for one, is_known in zip(caught, failed, strict=True):
        if not is_known:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return model, not any(failed)
