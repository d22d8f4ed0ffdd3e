"""Accuracy told ahead of time by neural capacitance: trajectories over epochs, a Bayesian ridge at beta_eff = 0."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from torch import nn

from nngraph import _arguments
from nngraph.dynamics._chains import NotFiniteError
from nngraph.dynamics._signals import numbers
from nngraph.dynamics.capacitance import BetaEff, Variant, beta_eff, check_variant
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AccuracyPrediction", "Recorded", "Trajectory", "predict_accuracy"]

COLUMNS = ("epoch", "beta_eff", "numerator", "denominator", "accuracy", "loss", "n_parameters", "status")
LEAST = 3
"""Epochs that a line and its noise need."""
CONSTANT = 1e-9
"""beta_eff whose range is below this share of its largest absolute value did not vary: rounding has no slope."""


class Trajectory:
    """A recorder of beta_eff and of scores over the epochs of a training loop of your own.

    Parameters
    ----------
    x_probe, y_probe : arrays or tensors
        The probe batch, the same at every epoch, as for :func:`nngraph.dynamics.beta_eff`; a few hundred training
        samples of all classes. What tends to 0 where a network fits are the errors of the samples that it fits.
    loss : "cross_entropy" or "squared"
        What is trained on.
    variant, absolute
        As for :func:`nngraph.dynamics.beta_eff`.
    backbone : module or callable, optional
        Gives (n, d) features for ``x_probe``, on which the recorded model is the probe network. A module that is
        trained too, such as the convolutions below a dense head, counts as frozen at the epoch that is recorded.

    Raises
    ------
    ArgumentError
        If the probe batch has numbers that are NaN or infinite, or arguments do not fit together.

    Examples
    --------
    >>> import nngraph as nng
    >>> rng = np.random.default_rng(0)
    >>> model = nng.mlp((8, 16, 16, 16, 3), rng=0).double()
    >>> trajectory = Trajectory(rng.normal(size=(60, 8)), np.arange(60) % 3)
    >>> for epoch in range(3):  # of a training loop, which changes the weights
    ...     row = trajectory.record(epoch, model, accuracy=0.3 + 0.1 * epoch, loss=1.1)
    >>> trajectory.table[["epoch", "accuracy", "n_parameters", "status"]]
       epoch  accuracy  n_parameters status
    0      0       0.3           739     ok
    1      1       0.4           739     ok
    2      2       0.5           739     ok
    """

    def __init__(
        self,
        x_probe: object,
        y_probe: object,
        *,
        loss: Literal["cross_entropy", "squared"] = "cross_entropy",
        backbone: object = None,
        variant: Variant = "frozen",
        absolute: bool = False,
    ) -> None:
        _arguments.choice("loss", loss, ("cross_entropy", "squared"))
        check_variant(variant, loss, absolute=absolute)
        for name, values in (("x_probe", x_probe), ("y_probe", y_probe)):
            is_array = hasattr(values, "dtype") and hasattr(values, "shape")
            is_text = isinstance(values, np.ndarray) and values.dtype.kind in "US" and backbone is not None
            if is_array and not is_text and not bool(numbers(name, values).isfinite().all()):
                raise ArgumentError(f"{name}: got numbers that are NaN or infinite; expected finite ones.")
        self.x_probe, self.y_probe, self.backbone = x_probe, y_probe, backbone
        self.options: dict[str, Any] = {"loss": loss, "variant": variant, "absolute": absolute}
        self._rows: dict[int, dict[str, Any]] = {}
        self._said: set[str] = set()

    def record(
        self, epoch: int, model: nn.Module, *, accuracy: float = math.nan, loss: float = math.nan, **scores: float
    ) -> dict[str, Any]:
        """Add beta_eff of the model as it is now, and the scores that it has on data of its own.

        Parameters
        ----------
        epoch : int
            Counted from 0, the state before training; each once.
        model : torch.nn.Module
            As for :func:`nngraph.dynamics.beta_eff`. It, and a backbone that is a module, are read in evaluation mode
            and get the modes of their modules back.
        accuracy, loss : float
            On a validation set, never on the test set that the final accuracy is of.
        **scores : float
            Any further columns.

        Returns
        -------
        dict
            The row of :attr:`table`.

        Raises
        ------
        ArgumentError
            If an epoch comes twice, or what :func:`nngraph.dynamics.beta_eff` raises of a network that is finite.

        Warns
        -----
        CapacitanceWarning
            Those of :func:`nngraph.dynamics.beta_eff`, each once in a trajectory.
        """
        epoch = _arguments.whole("epoch", epoch, 0)
        if epoch in self._rows:
            raise ArgumentError(f"epoch: got {epoch} twice; expected each once.")
        if odd := sorted(set(scores) & set(COLUMNS)):
            raise ArgumentError(f"record: got the score {odd[0]!r}, which is a column already; expected another name.")
        given = {"accuracy": accuracy, "loss": loss, **scores}
        kept = {name: _arguments.number(name, value, "a number", lambda _: True) for name, value in given.items()}
        found, status = self._measured(model)
        values = [math.nan] * 3 if found is None else [found.value, found.numerator, found.denominator]
        row: dict[str, Any] = {"epoch": epoch, **dict(zip(COLUMNS[1:4], values, strict=True)), **kept}
        self._rows[epoch] = row | {"n_parameters": _size(model) + _size(self.backbone), "status": status}
        return dict(self._rows[epoch])

    @property
    def table(self) -> pd.DataFrame:
        """One row for each epoch: epoch, beta_eff, numerator, denominator, accuracy, loss, n_parameters, status.

        Then further scores. n_parameters counts those of the model and of a backbone that is a module, without what
        pruning masks of torch leave out. A status is "ok"; "zero" where beta_eff is exactly 0, as theorems have it for
        few layers; "pole" where its denominator cannot be told from 0; "0/0" where both are exactly 0, as where all
        errors of the probe batch are; "diverged" where weights or outputs are NaN or infinite. In the last three
        beta_eff is NaN.
        """
        import pandas as pd

        rows = [self._rows[epoch] for epoch in sorted(self._rows)]
        further = list(dict.fromkeys(name for row in rows for name in row if name not in COLUMNS))
        return pd.DataFrame(rows, columns=[*COLUMNS, *further])

    def _measured(self, model: nn.Module) -> tuple[BetaEff | None, str]:
        """Return beta_eff and its status; None where the network has diverged."""
        with _evaluating(model, self.backbone), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = beta_eff(model, self.x_probe, self.y_probe, backbone=self.backbone, **self.options)
            except NotFiniteError:  # the probe batch is finite, so it is the network that is not
                return None, "diverged"
        for warning in caught:
            if str(warning.message) not in self._said:
                self._said.add(str(warning.message))
                warnings.warn(warning.message, stacklevel=3)
        if math.isnan(found.value):
            return found, "pole" if found.numerator or found.denominator else "0/0"
        return found, "ok" if found.value else "zero"


Recorded: TypeAlias = "Trajectory | pd.DataFrame"


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracyPrediction:
    """What a Bayesian ridge on beta_eff tells of the accuracy to come, and what is known without it."""

    value: float
    """The ridge at beta_eff = 0; NaN where too few epochs have both numbers. As it is: it may leave [0, 1]."""
    sd: float
    """Predictive standard deviation there: the noise of the fit, the error of its intercept and that of its slope. It
    says nothing of how wrong it is that the line goes on to 0, or that accuracy stops there."""
    slope: float
    """Accuracy by beta_eff."""
    noise: float
    """Standard deviation of accuracy about the line."""
    constant: bool
    """Whether beta_eff varied by no more than rounding, so that the ridge is the mean accuracy with the deviation of
    accuracies about it: with two weight layers, with three under cross-entropy."""
    extrapolated: bool
    """Whether 0 lies outside of the beta_eff that were fitted."""
    n_epochs: int
    """Epochs that were fitted: finite beta_eff and accuracy."""
    baselines: dict[str, float]
    """What is known without the fit: accuracy, loss and abs(beta_eff) at the last epoch (last_accuracy, last_loss,
    abs_beta_eff), best_accuracy so far, and mean_accuracy, which is the ridge without beta_eff."""
    epochs: pd.DataFrame = dataclasses.field(repr=False)
    """epoch, beta_eff, accuracy, and fitted: the line, at each epoch that was used."""

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval of the normal predictive distribution, as it is: it may leave [0, 1]."""
        from scipy.stats import norm

        half = float(norm.ppf(0.5 + _arguments.share("level", level) / 2)) * self.sd
        return self.value - half, self.value + half


def predict_accuracy(trajectory: Recorded, *, start: int = 0, stop: int | None = None) -> AccuracyPrediction:
    r"""Return the accuracy at beta_eff = 0 by a Bayesian ridge over the first epochs, beside the trivial predictors.

    .. math:: a_t = b + w \beta_t + \epsilon, \quad \epsilon \sim N(0, \alpha^{-1}), \; w \sim N(0, \lambda^{-1}),
              \qquad \hat a = b \pm \sqrt{\alpha^{-1} (1 + 1/n) + \bar\beta^2 \sigma_w^2}

    Parameters
    ----------
    trajectory : Trajectory or DataFrame
        A table has the columns epoch, beta_eff, accuracy, and loss where there is one.
    start, stop : int
        First and last epoch that are used, both included; by default all that were recorded.

    Returns
    -------
    AccuracyPrediction

    Raises
    ------
    ArgumentError
        If no epoch lies between them, or a column is missing.

    Notes
    -----
    alpha and lambda maximise the evidence (scikit-learn's BayesianRidge with its weak priors on them, iterated to
    convergence). beta_eff is divided by its standard deviation over the epochs first, so that the fit does not hang on
    its scale; where it is constant, whatever its value, there is no slope, and the deviation is that of the noise and
    of the mean alone. No number is clipped. Epochs whose beta_eff is NaN are left out, and n_epochs says how many were
    not.

    The idea is that beta_eff vanishes as training ends. It does where every sample is fitted, at the pace of the
    errors; a network that ends with errors has not arrived at 0. The last accuracy needs none of this, and is what
    to compare with.

    References
    ----------
    .. [1] C. Jiang, T. Pedapati, P.-Y. Chen, Y. Sun, J. Gao, "Network properties determine neural network
       performance", Nature Communications (2024).
    .. [2] D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4, 415 (1992).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"epoch": range(1, 6), "beta_eff": [0.8, 0.4, 0.3, 0.2, 0.1],
    ...                       "accuracy": [0.5, 0.71, 0.75, 0.8, 0.85]})
    >>> found = predict_accuracy(table, start=1, stop=5)
    >>> round(found.value, 2), found.baselines["last_accuracy"], found.extrapolated
    (0.9, 0.85, True)
    """
    table = recorded(trajectory)
    start = _arguments.whole("start", start, 0)
    stop = None if stop is None else _arguments.whole("stop", stop, start)
    rows = table[(table["epoch"] >= start) & (table["epoch"] <= (np.inf if stop is None else stop))]
    if rows.empty:
        last = "on" if stop is None else f"to {stop}"
        raise ArgumentError(
            f"predict_accuracy: no epoch from {start} {last} was recorded; the trajectory has "
            f"{int(table['epoch'].min())} to {int(table['epoch'].max())}."
        )
    beta, accuracy = (rows[name].to_numpy(dtype=float) for name in ("beta_eff", "accuracy"))
    baselines = {
        "last_accuracy": float(accuracy[-1]),
        "best_accuracy": float(np.fmax.reduce(accuracy)),
        "mean_accuracy": float(accuracy[np.isfinite(accuracy)].mean()) if np.isfinite(accuracy).any() else math.nan,
        "last_loss": float(rows["loss"].iloc[-1]) if "loss" in rows else math.nan,
        "abs_beta_eff": abs(float(beta[-1])),
    }
    known = np.isfinite(beta) & np.isfinite(accuracy)
    b = beta[known]
    constant = bool(len(b)) and float(np.ptp(b)) <= CONSTANT * float(np.abs(b).max())
    value, sd, slope, noise = (math.nan,) * 4
    if len(b) >= LEAST:
        value, sd, slope, noise = _ridge(np.zeros_like(b) if constant else b, accuracy[known])
    used = rows.loc[known, ["epoch", "beta_eff", "accuracy"]].reset_index(drop=True)
    used["fitted"] = value + slope * used["beta_eff"]
    outside = bool(len(b)) and not float(b.min()) <= 0 <= float(b.max())
    return AccuracyPrediction(value, sd, slope, noise, constant, outside, len(used), baselines, used)


def recorded(trajectory: Recorded) -> pd.DataFrame:
    """Return the table of a trajectory by epoch, or say what it lacks."""
    import pandas as pd

    table = trajectory.table if isinstance(trajectory, Trajectory) else trajectory
    if not isinstance(table, pd.DataFrame):
        raise ArgumentError(f"trajectory: got {type(table).__name__}; expected a Trajectory, or its table.")
    if missing := [name for name in ("epoch", "beta_eff", "accuracy") if name not in table]:
        raise ArgumentError(
            f"trajectory: got a table without the column {missing[0]!r}; expected epoch, beta_eff and accuracy."
        )
    if table.empty or table["epoch"].duplicated().any():
        what = "no epoch" if table.empty else f"the epoch {table['epoch'][table['epoch'].duplicated()].iloc[0]} twice"
        raise ArgumentError(f"trajectory: got {what}; expected at least one, and each once.")
    for name in table.columns.intersection(["epoch", "beta_eff", "accuracy", "loss", "n_parameters"]):
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise ArgumentError(f"trajectory: got the column {name!r} of type {table[name].dtype}; expected numbers.")
    return table.sort_values("epoch")


def _ridge(beta: np.ndarray, accuracy: np.ndarray) -> tuple[float, float, float, float]:
    """Return the value at 0, its predictive standard deviation, the slope and the noise."""
    from sklearn.linear_model import BayesianRidge

    scale = float(beta.std()) or 1.0
    z = beta / scale
    # slopes are of the order of accuracies here, of which the default tolerance is a large part
    fit = BayesianRidge(tol=1e-8, max_iter=10_000).fit(z[:, None], accuracy)
    noise = 1 / float(fit.alpha_)
    variance = noise * (1 + 1 / len(z)) + float(z.mean()) ** 2 * float(fit.sigma_[0, 0])
    return float(fit.intercept_), math.sqrt(variance), float(fit.coef_[0]) / scale, math.sqrt(noise)


def _size(model: object) -> int:
    """Return the number of parameters, those alone that pruning masks of torch keep."""
    if not isinstance(model, nn.Module):
        return 0
    sizes: dict[nn.Parameter, int] = {}  # by parameter: one that several modules share counts once
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                mask = module._buffers.get(f"{name.removesuffix('_orig')}_mask") if name.endswith("_orig") else None
                sizes[parameter] = parameter.numel() if mask is None else int(mask.count_nonzero())
    return sum(sizes.values())


@contextlib.contextmanager
def _evaluating(*given: object) -> Iterator[None]:
    """Put modules into evaluation mode inside of the block, and each of their modules back into its own."""
    models = [one for one in given if isinstance(one, nn.Module)]
    modes = {module: module.training for model in models for module in model.modules()}
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
