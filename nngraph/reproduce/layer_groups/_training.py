"""Training of the modular-sum networks: full batches or small ones, end to end or block after block."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_record, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.models import Transformer, TransformerBlock
from nngraph.reproduce.layer_groups._sums import SEED, accuracy, network, pairs, split, targets
from nngraph.training import single_thread

__all__ = ["RECIPES", "Fit", "Run", "Stage", "train"]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training run: which blocks, on which targets, and how."""

    blocks: tuple[int, int]
    """The first that is trained, and one behind the last; blocks below are frozen, embeddings belong to block 0."""
    targets: tuple[str, ...] = ("c",)
    """Read from the last position, each by a softmax of its own."""
    loss: Literal["cross_entropy", "squared"] = "cross_entropy"
    """"squared": squared error of the logits against one-hot targets, summed over classes."""
    batch: int | None = None
    """Pairs in a step; None: all of them."""
    steps: int = 1000
    """At most; training ends when ``patience`` checks in a row, ``every`` steps apart, find no held-out error."""
    lr: float = 1e-3
    weight_decay: float = 2.0
    warmup: int = 10
    average: float = 0.0
    """Decay a step of the running average of the weights, which is then what is checked and kept; 0: none."""
    every: int = 25
    patience: int = 8


RECIPES: dict[str, tuple[Stage, ...]] = {
    "0": (Stage((0, 1)),),
    "E": (Stage((0, 3), batch=512, steps=5_000, average=0.99, every=100),),
    "L": (
        Stage((0, 1), ("c1", "b"), "squared", 512, 10_000, weight_decay=1.0, average=0.99, every=50, patience=40),
        Stage((1, 2), ("c2", "b"), "squared", 512, 20_000, weight_decay=2.0, average=0.99, every=100, patience=30),
        Stage((1, 2), ("c2", "b"), "squared", 512, 1_500, weight_decay=0.5, average=0.99, every=100, patience=15),
        Stage((2, 3), ("c",), "squared", 512, 2_500, weight_decay=6.0, average=0.99, every=100),
        Stage((2, 3), ("c",), "squared", 512, 3_000, weight_decay=2.0, average=0.99, every=100),
    ),
}
"""What trained the stored networks; those of E and L were chosen by looking at held-out accuracy, and each stage of L
began at the stored end of the one before. The paper trains full batches for 26,000 epochs at weight decay 2."""


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A trained network, its record, and the weights it had on the way."""

    model: Transformer = dataclasses.field(repr=False)
    record: dict[str, Any] = dataclasses.field(repr=False)
    """Steps, seconds, accuracies on training and held-out pairs, recipe, seed, version of torch; see :func:`record`."""
    checkpoints: dict[int, dict[str, torch.Tensor]] = dataclasses.field(repr=False)
    """Parameters by step, for the steps asked for."""
    seed: np.random.SeedSequence = dataclasses.field(repr=False)
    """Of the split too."""


def train(
    name: str,
    *,
    recipe: Sequence[Stage] | None = None,
    rng: RNG = SEED,
    checkpoints: Sequence[int] = (),
) -> Run:
    """Train a network anew, stage by stage, until it knows the held-out pairs.

    Parameters
    ----------
    name : "0", "E" or "L"
        Model 0: one block, one sum. E: three blocks trained together on the answer alone. L: block after block, each
        on its own sum (and on b, which the next needs) by a linear head that is dropped, then frozen.
    recipe : sequence of Stage, optional
        By default that of the stored network.
    rng : None, int, SeedSequence or Generator
        Of the initial weights, the split, the heads and the order of batches.
    checkpoints : sequence of int
        Steps, counted through all stages, after which the weights are kept too.

    Returns
    -------
    Run

    Raises
    ------
    ArgumentError
        If there is no such network.

    Notes
    -----
    With the same version of torch on the same processor the same bits. The stop rule reads the held-out accuracy, and
    so does the choice of the best check where 100 % are not reached: that accuracy is a selected one. The published
    networks train for 26,000 epochs of full batches. The position of a is computed once for its 59 values and not for
    every pair, as it cannot see b: half the cost. CPU seconds on one core are in :func:`record`.

    References
    ----------
    T. Gao et al., "Identifying sub-networks in neural networks via functionally similar representations",
    arXiv 2410.16484.

    Examples
    --------
    >>> run = train("0", recipe=[Stage((0, 1), batch=64, steps=25)], checkpoints=[10])
    >>> run.record["steps"], run.record["held_out"] < 0.5, list(run.checkpoints)
    (25, True, [10])
    """
    seed = seed_sequence(rng)
    model = network(name, seed)
    stages = RECIPES[name] if recipe is None else tuple(recipe)
    logs: list[dict[str, Any]] = []
    kept: dict[int, dict[str, torch.Tensor]] = {}
    with single_thread():
        for stage in stages:
            before = sum(int(log["steps"]) for log in logs)
            wanted = {step - before for step in checkpoints}
            fit = Fit(model, name, stage, seed)
            log, states = fit.run(wanted)
            logs.append(dataclasses.asdict(stage) | log)
            kept |= {step + before: state for step, state in states.items()}
            _log.info("%s, blocks %s: %s", name, stage.blocks, log)
        trained, held_out = split(seed)
        facts = {
            "name": name,
            "steps": sum(int(log["steps"]) for log in logs),
            "trained": accuracy(model, name, trained),
            "held_out": accuracy(model, name, held_out),
            "cpu_seconds": round(sum(float(log["cpu_seconds"]) for log in logs), 1),
            "torch": torch.__version__,
            "seed": seed_record(seed),
            "stages": logs,
        }
    return Run(model, facts, kept, seed)


class Fit:
    """One stage: the part of the network that is trained, and what the frozen part below makes of every pair."""

    def __init__(self, model: Transformer, name: str, stage: Stage, seed: np.random.SeedSequence) -> None:
        low, high = stage.blocks
        known = targets(name)
        _check_stage(stage, name, len(split(seed)[0]))
        self.model, self.stage = model, stage
        self.held_out, self.rows = (torch.from_numpy(rows) for rows in reversed(split(seed)))
        self.a, self.b = (torch.from_numpy(column.copy()) for column in pairs().T)
        self.answers = [torch.from_numpy(known[target]) for target in stage.targets]
        blocks = [block for block in model.blocks if isinstance(block, TransformerBlock)]
        self.blocks, self.embedded = blocks[low:high], low == 0
        self.head, self.sizes = model.unembedding, [model.unembedding.out_features]
        if stage.targets != ("c",):
            self.sizes = [int(known[target].max()) + 1 for target in stage.targets]
            self.head = _head(model.unembedding.in_features, sum(self.sizes), child(seed, "head", stage.blocks))
        with torch.no_grad():
            self.first, self.last = _streams(blocks[:low], *self._embed(self.a, self.b), self.a)
        embeddings = [model.embedding, model.position] if self.embedded else []
        self.parameters: list[torch.Tensor] = [
            p for module in (*embeddings, *self.blocks, self.head) for p in module.parameters()
        ]
        self.average = [p.detach().clone() for p in self.parameters]
        self.draw = generator(child(seed, "batches", stage.blocks))

    def run(self, wanted: set[int]) -> tuple[dict[str, Any], dict[int, dict[str, torch.Tensor]]]:
        """Train; return steps and accuracies, and the weights after the wanted steps."""
        stage, cpu = self.stage, time.process_time()
        optimizer = torch.optim.AdamW(
            self.parameters, lr=stage.lr, betas=(0.9, 0.98), weight_decay=stage.weight_decay, fused=True
        )
        batches = self._batches()
        kept: dict[int, dict[str, torch.Tensor]] = {}
        best, best_step, in_a_row, step = -1.0, 0, 0, 0
        held = [value.clone() for value in self.average]
        for step in progress(range(1, stage.steps + 1), total=stage.steps, label="training"):
            optimizer.param_groups[0]["lr"] = stage.lr * min(1.0, step / stage.warmup)
            loss = self._loss(next(batches))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                decay = min(stage.average, step / (step + 10))  # the first steps are no part of the average for long
                torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
            if step in wanted:
                with self._averaged():
                    kept[step] = {key: value.clone() for key, value in self.model.state_dict().items()}
            if step % stage.every == 0:
                found = min(self._check(step, loss.item()))
                in_a_row = in_a_row + 1 if found == 1.0 else 0
                if found >= best:
                    best, best_step = found, step
                    held = [value.clone() for value in self.average]
                if in_a_row == stage.patience:
                    break
        self._set(held if best_step else self.average)
        accuracies = dict(zip(stage.targets, self.accuracies(self.held_out), strict=True))
        seconds = round(time.process_time() - cpu, 1)
        return {"steps": step, "best_step": best_step or step, "held_out": accuracies, "cpu_seconds": seconds}, kept

    def accuracies(self, rows: torch.Tensor) -> list[float]:
        """Return the accuracy on every target."""
        with torch.no_grad():
            logits = self._logits(rows)
        return [
            float((part.argmax(dim=1) == answer[rows]).double().mean())
            for part, answer in zip(logits, self.answers, strict=True)
        ]

    def _check(self, step: int, loss: float) -> list[float]:
        with self._averaged():
            found = self.accuracies(self.held_out)
        _log.info("step %d: loss %.5f, held out %s", step, loss, found)
        return found

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Let the network have its average weights for a while."""
        live = [parameter.detach().clone() for parameter in self.parameters]
        self._set(self.average)
        try:
            yield
        finally:
            self._set(live)

    def _set(self, values: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value)

    def _batches(self) -> Iterator[torch.Tensor]:
        """Yield rows for ever: all of them, or full batches of one order after another."""
        while True:
            size = self.stage.batch or len(self.rows)
            order = torch.from_numpy(self.draw.permutation(len(self.rows))) if self.stage.batch else slice(None)
            for rows in self.rows[order].split(size):
                if len(rows) == size:
                    yield rows

    def _embed(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the stream in front of the first block: at the position of a for all tokens, at that of b for rows."""
        first, last = (self.model.embedding.weight + position for position in self.model.position.weight)
        return first, last[b]

    def _logits(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        a = self.a[rows]
        first, last = self._embed(a, self.b[rows]) if self.embedded else (self.first, self.last[rows])
        logits: torch.Tensor = self.head(_streams(self.blocks, first, last, a)[1])
        return torch.split(logits, self.sizes, dim=1)

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        losses = []
        for part, answer in zip(self._logits(rows), self.answers, strict=True):
            if self.stage.loss == "cross_entropy":
                losses.append(F.cross_entropy(part, answer[rows]))
            else:
                losses.append((part - F.one_hot(answer[rows], part.shape[1])).square().sum(dim=1).mean())
        return torch.stack(losses).sum()


def _streams(
    blocks: Sequence[TransformerBlock], first: torch.Tensor, last: torch.Tensor, a: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the streams behind the blocks: (59, width) at the position of a, (n, width) at that of b.

    A softmax over two positions is a sigmoid of the difference of their scores; the first position sees itself alone.
    """
    for block in blocks:
        at = block.attention
        shape = (-1, at.heads, last.shape[1] // at.heads)
        q, k, v = (part(last).view(shape) for part in (at.query, at.key, at.value))
        value = at.value(first)
        k_first, v_first = at.key(first).view(shape)[a], value.view(shape)[a]
        share = torch.sigmoid((q * (k - k_first)).sum(dim=-1, keepdim=True) / math.sqrt(shape[-1]))
        last = last + at.out((v_first + share * (v - v_first)).flatten(1))
        first = first + at.out(value)
        first, last = (x + block.mlp_out(block.post(block.pre(x))) for x in (first, last))
    return first, last


def _head(width: int, outputs: int, seed: np.random.SeedSequence) -> nn.Linear:
    """Make a linear head, its weights normal with standard deviation 1 / sqrt(width)."""
    head = nn.Linear(width, outputs, device="meta").to_empty(device="cpu")
    weight = generator(seed).standard_normal((outputs, width), dtype=np.float32) / np.float32(math.sqrt(width))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.zero_()
    return head


def _check_stage(stage: Stage, name: str, n_trained: int) -> None:
    low, high = stage.blocks
    depth = 1 if name == "0" else 3
    if not 0 <= low < high <= depth:
        raise ArgumentError(
            f"recipe: got blocks={stage.blocks!r}; expected (low, high) with 0 <= low < high <= {depth}."
        )
    if not stage.targets or not set(stage.targets) <= set(targets(name)):
        raise ArgumentError(f"recipe: got targets={stage.targets!r}; expected some of {tuple(targets(name))}.")
    if stage.loss not in ("cross_entropy", "squared"):
        raise ArgumentError(f"recipe: got loss={stage.loss!r}; expected 'cross_entropy' or 'squared'.")
    if stage.batch is not None and not 1 <= stage.batch <= n_trained:
        raise ArgumentError(f"recipe: got batch={stage.batch!r}; expected None, or a number from 1 to {n_trained}.")
