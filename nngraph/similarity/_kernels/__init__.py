"""Compiled kernels of the Gromov-Wasserstein solver: exact assignments and exchanges of partners.

``python -m nngraph.similarity._kernels`` compiles every kernel once and reports the seconds.
"""

from nngraph.similarity._kernels.climbs import assign, climb

__all__ = ["assign", "climb"]
