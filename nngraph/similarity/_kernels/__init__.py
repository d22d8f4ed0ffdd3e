"""Compiled kernels of the Gromov-Wasserstein solver: exact assignments and exchanges of partners.

``python -m nngraph.similarity._kernels`` compiles every kernel once and reports the seconds. Compiled code is cached
by file: after a change in ``assignments.py`` or ``swaps.py`` delete the caches (``make clean`` does).
"""

from nngraph.similarity._kernels.climbs import assign, climb

__all__ = ["assign", "climb"]
