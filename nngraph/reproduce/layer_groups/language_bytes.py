"""The language part without a download: the transformer of bytes, fine-tuned to tell scrambled words."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from nngraph._rng import child, generator, seed_sequence
from nngraph.reproduce.layer_groups import characters, language

if TYPE_CHECKING:
    from nngraph.reproduce.layer_groups.language import Data

__all__ = ["ByteSetup", "scrambled"]


@dataclasses.dataclass(frozen=True)
class ByteSetup(language.Setup):
    """The embedded stand-in: stretches of 64 bytes, in half of which neighbouring letters have changed places.

    The first data set ("movies") is of Python's manual, whose other topics the transformer was trained to tell, the
    second ("amazon") of the descriptions of data sets that scikit-learn ships.
    """

    n_train: int = 1600
    lr: float = 1e-3
    max_length: int = characters.POSITIONS
    mixed: bool = False

    @property
    def sentence(self) -> str:
        """What is said of it."""
        return (
            f"{self.n_train:,} training and {self.n_test:,} test stretches of {self.max_length} bytes, {self.epochs} "
            f"epoch of batches of {self.batch_size}, largest learning rate {self.lr:g}"
        )

    def reader(self, source: str | None) -> None:
        """Return nothing: bytes are read as they are."""

    def classifier(self, source: str | None, seed: int) -> ByteClassifier:
        """Return the stored transformer with a head drawn from the seed, in evaluation mode."""
        return ByteClassifier(seed).eval()

    def texts(self, root: str | os.PathLike[str] | None) -> list[str]:
        """Return the texts of the Python that runs, which the results depend on."""
        found = characters.corpus()
        return [text.tobytes().decode(errors="replace") for text in (found.train, found.test, found.other)]

    def data(
        self, reader: Any, root: str | os.PathLike[str] | None, kind: Literal["movies", "amazon"] = "movies"
    ) -> tuple[Data, Data]:
        """Return stretches as tokens, with 1 where letters changed places: training and test data, of other text."""
        texts = characters.corpus()
        half = len(texts.other) // 2
        halves = (texts.train, texts.test) if kind == "movies" else (texts.other[:half], texts.other[half:])
        seed = child(seed_sequence(0), "scrambled", kind)
        train, test = (
            scrambled(text, n, child(seed, name))
            for text, n, name in zip(halves, (self.n_train, self.n_test), ("train", "test"), strict=True)
        )
        return train, test


class ByteClassifier(nn.Module):
    """The transformer of bytes with a linear head on the mean over its positions."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.body = characters.load()
        width = self.body.embedding.embedding_dim
        self.body.unembedding = nn.Identity()  # type: ignore[assignment]
        with torch.random.fork_rng(devices=[]):
            self.head = nn.Linear(width, 2)
        draw = generator(child(seed_sequence(seed), "head"))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(draw.normal(scale=0.02, size=(2, width))))
            self.head.bias.zero_()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (n, 2) logits."""
        logits: torch.Tensor = self.head(self.body(tokens=tokens).mean(dim=1))
        return logits


def scrambled(text: np.ndarray, n: int, rng: np.random.SeedSequence) -> Data:
    """Return n stretches of 64 bytes, and 1 for those in which neighbouring small letters have changed places.

    Read from the left, every two letters that follow each other do so: "hte uqcik rbwon ofx".

    Examples
    --------
    >>> text = np.frombuffer(b"the quick brown fox jumps over the lazy dog. " * 4, dtype=np.uint8)
    >>> x, y = scrambled(text, 4, seed_sequence(0))
    >>> x["tokens"].shape, sorted(y.tolist())
    ((4, 64), [0, 0, 1, 1])
    """
    tokens = characters.windows(text, n, rng=rng)[:, :-1].copy()
    draw = generator(child(rng, "letters"))
    classes = draw.permutation(np.arange(n) % 2)
    letter = (tokens >= ord("a")) & (tokens <= ord("z"))
    for row in np.flatnonzero(classes):
        place = 0
        while place < tokens.shape[1] - 1:
            if letter[row, place] and letter[row, place + 1]:
                tokens[row, [place, place + 1]] = tokens[row, [place + 1, place]]
                place += 1
            place += 1
    return {"tokens": tokens}, classes
