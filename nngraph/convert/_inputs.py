"""The neurons of an input tensor: along which of its axes they lie is known once a weight reads them."""

from __future__ import annotations

import numpy as np

from nngraph.convert._steps import constant
from nngraph.convert._wiring import Wiring


class Input:
    """An input tensor whose places are nodes until the first weight that reads it says which axes hold its neurons.

    A Linear on (batch, time, features) makes the features neurons; behind a Flatten of (batch, channel, height, width)
    the pixels of all channels are neurons; for a convolution under conv="channel" the channels are.
    """

    def __init__(self, shape: tuple[int, ...], offset: int) -> None:
        self.shape = shape
        self.offset = offset
        self.axes: tuple[int, ...] | None = None
        self._values: dict[tuple[int, ...], int] = {}

    def read(self, rows: np.ndarray, wiring: Wiring) -> np.ndarray | None:
        """Return the neuron of each column of (places, columns) ids; None if an axis runs along both."""
        known = rows >= 0
        if self.axes is not None:
            # The neurons that an earlier weight chose, if each column reads one of them.
            ids = constant(np.where(known, self._neurons(rows, self.axes, wiring), -1))
            if ids is not None:
                return ids
        axes = []
        places = np.unravel_index(np.where(known, rows - self.offset, 0), self.shape) if self.shape else ()
        for axis, place in enumerate(places):
            along_column = _varies(place, known, 0)
            along_row = _varies(place, known, 1)
            if along_column and along_row:
                return None
            if along_row:
                axes.append(axis)
        chosen = tuple(axes)
        if chosen not in self._values:
            size = int(np.prod([self.shape[a] for a in chosen], dtype=int))
            self._values[chosen] = wiring.value(size, "input", fixed=True)
            self.axes = chosen if self.axes is None else self.axes
        first = known.argmax(axis=0)
        ids = rows[first, np.arange(rows.shape[1])]
        return np.where(known.any(axis=0), self._neurons(ids, chosen, wiring), -1)

    def neurons(self, ids: np.ndarray, wiring: Wiring) -> np.ndarray:
        """Return the neurons at places, under the axes that the first weight chose."""
        assert self.axes is not None
        return self._neurons(ids, self.axes, wiring)

    def _neurons(self, ids: np.ndarray, axes: tuple[int, ...], wiring: Wiring) -> np.ndarray:
        places = np.unravel_index(np.maximum(ids - self.offset, 0), self.shape)
        offset = wiring.values[self._values[axes]].offset
        if not axes:
            return np.full(ids.shape, offset)
        flat = np.ravel_multi_index([places[a] for a in axes], [self.shape[a] for a in axes])
        return np.asarray(flat) + offset


def _varies(place: np.ndarray, known: np.ndarray, axis: int) -> bool:
    high = np.where(known, place, -1).max(axis=axis)
    low = np.where(known, place, np.iinfo(np.int64).max).min(axis=axis)
    return bool((high > low).any())
