"""Ensembles, significance and ladders: the numbers, the seeds, what is refused, and what an interruption leaves."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
import warnings
import weakref

import joblib
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nngraph as nng
from nngraph.errors import ArgumentError, NullModelError, NullModelWarning
from nngraph.nulls import significances
from nngraph.nulls.kinds import KINDS
from nngraph.nulls.ladders import COLUMNS as LADDER_COLUMNS


def network(seed=3):
    rng = np.random.default_rng(seed)
    W = np.outer(rng.normal(size=8), rng.normal(size=6)) + 0.5 * rng.normal(size=(8, 6))
    return nng.from_matrices([W, rng.normal(size=(5, 8))], [None, rng.random((5, 8)) < 0.7])


def first_weight(G):
    return float(G.weights()[0])


def total(G):
    return float(np.abs(G.weights()).sum())


# --------------------------------------------------------------------------- ensembles


def test_any_draw_of_an_ensemble_can_be_made_again_alone():
    G = network()
    for kind, options in (("A", {"bias": "zero"}), ("G", {}), ("erdos_renyi", {"counts": "expected"})):
        draws = list(nng.nulls.ensemble(G, kind, n=5, rng=9, **options))
        for i in (0, 3, 4):
            again = nng.nulls.draw(G, kind, i, rng=9, **options)
            assert again == draws[i]
            assert again.history[-1] == draws[i].history[-1]


def test_workers_never_run_far_ahead_of_what_is_taken():
    """joblib's generator goes on while nobody takes its results; then memory would grow with n."""
    handed_out = []
    tasks = ((abs, (handed_out.append(i) or i,), {}) for i in range(500))
    from nngraph.nulls.ensembles import in_order

    results = in_order(tasks, 2)
    assert next(results) == 0
    time.sleep(0.3)
    assert len(handed_out) <= 16
    assert list(itertools.islice(results, 40)) == list(range(1, 41))
    assert len(handed_out) <= 48
    results.close()


def test_closing_an_ensemble_leaves_no_worker_at_work_and_the_next_one_runs():
    G = network()
    draws = nng.nulls.ensemble(G, "A", n=10_000, rng=0, n_jobs=2)
    first = next(draws)
    draws.close()
    assert first == nng.nulls.draw(G, "A", 0, rng=0)
    assert len(list(nng.nulls.ensemble(G, "A", n=3, rng=0, n_jobs=2))) == 3


def test_an_interrupted_ensemble_ends_at_once_and_takes_its_workers_with_it(tmp_path):
    code = (
        "import numpy as np, nngraph as nng, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "G = nng.from_matrices([np.random.default_rng(0).normal(size=(50, 50))])\n"
        "for R in nng.nulls.ensemble(G, 'A', n=10**7, rng=0, n_jobs=2):\n"
        "    print('drawn', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout.readline() == b"drawn\n"
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(timeout=20) != 0
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("a worker outlived its parent by ten seconds")


# ------------------------------------------------------------------------ significance


def test_the_table_is_what_the_draws_say():
    G = network()
    table = nng.nulls.significance(G, {"first": first_weight, "total": total}, "D", n=50, rng=4)
    assert tuple(table.columns) == significances.COLUMNS
    draws = list(nng.nulls.ensemble(G, "D", n=50, rng=4))
    row = table.query("statistic == 'first' and block == 'network'").iloc[0]
    values = np.array([first_weight(R) for R in draws])
    assert row["observed"] == first_weight(G)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert row["z"] == pytest.approx((row["observed"] - values.mean()) / values.std(ddof=1))
    above, below = (values >= row["observed"]).sum(), (values <= row["observed"]).sum()
    assert row["p"] == min(1, 2 * (1 + min(above, below)) / 51)
    assert row["p_adjusted"] == row["p"]
    assert (row["n"], row["ess"], row["status"], row["key"]) == (50, 50, "ok", "")
    assert row["sampler"] == f"kind 'D', seed 4, nngraph {nng.__version__}"
    assert table["statistic"].tolist() == ["first"] * 3 + ["total"] * 3
    assert table["block"].tolist() == ["network", "0", "1"] * 2


def test_block_rows_are_statistics_of_the_block_alone_and_unchosen_blocks_have_none():
    G = network()
    table = nng.nulls.significance(G, first_weight, "A", n=20, rng=4, by="block", blocks=["1"])
    assert table["block"].tolist() == ["1"]
    assert table["observed"][0] == G.block("1").values[0]
    draws = nng.nulls.ensemble(G, "A", n=20, rng=4, blocks=["1"])
    assert table["mean"][0] == pytest.approx(np.mean([R.block("1").values[0] for R in draws]))
    assert nng.nulls.significance(G, first_weight, "A", n=5, by="network")["block"].tolist() == ["network"]


@pytest.mark.parametrize("kind", ["A", "G"])
def test_the_numbers_are_the_same_for_any_number_of_workers(kind):
    G = network()
    one, two = (
        nng.nulls.significance(G, ["balance", nng.stats.strength], kind, n=30, rng=2, n_jobs=jobs) for jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    one, two = (nng.nulls.ladder(G, "balance", [kind], n=8, rng=2, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one, two)


def test_p_values_of_a_graph_that_is_itself_a_draw_are_uniform():
    """Exactness of the definition: under the null hypothesis p is at most x in no more than a share x of the cases."""
    n, p = 39, []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=n + 1)
        p.append(significances._compared(values[0], values[1:], str)[4])
    p = np.array(p)
    assert set(np.round(p * (n + 1)).astype(int) % 2) == {0}
    for level in (0.05, 0.1, 0.25, 0.5):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 400)


def test_p_is_never_zero_and_ties_count_on_both_sides():
    draws = np.array([1.0, 1.0, 2.0, 3.0])
    assert significances._compared(10.0, draws, str)[4] == 2 / 5
    assert significances._compared(1.0, draws, str)[4] == pytest.approx(min(1, 2 * 3 / 5))
    assert significances._compared(2.0, np.array([2.0, 2.0, 2.0, 2.5]), str)[4] == 1.0  # 8 / 5, capped
    observed, mean, sd, z, p, *_ = significances._compared(3.0, np.array([2.0, 2.0]), str)
    assert (observed, mean, sd, z, p) == (3, 2, 0, np.inf, 2 / 3)


def test_an_invariant_statistic_is_marked_and_not_tested_also_when_sums_are_rounded():
    G = network()
    table = nng.nulls.significance(G, {"total": total, "alpha": nng.stats.alpha}, "A", n=20, rng=0)
    assert set(table["status"]) == {"invariant: nothing was tested"}
    assert table[["z", "p", "p_adjusted"]].isna().all().all()
    sums = {total(R) for R in nng.nulls.ensemble(G, "A", n=20, rng=0)}
    assert len(sums) > 1  # the order of summation shows in the last bit
    table = nng.nulls.significance(G, "balance", "B", n=10, rng=0)
    assert set(table["status"]) == {"invariant: nothing was tested"}


def test_per_node_values_give_a_row_per_node_with_adjusted_p_values():
    G = network()

    def outgoing(H):
        return nng.stats.strength(H, side="source", sign="+")

    table = nng.nulls.significance(G, outgoing, "A", n=60, rng=1, by="network")
    assert table["key"].tolist() == [f"{part}:{i}" for part, i in outgoing(G).index]
    np.testing.assert_allclose(table["observed"], outgoing(G).to_numpy())
    np.testing.assert_allclose(table["p_adjusted"], stats.false_discovery_control(table["p"]))
    array = nng.nulls.significance(G, lambda H: outgoing(H).to_numpy(), "A", n=60, rng=1, by="network")
    assert array["key"].tolist() == [str(i) for i in range(len(table))]
    assert array["statistic"].unique().tolist() == ["<lambda>"]
    np.testing.assert_allclose(array["p"], table["p"])


def test_values_that_were_not_tested_do_not_count_in_the_adjustment():
    p = np.array([0.01, np.nan, 0.04, 0.03, np.nan])
    adjusted = significances._adjusted(p)
    np.testing.assert_allclose(adjusted[[0, 2, 3]], stats.false_discovery_control(p[[0, 2, 3]]))
    assert np.isnan(adjusted[[1, 4]]).all()


def test_igraph_statistics_see_igraph_graphs():
    import igraph

    seen = []

    def mean_weight_of_hubs(g):
        seen.append(type(g))
        return float(np.mean(np.sort(g.strength(mode="out", weights="weight"))[-3:]))

    table = nng.nulls.significance(network(), mean_weight_of_hubs, "A", n=10, rng=0, view="igraph")
    assert set(seen) == {igraph.Graph}
    assert table["status"].eq("ok").all()


def test_a_statistic_of_networkx_works_too():
    def reciprocity(H):
        return nx.overall_reciprocity(H.to_networkx())

    table = nng.nulls.significance(network(), reciprocity, "A", n=3, rng=0, by="network")
    assert table["observed"][0] == 0


def test_undefined_values_of_the_graph_itself_are_rows_not_errors():
    table = nng.nulls.significance(network(), "coherence", "A", n=20, rng=0)
    assert table.set_index("block")["status"].to_dict() == {
        "network": "ok",
        "0": "undefined for the graph itself",
        "1": "undefined for the graph itself",
    }
    assert table.set_index("block")["p"].isna().to_dict() == {"network": False, "0": True, "1": True}


def test_effective_draws_are_all_of_independent_ones_and_fewer_of_a_slow_sequence():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=4000)
    assert significances._effective(noise) == 4000
    slow = np.empty(4000)
    slow[0] = 0
    for i in range(1, 4000):
        slow[i] = 0.9 * slow[i - 1] + noise[i]
    assert significances._effective(slow) == pytest.approx(4000 * (1 - 0.9) / (1 + 0.9), rel=0.35)


def test_the_sampler_says_kind_policy_length_seed_and_version():
    table = nng.nulls.significance(network(), "balance", "G", n=3, rng=np.random.SeedSequence(5, spawn_key=(2,)))
    assert table["sampler"][0] == (
        "kind 'G', weights 'sign', sweeps {'0': 20, '1': 20}, "
        f"seed numpy.random.SeedSequence(5, spawn_key=(2,)), nngraph {nng.__version__}"
    )


# ------------------------------------------------------ failures, refusals, interruption


class FailsOn:
    """A statistic that fails on graphs whose first weight is above a bound."""

    def __init__(self, bound, how):
        self.bound, self.how = bound, how
        self.__name__ = "fragile"

    def __call__(self, G):
        if first_weight(G) <= self.bound:
            return 1.0
        if self.how == "raise":
            raise ValueError("too heavy")
        return {"nan": float("nan"), "keys": {"other": 1.0}, "matrix": np.eye(2)}[self.how]


@pytest.mark.parametrize(
    ("how", "message", "n_jobs"),
    [
        ("raise", r"statistic 'fragile' failed on the network of draw (\d+) \((.*) makes it again\): .*too heavy", 1),
        ("raise", r"statistic 'fragile' failed on the network of draw (\d+) \((.*) makes it again\): .*too heavy", 2),
        ("keys", r"statistic 'fragile' gave other keys.* of draw (\d+) \((.*) makes it again\)", 1),
        ("matrix", r"statistic 'fragile' failed on the network of draw (\d+) \((.*) makes it again\).*\(2, 2\)", 1),
    ],
)
def test_a_failing_statistic_names_the_draw_and_how_to_make_it_again(how, message, n_jobs):
    import re

    G = network()
    values = [first_weight(R) for R in nng.nulls.ensemble(G, "A", n=30, rng=8)]
    bound = np.unique(values)[-2]
    assert first_weight(G) < bound
    expected = int(np.argmax(values))
    with pytest.raises(NullModelError) as caught:
        nng.nulls.significance(G, FailsOn(bound, how), "A", n=30, rng=8, by="network", n_jobs=n_jobs)
    found = re.search(message, str(caught.value))
    assert found, str(caught.value)
    assert int(found[1]) == expected
    again = eval(found[2], {"nng": nng, "G": G, "numpy": np})
    assert first_weight(again) == values[expected]


@pytest.mark.parametrize("rng", [None, 7, np.random.SeedSequence([1, 2, 3], spawn_key=(4,)), "generator"])
def test_the_draw_of_a_message_can_be_made_again_for_every_kind_of_seed(rng):
    G = network()
    rng = np.random.default_rng(0) if rng == "generator" else rng
    with pytest.raises(NullModelError, match="makes it again") as caught:
        nng.nulls.significance(G, FailsOn(first_weight(G) / 2, "raise"), "G", n=40, rng=rng, by="network")
    call = str(caught.value).split("(", 1)[1].rsplit(" makes", 1)[0]
    assert first_weight(eval(call, {"nng": nng, "G": G, "numpy": np})) > first_weight(G) / 2


def test_a_statistic_that_is_nan_for_some_draws_costs_its_own_row_only_and_names_the_first_of_them():
    G = network()
    values = [first_weight(R) for R in nng.nulls.ensemble(G, "A", n=30, rng=8)]
    fragile = FailsOn(np.unique(values)[-2], "nan")
    with pytest.warns(NullModelWarning, match="1 of 2 rows have no z, the first is 'fragile', 'network': undefined"):
        table = nng.nulls.significance(G, [fragile, first_weight], "A", n=30, rng=8, by="network").set_index(
            "statistic"
        )
    assert table.loc["fragile", ["mean", "sd", "z", "p"]].isna().all()
    assert np.isfinite(table.loc["first_weight", "z"])
    status = table.loc["fragile", "status"]
    assert status.startswith("undefined for draws: 1 of 30, the first is nng.nulls.draw(G, 'A', ")
    again = eval(status.split("the first is ")[1], {"nng": nng, "G": G, "numpy": np})
    assert first_weight(again) == max(values)
    rung = nng.nulls.ladder(G, [fragile, first_weight], ["A"], n=30, rng=8).query("block == 'network'")
    assert rung["status"].str.startswith(("undefined for draws", "ok")).tolist() == [True, True]
    assert np.isfinite(rung["z"].iloc[1])


def test_a_statistic_that_fails_on_the_graph_itself_says_so():
    with pytest.raises(NullModelError, match=r"'fragile' failed on the network of the graph itself: ValueError"):
        nng.nulls.significance(network(), FailsOn(-np.inf, "raise"), "A", n=3)


def test_what_cannot_be_tested_is_refused():
    G = network()
    for call, message in (
        (lambda: nng.nulls.significance(G, total, "A", n=0), r"significance: got n=0.*at least 2 \(one draw is no"),
        (lambda: nng.nulls.significance(G, total, "A", n=1), r"significance: got n=1.*one draw is no distribution"),
        (lambda: nng.nulls.significance(G, total, "A", n=2.5), "significance: n: got 2.5"),
        (lambda: nng.nulls.significance(G, total, "Z", n=9), "kind: got 'Z'"),
        (lambda: nng.nulls.significance(G, "size", "A", n=9), "got 'size'; expected a function or one of 'alpha'"),
        (lambda: nng.nulls.significance(G, [], "A", n=9), r"statistic: got \[\]"),
        (lambda: nng.nulls.significance(G, [3], "A", n=9), "statistic: got 3"),
        (lambda: nng.nulls.significance(G, [total, total], "A", n=9), "two of the name 'total'"),
        (lambda: nng.nulls.significance(G, total, "A", n=9, by="node"), "by: got 'node'"),
        (lambda: nng.nulls.significance(G, total, "A", n=9, view="nx"), "view: got 'nx'"),
        (lambda: nng.nulls.significance(G, "alpha", "A", n=9, view="igraph"), "'alpha' is a function of a NeuralGraph"),
        (lambda: nng.nulls.significance(G, total, "A", n=9, sweeps=3), "sweeps: got 3; kind 'A' is no chain"),
        (lambda: nng.nulls.significance(None, total, "A", n=9), "significance: got a NoneType"),
        (lambda: nng.nulls.draw(G, "A", -1, rng=0), "draw: i: got -1"),
        (lambda: nng.nulls.draw(G, "A", True, rng=0), "draw: i: got True"),
        (lambda: nng.nulls.ladder(G, total, n=1), "ladder: got n=1.*one draw is no distribution"),
        (lambda: nng.nulls.ladder(G, total, "AB", n=9), "rungs: got 'AB'"),
        (lambda: nng.nulls.ladder(G, total, [], n=9), r"rungs: got \[\]"),
        (lambda: nng.nulls.ladder(G, total, ["A", "A"], n=9), "none twice"),
        (lambda: nng.nulls.ladder(G, total, ["Z"], n=9), "kind: got 'Z'"),
        (lambda: nng.nulls.ladder(G, total, ["G/none"], n=9), "got 'G/none'; kind 'G' knows the policies: 'sign'"),
        (lambda: nng.nulls.shared(G, nng.from_matrices([np.eye(2)])), "shared: got blocks"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


class InterruptedAfter:
    def __init__(self, n):
        self.left, self.__name__ = n, "slow"

    def __call__(self, G):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return first_weight(G)


def test_an_interruption_returns_what_was_drawn_with_a_warning():
    G = network()
    with pytest.warns(NullModelWarning, match="interrupted: the table shows 12 of 50 draws"):
        table = nng.nulls.significance(G, InterruptedAfter(13), "A", n=50, rng=6, by="network")
    whole = nng.nulls.significance(G, first_weight, "A", n=12, rng=6, by="network")
    assert table["n"][0] == 12
    assert table["mean"][0] == whole["mean"][0]
    for n in (0, 1, 2):  # the graph itself, and no or one draw
        with pytest.raises(KeyboardInterrupt):
            nng.nulls.significance(G, InterruptedAfter(n), "A", n=50, rng=6, by="network")


# --------------------------------------------------------------------- ladders, sharing


@pytest.mark.parametrize("kind", [kind for kind in KINDS if len(kind) == 1])
def test_sharing_of_a_graph_and_its_draws_is_what_the_kind_keeps(kind):
    G = network()
    common = frozenset.intersection(*(nng.nulls.shared(G, R) for R in nng.nulls.ensemble(G, kind, n=12, rng=0)))
    on_a_fixed_support = {"density", "k_source", "k_target"}
    assert common | on_a_fixed_support == nng.nulls.kept(kind) | on_a_fixed_support
    assert common >= on_a_fixed_support


def test_a_graph_shares_everything_with_itself_and_each_change_breaks_what_it_should():
    G = network()
    everything = nng.nulls.shared(G, G)
    assert len(everything) == 15
    nothing_kept = nng.from_matrices([np.abs(G.block(0).dense()[::-1, ::-1]) ** 2 + 1, np.eye(5, 8)])
    assert nng.nulls.shared(G, nothing_kept) == set()
    scaled = G.with_weights(2 * G.weights())
    assert everything - nng.nulls.shared(G, scaled) == {"weights", *(n for n in everything if n.startswith("s_"))}
    nudged = G.with_weights(G.weights() * (1 + 1e-9))
    assert "s_source+" not in nng.nulls.shared(G, nudged)
    assert "s_source+" in nng.nulls.shared(G, nudged, rtol=1e-6)
    flipped = nng.ops.flip_signs(G, 1.0)
    assert {"support", "k_source", "density"} == everything & nng.nulls.shared(G, flipped) - {"k_target"}


def test_the_ladder_says_what_each_rung_explains():
    G = network()
    rungs = ["erdos_renyi", "A", "G", "B"]
    table = nng.nulls.ladder(G, {"balance": "balance", "first": first_weight}, rungs, n=60, rng=1)
    assert tuple(table.columns) == LADDER_COLUMNS
    rows = table[(table["statistic"] == "balance") & (table["block"] == "0")]
    assert rows["kind"].tolist() == rungs
    assert rows["rung"].tolist() == [0, 1, 2, 3]
    assert rows["weights"].tolist() == ["", "", "sign", ""]
    observed, weakest = nng.stats.balance(G.select("0")), rows["mean"].iloc[0]
    np.testing.assert_allclose(rows["explained"], (rows["mean"] - weakest) / (observed - weakest))
    assert rows["explained"].iloc[[0, 3]].tolist() == [0, 1]
    assert rows["status"].iloc[3] == "invariant: nothing was tested"
    assert rows["n"].tolist() == [60] * 4
    alone = nng.nulls.ladder(G, "balance", ["G"], n=60, rng=1)
    assert alone["mean"].tolist() == table[table["kind"].eq("G") & table["statistic"].eq("balance")]["mean"].tolist()


def test_a_statistic_without_a_gap_has_nothing_to_explain():
    table = nng.nulls.ladder(network(), {"alpha": "alpha"}, ["A", "B"], n=20, rng=1)
    assert table["explained"].isna().all()
    assert set(table["status"]) == {"invariant: nothing was tested"}


def test_the_default_rungs_are_all_that_the_package_knows_and_all_are_verified():
    table = nng.nulls.ladder(network(), "balance", n=4, rng=1)
    known = [rung for rung in nng.nulls.RUNGS if rung.split("/")[0] in KINDS and "/" not in rung]
    assert set(known) <= set(table["kind"])
    assert set(KINDS) <= {rung.split("/")[0] for rung in nng.nulls.RUNGS}
    assert table["rung"].is_monotonic_increasing


def test_a_rung_with_nothing_random_is_a_row_that_says_why():
    W = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])  # one weight of each sign at each source: E is the identity
    table = nng.nulls.ladder(nng.from_matrices([W]), {"first": first_weight}, ["E", "A"], n=20, rng=0)
    first = table[table["kind"] == "E"]
    assert first["status"].str.startswith("does not apply: kind 'E' changes nothing in block '0'").all()
    assert first["n"].eq(0).all()
    assert first[["mean", "z", "p", "explained"]].isna().all().all()
    assert table[table["kind"] == "A"]["status"].eq("ok").all()
    edge = nng.nulls.ladder(nng.from_matrices([np.eye(1, 6)]), {"first": first_weight}, ["G"], n=9, rng=0)
    assert edge["status"].str.contains("no legal move in block '0'").all()


def test_a_warning_of_a_null_model_stands_in_the_status():
    G = nng.from_matrices([np.random.default_rng(0).normal(size=(5, 6)), np.eye(1, 5)])
    table = nng.nulls.ladder(G, {"first": first_weight}, ["G"], n=5, rng=0)
    assert table["status"].str.contains("no legal move in block '1'").all()


def test_a_kind_that_breaks_its_word_is_found_out(monkeypatch):
    import dataclasses

    liar = dataclasses.replace(KINDS["A"], kept=KINDS["A"].kept | {"signs"})
    monkeypatch.setitem(KINDS, "A", liar)
    with pytest.raises(NullModelError, match="draw 0 of kind 'A' did not keep signs, which it says that it keeps"):
        nng.nulls.ladder(network(), "alpha", ["A"], n=5, rng=0)


def test_warnings_of_statistics_reach_the_caller():
    def noisy(G):
        warnings.warn("the statistic says so", RuntimeWarning, stacklevel=1)
        return 1.0

    with pytest.warns(RuntimeWarning, match="the statistic says so"):
        nng.nulls.ladder(network(), noisy, ["A"], n=2, rng=0)


def test_an_interrupted_ladder_ends_at_the_rung_it_had_reached():
    calls = 3 * 11 + 3 * 5 + 1  # network and two blocks of the graph and ten draws; then of the graph and four draws
    with pytest.warns(NullModelWarning, match="interrupted: the ladder ends at rung 1, 'B'"):
        table = nng.nulls.ladder(network(), InterruptedAfter(calls), ["A", "B", "C"], n=10, rng=0)
    assert table["kind"].unique().tolist() == ["A", "B"]
    assert table[table["kind"] == "B"]["n"].tolist() == [4, 4, 4]


def test_the_figure_of_a_ladder_shows_what_is_explained():
    from matplotlib.figure import Figure

    table = nng.nulls.ladder(network(), ["balance", "alpha"], ["A", "G", "B"], n=30, rng=1)
    ax = nng.plot.ladder(table, block="0", ax=Figure().subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "G", "B"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["balance", "invariant"]
    explained = table[(table["statistic"] == "balance") & (table["block"] == "0")]["explained"]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), explained)
    with pytest.raises(ArgumentError, match="no statistic of 'fc9' with a gap"):
        nng.plot.ladder(table, block="fc9")


def test_significance_keeps_numbers_and_no_drawn_graphs():
    seen, alive = [], []

    def count(G):
        alive.append(sum(ref() is not None for ref in seen))
        seen.append(weakref.ref(G))
        return first_weight(G)

    nng.nulls.significance(network(), count, "A", n=200, rng=0, by="network")
    assert len(seen) == 201
    assert max(alive) <= 3


def test_joblib_is_asked_for_workers_only_when_they_are_wanted(monkeypatch):
    monkeypatch.setattr(joblib, "Parallel", None)
    assert len(list(nng.nulls.ensemble(network(), "A", n=2, rng=0))) == 2


# ------------------------------------------------------------ kept exactly, infinite, not a number


def test_strengths_that_are_kept_exactly_are_invariant_and_not_significant():
    G = nng.from_matrices([np.random.default_rng(0).normal(size=(10, 12))])
    policy = {"n": 20, "rng": 1, "by": "network"}
    table = nng.nulls.significance(G, nng.stats.strength, "G", weights="exact_strength", **policy)
    assert table["status"].eq("invariant: nothing was tested").all()
    assert table["sampler"].str.contains("compared with on_grid").all()
    rung = nng.nulls.ladder(G, nng.stats.strength, ["G/sign", "G/exact_strength"], **policy)
    for kind, changed in rung.groupby("weights")["sd"]:
        assert changed.eq(0).all() == (kind == "exact_strength")


def test_weights_that_the_grid_cannot_resolve_are_told_of_and_do_not_break_the_ladder():
    W = np.random.default_rng(0).choice([-1.0, 1.0], (30, 30)) * 1.5e-8
    W[0, 0] = 1.0
    G = nng.from_matrices([W])
    with pytest.warns(
        NullModelWarning, match=r"block '0': the grid of exact strengths moves a strength by \d+ of itself"
    ):
        nng.nulls.randomize(G, "G", weights="exact_strength", rng=0)
    table = nng.nulls.ladder(G, "balance", ["A", "G/exact_strength"], n=3, rng=0)
    assert table[table["kind"] == "G"]["status"].str.contains("the grid of exact strengths moves").all()


def test_infinite_values_have_no_z():
    G = network()
    values = [first_weight(R) for R in nng.nulls.ensemble(G, "A", n=30, rng=8)]

    def above(bound):
        return lambda R: np.inf if first_weight(R) > bound else 1.0

    table = nng.nulls.significance(G, {"always": above(-np.inf)}, "A", n=30, rng=8, by="network")
    assert table["status"].tolist() == ["undefined for the graph itself"]
    with pytest.warns(NullModelWarning, match="1 of 1 rows have no z"):
        table = nng.nulls.significance(G, {"now and then": above(np.median(values))}, "A", n=30, rng=8, by="network")
    assert table["status"].str.startswith("undefined for draws: 15 of 30").all()
    assert table[["mean", "sd", "z", "p"]].isna().all().all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "it returned None; expected a number"),
        ({}, "it gave no keys"),
        ({1: 2.0, "1": 3.0}, "it gave two values for one key"),
        ([], r"it gave an array of shape \(0,\)"),
    ],
)
def test_what_is_no_number_is_refused_by_the_name_of_the_statistic(value, message):
    with pytest.raises(
        NullModelError, match=f"statistic 'mine' failed on the network of the graph itself: .*{message}"
    ):
        nng.nulls.significance(network(), {"mine": lambda G: value}, "A", n=3, rng=0, by="network")


# ------------------------------------------------------------------------ interruption


def test_an_interruption_with_workers_leaves_the_draws_that_are_there():
    code = (
        "import signal, time, warnings, numpy as np, nngraph as nng\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "def slow(G):\n"
        "    time.sleep(0.02)\n"
        "    return float(G.weights()[0])\n"
        "if __name__ == '__main__':\n"
        "    G = nng.from_matrices([np.random.default_rng(0).normal(size=(20, 20))])\n"
        "    warnings.simplefilter('ignore')\n"
        "    nng.nulls.significance(G, slow, 'A', n=4, rng=0, n_jobs=2, by='network')\n"
        "    print('ready', flush=True)\n"
        "    table = nng.nulls.significance(G, slow, 'A', n=4000, rng=0, n_jobs=2, by='network')\n"
        "    print(table['n'].iloc[0], flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(4)  # 25 draws go to a worker at once: half a second
    process.send_signal(signal.SIGINT)
    kept, _ = process.communicate(timeout=30)
    assert 25 <= int(kept) < 4000


def test_a_ladder_that_is_interrupted_before_a_rung_has_draws_keeps_the_rungs_before_it():
    calls = 3 * 11 + 3 + 1  # all of the first rung; of the second the graph itself, and the first draw is interrupted
    with pytest.warns(NullModelWarning, match="interrupted: the ladder ends before rung 1, 'B'"):
        table = nng.nulls.ladder(network(), InterruptedAfter(calls), ["A", "B"], n=10, rng=0)
    assert table["kind"].unique().tolist() == ["A"]


def test_the_sampler_of_a_rung_makes_its_draws_again():
    G = network()
    table = nng.nulls.ladder(G, first_weight, ["A", "B"], n=20, rng=7, by="network")
    for kind, sampler, mean in zip(table["kind"], table["sampler"], table["mean"], strict=True):
        seed = eval(sampler.split("seed ")[1].rsplit(", nngraph", 1)[0], {"numpy": np})
        draws = [first_weight(nng.nulls.draw(G, kind, i, rng=seed)) for i in range(20)]
        assert mean == pytest.approx(np.mean(draws))


def test_a_length_for_a_block_that_is_not_there_and_what_is_no_graph_are_refused():
    with pytest.raises(ArgumentError, match="sweeps: got a length for 'zz'; expected blocks out of 0, 1"):
        nng.nulls.randomize(network(), "G", sweeps={"zz": 3}, rng=0)
    for kind in KINDS:
        with pytest.raises(ArgumentError, match="randomize: got a ndarray; expected a NeuralGraph"):
            nng.nulls.randomize(np.eye(3), kind, rng=0)
    for n_jobs in (0, 1.5, "2", None, True):
        with pytest.raises(ArgumentError, match="n_jobs: got"):
            nng.nulls.randomize(network(), "A", n_jobs=n_jobs, rng=0)
    assert nng.nulls.randomize(network(), "G", n_jobs=-1, rng=0) == nng.nulls.randomize(network(), "G", rng=0)
