"""Hooks that write what a model computes into one array for each tap, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from nngraph.errors import ArgumentError, NNGraphError
from nngraph.similarity._tap_sets import Tap


class Recorder:
    """Holds hooks on all taps while it is open; an array is made when the first batch shows its width."""

    def __init__(self, model: nn.Module, taps: Mapping[str, Tap], n: int, *, tokens: str, channels: str) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._model, self._taps, self._n = model, taps, n
        self._tokens, self._channels = tokens, channels
        self._hooks: list[Any] = []
        self._rows, self._seen = slice(0, 0), set[str]()
        self._mask: torch.Tensor | None = None
        self.refused: dict[str, str] | None = None  # by tap, why: collected where it is no error

    def __enter__(self) -> Self:
        for name, tap in self._taps.items():
            module = self._model.get_submodule(tap.module)
            if tap.side == "input":
                self._hooks.append(module.register_forward_pre_hook(self._on_input(name, tap), with_kwargs=True))
            else:
                self._hooks.append(module.register_forward_hook(self._on_output(name, tap)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def begin(self, rows: slice, mask: torch.Tensor | None) -> None:
        """Say which rows the next pass fills, and which of its positions are no padding."""
        self._rows, self._mask, self._seen = rows, mask, set()

    def end(self) -> None:
        """Raise unless the pass reached every tap."""
        missing = [name for name in self._taps if name not in self._seen]
        if self.refused is not None:
            self.refused |= {name: "the model does not call it" for name in missing if name not in self.refused}
        elif missing:
            raise ArgumentError(
                f"tap {missing[0]!r}: the model does not call its module {self._taps[missing[0]].module!r} on these "
                "inputs; expected one call in each pass. Tap a module that is called, or the parent of this one."
            )

    def _on_output(self, name: str, tap: Tap) -> Any:
        return lambda module, args, output: self._record(name, tap, output)

    def _on_input(self, name: str, tap: Tap) -> Any:
        return lambda module, args, kwargs: self._record(name, tap, (*args, *kwargs.values()))

    def _record(self, name: str, tap: Tap, value: object) -> None:
        try:
            self._take(name, tap, value)
        except ArgumentError as error:
            if self.refused is None:
                raise
            self.refused[name] = str(error)

    def _take(self, name: str, tap: Tap, value: object) -> None:
        if name in self._seen:
            raise ArgumentError(
                f"tap {name!r}: the model calls its module {tap.module!r} more than once in one pass; expected one "
                "call. Give each place a module of its own."
            )
        self._seen.add(name)
        tensor = _floating(_tensor(name, value, tap.item))
        batch = self._rows.stop - self._rows.start
        if not tensor.ndim or len(tensor) != batch:
            raise ArgumentError(
                f"tap {name!r}: got the shape {tuple(tensor.shape)} for {batch} samples; expected the samples along "
                "the first axis."
            )
        flat = flattened(name, tap, tensor, self._mask, tokens=self._tokens, channels=self._channels)
        values = flat.detach().cpu().numpy()
        if name not in self.arrays:
            self.arrays[name] = np.empty((self._n, values.shape[1]), dtype=values.dtype)
        if self.arrays[name].shape[1] != values.shape[1]:
            raise ArgumentError(
                f"tap {name!r}: got {values.shape[1]} dimensions after {self.arrays[name].shape[1]} in batches before; "
                "expected as many for every sample. Pass tokens='mean' or channels='mean'."
            )
        self.arrays[name][self._rows] = values


def call(model: nn.Module, batch: Mapping[str | int, torch.Tensor]) -> None:
    """Run a model on one batch, or say in a sentence which inputs it refused."""
    try:
        model(*(batch[key] for key in batch if isinstance(key, int)),
              **{key: value for key, value in batch.items() if isinstance(key, str)})  # fmt: skip
    except (NNGraphError, torch.OutOfMemoryError):
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        given = ", ".join(f"{str(one.dtype).removeprefix('torch.')} {tuple(one.shape)}" for one in batch.values())
        raise ArgumentError(
            f"inputs: the model refused a batch of {given}: {' '.join(str(error).split())[:200]}. Expected what a call "
            f"of the {type(model).__name__} takes: floats for most, tokens below the size of its vocabulary."
        ) from error


def flattened(
    name: str, tap: Tap, x: torch.Tensor, mask: torch.Tensor | None, *, tokens: str, channels: str
) -> torch.Tensor:
    """Turn (n, ...) values into (n, d) by the rules for tokens and channels."""
    kind = tap.kind
    if kind == "auto":
        kind = "features" if x.ndim < 3 else "tokens" if x.ndim == 3 else "image"
    if tap.head is not None and kind != "attention":
        if x.shape[-1] % (tap.heads or 1):
            raise ArgumentError(f"tap {name!r}: got {x.shape[-1]} dimensions, which {tap.heads} heads do not divide.")
        x = x.unflatten(-1, (tap.heads or 1, -1))[..., tap.head, :]
    least = {"features": 1, "tokens": 3, "image": 3, "attention": 4 if tap.head is not None else 3}[kind]
    if x.ndim < least or (kind == "tokens" and x.ndim > 3):
        raise ArgumentError(f"tap {name!r}: got the shape {tuple(x.shape)}, which is not that of {kind!r}.")
    if kind == "tokens":
        return _over_tokens(name, x, mask, tokens)
    if kind == "attention":
        return _over_queries(name, tap, x, mask, tokens)
    if kind == "image" and channels == "mean":
        return x.flatten(2).mean(2)
    return x.reshape(len(x), -1)


def _over_tokens(name: str, x: torch.Tensor, mask: torch.Tensor | None, rule: str) -> torch.Tensor:
    """Take all, the mean, the first or the last of the positions that are no padding."""
    if mask is None or bool(mask.all()):
        if rule == "flatten":
            return x.flatten(1)
        return x.mean(1) if rule == "mean" else x[:, 0 if rule == "first" else -1]
    if x.shape[1] != mask.shape[1]:
        raise ArgumentError(
            f"tap {name!r}: got {x.shape[1]} positions with an attention mask of {mask.shape[1]}; expected as many."
        )
    lengths = mask.sum(1)
    if rule == "flatten":
        return x[mask].view(len(x), -1)  # all of one length, as was checked before the first pass
    if rule == "mean":
        return x.masked_fill(~mask[:, :, None], 0).sum(1) / lengths[:, None]
    position = torch.arange(mask.shape[1], device=x.device)
    at = (torch.where(mask, position, mask.shape[1]).amin(1) if rule == "first"
          else torch.where(mask, position, -1).amax(1))  # fmt: skip
    return x[torch.arange(len(x), device=x.device), at]


def _over_queries(name: str, tap: Tap, x: torch.Tensor, mask: torch.Tensor | None, rule: str) -> torch.Tensor:
    """Take all, the mean, the first or the last of the rows of an attention map; later keys left out if causal."""
    if mask is not None and not bool(mask.all()):
        raise ArgumentError(
            f"tap {name!r}: got an attention map of a padded batch; expected samples of one length without padding."
        )
    if tap.head is not None:
        if not 0 <= tap.head < x.shape[1]:
            raise ArgumentError(f"tap {name!r}: got head={tap.head}; expected one of {x.shape[1]}, from 0.")
        x = x[:, tap.head]
    visible = torch.ones(x.shape[-2:], dtype=torch.bool, device=x.device)
    if tap.causal:
        visible = visible.tril()
    if rule == "flatten":
        return x[..., visible].flatten(1)
    if rule == "mean":
        return (x.masked_fill(~visible, 0).sum(-2) / visible.sum(0)).flatten(1)
    row = 0 if rule == "first" else -1
    return x[..., row, :][..., visible[row]].flatten(1)


def _tensor(name: str, value: object, item: int | str | None) -> torch.Tensor:
    """Return a tensor itself, or that of a tuple or mapping which is named, by default the first."""
    found = value
    if item is not None:
        try:
            found = value[item]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            raise ArgumentError(f"tap {name!r}: a {type(value).__name__} without the item {item!r}.") from None
    elif not isinstance(value, torch.Tensor):
        items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
        found = next((one for one in items if isinstance(one, torch.Tensor)), value)
    if not isinstance(found, torch.Tensor):
        raise ArgumentError(
            f"tap {name!r}: got a {type(found).__name__}; expected a tensor, or a tuple or mapping with one. Name one "
            "of its entries by Tap(module, item=...)."
        )
    return found


def _floating(x: torch.Tensor) -> torch.Tensor:
    if x.is_complex() or x.dtype in (torch.float32, torch.float64):
        return x
    return x.float() if x.is_floating_point() else x.double()
