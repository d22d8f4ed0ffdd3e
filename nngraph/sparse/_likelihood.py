"""What a restricted Boltzmann machine says of samples: free energies, its partition function, log-likelihoods."""

from __future__ import annotations

import numpy as np

from nngraph import _arguments
from nngraph._rng import RNG, child, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.sparse import _partition
from nngraph.sparse._partition import LogPartition, softplus

__all__ = ["Likelihood"]


class Likelihood:
    """The law of the visible units of a machine, given its weights and biases."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    _seed: np.random.SeedSequence
    _base: np.ndarray | None = None
    """Log odds of the visible units in the training data, from which chains are annealed."""

    def free_energy(self, x: np.ndarray) -> np.ndarray:
        r"""Return the free energy of samples, in nats.

        .. math:: F(v) = -\sum_i b_i v_i - \sum_j \log\Bigl(1 + \exp\bigl(c_j + \sum_i W_{ji} v_i\bigr)\Bigr)

        Parameters
        ----------
        x : (n, n_visible) array
            Samples of 0 and 1.

        Returns
        -------
        (n,) float64 array

        Raises
        ------
        ArgumentError
            If a sample is not of 0 and 1, or has another number of units.
        """
        samples = self._samples(x)
        found: np.ndarray = -samples.astype(np.float64) @ self.visible_bias.astype(np.float64)
        for start in range(0, len(samples), 1000):
            rows = slice(start, start + 1000)
            found[rows] -= softplus(samples[rows] @ self.weights.T + self.hidden_bias).sum(axis=1)
        return found

    def log_partition(
        self,
        *,
        n_chains: int = 100,
        n_temperatures: int = 1000,
        exact: bool | None = None,
        rng: RNG = None,
    ) -> LogPartition:
        r"""Return log Z, exactly where one side has at most 20 units, else by annealed importance sampling.

        .. math:: \frac{Z}{Z_0} = \Bigl\langle \prod_{t} \frac{p^*_{\beta_t}(v_{t-1})}{p^*_{\beta_{t-1}}(v_{t-1})}
                  \Bigr\rangle

        Parameters
        ----------
        n_chains : int
            Independent chains, at least 2.
        n_temperatures : int
            Equal steps of beta from 0, independent units with the biases of the training data, to 1, the machine.
        exact : bool, optional
            True sums all states, False samples; by default whichever is possible at 20 units.
        rng : None, int, SeedSequence or Generator
            Seed of the chains; by default that of the machine.

        Returns
        -------
        LogPartition
            value, its standard error, the effective number of chains, and whether it is exact.

        Raises
        ------
        ArgumentError
            If the sum would run over more than :math:`2^{20}` states, or a number is out of its range.

        Notes
        -----
        The estimate of Z is unbiased, so that its logarithm is on average too small, and log-likelihoods too large,
        where chains do not mix. The standard error does not say so: an estimate with an effective number of chains
        near 1 rests on a single one. More temperatures help, more chains hardly. Costs two products of the chains with
        the matrix at each temperature; the sum costs :math:`2^n` rows of it.

        References
        ----------
        .. [1] R. Salakhutdinov, I. Murray, "On the quantitative analysis of deep belief networks", ICML (2008).

        Examples
        --------
        >>> from nngraph.sparse import BoltzmannMachine
        >>> machine = BoltzmannMachine(6, 4, scale=1.0, rng=0)
        >>> whole, sampled = machine.log_partition(), machine.log_partition(exact=False)
        >>> whole.exact, sampled.exact, abs(whole.value - sampled.value) < 5 * sampled.error
        (True, False, True)
        """
        fewest = min(self.weights.shape)
        if exact is None:
            exact = fewest <= _partition.LARGEST_SUM
        if exact and fewest > _partition.LARGEST_SUM:
            raise ArgumentError(
                f"exact: got True with {fewest} units on the smaller side; expected at most {_partition.LARGEST_SUM}. "
                "Pass exact=False to sample."
            )
        machine = (self.weights, self.visible_bias, self.hidden_bias)
        if exact:
            return _partition.summed(*machine)
        n_chains = _arguments.whole("n_chains", n_chains, 2)
        n_temperatures = _arguments.whole("n_temperatures", n_temperatures)
        return _partition.annealed(
            machine,
            self.visible_bias if self._base is None else self._base,
            n_chains=n_chains,
            n_temperatures=n_temperatures,
            seed=child(self._seed, "partition") if rng is None else seed_sequence(rng),
        )

    def log_likelihood(self, x: np.ndarray, partition: LogPartition | None = None) -> np.ndarray:
        r"""Return the log-likelihood of each sample, in nats.

        .. math:: \log p(v) = -F(v) - \log Z

        Parameters
        ----------
        x : (n, n_visible) array
            Samples of 0 and 1.
        partition : LogPartition, optional
            Of :meth:`log_partition`, which is called by default.

        Returns
        -------
        (n,) float64 array

        Raises
        ------
        ArgumentError
            If a sample is not of 0 and 1 or has another number of units, or the partition is something else.
        """
        if partition is not None and not isinstance(partition, LogPartition):
            raise ArgumentError(
                f"partition: got {type(partition).__name__}; expected a LogPartition, as log_partition() gives it."
            )
        return -self.free_energy(x) - (self.log_partition() if partition is None else partition).value

    def _samples(self, x: np.ndarray) -> np.ndarray:
        samples = np.asarray(x)
        if samples.ndim != 2 or samples.shape[1] != self.weights.shape[1] or not len(samples):
            raise ArgumentError(
                f"x: got the shape {samples.shape}; expected (n, {self.weights.shape[1]}) with n of at least 1."
            )
        if samples.dtype.kind not in "biuf" or not ((samples == 0) | (samples == 1)).all():
            raise ArgumentError("x: got values other than 0 and 1; expected binary samples. Compare with a threshold.")
        return samples.astype(np.float32, copy=False)
