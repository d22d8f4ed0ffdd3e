"""The untrained twin of a model: the same architecture with the weights that it would start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tensors import as_tensor
from nngraph.errors import UnsupportedLayerError
from nngraph.models import ResNet9, Transformer, _initialized

__all__ = ["untrained_twin"]

M = TypeVar("M", bound=nn.Module)
SAMPLES, BATCH = 1000, 250
"""From which the statistics of batch normalisation are taken."""


def untrained_twin(model: M, inputs: Any = None, *, rng: RNG = None) -> M:
    """Return a copy of a model with fresh initial weights: the null of whatever training is said to have made.

    Parameters
    ----------
    model : torch.nn.Module
        Of any architecture whose modules can reset their parameters, as those of torch do. It is left as it is.
    inputs : array, tensor, or mapping or tuple of them, optional
        What one call of the model takes, samples along the first axis. The statistics of batch normalisation are then
        those of the first 1,000 samples; by default means are 0 and variances 1, with which it does nothing.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same weights; torch's global generators are put back as they were.

    Returns
    -------
    torch.nn.Module
        In evaluation mode. :func:`nngraph.transformer` and :func:`nngraph.resnet9` start from their own law, models
        of the transformers library from that of their configuration, other modules from torch's.

    Raises
    ------
    UnsupportedLayerError
        If a module has parameters of its own and no way to reset them.

    Notes
    -----
    A twin of another law than the one that the training started from has other distances between its layers. Where the
    initial checkpoint was kept, use that.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.mlp((4, 3, 2), rng=0)
    >>> twin = untrained_twin(model, rng=1)
    >>> bool((twin[0].weight == model[0].weight).any())
    False
    """
    seed = seed_sequence(rng)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(generator(child(seed, "twin")).integers(2**63)))
        if hasattr(model, "config") and hasattr(type(model), "base_model_prefix"):  # of the transformers library
            fresh: M = type(model)(copy.deepcopy(model.config))
            return fresh.to(next(model.parameters()).device).eval()
        twin = copy.deepcopy(model)
        for name, module in twin.named_modules():
            _reset(name, module)
    if isinstance(twin, (Transformer, ResNet9)):
        twin = _initialized(twin, seed, type(twin).__name__.lower())
    twin.eval()
    if inputs is not None:
        _calibrate(twin, inputs)
    return twin


def _calibrate(model: nn.Module, inputs: Any) -> None:
    """Give batch normalisation the statistics of inputs, batch by batch through the whole model."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the mean over batches, not one that forgets
        norm.train()
    like = next(model.parameters())
    named = (
        inputs if isinstance(inputs, Mapping) else dict(enumerate(inputs if isinstance(inputs, tuple) else [inputs]))
    )
    tensors = {key: as_tensor(value)[:SAMPLES].to(like.device) for key, value in named.items()}
    tensors = {key: value.to(like.dtype) if value.is_floating_point() else value for key, value in tensors.items()}
    with torch.no_grad():
        for start in range(0, len(next(iter(tensors.values()))), BATCH):
            batch = {key: value[start : start + BATCH] for key, value in tensors.items()}
            arguments = [batch[key] for key in batch if isinstance(key, int)]
            model(*arguments, **{key: value for key, value in batch.items() if isinstance(key, str)})
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def _reset(name: str, module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
    elif next(module.parameters(recurse=False), None) is not None:
        raise UnsupportedLayerError(
            f"{name or 'model'}: a {type(module).__name__} has parameters and no reset_parameters(), so that its "
            "untrained state is not known; give it that method, or make the untrained model and its map yourself."
        )
