"""The fine-tuning of the encoder, followed from step to step: maps, loss and accuracy on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nngraph.metrics import accuracy, cross_entropy

if TYPE_CHECKING:
    from torch import nn

    from nngraph.checkpoints import Dynamics
    from nngraph.reproduce.layer_groups.language import Setup

__all__ = ["EVERY", "follow"]

EVERY = 4
"""Steps between two maps."""
N_SCORED = 400
"""Test texts that loss and accuracy are of, at most."""


def follow(
    setup: Setup,
    *,
    root: str | os.PathLike[str] | None = None,
    source: str | None = None,
    seed: int = 0,
    n: int = 200,
    every: int = EVERY,
) -> Dynamics:
    """Repeat the fine-tuning of the dense encoder, and map its blocks before, on the way, and after.

    Parameters
    ----------
    setup, root, source, seed
        As for :func:`nngraph.reproduce.layer_groups.language.encoders`: the same steps, so the same weights.
    n : int
        Test texts in each map.
    every : int
        Steps between two maps.

    Returns
    -------
    Dynamics
        Of the root of GW, with loss and accuracy on the first test texts.
    """
    from nngraph.checkpoints import Recorder
    from nngraph.finetuning import fine_tune
    from nngraph.reproduce.layer_groups import language
    from nngraph.similarity import representations

    train, (inputs, labels) = setup.data(setup.reader(source), root)
    held = {name: values[:N_SCORED] for name, values in inputs.items()}
    record = Recorder(
        inputs,
        measure="gw",
        taps=lambda body: representations(body, inputs, "blocks", n=n, tokens="mean"),
        root=True,
    )
    last = setup.steps

    def look(step: int, model: Any) -> None:
        if step % every and step != last:
            return
        model.eval()
        answers = _logits(model, held, setup.precision)
        with torch.autocast("cpu", enabled=False):
            record(step, model.body, loss=cross_entropy(answers, labels[:N_SCORED]),
                   accuracy=accuracy(answers, labels[:N_SCORED]))  # fmt: skip

    model = setup.classifier(source, seed)
    look(0, model)
    with setup.precision():
        fine_tune(model, train, rng=language.batches_of(seed, "fine-tuned"), after_step=look, **setup.options)
    return record.result()


def _logits(model: nn.Module, x: dict[str, np.ndarray], precision: Callable[[], Any]) -> np.ndarray:
    from nngraph._passes import output, passes

    with precision():
        found = [output(model, batch).float().cpu().numpy() for batch in passes(model, x, batch_size=64)]
    return np.concatenate(found)
