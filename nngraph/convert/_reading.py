"""Blocks from parameters: copy the values, spread the groups of a convolution, unroll it over space."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from nngraph.blocks import Block
from nngraph.errors import SizeError, UnsupportedLayerError

if TYPE_CHECKING:
    import torch

    from nngraph.convert._layers import Held, Weight

Zeros: TypeAlias = Literal["drop", "keep"]
Statistic: TypeAlias = Literal["sum", "mean_abs", "norm"]

UNROLLED_EDGES = 20_000_000
"""Most edges that one unrolled convolution may have: about 0.5 GiB of weights, ends and parameter indices."""


class Space(NamedTuple):
    """Where an unrolled convolution is applied."""

    size: tuple[int, ...]
    """Spatial sizes of the input."""
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def out(self) -> tuple[int, ...]:
        """Spatial sizes of the output."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        )

    def windows(self) -> np.ndarray:
        """Return (prod(kernel), prod(out)): the flat pixel under each kernel entry at each place; -1 in the padding."""
        flat = np.zeros((1, 1), dtype=np.int64)
        inside = np.ones((1, 1), dtype=bool)
        axes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, self.out, strict=True)
        for n, kernel, stride, padding, dilation, out in axes:
            at = np.arange(kernel)[:, None] * dilation + np.arange(out)[None, :] * stride - padding
            shape = (flat.shape[0] * kernel, flat.shape[1] * out)
            flat = (flat[:, None, :, None] * n + at[None, :, None, :]).reshape(shape)
            inside = (inside[:, None, :, None] & ((at >= 0) & (at < n))[None, :, None, :]).reshape(shape)
        return np.where(inside, flat, -1)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a copy of a tensor; bfloat16 as float32, which holds it exactly."""
    import torch

    tensor = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    return np.array(tensor.cpu().contiguous().numpy(), order="C")


def dtype_name(tensor: torch.Tensor) -> str:
    """Return the dtype's name without the package: "float32", "bfloat16"."""
    return str(tensor.dtype).removeprefix("torch.")


def values_of(weight: Weight, zeros: Zeros) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return a weight's rows as the parameter holds them, what is present (None: all), and the raw bits if needed."""
    start, stop = weight.origin.rows or (0, weight.held.tensor.shape[0])
    values = to_numpy(weight.held.tensor[start:stop])
    present = None
    if weight.held.mask is not None:
        present = to_numpy(weight.held.mask[start:stop]) != 0
    elif zeros == "drop" and np.count_nonzero(values) < values.size:
        present = values != 0
    if present is None or present.all():
        return values, None, None
    bits = values.view(f"u{values.itemsize}")
    return values, present, values if bits[~present].any() else None


def bias_of(weight: Weight) -> np.ndarray | None:
    """Return the (n_target,) bias that the model adds, or None."""
    if weight.bias is None:
        return None
    start, stop = weight.origin.bias_rows or (0, weight.bias.tensor.shape[0])
    return effective(weight.bias, start, stop)


def effective(held: Held, start: int, stop: int) -> np.ndarray:
    """Return rows of a parameter as the model uses them: times its pruning mask."""
    tensor = held.tensor[start:stop] if held.mask is None else (held.tensor * held.mask)[start:stop]
    return to_numpy(tensor)


def plain_block(weight: Weight, source: str, target: str, name: str, zeros: Zeros) -> Block:
    """Return the block of a matrix: linear, transposed, a convolution's kernel entries, or present edges alone."""
    origin = weight.origin
    values, present, raw = values_of(weight, "keep" if origin.layout == "edges" else zeros)
    more: dict[str, Any] = {
        "bias": bias_of(weight),
        "dtype": dtype_name(weight.held.tensor),
        "origin": origin,
        "raw": raw,
    }
    if origin.layout == "edges":
        assert origin.entries is not None
        cells = origin.entries[0]
        if present is not None:
            cells, values = cells[present], values[present]
        rows, columns = np.divmod(cells, weight.n_source)
        indptr = np.searchsorted(rows, np.arange(weight.n_target + 1))
        shape = (weight.n_target, weight.n_source)
        return Block.from_csr(name, source, target, shape, indptr, columns.astype(np.int32), values, **more)
    if origin.layout == "transposed":
        values = np.ascontiguousarray(values.T)
        present = None if present is None else np.ascontiguousarray(present.T)
    elif origin.layout == "convolution":
        values = values.reshape(len(values), -1)
        present = None if present is None else present.reshape(values.shape)
        more["raw"] = None if raw is None else raw.reshape(values.shape)
        if origin.groups > 1:
            return _spread(values, present, origin.groups, (name, source, target), more)
    return Block.from_dense(name, source, target, values, present, **more)


def channel_block(weight: Weight, source: str, target: str, name: str, statistic: Statistic, zeros: Zeros) -> Block:
    """Return the channel graph of a convolution: one edge per pair of channels, weighted by a statistic."""
    values, present, _ = values_of(weight, zeros)
    n_out, n_in = values.shape[:2]
    kernel = values.reshape(n_out, n_in, -1).astype(np.float64)
    if present is not None:
        kernel = np.where(present.reshape(kernel.shape), kernel, 0.0)
    if statistic == "sum":
        weights = kernel.sum(axis=2)
    elif statistic == "mean_abs":
        weights = np.abs(kernel).mean(axis=2)
    else:
        weights = np.sqrt((kernel**2).sum(axis=2))
    pairs = None if present is None else np.asarray(present.reshape(kernel.shape).any(axis=2))
    weights = weights.astype(np.promote_types(values.dtype, np.float32))  # a sum may be beyond the range of float16
    more: dict[str, Any] = {
        "bias": bias_of(weight),
        "dtype": str(weights.dtype),
        "origin": dataclasses.replace(weight.origin, layout="channel"),
    }
    if weight.origin.groups > 1:
        return _spread(weights, pairs, weight.origin.groups, (name, source, target), more)
    return Block.from_dense(name, source, target, weights, pairs, **more)


def unrolled_block(weight: Weight, source: str, target: str, name: str, space: Space, zeros: Zeros) -> Block:
    """Return the block of a convolution between pixels: one edge per kernel entry and place."""
    values, present, raw = values_of(weight, zeros)
    n_out, per_group = values.shape[:2]
    groups, n_pixels, n_places = weight.origin.groups, math.prod(space.size), math.prod(space.out)
    n_kernel = math.prod(space.kernel)
    windows = space.windows()
    # One axis per (output channel, place, input channel of the group, kernel entry): rows are then in edge order.
    group = np.repeat(np.arange(groups), n_out // groups)[:, None, None, None]
    channel = group * per_group + np.arange(per_group)[:, None]
    pixel = windows.T[None, :, None, :]
    row = np.arange(n_out)[:, None, None, None] * n_places + np.arange(n_places)[:, None, None]
    column = channel * n_pixels + pixel
    entry = (np.arange(n_out)[:, None, None, None] * per_group + np.arange(per_group)[:, None]) * n_kernel + np.arange(
        n_kernel
    )
    shape = (n_out, n_places, per_group, n_kernel)
    inside = np.broadcast_to(pixel >= 0, shape)
    row, column, entry = (np.broadcast_to(a, shape)[inside] for a in (row, column, entry))
    n_source, n_target = groups * per_group * n_pixels, n_out * n_places
    cells = row * n_source + column
    order = np.argsort(cells, kind="stable")
    row, column, entry, cells = row[order], column[order], entry[order], cells[order]
    origin = dataclasses.replace(weight.origin, layout="unrolled", entries=np.stack([cells, entry]))
    data = values.reshape(-1)[entry]
    if present is not None:
        kept = present.reshape(-1)[entry]
        row, column, data = row[kept], column[kept], data[kept]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_target))])
    bias = bias_of(weight)
    return Block.from_csr(
        name,
        source,
        target,
        (n_target, n_source),
        indptr,
        column.astype(np.int32),
        data,
        bias=None if bias is None else np.repeat(bias, n_places),
        dtype=dtype_name(weight.held.tensor),
        origin=origin,
        raw=raw,
    )


def check_unrolled(name: str, weight: Weight, space: Space) -> None:
    """Refuse to unroll a convolution that would have more than UNROLLED_EDGES edges."""
    n_edges = weight.held.tensor.numel() * math.prod(space.out)
    if n_edges > UNROLLED_EDGES:
        raise SizeError(
            f"convolution '{name}': unrolled over space it has about {n_edges:,} edges ({n_edges * 24 / 2**30:.1f} "
            f"GiB); the limit is {UNROLLED_EDGES:,}. Use conv='entry', a smaller example_input, or leave it out with "
            "layers=[...]."
        )


def call_space(size: Sequence[int], kernel: Sequence[int], stride: Any, padding: Any, dilation: Any) -> Space:
    """Return the geometry of a call of a convolution."""
    n = len(kernel)

    def each(value: Any) -> tuple[int, ...]:
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        return values * n if len(values) == 1 else values

    dilation = each(dilation)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if any(t % 2 for t in total):
            raise UnsupportedLayerError(
                "a convolution with padding='same' and an even kernel pads its two ends differently and cannot be "
                "unrolled. Pad explicitly with F.pad, or use conv='entry'."
            )
        padding = tuple(t // 2 for t in total)
    return Space(tuple(size), tuple(kernel), each(stride), each(padding), dilation)


def _spread(
    values: np.ndarray, present: np.ndarray | None, groups: int, ends: tuple[str, str, str], more: dict[str, Any]
) -> Block:
    """Return the block-diagonal block of a grouped kernel given as (n_target, columns of one group)."""
    n_target, width = values.shape
    start = np.repeat(np.arange(groups) * width, n_target // groups)[:, None]
    column = start + np.arange(width)
    if present is None:
        counts, column, data = np.full(n_target, width), column.reshape(-1), values.reshape(-1)
    else:
        counts, column, data = np.count_nonzero(present, axis=1), column[present], values[present]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return Block.from_csr(
        *ends,
        (n_target, width * groups),
        indptr,
        column.astype(np.int32),
        data,
        **more,
    )
