"""The verdicts of tail fits as a statistic of a block, for tables."""

from __future__ import annotations

from typing import Literal

from nngraph._blockwise import check_graph
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats import _sides
from nngraph.stats.tails import fit_tail

__all__ = ["tail_verdict"]


def tail_verdict(
    G: NeuralGraph,
    *,
    of: Literal["degree", "strength"] = "degree",
    sign: _sides.Sign = None,
    n_boot: int = 25,
    rng: RNG = 0,
) -> dict[str, str]:
    """Return what :func:`fit_tail` says of the degrees, or the strengths, on both sides of a block.

    Parameters
    ----------
    G : NeuralGraph
        A graph of one block, as ``nngraph.stats.table(G, "tail_verdict", by="block")`` makes them.
    of : "degree" or "strength"
        Degrees are held against the binomial law of the number of nodes on the other side.
    sign : "+", "-" or None
        Over positive, negative, or all edges.
    n_boot, rng
        As in :func:`fit_tail`; the seed is fixed by default, so that a table is the same each time.

    Returns
    -------
    dict of str to str
        "source" and "target": "heavy-tailed", "over-dispersed", "binomial-like" or "undecided".

    Raises
    ------
    ArgumentError
        If the graph has more than one block (pooling blocks of different sizes makes heavy tails), or an argument is
        out of range.

    Notes
    -----
    The cost is that of two calls of :func:`fit_tail`.

    References
    ----------
    .. [1] A. Clauset, C. R. Shalizi, M. E. J. Newman, "Power-law distributions in empirical data", SIAM Review 51,
       661-703, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> W = np.random.default_rng(0).random((300, 400)) < 0.06
    >>> G = nng.from_matrices([W.astype(float)])
    >>> nng.stats.table(G, "tail_verdict", by="block")[["block", "tail_verdict_source", "tail_verdict_target"]]
      block tail_verdict_source tail_verdict_target
    0     0       binomial-like       binomial-like
    """
    check_graph("tail_verdict", G)
    if not _sides.among(of, ("degree", "strength")):
        raise ArgumentError(f"tail_verdict: of: got {of!r}; expected 'degree' or 'strength'.")
    _sides.check_sign("tail_verdict", sign)
    if len(G.blocks) != 1:
        raise ArgumentError(
            f"tail_verdict: got {len(G.blocks)} blocks; expected one, as pooled blocks can make a heavy tail: "
            "ask for it in a table by block."
        )
    block, seed = G.blocks[0], seed_sequence(rng)
    found: dict[str, str] = {}
    sides: tuple[_sides.Side, ...] = ("source", "target")
    for side, n_opposite in zip(sides, block.shape, strict=True):
        if of == "degree":
            fit = fit_tail(
                _sides.degrees(block, side, sign), n_opposite=n_opposite, n_boot=n_boot, rng=child(seed, side)
            )
        else:
            values = _sides.strengths(block, side, sign)
            fit = fit_tail(values, discrete=False, n_boot=n_boot, rng=child(seed, side))
        found[side] = fit.verdict
    return found
