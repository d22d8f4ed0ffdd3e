"""The explicit line graph: its edges are those of igraph and networkx, its weights those that make beta_eff."""

import itertools
import logging

import igraph
import networkx as nx
import numpy as np
import pytest
import torch
from capacitance_oracle import Oracle, batch, network
from hypothesis import given
from strategies import graphs
from torch import nn

import nngraph as nng
from nngraph.dynamics import beta_eff, line_graph, line_graph_size, line_graphs, reduction
from nngraph.errors import ArgumentError, SizeError
from nngraph.sparse import SparseLinear

WAYS = [{}, {"absolute": True}, {"variant": "hessian_support"}]


@given(graphs())
def test_the_edges_are_those_of_igraph_and_as_many_as_predicted(G):
    g = line_graph(G)
    expected = igraph.Graph(G.n_nodes, G._edge_ids().tolist(), directed=True).linegraph()
    assert g.get_edgelist() == sorted(expected.get_edgelist())
    assert g.vcount() == G.n_edges
    assert g.ecount() == line_graph_size(G)


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_the_size_of_a_model_is_that_of_its_graph_whatever_holds_its_edges(density):
    model = network((4, 6, 5, 3), density=density)
    expected = line_graph_size(nng.from_torch(model))
    assert line_graph_size(model) == expected
    held = nn.Sequential(*(SparseLinear.from_linear(m) if isinstance(m, nn.Linear) else m for m in model))
    assert line_graph_size(held) == expected
    mixed = nn.Sequential(*held[:2], *model[2:])
    assert line_graph_size(mixed) == expected


def test_the_size_of_a_model_that_holds_its_edges_alone_takes_no_matrix(monkeypatch):
    sizes = (30_000, 40_000, 30_000)  # 10 GB as matrices
    layers = [SparseLinear(*pair, epsilon=0.3, rng=i) for i, pair in enumerate(itertools.pairwise(sizes))]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    monkeypatch.setattr(SparseLinear, "to_linear", None)
    found = line_graph_size(model)
    assert found == line_graph_size(nng.from_torch(model))
    assert found > 10_000


@given(graphs())
def test_the_weights_of_a_graph_without_data_are_products_of_magnitudes(G):
    g = line_graph(G)
    w = np.abs(G.weights().astype(np.float64))
    assert g.es["weight"] == [w[a] * w[b] for a, b in g.get_edgelist()]
    edges = G.edges
    assert g.vs["block"] == list(edges.block)
    assert (g.vs["source"], g.vs["target"]) == (list(edges.source), list(edges.target))
    assert g.vs["weight"] == edges.weight.tolist()


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("density", [1.0, 0.5])
@pytest.mark.parametrize(("loss", "sizes"), [("squared", (4, 5, 4, 3)), ("cross_entropy", (4, 5, 3, 4, 3))])
def test_summed_over_the_line_graph_of_either_library_the_weights_give_beta_eff(loss, sizes, density, way):
    model = network(sizes, density=density, activation=nn.ReLU if density == 1 else nn.SiLU)  # has negative slopes
    x, y = batch(sizes, loss)
    g = line_graph(model, x, y, loss=loss, **way)
    b = beta_eff(model, x, y, loss=loss, **way)
    assert reduction(g).beta_eff == pytest.approx(b.value, rel=1e-12)
    oracle = Oracle(model, x, y, loss)
    name = "absolute" if way.get("absolute") else way.get("variant", "frozen")
    ids = {weight: at for at, weight in enumerate(oracle.present)}
    for pairs in (oracle.networkx_pairs(), oracle.igraph_pairs()):
        explicit = {(ids[a], ids[b]): oracle.coupling(name, a, b) for a, b in pairs}
        assert list(explicit) != []
        ours = dict(zip(g.get_edgelist(), g.es["weight"], strict=True))
        assert ours.keys() == explicit.keys()
        assert max(abs(ours[pair] - explicit[pair]) for pair in explicit) < 1e-12
        numerator, denominator = oracle.parts(name, pairs)
        assert b.value == pytest.approx(numerator / denominator, rel=1e-12)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_neurons_contribute_what_the_edges_through_them_carry(way):
    sizes = (4, 5, 4, 3)
    model, (x, y) = network(sizes, density=0.7), batch(sizes, "squared")
    g = line_graph(model, x, y, loss="squared", **way)
    s = g.strength(mode="out", weights="weight")
    numerator, denominator = np.zeros(sum(sizes)), np.zeros(sum(sizes))
    for edge in g.es:
        neuron = g.vs[edge.source]["target"]
        assert neuron == g.vs[edge.target]["source"]
        numerator[neuron] += edge["weight"] * s[edge.target]
        denominator[neuron] += edge["weight"]
    nodes = beta_eff(model, x, y, loss="squared", **way).nodes
    assert nodes.numerator.to_numpy() == pytest.approx(numerator[4:13], rel=1e-11, abs=1e-13)
    assert nodes.denominator.to_numpy() == pytest.approx(denominator[4:13], rel=1e-11, abs=1e-13)


def test_weighted_by_the_weights_of_a_relu_network_its_row_and_column_sums_are_gradients():
    sizes = (4, 5, 6, 4, 3)
    model, (x, y) = network(sizes, bias=False), batch(sizes, "cross_entropy")
    g = line_graph(model, x, y)
    torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    gradient = np.concatenate([parameter.grad.numpy().ravel() for parameter in model.parameters()])
    ends, P, w = np.array(g.get_edgelist()), np.array(g.es["weight"]), np.array(g.vs["weight"])
    rows = np.bincount(ends[:, 0], weights=P * w[ends[:, 1]], minlength=len(w))
    columns = np.bincount(ends[:, 1], weights=P * w[ends[:, 0]], minlength=len(w))
    first, last = sizes[0] * sizes[1], sizes[-1] * sizes[-2]
    assert np.abs(rows - gradient)[:-last].max() < 1e-13
    assert np.abs(columns - gradient)[first:].max() < 1e-13
    assert np.median(np.abs(gradient)) > 0.01


def test_networkx_makes_the_same_graph():
    G = nng.from_torch(network((3, 4, 2), density=0.6))
    expected = nx.line_graph(nx.DiGraph(G._edge_ids().tolist()))
    ids = {tuple(ends): at for at, ends in enumerate(G._edge_ids().tolist())}
    assert {(ids[a], ids[b]) for a, b in expected.edges} == set(line_graph(G).get_edgelist())


@pytest.mark.parametrize("as_graph", [True, False])
def test_127_million_edges_are_counted_and_never_made(as_graph, monkeypatch):
    model = nng.mlp((784, 400, 400, 10), rng=0)
    G = nng.from_torch(model) if as_graph else model
    monkeypatch.setattr(line_graphs, "_pairs", None)  # what would make them
    assert line_graph_size(G) == 400 * (784 * 400 + 400 * 10) + 400 * 0 == 784 * 400 * 400 + 400 * 400 * 10
    x = () if as_graph else (np.zeros((10, 784)), np.arange(10))
    with pytest.raises(SizeError, match=r"127,040,000 edges needs about \d+\.\d GiB; the limit is 1,000,000"):
        line_graph(G, *x)


def test_force_goes_on_above_the_limit(monkeypatch, caplog):
    monkeypatch.setattr(line_graphs, "EDGES_REFUSE", 3)
    G = nng.from_matrices([np.ones((2, 2)), np.ones((1, 2))])
    with pytest.raises(SizeError, match=r"4 edges .* force=True"):
        line_graph(G)
    with caplog.at_level(logging.WARNING):
        assert line_graph(G, force=True).ecount() == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((nng.from_matrices([np.ones((2, 2))]), np.ones((3, 2)), np.arange(3)), "graph with a probe batch"),
        ((network((4, 5, 4, 3)),), "got a model without x"),
        (("net.pt",), "model without x"),
    ],
)
def test_a_graph_takes_no_data_and_a_model_needs_them(arguments, says):
    with pytest.raises(ArgumentError, match=says):
        line_graph(*arguments)


def test_the_whole_hessian_is_no_line_graph():
    with pytest.raises(ArgumentError, match="joins weights that share no neuron"):
        line_graph(network((4, 5, 4, 3)), *batch((4, 5, 4, 3), "squared"), loss="squared", variant="hessian")
