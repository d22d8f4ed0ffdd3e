"""What a call of torch does to the neurons along the axes of a tensor: keep, move, pool, add, or multiply them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from nngraph.convert._reading import Space, call_space

POOL_WINDOW = 64
"""Most places in a pooling window whose pixels are linked one by one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ADDITION = _words("add radd iadd sub rsub isub subtract ")
PRODUCT = _words("mul rmul imul multiply div rdiv truediv rtruediv itruediv divide ")
MOVING = _words(
    "T mT t view reshape flatten unflatten ravel permute transpose swapaxes swapdims movedim moveaxis "
    "squeeze unsqueeze expand expand_as broadcast_to view_as reshape_as repeat repeat_interleave tile "
    "chunk split split_with_sizes tensor_split unbind select narrow getitem index_select roll flip cat "
    "concat concatenate stack unfold diagonal pixel_shuffle pixel_unshuffle channel_shuffle "
)
REDUCTION = _words("mean sum amax amin max min median logsumexp nanmean nansum std var ")
POOLING = _words(
    "max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices "
    "max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d "
    "interpolate upsample "
)
ELEMENTWISE = _words(
    "relu relu6 elu selu celu gelu silu mish sigmoid tanh hardtanh hardswish hardsigmoid hardshrink "
    "softshrink tanhshrink threshold leaky_relu rrelu prelu softplus softsign logsigmoid log_sigmoid "
    "softmax log_softmax softmin dropout dropout1d dropout2d dropout3d alpha_dropout "
    "feature_alpha_dropout feature_dropout native_dropout layer_norm native_layer_norm batch_norm "
    "instance_norm group_norm rms_norm normalize local_response_norm abs neg exp log log1p expm1 sqrt "
    "rsqrt square pow rpow erf sin cos sign clamp clip nan_to_num reciprocal positive maximum minimum "
    "masked_fill lerp to type type_as float double half bfloat16 contiguous clone detach cpu cuda "
    "requires_grad alias identity data "
)


def step_name(func: Callable[..., Any]) -> str:
    """Return what a call of torch does: ``__iadd__``, ``add_`` and ``add`` are one step."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", "")
    name = name.strip("_")
    return {"mm": "matmul", "bmm": "matmul", "conv1d": "conv", "conv2d": "conv", "conv3d": "conv"}.get(name, name)


def tensors(tree: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested tuples, lists and mappings."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from tensors(value)
    elif isinstance(tree, (tuple, list)):
        for value in tree:
            yield from tensors(value)


def written(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written in place; tensors of inference mode do not count it."""
    return -2 if tensor.is_inference() else tensor._version


def replaced(tree: Any, by: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return nested tuples, lists and mappings with every tensor replaced."""
    if isinstance(tree, torch.Tensor):
        return by(tree)
    if isinstance(tree, Mapping):
        return {key: replaced(value, by) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return (
            [replaced(value, by) for value in tree]
            if isinstance(tree, list)
            else tuple(replaced(value, by) for value in tree)
        )
    return tree


def spread(ids: np.ndarray, like: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """Return a shadow for ``like`` whose ids run along some axes and are the same along all others."""
    shape = [like.shape[a] if a in axes else 1 for a in range(like.dim())]
    return torch.from_numpy(ids).reshape(shape).expand(like.shape)


def distinct(shadow: torch.Tensor) -> np.ndarray:
    """Return the ids in a shadow, each once."""
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in shadow.stride())
    return np.unique(shadow[once].numpy())


def constant(rows: np.ndarray) -> np.ndarray | None:
    """Return the one known id of each column of (places, columns); None if a column holds several."""
    if not len(rows):
        return None
    high = rows.max(axis=0)
    low = np.where(rows < 0, np.iinfo(rows.dtype).max, rows).min(axis=0)
    return high if ((high < 0) | (high == low)).all() else None


def collapsed(shadow: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor | None:
    """Return a shadow with length 1 along axes on which it does not vary; None if it does."""
    if any(shadow.shape[a] == 0 for a in axes):
        return None
    high = shadow.amax(axes, keepdim=True)
    low = torch.where(shadow < 0, torch.iinfo(shadow.dtype).max, shadow).amin(axes, keepdim=True)
    return high if bool(((high < 0) | (high == low)).all()) else None


def moved(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], shadow: dict[int, torch.Tensor]
) -> list[torch.Tensor]:
    """Apply a step that only moves values to the shadows of its tensors."""

    def swap(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) in shadow:
            return shadow[id(tensor)].contiguous() if name in ("view", "view_as") else shadow[id(tensor)]
        if tensor.is_floating_point():
            return torch.full(tensor.shape, -1, dtype=torch.int64)
        return tensor.cpu()

    try:
        return list(tensors(func(*replaced(args, swap), **replaced(kwargs, swap))))
    except RuntimeError:
        return []  # a step that torch has for real numbers only (im2col pads with zeros, say)


def chosen(
    args: tuple[Any, ...], kwargs: dict[str, Any], shadow: dict[int, torch.Tensor], active: set[int], out: torch.Tensor
) -> torch.Tensor | None:
    """Return the shadow of ``where``: at each place that of the operand which stands there; a constant only masks."""
    first = args[0] if args else kwargs.get("condition")
    method = isinstance(first, torch.Tensor) and first.dtype is not torch.bool  # x.where(condition, other)
    order = ("input", "condition", "other") if method else ("condition", "input", "other")
    given = dict(zip(order, args, strict=False)) | kwargs
    at, pair = given.get("condition"), [given.get("input", given.get("self")), given.get("other")]
    if not isinstance(at, torch.Tensor) or at.dtype is not torch.bool:
        return None
    ids = [shadow.get(id(operand), torch.tensor(-1)) for operand in pair]
    varying = [i for i, operand in zip(ids, pair, strict=True) if id(operand) in active]
    merged = varying[0] if varying else ids[0]
    if len(varying) == 2:
        merged = torch.where(at.cpu(), ids[0], ids[1])
    return merged.expand(out.shape)


def padded(args: tuple[Any, ...], kwargs: dict[str, Any], shadow: torch.Tensor) -> torch.Tensor:
    """Pad a shadow as the tensor was padded; a constant is no neuron."""
    pad = kwargs.get("pad", args[1] if len(args) > 1 else None)
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "constant")
    value = {"value": -1.0} if mode == "constant" else {}
    return torch.nn.functional.pad(shadow.double(), pad, mode=mode, **value).long()  # type: ignore[arg-type]


def reduced(
    args: tuple[Any, ...], kwargs: dict[str, Any], shadow: torch.Tensor, out: torch.Tensor
) -> torch.Tensor | None:
    """Return the shadow of a mean, sum or maximum over axes on which the neuron does not change."""
    dim = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
    if isinstance(dim, int) and not isinstance(dim, bool):
        dim = (dim,)
    if not isinstance(dim, (tuple, list)) or not dim:
        return None
    axes = tuple(int(a) % shadow.dim() for a in dim)
    kept = collapsed(shadow, axes)
    return None if kept is None else kept.reshape(out.shape)


def pooled(shadow: torch.Tensor, out: torch.Tensor, n_axes: int) -> torch.Tensor | None:
    """Return the shadow of a map that is pooled or resized over its last axes, if these hold copies of one neuron."""
    kept = collapsed(shadow, tuple(range(shadow.dim() - n_axes, shadow.dim())))
    return None if kept is None else kept.expand(out.shape)


def pool_space(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: torch.Tensor, n_axes: int
) -> Space | None:
    """Return the windows of a pooling; None where it has no fixed ones, or more than POOL_WINDOW places in each."""
    given = dict(zip(("input", "kernel_size", "stride", "padding", "dilation"), args, strict=False)) | kwargs
    size, to = tuple(given["input"].shape[-n_axes:]), tuple(out.shape[-n_axes:])
    if name.startswith("adaptive"):
        if any(n % m for n, m in zip(size, to, strict=True)):
            return None
        kernel = tuple(n // m for n, m in zip(size, to, strict=True))
        space = call_space(size, kernel, kernel, 0, 1)
    elif name.startswith(("max_pool", "avg_pool")):
        kernel = given["kernel_size"]
        kernel = (kernel,) * n_axes if isinstance(kernel, int) else tuple(kernel)
        dilation = given.get("dilation", 1) if name.startswith("max") else 1
        space = call_space(size, kernel, given.get("stride") or kernel, given.get("padding", 0), dilation)
    else:
        return None
    return space if space.out == to and math.prod(space.kernel) <= POOL_WINDOW else None


def mixed(shadow: torch.Tensor, axis: int, out: torch.Tensor) -> torch.Tensor | None:
    """Return the shadow of a matrix product that sums over an axis on which the neuron does not change."""
    kept = collapsed(shadow, (axis % shadow.dim(),))
    try:
        return None if kept is None else kept.expand(out.shape)
    except RuntimeError:
        return None
