import copy
import pickle
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nngraph.blocks
from nngraph.blocks import SPARSE_BELOW, Block, Origin
from nngraph.errors import ArgumentError
from tests.strategies import blocks, random_mask, random_weights


@st.composite
def two_forms(draw):
    """One matrix as a block held dense and as a block held in compressed rows, with its plain arrays."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(0, 9)), draw(st.integers(0, 9)))
    weights = random_weights(shape, draw(st.sampled_from(["float16", "float32", "float64"])), rng)
    mask = random_mask(shape, draw(st.sampled_from(["complete", "half", "sparse", "one", "empty"])), rng)
    mask = np.ones(shape, dtype=bool) if mask is None else mask
    bias = rng.standard_normal(shape[0])
    made = []
    for limit in (0.0, 2.0):
        with mock.patch.object(nngraph.blocks, "SPARSE_BELOW", limit):
            indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
            indices = np.nonzero(mask)[1]
            made.append(Block.from_csr("b", "x", "y", shape, indptr, indices, weights[mask], bias=bias.copy()))
    return (*made, weights, mask)


def assert_same_bits(a, b):
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert a.tobytes() == b.tobytes()


@given(two_forms(), st.integers(0, 2**32 - 1))
def test_a_block_answers_the_same_in_both_forms(forms, seed):
    dense, sparse, weights, mask = forms
    assert dense == sparse
    assert sparse == dense
    assert dense.same_support(sparse)
    assert repr(dense) == repr(sparse)
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(int(mask.sum())).astype(weights.dtype)
    keep = rng.random(int(mask.sum())) < 0.5
    for make in (
        lambda b: b,
        lambda b: b.with_values(values.copy()),
        lambda b: b.with_support(keep),
        lambda b: b.transposed(),
        lambda b: b.transposed().transposed(),
        lambda b: pickle.loads(pickle.dumps(b)),
    ):
        a, b = make(dense), make(sparse)
        assert a == b
        assert a.density == b.density
        assert_same_bits(a.values, b.values)
        assert_same_bits(a.dense(), b.dense())
        for x, y in zip((*a.edges(), *a.csr_arrays(), a.rows()), (*b.edges(), *b.csr_arrays(), b.rows()), strict=True):
            assert_same_bits(np.asarray(x), np.asarray(y))
        full = np.ones(a.shape, dtype=bool)
        assert np.array_equal(full if a.mask is None else a.mask, full if b.mask is None else b.mask)


@given(two_forms(), st.integers(0, 2**32 - 1))
def test_the_parts_of_a_block_agree_with_the_plain_arrays(forms, seed):
    for block in forms[:2]:
        weights, mask = forms[2:]
        assert block.n_edges == mask.sum()
        assert_same_bits(block.values, weights[mask])
        assert_same_bits(block.dense(), np.where(mask, weights, weights.dtype.type(0)))
        target, source = np.nonzero(mask)
        assert np.array_equal(block.edges().source, source)
        assert np.array_equal(block.edges().target, target)
        assert_same_bits(block.transposed().dense(), np.ascontiguousarray(block.dense().T))
        keep = np.random.default_rng(seed).random(block.n_edges) < 0.5
        fewer = mask.copy()
        fewer[mask] = keep
        assert_same_bits(block.with_support(keep).values, weights[fewer])
        assert np.array_equal(block.csr().toarray(), block.dense())


@given(blocks())
def test_a_block_given_its_own_values_or_a_full_support_stays_equal(block):
    assert block.with_values(block.values.copy()) == block
    assert block.with_support(np.ones(block.n_edges, dtype=bool)) is block
    back = block.transposed().transposed()
    assert back.same_support(block)
    assert_same_bits(back.values, block.values)


@given(blocks())
def test_a_block_survives_pickling_and_copying_bit_for_bit_and_stays_read_only(block):
    for other in (pickle.loads(pickle.dumps(block)), copy.deepcopy(block)):
        assert other == block
        assert other.origin == block.origin
        assert_same_bits(other.values, block.values)
        arrays = [other.values, other.bias, other.raw, other.mask, other.origin and other.origin.entries]
        assert not any(array.flags.writeable for array in arrays if array is not None)
        assert (other.raw is None) == (block.raw is None)
        if block.raw is not None:
            assert_same_bits(other.raw, block.raw)


@pytest.mark.parametrize("form", ["complete", "masked", "sparse"])
def test_no_array_of_a_block_can_be_written(form):
    mask = {"complete": None, "masked": np.eye(30, dtype=bool) | (np.arange(30) < 3), "sparse": np.eye(30, dtype=bool)}
    block = Block.from_dense("b", "x", "y", np.ones((30, 30)), mask[form], bias=np.ones(30), raw=np.ones((30, 30)))
    assert block.is_sparse == (form == "sparse")
    for array in (block.values, block.weights, block.dense(), block.bias, block.raw, block.mask):
        if array is not None:
            with pytest.raises(ValueError, match="read-only"):
                array.flat[0] = 5
    for name in Block.__slots__:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(block, name, None)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(block, name)


@pytest.mark.parametrize("form", ["complete", "masked", "sparse"])
def test_values_that_a_block_took_over_can_no_longer_be_written(form):
    mask = {"complete": None, "masked": np.eye(3, dtype=bool), "sparse": np.eye(30, dtype=bool)}[form]
    block = Block.from_dense("b", "x", "y", np.ones((30, 30) if form == "sparse" else (3, 3)), mask)
    values = np.full(block.n_edges, 2.0)
    block = block.with_values(values)
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 7
    assert (block.values == 2).all()


def test_a_matrix_in_column_order_gives_its_values_in_edge_order_without_a_copy_each_time():
    block = Block.from_dense("b", "x", "y", np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]))
    assert block.values.tolist() == [1, 2, 3, 4]
    assert np.shares_memory(block.values, block.values)
    assert not block.values.flags.writeable


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_blocks_without_cells_or_edges_answer_every_question(shape, masked):
    block = Block.from_dense("b", "x", "y", np.ones(shape), np.zeros(shape, dtype=bool) if masked else None)
    expected = 0 if masked else shape[0] * shape[1]
    assert (block.n_edges, len(block.values), len(block.rows())) == (expected,) * 3
    assert block.dense().shape == block.csr().shape == shape
    assert block.density == (1.0 if expected else 0.0)
    assert block.transposed().shape == shape[::-1]
    assert f"{expected} edges" in repr(block)


def test_an_array_of_new_weights_must_fit_the_block():
    dense = Block.from_dense("b", "x", "y", np.ones((4, 5)), np.eye(4, 5, dtype=bool))
    assert dense.with_weights(2 * np.eye(4, 5)) == dense.with_values(np.full(4, 2.0))
    with pytest.raises(ArgumentError, match=r"got weights of shape \(5, 4\); expected \(4, 5\)"):
        dense.with_weights(np.eye(5, 4))
    sparse = Block.from_dense("b", "x", "y", np.ones((4, 50)), np.eye(4, 50, dtype=bool))
    with pytest.raises(ArgumentError, match="use with_values"):
        sparse.with_weights(np.eye(4, 50))


def test_the_form_changes_exactly_at_the_limit():
    for n_edges in range(100):
        mask = np.zeros(100, dtype=bool)
        mask[:n_edges] = True
        block = Block.from_dense("b", "x", "y", np.ones((10, 10)), mask.reshape(10, 10))
        assert block.is_sparse == (n_edges < 100 * SPARSE_BELOW)
        assert block.n_edges == n_edges


@pytest.mark.parametrize(
    "change",
    [
        {"name": "c"},
        {"source": "z"},
        {"target": "z"},
        {"dtype": "float32"},
        {"bias": None},
        {"bias": np.array([1.0, 3.0])},
    ],
)
def test_blocks_that_differ_in_name_ends_dtype_or_bias_are_unequal(change):
    block = Block.from_dense("b", "x", "y", np.ones((2, 3)), bias=np.array([1.0, 2.0]))
    assert block != block.replace(**change)


def test_equality_looks_at_support_and_present_weights_and_nothing_else():
    weights, mask = np.array([[1.0, 2.0, 3.0]]), np.array([[True, True, False]])
    block = Block.from_dense("b", "x", "y", weights.copy(), mask.copy())
    hidden = Block.from_dense("b", "x", "y", np.array([[1.0, 2.0, 9.0]]), mask.copy(), raw=np.array([[1.0, 2.0, 9.0]]))
    assert block == hidden
    assert block == block.replace(origin=Origin("fc.weight", (1, 3)))
    assert block != Block.from_dense("b", "x", "y", np.array([[1.0, 2.0, 0.0]]))
    assert block != block.with_values(np.array([1.0, 2.5]))
    assert Block.from_dense("b", "x", "y", weights.copy(), np.ones((1, 3), dtype=bool)) == Block.from_dense(
        "b", "x", "y", weights.copy()
    )
    assert block != "b"
    with pytest.raises(TypeError, match="unhashable"):
        hash(block)


def test_a_present_zero_is_an_edge_in_both_forms():
    for n in (2, 30):
        block = Block.from_dense("b", "x", "y", np.zeros((n, n)), np.eye(n, dtype=bool))
        assert block.n_edges == n
        assert block.csr().nnz == n
        assert block.transposed().n_edges == n


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", ">f4", ">f8", "longdouble"])
def test_any_real_type_is_held_as_a_plain_float(dtype):
    block = Block.from_dense("b", "x", "y", np.ones((2, 2), dtype=dtype)).with_values(np.zeros(4, dtype=dtype))
    assert block.values.dtype in (np.float32, np.float64)
    assert block.values.dtype.isnative


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda b: b.with_values(np.ones(3)), r"block 'b': got weights of shape \(3,\); expected \(6,\)"),
        (lambda b: b.with_support(np.ones(6)), "float64; expected .* bool"),
        (lambda b: b.with_support(np.ones(5, dtype=bool)), r"shape \(5,\)"),
        (lambda b: b.with_matrix(np.ones((3, 2))), r"shape \(3, 2\); expected \(2, 3\)"),
        (lambda b: b.with_matrix(np.ones((2, 3)), np.ones((1, 3), dtype=bool)), r"mask of shape \(1, 3\)"),
        (lambda b: b.with_matrix(np.ones((2, 3)), np.ones((2, 3))), "mask .* float64; expected bool"),
        (lambda b: b.replace(weights=1), "weights"),
        (lambda b: b.replace(bias=np.ones(3)), r"bias of shape \(3,\); expected \(2,\)"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_with_the_shapes(act, words):
    with pytest.raises(ArgumentError, match=words):
        act(Block.from_dense("b", "x", "y", np.ones((2, 3))))


def test_a_block_is_made_by_its_makers_and_is_not_iterable():
    with pytest.raises(TypeError, match="from_dense"):
        Block()
    with pytest.raises(TypeError, match=r"block\.edges"):
        list(Block.from_dense("b", "x", "y", np.ones((2, 3))))


def test_tied_blocks_share_a_key():
    a, b = Origin("emb.weight", (4, 3)), Origin("emb.weight", (4, 3), layout="transposed")
    assert a.key == b.key
    assert a.key != Origin("emb.weight", (4, 3), rows=(0, 2)).key
