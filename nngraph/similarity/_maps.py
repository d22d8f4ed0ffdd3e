"""What everything that reads a map takes: a square table of distances between taps, checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nngraph import _arguments
from nngraph.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd


def taps_and_distances(where: str, D: pd.DataFrame, *, squared: bool | None = None) -> tuple[list[str], np.ndarray]:
    """Return the names of the taps and a (L, L) matrix of distances: the square root where the map holds squares.

    ``squared=None`` asks the attributes of the table: see :func:`squaredness`.
    """
    import pandas as pd

    if not isinstance(D, pd.DataFrame):
        raise ArgumentError(
            f"{where}: got {type(D).__name__}; expected a DataFrame tap x tap, such as matrix(...) returns."
        )
    if not D.size:
        raise ArgumentError(f"{where}: got an empty table; expected distances between taps.")
    rows, columns = [str(name) for name in D.index], [str(name) for name in D.columns]
    if rows != columns or len(set(rows)) != len(rows):
        raise ArgumentError(
            f"{where}: got a table of {len(rows)} rows and {len(columns)} columns whose names differ or repeat; "
            "expected the same taps in the same order on both sides. A map between two models has no groups of its own."
        )
    try:
        values = D.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{where}: got values that are no numbers; expected distances between taps.") from None
    for bad, what in ((~np.isfinite(values), "NaN or infinite"), (values < -1e-9 * np.abs(values).max(), "negative")):
        if bad.any():
            i, j = np.argwhere(bad)[0]
            raise ArgumentError(
                f"{where}: got {int(bad.sum())} distances that are {what}, the first between {rows[i]!r} and "
                f"{rows[j]!r}; expected finite distances of at least 0. Leave the tap out: D.drop(index=[name], "
                "columns=[name])."
            )
    scale = values.max()
    if np.abs(values - values.T).max() > 1e-6 * scale:
        i, j = np.unravel_index(np.abs(values - values.T).argmax(), values.shape)
        raise ArgumentError(
            f"{where}: got {values[i, j]:.6g} from {rows[i]!r} to {rows[j]!r} and {values[j, i]:.6g} back; expected a "
            "symmetric table. For an asymmetric measure pass (D + D.T) / 2."
        )
    values = np.maximum((values + values.T) / 2, 0)
    np.fill_diagonal(values, 0.0)
    if squaredness(where, D, told=squared):
        values = np.sqrt(values)
    return rows, values


def marked(D: pd.DataFrame, *, squared: bool) -> pd.DataFrame:
    """Write into the attributes of a map whether it holds squared distances, and of which values that is said.

    pandas keeps attributes through arithmetic: of a root they would still say that it is squared. A selection of taps,
    in any order, has values of the map alone, so that what is said holds for it too.
    """
    D.attrs |= {"squared": squared, "values": _codes(D.to_numpy(np.float64)).tobytes().hex()}
    return D


def squaredness(where: str, D: pd.DataFrame, *, told: bool | None) -> bool | None:
    """Return whether a map holds squared distances: as told, else as its attributes say, else None.

    They say it by "squared", or by the measure "gw" without ``root=True``. Where they also say of which values, and
    those have changed, nothing is known of them, and ArgumentError is raised.
    """
    if told is not None:
        return _arguments.flag(f"{where}: squared", told)
    if "squared" not in D.attrs:
        root = D.attrs.get("options", {}).get("root", False)
        return not root if D.attrs.get("measure") == "gw" else None
    if "values" in D.attrs:
        known = np.frombuffer(bytes.fromhex(D.attrs["values"]), np.uint32)
        if not np.isin(_codes(D.to_numpy(np.float64)), known).all():
            was = "squared distances" if D.attrs["squared"] else "distances"
            raise ArgumentError(
                f"{where}: got a map that was one of {was} when it was made, and has other values now; expected to be "
                "told what they are. Pass squared=True, or squared=False for distances."
            )
    return bool(D.attrs["squared"])


def _codes(values: np.ndarray) -> np.ndarray:
    """Return 32 bits for each different value."""
    bits = np.unique(values + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    return np.unique((bits ^ bits >> np.uint64(32)).astype(np.uint32))
