"""Compiled kernels of the Gromov-Wasserstein solver: exact assignments and exchanges of partners.

``python -m nngraph.similarity._kernels`` compiles every kernel once and reports the seconds.
"""

from nngraph.similarity._kernels.assignments import auctions, clean_up, opening
from nngraph.similarity._kernels.swaps import best_swaps, move_columns, permuted, swap_all

__all__ = ["auctions", "best_swaps", "clean_up", "move_columns", "opening", "permuted", "swap_all"]
