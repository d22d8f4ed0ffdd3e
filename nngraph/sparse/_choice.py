"""Which Linear layers of a model become sparse, and why others cannot."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from torch import nn

from nngraph._rng import child, generator
from nngraph.convert._layers import unwrap
from nngraph.errors import ArgumentError, SparsityWarning, UnsupportedLayerError
from nngraph.sparse import _cells
from nngraph.sparse._edges import EvolvingEdges
from nngraph.sparse._inputs import array_of
from nngraph.sparse._layers import MaskedLinear
from nngraph.sparse.layers import SparseLinear
from nngraph.sparse.supports import complete

Sparse: TypeAlias = nn.Linear | SparseLinear

LEAVE_OUT = "or leave the layer out with layers=[...]"


def chosen(model: nn.Module, layers: Sequence[str] | str | None, *, dense_output: bool) -> dict[str, Sparse]:
    """Return the layers that evolve by name, in the order in which the model registers them."""
    model = unwrap(model)
    known = {
        name or "linear": module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, SparseLinear))
    }
    if not known:
        raise ArgumentError(
            "SET: got a model without Linear layers; expected torch.nn.Linear modules. Convolutions, attention and "
            "recurrent matrices do not evolve."
        )
    if layers is None:
        inside = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
        free = {name: module for name, module in known.items() if id(module) not in inside}
        names = list(free)
        if dense_output and names and isinstance(free[names[-1]], nn.Linear):
            del names[-1]
        if not names:
            raise ArgumentError(
                f"SET: got a model of which only the output layer, '{next(iter(known))}', is Linear, and that one "
                "stays dense; expected another Linear layer, or dense_output=False."
            )
    else:
        names = [layers] if isinstance(layers, str) else list(layers) if isinstance(layers, Iterable) else []
        each_is_known = all(isinstance(name, str) and name in known for name in names)
        if not names or not each_is_known or len(set(names)) < len(names):
            raise ArgumentError(
                f"layers: got {layers!r}; expected names of Linear layers, each once: {', '.join(map(repr, known))}."
            )
    for name in names:
        _refuse(name, known[name], model)
    return {name: module for name, module in known.items() if name in names}


def random_cells(name: str, module: Sparse, epsilon: float, seed: np.random.SeedSequence) -> np.ndarray:
    """Return the cells of the random support with which a layer begins; a SparseLinear has one already."""
    if isinstance(module, SparseLinear):
        return module.cells()
    shape = (module.out_features, module.in_features)
    p = _cells.probability(shape, epsilon)
    if p >= 1:
        warnings.warn(f"layer '{name}': {complete(shape, epsilon)}", SparsityWarning, stacklevel=3)
    return _cells.initial(shape, p, generator(child(seed, "support", name)))


def _refuse(name: str, module: Sparse, model: nn.Module) -> None:
    """Say why the mask of a layer could not be kept, if so."""
    if isinstance(module, nn.modules.lazy.LazyModuleMixin):
        raise UnsupportedLayerError(
            f"layer '{name}': a lazy layer has no weights yet. Run the model on one batch first, {LEAVE_OUT}."
        )
    weight = module._parameters.get("values" if isinstance(module, SparseLinear) else "weight")
    if weight is None:
        raise UnsupportedLayerError(
            f"layer '{name}': its weight is pruned or parametrised by torch already. Make it plain first "
            f"(prune.remove; SET.from_masks takes the mask), {LEAVE_OUT}."
        )
    names = [each for each, other in model.named_parameters(remove_duplicate=False) if other is weight]
    if len(names) > 1:
        raise UnsupportedLayerError(
            f"layer '{name}': its weight is tied: {', '.join(map(repr, names))} are one matrix. Untie "
            f"them, {LEAVE_OUT}."
        )
    hooks = (getattr(weight, "_post_accumulate_grad_hooks", None) or {}).values()
    if any(isinstance(getattr(hook, "__self__", None), MaskedLinear) for hook in hooks) or any(
        other.module is module for other in EvolvingEdges.alive
    ):
        raise ArgumentError(
            f"layer '{name}': it evolves under another SET. End that one first with finish(masks=False), {LEAVE_OUT}."
        )
    if not weight.requires_grad or not weight.dtype.is_floating_point or weight.is_meta:
        raise ArgumentError(
            f"layer '{name}': got weights of type {weight.dtype} on {weight.device} with requires_grad="
            f"{weight.requires_grad}; expected real floating-point weights that are trained, {LEAVE_OUT}."
        )


def say_unused(epsilon: float | None, found: Mapping[str, Sparse]) -> None:
    """Say that there is no layer for which epsilon would draw edges."""
    if epsilon is not None and all(isinstance(module, SparseLinear) for module in found.values()):
        warnings.warn(
            f"epsilon={epsilon:g} changes nothing: {', '.join(map(repr, found))} are SparseLinear and keep the edges "
            "that they have. Give epsilon to sparsify or sparse_mlp.",
            SparsityWarning,
            stacklevel=3,
        )


def cells_of(name: str, mask: object, module: Sparse) -> np.ndarray:
    """Return the cells of a mask of the user's own."""
    if isinstance(module, SparseLinear):
        raise ArgumentError(
            f"masks: layer '{name}' is a SparseLinear, which holds its own edges; expected a mask for "
            "torch.nn.Linear layers alone. Use SET(model), or SparseLinear.from_linear(layer, mask)."
        )
    shape = (module.out_features, module.in_features)
    array = array_of(mask, f"masks: layer '{name}'")
    if array.shape != shape or array.dtype != bool:
        raise ArgumentError(
            f"masks: layer '{name}': got a mask of shape {array.shape} and type {array.dtype}; expected bool of shape "
            f"{shape}, (n_target, n_source)."
        )
    return np.flatnonzero(array)


def check_masks(masks: object) -> list[str]:
    """Return the names of the layers that have a mask."""
    if not isinstance(masks, Mapping) or not masks:
        raise ArgumentError(
            f"masks: got {type(masks).__name__}; expected a mapping from names of Linear layers to bool arrays of "
            "shape (n_target, n_source), at least one."
        )
    return list(masks)
