"""When a network under sparse evolution is rewired, and how."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError
from nngraph.sparse import _cells
from nngraph.sparse._cells import Regrowth

Regrown: TypeAlias = Literal[0, "normal", "init"]
NORMAL = 0.1
"""Standard deviation of regrown weights with regrow="normal", as published."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """When a network is rewired, and how."""

    zeta: float
    every: int | Literal["epoch"]
    stop: int | None
    regrowth: Regrowth
    regrow: Regrown

    def __post_init__(self) -> None:
        _arguments.share("zeta", self.zeta)
        if self.every != "epoch":
            _arguments.whole("every", self.every, also=" (steps), or 'epoch'")
        if self.stop is not None:
            _arguments.whole("stop", self.stop, 0, also=", or None")
        _arguments.choice("regrowth", self.regrowth, _cells.REGROWTHS)
        if not isinstance(self.regrow, (int, str)) or self.regrow is False or self.regrow not in (0, "normal", "init"):
            raise ArgumentError(f"regrow: got {self.regrow!r}; expected 0, 'normal' or 'init'.")

    @property
    def unit(self) -> str:
        """What ``every`` and ``stop`` count."""
        return "epoch" if self.every == "epoch" else "step"

    def new_weights(self, n: int, first: np.ndarray | None, draw: np.random.Generator) -> np.ndarray:
        """Return the weights of n new edges of a layer that began with the weights ``first``."""
        if self.regrow == "normal":
            return draw.normal(scale=NORMAL, size=n)
        if self.regrow == "init" and first is not None and n:
            return draw.choice(first, size=n)
        return np.zeros(n)

    def due(self, n: int) -> bool:
        """Tell whether the network is rewired after the n-th step or epoch."""
        every = 1 if self.every == "epoch" else self.every
        return n % every == 0 and (self.stop is None or n <= self.stop)
