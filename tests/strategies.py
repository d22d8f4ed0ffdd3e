"""Random graphs for property-based tests: every kind of block, part, link and origin that a graph can hold."""

import numpy as np
from hypothesis import strategies as st

from nngraph.blocks import Block, Origin
from nngraph.graph import Link, NeuralGraph, Part, Skipped, Step

DTYPES = ("float16", "float32", "float64", "bfloat16")
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.1, -6e4, 6e-5)


def random_weights(shape, dtype, rng, *, special=True):
    weights = rng.standard_normal(shape)
    if special and weights.size:
        spots = rng.random(shape) < 0.3
        weights[spots] = rng.choice(SPECIAL, size=int(spots.sum()))
    if dtype == "bfloat16":
        bits = weights.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        return bits.view(np.float32)
    return weights.astype(dtype)


def random_mask(shape, kind, rng):
    if kind == "complete":
        return None
    mask = rng.random(shape) < {"empty": 0.0, "one": 0.0, "sparse": 0.03, "half": 0.5}[kind]
    if kind == "one" and mask.size:
        mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
    return mask


@st.composite
def blocks(draw, name="b", source="x", target="y", shape=None):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if shape is None:
        shape = (draw(st.integers(0, 12)), draw(st.integers(0, 12)))
    dtype = draw(st.sampled_from(DTYPES))
    kind = draw(st.sampled_from(["complete", "half", "sparse", "one", "empty"]))
    sign = draw(st.sampled_from(["both", "positive"]))
    raw = random_weights(shape, dtype, rng)
    weights = np.abs(raw) if sign == "positive" else raw
    bias = random_weights(shape[:1], dtype, rng, special=False) if draw(st.booleans()) else None
    origin = None
    if draw(st.booleans()):
        entries = rng.permutation(weights.size) if draw(st.booleans()) else None
        rows = (0, shape[0]) if draw(st.booleans()) else None
        origin = Origin(f"{name}.weight", shape, rows=rows, bias=f"{name}.bias", entries=entries)
    return Block.from_dense(
        name,
        source,
        target,
        weights.copy(),
        random_mask(shape, kind, rng),
        bias=bias,
        dtype=dtype,
        origin=origin,
        raw=raw if draw(st.booleans()) else None,
    )


@st.composite
def graphs(draw):
    """Any graph: chains, skips, cycles, blocks that share both parts or stay within one, parts without edges."""
    n_parts = draw(st.integers(1, 4))
    sizes = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 11]), min_size=n_parts, max_size=n_parts))
    parts = []
    for i, size in enumerate(sizes):
        labels = tuple(f"unit {k}" for k in range(size)) if draw(st.booleans()) else None
        parts.append(Part(f"p{i}", size, labels))
    pairs = draw(st.lists(st.tuples(st.integers(0, n_parts - 1), st.integers(0, n_parts - 1)), max_size=4))
    made = [draw(blocks(f"b{k}", f"p{s}", f"p{t}", (sizes[t], sizes[s]))) for k, (s, t) in enumerate(pairs)]
    links = []
    if draw(st.booleans()):
        links = [Link("p0", "p0", "recurrent"), Link("p0", "p0", "replica", np.arange(sizes[0])[::-1].copy())]
    return NeuralGraph(
        made,
        parts,
        links=links,
        skipped=[Skipped("norm", "LayerNorm", "it scales nodes")] if draw(st.booleans()) else [],
        history=[Step("prune", {"fraction": 0.5, "blocks": ["b0"], "order": None}, "7")] if draw(st.booleans()) else [],
    )


@st.composite
def multipartite(draw):
    """A graph that any library can hold: one block for each pair of parts, none within a part, float64, no bias."""
    G = draw(graphs())
    seen, chosen = set(), []
    for block in G.blocks:
        pair = (block.source, block.target)
        if block.source != block.target and pair not in seen and block.n_edges:
            seen.add(pair)
            values = block.values.astype(np.float64)
            chosen.append(block.replace(bias=None, origin=None, dtype="float64").with_values(values))
    return NeuralGraph(chosen, [part for part in G.parts if part.size])
