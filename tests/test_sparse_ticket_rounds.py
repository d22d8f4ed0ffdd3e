"""Rounds of lottery tickets: kept in folders, gone on with, failed, and refused where something is wrong."""

import math

import pandas as pd
import pytest
import torch
from pruned import accuracy, net, training, untrained
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError, FormatError, StudyError

# ----------------------------------------------------------------------- folders and failures


@pytest.mark.parametrize("rewind", ["init", 2])
def test_a_run_that_was_cut_short_goes_on_and_ends_as_one_that_was_not(tmp_path, rewind):
    calls = []

    def train(model, seed):
        calls.append(seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        yield from training()(model, seed)

    def run():
        return nng.sparse.lottery_tickets(
            net(), train, 3, rewind=rewind, scores=accuracy, folder=tmp_path / "run", rng=7
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    there = {path: path.read_bytes() for path in (tmp_path / "run").glob("round_00[01]*")}
    found = run()
    whole = nng.sparse.lottery_tickets(net(), training(), 3, rewind=rewind, scores=accuracy, rng=7)
    assert found.graphs == whole.graphs
    pd.testing.assert_frame_equal(found.rounds.drop(columns="seconds"), whole.rounds.drop(columns="seconds"))
    assert len(there) == 6
    assert all(path.read_bytes() == content for path, content in there.items())
    assert len(calls) == 5
    run()
    assert len(calls) == 5


def test_more_rounds_go_on_from_those_in_the_folder(tmp_path):
    few = nng.sparse.lottery_tickets(net(), training(), 1, folder=tmp_path / "run", rng=7)
    more = nng.sparse.lottery_tickets(net(), training(), 3, folder=tmp_path / "run", rng=7)
    assert (few.trained, more.trained) == ([0, 1], [0, 1, 2, 3])
    assert more.graphs == nng.sparse.lottery_tickets(net(), training(), 3, rng=7).graphs


@pytest.mark.parametrize("changed", [{"rng": 8}, {"fraction": 0.3}, {"rewind": 2}, {"rates": {"0": 0.5}}, "model"])
def test_a_folder_of_other_settings_is_refused(tmp_path, changed):
    given = {"fraction": 0.2, "folder": tmp_path / "run", "rng": 7}
    nng.sparse.lottery_tickets(net(), training(), 1, **given)
    with pytest.raises(StudyError, match="holds results of other settings"):
        nng.sparse.lottery_tickets(
            net(1 if changed == "model" else 0), training(), 1, **(given if changed == "model" else given | changed)
        )


@pytest.mark.parametrize("way", ["nan", "raises"])
def test_a_training_that_diverges_fails_its_round_and_keeps_the_earlier_ones(tmp_path, way):
    calls = []

    def train(model, seed):
        calls.append(seed)
        if len(calls) == 3:
            if way == "raises":
                raise FloatingPointError("the loss is nan")
            with torch.no_grad():
                model[2].bias[0] = float("nan")
        else:
            for _ in training()(model, seed):
                pass

    def run():
        return nng.sparse.lottery_tickets(net(), train, 5, scores=accuracy, folder=tmp_path / "run", rng=0)

    found = run()
    reason = "2.bias is not finite after training" if way == "nan" else "FloatingPointError: the loss is nan"
    assert found.rounds["status"].tolist() == ["ok", "ok", f"failed: {reason}"]
    assert math.isnan(found.rounds["accuracy"].iloc[-1])
    assert found.trained == [0, 1]
    with pytest.raises(ArgumentError, match=r"round: got 2; expected one of those that were trained: \[0, 1\]"):
        found.graph(2)
    assert run().trained == [0, 1]
    assert len(calls) == 3


def test_masks_that_a_training_takes_off_are_missed():
    def train(model, seed):
        if seed != first[0]:
            nn.utils.prune.remove(model[0], "weight")

    first = []
    nng.sparse.lottery_tickets(net(), lambda model, seed: first.append(seed), 0, rng=0)
    with pytest.raises(ArgumentError, match="took pruning masks off"):
        nng.sparse.lottery_tickets(net(), train, 1, rng=0)


BAD = {
    "rounds": ({"rounds": -1}, "rounds: got -1; expected a whole number of at least 0"),
    "fraction": ({"fraction": 1.0}, "fraction: got 1.0; expected a number between 0 and 1"),
    "block": ({"rates": {"7": 0.1}}, "rates: got the block '7'; this model has '0', '2', '4'"),
    "rate": ({"rates": {"0": 1}}, r"rates\['0'\]: got 1; expected a number from 0 to below 1"),
    "rewind": ({"rewind": 0}, "rewind: got 0; expected a whole number of at least 1, or 'init'"),
    "late": ({"rewind": 9}, "rewind: got 9, but the training yielded 6 times"),
    "seed": ({"folder": "unused", "rng": None}, "rng: got None with a folder; expected a seed"),
    "scores": ({"scores": lambda model: 0.5}, "scores: got float; expected a mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_arguments_out_of_range_get_one_sentence(name):
    options, message = BAD[name]
    with pytest.raises(ArgumentError, match=message):
        nng.sparse.lottery_tickets(net(), training(), **({"rounds": 1, "rng": 0} | options))


# ----------------------------------------------------------------------- what a training may not do


def changing(change):
    """A training of one step that goes on to change the model in rounds that have masks."""

    def train(model, seed):
        if hasattr(model[0], "weight_mask"):
            change(model)

    return train


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model[0].weight_mask.fill_(1),
        lambda model: model[0].weight_mask.zero_(),
        lambda model: nn.utils.prune.l1_unstructured(model[0], "weight", amount=2),
    ],
    ids=["revived", "emptied", "pruned"],
)
def test_masks_that_a_training_changes_are_missed(change):
    with pytest.raises(ArgumentError, match=r"train: it changed 0\.weight_mask; expected"):
        nng.sparse.lottery_tickets(net(), changing(change), 1, rng=0)


@pytest.mark.parametrize("returned", [lambda model: net(1), lambda model: [1, 2], lambda model: 0.5])
def test_what_a_training_returns_is_nothing_or_its_model(returned):
    with pytest.raises(ArgumentError, match=r"train: it returned .*; expected it to train the model that it is given"):
        nng.sparse.lottery_tickets(net(), lambda model, seed: returned(model), 1, rng=0)
    assert nng.sparse.lottery_tickets(net(), lambda model, seed: model, 1, rng=0).trained == [0, 1]


def test_an_error_of_the_training_that_is_no_failed_arithmetic_is_passed_on_and_the_earlier_rounds_are_kept(tmp_path):
    calls = []

    def train(model, seed):
        calls.append(seed)
        if len(calls) == 2:
            raise ValueError("loss is nan")

    with pytest.raises(ValueError, match="loss is nan"):
        nng.sparse.lottery_tickets(net(), train, 2, folder=tmp_path / "run", rng=0)
    assert nng.sparse.lottery_tickets(net(), train, 2, folder=tmp_path / "run", rng=0).trained == [0, 1, 2]
    assert calls[1] == calls[2]
    assert len(calls) == 4


def test_a_failed_round_is_trained_anew_once_its_row_is_deleted_as_the_message_says(tmp_path):
    def fails(model, seed):
        if hasattr(model[0], "weight_mask"):
            raise FloatingPointError("too large")

    found = nng.sparse.lottery_tickets(net(), fails, 1, folder=tmp_path / "run", rng=0)
    row = tmp_path / "run" / "round_001.json"
    with pytest.raises(ArgumentError, match=r"To train the one that failed anew, delete .*round_001\.json"):
        found.graph(1)
    row.unlink()
    assert nng.sparse.lottery_tickets(net(), untrained, 1, folder=tmp_path / "run", rng=0).trained == [0, 1]


@pytest.mark.parametrize("rewind", ["init", 2])
def test_tickets_whose_first_training_failed_have_no_controls(rewind):
    def fails(model, seed):
        yield
        raise FloatingPointError

    found = nng.sparse.lottery_tickets(net(), fails, 2, rewind=rewind, rng=0)
    with pytest.raises(ArgumentError, match="no round of which was trained"):
        nng.sparse.ticket_control(found, "random")


# ----------------------------------------------------------------------- scores

BAD_SCORES = {
    "round": ({"round": 7.0}, "scores: got the name 'round', a column of every round"),
    "status": ({"status": 1.0}, "got the name 'status'"),
    "density": ({"density:0": 1.0}, "got the name 'density:0'"),
    "vector": ({"loss": torch.zeros(2)}, r"scores\['loss'\]: got float64 of shape \(2,\); expected a number"),
    "text": ({"loss": "0.5"}, r"scores\['loss'\]: got '0.5'; expected a number"),
    "none": ({"loss": None}, r"scores\['loss'\]: got None; expected a number"),
}


@pytest.mark.parametrize("name", BAD_SCORES)
def test_scores_are_numbers_under_names_of_their_own(name):
    given, message = BAD_SCORES[name]
    with pytest.raises(ArgumentError, match=message):
        nng.sparse.lottery_tickets(net(), untrained, 1, scores=lambda model: given, rng=0)


def test_a_training_whose_scores_raise_is_kept_and_scored_by_the_next_run(tmp_path):
    trained, ready = [], []

    def train(model, seed):
        trained.append(seed)
        yield from training()(model, seed)

    def scores(model):
        if not ready:
            raise OSError("the labels are not there")
        return accuracy(model)

    def run():
        return nng.sparse.lottery_tickets(net(), train, 1, scores=scores, folder=tmp_path / "run", rng=0)

    with pytest.raises(OSError, match="the labels are not there"):
        run()
    ready.append(True)
    found = run()
    whole = nng.sparse.lottery_tickets(net(), training(), 1, scores=accuracy, rng=0)
    assert len(trained) == 2  # each round once
    pd.testing.assert_frame_equal(found.rounds.drop(columns="seconds"), whole.rounds.drop(columns="seconds"))


# ----------------------------------------------------------------------- files that are not right


def test_a_folder_with_results_and_no_settings_is_refused(tmp_path):
    folder = tmp_path / "run"
    nng.sparse.lottery_tickets(net(), untrained, 1, folder=folder, rng=0)
    (folder / "settings.json").unlink()
    with pytest.raises(StudyError, match=r"holds round_000\.json without a settings\.json"):
        nng.sparse.lottery_tickets(net(), untrained, 1, folder=folder, rng=5)


def test_hidden_files_make_no_folder_one_of_results(tmp_path):
    (tmp_path / ".notes").write_text("mine")
    assert nng.sparse.lottery_tickets(net(), untrained, 0, folder=tmp_path, rng=0).trained == [0]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("settings.json", b"[]", r"settings\.json: holds \[\], no settings"),
        ("settings.json", b"null", r"settings\.json: holds None, no settings"),
        ("settings.json", b"{", r"settings\.json: is no JSON"),
        ("round_001.json", b'{"round": 1}', r"round_001\.json: is no row of a round .*'edges'.*delete it"),
        ("round_001.json", b"[]", r"round_001\.json: is no row of a round"),
        ("round_001.safetensors", b"no tensors", r"round_001\.safetensors: cannot be read .*delete round_001\.json"),
        ("start.safetensors", b"no tensors", r"start\.safetensors: cannot be read .*delete the folder"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(tmp_path, file, content, message):
    def run():
        return nng.sparse.lottery_tickets(net(), untrained, 2, folder=tmp_path / "run", rng=0).model(1)

    run()
    (tmp_path / "run" / file).write_bytes(content)
    (tmp_path / "run" / "round_002.json").unlink()
    with pytest.raises(FormatError, match=message):
        run()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be made"):
        nng.sparse.lottery_tickets(net(), untrained, 1, folder=tmp_path / "file" / "run", rng=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": None}, "train: got None; expected a function"),
        ({"scores": 3}, "scores: got 3; expected a function"),
        ({"rates": [0.1, 0.2]}, "rates: got list; expected a mapping"),
    ],
)
def test_what_is_no_function_or_no_mapping_is_refused_before_anything_is_trained(options, message):
    given = {"train": pytest.fail, "rng": 0} | options
    with pytest.raises(ArgumentError, match=message):
        nng.sparse.lottery_tickets(net(), **given)
