"""The untrained twin of a model: the same architecture with the weights that it would start from."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.prune import BasePruningMethod

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tensors import as_tensor
from nngraph.errors import ArgumentError, UnsupportedLayerError
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
        In evaluation mode, with the masks of torch.nn.utils.prune. :func:`nngraph.transformer` and
        :func:`nngraph.resnet9` start from their own law, models of the transformers library from that of their
        configuration, other modules from torch's; within another module too.

    Raises
    ------
    UnsupportedLayerError
        If a module has parameters of its own and no way to reset them, or one keeps its trained values: weights that
        are computed from other parameters (weight normalisation and its kin).

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
    computed = [v for m in model.modules() for v in vars(m).values() if isinstance(v, torch.Tensor) and v.grad_fn]
    twin = copy.deepcopy(model, {id(value): value.detach().clone() for value in computed})  # torch copies leaves alone
    with torch.random.fork_rng(devices=[]), _without_masks(twin):
        torch.default_generator.manual_seed(int(generator(child(seed, "twin")).integers(2**63)))
        told = _restart("", twin, seed)
        trained = dict(model.named_parameters())
        for name, parameter in twin.named_parameters():
            was = trained.get(name, trained.get(f"{name}_orig", parameter))
            if name not in told and torch.equal(was, parameter) and bool((was != was.flatten()[:1]).any()):
                raise UnsupportedLayerError(
                    f"{name}: is the trained one still after reset_parameters(), as where a weight is computed from "
                    "other parameters; remove the reparametrisation (torch.nn.utils.remove_weight_norm and its kin), "
                    "or make the untrained model and its map yourself."
                )
    twin.eval()
    if inputs is not None:
        _calibrate(twin, inputs)
    return twin


def _restart(name: str, module: nn.Module, seed: np.random.SeedSequence) -> set[str]:
    """Give a module fresh weights, its children first, as constructors do; return what a configuration has drawn."""
    if hasattr(module, "config") and hasattr(type(module), "base_model_prefix"):  # of the transformers library
        fresh = type(module)(copy.deepcopy(module.config)).state_dict()
        parameters = {key for key, _ in module.named_parameters()}
        strange = sorted(
            key for key in parameters if key not in fresh or fresh[key].shape != module.state_dict()[key].shape
        )
        if strange:
            raise UnsupportedLayerError(
                f"{name or 'model'}: a {type(module).__name__} has the parameter {strange[0]!r}, which its "
                "configuration does not give it in this shape; make the untrained model and its map yourself."
            )
        with torch.no_grad():
            for key, value in module.state_dict().items():
                if key in fresh:
                    value.copy_(fresh[key])
        return {f"{name}.{key}" if name else key for key in parameters}
    told: set[str] = set()
    for key, part in module.named_children():
        told |= _restart(f"{name}.{key}" if name else key, part, seed)
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
    elif isinstance(module, (Transformer, ResNet9)):
        _initialized(module, child(seed, name) if name else seed, type(module).__name__.lower())
    elif next(module.parameters(recurse=False), None) is not None:
        raise UnsupportedLayerError(
            f"{name or 'model'}: a {type(module).__name__} has parameters and no reset_parameters(), so that its "
            "untrained state is not known; give it that method, or make the untrained model and its map yourself."
        )
    return told


@contextlib.contextmanager
def _without_masks(model: nn.Module) -> Iterator[None]:
    """Let pruned weights be plain parameters for a while; the masks of torch.nn.utils.prune hold again at the end."""
    pruned = [
        (module, hook._tensor_name, hook)
        for module in model.modules()
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, BasePruningMethod)
    ]
    for module, name, _ in pruned:
        parameter = module._parameters.pop(f"{name}_orig")
        delattr(module, name)
        module.register_parameter(name, parameter)
    yield
    for module, name, hook in pruned:
        module.register_parameter(f"{name}_orig", module._parameters.pop(name))
        setattr(module, name, hook.apply_mask(module).detach())


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
    n = len(next(iter(tensors.values())))
    if n < 2:
        raise ArgumentError(f"inputs: got {n} samples; expected at least 2, for the statistics of batch normalisation.")
    with torch.no_grad():
        for rows in torch.arange(n).tensor_split(-(-n // BATCH)):  # of one size, but for one sample
            batch = {key: value[rows.to(value.device)] for key, value in tensors.items()}
            arguments = [batch[key] for key in batch if isinstance(key, int)]
            model(*arguments, **{key: value for key, value in batch.items() if isinstance(key, str)})
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
