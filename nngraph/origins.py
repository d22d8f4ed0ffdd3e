"""Where in a torch model a block comes from."""

from __future__ import annotations

import dataclasses

import numpy as np

__all__ = ["Origin"]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where in a torch model a block comes from, so that it can be written back."""

    parameter: str
    """Name of the parameter in the model, for example ``"encoder.fc1.weight"`` (also where pruning by torch calls it
    ``weight_orig``)."""
    shape: tuple[int, ...]
    """Shape of the whole parameter."""
    layout: str = "linear"
    """How the parameter holds the matrix: "linear" (n_target, n_source); "transposed"; "convolution" (rows are output
    channels, the rest flattened, groups spread over a block-diagonal support); "unrolled"; "edges", one entry for each
    present edge, as a SparseLinear; or "channel", which can't be written back."""
    rows: tuple[int, int] | None = None
    """First and last (exclusive) row of the parameter, where it packs several matrices."""
    groups: int = 1
    """Number of groups of a convolution."""
    bias: str | None = None
    """Name of the bias parameter."""
    bias_rows: tuple[int, int] | None = None
    """First and last (exclusive) entry of the bias parameter."""
    entries: np.ndarray | None = dataclasses.field(default=None, compare=False, repr=False)
    """For layout "unrolled": (2, n) flat places in the block, ascending, and the entry of the parameter at each; for
    "edges": (1, n) the flat place in the block of each entry."""

    def __post_init__(self) -> None:
        if self.entries is not None:
            self.entries.setflags(write=False)

    def __reduce__(self) -> tuple[object, ...]:
        return (Origin, tuple(getattr(self, field.name) for field in dataclasses.fields(self)))

    @property
    def key(self) -> tuple[str, tuple[int, int] | None]:
        """What two blocks share when they are views of one matrix (tied weights)."""
        return (self.parameter, self.rows)

    def shows_same(self, other: Origin) -> bool:
        """Tell whether two tied blocks hold each entry at the same place, up to a transposition.

        One kernel unrolled at two sizes, or used with two dilations or numbers of groups, does not.
        """
        if self.key != other.key or self.groups != other.groups:
            return False
        if self.entries is None or other.entries is None:
            return self.entries is other.entries
        return self.entries is other.entries or np.array_equal(self.entries, other.entries)
