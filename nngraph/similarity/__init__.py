"""Representations of layers, distances between them, and the groups that layers form."""

from __future__ import annotations
