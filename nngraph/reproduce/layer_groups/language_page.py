"""The page of the language part: its tables, and a verdict for each claim by a rule that is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph.reproduce.layer_groups.language_maps import map_of, steps_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Results", "page", "read", "verdicts"]

TUNED = ("fine-tuned", "sparse 25", "sparse 70", "sparse 95")


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """The tables of a results folder."""

    encoders: pd.DataFrame
    freezing: pd.DataFrame
    dropping: pd.DataFrame
    maps: pd.DataFrame
    changes: pd.DataFrame
    agreements: pd.DataFrame
    compression: pd.DataFrame


def read(folder: Path) -> Results:
    """Read the tables; those of freezing and dropping from the files of all seeds."""
    import pandas as pd

    def joined(name: str) -> pd.DataFrame:
        return pd.concat([pd.read_csv(path) for path in sorted(folder.glob(f"{name}-*.csv"))], ignore_index=True)

    def one(name: str) -> pd.DataFrame:
        return pd.read_csv(folder / f"{name}.csv", dtype={"tap": str, "other": str})

    single = {name: one(name) for name in ("encoders", "maps", "changes", "agreements", "compression")}
    return Results(**single, freezing=joined("freezing"), dropping=joined("dropping"))


def verdicts(found: Results) -> list[tuple[str, str, str, str]]:
    """Return claim, what the paper has, what is found here, and whether it holds on the stand-in."""
    return [claim(found) for claim in (_flat, _late, _histograms, _overlap, _freeze, _drop, _sparse, _interventions)]


# ---------------------------------------------------------------------- claims


def _gw_steps(found: Results, encoder: str) -> pd.Series:
    return steps_of(map_of(found.maps, encoder, "gw"))


def _flat(found: Results) -> tuple[str, str, str, str]:
    steps = _gw_steps(found, "pretrained")
    ratio = float(steps.max() / steps.median())
    return (
        "the pretrained map has no step from block to block (Figures 5, 12)",
        "flat, 12 blocks of BERT",
        f"largest step {ratio:.2f} times the median step, at block {steps.idxmax()} of {len(steps)} (rule: below 2)",
        _word(ratio < 2),
    )


def _late(found: Results) -> tuple[str, str, str, str]:
    from nngraph.similarity import boundaries

    grown = _gw_steps(found, "fine-tuned") / _gw_steps(found, "pretrained")
    place = int(grown.to_numpy().argmax()) + 1
    tuned, twin = (map_of(found.maps, name, "gw") for name in ("fine-tuned", "pretrained"))
    table = boundaries(tuned, twin, squared=False)
    marked = ", ".join(table.index[table["boundary"].astype(bool)]) or "none"
    moved = found.changes[(found.changes["encoder"] == "fine-tuned") & (found.changes["tap"] != "0")]["moved"]
    return (
        "fine-tuning makes steps in the last blocks only (Figures 2, 5)",
        "change from block 9 of 12 on",
        f"step over that of the pretrained twin: {_listed(grown)}; largest at block {place} (rule: in the last third "
        f"and above 1.5, all of the first half below 1.5); boundaries against the twin: {marked}; CKA distance of each "
        f"block from itself before fine-tuning: {_listed(moved)}",
        _word(place > 2 * len(grown) / 3 and grown.max() > 1.5 and grown.iloc[: len(grown) // 2].max() < 1.5),
    )


def _histograms(found: Results) -> tuple[str, str, str, str]:
    series = {
        name: found.changes[found.changes["encoder"] == name].set_index("tap")["divergence"].dropna()
        for name in ("pretrained", "fine-tuned")
    }
    most = {name: (values.idxmax(), float(values.max())) for name, values in series.items()}
    late = int(most["fine-tuned"][0]) > 2 * len(series["fine-tuned"]) / 3
    return (
        "the histogram of distances departs where fine-tuning set in (Figures 2, 12)",
        "largest KL .11 pretrained; 1.58 fine-tuned, at block 9",
        "; ".join(f"{name}: {value:.3f} at block {tap}" for name, (tap, value) in most.items())
        + " (rule: the fine-tuned one is over twice the other, in the last third)",
        _word(late and most["fine-tuned"][1] > 2 * most["pretrained"][1]),
    )


def _overlap(found: Results) -> tuple[str, str, str, str]:
    rows = found.changes[found.changes["tap"] != "0"]
    means = rows.groupby("encoder")["overlap"].mean()
    spread = float(means[list(TUNED)].max() - means[list(TUNED)].min())
    return (
        "neighbours change about as much in dense and in sparse encoders (Table 5)",
        "mean Jaccard index with block 0: .22, .20, .20 (the printed .27, .26, .26 count block 0 itself)",
        "; ".join(f"{name} {means[name]:.2f}" for name in ("untrained", "pretrained", *TUNED))
        + " (rule: the fine-tuned ones within .05)",
        _word(spread <= 0.05),
    )


def _freeze(found: Results) -> tuple[str, str, str, str]:
    means, sd = _accuracies(found.freezing)
    depth = int(means.index.max())
    late = depth - depth // 3 + 1
    loss = float(means[1] - means[late])
    return (
        "training the last blocks alone is nearly as good as training all (Table 6)",
        "97.87 (from 1), 97.47 (from 8), 97.43 (9), 97.19 (10), 96.70 (11), 93.11 (12)",
        f"from 1: {means[1]:.3f}, from {late}: {means[late]:.3f}, from {depth}: {means[depth]:.3f}; noise of one run "
        f"{sd:.3f} (rule: from {late} within two of it); a logistic head on the frozen encoder: "
        f"{_controls(found.freezing)[depth]:.3f}",
        _word(abs(loss) <= 2 * sd),
    )


def _drop(found: Results) -> tuple[str, str, str, str]:
    means, sd = _accuracies(found.dropping)
    depth = int(means.index.max())
    most = min(n for n in means.index if n >= 2 * depth / 3)
    return (
        "the last third of the blocks can be dropped, all cannot (Table 7)",
        "Yelp 97.87 (12), 97.87 (8), 97.86 (4), 97.76 (2), 97.11 (1), 60.3 (0); SST-2 92.40, 90.25, 90.25, 91.86, "
        "83.26, 50.92",
        f"{', '.join(f'{n} blocks {means[n]:.3f}' for n in means.index)}; noise of one run {sd:.3f} (rule: {most} "
        "within two of it of all, 0 beyond); a logistic head on as many frozen blocks: "
        f"{', '.join(f'{n} {value:.3f}' for n, value in _controls(found.dropping).sort_index().items())}",
        _word(means[depth] - means[most] <= 2 * sd and means[depth] - means[0] > 2 * sd),
    )


def _sparse(found: Results) -> tuple[str, str, str, str]:
    means = found.encoders.groupby("encoder", sort=False)["accuracy"].mean()
    noise = _noise(found.encoders, "encoder", float(means["fine-tuned"]))
    return (
        "an encoder without 70 % of its weights is as good after fine-tuning, without 95 % it is not much worse",
        "Yelp 96.31 (25 %), 97.53 (70 %), 96.22 (95 %); SST-2 90.25, 88.5, 84.4",
        "; ".join(f"{name} {value:.3f}" for name, value in means.items())
        + f"; noise of one run {noise:.3f} (rule: 70 % within two of it, 95 % within .1)",
        _word(
            means["fine-tuned"] - means["sparse 70"] <= 2 * noise and means["fine-tuned"] - means["sparse 95"] <= 0.1
        ),
    )


def _interventions(found: Results) -> tuple[str, str, str, str]:
    table = found.agreements.set_index("measure")
    others = table.drop(index=["gw", "depth"])["mean"].dropna()
    gw, depth = table.loc["gw"], table.loc["depth"]
    return (
        "GW tells what skipping a block does to the next token not worse than other measures (Figures 20-22)",
        "GPT-2 and Gemma-2B; no numbers in the text",
        f"GW {gw['mean']:.2f} ± {gw['se']:.2f}; best other {others.idxmax()} {others.max():.2f}, median of the others "
        f"{others.median():.2f}; distance in depth, which knows no data, {depth['mean']:.2f} ± {depth['se']:.2f} "
        "(rule: within one standard error of the best; undecided where none is two of them from 0)",
        _word(gw["mean"] >= others.max() - gw["se"])
        if (table["mean"] >= 2 * table["se"]).any()
        else "undecided on the stand-in: no measure ranks it better than chance",
    )


def _controls(table: pd.DataFrame) -> pd.Series:
    return table[table["kind"] == "logistic"].set_index("block")["accuracy"]


def _accuracies(table: pd.DataFrame) -> tuple[pd.Series, float]:
    """Return the accuracy of each row of fine-tuned networks, and the noise of one: of the test set and of seeds."""
    rows = table[table["kind"] == "fine-tuned"]
    means = rows.groupby("block")["accuracy"].mean()
    return means, _noise(rows, "block", float(means.max()))


def _noise(table: pd.DataFrame, key: str, accuracy: float) -> float:
    """Return the larger of the standard error from the test set and the standard deviation over seeds."""
    seeds = table.groupby(key)["accuracy"].var(ddof=1).mean() if table["seed"].nunique() > 1 else 0.0
    return float(np.sqrt(max(accuracy * (1 - accuracy) / table["n_test"].iloc[0], seeds)))


def _word(holds: object) -> str:
    return "holds on the stand-in" if holds else "does not hold on the stand-in"


def _listed(series: pd.Series) -> str:
    return ", ".join(f"{value:.2f}" for value in series)


# ------------------------------------------------------------------------ page


def page(found: Results, *, setup: str) -> str:
    """Return the generated part of the page as Markdown.

    Parameters
    ----------
    found : Results
        Of :func:`read`.
    setup : str
        A sentence on sizes and schedule.
    """
    from nngraph.finetuning import intervals

    parts: list[str] = [setup, ""]
    parts += _markdown(("claim", "paper", "here", "verdict"), verdicts(found))
    parts += ["", "### Accuracies", ""]
    rows = [
        (name, f"{100 * part['absent'].mean():.0f} %", _mean(part["accuracy"]), str(len(part)))
        for name, part in found.encoders.groupby("encoder", sort=False)
    ]
    parts += _markdown(("encoder", "absent", "accuracy", "seeds"), rows)
    for title, table in (("Training from block k on", found.freezing), ("Keeping the first N blocks", found.dropping)):
        shown = intervals(table)
        parts += ["", f"### {title}", ""]
        parts += _markdown(
            ("kind", "block", "trained parameters", "accuracy", "sd over seeds", "se of the test set", "seeds"),
            [
                (
                    r.kind,
                    str(r.block),
                    f"{r.trainable:,}",
                    f"{r.accuracy:.3f}",
                    _number(r.sd),
                    f"{r.se_test:.3f}",
                    str(r.seeds),
                )
                for r in shown.itertuples()
            ],
        )
    parts += ["", "### Steps from block to block", "", *_steps(found)]
    parts += ["", "### Histograms, neighbours, and the way from the pretrained encoder", "", *_changes(found)]
    parts += ["", "### Skipping blocks of the transformer of bytes", ""]
    parts += _markdown(
        ("measure", "mean Spearman", "standard error", "rows"),
        [(r.measure, _number(r.mean, 2), _number(r.se, 2), str(r.rows)) for r in found.agreements.itertuples()],
    )
    parts += ["", "Bits per byte on text that was not trained on:", ""]
    names = list(found.compression.columns[1:])
    parts += _markdown(
        ("text", *names),
        [(row["text"], *(f"{row[name]:.2f}" for name in names)) for _, row in found.compression.iterrows()],
    )
    return "\n".join(parts) + "\n"


def _steps(found: Results) -> list[str]:
    rows = []
    for measure in dict.fromkeys(found.maps["measure"]):
        for encoder in ("untrained", "pretrained", *TUNED):
            D = map_of(found.maps, encoder, measure)
            if D.notna().to_numpy().all():
                rows.append((measure, encoder, *(f"{value:.3g}" for value in steps_of(D))))
    return _markdown(("measure", "encoder", *(f"block {n}" for n in range(1, len(rows[0]) - 1))), rows)


def _changes(found: Results) -> list[str]:
    rows = []
    table = found.changes[found.changes["tap"] != "0"]
    for column in ("divergence", "overlap", "moved"):
        rows += [
            (column, encoder, *(f"{value:.3f}" for value in part[column]))
            for encoder, part in table.groupby("encoder", sort=False)
        ]
    return _markdown(("what", "encoder", *(f"block {n}" for n in range(1, len(rows[0]) - 1))), rows)


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.3f}" + (f" (sd {values.std(ddof=1):.3f})" if len(values) > 1 else "")


def _number(value: float, digits: int = 3) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def write_page(path: Path, text: str) -> None:
    """Put the generated part between the markers of a page, and leave the rest as it is."""
    from nngraph.errors import FormatError
    from nngraph.io._atomic import replacing

    begin, end = "<!-- language: begin -->", "<!-- language: end -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise FormatError(f"{path}: has no lines {begin!r} and {end!r}; put them where the tables are to be.")
    with replacing(path) as file:
        file.write(f"{before}{begin}\n\n{text}\n{end}{after}".encode())
