"""What a language model says when one of its blocks is left out, and whether distances between layers tell."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import nn

from nngraph._passes import MASK, Inputs, last_positions, output, passes, tensors_of, whole
from nngraph._progress import progress
from nngraph.depth import blocks_of, skipping
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Agreement", "Interventions", "intervention_agreement", "interventions"]

Positions: TypeAlias = Literal["last", "all"]


@dataclasses.dataclass(frozen=True, eq=False)
class Interventions:
    """How far the answers lie apart when blocks are skipped; see :func:`interventions`."""

    kl: pd.DataFrame = dataclasses.field(repr=False)
    """(L, L) mean KL(p_i || p_j) in nats; rows and columns are the skipped blocks, counted from "1"."""
    intact: pd.Series = dataclasses.field(repr=False)
    """(L,) mean KL(p || p_i) in nats from the model as it is to the one without block i."""
    loss: pd.Series | None = dataclasses.field(repr=False)
    """(L + 1,) mean cross-entropy in nats of the next tokens; "0" is the model as it is. None unless positions="all"
    and the inputs are tokens."""
    n: int
    """Number of distributions that each mean is taken over."""


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """Row-wise rank correlation of two matrices; see :func:`intervention_agreement`."""

    rows: pd.Series = dataclasses.field(repr=False)
    """(L,) Spearman's correlation of each row, NaN where a row is constant or has a distance that is not finite."""
    mean: float
    """Over the rows that have one."""
    se: float
    """Standard error across these rows; they share entries, so that it is no confidence statement."""


def interventions(
    model: nn.Module,
    inputs: Inputs,
    blocks: Sequence[int] | None = None,
    *,
    positions: Positions = "last",
    batch_size: int = 64,
    device: str | torch.device | None = None,
) -> Interventions:
    r"""Skip one block of a language model at a time, and compare the distributions of the next token.

    .. math:: K_{ij} = \frac{1}{n} \sum_{x} \mathrm{KL}\bigl(p_i(\cdot | x) \,\|\, p_j(\cdot | x)\bigr), \qquad
              p_i: \text{block } i \text{ replaced by the identity of the residual stream}

    Parameters
    ----------
    model : torch.nn.Module
        A decoder with blocks (:func:`nngraph.depth.blocks_of`) whose logits are (n, positions, vocabulary), or
        (n, vocabulary). It is left as it was.
    inputs : array of tokens (n, positions), or mapping
        A mapping has "input_ids" and perhaps an "attention_mask".
    blocks : sequence of int, optional
        Blocks to skip, counted from 1; all by default.
    positions : "last" or "all"
        The distribution behind each sample, or behind each of its positions.
    batch_size : int
        Samples in one forward pass; L + 1 times as many distributions are held at once.
    device : str or torch.device, optional
        Where to compute; by default where the model is.

    Returns
    -------
    Interventions

    Raises
    ------
    ArgumentError
        If there is no such block, a block cannot be skipped, or logits are NaN.

    Notes
    -----
    **A reconstruction.** The text of the appendix behind Figures 20-22 of the reference is missing from its published
    version: that a block is skipped, that distributions are compared pairwise, and the direction of KL are our
    reading. L + 1 forward passes; probabilities and sums in float64. A token that only p_j
    excludes, by a logit of minus infinity, makes KL infinite.

    References
    ----------
    "Identifying sub-networks in neural networks via functionally similar representations", arXiv:2410.16484, Figures
    20-22.

    Examples
    --------
    >>> import nngraph as nng
    >>> model = nng.transformer(11, 4, width=8, depth=3, rng=0)
    >>> found = interventions(model, np.random.default_rng(0).integers(11, size=(5, 4)))
    >>> found.kl.shape, bool((np.diag(found.kl) == 0).all()), found.n
    ((3, 3), True, 5)
    """
    import pandas as pd

    if positions not in get_args(Positions):
        raise ArgumentError(f"positions: got {positions!r}; expected 'last' or 'all'.")
    whole("batch_size", batch_size, 1)
    depth = len(blocks_of(model))
    chosen = list(range(1, depth + 1)) if blocks is None else list(dict.fromkeys(blocks))
    for block in chosen:
        whole("blocks", block, 1, depth)
    names = [str(block) for block in chosen]
    total, loss, n, n_next = np.zeros((len(chosen) + 1,) * 2), np.zeros(len(chosen) + 1), 0, 0
    n_samples = len(next(iter(tensors_of(inputs).values())))
    batches = passes(model, inputs, batch_size=batch_size, device=device)
    for batch in progress(batches, total=math.ceil(n_samples / batch_size), label="interventions"):
        told = [_told(model, batch, positions)]
        for block in chosen:
            with skipping(model, block):
                told.append(_told(model, batch, positions))
        logs = torch.stack([values for values, _ in told])
        if bool(logs.isnan().any()):
            which = ["the model as it is", *(f"it without block {block}" for block in chosen)]
            bad = which[int(logs.isnan().flatten(1).any(dim=1).nonzero()[0])]
            raise ArgumentError(
                f"interventions: the logits of {bad} are NaN, infinite, or minus infinity for every token; expected "
                "numbers, or minus infinity for some tokens."
            )
        flat = logs.flatten(1)
        total += _divergences(flat).cpu().numpy()
        n += logs.shape[1]
        following = [next_ for _, next_ in told]
        if following[0] is not None:
            loss += np.array([float(-next_.sum()) for next_ in following if next_ is not None])
            n_next += len(following[0])
    kl = np.clip(total / n, 0, None)
    np.fill_diagonal(kl, 0)
    return Interventions(
        pd.DataFrame(kl[1:, 1:], index=names, columns=names),
        pd.Series(kl[0, 1:], index=names, name="kl"),
        pd.Series(loss / n_next, index=["0", *names], name="loss") if n_next else None,
        n,
    )


def intervention_agreement(kl: pd.DataFrame, D: pd.DataFrame, *, taps: Sequence[str] | None = None) -> Agreement:
    r"""Ask whether blocks that are far apart by some measure are those whose skipping tells apart.

    .. math:: \rho_i = \mathrm{Spearman}\bigl((K_{ij})_{j \ne i}, (D_{ij})_{j \ne i}\bigr), \qquad
              \bar\rho \pm \frac{s}{\sqrt L}

    Parameters
    ----------
    kl : pandas.DataFrame
        ``kl`` of :func:`interventions`, of at least three blocks.
    D : pandas.DataFrame
        Distances tap by tap by any measure, from :func:`nngraph.similarity.matrix`.
    taps : sequence of str, optional
        The tap of each block, in the order of ``kl``; by default those called as the blocks are ("1", "2", ...).

    Returns
    -------
    Agreement

    Raises
    ------
    ArgumentError
        If a block has no tap, there are fewer than three, or ``kl`` has NaN.

    Notes
    -----
    A reconstruction, as :func:`interventions` is. The diagonal, 0 in both, is left out.

    Examples
    --------
    >>> import pandas as pd
    >>> names = ["1", "2", "3", "4"]
    >>> line = np.abs(np.subtract.outer(range(4), range(4)))
    >>> found = intervention_agreement(*(pd.DataFrame(f(line), names, names) for f in (np.square, np.sqrt)))
    >>> found.mean, found.se
    (1.0, 0.0)
    """
    import pandas as pd
    from scipy.stats import rankdata

    names = [str(name) for name in kl.index] if taps is None else list(taps)
    missing = [name for name in names if name not in D.index or name not in D.columns]
    if missing or len(names) != len(kl):
        raise ArgumentError(
            f"taps: got {len(names)} for {len(kl)} blocks, of which {missing or 'none'} are missing from the distances "
            f"(these have {', '.join(map(str, D.index[:8]))}); pass taps=[...], one name for each block."
        )
    if bool(kl.isna().to_numpy().any()):
        raise ArgumentError("kl: has NaN; expected a number for each two blocks, as interventions gives them.")
    if len(kl) < 3:
        raise ArgumentError(f"kl: got {len(kl)} blocks; expected at least 3: a row of fewer has no ranks to compare.")
    K, values = kl.to_numpy(dtype=float), D.loc[names, names].to_numpy(dtype=float)
    found = []
    for row in range(len(K)):
        others = np.arange(len(K)) != row
        a, b = rankdata(K[row, others]), rankdata(values[row, others])
        constant = np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite(values[row, others]).all()
        found.append(np.nan if constant else float(np.corrcoef(a, b)[0, 1]))
    rows = pd.Series(found, index=kl.index, name="spearman")
    known = rows.dropna()
    spread = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")
    return Agreement(rows, float(known.mean()), spread)


def _divergences(logs: torch.Tensor) -> torch.Tensor:
    """Return the sums of p_i (log p_i - log p_j) over all entries, where 0 log 0 is 0 and p log 0 infinite."""
    p, never = logs.exp(), logs.isneginf()
    finite = logs.masked_fill(never, 0)
    sums = (p * finite).sum(dim=1)[:, None] - p @ finite.T
    if bool(never.any()):
        sums[(p > 0).to(p) @ never.to(p).T > 0] = torch.inf
    return sums


def _told(
    model: nn.Module, batch: dict[str, torch.Tensor], positions: Positions
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return (n, vocabulary) log-probabilities, and those of the tokens that did follow where they are known."""
    logs = torch.log_softmax(output(model, batch).double(), dim=-1)
    if logs.ndim == 2:
        return logs, None
    if positions == "last":
        return last_positions(logs, batch), None
    there = batch[MASK].ne(0) if MASK in batch else torch.ones(logs.shape[:2], dtype=torch.bool, device=logs.device)
    tokens = batch.get("", batch.get("input_ids"))
    if tokens is None or tokens.is_floating_point() or tokens.shape != logs.shape[:2]:
        return logs[there], None
    following = logs[:, :-1].gather(2, tokens[:, 1:, None].long())[..., 0]
    return logs[there], following[there[:, :-1] & there[:, 1:]]
