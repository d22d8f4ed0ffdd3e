"""Data sets and classification tasks: digits and colour patches from scikit-learn, and published sets from files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from nngraph import _patches
from nngraph._cifar import CLASS_NAMES, read_cifar
from nngraph._idx import SOURCES, read_published
from nngraph._rng import RNG, child, generator, seed_record, seed_sequence
from nngraph.errors import ArgumentError

__all__ = ["Dataset", "Task", "colour_patches", "load"]

Scaling: TypeAlias = Literal["[-1,1]", "[0,1]"]


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A classification task: training and test samples of some classes.

    Parameters
    ----------
    name : str
        For tables and figures.
    x_train, x_test : (n, d) arrays
        Inputs; any further axes are left as they are.
    y_train, y_test : (n,) integer arrays
        Class of each sample, counted from 0.
    meta : mapping
        Where the task comes from: data set, classes, scaling, split, seed.

    Examples
    --------
    >>> import numpy as np
    >>> task = Task("toy", np.zeros((4, 2)), [0, 1, 0, 1], np.ones((3, 2)), [0, 0, 1])
    >>> task.n_classes, round(task.chance, 3)
    (2, 0.667)
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    meta: Mapping[str, object] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for half in ("train", "test"):
            x, y = np.asarray(getattr(self, f"x_{half}")), np.asarray(getattr(self, f"y_{half}"))
            if x.ndim < 2 or not len(x) or x.shape[:1] != y.shape:
                raise ArgumentError(
                    f"task {self.name!r}: got x_{half} of shape {x.shape} with y_{half} of shape {y.shape}; "
                    "expected (n, d) inputs with (n,) labels and n of at least 1."
                )
            if y.dtype.kind not in "iub" or y.min() < 0:
                raise ArgumentError(
                    f"task {self.name!r}: got y_{half} of type {y.dtype} from {y.min()}; "
                    "expected classes as integers counted from 0."
                )
            object.__setattr__(self, f"x_{half}", x)
            object.__setattr__(self, f"y_{half}", y.astype(np.int64, copy=False))
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise ArgumentError(
                f"task {self.name!r}: got training inputs of shape {self.x_train.shape[1:]} and test inputs of shape "
                f"{self.x_test.shape[1:]}; expected the same."
            )

    @property
    def n_classes(self) -> int:
        """Number of classes: the largest label of either half, plus one."""
        return 1 + int(max(self.y_train.max(), self.y_test.max()))

    @property
    def chance(self) -> float:
        """Share of the largest class among the test samples: the accuracy of the best constant answer."""
        return float(np.bincount(self.y_test).max() / len(self.y_test))

    def __repr__(self) -> str:
        return (
            f"Task {self.name!r}: {len(self.y_train):,} training and {len(self.y_test):,} test samples of shape "
            f"{self.x_train.shape[1:]}, {self.n_classes} classes, chance {self.chance:.3f}"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images. Made by :func:`load`.

    Attributes
    ----------
    name : str
        "digits", "fashion-mnist", "mnist", "cifar-10" or "colour-patches".
    images : (n, d) float32 array
        Training images, one row each, row-major pixels; of colour images the red, the green, then the blue ones.
    labels : (n,) int64 array
        Class of each image.
    test_images, test_labels : arrays or None
        The published test samples; None where the data set has no split of its own.
    image_shape : tuple of int
        (height, width), or (3, height, width) of colour images.
    class_names : tuple of str
        One per label.
    scaling : str
        The range that black to white was mapped to.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray | None
    test_labels: np.ndarray | None
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    scaling: Scaling

    def pair(self, a: int | str, b: int | str, *, rng: RNG = None) -> Task:
        """Return the two-class task of classes ``a`` (label 0) and ``b`` (label 1); see :meth:`task`.

        Examples
        --------
        >>> import nngraph as nng
        >>> nng.datasets.load("digits").pair(1, 8, rng=0)
        Task 'digits 1-8': 178 training and 178 test samples of shape (784,), 2 classes, chance 0.511
        """
        return self.task((a, b), rng=rng)

    def task(self, classes: Sequence[int | str] | None = None, *, rng: RNG = None) -> Task:
        """Return the task of telling some classes apart.

        Parameters
        ----------
        classes : sequence of int or str, optional
            Labels or class names; a sample's label in the task is the place of its class here. None: all classes.
        rng : None, int, SeedSequence or Generator
            Seed of the split, where the data set has none of its own; unused otherwise.

        Returns
        -------
        Task
            With a published split: all its training and all its test samples of these classes, in the order of the
            files. Without one (digits): a random half of each class is for training, so that both halves have the
            same class shares; of an odd number, training gets the one more. The half of a class depends on ``rng``
            and the class alone, not on the other classes.

        Raises
        ------
        ArgumentError
            If a class does not exist or comes twice, or there are fewer than two.
        """
        chosen = range(len(self.class_names)) if classes is None else [self._label(key) for key in classes]
        if len(set(chosen)) != len(chosen) or len(chosen) < 2:
            raise ArgumentError(f"{self.name}: got the classes {classes}; expected at least two different ones.")
        names = [self.class_names[label] for label in chosen]
        meta: dict[str, object] = {"dataset": self.name, "classes": names, "scaling": self.scaling}
        meta["image_shape"] = self.image_shape
        index = [np.flatnonzero(self.labels == label) for label in chosen]
        if self.test_images is not None and self.test_labels is not None:
            test_images, test_labels = self.test_images, self.test_labels
            train = np.sort(np.concatenate(index))
            test = np.flatnonzero(np.isin(test_labels, chosen))
            meta["split"] = "published"
        else:
            test_images, test_labels = self.images, self.labels
            seed = seed_sequence(rng)
            shuffled = [
                generator(child(seed, "split", label)).permutation(rows)
                for label, rows in zip(chosen, index, strict=True)
            ]
            train = np.sort(np.concatenate([rows[: (len(rows) + 1) // 2] for rows in shuffled]))
            test = np.sort(np.concatenate([rows[(len(rows) + 1) // 2 :] for rows in shuffled]))
            meta |= {"split": "random half of each class", "seed": seed_record(seed)}
        place = np.full(len(self.class_names), -1)
        place[list(chosen)] = np.arange(len(chosen))
        return Task(
            self.name if classes is None else f"{self.name} {'-'.join(names)}",
            self.images[train],
            place[self.labels[train]],
            test_images[test],
            place[test_labels[test]],
            meta,
        )

    def _label(self, key: int | str) -> int:
        if isinstance(key, str) and key in self.class_names:
            return self.class_names.index(key)
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and 0 <= key < len(self.class_names):
            return int(key)
        raise ArgumentError(
            f"{self.name}: got the class {key!r}; expected a label from 0 to {len(self.class_names) - 1} or one of "
            f"{', '.join(self.class_names)}."
        )

    def __repr__(self) -> str:
        n_test = "no split of its own" if self.test_labels is None else f"{len(self.test_labels):,} test images"
        return (
            f"Dataset {self.name!r}: {len(self.labels):,} images of {'x'.join(map(str, self.image_shape))}, "
            f"{n_test}, {len(self.class_names)} classes, scaled to {self.scaling}"
        )


def load(
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    scaling: Scaling = "[-1,1]",
    download: bool = True,
) -> Dataset:
    """Load a data set of labelled images.

    Parameters
    ----------
    name : "digits", "fashion-mnist", "mnist", "cifar-10" or "colour-patches"
        "digits" comes with scikit-learn and needs no file: its 8x8 images are put on a 28x28 canvas (divided by 16,
        bilinearly zoomed by 2.5 to 20x20, clipped to [0, 1], padded by 4 pixels of background), on which it shows
        what the larger sets show; on the plain 8x8 pixels it does not. "colour-patches" are those of
        :func:`colour_patches` with its defaults, a stand-in for "cifar-10" that needs no file either.
    root : path, optional
        Folder of the idx files (plain or .gz), looked into first; also the folder that a download goes to. For
        "cifar-10" the folder of the binary version, unpacked or as its archive.
    scaling : "[-1,1]" or "[0,1]"
        Range of the pixels from background to ink. The binarized model of a hard pair collapses with [-1,1], where
        the background counts, and keeps its accuracy with [0,1]: a result holds for a scaling, so state it.
    download : bool
        Whether to fetch missing files. CIFAR-10 is never fetched.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the files are on no known place and could not be downloaded.
    FormatError
        If a file is cut short, is no idx file of the expected kind, or belongs to the other data set.

    Notes
    -----
    The idx files are looked for in ``root``, in the folder that the environment variable NNGRAPH_DATA names, in the
    folder of Debian's package dataset-fashion-mnist, and in the cache folder of the user; in each also in a folder
    named as the data set and in torchvision's. Then they are downloaded, each checked against its SHA-256. The Python
    version of CIFAR-10 is refused: reading its pickles could run code.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", arXiv:1708.07747 (2017). Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied
    to document recognition", Proc. IEEE 86, 2278 (1998). A. Krizhevsky, "Learning multiple layers of features from tiny
    images", University of Toronto (2009). E. Alpaydin, C. Kaynak, "Optical recognition of handwritten
    digits", UCI repository (1998).

    Examples
    --------
    >>> import nngraph as nng
    >>> nng.datasets.load("digits")
    Dataset 'digits': 1,797 images of 28x28, no split of its own, 10 classes, scaled to [-1,1]
    """
    if scaling not in get_args(Scaling):
        raise ArgumentError(f"scaling: got {scaling!r}; expected '[-1,1]' or '[0,1]'.")
    if name == "digits":
        images, labels = _digits()
        return Dataset(name, _scaled(images, scaling), labels, None, None, (28, 28), tuple("0123456789"), scaling)
    if name == "colour-patches":
        return colour_patches(scaling=scaling)
    if name == "cifar-10":
        return _dataset(name, read_cifar(root), CLASS_NAMES, scaling)
    if name not in SOURCES:
        known = ", ".join(map(repr, ("digits", *SOURCES, "cifar-10", "colour-patches")))
        raise ArgumentError(f"load: got the data set {name!r}; expected one of {known}.")
    return _dataset(name, read_published(name, root, download=download), SOURCES[name].class_names, scaling)


def colour_patches(n_train: int = 4000, n_test: int = 1000, *, scaling: Scaling = "[-1,1]", rng: RNG = 0) -> Dataset:
    """Cut labelled 32x32 colour patches out of the two photographs that come with scikit-learn.

    Parameters
    ----------
    n_train, n_test : int
        Number of patches, shared evenly among the ten classes.
    scaling : "[-1,1]" or "[0,1]"
        Range of the bytes of each colour.
    rng : None, int, SeedSequence or Generator
        Seed of the tiles kept for testing and of the places of patches.

    Returns
    -------
    Dataset
        Images of shape (3, 32, 32). A class is one of five horizontal bands, counted from the top, of one of the two
        photographs, a temple and a flower.

    Raises
    ------
    ArgumentError
        If there are fewer patches than classes, or more than a band has places (12,474 and 5,346).

    Notes
    -----
    A stand-in for data sets of small photographs, named as such: it has their shape and their colours, but only two
    scenes. Each band is cut into ten tiles, three of which are for testing alone; every patch lies within one tile, so
    that training and test patches share no pixel. Patches of one tile do share pixels with each other.

    Examples
    --------
    >>> import nngraph as nng
    >>> nng.datasets.colour_patches(100, 20)
    Dataset 'colour-patches': 100 images of 3x32x32, 20 test images, 10 classes, scaled to [-1,1]
    """
    if scaling not in get_args(Scaling):
        raise ArgumentError(f"scaling: got {scaling!r}; expected '[-1,1]' or '[0,1]'.")
    for argument, n in (("n_train", n_train), ("n_test", n_test)):
        most = _patches.most(argument.removeprefix("n_"))
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 10 <= n <= most:
            raise ArgumentError(f"colour_patches: got {argument}={n!r}; expected an integer from 10 to {most:,}.")
    arrays = _patches.read_patches(int(n_train), int(n_test), seed_sequence(rng))
    return _dataset("colour-patches", arrays, _patches.CLASS_NAMES, scaling)


def _dataset(name: str, arrays: tuple[np.ndarray, ...], class_names: tuple[str, ...], scaling: Scaling) -> Dataset:
    """Make a data set of training images as bytes, their labels, and those for testing."""
    train, train_labels, test, test_labels = arrays
    return Dataset(
        name,
        _scaled(train.astype(np.float32) / np.float32(255), scaling),
        train_labels,
        _scaled(test.astype(np.float32) / np.float32(255), scaling),
        test_labels,
        train.shape[1:],
        class_names,
        scaling,
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    digits = load_digits()
    ink = np.clip(zoom(digits.images / 16, (1, 2.5, 2.5), order=1), 0, 1)
    canvas = np.pad(ink, ((0, 0), (4, 4), (4, 4)))
    return canvas.astype(np.float32), digits.target.astype(np.int64)


def _scaled(ink: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Flatten images of ink from 0 to 1 and map them, in place, to the range asked for."""
    flat = ink.reshape(len(ink), -1)
    if scaling == "[-1,1]":
        flat *= 2
        flat -= 1
    return flat
