"""Lottery tickets: iterative magnitude pruning with rewinding, and the networks that it is held against."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from torch import nn

from nngraph import _arguments
from nngraph._folders import digest_of
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_record, seed_sequence
from nngraph.blocks import Block
from nngraph.convert.torch import from_torch, to_torch
from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph, Step
from nngraph.nulls.draws import randomize
from nngraph.ops.pruning import prune
from nngraph.sparse._round_training import Scores, Train, Trainer
from nngraph.sparse._rounds import OK, START, UNSCORED, Rounds, rest_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONTROLS", "Tickets", "lottery_tickets", "ticket_control"]

Masks: TypeAlias = dict[str, np.ndarray]
CONTROLS: dict[str, str | None] = {
    "random": None,
    "reinitialize": "reinitialize",
    "shuffle": "erdos_renyi",
    "degree": "configuration",
}
"""Controls of a ticket by name: the null model of its graph before training; None for cells drawn at random."""


class Tickets:
    """Rounds of pruning and training, made by :func:`lottery_tickets` or, as a control, by :func:`ticket_control`."""

    kind: str
    """"magnitude", or the kind of control."""

    def __init__(
        self,
        kind: str,
        trainer: Trainer,
        store: Rounds,
        seed: np.random.SeedSequence,
        initial: Callable[[int], NeuralGraph],
    ) -> None:
        self.kind, self.trainer, self.seed = kind, trainer, seed
        self._store, self._initial = store, initial

    @property
    def rounds(self) -> pd.DataFrame:
        """One row per round: round, edges, density, density of each block, seconds (CPU), status, scores."""
        import pandas as pd

        return pd.DataFrame(self._store.rows)

    @property
    def trained(self) -> list[int]:
        """The rounds whose training did not fail."""
        return [row["round"] for row in self._store.rows if row["status"] == OK]

    @property
    def graphs(self) -> list[NeuralGraph]:
        """The graphs of the trained networks, in the order of :attr:`trained`."""
        return [self.graph(number) for number in self.trained]

    def graph(self, number: int) -> NeuralGraph:
        """Return the graph of the trained, masked network of a round; an edge that weighs 0 is present."""
        return self._store.of(number)[0]

    def initial(self, number: int) -> NeuralGraph:
        """Return the graph of the network of a round before its training: the mask, and the weights it started from."""
        self._store.of(number)
        return self._initial(number)

    def masks(self, number: int) -> Masks:
        """Return the (n_target, n_source) masks of the blocks of a round by name, True where an edge is present."""
        return masks_of(self.graph(number))

    def model(self, number: int) -> nn.Module:
        """Return the trained network of a round, with pruning masks, in evaluation mode."""
        return self.trainer.model(*self._store.of(number)).eval()

    def __repr__(self) -> str:
        rows = self._store.rows
        last = f", density {rows[-1]['density']:.3g} at the last" if rows else ""
        return f"Tickets {self.kind!r}: {len(self.trained)} rounds trained{last}"


def lottery_tickets(
    model: nn.Module,
    train: Train,
    rounds: int = 15,
    *,
    fraction: float = 0.2,
    rates: Mapping[str, float] | None = None,
    rewind: int | str = "init",
    scores: Scores | None = None,
    folder: str | os.PathLike[str] | None = None,
    rng: RNG = None,
    **conversion: Any,
) -> Tickets:
    r"""Train, drop the smallest weights of each layer, rewind the others to where they started, and again.

    .. math:: E_{r+1} = E_r \setminus \{\text{the } \mathrm{round}(p\,|E_r|) \text{ edges of smallest } |w^{(r)}|\},
              \qquad w^{(r+1)}_0 = w_k \odot M_{r+1}

    Parameters
    ----------
    model : torch.nn.Module
        As it is before training; not changed.
    train : callable (model, seed) -> None or the model, or a generator
        Trains the model that it is given, in place, for one round. Absent edges are behind torch's pruning masks, so
        that no optimiser can revive them: make the optimiser from ``model.parameters()`` inside. ``seed`` is an
        integer, another each round; torch's generator is set to it meanwhile. To rewind to step k write ``yield``
        after each step of the optimiser.
    rounds : int
        Number of prunings; round 0 is the whole network.
    fraction : float
        p, the share of its edges that each block loses in a round; the last block loses half of that.
    rates : mapping of block names to float, optional
        Shares of single blocks, in [0, 1), in the place of those.
    rewind : "init" or int
        Weights that survive start each round from those of ``model``, or from those after step k of the round 0.
    scores : callable (model) -> mapping of str to float, optional
        Called after each training, in evaluation mode and without gradients; its values are columns of ``rounds``,
        beside those that every round has. Should it raise, a folder keeps what was trained, and the next run scores it.
    folder : path, optional
        Where each round is kept as it is done; a run that was cut short goes on there, and may go on for more rounds.
        It takes a seed.
    rng : None, int, SeedSequence or Generator
        Source of the seeds of the rounds.
    **conversion
        Of :func:`nngraph.from_torch`: ``layers``, ``example_input``, ``conv="entry"``. What is no block is not pruned.

    Returns
    -------
    Tickets
        ``.rounds`` (a table), ``.graph(r)``, ``.masks(r)``, ``.model(r)``.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or ``train`` ends before the step to rewind to, takes the masks off or changes
        them, or returns another model.
    StudyError
        If the folder holds rounds of other settings. The functions ``train`` and ``scores`` cannot be compared.
    FormatError
        If a file of the folder cannot be read.

    Notes
    -----
    The count is exact: of n edges of a block round(p n) go, halves to even, and one at least stays; ties of magnitude
    go by edge order. Biases, and what else the model holds, are never pruned, and rewound. A training that leaves a
    value that is not finite, or raises ArithmeticError (FloatingPointError, OverflowError), ends the run: its round has
    the status "failed: ...", the earlier ones are kept. In a folder it stays so, as the training is taken to give the
    same again; with another training, delete the round's ``round_XXX.json`` to train it anew. Any other exception of
    the training, as a ValueError of a loop of your own, may be a mistake in it and is passed on: a folder keeps the
    earlier rounds, and the next run repeats the one that raised. A later round trains from w_k for as long as ``train``
    does: k steps are not taken off. The cost is that of the trainings; a round also takes a few copies of the weights.

    References
    ----------
    .. [1] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
       International Conference on Learning Representations, 2019.
    .. [2] J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin, "Linear mode connectivity and the lottery ticket
       hypothesis", International Conference on Machine Learning, 2020 (rewinding to step k).

    Examples
    --------
    >>> import torch
    >>> import nngraph as nng
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> def train(model, seed):
    ...     optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    ...     for _ in range(20):
    ...         optimizer.zero_grad()
    ...         torch.nn.functional.mse_loss(model(x), x**2).backward()
    ...         optimizer.step()
    ...         yield
    >>> found = nng.sparse.lottery_tickets(nng.mlp((1, 16, 1), rng=0), train, rounds=3, rewind=5, rng=0)
    >>> found.rounds[["round", "edges", "status"]].to_string(index=False).splitlines()[-1].split()
    ['3', '20', 'ok']
    """
    rounds = _arguments.whole("rounds", rounds, 0)
    for name, given in (("train", train), ("scores", scores)):
        if not callable(given) and (name == "train" or given is not None):
            raise ArgumentError(f"{name}: got {given!r}; expected a function of the model.")
    if rewind != "init":
        rewind = _arguments.whole("rewind", rewind, 1, also=", or 'init'")
    if folder is not None and rng is None:
        raise ArgumentError("rng: got None with a folder; expected a seed, as the run could not go on without it.")
    seed = seed_sequence(rng)
    G = from_torch(model, zeros="keep", **conversion)
    base = to_torch(G, model)
    shares = _shares(G, fraction, rates)
    settings = {
        "kind": "magnitude",
        "model": digest_of(base),
        "shares": shares,
        "rewind": rewind,
        "seed": seed_record(seed),
        "conversion": [f"{key}={value!r}" for key, value in sorted(conversion.items()) if key != "example_input"],
    }
    store = Rounds(folder, settings)
    trainer = Trainer(base, train, scores, seed, conversion)
    if rewind == "init" and not store.has_start():
        store.keep(START, trainer.graph(base), rest_of(base, G))

    def initial(number: int) -> NeuralGraph:
        if number == 0 and rewind != "init":
            return G
        start = store.kept(START)[0]
        return start if number == 0 else masked(start, masks_of(_pruned(store.of(number - 1)[0], shares)))

    for number in progress(range(rounds + 1), total=rounds + 1, label="rounds"):
        if not _done(store, number):
            step = int(rewind) if number == 0 and rewind != "init" else None
            rest = rest_of(base, G) if step is not None else store.kept(START)[1]
            trainer.run(number, initial(number), rest, store, step)
        if (row := store.row(number)) is None or row["status"] != OK:
            break
    return Tickets("magnitude", trainer, store, seed, initial)


def ticket_control(
    tickets: Tickets,
    kind: str,
    *,
    rounds: Sequence[int] | None = None,
    folder: str | os.PathLike[str] | None = None,
    rng: RNG = None,
) -> Tickets:
    r"""Train what lottery tickets are held against: networks of the same number of edges in each layer.

    .. math:: G_r = (M_r, w_k \odot M_r) \longmapsto G'_r = (M'_r, w'_r), \quad
              |M'_{r,b}| = |M_{r,b}| \text{ for each block } b

    ==============  =============================  ==========================================================
    kind            the mask                       the weights before training
    ==============  =============================  ==========================================================
    "random"        cells drawn at random, each    those that the whole network has at these cells
                    round's among the last one's
    "shuffle"       cells drawn at random          those of the ticket, dealt at random over the edges
    "degree"        all degrees of the ticket's    those of the ticket, dealt at random over the edges
    "reinitialize"  the ticket's                   drawn anew, uniform within 1 / sqrt(n_source)
    ==============  =============================  ==========================================================

    Parameters
    ----------
    tickets : Tickets
        Of :func:`lottery_tickets`; the training, the scores, and the seed of each round's training are theirs.
    kind : str
        One of those above, or any other kind of :func:`nngraph.nulls.randomize`, applied to the ticket before training.
    rounds : sequence of int, optional
        Which rounds; by default all that were trained but round 0.
    folder : path, optional
        Where each round is kept as it is done; a folder of its own.
    rng : None, int, SeedSequence or Generator
        Source of masks and weights; by default a child of the seed of the tickets.

    Returns
    -------
    Tickets
        With the rounds asked for. One that fails does not end the others, which do not depend on it.

    Raises
    ------
    ArgumentError
        If the kind or a round is unknown, or no round was trained.
    NullModelError
        If the null model of a ticket admits no other graph.
    StudyError
        If the folder holds rounds of other settings.

    Notes
    -----
    The masks of "random" and of "shuffle" follow one law, uniform over all of as many edges in each block; the two
    differ in the weights: large initial weights survive pruning more often, and a shuffled ticket still has them.
    Biases are those that the ticket started from. "degree" is a chain, "shuffle" and "random" are exact draws.

    References
    ----------
    .. [1] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
       International Conference on Learning Representations, 2019 (random pruning, reinitialised tickets).
    .. [2] J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin, "Pruning neural networks at initialization: why are we
       missing the mark?", International Conference on Learning Representations, 2021 (shuffled masks).

    Examples
    --------
    >>> import nngraph as nng
    >>> tickets = nng.sparse.lottery_tickets(nng.mlp((6, 8, 2), rng=0), lambda model, seed: None, rounds=2, rng=0)
    >>> found = nng.sparse.ticket_control(tickets, "shuffle", rounds=[2])
    >>> [int(mask.sum()) for mask in found.masks(2).values()] == [int(m.sum()) for m in tickets.masks(2).values()]
    True
    """
    if not isinstance(tickets, Tickets) or tickets.kind != "magnitude":
        raise ArgumentError(f"ticket_control: got {tickets!r}; expected the Tickets that lottery_tickets gave.")
    if not tickets.trained:
        raise ArgumentError("ticket_control: got tickets no round of which was trained; their first training failed.")
    null = CONTROLS.get(kind, kind) if isinstance(kind, str) else kind
    start, rest = tickets._store.kept(START)
    if null is not None:
        randomize(start.select([]), null)  # refuses what is no kind
    wanted = tickets.trained[1:] if rounds is None else list(rounds)
    for number in wanted:
        tickets._store.of(number)
    seed = child(tickets.seed, "control", kind) if rng is None else seed_sequence(rng)
    settings = {
        "kind": kind,
        "model": digest_of(tickets.trainer.base),
        "tickets": seed_record(tickets.seed),
        "seed": seed_record(seed),
    }
    store = Rounds(folder, settings)

    def initial(number: int) -> NeuralGraph:
        if null is None:
            return _at_random(start, tickets._store.of(number)[0], seed)
        return randomize(tickets.initial(number), null, rng=child(seed, number))

    for number in progress(wanted, total=len(wanted), label=f"rounds of {kind}"):
        if not _done(store, number):
            tickets.trainer.run(number, initial(number), rest, store)
    return Tickets(kind, tickets.trainer, store, seed, initial)


def _done(store: Rounds, number: int) -> bool:
    """Tell whether a round was trained, or failed, and lacks no scores."""
    row = store.row(number)
    return row is not None and row["status"] != UNSCORED


# ----------------------------------------------------------------------- masks


def masks_of(G: NeuralGraph) -> Masks:
    """Return the masks of the blocks of a graph by name."""
    return {block.name: np.ones(block.shape, bool) if block.mask is None else block.mask for block in G.blocks}


def masked(G: NeuralGraph, masks: Masks) -> NeuralGraph:
    """Return a graph with the edges alone that are present in its own and in other masks."""
    blocks = [block.with_support(masks[block.name].reshape(-1)[_cells(block)]) for block in G.blocks]
    return G.replace_blocks(blocks, Step("masked", {}))


def _cells(block: Block) -> np.ndarray | slice:
    """Return the places of the edges of a block among all its cells, in edge order."""
    return slice(None) if block.mask is None else np.flatnonzero(block.mask)


def _shares(G: NeuralGraph, fraction: object, rates: Mapping[str, float] | None) -> dict[str, float]:
    """Return the share that each block loses in a round; blocks of one matrix lose it together."""
    usual = _arguments.share("fraction", fraction)
    if rates is not None and not isinstance(rates, Mapping):
        raise ArgumentError(f"rates: got {type(rates).__name__}; expected a mapping from names of blocks to shares.")
    given = {} if rates is None else dict(rates)
    if odd := [name for name in given if name not in {block.name for block in G.blocks}]:
        known = ", ".join(repr(block.name) for block in G.blocks)
        raise ArgumentError(f"rates: got the block {odd[0]!r}; this model has {known}.")
    shares = {block.name: usual for block in G.blocks} | {G.blocks[-1].name: usual / 2}
    for name, rate in given.items():
        shares[name] = _arguments.number(f"rates[{name!r}]", rate, "a number from 0 to below 1", lambda x: 0 <= x < 1)
    return shares


def _pruned(G: NeuralGraph, shares: Mapping[str, float]) -> NeuralGraph:
    done: set[object] = set()
    for block in G.blocks:
        key = block.name if block.origin is None else block.origin.key
        if key in done or not block.n_edges:
            continue
        done.add(key)  # tied blocks are one matrix, pruned once
        G = prune(G, min(shares[block.name], (block.n_edges - 1) / block.n_edges), blocks=[block.name])
    return G


def _at_random(start: NeuralGraph, ticket: NeuralGraph, seed: np.random.SeedSequence) -> NeuralGraph:
    """Return the start with as many edges in each block as a ticket has: the first of one random order of all.

    One order for all rounds, so that each round's edges are among those of the round before.
    """
    kept: dict[object, np.ndarray] = {}
    blocks = []
    for block, its in zip(start.blocks, ticket.blocks, strict=True):
        key = block.name if block.origin is None else block.origin.key
        if key not in kept:
            kept[key] = generator(child(seed, "order", block.name)).permutation(block.n_edges) < its.n_edges
        blocks.append(block.with_support(kept[key]))
    return start.replace_blocks(blocks, Step("random_ticket", {}))
