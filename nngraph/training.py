"""Small networks for network science: make and train one so that the same seed gives the same bits."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tensors import Array, as_tensor
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.metrics import accuracy

__all__ = ["Trained", "mlp", "single_thread", "train"]

Samples: TypeAlias = tuple[torch.Tensor, torch.Tensor]
_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained model and how it came about."""

    model: nn.Module = dataclasses.field(repr=False)
    best_step: int
    """The step, counted from 1, after which the weights were those that the model holds."""
    steps: int
    """Number of optimiser steps that were done."""
    loss: np.ndarray = dataclasses.field(repr=False)
    """(steps,) cross-entropy in nats of each training batch, before its step."""
    accuracy: np.ndarray | None = dataclasses.field(repr=False)
    """Accuracy on the validation set after each of the steps :attr:`evaluated`; None without one."""
    seconds: float
    """Wall time."""
    every: int = 1
    """Steps between two evaluations on the validation set."""
    order: Literal["own", "shared"] = "own"
    """Whether the order of samples was the network's own, or one for all networks of the task (:func:`train_many`)."""

    @property
    def evaluated(self) -> np.ndarray:
        """The steps, counted from 1, after which the network was evaluated: every ``every``-th, and the last."""
        return np.union1d(np.arange(self.every, self.steps + 1, self.every), [self.steps])


def mlp(
    sizes: Sequence[int],
    *,
    activation: Literal["relu", "tanh", "sigmoid"] = "relu",
    bias: bool = True,
    rng: RNG = None,
) -> nn.Sequential:
    r"""Make a multilayer perceptron with torch's default initialisation, drawn from a generator of its own.

    .. math:: W_{ji}, b_j \sim U(-1 / \sqrt{n_\mathrm{in}}, 1 / \sqrt{n_\mathrm{in}})

    Parameters
    ----------
    sizes : sequence of int
        Width of each part from input to output, for example (784, 64, 2).
    activation : "relu", "tanh" or "sigmoid"
        Between layers; the outputs are plain logits.
    bias : bool
        Whether layers have biases.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same bits; torch's global generator is neither read nor moved.

    Returns
    -------
    torch.nn.Sequential
        Linear layers at "0", "2", "4" and so on, float32, in evaluation mode.

    Raises
    ------
    ArgumentError
        If there are fewer than two sizes, or one is below 1, or the activation is unknown.

    Examples
    --------
    >>> mlp((784, 64, 2), rng=7)
    Sequential(
      (0): Linear(in_features=784, out_features=64, bias=True)
      (1): ReLU()
      (2): Linear(in_features=64, out_features=2, bias=True)
    )
    """
    sizes = tuple(sizes)
    if len(sizes) < 2 or not all(isinstance(n, (int, np.integer)) and n >= 1 for n in sizes):
        raise ArgumentError(f"mlp: got the sizes {sizes}; expected at least two positive integers, as in (784, 64, 2).")
    if activation not in _ACTIVATIONS:
        raise ArgumentError(f"mlp: got the activation {activation!r}; expected {', '.join(map(repr, _ACTIVATIONS))}.")
    draw = generator(child(seed_sequence(rng), "mlp"))
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, int(n_in), int(n_out), bias=bias)
        bound = np.float32(1 / math.sqrt(n_in))
        with torch.no_grad():
            for parameter in layer.parameters():
                unit = draw.random(tuple(parameter.shape), dtype=np.float32)
                parameter.copy_(torch.from_numpy((2 * unit - 1) * bound))
        layers += [layer, _ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1]).eval()


def train(
    model: nn.Module,
    x: Array,
    y: Array,
    *,
    epochs: int = 10,
    lr: float = 0.01,
    batch_size: int = 128,
    validation: float | tuple[Array, Array] | None = 0.2,
    select: Literal["best", "last"] = "best",
    every: int = 1,
    rng: RNG = None,
    device: str | torch.device | None = None,
) -> Trained:
    r"""Train a classifier in place: Adam without weight decay, cross-entropy on logits, cosine learning rate.

    .. math:: \eta_e = \eta \, \tfrac{1}{2} \bigl(1 + \cos(\pi e / E)\bigr), \qquad e = 0, \ldots, E - 1

    Parameters
    ----------
    model : torch.nn.Module
        Maps (n, d) inputs to (n, n_classes) logits.
    x : (n, d) array or tensor
        Inputs, in the scale that the model is to see.
    y : (n,) integer array or tensor
        Classes, counted from 0.
    epochs : int
        E above: the learning rate changes once an epoch and would reach 0 after the last.
    lr : float
        Learning rate of the first epoch.
    batch_size : int
        Samples in a step; 128 as published, 16 suits a few hundred samples. The last batch of an epoch may be smaller.
    validation : float, (x, y) or None
        A share of the samples, the same of each class and at least one of each that has two, held out of training;
        or a validation set; or none at all. Passing the test set selects on the test set, which is what the published
        study of task complexity did: its test accuracies are then not those of unseen data.
    select : "best" or "last"
        Which weights the model ends with: those after the step with the highest validation accuracy (the first of
        such steps), or those after the last step.
    every : int
        Steps between two evaluations on the validation set; there is one after the last step in any case.
    rng : None, int, SeedSequence or Generator
        Seed of the held-out samples, the batch order and dropout. With one thread the same seed gives the same bits;
        see :func:`nngraph.training.single_thread`.
    device : str or torch.device, optional
        Where to train; the model comes back to its own device. By default there.

    Returns
    -------
    Trained

    Raises
    ------
    ArgumentError
        If an argument is outside of its range or shapes do not fit.
    ConvergenceError
        If the loss becomes NaN or infinite.

    Notes
    -----
    Each evaluation is one forward pass: for 784-64-2, 12,000 samples and 10 epochs on one core 0.7 s of training and,
    with ``every=1``, 1.2 s for each 1,000 validation samples. :func:`nngraph.train_many` trains several multilayer
    perceptrons in less time. Torch's global generators are put back
    as they were. Modules with a mode are trained in training mode and get their own back.

    References
    ----------
    R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
    representations and robustness in neural networks" (2025). D. P. Kingma, J. Ba, "Adam: a method for stochastic
    optimization", ICLR (2015).

    Examples
    --------
    >>> import nngraph as nng
    >>> task = nng.datasets.load("digits").pair(0, 7, rng=0)
    >>> run = nng.train(mlp((784, 64, 2), rng=0), task.x_train, task.y_train, batch_size=16, rng=0)
    >>> run.steps, bool(run.accuracy.max() > 0.9)
    (90, True)
    """
    started = time.perf_counter()
    if select not in ("best", "last"):
        raise ArgumentError(f"select: got {select!r}; expected 'best' or 'last'.")
    if select == "best" and validation is None:
        raise ArgumentError("select: got 'best' without a validation set; pass validation=, or select='last'.")
    for name, number in (("epochs", epochs), ("batch_size", batch_size), ("every", every)):
        _arguments.whole(name, number)
    if not lr > 0:
        raise ArgumentError(f"lr: got {lr!r}; expected a positive number.")
    seed = seed_sequence(rng)
    reference = next(model.parameters(), None)
    if reference is None:
        raise ArgumentError("model: got a module without parameters; there is nothing to train.")
    home = reference.device
    place = home if device is None else torch.device(device)
    pair = _samples("x, y", x, y, reference.dtype)
    held_out: Samples | None = None
    if isinstance(validation, tuple):
        held_out = _samples("validation", *validation, reference.dtype)
    elif validation is not None:
        kept, held = (
            torch.from_numpy(rows).to(pair[1].device) for rows in split(pair[1].cpu().numpy(), validation, seed)
        )
        held_out = pair[0][held], pair[1][held]
        pair = pair[0][kept], pair[1][kept]
    modes = {module: module.training for module in model.modules()}
    model.to(place)
    try:
        _check_outputs(model, _to(pair, place), held_out)
        with _private_randomness(seed, place):
            loss, hits, best_step = _steps(
                model,
                _to(pair, place),
                None if held_out is None else _to(held_out, place),
                epochs=int(epochs),
                lr=lr,
                batch_size=int(batch_size),
                keep_best=select == "best",
                every=int(every),
                draw=generator(child(seed, "batches")),
            )
    finally:
        model.to(home)
        for module, training in modes.items():
            module.training = training
    return Trained(model, best_step, len(loss), loss, hits, time.perf_counter() - started, int(every))


def _steps(
    model: nn.Module,
    samples: Samples,
    held_out: Samples | None,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    keep_best: bool,
    every: int,
    draw: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Run all steps; return the loss of each, the accuracies of the evaluations, and the step that was kept."""
    x, y = samples
    fused = x.device.type in ("cpu", "cuda")  # one kernel for all parameters, the fastest for small networks
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr, fused=fused)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    live = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    best = {name: value.clone() for name, value in live.items()}
    answers = None if held_out is None else held_out[1].cpu().numpy()
    losses: list[torch.Tensor] = []
    hits: list[float] = []
    best_step, highest = 0, -1.0
    n_steps = epochs * math.ceil(len(x) / batch_size)
    for epoch in range(epochs):
        order = torch.from_numpy(draw.permutation(len(x))).to(x.device)
        model.train()
        for batch in order.split(batch_size):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            done = len(losses)
            if held_out is None or answers is None or (done % every and done < n_steps):
                continue
            model.eval()
            with torch.no_grad():
                hits.append(accuracy(model(held_out[0]).cpu().numpy(), answers))
            model.train()
            if keep_best and hits[-1] > highest:
                best_step, highest = done, hits[-1]
                for name, value in live.items():
                    best[name].copy_(value)
        schedule.step()
        if not bool(torch.stack(losses[-(n_steps // epochs) :]).isfinite().all()):
            raise ConvergenceError(
                f"training: the loss became NaN or infinite in epoch {epoch + 1} of {epochs}; lower lr={lr} or check "
                "the scale of the inputs."
            )
    if keep_best:
        for name, value in live.items():
            value.copy_(best[name])
    loss_curve = torch.stack(losses).cpu().numpy().astype(np.float64)
    return loss_curve, np.array(hits) if held_out is not None else None, best_step if keep_best else len(losses)


def _samples(name: str, x: Array, y: Array, dtype: torch.dtype) -> Samples:
    inputs, labels = as_tensor(x), as_tensor(y)
    if inputs.ndim < 2 or not len(inputs) or inputs.shape[:1] != labels.shape:
        raise ArgumentError(
            f"{name}: got inputs of shape {tuple(inputs.shape)} with labels of shape {tuple(labels.shape)}; "
            "expected (n, d) with (n,) and n of at least 1."
        )
    if labels.is_floating_point() or labels.is_complex() or int(labels.min()) < 0:
        raise ArgumentError(f"{name}: got labels of type {labels.dtype} from {labels.min()}; expected integers from 0.")
    if inputs.is_floating_point():
        inputs = inputs.to(dtype)
    return inputs, labels.long()


def _check_outputs(model: nn.Module, samples: Samples, held_out: Samples | None) -> None:
    model.eval()
    with torch.no_grad():
        shape = tuple(model(samples[0][:1]).shape)
    largest = max(int(labels.max()) for _, labels in (samples, held_out or samples))
    if len(shape) != 2 or shape[1] <= largest:
        raise ArgumentError(
            f"model: got outputs of shape {shape} for one sample with labels up to {largest}; expected "
            f"(1, n_classes) with at least {largest + 1} classes."
        )


def _to(samples: Samples, place: torch.device) -> Samples:
    return samples[0].to(place), samples[1].to(place)


def split(labels: np.ndarray, share: float, seed: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and those held out: the same share of each class, at least one of each of two."""
    if not isinstance(share, (float, np.floating)) or not 0 < share < 1:
        raise ArgumentError(f"validation: got {share!r}; expected a share between 0 and 1, a pair (x, y), or None.")
    draw = generator(child(seed, "validation"))
    out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == label))
        out[rows[: min(max(round(share * len(rows)), 1), len(rows) - 1)]] = True
    if not out.any():
        raise ArgumentError(f"validation: got {len(labels)} samples, one of each class; none can be held out.")
    return np.flatnonzero(~out), np.flatnonzero(out)


@contextlib.contextmanager
def _private_randomness(seed: np.random.SeedSequence, device: torch.device) -> Iterator[None]:
    """Give dropout a state of its own: torch has no other way than its global generators, put back at the end."""
    index = device.index if device.index is not None or device.type != "cuda" else torch.cuda.current_device()
    with torch.random.fork_rng(devices=[index] if device.type == "cuda" else []):
        number = int(generator(child(seed, "dropout")).integers(2**63))
        torch.default_generator.manual_seed(number)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(number)
        yield


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread inside of the block: sums have one order, and small networks train fastest.

    Examples
    --------
    >>> with single_thread():
    ...     torch.get_num_threads()
    1
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
