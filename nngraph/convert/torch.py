"""A torch model to a NeuralGraph, and back."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import nn

from nngraph.blocks import Block
from nngraph.convert._layers import LEFT_OUT, Layer, find_layers, hold, unwrap
from nngraph.convert._reading import Space, Statistic, Zeros, bias_of, channel_block, plain_block, unrolled_block
from nngraph.convert._sequential import sequential
from nngraph.convert._trace import ExampleInput, trace
from nngraph.convert._wiring import Use, Wiring
from nngraph.convert._writeback import WriteBack, install_masks
from nngraph.errors import ArgumentError, UnsupportedLayerError
from nngraph.graph import NeuralGraph, Skipped, Step

__all__ = ["WriteBack", "applied", "from_torch", "to_torch"]

_POLICIES = {
    "channel": "one edge per pair of channels, its weight a statistic of the kernel; cannot be written back",
    "entry": "one edge per kernel entry, the source nodes are pairs of input channel and kernel offset",
    "unrolled": "one edge per kernel entry and place, the nodes are pixels; needs example_input",
}


def from_torch(
    model: nn.Module,
    *,
    layers: Sequence[str] | str | None = None,
    example_input: ExampleInput | None = None,
    conv: Literal["channel", "entry", "unrolled"] | None = None,
    conv_statistic: Statistic = "sum",
    zeros: Zeros = "drop",
) -> NeuralGraph:
    r"""Return the graph of a torch model: every scalar weight is an edge, all edges of one matrix are a block.

    .. math:: y = W x + b \quad\Rightarrow\quad j \xrightarrow{W_{ij}} i

    Parameters
    ----------
    model : torch.nn.Module
        Any model with real floating-point weights. It is not changed; the arrays of the graph are copies.
    layers : str or sequence of str, optional
        Names of modules to convert, as ``model.named_modules()`` gives them; ``fnmatch`` patterns are understood, and
        a container stands for all that it contains.
    example_input : Tensor, tuple, or mapping, optional
        What ``model(...)`` takes: a tensor, a tuple of arguments, or a mapping of keyword arguments. The model is run
        on it once, in evaluation mode and without gradients, to find which blocks share a part. Without it only
        ``nn.Sequential`` tells that, and every other block has two parts of its own.
    conv : "channel", "entry" or "unrolled"
        How a convolution becomes a block; there is no default, because the three are different graphs.

        - "channel": one edge per pair of channels, its weight a statistic of the kernel. Cannot be written back.
        - "entry": one edge per kernel entry. The source nodes are pairs (input channel, kernel offset), as in im2col;
          that part is linked to the part of the channels by a "replica" link.
        - "unrolled": one edge per kernel entry and place; the nodes are pixels. Needs ``example_input`` for their
          number. It can be written back if all copies of a kernel entry agree.
    conv_statistic : "sum", "mean_abs" or "norm"
        For ``conv="channel"``: the sum of a kernel keeps a sign and is the response to a constant input (default); the
        mean absolute entry and the Euclidean norm have none.
    zeros : "drop" or "keep"
        Whether a weight of exactly 0 is an edge, where no pruning mask says so.

    Returns
    -------
    NeuralGraph
        With one block for each use of a matrix. ``G.skipped`` lists every module whose parameters are no edges, and
        why. ``G.history`` says how parts were found: "traced", "sequential" or "unlinked".

    Raises
    ------
    UnsupportedLayerError
        If a module has no faithful conversion; the message names it and says what to do.
    ArgumentError
        If a weight is NaN, infinite or on the meta device, no module has weights, or ``layers`` names no module.
    SizeError
        If an unrolled convolution would have more than 20 million edges.

    Notes
    -----
    Names of blocks, and of the parts that they write to, follow the modules:

    ====================  =====================================================================================
    module                blocks
    ====================  =====================================================================================
    Linear, Conv, ...     ``fc1``; a SparseLinear of :mod:`nngraph.sparse` too, each of its edges present
    Embedding             ``emb``, from the vocabulary to the features
    MultiheadAttention    ``attn.q``, ``attn.k``, ``attn.v``, ``attn.out``
    RNN                   ``rnn.l0.input``, ``rnn.l0.state``; layers ``l0, l1, ...``; ``rnn.l0.reverse.input``
    LSTM                  ``rnn.l0.input.i`` and ``.f .g .o``, the same with ``state``; ``rnn.l0.proj``
    GRU                   ``rnn.l0.input.r`` and ``.z .n``, the same with ``state``
    second use            ``fc1@2``, with the origin of ``fc1``: operations change both as one matrix
    bare parameter        its own name, if the trace sees it in ``F.linear`` or a product
    ====================  =====================================================================================

    An element-wise step, a dropout, a normalisation, a reshaping, a pooling of copies keep a part. What is used in
    nothing but a sum shares the part of the sum; a residual stream, used elsewhere too, gets an "identity" link. A
    product of two different parts is a part of its own with a "gate" link from each. Attention mixes places, not
    neurons: queries and keys end, and the values' part is read by the output projection. Columns that are copies or
    slices of other neurons are a part of their own, joined by "replica" links whose index is -1 where a column is no
    copy; with ``conv="unrolled"`` a pooled map is such a part, with one link for each place in the window. After any
    other step the next block has a source part of its own.

    Without ``example_input`` an ``nn.Sequential`` is taken at its word, also where a model runs its children in another
    way; pass an example for such a model.

    Cost: one copy of the weights, a few passes over them, and, with ``example_input``, one run of the model with an
    integer array beside each activation. A function that the trace does not see (a custom C++ operator, a library
    without ``__torch_function__``) ends a part.

    References
    ----------
    .. [1] K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document
       processing", IWFHR 2006: the matrix that ``conv="entry"`` takes from a kernel.

    Examples
    --------
    >>> import torch
    >>> import nngraph as nng
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> G = nng.from_torch(model)
    >>> [part.name for part in G.parts], G.n_edges
    (['input', '0', '2'], 18)
    """
    _check_options(zeros, conv, conv_statistic)
    model = unwrap(model)
    found, skipped, loose = find_layers(model, layers, traced=example_input is not None)
    convolutions = [layer.name for layer in found if layer.kind == "convolution"]
    if convolutions and conv is None:
        options = "; ".join(f"conv={name!r}: {what}" for name, what in _POLICIES.items())
        raise ArgumentError(f"module '{convolutions[0]}': a convolution needs a named policy. Choose {options}.")
    if convolutions and conv == "unrolled" and example_input is None:
        raise ArgumentError("conv='unrolled': needs example_input, which gives the number of pixels.")
    if example_input is None:
        wiring, linked = sequential(model, found, conv)
        how = "sequential" if linked else "unlinked"
    else:
        wiring, how = trace(model, found, loose, example_input, conv), "traced"
        _add_uncalled(wiring, found, conv)
    if not wiring.uses:
        raise ArgumentError(
            "model: got no module with weights that are edges; "
            + ("; ".join(f"'{s.module}' ({s.kind}): {s.reason}" for s in skipped[:4]) or "it has no parameters")
            + ("" if example_input is not None or not loose else ". Bare parameters are found with example_input=...")
        )
    parts, links, ends = wiring.resolve()
    blocks = _blocks(ends, conv, conv_statistic, zeros)
    used = {id(h.tensor) for use in wiring.uses for h in (use.weight.held, use.weight.bias) if h is not None}
    modules = dict(model.named_modules())
    skipped = [s for s in skipped if s.reason == LEFT_OUT or not _is_used(modules[s.module], used)]
    skipped += _unused(model, loose - used, traced=example_input is not None)
    chosen = layers if layers is None or isinstance(layers, str) else tuple(layers)
    step = Step("from_torch", {"parts": how, "layers": chosen, "conv": conv, "zeros": zeros})
    return NeuralGraph(blocks, parts, links=links, skipped=skipped, history=[step])


def to_torch(G: NeuralGraph, model: nn.Module, *, masks: bool = False) -> nn.Module:
    """Return a copy of the model with the weights of the graph.

    Parameters
    ----------
    G : NeuralGraph
        A graph made from this model, or from one with the same parameters, by :func:`from_torch`; or a graph without
        origins that has the same blocks in the same order. An absent edge is written as 0; a block that was not edited
        is written bit for bit. A block without a bias leaves the model's bias as it is. Weights of a wider type than
        the model's are rounded to it.
    model : torch.nn.Module
        Not changed.
    masks : bool
        Install ``torch.nn.utils.prune`` masks, so that absent edges stay absent when the new model is trained.

    Returns
    -------
    torch.nn.Module
        With the type, device, buffers, hooks and modes of ``model``.

    Raises
    ------
    RoundTripError
        If the graph does not fit the model: other names or shapes, tied blocks or copies of a kernel entry that
        disagree, a channel graph of a convolution, weights beyond the range of the model's type, a model on the meta
        device. Nothing has been written then.

    Notes
    -----
    Cost: a deep copy of the model and one copy of the weights. In a model that is pruned already, masks follow the
    graph.

    Examples
    --------
    >>> import torch
    >>> import nngraph as nng
    >>> model = torch.nn.Linear(3, 2)
    >>> G = nng.from_torch(model)
    >>> H = G.with_weights(-G.weights())
    >>> bool((nng.to_torch(H, model).weight == -model.weight).all())
    True
    """
    unwrap(model)  # refuses what is no module
    # Pruned modules hold their effective weight as a plain tensor, which may be part of an autograd graph.
    memo: dict[int, object] = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in module.__dict__.values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    new = copy.deepcopy(model, memo)
    WriteBack(new, G).write(G)
    if masks:
        install_masks(unwrap(new), G)
    return new


@contextlib.contextmanager
def applied(G: NeuralGraph, model: nn.Module) -> Iterator[nn.Module]:
    """Write the graph's weights into the model for the length of a ``with`` block, then put its own bits back.

    Parameters
    ----------
    G : NeuralGraph
        As for :func:`to_torch`.
    model : torch.nn.Module
        Changed in place; its parameters stay the same objects.

    Yields
    ------
    torch.nn.Module
        The model.

    Raises
    ------
    RoundTripError
        If the graph does not fit the model, before anything is written.

    Notes
    -----
    Cost: the touched parameters are copied once each for keeping, writing and restoring. For many graphs on one
    model a :class:`nngraph.convert.torch.WriteBack` keeps them once, and writes only the blocks that changed.

    Examples
    --------
    >>> import torch
    >>> import nngraph as nng
    >>> model = torch.nn.Linear(3, 2)
    >>> G = nng.from_torch(model)
    >>> with nng.applied(G.with_support(G.weights() > 0), model):
    ...     bool((model.weight >= 0).all())
    True
    """
    writer = WriteBack(model, G)
    try:
        writer.write(G)
        yield model
    finally:
        writer.restore()


# ----------------------------------------------------------------------- parts


def _check_options(zeros: object, conv: object, statistic: object) -> None:
    options = {
        "zeros": (zeros, ("drop", "keep")),
        "conv": (conv, (None, *_POLICIES)),
        "conv_statistic": (statistic, ("sum", "mean_abs", "norm")),
    }
    for name, (value, known) in options.items():
        if value not in known:
            raise ArgumentError(f"{name}: got {value!r}; expected one of {', '.join(map(repr, known))}.")


def _add_uncalled(wiring: Wiring, found: list[Layer], conv: str | None) -> None:
    """Give layers that the trace did not see parts of their own, unless their matrix is in the graph already."""
    used = {id(use.weight.held.tensor) for use in wiring.uses}
    for layer in found:
        if wiring.was_called(layer) or any(id(weight.held.tensor) in used for weight in layer.weights.values()):
            continue
        if layer.kind == "convolution" and conv == "unrolled":
            raise UnsupportedLayerError(
                f"module '{layer.name}': example_input does not reach this convolution, so its number of pixels is not "
                "known. Leave it out with layers=[...], or use conv='entry'."
            )
        wiring.apply(layer, *([None] * (3 if layer.kind == "attention" else 1)))


def _blocks(ends: list[tuple[Use, str, str]], conv: str | None, statistic: Statistic, zeros: Zeros) -> list[Block]:
    made: dict[tuple[object, ...], Block] = {}
    names: dict[str, int] = {}
    blocks = []
    for use, source, target in ends:
        names[use.name] = names.get(use.name, 0) + 1
        name = use.name if names[use.name] == 1 else f"{use.name}@{names[use.name]}"
        origin = use.weight.origin
        key = (id(use.weight.held.tensor), origin.rows, origin.layout, origin.groups, use.space)
        if key in made:
            block = made[key].replace(name=name, source=source, target=target)
            if use.space is None:
                block = block.replace(
                    bias=bias_of(use.weight), origin=dataclasses.replace(origin, layout=_layout(block))
                )
        elif isinstance(use.space, Space):
            block = unrolled_block(use.weight, source, target, name, use.space, zeros)
        elif use.weight.origin.layout == "convolution" and conv == "channel":
            block = channel_block(use.weight, source, target, name, statistic, zeros)
        else:
            block = plain_block(use.weight, source, target, name, zeros)
        made.setdefault(key, block)
        blocks.append(block)
    return blocks


def _layout(block: Block) -> str:
    assert block.origin is not None
    return block.origin.layout


def _is_used(module: nn.Module, used: set[int]) -> bool:
    """Tell whether all of a module's own parameters are in the graph, as the biases of blocks."""
    own = [id(parameter) for parameter in module.parameters(recurse=False)]
    return bool(own) and used.issuperset(own)


def _unused(model: nn.Module, loose: set[int], *, traced: bool) -> list[Skipped]:
    """List the bare parameters that are no blocks."""
    reason = (
        "used in no product or F.linear of the example run; it is added, multiplied, or indexed as it is"
        if traced
        else "belongs to no known layer; pass example_input=... to see how it is used"
    )
    bare = {id(h.tensor): h for h in hold(model).values()}
    return [Skipped(bare[number].name, "Parameter", reason) for number in bare if number in loose]
