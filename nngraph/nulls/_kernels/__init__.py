"""Compiled kernels of the null models. The only package that imports numba.

Per-edge arrays follow edge order: ``indptr`` bounds the edges of each row, ``indices`` are their columns; an empty
``indices`` beside edges means that every row holds every column. A plane has one row of 64-bit words for each row of
a block and one bit for each cell.

``python -m nngraph.nulls._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached by
file: after a change in ``words.py`` delete the caches of the others (``make clean`` does).
"""

from nngraph.nulls._kernels.cells import cell_moments, draw_cells
from nngraph.nulls._kernels.layouts import from_columns, pack, to_columns, unpack
from nngraph.nulls._kernels.shuffles import resample, shuffle, shuffle_by_sign
from nngraph.nulls._kernels.trades import trade
from nngraph.nulls._kernels.words import streams
from nngraph.nulls._kernels.worms import orient, read_signs, worms

__all__ = [
    "cell_moments",
    "draw_cells",
    "from_columns",
    "orient",
    "pack",
    "read_signs",
    "resample",
    "shuffle",
    "shuffle_by_sign",
    "streams",
    "to_columns",
    "trade",
    "unpack",
    "worms",
]
