"""Compiled kernels of Gromov-Wasserstein: exact assignments, exchanges of partners, compositions of plans.

``python -m nngraph.similarity._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached
by file: after a change in ``moves.py`` or ``swaps.py`` delete the caches (``make clean`` does).
"""

from nngraph.similarity._kernels.assignments import auctions, clean_up, opening
from nngraph.similarity._kernels.compositions import cheapest, distortion
from nngraph.similarity._kernels.moves import move, step
from nngraph.similarity._kernels.swaps import exchange, ordered

__all__ = ["auctions", "cheapest", "clean_up", "distortion", "exchange", "move", "opening", "ordered", "step"]
