"""Ensembles: many draws of one null model, each from the same start and with a seed of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import numpy as np

from nngraph._blockwise import check_graph
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.nulls.kinds import Options, randomize, settle

__all__ = ["ensemble"]


def ensemble(
    G: NeuralGraph,
    kind: str,
    *,
    n: int,
    rng: RNG = None,
    n_jobs: int = 1,
    **options: Unpack[Options],
) -> Iterator[NeuralGraph]:
    """Iterate over ``n`` draws of a null model, each a fresh :func:`randomize` of G.

    Parameters
    ----------
    G : NeuralGraph
        The graph that every draw starts from.
    kind : str
        A kind of :func:`randomize`.
    n : int
        Number of draws.
    rng : None, int, SeedSequence or Generator
        Draw i has the child seed keyed by i: the first draws of a longer ensemble are those of a shorter one, and the
        draws are the same for any ``n_jobs``.
    n_jobs : int
        Number of worker processes (joblib); 1 draws here, one at a time, as they are asked for.
    **options
        ``weights``, ``blocks``, ``bias``, ``sweeps`` as for :func:`randomize`. The length of a chain is measured once.

    Yields
    ------
    NeuralGraph
        In the order of the draws.

    Raises
    ------
    ArgumentError
        At once, if an argument is out of range or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, 6.0]])])
    >>> [float(R.block(0).dense()[0].sum()) for R in nng.nulls.ensemble(G, "D", n=3, rng=7)]
    [2.0, 2.0, 2.0]
    """
    for what, number in (("n", n), ("n_jobs", n_jobs)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise ArgumentError(f"ensemble: {what}: got {number!r}; expected an integer.")
    if n < 0 or n_jobs == 0:
        raise ArgumentError(f"ensemble: got n={n}, n_jobs={n_jobs}; expected n of at least 0 and n_jobs other than 0.")
    check_graph("ensemble", G)
    seed = seed_sequence(rng)
    settled = settle(G, kind, options, child(seed, "pilot"))  # raises here, not at the first draw
    seeds = (child(seed, "draw", i) for i in range(n))
    if n_jobs == 1:
        return (randomize(G, kind, rng=own, **settled) for own in seeds)
    import joblib

    draws = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(randomize)(G, kind, rng=own, **settled) for own in seeds
    )
    return iter(draws)
