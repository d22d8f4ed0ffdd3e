"""Baselines: random placement of edges, and weights as before training."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

import nngraph as nng
from nngraph.errors import ArgumentError, NullModelError
from nngraph.nulls.baselines import SCHEMES


def graph(shape=(12, 20), density=0.6, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    W = rng.normal(loc=0.3, size=shape).astype(dtype)
    biases = [rng.normal(size=shape[0]).astype(dtype)]
    return nng.from_matrices([W], [rng.random(shape) < density], biases=biases)


# ------------------------------------------------------------------- random placement


@pytest.mark.parametrize("density", [0.02, 0.04, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_random_placement_keeps_the_weights_and_what_follows_from_them_and_nothing_else(density, dtype):
    G = graph((40, 60), density, dtype=dtype)
    broken = set()
    for R in nng.nulls.ensemble(G, "erdos_renyi", n=10, rng=1):
        assert R.block(0).values.dtype == dtype
        np.testing.assert_array_equal(np.sort(R.weights()), np.sort(G.weights()))
        broken |= nng.nulls.kept("A") - nng.nulls.shared(G, R)
    assert nng.nulls.kept("erdos_renyi") == {"alpha", "density", "weights"}
    assert broken == (set() if density == 1 else {"support", "k_source", "k_target"})


def test_every_placement_of_two_positive_and_one_negative_edge_is_equally_likely():
    W = np.array([[1.0, 2.0, 0.0], [-3.0, 0.0, 0.0]])
    placements = set(itertools.permutations(range(6), 3))
    draws = nng.nulls.ensemble(nng.from_matrices([W]), "erdos_renyi", n=25 * len(placements), rng=3)
    counts = Counter(tuple(int(np.flatnonzero(R.block(0).dense().ravel() == w)[0]) for w in (1, 2, -3)) for R in draws)
    assert set(counts) == placements
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize(("n_edges", "n_cells"), [(1, 100), (3, 400), (30, 60), (59, 60)])
def test_each_cell_is_filled_at_the_density_of_the_block(n_edges, n_cells):
    mask = (np.arange(n_cells) < n_edges).reshape(-1, 10)
    G = nng.from_matrices([np.ones(mask.shape)], [mask])
    n = 1000
    filled = sum(R.block(0).dense() for R in nng.nulls.ensemble(G, "erdos_renyi", n=n, rng=5)).ravel()
    expected = n * n_edges / n_cells
    assert filled.sum() == n * n_edges
    chi2 = ((filled - expected) ** 2).sum() / (expected * (1 - n_edges / n_cells))
    assert 1e-3 < stats.chi2.cdf(chi2, n_cells - 1) < 1 - 1e-3


def test_with_expected_counts_the_numbers_of_edges_and_of_each_sign_are_binomial():
    G = graph((10, 12), 0.5)
    n_cells, n = 120, 1500
    draws = list(nng.nulls.ensemble(G, "erdos_renyi", n=n, rng=2, counts="expected"))
    for sign in (1, -1):
        own = np.count_nonzero(sign * G.weights() > 0)
        counts = [np.count_nonzero(sign * R.weights() > 0) for R in draws]
        p = own / n_cells
        edges = stats.binom.ppf(np.linspace(0, 1, 9)[1:-1], n_cells, p)
        bins = np.searchsorted(edges, counts)
        cdf = np.concatenate([[0], stats.binom.cdf(edges, n_cells, p), [1]])
        # searchsorted puts a count equal to an edge to its left, as the distribution function does
        assert stats.chisquare(np.bincount(bins, minlength=8), n * np.diff(cdf)).pvalue > 1e-3
    own = set(G.weights())
    assert all(set(R.weights()) <= own for R in draws)
    pooled = Counter(np.concatenate([R.weights() for R in draws]).tolist())
    assert stats.chisquare([pooled[w] for w in own]).pvalue > 1e-3
    assert draws[0].history[-1].parameters["counts"] == "expected"


def test_a_complete_block_stays_complete_and_an_empty_one_empty():
    full = graph(density=1.0)
    for counts in ("exact", "expected"):
        R = nng.nulls.randomize(full, "erdos_renyi", rng=0, counts=counts)
        assert R.block(0).same_support(full.block(0))
        assert not np.array_equal(R.weights(), full.weights())
        empty = nng.from_matrices([np.zeros((3, 4))])
        assert nng.nulls.randomize(empty, "erdos_renyi", rng=0, counts=counts) == empty


# --------------------------------------------------------------------- initial weights


def torch_weights(scheme, n_target, n_source, own):
    import torch

    torch.manual_seed(0)
    W = torch.empty(n_target, n_source)
    if scheme == "torch_default":
        return torch.nn.Linear(n_source, n_target).weight.detach().numpy()
    if scheme == "matched":
        return torch.nn.init.normal_(W, std=float(own.std())).numpy()
    extra = {"nonlinearity": "relu"} if scheme.startswith("kaiming") else {}
    return getattr(torch.nn.init, f"{scheme}_")(W, **extra).numpy()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("density", [0.3, 1.0])
def test_initial_weights_have_the_law_of_torch(scheme, density):
    G = graph((150, 400), density, dtype=np.float32)
    R = nng.nulls.randomize(G, "reinitialize", rng=1, scheme=scheme)
    assert R.block(0).same_support(G.block(0))
    reference = torch_weights(scheme, 150, 400, G.weights())
    assert stats.ks_2samp(R.weights(), reference.ravel()).pvalue > 1e-3
    others = (nng.nulls.randomize(G, "reinitialize", rng=1, scheme=name) for name in SCHEMES if name != scheme)
    assert all(stats.ks_2samp(other.weights(), reference.ravel()).pvalue < 1e-3 for other in others)  # it can fail


def test_a_probed_bias_is_drawn_by_the_law_of_torch_for_the_same_layer():
    import torch

    G = nng.from_matrices([np.ones((4000, 9))], biases=[np.ones(4000)])
    R = nng.nulls.randomize(G, "reinitialize", rng=1, bias="probe")
    torch.manual_seed(0)
    reference = torch.nn.Linear(9, 4000).bias.detach().numpy()
    assert stats.ks_2samp(R.block(0).bias, reference).pvalue > 1e-3
    assert abs(R.block(0).bias).max() <= 1 / 3
    assert nng.nulls.randomize(G, "reinitialize", rng=1).block(0).bias is G.block(0).bias
    assert not nng.nulls.randomize(G, "reinitialize", rng=1, bias="zero").block(0).bias.any()


def test_new_weights_keep_the_support_alone():
    G = graph((30, 40), 0.5)
    common = frozenset.intersection(
        *(nng.nulls.shared(G, R) for R in nng.nulls.ensemble(G, "reinitialize", n=10, rng=1))
    )
    assert common == nng.nulls.kept("reinitialize") == {"density", "support", "k_source", "k_target"}


def test_the_scheme_and_its_default_stand_in_the_history():
    parameters = nng.nulls.randomize(graph(), "reinitialize", rng=0).history[-1].parameters
    assert parameters["scheme"] == "torch_default"
    assert "counts" not in parameters


@pytest.mark.parametrize("kind", ["erdos_renyi", "reinitialize"])
def test_the_same_seed_gives_the_same_draw_for_any_number_of_workers(kind):
    G = graph()
    first, again, other = (nng.nulls.randomize(G, kind, rng=seed) for seed in (5, 5, 6))
    assert first == again != other
    alone = list(nng.nulls.ensemble(G, kind, n=3, rng=1))
    assert alone == list(nng.nulls.ensemble(G, kind, n=3, rng=1, n_jobs=2))


def test_options_of_other_kinds_and_unknown_values_are_refused():
    G = graph()
    for kind, options, message in (
        ("A", {"scheme": "matched"}, "scheme: got 'matched'; kind 'A' does not take it"),
        ("G", {"counts": "exact"}, "counts: got 'exact'; kind 'G' does not take it"),
        ("erdos_renyi", {"scheme": "matched"}, "scheme: got 'matched'; kind 'erdos_renyi' does not take it"),
        ("erdos_renyi", {"counts": "some"}, "counts: got 'some'; expected one of 'exact', 'expected'"),
        ("reinitialize", {"scheme": "he"}, "scheme: got 'he'; expected one of 'torch_default', 'kaiming_uniform'"),
        ("reinitialize", {"sweeps": 3}, "sweeps: got 3; kind 'reinitialize' is no chain"),
        ("erdos_renyi", {"weights": "sign"}, "weights: got 'sign'; kind 'erdos_renyi' takes no policy"),
    ):
        with pytest.raises(ArgumentError, match=message):
            nng.nulls.randomize(G, kind, **options)
        with pytest.raises(ArgumentError, match=message):
            nng.nulls.ensemble(G, kind, n=2, **options)


@pytest.mark.parametrize("kind", ["erdos_renyi", "reinitialize"])
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1, 1), (3, 4)])
def test_small_and_empty_blocks_work(kind, shape):
    for W in (np.zeros(shape), np.ones(shape)):
        if kind == "erdos_renyi" and W.any():  # equal weights in every cell
            with pytest.raises(NullModelError, match="changes nothing in block '0'"):
                nng.nulls.randomize(nng.from_matrices([W]), kind, rng=0)
            continue
        R = nng.nulls.randomize(nng.from_matrices([W]), kind, rng=0)
        assert R.n_edges == np.count_nonzero(W)
