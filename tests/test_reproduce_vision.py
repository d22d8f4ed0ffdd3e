"""The vision networks: what is kept, how it was made, and how claims are judged."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import nngraph as nng
from nngraph.errors import ArgumentError, DatasetError, StudyError
from nngraph.metrics import accuracy
from nngraph.reproduce.layer_groups import vision, vision_maps, vision_page
from nngraph.reproduce.layer_groups.vision_maps import JUMPS, Maps

TAPS = [f"{i}.{part}" for i in range(8) for part in ("conv", "norm", "relu", *(["pool"] if i in (4, 7) else []))]
TAPS.append("8.linear")
QUICK = {"gw": {"exact": False}, "cka": {}, "euclidean": {}}


def data_of(name):
    try:
        return vision.data(name)
    except DatasetError as error:
        pytest.skip(str(error))


# -------------------------------------------------------------------- networks


@pytest.mark.parametrize("name", vision.NETWORKS)
def test_a_kept_network_has_the_accuracy_of_its_record(name):
    task, record = data_of(name), vision.record(name)
    model = vision.load(name)
    n = 1000
    found = accuracy(vision.outputs(model, task.x_test[:n]), task.y_test[:n])
    assert record["accuracy_float16"] > 3 * record["chance"]
    assert abs(record["accuracy_float16"] - record["accuracy"]) < 0.002  # rounding costs nothing
    allowed = 4 * np.sqrt(record["accuracy"] * (1 - record["accuracy"]) / n) if n < record["n_test"] else 1e-9
    assert abs(found - record["accuracy_float16"]) <= allowed
    assert not model.training
    assert record["n_train"] == len(task.y_train)
    assert {key: record[key] for key in vision.NETWORKS[name]._fields} == vision.NETWORKS[name]._asdict()


@pytest.mark.parametrize("name", vision.NETWORKS)
def test_the_untrained_twin_is_the_start_of_the_training(name):
    network, twin = vision.NETWORKS[name], vision.load(name, trained=False)
    fresh = nng.resnet9(network.channels, 10, width=network.width, rng=network.seed)
    assert all(torch.equal(value, fresh.state_dict()[key]) for key, value in twin.state_dict().items())
    trained = vision.load(name)
    changed = [not torch.equal(p, q) for p, q in zip(trained.parameters(), twin.parameters(), strict=True)]
    assert all(changed)
    steps = -(-network.n_train // 128) * network.epochs
    assert vision.record(name)["steps"] == steps == int(trained.units[0].norm.num_batches_tracked.item())


def test_training_keeps_weights_that_load_and_is_the_same_twice(monkeypatch, tmp_path):
    small = vision.Network("colour-patches", 130, 1, channels=3, width=2)
    monkeypatch.setitem(vision.NETWORKS, "patches", small)
    model, record = vision.train("patches", path=tmp_path / "vision_patches.safetensors")
    again, _ = vision.train("patches")
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    monkeypatch.setattr(vision, "FOLDER", tmp_path)
    loaded = vision.load("patches")
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
    assert vision.record("patches") == json.loads(json.dumps(record))
    x = vision.data("patches").x_test[:50]
    np.testing.assert_array_equal(vision.outputs(loaded, x), vision.outputs(model, x))
    np.testing.assert_allclose(vision.outputs(loaded, x, batch_size=7), vision.outputs(model, x), atol=1e-4)


@pytest.mark.parametrize("call", [vision.data, vision.load, vision.record, vision.train])
def test_an_unknown_network_is_refused(call):
    with pytest.raises(ArgumentError, match="'fashion-mnist', 'patches'"):
        call("cifar-10")


def test_without_the_files_of_fashion_mnist_one_sentence_says_so(monkeypatch, tmp_path):
    import nngraph._idx as idx

    monkeypatch.delenv("NNGRAPH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(idx.SOURCES, "fashion-mnist", idx.SOURCES["fashion-mnist"]._replace(installed=None))
    with pytest.raises(DatasetError, match="downloading is off"):
        vision.data("fashion-mnist")


def test_feature_maps_are_those_of_representations_with_their_places():
    model, images = vision.load("patches"), vision.data("patches").x_test[:2]
    found = vision_maps.feature_maps(model, images[0])
    reps = nng.similarity.representations(model, images, n=None)
    assert list(found) == list(reps) == TAPS
    for tap, values in found.items():
        np.testing.assert_allclose(values.ravel(), reps[tap][0], rtol=1e-4, atol=1e-5)
    assert found["1.conv"].shape == (32, 16, 16)
    assert not any(module._forward_hooks for module in model.modules())


# ---------------------------------------------------------------------- claims


def line(steps):
    """A map of taps along a line with these steps between neighbours, as squared distances."""
    place = np.concatenate([[0], np.cumsum(steps)])
    return pd.DataFrame((place - place[:, None]) ** 2, TAPS, TAPS)


def made(trained, untrained, noise=0.02):
    """Maps of a network whose steps are given, and of five twins with steps that differ a little."""
    rng = np.random.default_rng(0)
    twins = tuple(line(np.abs(untrained * np.exp(noise * rng.standard_normal(26)))) for _ in range(5))
    return Maps("made up", {"gw": line(trained)}, {"gw": line(untrained)}, twins)


def steps_with(peaks, size=20.0):
    rng = np.random.default_rng(1)
    return np.array([size if tap in peaks else 1.0 for tap in TAPS[1:]]) * np.exp(0.1 * rng.standard_normal(26))


EVEN = steps_with(())


def verdicts(found):
    return list(vision_maps.claims(found)["verdict"])


def test_jumps_hold_only_where_training_made_them():
    assert verdicts(made(steps_with(JUMPS), EVEN))[0] == "holds"
    assert verdicts(made(steps_with(JUMPS[:1]), EVEN))[0] == "holds in part"
    assert verdicts(made(steps_with(("0.relu",)), EVEN))[0] == "does not hold"
    assert verdicts(made(steps_with(JUMPS), steps_with(JUMPS)))[0] == "does not hold"


def test_the_untrained_network_has_to_have_neither_peaks_nor_groups():
    assert verdicts(made(EVEN, EVEN))[2] == "holds"
    assert verdicts(made(EVEN, steps_with(("3.relu",), size=300.0)))[2] == "does not hold"


def test_four_groups_are_the_groups_of_the_map():
    found = made(steps_with(("1.conv", "4.conv", "6.relu"), size=100.0), EVEN)
    runs = found.grouped()
    table = vision_maps.claims(found)
    assert runs.curve["silhouette"].idxmax() == 4
    assert table["verdict"][1] == ("holds" if runs.k == 4 else "holds in part")
    assert f"contiguous {runs.k} " in table["found"][1]
    assert verdicts(made(steps_with(("4.conv",), size=300.0), EVEN))[1] == "does not hold"


def test_hits_among_the_peaks_are_counted_against_chance():
    table = vision_maps.peaks(made(steps_with((*JUMPS[:2], "0.relu")), EVEN)).set_index("state")
    row = table.loc["trained"]
    assert (row["steps"], row["peaks"], row["hits"]) == (26, 3, 2)
    assert row["taps"] == "0.relu 2.relu 4.conv"
    # by hand: 2 or 3 of the 3 peaks at the 4 places among 26
    assert row["p"] == pytest.approx((6 * 22 + 4) / 2600)
    assert table.loc["untrained", "p"] == 1 or table.loc["untrained", "peaks"] > 0


# ------------------------------------------------------------------------ pages


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vision")
    claims = vision_page.run(folder, names=["patches"], n=30, n_twins=2, measures=QUICK)
    return folder, claims


def test_the_page_has_the_numbers_of_its_tables(written):
    folder, claims = written
    page = (folder / "layer_groups_vision.md").read_text(encoding="utf-8")
    assert len(claims) == 3
    for row in claims.itertuples():
        assert f"| {row.network} | {row.claim} | {row.verdict} | {row.found} |" in page
    assert f"{100 * vision.record('patches')['accuracy']:.2f}" in page
    for kind in ("steps", "maps"):
        picture = f"pictures/layers_{kind}_patches.png"
        assert picture in page
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "claims.csv"), claims)


def test_maps_are_of_the_same_images_and_undefined_where_widths_differ(written):
    folder, _ = written
    task = vision.data("patches")
    reps = nng.similarity.representations(vision.load("patches"), task.x_test, n=30, rng=0)
    D = pd.read_csv(folder / "patches" / "cka-trained.csv", index_col=0)
    np.testing.assert_allclose(D, nng.similarity.matrix(reps, "cka"), atol=1e-9)
    euclidean = pd.read_csv(folder / "patches" / "euclidean-trained.csv", index_col=0)
    widths = np.array([reps[tap].shape[1] for tap in TAPS])
    np.testing.assert_array_equal(euclidean.notna(), widths == widths[:, None])


def test_a_second_run_takes_the_maps_that_are_there_and_other_settings_are_refused(written):
    folder, claims = written
    kept = {path: path.stat().st_mtime_ns for path in (folder / "patches").glob("*-*.csv")}
    assert len(kept) == 2 * len(QUICK) + 2
    again = vision_maps.maps("patches", n=30, n_twins=2, measures=QUICK, folder=folder / "patches")
    pd.testing.assert_frame_equal(vision_maps.claims(again), claims)
    assert {path: path.stat().st_mtime_ns for path in (folder / "patches").glob("*-*.csv")} == kept
    with pytest.raises(StudyError, match="other settings"):
        vision_maps.maps("patches", n=40, n_twins=2, measures=QUICK, folder=folder / "patches")


def test_the_page_of_the_documentation_is_of_the_kept_networks_and_its_pictures_are_there():
    folder = Path(__file__).parents[1] / "docs"
    page = (folder / "layer_groups_vision.md").read_text(encoding="utf-8")
    assert vision_page.INTRODUCTION in page
    assert vision_page._networks(tuple(vision.NETWORKS)) in page
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", page)
    assert len(pictures) == 2 * len(vision.NETWORKS)
    for picture in pictures:
        assert 0 < (folder / picture).stat().st_size < 300_000
