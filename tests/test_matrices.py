import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nngraph as nng
from nngraph.errors import ArgumentError

weights = st.one_of(st.just(0.0), st.floats(-1e6, 1e6))


@st.composite
def chains(draw):
    sizes = draw(st.lists(st.integers(0, 5), min_size=2, max_size=4))
    return [draw(hnp.arrays(np.float64, (sizes[i + 1], sizes[i]), elements=weights)) for i in range(len(sizes) - 1)]


@given(chains(), st.sampled_from(["drop", "keep"]))
def test_the_matrices_of_a_chain_come_back(matrices, zeros):
    G = nng.from_matrices(matrices, zeros=zeros)
    for given_, back in zip(matrices, G.to_matrices(), strict=True):
        assert np.array_equal(given_, back)
    expected = sum(m.size if zeros == "keep" else np.count_nonzero(m) for m in matrices)
    assert G.n_edges == expected
    assert [part.size for part in G.parts] == [matrices[0].shape[1], *(len(m) for m in matrices)]


@given(chains())
def test_a_mask_of_the_nonzero_cells_is_what_dropping_zeros_means(matrices):
    assert nng.from_matrices(matrices, [m != 0 for m in matrices], zeros="keep") == nng.from_matrices(matrices)


def test_a_mask_decides_which_edges_are_present_whatever_their_weights():
    mask = np.array([[True, False], [True, True]])
    a = nng.from_matrices([np.array([[0.0, np.nan], [1.0, 2.0]])], [mask])
    b = nng.from_matrices([np.array([[0.0, 7.0], [1.0, 2.0]])], [mask])
    assert a == b
    assert a.weights().tolist() == [0, 1, 2]


def test_the_graph_shares_no_memory_with_what_it_was_given():
    matrix, mask, bias = np.ones((2, 2)), np.ones((2, 2), dtype=bool), np.ones(2)
    mask[0, 0] = False
    G = nng.from_matrices([matrix], [mask], biases=[bias])
    matrix[:], mask[:], bias[:] = 5, True, 5
    assert G.weights().tolist() == [1, 1, 1]
    assert G.blocks[0].bias.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        G.to_matrices()[0][0, 0] = 5


@pytest.mark.parametrize(
    ("dtype", "held"),
    [
        ("float16", "float16"),
        ("float32", "float32"),
        (">f4", "float32"),
        ("int8", "float64"),
        ("longdouble", "float64"),
    ],
)
def test_the_type_of_a_matrix_is_kept_where_torch_has_it(dtype, held):
    G = nng.from_matrices([np.ones((2, 2), dtype=dtype)], biases=[np.ones(2, dtype=dtype)])
    assert G.blocks[0].dtype == held
    assert str(G.blocks[0].bias.dtype) == held


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "got none"),
        (([np.ones(3)],), r"matrix 0: got shape \(3,\)"),
        (([np.ones((2, 2), dtype=complex)],), "matrix 0: .* complex128"),
        (([np.array([["a"]])],), "matrix 0"),
        (([np.ones((2, 2)), np.ones((2, 3))],), "matrix 1: got 3 columns; expected 2"),
        (([np.array([[1.0, np.nan]])],), "matrix 0: got 1 NaN or infinite"),
        (([np.array([[1.0, np.inf]])],), "matrix 0: got 1 NaN or infinite"),
        (([np.ones((2, 2))], [np.ones((2, 2))]), "mask 0: .* float64; expected bool"),
        (([np.ones((2, 2))], [np.ones((2, 1), dtype=bool)]), r"mask 0: got shape \(2, 1\)"),
        (([np.ones((2, 2))], [None, None]), "masks: got 2 for 1 matrices"),
    ],
)
def test_matrices_that_make_no_graph_are_refused_with_their_position(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        nng.from_matrices(*arguments)


@pytest.mark.parametrize("bias", [np.ones(3), np.ones((2, 1)), np.array([1.0, np.nan]), np.array([1j, 0])])
def test_a_bias_that_does_not_fit_is_refused(bias):
    with pytest.raises(ArgumentError, match="bias"):
        nng.from_matrices([np.ones((2, 2))], biases=[bias])


def test_an_unknown_policy_for_zeros_is_refused():
    with pytest.raises(ArgumentError, match="zeros: got 'maybe'; expected 'drop' or 'keep'"):
        nng.from_matrices([np.ones((2, 2))], zeros="maybe")


def test_sparse_matrices_are_read_without_a_dense_copy():
    n = 30_000
    rows, cols = np.arange(n), (np.arange(n) * 7) % n
    wide = scipy.sparse.coo_array((np.linspace(-1, 1, n), (rows, cols)), shape=(n, n))
    G = nng.from_matrices([wide, wide.tocsc()], biases=[np.ones(n), None])
    assert all(block.is_sparse for block in G.blocks)
    assert (G.block(0).csr() != wide.tocsr()).nnz == 0
    assert G.block(0).bias.sum() == n


@given(chains(), st.sampled_from(["drop", "keep"]))
def test_sparse_matrices_mean_their_stored_entries(matrices, zeros):
    sparse = [scipy.sparse.csr_array(m) for m in matrices]
    assert nng.from_matrices(sparse, zeros=zeros) == nng.from_matrices(matrices, zeros="drop")


def test_a_stored_zero_is_an_edge_on_request():
    matrix = scipy.sparse.csr_matrix((np.array([0.0, 2.0]), np.array([1, 0]), np.array([0, 1, 2])), shape=(2, 2))
    assert nng.from_matrices([matrix]).n_edges == 1
    assert nng.from_matrices([matrix], zeros="keep").weights().tolist() == [0, 2]
    assert matrix.nnz == 2  # the user's own is as it was


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1.0, 2.0], [3.0]], "matrix 0: got what numpy cannot read"),
        (scipy.sparse.csr_array(np.array([[np.nan]])), "matrix 0: got 1 NaN"),
        (scipy.sparse.csr_array(np.array([[1j]])), "type complex128"),
    ],
)
def test_matrices_that_cannot_be_read_are_refused(matrix, words):
    with pytest.raises(ArgumentError, match=words):
        nng.from_matrices([matrix])


def test_a_mask_beside_a_sparse_matrix_is_refused():
    with pytest.raises(ArgumentError, match="mask 0: a sparse matrix says itself"):
        nng.from_matrices([scipy.sparse.eye_array(2)], [np.ones((2, 2), bool)])


def test_a_parameter_of_torch_is_a_matrix():
    layer = torch.nn.Linear(3, 2)
    assert np.array_equal(nng.from_matrices([layer.weight]).to_matrices()[0], layer.weight.detach().numpy())
