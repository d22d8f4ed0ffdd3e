"""The rows that the ledger has of the paper on layer groups."""

import functools
import re
import subprocess
import sys
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from nngraph._rng import seed_sequence
from nngraph.errors import DatasetError
from nngraph.reproduce import ledger
from nngraph.reproduce._rows import checked
from nngraph.reproduce.layer_groups import (
    _row_parts,
    _rows_dynamics,
    _rows_language,
    _rows_maps,
    _rows_modular,
    _rows_vision,
    characters,
    language_bytes,
    language_maps,
    rows,
    vision,
)
from nngraph.reproduce.layer_groups.judgements import Judgement, counting, degree

JUDGED = Judgement("it floats", "by eye", "its top is dry", "wet", "does not hold")
EXPERIMENTS = {experiment.name: experiment for experiment in rows.EXPERIMENTS}
KEYS = [key for experiment in rows.EXPERIMENTS for key in experiment.keys]


def context(folder, scale="quick", data=None, root=None):
    return ledger.Context(folder, scale, data, root, 1, 0)


def run(name, folder, **options):
    """Rows of an experiment, checked as the ledger checks them, by the part of the key behind the paper."""
    found = checked(EXPERIMENTS[name], EXPERIMENTS[name].run(context(folder, **options)), folder, set(KEYS))
    return {row.key.removeprefix("layer-groups-"): row for row in found}


# ----------------------------------------------------------------------- keys


def test_every_row_of_the_checklist_has_a_key_and_none_twice():
    numbers = {re.match(r"layer-groups-(x?\d+)[a-z]?$", key)[1] for key in KEYS}
    assert numbers == {f"{n:02d}" for n in range(1, ledger.PAPERS["layer-groups"].claims + 1)} | {"x1", "x2", "x3"}
    assert len(KEYS) == len(set(KEYS))


def test_the_list_of_experiments_is_light():
    code = (
        "import sys; from nngraph.reproduce.layer_groups import rows; "
        "print(sorted({'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_claims_on_data_that_cannot_be_had_name_it_and_the_row_run_instead():
    for number, claim in {**_rows_language.CLAIMS, "14": _rows_vision.CLAIM}.items():
        stand_in = f"layer-groups-{number}a"
        row = _row_parts.untestable_row(f"layer-groups-{number}", claim, stand_in)
        assert row.verdict == "not testable here"
        assert (row.key in KEYS, stand_in in KEYS) == (True, True)
        assert re.search("BERT|CIFAR-10|GPT-2", row.missing)
    assert set(_rows_language.JUDGES) | set(_rows_language.CLAIMS) == {
        key.removeprefix("layer-groups-") for key in EXPERIMENTS["language"].keys
    }


# ----------------------------------------------------------------- judgements


def test_a_row_says_what_its_judgement_says():
    row = _row_parts.judged_row("layer-groups-01a", "Table 1", JUDGED, "water", seeds=2)
    assert (row.statement, row.criterion, row.authors, row.measured) == (
        "it floats", "its top is dry", "by eye", "wet")  # fmt: skip
    assert (row.verdict, row.data, row.seeds) == ("does not hold", "water", 2)


@pytest.mark.parametrize("supported", [True, False])
def test_an_undecided_claim_counts_by_the_side_of_its_numbers_and_keeps_the_word(supported):
    judged = JUDGED._replace(verdict="undecided", why="too dark", counts=counting(supported))
    row = _row_parts.judged_row("layer-groups-01a", "Table 1", judged, "water")
    assert row.verdict == ("holds in part" if supported else "does not hold")
    assert row.measured == "undecided: too dark: wet"
    assert row.criterion.startswith("its top is dry; undecided counts as in part")


def test_a_number_that_is_none_is_left_out():
    row = _row_parts.judged_row("layer-groups-01a", "Table 1", JUDGED, "water", interval=(np.nan, 1, None))
    assert (row.value, row.low, row.high) == (None, 1, None)
    assert [degree(n, 3) for n in range(4)] == ["does not hold", "holds in part", "holds in part", "holds"]


# ---------------------------------------------------------------------- clouds


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(3, 12), d=st.integers(1, 6))
def test_a_turned_cloud_has_the_same_distances_between_other_samples(seed, n, d):
    x = np.random.default_rng(seed).normal(size=(n, d))
    other = _rows_modular.turned(x, seed_sequence(seed))
    np.testing.assert_allclose(np.sort(pdist(other)), np.sort(pdist(x)), atol=1e-9)
    assert not np.allclose(other, x)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(3, 8))
def test_broken_triangles_are_counted_as_a_loop_counts_them(seed, n):
    D = np.random.default_rng(seed).random((n, n))
    D = D + D.T
    np.fill_diagonal(D, 0)
    expected = sum(
        D[i, j] > D[i, k] + D[k, j] + 1e-9 for i, j in combinations(range(n), 2) for k in range(n) if k not in (i, j)
    )
    assert _rows_modular.violations(D) == expected


def test_theorems_are_told_beside_what_does_not_obey_them(tmp_path, monkeypatch):
    monkeypatch.setitem(_rows_modular.PAIRS, "quick", 12)
    monkeypatch.setitem(_rows_modular.TURNS, "quick", 1)
    times = pd.DataFrame({"n": [3481, 1000, 300], "seconds": [48.0, 0.5, 0.1], "squared": [1.0, 1.1, 1.2]})
    times.to_csv(tmp_path / "seconds.csv", index=False)
    found = run("clouds", tmp_path)
    assert (found["05"].verdict, found["05"].value) == ("holds", 96.0)
    assert "the distance is 10 % larger with 1,000 pairs" in found["05"].control
    assert found["17"].verdict == "holds"
    assert int(re.search(r"([\d,]+) triples", found["17"].control)[1].replace(",", "")) > 0
    assert found["16"].value > 0.5
    times.assign(seconds=[2.0, 0.5, 0.1]).to_csv(tmp_path / "seconds.csv", index=False)
    assert run("clouds", tmp_path)["05"].verdict == "does not hold"


# ------------------------------------------------------------------------ maps


def line(places):
    taps = [f"{i // 31}.tap{i}" for i in range(len(places))]
    return pd.DataFrame(abs(np.subtract.outer(places, places)), taps, taps)


def test_a_map_of_two_blocks_has_two_groups_and_a_peak_and_a_drift_has_none():
    wobble = np.random.default_rng(0).normal(size=(24, 3)) / 20
    points = np.repeat([[0.0] * 3, [5.0] * 3], 12, axis=0) + wobble
    taps = [str(i) for i in range(24)]
    D = pd.DataFrame(np.linalg.norm(points[:, None] - points, axis=2), taps, taps)
    found = _rows_maps.blocks_in(D)
    assert (found.groups, found.peaks) == (2, ["12"])
    assert found.p <= 0.05
    drift = _rows_maps.blocks_in(line(np.arange(24.0) + np.linspace(0, 1e-3, 24) ** 2))
    assert (drift.groups, drift.peaks) == (1, [])
    assert _rows_maps.blocks_in(D**2, squared=True).peaks == ["12"]


def test_the_largest_rsm_is_that_of_a_loop_over_pairs():
    draw = np.random.default_rng(0)
    reps = {name: draw.normal(size=(9, width)) * width for name, width in (("a", 3), ("b", 5), ("c", 50))}
    expected = max(np.linalg.norm(pdist(reps[a]) - pdist(reps[b])) for a, b in permutations(reps, 2))
    assert _rows_maps.largest_rsm(reps) == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------- bytes and texts


def test_scrambling_moves_small_letters_alone_and_in_its_own_class_alone():
    text = characters.corpus().test
    x, y = language_bytes.scrambled(text, 40, seed_sequence(3))
    plain = characters.windows(text, 40, rng=seed_sequence(3))[:, :-1]
    assert y.sum() == 20
    np.testing.assert_array_equal(x["tokens"][y == 0], plain[y == 0])
    moved = x["tokens"] != plain
    assert (moved[y == 1].sum(axis=1) > 0).mean() > 0.9
    assert ((plain[moved] >= ord("a")) & (plain[moved] <= ord("z"))).all()
    np.testing.assert_array_equal(np.sort(x["tokens"], axis=1), np.sort(plain, axis=1))


def test_training_and_test_stretches_are_of_other_text():
    setup = language_bytes.ByteSetup(n_train=200, n_test=50)
    manual, other = (setup.data(None, None, kind) for kind in ("movies", "amazon"))
    for (x, y), n in ((manual[0], 200), (manual[1], 50), (other[0], 200)):
        assert x["tokens"].shape == (n, 64)
        assert y.mean() == 0.5
    whole = characters.corpus().other.tobytes()
    half = len(whole) // 2
    place = [whole.find(bytes(row.astype(np.uint8))) for row in other[1][0]["tokens"][other[1][1] == 0]]
    assert min(place) >= half - 64


def test_the_head_reads_the_mean_over_positions_behind_the_last_norm():
    model = language_bytes.ByteSetup().classifier(None, 0)
    tokens = torch.arange(20).reshape(2, 10)
    with torch.no_grad():
        stream = model.body.norm(model.body.stream(tokens))
        torch.testing.assert_close(model(tokens), model.head(stream.mean(dim=1)))
        assert not torch.equal(model.head.weight, language_bytes.ByteSetup().classifier(None, 1).head.weight)


@pytest.mark.parametrize(("scale", "name"), [("quick", "bytes"), ("full", "bytes")])
def test_bytes_stand_in_where_no_encoder_is(tmp_path, monkeypatch, scale, name):
    def absent(source=None):
        raise DatasetError("no encoder")

    monkeypatch.setattr(_rows_language.language, "encoder", absent)
    setup, seeds, _, found = _rows_language._stand_in(context(tmp_path, scale))
    assert (found, isinstance(setup, language_bytes.ByteSetup)) == (name, True)
    assert seeds >= 2


def test_the_whole_part_on_language_gives_its_rows_and_does_nothing_twice(tmp_path, monkeypatch):
    from nngraph import similarity

    tiny = language_bytes.ByteSetup(n_train=16, n_test=16, batch_size=16, from_blocks=(1, 7, 8), keep=(8, 6, 0))
    monkeypatch.setattr(_rows_language, "_stand_in", lambda _: (tiny, 2, 10, "bytes"))
    monkeypatch.setattr(similarity, "MEASURES", {"gw": None, "cka": None})
    monkeypatch.setattr(language_maps, "agreements", functools.partial(language_maps.agreements, draws=19))
    names = ["encoder", "tap", "overlap", "sd", "permutation", "stays", "same", "chance", "spread"]
    near = [
        (name, str(tap), 0.5, 0.1, True, 0.9, 0.6, 0.5, 0.1)
        for name in ("pretrained", "fine-tuned")
        for tap in range(1, 9)
    ]
    monkeypatch.setattr(language_maps, "near", lambda *_: pd.DataFrame(near, columns=names))  # t-SNE takes seconds
    first = run("language", tmp_path)
    assert first["10"].stand_in == "layer-groups-10a"
    assert first["10a"].measured.startswith("undecided")  # a step teaches nothing
    assert first["10a"].control.startswith("larger class 0.5")
    assert first["07b"].measured.startswith("undecided: the starts of t-SNE differ")
    assert (first["07b"].verdict, first["07c"].verdict) == ("does not hold", "holds")
    assert first["15a"].seeds == 1
    assert "scrambled words" in first["08a"].data
    assert (tmp_path / first["08a"].figure).stat().st_size < 150_000
    monkeypatch.setattr(_rows_language.language, "fine_tune", None)  # would fail if it were called
    assert run("language", tmp_path) == first


# -------------------------------------------------------------------- the rest


def test_the_row_on_training_has_the_verdict_of_its_rule(tmp_path, monkeypatch):
    monkeypatch.setitem(_rows_dynamics.PAIRS, "quick", {"gw": 10, "cka": 20})
    found = run("training", tmp_path)["09c"]
    signs = re.findall(
        r"(none|step|differences): loss ([+-][\d.]+|not defined), accuracy ([+-][\d.]+|not defined)", found.measured
    )
    right = {control: loss[0] == "-" and accuracy[0] == "+" for control, loss, accuracy in signs}
    expected = "holds" if all(right.values()) else "holds in part" if right["none"] else "does not hold"
    assert found.verdict == expected
    assert "cka" in found.control


def test_images_are_those_of_the_package_unless_others_are_there(tmp_path, monkeypatch):
    def absent(name, root=None):
        raise DatasetError("no files")

    assert _rows_vision._network(context(tmp_path)) == "patches"
    assert _rows_vision._network(context(tmp_path, data="fashion-mnist")) == "fashion-mnist"
    monkeypatch.setattr(vision, "data", absent)
    assert _rows_vision._network(context(tmp_path, "full")) == "patches"
    monkeypatch.setattr(vision, "data", lambda name, root=None: None)
    assert _rows_vision._network(context(tmp_path, "full")) == "fashion-mnist"


def test_the_rows_on_images_have_noise_and_twins_for_controls(tmp_path, monkeypatch):
    monkeypatch.setitem(_rows_vision.SIZES, "quick", (10, 2))
    found = run("images", tmp_path)
    assert found["14"].missing.startswith("CIFAR-10")
    assert found["14a"].control.startswith("images of noise through the same network: peaks at ")
    assert found["14c"].seeds == 2
    assert "accuracy 43.0 %, chance 10 %" in found["14b"].data
    assert (tmp_path / found["14a"].figure).stat().st_size < 150_000
