"""Where to tap a model: one tap, and the sets of taps of the models that are known."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    from torch import nn

    from nngraph.models import ResNet9, Transformer, TransformerBlock

Kind: TypeAlias = Literal["auto", "features", "tokens", "image", "attention"]
Tokens: TypeAlias = Literal["flatten", "mean", "first", "last"]


@dataclasses.dataclass(frozen=True)
class Tap:
    """One place in a model whose values are taken, and what the axes of these values are.

    Examples
    --------
    >>> Tap("blocks.0.attention.key", kind="tokens", head=1, heads=4).module
    'blocks.0.attention.key'
    """

    module: str
    """Dotted name of a module as in ``model.named_modules()``."""
    side: Literal["output", "input"] = "output"
    """What is taken: the module's output, or its first input, where a sum that no module makes is within reach."""
    item: int | str | None = None
    """Which entry of a tuple or mapping; by default its first tensor."""
    kind: Kind = "auto"
    """Axes behind that of the samples: "features" (any), "tokens" (positions, d), "image" (channels, height, width),
    "attention" (heads, queries, keys); "auto" goes by their number: 1 features, 2 tokens, 3 or more an image."""
    head: int | None = None
    """One attention head only: of the second axis for "attention", else of the last, which holds head after head."""
    heads: int | None = None
    """Number of heads in the last axis; needed with ``head`` unless the kind is "attention"."""
    causal: bool = False
    """Leave out the entries of an attention map whose key is later than their query."""

    def __post_init__(self) -> None:
        kinds, sides = ("auto", "features", "tokens", "image", "attention"), ("output", "input")
        if self.kind not in kinds or self.side not in sides:
            raise ArgumentError(
                f"Tap of {self.module!r}: got kind={self.kind!r} and side={self.side!r}; expected 'auto', 'features', "
                "'tokens', 'image' or 'attention', and 'output' or 'input'."
            )
        if self.head is not None and self.kind != "attention" and not 0 <= self.head < (self.heads or 0):
            raise ArgumentError(
                f"Tap of {self.module!r}: got head={self.head} of heads={self.heads}; expected a head from 0 and the "
                "number of heads in the last axis."
            )


@dataclasses.dataclass(frozen=True)
class TapSet:
    """Taps by name, in the order of the model, and the rule for their token axis where the user gives none."""

    taps: dict[str, Tap]
    tokens: Tokens = "flatten"


def tap_set(model: nn.Module, taps: str | Iterable[str] | Mapping[str, Tap | str]) -> TapSet:
    """Return the taps that the argument ``taps`` asks for, every one of a module that the model has."""
    auto, blocks = _known(model, "auto"), _known(model, "blocks")
    known = blocks.taps | auto.taps if auto and blocks else {}
    tokens: Tokens = auto.tokens if auto else "flatten"
    if isinstance(taps, str) and taps in ("auto", "blocks", "all"):
        found = {"auto": auto, "blocks": blocks, "all": TapSet(_leaves(model))}[taps]
        if found is None:
            raise ArgumentError(
                f"taps: got {taps!r} for a {type(model).__name__}, whose layers are not known here; expected a list of "
                "names of modules (see model.named_modules()), a mapping of names to Tap, or 'all' for every module "
                "without children."
            )
        chosen = found.taps
    elif isinstance(taps, Mapping):
        chosen = {
            str(name): tap if isinstance(tap, Tap) else known.get(str(tap), Tap(str(tap))) for name, tap in taps.items()
        }
    elif not isinstance(taps, Iterable):
        raise ArgumentError(f"taps: got {taps!r}; expected 'auto', 'blocks', 'all', names of taps, or a mapping.")
    else:
        names = [taps] if isinstance(taps, str) else [str(name) for name in taps]
        chosen = {name: known.get(name, Tap(name)) for name in names}
        if len(chosen) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArgumentError(f"taps: got {twice!r} more than once; expected each once.")
    if not chosen:
        raise ArgumentError("taps: got none; expected at least one.")
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, tap in chosen.items():
        if tap.module not in modules:
            candidates = ["auto", "blocks", "all", *known, *filter(None, modules)]
            near = difflib.get_close_matches(tap.module, candidates, n=3, cutoff=0.5)
            hint = f"near names are {', '.join(map(repr, near))}" if near else "see model.named_modules()"
            raise ArgumentError(
                f"taps: got {name!r}, and the {type(model).__name__} has no module {tap.module!r}; {hint}."
            )
    return TapSet(chosen, tokens)


def _known(model: nn.Module, which: str) -> TapSet | None:
    """Return a set of taps of a model whose layers are known, else None."""
    from torch import nn

    from nngraph.models import ResNet9, Transformer

    if isinstance(model, Transformer):
        return TapSet(_transformer(model) if which == "auto" else _transformer_blocks(model))
    if isinstance(model, ResNet9):
        return TapSet(_resnet9(model) if which == "auto" else _resnet9_blocks(model))
    if isinstance(model, nn.Sequential):
        return TapSet(
            _sequential(model) if which == "auto" else {name: Tap(name) for name, _ in model.named_children()}
        )
    return _hugging_face(model)


def _transformer(model: Transformer) -> dict[str, Tap]:
    """Return the taps of the paper in its order: 7 + 6 * heads in each block, 31 for 4 heads."""
    taps: dict[str, Tap] = {}
    for i, block in enumerate(model.blocks):
        path, attention = f"blocks.{i}", cast("TransformerBlock", block).attention
        taps[f"{i}.resid_pre"] = Tap(f"{path}.resid_pre", kind="tokens")
        for name, part in _OF_HEADS:
            module = f"{path}.attention.{part}"
            for h in range(attention.heads):
                taps[f"{i}.{name}{h}"] = (
                    Tap(module, kind="attention", head=h, causal=attention.causal and name == "attn_pre")
                    if name in ("attn_pre", "attn")
                    else Tap(module, kind="tokens", head=h, heads=attention.heads)
                )
        taps[f"{i}.attn_out"] = Tap(f"{path}.attention.out", kind="tokens")
        for name in ("resid_mid", "pre", "post", "mlp_out", "resid_post"):
            taps[f"{i}.{name}"] = Tap(f"{path}.{name}", kind="tokens")
    return taps


_OF_HEADS = (
    ("k", "key"), ("q", "query"), ("v", "value"), ("attn_pre", "scores"), ("attn", "pattern"), ("z", "mixed"),
)  # fmt: skip
"""Names of the taps that every head has, and the module of each."""


def _transformer_blocks(model: Transformer) -> dict[str, Tap]:
    taps = {"0": Tap("blocks.0.resid_pre", kind="tokens")}
    return taps | {str(i + 1): Tap(f"blocks.{i}.resid_post", kind="tokens") for i in range(len(model.blocks))}


def _resnet9(model: ResNet9) -> dict[str, Tap]:
    """Return the 27 taps: every step of the 8 units, and the linear layer."""
    taps = {
        f"{i}.{step}": Tap(f"units.{i}.{step}", kind="image")
        for i, unit in enumerate(model.units)
        for step, _ in unit.named_children()
    }
    return taps | {f"{len(model.units)}.linear": Tap("linear", kind="features")}


def _resnet9_blocks(model: ResNet9) -> dict[str, Tap]:
    taps = {str(i): Tap(f"units.{i}", kind="image") for i in range(len(model.units))}
    return taps | {str(len(model.units)): Tap("linear", kind="features")}


def _sequential(model: nn.Module, prefix: str = "") -> dict[str, Tap]:
    """Return every module of a chain, and of the chains within it."""
    from torch import nn

    taps: dict[str, Tap] = {}
    for name, module in model.named_children():
        inner = isinstance(module, nn.Sequential)
        taps |= _sequential(module, f"{prefix}{name}.") if inner else {prefix + name: Tap(prefix + name)}
    return taps


def _leaves(model: nn.Module) -> dict[str, Tap]:
    return {name: Tap(name) for name, module in model.named_modules() if name and not list(module.children())}


_HUGGING_FACE: dict[str, tuple[str, str, Tokens]] = {
    "bert": ("embeddings", "encoder.layer", "first"),
    "distilbert": ("embeddings", "transformer.layer", "first"),
    "gpt2": ("drop", "h", "last"),
}
"""By model type: the module behind the embedding, the list of blocks, and the position that stands for a text."""


def _hugging_face(model: nn.Module) -> TapSet | None:
    """Return the embedding and the blocks of a model of the transformers library: "0" to "L"."""
    from torch import nn

    kind = getattr(getattr(model, "config", None), "model_type", None)
    base = getattr(model, "base_model", None)
    if kind not in _HUGGING_FACE or not isinstance(base, nn.Module):
        return None
    embedding, blocks, tokens = _HUGGING_FACE[kind]
    prefix = next(f"{name}." if name else "" for name, module in model.named_modules() if module is base)
    names = [embedding, *(f"{blocks}.{i}" for i, _ in base.get_submodule(blocks).named_children())]
    return TapSet({str(i): Tap(prefix + name, kind="tokens") for i, name in enumerate(names)}, tokens)
