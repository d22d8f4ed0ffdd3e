"""Run a model once on an example input and say how its weights are wired."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from nngraph.convert import _steps
from nngraph.convert._layers import Held, Layer, loose_parameter
from nngraph.convert._reading import call_space, check_unrolled
from nngraph.convert._shadows import MaybeShadows, Shadows
from nngraph.convert._steps import spread, tensors
from nngraph.convert._wiring import Wiring
from nngraph.errors import ArgumentError, NNGraphError, UnsupportedLayerError

ExampleInput = torch.Tensor | tuple[Any, ...] | Mapping[str, Any]
_LEAVE = "or leave it out with layers=[...]"
_ANY = object()


def trace(model: nn.Module, layers: list[Layer], loose: set[int], example: ExampleInput, conv: str | None) -> Wiring:
    """Run the model once in evaluation mode, without gradients, and return how its weights are wired."""
    if not isinstance(example, (torch.Tensor, tuple, list, Mapping)):
        raise ArgumentError(
            f"example_input: got {type(example).__name__}; expected a tensor, a tuple of arguments, or a mapping of "
            "keyword arguments."
        )
    empty = next((t for t in tensors(example) if t.dim() and not len(t)), None)
    if empty is not None:
        raise ArgumentError(f"example_input: got an empty tensor of shape {tuple(empty.shape)}; pass one sample.")
    kwargs = dict(example) if isinstance(example, Mapping) else {}
    args: tuple[Any, ...] = () if kwargs else (example,) if isinstance(example, torch.Tensor) else tuple(example)
    tracer = _Trace(model, layers, loose, conv)
    for tensor in tensors((args, kwargs)):
        tracer.feed(tensor)
    with undisturbed(model), torch.no_grad(), tracer.hooked():
        try:
            with tracer:
                out = model(*args, **kwargs)
        except NNGraphError:
            raise
        except Exception as error:
            raise ArgumentError(
                f"example_input: the model failed on it with {type(error).__name__}: {error}. Pass what "
                "model(*example_input) takes, or a dict of its keyword arguments."
            ) from error
    tracer.lose(tensors(out))
    return tracer.wiring


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode and restore modes, buffers, pruned weights and the random state afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    plain = [
        (module, name, value)
        for module in model.modules()
        for name, value in list(module.__dict__.items())
        if isinstance(value, torch.Tensor)
    ]
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    fast = torch.backends.mha.get_fastpath_enabled()
    compiled = any("_orig_mod" in module._modules for module in model.modules())
    eager = torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()
    with torch.random.fork_rng(devices), eager:
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            for module, _ in modes:
                module.training = False
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for module, mode in modes:
                module.training = mode
            for module, name, buffer, before in buffers:
                module._buffers[name] = buffer
                buffer.detach().copy_(before)
            for module, name, value in plain:
                module.__dict__[name] = value


class _Trace(Shadows):
    """The calls that apply a weight."""

    def _layer(self, kind: str, weight: torch.Tensor, bias: object, layout: str, role: str = "weight") -> Layer | None:
        """Return the layer that holds a weight, the first one not yet called if several share it; None if left out."""
        derived = self.derived.get(id(weight))
        if derived is not None and id(self._root(weight).tensor) in self.relevant:
            raise UnsupportedLayerError(
                f"parameter '{self._root(weight).name}': changed by '{derived[1]}' before it is used as a weight, so "
                f"its entries are not the edges. Store the matrix itself, {_LEAVE}."
            )
        held = self.held.get(id(weight))
        if held is None or id(held.tensor) not in self.relevant:
            return None
        if id(weight) in self.turned and kind != "convolution":
            layout = "linear" if layout == "transposed" else "transposed"
        found = [
            layer
            for layer in self.layers
            if role in layer.weights
            and layer.weights[role].held.tensor is held.tensor
            and layer.kind == kind
            and layer.weights[role].origin.layout == layout
            and (bias is _ANY or self._same_bias(layer.weights[role].bias, bias))
        ]
        found = [layer for layer in found if layer.module in self.running] or found
        if found:
            return next((layer for layer in found if not self.wiring.was_called(layer)), found[0])
        if kind == "convolution":
            raise UnsupportedLayerError(
                f"parameter '{held.name}': used in a functional convolution. Use nn.Conv1d, nn.Conv2d or nn.Conv3d, "
                f"{_LEAVE}."
            )
        own = self.held.get(id(bias))
        if own is not None and own.tensor.shape != held.tensor.shape[1 if layout == "transposed" else 0 :][:1]:
            own = None  # broadcast: no entry for each target node
        key = (id(held.tensor), None if own is None else id(own.tensor), layout)
        return self.loose_layers.setdefault(key, loose_parameter(held, own, layout))

    def _same_bias(self, held: Held | None, bias: object) -> bool:
        given = self.held.get(id(bias)) if isinstance(bias, torch.Tensor) else None
        return (None if held is None else held.tensor) is (None if given is None else given.tensor)

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        known = id(tensor) in self.held or id(tensor) in self.derived
        return known and id(self._root(tensor).tensor) in self.relevant

    def _write(self, value: int, out: torch.Tensor, axes: tuple[int, ...] = (-1,)) -> list[torch.Tensor | None]:
        return [spread(self.wiring.ids(value), out, tuple(a % out.dim() for a in axes))]

    def _see_linear(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        x, weight, bias = _bind(("input", "weight", "bias"), args, kwargs)
        layer = self._layer("linear", weight, bias, "linear")
        if layer is None:
            return None
        return self._write(self.wiring.apply(layer, self.columns(x, (-1,), layer))[0], out[0])

    def _see_addmm(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        bias, x, weight = _bind(("input", "mat1", "mat2"), args, kwargs)
        bias = bias if kwargs.get("beta", 1) == 1 else _ANY
        return self._product(x, weight, out[0], bias)

    def _see_matmul(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        a, b = _bind(("input", "other"), args, kwargs)
        b = kwargs.get("mat2", b)
        return self._product(a, b, out[0], _ANY)

    def _see_rmatmul(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        return self._product(args[1], args[0], out[0], _ANY)

    def _product(self, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor, bias: object) -> MaybeShadows:
        """Read a product: with a parameter it is a block, with mixing coefficients it keeps the neurons."""
        if self._is_weight(b):
            layer = self._layer("linear", b, bias, "transposed")
            assert layer is not None
            return self._write(self.wiring.apply(layer, self.columns(a, (-1,), layer))[0], out)
        if self._is_weight(a):
            layer = self._layer("linear", a, bias, "linear")
            assert layer is not None
            axis = -2 if b.dim() > 1 else -1
            return self._write(self.wiring.apply(layer, self.columns(b, (axis,), layer))[0], out, (axis,))
        left, right = (self._neurons(self.shadow.get(id(t))) for t in (a, b))
        kept = None
        if left is None and right is not None and b.dim() > 1:
            kept = _steps.mixed(right, -2, out)
        elif right is None and left is not None:
            kept = _steps.mixed(left, -1, out)
        return None if kept is None else [kept]

    def _see_einsum(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        """Refuse a product with a parameter whose axes are not read here; one of activations ends their parts."""
        for tensor in tensors((args, kwargs)):
            if self._is_weight(tensor):
                raise UnsupportedLayerError(
                    f"parameter '{self._root(tensor).name}': used in a product whose axes are not read here (einsum, "
                    f"tensordot, ...). Write it as F.linear or x @ W, {_LEAVE}."
                )
        return None

    _see_tensordot = _see_inner = _see_baddbmm = _see_addbmm = _see_mv = _see_addmv = _see_bilinear = _see_einsum
    _see_embedding_bag = _see_conv_transpose1d = _see_conv_transpose2d = _see_conv_transpose3d = _see_einsum

    def _see_embedding(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        x, weight = _bind(("input", "weight"), args, kwargs)
        if self._is_weight(x):
            x, weight = weight, x  # torch.embedding has them the other way round
        layer = self._layer("embedding", weight, None, "transposed")
        if layer is None:
            return None
        key = (id(layer.weight.held.tensor), id(x) in self.active)
        if key not in self.vocabularies:
            first = key[1] and not any(active for _, active in self.vocabularies)
            name = "input" if first else f"{layer.name}.in"
            self.vocabularies[key] = self.wiring.value(layer.weight.n_source, name, fixed=True)
        ids = self.wiring.ids(self.vocabularies[key])
        return self._write(self.wiring.apply(layer, ids)[0], out[0])

    def _see_conv(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> MaybeShadows:
        names = ("input", "weight", "bias", "stride", "padding", "dilation")
        x, weight, bias, stride, padding, dilation = _bind(names, args, kwargs)
        layer = self._layer("convolution", weight, bias, "convolution")
        if layer is None:
            return None
        n_axes = weight.dim() - 2
        axis = x.dim() - n_axes - 1
        if self.wiring.conv != "unrolled":
            value = self.wiring.apply(layer, self.columns(x, (axis,), layer))[0]
            return self._write(value, out[0], (axis,))
        space = call_space(x.shape[axis + 1 :], weight.shape[2:], stride or 1, padding or 0, dilation or 1)
        check_unrolled(layer.name, layer.weight, space)
        axes = tuple(range(axis, x.dim()))
        value = self.wiring.apply(layer, self.columns(x, axes, layer), space=space)[0]
        return self._write(value, out[0], axes)

    def _see_scaled_dot_product_attention(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]
    ) -> MaybeShadows:
        query, key, value = _bind(("query", "key", "value"), args, kwargs)
        self.lose((query, key))
        shadow = self._neurons(self.shadow.get(id(value)))
        if shadow is None:
            return []
        if shadow.dim() > 3 and shadow.shape[-3] != out[0].shape[-3]:
            shadow = shadow.repeat_interleave(out[0].shape[-3] // shadow.shape[-3], -3)
        return [_steps.mixed(shadow, -2, out[0])]

    def _see_multi_head_attention_forward(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]
    ) -> MaybeShadows:
        layer = self._layer("attention", args[11], _ANY, "linear", "out")
        if layer is None:
            return None
        ids = [self.columns(x, (-1,), layer, f"{layer.name}.{role}") for x, role in zip(args[:3], "qkv", strict=True)]
        return self._write(self.wiring.apply(layer, *ids)[0], out[0])

    # ------------------------------------------------------ recurrent and sparse

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """Watch recurrent and sparse modules from outside, as each is one call; of tied modules, see which one runs."""
        handles = []
        times = Counter(id(weight.held.tensor) for layer in self.layers for weight in layer.weights.values())
        for layer in self.layers:
            if layer.kind != "attention" and any(times[id(w.held.tensor)] > 1 for w in layer.weights.values()):
                handles.append(layer.module.register_forward_pre_hook(self._starts))
                handles.append(layer.module.register_forward_hook(self._ends, always_call=True))
            if layer.kind in ("recurrent", "sparse"):
                before = functools.partial(self._enter, layer)
                after = functools.partial(self._leave if layer.kind == "recurrent" else self._leave_sparse, layer)
                handles.append(layer.module.register_forward_pre_hook(before, with_kwargs=True))
                handles.append(layer.module.register_forward_hook(after, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _starts(self, module: nn.Module, args: Any) -> None:
        self.running.append(module)

    def _ends(self, module: nn.Module, args: Any, out: Any) -> None:
        self.running.pop()

    def _enter(self, layer: Layer, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.silent += 1

    def _leave(self, layer: Layer, module: nn.RNNBase, args: Any, kwargs: Any, out: Any) -> None:
        self.silent -= 1
        given, (sequence, state) = (args[0] if args else kwargs["input"]), out
        x, y = (s.data if isinstance(s, PackedSequence) else s for s in (given, sequence))
        values = self.wiring.apply(layer, self.columns(x, (-1,), layer))
        ids = [self.wiring.ids(value) for value in values]
        hidden = state[0] if isinstance(state, tuple) else state
        results = list(tensors(out))
        self.alive += results
        self.active.update(id(t) for t in results)
        self.shadow[id(y)] = spread(np.concatenate(ids[-(1 + module.bidirectional) :]), y, (y.dim() - 1,))
        rows = torch.from_numpy(np.stack(ids))
        self.shadow[id(hidden)] = (rows if hidden.dim() == 2 else rows[:, None, :]).expand(hidden.shape)

    def _leave_sparse(self, layer: Layer, module: nn.Module, args: Any, kwargs: Any, y: torch.Tensor) -> None:
        self.silent -= 1
        x = args[0] if args else kwargs["x"]
        self.alive.append(y)
        self.active.add(id(y))
        shadow = self._write(self.wiring.apply(layer, self.columns(x, (-1,), layer))[0], y)[0]
        assert shadow is not None
        self.shadow[id(y)] = shadow


def _bind(names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]
