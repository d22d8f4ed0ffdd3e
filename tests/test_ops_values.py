"""Operations: prune, binarize, add_noise, flip_signs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nngraph as nng
from nngraph.blocks import Block, Origin
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.ops._ranking import count_of, ranked


def three_blocks(dtype=np.float64, seed=0):
    """A complete, a masked and a CSR block, with biases and one present edge of weight 0 in the masked one."""
    rng = np.random.default_rng(seed)
    matrices = [rng.normal(size=shape).astype(dtype) for shape in ((12, 20), (30, 12), (40, 30))]
    masks = [None, rng.random((30, 12)) < 0.5, rng.random((40, 30)) < 0.03]
    row, column = np.argwhere(masks[1])[0]
    matrices[1][row, column] = 0
    biases = [rng.normal(size=len(matrix)).astype(dtype) for matrix in matrices]
    G = nng.from_matrices(matrices, masks, biases=biases)
    assert [block.is_sparse for block in G.blocks] == [False, False, True]
    assert np.count_nonzero(G.block("1").values == 0) == 1
    return G


DTYPES = (np.float16, np.float32, np.float64)
CALLS = {
    "prune": lambda G, **k: nng.ops.prune(G, 0.4, **k),
    "binarize": lambda G, **k: nng.ops.binarize(G, **k),
    "add_noise": lambda G, **k: nng.ops.add_noise(G, 0.1, rng=3, **k),
    "flip_signs": lambda G, **k: nng.ops.flip_signs(G, 0.4, **k),
}


def sorted_first(values, n, order):
    """The oracle: the first n of a stable sort by magnitude."""
    key = np.abs(values.astype(np.float64)) * (1 if order == "smallest" else -1)
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(key, kind="stable")[:n]] = True
    return chosen


# ------------------------------------------------------------------ which edges


@given(
    hnp.arrays(np.float32, st.integers(0, 40), elements=st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0])),
    st.floats(0, 1),
    st.sampled_from(["smallest", "largest"]),
    st.sampled_from(DTYPES),
)
def test_ranking_with_ties_equals_a_stable_argsort(values, share, order, dtype):
    values = values.astype(dtype)
    n = round(share * len(values))
    np.testing.assert_array_equal(ranked(values, n, order, None), sorted_first(values, n, order))


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-5, 5)), st.sampled_from(["smallest", "largest"]))
def test_ranking_of_any_numbers_equals_a_stable_argsort_for_every_count(values, order):
    for n in range(len(values) + 1):
        np.testing.assert_array_equal(ranked(values, n, order, None), sorted_first(values, n, order))


@pytest.mark.parametrize(
    ("fraction", "n", "expected"),
    [(0.9, 10, 9), (0.29, 50, 14), (0.5, 5, 2), (0.5, 7, 4), (0.7, 10, 7), (1.0, 3, 3), (0.0, 3, 0), (0.3, 0, 0)],
)
def test_counts_round_to_nearest_with_halves_to_even(fraction, n, expected):
    assert count_of(fraction, n) == expected


def test_the_kept_share_is_never_one_short_where_it_is_a_whole_number():
    for n in (100, 1000, 50_304, 2_359_296):
        for percent in range(101):
            if percent * n % 100 == 0:
                assert n - count_of(percent / 100, n) == (100 - percent) * n // 100


def test_random_order_takes_every_subset_equally_often():
    counts = {}
    for seed in range(3000):
        chosen = tuple(ranked(np.ones(5), 2, "random", np.random.SeedSequence(seed)))
        counts[chosen] = counts.get(chosen, 0) + 1
    assert len(counts) == 10
    assert sum((count - 300) ** 2 / 300 for count in counts.values()) < 27.9  # p = .001 of chi-square, 9 d.f.


# ----------------------------------------------------------------------- prune


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["smallest", "largest"])
def test_prune_removes_the_ranked_share_of_each_block_and_leaves_the_rest_alone(dtype, order):
    G = three_blocks(dtype)
    H = nng.ops.prune(G, 0.3, order=order)
    for old, new in zip(G.blocks, H.blocks, strict=True):
        gone = sorted_first(old.values, round(0.3 * old.n_edges), order)
        assert new == old.with_support(~gone)
        assert new.values.dtype == dtype


def test_prune_removes_present_zeros_first_and_keeps_them_when_it_removes_nothing_smaller():
    G = nng.from_matrices([np.array([[0.0, 3.0], [-2.0, 1.0]])], zeros="keep")
    assert nng.ops.prune(G, 0.25).weights().tolist() == [3, -2, 1]
    assert nng.ops.prune(G, 0.25, order="largest").weights().tolist() == [0, -2, 1]


def test_global_scope_ranks_all_chosen_blocks_together():
    G = three_blocks()
    H = nng.ops.prune(G, 0.5, scope="global")
    expected = G.with_support(~sorted_first(G.weights(), round(0.5 * G.n_edges), "smallest"))
    assert expected == H
    H = nng.ops.prune(G, 0.5, scope="global", blocks=["0", "2"])
    assert H.block("1") is G.block("1")
    assert H.n_edges == G.n_edges - round(0.5 * (G.block("0").n_edges + G.block("2").n_edges))


@pytest.mark.parametrize("scope", ["block", "global"])
def test_random_pruning_removes_the_exact_number_and_depends_on_the_seed_alone(scope):
    G = three_blocks()
    first, again, other = (nng.ops.prune(G, 0.37, order="random", scope=scope, rng=seed) for seed in (5, 5, 6))
    assert first == again != other
    if scope == "block":
        expected = sum(block.n_edges - round(0.37 * block.n_edges) for block in G.blocks)
    else:
        expected = G.n_edges - round(0.37 * G.n_edges)
    assert first.n_edges == expected


def test_pruning_everything_leaves_no_edge():
    G = three_blocks()
    assert [nng.ops.prune(G, 1.0, scope=scope).n_edges for scope in ("block", "global")] == [0, 0]


def test_tied_blocks_are_counted_and_pruned_once():
    W = np.random.default_rng(0).normal(size=(5, 3))
    origin = Origin("embedding.weight", (5, 3))
    head = Block.from_dense("head", "h", "v", W.copy(), origin=origin)
    embedding = Block.from_dense("emb", "v", "h", W.T.copy(), origin=Origin("embedding.weight", (5, 3), "transposed"))
    G = NeuralGraph([embedding, head])
    for scope in ("block", "global"):
        H = nng.ops.prune(G, 0.4, scope=scope)
        np.testing.assert_array_equal(H.block("head").dense(), H.block("emb").dense().T)
        assert [block.n_edges for block in H.blocks] == [9, 9]


# ------------------------------------------------- binarize, add_noise, flip_signs


@pytest.mark.parametrize("dtype", DTYPES)
def test_binarize_leaves_signs_only_and_a_present_zero_stays_a_present_zero(dtype):
    G = three_blocks(dtype)
    H = nng.ops.binarize(G)
    np.testing.assert_array_equal(H.weights(), np.sign(G.weights()))
    assert all(new.same_support(old) for new, old in zip(H.blocks, G.blocks, strict=True))
    assert H.weights().dtype == dtype
    assert nng.ops.binarize(H) == H


def test_mean_abs_is_the_scale_of_least_squared_error_of_each_block():
    G = three_blocks()
    H = nng.ops.binarize(G, scale="mean_abs")
    for old, new in zip(G.blocks, H.blocks, strict=True):
        signs = np.sign(old.values)
        best = signs @ old.values / (signs @ signs)
        np.testing.assert_allclose(new.values, best * signs, rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_noise_has_the_moments_of_its_law_and_stays_on_present_edges(dtype, distribution):
    W = np.random.default_rng(1).normal(size=(150, 200)).astype(dtype)
    G = nng.from_matrices([W, W.T], [np.abs(W) > 0.5, np.abs(W.T) > 2.5])
    H = nng.ops.add_noise(G, 0.2, distribution=distribution, rng=3)
    assert all(new.same_support(old) for new, old in zip(H.blocks, G.blocks, strict=True))
    noise = H.weights().astype(np.float64) - G.weights()
    sd = 0.2 / math.sqrt(3) if distribution == "uniform" else 0.2
    assert abs(noise.mean()) < 4 * sd / math.sqrt(len(noise))
    assert noise.std() == pytest.approx(sd, rel=0.03)
    if distribution == "uniform":
        assert np.abs(noise).max() <= 0.2 + 2 * np.finfo(dtype).eps * np.abs(W).max()
    assert abs(np.corrcoef(noise, G.weights())[0, 1]) < 4 / math.sqrt(len(noise))


def test_noise_that_overflows_the_dtype_is_refused_and_names_the_block():
    G = nng.from_matrices([np.full((2, 2), 6e4, np.float16)])
    with pytest.raises(ArgumentError, match=r"block '0': noise of amplitude 1e\+06 .* float16"):
        nng.ops.add_noise(G, 1e6, rng=0)
    with pytest.raises(ArgumentError, match="float32"):
        nng.ops.add_noise(nng.from_matrices([np.ones((2, 2), np.float32)]), 1e300, rng=0)


@pytest.mark.parametrize("order", ["smallest", "largest"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_flips_negate_the_ranked_share_of_each_block(order, dtype):
    G = three_blocks(dtype)
    H = nng.ops.flip_signs(G, 0.3, order=order)
    for old, new in zip(G.blocks, H.blocks, strict=True):
        chosen = sorted_first(old.values, round(0.3 * old.n_edges), order)
        np.testing.assert_array_equal(new.values, np.where(chosen, -old.values, old.values))
        assert new.same_support(old)
        assert new.values.dtype == dtype


def test_flipping_all_signs_twice_is_the_identity_and_zeros_never_become_negative_zeros():
    G = three_blocks()
    H = nng.ops.flip_signs(G, 1.0)
    np.testing.assert_array_equal(H.weights(), -G.weights())
    assert not np.signbit(H.weights()[H.weights() == 0]).any()
    assert nng.ops.flip_signs(H, 1.0) == G


def test_random_flips_touch_the_exact_number_of_edges():
    G = nng.from_matrices([np.ones((10, 13))])
    H = nng.ops.flip_signs(G, 0.2, order="random", rng=1)
    assert np.count_nonzero(H.weights() == -1) == 26
    assert H == nng.ops.flip_signs(G, 0.2, order="random", rng=1) != nng.ops.flip_signs(G, 0.2, order="random", rng=2)


# --------------------------------------------------------------- laws of them all


def test_operations_at_zero_return_the_same_untouched_blocks():
    G = three_blocks()
    for H in (
        *(nng.ops.prune(G, 0, order=order, scope=s) for order in ("smallest", "random") for s in ("block", "global")),
        nng.ops.add_noise(G, 0),
        nng.ops.flip_signs(G, 0.0),
        nng.ops.prune(G, 0.7, blocks=[]),
    ):
        assert all(new is old for new, old in zip(H.blocks, G.blocks, strict=True))


@pytest.mark.parametrize("name", CALLS)
def test_blocks_that_are_not_chosen_are_shared(name):
    G = three_blocks()
    H = CALLS[name](G, blocks="1")
    assert [new is old for new, old in zip(H.blocks, G.blocks, strict=True)] == [True, False, True]


@pytest.mark.parametrize("name", CALLS)
def test_biases_are_kept_probed_as_a_block_of_their_own_or_zeroed(name):
    G = three_blocks()
    kept, probed, zeroed = (CALLS[name](G, bias=policy) for policy in ("keep", "probe", "zero"))
    for old, a, b, c in zip(G.blocks, kept.blocks, probed.blocks, zeroed.blocks, strict=True):
        assert a.bias is old.bias
        assert not c.bias.any()
        assert not np.array_equal(b.bias, old.bias)
        np.testing.assert_array_equal(a.values, b.values)
        if name == "prune":
            np.testing.assert_array_equal(
                b.bias, np.where(sorted_first(old.bias, round(0.4 * len(old.bias)), "smallest"), 0, old.bias)
            )
        if name == "binarize":
            np.testing.assert_array_equal(b.bias, np.sign(old.bias))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize("name", CALLS)
def test_blocks_without_cells_and_of_one_edge_work(name, shape):
    H = CALLS[name](nng.from_matrices([np.ones(shape)]), bias="probe")
    assert H.block(0).shape == shape
    H = CALLS[name](nng.from_matrices([np.zeros((3, 4))]))
    assert H.n_edges == 0


@pytest.mark.parametrize("name", CALLS)
def test_the_history_records_operation_parameters_and_seed(name):
    step = CALLS[name](three_blocks(), blocks=["0"]).history[-1]
    assert step.operation == name
    assert step.parameters["blocks"] == ["0"]
    assert step.parameters["bias"] == "keep"
    assert step.seed == ("3" if name == "add_noise" else None)
    assert nng.ops.prune(three_blocks(), 0.1, order="random", rng=9).history[-1].seed == "9"


@settings(max_examples=30)
@given(st.floats(0, 1), st.sampled_from(["smallest", "largest"]), st.integers(0, 2**32 - 1))
def test_pruning_and_flipping_do_not_depend_on_how_a_block_is_held(fraction, order, seed):
    rng = np.random.default_rng(seed)
    W = np.round(rng.normal(size=(9, 30)), 1)
    mask = rng.random(W.shape) < 0.04
    sparse = nng.from_matrices([W], [mask]).block(0)
    few = np.flatnonzero(mask)
    line = nng.from_matrices([W.ravel()[few][None, :]], zeros="keep")
    for call in (nng.ops.prune, nng.ops.flip_signs):
        H = call(NeuralGraph([sparse]), fraction, order=order)
        np.testing.assert_array_equal(H.weights(), call(line, fraction, order=order).weights())


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf, True, "0.5", None, 1 + 0j])
def test_fractions_outside_the_unit_interval_are_refused(bad):
    for call in (nng.ops.prune, nng.ops.flip_signs):
        with pytest.raises(
            ArgumentError, match=f"{call.__name__}: fraction: got .*; expected a number between 0 and 1"
        ):
            call(three_blocks(), bad)


@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf, True, "1"])
def test_amplitudes_that_are_negative_or_not_finite_are_refused(bad):
    with pytest.raises(ArgumentError, match="add_noise: amplitude: got"):
        nng.ops.add_noise(three_blocks(), bad)


def test_unknown_names_and_seeds_are_refused():
    G = three_blocks()
    for call, message in (
        (lambda: nng.ops.prune(G, 0.1, order="biggest"), "prune: order: got 'biggest'; expected 'smallest' or"),
        (lambda: nng.ops.prune(G, 0.1, scope="layer"), "prune: scope: got 'layer'"),
        (lambda: nng.ops.flip_signs(G, 0.1, order=None), "flip_signs: order: got None"),
        (lambda: nng.ops.binarize(G, scale=2.0), "binarize: scale: got 2.0"),
        (lambda: nng.ops.add_noise(G, 0.1, distribution="gauss"), "add_noise: distribution: got 'gauss'"),
        (lambda: nng.ops.prune(G, 0.1, blocks="fc9"), "'fc9'"),
        (lambda: nng.ops.prune(G, 0.1, bias="drop"), "bias: got 'drop'"),
        (lambda: nng.ops.prune(G, 0.1, rng=True), "rng: got True"),
        (lambda: nng.ops.add_noise(G, 0.1, rng=1.5), "rng: got 1.5"),
        (lambda: nng.ops.flip_signs(G, 0.1, rng=-1), "rng: got the negative seed -1"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
