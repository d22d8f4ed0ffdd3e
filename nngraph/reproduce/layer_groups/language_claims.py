"""Claims on accuracy in the language part, and on what skipping blocks does: a rule and a verdict for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph.reproduce.layer_groups._noise import MARGIN, no_worse, noise_of_difference, paired_noise
from nngraph.reproduce.layer_groups.judgements import Judgement, counting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TUNED", "Results", "read", "untrained_yet"]

TUNED = ("fine-tuned", "sparse 25", "sparse 70", "sparse 95")


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """The tables of a results folder; the mappings are by seed, or "amazon" for the encoder of the other snippets."""

    encoders: pd.DataFrame
    freezing: pd.DataFrame
    dropping: pd.DataFrame
    maps: Mapping[str, pd.DataFrame]
    changes: Mapping[str, pd.DataFrame]
    crosses: Mapping[str, pd.DataFrame]
    right: Mapping[str, pd.DataFrame]
    near: pd.DataFrame
    scores: pd.DataFrame
    steps: pd.DataFrame
    agreements: pd.DataFrame
    compression: pd.DataFrame


def read(folder: Path) -> Results:
    """Read the tables of a folder; those of freezing and dropping from the files of all seeds."""
    import pandas as pd

    names = {"tap": str, "other": str, "previous": str}

    def each(name: str) -> dict[str, pd.DataFrame]:
        paths = sorted(folder.glob(f"{name}-*.csv"))
        return {path.stem.removeprefix(f"{name}-"): pd.read_csv(path, dtype=names) for path in paths}

    def one(name: str) -> pd.DataFrame:
        return pd.read_csv(folder / f"{name}.csv", dtype=names)

    return Results(
        **{name: one(name) for name in ("encoders", "agreements", "compression")},
        **{name: each(name) for name in ("maps", "changes", "crosses", "right")},
        **{name: pd.concat(list(each(name).values()), ignore_index=True) for name in ("freezing", "dropping")},
        near=one("near-0"),
        scores=one("dynamics_scores"),
        steps=one("dynamics_steps"),
    )


def untrained_yet(found: Results, rows: pd.DataFrame, key: str, full: object) -> str:
    """Return why nothing can be said where full fine-tuning does not beat its controls, else ""."""
    control = controls(found)
    accuracy = float(rows[rows[key] == full]["accuracy"].mean())
    for name, value in (("the larger class", control["majority"]), ("a logistic head", control["logistic"])):
        noise = noise_of_difference(rows, key, full, value)
        if np.isnan(noise):
            return "one seed does not tell the noise of seeds"
        if accuracy - value < 2 * noise:
            return (
                f"fine-tuning all ({accuracy:.3f}) is not above {name} ({value:.3f}) by two of the noise ({noise:.3f})"
            )
    return ""


def controls(found: Results) -> dict[str, float]:
    """Return the accuracy of the larger class, and of the best logistic head on any number of frozen blocks."""
    import pandas as pd

    both = pd.concat([found.freezing, found.dropping], ignore_index=True)
    majority = both[both["kind"] == "majority"]["accuracy"].max()
    return {"majority": float(majority), "logistic": float(both[both["kind"] == "logistic"]["accuracy"].max())}


def _heads(table: pd.DataFrame) -> pd.Series:
    return table[table["kind"] == "logistic"].set_index("block")["accuracy"].sort_index()


def freeze(found: Results) -> Judgement:
    """Judge Table 6."""
    rows = found.freezing[found.freezing["kind"] == "fine-tuned"]
    means = rows.groupby("block")["accuracy"].mean()
    depth = int(means.index.max())
    late = depth - depth // 3 + 1
    loss, noise = float(means[1] - means[late]), noise_of_difference(rows, "block", 1, late)
    none = controls(found)["logistic"]
    why = untrained_yet(found, rows, "block", 1)
    verdict = "undecided" if why else no_worse(loss, noise)
    if verdict == "holds" and means[late] <= none:
        verdict, why = "undecided", "a head on frozen blocks, which trains no block, passes too"
    return Judgement(
        "training the last blocks alone is nearly as good as training all (Table 6)",
        "97.87 (from 1), 97.47 (from 8), 97.43 (9), 97.19 (10), 96.70 (11), 93.11 (12)",
        f"loss of training the last third alone and twice its noise within {MARGIN}, and better than the best "
        "logistic head on frozen blocks; undecided unless training all is above that and the larger class by two of "
        "the noise",
        f"from 1: {means[1]:.3f}, from {late}: {means[late]:.3f}, from {depth}: {means[depth]:.3f}; loss of from {late}"
        f" {loss:.3f}, noise of it at most {noise:.3f}; best logistic head on frozen blocks {none:.3f}",
        verdict,
        why,
        counting(loss <= MARGIN),
    )


def drop(found: Results) -> Judgement:
    """Judge Table 7."""
    rows = found.dropping[found.dropping["kind"] == "fine-tuned"]
    means = rows.groupby("block")["accuracy"].mean()
    depth, heads = int(means.index.max()), _heads(found.dropping)
    most = min(n for n in means.index if n >= 2 * depth / 3)
    loss, noise = float(means[depth] - means[most]), noise_of_difference(rows, "block", depth, most)
    all_lost, all_noise = float(means[depth] - means[0]), noise_of_difference(rows, "block", depth, 0)
    head = float(heads[0])
    why = untrained_yet(found, rows, "block", depth)
    verdict = "undecided" if why else no_worse(loss, noise)
    if verdict == "holds" and means[0] < head - 2 * noise_of_difference(rows, "block", 0, head):
        verdict, why = "undecided", "without blocks even a logistic head does better: what is lost is training"
    elif verdict == "holds" and all_lost - 2 * all_noise <= MARGIN:
        verdict = "does not hold" if all_lost + 2 * all_noise <= MARGIN else "undecided"
    return Judgement(
        "the last third of the blocks can be dropped, all cannot (Table 7)",
        "Yelp 97.87 (12), 97.87 (8), 97.86 (4), 97.76 (2), 97.11 (1), 60.3 (0); SST-2 92.40, 90.25, 90.25, 91.86, "
        "83.26, 50.92",
        f"loss without the last third and twice its noise within {MARGIN}, loss without all beyond by twice its noise; "
        "undecided unless training all is above the larger class and the best logistic head by two of the noise, and "
        "without blocks not below its own head",
        f"{', '.join(f'{n} blocks {means[n]:.3f}' for n in means.index)}; loss with {most} {loss:.3f}, noise of it at "
        f"most {noise:.3f}; a logistic head on as many frozen blocks: "
        f"{', '.join(f'{n} {value:.3f}' for n, value in heads.items())}",
        verdict,
        why,
        counting(loss <= MARGIN),
    )


def sparse(found: Results) -> Judgement:
    """Judge the sparse encoders, by the answers to the same texts."""
    rows = found.encoders[found.encoders["encoder"].isin(TUNED)]
    means = rows.groupby("encoder", sort=False)["accuracy"].mean()
    right = {name: np.stack([table[name] for table in found.right.values()], axis=1) for name in TUNED}
    margins = {"sparse 70": MARGIN, "sparse 95": 2 * MARGIN}
    losses = {name: float(means["fine-tuned"] - means[name]) for name in margins}
    noises = {name: paired_noise(right["fine-tuned"], right[name]) for name in margins}
    each = [no_worse(losses[name], noises[name], margin) for name, margin in margins.items()]
    why = untrained_yet(found, rows, "encoder", "fine-tuned")
    verdict = next((one for one in ("does not hold", "undecided") if one in each), "holds")
    return Judgement(
        "an encoder without 70 % of its weights is as good after fine-tuning, without 95 % it is not much worse",
        "Yelp 96.31 (25 %), 97.53 (70 %), 96.22 (95 %); SST-2 90.25, 88.5, 84.4",
        f"loss and twice its noise within {MARGIN} at 70 %, within {2 * MARGIN} at 95 %; undecided unless the dense "
        "one is above the larger class and the best logistic head by two of the noise",
        "; ".join(f"{name} {value:.3f}" for name, value in means.items())
        + "; "
        + "; ".join(f"loss of {name} {losses[name]:.3f}, paired noise {noises[name]:.3f}" for name in margins)
        + f"; best logistic head on frozen blocks {controls(found)['logistic']:.3f}",
        "undecided" if why else verdict,
        why,
        counting(all(losses[name] <= margin for name, margin in margins.items())),
    )


def interventions(found: Results) -> Judgement:
    """Judge the rank correlations of skipped blocks with distances, against permuted blocks."""
    table = found.agreements.dropna(subset="mean").set_index("measure")
    measures = table.drop(index="depth")
    others = measures.drop(index="gw")["mean"]
    gw, depth = table.loc["gw"], table.loc["depth"]
    best, level = float(measures["p"].min()), 0.05 / len(measures)
    if best > level:
        verdict, why = "undecided", "no measure ranks it better than permuted blocks do"
    elif gw["p"] > level:
        verdict, why = "does not hold", ""
    else:
        verdict, why = ("holds" if gw["mean"] >= others.median() else "does not hold"), ""
    return Judgement(
        "GW tells what skipping a block does to the next token not worse than other measures (Figures 20-22)",
        "GPT-2 and Gemma-2B; no numbers in the text",
        "the rank correlation of GW is not below the median of the others, with p of permuted blocks at most .05 over "
        "the number of measures; undecided where no measure has that",
        f"GW {gw['mean']:.2f} (p {gw['p']:.3f}); best other {others.idxmax()} {others.max():.2f}, median of the others "
        f"{others.median():.2f}; smallest p {best:.3f}; distance in depth, which knows no data, {depth['mean']:.2f} "
        f"(p {depth['p']:.3f}); level {level:.4f}",
        verdict,
        why,
    )
