"""Representations by forward hooks: what a model computes at its taps, for the same samples at each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nngraph import _arguments
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.similarity._representations import Representations, sample_ids

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nngraph._tensors import Array
    from nngraph.similarity._tap_sets import Tap

_log = logging.getLogger(__name__)
Inputs: TypeAlias = "Array | Mapping[str, Array] | tuple[Array, ...]"
Tensors: TypeAlias = "dict[str | int, torch.Tensor]"


def representations(
    model: nn.Module,
    inputs: Inputs,
    taps: str | Iterable[str] | Mapping[str, Tap | str] = "auto",
    *,
    n: int | None = 1000,
    rng: RNG = 0,
    tokens: Literal["auto", "flatten", "mean", "first", "last"] = "auto",
    channels: Literal["flatten", "mean"] = "flatten",
    ids: object = None,
    batch_size: int = 256,
    device: str | torch.device | None = None,
) -> Representations:
    r"""Take what a model computes at each tap, for the same samples at each.

    .. math:: X^{(t)}_{i\cdot} = \mathrm{vec}\, f_t(x_i), \qquad X^{(t)} \in \mathbb{R}^{n \times d_t}

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode. Its weights, gradients and device are left as they are.
    inputs : (N, ...) array or tensor, mapping of such by argument name, or tuple of such
        What one call of the model takes, with the samples along the first axis. Floating inputs are cast to the
        model's dtype. An ``attention_mask`` (N, positions) in a mapping says which positions are padding.
    taps : "auto", "blocks", "all", list of str, or mapping of str to Tap or str
        "auto" knows :func:`nngraph.transformer` (7 taps and 6 a head in each block: 31 for 4 heads),
        :func:`nngraph.resnet9` (27), every step of an ``nn.Sequential``, and BERT, DistilBERT and GPT-2 of the
        transformers library, whatever their head: "0" is the embedding, "1" to "L" are the outputs of the blocks (the
        last one in front of the final norm of a decoder). "blocks" is one tap a block. "all" is every module without
        children, but for those whose output has no row for each sample, as that of a table of positions, and those
        called other than once: the log says which. A list names taps of "auto" and "blocks", or any modules of any
        model; a mapping gives them names of your own, see :class:`Tap`.
    n : int, optional
        Samples, drawn without replacement, the same for every tap, and kept in the order of the inputs; None takes
        all, as does a number that is not below N.
    rng : None, int, SeedSequence or Generator
        Seed of that draw. The same seed draws the same rows of any inputs of the same N, and with a smaller n some of
        those that it draws with a larger one.
    tokens : "auto", "flatten", "mean", "first" or "last"
        What becomes of the axis of positions: all of them, (n, positions * d); their mean; the first (the class token
        of an encoder) or the last, each (n, d). Padding is no position: "flatten" is refused where samples have
        different lengths. Of an attention map the queries are the positions; the keys all stay, but for the
        entries of scores (``attn_pre``) that a causal mask hides. "auto" is "first" for BERT and DistilBERT, "last"
        for GPT-2, else "flatten".
    channels : "flatten" or "mean"
        What becomes of an image: (n, channels * height * width), or the mean over places, (n, channels).
    ids : (N,) array of integers or text, optional
        Names of the samples; by default their row numbers in the inputs.
    batch_size : int
        Samples in one forward pass.
    device : str or torch.device, optional
        Where to compute; the model comes back to its own device. By default there.

    Returns
    -------
    Representations
        Name of the tap -> (n, d) array, in the order of the taps; float32 for a model of half precision, float64 for
        integers and booleans.

    Raises
    ------
    ArgumentError
        If a module is in training mode, a tap does not exist or is called other than once in a pass, an
        output is NaN or infinite, the model refuses the inputs, there is one sample, or an argument is outside of its
        range.

    Notes
    -----
    One forward pass of n samples. Memory is n times the sum of all d, and one batch: nothing else is kept. Axes of
    taps of "auto" are known; those of a module in a list go by their number: 2 are (n, d), 3 are (n, positions, d), 4
    and more are (n, channels, places). Results do not depend on ``batch_size`` but for the last bits of sums.

    References
    ----------
    T. Gao, A. Dhurandhar, K. Natesan Ramamurthy, D. Wei, "Identifying sub-networks in neural networks via functionally
    similar representations", arXiv:2410.16484 (2024).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> model = nng.mlp((4, 3, 2), rng=0)
    >>> reps = nng.similarity.representations(model, np.eye(4))
    >>> reps
    Representations(3 taps of 4 samples, 2 to 3 dimensions: '0', '1', '2')
    >>> bool((reps["1"] == np.maximum(reps["0"], 0)).all())
    True
    """
    import torch

    from nngraph.similarity._hooks import Recorder, call
    from nngraph.similarity._tap_sets import tap_set

    _check_arguments(tokens, channels, batch_size)
    _check_mode(model)
    chosen = tap_set(model, taps)
    tensors = _tensors(inputs)
    total = len(next(iter(tensors.values())))
    names = np.arange(total) if ids is None else sample_ids(ids, total)
    rows = _rows(total, n, rng)
    rule = chosen.tokens if tokens == "auto" else tokens
    mask = _mask(tensors, rows, rule)
    reference = next((p for p in model.parameters() if p.is_floating_point()), None)
    home = torch.device("cpu") if reference is None else reference.device
    place = home if device is None else _place(model, device)
    try:
        model.to(place) if place != home else None
        sampled = chosen.taps
        if isinstance(taps, str) and taps == "all":
            first = {key: _cast(tensor[rows[:3]], place, reference) for key, tensor in tensors.items()}
            sampled = _of_samples(model, sampled, first, None if mask is None else mask[:3].to(place), rule, channels)
        with torch.no_grad(), Recorder(model, sampled, len(rows), tokens=rule, channels=channels) as recorder:
            starts = range(0, len(rows), int(batch_size))
            for start in progress(starts, total=len(starts), label="representations"):
                part = slice(start, min(start + int(batch_size), len(rows)))
                batch = {key: _cast(tensor[rows[part]], place, reference) for key, tensor in tensors.items()}
                recorder.begin(part, None if mask is None else mask[part].to(place))
                call(model, batch)
                recorder.end()
    finally:
        model.to(home) if place != home else None
    for array in recorder.arrays.values():
        array.flags.writeable = False
    return Representations({name: recorder.arrays[name] for name in sampled}, names[rows])


def _of_samples(
    model: nn.Module, taps: dict[str, Tap], batch: Tensors, mask: torch.Tensor | None, tokens: str, channels: str
) -> dict[str, Tap]:
    """Return the taps with a row for each sample: of two samples and of three, for a width may be either by chance."""
    import torch

    from nngraph.similarity._hooks import Recorder, call

    count = len(next(iter(batch.values())))
    for n in range(2, count + 1):
        with torch.no_grad(), Recorder(model, taps, n, tokens=tokens, channels=channels) as recorder:
            recorder.refused = {}
            recorder.begin(slice(0, n), None if mask is None else mask[:n])
            call(model, {key: tensor[:n] for key, tensor in batch.items()})
            recorder.end()
        for name, reason in recorder.refused.items():
            _log.info("taps: 'all' leaves out %r: %s", name, reason)
        taps = {name: tap for name, tap in taps.items() if name not in recorder.refused}
    if not taps:
        raise ArgumentError("taps: got 'all' for a model without a module whose output has a row for each sample.")
    return taps


def _check_arguments(tokens: str, channels: str, batch_size: int) -> None:
    _arguments.choice("tokens", tokens, ("auto", "flatten", "mean", "first", "last"))
    _arguments.choice("channels", channels, ("flatten", "mean"))
    _arguments.whole("batch_size", batch_size)


def _check_mode(model: nn.Module) -> None:
    """Dropout and batch normalisation in training mode make taps differ from pass to pass, and change the model."""
    from torch import nn

    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: got a {type(model).__name__}; expected a torch.nn.Module.")
    training = [name for name, module in model.named_modules() if module.training]
    if training:
        where = f"its module {training[0]!r}" if training[0] else f"the {type(model).__name__}"
        raise ArgumentError(
            f"model: {where} is in training mode, in which dropout and batch normalisation give other values in each "
            "pass; call model.eval() first."
        )


def _tensors(inputs: Inputs) -> Tensors:
    """Return all inputs as tensors, by argument name or position, all of as many samples."""
    from nngraph._tensors import as_tensor

    given: dict = dict(inputs) if isinstance(inputs, Mapping) else dict(
        enumerate(inputs if isinstance(inputs, tuple) else (inputs,))
    )  # fmt: skip
    if not given:
        raise ArgumentError("inputs: got none; expected at least one array.")
    tensors: Tensors = {}
    for key, values in given.items():
        where = f"inputs[{key!r}]" if len(given) > 1 or isinstance(inputs, (Mapping, tuple)) else "inputs"
        try:
            tensors[key] = as_tensor(values)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"{where}: got a {type(values).__name__} that is no array of numbers ({error}); expected arrays or "
                "tensors with the samples along the first axis."
            ) from None
        count = len(tensors[key]) if tensors[key].ndim else 0
        if count != len(next(iter(tensors.values()))) or count < 2:
            raise ArgumentError(
                f"{where}: got the shape {tuple(tensors[key].shape)}; expected at least 2 samples along the first "
                "axis, and as many in every input: distances are between two."
            )
    return tensors


def _rows(total: int, n: int | None, rng: RNG) -> np.ndarray:
    """Return the rows of the samples, ascending."""
    if n is None:
        return np.arange(total)
    n = _arguments.whole("n", n, 2, also=", or None for all samples")
    draw = generator(child(seed_sequence(rng), "samples"))
    return np.sort(draw.permutation(total)[:n])


def _mask(tensors: Tensors, rows: np.ndarray, rule: str) -> torch.Tensor | None:
    """Return which positions of the drawn samples are no padding, once the rule for tokens can be followed."""
    if "attention_mask" not in tensors:
        return None
    mask = tensors["attention_mask"][rows] != 0
    if mask.ndim != 2:
        raise ArgumentError(f"attention_mask: got the shape {tuple(mask.shape)}; expected (samples, positions).")
    lengths = mask.sum(1)
    if not bool(lengths.all()):
        raise ArgumentError(f"attention_mask: sample {int(rows[int(lengths.argmin())])} is padding only; leave it out.")
    if rule == "flatten" and bool((lengths != lengths[0]).any()):
        raise ArgumentError(
            f"tokens: got 'flatten' for samples of {int(lengths.min())} to {int(lengths.max())} positions, which make "
            "rows of different lengths; pass tokens='mean', 'first' or 'last', or samples of one length."
        )
    return mask


def _place(model: nn.Module, device: str | torch.device) -> torch.device:
    """Return the device to compute on, or raise before anything moves."""
    from nngraph._tensors import usable_device

    homes = {str(value.device) for value in (*model.parameters(), *model.buffers())}
    if len(homes) > 1:
        raise ArgumentError(
            f"device: got {str(device)!r} for a model that is spread over {', '.join(sorted(homes))} and could not be "
            "put back; leave device out."
        )
    return usable_device(device)


def _cast(tensor: torch.Tensor, place: torch.device, reference: torch.Tensor | None) -> torch.Tensor:
    return tensor.to(place, reference.dtype if reference is not None and tensor.is_floating_point() else None)
