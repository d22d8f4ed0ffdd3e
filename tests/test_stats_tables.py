"""Tables that join statistics of nodes, parts, blocks and networks."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

import nngraph as nng
from nngraph.errors import ArgumentError, NNGraphError
from nngraph.graph import Part
from nngraph.stats.tables import DEFAULTS, UNDEFINED


def network():
    """Three parts; node 1 of part "1" has no incoming edge, block "2" has no edges at all."""
    first = np.array([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]])
    second = np.array([[1.0, 1.0], [-1.0, 2.0]])
    return nng.from_matrices([first, second, np.zeros((2, 2))])


def test_a_table_of_nodes_joins_series_in_vertex_order_with_the_columns_of_G_nodes():
    G = network()
    found = nng.stats.table(G, ["degree(side=target)", "strength"])
    columns = ["part", "depth", "index", "name", "bias", "degree(side=target)", "strength(side=source)", "status"]
    assert list(found.columns) == columns
    pd.testing.assert_frame_equal(found[columns[:5]], G.nodes)
    for column, series in (
        ("degree(side=target)", nng.stats.degree(G, side="target")),
        ("strength(side=source)", nng.stats.strength(G)),
    ):
        known = {(part, i): value for part, i, value in zip(found["part"], found["index"], found[column], strict=True)}
        for node, value in known.items():
            assert value == series[node] if node in series.index else pd.isna(value)
    assert found["degree(side=target)"].dtype == "Int64"  # counts stay whole numbers where some are missing


def test_every_missing_value_of_a_node_has_its_reason():
    found = nng.stats.table(network(), ["degree(side=target)", "mean_weight(side=target)", "disparity"])
    status = {(p, i): s for p, i, s in zip(found["part"], found["index"], found["status"], strict=True)}
    assert status["0", 0] == "no block enters its part"
    assert status["1", 0] == "ok"
    assert status["1", 1] == "mean_weight: no such edge"
    assert status["2", 0] == "disparity: strength 0"
    assert status["3", 1] == "mean_weight: no such edge; no block leaves its part"


@settings(max_examples=40)
@given(graphs(), st.sampled_from(["node", "part", "block", "network"]))
def test_a_value_is_missing_if_and_only_if_the_status_says_why(G, by):
    extra = {
        "node": ["mean_weight", "disparity(side=both)", "participation"],
        "part": ["disparity"],
        "block": ["balance"],
        "network": ["balance", "coherence"],
    }
    names = [*DEFAULTS[by], *extra[by]]
    found = nng.stats.table(G, names, by=by)
    assert len(found) == {"node": G.n_nodes, "part": len(G.parts), "block": len(G.blocks), "network": 1}[by]
    missing = found.isna().any(axis=1).to_numpy()
    if by == "part":  # a mean may be that of the nodes that have a value
        assert not (missing & (found["status"] == "ok")).any()
    else:
        assert (missing == (found["status"] != "ok")).all()
    assert not found["status"].str.contains("undefined").any()


def test_a_table_of_parts_has_means_and_deviations_over_the_nodes_that_have_a_value():
    G = network()
    found = nng.stats.table(G, "mean_weight(side=target)", by="part").set_index("part")
    assert list(found.columns) == [
        "depth",
        "n_nodes",
        "mean_weight(side=target)_mean",
        "mean_weight(side=target)_sd",
        "status",
    ]
    assert found["n_nodes"].to_dict() == {"0": 3, "1": 2, "2": 2, "3": 2}
    assert found.loc["1", "mean_weight(side=target)_mean"] == pytest.approx(2 / 3)
    means = np.array([1.0, 0.5])
    assert found.loc["2", "mean_weight(side=target)_mean"] == means.mean()
    assert found.loc["2", "mean_weight(side=target)_sd"] == means.std()
    assert found["status"].to_dict() == {
        "0": "no block enters its part",
        "1": "1 of 2 nodes: mean_weight: no such edge",
        "2": "ok",
        "3": "mean_weight: no such edge",
    }


def test_a_table_of_blocks_has_the_statistics_of_each_block_alone():
    G = network()
    found = nng.stats.table(G, ["alpha", "heterogeneity(sign=+)", "balance"], by="block")
    keys = ("source", "source_binomial", "target", "target_binomial")
    assert list(found.columns) == [
        *("block", "source", "target", "n_source", "n_target", "n_edges", "alpha"),
        *(f"heterogeneity(sign=+)_{key}" for key in keys),
        *("balance", "status"),
    ]
    assert found["n_edges"].tolist() == [3, 4, 0]
    assert found[["n_source", "n_target"]].to_numpy().tolist() == [[3, 2], [2, 2], [2, 2]]
    for _, row in found.iterrows():
        one = G.select([row["block"]])
        assert row["alpha"] == pytest.approx(nng.stats.alpha(one), nan_ok=True)
        assert row["balance"] == pytest.approx(nng.stats.balance(one), nan_ok=True)
        for key, value in nng.stats.heterogeneity(one, sign="+").items():
            assert row[f"heterogeneity(sign=+)_{key}"] == pytest.approx(value, nan_ok=True)
    assert found["status"].tolist() == [
        "balance: no 4-cycle",
        "ok",
        "alpha: no edge; heterogeneity: no such edge; balance: no 4-cycle",
    ]


def test_a_table_of_the_network_is_one_row():
    G = network()
    found = nng.stats.table(G, ["density", "degree_correlation"], by="network")
    assert len(found) == 1
    row = found.iloc[0]
    assert row[["n_parts", "n_nodes", "n_blocks", "n_edges"]].tolist() == [4, 9, 3, 7]
    assert row["density"] == nng.stats.density(G)
    assert [row[f"degree_correlation_{key}"] for key in ("all", "+", "-")] == list(
        nng.stats.degree_correlation(G).values()
    )


@pytest.mark.parametrize("by", ["node", "part", "block", "network"])
def test_the_default_table_names_registered_statistics_and_gives_a_value_of_each(by):
    rng = np.random.default_rng(0)
    G = nng.from_matrices([rng.normal(size=(5, 4)), rng.normal(size=(4, 5))])
    found = nng.stats.table(G, by=by)
    registry = nng.stats.NODE if by in ("node", "part") else nng.stats.NETWORK
    for text in DEFAULTS[by]:
        assert text.partition("(")[0] in registry
        assert any(column.startswith(text) for column in found.columns), text
    assert found["status"].iloc[-1] == ("no block leaves its part" if by in ("node", "part") else "ok")


def test_every_registered_statistic_goes_into_a_table_and_every_reason_belongs_to_one():
    G = network()
    for by, registry in (("node", nng.stats.NODE), ("block", nng.stats.NETWORK)):
        for name in registry:
            assert len(nng.stats.table(G, name, by=by)) == (9 if by == "node" else 3)
    assert set(UNDEFINED) <= {*nng.stats.NODE, *nng.stats.NETWORK}


def test_a_statistic_of_blocks_may_be_a_verdict():
    def tail(H):
        return {"n": H.n_edges, "verdict": "undecided" if H.n_edges else float("nan")}

    found = nng.stats.table(network(), ["alpha", tail], by="block")
    assert list(found.columns[-3:]) == ["tail_n", "tail_verdict", "status"]
    assert found["tail_n"].tolist() == [3.0, 4.0, 0.0]
    assert found["tail_verdict"].tolist()[:2] == ["undecided"] * 2
    assert found["tail_verdict"].isna().tolist() == [False, False, True]
    assert found["status"].iloc[2] == "alpha: no edge; tail: undefined"


def test_a_statistic_whose_keys_differ_between_blocks_leaves_no_cell_empty_without_a_word():
    def sizes(H):
        return {part.name: part.size for part in H.parts}

    found = nng.stats.table(network(), ["density", sizes], by="block")
    assert list(found.columns[-6:]) == ["density", "sizes_0", "sizes_1", "sizes_2", "sizes_3", "status"]
    assert found["sizes_1"].isna().tolist() == [False, False, True]
    assert set(found["status"]) == {"sizes: no value under some keys"}


def test_one_block_is_held_at_a_time():
    class Blocks(list):
        alive = 0

        def __getitem__(self, number):
            W = np.random.default_rng(number).normal(size=(3, 4))
            return nng.from_matrices([W]).blocks[0].replace(name=f"b{number}", bias=Tracked.made())

    class Tracked(np.ndarray):
        alive = most = 0

        @classmethod
        def made(cls):
            array = np.zeros(3).view(cls)
            cls.alive += 1
            cls.most = max(cls.most, cls.alive)
            return array

        def __del__(self):
            Tracked.alive -= 1

    found = nng.stats.table(Blocks([None] * 5), by="block")
    assert found["block"].tolist() == [f"b{i}" for i in range(5)]
    assert Tracked.most == 1


def test_igraph_methods_are_statistics_by_name():
    G = network()
    found = nng.stats.table(G, ["igraph.pagerank(weights=magnitude)", "igraph.coreness(mode=in)"])
    expected = nng.stats.by_igraph(G, "pagerank", weights="magnitude")
    np.testing.assert_allclose(found["igraph.pagerank(weights=magnitude)"], expected)
    assert found["igraph.coreness(mode=in)"].tolist() == nng.stats.by_igraph(G, "coreness", mode="in").tolist()
    assert set(found["status"]) == {"ok"}


def test_functions_and_names_of_ones_own():
    G = network()

    def largest(H):
        return float(H.weights().max()) if H.n_edges else float("nan")

    found = nng.stats.table(G, {"top": largest, "share": "alpha"}, by="block")
    assert found["top"].tolist()[:2] == [3.0, 2.0]
    assert found["share"].iloc[0] == 2 / 3
    assert found["status"].iloc[2] == "top: undefined; share: undefined"
    nodes = nng.stats.table(G, {"k": nng.stats.degree})
    assert nodes["k"].tolist()[:3] == [1, 1, 1]
    assert "degree(side=source)" in nng.stats.table(G, nng.stats.degree)


def test_an_error_of_the_library_is_a_status_and_any_other_is_raised():
    def refuses(H):
        if H.n_edges < 4:
            raise NNGraphError("too few edges to say.")
        return 1.0

    found = nng.stats.table(network(), ["density", refuses], by="block")
    assert found["refuses"].isna().tolist() == [True, False, True]
    assert found["status"].tolist() == ["refuses: too few edges to say.", "ok", "refuses: too few edges to say."]
    with pytest.raises(ZeroDivisionError):
        nng.stats.table(network(), lambda H: 1 / 0, by="block")


@pytest.mark.parametrize(
    ("statistics", "by", "message"),
    [
        ("degre", "node", "no statistic of nodes is called 'degre': did you mean 'degree'"),
        ("hetrogeneity", "block", "did you mean 'heterogeneity'"),
        ("alpha", "node", "that is a statistic of blocks and networks"),
        ("degree", "network", "that is a statistic of nodes and parts"),
        ("qqq", "block", "there are alpha, balance,"),
        ("degree(sides=target)", "node", "degree takes no argument 'sides'; it takes side, sign"),
        ("degree(side=up)", "node", "degree: side: got 'up'; expected"),
        ("degree(target)", "node", "got 'target' as an argument; expected name=value"),
        ("degree(", "node", "expected a name, or a name and arguments"),
        ("igraph.pagerankk", "node", "did you mean 'pagerank'"),
        (["degree", "degree"], "node", "got 'degree' twice"),
        (["degree", "degree(side=source)"], "node", "two columns are called 'degree(side=source)'"),
        ([], "node", "expected names, functions, or a mapping"),
        ([3], "node", "got 3; expected a name or a function"),
        (len, "node", "len"),
        (lambda H: [1, 2], "block", "gave list; expected a number or a text, or a mapping"),
        (lambda H: nng.stats.alpha(H), "node", "gave float; expected a Series indexed by"),
        (None, "edge", "by: got 'edge'; expected one of 'node', 'part', 'block', 'network'"),
        (None, ["node"], "by: got ['node']; expected one of"),
    ],
)
def test_bad_input_is_one_sentence(statistics, by, message):
    expected = TypeError if statistics is len else ArgumentError
    with pytest.raises(expected, match=re.escape(message)):
        nng.stats.table(network(), statistics, by=by)


def test_only_a_table_of_blocks_is_made_of_blocks():
    blocks = network().blocks
    pd.testing.assert_frame_equal(nng.stats.table(blocks, by="block"), nng.stats.table(network(), by="block"))
    with pytest.raises(ArgumentError, match="by='node': got tuple; expected a NeuralGraph"):
        nng.stats.table(blocks)
    with pytest.raises(ArgumentError, match="got int; expected a NeuralGraph or a sequence of blocks"):
        nng.stats.table(3, by="block")
    with pytest.raises(ArgumentError, match="got a sequence of ndarray; expected blocks, or a NeuralGraph"):
        nng.stats.table([np.ones((2, 2))], by="block")


def test_a_part_that_a_statistic_leaves_out_is_said_to_be_left_out():
    G = nng.NeuralGraph(network().blocks, [*network().parts, Part("alone", 1)])

    def of_first_part(H):
        return nng.stats.degree(H).loc[["0"]]

    assert nng.stats.table(G, "degree(side=both)")["status"].iloc[-1] == "no block leaves or enters its part"
    found = nng.stats.table(G, {"one": of_first_part})
    assert found["status"].tolist() == ["ok"] * 3 + ["no block leaves its part"] * 7
    unnamed = nng.stats.table(G, {"one": lambda H: of_first_part(H).rename(None)})
    assert unnamed["status"].tolist() == ["ok"] * 3 + ["one: none for its part"] * 7


@pytest.mark.parametrize("by", ["block", "network"])
@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        ("degree_information(bins=1)", "degree_information: bins: got 1"),
        ("heterogeneity(sign=up)", "heterogeneity: sign: got 'up'"),
        ("max_modularity(kicks=-1)", "max_modularity: kicks: got -1"),
        ("tail_verdict(of=weight)", "tail_verdict: of: got 'weight'"),
        ("max_modularity(rng=-1)", "rng: got the negative seed -1"),
    ],
)
def test_a_bad_argument_is_raised_for_blocks_and_networks_too(statistic, message, by):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        nng.stats.table(network(), ["density", statistic], by=by)


def test_what_a_graph_does_not_allow_is_a_status_with_arguments_too():
    found = nng.stats.table(network(), "tail_verdict(sign=+, n_boot=0)", by="network")
    assert "got 3 blocks" in found["status"].item()


UNEVEN = [
    network(),
    nng.from_matrices([np.zeros((2, 3))]),
    nng.from_matrices([np.zeros((1, 1)), np.ones((1, 1))]),
    nng.from_matrices([np.zeros((2, 2))], zeros="keep"),
    nng.NeuralGraph([], [Part("a", 2)]),
    nng.NeuralGraph([], []),
]


@pytest.mark.parametrize("G", UNEVEN, ids=range(len(UNEVEN)))
@pytest.mark.parametrize("by", ["node", "block", "network"])
def test_no_registered_statistic_leaves_a_value_undefined_without_a_reason_of_its_own(G, by):
    names = [*(nng.stats.NODE if by == "node" else nng.stats.NETWORK)]
    found = nng.stats.table(G, names, by=by)
    assert not found["status"].str.contains("undefined").any()
    if len(found):
        assert ((found["status"] != "ok") == found.isna().any(axis=1)).all()


def test_path_loads_spanning_nodes_and_communities_are_columns_of_nodes():
    G = network()
    found = nng.stats.table(G, ["path_load", "path_load(weighting=count)", "spanning_nodes", "communities"])
    for column, series in (
        ("path_load(weighting=magnitude)", nng.stats.path_load(G)),
        ("path_load(weighting=count)", nng.stats.path_load(G, weighting="count")),
        ("spanning_nodes", nng.stats.spanning_nodes(G)),
        ("communities(form=signed)", nng.stats.communities(G)),
    ):
        np.testing.assert_array_equal(found[column], series)
    assert found["spanning_nodes"].dtype == bool
    assert found["status"].iloc[0].startswith("path_load: all paths together carry 0")  # its last block has no edge
    by_part = nng.stats.table(network().select(["0"]), "spanning_nodes", by="part")
    assert by_part["spanning_nodes_mean"].tolist() == [1.0, 0.5]
