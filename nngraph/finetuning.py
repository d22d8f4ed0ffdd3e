"""Fine-tune a network of blocks: as it is, with its first blocks frozen, or with its last blocks dropped."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nngraph._passes import Inputs, at_work, last_positions, output, passes, places, whole
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tuning import Data, free_parameters, run_steps, samples_of
from nngraph._tuning_tables import Row, check_arguments, controls_of, row_of
from nngraph.depth import blocks_of, keep_blocks
from nngraph.errors import ArgumentError
from nngraph.training import _private_randomness

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FineTuned", "dropping", "fine_tune", "freezing", "intervals", "predictions"]

COLUMNS = ["kind", "block", "seed", "trainable", "accuracy", "n_test"]


@dataclasses.dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned model and how it came about."""

    model: nn.Module = dataclasses.field(repr=False)
    steps: int
    """Number of optimiser steps that were done."""
    trainable: int
    """Number of scalar parameters that were free."""
    loss: np.ndarray = dataclasses.field(repr=False)
    """(steps,) cross-entropy in nats of each training batch, before its step."""
    seconds: float
    """Wall time."""


def fine_tune(
    model: nn.Module,
    data: Data,
    *,
    trainable_from: int | None = None,
    epochs: int = 1,
    lr: float = 5e-5,
    batch_size: int = 32,
    weight_decay: float = 0.01,
    rng: RNG = None,
    device: str | torch.device | None = None,
    after_step: Callable[[int, nn.Module], None] | None = None,
) -> FineTuned:
    r"""Train a classifier, or a language model, in place: AdamW, cross-entropy, a learning rate that rises and falls.

    .. math:: \eta_t = \eta \min\bigl(\tfrac{t}{w}, \tfrac{T + 1 - t}{T + 1 - w}\bigr), \qquad t = 1, \ldots, T,
              \quad w = \lceil T / 10 \rceil

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits, or an output with an attribute ``logits`` as models of Hugging Face do.
    data : (x, y)
        x: (n, ...) array, or a mapping of argument names to such, for example ``input_ids`` and ``attention_mask``,
        both (n, positions). y: (n,) classes, or (n, positions) tokens to tell at each position, -100 where none is.
        Where logits are (n, positions, classes) and y is (n,), they are read at the last position of each sample.
    trainable_from : int, optional
        Train the blocks from this one on, counted from 1, and the head: what the model registers behind its blocks.
        What comes before is frozen, with the running statistics of its normalisation. 0 or None: everything is
        trained, the embedding too; the number of blocks plus 1: the head alone.
    epochs, batch_size : int
        Passes through the data, and samples in a step. A mapping with an ``attention_mask`` is cut, batch by batch,
        behind the last token of the longest sample.
    lr : float
        The largest learning rate, reached after a tenth of the steps.
    weight_decay : float
        Of AdamW.
    rng : None, int, SeedSequence or Generator
        Seed of the batch order and of dropout. With one thread the same seed gives the same bits.
    device : str or torch.device, optional
        Where to train; the model comes back to its own device. By default there.
    after_step : callable, optional
        Called with the number of steps done and the model, for example to take its representations on the way. It
        may set the model to evaluation mode; training goes on in training mode.

    Returns
    -------
    FineTuned

    Raises
    ------
    ArgumentError
        If an argument is outside of its range, shapes do not fit, or ``trainable_from`` would freeze the head: it is
        tied to the embedding, or nothing is registered behind the blocks.
    ConvergenceError
        If the loss becomes NaN or infinite; the model then holds the weights before that step.

    Notes
    -----
    Torch's global generators, the modes of the modules and what requires a gradient are put back as they were. A
    frozen block costs its forward pass only. Weights that a pruning mask of torch holds absent stay so. Within
    ``torch.autocast`` products are of half precision, where the machine gains by that.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR (2019). J. Devlin, M.-W. Chang, K. Lee, K.
    Toutanova, "BERT: pre-training of deep bidirectional transformers for language understanding", NAACL (2019).

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(5, 3, width=8, depth=2, heads=2, outputs=2, rng=0)
    >>> x = np.random.default_rng(0).integers(5, size=(64, 3))
    >>> run = fine_tune(model, (x, x[:, 2] > 2), epochs=20, lr=0.01, rng=0)
    >>> run.steps, bool(run.loss[-1] < 0.1)
    (40, True)
    """
    started = time.perf_counter()
    whole("epochs", epochs, 1)
    whole("batch_size", batch_size, 1)
    if not (lr > 0 and math.isfinite(lr)) or not (weight_decay >= 0 and math.isfinite(weight_decay)):
        raise ArgumentError(
            f"lr, weight_decay: got {lr!r} and {weight_decay!r}; expected a positive number and one of at least 0."
        )
    seed = seed_sequence(rng)
    samples = samples_of(data)
    places(model, device)
    free = free_parameters(model, trainable_from)
    needed = {parameter: parameter.requires_grad for parameter in model.parameters()}
    chosen = set(free)
    try:
        for parameter in needed:
            parameter.requires_grad_(parameter in chosen)
        with at_work(model, device, training=True) as place, _private_randomness(seed, place):
            draw = generator(child(seed, "batches"))
            order = [
                torch.from_numpy(rows)
                for _ in range(epochs)
                for rows in np.split(draw.permutation(len(samples[1])), range(batch_size, len(samples[1]), batch_size))
            ]
            fused = place.type in ("cpu", "cuda")  # one kernel for all parameters
            optimizer = torch.optim.AdamW(free, lr=lr, weight_decay=weight_decay, fused=fused)
            loss = run_steps(model, samples, optimizer, order, place, after_step, trainable_from)
    finally:
        for parameter, was in needed.items():
            parameter.requires_grad_(was)
    return FineTuned(model, len(loss), sum(p.numel() for p in free), loss, time.perf_counter() - started)


def predictions(
    model: nn.Module, x: Inputs, *, batch_size: int = 64, device: str | torch.device | None = None
) -> np.ndarray:
    """Return the class that a model gives each sample, in evaluation mode; the model is left as it was.

    Parameters
    ----------
    model, x, device
        As for :func:`fine_tune`; logits at several positions are read at the last one of each sample.
    batch_size : int
        Samples in one forward pass.

    Returns
    -------
    (n,) integer array

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(5, 3, width=8, depth=2, heads=2, outputs=2, rng=0)
    >>> predictions(model, np.zeros((4, 3), dtype=np.int64)).shape
    (4,)
    """
    found = []
    for batch in passes(model, x, batch_size=batch_size, device=device):
        answer = output(model, batch)
        answer = last_positions(answer, batch) if answer.ndim == 3 else answer
        found.append(answer.argmax(dim=-1).cpu().numpy())
    return np.concatenate(found)


def freezing(
    model: nn.Module,
    train: Data,
    test: Data,
    from_blocks: Sequence[int] | None = None,
    *,
    seeds: int = 3,
    controls: bool = True,
    rng: RNG = None,
    **options: Any,
) -> pd.DataFrame:
    """Fine-tune copies of a model with ever more of its first blocks frozen, beside two controls without fine-tuning.

    Parameters
    ----------
    model : torch.nn.Module
        A pretrained classifier with blocks (:func:`nngraph.depth.blocks_of`). It is not changed.
    train, test : (x, y)
        As ``data`` of :func:`fine_tune`, with y of shape (n,); accuracy is that on ``test``.
    from_blocks : sequence of int, optional
        Train the blocks from k on, and the head; 1 to the number of blocks by default. The embedding is frozen, but
        for k = 0.
    seeds : int
        Fine-tunings of each row: other batch orders and dropout, the same start.
    controls : bool
        Whether the table ends with the two controls, which cost a forward pass over all data.
    rng : None, int, SeedSequence or Generator
        A row depends on this, on k and on the number of its seed alone.
    **options
        To :func:`fine_tune`: epochs, lr, batch_size, weight_decay, device.

    Returns
    -------
    pandas.DataFrame
        One row per k and seed: kind ("fine-tuned"), block (k), seed, trainable (free parameters), accuracy, n_test.
        Then the controls: "logistic" (logistic regression on the mean of the last block's output over the positions,
        nothing fine-tuned) and "majority" (the larger class of the training data). See :func:`intervals`.

    Raises
    ------
    ArgumentError
        If there is no such block, the training data have one class, labels are not one a sample, or
        ``trainable_from`` is given.

    References
    ----------
    "Identifying sub-networks in neural networks via functionally similar representations", arXiv:2410.16484, Table 6.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(5, 3, width=8, depth=2, heads=2, outputs=2, rng=0)
    >>> x = np.random.default_rng(0).integers(5, size=(64, 3))
    >>> freezing(model, (x, x[:, 2] > 2), (x, x[:, 2] > 2), seeds=1, rng=0, lr=0.01)[["kind", "block", "trainable"]]
             kind  block  trainable
    0  fine-tuned      1       1698
    1  fine-tuned      2        858
    2    logistic      2         18
    3    majority      0          0
    """
    depth = len(blocks_of(model))
    chosen = list(range(1, depth + 1)) if from_blocks is None else list(dict.fromkeys(from_blocks))
    for k in chosen:
        whole("from_blocks", k, 0, depth + 1)
    models = {k: lambda: copy.deepcopy(model) for k in chosen}
    check_arguments(train, test, options)
    rows = _tuned("freezing", models, train, test, seeds, rng, [{**options, "trainable_from": k} for k in chosen])
    return _table([*rows, *(controls_of(model, train, test, [depth], options) if controls else [])])


def dropping(
    model: nn.Module,
    train: Data,
    test: Data,
    keep: Sequence[int] | None = None,
    *,
    seeds: int = 3,
    controls: bool = True,
    rng: RNG = None,
    **options: Any,
) -> pd.DataFrame:
    """Keep the first blocks of a model, fine-tune what is left, and set the accuracy beside that without fine-tuning.

    Parameters
    ----------
    model, train, test, seeds, controls, rng, **options
        As for :func:`freezing`; everything that is left is trained, the embedding too.
    keep : sequence of int, optional
        Numbers of blocks that are left; all to none by default.

    Returns
    -------
    pandas.DataFrame
        As of :func:`freezing`, where "block" is the number of blocks that are left; a control "logistic" for each.

    Raises
    ------
    ArgumentError
        If there are fewer blocks, or as :func:`freezing` does.

    References
    ----------
    "Identifying sub-networks in neural networks via functionally similar representations", arXiv:2410.16484, Table 7.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(5, 3, width=8, depth=2, heads=2, outputs=2, rng=0)
    >>> x = np.random.default_rng(0).integers(5, size=(64, 3))
    >>> table = dropping(model, (x, x[:, 2] > 2), (x, x[:, 2] > 2), (2, 0), seeds=1, rng=0, lr=0.01)
    >>> table[["kind", "block", "trainable"]]
             kind  block  trainable
    0  fine-tuned      2       1762
    1  fine-tuned      0         82
    2    logistic      2         18
    3    logistic      0         18
    4    majority      0          0
    """
    depth = len(blocks_of(model))
    chosen = list(range(depth, -1, -1)) if keep is None else list(dict.fromkeys(keep))
    for n in chosen:
        whole("keep", n, 0, depth)
    models = {n: (lambda n=n: keep_blocks(model, n)) for n in chosen}
    check_arguments(train, test, options)
    rows = _tuned("dropping", models, train, test, seeds, rng, [options] * len(chosen))
    return _table([*rows, *(controls_of(model, train, test, chosen, options) if controls else [])])


def intervals(table: pd.DataFrame) -> pd.DataFrame:
    r"""Return the mean accuracy over seeds of each row of a table, with both kinds of noise.

    .. math:: \bar a \pm t_{0.975, S - 1} \frac{s}{\sqrt S}, \qquad
              \mathrm{se}_\mathrm{test} = \sqrt{\bar a (1 - \bar a) / n_\mathrm{test}}

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`freezing` or :func:`dropping`.

    Returns
    -------
    pandas.DataFrame
        One row per kind and block: kind, block, seeds, trainable, accuracy, low, high, sd, se_test. low and high are
        the 95 % interval of the mean over S seeds on this test set, NaN with one seed; sd that of single seeds;
        se_test the standard error of an accuracy from the size of the test set.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("fine-tuned", 1, seed, 10, a, 400) for seed, a in enumerate((0.8, 0.82, 0.81))]
    >>> print(intervals(pd.DataFrame(rows, columns=COLUMNS)).round(3).to_string(index=False))
          kind  block  seeds  trainable  accuracy   low  high   sd  se_test
    fine-tuned      1      3         10      0.81 0.785 0.835 0.01     0.02
    """
    import pandas as pd
    from scipy.stats import t

    rows = []
    for (kind, block), part in table.groupby(["kind", "block"], sort=False):
        values, n = part["accuracy"].to_numpy(dtype=float), len(part)
        mean, sd = values.mean(), values.std(ddof=1) if n > 1 else math.nan
        half = t.ppf(0.975, n - 1) * sd / math.sqrt(n) if n > 1 else math.nan
        error = math.sqrt(mean * (1 - mean) / part["n_test"].iloc[0])
        rows.append((kind, block, n, part["trainable"].iloc[0], mean, mean - half, mean + half, sd, error))
    names = ["kind", "block", "seeds", "trainable", "accuracy", "low", "high", "sd", "se_test"]
    return pd.DataFrame(rows, columns=names)


# ---------------------------------------------------------------------- tables


def _tuned(
    name: str,
    models: Mapping[int, Callable[[], nn.Module]],
    train: Data,
    test: Data,
    seeds: int,
    rng: RNG,
    options: Sequence[Mapping[str, Any]],
) -> list[Row]:
    whole("seeds", seeds, 0)
    seed = seed_sequence(rng)
    tasks = [
        (block, make, one, k) for (block, make), one in zip(models.items(), options, strict=True) for k in range(seeds)
    ]
    rows = []
    for block, make, one, k in progress(tasks, total=len(tasks), label=name):
        run = fine_tune(make(), train, rng=child(seed, name, block, k), **one)
        found = predictions(run.model, test[0], device=one.get("device"))
        rows.append(row_of("fine-tuned", block, k, run.trainable, found, test))
    return rows


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=COLUMNS)
