"""The partition function of a restricted Boltzmann machine: all states summed, or annealed importance sampling."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from nngraph._rng import child, generator

__all__ = ["LARGEST_SUM", "LogPartition", "annealed", "logistic", "softplus", "summed"]

LARGEST_SUM = 20
"""Units of the smaller side up to which all of its states are summed: a million."""


@dataclasses.dataclass(frozen=True)
class LogPartition:
    """The logarithm of a partition function, in nats."""

    value: float
    """log Z."""
    error: float
    """Standard error of the value over the chains, by the delta method; 0 where all states were summed."""
    effective: float
    """Effective number of chains, 1 to their number; infinite where all states were summed."""
    exact: bool
    """Whether all states were summed."""


def logistic(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow, in the dtype of x."""
    half: np.ndarray = np.multiply(x, 0.5)
    np.tanh(half, out=half)
    half += 1
    half *= 0.5
    return half


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x)) in float64, without overflow."""
    x = x.astype(np.float64, copy=False)
    larger: np.ndarray = np.maximum(x, 0)
    larger += np.log1p(np.exp(-np.abs(x)))
    return larger


def summed(weights: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray) -> LogPartition:
    """Sum over all states of the smaller side; the other side factorises."""
    if weights.shape[0] > weights.shape[1]:
        weights, visible_bias, hidden_bias = weights.T, hidden_bias, visible_bias
    w, b, c = (array.astype(np.float64) for array in (weights, visible_bias, hidden_bias))
    n, low = len(c), min(len(c), 10)
    bits = ((np.arange(2**low)[:, None] >> np.arange(low)) & 1).astype(np.float64)
    base, shift = bits @ c[:low], bits @ w[:low]
    parts = []
    for rest in range(2 ** (n - low)):
        state = ((rest >> np.arange(n - low)) & 1).astype(np.float64)
        free = base + state @ c[low:] + softplus(shift + (b + state @ w[low:])).sum(axis=1)
        parts.append(np.logaddexp.reduce(free))
    return LogPartition(float(np.logaddexp.reduce(parts)), 0.0, math.inf, exact=True)


def annealed(
    machine: tuple[np.ndarray, np.ndarray, np.ndarray],
    base: np.ndarray,
    *,
    n_chains: int,
    n_temperatures: int,
    seed: np.random.SeedSequence,
) -> LogPartition:
    """Anneal chains from independent visible units of bias ``base`` to a machine: weights, visible, hidden biases."""
    w, b, c = (np.ascontiguousarray(array, dtype=np.float32) for array in machine)
    base = base.astype(np.float32)
    draw = generator(child(seed, "annealing"))
    visible = (draw.random((n_chains, len(b)), dtype=np.float32) < logistic(base)).astype(np.float32)
    log_weight = np.zeros(n_chains)
    for before, beta in itertools.pairwise(np.linspace(0, 1, n_temperatures + 1)):
        field = visible @ w.T + c
        log_weight += (beta - before) * (visible @ (b - base)).astype(np.float64)
        log_weight += (softplus(beta * field) - softplus(before * field)).sum(axis=1)
        mean = logistic(np.float32(beta) * field)
        hidden = (draw.random(mean.shape, dtype=np.float32) < mean).astype(np.float32)
        mean = logistic(np.float32(1 - beta) * base + np.float32(beta) * (b + hidden @ w))
        visible = (draw.random(mean.shape, dtype=np.float32) < mean).astype(np.float32)
    start = len(c) * math.log(2) + float(softplus(base).sum())
    largest = float(log_weight.max())
    ratios = np.exp(log_weight - largest)
    return LogPartition(
        start + largest + math.log(ratios.mean()),
        float(ratios.std(ddof=1) / ratios.mean()) / math.sqrt(n_chains),
        float(ratios.sum() ** 2 / np.square(ratios).sum()),
        exact=False,
    )
