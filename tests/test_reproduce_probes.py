"""The rows of the study of task complexity: what turns each verdict, and tiny runs from end to end."""

import dataclasses
import types

import numpy as np
import pandas as pd
import pytest
from study_tables import EASY, HARD, made_up_table

import nngraph as nng
from nngraph._rng import child, seed_sequence
from nngraph.claims import claims, resampled_claims
from nngraph.reproduce.ledger import Context, experiments
from nngraph.reproduce.probes import asked, beyond, figures, images, judging, others, pairs, table1, variants, widths
from nngraph.reproduce.probes.judging import judged, medians, shift
from nngraph.reproduce.probes.tasks import PAIRS, named, pair_tasks
from nngraph.store import COLUMNS
from nngraph.studies import Study, Training
from nngraph.training import mlp


@dataclasses.dataclass(frozen=True)
class Small(Training):
    """Networks that are trained in no time."""

    hidden: tuple[int, ...] = (6,)
    epochs: int = 2


TINY = Small()


def context(folder, scale="quick", data=None):
    folder.mkdir(parents=True, exist_ok=True)
    return Context(folder=folder, scale=scale, data=data, root=None, n_jobs=1, rng=0)


def by_key(rows):
    return {row.key: row for row in rows}


# ------------------------------------------------------------------------------------------------ claims on resamples


def test_claims_that_every_network_meets_are_met_in_every_resample_and_their_interval_holds_the_value():
    table = made_up_table(n_seeds=5)
    stable = resampled_claims(table, n_boot=40)
    for claim in claims(table):
        row = stable.loc[claim.key]
        assert row["share"] == (1.0 if claim.verdict == "holds" else 0.0)
        assert row["tested"] == 1.0
        assert row["low"] <= claim.value + 1e-9
        assert claim.value - 1e-9 <= row["high"]


def test_a_claim_that_hangs_on_a_few_networks_is_met_in_some_resamples_only():
    table = made_up_table(n_seeds=5)
    of_hard = (table["task"] == "hard one") & (table["form"] == "signed") & (table["operation"] == "none")
    table.loc[of_hard & table["metric"].eq("accuracy") & table["seed"].isin([0, 1]), "value"] = 0.9
    stable = resampled_claims(table, n_boot=120)
    collapse = next(claim for claim in claims(table) if claim.key == "collapse")
    assert collapse.verdict == "holds"
    assert 0.5 < stable.loc["collapse", "share"] < 0.9  # P(at least 3 of 5 draws among 3 of 5) = 0.683
    assert abs(stable.loc["collapse", "share"] - 0.683) < 0.1
    assert stable.loc["collapse", "high"] == pytest.approx(90.0)


def test_resamples_do_not_depend_on_the_order_of_rows_and_do_on_the_seed():
    table = made_up_table(n_seeds=5)
    first = resampled_claims(table, n_boot=20, rng=1)
    pd.testing.assert_frame_equal(first, resampled_claims(table.sample(frac=1, random_state=0), n_boot=20, rng=1))
    assert not first.equals(resampled_claims(table, n_boot=20, rng=2))


def test_a_table_without_the_two_tasks_has_nothing_to_resample():
    assert resampled_claims(made_up_table().assign(task="both"), n_boot=3).empty


# --------------------------------------------------------------------------------------------------- rows of a study


def test_rows_of_a_table_made_for_it_hold_but_for_the_bare_signs_of_the_hard_task():
    rows = by_key(figures.claim_rows(asked.CLAIMS, made_up_table(), "made up", {"probes": "a.png"}, n_boot=30))
    assert list(rows) == [one.key for one in asked.CLAIMS]
    assert [key for key, row in rows.items() if row.verdict != "holds"] == ["probes-22b"]
    assert rows["probes-22b"].verdict == "does not hold"
    assert rows["probes-04"].low <= rows["probes-04"].value <= rows["probes-04"].high
    assert "3 of 3 networks collapsed, p* = 0.4" in rows["probes-06"].measured


def test_a_network_with_nothing_to_gain_sends_the_reader_to_the_row_of_the_stand_in():
    table = made_up_table(easy=EASY | {"signed": [0.98] * 5 + [0.6]})
    rows = by_key(figures.claim_rows(asked.CLAIMS, table, "made up", {"probes": "a.png"}, n_boot=30))
    seen = by_key(figures.claim_rows(asked.CLAIMS, table, "Fashion-MNIST", {"probes": "a.png"}, n_boot=2))
    for key in ("probes-05", "probes-08a", "probes-09a"):  # the data that the claim is about are there
        if rows[key].verdict == "not testable here":
            assert (seen[key].verdict, seen[key].missing, seen[key].stand_in) == ("does not hold", "", "")
            assert seen[key].measured.startswith("nothing to see")
    assert rows["probes-05"].verdict == "not testable here"
    assert rows["probes-05"].stand_in == "probes-05a"
    assert "Fashion-MNIST" in rows["probes-05"].missing
    assert all(rows[key].verdict == "not testable here" for key in ("probes-08a", "probes-09a"))


def test_what_is_not_seen_and_has_no_stand_in_does_not_hold():
    table = made_up_table(hard={"full": [0.51] * 6, "signed": [0.5] * 6})
    rows = by_key(figures.claim_rows(asked.CLAIMS, table, "made up", {"probes": "a.png"}, n_boot=30))
    assert rows["probes-04"].verdict == "does not hold"
    assert "has not learned" in rows["probes-04"].measured
    rows = by_key(
        figures.claim_rows(
            asked.CLAIMS, made_up_table(easy={"full": [0.51] * 6, "signed": [0.5] * 6}), "x", {"probes": ""}
        )
    )
    assert rows["probes-05"].verdict == "does not hold"  # what was not learned is not what files would mend
    assert "has not learned" in rows["probes-05"].measured


def test_a_verdict_follows_the_share_of_resamples():
    table = made_up_table(n_seeds=5)
    of_hard = (table["task"] == "hard one") & (table["form"] == "signed") & (table["operation"] == "none")
    table.loc[of_hard & table["metric"].eq("accuracy") & table["seed"].isin([0, 1]), "value"] = 0.9
    rows = by_key(figures.claim_rows(asked.CLAIMS[:2], table, "made up", {"probes": "a.png"}, n_boot=30))
    assert rows["probes-04"].verdict == "holds in part"
    assert [judged(share) for share in (0.9, 0.89, 0.5, 0.49)] == [
        "holds",
        "holds in part",
        "holds in part",
        "does not hold",
    ]


def test_every_row_of_the_checklist_is_declared_once():
    keys = [key for experiment in experiments("probes") for key in experiment.keys]
    assert len(set(keys)) == len(keys)
    numbers = {key.removeprefix("probes-").rstrip("abcdefg") for key in keys}
    assert {f"{i:02d}" for i in range(1, 24)} <= numbers
    assert {f"x{i}" for i in range(1, 10)} <= numbers


# ------------------------------------------------------------------------------------------ variants and their rows


def made_up_variants(n=6, **changes):
    """Return variants for which every row holds; a change is (network, operation, form, metric, task) to a share."""
    values = {}
    for task, full, signed in (("easy", 0.98, 0.92), ("hard", 0.98, 0.52)):
        for network in variants.CONTROLS:
            there = network == "trained"
            for operation, parameter, form, null in variants._points():
                on = {"full": full, "signed": signed}[form] if there else 0.5
                if there and operation == "layer 1":
                    on = full
                for metric in ("accuracy", "auc", "recalibrated"):
                    value = on if metric == "accuracy" or not there else 0.97
                    values[network, operation, form, metric, task, parameter, null] = value
            for layer in (0, 1):
                same = {"trained": 0.6, "untrained": 1.0, "shuffled": 0.5}[network]
                values[network, f"layer {layer}", "full", "same sign", task, 0.0, ""] = same
    for (network, operation, form, metric, task), value in changes.get("to", {}).items():
        for key in values:
            if key[:5] == (network, operation, form, metric, task):
                values[key] = value
    rows = [
        (f"{task} one", seed, network, operation, parameter, form, null, 0, metric, value + 1e-4 * seed, "ok")
        for (network, operation, form, metric, task, parameter, null), value in values.items()
        for seed in range(n)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rows_beyond(table=None, **changes):
    twins = beyond.Twins(made_up_variants(**changes), {"easy": "easy one", "hard": "hard one"})
    return by_key(beyond.rows(twins, made_up_table(n_seeds=6) if table is None else table, "made up"))


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr(judging, "N_BOOT", 100)


def test_rows_beyond_the_paper_hold_on_variants_made_for_it():
    rows = rows_beyond()
    assert list(rows) == [key for key in asked.FIGURES if "-x" in key]
    assert {row.verdict for row in rows.values()} == {"holds"}
    assert rows["probes-x7"].value == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("probes-x3", {("trained", "scale", "signed", "accuracy", "hard"): 0.9}),
        ("probes-x4", {("trained", "layer 0", "signed", "accuracy", "hard"): 0.97}),
        ("probes-x4", {("trained", "layer 1", "signed", "accuracy", "hard"): 0.6}),
        ("probes-x5", {("trained", "bias drawn", "full", "accuracy", "hard"): 0.9}),
        ("probes-x5", {("trained", "bias kept", "signed", "accuracy", "easy"): 0.8}),
        ("probes-x6", {("untrained", "none", "signed", "accuracy", "easy"): 0.8}),
        ("probes-x6", {("shuffled", "none", "full", "accuracy", "hard"): 0.3}),
        ("probes-x7", {("trained", "layer 0", "full", "same sign", "easy"): 0.51}),
    ],
)
def test_each_row_beyond_the_paper_fails_where_its_numbers_contradict_it(key, change):
    assert rows_beyond(to=change)[key].verdict == "does not hold"


@pytest.mark.parametrize("signed", [0.98, 0.9])
def test_where_signs_lose_little_there_is_nothing_to_see_of_scale_or_layer(signed):
    forms = [("trained", name, "signed", "accuracy", "hard") for name in ("none", "scale", "layer 0")]
    rows = rows_beyond(to=dict.fromkeys(forms, signed))
    for key in ("probes-x3", "probes-x4"):
        assert rows[key].verdict == "does not hold"
        assert rows[key].measured.startswith("nothing to see, signs lose")


@pytest.mark.parametrize(
    ("keys", "change"),
    [
        (("x1", "x3", "x4"), {("untrained", "none", "full", "accuracy", "hard"): 0.8}),
        (
            ("x5",),
            {
                ("trained", name, "signed", "accuracy", task): 0.98
                for name in ("none", "bias zero", "bias drawn", "bias kept")
                for task in ("easy", "hard")
            },
        ),
        (("x7",), {("shuffled", "layer 0", "full", "same sign", task): 0.55 for task in ("easy", "hard")}),
    ],
)
def test_where_the_control_does_as_well_a_row_beyond_the_paper_holds_in_part(keys, change):
    rows = rows_beyond(to=change)
    assert {rows[f"probes-{key}"].verdict for key in keys} == {"holds in part"}


@pytest.mark.parametrize(
    ("change", "limited"),
    [
        ({}, set()),
        ({("untrained", "none", "full", "accuracy", "easy"): 0.8}, {"05", "08a", "09a", "11a", "13", "14a", "22a"}),
        ({("trained", "prune at random", "signed", "accuracy", "hard"): 0.9}, {"06", "22c"}),
        ({("trained", "flip at random", "signed", "accuracy", "hard"): 0.9}, {"09b", "10"}),
        ({("untrained", "none", "signed", "auc", "hard"): 0.98}, {"04", "04a", "22d"}),
    ],
)
def test_where_the_control_does_as_well_a_claim_holds_in_part_at_most_and_says_so(change, limited):
    better = {("trained", name, "signed", "accuracy", t): 0.6 for name in ("prune", "flip") for t in ("easy", "hard")}
    worse = dict.fromkeys([("trained", f"{k[1]} at random", *k[2:]) for k in better], 0.55)
    lower = {("untrained", "none", "signed", "auc", task): 0.5 for task in ("easy", "hard")}
    kept = {("trained", "none", "full", "accuracy", task): 0.98 for task in ("easy", "hard")}
    table = made_up_variants(to=kept | better | worse | lower | change)
    twins = beyond.Twins(table, {"easy": "easy one", "hard": "hard one"})
    rows = by_key(figures.claim_rows(asked.CLAIMS, made_up_table(), "made up", {"probes": "a.png"}, twins, n_boot=3))
    ends = {
        key.removeprefix("probes-") for key, row in rows.items() if row.control.endswith("the control does as well")
    }
    assert limited <= ends
    assert not limited or "03" not in ends
    assert all(rows[f"probes-{key}"].verdict != "holds" for key in ends)
    assert limited or not ends


def test_the_collapse_is_an_offset_only_where_collapsed_networks_rank():
    assert rows_beyond(made_up_table(n_seeds=6, auc=0.8))["probes-x1"].verdict == "does not hold"
    kept = made_up_table(n_seeds=6, hard=HARD | {"signed": [0.9] * 6})
    row = rows_beyond(kept)["probes-x1"]
    assert (row.verdict, row.value) == ("does not hold", None)
    assert "0 of 6 networks collapsed" in row.measured


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a small study that was run, and its folder."""
    folder = tmp_path_factory.mktemp("study")
    study = Study(pair_tasks(named("digits")), ops={"prune": [0.0, 0.4]}, nulls="B", seeds=2, draws=1, network=TINY)
    study.run(folder, figures=False)
    return study, folder


def test_variants_are_what_the_operations_give_and_the_untrained_twin_has_the_initial_weights(small, tmp_path):
    study, folder = small
    table = variants.measured(study, folder, tmp_path / "variants", n=1)
    twins = beyond.Twins(table, dict(zip(("easy", "hard"), study.tasks, strict=True)))
    unit = next(unit for unit in study._units() if unit.seed == 0 and unit.task.startswith("hard"))
    task = unit.load()
    first = mlp((784, 6, 2), rng=child(child(unit.rng, "network"), "initial weights"))
    start, G = nng.from_torch(first), nng.load(folder / "networks" / f"{unit.name}.nngraph")
    graphs = {
        ("untrained", "none", "full", 0.0): start,
        ("trained", "none", "signed", 0.0): nng.ops.binarize(G, bias="probe"),
        ("trained", "bias kept", "signed", 0.0): nng.ops.binarize(G),
        ("trained", "scale", "signed", 0.0): nng.ops.binarize(G, scale="mean_abs"),
        ("trained", "layer 0", "signed", 0.0): nng.ops.binarize(G, blocks=0, bias="probe"),
        ("trained", "prune", "full", 0.4): nng.ops.prune(G, 0.4),
        ("untrained", "flip", "signed", 0.3): nng.ops.binarize(nng.ops.flip_signs(start, 0.3), bias="probe"),
    }
    for (network, operation, form, parameter), graph in graphs.items():
        expected = nng.evaluate(graph, first, (task.x_test, task.y_test))["value"].iloc[0]
        found = twins.values("hard", network, operation, parameter=parameter, form=form)
        assert found == pytest.approx([100 * expected]), operation
    assert twins.values("hard", "untrained", "layer 0", metric="same sign") == pytest.approx([100])
    share = np.mean(np.sign(G.blocks[0].dense()) == np.sign(start.blocks[0].dense()))
    assert twins.values("hard", "trained", "layer 0", metric="same sign") == pytest.approx([100 * share])
    assert share < 1


def test_biases_drawn_anew_are_those_of_an_initialisation_and_weights_stay():
    G = nng.from_torch(mlp((100, 50, 2), rng=0))
    H = variants._other_biases(G, seed_sequence(1))
    assert np.array_equal(G.weights(), H.weights())
    for old, new in zip(G.blocks, H.blocks, strict=True):
        assert not np.array_equal(old.bias, new.bias)
        assert np.abs(new.bias).max() <= 1 / np.sqrt(new.n_source)


def test_table_1_holds_on_networks_of_a_study_and_fails_when_a_null_model_is_said_to_keep_more(small, monkeypatch):
    study, folder = small
    row = table1.row(study, folder, "digits")
    assert row.verdict in ("holds", "holds in part")  # a hidden layer of 6 leaves some null models few states
    assert "not kept" not in row.measured
    kept = nng.nulls.kept
    monkeypatch.setattr(table1.nulls, "kept", lambda kind: kept(kind) | {"signs"})
    assert table1.row(study, folder, "digits").verdict == "does not hold"


# ---------------------------------------------------------------------------------------------------- other figures


def test_widths_are_judged_together():
    text, verdict, at = widths.together(made_up_table(), n_boot=5)
    assert verdict == "holds"
    assert text.startswith("met: 03 04 05 06 07 08a 08b 09a 09b 11a 11b")
    assert at[1] <= at[0] <= at[2]
    contradicted = made_up_table(nulls={"easy": 0.6, "hard": 0.55})
    assert widths.together(contradicted, n_boot=2)[1] == "holds in part"
    assert "not met: 11a 11b" in widths.together(contradicted, n_boot=2)[0]
    met = claims(made_up_table())
    unmet = [dataclasses.replace(claim, verdict="does not hold") for claim in met]
    assert widths.judged_together([*met[:1], *unmet]) == "does not hold"


def test_verdicts_at_another_width_are_compared_with_those_at_64():
    table, contradicted = made_up_table(), made_up_table(nulls={"easy": 0.6, "hard": 0.55})
    assert widths.as_with_64(table, table) == ("11 of 11 claims have the same verdict", "holds")
    text, verdict = widths.as_with_64(contradicted, table)
    assert verdict == "holds in part"
    assert text == "9 of 11 claims have the same verdict, not 11a (not met, met), 11b (not met, met)"
    assert widths.as_with_64(contradicted, contradicted)[1] == "holds"  # as with 64, though not as claimed
    still = made_up_table(hard=HARD | {"signed": [0.98] * 6}, easy=EASY | {"signed": [0.98] * 6})
    assert widths.as_with_64(still, table)[1] == "does not hold"


def test_networks_of_64_units_are_taken_from_figures_1_to_3_where_they_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(nng.studies, "Training", Small)
    monkeypatch.setattr(figures, "SEEDS", {"quick": 2})
    kept = {"ops": {"prune": [0.0]}, "nulls": "B", "rng": 0, "network": TINY}
    real = nng.studies.Study
    monkeypatch.setattr(nng.studies, "Study", lambda tasks, **given: real(tasks, **(kept | given)))
    tasks = pair_tasks(named("digits"))
    fewer = real(tasks, seeds=1, draws=1, **kept)
    own = widths._with_64(fewer, context(tmp_path / "figures-10-13"))
    assert (tmp_path / "figures-10-13" / "width-64" / "study.json").exists()
    real(tasks, seeds=2, **kept).run(tmp_path / "figures-1-3" / "study", figures=False)
    again = widths._with_64(fewer, context(tmp_path / "figures-10-13"))
    numbers = ["task", "seed", "operation", "parameter", "form", "null", "draw", "metric", "value"]
    pd.testing.assert_frame_equal(own[numbers], again[numbers])
    monkeypatch.setattr(real, "run", None)  # nothing is trained for it
    widths._with_64(fewer, context(tmp_path / "figures-10-13"))


def test_untrained_networks_of_a_study_are_told_with_those_of_their_initial_weights(small):
    study, _ = small
    text, as_well = variants.untrained(study)
    assert not as_well
    assert all(f"{name}: full " in text for name in study.tasks)


def test_the_place_of_a_pair_is_counted_from_its_end():
    table = pd.DataFrame([[0.0, 0.5, 0.9], [0.5, 0.0, 0.7], [0.9, 0.7, 0.0]], list("abc"), list("abc"))
    assert (
        images._place(table, (0, 1), "x", largest=False).rank,
        images._place(table, (0, 1), "x", largest=True).rank,
    ) == (1, 3)
    assert images._place(table, (1, 2), "x", largest=True).rank == 2
    assert not images._place(table, (1, 2), "x", largest=True).tied
    place = images._place(table, (2, 0), "x", largest=True)
    verdicts = [
        images._row("easy", [place], [mixed], data="x", control="c", figure="").verdict
        for mixed in ((0.5, 0.6), (0.5, 0.95))
    ]
    assert verdicts == ["holds", "holds in part"]  # mixed labels reach as far
    apart = images._place(table, (1, 2), "x", largest=True)
    third = images._row("easy", [place, apart, apart], [(0, 0.1)] * 3, data="x", control="c", figure="")
    assert third.verdict == "does not hold"  # one data set of three
    assert images._place(table, (2, 0), "x", largest=True).tied


def test_without_files_the_rows_of_mnist_name_what_is_missing_and_the_stand_in(tmp_path):
    for row in others.mnist(context(tmp_path)):
        assert row.verdict == "not testable here"
        assert "MNIST" in row.missing
        assert row.stand_in in [key for e in experiments("probes") for key in e.keys]


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([(0.01, 0.005, 0.02), (-0.01, -0.02, -0.005)], "holds"),
        ([(0.01, 0.005, 0.02), (0.01, -0.001, 0.02)], "holds in part"),
        ([(0.01, 0.005, 0.02), (0.02, 0.005, 0.03)], "does not hold"),
    ],
)
def test_sigma_orders_difficulty_where_the_difference_has_one_sign(differences, verdict):
    found = {str(i): ((0.05, 0.05, 0.05), (0.06, 0.06, 0.06), d) for i, d in enumerate(differences)}
    row = others._sigma_row(found, {"data": "x"})
    assert (row.verdict, row.control) == (verdict, "")
    capped = others._sigma_row(found, {"data": "x"}, found)
    assert capped.verdict == ("holds in part" if verdict == "holds" else verdict)
    assert "untrained: 0: easy 0.0500" in capped.control


def test_untrained_widths_are_those_of_the_initial_weights(small):
    study, _ = small
    unit = study._units()[0]
    first = mlp((784, 6, 2), rng=child(child(unit.rng, "network"), "initial weights"))
    found = others.widths_untrained(study)
    assert list(found) == list(study.tasks)
    assert found[unit.task][0] == pytest.approx(nng.from_torch(first).weights().std(dtype=np.float64))
    assert len(found[unit.task]) == study.seeds


def test_medians_and_shifts_are_those_of_numpy_with_intervals_around_them():
    values = np.random.default_rng(0).normal(size=41)
    middle, low, high = medians(values, n_boot=1000)
    assert middle == np.median(values)
    assert low < middle < high
    draws = np.random.default_rng(1).choice(values, size=(20_000, 41))
    expected = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    assert np.allclose([low, high], expected, atol=0.1)
    assert shift(values + 2, values) == pytest.approx((2, 2, 2))


def test_pairs_of_a_data_set_with_a_split_of_its_own_are_tasks_and_others_functions_of_a_seed():
    digits = named("digits")
    tasks = pair_tasks(digits)
    assert list(tasks) == ["easy {0,7}", "hard {1,8}"]
    one, two = (tasks["hard {1,8}"](seed_sequence(seed)) for seed in (0, 1))
    assert not np.array_equal(one.x_train, two.x_train)
    split = dataclasses.replace(digits, test_images=digits.images, test_labels=digits.labels)
    assert pair_tasks(split)["easy {0,7}"].name == "easy {0,7}"
    assert all(len(set(pair)) == 2 for roles in PAIRS.values() for pair in roles.values())


# ----------------------------------------------------------------------------------------- tiny runs from end to end


@pytest.fixture(scope="module")
def few_digits():
    """Return digits of five classes, one in three images, as a data set that calls itself digits."""
    digits = named("digits")
    rows = np.flatnonzero(np.isin(digits.labels, (0, 1, 2, 7, 8)))[::3]
    place = np.full(10, -1)
    place[[0, 1, 2, 7, 8]] = np.arange(5)
    return dataclasses.replace(
        digits, images=digits.images[rows], labels=place[digits.labels[rows]], class_names=tuple("01278")
    )


def test_pairs_give_their_rows_from_one_call_and_the_second_run_takes_them_from_the_folder(
    few_digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(pairs, "named", lambda data, root=None: few_digits)
    monkeypatch.setitem(pairs.PAIRS, "digits", {"easy": (0, 3), "hard": (1, 4)})
    monkeypatch.setattr(pairs, "SETTINGS", {"quick": {"seeds": 2, "draws": 1, "other": 2, "two": 2}})
    rows = pairs.run(context(tmp_path / "pairs"))
    assert sorted(row.key for row in rows) == sorted(asked.PAIRS)
    assert by_key(rows)["probes-15"].measured.startswith("quartiles over 10 pairs")
    assert all((tmp_path / "pairs" / row.figure).stat().st_size < 150_000 for row in rows)
    monkeypatch.setattr(Training, "__call__", None)
    assert pairs.run(context(tmp_path / "pairs")) == rows


@pytest.mark.parametrize(
    ("here", "there", "verdict"),
    [
        ((40, 30, 50), (5, 0, 10), "holds"),
        ((40, 8, 50), (5, 0, 10), "holds in part"),
        ((40, 30, 50), (30, 20, 35), "no"),
    ],
)
def test_a_collapse_hangs_on_the_range_where_there_is_one_and_the_other_range_ends_it(here, there, verdict):
    def judged(here, there):
        points = {"gap_bin": here, "gap_bin_other_scaling": there}
        row = {f"{name}{end}": x / 100 for name, v in points.items() for end, x in zip(pairs._ENDS, v, strict=True)}
        table = pd.DataFrame([row, row]).assign(metric="accuracy")
        return pairs._collapse_by_range(types.SimpleNamespace(table=table), "digits", seeds=2)

    assert judged(here, there).verdict == ("does not hold" if verdict == "no" else verdict)
    none = judged((0, 0, 4), (0, 0, 0))
    assert none.verdict == "does not hold"
    assert none.measured.startswith("nothing to see, signs lose 0.0 points")


def test_images_give_their_rows_and_a_control_with_mixed_labels(tmp_path, monkeypatch):
    monkeypatch.setitem(images.N, "quick", 60)
    hard, easy = images.run(context(tmp_path))
    assert (hard.key, easy.key) == asked.IMAGES
    assert "1/8" in hard.measured
    assert "of 45" in easy.measured
    low, high = (float(x) for x in hard.control.split(": ")[1].split(" to "))
    assert high - low < 0.1  # classes that mean nothing differ by chance alone
    assert (tmp_path / hard.figure).exists()


def test_any_model_needs_samples_or_a_score_and_both_say_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(others, "MODELS", 2)
    (row,) = others.any_model(context(tmp_path))
    assert row.verdict in ("holds", "holds in part")
    assert (row.verdict == "holds") == row.control.endswith("none")
    assert "breast_cancer, untrained" in row.measured
    assert (tmp_path / row.figure).exists()


@pytest.mark.parametrize(
    ("name", "change", "verdict"),
    [
        ("wine, trained", {}, "holds"),
        ("breast_cancer, untrained", {"gap_B": 0.3}, "holds in part"),
        ("wine, a score alone", {"gap_bin": 0.1}, "holds in part"),
        ("wine, trained", {"gap_B": np.nan}, "does not hold"),
    ],
)
def test_gaps_of_untrained_networks_are_told_and_limit_the_verdict(name, change, verdict):
    gaps = {"full": 0.9, "gap_bin": 0.2, "gap_B": 0.2, "gap_bin_normalized": 0.4, "gap_B_normalized": 0.4}
    none = dict.fromkeys(gaps, 0.0) | {"full": 0.5}
    table = pd.DataFrame(
        {
            f"{data}, {state}": (none if state == "untrained" else gaps) | {"gap_bin_low": 0.1, "gap_bin_high": 0.3}
            for data, state in [
                *((data, state) for data in ("wine", "breast_cancer") for state in ("trained", "untrained")),
                ("wine", "a score alone"),
            ]
        }
    ).T
    for column, value in change.items():
        table.loc[name, column] = value
    row = others._any_row(table.assign(status="ok").rename_axis("task").reset_index(), "")
    assert row.verdict == verdict
    assert ("breast_cancer gap_B" in row.control) == (name == "breast_cancer, untrained")


def test_tabular_data_are_standardised_by_their_training_rows():
    task = others._tabular("wine", 0)
    assert np.abs(task.x_train.mean(axis=0)).max() < 1e-5
    assert np.allclose(task.x_train.std(axis=0), 1, atol=1e-4)
    assert np.abs(task.x_test.mean(axis=0)).max() > 1e-2


def test_the_whole_of_figures_1_to_3_runs_on_a_few_small_networks_and_gives_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "SEEDS", {"quick": 2})
    monkeypatch.setattr(figures, "TWINS", 2)
    monkeypatch.setattr(nng.studies, "Training", Small)
    for name in ("PRUNED", "NOISE", "FLIPPED"):
        grid = {"PRUNED": (0.0, 0.4, 0.6, 0.8), "NOISE": (0.001, 0.06, 1.0), "FLIPPED": (0.0, 0.3, 1.0)}[name]
        monkeypatch.setattr(f"nngraph._study_arguments.{name}", grid)
    monkeypatch.setattr(figures, "resampled_claims", lambda table, n_boot: resampled_claims(table, n_boot=3))
    rows = figures.run(context(tmp_path))
    assert sorted(row.key for row in rows) == sorted(asked.FIGURES)
    for row in rows:
        assert row.criterion
        assert row.control
    drawn = {row.figure for row in rows if row.key != "probes-12"}
    assert drawn == {"probes.png", "nulls.png", "pruned-nulls.png", "middle.png", "beyond.png"}
    assert all((tmp_path / name).stat().st_size < 150_000 for name in drawn)


@pytest.mark.parametrize("moved", [False, True])
def test_the_order_of_tasks_differs_between_ranges_only_where_the_range_has_an_effect(moved):
    """60 studies of 20 tasks and 6 networks; the ranges are alike, or order the tasks independently of each other."""

    def rows(draw, gaps):
        full = 0.95 + 0.01 * draw.normal(size=(20, 6))
        values = {"full": full, "signed": full - gaps[:, None] + 0.05 * draw.normal(size=(20, 6))}
        return pd.DataFrame(
            {"task": f"{i:02d}", "seed": j, "operation": "none", "null": "", "metric": "accuracy", "form": form}
            | {"value": found[i, j], "status": "ok"}
            for form, found in values.items()
            for i in range(20)
            for j in range(6)
        )

    seen = 0
    for seed in range(60 if not moved else 5):
        draw = np.random.default_rng(seed)
        gaps = draw.uniform(0, 0.5, size=20)
        other = draw.permutation(gaps) if moved else gaps
        same, _, (low, high) = pairs.order_by_range(rows(draw, gaps), rows(draw, other))
        assert low <= high
        assert same > 0.7
        seen += low > 0
    assert seen == 5 if moved else seen <= 3, seen
