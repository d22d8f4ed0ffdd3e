"""Frozen backbones, pretrained and untrained, read at several depths: stand-ins for models of ImageNet."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from nngraph._progress import progress
from nngraph.errors import DatasetError
from nngraph.models import ResNet9, Transformer
from nngraph.reproduce.capacitance.candidates import Candidate, Samples
from nngraph.reproduce.layer_groups import characters, vision
from nngraph.text import Reader, encoder, rated_snippets
from nngraph.twins import untrained_twin

__all__ = ["PROBE", "TEXTS", "images", "texts"]

PROBE = Candidate((64,) * 3)
"""The probe network on top of each: four weight layers, drawn at random."""
TEXTS = "rated snippets"
BATCH, WORDS_BATCH = 250, 50
SEED = 0
log = logging.getLogger(__name__)


def images(samples: Samples, *, names: Sequence[str] = tuple(vision.NETWORKS)) -> Iterator[tuple[str, Samples]]:
    """Yield features of (n, channels, height, width) images at the 8 units of small ResNets and of untrained twins.

    Features are means over places. A network of one channel sees the mean of colours, one of three sees grey thrice.
    """
    for name in names:
        model, colours = vision.load(name), vision.NETWORKS[name].channels
        halves = [_coloured(x, colours) for x, _ in samples.halves]
        twin = untrained_twin(model, halves[0][:BATCH], rng=SEED)
        for state, one in (("trained", model), ("untrained", twin)):
            taps = [_units(one, half) for half in halves]
            for unit in taps[0]:
                yield f"ResNet9 {name}, {state}, {unit}", samples.seen_as([tap[unit] for tap in taps])


def texts(
    root: str | os.PathLike[str] | None = None, *, n: tuple[int, int, int] = (1500, 500, 1000)
) -> Iterator[tuple[str, Samples]]:
    """Yield features of rated snippets at every depth of the byte transformer, of MiniLM where it is, and of twins.

    Parameters
    ----------
    root : path, optional
        Where the snippets are.
    n : tuple of int
        Texts for training, validation and test.
    """
    found = rated_snippets("movies", root, rng=SEED)
    first, second = n[0], n[0] + n[1]
    given = [list(found.train[:first]), list(found.train[first:second]), list(found.test[: n[2]])]
    y = [found.y_train[:first], found.y_train[first:second], found.y_test[: n[2]]]
    for name, model, read in _readers():
        for state, one in (("trained", model), ("untrained", untrained_twin(model, rng=SEED))):
            taps = [read(one, half) for half in given]
            for depth in taps[0]:
                pairs = [(tap[depth], labels) for tap, labels in zip(taps, y, strict=True)]
                features = Samples(pairs[0], pairs[1], pairs[2], classes=2)
                yield f"{name}, {state}, {depth}", features.seen_as([x for x, _ in pairs])


def _readers() -> Iterator[tuple[str, nn.Module, Callable[[Any, list[str]], dict[str, np.ndarray]]]]:
    yield "transformer of bytes", characters.load(), _bytes
    try:
        reader = encoder()
    except (DatasetError, ImportError):
        log.info("MiniLM is not on this machine and left out")
        return
    yield "MiniLM", reader.model, lambda model, given: _words(model, reader, given)


def _words(model: Any, reader: Reader, given: list[str]) -> dict[str, np.ndarray]:
    """Return the mean over tokens of every hidden state of an encoder."""
    order = np.argsort([len(text) for text in given], kind="stable")  # texts of one batch need little padding
    batches = [order[i : i + WORDS_BATCH] for i in range(0, len(order), WORDS_BATCH)]
    found: dict[str, list[np.ndarray]] = {}
    for rows in progress(batches, total=len(batches), label="texts"):
        coded = reader.tokens([given[row] for row in rows], max_length=32)
        tensors = {name: torch.from_numpy(values) for name, values in coded.items()}
        with torch.inference_mode():
            states = model.base_model(**tensors, output_hidden_states=True).hidden_states
        weight = tensors["attention_mask"][..., None] / tensors["attention_mask"].sum(1)[:, None, None]
        for depth, state in enumerate(states):
            found.setdefault(f"depth {depth}", []).append((state * weight).sum(1).numpy())
    back = np.argsort(order)
    return {depth: np.concatenate(parts)[back] for depth, parts in found.items()}


def _bytes(model: Transformer, given: list[str]) -> dict[str, np.ndarray]:
    """Return the mean over positions behind every block, for the first 64 bytes of each text, spaces behind it."""
    cut = characters.POSITIONS
    coded = np.array([list(text.encode()[:cut].ljust(cut)) for text in given], dtype=np.int64)
    blocks = {f"depth {depth}": block for depth, block in enumerate(model.blocks, 1)}
    return _means(model.stream, blocks, coded, axes=(1,))


def _units(model: ResNet9, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean over places of what each unit gives."""
    return _means(model, {f"unit {i}": unit for i, unit in enumerate(model.units)}, x, axes=(2, 3))


def _means(
    run: Callable[[torch.Tensor], object], modules: Mapping[str, nn.Module], x: np.ndarray, *, axes: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Return the mean over axes of what modules give while the inputs pass."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, given, out: found[name].append(out.mean(axes).numpy())

    hooks = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        with torch.inference_mode():
            for part in progress(torch.from_numpy(x).split(BATCH), total=-(-len(x) // BATCH), label="inputs"):
                run(part)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _coloured(x: np.ndarray, colours: int) -> np.ndarray:
    if x.shape[1] == colours:
        return x
    grey: np.ndarray = x.mean(1, keepdims=True, dtype=np.float32)
    return np.repeat(grey, colours, axis=1)
