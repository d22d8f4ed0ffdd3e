"""Paths from input to output parts, against an enumeration of every path of small graphs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import graphs

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.graph import Link, NeuralGraph, Part
from nngraph.stats import _routes

KEYS = ["paths", "mass", "signed", "mean", "dominant", "top", "log10_paths", "log10_mass"]


def block(name, source, target, shape, density, rng, dtype=np.float64):
    weights = rng.normal(size=shape).astype(dtype)
    mask = rng.random(shape) < density
    if mask.any():
        weights[tuple(np.argwhere(mask)[0])] = 0  # an edge of weight 0 is an edge
    return Block.from_dense(name, source, target, weights, None if density == 1 else mask)


def chain(sizes, density, seed, **options):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return NeuralGraph(
        [block(str(i), f"p{i}", f"p{i + 1}", shape, density, rng, **options) for i, shape in enumerate(shapes)]
    )


def residual(seed):
    """Two skips, one over two blocks, a branch from an input of its own, two outputs, and a concatenation."""
    rng = np.random.default_rng(seed)
    blocks = [
        block("a", "in", "h", (4, 3), 1, rng),
        block("b", "h", "k", (4, 4), 0.7, rng),
        block("c", "side", "k", (4, 2), 0.6, rng),
        block("d", "k", "sum", (4, 4), 0.5, rng),
        block("e", "joined", "out", (2, 6), 0.8, rng),
        block("f", "k", "head", (3, 4), 0.5, rng),
    ]
    links = [
        Link("h", "k"),
        Link("h", "sum"),
        Link("sum", "joined", "replica", np.array([0, 1, 2, 3, -1, -1])),
        Link("in", "joined", "replica", np.array([-1, -1, -1, -1, 2, 2])),
        Link("out", "in", "recurrent", np.array([0, 1, -1])),
    ]
    return NeuralGraph(blocks, links=links)


def unreached(seed):
    """A part whose first nodes nothing enters and whose last nothing leaves."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(5, 4)), rng.normal(size=(3, 5))
    first[:2], second[:, 3:] = 0, 0
    return nng.from_matrices([first, second])


CASES = {
    "dense": chain([4, 3, 5, 2], 1, 0),
    "dense, float16": chain([3, 4, 2], 1, 1, dtype=np.float16),
    "masked": chain([5, 4, 4, 3], 0.5, 2),
    "sparse rows": chain([30, 40, 35, 20], 0.04, 3),
    "an empty block": chain([3, 4, 2], 0.0, 4),
    "one block": chain([6, 5], 0.5, 5),
    "unreached nodes": unreached(6),
    "residual": residual(7),
    "two blocks between two parts": NeuralGraph(
        [block(name, "x", "y", (3, 4), 0.6, np.random.default_rng(8 + i)) for i, name in enumerate("ab")]
    ),
    "a part without nodes": chain([3, 0, 2], 1, 9),
    "a lonely part": NeuralGraph(
        [Block.from_dense("b", "x", "y", np.ones((2, 2)))], [Part("x", 2), Part("y", 2), Part("z", 3)]
    ),
}


def steps_from(G):
    """(part, index) -> list of (name of the block or None, next node, weight)."""
    steps = {}
    for one in G.blocks:
        for j, i, w in zip(*(array.tolist() for array in one.edges()), strict=True):
            steps.setdefault((one.source, j), []).append((one.name, (one.target, i), w))
    for link in G.links:
        if link.kind == "recurrent":
            continue
        index = range(G.part(link.target).size) if link.index is None else link.index.tolist()
        for i, j in enumerate(index):
            if j >= 0:
                steps.setdefault((link.source, j), []).append((None, (link.target, i), 1.0))
    return steps


def ends_of(G, inputs=None, outputs=None):
    ways = [*G.blocks, *(link for link in G.links if link.kind != "recurrent")]
    left, entered = {way.source for way in ways}, {way.target for way in ways}
    return inputs or sorted(left - entered), outputs or sorted(entered - left)


def paths_of(G, inputs=None, outputs=None):
    """Every path as (nodes, edges (block, node, node), product)."""
    steps, found = steps_from(G), []
    inputs, outputs = ends_of(G, inputs, outputs)

    def walk(nodes, edges, product):
        if nodes[-1][0] in outputs:
            found.append((tuple(nodes), tuple(edges), product))
        for name, node, w in steps.get(nodes[-1], []):
            walk([*nodes, node], [*edges, (name, nodes[-1], node)], product * w)

    for name in inputs:
        for i in range(G.part(name).size):
            walk([(name, i)], [], 1.0)
    return found


def pathways_by_enumeration(G, **ends):
    products = np.array([product for *_, product in paths_of(G, **ends)])
    mass, n = float(np.abs(products).sum()), len(products)
    by_pair = {}
    for nodes, _, product in paths_of(G, **ends):
        by_pair[nodes[0], nodes[-1]] = by_pair.get((nodes[0], nodes[-1]), 0.0) + abs(product)
    n_pairs = math.prod(sum(G.part(name).size for name in names) for names in ends_of(G, **ends))
    top = sorted(by_pair.values())[-math.ceil(n_pairs / 100) :] if n_pairs else []
    return {
        "paths": n,
        "mass": mass,
        "signed": float(products.sum()),
        "mean": mass / n if n else np.nan,
        "dominant": float(np.abs(products).max()) / mass if mass else np.nan,
        "top": sum(top) / mass if mass else np.nan,
        "log10_paths": math.log10(n) if n else -np.inf,
        "log10_mass": math.log10(mass) if mass else -np.inf,
    }


def share(part, whole):
    return part / whole if whole else np.nan


def approximately(expected, tolerance=1e-9):
    return pytest.approx(expected, rel=tolerance, abs=1e-12, nan_ok=True)


# ---------------------------------------------------------------------- by enumeration


@pytest.mark.parametrize("name", CASES)
def test_pathways_are_those_of_every_path_one_by_one(name):
    found = nng.stats.pathways(CASES[name])
    assert list(found) == KEYS
    assert found == approximately(pathways_by_enumeration(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_spanning_is_the_share_of_nodes_edges_and_pairs_on_a_path(name):
    G = CASES[name]
    paths = paths_of(G)
    on_nodes = {node for nodes, *_ in paths for node in nodes}
    on_edges = {edge for _, edges, _ in paths for edge in edges if edge[0] is not None}
    joined = {(nodes[0], nodes[-1]) for nodes, *_ in paths}
    n_pairs = math.prod(sum(G.part(name).size for name in names) for names in ends_of(G))
    expected = {
        "nodes": share(len(on_nodes), G.n_nodes),
        "edges": share(len(on_edges), G.n_edges),
        "pairs": share(len(joined), n_pairs),
    }
    assert nng.stats.spanning(G) == approximately(expected)
    found = nng.stats.spanning_nodes(G)
    assert list(found.index) == [(part.name, i) for part in G.parts for i in range(part.size)]
    assert {node for node, on in found.items() if on} == on_nodes


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weighting", ["magnitude", "count", "signed"])
def test_path_load_is_the_share_of_what_paths_carry_through_a_node(name, weighting):
    G = CASES[name]
    carried = {"magnitude": abs, "count": lambda product: 1, "signed": lambda product: product}[weighting]
    load, total = {}, 0.0
    for nodes, _, product in paths_of(G):
        total += carried(product)
        for node in nodes:
            load[node] = load.get(node, 0.0) + carried(product)
    found = nng.stats.path_load(G, weighting=weighting)
    assert found.name == f"path_load(weighting={weighting})"
    expected = [load.get(node, 0.0) / total if total else np.nan for node in found.index]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_the_dominant_path_is_a_path_of_largest_product(name):
    G = CASES[name]
    found, paths = nng.stats.dominant_path(G), paths_of(G)
    largest = max((abs(product) for *_, product in paths), default=0.0)
    if not largest:
        assert (found.nodes, found.steps, found.weight, found.log10_magnitude) == ((), (), 0.0, -np.inf)
        assert np.isnan(found.share)
        return
    ((edges, product),) = [
        (edges, product)
        for nodes, edges, product in paths
        if nodes == found.nodes
        and [edge[0] for edge in edges] == [None if "->" in step else step for step in found.steps]
    ]
    assert len(edges) == len(found.steps)
    assert found.weight == approximately(product)
    assert abs(product) == approximately(largest)
    assert found.log10_magnitude == approximately(math.log10(largest))
    assert found.share == approximately(nng.stats.pathways(G)["dominant"])


def test_a_dominant_path_names_the_skips_it_takes():
    weak = NeuralGraph([Block.from_dense("b", "x", "y", np.full((2, 2), 0.1))], links=[Link("x", "y")])
    assert nng.stats.dominant_path(weak) == nng.stats.DominantPath(
        (("x", 0), ("y", 0)), ("x -> y (identity)",), 1.0, 0.0, approximately(1 / 2.4)
    )


def test_of_equal_paths_the_dominant_one_is_first_by_blocks_and_nodes():
    both = [Block.from_dense(name, "x", "y", -np.ones((2, 3))) for name in "ab"]
    found = nng.stats.dominant_path(
        NeuralGraph(both, links=[Link("y", "z")], parts=[Part("x", 3), Part("y", 2), Part("z", 2)])
    )
    assert (found.nodes, found.steps) == ((("x", 0), ("y", 0), ("z", 0)), ("a", "y -> z (identity)"))
    assert found.weight == -1.0


def test_the_cases_hold_what_they_are_for():
    held = {(b.is_sparse, b.mask is None) for G in CASES.values() for b in G.blocks}
    assert held == {(False, True), (False, False), (True, False)}
    shares = {name: nng.stats.spanning(G) for name, G in CASES.items()}
    assert 0 < shares["sparse rows"]["pairs"] < shares["sparse rows"]["nodes"] < 1
    assert shares["an empty block"] == approximately({"nodes": 0.0, "edges": np.nan, "pairs": 0.0})
    assert shares["unreached nodes"]["edges"] < 1
    through_links = [nodes for nodes, edges, _ in paths_of(CASES["residual"]) if None in [edge[0] for edge in edges]]
    assert {nodes[-1][0] for nodes in through_links} == {"out", "head"}


# ---------------------------------------------------------------------- ends, sizes, slabs


def test_paths_may_start_and_end_at_parts_of_ones_own_choice():
    G = CASES["residual"]
    for ends in ({"inputs": ["h", "side"]}, {"outputs": ["k"]}, {"inputs": ["in"], "outputs": ["out", "k"]}):
        expected = pathways_by_enumeration(G, **ends)
        assert expected["paths"] > 0
        assert nng.stats.pathways(G, **ends) == approximately(expected)
    by_name, in_a_list = (nng.stats.spanning(G, outputs=outputs) for outputs in ("head", ["head"]))
    assert by_name == in_a_list != nng.stats.spanning(G)


@pytest.mark.parametrize("name", ["dense", "sparse rows", "residual"])
def test_slabs_of_one_end_node_at_a_time_give_the_same_numbers(name, monkeypatch):
    G = CASES[name]
    before = nng.stats.pathways(G), nng.stats.spanning(G)
    monkeypatch.setattr(_routes, "SLAB", 1)
    after = nng.stats.pathways(G), nng.stats.spanning(G)
    assert after[0] == approximately(before[0], 1e-12)
    assert after[1] == before[1]


def test_complete_blocks_have_the_product_of_their_sizes_as_paths():
    sizes = (784, 300, 100, 10)
    G = nng.from_matrices([np.ones((b, a), np.float32) for a, b in itertools.pairwise(sizes)])
    found = nng.stats.pathways(G)
    assert found["paths"] == found["mass"] == found["signed"] == math.prod(sizes)
    assert found["top"] == approximately(79 / 7840)
    assert found["dominant"] == approximately(1 / math.prod(sizes))
    assert nng.stats.spanning(G) == {"nodes": 1.0, "edges": 1.0, "pairs": 1.0}


def test_sums_beyond_the_range_of_a_float_keep_their_shares_and_logarithms():
    n, layers = 4, 600
    for weight in (3.0, 1e-3):
        G = nng.from_matrices([np.full((n, n), -weight)] * layers)
        found = nng.stats.pathways(G)
        assert found["log10_paths"] == approximately((layers + 1) * math.log10(n))
        assert found["log10_mass"] == approximately((layers + 1) * math.log10(n) + layers * math.log10(weight))
        assert found["paths"] == np.inf
        assert found["mass"] == found["signed"] == (np.inf if weight > 1 else 0.0)
        assert found["top"] == approximately(1 / n**2)
        np.testing.assert_allclose(nng.stats.path_load(G), 1 / n, rtol=1e-9)
        path = nng.stats.dominant_path(G)
        assert len(path.nodes) == layers + 1
        assert path.log10_magnitude == approximately(layers * math.log10(weight))


def test_a_pair_that_one_path_joins_counts_beside_pairs_of_more_paths_than_a_float_can_tell():
    wide = np.ones((9, 9))
    wide[0], wide[:, 0] = 0, 0
    wide[0, 0] = 1
    found = nng.stats.spanning(nng.from_matrices([wide] * 400))
    assert found == approximately({"nodes": 1.0, "edges": 1.0, "pairs": 65 / 81})


# --------------------------------------------------------------------------- laws, errors


@given(st.integers(0, 2**32 - 1))
def test_permuting_the_nodes_of_parts_changes_no_path_statistic(seed):
    rng = np.random.default_rng(seed)
    W, V = (np.where(rng.random(shape) < 0.4, rng.normal(size=shape), 0) for shape in ((6, 5), (4, 6)))
    p, q, r = (rng.permutation(n) for n in (5, 6, 4))
    G, H = nng.from_matrices([W, V]), nng.from_matrices([W[q][:, p], V[r][:, q]])
    assert nng.stats.spanning(H) == nng.stats.spanning(G)
    assert nng.stats.pathways(H) == approximately(nng.stats.pathways(G))
    before, after = nng.stats.path_load(G), nng.stats.path_load(H)
    moved = np.concatenate([before[name].to_numpy()[order] for name, order in (("0", p), ("1", q), ("2", r))])
    np.testing.assert_allclose(after, moved, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_scaling_a_node_down_on_its_way_in_and_up_on_its_way_out_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    W, V = rng.normal(size=(6, 5)), rng.normal(size=(4, 6))
    scale = np.exp(rng.normal(size=6))
    G, H = nng.from_matrices([W, V]), nng.from_matrices([W * scale[:, None], V / scale])
    assert nng.stats.pathways(H) == approximately(nng.stats.pathways(G))


@given(graphs())
def test_every_graph_gives_numbers_or_says_that_its_parts_form_a_cycle(G):
    arrows = {(way.source, way.target) for way in (*G.blocks, *(link for link in G.links if link.kind != "recurrent"))}
    if has_cycle(arrows):
        with pytest.raises(ArgumentError, match="closes a cycle of parts"):
            nng.stats.pathways(G)
        return
    found = nng.stats.pathways(G) | nng.stats.spanning(G)
    expected = pathways_by_enumeration(G)
    assert {key: found[key] for key in ("paths", "mass", "signed")} == approximately(
        {key: expected[key] for key in ("paths", "mass", "signed")}, 1e-6
    )
    assert all(0 <= found[key] <= 1 for key in ("nodes", "edges", "pairs") if not np.isnan(found[key]))


def has_cycle(arrows):
    waiting = {name for arrow in arrows for name in arrow}
    while waiting:
        free = {name for name in waiting if not any(b == name and a in waiting for a, b in arrows)}
        if not free:
            return True
        waiting -= free
    return False


def test_arguments_are_checked():
    G = CASES["dense"]
    around = NeuralGraph([Block.from_dense(n, s, t, np.ones((2, 2))) for n, s, t in (("a", "x", "y"), ("b", "y", "x"))])
    for call, message in (
        (lambda: nng.stats.pathways([1]), "pathways: got a list; expected a NeuralGraph"),
        (lambda: nng.stats.spanning(G, inputs="p9"), "spanning: inputs: got the part 'p9'; this graph has 'p0'"),
        (lambda: nng.stats.pathways(G, inputs=0), "pathways: inputs: got 0; expected the name of a part as a text"),
        (lambda: nng.stats.spanning(G, outputs=[["p3"]]), r"spanning: outputs: got \[\['p3'\]\]; expected the name"),
        (lambda: nng.stats.path_load(G, weighting=np.ones(2)), "path_load: weighting: got array"),
        (lambda: nng.stats.dominant_path(G, inputs="p3"), "dominant_path: got the part 'p3' as input and as output"),
        (lambda: nng.stats.path_load(G, weighting="w"), "path_load: weighting: got 'w'; expected 'magnitude'"),
        (lambda: nng.stats.spanning_nodes(around), "spanning_nodes: the step 'y' -> 'x' closes a cycle of parts"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_null_models_are_compared_by_the_names_of_path_statistics():
    G = chain([8, 7, 6, 5], 0.5, 11)
    table = nng.nulls.significance(G, ["pathways", "spanning"], "A", n=9, rng=7)
    assert set(table["key"]) == {*KEYS, "nodes", "edges", "pairs"}
    assert set(table.loc[table["key"].isin(["paths", "pairs"]), "status"]) == {"invariant: nothing was tested"}
    assert table.loc[(table["key"] == "signed") & (table["block"] == "network"), "status"].item() == "ok"
