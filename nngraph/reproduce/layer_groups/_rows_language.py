"""Rows on language models: Figures 2, 5 to 7, 10 to 18, 20 to 22, Tables 5 to 7, all on stand-ins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph._rng import child, generator, seed_sequence
from nngraph.errors import DatasetError
from nngraph.reproduce._claims import save
from nngraph.reproduce.layer_groups import language, language_maps
from nngraph.reproduce.layer_groups import language_claims as scores
from nngraph.reproduce.layer_groups import language_map_claims as judges
from nngraph.reproduce.layer_groups._page import kept
from nngraph.reproduce.layer_groups._row_parts import THEOREM, judged_row, untestable_row
from nngraph.reproduce.layer_groups.language_bytes import ByteSetup

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.reproduce.layer_groups.language import Setup
    from nngraph.reproduce.layer_groups.language_claims import Results
    from nngraph.reproduce.ledger import Context, Row

__all__ = ["texts"]

BERT = "BERT base and the reviews of Yelp (load_yelp, encoder(folder) read them)"
BOTH = "BERT base, the reviews of Yelp and SST-2 (load_yelp, load_sst2, encoder(folder) read them)"
CLAIMS = {
    "06": (
        "Figures 2, 12",
        "the histogram of distances between texts departs at block 9 of a fine-tuned BERT, and nowhere before it",
        "largest KL .11 pretrained, 1.58 fine-tuned at block 9; .19 and .006 for sparse ones",
        BERT,
    ),
    "07": (
        "Table 5, Figures 10, 11",
        "the nearest neighbours of texts change from block to block in BERT, dense or sparse; plans are permutations",
        "mean Jaccard index with block 0: .22, .20, .20 (the printed .27, .26, .26 count block 0 itself)",
        BERT,
    ),
    "08": (
        "Figures 5, 13, 14",
        "the map of BERT is flat before fine-tuning, and falls into groups after it: {1-8}, {9}, {10-12}",
        "spectral, k = 2: {1-8}, {9-12}",
        BERT,
    ),
    "09": (
        "Figures 6, 7",
        "in the fine-tuning of BERT the last block departs first; the mean distance grows with F1 and falls with loss",
        "12 by iteration 300, 9 to 11 by 3,000 to 15,000",
        BERT,
    ),
    "10": (
        "Table 6",
        "training the last blocks of BERT alone is nearly as good as training all",
        "97.87 (from 1), 97.47 (from 8), 97.43 (9), 97.19 (10), 96.70 (11), 93.11 (12)",
        BERT,
    ),
    "11": (
        "Table 7",
        "the last blocks of BERT can be dropped, all cannot",
        "Yelp 97.87 (12), 97.87 (8), 97.86 (4), 97.76 (2), 97.11 (1), 60.3 (0); SST-2 92.40, 90.25, 90.25, 91.86, "
        "83.26, 50.92",
        BOTH,
    ),
    "12": (
        "section on sparse models",
        "BERT without 25, 70 or 95 % of its weights is about as good after fine-tuning",
        "Yelp 96.31, 97.53, 96.22; SST-2 90.25, 88.5, 84.4",
        BOTH,
    ),
    "13": (
        "Figures 15 to 18",
        "fine-tuned and pretrained BERT agree in early blocks alone, on Yelp and on SST-2, with 3 seeds",
        "SST-2: blocks 10 and 11, then 12; seeds consistent, by eye",
        BOTH,
    ),
    "15": (
        "Figures 20 to 22",
        "GW tells what skipping a block does to the next token not worse than other measures, in GPT-2 and Gemma-2B",
        "no number in the text",
        "GPT-2 and Gemma-2B (language_model(folder) reads them)",
    ),
}
"""By number: source, statement, what the authors report, what is missing; the stand-in is that with the letter a."""
JUDGES = {
    "06a": judges.histograms,
    "07a": judges.overlap,
    "07b": judges.planes,
    "07c": judges.plans,
    "08a": judges.flat,
    "08b": judges.late,
    "08c": judges.grouped,
    "09a": judges.departs,
    "09b": judges.dynamics,
    "10a": scores.freeze,
    "11a": scores.drop,
    "12a": scores.sparse,
    "13a": judges.crossed,
    "13b": judges.products,
    "13c": judges.seeds,
    "15a": scores.interventions,
}


def texts(context: Context) -> list[Row]:
    """Return the rows on language models."""
    setup, seeds, n, name = _stand_in(context)
    folder = context.folder / name
    language.run(folder, root=context.root, setup=setup, seeds=seeds, n=n)
    found = scores.read(folder)
    noise = kept(context.folder / f"{name}-noise.csv", lambda: _on_noise(folder, setup, n, context))
    noise = noise.astype({"tap": str, "other": str})
    picture = save(_maps(found), context.folder / f"{name}.png")
    data = {
        "bytes": "bytes of Python's manual, scrambled words to be told (transformer of bytes, 8 blocks)",
        "minilm": "rated snippets on movies (MiniLM-L6, 6 blocks)",
    }[name]
    equalled = _equalled(found, noise)
    rows = {
        number: judged_row(
            f"layer-groups-{number}",
            f"{CLAIMS[number[:2]][0]}, on a stand-in" if number != "07c" else f"Figure 11; {THEOREM}",
            judge(found),
            data if number != "15a" else "bytes of Python's manual (transformer of bytes, 8 blocks)",
            seeds=seeds if number in ("08b", "10a", "11a", "12a", "13c") else 1,
            control=_control(number, found, noise),
            equalled=equalled.get(number),
            figure=picture,
        )
        for number, judge in JUDGES.items()
    }
    for number, claim in CLAIMS.items():
        rows[number] = untestable_row(f"layer-groups-{number}", claim, f"layer-groups-{number}a")
    return [rows[number] for number in sorted(rows)]


def _stand_in(context: Context) -> tuple[Setup, int, int, str]:
    """Return sizes, seeds, texts in a map and name: MiniLM at full scale where its files are, else the bytes."""
    if context.scale == "quick":
        return ByteSetup(from_blocks=(1, 7, 8), keep=(8, 6, 0)), 2, 100, "bytes"
    setup = language.Setup()
    try:
        setup.reader(None)
        setup.texts(context.root)
    except (DatasetError, ImportError):
        return ByteSetup(), 3, 200, "bytes"
    return setup, 2, 200, "minilm"


def _on_noise(folder: Path, setup: Setup, n: int, context: Context) -> pd.DataFrame:
    """Return the maps of the pretrained and the fine-tuned encoder on tokens at random, under GW."""
    train, test = setup.data(setup.reader(None), context.root)
    models = language.encoders(folder, setup, root=context.root)
    draw = generator(child(seed_sequence(context.rng), "tokens"))
    name, tokens = next(iter(test[0].items()))
    shape = np.asarray(tokens)[:n].shape
    known = np.unique(train[0][name])
    inputs = {key: np.asarray(values)[:n] for key, values in test[0].items()} | {name: draw.choice(known, size=shape)}
    chosen = {key: models[key].body for key in ("pretrained", "fine-tuned")}
    table, _ = language_maps.maps(language_maps.representations_of(chosen, inputs, n=n), ["gw"])
    return table


def _maps(found: Results) -> Any:
    from nngraph import plot

    table = found.maps["0"]
    shown = {
        f"{encoder}, {measure.upper()}": language_maps.map_of(table, encoder, measure)
        for measure in ("gw", "cka")
        for encoder in ("untrained", "pretrained", "fine-tuned")
    }
    return plot.maps(shown)


def _control(number: str, found: Results, noise: pd.DataFrame) -> str:
    """Return what the control of a row gave."""
    from nngraph.similarity import expected_overlap

    untrained = language_maps.map_of(found.maps["0"], "untrained", "gw")
    steps = language_maps.steps_of(untrained)
    pure = {name: language_maps.map_of(noise, name, "gw") for name in ("pretrained", "fine-tuned")}
    grown = language_maps.steps_of(pure["fine-tuned"]) / language_maps.steps_of(pure["pretrained"])
    controls = scores.controls(found)
    majority = (
        f"larger class {controls['majority']:.3f}, best logistic head on frozen blocks {controls['logistic']:.3f}"
    )
    changes = found.changes["0"]
    moved = changes[changes["encoder"] == "untrained"]
    on_noise = "tokens at random through the same two encoders: step over that of the pretrained one " + ", ".join(
        f"{value:.2f}" for value in grown
    )
    return {
        "06a": f"untrained encoder: largest divergence {moved['divergence'].max():.3f}",
        "07a": f"untrained encoder: mean {moved[moved['tap'] != '0']['overlap'].mean():.2f}",
        "07b": f"neighbours at random: {expected_overlap(language_maps.FEW, 5):.2f}",
        "07c": f"the plan between two clouds of random points is {'one' if _random_plan() else 'none'} too",
        "08a": f"untrained encoder, GW: largest step {steps.max() / steps.median():.2f} times the median one",
        "08b": on_noise,
        "08c": f"untrained encoder: {_groups(untrained)}; "
        f"fine-tuned, on tokens at random: {_groups(pure['fine-tuned'])}",
        "09b": "time is a common cause: hence the step held fixed, and differences",
        "10a": majority,
        "11a": majority,
        "12a": majority,
        "13a": on_noise,
        "13b": on_noise,
        "13c": "correlation of each with the pretrained map, in what was measured",
        "15a": "blocks permuted, and the distance in depth, in what was measured",
    }.get(number, "")


def _equalled(found: Results, noise: pd.DataFrame) -> dict[str, bool]:
    """Return, by number, whether the control does as well as what is claimed."""
    from nngraph.similarity import groups

    untrained = language_maps.map_of(found.maps["0"], "untrained", "gw")
    steps = language_maps.steps_of(untrained)
    pure = {name: language_maps.map_of(noise, name, "gw") for name in ("pretrained", "fine-tuned")}
    late = judges.late_only(language_maps.steps_of(pure["fine-tuned"]) / language_maps.steps_of(pure["pretrained"]))
    table = found.changes["0"]
    means = table[table["tap"] != "0"].groupby("encoder")["overlap"].mean()
    tuned = means[list(scores.TUNED)]
    agreements = found.agreements.set_index("measure")["mean"]
    return {
        "06a": judges.departs_late(table, "untrained"),
        "07a": bool(max(tuned.max(), means["untrained"]) - min(tuned.min(), means["untrained"]) <= judges.ALIKE),
        "08a": bool(steps.max() / steps.median() < judges.STEP),
        "08b": late,
        "08c": any(groups(D.iloc[1:, 1:], squared=False).k > 1 for D in (untrained, pure["fine-tuned"])),
        "13b": late,
        "15a": bool(agreements["depth"] >= agreements["gw"]),
    }


def _groups(D: pd.DataFrame) -> str:
    from nngraph.similarity import groups

    runs = groups(D.iloc[1:, 1:], squared=False)
    return f"{runs.k} contiguous group{'s' if runs.k > 1 else ''} (p {runs.p:.3f})"


def _random_plan() -> bool:
    """Return whether the plan between two unrelated clouds is a permutation."""
    from nngraph.similarity import gromov_wasserstein
    from nngraph.similarity._clouds import distances

    draw = generator(seed_sequence(0))
    clouds = (distances("cloud", draw.standard_normal((60, width))) for width in (20, 5))
    return gromov_wasserstein(*clouds, starts=("product",)).plan is not None
