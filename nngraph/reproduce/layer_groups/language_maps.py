"""What the language part measures: maps, changes from block to block, neighbours, plans, interventions."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._rng import child, generator, seed_sequence

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nngraph.similarity import Representations

__all__ = ["agreements", "crosses", "maps", "near", "representations_of"]

OPTIONS: dict[str, dict[str, Any]] = {
    "gw": {"root": True},
    "cca": {"components": 40},
    "svcca": {"components": 40},
    "pwcca": {"components": 40},
}
"""Canonical correlations are of the first 40 principal components: those of all 384 dimensions of 200 texts are 1."""
FEW = 16
"""Texts in the plane of t-SNE, as in the paper."""
log = logging.getLogger(__name__)


def representations_of(
    encoders: Mapping[str, nn.Module], inputs: Mapping[str, np.ndarray], *, n: int = 200, rng: int = 0
) -> dict[str, Representations]:
    """Return the means over tokens, which the head reads, of the same n texts at all blocks of all encoders."""
    from nngraph.similarity import representations

    return {
        name: representations(model, inputs, "blocks", n=n, rng=rng, tokens="mean") for name, model in encoders.items()
    }


def maps(
    everything: Mapping[str, Representations], measures: Sequence[str], *, own: str = "pretrained"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the maps of all encoders, and how distances and neighbours change with depth.

    Parameters
    ----------
    everything : mapping of str to Representations
        Of :func:`representations_of`, of the same texts.
    measures : sequence of str
        Keys of ``nngraph.similarity.MEASURES``, with the options of ``OPTIONS``; where one has no value it is NaN.
    own : str
        The encoder that the fine-tuning of the others started from.

    Returns
    -------
    maps : pandas.DataFrame
        encoder, measure, tap, other, distance (for GW the root).
    changes : pandas.DataFrame
        encoder, tap, divergence (KL in nats of the histogram of distances from that of the block before;
        NaN at "0"), overlap (mean Jaccard index of the 5 nearest neighbours with those at "0"), moved (linear CKA
        distance to the same block of the encoder ``own``).
    """
    import pandas as pd

    from nngraph import similarity

    rows, changes = [], []
    for name, reps in everything.items():
        for measure in measures:
            D = similarity.matrix(reps, measure, undefined="nan", **OPTIONS.get(measure, {}))
            rows += [(name, measure, a, b, D.loc[a, b]) for a in D.index for b in D.columns]
            log.info("%s, %s", name, measure)
        divergence = similarity.histogram_divergence(similarity.distance_histograms(reps))
        overlap = similarity.neighbour_overlap(reps, "0", k=5).mean()
        moved = similarity.cross(reps, everything[own], "cka")
        changes += [
            (name, tap, divergence.get(tap, np.nan), overlap.get(tap, np.nan), moved.loc[tap, tap]) for tap in reps
        ]
    return (
        pd.DataFrame(rows, columns=["encoder", "measure", "tap", "other", "distance"]),
        pd.DataFrame(changes, columns=["encoder", "tap", "divergence", "overlap", "moved"]),
    )


def crosses(everything: Mapping[str, Representations], pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return the distances (the root of GW) from each block of one encoder to each of another.

    Returns
    -------
    pandas.DataFrame
        first, second, tap (of the first), other (of the second), distance.
    """
    import pandas as pd

    from nngraph import similarity

    rows = []
    for first, second in pairs:
        D = similarity.cross(everything[first], everything[second], "gw", root=True)
        rows += [(first, second, a, b, D.loc[a, b]) for a in D.index for b in D.columns]
        log.info("%s against %s", first, second)
    return pd.DataFrame(rows, columns=["first", "second", "tap", "other", "distance"])


def near(
    everything: Mapping[str, Representations], labels: np.ndarray, *, planes: int = 5, rng: int = 0
) -> pd.DataFrame:
    """Return neighbours in the planes of t-SNE, and what the plans between neighbouring blocks do.

    Parameters
    ----------
    everything : mapping of str to Representations
        Of the same texts.
    labels : (all texts,) array
        Class of each text, by sample id.
    planes : int
        Planes of t-SNE from other starts, of the first 16 texts.
    rng : int
        Of these starts.

    Returns
    -------
    pandas.DataFrame
        encoder, tap, overlap (mean Jaccard index of the 5 nearest neighbours in the plane with those at "0"), sd (over
        planes), permutation (whether the plan of GW from the block before is one), stays (share of texts that it sends
        to themselves), same (to their class), chance, spread (of ``same`` at random). Without a row for "0".
    """
    import pandas as pd

    from nngraph import similarity
    from nngraph.similarity._clouds import distances

    rows = []
    for name, reps in everything.items():
        few = {tap: np.asarray(x)[:FEW] for tap, x in reps.items()}
        overlaps = pd.DataFrame(
            [
                similarity.neighbour_overlap(few, "0", k=5, space="tsne", rng=child(seed_sequence(rng), i)).mean()
                for i in range(planes)
            ]
        )
        classes, taps = labels[np.asarray(reps.ids, dtype=int)], list(reps)
        for before, tap in itertools.pairwise(taps):
            D1, D2 = (distances(one, reps[one]) for one in (before, tap))
            solved = similarity.gromov_wasserstein(D1, D2, starts=("product",))
            found = similarity.plan_agreement(solved, classes)
            rows.append(
                (name, tap, overlaps[tap].mean(), overlaps[tap].std(ddof=1), solved.plan is not None,
                 found["identity"], found["same"], found["chance"], found["sd"])
            )  # fmt: skip
        log.info("%s, neighbours and plans", name)
    names = ["encoder", "tap", "overlap", "sd", "permutation", "stays", "same", "chance", "spread"]
    return pd.DataFrame(rows, columns=names)


def map_of(table: pd.DataFrame, encoder: str, measure: str) -> pd.DataFrame:
    """Return one map of the table of :func:`maps`, tap by tap."""
    return _square(table[(table["encoder"] == encoder) & (table["measure"] == measure)])


def cross_of(table: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return one matrix of the table of :func:`crosses`."""
    return _square(table[(table["first"] == first) & (table["second"] == second)])


def _square(chosen: pd.DataFrame) -> pd.DataFrame:
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
    model: nn.Module, samples: np.ndarray, measures: Sequence[str], *, n: int = 200, draws: int = 999, rng: int = 0
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
    draws : int
        Permutations of the blocks of a map, for p: rows of one matrix are not independent, so that the standard error
        over rows is none of the mean.
    rng : int
        Of the samples and of the permutations.

    Returns
    -------
    pandas.DataFrame
        measure, mean and se of the row-wise Spearman correlation, rows (how many have one), p (one-sided).
    """
    import pandas as pd

    from nngraph import similarity
    from nngraph.interventions import intervention_agreement, interventions

    kl = interventions(model, samples).kl
    everywhere = similarity.representations(model, samples, "blocks", n=n, rng=rng, tokens="last")
    reps = {name: everywhere[name] for name in kl.index}  # without the embedding, which cannot be skipped
    depth = np.abs(np.subtract.outer(np.arange(len(kl)), np.arange(len(kl))))
    draw = generator(child(seed_sequence(rng), "blocks"))
    orders = np.array([draw.permutation(len(kl)) for _ in range(draws)])
    rows = []
    for measure in ("depth", *measures):
        if measure == "depth":
            D = pd.DataFrame(depth, kl.index, kl.columns)
        else:
            options = {} if measure == "gw" else OPTIONS.get(measure, {})
            D = similarity.matrix(reps, measure, undefined="nan", **options)
        found = intervention_agreement(kl, D)
        means = _permuted(kl.to_numpy(dtype=float), D.to_numpy(dtype=float), orders)
        p = (1 + int((means >= found.mean - 1e-12).sum())) / (1 + draws) if np.isfinite(found.mean) else np.nan
        rows.append((measure, found.mean, found.se, int(found.rows.notna().sum()), p))
        log.info("interventions, %s: %.3f", measure, found.mean)
    return pd.DataFrame(rows, columns=["measure", "mean", "se", "rows", "p"])


def _permuted(K: np.ndarray, D: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return the mean row-wise Spearman correlation of K with D without the diagonal, for each order of D's blocks."""
    from scipy.stats import rankdata

    blocks = np.arange(len(K))
    others = np.array([blocks[blocks != row] for row in blocks])  # (blocks, blocks - 1)
    a = rankdata(K[blocks[:, None], others], axis=-1)
    b = rankdata(D[orders[:, :, None], orders[:, others]], axis=-1)
    a, b = (values - values.mean(axis=-1, keepdims=True) for values in (a, b))
    with np.errstate(invalid="ignore"):
        rho = (a * b).sum(axis=-1) / np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    means: np.ndarray = np.nanmean(rho, axis=-1)
    return means


def write(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table as CSV, whole or not at all."""
    from nngraph.io._atomic import replacing

    with replacing(path) as file:
        file.write(table.to_csv(index=False).encode())
    return Path(path)
