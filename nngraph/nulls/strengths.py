"""Magnitudes that keep the signed strengths of all nodes: nearly, with their multiset, or exactly, without it."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngraph._blockwise import BlockNames, change_blocks, check_graph
from nngraph._rng import child
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, NullModelError, NullModelWarning, SizeError
from nngraph.graph import NeuralGraph, Step
from nngraph.nulls._edges import KernelEdges, Placement, read_only
from nngraph.nulls.polytopes import Polytope

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["exactly_kept", "nearly_kept", "on_grid", "strength_residuals"]

TRIES = 8
"""Exchanges tried per edge: relative residuals of 1e-5 on 768x3072, 1e-3 on 64x784."""
STEPS = 2**22
"""Steps of the grid that the largest magnitude has at most (and more than half of it)."""

COARSE = 1e-4
"""A strength that the grid moves by more than this share of itself is told of."""


def nearly_kept(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    r"""Permute magnitudes within each sign so that all signed strengths are nearly as before.

    .. math:: \min_{\text{permutations}} \; \sum_{i, \pm} (s_i'^{\pm} - s_i^{\pm})^2

    over the nodes of both sides, by greedy descent from a uniform permutation.

    Parameters
    ----------
    edges : KernelEdges
        The block as it was.
    placement : Placement
        As many positive and as many negative edges as the block.
    seed : numpy.random.SeedSequence
        Source of the permutation and of the exchanges tried.

    Returns
    -------
    numpy.ndarray
        (n_edges,) weights; the multiset of each sign is that of the block.

    Notes
    -----
    Eight exchanges are tried for each edge, linear in their number. The residuals fall with the number of edges of a
    node: see :func:`nngraph.nulls.strength_residuals`. The law over the permutations with such residuals is not known
    to be uniform; nothing but the descent ties a magnitude to its place.
    """
    from nngraph.nulls import _kernels

    values, starts, _, ids, magnitudes = _descended(edges, placement, seed)
    _kernels.merge_signs(magnitudes, starts, ids, values)
    return values


def exactly_kept(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> np.ndarray:
    r"""Draw magnitudes on a fine grid that keep every signed strength bit for bit.

    .. math:: q' \sim U\Bigl\{q' \in \{1, \ldots, 2^{24}\}^E :
              \sum_{e \ni i, \pm} q'_e = \sum_{e \ni i, \pm} q_e \;\; \forall i, \pm \Bigr\},
              \qquad |w'| = u \, q'

    where q are the block's own magnitudes in steps u of the grid (:func:`on_grid`).

    Parameters
    ----------
    edges : KernelEdges
        The block as it was, of type float32 or float64.
    placement : Placement
        The signed degrees of the block.
    seed : numpy.random.SeedSequence
        Source of the draw.

    Returns
    -------
    numpy.ndarray
        (n_edges,) weights, each a multiple of u.

    Raises
    ------
    ArgumentError
        If the weights are not finite, or their type is too coarse for the grid.
    NullModelError
        If no magnitudes on the new places have the strengths.

    Notes
    -----
    A start is found from :func:`nearly_kept` by a maximum flow. Then come changes along rectangles or other short
    cycles and along cycles of any length, which connect all such magnitudes on any support; the uniform law is what
    they converge to, given the places and signs (:class:`Polytope`); it was compared with enumerations of small spaces.
    It makes magnitudes nearly exponential, whatever law they had. At the default length the correlation of magnitudes
    with their start was within 0.03 of its value after five times as long on 2 to 100 % of 64x784 and 768x3072, within
    0.06 on 1.25 % of 4000x4000; that is a necessary sign of mixing, not a proof. The time is linear in the number of
    edges, and about three times that of :func:`nearly_kept`; far more where few edges are present.
    """
    from nngraph.nulls import _kernels

    unit = grid_step(edges.name, edges.dtype, edges.values)
    n_columns = edges.shape[1]
    gridded = read_only(in_steps(edges.values, unit))
    wanted = _kernels.signed_sums(gridded, edges.indptr, edges.indices, n_columns)
    _tell_coarse(edges, [total * unit for total in wanted])
    values, starts, columns, ids, magnitudes = _descended(edges, placement, child(seed, "start"))
    polytope = Polytope(in_steps(magnitudes, unit).astype(np.int32), starts, columns, n_columns)
    left = polytope.balance(*(total.astype(np.int64) for total in wanted))
    if left is not None:
        side, index, sign = left
        raise NullModelError(
            f"block {edges.name!r}: no magnitudes keep the strength of the {sign} edges of {side} node {index} exactly "
            "where its edges are now (a node with few edges of a sign has to hand its strength to the nodes at their "
            "other ends). Draw again, or take weights='strength', which keeps all strengths nearly."
        )
    polytope.mix(child(seed, "mixing"))
    _kernels.merge_signs(polytope.q * unit, starts, ids, values)
    return values


def _tell_coarse(edges: KernelEdges, on_grid: Sequence[np.ndarray]) -> None:
    """Warn where the grid moves a strength by more than rounding of weights of like size does."""
    from nngraph.nulls import _kernels

    given = _kernels.signed_sums(read_only(edges.values), edges.indptr, edges.indices, edges.shape[1])
    moved = max(
        float(np.max(np.abs(after - before) / np.where(before > 0, before, 1.0), initial=0.0))
        for before, after in zip(given, on_grid, strict=True)
    )
    if moved > COARSE:
        warnings.warn(
            f"block {edges.name!r}: the grid of exact strengths moves a strength by {moved:.2g} of itself, because the "
            "largest weight is so much larger than others. What is kept are the strengths of nulls.on_grid(G), not of "
            "G; weights='strength' keeps those of G nearly.",
            NullModelWarning,
            stacklevel=2,
        )


def _descended(edges: KernelEdges, placement: Placement, seed: np.random.SeedSequence) -> tuple[np.ndarray, ...]:
    """Permute within each sign, then descend: weights before the descent; starts, columns, edges, magnitudes of slots.

    A slot is an edge of the graph with nodes split by sign.
    """
    from nngraph.nulls import _kernels
    from nngraph.nulls.magnitudes import dealt_by_sign

    if len(edges.values) >= 2**31:
        raise SizeError(
            f"block {edges.name!r}: got {len(edges.values):,} edges; strengths are kept for fewer than {2**31:,}."
        )
    n_columns = edges.shape[1]
    values = dealt_by_sign(edges, placement, child(seed, "permutation"))
    dealt = (read_only(values), read_only(placement.indptr), read_only(placement.indices), n_columns)
    wanted = _kernels.signed_sums(read_only(edges.values), edges.indptr, edges.indices, n_columns)
    excess = [after - before for before, after in zip(wanted, _kernels.signed_sums(*dealt), strict=True)]
    starts, columns, ids, magnitudes = _kernels.split_by_sign(*dealt)
    _kernels.exchange(magnitudes, starts, columns, *excess, TRIES, *_kernels.streams(child(seed, "exchanges")))
    return values, starts, columns, ids, magnitudes


def grid_step(name: str, dtype: str, values: np.ndarray) -> float:
    """Return the step of the grid: a power of two, of which the largest magnitude has over 2**21 and at most 2**22."""
    if dtype not in ("float32", "float64"):
        raise ArgumentError(
            f"block {name!r}: got weights of type {dtype}, too coarse to keep strengths exactly; expected float32 or "
            "float64. Convert the model, or take weights='strength'."
        )
    largest, info = float(np.abs(values).max(initial=0.0)), np.finfo(dtype)
    if not largest < info.max / 8:  # a draw may hold a magnitude of eight times the largest; NaN is refused here too
        raise ArgumentError(
            f"block {name!r}: got a largest weight of {largest:.3g}; exact strengths need finite weights of less than "
            f"{info.max / 8:.3g}. Rescale the weights, or take weights='strength'."
        )
    fraction, exponent = np.frexp(largest)
    step = np.ldexp(1.0, int(exponent) - int(fraction == 0.5) - int(np.log2(STEPS)))
    return max(float(step), float(info.smallest_subnormal))


def in_steps(values: np.ndarray, step: float) -> np.ndarray:
    """Return the weights in steps of the grid, float64; a magnitude of less than half a step is one step, never 0."""
    steps: np.ndarray = np.rint(np.divide(values, step, dtype=np.float64))
    lost = np.flatnonzero((steps == 0) & (values != 0))
    steps[lost] = np.sign(values[lost])
    return steps


def on_grid(G: NeuralGraph, *, blocks: BlockNames = None) -> NeuralGraph:
    r"""Round the weights of each block to the grid on which "exact_strength" keeps strengths.

    .. math:: |w'| = u \max(1, \mathrm{round}(|w| / u)), \qquad u = 2^{\lceil \log_2 \max |w| \rceil - 22}

    Parameters
    ----------
    G : NeuralGraph
        The graph, its weights float32 or float64.
    blocks : name, position, or a sequence of them, optional
        The blocks to round; all by default. A block of one edge has no other to exchange with and stays as it is.

    Returns
    -------
    NeuralGraph
        The same edges with the same signs. Rounding a second time changes nothing.

    Raises
    ------
    ArgumentError
        If the weights of a block are not finite, or their type is too coarse for the grid.

    Notes
    -----
    A magnitude moves by at most half a step, 2.4e-7 of the largest of its block, and one of less than half a step
    becomes one step; the strength of a node moves by the sum of these. On a complete 64x784 layer no strength moved by
    more than 1e-6 of itself and most by less than 1e-7; at nodes with a few small weights (5 % of the edges) it was up
    to 4e-5. Sums of rounded weights are exact in float64, in any order.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.nulls.on_grid(nng.from_matrices([np.random.default_rng(0).normal(size=(8, 9))]))
    >>> R = nng.nulls.randomize(G, "G", weights="exact_strength", rng=7)
    >>> bool((nng.nulls.strength_residuals(G, R)["residual"] == 0).all())
    True
    """

    def change(block: Block, _: object) -> Block:
        if block.n_edges < 2:
            return block
        edges = KernelEdges(block)
        step = grid_step(edges.name, edges.dtype, edges.values)
        return edges.with_values(in_steps(edges.values, step) * step)

    return change_blocks(G, change, Step("on_grid", {"blocks": blocks}), blocks=blocks)


def strength_residuals(G: NeuralGraph, R: NeuralGraph) -> pd.DataFrame:
    r"""Return by how much each signed strength of one graph differs from that of another.

    .. math:: r_i^{\pm} = s_i^{\pm}(R) - s_i^{\pm}(G), \qquad s_i^{\pm} = \sum_{e \ni i, \, \pm w_e > 0} |w_e|

    Parameters
    ----------
    G : NeuralGraph
        The graph to compare with.
    R : NeuralGraph
        A graph of the same blocks and shapes, such as a draw of a null model from G.

    Returns
    -------
    pandas.DataFrame
        One row per block, side, sign and node: ``block``, ``part``, ``index``, ``side`` ("source" or "target"),
        ``sign`` ("+" or "-"), ``strength`` of G, ``residual``, and ``relative``, the residual over the strength
        (0 where nothing changed; infinite where G has no strength).

    Raises
    ------
    ArgumentError
        If the graphs have other blocks, or blocks of other shapes.

    Notes
    -----
    Linear in the number of edges; summed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0], [3.0, 4.0]])])
    >>> R = G.with_weights(np.array([1.0, -2.0, 4.0, 3.0]))
    >>> nng.nulls.strength_residuals(G, R).query("residual != 0")[["part", "index", "side", "sign", "residual"]]
      part  index    side sign  residual
    0    0      0  source    +       1.0
    1    0      1  source    +      -1.0
    """
    import pandas as pd

    from nngraph.nulls import _kernels

    check_graph("strength_residuals", G)
    check_graph("strength_residuals", R)
    described = [[(block.name, block.shape) for block in graph.blocks] for graph in (G, R)]
    if described[0] != described[1]:
        other = next((b for a, b in itertools.zip_longest(*described) if a != b), None)
        raise ArgumentError(
            f"strength_residuals: got a second graph whose blocks differ from the first in {other}; expected the same "
            "names and shapes, as a null model leaves them."
        )
    columns = ("block", "part", "index", "side", "sign", "strength", "residual", "relative")
    tables = [pd.DataFrame(columns=columns)] if not G.blocks else []
    for before, after in zip(G.blocks, R.blocks, strict=True):
        sums = []
        for block in (before, after):
            edges = KernelEdges(block)
            values = read_only(edges.values)
            sums.append(_kernels.signed_sums(values, edges.indptr, edges.indices, edges.shape[1])[::-1])
        for side, part, old, new in zip(("source", "target"), (before.source, before.target), *sums, strict=True):
            n = len(old) // 2
            residual = new - old
            with np.errstate(divide="ignore"):
                relative = np.divide(residual, old, where=residual != 0, out=np.zeros_like(old))
            per_node = (np.tile(np.arange(n), 2), side, np.repeat(["+", "-"], n), old, residual, relative)
            table = dict(zip(columns, (before.name, part, *per_node), strict=True))
            tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)
