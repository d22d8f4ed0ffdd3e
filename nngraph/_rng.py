"""Random number generators: one ``rng`` argument, children keyed by what the task is (SPEC 7)."""

from __future__ import annotations

import hashlib
import struct
from typing import TypeAlias

import numpy as np

from nngraph.errors import ArgumentError

RNG: TypeAlias = "int | np.integer | np.random.SeedSequence | np.random.Generator | None"


def seed_sequence(rng: RNG) -> np.random.SeedSequence:
    """Turn the ``rng`` argument of a public function into a seed sequence.

    A Generator gives 128 bits once, so that calling twice with the same Generator gives two different results.
    """
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence([int(word) for word in rng.integers(0, 2**32, size=4, dtype=np.uint32)])
    if rng is None:
        return np.random.SeedSequence()
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        if rng < 0:
            raise ArgumentError(f"rng: got the negative seed {rng}; expected an integer of at least 0.")
        return np.random.SeedSequence(int(rng))
    raise ArgumentError(
        f"rng: got {rng!r} of type {type(rng).__name__}; expected None, an integer, a numpy SeedSequence or a numpy "
        "Generator. Pass for example rng=7."
    )


def child(seed: np.random.SeedSequence, *key: object) -> np.random.SeedSequence:
    """Return the seed of one task, a function of ``seed`` and of the task's own name, never of the order of tasks."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    words = struct.unpack("<4I", digest)
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *words))


def generator(seed: np.random.SeedSequence) -> np.random.Generator:
    """Return the generator that every module draws from (SFC64: the fastest of numpy's)."""
    return np.random.Generator(np.random.SFC64(seed))


def seed_record(seed: np.random.SeedSequence) -> str:
    """Return the seed as text for histories and study rows: its entropy, and its spawn key where it has one."""
    entropy = seed.entropy
    text = ",".join(str(word) for word in entropy) if isinstance(entropy, (list, tuple)) else str(entropy)
    return text if not seed.spawn_key else f"{text}/{'.'.join(str(word) for word in seed.spawn_key)}"
