"""Modules of nodes: the bipartite modularity of labels, and labels that maximise it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nngraph._blockwise import check_graph
from nngraph._rng import RNG, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.stats._modularity import FORMS, Form, Matrix, modularity_matrices, n_modules, quality_of, summed
from nngraph.stats._series import by_node
from nngraph.stats._sides import among

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["communities", "max_modularity", "modularity"]

MOST = 512
"""Modules that one part starts with at most."""
MOVED = 0.1
"""Share of the nodes that a kick gives modules at random."""
_LEAST = 1e-12
"""Gain below which two labels are as good as each other."""


def modularity(G: NeuralGraph, labels: npt.ArrayLike | pd.Series, *, weighted: bool = False) -> dict[str, float]:
    r"""Return the bipartite modularity of labels: edges within modules beyond those that degrees lead to expect.

    .. math:: Q = \frac{1}{E} \sum_b \sum_{ij} \left( A^b_{ij} - \frac{k^b_i d^b_j}{E_b} \right) \delta(g_i, g_j),
              \qquad Q_\text{signed} = \frac{E^+}{E^+ + E^-} Q^+ - \frac{E^-}{E^+ + E^-} Q^-

    Parameters
    ----------
    G : NeuralGraph
        The graph; A is the support of block b, and k and d are the degrees within it.
    labels : Series or array_like
        The module of each node: a Series indexed by (part, index), or an array in vertex order.
    weighted : bool
        Sum magnitudes of weights in the place of edges.

    Returns
    -------
    dict of str to float
        ``all`` over all edges, ``+`` and ``-`` over those of one sign, and ``signed``: positive edges within modules
        count for, negative ones against it. NaN where there is no edge to count.

    Raises
    ------
    ArgumentError
        If there is not one label for each node.

    Notes
    -----
    Exact; linear in the number of edges. Expectations are those of each block, so that parts without a block between
    them expect no edge. A part may be in several blocks and has one label for each node.

    References
    ----------
    .. [1] M. J. Barber, "Modularity and community detection in bipartite networks", Physical Review E 76, 066102, 2007.
    .. [2] S. Gomez, P. Jensen, A. Arenas, "Analysis of community structure in networks of correlated data", Physical
       Review E 80, 016114, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.kron(np.eye(2), np.ones((2, 3)))])
    >>> nng.stats.modularity(G, [0, 0, 0, 1, 1, 1, 0, 0, 1, 1])["all"]
    0.5
    """
    check_graph("modularity", G)
    by_part = _read(G, labels)
    return {form: quality_of(modularity_matrices(G, form, weighted=weighted), by_part) for form in FORMS}


def communities(
    G: NeuralGraph, *, form: Form = "signed", weighted: bool = False, kicks: int = 10, rng: RNG = 0
) -> pd.Series:
    r"""Return modules of nodes that make the modularity large.

    .. math:: \operatorname*{arg\,max}_g Q(g)

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    form : "signed", "all", "+" or "-"
        The modularity to maximise, of those that :func:`modularity` gives.
    weighted : bool
        Sum magnitudes of weights in the place of edges.
    kicks : int
        How often the search goes on from the best labels with a module dissolved and some nodes moved.
    rng : None, int, SeedSequence or Generator
        What is dissolved and moved. By default the same call gives the same modules.

    Returns
    -------
    pandas.Series
        int, indexed by (part, index); modules are numbered from 0 as vertices meet them. -1 for a node without edges
        of the form.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    A heuristic: the modularity found is a lower bound of the largest. The nodes of the part with the most edges start
    as modules of their own (512 at most), then two moves alternate until neither gains: every node of a part takes the
    best module given the labels of the other parts (BRIM [1]_), and the pair of modules whose union gains most is
    merged (as LPAb+ [2]_ does). A kick dissolves a module, gives
    10 % of the nodes modules at random, and climbs again. The cost of a sweep is that of the
    products of blocks and memberships, (n nodes, n modules).

    References
    ----------
    .. [1] M. J. Barber, "Modularity and community detection in bipartite networks", Physical Review E 76, 066102, 2007.
    .. [2] X. Liu, T. Murata, "An efficient algorithm for optimizing bipartite modularity in bipartite networks",
       Journal of Advanced Computational Intelligence and Intelligent Informatics 14, 408-415, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> G = nng.from_matrices([np.kron(np.eye(2), np.ones((2, 3)))])
    >>> nng.stats.communities(G).tolist()
    [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]
    """
    check_graph("communities", G)
    if not among(form, FORMS):
        raise ArgumentError(f"communities: form: got {form!r}; expected 'signed', 'all', '+' or '-'.")
    best, _ = _best("communities", G, form, weighted=weighted, kicks=kicks, rng=rng)
    stacked = np.concatenate([best[part.name] for part in G.parts] or [np.zeros(0, np.int64)])
    met = stacked[stacked >= 0]
    found, first = np.unique(met, return_index=True)
    number = np.full(met.max(initial=-1) + 2, -1)  # the last entry is that of -1
    number[found[np.argsort(first)]] = np.arange(len(found))
    return by_node(G, {name: number[labels] for name, labels in best.items()}, f"communities(form={form})")


def max_modularity(G: NeuralGraph, *, weighted: bool = False, kicks: int = 10, rng: RNG = 0) -> dict[str, float]:
    r"""Return the largest modularity that a search finds, over all edges and in its signed form.

    .. math:: \max_g Q(g), \quad \max_g Q_\text{signed}(g)

    Parameters
    ----------
    G : NeuralGraph
        The graph.
    weighted : bool
        Sum magnitudes of weights in the place of edges.
    kicks : int
        How often each search goes on from its best labels with a module dissolved and some nodes moved.
    rng : None, int, SeedSequence or Generator
        What is dissolved and moved. By default the same call gives the same numbers.

    Returns
    -------
    dict of str to float
        ``all`` and ``signed``, each with modules of its own, those of :func:`communities`; NaN without edges.

    Raises
    ------
    ArgumentError
        If an argument is not one of those above.

    Notes
    -----
    Lower bounds of the largest modularities, by a heuristic: compare graphs by the same ``kicks``. See
    :func:`communities`.

    References
    ----------
    .. [1] M. J. Barber, "Modularity and community detection in bipartite networks", Physical Review E 76, 066102, 2007.
    .. [2] S. Gomez, P. Jensen, A. Arenas, "Analysis of community structure in networks of correlated data", Physical
       Review E 80, 016114, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> W = np.kron(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones((2, 3)))
    >>> nng.stats.max_modularity(nng.from_matrices([W]))
    {'all': 0.0, 'signed': 0.5}
    """
    check_graph("max_modularity", G)
    forms: tuple[Form, ...] = ("all", "signed")
    found = {form: _best("max_modularity", G, form, weighted=weighted, kicks=kicks, rng=rng) for form in forms}
    return {form: quality for form, (_, quality) in found.items()}


def _read(G: NeuralGraph, labels: Any) -> dict[str, np.ndarray]:
    """Return labels by part as numbers from 0."""
    import pandas as pd

    if isinstance(labels, pd.Series) and labels.index.nlevels == 2:
        nodes = [(part.name, i) for part in G.parts for i in range(part.size)]
        missing = set(nodes) - set(labels.index)
        if missing or labels.index.has_duplicates:
            which = f"none for the node {min(missing)}" if missing else "two for one node"
            raise ArgumentError(f"modularity: labels: got {which}; expected one label for each node of the graph.")
        labels = labels.loc[nodes]
    values = np.asarray(labels)
    if values.shape != (G.n_nodes,):
        raise ArgumentError(
            f"modularity: labels: got the shape {values.shape}; expected ({G.n_nodes},), one label for each node in "
            "vertex order, or a Series indexed by (part, index)."
        )
    unknown = np.flatnonzero(pd.isna(values))
    if len(unknown):
        raise ArgumentError(
            f"modularity: labels: got {values[unknown[0]]} at position {unknown[0]}; expected a label for each node."
        )
    try:
        numbers = np.unique(values, return_inverse=True)[1]
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in values}))
        raise ArgumentError(
            f"modularity: labels: got {kinds}; expected labels of one kind, all numbers or all texts."
        ) from None
    offsets = G.offsets
    return {part.name: numbers[offsets[part.name] : offsets[part.name] + part.size] for part in G.parts}


# --------------------------------------------------------------------------- searching


def _best(
    where: str, G: NeuralGraph, form: Form, *, weighted: bool, kicks: int, rng: RNG
) -> tuple[dict[str, np.ndarray], float]:
    """Return the best labels by part that a search finds, and their modularity."""
    if isinstance(kicks, bool) or not isinstance(kicks, (int, np.integer)) or kicks < 0:
        raise ArgumentError(f"{where}: kicks: got {kicks!r}; expected an integer of at least 0.")
    labels = {part.name: np.full(part.size, -1, np.int64) for part in G.parts}
    matrices = modularity_matrices(G, form, weighted=bool(weighted))
    draw = generator(seed_sequence(rng))
    if not matrices:
        return labels, float("nan")
    live = {name: _live(matrices, name, len(labels[name])) for name in _by_edges(matrices)}
    firsts = _one_of_each_set(matrices, live)
    for name in firsts:
        _split(labels, name, live[name], draw)
    labels, best = _climbed(matrices, labels, live)
    for _ in range(kicks):
        new, quality = _climbed(matrices, _kicked(labels, firsts, draw), live)
        if quality > best:
            labels, best = new, quality
    return labels, best


def _by_edges(matrices: Sequence[Matrix]) -> list[str]:
    """Return the parts that have edges, those with the most first, of equal ones the smallest."""
    weight: dict[str, float] = {}
    size: dict[str, int] = {}
    for matrix in matrices:
        edges = float(abs(matrix.observed).sum())
        size |= {matrix.source: len(matrix.right), matrix.target: len(matrix.left)}
        for name in dict.fromkeys((matrix.source, matrix.target)):
            weight[name] = weight.get(name, 0.0) + edges
    return sorted(weight, key=lambda name: (-weight[name], size[name]))


def _split(labels: dict[str, np.ndarray], name: str, nodes: np.ndarray, draw: np.random.Generator) -> None:
    """Make each node a module of its own; of too many, draw modules for them."""
    fresh = np.arange(len(nodes)) if len(nodes) <= MOST else draw.integers(MOST, size=len(nodes))
    labels[name][nodes] = n_modules(labels) + fresh


def _kicked(
    labels: Mapping[str, np.ndarray], firsts: Sequence[str], draw: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return labels with a module dissolved (split in the first parts) and some nodes in modules at random."""
    n = n_modules(labels)
    gone = draw.integers(n)
    new = {name: np.where(one == gone, -1, one) for name, one in labels.items()}
    for one in new.values():
        moved = (draw.random(len(one)) < MOVED) & (one >= 0)
        one[moved] = draw.integers(n, size=int(moved.sum()))
    for name in firsts:
        _split(new, name, np.flatnonzero(labels[name] == gone), draw)
    return new


def _climbed(
    matrices: Sequence[Matrix], labels: dict[str, np.ndarray], live: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], float]:
    """Return labels that neither moving the nodes of a part nor merging two modules raises, and their modularity."""
    while True:
        moved = True
        while moved:
            moves = [_move(matrices, labels, name, nodes) for name, nodes in live.items()]
            moved = any(moves)
            _renumber(labels)
        if not _merge(matrices, labels):
            return labels, quality_of(matrices, labels)


def _live(matrices: Sequence[Matrix], name: str, size: int) -> np.ndarray:
    """Return the nodes of a part that have an edge of the form."""
    live = np.zeros(size, bool)
    for matrix in matrices:
        if matrix.target == name:
            live |= matrix.left.any(axis=1)
        if matrix.source == name:
            live |= matrix.right.any(axis=1)
    return np.flatnonzero(live)


def _one_of_each_set(matrices: Sequence[Matrix], names: Iterable[str]) -> list[str]:
    """Return the first part of each set of parts that blocks connect."""
    pairs = [(matrix.source, matrix.target) for matrix in matrices]
    pairs += [(target, source) for source, target in pairs]
    chosen, seen = [], set[str]()
    for name in names:
        if name not in seen:
            chosen.append(name)
        waiting = {name} - seen
        while waiting:
            seen |= waiting
            waiting = {b for a, b in pairs if a in waiting} - seen
    return chosen


def _move(matrices: Sequence[Matrix], labels: dict[str, np.ndarray], name: str, live: np.ndarray) -> bool:
    """Give every node of a part its best module, given those of the other parts; ties stay. Tell whether any moved."""
    n = n_modules(labels)
    gains = np.zeros((len(live), n))
    told = within = False
    for matrix in matrices:
        if matrix.target == name and labels[matrix.source].max(initial=-1) >= 0:
            gains += matrix.forth(labels[matrix.source], n)[live]
            told = True
        if matrix.source == name and labels[matrix.target].max(initial=-1) >= 0:
            gains += matrix.back(labels[matrix.target], n)[live]
            told = True
        within |= matrix.source == matrix.target == name
    if not told:
        return False
    own = labels[name][live]
    chosen = gains.argmax(axis=1)
    rows = np.arange(len(live))
    moved = (own < 0) | (gains[rows, own] < gains[rows, chosen] - _LEAST)
    new = labels[name].copy()
    new[live[moved]] = chosen[moved]
    if (
        within
        and (own >= 0).all()
        and quality_of(matrices, labels | {name: new}) <= quality_of(matrices, labels) + _LEAST
    ):
        return False  # nodes of one part that gain alone may lose together where a block joins them
    labels[name] = new
    return bool(moved.any())


def _renumber(labels: dict[str, np.ndarray]) -> int:
    """Give modules numbers from 0 without gaps, and return how many there are."""
    kept = np.unique(np.concatenate(list(labels.values())))
    kept = kept[kept >= 0]
    for name, one in labels.items():
        labels[name] = np.where(one >= 0, np.searchsorted(kept, one), -1)
    return len(kept)


def _merge(matrices: Sequence[Matrix], labels: dict[str, np.ndarray]) -> bool:
    """Merge the pair of modules that gains most, again and again while none loses; tell whether any were merged."""
    n = _renumber(labels)
    gain = np.zeros((n, n))
    for matrix in matrices:
        between = summed(labels[matrix.target], matrix.forth(labels[matrix.source], n), n)
        gain += between + between.T
    np.fill_diagonal(gain, -np.inf)
    into = np.arange(n)
    while n > 1:
        a, b = np.unravel_index(np.argmax(gain), gain.shape)
        if gain[a, b] < -_LEAST:  # of equal labels, those of fewer modules
            break
        gain[a] += gain[b]
        gain[:, a] = gain[a]
        gain[a, a] = gain[b] = gain[:, b] = -np.inf
        into[into == b] = a
    merged = bool((into != np.arange(n)).any())
    if merged:
        for name, one in labels.items():
            labels[name] = np.where(one >= 0, into[one], -1)
    return merged
