"""Wiring without an example input: nn.Sequential says the order, everywhere else each block has parts of its own."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from torch import nn

from nngraph.convert._layers import Layer
from nngraph.convert._wiring import Wiring

_KEEPING = {
    f"torch.nn.modules.{name}" for name in ("activation", "dropout", "batchnorm", "normalization", "instancenorm")
}
_SPATIAL = {f"torch.nn.modules.{name}" for name in ("pooling", "padding", "upsampling")}


class _Flow(NamedTuple):
    """What leaves a module: the neurons, and how they lie in the tensor."""

    ids: np.ndarray
    axis: Literal["last", "channels", "flat last", "flat channels"]


def sequential(model: nn.Module, layers: list[Layer], conv: str | None) -> tuple[Wiring, bool]:
    """Return the wiring that nn.Sequential containers state, and whether any of them states one."""
    walk = _Walk(layers, Wiring(conv))
    root_is_chain = _is_chain(model)
    for module in model.modules():
        if _is_chain(module) and id(module) not in walk.seen:
            walk.first = root_is_chain
            walk.follow(module, None)
        elif id(module) in walk.layers and id(module) not in walk.seen:
            walk.apply(walk.layers[id(module)], None)
    return walk.wiring, walk.linked


class _Walk:
    def __init__(self, layers: list[Layer], wiring: Wiring) -> None:
        self.layers = {id(layer.module): layer for layer in layers}
        self.wiring = wiring
        self.seen: set[int] = set()
        self.first = False
        self.linked = False

    def follow(self, module: nn.Module, flow: _Flow | None) -> _Flow | None:
        """Return what leaves a module that is fed ``flow``; None where that is not known."""
        self.seen.add(id(module))
        if id(module) in self.layers:
            return self.apply(self.layers[id(module)], flow)
        if _is_chain(module):
            for child in filter(None, module._modules.values()):
                flow = self.follow(child, flow)
                self.first = self.first and flow is None and _passes_input(child)
            return flow
        kind, home = type(module), type(module).__module__
        if flow is None:
            return None
        if kind is nn.Identity or (home in _KEEPING and kind not in (nn.GLU, nn.MultiheadAttention)):
            return flow
        if home in _SPATIAL:
            return flow if flow.axis == "channels" else None
        if kind is nn.Flatten and module.start_dim == 1 and module.end_dim == -1:
            axis: Literal["flat channels", "flat last"] = "flat channels" if "channels" in flow.axis else "flat last"
            return flow._replace(axis=axis)
        return None

    def apply(self, layer: Layer, flow: _Flow | None) -> _Flow | None:
        """Apply a layer to what reaches it."""
        self.seen.add(id(layer.module))
        wiring, kind = self.wiring, layer.kind
        if kind == "attention":
            wiring.apply(layer, None, None, None)
            return None
        if kind == "recurrent":
            wiring.apply(layer, None)
            return None
        convolution = kind == "convolution"
        module: Any = layer.module
        size: int = module.in_channels if convolution else layer.weight.n_source
        ids = None if flow is None or kind == "embedding" else _columns(flow, size, convolution=convolution)
        self.linked |= ids is not None
        if ids is None and flow is None and self.first:
            ids = wiring.ids(wiring.value(size, "input", fixed=True))
        self.first = False
        value = wiring.apply(layer, ids)[0]
        return _Flow(wiring.ids(value), "channels" if convolution else "last")


def _is_chain(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _columns(flow: _Flow, size: int, *, convolution: bool) -> np.ndarray | None:
    """Return the neuron of each column of a layer of ``size`` columns."""
    n = len(flow.ids)
    if convolution:
        return flow.ids if flow.axis == "channels" and n == size else None
    if flow.axis == "last":
        return flow.ids if n == size else None
    if flow.axis == "channels" or size % n:
        return None
    return np.repeat(flow.ids, size // n) if flow.axis == "flat channels" else np.tile(flow.ids, size // n)


def _passes_input(module: nn.Module) -> bool:
    """Tell whether a module before the first weight leaves the input's neurons as they are."""
    home = type(module).__module__
    return isinstance(module, (nn.Flatten, nn.Identity, nn.Sequential)) or home in _KEEPING | _SPATIAL
