"""Pages on layers: feature maps above steps, a map beside its steps."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import nngraph as nng
from nngraph.errors import ArgumentError
from nngraph.plot import _style, feature_maps, layer_figure

FEATURES = {
    "conv": np.stack([np.zeros((4, 4)), np.eye(4), 5 * np.eye(4)[::-1]]),
    "relu": np.ones((1, 4, 4)),
    "pool": np.arange(6.0).reshape(6, 1, 1),
    "linear": np.arange(3.0),
}
STEPS = pd.DataFrame({"gw": [0.1, 0.1, 0.9], "euclidean": [0.2, np.nan, np.nan]}, index=list(FEATURES)[1:])


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def images(fig):
    return [np.asarray(ax.images[0].get_array()) for ax in fig.axes if ax.images]


def test_each_tap_shows_its_channels_that_vary_most():
    shown = images(feature_maps(FEATURES, n_channels=2))
    assert len(shown) == 5  # two channels of the first tap, one of each other
    np.testing.assert_array_equal(shown[0], 5 * np.eye(4)[::-1])
    np.testing.assert_array_equal(shown[1], np.eye(4))
    assert [image.shape for image in shown[2:]] == [(4, 4), (6, 1), (3, 1)]


def test_bars_stand_below_their_tap_and_peaks_are_black():
    fig = feature_maps(FEATURES, STEPS, STEPS / 2, n_channels=1)
    rows = [ax for ax in fig.axes if ax.patches]
    assert len(rows) == 2
    twin, trained = rows[0].containers
    np.testing.assert_allclose([bar.get_height() for bar in twin], STEPS["gw"] / 2)
    np.testing.assert_allclose([bar.get_height() for bar in trained], STEPS["gw"])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in trained], [1, 2, 3])
    colors = ["#" + "".join(f"{round(255 * c):02X}" for c in bar.get_facecolor()[:3]) for bar in trained]
    assert colors == [_style.SKY, _style.SKY, _style.BLACK]
    assert len(rows[1].containers[1]) == 1  # undefined steps have no bar
    labels = [label.get_text() for label in rows[1].get_xticklabels()]
    assert labels == list(FEATURES)
    fig.canvas.draw()
    thumbnails = [ax for ax in fig.axes if ax.images]
    for place, ax in enumerate(thumbnails):  # above their bars
        box = ax.get_position()
        x = rows[0].transData.transform((place, 0))[0] / fig.bbox.width
        assert box.x0 < x < box.x1


def test_a_measure_without_a_step_says_so():
    fig = feature_maps(FEATURES, STEPS.assign(none=np.nan), titles={"none": "not here"})
    assert {"not defined", "not here"} <= {text.get_text() for ax in fig.axes for text in ax.texts}


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        ({}, {}, "no tap"),
        ({"a": np.zeros((2, 2))}, {}, "tap 'a'"),
        (FEATURES, {"n_channels": 0}, "n_channels: got 0"),
        (FEATURES, {"steps": STEPS.rename({"relu": "gelu"})}, "'gelu'"),
        (FEATURES, {"steps": STEPS, "null": STEPS.rename({"relu": "gelu"})}, "null: got the tap 'gelu'"),
    ],
)
def test_bad_input_gets_a_sentence(features, options, message):
    with pytest.raises(ArgumentError, match=message):
        feature_maps(features, **options)


def test_a_page_has_the_map_and_its_steps_and_pyplot_knows_nothing_of_it():
    place, taps = np.array([0.0, 0.1, 0.2, 5.0, 5.1]), list("abcde")
    D = pd.DataFrame(abs(place - place[:, None]), taps, taps)
    before = plt.get_fignums()
    whole = layer_figure(D, nng.similarity.groups(D, k=2), nng.similarity.boundaries(D))
    alone = layer_figure(D)
    assert plt.get_fignums() == before
    drawn = [ax for ax in whole.axes if ax.lines]
    np.testing.assert_allclose(
        next(line for line in drawn[0].lines if line.get_label() == "distance").get_ydata(), np.diff(place)
    )
    assert len([ax for ax in alone.axes if ax.lines and ax.get_ylabel() == "distance to the tap before"]) == 0
