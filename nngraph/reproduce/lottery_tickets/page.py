"""The page on lottery tickets: settings, verdicts, tables and figures, all computed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nngraph.io._atomic import replacing
from nngraph.reproduce import _claims
from nngraph.reproduce._tables import markdown
from nngraph.reproduce.lottery_tickets import figures
from nngraph.reproduce.lottery_tickets.claims import EARLY, TESTED, Study, claims, ordered
from nngraph.reproduce.lottery_tickets.measuring import MEASURED
from nngraph.reproduce.lottery_tickets.runs import MASKS, SEEDS, studied
from nngraph.reproduce.lottery_tickets.training import ARMS, Settings

if TYPE_CHECKING:
    import pandas as pd

    from nngraph.sparse import Tickets

__all__ = ["run"]

COMMAND = "python -m nngraph.reproduce.lottery_tickets --out FOLDER"
ROUNDS = (0, 4, 8, 12, 14, 16, 18, 20, 22)
"""Rows of the table of measures."""
COLUMNS = {
    "degree:target_dispersion@0": "in-degrees of hidden 1, variance over binomial",
    "in_out_correlation:all:0": "in-out correlation, hidden 1",
    "spanning:edges": "edges that span",
    "spanning:pairs": "connected pairs",
    "pathways:top": "path weight of the top 1 %",
    "information:in_out": "information in-out (nats)",
    "weight:mean": "mean weight",
    "weight:mean_magnitude": "mean magnitude",
}


def run(
    out: str | os.PathLike[str],
    *,
    settings: Settings | None = None,
    seeds: int = SEEDS,
    control_seeds: int | None = None,
    masks: Mapping[str, int] = MASKS,
    n_boot: int = 25,
    root: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Train all networks, measure them, judge the claims, and write the page with its tables and figures.

    Parameters
    ----------
    out : path
        Folder: one of each seed, scores.csv, claims.csv, order.csv, lottery_tickets.md, and pictures. A run that was
        stopped goes on.
    settings : Settings, optional
        What is trained; by default LeNet-300-100 on Fashion-MNIST.
    seeds : int
        Networks from different weights, images and orders; four at least.
    control_seeds : int, optional
        How many of them also have the controls "shuffle", "degree" and "reinitialize"; by default all.
    masks : mapping of str to int
        Random masks for each round of the tickets and of the random control.
    n_boot : int
        Resamples of each tail.
    root : path, optional
        Folder of the files of the data set.

    Returns
    -------
    pandas.DataFrame
        claim, rule, measured, verdict.

    Raises
    ------
    ArgumentError
        If there are fewer than four seeds, as a random control is held against at least three others, or more seeds
        with all controls than seeds; before anything is trained.
    DatasetError
        If the files of the data set are not found.
    StudyError
        If the folder holds results of other settings.
    """
    settings = Settings() if settings is None else settings
    study, ticket = studied(
        out, settings=settings, seeds=seeds, control_seeds=control_seeds, masks=masks, n_boot=n_boot, root=root
    )
    folder = Path(out)
    (folder / "pictures").mkdir(exist_ok=True)
    found = _claims.table(list(claims(study).values()))[["claim", "rule", "measured", "verdict"]]
    order = ordered(study)
    for name, table in (("scores", study.scores), ("claims", found), ("order", order)):
        with replacing(folder / f"{name}.csv") as file:
            file.write(table.to_csv(index=False).encode())
    drawn = {
        "accuracy": figures.accuracies(study),
        "measures": figures.measures(study),
        "subnetwork": figures.subnetwork(ticket.graph(ticket.trained[-1])),
    }
    for name, figure in drawn.items():
        _claims.save(figure, folder / "pictures" / f"tickets_{name}.png")
    text = "\n".join(
        [
            _introduction(settings, study, seeds if control_seeds is None else control_seeds, masks),
            _verdicts(found),
            _order(order, study),
            _accuracies(study),
            _table(study),
            _tails(study),
            _pictures(ticket),
        ]
    )
    with replacing(folder / "lottery_tickets.md") as file:
        file.write(text.encode())
    return found


# ----------------------------------------------------------------------- sections


def _introduction(settings: Settings, study: Study, full: int, masks: Mapping[str, int]) -> str:
    seconds, sizes = study.scores["seconds"].sum(), "-".join(map(str, settings.sizes))
    rate = 100 * settings.fraction
    return f"""# Lottery tickets as networks

Kang et al. (2025) see graph measures of a multilayer perceptron change before it fails as it is pruned. Asked here of
{sizes} on {settings.data_set}: {settings.n_train:,} training images drawn anew for each of {study.n} seeds,
{settings.epochs} epochs a round of Adam (batches of {settings.batch_size}, learning rate {settings.lr:g} falling to 0),
{settings.rounds} rounds that drop {rate:g} % of the edges of each layer ({rate / 2:g} % of the last) and rewind the
others to their start. Accuracy is on all test images; nothing is chosen by them. The paper's own formulas were not at
hand: which measures are meant is reconstructed, and {sizes} stands in for its networks.

Controls: `random` pruning to the same density of each layer, trained at every round; at every
{_ordinal(settings.every)} round, in {full} of the seeds, the ticket with its mask and initial weights shuffled in each
layer (`shuffle`), moved to a random mask of the same degrees (`degree`, the null model `configuration`), and with new
initial weights (`reinitialize`).

Measures of the tickets are held against {masks["tickets"]} random masks of the same densities in each round (those of
`random` against {masks["random"]}), with the trained weights dealt over them at random; mean weights and magnitudes,
which dealing keeps, against the trained random networks of all seeds. A measure departs at the first of two consecutive
rounds with |z| > 3. The network decays at the first of two consecutive rounds with an accuracy more than 1 point below
that of the whole network of the same seed.

All of this page is made by
`{COMMAND} --seeds {study.n} --control-seeds {full}`;
no number is typed. Training took {seconds:,.0f} CPU seconds on one core.
"""


def _ordinal(number: int) -> str:
    return {1: "single", 2: "second", 3: "third"}.get(number, f"{number}th")


def _verdicts(found: pd.DataFrame) -> str:
    rows = [tuple(row) for row in found[["claim", "verdict", "measured"]].to_numpy()]
    text = "## Claims\n\n" + _markdown(("claim", "verdict", "found"), rows) + "\nThe rules:\n\n"
    return text + "".join(f"- {row.claim}: {row.rule}.\n" for row in found.itertuples())


def _order(order: pd.DataFrame, study: Study) -> str:
    rows: list[Sequence[Any]] = [
        (
            r.measure,
            f"{r.first} / {r.tie} / {r.later}",
            _number(r.departure, ".0f"),
            f"{r.p:.3f}",
            f"{r.p_holm:.3f}",
            f"{r.first_by_size} ({_number(r.departure_by_size, '.0f')})",
            r.first_in_random,
            r.first_before_5_points,
            r.verdict,
        )
        for r in order.itertuples()
    ]
    middle = [_number(float(order[by].fillna(np.inf).median()), "g") for by in ("departure", "departure_by_size")]
    rows.append(("median over the measures", "", middle[0], "", "", f"({middle[1]})", "", "", ""))
    header = ["measure", "first / tie / later", "median departure (round)", "p", "p, Holm"]
    header += ["first by size (round)", "first in random pruning", "first, 5 points", "what that says"]
    decays = {arm: ", ".join(_number(x, ".0f") for x in study.decays(arm)) for arm in study.runs}
    return (
        "## Which comes first\n\n"
        f"Rounds of decay by seed: tickets {decays['tickets']}; random pruning {decays['random']}.\n\n"
        + _markdown(header, rows)
        + f"""
In how many of {study.n} seeds the departure of the tickets comes before their decay, with it, or after; p of the exact
one-sided sign test over seeds, alone and by Holm over {len(TESTED)} measures. With {study.n} seeds p is
{0.5**study.n:.3f} at least.

A departure can be first without announcing anything, and each reservation is checked. Any trained mask differs from
random ones, and with many edges the smallest difference has a large z: "from the first rounds on" says that the median
departure is in round {EARLY} or before. A difference may be certain and small: "by z, not by size" says that it does
not pass 0.1 together with |z| > 3 before the decay in every seed: 0.1 in the measure's own units for shares and
correlations; information is read as the correlation of normal variables that has as much of it; mean weights are
relative to the mean magnitude of weights in the null, all else to the mean of the null itself. No unit of weights
enters. And what departs before the decay under random pruning too says nothing of tickets: "as in the random control".
Measures of the support cannot depart there but by chance; measures of weights can. What is first depends on what counts
as decay: "first, 5 points" counts the seeds in which the departure comes before a fall of 5 points in the place of 1.
"""
    )


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "none"


def _accuracies(study: Study) -> str:
    table = study.scores
    arms = [arm for arm in ARMS if arm in set(table["arm"])]
    grouped = table.groupby(["round", "arm"])["accuracy"].agg(["mean", "std", "count"])
    density = table.groupby("round")["density"].first()
    shown = [0, *sorted(table.loc[~table["arm"].isin(MEASURED), "round"].unique()), table["round"].max()]
    rows = []
    for number in dict.fromkeys(shown):
        cells = []
        for arm in arms:
            known = (number, arm) in grouped.index
            mean, sd = grouped.loc[(number, arm), ["mean", "std"]] if known else (np.nan, np.nan)
            cells.append(f"{100 * mean:.2f} ± {100 * sd:.2f}" if known else "")
        rows.append((number, f"{100 * density[number]:.2f} %", *cells))
    counts = ", ".join(f"{arm} {table.loc[table['arm'] == arm, 'seed'].nunique()}" for arm in arms)
    text = "## Accuracy\n\n![accuracy against density](pictures/tickets_accuracy.png)\n\n"
    text += (
        "Means over seeds, bands from the lowest to the highest. In percent, with the standard deviation over seeds "
    )
    return text + f"({counts} seeds):\n\n" + _markdown(["round", "density", *arms], rows)


def _table(study: Study) -> str:
    runs = study.runs["tickets"]
    known = set(runs[0]["round"])
    rows: list[Sequence[Any]] = []
    for number in [number for number in ROUNDS if number in known]:
        cells = []
        for measure in COLUMNS:
            null = "trained" if measure.startswith("weight") else "dealt"
            values = [study.series("tickets", seed, measure)[number] for seed in range(study.n)]
            scores = [study.series("tickets", seed, measure, "z", null).get(number, np.nan) for seed in range(study.n)]
            cells.append(_cell(float(np.mean(values)), np.array(scores, float)))
        density = runs[0].loc[runs[0]["round"] == number, "density"].iloc[0]
        rows.append((number, f"{100 * density:.2f} %", *cells))
    return (
        "## Measures of the tickets\n\n![measures against density](pictures/tickets_measures.png)\n\n"
        "Means over seeds and bands of all seeds; filled where |z| > 3 in every seed; dotted: the mean of the null of "
        'the tickets; vertical lines: the decay of each seed. In numbers, mean over seeds (median z); "no spread" '
        "where all masks of the null of the median seed have the same value, which is not that of the ticket:\n\n"
        + _markdown(["round", "density", *COLUMNS.values()], rows)
    )


def _cell(value: float, z: np.ndarray) -> str:
    """Return a mean value with the median of the scores that there are; nothing where there is no value."""
    if np.isnan(value):
        return ""
    known = z[~np.isnan(z)]
    if not len(known):
        return f"{value:.4g}"
    middle = float(np.sort(known)[(len(known) - 1) // 2]) if np.isinf(known).any() else float(np.median(known))
    return f"{value:.4g} ({f'{middle:+.1f}' if np.isfinite(middle) else 'no spread'})"


def _tails(study: Study) -> str:
    table = study.tails
    last = table[table["round"] == table["round"].max()]
    rows = []
    for name, one in last.groupby("sequence", sort=False):
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in one["verdict"].value_counts().items())
        fits = [f"{one[key].min():.3g} to {one[key].max():.3g}" for key in ("alpha", "n_tail", "decades", "p")]
        rows.append((name, verdicts, *fits))
    density = 100 * last["density"].iloc[0]
    header = ["degrees", "verdicts by seed", "alpha", "values in the tail", "decades", "p of the power law"]
    return (
        f"## Tails of degrees at the last round ({density:.2f} % of the edges)\n\n" + _markdown(header, rows) + "\n"
        "The rule of the verdicts is that of `nngraph.stats.fit_tail`. Blocks are named 0, 2, 4 from the input on.\n"
    )


def _pictures(ticket: Tickets) -> str:
    from nngraph.stats import spanning, spanning_nodes

    number = ticket.trained[-1]
    G = ticket.graph(number)
    on = spanning_nodes(G).groupby("part", sort=False).sum()
    nodes = ", ".join(f"{on[part.name]} of {part.size}" for part in G.parts)
    return (
        "## The spanning subnetwork\n\n![spanning subnetwork](pictures/tickets_subnetwork.png)\n\n"
        f"What is left of the first seed at round {number} ({G.n_edges:,} edges, "
        f"{100 * spanning(G)['edges']:.1f} % of them on a path from a pixel to a class): nodes on such paths, part by "
        f"part, {nodes}. Positive edges red, negative blue; of each block the strongest {figures.DRAWN}.\n"
    )


def _markdown(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    return "".join(f"{line}\n" for line in markdown(header, rows))
