"""The language part on a stand-in: MiniLM-L6 in place of BERT, rated movie snippets in place of Yelp and SST-2."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nngraph._rng import child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.text import Reader, encoder, rated_snippets

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

__all__ = ["Setup", "encoders", "tables"]

Data: TypeAlias = tuple[dict[str, np.ndarray], np.ndarray]
SPARSITIES = (25, 70, 95)
"""Percent of the weights of the blocks that are pruned before fine-tuning."""
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Setup:
    """What all runs of the experiment share."""

    n_train: int = 2000
    n_test: int = 1000
    max_length: int = 32
    epochs: int = 1
    lr: float = 1e-4
    batch_size: int = 32
    mixed: bool = True
    """Whether products are taken in bfloat16 while encoders are trained and tested; maps are always float32."""

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """Return the context to train and test in."""
        import torch

        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.mixed)

    @property
    def options(self) -> dict[str, Any]:
        """What goes to the fine-tuning."""
        return {"epochs": self.epochs, "lr": self.lr, "batch_size": self.batch_size}

    def data(self, reader: Reader, root: str | os.PathLike[str] | None) -> tuple[Data, Data]:
        """Return the snippets as tokens: training and test data."""
        texts = rated_snippets("movies", root).first(self.n_train, self.n_test)
        train, test = (reader.tokens(half, max_length=self.max_length) for half in (texts.train, texts.test))
        return (train, texts.y_train), (test, texts.y_test)


def encoders(
    folder: Path, setup: Setup, *, root: str | os.PathLike[str] | None = None, source: str | None = None, seed: int = 0
) -> dict[str, nn.Module]:
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
    import torch
    from safetensors.torch import load_file, save_file

    from nngraph.finetuning import fine_tune, predictions

    def fresh() -> Reader:
        return encoder(source, rng=seed)

    reader = fresh()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        found: dict[str, nn.Module] = {"untrained": type(reader.model)(reader.model.config).eval()}
    found["pretrained"] = reader.model
    train, test = setup.data(reader, root)
    for name in ("fine-tuned", *(f"sparse {percent}" for percent in SPARSITIES)):
        path = folder / f"{name.replace(' ', '-')}-{seed}.safetensors"
        model = fresh().model
        if not path.exists():
            percent = int(name.split()[1]) if name.startswith("sparse") else 0
            model = _pruned(model, percent / 100) if percent else model
            with setup.precision():
                run = fine_tune(model, train, rng=child(seed_sequence(seed), "encoders", name), **setup.options)
                right = float((predictions(model, test[0]) == test[1]).mean())
            _finish_pruning(model)
            absent = _absent(model)
            save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
            _append(
                folder / "encoders.csv",
                {"encoder": name, "seed": seed, "accuracy": right, "n_test": len(test[1]), "absent": absent,
                 "steps": run.steps, "first_loss": run.loss[:10].mean(), "last_loss": run.loss[-10:].mean(),
                 "seconds": run.seconds},
            )  # fmt: skip
            log.info("%s, seed %d: accuracy %.4f, %.0f s", name, seed, right, run.seconds)
        model.load_state_dict(load_file(path))
        found[name] = model.eval()
    return found


def tables(
    folder: Path, setup: Setup, *, root: str | os.PathLike[str] | None = None, source: str | None = None, seed: int = 0
) -> None:
    """Write the rows of ``freezing-SEED.csv`` and ``dropping-SEED.csv`` that the folder does not have yet.

    Parameters
    ----------
    folder, setup, root, source, seed
        As for :func:`encoders`. The head is drawn anew for each seed.
    """
    from nngraph.depth import blocks_of
    from nngraph.finetuning import dropping, freezing

    reader = encoder(source, rng=seed)
    train, test = setup.data(reader, root)
    depth = len(blocks_of(reader.model))
    own = child(seed_sequence(seed), "tables")
    for name, make, values in (
        ("freezing", freezing, range(1, depth + 2)),
        ("dropping", dropping, range(depth, -1, -1)),
    ):
        path = folder / f"{name}-{seed}.csv"
        for value in values:
            if _has(path, "fine-tuned", value, seed):
                continue
            with setup.precision():
                table = make(reader.model, train, test, [value], seeds=1, controls=False, rng=own, **setup.options)
            _append_table(path, table.assign(seed=seed))
            log.info("%s %d, seed %d: accuracy %.4f", name, value, seed, table["accuracy"].iloc[0])
        if seed == 0 and not _has(path, "majority", 0, 0):
            with setup.precision():  # these know no seed
                _append_table(path, make(reader.model, train, test, None, seeds=0))


# --------------------------------------------------------------------- pruning


def _pruned(model: nn.Module, fraction: float) -> nn.Module:
    """Return a copy without the smallest weights of each matrix of the blocks, which then stay absent."""
    from nngraph.convert.torch import from_torch, to_torch
    from nngraph.depth import blocks_of
    from nngraph.ops import prune

    blocks = blocks_of(model)
    name = next(name for name, module in model.named_modules() if module is blocks)
    G = prune(from_torch(model, layers=name), fraction=fraction, scope="block")
    return to_torch(G, model, masks=True)


def _finish_pruning(model: nn.Module) -> None:
    from torch.nn.utils import prune

    for module in model.modules():
        if hasattr(module, "weight_mask"):
            prune.remove(module, "weight")


def _absent(model: nn.Module) -> float:
    from nngraph.depth import blocks_of

    weights = [p for p in blocks_of(model).parameters() if p.ndim == 2]
    return sum(int((p == 0).sum()) for p in weights) / sum(p.numel() for p in weights)


# ----------------------------------------------------------------------- files


def _has(path: Path, kind: str, block: int, seed: int) -> bool:
    import pandas as pd

    if not path.exists():
        return False
    rows = pd.read_csv(path)
    return bool(((rows["kind"] == kind) & (rows["block"] == block) & (rows["seed"] == seed)).any())


def _append(path: Path, row: dict[str, object]) -> None:
    import pandas as pd

    _append_table(path, pd.DataFrame([row]))


def _append_table(path: Path, table: pd.DataFrame) -> None:
    """Add rows to a CSV file, which is replaced as a whole."""
    import pandas as pd

    from nngraph.io._atomic import replacing

    known = [pd.read_csv(path)] if path.exists() else []
    if known and list(known[0].columns) != list(table.columns):
        raise ArgumentError(f"{path}: got the columns {list(known[0].columns)}; expected {list(table.columns)}.")
    with replacing(path) as file:
        file.write(pd.concat([*known, table], ignore_index=True).to_csv(index=False).encode())
