"""Compiled kernels of the null models. The only package that imports numba.

Per-edge arrays follow edge order: ``indptr`` bounds the edges of each row, ``indices`` are their columns; an empty
``indices`` beside edges means that every row holds every column. A plane has one row of 64-bit words for each row of
a block and one bit for each cell.

``python -m nngraph.nulls._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached by
file: after a change in ``words.py`` delete the caches of the others (``make clean`` does).
"""

from nngraph.nulls._kernels.layouts import compress, from_columns, pack, to_columns, unpack
from nngraph.nulls._kernels.lists import (
    any_legal_list_trade,
    common_codes,
    run_lists,
    transpose_lists,
    write_lists,
)
from nngraph.nulls._kernels.planes import common_bits, pack_ternary, unpack_ternary
from nngraph.nulls._kernels.shuffles import shuffle, shuffle_by_sign
from nngraph.nulls._kernels.ternary import any_legal_trade, pairing, run_ternary, trade_columns, trade_rows
from nngraph.nulls._kernels.trades import trade
from nngraph.nulls._kernels.words import streams
from nngraph.nulls._kernels.worms import orient, read_signs, worms

__all__ = [
    "any_legal_list_trade",
    "any_legal_trade",
    "common_bits",
    "common_codes",
    "compress",
    "from_columns",
    "orient",
    "pack",
    "pack_ternary",
    "pairing",
    "read_signs",
    "run_lists",
    "run_ternary",
    "shuffle",
    "shuffle_by_sign",
    "streams",
    "to_columns",
    "trade",
    "trade_columns",
    "trade_rows",
    "transpose_lists",
    "unpack",
    "unpack_ternary",
    "worms",
    "write_lists",
]
