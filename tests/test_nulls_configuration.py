"""Configuration models, edges free to move, tested against the full enumeration of small spaces."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse, stats

import nngraph as nng
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, NullModelError, NullModelWarning
from nngraph.nulls import configuration
from nngraph.nulls._edges import KernelEdges
from nngraph.nulls._kernels import ternary
from nngraph.nulls.configuration import Configuration, SignedConfiguration
from nngraph.nulls.trades import CompleteSigns

STREAM = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))


def matrix(text):
    """A sign matrix from rows such as "+0-"."""
    return np.array([["-0+".index(cell) - 1 for cell in row] for row in text.split()], np.int8)


@cache
def all_matrices(shape):
    """(n, rows, columns) every matrix of -1, 0 and 1, in a fixed order."""
    size = shape[0] * shape[1]
    digits = np.arange(3**size)[:, None] // 3 ** np.arange(size) % 3
    return (digits - 1).astype(np.int8).reshape(-1, *shape)


def code(columns):
    """One integer for each row of small nonnegative integers."""
    columns = columns.reshape(len(columns), -1).astype(np.int64)
    return columns @ 7 ** np.arange(columns.shape[1])


@cache
def classes(shape):
    """The class of signed margins of every matrix, as numbers from 0."""
    every = all_matrices(shape)
    margins = [(every == sign).sum(axis) for sign in (1, -1) for axis in (1, 2)]
    return np.unique(code(np.concatenate(margins, axis=1)), return_inverse=True)[1]


def space(signs):
    """All matrices with the signed margins of one, as tuples."""
    every = all_matrices(signs.shape)
    own = np.flatnonzero((every == signs).all(axis=(1, 2)))[0]
    same = every[classes(signs.shape) == classes(signs.shape)[own]]
    return {tuple(one.ravel().tolist()) for one in same}


def square_space():
    """All 4x4 matrices with one + and one - in every row and column: pairs of permutations that share no place."""
    every = list(itertools.permutations(range(4)))
    found = set()
    for plus, minus in itertools.product(every, every):
        if not any(a == b for a, b in zip(plus, minus, strict=True)):
            one = np.zeros((4, 4), int)
            one[range(4), plus], one[range(4), minus] = 1, -1
            found.add(tuple(one.ravel().tolist()))
    return found


def supports(signs):
    """All supports with the unsigned margins of one, as tuples of 0 and 1."""
    every = all_matrices(signs.shape)
    every, own = every[(every >= 0).all(axis=(1, 2))], np.abs(signs)
    same = (every.sum(1) == own.sum(0)).all(axis=1) & (every.sum(2) == own.sum(1)).all(axis=1)
    return {tuple(one.ravel().tolist()) for one in every[same]}


def edges_of(signs):
    W = signs.astype(np.float64)
    return KernelEdges(nng.from_matrices([W], [signs != 0]).block(0))


def dense(chain):
    """The matrix of -1, 0 and 1 where a chain is."""
    at = chain.placement()
    result = np.zeros(at.shape, int)
    rows = np.repeat(np.arange(at.shape[0]), np.diff(at.indptr))
    columns = at.indices if len(at.indices) else np.tile(np.arange(at.shape[1]), at.shape[0])
    result[rows, columns] = at.signs
    return result


def sampled(start, edges, n, n_sweeps, seed=0):
    counts = Counter()
    for i in range(n):
        chain = start(edges, np.random.SeedSequence([seed, i]))
        chain.run(n_sweeps)
        counts[tuple(dense(chain).ravel().tolist())] += 1
    return counts


def p_value(counts, states):
    """Of the hypothesis that the counts are uniform over the states; 0 where one was missed or invented."""
    if set(counts) != states:
        return 0.0
    return stats.chisquare([counts[state] for state in states]).pvalue


SPACES = {
    "3x3, one of each sign a row": matrix("+-0 0+- -0+"),
    "3x3, split for rows": matrix("00- 0+0 0-+"),
    "3x3, uneven": matrix("++- 0-+ -00"),
    "3x4": matrix("+-00 0+-0 00+-"),
    "3x4, dense": matrix("+-+0 -+0+ 0--+"),
    "3x4, one of the largest classes": matrix("0--+ -++0 +00-"),
    "4x3": matrix("+-0 0+- -0+ +00"),
    "4x3, a full row and an empty one": matrix("+-+ 000 -0- 0+0"),
    "3x3, complete": matrix("+-+ -++ +--"),
}
ROUTES = {"column by column": (99, 0.0), "random bits": (0, 0.0), "lists": (16, 2.0)}


@pytest.fixture(params=ROUTES)
def route(request, monkeypatch):
    few, below = ROUTES[request.param]
    monkeypatch.setattr(configuration, "_FEW", few)
    monkeypatch.setattr(configuration, "_LISTS_BELOW", below)
    return request.param


# ------------------------------------------------------------------ uniformity


@pytest.mark.parametrize("name", SPACES)
def test_every_signed_matrix_is_visited_equally_often(name, route):
    states = space(SPACES[name])
    assert len(states) > 1
    counts = sampled(SignedConfiguration, edges_of(SPACES[name]), 60 * len(states), 24)
    assert p_value(counts, states) > 1e-3


def test_every_pair_of_disjoint_permutations_is_visited_equally_often(route):
    states = square_space()
    assert len(states) == 24 * 9  # permutations, and derangements of each
    counts = sampled(SignedConfiguration, edges_of(matrix("+-00 0+-0 00+- -00+")), 40 * len(states), 24)
    assert p_value(counts, states) > 1e-3


@pytest.mark.parametrize("name", ["3x3, uneven", "3x4", "4x3, a full row and an empty one"])
def test_every_support_is_visited_equally_often(name, route):
    states = supports(SPACES[name])
    assert len(states) > 1
    counts = sampled(Configuration, edges_of(SPACES[name]), 60 * len(states), 20)
    assert p_value(counts, states) > 1e-3


def test_the_public_draw_is_uniform_over_places_signs_and_magnitudes():
    W = np.array([[1.0, -3.0, 0.0], [0.0, 2.0, -4.0], [0.0, 0.0, 0.0]])
    signs = np.sign(W).astype(np.int8)
    draws = nng.nulls.ensemble(nng.from_matrices([W]), "signed_configuration", n=1000, rng=4, sweeps=20)
    counts = Counter(tuple(R.block(0).dense().ravel().tolist()) for R in draws)
    assert len(counts) == 4 * len(space(signs))  # 2! 2! ways to deal the magnitudes
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
    draws = nng.nulls.ensemble(nng.from_matrices([W[:2]]), "configuration", n=2000, rng=4, sweeps=20)
    counts = Counter(tuple(R.block(0).dense().ravel().tolist()) for R in draws)
    assert len(counts) == math.factorial(4) * len(supports(signs[:2]))
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


# -------------------------------------------- which moves connect which matrices


def trades(shape, axis):
    """For each pair of lines along an axis, a number for every matrix: two with one number differ by one trade."""
    lines = np.moveaxis(all_matrices(shape), axis, 1).astype(np.int64)
    for i, j in itertools.combinations(range(shape[axis - 1]), 2):
        a, b = lines[:, i], lines[:, j]
        kept = [np.delete(lines, (i, j), axis=1).reshape(len(lines), -1) + 1]
        kept += [(np.minimum(a, b) + 1) * 3 + np.maximum(a, b) + 1]  # what the two hold in each place
        kept += [(a == sign).sum(1, keepdims=True) for sign in (1, -1)]
        flat = np.concatenate(kept, axis=1)
        yield np.unique(flat @ 9 ** np.arange(flat.shape[1]), return_inverse=True)[1]


def n_split(shape):
    """In how many classes of margins some matrix is out of reach of another, by trades of rows, and of columns too."""
    component, result = np.arange(len(all_matrices(shape))), []
    for axis in (1, 2):
        n, numbers = component.max() + 1, []
        for one in trades(shape, axis):
            numbers.append(one + n)
            n += one.max() + 1
        ends = np.tile(component, len(numbers)), np.concatenate(numbers)
        graph = sparse.coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(n, n))
        component = sparse.csgraph.connected_components(graph, directed=False)[1][component]
        pieces = np.unique(classes(shape) * n + component) // n
        result.append(int((np.bincount(pieces) > 1).sum()))
    return result


@pytest.mark.parametrize(("shape", "n_classes", "split"), [((3, 3), 13_825, 175), ((3, 4), 266_883, 3_378)])
def test_trades_of_rows_and_columns_connect_every_class_of_margins(shape, n_classes, split):
    """Over all matrices; trades of rows alone leave as many classes in pieces as another search has counted."""
    assert classes(shape).max() + 1 == n_classes
    assert n_split(shape) == [split, 0]


def test_trades_between_rows_alone_miss_states_of_a_split_class(monkeypatch):
    monkeypatch.setattr(configuration, "_COLUMN_PAIRS", 0)
    signs = SPACES["3x3, split for rows"]
    states = space(signs)
    counts = sampled(SignedConfiguration, edges_of(signs), 60 * len(states), 24)
    assert set(counts) < states
    assert p_value(counts, states) == 0.0


def test_rewiring_positive_and_negative_edges_apart_leaves_the_space():
    signs = SPACES["3x4, dense"]
    plus, minus = (
        sampled(Configuration, edges_of(np.where(signs == sign, 1, 0).astype(np.int8)), 200, 20, seed=sign + 1)
        for sign in (1, -1)
    )
    pairs = [(np.array(a), np.array(b)) for a, b in zip(plus.elements(), minus.elements(), strict=True)]
    assert any((a & b).any() for a, b in pairs)  # a pair of nodes joined by both signs
    assert not {tuple((a - b).tolist()) for a, b in pairs} <= space(signs)


# ------------------------------------------------------------------ a single trade


def redistributions(n1, n2, n3, plus, minus):
    """How many ways give y of the {+,-} columns as positive edges to the first row, for each y, by brute force."""
    counts = Counter()
    choices = [(1, 0)] * n1 + [(1, -1)] * n2 + [(0, -1)] * n3
    for first in itertools.product(*choices):
        if first.count(1) == plus and first.count(-1) == minus:
            counts[first[n1 : n1 + n2].count(1)] += 1
    return counts


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3, 3), (4, 5, 2, 3, 4), (0, 4, 3, 2, 3), (5, 2, 5, 3, 3), (2, 6, 0, 4, 3)])
def test_the_law_of_one_trade_is_a_product_of_binomial_coefficients(sizes):
    n1, n2, n3, plus, minus = sizes
    expected = redistributions(*sizes)
    low, high = ternary.bounds(*sizes)
    assert (low, high) == (min(expected), max(expected))
    for y, n in expected.items():
        assert n == math.comb(n1, plus - y) * math.comb(n2, y) * math.comb(n3, minus - n2 + y)
    assert drawn_as_expected(sizes, expected)


@pytest.mark.parametrize("sizes", [(40, 25, 60, 30, 50), (0, 200, 150, 70, 190), (900, 12, 800, 300, 405)])
def test_the_split_of_many_columns_follows_its_law(sizes):
    n1, n2, n3, plus, minus = sizes
    low, high = ternary.bounds(*sizes)
    terms = (math.comb(n1, plus - y) * math.comb(n2, y) * math.comb(n3, minus - n2 + y) for y in range(low, high + 1))
    assert drawn_as_expected(sizes, dict(enumerate(terms, low)))


def drawn_as_expected(sizes, weights, n=20_000):
    """Whether the kernel draws y with probabilities in these proportions; rare values are taken together."""
    counts = Counter()
    for i in range(n):
        counts[ternary.split(*sizes, np.uint64(ternary.keyed(STREAM[0], 0, i)), STREAM[1])[1]] += 1
    total, expected, seen = sum(weights.values()), [0.0], [0]
    for y in sorted(weights):
        expected[-1] += n * (weights[y] / total)
        seen[-1] += counts[y]
        if expected[-1] > 5:
            expected.append(0.0)
            seen.append(0)
    expected[-2:], seen[-2:] = [sum(expected[-2:])], [sum(seen[-2:])]
    assert sum(seen) == n
    return len(seen) == 1 or stats.chisquare(seen, expected).pvalue > 1e-3


@pytest.mark.parametrize("n_columns", [70, 300])
def test_a_trade_of_many_columns_deals_uniform_subsets_of_each_class(n_columns, route):
    """Given how many of a class go to the first row, each of its columns is as likely as any other."""
    rng = np.random.default_rng(n_columns)
    signs = rng.choice([-1, 0, 1], (2, n_columns), p=[0.2, 0.5, 0.3]).astype(np.int8)
    edges, draws = edges_of(signs), []
    for seed in range(1500):
        chain = SignedConfiguration(edges, np.random.SeedSequence(seed))
        chain.run(1)
        draws.append(dense(chain)[0])
    draws = np.array(draws)
    for a, b in ((1, 0), (1, -1), (0, -1)):
        of_class = (signs.min(0) == min(a, b)) & (signs.max(0) == max(a, b))
        first = draws[:, of_class] == a
        rate = first.mean(axis=1, keepdims=True)  # of this draw
        z = (first - rate).sum(0) / np.sqrt((rate * (1 - rate)).sum() * of_class.sum() / (of_class.sum() - 1))
        assert np.abs(z).max() < 4.5
        assert np.var(z) == pytest.approx(1, abs=5 * np.sqrt(2 / len(z)))
    np.testing.assert_array_equal(draws[:, signs[0] == signs[1]], np.tile(signs[0][signs[0] == signs[1]], (1500, 1)))


def test_a_pair_of_nodes_joined_twice_is_refused(route):
    edges = edges_of(SPACES["3x4"])
    indices = edges.indices.copy()
    indices[1] = indices[0]  # one pair of nodes, + and -
    G = nng.NeuralGraph([Block.from_csr("b", "x", "y", (30, 40), *padded(edges, 30), indices, edges.values)])
    for kind in ("signed_configuration", "configuration"):
        with pytest.raises(ArgumentError, match="block 'b': got a pair of nodes that is joined more than once"):
            nng.nulls.randomize(G, kind)


def padded(edges, n_rows):
    """The bounds of the rows with empty ones below, so that the block is held sparse."""
    return (np.concatenate([edges.indptr, np.full(n_rows + 1 - len(edges.indptr), edges.indptr[-1])]),)


def test_overlapping_rows_are_left_as_they_are():
    rng = np.random.default_rng(0)
    for few in (0, 99):
        for _ in range(300):  # an overlap that leaves no number of {+,-} columns possible must not be dealt
            planes = rng.integers(0, 2**64, (2, 2, 1), np.uint64, endpoint=False) & rng.integers(0, 64, dtype=np.uint64)
            before = planes.copy()
            x, y, taken = (np.zeros(1, np.uint64) for _ in range(3))
            sizes = ternary.tally(planes, 0, 1, x, y)[:5]
            low, high = ternary.bounds(*sizes)
            changed = ternary.trade_between(planes, 0, 1, few, x, y, taken, *STREAM)
            assert low <= high or not changed
            assert changed or (planes == before).all()


# ------------------------------------------------------- any block, seeds, threads


def random_block(seed, zeros="drop"):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.choice([1, 2, 5, 17, 63, 64, 65, 130], 2))
    W = rng.normal(size=shape).astype(rng.choice([np.float16, np.float32, np.float64])) + np.float16(1e-3)
    return nng.from_matrices([W], [rng.random(shape) < rng.choice([0.0, 0.02, 0.3, 0.9, 1.0])], zeros=zeros)


def margins(block, *, signed):
    mask = np.ones(block.shape, bool) if block.mask is None else block.mask
    W = np.where(mask, block.dense(), 0)
    kinds = (W > 0, W < 0) if signed else (mask,)
    return [one.sum(axis) for one in kinds for axis in (0, 1)]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["signed_configuration", "configuration"]), st.booleans())
def test_margins_and_weights_are_exact_on_any_block(seed, kind, as_lists):
    G = random_block(seed)
    assume(G.n_edges)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", NullModelWarning)  # of rigid blocks, where only magnitudes move
        if as_lists:
            patch.setattr(configuration, "_LISTS_BELOW", 2.0)
        try:
            R = nng.nulls.randomize(G, kind, rng=seed, sweeps=8)
        except NullModelError:
            assert SignedConfiguration(KernelEdges(G.block(0)), np.random.SeedSequence(0)).is_rigid()
            return
    old, new = G.block(0), R.block(0)
    assert (new.dtype, new.n_edges, new.is_sparse) == (old.dtype, old.n_edges, old.is_sparse)
    for before, after in zip(*(margins(b, signed=kind[0] == "s") for b in (old, new)), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(np.sort(old.values), np.sort(new.values))


@given(st.integers(0, 2**32 - 1))
def test_the_edges_of_a_block_are_read_as_its_compressed_rows(seed):
    block = random_block(seed, zeros="keep").block(0)
    edges = KernelEdges(block)
    assert edges.complete or all(
        np.array_equal(a, b)
        for a, b in zip((edges.indptr, edges.indices, edges.values), block.csr_arrays(), strict=True)
    )


@pytest.mark.parametrize("shape", [(40, 150), (150, 40)])
def test_a_chain_starts_at_the_block_and_its_seed_decides_it_however_its_sweeps_are_divided(shape, route):
    rng = np.random.default_rng(1)
    signs = rng.choice([-1, 0, 1], shape, p=[0.1, 0.7, 0.2]).astype(np.int8)
    edges = edges_of(signs)
    once, parts, other = (SignedConfiguration(edges, np.random.SeedSequence(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(dense(once), signs)
    once.run(7)
    for n in (3, 4):
        parts.run(n)
    other.run(7)
    np.testing.assert_array_equal(dense(once), dense(parts))
    assert not np.array_equal(dense(once), dense(other))
    assert once.counts() == parts.counts()
    assert once.agreement() == pytest.approx((dense(once) == signs)[signs != 0].mean())
    counts = once.counts()
    assert counts["row trades"] == 7 * 20
    assert 0 < counts["row trades that changed"] <= 7 * 20
    assert 0 < counts["column trades that changed"] <= counts["column trades"]


@pytest.mark.parametrize("start", [SignedConfiguration, Configuration])
def test_threads_give_what_one_gives(start, monkeypatch):
    monkeypatch.setattr(configuration, "_THREADED", 0)
    rng = np.random.default_rng(1)
    signs = rng.choice([-1, 0, 1], (121, 300), p=[0.1, 0.7, 0.2]).astype(np.int8)
    ends = []
    for n_jobs in (1, 2, 3, -1):
        chain = start(edges_of(signs), np.random.SeedSequence(3))
        chain.run(6, n_jobs)
        ends.append((dense(chain), chain.counts()))
    for end, counts in ends[1:]:
        np.testing.assert_array_equal(end, ends[0][0])
        assert counts == ends[0][1]


def test_a_very_sparse_block_is_mixed_in_lists_of_its_edges():
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, 20_000**2, 200_000))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(cells // 20_000, minlength=20_000))])
    indices, W = (cells % 20_000).astype(np.int32), rng.normal(size=len(cells)).astype(np.float32)
    block = Block.from_csr("b", "x", "y", (20_000, 20_000), indptr, indices, W)
    chain = SignedConfiguration(KernelEdges(block), np.random.SeedSequence(1))
    assert isinstance(chain._layout, configuration._Lists)
    chain.run(12)
    assert chain.agreement() < 0.01
    at = chain.placement()
    np.testing.assert_array_equal(at.indptr, indptr)
    assert all((np.diff(at.indices[a:b]) > 0).all() for a, b in itertools.pairwise(indptr))
    rows = np.repeat(np.arange(20_000), np.diff(indptr))
    for sign in (1, -1):
        for ends, own in ((rows, rows), (at.indices, indices)):
            now, before = ends[at.signs == sign], own[np.sign(W) == sign]
            np.testing.assert_array_equal(np.bincount(now, minlength=20_000), np.bincount(before, minlength=20_000))


@pytest.mark.parametrize("start", [SignedConfiguration, Configuration])
@pytest.mark.parametrize("density", [0.05, 0.5])
def test_nine_sweeps_leave_a_hundredth_of_the_start(start, density):
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 0, 1], (256, 1024), p=[0.4 * density, 1 - density, 0.6 * density]).astype(np.int8)
    edges = edges_of(signs)

    def agreement(n_sweeps):
        chains = [start(edges, np.random.SeedSequence([n_sweeps, i])) for i in range(6)]
        for chain in chains:
            chain.run(n_sweeps)
        return np.mean([chain.agreement() for chain in chains])

    limit, by_chance = agreement(40), density * (0.52 if start is SignedConfiguration else 1)
    assert 0.99 * by_chance < limit < 1.3 * by_chance  # more where degrees are uneven
    assert (agreement(9) - limit) / (1 - limit) < 0.01
    assert (agreement(4) - limit) / (1 - limit) > 0.03


# ------------------------------------------------- complete, rigid, and bad blocks


def test_a_complete_block_keeps_its_support_and_is_kind_g_or_kind_a():
    W = np.random.default_rng(0).normal(size=(6, 9))
    G = nng.from_matrices([W])
    assert isinstance(
        configuration.signed_configuration(KernelEdges(G.block(0)), np.random.SeedSequence(0)), CompleteSigns
    )
    signed, unsigned = (nng.nulls.randomize(G, kind, rng=1) for kind in ("signed_configuration", "configuration"))
    for R in (signed, unsigned):
        assert R.block(0).same_support(G.block(0))
        np.testing.assert_array_equal(np.sort(R.weights()), np.sort(G.weights()))
    for axis in (0, 1):
        np.testing.assert_array_equal((signed.block(0).dense() > 0).sum(axis), (W > 0).sum(axis))
        assert not np.array_equal((unsigned.block(0).dense() > 0).sum(axis), (W > 0).sum(axis))


@pytest.mark.parametrize("as_lists", [False, True])
def test_a_block_is_rigid_where_its_margins_admit_one_matrix_only(as_lists, monkeypatch):
    monkeypatch.setattr(configuration, "_LISTS_BELOW", 2.0 if as_lists else 0.0)
    every, number = all_matrices((3, 3)), classes((3, 3))
    alone = np.bincount(number)[number] == 1
    rng = np.random.default_rng(0)
    for signs in (*rng.permutation(every[alone])[:100], *rng.permutation(every[~alone])[:100]):
        chain = SignedConfiguration(edges_of(signs), np.random.SeedSequence(0))
        assert chain.is_rigid() == (len(space(signs)) == 1)
        unsigned = Configuration(edges_of(signs), np.random.SeedSequence(0))
        assert unsigned.is_rigid() == (len(supports(signs)) == 1 and not signs.all())
        chain.run(30)
        assert chain.is_rigid() == (len(space(signs)) == 1)


def test_a_rigid_block_is_reported():
    nested = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0], [6.0, 0.0, 0.0]])
    G = nng.from_matrices([nested])
    with pytest.warns(NullModelWarning, match="no legal move in block '0'"):
        R = nng.nulls.randomize(G, "configuration", rng=1)
    assert R.block(0).same_support(G.block(0))
    with pytest.raises(NullModelError, match="kind 'signed_configuration' has no legal move"):
        nng.nulls.randomize(nng.from_matrices([np.eye(4)[:1]]), "signed_configuration", rng=1)


def test_edges_of_weight_zero_move_when_signs_do_not_count_and_are_refused_when_they_do():
    W = np.array([[1.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 3.0, 4.0]])
    mask = np.array([[True, True, False], [False, True, False], [False, True, True]])
    G = nng.from_matrices([W], [mask], zeros="keep")
    with pytest.raises(
        ArgumentError, match=r"block '0': got 1 edges of weight 0; .* G.with_support\(G.weights\(\) != 0\)"
    ):
        nng.nulls.randomize(G, "signed_configuration")
    nng.nulls.randomize(G.with_support(G.weights() != 0), "signed_configuration", rng=1)
    for R in nng.nulls.ensemble(G, "configuration", n=20, rng=2):
        assert sorted(R.weights().tolist()) == [-2.0, 0.0, 1.0, 3.0, 4.0]
        for axis in (0, 1):
            np.testing.assert_array_equal(R.block(0).mask.sum(axis), mask.sum(axis))
