"""How a graph looks in a viewer: layered positions, sizes by strength, colours that the colour-blind tell apart."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nngraph.errors import ArgumentError
from nngraph.graph import NeuralGraph
from nngraph.io._pieces import pieces

Order: TypeAlias = Literal["index", "strength", "barycentre"]

# Okabe and Ito, "Color universal design", 2008; blue and vermilion for signs, the others, unlike those first, for parts
NEGATIVE, POSITIVE = (0, 114, 178), (213, 94, 0)
PARTS = ((0, 158, 115), (204, 121, 167), (240, 228, 66), (102, 102, 102), (230, 159, 0), (86, 180, 233))
LEVELS = 32
"""Shades of each sign."""
HEIGHT, STEP = 1000.0, 600.0
GAP = 0.05
"""Share of the height between two parts of one depth."""
SMALLEST, LARGEST = 3.0, 20.0
"""Radius of the strongest node of a part: as room allows, but to be seen; parts of more than 150 nodes overlap."""


class Totals(NamedTuple):
    """Sums over the edges of a graph."""

    degree: np.ndarray
    """(n_nodes,) edges in and out."""
    strength: np.ndarray
    """(n_nodes,) sums of |weight|, in and out."""
    root_mean_square: list[float]
    """Of the weights of each block; 0 for one without edges."""


class Layout(NamedTuple):
    """(n_nodes,) coordinates and radii, in Gephi's units; y points up."""

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray


def totals(G: NeuralGraph) -> Totals:
    """Sum over all edges, piece by piece."""
    degree, strength = np.zeros(G.n_nodes, dtype=np.int64), np.zeros(G.n_nodes)
    offsets, root_mean_square = G.offsets, []
    for block in G.blocks:
        squares = 0.0
        for piece in pieces(block):
            size = np.abs(piece.values, dtype=np.float64)
            squares += float(size @ size)
            for first, nodes in ((offsets[block.source], piece.cols), (offsets[block.target], piece.rows)):
                low = int(nodes.min(initial=0))
                number, weight = np.bincount(nodes - low), np.bincount(nodes - low, weights=size)
                degree[first + low : first + low + len(number)] += number
                strength[first + low : first + low + len(number)] += weight
        root_mean_square.append(np.sqrt(squares / block.n_edges) if block.n_edges else 0.0)
    return Totals(degree, strength, root_mean_square)


def layout(G: NeuralGraph, strength: np.ndarray, order: Order) -> Layout:
    """Place nodes: x by the depth of their part, y by their rank within it, evenly, the first on top."""
    if order not in ("index", "strength", "barycentre"):
        raise ArgumentError(f"order: got {order!r}; expected 'index', 'strength' or 'barycentre'.")
    x, y, radius = np.zeros(G.n_nodes), np.zeros(G.n_nodes), np.zeros(G.n_nodes)
    offsets = G.offsets
    for depth in sorted({part.depth for part in G.parts}):
        parts = [part for part in G.parts if part.depth == depth]
        n = sum(part.size for part in parts)
        gaps = min(0.5, GAP * (len(parts) - 1))
        space, gap = HEIGHT * (1 - gaps) / max(n, 1), HEIGHT * gaps / max(len(parts) - 1, 1)
        top = HEIGHT / 2
        for part in parts:
            nodes = slice(offsets[part.name], offsets[part.name] + part.size)
            key = _key(G, part.name, order, strength[nodes], y)
            rank = np.empty(part.size, dtype=np.int64)
            rank[np.argsort(key, kind="stable")] = np.arange(part.size)
            x[nodes] = depth * STEP
            y[nodes] = top - space * (rank + 0.5)
            largest = strength[nodes].max(initial=0.0)
            share = strength[nodes] / largest if largest > 0 else np.zeros(part.size)
            radius[nodes] = np.clip(0.45 * space, SMALLEST, LARGEST) * (0.3 + 0.7 * share)
            top -= part.size * space + gap
    return Layout(x.astype(np.float32), y.astype(np.float32), radius.astype(np.float32))


def _key(G: NeuralGraph, part: str, order: Order, strength: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what the nodes of a part are sorted by; y holds the places of the parts of lower depth."""
    if order == "index":
        return np.arange(len(strength))
    if order == "strength":
        return -strength
    depth, offsets = {p.name: p.depth for p in G.parts}, G.offsets
    weight, moment = np.zeros(len(strength)), np.zeros(len(strength))
    for block in G.blocks:
        if block.target == part and depth[block.source] < depth[part]:
            for piece in pieces(block):
                size = np.abs(piece.values, dtype=np.float64)
                weight += np.bincount(piece.rows, weights=size, minlength=len(weight))
                place = y[offsets[block.source] + piece.cols]
                moment += np.bincount(piece.rows, weights=size * place, minlength=len(weight))
    return -np.divide(moment, weight, out=np.zeros_like(moment), where=weight > 0)


def shades(sign: int) -> list[tuple[int, int, int]]:
    """Return the colours of one sign from pale to full."""
    full = np.array(NEGATIVE if sign < 0 else POSITIVE)
    strength = np.linspace(0.15, 1.0, LEVELS)[:, None]
    return [(int(r), int(g), int(b)) for r, g, b in np.rint(255 + (full - 255) * strength)]


def levels(values: np.ndarray, root_mean_square: float) -> np.ndarray:
    """Return the shade of each weight: full from twice the root mean square of its block on; positive ones follow."""
    size = np.abs(values, dtype=np.float64) / (2 * root_mean_square)
    level: np.ndarray = np.rint(np.minimum(size, 1) * (LEVELS - 1)).astype(np.int8)
    level[values > 0] += LEVELS
    return level


def part_colours(G: NeuralGraph) -> list[tuple[int, int, int]]:
    """Return the colour of each part; they repeat after the sixth."""
    return [PARTS[i % len(PARTS)] for i in range(len(G.parts))]
