"""How unlike the images of two classes are: the mean of 1 - SSIM over random pairs of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.datasets import Dataset

__all__ = ["RANGES", "ssim", "ssim_distance", "ssim_distances"]

RANGES = {"[-1,1]": (-1.0, 1.0), "[0,1]": (0.0, 1.0)}
"""Lowest and highest pixel of each scaling of :func:`nngraph.datasets.load`."""
_SMALL = 16  # sides below this many pixels get a window of 3 by default
_CHUNK = 100  # pairs of images at once, so that the work stays in the cache


def ssim(x: np.ndarray, y: np.ndarray, *, data_range: float, window: int | None = None) -> np.ndarray:
    r"""Return the structural similarity of each of n pairs of images, averaged over all windows (and channels).

    .. math:: \mathrm{SSIM} = \Bigl\langle \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}
        {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)} \Bigr\rangle, \quad
        C_1 = (0.01 R)^2, \; C_2 = (0.03 R)^2

    with means, sample variances and sample covariance over square windows that lie within the image.

    Parameters
    ----------
    x, y : (n, ..., height, width) arrays
        Images; pixels of a range R. Axes between are channels.
    data_range : float
        R, the same for all pairs, so that the measure is symmetric.
    window : int, optional
        Side of the window in pixels, odd; by default 7, or 3 where a side of the image is below 16 pixels.

    Returns
    -------
    (n,) array
        In [-1, 1]; 1 for equal images.

    Raises
    ------
    ArgumentError
        If shapes differ, or the window is even or does not fit.

    Notes
    -----
    O(n height width), in double precision; exact. The value depends on the zero of the pixels, which enters the means:
    a background of -1 counts as equal brightness, one of 0 as none.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Trans. Image Process. 13, 600 (2004).

    Examples
    --------
    >>> x = np.random.default_rng(0).random((2, 28, 28))
    >>> ssim(x, x, data_range=1).round(6).tolist()
    [1.0, 1.0]
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim < 3 or x.shape != y.shape:
        raise ArgumentError(
            f"ssim: got images of shapes {x.shape} and {y.shape}; expected two stacks of the same shape (n, height, "
            "width)."
        )
    _arguments.number("data_range", data_range, "a positive number", lambda r: 0 < r < np.inf)
    side = _window(window, x.shape[-2:])
    down, across = (_sums(length, side) for length in x.shape[-2:])
    parts = [
        _ssim(x[at : at + _CHUNK], y[at : at + _CHUNK], down, across, side**2, float(data_range))
        for at in range(0, len(x), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def ssim_distance(
    a: np.ndarray, b: np.ndarray, *, data_range: float, n: int = 10_000, window: int | None = None, rng: RNG = 0
) -> float:
    r"""Return how unlike two sets of images are.

    .. math:: d(a, b) = \langle 1 - \mathrm{SSIM}(x, y) \rangle_{x \in a, \, y \in b}

    Parameters
    ----------
    a, b : (n_a, ..., height, width), (n_b, ..., height, width) arrays
        Images. If ``b`` is ``a``, no image is paired with itself.
    data_range, window
        As for :func:`ssim`.
    n : int
        Number of pairs, drawn with replacement.
    rng : None, int, SeedSequence or Generator
        Seed of the pairs.

    Returns
    -------
    float

    Raises
    ------
    ArgumentError
        If a set is empty (or has one image, where it is paired with itself), and as for :func:`ssim`.

    Notes
    -----
    Sampled: with the default n the standard error is near 0.001. 0.2 s for 28x28.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((5, 28, 28))
    >>> 0.9 < ssim_distance(images, images, data_range=1, n=50) < 1.1
    True
    """
    _arguments.whole("n", n)
    same = a is b
    if min(len(a), len(b)) < 1 + same:
        raise ArgumentError(
            f"ssim_distance: got {len(a)} and {len(b)} images; expected at least one of each set, two of a set that is "
            "compared with itself."
        )
    draw = generator(seed_sequence(rng))
    i = draw.integers(len(a), size=n)
    j = (i + draw.integers(1, len(a), size=n)) % len(a) if same else draw.integers(len(b), size=n)
    total = sum(
        ssim(a[i[at : at + _CHUNK]], b[j[at : at + _CHUNK]], data_range=data_range, window=window).sum()
        for at in range(0, n, _CHUNK)
    )
    return float(1 - total / n)


def ssim_distances(
    dataset: Dataset,
    pairs: Iterable[Sequence[int | str]] | None = None,
    *,
    n: int = 10_000,
    first: int | None = 1000,
    window: int | None = None,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Return the SSIM distance between classes of a data set, and within each class on the diagonal.

    Parameters
    ----------
    dataset : Dataset
        Its training images, in the scaling that it has; of an unknown one the range is from the lowest to the highest
        pixel.
    pairs : iterable of pairs of classes, optional
        Labels or class names; by default all pairs. Other places of the table are NaN.
    n : int
        Number of pairs of images for each pair of classes.
    first : int, optional
        Draw among the first so many images of each class, as published; None: among all.
    window : int, optional
        As for :func:`ssim`.
    rng : None, int, SeedSequence or Generator
        Seed; the pairs of images depend on it and on the two classes alone.

    Returns
    -------
    pandas.DataFrame
        (class, class), symmetric.

    Notes
    -----
    The published distance takes the range of pixels from the first image of each pair, and is not quite symmetric; here
    it is that of the scaling.

    References
    ----------
    R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal representations
    and robustness in neural networks" (2025).

    Examples
    --------
    >>> import nngraph as nng
    >>> D = ssim_distances(nng.datasets.load("digits"), [(1, 8), (0, 7)], n=100)
    >>> bool(D.loc["1", "8"] < D.loc["0", "7"])
    True
    """
    import pandas as pd

    _arguments.whole("n", n)
    if first is not None:
        _arguments.whole("first", first, 2)
    seed = seed_sequence(rng)
    low, high = RANGES.get(dataset.scaling) or (float(dataset.images.min()), float(dataset.images.max()))
    names = dataset.class_names
    if pairs is None:
        wanted = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    else:
        wanted = [(dataset._label(a), dataset._label(b)) for a, b in pairs]
    classes = sorted({label for pair in wanted for label in pair})
    images = {
        label: dataset.images[np.flatnonzero(dataset.labels == label)[:first]].reshape(-1, *dataset.image_shape)
        for label in classes
    }
    shown = [names[label] for label in classes]
    table = pd.DataFrame(np.nan, index=shown, columns=shown)
    for a, b in [*((label, label) for label in classes), *{(min(pair), max(pair)) for pair in wanted}]:
        distance = ssim_distance(
            images[a], images[b], data_range=high - low, n=n, window=window, rng=child(seed, "ssim", names[a], names[b])
        )
        table.loc[names[a], names[b]] = table.loc[names[b], names[a]] = distance
    return table


def _window(window: int | None, shape: tuple[int, ...]) -> int:
    side = (3 if min(shape) < _SMALL else 7) if window is None else window
    most = min(shape)
    if isinstance(side, bool) or not isinstance(side, (int, np.integer)) or side % 2 == 0 or not 1 < side <= most:
        raise ArgumentError(
            f"window: got {window!r} for images of {shape[0]}x{shape[1]}; expected an odd number of pixels from 3 to "
            f"{most}."
        )
    return int(side)


def _sums(length: int, side: int) -> np.ndarray:
    """Return the matrix that sums over each window along one axis: (windows, length)."""
    start = np.arange(length - side + 1)[:, None]
    pixel = np.arange(length)[None, :]
    return ((pixel >= start) & (pixel < start + side)).astype(np.float64)


def _ssim(
    x: np.ndarray, y: np.ndarray, down: np.ndarray, across: np.ndarray, size: int, data_range: float
) -> np.ndarray:
    def mean(z: np.ndarray) -> np.ndarray:
        result: np.ndarray = down @ (z @ across.T) / size
        return result

    mu_x, mu_y = mean(x), mean(y)
    unbiased = size / (size - 1)
    variances = unbiased * (mean(x * x + y * y) - mu_x * mu_x - mu_y * mu_y)
    covariance = unbiased * (mean(x * y) - mu_x * mu_y)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similar = (2 * mu_x * mu_y + c1) * (2 * covariance + c2)
    similar /= (mu_x * mu_x + mu_y * mu_y + c1) * (variances + c2)
    averaged: np.ndarray = similar.reshape(len(x), -1).mean(axis=1)
    return averaged
