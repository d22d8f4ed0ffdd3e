"""One weight matrix of a model at a time, as a graph of one block."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from torch import nn

from nngraph.convert._layers import Held, Weight, check_values, find_layers, hold, loose_parameter, unwrap
from nngraph.convert._reading import plain_block
from nngraph.errors import ArgumentError, RoundTripError
from nngraph.graph import NeuralGraph, Step

__all__ = ["find_matrices", "graph_of", "matching"]


def find_matrices(model: nn.Module, names: Sequence[str] | str | None = None) -> dict[str, Weight]:
    """Return the weight matrices of a model by the names of their blocks, shared ones once.

    Parameters
    ----------
    model : torch.nn.Module
        Any model; modules that are not asked for may be of any kind.
    names : str or sequence of str, optional
        Names of parameters, of modules (which stand for all that they contain) or of blocks; by default every matrix
        that :func:`nngraph.from_torch` makes a block of, and every bare parameter of two dimensions.

    Returns
    -------
    dict of str to Weight
        In the order of the names, or of the model.
    """
    model = unwrap(model)
    if names is not None and not isinstance(names, str) and not list(names):
        raise ArgumentError(f"matrices: got {names!r}, so that none is chosen; expected at least one name, or None.")
    if names is None:
        found = _matrices(model, None)
    else:
        found = {}
        for name in [names] if isinstance(names, str) else names:
            if not isinstance(name, str):
                raise ArgumentError(f"matrices: got {name!r}; expected names of parameters, modules or blocks.")
            there = _matrices(model, _owner(model, name))
            chosen = {block: weight for block, weight in there.items() if name == "" or _is_named(weight, name)}
            if not chosen:
                raise ArgumentError(f"matrices: got {name!r}, which names no weight matrix; {_known(model, there)}.")
            found |= chosen
    unique: dict[tuple[object, ...], str] = {}
    for name, weight in found.items():
        unique.setdefault((id(weight.held.tensor), weight.origin.rows), name)
    if not unique:
        raise ArgumentError("model: got no weight matrix; expected at least one parameter of two dimensions.")
    return {name: found[name] for name in unique.values()}


def graph_of(name: str, weight: Weight) -> NeuralGraph:
    """Return the graph of one matrix: one block, without its bias; a weight of exactly 0 is no edge."""
    origin = dataclasses.replace(weight.origin, bias=None, bias_rows=None)
    alone = dataclasses.replace(weight, bias=None, origin=origin)
    check_values(weight.held)
    block = plain_block(alone, f"{name} in", f"{name} out", name, "drop")
    return NeuralGraph([block], history=[Step("from_torch", {"matrix": name})])


def matching(other: nn.Module, name: str, weight: Weight) -> NeuralGraph:
    """Return the graph of the same matrix of another model, which can be written in its place."""
    held = {one.name: one for one in hold(unwrap(other)).values()}
    twin = held.get(weight.origin.parameter)
    if twin is None or twin.tensor.shape != weight.held.tensor.shape:
        got = "no such parameter" if twin is None else f"one of shape {tuple(twin.tensor.shape)}"
        raise RoundTripError(
            f"twin: got {got} for '{weight.origin.parameter}'; expected a model built alike, with the shape "
            f"{tuple(weight.held.tensor.shape)} there."
        )
    return graph_of(name, dataclasses.replace(weight, held=twin))


def _matrices(model: nn.Module, modules: str | None) -> dict[str, Weight]:
    layers, _, loose = find_layers(model, None if modules is None else [modules])
    found = {weight.block: weight for layer in layers for weight in layer.weights.values()}
    for held in _bare(model, loose):
        layer = loose_parameter(held, None, "linear")
        found.setdefault(layer.name, layer.weight)
    return found


def _bare(model: nn.Module, loose: set[int]) -> Iterator[Held]:
    """Yield the parameters of two dimensions that belong to no known layer, each once."""
    for held in hold(model).values():
        if id(held.tensor) in loose and held.tensor.dim() == 2:
            loose = loose - {id(held.tensor)}
            yield held


def _owner(model: nn.Module, name: str) -> str:
    """Return the module that holds what is named: itself, or the closest one above."""
    modules = dict(model.named_modules())
    while name and name not in modules:
        name = name.rpartition(".")[0]
    above = name.rpartition(".")[0]
    return above if name and isinstance(modules[above], nn.MultiheadAttention) else name


def _is_named(weight: Weight, name: str) -> bool:
    own = (weight.block, weight.origin.parameter)
    return any(each == name or each.startswith(f"{name}.") for each in own)


def _known(model: nn.Module, near: dict[str, Weight]) -> str:
    known = list(near) or [name for name, value in model.named_parameters() if value.dim() == 2]
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"expected parameters, modules or blocks such as {', '.join(map(repr, known[:8]))}{more}"
