"""One round of a lottery ticket: the user's training of a masked network, and what it left."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from nngraph._rng import child
from nngraph.convert.torch import from_torch
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.sparse._rounds import COLUMNS, OK, START, UNSCORED, Rest, Rounds, Row, named, rest_of, restored

Train: TypeAlias = Callable[[nn.Module, int], Iterator[object] | nn.Module | None]
Scores: TypeAlias = Callable[[nn.Module], Mapping[str, float]]


@dataclasses.dataclass(frozen=True, eq=False)
class Trainer:
    """What all rounds share: the model, the training, the scores, and the seed."""

    base: nn.Module
    train: Train
    scores: Scores | None
    seed: np.random.SeedSequence
    conversion: Mapping[str, Any]

    def model(self, G: NeuralGraph, rest: Rest) -> nn.Module:
        """Return the network of a graph behind pruning masks."""
        return restored(G, rest, self.base)

    def graph(self, model: nn.Module) -> NeuralGraph:
        """Return the graph of a network, without the values that lie under its masks."""
        G = from_torch(model, zeros="keep", **self.conversion)
        return G.replace_blocks([block.replace() for block in G.blocks])

    def run(self, number: int, initial: NeuralGraph, rest: Rest, store: Rounds, rewind: int | None = None) -> None:
        """Train a round from its initial graph and keep what it left; with ``rewind`` the state after that step too.

        What is trained is kept before it is scored: where the scores raise, a folder has it, and it is scored again.
        """
        if (row := store.row(number)) is None:
            row = self._trained(number, initial, rest, store, rewind)
            store.finish(row)
        if row["status"] == UNSCORED and self.scores is not None:
            model = self.model(*store.kept(named(number))).eval()
            with torch.no_grad():
                found = _named_scores(self.scores(model))
            row = {name: value for name, value in row.items() if name != "status"} | {"status": OK} | found
            store.finish(row)

    def _trained(self, number: int, initial: NeuralGraph, rest: Rest, store: Rounds, rewind: int | None) -> Row:
        """Train a round, keep the network, return its row, without scores."""
        model = self.model(initial, rest).train()
        before = set(model.state_dict())
        masks = _masks(model)
        number_of_seed = int(child(self.seed, "training", number).generate_state(1)[0])
        started = time.process_time()
        failure = self._train(model, number_of_seed, rewind, store)
        seconds = time.process_time() - started
        if set(model.state_dict()) != before:
            raise ArgumentError(
                "train: it took pruning masks off, or added parameters; expected it to train the model as it is."
            )
        if changed := [name for name, mask in _masks(model).items() if not torch.equal(mask, masks[name])]:
            raise ArgumentError(f"train: it changed {changed[0]}; expected it to leave pruning masks as they are.")
        if failure := failure or _not_finite(model):
            return _row(number, initial, seconds, failure)
        G = self.graph(model.eval())
        store.keep(named(number), G, rest_of(model, G))
        return _row(number, G, seconds, OK if self.scores is None else UNSCORED)

    def _train(self, model: nn.Module, seed: int, rewind: int | None, store: Rounds) -> str | None:
        """Call the user's training; return why it failed, if it did."""
        step = 0
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            try:
                steps = self.train(model, seed)
                if steps is not None and steps is not model and not isinstance(steps, Iterator):
                    raise ArgumentError(
                        f"train: it returned {type(steps).__name__}; expected it to train the model that it is given "
                        "in place, and to return nothing, or that model, or to yield after each step."
                    )
                if isinstance(steps, Iterator):
                    for _ in steps:
                        step += 1
                        if step == rewind and _not_finite(model) is None:
                            G = self.graph(model)
                            store.keep(START, G, rest_of(model, G))
            except ArithmeticError as error:
                return f"failed: {type(error).__name__}: {error}"
        if rewind is not None and step < rewind and _not_finite(model) is None:
            raise ArgumentError(
                f"rewind: got {rewind}, but the training yielded {step} times; expected a smaller step, or a training "
                "that says `yield` after each step of its optimiser."
            )
        return None


def _row(number: int, G: NeuralGraph, seconds: float, status: str) -> Row:
    cells = sum(block.n_source * block.n_target for block in G.blocks)
    row: Row = {"round": number, "edges": G.n_edges, "density": G.n_edges / cells}
    row |= {f"density:{block.name}": block.density for block in G.blocks}
    return {**row, "seconds": seconds, "status": status}


def _masks(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of the pruning masks of a model by name, on the processor."""
    state = model.state_dict()
    names = [name for name in state if name.endswith("_mask") and f"{name.removesuffix('_mask')}_orig" in state]
    return {name: state[name].detach().cpu().clone() for name in names}


def _not_finite(model: nn.Module) -> str | None:
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return f"failed: {name} is not finite after training"
    return None


def _named_scores(found: object) -> dict[str, float]:
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise ArgumentError(f"scores: got {type(found).__name__}; expected a mapping from names to numbers.")
    if taken := [name for name in found if name in COLUMNS or name.startswith("density:")]:
        raise ArgumentError(f"scores: got the name {taken[0]!r}, a column of every round; expected another name.")
    return {name: _score(name, value) for name, value in found.items()}


def _score(name: str, value: object) -> float:
    one = np.asarray(value.detach().cpu().double() if isinstance(value, torch.Tensor) else value)
    if one.size != 1 or one.dtype.kind not in "biuf":
        what = f"{one.dtype} of shape {one.shape}" if one.size != 1 else repr(value)
        raise ArgumentError(f"scores[{name!r}]: got {what}; expected a number.")
    return float(one.reshape(-1)[0])
