"""A small causal transformer that tells the next byte of the manual that Python ships: for interventions."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._rng import RNG, child, generator, seed_record, seed_sequence

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.finetuning import FineTuned
    from nngraph.models import Transformer

__all__ = ["Corpus", "baselines", "bits_per_byte", "corpus", "load", "record", "train", "windows"]

CHECKPOINT = Path(__file__).with_name("characters.safetensors")
POSITIONS = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """Bytes to train on, and bytes to test on."""

    train: np.ndarray = dataclasses.field(repr=False)
    """uint8: nine tenths of the topics of Python's own manual."""
    test: np.ndarray = dataclasses.field(repr=False)
    """uint8: what every tenth topic has that no other has."""
    other: np.ndarray = dataclasses.field(repr=False)
    """uint8: the descriptions of the data sets that scikit-learn ships; nothing of them is trained on."""


def corpus() -> Corpus:
    """Read the texts that are on every machine: ``pydoc_data.topics`` of Python and scikit-learn's descriptions.

    They are those of the versions that run, and so is what is held out; :func:`record` has the SHA-256 of each
    text that the stored network was scored on.

    Examples
    --------
    >>> texts = corpus()
    >>> len(texts.train) > 300_000, len(texts.test) > 5_000, len(texts.other) > 30_000
    (True, True, True)
    """
    import importlib.resources
    from pydoc_data.topics import topics

    held_out = set(sorted(topics)[5::10])
    known = "\n\n".join(topics[name] for name in sorted(topics) if name not in held_out)
    held = "\n\n".join(topics[name] for name in sorted(held_out)).split("\n\n")
    new = "\n\n".join(paragraph for paragraph in held if paragraph.strip() not in known)  # topics repeat each other
    folder = importlib.resources.files("sklearn.datasets.descr")
    files = sorted((path for path in folder.iterdir() if path.name.endswith(".rst")), key=lambda path: path.name)
    texts = [known, new, "\n\n".join(path.read_text(encoding="utf-8") for path in files)]
    return Corpus(*(np.frombuffer(text.encode(), dtype=np.uint8) for text in texts))


def windows(text: np.ndarray, n: int, *, rng: RNG = 0) -> np.ndarray:
    """Return n stretches of 65 bytes at random places: 64 inputs, and what follows each.

    Examples
    --------
    >>> windows(np.arange(100, dtype=np.uint8), 3, rng=0).shape
    (3, 65)
    """
    starts = generator(child(seed_sequence(rng), "windows")).integers(len(text) - POSITIONS, size=n)
    samples: np.ndarray = text[starts[:, None] + np.arange(POSITIONS + 1)].astype(np.int64)
    return samples


def network(*, rng: RNG = 0) -> Transformer:
    """Return the network before training: 256 bytes, 64 positions, 8 blocks of width 48, with LayerNorm."""
    from nngraph.models import transformer

    return transformer(256, POSITIONS, width=48, depth=8, heads=4, norm=True, rng=rng)


def train(path: str | os.PathLike[str], *, steps: int = 2000, rng: RNG = 0) -> FineTuned:
    """Train the network on the manual, and write its weights as float16 to a file, and its record beside it.

    Parameters
    ----------
    path : path
        The file; the record has the same name and ends in .json. The weights of the package were made by
        ``python -m nngraph.reproduce.layer_groups characters --out FILE``, in four CPU minutes.
    steps : int
        Of 32 windows each.
    rng : None, int, SeedSequence or Generator
        Of weights, windows and their order.

    Returns
    -------
    FineTuned
        Its model holds the float16 weights, as :func:`load` gives them.
    """
    from safetensors.torch import save

    from nngraph.finetuning import fine_tune
    from nngraph.io._atomic import replacing

    seed = seed_sequence(rng)
    samples = windows(corpus().train, 32 * steps, rng=child(seed, "train"))
    run = fine_tune(network(rng=seed), (samples[:, :-1], samples[:, 1:]), lr=3e-3, rng=child(seed, "steps"))
    with replacing(path) as file:
        file.write(save({name: value.half() for name, value in run.model.state_dict().items()}))
    with replacing(Path(path).with_suffix(".json")) as file:
        file.write(
            (json.dumps(scored(path) | {"steps": run.steps, "seed": seed_record(seed)}, indent=1) + "\n").encode()
        )
    return dataclasses.replace(run, model=load(path))


def load(path: str | os.PathLike[str] = CHECKPOINT) -> Transformer:
    """Load the trained network, in evaluation mode, float32.

    Examples
    --------
    >>> len(load().blocks)
    8
    """
    from safetensors.torch import load_file

    model = network()
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return model.eval()


def scored(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a file of weights scores on the texts of the Python that runs, with the SHA-256 of file and texts."""
    import platform

    import sklearn
    import torch

    texts = {field.name: getattr(corpus(), field.name) for field in dataclasses.fields(Corpus)}
    model = load(path)
    return {
        "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "texts": {name: hashlib.sha256(text.tobytes()).hexdigest() for name, text in texts.items()},
        "bits_per_byte": {name: bits_per_byte(model, windows(text, 200, rng=0)) for name, text in texts.items()},
    }


def record() -> Mapping[str, Any]:
    """Return what the stored network scored, and where.

    Returns
    -------
    mapping
        "sha256" of its file; "bits_per_byte" of 200 windows of each text of :func:`corpus`, and "texts", the SHA-256 of
        each; "python", "torch" and "scikit-learn", the versions that these scores were taken with; "steps", "seed".

    Examples
    --------
    >>> record()["bits_per_byte"]["test"] < 3
    True
    """
    facts: dict[str, Any] = json.loads(CHECKPOINT.with_suffix(".json").read_text())
    return facts


def bits_per_byte(model: Transformer, samples: np.ndarray) -> float:
    r"""Return the cross-entropy of the bytes that follow, at all 64 positions of each window, in bits.

    .. math:: -\frac{1}{64 n} \sum \log_2 p(x_{t + 1} | x_1, \ldots, x_t)
    """
    import torch

    from nngraph._passes import passes

    total = 0.0
    targets = torch.from_numpy(samples[:, 1:])
    done = 0
    for batch in passes(model, samples[:, :-1], batch_size=64):
        logs = torch.log_softmax(model(batch[""]).double(), dim=-1)
        rows = targets[done : done + len(logs)]
        total -= float(logs.gather(2, rows[..., None]).sum())
        done += len(logs)
    return total / targets.numel() / float(np.log(2))


def baselines(text: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """Return the bits per byte of counts of bytes, and of pairs of bytes, one added to each count.

    Examples
    --------
    >>> text = np.frombuffer(b"abababababababab" * 50, dtype=np.uint8)
    >>> {name: round(bits, 2) for name, bits in baselines(text, windows(text, 5, rng=0)).items()}
    {'unigram': 1.4, 'bigram': 0.71}
    """
    pairs = np.bincount(text[:-1].astype(np.int64) * 256 + text[1:], minlength=256 * 256).reshape(256, 256) + 1.0
    single = np.bincount(text, minlength=256) + 1.0
    one, two = np.log2(single / single.sum()), np.log2(pairs / pairs.sum(axis=1, keepdims=True))
    return {
        "unigram": float(-one[samples[:, 1:]].mean()),
        "bigram": float(-two[samples[:, :-1], samples[:, 1:]].mean()),
    }


def compression(*, n: int = 500, rng: RNG = 0) -> pd.DataFrame:
    """Return the bits per byte of the trained network, the untrained one, and counts, on text not trained on."""
    import pandas as pd

    texts = corpus()
    rows = {}
    for name, text in (("manual, paragraphs held out", texts.test), ("scikit-learn", texts.other)):
        samples = windows(text, n, rng=child(seed_sequence(rng), name))
        models = {"transformer": load(), "untrained": network()}
        rows[name] = {
            **{which: bits_per_byte(model, samples) for which, model in models.items()},
            **baselines(texts.train, samples),
        }
    return pd.DataFrame(rows).T.rename_axis("text").reset_index()
