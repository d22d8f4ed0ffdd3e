"""Restricted Boltzmann machines whose bipartite graph is dense, fixed and sparse, or evolves as they learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph import _arguments
from nngraph._progress import progress
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.blocks import Block
from nngraph.errors import ArgumentError, ConvergenceError
from nngraph.graph import NeuralGraph, Part
from nngraph.sparse._likelihood import Likelihood
from nngraph.sparse._partition import LogPartition, logistic
from nngraph.sparse.supports import Rewiring, erdos_renyi_mask, rewire

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BoltzmannMachine", "LogPartition"]


class BoltzmannMachine(Likelihood):
    r"""A restricted Boltzmann machine of binary units: one bipartite block from visible to hidden units.

    .. math:: p(v, h) = \frac{1}{Z} \exp\Bigl(\sum_i b_i v_i + \sum_j c_j h_j + \sum_{ij} M_{ji} W_{ji} h_j v_i\Bigr),
              \qquad v_i, h_j \in \{0, 1\}

    Parameters
    ----------
    n_visible, n_hidden : int
        Number of units of each side.
    epsilon : float, optional
        Makes the support an Erdos-Renyi one, each edge present with probability
        :math:`\epsilon (n + m) / (n m)`, see :func:`erdos_renyi_mask`. By default every edge is present.
    mask : (n_hidden, n_visible) bool array, optional
        The support itself, instead of ``epsilon``.
    scale : float
        Standard deviation of the normal weights at the start. Biases start at 0.
    rng : None, int, SeedSequence or Generator
        Seed of support, weights, and everything that training draws.

    Attributes
    ----------
    weights : (n_hidden, n_visible) float32 array
        0 where no edge is present.
    mask : (n_hidden, n_visible) bool array
        Edges that are present; one of them may weigh 0.
    visible_bias, hidden_bias : (n_visible,) and (n_hidden,) float32 arrays
        b and c above.
    rewirings : int
        How often the support was rewired.

    Raises
    ------
    ArgumentError
        If a number of units is below 1, the mask has another shape, or both epsilon and mask are given.

    References
    ----------
    .. [1] D. C. Mocanu, E. Mocanu, P. Stone, P. H. Nguyen, M. Gibescu, A. Liotta, "Scalable training of artificial
       neural networks with adaptive sparse connectivity inspired by network science", Nature Communications 9 (2018).
    .. [2] G. E. Hinton, "Training products of experts by minimizing contrastive divergence", Neural Computation 14
       (2002).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.repeat(np.eye(4, dtype=bool), 25, axis=0)
    >>> machine = BoltzmannMachine(4, 8, epsilon=1.5, rng=0)
    >>> before = machine.log_likelihood(x).mean()
    >>> _ = machine.train(x, epochs=50, lr=0.2, zeta=0.2, every=10)
    >>> bool(machine.log_likelihood(x).mean() > before), machine.graph().n_edges == machine.core().n_edges
    (True, False)
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        epsilon: float | None = None,
        mask: np.ndarray | None = None,
        scale: float = 0.01,
        rng: RNG = None,
    ) -> None:
        n_visible = _arguments.whole("n_visible", n_visible)
        n_hidden = _arguments.whole("n_hidden", n_hidden)
        _arguments.number("scale", scale, "a number of at least 0", lambda x: 0 <= x < np.inf)
        if epsilon is not None and mask is not None:
            raise ArgumentError("BoltzmannMachine: got both epsilon and mask; pass the one that says which edges are.")
        self._seed = seed_sequence(rng)
        shape = (n_hidden, n_visible)
        if epsilon is not None:
            self.mask = erdos_renyi_mask(n_hidden, n_visible, epsilon, rng=child(self._seed, "support"))
        else:
            self.mask = _support(mask, shape)
        normal = generator(child(self._seed, "weights")).standard_normal(shape, dtype=np.float32)
        self.weights = normal * np.float32(scale) * self.mask
        self.visible_bias = np.zeros(n_visible, np.float32)
        self.hidden_bias = np.zeros(n_hidden, np.float32)
        self.rewirings = 0
        self._core = self.mask
        self._velocity = (
            np.zeros_like(self.weights),
            np.zeros_like(self.visible_bias),
            np.zeros_like(self.hidden_bias),
        )
        self._epochs = self._updates = 0

    @property
    def n_edges(self) -> int:
        """Number of edges that are present; it never changes."""
        return int(np.count_nonzero(self.mask))

    def train(
        self,
        x: np.ndarray,
        *,
        epochs: int,
        lr: float = 0.05,
        batch_size: int = 100,
        k: int = 1,
        momentum: float = 0.9,
        weight_decay: float = 2e-4,
        zeta: float | None = None,
        every: int | None = None,
    ) -> pd.DataFrame:
        r"""Train by contrastive divergence, and rewire the support on the way.

        .. math:: \Delta W_{ji} \leftarrow \mu \, \Delta W_{ji} + \eta \bigl(\langle v_i h_j \rangle_\mathrm{data}
                  - \langle v_i h_j \rangle_k - \lambda W_{ji} \bigr)

        Parameters
        ----------
        x : (n, n_visible) array
            Samples of 0 and 1.
        epochs : int
            Passes through the samples, in an order of their own each.
        lr : float
            :math:`\eta`. Biases learn at the same rate.
        batch_size : int
            Samples of one update; the last of an epoch may be smaller.
        k : int
            Gibbs steps from the data to the negative phase. Hidden units of the last step enter as probabilities.
        momentum : float
            :math:`\mu`, from 0 to below 1.
        weight_decay : float
            :math:`\lambda`, of weights alone.
        zeta : float, optional
            Share of the positive and of the negative edges that :func:`rewire` moves each time: sparse evolutionary
            training. By default the support stays.
        every : int, optional
            Updates between rewirings; by default one is after each epoch.

        Returns
        -------
        pandas.DataFrame
            epoch, reconstruction (mean squared error per unit of the first Gibbs step), rewired (edges moved).

        Raises
        ------
        ArgumentError
            If an argument is outside of its range, or a sample is not of 0 and 1.
        ConvergenceError
            If weights become NaN or infinite; the machine is then as it was before the epoch.

        Notes
        -----
        The first call sets the visible biases to the log odds of each unit in the data. A moved edge starts at weight 0
        without momentum. Two calls of 5 epochs are one call of 10, so stop rewiring before the end by calling again
        without ``zeta``. An update costs 3 + 2 k products of a batch with the dense matrix, whatever the support.

        References
        ----------
        .. [1] G. E. Hinton, "A practical guide to training restricted Boltzmann machines" (2012).
        """
        import pandas as pd

        samples = self._samples(x)
        epochs, batch_size = _arguments.whole("epochs", epochs), _arguments.whole("batch_size", batch_size)
        k = _arguments.whole("k", k)
        _arguments.number("lr", lr, "a positive number", lambda v: 0 < v < np.inf)
        _arguments.number("momentum", momentum, "a number from 0 to below 1", lambda v: 0 <= v < 1)
        _arguments.number("weight_decay", weight_decay, "a number of at least 0", lambda v: 0 <= v < np.inf)
        if zeta is not None:
            _arguments.share("zeta", zeta)
        if every is not None and zeta is None:
            raise ArgumentError(f"every: got {every!r} without zeta; pass the share of edges to move.")
        gap = _arguments.whole("every", every) if every is not None else -(-len(samples) // batch_size)
        if self._base is None:
            share = (samples.sum(axis=0) + 0.5) / (len(samples) + 1)
            self._base = np.log(share / (1 - share)).astype(np.float32)
            self.visible_bias = self._base.copy()
        rates = (np.float32(lr), np.float32(momentum), np.float32(weight_decay))
        rows = []
        for _ in progress(range(epochs), total=epochs, label="epochs"):
            draw = generator(child(self._seed, "epoch", self._epochs))
            order = draw.permutation(len(samples))
            errors, moved = [], 0
            kept = self._kept()
            for start in range(0, len(samples), batch_size):
                with np.errstate(over="ignore", invalid="ignore"):  # said below, once, with the epoch
                    errors.append(self._update(samples[order[start : start + batch_size]], rates, k, draw))
                self._updates += 1
                if zeta is not None and self._updates % gap == 0:
                    self._check_finite(kept)
                    moved += len(self._rewire(zeta).added)
            self._check_finite(kept)
            self._epochs += 1
            rows.append((self._epochs, float(np.mean(errors)), moved))
        return pd.DataFrame(rows, columns=["epoch", "reconstruction", "rewired"])

    def _update(
        self, batch: np.ndarray, rates: tuple[np.float32, np.float32, np.float32], k: int, draw: np.random.Generator
    ) -> float:
        """Do one step of contrastive divergence; return the error of the first reconstruction."""
        lr, momentum, decay = rates
        positive = hidden = logistic(batch @ self.weights.T + self.hidden_bias)
        error = 0.0
        for step in range(k):
            state = (draw.random(hidden.shape, dtype=np.float32) < hidden).astype(np.float32)
            mean = logistic(state @ self.weights + self.visible_bias)
            if not step:
                error = float(np.square(batch - mean).mean())
            visible = (draw.random(mean.shape, dtype=np.float32) < mean).astype(np.float32)
            hidden = logistic(visible @ self.weights.T + self.hidden_bias)
        gradient = positive.T @ batch
        gradient -= hidden.T @ visible
        gradient /= np.float32(len(batch))
        gradient -= decay * self.weights
        gradient *= self.mask
        slopes = (gradient, (batch - visible).mean(axis=0), (positive - hidden).mean(axis=0))
        held = (self.weights, self.visible_bias, self.hidden_bias)
        for parameter, velocity, slope in zip(held, self._velocity, slopes, strict=True):
            velocity *= momentum
            velocity += lr * slope
            parameter += velocity
        return error

    def _rewire(self, zeta: float) -> Rewiring:
        seed = child(self._seed, "rewiring", self.rewirings)
        rewiring = rewire(self.weights, self.mask, zeta=zeta, rng=seed)
        self._core, self.mask = rewiring.core, rewiring.mask
        for cells in (rewiring.removed, rewiring.added):
            self.weights.reshape(-1)[cells] = 0
            self._velocity[0].reshape(-1)[cells] = 0
        self.rewirings += 1
        return rewiring

    def _kept(self) -> dict[str, Any]:
        """Copy what an epoch changes; supports are replaced and never written to."""
        held = {name: getattr(self, name).copy() for name in ("weights", "visible_bias", "hidden_bias")}
        velocity = tuple(array.copy() for array in self._velocity)
        names = ("mask", "_core", "rewirings", "_updates")
        return {**held, "_velocity": velocity, **{name: getattr(self, name) for name in names}}

    def _check_finite(self, kept: dict[str, Any]) -> None:
        if all(np.isfinite(array).all() for array in (self.weights, self.visible_bias, self.hidden_bias)):
            return
        for name, value in kept.items():
            setattr(self, name, value)
        raise ConvergenceError(
            f"training: weights became NaN or infinite in epoch {self._epochs + 1}; the machine is as it was before "
            "it. Lower lr or momentum."
        )

    def graph(self) -> NeuralGraph:
        """Return the machine as a graph, from the part "visible" to the part "hidden".

        Returns
        -------
        NeuralGraph
            With the hidden biases; the visible ones have no place in it, as the block points away from them. Edges that
            weigh 0 are present.
        """
        return self._graph(self.mask)

    def core(self) -> NeuralGraph:
        """Return the graph without the edges that the last rewiring added: those that training chose to keep.

        Returns
        -------
        NeuralGraph
            As :meth:`graph` before the first rewiring.
        """
        return self._graph(self._core)

    def _graph(self, mask: np.ndarray) -> NeuralGraph:
        bias = self.hidden_bias.copy()
        block = Block.from_dense("weights", "visible", "hidden", self.weights * mask, mask.copy(), bias=bias)
        return NeuralGraph([block], [Part("visible", mask.shape[1]), Part("hidden", mask.shape[0])])


def _support(mask: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    if mask is None:
        return np.ones(shape, dtype=bool)
    given = np.array(mask)
    if given.shape != shape or given.dtype != bool:
        raise ArgumentError(
            f"mask: got shape {given.shape} and type {given.dtype}; expected bool of shape {shape}, hidden by visible."
        )
    return given
