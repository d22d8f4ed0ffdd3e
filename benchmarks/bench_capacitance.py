"""beta_eff of 784-400-400-400-10 on 1,000 samples beside one forward and backward pass of the same batch, in turn."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn.utils import prune

import nngraph as nng
from benchmarks._timing import heading, in_turn, row
from nngraph.dynamics import beta_eff, line_graph, line_graph_size, reduction

SIZES = (784, 400, 400, 400, 10)
SAMPLES = 1000
REPEATS = 9
LIMIT = 3.0


def beside_a_pass(dtype: torch.dtype, density: float) -> None:
    model = nng.mlp(SIZES, rng=0)
    if density < 1:
        for layer in model[::2]:
            mask = (torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(0)) < density).float()
            prune.custom_from_mask(layer, "weight", mask)
    model = model.to(dtype)
    x = torch.randn(SAMPLES, SIZES[0], generator=torch.Generator().manual_seed(1), dtype=dtype)
    y = torch.arange(SAMPLES) % SIZES[-1]
    for absolute in (False, True):

        def ours(absolute: bool = absolute) -> None:
            beta_eff(model, x, y, absolute=absolute)

        def bare() -> None:
            model.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()

        pairs = in_turn(ours, bare, repeats=REPEATS)
        share = "complete" if density == 1 else f"{density:.0%} present"
        row(f"{share}, {str(dtype)[6:]}{', absolute' if absolute else ''}", pairs)
        ratio = float(np.median(pairs.ratios))
        print(f"    {'within' if ratio <= LIMIT else 'NOT WITHIN'} {LIMIT:g} times one pass")


def other_variants() -> None:
    model, x = nng.mlp(SIZES, rng=0), np.random.default_rng(0).normal(size=(SAMPLES, SIZES[0]))
    began = time.process_time()
    beta_eff(model, x, np.arange(SAMPLES) % 10, variant="hessian")
    print(f"variant 'hessian': {time.process_time() - began:.2f} s")
    began = time.process_time()
    n = line_graph_size(model)
    print(f"line graph of {n:,} edges: counted in {1e3 * (time.process_time() - began):.1f} ms, not made")


def explicit() -> None:
    """Time the line graph itself, on a network that is small enough for it."""
    model = nng.mlp((64, 40, 40, 40, 10), rng=0).double()
    x, y = np.random.default_rng(0).normal(size=(SAMPLES, 64)), np.arange(SAMPLES) % 10
    began = time.process_time()
    by_graph = reduction(line_graph(model, x, y)).beta_eff
    graph = time.process_time() - began
    began = time.process_time()
    value = beta_eff(model, x, y).value
    closed = time.process_time() - began
    print(
        f"64-40-40-40-10: line graph of {line_graph_size(model):,} edges {graph:.2f} s, closed form {1e3 * closed:.1f} "
        f"ms, difference {abs(by_graph - value):.0e}"
    )


def main() -> None:
    """Run all parts."""
    heading("one probe batch, ms")
    for density in (1.0, 0.1):
        for dtype in (torch.float32, torch.float64):
            beside_a_pass(dtype, density)
    other_variants()
    explicit()


if __name__ == "__main__":
    main()
