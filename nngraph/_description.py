"""What a NeuralGraph says of itself: the table that its repr prints."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nngraph.parts import shortened

if TYPE_CHECKING:
    from nngraph.graph import NeuralGraph


def describe(G: NeuralGraph) -> str:
    """Return the lines that tell a reader what the network is."""
    weights = [block.values for block in G.blocks]
    n_negative = sum(int(np.count_nonzero(values < 0)) for values in weights)
    share = f"{100 * n_negative / G.n_edges:.1f} % negative" if G.n_edges else "no sign"
    sizes = [part.size for part in G.parts]
    shape = "-".join(map(str, sizes)) if _is_chain(G) else f"{len(sizes)} parts, {sum(sizes):,} nodes"
    lines = [f"NeuralGraph: {shape}, {G.n_edges:,} edges, {share}"]
    rows = [("block", "source -> target", "shape", "edges", "present", "negative", "dtype")]
    for block, values in zip(G.blocks, weights, strict=True):
        negative = f"{100 * np.count_nonzero(values < 0) / len(values):.1f} %" if len(values) else "-"
        rows.append(
            (
                block.name,
                f"{block.source} -> {block.target}",
                f"{block.n_target}x{block.n_source}",
                f"{block.n_edges:,}",
                f"{100 * block.density:.3g} %" if block.density in (0, 1) else f"{100 * block.density:.1f} %",
                negative,
                block.dtype,
            )
        )
    if len(rows) > 16:
        rows = [*rows[:9], ("...", f"{len(rows) - 15} more", "", "", "", "", ""), *rows[-6:]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    align = ("<", "<", "<", ">", "<", ">", "<")
    for row in rows:
        cells = (f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths, strict=True))
        lines.append("  " + "  ".join(cells).rstrip())
    if G.links:
        lines.append(f"  links: {shortened(_counted(f'{k.source} -> {k.target} ({k.kind})' for k in G.links))}")
    if G.skipped:
        left_out = (f"{skipped.module or 'the model itself'} ({skipped.kind})" for skipped in G.skipped)
        lines.append(f"  not in the graph: {shortened(left_out)}")
    if G.history:
        lines.append(f"  made by: {' -> '.join(step.operation for step in G.history)}")
    return "\n".join(lines)


def _is_chain(G: NeuralGraph) -> bool:
    names = [part.name for part in G.parts]
    return len(names) == len(G.blocks) + 1 and all(
        (block.source, block.target) == pair for block, pair in zip(G.blocks, itertools.pairwise(names), strict=True)
    )


def _counted(texts: Iterable[str]) -> Iterator[str]:
    """Give each text once, with how often it came."""
    for text, n in Counter(texts).items():
        yield text if n == 1 else f"{text} x{n}"
