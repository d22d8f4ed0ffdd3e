"""Named statistics, each against a count by brute force or another library."""

from __future__ import annotations

import itertools
import re

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.errors import ArgumentError
from nngraph.graph import Link, Part
from nngraph.stats import signed


def block_graph(shape, density, seed, *, n_blocks=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    sizes = [shape[1], *([shape[0]] * n_blocks)]
    matrices, masks = [], []
    for n_source, n_target in itertools.pairwise(sizes):
        matrices.append(rng.normal(size=(n_target, n_source)).astype(dtype))
        masks.append(rng.random((n_target, n_source)) < density)
    return nng.from_matrices(matrices, masks)


CASES = [
    block_graph((5, 6), 1.0, 0),
    block_graph((7, 4), 1.0, 1, dtype=np.float32),
    block_graph((6, 7), 0.6, 2),
    block_graph((7, 5), 0.5, 3, n_blocks=2),
    block_graph((40, 30), 0.04, 4, n_blocks=2),
    block_graph((6, 5), 0.9, 5, n_blocks=3, dtype=np.float16),
    nng.from_matrices([np.array([[1.0, 0.0, -1.0], [2.0, -1.0, 1.0], [1.0, 1.0, 0.0]])], zeros="keep"),
]


def edges_of(block):
    return {(int(j), int(i)): float(w) for j, i, w in zip(*(a.tolist() for a in block.edges()), strict=True) if w != 0}


def share(agreeing):
    return np.mean(agreeing) if agreeing else np.nan


# ------------------------------------------------------------------------ cycles, paths


def balance_by_enumeration(G):
    products = []
    for block in G.blocks:
        edges = edges_of(block)
        for a, b in itertools.combinations(range(block.n_source), 2):
            for i, j in itertools.combinations(range(block.n_target), 2):
                cycle = [edges.get(pair) for pair in ((a, i), (a, j), (b, i), (b, j))]
                if None not in cycle:
                    products.append(np.prod(np.sign(cycle)) > 0)
    return share(products)


def coherence_by_enumeration(G):
    agreeing = []
    for first, second in itertools.product(G.blocks, repeat=2):
        if first.target != second.source:
            continue
        left, right = edges_of(first), edges_of(second)
        paths = {}
        for (a, b), w in left.items():
            for (c, d), v in right.items():
                if b == c:
                    paths.setdefault((a, d), []).append(w * v > 0)
        agreeing += [x == y for signs in paths.values() for x, y in itertools.combinations(signs, 2)]
    return share(agreeing)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_balance_is_the_share_of_4_cycles_of_positive_product(number):
    G = CASES[number]
    expected = balance_by_enumeration(G)
    assert nng.stats.balance(G) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    for block in G.blocks:
        one = G.select([block.name])
        assert nng.stats.balance(one) == pytest.approx(balance_by_enumeration(one), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_slabs_of_a_row_at_a_time_count_the_same(number, monkeypatch):
    G = CASES[number]
    counts = nng.stats.balance, nng.stats.coherence, nng.stats.motifs
    before = [count(G) for count in counts]
    monkeypatch.setattr(signed, "SLAB", 1)
    for count, value in zip(counts, before, strict=True):
        assert count(G) == pytest.approx(value, rel=1e-15, nan_ok=True)


def test_the_cases_of_balance_are_dense_masked_sparse_and_hold_cycles():
    held = {(block.is_sparse, block.mask is None) for G in CASES for block in G.blocks}
    assert held == {(False, True), (False, False), (True, False)}
    assert sum(not np.isnan(balance_by_enumeration(G)) for G in CASES) >= 6


@pytest.mark.parametrize("number", range(len(CASES)))
def test_coherence_is_the_share_of_pairs_of_two_paths_whose_products_agree(number):
    G = CASES[number]
    assert nng.stats.coherence(G) == pytest.approx(coherence_by_enumeration(G), abs=1e-12, nan_ok=True)


def test_balance_and_coherence_have_the_values_of_theory():
    rank_one = nng.from_matrices([np.outer([1.0, -1.0, 1.0], [1.0, -2.0, 3.0, 1.0]), np.outer([1.0, -1], [1.0, -1, 1])])
    assert nng.stats.balance(rank_one) == nng.stats.coherence(rank_one) == 1.0
    hadamard = nng.from_matrices([np.array([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])])
    assert nng.stats.balance(hadamard) == pytest.approx((1 - 1 / 3) / 2)  # orthogonal rows: U = 0, N = 4
    large = block_graph((300, 200), 0.5, 8)
    assert nng.stats.balance(large) == pytest.approx(0.5, abs=0.005)
    assert np.isnan(nng.stats.balance(nng.from_matrices([np.eye(4)])))
    assert np.isnan(nng.stats.coherence(nng.from_matrices([np.ones((4, 4))])))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_motifs_are_counts_by_signs_of_two_paths_and_of_bi_fans(number):
    G = CASES[number]
    expected = {f"path {a}{b}": 0 for a in "+-" for b in "+-"} | {f"bifan {n}": 0 for n in range(5)}
    for first, second in itertools.product(G.blocks, repeat=2):
        if first.target == second.source:
            for (_, i), w in edges_of(first).items():
                for (j, _), v in edges_of(second).items():
                    if i == j:
                        expected[f"path {'-+'[w > 0]}{'-+'[v > 0]}"] += 1
    for block in G.blocks:
        edges = edges_of(block)
        for a, b in itertools.combinations(range(block.n_source), 2):
            shared = [(edges[a, i], edges[b, i]) for i in range(block.n_target) if (a, i) in edges and (b, i) in edges]
            for one, other in itertools.combinations(shared, 2):
                expected[f"bifan {sum(w < 0 for w in (*one, *other))}"] += 1
    found = nng.stats.motifs(G)
    assert found == expected
    assert list(found) == list(expected)
    n_bifans = sum(found[f"bifan {n}"] for n in range(5))
    if n_bifans:
        balanced = found["bifan 0"] + found["bifan 2"] + found["bifan 4"]
        assert balanced / n_bifans == pytest.approx(nng.stats.balance(G))


# ------------------------------------------------------------------- degrees, strengths


@pytest.mark.parametrize("number", range(len(CASES)))
@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("sign", ["+", "-", None])
def test_degrees_and_strengths_are_those_of_networkx(number, side, sign):
    G = CASES[number]
    graph = nx.DiGraph()
    graph.add_nodes_from((part.name, i) for part in G.parts for i in range(part.size))
    for block in G.blocks:
        for j, i, w in zip(*(a.tolist() for a in block.edges()), strict=True):
            if sign is None or w * {"+": 1, "-": -1}[sign] > 0:
                graph.add_edge((block.source, j), (block.target, i), magnitude=abs(w))
    count = graph.out_degree if side == "source" else graph.in_degree
    degree, strength = (f(G, side=side, sign=sign) for f in (nng.stats.degree, nng.stats.strength))
    ends = {block.source if side == "source" else block.target for block in G.blocks}
    assert list(degree.index) == [(part.name, i) for part in G.parts if part.name in ends for i in range(part.size)]
    assert degree.dtype == np.int64
    assert degree.to_dict() == {node: count[node] for node in degree.index}
    summed = count(weight="magnitude")
    np.testing.assert_allclose(strength, [summed[node] for node in strength.index], rtol=1e-12)
    assert degree.name == f"degree(side={side}{'' if sign is None else f', sign={sign}'})"


def test_alpha_and_density_count_edges():
    G = CASES[3]
    weights = G.weights()
    assert nng.stats.alpha(G) == np.mean(weights > 0)
    assert nng.stats.density(G) == len(weights) / sum(block.n_source * block.n_target for block in G.blocks)
    assert np.isnan(nng.stats.alpha(nng.from_matrices([np.zeros((2, 2))])))


# ------------------------------------------------------------------------- correlations


def correlation(pairs):
    """Pearson over pairs grouped so that each group is centred on its own; 0 without variance, NaN without pairs."""
    if not any(len(group) for group in pairs):
        return np.nan
    x = np.concatenate([np.array(group)[:, 0] - np.mean(group, axis=0)[0] for group in pairs if len(group)] or [[]])
    y = np.concatenate([np.array(group)[:, 1] - np.mean(group, axis=0)[1] for group in pairs if len(group)] or [[]])
    scale = np.sqrt((x @ x) * (y @ y))
    return x @ y / scale if scale > 1e-9 else 0.0


KEYS = {"all": None, "+": "+", "-": "-"}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_degree_correlation_is_that_over_the_list_of_edges(number):
    G = CASES[number]
    found = nng.stats.degree_correlation(G)
    assert list(found) == ["all", "+", "-"]
    for sign, value in found.items():
        groups = []
        for block in G.blocks:
            source, target, weight = (each.tolist() for each in block.edges())  # edges of weight 0 too
            edges = [
                (j, i)
                for j, i, w in zip(source, target, weight, strict=True)
                if sign == "all" or (w > 0 if sign == "+" else w < 0)
            ]
            source, target = (np.bincount([e[k] for e in edges], minlength=50) for k in (0, 1))
            groups.append([(source[j], target[i]) for j, i in edges])
        assert value == pytest.approx(correlation(groups), abs=1e-12, nan_ok=True)


def test_degree_correlation_of_one_block_is_the_assortativity_of_networkx():
    G = block_graph((30, 20), 0.4, 9)
    for key, value in nng.stats.degree_correlation(G).items():
        graph = nx.DiGraph()
        graph.add_edges_from(
            (("s", j), ("t", i))
            for (j, i), w in edges_of(G.block(0)).items()
            if key == "all" or (w > 0) == (key == "+")
        )
        assert value == pytest.approx(nx.degree_pearson_correlation_coefficient(graph, x="out", y="in"), abs=1e-10)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_in_out_correlation_is_that_over_the_nodes_of_inner_parts(number):
    G = CASES[number]
    found = nng.stats.in_out_correlation(G)
    hidden = [block.target for block in G.blocks[:-1]]
    assert list(found) == [*KEYS, *(f"{key}:{part}" for part in hidden for key in KEYS)]
    for key, value in found.items():
        key, _, one = key.partition(":")
        into, out = (nng.stats.degree(G, side=side, sign=KEYS[key]) for side in ("target", "source"))
        inner = [part for part in G.parts if part.name in hidden and one in ("", part.name)]
        groups = [[(into[part.name, i], out[part.name, i]) for i in range(part.size)] for part in inner]
        assert value == pytest.approx(correlation(groups), abs=1e-12, nan_ok=True)


def test_a_side_without_variance_correlates_with_nothing_and_no_edge_is_no_number():
    same_degrees = nng.from_matrices([np.array([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0]])])
    assert nng.stats.degree_correlation(same_degrees) == {"all": 0.0, "+": 0.0, "-": 0.0}
    found = nng.stats.degree_correlation(nng.from_matrices([np.array([[1.0, 0.0], [1.0, 1.0]])]))
    assert found["+"] == pytest.approx(-0.5)
    assert np.isnan(found["-"])


def test_blocks_of_different_sizes_make_no_degree_correlation():
    """Pooled without centring, a large and a small random block would correlate near 1."""
    rng = np.random.default_rng(0)
    G = nng.from_matrices([rng.normal(size=(60, 80)), rng.normal(size=(10, 60))])
    assert all(abs(value) < 0.15 for value in nng.stats.degree_correlation(G).values())


# --------------------------------------------------------------------------------- laws


def other_side(found):
    return {"source": "target", "target": "source"}[found[0]]


@given(st.integers(0, 2**32 - 1))
def test_permuting_the_nodes_of_a_part_or_transposing_changes_no_named_statistic(seed):
    rng = np.random.default_rng(seed)
    W, V = np.where(rng.random((5, 6)) < 0.7, rng.normal(size=(5, 6)), 0), rng.normal(size=(4, 5))
    p, q = rng.permutation(5), rng.permutation(6)
    G = nng.from_matrices([W, V])
    permuted = nng.from_matrices([W[p][:, q], V[:, p]])
    turned = nng.from_matrices([V.T, W.T])
    for name, statistic in nng.stats.NETWORK.items():
        if name == "max_modularity":
            continue  # a search, whose end depends on the order of nodes
        before = statistic(G)
        assert statistic(permuted) == pytest.approx(before, abs=1e-6, nan_ok=True), name
        after = statistic(turned)
        if name in ("fluctuation", "motifs"):  # parts, and the two edges of a path, change places
            before, after = (sorted(value.values()) for value in (before, after))
        elif isinstance(before, dict):
            before = {re.sub("source|target", other_side, key): value for key, value in before.items()}
        assert after == pytest.approx(before, abs=1e-6, nan_ok=True), name


@given(st.integers(0, 2**32 - 1))
def test_flipping_all_signs_at_a_node_changes_neither_balance_nor_coherence(seed):
    rng = np.random.default_rng(seed)
    W, V = rng.normal(size=(5, 6)), rng.normal(size=(4, 5))
    G = nng.from_matrices([W, V])
    flip = rng.choice([-1.0, 1.0], 5)
    H = nng.from_matrices([W * flip[:, None], V * flip])
    assert nng.stats.balance(H) == pytest.approx(nng.stats.balance(G))
    assert nng.stats.coherence(H) == pytest.approx(nng.stats.coherence(G))


def test_motifs_follow_the_links_that_lead_a_node_to_its_copies():
    """Each copy hands on what entered its node; paths of a chain of two blocks are all that there are."""
    rng = np.random.default_rng(0)
    first = nng.from_matrices([rng.normal(size=(3, 4))]).blocks[0].replace(name="a", source="x", target="h")
    second = nng.from_matrices([rng.normal(size=(2, 5))]).blocks[0].replace(name="b", source="k", target="y")
    links = [Link("h", "c", "replica", np.array([0, 0, 2, -1])), Link("c", "k", "replica", np.array([3, 2, 1, 1, 0]))]
    parts = [Part("y", 2), Part("k", 5), Part("c", 4), Part("h", 3), Part("x", 4)]
    G = nng.NeuralGraph([second, first], parts, links=links)
    found = nng.stats.motifs(G)
    assert sum(found[f"path {a}{b}"] for a in "+-" for b in "+-") == nng.stats.pathways(G)["paths"] == 4 * 2 * 4
    came = [None, 2, 0, 0, 0]  # the node of h behind each node of k
    for a, b in itertools.product("+-", repeat=2):
        into, out = nng.stats.degree(G, side="target", sign=a)["h"], nng.stats.degree(G, sign=b)["k"]
        assert found[f"path {a}{b}"] == sum(into[i] * out[k] for k, i in enumerate(came) if i is not None)
    assert nng.stats.motifs(nng.NeuralGraph([second, first], parts))["path ++"] == 0


def test_the_paths_of_a_network_with_entries_of_kernels_are_not_zero():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Conv2d(2, 3, 3))
    found = nng.stats.motifs(nng.from_torch(net, conv="entry"))
    assert sum(found[f"path {a}{b}"] for a in "+-" for b in "+-") == 9 * (2 * 9) * 3  # each of 2 channels has 9 copies


def test_arguments_are_checked():
    G = CASES[0]
    for call, message in (
        (lambda: nng.stats.degree(G, side="left"), "degree: side: got 'left'; expected 'source', 'target' or 'both'"),
        (lambda: nng.stats.strength(G, sign=1), "strength: sign: got 1; expected '+'"),
        (lambda: nng.stats.degree(G, sign=np.array(["+", "-"])), "degree: sign: got array(['+', '-']"),
        (lambda: nng.stats.heterogeneity(G, sign=np.array(["+", "-"])), "heterogeneity: sign: got array(['+', '-']"),
        (lambda: nng.stats.tail_verdict(G, of=np.zeros(2)), "tail_verdict: of: got array"),
        (lambda: nng.stats.balance([1]), "balance: got a list; expected a NeuralGraph"),
        (lambda: nng.stats.degree(None), "degree: got a NoneType; expected a NeuralGraph"),
    ):
        with pytest.raises(ArgumentError, match=re.escape(message)):
            call()


BOUNDED = (
    *("alpha", "balance", "coherence", "degree_correlation", "density", "in_out_correlation"),
    *("max_modularity", "nestedness", "spanning"),
)


@pytest.mark.parametrize("name", sorted(nng.stats.NETWORK))
def test_every_named_statistic_gives_finite_numbers_and_shares_are_in_range(name):
    value = nng.stats.NETWORK[name](CASES[3])
    for number in value.values() if isinstance(value, dict) else [value]:
        assert isinstance(number, float)
        assert np.isfinite(number)
        assert name not in BOUNDED or -1 <= number <= 1
