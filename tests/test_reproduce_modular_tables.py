"""The tables of the modular sums, on a few taps and pairs, and the page that is written from them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from nngraph.errors import ArgumentError
from nngraph.reproduce.layer_groups import __main__ as command
from nngraph.reproduce.layer_groups import _page, figures, modular, targets
from nngraph.reproduce.layer_groups.judgements import Judgement, table_of

TAPS = ["0.resid_post", "1.resid_post", "2.resid_post", "2.mlp_out"]
CELL = {"tokens": "last", "encoding": "one-hot", "normalize": "mean"}


def table1_of(model, twin, gaussian, target="c1"):
    """A table of one cell, from distances by tap."""
    rows = [("model", tap, value) for tap, value in model.items()]
    rows += [("untrained", tap, value) for tap, value in twin.items()] + [("gaussian", "", gaussian)]
    return pd.DataFrame([{**CELL, "target": target, "source": s, "tap": t, "squared": v} for s, t, v in rows])


def probes_of(accuracies):
    """A table of probes from accuracies by (tap, target); errors are 1 - accuracy."""
    rows = []
    for (tap, target), value in accuracies.items():
        row = {"tap": tap, "target": target, "metric": "accuracy", "value": value}
        rows += [row | {"probe": probe} for probe in ("linear", "logistic", "mlp")]
        rows.append({"tap": tap, "target": target, "probe": "linear", "metric": "error", "value": 1 - value})
    return pd.DataFrame(rows)


def test_samples_are_the_same_pairs_for_the_network_and_its_twin():
    own, twin = (targets.representations_of("0", trained=trained, tokens="last", n=20) for trained in (True, False))
    np.testing.assert_array_equal(own.ids, twin.ids)
    assert own["0.resid_post"].shape == (20, 128)
    assert not np.allclose(own["0.resid_post"], twin["0.resid_post"])


def test_table_1_has_every_target_encoding_normalisation_and_control():
    table = targets.table1("L", n=30, tokens=["last"], taps=TAPS)
    assert set(table["tokens"]) == {"last"}
    counts = table.groupby(["source", "target", "encoding", "normalize"]).size()
    assert len(counts) == 3 * 3 * 3 * 2
    assert set(counts[["model", "untrained"]]) == {len(TAPS)}
    assert set(counts["gaussian"]) == {1}
    near = targets.nearest(table)
    assert len(near) == 18
    assert (near["squared"] <= near["value"] + 1e-15).all()
    assert list(targets.verdicts(near)["cells"]) == [6, 6, 6]


def test_the_rank_counts_taps_that_are_nearer_than_the_published_one():
    table = table1_of({"0.resid_post": 0.2, "a": 0.1, "b": 0.3}, {"0.resid_post": 0.4, "a": 0.15}, 0.25)
    row = targets.nearest(table).iloc[0]
    assert (row["nearest"], row["squared"], row["value"], row["rank"], row["of"]) == ("a", 0.1, 0.2, 2, 3)
    assert (row["untrained"], row["untrained_nearest"], row["gaussian"]) == (0.4, 0.15, 0.25)
    verdict = targets.verdicts(targets.nearest(table)).iloc[0]
    assert (verdict["first"], verdict["below_twin"], verdict["below_gaussian"]) == (0, 0, 1)
    assert verdict["verdict"] == "does not hold"


def test_a_tap_that_is_nearest_in_some_cells_holds_in_part():
    good = table1_of({"0.resid_post": 0.1, "a": 0.2}, {"0.resid_post": 0.4, "a": 0.5}, 0.3)
    bad = table1_of({"0.resid_post": 0.3, "a": 0.2}, {"0.resid_post": 0.4, "a": 0.5}, 0.3).assign(encoding="scalar")
    tie = table1_of({"0.resid_post": 0.104, "a": 0.101}, {"0.resid_post": 0.4, "a": 0.5}, 0.3)
    assert targets.verdicts(targets.nearest(tie))["verdict"].tolist() == ["holds"]
    assert targets.verdicts(targets.nearest(good))["verdict"].tolist() == ["holds"]
    assert targets.verdicts(targets.nearest(pd.concat([good, bad])))["verdict"].tolist() == ["holds in part"]


def test_linear_probes_of_model_l_are_scored_on_the_pairs_that_it_has_not_seen():
    table = targets.table4("L", taps=["0.resid_post"], deep=[])
    assert set(table["n_test"]) == {696}
    assert set(table["probe"]) == {"linear"}
    c1 = table[(table["target"] == "c1") & (table["metric"] == "accuracy")]["value"].item()
    assert c1 == 1.0  # what the first block was trained for
    assert set(table["target"]) == {"c1", "c2", "c"}


def test_errors_are_counted_at_the_pairs_next_to_a_wrap(monkeypatch):
    class Always(torch.nn.Module):
        def forward(self, tokens):
            return torch.eye(17)[torch.zeros_like(tokens)]

    monkeypatch.setattr(modular, "load", lambda name: Always())
    found = targets.errors_at_wraps("L")
    held_out = [tuple(pair) for pair in modular.pairs()[modular.split()[1]].tolist()]
    wraps = [(a, b) for a, b in held_out if a + b in (58, 59) or (a + b) % 59 + b in (30, 31, 61, 62, 92, 93)]
    zero = [(a, b) for a, b in held_out if ((((a + b) % 59 + b) % 31) + b) % 17 == 0]
    assert found["errors"] == len(held_out) - len(zero)
    assert found["at_wraps"] == len(set(wraps) - set(zero))
    assert found["share"] == len(wraps) / len(held_out)


def test_the_published_groups_are_the_stretches_of_the_paper():
    groups = figures.PUBLISHED_GROUPS
    assert len(groups) == 93
    assert np.flatnonzero(groups == 2).tolist() == [*range(20, 45), *range(52, 73)]
    assert np.flatnonzero(groups == 1).tolist() == [*range(12, 20), *range(45, 52)]


TAPS_OF_A_BLOCK = [
    *("resid_pre", "k0", "k1", "k2", "k3", "q0", "q1", "q2", "q3", "v0", "v1", "v2", "v3", "attn_pre0", "attn_pre1"),
    *("attn_pre2", "attn_pre3", "attn0", "attn1", "attn2", "attn3", "z0", "z1", "z2", "z3", "attn_out", "resid_mid"),
    *("pre", "post", "mlp_out", "resid_post"),
]


def map_of(places, scale=1.0):
    """What the claims read of a map, for taps at these places on a line."""
    taps = [f"{i // 31}.{TAPS_OF_A_BLOCK[i % 31]}" for i in range(len(places))]
    root = pd.DataFrame(scale * abs(np.subtract.outer(places, places)), taps, taps)
    return SimpleNamespace(root=root, squared=root**2)


def maps_of(trained_l, trained_e, trained_0):
    """All six maps; untrained taps lie at random."""
    draw = np.random.default_rng(0)
    deep, flat = map_of(draw.normal(size=93)), map_of(draw.normal(size=31))
    return {"L": (trained_l, deep), "E": (trained_e, deep), "0": (trained_0, flat)}


def test_the_claims_of_the_maps_hold_on_maps_made_to_their_words():
    wobble = np.random.default_rng(1).normal(size=93) / 50
    late = np.r_[np.linspace(0, 1, 64), np.ones(29)]
    steps = np.repeat([0.0, 1, 2, 2.01], [13, 4, 4, 10]) + wobble[:31]
    table = figures.figure3_claims(
        maps_of(map_of(3.0 * figures.PUBLISHED_GROUPS + wobble), map_of(late + wobble, 0.5), map_of(steps))
    )
    assert table["verdict"].tolist() == ["holds"] * 4
    assert "adjusted Rand index 1.00" in table["here"][0]


def test_steps_that_the_untrained_twin_has_too_are_said_to_be_there_as_well():
    stairs = map_of(np.repeat([0.0, 1, 2, 2.01], [13, 4, 4, 10]))
    both = maps_of(map_of(np.arange(93.0)), map_of(np.arange(93.0)), stairs) | {"0": (stairs, stairs)}
    found = figures.figure3_claims(both).iloc[3]
    assert (found["verdict"], found["why"]) == ("holds in part", "as much in the untrained twin")


def test_the_claims_of_the_maps_fail_on_maps_that_say_otherwise():
    draw = np.random.default_rng(2)
    halves = map_of(np.repeat([0.0, 1, 2], 31) + draw.normal(size=93) / 50)
    table = figures.figure3_claims(maps_of(halves, map_of(draw.normal(size=93)), map_of(np.arange(31.0) ** 1.01)))
    assert table["verdict"].tolist() == ["does not hold"] * 4


def test_time_is_told_for_every_size():
    table = figures.seconds_by_size((40, 60))
    assert table["n"].tolist() == [40, 60]
    assert (table["seconds"] > 0).all()
    assert (table["squared"] > 0).all()


@pytest.fixture
def tables():
    """Tables as computed for the page, with made-up values."""
    distances = {"0.resid_post": 0.1, "1.resid_post": 0.2, "2.resid_post": 0.3}
    one = [table1_of(distances, distances, 0.25, target).drop(columns=[]) for target in ("c1", "c2", "c")]
    exact = {(tap, target): 1.0 for tap in targets.STREAMS for target in ("c1", "c2", "c")}
    return {
        "table1_flatten": pd.concat(one).assign(tokens="flatten"),
        "table1_last": pd.concat(one),
        "table4_L": probes_of(exact),
        "table4_E": probes_of({key: 0.4 if key[1] == "c2" else 1.0 for key in exact}),
        "figure3": table_of([Judgement("flat", "by eye", "below a half", "0.3", "holds")]),
        "seconds": pd.DataFrame({"n": [3481], "seconds": [61.25], "squared": [0.01234]}),
    }


def test_the_section_has_the_numbers_and_a_verdict_for_every_claim(tables):
    text = _page.section(tables, n=200)
    for name in modular.RECIPES:
        assert f"| {name} | {100 * modular.record(name)['stored']['held_out']:.2f} % |" in text
    assert "| no tap is nearer to c1 than 0.resid_post (0.02) | none nearer, to two digits, in 2 of 2 cells" in text
    assert "| no tap is nearer to c2 than 1.resid_post (0.03) | none nearer, to two digits, in 0 of 2 cells" in text
    assert "| E: no linear probe reads c1 or c2 (errors .52, .93) | c1: accuracy 1.000 at best" in text
    verdicts = [line.rsplit("|", 2)[1].strip() for line in text.splitlines() if line.startswith(("| L:", "| E:"))]
    assert verdicts == ["holds", "holds", "holds", "holds in part", "holds in part"]
    assert "| 3,481 | 61.25 | 0.01234 |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| c1, one-hot")}
    assert widths == {7}


def test_the_section_takes_the_place_of_the_one_before_and_leaves_the_rest(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nBefore.\n")
    _page.put(page, "one")
    page.write_text(page.read_text() + "\nBehind.\n")
    _page.put(page, r"two \1")
    assert page.read_text() == f"# Title\n\nBefore.\n\n{_page.BEGIN}\ntwo \\1\n{_page.END}\n\nBehind.\n"


def test_a_page_with_half_a_marker_is_refused_and_left_as_it_is(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"text\n{_page.BEGIN}\n")
    with pytest.raises(ArgumentError, match="has 1 of"):
        _page.put(page, "one")
    assert page.read_text() == f"text\n{_page.BEGIN}\n"


def test_the_command_reads_tables_that_are_there_and_computes_the_others(tmp_path, monkeypatch, tables):
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}_50.csv", index=False)
    (tmp_path / "seconds_50.csv").unlink()
    monkeypatch.setattr(figures, "seconds_by_size", lambda: tables["seconds"])
    command.main(["targets", "--page", str(tmp_path / "page.md"), "--folder", str(tmp_path), "--n", "50"])
    assert (tmp_path / "page.md").read_text().count("61.25") == 1
    assert pd.read_csv(tmp_path / "seconds_50.csv")["n"].tolist() == [3481]
