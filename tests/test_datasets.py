"""Data sets: known facts of the published ones, the canvas, splits, idx files, downloads."""

import gzip
import hashlib
import http.server
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

import nngraph._idx as idx
from nngraph.datasets import Dataset, Task, load
from nngraph.errors import ArgumentError, DatasetError, FormatError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without any data set and without a network."""
    monkeypatch.delenv("NNGRAPH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, source in idx.SOURCES.items():
        offline = source._replace(installed=None, addresses=("http://127.0.0.1:9/",))
        monkeypatch.setitem(idx.SOURCES, name, offline)
    return tmp_path


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def small_files(folder: Path, n_train: int = 12, n_test: int = 6, packed: bool = False) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (n_train, 28, 28)),
        np.arange(n_train) % 10,
        rng.integers(0, 256, (n_test, 28, 28)),
        np.arange(n_test) % 10,
    ]
    contents = {file: idx_bytes(array) for file, array in zip(idx.FILES, arrays, strict=True)}
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        if packed:
            (folder / f"{file}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / file).write_bytes(content)
    return contents


# ---------------------------------------------------------------------- digits


def test_digits_are_the_images_of_scikit_learn_on_a_canvas(digits):
    from sklearn.datasets import load_digits

    raw = load_digits()
    assert digits.images.shape == (1797, 784)
    assert digits.images.dtype == np.float32
    np.testing.assert_array_equal(digits.labels, raw.target)
    # the oracle: linear interpolation at 20 points from the first to the last pixel of each axis
    at = np.linspace(0, 7, 20)
    interpolate = np.array([np.interp(at, np.arange(8), unit) for unit in np.eye(8)]).T
    ink = interpolate @ (raw.images / 16) @ interpolate.T
    canvas = digits.images.reshape(-1, 28, 28)
    np.testing.assert_allclose(canvas[:, 4:24, 4:24], 2 * ink - 1, atol=1e-6)
    border = np.ones((28, 28), dtype=bool)
    border[4:24, 4:24] = False
    assert (canvas[:, border] == -1).all()


def test_the_other_scaling_is_the_same_images_from_zero_to_one(digits):
    unit = load("digits", scaling="[0,1]").images
    assert (unit.min(), unit.max()) == (0, 1)
    np.testing.assert_allclose(2 * unit - 1, digits.images, atol=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0, 7), (1, 8), (3, 9)])
def test_a_pair_of_digits_is_halved_within_each_class(digits, a, b):
    task = digits.pair(a, b, rng=3)
    for place, label in enumerate((a, b)):
        n = np.count_nonzero(digits.labels == label)
        assert np.count_nonzero(task.y_train == place) == (n + 1) // 2
        assert np.count_nonzero(task.y_test == place) == n // 2
    both = np.concatenate([task.x_train, task.x_test])
    expected = digits.images[np.isin(digits.labels, [a, b])]
    np.testing.assert_array_equal(np.sort(both.view("V3136").ravel()), np.sort(expected.view("V3136").ravel()))


def test_labels_of_a_task_are_places_in_the_list_of_classes(digits):
    forward, backward = digits.pair(1, 8, rng=0), digits.pair(8, 1, rng=0)
    np.testing.assert_array_equal(forward.x_train, backward.x_train)
    np.testing.assert_array_equal(forward.y_train, 1 - backward.y_train)


def test_the_split_follows_the_seed_and_the_class_alone(digits):
    first, again, other = (digits.pair(1, 8, rng=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert not np.array_equal(first.x_train, other.x_train)
    ones = digits.pair(1, 3, rng=5)
    np.testing.assert_array_equal(ones.x_train[ones.y_train == 0], first.x_train[first.y_train == 0])


def test_a_task_of_all_classes_has_them_all(digits):
    task = digits.task(rng=0)
    assert task.n_classes == 10
    assert len(task.y_train) + len(task.y_test) == 1797
    assert task.chance == np.bincount(task.y_test).max() / len(task.y_test)
    assert task.meta["scaling"] == "[-1,1]"


@pytest.mark.parametrize("classes", [(1,), (1, 1), (1, 10), (1, -1), ("one", 2), (True, 2)])
def test_classes_that_do_not_exist_or_repeat_are_refused(digits, classes):
    with pytest.raises(ArgumentError):
        digits.task(classes)


def test_names_and_options_are_checked():
    with pytest.raises(ArgumentError, match="'digits', 'fashion-mnist', 'mnist'"):
        load("cifar")
    with pytest.raises(ArgumentError, match="scaling"):
        load("digits", scaling="[0,255]")


# ----------------------------------------------------------------------- tasks


def test_a_task_takes_plain_arrays():
    task = Task("mine", np.zeros((3, 5)), [0, 1, 2], np.zeros((4, 5)), np.array([2, 2, 0, 2], dtype=np.uint8))
    assert task.n_classes == 3
    assert task.chance == 0.75
    assert task.y_test.dtype == np.int64


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), [0, 1], "x_train of shape"),
        (np.zeros(3), [0, 1, 0], "x_train of shape"),
        (np.zeros((0, 2)), [], "x_train of shape"),
        (np.zeros((2, 2)), [0.0, 1.0], "integers"),
        (np.zeros((2, 2)), [-1, 1], "integers"),
        (np.zeros((2, 3)), [0, 1], "expected the same"),
    ],
)
def test_a_task_with_arrays_that_do_not_fit_is_refused(x, y, message):
    with pytest.raises(ArgumentError, match=message):
        Task("mine", x, y, np.zeros((2, 2)), [0, 1])


# ------------------------------------------------------------------- idx files


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inner", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_files_are_found_plain_or_packed_in_each_of_the_folders(nowhere, packed, inner):
    contents = small_files(nowhere / "root" / inner, packed=packed)
    data = load("fashion-mnist", root=nowhere / "root")
    pixels = np.frombuffer(contents[idx.FILES[0]], np.uint8, offset=16).reshape(12, 784)
    np.testing.assert_allclose(data.images, pixels / 255 * 2 - 1, atol=1e-6)
    np.testing.assert_array_equal(data.test_labels, np.arange(6))
    task = data.pair("T-shirt", "Trouser")
    assert (len(task.x_train), len(task.x_test)) == (4, 2)


def test_root_comes_before_the_environment_and_that_before_the_cache(nowhere, monkeypatch):
    small_files(nowhere / "cache" / "nngraph" / "mnist", n_train=10)
    assert len(load("mnist").labels) == 10
    small_files(nowhere / "environment", n_train=11)
    monkeypatch.setenv("NNGRAPH_DATA", str(nowhere / "environment"))
    assert len(load("mnist").labels) == 11
    small_files(nowhere / "root", n_train=13)
    assert len(load("mnist", root=nowhere / "root").labels) == 13


def test_files_that_are_not_the_published_ones_are_named_in_the_log(nowhere, caplog):
    small_files(nowhere)
    with caplog.at_level(logging.WARNING, "nngraph"):
        load("mnist", root=nowhere)
    assert "differs from the published mnist" in caplog.text
    assert f"expected {idx.SOURCES['mnist'].sha256[0]}" in caplog.text


def test_the_files_of_another_data_set_are_refused(nowhere, monkeypatch):
    contents = small_files(nowhere)
    digests = tuple(hashlib.sha256(contents[file]).hexdigest() for file in idx.FILES)
    monkeypatch.setitem(idx.SOURCES, "fashion-mnist", idx.SOURCES["fashion-mnist"]._replace(sha256=digests))
    assert len(load("fashion-mnist", root=nowhere).labels) == 12
    with pytest.raises(FormatError, match="of fashion-mnist; expected the train-images-idx3-ubyte of mnist"):
        load("mnist", root=nowhere)


def cut(content: bytes) -> bytes:
    return content[:-1]


DAMAGES = {
    "cut short": (0, cut, "bytes for an array of shape"),
    "one byte more": (0, lambda content: content + b"x", "bytes for an array of shape"),
    "empty": (1, lambda content: b"", "begins with nothing"),
    "header alone": (0, lambda content: content[:9], "no idx file"),
    "a web page": (2, lambda content: b"<!doctype html>", "no idx file"),
    "floats": (0, lambda content: content[:2] + b"\x0d" + content[3:], "no idx file"),
    "labels for images": (0, lambda content: idx_bytes(np.arange(12)), "expected images"),
    "images for labels": (1, lambda content: idx_bytes(np.zeros((12, 2, 2))), "expected labels"),
    "too few labels": (1, lambda content: idx_bytes(np.arange(9)), "9 labels"),
    "label too large": (3, lambda content: idx_bytes(np.array([0, 1, 2, 3, 4, 10])), "up to 10"),
    "other image size": (2, lambda content: idx_bytes(np.zeros((6, 14, 14))), "got images of"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_a_format_error_that_names_it(nowhere, damage):
    which, spoil, message = DAMAGES[damage]
    contents = small_files(nowhere)
    (nowhere / idx.FILES[which]).write_bytes(spoil(contents[idx.FILES[which]]))
    with pytest.raises(FormatError, match=message) as caught:
        load("mnist", root=nowhere)
    assert str(nowhere) in str(caught.value)


@pytest.mark.parametrize("spoil", [cut, lambda packed: packed[: len(packed) // 2], lambda packed: b"plain"])
def test_a_damaged_gzip_file_is_a_format_error(nowhere, spoil):
    small_files(nowhere, packed=True)
    path = nowhere / f"{idx.FILES[0]}.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(FormatError, match="no whole gzip file"):
        load("mnist", root=nowhere)


# ------------------------------------------------------------------- downloads


@pytest.fixture
def server(nowhere, monkeypatch):
    """The official address, here on this machine, with small files."""
    contents = small_files(nowhere / "served", packed=True)
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(nowhere / "served"), **kwargs)

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        source = idx.SOURCES["mnist"]._replace(
            addresses=("http://127.0.0.1:9/", f"http://127.0.0.1:{httpd.server_port}/"),
            sha256=tuple(hashlib.sha256(contents[file]).hexdigest() for file in idx.FILES),
        )
        monkeypatch.setitem(idx.SOURCES, "mnist", source)
        yield nowhere, asked
        httpd.shutdown()


def test_missing_files_are_downloaded_once_from_the_first_address_that_answers(server):
    folder, asked = server
    first = load("mnist", root=folder / "data")
    assert len(asked) == 4
    again = load("mnist", root=folder / "data")
    assert len(asked) == 4
    np.testing.assert_array_equal(first.images, again.images)
    assert sorted(os.listdir(folder / "data" / "mnist")) == sorted(f"{file}.gz" for file in idx.FILES)


def test_a_download_of_other_content_is_refused_and_leaves_nothing(server, monkeypatch):
    folder, _ = server
    wrong = idx.SOURCES["mnist"]._replace(sha256=("0" * 64,) * 4)
    monkeypatch.setitem(idx.SOURCES, "mnist", wrong)
    with pytest.raises(DatasetError, match="SHA-256"):
        load("mnist", root=folder / "data")
    assert not (folder / "data").exists()


def test_without_a_network_one_sentence_names_the_three_ways_out(nowhere):
    for name, third in (("fashion-mnist", "dataset-fashion-mnist"), ("mnist", "load('digits')")):
        with pytest.raises(DatasetError) as caught:
            load(name)
        message = str(caught.value)
        assert all(way in message for way in ("network connection", "root=", "NNGRAPH_DATA", third))
        assert message.endswith(".")
        assert "\n" not in message


def test_nothing_is_fetched_when_downloading_is_off(server):
    folder, asked = server
    with pytest.raises(DatasetError, match="downloading is off"):
        load("mnist", root=folder / "data", download=False)
    assert not asked


# --------------------------------------------------------------- the real sets


@pytest.mark.parametrize(("name", "mean", "sd"), [("fashion-mnist", 0.2860, 0.3530), ("mnist", 0.1307, 0.3081)])
def test_the_published_files_have_their_known_moments(name, mean, sd):
    try:
        data = load(name, scaling="[0,1]", download=False)
    except DatasetError as error:
        pytest.skip(str(error))
    except FormatError as error:
        if f"of {name}." in str(error):  # NNGRAPH_DATA names a folder of the other set's files
            pytest.skip(str(error))
        raise
    assert data.images.shape == (60000, 784)
    assert round(float(data.images.mean(dtype=np.float64)), 4) == mean
    assert round(float(data.images.std(dtype=np.float64)), 4) == sd
    task = data.pair(0, 1)
    assert len(task.y_test) == np.count_nonzero(data.test_labels < 2)
    if name == "fashion-mnist":
        assert (len(task.y_train), len(task.y_test), task.chance) == (12000, 2000, 0.5)
