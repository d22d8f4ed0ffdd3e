"""Kind G: signs rewired on a fixed support, tested against the full enumeration of small spaces."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

import nngraph as nng
from nngraph.nulls import _kernels, cycles
from nngraph.nulls._edges import KernelEdges, read_only

CYCLIC = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], dtype=np.int8)
"""Empty diagonal, every node with one edge of each sign: two states, six edges apart."""


def states(signs):
    """All ways to sign the nonzero cells with the same numbers of + in every row and column, by brute force."""
    choices = []
    for row in signs:
        cells = np.flatnonzero(row)
        ways = []
        for plus in itertools.combinations(cells, int((row > 0).sum())):
            way = np.where(row != 0, -1, 0)
            way[list(plus)] = 1
            ways.append(way)
        choices.append(ways)
    target = (signs > 0).sum(axis=0)
    return {
        tuple(np.concatenate(rows).tolist())
        for rows in itertools.product(*choices)
        if np.array_equal(sum((row > 0).astype(int) for row in rows), target)
    }


def margins(rows, columns):
    """A complete sign matrix with these numbers of + (greedy, rows in turn)."""
    left = np.array(columns)
    signs = np.full((len(rows), len(columns)), -1, dtype=np.int8)
    for i, n in enumerate(rows):
        take = np.argsort(-left, kind="stable")[:n]
        signs[i, take] = 1
        left[take] -= 1
    assert not left.any()
    return signs


def random_supports(n, seed, fewest, most):
    """Small random signed supports whose space has between ``fewest`` and ``most`` states."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        shape = rng.integers(3, 6, 2)
        signs = rng.choice([-1, 0, 1], shape, p=[0.3, 0.4, 0.3]).astype(np.int8)
        if (signs == 0).any() and fewest <= len(states(signs)) <= most:
            found.append(signs)
    return found


def sampled(signs, n, seed=0):
    """Sign states of independent draws of the library, each from the same start."""
    G = nng.from_matrices([signs.astype(np.float32)])
    draws = nng.nulls.ensemble(G, "G", n=n, rng=seed)
    return Counter(tuple(R.block(0).dense().astype(int).ravel().tolist()) for R in draws)


def p_value(counts, space):
    """Of the hypothesis that the counts are uniform over the space; 0 where a state was missed or invented."""
    if set(counts) != space:
        return 0.0
    return stats.chisquare([counts[state] for state in space]).pvalue


SPACES = {
    "3x3, all margins 1": margins([1, 1, 1], [1, 1, 1]),
    "3x4": margins([2, 1, 1], [1, 1, 1, 1]),
    "3x4, uneven": margins([3, 2, 1], [2, 2, 1, 1]),
    "4x4": margins([2, 2, 2, 2], [2, 2, 2, 2]),
    "5x3, columns shorter than rows": margins([1, 1, 1, 1, 1], [2, 2, 1]),
    "a full and an empty row": margins([4, 0, 2, 1], [2, 2, 2, 1]),
    "cyclic": CYCLIC,
    **{f"pruned {i}": signs for i, signs in enumerate(random_supports(10, 5, 2, 50))},
}


@pytest.mark.parametrize("name", SPACES)
def test_every_state_is_visited_equally_often(name):
    space = states(SPACES[name])
    assert len(space) > 1
    assert p_value(sampled(SPACES[name], 120 * len(space)), space) > 1e-3


def test_the_enumeration_knows_the_published_counts():
    assert len(states(SPACES["3x3, all margins 1"])) == 6
    assert len(states(SPACES["4x4"])) == 90
    assert len(states(CYCLIC)) == 2


def test_the_spaces_have_nodes_without_positive_or_without_negative_edges_and_absent_edges():
    pruned = [signs for name, signs in SPACES.items() if name.startswith("pruned")]
    assert any(((row > 0).any() != (row < 0).any()) for signs in pruned for row in signs)
    assert any(((row > 0).any() != (row < 0).any()) for signs in pruned for row in signs.T)
    assert all((signs == 0).any() for signs in pruned)


def test_magnitudes_are_uniform_within_each_sign_given_the_signs():
    G = nng.from_matrices([np.array([[1.0, -2.0], [-3.0, 4.0]])])
    counts = Counter(tuple(R.weights().tolist()) for R in nng.nulls.ensemble(G, "G", n=1600, rng=2))
    assert len(counts) == 2 * 2 * 2
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_trades_and_worms_together_are_uniform_where_edges_are_absent(monkeypatch):
    monkeypatch.setattr(cycles, "_FEWEST_COMMON", -1)  # take the route of large blocks
    monkeypatch.setattr(cycles, "_MOST_SWEEPS", 10_000)
    for signs in [CYCLIC, *random_supports(3, 8, 10, 40)]:
        space = states(signs)
        assert p_value(sampled(signs, 60 * len(space)), space) > 1e-3


# --------------------------------------- samplers that are wrong fail the same test


def traded(signs, n_sweeps, seed):
    edges = KernelEdges(nng.from_matrices([signs.astype(np.float32)]).block(0))
    flat = edges.values.astype(np.int8)
    return np.sign(cycles._traded(edges, flat, n_sweeps, _kernels.streams(np.random.SeedSequence(seed))))


def test_trades_alone_miss_a_state_of_the_cyclic_support():
    counts = Counter(tuple(traded(CYCLIC, 50, seed).tolist()) for seed in range(50))
    assert len(counts) == 1


def test_a_fixed_number_of_worms_without_a_coin_has_a_period():
    counts = Counter()
    for seed in range(200):
        starts, n_out, other, mate, arrays = directed(CYCLIC)
        _kernels.worms(starts, n_out, other, mate, np.arange(3), 100, *_kernels.streams(np.random.SeedSequence(seed)))
        counts[tuple(_kernels.read_signs(starts, n_out, other, *arrays, 3).tolist())] += 1
    assert len(counts) == 1  # every worm flips the hexagon: an even number of them never leaves the start


def test_rewiring_positive_and_negative_edges_apart_leaves_the_support():
    rng = np.random.default_rng(0)
    signs = SPACES["pruned 0"]
    space = states(signs)
    counts = Counter()
    for _ in range(300):
        plus, minus = ((signs == s).astype(int) for s in (1, -1))
        for one in (plus, minus):
            for _ in range(100):  # checkerboard swaps, blind to the other sign and to the support
                i, j = rng.choice(len(one), 2, replace=False)
                k, m = rng.choice(one.shape[1], 2, replace=False)
                if one[i, k] and one[j, m] and not one[i, m] and not one[j, k]:
                    one[i, k] = one[j, m] = 0
                    one[i, m] = one[j, k] = 1
        counts[tuple((plus - minus).ravel().tolist())] += 1
    assert p_value(counts, space) == 0.0
    assert not set(counts) <= space


# ----------------------------------------------------- one worm, exactly enumerated


def directed(signs):
    """The kernels' view of a small sign matrix: slots, and (signs, indptr, indices) of its nonzero cells."""
    flat = signs[signs != 0]
    indptr = np.concatenate([[0], np.cumsum((signs != 0).sum(axis=1))])
    arrays = tuple(read_only(a) for a in (flat, indptr, np.nonzero(signs)[1].astype(np.int32)))
    return *_kernels.orient(*arrays, signs.shape[1]), arrays


def worm_matrix(signs, space):
    """Exact transition probabilities of one worm between all states, by solving its absorbing chain.

    Written from the rule, on orientations and not on slots: a mid-walk state is (signs of the edges, node reached, edge
    arrived by, whether that edge is to be reversed, home).
    """
    cells = [(int(i), signs.shape[0] + int(j)) for i, j in np.argwhere(signs)]
    flat = np.flatnonzero(signs)
    orient = {state: tuple(np.array(state)[flat].tolist()) for state in space}

    def out_edges(o, v):
        return [e for e, ends in enumerate(cells) if ends[0 if o[e] > 0 else 1] == v]

    def reverse(o, e):
        return (*o[:e], -o[e], *o[e + 1 :])

    def moves(state):
        o, v, e, flip, home = state
        if v == home:
            return {("end", reverse(o, e) if flip else o): 1.0}
        leaving = [c for c in out_edges(o, v) if c != e]
        if not leaving:
            return {(o, sum(cells[e]) - v, e, False, home): 1.0}
        after = reverse(o, e) if flip else o
        return {(after, sum(cells[c]) - v, c, True, home): 1 / len(leaving) for c in leaving}

    homes = [i for i, row in enumerate(signs) if (row > 0).any() and (row < 0).any()]
    starts = {
        s: {
            (o, cells[e][1], e, True, home): 1 / len(homes) / len(out_edges(o, home))
            for home in homes
            for e in out_edges(o, home)
        }
        for s, o in orient.items()
    }
    index, queue = {}, [state for row in starts.values() for state in row]
    while queue:
        state = queue.pop()
        if state not in index and state[0] != "end":
            index[state] = len(index)
            queue.extend(moves(state))
    ends = {("end", o): k for k, o in enumerate(orient.values())}
    walk, stop = np.zeros((len(index), len(index))), np.zeros((len(index), len(ends)))
    for state, row in index.items():
        for after, p in moves(state).items():
            if after in ends:
                stop[row, ends[after]] += p
            else:
                walk[row, index[after]] += p
    absorbed = np.linalg.solve(np.eye(len(index)) - walk, stop)
    return np.array([sum(p * absorbed[index[state]] for state, p in row.items()) for row in starts.values()])


DEAD_END = np.array([[1, -1, 0, 1], [-1, 1, 1, 1], [1, 1, -1, 1]], dtype=np.int8)
"""The last column has positive edges only: a node without out-edges, reached and left again by the same edge."""


@pytest.mark.parametrize(
    "signs",
    [CYCLIC, DEAD_END, SPACES["3x3, all margins 1"], *random_supports(4, 21, 3, 12)],
    ids=lambda s: str(s.shape),
)
def test_a_worm_and_its_reverse_are_equally_likely(signs):
    space = sorted(states(signs))
    P = worm_matrix(signs, space)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)  # it always comes home, with the degrees it left
    np.testing.assert_allclose(P, P.T, atol=1e-12)
    reached = np.linalg.matrix_power(np.eye(len(P)) + P, len(P))
    assert (reached > 0).all()  # every state, from every state


@pytest.mark.parametrize("signs", [DEAD_END, *random_supports(2, 33, 4, 8)], ids=lambda s: str(s.shape))
def test_the_kernel_runs_the_worm_that_was_enumerated(signs):
    space = sorted(states(signs))
    P = worm_matrix(signs, space)
    for start, expected in zip(space, P, strict=True):
        matrix = np.array(start, dtype=np.int8).reshape(signs.shape)
        homes = np.flatnonzero((matrix > 0).any(axis=1) & (matrix < 0).any(axis=1))
        counts = Counter()
        for seed in range(1500):
            starts, n_out, other, mate, arrays = directed(matrix)
            _kernels.worms(starts, n_out, other, mate, homes, 1, *_kernels.streams(np.random.SeedSequence([7, seed])))
            end = np.zeros(matrix.size, int)
            end[np.flatnonzero(matrix)] = _kernels.read_signs(starts, n_out, other, *arrays, matrix.shape[1])
            counts[tuple(end.tolist())] += 1
        seen = np.array([counts[state] for state in space])
        assert seen.sum() == 1500
        assert not seen[expected == 0].any()
        likely = expected > 0
        if likely.sum() > 1:
            assert stats.chisquare(seen[likely], 1500 * expected[likely]).pvalue > 1e-4


# ----------------------------------------------------------- trades, planes, mixing


@pytest.mark.parametrize("n_columns", [1, 63, 64, 65, 130])
def test_planes_give_back_the_signs_they_were_packed_from(n_columns):
    rng = np.random.default_rng(n_columns)
    W = rng.choice([-1.0, 0.0, 1.0], (7, n_columns))
    for zeros in ("drop", "keep"):
        edges = KernelEdges(nng.from_matrices([W], zeros=zeros).block(0))
        signs = read_only(edges.values.astype(np.int8))
        positive, signed = _kernels.pack(signs, edges.indptr, edges.indices, n_columns)
        np.testing.assert_array_equal(_kernels.unpack(positive, signs, edges.indptr, edges.indices), signs)
        bits = np.unpackbits(signed.view(np.uint8), axis=1, bitorder="little")[:, :n_columns]
        np.testing.assert_array_equal(bits, W != 0)


@pytest.mark.parametrize(("n", "k"), [(50, 1), (60, 30), (100, 37), (200, 199)])
def test_a_trade_of_many_columns_deals_uniform_subsets(n, k):
    """Two rows differ in n of 3 n columns: each of those is dealt at the rate k / n, and pairs without bias."""
    rng = np.random.default_rng(n)
    signs = np.ones((2, 3 * n), np.int8)
    differ = rng.permutation(3 * n)[:n]
    signs[0, differ[k:]], signs[1, differ[:k]] = -1, -1
    draws = np.array([traded(signs, 1, seed).reshape(2, -1)[0, differ] > 0 for seed in range(4000)])
    assert (draws.sum(axis=1) == k).all()
    expected, spread = 4000 * k / n, np.sqrt(4000 * k / n * (1 - k / n))
    assert np.abs(draws.sum(axis=0) - expected).max() < 4.5 * spread
    both = np.array([(draws[:, i] & draws[:, i + 1]).sum() for i in range(0, n - 1, 2)])
    rate = k * (k - 1) / (n * (n - 1))
    assert np.abs(both - 4000 * rate).max() < 4.5 * np.sqrt(4000 * rate * (1 - rate)) + 1


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_the_default_length_takes_a_large_block_to_its_plateau(density):
    rng = np.random.default_rng(4)
    W = rng.normal(size=(3072, 768)) + 0.4 * rng.normal(size=(3072, 1)) + 0.4 * rng.normal(size=768)
    G = nng.from_matrices([W.astype(np.float32)], [rng.random(W.shape) < density])
    before = np.sign(G.weights())

    def distance(sweeps):
        R = nng.nulls.randomize(G, "G", rng=1, sweeps=sweeps)
        return np.mean(np.sign(R.weights()) != before)

    plateau = distance(80)
    assert 0.3 < plateau < 0.5
    assert distance(None) == pytest.approx(plateau, rel=0.006)
    assert distance(1) < 0.994 * plateau  # so the line above can fail


@pytest.mark.parametrize("shape", [(64, 784), (784, 64)])
@pytest.mark.parametrize("density", [0.04, 0.2, 0.8, 1.0])
@pytest.mark.parametrize("zeros", ["drop", "keep"])
def test_signed_degrees_hold_on_tall_and_wide_blocks_of_any_density(shape, density, zeros):
    rng = np.random.default_rng(6)
    W = np.where(rng.random(shape) < density, rng.normal(size=shape), 0)
    G = nng.from_matrices([W], zeros=zeros)
    R = nng.nulls.randomize(G, "G", rng=1)
    assert R.block(0).same_support(G.block(0))
    new = R.block(0).dense()
    np.testing.assert_array_equal(W == 0, new == 0)
    for axis in (0, 1):
        np.testing.assert_array_equal((W > 0).sum(axis), (new > 0).sum(axis))
        np.testing.assert_array_equal((W < 0).sum(axis), (new < 0).sum(axis))
    assert not np.array_equal(np.sign(W), np.sign(new))


def test_present_edges_of_weight_zero_stay_and_the_rest_is_uniform():
    signs = np.array([[1, -1, 0], [-1, 1, 1], [0, 1, -1]], dtype=np.int8)
    space = states(signs)
    assert len(space) > 1
    G = nng.from_matrices([signs.astype(np.float64)], zeros="keep")
    draws = nng.nulls.ensemble(G, "G", n=200 * len(space), rng=3)
    counts = Counter(tuple(R.weights().astype(int).tolist()) for R in draws)
    assert p_value(counts, space) > 1e-3


def test_the_cycles_of_a_block_without_any_leave_it_as_it_is():
    signs = read_only(np.array([1, -1], np.int8))
    indptr, indices = np.array([0, 1, 2]), np.array([0, 1], np.int32)
    np.testing.assert_array_equal(cycles.run_worms(signs, indptr, indices, 2, 100.0, np.random.SeedSequence(0)), signs)


def test_no_input_makes_a_kernel_compile_a_form_that_is_not_compiled_ahead():
    """Read-only and writable arrays, and blocks held in different ways, share the compiled forms of two precisions."""
    rng = np.random.default_rng(0)
    full = rng.normal(size=(40, 24))
    cases = [full, np.abs(full), np.where(rng.random(full.shape) < 0.8, full, 0), np.diag(full[:, 0]), full[:, :1]]
    cases += [np.where(rng.random(full.shape) < 0.03, full, 0), np.round(full)]
    cases += [np.where(rng.random((60, 80)) < 0.002, 1.0, 0)]
    kinds = (*"ABCDEFG", "signed_configuration", "configuration")
    for matrix, kind, zeros in itertools.product(cases, kinds, ("drop", "keep")):
        for W in (matrix, matrix.T, matrix.astype(np.float32), matrix.astype(np.float16).T):
            if kind != "signed_configuration" or zeros == "drop" or W.all():
                nng.nulls.randomize(nng.from_matrices([W], zeros=zeros), kind, rng=0)
    forms = {name: len(kernel.signatures) for name, kernel in vars(_kernels).items() if hasattr(kernel, "signatures")}
    assert forms["shuffle"] == forms["shuffle_by_sign"] == 2
    assert forms["to_columns"] == forms["from_columns"] == 3  # signs too
    assert forms["compress"] == 3
    free = ("pack_ternary", "unpack_ternary", "common_bits", "run_ternary", "write_lists", "run_lists", "common_codes")
    assert {forms[name] for name in free} == {1}
    assert {forms[name] for name in ("pack", "unpack", "trade", "orient", "worms", "read_signs")} == {1}


def test_the_few_edges_of_sparse_columns_beside_dense_ones_are_mixed_too():
    """Inputs at the border of images: under a tenth of the edges, so no percentile of columns shows them."""
    rng = np.random.default_rng(4)
    mask = rng.random((384, 1536)) < 0.01
    mask[:, :150] = True
    few = np.broadcast_to(np.arange(1536) >= 150, mask.shape)[mask]
    W = rng.normal(size=mask.shape) + 0.4 * rng.normal(size=(384, 1)) + 0.4 * rng.normal(size=1536)
    G = nng.from_matrices([W], [mask])
    before = np.sign(G.weights())

    def agreement(sweeps):
        draws = nng.nulls.ensemble(G, "G", n=8, rng=1, sweeps=sweeps)
        return np.mean([(np.sign(R.weights()) == before)[few].mean() for R in draws])

    assert 0.05 < few.mean() < 0.1
    assert agreement(None) == pytest.approx(agreement(400), abs=0.02)
