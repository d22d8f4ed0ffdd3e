"""Configuration models: the degrees are kept, and edges are free to move to any pair of nodes.

The signed model is uniform over the matrices of +, - and absent that have the block's four sequences of signed
degrees. A trade re-deals what two rows hold in the columns where they differ, uniformly over all redistributions that
keep the margins; trades between rows alone do not reach every matrix, so trades between columns are mixed in.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from nngraph._rng import child
from nngraph.errors import ArgumentError
from nngraph.nulls._chains import Chain
from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls.trades import CompleteSigns

__all__ = ["Configuration", "SignedConfiguration", "signed_configuration"]

_LISTS_BELOW = 0.0025
"""Density below which sorted lists are faster than planes of bits, whose words would be empty mostly."""
_FEW = 16
"""Rows that differ in fewer columns trade column by column, others 64 columns at a time."""
_COLUMN_PAIRS = 2
"""Pairs of columns that trade in each sweep of planes: about 5 % of its time on 768x3072."""
_COLUMN_PERIOD = 4
"""Sweeps of lists after which all columns trade once: it takes transposing them twice."""
_THREADED = 4 << 20
"""Bytes of planes from which threads are worth their start."""
_RIGID_COST = 2**32
"""Steps up to which all pairs of rows and of columns are searched for a legal trade: some seconds."""

_Stream = tuple[np.uint64, np.uint64]


class _Layout(Protocol):
    """The edges of a block as trades take them, by the rows of its smaller side."""

    def run(self, first_sweep: int, n_sweeps: int, stream: _Stream, n_jobs: int) -> tuple[int, int]:
        """Run sweeps; return how many trades between rows and between columns changed something."""

    def common(self) -> int:
        """Return how many edges of the start are where they were, with their sign."""

    def moves_a_row(self) -> bool:
        """Return whether any two rows have a legal trade."""

    def n_trades(self, first_sweep: int, n_sweeps: int) -> tuple[int, int]:
        """Return how many trades between rows and between columns these sweeps try."""

    def indices_and_signs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return sources and signs of the edges in edge order."""

    def cost_of_search(self) -> float:
        """Return about how many steps :meth:`moves_a_row` takes at most."""


class _Planes:
    """Two planes of bits, of positive and of negative edges; 2 bits for each pair of nodes."""

    def __init__(self, edges: KernelEdges, indices: np.ndarray, signs: np.ndarray, *, by_column: bool) -> None:
        from nngraph.nulls import _kernels

        self._indptr, self._by_column = edges.indptr, by_column
        self._n_columns = edges.shape[0] if by_column else edges.shape[1]
        self._planes, sound = _kernels.pack_ternary(signs, edges.indptr, indices, edges.shape[1], by_column)
        _check_sound(edges, sound=sound)
        self._start = self._planes.copy()

    def run(self, first_sweep: int, n_sweeps: int, stream: _Stream, n_jobs: int) -> tuple[int, int]:
        from nngraph.nulls import _kernels

        planes, n_columns = self._planes, self._n_columns
        if n_jobs == 1 or planes.nbytes < _THREADED:
            sweeps = (first_sweep, n_sweeps, _COLUMN_PAIRS, _FEW)
            rows, columns = _kernels.run_ternary(planes, n_columns, *sweeps, *stream)
            return rows, columns
        import joblib

        n_threads = joblib.effective_n_jobs(n_jobs)
        bounds = np.linspace(0, len(planes) // 2, n_threads + 1).astype(np.int64)
        rows = columns = 0
        with ThreadPoolExecutor(n_threads) as pool:
            for sweep in range(first_sweep, first_sweep + n_sweeps):
                order = _kernels.row_order(len(planes), sweep, *stream)
                parts = [
                    pool.submit(_kernels.trade_rows, planes, order, first, last, sweep, _FEW, *stream)
                    for first, last in itertools.pairwise(bounds)
                ]
                rows += sum(part.result() for part in parts)
                columns += _kernels.trade_columns(planes, n_columns, _COLUMN_PAIRS, sweep, _FEW, *stream)
        return rows, columns

    def n_trades(self, first_sweep: int, n_sweeps: int) -> tuple[int, int]:
        return n_sweeps * (len(self._planes) // 2), n_sweeps * (_COLUMN_PAIRS if self._n_columns > 1 else 0)

    def common(self) -> int:
        from nngraph.nulls import _kernels

        return int(_kernels.common_bits(self._planes, self._start))

    def moves_a_row(self) -> bool:
        from nngraph.nulls import _kernels

        return bool(_kernels.any_legal_trade(self._planes))

    def cost_of_search(self) -> float:
        return float(len(self._planes) * self._planes.size / 4)

    def indices_and_signs(self) -> tuple[np.ndarray, np.ndarray]:
        from nngraph.nulls import _kernels

        indices, signs = _kernels.unpack_ternary(self._planes, self._indptr, self._by_column)
        return indices, signs


class _Lists:
    """Sorted lists of the edges of each row; 8 bytes for each edge."""

    def __init__(self, edges: KernelEdges, indices: np.ndarray, signs: np.ndarray, *, by_column: bool) -> None:
        from nngraph.nulls import _kernels

        self._by_column, self._bounds = by_column, edges.indptr
        self._n_columns = edges.shape[0] if by_column else edges.shape[1]
        self._codes, sound = _kernels.write_lists(signs, edges.indptr, indices)
        _check_sound(edges, sound=sound)
        if by_column:
            self._codes, bounds = _kernels.transpose_lists(self._codes, edges.indptr, edges.shape[1])
            self._bounds = read_only(bounds)
        self._start = self._codes.copy()

    def run(self, first_sweep: int, n_sweeps: int, stream: _Stream, n_jobs: int) -> tuple[int, int]:
        from nngraph.nulls import _kernels

        sweeps = (first_sweep, n_sweeps, _COLUMN_PERIOD)
        rows, columns = _kernels.run_lists(self._codes, self._bounds, self._n_columns, *sweeps, *stream)
        return rows, columns

    def n_trades(self, first_sweep: int, n_sweeps: int) -> tuple[int, int]:
        of_columns = (first_sweep + n_sweeps) // _COLUMN_PERIOD - first_sweep // _COLUMN_PERIOD
        return n_sweeps * ((len(self._bounds) - 1) // 2), of_columns * (self._n_columns // 2)

    def common(self) -> int:
        from nngraph.nulls import _kernels

        return int(_kernels.common_codes(self._codes, self._start, self._bounds))

    def moves_a_row(self) -> bool:
        from nngraph.nulls import _kernels

        return bool(_kernels.any_legal_list_trade(self._codes, self._bounds))

    def cost_of_search(self) -> float:
        n_filled = np.count_nonzero(np.diff(self._bounds))
        return float(n_filled * len(self._codes) + len(self._bounds) ** 2 / 2)

    def indices_and_signs(self) -> tuple[np.ndarray, np.ndarray]:
        from nngraph.nulls import _kernels

        codes = self._codes
        if self._by_column:
            codes, _ = _kernels.transpose_lists(codes, self._bounds, self._n_columns)
        return (codes >> 1).astype(np.int32), (1 - 2 * (codes & 1)).astype(np.int8)


class SignedConfiguration:
    r"""Uniform matrices of +, - and absent with the signed degrees of a block; edges move to any pair of nodes.

    .. math:: (S, A) \sim U\{S : k^\pm_i(S) = k^\pm_i(S_0),\; k^\pm_j(S) = k^\pm_j(S_0)\}

    Parameters
    ----------
    edges : KernelEdges
        The block; no weight is 0.
    seed : numpy.random.SeedSequence
        Source of the moves. Each draws from a stream of its own, keyed by its sweep and its place there, so that the
        result depends neither on threads nor on how the sweeps are divided into runs.

    Raises
    ------
    ArgumentError
        If an edge of weight 0 is present: it is neither positive, nor negative, nor absent.

    Notes
    -----
    A sweep pairs all rows (nodes of the smaller side) at random and trades once in each pair: two rows that differ in
    n_1 columns of {+, 0}, n_2 of {+, -} and n_3 of {0, -} give y of the n_2 positive edges to the first row with
    probability proportional to :math:`\binom{n_1}{P - y} \binom{n_2}{y} \binom{n_3}{M - n_2 + y}`, and uniform subsets
    of each class, where P and M are its positive and negative edges among them. That is the uniform law over all
    redistributions (y up to the rounding of float64, the subsets exactly), so the uniform law over matrices is
    stationary. Trades between rows alone do not reach every matrix [1]_. With trades between columns the moves
    connect every class of margins up to 4x4 and 3x5 by exhaustive search; no proof for larger sizes is known to us.

    A sweep reads and writes the planes once: 2 bits for each pair of nodes, and as many for the start. Below 0.25 %
    density it goes through sorted lists instead, of 8 bytes for each edge and as many for the start. What the agreement
    with the start has above its limit falls by a factor of about 0.53 in a sweep of 768x3072 down to 1 % density, 0.6
    at 0.2 % and 0.7 at 0.1 %.

    References
    ----------
    .. [1] G. Strona, D. Nappo, F. Boccacci, S. Fattorini, J. San-Miguel-Ayanz, "A fast and unbiased procedure to
       randomize ecological binary matrices with fixed row and column totals", Nature Communications 5, 4114, 2014
       (trades of two states).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[2.0, 0.0, -1.0], [0.0, 3.0, 0.0], [-4.0, 0.0, 5.0]])])
    >>> chain = SignedConfiguration(KernelEdges(G.block(0)), np.random.SeedSequence(2))
    >>> chain.run(20)
    >>> at = chain.placement()
    >>> at.indptr.tolist(), int(at.signs.sum())
    ([0, 2, 3, 5], 1)
    """

    def __init__(self, edges: KernelEdges, seed: np.random.SeedSequence) -> None:
        n_zero = len(edges.given) - np.count_nonzero(edges.given)
        if n_zero:
            raise ArgumentError(
                f"block {edges.name!r}: got {n_zero:,} edges of weight 0; 'signed_configuration' expects each edge to "
                "have a sign. Drop them from the support, for example by G.with_support(G.weights() != 0), or use "
                "kind 'G' or 'configuration'."
            )
        self._begin(edges, np.subtract(edges.given > 0, edges.given < 0, dtype=np.int8), seed)

    def _begin(self, edges: KernelEdges, signs: np.ndarray, seed: np.random.SeedSequence) -> None:
        from nngraph.nulls import _kernels

        self._edges, self._n_sweeps = edges, 0
        self._stream = _kernels.streams(child(seed, "trades"))
        self._by_column = edges.shape[0] > edges.shape[1]
        self._changed = [0, 0]
        self._layout = self._laid_out(edges.indices, signs, by_column=self._by_column)

    def _laid_out(self, indices: np.ndarray, signs: np.ndarray, *, by_column: bool) -> _Layout:
        n_target, n_source = self._edges.shape
        sparse = len(signs) < _LISTS_BELOW * n_target * n_source
        arrays = (self._edges, read_only(indices), read_only(signs))
        return _Lists(*arrays, by_column=by_column) if sparse else _Planes(*arrays, by_column=by_column)

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps, with threads over the pairs of rows where planes are large."""
        changed = self._layout.run(self._n_sweeps, n_sweeps, self._stream, n_jobs)
        self._changed = [old + new for old, new in zip(self._changed, changed, strict=True)]
        self._n_sweeps += n_sweeps

    def agreement(self) -> float:
        """Return the share of the start's edges that are present with the same sign now."""
        n_edges = len(self._edges.given)
        return self._layout.common() / n_edges if n_edges else 1.0

    def is_rigid(self) -> bool:
        """Return whether no two rows and no two columns have a legal trade.

        Up to 4x4 and 3x5 that is, by exhaustive search, one state only. Where the search would take more than some
        seconds it is not made, and the answer is False.
        """
        if any(self._changed):
            return False
        other = self._laid_out(*self._layout.indices_and_signs(), by_column=not self._by_column)
        if self._layout.cost_of_search() + other.cost_of_search() > _RIGID_COST:
            return False
        return not (self._layout.moves_a_row() or other.moves_a_row())

    def counts(self) -> dict[str, int]:
        """Return how many trades between rows and between columns were tried, and how many changed something."""
        rows, columns = self._layout.n_trades(0, self._n_sweeps)
        return {
            "row trades": rows,
            "row trades that changed": self._changed[0],
            "column trades": columns,
            "column trades that changed": self._changed[1],
        }

    def placement(self) -> Placement:
        """Return where the edges are now, and their signs."""
        indices, signs = self._layout.indices_and_signs()
        if self._edges.complete:
            indices = self._edges.indices
        return Placement(self._edges.shape, self._edges.indptr, read_only(indices), read_only(signs))


class Configuration(SignedConfiguration):
    r"""Uniform supports with the degrees of a block, whatever the signs; see :class:`SignedConfiguration`.

    .. math:: A \sim U\{A : k_i(A) = k_i(A_0),\; k_j(A) = k_j(A_0)\}

    Notes
    -----
    The trades are those of :class:`SignedConfiguration` where no edge is negative. They have two states only, so those
    between rows connect all supports [1]_. The support of a complete block cannot move: the chain stays where it is,
    and weights permuted over all edges make the draw kind A. The signs of a placement are 1 everywhere.

    References
    ----------
    .. [1] C. J. Carstens, "Proof of uniform sampling of binary matrices with fixed row sums and column sums for the
       fast curveball algorithm", Physical Review E 91, 042812, 2015.
    """

    def __init__(self, edges: KernelEdges, seed: np.random.SeedSequence) -> None:
        self._begin(edges, np.ones(len(edges.given), np.int8), seed)

    def run(self, n_sweeps: int, n_jobs: int = 1) -> None:
        """Go on for so many sweeps; nothing moves on a complete block."""
        if not self._edges.complete:
            super().run(n_sweeps, n_jobs)

    def agreement(self) -> float:
        """Return the share of the start's edges that are present now."""
        return 1.0 if self._edges.complete else super().agreement()

    def is_rigid(self) -> bool:
        """Return whether the support is nested: the edges of each row among those of the next larger one.

        A complete block is not called rigid, for there the model is that of weights permuted over all edges.
        """
        if self._edges.complete or any(self._changed):
            return False
        at = self.placement()
        degree = np.diff(at.indptr)
        rank = np.empty(len(degree), np.int64)
        rank[np.argsort(-degree, kind="stable")] = np.arange(len(degree))
        cells = np.repeat(rank, degree) * at.shape[1] + at.indices
        above = cells[cells >= at.shape[1]] - at.shape[1]
        return bool(np.isin(above, cells).all())


def signed_configuration(edges: KernelEdges, seed: np.random.SeedSequence) -> Chain:
    """Start the chain of the signed configuration model; on a complete block only signs can move."""
    if edges.complete and edges.given.all():
        return CompleteSigns(edges, seed)
    return SignedConfiguration(edges, seed)


def _check_sound(edges: KernelEdges, *, sound: bool) -> None:
    if not sound:
        raise ArgumentError(
            f"block {edges.name!r}: got a pair of nodes that is joined more than once, or columns out of order; "
            "expected at most one edge, positive or negative, for each pair."
        )
