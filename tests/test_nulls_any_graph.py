"""Graphs that are no neural networks, through every kind of null model and back to igraph."""

import re
from collections import Counter

import igraph
import networkx as nx
import numpy as np
import pytest

import nngraph as nng
from nngraph.errors import FormatError, NullModelError, NullModelWarning
from nngraph.nulls.kinds import KINDS

SIGNED_DEGREES = {"k_source+", "k_source-", "k_target+", "k_target-"}
CHAINS = [name for name, kind in KINDS.items() if kind.chain is not None]


def matrices(*rows):
    return nng.from_matrices([np.array(rows, dtype=float)])


RIGID = matrices([1.0, 2.0], [3.0, -4.0])
"""The only signs with these signed degrees; the magnitudes of its three positive edges can move."""


def women():
    """A bipartite network without weights: 18 women, 14 events, 89 attendances."""
    N = nx.davis_southern_women_graph()
    g = igraph.Graph(len(N), directed=False)
    number = {node: v for v, node in enumerate(N)}
    g.add_edges([(number[a], number[b]) for a, b in N.edges])
    g.vs["name"], g.vs["bipartite"] = list(N), [N.nodes[node]["bipartite"] for node in N]
    return g


def votes():
    """An undirected signed weighted bipartite graph, its two types in mixed order, with attributes of its own."""
    rng = np.random.default_rng(3)
    types = rng.permutation([False] * 9 + [True] * 7)
    pairs = [(a, b) for a in np.flatnonzero(~types) for b in np.flatnonzero(types) if rng.random() < 0.6]
    g = igraph.Graph(16, [pair if rng.random() < 0.5 else pair[::-1] for pair in pairs], directed=False)
    g.vs["type"], g.vs["name"] = types.tolist(), [f"member {v}" for v in range(16)]
    g.vs["age"] = rng.integers(20, 80, 16).tolist()
    g.es["weight"] = rng.normal(size=len(pairs)).tolist()
    g.es["year"] = rng.integers(1990, 2020, len(pairs)).tolist()
    g["title"] = "votes"
    return g


def food_web():
    """A directed graph of three parts and three blocks, one of which skips a part."""
    rng = np.random.default_rng(4)
    layers = ["plant"] * 8 + ["herbivore"] * 7 + ["carnivore"] * 5
    g = igraph.Graph(20, directed=True)
    starts = {"plant": 0, "herbivore": 8, "carnivore": 15}
    sizes = Counter(layers)
    for a, b in (("plant", "herbivore"), ("herbivore", "carnivore"), ("plant", "carnivore")):
        cells = [(starts[a] + i, starts[b] + j) for i in range(sizes[a]) for j in range(sizes[b])]
        g.add_edges([cell for cell in cells if rng.random() < 0.7])
    g.vs["layer"], g.vs["name"] = layers, [f"{layer} {v}" for v, layer in enumerate(layers)]
    g.vs["mass"] = rng.random(20).tolist()
    g.es["weight"] = rng.normal(size=g.ecount()).tolist()
    return g


GRAPHS = {"women": women, "votes": votes, "food web": food_web}


def undirected(g):
    """Edges as (vertices in a fixed order, weight)."""
    weights = g.es["weight"] if "weight" in g.es.attributes() else [1.0] * g.ecount()
    pairs = g.get_edgelist() if g.is_directed() else [tuple(sorted(pair)) for pair in g.get_edgelist()]
    return list(zip(pairs, weights, strict=True))


def signed_degrees(g):
    """For each block, by its two parts: how many edges of each sign every vertex has."""
    part = next(name for name in ("layer", "type", "bipartite") if name in g.vs.attributes())
    counts = Counter()
    for (a, b), weight in undirected(g):
        parts = frozenset([str(g.vs[a][part]), str(g.vs[b][part])])
        counts.update([(parts, a, np.sign(weight)), (parts, b, np.sign(weight))])
    return counts


# the signs and the weights of the women cannot move: all are 1
@pytest.mark.parametrize(
    ("graph", "kind"), [(g, k) for g in GRAPHS for k in KINDS if g != "women" or k not in "ABCDEFG"]
)
def test_any_multipartite_igraph_goes_in_and_comes_out_with_names_and_attributes(graph, kind):
    g = GRAPHS[graph]()
    G = nng.from_igraph(g)
    R = nng.nulls.randomize(G, kind, rng=1)
    h = R.to_igraph(like=g)
    assert {name: h.vs[name] for name in g.vs.attributes()} == {name: g.vs[name] for name in g.vs.attributes()}
    assert [h[name] for name in g.attributes()] == [g[name] for name in g.attributes()]
    assert h.is_directed() == g.is_directed()
    assert nng.from_igraph(h) == R
    kept = nng.nulls.kept(kind)
    if kept >= SIGNED_DEGREES:
        assert signed_degrees(h) == signed_degrees(g)
    if "weights" in kept:
        assert sorted(h.es["weight"]) == sorted(weight for _, weight in undirected(g))
    if "support" in kept:
        assert sorted(pair for pair, _ in undirected(h)) == sorted(pair for pair, _ in undirected(g))
    else:
        assert R != G


def test_signs_of_a_graph_of_one_sign_cannot_move_and_one_sentence_says_so():
    with pytest.raises(NullModelError, match="kind 'G' has no legal move in block '0->1'"):
        nng.nulls.randomize(nng.from_igraph(women()), "G", rng=1)


def test_a_bipartite_networkx_graph_without_weights_comes_out_of_a_null_model_with_its_names():
    N = nx.davis_southern_women_graph()
    R = nng.nulls.randomize(nng.from_networkx(N), "configuration", rng=1)
    g = R.to_igraph()
    assert g.vs["name"] == [node for side in (0, 1) for node in N if N.nodes[node]["bipartite"] == side]
    M = R.to_networkx()
    names = nx.get_node_attributes(M, "name")
    assert {names[node]: degree for node, degree in M.degree} == dict(N.degree)
    assert {frozenset([names[a], names[b]]) for a, b in M.edges} != {frozenset(pair) for pair in N.edges}


@pytest.mark.parametrize("kind", "ABCDEF")
def test_weights_that_are_all_alike_cannot_be_exchanged_and_one_sentence_says_so(kind):
    with pytest.raises(
        NullModelError, match=f"kind '{kind}' changes nothing in block '0->1': no two different weights"
    ):
        nng.nulls.randomize(nng.from_igraph(women()), kind, rng=1)


def parallel(weights):
    g = igraph.Graph(3, [(0, 2), (1, 2), (2, 0)], directed=False)
    g.vs["type"], g.es["weight"] = [0, 0, 1], weights
    return g


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, 1.0, 1.0], "edge 2 .* is parallel to edge 0 in block '0->1'; expected one edge for each pair of nodes"),
        ([1.0, 1.0, -1.0], "edge 2 .* is parallel to edge 0 in block"),
        ([1.0, float("nan"), 1.0], "edge 1 .* has the weight nan; expected a finite number"),
    ],
)
@pytest.mark.parametrize("way", ["igraph", "networkx", "graphml"])
def test_pairs_that_are_joined_twice_and_weights_that_are_no_numbers_are_refused(weights, words, way, tmp_path):
    g = parallel(weights)
    path = tmp_path / "g.graphml"
    g.write_graphml(str(path))
    N = nx.MultiGraph()
    N.add_nodes_from((v, {"bipartite": g.vs[v]["type"]}) for v in range(3))
    N.add_edges_from((*pair, {"weight": weight}) for pair, weight in zip(g.get_edgelist(), weights, strict=True))
    read = {
        "igraph": lambda: nng.from_igraph(g),
        "networkx": lambda: nng.from_networkx(N),
        "graphml": lambda: nng.read_graphml(path),
    }
    if way == "networkx":  # it gives edges by node, not in the order in which they came
        words = re.sub(r"edge \d", r"edge \\d", words)
    with pytest.raises(FormatError, match=words) as caught:
        read[way]()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_without_edges_stays_as_it_is(kind):
    G = nng.from_matrices([np.zeros((3, 4)), np.array([[1.0, -2.0, 3.0], [-1.0, 1.5, -2.5]])])
    R = nng.nulls.randomize(G, kind, rng=2, blocks="0")
    assert R == G


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.filterwarnings("ignore::nngraph.errors.NullModelWarning")
def test_blocks_of_one_row_or_one_column_keep_what_they_should(kind, turned):
    W = np.array([[1.0, -2.0, 3.0, -4.0, 5.0, 6.0]])
    G = nng.from_matrices([W.T if turned else W])
    if kind in (("D", "F") if turned else ("C", "E")):  # each edge alone at its node
        with pytest.raises(NullModelError, match="changes nothing in block '0'"):
            nng.nulls.randomize(G, kind, rng=2)
        return
    R = nng.nulls.randomize(G, kind, rng=2)
    kept = nng.nulls.kept(kind)
    if kept >= SIGNED_DEGREES:
        assert np.array_equal(np.sign(R.block(0).dense()), np.sign(G.block(0).dense()))
    if "weights" in kept:
        assert sorted(R.weights()) == sorted(W[0])
    sides = {name for name in kept if name.startswith("s_")}
    if len(sides) == 2:  # both signs of one side: all of the row, or each edge by itself
        axis = {"s_target": 1, "s_source": 0}[sides.pop()[:-1]]
        sums = [np.where(np.sign(X) == s, X, 0).sum(axis=axis) for X in (R.block(0).dense(),) for s in (1, -1)]
        expected = [np.where(np.sign(X) == s, X, 0).sum(axis=axis) for X in (G.block(0).dense(),) for s in (1, -1)]
        assert np.allclose(sums, expected)


@pytest.mark.parametrize("kind", [name for name in CHAINS if nng.nulls.kept(name) >= SIGNED_DEGREES])
def test_margins_that_admit_one_graph_only_are_warned_of_and_refused_where_nothing_else_moves(kind):
    with pytest.warns(NullModelWarning, match=f"kind '{kind}' has no legal move in block '0'"):
        R = nng.nulls.randomize(RIGID, kind, rng=1)
    assert np.array_equal(np.sign(R.weights()), np.sign(RIGID.weights()))
    with pytest.raises(NullModelError, match=r"no legal move in block '0'.*nothing to compare with"):
        nng.nulls.randomize(nng.ops.binarize(RIGID), kind, rng=1)


def test_weights_of_a_rigid_graph_that_fall_into_their_old_places_are_a_draw_like_any_other():
    """One in six draws of the three magnitudes is the graph itself."""
    with pytest.warns(NullModelWarning, match="no legal move"):
        same = sum(nng.nulls.randomize(RIGID, "G", rng=seed) == RIGID for seed in range(120))
    assert 7 <= same <= 35


@pytest.mark.parametrize("kind", [name for name in CHAINS if "support" not in nng.nulls.kept(name)])
def test_a_nested_support_that_cannot_move_is_warned_of_or_refused(kind):
    nested = matrices([1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    with pytest.raises(NullModelError, match="no legal move in block '0'"):
        nng.nulls.randomize(nested, kind, rng=1)
