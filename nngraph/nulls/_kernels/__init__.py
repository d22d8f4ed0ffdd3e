"""Compiled kernels of the null models. The only package that imports numba.

Per-edge arrays follow edge order: ``indptr`` bounds the edges of each row, ``indices`` are their columns; an empty
``indices`` beside edges means that every row holds every column. A plane has one row of 64-bit words for each row of
a block and one bit for each cell.

``python -m nngraph.nulls._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached by
file: after a change in ``words.py`` delete the caches of the others (``make clean`` does).
"""

from nngraph.nulls._kernels.cores import dealt_after, strongly_connected, transposed, trim
from nngraph.nulls._kernels.layouts import from_columns, pack, to_columns, unpack
from nngraph.nulls._kernels.polytopes import balance, incidence, lassos, prune, rectangles, tree_cycles
from nngraph.nulls._kernels.shuffles import shuffle, shuffle_by_sign
from nngraph.nulls._kernels.strengths import exchange, merge_signs, signed_sums, split_by_sign
from nngraph.nulls._kernels.trades import pairing, trade, trade_sweeps
from nngraph.nulls._kernels.words import streams
from nngraph.nulls._kernels.worms import crawl_lists, crawl_planes, heads, orient

__all__ = [
    "balance",
    "crawl_lists",
    "crawl_planes",
    "dealt_after",
    "exchange",
    "from_columns",
    "heads",
    "incidence",
    "lassos",
    "merge_signs",
    "orient",
    "pack",
    "pairing",
    "prune",
    "rectangles",
    "shuffle",
    "shuffle_by_sign",
    "signed_sums",
    "split_by_sign",
    "streams",
    "strongly_connected",
    "to_columns",
    "trade",
    "trade_sweeps",
    "transposed",
    "tree_cycles",
    "trim",
    "unpack",
]
