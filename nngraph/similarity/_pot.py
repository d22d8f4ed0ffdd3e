"""Gromov-Wasserstein by POT: other sizes, weights, losses, entropy, features of the points, any distances."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from nngraph._rng import child, generator
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.similarity._permutations import Start, n_random
from nngraph.similarity.plans import coupling

Loss: TypeAlias = Literal["square", "kl"]
TINY = 1e-15
"""What POT adds to distances inside logarithms."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """Two checked distance matrices, weights that sum to 1, and what a coupling of them costs."""

    D1: np.ndarray
    D2: np.ndarray
    weights1: np.ndarray
    weights2: np.ndarray
    loss: Loss = "square"
    epsilon: float | None = None
    features: np.ndarray | None = None
    """(n, m) costs of moving a point onto another; None for distances alone."""
    alpha: float = 1.0
    """The share of the distances in the objective; that of the features is 1 - alpha."""

    @property
    def same_points(self) -> bool:
        """Whether the identity is a coupling."""
        one, two = self.weights1, self.weights2
        return len(one) == len(two) and np.allclose(one, two, rtol=1e-12, atol=0)


@dataclasses.dataclass(frozen=True, eq=False)
class End:
    """Where one start led."""

    value: float
    coupling: np.ndarray
    plan: np.ndarray | None
    start: str


def solve(problem: Problem, starts: Sequence[Start], seed: np.random.SeedSequence) -> End:
    """Return the best end of the starts, the first of equal ones."""
    ends = [_end(problem, name, T) for name, T in _beginnings(problem, starts, seed)]
    if not ends:
        raise ArgumentError(
            f"starts: got {tuple(starts)!r} where POT solves; expected 'product' or 'random:k' among them, or "
            "'identity' for points of equal number and weights."
        )
    return min(ends, key=lambda end: end.value)


def objective(problem: Problem, T: np.ndarray) -> float:
    """Return what a coupling costs, without entropy."""
    A, B, one, two = problem.D1, problem.D2, T.sum(1), T.sum(0)
    if problem.loss == "square":
        value = one @ A**2 @ one + two @ B**2 @ two - 2 * np.vdot(A @ T @ B, T)
    else:
        logs = np.log(B + TINY)
        value = one @ (A * np.log(A + TINY) - A) @ one + two @ B @ two - np.vdot(A @ T @ logs, T)
    if problem.features is None:
        return float(value)
    return float(problem.alpha * value + (1 - problem.alpha) * np.vdot(problem.features, T))


def _beginnings(
    problem: Problem, starts: Sequence[Start], seed: np.random.SeedSequence
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a name and a coupling for every search."""
    import ot

    one, two = problem.weights1, problem.weights2
    for start in starts:
        if isinstance(start, np.ndarray):
            if not problem.same_points:
                raise ArgumentError(
                    "starts: got a permutation for points of different number or weights; expected names."
                )
            T = coupling(start) * (len(one) * one)[:, None]
            if not np.allclose(T.sum(0), two, rtol=1e-12, atol=0):
                raise ArgumentError("starts: got a permutation that does not carry weights1 to weights2.")
            yield "given", T
        elif start == "product":
            yield start, np.outer(one, two)
        elif start == "identity":
            if problem.same_points:
                yield start, np.diag(one)
        elif n_random(start):
            for k in range(n_random(start)):
                costs = generator(child(seed, "start", k)).random((len(one), len(two)))
                yield f"random:{k}", ot.emd(one, two, costs)


def _end(problem: Problem, name: str, start: np.ndarray) -> End:
    """Run POT from one coupling and check what comes back."""
    # POT's absolute tolerance and its exact transport want squares near 1, whatever the units of the distances
    scale = (np.sqrt(problem.D1.mean() * problem.D2.mean()) or 1.0) if problem.loss == "square" else 1.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        T = np.asarray(_run(problem, start, scale), dtype=np.float64)
    for warning in caught:
        _log.info("POT from the start %s: %s", name, warning.message)
    one, two = problem.weights1, problem.weights2
    off = max(np.abs(T.sum(1) - one).sum(), np.abs(T.sum(0) - two).sum())
    if not (off <= (1e-3 if problem.epsilon else 1e-7) and T.min() >= 0):  # NaN too
        said = f" It warned: {caught[-1].message}" if caught else ""
        raise ConvergenceError(
            f"POT, from the start {name!r}: its plan misses the weights by {off:.1g} of their total 1. Try another "
            f"start{', a larger epsilon' if problem.epsilon else ''}, or smaller weights left out.{said}"
        )
    n, plan = len(one), None
    if T.shape == (n, n) and np.allclose(T.max(1) * n, 1, rtol=0, atol=1e-9) and len(set(T.argmax(1))) == n:
        plan = T.argmax(1).astype(np.int64)
    return End(objective(problem, T), T, plan, name)


def _run(problem: Problem, start: np.ndarray, scale: float) -> Any:
    import ot

    A, B = problem.D1 / scale, problem.D2 / scale
    options: dict[str, Any] = {"loss_fun": "square_loss" if problem.loss == "square" else "kl_loss"}
    options |= {"p": problem.weights1, "q": problem.weights2, "G0": start}
    if problem.features is not None:
        M = problem.features / scale**2
        return ot.gromov.fused_gromov_wasserstein(M, A, B, alpha=problem.alpha, **options)
    if problem.epsilon is not None:
        return ot.gromov.entropic_gromov_wasserstein(A, B, epsilon=problem.epsilon / scale**2, **options)
    return ot.gromov.gromov_wasserstein(A, B, **options)
