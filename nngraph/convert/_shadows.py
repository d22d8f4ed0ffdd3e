"""Follow one example input through a model: which neuron stands at each place of each tensor.

Every tensor that stems from a known weight carries a shadow: an integer tensor of the same shape that holds, at each
place, the id of the neuron whose activity stands there (-1 where that is not known). A step that only moves values
(view, transpose, split, cat) is applied to the shadow as well, and an element-wise step keeps it; so reshaping heads,
slicing, and flattening are followed exactly. Any other step drops the shadow, and the part ends there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nngraph.convert import _steps
from nngraph.convert._inputs import Input
from nngraph.convert._layers import Held, Layer, hold
from nngraph.convert._reading import Space
from nngraph.convert._steps import constant, distinct, spread, step_name, tensors, written
from nngraph.convert._wiring import Wiring

MaybeShadows = list[torch.Tensor | None] | None


class Shadows(TorchFunctionMode):
    """Sees every call of torch while the model runs; a subclass says what calls with weights do."""

    def __init__(self, model: nn.Module, layers: list[Layer], loose: set[int], conv: str | None) -> None:
        super().__init__()
        self.wiring = Wiring(conv)
        self.layers = layers
        self.loose_layers: dict[tuple[int, int | None, str], Layer] = {}
        self.held: dict[int, Held] = {}
        self.alive: list[torch.Tensor] = []  # ids stay unique while their tensors live
        self.shadow: dict[int, torch.Tensor] = {}
        self.active: set[int] = set()
        self.turned: dict[int, int] = {}
        self.derived: dict[int, tuple[int, str]] = {}
        self.inputs: dict[int, Input] = {}
        self.vocabularies: dict[tuple[int, bool], int] = {}
        self.relevant = loose | {id(w.held.tensor) for layer in layers for w in layer.weights.values()}
        self.running: list[nn.Module] = []  # of the modules that share a weight, those that are being called
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
        version = {id(t): written(t) for t in tensors((args, kwargs)) if id(t) in self.shadow}
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
        rule: Callable[..., MaybeShadows] | None = getattr(self, f"_see_{name}", None)
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

    def lose(self, carriers: Iterable[torch.Tensor]) -> None:
        """Count a use of each value that a tensor carries into a step that is not followed."""
        for tensor in carriers:
            shadow = self.shadow.get(id(tensor))
            if shadow is not None and not self._raw(shadow):
                self.wiring.used(distinct(shadow))

    def _change_weight(self, name: str, weights: list[torch.Tensor], results: list[torch.Tensor]) -> None:
        """Follow a step on parameters alone: a transposition, a mask or a cast; all else is derived."""
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
        changed = [t for t in tensors((args, kwargs)) if version.get(id(t), written(t)) != written(t)]
        results = {id(t) for t in tensors(out)}
        for tensor in changed:
            memory = tensor.untyped_storage().data_ptr()
            for other in self.alive:
                stale = id(other) in self.shadow and id(other) not in results
                if stale and other.untyped_storage().data_ptr() == memory:
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
        """Return the neuron that each column along ``axes`` reads; a tensor without any gets a part of its own."""
        axes = tuple(a % tensor.dim() for a in axes)
        size = math.prod(tensor.shape[a] for a in axes)
        shadow = self.shadow.get(id(tensor))
        if shadow is not None and size:
            rest = [a for a in range(tensor.dim()) if a not in axes]
            same = [a for a in rest if shadow.stride(a) == 0]
            once = tuple(slice(0, 1) if a in same else slice(None) for a in range(tensor.dim()))
            rows = shadow[once].permute(*rest, *axes).reshape(-1, size).numpy()
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
        self.alive.append(tensor)
        self.shadow[id(tensor)] = spread(ids, tensor, axes)
        return ids

    # -------------------------------------------------------------------- steps

    def _step(
        self,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: list[torch.Tensor],
    ) -> MaybeShadows:
        """Return the shadows of a step without weights; None where it is not understood."""
        if name in _steps.MOVING:
            moved = _steps.moved(name, func, args, kwargs, self.shadow)
            return moved if [s.shape for s in moved] == [t.shape for t in out] else None  # type: ignore[return-value]
        if name in _steps.ADDITION or name in _steps.PRODUCT:
            return self._join(args, kwargs, out[0], "identity" if name in _steps.ADDITION else "gate")
        if name == "where":
            picked = _steps.chosen(args, kwargs, self.shadow, self.active, out[0])
            return None if picked is None else [picked]
        first = args[0] if args else kwargs.get("input")
        shadow = self.shadow.get(id(first))
        if name in _steps.ELEMENTWISE:
            found = [s for t in tensors((args, kwargs)) if (s := self.shadow.get(id(t))) is not None]
            same = all(s is found[0] or torch.equal(s, found[0]) for s in found)
            return [found[0]] if same and found[0].shape == out[0].shape else None
        if shadow is None:
            return None
        kept = None
        if name in _steps.REDUCTION or name in _steps.POOLING:
            shadow = self._neurons(shadow)
            assert shadow is not None
        if name in _steps.REDUCTION:
            kept = _steps.reduced(args, kwargs, shadow, out[0])
        elif name in _steps.POOLING:
            n_axes = int(name[-2]) if name[-2].isdigit() else out[0].dim() - 2
            kept = _steps.pooled(shadow, out[0], n_axes)
            if kept is None and self.wiring.conv == "unrolled":
                kept = self._pool_pixels(_steps.pool_space(name, args, kwargs, out[0], n_axes), shadow, out[0])
        elif name == "pad":
            kept = _steps.padded(args, kwargs, shadow)
        return None if kept is None else [kept]

    def _pool_pixels(self, space: Space | None, shadow: torch.Tensor, out: torch.Tensor) -> torch.Tensor | None:
        """Return the shadow of a pooled map of pixels: a new part, with one link for each place in the window."""
        known = self._neurons(shadow)
        if space is None or known is None:
            return None
        n_channels, n_axes = out.shape[-1 - len(space.out)], len(space.out)
        ids = constant(known.reshape(-1, n_channels * math.prod(space.size)).numpy())
        if ids is None or (ids < 0).any() or len(np.unique(self.wiring.owner(ids))) != 1:
            return None
        windows = space.windows()[:, None, :]
        pixels = np.where(windows < 0, -1, np.arange(n_channels)[:, None] * math.prod(space.size) + windows)
        read = np.where(pixels < 0, -1, ids[pixels]).reshape(len(windows), -1)
        value = self.wiring.pool(read)
        return spread(self.wiring.ids(value), out, tuple(range(out.dim() - n_axes - 1, out.dim())))

    def _join(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], out: torch.Tensor, kind: Literal["identity", "gate"]
    ) -> MaybeShadows:
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
        flat = [i for i in range(out.dim()) if all(s.stride(i) == 0 for s in known)]  # the same all along
        once = tuple(slice(0, 1) if i in flat else slice(None) for i in range(out.dim()))
        ids = self.wiring.combine(known[0][once].numpy(), known[1][once].numpy(), kind)
        return None if ids is None else [torch.from_numpy(ids).expand(out.shape)]


def _fits(shadow: torch.Tensor, out: torch.Tensor) -> bool:
    sizes = list(shadow.shape)[::-1]
    return len(sizes) <= out.dim() and all(n in (1, m) for n, m in zip(sizes, list(out.shape)[::-1], strict=False))
