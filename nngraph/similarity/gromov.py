"""Gromov-Wasserstein distances between two distance matrices: the best coupling found, and what bounds it."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from nngraph._rng import RNG, seed_sequence
from nngraph.errors import ArgumentError, SimilarityWarning
from nngraph.similarity import _gromov_arguments as _arguments
from nngraph.similarity import _pot
from nngraph.similarity._permutations import Distances, Start, cost, lower, solve
from nngraph.similarity.plans import coupling

__all__ = ["Transport", "fused_gromov_wasserstein", "gromov_wasserstein", "lower_bound"]

Method: TypeAlias = Literal["auto", "permutations", "POT"]


@dataclasses.dataclass(frozen=True, eq=False)
class Transport:
    """A coupling of two sets of points, its objective, and bounds of the best one."""

    value: float
    """The objective: a sum of squares for the square loss. The best found, so a bound from above."""
    plan: np.ndarray | None
    """(n,) int64, point i goes to point plan[i], where the coupling is a permutation; else None."""
    start: str
    """The start that led here: "product", "identity", "local", "midpoint", "random:0", ..., or "given"."""
    lower: float
    """A bound of the objective from below, by sorted distances; NaN where there is none (loss "kl")."""
    identity: float
    """The objective of leaving every point where it is; NaN where sizes or weights differ."""
    method: str
    """"permutations" or "POT"."""
    dense: np.ndarray | None = dataclasses.field(default=None, repr=False)
    """(n, m) masses where the coupling is no permutation; see :meth:`coupling`."""

    @property
    def root(self) -> float:
        """The square root of the value: for the square loss a metric, once the value is the least."""
        return math.sqrt(max(self.value, 0.0))

    def coupling(self) -> np.ndarray:
        """Return the (n, m) masses that go from every point to every other; they sum to 1."""
        if self.plan is None:
            assert self.dense is not None
            return self.dense.copy()
        return coupling(self.plan)


def gromov_wasserstein(
    D1: object,
    D2: object,
    *,
    weights1: object = None,
    weights2: object = None,
    starts: Sequence[Start] = ("product", "identity"),
    swaps: bool = True,
    loss: _pot.Loss = "square",
    epsilon: float | None = None,
    method: Method = "auto",
    rng: RNG = None,
) -> Transport:
    r"""Find a coupling of two sets of points that changes the distances between points little.

    .. math:: \mathrm{GW}(D_1, D_2) = \min_T \sum_{ijkl} (D_1[i, k] - D_2[j, l])^2\, T_{ij} T_{kl}

    over couplings T of the two weights. Distances are taken as they are: divide each by its mean to compare shapes.

    Parameters
    ----------
    D1, D2 : (n, n) and (m, m) array
        Distances: symmetric, not negative, zeros on the diagonal. Integers are taken as floats.
    weights1, weights2 : (n,) and (m,) array, optional
        Masses of the points, divided by their sum; by default uniform.
    starts : sequence of str or (n,) int array
        Where the search begins; the best end is kept. "product" (every point spread over all), "identity" (sample i to
        sample i; left out where sizes or weights differ), "random:k" (k random permutations, or random vertices).
        "local" (points matched by the distribution of their distances) and "midpoint" (between the ends of the first
        two starts, which stand before it) are for permutations, and left out with a warning where POT solves. Or a
        permutation of your own.
    swaps : bool
        Whether a permutation is improved by exchanges of two partners where the conditional gradient stops.
    loss : "square" or "kl"
        What a pair of distances costs; "kl" is a log(a / b) - a + b.
    epsilon : float, optional
        Entropic regularisation, in units of the objective; the value returned is that of the plan without the entropy.
    method : "auto", "permutations" or "POT"
        "auto" takes permutations where they are known to hold an optimum that conditional gradient reaches: as many
        points on both sides, uniform weights, square loss, Euclidean distances, no epsilon; POT elsewhere.
    rng : None, int, SeedSequence or Generator
        For "random:k".

    Returns
    -------
    Transport
        The best coupling found, its ``value`` and ``root``, and the bracket from ``lower`` to ``identity``.

    Raises
    ------
    ArgumentError
        If a matrix is no distance matrix, weights or starts do not fit, or "permutations" cannot apply.
    ConvergenceError
        If POT returns what is no coupling.

    Warns
    -----
    SimilarityWarning
        If only the distances stand against permutations: they are not Euclidean (not conditionally negative definite),
        and POT solves. If starts are left out.

    Notes
    -----
    The problem is not convex: the value is a bound of the minimum from above, ``lower`` one from below. From "product"
    the search takes the steps of POT's default call, each an exact assignment with prices as certificate, so that it
    cannot end above it, ties between assignments aside; then it exchanges partners. From the other starts it takes one
    assignment near the best and then exchanges; these can end above. Where a start ends below all before it, exact
    assignments and exchanges follow in turn, so that of the plan returned no assignment lowers the value, and no
    exchange of two points by more than the rounding of float32 (some 1e-7 of the mean square of the distances).
    Exchanging D1 and D2 gives the same value, unless a start is a permutation given. "local" as a third start finds a
    little more (1 % of the value) for half as much time again.
    From "product" it takes some 5 to 15 assignments and products, of about n^3 operations each; from another start some
    2. The first call of a process loads the compiled code, and the first on a machine compiles it, for a minute or
    less.

    References
    ----------
    .. [1] F. Memoli, "Gromov-Wasserstein distances and the metric approach to object matching", Foundations of
       Computational Mathematics 11, 417-487 (2011).
    .. [2] H. Maron and Y. Lipman, "(Probably) concave graph matching", NeurIPS (2018).
    .. [3] D. P. Bertsekas, "The auction algorithm: a distributed relaxation method for the assignment problem", Annals
       of Operations Research 14, 105-123 (1988).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [7.0, 7.0]])
    >>> y = x[[2, 0, 3, 1]] @ [[0.0, 1.0], [-1.0, 0.0]]  # in another order, and turned
    >>> D = [np.linalg.norm(z[:, None] - z, axis=2) for z in (x, y)]
    >>> found = gromov_wasserstein(*D)
    >>> found.plan, round(found.value, 12), round(found.identity, 2)
    (array([1, 3, 0, 2]), 0.0, 10.99)
    """
    problem = _problem(D1, D2, weights1, weights2, loss, epsilon)
    chosen = _arguments.starts(starts, len(problem.D1))
    seed = seed_sequence(rng)
    if not _by_permutations(problem, method):
        return _by_pot(problem, chosen, seed)
    A, B = (Distances(_arguments.near_one(D)) for D in (problem.D1, problem.D2))
    found = solve(A, B, chosen, swaps=swaps, seed=seed)
    D1, D2 = Distances(problem.D1), Distances(problem.D2)
    return Transport(
        value=cost(D1, D2, found.plan),
        plan=found.plan,
        start=found.start,
        lower=lower(D1, D2),
        identity=cost(D1, D2, np.arange(len(problem.D1))),
        method="permutations",
    )


def fused_gromov_wasserstein(
    D1: object,
    D2: object,
    costs: object,
    *,
    alpha: float = 0.5,
    weights1: object = None,
    weights2: object = None,
    starts: Sequence[Start] = ("product", "identity"),
    loss: _pot.Loss = "square",
    rng: RNG = None,
) -> Transport:
    r"""Find a coupling that changes distances little and moves points onto points that are like them.

    .. math:: \min_T\; (1 - \alpha) \sum_{ij} M_{ij} T_{ij}
              + \alpha \sum_{ijkl} (D_1[i, k] - D_2[j, l])^2\, T_{ij} T_{kl}

    Parameters
    ----------
    D1, D2 : (n, n) and (m, m) array
        Distances, as in :func:`gromov_wasserstein`.
    costs : (n, m) array
        M, the cost of moving a point of the first set onto one of the second.
    alpha : float
        The share of the distances, from 0 to 1.
    weights1, weights2, starts, loss, rng
        As in :func:`gromov_wasserstein`.

    Returns
    -------
    Transport
        The best coupling found, by POT; ``lower`` is NaN.

    Raises
    ------
    ArgumentError
        If a matrix is no distance matrix, or costs, alpha, weights or starts do not fit.
    ConvergenceError
        If POT returns what is no coupling.

    References
    ----------
    .. [1] T. Vayer et al., "Fused Gromov-Wasserstein distance for structured objects", Algorithms 13, 212 (2020).

    Examples
    --------
    >>> import numpy as np
    >>> D = np.abs(np.subtract.outer([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]))  # a line is its own mirror image
    >>> fused_gromov_wasserstein(D, D, costs=np.fliplr(np.eye(3)) < 0.5).plan
    array([2, 1, 0])
    """
    problem = _problem(D1, D2, weights1, weights2, loss, None)
    shape = (len(problem.D1), len(problem.D2))
    M = _arguments.numbers("costs", costs)
    if M.shape != shape:
        raise ArgumentError(f"costs: got the shape {M.shape}; expected {shape}, a row for each point of D1.")
    problem = dataclasses.replace(problem, features=M, alpha=_arguments.share("alpha", alpha))
    return _by_pot(problem, _arguments.starts(starts, shape[0]), seed_sequence(rng))


def lower_bound(D1: object, D2: object, *, weights1: object = None, weights2: object = None) -> float:
    r"""Return what no coupling can go below, from the sorted distances alone (the second lower bound, SLB).

    .. math:: \mathrm{SLB} = \int_0^1 (F_1^{-1}(t) - F_2^{-1}(t))^2\, dt \le \mathrm{GW}(D_1, D_2)

    with F the distribution of the distance of two points drawn by their weights.

    Parameters
    ----------
    D1, D2 : (n, n) and (m, m) array
        Distances, as in :func:`gromov_wasserstein`.
    weights1, weights2 : (n,) and (m,) array, optional
        Masses of the points, divided by their sum; by default uniform.

    Returns
    -------
    float
        In squared units of the distances, as the value of :func:`gromov_wasserstein`.

    Raises
    ------
    ArgumentError
        If a matrix is no distance matrix, or weights do not fit.

    Notes
    -----
    Exact, by sorting n^2 + m^2 distances.

    References
    ----------
    .. [1] F. Memoli, "Gromov-Wasserstein distances and the metric approach to object matching", Foundations of
       Computational Mathematics 11, 417-487 (2011).

    Examples
    --------
    >>> import numpy as np
    >>> round(lower_bound(np.ones((2, 2)) - np.eye(2), 3 * (np.ones((3, 3)) - np.eye(3))), 12)
    3.5
    """
    return _lower(_problem(D1, D2, weights1, weights2, "square", None))


def _lower(problem: _pot.Problem) -> float:
    if len(problem.D1) == len(problem.D2) and _uniform(problem):
        return lower(Distances(problem.D1), Distances(problem.D2))
    values, ends = [], []
    for D, w in ((problem.D1, problem.weights1), (problem.D2, problem.weights2)):
        order = np.argsort(D, axis=None)
        values.append(D.ravel()[order])
        ends.append(np.cumsum(np.outer(w, w).ravel()[order]))
    steps = np.union1d(ends[0] / ends[0][-1], ends[1] / ends[1][-1])
    middles = steps - np.diff(steps, prepend=0) / 2
    one, two = (
        value[np.minimum(np.searchsorted(end, middles * end[-1]), len(end) - 1)]
        for value, end in zip(values, ends, strict=True)
    )
    return float(np.diff(steps, prepend=0) @ (one - two) ** 2)


def _by_pot(problem: _pot.Problem, starts: Sequence[Start], seed: np.random.SeedSequence) -> Transport:
    idle = [start for start in starts if isinstance(start, str) and start in _arguments.PERMUTATIONS_ONLY]
    used = [start for start in starts if isinstance(start, np.ndarray) or start not in idle]
    if idle and used:
        warnings.warn(
            f"starts: {' and '.join(map(repr, idle))} left out: POT solves, and begins at couplings.",
            SimilarityWarning,
            stacklevel=3,
        )
    found = _pot.solve(problem, used or starts, seed)
    square = problem.loss == "square"
    value = found.value
    if square and problem.features is None and found.plan is not None:
        value = cost(Distances(problem.D1), Distances(problem.D2), found.plan)  # by differences, which do not cancel
    return Transport(
        value=value,
        plan=found.plan,
        start=found.start,
        lower=_lower(problem) if square and problem.features is None else math.nan,
        identity=_pot.objective(problem, np.diag(problem.weights1)) if problem.same_points else math.nan,
        method="POT",
        dense=None if found.plan is not None else found.coupling,
    )


def _by_permutations(problem: _pot.Problem, method: Method) -> bool:
    """Return whether permutations solve the problem; say so where it is only the distances that forbid them."""
    if method not in ("auto", "permutations", "POT"):
        raise ArgumentError(f"method: got {method!r}; expected 'auto', 'permutations' or 'POT'.")
    if method == "POT":
        return False
    n, m = len(problem.D1), len(problem.D2)
    obstacles = {
        f"{n} points beside {m}": n != m,
        "weights that are not uniform": not _uniform(problem),
        f"the loss {problem.loss!r}": problem.loss != "square",
        f"epsilon={problem.epsilon}": problem.epsilon is not None,
    }
    found = [what for what, is_there in obstacles.items() if is_there]
    if found and method == "permutations":
        raise ArgumentError(
            f"method: got 'permutations' with {' and '.join(found)}; expected equal numbers of points, uniform "
            "weights, the square loss and no epsilon. Pass method='auto'."
        )
    if found:
        return False
    for name, D in (("D1", problem.D1), ("D2", problem.D2)):
        if not is_euclidean(D):
            warnings.warn(
                f"{name}: is not conditionally negative definite, as Euclidean distances are, so that a coupling that "
                "is no permutation may be better. POT solves instead; method='POT' says so without this warning.",
                SimilarityWarning,
                stacklevel=3,
            )
            return False
    return True


def is_euclidean(D: np.ndarray) -> bool:
    """Return whether x'Dx <= 0 for all x that sum to 0, up to rounding: n^3 / 3 operations."""
    mean = D.mean()
    if mean == 0:
        return True
    n = len(D)
    gram = (D[1:, :1] + D[:1, 1:] - D[1:, 1:]) / mean
    gram[np.diag_indices(n - 1)] += 1e-6 * math.sqrt(n)  # what distances taken in float32 miss it by
    try:
        np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return False
    return True


def _uniform(problem: _pot.Problem) -> bool:
    return all(np.abs(w * len(w) - 1).max() <= 1e-12 for w in (problem.weights1, problem.weights2))


def _problem(
    D1: object, D2: object, weights1: object, weights2: object, loss: _pot.Loss, epsilon: float | None
) -> _pot.Problem:
    A, B = _arguments.distances("D1", D1), _arguments.distances("D2", D2)
    if loss not in ("square", "kl"):
        raise ArgumentError(f"loss: got {loss!r}; expected 'square' or 'kl'.")
    return _pot.Problem(
        A,
        B,
        _arguments.weights("weights1", weights1, len(A)),
        _arguments.weights("weights2", weights2, len(B)),
        loss,
        _arguments.entropy(epsilon),
    )
