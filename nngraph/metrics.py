"""Scores of a network's outputs against the truth, on plain arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from nngraph.errors import ArgumentError

__all__ = ["METRICS", "Scores", "accuracy", "auc", "cross_entropy", "mse", "r2", "recalibrated"]


def accuracy(outputs: np.ndarray, y: np.ndarray) -> float:
    """Return the share of samples whose largest output is that of their class; of equal outputs the first counts.

    Parameters
    ----------
    outputs : (n, n_classes) array
        Logits, probabilities, or anything that orders the classes.
    y : (n,) integer array
        Classes, counted from 0.

    Returns
    -------
    float
        In [0, 1].

    Notes
    -----
    Ties are real: binarized networks have integer outputs. One without edges answers class 0 throughout.

    Examples
    --------
    >>> accuracy(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 1.0], [1.0, 1.0]]), np.array([0, 1, 0, 1]))
    0.75
    """
    if outputs.ndim == 2 and outputs.shape[1] == 2:  # argmax is slow along two columns
        return float(np.count_nonzero((outputs[:, 1] > outputs[:, 0]) == y) / len(y))
    # argmax of numpy promises the first of equal values, that of torch does not
    return float(np.count_nonzero(outputs.argmax(axis=1) == y) / len(y))


def auc(outputs: np.ndarray, y: np.ndarray) -> float:
    r"""Return the area under the ROC curve: how well the outputs rank the samples, wherever the threshold sits.

    .. math:: \mathrm{AUC} = P(d_i > d_j) + \tfrac{1}{2} P(d_i = d_j), \qquad y_i = 1, \; y_j = 0

    with :math:`d` the difference of the two logits. With more than two classes it is the mean over the classes of each
    against the rest (macro average), where :math:`d` is the log-odds of the class under the softmax; classes without a
    sample are left out.

    Parameters
    ----------
    outputs : (n, n_classes) array
        Logits or log-probabilities.
    y : (n,) integer array
        Classes, counted from 0; at least two occur.

    Returns
    -------
    float
        In [0, 1]; 0.5 is chance.

    References
    ----------
    J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143, 29 (1982).

    Examples
    --------
    >>> auc(np.array([[0.0, 5.0], [0.0, 7.0], [0.0, 9.0], [0.0, 9.0]]), np.array([0, 1, 0, 1]))
    0.625
    """
    if outputs.shape[1] == 2:
        return _ranked_above(*_margins(outputs, y))
    odds = _log_odds(outputs.astype(np.float64))
    return float(np.mean([_ranked_above(*_sorted(odds[:, label], y == label)) for label in np.unique(y)]))


def recalibrated(outputs: np.ndarray, y: np.ndarray) -> float:
    """Return the accuracy of two classes after the threshold is moved so that the predicted class shares are the true.

    For balanced classes the threshold is the median of the logit difference. What is lost in accuracy but not here is
    an offset between the two outputs, not knowledge about the samples.

    Parameters
    ----------
    outputs : (n, 2) array
        Logits or log-probabilities.
    y : (n,) integer array
        Classes, 0 and 1.

    Returns
    -------
    float
        In [0, 1]. Of samples that tie at the threshold, as many are answered 1 as the share needs, and the expectation
        over which ones is returned.

    Notes
    -----
    It uses the shares of the evaluated samples themselves, so it is a diagnosis and no estimate of the accuracy on new
    samples.

    Examples
    --------
    >>> shifted = np.array([[0.0, 5.0], [0.0, 6.0], [0.0, 8.0], [0.0, 9.0]])
    >>> y = np.array([0, 0, 1, 1])
    >>> accuracy(shifted, y), recalibrated(shifted, y)
    (0.5, 1.0)
    """
    return _moved_threshold(*_margins(outputs, y))


def cross_entropy(outputs: np.ndarray, y: np.ndarray) -> float:
    """Return the mean negative log-likelihood of the classes under the softmax of the outputs, in nats.

    Parameters
    ----------
    outputs : (n, n_classes) array
        Logits or log-probabilities.
    y : (n,) integer array
        Classes, counted from 0.

    Examples
    --------
    >>> round(cross_entropy(np.zeros((3, 2)), np.array([0, 1, 1])), 4)
    0.6931
    """
    z = outputs.T.astype(np.float64, order="C")  # one row per class: numpy is slow along short rows
    z -= z.max(axis=0)
    return float(np.mean(np.log(np.exp(z).sum(axis=0)) - z[y.astype(np.intp), np.arange(len(y))]))


def mse(outputs: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared error over samples and outputs.

    Parameters
    ----------
    outputs : (n, k) or (n,) array
        Predictions.
    y : array of the same shape, or (n,) for k = 1
        True values.

    Examples
    --------
    >>> mse(np.array([[1.0], [3.0]]), np.array([1.0, 1.0]))
    2.0
    """
    return float(np.mean((_aligned(outputs, y) - outputs.astype(np.float64)) ** 2))


def r2(outputs: np.ndarray, y: np.ndarray) -> float:
    """Return the share of variance explained, the mean over outputs: 0 for the mean as prediction, 1 at best.

    Parameters
    ----------
    outputs : (n, k) or (n,) array
        Predictions.
    y : array of the same shape, or (n,) for k = 1
        True values, not constant in any column.

    Examples
    --------
    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0])).__round__(4)
    0.3571
    """
    truth = _aligned(outputs, y)
    residual = ((truth - outputs.astype(np.float64)) ** 2).sum(axis=0)
    return float(np.mean(1 - residual / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)))


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "auc": auc,
    "recalibrated": recalibrated,
    "cross_entropy": cross_entropy,
    "mse": mse,
    "r2": r2,
}


def check(metric: str, shape: tuple[int, ...], y: np.ndarray) -> None:
    """Raise ArgumentError unless outputs of (one sample's) ``shape`` can be scored by ``metric`` against ``y``."""
    where = f"metric {metric!r}"
    if metric in ("mse", "r2"):
        truth = y.shape[1:]
        if (truth or (1,)) != (shape or (1,)) or y.dtype.kind not in "fiub" or not np.isfinite(y).all():
            raise ArgumentError(
                f"{where}: got y of shape {y.shape} and type {y.dtype} for outputs of shape (n, {_shape(shape)}); "
                "expected finite numbers of the same shape."
            )
        if metric == "r2" and not np.all(y.max(axis=0) > y.min(axis=0)):
            raise ArgumentError(f"{where}: got a constant y, of which no variance can be explained; use 'mse'.")
        return
    if len(shape) != 1 or shape[0] < 2:
        raise ArgumentError(
            f"{where}: got outputs of shape (n, {_shape(shape)}); expected (n, n_classes), one column per class. For "
            "other outputs pass a function (outputs, y) -> float as the metric."
        )
    if y.ndim != 1 or y.dtype.kind not in "iub":
        raise ArgumentError(f"{where}: got y of shape {y.shape} and type {y.dtype}; expected (n,) integers.")
    if y.min() < 0 or y.max() >= shape[0]:
        raise ArgumentError(
            f"{where}: got classes from {y.min()} to {y.max()} for {shape[0]} outputs; expected 0 to {shape[0] - 1}."
        )
    if metric == "auc" and len(np.unique(y)) < 2:
        raise ArgumentError(f"{where}: got samples of class {y[0]} alone; ranking needs at least two classes.")
    if metric == "recalibrated" and shape[0] != 2:
        raise ArgumentError(f"{where}: got {shape[0]} classes; it is defined for two. Use 'auc', or pairs of classes.")


def _shape(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _aligned(outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y.reshape(outputs.shape).astype(np.float64)


def _log_odds(z: np.ndarray) -> np.ndarray:
    """Return the log-odds of each class under the softmax, bit for bit the same for samples that tie.

    Binarized networks have integer outputs, so samples whose logits are the same up to their order, or up to a
    constant, are many. Sums over the classes in ascending order, of logits below 0, round alike for all of them.
    """
    order = np.argsort(z, axis=1, kind="stable")
    ascending = np.take_along_axis(z, order, axis=1)
    ascending -= ascending[:, -1:]
    # log of the sum of exp over the other classes, from sums over those below and those above: no cancellation
    edge = np.full((len(z), 1), -np.inf)
    below = np.hstack([edge, np.logaddexp.accumulate(ascending, axis=1)[:, :-1]])
    above = np.hstack([np.logaddexp.accumulate(ascending[:, ::-1], axis=1)[:, ::-1][:, 1:], edge])
    odds = ascending - np.logaddexp(below, above)
    for k in range(1, z.shape[1]):  # classes of equal logits have the odds of the first of them
        odds[:, k] = np.where(ascending[:, k] == ascending[:, k - 1], odds[:, k - 1], odds[:, k])
    result: np.ndarray = np.empty_like(odds)
    np.put_along_axis(result, order, odds, axis=1)
    return result


def _margins(outputs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of the two logits in ascending order, and where samples of class 1 are among them."""
    z = outputs.astype(np.float64)
    return _sorted(z[:, 1] - z[:, 0], y == 1)


def _sorted(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(score)
    return score[order], positive[order]


def _ranked_above(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the share of (positive, negative) pairs in which the positive scores higher; ties count half."""
    n_high = int(np.count_nonzero(positive))
    n_pairs = (len(score) - n_high) * n_high
    changes = score[1:] != score[:-1]
    if changes.all():  # no ties: ranks are positions
        below = 2 * int(np.flatnonzero(positive).sum()) - n_high * (n_high - 1)
    else:
        starts = np.concatenate([[0], 1 + np.flatnonzero(changes)])  # of samples of equal score
        high = np.add.reduceat(positive, starts, dtype=np.int64)
        low = np.diff(starts, append=len(score)) - high
        below = int(np.dot(high, 2 * np.cumsum(low) - low))  # twice the pairs, and once those that tie
    return below / (2 * n_pairs)


def _moved_threshold(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the expected accuracy where as many samples are answered 1 as there are of class 1."""
    n, n_positive = len(score), int(np.count_nonzero(positive))
    if n_positive in (0, n):
        return 1.0
    threshold = score[n - n_positive]
    first, end = (int(np.searchsorted(score, threshold, side)) for side in ("left", "right"))  # those that tie
    tied = int(np.count_nonzero(positive[first:end]))
    answered = (n_positive - (n - end)) / (end - first)  # share of the tied answered 1
    certain = int(np.count_nonzero(positive[end:])) + first - int(np.count_nonzero(positive[:first]))
    expected = answered * tied + (1 - answered) * (end - first - tied)
    return float((certain + expected) / n)


class Scores:
    """Metrics of one array of outputs by name; the order that two of them need is found once.

    Examples
    --------
    >>> scores = Scores(np.array([[0.0, 5.0], [0.0, 6.0], [0.0, 8.0], [0.0, 9.0]]), np.array([0, 0, 1, 1]))
    >>> scores["auc"], scores["recalibrated"]
    (1.0, 1.0)
    """

    def __init__(self, outputs: np.ndarray, y: np.ndarray) -> None:
        self.outputs, self.y = outputs, y

    def __getitem__(self, name: str) -> float:
        if name in ("auc", "recalibrated") and self.outputs.shape[1] == 2:
            return (_ranked_above if name == "auc" else _moved_threshold)(*self._margins)
        return METRICS[name](self.outputs, self.y)

    @functools.cached_property
    def _margins(self) -> tuple[np.ndarray, np.ndarray]:
        return _margins(self.outputs, self.y)
