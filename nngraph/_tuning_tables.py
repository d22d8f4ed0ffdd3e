"""Tables of fine-tuned models: their rows, and the controls that nothing is fine-tuned for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import nn

from nngraph._tensors import as_tensor
from nngraph._tuning import Data, samples_of
from nngraph.depth import block_means
from nngraph.errors import ArgumentError

Row: TypeAlias = tuple[str, int, int, int, float, int]


def check_arguments(train: Data, test: Data, options: Mapping[str, Any]) -> None:
    """Raise before anything is trained where data or options would make the table wrong."""
    for name, data in (("train", train), ("test", test)):
        y = samples_of(data, name)[1]
        if y.ndim != 1:
            raise ArgumentError(f"{name}: got labels of shape {tuple(y.shape)}; expected ({len(y)},), one a sample.")
    if len(samples_of(train)[1].unique()) < 2:
        raise ArgumentError(f"train: got {len(train[1])} labels of one class; expected at least two classes.")
    if "trainable_from" in options:
        raise ArgumentError("trainable_from: the table says what is trained; leave it out.")


def controls_of(
    model: nn.Module, train: Data, test: Data, blocks: Sequence[int], options: Mapping[str, Any]
) -> list[Row]:
    """Return the rows of logistic regression on the mean outputs of blocks, and of the larger class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = np.asarray(as_tensor(train[1]).cpu()).astype(np.int64)
    classes, counts = np.unique(y, return_counts=True)
    known, asked = (block_means(model, x, device=options.get("device")) for x, _ in (train, test))
    rows = []
    for block in blocks:
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000)).fit(known[block], y)
        size = (known[block].shape[1] + 1) * len(classes)
        rows.append(row_of("logistic", block, 0, size, head.predict(asked[block]), test))
    constant = np.full(len(asked[0]), classes[counts.argmax()])
    return [*rows, row_of("majority", 0, 0, 0, constant, test)]


def row_of(kind: str, block: int, seed: int, trainable: int, found: np.ndarray, test: Data) -> Row:
    """Return a row: what was found, against the test labels."""
    y = np.asarray(as_tensor(test[1]).cpu())
    return kind, block, seed, trainable, float((found == y).mean()), len(y)
