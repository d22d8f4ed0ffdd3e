"""Calls that go to a cluster: what is sent, what comes back, and what is said when a worker is not fit."""

import functools
import pickle
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import torch

import nngraph as nng
from nngraph import _parallel
from nngraph.errors import StudyError


def _scaled(item, table, factor):
    return float(factor * table[item].sum())


def _sum(item, scale):
    name, array = item
    return name, float(scale * array.sum())


def _mean(x, model):
    return float(model(x)[:, 0].mean())


class _Elsewhere(joblib.parallel.ThreadingBackend):
    """Counts as a cluster, because joblib's own module does not define it; every call goes through pickle."""

    supports_return_generator = False

    def submit(self, func, callback=None):
        import cloudpickle

        return super().submit(pickle.loads(cloudpickle.dumps(func)), callback)


@pytest.fixture
def cluster():
    joblib.register_parallel_backend("elsewhere", _Elsewhere)
    with joblib.parallel_config(backend="elsewhere", n_jobs=2):
        yield
    joblib.parallel.BACKENDS.pop("elsewhere")
    _parallel._shared.cache_clear()


def _run(function, items, common, folder, n_jobs=1):
    return list(_parallel.unordered(function, items, common, folder=folder, n_jobs=n_jobs, label="calls"))


def test_a_backend_from_elsewhere_is_a_cluster_and_joblibs_own_are_not(cluster):
    assert _parallel.on_cluster()
    for own in ("loky", "threading", "multiprocessing", "sequential"):
        with joblib.parallel_config(backend=own):
            assert not _parallel.on_cluster()


def test_a_cluster_gives_what_one_process_gives(tmp_path, cluster):
    table = np.arange(300_000.0).reshape(3, -1)
    found = sorted(_run(_scaled, range(3), (table, 2.0), tmp_path))
    with joblib.parallel_config(backend="sequential"):
        assert found == sorted(_run(_scaled, range(3), (table, 2.0), tmp_path))


def test_the_folder_of_results_is_left_as_it_was(tmp_path, cluster):
    _run(_scaled, range(3), (np.ones((3, 4)), 1.0), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(IndexError):
        _run(_scaled, [7], (np.ones((3, 4)), 1.0), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_array_of_many_calls_is_stored_once_and_read_as_a_map_of_its_file(tmp_path):
    array = np.arange(200_000.0)
    items = [("a", array), ("b", array), ("c", array[:3].copy())]
    with _parallel._sent(_sum, items, (2.0,), tmp_path) as calls:
        (place,) = tmp_path.iterdir()
        assert [path.stat().st_size > array.nbytes for path in sorted(place.glob("array-*"))] == [True]
        assert all(path.stat().st_size < 1000 for path in place.glob("item-*"))
        name, read = _parallel._read(place, "item-1")
        assert name == "b"
        assert isinstance(read.base, np.memmap)
        assert not read.flags.writeable
        np.testing.assert_array_equal(read, array)
        sent = [arguments for _, arguments, _ in calls]
    assert all(isinstance(value, (str, int, dict)) for arguments in sent for value in arguments)


def test_what_travels_names_no_module_of_the_package(tmp_path):
    import cloudpickle

    with _parallel._sent(_sum, [("a", np.ones(3))], (1.0,), tmp_path) as calls:
        function, arguments, _ = next(calls)
        message = cloudpickle.dumps((function, arguments))
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "nngraph"}
    sys.modules["nngraph"] = None  # what the import system takes for: there is none
    try:
        call, received = pickle.loads(message)
        with pytest.raises(ImportError, match=r"cannot import nngraph\._parallel .* Install nngraph \d"):
            call(*received)
    finally:
        sys.modules.update(hidden)


def test_a_worker_that_does_not_see_the_folder_or_has_other_versions_says_so(tmp_path):
    versions = {name: _parallel._version(name) for name in ("nngraph", "torch", "numpy")}
    with pytest.raises(StudyError, match=r"does not see .*Put the results into a folder that all workers share\."):
        _parallel.answer(str(tmp_path / "results" / ".work-1"), 0, versions)
    with pytest.raises(StudyError, match=r"has torch .*; the study has 1\.0\. Install the same"):
        _parallel.answer(str(tmp_path), 0, versions | {"torch": "1.0"})


def test_a_function_that_cannot_be_sent_is_one_sentence(tmp_path, cluster):
    import threading

    with pytest.raises(StudyError, match=r"cannot be sent to another process"):
        _run(_scaled, [0], (threading.Lock(), 1.0), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_a_cluster_is_refused(cluster):
    with pytest.raises(StudyError, match="folder: got None on a cluster"):
        _run(_scaled, [0], (np.ones((1, 2)), 1.0), None)


def test_matrices_are_probed_on_a_cluster_as_here(tmp_path, cluster):
    model, x = nng.mlp((6, 5, 2), rng=0), torch.eye(6)
    before = [parameter.clone() for parameter in model.parameters()]
    options = {"probes": {"prune": [0.5], "flip": [0.2, 0.4]}, "draws": 2, "rng": 0}
    found = nng.layer_robustness(model, functools.partial(_mean, x), folder=tmp_path / "there", **options)
    with joblib.parallel_config(backend="sequential"):
        here = nng.layer_robustness(model, functools.partial(_mean, x), folder=tmp_path / "here", **options)
    pd.testing.assert_frame_equal(found, here)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
