"""Strengths of the weights in the line graph without the line graph: sums over its edges, from per-sample signals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from nngraph._progress import progress
from nngraph.dynamics._chains import Chain, Layer
from nngraph.dynamics._signals import Signals


@dataclasses.dataclass(eq=False)
class Sums:
    """Sums over the edges of the line graph by the hidden part l = 1, ..., L - 1 that they pass, float64."""

    numerator: list[torch.Tensor]
    """(n_l,) for each: sum over the weights that leave the neuron of their two strengths' product."""
    denominator: list[torch.Tensor]
    """(n_l,) for each: sum over the weights that enter the neuron of their strengths."""
    scale: float
    """Sum of the absolute values of what the denominator adds up, to tell a small one from rounding."""


def frozen(chain: Chain, found: Signals, *, absolute: bool) -> Sums:
    """Return the sums for the signals held fixed: two products of (samples, neurons) matrices a layer."""
    layers, n_hidden = chain.layers, len(chain.layers) - 1
    numerator = [torch.zeros(layer.weight.shape[0], dtype=torch.float64) for layer in layers[:-1]]
    denominator, scale = [], 0.0
    strength_out: torch.Tensor | None = None  # of the layer at hand, by what lies below it
    for h in range(n_hidden):
        z, slope, error = found.z[h], found.slopes[h], found.errors[h + 1]
        magnitudes = z.abs(), slope.abs(), error.abs()
        gross = magnitudes[1] * layers[h + 1].to_sources(magnitudes[2]) * layers[h].to_targets(magnitudes[0])
        scale += float(gross.sum(dtype=torch.float64))
        if absolute:
            z, slope, error = magnitudes
        back = layers[h + 1].to_sources(error)
        if found.balanced and not absolute and h == n_hidden - 1:
            back = torch.zeros_like(back)
        ahead = slope * layers[h].to_targets(z)
        denominator.append((ahead * back).sum(0, dtype=torch.float64))
        if strength_out is not None:
            strength_in = layers[h].masked((slope * back).T @ z)
            numerator[h - 1] = (strength_in * strength_out).sum(0, dtype=torch.float64)
        if h < n_hidden - 1:
            strength_out = layers[h + 1].masked(error.T @ ahead)
    return Sums(numerator, denominator, scale)


def hessian(chain: Chain, found: Signals) -> Sums:
    """Return the sums over whole blocks of the Hessian, by one Hessian-vector product along each layer's support."""
    assert found.loss is not None
    n_layers = len(chain.layers)
    strength_in = [torch.zeros_like(layer.weight) for layer in chain.layers]
    strength_out = [torch.zeros_like(layer.weight) for layer in chain.layers]
    with torch.enable_grad():
        weights = [layer.weight.clone().requires_grad_() for layer in chain.layers]
        loss = found.loss(chain.outputs(found.z[0], weights))
        gradients = torch.autograd.grad(loss, weights, create_graph=True)
        for h, layer in enumerate(chain.layers):
            near = [k for k in (h - 1, h + 1) if 0 <= k < n_layers]
            along = (gradients[h] * layer.support).sum()
            products = torch.autograd.grad(along, [weights[k] for k in near], retain_graph=True, materialize_grads=True)
            for k, product in zip(near, products, strict=True):
                (strength_in if k < h else strength_out)[k] = chain.layers[k].masked(product)
    if found.balanced:
        strength_in[-2] = torch.zeros_like(strength_in[-2])
    return _sums(strength_in, strength_out)


def hessian_support(chain: Chain, found: Signals) -> Sums:
    """Return the sums over entries of the Hessian that share a neuron: a Hessian-vector product a hidden neuron."""
    n_layers = len(chain.layers)
    strength_in = [torch.zeros_like(layer.weight) for layer in chain.layers]
    strength_out = [torch.zeros_like(layer.weight) for layer in chain.layers]
    for h in range(n_layers - 1):
        layer, above = chain.layers[h], chain.layers[h + 1]
        z, slope, support = found.z[h], found.slopes[h], above.support
        ahead = slope * layer.to_targets(z)
        back = torch.zeros_like(slope)
        for i, signal in moved_errors(chain, found, h):
            back[:, i] = signal @ support[:, i]
            strength_out[h + 1][:, i] = support[:, i] * (signal.T @ ahead[:, i])
        if not (found.balanced and h == n_layers - 2):
            strength_in[h] = layer.masked((slope * back).T @ z)
    return _sums(strength_in, strength_out)


def moved_errors(chain: Chain, found: Signals, h: int) -> Iterator[tuple[int, torch.Tensor]]:
    r"""Yield for each neuron i behind layer h the (n, n_out) errors above it and how they move with its weights.

    .. math:: e_k + z_i \sum_{k'} H_{kk'} W_{k'i}, \qquad H = \partial^2 C / \partial a \, \partial a
    """
    assert found.loss is not None
    above: Layer = chain.layers[h + 1]
    with torch.enable_grad():
        a = found.sums[h + 1].clone().requires_grad_()
        (error,) = torch.autograd.grad(found.loss(chain.outputs_from(a, h + 1)), a, create_graph=True)
    n_neurons = above.weight.shape[1]
    for i in progress(range(n_neurons), total=n_neurons, label=f"neurons of {chain.layers[h].name}"):
        direction = above.weight[:, i].expand_as(error)
        (moved,) = torch.autograd.grad(error, a, direction, retain_graph=True, materialize_grads=True)
        yield i, found.errors[h + 1] + found.z[h + 1][:, i : i + 1] * moved


def _sums(strength_in: list[torch.Tensor], strength_out: list[torch.Tensor]) -> Sums:
    pairs = zip(strength_in[1:], strength_out[1:], strict=True)
    return Sums(
        [(to * by).sum(0, dtype=torch.float64) for to, by in pairs],
        [to.sum(1, dtype=torch.float64) for to in strength_in[:-1]],
        float(sum(to.abs().sum(dtype=torch.float64) for to in strength_in)),
    )
