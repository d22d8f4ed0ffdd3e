"""Kind "maximum_entropy": the canonical ensemble of a signed bipartite graph, its expectations, and draws from it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, overload

import numpy as np

from nngraph._rng import child
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.graph import NeuralGraph
from nngraph.nulls import _moments
from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls._fugacities import Fugacities, Margins, solve
from nngraph.nulls.magnitudes import resampled
from nngraph.stats import _sides

__all__ = ["MaximumEntropy", "draw", "maximum_entropy"]

Statistic: TypeAlias = Literal["degree", "edges", "pairs", "two_paths"]
Side: TypeAlias = Literal["source", "target"]
TILE = 1 << 18
"""Cells that a draw holds at a time."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MaximumEntropy:
    r"""The canonical ensemble of one block: cells are independent, expected signed degrees are the block's own.

    .. math:: p^+_{ij} : p^0_{ij} : p^-_{ij} = x_i y_j : 1 : u_i v_j

    Make one by :func:`maximum_entropy`.

    Attributes
    ----------
    block : Block
        The block it was fitted to.
    residual : float
        Largest difference between an expected and an observed signed degree.
    relative_residual : float
        The same as a share of the degree (of 1 where that is 0).
    n_iterations : int
        Iterations of the fit.
    """

    block: Block
    signs: tuple[int, ...]
    """Signs whose odds are fitted; the other state of a cell, of odds 1, is "no edge", or "-" in a complete block."""
    solution: Fugacities
    degrees: Mapping[str, np.ndarray]
    """Observed "target+", "target-", "source+" and "source-"."""

    def __repr__(self) -> str:
        n_target, n_source = self.block.shape
        return f"MaximumEntropy of block {self.block.name!r}: {n_target}x{n_source}, residual {self.residual:.1g}"

    @property
    def residual(self) -> float:
        """Largest difference between an expected and an observed signed degree."""
        return self.solution.residual

    @property
    def relative_residual(self) -> float:
        """Largest difference between an expected and an observed signed degree, as a share of it (of 1 if it is 0)."""
        return self.solution.relative_residual

    @property
    def n_iterations(self) -> int:
        """Number of iterations of the fit: sweeps over rows and columns, and joint Newton steps."""
        return self.solution.n_iterations

    @property
    def converged(self) -> bool:
        """True: a fit that does not reach its tolerance raises instead."""
        return True

    @property
    def fugacities(self) -> Mapping[str, np.ndarray]:
        """Fugacities x ("target+"), y ("source+"), u ("target-") and v ("source-"), one number per node, read-only.

        0 for a node without edges of that sign, infinite for one that has no other cells. In a complete block u and v
        are 1; the source side has geometric mean 1, since only products count.
        """
        solution, result = self.solution, {}
        complete = self._rest == -1
        for s, sign in ((1, "+"), (-1, "-")):
            for side, nodes, logs, n in (
                ("target", solution.rows, solution.log_rows, self.block.n_source),
                ("source", solution.columns, solution.log_columns, self.block.n_target),
            ):
                if s in self.signs:
                    fugacity = np.exp(logs[self.signs.index(s)])[nodes.of_node]
                    observed = self.degrees[side + sign]
                    fugacity = np.where(observed == 0, 0, np.where(observed == n, np.inf, fugacity))
                else:
                    fugacity = np.full(len(nodes.of_node), float(complete))
                result[side + sign] = read_only(fugacity)
        return MappingProxyType(result)

    @property
    def p_plus(self) -> np.ndarray:
        """(n_target, n_source) probabilities that a pair is joined by a positive edge; made anew at each use."""
        return self.probabilities()[0]

    @property
    def p_minus(self) -> np.ndarray:
        """(n_target, n_source) probabilities that a pair is joined by a negative edge; made anew at each use."""
        return self.probabilities()[1]

    def probabilities(self, targets: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Return p_plus and p_minus of some targets, each (n, n_source): a block too large to hold goes in slices."""
        solution = self.solution
        plus, minus = self._signed(solution.probabilities(solution.rows.of_node[targets]))
        return plus[:, solution.columns.of_node], minus[:, solution.columns.of_node]

    @property
    def _rest(self) -> int:
        """Sign of a cell that is in none of the fitted states; 0 where that is no edge."""
        return -1 if self.block.n_edges == self.block.n_target * self.block.n_source else 0

    def _signed(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities of + and -, given those of the fitted states."""
        nothing = np.zeros(p.shape[1:])
        plus = p[self.signs.index(1)] if 1 in self.signs else nothing
        if self._rest == -1:
            return plus, 1 - plus
        return plus, p[self.signs.index(-1)] if -1 in self.signs else nothing

    def tables(self) -> _moments.Tables:
        """Return the probabilities of + and -, of classes of nodes of equal margins, and the classes."""
        solution = self.solution
        return _moments.Tables(*self._signed(solution.probabilities()), solution.rows, solution.columns)

    # --------------------------------------------------------------- statistics

    def expected(
        self, statistic: Statistic, *, sign: str, side: Side = "target", then: MaximumEntropy | None = None
    ) -> np.ndarray:
        r"""Return the exact expectation of a statistic over the ensemble.

        ============  ==================================  =====================================================
        statistic     sign                                value
        ============  ==================================  =====================================================
        "degree"      "+", "-"                            (n,) signed degrees of the nodes on ``side``
        "edges"       "+", "-"                            () number of edges of that sign
        "pairs"       "++", "--", "+-", "-+", "same",     (n, n) neighbours that two nodes on ``side`` share, with
                      "opposite"                          these signs; on the diagonal a node with itself
        "pairs"       "signed"                            (n, n) the same, less opposite: S S^T of the sign matrix
        "two_paths"   "coherent", "incoherent"            (n_target,) paths over this block and the block ``then``
                                                          through each node between, of equal or opposite signs
        ============  ==================================  =====================================================

        Parameters
        ----------
        statistic, sign : str
            As above.
        side : "target" or "source"
            Which nodes, for "degree" and "pairs".
        then : MaximumEntropy, optional
            For "two_paths": the model of a block that starts from this block's target part.

        Returns
        -------
        numpy.ndarray
            float64.

        Raises
        ------
        ArgumentError
            If a name is unknown, or ``then`` does not follow this block.

        Notes
        -----
        Exact: cells are independent. Degrees and edges cost one pass over the cells of classes of nodes, pairs one
        matrix product of them for each two signs.
        """
        return self._statistic(statistic, sign, side, then).mean()

    def variance(
        self, statistic: Statistic, *, sign: str, side: Side = "target", then: MaximumEntropy | None = None
    ) -> np.ndarray:
        """Return the exact variance over the ensemble of a statistic that :meth:`expected` lists."""
        return self._statistic(statistic, sign, side, then).variance()

    def observed(
        self, statistic: Statistic, *, sign: str, side: Side = "target", then: MaximumEntropy | None = None
    ) -> np.ndarray:
        """Return the value that a statistic of :meth:`expected` has in the block itself."""
        return self._statistic(statistic, sign, side, then).observed()

    def z(
        self, statistic: Statistic, *, sign: str, side: Side = "target", then: MaximumEntropy | None = None
    ) -> np.ndarray:
        """Return (observed - expected) / sd of a statistic of :meth:`expected`; NaN where nothing can vary.

        No draw is made: both moments are exact. Signed degrees are fitted, so theirs are 0 up to the residual.
        """
        found = self._statistic(statistic, sign, side, then)
        variance = found.variance()
        difference = found.observed() - found.mean()
        free = variance > _moments.NO_VARIANCE
        z: np.ndarray = np.divide(difference, np.sqrt(variance), out=np.full_like(variance, np.nan), where=free)
        return z

    def _statistic(
        self, statistic: str, sign: str, side: str, then: MaximumEntropy | None
    ) -> _moments.Degree | _moments.Edges | _moments.Pairs | _moments.TwoPaths:
        if side not in ("source", "target"):
            raise ArgumentError(f"side: got {side!r}; expected 'source' or 'target'.")
        if (then is not None) != (statistic == "two_paths"):
            raise ArgumentError(
                f"then: got {then!r} for the statistic {statistic!r}; 'two_paths' takes the model of the next block, "
                "the others take none."
            )
        if statistic == "degree":
            return _moments.Degree(self, sign, side)
        if statistic == "edges":
            return _moments.Edges(self, sign)
        if statistic == "pairs":
            return _moments.Pairs(self, sign, side)
        if statistic == "two_paths" and then is not None:
            return _moments.TwoPaths(self, then, sign)
        raise ArgumentError(f"statistic: got {statistic!r}; expected 'degree', 'edges', 'pairs' or 'two_paths'.")

    # ------------------------------------------------------------------- draws

    def placement(self, seed: np.random.SeedSequence) -> Placement:
        """Draw the state of every cell, independently: where edges are, and their signs."""
        from nngraph.nulls import _kernels

        solution, stream = self.solution, _kernels.streams(seed)
        n_target, n_source = self.block.shape
        sign_of = np.array([*self.signs, self._rest], dtype=np.int8)
        column_classes = read_only(solution.columns.of_node)
        height = max(1, TILE // max(n_source, 1))
        counts, indices, signs = [np.zeros(1, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.int8)]
        for first in range(0, n_target, height):
            odds = solution.odds(solution.rows.of_node[first : first + height])
            states = _kernels.draw_cells(*odds, column_classes, first * n_source, *stream)
            if self._rest == 0:
                present = states < len(self.signs)
                flat = np.flatnonzero(present)
                counts.append(np.count_nonzero(present, axis=1))
                row_starts = np.repeat(np.arange(len(states)) * n_source, counts[-1])
                indices.append((flat - row_starts).astype(np.int32))
                states = states.reshape(-1)[flat]
            else:
                counts.append(np.full(len(states), n_source))
            signs.append(sign_of[states.reshape(-1)])
        arrays = (np.cumsum(np.concatenate(counts)), np.concatenate(indices), np.concatenate(signs))
        return Placement(self.block.shape, *(read_only(array) for array in arrays))


@overload
def maximum_entropy(what: Block, *, tol: float = ..., max_iter: int = ...) -> MaximumEntropy: ...


@overload
def maximum_entropy(what: NeuralGraph, *, tol: float = ..., max_iter: int = ...) -> dict[str, MaximumEntropy]: ...


def maximum_entropy(
    what: Block | NeuralGraph, *, tol: float = 1e-8, max_iter: int = 500
) -> MaximumEntropy | dict[str, MaximumEntropy]:
    r"""Fit the canonical ensemble whose expected signed degrees are those of a block, or of each block of a graph.

    .. math:: P(S) = \prod_{ij} p^{s_{ij}}_{ij}, \qquad p^+_{ij} : p^0_{ij} : p^-_{ij} = x_i y_j : 1 : u_i v_j

    Of all distributions over signed graphs with these expected degrees it is the one of largest entropy [1]_, [2]_.
    Two graphs with the same signed degrees are equally likely. In a complete block every pair stays joined and only
    signs are random; where all edges have one sign it is the bipartite configuration model [3]_.

    Parameters
    ----------
    what : Block or NeuralGraph
        Targets are rows i, sources are columns j.
    tol : float
        Largest difference between an expected and an observed signed degree.
    max_iter : int
        Most iterations: sweeps over rows and columns, and joint Newton steps.

    Returns
    -------
    MaximumEntropy, or a dict of them by block name
        Probabilities, exact expectations, variances and z-scores.

    Raises
    ------
    ArgumentError
        If ``what`` is neither, a number is out of range, or an edge of weight 0 is present: it has no sign.
    ConvergenceError
        If ``max_iter`` iterations leave a larger difference than ``tol``.

    Notes
    -----
    Solved on classes of nodes of equal signed degrees: each row for itself and each column for itself in turn, then,
    where that is slow, Newton steps of all together by conjugate gradients. Steps are shortened so that none can pass
    the maximum of the likelihood, which is concave. Cells whose state follows from the degrees get probability 0 or 1
    and leave the fit: all of them with two states, and with three those that follow from one state at a time, node
    after node. (Over all margins of 3 x 3 cells these are all there are.) Should one be missed, its probability is as
    close to 0 or 1 as ``tol`` asks. The last fits are remembered by their degrees.

    References
    ----------
    .. [1] J. Park, M. E. J. Newman, "Statistical mechanics of networks", Physical Review E 70, 066117, 2004.
    .. [2] A. Gallo, D. Garlaschelli, R. Lambiotte, F. Saracco, T. Squartini, "Testing structural balance theories in
       heterogeneous signed networks", Communications Physics 7, 154, 2024.
    .. [3] F. Saracco, R. Di Clemente, A. Gabrielli, T. Squartini, "Randomizing bipartite networks: the case of the
       World Trade Web", Scientific Reports 5, 10595, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, 2.0, 0.0, -1.0], [0.0, -3.0, 1.0, 1.0], [2.0, 0.0, 1.0, 0.0]])])
    >>> nng.nulls.maximum_entropy(G)["0"].p_plus.sum(axis=1).round(6)
    array([2., 2., 2.])
    >>> opposed = nng.nulls.maximum_entropy(nng.from_matrices([np.array([[1.0, -1.0], [-1.0, 1.0]])]))["0"]
    >>> opposed.p_plus
    array([[0.5, 0.5],
           [0.5, 0.5]])
    >>> opposed.z("pairs", sign="same").round(3)[0, 1]  # 1 expected, 0 found, variance 1/2
    np.float64(-1.414)
    """
    for name, number, least in (("tol", tol, 0), ("max_iter", max_iter, 1)):
        if isinstance(number, bool) or not isinstance(number, (int, float, np.number)) or not number >= least:
            raise ArgumentError(f"{name}: got {number!r}; expected a number of at least {least}.")
    if isinstance(what, NeuralGraph):
        return {block.name: _fitted(block, tol, int(max_iter)) for block in what.blocks}
    if isinstance(what, Block):
        return _fitted(what, tol, int(max_iter))
    raise ArgumentError(
        f"maximum_entropy: got a {type(what).__name__}; expected a NeuralGraph, or a block of one, such as G.block(0)."
    )


def _fitted(block: Block, tol: float, max_iter: int) -> MaximumEntropy:
    n_zero = block.n_edges - np.count_nonzero(block.values)
    if n_zero:
        raise ArgumentError(
            f"block {block.name!r}: got {n_zero:,} present edges of weight 0, which are neither positive nor negative "
            "nor absent; drop them by G.with_support(G.weights() != 0)."
        )
    degrees = _signed_degrees(block)
    complete = block.n_edges == block.n_target * block.n_source
    signs = tuple(s for s, sign in ((1, "+"), (-1, "-")) if degrees[f"target{sign}"].any()) or (1,)
    if complete:
        signs = (1,)
    rows, columns = (
        np.stack([degrees[side + ("+" if s > 0 else "-")] for s in signs]) for side in ("target", "source")
    )
    solution = _solution(rows.tobytes(), columns.tobytes(), len(signs), tol, max_iter)
    if solution.residual > tol:
        raise ConvergenceError(
            f"block {block.name!r}: the expected signed degrees of the maximum-entropy model were still off by up to "
            f"{solution.residual:.2g} (tol={tol:g}) after {solution.n_iterations} iterations. Give a larger tol=, or "
            f"more than max_iter={max_iter}."
        )
    return MaximumEntropy(block, signs, solution, MappingProxyType(degrees))


@functools.lru_cache(maxsize=128)
def _solution(rows: bytes, columns: bytes, n_states: int, tol: float, max_iter: int) -> Fugacities:
    """Solve for given degrees once, however often the block is drawn."""
    margins = Margins(*(np.frombuffer(side, np.int64).reshape(n_states, -1) for side in (rows, columns)))
    return solve(margins, tol=tol, max_iter=max_iter)


def _signed_degrees(block: Block) -> dict[str, np.ndarray]:
    """Return the numbers of positive and negative edges of each target and source."""
    sides: tuple[_sides.Side, ...] = ("target", "source")
    signs: tuple[_sides.Sign, ...] = ("+", "-")
    return {f"{side}{sign}": read_only(_sides.degrees(block, side, sign)) for side in sides for sign in signs}


def draw(block: Block, seed: np.random.SeedSequence, *, determined: list[str] | None = None) -> Block:
    """Draw a block from its maximum-entropy ensemble, magnitudes by :func:`resampled`.

    Parameters
    ----------
    block : Block
        The block, which is also what the model is fitted to.
    seed : numpy.random.SeedSequence
        Source of the draw.
    determined : list of str, optional
        Takes the block's name if its degrees admit no other signs and edges.

    Returns
    -------
    Block
    """
    if not block.n_edges:
        return block
    model = maximum_entropy(block)
    if determined is not None and model.solution.is_determined():
        determined.append(block.name)
    edges = KernelEdges(block)
    placement = model.placement(child(seed, "cells"))
    return edges.placed(placement, resampled(edges, placement, child(seed, "magnitudes")))
