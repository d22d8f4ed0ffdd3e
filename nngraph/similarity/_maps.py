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

    ``squared=None`` asks the attributes of the table: its "squared", else whether it is the map that :func:`matrix`
    made of the measure "gw" without ``root=True``.
    """
    import pandas as pd

    if not isinstance(D, pd.DataFrame):
        raise ArgumentError(
            f"{where}: got {type(D).__name__}; expected a DataFrame tap x tap, such as matrix(...) returns."
        )
    if not D.size:
        raise ArgumentError(f"{where}: got an empty table; expected distances between taps.")
    if squared is not None:
        squared = _arguments.flag(f"{where}: squared", squared)
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
    if squared is None:
        asked = D.attrs.get("options", {})
        squared = D.attrs.get("squared", D.attrs.get("measure") == "gw" and not asked.get("root", False))
    if squared:
        values = np.sqrt(values)
    return rows, values
