"""The blocks of a deep network: find them, keep the first ones, skip one, read what runs between them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from nngraph._passes import MASK, Inputs, output, passes, whole
from nngraph.errors import ArgumentError

__all__ = ["block_means", "blocks_of", "keep_blocks", "skipping"]


def blocks_of(model: nn.Module) -> nn.ModuleList:
    """Return the list of a network's blocks: its longest ``ModuleList`` of one class that lies in no other list.

    Parameters
    ----------
    model : torch.nn.Module
        :func:`nngraph.transformer`, an encoder or decoder of Hugging Face (BERT, DistilBERT, GPT-2 and their kin), or
        any module that runs through one list of blocks.

    Returns
    -------
    torch.nn.ModuleList
        The model's own list: what is cut from it is cut from the model.

    Raises
    ------
    ArgumentError
        If there is no such list, or two of the same length.

    Examples
    --------
    >>> import nngraph as nng
    >>> len(blocks_of(nng.transformer(11, 4, width=8, depth=3, rng=0)))
    3
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: got a {type(model).__name__}; expected a torch.nn.Module.")
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    outer = {
        name: module
        for name, module in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists) and len({type(block) for block in module}) == 1
    }
    longest = max(map(len, outer.values()), default=0)
    found = [name for name, module in outer.items() if len(module) == longest]
    if len(found) != 1:
        what = f"{len(found)} of {longest} blocks ({', '.join(found)})" if found else "none"
        raise ArgumentError(
            f"model: got a {type(model).__name__} and looked for one torch.nn.ModuleList of blocks of one class, and "
            f"found {what}; pass a module that runs through one such list."
        )
    return outer[found[0]]


def keep_blocks(model: nn.Module, n: int) -> nn.Module:
    """Return a copy of a model that has only its first ``n`` blocks; the head then reads the last of these.

    Parameters
    ----------
    model : torch.nn.Module
        As for :func:`blocks_of`. It is not changed.
    n : int
        From 0 (the embedding alone) to the number of blocks.

    Returns
    -------
    torch.nn.Module
        Where it has a ``config``, that says ``n`` too.

    Raises
    ------
    ArgumentError
        If there are fewer than ``n`` blocks.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(11, 4, width=8, depth=3, rng=0)
    >>> len(keep_blocks(model, 1).blocks), len(model.blocks)
    (1, 3)
    """
    whole("n", n, 0, len(blocks_of(model)))
    short = copy.deepcopy(model)
    del blocks_of(short)[n:]
    config = getattr(short, "config", None)
    if config is not None and hasattr(config, "num_hidden_layers"):
        config.num_hidden_layers = n
    return short


@contextlib.contextmanager
def skipping(model: nn.Module, block: int) -> Iterator[nn.Module]:
    r"""Replace one block by the identity for the length of a ``with`` statement: the residual stream passes it by.

    .. math:: x_b := x_{b - 1}

    Parameters
    ----------
    model : torch.nn.Module
        As for :func:`blocks_of`.
    block : int
        Counted from 1.

    Yields
    ------
    torch.nn.Module
        The model. The block still runs, and its output is left unused, so that the model needs no other change.

    Raises
    ------
    ArgumentError
        If there is no such block, or its output is not of the shape of its input.

    Examples
    --------
    >>> import nngraph as nng, torch
    >>> model = nng.transformer(11, 4, width=8, depth=1, rng=0)
    >>> tokens = torch.tensor([[3, 1]])
    >>> with skipping(model, 1), torch.no_grad():
    ...     bool((model(tokens) == model.unembedding(model.stream(tokens, depth=0))).all())
    True
    """
    blocks = blocks_of(model)
    whole("block", block, 1, len(blocks))

    def pass_by(_: nn.Module, args: tuple, kwargs: dict, answer: object) -> object:
        x = _stream(args, kwargs)
        out = answer[0] if isinstance(answer, tuple) else answer
        if not isinstance(out, torch.Tensor) or out.shape != x.shape:
            raise ArgumentError(
                f"block {block}: its input has the shape {tuple(x.shape)} and its output "
                f"{tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__}; only a block whose "
                "output is of the shape of its input can be skipped."
            )
        return (x, *answer[1:]) if isinstance(answer, tuple) else x

    handle = blocks[block - 1].register_forward_hook(pass_by, with_kwargs=True)
    try:
        yield model
    finally:
        handle.remove()


def block_means(
    model: nn.Module, x: Inputs, *, batch_size: int = 64, device: str | torch.device | None = None
) -> list[np.ndarray]:
    """Return what enters the first block and what leaves each block, averaged over the positions of each sample.

    Parameters
    ----------
    model : torch.nn.Module
        As for :func:`blocks_of`.
    x : array or mapping of arrays
        Samples; positions where an ``attention_mask`` is 0 do not count.
    batch_size : int
        Samples in one forward pass.
    device : str or torch.device, optional
        Where to compute; by default where the model is.

    Returns
    -------
    list of (n, d) float arrays
        One more than there are blocks.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(11, 4, width=8, depth=3, rng=0)
    >>> [means.shape for means in block_means(model, np.array([[3, 1], [2, 0]]))]
    [(2, 8), (2, 8), (2, 8), (2, 8)]
    """
    blocks = blocks_of(model)
    seen: dict[int, torch.Tensor] = {}

    def entering(_: nn.Module, args: tuple, kwargs: dict) -> None:
        seen[0] = _stream(args, kwargs)

    def leaving(number: int):  # type: ignore[no-untyped-def]
        def keep(_: nn.Module, __: tuple, answer: object) -> None:
            seen[number] = answer[0] if isinstance(answer, tuple) else answer  # type: ignore[assignment]

        return keep

    handles = [blocks[0].register_forward_pre_hook(entering, with_kwargs=True)]
    handles += [block.register_forward_hook(leaving(number)) for number, block in enumerate(blocks, 1)]
    means: list[list[np.ndarray]] = [[] for _ in range(len(blocks) + 1)]
    try:
        for batch in passes(model, x, batch_size=batch_size, device=device):
            output(model, batch)
            for number, value in seen.items():
                means[number].append(_mean(value, batch.get(MASK)).float().cpu().numpy())
    finally:
        for handle in handles:
            handle.remove()
    return [np.concatenate(pieces) for pieces in means]


def _stream(args: tuple, kwargs: dict) -> torch.Tensor:
    stream: torch.Tensor = args[0] if args else kwargs["hidden_states"]
    return stream


def _mean(value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if value.ndim == 2:
        return value
    if mask is None:
        return value.flatten(1, -2).mean(dim=1)
    weights = mask.to(value.dtype)[..., None]
    return (value * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
