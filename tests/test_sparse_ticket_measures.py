"""Graph measures of lottery tickets, how they are held against chance, and which event comes first."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from pruned import accuracy, training, untrained

import nngraph as nng
from nngraph.errors import ArgumentError


@pytest.fixture(scope="module")
def tickets():
    model = nng.mlp((2, 30, 20, 3), rng=0)
    return nng.sparse.lottery_tickets(model, training(), 4, fraction=0.3, scores=accuracy, rng=0)


# ----------------------------------------------------------------------- measures


def test_measures_are_those_of_the_graph_and_their_scores_those_of_its_null_model(tickets):
    found = nng.sparse.ticket_measures(tickets, ["spanning", "weight_moments", "pathways"], n=20, rng=0)
    assert sorted(found["round"].unique()) == tickets.trained
    assert found["accuracy"].tolist() == tickets.rounds["accuracy"].repeat(3 + 3 + 8).tolist()
    one = found[found["round"] == 3].set_index("measure")
    G = tickets.graph(3)
    expected = {
        f"{f.__name__}:{key}": value for f in (nng.stats.spanning, nng.stats.pathways) for key, value in f(G).items()
    }
    assert one.loc[list(expected), "observed"].tolist() == list(expected.values())
    support = {"spanning:nodes", "spanning:edges", "spanning:pairs", "pathways:paths", "pathways:log10_paths"}
    assert set(one.index[one["of"] == "support"]) == support
    assert one.loc["weight_moments:mean", "status"] == "invariant: nothing was tested"
    varied = one["status"] == "ok"
    z = (one["observed"] - one["mean"]) / one["sd"]
    assert np.allclose(one["z"][varied], z[varied])
    relative = one["scale"] == "relative"
    assert set(one.index[~relative]) == {
        *support - {"pathways:paths"},
        "pathways:log10_mass",
        "pathways:top",
        "weight_moments:mean",
    }
    expected = (one["observed"] - one["mean"]) / one["mean"].abs().where(relative, 1.0)
    tested = one.index != "weight_moments:mean"
    assert np.allclose(one["effect"][tested], expected[tested])


def test_all_measures_of_the_default_are_taken_layer_by_layer_where_they_are_of_degrees(tickets):
    found = nng.sparse.ticket_measures(tickets, rounds=[4], n=5, rng=0).set_index("measure")["observed"]
    G = tickets.graph(4)
    for block in G.blocks:
        k = np.count_nonzero(block.mask, axis=1)
        p = k.mean() / block.n_source
        assert found[f"degree:target_max@{block.name}"] == k.max()
        H = (k**2).mean() / k.mean() ** 2
        assert found[f"degree:target_heterogeneity@{block.name}"] == pytest.approx(H)
        variance = k.var() / (block.n_source * p * (1 - p))
        assert found[f"degree:target_dispersion@{block.name}"] == pytest.approx(variance)
    w = G.weights().astype(float)
    assert found["weight:mean_over_magnitude"] == pytest.approx(w.mean() / abs(w).mean())
    assert {name.split(":")[0] for name in found.index} == set(nng.sparse.MEASURES)


def test_a_mask_with_hubs_departs_and_a_random_one_does_not():
    def hubs(model, seed):
        with torch.no_grad():
            dict(model[0].named_parameters()).get("weight_orig", model[0].weight)[:5] *= 100

    found = nng.sparse.lottery_tickets(nng.mlp((30, 40, 4), rng=0), hubs, 5, fraction=0.3, rng=0)
    control = nng.sparse.ticket_control(found, "random")
    name = "degree_moments:target_sd"
    tables = [nng.sparse.ticket_measures(one, "degree_moments", n=60, rng=0) for one in (found, control)]
    first = [nng.sparse.departures(table).set_index("measure")["round"] for table in tables]
    assert first[0][name] == 1
    assert math.isnan(first[1][name])


def test_scores_against_trained_controls_allow_for_their_small_number():
    scipy_stats = pytest.importorskip("scipy.stats")
    row = {"round": 2, "density": 0.5, "measure": "a", "of": "support", "null": "dealt", "accuracy": 0.5}
    values = [1.0, 2.0, 4.0, 3.5]
    controls = [pd.DataFrame([row | {"observed": x}]) for x in values]
    (found,) = nng.sparse.against_controls(pd.DataFrame([row | {"observed": 9.0}]), controls).to_dict("records")
    t = (9 - np.mean(values)) / (np.std(values, ddof=1) * np.sqrt(1.25))
    assert found["z"] == pytest.approx(scipy_stats.norm.isf(scipy_stats.t.sf(t, 3)))
    assert (found["null"], found["n"], found["status"]) == ("trained", 4, "ok")
    assert found["effect"] == pytest.approx((9 - np.mean(values)) / np.mean(values))
    with pytest.raises(ArgumentError, match="at least three seeds"):
        nng.sparse.against_controls(pd.DataFrame([row]), controls[:2])


def test_degrees_of_six_times_the_binomial_variance_are_said_to_have_it():
    n, p = 784, 0.1
    k = np.array([round(n * p + s * np.sqrt(6 * n * p * (1 - p))) for s in (-1, 1)] * 150)
    mask = np.arange(n) < k[:, None]
    found = nng.sparse.MEASURES["degree"](nng.from_matrices([np.ones(mask.shape)], [mask]))
    assert found["target_dispersion@0"] == pytest.approx(6, rel=0.02)
    assert found["target_heterogeneity@0"] == pytest.approx(1.07, abs=0.01)  # which hardly shows it
    whole = nng.sparse.MEASURES["degree"](nng.from_matrices([np.ones((4, 3))]))
    assert math.isnan(whole["target_dispersion@0"])  # none of either


EFFECTS = {
    "spanning:pairs": (0.5, 0.3, 0.2),
    "in_out_correlation:all:0": (0.1, -0.1, 0.2),
    "degree:target_isolated@0": (0.2, 0.0, 0.2),
    "degree:target_dispersion@0": (6.0, 1.5, 3.0),
    "pathways:log10_mass": (3.0, 2.0, 1.0),
    "weight:mean_magnitude": (0.10, 0.04, 1.5),
    "weight:mean": (0.01, -0.01, 0.5),
    "information:in_out": (-math.log(1 - 0.3**2) / 2, 0.0, 0.3),  # of normal variables with the correlation 0.3
    "information:ends": (-0.005, 0.0, -math.sqrt(1 - math.exp(-0.01))),
}


@pytest.mark.parametrize("unit", [1.0, 10.0])
def test_effects_have_a_scale_of_their_own_and_no_unit_of_weights(unit):
    row = {"round": 1, "density": 0.5, "of": "support", "null": "dealt"}
    factor = {name: unit if name.startswith("weight:") else 1.0 for name in EFFECTS}
    table = [row | {"measure": name, "observed": factor[name] * x} for name, (x, _, _) in EFFECTS.items()]
    controls = [
        pd.DataFrame([row | {"measure": name, "observed": factor[name] * m} for name, (_, m, _) in EFFECTS.items()])
    ] * 3
    found = nng.sparse.against_controls(pd.DataFrame(table), controls).set_index("measure")["effect"]
    assert found.to_dict() == pytest.approx({name: effect for name, (_, _, effect) in EFFECTS.items()})


def test_a_score_of_the_name_of_a_column_is_refused():
    found = nng.sparse.lottery_tickets(
        nng.mlp((4, 3, 2), rng=0), untrained, 0, scores=lambda model: {"mean": 0.5}, rng=0
    )
    with pytest.raises(ArgumentError, match="scores: got the name 'mean', a column of this table"):
        nng.sparse.ticket_measures(found, "spanning", n=2, rng=0)


# ----------------------------------------------------------------------- which comes first


def run(z, accuracy, **columns):
    rounds = range(len(z))
    table = {"round": rounds, "density": 0.5, "measure": "a", "null": "dealt", "z": z, "accuracy": accuracy}
    return pd.DataFrame(table | columns)


NEVER = [0.9] * 5


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        ([0, 4, 4, 0, 0], 1),
        ([0, 4, 0, 4, -4], 3),
        ([4, 4, 0, 0, 0], 0),
        ([0, 0, 0, 0, 9], None),
        ([np.nan, 4, np.nan, 4, 4], 3),
        ([3, 3, 3, 3, 3], None),
        ([0, np.inf, -np.inf, 0, 0], 1),
    ],
)
def test_a_measure_departs_at_the_first_of_two_rounds_in_a_row_beyond_the_threshold(z, expected):
    (found,) = nng.sparse.departures(run(np.array(z, float), NEVER))["round"]
    assert found == expected or (expected is None and math.isnan(found))


def test_departures_by_effect_look_at_the_size_of_the_difference():
    table = run([100.0] * 5, NEVER, effect=[0.0, 0.05, 0.2, -0.2, 0.0])
    assert nng.sparse.departures(table, by="effect")["round"].tolist() == [2.0]
    assert nng.sparse.departures(table, by="effect", threshold=0.01)["round"].tolist() == [1.0]
    with pytest.raises(ArgumentError, match="by: got 'p'"):
        nng.sparse.departures(table, by="p")


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [([0.9, 0.8, 0.8], 1), ([0.9, 0.8, 0.9], None), ([0.9, 0.9, 0.8], None), ([0.9, 0.895, 0.8, 0.8], 2)],
)
def test_a_score_decays_at_the_first_of_two_rounds_in_a_row_below(accuracy, expected):
    found = nng.sparse.decay_round(run([0.0] * len(accuracy), accuracy))
    assert found == expected or (expected is None and math.isnan(found))


def test_decay_needs_the_whole_network_and_the_score():
    table = run([0.0] * 3, [0.9, 0.8, 0.7])
    with pytest.raises(ArgumentError, match="no round 0"):
        nng.sparse.decay_round(table[1:])
    with pytest.raises(ArgumentError, match="no column 'auc'"):
        nng.sparse.decay_round(table, score="auc")
    with pytest.raises(ArgumentError, match=r"drop: got -0\.1; expected a number of at least 0"):
        nng.sparse.decay_round(table, drop=-0.1)


def test_a_network_without_a_score_of_its_own_is_not_said_never_to_decay():
    failed = run([5.0] * 3, [np.nan, 0.8, 0.7])
    with pytest.raises(ArgumentError, match="got the accuracy nan at round 0"):
        nng.sparse.decay_round(failed)
    with pytest.raises(ArgumentError, match="got the accuracy nan at round 0"):
        nng.sparse.precedence([failed])


def test_seeds_are_counted_by_what_comes_first_and_tested_by_the_sign_test():
    scipy_stats = pytest.importorskip("scipy.stats")
    falls, early, late = [0.9, 0.9, 0.8, 0.8, 0.8], [0, 5, 5, 5, 5], [0, 0, 0, 5, 5]
    runs = [run(early, falls)] * 6 + [run(late, falls)] + [run([0, 0, 5, 5, 5], falls)] + [run(early, NEVER)]
    runs += [run([0.0] * 5, falls), run([0.0] * 5, NEVER)]
    (found,) = nng.sparse.precedence(runs).to_dict("records")
    assert [found[name] for name in ("n", "first", "tie", "later", "neither")] == [11, 7, 1, 2, 1]
    assert found["p"] == pytest.approx(scipy_stats.binomtest(7, 9, alternative="greater").pvalue)
    assert (found["departure"], found["decay"]) == (1.0, 2.0)


def test_p_values_are_corrected_by_holm_over_the_measures():
    falls = [0.9, 0.9, 0.9, 0.8, 0.8]
    tables = []
    for seed in range(6):
        flags = {"a": True, "b": seed < 5, "c": seed < 2}
        tables.append(
            pd.concat([run([0, 5, 5, 5, 5] if flag else [0] * 5, falls, measure=name) for name, flag in flags.items()])
        )
    found = nng.sparse.precedence(tables).set_index("measure")
    p = {"a": 1 / 64, "b": 7 / 64, "c": 57 / 64}
    assert found["p"].to_dict() == pytest.approx(p)
    assert found["p_holm"].to_dict() == pytest.approx({"a": 3 / 64, "b": 14 / 64, "c": 57 / 64})
    with pytest.raises(ArgumentError, match="got no run"):
        nng.sparse.precedence([])
