"""Figures 10 to 13: the claims of Figures 1 and 2 again, with narrower and wider hidden layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nngraph.claims import Claim, claims, resampled_claims
from nngraph.reproduce.ledger import Context, Row
from nngraph.reproduce.probes.judging import picture, spread
from nngraph.reproduce.probes.tasks import LABELS, data_of, named, pair_tasks

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.reproduce.ledger import Verdict

__all__ = ["REPEATED", "judged_together", "run", "together"]

WIDTHS = {"probes-21a": 32, "probes-21b": 128}
SEEDS = {"quick": 8, "full": 20}
REPEATED = {
    "pruning": "03",
    "collapse": "04",
    "pruning helps": "05",
    "transition": "06",
    "noise": "07",
    "noise peak easy": "08a",
    "noise peak hard": "08b",
    "flip peak easy": "09a",
    "flip peak hard": "09b",
    "survivors easy": "11a",
    "survivors hard": "11b",
}
"""Claims and their rows for 64 hidden units."""


def run(context: Context) -> list[Row]:
    """Train, probe and randomise networks of each width, and ask the claims of rows 3 to 9 and 11 again."""
    from nngraph.plot import perturbations
    from nngraph.studies import Study, Training

    data = data_of(context, "fashion-mnist")
    tasks = pair_tasks(named(data, root=context.root))
    rows = []
    for key, width in WIDTHS.items():
        network = Training(hidden=(width,))
        study = Study(tasks, seeds=SEEDS[context.scale], rng=context.rng, draws=1, network=network)
        table = study.run(context.folder / f"width-{width}", n_jobs=context.n_jobs, figures=False)
        text, verdict, at = together(table)
        rows.append(
            Row(
                key=key,
                source="Fig. 10 to 13",
                statement=f"With {width} hidden units the claims of rows 3 to 9 and 11 hold as with 64",
                criterion="every one of them that can be tested is met (medians); in part if two in three are",
                authors="the same shapes; no number",
                measured=text,
                verdict=verdict,
                data=LABELS[data],
                seeds=study.seeds,
                value=at[0],
                low=at[1],
                high=at[2],
                control="rows 03 to 11 have the controls of 64 units",
                figure=picture(perturbations(table), context.folder / f"width-{width}.png"),
            )
        )
    return rows


def together(table: pd.DataFrame, *, n_boot: int = 200) -> tuple[str, Verdict, tuple[float, float, float]]:
    """Return which of the repeated claims are met, the verdict, and the signed hard accuracy with its interval."""
    found = {claim.key: claim for claim in claims(table)}
    stable = resampled_claims(table, n_boot=n_boot)
    asked = {key: found[max((there for there in found if key.startswith(there)), key=len)] for key in REPEATED}
    verdict = judged_together(list(asked.values()))
    named = {
        kind: [REPEATED[key] for key, claim in asked.items() if claim.verdict == kind]
        for kind in ("holds", "does not hold", "not testable")
    }
    at = stable.loc["collapse"]
    middle = (found["collapse"].value, float(at["low"]), float(at["high"]))
    words = {"holds": "met", "does not hold": "not met", "not testable": "nothing to test"}
    texts = [f"{words[kind]}: {' '.join(keys)}" for kind, keys in named.items() if keys]
    return "; ".join([*texts, f"signed hard {spread(*middle)}"]), verdict, middle


def judged_together(asked: Sequence[Claim]) -> Verdict:
    """Return the verdict of several claims at once."""
    tested = [claim.verdict == "holds" for claim in asked if claim.verdict != "not testable"]
    share = sum(tested) / len(tested) if tested else 0.0
    return "holds" if share == 1 else "holds in part" if share >= 2 / 3 else "does not hold"
