"""The transformer case: the experiment of the ledger on embedded data, its rules, and the readers of its stand-in."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nngraph.errors import DatasetError, FormatError
from nngraph.reproduce._rows import Context, checked
from nngraph.reproduce.probes import _cases, _matrices, _matrix_claims, _stand_in, transformer, transformer_page
from nngraph.reproduce.probes._cases import LABELS
from nngraph.reproduce.probes._matrices import CHANGES, FIRST, Measured
from nngraph.robustness import COLUMNS

FEW = {
    "prune": (FIRST, 0.3, 0.5, 0.9, 1.0),
    "A": (FIRST, 0.3, 0.5),
    "B": (FIRST, 0.3, 0.5),
    "noise": (0.1,),
    "flip": (0.5, 1.0),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The experiment on a few windows of bytes, with few points, done in a folder."""
    folder = tmp_path_factory.mktemp("transformer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_matrices.GRIDS, "quick", FEW)
        patch.setattr(_cases, "case_of", lambda scale, root, rng: _cases.characters(n=4, rng=rng))
        context = Context(folder, "quick", None, None, 1, 0)
        found = transformer.measured(context)
        calls = []
        patch.setattr(_cases.ByteScore, "__call__", lambda self, model: calls.append(1) or found.untouched)
        patch.setattr(_cases.ByteScore, "counts", None)
        again = transformer.measured(context)
    pd.testing.assert_frame_equal(found.table, again.table)
    assert len(calls) == 2  # of the model as it is, once for each table; nothing was done again
    return folder, found


def test_the_experiment_gives_the_rows_that_it_declares_with_figures(small):
    folder, found = small
    rows = transformer.rows(found)
    (experiment,) = transformer.EXPERIMENTS
    assert checked(experiment, rows, folder, set(experiment.keys)) == rows
    assert [row.key for row in rows] == list(experiment.keys) == ["probes-20", *_matrix_claims.KEYS]
    first, *others = rows
    assert (first.verdict, first.stand_in) == ("not testable here", "probes-20a")
    assert "distilbert-NER" in first.missing
    assert all(row.verdict != "not testable here" and row.control and "bytes" in row.measured for row in others)


def test_counts_by_sample_agree_with_the_table_and_the_twin_is_not_the_network_s_own_start(small):
    _, found = small
    for label in LABELS:
        assert found.case.value(found.counts[label, "untouched"]) == found.untouched
        for change, where in (("signed", {"scale": "none"}), ("scaled", {"scale": "mean_abs"})):
            assert found.case.value(found.counts[label, change]) == found.value(label, FIRST, **where)
        assert found.case.value(found.counts[label, "removed"]) == found.value(label, 1.0)
        assert found.case.value(found.counts[label, "twin"]) == found.value(label, 0.0, probe="twin")
    from nngraph.reproduce.layer_groups.characters import network

    start = dict(network(rng=0).named_parameters())
    before = {name: value.clone() for name, value in found.case.model.named_parameters()}
    twin = _matrices.untrained_twin_of(found.case.model, 0)
    assert not torch.equal(start["unembedding.weight"], dict(twin.named_parameters())["unembedding.weight"])
    assert all(torch.equal(value, before[name]) for name, value in found.case.model.named_parameters())


def test_the_page_tells_every_row_and_every_matrix(small):
    _, found = small
    text = transformer_page.page(found, transformer.rows(found), [("one score", 0.5)])
    assert all(f"| {key.removeprefix('probes-')} |" in text for key in transformer.KEYS)
    assert all(text.count(f"| {label} |") >= 6 for label in LABELS)
    assert "| one score | 500 |" in text
    assert "nan" not in text


# ------------------------------------------------------------------- the rules


def made(edits, *, untouched=0.9, curves=None):
    """What a model of 50 samples would be measured as: scores by label and change or kind."""
    rows = [("", "none", 0.0, "full", "", "", 0, untouched, "ok")]
    counts = {}
    for label in LABELS:
        own = (
            dict.fromkeys(CHANGES, untouched)
            | {"twin": 0.1, "removed": 0.3, "A": 0.2, "B": 0.8, "p9": untouched}
            | edits.get(label, {})
        )
        rows.append((label, "prune", FIRST, "full", "", "", 0, untouched, "ok"))
        rows.append((label, "prune", 0.9, "full", "", "", 0, own["p9"], "ok"))
        for p in (FIRST, 0.3, 0.5):
            rows += [
                (label, "prune", p, "full", "", kind, i, own.get((kind, p), own[kind]) + 0.001 * i, "ok")
                for kind in "AB"
                for i in range(3)
            ]
        flips = (curves or {}).get(label, {0.5: 0.5, 1.0: 0.1})
        rows += [(label, "flip", q, "full", "", "", 0, value, "ok") for q, value in flips.items()]
        for change in CHANGES:
            counts[label, change] = np.tile([round(1000 * own[change]), 1000], (50, 1))
    case = _cases.Case("made", "nothing", "share", None, {}, {}, _cases.rate)
    return Measured(case, pd.DataFrame(rows, columns=list(COLUMNS)), counts, np.zeros((5, 50), dtype=int))


def verdicts(measured):
    return {row.key.removeprefix("probes-"): row.verdict for row in _matrix_claims.rows_of(measured)}


EARLY, LATE = LABELS[:3], LABELS[3:]


@pytest.mark.parametrize(
    ("edits", "key", "verdict"),
    [
        ({label: {"signed": 0.1} for label in EARLY}, "20a", "holds"),
        ({label: {"signed": 0.1} for label in EARLY[1:]}, "20a", "holds in part"),
        ({EARLY[1]: {"signed": 0.1}}, "20a", "does not hold"),  # one of three is not a part
        ({label: {"signed": 0.5} for label in EARLY}, "20a", "does not hold"),
        ({label: {"removed": 0.1} for label in LATE}, "20b", "holds"),
        ({LATE[2]: {"removed": 0.9, "twin": 0.9}}, "20b", "holds in part"),  # it does nothing at all
        ({LATE[2]: {"signed": 0.8}}, "20b", "holds in part"),
        ({label: {"signed": 0.8} for label in LATE[1:]}, "20b", "does not hold"),
        ({label: {"signed": 0.8, "removed": 0.1} for label in LATE}, "20b", "does not hold"),
        ({LABELS[1]: {("B", 0.3): 0.85}}, "20c", "holds"),
        ({LABELS[1]: {("B", 0.5): 0.801}}, "20c", "holds in part"),
        ({LABELS[1]: {("B", FIRST): 0.85}}, "20c", "does not hold"),
        ({LABELS[1]: {("B", 0.3): 0.85, ("A", 0.3): 0.4}}, "20c", "holds in part"),  # A gains more
        ({}, "20e", "holds"),
        ({LATE[0]: {"A": 0.8}}, "20e", "holds in part"),
        ({LATE[0]: {"twin": 0.85}}, "20e", "holds in part"),  # an untrained matrix does better than B
        ({label: {"A": 0.8} for label in LABELS[:4]}, "20e", "does not hold"),
        ({label: {"A": 0.85} for label in LABELS}, "20e", "does not hold"),
        ({label: {"p9": 0.5} for label in LABELS[:2]}, "20f", "holds"),
        ({LABELS[0]: {"p9": 0.5}}, "20f", "holds in part"),
        (
            {label: {"p9": 0.5, "removed": 0.9} for label in LABELS[:2]} | {LATE[0]: {"removed": 0.9}},
            "20f",
            "holds in part",
        ),
        ({label: {"p9": 0.5} for label in (*LABELS[:2], *LATE[:2])}, "20f", "does not hold"),  # one late one of three
        ({}, "20f", "does not hold"),
        ({label: {"p9": 0.85} for label in LABELS}, "20f", "does not hold"),
        ({label: {"removed": 0.5} for label in LABELS[:5]} | {LATE[2]: {"removed": 0.02}}, "20g", "holds"),
        ({label: {"removed": 0.5} for label in LABELS[:3]} | {LATE[2]: {"removed": 0.02}}, "20g", "holds in part"),
        ({label: {"removed": 0.5} for label in LATE[:2]} | {LATE[2]: {"removed": 0.02}}, "20g", "does not hold"),
        ({label: {"removed": 0.5} for label in LABELS}, "20g", "does not hold"),  # the head can be done without
        ({label: {"removed": 0.2} for label in LABELS}, "20g", "does not hold"),
        ({}, "x8", "does not hold"),  # nothing collapses, so that nothing is told
        ({label: {"signed": 0.1} for label in EARLY}, "x8", "holds"),
        ({EARLY[0]: {"signed": 0.1}, EARLY[1]: {"signed": 0.1, "scaled": 0.2}}, "x8", "holds in part"),
        ({EARLY[0]: {"signed": 0.1, "scaled": 0.2}}, "x8", "does not hold"),
        ({EARLY[0]: {"signed": 0.1, "scaled": 0.6, "A": 0.6}}, "x8", "holds in part"),  # other signs do as well
    ],
)
def test_verdicts_follow_their_rules(edits, key, verdict):
    assert verdicts(made(edits))[key] == verdict


@pytest.mark.parametrize(
    ("back", "verdict"),
    [
        ([LABELS[0]], "holds"),
        ([LABELS[0], LABELS[3]], "holds in part"),
        ([LABELS[3]], "does not hold"),
        ([], "does not hold"),
    ],
)
def test_a_return_is_of_the_position_embedding_alone_or_not(back, verdict):
    curves = {label: {0.8: 0.4, 1.0: 0.7} for label in back}
    assert verdicts(made({}, curves=curves))["20d"] == verdict
    at_most = "holds in part" if verdict == "holds" else verdict
    assert verdicts(made({LABELS[0]: {"removed": 0.7}}, curves=curves))["20d"] == at_most


def test_what_signs_lose_is_judged_by_the_upper_end_of_its_interval():
    some = made({})
    rows = np.random.default_rng(0).integers(50, size=(200, 50))
    for label in LATE:  # 1.5 points are lost, by one sample in twenty
        some.counts[label, "signed"][::20, 0] -= 250
    assert verdicts(Measured(some.case, some.table, some.counts, rows))["20b"] == "does not hold"
    assert verdicts(some)["20b"] != "holds"


def test_with_the_published_model_the_row_of_the_paper_is_judged(monkeypatch):
    measured = made({label: {"signed": 0.1} for label in EARLY} | {LATE[0]: {"signed": 0.8}})
    case = _cases.Case("distilbert-NER", "CoNLL-2003, test", "entity F1", None, {}, {}, _cases.rate)
    row = transformer.rows(Measured(case, measured.table, measured.counts, measured.resampled))[0]
    assert (row.key, row.verdict, row.missing) == ("probes-20", "holds in part", "")


# ---------------------------------------------------------------- the stand-in


def distilbert(**sizes):
    from transformers import DistilBertConfig, DistilBertForTokenClassification

    config = DistilBertConfig(vocab_size=30, dim=64, n_layers=2, n_heads=1, hidden_dim=32, max_position_embeddings=12)
    config.num_labels = 5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DistilBertForTokenClassification(config).eval()


def written(state, path):
    """Write weights as an ONNX graph of eight-bit integers, as a quantiser does; return what they are rounded to."""
    onnx = pytest.importorskip("onnx")
    helper, to = onnx.helper, onnx.numpy_helper.from_array
    stored, nodes, rounded = [], [], {}
    for i, (name, value) in enumerate(state.items()):
        value = value.numpy()
        if value.ndim == 1:
            stored.append(to(value, name))
            rounded[name] = value
            continue
        scale, zero = np.float32(np.abs(value).max() / 100), np.int8(3)
        integers = np.clip(np.round(value / scale) + zero, -128, 127).astype(np.int8)
        rounded[name] = (integers.astype(np.float32) - zero) * scale
        is_product = "embeddings" not in name
        stem = f"onnx::MatMul_{i}" if is_product else name
        stored += [to(integers.T.copy() if is_product else integers, f"{stem}_quantized")]
        stored += [to(np.array(zero), f"{stem}_zero_point"), to(np.array(scale), f"{stem}_scale")]
        if is_product:
            node = "/" + name.removesuffix(".weight").replace(".", "/").replace("layer/", "layer.") + "/MatMul_quant"
            nodes.append(helper.make_node("MatMul", ["x", f"{stem}_DequantizeLinear_Output"], [f"y{i}"], name=node))
    nodes.append(helper.make_node("MatMul", ["q", "k"], ["scores"], name="/attention/MatMul_quant"))
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [], [], stored)), path)
    return rounded


def test_weights_of_a_quantised_graph_come_back_with_their_names_and_the_right_way_round(tmp_path):
    pytest.importorskip("transformers")
    model = distilbert()
    rounded = written(model.state_dict(), tmp_path / "tagger.onnx")
    found = _stand_in.dequantised(tmp_path / "tagger.onnx")
    assert set(found) == set(model.state_dict())
    for name, value in rounded.items():
        assert np.array_equal(found[name].numpy(), value), name
    again = _stand_in._distilbert(found, list("abcde"))
    assert again.config.id2label[4] == "e"
    assert all(torch.equal(value, found[name]) for name, value in again.state_dict().items())
    with pytest.raises(FormatError, match="weights of a DistilBERT"):
        _stand_in._distilbert(
            {name: value for name, value in found.items() if name != "classifier.bias"}, list("abcde")
        )


def test_a_folder_without_the_files_or_with_others_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.delenv("NNGRAPH_QUIRE", raising=False)
    monkeypatch.setattr(_stand_in, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(DatasetError, match="no package has it"):
        _stand_in.edit_tagger()
    monkeypatch.setenv("NNGRAPH_QUIRE", str(tmp_path))
    with pytest.raises(DatasetError, match=r"has not all of tagger\.onnx"):
        _stand_in.edit_tagger()
    for name in _stand_in.HASHES:
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(DatasetError, match=f"got the SHA-256 {hashlib.sha256(b'other').hexdigest()[:16]}"):
        _stand_in.edit_tagger()


def test_errors_are_planted_where_they_can_be_and_what_was_right_is_the_tag():
    texts = [f"Then there were {i} more, who have (their) own; better than none" for i in range(40)]
    found = _stand_in.planted(texts, n=30, share=0.5, rng=3)
    assert len(found) == 30
    assert found == _stand_in.planted(texts, n=30, share=0.5, rng=3)
    n_wrong = 0
    for words, tags in zip(found.words, found.tags, strict=True):
        right = [
            word.replace(_stand_in.WRONG[tag.removeprefix("$REPLACE_")], tag.removeprefix("$REPLACE_"))
            if tag != _stand_in.KEEP
            else word
            for word, tag in zip(words, tags, strict=True)
        ]
        assert " ".join(right) in texts
        n_wrong += sum(tag != _stand_in.KEEP for tag in tags)
    assert 45 < n_wrong < 105  # of 150 places, half
    assert all(tag == _stand_in.KEEP for tags in _stand_in.planted(texts, n=40, share=0).tags for tag in tags)
    with pytest.raises(DatasetError, match="got 40 with a word"):
        _stand_in.planted(texts, n=41)


def test_a_score_from_the_last_block_on_is_that_of_the_whole_model(tmp_path):
    pytest.importorskip("transformers")
    from test_token_tagging import FILE, saved

    from nngraph.token_tagging import read_conll, token_tagger

    (tmp_path / "eng.testb").write_text(FILE)
    tagger, sentences = token_tagger(saved(tmp_path / "model")), read_conll(tmp_path / "eng.testb")
    case = _cases._tagging("tiny", "few", "F1", tagger, sentences, batch_size=2)
    whole = case.scores[LABELS[0]]
    assert len({id(score) for score in case.scores.values()}) == 3
    with torch.no_grad():
        for label in LABELS:
            own = tagger.model.get_submodule(case.matrices[label]).weight
            kept = own.clone()
            for change in (lambda w: w, torch.neg, torch.sign):
                own.copy_(change(kept))
                assert np.array_equal(case.scores[label].counts(tagger.model), whole.counts(tagger.model)), label
            own.copy_(kept)


def test_the_published_files_are_taken_where_they_are(tmp_path, monkeypatch):
    monkeypatch.delenv("NNGRAPH_DATA", raising=False)
    assert _cases.published_files(None) is None
    assert _cases.published_files(tmp_path) is None
    for name in ("distilbert-NER/config.json", "conll2003/test.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    expected = (tmp_path / "distilbert-NER", tmp_path / "conll2003" / "test.txt")
    assert _cases.published_files(tmp_path) == expected
    monkeypatch.setenv("NNGRAPH_DATA", str(tmp_path))
    assert _cases.published_files(None) == expected


def test_the_stand_in_finds_most_errors_and_flags_few_other_words():
    pytest.importorskip("transformers")
    pytest.importorskip("onnx")
    try:
        tagger = _stand_in.edit_tagger()
    except DatasetError as error:
        pytest.skip(str(error))
    from nngraph.token_tagging import TagScore

    assert sum(parameter.numel() for parameter in tagger.model.parameters()) == 65_354_709
    texts = ["He ran faster then his brother did.", "I put the books over their on the table.", "It is what we want."]
    rights = [{3: "than"}, {5: "there"}, {}]
    sentences = _stand_in.TaggedSentences(
        tuple(tuple(text.split()) for text in texts),
        tuple(
            tuple(f"$REPLACE_{right[i]}" if i in right else _stand_in.KEEP for i in range(len(text.split())))
            for text, right in zip(texts, rights, strict=True)
        ),
    )
    with torch.no_grad():
        assert TagScore(tagger, sentences, tags=["$REPLACE_than", "$REPLACE_there"])(tagger.model) == 1.0


def test_the_how_to_on_hugging_face_runs_as_it_stands(capsys):
    pytest.importorskip("transformers")
    import re

    page = (Path(__file__).parents[1] / "docs" / "howto" / "hugging_face.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names = {}
    with torch.random.fork_rng(devices=[]):
        exec(block, names)
    assert "classifier" in capsys.readouterr().out
    assert set(names["table"]["matrix"]) == {
        "",
        "distilbert.embeddings.position_embeddings",
        "distilbert.transformer.layer.0.ffn.lin1",
        "distilbert.transformer.layer.0.ffn.lin2",
        "classifier",
    }
    assert set(names["table"]["status"]) == {"ok"}
    assert "distilbert.transformer.layer.1.ffn.lin2" in {block.name for block in names["G"].blocks}
