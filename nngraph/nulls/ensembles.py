"""Ensembles: many draws of one null model, each from the same start and with a seed of its own."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import numpy as np

from nngraph._blockwise import BlockNames, check_graph
from nngraph._progress import progress
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.nulls._edges import KernelEdges
from nngraph.nulls.draws import Options, randomize, settle
from nngraph.nulls.kinds import kind_of
from nngraph.nulls.pilots import decay

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Mixing", "draw", "ensemble", "mixing"]

T = TypeVar("T")
_IN_FLIGHT = 8
"""Tasks handed to each worker before their results are taken."""


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
        draws are the same for any ``n_jobs``. :func:`draw` makes one of them again.
    n_jobs : int
        Number of worker processes (joblib); 1 draws here, one at a time, as they are asked for.
    **options
        Keywords of :func:`randomize`. The length of a chain is measured once, for all draws.

    Yields
    ------
    NeuralGraph
        In the order of the draws.

    Raises
    ------
    ArgumentError
        At once, if an argument is out of range or a name is unknown.

    Notes
    -----
    Memory does not grow with ``n``: workers are handed at most eight draws each before those are taken. Closing the
    iterator, or an interruption, leaves no worker at work.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, 6.0]])])
    >>> [float(R.block(0).dense()[0].sum()) for R in nng.nulls.ensemble(G, "D", n=3, rng=7)]
    [2.0, 2.0, 2.0]
    """
    check_numbers("ensemble", n, n_jobs, fewest=0)
    check_graph("ensemble", G)
    seed = seed_sequence(rng)
    settled = settle(G, kind, options, child(seed, "pilot"))  # raises here, not at the first draw
    tasks = ((randomize, (G, kind), {"rng": child(seed, "draw", i), **settled}) for i in range(n))
    return progress(in_order(tasks, n_jobs), total=n, label=f"null model {kind}")


def draw(G: NeuralGraph, kind: str, i: int, *, rng: RNG, **options: Unpack[Options]) -> NeuralGraph:
    """Make draw i of an ensemble again, without those before it.

    Parameters
    ----------
    G, kind, rng, **options
        As for the :func:`ensemble` or :func:`significance` that made it; for a rung of a :func:`ladder`, the seed that
        its ``sampler`` states.
    i : int
        Number of the draw, from 0.

    Returns
    -------
    NeuralGraph

    Raises
    ------
    ArgumentError
        If an argument is out of range or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, 6.0]])])
    >>> nng.nulls.draw(G, "A", 2, rng=7) == list(nng.nulls.ensemble(G, "A", n=3, rng=7))[2]
    True
    """
    check_graph("draw", G)
    if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or i < 0:
        raise ArgumentError(f"draw: i: got {i!r}; expected an integer of at least 0.")
    seed = seed_sequence(rng)
    settled = settle(G, kind, options, child(seed, "pilot"))
    return randomize(G, kind, rng=child(seed, "draw", int(i)), **settled)


def check_numbers(where: str, n: int, n_jobs: int, *, fewest: int) -> None:
    """Raise unless the number of draws and that of workers can be used."""
    for what, number in (("n", n), ("n_jobs", n_jobs)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise ArgumentError(f"{where}: {what}: got {number!r}; expected an integer.")
    if n < fewest or n_jobs == 0:
        few = " (one draw is no distribution)" if fewest == 2 else ""
        raise ArgumentError(
            f"{where}: got n={n}, n_jobs={n_jobs}; expected n of at least {fewest}{few} and n_jobs other than 0."
        )


Task = tuple[Callable[..., T], tuple[Any, ...], dict[str, Any]]


def in_order(tasks: Iterable[Task[T]], n_jobs: int, *, taken: bool = False) -> Iterator[T]:
    """Yield the results of tasks (function, arguments, keywords) in their order, a bounded number of them at a time.

    ``taken`` says that each result is taken as soon as it is there, which lets workers go on meanwhile.
    """
    if n_jobs == 1:
        for function, arguments, keywords in tasks:
            yield function(*arguments, **keywords)
        return
    import joblib

    if taken:
        calls = (joblib.delayed(function)(*arguments, **keywords) for function, arguments, keywords in tasks)
        results = joblib.Parallel(n_jobs=n_jobs, return_as="generator", pre_dispatch="2 * n_jobs")(calls)
        try:
            for result in results:  # noqa: UP028 (delegating would close it before the warning is turned off)
                yield result
        finally:
            with warnings.catch_warnings():  # joblib's, of results that nobody takes after a failure
                warnings.simplefilter("ignore", UserWarning)
                results.close()
        return
    waiting = iter(tasks)
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        # joblib's own generator goes on working while nobody takes its results, which then pile up
        while window := list(itertools.islice(waiting, _IN_FLIGHT * joblib.effective_n_jobs(n_jobs))):
            yield from parallel(window)


@dataclasses.dataclass(frozen=True)
class Mixing:
    """How the chains of a null model forget their start, block by block; made by :func:`mixing`."""

    kind: str
    tol: float
    """Excess of the agreement over its limit that may be left."""
    curve: pd.DataFrame
    """block, sweep, agreement: share of the edges present with the same sign as at the start."""
    limit: dict[str, float]
    """The agreement at the end, by block."""
    sweeps: dict[str, int]
    """The number of sweeps chosen, by block; ``randomize(..., sweeps=mixing.sweeps)`` runs them."""
    counts: pd.DataFrame
    """block, move, number: what the pilot chains tried and changed."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves; see :func:`nngraph.plot.mixing`."""
        from nngraph.plot import mixing as draw_mixing

        return draw_mixing(self, ax=ax)


def mixing(G: NeuralGraph, kind: str = "G", *, rng: RNG = None, tol: float = 1e-3, blocks: BlockNames = None) -> Mixing:
    r"""Measure how many sweeps the chain of a null model needs to forget its start.

    .. math:: a_t = \frac{1}{E} \#\{e : e \text{ is present with the same sign after } t \text{ sweeps}\},
              \qquad a_0 = 1

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    kind : str
        A kind that is a chain.
    rng : None, int, SeedSequence or Generator
        Source of the pilot chains.
    tol : float
        Excess of the agreement over its limit that may be left.
    blocks : name, position, or a sequence of them, optional
        By default all.

    Returns
    -------
    Mixing
        ``.curve``, ``.limit``, ``.sweeps``, ``.counts`` and ``.plot()``.

    Raises
    ------
    ArgumentError
        If the kind is no chain, or an argument is out of range.

    Notes
    -----
    The agreement is the mean over pilot chains from the graph itself: one for a block of a million edges, up to eight
    where there are fewer. They are doubled, from 20 sweeps to at most 640, until the later half is flat within noise;
    its mean is the limit. ``sweeps`` is the first number of sweeps with an excess within ``tol``, at least 20; where
    the noise of a block exceeds ``tol``, it is extrapolated. A block that admits no other state has an agreement of 1.
    Agreement at its limit is a necessary sign of mixing, not a proof. The cost is two to three times that of a draw of
    ``sweeps`` sweeps, and more for blocks of few edges.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> W = np.random.default_rng(0).normal(size=(40, 60))
    >>> mixed = nng.nulls.mixing(nng.from_matrices([W]), "G", rng=7)
    >>> mixed.sweeps, round(mixed.limit["0"], 1)
    ({'0': 20}, 0.5)
    """
    import pandas as pd

    check_graph("mixing", G)
    chain = kind_of(kind).chain
    if chain is None:
        raise ArgumentError(f"mixing: kind {kind!r} is no chain, its draws are exact and independent: nothing to mix.")
    if isinstance(tol, bool) or not isinstance(tol, (int, float, np.number)) or not 0 < tol < 1:
        raise ArgumentError(f"mixing: tol: got {tol!r}; expected a number between 0 and 1.")
    seed = child(seed_sequence(rng), "pilot")
    found = {
        block.name: decay(chain, KernelEdges(block), child(seed, block.name), tol=float(tol))
        for block in G.select_blocks(blocks)
        if block.n_edges > 1
    }
    curves = [
        pd.DataFrame({"block": name, "sweep": one.sweeps, "agreement": one.agreement}) for name, one in found.items()
    ]
    counts = [(name, move, number) for name, one in found.items() for move, number in one.counts.items()]
    return Mixing(
        kind,
        float(tol),
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=["block", "sweep", "agreement"]),
        {name: one.limit for name, one in found.items()},
        {name: one.chosen for name, one in found.items()},
        pd.DataFrame(counts, columns=["block", "move", "number"]),
    )
