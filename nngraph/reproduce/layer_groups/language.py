"""The language part on a stand-in: MiniLM-L6 in place of BERT, rated movie snippets in place of Yelp and SST-2."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from nngraph import similarity
from nngraph._folders import digest_of, opened
from nngraph._rng import child, generator, seed_sequence
from nngraph.depth import blocks_of
from nngraph.errors import ArgumentError, FormatError
from nngraph.finetuning import dropping, fine_tune, freezing, predictions
from nngraph.io._atomic import replacing
from nngraph.reproduce.layer_groups import language_maps
from nngraph.text import Reader, encoder, rated_snippets
from nngraph.twins import untrained_twin

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Setup", "encoders", "run", "tables"]

Data: TypeAlias = tuple[dict[str, np.ndarray], np.ndarray]
SPARSITIES = (25, 70, 95)
"""Percent of the weights of the blocks that are pruned before fine-tuning."""
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Setup:
    """What all runs of the experiment share."""

    n_train: int = 1200
    n_test: int = 800
    max_length: int = 32
    epochs: int = 1
    lr: float = 1e-4
    batch_size: int = 32
    mixed: bool = True
    """Whether products are taken in bfloat16 while encoders are trained and tested; maps are always float32."""
    from_blocks: tuple[int, ...] | None = None
    """Rows of the table of freezing: the first block that is trained; None: each in turn."""
    keep: tuple[int, ...] | None = None
    """Rows of the table of dropping: how many blocks are kept; None: all, and two fewer or less."""

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """Return the context to train and test in."""
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.mixed)

    @property
    def options(self) -> dict[str, Any]:
        """What goes to the fine-tuning."""
        return {"epochs": self.epochs, "lr": self.lr, "batch_size": self.batch_size}

    @property
    def sentence(self) -> str:
        """What the page says of it."""
        return (
            f"{self.n_train:,} training and {self.n_test:,} test snippets of at most {self.max_length} tokens, "
            f"{self.epochs} epoch of batches of {self.batch_size}, largest learning rate {self.lr:g}, "
            f"{'products in bfloat16' if self.mixed else 'float32'}; maps of test snippets, mean over tokens, float32."
        )

    @property
    def steps(self) -> int:
        """The number of optimiser steps of one fine-tuning."""
        return self.epochs * -(-self.n_train // self.batch_size)

    def reader(self, source: str | None) -> Any:
        """Return what reads the texts."""
        return encoder(source)

    def classifier(self, source: str | None, seed: int) -> Any:
        """Return the pretrained encoder with a head drawn from the seed, in evaluation mode."""
        return classifier(source, seed)

    def texts(self, root: str | os.PathLike[str] | None) -> list[str]:
        """Return all texts, which the results depend on."""
        halves = [rated_snippets(kind, root) for kind in ("movies", "amazon")]
        return [text for one in halves for half in (one.train, one.test) for text in half]

    def data(
        self, reader: Any, root: str | os.PathLike[str] | None, kind: Literal["movies", "amazon"] = "movies"
    ) -> tuple[Data, Data]:
        """Return the snippets as tokens: training and test data."""
        texts = rated_snippets(kind, root).first(self.n_train, self.n_test)
        train, test = (reader.tokens(half, max_length=self.max_length) for half in (texts.train, texts.test))
        return (train, texts.y_train), (test, texts.y_test)


class Classifier(nn.Module):
    """An encoder with a linear head on the mean over its tokens, as MiniLM was trained to be read."""

    body: Any

    def __init__(self, reader: Reader, seed: int) -> None:
        super().__init__()
        self.body = _without_pooler(reader.model.base_model)
        width = self.body.get_input_embeddings().embedding_dim
        self.head = nn.Linear(width, 2)
        draw = generator(child(seed_sequence(seed), "head"))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(draw.normal(scale=0.02, size=(2, width))))
            self.head.bias.zero_()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (n, 2) logits."""
        stream = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask[..., None].to(stream.dtype)
        logits: torch.Tensor = self.head((stream * weights).sum(dim=1) / weights.sum(dim=1))
        return logits


def classifier(source: str | None, seed: int) -> Classifier:
    """Return the pretrained encoder with a head drawn from the seed, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        return Classifier(encoder(source), seed).eval()


def batches_of(seed: int, name: str) -> np.random.SeedSequence:
    """Return the seed of the batch order and of dropout of an encoder."""
    return child(seed_sequence(seed), "encoders", name)


def _without_pooler(body: Any) -> Any:
    if hasattr(body, "pooler"):
        body.pooler = None  # it reads the class token only
    return body


def encoders(
    folder: Path, setup: Setup, *, root: str | os.PathLike[str] | None = None, source: str | None = None, seed: int = 0
) -> dict[str, Classifier]:
    """Return the encoders whose maps are compared, trained unless the folder has them already.

    Parameters
    ----------
    folder : Path
        Where weights (``NAME-SEED.safetensors``) and ``encoders.csv`` (accuracies) are kept.
    setup : Setup
        Sizes and schedule.
    root, source : optional
        Of :func:`nngraph.text.rated_snippets` and :func:`nngraph.text.encoder`.
    seed : int
        Of the head, the batch order and dropout.

    Returns
    -------
    dict
        "untrained" (random weights), "pretrained", "fine-tuned", "sparse 25", "sparse 70", "sparse 95" (that percentage
        of the smallest weights of each matrix of the blocks absent, then fine-tuned).
    """
    train, test = setup.data(setup.reader(source), root)
    found = {name: setup.classifier(source, seed) for name in ("untrained", "pretrained")}
    found["untrained"].body = _without_pooler(
        untrained_twin(found["untrained"].body, rng=child(seed_sequence(seed), "untrained"))
    ).eval()
    for name in ("fine-tuned", *(f"sparse {percent}" for percent in SPARSITIES)):
        found[name] = _tuned(folder, name, setup, (train, test), source, seed)
    return found


def second(
    folder: Path, setup: Setup, *, root: str | os.PathLike[str] | None = None, source: str | None = None, seed: int = 0
) -> Classifier:
    """Return the encoder fine-tuned on the snippets on products ("amazon"), as :func:`encoders` does."""
    return _tuned(folder, "amazon", setup, setup.data(setup.reader(source), root, "amazon"), source, seed)


def _tuned(folder: Path, name: str, setup: Setup, data: tuple[Data, Data], source: str | None, seed: int) -> Classifier:
    """Return a fine-tuned encoder, from its file where that and its row are there."""
    from safetensors import SafetensorError
    from safetensors.torch import load, save

    path, rows = folder / f"{name.replace(' ', '-')}-{seed}.safetensors", folder / "encoders.csv"
    model: Classifier = setup.classifier(source, seed)
    train, test = data
    if not path.exists() or not _has(rows, encoder=name, seed=seed):
        percent = int(name.split()[1]) if name.startswith("sparse") else 0
        model = _pruned(model, percent / 100) if percent else model
        with setup.precision():
            run = fine_tune(model, train, rng=batches_of(seed, name), **setup.options)
            right = float((predictions(model, test[0]) == test[1]).mean())
        _finish_pruning(model)
        row = {"encoder": name, "seed": seed, "accuracy": right, "n_test": len(test[1]), "absent": _absent(model),
               "steps": run.steps, "first_loss": run.loss[:10].mean(), "last_loss": run.loss[-10:].mean(),
               "seconds": run.seconds}  # fmt: skip
        _put(rows, row, "encoder", "seed")
        with replacing(path) as file:  # after its row: what stops in between is done again
            file.write(save({key: value.contiguous() for key, value in model.state_dict().items()}))
        log.info("%s, seed %d: accuracy %.4f, %.0f s", name, seed, right, run.seconds)
    try:
        model.load_state_dict(load(path.read_bytes()))
    except (SafetensorError, RuntimeError) as error:
        raise FormatError(f"{path}: no whole weights of this encoder ({error}); delete it.") from None
    return model.eval()


def answers(
    compared: Mapping[str, Classifier], test: Data, precision: Callable[[], contextlib.AbstractContextManager[object]]
) -> pd.DataFrame:
    """Return whether each fine-tuned encoder is right (1) on each test text (row), a column for each."""
    import pandas as pd

    with precision():
        return pd.DataFrame(
            {
                name: (predictions(model, test[0]) == test[1]).astype(int)
                for name, model in compared.items()
                if name not in ("untrained", "pretrained")
            }
        )


def tables(
    folder: Path, setup: Setup, *, root: str | os.PathLike[str] | None = None, source: str | None = None, seed: int = 0
) -> None:
    """Write the rows of ``freezing-SEED.csv`` and ``dropping-SEED.csv`` that the folder does not have yet.

    Parameters
    ----------
    folder, setup, root, source, seed
        As for :func:`encoders`. The head is drawn anew for each seed.
    """
    model = setup.classifier(source, seed)
    train, test = setup.data(setup.reader(source), root)
    depth = len(blocks_of(model))
    own = child(seed_sequence(seed), "tables")
    for name, make, values in (
        ("freezing", freezing, setup.from_blocks or range(1, depth + 1)),
        ("dropping", dropping, setup.keep or [depth, *range(depth - 2, -1, -1)]),
    ):
        path = folder / f"{name}-{seed}.csv"
        for value in values:
            if _has(path, kind="fine-tuned", block=value, seed=seed):
                continue
            with setup.precision():
                table = make(model, train, test, [value], seeds=1, controls=False, rng=own, **setup.options)
            _append_table(path, table.assign(seed=seed))
            log.info("%s %d, seed %d: accuracy %.4f", name, value, seed, table["accuracy"].iloc[0])
        if seed == 0 and not _has(path, kind="majority", seed=0):
            with setup.precision():  # these know no seed
                _append_table(path, make(model, train, test, None, seeds=0))


def run(
    out: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    source: str | None = None,
    seeds: int = 1,
    page: str | os.PathLike[str] | None = None,
    setup: Setup | None = None,
    n: int = 200,
) -> None:
    """Do everything that is not in the folder yet: train, measure, and write the page.

    Parameters
    ----------
    out : path
        Folder of the results, made where it is not there: weights of encoders and CSV tables.
    root, source : optional
        Of :func:`nngraph.text.rated_snippets` and :func:`nngraph.text.encoder`.
    seeds : int
        Of fine-tuning. Maps are those of the first.
    page : path, optional
        Markdown page whose part between ``<!-- language: begin -->`` and ``<!-- language: end -->`` is written anew.
    setup : Setup, optional
        Sizes and schedule.
    n : int
        Texts in each map, and stretches of text that blocks are skipped on.

    Notes
    -----
    With the default sizes about 7 CPU minutes for each seed on one core with bfloat16 instructions, and 2 more for the
    second data set and the fine-tuning that is followed.
    """
    from nngraph.reproduce.layer_groups import characters, language_dynamics, language_page

    setup = setup or Setup()
    folder = opened(Path(out), settings(setup, n, root, source))
    files: dict[str, Any] = {"root": root, "source": source}
    for seed in range(seeds):
        compared = encoders(folder, setup, seed=seed, **files)
        tables(folder, setup, seed=seed, **files)
        _, test = setup.data(setup.reader(source), root)
        if not (folder / f"right-{seed}.csv").exists():
            language_maps.write(answers(compared, test, setup.precision), folder / f"right-{seed}.csv")
        bodies = {name: model.body for name, model in compared.items()}
        if seed == 0:
            first = bodies["fine-tuned"]
            _measure(folder, bodies, test, 0, [("fine-tuned", "pretrained")], n)
        else:
            chosen = {"pretrained": bodies["pretrained"], "fine-tuned": bodies["fine-tuned"], "first": first}
            _measure(folder, chosen, test, seed, [("fine-tuned", "first")], n)
    products = second(folder, setup, **files)
    _, test = setup.data(setup.reader(source), root, "amazon")
    chosen = {"pretrained": bodies["pretrained"], "fine-tuned": products.body, "movies": first}
    _measure(folder, chosen, test, "amazon", [("fine-tuned", "movies")], n)
    if not all((folder / f"dynamics_{name}.csv").exists() for name in ("scores", "steps")):
        followed = language_dynamics.follow(setup, n=n, **files)
        language_maps.write(followed.table, folder / "dynamics_scores.csv")
        language_maps.write(followed.boundaries, folder / "dynamics_steps.csv")
    if not (folder / "agreements.csv").exists():
        samples = characters.windows(characters.corpus().test, n, rng=0)[:, :-1]
        table = language_maps.agreements(characters.load(), samples, list(similarity.MEASURES), n=n)
        language_maps.write(table, folder / "agreements.csv")
    if not (folder / "compression.csv").exists():
        language_maps.write(characters.compression(n=n), folder / "compression.csv")
    if page is not None:
        sentence = f"{setup.sentence} Maps are of {n} test snippets."
        language_page.write_page(Path(page), language_page.page(language_page.read(folder), setup=sentence))


def settings(
    setup: Setup, n: int, root: str | os.PathLike[str] | None = None, source: str | None = None
) -> dict[str, Any]:
    """Return what the results depend on, but for the number of seeds: sizes, schedule, texts, weights to start from."""
    return {
        **dataclasses.asdict(setup),
        "n": n,
        "texts": digest_of(setup.texts(root)),
        "encoder": digest_of(setup.classifier(source, 0)),
    }


def _measure(
    folder: Path,
    compared: Mapping[str, nn.Module],
    test: Data,
    seed: int | str,
    pairs: Sequence[tuple[str, str]],
    n: int,
) -> None:
    """Write maps and matrices of encoders on the same texts: under every measure for seed 0, else of GW and CKA."""
    names = ("maps", "changes", "crosses", *(["near"] if seed == 0 else []))
    if all((folder / f"{name}-{seed}.csv").exists() for name in names):
        return
    everything = language_maps.representations_of(compared, test[0], n=n)
    measures = list(similarity.MEASURES) if seed == 0 else ["gw", "cka"]
    found = dict(zip(("maps", "changes"), language_maps.maps(everything, measures), strict=True))
    found["crosses"] = language_maps.crosses(everything, pairs)
    if seed == 0:
        both = {name: everything[name] for name in ("pretrained", "fine-tuned")}
        found["near"] = language_maps.near(both, test[1])
    for name, table in found.items():
        language_maps.write(table, folder / f"{name}-{seed}.csv")


# --------------------------------------------------------------------- pruning


def _pruned(model: Classifier, fraction: float) -> Classifier:
    """Return a copy without the smallest weights of each matrix of the blocks, which then stay absent."""
    from nngraph.convert.torch import from_torch, to_torch
    from nngraph.ops import prune

    blocks = blocks_of(model)
    name = next(name for name, module in model.named_modules() if module is blocks)
    G = prune(from_torch(model, layers=name), fraction=fraction, scope="block")
    pruned: Classifier = to_torch(G, model, masks=True)  # type: ignore[assignment]
    return pruned


def _finish_pruning(model: nn.Module) -> None:
    from torch.nn.utils import prune

    for module in model.modules():
        if hasattr(module, "weight_mask"):
            prune.remove(module, "weight")


def _absent(model: nn.Module) -> float:
    weights = [p for p in blocks_of(model).parameters() if p.ndim == 2]
    return sum(int((p == 0).sum()) for p in weights) / sum(p.numel() for p in weights)


# ----------------------------------------------------------------------- files


def _has(path: Path, **values: object) -> bool:
    """Return whether a CSV file is there and has a row with these values."""
    import pandas as pd

    if not path.exists():
        return False
    rows = pd.read_csv(path)
    return bool(np.logical_and.reduce([rows[key] == value for key, value in values.items()]).any())


def _put(path: Path, row: Mapping[str, object], *keys: str) -> None:
    """Add a row to a CSV file in place of one with the same keys."""
    import pandas as pd

    if path.exists():
        rows = pd.read_csv(path)
        others = rows[~np.logical_and.reduce([rows[key] == row[key] for key in keys])]
        language_maps.write(others, path)
    _append_table(path, pd.DataFrame([row]))


def _append_table(path: Path, table: pd.DataFrame) -> None:
    """Add rows to a CSV file, which is replaced as a whole."""
    import pandas as pd

    known = [pd.read_csv(path)] if path.exists() else []
    if known and list(known[0].columns) != list(table.columns):
        raise ArgumentError(f"{path}: got the columns {list(known[0].columns)}; expected {list(table.columns)}.")
    known = [rows for rows in known if len(rows)]
    language_maps.write(pd.concat([*known, table], ignore_index=True), path)
