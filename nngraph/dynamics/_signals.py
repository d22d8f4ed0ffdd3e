"""One forward and one backward pass over a chain: inputs, slopes and errors of each layer, sample by sample."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nngraph._tensors import Array, as_tensor
from nngraph.dynamics._chains import Chain, NotFiniteError, check_mode
from nngraph.errors import ArgumentError, CapacitanceWarning

Loss: TypeAlias = "Literal['cross_entropy', 'squared'] | Array"


@dataclasses.dataclass(eq=False)
class Signals:
    """Of L layers, for n samples. Errors are derivatives of the mean over samples, so they are divided by n."""

    z: list[torch.Tensor]
    """L + 1 times (n, size): what enters layer l, and at the end the outputs."""
    slopes: list[torch.Tensor]
    """L times (n, n_out): derivative of what leaves each neuron by what it sums."""
    errors: list[torch.Tensor]
    """L times (n, n_out): derivative of the loss by what each neuron sums. Empty for the first layer: not needed."""
    sums: list[torch.Tensor]
    """L times (n, n_out): what each neuron sums."""
    loss: Callable[[torch.Tensor], torch.Tensor] | None
    """The loss as a function of the outputs; None where only per-sample errors are known."""
    balanced: bool
    """Whether the errors of every sample at the outputs add up to 0, and every neuron of the last hidden part is joined
    to all outputs or to none: then all that the output layer does to the one below it adds up to 0 exactly."""


def numbers(name: str, values: object) -> torch.Tensor:
    """Return numbers as a tensor, or say what they are instead."""
    if isinstance(values, torch.Tensor):
        return as_tensor(values)
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        raise ArgumentError(f"{name}: got rows of several lengths; expected an array of numbers.") from None
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name}: got values of type {array.dtype}; expected an array of numbers.")
    return as_tensor(array.astype(array.dtype.newbyteorder("="), copy=False))


def probe(chain: Chain, x: object, backbone: object) -> torch.Tensor:
    """Return (n, d): what enters the first layer, in the type of its weights and on their device."""
    weight = chain.layers[0].weight
    if backbone is not None:
        x = _features(x, backbone)
    if not isinstance(x, (torch.Tensor, np.ndarray)):
        raise ArgumentError(f"x: got {type(x).__name__}; expected an array or a tensor of (n, d) numbers.")
    z = numbers("x", x)
    if not z.is_floating_point():
        raise ArgumentError(
            f"x: got inputs of type {z.dtype}; expected floats in the scale that the model was trained on, for example "
            "x / 255. Tokens go through backbone=."
        )
    z = z.to(weight.device, weight.dtype)
    if z.ndim < 2 or not len(z):
        raise ArgumentError(f"x: got the shape {tuple(z.shape)}; expected (n, d) with at least one sample.")
    with torch.no_grad():
        for module in chain.before:
            z = module(z)
    if z.ndim != 2 or z.shape[1] != weight.shape[1]:
        flat = z.ndim == 2
        remedy = "Give samples of that many numbers." if flat else "Flatten what lies behind the first axis."
        raise ArgumentError(
            f"x: got the shape {tuple(z.shape)} in front of layer {chain.layers[0].name!r}; expected "
            f"(n, {weight.shape[1]}). {remedy}"
        )
    _check_finite(z, "x: got")
    return z.clone() if z.is_inference() else z  # a Hessian needs a tensor that autograd may keep


def _features(x: object, backbone: object) -> torch.Tensor:
    if not callable(backbone):
        raise ArgumentError(f"backbone: got {type(backbone).__name__}; expected a module or a function of x.")
    is_numeric = isinstance(x, torch.Tensor) or (isinstance(x, np.ndarray) and x.dtype.kind in "biuf")
    given = numbers("x", x) if is_numeric else x
    if isinstance(backbone, nn.Module):
        check_mode(backbone, "backbone")
        own = next(backbone.parameters(), None)
        if own is not None and isinstance(given, torch.Tensor):
            given = given.to(own.device, own.dtype if given.is_floating_point() else given.dtype)
    with torch.no_grad():
        features = backbone(given)
    if not isinstance(features, torch.Tensor):
        raise ArgumentError(
            f"backbone: gave {type(features).__name__}; expected a tensor of (n, d) features. Wrap it in a function "
            "that picks them."
        )
    return features


def signals(chain: Chain, z: torch.Tensor, y: object, loss: Loss) -> Signals:
    """Run both passes; weights get no gradients."""
    entering = [z]
    sums: list[torch.Tensor] = []
    slopes: list[torch.Tensor] = []
    for layer in chain.layers:
        with torch.enable_grad():
            a = F.linear(z, layer.weight, layer.bias).detach().requires_grad_()
            out = layer.activate(a)
            slope = torch.ones_like(a) if out is a else torch.autograd.grad(out, a, torch.ones_like(out))[0]
        z = out.detach()
        _check_finite(z, f"layer {layer.name!r}: gave")
        for found, into in ((a.detach(), sums), (slope, slopes), (z, entering)):
            into.append(found)
    value, error = _loss(loss, y, z)
    if value is not None:
        with torch.enable_grad():
            outputs = z.clone().requires_grad_()
            (error,) = torch.autograd.grad(value(outputs), outputs)
    errors = [error * slopes[-1]]
    for layer, slope in zip(chain.layers[:1:-1], slopes[-2:0:-1], strict=True):
        errors.insert(0, errors[0] @ layer.weight * slope)
    last = chain.layers[-1]
    # an output that is plain passes the errors of the loss on as they are
    plain = bool((slopes[-1] == 1).all())
    complete = last.mask is None or bool((last.mask == last.mask[:1]).all())
    balanced = plain and complete and _add_up_to_zero(loss, error)
    return Signals(entering, slopes, [z[:0], *errors], sums, value, balanced)


def _add_up_to_zero(loss: Loss, error: torch.Tensor) -> bool:
    if isinstance(loss, str):
        return loss == "cross_entropy"
    rounding = 8 * torch.finfo(error.dtype).eps * error.abs().sum(1)
    return bool(error.any()) and bool((error.sum(1).abs() <= rounding).all())


def _loss(
    loss: Loss, y: object, outputs: torch.Tensor
) -> tuple[Callable[[torch.Tensor], torch.Tensor] | None, torch.Tensor]:
    """Return the loss as a function of the outputs, or the errors where they were given."""
    n, width = outputs.shape
    if isinstance(loss, (np.ndarray, torch.Tensor)):
        errors = numbers("loss", loss).to(outputs)
        if errors.shape != outputs.shape:
            raise ArgumentError(
                f"loss: got per-sample errors of shape {tuple(errors.shape)}; expected {(n, width)}, the derivative of "
                "each sample's loss by each output."
            )
        _check_finite(errors, "loss: got per-sample errors with")
        return None, errors / n
    if loss not in ("cross_entropy", "squared"):
        raise ArgumentError(
            f"loss: got {loss!r}; expected 'cross_entropy', 'squared', or an (n, outputs) array of per-sample errors, "
            "the derivative of each sample's loss by each output."
        )
    if not isinstance(y, (np.ndarray, torch.Tensor, list, tuple)):
        raise ArgumentError(f"y: got {type(y).__name__}; expected an array of {n} answers.")
    answers = numbers("y", y).to(outputs.device)
    if not answers.ndim or len(answers) != n:
        got = f"{len(answers)} answers" if answers.ndim else "one number"
        raise ArgumentError(f"y: got {got} for {n} samples; expected one each.")
    if loss == "cross_entropy":
        classes = _classes(answers, width, "cross_entropy")
        return (lambda out: F.cross_entropy(out, classes)), outputs
    if answers.ndim == 1 and width > 1:
        answers = F.one_hot(_classes(answers, width, "squared"), width)
    targets = answers.reshape(n, -1).to(outputs)
    if targets.shape != outputs.shape:
        raise ArgumentError(f"y: got the shape {tuple(answers.shape)}; expected {(n, width)}, or (n,) classes.")
    _check_finite(targets, "y: got")
    return (lambda out: ((out - targets) ** 2).sum() / (2 * n)), outputs


def _classes(answers: torch.Tensor, width: int, loss: str) -> torch.Tensor:
    if answers.ndim != 1 or answers.is_floating_point() or answers.is_complex():
        raise ArgumentError(
            f"y: got {answers.dtype} of shape {tuple(answers.shape)} for loss={loss!r}; expected (n,) integer classes."
        )
    answers = answers.long()
    if int(answers.min()) < 0 or int(answers.max()) >= width:
        raise ArgumentError(
            f"y: got classes from {int(answers.min())} to {int(answers.max())}; expected 0 to {width - 1}, as the "
            f"model has {width} outputs."
        )
    missing = sorted(set(range(width)) - set(answers.unique().tolist()))
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        warnings.warn(
            f"y: {len(missing)} of {width} classes have no sample in the probe batch ({shown}): beta_eff hangs on the "
            "batch, and says nothing of how they are told apart. Take a batch with samples of every class.",
            CapacitanceWarning,
            stacklevel=5,
        )
    return answers


def _check_finite(values: torch.Tensor, what: str) -> None:
    if bool(values.sum().isfinite()):  # a sum is quicker than a look at each, and NaN or infinite if one of them is
        return
    bad = ~values.isfinite()
    if bool(bad.any()):
        sample = int(bad.any(1).nonzero()[0])
        raise NotFiniteError(
            f"{what} {int(bad.sum())} values that are NaN or infinite, the first at sample {sample}; expected finite "
            "numbers. Check the weights and the scale of the inputs."
        )
