"""Many calls at once: by processes of this machine, or by the workers of a cluster that joblib has been told of.

A cluster is whatever backend of joblib runs elsewhere, as in ``joblib.parallel_config(backend="dask")``. What its
workers need goes through the folder of results, which they have to see: arrays once each, whatever the number of calls
that use them, so that no scheduler has to carry data. A call itself consists of texts and numbers, and of a function
that travels by value: a worker that lacks the package says so, where joblib would wait for it without end.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pickle
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nngraph._progress import progress
from nngraph.errors import StudyError

T = TypeVar("T")
_ALONE = threading.Lock()  # what calls share may be edited by each in its turn, as a model whose weights are probed
_LARGE = 1 << 20  # bytes from which an array is stored once, apart from the calls that use it


def on_cluster() -> bool:
    """Tell whether joblib's active backend runs on machines that may be others than this one."""
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    return not type(backend).__module__.startswith("joblib._parallel_backends")


def unordered(
    function: Callable[..., T],
    items: Sequence[object],
    common: tuple[object, ...],
    *,
    folder: Path | None,
    n_jobs: int,
    label: str,
) -> Iterator[T]:
    """Yield ``function(item, *common)`` of each item, as they are done, with a progress bar.

    Parameters
    ----------
    function : callable
        Of a module, so that it can be named.
    items : sequence
        One for each call.
    common : tuple
        The arguments that all calls share.
    folder : path, optional
        Of the results: what errors name, and what a cluster's workers have to see.
    n_jobs : int
        Processes; on a cluster all of its workers are used, whatever this number.
    label : str
        For the progress bar.

    Raises
    ------
    StudyError
        If a process or the cluster fails, rather than a call; on a cluster without a folder.
    """
    import joblib

    with _in_words(folder or "n_jobs"):
        if not on_cluster():
            calls = (joblib.delayed(function)(item, *common) for item in items)
            yield from progress(_results(calls, n_jobs=n_jobs, pre_dispatch="n_jobs"), total=len(items), label=label)
            return
        if folder is None:
            raise StudyError("folder: got None on a cluster; expected a folder of results that all workers share.")
        with _sent(function, items, common, folder.resolve()) as sent:  # small: workers that come later find work too
            yield from progress(
                _results(sent, n_jobs=-1, pre_dispatch="all", batch_size=1), total=len(items), label=label
            )


def _results(calls: Iterable[Any], **options: Any) -> Iterator[Any]:
    """Yield what joblib makes of the calls, one by one where its backend can, else when all are done."""
    import joblib

    class Parallel(joblib.Parallel):  # type: ignore[misc]
        def _initialize_backend(self) -> int:
            n_jobs: int = super()._initialize_backend()
            return max(n_jobs, 2) if on_cluster() else n_jobs  # for one worker joblib would do the work here

    backend, _ = joblib.parallel.get_active_backend()
    how = "generator_unordered" if backend.supports_return_generator else "list"
    yield from Parallel(return_as=how, **options)(calls)


@contextlib.contextmanager
def _sent(
    function: Callable[..., object], items: Sequence[object], common: tuple[object, ...], folder: Path
) -> Iterator[Iterator[Any]]:
    """Put what the calls need into a folder within the folder of results; it is removed at the end."""
    import joblib

    place = folder / f".work-{uuid.uuid4().hex[:12]}"
    versions = {name: _version(name) for name in ("nngraph", "torch", "numpy")}
    try:
        place.mkdir(parents=True)
        arrays: Arrays = {}
        _write(place, "common", (function, common), arrays)
        for i, item in enumerate(items):
            _write(place, f"item-{i}", item, arrays)
        call = _traveller()
        yield (joblib.delayed(call)(str(place), i, versions) for i in range(len(items)))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _traveller() -> Callable[[str, int, dict[str, str]], Any]:
    """Return a function that pickles by value, because no module has it."""

    def call(place: str, number: int, versions: dict[str, str]) -> Any:
        import pkgutil
        import socket

        try:
            answer = pkgutil.resolve_name("nngraph._parallel:answer")
        except ImportError as error:
            raise ImportError(
                f"the worker on {socket.gethostname()} cannot import nngraph._parallel ({error}). Install nngraph "
                f"{versions['nngraph']} for every worker"
            ) from None
        return answer(place, number, versions)

    return call


def answer(place: str, number: int, versions: dict[str, str]) -> Any:
    """Do one call, on a worker."""
    import socket

    folder = Path(place)
    where = f"the worker on {socket.gethostname()}"
    for name, version in versions.items():
        if _version(name) != version:
            raise StudyError(
                f"{where}: has {name} {_version(name)}; the study has {version}. Install the same on every worker."
            )
    if not folder.is_dir():
        raise StudyError(
            f"{where}: does not see {folder.parent}. Put the results into a folder that all workers share."
        )
    with _ALONE:
        function, common = _shared(place)
        return function(_read(folder, f"item-{number}"), *common)


Arrays = dict[int, tuple[np.ndarray, str]]


def _write(place: Path, name: str, thing: object, arrays: Arrays) -> None:
    """Pickle a thing; its large arrays become files of their own, one each, whatever the number of things with them."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def persistent_id(self, value: object) -> str | None:
            return _array_file(place, value, arrays)

    with (place / f"{name}.pkl").open("wb") as file:
        try:
            Pickler(file).dump(thing)
        except (TypeError, AttributeError) as error:
            raise pickle.PicklingError(str(error)) from error


def _array_file(place: Path, value: object, arrays: Arrays) -> str | None:
    if type(value) is not np.ndarray or value.nbytes < _LARGE or value.dtype.hasobject:
        return None
    if id(value) not in arrays:
        arrays[id(value)] = (value, f"array-{len(arrays)}.npy")  # the array is kept, so that its id is not used again
        np.save(place / arrays[id(value)][1], value)
    return arrays[id(value)][1]


def _read(place: Path, name: str) -> Any:
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> np.ndarray:
            array: np.ndarray = np.load(place / pid, mmap_mode="r")  # pages that all processes of a machine share
            return array.view(np.ndarray)

    with (place / f"{name}.pkl").open("rb") as file:
        return Unpickler(file).load()


@functools.lru_cache(maxsize=1)
def _shared(place: str) -> Any:
    return _read(Path(place), "common")


def _version(name: str) -> str:
    from importlib.metadata import version

    return str(importlib.import_module(name).__version__) if name == "nngraph" else version(name)


@contextlib.contextmanager
def _in_words(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Put into words what goes wrong between processes; what goes wrong in a call is the call's own business."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        yield
    except BrokenProcessPool as error:
        raise StudyError(
            f"{folder}: a process was killed, perhaps for want of memory; what is finished is kept. Run the study "
            "again to go on, with fewer processes if memory is short."
        ) from error
    except pickle.PicklingError as error:
        lines = [line for line in str(error.__cause__ or error).splitlines() if line.strip(' "')]
        raise StudyError(
            f"{folder}: the tasks, functions or network cannot be sent to another process ({lines[-1]}). Use one "
            "process."
        ) from error
    except (ImportError, TimeoutError) as error:
        if not on_cluster():
            raise
        raise StudyError(f"{folder}: {' '.join(str(error).split()).rstrip('.')}. What is finished is kept.") from error
    except Exception as error:
        if not type(error).__module__.startswith(("distributed", "ray")):
            raise
        raise StudyError(
            f"{folder}: the cluster is lost ({type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}). What "
            "is finished is kept; run the study again, on a cluster or without, to go on."
        ) from error
