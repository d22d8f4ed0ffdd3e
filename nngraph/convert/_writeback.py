"""Write the weights of a graph into a torch model in place, and put the model's own bits back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from nngraph.blocks import Block, Origin
from nngraph.convert._layers import Held, find_layers, hold, unwrap
from nngraph.convert._layouts import (
    Entries,
    agree,
    block_shape,
    check_shape,
    disagreement,
    flat_entries,
    present_entries,
    unfolded,
)
from nngraph.convert._reading import dtype_name
from nngraph.convert._steps import written
from nngraph.errors import ArgumentError, RoundTripError, UnsupportedLayerError
from nngraph.graph import NeuralGraph

Change = Callable[[], None]


class WriteBack:
    """Write many graphs into one model, one after the other.

    Names and shapes are looked up once; a block that the model holds already is not written again, and the
    parameters' own bits are kept from the first write until :meth:`restore`.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place by :meth:`write`; on any device.
    G : NeuralGraph
        The first graph, or any other with the same origins.

    Raises
    ------
    RoundTripError
        If the graph does not fit the model.

    Notes
    -----
    Cost of a write: one copy of the parameters of blocks that changed. Call :meth:`restore` before the model is
    trained or changed otherwise.

    Examples
    --------
    >>> import torch
    >>> import nngraph as nng
    >>> from nngraph.convert.torch import WriteBack
    >>> model = torch.nn.Linear(3, 2)
    >>> G = nng.from_torch(model)
    >>> before = model.weight.clone()
    >>> writer = WriteBack(model, G)
    >>> for factor in (0.5, 2.0):
    ...     writer.write(G.with_weights(factor * G.weights()))
    >>> writer.restore()
    >>> bool((model.weight == before).all())
    True
    """

    def __init__(self, model: nn.Module, G: NeuralGraph) -> None:
        if not isinstance(G, NeuralGraph):
            raise ArgumentError(f"G: got {type(G).__name__}; expected a NeuralGraph.")
        self._model = unwrap(model)
        self._held: dict[str, Held] = {}
        self._owners: dict[int, list[tuple[nn.Module, str]]] = {}
        names = {id(module): name for name, module in self._model.named_modules()}
        modules = {id(module): module for module in self._model.modules()}
        for (number, local), held in hold(self._model).items():
            prefix = names[number]
            self._held[f"{prefix}.{local}" if prefix else local] = held
            self._owners.setdefault(id(held.tensor), []).append((modules[number], local))
        self._regions: dict[tuple[int, tuple[int, int]], _Region] = {}
        self._origins: list[tuple[Origin | None, tuple[int, int]]] = []
        self._used: list[Origin] = []
        self._matrices: list[tuple[_Region, list[int]]] = []
        self._biases: list[tuple[_Region, list[int]]] = []
        self._plan(G)

    def write(self, G: NeuralGraph) -> None:
        """Write a graph; the model holds either all of it, or, after an error, what it held before."""
        if len(G.blocks) != len(self._origins) or any(
            block.origin is not origin or block.shape != shape
            for block, (origin, shape) in zip(G.blocks, self._origins, strict=True)
        ):
            self._plan(G)
        changes: list[tuple[_Region, tuple[object, ...], Change]] = []
        planned = {id(region) for region, _ in (*self._matrices, *self._biases)}
        idle = [region for region in self._regions.values() if id(region) not in planned]
        for region, numbers in self._matrices:
            blocks = [G.blocks[i] for i in numbers]
            token: tuple[object, ...] = tuple(blocks)
            if not region.holds(token):
                changes.append((region, token, region.matrix(blocks, [self._used[i] for i in numbers])))
        for region, numbers in self._biases:
            given = [i for i in numbers if G.blocks[i].bias is not None]
            blocks = [G.blocks[i] for i in given]
            token = tuple(block.bias for block in blocks)
            if not blocks:
                idle.append(region)
            elif not region.holds(token):
                changes.append((region, token, region.vector(blocks, [self._used[i] for i in given])))
        for region in idle:  # written by an earlier graph, but not part of this one
            region.restore()
        for region, token, change in changes:
            region.keep()
            change()
            region.wrote(token)

    def restore(self) -> None:
        """Put the model's own bits back where they were overwritten."""
        for region in reversed(self._regions.values()):
            region.restore()

    # ----------------------------------------------------------------- planning

    def _plan(self, G: NeuralGraph) -> None:
        """Find the place of every block in the model; raise before anything is written."""
        used = [block.origin for block in G.blocks]
        if not any(used):
            used = list(self._by_position(G))
        matrices: dict[int, tuple[_Region, list[int]]] = {}
        biases: dict[int, tuple[_Region, list[int]]] = {}
        origins: list[Origin] = []
        for number, (block, origin) in enumerate(zip(G.blocks, used, strict=True)):
            if origin is None:
                raise RoundTripError(
                    f"block '{block.name}': got no origin, while other blocks have one; expected the parameter that it "
                    "was read from. Convert the whole graph with from_torch."
                )
            origins.append(origin)
            region = self._region(block, origin.parameter, origin.shape, origin.rows)
            check_shape(block, origin)
            matrices.setdefault(id(region), (region, []))[1].append(number)
            if origin.bias is None and block.bias is not None:
                raise RoundTripError(
                    f"block '{block.name}': got a bias, but its module has none. Use block.replace(bias=None)."
                )
            if origin.bias is not None:
                region = self._region(block, origin.bias, None, origin.bias_rows)
                biases.setdefault(id(region), (region, []))[1].append(number)
        for region in self._regions.values():
            region.forget()
        self._used = origins
        self._origins = [(block.origin, block.shape) for block in G.blocks]
        self._matrices, self._biases = list(matrices.values()), list(biases.values())

    def _by_position(self, G: NeuralGraph) -> Iterable[Origin]:
        weights = [weight for layer in find_layers(self._model)[0] for weight in layer.weights.values()]
        expected = [
            (weight.n_target, weight.n_source) if weight.origin.layout == "edges" else block_shape(weight.origin)
            for weight in weights
        ]
        got = [block.shape for block in G.blocks]
        if got != expected:
            raise RoundTripError(
                f"the graph has no origins, so its blocks are taken by position: got shapes {_few(got)}; expected "
                f"{_few(expected)} as from_torch(model) gives them. Make the graph from this model."
            )
        return [weight.origin for weight in weights]

    def _region(self, block: Block, name: str, shape: tuple[int, ...] | None, rows: tuple[int, int] | None) -> _Region:
        held = self._held.get(name)
        if held is None:
            known = _few([repr(key) for key in self._held])
            raise RoundTripError(
                f"block '{block.name}': its parameter '{name}' is not in the model, which has {known}. Pass the model "
                "that the graph was made from, or one built alike."
            )
        if held.tensor.is_meta:
            raise RoundTripError(
                f"block '{block.name}', parameter '{name}': the model's is on the meta device, where nothing can be "
                "written. Load the weights first."
            )
        actual = tuple(held.tensor.shape)
        if (shape is not None and actual != tuple(shape)) or (rows is not None and rows[1] > actual[0]):
            raise RoundTripError(
                f"block '{block.name}', parameter '{name}': got a graph of a parameter of shape {shape}; the model's "
                f"has {actual}. Pass the model that the graph was made from, or one built alike."
            )
        key = (id(held.tensor), rows or (0, actual[0]))
        if key not in self._regions:
            self._regions[key] = _Region(held, key[1], self._owners[id(held.tensor)])
        return self._regions[key]


class _Region:
    """Rows of one parameter: how to write them, what was written last, and what stood there before."""

    def __init__(self, held: Held, rows: tuple[int, int], owners: list[tuple[nn.Module, str]]) -> None:
        self.held, self.rows = held, rows
        self.tensor = held.tensor.detach()[rows[0] : rows[1]]
        self._pruned = [] if held.mask is None else owners
        direct = self.tensor.device.type == "cpu" and self.tensor.is_contiguous()
        self._stage: torch.Tensor | None = None
        if not direct or self.tensor.dtype is torch.bfloat16:
            wide = torch.float32 if self.tensor.dtype is torch.bfloat16 else self.tensor.dtype
            self._stage = torch.empty(self.tensor.shape, dtype=wide)
        self._array = (self.tensor if self._stage is None else self._stage).numpy()
        self._token: tuple[object, ...] | None = None
        self._version = -1
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._effective: list[tuple[dict[str, object], str, object]] = []
        self._dirty = False

    # -------------------------------------------------------------------- state

    def holds(self, token: tuple[object, ...]) -> bool:
        """Tell whether the parameter still holds what was written from these very objects."""
        held = self._token
        return (
            held is not None
            and len(held) == len(token)
            and all(a is b for a, b in zip(held, token, strict=True))
            and self._version == written(self.held.tensor)
        )

    def wrote(self, token: tuple[object, ...]) -> None:
        """Note what the parameter holds now."""
        self._token = token
        self._version = written(self.held.tensor)

    def forget(self) -> None:
        """Write again whatever comes next."""
        self._token = None

    def keep(self) -> None:
        """Keep the model's own bits before the first write."""
        if not self._dirty:
            if not self._kept:
                masks = [module._buffers[f"{local}_mask"] for module, local in self._pruned]
                self._kept = [(t, torch.empty_like(t)) for t in (self.tensor, *masks) if t is not None]
            for tensor, copy in self._kept:
                copy.copy_(tensor)
            self._effective = [(vars(module), local, vars(module).get(local)) for module, local in self._pruned]
            self._dirty = True

    def restore(self) -> None:
        """Put the kept bits back."""
        if self._dirty:
            for tensor, copy in self._kept:
                tensor.copy_(copy)
            for attributes, local, value in self._effective:
                attributes[local] = value
            self._dirty, self._token = False, None

    # ------------------------------------------------------------------ writing

    def matrix(self, blocks: list[Block], origins: list[Origin]) -> Change:
        """Return the change that writes the one matrix that all of these blocks show."""
        block, origin = min(zip(blocks, origins, strict=True), key=lambda pair: pair[0].raw is not None)
        if origin.layout == "channel":
            raise RoundTripError(
                f"block '{block.name}': a channel graph holds one number per kernel of '{self.held.name}' and cannot "
                "be written back. Convert the model with conv='entry'."
            )
        self._check_range(block, block.values)
        if origin.layout == "unrolled":
            flat: Entries | None = unfolded(blocks, origins)
        else:
            for other, its in zip(blocks, origins, strict=True):
                if other is not block and not agree(block, origin, other, its):
                    raise disagreement(block, other, self.held.name)
            flat = flat_entries(block, origin)

        def change() -> None:
            array = self._array.reshape(len(self._array), math.prod(self._array.shape[1:]))
            unseen = None if flat is None else flat.unseen
            if block.raw is not None:
                np.copyto(array, block.raw.reshape(array.shape))
            elif flat is None:
                np.copyto(array.T if origin.layout == "transposed" else array, block.dense(), casting="same_kind")
            else:
                if unseen is not None and self._stage is not None:
                    self._stage.copy_(self.tensor)
                array.reshape(-1)[slice(None) if unseen is None else ~unseen] = 0
                array.reshape(-1)[flat.at] = flat.weights
            self._finish()
            if self.held.mask is not None:
                self._mask(present_entries(block, origin, flat, array.shape), unseen)

        return change

    def vector(self, blocks: list[Block], origins: list[Origin]) -> Change:
        """Return the change that writes the one bias that all of these blocks show."""
        biases: list[np.ndarray] = []
        for block, origin in zip(blocks, origins, strict=False):
            bias = np.asarray(block.bias)
            self._check_range(block, bias)
            if origin.layout == "unrolled":
                copies = bias.reshape(len(self._array), -1)
                if not (copies == copies[:, :1]).all():
                    raise RoundTripError(
                        f"block '{block.name}': its bias differs between the places of one channel of "
                        f"'{self.held.name}', which holds one number for all of them. Use bias='keep' or bias='zero'."
                    )
                bias = np.ascontiguousarray(copies[:, 0])
            if bias.shape != self._array.shape:
                raise RoundTripError(
                    f"block '{block.name}', parameter '{self.held.name}': got a bias of shape {bias.shape}; expected "
                    f"{self._array.shape}."
                )
            if biases and not np.array_equal(bias, biases[0]):
                raise RoundTripError(
                    f"blocks '{blocks[0].name}' and '{block.name}': both hold the bias '{self.held.name}', but their "
                    "values differ. Change them together."
                )
            biases.append(bias)

        def change() -> None:
            if self.held.mask is None:
                np.copyto(self._array, biases[0], casting="same_kind")
                self._finish()
                return
            mask = self.held.mask[self.rows[0] : self.rows[1]]
            now = (
                (self.tensor * mask).float().cpu().numpy() if self._stage is not None else (self.tensor * mask).numpy()
            )
            if now.tobytes() != biases[0].astype(now.dtype).tobytes():
                np.copyto(self._array, biases[0], casting="same_kind")
                self._finish()
                self._mask((biases[0] != 0) | (mask.cpu().numpy() != 0))

        return change

    def _check_range(self, block: Block, values: np.ndarray) -> None:
        """Raise where a graph of a wider type holds numbers that would be infinite in the model."""
        limit = torch.finfo(self.tensor.dtype).max
        if block.dtype == dtype_name(self.tensor) or float(np.finfo(values.dtype).max) <= limit or not values.size:
            return
        worst = max(float(values.max()), -float(values.min()))
        if worst > limit:
            raise RoundTripError(
                f"block '{block.name}', parameter '{self.held.name}': got the magnitude {worst:g}; the model's "
                f"{dtype_name(self.tensor)} ends at {limit:g}. Use a model of a wider type, or smaller weights."
            )

    def _finish(self) -> None:
        if self._stage is not None:
            self.tensor.copy_(self._stage)
        elif not self.held.tensor.is_inference():
            torch.autograd.graph.increment_version(self.held.tensor)

    @torch.no_grad()
    def _mask(self, present: np.ndarray, unseen: np.ndarray | None = None) -> None:
        """Make the pruning masks say what is present, and refresh the effective weights."""
        wanted = torch.from_numpy(np.array(present.reshape(self._array.shape)))
        as_it_is = None if unseen is None else torch.from_numpy(unseen.reshape(self._array.shape))
        for module, local in self._pruned:
            mask = module._buffers[f"{local}_mask"]
            assert mask is not None
            rows = mask[self.rows[0] : self.rows[1]]
            now = (rows != 0).cpu()
            new = wanted if as_it_is is None else torch.where(as_it_is, now, wanted)
            if not torch.equal(now, new):
                rows.copy_(new)
            vars(module)[local] = self.held.tensor.detach() * mask


def install_masks(model: nn.Module, G: NeuralGraph) -> None:
    """Install torch pruning masks where edges are absent, so that training keeps them absent."""
    held = hold(model)
    by_name = {h.name: h for h in held.values()}
    modules = {id(module): module for module in model.modules()}
    inside = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    masks: dict[str, np.ndarray] = {}
    for block in G.blocks:
        origin = block.origin
        if origin is None:
            raise RoundTripError(f"block '{block.name}': got no origin; masks need a graph made by from_torch.")
        shape = tuple(by_name[origin.parameter].tensor.shape)
        mask = masks.setdefault(origin.parameter, np.ones(shape, dtype=bool))
        start, stop = origin.rows or (0, shape[0])
        rows = mask[start:stop].reshape(stop - start, -1)
        rows &= present_entries(block, origin, flat_entries(block, origin), rows.shape)
    for (number, local), each in held.items():
        mask = masks.get(each.name, np.ones(0, dtype=bool))
        if each.mask is None and not mask.all():
            if number in inside:
                raise UnsupportedLayerError(
                    f"parameter '{each.name}': torch does not apply pruning masks to the output projection of "
                    "attention. Use masks=False, or keep that block whole with blocks=[...]."
                )
            tensor = torch.from_numpy(mask).to(each.tensor.device)
            prune.custom_from_mask(modules[number], local, tensor)  # type: ignore[no-untyped-call]


def _few(items: list[object] | list[str] | list[tuple[int, int]]) -> str:
    return ", ".join(str(item) for item in items[:8]) + (f" and {len(items) - 8} more" if len(items) > 8 else "")
