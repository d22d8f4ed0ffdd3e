"""Figures 1 to 3 and Table 1: pruning, noise, flips and null models of an easy and a hard pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngraph._tables import role
from nngraph.claims import Claim, claims, resampled_claims, transitions
from nngraph.reproduce.ledger import Context, Row
from nngraph.reproduce.probes import beyond, table1
from nngraph.reproduce.probes.asked import CLAIMS, Asked
from nngraph.reproduce.probes.judging import RULE, capped, judged, medians, picture, spread
from nngraph.reproduce.probes.tasks import LABELS, data_of, named, pair_tasks
from nngraph.reproduce.probes.variants import measured, untrained

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MIDDLE", "claim_rows", "run"]

SEEDS = {"quick": 12, "full": 100}
TWINS = 12
"""Networks of each task, at most, of which variants and controls are evaluated."""
MIDDLE = {"middle": (0, 6)}
"""The pair of digits whose loss when signed was the median of all 45, over four networks of other seeds."""


def run(context: Context) -> list[Row]:
    """Train, probe, randomise, vary, judge."""
    from nngraph.plot import perturbations, pruned_randomizations, randomizations
    from nngraph.studies import Study, Training

    data = data_of(context, "fashion-mnist")
    study = Study(pair_tasks(named(data, root=context.root)), seeds=SEEDS[context.scale], rng=context.rng)
    table = study.run(context.folder / "study", n_jobs=context.n_jobs, figures=False)
    middle = Study(pair_tasks(named("digits"), MIDDLE), seeds=TWINS, rng=context.rng, nulls=())
    between = middle.run(context.folder / "middle", n_jobs=context.n_jobs, figures=False)
    n = min(TWINS, study.seeds)
    last = Study(study.tasks, ops=(), nulls=(), seeds=n, rng=context.rng, network=Training(select="last"))
    late = last.run(context.folder / "last", n_jobs=context.n_jobs, figures=False)
    networks = context.folder / "study"
    varied = measured(study, networks, context.folder / "variants", n=n, n_jobs=context.n_jobs)
    twins = beyond.Twins(varied, _tasks(table))
    drawn = {
        "probes": picture(perturbations(table), context.folder / "probes.png"),
        "nulls": picture(randomizations(table, fold=True), context.folder / "nulls.png"),
        "pruned nulls": picture(pruned_randomizations(table), context.folder / "pruned-nulls.png"),
        "middle": picture(perturbations(between), context.folder / "middle.png"),
    }
    rows = claim_rows(_of("study"), table, LABELS[data], drawn, twins)
    label = f"{LABELS['digits']}, {_named(between)}"
    rows += claim_rows(_of("middle"), _as_both(between), label, {"probes": drawn["middle"]}, control=untrained(middle))
    rows += claim_rows(_of("last"), late, LABELS[data], drawn, twins)
    rows.append(table1.row(study, networks, LABELS[data]))
    figure = picture(beyond.drawn(twins), context.folder / "beyond.png")
    return rows + beyond.rows(twins, table, LABELS[data], figure=figure)


def claim_rows(
    asked: Sequence[Asked],
    table: pd.DataFrame,
    data: str,
    figures: Mapping[str, str],
    twins: beyond.Twins | None = None,
    *,
    control: tuple[str, bool] = ("", False),
    n_boot: int = 200,
) -> list[Row]:
    """Return a row for each claim that is asked about, with its interval and the share of resamples behind it.

    Parameters
    ----------
    asked : sequence of Asked
        What to ask.
    table : pandas.DataFrame
        Of a study with an easy and a hard task.
    data : str
        For the column of the row.
    figures : mapping of str to str
        Files, of "probes", "nulls" and "pruned nulls".
    twins : Twins, optional
        Where controls come from.
    control : tuple of str and bool
        Without twins: what the control gave, and whether it does as well as the trained networks.
    n_boot : int
        Resamples of the networks.
    """
    found = {claim.key: claim for claim in claims(table)}
    stable = resampled_claims(table, n_boot=n_boot)
    n = int(table["seed"].nunique())
    rows = []
    for one in asked:
        claim = found[max((key for key in found if one.claim.startswith(key)), key=len)]
        told, as_well = _control(one, twins) if twins is not None else control
        kind = "pruned nulls" if "pruned nulls" in one.claim else "nulls" if "nulls" in one.control else "probes"
        row = Row(
            key=one.key,
            source=one.source,
            statement=one.statement,
            criterion=f"{claim.criterion}. {RULE}, or where the control does as well",
            authors=one.authors,
            measured=claim.found,
            verdict="does not hold",
            data=data,
            seeds=n,
            control=told,
            figure=figures.get(kind, figures["probes"]),
        )
        rows.append(_judged(row, claim, one, stable, table))
        if as_well:
            limited = capped(rows[-1].verdict, control=True)
            rows[-1] = dataclasses.replace(rows[-1], verdict=limited, control=f"{told}; the control does as well")
    return rows


def _judged(row: Row, claim: Claim, one: Asked, stable: pd.DataFrame, table: pd.DataFrame) -> Row:
    if claim.verdict == "not testable":
        unlearned = claim.criterion == "-"  # another reason than a signed network with nothing to gain
        if not one.stand_in or unlearned or row.data == LABELS["fashion-mnist"]:
            return dataclasses.replace(row, measured=f"nothing to see: {claim.found}")
        missing = "files of Fashion-MNIST, where the signed network has something to gain; here it loses too little"
        return dataclasses.replace(row, verdict="not testable here", missing=missing, stand_in=one.stand_in)
    at = stable.loc[claim.key]
    middle = spread(claim.value, at["low"], at["high"])
    text = f"{claim.found}. {one.headline}: {middle}; met in {100 * at['share']:.0f} % of resamples"
    if one.claim == "transition":
        hard = role(table, "hard") or ""
        p = transitions(table, hard)
        n = table.loc[table["task"] == hard, "seed"].nunique()
        text += f"; {len(p)} of {n} networks collapsed" + (f", p* = {np.median(p):g}" if p else "")
    return dataclasses.replace(
        row,
        measured=text,
        verdict=judged(at["share"], met=claim.verdict == "holds"),
        value=claim.value,
        low=float(at["low"]),
        high=float(at["high"]),
    )


def _control(one: Asked, twins: beyond.Twins) -> tuple[str, bool]:
    """Say what the same gives on networks that were not trained, or when edges are chosen at random, and if as much."""
    task = "easy" if "easy" in one.control else "hard"
    as_well = twins.learned(task)
    signed = twins.of(task, "untrained", form="signed")
    texts = [f"untrained: full {task} {twins.of(task, 'untrained')}, signed {signed}"]
    if one.control == "pruned":
        lost = {name: spread(*twins.lost(name, "prune at random", p)) for name, p in (("easy", 0.8), ("hard", 0.6))}
        texts.append("edges pruned at random: easy loses {easy} at p = 0.8, hard {hard} at p = 0.6".format(**lost))
    elif "pruned" in one.control:
        texts.append(f"edges pruned at random: signed {task} {twins.best(task, 'prune at random')} at best")
        as_well = as_well or twins.matched(task, "prune")
    elif "flips" in one.control:
        texts.append(f"signs flipped at random: signed {task} {twins.best(task, 'flip at random')} at best")
        as_well = as_well or twins.matched(task, "flip")
    elif "nulls" in one.control:
        values = {kind: twins.folded(task, "untrained", kind) for kind in "BEFG"}
        folded = ", ".join(f"{kind} {value:.1f}" for kind, value in values.items())
        texts.append(f"null models of untrained networks, folded: {folded}")
        as_well = as_well or any(values[kind] >= twins.folded(task, "trained", kind) for kind in "EF")
    elif "ranked" in one.control:
        ranks = [twins.values(task, name, form="signed", metric="auc") for name in ("untrained", "trained")]
        texts.append(f"AUC of the untrained signed {task} {spread(*medians(ranks[0]))}")
        as_well = as_well or bool(np.median(ranks[0]) >= np.median(ranks[1]))
    return "; ".join(texts), as_well


def _of(table: str) -> list[Asked]:
    return [one for one in CLAIMS if one.table == table]


def _tasks(table: pd.DataFrame) -> dict[str, str]:
    return {name: role(table, name) or "" for name in ("easy", "hard")}


def _named(table: pd.DataFrame) -> str:
    return str(table["task"].iloc[0])


def _as_both(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of one task as that of an easy task, beside a hard one that is the same."""
    import pandas as pd

    return pd.concat([table.assign(task="easy"), table.assign(task="hard")], ignore_index=True)
