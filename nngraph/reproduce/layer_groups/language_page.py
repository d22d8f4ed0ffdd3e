"""The page of the language part: its tables, and a verdict for each claim by a rule that is written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nngraph.reproduce._tables import markdown, put
from nngraph.reproduce.layer_groups import language_claims as accuracies
from nngraph.reproduce.layer_groups.judgements import Judgement
from nngraph.reproduce.layer_groups.language_claims import TUNED, Results, read
from nngraph.reproduce.layer_groups.language_map_claims import JUDGES
from nngraph.reproduce.layer_groups.language_maps import map_of, steps_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Results", "page", "read", "verdicts"]


def verdicts(found: Results) -> list[Judgement]:
    """Return claim, what the paper has, what is found here, and whether it holds on the stand-in."""
    judges = (*JUDGES, accuracies.freeze, accuracies.drop, accuracies.sparse, accuracies.interventions)
    return [judge(found) for judge in judges]


# ------------------------------------------------------------------------ page


def page(found: Results, *, setup: str) -> str:
    """Return the generated part of the page as Markdown.

    Parameters
    ----------
    found : Results
        Of :func:`nngraph.reproduce.layer_groups.language_claims.read`.
    setup : str
        A sentence on sizes and schedule.
    """
    from nngraph.finetuning import intervals

    parts: list[str] = [setup, ""]
    rows = [
        (
            one.claim,
            one.paper,
            f"{one.here} (rule: {one.rule})",
            one.said.replace(one.verdict, f"{one.verdict} on the stand-in", 1),
        )
        for one in verdicts(found)
    ]
    parts += markdown(("claim", "paper", "here", "verdict"), rows)
    parts += ["", "### Accuracies", ""]
    accuracies_of = [
        (name, f"{100 * part['absent'].mean():.0f} %", _mean(part["accuracy"]), str(len(part)))
        for name, part in found.encoders.groupby("encoder", sort=False)
    ]
    parts += markdown(("encoder", "absent", "accuracy", "seeds"), accuracies_of)
    for title, table in (("Training from block k on", found.freezing), ("Keeping the first N blocks", found.dropping)):
        shown = intervals(table)
        parts += ["", f"### {title}", ""]
        parts += markdown(
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
    parts += ["", "### The fine-tuning on the way (root of GW from block to block)", "", *_on_the_way(found)]
    parts += ["", "### Skipping blocks of the transformer of bytes", ""]
    parts += markdown(
        ("measure", "mean Spearman", "standard error over rows", "rows", "p of permuted blocks"),
        [
            (r.measure, _number(r.mean, 2), _number(r.se, 2), r.rows, _number(r.p))
            for r in found.agreements.itertuples()
        ],
    )
    parts += ["", "Bits per byte on text that was not trained on:", ""]
    names = list(found.compression.columns[1:])
    parts += markdown(
        ("text", *names),
        [(row["text"], *(f"{row[name]:.2f}" for name in names)) for _, row in found.compression.iterrows()],
    )
    return "\n".join(parts) + "\n"


def _steps(found: Results) -> list[str]:
    rows = []
    table = found.maps["0"]
    for measure in dict.fromkeys(table["measure"]):
        for encoder in ("untrained", "pretrained", *TUNED):
            D = map_of(table, encoder, measure)
            rows.append((measure, encoder, *("-" if np.isnan(value) else f"{value:.3g}" for value in steps_of(D))))
    return markdown(("measure", "encoder", *(f"block {n}" for n in range(1, len(rows[0]) - 1))), rows)


def _changes(found: Results) -> list[str]:
    rows = []
    table = found.changes["0"][found.changes["0"]["tap"] != "0"]
    for column in ("divergence", "overlap", "moved"):
        rows += [
            (column, encoder, *(f"{value:.3f}" for value in part[column]))
            for encoder, part in table.groupby("encoder", sort=False)
        ]
    return markdown(("what", "encoder", *(f"block {n}" for n in range(1, len(rows[0]) - 1))), rows)


def _on_the_way(found: Results) -> list[str]:
    steps = found.steps.pivot(index="step", columns="tap", values="distance")
    rows = [
        (
            int(r.step),
            f"{r.loss:.3f}",
            f"{r.accuracy:.3f}",
            *(f"{d:.4f}" for d in (r.mean_distance, *steps.loc[r.step])),
        )
        for r in found.scores.itertuples()
    ]
    header = ("step", "loss (nats)", "accuracy", "mean distance", *(f"block {tap}" for tap in steps))
    return markdown(header, rows)


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.3f}" + (f" (sd {values.std(ddof=1):.3f})" if len(values) > 1 else "")


def _number(value: float, digits: int = 3) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def write_page(path: Path, text: str) -> None:
    """Put the generated part between the markers of a page, and leave the rest as it is."""
    put(path, "language", text)
