"""Follow one example input through a model: which neuron does each column of each weight read?

Every tensor that stems from a known weight carries a shadow: an integer tensor of the same shape that holds, at each
place, the id of the neuron whose activity stands there (-1 where that is not known). A step that only moves values
(view, transpose, split, cat) is applied to the shadow as well, and an element-wise step keeps it; so reshaping heads,
slicing, and flattening are followed exactly. Any other step drops the shadow, and the part ends there.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from nngraph.convert import _steps
from nngraph.convert._inputs import Input
from nngraph.convert._layers import Held, Layer, hold, loose_parameter
from nngraph.convert._reading import call_space, check_unrolled
from nngraph.convert._steps import constant, distinct, spread, step_name, tensors
from nngraph.convert._wiring import Wiring
from nngraph.errors import ArgumentError, NNGraphError, UnsupportedLayerError

ExampleInput = torch.Tensor | tuple[Any, ...] | Mapping[str, Any]
Shadows = list[torch.Tensor | None]
_LEAVE = "or leave it out with layers=[...]"


def trace(model: nn.Module, layers: list[Layer], loose: set[int], example: ExampleInput, conv: str | None) -> Wiring:
    """Run the model once in evaluation mode, without gradients, and return how its weights are wired."""
    if isinstance(example, torch.Tensor):
        args, kwargs = (example,), {}
    elif isinstance(example, Mapping):
        args, kwargs = (), dict(example)
    else:
        args, kwargs = tuple(example), {}
    tracer = Tracer(model, layers, loose, conv)
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
    with torch.random.fork_rng(devices):
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


class Tracer(TorchFunctionMode):
    """Sees every call of torch while the model runs."""

    def __init__(self, model: nn.Module, layers: list[Layer], loose: set[int], conv: str | None) -> None:
        super().__init__()
        self.wiring = Wiring(conv)
        self.layers = layers
        self.loose = loose
        self.loose_layers: dict[tuple[int, str], Layer] = {}
        self.held: dict[int, Held] = {}
        self.alive: list[object] = []  # ids stay unique while their tensors live
        self.shadow: dict[int, torch.Tensor] = {}
        self.active: set[int] = set()
        self.turned: dict[int, int] = {}
        self.derived: dict[int, tuple[int, str]] = {}
        self.inputs: dict[int, Input] = {}
        self.vocabularies: dict[tuple[int, bool], int] = {}
        self.relevant = loose | {id(w.held.tensor) for layer in layers for w in layer.weights.values()}
        self.silent = 0
        for held in hold(model).values():
            self.held.setdefault(id(held.tensor), held)
        for layer in layers:
            for weight in layer.weights.values():
                self._alias_pruned(layer.module, weight.held)
                if weight.bias is not None:
                    self._alias_pruned(layer.module, weight.bias)

    def _alias_pruned(self, module: nn.Module, held: Held) -> None:
        if held.mask is not None:
            local = held.name.rpartition(".")[2]
            for owner in (module, getattr(module, "out_proj", None)):
                value = getattr(owner, local, None)
                if isinstance(value, torch.Tensor):
                    self.held[id(value)] = held
                    self.alive.append(value)

    # ------------------------------------------------------------- torch's calls

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.silent:
            return func(*args, **kwargs)
        version = {id(t): t._version for t in tensors((args, kwargs)) if id(t) in self.shadow}
        out = func(*args, **kwargs)
        self.see(func, args, kwargs, out)
        self._forget_overwritten(args, kwargs, out, version)
        return out

    def see(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """Give the results of one call their shadows."""
        given, results = list(tensors((args, kwargs))), list(tensors(out))
        name = step_name(func)
        if not results:
            if name == "setitem":
                self.lose(given)
            return
        self.alive += results
        active = any(id(t) in self.active for t in given)
        weights = [t for t in given if id(t) in self.held or id(t) in self.derived]
        if weights and not active and name not in ("linear", "embedding", "multi_head_attention_forward"):
            self._change_weight(name, weights, results)
            return
        if active:
            self.active.update(id(t) for t in results)
        rule: Callable[..., Shadows | None] | None = getattr(self, f"_see_{name}", None)
        if rule is None:
            marked = any(id(t) in self.shadow for t in given)
            shadows = self._step(name, func, args, kwargs, results) if marked else None
        else:
            shadows = rule(args, kwargs, results)
        if shadows is None:
            self.lose(given)
            shadows = []
        for tensor in results:
            self.shadow.pop(id(tensor), None)
        for tensor, shadow in zip(results, shadows, strict=False):
            if shadow is not None:
                self.shadow[id(tensor)] = shadow
                self.active.add(id(tensor))

    def lose(self, tensors: Any) -> None:
        """Count a use of each value that a tensor carries into a step that is not followed."""
        for tensor in tensors:
            shadow = self.shadow.get(id(tensor))
            if shadow is not None and not self._raw(shadow):
                self.wiring.used(distinct(shadow))

    def _change_weight(self, name: str, weights: list[torch.Tensor], results: list[torch.Tensor]) -> None:
        """A step on parameters alone: a transposed matrix is followed, a mask is its own, all else is derived."""
        first = weights[0]
        origin = self.held.get(id(first))
        for result in results:
            if id(result) in self.held:
                continue
            if origin is not None and name in ("T", "mT", "t", "transpose", "swapaxes") and first.dim() == 2:
                self.turned[id(result)] = id(first)
                self.held[id(result)] = origin
            elif origin is not None and (name in ("to", "float", "type", "detach", "contiguous", "clone", "data")):
                self.held[id(result)] = origin
                if id(first) in self.turned:
                    self.turned[id(result)] = self.turned[id(first)]
            elif origin is not None and origin.mask is not None and name == "mul":
                self.held[id(result)] = origin
            else:
                self.derived[id(result)] = (id(first), name)

    def _root(self, tensor: torch.Tensor) -> Held:
        number = id(tensor)
        while number in self.derived:
            number = self.derived[number][0]
        return self.held[number]

    def _forget_overwritten(self, args: Any, kwargs: Any, out: Any, version: dict[int, int]) -> None:
        """Drop the shadows of tensors that share memory with one that was written in place."""
        written = [t for t in tensors((args, kwargs)) if version.get(id(t), t._version) != t._version]
        results = {id(t) for t in tensors(out)}
        for tensor in written:
            memory = tensor.untyped_storage().data_ptr()
            for other in (t for t in self.alive if isinstance(t, torch.Tensor)):
                if id(other) in self.shadow and id(other) not in results:
                    if other.untyped_storage().data_ptr() == memory:
                        del self.shadow[id(other)]

    # ------------------------------------------------------------------- inputs

    def feed(self, tensor: torch.Tensor) -> None:
        """Mark a tensor that the user passed: each of its places is a node until a weight says which axes count."""
        self.alive.append(tensor)
        self.active.add(id(tensor))
        if tensor.is_floating_point():
            value = self.wiring.value(tensor.numel(), None, fixed=True)
            self.inputs[value] = Input(tuple(tensor.shape), self.wiring.values[value].offset)
            self.shadow[id(tensor)] = torch.from_numpy(self.wiring.ids(value)).reshape(tensor.shape)

    def _raw(self, shadow: torch.Tensor) -> bool:
        """Tell whether a shadow holds places of an input tensor, not neurons."""
        if not shadow.numel() or not self.inputs:
            return False
        owner = self.wiring.owner(distinct(shadow))
        return any(int(v) in self.inputs for v in np.unique(owner))

    def _neurons(self, shadow: torch.Tensor | None) -> torch.Tensor | None:
        """Return the shadow with an input's places replaced by its neurons, where a weight has said what they are."""
        if shadow is None or not self._raw(shadow):
            return shadow
        ids = shadow.numpy()
        owner = self.wiring.owner(ids)
        result = ids.copy()
        for value, given in self.inputs.items():
            at = owner == value
            if at.any():
                result[at] = -1 if given.axes is None else given.neurons(ids[at], self.wiring)
        return torch.from_numpy(result)

    def columns(self, tensor: torch.Tensor, axes: tuple[int, ...], layer: Layer, name: str = "") -> np.ndarray:
        """Return the id of the neuron that each column along ``axes`` reads, giving the tensor a part if it has none."""
        axes = tuple(a % tensor.dim() for a in axes)
        size = math.prod(tensor.shape[a] for a in axes)
        shadow = self.shadow.get(id(tensor))
        if shadow is not None and size:
            rest = [a for a in range(tensor.dim()) if a not in axes]
            rows = shadow.permute(*rest, *axes).reshape(-1, size).numpy()
            owner = int(self.wiring.owner(rows[:1, :1])[0, 0])
            if owner in self.inputs and (self.wiring.owner(distinct(shadow)) == owner).all():
                ids = self.inputs[owner].read(rows, self.wiring)
            else:
                known = self._neurons(torch.from_numpy(rows))
                assert known is not None
                ids = constant(known.numpy())
            if ids is not None and (ids >= 0).any():
                return ids
        own = self.wiring.value(size, f"{name or layer.name}.in", fixed=True)
        ids = self.wiring.ids(own)
        self.shadow[id(tensor)] = spread(ids, tensor, axes)
        return ids

    # -------------------------------------------------------------------- steps

    def _step(
        self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]
    ) -> Shadows | None:
        """Return the shadows of a step without weights; None where it is not understood."""
        if name in _steps.MOVING:
            moved = _steps.moved(name, func, args, kwargs, self.shadow)
            return moved if [s.shape for s in moved] == [t.shape for t in out] else None  # type: ignore[return-value]
        if name in _steps.ADDITION or name in _steps.PRODUCT:
            return self._join(args, kwargs, out[0], "identity" if name in _steps.ADDITION else "gate")
        first = args[0] if args else kwargs.get("input")
        shadow = self.shadow.get(id(first))
        if name in _steps.ELEMENTWISE:
            found = [s for t in tensors((args, kwargs)) if (s := self.shadow.get(id(t))) is not None]
            same = all(s is found[0] or torch.equal(s, found[0]) for s in found)
            return [found[0]] if same and found[0].shape == out[0].shape else None
        if shadow is None:
            return None
        kept = None
        if name in _steps.REDUCTION:
            kept = _steps.reduced(args, kwargs, shadow, out[0])
        elif name in _steps.POOLING:
            kept = _steps.pooled(shadow, out[0], out[0].dim() - 2 if not name[-2].isdigit() else int(name[-2]))
        elif name == "pad":
            kept = _steps.padded(args, kwargs, shadow)
        return None if kept is None else [kept]

    def _join(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], out: torch.Tensor, kind: Literal["identity", "gate"]
    ) -> Shadows | None:
        """Return the shadow of a sum or product: with a constant its own, of two parts that of a new value."""
        found = [s for t in tensors((args, kwargs)) if (s := self.shadow.get(id(t))) is not None]
        if not all(_fits(s, out) for s in found):
            return None
        if len(found) == 1:
            return [found[0].expand(out.shape)]
        a, b = (s.expand(out.shape) for s in found)
        if torch.equal(a, b):
            return [a]
        known = [s for s in (self._neurons(a), self._neurons(b)) if s is not None and bool((s >= 0).any())]
        if len(known) < 2:
            return [known[0]] if known else None
        ids = self.wiring.combine(known[0].numpy(), known[1].numpy(), kind)
        return None if ids is None else [torch.from_numpy(ids)]

    # ------------------------------------------------------------------ weights

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
        if found:
            return next((layer for layer in found if not self.wiring.was_called(layer)), found[0])
        if kind == "convolution":
            raise UnsupportedLayerError(
                f"parameter '{held.name}': used in a functional convolution. Use nn.Conv1d, nn.Conv2d or nn.Conv3d, "
                f"{_LEAVE}."
            )
        return self.loose_layers.setdefault((id(held.tensor), layout), loose_parameter(held, layout))

    def _same_bias(self, held: Held | None, bias: object) -> bool:
        given = self.held.get(id(bias)) if isinstance(bias, torch.Tensor) else None
        return (None if held is None else held.tensor) is (None if given is None else given.tensor)

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        known = id(tensor) in self.held or id(tensor) in self.derived
        return known and id(self._root(tensor).tensor) in self.relevant

    def _write(self, value: int, out: torch.Tensor, axes: tuple[int, ...] = (-1,)) -> Shadows:
        return [spread(self.wiring.ids(value), out, tuple(a % out.dim() for a in axes))]

    def _see_linear(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
        x, weight, bias = _bind(("input", "weight", "bias"), args, kwargs)
        layer = self._layer("linear", weight, bias, "linear")
        if layer is None:
            return None
        return self._write(self.wiring.apply(layer, self.columns(x, (-1,), layer))[0], out[0])

    def _see_addmm(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
        bias, x, weight = _bind(("input", "mat1", "mat2"), args, kwargs)
        return self._product(x, weight, out[0], bias)

    def _see_matmul(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
        a, b = _bind(("input", "other"), args, kwargs)
        b = kwargs.get("mat2", b)
        return self._product(a, b, out[0], _ANY)

    def _see_rmatmul(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
        return self._product(args[1], args[0], out[0], _ANY)

    def _product(self, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor, bias: object) -> Shadows | None:
        """A product with a parameter is a block; one with mixing coefficients keeps the neurons that it mixes over."""
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

    def _see_einsum(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
        for tensor in tensors((args, kwargs)):
            if self._is_weight(tensor):
                raise UnsupportedLayerError(
                    f"parameter '{self._root(tensor).name}': used in einsum, whose axes are not read here. Write it as "
                    f"F.linear or x @ W, {_LEAVE}."
                )
        return None

    def _see_embedding(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
        x, weight = _bind(("input", "weight"), args, kwargs)
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

    def _see_conv(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[torch.Tensor]) -> Shadows | None:
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
    ) -> Shadows | None:
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
    ) -> Shadows | None:
        layer = self._layer("attention", args[11], _ANY, "linear", "out")
        if layer is None:
            return None
        ids = [self.columns(x, (-1,), layer, f"{layer.name}.{role}") for x, role in zip(args[:3], "qkv", strict=True)]
        return self._write(self.wiring.apply(layer, *ids)[0], out[0])

    # ---------------------------------------------------------------- recurrent

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """Watch recurrent modules from outside: torch runs them in one call."""
        handles = []
        for layer in self.layers:
            if layer.kind == "recurrent":
                before = functools.partial(self._enter, layer)
                handles.append(layer.module.register_forward_pre_hook(before, with_kwargs=True))
                handles.append(layer.module.register_forward_hook(functools.partial(self._leave, layer), with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

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


_ANY = object()


def _bind(names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]


def _fits(shadow: torch.Tensor, out: torch.Tensor) -> bool:
    sizes = list(shadow.shape)[::-1]
    return len(sizes) <= out.dim() and all(n in (1, m) for n, m in zip(sizes, list(out.shape)[::-1], strict=False))
