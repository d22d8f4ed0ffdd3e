"""Trades of signs between two rows of a plane of bits."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from nngraph.nulls._kernels.compiling import jit
from nngraph.nulls._kernels.words import choose, choose_few, count_bits, shuffle_part


@jit
def trade(positive, signed, n_sweeps, state, step):
    """Run sweeps of trades, in place: per sweep a uniform pairing of the rows, and for each pair one trade.

    A trade re-deals, uniformly, the positive signs of two rows over the columns where both have an edge and their
    signs differ, each row keeping its number.
    """
    n_rows, n_words = positive.shape
    order = np.arange(n_rows)
    differ, chosen = np.empty(n_words, np.uint64), np.empty(n_words, np.uint64)
    for _ in range(n_sweeps):
        state = shuffle_part(order, 0, n_rows, state, step)
        for pair in range(n_rows // 2):
            i, j = order[2 * pair], order[2 * pair + 1]
            n, k = 0, 0
            for w in range(n_words):
                d = (positive[i, w] ^ positive[j, w]) & signed[i, w] & signed[j, w]
                differ[w] = d
                n += count_bits(d)
                k += count_bits(d & positive[i, w])
            if k == 0 or k == n:
                continue
            if n < 48:
                state = choose_few(differ, n, k, chosen, state, step)
            else:
                state = choose(differ, n, k, chosen, state, step)
            for w in range(n_words):
                positive[i, w] = (positive[i, w] & ~differ[w]) | chosen[w]
                positive[j, w] = (positive[j, w] & ~differ[w]) | (differ[w] & ~chosen[w])
