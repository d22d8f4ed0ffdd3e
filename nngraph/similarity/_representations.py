"""What a model made of its inputs: a (n, d) array for each tap, and which samples the n rows are."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import numpy as np

from nngraph.errors import ArgumentError, FormatError
from nngraph.io._atomic import named, replacing
from nngraph.similarity._clouds import clouds


class Representations(Mapping[str, np.ndarray]):
    r"""Representations of the same samples at several taps: an immutable mapping from names to (n, d) arrays.

    Parameters
    ----------
    values : mapping of str to (n, d) array or tensor
        One representation for each tap, in the order of the model. float16 becomes float32, integers float64.
    ids : (n,) array of integers or text, optional
        What sample each row is, each once; by default 0 to n - 1.

    Raises
    ------
    ArgumentError
        If a representation is no finite (n, d) array, the numbers of rows differ, or ids do not fit or repeat.

    Notes
    -----
    Arrays are read-only, and copied where they can be written to.

    Examples
    --------
    >>> import numpy as np
    >>> reps = Representations({"in": np.eye(3), "out": np.ones((3, 1))}, ids=["a", "b", "c"])
    >>> reps
    Representations(2 taps of 3 samples, 1 to 3 dimensions: 'in', 'out')
    >>> reps.subset(["out"], ids=["c", "a"]).ids.tolist()
    ['c', 'a']
    """

    __slots__ = ("_arrays", "_ids")

    def __init__(self, values: Mapping[str, object], ids: object = None) -> None:
        self._arrays = {name: _read_only(array) for name, array in clouds(values).items()}
        n = len(next(iter(self._arrays.values())))
        self._ids = _read_only(np.arange(n) if ids is None else sample_ids(ids, n))

    @property
    def ids(self) -> np.ndarray:
        """(n,) which sample each row is: row numbers of the inputs, or the names that were given."""
        return self._ids

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except KeyError:
            raise KeyError(f"no tap {name!r}; there are {_some(list(self._arrays))}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Representations):
            return NotImplemented
        return (
            list(self) == list(other)
            and np.array_equal(self.ids, other.ids)
            and all(a.dtype == other[name].dtype and np.array_equal(a, other[name]) for name, a in self.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        widths = [array.shape[1] for array in self.values()]
        taps = "1 tap" if len(self) == 1 else f"{len(self)} taps"
        return (
            f"Representations({taps} of {len(self.ids)} samples, {min(widths)} to {max(widths)} dimensions: "
            f"{_some(list(self))})"
        )

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, np.ndarray], np.ndarray]]:
        return type(self), (self._arrays, self._ids)  # a copy made by pickle is read-only too

    def subset(self, names: Iterable[str] | None = None, *, ids: object = None) -> Self:
        """Return only some taps, only some samples, or both, in the order asked for.

        Parameters
        ----------
        names : iterable of str, optional
            Taps; by default all.
        ids : (m,) array of integers or text, optional
            Samples, by their ids; by default all. At least two, each once.

        Returns
        -------
        Representations

        Raises
        ------
        ArgumentError
            If a tap or a sample is not there.

        Examples
        --------
        >>> import numpy as np
        >>> reps = Representations({"a": np.eye(3), "b": np.eye(3)}, ids=[5, 6, 7])
        >>> reps.subset(["b"], ids=[7, 5])["b"].tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        """
        chosen = list(self) if names is None else [names] if isinstance(names, str) else list(names)
        if missing := [name for name in chosen if name not in self._arrays]:
            raise ArgumentError(f"names: got the tap {missing[0]!r}; expected some of {_some(list(self))}.")
        if ids is None:
            return type(self)({name: self[name] for name in chosen}, self.ids)
        wanted = sample_ids(ids, None)
        rows = {sample: row for row, sample in enumerate(self.ids.tolist())}
        if absent := [sample for sample in wanted.tolist() if sample not in rows]:
            raise ArgumentError(
                f"ids: got {absent[0]!r}, and {len(absent) - 1} more, that are no samples of these representations; "
                f"expected some of {_some(self.ids.tolist())}."
            )
        index = np.array([rows[sample] for sample in wanted.tolist()])
        return type(self)({name: self[name][index] for name in chosen}, wanted)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all arrays and ids to one file (npz, without pickle); a file that is there is replaced whole.

        Parameters
        ----------
        path : str or path-like
            Name of the file, by custom ending in .npz.

        Raises
        ------
        ArgumentError
            If the folder does not exist, or the name is that of a folder.
        """
        arrays = {f"tap{i}": array for i, array in enumerate(self.values())}
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, names=np.array(list(self)), ids=self.ids, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read representations back from a file of :meth:`save`, bit by bit.

        Parameters
        ----------
        path : str or path-like
            Name of the file.

        Returns
        -------
        Representations

        Raises
        ------
        FormatError
            If the file holds something else, or is damaged.
        FileNotFoundError
            If there is none.
        """
        path = named(path)
        with path.open("rb") as opened:
            try:
                with np.load(opened, allow_pickle=False) as file:
                    names = file["names"].tolist()
                    values = {name: _frozen(file[f"tap{i}"]) for i, name in enumerate(names)}
                    return cls(values, file["ids"])
            except DAMAGES as error:
                reason = " ".join(str(error).split())
                raise FormatError(
                    f"{path}: is no file of representations ({reason}); expected one that Representations.save wrote."
                ) from None


DAMAGES = (AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile)
"""What numpy and zipfile raise for a file that is cut, changed or of another kind."""


def aligned(
    reps1: Mapping[str, object], reps2: Mapping[str, object]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Check that two sets of representations are of the same samples in the same order, and return their arrays.

    Parameters
    ----------
    reps1, reps2 : Representations, or mapping of str to (n, d) array
        Ids are compared where both have them, numbers of samples always.

    Returns
    -------
    tuple of dict
        The checked arrays of both, by the name of the tap.

    Raises
    ------
    ArgumentError
        If the numbers of samples differ, or the ids or their order; the message says how many are shared.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = aligned(Representations({"a": np.eye(3)}), {"b": np.ones((3, 2))})
    >>> list(x), list(y)
    (['a'], ['b'])
    """
    first, second = clouds(reps1), clouds(reps2)
    if isinstance(reps1, Representations) and isinstance(reps2, Representations):
        left, right = reps1.ids.tolist(), reps2.ids.tolist()
        if left != right:
            shared = same_order(reps1, reps2)
            raise ArgumentError(
                f"samples: got {len(left)} and {len(right)} samples, of which {shared} are shared; expected the same "
                "in the same order. Take both from the same inputs with the same n and rng, or keep the shared ones: "
                "reps.subset(ids=...)."
            )
    n, m = len(next(iter(first.values()))), len(next(iter(second.values())))
    if n != m:
        raise ArgumentError(
            f"samples: got {n} in the first and {m} in the second representations; expected the same samples in the "
            "same order. Take both from the same inputs with the same n and rng."
        )
    return first, second


def same_order(reps1: Representations, reps2: Representations) -> int:
    """Return how many samples two sets share; raise where they are the same in another order."""
    left, right = reps1.ids.tolist(), reps2.ids.tolist()
    shared = len(set(left) & set(right))
    if left != right and shared == len(left) == len(right):
        raise ArgumentError(
            f"samples: got the same {shared} samples in two orders; expected one order. Pass "
            "reps2.subset(ids=reps1.ids)."
        )
    return shared


def sample_ids(ids: object, n: int | None) -> np.ndarray:
    """Return ids as an array of integers or text, each once, of length n where n is given."""
    array = np.asarray(ids.detach().cpu() if hasattr(ids, "detach") else ids)
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)  # as pandas holds text
    if array.ndim != 1 or array.dtype.kind not in "iuU" or (n is not None and len(array) != n):
        expected = "one" if n is None else f"{n}"
        raise ArgumentError(
            f"ids: got an array of shape {array.shape} and type {array.dtype}; expected {expected} integers or texts "
            "in one dimension, one for each sample."
        )
    values, counts = np.unique(array, return_counts=True)
    if (counts > 1).any():
        raise ArgumentError(f"ids: got {values[counts > 1][0]!r} more than once; expected each sample once.")
    return array


def _read_only(array: np.ndarray) -> np.ndarray:
    return _frozen(array.copy()) if array.flags.writeable else array


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _some(names: list) -> str:
    """Write a few names of a list, whatever its length."""
    shown = [repr(name) for name in (names if len(names) <= 5 else [*names[:3], None, names[-1]])]
    return ", ".join("..." if text == "None" else text for text in shown)
