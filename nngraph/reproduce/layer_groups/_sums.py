"""The modular sums: pairs, answers, the split, the untrained networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph.errors import ArgumentError
from nngraph.models import Transformer, transformer

__all__ = ["MODULI", "SEED", "accuracy", "check_name", "network", "pairs", "split", "targets"]

MODULI = (59, 31, 17)
"""Of the three sums of the networks E and L; Model 0 knows the first alone."""
SEED = 0


def pairs() -> np.ndarray:
    """Return every pair (a, b) below 59, as the tokens that a network reads.

    Returns
    -------
    (3481, 2) int64 array
        a varies slowest.

    Examples
    --------
    >>> pairs()[60].tolist()
    [1, 1]
    """
    return np.stack(np.divmod(np.arange(MODULI[0] ** 2), MODULI[0]), axis=1)


def targets(name: str) -> dict[str, np.ndarray]:
    r"""Return what the network knows of every pair, in the order of :func:`pairs`.

    .. math::

        c_1 = (a + b) \bmod 59, \qquad c_2 = (c_1 + b) \bmod 31, \qquad c = (c_2 + b) \bmod 17

    Parameters
    ----------
    name : "0", "E" or "L"
        The answer of Model 0 is the first sum, that of E and L the third.

    Returns
    -------
    dict of str to (3481,) int64 array
        "b" and "c" (the answer), for E and L also "c1" and "c2".

    Raises
    ------
    ArgumentError
        If there is no such network.

    Examples
    --------
    >>> {name: int(values[-1]) for name, values in targets("L").items()}  # a = b = 58
    {'b': 58, 'c1': 57, 'c2': 22, 'c': 12}
    """
    check_name(name)
    a, b = pairs().T
    c1 = (a + b) % MODULI[0]
    if name == "0":
        return {"b": b, "c": c1}
    c2 = (c1 + b) % MODULI[1]
    return {"b": b, "c1": c1, "c2": c2, "c": (c2 + b) % MODULI[2]}


def split(rng: RNG = SEED, *, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Split the pairs into those trained on and those held out.

    Parameters
    ----------
    rng : None, int, SeedSequence or Generator
        By default the seed of the stored networks, which all share one split.
    share : float
        Of the pairs that are trained on.

    Returns
    -------
    (n,) and (3481 - n,) int64 arrays
        Rows of :func:`pairs`, ascending.

    Raises
    ------
    ArgumentError
        If a side would be empty.

    Examples
    --------
    >>> [len(rows) for rows in split()]
    [2785, 696]
    """
    n_pairs = MODULI[0] ** 2
    n = round(share * n_pairs)
    if not 0 < n < n_pairs:
        raise ArgumentError(f"share: got {share!r}; expected a number between 0 and 1 that leaves pairs on both sides.")
    order = generator(child(seed_sequence(rng), "split")).permutation(n_pairs)
    return np.sort(order[:n]), np.sort(order[n:])


def network(name: str, rng: RNG = SEED) -> Transformer:
    """Make the untrained network: width 128, 4 heads, 512 hidden neurons, no LayerNorm, causal.

    Parameters
    ----------
    name : "0", "E" or "L"
        Model 0 has one block, E and L have three.
    rng : None, int, SeedSequence or Generator
        By default the seed of the stored networks: what they were before training.

    Returns
    -------
    Transformer
        Two tokens in; the logits at the last position answer.

    Raises
    ------
    ArgumentError
        If there is no such network.

    Examples
    --------
    >>> len(network("L").blocks)
    3
    """
    check_name(name)
    depth = 1 if name == "0" else 3
    outputs = MODULI[0] if name == "0" else MODULI[2]
    return transformer(MODULI[0], 2, depth=depth, outputs=outputs, rng=child(seed_sequence(rng), "model"))


def accuracy(model: nn.Module, name: str, rows: np.ndarray | None = None) -> float:
    """Return the share of pairs whose answer the network gets right, by its own forward pass.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (n, 2) tokens to (n, 2, classes) logits.
    name : "0", "E" or "L"
        Which sum it is to know.
    rows : (n,) integer array, optional
        Of :func:`pairs`; by default those held out from the stored networks.

    Returns
    -------
    float

    Examples
    --------
    >>> accuracy(network("0"), "0") < 0.1  # untrained
    True
    """
    rows = split()[1] if rows is None else np.asarray(rows)
    device = next(model.parameters()).device
    with torch.no_grad():
        logits = model(torch.from_numpy(pairs()[rows]).to(device))[:, -1]
    return float((logits.argmax(dim=1).cpu().numpy() == targets(name)["c"][rows]).mean())


def check_name(name: str) -> None:
    """Raise unless there is such a network."""
    if name not in ("0", "E", "L"):
        raise ArgumentError(f"name: got {name!r}; expected '0' (one block), 'E' (end to end) or 'L' (layer by layer).")
