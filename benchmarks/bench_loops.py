"""The two inner loops of a study, each beside the loop a researcher writes by hand: prune sweep and null ensemble."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

import nngraph as nng
from benchmarks._timing import heading, in_turn, row
from nngraph.evaluation import Evaluator
from nngraph.training import mlp, single_thread

NETS = {"784-64-2": ((784, 64, 2), 15, 50), "784-1000-1000-10": ((784, 1000, 1000, 10), 5, 3)}
"""Sizes, repeats, and null samples in one repeat."""
FRACTIONS = np.linspace(0, 0.95, 20)


def matrices(model: torch.nn.Module) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for name, p in model.named_parameters() if name.endswith("weight")]


def network(sizes: tuple[int, ...]) -> torch.nn.Sequential:
    """Make a network without ties in magnitude: which of two equal weights goes first is the library's own rule."""
    rng = np.random.default_rng(0)
    model = mlp(sizes, rng=0)
    with torch.no_grad():
        for parameter in model.parameters():
            n = parameter.numel()
            values = rng.permutation(np.arange(1, n + 1) / n) * rng.choice([-1, 1], n) / np.sqrt(sizes[0])
            parameter.copy_(torch.from_numpy(values.reshape(parameter.shape)))
    return model


# ------------------------------------------------------------------ prune sweep


def prune_sweep(model: torch.nn.Module, x: np.ndarray, y: np.ndarray) -> list[float]:
    G = nng.from_torch(model)
    with Evaluator(model, (x, y)) as evaluator:
        return [evaluator.score(nng.ops.prune(G, fraction))["accuracy"] for fraction in FRACTIONS]


def prune_sweep_by_hand(model: torch.nn.Module, x: np.ndarray, y: np.ndarray) -> list[float]:
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    parameters = [p for name, p in model.named_parameters() if name.endswith("weight")]
    weights = matrices(model)
    accuracies = []
    with torch.no_grad():
        for fraction in FRACTIONS:
            for parameter, W in zip(parameters, weights, strict=True):
                pruned = W.copy()
                n = round(fraction * W.size)
                if n:
                    pruned.ravel()[np.argpartition(np.abs(W).ravel(), n - 1)[:n]] = 0
                parameter.copy_(torch.from_numpy(pruned))
            accuracies.append(int((model(inputs).argmax(1) == labels).sum()) / len(labels))
        for parameter, W in zip(parameters, weights, strict=True):
            parameter.copy_(torch.from_numpy(W))
    return accuracies


# --------------------------------------------------------------- null ensembles


def signed_strengths(W: np.ndarray) -> list[np.ndarray]:
    positive, negative = np.clip(W, 0, None), np.clip(W, None, 0)
    return [part.sum(axis=axis) for part in (positive, negative) for axis in (0, 1)]


def ensemble(G: nng.NeuralGraph, kind: str, n: int) -> None:
    for R in nng.nulls.ensemble(G, kind, n=n, rng=7):
        for block in R.blocks:
            signed_strengths(block.dense())


def permuted_by_hand(kind: str, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Return the shortest fast numpy for one draw of a complete matrix (n_target, n_source)."""

    def by_sign(W: np.ndarray) -> np.ndarray:
        out = W.copy()
        for chosen in (W > 0, W < 0):
            out[chosen] = rng.permutation(W[chosen])
        return out

    def within(axis: int) -> Callable[[np.ndarray], np.ndarray]:
        def draw(W: np.ndarray) -> np.ndarray:
            sign = (W > 0).astype(np.float32)
            order = np.argsort(2 * sign + rng.random(W.shape, dtype=np.float32), axis=axis)
            places = np.argsort(sign, axis=axis, kind="stable")
            out = np.empty_like(W)
            np.put_along_axis(out, places, np.take_along_axis(W, order, axis), axis)
            return out

        return draw

    return {
        "A": lambda W: rng.permutation(W.ravel()).reshape(W.shape),
        "B": by_sign,
        "C": lambda W: rng.permuted(W, axis=0),
        "D": lambda W: rng.permuted(W, axis=1),
        "E": within(0),
        "F": within(1),
    }[kind]


def ensemble_by_hand(weights: list[np.ndarray], kind: str, n: int) -> None:
    draw = permuted_by_hand(kind, np.random.Generator(np.random.SFC64(7)))
    for _ in range(n):
        for W in weights:
            signed_strengths(draw(W))


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 784)).astype(np.float32), rng.integers(0, 2, 2000)
    with single_thread():
        heading("ms of CPU per step (graph and set-up included)")
        for name, (sizes, repeats, _) in NETS.items():
            model = network(sizes)
            if prune_sweep(model, x, y) != prune_sweep_by_hand(model, x, y):
                raise SystemExit(f"{name}: the pruned networks' accuracies differ from those of the loop by hand")
            pairs = in_turn(
                lambda model=model: prune_sweep(model, x, y),
                lambda model=model: prune_sweep_by_hand(model, x, y),
                repeats=repeats,
            )
            row(f"prune sweep, {name}, same 20 accuracies", pairs, per=len(FRACTIONS))
        for name, (sizes, repeats, n) in NETS.items():
            model = network(sizes)
            G, weights = nng.from_torch(model), matrices(model)
            for kind in "ABCDEF":
                pairs = in_turn(
                    lambda G=G, kind=kind, n=n: ensemble(G, kind, n),
                    lambda weights=weights, kind=kind, n=n: ensemble_by_hand(weights, kind, n),
                    repeats=min(repeats, 7),
                )
                row(f"null {kind} and signed strengths, {name}", pairs, per=n)


if __name__ == "__main__":
    main()
