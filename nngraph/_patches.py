"""Colour patches of scikit-learn's two photographs: a stand-in for data sets of small photographs, without files."""

from __future__ import annotations

import numpy as np

from nngraph._rng import child, generator

CLASS_NAMES = tuple(f"{image} {band}" for image in ("temple", "flower") for band in range(1, 6))
SHAPE = (3, 32, 32)
HEIGHT, WIDTH = 85, 64
"""Of a tile, in pixels."""
TILES = {"train": 7, "test": 3}
"""In each band, ten in all."""
ROWS, COLUMNS = HEIGHT - SHAPE[1] + 1, WIDTH - SHAPE[2] + 1


def most(half: str) -> int:
    """Return how many patches there are at most: all places in the tiles of all ten bands."""
    return len(CLASS_NAMES) * TILES[half] * ROWS * COLUMNS


def read_patches(
    n_train: int, n_test: int, seed: np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training patches (n, 3, 32, 32) and classes, and those for testing, bytes.

    A class is one of five horizontal bands of one of the two photographs. Each band is cut into ten tiles of 85 x 64
    pixels, of which three, drawn by the seed, are for testing alone. A patch lies within one tile, at places drawn
    without repetition, so that training and test patches share no pixel.
    """
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    n_classes = len(CLASS_NAMES)
    halves: list[np.ndarray] = []
    for half, n in (("train", n_train), ("test", n_test)):
        images, labels = np.empty((n, *SHAPE), dtype=np.uint8), np.arange(n) % n_classes
        for label in range(n_classes):
            image, top = photographs[label // 5], label % 5 * HEIGHT
            tiles = generator(child(seed, "tiles", label)).permutation(sum(TILES.values()))
            own = tiles[TILES["test"] :] if half == "train" else tiles[: TILES["test"]]
            members = np.flatnonzero(labels == label)
            draw = generator(child(seed, "places", half, label))
            places = draw.choice(len(own) * ROWS * COLUMNS, len(members), replace=False)
            for i, tile, row, column in zip(members, *np.unravel_index(places, (len(own), ROWS, COLUMNS)), strict=True):
                y, x = top + row, own[tile] * WIDTH + column
                images[i] = image[y : y + SHAPE[1], x : x + SHAPE[2]].transpose(2, 0, 1)
        order = generator(child(seed, "order", half)).permutation(n)
        halves += [images[order], labels[order]]
    train, train_labels, test, test_labels = halves
    return train, train_labels, test, test_labels
