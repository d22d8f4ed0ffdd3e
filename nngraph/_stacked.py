"""Several multilayer perceptrons of one shape in one vector of parameters: their steps and their evaluations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

_ACTIVATE = {"relu": torch.relu_, "tanh": torch.tanh_, "sigmoid": torch.sigmoid_}
_PIECE = 512
"""Samples in one product of an evaluation: the hidden units of ten networks then stay in a processor's cache."""


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """What the networks of a slice of the stack see: the samples of their task."""

    networks: slice
    x: torch.Tensor
    """(n, d) training inputs, those held out among them."""
    y: torch.Tensor
    held_x: torch.Tensor | None
    """(m, d) inputs to select the best step on, the same for all networks of the slice, or (R, m, d); or None."""
    held_y: np.ndarray | None
    """(m,) or (R, m) classes."""


class Stack:
    """R networks of one shape. Activities are held as (R, n_units, n_samples), so that no product needs a copy.

    Parameters
    ----------
    models : sequence of torch.nn.Sequential
        As :func:`nngraph.training.mlp` makes them.
    activation : "relu", "tanh" or "sigmoid"
    place : torch.device
    """

    def __init__(self, models: Sequence[nn.Module], activation: str, place: torch.device) -> None:
        layers = [[module for module in model.modules() if isinstance(module, nn.Linear)] for model in models]
        self.n_networks, self.activation, self.place = len(models), activation, place
        stacked: list[list[torch.Tensor | None]] = []
        for same in zip(*layers, strict=True):
            weights = torch.stack([layer.weight.detach() for layer in same])
            biases = [layer.bias.detach() for layer in same if layer.bias is not None]
            stacked.append([weights, torch.stack(biases) if biases else None])
        self._shapes = [None if t is None else t.shape for pair in stacked for t in pair]
        values = torch.cat([t.reshape(-1) for pair in stacked for t in pair if t is not None])
        self.vector = nn.Parameter(values.to(place))
        self.gradient = torch.zeros_like(values, device=place)
        self.vector.grad = self.gradient
        self.parameters = self.views(self.vector.detach())
        self._gradients = self.views(self.gradient)
        self._rooms: dict[tuple[str, int, int], list[torch.Tensor]] = {}

    def views(self, vector: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        """Return the (R, n_out, n_in) weights and (R, n_out) biases of each layer that lie in a vector."""
        found: list[torch.Tensor | None] = []
        start = 0
        for shape in self._shapes:
            if shape is None:
                found.append(None)
                continue
            found.append(vector[start : start + shape.numel()].view(shape))
            start += shape.numel()
        return [(w, b) for w, b in zip(found[::2], found[1::2], strict=True) if w is not None]

    def copy_to(self, vector: torch.Tensor, models: Sequence[nn.Module]) -> None:
        """Write the parameters that lie in a vector into the models."""
        views = [view for pair in self.views(vector.cpu()) for view in pair if view is not None]
        for number, model in enumerate(models):
            with torch.no_grad():
                for parameter, view in zip(model.parameters(), views, strict=True):
                    parameter.copy_(view[number])

    def forward(self, x: torch.Tensor, networks: slice = slice(None), *, use: str = "step") -> list[torch.Tensor]:
        """Return the activities of each layer, logits last, of (n, d) inputs of all networks or (R, n, d) of each.

        The arrays are those of the last call with as many samples for the same use, written anew.
        """
        layers = [(w[networks], None if b is None else b[networks]) for w, b in self.parameters]
        room = self._room(use, len(layers[0][0]), x.shape[-2])
        for number, ((weights, bias), out) in enumerate(zip(layers, room, strict=True)):
            if number:
                torch.bmm(weights, room[number - 1], out=out)
            elif x.ndim == 2:  # one wide product for all networks
                torch.mm(weights.flatten(0, 1), x.t(), out=out.flatten(0, 1))
            else:
                torch.bmm(weights, x.transpose(1, 2), out=out)
            if bias is not None:
                out.add_(bias.unsqueeze(2))
            if number + 1 < len(room):
                _ACTIVATE[self.activation](out)
        return room

    def step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Put the gradient of a batch into :attr:`gradient`, and return the (R,) cross-entropies in nats.

        Inputs as in :meth:`forward`; classes (1, n) for all networks or (R, n).
        """
        active = self.forward(x)
        answers = torch.log_softmax(active[-1], 1)
        n = answers.shape[2]
        truth = y.unsqueeze(1).expand(self.n_networks, 1, n)
        losses = answers.gather(1, truth).mean((1, 2)).neg_()
        change = answers.exp_()  # of the loss with the logits: softmax less truth
        change.scatter_add_(1, truth, change.new_full((), -1.0).expand(truth.shape)).div_(n)
        room = self._room("back", self.n_networks, n)
        for number in reversed(range(len(active))):
            weights, (to_weights, to_bias) = self.parameters[number][0], self._gradients[number]
            if to_bias is not None:
                torch.sum(change, 2, out=to_bias)
            if number:
                torch.bmm(change, active[number - 1].transpose(1, 2), out=to_weights)
                change = torch.bmm(weights.transpose(1, 2), change, out=room[number - 1])
                change.mul_(self._slope(active[number - 1]))
            elif x.ndim == 2:
                torch.mm(change.flatten(0, 1), x, out=to_weights.flatten(0, 1))
            else:
                torch.bmm(change, x, out=to_weights)
        return losses

    def _slope(self, active: torch.Tensor) -> torch.Tensor:
        """Return the derivative of the activation, written over the activity, which is not needed again."""
        if self.activation == "relu":
            return active.sign_()
        if self.activation == "tanh":
            return active.square_().neg_().add_(1)
        return active.addcmul_(active, active, value=-1)

    def _room(self, use: str, n_networks: int, n_samples: int) -> list[torch.Tensor]:
        key = use, n_networks, n_samples
        if key not in self._rooms:
            sizes = [weights.shape[1] for weights, _ in self.parameters]
            self._rooms[key] = [torch.empty(n_networks, size, n_samples, device=self.place) for size in sizes]
        return self._rooms[key]


class Run:
    """The training of a stack: batches, Adam with a cosine schedule, evaluations, the best parameters of each network.

    Parameters
    ----------
    stack : Stack
    samples : sequence of Samples
        For slices that cover the stack.
    lr, epochs, batch_size, every
        As in :func:`nngraph.training.train`.
    """

    def __init__(
        self, stack: Stack, samples: Sequence[Samples], *, lr: float, epochs: int, batch_size: int, every: int
    ) -> None:
        self.stack, self.samples = stack, samples
        self.epochs, self.batch_size, self.every = epochs, batch_size, every
        fused = stack.place.type in ("cpu", "cuda")  # as in train, so that rounding is the same
        self._optimizer = torch.optim.Adam([stack.vector], lr=lr, fused=fused)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, T_max=epochs)
        self._inputs: dict[tuple[int, ...], torch.Tensor] = {}
        self._losses: list[torch.Tensor] = []
        self._hits: list[np.ndarray] = []
        self.best = stack.vector.detach().clone()
        self.best_step = np.zeros(stack.n_networks, dtype=np.int64)
        self._highest = np.full(stack.n_networks, -1.0)

    @property
    def losses(self) -> np.ndarray:
        """(R, steps) cross-entropy of each batch, before its step."""
        return torch.stack(self._losses, dim=1).cpu().numpy().astype(np.float64)

    @property
    def accuracies(self) -> np.ndarray | None:
        """(R, evaluations) accuracy on the samples held out."""
        return np.stack(self._hits, axis=1) if self._hits else None

    def epoch(self, rows: torch.Tensor) -> np.ndarray:
        """Take the steps of one epoch, and return whether the losses of each network were finite.

        ``rows`` are the (R, n) samples in the order of each network, or (1, n) for all networks.
        """
        n_steps = self.epochs * math.ceil(rows.shape[1] / self.batch_size)
        before = len(self._losses)
        for batch in rows.split(self.batch_size, dim=1):
            self._losses.append(self.stack.step(*self._gathered(batch)))
            self._optimizer.step()
            done = len(self._losses)
            if self.samples[0].held_x is not None and (done % self.every == 0 or done == n_steps):
                self._evaluate(done)
        self._schedule.step()
        finite: np.ndarray = torch.stack(self._losses[before:]).isfinite().all(0).cpu().numpy()
        return finite

    def _gathered(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs and classes of a step, the inputs in an array that is used again."""
        if len(batch) < self.stack.n_networks:
            rows = batch[0]
            return self.samples[0].x.index_select(0, rows), self.samples[0].y[rows].unsqueeze(0)
        shape = (*batch.shape, self.samples[0].x.shape[1])
        if shape not in self._inputs:
            self._inputs[shape] = self.samples[0].x.new_empty(shape)
        x = self._inputs[shape]
        y = torch.empty_like(batch)
        for part in self.samples:
            rows = batch[part.networks].reshape(-1)
            torch.index_select(part.x, 0, rows, out=x[part.networks].flatten(0, 1))
            y[part.networks] = part.y[rows].view(-1, batch.shape[1])
        return x, y

    def _evaluate(self, done: int) -> None:
        """Note the accuracy of each network, and keep the parameters of those that have never been as good."""
        hits = np.empty(self.stack.n_networks)
        for part in self.samples:
            assert part.held_x is not None
            pieces = part.held_x.split(_PIECE, dim=-2)
            # argmax of numpy promises the first of equal values, that of torch does not
            answers = [
                self.stack.forward(piece, part.networks, use="held out")[-1].cpu().numpy().argmax(axis=1)
                for piece in pieces
            ]
            hits[part.networks] = (np.concatenate(answers, axis=1) == part.held_y).mean(axis=1)
        self._hits.append(hits)
        better = np.flatnonzero(hits > self._highest)
        self._highest[better], self.best_step[better] = hits[better], done
        chosen = torch.from_numpy(better).to(self.stack.place)
        kept = self.stack.views(self.best)
        for pair, best in zip(self.stack.parameters, kept, strict=True):
            for live, copy in zip(pair, best, strict=True):
                if live is not None and copy is not None:
                    copy[chosen] = live[chosen]
