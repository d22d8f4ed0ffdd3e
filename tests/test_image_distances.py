import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.datasets import Dataset
from nngraph.errors import ArgumentError
from nngraph.image_distances import ssim, ssim_distance, ssim_distances

DRAW = np.random.default_rng(0)
DIGITS = nng.datasets.load("digits")


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("shape", [(28, 28), (9, 12)])
@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_the_similarity_is_that_of_scikit_image(window, shape, data_range):
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    x, y = data_range * DRAW.random((2, 20, *shape)) - 1
    y[:5] = x[:5] + 0.1 * y[:5]
    theirs = [
        metrics.structural_similarity(a, b, win_size=window, data_range=data_range) for a, b in zip(x, y, strict=True)
    ]
    assert ssim(x, y, data_range=data_range, window=window) == pytest.approx(np.array(theirs), abs=1e-10)


def test_channels_are_averaged_as_scikit_image_does():
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    x, y = DRAW.random((2, 4, 3, 20, 20))
    theirs = [metrics.structural_similarity(a, b, data_range=1, channel_axis=0) for a, b in zip(x, y, strict=True)]
    assert ssim(x, y, data_range=1) == pytest.approx(np.array(theirs), abs=1e-10)


@given(st.integers(0, 2**32), st.integers(3, 12), st.integers(3, 12))
def test_it_is_symmetric_at_most_one_and_one_for_equal_images(seed, height, width):
    x, y = np.random.default_rng(seed).random((2, 3, height, width))
    there = ssim(x, y, data_range=1)
    assert there == pytest.approx(ssim(y, x, data_range=1), abs=1e-12)
    assert (there <= 1).all()
    assert ssim(x, x, data_range=1) == pytest.approx(np.ones(3))


def test_small_images_get_a_window_of_three_and_large_ones_of_seven():
    for side, window in ((15, 3), (16, 7)):
        x, y = DRAW.random((2, 2, side, side))
        assert np.array_equal(ssim(x, y, data_range=1), ssim(x, y, data_range=1, window=window))


def test_pairs_are_all_pairs_of_images_once_they_are_many():
    a, b = DRAW.random((4, 10, 10)), DRAW.random((3, 10, 10)) / 2
    every = np.mean([1 - ssim(x[None], y[None], data_range=1)[0] for x in a for y in b])
    assert ssim_distance(a, b, data_range=1, n=20_000, rng=0) == pytest.approx(every, abs=0.01)
    within = np.mean(
        [1 - ssim(a[i : i + 1], a[j : j + 1], data_range=1)[0] for i in range(4) for j in range(4) if i != j]
    )
    assert ssim_distance(a, a, data_range=1, n=20_000, rng=0) == pytest.approx(within, abs=0.01)


def test_the_matrix_is_symmetric_seeded_and_blind_to_which_other_pairs_are_asked_for():
    whole = ssim_distances(DIGITS, n=40, rng=3)
    assert whole.shape == (10, 10)
    assert whole.notna().all(axis=None)
    assert whole.equals(whole.T)
    few = ssim_distances(DIGITS, [(8, 1)], n=40, rng=3)
    assert few.equals(whole.loc[["1", "8"], ["1", "8"]])
    assert not few.equals(ssim_distances(DIGITS, [(8, 1)], n=40, rng=4).loc[["1", "8"], ["1", "8"]])


def test_classes_of_digits_are_more_alike_within_than_between():
    D = ssim_distances(DIGITS, n=300)
    inside = np.diag(D).copy()
    outside = D.to_numpy()[~np.eye(10, dtype=bool)]
    assert inside.mean() < outside.mean() - 0.05


@pytest.mark.parametrize(("a", "b", "distance"), [(7, 9, 0.71), (0, 1, 0.87), (0, 7, 0.86)])
def test_the_published_distances_of_mnist_are_found(a, b, distance):
    try:
        mnist = nng.datasets.load("mnist", download=False)
    except nng.errors.DatasetError as error:
        pytest.skip(str(error))
    D = ssim_distances(mnist, [(a, b)], n=2000)
    assert D.loc[str(a), str(b)] == pytest.approx(distance, abs=0.015)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda x: ssim(x, x[:, :5], data_range=1), "expected two stacks of the same shape"),
        (lambda x: ssim(x, x, data_range=0), "data_range: got 0"),
        (lambda x: ssim(x, x, data_range=1, window=4), "window: got 4 for images of 8x8; expected an odd number"),
        (lambda x: ssim(x, x, data_range=1, window=9), "from 3 to 8"),
        (lambda x: ssim_distance(x[:0], x, data_range=1), "got 0 and 4 images"),
        (lambda x: ssim_distance(x, x, data_range=1, n=0), "n: got 0"),
        (lambda x: ssim_distances(DIGITS, [(0, 12)], n=5), "got the class 12"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(wrong, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        wrong(DRAW.random((4, 8, 8)))


def test_colour_images_are_compared_by_channel():
    patches = nng.datasets.colour_patches(40, 20)
    D = ssim_distances(patches, [(0, 1)], n=20)
    assert isinstance(patches, Dataset)
    assert 0 < D.iloc[0, 1] < 2
