import contextlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block, Origin
from nngraph.errors import ArgumentError, FormatError
from nngraph.graph import Link, NeuralGraph, Part, Skipped, Step
from tests.strategies import graphs

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def same_bits(a, b):
    if a is None or b is None:
        return a is b
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def small(**changes):
    rng = np.random.default_rng(0)
    mask = rng.random((4, 3)) < 0.5
    origin = Origin("fc.weight", (4, 3), rows=(0, 4), bias="fc.bias", bias_rows=(0, 4), entries=np.arange(12))
    blocks = [
        Block.from_dense(
            "fc",
            "in",
            "out",
            rng.standard_normal((4, 3)).astype(np.float32),
            mask,
            bias=np.ones(4, dtype=np.float32),
            dtype="bfloat16",
            origin=origin,
            raw=np.full((4, 3), -0.0, dtype=np.float32),
        )
    ]
    settings = {
        "links": [Link("in", "in", "replica", np.array([2, 1, 0]))],
        "skipped": [Skipped("norm", "LayerNorm", "scales nodes")],
        "history": [Step("prune", {"fraction": 0.5, "blocks": ["fc"], "order": None}, "7/1.2")],
    }
    return NeuralGraph(blocks, [Part("in", 3, ("a", "b", "ü")), Part("out", 4)], **(settings | changes))


# ------------------------------------------------------------------------ laws


@given(graphs())
def test_a_saved_graph_comes_back_bit_for_bit(tmp_path_factory, G):
    path = tmp_path_factory.mktemp("net") / "net.nngraph"
    nng.save(G, path)
    H = nng.load(path)
    assert H == G
    assert H.parts == G.parts
    assert (H.links, H.skipped, H.history) == (G.links, G.skipped, G.history)
    for new, old in zip(H.blocks, G.blocks, strict=True):
        assert (new.dtype, new.is_sparse, new.origin) == (old.dtype, old.is_sparse, old.origin)
        for name in ("values", "mask", "bias", "raw", "weights"):
            assert same_bits(getattr(new, name), getattr(old, name))
        if old.origin is not None:
            assert same_bits(new.origin.entries, old.origin.entries)
            assert new.origin.key == old.origin.key


@given(graphs())
def test_the_same_graph_gives_the_same_bytes(tmp_path_factory, G):
    folder = tmp_path_factory.mktemp("net")
    nng.save(G, folder / "first")
    nng.save(nng.load(folder / "first"), folder / "second")
    nng.save(pickle.loads(pickle.dumps(G)), folder / "third")
    assert (folder / "first").read_bytes() == (folder / "second").read_bytes() == (folder / "third").read_bytes()


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_history_parameters_come_back(tmp_path_factory, parameters):
    path = tmp_path_factory.mktemp("net") / "net.nngraph"
    nng.save(small(history=[Step("operation", parameters, None)]), path)
    assert nng.load(path).history == (Step("operation", parameters, None),)


@given(graphs(), st.data())
def test_no_cut_of_a_file_is_read_as_a_graph(tmp_path_factory, G, data):
    path = tmp_path_factory.mktemp("net") / "net.nngraph"
    nng.save(G, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(FormatError, match=r"net\.nngraph"):
        nng.load(path)


@given(st.data())
def test_a_changed_byte_is_found_or_changes_nothing(tmp_path_factory, data):
    G = small()
    path = tmp_path_factory.mktemp("net") / "net.nngraph"
    nng.save(G, path)
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    with contextlib.suppress(FormatError):
        assert nng.load(path) == G


# ----------------------------------------------------------------------- cases


def test_numpy_values_in_the_history_become_plain_numbers_and_lists(tmp_path):
    parameters = {"fraction": np.float64(0.1), "n": np.int64(3), "on": np.True_, "order": (1, 2), "at": np.arange(2)}
    nng.save(small(history=[Step("operation", parameters)]), tmp_path / "net")
    back = nng.load(tmp_path / "net").history[0].parameters
    assert back == {"fraction": 0.1, "n": 3, "on": True, "order": [1, 2], "at": [0, 1]}
    assert [type(value) for value in back.values()] == [float, int, bool, list, list]


def test_a_history_that_json_cannot_hold_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(FormatError, match=r"history: the parameters of 'operation' .*type object.*expected numbers"):
        nng.save(small(history=[Step("operation", {"f": object()})]), tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "net.nngraph"
    nng.save(small(), path)
    before = path.read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    with pytest.raises(OSError, match="No space left"):
        nng.save(nng.from_matrices([np.ones((2, 2))]), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.nngraph"]


def test_a_save_replaces_an_older_file_and_follows_the_umask(tmp_path):
    path = tmp_path / "net.nngraph"
    path.write_text("something older")
    nng.save(small(), str(path))
    assert nng.load(str(path)) == small()
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_saving_into_a_missing_folder_or_over_a_folder_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="does not exist; make it first"):
        nng.save(small(), tmp_path / "missing" / "net")
    with pytest.raises(ArgumentError, match="is a folder"):
        nng.save(small(), tmp_path)


def test_a_loaded_graph_is_as_immutable_as_any_other(tmp_path):
    nng.save(small(), tmp_path / "net")
    block = nng.load(tmp_path / "net").blocks[0]
    for array in (block.values, block.bias, block.raw, block.mask, block.weights, block.origin.entries):
        assert not array.flags.writeable


def test_the_file_is_a_plain_zip_of_json_and_arrays_without_pickles(tmp_path):
    nng.save(small(), tmp_path / "net")
    with zipfile.ZipFile(tmp_path / "net") as archive:
        header = json.loads(archive.read("header.json"))
        assert (header["format"], header["version"]) == ("nngraph", 1)
        names = [name for name in archive.namelist() if name != "header.json"]
        assert names
        for name in names:
            assert np.load(io.BytesIO(archive.read(name)), allow_pickle=False).dtype != object
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def rewrite(path, change):
    """Write the archive anew with its header, or its arrays, changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"])
    change(header, members)
    if "header.json" in members:
        members["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def array_bytes(array, *, allow_pickle=False):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


class Touch:
    """A pickle that makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_an_array_that_holds_objects_is_refused_without_running_it(tmp_path):
    nng.save(small(), tmp_path / "net")
    evil = array_bytes(np.array([Touch(tmp_path / "touched")]), allow_pickle=True)
    rewrite(tmp_path / "net", lambda header, members: members.update({"blocks/0/weights.npy": evil}))
    with pytest.raises(FormatError, match="damaged"):
        nng.load(tmp_path / "net")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h, m: h.update(version=2), "format version 2; this nngraph reads up to version 1. Upgrade nngraph"),
        (lambda h, m: h.update(version="x"), "format version 'x'"),
        (lambda h, m: h.update(format="other"), "a zip archive of another kind"),
        (lambda h, m: m.pop("header.json"), "a zip archive of another kind"),
        (lambda h, m: h.pop("parts"), "damaged"),
        (lambda h, m: m.pop("blocks/0/bias.npy"), "damaged"),
        (lambda h, m: m.update({"blocks/0/weights.npy": array_bytes(np.ones((3, 3)))}), r"\(3, 3\), not \(4, 3\)"),
        (lambda h, m: m.update({"blocks/0/mask.npy": array_bytes(np.ones(1, np.uint8))}), "damaged"),
        (lambda h, m: m.update({"blocks/0/bias.npy": array_bytes(np.ones(3))}), "bias of shape"),
        (lambda h, m: m.update({"blocks/0/bias.npy": b"short"}), "damaged"),
        (lambda h, m: h["parts"][0].update(size=9), "damaged"),
    ],
)
def test_a_file_of_another_kind_version_or_content_is_refused_in_a_sentence(tmp_path, change, words):
    path = tmp_path / "net"
    nng.save(small(), path)
    rewrite(path, change)
    with pytest.raises(FormatError, match=words) as caught:
        nng.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("indptr", np.array([0, 1] + [2] * 9, dtype=np.int64)),
        ("indptr", np.array([0, 2, 1] + [2] * 10, dtype=np.int64)),
        ("indptr", np.array([1] + [2] * 12, dtype=np.int64)),
        ("indices", np.array([0, 99], dtype=np.int32)),
        ("indices", np.array([-1, 0], dtype=np.int32)),
        ("indices", np.array([0], dtype=np.int32)),
        ("indptr", np.array([0] + [2] * 12, dtype=np.int64)),
        ("data", np.ones(3)),
    ],
)
def test_compressed_rows_that_contradict_each_other_are_refused(tmp_path, name, array):
    mask = np.zeros((12, 12), dtype=bool)
    mask[3, 4] = mask[5, 1] = True
    G = nng.from_matrices([np.ones((12, 12))], [mask])
    assert G.blocks[0].is_sparse
    nng.save(G, tmp_path / "net")
    rewrite(tmp_path / "net", lambda header, members: members.update({f"blocks/0/{name}.npy": array_bytes(array)}))
    with pytest.raises(FormatError, match="compressed rows"):
        nng.load(tmp_path / "net")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"hello", "is no nngraph file"),
        (pickle.dumps({}), "is no nngraph file"),
        (b"PK\x03\x04abc", "cut short or damaged"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path, content, words):
    (tmp_path / "net").write_bytes(content)
    with pytest.raises(FormatError, match=words):
        nng.load(tmp_path / "net")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FormatError, match="there is no such file"):
        nng.load(tmp_path / "missing")
    with pytest.raises(FormatError, match="is a folder"):
        nng.load(tmp_path)


def test_a_numpy_archive_is_refused(tmp_path):
    np.savez(tmp_path / "net.npz", a=np.ones(3))
    with pytest.raises(FormatError, match=r"another kind \(it holds a.npy\)"):
        nng.load(tmp_path / "net.npz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_says_so(tmp_path):
    nng.save(small(), tmp_path / "net")
    (tmp_path / "net").chmod(0)
    with pytest.raises(PermissionError):
        nng.load(tmp_path / "net")


def one_edge(weight):
    return nng.from_matrices([np.array([[weight]])])


def test_what_is_no_regular_file_is_refused_and_stays(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(ArgumentError, match="is there and no regular file; expected a new name"):
            nng.save(one_edge(1.0), path)
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == [link, pipe]


def test_a_link_stays_and_the_file_it_points_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    target, link, chain = tmp_path / "there" / "net.nngraph", tmp_path / "link", tmp_path / "chain"
    link.symlink_to("there/net.nngraph")  # relative to where the link is
    chain.symlink_to("link")
    for path, weight in ((link, 1.0), (chain, 2.0), (link, 3.0)):
        nng.save(one_edge(weight), path)
        assert nng.load(target) == one_edge(weight)
        assert link.is_symlink()
        assert chain.is_symlink()
    assert list((tmp_path / "there").iterdir()) == [target]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("link", "is there and no regular file"),
        ("nowhere/net.nngraph", "the folder '.*nowhere' does not exist"),
        (".", "is a folder"),
    ],
)
def test_a_link_that_points_to_no_place_for_a_file_is_refused(target, words, tmp_path):
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ArgumentError, match=words):
        nng.save(one_edge(1.0), tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("stem", ["n" * 247, "é" * 123, "🧠" * 61])
def test_a_name_as_long_as_the_system_allows_is_no_obstacle(stem, tmp_path):
    path = tmp_path / f"{stem}.nngraph"
    nng.save(one_edge(1.0), path)
    assert nng.load(path) == one_edge(1.0)
