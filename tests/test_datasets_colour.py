"""Colour images: patches of two photographs, and the binary files of CIFAR-10."""

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest

from nngraph import _patches
from nngraph.datasets import colour_patches, load
from nngraph.errors import ArgumentError, DatasetError, FormatError

FILES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without any data set."""
    monkeypatch.delenv("NNGRAPH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


# --------------------------------------------------------------------- patches


@pytest.fixture(scope="module")
def photographs():
    from sklearn.datasets import load_sample_images

    return load_sample_images().images


def places_of(patch, band):
    """Rows and columns at which a patch occurs in a band, by comparing everywhere."""
    height, width = band.shape[0] - 31, band.shape[1] - 31
    corner = (band[:height, :width] == patch[0, 0]).all(axis=-1)
    corner &= (band[31:, 31:] == patch[31, 31]).all(axis=-1)
    return [(y, x) for y, x in np.argwhere(corner) if np.array_equal(band[y : y + 32, x : x + 32], patch)]


def test_patches_are_cut_from_their_band_of_their_photograph_and_no_pixel_is_in_both_halves(photographs):
    train, train_labels, test, test_labels = _patches.read_patches(200, 100, np.random.SeedSequence(3))
    seen = {half: np.zeros((10, 85, 640), dtype=bool) for half in ("train", "test")}
    for half, images, labels in (("train", train, train_labels), ("test", test, test_labels)):
        for image, label in zip(images, labels, strict=True):
            band = photographs[label // 5][label % 5 * 85 :][:85]
            found = places_of(image.transpose(1, 2, 0), band)
            assert len(found) == 1  # photographs repeat nothing exactly
            (y, x) = found[0]
            seen[half][label, y : y + 32, x : x + 32] = True
    assert not (seen["train"] & seen["test"]).any()
    assert seen["train"].any(axis=(1, 2)).all()
    assert seen["test"].any(axis=(1, 2)).all()


def test_patches_share_the_classes_evenly_and_depend_on_the_seed_alone():
    data, again, other = (colour_patches(57, 23, rng=rng) for rng in (0, 0, 1))
    assert sorted(np.bincount(data.labels, minlength=10)) == [5] * 3 + [6] * 7
    assert sorted(np.bincount(data.test_labels, minlength=10)) == [2] * 7 + [3] * 3
    np.testing.assert_array_equal(data.images, again.images)
    assert not np.array_equal(data.images, other.images)
    assert data.images.shape == (57, 3 * 32 * 32)
    assert data.images.dtype == np.float32
    assert (data.images.min(), data.images.max()) == (-1, 1)


def test_no_patch_comes_twice():
    images = colour_patches(2000, 10).images
    assert len(np.unique(images, axis=0)) == 2000


def test_the_data_set_of_that_name_is_the_patches_with_their_defaults():
    data, patches = load("colour-patches", scaling="[0,1]"), colour_patches(scaling="[0,1]")
    np.testing.assert_array_equal(data.images, patches.images)
    assert data.images.min() == 0
    assert data.task().n_classes == 10


@pytest.mark.parametrize("arguments", [{"n_train": 9}, {"n_test": 53_461}, {"n_train": True}, {"n_test": 20.0}])
def test_numbers_of_patches_that_cannot_be_are_refused(arguments):
    with pytest.raises(ArgumentError, match="expected an integer from 10 to"):
        colour_patches(**arguments)


def test_an_unknown_scaling_is_refused():
    with pytest.raises(ArgumentError, match="scaling"):
        colour_patches(scaling="[0,255]")


# -------------------------------------------------------------------- CIFAR-10


def small_files():
    """Six files of the published form with four records each, and the pixels that they hold."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 4, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, (6, 4))
    contents = {
        file: b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels[i], pixels[i], strict=True))
        for i, file in enumerate(FILES)
    }
    return contents, pixels, labels


def unpacked(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        (folder / file).write_bytes(content)


def archive(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for file, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("write", [unpacked, archive])
@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin", "cifar-10"])
def test_the_binary_version_is_read_from_its_folder_and_from_its_archive(nowhere, write, inner):
    contents, pixels, labels = small_files()
    write(nowhere / "root" / inner, contents)
    data = load("cifar-10", root=nowhere / "root")
    np.testing.assert_allclose(data.images, pixels[:5].reshape(20, -1) / 255 * 2 - 1, atol=1e-6)
    np.testing.assert_array_equal(data.labels, labels[:5].ravel())
    np.testing.assert_array_equal(data.test_labels, labels[5])
    assert data.image_shape == (3, 32, 32)
    assert data.class_names[6] == "frog"
    assert "20 images of 3x32x32, 4 test images" in repr(data)


def test_the_environment_is_looked_into_and_nothing_is_written(nowhere, monkeypatch):
    archive(nowhere / "held", small_files()[0])
    monkeypatch.setenv("NNGRAPH_DATA", str(nowhere / "held"))
    assert len(load("cifar-10").labels) == 20
    assert [path.name for path in (nowhere / "held").iterdir()] == ["cifar-10-binary.tar.gz"]


def test_the_python_version_is_refused_unread(nowhere):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('the pickle was read')",))

    folder = nowhere / "root" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DatasetError, match=r"cifar-10-binary\.tar\.gz"):
        load("cifar-10", root=nowhere / "root")


def test_without_files_one_sentence_says_where_to_get_them_and_what_needs_none(nowhere):
    with pytest.raises(DatasetError) as caught:
        load("cifar-10")
    message = str(caught.value)
    assert all(word in message for word in ("root=", "NNGRAPH_DATA", "colour-patches", "cifar-10-binary.tar.gz"))
    assert message.endswith(".")
    assert "\n" not in message


DAMAGES = {
    "cut short": (lambda content: content[:-1], "expected a multiple of 3,073"),
    "empty": (lambda content: b"", "got 0 bytes"),
    "label too large": (lambda content: b"\x0a" + content[1:], "label 10"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("write", [unpacked, archive])
def test_a_damaged_file_is_a_format_error_that_names_it(nowhere, damage, write):
    spoil, message = DAMAGES[damage]
    contents = small_files()[0]
    contents["data_batch_3.bin"] = spoil(contents["data_batch_3.bin"])
    write(nowhere, contents)
    with pytest.raises(FormatError, match=message) as caught:
        load("cifar-10", root=nowhere)
    assert "data_batch_3.bin" in str(caught.value)


def test_a_damaged_archive_and_one_that_lacks_a_file_are_format_errors(nowhere):
    contents = small_files()[0]
    del contents["test_batch.bin"]
    archive(nowhere, contents)
    with pytest.raises(FormatError, match=r"has no test_batch\.bin"):
        load("cifar-10", root=nowhere)
    path = nowhere / "cifar-10-binary.tar.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"<!doctype html>", gzip.compress(b"no archive")):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"no whole tar\.gz archive"):
            load("cifar-10", root=nowhere)
