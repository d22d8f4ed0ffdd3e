"""Rewiring on the cells of present edges alone: no array of the size of the weight matrix is ever made.

A cell is a place in a (n_target, n_source) matrix, counted row by row; the cells of a support are in ascending order,
which is the order of edges everywhere.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeAlias

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError

Regrowth: TypeAlias = Literal["random", "preferential", "degree"]
Shape: TypeAlias = tuple[int, int]

REGROWTHS = ("random", "preferential", "degree")
FLOOR = 1.0
"""c of preferential regrowth: what is added to every degree, so that a neuron without edges can have one again."""
SWITCHES, MOST_SWEEPS = 10, 200
"""How often, about, each edge is switched in degree-preserving regrowth, and the most sweeps that this may take."""
ASKED = 0.8
"""Share of the pairs that are to switch in a sweep: were it all, few edges would only meet in every other state."""
POOREST = 0.2
"""Share of draws that must be new cells for preferential regrowth to go on by rejection."""


@dataclasses.dataclass(frozen=True, eq=False)
class Exchange:
    """Which edges go and which cells become edges: as many as go."""

    removed: np.ndarray
    """(k,) positions among the edges, ascending."""
    added: np.ndarray
    """(k,) cells, ascending; none is an edge that stays."""
    n_positive: int
    n_negative: int
    """How many of the removed edges weighed more, and less, than 0; the others weighed exactly 0."""
    n_wanted: int
    """How many edges would have gone, had there been free cells enough."""

    def core(self, cells: np.ndarray) -> np.ndarray:
        """Return the cells of the edges that stay, ascending."""
        return np.delete(cells, self.removed)

    def regrown(self, cells: np.ndarray) -> np.ndarray:
        """Return the cells of all edges afterwards, ascending."""
        return np.sort(np.concatenate([self.core(cells), self.added]), kind="stable")


def probability(shape: Shape, epsilon: float) -> float:
    """Return eps (n + m) / (n m), not clipped: the share of cells that are edges of an initial support."""
    return epsilon * (shape[0] + shape[1]) / (shape[0] * shape[1])


def largest_epsilon(shape: Shape) -> float:
    """Return the epsilon at which a layer of this shape is complete."""
    return shape[0] * shape[1] / (shape[0] + shape[1])


def check_epsilon(epsilon: float) -> float:
    """Return epsilon, or say what was expected."""
    return _arguments.number("epsilon", epsilon, "a finite number above 0", lambda x: 0 < x < math.inf)


def initial(shape: Shape, p: float, draw: np.random.Generator) -> np.ndarray:
    """Return the cells of a support in which each cell is an edge with probability p, on its own."""
    n_cells = shape[0] * shape[1]
    n_edges = n_cells if p >= 1 else int(draw.binomial(n_cells, p))
    return _distinct(n_cells, n_edges, draw)  # the number first, then which: the same distribution as cell by cell


def exchange(
    values: np.ndarray, cells: np.ndarray, shape: Shape, zeta: float, regrowth: Regrowth, draw: np.random.Generator
) -> Exchange:
    """Choose which edges of a layer go and which cells become edges; ``values`` are finite, in the order of cells."""
    n_free = shape[0] * shape[1] - len(cells)
    removed, n_positive, n_negative, n_wanted = _removed(values, zeta, n_free)
    core = np.delete(cells, removed)
    if not len(removed):
        added = cells[:0]
    elif regrowth == "random":
        added = _absent(_distinct(n_free + len(removed), len(removed), draw), core)
    elif regrowth == "preferential":
        added = _preferential(core, len(removed), shape, draw)
    else:
        added = _switched(core, cells[removed], shape, draw)
    return Exchange(removed, added, n_positive, n_negative, n_wanted)


def check_values(values: np.ndarray) -> None:
    """Refuse weights of which the smallest cannot be told."""
    if not np.isfinite(values).all():
        n = int(np.count_nonzero(~np.isfinite(values)))
        raise ArgumentError(
            f"weights: got {n} present weights that are NaN or infinite; expected finite ones. Rewire before training "
            "diverges, for example with a smaller learning rate."
        )


# --------------------------------------------------------------------- removal


def _removed(values: np.ndarray, zeta: float, n_free: int) -> tuple[np.ndarray, int, int, int]:
    """Return positions of the edges that go, how many weighed more and less than 0, and how many were to go."""
    zeros, positive, negative = (np.flatnonzero(side) for side in (values == 0, values > 0, values < 0))
    n_positive, n_negative = (_budget(zeta, len(side)) for side in (positive, negative))
    n_wanted = len(zeros) + n_positive + n_negative
    if n_wanted > n_free:  # fewer free cells than edges that would go: zeros first, the signs in proportion
        zeros = zeros[:n_free]
        rest, both = n_free - len(zeros), n_positive + n_negative
        if rest < both:
            n_positive = rest * n_positive // both
            n_negative = rest - n_positive
    going = [
        zeros,
        positive[_smallest(values[positive], n_positive)],
        negative[_smallest(-values[negative], n_negative)],
    ]
    return np.sort(np.concatenate(going)), n_positive, n_negative, n_wanted


def _budget(zeta: float, n: int) -> int:
    """Return floor(zeta n), with zeta the decimal number that it is written as: .3 of 10 is 3, .7 of 10 is 7."""
    return math.floor(round(zeta * n, 9))


def _smallest(sizes: np.ndarray, n: int) -> np.ndarray:
    """Return positions of the n smallest, exactly n; of those that tie the first in order go."""
    if n == 0:
        return np.empty(0, dtype=np.int64)
    last = np.partition(sizes, n - 1)[n - 1]
    below = np.flatnonzero(sizes < last)
    return np.concatenate([below, np.flatnonzero(sizes == last)[: n - len(below)]])


# -------------------------------------------------------------------- regrowth


def _distinct(n: int, k: int, draw: np.random.Generator) -> np.ndarray:
    """Return k of the numbers 0 to n - 1, each set of k equally likely, ascending."""
    return np.sort(draw.choice(n, size=k, replace=False, shuffle=False))


def _absent(ranks: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the cells that are the ranks-th of those absent from ``cells``, without listing the absent ones."""
    absent_before = cells - np.arange(len(cells))
    found: np.ndarray = ranks + np.searchsorted(absent_before, ranks, side="right")
    return found


def is_in(cells: np.ndarray, sought: np.ndarray) -> np.ndarray:
    """Tell of each cell sought whether it is among ``cells``, which ascend."""
    if not len(cells):
        return np.zeros(len(sought), dtype=bool)
    places = np.minimum(np.searchsorted(cells, sought), len(cells) - 1)
    found: np.ndarray = cells[places] == sought
    return found


def _preferential(core: np.ndarray, k: int, shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Return k absent cells drawn one after the other, each with probability in proportion to its weight.

    A draw of target and source by themselves that meets an edge, or a cell drawn before, is thrown away, which leaves
    the others as likely as they should be. Where most draws are thrown away, what is missing is drawn from a list.
    """
    n_source = shape[1]
    weights = [
        np.bincount(ends, minlength=n) + FLOOR
        for ends, n in zip((core // n_source, core % n_source), shape, strict=True)
    ]
    totals = [np.cumsum(w) for w in weights]
    taken, added = core, np.empty(0, dtype=np.int64)
    while len(added) < k:
        n = 2 * (k - len(added)) + 16
        ends = [np.searchsorted(total, draw.random(n) * total[-1], side="right") for total in totals]
        drawn = ends[0] * n_source + ends[1]
        _, first = np.unique(drawn, return_index=True)
        drawn = drawn[np.sort(first)]  # in the order in which they were drawn
        fresh = drawn[~is_in(taken, drawn)]
        added = np.concatenate([added, fresh[: k - len(added)]])
        taken = np.sort(np.concatenate([core, added]))
        if len(fresh) < POOREST * n:
            break
    if len(added) < k:
        left = _absent(np.arange(shape[0] * n_source - len(taken)), taken)
        waits = draw.exponential(size=len(left)) / (weights[0][left // n_source] * weights[1][left % n_source])
        added = np.concatenate([added, left[np.argpartition(waits, k - len(added) - 1)[: k - len(added)]]])
    return np.sort(added)


def _switched(core: np.ndarray, removed: np.ndarray, shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Return as many absent cells as were removed, with the same number in every row and in every column.

    The removed edges are themselves such cells. They are paired at random and exchange sources, unless that meets an
    edge or another pair; what a pair meets is the same on the way back, so that all sets of cells are equally likely
    in the long run.
    """
    n_source, n_pairs = shape[1], len(removed) // 2
    cells = removed.copy()
    free_share = 1 - (len(core) + len(cells)) / (shape[0] * n_source)
    n_sweeps = min(math.ceil(SWITCHES / max(free_share, 0.01) ** 2), MOST_SWEEPS)  # a switch needs two free cells
    for _ in range(n_sweeps):
        order = draw.permutation(len(cells))
        asked = draw.random(n_pairs) < ASKED
        one, other = order[:n_pairs][asked], order[n_pairs : 2 * n_pairs][asked]
        shift = cells[other] % n_source - cells[one] % n_source
        new = np.concatenate([cells[one] + shift, cells[other] - shift])
        every = np.concatenate([new, cells])
        ranked = np.sort(every)
        twice = ranked[1:][ranked[1:] == ranked[:-1]]
        met = is_in(twice, every) | np.concatenate([is_in(core, new), np.zeros(len(cells), dtype=bool)])
        (of_one, of_other), of_old = np.split(met[: len(new)], 2), met[len(new) :]
        free = ~(of_one | of_other | of_old[one] | of_old[other])
        cells[one[free]], cells[other[free]] = new[: len(one)][free], new[len(one) :][free]
    return np.sort(cells)
