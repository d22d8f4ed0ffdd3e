"""Sparse evolutionary training: the support of a network changes while its weights are trained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_record, seed_sequence
from nngraph.errors import ArgumentError, ConvergenceError, SparsityWarning
from nngraph.graph import Step
from nngraph.sparse import _cells
from nngraph.sparse._cells import Exchange, Regrowth
from nngraph.sparse._choice import Sparse, cells_of, check_masks, chosen, random_cells, say_unused
from nngraph.sparse._edges import EvolvingEdges
from nngraph.sparse._graphs import as_mask, supported
from nngraph.sparse._layers import Evolving, MaskedLinear, Optimizer, check_absent, check_ready
from nngraph.sparse._rules import Regrown, Rules
from nngraph.sparse._states import COLUMNS, State
from nngraph.sparse.layers import SparseLinear
from nngraph.sparse.supports import none_goes, too_dense

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.graph import NeuralGraph

__all__ = ["SET"]


class SET:
    r"""Sparse evolutionary training of the Linear layers of a model, inside of any training loop.

    .. math:: P(\text{edge}) = \varepsilon \frac{n + m}{n m}; \qquad
              E \to E \setminus \{\lfloor \zeta E_+ \rfloor + \lfloor \zeta E_- \rfloor \text{ weakest}\}
              \cup \{\text{as many new}\}

    Making one leaves a random part of the weights in place and makes the others absent. After every optimiser step
    ``after_step(optimizer)`` keeps them so and, when it is time, lets the weakest edges of either sign go and as many
    grow elsewhere (see :func:`rewire`). The number of edges of a layer never changes.

    Parameters
    ----------
    model : torch.nn.Module
        Its Linear layers get masks, in place; a :class:`SparseLinear`, which holds its present edges alone, begins with
        those that it has. ``SET(sparsify(model, epsilon=13, rng=7), rng=7)`` trains as ``SET(model, 13, rng=7)`` does,
        in the time and memory of the edges. Present weights stay as they are: they are those of the dense
        initialisation, not scaled up for the missing ones.
    epsilon : float, optional
        Edges a neuron, about, of Linear layers; 13 (by default) and 20 are the published ones.
    zeta : float
        Share of the positive, and of the negative, edges of a layer that go in a rewiring, between 0 and 1.
    every : int or "epoch"
        Steps from one rewiring to the next. "epoch": when ``after_epoch(optimizer)`` is called, which then takes the
        place of ``after_step``.
    stop : int, optional
        The last step, or epoch, after which edges may still move; 0 never rewires, which trains a fixed random
        support. Masks stay. By default there is no end; new edges need some hundred steps to learn, so give one.
    layers : str or sequence of str, optional
        Names of the Linear layers that become sparse, and of the SparseLinear layers that evolve. By default all but
        the output layer and ``out_proj`` of attention modules.
    dense_output : bool
        Leave out the last layer in the order of the model's modules, as published, if it is a Linear one.
    regrowth : "random", "preferential" or "degree"
        Where edges grow; see :func:`rewire`.
    regrow : 0, "normal" or "init"
        What new edges weigh: 0 (published, with masks), normal with standard deviation 0.1 (published, with sparse
        matrices), or one of the weights that the layer began with, drawn at random.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same supports, whatever other layers there are.

    Raises
    ------
    ArgumentError
        If an argument is out of its range, or the model has no Linear layer that could evolve.
    UnsupportedLayerError
        If a layer is lazy, pruned or parametrised, or its weight is tied to another.

    Warns
    -----
    SparsityWarning
        If epsilon makes a layer complete (it is then never rewired), or is given where no layer is Linear. In training,
        once a layer: if fewer cells are free than edges would go, or the share zeta of its few edges is less than one.

    Notes
    -----
    An absent weight is exactly 0 after each ``after_step``, whatever momentum, moments and weight decay do; its
    gradient is 0 as well, so that norms of gradients are those of the sparse network. Of edges that went or grew,
    entries are set to 0 in every tensor of the optimiser's state that has the weight's shape (momentum of SGD, moments
    of Adam, AdamW and amsgrad); step counts stay. Biases and other parameters are not touched. With ``every="epoch"``
    absent weights stay 0 between two calls because every usual optimiser leaves a weight alone that is 0, with a
    gradient and a state of 0; a SparsityWarning says if it did not, as one that has trained the dense model before.

    To go back to a checkpoint, load the model, the optimiser and ``evo.load_state_dict`` of the same moment. Weights of
    another support than the present one are refused by ``after_step`` or ``after_epoch`` after the next gradient, and
    by ``graph``, ``core`` and ``finish``.

    An edge that grew at 0 and still weighs exactly 0 (no gradient reached it) goes first in the next rewiring.

    Cost: two products of a weight matrix with its mask a step (none for a SparseLinear); a rewiring is a few passes
    over the edges. The model may be moved to another device or type at any time; choosing edges happens on the CPU.

    References
    ----------
    .. [1] D. C. Mocanu, E. Mocanu, P. Stone, P. H. Nguyen, M. Gibescu, A. Liotta, "Scalable training of artificial
       neural networks with adaptive sparse connectivity inspired by network science", Nature Communications 9 (2018).

    Examples
    --------
    >>> import torch
    >>> import nngraph as nng
    >>> model = nng.mlp((20, 30, 30, 2), rng=0)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> evo = nng.sparse.SET(model, epsilon=3, every=5, rng=0)
    >>> x, y = torch.ones(8, 20), torch.ones(8, dtype=torch.long)
    >>> for _ in range(10):
    ...     optimizer.zero_grad()
    ...     torch.nn.functional.cross_entropy(model(x), y).backward()
    ...     optimizer.step()
    ...     evo.after_step(optimizer)
    >>> evo.history.groupby("block").n_edges.nunique().tolist()
    [1, 1]
    """

    def __init__(
        self,
        model: nn.Module,
        epsilon: float | None = None,
        *,
        zeta: float = 0.3,
        every: int | Literal["epoch"] = 500,
        stop: int | None = None,
        layers: Sequence[str] | str | None = None,
        dense_output: bool = True,
        regrowth: Regrowth = "random",
        regrow: Regrown = 0,
        rng: RNG = None,
    ) -> None:
        rules = Rules(zeta, every, stop, regrowth, regrow)
        density = 13.0 if epsilon is None else _cells.check_epsilon(epsilon)
        found = chosen(model, layers, dense_output=_arguments.flag("dense_output", dense_output))
        say_unused(epsilon, found)
        seed = seed_sequence(rng)
        cells = {name: random_cells(name, module, density, seed) for name, module in found.items()}
        self._begin(model, rules, seed, found, cells)

    @classmethod
    def from_masks(
        cls,
        model: nn.Module,
        masks: Mapping[str, np.ndarray | torch.Tensor],
        *,
        zeta: float = 0.3,
        every: int | Literal["epoch"] = 500,
        stop: int | None = None,
        regrowth: Regrowth = "random",
        regrow: Regrown = 0,
        rng: RNG = None,
    ) -> SET:
        """Begin with supports of your own: ``masks`` maps names of Linear layers to (n_target, n_source) bool arrays.

        A present edge may weigh 0. Other arguments are those of :class:`SET`.

        Examples
        --------
        >>> import nngraph as nng
        >>> model = nng.mlp((20, 30, 2), rng=0)
        >>> mask = nng.sparse.erdos_renyi_mask(30, 20, epsilon=3, rng=0)
        >>> evo = SET.from_masks(model, {"0": mask})
        >>> bool(evo.graph().block("0").n_edges == mask.sum())
        True
        """
        rules = Rules(zeta, every, stop, regrowth, regrow)
        found = chosen(model, check_masks(masks), dense_output=False)
        cells = {name: cells_of(name, masks[name], module) for name, module in found.items()}
        evo = cls.__new__(cls)
        evo._begin(model, rules, seed_sequence(rng), found, cells)
        return evo

    @classmethod
    def as_published(cls, model: nn.Module, *, epochs: int | None = None, rng: RNG = None) -> SET:
        """Begin as in the paper: epsilon 20, zeta 0.3, dense output, new edges at 0, rewired after each epoch.

        With ``epochs``, the number of epochs of the training, the last one is not followed by a rewiring.
        """
        stop = None if epochs is None else _arguments.whole("epochs", epochs, also=", or None") - 1
        return cls(model, 20.0, zeta=0.3, every="epoch", stop=stop, rng=rng)

    def _begin(
        self,
        model: nn.Module,
        rules: Rules,
        seed: np.random.SeedSequence,
        found: Mapping[str, Sparse],
        cells: Mapping[str, np.ndarray],
    ) -> None:
        self._model, self._rules, self._seed = model, rules, seed
        self._layers: list[Evolving] = [
            EvolvingEdges(name, module) if isinstance(module, SparseLinear) else MaskedLinear(name, module, cells[name])
            for name, module in found.items()
        ]
        self._grown = {layer.name: layer.cells[:0] for layer in self._layers}
        self._first = {layer.name: layer.values().copy() for layer in self._layers if rules.regrow == "init"}
        self._n, self._rows = 0, list[dict[str, Any]]()
        self._said, self._revived = set[str](), set[str]()
        self._finished = False

    # --------------------------------------------------------------- training

    def after_step(self, optimizer: Optimizer) -> None:
        """Keep absent weights at 0 and, after every ``every`` steps, rewire; call it after ``optimizer.step()``.

        Raises
        ------
        ArgumentError
            If rewiring goes by epochs, the optimiser does not hold the weights of a layer, or these are of another
            moment than its support.
        ConvergenceError
            If it is time to rewire and weights are NaN or infinite; no layer is changed then.
        """
        if self._rules.every == "epoch":
            raise ArgumentError(
                "after_step: got a call though every='epoch'; expected after_epoch(optimizer) once an epoch, or "
                "SET(..., every=n) with a number of steps."
            )
        self._check_open()
        check_ready(optimizer, self._layers)
        self._advance(optimizer)

    def after_epoch(self, optimizer: Optimizer) -> None:
        """Keep absent weights at 0 and rewire, with ``every="epoch"``; raises as :meth:`after_step` does."""
        if self._rules.every != "epoch":
            raise ArgumentError(
                f"after_epoch: got a call though every={self._rules.every!r}; expected after_step(optimizer) after "
                "each step, or SET(..., every='epoch')."
            )
        self._check_open()
        check_ready(optimizer, self._layers)
        for layer in self._layers:
            if (n := layer.revived()) and layer.name not in self._revived:
                self._revived.add(layer.name)
                warnings.warn(
                    f"layer '{layer.name}': the optimiser has moved {n:,} absent weights within the epoch; they are 0 "
                    "again. Make the optimiser anew after SET, or use every=n with after_step.",
                    SparsityWarning,
                    stacklevel=2,
                )
        self._advance(optimizer)

    def _advance(self, optimizer: Optimizer) -> None:
        for layer in self._layers:
            layer.hold()
        self._n += 1
        if self._rules.due(self._n):
            self._rewire(optimizer)

    def _check_open(self) -> None:
        if self._finished:
            raise ArgumentError("SET: got a call after finish(); make a new SET to go on.")

    def _rewire(self, optimizer: Optimizer) -> None:
        for layer in self._layers:
            if not layer.is_finite():
                raise ConvergenceError(
                    f"layer '{layer.name}': got weights that are NaN or infinite at {self._rules.unit} {self._n}; "
                    "training has diverged and no edge was moved. Train with a smaller learning rate."
                )
        for layer in self._layers:
            if len(layer.cells) == layer.shape[0] * layer.shape[1]:
                continue  # complete: nowhere to grow
            seed = child(self._seed, "rewire", self._n, layer.name)
            rules, draw = self._rules, generator(child(seed, "cells"))
            done = _cells.exchange(layer.values(), layer.cells, layer.shape, rules.zeta, rules.regrowth, draw)
            self._say(layer, done)
            first = self._first.get(layer.name)
            new = rules.new_weights(len(done.added), first, generator(child(seed, "weights")))
            layer.exchange(done, new, optimizer)
            self._grown[layer.name] = done.added
            self._record(layer, done)

    def _say(self, layer: Evolving, done: Exchange) -> None:
        none_of_some = not done.n_wanted and len(layer.cells) > 0
        if layer.name not in self._said and (none_of_some or done.n_wanted > len(done.removed)):
            self._said.add(layer.name)
            what = none_goes(len(layer.cells), self._rules.zeta) if none_of_some else too_dense(done, layer.shape)
            warnings.warn(f"layer '{layer.name}': {what}", SparsityWarning, stacklevel=5)

    def _record(self, layer: Evolving, done: Exchange) -> None:
        zeros = len(done.removed) - done.n_positive - done.n_negative
        counts = (done.n_positive, done.n_negative, zeros, len(done.added), len(layer.cells))
        self._rows.append(dict(zip(COLUMNS, (self._n, layer.name, *counts), strict=True)))

    # ---------------------------------------------------------------- reading

    @property
    def history(self) -> pd.DataFrame:
        """One row for each rewiring of a layer.

        Columns: step (epochs with ``every="epoch"``), block, removed_positive, removed_negative, removed_zero, added,
        n_edges.
        """
        import pandas as pd

        return pd.DataFrame(self._rows, columns=list(COLUMNS))

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """(n_target, n_source) bool array of each evolving layer by name: True where an edge is present; copies."""
        return {layer.name: as_mask(layer.cells, layer.shape) for layer in self._layers}

    def graph(self, **options: Any) -> NeuralGraph:
        """Return the graph of the model as it is, *regrown*: every edge of a mask is present, also one of weight 0.

        ``options`` go to :func:`nngraph.from_torch`: ``example_input``, ``conv``, ``layers``. Zeros of other layers are
        edges too, unless a pruning mask of torch says otherwise.
        """
        return self._graph({layer.name: layer.cells for layer in self._layers}, "regrown", options)

    def core(self, **options: Any) -> NeuralGraph:
        """Return the *core*: the graph less the edges that grew in the last rewiring, with the weights of now.

        Right after a rewiring that is the graph between removal and regrowth; before the first one it is the graph.
        """
        for layer in self._layers:
            if not _cells.is_in(layer.cells, self._grown[layer.name]).all():
                raise ArgumentError(
                    f"layer '{layer.name}': got other edges than it had after the last rewiring, so that nobody knows "
                    "which of them grew. Load evo.state_dict() of the same moment as the state of the model too."
                )
        kept = {
            layer.name: np.setdiff1d(layer.cells, self._grown[layer.name], assume_unique=True) for layer in self._layers
        }
        return self._graph(kept, "core", options)

    def _graph(self, cells: Mapping[str, np.ndarray], which: str, options: Mapping[str, Any]) -> NeuralGraph:
        check_absent(self._layers)
        supports = {id(layer.parameter): cells[layer.name] for layer in self._layers}
        rules = self._rules
        facts = {"graph": which, rules.unit: self._n, "zeta": rules.zeta, "regrowth": rules.regrowth}
        return supported(self._model, supports, Step("SET", facts, seed_record(self._seed)), options)

    # ----------------------------------------------------- leaving, coming back

    def finish(self, *, masks: bool = True) -> nn.Module:
        """End the evolution and return the model, with torch's pruning masks on the layers that evolved.

        With the masks ``from_torch``, ``beta_eff`` and further training see the support; the parameters stay the same
        objects (now called ``weight_orig``), so an optimiser may go on. ``masks=False`` leaves plain weights of 0.
        """
        _arguments.flag("masks", masks)
        if not self._finished:
            check_absent(self._layers)
            for layer in self._layers:
                layer.release(masks=masks)
            self._finished = True
        return self._model

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on later, beside the states of model and optimiser; torch can save it.

        Weights are not part of it. Tensors, numbers and texts alone, so that ``torch.load`` reads it with
        ``weights_only=True``.
        """
        cells = {layer.name: layer.cells for layer in self._layers}
        state = State(self._n, self._seed, self._rows, cells, self._grown, self._first)
        return state.saved({layer.name: layer.shape for layer in self._layers})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: its supports, its seed, its count of steps. Load the states of model and optimiser too.

        The rules (zeta, every, stop, ...) stay those that this one was made with.

        Raises
        ------
        ArgumentError
            If it is no state of these layers; nothing is changed then.
        """
        self._check_open()
        with_first = self._rules.regrow == "init"
        read = State.read(state, {layer.name: layer.shape for layer in self._layers}, with_first=with_first)
        self._n, self._seed, self._rows = read.n, read.seed, read.history
        self._grown, self._first = read.grown, read.first
        for layer in self._layers:
            layer.restore(read.cells[layer.name])

    def __repr__(self) -> str:
        n, cells = (
            sum(counts) for counts in zip(*[(len(x.cells), x.shape[0] * x.shape[1]) for x in self._layers], strict=True)
        )
        return (
            f"SET: {len(self._layers)} layers, {n:,} edges ({100 * n / cells:.3g} % of all pairs), zeta "
            f"{self._rules.zeta:g}, {self._rules.unit} {self._n}"
        )
