"""Compiled kernels of Gromov-Wasserstein: exact assignments, exchanges of partners, compositions of plans.

``python -m nngraph.similarity._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached
by file: after a change in ``assignments.py`` or ``swaps.py`` delete the caches (``make clean`` does).
"""

from nngraph.similarity._kernels.climbs import assign, climb
from nngraph.similarity._kernels.compositions import cheapest, distortion

__all__ = ["assign", "cheapest", "climb", "distortion"]
