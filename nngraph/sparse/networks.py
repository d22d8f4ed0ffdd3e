"""Models whose linear layers hold their present edges alone, and the way there and back."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tensors import usable_device
from nngraph.errors import ArgumentError, UnsupportedLayerError
from nngraph.sparse import _cells
from nngraph.sparse._choice import chosen, random_cells
from nngraph.sparse._inputs import check_dtype
from nngraph.sparse.layers import Mask, SparseLinear

__all__ = ["densify", "sparse_mlp", "sparsify"]

M = TypeVar("M", bound=nn.Module)


def sparse_mlp(
    sizes: Sequence[int] | np.ndarray,
    epsilon: float = 13,
    *,
    dense_output: bool = True,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    rng: RNG = None,
) -> nn.Sequential:
    r"""Return a multilayer perceptron of sparse layers with ReLU between them, made without one dense matrix.

    .. math:: \langle E \rangle = \varepsilon \sum_l (n_{l-1} + n_l)

    Parameters
    ----------
    sizes : sequence or array of int
        Numbers of neurons, from the inputs to the outputs; at least 2.
    epsilon : float
        As for :class:`SparseLinear`, the same for all layers.
    dense_output : bool
        Whether the last layer is a torch.nn.Linear, as published.
    dtype, device
        As for :class:`SparseLinear`.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same model; torch's global generator is neither read nor moved.

    Returns
    -------
    torch.nn.Sequential
        In training mode.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.

    Warns
    -----
    SparsityWarning
        If epsilon makes a layer complete.

    Examples
    --------
    >>> model = sparse_mlp([784, 400, 400, 10], epsilon=13, rng=0)
    >>> [type(module).__name__ for module in model]
    ['SparseLinear', 'ReLU', 'SparseLinear', 'ReLU', 'Linear']
    """
    if not isinstance(sizes, (Sequence, np.ndarray)) or isinstance(sizes, str) or len(sizes) < 2:
        raise ArgumentError(
            f"sizes: got {sizes!r}; expected at least two numbers of neurons, for example [784, 400, 10]."
        )
    sizes = [_arguments.whole("sizes", n) for n in sizes]
    _arguments.flag("dense_output", dense_output)
    place = None if device is None else usable_device(device)
    seed, modules = seed_sequence(rng), list[nn.Module]()
    for number, (n_source, n_target) in enumerate(itertools.pairwise(sizes)):
        its = child(seed, "layer", number)
        if modules:
            modules.append(nn.ReLU())
        if dense_output and number == len(sizes) - 2:
            output = nn.utils.skip_init(nn.Linear, n_source, n_target, dtype=check_dtype(dtype, "sparse_mlp"))
            drawn = generator(child(its, "weights")).standard_normal((n_target, n_source)) / np.sqrt(n_source)
            with torch.no_grad():
                output.weight.copy_(torch.from_numpy(drawn))
                output.bias.zero_()
            modules.append(output)
        else:
            modules.append(SparseLinear(n_source, n_target, epsilon, dtype=dtype, rng=its))
    return nn.Sequential(*modules).to(place)


def sparsify(
    model: M,
    masks: Mapping[str, Mask] | None = None,
    *,
    epsilon: float | None = None,
    dense_output: bool = True,
    rng: RNG = None,
) -> M:
    """Return a copy of a model whose linear layers are held as their present edges alone.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    masks : mapping of str to (n_target, n_source) bool array or tensor, optional
        Names of torch.nn.Linear modules and which of their edges are present.
    epsilon : float, optional
        In place of masks: random supports, those that ``SET(model, epsilon, rng=rng)`` begins with. Without either,
        every torch.nn.Linear that has a pruning mask of torch on its weight.
    dense_output : bool
        With ``epsilon``: leave the last linear layer as it is, as :class:`SET` does.
    rng : None, int, SeedSequence or Generator
        With ``epsilon``: the same seed gives the same supports.

    Returns
    -------
    torch.nn.Module
        With a :class:`SparseLinear` in place of each of these layers, on its device, with its weights, and trained or
        frozen as these are. Make the optimiser of its parameters afterwards.

    Raises
    ------
    ArgumentError
        If a name is no torch.nn.Linear, a mask does not fit, masks and epsilon are both given, or no layer has a mask.
    UnsupportedLayerError
        If torch computes with the weight of a layer elsewhere: ``out_proj`` of attention, and ``linear1`` and
        ``linear2`` of torch.nn.TransformerEncoderLayer in evaluation mode. These can be sparse under masks.

    Warns
    -----
    SparsityWarning
        If epsilon makes a layer complete.

    Notes
    -----
    Hooks of the replaced layers are not copied. Outputs are those of the masked model to rounding. Below a fifth of all
    pairs a layer of more than 300 to 300 neurons takes less time and memory so, see
    ``benchmarks/bench_sparse_training.py``.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.mlp((80, 60, 2), rng=0)
    >>> sparse = sparsify(model, epsilon=3, rng=0)
    >>> [type(module).__name__ for module in sparse]
    ['SparseLinear', 'ReLU', 'Linear']
    >>> evo, twin = nng.sparse.SET(sparse, rng=0), nng.sparse.SET(model, epsilon=3, rng=0)
    >>> evo.graph() == twin.graph()
    True
    """
    _check_model("sparsify", model)
    modules = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if epsilon is not None:
        if masks is not None:
            raise ArgumentError("sparsify: got masks and epsilon; expected one of them.")
        seed = seed_sequence(rng)
        found = chosen(model, None, dense_output=_arguments.flag("dense_output", dense_output))
        epsilon = _cells.check_epsilon(epsilon)
        linear = {name: module for name, module in found.items() if isinstance(module, nn.Linear)}
        _refuse_read_elsewhere(model, linear)
        cells = {name: random_cells(name, module, epsilon, seed) for name, module in linear.items()}
        made: dict[nn.Module, nn.Module] = {
            layer: SparseLinear._of_linear(layer, layer.weight, cells[name]) for name, layer in linear.items()
        }
        return _with(model, made)
    if masks is None:
        pruned = {name: module._buffers.get("weight_mask") for name, module in modules.items()}
        masks = {name: mask != 0 for name, mask in pruned.items() if mask is not None}
    if not isinstance(masks, Mapping):
        raise ArgumentError(
            f"masks: got {type(masks).__name__}; expected a mapping from names of Linear layers to bool arrays of "
            "shape (n_target, n_source)."
        )
    if not masks:
        raise ArgumentError(
            "sparsify: no linear layer has a mask; pass epsilon, or masks={name: mask}, or prune the model first, for "
            "example by nng.to_torch(G, model, masks=True)."
        )
    if unknown := [name for name in masks if name not in modules]:
        raise ArgumentError(
            f"masks: got {unknown[0]!r}, which is no torch.nn.Linear; expected some of {list(modules)}."
        )
    _refuse_read_elsewhere(model, {name: modules[name] for name in masks})
    return _with(model, {modules[name]: SparseLinear.from_linear(modules[name], mask) for name, mask in masks.items()})


def densify(model: M) -> M:
    """Return a copy of a model whose sparse layers are torch.nn.Linear with pruning masks of torch.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.

    Returns
    -------
    torch.nn.Module
        What :func:`sparsify` gives back, to rounding in its outputs, and trained or frozen as it is. Hooks of the
        replaced layers are not copied.

    Raises
    ------
    ArgumentError
        If it is no model.

    Examples
    --------
    >>> model = densify(sparse_mlp([8, 6, 2], epsilon=1, rng=0))
    >>> [type(module).__name__ for module in model]
    ['Linear', 'ReLU', 'Linear']
    """
    _check_model("densify", model)
    return _with(model, {module: module.to_linear() for module in model.modules() if isinstance(module, SparseLinear)})


def _check_model(where: str, model: object) -> None:
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"{where}: got {type(model).__name__}; expected a torch.nn.Module.")


def _refuse_read_elsewhere(model: nn.Module, layers: Mapping[str, nn.Module]) -> None:
    """Refuse layers of which torch's own modules take the weight matrix instead of calling them."""
    read = dict[int, str]()
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            read[id(module.out_proj)] = "torch.nn.MultiheadAttention"
        elif isinstance(module, nn.TransformerEncoderLayer):
            read |= dict.fromkeys((id(module.linear1), id(module.linear2)), "torch.nn.TransformerEncoderLayer")
    for name, layer in layers.items():
        if id(layer) in read:
            raise UnsupportedLayerError(
                f"sparsify: layer '{name}': {read[id(layer)]} reads its weight as a matrix and does not call it. "
                "Pass masks of other layers, or train it under a mask with SET(model, layers=...)."
            )


def _with(model: M, others: Mapping[nn.Module, nn.Module]) -> M:
    """Return a deep copy with other modules in place of some, which are not copied."""
    memo: dict[int, Any] = {id(module): other for module, other in others.items()}
    memo |= {
        id(value): value.detach().clone()  # pruned modules hold a tensor that is part of an autograd graph
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    return copy.deepcopy(model, memo)
