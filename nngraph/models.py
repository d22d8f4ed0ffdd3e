"""Two networks whose every step is a module, so that hooks reach it: a small transformer and a residual CNN."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError

__all__ = ["ResNet9", "Transformer", "resnet9", "transformer"]

M = TypeVar("M", bound=nn.Module)


class Attention(nn.Module):
    """Multi-head attention; scores, pattern and mixed values pass through modules of their own."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.scores = nn.Identity()
        """(n, heads, positions, positions) before the mask."""
        self.pattern = nn.Softmax(dim=-1)
        self.mixed = nn.Identity()
        """(n, positions, width): the pattern times the values, head after head."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, positions, width) for the same shape."""
        n, positions, width = x.shape
        shape = (n, positions, self.heads, width // self.heads)
        q, k, v = (part(x).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = self.scores(q @ k.transpose(2, 3) / math.sqrt(shape[-1]))
        if self.causal:
            later = torch.ones(positions, positions, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        mixed = self.pattern(scores) @ v
        out: torch.Tensor = self.out(self.mixed(mixed.transpose(1, 2).reshape(n, positions, width)))
        return out


class TransformerBlock(nn.Module):
    """Attention and a two-layer perceptron, each added to the residual stream."""

    def __init__(self, width: int, heads: int, hidden: int, *, causal: bool, norm: bool) -> None:
        super().__init__()
        self.resid_pre, self.resid_mid, self.resid_post = (nn.Identity() for _ in range(3))
        self.norm1, self.norm2 = (nn.LayerNorm(width) if norm else nn.Identity() for _ in range(2))
        self.attention = Attention(width, heads, causal=causal)
        self.pre, self.post, self.mlp_out = nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, positions, width) for the same shape."""
        x = self.resid_pre(x)
        x = self.resid_mid(x + self.attention(self.norm1(x)))
        out: torch.Tensor = self.resid_post(x + self.mlp_out(self.post(self.pre(self.norm2(x)))))
        return out


class Transformer(nn.Module):
    """Tokens (n, positions) to logits (n, positions, outputs); see :func:`transformer`."""

    def __init__(
        self, vocabulary: int, positions: int, width: int, depth: int, heads: int, hidden: int, outputs: int,
        *, causal: bool, norm: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embedding, self.position = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, hidden, causal=causal, norm=norm) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.unembedding = nn.Linear(width, outputs)

    def stream(self, tokens: torch.Tensor, *, depth: int | None = None) -> torch.Tensor:
        """Return the residual stream (n, positions, width) behind the first ``depth`` blocks; all by default."""
        x = self.embedding(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        for block in list(self.blocks)[:depth]:
            x = block(x)
        stream: torch.Tensor = x
        return stream

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits at every position."""
        logits: torch.Tensor = self.unembedding(self.norm(self.stream(tokens)))
        return logits


def transformer(
    vocabulary: int,
    positions: int,
    *,
    width: int = 128,
    depth: int = 3,
    heads: int = 4,
    hidden: int | None = None,
    outputs: int | None = None,
    causal: bool = True,
    norm: bool = False,
    rng: RNG = None,
) -> Transformer:
    """Make a small transformer whose queries, scores, patterns and streams are all outputs of named modules.

    Parameters
    ----------
    vocabulary, positions : int
        Number of tokens that are known, and the longest sequence.
    width : int
        Of the residual stream; a multiple of ``heads``.
    depth : int
        Number of blocks.
    heads : int
        Attention heads of each block.
    hidden : int, optional
        Width of the perceptron in each block; by default 4 * width.
    outputs : int, optional
        Number of logits at each position; by default the vocabulary.
    causal : bool
        Whether a position sees only itself and those before it.
    norm : bool
        Whether there is a LayerNorm in front of attention, perceptron and unembedding. The networks of the modular
        sums have none.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same bits; torch's global generator is neither read nor moved.

    Returns
    -------
    Transformer
        float32, in evaluation mode. Weights are normal with standard deviation 1 / sqrt(fan in), embeddings with
        1 / sqrt(width), biases 0.

    Raises
    ------
    ArgumentError
        If a size is below 1 or heads do not divide the width.

    Examples
    --------
    >>> import torch
    >>> model = transformer(59, 2, depth=1, rng=7)
    >>> tuple(model(torch.tensor([[3, 58]])).shape)
    (1, 2, 59)
    """
    sizes = {"vocabulary": vocabulary, "positions": positions, "width": width, "depth": depth, "heads": heads}
    sizes |= {"hidden": 4 * width if hidden is None else hidden, "outputs": vocabulary if outputs is None else outputs}
    _check_sizes("transformer", sizes)
    if width % heads:
        raise ArgumentError(f"heads: got {heads} for the width {width}; expected a number that divides it.")
    with torch.random.fork_rng(devices=[]):
        model = Transformer(**sizes, causal=causal, norm=norm)
    return _initialized(model, rng, "transformer")


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU, and max pooling where asked for."""

    def __init__(self, n_in: int, n_out: int, *, kernel: int = 3, stride: int = 1, pool: nn.Module | None = None):
        modules: dict[str, nn.Module] = {
            "conv": nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False),
            "norm": nn.BatchNorm2d(n_out),
            "relu": nn.ReLU(),
        }
        if pool is not None:
            modules["pool"] = pool
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


class ResNet9(nn.Module):
    """Images (n, channels, height, width) to logits; see :func:`resnet9`."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        w = width
        self.units = nn.ModuleList(
            [
                ConvUnit(channels, w),
                ConvUnit(w, 2 * w, kernel=5, stride=2),
                ConvUnit(2 * w, 2 * w),
                ConvUnit(2 * w, 2 * w),
                ConvUnit(2 * w, 4 * w, pool=nn.MaxPool2d(2)),
                ConvUnit(4 * w, 4 * w),
                ConvUnit(4 * w, 4 * w),
                ConvUnit(4 * w, 2 * w, pool=nn.AdaptiveMaxPool2d(1)),
            ]
        )
        self.linear = nn.Linear(2 * w, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) logits."""
        u = self.units
        x = u[1](u[0](x))
        x = x + u[3](u[2](x))
        x = u[4](x)
        x = x + u[6](u[5](x))
        logits: torch.Tensor = self.linear(u[7](x).flatten(1))
        return logits


def resnet9(channels: int = 3, classes: int = 10, *, width: int = 64, rng: RNG = None) -> ResNet9:
    """Make the residual CNN of 27 taps: 8 units of convolution, batch normalisation and ReLU, 2 pools, 1 linear layer.

    Parameters
    ----------
    channels, classes : int
        Of the images and of the answers.
    width : int
        Channels of the first unit; the next have 2, 2, 2, 4, 4, 4 and 2 times as many. 64 as published.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same bits; torch's global generator is neither read nor moved.

    Returns
    -------
    ResNet9
        float32, in evaluation mode, weights normal with standard deviation sqrt(2 / fan in). The second unit has a
        5x5 kernel and stride 2; units 2-3 and 5-6 are residual; there are max pools behind units 4 and 7.

    Raises
    ------
    ArgumentError
        If a size is below 1.

    Examples
    --------
    >>> import torch
    >>> tuple(resnet9(1, 10, width=8, rng=7)(torch.zeros(2, 1, 28, 28)).shape)
    (2, 10)
    """
    _check_sizes("resnet9", {"channels": channels, "classes": classes, "width": width})
    with torch.random.fork_rng(devices=[]):
        model = ResNet9(channels, classes, width)
    return _initialized(model, rng, "resnet9")


def _check_sizes(where: str, sizes: dict[str, int]) -> None:
    for name, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ArgumentError(f"{where}: got {name}={n!r}; expected an integer of at least 1.")


def _initialized(model: M, rng: RNG, name: str) -> M:
    """Draw weights with the gain of the kind of layer from a generator of the model's own; biases become 0."""
    draw = generator(child(seed_sequence(rng), name))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Embedding, nn.Conv2d)):
                weight = module.weight
                scale = math.sqrt((2 if isinstance(module, nn.Conv2d) else 1) / weight[0].numel())
                weight.copy_(torch.from_numpy(draw.standard_normal(tuple(weight.shape), dtype=np.float32) * scale))
            if isinstance(module, nn.Linear):
                module.bias.zero_()
    return model.eval()
