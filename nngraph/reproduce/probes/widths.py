"""Figures 10 to 13: the claims of Figures 1 and 2 again, with narrower and wider hidden layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nngraph._tables import many
from nngraph.claims import Claim, claims, resampled_claims
from nngraph.reproduce.ledger import Context, Row
from nngraph.reproduce.probes.judging import capped, picture, spread
from nngraph.reproduce.probes.tasks import LABELS, data_of, named, pair_tasks

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.reproduce.ledger import Verdict
    from nngraph.studies import Study

__all__ = ["REPEATED", "as_with_64", "judged_together", "run", "together"]

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
    from nngraph.reproduce.probes.variants import untrained
    from nngraph.studies import Study, Training

    data = data_of(context, "fashion-mnist")
    tasks = pair_tasks(named(data, root=context.root))
    n = SEEDS[context.scale]
    reference = _with_64(Study(tasks, seeds=n, rng=context.rng, draws=1), context)
    halves = [reference[reference["seed"] % 2 == half] for half in (0, 1)]
    alike = as_with_64(*halves)[0]
    rows = []
    for key, width in WIDTHS.items():
        network = Training(hidden=(width,))
        study = Study(tasks, seeds=n, rng=context.rng, draws=1, network=network)
        table = study.run(context.folder / f"width-{width}", n_jobs=context.n_jobs, figures=False)
        text, _, at = together(table)
        same, verdict = as_with_64(table, reference)
        told, as_well = untrained(study)
        rows.append(
            Row(
                key=key,
                source="Fig. 10 to 13",
                statement=f"With {width} hidden units the claims of rows 3 to 9 and 11 hold as with 64",
                criterion=f"of those that can be tested with {width} or with 64, each has the same verdict with both "
                f"(medians of {n} networks); in part if two in three have",
                authors="the same shapes; no number",
                measured=f"{same}; with {width} {text}",
                verdict=capped(verdict, control=as_well),
                data=LABELS[data],
                seeds=study.seeds,
                value=at[0],
                low=at[1],
                high=at[2],
                control=f"two halves of the networks with 64: {alike}; {told}",
                figure=picture(perturbations(table), context.folder / f"width-{width}.png"),
            )
        )
    return rows


def _with_64(study: Study, context: Context) -> pd.DataFrame:
    """Return the table of networks with 64 hidden units: of Figures 1 to 3 where they are there, else made here."""
    from nngraph.errors import StudyError
    from nngraph.reproduce.probes import figures
    from nngraph.store import Store
    from nngraph.studies import Study

    whole = Study(study.tasks, seeds=figures.SEEDS[context.scale], rng=context.rng)
    store = Store(context.folder.parent / "figures-1-3" / "study")
    names = [unit.name for unit in whole._units()]
    if (store.folder / "study.json").exists() and all(store.is_done(name) for name in names):
        try:
            store.open(whole.settings())
        except StudyError:  # of other settings, so that it is no reference
            pass
        else:
            table = store.merge(names)
            return table[(table["seed"] < study.seeds) & (table["draw"] == 0)].reset_index(drop=True)
    return study.run(context.folder / "width-64", n_jobs=context.n_jobs, figures=False)


def as_with_64(table: pd.DataFrame, reference: pd.DataFrame) -> tuple[str, Verdict]:
    """Return which of the repeated claims have the same verdict in two tables, and the verdict on that."""
    here, there = _asked(table), _asked(reference)
    tested = [key for key in REPEATED if {here[key].verdict, there[key].verdict} != {"not testable"}]
    other = [key for key in tested if here[key].verdict != there[key].verdict]
    share = 1 - len(other) / len(tested) if tested else 0.0
    text = f"{len(tested) - len(other)} of {many(len(tested), 'claim')} have the same verdict"
    if other:
        words = {"holds": "met", "does not hold": "not met", "not testable": "nothing to test"}
        listed = (f"{REPEATED[key]} ({words[here[key].verdict]}, {words[there[key].verdict]})" for key in other)
        text += f", not {', '.join(listed)}"
    return text, "holds" if share == 1 else "holds in part" if share >= 2 / 3 else "does not hold"


def _asked(table: pd.DataFrame) -> dict[str, Claim]:
    """Return the repeated claims of a table by their keys."""
    found = {claim.key: claim for claim in claims(table)}
    return {key: found[max((there for there in found if key.startswith(there)), key=len)] for key in REPEATED}


def together(table: pd.DataFrame, *, n_boot: int = 200) -> tuple[str, Verdict, tuple[float, float, float]]:
    """Return which of the repeated claims are met, the verdict, and the signed hard accuracy with its interval."""
    stable = resampled_claims(table, n_boot=n_boot)
    asked = _asked(table)
    verdict = judged_together(list(asked.values()))
    named = {
        kind: [REPEATED[key] for key, claim in asked.items() if claim.verdict == kind]
        for kind in ("holds", "does not hold", "not testable")
    }
    at = stable.loc["collapse"]
    middle = (asked["collapse"].value, float(at["low"]), float(at["high"]))
    words = {"holds": "met", "does not hold": "not met", "not testable": "nothing to test"}
    texts = [f"{words[kind]}: {' '.join(keys)}" for kind, keys in named.items() if keys]
    return "; ".join([*texts, f"signed hard {spread(*middle)}"]), verdict, middle


def judged_together(asked: Sequence[Claim]) -> Verdict:
    """Return the verdict of several claims at once."""
    tested = [claim.verdict == "holds" for claim in asked if claim.verdict != "not testable"]
    share = sum(tested) / len(tested) if tested else 0.0
    return "holds" if share == 1 else "holds in part" if share >= 2 / 3 else "does not hold"
