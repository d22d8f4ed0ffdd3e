"""The study of lottery tickets: its networks, its rules, and the page that it writes, on tiny settings."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from nngraph.errors import StudyError
from nngraph.reproduce.lottery_tickets import claims as judged
from nngraph.reproduce.lottery_tickets import page, training
from nngraph.reproduce.lottery_tickets.__main__ import main
from nngraph.reproduce.lottery_tickets.claims import TESTED, study_of
from nngraph.reproduce.lottery_tickets.runs import SEEDS
from nngraph.reproduce.lottery_tickets.training import ARMS, Settings, split

TINY = Settings(sizes=(784, 12, 9, 10), n_train=200, rounds=3, fraction=0.6, epochs=1, every=2, data_set="digits")
MASKS = {"tickets": 4, "random": 3}


# ----------------------------------------------------------------------- networks


def test_images_are_drawn_anew_for_each_seed_apart_from_each_other_and_scaled_by_those_trained_on():
    first, again, other = (split(TINY, seed) for seed in (0, 0, 1))
    assert torch.equal(first.train[0], again.train[0])
    assert not torch.equal(first.train[0], other.train[0])
    assert float(first.train[0].mean()) == pytest.approx(0, abs=1e-5)
    assert float(first.train[0].std()) == pytest.approx(1, abs=1e-3)
    sizes = [len(pair[1]) for pair in (first.train, first.test)]
    assert sizes[0] == 200
    rows = {image.numpy().tobytes() for pair in (first.train, first.test) for image in pair[0]}
    assert len(rows) > 0.99 * sum(sizes)  # no image is in two of them; a few digits are the same


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    table = page.run(folder, settings=TINY, seeds=4, control_seeds=1, masks=MASKS, n_boot=0)
    return folder, table


def test_the_run_trains_every_arm_at_its_rounds_and_writes_what_the_page_shows(written):
    folder, table = written
    scores = pd.read_csv(folder / "scores.csv")
    rounds = {arm: sorted(scores.loc[(scores["arm"] == arm) & (scores["seed"] == 0), "round"]) for arm in ARMS}
    assert rounds == {"tickets": [0, 1, 2, 3], "random": [1, 2, 3]} | {arm: [2] for arm in ARMS[2:]}
    same = scores[scores["round"] == 2].groupby("seed")["density"].nunique()
    assert (same == 1).all()
    text = (folder / "lottery_tickets.md").read_text(encoding="utf-8")
    for row in table.itertuples():
        assert f"| {row.claim} | {row.verdict} | {row.measured} |" in text
        assert row.rule in text
    for row in pd.read_csv(folder / "order.csv").itertuples():
        assert f"| {row.measure} | {row.first} / {row.tie} / {row.later} |" in text
    for picture in ("accuracy", "measures", "subnetwork"):
        assert f"(pictures/tickets_{picture}.png)" in text
        assert (folder / "pictures" / f"tickets_{picture}.png").stat().st_size > 3000
    assert "--out FOLDER --seeds 4 --control-seeds 1`" in text
    mean = scores.loc[(scores["arm"] == "tickets") & (scores["round"] == 0), "accuracy"].mean()
    assert f"| 0 | 100.00 % | {100 * mean:.2f} ±" in text


def test_a_second_run_trains_and_measures_nothing_and_finds_the_same(written, monkeypatch):
    folder, table = written
    monkeypatch.setattr(training, "_training", lambda data, settings: pytest.fail)
    monkeypatch.setattr("nngraph.reproduce.lottery_tickets.measuring.ticket_measures", pytest.fail)
    again = page.run(folder, settings=TINY, seeds=4, control_seeds=1, masks=MASKS, n_boot=0)
    pd.testing.assert_frame_equal(table, again)
    with pytest.raises(StudyError, match="holds results of other settings"):
        page.run(folder, settings=dataclasses.replace(TINY, epochs=2), seeds=4)


def test_the_command_hands_its_arguments_to_the_run(monkeypatch):
    seen = {}
    monkeypatch.setattr(page, "run", lambda out, **options: seen.update(options, out=out))
    main(["--out", "there", "--seeds", "7", "--control-seeds", "2"])
    assert seen == {"out": "there", "root": None, "seeds": 7, "control_seeds": 2}
    with pytest.raises(SystemExit):
        main([])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--seeds", "3"], "seeds: got 3; expected a whole number of at least 4"),
        (["--seeds", "0"], "seeds: got 0"),
        (["--seeds", "4", "--control-seeds", "5"], "control_seeds: got 5; expected a whole number from 0 to 4"),
    ],
)
def test_seeds_are_counted_before_anything_is_trained(tmp_path, capsys, given, message):
    with pytest.raises(SystemExit) as left:
        main(["--out", str(tmp_path / "study"), *given])
    assert left.value.code == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_the_number_of_seeds_by_default_is_the_fewest_that_can_pass_the_correction():
    assert len(TESTED) * 0.5**SEEDS < 0.05 < len(TESTED) * 0.5 ** (SEEDS - 1)


@pytest.mark.parametrize(
    ("value", "z", "cell"),
    [
        (0.5, [1.0, 2.0, 4.0], "0.5 (+2.0)"),
        (0.5, [np.nan, 1.0, 2.0], "0.5 (+1.5)"),
        (0.5, [-np.inf, -np.inf, 2.0], "0.5 (no spread)"),
        (0.5, [-np.inf, 1.0, 2.0], "0.5 (+1.0)"),
        (0.5, [np.nan] * 3, "0.5"),
        (np.nan, [np.nan] * 3, ""),
    ],
)
def test_a_cell_of_the_page_shows_a_value_and_a_finite_score_or_says_why_not(value, z, cell):
    assert page._cell(value, np.array(z)) == cell


# ----------------------------------------------------------------------- rules


ROUNDS = 8
DECAYS = [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8]  # at round 6


def table_of(accuracy, values, z, noise=0.0):
    """Measures of a run: ``values`` and ``z`` of some by name, round by round; the others are 0 and never depart."""
    tables = []
    for name in sorted({measure for measure, _ in TESTED.values()} | {"weight:mean", "spanning:edges"}):
        observed = np.asarray(values.get(name, np.zeros(ROUNDS)), float) + noise
        columns = {"round": range(ROUNDS), "density": 0.75 ** np.arange(ROUNDS), "measure": name, "of": "support"}
        columns |= {"null": "dealt", "observed": observed, "mean": 0.0, "sd": 1.0}
        columns |= {"z": np.asarray(z.get(name, np.zeros(ROUNDS)), float), "effect": observed, "n": 5, "status": "ok"}
        tables.append(pd.DataFrame(columns | {"accuracy": accuracy}))
    return pd.concat(tables, ignore_index=True)


def study(values=None, z=None, accuracy=DECAYS, random_z=None, n=8, seeds=None):
    measured = []
    for seed in range(n):
        own = (seeds or {}).get(seed, {})
        ticket = table_of(
            own.get("accuracy", accuracy), own.get("values", values or {}), own.get("z", z or {}), 1e-3 * seed
        )
        measured.append({"tickets": ticket, "random": table_of(DECAYS, {}, random_z or {}, 1e-3 * (seed % 3))})
    scores = pd.DataFrame({"arm": ["tickets"], "round": [0], "accuracy": [0.9], "seed": [0]})
    return study_of(measured, scores, pd.DataFrame())


LATE = [0, 0, 0, 0, 5, 5, 5, 5]
LARGE = [0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ({"z": LATE, "values": LARGE}, "first"),
        ({"z": LATE, "values": [0.0] * 8}, "first by z, not by size"),
        ({"z": [5] * 8, "values": LARGE}, "first, but from the first rounds on"),
        ({"z": LATE, "values": LARGE, "random": LATE}, "first, as in the random control"),
        ({"z": [0, 0, 0, 0, 0, 0, 5, 5], "values": LARGE}, "not first in every seed"),
    ],
)
def test_a_departure_before_the_decay_is_qualified_by_when_by_size_and_by_the_random_control(given, verdict):
    name = "spanning:pairs"
    found = study({name: given["values"]}, {name: given["z"]}, random_z={name: given.get("random", [0] * 8)}, n=4)
    table = judged.ordered(found).set_index("measure")
    assert list(table.index) == list(TESTED)
    assert table["verdict"]["connected input-output pairs"] == verdict
    assert table["verdict"]["spanning nodes"] == "not first in every seed"
    assert table["decay"].tolist() == [6.0] * len(TESTED)


def test_one_seed_in_which_the_decay_comes_first_takes_the_verdict_away():
    name = "spanning:pairs"
    early = {"accuracy": [0.9, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8], "values": {name: LARGE}, "z": {name: LATE}}
    row = judged.ordered(study({name: LARGE}, {name: LATE}, seeds={3: early}, n=4)).set_index("measure")
    assert row.loc["connected input-output pairs", ["first", "later", "verdict"]].tolist() == [
        3,
        1,
        "not first in every seed",
    ]


@pytest.mark.parametrize(
    ("n_large", "n_small", "n", "verdict"),
    [
        (7, 0, 9, "holds"),
        (6, 4, 9, "holds in part"),
        (1, 9, 9, "holds in part"),
        (0, 10, 9, "does not hold"),
        (7, 0, 5, "holds"),
        (6, 1, 5, "holds in part"),
        (6, 0, 5, "undecided"),
        (0, 6, 5, "does not hold"),
        (0, 7, 5, "does not hold"),
        (7, 0, 4, "undecided"),
        (0, 0, 4, "does not hold"),
    ],
    ids=[
        "most",
        "six",
        "one",
        "small",
        "five seeds",
        "six and the median",
        "too few seeds for Holm",
        "none",
        "small at five",
        "four seeds",
        "no change",
    ],
)
def test_measures_precede_the_collapse_as_far_as_they_depart_first_without_reservation(n_large, n_small, n, verdict):
    names = [measure for measure, null in TESTED.values() if null == "dealt"]
    z = dict.fromkeys(names[: n_large + n_small], LATE)
    found = judged._collapse(study(dict.fromkeys(names[:n_large], LARGE), z, n=n))
    assert found.verdict == verdict
    assert f"{n_large + n_small} are first in every seed by z, {n_large} by size; {n_large} without" in found.measured
    assert (f"({n} seeds cannot reach it: {13 * 0.5**n:.3f} at best)" in found.measured) == (n < 9)


def test_medians_of_departures_count_measures_that_never_depart_as_after_all_rounds():
    names = [measure for measure, null in TESTED.values() if null == "dealt"]
    some = judged._collapse(study(dict.fromkeys(names[:3], LARGE), dict.fromkeys(names[:8], LATE)))
    assert "departs in round 4 by z, none by size, the network decays in round 6" in some.measured


@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        ([0, 1, 2, 3, 2, 1, 0, 0], "holds"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "does not hold"),
        ([9, 1, 2, 3, 2, 1, 0, 0], "does not hold"),
        ([0, 0, 0, 0, 0, 0, 0.5, 1], "does not hold"),
    ],
)
def test_the_mean_weight_peaks_if_its_largest_value_is_inside_and_not_after_the_decay(weights, verdict):
    assert judged._weight_peak(study({"weight:mean": weights}, n=4)).verdict == verdict


def test_a_peak_in_some_seeds_holds_in_part():
    inside, rising = ({"values": {"weight:mean": w}} for w in ([0, 1, 2, 3, 2, 1, 0, 0], range(8)))
    found = study(seeds={seed: inside if seed else rising for seed in range(4)}, n=4)
    assert judged._weight_peak(found).verdict == "holds in part"


def test_the_spanning_subnetwork_is_judged_at_the_round_before_the_decay():
    before, after, never = [0, 0, 0, 0, 0, 9, 0, 0], [0, 0, 0, 0, 0, 0, 9, 9], [9, 9, 9, 9, 0, 0, 9, 0]
    share = {"spanning:edges": np.linspace(1, 0.3, 8)}
    verdicts = [judged._spanning(study(share, {"spanning:edges": z}, n=4)).verdict for z in (before, after, never)]
    assert verdicts == ["holds", "only after the decay", "does not hold"]


def tails(verdicts):
    rows = [
        {"seed": seed, "round": 4, "sequence": name, "verdict": verdict, "alpha": 2.2}
        for seed, each in enumerate(verdicts)
        for name, verdict in {"0 target": each, judged.POOLED: "heavy-tailed"}.items()
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["heavy-tailed"] * 3 + ["undecided"] * 2, "holds"),
        (["heavy-tailed"] * 2 + ["undecided"] * 3, "holds in part"),
        (["over-dispersed"] * 5, "does not hold"),
    ],
)
def test_heavy_tails_are_judged_by_block_and_never_by_the_pooled_degrees(verdicts, verdict):
    found = study(n=4)._replace(tails=tails(verdicts))
    by_layer, pooled = judged._heavy_tails(found)
    assert by_layer.verdict == verdict
    assert pooled.verdict == "not judged"
    assert "heavy-tailed 5" in pooled.measured


@pytest.mark.parametrize(("others", "verdict"), [((0.7, 0.7), "holds"), ((0.7, 0.9), "holds in part")])
def test_a_ticket_is_held_against_each_control_at_the_last_round_before_the_decay(others, verdict):
    rows = [("tickets", seed, number, 0.8) for seed in range(4) for number in range(8)]
    for arm, value in zip(("random", "degree"), others, strict=True):
        rows += [(arm, seed, number, value if number < 6 else 1.0) for seed in range(4) for number in (3, 5, 6, 7)]
    found = study(n=4)._replace(scores=pd.DataFrame(rows, columns=["arm", "seed", "round", "accuracy"]))
    claim = judged._tickets_win(found)
    assert claim.verdict == verdict
    assert f"random {10.0:.2f} (round 5, 4 seeds)" in claim.measured


STAYS, GOES, FALLS, AFTER = LATE, [0, 0, 0, 0, 5, 5, 0, 0], [0, 0, 0, 0, -5, -5, -5, -5], [0, 0, 0, 0, 0, 0, 5, 5]


def test_a_measure_that_is_significant_and_not_first_in_every_seed_is_named_beside_the_verdict():
    names = [measure for measure, null in TESTED.values() if null == "dealt"][:9]
    z = dict.fromkeys(names, LATE)
    tied = {"z": z | {names[8]: AFTER}, "values": dict.fromkeys(names, LARGE)}  # departs with the decay
    found = judged._collapse(study(dict.fromkeys(names, LARGE), z, n=9, seeds={3: tied}))
    label = next(label for label, (measure, _) in TESTED.items() if measure == names[8])
    assert f"significant, though not first in every seed: {label} (8 first, 1 tied, 0 later)" in found.measured


@pytest.mark.parametrize(
    ("usual", "first", "verdict"),
    [
        (STAYS, STAYS, "holds"),
        (STAYS, AFTER, "holds in part"),
        (STAYS, GOES, "holds in part"),
        (GOES, GOES, "rises, then vanishes"),
        (GOES, FALLS, "rises in part, then vanishes"),
        (FALLS, FALLS, "does not hold"),
        (AFTER, AFTER, "does not hold"),
    ],
)
def test_information_has_to_rise_before_the_decay_and_to_stay(usual, first, verdict):
    name = "information:in_out"
    found = study({name: LARGE}, {name: usual}, n=4, seeds={0: {"z": {name: first}, "values": {name: LARGE}}})
    claim = judged._information(found)
    assert claim.verdict == verdict
    rising = [z in (STAYS, GOES) for z in (first, usual, usual, usual)]
    assert f"above random masks before the decay in {sum(rising)} of 4 seeds" in claim.measured
    assert ("there 0.5" in claim.measured) == any(rising)  # the value at the round that was tested


@pytest.mark.parametrize(
    ("departing", "random", "n", "verdict"),
    [(9, 0, 5, "holds"), (9, 9, 5, "holds in part"), (3, 0, 5, "does not hold"), (9, 0, 4, "undecided")],
    ids=["most measures", "random pruning too", "few measures", "too few seeds"],
)
def test_the_median_measure_is_tested_by_signs_over_seeds_beside_random_pruning(departing, random, n, verdict):
    names = [measure for measure, null in TESTED.values() if null == "dealt"]
    z, of_random = dict.fromkeys(names[:departing], LATE), dict.fromkeys(names[:random], LATE)
    found = judged.more_than_chance(study(dict.fromkeys(names, LARGE), z, random_z=of_random, n=n))
    assert found.verdict == verdict
    assert found.value == pytest.approx(0.5**n if departing == 9 else 1)
    assert ("4 seeds cannot reach it" in found.measured) == (n == 4)
