import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from clouds_of_points import layers

from nngraph.errors import ArgumentError, StudyError
from nngraph.similarity import _map_parts, gromov_map
from nngraph.similarity._map_folder import MapFolder

# --- parallel, kept and taken up again


def test_any_number_of_processes_gives_the_same_map():
    reps = layers(n=25, depth=9)
    one, two = gromov_map(reps), gromov_map(reps, n_jobs=2)
    for name in ("squared", "lower", "identity", "start"):
        assert getattr(one, name).equals(getattr(two, name))
    assert all(np.array_equal(one.plans[pair], two.plans[pair]) for pair in one.plans)
    assert (one.sweeps, one.plans.keys()) == (two.sweeps, two.plans.keys())


def test_a_map_that_was_cut_short_goes_on_and_solves_no_pair_twice(tmp_path, monkeypatch):
    reps = layers(n=12, depth=9)
    solve, calls = _map_parts._permute, []

    def counted(*arguments, limit=20):
        if len(calls) == limit:
            raise KeyboardInterrupt
        calls.append(1)
        return solve(*arguments)

    monkeypatch.setattr(_map_parts, "_permute", counted)
    with pytest.raises(KeyboardInterrupt):
        gromov_map(reps, folder=tmp_path / "map")
    kept = sorted(path.name for path in (tmp_path / "map").iterdir())
    assert [name for name in kept if name.startswith("pairs-")] == ["pairs-0.npz"]
    calls.clear()
    monkeypatch.setattr(_map_parts, "_permute", lambda *arguments: counted(*arguments, limit=99))
    resumed = gromov_map(reps, folder=tmp_path / "map")
    assert len(calls) == 36 - 6  # the first tile has six pairs
    assert resumed.squared.equals(gromov_map(reps).squared)
    calls.clear()
    again = gromov_map(reps, folder=tmp_path / "map")
    assert not calls
    assert again.squared.equals(resumed.squared)
    assert again.seconds.equals(resumed.seconds)
    assert all(np.array_equal(again.plans[pair], resumed.plans[pair]) for pair in resumed.plans)


def test_a_map_whose_process_is_killed_goes_on_from_its_folder(tmp_path):
    code = (
        "import sys; from clouds_of_points import layers; from nngraph.similarity import gromov_map; "
        "gromov_map(layers(n=150, depth=32), folder=sys.argv[1])"
    )
    path = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "map")], env=os.environ | {"PYTHONPATH": path}
    )
    began = time.monotonic()
    while len(list((tmp_path / "map").glob("pairs-*.npz"))) < 3 and time.monotonic() - began < 60:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = sorted((tmp_path / "map").glob("pairs-*.npz"))
    assert 3 <= len(whole) < 36  # of the tiles that 32 taps have
    written = {path.name: path.stat().st_mtime_ns for path in whole}
    found = gromov_map(layers(n=150, depth=32), folder=tmp_path / "map", exact=True)
    assert {path.name: path.stat().st_mtime_ns for path in whole} == written
    assert found.triangle_violations() == 0


def another(part, **changed):
    """Write a part again, with some arrays changed and those that are None left out."""
    with np.load(part) as file:
        arrays = {name: file[name] for name in file.files} | changed
    np.savez(part, **{name: array for name, array in arrays.items() if array is not None})


def array_file(part):
    with part.open("wb") as file:
        np.save(file, np.arange(3))


DAMAGES = {
    "cut": lambda part: part.write_bytes(part.read_bytes()[:100]),
    "cut at its end": lambda part: part.write_bytes(part.read_bytes()[:-10]),
    "empty": lambda part: part.write_bytes(b""),
    "text": lambda part: part.write_text("pairs"),
    "one array": array_file,
    "no values": lambda part: another(part, squared=None),
    "no seal": lambda part: another(part, seal=None),
    "another value": lambda part: another(part, squared=np.full(6, 0.01)),
    "NaN": lambda part: another(part, squared=np.full(6, np.nan)),
    "fewer pairs": lambda part: another(part, pairs=np.array([[0, 1], [0, 2]])),
    "another tile": lambda part: part.write_bytes(part.with_name("pairs-1.npz").read_bytes()),
    "another map": lambda part: part.write_bytes((part.parent.parent / "other" / part.name).read_bytes()),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder of a finished map, beside that of another one, and the map."""
    here = tmp_path_factory.mktemp("maps")
    gromov_map(layers(n=10, depth=6, seed=1), folder=here / "other")
    return here, gromov_map(layers(n=10, depth=6), folder=here / "map")


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_part_that_is_damaged_or_of_another_map_or_place_is_made_again(tmp_path, finished, kind):
    whole, first = finished
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    part = tmp_path / "map" / "pairs-0.npz"
    DAMAGES[kind](part)
    before = part.read_bytes()
    again = gromov_map(layers(n=10, depth=6), folder=tmp_path / "map")
    assert again.squared.equals(first.squared)
    assert all(np.array_equal(again.plans[pair], first.plans[pair]) for pair in first.plans)
    after = part.read_bytes()
    assert after != before
    assert gromov_map(layers(n=10, depth=6), folder=tmp_path / "map").seconds.equals(again.seconds)
    assert part.read_bytes() == after


def test_no_byte_that_changes_makes_a_part_lie_or_the_reading_fail(tmp_path, finished):
    folder = MapFolder(tmp_path / "map")
    folder.open({"taps": 2})
    record = {"pairs": np.array([[0, 1]]), "squared": np.array([0.5]), "start": np.array(["product"])}
    folder.write("pairs-0", record)
    part = tmp_path / "map" / "pairs-0.npz"
    whole, rng = part.read_bytes(), np.random.default_rng(0)
    assert folder.read("pairs-0")["squared"] == 0.5
    lost = 0
    for place in range(0, len(whole), 2):
        spoiled = bytearray(whole)
        spoiled[place] ^= int(rng.integers(1, 256))
        part.write_bytes(bytes(spoiled))
        found = folder.read("pairs-0")  # some bytes say nothing, as the hour at which the part was written
        lost += found is None
        assert found is None or all(np.array_equal(found[name], record[name]) for name in record)
    assert lost > len(whole) / 4


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"reps": layers(n=10, depth=3, seed=1)}, "distances"),
        ({"reps": layers(n=10, depth=2)}, "taps"),
        ({"reps": layers(n=11, depth=3)}, "samples"),
        ({"normalize": "max"}, "normalize"),
        ({"starts": ("product",)}, "starts"),
        ({"exact": False}, "share"),
        ({"sweeps": 0}, "sweeps"),
    ],
)
def test_a_folder_of_another_map_is_refused_and_left_as_it_was(tmp_path, other, name):
    arguments = {"reps": layers(n=10, depth=3), "folder": tmp_path / "map"}
    gromov_map(**arguments)
    before = {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()}
    with pytest.raises(StudyError, match=rf"holds the map of another {name} \(.*Give another folder"):
        gromov_map(**arguments | other)
    assert {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()} == before


def test_a_folder_that_is_none_or_holds_other_things_is_refused(tmp_path):
    reps = layers(n=10, depth=2)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StudyError, match="got a file; expected a folder"):
        gromov_map(reps, folder=tmp_path / "file")
    with pytest.raises(StudyError, match="is not empty and holds no map"):
        gromov_map(reps, folder=tmp_path)
    assert (tmp_path / "file").read_text() == "mine"
    for text in ("{", "[]", json.dumps({"format": 2, "settings": {}})):
        (tmp_path / "map.json").write_text(text)
        with pytest.raises(StudyError, match="is not a map that this version can read"):
            gromov_map(reps, folder=tmp_path)
    with pytest.raises(StudyError, match="cannot be written to"):
        gromov_map(reps, folder="/proc/map")


def test_random_starts_repeat_with_their_seed_and_need_one_in_a_folder(tmp_path):
    reps = layers(n=15, depth=4)
    starts = ("product", "random")
    one, two = (gromov_map(reps, starts=starts, rng=7) for _ in range(2))
    assert one.squared.equals(two.squared)
    with pytest.raises(ArgumentError, match=r"rng: got None .*Pass for example rng=7"):
        gromov_map(reps, starts=starts, folder=tmp_path / "map")
    assert not (tmp_path / "map").exists()
    gromov_map(reps, starts=starts, folder=tmp_path / "map", rng=7)
    with pytest.raises(StudyError, match="another seed"):
        gromov_map(reps, starts=starts, folder=tmp_path / "map", rng=8)
