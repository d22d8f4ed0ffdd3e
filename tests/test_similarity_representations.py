"""The container of representations: nothing in it changes, its samples have names, and it comes back from a file."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from tapped import normal

from nngraph.errors import ArgumentError, FormatError
from nngraph.similarity import Representations, aligned


def three():
    return Representations({"a/b": normal(3, 2), "": np.float32(normal(3, 1)), "a": np.eye(3)}, ids=["x", "y", "z"])


def test_representations_cannot_be_changed_and_do_not_change_with_what_they_were_made_of():
    source = normal(3, 2)
    reps = Representations({"a": source, "t": torch.ones(3, 2, dtype=torch.bfloat16)})
    source[:] = 0
    assert (reps["a"] == normal(3, 2)).all()
    for array in (*reps.values(), reps.ids, *pickle.loads(pickle.dumps(reps)).values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(TypeError):
        reps["a"] = source
    with pytest.raises(AttributeError):
        reps.ids = source
    with pytest.raises(KeyError, match="no tap 'b'; there are 'a', 't'"):
        reps["b"]


def test_representations_come_back_from_their_file_bit_by_bit(tmp_path):
    reps = three()
    reps.save(tmp_path / "r.npz")
    again = Representations.load(tmp_path / "r.npz")
    assert again == reps
    assert list(again) == ["a/b", "", "a"]
    assert [values.tobytes() for values in again.values()] == [values.tobytes() for values in reps.values()]
    assert pickle.loads(pickle.dumps(reps)) == reps
    assert [path.name for path in tmp_path.iterdir()] == ["r.npz"]


def test_equality_sees_names_order_values_dtypes_and_ids():
    a, b = normal(3, 2), np.eye(3)
    same = Representations({"a": a, "b": b})
    assert same == Representations({"a": a, "b": b})
    for other in ({"b": b, "a": a}, {"a": a}, {"a": -a, "b": b}, {"a": a, "b": np.float32(b)}):
        assert same != Representations(other)
    assert same != Representations({"a": a, "b": b}, ids=[2, 1, 0])
    assert same != "a"


@pytest.mark.parametrize("damage", ["text", "pickle", "cut", "other", "empty"])
def test_a_file_that_is_none_of_ours_is_refused(tmp_path, damage):
    path = tmp_path / "r.npz"
    three().save(path)
    whole = path.read_bytes()
    if damage == "other":
        np.savez(path, x=np.eye(2))
    elif damage == "pickle":
        np.savez(path, names=np.array(["a", None], dtype=object), ids=np.arange(2))
    else:
        path.write_bytes({"text": b"0 1\n", "cut": whole[: len(whole) // 2], "empty": b""}[damage])
    with pytest.raises(FormatError, match="is no file of representations"):
        Representations.load(path)


def test_a_file_that_is_not_there_and_a_folder_that_is_not_there_are_said_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        Representations.load(tmp_path / "none.npz")
    with pytest.raises(ArgumentError, match="does not exist; make it first"):
        three().save(tmp_path / "no" / "r.npz")


def test_subsets_keep_the_order_that_is_asked_for():
    reps = three()
    part = reps.subset(["a", "a/b"], ids=["z", "x"])
    assert list(part) == ["a", "a/b"]
    assert part["a"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert reps.subset(ids=["z", "y", "x"]).subset(ids=reps.ids) == reps
    assert list(reps.subset("a")) == ["a"]
    for arguments, words in (
        ({"names": ["b"]}, "tap 'b'; expected some of 'a/b'"), ({"ids": ["x", "w", "v"]}, "'w', and 1 more"),
        ({"ids": ["x", "x"]}, "more than once"), ({"ids": ["x"]}, "got 1 sample"), ({"names": []}, "got none"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            reps.subset(**arguments)


def test_representations_of_other_samples_are_not_aligned_and_the_message_says_how_many_are_shared():
    reps = three()
    x, y = aligned(reps, reps.subset(["a"]))
    assert list(x) == list(reps)
    assert (y["a"] == np.eye(3)).all()
    aligned(reps, {"plain": normal(3, 4)})
    shifted = Representations({"a": normal(3, 2)}, ids=["y", "z", "w"])
    for other, words in (
        (shifted, "3 and 3 samples, of which 2 are shared"),
        (reps.subset(ids=["x", "y"]), "3 and 2 samples, of which 2 are shared"),
        (reps.subset(ids=["z", "y", "x"]), r"same 3 samples in two orders.*reps2.subset\(ids=reps1.ids\)"),
        ({"plain": normal(4, 2)}, "3 in the first and 4 in the second"),
        ([normal(3, 2)], "got list; expected a mapping"),
    ):
        with pytest.raises(ArgumentError, match=words):
            aligned(reps, other)
    turned = reps.subset(ids=["z", "y", "x"])
    aligned(reps, turned.subset(ids=reps.ids))


def test_the_repr_shows_how_much_there_is_not_all_of_it():
    assert repr(three()) == "Representations(3 taps of 3 samples, 1 to 3 dimensions: 'a/b', '', 'a')"
    many = Representations({str(i): np.eye(2) for i in range(93)})
    assert repr(many) == "Representations(93 taps of 2 samples, 2 to 2 dimensions: '0', '1', '2', ..., '92')"


def test_the_package_of_similarity_loads_without_torch():
    code = "import sys, nngraph.similarity as s; s.Tap('a'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize(("names", "words"), [((1, "1"), "which are one text"), (("a\0", "a"), "character NUL")])
def test_names_that_do_not_stay_apart_are_refused(names, words):
    with pytest.raises(ArgumentError, match=words):
        Representations(dict.fromkeys(names, np.eye(3)))
