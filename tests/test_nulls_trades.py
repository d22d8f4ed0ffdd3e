"""Swaps and trades on planes of bits: kind G on complete blocks, against the full enumeration of small spaces."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import nngraph as nng
from nngraph.errors import NullModelError, NullModelWarning
from nngraph.nulls import _kernels
from nngraph.nulls._edges import KernelEdges, read_only
from nngraph.nulls._kernels.words import BLOCK, draw_block
from nngraph.nulls.trades import CompleteSigns, PlaneChain

CLASSES = {
    ((1, 1, 1), (1, 1, 1)): 6,
    ((2, 1, 1), (2, 1, 1)): 5,
    ((2, 1, 1), (1, 1, 1, 1)): 12,
    ((3, 2, 1), (2, 2, 1, 1)): 8,
    ((2, 2, 2, 2), (2, 2, 2, 2)): 90,
    ((2, 2, 2, 1), (2, 2, 2, 1)): 51,
    ((2, 2, 2, 2), (3, 2, 2, 1)): 48,
}
"""Margins, rows then columns, and how many matrices of zeros and ones have them."""


def space_of(rows, columns):
    """All matrices of zeros and ones with these margins, by brute force."""
    ways = [[w for w in itertools.product((0, 1), repeat=len(columns)) if sum(w) == n] for n in rows]
    matrices = (np.array(matrix) for matrix in itertools.product(*ways))
    return {tuple(m.ravel().tolist()) for m in matrices if tuple(m.sum(axis=0)) == tuple(columns)}


SPACES = {margins: space_of(*margins) for margins in CLASSES}


def p_value(counts, space):
    """Of the hypothesis that the counts are uniform over the space; 0 where a state was missed or invented."""
    if set(counts) != space:
        return 0.0
    return stats.chisquare([counts[state] for state in space]).pvalue


def packed(matrix):
    """A matrix with one row per lane as a plane with words first, bits along its columns: by numpy, not the kernels."""
    n_lanes, n_bits = matrix.shape
    padded = np.zeros((n_lanes, -(-n_bits // 64) * 64), np.uint8)
    padded[:, :n_bits] = matrix
    return np.ascontiguousarray(np.packbits(padded, axis=1, bitorder="little").view(np.uint64).T)


def unpacked(plane, n_bits):
    lanes = np.ascontiguousarray(plane.T).view(np.uint8)
    return np.unpackbits(lanes, axis=1, bitorder="little")[:, :n_bits].astype(int)


def random_matrix(shape, share, seed=0, spread=0.0):
    rng = np.random.default_rng(seed)
    logits = np.log(share / (1 - share)) + spread * (rng.normal(size=(shape[0], 1)) + rng.normal(size=shape[1]))
    return (rng.random(shape) < 1 / (1 + np.exp(-logits))).astype(int)


def streams(*seed):
    return _kernels.streams(np.random.SeedSequence(seed))


def wide(state, margins, places, n_bits):
    """A small matrix in the columns ``places`` of a wide one whose other columns are constant: the same space."""
    matrix = np.zeros((len(margins[0]), n_bits), int)
    matrix[:, ::2] = 1
    matrix[:, places] = np.reshape(state, (len(margins[0]), -1))
    return matrix


# ------------------------------------------------------------------- uniformity


def test_the_enumeration_knows_the_published_counts():
    assert {margins: len(space) for margins, space in SPACES.items()} == CLASSES


@pytest.mark.parametrize(
    ("margins", "turned"), [*((margins, False) for margins in CLASSES), (((2, 1, 1), (1, 1, 1, 1)), True)], ids=str
)
def test_draws_of_kind_g_are_uniform_over_all_signs_with_the_margins(margins, turned):
    space = SPACES[margins]
    signs = 2.0 * np.array(min(space)).reshape(len(margins[0]), -1) - 1
    G = nng.from_matrices([signs.T.copy() if turned else signs])
    counts = Counter()
    for R in nng.nulls.ensemble(G, "G", n=40 * len(space), rng=1):
        W = R.block(0).dense()
        counts[tuple(((W.T if turned else W) > 0).astype(int).ravel().tolist())] += 1
    assert p_value(counts, space) > 1e-3


def kernel_draws(margins, places, n_bits, move, n=40):
    """Counts of the states that a kernel reaches, from one start, over independent seeds."""
    space = SPACES[margins]
    start = wide(min(space), margins, places, n_bits)
    constant = np.delete(start, places, axis=1)
    counts = Counter()
    for seed in range(n * len(space)):
        after = unpacked(move(packed(start), streams(5, seed)), n_bits)
        np.testing.assert_array_equal(after.sum(axis=1), start.sum(axis=1))
        np.testing.assert_array_equal(np.delete(after, places, axis=1), constant)
        counts[tuple(after[:, places].ravel().tolist())] += 1
    return counts


def by_swaps(plane, stream):
    _kernels.swap(plane, 2, 0, 1500, *stream)
    return plane


def by_trades(plane, stream):
    rows = np.ascontiguousarray(plane.T)
    _kernels.trade_plane(rows, 0, 30, *stream)
    return np.ascontiguousarray(rows.T)


WIDE = {"within one word": ([3, 17, 40, 63], 64), "over three words": ([0, 70, 71, 149], 150)}


@pytest.mark.parametrize("margins", [m for m in CLASSES if len(m[1]) == 4], ids=str)
@pytest.mark.parametrize("where", WIDE)
@pytest.mark.parametrize("move", [by_swaps, by_trades])
def test_each_kernel_alone_is_uniform(margins, where, move):
    assert p_value(kernel_draws(margins, *WIDE[where], move), SPACES[margins]) > 1e-3


def test_swaps_that_are_never_left_to_chance_miss_states():
    """Forced passes turn over whole words at once where two lanes are opposite: a coin is what frees single swaps."""
    matrix = np.zeros((2, 128), int)
    matrix[0, :64] = matrix[1, 64:] = 1
    forced, free = set(), set()
    for seed in range(200):
        for lazy, seen in ((False, forced), (True, free)):
            plane = packed(matrix)
            for number in range(9):
                key = np.uint64(_kernels.sweep_key(number, *streams(seed)))
                _kernels.swap_pass(plane, lazy, 0, _kernels.n_word_pairs(2, key), key, np.uint64(77))
            seen.add(plane.tobytes())
    assert len(forced) == 2
    assert len(free) > 150


def test_a_pass_without_coins_undoes_itself_and_keeps_the_padding_empty():
    for shape in ((5, 130), (2, 64), (9, 200), (6, 70), (3, 1)):
        for seed in range(40):
            matrix = random_matrix(shape, 0.5, seed)
            plane = packed(matrix)
            key = np.uint64(_kernels.sweep_key(seed, *streams(1)))
            n = _kernels.n_word_pairs(len(plane), key)
            once = _kernels.swap_pass(plane, False, 0, n, key, np.uint64(9))
            middle = plane.copy()
            assert (once > 0) == (not np.array_equal(middle, packed(matrix)))
            assert not (unpacked(middle, 64 * len(plane))[:, shape[1] :]).any()
            assert _kernels.swap_pass(plane, False, 0, n, key, np.uint64(9)) == once
            np.testing.assert_array_equal(plane, packed(matrix))


def test_every_pair_of_columns_and_of_rows_meets_equally_often():
    """Two lanes that differ in two columns only: the swap between those is made when the pass pairs all four."""
    n_lanes, n_bits = 4, 128
    met, columns_met, rows_met = 0, Counter(), Counter()
    for seed in range(12_000):
        key = np.uint64(_kernels.sweep_key(seed, *streams(3)))
        lanes = tuple(np.random.default_rng(seed).choice(n_lanes, 2, replace=False))
        columns = tuple([(5, 9), (5, 100), (70, 71)][seed % 3])
        matrix = np.zeros((n_lanes, n_bits), int)
        matrix[lanes, columns] = 1
        changed = _kernels.swap_pass(
            packed_matrix := packed(matrix), False, 0, _kernels.n_word_pairs(2, key), key, np.uint64(11)
        )
        assert changed == (not np.array_equal(packed_matrix, packed(matrix)))
        met += changed
        columns_met[columns] += changed
        rows_met[tuple(sorted(lanes))] += changed
    # one lane meets each of the others, or itself, in turn; one column each of the 128
    assert met == pytest.approx(12_000 / (4 * 128), abs=5 * np.sqrt(12_000 / 512))
    assert len(columns_met) == 3
    assert min(columns_met.values()) > 0
    assert len(rows_met) == 6


def test_dealing_the_signs_of_rows_anew_without_the_columns_is_told_apart():
    margins = ((2, 2, 2, 1), (2, 2, 2, 1))
    rng = np.random.default_rng(0)
    start = np.array(min(SPACES[margins])).reshape(4, 4)
    counts = Counter(tuple(rng.permuted(start, axis=1).ravel().tolist()) for _ in range(2000))
    assert not set(counts) <= SPACES[margins]
    assert p_value(counts, SPACES[margins]) == 0.0


def test_a_walk_that_always_accepts_is_told_apart():
    """Uniform steps along the legal swaps only favour the states that have many of them."""
    margins = ((3, 2, 1), (2, 2, 1, 1))
    rng = np.random.default_rng(0)
    states = sorted(SPACES[margins])
    matrices = np.array(states)
    legal = [np.flatnonzero((matrices != matrix).sum(axis=1) == 4) for matrix in matrices]
    assert len({len(ways) for ways in legal}) > 1
    counts, now = Counter(), 0
    for step in range(20_000):
        now = int(rng.choice(legal[now]))
        if step % 5 == 0:
            counts[states[now]] += 1
    assert set(counts) == SPACES[margins]
    assert p_value(counts, SPACES[margins]) < 1e-3


@pytest.mark.parametrize(("n", "k"), [(2, 1), (6, 2), (50, 1), (60, 30), (100, 37), (300, 290)])
def test_a_trade_deals_uniform_subsets(n, k):
    """Two rows differ in n of 3 n columns: each of those is dealt at the rate k / n, and pairs without bias."""
    rng = np.random.default_rng(n)
    differ = rng.permutation(3 * n)[:n]
    matrix = np.ones((2, 3 * n), int)
    matrix[0, differ[k:]], matrix[1, differ[:k]] = 0, 0
    draws = []
    for seed in range(4000):
        rows = np.ascontiguousarray(packed(matrix).T)
        _kernels.trade_plane(rows, 0, 1, *streams(n, seed))
        draws.append(unpacked(np.ascontiguousarray(rows.T), 3 * n)[0])
    draws = np.array(draws)[:, differ]
    assert (draws.sum(axis=1) == k).all()
    expected, spread = 4000 * k / n, np.sqrt(4000 * k / n * (1 - k / n))
    assert np.abs(draws.sum(axis=0) - expected).max() < 4.5 * spread
    both = np.array([(draws[:, i] & draws[:, i + 1]).sum() for i in range(0, n - 1, 2)])
    rate = k * (k - 1) / (n * (n - 1))
    assert np.abs(both - 4000 * rate).max() < 4.5 * np.sqrt(4000 * rate * (1 - rate)) + 1


def test_a_trade_visits_all_subsets_equally_often():
    matrix = np.array([[1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]])
    counts = Counter()
    for seed in range(35 * 200):
        rows = np.ascontiguousarray(packed(matrix).T)
        _kernels.trade_plane(rows, 0, 1, *streams(seed))
        counts[int(rows[0, 0])] += 1
    assert len(counts) == 35
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


# ----------------------------------------------------------- the chain on a plane


SHAPES = {
    "swaps": ((40, 300), 0.4),
    "swaps, odd": ((41, 129), 0.6),
    "trades": ((90, 200), 0.03),
    "narrow": ((30, 20), 0.5),
}


@pytest.mark.parametrize("name", SHAPES)
def test_runs_add_up_and_threads_do_not_matter(name):
    matrix = random_matrix(*SHAPES[name])
    chains = [PlaneChain(packed(matrix), matrix.shape[1], np.random.SeedSequence(3)) for _ in range(4)]
    assert (chains[0].n_passes > 0) == name.startswith("swaps")
    once, parts, threads, other = chains
    once.run(7)
    parts.run(3)
    parts.run(4)
    threads.run(5, n_jobs=2, large=0)
    threads.run(2, n_jobs=3, large=0)
    other.run(6)
    np.testing.assert_array_equal(once.plane, parts.plane)
    np.testing.assert_array_equal(once.plane, threads.plane)
    assert once.counts() == parts.counts() == threads.counts()
    assert not np.array_equal(once.plane, other.plane)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.1, 0.5, 0.95]), st.sampled_from([0, 1, 2]))
def test_margins_hold_on_any_plane(seed, share, spread):
    rng = np.random.default_rng(seed)
    matrix = random_matrix((rng.integers(1, 40), rng.choice([1, 20, 64, 128, 200])), share, seed, spread)
    chain = PlaneChain(packed(matrix), matrix.shape[1], np.random.SeedSequence(seed))
    for _ in range(3):
        chain.run(2)
        after = unpacked(chain.plane, 64 * len(chain.plane))
        np.testing.assert_array_equal(after[:, : matrix.shape[1]].sum(axis=0), matrix.sum(axis=0))
        np.testing.assert_array_equal(after.sum(axis=1), matrix.sum(axis=1))
        assert chain.distance() == np.count_nonzero(after[:, : matrix.shape[1]] != matrix)
    np.testing.assert_array_equal(unpacked(chain.start, matrix.shape[1]), matrix)


@pytest.mark.parametrize("name", SHAPES)
def test_a_sweep_about_halves_what_the_agreement_has_above_its_limit(name):
    (n_lanes, n_bits), share = SHAPES[name]
    matrix = random_matrix((4 * n_lanes, 4 * n_bits if n_bits > 128 else n_bits), share)
    chain = PlaneChain(packed(matrix), matrix.shape[1], np.random.SeedSequence(3))
    distances = []
    for _ in range(3):
        chain.run(1)
        distances.append(chain.distance())
    chain.run(40)
    left = 1 - np.array(distances) / chain.distance()
    np.testing.assert_allclose(left, [0.5, 0.25, 0.125], atol=0.08)


def test_structured_starts_are_taken_apart_as_well():
    """Swaps bring the largest singular value of chequered and banded signs down to where trades bring it."""
    i, j = np.ogrid[:160, :320]

    def largest(plane):
        return np.linalg.norm(2.0 * unpacked(plane, 320) - 1, 2) / (np.sqrt(160) + np.sqrt(320))

    for start in ((i + j) % 2, (i < 80) ^ (j < 160), (i // 16 + j // 64) % 2):
        plane = packed(start.astype(int))
        rows = np.ascontiguousarray(plane.T)
        before = largest(plane)
        _kernels.swap(plane, 3, 0, 20, *streams(1))
        _kernels.trade_plane(rows, 0, 20, *streams(1))
        assert before > 4 > 2 * largest(plane)
        assert largest(plane) == pytest.approx(largest(np.ascontiguousarray(rows.T)), rel=0.06)


def test_a_plane_is_rigid_exactly_where_its_margins_have_no_other():
    for n, m in ((3, 3), (3, 4), (2, 5)):
        matrices = np.array(list(itertools.product((0, 1), repeat=n * m))).reshape(-1, n, m)
        margins = [(*x.sum(axis=1), *x.sum(axis=0)) for x in matrices]
        sizes = Counter(margins)
        assert len(set(sizes.values())) > 2
        for matrix, key in list(zip(matrices, margins, strict=True))[:: 1 if m < 4 else 7]:
            chain = PlaneChain(packed(matrix), m, np.random.SeedSequence(0))
            assert chain.is_rigid() == (sizes[key] == 1)


def test_counts_tell_what_was_tried_and_what_moved():
    busy = PlaneChain(packed(random_matrix((40, 300), 0.5)), 300, np.random.SeedSequence(0))
    busy.run(4)
    assert busy.counts()["passes"] == 4 * busy.n_passes
    assert busy.counts()["swaps"] * 4 >= busy.distance() > 0
    sparse = PlaneChain(packed(random_matrix((91, 200), 0.03)), 200, np.random.SeedSequence(0))
    sparse.run(4)
    assert sparse.counts()["trades"] == 4 * 45
    assert 0 < sparse.counts()["changed"] <= 4 * 45
    still = PlaneChain(packed(np.triu(np.ones((6, 6), int))), 6, np.random.SeedSequence(0))
    still.run(4)
    assert still.counts() == {"trades": 12, "changed": 0}


# --------------------------------------------------------- blocks, planes, weights


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (64, 64), (65, 130), (130, 65), (200, 9)])
def test_planes_hold_the_signs_and_turn_into_each_other(shape):
    W = np.random.default_rng(1).normal(size=shape)
    plane, n_unsigned = _kernels.sign_plane(read_only(W.ravel()), shape[1])
    assert n_unsigned == 0
    np.testing.assert_array_equal(plane, packed((W > 0).T))
    np.testing.assert_array_equal(_kernels.turn_plane(plane, shape[0]), packed(W > 0))
    np.testing.assert_array_equal(_kernels.plane_signs(plane, shape[0]), np.sign(W).ravel())


def test_weights_that_are_zero_or_no_number_are_counted():
    values = read_only(np.array([1.0, 0.0, -2.0, np.nan, -0.0, 3.0]))
    assert _kernels.sign_plane(values, 3)[1] == 3


@pytest.mark.parametrize("shape", [(150, 40), (40, 150), (10, 300), (300, 10), (20, 20)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_draw_keeps_margins_and_the_weights_of_each_sign(shape, dtype):
    W = np.random.default_rng(2).normal(size=shape).astype(dtype)
    G = nng.from_matrices([W])
    for R in nng.nulls.ensemble(G, "G", n=3, rng=4):
        new = R.block(0).dense()
        assert new.dtype == dtype
        for axis in (0, 1):
            np.testing.assert_array_equal((W > 0).sum(axis=axis), (new > 0).sum(axis=axis))
        np.testing.assert_array_equal(np.sort(W, axis=None), np.sort(new, axis=None))
        assert not np.array_equal(W > 0, new > 0)


@pytest.mark.parametrize("shape", [(150, 40), (10, 300), (12, 9)])
def test_agreement_and_signs_of_a_placement_are_those_of_its_plane(shape):
    W = np.random.default_rng(2).normal(size=shape)
    chain = CompleteSigns(KernelEdges(nng.from_matrices([W]).block(0)), np.random.SeedSequence(1))
    assert chain.agreement() == 1
    np.testing.assert_array_equal(chain.placement().signs, np.sign(W).ravel())
    chain.run(5)
    placement = chain.placement()
    assert not placement.signs.flags.writeable
    assert chain.agreement() == pytest.approx(np.mean(placement.signs == np.sign(W).ravel()))
    assert chain.agreement() < 0.9
    before = placement.signs.copy()
    chain.run(5)
    np.testing.assert_array_equal(_kernels.plane_signs(placement.plane, shape[0]), before)


def test_magnitudes_go_to_every_place_of_their_sign_equally_often():
    W = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])  # three of each sign, and 6 ways to sign them
    counts = Counter(
        tuple(R.weights().tolist()) for R in nng.nulls.ensemble(nng.from_matrices([W]), "G", n=4320, rng=3)
    )
    assert len(counts) == len(space_of((2, 1), (1, 1, 1))) * 6 * 6
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_the_policy_leaves_the_block_as_it_was_and_its_answer_is_its_own():
    W = np.random.default_rng(0).normal(size=(70, 90))
    G = nng.from_matrices([W])
    first, second = (nng.nulls.randomize(G, "G", rng=seed).block(0).dense() for seed in (1, 2))
    np.testing.assert_array_equal(G.block(0).dense(), W)
    assert not np.shares_memory(first, second)


def test_a_block_with_a_single_graph_is_told_by_a_warning_or_refused():
    nested = np.where(np.triu(np.ones((4, 4))) > 0, 1.0, -1.0)
    with pytest.raises(NullModelError, match="no legal move in block '0'"):
        nng.nulls.randomize(nng.from_matrices([nested]), "G", rng=0)
    with pytest.warns(NullModelWarning, match="no legal move in block '0'.*changes only the weights"):
        nng.nulls.randomize(nng.from_matrices([nested * np.arange(1.0, 17.0).reshape(4, 4)]), "G", rng=0)


# --------------------------------------------------------------- random integers


@pytest.mark.parametrize("first", [0, 1, 1000, 2**31 + 5, 3 * 2**30, 2**32 - BLOCK - 1])
def test_draws_of_a_block_are_uniform_below_their_bounds(first):
    """The largest bounds reject up to half of the draws, so the way of redrawing shows."""
    picks, drawn = np.empty(BLOCK, np.uint32), []
    for seed in range(300):
        draw_block(picks, 0, first, *streams(9, seed))
        drawn.append(picks.copy())
    bounds = first + 1 + np.arange(BLOCK)
    share = (np.array(drawn) + 0.5) / bounds
    assert ((share > 0) & (share < 1)).all()
    if first > 100:
        assert stats.kstest(share.ravel(), "uniform").pvalue > 1e-3
    else:
        for place in (0, 1, 2, 5, 64, 70):
            counts = np.bincount(np.array(drawn)[:, place], minlength=bounds[place])
            assert stats.chisquare(counts).pvalue > 1e-3 or bounds[place] == 1


def test_every_kernel_has_one_compiled_form_for_each_precision():
    for dtype, shape in itertools.product((np.float16, np.float32, np.float64), ((150, 40), (10, 300), (9, 9))):
        W = np.random.default_rng(0).normal(size=shape).astype(dtype)
        for view in (W, W[::-1].T):
            nng.nulls.randomize(nng.from_matrices([view]), "G", rng=0)
    for matrix in (random_matrix((40, 300), 0.5), random_matrix((40, 300), 0.01)):
        chain = PlaneChain(packed(matrix), 300, np.random.SeedSequence(0))
        for large in (0, 2**40):
            chain.run(2, 2, large=large)
    forms = {name: len(kernel.signatures) for name, kernel in vars(_kernels).items() if hasattr(kernel, "signatures")}
    assert {forms[name] for name in ("sign_plane", "pool_by_sign", "place")} == {2}
    moves = (
        "swap",
        "swap_pass",
        "n_word_pairs",
        "sweep_key",
        "random_order",
        "trade_pairs",
        "trade_plane",
        "turn_plane",
    )
    assert {forms[name] for name in moves} == {1}
