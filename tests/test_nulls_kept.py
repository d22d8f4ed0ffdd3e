"""What each kind of null model keeps, and the laws of the exact permutations A to F."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.blocks import Block, Origin
from nngraph.errors import ArgumentError, NullModelError, NullModelWarning
from nngraph.graph import NeuralGraph

KINDS = "ABCDEFG"
PROPERTIES = {
    "alpha",
    "density",
    "support",
    "signs",
    "weights",
    *(f"{what}_{side}{sign}" for what in "ks" for side in ("source", "target") for sign in "+-"),
    *(f"k_{side}" for side in ("source", "target")),
}


def integers(shape, density=1.0, seed=0):
    """A graph of one block with distinct integer weights, so that strengths are exact in any order of summation."""
    rng = np.random.default_rng(seed)
    size = shape[0] * shape[1]
    W = rng.permutation(np.arange(1, size + 1)).reshape(shape) * rng.choice([-1.0, 1.0], shape, p=[0.4, 0.6])
    mask = rng.permutation(np.arange(size) < round(density * size)).reshape(shape)
    return nng.from_matrices([W], [mask])


def properties(block):
    """All properties of the paper's Table 1, straight from the dense matrix."""
    W, mask = block.dense(), block.mask
    found = {
        "alpha": np.count_nonzero(block.values > 0) / max(block.n_edges, 1),
        "density": block.n_edges,
        "support": np.ones(W.shape, bool) if mask is None else mask,
        "signs": np.sign(W),
        "weights": np.sort(block.values),
    }
    for axis, side in ((0, "source"), (1, "target")):
        found[f"k_{side}"] = found["support"].sum(axis)
        for sign, one in (("+", W > 0), ("-", W < 0)):
            found[f"k_{side}{sign}"] = one.sum(axis)
            found[f"s_{side}{sign}"] = np.abs(W * one).sum(axis)
    return found


GRAPHS = {
    "complete": integers((12, 20)),
    "pruned": nng.ops.prune(integers((12, 20)), 0.5),
    "sparse": integers((60, 80), 0.04),
    "tall": integers((20, 12), 0.9),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("kind", [*KINDS, "signed_configuration", "configuration"])
def test_exactly_the_properties_of_table_1_are_kept(kind, name):
    G = GRAPHS[name]
    kept = nng.nulls.kept(kind) | ({"support"} if G.block(0).mask is None and not G.block(0).is_sparse else set())
    before = properties(G.block(0))
    assert set(before) == PROPERTIES >= kept
    broken = set()
    for R in nng.nulls.ensemble(G, kind, n=20, rng=1):
        after = properties(R.block(0))
        broken |= {key for key in PROPERTIES if not np.array_equal(before[key], after[key])}
    assert broken == PROPERTIES - kept


def test_the_graphs_of_the_table_are_held_in_all_three_ways():
    held = {(block.is_sparse, block.mask is None) for G in GRAPHS.values() for block in G.blocks}
    assert held == {(False, True), (False, False), (True, False)}


@pytest.mark.filterwarnings("ignore::nngraph.errors.NullModelWarning")
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.sampled_from([np.float16, np.float32, np.float64]))
def test_any_block_keeps_what_it_should_with_zeros_present_and_any_shape(seed, kind, dtype):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(0, 9, 2))
    W = rng.integers(-4, 5, shape).astype(dtype)
    G = nng.from_matrices([W], [rng.random(shape) < rng.choice([0.04, 0.5, 1.0])])
    try:
        R = nng.nulls.randomize(G, kind, rng=seed)
    except NullModelError:  # nothing can move, tested below
        assume(False)
    old, new = G.block(0), R.block(0)
    assert new.values.dtype == dtype
    assert new.same_support(old)
    before, after = properties(old), properties(new)
    for key in nng.nulls.kept(kind):
        np.testing.assert_array_equal(before[key], after[key], err_msg=key)
    if kind in "BEFG":
        np.testing.assert_array_equal(old.values == 0, new.values == 0)


# ---------------------------------------------------------------- special cases


@pytest.mark.parametrize("kind", "BEF")
def test_b_e_and_f_leave_the_binarized_graph_untouched(kind):
    for G in GRAPHS.values():
        assert nng.ops.binarize(nng.nulls.randomize(G, kind, rng=2)) == nng.ops.binarize(G)


def test_a_with_one_sign_only_equals_b():
    G = GRAPHS["pruned"]
    for sign in (1, -1):
        H = G.with_weights(sign * np.abs(G.weights()))
        for seed in range(5):
            assert nng.nulls.randomize(H, "A", rng=seed) == nng.nulls.randomize(H, "B", rng=seed) != H


def test_c_on_a_single_source_and_d_on_a_single_target_equal_a():
    W = np.arange(1.0, 31.0)
    for kind, matrix in (("C", W[:, None]), ("D", W[None, :])):
        G = nng.from_matrices([matrix])
        assert nng.nulls.randomize(G, kind, rng=3) == nng.nulls.randomize(G, "A", rng=3) != G


def test_e_has_nothing_to_move_where_every_source_has_one_edge_of_each_sign_and_says_so():
    W = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
    for kind, matrix in (("E", W), ("F", W.T.copy())):
        for seed in range(10):
            with pytest.raises(NullModelError, match=f"kind '{kind}' changes nothing in block '0': no two different"):
                nng.nulls.randomize(nng.from_matrices([matrix]), kind, rng=seed)


def test_c_and_d_e_and_f_are_mirror_images():
    rng = np.random.default_rng(0)
    W = np.where(rng.random((6, 9)) < 0.6, rng.normal(size=(6, 9)), 0)
    for left, right in (("C", "D"), ("E", "F")):
        one = nng.nulls.randomize(nng.from_matrices([W]), left, rng=4).block(0).dense()
        two = nng.nulls.randomize(nng.from_matrices([W.T.copy()]), right, rng=4).block(0).dense()
        np.testing.assert_array_equal(one, two.T)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((0, 4)),
        np.zeros((4, 0)),
        np.zeros((0, 0)),
        np.zeros((3, 4)),
        np.eye(1, 6),
        np.full((1, 1), -2.0),
        np.arange(1.0, 13.0).reshape(3, 4),
        -np.arange(1.0, 13.0).reshape(3, 4),
        np.diag(np.arange(1.0, 41.0)),
    ],
    ids=["no rows", "no columns", "no cells", "no edge", "one edge", "one cell", "all +", "all -", "matching"],
)
def test_blocks_without_anything_to_permute_work(kind, matrix):
    G = nng.from_matrices([matrix])
    matching = G.n_edges == 40 and kind in "CDEF"  # each weight alone at its node
    if G.n_edges == 1 or matching:
        with pytest.raises(NullModelError, match=r"(no legal move|changes nothing) in block '0'.*nothing to compare"):
            nng.nulls.randomize(G, kind, rng=0)
        return
    one_sign = len(np.unique(np.sign(matrix[matrix != 0]))) == 1
    told = (
        pytest.warns(NullModelWarning, match="changes only the weights") if kind == "G" and one_sign else nullcontext()
    )
    with told:
        R = nng.nulls.randomize(G, kind, rng=0)
    np.testing.assert_array_equal(np.sort(R.weights()), np.sort(G.weights()))
    assert R.block(0).same_support(G.block(0))
    if G.n_edges < 2:
        assert R.block(0) is G.block(0)


# -------------------------------------------------------------------- uniformity


def arrangements(kind, W):
    """All matrices that a permutation kind can return, by brute force over permutations within groups."""
    groups = {}
    for row, column in itertools.product(*map(range, W.shape)):
        side = {"A": 0, "B": 0, "C": column, "D": row, "E": column, "F": row}[kind]
        key = (side, W[row, column] > 0 if kind in "BEF" else None)
        groups.setdefault(key, []).append((row, column))
    result = set()
    for dealt in itertools.product(*(itertools.permutations(cells) for cells in groups.values())):
        out = W.copy()
        for cells, places in zip(groups.values(), dealt, strict=True):
            for cell, place in zip(cells, places, strict=True):
                out[place] = W[cell]
        result.add(tuple(out.ravel()))
    return result


@pytest.mark.parametrize(
    ("kind", "matrix"),
    [
        ("A", [[1, -2], [3, -4]]),
        ("B", [[1, -2, 3], [-4, 5, -6]]),
        ("C", [[1, -2], [3, 4], [-5, 6]]),
        ("D", [[1, -2, 3], [4, -5, 6]]),
        ("E", [[1, -2], [3, -4], [5, 6]]),
        ("F", [[1, 2, 3], [-4, 5, -6]]),
    ],
)
def test_permutations_are_uniform_over_all_arrangements(kind, matrix):
    from scipy import stats

    W = np.array(matrix, dtype=np.float64)
    states = arrangements(kind, W)
    draws = nng.nulls.ensemble(nng.from_matrices([W]), kind, n=150 * len(states), rng=11)
    counts = Counter(tuple(R.block(0).dense().ravel()) for R in draws)
    assert set(counts) == states
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_a_long_permutation_moves_every_value_as_far_as_chance_says():
    G = nng.from_matrices([np.arange(1.0, 200_001.0).reshape(200, 1000)])
    for kind, groups in (("A", 1), ("D", 200)):
        moved = nng.nulls.randomize(G, kind, rng=5).weights()
        size = len(moved) // groups
        ranks = moved.reshape(groups, size) - np.arange(groups)[:, None] * size - 1
        distance = np.abs(ranks - np.arange(size)).mean()
        assert distance == pytest.approx(size / 3, rel=0.01)  # the mean distance of two uniform places
        assert abs(np.count_nonzero(ranks == np.arange(size)) - groups) < 5 * np.sqrt(groups)


# ------------------------------------------------------ seeds, blocks, arguments


def two_blocks():
    rng = np.random.default_rng(3)
    W, V = rng.normal(size=(8, 6)), rng.normal(size=(7, 8))
    return nng.from_matrices([W, V], [None, rng.random((7, 8)) < 0.6], biases=[rng.normal(size=8), rng.normal(size=7)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_draw_and_another_seed_another(kind):
    G = two_blocks()
    first, again, other = (nng.nulls.randomize(G, kind, rng=seed) for seed in (5, 5, 6))
    assert first == again != other
    assert first.history[-1].seed == "5"
    assert first.history[-1].parameters["kind"] == kind
    generator = np.random.default_rng(5)
    assert nng.nulls.randomize(G, kind, rng=generator) != nng.nulls.randomize(G, kind, rng=generator)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_draws_the_same_whether_or_not_others_are_chosen(kind):
    G = two_blocks()
    everything, one = nng.nulls.randomize(G, kind, rng=5), nng.nulls.randomize(G, kind, rng=5, blocks="1")
    assert one.block("0") is G.block("0")
    assert one.block("1") == everything.block("1")


def test_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for kind in KINDS:
        nng.nulls.randomize(two_blocks(), kind)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_biases_are_kept_permuted_or_zeroed():
    G = two_blocks()
    kept, probed, zeroed = (nng.nulls.randomize(G, "A", rng=1, bias=policy) for policy in ("keep", "probe", "zero"))
    for old, a, b, c in zip(G.blocks, kept.blocks, probed.blocks, zeroed.blocks, strict=True):
        assert a.bias is old.bias
        assert not c.bias.any()
        np.testing.assert_array_equal(np.sort(b.bias), np.sort(old.bias))
        assert not np.array_equal(b.bias, old.bias)
        np.testing.assert_array_equal(a.values, b.values)


@pytest.mark.parametrize("kind", KINDS)
def test_tied_blocks_are_one_matrix(kind):
    W = np.random.default_rng(0).normal(size=(5, 4))
    blocks = [
        Block.from_dense("emb", "v", "h", W.T.copy(), origin=Origin("embedding.weight", (5, 4), "transposed")),
        Block.from_dense("head", "h", "v", W.copy(), origin=Origin("embedding.weight", (5, 4))),
    ]
    R = nng.nulls.randomize(NeuralGraph(blocks), kind, rng=1, blocks="head")
    np.testing.assert_array_equal(R.block("head").dense(), R.block("emb").dense().T)
    assert not np.array_equal(R.block("head").dense(), W)


@pytest.mark.parametrize("kind", "AEG")
def test_an_ensemble_is_the_same_for_any_number_of_workers_and_any_length(kind):
    G = two_blocks()
    alone = list(nng.nulls.ensemble(G, kind, n=6, rng=3))
    assert alone == list(nng.nulls.ensemble(G, kind, n=6, rng=3, n_jobs=2))
    assert alone[:4] == list(nng.nulls.ensemble(G, kind, n=4, rng=3))
    assert len({R.weights().tobytes() for R in alone}) == 6
    assert len({R.history[-1].seed for R in alone}) == 6


def test_operations_and_nulls_import_nothing_heavy_before_they_are_used():
    heavy = {"torch", "numba", "joblib", "scipy", "igraph", "pandas"}
    code = f"import sys, nngraph.ops, nngraph.nulls; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_bad_arguments_are_refused_at_once():
    G = two_blocks()
    for call, message in (
        (lambda: nng.nulls.randomize(G, "H"), "kind: got 'H'; expected one of 'A', 'B'"),
        (lambda: nng.nulls.randomize(G, "a"), "kind: got 'a'"),
        (lambda: nng.nulls.randomize(G, None), "kind: got None"),
        (lambda: nng.nulls.kept("X"), "kind: got 'X'"),
        (
            lambda: nng.nulls.randomize(G, "G", weights="rank"),
            "weights: got 'rank'; kind 'G' takes 'sign', 'sign_source'",
        ),
        (lambda: nng.nulls.randomize(G, "A", sweeps=5), "sweeps: got 5; kind 'A' is no chain"),
        (lambda: nng.nulls.randomize(G, "G", sweeps=0), "sweeps: got 0; expected an integer of at least 1"),
        (lambda: nng.nulls.randomize(G, "G", sweeps=2.0), "sweeps: got 2.0"),
        (lambda: nng.nulls.randomize(G, "A", rng=0.5), "rng: got 0.5"),
        (lambda: nng.nulls.randomize(G, "A", bias="drop"), "bias: got 'drop'"),
        (lambda: nng.nulls.ensemble(G, "Q", n=3), "kind: got 'Q'"),
        (lambda: nng.nulls.ensemble(G, "A", n=-1), "n=-1"),
        (lambda: nng.nulls.ensemble(G, "A", n=2.5), "n: got 2.5"),
        (lambda: nng.nulls.ensemble(G, "A", n=3, n_jobs=0), "n_jobs=0"),
        (lambda: nng.nulls.ensemble(G, "A", n=3, blocks="fc9"), "'fc9'"),
        (lambda: nng.nulls.ensemble(G, "A", n=3, sweeps=4), "sweeps: got 4"),
        (lambda: nng.nulls.ensemble(G, "A", n=3, bias="drop"), "bias: got 'drop'"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda G: nng.ops.prune(G, 0.5),
        lambda G: nng.ops.prune(G, 0.5, scope="global"),
        lambda G: nng.ops.binarize(G),
        lambda G: nng.ops.add_noise(G, 0.1),
        lambda G: nng.ops.flip_signs(G, 0.5),
        lambda G: nng.nulls.randomize(G, "A"),
        lambda G: nng.nulls.ensemble(G, "A", n=2),
    ],
)
def test_what_is_no_graph_is_refused_by_name(call):
    for thing in (np.eye(2), None):
        with pytest.raises(ArgumentError, match=f"got a {type(thing).__name__}; expected a NeuralGraph"):
            call(thing)


def test_blocks_that_are_neither_names_nor_positions_are_refused():
    with pytest.raises(ArgumentError, match=r"blocks: got 1\.5; expected None, a name, a position"):
        nng.nulls.randomize(two_blocks(), "A", blocks=1.5)
    with pytest.raises(ArgumentError, match="blocks: got <list_iterator"):  # the second draw would find it empty
        nng.nulls.ensemble(two_blocks(), "A", n=2, blocks=iter(["0"]))
