"""The record of the stored transformer of bytes: its weights, the texts it was scored on, its scores."""

import hashlib
import json

import numpy as np
import pytest

from nngraph.reproduce.layer_groups import characters


def test_the_record_is_that_of_the_stored_weights_and_its_scores_are_found_again_on_the_same_texts():
    facts = characters.record()
    assert hashlib.sha256(characters.CHECKPOINT.read_bytes()).hexdigest() == facts["sha256"]
    assert {"python", "torch", "scikit-learn"} <= set(facts)
    texts, again = characters.corpus(), []
    for name, told in facts["bits_per_byte"].items():
        text = getattr(texts, name)
        if hashlib.sha256(text.tobytes()).hexdigest() == facts["texts"][name]:  # else another version wrote the text
            samples = characters.windows(text, 200, rng=0)
            again.append((characters.bits_per_byte(characters.load(), samples), told))
    if not again:
        pytest.skip("other versions of Python and scikit-learn: none of the texts is that of the record")
    np.testing.assert_allclose(*np.transpose(again), rtol=1e-4)


def test_training_writes_the_record_beside_the_weights(tmp_path):
    file = tmp_path / "tiny.safetensors"
    run = characters.train(file, steps=2, rng=np.random.SeedSequence(3, spawn_key=(1,)))
    facts = json.loads(file.with_suffix(".json").read_text())
    assert (facts["steps"], facts["seed"]) == (run.steps, "3/1")
    assert facts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    texts = characters.corpus()
    assert facts["texts"]["test"] == hashlib.sha256(texts.test.tobytes()).hexdigest()
    expected = characters.bits_per_byte(run.model, characters.windows(texts.test, 200, rng=0))
    assert facts["bits_per_byte"]["test"] == pytest.approx(expected)
