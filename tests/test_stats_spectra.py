"""Spectra of supports and fluctuations of strengths, against full decompositions and sums node by node."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats import spectra


def network(sizes, density, seed, *, zeros="keep"):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.choice([-1.5, 0.0, 0.5, 2.0], size=shape) for shape in shapes]
    masks = [rng.random(shape) < density for shape in shapes]
    return nng.from_matrices(weights, masks, zeros=zeros)


CASES = {
    "complete": network((6, 5, 4), 1, 0),
    "masked": network((12, 9, 15), 0.5, 1),
    "sparse rows": network((60, 50, 40), 0.04, 2),
    "an empty block": network((4, 3), 0, 3),
    "one edge": nng.from_matrices([np.array([[0.0, 2.0], [0.0, 0.0]])]),
    "one target": nng.from_matrices([np.array([[1.0, 0.0, -2.0]])]),
    "dead rows and columns": nng.from_matrices([np.pad(np.ones((3, 4)), 2)]),
    "two components": nng.from_matrices([np.kron(np.eye(2), np.ones((3, 4)))]),
    "a part in two blocks": NeuralGraph(
        [Block.from_dense("a", "x", "y", np.ones((2, 3))), Block.from_dense("b", "x", "y", np.full((2, 3), -2.0))]
    ),
}


def support(block):
    mask = np.zeros(block.shape)
    source, target, _ = block.edges()
    mask[target, source] = 1
    return mask


LANCZOS = ["complete", "masked", "sparse rows", "dead rows and columns", "a part in two blocks", "two components"]


@pytest.mark.parametrize(("name", "exact"), [*((name, 2000) for name in CASES), *((name, 0) for name in LANCZOS)])
def test_the_spectrum_of_a_block_is_that_of_its_full_decomposition(name, exact, monkeypatch):
    monkeypatch.setattr(spectra, "EXACT", exact)
    G = CASES[name]
    table = nng.stats.spectrum(G)
    assert list(table.columns) == ["block", "sigma_1", "sigma_2", "gap", "bound", "margin"]
    assert list(table["block"]) == [block.name for block in G.blocks]
    for row, block in zip(table.itertuples(), G.blocks, strict=True):
        matrix = support(block)
        if not matrix.any():
            assert np.isnan([row.sigma_1, row.sigma_2, row.gap, row.bound, row.margin]).all()
            continue
        first, second = [*np.linalg.svd(matrix, compute_uv=False), 0.0][:2]
        target, source = (k[k > 0].mean() for k in (matrix.sum(axis=1), matrix.sum(axis=0)))
        assert row.sigma_1 == pytest.approx(first)
        assert row.sigma_2 == pytest.approx(second, abs=1e-7 * first)
        assert row.gap == pytest.approx(first - second, abs=1e-7 * first)
        assert row.bound == pytest.approx(np.sqrt(target - 1) + np.sqrt(source - 1))
        assert row.margin == pytest.approx(row.bound - second, abs=1e-7 * first)


def test_the_first_singular_value_is_the_spectral_radius_of_the_bipartite_graph():
    G = CASES["sparse rows"]
    graph = nx.bipartite.from_biadjacency_matrix(G.block(0).csr().astype(bool).astype(float))
    radius = max(np.linalg.eigvalsh(nx.to_numpy_array(graph, weight=None)))
    assert nng.stats.spectrum(G)["sigma_1"][0] == pytest.approx(radius)


def test_a_ramanujan_graph_is_within_its_bound_and_a_graph_in_two_pieces_is_not():
    heawood = np.array([[(j - i) % 7 in (0, 1, 3) for j in range(7)] for i in range(7)], dtype=float)  # Fano's plane
    found = nng.stats.spectral_gap(nng.from_matrices([heawood]))
    assert found == pytest.approx(
        {"sigma_1": 3, "sigma_2": 2**0.5, "gap": 3 - 2**0.5, "bound": 8**0.5, "margin": 2**0.5}
    )
    assert nng.stats.spectral_gap(CASES["two components"])["gap"] == pytest.approx(0)
    apart = nng.from_matrices([np.kron(np.eye(2), np.ones((9, 9)))])
    assert nng.stats.spectral_gap(apart)["margin"] < 0


def test_the_spectral_gap_of_a_network_is_the_mean_over_its_blocks_with_edges():
    rng = np.random.default_rng(5)
    G = nng.from_matrices([rng.normal(size=(5, 6)), np.zeros((4, 5)), rng.random((3, 4)) < 0.8])
    table = nng.stats.spectrum(G).drop(columns="block")
    assert nng.stats.spectral_gap(G) == pytest.approx(table.iloc[[0, 2]].mean().to_dict())
    assert np.isnan(list(nng.stats.spectral_gap(CASES["an empty block"]).values())).all()


@pytest.mark.parametrize("name", CASES)
def test_fluctuation_is_the_deviation_of_signed_strengths_over_a_part(name):
    G = CASES[name]
    strengths = {(part.name, i): 0.0 for part in G.parts for i in range(part.size)}
    for block in G.blocks:
        for j, i, w in zip(*(a.tolist() for a in block.edges()), strict=True):
            strengths[block.source, j] += w
            strengths[block.target, i] += w
    expected = {}
    for part in G.parts:
        s = np.array([strengths[part.name, i] for i in range(part.size)])
        expected[part.name] = np.sqrt(np.mean((s - s.mean()) ** 2))
    found = nng.stats.fluctuation(G)
    assert list(found) == [part.name for part in G.parts]
    assert found == pytest.approx(expected, abs=1e-12)


def test_fluctuation_sums_narrow_weights_in_float64_and_knows_empty_parts():
    narrow = np.full((2, 4000), 60.0, np.float16)  # a sum of 240,000 is beyond float16
    assert nng.stats.fluctuation(nng.from_matrices([narrow])) == {"0": 0.0, "1": 0.0}
    found = nng.stats.fluctuation(nng.from_matrices([np.ones((0, 2))]))
    assert found["0"] == 0.0
    assert np.isnan(found["1"])


@given(st.integers(0, 2**32 - 1))
def test_permuting_the_nodes_of_parts_changes_no_spectrum_and_no_fluctuation(seed):
    rng = np.random.default_rng(seed)
    W, V = (np.where(rng.random(shape) < 0.5, rng.normal(size=shape), 0) for shape in ((7, 6), (5, 7)))
    p, q, r = (rng.permutation(n) for n in (6, 7, 5))
    G, H = nng.from_matrices([W, V]), nng.from_matrices([W[q][:, p], V[r][:, q]])
    assert nng.stats.spectral_gap(H) == pytest.approx(nng.stats.spectral_gap(G), abs=1e-6)
    assert nng.stats.fluctuation(H) == pytest.approx(nng.stats.fluctuation(G))


def test_arguments_are_checked():
    for name in ("spectrum", "spectral_gap", "fluctuation"):
        with pytest.raises(ArgumentError, match=f"{name}: got a list; expected a NeuralGraph"):
            getattr(nng.stats, name)([1])
