"""Sentences with a tag for each word, Hugging Face models that tell the tags, and how well they do."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._text_files import lines_of
from nngraph.errors import ArgumentError, DatasetError, FormatError

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Batch", "TagScore", "TaggedSentences", "Tagger", "f1", "read_conll", "token_tagger"]

INSIDE = ("B-", "I-")


@dataclasses.dataclass(frozen=True)
class TaggedSentences:
    """Sentences as words, and a tag for each word."""

    words: tuple[tuple[str, ...], ...] = dataclasses.field(repr=False)
    tags: tuple[tuple[str, ...], ...] = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        if not self.words or [len(words) for words in self.words] != [len(tags) for tags in self.tags]:
            raise ArgumentError("sentences: expected at least one, and as many tags as words in each.")

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        kinds = {tag for tags in self.tags for tag in tags}
        return f"TaggedSentences: {len(self):,} sentences, {sum(map(len, self.words)):,} words, {len(kinds)} tags"


def read_conll(path: str | os.PathLike[str]) -> TaggedSentences:
    r"""Read a file of CoNLL-2003: a word a line, its entity tag in the last column, an empty line between sentences.

    Parameters
    ----------
    path : path
        Columns are separated by blanks or tabs; the word is the first. Lines that begin with -DOCSTART- are left out.
        Tags of the scheme IOB1 (an entity begins with I- unless one of its kind stands right before it) are read as
        IOB2, in which every entity begins with B-.

    Returns
    -------
    TaggedSentences

    Raises
    ------
    DatasetError
        If the file is not there.
    FormatError
        If a line has one column, or a tag that is neither O nor begins with B- or I-; or there is no sentence.

    References
    ----------
    .. [1] E. F. Tjong Kim Sang, F. De Meulder, "Introduction to the CoNLL-2003 shared task: language-independent named
       entity recognition", CoNLL 2003.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("Ada NNP I-NP I-PER\nwrote VBD I-VP O\n\nShe PRP I-NP O\n")
    ...     file.flush()
    ...     read_conll(file.name)
    TaggedSentences: 2 sentences, 3 words, 2 tags
    """
    file = Path(path)
    if not file.is_file():
        raise DatasetError(f"{file}: is not there; expected a file of CoNLL-2003, such as its test part.")
    words: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for number, line in enumerate(lines_of(file.read_bytes(), file), 1):
        cells = line.split()
        if not cells or cells[0] == "-DOCSTART-":
            if words[-1]:
                words.append([])
                tags.append([])
            continue
        if len(cells) < 2 or not (cells[-1] == "O" or cells[-1][:2] in INSIDE):
            raise FormatError(
                f"{file}, line {number}: got {line[:60]!r}; expected a word and, in the last column, O or a tag that "
                "begins with B- or I-."
            )
        words[-1].append(cells[0])
        tags[-1].append(cells[-1])
    if not words[0]:
        raise FormatError(f"{file}: has no sentence; expected a word and its tag on each line.")
    kept = [i for i, sentence in enumerate(words) if sentence]
    return TaggedSentences(tuple(tuple(words[i]) for i in kept), tuple(_begun(tags[i]) for i in kept))


def _begun(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags in which every entity begins with B-."""
    found, before = [], "O"
    for tag in tags:
        inside = tag.startswith("I-") and before[2:] == tag[2:] and before != "O"
        found.append(tag if tag == "O" or inside else f"B-{tag[2:]}")
        before = tag
    return tuple(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Sentences as token ids, and where the first token of each word is."""

    inputs: dict[str, torch.Tensor]
    sentence: np.ndarray
    """(n_words,) number of the sentence that each word is of."""
    word: np.ndarray
    """(n_words,) number of the word in it."""
    row: np.ndarray
    """(n_words,) row of its first token in the batch."""
    column: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Tagger:
    """A token classifier with its tokenizer and the names of its classes."""

    model: nn.Module = dataclasses.field(repr=False)
    tokenizer: Any = dataclasses.field(repr=False)
    tags: tuple[str, ...]
    source: str

    def batches(self, sentences: TaggedSentences, *, batch_size: int = 32) -> list[Batch]:
        """Return sentences as batches of similar length; a word stands for its first token, the others are ignored.

        A word of which no token is left (it is too far behind for the model, or of characters that the tokenizer
        drops) is in no batch.
        """
        import torch

        longest = getattr(getattr(self.model, "config", None), "max_position_embeddings", None)
        coded = self.tokenizer(
            [list(words) for words in sentences.words],
            is_split_into_words=True,
            truncation=longest is not None,
            max_length=longest,
        )
        sizes = np.array([len(ids) for ids in coded["input_ids"]])
        order = np.argsort(sizes, kind="stable")
        made = []
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            shape = (len(chosen), int(sizes[chosen].max()))
            ids, mask = np.full(shape, self.tokenizer.pad_token_id), np.zeros(shape, dtype=np.int64)
            places = []
            for row, number in enumerate(chosen):
                ids[row, : sizes[number]] = coded["input_ids"][number]
                mask[row, : sizes[number]] = 1
                first: dict[int, int] = {}
                for column, word in enumerate(coded.word_ids(int(number))):
                    if word is not None:
                        first.setdefault(word, column)
                places += [(int(number), word, row, column) for word, column in first.items()]
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            columns = np.array(places, dtype=np.int64).reshape(-1, 4).T
            made.append(Batch(inputs, *columns))
        return made


def token_tagger(source: str | os.PathLike[str]) -> Tagger:
    """Load a Hugging Face token classifier, for example dslim/distilbert-NER.

    Parameters
    ----------
    source : path or str
        A folder with config, weights and tokenizer, or a name on the hub.

    Returns
    -------
    Tagger
        The model in evaluation mode.

    Raises
    ------
    DatasetError
        If the files are not there or damaged, a name cannot be had from the hub, the configuration does not name its
        tags, or the tokenizer does not tell which token is of which word.

    Notes
    -----
    Needs the extra ``text``.
    """
    from transformers import AutoModelForTokenClassification

    from nngraph.text import _load

    reader = _load(AutoModelForTokenClassification, source, 0)
    config: Any = reader.model.config
    tags = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    if all(tag == f"LABEL_{i}" for i, tag in enumerate(tags)):
        raise DatasetError(
            f"model: the config.json in {reader.source!r} names no tags (id2label); expected a token classifier that "
            "was trained, such as dslim/distilbert-NER."
        )
    if not reader.tokenizer.is_fast:
        raise DatasetError(
            f"model: the tokenizer in {reader.source!r} does not tell which token is of which word; expected one with "
            "a tokenizer.json."
        )
    return Tagger(reader.model, reader.tokenizer, tags, reader.source)


class TagScore:
    r"""The F1 of a token classifier on sentences, to be called with the model.

    .. math:: F_1 = \frac{2\,TP}{n_{\mathrm{told}} + n_{\mathrm{true}}}

    Parameters
    ----------
    tagger : Tagger
        For its tokenizer and tags; the model that is scored is the argument of the call.
    sentences : TaggedSentences
        What is true.
    tags : sequence of str, optional
        Count words that have one of these tags. By default entities, as seqeval does: a run of words with one kind of
        entity is told where its bounds and kind are.
    batch_size : int
        Sentences in one forward pass.

    Attributes
    ----------
    kinds : tuple of str
        The tags, or the kinds of entities, that are counted.

    Notes
    -----
    Micro average over kinds. The sentences are coded once. Words of which the model sees no token (in sentences too
    long for it, or of characters that its tokenizer drops) are left out of what is true as of what is told: the score
    is that of the words it sees, and an entity cut by the end counts with what is left of it.

    References
    ----------
    .. [1] H. Nakayama, "seqeval: a Python framework for sequence labeling evaluation", 2018.
    """

    def __init__(
        self, tagger: Tagger, sentences: TaggedSentences, *, tags: Sequence[str] | None = None, batch_size: int = 32
    ) -> None:
        self._names = np.array(tagger.tags)
        self._batches = tagger.batches(sentences, batch_size=batch_size)
        self._true = sentences.tags
        self._entities = tags is None
        told = sorted({tag[2:] for tag in tagger.tags if tag[:2] in INSIDE}) if tags is None else list(tags)
        self.kinds = tuple(told)
        if not self.kinds or (tags is not None and (unknown := set(tags) - set(tagger.tags))):
            odd = "none" if not self.kinds else repr(min(unknown))
            raise ArgumentError(f"tags: got {odd}; the model tells {', '.join(map(repr, tagger.tags[:8]))}.")

    def __call__(self, model: nn.Module) -> float:
        """Return the micro F1."""
        return f1(self.counts(model))

    def counts(self, model: nn.Module) -> np.ndarray:
        """Return (n_sentences, n_kinds, 3) numbers: told rightly, told, and true."""
        told = self.told(model)
        found = np.zeros((len(self._true), len(self.kinds), 3), dtype=np.int64)
        for number, (guess, true) in enumerate(zip(told, self._true, strict=True)):
            present = [word for word, tag in enumerate(guess) if tag]  # words that the model has seen
            sets = [self._marks([tags[word] for word in present]) for tags in (guess, true)]
            for kind, name in enumerate(self.kinds):
                a, b = ({mark for mark in marks if mark[0] == name} for marks in sets)
                found[number, kind] = len(a & b), len(a), len(b)
        return found

    def told(self, model: nn.Module) -> list[list[str]]:
        """Return the tag that the model tells for each word; "" where no token of it is left."""
        found = [[""] * len(tags) for tags in self._true]
        for number, batch in enumerate(self._batches):
            classes = self._logits(model, number, batch)[batch.row, batch.column].argmax(-1).cpu().numpy()
            for sentence, word, tag in zip(batch.sentence, batch.word, self._names[classes], strict=True):
                found[sentence][word] = str(tag)
        return found

    def _logits(self, model: nn.Module, number: int, batch: Batch) -> torch.Tensor:
        device = next(model.parameters()).device
        logits: torch.Tensor = model(**{name: value.to(device) for name, value in batch.inputs.items()}).logits
        return logits

    def _marks(self, tags: list[str]) -> set[tuple[Any, ...]]:
        if not self._entities:
            return {(tag, word) for word, tag in enumerate(tags)}
        from seqeval.metrics.sequence_labeling import get_entities  # type: ignore[import-untyped]

        return set(get_entities(tags))


def f1(counts: np.ndarray) -> float:
    """Return the micro F1 of (..., 3) numbers: told rightly, told, and true; 0 where nothing is told or true.

    Examples
    --------
    >>> f1(np.array([[3, 4, 5], [0, 0, 1]]))
    0.6
    """
    right, told, true = counts.reshape(-1, 3).sum(0)
    return float(2 * right / (told + true)) if told + true else 0.0
