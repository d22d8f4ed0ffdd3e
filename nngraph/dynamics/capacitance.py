"""Neural capacitance: beta_eff of the line graph of a network, in closed form."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch

from nngraph import _arguments
from nngraph.dynamics import _line_strengths
from nngraph.dynamics._chains import Chain, read_chain
from nngraph.dynamics._line_strengths import Sums
from nngraph.dynamics._signals import Loss, Signals, probe, signals
from nngraph.errors import ArgumentError, CapacitanceWarning

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BetaEff", "Variant", "beta_eff"]

Variant: TypeAlias = Literal["frozen", "hessian", "hessian_support"]
VARIANTS = ("frozen", "hessian", "hessian_support")
ROUNDING = 100
"""A denominator below this times the machine epsilon, of the absolute sum of what it adds up, is not told from 0."""


@dataclasses.dataclass(frozen=True, eq=False)
class BetaEff:
    """beta_eff of a model on a probe batch, and what it is made of."""

    value: float
    """Numerator over denominator; 0.0 where a theorem says so, NaN where the denominator cannot be told from 0."""
    numerator: float
    denominator: float
    blocks: pd.DataFrame = dataclasses.field(repr=False)
    """One row for each weight matrix: block, n_edges, numerator, denominator; the columns sum to the two above."""
    nodes: pd.DataFrame = dataclasses.field(repr=False)
    """One row for each hidden neuron, indexed by (part, index): numerator, denominator; they sum to the two above."""


def beta_eff(
    model: torch.nn.Module,
    x: object,
    y: object,
    *,
    loss: Loss = "cross_entropy",
    variant: Variant = "frozen",
    absolute: bool = False,
    backbone: object = None,
) -> BetaEff:
    r"""Return the neural capacitance of a multilayer perceptron on a probe batch, without making its line graph.

    .. math:: \beta_\mathrm{eff} = \frac{1^T P \, s}{1^T P \, 1}, \quad s = P 1, \qquad
              P_{(l,i,j),(l+1,k,i)} = \sum_n z^{l-1}_{nj} \, f'(a^l_{ni}) \, e^{l+1}_{nk}

    Nodes of the line graph are weights; weight j -> i of layer l and weight i -> k of the next are joined by how the
    gradient of the one moves with the other. z enters a layer, a is what its neurons sum, and e is the derivative of
    the mean loss by a.

    Parameters
    ----------
    model : torch.nn.Module
        nn.Sequential of Linear layers and of modules that act on each neuron alone, in evaluation mode. Absent edges
        are those of a pruning mask of torch; without one, weights of exactly 0.
    x : (n, d) array or tensor
        The probe batch, floats in the scale that the model was trained on; features of a frozen backbone do too.
    y : array or tensor
        (n,) classes, or for the squared loss (n, outputs) targets; None where per-sample errors are given.
    loss : "cross_entropy", "squared" or (n, outputs) array
        Mean over samples of the cross-entropy of logits, or of half the squared error summed over outputs (classes
        are one-hot). Or the derivative of each sample's loss by each output, for any other loss.
    variant : "frozen", "hessian" or "hessian_support"
        P as above, with z, f' and e held fixed; or the blocks of the Hessian of the loss that join two successive
        layers, in which weights without a common neuron are joined too; or those entries of them that share one.
    absolute : bool
        Sum the absolute values of P's terms over the samples instead ("frozen" alone): no term cancels another.
    backbone : module or callable, optional
        Frozen; gives (n, d) features for x, on which ``model`` is the probe network.

    Returns
    -------
    BetaEff
        Sign as P = +d2C: gradient descent moves by -P, which flips it. The numerator of a neuron, and of the weights
        that leave it, is the sum over these of the product of their in- and out-strength; the denominator of a
        neuron is the sum of the in-strengths of the weights that enter it, and belongs to their block.

    Raises
    ------
    ArgumentError
        If the model has fewer than two linear layers, depends on the batch or on chance, or a number is NaN or
        infinite; if a loss is unknown, or arguments do not fit together.
    UnsupportedLayerError
        If the model has a convolution, or another module that is no part of a multilayer perceptron.

    Warns
    -----
    CapacitanceWarning
        If beta_eff is 0 whatever the weights: with two weight layers; with three, where the errors of each sample add
        up to 0 and outputs are complete, as under cross-entropy. If classes have no sample.

    Notes
    -----
    Exact. "frozen": one forward and one backward pass, and two products of (n, neurons) matrices for each inner layer;
    784-400-400-400-10 on 1,000 samples takes 1.7 times a forward and a backward pass of training. "hessian": as many
    Hessian-vector products as layers. "hessian_support": one for each hidden neuron, through the layers above it.
    The denominator is signed and can cross 0, where beta_eff has poles. Rescaling a layer by c and the next by 1/c
    leaves the network as it was but not beta_eff. That beta_eff tends to 0 in training holds where the errors of all
    samples vanish, not at every stationary point of the loss; with errors of exactly 0 it is 0/0, NaN.

    Memory is that of a complete network, for layers that hold their edges alone too: of each layer the weights, the
    mask, and up to four more matrices of (n_target, n_source) numbers for as long as they are needed.

    References
    ----------
    .. [1] C. Jiang, T. Pedapati, P.-Y. Chen, Y. Sun, J. Gao, "Network properties determine neural network
       performance", Nature Communications (2024).
    .. [2] J. Gao, B. Barzel, A.-L. Barabasi, "Universal resilience patterns in complex networks", Nature 530 (2016).

    Examples
    --------
    >>> import numpy as np
    >>> import nngraph as nng
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> model = nng.mlp((8, 16, 16, 16, 3), rng=0).double()
    >>> b = beta_eff(model, x, np.arange(60) % 3)
    >>> bool(np.isclose(b.value, b.nodes.numerator.sum() / b.nodes.denominator.sum()))
    True
    """
    check_variant(variant, loss, absolute=absolute)
    chain = read_chain(model)
    found = signals(chain, probe(chain, x, backbone), y, loss)
    if variant == "frozen":
        sums = _line_strengths.frozen(chain, found, absolute=absolute)
    elif variant == "hessian":
        sums = _line_strengths.hessian(chain, found)
    else:
        sums = _line_strengths.hessian_support(chain, found)
    theorem = _zero_theorem(chain, found, absolute=absolute)
    if theorem:
        warnings.warn(f"beta_eff: is 0 whatever the weights: {theorem}", CapacitanceWarning, stacklevel=2)
    return _result(chain, sums, zero=theorem is not None)


def check_variant(variant: str, loss: Loss, *, absolute: bool) -> None:
    """Refuse an unknown variant, and what it cannot be combined with."""
    if variant not in VARIANTS:
        raise ArgumentError(f"variant: got {variant!r}; expected {', '.join(map(repr, VARIANTS))}.")
    absolute = _arguments.flag("absolute", absolute)
    if variant == "frozen":
        return
    if absolute:
        raise ArgumentError(f"absolute: got True with variant={variant!r}; expected variant='frozen'.")
    if isinstance(loss, (np.ndarray, torch.Tensor)):
        raise ArgumentError(
            f"loss: got per-sample errors with variant={variant!r}, which needs their curvature; expected "
            "'cross_entropy' or 'squared', or variant='frozen'."
        )


def _zero_theorem(chain: Chain, found: Signals, *, absolute: bool) -> str | None:
    """Say why beta_eff is 0 for every choice of weights, or nothing."""
    n = len(chain.layers)
    if n == 2:
        return (
            "with two weight layers no weight of the line graph has both in- and out-edges. Take at least three "
            "(four under cross-entropy)."
        )
    if n == 3 and found.balanced and not absolute:
        return (
            "with three weight layers and outputs whose errors add up to 0 for each sample (cross-entropy of complete "
            "outputs), the last layer adds nothing to the in-strengths of the middle one. Take at least four weight "
            "layers, loss='squared', or absolute=True."
        )
    return None


def _result(chain: Chain, sums: Sums, *, zero: bool) -> BetaEff:
    import pandas as pd

    layers = chain.layers
    pairs = zip(sums.numerator, sums.denominator, strict=True)
    by_neuron = [(part.cpu().numpy(), total.cpu().numpy()) for part, total in pairs]
    nodes = pd.DataFrame(
        {
            "part": np.repeat([layer.name for layer in layers[:-1]], [len(part) for part, _ in by_neuron]),
            "index": np.concatenate([np.arange(len(part)) for part, _ in by_neuron]),
            "numerator": np.concatenate([part for part, _ in by_neuron]),
            "denominator": np.concatenate([total for _, total in by_neuron]),
        }
    ).set_index(["part", "index"])
    n_edges = [layer.weight.numel() if layer.mask is None else int(layer.mask.count_nonzero()) for layer in layers]
    blocks = pd.DataFrame(
        {
            "block": [layer.name for layer in layers],
            "n_edges": n_edges,
            "numerator": [0.0, *(float(part.sum()) for part, _ in by_neuron)],
            "denominator": [*(float(total.sum()) for _, total in by_neuron), 0.0],
        }
    )
    numerator, denominator = float(blocks["numerator"].sum()), float(blocks["denominator"].sum())
    smallest = ROUNDING * torch.finfo(layers[0].weight.dtype).eps * sums.scale
    value = numerator / denominator if abs(denominator) > smallest else float("nan")
    return BetaEff(0.0 if zero else value, numerator, denominator, blocks, nodes)
