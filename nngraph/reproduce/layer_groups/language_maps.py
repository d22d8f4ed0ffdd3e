"""What the language part measures on its networks: maps, changes from block to block, neighbours, interventions."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

__all__ = ["agreements", "maps"]

log = logging.getLogger(__name__)


def maps(
    encoders: Mapping[str, nn.Module],
    inputs: Mapping[str, np.ndarray],
    measures: Sequence[str],
    *,
    n: int = 300,
    rng: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the maps of all encoders, and how distances and neighbours change with depth, on the same texts.

    Parameters
    ----------
    encoders : mapping of str to torch.nn.Module
        Of :func:`nngraph.reproduce.layer_groups.language.encoders`.
    inputs : mapping of arrays
        Tokens of texts that were not trained on.
    measures : sequence of str
        Keys of ``nngraph.similarity.MEASURES``; a measure without a value gives NaN.
    n : int
        Texts that are drawn, the same for all.
    rng : int
        Of that draw.

    Returns
    -------
    maps : pandas.DataFrame
        encoder, measure, tap, other, distance (for GW the root), of the means over tokens, which the head reads.
    changes : pandas.DataFrame
        encoder, tap, divergence (KL in nats of the histogram of distances from that of the block before;
        NaN at "0"), overlap (mean Jaccard index of the 5 nearest neighbours with those at "0"), moved (linear CKA
        distance to the same block of the pretrained encoder).
    """
    import pandas as pd

    from nngraph import similarity

    everything = {
        name: similarity.representations(model, inputs, "blocks", n=n, rng=rng, tokens="mean")
        for name, model in encoders.items()
    }
    rows, changes = [], []
    for name, reps in everything.items():
        for measure in measures:
            options = {"root": True} if measure == "gw" else {}
            D = similarity.matrix(reps, measure, undefined="nan", **options)
            rows += [(name, measure, a, b, D.loc[a, b]) for a in D.index for b in D.columns]
            log.info("%s, %s", name, measure)
        divergence = similarity.histogram_divergence(similarity.distance_histograms(reps))
        overlap = similarity.neighbour_overlap(reps, "0", k=5).mean()
        moved = similarity.cross(reps, everything["pretrained"], "cka")
        changes += [
            (name, tap, divergence.get(tap, np.nan), overlap.get(tap, np.nan), moved.loc[tap, tap]) for tap in reps
        ]
    return (
        pd.DataFrame(rows, columns=["encoder", "measure", "tap", "other", "distance"]),
        pd.DataFrame(changes, columns=["encoder", "tap", "divergence", "overlap", "moved"]),
    )


def map_of(table: pd.DataFrame, encoder: str, measure: str) -> pd.DataFrame:
    """Return one map of the table of :func:`maps`, tap by tap."""
    chosen = table[(table["encoder"] == encoder) & (table["measure"] == measure)]
    taps = list(dict.fromkeys(chosen["tap"]))
    D = chosen.pivot(index="tap", columns="other", values="distance").loc[taps, taps]
    D.index.name = D.columns.name = None
    return D


def steps_of(D: pd.DataFrame) -> pd.Series:
    """Return the distance of each tap to the one before."""
    import pandas as pd

    values = D.to_numpy()
    return pd.Series(values[np.arange(len(D) - 1), np.arange(1, len(D))], index=D.index[1:])


def agreements(
    model: nn.Module, samples: np.ndarray, measures: Sequence[str], *, n: int = 300, rng: int = 0
) -> pd.DataFrame:
    """Return how well each measure ranks what skipping blocks does to the next token, beside the distance in depth.

    Parameters
    ----------
    model : torch.nn.Module
        A language model with at least three blocks.
    samples : (n, positions) integer array
        Tokens.
    measures : sequence of str
        Keys of ``nngraph.similarity.MEASURES``; and "depth", the number of blocks between, which knows no data.
    n : int
        Samples that representations are taken of; all are used for the next token.
    rng : int
        Of their draw.

    Returns
    -------
    pandas.DataFrame
        measure, mean and se of the row-wise Spearman correlation, rows (how many have one).
    """
    import pandas as pd

    from nngraph import similarity
    from nngraph.interventions import intervention_agreement, interventions

    kl = interventions(model, samples).kl
    everywhere = similarity.representations(model, samples, "blocks", n=n, rng=rng, tokens="last")
    reps = {name: everywhere[name] for name in kl.index}  # without the embedding, which cannot be skipped
    depth = np.abs(np.subtract.outer(np.arange(len(kl)), np.arange(len(kl))))
    rows = []
    for measure in ("depth", *measures):
        D = pd.DataFrame(depth, kl.index, kl.columns) if measure == "depth" else similarity.matrix(
            reps, measure, undefined="nan"
        )  # fmt: skip
        found = intervention_agreement(kl, D)
        rows.append((measure, found.mean, found.se, int(found.rows.notna().sum())))
        log.info("interventions, %s: %.3f", measure, found.mean)
    return pd.DataFrame(rows, columns=["measure", "mean", "se", "rows"])


def write(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table as CSV, whole or not at all."""
    from nngraph.io._atomic import replacing

    with replacing(path) as file:
        file.write(table.to_csv(index=False).encode())
    return Path(path)
