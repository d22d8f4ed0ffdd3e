"""Sentences with tags, token classifiers from a folder, and their F1 beside that of seqeval."""

import numpy as np
import pytest
import torch

from nngraph.errors import ArgumentError, DatasetError, FormatError
from nngraph.token_tagging import TaggedSentences, TagScore, f1, read_conll, token_tagger

transformers = pytest.importorskip("transformers")
seqeval_metrics = pytest.importorskip("seqeval.metrics")

FILE = """-DOCSTART- -X- -X- O

Ada NNP I-NP I-PER
Lovelace NNP I-NP I-PER
lived VBD I-VP O
in IN I-PP O
London NNP I-NP I-LOC
. . O O

Grace NNP I-NP B-PER
met VBD I-VP O
Alan NNP I-NP I-PER
Kay NNP I-NP B-PER


Rome NNP I-NP I-LOC
Turing NNP I-NP I-PER
"""
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "Ada", "Love", "##lace", "lived", "in", "London", ".", "Grace", "met"]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    path = tmp_path_factory.mktemp("conll") / "eng.testb"
    path.write_text(FILE)
    return read_conll(path)


def saved(folder, **config):
    """A DistilBERT with random weights and a tokenizer of word pieces, as files."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import DistilBertConfig, DistilBertForTokenClassification, PreTrainedTokenizerFast

    pieces = models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]")
    known = Tokenizer(pieces)
    known.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    known.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    special = {f"{key}_token": f"[{key.upper()}]" for key in ("pad", "unk", "cls", "sep")}
    PreTrainedTokenizerFast(tokenizer_object=known, **special).save_pretrained(folder)
    named = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: i for i, tag in enumerate(TAGS)}} | config
    made = DistilBertConfig(
        vocab_size=len(PIECES), dim=8, n_layers=3, n_heads=2, hidden_dim=16, max_position_embeddings=16, **named
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DistilBertForTokenClassification(made)
        for parameter in model.parameters():  # far from zero, so that every tag is told somewhere
            torch.nn.init.normal_(parameter, std=0.7)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return token_tagger(saved(tmp_path_factory.mktemp("model")))


def test_a_file_of_conll_becomes_words_and_tags_that_begin_with_b(sentences):
    assert [" ".join(words) for words in sentences.words] == [
        "Ada Lovelace lived in London .",
        "Grace met Alan Kay",
        "Rome Turing",
    ]
    assert sentences.tags == (
        ("B-PER", "I-PER", "O", "O", "B-LOC", "O"),
        ("B-PER", "O", "B-PER", "B-PER"),
        ("B-LOC", "B-PER"),
    )


@pytest.mark.parametrize("ends", ["", "\n", "\n\n", "\r\n\r\n"])
def test_a_file_may_end_in_any_number_of_empty_lines(tmp_path, ends):
    path = tmp_path / "test.txt"
    path.write_bytes(("Ada I-PER\nlived O" + ends).encode())
    assert read_conll(path).tags == (("B-PER", "O"),)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("Ada I-PER\nlived\n", r"line 2: got 'lived'; expected a word and"),
        ("Ada NNP\n", "line 1: got 'Ada NNP'"),
        ("-DOCSTART- -X- O\n\n", "has no sentence"),
        ("", "has no sentence"),
    ],
)
def test_what_is_no_file_of_conll_is_told_by_its_line(tmp_path, text, match):
    path = tmp_path / "test.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=match):
        read_conll(path)
    with pytest.raises(DatasetError, match="is not there"):
        read_conll(tmp_path / "none.txt")


def test_the_first_piece_of_each_word_has_its_place_and_the_others_none(tagger, sentences):
    (batch,) = tagger.batches(sentences)
    ids = batch.inputs["input_ids"].numpy()
    first = {
        (int(s), int(w)): PIECES[ids[r, c]]
        for s, w, r, c in zip(batch.sentence, batch.word, batch.row, batch.column, strict=True)
    }
    assert [first[0, word] for word in range(6)] == ["Ada", "Love", "lived", "in", "London", "."]
    assert len(first) == 12
    assert (ids[batch.inputs["attention_mask"].numpy() == 0] == 0).all()


def test_f1_is_that_of_seqeval_however_the_sentences_are_batched(tagger, sentences):
    for size in (1, 2, 32):
        score = TagScore(tagger, sentences, batch_size=size)
        with torch.no_grad():
            told, counts = score.told(tagger.model), score.counts(tagger.model)
            assert score(tagger.model) == f1(counts)
        expected = seqeval_metrics.f1_score([list(tags) for tags in sentences.tags], told)
        assert f1(counts) == pytest.approx(expected)
        assert counts[..., 1].sum() > 2  # something is told
        assert counts[..., 2].sum(0).tolist() == [2, 5]
        assert score.kinds == ("LOC", "PER")


def random_tags(draw, sentences):
    return tuple(tuple(draw.choice(TAGS, size=len(words))) for words in sentences.words)


def test_f1_is_that_of_seqeval_for_any_tags(tagger, sentences):
    draw = np.random.default_rng(0)
    score = TagScore(tagger, sentences)
    for _ in range(50):
        true, told = random_tags(draw, sentences), random_tags(draw, sentences)
        score._true = true
        score.told = lambda model, told=told: [list(tags) for tags in told]
        expected = seqeval_metrics.f1_score([list(t) for t in true], [list(t) for t in told], zero_division=0)
        assert score(None) == pytest.approx(expected)


def test_single_tags_are_counted_word_by_word(tagger, sentences):
    with torch.no_grad():
        score = TagScore(tagger, sentences, tags=["B-PER", "I-PER"])
        told, counts = score.told(tagger.model), score.counts(tagger.model)
    pairs = [pair for a, b in zip(told, sentences.tags, strict=True) for pair in zip(a, b, strict=True)]
    for kind, tag in enumerate(("B-PER", "I-PER")):
        right = sum(a == b == tag for a, b in pairs)
        expected = [right, sum(a == tag for a, _ in pairs), sum(b == tag for _, b in pairs)]
        assert counts[:, kind].sum(0).tolist() == expected
    with pytest.raises(ArgumentError, match="tags: got 'B-ORG'; the model tells 'O'"):
        TagScore(tagger, sentences, tags=["B-ORG"])


def test_a_word_beyond_the_positions_of_the_model_is_not_counted(tagger):
    words = ("Ada", *["met"] * 20)
    long = TaggedSentences((words,), (("B-PER", *["B-LOC"] * 20),))
    with torch.no_grad():
        score = TagScore(tagger, long)
        told = score.told(tagger.model)[0]
        assert all(told[:14])
        assert told[14:] == [""] * 7
        assert score.counts(tagger.model)[0, :, 2].tolist() == [13, 1]


def test_sentences_with_other_numbers_of_tags_than_words_are_refused():
    with pytest.raises(ArgumentError, match="as many tags as words"):
        TaggedSentences((("a", "b"),), (("O",),))
    with pytest.raises(ArgumentError, match="at least one"):
        TaggedSentences((), ())


def test_a_model_without_names_of_tags_or_files_is_refused(tmp_path):
    unnamed = {"id2label": {i: f"LABEL_{i}" for i in range(5)}, "label2id": {f"LABEL_{i}": i for i in range(5)}}
    with pytest.raises(DatasetError, match="names no tags"):
        token_tagger(saved(tmp_path / "unnamed", **unnamed))
    with pytest.raises(DatasetError, match="expected one with config"):
        token_tagger(tmp_path / "nothing")
