"""Kind G: signs rewired on a fixed support, tested against the full enumeration of small spaces."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats
from sign_spaces import CYCLIC, margins, p_value, random_supports, states

import nngraph as nng
from nngraph.errors import NullModelError
from nngraph.nulls import _kernels
from nngraph.nulls._edges import KernelEdges, read_only


def sampled(signs, n, seed=0):
    """Sign states of independent draws of the library, each from the same start."""
    G = nng.from_matrices([signs.astype(np.float32)])
    draws = nng.nulls.ensemble(G, "G", n=n, rng=seed)
    return Counter(tuple(R.block(0).dense().astype(int).ravel().tolist()) for R in draws)


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


# --------------------------------------- samplers that are wrong fail the same test


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


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_the_default_length_takes_a_large_block_to_its_plateau(density):
    rng = np.random.default_rng(4)
    W = rng.normal(size=(3072, 768)) + 0.4 * rng.normal(size=(3072, 1)) + 0.4 * rng.normal(size=768)
    G = nng.from_matrices([W.astype(np.float32)], [rng.random(W.shape) < density])
    before = np.sign(G.weights())

    def distance(sweeps):
        draws = nng.nulls.ensemble(G, "G", n=6, rng=1, sweeps=sweeps)
        return np.mean([np.mean(np.sign(R.weights()) != before) for R in draws])

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


@pytest.mark.filterwarnings("ignore::nngraph.errors.NullModelWarning")
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
            if kind == "signed_configuration" and zeros == "keep" and not W.all():
                continue  # refused
            with contextlib.suppress(NullModelError):  # a block that cannot move at all
                nng.nulls.randomize(nng.from_matrices([W], zeros=zeros), kind, rng=0)
    forms = {name: len(kernel.signatures) for name, kernel in vars(_kernels).items() if hasattr(kernel, "signatures")}
    of_values = {"shuffle", "shuffle_by_sign", "pool_by_sign", "place", "sign_plane", "to_columns", "from_columns"}
    of_values |= {"merge_signs", "signed_sums", "split_by_sign", "resample"}  # which kinds G and A do not use
    assert max(forms[name] for name in of_values) == 2  # of either precision
    assert forms["compress"] == forms["spread"] == 3  # half precision too
    others = forms.keys() - of_values - {"compress", "spread"}
    assert max(forms[name] for name in others) <= 1  # none where a kernel was loaded inside another only
