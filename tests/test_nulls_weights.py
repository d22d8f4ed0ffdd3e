"""Policies of magnitudes: what each keeps, and that the exact ones are uniform over small enumerated spaces."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import nngraph as nng
from nngraph.errors import ArgumentError, NullModelError
from nngraph.nulls import _kernels
from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls.magnitudes import POLICIES, SIGNED_POLICIES
from nngraph.nulls.trades import sign_chain

PERMUTATIONS = ("sign", "sign_source", "sign_target", "strength")
"""The policies that keep the multiset of weights."""


def seeded(*key):
    return np.random.SeedSequence(key)


def layer(shape, density=1.0, *, dtype=np.float32, seed=0):
    """A block with uneven signed degrees and strengths, as a trained layer has them."""
    rng = np.random.default_rng(seed)
    up = rng.normal(scale=0.3, size=(shape[0], 1)) + rng.normal(scale=0.3, size=shape[1])
    scale = np.exp(0.15 * rng.normal(size=(shape[0], 1)) + 0.15 * rng.normal(size=shape[1]))
    W = scale * np.abs(rng.normal(size=shape)) * np.where(rng.random(shape) < 1 / (1 + np.exp(-up)), 1, -1)
    return nng.from_matrices([W.astype(dtype)], [rng.random(shape) < density])


def integers(shape, density=1.0, *, seed=0):
    """A block of distinct integer weights: strengths are exact in any order, and on the grid as they are."""
    rng = np.random.default_rng(seed)
    size = shape[0] * shape[1]
    W = rng.permutation(np.arange(1, size + 1)).reshape(shape) * rng.choice([-1.0, 1.0], shape, p=[0.4, 0.6])
    return nng.from_matrices([W], [rng.permutation(np.arange(size) < round(density * size)).reshape(shape)])


def properties(W, mask):
    """All that a null model may keep, straight from the dense matrix."""
    found = {"alpha": (W > 0).sum(), "support": mask, "signs": np.sign(W), "weights": np.sort(W[mask])}
    found["density"] = mask.sum()
    for axis, side in ((0, "source"), (1, "target")):
        found[f"k_{side}"] = mask.sum(axis)
        for sign, one in (("+", W > 0), ("-", W < 0)):
            found[f"k_{side}{sign}"] = one.sum(axis)
            found[f"s_{side}{sign}"] = np.abs(W * one, dtype=np.float64).sum(axis)
    return found


def described(G):
    block = G.block(0)
    return properties(block.dense(), np.ones(block.shape, bool) if block.mask is None else block.mask)


def moved(G, seed=1):
    """A block as the kernels take it, and a random placement of its signs."""
    edges = KernelEdges(G.block(0))
    chain = sign_chain(edges, seeded(seed))
    chain.run(30)
    return edges, chain.placement()


def at_home(G):
    """A block as the kernels take it, and the placement of its edges where they are."""
    edges = KernelEdges(G.block(0))
    return edges, Placement(edges.shape, edges.indptr, edges.indices, read_only(np.sign(edges.values).astype(np.int8)))


def placed(signs):
    """The placement of a signed matrix; 0 is no edge."""
    indptr = np.concatenate([[0], np.cumsum((signs != 0).sum(axis=1))])
    flat = np.flatnonzero(signs)
    indices = (flat % signs.shape[1]).astype(np.int32)
    return Placement(signs.shape, *map(read_only, (indptr, indices, signs.ravel()[flat].astype(np.int8))))


def dense(edges, placement, values):
    return edges.placed(placement, values).dense()


# ---------------------------------------------------------------- what is kept


KEPT = {"complete": integers((12, 20)), "half": integers((30, 40), 0.5), "tall": integers((20, 12), 0.9)}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("policy", SIGNED_POLICIES)
def test_exactly_what_the_table_says_is_kept(policy, name):
    G = KEPT[name]
    before = described(G)
    broken = set()
    for R in nng.nulls.ensemble(G, "G", n=20, rng=1, weights=policy):
        after = described(R)
        broken |= {key for key in before if not np.array_equal(before[key], after[key])}
    assert broken == set(before) - nng.nulls.kept("G", weights=policy)


def test_a_policy_that_a_kind_does_not_know_has_no_table():
    assert nng.nulls.kept("G") == nng.nulls.kept("G", weights="sign")
    with pytest.raises(ArgumentError, match="kind 'B' takes no policy"):
        nng.nulls.kept("B", weights="strength")
    with pytest.raises(ArgumentError, match="got 'rank'; kind 'G' takes 'sign', 'sign_source'"):
        nng.nulls.kept("G", weights="rank")


@given(st.integers(0, 2**32 - 1), st.sampled_from(PERMUTATIONS), st.sampled_from([np.float16, np.float32, np.float64]))
def test_any_block_keeps_its_multiset_and_its_zeros(seed, policy, dtype):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 2))
    W = rng.integers(-4, 5, shape).astype(dtype)
    if rng.random() < 0.2:
        W = np.abs(W)  # one sign only
    G = nng.from_matrices([W], [rng.random(shape) < rng.choice([0.04, 0.5, 1.0])], zeros="keep")
    edges, placement = moved(G, seed)
    values = POLICIES[policy](edges, placement, seeded(seed))
    np.testing.assert_array_equal(np.sign(values), placement.signs)
    np.testing.assert_array_equal(np.sort(values), np.sort(edges.values))
    before, after = described(G), properties(dense(edges, placement, values), described(G)["support"])
    for key in nng.nulls.kept("G", weights=policy):
        np.testing.assert_array_equal(before[key], after[key], err_msg=key)


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_exact_strengths_are_kept_bit_for_bit_or_refused(seed, dtype):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 2))
    W = (rng.normal(size=shape) * (rng.random(shape) < 0.9)).astype(dtype)
    G = nng.from_matrices([W], [rng.random(shape) < rng.choice([0.5, 1.0])], zeros="keep")
    for edges, placement in (moved(G, seed), at_home(G)):
        try:
            values = POLICIES["exact_strength"](edges, placement, seeded(seed))
        except NullModelError:
            assert not np.array_equal(placement.signs, np.sign(edges.values))  # at home there is always a start
            continue
        np.testing.assert_array_equal(np.sign(values), placement.signs)
        assert values.dtype == dtype
        before = described(nng.nulls.on_grid(G) if G.n_edges > 1 else G)
        after = properties(dense(edges, placement, values), before["support"])
        for key in (key for key in before if key.startswith(("s_", "k_"))):
            if G.n_edges > 1:
                np.testing.assert_array_equal(before[key], after[key], err_msg=key)


def swapped(signs, n, seed=0):
    """Move edges by checkerboard swaps of +, absent and -, which keep all signed degrees."""
    rng, signs = np.random.default_rng(seed), signs.copy()
    for _ in range(n):
        (i, j), (k, m) = rng.choice(signs.shape[0], 2, replace=False), rng.choice(signs.shape[1], 2, replace=False)
        if signs[i, k] == signs[j, m] and signs[i, m] == signs[j, k]:
            signs[[i, i, j, j], [k, m, k, m]] = signs[[i, i, j, j], [m, k, m, k]]
    return signs


@pytest.mark.parametrize("policy", SIGNED_POLICIES)
def test_every_policy_keeps_its_own_where_the_support_has_moved(policy):
    G = integers((20, 60), 0.5)
    edges, before = KernelEdges(G.block(0)), described(G)
    signs = swapped(before["signs"], 8000)
    assert 0.3 < ((signs != 0) != before["support"]).mean() < 0.6
    W = dense(edges, placed(signs), POLICIES[policy](edges, placed(signs), seeded(1)))
    np.testing.assert_array_equal(np.sign(W), signs)
    after = properties(W, signs != 0)
    kept = nng.nulls.kept("G", weights=policy) - {"support"}
    assert {key for key in before if np.array_equal(before[key], after[key])} == kept


# ------------------------------------------------- within nodes: uniform by enumeration


def all_permutations(W, kept):
    """Every arrangement of the weights of a complete matrix that has the kept properties, by brute force."""
    mask = np.ones(W.shape, bool)
    wanted = properties(W, mask)
    result = set()
    for dealt in itertools.permutations(W.ravel()):
        found = properties(np.reshape(dealt, W.shape), mask)
        if all(np.array_equal(found[key], wanted[key]) for key in kept):
            result.add(dealt)
    return result


POWERS = np.array([[1.0, -2.0, 4.0], [-8.0, 16.0, 32.0]])
"""Powers of two: a strength tells which weights make it up."""


@pytest.mark.parametrize("policy", ["sign_source", "sign_target"])
@pytest.mark.parametrize("turned", [False, True])
def test_signs_and_magnitudes_are_uniform_over_all_that_keep_what_is_kept(policy, turned):
    W = POWERS.T.copy() if turned else POWERS
    space = all_permutations(W, nng.nulls.kept("G", weights=policy))
    assert len(space) > 1
    draws = nng.nulls.ensemble(nng.from_matrices([W]), "G", n=150 * len(space), rng=5, weights=policy)
    counts = Counter(tuple(R.weights().tolist()) for R in draws)
    assert set(counts) == space
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def arrangements(W, signs, within):
    """All ways to deal the magnitudes of each node and sign onto its edges in their new places."""
    pools = {}
    for i, j in np.argwhere(W):
        pools.setdefault(((i, j)[within], W[i, j] > 0), []).append(W[i, j])
    cells = {}
    for i, j in np.argwhere(signs):
        cells.setdefault(((i, j)[within], signs[i, j] > 0), []).append((i, j))
    result = set()
    for dealt in itertools.product(*(itertools.permutations(pools[key]) for key in cells)):
        out = np.zeros(W.shape)
        for key, values in zip(cells, dealt, strict=True):
            for cell, value in zip(cells[key], values, strict=True):
                out[cell] = value
        result.add(tuple(out.ravel()))
    return result


@pytest.mark.parametrize(("policy", "within"), [("sign_target", 0), ("sign_source", 1)])
def test_magnitudes_follow_their_node_where_the_support_has_moved(policy, within):
    W = np.array([[1.0, 2, -3, 0], [0, 4, -5, 6], [-7, 8, 0, 9]])
    signs = np.array([[1, 1, 0, -1], [-1, 1, 0, 1], [0, 1, -1, 1]])
    signs = signs if within == 0 else np.array([[0, 1, -1, 1], [-1, 1, 0, 1], [1, 1, -1, 0]])
    edges, placement = KernelEdges(nng.from_matrices([W]).block(0)), placed(signs)
    space = arrangements(W, signs, within)
    assert len(space) > 1
    counts = Counter()
    for k in range(200 * len(space)):
        values = POLICIES[policy](edges, placement, seeded(3, k))
        counts[tuple(dense(edges, placement, values).ravel().tolist())] += 1
    assert set(counts) == space
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


# --------------------------------------------- strengths, exactly and nearly kept


def test_what_cannot_be_kept_is_refused_by_block_node_and_sign():
    G = nng.from_matrices([np.array([[5.0, -1.0], [-1.0, 1.0]])])
    messages, kept = set(), 0
    for seed in range(20):
        try:
            R = nng.nulls.randomize(G, "G", weights="exact_strength", rng=seed)
        except NullModelError as error:
            messages.add(str(error))
        else:
            kept += (nng.nulls.strength_residuals(G, R)["residual"] == 0).all()
    assert kept > 3  # the signs came back to where they were
    assert messages == {
        f"block '0': no magnitudes keep the strength of the positive edges of {side} node 0 exactly where its edges "
        "are now (a node with few edges of a sign has to hand its strength to the nodes at their other ends). Draw "
        "again, or take weights='strength', which keeps all strengths nearly."
        for side in ("source", "target")
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_a_layer_keeps_every_signed_strength_bit_for_bit(density, dtype):
    G = layer((64, 784), density, dtype=dtype)
    R = nng.nulls.randomize(G, "G", weights="exact_strength", rng=3)
    assert R.block(0).values.dtype == dtype
    assert not np.array_equal(np.sign(G.weights()), np.sign(R.weights()))
    exact = nng.nulls.strength_residuals(nng.nulls.on_grid(G), R)
    assert (exact["strength"] > 0).mean() > 0.7
    assert (exact["residual"] == 0).all()
    table = nng.nulls.strength_residuals(G, R)
    before = described(G)
    n_edges = np.concatenate([before[f"k_{side}{sign}"] for side in ("source", "target") for sign in "+-"])
    half_a_step = np.abs(G.weights()).max() * 2.0**-22
    assert (table["residual"].abs() <= n_edges * half_a_step + 1e-12 * table["strength"]).all()
    assert 0 < table["relative"].abs().median() < 1e-6
    assert table["relative"].abs().max() < {0.05: 4e-5, 0.3: 4e-6, 1.0: 1e-6}[density]


def test_mixed_magnitudes_forget_their_start_and_are_nearly_exponential():
    edges, placement = at_home(layer((64, 784)))
    before = np.abs(edges.values)
    after = np.abs(POLICIES["exact_strength"](edges, placement, seeded(4)))
    # what all with these strengths share: the product of the strengths of the two ends predicts a weight
    draws = [np.abs(POLICIES["exact_strength"](edges, placement, seeded(5, k))) for k in range(2)]
    shared = np.corrcoef(*draws)[0, 1]
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(np.corrcoef(before, draws[0])[0, 1], abs=0.02)
    assert np.corrcoef(before, after)[0, 1] < shared + 0.03 < 0.25
    assert before.std() / before.mean() == pytest.approx(0.76, abs=0.05)  # as the normal law has it
    assert after.std() / after.mean() == pytest.approx(1, abs=0.06)
    assert np.median(after) / after.mean() == pytest.approx(np.log(2), abs=0.05)


@pytest.mark.parametrize(
    ("shape", "density", "source", "target"),
    [
        ((64, 784), 1.0, 2e-3, 1e-4),
        ((784, 64), 1.0, 1e-4, 2e-3),
        ((256, 1024), 1.0, 1e-4, 2e-5),
        ((256, 1024), 0.2, 4e-3, 1e-3),
    ],
)
def test_strengths_come_near_to_what_they_were(shape, density, source, target):
    G = layer(shape, density)
    found = []
    for policy in ("sign", "strength"):
        R = nng.nulls.randomize(G, "G", weights=policy, rng=1)
        table = nng.nulls.strength_residuals(G, R)
        squares = table.assign(residual=table["residual"] ** 2, strength=table["strength"] ** 2)
        sums = squares.groupby("side")[["residual", "strength"]].sum()
        found.append(np.sqrt(sums["residual"] / sums["strength"]))
    before, after = found
    assert before.min() > 0.05  # so the lines below can fail
    assert after["source"] < source
    assert after["target"] < target


def test_exchanges_reach_a_sum_that_one_row_alone_leaves_open():
    """One row has its sum in any case; its columns have one edge each, so the magnitudes can go home."""
    G = nng.from_matrices([np.array([[1.0, 2, 4, -3, -5]])])
    edges, placement = at_home(G)
    homes = sum(np.array_equal(POLICIES["strength"](edges, placement, seeded(k)), edges.values) for k in range(50))
    assert homes > 25


# ----------------------------------------------------------------- grid and residuals


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]), st.integers(-200, 120))
def test_the_grid_moves_a_weight_by_at_most_half_a_step_and_once_only(seed, dtype, exponent):
    rng = np.random.default_rng(seed)
    scale = 2.0 ** (exponent if dtype == np.float64 else exponent / 2)
    W = (rng.normal(size=(4, 5)) * 10 ** rng.uniform(-9, 0, size=(4, 5)) * scale).astype(dtype)
    W[rng.random(W.shape) < 0.1] = 0
    W.flat[0] = rng.choice([1.0, 1 - 1e-7, 1 + 1e-7]) * np.abs(W).max()
    G = nng.from_matrices([W], zeros="keep")
    once = nng.nulls.on_grid(G)
    assert nng.nulls.on_grid(once) == once
    new, step = once.block(0).dense().astype(np.float64), np.abs(W).max().astype(np.float64) * 2.0**-21
    np.testing.assert_array_equal(np.sign(new), np.sign(W))
    moved_by, small = np.abs(new - W), np.abs(W) < step / 2
    assert (moved_by[~small] <= step / 2).all()
    assert (moved_by[small] <= step).all()
    assert (moved_by[W == 0] == 0).all()


def test_types_and_weights_that_the_grid_cannot_hold_are_refused():
    G = layer((8, 9), dtype=np.float16)
    for call in (lambda: nng.nulls.randomize(G, "G", weights="exact_strength", rng=0), lambda: nng.nulls.on_grid(G)):
        with pytest.raises(ArgumentError, match="block '0': got weights of type float16, too coarse"):
            call()
    held = layer((8, 9)).block(0)
    bfloat = type(held).from_dense("fc", "a", "b", np.round(held.dense() * 8) / 8, dtype="bfloat16")
    with pytest.raises(ArgumentError, match="block 'fc': got weights of type bfloat16, too coarse"):
        nng.nulls.on_grid(nng.NeuralGraph([bfloat]))
    huge = nng.from_matrices([np.full((2, 2), 3e38, np.float32)])
    with pytest.raises(ArgumentError, match=r"got a largest weight of 3e\+38; exact strengths need finite"):
        nng.nulls.on_grid(huge)


def test_residuals_are_those_of_the_dense_matrices():
    G = layer((12, 15), 0.7, dtype=np.float64)
    R = nng.nulls.randomize(G, "A", rng=2)
    table = nng.nulls.strength_residuals(G, R)
    names = ["block", "part", "index", "side", "sign", "strength", "residual", "relative"]
    assert list(table.columns) == names
    assert len(table) == 2 * (12 + 15)
    block, W, V = G.block(0), G.block(0).dense(), R.block(0).dense()
    for (side, sign), rows in table.groupby(["side", "sign"]):
        axis = {"source": 0, "target": 1}[side]
        old, new = (np.where(np.sign(X) == float(f"{sign}1"), np.abs(X), 0).sum(axis) for X in (W, V))
        assert set(rows["part"]) == {getattr(block, side)}
        assert list(rows["index"]) == list(range(len(old)))
        np.testing.assert_allclose(rows["strength"], old, atol=1e-12)
        np.testing.assert_allclose(rows["residual"], new - old, atol=1e-12)
        np.testing.assert_allclose(rows["relative"] * old, new - old, rtol=1e-9, atol=1e-12)


def test_residuals_know_nodes_without_strength_and_refuse_other_graphs():
    G, R = (nng.from_matrices([np.array(W)], [np.ones((2, 2), bool)]) for W in ([[1.0, 0], [0, 2]], [[1.0, 3], [0, 2]]))
    table = nng.nulls.strength_residuals(G, R).set_index(["side", "sign", "index"])
    assert table.loc[("target", "+", 0), "relative"] == 3
    assert (table.xs("-", level="sign")["relative"] == 0).all()
    none = nng.from_matrices([np.array([[1.0, 0], [0, 0]])])
    assert nng.nulls.strength_residuals(none, R)["relative"].max() == np.inf
    assert len(nng.nulls.strength_residuals(nng.NeuralGraph([]), nng.NeuralGraph([]))) == 0
    with pytest.raises(ArgumentError, match=r"blocks differ from the first in \('0', \(2, 3\)\)"):
        nng.nulls.strength_residuals(G, nng.from_matrices([np.ones((2, 3))]))
    with pytest.raises(ArgumentError, match="got a list; expected a NeuralGraph"):
        nng.nulls.strength_residuals(G, [R])


# ------------------------------------------------------------------- seeds, forms


@pytest.mark.parametrize("policy", SIGNED_POLICIES)
def test_the_same_seed_deals_the_same_and_another_seed_otherwise(policy):
    G = layer((30, 40), 0.7)
    first, again, other = (nng.nulls.randomize(G, "G", weights=policy, rng=seed) for seed in (5, 5, 6))
    assert first == again != other
    assert first.history[-1].parameters["weights"] == policy
    edges, placement = moved(G)
    assert not np.array_equal(*(POLICIES[policy](edges, placement, seeded(k)) for k in range(2)))


@pytest.mark.parametrize("policy", SIGNED_POLICIES)
@pytest.mark.parametrize("matrix", [np.diag(np.arange(1.0, 9)), np.ones((1, 5)), -np.ones((5, 1)), np.eye(40)], ids=str)
def test_blocks_with_little_to_deal_work(policy, matrix):
    edges, placement = at_home(nng.from_matrices([matrix]))
    values = POLICIES[policy](edges, placement, seeded(1))
    np.testing.assert_array_equal(np.sign(values), placement.signs)
    assert np.abs(values).sum() == np.abs(matrix).sum()


def test_a_probed_bias_keeps_its_weights_where_they_are():
    """One source node that is always 1: each target node has one edge of it, which cannot change its sign."""
    W, bias = layer((8, 9)).block(0).dense(), np.arange(-3.0, 5, dtype=np.float32)
    G = nng.from_matrices([W], biases=[bias])
    for policy in ("sign_target", "exact_strength"):
        R = nng.nulls.randomize(G, "G", weights=policy, bias="probe", rng=0)
        np.testing.assert_array_equal(R.block(0).bias, bias)


def test_no_block_makes_a_kernel_compile_another_form():
    for dtype, density, policy in itertools.product((np.float16, np.float32, np.float64), (1.0, 0.4), SIGNED_POLICIES):
        if dtype != np.float16 or policy != "exact_strength":
            R = nng.nulls.randomize(layer((30, 40), density, dtype=dtype), "G", weights=policy, rng=0)
            nng.nulls.strength_residuals(R, R)
    forms = {name: len(kernel.signatures) for name, kernel in vars(_kernels).items() if hasattr(kernel, "signatures")}
    assert forms["signed_sums"] == forms["split_by_sign"] == forms["merge_signs"] == forms["shuffle_by_sign"] == 2
    assert {forms[name] for name in ("exchange", "incidence", "balance", "rectangles", "tree_cycles", "lassos")} == {1}
