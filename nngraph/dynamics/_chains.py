"""A multilayer perceptron read as a chain: weight, support, bias and what acts on each neuron alone behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from nngraph.errors import ArgumentError, UnsupportedLayerError

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS = (nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout, nn.RReLU)
ACTIVATIONS = (
    nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid,
    nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softshrink, nn.Softsign,
    nn.Tanh, nn.Tanhshrink, nn.Threshold,
)  # fmt: skip
ELEMENTWISE = (*ACTIVATIONS, nn.BatchNorm1d, nn.Dropout, nn.AlphaDropout, nn.RReLU, nn.Identity, nn.Flatten)
"""Modules that act on each neuron alone once they are in evaluation mode."""


class NotFiniteError(ArgumentError):
    """Weights, inputs, or what passes between layers, are NaN or infinite."""


@dataclasses.dataclass(eq=False)
class Layer:
    """One weight matrix and the modules between it and the next."""

    name: str
    weight: torch.Tensor
    """(n_out, n_in), 0 where no edge is."""
    mask: torch.Tensor | None
    """(n_out, n_in), 1 where an edge is present, in the weight's type; None where all are."""
    bias: torch.Tensor | None
    after: list[nn.Module]

    def activate(self, a: torch.Tensor) -> torch.Tensor:
        """Return what leaves the neurons for the inputs ``a`` that they sum."""
        if any(getattr(module, "inplace", False) for module in self.after):
            a = a.clone()
        for module in self.after:
            a = module(a)
        return a

    def to_sources(self, values: torch.Tensor) -> torch.Tensor:
        """Return (n, n_out) values summed over the present edges of each source: (n, n_in), or (n, 1) if complete."""
        return values.sum(1, keepdim=True) if self.mask is None else values @ self.mask

    def to_targets(self, values: torch.Tensor) -> torch.Tensor:
        """Return (n, n_in) values summed over the present edges of each target: (n, n_out), or (n, 1) if complete."""
        return values.sum(1, keepdim=True) if self.mask is None else values @ self.mask.T

    def masked(self, values: torch.Tensor) -> torch.Tensor:
        """Return (n_out, n_in) values with 0 where no edge is."""
        return values if self.mask is None else values * self.mask

    @property
    def support(self) -> torch.Tensor:
        """(n_out, n_in), 1 where an edge is present."""
        return torch.ones_like(self.weight) if self.mask is None else self.mask


@dataclasses.dataclass(eq=False)
class Chain:
    """The layers of a multilayer perceptron, and the modules in front of the first."""

    before: list[nn.Module]
    layers: list[Layer]

    @property
    def parts(self) -> list[str]:
        """Names of the parts, the input first, as :func:`nngraph.from_torch` names them."""
        names = [layer.name for layer in self.layers]
        return ["input" if "input" not in names else "input of the chain", *names]

    def outputs(self, z: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
        """Return the outputs for what enters the first layer, by other weights."""
        for layer, weight in zip(self.layers, weights, strict=True):
            z = layer.activate(F.linear(z, weight, layer.bias))
        return z

    def outputs_from(self, a: torch.Tensor, first: int) -> torch.Tensor:
        """Return the outputs for the inputs ``a`` that the neurons of layer ``first`` sum."""
        z = self.layers[first].activate(a)
        for layer in self.layers[first + 1 :]:
            z = layer.activate(F.linear(z, layer.weight, layer.bias))
        return z


def read_chain(model: object) -> Chain:
    """Read nn.Sequential (of nn.Sequential) of Linear layers and of modules that act on each neuron alone."""
    before, layers = _steps(model)
    return Chain(before, [_layer(*step) for step in layers])


def degrees(model: object) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return for each layer the (n_out,) edges that enter its targets and the (n_in,) that leave its sources, int64.

    No matrix is made of a layer that holds its edges alone.
    """
    found = []
    for _, module, _ in _steps(model)[1]:
        held: Any = module
        if getattr(module, "holds_edges_alone", False):
            leaving = torch.bincount(held.columns, minlength=held.in_features)
            found.append((held.starts.long().diff().cpu(), leaving.cpu()))
        else:
            present = _present(module)
            found.append((present.sum(1).cpu(), present.sum(0).cpu()))
    return found


def _steps(model: object) -> tuple[list[nn.Module], list[tuple[str, nn.Module, list[nn.Module]]]]:
    """Return what lies in front of the first linear layer; and each with its name and what lies behind it."""
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: got {type(model).__name__}; expected a torch.nn.Module.")
    check_mode(model, "model")
    before: list[nn.Module] = []
    layers: list[tuple[str, nn.Module, list[nn.Module]]] = []
    seen = set()
    for name, module in _leaves(model, ""):
        where = name or type(module).__name__
        alone = getattr(module, "holds_edges_alone", False)
        if alone or (isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward):
            if id(module) in seen:
                raise UnsupportedLayerError(f"layer {where!r} is used twice; expected weights of its own at each step.")
            seen.add(id(module))
            layers.append((where, module, []))
        elif type(module) in ELEMENTWISE:
            (layers[-1][2] if layers else before).append(module)
        else:
            raise UnsupportedLayerError(_refusal(where, module))
    if len(layers) < 2:
        raise ArgumentError(
            f"model: got {len(layers)} linear layers; expected at least 2: the line graph joins the weights of "
            "one layer to those of the next. Below 3 layers beta_eff is 0 whatever the weights."
        )
    return before, layers


def check_mode(model: nn.Module, what: str) -> None:
    """Refuse a model in which a sample's activations hang on its batch, or on chance."""
    for name, module in model.named_modules():
        batch = isinstance(module, NORMS) and (module.training or not module.track_running_stats)
        if batch or (isinstance(module, DROPOUTS) and module.training):
            kind = type(module).__name__
            why = "mixes the samples of the batch" if batch else "is random"
            remedy = "give it running statistics" if batch and not module.training else f"call {what}.eval() first"
            raise ArgumentError(
                f"{what}: {kind} {name or kind!r} {why}; expected evaluation mode: {remedy}, as beta_eff is defined on "
                "a fixed network."
            )


def _leaves(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for key, child in module._modules.items():
            if child is not None:
                yield from _leaves(child, f"{name}.{key}" if name else key)
    else:
        yield name, module


def _layer(name: str, module: nn.Module, after: list[nn.Module]) -> Layer:
    held: Any = module
    if getattr(module, "holds_edges_alone", False):
        held = module = held.to_linear()
    pruned = "weight_mask" in module._buffers  # then .weight is as old as the last forward pass
    weight = (held.weight_orig * held.weight_mask if pruned else held.weight).detach()
    if weight.dtype not in (torch.float32, torch.float64):
        raise ArgumentError(f"layer {name!r}: got weights of type {weight.dtype}; convert by model.float() first.")
    if not bool(weight.isfinite().all()):
        bad = int((~weight.isfinite()).sum())
        raise NotFiniteError(f"layer {name!r}: got {bad} weights that are NaN or infinite; expected finite weights.")
    present = _present(module)
    mask = None if bool(present.all()) else present.to(weight.dtype)
    return Layer(name, weight, mask, None if held.bias is None else held.bias.detach(), after)


def _present(module: nn.Module) -> torch.Tensor:
    """Return the (n_out, n_in) support of a linear layer: its pruning mask, or its weights that are not 0."""
    mask = module._buffers.get("weight_mask")
    values: Any = module.weight if mask is None else mask
    present: torch.Tensor = values.detach() != 0
    return present


def _refusal(where: str, module: nn.Module) -> str:
    kind = type(module).__name__
    if isinstance(module, nn.modules.conv._ConvNd):
        return (
            f"model: {kind} {where!r} is a convolution, whose weights many places share; expected linear layers. "
            "Pass what lies in front of the linear layers as backbone=, and the linear layers alone as the model."
        )
    if isinstance(module, (nn.Softmax, nn.LogSoftmax, nn.Softmin)):
        return (
            f"model: {kind} {where!r} mixes neurons; expected plain outputs: loss='cross_entropy' takes logits, so "
            "leave it out."
        )
    return (
        f"model: {kind} {where!r} is neither a linear layer nor acts on each neuron alone; expected nn.Sequential of "
        "Linear layers, activations, BatchNorm1d and Dropout. Pass what lies in front of the linear layers as "
        "backbone=, and the linear layers alone as the model."
    )
