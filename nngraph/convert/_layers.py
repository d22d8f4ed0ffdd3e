"""The weight matrices that a torch model holds: which module, which parameter, which rows, held in which layout."""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.nn.utils import parametrize

from nngraph.blocks import Origin
from nngraph.errors import ArgumentError, UnsupportedLayerError
from nngraph.graph import Skipped

Kind: TypeAlias = Literal["linear", "embedding", "convolution", "attention", "recurrent", "sparse"]

_REFUSED = {
    nn.modules.conv._ConvTransposeNd: "transposed convolutions have no rule here",
    nn.Bilinear: "a bilinear form joins three sets of neurons, not two",
    nn.RNNCellBase: "a cell is stepped by hand and its state cannot be followed; use nn.RNN, nn.LSTM or nn.GRU",
    nn.EmbeddingBag: "a bag mixes rows; use nn.Embedding followed by a mean or a sum",
    nn.modules.lazy.LazyModuleMixin: "a lazy module has no weights yet; run the model on one batch first",
}
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LEFT_OUT = "not among layers="
_SELECT = "or leave it out with layers=[...]"


@dataclasses.dataclass(frozen=True)
class Held:
    """A parameter as the model holds it: its own tensor and, where torch prunes it, its mask."""

    name: str
    """Logical name: ``fc.weight`` also where pruning calls the parameter ``fc.weight_orig``."""
    tensor: torch.Tensor
    mask: torch.Tensor | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Weight:
    """One weight matrix: rows of a parameter, before its block has parts."""

    block: str
    held: Held
    bias: Held | None
    origin: Origin
    n_source: int
    n_target: int


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """The weight matrices of one module, by their role in it."""

    name: str
    kind: Kind
    module: nn.Module
    weights: dict[str, Weight]

    @property
    def weight(self) -> Weight:
        """The only weight of a module that has one."""
        return self.weights["weight"]


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside of data-parallel and compiled wrappers."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        if not isinstance(model, nn.Module):
            kind = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
            raise ArgumentError(f"model: got {kind}; expected a torch.nn.Module with its weights.")
        if isinstance(model, wrappers):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def hold(model: nn.Module) -> dict[tuple[int, str], Held]:
    """Return every parameter by (id of its module, its name there); tied parameters share the first name."""
    first: dict[int, str] = {}
    held = {}
    for prefix, module in model.named_modules():
        for own, parameter in module._parameters.items():
            if parameter is None:
                continue
            logical = own.removesuffix("_orig")
            mask = module._buffers.get(f"{logical}_mask") if own.endswith("_orig") else None
            local = own if mask is None else logical
            name = first.setdefault(id(parameter), f"{prefix}.{local}" if prefix else local)
            held[id(module), local] = Held(name, parameter, mask)
    return held


def find_layers(
    model: nn.Module, chosen: Sequence[str] | str | None = None, *, traced: bool = True
) -> tuple[list[Layer], list[Skipped], set[int]]:
    """Return the layers that are converted, what is left out and why, and the ids of parameters in neither."""
    names = [name for name, _ in model.named_modules()]
    wanted = None if chosen is None else _select(names, chosen)
    held = hold(model)
    layers: list[Layer] = []
    skipped: list[Skipped] = []
    loose: set[int] = set()
    inside_attention = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    for name, module in model.named_modules():
        own = {local: held[id(module), local] for _, local in _own(held, module)}
        if id(module) in inside_attention or not (own or _packed(module)):
            continue
        kind = type(module).__name__
        if wanted is not None and not _is_wanted(name, wanted):
            skipped.append(Skipped(name, kind, LEFT_OUT))
            continue
        _refuse(name, module, own)
        if not traced and not _is_plain(module):
            raise UnsupportedLayerError(
                f"module '{name}' ({kind}): it has a forward of its own. Pass example_input=... to see how it uses its "
                f"weights, {_SELECT}."
            )
        found = _layer(name or kind.lower(), module, held)
        if found is not None:
            layers.append(found)
        elif all(h.tensor.dim() <= 1 for h in own.values()):
            skipped.append(Skipped(name, kind, "its parameters scale or shift single neurons; they are no edges"))
        else:
            loose.update(id(h.tensor) for h in own.values())
    _check_ties(layers)
    _check_memory(layers, [h for h in held.values() if id(h.tensor) in loose])
    return layers, skipped, loose


def _check_ties(layers: list[Layer]) -> None:
    masks: dict[int, torch.Tensor | None] = {}
    groups: dict[int, int] = {}
    for weight in (weight for layer in layers for weight in layer.weights.values()):
        if groups.setdefault(id(weight.held.tensor), weight.origin.groups) != weight.origin.groups:
            raise UnsupportedLayerError(
                f"parameter '{weight.held.name}': convolutions with different numbers of groups share it, so that its "
                f"entries are edges between different channels. Give one of them a copy, {_SELECT}."
            )
        mask = weight.held.mask
        first = masks.setdefault(id(weight.held.tensor), mask)
        if first is not mask and (first is None or mask is None or not torch.equal(first, mask)):
            raise UnsupportedLayerError(
                f"parameter '{weight.held.name}': its modules share it under different pruning masks, so that it is "
                "two matrices. Give every module the same mask, or call torch.nn.utils.prune.remove."
            )


def _check_memory(layers: list[Layer], loose: list[Held]) -> None:
    """Refuse different parameters that lie in the same memory: each would be edited, and only one edit survive."""
    weights = [weight for layer in layers for weight in layer.weights.values()]
    found = [held for weight in weights for held in (weight.held, weight.bias) if held is not None] + loose
    unique = {id(held.tensor): held for held in found if held.tensor.numel() and not held.tensor.is_meta}
    spans = []
    for held in unique.values():
        tensor = held.tensor
        last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
        start = tensor.data_ptr()
        spans.append((str(tensor.device), start, start + (last + 1) * tensor.element_size(), held.name))
    spans.sort()
    for (device, _, end, name), (its_device, start, _, other) in itertools.pairwise(spans):
        if device == its_device and start < end:
            raise UnsupportedLayerError(
                f"parameters '{name}' and '{other}': they share memory but are two parameters, so that a change of one "
                "changes the other. Tie them by assignment (b.weight = a.weight; F.linear(x, a.weight.T) for a "
                f"transposed one), or give one of them a copy, {_SELECT}."
            )


def loose_parameter(held: Held, bias: Held | None, layout: str) -> Layer:
    """Return the layer of a parameter, and perhaps its bias, that the trace saw used in a linear map."""
    check_values(held)
    if held.tensor.dim() != 2:
        raise UnsupportedLayerError(
            f"parameter '{held.name}': got a product with a parameter of shape {tuple(held.tensor.shape)}; "
            f"expected a matrix. Use nn.Linear, {_SELECT}."
        )
    name = held.name.removesuffix(".weight")
    return Layer(name, "linear", nn.Module(), {"weight": _weight(name, held, bias, layout)})


def check_values(held: Held) -> None:
    """Raise where a parameter's values are no finite real numbers in ordinary memory."""
    tensor, where = held.tensor, f"parameter '{held.name}'"
    if tensor.is_meta:
        raise ArgumentError(f"{where}: got a tensor on the meta device; expected values. Load the weights first.")
    if tensor.is_complex():
        raise UnsupportedLayerError(f"{where}: got {tensor.dtype}; expected real weights, which have a sign.")
    if tensor.dtype not in _DTYPES or tensor.layout is not torch.strided:
        raise UnsupportedLayerError(
            f"{where}: got {tensor.dtype} in layout {tensor.layout}; expected a strided tensor of 16, 32 or 64 bit "
            f"floats. Convert the model before it is quantised, {_SELECT}."
        )
    if tensor.numel() and not all(math.isfinite(float(x)) for x in torch.aminmax(tensor.detach())):
        n_bad = int((~torch.isfinite(tensor.detach())).sum())
        raise ArgumentError(f"{where}: got {n_bad} NaN or infinite values; expected finite weights.")
    if held.mask is not None and not bool(((held.mask == 0) | (held.mask == 1)).all()):
        raise UnsupportedLayerError(
            f"{where}: got a pruning mask with values other than 0 and 1. Call torch.nn.utils.prune.remove first."
        )


# ------------------------------------------------------------------ one module


def _own(held: dict[tuple[int, str], Held], module: nn.Module) -> list[tuple[int, str]]:
    names = [name for name, _ in module._parameters.items()]
    keys = [(id(module), local) for name in names for local in dict.fromkeys((name.removesuffix("_orig"), name))]
    return [key for key in keys if key in held]


def _packed(module: nn.Module) -> bool:
    return "quantized" in type(module).__module__ or parametrize.is_parametrized(module)


def _refuse(name: str, module: nn.Module, own: dict[str, Held]) -> None:
    kind = type(module).__name__
    where = f"module '{name}' ({kind})"
    for refused, reason in _REFUSED.items():
        if isinstance(module, refused):
            raise UnsupportedLayerError(f"{where}: {reason}, {_SELECT}.")
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedLayerError(
            f"{where}: torch.jit has compiled it, so that its class and forward are not known. Pass the model that it "
            f"was made from, {_SELECT}."
        )
    if "quantized" in type(module).__module__:
        raise UnsupportedLayerError(f"{where}: quantised weights have no exact way back; convert the float model.")
    if parametrize.is_parametrized(module):
        which = ", ".join(f"'{key}'" for key in module.parametrizations)  # type: ignore[union-attr]
        raise UnsupportedLayerError(
            f"{where}: {which} is computed by a parametrisation, so no single parameter holds the edges. Call "
            f"torch.nn.utils.parametrize.remove_parametrizations on a copy of the model first, {_SELECT}."
        )
    for local in own:
        stem, _, end = local.rpartition("_")
        if end == "v" and f"{stem}_g" in own:
            raise UnsupportedLayerError(
                f"{where}: '{stem}' is weight-normalised. Call torch.nn.utils.remove_weight_norm first, {_SELECT}."
            )
        if end == "orig" and f"{stem}_u" in module._buffers:
            raise UnsupportedLayerError(
                f"{where}: '{stem}' is divided by its spectral norm. Call torch.nn.utils.remove_spectral_norm first, "
                f"{_SELECT}."
            )
    if isinstance(module, nn.Embedding) and module.max_norm is not None:
        raise UnsupportedLayerError(f"{where}: max_norm rescales rows during forward. Set it to None, {_SELECT}.")
    if isinstance(module, nn.MultiheadAttention) and (module.bias_k is not None or module.bias_v is not None):
        raise UnsupportedLayerError(f"{where}: bias_k and bias_v are keys and values of no neuron, {_SELECT}.")


def _layer(name: str, module: nn.Module, held: dict[tuple[int, str], Held]) -> Layer | None:
    """Return the layer of a module of a known class; None leaves its parameters to the trace."""

    def one(kind: Kind, layout: str, groups: int = 1) -> Layer:
        weight, bias = held[id(module), "weight"], held.get((id(module), "bias"))
        check_values(weight)
        return Layer(name, kind, module, {"weight": _weight(name, weight, bias, layout, groups=groups)})

    if getattr(module, "holds_edges_alone", False):
        return Layer(name, "sparse", module, {"weight": _sparse(name, module, held)})
    if isinstance(module, nn.Linear):
        return one("linear", "linear") if _is_plain(module) else None
    if isinstance(module, nn.Embedding):
        return one("embedding", "transposed") if _is_plain(module) else None
    if _is_conv1d_of_transformers(module):
        return one("linear", "transposed")
    if isinstance(module, nn.modules.conv._ConvNd):
        return one("convolution", "convolution", groups=module.groups)
    if isinstance(module, nn.MultiheadAttention):
        return Layer(name, "attention", module, dict(_attention(name, module, held)))
    if isinstance(module, nn.RNNBase):
        return Layer(name, "recurrent", module, dict(_recurrent(name, module, held)))
    return None


def _is_plain(module: nn.Module) -> bool:
    """Tell whether a module runs the forward of the torch class that it is or inherits from."""
    known = (nn.Linear, nn.Embedding, nn.modules.conv._ConvNd, nn.MultiheadAttention, nn.RNNBase)
    if not isinstance(module, known):
        return True
    base = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn.modules."))
    return type(module).forward is base.forward  # type: ignore[attr-defined,no-any-return]


def _is_conv1d_of_transformers(module: nn.Module) -> bool:
    kind = type(module)
    return kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers.")


def _sparse(name: str, module: Any, held: dict[tuple[int, str], Held]) -> Weight:
    """Return the weight of a layer whose parameter is one value for each present edge."""
    values, bias = held[id(module), "values"], held.get((id(module), "bias"))
    for each in filter(None, (values, bias)):
        check_values(each)
    origin = Origin(
        parameter=values.name,
        shape=tuple(values.tensor.shape),
        layout="edges",
        bias=None if bias is None else bias.name,
        entries=module.cells()[None],
    )
    return Weight(name, values, bias, origin, n_source=module.in_features, n_target=module.out_features)


def _attention(
    name: str, module: nn.MultiheadAttention, held: dict[tuple[int, str], Held]
) -> Iterator[tuple[str, Weight]]:
    bias = held.get((id(module), "in_proj_bias"))
    size = module.embed_dim
    for i, role in enumerate("qkv"):
        rows = (i * size, (i + 1) * size)
        packed = held.get((id(module), "in_proj_weight"))
        weight = held[id(module), f"{role}_proj_weight"] if packed is None else packed
        check_values(weight)
        yield role, _weight(f"{name}.{role}", weight, bias, rows=None if packed is None else rows, bias_rows=rows)
    out = module.out_proj
    _refuse(f"{name}.out_proj", out, {local: h for (number, local), h in held.items() if number == id(out)})
    weight, bias = held[id(out), "weight"], held.get((id(out), "bias"))
    check_values(weight)
    yield "out", _weight(f"{name}.out", weight, bias)


GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n")}


def _recurrent(name: str, module: nn.RNNBase, held: dict[tuple[int, str], Held]) -> Iterator[tuple[str, Weight]]:
    gates = GATES.get(module.mode, ("",))
    size = module.hidden_size
    for layer in range(module.num_layers):
        for direction in ("", "_reverse")[: 1 + module.bidirectional]:
            place = f"l{layer}{direction.replace('_', '.')}"
            for side, letters in (("input", "ih"), ("state", "hh")):
                weight = held[id(module), f"weight_{letters}_l{layer}{direction}"]
                bias = held.get((id(module), f"bias_{letters}_l{layer}{direction}"))
                check_values(weight)
                for i, gate in enumerate(gates):
                    role = f"{place}.{side}" + (f".{gate}" if gate else "")
                    rows = (i * size, (i + 1) * size) if gate else None
                    yield role, _weight(f"{name}.{role}", weight, bias, rows=rows, bias_rows=rows)
            if module.proj_size:
                weight = held[id(module), f"weight_hr_l{layer}{direction}"]
                check_values(weight)
                yield f"{place}.proj", _weight(f"{name}.{place}.proj", weight, None)


def _weight(
    block: str,
    held: Held,
    bias: Held | None,
    layout: str = "linear",
    *,
    rows: tuple[int, int] | None = None,
    bias_rows: tuple[int, int] | None = None,
    groups: int = 1,
) -> Weight:
    if bias is not None:
        check_values(bias)
    shape = tuple(held.tensor.shape)
    n_rows = shape[0] if rows is None else rows[1] - rows[0]
    n_target, n_source = (shape[1], n_rows) if layout == "transposed" else (n_rows, shape[1] * groups)
    origin = Origin(
        parameter=held.name,
        shape=shape,
        layout=layout,
        rows=rows,
        groups=groups,
        bias=None if bias is None else bias.name,
        bias_rows=None if bias is None else bias_rows,
    )
    return Weight(block, held, bias, origin, n_source=n_source, n_target=n_target)


# -------------------------------------------------------------------- choosing


def _select(names: list[str], chosen: Sequence[str] | str) -> list[str]:
    patterns = [chosen] if isinstance(chosen, str) else list(chosen) if isinstance(chosen, Iterable) else [chosen]
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ArgumentError(f"layers: got {pattern!r} of type {type(pattern).__name__}; expected names of modules.")
        if not fnmatch.filter(names, pattern):
            known = ", ".join(repr(name) for name in names if name)
            raise ArgumentError(f"layers: got {pattern!r}, which names no module; this model has {known}.")
    return patterns


def _is_wanted(name: str, patterns: list[str]) -> bool:
    """Tell whether a pattern names the module or a module that contains it."""
    parts = name.split(".")
    above = [".".join(parts[: i + 1]) for i in range(len(parts))]
    return any(fnmatch.fnmatchcase(prefix, pattern) for prefix in above for pattern in patterns)
