import numpy as np
import pandas as pd
import pytest
from study_tables import EASY, HARD, made_up_table

from nngraph._tables import curve, folded
from nngraph.claims import claims, peak, transitions
from nngraph.reports import summary, write


def verdicts(table):
    return {claim.claim: claim.verdict for claim in claims(table)}


def verdict(table, words):
    found = [claim.verdict for claim in claims(table) if words in claim.claim]
    assert len(found) == 1, words
    return found[0]


def test_a_table_made_for_it_makes_every_claim_hold_except_that_hard_signs_suffice_alone():
    found = verdicts(made_up_table())
    assert [claim for claim, verdict in found.items() if verdict != "holds"] == ["Signs alone suffice: hard"]
    assert len(found) == 19


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("robust to pruning", {"easy": EASY | {"full": [0.98, 0.98, 0.94, 0.9, 0.8, 0.6]}}),
        ("robust to pruning", {"hard": HARD | {"full": [0.98, 0.98, 0.98, 0.97, 0.9, 0.6]}}),
        ("at chance before", {"hard": HARD | {"signed": [0.7, 0.8, 0.95, 0.94, 0.88, 0.6]}}),
        ("Pruning raises the signed easy", {"easy": EASY | {"signed": [0.92, 0.92, 0.92, 0.91, 0.9, 0.6]}}),
        ("rises abruptly", {"hard": HARD | {"signed": [0.54, 0.6, 0.7, 0.8, 0.7, 0.6]}}),
        ("rises abruptly", {"hard": HARD | {"signed": [0.54, 0.6, 0.9, 0.9, 0.7, 0.5]}}),
        ("more robust to noise", {"full": {"noise": {"easy": [0.98] * 8 + [0.8] * 3, "hard": [0.98] * 8 + [0.8] * 3}}}),
        (
            "signed hard network peaks",
            {"signed": {"noise": {"easy": [0.92] * 11, "hard": [0.54] * 9 + [0.92, 0.5]}}},
        ),
        ("raises the signed hard", {"signed": {"flip": {"easy": [0.92] * 7, "hard": [0.54] * 5 + [0.9, 0.5]}}}),
        ("explain", {"signed": {"flip": {"easy": [0.92] * 7, "hard": [0.54, 0.6, 0.7, 0.8, 0.7, 0.5, 0.5]}}}),
        ("explain", {"share": {}}),
        ("keep the easy", {"nulls": {"easy": 0.8, "hard": 0.75}}),
        ("hard network's null models", {"nulls": {"easy": 0.94, "hard": 0.55}}),
        ("degrees are not enough", {"nulls": {"easy": 0.7, "hard": 0.75}}),
        ("restores the easy", {"pruned_null": 0.92}),
        ("shows a transition", {"pruned_null": 0.8, "nulls": {"easy": 0.94, "hard": 0.9}}),
        ("suffice: easy", {"easy": EASY | {"signed": [0.8] * 6}}),
        ("suffice: hard, pruned", {"hard": HARD | {"signed": [0.54, 0.6, 0.7, 0.8, 0.7, 0.6]}}),
        ("threshold moved", {"auc": 0.9}),
    ],
)
def test_each_claim_fails_on_a_table_that_contradicts_it(words, changes):
    assert verdict(made_up_table(), words) == "holds"
    assert verdict(made_up_table(**changes), words) == "does not hold"


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("raises the signed easy network", {"easy": EASY | {"signed": [0.98] * 5 + [0.6]}}),
        ("rises abruptly", {"hard": HARD | {"signed": [0.9] * 6}}),
        ("signed hard network peaks", {"hard": HARD | {"signed": [0.97] * 6}}),
        ("explain", {"signed": {"flip": {"easy": [0.92] * 7, "hard": [0.54] * 7}}}),
    ],
)
def test_a_claim_without_what_it_speaks_of_is_not_testable(words, changes):
    found = [claim.verdict for claim in claims(made_up_table(**changes)) if words in claim.claim]
    assert "not testable" in found
    assert "holds" not in found


def test_nothing_is_claimed_of_a_network_that_has_not_learned():
    found = claims(made_up_table(hard={"full": [0.51] * 6, "signed": [0.5] * 6}))
    for claim in found:
        if "hard" in claim.claim:
            assert claim.verdict == "not testable"
            assert "the full hard network is at 51.0 (chance 50.0)" in claim.found
    assert "holds" in [claim.verdict for claim in found]


def test_rows_that_are_missing_make_a_claim_not_testable():
    table = made_up_table()
    without = table[(table["null"] == "") & (table["operation"] != "noise")]
    found = {claim.verdict for claim in claims(without) if "noise" in claim.claim or "After B" in claim.claim}
    assert found == {"not testable"}
    assert verdict(without, "robust to pruning") == "holds"


def test_without_an_easy_and_a_hard_task_there_are_no_claims():
    table = made_up_table()
    assert claims(table[table["task"] == "easy one"]) == []
    assert claims(table.assign(task="both")) == []


def test_the_verdict_does_not_depend_on_the_order_of_rows():
    table = made_up_table()
    assert verdicts(table.sample(frac=1, random_state=0)) == verdicts(table)


def test_the_peak_of_a_plateau_is_its_middle_and_of_a_point_the_point():
    assert peak(pd.Series({0.0: 50.0, 0.1: 90.0, 0.2: 90.05, 0.3: 90.0, 0.4: 50.0})) == (0.2, 90.05)
    assert peak(pd.Series({0.0: 50.0, 0.1: 91.0, 0.2: 90.0})) == (0.1, 91.0)


def test_the_transition_is_the_first_point_halfway_up_and_only_of_collapsed_seeds():
    assert transitions(made_up_table(), "hard one") == [0.4, 0.4, 0.4]
    assert transitions(made_up_table(), "easy one") == []


def test_tasks_of_more_than_two_classes_have_no_claims():
    table = made_up_table()
    assert claims(table)
    table.loc[table["task"].eq("hard one") & table["metric"].eq("n_classes"), "value"] = 3.0
    assert claims(table) == []


def test_folding_mirrors_two_class_accuracies_alone():
    table = made_up_table()
    low = table["metric"].isin(["accuracy", "auc"])
    table.loc[low, "value"] = 0.2
    table.loc[table["task"].eq("hard one") & table["metric"].eq("n_classes"), "value"] = 3.0
    once = folded(table)
    assert set(once.loc[once["task"].eq("easy one") & once["metric"].eq("accuracy"), "value"]) == {0.8}
    assert set(once.loc[once["task"].eq("hard one") & once["metric"].eq("accuracy"), "value"]) == {0.2}
    assert set(once.loc[once["metric"].eq("auc"), "value"]) == {0.2}
    assert set(table.loc[low, "value"]) == {0.2}
    pd.testing.assert_frame_equal(folded(once), once)


def test_quartiles_are_those_of_numpy():
    table = made_up_table(n_seeds=5)
    points = curve(table, "easy one", "prune", form="signed")
    at = table[
        table["task"].eq("easy one")
        & table["operation"].eq("prune")
        & table["form"].eq("signed")
        & table["parameter"].eq(0.4)
    ]
    expected = np.quantile(at["value"], [0.25, 0.5, 0.75])
    assert np.allclose(points.loc[0.4], expected)


# ------------------------------------------------------------------------------------------------------- the one page


def test_the_summary_shows_medians_with_quartiles_points_and_every_claim():
    text = summary(made_up_table(n_seeds=5))
    assert "| full    | 98.0 (97.9-98.1) | 99.0 (99.0-99.0) | 95.0 (95.0-95.0) |" in text
    assert "- chance 50.0 %, sigma(w) = 0.060" in text
    assert "5 of 5 seeds collapsed: p* = 0.40 (0.40-0.40)" in text
    assert "signed median under pruning: up to 95.0 % at p = 0.4 (from 54.0 %)" in text
    assert "signed median under noise: up to 92.0 % at a* = 0.062 = 1.0 sigma(w) (from 54.0 %)" in text
    assert text.count("- **holds**") == 18
    assert text.count("- **does not hold**") == 1


def test_the_summary_says_when_it_folds_and_then_has_no_two_class_accuracy_below_a_half():
    table = made_up_table(hard=HARD | {"signed": [0.4, 0.6, 0.95, 0.94, 0.88, 0.6]})
    assert "| signed  | 40.0 (" in summary(table)
    folded_text = summary(table, fold=True)
    assert "folded" in folded_text
    assert "| signed  | 60.0 (" in folded_text
    assert "| signed  | 40.0 (" not in folded_text


def test_the_summary_names_failures():
    table = made_up_table()
    table.loc[5, "status"] = "failed: a | b"
    assert "Rows of 1 network failed" in summary(table)
    assert "a \\| b" in summary(table)


def test_a_table_of_failures_alone_still_gives_a_page(tmp_path):
    row = {"task": "t", "seed": 0, "network": "", "operation": "none", "parameter": 0.0, "form": "full", "null": ""}
    table = pd.DataFrame([row | {"draw": 0, "metric": "", "value": np.nan, "status": "failed: no data"}])
    write(table, tmp_path)
    assert "failed: no data" in (tmp_path / "summary.md").read_text()


def test_figures_are_written_as_png_and_pdf_and_the_same_each_time(tmp_path):
    names = [
        f"{name}.{kind}"
        for name in ("perturbations", "pruned_randomizations", "randomizations")
        for kind in ("pdf", "png")
    ]
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write(made_up_table(), folder)
        assert sorted(path.name for path in (folder / "figures").iterdir()) == names
        written.append({name: (folder / "figures" / name).read_bytes() for name in names})
    assert written[0] == written[1]
