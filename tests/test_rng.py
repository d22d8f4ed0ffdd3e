import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nngraph._rng import child, generator, seed_record, seed_sequence
from nngraph.errors import ArgumentError, NNGraphError

seeds = st.integers(0, 2**130)
keys = st.lists(st.one_of(st.text(max_size=4), st.integers(-9, 9), st.none()), max_size=3).map(tuple)


def draws(seed, n=4):
    return generator(seed).integers(0, 2**63, n).tolist()


@given(seeds)
def test_the_same_integer_gives_the_same_draws_whatever_its_type(seed):
    assert draws(seed_sequence(seed)) == draws(seed_sequence(np.random.SeedSequence(seed)))
    if seed < 2**63:
        assert draws(seed_sequence(seed)) == draws(seed_sequence(np.int64(seed)))


@given(seeds, seeds)
def test_different_seeds_give_different_draws(a, b):
    assert (a == b) == (draws(seed_sequence(a)) == draws(seed_sequence(b)))


@given(seeds, keys, keys)
def test_a_child_depends_on_its_parent_and_its_key_and_on_nothing_else(seed, key, other):
    parent = seed_sequence(seed)
    first = draws(child(parent, *key))
    parent.spawn(3)
    child(parent, *other)
    assert draws(child(parent, *key)) == first
    assert (draws(child(parent, *other)) == first) == (key == other)
    assert first != draws(parent)


def test_children_of_children_differ_from_children_with_longer_keys():
    parent = seed_sequence(7)
    nested, flat = child(child(parent, "a"), "b"), child(parent, "a", "b")
    assert draws(nested) != draws(flat)
    assert draws(child(parent, "1")) != draws(child(parent, 1))


def test_a_seed_never_changes_between_versions_of_this_package():
    # numbers of SFC64 and BLAKE2b alone: a study can be repeated only while these stay
    reference = np.random.Generator(np.random.SFC64(np.random.SeedSequence(7)))
    assert draws(seed_sequence(7)) == reference.integers(0, 2**63, 4).tolist()
    assert child(seed_sequence(7), "fc1").spawn_key == child(seed_sequence(8), "fc1").spawn_key
    assert len(child(seed_sequence(7), "fc1").spawn_key) == 4


def test_a_generator_gives_one_seed_at_a_time_and_is_moved_on():
    a, b = np.random.default_rng(3), np.random.default_rng(3)
    first, second = draws(seed_sequence(a)), draws(seed_sequence(a))
    assert first != second
    assert [first, second] == [draws(seed_sequence(b)), draws(seed_sequence(b))]


def test_no_seed_gives_fresh_entropy_that_the_record_can_repeat():
    a, b = seed_sequence(None), seed_sequence(None)
    assert draws(a) != draws(b)
    assert draws(seed_sequence(int(seed_record(a)))) == draws(a)


def test_the_record_names_entropy_and_spawn_key():
    assert seed_record(seed_sequence(7)) == "7"
    entropy, key = seed_record(child(seed_sequence(7), "fc1")).split("/")
    assert entropy == "7"
    words = tuple(int(word) for word in key.split("."))
    assert draws(np.random.SeedSequence(7, spawn_key=words)) == draws(child(seed_sequence(7), "fc1"))
    record = seed_record(seed_sequence(np.random.default_rng(1)))
    again = np.random.SeedSequence([int(word) for word in record.split(",")])
    assert draws(again) == draws(seed_sequence(np.random.default_rng(1)))


def test_nothing_touches_the_global_random_state():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for rng in (None, 7, np.random.SeedSequence(7), np.random.default_rng(7)):
        draws(child(seed_sequence(rng), "task"))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


@pytest.mark.parametrize("rng", [-1, np.int64(-1), True, 1.5, "7", np.random.RandomState(7), [1, 2]])
def test_anything_else_is_refused_with_what_is_expected(rng):
    with pytest.raises(ArgumentError, match=r"rng: got .*expected") as caught:
        seed_sequence(rng)
    assert isinstance(caught.value, (NNGraphError, ValueError))
