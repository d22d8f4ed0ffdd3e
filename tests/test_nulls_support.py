"""Signs on a fixed support: trades and worms, each proven on spaces small enough to enumerate."""

from __future__ import annotations

import dataclasses
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from scipy import stats
from sign_spaces import CYCLIC, margins, p_value, random_supports, states

import nngraph as nng
from nngraph.blocks import Block
from nngraph.nulls import _kernels, cycles
from nngraph.nulls._edges import KernelEdges
from nngraph.nulls._kernels import cores
from nngraph.nulls.cycles import OnLists, OnPlanes, SupportSigns

DEAD_END = np.array([[1, -1, 0, 1], [-1, 1, 1, 1], [1, 1, -1, 1]], dtype=np.int8)
"""The last column has positive edges only, which cannot move: a worm must not wander there."""
TWO_PARTS = np.array([[1, -1, 0, 0, 0], [-1, 1, 0, 0, 0], [0, 0, 1, -1, 1], [0, 0, -1, 1, -1]], dtype=np.int8)
"""Two parts that share no node."""


def kernel_edges(signs, zeros="drop"):
    return KernelEdges(nng.from_matrices([np.asarray(signs, dtype=np.float32)], zeros=zeros).block(0))


def chain(signs, seed=0, zeros="drop"):
    return SupportSigns(kernel_edges(signs, zeros), np.random.SeedSequence(seed))


def dense(walk, shape):
    """Signs of now as a matrix."""
    where = walk.placement()
    result = np.zeros(shape, int)
    rows = np.repeat(np.arange(shape[0]), np.diff(where.indptr))
    result[rows, where.indices if len(where.indices) else np.tile(np.arange(shape[1]), shape[0])] = where.signs
    return result


def by_trades(monkeypatch, sweeps=20):
    """Take the route of blocks whose rows share many columns, however small the block is."""
    monkeypatch.setattr(cycles, "_DENSE", 0.0)
    monkeypatch.setattr(cycles, "_FEW", 0)
    monkeypatch.setattr(cycles, "sweeps_of_trades", lambda *_: sweeps)


def by_worms(monkeypatch):
    monkeypatch.setattr(cycles, "_DENSE", 2.0)


ROUTES = {"trades and worms": by_trades, "worms alone": by_worms}


def spread_out(signs, n_columns=150):
    """The same space with its columns far apart, in several words of a plane."""
    result = np.zeros((len(signs), n_columns), np.int8)
    result[:, np.linspace(0, n_columns - 1, signs.shape[1]).astype(int)] = signs
    return result


def states_of_one_chain(signs, n, seed=0, apart=12):
    """Count the states of a chain, ``apart`` sweeps apart; margins and support are asserted on every one."""
    walk = chain(signs, seed)
    counts = Counter()
    for _ in range(n):
        walk.run(apart)
        now = dense(walk, signs.shape)
        np.testing.assert_array_equal(now != 0, signs != 0)
        for axis in (0, 1):
            np.testing.assert_array_equal((now > 0).sum(axis), (signs > 0).sum(axis))
        counts[tuple(now.ravel().tolist())] += 1
    return counts, walk


SUPPORTS = {
    "cyclic": CYCLIC,
    "dead end": DEAD_END,
    "two parts": TWO_PARTS,
    "complete": margins([2, 1, 1], [1, 1, 1, 1]),
    **{f"random {i}": signs for i, signs in enumerate(random_supports(5, 8, 6, 40))},
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("layout", ["as it is", "transposed", "several words"])
@pytest.mark.parametrize("name", SUPPORTS)
def test_every_state_is_visited_equally_often_by_either_route(monkeypatch, name, route, layout):
    ROUTES[route](monkeypatch)
    signs = {"transposed": lambda s: s.T, "several words": spread_out}.get(layout, lambda s: s)(SUPPORTS[name])
    space = {tuple(np.reshape(state, SUPPORTS[name].shape)[SUPPORTS[name] != 0]) for state in states(SUPPORTS[name])}
    counts, walk = states_of_one_chain(signs, 60 * len(space))
    assert isinstance(walk._moves, OnPlanes if route == "trades and worms" else OnLists)
    seen = Counter()
    for state, n in counts.items():
        matrix = np.reshape(state, signs.shape)
        matrix = (
            matrix.T
            if layout == "transposed"
            else matrix[:, (signs != 0).any(axis=0)]
            if layout != "as it is"
            else matrix
        )
        seen[tuple(matrix[matrix != 0])] += n
    assert p_value(seen, space) > 1e-3


# ----------------------------------------------------- one worm, exactly enumerated


def movable(signs):
    """The cells that lie on a directed cycle (networkx), and the component of each row."""
    graph = nx.DiGraph()
    for i, j in np.argwhere(signs):
        graph.add_edge(*((("row", i), ("column", j)) if signs[i, j] > 0 else (("column", j), ("row", i))))
    label = {node: k for k, nodes in enumerate(nx.strongly_connected_components(graph)) for node in nodes}
    cells = [(i, j) for i, j in np.argwhere(signs) if label["row", i] == label["column", j]]
    return cells, {i: label["row", i] for i, _ in cells}


def home_law(signs):
    """The chance of each row to be the home of a worm, from the documented rule."""
    cells, component = movable(signs)
    n_in = Counter(i for i, j in cells if signs[i, j] < 0)
    weight = {i: (n_in[i] + 1) / list(component.values()).count(component[i]) for i in component}
    return {i: w / sum(weight.values()) for i, w in weight.items()}


def worm_matrix(signs, space):
    """Exact transition probabilities of one worm between all states, by solving its absorbing chain.

    Written from the rule, on orientations and not on slots or planes: a mid-walk state is (signs of the movable edges,
    node reached, edge arrived by, home).
    """
    ends = [(int(i), signs.shape[0] + int(j)) for i, j in movable(signs)[0]]
    where = tuple(np.array(movable(signs)[0]).T)
    orient = {state: tuple(np.reshape(state, signs.shape)[where].tolist()) for state in space}

    def out_edges(o, v):
        return [e for e, pair in enumerate(ends) if pair[0 if o[e] > 0 else 1] == v]

    def reverse(o, e):
        return (*o[:e], -o[e], *o[e + 1 :])

    def moves(state):
        o, v, e, home = state
        if v == home:
            return {("end", reverse(o, e)): 1.0}
        leaving = [c for c in out_edges(o, v) if c != e]
        return {(reverse(o, e), sum(ends[c]) - v, c, home): 1 / len(leaving) for c in leaving}

    homes = home_law(signs)
    starts = {
        s: {
            (o, ends[e][1], e, home): p / len(out_edges(o, home))
            for home, p in homes.items()
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
    stops = {("end", o): k for k, o in enumerate(orient.values())}
    walk, stop = np.zeros((len(index), len(index))), np.zeros((len(index), len(stops)))
    for state, row in index.items():
        for after, p in moves(state).items():
            if after in stops:
                stop[row, stops[after]] += p
            else:
                walk[row, index[after]] += p
    absorbed = np.linalg.solve(np.eye(len(index)) - walk, stop)
    return np.array([sum(p * absorbed[index[state]] for state, p in row.items()) for row in starts.values()])


@pytest.mark.parametrize(
    "signs",
    [CYCLIC, DEAD_END, TWO_PARTS, margins([1, 1, 1], [1, 1, 1]), *random_supports(4, 21, 3, 12)],
    ids=lambda s: str(s.shape),
)
def test_a_worm_and_its_reverse_are_equally_likely(signs):
    space = sorted(states(signs))
    P = worm_matrix(signs, space)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)  # it always comes home, with the degrees it left
    np.testing.assert_allclose(P, P.T, atol=1e-12)
    reached = np.linalg.matrix_power(np.eye(len(P)) + P, len(P))
    assert (reached > 0).all()  # every state, from every state


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("signs", [DEAD_END, TWO_PARTS, *random_supports(2, 33, 4, 8)], ids=lambda s: str(s.shape))
def test_the_kernels_run_the_worm_that_was_enumerated(monkeypatch, signs, route):
    """Without trades and with no worm but that of the coin, a sweep is a worm with probability 1/2."""
    ROUTES[route](monkeypatch)
    if len(signs) > signs.shape[1]:
        signs = signs.T
    space = sorted(states(signs))
    law = (np.eye(len(space)) + worm_matrix(signs, space)) / 2
    for k, state in enumerate(space):
        walk = chain(np.reshape(state, signs.shape))
        moves = walk._moves
        homes = dict(zip(moves._worms.homes.tolist(), np.diff(moves._worms.chances, prepend=0), strict=True))
        assert homes == pytest.approx(home_law(signs))
        moves._worms, moves._n_trades = dataclasses.replace(moves._worms, number=0), 0.0
        arrays = moves._graph[1:] if route == "worms alone" else (moves._positive,)
        begun = [array.copy() for array in arrays]
        seen = Counter()
        for _ in range(1500):
            for array, first in zip(arrays, begun, strict=True):
                array[:] = first
            walk.run(1)
            seen[tuple(dense(walk, signs.shape).ravel().tolist())] += 1
        counts, likely = np.array([seen[after] for after in space]), law[k] > 0
        assert counts.sum() == 1500
        assert not counts[~likely].any()
        assert stats.chisquare(counts[likely], 1500 * law[k][likely]).pvalue > 1e-4


# ---------------------------------------------------------- samplers that are wrong


def test_trades_alone_miss_a_state_of_the_cyclic_support(monkeypatch):
    by_trades(monkeypatch)
    moves = chain(CYCLIC)._moves
    before = moves._positive.copy()
    streams = moves._pairings, moves._trades
    assert _kernels.trade_sweeps(moves._positive, moves._movable, moves._ranked, 0, 200, *streams) == 0
    np.testing.assert_array_equal(moves._positive, before)
    assert len(states_of_one_chain(CYCLIC, 20)[0]) == 2


def test_a_fixed_number_of_worms_without_a_coin_has_a_period(monkeypatch):
    """Every worm flips the hexagon, so the parity of their number is the state: the coin alone hides it."""
    by_worms(monkeypatch)
    seen = set()
    for seed in range(40):
        walk = chain(CYCLIC, seed)
        walk.run(1)
        seen.add((walk.counts()["worms"] % 2, walk.agreement()))
    assert seen == {(0, 1.0), (1, 0.0)}


# -------------------------------------------------------------- what the chain says


def large(shape=(96, 256), density=0.4, seed=0, spread=0.4):
    rng = np.random.default_rng(seed)
    signs = np.sign(
        rng.normal(size=shape) + spread * rng.normal(size=(shape[0], 1)) + spread * rng.normal(size=shape[1])
    )
    return np.where(rng.random(shape) < density, signs, 0).astype(np.int8)


CASES = {"planes": (large(), OnPlanes), "tall": (large().T, OnPlanes), "lists": (large((200, 400), 0.02), OnLists)}


def test_rows_are_paired_uniformly_and_with_rows_of_like_rank_in_turn():
    ranked, stream = np.arange(24)[::-1].copy(), _kernels.streams(np.random.SeedSequence(0))
    met = np.zeros((4, 24, 24))
    for sweep in range(4000):
        order = _kernels.pairing(ranked, sweep, *stream)
        assert sorted(order.tolist()) == list(range(24))
        met[sweep % 4, order[0::2], order[1::2]] += 1
    met += met.transpose(0, 2, 1)
    apart = np.abs(np.subtract.outer(ranked, ranked))
    for even in (0, 2):
        assert stats.chisquare(met[even][np.triu_indices(24, 1)]).pvalue > 1e-3
    for odd in (1, 3):
        assert (apart[met[odd] > 0] < 4).all()
    assert (met[1][apart == 1] + met[3][apart == 1] > 0).all()  # shifted windows: no wall between neighbours


@pytest.mark.parametrize("name", CASES)
def test_running_in_pieces_is_running_at_once(name):
    signs, route = CASES[name]
    one, other = chain(signs), chain(signs)
    assert isinstance(one._moves, route)
    one.run(7)
    other.run(3)
    other.run(4)
    assert one.counts() == other.counts()
    assert one.agreement() == other.agreement() < 0.9
    np.testing.assert_array_equal(one.placement().signs, other.placement().signs)
    assert chain(signs, seed=1).agreement() == 1.0


def test_threads_give_the_same_signs_as_one(monkeypatch):
    monkeypatch.setattr(cycles, "_THREADED", 0)
    signs, results = large((97, 300)), []
    for n_jobs in (1, 2, 3):
        monkeypatch.setattr(cycles, "_THREADED", 0 if n_jobs > 1 else 2**62)
        walk = chain(signs)
        walk.run(5, n_jobs)
        results.append((walk.placement().signs.tolist(), walk.counts()))
    assert results[0] == results[1] == results[2]
    assert results[0][1]["changing_trades"] > 0


@pytest.mark.parametrize("name", CASES)
def test_agreement_and_counts_say_what_was_done(name):
    signs, route = CASES[name]
    walk = chain(signs)
    assert walk.counts() == {"trades": 0, "changing_trades": 0, "worms": 0, "steps": 0}
    walk.run(4)
    now, counts = dense(walk, signs.shape), walk.counts()
    assert walk.agreement() == pytest.approx((now == signs)[signs != 0].mean(), abs=1e-12)
    assert counts["steps"] >= 4 * counts["worms"] > 0
    if route is OnPlanes:
        assert 4 * (min(signs.shape) // 2) <= counts["trades"]
        assert 0.9 * counts["trades"] < counts["changing_trades"] <= counts["trades"]
    else:
        assert counts["trades"] == 0


@pytest.mark.parametrize("route", ROUTES)
def test_a_block_is_rigid_exactly_where_its_space_has_one_state(monkeypatch, route):
    ROUTES[route](monkeypatch)
    rng = np.random.default_rng(3)
    found = Counter()
    for _ in range(150):
        signs = rng.choice([-1, 0, 1], rng.integers(1, 6, 2), p=[0.4, 0.3, 0.3]).astype(np.int8)
        if not signs.any():
            continue
        walk, rigid = chain(signs), len(states(signs)) == 1
        assert walk.is_rigid() == rigid
        found[rigid] += 1
        walk.run(3)
        if rigid:
            assert walk.agreement() == 1.0
            np.testing.assert_array_equal(dense(walk, signs.shape), signs)
    assert min(found.values()) > 20


def test_edges_that_cannot_move_are_those_off_every_directed_cycle():
    """Whether planes are trimmed or lists cut: the same edges as networkx finds."""
    for seed in range(20):
        signs = large((12, 70), 0.15, seed, spread=2.0)
        cells = {(int(i), int(j)) for i, j in movable(signs)[0]}
        edges = kernel_edges(signs)
        start = edges.values.astype(np.int8)
        where, _, _ = cycles._movable_edges(edges, start)
        assert {tuple(cell) for cell in np.argwhere(signs)[where].tolist()} == cells
        positive, signed = cycles._planes(edges, start)
        left = _kernels.trim(positive, signed)
        kept = np.unpackbits(left.view(np.uint8), axis=1, bitorder="little")[:, :70]
        assert cells <= {tuple(cell) for cell in np.argwhere(kept).tolist()}
        assert bool(cells) == kept.any()
        assert _kernels.strongly_connected(positive, left) == (
            len(cells) == kept.sum() > 0 and len(set(movable(signs)[1].values())) == 1
        )


@pytest.mark.parametrize("shape", [(1, 1), (63, 65), (64, 64), (130, 200)])
def test_a_plane_is_transposed_bit_by_bit(shape):
    signs = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], shape)
    signs[0, 0] = 1
    edges = kernel_edges(signs)
    flat = edges.values.astype(np.int8)
    flat.setflags(write=False)
    for plane, cells in zip(
        _kernels.pack(flat, edges.indptr, edges.indices, shape[1]), (signs > 0, signs != 0), strict=True
    ):
        turned = _kernels.transposed(plane, shape[1])
        bits = np.unpackbits(turned.view(np.uint8), axis=1, bitorder="little")
        np.testing.assert_array_equal(bits[:, : shape[0]], cells.T)
        assert not bits[:, shape[0] :].any()


@pytest.mark.parametrize(("n", "k"), [(50, 1), (60, 30), (100, 37), (200, 199)])
@pytest.mark.parametrize("factor", [1, 3, 20])
def test_a_trade_deals_uniform_subsets_of_few_and_many_columns(n, k, factor):
    """Two rows differ in n columns out of some: each of those is dealt at the rate k / n, and pairs without bias."""
    rng = np.random.default_rng(n)
    signs = np.ones((2, factor * n), np.int8)
    differ = rng.permutation(factor * n)[:n]
    signs[0, differ[k:]], signs[1, differ[:k]] = -1, -1
    edges = kernel_edges(signs)
    flat = edges.values.astype(np.int8)
    flat.setflags(write=False)
    before, movable = _kernels.pack(flat, edges.indptr, edges.indices, factor * n)
    stream = _kernels.streams(np.random.SeedSequence(0))
    draws = np.empty((4000, n), bool)
    for sweep in range(4000):
        positive = before.copy()
        _kernels.trade(positive, movable, np.arange(2), 0, 1, sweep, *stream)
        bits = np.unpackbits(positive.view(np.uint8), axis=1, bitorder="little")
        draws[sweep] = bits[0, differ]
        np.testing.assert_array_equal(bits[:, : factor * n].sum(axis=0), (signs > 0).sum(axis=0))
    assert (draws.sum(axis=1) == k).all()
    expected, spread = 4000 * k / n, np.sqrt(4000 * k / n * (1 - k / n))
    assert np.abs(draws.sum(axis=0) - expected).max() < 4.5 * spread
    both = np.array([(draws[:, i] & draws[:, i + 1]).sum() for i in range(0, n - 1, 2)])
    rate = k * (k - 1) / (n * (n - 1))
    assert np.abs(both - 4000 * rate).max() < 4.5 * np.sqrt(4000 * rate * (1 - rate)) + 1


# ------------------------------------------------------------------------- mixing


def offset(mask, spread=0.3, seed=4):
    """Signs on a support, with logit offsets of rows and columns."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (len(mask), 1)) + rng.normal(0, spread, mask.shape[1])
    return np.where(mask, np.where(rng.random(mask.shape) < 1 / (1 + np.exp(-logits)), 1, -1), 0).astype(np.int8)


def bernoulli(density, shape=(768, 3072)):
    return np.random.default_rng(7).random(shape) < density


def sparse_beside_dense():
    """Inputs at the border of images: few edges, so that no mean over all shows them."""
    mask = bernoulli(0.01, (384, 1536))
    mask[:, :150] = True
    return mask


def parts_apart(density):
    """A small dense part and a large one that share no node."""
    mask = np.zeros((400, 1500), bool)
    mask[:40, :40] = True
    mask[40:, 40:] = bernoulli(density, (360, 1460))
    return mask


def trained_and_pruned():
    """Signs of the first block of a digit network, the weakest nine tenths of its edges pruned."""
    from nngraph import training

    data = nng.datasets.load("digits")
    model = training.mlp((784, 64, 10), rng=0)
    training.train(model, data.images, data.labels, epochs=3, rng=0)
    G = nng.ops.prune(nng.from_torch(model), fraction=0.9)
    return np.sign(G.block(0).dense()).astype(np.int8)


def excess(signs, n_chains, some=None):
    """How much the agreement with the start is above its limit after 5 and after 20 sweeps."""
    edges = kernel_edges(signs)
    start = edges.values.astype(np.int8)
    some = np.ones(len(start), bool) if some is None else some[signs != 0]
    after = {5: [], 20: [], "limit": []}
    for seed in range(n_chains):
        walk = SupportSigns(edges, np.random.SeedSequence(seed))
        for n, key in ((5, 5), (15, 20), (30, "limit"), (10, "limit"), (10, "limit")):
            walk.run(n)
            after[key].append((walk.placement().signs == start)[some].mean())
    limit = np.mean(after["limit"])
    return np.mean(after[5]) - limit, np.mean(after[20]) - limit


MIXED = {
    "2 %": (lambda: offset(bernoulli(0.02)), 12),
    "5 %": (lambda: offset(bernoulli(0.05)), 6),
    "20 %": (lambda: offset(bernoulli(0.2)), 3),
    "50 %": (lambda: offset(bernoulli(0.5)), 2),
    "sparse columns beside dense ones": (lambda: offset(sparse_beside_dense()), 12),
    "a small part apart from a dense one": (lambda: offset(parts_apart(0.3)), 6),
    "a small part apart from a sparse one": (lambda: offset(parts_apart(0.04)), 20),
    "very uneven signed degrees": (lambda: offset(bernoulli(0.3, (384, 1536)), 2.0), 6),
    "a trained and pruned digit network": (trained_and_pruned, 100),
}


@pytest.mark.parametrize("name", MIXED)
def test_twenty_sweeps_take_the_agreement_with_the_start_to_its_limit(name):
    make, n_chains = MIXED[name]
    early, late = excess(make(), n_chains)
    assert abs(late) < 0.003
    assert early > 0.01  # so the line above can fail


@pytest.mark.parametrize(
    ("mask", "few"),
    [
        (sparse_beside_dense(), np.broadcast_to(np.arange(1536) >= 150, (384, 1536))),
        (parts_apart(0.3), np.broadcast_to(np.arange(1500) < 40, (400, 1500))),
        (parts_apart(0.04), np.broadcast_to(np.arange(1500) < 40, (400, 1500))),
    ],
    ids=["sparse columns", "the small part beside a dense one", "the small part beside a sparse one"],
)
def test_the_few_edges_of_another_density_are_mixed_too(mask, few):
    early, late = excess(offset(mask), 30, few)
    assert (mask & few).sum() < 0.15 * mask.sum()
    assert abs(late) < 0.01
    assert early > 0.02


@pytest.mark.parametrize("shape", [(1, 1), (3, 64), (254, 65), (255, 130), (256, 20), (600, 129)])
def test_margins_of_planes_are_the_sums_of_their_bits(shape):
    rng = np.random.default_rng(shape[0])
    cells = rng.random((2, *shape)) < 0.9
    padded = np.pad(cells, ((0, 0), (0, 0), (0, -shape[1] % 64)))
    planes = np.packbits(padded, axis=2, bitorder="little").view(np.uint64)
    rows, columns = _kernels.margins(planes[0], planes[1], shape[1])
    both = cells[0] & cells[1]
    np.testing.assert_array_equal(rows, both.sum(axis=1))
    np.testing.assert_array_equal(columns, both.sum(axis=0))


@pytest.mark.parametrize("limit", [40.0, 10.0, 3.0, 0.5, 1e-3])
def test_the_sweeps_of_trades_are_the_fewest_that_leave_little_of_the_start(limit):
    factors, weight = np.random.default_rng(1).random((2, 60))
    n = 1
    while weight @ factors**n > limit:
        n += 1
    assert cores.first_power_below(factors, weight, limit) == n


def test_no_number_of_trades_is_enough_for_signs_that_never_trade():
    assert cores.first_power_below(np.ones(3), np.ones(3), 1.0) == 2**31


@pytest.mark.parametrize("density", [0.06, 0.3])
def test_a_draw_shares_the_support_of_its_graph(density):
    rng = np.random.default_rng(0)
    G = nng.from_matrices([np.where(rng.random((40, 50)) < density, rng.normal(size=(40, 50)), 0)])
    block, drawn = G.block(0), nng.nulls.randomize(G, "G", rng=1).block(0)
    assert block.is_sparse == (density < 0.1)
    if block.is_sparse:
        assert all(a is b or a.base is b for a, b in zip(drawn.csr_arrays()[:2], block.csr_arrays()[:2], strict=True))
    else:
        assert drawn.mask is block.mask
    assert drawn != block
    assert drawn.same_support(block)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_weights_of_an_array_with_a_mask_come_to_its_cells(dtype):
    rng = np.random.default_rng(2)
    held = "float32" if dtype == "bfloat16" else dtype
    weights, mask = rng.normal(size=(9, 70)).astype(held), rng.random((9, 70)) < 0.4
    block = Block.from_dense("b", "x", "y", weights, mask, dtype=dtype)
    new = rng.normal(size=block.n_edges).astype(np.float32 if held == "float16" else held)
    spread = KernelEdges(block).with_values(new)
    assert spread == block.with_values(new.astype(held))
    np.testing.assert_array_equal(spread.dense()[~mask], 0)
    assert spread.mask is block.mask
    assert spread.dense().dtype == held
