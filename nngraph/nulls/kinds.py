"""The kinds of null models: what each keeps, and how it is drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Literal

from nngraph.blocks import Block
from nngraph.errors import ArgumentError
from nngraph.nulls._chains import ChainOf
from nngraph.nulls.baselines import erdos_renyi, reinitialize
from nngraph.nulls.configuration import Configuration, signed_configuration
from nngraph.nulls.entropy import draw
from nngraph.nulls.magnitudes import SIGNED_POLICIES, keeps
from nngraph.nulls.permutation import permute
from nngraph.nulls.trades import sign_chain

__all__ = ["KINDS", "Kind", "checked_policy", "expected", "kept", "kind_of"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of null model: independent draws of a whole block, or a chain that moves its signs and edges."""

    kept: frozenset[str]
    """What every draw shares with its start, whatever the weights."""
    sample: Callable[..., Block] | None = None
    """``sample(block, seed)`` draws a block, independently and exactly; ``options`` names its further keywords."""
    chain: ChainOf | None = None
    """Start the chain over signs and supports; magnitudes follow by a policy."""
    weights: tuple[str, ...] = ()
    """The policies ``weights=`` that the kind knows, its default first."""
    options: tuple[str, ...] = ()
    """Which of the further keywords of :func:`randomize` the kind takes."""
    expected: frozenset[str] = frozenset()
    """What equals the start in expectation only: every draw has its own."""


def _kept(*names: str) -> frozenset[str]:
    """Spell out the signed forms of degrees and strengths, and what follows from what; all keep the weights."""
    forms: dict[str, tuple[str, ...]] = {name: (name, f"{name}+", f"{name}-") for name in ("k_source", "k_target")}
    forms |= {name: (f"{name}+", f"{name}-") for name in ("s_source", "s_target")}
    forms["support"] = ("support", "k_source", "k_target")
    return frozenset(["alpha", "density", "weights", *(full for name in names for full in forms.get(name, (name,)))])


def _permuted(*names: str, within: Literal["source", "target"] | None, by_sign: bool) -> Kind:
    return Kind(_kept("support", *names), sample=partial(permute, within=within, by_sign=by_sign))


KINDS: dict[str, Kind] = {
    "A": _permuted(within=None, by_sign=False),
    "B": _permuted("signs", "k_source", "k_target", within=None, by_sign=True),
    "C": _permuted("k_source", "s_source", within="source", by_sign=False),
    "D": _permuted("k_target", "s_target", within="target", by_sign=False),
    "E": _permuted("signs", "k_source", "k_target", "s_source", within="source", by_sign=True),
    "F": _permuted("signs", "k_source", "k_target", "s_target", within="target", by_sign=True),
    "G": Kind(_kept("support", "k_source", "k_target"), chain=sign_chain, weights=SIGNED_POLICIES, options=("sweeps",)),
    "signed_configuration": Kind(
        _kept("k_source", "k_target"), chain=signed_configuration, weights=SIGNED_POLICIES, options=("sweeps",)
    ),
    "configuration": Kind(
        _kept() | {"k_source", "k_target"}, chain=Configuration, weights=("all",), options=("sweeps",)
    ),
    "maximum_entropy": Kind(
        frozenset(),
        sample=draw,
        weights=("resample",),
        expected=_kept("k_source", "k_target") - {"alpha", "weights"},
    ),
    "erdos_renyi": Kind(_kept(), sample=erdos_renyi, options=("counts",)),
    "reinitialize": Kind(
        frozenset({"density", "support", "k_source", "k_target"}), sample=reinitialize, options=("scheme",)
    ),
}
"""Every kind by name."""


def kind_of(name: object) -> Kind:
    """Return a kind by name."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ArgumentError(f"kind: got {name!r}; expected one of {', '.join(map(repr, KINDS))}.")
    return kind


def kept(kind: str, weights: str | None = None) -> frozenset[str]:
    """Return what a null model keeps in every draw; everything else is broken in general.

    Parameters
    ----------
    kind : str
        A kind of :func:`randomize`.
    weights : str, optional
        Its policy for magnitudes; its default if None. The policy "exact_strength" keeps the strengths of the block on
        the grid of :func:`on_grid` bit for bit (rounding moves most by less than 1e-7 of themselves), and not its
        weights; "strength" keeps no strength exactly, see :func:`strength_residuals`.

    Returns
    -------
    frozenset of str
        Out of "alpha" (share of positive edges), "density" (number of edges of each block), "support" (which edges are
        present), "signs" (the sign of every edge), "weights" (the multiset of weights of each block), "k_source",
        "k_target" (degrees), "k_source+", "k_source-", "k_target+", "k_target-" (signed degrees) and "s_source+",
        "s_source-", "s_target+", "s_target-" (signed strengths).

    Raises
    ------
    ArgumentError
        If the kind is unknown, or does not know the policy.

    References
    ----------
    .. [1] R. Jankowski, F. Radicchi, M. A. Serrano, M. Boguna, S. Fortunato, "Task complexity shapes internal
       representations and robustness in neural networks", 2025, Table 1. Its ticks for the sign of each edge in rows
       A, C and D cannot hold: on a fixed support they would fix all four degree sequences.

    Examples
    --------
    >>> import nngraph as nng
    >>> sorted(nng.nulls.kept("B") - nng.nulls.kept("G"))
    ['signs']
    >>> sorted(nng.nulls.kept("G", weights="sign_source") - nng.nulls.kept("G"))
    ['s_source+', 's_source-']
    """
    return keeps(kind_of(kind).kept, checked_policy(kind, weights))


def expected(kind: str) -> frozenset[str]:
    """Return what a null model has in common with the graph in expectation over its draws, but not in every draw.

    Parameters
    ----------
    kind : str
        A kind of :func:`randomize`.

    Returns
    -------
    frozenset of str
        Out of the properties that :func:`kept` names; empty for a kind that keeps what it keeps in every draw.

    Raises
    ------
    ArgumentError
        If the kind is unknown.

    Examples
    --------
    >>> import nngraph as nng
    >>> sorted(nng.nulls.expected("maximum_entropy"))
    ['density', 'k_source', 'k_source+', 'k_source-', 'k_target', 'k_target+', 'k_target-']
    """
    return kind_of(kind).expected


def checked_policy(kind: str, weights: str | None) -> str | None:
    """Return the policy for magnitudes, the default of the kind if None; raise for one that it does not know."""
    known = kind_of(kind).weights
    if weights is None:
        return known[0] if known else None
    if weights not in known:
        raise ArgumentError(
            f"weights: got {weights!r}; kind {kind!r} takes {', '.join(map(repr, known)) or 'no policy, leave it out'}."
        )
    return weights
