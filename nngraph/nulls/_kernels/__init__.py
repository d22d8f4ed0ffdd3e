"""Compiled kernels of the null models. The only package that imports numba.

Per-edge arrays follow edge order: ``indptr`` bounds the edges of each row, ``indices`` are their columns; an empty
``indices`` beside edges means that every row holds every column. A plane has one row of 64-bit words for each row of
a block and one bit for each cell; with words first it lies transposed, so that a word of many rows is contiguous.

``python -m nngraph.nulls._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached by
file: after a change in ``words.py`` delete the caches of the others (``make clean`` does).
"""

from nngraph.nulls._kernels.cells import cell_moments, draw_cells
from nngraph.nulls._kernels.cores import dealt_after, margins, strongly_connected, trim
from nngraph.nulls._kernels.layouts import (
    compress,
    from_columns,
    pack,
    plane_signs,
    sign_plane,
    spread,
    to_columns,
    transposed,
    turn_plane,
    unpack,
)
from nngraph.nulls._kernels.lists import any_legal_list_trade, common_codes, run_lists, transpose_lists, write_lists
from nngraph.nulls._kernels.planes import random_order, sweep_key, trade_pairs, trade_plane
from nngraph.nulls._kernels.polytopes import balance, incidence, lassos, prune, rectangles, tree_cycles
from nngraph.nulls._kernels.shuffles import place, pool_by_sign, resample, shuffle, shuffle_by_sign
from nngraph.nulls._kernels.strengths import exchange, merge_signs, signed_sums, split_by_sign
from nngraph.nulls._kernels.swaps import n_word_pairs, swap, swap_pass
from nngraph.nulls._kernels.ternary import any_legal_trade, row_order, run_ternary, trade_columns, trade_rows
from nngraph.nulls._kernels.ternary_planes import common_bits, pack_ternary, unpack_ternary
from nngraph.nulls._kernels.trades import pairing, trade, trade_sweeps
from nngraph.nulls._kernels.words import streams
from nngraph.nulls._kernels.worms import crawl_lists, crawl_planes, heads, orient

__all__ = [
    "any_legal_list_trade",
    "any_legal_trade",
    "balance",
    "cell_moments",
    "common_bits",
    "common_codes",
    "compress",
    "crawl_lists",
    "crawl_planes",
    "dealt_after",
    "draw_cells",
    "exchange",
    "from_columns",
    "heads",
    "incidence",
    "lassos",
    "margins",
    "merge_signs",
    "n_word_pairs",
    "orient",
    "pack",
    "pack_ternary",
    "pairing",
    "place",
    "plane_signs",
    "pool_by_sign",
    "prune",
    "random_order",
    "rectangles",
    "resample",
    "row_order",
    "run_lists",
    "run_ternary",
    "shuffle",
    "shuffle_by_sign",
    "sign_plane",
    "signed_sums",
    "split_by_sign",
    "spread",
    "streams",
    "strongly_connected",
    "swap",
    "swap_pass",
    "sweep_key",
    "to_columns",
    "trade",
    "trade_columns",
    "trade_pairs",
    "trade_plane",
    "trade_rows",
    "trade_sweeps",
    "transpose_lists",
    "transposed",
    "tree_cycles",
    "trim",
    "turn_plane",
    "unpack",
    "unpack_ternary",
    "write_lists",
]
