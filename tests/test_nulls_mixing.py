"""How the number of sweeps is chosen, on decays that are known and on chains whose space is enumerated."""

from __future__ import annotations

import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import nngraph as nng
from nngraph.errors import ArgumentError, NullModelWarning
from nngraph.nulls._edges import KernelEdges
from nngraph.nulls.pilots import decay, sweeps_to_mix
from nngraph.nulls.trades import sign_chain

SEED = np.random.SeedSequence(5)


class KnownDecay:
    """A chain whose expected agreement after t sweeps is a given function of t, with binomial noise."""

    def __init__(self, expected, edges, seed, *, rigid=False):
        self.expected, self.n, self.t, self.rigid = expected, len(edges.values), 0, rigid
        self.random = np.random.default_rng(seed)

    def run(self, n_sweeps, n_jobs=1):
        self.t += n_sweeps

    def agreement(self):
        p = float(self.expected(self.t))
        return p if self.n >= 10**9 else self.random.binomial(self.n, p) / self.n

    def is_rigid(self):
        return self.rigid

    def counts(self):
        return {"tried": self.t}


def block_of(n_edges):
    """What the pilots look at: the number of edges (without the memory for them) and the name."""
    return SimpleNamespace(name="fc1", values=np.broadcast_to(np.float32(0), n_edges))


def known(expected, **options):
    return lambda edges, seed: KnownDecay(expected, edges, seed, **options)


def geometric(limit, rate):
    return lambda t: limit + (1 - limit) * rate**t


def needed(limit, rate, tol):
    return next(t for t in itertools.count() if (1 - limit) * rate**t <= tol)


@pytest.mark.parametrize(("limit", "rate"), [(0.5, 0.8), (0.85, 0.9), (0.5, 0.95), (0.02, 0.97)])
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-4])
def test_a_geometric_decay_without_noise_is_followed_to_the_tolerance(limit, rate, tol):
    exact = max(20, needed(limit, rate, tol))
    chosen = sweeps_to_mix(known(geometric(limit, rate)), block_of(10**9), SEED, tol=tol)
    assert geometric(limit, rate)(chosen) - limit <= 1.1 * tol
    assert exact <= chosen + 1
    assert chosen <= 1.3 * exact + 5


@pytest.mark.parametrize("n_edges", [40_000, 2_000_000])
def test_noise_of_any_size_of_block_lets_a_slow_chain_run_long_enough(n_edges):
    exact = needed(0.5, 0.9, 1e-3)
    found = [sweeps_to_mix(known(geometric(0.5, 0.9)), block_of(n_edges), np.random.SeedSequence(i)) for i in range(30)]
    assert np.median(found) == pytest.approx(exact, rel=0.35)
    assert min(found) >= 0.5 * exact


@pytest.mark.parametrize("n_edges", [6, 16, 128, 1000, 50_000])
def test_a_chain_that_halves_every_sweep_runs_about_twenty_sweeps(n_edges):
    found = [sweeps_to_mix(known(geometric(0.5, 0.5)), block_of(n_edges), np.random.SeedSequence(i)) for i in range(40)]
    assert np.median(found) == 20
    assert min(found) == 20
    assert max(found) <= 80


def test_a_slow_tail_behind_a_fast_start_is_seen():
    found = decay(known(lambda t: 0.5 + 0.45 * 0.5**t + 0.05 * 0.95**t), block_of(10**9), SEED, tol=1e-3, step=5)
    exact = next(t for t in itertools.count() if 0.05 * 0.95**t <= 1e-3)
    assert exact <= found.chosen <= 1.3 * exact


def test_a_chain_that_is_almost_still_is_not_taken_for_one_at_its_limit():
    found = decay(known(geometric(0.5, 0.995)), block_of(10**9), SEED, tol=0.1, step=5)
    assert found.sweeps[-1] == 640
    assert 0.5 < found.limit < 0.6


def test_a_chain_that_still_falls_after_the_longest_pilot_says_so_with_the_measured_fall():
    with pytest.warns(NullModelWarning, match=r"block 'fc1': after 640 sweeps .* still falls, by 0\.01[0-9]* over"):
        found = decay(known(geometric(0.5, 0.9998)), block_of(10**9), SEED, tol=1e-3, step=5)
    assert found.chosen == 640
    expected = geometric(0.5, 0.9998)
    third, fourth = (np.mean([expected(t) for t in times]) for times in ((400, 480), (560, 640)))
    assert found.falling == pytest.approx(third - fourth)


def test_a_rigid_block_needs_no_more_than_one_pilot():
    found = decay(known(lambda t: 1.0, rigid=True), block_of(5000), SEED, tol=1e-3, step=5)
    assert (found.chosen, found.limit, found.sweeps[-1]) == (20, 1.0, 20)


def test_a_chain_that_has_not_moved_yet_but_can_is_waited_for():
    found = decay(known(lambda t: 1.0 if t < 50 else 0.6), block_of(10**9), SEED, tol=1e-3, step=5)
    assert found.limit == 0.6
    assert found.chosen >= 50


@pytest.mark.parametrize("step", [1, 5])
def test_the_pilot_costs_at_most_a_few_times_the_draw(step):
    for rate in (0.5, 0.9, 0.95, 0.98):
        found = decay(known(geometric(0.5, rate)), block_of(10**9), SEED, tol=1e-3, step=step)
        assert found.sweeps[-1] <= max(40, 4 * found.chosen)
        assert len(found.sweeps) <= 1 + 20 // step * 6


def test_counts_of_several_pilots_add_up():
    found = decay(known(geometric(0.5, 0.5)), block_of(1024), SEED, tol=1e-3)
    assert found.counts == {"tried": 8 * found.sweeps[-1]}


# -------------------------------------------------------------- chains of the library


SPACES = {
    "3x4": [[1, 1, 1, -1], [1, 1, -1, -1], [-1, -1, 1, -1]],
    "4x4": [[1, 1, -1, -1], [1, -1, 1, -1], [-1, 1, -1, 1], [-1, -1, 1, 1]],
    "edges absent": [[0, 1, -1, 1], [-1, 0, 1, 1], [1, -1, 0, -1]],
}


def space_of(signs):
    """All signs of the nonzero cells with the same numbers of + in every row and column, by brute force."""
    cells = np.nonzero(signs)
    ways = np.zeros((2 ** len(cells[0]), *signs.shape), int)
    ways[:, *cells] = 1 - 2 * (np.arange(len(ways))[:, None] >> np.arange(len(cells[0])) & 1)
    same = [((ways > 0).sum(axis) == (signs > 0).sum(axis - 1)).all(axis=1) for axis in (1, 2)]
    return ways[same[0] & same[1]]


@pytest.mark.parametrize("name", SPACES)
def test_the_limit_is_the_mean_agreement_over_the_enumerated_space(name):
    signs = np.array(SPACES[name])
    agreements = (space_of(signs) == signs)[:, signs != 0].mean(axis=1)
    assert len(agreements) > 2
    assert name != "4x4" or len(agreements) == 90  # the published count
    G = nng.from_matrices([signs.astype(np.float64)])
    limits = [nng.nulls.mixing(G, "G", rng=seed).limit["0"] for seed in range(40)]
    assert abs(np.mean(limits) - agreements.mean()) < 4 * agreements.std() / np.sqrt(40)


def trained_like(shape=(64, 300), seed=0, density=1.0):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=shape) + 0.4 * rng.normal(size=(shape[0], 1)) + 0.4 * rng.normal(size=shape[1])
    return nng.from_matrices(
        [W.astype(np.float32), rng.normal(size=(3, shape[0]))], [rng.random(shape) < density, None]
    )


def test_the_chosen_length_leaves_less_than_the_tolerance_on_uneven_degrees():
    rng = np.random.default_rng(2)
    W = rng.normal(size=(200, 600)) + 2.5 * rng.normal(size=(200, 1)) + 2.5 * rng.normal(size=600)
    edges = KernelEdges(nng.from_matrices([W]).block(0))
    chosen = sweeps_to_mix(sign_chain, edges, SEED)

    def agreement(n_sweeps):
        chains = [sign_chain(edges, np.random.SeedSequence([n_sweeps, i])) for i in range(25)]
        for chain in chains:
            chain.run(n_sweeps)
        return np.mean([chain.agreement() for chain in chains])

    limit = agreement(500)
    assert chosen > 20
    assert agreement(chosen) - limit < 2e-3
    assert agreement(10) - limit > 4e-3  # so that the line above can fail


def test_a_mixing_starts_at_full_agreement_and_its_sweeps_go_into_a_draw():
    G = trained_like()
    mixed = nng.nulls.mixing(G, "G", rng=3)
    assert list(mixed.curve.columns) == ["block", "sweep", "agreement"]
    for block in "01":
        points = mixed.curve[mixed.curve["block"] == block]
        assert points["sweep"].iloc[:21].tolist() == list(range(21))
        assert points["agreement"].iloc[0] == 1
        late = points[2 * points["sweep"] > points["sweep"].max()]
        assert late["agreement"].mean() == pytest.approx(mixed.limit[block])
    R = nng.nulls.randomize(G, "G", rng=3, sweeps={"0": 31, "1": 22})
    assert R.history[-1].parameters["sweeps"] == {"0": 31, "1": 22}
    R = nng.nulls.randomize(G, "G", rng=3, sweeps=mixed.sweeps)
    assert R.history[-1].parameters["sweeps"] == mixed.sweeps == {"0": 20, "1": 20}


def test_blocks_are_chosen_and_the_same_seed_gives_the_same_curve():
    G = trained_like()
    one, again = (nng.nulls.mixing(G, "G", rng=3, blocks="1") for _ in range(2))
    assert list(one.sweeps) == ["1"]
    assert one.curve.equals(again.curve)
    both = nng.nulls.mixing(G, "G", rng=3).curve
    np.testing.assert_array_equal(both.loc[both["block"] == "1", "agreement"], one.curve["agreement"])


def test_every_draw_of_an_ensemble_runs_the_same_length_chosen_before_the_first():
    lengths = [R.history[-1].parameters["sweeps"] for R in nng.nulls.ensemble(trained_like(), "G", n=4, rng=1)]
    assert lengths == [{"0": 20, "1": 20}] * 4


def test_counts_have_a_row_for_each_move_of_each_block():
    mixed = nng.nulls.mixing(trained_like(), "G", rng=3)
    assert list(mixed.counts.columns) == ["block", "move", "number"]
    assert (mixed.counts["number"] >= 0).all()


def test_a_looser_tolerance_never_needs_more_sweeps():
    chain = known(geometric(0.5, 0.95))
    found = [decay(chain, block_of(10**9), SEED, tol=tol).chosen for tol in (1e-4, 1e-3, 1e-2, 1e-1)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_what_is_no_chain_and_tolerances_without_meaning_are_refused():
    G = trained_like()
    for call, message in (
        (lambda: nng.nulls.mixing(G, "A"), "mixing: kind 'A' is no chain"),
        (lambda: nng.nulls.mixing(G, "Z"), "kind: got 'Z'"),
        (lambda: nng.nulls.mixing(G, tol=0), "mixing: tol: got 0; expected a number between 0 and 1"),
        (lambda: nng.nulls.mixing(G, tol="x"), "mixing: tol: got 'x'"),
        (lambda: nng.nulls.mixing(G, blocks="9"), "'9'"),
        (lambda: nng.nulls.mixing(None), "mixing: got a NoneType; expected a NeuralGraph"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_the_figure_shows_each_block_the_tolerance_and_the_chosen_length():
    mixed = nng.nulls.mixing(trained_like(), "G", rng=3)
    from matplotlib.figure import Figure

    ax = mixed.plot(ax=Figure().subplots())
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == ["block 0", "block 1", "tolerance", "sweeps chosen"]
    assert ax.get_yscale() == "log"
    triangles = [line for line in ax.lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in triangles] == [20, 20]
    assert triangles[0].get_ydata()[0] < triangles[1].get_ydata()[0]  # neither hides the other
    points = mixed.curve[mixed.curve["block"] == "0"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), abs(points["agreement"] - mixed.limit["0"]))


def test_no_warning_comes_from_blocks_that_mix():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed = nng.nulls.mixing(trained_like(density=0.4), rng=0)
    assert all(20 <= sweeps < 640 for sweeps in mixed.sweeps.values())
