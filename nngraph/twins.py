"""The untrained twin of a model: the same architecture with the weights that it would start from."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import UnsupportedLayerError
from nngraph.models import ResNet9, Transformer, _initialized

__all__ = ["untrained_twin"]

M = TypeVar("M", bound=nn.Module)


def untrained_twin(model: M, *, rng: RNG = None) -> M:
    """Return a copy of a model with fresh initial weights: the null of whatever training is said to have made.

    Parameters
    ----------
    model : torch.nn.Module
        Of any architecture whose modules can reset their parameters, as those of torch do. It is left as it is.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same weights; torch's global generators are put back as they were.

    Returns
    -------
    torch.nn.Module
        In evaluation mode. :func:`nngraph.transformer` and :func:`nngraph.resnet9` start from their own law, models
        of the transformers library from that of their configuration, other modules from torch's, with the statistics
        of batch normalisation at 0 and 1.

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
        return _initialized(twin, seed, type(twin).__name__.lower())
    return twin.eval()


def _reset(name: str, module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
    elif next(module.parameters(recurse=False), None) is not None:
        raise UnsupportedLayerError(
            f"{name or 'model'}: a {type(module).__name__} has parameters and no reset_parameters(), so that its "
            "untrained state is not known; give it that method, or make the untrained model and its map yourself."
        )
